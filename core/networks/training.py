"""Networks on log-mel spectrograms, trained as classifiers: what a loss makes of their embeddings.

As `core.heads`, but with a network in the place of the frozen space, whose weights are trained too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Unpack

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from core.heads.grid import Options, Task, make_grid
from core.heads.recipe import CURVES, HeadRecipe
from core.networks.cnn import SmallCNN, log_mel
from core.networks.data import Data, NetworkRun
from core.networks.model import Model
from core.networks.recipe import Tuning
from core.training.engine import Plan, train
from core.training.results import TrainingResult, fingerprint

#: The ADD paper's front end: Hz, bands, and seconds under the window and from one frame to the next.
SAMPLE_RATE, N_MELS, WINDOW, HOP = 16_000, 128, 0.025, 0.010


def paper_log_mel(waveforms: torch.Tensor, *, taper: str = "hann") -> torch.Tensor:
    """Log-mel spectrograms as the ADD paper has them: 128 bands, windows of 25 ms every 10 ms at 16 kHz.

    Parameters
    ----------
    waveforms : (b, t) tensor
        At 16 kHz.
    taper : {"hann", "povey"}
        Shape of the window: the paper has Hann's for AST and Povey's for BEATs.

    Returns
    -------
    (b, 128, 1 + t // 160) tensor
        In dB; `train_networks` brings it to mean 0 and deviation 0.5.

    Examples
    --------
    >>> paper_log_mel(torch.zeros(1, 16000)).shape
    torch.Size([1, 128, 101])
    """
    return log_mel(
        waveforms,
        sample_rate=SAMPLE_RATE,
        n_mels=N_MELS,
        window=round(WINDOW * SAMPLE_RATE),
        hop=round(HOP * SAMPLE_RATE),
        n_fft=512,
        fmin=20.0,
        taper=taper,
    )


class PooledCNN(nn.Module):
    """`core.networks.SmallCNN` on means over 2 bands and 4 frames: a tenth of the work.

    Parameters
    ----------
    n_mels : int, default 128
        At least 32.
    dim, width, seed : int
        As of `SmallCNN`.

    Examples
    --------
    >>> PooledCNN(dim=10)(torch.zeros(2, 128, 101)).shape
    torch.Size([2, 10])
    """

    def __init__(self, n_mels: int = N_MELS, *, dim: int = 128, width: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.network = SmallCNN(n_mels // 2, dim=dim, width=width, seed=seed)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Embed spectrograms (b, n_mels, frames), of 64 frames or more, as (b, dim)."""
        pooled: torch.Tensor = self.network.embed(F.avg_pool2d(mel.unsqueeze(1), (2, 4)).squeeze(1))
        return pooled


def train_networks(
    mel: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    backbone: Callable[[int], nn.Module],
    recipes: Sequence[HeadRecipe],
    tuning: Tuning | None = None,
    **options: Unpack[Options],
) -> list[NetworkRun]:
    """Train a network for every recipe, seed and fold, and judge it by the clips of that fold.

    The embeddings are a linear layer on what the backbone gives, and are classified linearly.

    Parameters
    ----------
    mel : (n, n_mels, frames) array_like
        Spectrograms of the clips, finite; may be mapped from a file. They are brought to mean 0 and deviation
        0.5 over the training clips of each fold.
    labels, folds : (n,) array_like
        As of `core.heads.train_heads`.
    backbone : callable
        By seed, a network that takes (b, n_mels, frames) and gives (b, network.dim).
    recipes : sequence of HeadRecipe
        `hidden`, `optimizer`, `momentum` and `standardise` do not matter here. Mixup mixes spectrograms.
    tuning : Tuning, optional
    **options
        See `core.heads.Options`.

    Returns
    -------
    list of NetworkRun
        Recipe after recipe, seed after seed, fold after fold. A model begins and is trained alike whatever is
        trained beside. One whose loss is no longer a number is marked as failed; others go on.

    Raises
    ------
    ValueError
        As of `core.heads.train_heads`.

    Examples
    --------
    >>> mel = np.repeat([[[0.0]], [[1.0]]], 4, axis=0) + np.arange(64 * 64).reshape(64, 64) % 2
    >>> runs = train_networks(
    ...     mel, ["low"] * 4 + ["high"] * 4, [1, 2] * 4,
    ...     backbone=lambda seed: PooledCNN(64, dim=4, width=2, seed=seed),
    ...     recipes=[HeadRecipe(loss="ce", dim=2, epochs=2)], seeds=[0], tuning=Tuning(time_mask=0),
    ... )
    >>> [(run.fold, run.tested.shape) for run in runs]
    [(1, (4, 2)), (2, (4, 2))]
    """
    data, tuning = Data(mel, labels, folds), tuning or Tuning()
    grid = make_grid(recipes, data.folds, len(data.mel), options)
    shapes = [(name, tuple(w.shape)) for name, w in backbone(grid.tasks[0].seed).state_dict().items()]
    what = fingerprint(
        *(data.fingerprint, shapes),
        *((t.recipe, tuning, t.seed, t.fold.name, t.kept) for t in grid.tasks),
        *(t.fold.test for t in grid.tasks),
        *(grid.epochs, grid.rows),
    )
    plans = [
        Plan(f"network-{i:05d}", (i,), partial(Model, i, data, grid, tuning, backbone))
        for i in range(len(grid.tasks))
    ]
    work = [np.arange(t.recipe.epochs + 1) for t in grid.tasks]
    results = train(plans, work, what, grid.session)
    return [_run(data, task, result) for task, result in zip(grid.tasks, results, strict=True)]


def _run(data: Data, task: Task, result: TrainingResult) -> NetworkRun:
    test, kept = task.fold.test, result.extra
    nothing = np.empty((0, task.recipe.dim), dtype=np.float32)
    return NetworkRun(
        recipe=task.recipe,
        seed=task.seed,
        fold=task.fold.name,
        classes=data.classes,
        rows=test,
        targets=data.codes[test],
        predictions=kept.get("predictions", np.empty(0, dtype=np.int64)),
        curves=dict(zip(CURVES, result.curves, strict=True)),
        weights=result.weights,
        embeddings=kept.get("embeddings", nothing),
        kept=kept["kept"],
        failed=result.failed,
        before=kept["before"],
        tested=kept.get("tested", nothing),
    )
