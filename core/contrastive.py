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
from core._contrastive_recipe import PAPER, SMALL, ContrastiveRecipe, ModelPlan
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

        A recording is covered by windows of `ContrastiveRecipe.seconds`, as few as do, evenly spread; x_a is
        the mean of what the backbone gives for them, E_a the projection of that.

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
        Where to go on from, and to save to after epochs. What is found there of other plans, sounds,
        captions, backbones, seeds or recipe is not used.
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
    """Embed whole recordings by a backbone alone, (n, d) float32: x_a of `ContrastiveModel.embed_audio`."""
    raise NotImplementedError
