"""How far a map can be trusted, and what it tears apart, over the size of the neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.project import Project
from jobs.tasks.schema import Schema, array, value
from jobs.tasks.spec import Spec

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Largest neighbourhood of the curves, and how many sizes they have at most.
LONGEST_K, CURVE_POINTS = 500, 24


class Result(Schema):
    """Two curves over the size of the neighbourhood."""

    ks: np.ndarray = array("int64", "K", "sizes of the neighbourhood")
    trustworthiness: np.ndarray = array("float64", "K", "trustworthiness at each")
    continuity: np.ndarray = array("float64", "K", "continuity at each")
    n_clips: int = value("clips of the map")


@dataclass(frozen=True, kw_only=True)
class MapQuality(Spec[Result]):
    """Trustworthiness and continuity of a map over the size of the neighbourhood."""

    map: Project
    #: Filled in: the space, which may have been cleared away while its map was kept.
    embedding: EmbedAudio | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", self.map.embedding)

    @property
    def title(self) -> str:
        return f"trustworthiness of the {self.map.title}"


def run(spec: MapQuality, context: JobContext) -> Result:
    """Compute how far a map can be trusted, and what it tears apart, over the size of the neighbourhood."""
    from core.projection import trustworthiness_continuity

    X = context.read(spec.map.embedding).embeddings  # (n, d)
    coords = context.read(spec.map).coords  # (n, 2)
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
    return Result(ks=ks, trustworthiness=trust, continuity=continuity, n_clips=n)


def curve_sizes(n: int) -> np.ndarray:
    """Return the sizes of neighbourhood at which a map of n clips is judged: 1 to below n / 2, at most 500.

    Examples
    --------
    >>> curve_sizes(400).tolist()
    [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158, 199]
    """
    longest = min((n - 1) // 2, LONGEST_K)
    return np.unique(np.geomspace(1, longest, CURVE_POINTS).round().astype(np.int64))
