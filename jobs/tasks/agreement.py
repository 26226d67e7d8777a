"""How far two spaces of the same things agree: who is near whom at every scale, and CKA."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.neighbors import CLIP_KS
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import Spec, SpecError, between, unusual

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

METRICS = ("cosine", "euclidean")
CLASS_VECTORS = ("raw", "unit")
#: Fewer things have no neighbourhoods to compare.
FEWEST = 3
#: Up to this many things are compared at every k.
EVERY_K = 2_500
#: Beyond, entries of a neighbour graph, but neighbours of each thing at least.
ENTRIES = 25_000_000
LEAST_K = 200


class Result(Schema):
    """Curves over k from 1 to K, of n things: the clips or the classes that both spaces hold."""

    ks: np.ndarray = array("int64", "K", "sizes of the neighbourhood")
    overlap: np.ndarray = array("float64", "K", "S_k, the mean overlap, without the point itself")
    overlap_self: np.ndarray = array("float64", "K", "the same with the point itself")
    jaccard: np.ndarray = array("float64", "K", "mean Jaccard index of the two lists (NNGS)")
    chance: np.ndarray = array("float64", "K", "S_k of spaces that have nothing in common")
    chance_self: np.ndarray = array("float64", "K", "the same with the point itself")
    chance_jaccard: np.ndarray = array("float64", "K", "the Jaccard index of such spaces")
    adjusted: np.ndarray = array("float64", "K", "S_k above chance")
    p_value: np.ndarray = array("float64", "K", "of S_k, by shuffled pairings; NaN without them")
    band: np.ndarray = array("float64", "K 3", "2.5, 50 and 97.5 % points of S_k under shuffled pairings")
    clip_ks: np.ndarray = array("int64", "c", "sizes that are kept for every thing")
    overlap_samples: np.ndarray = array("float32", "n c", "overlap of each thing's two lists")
    items: pa.Table = table("n", "a thing", {"id": ("string", "of the clip or the class")})
    n: int = value("things")
    permutations: int = value("shuffled pairings")
    dimensions: list[int] = value("of the two spaces")
    cka: dict[str, float | None] = value(
        "``linear`` and ``rbf``, and both ``_debiased``, for which three things are too few"
    )

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The clips or classes in order."""
        return tuple(self.column("items", "id"))

    @cached_property
    def samples(self) -> np.ndarray:
        """`overlap_samples` as float64, (n, c)."""
        return self.overlap_samples.astype(np.float64)

    def cka_of(self, form: str) -> float:
        """Return one form of CKA, NaN where it does not exist."""
        known = self.cka[form]
        return float("nan") if known is None else known


@dataclass(frozen=True, kw_only=True)
class Agreement(Spec[Result]):
    """How far two spaces of the same things agree on who is near whom.

    Compared are the clips that both spaces hold, or the classes: the mean of a class's clips for a space of
    sounds, of their embeddings as they are or at unit length (`core.splits.class_centroids`), its text's
    embedding for a space of texts. A space of texts can be compared by classes only. The order of the two
    makes no difference: they are sorted by their keys.
    """

    VERSION: ClassVar[int] = 3  # of many things, the RBF kernel takes the median distance of a sample

    a: EmbedAudio | EmbedText
    b: EmbedAudio | EmbedText
    of: str = "clips"
    #: Fingerprint of the labels; needed where classes are compared, "" otherwise.
    labels: str = ""
    metric_a: str = "cosine"
    metric_b: str = "cosine"
    permutations: int = 200
    seed: int = 0
    #: What the mean of a class is of: embeddings as they are ("raw"), or at unit length ("unit").
    class_vectors: str = "raw"

    def __post_init__(self) -> None:
        if self.class_vectors not in CLASS_VECTORS:
            raise SpecError(
                f"class_vectors is {self.class_vectors!r}; it must be one of {', '.join(CLASS_VECTORS)}."
            )
        if self.of not in ("clips", "classes"):
            raise SpecError(f"of is {self.of!r}; what is compared must be 'clips' or 'classes'.")
        for name in ("metric_a", "metric_b"):
            if getattr(self, name) not in METRICS:
                raise SpecError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(METRICS)}.")
        for space in (self.a, self.b):
            if isinstance(space, EmbedText):
                if self.of == "clips":
                    raise SpecError(f"{space.title} has one row a text; compare it with of='classes'.")
                if space.of == "caption":
                    raise SpecError(
                        "Captions are texts of clips; compare the texts of labels or descriptions."
                    )
        if self.a.dataset.fingerprint != self.b.dataset.fingerprint:
            raise SpecError(
                f"The spaces are of {self.a.dataset.name} and {self.b.dataset.name}; "
                "both must be of the same dataset."
            )
        if self.of == "classes" and not self.labels:
            raise SpecError("labels is empty; to compare classes, give the dataset's labels_fingerprint.")
        if self.of == "clips":
            # Fields that are not used must not split the key.
            object.__setattr__(self, "labels", "")
            object.__setattr__(self, "class_vectors", "raw")
        between("permutations", self.permutations, 0, 10_000)
        between("seed", self.seed, 0, 2**32 - 1)
        if (self.b.key, self.metric_b) < (self.a.key, self.metric_a):
            a, b, metric_a, metric_b = self.b, self.a, self.metric_b, self.metric_a
            for name, value in (("a", a), ("b", b), ("metric_a", metric_a), ("metric_b", metric_b)):
                object.__setattr__(self, name, value)

    @property
    def title(self) -> str:
        what = "" if self.of == "clips" else " by class"
        names = " and ".join(
            space.model if isinstance(space, EmbedAudio) else f"{space.model} {space.texts_title}"
            for space in (self.a, self.b)
        )
        return f"agreement of {names} on {self.a.dataset.name}{what}{unusual(self, 'of', 'labels')}"


