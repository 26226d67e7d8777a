"""How far spaces agree, as the page shows it: pairs of spaces, their curves, and what they disagree on.

Results come from the artifacts of `jobs.specs.Agreement`; what they compare are clips or classes, here called
things. All numbers of the page are made here, and kept under the key of what they are made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.results import result
from jobs.presets import clip_classes, of_pairs
from jobs.specs import Agreement, EmbedAudio, EmbedText
from jobs.tasks.agreement import Result as Measured
from jobs.workspace.workspace import Dataset, Workspace

#: What a curve can show: value in the URL to name on the page.
MEASURES = {"overlap": "Overlap", "jaccard": "Jaccard", "adjusted": "Above chance"}
#: Forms of CKA in a result, likewise.
CKA = {
    "linear_debiased": "linear, debiased",
    "linear": "linear, biased",
    "rbf_debiased": "RBF, debiased",
    "rbf": "RBF, biased",
}


@dataclass(frozen=True)
class Compared:
    """A space that takes part: of sounds, or of the texts of classes."""

    name: str
    spec: EmbedAudio | EmbedText


@dataclass(frozen=True)
class Pair:
    """Two spaces; `id` stands in the URL."""

    id: str
    a: Compared
    b: Compared
    spec: Agreement

    @property
    def title(self) -> str:
        """Name on the page."""
        return f"{self.a.name} × {self.b.name}"


@dataclass(frozen=True)
class Series:
    """One measure over k: (K,) each, the band (K, 2); None where shuffled pairings say nothing about it."""

    values: np.ndarray
    chance: np.ndarray
    band: np.ndarray | None
    p_value: np.ndarray | None


@dataclass(frozen=True)
class Summary:
    """A curve in a few numbers: the topological similarity with its k, and the same above chance."""

    value: float
    k: int
    adjusted: float
    adjusted_k: int
    literal: float


def compared(
    shown: Workspace, dataset: Dataset, of: str
) -> tuple[list[Compared], list[EmbedAudio | EmbedText]]:
    """Return the spaces that can be compared, by name, and the specs of those that are not there yet."""
    audio = shown.spaces(dataset)
    texts = shown.text_spaces(dataset) if of == "classes" else []
    found = [Compared(s.encoder, s.spec) for s in audio if s.state == "done"]
    found += [Compared(t.name, t.spec) for t in texts if t.state == "done"]
    coming: list[EmbedAudio | EmbedText] = [s.spec for s in audio if s.state != "done"]
    return found, coming + [t.spec for t in texts if t.state != "done"]


def named(c: Clips) -> np.ndarray:
    """Return the class of every clip, "" where it has none, (n,): the classes that are compared."""
    return once(("named classes", *c.key), lambda: clip_classes(c.frame))


def class_names(c: Clips) -> list[str]:
    """Return the classes that clips have, sorted."""
    return sorted(set(named(c).tolist()) - {""})


def pairs(dataset: Dataset, spaces: Sequence[Compared], of: str, class_vectors: str = "raw") -> list[Pair]:
    """Return every two of the spaces."""
    audio = [s.spec for s in spaces if isinstance(s.spec, EmbedAudio)]
    texts = [s.spec for s in spaces if isinstance(s.spec, EmbedText)]
    specs = of_pairs(dataset, audio, texts, of=of, class_vectors=class_vectors)
    return [
        Pair(f"{a.name}~{b.name}", a, b, spec)
        for (a, b), spec in zip(combinations(spaces, 2), specs, strict=True)
    ]


def first_pairs(found: Sequence[Pair], most: int) -> list[str]:
    """Return the ids of the pairs to begin with: what sounds beside what is said, then the rest in order."""
    mixed = [isinstance(p.a.spec, EmbedText) != isinstance(p.b.spec, EmbedText) for p in found]
    ranked_pairs = sorted(range(len(found)), key=lambda i: not mixed[i])[:most]
    return [found[i].id for i in sorted(ranked_pairs)]


def measured(pair: Pair) -> Measured:
    """Return the result for a pair, which exists."""
    return result(pair.spec)


def series(m: Measured, measure: str, *, with_self: bool = False) -> Series:
    """Return one measure over k.

    Parameters
    ----------
    m : Measured
    measure : {"overlap", "jaccard", "adjusted"}
    with_self : bool
        Whether a point counts as its own neighbour; the Jaccard index is without.

    Notes
    -----
    With the point itself, k neighbours are k - 1 others: S'_k = (1 + (k - 1) S_{k-1}) / k, for chance and
    for shuffled pairings alike, and the part above chance is that of k - 1.
    """
    shuffled = m.permutations > 0
    band, p = (m.band[:, [0, 2]], m.p_value) if shuffled else (None, None)
    if measure == "jaccard":
        return Series(m.jaccard, m.chance_jaccard, None, None)
    if measure == "adjusted":
        room = 1 - m.chance
        if band is not None:
            low = (band - m.chance[:, None]).T
            band = np.divide(low, room, out=np.full_like(low, np.nan), where=room > 1e-12).T
        found = Series(m.adjusted, np.zeros(len(m.ks)), band, p)
        if not with_self:
            return found
        nothing = np.full(1, np.nan)
        return Series(
            np.concatenate([nothing, m.adjusted[:-1]]),
            found.chance,
            None if band is None else np.concatenate([np.full((1, 2), np.nan), band[:-1]]),
            None if p is None else np.concatenate([np.ones(1), p[:-1]]),
        )
    if not with_self:
        return Series(m.overlap, m.chance, band, p)
    return Series(
        m.overlap_self,
        m.chance_self,
        None if band is None else _with_itself(band),
        None if p is None else np.concatenate([np.ones(1), p[:-1]]),
    )


def _with_itself(values: np.ndarray) -> np.ndarray:
    k = np.arange(1, len(values) + 1)[:, None]
    before = np.concatenate([np.zeros((1, values.shape[1])), values[:-1]])
    return (1 + (k - 1) * before) / k


def at(m: Measured, values: np.ndarray, k: int) -> float:
    """Return a curve's value at k; NaN where it does not reach so far."""
    i = int(np.searchsorted(m.ks, k))
    return float(values[i]) if i < len(m.ks) and m.ks[i] == k else float("nan")


