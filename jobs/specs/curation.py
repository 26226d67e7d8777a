"""Training on pairs of sounds and texts that a two-tower model has curated, with hard and soft targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.contrastive.recipe import ContrastiveRecipe  # without torch, unlike core.contrastive
from jobs import encoders
from jobs.specs.contrastive import TRAININGS, ContrastiveGrid
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import DatasetRef, Spec, SpecError, between

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: How pairs are curated: the first two are ours, the others those of the released code.
CURATIONS = ("nearest", "nearest-specific", "unspecific", "specific", "augmented")
#: Of the released methods that choose by cosine: the least cosine of a sound and a text.
THRESHOLDS = {"unspecific": 0.75, "augmented": 0.7}
#: What a batch's sounds and texts are to each other: own pairs alone, as the released code softens that, and
#: `core.curation.soft_targets`.
TARGETS = ("hard", "released", "softmax")


class Result(Schema):
    """Accuracies by kind of target, and the curated pairs; "uncurated" is the model before training."""

    models: pa.Table = table(
        "M",
        "a model",
        {
            "targets": ("string", "its kind of target"),
            "seed": ("int64", "its seed"),
            "accuracy": ("double", "share of the test clips that are right; NaN where it failed"),
            "epochs": ("int64", "epochs trained"),
            "best_epoch": ("int64", "the epoch whose weights count"),
            "temperature": ("double", "temperature at that epoch"),
            "stopped": ("string", "why before the last epoch"),
            "failed": ("string", "why it failed"),
        },
    )
    accuracies: pa.Table = table(
        "a",
        "a kind of target, the uncurated model first",
        {
            "targets": ("string", "the kind"),
            "mean": ("double", "mean accuracy"),
            "low": ("double", "lower end of its 95% interval"),
            "high": ("double", "upper end"),
            "n": ("int64", "clips or seeds"),
            "over": ("string", "clips for the uncurated model (Wilson), seeds for others (t)"),
        },
    )
    differences: pa.Table = table(
        "b",
        "a difference of accuracies: each kind and the uncurated model, each soft one and hard targets",
        {
            "a": ("string", "one of both"),
            "b": ("string", "the other"),
            "mean": ("double", "mean of a - b"),
            "low": ("double", "lower end of its 95% interval"),
            "high": ("double", "upper end"),
            "p": ("double", "of a paired t test"),
            "n": ("int64", "clips or seeds"),
            "over": ("string", "seeds, or test clips, of each the share of seeds that take it right"),
        },
    )
    pairs: pa.Table = table(
        "p",
        "a curated pair",
        {
            "clip_id": ("string", "its clip"),
            "label": ("string", "the class of the clip"),
            "caption": ("string", "its text"),
            "similarity": ("double", "their cosine"),
            "same_class": ("bool", "whether the caption is one of a clip of the same class"),
        },
    )
    curves: np.ndarray = array("float32", "M 5 E", "by epoch, in the order of `core.contrastive.CURVES`")
    n_test: int = value("test clips")
    n_test_classes: int = value("test classes")
    test_classes: list[str] = value("their names")
    chance: float = value("accuracy by chance")
    n_pairs: int = value("curated pairs")
    n_sounds: int = value("sounds in a pair")
    n_texts: int = value("texts in a pair")
    n_pool_sounds: int = value("sounds that could be paired")
    n_pool_texts: int = value("texts that could be paired")
    n_candidates: int = value("texts that the method allows")
    same_class: float = value("share of the pairs whose caption is of the clip's class")
    seconds: float = value("time of computing")


@dataclass(frozen=True, kw_only=True)
class CuratedTraining(Spec[Result]):
    """Curate pairs by a two-tower model, train on them with hard and soft targets, compare accuracies.

    The clips of a dataset are divided as for `ContrastiveGrid`: test clips of the test classes, which
    judge, and training clips. Of the latter the given pairs of sound and caption are set aside: their
    sounds and their captions are paired anew by the model, which is held fixed. A projector behind each
    of its towers, which leaves vectors as they are at first, is then trained on the pairs
    (`core.contrastive.train_towers`), once for each kind of target and seed.

    ``method``, with cosines in the space of the model, prompts being the names of the test classes in
    `prompt`: "nearest": each sound with the `k` texts nearest to it. "nearest-specific": the same among
    the texts that hold a word of a test class's name and the part `share` of texts nearest to the
    prompts. "unspecific": every sound and text of cosine >= `threshold`. "specific": the given pairs
    whose caption has cosine >= `domain_threshold` to a prompt. "augmented": every sound and such caption
    of cosine >= `threshold`.
    """

    embedding: EmbedAudio
    #: `Dataset.labels_fingerprint` and `jobs.workspace.captions.captions_fingerprint`.
    labels: str
    captions: str
    #: Of the texts; "" for a model that was trained here, which has embedded its captions and class names.
    text_encoder: str = ""
    #: Filled in: what the text encoder's name stands for.
    identity: str = ""
    method: str = "nearest"
    k: int = 1
    share: float = 0.2
    #: By default as in `THRESHOLDS`.
    threshold: float | None = None
    domain_threshold: float = 0.7
    prompt: str = "this is a sound of {}"
    #: "clean" leaves out clips of which a caption names a test class, as in `ContrastiveGrid`.
    training: str = "dirty"
    #: As in `ContrastiveGrid`; a model that was trained here is judged as it was by its training.
    test_classes: tuple[str, ...] = ()
    test_share: float = 0.5
    targets: tuple[str, ...] = TARGETS
    #: Of the released soft targets: share of the teacher.
    beta: float = 0.3
    #: Of the softmax targets.
    target_temperature: float = 0.07
    n_seeds: int = 5
    seed: int = 0
    rate: float = 1e-3
    max_epochs: int = 40
    patience: int = 5
    batch_size: int = 128
    validation: float = 0.2

    _OF_METHOD: ClassVar[dict[str, tuple[str, ...]]] = {
        "k": ("nearest", "nearest-specific"),
        "share": ("nearest-specific",),
        "threshold": tuple(THRESHOLDS),
        "domain_threshold": ("specific", "augmented"),
    }

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError(f"embedding is {self.embedding!r}")
        for name, allowed in (("method", CURATIONS), ("training", TRAININGS)):
            if getattr(self, name) not in allowed:
                raise SpecError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}.")
        if not self.targets or not set(self.targets) <= set(TARGETS):
            raise SpecError(
                f"targets are {', '.join(map(str, self.targets)) or 'empty'}; give one or more of "
                f"{', '.join(TARGETS)}."
            )
        # What the method does not use cannot tell one result from another.
        for name, methods in self._OF_METHOD.items():
            if self.method not in methods:
                object.__setattr__(self, name, type(self).__dataclass_fields__[name].default)
        if self.threshold is None:
            object.__setattr__(self, "threshold", THRESHOLDS.get(self.method))
        object.__setattr__(self, "targets", tuple(t for t in TARGETS if t in self.targets))
        self._check_towers()
        between("k", self.k, 1, 1000)
        between("share", self.share, 0.001, 1)
        between("threshold", self.threshold or 0, -1, 1)
        between("domain_threshold", self.domain_threshold, -1, 1)
        between("beta", self.beta, 0, 1)
        between("target_temperature", self.target_temperature, 1e-3, 100)
        between("n_seeds", self.n_seeds, 1, 100)
        between("seed", self.seed, 0, 2**31 - 1)
        try:
            _ = self.recipe
        except ValueError as error:
            raise SpecError(str(error)) from None
        _ = self.split

    def _check_towers(self) -> None:
        source = self.embedding.source
        if source is None:
            if not self.identity:
                name = encoders.canonical(self.text_encoder or self.embedding.encoder, modality="text")
                object.__setattr__(self, "text_encoder", name)
                object.__setattr__(self, "identity", encoders.identity(name, modality="text"))
            if self.prompt.count("{}") != 1:
                raise SpecError(
                    f"prompt is {self.prompt!r}; it must hold {{}} once, where the class name goes."
                )
            return
        if not isinstance(source, ContrastiveGrid) or not self.embedding.run.startswith("Ea_"):
            raise SpecError(
                f"{self.embedding.encoder} has no texts in its space; choose E_a of a contrastive model, or "
                "an encoder of sounds and texts."
            )
        if self.text_encoder or self.test_classes:
            raise SpecError(
                f"{self.embedding.encoder} was trained with texts and test classes of its own; leave the "
                "text encoder and test classes out."
            )
        for name, given in (("labels", source.labels), ("captions", source.captions), ("prompt", "{}")):
            object.__setattr__(self, name, given)
        object.__setattr__(self, "test_share", source.test_share)

    @property
    def split(self) -> ContrastiveGrid:
        """How clips are divided into test and training: by the model's own training, or as one would."""
        if isinstance(self.embedding.source, ContrastiveGrid):
            return self.embedding.source
        return ContrastiveGrid(
            dataset=self.embedding.dataset,
            labels=self.labels,
            captions=self.captions,
            identity="none",
            test_classes=self.test_classes,
            test_share=self.test_share,
            pretraining=("none",),
            training=(self.training,),
            seed=self.seed,
        )

    @property
    def dataset(self) -> DatasetRef:
        """The dataset of the space."""
        return self.embedding.dataset

    @property
    def recipe(self) -> ContrastiveRecipe:
        """How the projectors are trained, as `core.contrastive.train_towers` takes it."""
        return ContrastiveRecipe(
            rate=self.rate,
            max_epochs=self.max_epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            validation=self.validation,
            captions_a_clip=1,
        )

    @property
    def seeds(self) -> range:
        """The seeds of the models of each kind of target."""
        return range(self.seed, self.seed + self.n_seeds)

    def inputs(self) -> tuple[Spec, ...]:
        source = self.embedding.source
        return (*super().inputs(), *([] if source is None else [source]))

    @property
    def title(self) -> str:
        seeds = f"{self.n_seeds} seed{'' if self.n_seeds == 1 else 's'}"
        return (
            f"curate {self.dataset.name} by {self.embedding.encoder} ({self.method}) and train on the pairs "
            f"({', '.join(self.targets)}; {seeds})"
        )
