"""Train zero-shot models on splits of classes: the grid of one setup, judged by held-out classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np
import pandas as pd

from core.recipes import check, derive, like, setting
from core.splits import (
    PAPER_RANGES,
    PAPER_RATIOS,
    ClassSplit,
    ClassSplitSet,
    Range,
    Sizes,
    SplitError,
    all_classes,
    class_centroids,
    class_elbow,
    class_similarity,
    cluster_classes,
    contents,
    distinct_ratios,
    fewest_validation,
    split_from_json,
    split_to_json,
)
from core.words import count
from core.zeroshot.recipe import Recipe
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.embed_text import EmbedText
from jobs.tasks.schema import Schema, array, numbered, table, tensors, value
from jobs.tasks.spec import R, Spec, SpecError, between, unusual

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from core.zeroshot import ZeroShotModel
    from jobs.engine.context import JobContext
    from jobs.tasks.zero_shot_splits import Drawn
    from jobs.workspace.workspace import Workspace

SETUPS = ("similarity", "diversity", "splits")
#: Models that one grid may have.
MOST_MODELS = 5_000
#: In larger grids no weights are stored: those of one model take 2 MB.
MOST_WEIGHTS = 500
#: Fields that a setup ignores; they are reset to their defaults, so that they do not change the key.
_UNUSED = {
    "similarity": ("splits", "ranges", "n_ranges", "n_test_sets"),
    "diversity": ("splits", "ratios", "clusters"),
    "splits": (
        *("n_train", "n_validation", "n_test", "fit_sizes", "min_clips"),
        *("ratios", "clusters", "ranges", "n_ranges", "n_test_sets"),
    ),
}
#: Progress when all models are trained.
_TRAINED = 0.98


class Result(Schema):
    """M models and how each was judged; C classes, sorted; E epochs; intervals are Wilson's, 95%."""

    models: pa.Table = table(
        "J",
        "a model and test set",
        {
            "model": ("int64", "number of the model, from 0"),
            "test_set": ("int64", "number of the test set, from 0"),
            "setup": ("string", "similarity, diversity or splits"),
            "cluster": ("int64", "cluster of the test classes; null but for similarity"),
            "ratio": ("double", "share of the training classes that are of the cluster; null without one"),
            "asked_ratio": ("double", "the ratio that was asked for, which whole classes may not give"),
            "low": ("double", "lower end of the range of similarity; null but for diversity"),
            "high": ("double", "upper end of the range"),
            "split": ("int64", "number of the given split; null if none was given"),
            "seed": ("int64", "seed of the draw and of the training"),
            "block": ("string", "what rows share that are not independent: a cluster and seed, or a seed"),
            "accuracy": ("double", "share of the test clips that are right; NaN if the training failed"),
            "accuracy_low": ("double", "lower end of its interval"),
            "accuracy_high": ("double", "upper end of its interval"),
            "n_test": ("int64", "test clips"),
            "chance": ("double", "1 over the number of test classes"),
            "validation_accuracy": ("double", "accuracy on the validation set; NaN for a single class"),
            "best_epoch": ("int64", "epoch, from 1, whose weights were judged; 0 if the training failed"),
            "train_test_similarity": ("double", "mean cosine of training and test classes"),
            "mean_similarity": ("double", "mean cosine of pairs of training classes"),
            "failed": ("string", "why the training failed, else empty"),
        },
    )
    classes: pa.Table = table(
        "P",
        "a class in the split of a model and test set",
        {
            "model": ("int64", "number of the model"),
            "test_set": ("int64", "number of the test set"),
            "label": ("string", "name of the class"),
            "part": ("string", "train, validation or test"),
            "accuracy": ("double", "share of its clips that are right; NaN but for test classes"),
            "n_clips": ("int64", "clips of the class"),
        },
    )
    predictions: pa.Table = table(
        "T",
        "a test clip of a model and test set, in the order of the space",
        {
            "model": ("int64", "number of the model"),
            "test_set": ("int64", "number of the test set"),
            "clip_id": ("string", "id of the clip"),
            "label": ("string", "class of the clip"),
            "predicted": ("string", "class with the highest score"),
            "score": ("double", "score of the predicted class"),
            "own_score": ("double", "score of the clip's own class"),
            "scores": ("list[double]", "scores of all test classes, in the order of `classes`"),
        },
    )
    splits: pa.Table = table(
        "M", "a model", {"model": ("int64", "its number"), "text": ("string", "its split as JSON")}
    )
    curves: np.ndarray = array(
        "float32",
        "M 3 E",
        "loss, training accuracy, and mean accuracy over the validation sets of several classes; NaN after "
        "an early stop or a failure",
    )
    weights: Mapping[int, dict[str, np.ndarray]] = numbered(
        tensors(
            "weights of each model that did not fail, as `core.zeroshot.ZeroShotModel` has them, in grids of "
            "at most 500 models; earlier results have none",
            default={},
        )
    )
    names: pa.Table = table(
        "C",
        "a class",
        {
            "label": ("string", "its name"),
            "n_clips": ("int64", "its clips"),
            "text": ("string", "its text; null if it has none"),
            "family": ("string", "its family; null if it has none"),
        },
    )
    centroids: np.ndarray = array("float32", "C d", "mean embedding of each class")
    similarity: np.ndarray = array("float64", "C C", "cosine of every two centroids")
    clusters: np.ndarray = array("int64", "C", "cluster of each class")
    elbow_ks: np.ndarray = array("int64", "K", "numbers of clusters")
    elbow_inertia: np.ndarray = array("float64", "K", "inertia of that many clusters")
    elbow_silhouette: np.ndarray = array("float64", "K", "cosine silhouette of that many clusters")
    elbow: int | None = value("number of clusters at the bend of the inertia")
    n_models: int = value("M")
    n_failed: int = value("models whose training failed")
    n_clips: int = value("clips of the classes")
    n_classes: int = value("C")
    n_clusters: int = value("clusters")
    sizes: list[int] | None = value("training, validation and test classes; null for given splits")
    asked_sizes: list[int] | None = value("the sizes that were asked for")
    ranges: list[list[float]] | None = value("ranges of similarity; null but for diversity")
    note: str = value("what was lowered, left out, merged or failed, or empty")
    left_out: dict[str, int] = value(
        "clips ``without_class``, of ``several_classes``, ``not_finite``, and of ``small_classes``"
    )


