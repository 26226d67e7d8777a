"""What can be asked for: a spec names a result before the result exists.

A spec is a frozen dataclass that holds plain values and other specs. Its `key` is the SHA-256 of its
type, its ``VERSION`` and its canonical fields, nested specs by their keys and a dataset by the
fingerprint of its clips, so the same question has the same key on every machine. ``VERSION`` goes up
when the computation behind a spec changes; what was cached under the old key is then no longer asked for.

This module is light on purpose: pages import it, so it never imports torch, dask or umap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

from jobs import encoders

#: Neighbours kept of every clip. Enough for t-SNE at perplexity 50, for UMAP and for every list on a page.
GRAPH_K = 150

SPECS: dict[str, type[Spec]] = {}


class SpecError(ValueError):
    """A spec cannot be made from what was given; the message says what is allowed."""


@dataclass(frozen=True)
class DatasetRef:
    """A dataset as a spec sees it: a name to find it by, a fingerprint that says what is in it.

    Parameters
    ----------
    name : str
        Name in the workspace. Not part of any key.
    fingerprint : str
        SHA-256 over the clips (ids and contents), or the key of `source` where a job makes the clips.
    source : Spec, optional
        The spec whose result holds the clips, for a dataset that is generated.
    """

    name: str
    fingerprint: str
    source: Spec | None = None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specs: identity and JSON, nothing else."""

    VERSION: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        SPECS[cls.__name__] = cls

    @property
    def key(self) -> str:
        """SHA-256 of type, version and canonical fields, 64 hexadecimal digits."""
        text = json.dumps(
            {
                "type": type(self).__name__,
                "version": self.VERSION,
                "fields": {f.name: _canonical(getattr(self, f.name)) for f in fields(self)},
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def inputs(self) -> tuple[Spec, ...]:
        """Specs whose results must exist before this one can be computed."""
        found: list[Spec] = []
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Spec):
                found.append(value)
            elif isinstance(value, DatasetRef) and value.source is not None:
                found.append(value.source)
        return tuple(found)

    @property
    def title(self) -> str:
        """One line for people: what this computes."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` makes an equal spec."""
        return {
            "type": type(self).__name__,
            "version": self.VERSION,
            "fields": {f.name: _plain(getattr(self, f.name)) for f in fields(self)},
        }


def from_json(data: Any) -> Spec:
    """Make a spec from what `Spec.to_json` gave.

    Raises
    ------
    SpecError
        For a type that is not known here, a version that this program no longer computes, or fields
        that do not fit.
    """
    if not isinstance(data, dict) or not isinstance(data.get("fields", {}), dict):
        raise SpecError("A spec is a JSON object with type, version and fields, as `--print-spec` writes it.")
    name = data.get("type")
    if name not in SPECS:
        raise SpecError(f"Spec type {name!r} is not known; this version knows {', '.join(sorted(SPECS))}.")
    cls = SPECS[name]
    if data.get("version") != cls.VERSION:
        raise SpecError(
            f"This {name} was asked for at version {data.get('version')}; this program computes version "
            f"{cls.VERSION}. Ask for it again."
        )
    given = {k: _parse(v) for k, v in data.get("fields", {}).items()}
    known = {f.name: f for f in fields(cls)}
    missing = [n for n, f in known.items() if f.default is MISSING and n not in given]
    unknown = sorted(set(given) - set(known))
    if missing or unknown:
        raise SpecError(f"{name}: missing fields {missing}, unknown fields {unknown}.")
    try:
        return cls(**given)
    except (TypeError, AttributeError) as error:
        raise SpecError(f"{name}: a field has a value of the wrong kind ({error}).") from None


def _canonical(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.key
    if isinstance(value, DatasetRef):
        return value.fingerprint
    if isinstance(value, tuple):
        return [_canonical(v) for v in value]
    # 30 and 30.0 are the same question.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return {"spec": value.to_json()}
    if isinstance(value, DatasetRef):
        source = None if value.source is None else value.source.to_json()
        return {"dataset": {"name": value.name, "fingerprint": value.fingerprint, "source": source}}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def _parse(value: Any) -> Any:
    if isinstance(value, dict) and "spec" in value:
        return from_json(value["spec"])
    if isinstance(value, dict) and isinstance(value.get("dataset"), dict):
        ref = value["dataset"]
        if not isinstance(ref.get("name"), str) or not isinstance(ref.get("fingerprint"), str):
            raise SpecError("A dataset in a spec needs a name and a fingerprint.")
        source = None if ref.get("source") is None else from_json(ref["source"])
        return DatasetRef(ref["name"], ref["fingerprint"], source)
    if isinstance(value, list):
        return tuple(_parse(v) for v in value)
    return value


def missing(spec: Spec, exists: Callable[[str], bool]) -> list[Spec]:
    """Return what must be computed for `spec`, inputs first, each once.

    What exists (by key) is not computed again, and neither is what only it would have needed.
    """
    found: dict[str, Spec] = {}

    def visit(s: Spec) -> None:
        if s.key in found or exists(s.key):
            return
        for needed in s.inputs():
            visit(needed)
        found[s.key] = s

    visit(spec)
    return list(found.values())


def closure(spec: Spec) -> list[Spec]:
    """Return `spec` and everything it needs, inputs before what uses them, each once."""
    return missing(spec, lambda key: False)


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SpecError(f"{name} is {value}; it must be between {low} and {high}.")


@dataclass(frozen=True, kw_only=True)
class Synthesize(Spec):
    """Make the synthetic sound world: labelled clips from parametric recipes, the same for the same seed.

    Result: ``clips.parquet`` (the clip table) and ``audio/<clip_id>.flac``.
    """

    clips_per_class: int = 20
    seconds: float = 3.0
    difficulty: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        _between("clips_per_class", self.clips_per_class, 1, 10_000)
        _between("seconds", self.seconds, 0.25, 60)
        _between("difficulty", self.difficulty, 0, 1)
        _between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        return f"generate synthetic sounds, {self.clips_per_class} clips a class"


@dataclass(frozen=True, kw_only=True)
class EmbedAudio(Spec):
    """Embed every clip of a dataset by an audio encoder.

    Result: ``embeddings.npy`` (n, d) float32, one row a clip, L2 norm as the model gives it;
    ``clips.parquet`` with ``clip_id`` in row order; ``excluded.parquet`` (``clip_id``, ``reason``);
    where the encoder has frames, ``frames.npy`` (m, d) float32 and ``offsets.npy`` (n + 1,) int64,
    so that frames of clip i are ``frames[offsets[i]:offsets[i + 1]]``.
    """

    dataset: DatasetRef
    encoder: str
    #: What the name stands for: the encoder's version and, for weights in a folder, their fingerprint.
    identity: str = ""

    def __post_init__(self) -> None:
        if not self.identity:
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality="audio"))
            object.__setattr__(self, "identity", encoders.identity(self.encoder, modality="audio"))

    @property
    def title(self) -> str:
        return f"embed {self.dataset.name} with {self.encoder}"


