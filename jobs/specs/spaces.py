"""Spaces and maps: sounds, embeddings, neighbour graphs and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.words import count
from jobs import encoders
from jobs.encoders import trained
from jobs.specs.base import DatasetRef, Spec, SpecError, between, unusual

#: Neighbours kept of every clip. Enough for t-SNE at perplexity 50, for UMAP and for every list on a page.
GRAPH_K = 150
#: Classes of the synthetic sound world.
WORLD_CLASSES = 96


@dataclass(frozen=True, kw_only=True)
class Synthesize(Spec):
    """Make the synthetic sound world: labelled clips from parametric recipes, the same for the same seed.

    Result: ``clips.parquet`` (the clip table) and ``audio/<clip_id>.flac``.
    """

    VERSION: ClassVar[int] = 2

    #: How many classes, spread evenly over the six families.
    classes: int = WORLD_CLASSES
    clips_per_class: int = 12
    seconds: float = 3.0
    difficulty: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        between("classes", self.classes, 6, WORLD_CLASSES)
        between("clips_per_class", self.clips_per_class, 1, 10_000)
        between("seconds", self.seconds, 0.25, 60)
        between("difficulty", self.difficulty, 0, 1)
        between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        clips = count(self.clips_per_class, "clip")
        what = f"generate synthetic sounds, {clips} of each of {count(self.classes, 'class')}"
        return what + unusual(self, "clips_per_class", "classes")


@dataclass(frozen=True, kw_only=True)
class EmbedAudio(Spec):
    """Embed every clip of a dataset by an audio encoder.

    Result: ``embeddings.npy`` (n, d) float32, one row a clip, L2 norm as the model gives it;
    ``clips.parquet`` with ``clip_id`` in row order; ``excluded.parquet`` (``clip_id``, ``reason``);
    where the encoder has frames, ``frames.npy`` (m, d) float32 and ``offsets.npy`` (n + 1,) int64,
    so that frames of clip i are ``frames[offsets[i]:offsets[i + 1]]``.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"source", "run"})

    dataset: DatasetRef
    encoder: str
    #: What the name stands for: the encoder's version and, for weights in a folder or embeddings that were
    #: imported, their fingerprint.
    identity: str = ""
    #: The training that the space is a part of, whose encoder is ``trained:NAME``, and the part.
    source: Spec | None = None
    run: str = ""

    def __post_init__(self) -> None:
        _check_source(self)
        if not self.identity:
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality="audio"))
            imported = self.dataset.imported.get(self.encoder)
            identity = imported or encoders.identity(self.encoder, modality="audio")
            object.__setattr__(self, "identity", identity)

    @property
    def model(self) -> str:
        """The encoder as people call it: a model in a folder by the folder's name."""
        return encoders.short(self.encoder)

    @property
    def title(self) -> str:
        return f"embed {self.dataset.name} with {self.model}"


@dataclass(frozen=True, kw_only=True)
class EmbedText(Spec):
    """Embed the names, descriptions or captions of a dataset by a text encoder.

    Result: ``embeddings.npy`` (n, d) float32 and ``texts.parquet`` (``id``, ``text``) in row order; the
    id is the class for ``of="label"`` and ``of="description"``, the clip for ``of="caption"``.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"source", "run"})

    dataset: DatasetRef
    #: Fingerprint of the texts, which can change while the sounds stay.
    texts: str
    encoder: str
    of: str = "label"
    template: str = "{}"
    identity: str = ""
    #: As of `EmbedAudio`.
    source: Spec | None = None
    run: str = ""

    def __post_init__(self) -> None:
        _check_source(self)
        if self.of not in ("label", "description", "caption"):
            raise SpecError(
                f"The texts to embed are {self.of!r}; they must be 'label', 'description' or 'caption'."
            )
        if self.template.count("{}") != 1:
            raise SpecError(f"template is {self.template!r}; it must hold {{}} once, where the text goes.")
        if not self.identity:
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality="text"))
            object.__setattr__(self, "identity", encoders.identity(self.encoder, modality="text"))

    @property
    def model(self) -> str:
        """The encoder as people call it: a model in a folder by the folder's name."""
        return encoders.short(self.encoder)

    @property
    def texts_title(self) -> str:
        """The texts as people call them, with the sentence around them."""
        return f"{self.of}s" + ("" if self.template == "{}" else f" in “{self.template}”")

    @property
    def title(self) -> str:
        return f"embed the {self.texts_title} of {self.dataset.name} with {self.model}"


def _check_source(spec: EmbedAudio | EmbedText) -> None:
    """Fill in what a trained space is; refuse half of what one needs."""
    named = spec.encoder.startswith(f"{trained.NAME}:")
    if spec.source is None and not spec.run and not named:
        return
    if spec.source is None or not spec.run or not named:
        raise SpecError(
            f"A trained space needs the training, the part of it and an encoder called {trained.NAME}:NAME; "
            f"there are {'a' if spec.source else 'no'} training, {spec.run!r} and {spec.encoder!r}."
        )
    object.__setattr__(spec, "identity", trained.identity_of(spec.source.key, spec.run))


@dataclass(frozen=True, kw_only=True)
class Neighbors(Spec):
    """The exact k nearest neighbours of every clip in the original space: one graph a space and metric.

    Result: ``indices.npy`` (n, k) int32 and ``distances.npy`` (n, k) float32, nearest first, ties by
    lower index, the clip itself left out; k is at most n - 1.
    """

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


METHODS = ("tsne", "umap", "pca")
_DEFAULTS: dict[str, dict[str, float]] = {
    "tsne": {"perplexity": 30},
    "umap": {"n_neighbors": 15, "min_dist": 0.1},
    "pca": {},
}


@dataclass(frozen=True, kw_only=True)
class Project(Spec):
    """A map of a space in two dimensions.

    Parameters that the method does not have are dropped, so that they cannot split the key.

    Result: ``coords.npy`` (n, 2) float32; ``kept.npy`` (n, len(kept_ks)) float32, the share of each
    clip's k true neighbours that are among its k neighbours on the map; ``kept_ks.npy`` (int64).
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
