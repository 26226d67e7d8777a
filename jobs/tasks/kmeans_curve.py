"""Inertia and silhouette of K-means over the number of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, array, value
from jobs.tasks.spec import Spec, SpecError, between, unusual

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


class Result(Schema):
    """Two curves over the number of clusters."""

    ks: np.ndarray = array("int64", "K", "numbers of clusters")
    inertia: np.ndarray = array("float64", "K", "inertia with each")
    silhouette: np.ndarray = array("float64", "K", "cosine silhouette with each; NaN with one cluster")
    n_clips: int = value("clips")
    elbow: int | None = value("number of clusters at the bend of the inertia")


@dataclass(frozen=True, kw_only=True)
class KMeansCurve(Spec[Result]):
    """Inertia and silhouette of K-means over K, on unit-length embeddings."""

    embedding: EmbedAudio
    ks: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.ks or list(self.ks) != sorted(set(self.ks)) or self.ks[0] < 1:
            raise SpecError(f"ks is {self.ks}; it must hold whole numbers from 1 up, ascending, each once.")
        between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        whole = self.ks == tuple(range(self.ks[0], self.ks[-1] + 1))
        some = "" if whole else f", {len(self.ks)} numbers,"
        return (
            f"K-means over {self.ks[0]} to {self.ks[-1]} clusters{some} of {self.embedding.place}"
            + unusual(self)
        )


def run(spec: KMeansCurve, context: JobContext) -> Result:
    """Compute inertia and silhouette of K-means on the unit-length embeddings, for every K up to n.

    Silhouettes are those of the cosine distance, as those of the classes are.
    """
    from core.processing import normalize
    from core.separability import kmeans_curve

    X = normalize(np.asarray(context.read(spec.embedding).embeddings, dtype=np.float64))  # (n, d)
    n = len(X)
    ks = [k for k in spec.ks if k <= n]
    if len(ks) < len(spec.ks):
        context.log(f"Left out K from {spec.ks[len(ks)]:,} on: the space has {n:,} clips.")

    def report(done: int, total: int) -> None:
        context.progress(done, total, f"{done} of {total} numbers of clusters")

    context.progress(0, 1, f"K-means of {n:,} clips")
    inertia, silhouette, elbow = np.empty(0), np.empty(0), None
    if ks:
        curve = kmeans_curve(X, ks, seed=spec.seed, metric="cosine", progress=report)
        inertia, silhouette, elbow = curve.inertia, curve.silhouette, curve.elbow
    return Result(
        ks=np.array(ks, dtype=np.int64), inertia=inertia, silhouette=silhouette, n_clips=n, elbow=elbow
    )
