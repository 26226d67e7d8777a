"""Measures of every space, its accuracies, and how the ones predict the others.

A space is a dot. Along x is a measure that needs no test, such as the silhouette or the agreement with the
texts of the classes; along y is an accuracy. `dashboard.predictors.board` names the results that hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.statistics import Correlation, Interval, holm, pearson, spearman
from dashboard import results
from dashboard.kit.correlation import Dots, logarithm
from dashboard.kit.table import csv
from dashboard.kit.text import whole
from dashboard.memory import once
from dashboard.predictors import board as boards
from dashboard.predictors.board import Board, Reference
from dashboard.results import has, result, stops
from jobs.specs import Agreement, ContrastiveGrid, EmbedAudio
from jobs.tasks import measures as table
from jobs.tasks.agreement import Result as Agreed

#: Measures that may predict, and accuracies that may be predicted, by name in the URL.
MEASURES = {name: m for name, m in table.MEASURES.items() if not (m.accuracy or m.variant)}
ACCURACIES = {name: m for name, m in table.MEASURES.items() if m.accuracy}
#: Spaces from which a correlation has an interval.
FEWEST = 4


@dataclass(frozen=True)
class Dot:
    """A space with its measures, NaN for a missing one, and its accuracies, of no clips for a missing one."""

    space: str
    spec: EmbedAudio
    kind: str
    measures: dict[str, float]
    accuracies: dict[str, Interval]


@dataclass(frozen=True)
class Ranked:
    """The correlations of a measure with an accuracy; `adjusted` is the p of Pearson's r by Holm."""

    name: str
    pearson: Correlation
    spearman: Correlation
    adjusted: float


@dataclass(frozen=True)
class OverK:
    """The correlation of NNGS with an accuracy at every size of neighbourhood, and of CKA, which has no size.

    `values` is (K, 3): Pearson's r and the ends of its interval. `items` counts what is compared.
    """

    ks: np.ndarray
    values: np.ndarray
    cka: dict[str, Correlation]
    n: int
    items: int
    best: int


# -- numbers ----------------------------------------------------------------------------------------------


def dots(b: Board, reference: Reference | None, k: int) -> list[Dot]:
    """Return every space with all of its numbers that are computed."""
    return [_dot(b, name, spec, reference, k) for name, spec in b.spaces.items()]


def _dot(b: Board, name: str, spec: EmbedAudio, reference: Reference | None, k: int) -> Dot:
    def read(m: table.Measure) -> Interval:
        return results.measure(m, boards.needed(b, spec, m.name, reference).spec, spec, k)

    measures = {name: read(m).value for name, m in MEASURES.items()}
    return Dot(name, spec, boards.kind_of(spec), measures, {name: read(m) for name, m in ACCURACIES.items()})


def _agreement(b: Board, spec: EmbedAudio, reference: Reference | None) -> Agreed | None:
    asked = boards.compared(b, spec, reference).spec
    return result(asked) if isinstance(asked, Agreement) and has(asked) else None


def largest_k(b: Board, reference: Reference | None) -> int:
    """Return the largest size of neighbourhood that all agreements reach, 0 without an agreement."""
    agreed = [a for spec in b.spaces.values() if (a := _agreement(b, spec, reference)) is not None]
    return min((int(a.ks[-1]) for a in agreed), default=0)


