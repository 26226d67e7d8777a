"""Networks on log-mel spectrograms, trained as classifiers: what a loss makes of their embeddings.

As `core.heads`, but with a network in the place of the frozen space, whose weights are trained too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from core.heads import CURVES, HeadRecipe
from core.heads.data import check_seeds
from core.networks.cnn import SmallCNN, log_mel
from core.networks.data import Data, NetworkRun, Plan, Tuning
from core.networks.model import Model
from core.training import engine as training
from core.training.engine import Progress, Watch, train
from core.training.results import Checkpoint, TrainingResult, fingerprint
from core.training.threads import default_device

__all__ = ["NetworkRun", "PooledCNN", "Tuning", "paper_log_mel", "train_networks"]

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
    seeds: Sequence[int] = (0, 1, 2),
    held_out: Sequence[object] | None = None,
    keep_epochs: Sequence[int] = (),
    keep_rows: ArrayLike | None = None,
    keep_models: Callable[[int, object], bool] | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[NetworkRun]:
    """Train a network for every recipe, seed and fold, and judge it by the clips of that fold.

    The embeddings are a linear layer on what the backbone gives, and are classified linearly.

    Parameters
    ----------
    mel : (n, n_mels, frames) array_like
        Spectrograms of the clips, finite; may be mapped from a file. They are brought to mean 0 and deviation
        0.5 over the training clips of each fold.
    labels, folds : (n,) array_like
        As of `core.heads.train_heads`, and so are `seeds`, `held_out`, `keep_epochs`, `keep_rows`,
        `keep_models` and `watch`.
    backbone : callable
        By seed, a network that takes (b, n_mels, frames) and gives (b, network.dim).
    recipes : sequence of HeadRecipe
        `hidden`, `optimizer`, `momentum` and `standardise` do not matter here. Mixup mixes spectrograms.
    tuning : Tuning, optional
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.
    progress : callable, optional
        Called with the epochs done and to do, of all models together.
    checkpoint : Checkpoint, optional
        As of `core.heads.train_heads`.

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
    data = Data(mel, labels, folds, held_out)
    numbers = check_seeds(seeds)
    if not recipes or len(set(recipes)) < len(recipes):
        raise ValueError(f"There are {len(recipes)} recipes; there must be one or more, each once.")
    rows = np.arange(len(data.mel)) if keep_rows is None else np.asarray(keep_rows, dtype=np.int64)
    epochs = np.asarray(keep_epochs, dtype=np.int64)
    keep = keep_models or (lambda seed, fold: True)
    device = device or default_device()
    plans = [
        Plan(r, tuning or Tuning(), s, f, (epochs, rows) if keep(s, f.name) else None)
        for r in recipes
        for s in numbers
        for f in data.folds
    ]

    shapes = [(name, tuple(w.shape)) for name, w in backbone(numbers[0]).state_dict().items()]
    what = fingerprint(
        *(data.fingerprint, shapes),
        *((p.recipe, p.tuning, p.seed, p.fold.name, p.kept is not None) for p in plans),
        *(p.fold.test for p in plans),
        *(epochs, rows),
    )
    results = train(
        [
            training.Plan(f"network-{i:05d}", (i,), partial(Model, i, data, plan, backbone, device))
            for i, plan in enumerate(plans)
        ],
        [np.arange(p.recipe.epochs + 1) for p in plans],
        what,
        training.Session(device, progress, watch, checkpoint),
    )
    return [_run(data, plan, result) for plan, result in zip(plans, results, strict=True)]


def _run(data: Data, plan: Plan, result: TrainingResult) -> NetworkRun:
    test, kept = plan.fold.test, result.extra
    nothing = np.empty((0, plan.recipe.dim), dtype=np.float32)
    return NetworkRun(
        recipe=plan.recipe,
        seed=plan.seed,
        fold=plan.fold.name,
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
