"""Training on pairs of sounds and texts that a two-tower model has curated, with hard and soft targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.contrastive.recipe import ContrastiveRecipe  # without torch, unlike core.contrastive
from core.recipes import check, like, setting
from core.words import count
from jobs import encoders
from jobs.tasks.contrastive_grid import TRAININGS, ContrastiveGrid
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import DatasetRef, Spec, SpecError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from jobs.engine.context import JobContext

#: Methods of curation: the first two are ours, the others those of the released code.
CURATIONS = ("nearest", "nearest-specific", "unspecific", "specific", "augmented")
#: Of the released methods that choose by cosine: the least cosine of a sound and a text.
THRESHOLDS = {"unspecific": 0.75, "augmented": 0.7}
#: What a batch's sounds and texts are to each other: own pairs alone, as the released code softens that, and
#: `core.curation.soft_targets`.
TARGETS = ("hard", "released", "softmax")
#: The model before it is trained any further, among the kinds of targets.
UNCURATED = "uncurated"
#: What is checked here; the rest is by the recipe.
_CHECKED = ("k", "share", "threshold", "domain_threshold", "beta", "target_temperature", "n_seeds", "seed")


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
    method: str = setting(
        CURATIONS[0],
        "Pairs",
        f"How pairs are chosen: {', '.join(CURATIONS)}; the last three as released.",
        choices=CURATIONS,
        names=(
            "the nearest captions",
            "the nearest captions of the test classes",
            "released: domain-unspecific",
            "released: domain-specific",
            "released: augmented",
        ),
    )
    k: int = setting(
        1,
        "Captions for each clip",
        "Number of texts for each sound, by the nearest methods.",
        asked=(1, 1000),
        option="-k",
        link="captions",
    )
    share: float = setting(
        0.2,
        "Share of the texts",
        "Part of the texts that is of the domain, by nearest-specific.",
        asked=(0.001, 1.0),
    )
    threshold: float | None = setting(
        None,
        "Least cosine of clip and caption",
        "Least cosine of sound and text.",
        asked=(-1.0, 1.0),
        usual=", ".join(f"{cosine:g} {method}" for method, cosine in THRESHOLDS.items()),
        step=0.05,
    )
    domain_threshold: float = setting(
        0.7,
        "Least cosine of caption and class",
        "Least cosine of a caption and a prompt.",
        asked=(-1.0, 1.0),
        link="domain",
        step=0.05,
    )
    prompt: str = setting("this is a sound of {}", "Prompt", "Sentence around a class name.")
    training: str = setting(
        TRAININGS[0],
        "Captions",
        "dirty, or clean: without captions that name a test class.",
        choices=TRAININGS,
        names=("all captions", "clean: none of a clip that names a test class"),
        link="pool",
    )
    #: Of a model that was trained here it is as it was by its training.
    test_classes: tuple[str, ...] = like(ContrastiveGrid, "test_classes")
    test_share: float = like(
        ContrastiveGrid, "test_share", help="Share of the test classes' clips that are held out."
    )
    targets: tuple[str, ...] = setting(
        TARGETS, "Targets", f"Kinds of targets, of {','.join(TARGETS)}.", choices=TARGETS, usual="all"
    )
    beta: float = setting(
        0.3, "Share of the teacher", "Share of the teacher, released targets.", asked=(0.0, 1.0)
    )
    target_temperature: float = setting(
        0.07, "Temperature of the targets", "Temperature of the softmax targets.", asked=(1e-3, 100.0)
    )
    n_seeds: int = setting(
        5,
        "Trainings of each kind",
        "Trainings of each kind of target.",
        asked=(1, 100),
        option="seeds",
        link="repeats",
    )
    seed: int = like(ContrastiveGrid, "seed", help="The first seed.")
    rate: float = like(ContrastiveRecipe, "rate", 1e-3, help="Learning rate.")
    max_epochs: int = like(ContrastiveRecipe, "max_epochs", 40, help="Epochs at most.")
    patience: int = like(ContrastiveRecipe, "patience", 5)
    batch_size: int = like(ContrastiveRecipe, "batch_size")
    validation: float = like(ContrastiveRecipe, "validation")

    _OF_METHOD: ClassVar[dict[str, tuple[str, ...]]] = {
        "k": ("nearest", "nearest-specific"),
        "share": ("nearest-specific",),
        "threshold": tuple(THRESHOLDS),
        "domain_threshold": ("specific", "augmented"),
    }

    def __post_init__(self) -> None:
        if not isinstance(self.embedding, EmbedAudio):
            raise TypeError(f"embedding is {self.embedding!r}")
        check(self, {"method", "training"}, asked=True, error=SpecError)
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
        check(self, _CHECKED, asked=True, error=SpecError)
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
        own = ("rate", "max_epochs", "patience", "batch_size", "validation")
        return ContrastiveRecipe(captions_a_clip=1, **{name: getattr(self, name) for name in own})

    @property
    def seeds(self) -> range:
        """The seeds of the models of each kind of target."""
        return range(self.seed, self.seed + self.n_seeds)

    def inputs(self) -> tuple[Spec, ...]:
        source = self.embedding.source
        return (*super().inputs(), *([] if source is None else [source]))

    @property
    def title(self) -> str:
        return (
            f"curate {self.dataset.name} by {self.embedding.encoder} ({self.method}) and train on the pairs "
            f"({', '.join(self.targets)}; {count(self.n_seeds, 'seed')})"
        )


def run(spec: CuratedTraining, context: JobContext) -> Result:
    """Compute `CuratedTraining`; training goes on from its checkpoint when the process was killed.

    Raises
    ------
    ValueError
        With one sentence: labels, captions or the text encoder have changed, sounds and texts are not in one
        space, or too few or too many pairs are near enough.
    """
    from jobs.tasks.contrastive.curation import curate_and_train

    return curate_and_train(spec, context)