@dataclass(frozen=True, kw_only=True)
class EmbedText(Spec):
    """Embed the names, descriptions or captions of a dataset by a text encoder.

    Result: ``embeddings.npy`` (n, d) float32 and ``texts.parquet`` (``id``, ``text``) in row order; the
    id is the class for ``of="label"`` and ``of="description"``, the clip for ``of="caption"``.
    """

    dataset: DatasetRef
    #: Fingerprint of the texts, which can change while the sounds stay.
    texts: str
    encoder: str
    of: str = "label"
    template: str = "{}"
    identity: str = ""

    def __post_init__(self) -> None:
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
    def title(self) -> str:
        return f"embed the {self.of}s of {self.dataset.name} with {self.encoder}"


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
        _between("k", self.k, 1, 10_000)

    @property
    def title(self) -> str:
        e = self.embedding
        return f"nearest neighbours in {e.dataset.name} · {e.encoder}"


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
        _between("seed", self.seed, 0, 2**32 - 1)
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
            _between("perplexity", self.perplexity, 2, 500)
            k = max(k, int(3 * self.perplexity))
        if self.n_neighbors is not None:
            _between("n_neighbors", self.n_neighbors, 2, 500)
            k = max(k, self.n_neighbors)
        if self.min_dist is not None:
            _between("min_dist", self.min_dist, 0, 1)
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
        what = f"{self.embedding.dataset.name} · {self.embedding.encoder}"
        return f"{name} map of {what}" + (f" ({', '.join(special)})" if special else "")


def parse(text: str) -> Spec:
    """Read a spec from JSON text."""
    return from_json(json.loads(text))
