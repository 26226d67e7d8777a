"""How contrastive models are trained, and what each of a grid begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.recipes import check, setting

if TYPE_CHECKING:
    from core.contrastive.data import Teacher


_RATE: dict[str, Any] = {"asked": (1e-8, 1.0), "step": 1e-5}


@dataclass(frozen=True, kw_only=True)
class ContrastiveRecipe:
    """How contrastive models are trained; items in the sources are those of the paper's section 2.1."""

    dim: int = setting(
        1024,
        "Dimensions of E",
        "Dimensions of the shared space.",
        low=1,
        asked=(2, 4096),
        words="{dim:,} dimensions",
    )
    hidden: int | None = setting(
        None,
        "Hidden width of the projector",
        "Width of the hidden layer of mlp; as dim if none. That of clap has dim.",
        low=1,
    )
    projector: str = setting(
        "mlp",
        "Projector",
        "mlp: a hidden layer with ReLU and a linear one. clap: that of the public CLAP, two linear layers "
        "without biases, the second behind GELU, with dropout of 0.5 and around it a residual connection, "
        "and layer normalisation.",
        source="The paper says MLP.",
        choices=("mlp", "clap"),
        words="by the projector of CLAP",
        silent="mlp",
    )
    frozen_epochs: int = setting(
        5,
        "Epochs with frozen backbones",
        "Epochs at the start in which backbones do not change.",
        source="Item (b) of the paper.",
        low=0,
        asked=(0, 1000),
        words="{frozen_epochs} frozen epochs at {frozen_rate:g}",
    )
    frozen_rate: float = setting(
        1e-4,
        "Learning rate, frozen",
        "Learning rate of Adam in the epochs with frozen backbones.",
        source="Item (c) of the paper.",
        above=0,
        **_RATE,
    )
    rate: float = setting(
        1e-5,
        "Learning rate, then",
        "Learning rate of Adam, started anew, after the epochs with frozen backbones.",
        source="Item (e) of the paper.",
        above=0,
        words="up to {max_epochs} at {rate:g}",
        **_RATE,
    )
    max_epochs: int = setting(50, "Epochs at most", "Epochs altogether.", low=1, asked=(1, 1000))
    patience: int = setting(
        20,
        "Patience, in epochs",
        "Stop after so many epochs without a lower loss in validation, counted from the unfreezing on. The "
        "weights of the best epoch count, be it a frozen one.",
        source="Item (d, e) of the paper.",
        low=1,
        asked=(1, 1000),
    )
    gradient_limit: float = setting(
        100.0,
        "Limit of the gradient",
        "Largest norm of the gradient of all weights together; a larger one is scaled down to it.",
        source="Item (f) of the paper.",
        above=0,
    )
    clamp: float = setting(
        100.0, "Limit of the logits", "Limit of the values of C.", source="Item (g) of the paper.", above=0
    )
    plateau_factor: float = setting(
        0.1,
        "Factor at a plateau",
        "What the learning rate is multiplied by at a plateau.",
        source="Item (h) of the paper.",
        above=0,
        high=1,
    )
    plateau_patience: int = setting(
        10,
        "Patience at a plateau",
        "Epochs without a lower loss in validation, counted from the unfreezing or the last reduction on, "
        "after more than which the loss is at a plateau.",
        source="Item (h) of the paper.",
        low=0,
    )
    sample_rate: int = setting(
        44_100,
        "Sample rate in Hz",
        "Hz that clips are resampled to.",
        source="Item (i) of the paper.",
        low=1,
        asked=(1000, 96_000),
    )
    seconds: float = setting(
        5.0,
        "Length of the crops in s",
        "Length of the crops: drawn anew in every epoch, and filled up with zeros where a recording is "
        "shorter.",
        source="Item (i) of the paper.",
        above=0,
        asked=(0.25, 60.0),
        step=0.25,
        words="crops of {seconds:g} s at {sample_rate:,} Hz",
    )
    standardise: bool = setting(
        True,
        "Standardise crops",
        "Bring each crop to mean 0 and variance 1.",
        source="Item (i) of the paper.",
    )
    batch_size: int = setting(
        128,
        "Batch size, in pairs",
        "Pairs a step; the last batch of an epoch holds what is left.",
        source="Item (j) of the paper.",
        low=2,
        asked=(2, 4096),
        words="batches of {batch_size}",
    )
    validation: float = setting(
        0.2,
        "Share for validation",
        "Share of the pairs set aside for validation; with 0 no model stops early, and the last epoch "
        "counts.",
        low=0,
        below=1,
        words="{validation:.0%} for validation by {validation_by}",
    )
    validation_by: str = setting(
        "clip",
        "Validation split",
        "Set aside by clip, all captions of some, so that none of a validation clip is trained on; or by "
        "pair, as the paper does.",
        choices=("clip", "pair"),
        names=("by clip", "by pair, as the paper"),
        link="by",
    )
    temperature: float = setting(
        0.07, "Temperature", "τ at the start; C is the cosines of sounds and texts divided by τ.", above=0
    )
    learn_temperature: bool = setting(True, "Learn the temperature")
    tune_text: bool = setting(
        False,
        "Tune the text backbone",
        "Train the text backbone, too, after the frozen epochs, as the paper does, or not.",
        option="--tune-text/--keep-text",
        words="a tuned text backbone",
        silent=False,
    )
    captions_a_clip: int | None = setting(
        None,
        "Captions a clip",
        "After the frozen epochs, take so many captions of each clip in an epoch, drawn anew, and not all.",
        low=1,
    )
    mixed_precision: str = setting(
        "auto",
        "Mixed precision",
        "Whether passes of networks are computed in bfloat16; auto is on a GPU alone.",
        choices=("auto", "off", "bfloat16"),
    )
    pretrain_epochs: int = setting(
        30, "Epochs of pre-training", "Epochs of pre-training.", low=1, asked=(1, 1000)
    )
    pretrain_rate: float = setting(
        1e-3, "Learning rate of pre-training", "It falls to 0 along a half cosine.", above=0
    )
    pretrain_batch_size: int = setting(32, "Batch size of pre-training", low=2)

    def __post_init__(self) -> None:
        check(self)
        if self.projector == "clap" and self.hidden not in (None, self.dim):
            raise ValueError(
                f"hidden is {self.hidden}; the projector of CLAP is as wide as the space, {self.dim}: leave "
                "it out."
            )


