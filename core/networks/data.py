"""What networks that are trained with losses learn from, how, and what a trained one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes
from core.heads.data import Fold, named_folds
from core.heads.recipe import HeadRecipe, HeadRun
from core.training.results import fingerprint

#: Deviation of spectrograms over the training clips; their mean is 0.
DEVIATION = 0.5
_LOWEST = 1e-3  # share of the learning rate that a cosine ends with


@dataclass(frozen=True)
class Tuning:
    """How networks are trained, besides what `core.heads.HeadRecipe` says.

    Attributes
    ----------
    optimizer : {"adamw", "adam"}
        In the place of the recipe's: whether weight decay goes beside the gradient or into it.
    frequency_mask, time_mask : int
        The most bands and frames that SpecAugment hides of a clip; see `core.networks.spec_augment`.
    warm_up : int
        Epochs in which the learning rate goes from `warm_up_from` to where the schedule has it in the last of
        them, a little with every step.
    warm_up_from : float
        A learning rate, which may be above the recipe's.
    schedule : {"constant", "decay", "cosine"}
        The learning rate of an epoch: the recipe's; multiplied by `decay` after every epoch from the last of
        the warm-up (or the first of all) on; or along half a cosine over all epochs, the warm-up's included,
        down to a thousandth of the recipe's in the last.
    decay : float
    """

    optimizer: str = "adamw"
    frequency_mask: int = 24
    time_mask: int = 96
    warm_up: int = 0
    warm_up_from: float = 0.0
    schedule: str = "constant"
    decay: float = 0.85

    def __post_init__(self) -> None:
        for name, allowed in (
            ("optimizer", ("adamw", "adam")),
            ("schedule", ("constant", "decay", "cosine")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}."
                )

    def rate(self, full: float, epoch: int, epochs: int, through: float = 1.0) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        full : float
            The recipe's.
        epoch, epochs : int
            From 1, and how many there are.
        through : float
            Share of the epoch's steps that are done with this one.

        Examples
        --------
        >>> tuning = Tuning(warm_up=2, schedule="decay", decay=0.5)
        >>> [tuning.rate(1.0, epoch, 10) for epoch in (1, 2, 3, 4)]
        [0.5, 1.0, 0.5, 0.25]
        """
        if epoch > self.warm_up:
            return self._scheduled(full, epoch, epochs)
        to = self._scheduled(full, self.warm_up, epochs)
        return self.warm_up_from + (epoch - 1 + through) / self.warm_up * (to - self.warm_up_from)

    def _scheduled(self, full: float, epoch: int, epochs: int) -> float:
        if self.schedule == "decay":
            return full * float(self.decay ** (epoch - max(self.warm_up, 1)))
        if self.schedule == "cosine":
            low = full * _LOWEST
            return low + (full - low) * (1 + math.cos(math.pi * epoch / epochs)) / 2
        return full


@dataclass(frozen=True, kw_only=True)
class NetworkRun(HeadRun):
    """A trained network and how it fared; `weights` are empty where its embeddings are not kept.

    They are named as in a state of torch: ``backbone.``, ``embedding.`` and ``classes.``, with ``mel.mean``
    and ``mel.scale``, which spectrograms are reduced by and divided by.

    Attributes
    ----------
    before, tested : (n_test, dim) float32 arrays
        Embeddings of the clips of the fold, before and after training; `tested` is empty if it failed.
    """

    before: np.ndarray
    tested: np.ndarray


@dataclass(frozen=True)
class Plan:
    """One model to train; `kept` are epochs and rows whose embeddings are kept."""

    recipe: HeadRecipe
    tuning: Tuning
    seed: int
    fold: Fold
    kept: tuple[np.ndarray, np.ndarray] | None


class Data:
    """Spectrograms, classes and folds, checked once; scales are measured once a fold."""

    def __init__(
        self, mel: ArrayLike, labels: ArrayLike, folds: ArrayLike, held_out: Sequence[object] | None
    ) -> None:
        self.mel = mel if isinstance(mel, np.ndarray) else np.asarray(mel)
        if self.mel.ndim != 3 or self.mel.dtype.kind not in "fiu" or not self.mel.size:
            raise ValueError(
                f"mel has shape {self.mel.shape} and type {self.mel.dtype}; it must be numbers, "
                "(n, n_mels, frames)."
            )
        n = len(self.mel)
        self.classes, self.codes = class_codes(labels, n)
        if len(self.classes) < 2:
            raise ValueError(
                f"All clips are of the class {self.classes.tolist()[0]!r}; a classifier needs two or more."
            )
        self.folds = named_folds(folds, n, held_out)
        # Sums of each clip, so that the scale of every fold's training clips costs nothing.
        self._sums = np.array([(x.sum(), (x * x).sum()) for x in (m.astype(np.float64) for m in self.mel)])
        bad = np.flatnonzero(~np.isfinite(self._sums).all(axis=1))
        if len(bad):
            raise ValueError(f"Row {bad[0]} of mel holds a value that is not finite.")
        self.fingerprint = fingerprint(self.mel.shape, self.classes.tolist(), self._sums, self.codes)

    def scale(self, fold: Fold) -> tuple[float, float]:
        """Return what spectrograms are reduced by and divided by."""
        total, squares = self._sums[fold.train].sum(axis=0) / (len(fold.train) * self.mel[0].size)
        spread = math.sqrt(max(squares - total**2, 0.0))
        return float(total), spread / DEVIATION if spread > 1e-12 * abs(total) else 1.0
