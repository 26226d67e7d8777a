"""How contrastive models are trained, and what each of a grid begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.contrastive.data import Teacher


@dataclass(frozen=True)
class ContrastiveRecipe:
    """How contrastive models are trained; the letters are the items of the paper's section 2.1.

    Attributes
    ----------
    dim : int
        D, of the shared space.
    projector : {"mlp", "clap"}
        "mlp": a hidden layer with ReLU and a linear one, which is what is done here with the paper's word
        "MLP". "clap": that of the public CLAP, two linear layers without biases, the second behind GELU, with
        dropout of 0.5 and around it a residual connection, and layer normalisation.
    hidden : int or None
        Width of the hidden layer of "mlp"; as `dim` if None. That of "clap" has `dim`.
    frozen_epochs : int
        (b) Epochs at the start in which backbones do not change.
    frozen_rate : float
        (c) Learning rate of Adam in these.
    rate : float
        (e) Learning rate of Adam, begun anew, after them.
    max_epochs : int
        Epochs altogether.
    patience : int
        (d, e) A model stops after so many epochs without a lower loss in validation, counted from the
        unfreezing on. The weights of its best epoch count, be it a frozen one.
    gradient_limit : float
        (f) Largest norm of the gradient of all weights together; a larger one is scaled down to it.
    clamp : float
        (g) Limit of the values of C.
    plateau_factor, plateau_patience : float, int
        (h) What the learning rate is multiplied by after more than so many epochs without a lower loss in
        validation, counted from the unfreezing or the last reduction on.
    sample_rate : int
        (i) In Hz.
    seconds : float
        (i) Of the crops: drawn anew in every epoch, and filled up with zeros where a recording is shorter.
    standardise : bool
        (i) Whether each crop is brought to mean 0 and variance 1.
    batch_size : int
        (j) In pairs. The last batch of an epoch holds what is left.
    validation : float
        Share of the pairs set aside for validation, from 0 to below 1; with 0 no model stops early, and the
        last epoch counts.
    validation_by : {"clip", "pair"}
        Set aside all captions of some clips, so that none of a validation clip is trained on, or any pairs,
        as the paper does.
    temperature : float
        τ at the start. C is E_a E_tᵀ / τ.
    learn_temperature : bool
        Whether τ is learned.
    tune_text : bool
        Whether the text backbone is trained after `frozen_epochs`, too, as the paper does. It needs one.
    captions_a_clip : int or None
        After `frozen_epochs`, take so many captions of each clip in an epoch, drawn anew, and not all.
    mixed_precision : {"auto", "off", "bfloat16"}
        Whether passes of networks are computed in bfloat16; "auto" is on a GPU alone.
    pretrain_epochs, pretrain_rate, pretrain_batch_size : int, float, int
        Of `pretrain`. The rate falls to 0 along a half cosine.
    """

    dim: int = 1024
    projector: str = "mlp"
    hidden: int | None = None
    frozen_epochs: int = 5
    frozen_rate: float = 1e-4
    rate: float = 1e-5
    max_epochs: int = 50
    patience: int = 20
    gradient_limit: float = 100.0
    clamp: float = 100.0
    plateau_factor: float = 0.1
    plateau_patience: int = 10
    sample_rate: int = 44_100
    seconds: float = 5.0
    standardise: bool = True
    batch_size: int = 128
    validation: float = 0.2
    validation_by: str = "clip"
    temperature: float = 0.07
    learn_temperature: bool = True
    tune_text: bool = False
    captions_a_clip: int | None = None
    mixed_precision: str = "auto"
    pretrain_epochs: int = 30
    pretrain_rate: float = 1e-3
    pretrain_batch_size: int = 32

    def __post_init__(self) -> None:
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if value is None and name in ("hidden", "captions_a_clip"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} is {value!r}; it must be a whole number from {least}.")
        for name in (*_POSITIVE, "validation"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise ValueError(f"{name} is {value!r}; it must be a number.")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number above 0.")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be True or False.")
        if self.projector == "clap" and self.hidden not in (None, self.dim):
            raise ValueError(
                f"hidden is {self.hidden}; the projector of CLAP is as wide as the space, {self.dim}: leave "
                "it out."
            )
        if not self.plateau_factor <= 1:
            raise ValueError(f"plateau_factor is {self.plateau_factor}; it must be at most 1.")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation is {self.validation}; it must be a share from 0 to below 1.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}."
                )


_WHOLE = {
    "dim": 1,
    "hidden": 1,
    "frozen_epochs": 0,
    "max_epochs": 1,
    "patience": 1,
    "plateau_patience": 0,
    "sample_rate": 1,
    "batch_size": 2,
    "captions_a_clip": 1,
    "pretrain_epochs": 1,
    "pretrain_batch_size": 2,
}
_POSITIVE = (
    "frozen_rate",
    "rate",
    "gradient_limit",
    "clamp",
    "plateau_factor",
    "seconds",
    "temperature",
    "pretrain_rate",
)
_SWITCHES = ("standardise", "learn_temperature", "tune_text")
_CHOICES = {
    "projector": ("mlp", "clap"),
    "validation_by": ("clip", "pair"),
    "mixed_precision": ("auto", "off", "bfloat16"),
}

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
        How well each pair fits, above 0, as `core.curation` gives it. The loss is then `soft_clip_loss`: what
        a sound and a caption of a batch are to each other is the weight of their pair, 0 if there is none.
    teacher : Teacher, optional
        Instead of weights, a space that says how well the sounds and captions of a batch fit.
    start : mapping of str to array, optional
        Weights that the projectors begin with, named as in `core.contrastive.ContrastiveModel.state`; by
        default they are drawn.
    """

    name: str
    backbone: str
    pairs: np.ndarray = field(repr=False)
    weights: np.ndarray | None = field(default=None, repr=False)
    teacher: Teacher | None = field(default=None, repr=False)
    start: Mapping[str, np.ndarray] | None = field(default=None, repr=False)
