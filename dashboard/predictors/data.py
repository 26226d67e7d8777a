"""What predicts how well a space does: measures of every space, its accuracies, and how they go together.

A space is a dot. Along x is a measure that needs no test, such as the silhouette or the agreement with the
texts of the classes; along y is an accuracy. All of it is read from results that are there;
`dashboard.predictors.board` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.statistics import Correlation
from core.statistics import intervals as statistics
from dashboard.kit import numbers
from dashboard.kit.correlation import Dots, logarithm
from dashboard.kit.table import csv
from dashboard.kit.text import whole
from dashboard.memory import once
from dashboard.neighbourhoods import data as agreement
from dashboard.predictors import board as boards
from dashboard.predictors.board import OF_PAIRS, Board, Reference
from dashboard.results import has, result
from dashboard.retrieval import data as retrieval
from dashboard.separability import data as separability
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import related as over_models
from jobs.presets import retrieval_of
from jobs.specs import Agreement, ContrastiveGrid, EmbedAudio, ZeroShotGrid

#: What may predict: name in the URL, name on the page, and what is written along the axis.
MEASURES = {
    "silhouette": ("silhouette", "cosine silhouette, −1 to 1, higher is better"),
    # d is the cosine distance of two clips.
    "intra_class_clustering": ("intra-class clustering", "mean of d² within classes, lower is better"),
    "intra_class_equidistance": (
        "intra-class equidistance",
        "deviation of d² within classes, lower is better",
    ),
    "inter_class_separation": (
        "inter-class separation",
        "mean of (1 − d)² between classes, lower is better",
    ),
    "inter_class_equidistance": (
        "inter-class equidistance",
        "deviation of (1 − d)² between classes, lower is better",
    ),
    "hubness": ("hubness", f"skewness of {separability.HUB_K}-occurrence, lower is better"),
    "intrinsic": ("intrinsic dimension", "intrinsic dimension"),
    "effective": ("effective rank", "effective rank"),
    "dimensions": ("number of dimensions", "number of dimensions"),
    "overlap": ("topological similarity S", "topological similarity with {}<br>above chance, 1 is the same"),
    "nngs": ("NNGS", "NNGS at k = {k} with {}, 0 to 1"),
    "cka": ("CKA, linear", "linear CKA, debiased, with {}<br>1 is the same"),
    "cka_rbf": ("CKA, RBF", "RBF CKA, debiased, with {}<br>1 is the same"),
}
#: What may be predicted.
ACCURACIES = {
    "knn": "kNN accuracy",
    "probe": "linear probe accuracy",
    "map@15": "MAP@15",
    "held_out": "zero-shot accuracy, held-out classes",
    "two_towers": "zero-shot accuracy, all classes",
    "analogy": "analogy accuracy, own texts",
    "analogy_released": "analogy accuracy as released, own texts",
    "projected": "zero-shot accuracy, trained projections",
}
#: Accuracies of analogies, by their name in `ClassAnalogies`.
ANALOGIES = {"analogy": "analogy_pair", "analogy_released": "analogy_released"}
#: Measures of the clips that have a class.
OF_CLASSES = (
    "silhouette",
    "intra_class_clustering",
    "intra_class_equidistance",
    "inter_class_separation",
    "inter_class_equidistance",
)
#: Spaces from which a correlation has an interval.
FEWEST = 4
_NOTHING = numbers.Estimate(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class Dot:
    """A space with its numbers: measures, NaN where missing, and accuracies, of no clips where missing."""

    space: str
    spec: EmbedAudio
    kind: str
    measures: dict[str, float]
    accuracies: dict[str, numbers.Estimate]


@dataclass(frozen=True)
class Ranked:
    """A measure with how it goes with an accuracy; `adjusted` is the p of Pearson's r corrected for all."""

    name: str
    pearson: Correlation
    spearman: Correlation
    adjusted: float


