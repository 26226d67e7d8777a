"""Contrastive audio-text models, the grid of six that shows a leak, and classification by two towers."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from core.contrastive.recipe import SMALL, ContrastiveRecipe  # without torch, unlike core.contrastive
from core.recipes import check, derive, setting, with_defaults
from jobs import encoders
from jobs.tasks.spec import DatasetRef, Spec, SpecError, between, unusual

PRETRAININGS = ("dirty", "clean", "none")
TRAININGS = ("dirty", "clean")
LEAK_MODES = ("words", "names")
BACKBONES = ("small", "cnn14")


@dataclass(frozen=True, kw_only=True)
@with_defaults(SMALL)
class ContrastiveGrid(ContrastiveRecipe, Spec):
    """Contrastive audio-text models, one for every pre-training and training, judged by held-out classes.

    Of the clips of every test class a share is never trained on by any model: the test clips. Of the others,
    the training clips, "dirty" takes all. "clean" pre-training leaves out the classes that share a word (or
    the whole name, see `leaks`) with a test class; "clean" training leaves out every clip of which a caption
    names one. Pre-training "none" begins with random weights.

    With M the models, pre-trainings outside and trainings inside in the order asked for; P the pre-trainings;
    n the clips of the dataset in its order; C all its classes, sorted; T the test classes, sorted; m the test
    clips, in the order of the dataset; D, d_a and d_t the dimensions of E, x_a and x_t; and E the epochs, the
    result is:

    ``models.parquet``, a row a model: ``model`` (from 0), ``name`` ("dirty/clean": pre-training/training),
    ``pretraining``, ``training``; ``n_pairs`` that may be trained on or validate, ``n_removed`` pairs that
    were left out as leaks, ``n_train_clips`` and ``n_validation_clips``; ``accuracy`` of test clips among T
    with ``accuracy_low`` and ``accuracy_high`` (Wilson, 95%), ``n_test``, ``chance`` (1/T); ``silhouette_xa``
    and ``silhouette_Ea`` (cosine; test clips by class); for the pairs xa_Ea, xt_Et and Ea_Et, of the means of
    the test clips of each test class and of the texts of T, ``overlap_xa_Ea`` (the largest S_k above chance,
    see `core.similarity.topological_similarity`: ``adjusted``), ``overlap_xa_Ea_k`` (its k),
    ``overlap_xa_Ea_plain`` (the largest S_k without the point itself, k up to a fifth of T) and
    ``overlap_xa_Ea_literal`` (max_k S_k with the point itself over all k, the paper's words; it is 1);
    ``epochs`` trained, ``best_epoch`` (from 1; its weights count), ``temperature`` (τ there), ``stopped``
    (why before the last epoch, or ""), ``failed`` ("" or why; then numbers are NaN and ``best_epoch`` 0). A
    pre-training that fails takes its models with it, and no others.
    ``classes.parquet``: ``model``, ``label``, ``accuracy``, ``n_clips`` of every test class.
    ``predictions.parquet``: ``model``, ``clip_id``, ``label``, ``predicted``, ``score`` (cosine of the
    predicted class), ``own_score``; test clips of every model that did not fail.
    ``confusion.npy`` (M, T, T) int64: row the class, column the prediction.
    ``correlations.parquet``, over the models that did not fail: ``x``, ``y``, ``r`` (Pearson), ``p``,
    ``low``, ``high`` (95%), ``n``. Rows: ``silhouette_Ea``, ``silhouette_xa`` and ``overlap_Ea_Et`` each
    against ``accuracy`` and ``log_accuracy`` (natural; models with accuracy 0 left out); the paper's two are
    silhouette_Ea with accuracy and overlap_Ea_Et with log_accuracy. NaN where fewer than 3 or none vary.
    ``curves.npy`` (M, 5, E) float32, in the order of `core.contrastive.CURVES`: loss, validation_loss,
    temperature, rate, gradient_norm; NaN after a model stopped. ``pretraining.parquet``, a row a
    pre-training: ``pretraining``, ``source`` ("trained here", "file" or "random weights"), ``n_classes``,
    ``n_clips``, ``n_removed_classes``, ``best_epoch``, ``validation_accuracy`` (NaN where none),
    ``silhouette_x0`` (test clips, before any contrastive training); in its order ``pretrain_curves.npy`` (P,
    4, E') in the order of `core.contrastive.PRETRAINING_CURVES`: loss, accuracy, validation_loss,
    validation_accuracy.
    ``clips.parquet``: ``clip_id``, ``label`` ("" where there is none), ``part`` ("test"; "train": may be
    trained on; "other": unreadable, or with neither class nor caption), ``n_captions``; the
    row order of ``audio_xa_<model>.npy`` (n, d_a), ``audio_Ea_<model>.npy`` (n, D) and, for each row of
    pretraining.parquet, ``audio_x0_<row>.npy`` (n, d_a), the backbone before contrastive training. float32,
    NaN for unreadable clips and what failed.
    ``texts.parquet``: ``id`` (the class), ``text``, ``test`` (whether it is in T); the row order of
    ``text_xt_<model>.npy`` (C, d_t), ``text_Et_<model>.npy`` (C, D) and ``text_x0.npy`` (C, d_t, the text
    backbone as it came; the part "x0"). These are parts of trained spaces, ``run`` "xa_0", "Ea_0", "x0_0",
    ... `jobs.contrastive_presets.spaces_of` lists them.
    ``weights_<model>.safetensors``: the weights of the model by `core.contrastive.ContrastiveModel.state`;
    none if it failed, or if the result was computed before they were stored.
    ``captions.parquet``: ``caption``, every text that may be trained on, once, sorted; the row order of
    ``caption_Et_<model>.npy`` (captions, D) float32, NaN of what failed.
    Maps, float32: ``map_xa_<model>.npy`` and ``map_Ea_<model>.npy`` (m, 2), ``map_x0_<row>.npy`` (m, 2),
    ``map_Et_<model>.npy`` (T, 2), ``map_xt_<model>.npy`` (T, 2), ``map_xt0.npy`` (T, 2). The rows of the
    first are the clips whose part is "test", of the others the texts whose test is true, both in table order.
    ``leaks.parquet``: ``caption``, ``clip_id``, ``label`` (the test class that it names), ``matched``; every
    caption of a training clip that names a test class. ``label_leaks.parquet``: ``label`` (left out of clean
    pre-training), ``test_class``, ``matched``.
    In ``meta``: ``n_models``, ``n_failed``, ``n_clips``, ``n_classes``, ``n_test_classes``, ``n_test``,
    ``n_captions``, ``n_leaks`` (captions), ``n_leaking_clips``, ``n_unnamed`` (training clips of a test class
    that stay in the clean training because no caption of theirs names it), ``test_classes`` (list),
    ``prompts``, ``temperature_start``, ``maps`` (space: method, "tsne" or "pca" where there are too few
    points), ``sizes`` (d_a, d_t, D), ``parameters`` (of the audio backbone, both projectors, the text
    backbone), ``seconds`` (of decoding, pretraining, training, embedding; of the attempt that finished),
    ``recipe`` (a mapping), ``note`` (what a reader must know, or ""), ``left_out`` (clips ``unreadable``,
    ``without_caption``), ``cards``.
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
        "Test this class; may be repeated. By default they are taken in the dataset's order.",
        usual="every fourth of each family",
        option="test-class",
        link="test",
        repeated=True,
    )
    test_share: float = setting(
        0.5, "Share of the test clips", "Share of their clips that nothing is trained on."
    )
    pretraining: tuple[str, ...] = setting(
        PRETRAININGS,
        "Pre-training of the audio backbone",
        "Pre-trainings, of dirty,clean,none: classified with the test classes among the labels, without "
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
        "A caption leaks if it has any of the words (but stop words) or one of the names.",
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
    n_mels: int = setting(64, "Mel bands", "Of the small backbone.", asked=(16, 256))
    backbone_dim: int = setting(128, "Outputs", "Of the small backbone.", asked=(2, 4096))
    width: int = setting(16, "Channels", "Of the small backbone.", asked=(1, 256))
    checkpoint_file: str = setting(
        "",
        "PANNs checkpoint of CNN14, a file",
        "PANNs checkpoint of CNN14 in the place of dirty pre-training.",
    )
    clean_checkpoint_file: str = setting(
        "", "The same, clean", "The same, in the place of clean pre-training."
    )
    #: Filled in: SHA-256 of these files, as far as they are given.
    checkpoints: tuple[str, ...] = ()
    seed: int = setting(0, "Seed", "Of all that is drawn.", asked=(0, 2**31 - 1))

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
            found = []
            for name in ("checkpoint_file", "clean_checkpoint_file"):
                if getattr(self, name):
                    path = Path(getattr(self, name)).expanduser().absolute()
                    object.__setattr__(self, name, str(path))
                    found.append(_sha256(path))
            object.__setattr__(self, "checkpoints", tuple(found))

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
        what = "model" if len(self.names) == 1 else "models"
        by = {"small": "a small network", "cnn14": "CNN14"}[self.backbone]
        known = ("text_encoder", "identity", "pretraining", "training", "backbone", "checkpoints")
        return (
            f"{len(self.names)} contrastive {what} on {self.dataset.name}, {by} and "
            f"{encoders.short(self.text_encoder)} ({', '.join(self.names)}){unusual(self, *known)}"
        )


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which is read once as long as it does not change."""
    try:
        found = path.stat()
        # A device or a pipe could be read for ever.
        if not stat.S_ISREG(found.st_mode):
            raise SpecError(f"The checkpoint {path} is no file; give one such as Cnn14_mAP=0.431.pth.")
        return _digest(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise SpecError(f"The checkpoint {path} cannot be read ({error.strerror}).") from None


@lru_cache(maxsize=16)
def _digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
