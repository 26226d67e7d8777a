"""How well a space tells classes apart, how it is shaped, and how it falls into clusters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.runners.labels import labelled
from jobs.specs import KMeansCurve, Separability
from jobs.specs.measures import CLIP_KS, DIMENSION_K

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

METRICS = ("cosine", "sqeuclidean", "euclidean")
_STEPS = len(METRICS) + 4


def separability(spec: Separability, context: JobContext) -> None:
    """Store how well a space tells the classes apart, and how it is shaped.

    What does not exist is NaN, and None in ``meta``: silhouettes where there are fewer than two classes,
    distances within a class of one clip, dimensions where a clip has one neighbour.
    """
    space = labelled(spec.embedding, spec.labels, context)
    arrays, classes, properties = _of_classes(space.X, space.labels, context)
    shape, about = _of_shape(spec, space.X, context)
    with context.writer() as w:
        for name, values in (arrays | shape).items():
            w.array(name, values)
        w.table("classes", classes)
        w.meta.update(n_clips=len(space.X), n_classes=len(classes["label"]), properties=properties, **about)
    context.progress(1, 1)


def kmeans_curve(spec: KMeansCurve, context: JobContext) -> None:
    """Store inertia and silhouette of K-means on the unit-length embeddings, for every K up to n.

    Silhouettes are those of the cosine distance, as those of the classes are.
    """
    from core import separability as measure
    from core.processing import normalize

    X = normalize(np.asarray(context.open(spec.embedding).array("embeddings"), dtype=np.float64))  # (n, d)
    n = len(X)
    ks = [k for k in spec.ks if k <= n]
    if len(ks) < len(spec.ks):
        context.log(f"Left out K from {spec.ks[len(ks)]:,} on: there are {n:,} clips.")

    def report(done: int, total: int) -> None:
        context.progress(done, total, f"{done} of {total} numbers of clusters")

    context.progress(0, 1, f"K-means of {n:,} clips")
    inertia, silhouette, elbow = np.empty(0), np.empty(0), None
    if ks:
        found = measure.kmeans_curve(X, ks, seed=spec.seed, metric="cosine", progress=report)
        inertia, silhouette, elbow = found.inertia, found.silhouette, found.elbow
    with context.writer() as w:
        w.array("ks", np.array(ks, dtype=np.int64))
        w.array("inertia", inertia)
        w.array("silhouette", silhouette)
        w.meta.update(n_clips=n, elbow=elbow)
    context.progress(1, 1)


def _of_classes(
    X: np.ndarray, labels: np.ndarray, context: JobContext
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, float | None]]:
    """Return what concerns classes: arrays, the table of classes, the four properties."""
    import pyarrow as pa

    from core import separability as measure

    named = labels != ""
    inside = np.asarray(X) if named.all() else X[named]  # (m, d)
    of = labels[named].astype(str)
    classes, codes, sizes = np.unique(of, return_inverse=True, return_counts=True)
    C = len(classes)
    arrays: dict[str, np.ndarray] = {}
    for i, metric in enumerate(METRICS):
        context.progress(i, _STEPS, f"silhouettes of {len(inside):,} clips, {metric}")
        samples = np.full(len(X), np.nan)
        if C > 1:
            samples[named] = measure.silhouette_samples(inside, codes, metric=metric)
        arrays[f"silhouette_{metric}"] = samples
    context.progress(len(METRICS), _STEPS, f"distances between {C:,} classes")
    mean = sd = cv = np.empty((0, 0))
    if C:
        distances = measure.class_distances(inside, codes)
        mean, sd, cv = distances.mean, distances.sd, distances.cv  # (C, C) each
    arrays |= {"class_mean": mean, "class_sd": sd, "class_cv": cv, "class_order": measure.class_order(mean)}
    context.progress(len(METRICS) + 1, _STEPS, "distances within and between classes")
    names = (
        "intra_class_clustering",
        "intra_class_equidistance",
        "inter_class_separation",
        "inter_class_equidistance",
    )
    properties: dict[str, float | None] = dict.fromkeys(names)
    if C:
        found = measure.angular_properties(inside, codes)
        properties = {name: _number(getattr(found, name)) for name in names}
    silhouette = np.full(C, np.nan)
    if C > 1:
        by_class = measure.silhouette_by_class(arrays["silhouette_cosine"][named], codes)
        silhouette = by_class["mean"].to_numpy()
    table = {
        "label": pa.array(classes.tolist(), pa.string()),
        "n_clips": sizes.astype(np.int64),
        "silhouette_cosine": silhouette,
    }
    return arrays, table, properties


def _of_shape(
    spec: Separability, X: np.ndarray, context: JobContext
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what concerns all clips: arrays and what goes into ``meta``."""
    from core.separability import effective_rank, hubness, intrinsic_dimension, k_occurrence, local_dimension

    assert spec.neighbors is not None
    graph = context.open(spec.neighbors)
    indices, distances = graph.array("indices"), graph.array("distances")  # (n, k) each
    k = indices.shape[1]
    context.progress(len(METRICS) + 2, _STEPS, "hubs and dimensions")
    ks = np.array([size for size in CLIP_KS if size <= k], dtype=np.int64)
    arrays = {"occurrence": k_occurrence(indices, ks), "ks": ks, "dimension": np.full(len(X), np.nan)}
    if k > 1:
        arrays["dimension"] = local_dimension(distances[:, :DIMENSION_K], metric=spec.neighbors.metric)
    context.progress(len(METRICS) + 3, _STEPS, "effective rank")
    skewness = hubness(indices, ks)
    about = {
        "effective_rank": _number(effective_rank(X)),
        "hubness": {str(size): _number(value) for size, value in zip(ks, skewness, strict=True)},
        "intrinsic_dimension": _number(intrinsic_dimension(arrays["dimension"])),
    }
    return arrays, about


def _number(value: float) -> float | None:
    """Return a plain number, and None for what ``meta`` cannot hold."""
    return float(value) if math.isfinite(value) else None