def usual_k(largest: int) -> int:
    """Return the default size of neighbourhood: a tenth of the largest, from 1 to 15.

    >>> usual_k(119), usual_k(7), usual_k(5000)
    (11, 1, 15)
    """
    return max(1, min(15, largest // 10))


def on_y(shown: Sequence[Dot], accuracy: str, *, log: bool = False) -> np.ndarray:
    """Return an accuracy of every dot, (n,), or its natural logarithm; NaN for a missing one."""
    y = np.array([d.accuracies[accuracy].value for d in shown], float)
    return logarithm(y) if log else y


def on_x(shown: Sequence[Dot], name: str) -> np.ndarray:
    """Return a measure of every dot, (n,); NaN for a missing one."""
    return np.array([d.measures[name] for d in shown], float)


def related(x: np.ndarray, y: np.ndarray) -> tuple[Correlation, Correlation] | None:
    """Return Pearson's and Spearman's correlation over pairs of finite numbers; None for fewer than two."""
    ok = np.isfinite(x) & np.isfinite(y)
    if ok.sum() < 2:
        return None
    return pearson(x[ok], y[ok]), spearman(x[ok], y[ok])


def ranked(shown: Sequence[Dot], accuracy: str, *, log: bool = False) -> list[Ranked]:
    """Return the measures by the strength of their correlation with an accuracy, the strongest first.

    p is corrected for the measures that are compared (Holm). Those without a correlation, and those of fewer
    than `FEWEST` spaces, are left out.
    """
    y = on_y(shown, accuracy, log=log)
    both = {name: related(on_x(shown, name), y) for name in MEASURES}
    kept = {n: r for n, r in both.items() if r is not None and r[0].n >= FEWEST and np.isfinite(r[0].r)}
    adjusted = holm([r.p for r, _ in kept.values()])
    out = [Ranked(n, *r, float(p)) for (n, r), p in zip(kept.items(), adjusted, strict=True)]
    return sorted(out, key=lambda r: -abs(r.pearson.r))


def over_k(
    b: Board,
    shown: Sequence[Dot],
    reference: Reference | None,
    accuracy: str,
    *,
    log: bool = False,
) -> OverK | None:
    """Return the correlation of NNGS with an accuracy at every size, beside CKA; None for too few spaces."""
    y = on_y(shown, accuracy, log=log)
    pairs = [
        (a, float(v))
        for d, v in zip(shown, y, strict=True)
        if np.isfinite(v) and (a := _agreement(b, d.spec, reference)) is not None
    ]
    if len(pairs) < FEWEST:
        return None

    def compute() -> OverK:
        z = np.array([v for _, v in pairs])
        ks = np.array(stops(min(int(a.ks[-1]) for a, _ in pairs)))
        nngs = np.stack([a.jaccard[np.searchsorted(a.ks, ks)] for a, _ in pairs], axis=1)  # (K, spaces)
        correlations = [pearson(row, z) for row in nngs]
        values = np.array([(c.r, c.low, c.high) for c in correlations])
        forms = {"cka": "linear_debiased", "cka_rbf": "rbf_debiased"}
        cka = {MEASURES[m].title: pearson([a.cka_of(f) for a, _ in pairs], z) for m, f in forms.items()}
        r = np.abs(values[:, 0])
        best = int(ks[int(np.nanargmax(r))]) if np.isfinite(r).any() else 0
        return OverK(ks, values, cka, len(pairs), min(a.n for a, _ in pairs), best)

    keys = tuple(sorted(d.spec.key for d in shown)), reference.name if reference else ""
    return once(("over-k", *keys, accuracy, log, tuple(v for _, v in pairs)), compute)


def drawn(shown: Sequence[Dot], measure: str, accuracy: str, *, log: bool = False) -> Dots | None:
    """Return the spaces with both numbers as dots of the figure."""
    x, y = on_x(shown, measure), on_y(shown, accuracy, log=log)
    at = np.flatnonzero(np.isfinite(x) & np.isfinite(y)).tolist()
    if not at:
        return None
    some = [shown[i] for i in at]
    kinds = sorted({d.kind for d in some})
    ends = np.array([(d.accuracies[accuracy].low, d.accuracies[accuracy].high) for d in some], float)
    return Dots(
        [d.space for d in some],
        [plain_name(d.space) for d in some],
        [_hover_text(d, measure, accuracy) for d in some],
        x[at],
        y[at],
        np.array([kinds.index(d.kind) for d in some]),
        kinds,
        logarithm(ends) if log else ends,
    )


def plain_name(space: str) -> str:
    """Shorten the name of a space for a figure: without the words before a colon, and without a key.

    >>> plain_name("trained:dirty-clean-ea@0123ab"), plain_name("aisfx")
    ('dirty-clean-ea', 'aisfx')
    """
    return space.partition(":")[2].partition("@")[0] if space.startswith("trained:") else space


def explain_names(shown: Sequence[Dot]) -> str:
    """Return a sentence that explains the names of the models of Leakage lab, "" without such models."""
    trained = []
    for d in shown:
        part, _, model = d.spec.run.partition("_")
        # A backbone before contrastive training, x0, has no training in its name.
        if isinstance(d.spec.source, ContrastiveGrid) and part in ("Ea", "xa"):
            before, then = d.spec.source.names[int(model)].split("/")
            trained.append((before == then, plain_name(d.space), f"{part[0]}_a", before, then))
    if not trained:
        return ""
    # An example whose two words differ shows which is which.
    _, name, space, before, then = min(trained)
    return (
        "Models of Leakage lab are named by space, pre-training and training: "
        f"{name} is {space} after {before} pre-training and {then} training."
    )


def over(
    shown: Sequence[Dot], measure: str, accuracy: str, reference: Reference | None, clips: str, labelled: str
) -> str:
    """Return what a measure and an accuracy are computed over: `clips`, those `labelled`, or other things.

    Leakage lab has the silhouette of its test clips alone, another number of the same space.
    """
    x, y = MEASURES[measure], ACCURACIES[accuracy]
    tested = sorted({d.accuracies[accuracy].n for d in shown if d.accuracies[accuracy].n})
    if x.of == "pairs" and reference is not None and reference.of == "classes":
        mine = "the classes of all clips"
    else:
        mine = labelled if x.of == "labelled" else clips
    unit = "clips" if y.of == "labelled" else y.of
    counts = f"{tested[0]:,}" if len(tested) == 1 else f"{tested[0]:,} to {tested[-1]:,}" if tested else "no"
    text = f"{x.title}: over {mine}; {y.title}: over {counts} {unit}"
    if accuracy == "held_out":
        text += (
            ", the test clips of Leakage lab. That page measures silhouettes over these alone, which are "
            "other numbers with another correlation"
        )
    return f"{text[0].upper()}{text[1:]}."


def _hover_text(d: Dot, measure: str, accuracy: str) -> str:
    a = d.accuracies[accuracy]
    ends = f" ({a.low:.3f} to {a.high:.3f})" if np.isfinite(a.low) else ""
    return (
        f"<b>{whole(d.space)}</b><br>{MEASURES[measure].title} {d.measures[measure]:.4g}<br>"
        f"{ACCURACIES[accuracy].title} {a.value:.3f}{ends}"
    )


def coverage(shown: Sequence[Dot]) -> tuple[dict[str, int], dict[str, int]]:
    """Count the spaces that have each measure, and each accuracy."""
    x = {n: int(np.isfinite(on_x(shown, n)).sum()) for n in MEASURES}
    y = {n: int(np.isfinite(on_y(shown, n)).sum()) for n in ACCURACIES}
    return x, y


# -- files ------------------------------------------------------------------------------------------------


def dots_csv(shown: Sequence[Dot], reference: Reference | None, k: int) -> bytes:
    """Return all numbers of all spaces, a row a space."""
    out = []
    for d in shown:
        row: dict[str, Any] = {"space": d.space, "kind": d.kind, **d.measures}
        for name, e in d.accuracies.items():
            row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        out.append(row | {"reference": reference.name if reference else "", "k": k})
    return csv(pd.DataFrame(out))


def ranked_csv(ranking: Sequence[Ranked], accuracy: str) -> bytes:
    """Return the correlations, a row a measure."""
    rows = []
    for r in ranking:
        row: dict[str, Any] = {"measure": r.name, "accuracy": accuracy, "n": r.pearson.n}
        for name, c in (("pearson", r.pearson), ("spearman", r.spearman)):
            row |= {f"{name}_r": c.r, f"{name}_low": c.low, f"{name}_high": c.high, f"{name}_p": c.p}
        rows.append(row | {"p_holm": r.adjusted})
    return csv(pd.DataFrame(rows))


def over_k_csv(shown: OverK) -> bytes:
    """Return the correlation of NNGS at every size, and of CKA beside it."""
    frame = pd.DataFrame({"k": shown.ks})
    frame[["nngs_r", "nngs_low", "nngs_high"]] = shown.values
    for name, c in shown.cka.items():
        frame[name.lower().replace(", ", "_") + "_r"] = c.r
    return csv(frame.assign(spaces=shown.n))
