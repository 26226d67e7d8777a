"""Zero-shot models trained on splits of classes: the grid of one setup."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from core.recipes import check, like, setting
from core.splits import (
    PAPER_RANGES,
    PAPER_RATIOS,
    ClassSplit,
    ClassSplitSet,
    Range,
    Sizes,
    SplitError,
    contents,
    distinct_ratios,
    held_out,
    split_from_json,
    split_to_json,
)
from core.words import count
from core.zeroshot.recipe import Recipe
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.spec import Spec, SpecError, between, unusual

SETUPS = ("similarity", "diversity", "splits")
#: Models that one grid may have.
MOST_MODELS = 5_000
#: What each setup has no use for, so that it cannot split the key.
_UNUSED = {
    "similarity": ("splits", "ranges", "n_ranges", "n_test_sets"),
    "diversity": ("splits", "ratios", "clusters"),
    "splits": (
        *("n_train", "n_validation", "n_test", "fit_sizes", "min_clips"),
        *("ratios", "clusters", "ranges", "n_ranges", "n_test_sets"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ZeroShotGrid(Recipe, Spec):
    """Zero-shot models of one setup: trained on some classes, judged by the clips of others.

    With M the models, C the classes in sorted order, d the dimensions of the sounds and E the epochs, the
    result is:

    ``models.parquet``, a row a model and test set: ``model`` and ``test_set`` (from 0), ``setup``,
    ``cluster``, ``ratio`` and ``asked_ratio`` (null but for similarity; `ratio` is the share of the training
    classes that are of the cluster, which is what was asked for in whole classes), ``low`` and ``high``
    (null but for diversity), ``split`` (which of `splits`, null otherwise), ``seed``, ``block`` (what rows
    share that are not independent: a cluster and seed, or a seed), ``accuracy`` with ``accuracy_low`` and
    ``accuracy_high`` (Wilson), ``n_test`` clips, ``chance``, ``validation_accuracy`` (NaN of one class,
    which is always right), ``best_epoch`` (from 1; its weights were judged), ``train_test_similarity``,
    ``mean_similarity`` (of the training classes), ``failed`` ("" or why; then accuracies are NaN and
    ``best_epoch`` is 0).
    ``classes.parquet``: ``model``, ``test_set``, ``label``, ``part`` ("train", "validation" or "test"),
    ``accuracy`` (NaN but for test classes), ``n_clips``.
    ``predictions.parquet``: ``model``, ``test_set``, ``clip_id``, ``label``, ``predicted``, ``score`` (of the
    predicted class), ``own_score``, ``scores`` (of all test classes, in the order of `classes`); in the order
    of the space's rows.
    ``splits.parquet``: ``model``, ``text`` (its split by `split_to_json`).
    ``curves.npy`` (M, 3, E) float32: loss, training and validation accuracy (the mean over the validation
    sets of several classes); NaN after an early stop or a failure.
    ``weights_<model>.safetensors``, in grids of at most 500 models: those of `core.zeroshot.ZeroShotModel`,
    of each that did not fail; results that were computed before weights were stored have none.
    ``names.parquet``: ``label``, ``n_clips``, ``text``, ``family`` (null where there is none), and in its
    order ``centroids.npy`` (C, d) float32, ``similarity.npy`` (C, C) float64 and ``clusters.npy`` (C,) int64;
    ``elbow_ks.npy`` int64, ``elbow_inertia.npy`` and ``elbow_silhouette.npy`` float64.
    In ``meta``: ``n_models``, ``n_failed``, ``n_clips``, ``n_classes``, ``n_clusters``, ``sizes`` and
    ``asked_sizes`` (training, validation, test; null for given splits), ``ranges`` (null but for diversity),
    ``elbow``, ``note`` (what was lowered, left out, merged or failed, or ""), ``left_out`` (clips
    ``without_class``, of ``several_classes``, ``not_finite``, and of ``small_classes``).
    """

    VERSION: ClassVar[int] = 3

    embedding: EmbedAudio
    text: EmbedText
    #: Fingerprint of what is said about the clips, which can change while the sounds stay.
    labels: str
    setup: str = setting(
        SETUPS[0],
        "Setup",
        "Vary how near the training classes are to the test classes (similarity), how near to each other "
        "(diversity), or take splits that are given.",
        choices=SETUPS,
    )
    #: Splits as `core.splits.split_to_json` writes them, for the setup "splits".
    splits: tuple[str, ...] = ()
    n_train: int = 20
    n_validation: int = 5
    n_test: int = 5
    fit_sizes: bool = setting(
        False,
        "Lower the sizes",
        "Lower the sizes where the classes do not suffice, to the largest in about the same proportions, "
        "and say so.",
        option="fit",
    )
    min_clips: int = setting(
        2,
        "Clips a class",
        "Clips that a class must have to be drawn: of one clip, a test class is all right or all wrong.",
        asked=(1, 1_000_000),
        link="least",
    )
    clusters: int = setting(3, "Clusters", "Clusters of similar classes.", asked=(1, 1000), link="k")
    ratios: tuple[float, ...] = setting(
        PAPER_RATIOS,
        "Similarity ratios",
        "Shares of the training classes from the cluster of the test classes.",
    )
    #: Ranges of similarity, the lower end excluded; () with no `n_ranges` stands for the paper's.
    ranges: tuple[Range, ...] = ()
    n_ranges: int = setting(
        0,
        "Ranges",
        "If not 0, so many ranges of the space's own: quantiles of what its classes can reach.",
        asked=(0, 100),
        link="range-count",
    )
    n_test_sets: int = setting(
        3,
        "Test sets",
        "Test sets that a model is judged on, by diversity.",
        asked=(1, 100),
        option="test-sets",
        link="sets",
    )
    seeds: int = setting(
        6, "Seeds", "How many times all is drawn and trained: with the seeds 0, 1, ...", asked=(1, 1000)
    )
    patience: int = like(Recipe, "patience", 0)

    def __post_init__(self) -> None:
        check(self, {"setup"}, asked=True, error=SpecError)
        if not isinstance(self.embedding, EmbedAudio) or not isinstance(self.text, EmbedText):
            raise TypeError("embedding must be a space of sounds and text one of texts")
        if self.text.of == "caption":
            raise SpecError("Captions are texts of clips; classes need those of labels or descriptions.")
        if self.embedding.dataset.fingerprint != self.text.dataset.fingerprint:
            raise SpecError(
                f"The sounds are of {self.embedding.dataset.name} and the texts of {self.text.dataset.name}; "
                "both must be of the same dataset."
            )
        default = {f.name: f.default for f in fields(self)}
        for name in _UNUSED[self.setup]:
            object.__setattr__(self, name, default[name])
        if self.setup != "splits":
            _checked(Sizes, self.n_train, self.n_validation, self.n_test)
        elif not self.splits:
            raise SpecError("No split is given; give at least one, as `hearspace splits show` prints it.")
        check(self, asked=True, error=SpecError)
        # What says the same is written the same.
        texts = tuple(split_to_json(_checked(split_from_json, s), compact=True) for s in self.splits)
        if len({contents(split_from_json(text)) for text in texts}) < len(texts):
            raise SpecError("A split is given twice; its models would count twice. Give each once.")
        object.__setattr__(self, "splits", texts)
        object.__setattr__(self, "ratios", _ratios(self.ratios))
        if self.patience and self._fewest_validation < 2:
            raise SpecError(
                "Patience needs at least 2 validation classes: one is always right, which tells no epoch "
                "from another; ask for more validation classes, or for a patience of 0."
            )
        object.__setattr__(self, "ranges", () if self.n_ranges else _ranges(self.ranges))
        if self.n_models > MOST_MODELS:
            raise SpecError(
                f"These are {self.n_models:,} models ({self._factors} × {count(self.seeds, 'seed')}); one "
                f"grid may have {MOST_MODELS:,}: ask for fewer."
            )

    @property
    def sizes(self) -> Sizes:
        """Numbers of classes asked for."""
        return Sizes(self.n_train, self.n_validation, self.n_test)

    @property
    def asked_ranges(self) -> tuple[Range, ...]:
        """The ranges, if they do not depend on the space; else ()."""
        return () if self.n_ranges else self.ranges or PAPER_RANGES

    @property
    def parsed_splits(self) -> list[ClassSplit | ClassSplitSet]:
        """The given splits."""
        return [split_from_json(text) for text in self.splits]

    @property
    def n_models(self) -> int:
        """Models that are trained, where the classes allow the clusters and sizes that are asked for."""
        return self._configurations * self.seeds

    @property
    def _configurations(self) -> int:
        if self.setup == "similarity":
            return self.clusters * self._n_ratios
        return len(self.splits) if self.setup == "splits" else self.n_ranges or len(self.asked_ranges)

    @property
    def _n_ratios(self) -> int:
        return len(distinct_ratios(self.ratios, self.n_train))

    @property
    def _fewest_validation(self) -> int:
        """Classes of the largest validation set, of the split that has the fewest."""
        if self.setup != "splits":
            return self.n_validation
        return min(max(map(len, held_out(split)[0])) for split in self.parsed_splits)

    @property
    def _factors(self) -> str:
        if self.setup == "similarity":
            return f"{count(self.clusters, 'cluster')} × {count(self._n_ratios, 'ratio')}"
        return count(self._configurations, "range" if self.setup == "diversity" else "split")

    @property
    def title(self) -> str:
        judged = f", {count(self.n_test_sets, 'test set')} each" if self.setup == "diversity" else ""
        by = "by given splits" if self.setup == "splits" else f"by {self.setup}"
        space = f"{self.embedding.dataset.name} · {self.embedding.model}"
        known = ("setup", "splits", "clusters", "seeds", "n_ranges", "n_test_sets")
        return (
            f"{count(self.n_models, 'zero-shot model')} {by} on {space} and {self.text.model} "
            f"{self.text.texts_title} ({self._factors} × {count(self.seeds, 'seed')}{judged})"
            + unusual(self, *known)
        )


def _checked(function: Any, *values: Any) -> Any:
    try:
        return function(*values)
    except SplitError as error:
        raise SpecError(str(error)) from None


def _ratios(ratios: tuple[float, ...]) -> tuple[float, ...]:
    if not ratios or len(set(ratios)) < len(ratios):
        given = ", ".join(f"{ratio:g}" for ratio in ratios) or "none"
        raise SpecError(f"The ratios are {given}; give at least one, each once.")
    for ratio in ratios:
        between("The ratio", ratio, 0, 1)
    return tuple(float(ratio) for ratio in ratios)


def _ranges(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    for pair in ranges:
        if len(pair) != 2 or not -1.01 <= pair[0] < pair[1] <= 1.01:
            raise SpecError(
                f"{pair} is no range of similarities; a range is a lower and a higher end from -1 to 1."
            )
    if len(set(ranges)) < len(ranges):
        raise SpecError(f"The ranges are {', '.join(f'{a:g}:{b:g}' for a, b in ranges)}; give each once.")
    found = tuple((float(low), float(high)) for low, high in ranges)
    return () if found == PAPER_RANGES else found
