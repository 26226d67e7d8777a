"""Training a backbone to classify, which contrastive training then begins with."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from core.contrastive.data import (
    VALIDATION_CROPS,
    Sounds,
    batches,
    crop_places,
    epoch_pairs,
    random_crops,
    split_clips,
    torch_seed,
    uniform_weights,
)
from core.contrastive.model import linear, precision
from core.contrastive.recipe import ContrastiveRecipe
from core.training.engine import Tick
from core.training.weights import NetworkLearner, load, weights_of

_HEAD = 4  # which weights are drawn: after those of both projectors


class Classifier(NetworkLearner):
    """A backbone and a linear layer over it while both are trained; its curves are `PRETRAINING_CURVES`.

    `labelled` are the rows of the clips and their class codes.
    """

    def __init__(
        self,
        backbone: nn.Module,
        sounds: Sounds,
        labelled: tuple[np.ndarray, np.ndarray],
        recipe: ContrastiveRecipe,
        seed: int,
        device: str,
    ) -> None:
        super().__init__(0, 4, recipe.pretrain_epochs)
        rows, codes = labelled
        self._sounds, self._recipe, self._seed, self._device = sounds, recipe, seed, device
        self._network = copy.deepcopy(backbone).to(device).requires_grad_(True)
        width, n_classes = int(backbone.dim), int(codes.max()) + 1  # type: ignore[arg-type]
        self._head = linear(width, n_classes).to(device)
        weight, bias = uniform_weights(seed, _HEAD, (n_classes, width))
        load({"head": self._head}, {"head.weight": weight, "head.bias": bias})
        self._optimiser = torch.optim.Adam(self._learned(), lr=recipe.pretrain_rate)
        held = split_clips(rows, codes, recipe.validation, seed, len(sounds.lengths))
        self._train = np.stack([rows[~held], codes[~held]], axis=1)
        self._held = np.stack([rows[held], codes[held]], axis=1)

    @property
    def clips_an_epoch(self) -> int:
        """How many go through the network."""
        return len(self._train) + len(self._held)

    def _train_epoch(self, tick: Tick) -> None:
        """Train for an epoch."""
        recipe, where = self._recipe, f" of the pre-training (seed {self._seed})"
        torch.manual_seed(torch_seed(self._seed, self.epoch))
        rate = recipe.pretrain_rate * (1 + np.cos(np.pi * self.epoch / recipe.pretrain_epochs)) / 2
        self._optimiser.param_groups[0]["lr"] = rate
        self._network.train()
        places = crop_places(len(self._sounds.lengths), self._seed, self.epoch)
        order = epoch_pairs(self._train, self._seed, self.epoch)
        total, right = 0.0, 0
        for batch in batches(len(order), recipe.pretrain_batch_size):
            loss, hits = self._passed(order[batch], places)
            self._optimiser.zero_grad()
            loss.backward()
            norm = float(nn.utils.clip_grad_norm_(self._learned(), recipe.gradient_limit))
            total += float(loss.detach()) * len(order[batch])
            right += hits
            if not np.isfinite(total) or not np.isfinite(norm):
                self._fail("gradient" if np.isfinite(total) else "loss", where)
                return
            self._optimiser.step()
            tick(len(order[batch]))
        loss_in_validation, accuracy = self._validated(tick)
        if len(self._held) and not np.isfinite(loss_in_validation):
            self._fail("loss in validation", where)
            return
        if not self._finite():
            self._fail("loss", where)
            return
        self.curves[0, :, self.epoch] = (
            *(total / len(order), right / len(order)),
            *(loss_in_validation, accuracy),
        )
        self.epoch += 1
        if not len(self._held) or loss_in_validation < self._best_loss:
            self._best_loss, self.best_epoch = loss_in_validation, self.epoch
            if len(self._held) or self.ended:
                self._best = weights_of(self._parts())

    def _passed(self, pairs: np.ndarray, places: np.ndarray) -> tuple[torch.Tensor, int]:
        crops = random_crops(self._sounds, pairs[:, 0], self._recipe, places)
        with precision(self._recipe, self._device):
            embedded = self._network(torch.from_numpy(crops).to(self._device))
        logits = self._head(embedded.float())
        targets = torch.from_numpy(pairs[:, 1]).to(self._device)
        return nn.functional.cross_entropy(logits, targets), int((logits.argmax(1) == targets).sum())

    def _validated(self, tick: Tick) -> tuple[float, float]:
        if not len(self._held):
            return float("nan"), float("nan")
        self._network.eval()
        places = crop_places(len(self._sounds.lengths), self._seed, VALIDATION_CROPS)
        total, right = 0.0, 0
        with torch.no_grad():
            for batch in batches(len(self._held), self._recipe.batch_size):
                loss, hits = self._passed(self._held[batch], places)
                total += float(loss) * len(self._held[batch])
                right += hits
                tick(len(self._held[batch]))
        return total / len(self._held), right / len(self._held)

    def _parts(self) -> dict[str, nn.Module]:
        return {"audio": self._network, "head": self._head}
