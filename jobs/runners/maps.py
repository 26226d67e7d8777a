"""Neighbour graphs and maps: from an embedding to what the pages draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.specs import Neighbors, Project

if TYPE_CHECKING:
    from jobs.context import JobContext

#: Sizes of neighbourhood at which a map is judged; those that the number of clips allows are used.
KEPT_KS = (5, 10, 15, 30, 50, 100)


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


def _name(spec: Neighbors) -> str:
    return f"{spec.embedding.dataset.name} · {spec.embedding.encoder}"
