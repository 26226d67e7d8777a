"""How well spaces tell classes apart, as the page shows it: read from results, aligned to the clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboard import data
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import has, result, rows_of
from dashboard.separability.figures import ByClass
from jobs import presets as measures
from jobs.specs import Baselines, EmbedAudio, KMeansCurve, Separability, Spec
from jobs.tasks.separability import DIMENSION_K
from jobs.workspace.workspace import Dataset

#: Distances that silhouettes are measured with: value in the URL to name on the page.
METRICS = {"cosine": "cosine", "euclidean": "Euclidean", "sqeuclidean": "squared Euclidean"}
#: Size of the neighbourhood that the score table names the hubness of.
HUB_K = 10
#: The four properties: name in the result, name on the page, what the number is.
PROPERTIES = (
    ("intra_class_clustering", "intra-class clustering", "mean of d² within classes"),
    ("intra_class_equidistance", "intra-class equidistance", "deviation of d² within classes"),
    ("inter_class_separation", "inter-class separation", "mean of (1 − d)² between classes"),
    (
        "inter_class_equidistance",
        "inter-class equidistance",
        "deviation of (1 − d)² between classes",
    ),
)

_NOTHING = numbers.Estimate(float("nan"), float("nan"), float("nan"), 0)


class Measured(NamedTuple):
    """The specs of what is measured of a space; `curve` is None where there are too few clips."""

    separability: Separability
    baselines: Baselines
    curve: KMeansCurve | None


@dataclass(frozen=True)
class Scores:
    """A space in one row: NaN, or an estimate of no clips, for what is not computed or does not exist.

    Of `n` clips, `labelled` have a class, and `unseen` of these one that is in one fold alone, so that no
    classifier could say it: where all are, there is no accuracy.
    """

    space: str
    dimensions: int
    n: int
    labelled: int
    silhouette: dict[str, numbers.Estimate] = field(default_factory=lambda: dict.fromkeys(METRICS, _NOTHING))
    knn: numbers.Estimate = _NOTHING
    probe: numbers.Estimate = _NOTHING
    k: int = 0
    unseen: int = 0
    #: Whose folds the accuracies are of: "dataset", "drawn", or "" where there are none.
    folds: str = ""
    properties: dict[str, float] = field(
        default_factory=lambda: {name: float("nan") for name, *_ in PROPERTIES}
    )
    hubness: float = float("nan")
    intrinsic: float = float("nan")
    #: Neighbours that the intrinsic dimension is read from; 0 where it is not computed.
    intrinsic_k: int = 0
    effective: float = float("nan")

    @property
    def measured(self) -> bool:
        """True if there are numbers of its classes."""
        return bool(np.isfinite(list(self.properties.values())).any())


def measured(dataset: Dataset, embedding: EmbedAudio) -> Measured:
    """Return the specs of what is measured of a space."""
    found: dict[type, Any] = {type(s): s for s in measures.of_space(dataset, embedding)}
    return Measured(found[Separability], found[Baselines], found.get(KMeansCurve))


def missing(dataset: Dataset, embeddings: Sequence[EmbedAudio], n_classes: int) -> list[Spec]:
    """Return the specs of what is not there yet; fewer than two classes cannot be classified."""
    wanted = [s for e in embeddings for s in measured(dataset, e) if s is not None]
    if n_classes < 2:
        wanted = [s for s in wanted if not isinstance(s, Baselines)]
    return [s for s in wanted if not has(s)]


# -- all spaces -------------------------------------------------------------------------------------------


def scores(dataset: Dataset, embedding: EmbedAudio) -> Scores:
    """Return the row of a space, with what is there."""
    specs = measured(dataset, embedding)
    there = tuple(s.key for s in specs[:2] if has(s))
    c = data.clips(dataset)
    return once(("scores", embedding.key, c.key, there), lambda: _scores(embedding, specs, c))


def _scores(embedding: EmbedAudio, specs: Measured, c: Clips) -> Scores:
    n, dimensions = result(embedding).embeddings.shape
    rows = rows_of(embedding, c)
    labelled = int((data.class_of_each(c)[rows[rows >= 0]] != "").sum())
    found: dict[str, Any] = {}
    if has(specs.separability):
        shape = result(specs.separability)
        found["silhouette"] = {m: numbers.mean(shape.silhouette(m), low=-1, high=1) for m in METRICS}
        found["properties"] = {name: _number(shape.properties.get(name)) for name, *_ in PROPERTIES}
        found["hubness"] = _number(shape.hubness.get(str(HUB_K)))
        found["intrinsic"] = _number(shape.intrinsic_dimension)
        assert specs.separability.neighbors is not None
        found["intrinsic_k"] = min(DIMENSION_K, specs.separability.neighbors.k, int(n) - 1)
        found["effective"] = _number(shape.effective_rank)
    if has(specs.baselines):
        simple = result(specs.baselines)
        table = simple.predictions.to_pandas()
        truth = table["label"].to_numpy()
        found |= {"k": simple.k, "unseen": simple.unseen, "folds": simple.folds}
        if simple.unseen < len(truth):
            found["knn"] = numbers.share(table["knn"].to_numpy() == truth)
            found["probe"] = numbers.share(table["probe"].to_numpy() == truth)
    return Scores(embedding.encoder, int(dimensions), int(n), labelled, **found)


def table(rows: Sequence[Scores]) -> pd.DataFrame:
    """Return the scores of spaces as a table of numbers, intervals in columns of their own."""
    out = []
    for s in rows:
        row: dict[str, Any] = {"space": s.space, "dimensions": s.dimensions, "clips": s.n}
        row["labelled"] = s.labelled
        estimates = {f"silhouette_{m}": e for m, e in s.silhouette.items()}
        estimates |= {"knn_accuracy": s.knn, "probe_accuracy": s.probe}
        for name, e in estimates.items():
            row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high, f"{name}_n": e.n}
        # Clips of a class that is in one fold alone; nothing is known of it before classifiers were tried.
        row["unseen"] = s.unseen if s.k else None
        row["folds"] = s.folds or None
        row |= s.properties
        row |= {f"hubness_{HUB_K}": s.hubness, "intrinsic_dimension": s.intrinsic}
        row["intrinsic_dimension_k"] = s.intrinsic_k or None
        out.append(row | {"effective_rank": s.effective})
    return pd.DataFrame(out)


def best(values: Sequence[float], above: float | None) -> set[int]:
    """Return where the best of at least two numbers are, if they are above `above`; None for never.

    Examples
    --------
    >>> best([0.1, 0.3, float("nan"), 0.3], 0.0), best([0.0, 0.0], 0.0), best([1.0], 0.0)
    ({1, 3}, set(), set())
    """
    found = np.asarray(values, float)
    there = np.isfinite(found)
    if above is None or there.sum() < 2:
        return set()
    return set(np.flatnonzero(there & (found == found[there].max()) & (found > above)).tolist())


# -- classes ----------------------------------------------------------------------------------------------


def class_names(spec: Separability) -> list[str]:
    """Return the classes that were compared, sorted."""
    return result(spec).class_names


def by_class(spec: Separability, c: Clips, metric: str = "cosine") -> ByClass:
    """Return the silhouette of every clip by class, the class with the highest mean first."""

    def read() -> ByClass:
        values = np.asarray(result(spec).silhouette(metric))
        rows = rows_of(spec.embedding, c)
        code = {name: i for i, name in enumerate(class_names(spec))}
        labels = data.class_of_each(c)
        codes = np.asarray([code.get(labels[r], -1) if r >= 0 else -1 for r in rows], np.int64)
        there = (codes >= 0) & np.isfinite(values)
        values, codes, ids = values[there], codes[there], c.ids[rows[there]]
        groups = [values[codes == i] for i in range(len(code))]
        estimates = [numbers.mean(g, low=-1, high=1) for g in groups]
        shown = [i for i, g in enumerate(groups) if len(g)]
        names = list(code)
        shown.sort(key=lambda i: (-estimates[i].value, names[i]))
        place = np.full(len(code), -1)
        place[shown] = np.arange(len(shown))
        means = [(e.value, e.low, e.high) for e in (estimates[i] for i in shown)]
        quartiles = [np.quantile(groups[i], (0.25, 0.5, 0.75)) for i in shown]
        return ByClass(
            [names[i] for i in shown],
            place[codes],
            values,
            ids,
            np.asarray(means, float).reshape(-1, 3),
            np.asarray(quartiles, float).reshape(-1, 3),
        )

    return once(("by-class", spec.key, c.key, metric), read)


def class_of(spec: Separability, c: Clips, point: str) -> str:
    """Return the class of what stands for it in the figure: a clip, or the class itself."""
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


def said(shown: ByClass, ids: Sequence[str]) -> list[str]:
    """Return the numbers of clips as texts."""
    value = dict(zip(shown.ids.tolist(), shown.values.tolist(), strict=True))
    return [numbers.signed(value[i]) for i in ids]


def rivals(spec: Separability, c: Clips, ids: Sequence[str], metric: str = "cosine") -> list[str]:
    """Return the class, other than its own, that each clip is nearest to in the mean: what b is of.

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
    """Rows of the embedding by class."""

    def read() -> dict[str, np.ndarray]:
        rows = rows_of(spec.embedding, c)
        values = np.asarray(result(spec).silhouette_cosine)
        labels = np.where((rows >= 0) & np.isfinite(values), data.class_of_each(c)[rows], "")
        return {name: np.flatnonzero(labels == name) for name in class_names(spec)}

    return once(("members", spec.key, c.key), read)


def distances_between(A: np.ndarray, B: np.ndarray, metric: str) -> np.ndarray:
    """Distances of rows (a, b); a row of zeros has cosine 0 with every other."""
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
    found = result(spec)
    return pd.DataFrame({"k": found.ks, "inertia": found.inertia, "silhouette": found.silhouette})


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
