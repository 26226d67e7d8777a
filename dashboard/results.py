"""Results of jobs as the pages use them: aligned to the clips of the dataset.

Coordinates, neighbours and numbers come a row a clip, with NaN or -1 where a space left a clip out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard import data
from dashboard.data import Clips, workspace
from dashboard.kit import numbers
from dashboard.memory import once
from jobs.specs import EmbedAudio, Neighbors, Project, Spec
from jobs.tasks.spec import R
from jobs.workspace.workspace import Dataset


@dataclass(frozen=True)
class Layout:
    """A map: coordinates (n, 2), share of true neighbours kept (n, len(ks)); NaN for clips left out.

    `explained` is the share of the space's variance along each axis of a PCA map.
    """

    coords: np.ndarray
    kept: np.ndarray
    ks: tuple[int, ...]
    explained: tuple[float, float] | None = None


@dataclass(frozen=True)
class Quality:
    """How well a space tells classes apart."""

    encoder: str
    agreement: numbers.Estimate
    silhouette: numbers.Estimate
    n: int
    dimensions: int


def rows_of(embedding: EmbedAudio, c: Clips) -> np.ndarray:
    """Rows of the clip table in the order of an embedding's rows."""

    def read() -> np.ndarray:
        return np.asarray([c.row.get(i, -1) for i in result(embedding).clip_ids], dtype=np.int64)

    return once(("rows", embedding.key, c.key), read)


def has(spec: Any) -> bool:
    """True if the result exists."""
    return workspace().cache.contains(spec.key)


def result(spec: Spec[R]) -> R:
    """Return the result of a spec, which exists; what is read of it stays in memory."""
    return once(("result", spec.key), lambda: spec.read(workspace().cache))


def layout(spec: Project, c: Clips) -> Layout:
    """Return a map, aligned to the clips."""

    def read() -> Layout:
        found = result(spec)
        rows = rows_of(spec.embedding, c)
        ks = tuple(found.kept_ks.tolist())
        explained = _explained(spec, found.coords) if spec.method == "pca" else None
        return Layout(aligned(found.coords, rows, c.n), aligned(found.kept, rows, c.n), ks, explained)

    return once(("layout", spec.key, c.key), read)


def _explained(spec: Project, coords: np.ndarray) -> tuple[float, float] | None:
    X = result(spec.embedding).embeddings
    whole = float(X.var(axis=0, dtype=np.float64).sum())
    if not whole > 0:
        return None
    first, second = np.asarray(coords).var(axis=0, dtype=np.float64) / whole
    return float(first), float(second)


def aligned(values: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Return numbers of an embedding's rows, a row a clip of the table: NaN for clips that it left out."""
    found = np.full((n, *values.shape[1:]), np.nan, values.dtype)
    found[rows[rows >= 0]] = values[rows >= 0]
    return found


def neighbours_of(spec: Neighbors, c: Clips, clip_id: str, n: int) -> list[tuple[str, float]]:
    """Return the n nearest clips in the original space with their distances, nearest first."""
    rows = rows_of(spec.embedding, c)
    place = np.flatnonzero(rows == c.row.get(clip_id, -2))
    if not len(place):
        return []
    graph = result(spec)
    nearest = rows[graph.indices[place[0], :n]].tolist()
    pairs = zip(nearest, graph.distances[place[0], :n].tolist(), strict=True)
    return [(str(c.ids[i]), d) for i, d in pairs if i >= 0]


def dimensions(embedding: EmbedAudio) -> int:
    """Number of dimensions of a space."""
    return int(result(embedding).embeddings.shape[1])


def quality(embedding: EmbedAudio, dataset: Dataset) -> Quality | None:
    """Nearest-neighbour class agreement and cosine silhouette; None until the neighbours are there."""
    spec = Neighbors(embedding=embedding)
    if not (has(embedding) and has(spec)):
        return None
    c = data.clips(dataset)

    def compute() -> Quality:
        from core.neighbors import class_agreement_samples
        from core.separability import silhouette_samples

        rows = rows_of(embedding, c)
        X = np.asarray(result(embedding).embeddings)
        labels = data.class_of_each(c)[rows]
        labels[rows < 0] = ""
        nearest = np.asarray(result(spec).indices)
        named = labels != ""
        hits = class_agreement_samples(nearest, labels, k=1)[named] if nearest.shape[1] else np.empty(0)
        enough = len(np.unique(labels[named])) > 1
        silhouette = silhouette_samples(X[named], labels[named]) if enough else np.empty(0)
        return Quality(
            embedding.encoder,
            numbers.share(hits == 1),
            numbers.mean(silhouette, low=-1, high=1),
            int(named.sum()),
            X.shape[1],
        )

    return once(("quality", embedding.key, c.key), compute)


def kept_mean(spec: Project, c: Clips, k: int) -> tuple[int, numbers.Estimate]:
    """Return the k that is judged (at most what the map was judged at) and the mean share kept."""
    found = layout(spec, c)
    k = judged(found, k)
    return k, numbers.mean(found.kept[:, found.ks.index(k)], low=0, high=1)


def judged(found: Layout, k: int) -> int:
    """Return the largest k at which the map was judged that is at most `k`."""
    return max((x for x in found.ks if x <= k), default=found.ks[0])
