"""How well spaces tell classes apart, as the page shows it: read from results, aligned to the clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.statistics import Interval
from dashboard import data, results
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import has, result, rows_of
from dashboard.separability.figures import ByClass
from jobs import presets
from jobs.specs import Baselines, EmbedAudio, KMeansCurve, Separability, Spec
from jobs.tasks.baselines import Result as Predicted
from jobs.tasks.measures import MEASURES, Measure
from jobs.tasks.separability import DIMENSION_K
from jobs.workspace.workspace import Dataset

#: Distances that silhouettes are measured with: value in the URL to name on the page.
METRICS = {"cosine": "cosine", "euclidean": "Euclidean", "sqeuclidean": "squared Euclidean"}
#: Measures that have a column in the table of scores; the silhouettes share one.
SCORED = [m for m in MEASURES.values() if m.group]


class Specs(NamedTuple):
    """The specs that the page shows of a space; `curve` is None where the space has too few clips."""

    separability: Separability
    baselines: Baselines
    curve: KMeansCurve | None


@dataclass(frozen=True)
class Scores:
    """A space in one row of the table of scores.

    Attributes
    ----------
    space : str
    dimensions, n, labelled : int
        Length of an embedding, clips, and clips with a class.
    values : dict of str to Interval
        By measure; of no clips for what is not computed or not defined.
    baselines : Result or None
        Of the classifiers, which says how many neighbours vote and how the folds were made.
    intrinsic_k : int
        Neighbours that the intrinsic dimension is read from; 0 where it is not computed.
    """

    space: str
    dimensions: int
    n: int
    labelled: int
    values: dict[str, Interval]
    baselines: Predicted | None
    intrinsic_k: int

    @property
    def has_properties(self) -> bool:
        """Whether the four properties of its classes are computed and any of them is defined."""
        return any(e.n for name, e in self.values.items() if MEASURES[name].group == PROPERTIES[0].group)


#: The four properties of angles.
PROPERTIES = [m for m in SCORED if m.group == MEASURES["inter_class_separation"].group]


def specs_of(dataset: Dataset, embedding: EmbedAudio) -> Specs:
    """Return the specs that the page shows of a space."""
    by_type: dict[type, Any] = {type(s): s for s in presets.of_space(dataset, embedding)}
    return Specs(by_type[Separability], by_type[Baselines], by_type.get(KMeansCurve))


def missing(dataset: Dataset, embeddings: Sequence[EmbedAudio], n_classes: int) -> list[Spec]:
    """Return the specs without a result; fewer than two classes cannot be classified."""
    specs = [s for e in embeddings for s in presets.of_space(dataset, e)]
    return [s for s in specs if not has(s) and not (isinstance(s, Baselines) and n_classes < 2)]


# -- all spaces -------------------------------------------------------------------------------------------


def scores(dataset: Dataset, embedding: EmbedAudio) -> Scores:
    """Return the row of a space, with the numbers that are computed."""
    specs, c = specs_of(dataset, embedding), data.clips(dataset)
    n, dimensions = result(embedding).embeddings.shape
    rows = rows_of(embedding, c)
    labels = dataset.labels_fingerprint
    graph = specs.separability.neighbors
    assert graph is not None
    return Scores(
        embedding.encoder,
        int(dimensions),
        int(n),
        int((data.class_of_each(c)[rows[rows >= 0]] != "").sum()),
        {m.name: results.measure(m, m.spec(embedding, labels), embedding) for m in SCORED},
        result(specs.baselines) if has(specs.baselines) else None,
        min(DIMENSION_K, graph.k, int(n) - 1) if has(specs.separability) else 0,
    )


def table(rows: Sequence[Scores]) -> pd.DataFrame:
    """Return the scores of spaces as a table of numbers, intervals in columns of their own."""
    out = []
    for s in rows:
        row: dict[str, Any] = {"space": s.space, "dimensions": s.dimensions, "clips": s.n}
        row["labelled"] = s.labelled
        for m in SCORED:
            e, name = s.values[m.name], m.column or m.name
            row[name] = e.value
            if m.form in ("signed", "percent"):
                row |= {f"{name}_low": e.low, f"{name}_high": e.high, f"{name}_n": e.n}
        # Clips of a class that is in one fold alone; unknown before the classifiers have run.
        row["unseen"] = s.baselines.unseen if s.baselines else None
        row["folds"] = s.baselines.folds if s.baselines else None
        out.append(row | {"intrinsic_dimension_k": s.intrinsic_k or None})
    return pd.DataFrame(out)


def best(m: Measure, values: Sequence[float]) -> set[int]:
    """Return where the best of at least two numbers are, if they are better than the worst possible.

    Examples
    --------
    >>> silhouette = MEASURES["silhouette"]
    >>> best(silhouette, [0.1, 0.3, float("nan"), 0.3]), best(silhouette, [-1.0, -1.0])
    ({1, 3}, set())
    """
    sign, worst = (1, m.limits[0]) if m.better == "higher" else (-1, -m.limits[1])
    goodness = sign * np.asarray(values, float)
    if not m.bold or np.isfinite(goodness).sum() < 2:
        return set()
    return set(np.flatnonzero((goodness == np.nanmax(goodness)) & (goodness > worst)).tolist())


# -- classes ----------------------------------------------------------------------------------------------


def class_names(spec: Separability) -> list[str]:
    """Return the classes that were compared, sorted."""
    return result(spec).class_names


def by_class(spec: Separability, c: Clips, metric: str = "cosine") -> ByClass:
    """Return the silhouette of every clip by class, the class with the highest mean first."""

    def read() -> ByClass:
        values, rows = result(spec).silhouette(metric), rows_of(spec.embedding, c)
        members = {name: at for name, at in members_of(spec, c).items() if len(at)}
        estimates = {name: numbers.mean(values[at], low=-1, high=1) for name, at in members.items()}
        names = sorted(members, key=lambda name: (-estimates[name].value, name))
        means = [(e.value, e.low, e.high) for e in map(estimates.__getitem__, names)]
        quartiles = [np.quantile(values[members[name]], (0.25, 0.5, 0.75)) for name in names]
        at = np.concatenate([members[name] for name in names])
        codes = np.repeat(np.arange(len(names)), [len(members[name]) for name in names])
        return ByClass(names, codes, values[at], c.ids[rows[at]], np.array(means), np.array(quartiles))

    return once(("by-class", spec.key, c.key, metric), read)


def class_of(spec: Separability, c: Clips, point: str) -> str:
    """Return the class of a point in the figure, which is a clip or the mean of a class."""
    return point if point in class_names(spec) else str(c.labels[c.row[point]])


def by_class_table(shown: ByClass) -> pd.DataFrame:
    """Return the silhouettes as a table, a row a clip."""
    names = np.asarray(shown.names, dtype=object)
    frame = pd.DataFrame({"clip_id": shown.ids, "class": names[shown.codes], "silhouette": shown.values})
    return frame.sort_values(["class", "silhouette"], ignore_index=True)


def ends(shown: ByClass, label: str, most: int) -> tuple[list[str], list[str]]:
    """Return the clips of a class with the lowest silhouettes, lowest first, and those with the highest.

    No clip is in both: of few clips, the lower half is in the first list.
    """
    members = np.flatnonzero(shown.codes == list(shown.names).index(label))
    order = members[np.lexsort((shown.ids[members].astype(str), shown.values[members]))]
    low = order[: min(most, (len(order) + 1) // 2)]
    high = order[::-1][: min(most, len(order) // 2)]
    return [str(i) for i in shown.ids[low]], [str(i) for i in shown.ids[high]]


def silhouettes_of(shown: ByClass, ids: Sequence[str]) -> list[str]:
    """Return the silhouettes of clips as texts."""
    value = dict(zip(shown.ids.tolist(), shown.values.tolist(), strict=True))
    return [numbers.signed(value[i]) for i in ids]


def rivals(spec: Separability, c: Clips, ids: Sequence[str], metric: str = "cosine") -> list[str]:
    """Return for each clip the other class with the smallest mean distance to it, the b of its silhouette.

    Parameters
    ----------
    spec : Separability
    c : Clips
    ids : sequence of str
        Clips with a class.
    metric : {"cosine", "euclidean", "sqeuclidean"}
    """

    def find() -> list[str]:
        names = class_names(spec)
        members = members_of(spec, c)
        X = np.asarray(result(spec.embedding).embeddings, np.float64)
        rows = rows_of(spec.embedding, c)
        place = np.full(c.n, -1)
        place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        picked = place[[c.row[i] for i in ids]]
        distances = distances_between(X[picked], X, metric)
        means = np.column_stack([distances[:, members[name]].mean(axis=1) for name in names])
        own = [names.index(str(c.labels[c.row[i]])) for i in ids]
        means[np.arange(len(ids)), own] = np.inf
        return [names[j] for j in means.argmin(axis=1)]

    if not ids:
        return []
    return once(("rivals", spec.key, c.key, metric, tuple(ids)), find)


def members_of(spec: Separability, c: Clips) -> dict[str, np.ndarray]:
    """Return the rows of the embedding by class."""

    def read() -> dict[str, np.ndarray]:
        rows = rows_of(spec.embedding, c)
        values = np.asarray(result(spec).silhouette_cosine)
        labels = np.where((rows >= 0) & np.isfinite(values), data.class_of_each(c)[rows], "")
        return {name: np.flatnonzero(labels == name) for name in class_names(spec)}

    return once(("members", spec.key, c.key), read)


def distances_between(A: np.ndarray, B: np.ndarray, metric: str) -> np.ndarray:
    """Compute the distances of all rows of A and B, (a, b); a row of zeros has cosine 0 with every other."""
    products = A @ B.T
    squares = [np.einsum("ij,ij->i", X, X) for X in (A, B)]
    if metric == "cosine":
        scale = np.sqrt(squares[0])[:, None] * np.sqrt(squares[1])
        cosines = np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)
        return np.maximum(0.0, 1.0 - cosines)
    square = np.maximum(0.0, squares[0][:, None] + squares[1] - 2.0 * products)
    return square if metric == "sqeuclidean" else np.sqrt(square)


# -- clusters ---------------------------------------------------------------------------------------------


def curve_table(spec: KMeansCurve) -> pd.DataFrame:
    """Return inertia and silhouette over the number of clusters as a table."""
    curve = result(spec)
    return pd.DataFrame({"k": curve.ks, "inertia": curve.inertia, "silhouette": curve.silhouette})
