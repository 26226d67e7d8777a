"""Neighbour graphs and maps: from an embedding to what the pages draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.specs import MapQuality, Neighbors, Project

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Sizes of neighbourhood at which a map is judged; those that the number of clips allows are used.
KEPT_KS = (5, 10, 15, 30, 50, 100)

#: Largest neighbourhood of the curves, and how many sizes they have at most.
LONGEST_K, CURVE_POINTS = 500, 24


def neighbors(spec: Neighbors, context: JobContext) -> None:
    """Store the exact k-nearest-neighbour graph of a space."""
    from core.neighbors import knn

    X = context.open(spec.embedding).array("embeddings")  # (n, d)
    n = len(X)
    if n < 2:
        raise ValueError(f"{_name(spec)} has {n} clip; neighbours need at least 2.")
    k = min(spec.k, n - 1)
    context.progress(0, 1, f"{k} nearest neighbours of {n:,} clips")
    indices, distances = knn(X, k, metric=spec.metric)  # (n, k) each
    with context.writer() as w:
        w.array("indices", indices.astype(np.int32))
        w.array("distances", distances.astype(np.float32))
        w.meta.update(n_clips=n, k=k, metric=spec.metric)
    context.progress(1, 1)


def project(spec: Project, context: JobContext) -> None:
    """Store a map of a space, and how much of every clip's true neighbourhood it keeps."""
    from core.projection import effective_parameters, neighborhood_kept
    from core.projection import project as lay_out

    assert spec.neighbors is not None
    X = context.open(spec.embedding).array("embeddings")  # (n, d)
    graph = context.open(spec.neighbors)
    indices, distances = graph.array("indices"), graph.array("distances")  # (n, k) each
    params = {
        name: value
        for name in ("perplexity", "n_neighbors", "min_dist")
        if (value := getattr(spec, name)) is not None
    }

    used = effective_parameters(spec.method, len(X), **params)
    lowered = {k: used[k] for k, v in params.items() if used[k] != v}
    for name, value in lowered.items():
        context.log(f"{name} {params[name]:g} is lowered to {value:g}: {len(X):,} clips allow no more.")

    def report(done: int, total: int) -> None:
        context.progress(done, total + 1, "laying out")

    context.progress(0, 1, "preparing")
    coords = lay_out(
        X,
        spec.method,
        neighbors=(indices, distances),
        seed=spec.seed,
        progress=report,
        **params,
    )  # (n, 2)
    ks = np.array([k for k in KEPT_KS if k <= indices.shape[1]] or [indices.shape[1]], dtype=np.int64)
    context.progress(0.95, 1, "judging the map")
    kept = neighborhood_kept(indices, coords, ks)  # (n, len(ks))
    with context.writer() as w:
        w.array("coords", coords.astype(np.float32))
        w.array("kept", kept.astype(np.float32))
        w.array("kept_ks", ks)
        w.meta.update(n_clips=len(X), method=spec.method, lowered=lowered)
    context.progress(1, 1)


def map_quality(spec: MapQuality, context: JobContext) -> None:
    """Store how far a map can be trusted, and what it tears apart, over the size of the neighbourhood."""
    from core.projection import trustworthiness_continuity

    X = context.open(spec.map.embedding).array("embeddings")  # (n, d)
    coords = context.open(spec.map).array("coords")  # (n, 2)
    n = len(X)
    if n < 3:
        raise ValueError(f"The {spec.map.title} has {n} clips; to be judged it needs at least 3.")
    ks = curve_sizes(n)
    note = f"ranking the neighbours of {n:,} clips"
    context.progress(0, n, note)
    trust, continuity = trustworthiness_continuity(
        X,
        coords,
        ks,
        metric=spec.map.metric,
        progress=lambda done, total: context.progress(done, total, note),
    )
    with context.writer() as w:
        w.array("ks", ks)
        w.array("trustworthiness", trust)
        w.array("continuity", continuity)
        w.meta.update(n_clips=n)


def curve_sizes(n: int) -> np.ndarray:
    """Return the sizes of neighbourhood at which a map of n clips is judged: 1 to below n / 2, at most 500.

    Examples
    --------
    >>> curve_sizes(400).tolist()
    [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158, 199]
    """
    longest = min((n - 1) // 2, LONGEST_K)
    return np.unique(np.geomspace(1, longest, CURVE_POINTS).round().astype(np.int64))


def _name(spec: Neighbors) -> str:
    return f"{spec.embedding.dataset.name} · {spec.embedding.encoder}"
