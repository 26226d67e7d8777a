"""How well a space separates classes, in two numbers that take seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.statistics import Interval, mean_interval, share_interval
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.neighbors import Neighbors
from jobs.tasks.schema import Schema, finite, value
from jobs.tasks.spec import Spec

if TYPE_CHECKING:
    from jobs.engine.context import JobContext


class Result(Schema):
    """Two numbers of the clips with a class.

    Each has ``value``, the ends of the 95% interval, ``low`` and ``high``, and ``n``.
    """

    agreement: dict[str, float | None] = value("share of clips whose nearest clip has the same class")
    silhouette: dict[str, float | None] = value("mean cosine silhouette; None with fewer than two classes")
    n_clips: int = value("clips with a class")
    dimensions: int = value("length of an embedding")


@dataclass(frozen=True, kw_only=True)
class Quality(Spec[Result]):
    """How well a space separates classes: class agreement of nearest neighbours, and silhouette."""

    embedding: EmbedAudio
    labels: str
    #: Filled in: the graph that the nearest clips are read from.
    neighbors: Neighbors | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbors", Neighbors(embedding=self.embedding))

    @property
    def title(self) -> str:
        return f"class agreement in {self.embedding.place}"


def run(spec: Quality, context: JobContext) -> Result:
    """Compute the share of clips whose nearest clip has the same class, and the mean cosine silhouette."""
    from core.neighbors import class_agreement_samples
    from core.separability import silhouette_samples
    from jobs.tasks.labels import labelled

    assert spec.neighbors is not None
    space = labelled(spec.embedding, spec.labels, context)
    nearest = context.read(spec.neighbors).indices  # (n, k)
    named = space.labels != ""
    labels = space.labels[named].astype(str)
    context.progress(0, 1, f"silhouettes of {len(labels):,} clips")
    hits = class_agreement_samples(np.asarray(nearest), space.labels, k=1)[named]
    samples = np.empty(0)
    if len(np.unique(labels)) > 1:
        samples = silhouette_samples(np.asarray(space.X)[named], labels)
    return Result(
        agreement=_plain(share_interval(int((hits == 1).sum()), len(hits))),
        silhouette=_plain(mean_interval(samples, low=-1, high=1)),
        n_clips=len(labels),
        dimensions=space.X.shape[1],
    )


def _plain(of: Interval) -> dict[str, float | None]:
    return {name: finite(getattr(of, name)) for name in ("value", "low", "high")} | {"n": of.n}
