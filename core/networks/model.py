"""A network on spectrograms as it is trained with a loss, an epoch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.heads.batch import classification_loss
from core.heads.data import initial_weights, mixtures
from core.heads.grid import Grid
from core.heads.recipe import CURVES
from core.networks.cnn import spec_augment
from core.networks.data import Data
from core.networks.recipe import Tuning
from core.training.draws import epoch_order
from core.training.engine import Tick
from core.training.results import Arrays, TrainingResult
from core.training.weights import NetworkLearner, weights_of

_JUDGED = 64  # clips that are embedded at once


class Model(NetworkLearner):
    """A network with its two layers, trained an epoch at a time; its curves are `CURVES`."""

    def __init__(
        self, model: int, data: Data, grid: Grid, tuning: Tuning, backbone: Callable[[int], nn.Module]
    ) -> None:
        task, device = grid.tasks[model], grid.session.device
        self._data, self._task, self._grid, self._tuning, self._device = data, task, grid, tuning, device
        recipe = task.recipe
        super().__init__(model, len(CURVES), recipe.epochs)
        self._shift, self._scale = data.scale(task.fold)
        self._codes = torch.from_numpy(data.codes).to(device)
        network = backbone(task.seed)
        start = initial_weights(task.seed, int(network.dim), recipe, len(data.classes))  # type: ignore[arg-type]
        self._layers = nn.ModuleDict(
            {
                "backbone": network,
                "embedding": _linear(start["embedding_weight"], start["embedding_bias"]),
                "classes": _linear(start["class_weight"], start["class_bias"]),
            }
        ).to(device)
        kind = torch.optim.AdamW if tuning.optimizer == "adamw" else torch.optim.Adam
        self._optimiser = kind(
            self._layers.parameters(), recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
        )
        sizes = (len(grid.epochs), len(grid.rows)) if task.kept else (0, 0)
        self._kept = np.full((*sizes, recipe.dim), np.nan, dtype=np.float32)
        self._before = np.empty((0, recipe.dim), dtype=np.float32)

    def _train_epoch(self, tick: Tick) -> None:
        """Go over the training clips once; keep what is to be kept."""
        if self.epoch == 0:
            self._before = self._embed(self._task.fold.test)
            self._keep()
        recipe, seed, train = self._task.recipe, self._task.seed, self._task.fold.train
        order = epoch_order(seed, self.epoch, len(train))
        partners, shares = mixtures(seed, self.epoch, len(train), recipe)
        masks = torch.Generator().manual_seed(
            int(np.random.default_rng([seed, 4, self.epoch]).integers(2**62))
        )
        n_batches = math.ceil(len(train) / recipe.batch_size)
        total, right = 0.0, 0
        self._layers.train()
        for number in range(n_batches):
            rows = order[number * recipe.batch_size : (number + 1) * recipe.batch_size]
            x, soft = self._mixed(train, rows, partners, shares)
            x = spec_augment(
                x, time=self._tuning.time_mask, frequency=self._tuning.frequency_mask, generator=masks
            )
            through = (number + 1) / n_batches
            rate = self._tuning.rate(recipe.learning_rate, self.epoch + 1, recipe.epochs, through)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            z = self._layers["embedding"](self._layers["backbone"](x))
            logits = self._layers["classes"](z)
            y = soft if recipe.mixup else soft.argmax(dim=1)
            loss = classification_loss(recipe, z, logits, y)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += loss.item() * len(rows)
            right += int((logits.argmax(dim=1) == soft.argmax(dim=1)).sum())
            if not math.isfinite(total):
                break
        test = self._task.fold.test
        tested = self._embed(test)
        if not (math.isfinite(total) and np.isfinite(tested).all()):
            self._fail("loss", f" (seed {seed})")
            return
        hits = float((self._classify(tested).argmax(axis=1) == self._data.codes[test]).mean())
        self.curves[0, :, self.epoch] = total / len(train), right / len(train), hits
        self.epoch += 1
        self.best_epoch = self.epoch
        self._keep()

    def _mixed(
        self, train: np.ndarray, rows: np.ndarray, partners: np.ndarray, shares: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spectrograms of training clips and shares of their classes, mixed as the recipe says."""
        x, y = self._mel(train[rows]), self._shares(train[rows])
        if not self._task.recipe.mixup:
            return x, y
        other = train[partners[rows]]
        share = torch.from_numpy(shares[rows]).to(self._device)[:, None]
        x = share[..., None] * x + (1 - share[..., None]) * self._mel(other)
        return x, share * y + (1 - share) * self._shares(other)

    def _shares(self, rows: np.ndarray) -> torch.Tensor:
        return F.one_hot(self._codes[torch.from_numpy(rows)], len(self._data.classes)).float()

    def result(self) -> TrainingResult:
        """Return the result, with weights and embeddings of all clips where they are kept."""
        extra, test = {"before": self._before, "kept": self._kept}, self._task.fold.test
        if not self.failed:
            every = np.arange(len(self._data.mel))
            z = self._embed(every if self._task.kept else test)
            extra["tested"] = z[test] if self._task.kept else z
            # Rounded, so that of equal scores it is always the first class.
            extra["predictions"] = np.round(self._classify(extra["tested"]), 6).argmax(axis=1)
            if self._task.kept:
                extra["embeddings"] = z
                scale = {"mel.mean": np.array(self._shift), "mel.scale": np.array(self._scale)}
                self._best = weights_of(self._parts()) | scale
        return replace(super().result(), extra=extra)

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        return super().state() | {"kept": self._kept, "before": self._before}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same model."""
        super().resume(state)
        self._kept[:], self._before = state["kept"], state["before"]

    def _parts(self) -> dict[str, nn.Module]:
        return dict(self._layers.items())

    def _mel(self, rows: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(self._data.mel[rows].astype(np.float32)).to(self._device)
        return (x - self._shift) / self._scale

    def _embed(self, rows: np.ndarray) -> np.ndarray:
        self._layers.eval()
        parts = [np.empty((0, self._task.recipe.dim), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(rows), _JUDGED):
                x = self._mel(rows[start : start + _JUDGED])
                parts.append(self._layers["embedding"](self._layers["backbone"](x)).float().cpu().numpy())
        return np.concatenate(parts)

    def _classify(self, z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            scores: np.ndarray = self._layers["classes"](torch.from_numpy(z).to(self._device)).cpu().numpy()
        return scores

    def _keep(self) -> None:
        if self._task.kept:
            for position in np.flatnonzero(self._grid.epochs == self.epoch):
                self._kept[position] = self._embed(self._grid.rows)


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    """Make a layer of weights (inputs, outputs)."""
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer
