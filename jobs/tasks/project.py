"""A map of a space in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.neighbors import GRAPH_K, Neighbors
from jobs.tasks.schema import Schema, array, value
from jobs.tasks.spec import Spec, SpecError, between

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

METHODS = ("tsne", "umap", "pca")
#: Sizes of neighbourhood at which a map is judged; those that the number of clips allows are used.
KEPT_KS = (5, 10, 15, 30, 50, 100)
_DEFAULTS: dict[str, dict[str, float]] = {
    "tsne": {"perplexity": 30},
    "umap": {"n_neighbors": 15, "min_dist": 0.1},
    "pca": {},
}


class Result(Schema):
    """Where every clip is on the map, and how much of its neighbourhood is kept."""

    coords: np.ndarray = array("float32", "n 2", "place of every clip")
    kept: np.ndarray = array(
        "float32", "n K", "share of each clip's k true neighbours that are among its k neighbours on the map"
    )
    kept_ks: np.ndarray = array("int64", "K", "these k")
    n_clips: int = value("clips")
    method: str = value("the method")
    lowered: dict[str, float] = value("parameters that were lowered for want of clips", default={})


@dataclass(frozen=True, kw_only=True)
class Project(Spec[Result]):
    """A map of a space in two dimensions.

    Parameters that the method does not have are dropped, so that they cannot split the key.
    """

    embedding: EmbedAudio
    method: str
    metric: str = "cosine"
    perplexity: float | None = None
    n_neighbors: int | None = None
    min_dist: float | None = None
    seed: int = 0
    #: Filled in: the graph that the layout starts from and that the map is judged by.
    neighbors: Neighbors | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SpecError(f"method is {self.method!r}; it must be one of {', '.join(METHODS)}.")
        between("seed", self.seed, 0, 2**32 - 1)
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError(f"embedding is {self.embedding!r}")
        defaults = _DEFAULTS[self.method]
        for name in ("perplexity", "n_neighbors", "min_dist"):
            value = getattr(self, name) if name in defaults else None
            value = defaults.get(name) if value is None else value
            object.__setattr__(self, name, value)
        if self.method == "pca":
            object.__setattr__(self, "seed", 0)
        k = GRAPH_K
        if self.perplexity is not None:
            between("perplexity", self.perplexity, 2, 500)
            k = max(k, int(3 * self.perplexity))
        if self.n_neighbors is not None:
            between("n_neighbors", self.n_neighbors, 2, 500)
            k = max(k, self.n_neighbors)
        if self.min_dist is not None:
            between("min_dist", self.min_dist, 0, 1)
        graph = Neighbors(embedding=self.embedding, metric=self.metric, k=k)
        object.__setattr__(self, "neighbors", graph)

    @property
    def title(self) -> str:
        name = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}[self.method]
        usual = _DEFAULTS[self.method] | {"metric": "cosine", "seed": 0}
        special = [
            f"{k} {getattr(self, k):g}" for k, v in usual.items() if k != "metric" and getattr(self, k) != v
        ]
        special += [self.metric] if self.metric != "cosine" else []
        what = f"{self.embedding.dataset.name} · {self.embedding.model}"
        return f"{name} map of {what}" + (f" ({', '.join(special)})" if special else "")


def run(spec: Project, context: JobContext) -> Result:
    """Compute a map of a space, and how much of every clip's true neighbourhood it keeps."""
    from core.projection import effective_parameters, neighborhood_kept
    from core.projection import project as lay_out

    assert spec.neighbors is not None
    X = context.read(spec.embedding).embeddings  # (n, d)
    graph = context.read(spec.neighbors)
    indices, distances = graph.indices, graph.distances  # (n, k) each
    params = {
        name: given
        for name in ("perplexity", "n_neighbors", "min_dist")
        if (given := getattr(spec, name)) is not None
    }

    used = effective_parameters(spec.method, len(X), **params)
    lowered = {k: used[k] for k, v in params.items() if used[k] != v}
    for name, low in lowered.items():
        context.log(f"{name} {params[name]:g} is lowered to {low:g}: {len(X):,} clips allow no more.")

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
    return Result(
        coords=coords.astype(np.float32),
        kept=kept.astype(np.float32),
        kept_ks=ks,
        n_clips=len(X),
        method=spec.method,
        lowered=lowered,
    )
