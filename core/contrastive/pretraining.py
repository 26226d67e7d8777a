"""Training a backbone to classify, which contrastive training then begins with."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

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
from core.contrastive.weights import Arrays, load, moments_of, named, restore, weights_of
from core.training.shared import Checkpoint, Progress, fixed_threads, operation_threads

_HEAD = 4  # which weights are drawn: after those of both projectors
_SAVING = 0.1  # share of the time that states may take to be saved


class Classifier:
    """A backbone with a linear layer over it while both are trained, an epoch at a time.

    Attributes
    ----------
    curves : (4, pretrain_epochs) float32 array
        `core.contrastive.PRETRAINING_CURVES`.
    epoch, best_epoch : int
        Epochs done, and the one with the lowest loss in validation.
    failed : str
        Why the training ended early, if it did.
    network : nn.Module
    device : str
    """

    def __init__(
        self,
        backbone: nn.Module,
        sounds: Sounds,
        rows: np.ndarray,
        codes: np.ndarray,
        recipe: ContrastiveRecipe,
        seed: int,
        device: str,
    ) -> None:
        self._sounds, self._recipe, self._seed, self.device = sounds, recipe, seed, device
        self.network = copy.deepcopy(backbone).to(device).requires_grad_(True)
        width, n_classes = int(backbone.dim), int(codes.max()) + 1  # type: ignore[arg-type]
        self._head = linear(width, n_classes).to(device)
        weight, bias = uniform_weights(seed, _HEAD, (n_classes, width))
        load({"head": self._head}, {"head.weight": weight, "head.bias": bias})
        self._optimiser = torch.optim.Adam(self._learned(), lr=recipe.pretrain_rate)
        held = split_clips(rows, codes, recipe.validation, seed, len(sounds.lengths))
        self._train = np.stack([rows[~held], codes[~held]], axis=1)
        self._held = np.stack([rows[held], codes[held]], axis=1)
        self.epoch, self.best_epoch, self.failed = 0, 0, ""
        self._best: Arrays = {}
        self._best_loss = np.inf
        self.curves = np.full((4, recipe.pretrain_epochs), np.nan, dtype=np.float32)

    @property
    def clips_an_epoch(self) -> int:
        """How many go through the network."""
        return len(self._train) + len(self._held)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train."""
        return bool(self.failed) or self.epoch >= self._recipe.pretrain_epochs

    def run_epoch(self, tick: Callable[[int], object]) -> None:
        """Train for an epoch."""
        recipe = self._recipe
        torch.manual_seed(torch_seed(self._seed, self.epoch))
        rate = recipe.pretrain_rate * (1 + np.cos(np.pi * self.epoch / recipe.pretrain_epochs)) / 2
        self._optimiser.param_groups[0]["lr"] = rate
        self.network.train()
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
                self._fail("gradient" if np.isfinite(total) else "loss")
                return
            self._optimiser.step()
            tick(len(order[batch]))
        found = self._validated(tick)
        if len(self._held) and not np.isfinite(found[0]):
            self._fail("loss in validation")
            return
        if not all(bool(torch.isfinite(w).all()) for w in self._learned()):
            self._fail("loss")
            return
        self.curves[:, self.epoch] = total / len(order), right / len(order), *found
        self.epoch += 1
        if not len(self._held) or found[0] < self._best_loss:
            self._best_loss, self.best_epoch = found[0], self.epoch
            if len(self._held) or self.ended:
                self._best = self._weights()

    def finish(self) -> None:
        """Go back to the weights of the best epoch."""
        load({"audio": self.network}, self._best)
        self.network.to("cpu").eval()

    def state(self) -> Arrays:
        """Return copies of all that it takes to go on from here."""
        found = {f"best.{n}": a for n, a in self._best.items()} | {
            f"now.{n}": a for n, a in self._weights().items()
        }
        found |= {"numbers": np.array([self.epoch, self.best_epoch]), "low": np.array(self._best_loss)}
        found |= {"curves": self.curves.copy(), "why": np.array(self.failed)}
        return found | moments_of(self._optimiser)

    def resume(self, state: Arrays) -> None:
        """Go on from the state of the same training."""
        self.epoch, self.best_epoch = map(int, state["numbers"])
        self._best_loss, self.failed = float(state["low"]), str(state["why"])
        self.curves[:] = state["curves"]
        self._best = named(state, "best.")
        load(self._parts(), named(state, "now."))
        restore(self._optimiser, state)

    def _passed(self, pairs: np.ndarray, places: np.ndarray) -> tuple[torch.Tensor, int]:
        crops = random_crops(self._sounds, pairs[:, 0], self._recipe, places)
        with precision(self._recipe, self.device):
            found = self.network(torch.from_numpy(crops).to(self.device))
        logits = self._head(found.float())
        targets = torch.from_numpy(pairs[:, 1]).to(self.device)
        return nn.functional.cross_entropy(logits, targets), int((logits.argmax(1) == targets).sum())

    def _validated(self, tick: Callable[[int], object]) -> tuple[float, float]:
        if not len(self._held):
            return float("nan"), float("nan")
        self.network.eval()
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
        return {"audio": self.network, "head": self._head}

    def _learned(self) -> list[nn.Parameter]:
        return [w for part in self._parts().values() for w in part.parameters()]

    def _weights(self) -> Arrays:
        return weights_of(self._parts())

    def _fail(self, what: str) -> None:
        self.best_epoch, self._best = 0, {}
        epoch = f"epoch {self.epoch + 1} of the pre-training (seed {self._seed})"
        self.failed = f"The {what} was no longer a number in {epoch}."


def run(
    classifier: Classifier,
    fingerprint: np.ndarray,
    progress: Progress | None,
    watch: Callable[[np.ndarray], object] | None,
    checkpoint: Checkpoint | None,
) -> None:
    """Train to the end, going on from a checkpoint of the same training."""
    saved = None if checkpoint is None else checkpoint.load()
    if saved is not None and np.array_equal(saved.get("fingerprint", np.empty(0)), fingerprint):
        classifier.resume(dict(saved))
    whole = classifier.clips_an_epoch * classifier.curves.shape[1]
    done = classifier.clips_an_epoch * classifier.epoch
    due = 0.0

    def tick(clips: int) -> None:
        nonlocal done
        done += clips
        if progress is not None:
            progress(done, whole)

    tick(0)
    cuda = [torch.device(classifier.device)] if classifier.device.startswith("cuda") else []
    threads = operation_threads([classifier.network], classifier.device)
    with fixed_threads(threads), torch.random.fork_rng(devices=cuda):
        while not classifier.ended:
            classifier.run_epoch(tick)
            if checkpoint is not None and (classifier.ended or time.monotonic() >= due):
                begun = time.monotonic()
                checkpoint.save({"fingerprint": fingerprint, **classifier.state()})
                due = time.monotonic() + (time.monotonic() - begun) * (1 / _SAVING - 1)
            if watch is not None:
                watch(classifier.curves.copy())
    classifier.finish()
