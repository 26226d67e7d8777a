"""A network on spectrograms as it is trained with a loss, an epoch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.heads.data import initial_weights, mixtures
from core.heads.recipe import CURVES, HeadRecipe
from core.losses import (
    add_loss,
    add_loss_soft,
    binary_cross_entropy,
    cross_entropy,
    focal_loss,
    orthogonal_projection_loss,
)
from core.networks.cnn import spec_augment
from core.networks.data import Data, Plan
from core.training.draws import epoch_order
from core.training.engine import Tick
from core.training.results import Arrays, TrainingResult
from core.training.weights import NetworkLearner, weights_of

_JUDGED = 64  # clips that are embedded at once


class Model(NetworkLearner):
    """A network with its two layers, trained an epoch at a time; its curves are `CURVES`."""

    def __init__(
        self, model: int, data: Data, plan: Plan, backbone: Callable[[int], nn.Module], device: str
    ) -> None:
        self._data, self._plan, self._device = data, plan, device
        recipe = plan.recipe
        super().__init__(model, len(CURVES), recipe.epochs)
        self._shift, self._scale = data.scale(plan.fold)
        self._codes = torch.from_numpy(data.codes).to(device)
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
        self._before = np.empty((0, recipe.dim), dtype=np.float32)

    def _train_epoch(self, tick: Tick) -> None:
        """Go over the training clips once; keep what is to be kept."""
        if self.epoch == 0:
            self._before = self._embed(self._plan.fold.test)
            self._keep()
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
            through = (number + 1) / n_batches
            for group in self._optimiser.param_groups:
                group["lr"] = tuning.rate(recipe.learning_rate, self.epoch + 1, recipe.epochs, through)
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
        test = self._plan.fold.test
        tested = self._embed(test)
        if not (math.isfinite(total) and np.isfinite(tested).all()):
            self._fail("loss", f" (seed {seed})")
            return
        hits = float((self._classify(tested).argmax(axis=1) == data.codes[test]).mean())
        self.curves[0, :, self.epoch] = total / len(train), right / len(train), hits
        self.epoch += 1
        self.best_epoch = self.epoch
        self._keep()

    def result(self) -> TrainingResult:
        """Return what it has come to, with weights and embeddings of all clips where they are kept."""
        extra, fold = {"before": self._before, "kept": self._kept}, self._plan.fold
        if not self.failed:
            every = np.arange(len(self._data.mel))
            found = self._embed(every if self._plan.kept is not None else fold.test)
            extra["tested"] = found if self._plan.kept is None else found[fold.test]
            # Rounded, so that of equal scores it is always the first class.
            extra["predictions"] = np.round(self._classify(extra["tested"]), 6).argmax(axis=1)
            if self._plan.kept is not None:
                extra["embeddings"] = found
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


def batch_loss(
    recipe: HeadRecipe, z: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, soft: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a recipe for a batch: embeddings (n, dim), logits (n, C), hard and soft labels."""
    if recipe.loss == "focal":
        return focal_loss(logits, y, gamma=recipe.gamma)
    of = binary_cross_entropy if recipe.entropy == "sigmoid" else cross_entropy
    entropy = of(logits, soft if recipe.mixup else y)
    if recipe.loss == "opl":
        more = orthogonal_projection_loss(z, y, gamma=recipe.gamma, variant=recipe.variant)
    elif recipe.loss == "add":
        more = add_loss(z, y, weights=recipe.weights, variant=recipe.variant)
    elif recipe.loss == "add-soft":
        more = add_loss_soft(z, soft, weights=recipe.weights, variant=recipe.variant)
    else:
        return entropy
    return entropy + recipe.loss_weight * more


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    """Make a layer of weights (inputs, outputs)."""
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer
