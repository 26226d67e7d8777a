"""Networks on log-mel spectrograms, trained as classifiers: what a loss makes of their embeddings.

As `core.heads`, but with a network in the place of the frozen space, whose weights are trained too.
"""

from __future__ import annotations

import hashlib
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from core._arrays import class_codes
from core._head_data import Fold, check_seeds, initial_weights, mixtures, named_folds
from core._training import Checkpoint, Progress, epoch_order, one_thread_each
from core.audio_networks import SmallCNN, log_mel, spec_augment
from core.heads import CURVES, HeadRecipe, HeadRun, batch_loss

__all__ = ["NetworkRun", "PooledCNN", "Tuning", "paper_log_mel", "train_networks"]

#: The ADD paper's front end: Hz, bands, and seconds under the window and from one frame to the next.
SAMPLE_RATE, N_MELS, WINDOW, HOP = 16_000, 128, 0.025, 0.010
#: Deviation of spectrograms over the training clips; their mean is 0.
DEVIATION = 0.5
_SECONDS = 20.0  # between two states of a model that are kept
_JUDGED = 64  # clips that are embedded at once

Arrays = dict[str, np.ndarray]
Watch = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Tuning:
    """How networks are trained, besides what `core.heads.HeadRecipe` says.

    Attributes
    ----------
    optimizer : {"adamw", "adam"}
        In the place of the recipe's: whether weight decay goes beside the gradient or into it.
    frequency_mask, time_mask : int
        The most bands and frames that SpecAugment hides of a clip; see `core.audio_networks.spec_augment`.
    warm_up : int
        Epochs in which the learning rate rises to the recipe's, a little with every step.
    schedule : {"constant", "decay", "cosine"}
        After them it stays, is multiplied by `decay` after every epoch, or falls to 0 along half a cosine.
    decay : float
    """

    optimizer: str = "adamw"
    frequency_mask: int = 24
    time_mask: int = 96
    warm_up: int = 0
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

    def rate(self, progress: float, epochs: int) -> float:
        """Return the share of the learning rate after `progress` epochs of `epochs`.

        Examples
        --------
        >>> tuning = Tuning(warm_up=2, schedule="decay", decay=0.5)
        >>> [tuning.rate(p, 10) for p in (0.5, 1.5, 2.0, 2.9, 4.0)]
        [0.25, 0.75, 1.0, 1.0, 0.25]
        """
        if progress < self.warm_up:
            return progress / self.warm_up
        done = math.floor(progress) - self.warm_up
        if self.schedule == "decay":
            return float(self.decay**done)
        if self.schedule == "cosine":
            return (1 + math.cos(math.pi * done / max(epochs - self.warm_up, 1))) / 2
        return 1.0


@dataclass(frozen=True, kw_only=True)
class NetworkRun(HeadRun):
    """A trained network and how it fared; `weights` are empty, for they are many.

    Attributes
    ----------
    before, tested : (n_test, dim) float32 arrays
        Embeddings of the clips of the fold, before and after training; `tested` is empty if it failed.
    """

    before: np.ndarray
    tested: np.ndarray


def paper_log_mel(waveforms: torch.Tensor) -> torch.Tensor:
    """Log-mel spectrograms as the ADD paper has them: 128 bands, windows of 25 ms every 10 ms at 16 kHz.

    Parameters
    ----------
    waveforms : (b, t) tensor
        At 16 kHz.

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
    )


class PooledCNN(nn.Module):
    """`core.audio_networks.SmallCNN` on means over 2 bands and 4 frames: a tenth of the work.

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
    tuning: Tuning = Tuning(),
    seeds: Sequence[int] = (0, 1, 2),
    held_out: Sequence[object] | None = None,
    keep_epochs: Sequence[int] = (),
    keep_rows: ArrayLike | None = None,
    keep_models: Callable[[int, object], bool] | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    checkpoint: Callable[[int], Checkpoint] | None = None,
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
    tuning : Tuning
    device : str, optional
        A GPU if torch finds one, else ``"cpu"``.
    progress : callable, optional
        Called with the epochs done and to do, of all models together.
    checkpoint : callable, optional
        By number of the model, where to go on from and to save to: every 20 seconds, and when it has ended.
        What is found there of other data or recipes is not used.

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
    data = _Data(mel, labels, folds, held_out)
    numbers = check_seeds(seeds)
    if not recipes or len(set(recipes)) < len(recipes):
        raise ValueError(f"There are {len(recipes)} recipes; there must be one or more, each once.")
    rows = np.arange(len(data.mel)) if keep_rows is None else np.asarray(keep_rows, dtype=np.int64)
    epochs = np.asarray(keep_epochs, dtype=np.int64)
    keep = keep_models or (lambda seed, fold: True)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    plans = [
        _Plan(r, tuning, s, f, (epochs, rows) if keep(s, f.name) else None)
        for r in recipes
        for s in numbers
        for f in data.folds
    ]
    longest = max(r.epochs for r in recipes)
    curves = np.full((len(plans), len(CURVES), longest), np.nan, dtype=np.float32)
    done, to_do = np.zeros(len(plans), dtype=np.int64), sum(p.recipe.epochs for p in plans)
    found: dict[int, NetworkRun] = {}
    stop, reports = threading.Event(), queue.SimpleQueue[_News | Exception]()

    def work(i: int) -> None:
        if stop.is_set():
            return
        try:
            model = _Model(data, plans[i], backbone, device, None if checkpoint is None else checkpoint(i))
            reports.put(_News(i, model.epoch, model.curves.copy(), None))
            while not stop.is_set() and not model.ended:
                model.train_epoch()
                reports.put(_News(i, model.epoch, model.curves.copy(), None))
            if model.ended:
                reports.put(_News(i, model.epoch, model.curves.copy(), model.run()))
        except Exception as error:
            reports.put(error)

    threads = min(len(plans), torch.get_num_threads()) if device == "cpu" else 1
    with one_thread_each(threads), ThreadPoolExecutor(threads) as pool:
        try:
            for i in range(len(plans)):
                pool.submit(work, i)
            while len(found) < len(plans):
                news = reports.get()
                if isinstance(news, Exception):
                    raise news
                curves[news.number, :, : news.curves.shape[1]] = news.curves
                done[news.number] = news.epoch
                if news.run is not None:
                    found[news.number] = news.run
                    done[news.number] = plans[news.number].recipe.epochs  # a failed one is not waited for
                if progress is not None:
                    progress(int(done.sum()), to_do)
                if watch is not None:
                    watch(curves.copy())
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return [found[i] for i in range(len(plans))]


@dataclass(frozen=True)
class _News:
    number: int
    epoch: int
    curves: np.ndarray
    run: NetworkRun | None


@dataclass(frozen=True)
class _Plan:
    """One model to train; `kept` are epochs and rows whose embeddings are kept."""

    recipe: HeadRecipe
    tuning: Tuning
    seed: int
    fold: Fold
    kept: tuple[np.ndarray, np.ndarray] | None


class _Data:
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
        print_of = hashlib.sha256(repr((self.mel.shape, self.classes.tolist())).encode())
        for array in (self._sums, self.codes):
            print_of.update(array.tobytes())
        self.fingerprint = print_of

    def scale(self, fold: Fold) -> tuple[float, float]:
        """Return what spectrograms are reduced by and divided by."""
        total, squares = self._sums[fold.train].sum(axis=0) / (len(fold.train) * self.mel[0].size)
        spread = math.sqrt(max(squares - total**2, 0.0))
        return float(total), spread / DEVIATION if spread > 1e-12 * abs(total) else 1.0


class _Model:
    """A network with its two layers, trained an epoch at a time."""

    def __init__(
        self,
        data: _Data,
        plan: _Plan,
        backbone: Callable[[int], nn.Module],
        device: str,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._data, self._plan, self._device, self._checkpoint = data, plan, device, checkpoint
        recipe = plan.recipe
        self.epoch = 0
        self.curves = np.full((len(CURVES), recipe.epochs), np.nan, dtype=np.float32)
        self._shift, self._scale = data.scale(plan.fold)
        self._codes = torch.from_numpy(data.codes).to(device)
        self._saved_at = time.monotonic()
        network = backbone(plan.seed)
        start = initial_weights(plan.seed, int(network.dim), recipe, len(data.classes))  # type: ignore[arg-type]
        self._layers = nn.ModuleDict(
            {
                "backbone": network,
                "embedding": _linear(start["embedding_weight"], start["embedding_bias"]),
                "classes": _linear(start["class_weight"], start["class_bias"]),
            }
        ).to(device)
        kind = torch.optim.AdamW if plan.tuning.optimizer == "adamw" else torch.optim.Adam
        self._optimiser = kind(
            self._layers.parameters(), recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
        )
        epochs, rows = plan.kept or (np.empty(0, np.int64), np.empty(0, np.int64))
        self._kept = np.full((len(epochs), len(rows), recipe.dim), np.nan, dtype=np.float32)
        state = None if checkpoint is None else checkpoint.load()
        if state is not None and np.array_equal(state.get("fingerprint", np.empty(0)), self._fingerprint()):
            self._resume(dict(state))
        else:
            self._before = self._embed(plan.fold.test)
            self._keep()

    @property
    def ended(self) -> bool:
        """Whether it is trained, or has failed."""
        return self.epoch == self._plan.recipe.epochs or self._failed

    @property
    def _failed(self) -> bool:
        return self.epoch > 0 and not np.isfinite(self.curves[0, self.epoch - 1])

    def train_epoch(self) -> None:
        """Go over the training clips once; keep what is to be kept."""
        recipe, tuning, seed, data = self._plan.recipe, self._plan.tuning, self._plan.seed, self._data
        train = self._plan.fold.train
        order = epoch_order(seed, self.epoch, len(train))
        partners, shares = mixtures(seed, self.epoch, len(train), recipe)
        masks = torch.Generator().manual_seed(
            int(np.random.default_rng([seed, 4, self.epoch]).integers(2**62))
        )
        n_batches = math.ceil(len(train) / recipe.batch_size)
        total, right = 0.0, 0
        self._layers.train()
        for number in range(n_batches):
            batch = order[number * recipe.batch_size : (number + 1) * recipe.batch_size]
            x, y = self._mel(train[batch]), self._codes[torch.from_numpy(train[batch])]
            soft = F.one_hot(y, len(data.classes)).float()
            if recipe.mixup:
                other = train[partners[batch]]
                share = torch.from_numpy(shares[batch]).to(self._device)[:, None]
                x = share[..., None] * x + (1 - share[..., None]) * self._mel(other)
                own = F.one_hot(self._codes[torch.from_numpy(other)], len(data.classes))
                soft = share * soft + (1 - share) * own
            x = spec_augment(x, time=tuning.time_mask, frequency=tuning.frequency_mask, generator=masks)
            for group in self._optimiser.param_groups:
                at = self.epoch + (number + 1) / n_batches if self.epoch < tuning.warm_up else self.epoch
                group["lr"] = recipe.learning_rate * tuning.rate(at, recipe.epochs)
            z = self._layers["embedding"](self._layers["backbone"](x))
            found = self._layers["classes"](z)
            loss = batch_loss(recipe, z, found, y, soft)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += loss.item() * len(batch)
            right += int((found.argmax(dim=1) == soft.argmax(dim=1)).sum())
            if not math.isfinite(total):
                break
        self.epoch += 1
        test = self._plan.fold.test
        tested = self._embed(test)
        if math.isfinite(total) and np.isfinite(tested).all():
            hits = float((self._classify(tested).argmax(axis=1) == data.codes[test]).mean())
            self.curves[:, self.epoch - 1] = total / len(train), right / len(train), hits
            self._keep()
        if self._checkpoint is not None and (self.ended or time.monotonic() - self._saved_at > _SECONDS):
            self._checkpoint.save(self._state())
            self._saved_at = time.monotonic()

    def run(self) -> NetworkRun:
        """Return what it has come to."""
        plan, data = self._plan, self._data
        curves = dict(zip(CURVES, self.curves, strict=True))
        about = (plan.recipe, plan.seed, plan.fold.name, data.classes, plan.fold.test)
        targets = data.codes[plan.fold.test]
        nothing = np.empty((0, plan.recipe.dim), dtype=np.float32)
        if self._failed:
            why = f"The loss was no longer a number in epoch {self.epoch} (seed {plan.seed})."
            none = np.empty(0, dtype=np.int64)
            return NetworkRun(
                *(*about, targets, none, curves, {}, nothing, self._kept, why),
                before=self._before,
                tested=nothing,
            )
        whole = self._embed(np.arange(len(data.mel))) if plan.kept is not None else nothing
        tested = whole[plan.fold.test] if plan.kept is not None else self._embed(plan.fold.test)
        # Rounded, so that of equal scores it is always the first class.
        predictions = np.round(self._classify(tested), 6).argmax(axis=1)
        return NetworkRun(
            *(*about, targets, predictions, curves, {}, whole, self._kept),
            before=self._before,
            tested=tested,
        )

    def _mel(self, rows: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(self._data.mel[rows].astype(np.float32)).to(self._device)
        return (x - self._shift) / self._scale

    def _embed(self, rows: np.ndarray) -> np.ndarray:
        self._layers.eval()
        found = [np.empty((0, self._plan.recipe.dim), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(rows), _JUDGED):
                x = self._mel(rows[start : start + _JUDGED])
                found.append(self._layers["embedding"](self._layers["backbone"](x)).float().cpu().numpy())
        return np.concatenate(found)

    def _classify(self, z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            scores: np.ndarray = self._layers["classes"](torch.from_numpy(z).to(self._device)).cpu().numpy()
        return scores

    def _keep(self) -> None:
        if self._plan.kept is None:
            return
        epochs, rows = self._plan.kept
        for position in np.flatnonzero(epochs == self.epoch):
            self._kept[position] = self._embed(rows)

    def _fingerprint(self) -> np.ndarray:
        """Return what tells this training from all others."""
        found = self._data.fingerprint.copy()
        plan = self._plan
        found.update(f"{plan.recipe!r} {plan.tuning!r} {plan.seed} {plan.fold.name!r}".encode())
        found.update(plan.fold.test.tobytes())
        for array in plan.kept or ():
            found.update(array.tobytes() + b";")
        for name, weight in self._layers.state_dict().items():
            found.update(f"{name} {tuple(weight.shape)}".encode())
        return np.frombuffer(found.digest(), dtype=np.uint8).copy()

    def _state(self) -> Arrays:
        found: Arrays = {
            "fingerprint": self._fingerprint(),
            "epoch": np.array(self.epoch),
            "curves": self.curves,
            "kept": self._kept,
            "before": self._before,
        }
        for name, weight in self._layers.state_dict().items():
            found[f"weights/{name}"] = weight.cpu().numpy()
        if not self.ended:
            for i, parameter in enumerate(self._layers.parameters()):
                for name, value in self._optimiser.state[parameter].items():
                    found[f"optimiser/{i}/{name}"] = value.cpu().numpy()
        return found

    def _resume(self, state: Arrays) -> None:
        self.epoch = int(state["epoch"])
        self.curves[:], self._kept[:], self._before = state["curves"], state["kept"], state["before"]
        weights = {n: torch.from_numpy(a) for name, a in state.items() if (n := _after(name, "weights/"))}
        self._layers.load_state_dict(weights)
        for i, parameter in enumerate(self._layers.parameters()):
            own = {n: a for name, a in state.items() if (n := _after(name, f"optimiser/{i}/"))}
            if own:
                self._optimiser.state[parameter] = {
                    n: torch.from_numpy(a).to("cpu" if n == "step" else self._device) for n, a in own.items()
                }


def _after(text: str, start: str) -> str:
    return text.removeprefix(start) if text.startswith(start) else ""


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    """Make a layer of weights (inputs, outputs)."""
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer
