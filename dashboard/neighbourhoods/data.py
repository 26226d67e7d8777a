"""The agreement of pairs of spaces: curves over k, numbers at one k, and where two spaces disagree.

Results are those of `jobs.tasks.agreement`; what they compare are clips or classes, here called things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.similarity import TopologicalSimilarity, largest_overlap
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.neighbourhoods.figures import Curve
from dashboard.results import result
from jobs.presets import clip_classes, of_pairs
from jobs.specs import Agreement, EmbedAudio, EmbedText
from jobs.tasks.agreement import Result as Measured
from jobs.workspace.workspace import Dataset, Workspace


class Measure(NamedTuple):
    """A measure over k: its name on the page, and the title of its axis."""

    title: str
    axis: str


#: What a curve can show, by its value in the link.
MEASURES = {
    "overlap": Measure("Overlap", "S<sub>k</sub>, share of neighbours in both"),
    "jaccard": Measure("Jaccard", "NNGS, mean Jaccard index"),
    "adjusted": Measure("Above chance", "S<sub>k</sub> above chance"),
}
#: Forms of CKA in a result, likewise.
CKA = {
    "linear_debiased": "linear, debiased",
    "linear": "linear, biased",
    "rbf_debiased": "RBF, debiased",
    "rbf": "RBF, biased",
}


class Compared(NamedTuple):
    """A space that takes part: of sounds, or of the texts of classes."""

    name: str
    spec: EmbedAudio | EmbedText


@dataclass(frozen=True)
class Pair:
    """Two spaces and their agreement."""

    a: Compared
    b: Compared
    spec: Agreement

    @property
    def id(self) -> str:
        """Name in links."""
        return f"{self.a.name}~{self.b.name}"

    @property
    def title(self) -> str:
        """Name on the page."""
        return f"{self.a.name} × {self.b.name}"


def compared(
    shown: Workspace, dataset: Dataset, of: str
) -> tuple[list[Compared], list[EmbedAudio | EmbedText]]:
    """Return the spaces that can be compared, by name, and the specs of those not computed yet."""
    audio = shown.spaces(dataset)
    texts = shown.text_spaces(dataset) if of == "classes" else []
    spaces = [Compared(s.encoder, s.spec) for s in audio if s.state == "done"]
    spaces += [Compared(t.name, t.spec) for t in texts if t.state == "done"]
    coming: list[EmbedAudio | EmbedText] = [s.spec for s in audio if s.state != "done"]
    return spaces, coming + [t.spec for t in texts if t.state != "done"]


def class_of_clips(c: Clips) -> np.ndarray:
    """Return the class of every clip that agreement compares, "" where it has none, (n,)."""
    return once(("named classes", *c.key), lambda: clip_classes(c.frame))


def class_names(c: Clips) -> list[str]:
    """Return the classes that clips have, sorted."""
    return sorted(set(class_of_clips(c).tolist()) - {""})


def pairs(dataset: Dataset, spaces: Sequence[Compared], of: str, class_vectors: str = "raw") -> list[Pair]:
    """Return every two of the spaces."""
    audio = [s.spec for s in spaces if isinstance(s.spec, EmbedAudio)]
    texts = [s.spec for s in spaces if isinstance(s.spec, EmbedText)]
    specs = of_pairs(dataset, audio, texts, of=of, class_vectors=class_vectors)
    return [Pair(a, b, spec) for (a, b), spec in zip(combinations(spaces, 2), specs, strict=True)]


def first_pairs(pairs: Sequence[Pair], most: int) -> list[str]:
    """Return the ids of the pairs drawn first: those of a sound and a text space, then the rest in order."""
    mixed = [isinstance(p.a.spec, EmbedText) != isinstance(p.b.spec, EmbedText) for p in pairs]
    chosen = sorted(range(len(pairs)), key=lambda i: not mixed[i])[:most]
    return [pairs[i].id for i in sorted(chosen)]


def measured(pair: Pair) -> Measured:
    """Return the result for a pair, which exists."""
    return result(pair.spec)


def curve(m: Measured, measure: str, *, with_self: bool = False) -> Curve:
    """Return one of the `MEASURES` over k, with chance and the band of shuffled pairings.

    With the point itself, k neighbours are k - 1 others: S'_k = (1 + (k - 1) S_{k-1}) / k, for chance and
    for shuffled pairings alike, and the part above chance is that of k - 1. The Jaccard index is without it.
    """
    if measure == "jaccard":
        return Curve(m.ks, m.jaccard, m.chance_jaccard)
    shuffled = m.permutations > 0
    band, p = (m.band[:, [0, 2]], m.p_value) if shuffled else (None, None)
    if measure == "adjusted":
        if band is not None:
            room = 1 - m.chance[:, None]
            band = np.divide(
                band - m.chance[:, None], room, out=np.full_like(band, np.nan), where=room > 1e-12
            )
        above = Curve(m.ks, m.adjusted, np.zeros(len(m.ks)), band, p, m.permutations)
        if with_self:
            return replace(
                above,
                values=_later(m.adjusted, np.nan),
                band=None if band is None else _later(band, np.nan),
                p_value=None if p is None else _later(p, 1.0),
            )
        return above
    if not with_self:
        return Curve(m.ks, m.overlap, m.chance, band, p, m.permutations)
    return Curve(
        m.ks,
        m.overlap_self,
        m.chance_self,
        None if band is None else overlap_with_self(band),
        None if p is None else _later(p, 1.0),
        m.permutations,
    )


def _later(values: np.ndarray, first: float) -> np.ndarray:
    """Move values by one k, with `first` at k = 1."""
    return np.concatenate([np.full_like(values[:1], first), values[:-1]])


def overlap_with_self(values: np.ndarray) -> np.ndarray:
    """Compute S_k with the point itself from S_k without, for k from 1 along the first axis, (K, m)."""
    k = np.arange(1, len(values) + 1)[:, None]
    return (1 + (k - 1) * _later(values, 0.0)) / k


def at(m: Measured, values: np.ndarray, k: int) -> float:
    """Return a curve's value at k; NaN where it does not reach so far."""
    i = int(np.searchsorted(m.ks, k))
    return float(values[i]) if i < len(m.ks) and m.ks[i] == k else float("nan")


def limits_of(results: Sequence[Measured]) -> tuple[int, int]:
    """Return the usual end of the range for the topological similarity, and the largest k of all results.

    A fifth of the things: near n, everything is everyone's neighbour.
    """
    last = min(int(m.ks[-1]) for m in results)
    return max(1, min(last, min(m.n for m in results) // 5)), last


def at_size(pairs: Sequence[Pair], measure: str, k: int, *, with_self: bool = False) -> dict[str, float]:
    """Return a measure of every pair at k, by the pair's id; NaN where a curve does not reach so far."""
    results = {pair.id: measured(pair) for pair in pairs}
    return {id: at(m, curve(m, measure, with_self=with_self).values, k) for id, m in results.items()}


def cka(pairs: Sequence[Pair], form: str) -> dict[str, float]:
    """Return one form of CKA of every pair, by the pair's id."""
    return {pair.id: measured(pair).cka_of(form) for pair in pairs}


def lowest(*matrices: Mapping[str, float]) -> float:
    """Return the lower end of a colour scale that matrices share: 0, or their lowest number if below."""
    values = [v for matrix in matrices for v in matrix.values()]
    return min([0.0, *(v for v in values if np.isfinite(v))])


def count_things(pairs: Sequence[Pair]) -> str:
    """Return how many things pairs compare, as text: ``400``, or ``380 to 400`` where they differ."""
    return numbers.span(measured(pair).n for pair in pairs)


def permutations(pairs: Sequence[Pair]) -> int:
    """Return the largest number of shuffled pairings that any of the pairs was compared with."""
    return max((measured(pair).permutations for pair in pairs), default=0)


def matrix(
    spaces: Sequence[Compared], pairs: Sequence[Pair], values: Mapping[str, float]
) -> tuple[np.ndarray, list[list[str]]]:
    """Lay one number a pair out as (s, s), NaN where it is missing; and the ids of the pairs likewise."""
    row = {s.name: i for i, s in enumerate(spaces)}
    grid = np.full((len(row), len(row)), np.nan)
    ids = [[""] * len(row) for _ in row]
    for pair in pairs:
        i, j = row[pair.a.name], row[pair.b.name]
        grid[i, j] = grid[j, i] = values[pair.id]
        ids[i][j] = ids[j][i] = pair.id
    return grid, ids


def kept_k(m: Measured, k: int) -> int:
    """Return which of the sizes that are kept for every thing is nearest to `k`, the lower of two."""
    return int(m.clip_ks[int(np.argmin(np.abs(m.clip_ks - k)))])


def overlap_of_things(m: Measured, k: int) -> np.ndarray:
    """Return the overlap of every thing at one of the sizes kept, (n,)."""
    return m.samples[:, int(np.searchsorted(m.clip_ks, k))]


def ranked(m: Measured, k: int, *, most: bool = False) -> np.ndarray:
    """Return the things from least to most overlap at one of the sizes kept, or the other way round.

    Ties go by the mean overlap over all sizes kept, then by the order of the dataset.
    """
    sign = -1 if most else 1
    return np.lexsort((np.arange(m.n), sign * m.samples.mean(axis=1), sign * overlap_of_things(m, k)))


def shared(m: Measured, k: int) -> np.ndarray:
    """Count each thing's k neighbours that both spaces have, (n,)."""
    return np.rint(overlap_of_things(m, k) * k).astype(int)


def summary(m: Measured, low: int, high: int) -> TopologicalSimilarity:
    """Return the largest overlap for k from `low` to `high`, without the point itself, and above chance."""
    return largest_overlap(m.ks, m.overlap, m.n, k_min=low, k_max=high)


def peak(m: Measured, measure: str, low: int, high: int) -> tuple[int, float] | None:
    """Return where a curve is at its largest within the range; None for the Jaccard index."""
    s = summary(m, low, high)
    return {"overlap": (s.k, s.value), "adjusted": (s.adjusted_k, s.adjusted)}.get(measure)


def by_class(m: Measured, c: Clips, k: int) -> pd.DataFrame:
    """Return the mean overlap of the clips of each class, from least to most, at one of the sizes kept.

    A row a class: ``label``, ``n`` clips, ``k``, ``overlap``, and ``low`` and ``high``, the 95% interval of a
    mean over the class's clips. Clips without a class are left out.
    """
    rows = [c.row.get(thing, -1) for thing in m.ids]
    labels = np.append(class_of_clips(c), "")[rows]
    means = {
        name: numbers.mean(part.to_numpy(), low=0, high=1)
        for name, part in pd.Series(overlap_of_things(m, k)).groupby(labels)
        if name
    }
    columns = ["label", "n", "k", "overlap", "low", "high"]
    frame = pd.DataFrame([(x, e.n, k, e.value, e.low, e.high) for x, e in means.items()], columns=columns)
    return frame.sort_values(["overlap", "label"], ignore_index=True)


def curves_table(drawn: Sequence[Pair]) -> pd.DataFrame:
    """Return the whole curves, one row a pair and k."""
    fields = ("overlap", "overlap_self", "jaccard", "chance", "chance_self", "chance_jaccard", "adjusted")
    frames = []
    for pair in drawn:
        m = measured(pair)
        columns: dict[str, Any] = _names(pair, m) | {"k": m.ks} | {name: getattr(m, name) for name in fields}
        if m.permutations:
            columns |= {"shuffled_low": m.band[:, 0], "shuffled_high": m.band[:, 2], "p_value": m.p_value}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames)


def _names(pair: Pair, m: Measured) -> dict[str, Any]:
    return {"a": pair.a.name, "b": pair.b.name, "of": pair.spec.of, "n": m.n}


def matrix_table(pairs: Sequence[Pair], k: int) -> pd.DataFrame:
    """Return every pair's numbers at k, one row a pair."""
    rows = []
    for pair in pairs:
        m = measured(pair)
        row = _names(pair, m) | {"k": k}
        row |= {name: at(m, getattr(m, name), k) for name in MEASURES}
        rows.append(row | {f"cka_{name}": m.cka_of(name) for name in m.cka})
    return pd.DataFrame(rows)


def items_table(pair: Pair, c: Clips) -> pd.DataFrame:
    """Return the overlap of every clip or class at every size kept, one row a thing."""
    m = measured(pair)
    frame = pd.DataFrame({"id": m.ids})
    if pair.spec.of == "clips":
        rows = [c.row.get(i, -1) for i in m.ids]
        frame["label"] = np.append(class_of_clips(c), "")[rows]
        frame["path"] = np.append(c.files, "")[rows]
    for i, k in enumerate(m.clip_ks.tolist()):
        frame[f"overlap_{k}"] = m.samples[:, i]
    return frame
