"""The exact k nearest neighbours of every clip of a space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, array, value
from jobs.tasks.spec import Spec, SpecError, between

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

#: Neighbours kept of every clip. Enough for t-SNE at perplexity 50, for UMAP and for every list on a page.
GRAPH_K = 150
#: Sizes of neighbourhood of the numbers that are kept for every clip; those that there are clips for.
CLIP_KS = (1, 2, 5, 10, 15, 20, 30, 50, 100, 150)


class Result(Schema):
    """Lists of neighbours: nearest first, ties by lower index, without the clip; k is at most n - 1."""

    indices: np.ndarray = array("int32", "n k", "rows of the neighbours of every clip")
    distances: np.ndarray = array("float32", "n k", "their distances")
    n_clips: int = value("clips of the space")
    k: int = value("neighbours of each clip")
    metric: str = value("the distance")


@dataclass(frozen=True, kw_only=True)
class Neighbors(Spec[Result]):
    """The exact k nearest neighbours of every clip in the original space: one graph a space and metric."""

    embedding: EmbedAudio
    metric: str = "cosine"
    k: int = GRAPH_K

    def __post_init__(self) -> None:
        if self.metric not in ("cosine", "euclidean"):
            raise SpecError(f"metric is {self.metric!r}; it must be 'cosine' or 'euclidean'.")
        between("k", self.k, 1, 10_000)

    @property
    def title(self) -> str:
        e = self.embedding
        special = [self.metric] if self.metric != "cosine" else []
        special += [f"k {self.k}"] if self.k != GRAPH_K else []
        return f"nearest neighbours in {e.dataset.name} · {e.model}" + (
            f" ({', '.join(special)})" if special else ""
        )


def run(spec: Neighbors, context: JobContext) -> Result:
    """Find the exact k-nearest-neighbour graph of a space."""
    from core.neighbors import knn

    X = context.read(spec.embedding).embeddings  # (n, d)
    n = len(X)
    if n < 2:
        raise ValueError(
            f"{spec.embedding.dataset.name} · {spec.embedding.encoder} has {n} clip; "
            "neighbours need at least 2."
        )
    k = min(spec.k, n - 1)
    context.progress(0, 1, f"{k} nearest neighbours of {n:,} clips")
    indices, distances = knn(X, k, metric=spec.metric)  # (n, k) each
    return Result(
        indices=indices.astype(np.int32),
        distances=distances.astype(np.float32),
        n_clips=n,
        k=k,
        metric=spec.metric,
    )