@dataclass(frozen=True, kw_only=True)
class ZeroShotGrid(Recipe, Spec[Result]):
    """Train zero-shot models of one setup on some classes and judge them by the clips of others.

    Models differ in how near their training classes are to the test classes (similarity), in how near these
    are to each other (diversity), or are trained on splits that are given.
    """

    VERSION: ClassVar[int] = 3

    embedding: EmbedAudio
    text: EmbedText
    #: `Dataset.labels_fingerprint`.
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
        # Splits that are equal are written in the same way.
        texts = tuple(split_to_json(_checked(split_from_json, s), compact=True) for s in self.splits)
        if len({contents(split_from_json(text)) for text in texts}) < len(texts):
            raise SpecError("A split is given twice; its models would count twice. Give each once.")
        object.__setattr__(self, "splits", texts)
        object.__setattr__(self, "ratios", _ratios(self.ratios))
        n_validation = fewest_validation(self.parsed_splits) if self.splits else self.n_validation
        if self.patience and n_validation < 2:
            raise SpecError(
                "Patience needs at least 2 validation classes: one is always right, which tells no epoch "
                "from another; ask for more validation classes, or for a patience of 0."
            )
        object.__setattr__(self, "ranges", () if self.n_ranges else _ranges(self.ranges))
        if self.n_models > MOST_MODELS:
            raise SpecError(
                f"These are {self.n_models:,} models ({self._product}); one "
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
    def recipe(self) -> Recipe:
        """How `core.zeroshot` trains each model."""
        return derive(Recipe, self, patience=self.patience or None)

    @property
    def n_models(self) -> int:
        """Models that are trained, where the classes allow the clusters and sizes that are asked for."""
        return math.prod(n for n, _ in self._factors)

    @property
    def _factors(self) -> list[tuple[int, str]]:
        """What is combined to models: numbers and names."""
        if self.setup == "similarity":
            n_ratios = len(distinct_ratios(self.ratios, self.n_train))
            return [(self.clusters, "cluster"), (n_ratios, "ratio"), (self.seeds, "seed")]
        if self.setup == "splits":
            return [(len(self.splits), "split"), (self.seeds, "seed")]
        return [(self.n_ranges or len(self.asked_ranges), "range"), (self.seeds, "seed")]

    @property
    def _product(self) -> str:
        return " × ".join(count(n, name) for n, name in self._factors)

    @property
    def title(self) -> str:
        judged = f", {count(self.n_test_sets, 'test set')} each" if self.setup == "diversity" else ""
        by = "by given splits" if self.setup == "splits" else f"by {self.setup}"
        space = f"{self.embedding.dataset.name} · {self.embedding.model}"
        known = ("setup", "splits", "clusters", "seeds", "n_ranges", "n_test_sets")
        return (
            f"{count(self.n_models, 'zero-shot model')} {by} on {space} and {self.text.model} "
            f"{self.text.texts_title} ({self._product}{judged})" + unusual(self, *known)
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
    pairs = tuple((float(low), float(high)) for low, high in ranges)
    return () if pairs == PAPER_RANGES else pairs


# -- running ----------------------------------------------------------------------------------------------


class _Material(NamedTuple):
    """Clips of one class each, and the texts of the classes."""

    clip_ids: np.ndarray  # (n,) objects of str
    X: np.ndarray  # (n, d) float32
    labels: np.ndarray  # (n,) objects of str
    left_out: dict[str, int]
    note: str  # on classes that were left out
    names: pd.DataFrame  # label, n_clips, text and family of every class, by label
    text: np.ndarray  # of the classes that have a text, (C', d_t) float32


class Space(NamedTuple):
    """Where the classes lie."""

    names: tuple[str, ...]
    centroids: np.ndarray  # (C, d)
    similarity: np.ndarray  # (C, C)
    clusters: np.ndarray  # (C,)


def run(spec: ZeroShotGrid, context: JobContext) -> Result:
    """Compute `ZeroShotGrid`; a training that was killed goes on from its checkpoint.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, a class has no text, or the classes do not suffice for
        what is asked.
    """
    from jobs.engine.training import TrainingFolder, reporter
    from jobs.tasks.zero_shot_splits import draw

    checkpoint = TrainingFolder(context.checkpoint / "training")
    # The training resumes from here; a pace that counted earlier work would be too fast.
    resumed = checkpoint.share()
    context.progress(resumed * _TRAINED, 1, "reading")
    # Loads torch, which takes seconds: not before the first report of progress.
    from core.zeroshot import train_many

    material = _read(spec, context)
    context.progress(resumed * _TRAINED, 1, "drawing classes")
    space = _locate(spec, material)
    drawn = draw(spec, space.names, space.similarity, space.clusters)
    for note in filter(None, (material.note, drawn.note)):
        context.log(note)
    models = train_many(
        drawn.splits,
        material.X,
        material.labels.astype(str),
        material.text,
        material.names["label"][material.names["text"].notna()].tolist(),
        seeds=drawn.seeds,
        recipe=spec.recipe,
        progress=reporter(context, checkpoint, f"training {count(len(drawn.splits), 'model')}", 0, _TRAINED),
        checkpoint=checkpoint,
    )
    context.progress(_TRAINED, 1, "storing")
    for model in models:
        if model.failed:
            context.log(model.failed)
    return _result(spec, material, space, drawn, models)


def rehearse(spec: ZeroShotGrid, workspace: Workspace) -> Drawn:
    """Draw the splits of a grid whose spaces exist, without training; raises as `run`."""
    from jobs.tasks.zero_shot_splits import draw

    # Reading takes no more of a job than these two.
    space = _locate(spec, _read(spec, cast("JobContext", _Reader(workspace))))
    return draw(spec, space.names, space.similarity, space.clusters)


class _Reader(NamedTuple):
    """What reading needs of a job, before it exists."""

    workspace: Workspace

    def read(self, spec: Spec[R]) -> R:
        return spec.read(self.workspace.cache)


def _locate(spec: ZeroShotGrid, material: _Material) -> Space:
    names, centroids = class_centroids(material.X, material.labels)
    # Only similarity draws by clusters; for the other setups they are shown, as many as possible.
    n_clusters = spec.clusters if spec.setup == "similarity" else min(spec.clusters, len(names))
    clusters = cluster_classes(centroids, n_clusters)
    return Space(names, centroids, class_similarity(centroids), clusters)


def _read(spec: ZeroShotGrid, context: JobContext) -> _Material:
    from jobs.presets import of_several_classes
    from jobs.tasks.labels import dataset_with, labelled

    space = labelled(spec.embedding, spec.labels, context)
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    several = set(dataset.clips["clip_id"][of_several_classes(dataset.clips)])
    nameless = space.labels == ""
    ambiguous = np.array([clip in several for clip in space.clip_ids], dtype=bool)
    single = ~(nameless | ambiguous)
    broken = single & ~np.isfinite(space.X).all(axis=1)
    kept = np.flatnonzero(single & ~broken)
    if not len(kept):
        raise ValueError(
            f"No clip of {dataset.name} has exactly one class and an embedding; there is nothing to train on."
        )
    n_usable = len(kept)
    kept, note = _large_enough(spec, space.labels, kept, dataset.name)
    labels = space.labels[kept]
    names = pd.Series(labels).value_counts().sort_index().rename_axis("label").reset_index(name="n_clips")
    names["label"] = names["label"].astype("str")
    embedded = context.read(spec.text)
    texts = embedded.texts.to_pandas().set_index("id")["text"]
    names["text"] = texts.reindex(names["label"]).to_numpy()
    _check_texts(spec, dataset.name, names)
    families = dataset.classes.set_index("label")["family"] if "family" in dataset.classes else pd.Series()
    names["family"] = families.astype(object).reindex(names["label"]).to_numpy()
    rows = texts.index.get_indexer(names["label"][names["text"].notna()])
    return _Material(
        clip_ids=np.array(space.clip_ids, dtype=object)[kept],
        X=np.asarray(space.X[kept]),
        labels=labels,
        left_out={
            "without_class": int(nameless.sum()),
            "several_classes": int((ambiguous & ~nameless).sum()),
            "not_finite": int(broken.sum()),
            "small_classes": n_usable - len(kept),
        },
        note=note,
        names=names.astype({"text": "str", "family": "str"}),
        text=np.asarray(embedded.embeddings[rows]),
    )


def _large_enough(
    spec: ZeroShotGrid, labels: np.ndarray, kept: np.ndarray, dataset: str
) -> tuple[np.ndarray, str]:
    """Return the rows of classes that have the clips that are asked for, and a sentence on the others."""
    if spec.setup == "splits":
        return kept, ""
    names, codes, sizes = np.unique(labels[kept].astype(str), return_inverse=True, return_counts=True)
    small = sizes < spec.min_clips
    if small.all():
        raise ValueError(
            f"No class of {dataset} has {count(spec.min_clips, 'clip')} to train on or to judge by; the "
            f"largest has {sizes.max():,}: ask for fewer clips of a class."
        )
    if not small.any():
        return kept, ""
    of = f"{small.sum():,} of {count(len(names), 'class')}"
    note = f"{of} {'has' if small.sum() == 1 else 'have'} fewer than {count(spec.min_clips, 'clip')}"
    return kept[~small[codes]], f"{note} and {'was' if small.sum() == 1 else 'were'} not drawn."


def _check_texts(spec: ZeroShotGrid, dataset: str, names: pd.DataFrame) -> None:
    """Raise `ValueError` for a class that takes part and has no text."""
    wanted = names["label"]
    if spec.setup == "splits":
        wanted = wanted[wanted.isin([c for split in spec.parsed_splits for c in all_classes(split)])]
    known = set(names["label"][names["text"].notna()])
    if error := missing_texts(wanted.tolist(), known, dataset, spec.text.of):
        raise ValueError(error)


def missing_texts(labels: Sequence[str], known: Collection[str], dataset: str, of: str) -> str:
    """Return a sentence on the classes that have no text of a kind; "" if all are among the `known` ones.

    Examples
    --------
    >>> missing_texts(["dog", "cat"], {"dog"}, "pets", "label")
    "'cat' of pets has no label, and a model needs one of every class that takes part; add it."
    """
    silent = [label for label in labels if label not in known]
    if not silent:
        return ""
    more = f" and {len(silent) - 3:,} more" if len(silent) > 3 else ""
    has, it = ("has", "it") if len(silent) == 1 else ("have", "them")
    advice = f"add {it}" + (", or train with names" if of == "description" else "")
    return (
        f"{', '.join(map(repr, silent[:3]))}{more} of {dataset} {has} no {of}, and a model needs one of "
        f"every class that takes part; {advice}."
    )


def _result(
    spec: ZeroShotGrid, material: _Material, space: Space, drawn: Drawn, models: list[ZeroShotModel]
) -> Result:
    from core.zeroshot import CURVES
    from jobs.tasks.zero_shot_tables import classes_table, models_table, predictions_table

    failed = [m.failed for m in models if m.failed]
    failures = f"{len(failed)} of {count(len(models), 'model')} failed. {failed[0]}" if failed else ""
    elbow = class_elbow(space.centroids)
    stored = models if len(models) <= MOST_WEIGHTS else []
    sizes = drawn.sizes
    return Result(
        models=models_table(spec.setup, models, space, drawn.given),
        classes=classes_table(models, material.names),
        predictions=predictions_table(models, material.clip_ids),
        splits={
            "model": range(len(models)),
            "text": [split_to_json(split, compact=True) for split in drawn.splits],
        },
        curves=np.stack([[m.curves[name] for name in CURVES] for m in models]),
        weights={number: m.weights for number, m in enumerate(stored) if not m.failed},
        names=material.names,
        centroids=space.centroids.astype(np.float32),
        similarity=space.similarity,
        clusters=space.clusters,
        elbow_ks=elbow.ks,
        elbow_inertia=elbow.inertia,
        elbow_silhouette=elbow.silhouette,
        elbow=elbow.elbow,
        n_models=len(models),
        n_failed=len(failed),
        n_clips=len(material.clip_ids),
        n_classes=len(space.names),
        n_clusters=int(space.clusters.max()) + 1,
        sizes=None if sizes is None else [sizes.train, sizes.validation, sizes.test],
        asked_sizes=None if sizes is None else [spec.n_train, spec.n_validation, spec.n_test],
        ranges=None if drawn.ranges is None else [list(ends) for ends in drawn.ranges],
        note=" ".join(filter(None, [material.note, drawn.note, failures])),
        left_out=material.left_out,
    )
