"""Results of contrastive training and pre-training: networks with their curves, and what they embed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from core.contrastive.data import Pairs, Sounds, prepared, windows
from core.contrastive.input import check_sounds, chosen_rows, text_vectors
from core.contrastive.model import Heads, Material, Task, precision
from core.contrastive.recipe import ContrastiveRecipe, ModelPlan
from core.training.results import TrainingResult
from core.training.threads import default_device, fixed_threads, operation_threads
from core.training.weights import load, weights_of

_PASSES = 64  # windows that go through a network at a time

#: The curves of a model, in this order where they are stacked.
CURVES = ("loss", "validation_loss", "temperature", "rate", "gradient_norm")

#: The curves of a backbone's pre-training, in this order where they are stacked.
PRETRAINING_CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy")


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
        Why the training failed; "" if it did not.
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
        `train` and `validation`, (p, 2) each.
    curves : dict of (max_epochs,) float32 arrays
        `CURVES`, NaN after the model stopped: mean loss of the batches, as met; loss in validation and τ
        after the epoch; learning rate in it; mean norm of the gradient before it was limited.
    best_epoch : int
        The epoch, from 1, that the weights are of; 0 if the model failed.
    epochs : int
        Epochs that it was trained for.
    stopped : str
        Why it ended before `max_epochs`; "" if it did not.
    failed : str
        Why training failed, with epoch and seed; "" if it did not.
    audio, audio_projector, text_projector : nn.Module
        On the CPU, in evaluation mode.
    text : nn.Module or None
        The text backbone, where one was given: that one itself if it was not trained.
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
        return float(self.curves["temperature"][self.best_epoch - 1]) if self.best_epoch else float("nan")

    def state(self) -> dict[str, np.ndarray]:
        """Weights by name: ``audio.``, ``audio_projector.``, ``text_projector.`` and, if tuned, ``text.``."""
        parts = {
            "audio": self.audio,
            "audio_projector": self.audio_projector,
            "text_projector": self.text_projector,
        }
        if self.text is not None and self.recipe.tune_text:
            parts["text"] = self.text
        return weights_of(parts)

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
        self._check()
        x_a = embed_sounds(self.audio, sounds, rows, recipe=self.recipe, device=device)
        return x_a, _projected(self.audio_projector, x_a)

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
        self._check()
        x_t, _ = text_vectors(captions, self.text, self.recipe, device or default_device())
        width = int(self.text_projector.state_dict()["first.weight"].shape[1])
        if x_t.shape[1] != width:
            raise ValueError(f"captions have {x_t.shape[1]} dimensions; the model was trained on {width}.")
        return x_t, _projected(self.text_projector, x_t)

    def _check(self) -> None:
        if self.failed:
            raise ValueError(f"{self.plan.name} failed in training and embeds nothing. {self.failed}")


def embed_sounds(
    network: nn.Module,
    sounds: Sounds,
    rows: ArrayLike | None = None,
    *,
    recipe: ContrastiveRecipe,
    device: str | None = None,
) -> np.ndarray:
    """Embed whole recordings by a backbone alone, (n, d) float32: x_a of `ContrastiveModel.embed_audio`."""
    device = device or default_device()
    check_sounds(sounds, {"": network}, recipe)
    chosen = chosen_rows(rows, len(sounds.lengths))
    starts = [windows(int(sounds.lengths[row]), recipe) for row in chosen]
    owner = np.repeat(np.arange(len(chosen)), [len(s) for s in starts])
    begin = np.concatenate(starts)
    size = round(recipe.seconds * recipe.sample_rate)
    moved = copy.deepcopy(network).to(device).eval()
    sums = np.zeros((len(chosen), int(network.dim)), dtype=np.float64)  # type: ignore[arg-type]
    with fixed_threads(operation_threads([network], device)), torch.no_grad():
        for first in range(0, len(begin), _PASSES):
            part = slice(first, first + _PASSES)
            crops = prepared(sounds.crop(chosen[owner[part]], begin[part], size), recipe)
            with precision(recipe, device):
                passed = moved(torch.from_numpy(crops).to(device))
            np.add.at(sums, owner[part], passed.float().cpu().numpy())
    return (sums / np.bincount(owner, minlength=len(chosen))[:, None]).astype(np.float32)


def failed_model(
    plan: ModelPlan, why: str, *, backbone: nn.Module, text_dim: int, recipe: ContrastiveRecipe, seed: int
) -> ContrastiveModel:
    """Return a model that was never trained, such as one whose backbone could not be pre-trained.

    Parameters
    ----------
    plan : ModelPlan
    why : str
        What it has for `ContrastiveModel.failed`.
    backbone : nn.Module
        Of the size that it would have had.
    text_dim : int
        d_t.
    recipe : ContrastiveRecipe
    seed : int

    Returns
    -------
    ContrastiveModel
        Without pairs; its curves are NaN.

    Examples
    --------
    >>> from core.networks import SmallCNN
    >>> from core.contrastive.recipe import SMALL
    >>> plan = ModelPlan("dirty/clean", "dirty", np.empty((0, 2), np.int64))
    >>> model = failed_model(plan, "It had to be.", backbone=SmallCNN(16), text_dim=8, recipe=SMALL, seed=0)
    >>> model.failed, model.epochs, len(model.pairs.train)
    ('It had to be.', 0, 0)
    """
    audio = copy.deepcopy(backbone).to("cpu").eval().requires_grad_(False)
    heads = Heads(int(audio.dim), text_dim, recipe, seed).eval().requires_grad_(False)  # type: ignore[arg-type]
    nothing = np.empty((0, 2), dtype=np.int64)
    return ContrastiveModel(
        plan=plan,
        recipe=recipe,
        seed=seed,
        pairs=Pairs(nothing, nothing),
        curves={name: np.full(recipe.max_epochs, np.nan, dtype=np.float32) for name in CURVES},
        best_epoch=0,
        epochs=0,
        stopped="",
        failed=why,
        audio=audio,
        audio_projector=heads.audio_projector,
        text_projector=heads.text_projector,
    )


def finished(
    task: Task,
    material: Material,
    trained: TrainingResult,
    backbones: Mapping[str, nn.Module],
    text_backbone: nn.Module | None,
) -> ContrastiveModel:
    """Return the networks of a model with the weights that training gave it."""
    audio = copy.deepcopy(backbones[task.plan.backbone])
    text = copy.deepcopy(text_backbone) if material.recipe.tune_text else text_backbone
    heads = Heads(int(audio.dim), material.x_t.shape[1], material.recipe, task.seed)  # type: ignore[arg-type]
    load({"heads": heads, "audio": audio} | ({} if text is None else {"text": text}), trained.weights)
    for network in (audio, heads, *([text] if material.recipe.tune_text and text is not None else [])):
        network.to("cpu").eval().requires_grad_(False)
    return ContrastiveModel(
        plan=task.plan,
        recipe=material.recipe,
        seed=task.seed,
        pairs=task.pairs,
        curves=dict(zip(CURVES, trained.curves, strict=True)),
        best_epoch=trained.best_epoch,
        epochs=trained.epochs,
        stopped=trained.stopped,
        failed=trained.failed,
        audio=audio,
        audio_projector=heads.audio_projector,
        text_projector=heads.text_projector,
        text=text,
    )


def _projected(projector: nn.Module, x: np.ndarray) -> np.ndarray:
    with fixed_threads(), torch.no_grad():
        return projector(torch.tensor(x)).numpy()  # a copy, in memory that is laid out alike every time