def limits_of(found: Sequence[Measured]) -> tuple[int, int]:
    """Return the usual end of the range for the topological similarity, and the largest k there is.

    A fifth of the things: near n, everything is everyone's neighbour.
    """
    last = min(int(m.ks[-1]) for m in found)
    return max(1, min(last, min(m.n for m in found) // 5)), last


def at_size(ready: Sequence[Pair], measure: str, k: int, *, with_self: bool = False) -> dict[str, float]:
    """Return one measure of every pair at k, by the pair's id; NaN where a curve does not reach so far."""
    found = {}
    for pair in ready:
        m = measured(pair)
        found[pair.id] = at(m, series(m, measure, with_self=with_self).values, k)
    return found


def cka(ready: Sequence[Pair], form: str) -> dict[str, float]:
    """Return one form of CKA of every pair, by the pair's id."""
    return {pair.id: measured(pair).cka_of(form) for pair in ready}


def lowest(*matrices: dict[str, float]) -> float:
    """Return where colours begin that matrices share: at 0, or at the lowest number where that is below."""
    values = [v for numbers_of in matrices for v in numbers_of.values()]
    return min([0.0, *(v for v in values if np.isfinite(v))])


def things(found: Sequence[Pair]) -> str:
    """Say how many things pairs compare: ``400``, or ``380 to 400`` where they differ."""
    return numbers.span(measured(pair).n for pair in found)


def permutations(found: Sequence[Pair]) -> int:
    """Return the most shuffled pairings that any of the pairs was compared with."""
    return max((measured(pair).permutations for pair in found), default=0)


def matrix(
    spaces: Sequence[Compared], ready: Sequence[Pair], numbers_of: dict[str, float]
) -> tuple[np.ndarray, list[list[str]]]:
    """Lay one number a pair out as (s, s), NaN where there is none; and the ids of the pairs likewise."""
    row = {s.name: i for i, s in enumerate(spaces)}
    values = np.full((len(row), len(row)), np.nan)
    ids = [[""] * len(row) for _ in row]
    for pair in ready:
        i, j = row[pair.a.name], row[pair.b.name]
        values[i, j] = values[j, i] = numbers_of[pair.id]
        ids[i][j] = ids[j][i] = pair.id
    return values, ids


def kept_k(m: Measured, k: int) -> int:
    """Return which of the sizes that are kept for every thing is nearest to `k`, the lower of two."""
    return int(m.clip_ks[int(np.argmin(np.abs(m.clip_ks - k)))])


def ranked(m: Measured, k: int, *, most: bool = False) -> np.ndarray:
    """Return the things from least to most overlap at one of the sizes kept, or the other way round.

    Ties go by the mean overlap over all sizes kept, then by the order of the dataset.
    """
    here = m.samples[:, int(np.searchsorted(m.clip_ks, k))]
    over_all = m.samples.mean(axis=1)
    sign = -1 if most else 1
    return np.lexsort((np.arange(m.n), sign * over_all, sign * here))


def shared(m: Measured, k: int) -> np.ndarray:
    """Number of each thing's k neighbours that both spaces have, (n,)."""
    return np.rint(m.samples[:, int(np.searchsorted(m.clip_ks, k))] * k).astype(int)


def summary(m: Measured, low: int, high: int) -> Summary:
    """Return the largest overlap for k from `low` to `high`, without the point itself, and above chance.

    `literal` is the paper's maximum over all k, with the point itself.
    """
    from core.similarity import largest_overlap

    found = largest_overlap(m.ks, m.overlap, m.n, k_min=low, k_max=high)
    return Summary(found.value, found.k, found.adjusted, found.adjusted_k, float(m.overlap_self.max()))


def peak(m: Measured, measure: str, low: int, high: int) -> tuple[int, float] | None:
    """Return where a curve is at its largest within the range; None for what is not summed up so."""
    found = summary(m, low, high)
    return {"overlap": (found.k, found.value), "adjusted": (found.adjusted_k, found.adjusted)}.get(measure)


@dataclass(frozen=True)
class ClassAgreement:
    """Mean overlap of the clips of each class, from least to most, and over all clips."""

    names: list[str]
    means: list[numbers.Estimate]
    everyone: float


def by_class(m: Measured, c: Clips, k: int) -> ClassAgreement:
    """Return where two spaces of clips disagree, at one of the sizes kept.

    The interval is that of a mean over the class's clips; clips without a class are left out.
    """
    here = m.samples[:, int(np.searchsorted(m.clip_ks, k))]
    labels = named(c)
    members: dict[str, list[int]] = {}
    for i, thing in enumerate(m.ids):
        if thing in c.row and (label := labels[c.row[thing]]):
            members.setdefault(label, []).append(i)
    found = {name: numbers.mean(here[rows], low=0, high=1) for name, rows in members.items()}
    order = sorted(found, key=lambda name: (found[name].value, name))
    return ClassAgreement(order, [found[name] for name in order], float(here.mean()))


# -- files ------------------------------------------------------------------------------------------------


def curves_csv(drawn: Sequence[Pair]) -> bytes:
    """Return the whole curves, one row a pair and k."""
    frames = []
    for pair in drawn:
        m = measured(pair)
        columns: dict[str, Any] = {
            "a": pair.a.name,
            "b": pair.b.name,
            "of": pair.spec.of,
            "n": m.n,
            "k": m.ks,
        }
        fields = ("overlap", "overlap_self", "jaccard", "chance", "chance_self", "chance_jaccard", "adjusted")
        columns |= {name: getattr(m, name) for name in fields}
        if m.permutations:
            columns |= {"shuffled_low": m.band[:, 0], "shuffled_high": m.band[:, 2], "p_value": m.p_value}
        frames.append(pd.DataFrame(columns))
    return csv(pd.concat(frames))


def matrix_csv(ready: Sequence[Pair], k: int) -> bytes:
    """Return every pair's numbers at k, one row a pair."""
    rows = []
    for pair in ready:
        m = measured(pair)
        row: dict[str, Any] = {"a": pair.a.name, "b": pair.b.name, "of": pair.spec.of, "n": m.n, "k": k}
        row |= {name: at(m, getattr(m, name), k) for name in ("overlap", "jaccard", "adjusted")}
        rows.append(row | {f"cka_{name}": m.cka_of(name) for name in m.cka})
    return csv(pd.DataFrame(rows))


def items_csv(pair: Pair, c: Clips) -> bytes:
    """Return the overlap of every clip or class at every size kept, one row a thing."""
    m = measured(pair)
    frame = pd.DataFrame({"id": m.ids})
    if pair.spec.of == "clips":
        rows = [c.row.get(i, -1) for i in m.ids]
        labels = named(c)
        frame["label"] = [labels[r] if r >= 0 else "" for r in rows]
        frame["path"] = [c.files[r] if r >= 0 else "" for r in rows]
    for i, k in enumerate(m.clip_ks.tolist()):
        frame[f"overlap_{k}"] = m.samples[:, i]
    return csv(frame)


def classes_csv(pair: Pair, c: Clips, k: int) -> bytes:
    """Return `by_class` with its intervals, one row a class."""
    found = by_class(measured(pair), c, k)
    rows = [
        {"label": n, "n": e.n, "k": k, "overlap": e.value, "low": e.low, "high": e.high}
        for n, e in zip(found.names, found.means, strict=True)
    ]
    return csv(pd.DataFrame(rows))
