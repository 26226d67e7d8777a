"""What is measured of spaces: how well they tell classes apart, and how far two of them agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jobs.specs.base import Spec, SpecError, between, unusual
from jobs.specs.spaces import EmbedAudio, EmbedText, Neighbors, Project

#: Sizes of neighbourhood of the numbers that are kept for every clip; those that there are clips for.
CLIP_KS = (1, 2, 5, 10, 15, 20, 30, 50, 100, 150)
#: Neighbours that the local dimension is read from; fewer where there are not as many.
DIMENSION_K = 20
METRICS = ("cosine", "euclidean")
CLASS_VECTORS = ("raw", "unit")


@dataclass(frozen=True, kw_only=True)
class Separability(Spec):
    """How well a space tells the classes apart, and how it is shaped.

    Clips without a class are left out of what concerns classes; their rows hold NaN.

    Result, with n the rows of the embedding and C the classes in sorted order:
    ``silhouette_cosine.npy``, ``silhouette_euclidean.npy``, ``silhouette_sqeuclidean.npy`` (n,) float64;
    ``class_mean.npy``, ``class_sd.npy``, ``class_cv.npy`` (C, C) float64, of the cosine distance;
    ``class_order.npy`` (C,) int64, an order that puts near classes side by side;
    ``classes.parquet`` (``label``, ``n_clips``, ``silhouette_cosine``);
    ``occurrence.npy`` (n, len(ks)) int64, in how many lists of k neighbours a clip is; ``ks.npy`` int64;
    ``dimension.npy`` (n,) float64, the local intrinsic dimension. In ``meta``: ``n_clips``, ``n_classes``,
    ``properties``, ``effective_rank``, ``hubness`` (k to skewness), ``intrinsic_dimension``.
    """

    embedding: EmbedAudio
    #: Fingerprint of what is said about the clips, which can change while the sounds stay.
    labels: str
    #: Filled in: the graph that hubness and dimension are read from.
    neighbors: Neighbors | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbors", Neighbors(embedding=self.embedding))

    @property
    def title(self) -> str:
        return f"separability of {_space(self.embedding)}"


@dataclass(frozen=True, kw_only=True)
class Baselines(Spec):
    """What simple classifiers reach in a space, tested on clips that they have not seen.

    The folds are the dataset's where it has at least two, else five drawn by class with the seed.

    Result: ``predictions.parquet``, one row a clip with a class (``clip_id``, ``label``, ``fold``,
    ``knn``, ``probe``: the predicted classes). In ``meta``: ``n_clips``, ``n_classes``, ``k``,
    ``folds`` ("dataset" or "drawn"), ``accuracy`` (``knn``, ``probe``, and both in ``by_fold``), ``unseen``
    (clips of a class that no other fold has, which nobody could predict; they count as mistaken).
    """

    embedding: EmbedAudio
    labels: str
    k: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        between("k", self.k, 1, 1000)
        between("seed", self.seed, 0, 2**32 - 1)

    @property
    def title(self) -> str:
        return f"baseline classifiers on {_space(self.embedding)}{unusual(self)}"


@dataclass(frozen=True, kw_only=True)
class KMeansCurve(Spec):
    """Inertia and silhouette of K-means over K, on unit-length embeddings.

    Result: ``ks.npy`` int64, ``inertia.npy``, ``silhouette.npy`` float64, (K,) each. In ``meta``:
    ``n_clips``, ``elbow``.
    """

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
            f"K-means over {self.ks[0]} to {self.ks[-1]} clusters{some} of {_space(self.embedding)}"
            + unusual(self)
        )


@dataclass(frozen=True, kw_only=True)
class MapQuality(Spec):
    """Trustworthiness and continuity of a map over the size of the neighbourhood.

    Result: ``ks.npy`` int64, ``trustworthiness.npy``, ``continuity.npy`` float64, (K,) each. In ``meta``:
    ``n_clips``.
    """

    map: Project
    #: Filled in: the space, which may have been cleared away while its map is there.
    embedding: EmbedAudio | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "embedding", self.map.embedding)

    @property
    def title(self) -> str:
        return f"trustworthiness of the {self.map.title}"


@dataclass(frozen=True, kw_only=True)
class Agreement(Spec):
    """How far two spaces of the same things agree on who is near whom.

    Compared are the clips that both spaces hold, or the classes: the mean of a class's clips for a space of
    sounds, of their embeddings as they are or at unit length (`core.splits.class_centroids`), its text's
    embedding for a space of texts. A space of texts can be compared by classes only. Which space comes first
    makes no difference: they are put into the order of their keys.

    Result, with n the things compared and k from 1 to K: ``ks.npy`` int64; ``overlap.npy``,
    ``overlap_self.npy`` (S_k without and with the point itself), ``jaccard.npy``, ``chance.npy``,
    ``chance_self.npy``, ``chance_jaccard.npy``, ``adjusted.npy``, ``p_value.npy``, (K,) float64 each;
    ``band.npy`` (K, 3) float64, the 2.5, 50 and 97.5 % points of S_k without the point itself under shuffled
    pairings; ``items.parquet`` (``id``: of the clip or the class); ``clip_ks.npy`` int64 and
    ``overlap_samples.npy`` (n, len(clip_ks)) float32, the overlap of each thing's two lists. In ``meta``:
    ``n``, ``permutations``, ``dimensions`` (of a and b) and ``cka`` with ``linear``, ``linear_debiased``,
    ``rbf``, ``rbf_debiased``.
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
            # What plays no part must not split the key.
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


def _space(embedding: EmbedAudio) -> str:
    return f"{embedding.dataset.name} · {embedding.model}"
