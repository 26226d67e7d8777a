"""How well a space tells the classes apart, and how it is shaped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.neighbors import CLIP_KS, Neighbors
from jobs.tasks.schema import Schema, array, finite, table, value
from jobs.tasks.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

#: Most neighbours that the local dimension is computed from.
DIMENSION_K = 20
METRICS = ("cosine", "sqeuclidean", "euclidean")
_STEPS = len(METRICS) + 4


class Result(Schema):
    """Silhouettes, distances between classes, hubs and dimensions; C classes in sorted order.

    An undefined number is NaN, and None among the values.
    """

    silhouette_cosine: np.ndarray = array("float64", "n", "silhouette of every clip, cosine distance")
    silhouette_euclidean: np.ndarray = array("float64", "n", "the same, Euclidean distance")
    silhouette_sqeuclidean: np.ndarray = array("float64", "n", "the same, squared Euclidean distance")
    class_mean: np.ndarray = array("float64", "C C", "mean cosine distance of the clips of two classes")
    class_sd: np.ndarray = array("float64", "C C", "standard deviation of these distances")
    class_cv: np.ndarray = array("float64", "C C", "their coefficient of variation")
    class_order: np.ndarray = array("int64", "C", "an order of the classes that puts near ones side by side")
    classes: pa.Table = table(
        "C",
        "a class",
        {
            "label": ("string", "its name"),
            "n_clips": ("int64", "its clips"),
            "silhouette_cosine": ("double", "mean silhouette of its clips"),
        },
    )
    occurrence: np.ndarray = array("int64", "n K", "number of lists of k neighbours that a clip is in")
    ks: np.ndarray = array("int64", "K", "the sizes of these lists")
    dimension: np.ndarray = array("float64", "n", "local intrinsic dimension at every clip")
    n_clips: int = value("clips of the space")
    n_classes: int = value("classes")
    properties: dict[str, float | None] = value("the four angular properties of the classes, by name")
    effective_rank: float | None = value("effective rank of the space")
    hubness: dict[str, float | None] = value("skewness of the occurrences, by k")
    intrinsic_dimension: float | None = value("intrinsic dimension of the space")

    @property
    def class_names(self) -> list[str]:
        """The classes in order."""
        names: list[str] = self.classes.column("label").to_pylist()
        return names

    def silhouette(self, metric: str) -> np.ndarray:
        """Return the silhouette of every clip by one of the `METRICS`, (n,)."""
        samples: np.ndarray = getattr(self, f"silhouette_{metric}")
        return samples


@dataclass(frozen=True, kw_only=True)
class Separability(Spec[Result]):
    """How well a space tells the classes apart, and how it is shaped.

    Clips without a class are left out of what concerns classes; their rows hold NaN.
    """

    embedding: EmbedAudio
    #: Fingerprint of the labels, which can change while the sounds stay.
    labels: str
    #: Filled in: the graph that hubness and dimension are computed from.
    neighbors: Neighbors | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbors", Neighbors(embedding=self.embedding))

    @property
    def title(self) -> str:
        return f"separability of {self.embedding.place}"


def run(spec: Separability, context: JobContext) -> Result:
    """Measure how well a space tells the classes apart, and how it is shaped.

    An undefined number is NaN or None: silhouettes of fewer than two classes, distances within a class of one
    clip, dimensions at a clip with one neighbour.
    """
    from jobs.tasks.labels import labelled

    space = labelled(spec.embedding, spec.labels, context)
    of_classes = _of_classes(space.X, space.labels, context)
    return Result(n_clips=len(space.X), **of_classes, **_of_shape(spec, space.X, context))


def _of_classes(X: np.ndarray, labels: np.ndarray, context: JobContext) -> dict[str, Any]:
    """Return the fields of the result that concern classes."""
    from core import separability as measure

    named = labels != ""
    inside = np.asarray(X) if named.all() else X[named]  # (m, d)
    of = labels[named].astype(str)
    classes, codes, sizes = np.unique(of, return_inverse=True, return_counts=True)
    C = len(classes)
    fields: dict[str, Any] = {"n_classes": C}
    for i, metric in enumerate(METRICS):
        context.progress(i, _STEPS, f"silhouettes of {len(inside):,} clips, {metric}")
        samples = np.full(len(X), np.nan)
        if C > 1:
            samples[named] = measure.silhouette_samples(inside, codes, metric=metric)
        fields[f"silhouette_{metric}"] = samples
    context.progress(len(METRICS), _STEPS, f"distances between {C:,} classes")
    mean = sd = cv = np.empty((0, 0))
    if C:
        distances = measure.class_distances(inside, codes)
        mean, sd, cv = distances.mean, distances.sd, distances.cv  # (C, C) each
    fields |= {"class_mean": mean, "class_sd": sd, "class_cv": cv, "class_order": measure.class_order(mean)}
    context.progress(len(METRICS) + 1, _STEPS, "distances within and between classes")
    names = (
        "intra_class_clustering",
        "intra_class_equidistance",
        "inter_class_separation",
        "inter_class_equidistance",
    )
    fields["properties"] = dict.fromkeys(names)
    if C:
        properties = measure.angular_properties(inside, codes)
        fields["properties"] = {name: finite(getattr(properties, name)) for name in names}
    silhouette = np.full(C, np.nan)
    if C > 1:
        by_class = measure.silhouette_by_class(fields["silhouette_cosine"][named], codes)
        silhouette = by_class["mean"].to_numpy()
    fields["classes"] = {"label": classes, "n_clips": sizes, "silhouette_cosine": silhouette}
    return fields


def _of_shape(spec: Separability, X: np.ndarray, context: JobContext) -> dict[str, Any]:
    """Return the fields of the result that concern all clips."""
    from core.separability import effective_rank, hubness, intrinsic_dimension, k_occurrence, local_dimension

    assert spec.neighbors is not None
    graph = context.read(spec.neighbors)
    indices, distances = graph.indices, graph.distances  # (n, k) each
    k = indices.shape[1]
    context.progress(len(METRICS) + 2, _STEPS, "hubs and dimensions")
    ks = np.array([size for size in CLIP_KS if size <= k], dtype=np.int64)
    dimension = np.full(len(X), np.nan)
    if k > 1:
        dimension = local_dimension(distances[:, :DIMENSION_K], metric=spec.neighbors.metric)
    context.progress(len(METRICS) + 3, _STEPS, "effective rank")
    skewness = hubness(indices, ks)
    return {
        "occurrence": k_occurrence(indices, ks),
        "ks": ks,
        "dimension": dimension,
        "effective_rank": finite(effective_rank(X)),
        "hubness": {str(size): finite(value) for size, value in zip(ks, skewness, strict=True)},
        "intrinsic_dimension": finite(intrinsic_dimension(dimension)),
    }