@dataclass(frozen=True)
class OverK:
    """How NNGS goes with an accuracy at every size, and CKA, which has none.

    `values` is (K, 3): Pearson's r and the ends of its interval. `items` is how many things are compared.
    """

    ks: np.ndarray
    values: np.ndarray
    cka: dict[str, Correlation]
    n: int
    items: int
    best: int


# -- numbers ----------------------------------------------------------------------------------------------


def dots(b: Board, reference: Reference | None, k: int) -> list[Dot]:
    """Return every space with all numbers that are there."""
    return [_dot(b, name, spec, reference, k) for name, spec in b.spaces.items()]


def _dot(b: Board, name: str, spec: EmbedAudio, reference: Reference | None, k: int) -> Dot:
    s = separability.scores(b.dataset, spec)
    values = {
        "silhouette": s.silhouette["cosine"].value,
        **s.properties,
        "hubness": s.hubness,
        "intrinsic": s.intrinsic,
        "effective": s.effective,
        "dimensions": float(s.dimensions),
        **_pair_values(b, spec, reference, k),
    }
    found = {"knn": s.knn, "probe": s.probe, "map@15": _NOTHING, "projected": _NOTHING}
    found["two_towers"] = _two_towers(b, spec)
    found["held_out"] = _held_out(b, spec)
    found |= _analogies(b, spec)
    asked = retrieval_of(b.dataset, spec)
    if has(asked):
        found["map@15"] = retrieval.estimate(asked, "map@15")
    grid = boards.projected(b, spec).spec
    if isinstance(grid, ZeroShotGrid) and has(grid) and len(zeroshot.models(grid)):
        mean = over_models.summary(grid).mean
        found["projected"] = numbers.Estimate(mean.value, mean.low, mean.high, mean.n)
    return Dot(name, spec, boards.kind_of(spec), values, found)


def _two_towers(b: Board, spec: EmbedAudio) -> numbers.Estimate:
    asked = boards.two_towers(b, spec).spec
    if asked is None or not has(asked):
        return _NOTHING
    found = result(asked)
    return numbers.Estimate(found.accuracy, found.low, found.high, found.n)


def _held_out(b: Board, spec: EmbedAudio) -> numbers.Estimate:
    asked = boards.held_out(b, spec).spec
    if not isinstance(asked, ContrastiveGrid) or not has(asked):
        return _NOTHING
    row = result(asked).by_model.iloc[int(spec.run.partition("_")[2])]
    if row["failed"]:
        return _NOTHING
    value, low, high = (float(row[n]) for n in ("accuracy", "accuracy_low", "accuracy_high"))
    return numbers.Estimate(value, low, high, int(row["n_test"]))


def _analogies(b: Board, spec: EmbedAudio) -> dict[str, numbers.Estimate]:
    """Return the shares of right analogies; they share classes, so that no interval is known."""
    asked = boards.analogies(b, spec).spec
    if asked is None or not has(asked):
        return dict.fromkeys(ANALOGIES, _NOTHING)
    found, nowhere = result(asked), float("nan")
    return {a: numbers.Estimate(getattr(found, x), nowhere, nowhere, found.n) for a, x in ANALOGIES.items()}


def _pair_values(b: Board, spec: EmbedAudio, reference: Reference | None, k: int) -> dict[str, float]:
    nothing = dict.fromkeys(OF_PAIRS, float("nan"))
    m = _measured(b, spec, reference)
    if m is None:
        return nothing
    low, high = 1, agreement.limits_of([m])[0]
    return {
        "overlap": agreement.summary(m, low, high).adjusted,
        "nngs": agreement.at(m, m.jaccard, k),
        "cka": m.cka_of("linear_debiased"),
        "cka_rbf": m.cka_of("rbf_debiased"),
    }


def _measured(b: Board, spec: EmbedAudio, reference: Reference | None) -> agreement.Measured | None:
    if reference is None:
        return None
    asked = boards.compared(b, spec, reference).spec
    if not isinstance(asked, Agreement) or not has(asked):
        return None
    return result(asked)


