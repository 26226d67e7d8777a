"""Query by example: how well a space finds clips of a class, and queries from outside a dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from jobs import encoders
from jobs.specs.base import Spec, SpecError, between
from jobs.specs.spaces import EmbedAudio

#: Lengths of the lists that are judged: one page and ten pages of results.
CUTOFFS = (15, 150)
AGGREGATIONS = ("mean", "median", "max")
ALGORITHMS = ("mips", "mcss", "nns")
SCALES = ("none", "minmax")
NORMALIZATIONS = (False, True, "before")
#: Seconds of sound that a query may have, unless it says otherwise.
QUERY_SECONDS = 60.0
#: Characters that a typed query may have.
QUERY_CHARACTERS = 1000


@dataclass(frozen=True, kw_only=True)
class Retrieval(Spec):
    """How well one system finds clips of the class that is asked for, by `core.retrieval.evaluate`.

    What a space cannot do is left away and said in ``note``: PCA to more components than it has dimensions or
    clips keeps all dimensions, and clips without frames are not aggregated.

    Result, with n the rows of the embedding and K = min(150, n - 1): ``queries.parquet``, one row a query
    and class (``clip_id``, ``class``, ``ap@N``, ``precision@N``, ``ndcg@N`` for N = 15 and 150, ``r1``);
    ``classes.parquet`` (``class``, ``family``, ``n_relevant``, the same measures); ``excluded.parquet``
    (``class``, ``n_relevant``: classes with fewer than two clips); ``families.parquet`` (``family``,
    ``n_classes``, ``n_queries``, the macro measures, and ``_low`` and ``_high`` of ``map@N`` and ``mr1``),
    with no rows where classes have no families or are families themselves; ``results.npy`` (n, K) int32 and
    ``scores.npy`` (n, K) float64, the list of every clip; with PCA ``mean.npy`` (d,), ``components.npy``
    (p, d) and ``variances.npy`` (p,) float64; with min-max scaling ``low.npy`` and ``high.npy`` (d,) float64.
    In ``meta``: ``n_clips``, ``n_queries``, ``n_classes``, ``dimensions`` (compared), ``steps``,
    ``components``, ``note``, ``left_out`` (labels without a family), ``macro`` and ``micro`` (each measure to
    ``value``, ``low`` and ``high``, null where there is no telling).
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"scale"})

    embedding: EmbedAudio
    #: Fingerprint of what is said about the clips, which can change while the sounds stay.
    labels: str
    #: What makes a clip relevant: that it carries the same "label", or a label of the same "family".
    by: str = "label"
    aggregation: str = "mean"
    #: Principal components that are kept; 0 keeps all dimensions as they are.
    components: int = 100
    #: Whether vectors are scaled to unit length: True after PCA, "before" ahead of it.
    normalize: bool | str = False
    algorithm: str = "mcss"
    count_query: bool = True
    #: Whether every dimension is scaled by its range in the corpus, before PCA: "none" or "minmax".
    scale: str = "none"

    def __post_init__(self) -> None:
        _one_of("by", self.by, ("label", "family"))
        _one_of("scale", self.scale, SCALES)
        _one_of("normalize", self.normalize, NORMALIZATIONS)
        _one_of("aggregation", self.aggregation, AGGREGATIONS)
        _one_of("algorithm", self.algorithm, ALGORITHMS)
        between("components", self.components, 0, 100_000)

    @property
    def title(self) -> str:
        said = [] if self.aggregation == "mean" else [self.aggregation]
        said += ["min-max scaling"] if self.scale == "minmax" else []
        said += (
            [] if self.components == 100 else [f"PCA to {self.components}" if self.components else "no PCA"]
        )
        said += _unit(self.normalize)
        said += [] if self.algorithm == "mcss" else [self.algorithm.upper()]
        said += [] if self.count_query else ["query not counted"]
        return f"retrieval {_where(self.embedding, self.by)}" + (f" ({', '.join(said)})" if said else "")