def run(spec: Agreement, context: JobContext) -> Result:
    """Compute the agreement of two spaces.

    CKA is that of the rows compared: of clips as the model gives them, of classes their means or texts.
    Debiased it needs four of them, and is None of three.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, or the spaces share fewer than three clips or classes.
    """
    from core.neighbors import neighbor_order
    from core.similarity import cka_both, overlap_from_neighbors, permutation_band

    ids, X, Y = _rows(spec, context)  # (n, d1), (n, d2)
    n = len(ids)
    k = largest_k(n)
    if k < n - 1:
        context.log(f"Compared for k up to {k:,} of the {n - 1:,} that {n:,} {spec.of} would allow.")
    context.progress(0, 1, f"{k:,} nearest of {n:,} {spec.of}")
    first = neighbor_order(X, k, metric=spec.metric_a)
    context.progress(0.1, 1, f"{k:,} nearest of {n:,} {spec.of}")
    second = neighbor_order(Y, k, metric=spec.metric_b)
    ks = np.arange(1, k + 1)
    context.progress(0.2, 1, "shared neighbours")
    curve = overlap_from_neighbors(first, second, ks=ks)
    with_self = overlap_from_neighbors(first, second, ks=ks, include_self=True)

    def report(done: int, total: int) -> None:
        context.progress(0.2 + 0.7 * done / total, 1, f"{done:,} of {total:,} shuffled pairings")

    band = permutation_band(first, second, permutations=spec.permutations, seed=spec.seed, progress=report)
    context.progress(0.9, 1, "CKA")
    linear, rbf = cka_both(X, Y), cka_both(X, Y, kernel="rbf")
    clip_ks = np.array([size for size in CLIP_KS if size <= k], dtype=np.int64)
    names = ("ks", "overlap", "jaccard", "chance", "chance_jaccard", "adjusted")
    return Result(
        **{name: getattr(curve, name) for name in names},
        overlap_self=with_self.overlap,
        chance_self=with_self.chance,
        p_value=band.p_value,
        band=band.quantiles,
        clip_ks=clip_ks,
        overlap_samples=curve.samples(clip_ks).astype(np.float32),
        items={"id": ids},
        n=n,
        permutations=band.permutations,
        dimensions=[X.shape[1], Y.shape[1]],
        cka={"linear": linear[0], "linear_debiased": linear[1], "rbf": rbf[0], "rbf_debiased": rbf[1]},
    )


def largest_k(n: int) -> int:
    """Return the largest k at which n things are compared.

    Every k where they are at most `EVERY_K`. Beyond, a fifth of them, less where the graph would have more
    than `ENTRIES` entries, but at least `LEAST_K`.

    Examples
    --------
    >>> [largest_k(n) for n in (3, 2_500, 2_501, 20_000, 1_000_000)]
    [2, 2499, 500, 1250, 200]
    """
    if n <= EVERY_K:
        return n - 1
    return max(LEAST_K, min(n // 5, ENTRIES // n))


def _rows(spec: Agreement, context: JobContext) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the things that both spaces hold, in the order of the first, and their rows in both."""
    first, second = (
        _clips(space, context)
        if spec.of == "clips" and isinstance(space, EmbedAudio)
        else class_rows(space, spec.labels, context, vectors=spec.class_vectors)
        for space in (spec.a, spec.b)
    )
    ids, X, Y = shared_rows(first, second)
    if len(ids) < FEWEST:
        raise ValueError(
            f"{_name(spec.a)} and {_name(spec.b)} have {len(ids) or 'none'} of their {spec.of} in common; "
            f"agreement needs at least {FEWEST}."
        )
    return ids, X, Y


def shared_rows(
    first: tuple[list[str], np.ndarray], second: tuple[list[str], np.ndarray]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names that two spaces have in common, in the order of the first, and their rows in both."""
    (ids, X), (others, Y) = first, second
    where = {id: row for row, id in enumerate(others)}
    mine = [row for row, id in enumerate(ids) if id in where]
    shared = [ids[row] for row in mine]
    return shared, X[mine], Y[[where[id] for id in shared]]


def _clips(space: EmbedAudio, context: JobContext) -> tuple[list[str], np.ndarray]:
    stored = context.read(space)
    return stored.clip_ids, stored.embeddings


def class_rows(
    space: EmbedAudio | EmbedText, labels: str, context: JobContext, *, vectors: str = "raw"
) -> tuple[list[str], np.ndarray]:
    """Return the classes of a space in sorted order, and one row for each, (C, d).

    `vectors` is that of `core.splits.class_centroids`.
    """
    if isinstance(space, EmbedText):
        texts = context.read(space)
        order = sorted(range(len(texts.ids)), key=texts.ids.__getitem__)
        return [texts.ids[row] for row in order], texts.embeddings[order]
    from core.splits import class_centroids
    from jobs.tasks.labels import labelled

    X, _, classes, _ = labelled(space, labels, context)
    if not (classes != "").any():
        return [], np.empty((0, X.shape[1]))
    names, means = class_centroids(X, classes, vectors=vectors)
    return list(names), means


def _name(space: EmbedAudio | EmbedText) -> str:
    return f"{space.dataset.name} · {space.encoder}"
