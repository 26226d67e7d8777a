"""Contrastive audio-text models with and without leaks of the classes that judge them."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from core.contrastive.recipe import SMALL, ContrastiveRecipe  # without torch, unlike core.contrastive
from core.recipes import check, derive, setting, with_defaults
from core.words import count
from jobs import encoders
from jobs.tasks.schema import Schema, array, numbered, table, tensors, value
from jobs.tasks.spec import DatasetRef, Spec, SpecError, between, unusual

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

PRETRAININGS = ("dirty", "clean", "none")
TRAININGS = ("dirty", "clean")
LEAK_MODES = ("words", "names")
BACKBONES = ("small", "cnn14")
#: Classes from which an interval over classes is more than the span of their values: of fewer, more than
#: 2.5% of all draws are of one class alone.
FEWEST_CLASSES = 4
#: Pairs of spaces whose neighbourhoods of classes are compared.
PAIRS = ("xa_Ea", "xt_Et", "Ea_Et")
_OVERLAPS = {
    f"overlap_{pair}{ending}": (dtype, meaning)
    for pair in PAIRS
    for ending, dtype, meaning in (
        ("", "double", f"largest S_k of {pair}, above chance"),
        ("_k", "int64", "k at which it is largest"),
        ("_plain", "double", "largest S_k for k up to T/5, not corrected for chance"),
        ("_literal", "double", "largest S_k with the class itself, over all k; it is 1"),
    )
}


class Result(Schema):
    """The models, their spaces, and what they make of the test clips.

    M models, pre-trainings outside and trainings inside in the order asked for; P pre-trainings; n clips in
    the order of the dataset, m of them test clips; C classes, T of them test classes, sorted; c captions.
    E_a and E_t have D dimensions, x_a has a and x_t has b. Intervals are of 95%. A pre-training that fails
    takes its models with it, and no others; what is not known of a model that failed is NaN or null.
    """

    models: pa.Table = table(
        "M",
        "a model",
        {
            "model": ("int64", "its number, from 0"),
            "name": ("string", "pre-training/training, such as dirty/clean"),
            "pretraining": ("string", "pre-training of its audio backbone"),
            "training": ("string", "its contrastive training"),
            "n_pairs": ("int64", "pairs that it may be trained on or validated by"),
            "n_removed": ("int64", "pairs that were left out as leaks"),
            "n_train_clips": ("int64", "clips that it is trained on"),
            "n_validation_clips": ("int64", "clips that validate"),
            "accuracy": ("double", "share of the test clips that are right among the test classes"),
            "accuracy_low": ("double", "lower end of its interval (Wilson)"),
            "accuracy_high": ("double", "upper end"),
            "n_test": ("int64", "m"),
            "chance": ("double", "1/T"),
            "silhouette_xa": ("double", "mean cosine silhouette of the test clips by class, in x_a"),
            "silhouette_xa_low": ("double?", "lower end of its interval, classes drawn anew (bootstrap)"),
            "silhouette_xa_high": ("double?", "upper end"),
            "silhouette_Ea": ("double", "the same in E_a"),
            "silhouette_Ea_low": ("double?", "lower end"),
            "silhouette_Ea_high": ("double?", "upper end"),
            **_OVERLAPS,
            "epochs": ("int64", "epochs trained"),
            "best_epoch": ("int64", "the epoch, from 1, whose weights count; 0 if it failed"),
            "temperature": ("double", "temperature at that epoch"),
            "stopped": ("string", "why before the last epoch"),
            "failed": ("string", "why it failed"),
        },
    )
    classes: pa.Table = table(
        "r",
        "a test class by a model that did not fail",
        {
            "model": ("int64", "the model"),
            "label": ("string", "the class"),
            "accuracy": ("double", "share of its clips that are right"),
            "n_clips": ("int64", "its test clips"),
        },
    )
    predictions: pa.Table = table(
        "q",
        "a test clip by a model that did not fail",
        {
            "model": ("int64", "the model"),
            "clip_id": ("string", "the clip"),
            "label": ("string", "its class"),
            "predicted": ("string", "the class that it is taken for"),
            "score": ("double", "cosine with the text of that class"),
            "own_score": ("double", "cosine with the text of its own class"),
        },
    )
    confusion: np.ndarray = array("int64", "M T T", "test clips by class (row) and prediction (column)")
    correlations: pa.Table = table(
        "z",
        "two numbers over the models that did not fail",
        {
            "x": ("string", "``silhouette_Ea``, ``silhouette_xa`` or ``overlap_Ea_Et``"),
            "y": ("string", "``accuracy`` or ``log_accuracy``, the latter without models of accuracy 0"),
            "r": ("double", "Pearson's correlation; NaN for fewer than 3 models, or where nothing varies"),
            "p": ("double", "its p-value"),
            "low": ("double", "lower end of its interval"),
            "high": ("double", "upper end"),
            "n": ("int64", "models"),
        },
    )
    curves: np.ndarray = array(
        "float32", "M 5 E", "by epoch, in the order of `core.contrastive.CURVES`; NaN once a model stopped"
    )
    pretraining: pa.Table = table(
        "P",
        "a pre-training",
        {
            "pretraining": ("string", "dirty, clean or none"),
            "source": ("string", "trained here, file or random weights"),
            "n_classes": ("int64", "classes that it tells apart; 0 where it was not trained here"),
            "n_clips": ("int64", "clips that it is trained on"),
            "n_removed_classes": ("int64", "classes that were left out"),
            "best_epoch": ("int64", "the epoch whose weights count"),
            "validation_accuracy": ("double", "accuracy in validation at that epoch"),
            "silhouette_x0": ("double", "silhouette of the test clips before any contrastive training"),
            "silhouette_x0_low": ("double?", "lower end of its interval"),
            "silhouette_x0_high": ("double?", "upper end"),
        },
    )
    pretrain_curves: np.ndarray = array(
        "float32", "P 4 F", "by epoch, in the order of `core.contrastive.PRETRAINING_CURVES`"
    )
    clips: pa.Table = table(
        "n",
        "a clip",
        {
            "clip_id": ("string", "its id"),
            "label": ("string", "its class; empty where it has none"),
            "part": ("string", "test, train, or other: unreadable, or with neither class nor caption"),
            "n_captions": ("int64", "its captions"),
        },
    )
    texts: pa.Table = table(
        "C",
        "a class as text",
        {
            "id": ("string", "the class"),
            "text": ("string", "its text by the first prompt"),
            "test": ("bool", "whether it is a test class"),
        },
    )
    captions: pa.Table = table(
        "c", "a caption that may be trained on, once each, sorted", {"caption": ("string", "the text")}
    )
    audio_x0: Mapping[int, np.ndarray] = numbered(
        array("float32", "n a", "x_a before contrastive training, by row of ``pretraining``")
    )
    audio_xa: Mapping[int, np.ndarray] = numbered(array("float32", "n a", "x_a of a model"))
    audio_Ea: Mapping[int, np.ndarray] = numbered(array("float32", "n D", "E_a of a model"))
    text_x0: np.ndarray = array("float32", "C b", "x_t by the text backbone as it came")
    text_xt: Mapping[int, np.ndarray] = numbered(array("float32", "C b", "x_t of a model"))
    text_Et: Mapping[int, np.ndarray] = numbered(array("float32", "C D", "E_t of a model"))
    caption_Et: Mapping[int, np.ndarray] = numbered(
        array("float32", "c D", "E_t of the captions by a model", default=None)
    )
    weights: Mapping[int, dict[str, np.ndarray]] = numbered(
        tensors("weights of a model, as `core.contrastive.ContrastiveModel.state` names them", default=None)
    )
    map_x0: Mapping[int, np.ndarray] = numbered(array("float32", "m 2", "map of the test clips in x0"))
    map_xa: Mapping[int, np.ndarray] = numbered(array("float32", "m 2", "map of the test clips in x_a"))
    map_Ea: Mapping[int, np.ndarray] = numbered(array("float32", "m 2", "map of the test clips in E_a"))
    map_xt0: np.ndarray = array("float32", "T 2", "map of the test classes in ``text_x0``")
    map_xt: Mapping[int, np.ndarray] = numbered(array("float32", "T 2", "map of the test classes in x_t"))
    map_Et: Mapping[int, np.ndarray] = numbered(array("float32", "T 2", "map of the test classes in E_t"))
    leaks: pa.Table = table(
        "l",
        "a caption of a training clip and a test class that it names",
        {
            "caption": ("string", "the caption"),
            "clip_id": ("string", "its clip"),
            "label": ("string", "the test class"),
            "matched": ("string", "what of the caption names it"),
        },
    )
    label_leaks: pa.Table = table(
        "k",
        "a class that clean pre-training leaves out and a test class that it overlaps with",
        {
            "label": ("string", "the class"),
            "test_class": ("string", "the test class"),
            "matched": ("string", "what of the class names it"),
        },
    )
    n_models: int = value("M")
    n_failed: int = value("models that failed")
    n_clips: int = value("n")
    n_classes: int = value("C")
    n_test_classes: int = value("T")
    n_test: int = value("m")
    n_captions: int = value("pairs of clip and caption that may be trained on")
    n_leaks: int = value("captions that leak")
    n_leaking_clips: int = value("their clips")
    n_unnamed: int = value(
        "training clips of a test class that clean training keeps, because no caption of theirs names it"
    )
    test_classes: list[str] = value("the test classes, sorted")
    prompts: list[str] = value("the sentences around class names")
    temperature_start: float = value("temperature at the start")
    maps: dict[str, str] = value("how each space was mapped: tsne, or pca where there are few points")
    sizes: list[int] = value("a, b and D")
    parameters: dict[str, int | None] = value(
        "weights of the audio backbone, both projectors and the text backbone, where it is known", default={}
    )
    seconds: dict[str, float] = value("time of each stage in the attempt that finished")
    recipe: dict[str, Any] = value("the recipe")
    note: str = value("what a reader must know")
    left_out: dict[str, int] = value("clips ``unreadable`` and ``without_caption``", default={})
    cards: dict[str, dict[str, Any]] = value("cards of the spaces, by their part", default={})

    @cached_property
    def by_model(self) -> pd.DataFrame:
        """The table of models, by their names."""
        return self.models.to_pandas().set_index("name", drop=False)

    @property
    def good(self) -> pd.DataFrame:
        """The rows of the models that did not fail, by their names."""
        return self.by_model[self.by_model["failed"] == ""]

    @property
    def failures(self) -> dict[str, str]:
        """Why models failed, by their names."""
        failed = self.by_model["failed"]
        return dict(failed[failed != ""])

    @cached_property
    def test_clips(self) -> pd.DataFrame:
        """The rows of ``clips`` that are tested, in the order of the maps."""
        clips = self.clips.to_pandas()
        return clips[clips["part"] == "test"].reset_index(drop=True)

    def number(self, name: str) -> int:
        """Return the place of a model in arrays, by its name."""
        return int(self.by_model["model"][name])

    def predictions_of(self, name: str) -> pd.DataFrame:
        """Return the predictions of a model, by its name."""
        every = self._predictions
        return every[every["model"] == self.number(name)]

    @cached_property
    def _predictions(self) -> pd.DataFrame:
        return self.predictions.to_pandas()


@dataclass(frozen=True, kw_only=True)
@with_defaults(SMALL)
class ContrastiveGrid(ContrastiveRecipe, Spec[Result]):
    """Contrastive audio-text models, one for every pre-training and training, judged by held-out classes.

    Of the clips of every test class a share is never trained on by any model: the test clips. Of the others,
    the training clips, "dirty" takes all. "clean" pre-training leaves out the classes that share a word (or
    the whole name, see `leaks`) with a test class; "clean" training leaves out every clip of which a caption
    names one. Pre-training "none" begins with random weights.
    """

    VERSION: ClassVar[int] = 2  # captions are kept in the shared space; threads are fixed

    dataset: DatasetRef
    #: `Dataset.labels_fingerprint` and `jobs.workspace.captions.captions_fingerprint`: both can change while
    #: the sounds stay.
    labels: str
    captions: str
    text_encoder: str = setting("minilm", "Text encoder", option="text")
    #: Filled in: what the text encoder's name stands for.
    identity: str = ""
    test_classes: tuple[str, ...] = setting(
        (),
        "Test classes",
        "Hold this class out for the test; may be repeated. By default in the dataset's order.",
        usual="every fourth of each family",
        option="test-class",
        link="test",
        repeated=True,
    )
    test_share: float = setting(
        0.5, "Share of the test clips", "Share of the test classes' clips that no model is trained on."
    )
    pretraining: tuple[str, ...] = setting(
        PRETRAININGS,
        "Pre-training of the audio backbone",
        "Pre-trainings, of dirty,clean,none: classification with the test classes among the labels, without "
        "them, or random weights.",
        choices=PRETRAININGS,
        link="pre",
    )
    training: tuple[str, ...] = setting(
        TRAININGS,
        "Contrastive training",
        "Trainings, of dirty,clean: on all captions, or without captions that name a test class.",
        choices=TRAININGS,
        link="train",
    )
    leaks: str = setting(
        "words",
        "A caption leaks that has",
        "A caption leaks if it contains any word of a name, stop words aside, or a whole name.",
        choices=LEAK_MODES,
        names=("any word of a name", "the whole name"),
    )
    prompts: tuple[str, ...] = setting(
        ("{}",),
        "Prompts",
        "Sentence around a class name, {} standing for it; may be repeated, and the mean of the embeddings "
        "counts.",
        option="prompt",
        repeated=True,
    )
    backbone: str = setting(
        BACKBONES[0], "Audio backbone", "Audio backbone: small or cnn14.", choices=BACKBONES
    )
    n_mels: int = setting(64, "Mel bands", "Mel bands of the small backbone.", asked=(16, 256))
    backbone_dim: int = setting(128, "Outputs", "Dimensions of the small backbone.", asked=(2, 4096))
    width: int = setting(16, "Channels", "Channels of the small backbone.", asked=(1, 256))
    checkpoint_file: str = setting(
        "",
        "PANNs checkpoint of CNN14, a file",
        "PANNs checkpoint of CNN14 in the place of dirty pre-training.",
    )
    clean_checkpoint_file: str = setting(
        "", "The same, clean", "The same in the place of clean pre-training."
    )
    #: Filled in: SHA-256 of these files, as far as they are given.
    checkpoints: tuple[str, ...] = ()
    seed: int = setting(0, "Seed", "Seed of all random draws.", asked=(0, 2**31 - 1))

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, DatasetRef):
            raise TypeError(f"dataset is {self.dataset!r}")
        if not self.identity:
            name = encoders.canonical(self.text_encoder, modality="text")
            object.__setattr__(self, "text_encoder", name)
            object.__setattr__(self, "identity", encoders.identity(name, modality="text"))
        for name in ("pretraining", "training", "test_classes", "prompts"):
            if isinstance(getattr(self, name), str):
                raise SpecError(f"{name} is the text {getattr(self, name)!r}; give a list of texts.")
        for name, allowed in (("pretraining", PRETRAININGS), ("training", TRAININGS)):
            given = getattr(self, name)
            if not given or not set(given) <= set(allowed) or len(set(given)) < len(given):
                raise SpecError(
                    f"{name} is {', '.join(map(str, given)) or 'empty'}; give one or more of "
                    f"{', '.join(allowed)}, each once."
                )
        check(
            self,
            {"leaks", "backbone", "n_mels", "backbone_dim", "width", "seed"},
            asked=True,
            error=SpecError,
        )
        if len(set(self.test_classes)) < len(self.test_classes):
            raise SpecError("A test class is given twice; give each once.")
        if len(self.test_classes) == 1:
            raise SpecError("There is one test class, which is always right; give at least 2.")
        object.__setattr__(self, "test_classes", tuple(sorted(map(str, self.test_classes))))
        between("test_share", self.test_share, 0.01, 1)
        for prompt in self.prompts:
            if not isinstance(prompt, str) or prompt.count("{}") != 1:
                raise SpecError(f"A prompt is {prompt!r}; it must hold {{}} once, where the class name goes.")
        if not self.prompts or len(set(self.prompts)) < len(self.prompts):
            raise SpecError("prompts must hold at least one sentence, each once.")
        if self.backbone == "cnn14":
            for name in ("n_mels", "backbone_dim", "width"):
                object.__setattr__(self, name, type(self).__dataclass_fields__[name].default)
        self._check_files()
        try:
            _ = self.recipe
        except ValueError as error:
            raise SpecError(str(error)) from None

    def _check_files(self) -> None:
        if self.backbone != "cnn14" and (self.checkpoint_file or self.clean_checkpoint_file):
            raise SpecError(
                "A PANNs checkpoint goes with the backbone cnn14; leave one out or change the other."
            )
        for name, pretraining in (("checkpoint_file", "dirty"), ("clean_checkpoint_file", "clean")):
            if getattr(self, name) and pretraining not in self.pretraining:
                raise SpecError(
                    f"{name} is what pre-training {pretraining!r} begins with, which is not asked for."
                )
        if not self.checkpoints:
            hashes = []
            for name in ("checkpoint_file", "clean_checkpoint_file"):
                if getattr(self, name):
                    path = Path(getattr(self, name)).expanduser().absolute()
                    object.__setattr__(self, name, str(path))
                    hashes.append(_sha256(path))
            object.__setattr__(self, "checkpoints", tuple(hashes))

    def checkpoint_of(self, pretraining: str) -> str:
        """Return the file that takes the place of a pre-training, "" where there is none."""
        return {"dirty": self.checkpoint_file, "clean": self.clean_checkpoint_file}.get(pretraining, "")

    @property
    def recipe(self) -> ContrastiveRecipe:
        """The recipe as `core.contrastive` takes it."""
        return derive(ContrastiveRecipe, self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models in order: "dirty/clean" is pre-training/training."""
        return tuple(f"{before}/{then}" for before in self.pretraining for then in self.training)

    @property
    def title(self) -> str:
        by = {"small": "a small network", "cnn14": "CNN14"}[self.backbone]
        known = ("text_encoder", "identity", "pretraining", "training", "backbone", "checkpoints")
        return (
            f"{count(len(self.names), 'contrastive model')} on {self.dataset.name}, {by} and "
            f"{encoders.short(self.text_encoder)} ({', '.join(self.names)}){unusual(self, *known)}"
        )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which is read once as long as it does not change."""
    try:
        status = path.stat()
        # A device or a pipe could be read for ever.
        if not stat.S_ISREG(status.st_mode):
            raise SpecError(f"The checkpoint {path} is no file; give one such as Cnn14_mAP=0.431.pth.")
        return _digest(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise SpecError(f"The checkpoint {path} cannot be read ({error.strerror}).") from None


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(spec: ContrastiveGrid, context: JobContext) -> Result:
    """Train the models of a grid, judge them by held-out classes, and measure their spaces.

    What is done when the process is killed is not done again.

    Raises
    ------
    ValueError
        With one sentence: labels, captions or the text encoder have changed, there are too few clips, classes
        or captions, or a checkpoint holds something else than CNN14.
    """
    from jobs.tasks.contrastive.results import result_of
    from jobs.tasks.contrastive.training import train

    return result_of(spec, context, train(spec, context))
