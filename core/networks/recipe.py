"""How networks that are trained with losses are tuned."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.heads.recipe import HeadRecipe
from core.recipes import check, like, setting

_LOWEST = 1e-3  # share of the learning rate that a cosine ends with
#: How the learning rate goes on after its warm-up.
SCHEDULES = ("constant", "decay", "cosine")


@dataclass(frozen=True)
class Tuning:
    """How networks are trained, besides what `core.heads.HeadRecipe` says.

    The learning rate of an epoch is by `schedule` the recipe's; multiplied by `decay` after every epoch from
    the last of the warm-up (or the first of all) on; or along half a cosine over all epochs, the warm-up's
    included, down to a thousandth of the recipe's in the last.
    """

    optimizer: str = like(HeadRecipe, "optimizer", choices=("adamw", "adam"))
    frequency_mask: int = setting(
        24,
        "Bands that are hidden, at most",
        "Bands that SpecAugment hides, at most.",
        asked=(0, 128),
        words="masks of up to {frequency_mask} bands and {time_mask} frames",
        link="bands",
    )
    time_mask: int = setting(
        96,
        "Frames that are hidden, at most",
        "Frames of 10 ms that SpecAugment hides, at most.",
        asked=(0, 6000),
        link="frames",
    )
    warm_up: int = setting(
        0,
        "Epochs of warm-up",
        "Epochs in which a network's learning rate rises, a little with every step.",
        asked=(0, 10_000),
        words="{warm_up:epoch} of warm-up from {warm_up_from:g}",
        silent=0,
        link="warm",
    )
    warm_up_from: float = setting(
        0.0,
        "Learning rate that a warm-up begins with",
        "Learning rate that a warm-up begins with.",
        asked=(0.0, 1000.0),
    )
    schedule: str = setting(
        "constant",
        "Learning rate then",
        "How the learning rate goes on: constant, decay or cosine.",
        choices=SCHEDULES,
        words="a rate that goes on by “{schedule}”",
        silent="constant",
    )
    decay: float = setting(0.85, "Decay of the learning rate", asked=(0.01, 1.0))

    def __post_init__(self) -> None:
        check(self)

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