def largest_k(b: Board, reference: Reference | None) -> int:
    """Return the largest size of neighbourhood that all agreements reach; 0 where there is none."""
    there = [m for spec in b.spaces.values() if (m := _measured(b, spec, reference)) is not None]
    return min((int(m.ks[-1]) for m in there), default=0)


def usual_k(largest: int) -> int:
    """Return the size to begin with: a tenth of the largest, from 1 to 15.

    >>> usual_k(119), usual_k(7), usual_k(5000)
    (11, 1, 15)
    """
    return max(1, min(15, largest // 10))


def on_y(shown: Sequence[Dot], accuracy: str, *, log: bool = False) -> np.ndarray:
    """Return an accuracy of every dot, (n,), or its natural logarithm; NaN where there is none."""
    y = np.array([d.accuracies[accuracy].value for d in shown], float)
    return logarithm(y) if log else y


def on_x(shown: Sequence[Dot], name: str) -> np.ndarray:
    """Return a measure of every dot, (n,); NaN where there is none."""
    return np.array([d.measures[name] for d in shown], float)


def related(x: np.ndarray, y: np.ndarray) -> tuple[Correlation, Correlation] | None:
    """Return Pearson's and Spearman's correlation over what has both; None for fewer than two."""
    ok = np.isfinite(x) & np.isfinite(y)
    if ok.sum() < 2:
        return None
    return statistics.pearson(x[ok], y[ok]), statistics.spearman(x[ok], y[ok])


def ranked(shown: Sequence[Dot], accuracy: str, *, log: bool = False) -> list[Ranked]:
    """Return the measures by how strongly they go with an accuracy, the strongest first.

    p is corrected for the measures that are compared (Holm). Those without a correlation, and those of fewer
    than `FEWEST` spaces, are left out.
    """
    y = on_y(shown, accuracy, log=log)
    found = []
    for name in MEASURES:
        both = related(on_x(shown, name), y)
        if both is not None and both[0].n >= FEWEST and np.isfinite(both[0].r):
            found.append((name, *both))
    adjusted = statistics.holm([p.p for _, p, _ in found])
    out = [Ranked(n, p, s, float(a)) for (n, p, s), a in zip(found, adjusted, strict=True)]
    return sorted(out, key=lambda r: -abs(r.pearson.r))


def over_k(
    b: Board,
    shown: Sequence[Dot],
    reference: Reference | None,
    accuracy: str,
    *,
    log: bool = False,
) -> OverK | None:
    """Return how NNGS goes with an accuracy at every size, beside CKA; None of fewer than `FEWEST` spaces."""
    y = on_y(shown, accuracy, log=log)
    pairs = [
        (m, float(v))
        for d, v in zip(shown, y, strict=True)
        if np.isfinite(v) and (m := _measured(b, d.spec, reference)) is not None
    ]
    if len(pairs) < FEWEST:
        return None

    def compute() -> OverK:
        z = np.array([v for _, v in pairs])
        last = min(int(m.ks[-1]) for m, _ in pairs)
        ks = np.array(agreement.stops(last))
        nngs = np.array([[agreement.at(m, m.jaccard, k) for m, _ in pairs] for k in ks.tolist()])
        found = [statistics.pearson(row, z) for row in nngs]
        values = np.array([(c.r, c.low, c.high) for c in found])
        forms = {"CKA, linear": "linear_debiased", "CKA, RBF": "rbf_debiased"}
        cka = {name: statistics.pearson([m.cka_of(f) for m, _ in pairs], z) for name, f in forms.items()}
        r = np.abs(values[:, 0])
        best = int(ks[int(np.nanargmax(r))]) if np.isfinite(r).any() else 0
        return OverK(ks, values, cka, len(pairs), min(m.n for m, _ in pairs), best)

    keys = tuple(sorted(d.spec.key for d in shown)), reference.name if reference else ""
    return once(("over-k", *keys, accuracy, log, tuple(v for _, v in pairs)), compute)


def drawn(shown: Sequence[Dot], measure: str, accuracy: str, *, log: bool = False) -> Dots | None:
    """Return the spaces that have both numbers, as dots of the figure."""
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
        [_said(d, measure, accuracy) for d in some],
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


def names_said(shown: Sequence[Dot]) -> str:
    """Explain the names of the models of Leakage lab among the spaces, "" where there are none."""
    made = []
    for d in shown:
        part, _, model = d.spec.run.partition("_")
        # A backbone before contrastive training, x0, has no training in its name.
        if isinstance(d.spec.source, ContrastiveGrid) and part in ("Ea", "xa"):
            before, then = d.spec.source.names[int(model)].split("/")
            made.append((before == then, plain_name(d.space), f"{part[0]}_a", before, then))
    if not made:
        return ""
    # An example whose two words differ shows which is which.
    _, name, space, before, then = min(made)
    return (
        "Models of Leakage lab are named by space, pre-training and training: "
        f"{name} is {space} after {before} pre-training and {then} training."
    )


def over(
    shown: Sequence[Dot], measure: str, accuracy: str, reference: Reference | None, clips: str, labelled: str
) -> str:
    """Say over what a measure and an accuracy are: `clips`, those that are `labelled`, or other things.

    Leakage lab has the silhouette of its test clips alone, another number of the same space.
    """
    tested = sorted({d.accuracies[accuracy].n for d in shown if d.accuracies[accuracy].n})
    if measure in OF_PAIRS and reference is not None and reference.of == "classes":
        mine = "the classes of all clips"
    else:
        mine = labelled if measure in OF_CLASSES else clips
    what = "classes" if accuracy in ANALOGIES else "models" if accuracy == "projected" else "clips"
    counts = f"{tested[0]:,}" if len(tested) == 1 else f"{tested[0]:,} to {tested[-1]:,}" if tested else "no"
    said = f"{MEASURES[measure][0]}: over {mine}; {ACCURACIES[accuracy]}: over {counts} {what}"
    if accuracy == "held_out":
        said += (
            ", the test clips of Leakage lab. That page measures silhouettes over these alone, which are "
            "other numbers with another correlation"
        )
    return f"{said[0].upper()}{said[1:]}."


def _said(d: Dot, measure: str, accuracy: str) -> str:
    a = d.accuracies[accuracy]
    ends = f" ({a.low:.3f} to {a.high:.3f})" if np.isfinite(a.low) else ""
    return (
        f"<b>{whole(d.space)}</b><br>{MEASURES[measure][0]} {d.measures[measure]:.4g}<br>"
        f"{ACCURACIES[accuracy]} {a.value:.3f}{ends}"
    )


def coverage(shown: Sequence[Dot]) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many spaces have each measure, and each accuracy."""
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


def ranked_csv(found: Sequence[Ranked], accuracy: str) -> bytes:
    """Return the correlations, a row a measure."""
    rows = []
    for r in found:
        row: dict[str, Any] = {"measure": r.name, "accuracy": accuracy, "n": r.pearson.n}
        for name, c in (("pearson", r.pearson), ("spearman", r.spearman)):
            row |= {f"{name}_r": c.r, f"{name}_low": c.low, f"{name}_high": c.high, f"{name}_p": c.p}
        rows.append(row | {"p_holm": r.adjusted})
    return csv(pd.DataFrame(rows))


def over_k_csv(found: OverK) -> bytes:
    """Return the correlation of NNGS at every size, and of CKA beside it."""
    frame = pd.DataFrame({"k": found.ks})
    frame[["nngs_r", "nngs_low", "nngs_high"]] = found.values
    for name, c in found.cka.items():
        frame[name.lower().replace(", ", "_") + "_r"] = c.r
    return csv(frame.assign(spaces=found.n))
