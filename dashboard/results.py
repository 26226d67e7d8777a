"""Results of jobs as the pages use them: aligned to the clips of the dataset.

Coordinates, neighbours and numbers come a row a clip, with NaN or -1 where a space left a clip out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.statistics import Interval
from dashboard.data import Clips, workspace
from dashboard.kit import numbers
from dashboard.memory import once
from jobs.specs import EmbedAudio, Neighbors, Project, Spec
from jobs.tasks.measures import NOTHING, Measure
from jobs.tasks.quality import Quality as QualityOfSpace
from jobs.tasks.spec import R
from jobs.workspace.workspace import Dataset

#: Sizes of neighbourhood within one factor of ten that can be chosen; below 10 all.
_STOPS = (
    *(10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32, 35, 38),
    *(40, 43, 46, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95),
)


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
    """How well a space tells classes apart: two numbers of its n clips with a class."""

    agreement: numbers.Estimate
    silhouette: numbers.Estimate
    n: int
    dimensions: int


def rows_of(embedding: EmbedAudio, c: Clips) -> np.ndarray:
    """Return the row of the clip table for each row of an embedding, -1 where the table lacks it."""

    def read() -> np.ndarray:
        return np.asarray([c.row.get(i, -1) for i in result(embedding).clip_ids], dtype=np.int64)

    return once(("rows", embedding.key, c.key), read)


def has(spec: Any) -> bool:
    """Return whether the result exists."""
    return workspace().cache.contains(spec.key)


def result(spec: Spec[R]) -> R:
    """Return the result of a spec, which exists; what is read of it stays in memory."""
    return once(("result", spec.key), lambda: spec.read(workspace().cache))


def layout(spec: Project, c: Clips) -> Layout:
    """Return a map, aligned to the clips."""

    def read() -> Layout:
        stored = result(spec)
        rows = rows_of(spec.embedding, c)
        ks = tuple(stored.kept_ks.tolist())
        explained = _explained(spec, stored.coords) if spec.method == "pca" else None
        return Layout(aligned(stored.coords, rows, c.n), aligned(stored.kept, rows, c.n), ks, explained)

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
    out = np.full((n, *values.shape[1:]), np.nan, values.dtype)
    out[rows[rows >= 0]] = values[rows >= 0]
    return out


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
    """Return the number of dimensions of a space."""
    return int(result(embedding).embeddings.shape[1])


def quality_spec(embedding: EmbedAudio, dataset: Dataset) -> QualityOfSpace:
    """Return the spec of the two numbers that tell how well a space tells classes apart."""
    return QualityOfSpace(embedding=embedding, labels=dataset.labels_fingerprint)


def maps_with_quality(maps: Sequence[Project], dataset: Dataset) -> list[Spec]:
    """Return maps, each with the two numbers of its space that stand beside it."""
    return [spec for m in maps for spec in (m, quality_spec(m.embedding, dataset))]


def quality(embedding: EmbedAudio, dataset: Dataset) -> Quality | None:
    """Return nearest-neighbour class agreement and cosine silhouette; None until they are computed."""
    spec = quality_spec(embedding, dataset)
    if not has(spec):
        return None
    stored = result(spec)
    agreement, silhouette = _estimate(stored.agreement), _estimate(stored.silhouette)
    return Quality(agreement, silhouette, stored.n_clips, stored.dimensions)


def _estimate(stored: Mapping[str, float | None]) -> numbers.Estimate:
    value, low, high = (np.nan if (v := stored[name]) is None else v for name in ("value", "low", "high"))
    return numbers.Estimate(value, low, high, int(stored["n"] or 0))


def measure(m: Measure, spec: Spec | None, space: EmbedAudio, k: int = 0) -> Interval:
    """Return a number of a space from the result that holds it; of no clips for a missing result.

    Parameters
    ----------
    m : Measure
    spec : Spec or None
        The result that holds it; None where the space cannot have the number.
    space : EmbedAudio
    k : int
        Size of the neighbourhood, for a number that has one.
    """
    if spec is None or not has(spec):
        return NOTHING
    # A kind each, so that many measures of many spaces stay in memory.
    return once((f"measure {m.name}", spec.key, space.key, k), lambda: m.read(result(spec), space, k))


def stops(last: int) -> list[int]:
    """Return the sizes of neighbourhood that can be chosen: close where they are small, up to `last`.

    Examples
    --------
    >>> stops(12)
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    >>> stops(399)[-3:]
    [350, 380, 399]
    """
    sizes = [*range(1, 10), *(s * 10**e for e in range(len(str(last))) for s in _STOPS)]
    return sorted({k for k in sizes if k <= last} | {last})


def kept_mean(spec: Project, c: Clips, k: int) -> tuple[int, numbers.Estimate]:
    """Return the k that is judged (at most what the map was judged at) and the mean share kept."""
    shown = layout(spec, c)
    k = judged(shown, k)
    return k, numbers.mean(shown.kept[:, shown.ks.index(k)], low=0, high=1)


def judged(shown: Layout, k: int) -> int:
    """Return the largest k at which the map was judged that is at most `k`."""
    return max((x for x in shown.ks if x <= k), default=shown.ks[0])