@dataclass(frozen=True, kw_only=True)
class RetrievalGrid(Spec):
    """How well every system finds clips: 3 aggregations (where there are frames) × 3 PCAs × 3 algorithms.

    Result: ``systems.parquet``, one row a system in the order of `core.retrieval.systems`: ``aggregation``
    ("" where there are no frames), ``components`` (0 for all dimensions), ``algorithm``, ``map@15``,
    ``map@150`` and ``mr1``, each with ``_low`` and ``_high``, and ``skipped`` (why it cannot be built, else
    ""). In ``meta``: ``n_clips``, ``n_queries``, ``n_classes``, ``dimensions``, ``frame_level``,
    ``n_systems``, ``n_skipped``, ``best`` (the row with the highest MAP@15), ``fixed`` (the row of mean, 100
    components and MCSS, or of all dimensions where 100 cannot be had) and ``note`` (why not 100).
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"scale", "normalize"})

    embedding: EmbedAudio
    labels: str
    by: str = "label"
    count_query: bool = True
    #: Of all systems alike, as in `Retrieval`.
    scale: str = "none"
    normalize: bool | str = False

    def __post_init__(self) -> None:
        _one_of("by", self.by, ("label", "family"))
        _one_of("scale", self.scale, SCALES)
        _one_of("normalize", self.normalize, NORMALIZATIONS)

    @property
    def title(self) -> str:
        said = ["min-max scaling"] if self.scale == "minmax" else []
        said += _unit(self.normalize)
        said += [] if self.count_query else ["query not counted"]
        return f"all ways of retrieval {_where(self.embedding, self.by)}" + (
            f" ({', '.join(said)})" if said else ""
        )


@dataclass(frozen=True, kw_only=True)
class EmbedQuery(Spec):
    """Embed one uploaded sound or one typed text, to search a dataset with it.

    Result: ``embeddings.npy`` (1, d) float32; for a sound, where the encoder has frames, ``frames.npy``
    (m, d) float32 and ``offsets.npy`` (2,) int64. In ``meta``: ``encoder``, ``identity``, ``modality``,
    ``dimensions``, ``frame_level`` and ``duration`` (s; null for a text).
    """

    VERSION: ClassVar[int] = 2  # what a file holds is decoded to its end
    AWAITED: ClassVar[bool] = True

    encoder: str
    #: SHA-256 of the uploaded file, which `jobs.workspace.uploads.save` put into the workspace, and its
    #: name's ending.
    upload: str = ""
    suffix: str = ""
    text: str = ""
    max_seconds: float = QUERY_SECONDS
    identity: str = ""

    def __post_init__(self) -> None:
        text = " ".join(self.text.split())
        object.__setattr__(self, "text", text)
        if bool(text) == bool(self.upload):
            raise SpecError("A query is an uploaded sound or a text: give one of upload and text.")
        if len(text) > QUERY_CHARACTERS:
            raise SpecError(
                f"The text has {len(text):,} characters; a query may have {QUERY_CHARACTERS:,}: shorten it."
            )
        if text:
            # What a text does not have must not split its key.
            object.__setattr__(self, "suffix", "")
            object.__setattr__(self, "max_seconds", QUERY_SECONDS)
        elif not re.fullmatch("[0-9a-f]{64}", self.upload) or not re.fullmatch(
            r"\.[a-z0-9]{1,5}", self.suffix
        ):
            raise SpecError(
                f"upload is {self.upload!r} and suffix {self.suffix!r}; they must be what an upload gave."
            )
        between("max_seconds", self.max_seconds, 0.1, 3600)
        if not self.identity:
            modality = self.modality
            object.__setattr__(self, "encoder", encoders.canonical(self.encoder, modality=modality))
            object.__setattr__(self, "identity", encoders.identity(self.encoder, modality=modality))

    @property
    def modality(self) -> Literal["audio", "text"]:
        """What the query is."""
        return "text" if self.text else "audio"

    @property
    def title(self) -> str:
        what = (
            f"“{self.text[:40]}{'…' * (len(self.text) > 40)}”"
            if self.text
            else f"the uploaded sound {self.upload[:6]}"
        )
        return f"embed {what} with {encoders.short(self.encoder)}"


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise SpecError(f"{name} is {value!r}; it must be one of {', '.join(map(str, allowed))}.")


def _unit(normalize: bool | str) -> list[str]:
    return ["unit length before PCA" if normalize == "before" else "unit length"] if normalize else []


def _where(embedding: EmbedAudio, by: str) -> str:
    return f"in {embedding.dataset.name} · {embedding.model}" + (" by family" if by == "family" else "")