#: What the paper says.
PAPER = ContrastiveRecipe(tune_text=True, validation_by="pair")

#: The same with the projector of the public CLAP, which the paper reproduces and does not describe.
CLAP = replace(PAPER, projector="clap")

#: What two cores can do: a lower sample rate, shorter crops, fewer and faster epochs.
SMALL = ContrastiveRecipe(
    dim=128,
    frozen_rate=1e-3,
    rate=3e-4,
    max_epochs=25,
    patience=6,
    plateau_patience=3,
    sample_rate=16_000,
    seconds=2.0,
    batch_size=64,
    captions_a_clip=1,
    pretrain_epochs=15,
)


@dataclass(frozen=True)
class ModelPlan:
    """One model of a grid.

    Attributes
    ----------
    name : str
        For people: "dirty/clean".
    backbone : str
        Which of the grid's backbones it begins with. Models with the same one and the same seed share its
        passes while it is frozen.
    pairs : (p, 2) int64 array
        Row of the sound and row of the caption, of each pair that may be trained on or validate.
    weights : (p,) array, optional
        How well each pair fits, above 0, as `core.curation` gives it. The loss is then `soft_clip_loss`: a
        sound and a caption of a batch fit by the weight of their pair, 0 if they are no pair.
    teacher : Teacher, optional
        Instead of weights, a space that says how well the sounds and captions of a batch fit.
    start : mapping of str to array, optional
        Initial weights of the projectors, named as in `core.contrastive.ContrastiveModel.state`; by
        default they are drawn.
    """

    name: str
    backbone: str
    pairs: np.ndarray = field(repr=False)
    weights: np.ndarray | None = field(default=None, repr=False)
    teacher: Teacher | None = field(default=None, repr=False)
    start: Mapping[str, np.ndarray] | None = field(default=None, repr=False)
