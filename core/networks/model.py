"""A network on spectrograms as it is trained with a loss, an epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.heads.alone import batch_loss
from core.heads.data import initial_weights, mixtures
from core.heads.recipe import CURVES
from core.networks.cnn import spec_augment
from core.networks.data import Data, NetworkRun, Plan
from core.training.shared import Checkpoint, epoch_order

_SECONDS = 20.0  # between two states of a model that are kept
_JUDGED = 64  # clips that are embedded at once

Arrays = dict[str, np.ndarray]


class Model:
    """A network with its two layers, trained an epoch at a time."""

    def __init__(
        self,
        data: Data,
        plan: Plan,
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
