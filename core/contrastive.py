"""Two branches, one of sounds and one of texts, that training brings together (CLAP).

Audio backbone → x_a (n, d_a) → projector → E_a (n, D) of unit length; text backbone → x_t (C, d_t) →
projector → E_t (C, D). Backbones are frozen at first, then trained as well. Several models train as one grid,
in which those that share a backbone share its passes while it is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from core._contrastive_data import Pairs, Sounds, Waveforms
from core._training import Checkpoint, Progress

__all__ = [
    "CURVES",
    "PAPER",
    "PRETRAINING_CURVES",
    "SMALL",
    "Checkpoint",
    "ContrastiveModel",
    "ContrastiveRecipe",
    "ModelPlan",
    "Pretrained",
    "Progress",
    "Sounds",
    "Watch",
    "Waveforms",
    "embed_sounds",
    "pretrain",
    "train_grid",
    "train_model",
]

#: The curves of a model, in this order where they are stacked.
CURVES = ("loss", "validation_loss", "temperature", "rate", "gradient_norm")

#: The curves of a backbone's pre-training, in this order where they are stacked.
PRETRAINING_CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy")

#: Called after every epoch of any model with the curves so far, (models, 5, epochs) float32, NaN where none.
Watch = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class ContrastiveRecipe:
    """How contrastive models are trained; the letters are the items of the paper's section 2.1.

    Attributes
    ----------
    dim : int
        D, of the shared space.
    hidden : int or None
        Width of the projectors' hidden layer with ReLU; as `dim` if None.
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
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number above 0.")
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
_CHOICES = {"validation_by": ("clip", "pair"), "mixed_precision": ("auto", "off", "bfloat16")}

#: What the paper did.
PAPER = ContrastiveRecipe(tune_text=True, validation_by="pair")

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
    """

    name: str
    backbone: str
    pairs: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A backbone that was trained to classify.

    Attributes
    ----------
    network : nn.Module
        The backbone, on the CPU, in evaluation mode: of the epoch with the lowest loss in validation, or of
        the last one without validation.
    curves : dict of (epochs,) float32 arrays
        `PRETRAINING_CURVES`; loss and accuracy as met while the epoch went on.
    classes : tuple of str
    best_epoch : int
        From 1; 0 if it failed.
    failed : str
        Why the training ended with weights that are no use; "" if they are.
    """

    network: nn.Module
    curves: dict[str, np.ndarray]
    classes: tuple[str, ...]
    best_epoch: int
    failed: str = ""


@dataclass(frozen=True, eq=False)
class ContrastiveModel:
    """A trained model.

    Attributes
    ----------
    plan : ModelPlan
    recipe : ContrastiveRecipe
    seed : int
    pairs : Pairs
        `train` and `validation`, (p, 2) each: what was trained on and what was not.
    curves : dict of (max_epochs,) float32 arrays
        `CURVES`, NaN after the model stopped: mean loss of the batches, as met; loss in validation, τ and
        learning rate after the epoch; mean norm of the gradient before it was limited.
    best_epoch : int
        The epoch, from 1, that the weights are of; 0 if the model failed.
    epochs : int
        Epochs that it was trained for.
    stopped : str
        Why it ended before `max_epochs`; "" if it did not.
    failed : str
        Why there is no model, with epoch and seed; "" if there is.
    audio, audio_projector, text_projector : nn.Module
        On the CPU, in evaluation mode.
    text : nn.Module or None
        The text backbone, where one was given.
    """

    plan: ModelPlan
    recipe: ContrastiveRecipe
    seed: int
    pairs: Pairs
    curves: dict[str, np.ndarray]
    best_epoch: int
    epochs: int
    stopped: str
    failed: str
    audio: nn.Module
    audio_projector: nn.Module
    text_projector: nn.Module
    text: nn.Module | None = None

    @property
    def temperature(self) -> float:
        """τ in the best epoch; NaN if the model failed."""
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        """Weights by name: ``audio.``, ``audio_projector.``, ``text_projector.`` and, if tuned, ``text.``."""
        raise NotImplementedError

    def embed_audio(
        self, sounds: Sounds, rows: ArrayLike | None = None, *, device: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed whole recordings.

        A recording is covered by windows of `ContrastiveRecipe.seconds`, as few as do, evenly spread; x_a is the
        mean of what the backbone gives for them, E_a the projection of that.

        Parameters
        ----------
        sounds : Sounds
            At the recipe's sample rate.
        rows : (n,) array_like of int, optional
            Which, by default all.
        device : str, optional
            A GPU if torch finds one, else ``"cpu"``.

        Returns
        -------
        x_a : (n, d_a) float32 array
        E_a : (n, D) float32 array
            Of unit length.

        Raises
        ------
        ValueError
            If the model failed, or the sounds have another sample rate.
        """
        raise NotImplementedError

    def embed_text(
        self, captions: ArrayLike | Sequence[str], *, device: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed texts.

        Parameters
        ----------
        captions : (C, d_t) array_like, or (C,) sequence of str where the model has a text backbone
        device : str, optional

        Returns
        -------
        x_t : (C, d_t) float32 array
            Of the text backbone as training left it, or the vectors given.
        E_t : (C, D) float32 array
            Of unit length.

        Raises
        ------
        ValueError
            If the model failed, for vectors of another width, or texts where it has no text backbone.
        """
        raise NotImplementedError


def pretrain(
    backbone: nn.Module,
    sounds: Sounds,
    labels: Sequence[str] | np.ndarray,
    *,
    rows: ArrayLike | None = None,
    recipe: ContrastiveRecipe | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    watch: Callable[[np.ndarray], object] | None = None,
    checkpoint: Checkpoint | None = None,
    device: str | None = None,
) -> Pretrained:
    """Train a copy of a backbone to classify recordings, as PANNs' is on AudioSet.

    Parameters
    ----------
    backbone : nn.Module
        Waveforms (b, t) in, (b, d) out, `dim` saying d; see `core.audio_networks`. It stays as it is.
    sounds : Sounds
        At the recipe's sample rate.
    labels : (n,) sequence of str
        The class of each recording; of those that are not in `rows`, anything.
    rows : (m,) array_like of int, optional
        Which recordings are trained on, by default all.
    recipe : ContrastiveRecipe, optional
        Its crops, `validation` (by clip, of each class), gradient limit, mixed precision and ``pretrain_``
        settings.
    seed : int, default 0
    progress : callable, optional
        Called with recordings passed and to pass.
    watch : callable, optional
        Called after every epoch with the curves so far, (4, epochs) float32, NaN where none.
    checkpoint : Checkpoint, optional
        Where to go on from, and to save to after epochs. What is found there of another training is not used.
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.

    Returns
    -------
    Pretrained

    Raises
    ------
    ValueError
        For labels that do not fit, fewer than two classes, sounds of another sample rate or too short crops.
    """
    raise NotImplementedError


def train_model(
    plan: ModelPlan,
    sounds: Sounds,
    captions: ArrayLike | Sequence[str],
    *,
    backbones: Mapping[str, nn.Module],
    text_backbone: nn.Module | None = None,
    recipe: ContrastiveRecipe | None = None,
    seed: int = 0,
    device: str | None = None,
) -> ContrastiveModel:
    """Train one model by a plain loop over batches: what `train_grid` gives, slowly and easy to follow.

    Parameters and result are those of `train_grid`.
    """
    raise NotImplementedError


def train_grid(
    plans: Sequence[ModelPlan],
    sounds: Sounds,
    captions: ArrayLike | Sequence[str],
    *,
    backbones: Mapping[str, nn.Module],
    text_backbone: nn.Module | None = None,
    recipe: ContrastiveRecipe | None = None,
    seeds: Sequence[int],
    progress: Progress | None = None,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
    device: str | None = None,
) -> list[ContrastiveModel]:
    """Train several models on parts of the same sounds and captions.

    Parameters
    ----------
    plans : sequence of ModelPlan
    sounds : Sounds
        At the recipe's sample rate.
    captions : (c, d_t) array_like, or (c,) sequence of str where `text_backbone` is given
        x_t of each caption, or the captions themselves.
    backbones : mapping of str to nn.Module
        Audio backbones as they begin: waveforms (b, t) in, (b, d) out, `dim` saying d. They stay as they are.
    text_backbone : nn.Module, optional
        A list of texts in, (b, d_t) out, `dim` saying d_t. It stays as it is.
    recipe : ContrastiveRecipe, optional
    seeds : sequence of int
        One for each plan, from 0: what projectors begin with, crops, the order of pairs and their split.
    progress : callable, optional
        Called with work done and to do, of all models together, from the first batch on. A model that stops
        early has done its work.
    watch : callable, optional
        Called after every epoch of any model with the curves so far, (models, 5, epochs) float32.
    checkpoint : Checkpoint, optional
        Where to go on from, and to save to after epochs. What is found there of other plans, sounds, captions,
        seeds or recipe is not used.
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.

    Returns
    -------
    list of ContrastiveModel
        In the order of `plans`. A model whose loss is no longer a number is marked as failed; others go on.

    Raises
    ------
    ValueError
        For plans, seeds and captions that do not fit, a plan with fewer than two pairs to train on or to
        validate, sounds of another sample rate, or `tune_text` without a text backbone.
    """
    raise NotImplementedError


def embed_sounds(
    network: nn.Module,
    sounds: Sounds,
    rows: ArrayLike | None = None,
    *,
    recipe: ContrastiveRecipe,
    device: str | None = None,
) -> np.ndarray:
    """Embed whole recordings by a backbone alone, (n, d) float32: x_a as `ContrastiveModel.embed_audio` has it."""
    raise NotImplementedError
