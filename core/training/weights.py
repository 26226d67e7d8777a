"""Models made of networks while they are trained: weights and moments as arrays, and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from core.training.engine import Plan, Tick
from core.training.results import Arrays, TrainingResult, named


class NetworkLearner:
    """One model made of networks, trained by itself: a `core.training.engine.Group` of one.

    Attributes
    ----------
    curves : (1, n_curves, epochs) float32 array
    epoch, best_epoch : int
        Epochs done, and the one that the best weights are of.
    stopped, failed : str
        Why it ended early, if it did.
    """

    successors: Sequence[Plan] = ()
    _optimiser: torch.optim.Optimizer

    def __init__(self, model: int, n_curves: int, epochs: int) -> None:
        self.models = [model]
        self.curves = np.full((1, n_curves, epochs), np.nan, dtype=np.float32)
        self.epoch, self.best_epoch, self.stopped, self.failed = 0, 0, "", ""
        self._best: Arrays = {}
        self._best_loss = np.inf

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train."""
        return bool(self.failed or self.stopped) or self.epoch >= self.curves.shape[2]

    def train_epoch(self, tick: Tick) -> dict[int, TrainingResult]:
        """Train for an epoch; return the result of the model, if it has ended."""
        self._train_epoch(tick)
        return {self.models[0]: self.result()} if self.ended else {}

    def result(self) -> TrainingResult:
        """Return the result of the model."""
        weights, best = ({}, 0) if self.failed else (self._best, self.best_epoch)
        return TrainingResult(weights, self.curves[0], best, self.epoch, self.stopped, self.failed)

    def state(self) -> Arrays:
        """Return all that it takes to go on from here."""
        arrays = {f"best.{name}": array for name, array in self._best.items()}
        arrays |= {f"now.{name}": array for name, array in weights_of(self._parts()).items()}
        for i, weight in enumerate(self._optimiser.param_groups[0]["params"]):
            for name, values in self._optimiser.state.get(weight, {}).items():
                arrays[f"moments.{i}.{name}"] = values.detach().cpu().numpy()
        lowest = np.array([self.best_epoch, self._best_loss])
        return arrays | {"epoch": np.array(self.epoch), "curves": self.curves, "lowest": lowest}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same model."""
        self.epoch, self.curves[:] = int(state["epoch"]), state["curves"]
        self.best_epoch, self._best_loss = int(state["lowest"][0]), float(state["lowest"][1])
        self._best = named(state, "best.")
        load(self._parts(), named(state, "now."))
        for i, weight in enumerate(self._optimiser.param_groups[0]["params"]):
            moments = named(state, f"moments.{i}.")
            if moments:  # a weight that takes no part has none
                self._optimiser.state[weight] = {
                    name: torch.from_numpy(array.copy()).to("cpu" if name == "step" else weight.device)
                    for name, array in moments.items()
                }

    def _train_epoch(self, tick: Tick) -> None:
        """Train for an epoch, after which `epoch` is one more, or the model has failed."""
        raise NotImplementedError

    def _parts(self) -> dict[str, nn.Module]:
        """Return the networks that learn, by the name that their weights begin with."""
        raise NotImplementedError

    def _learned(self) -> list[nn.Parameter]:
        return [w for part in self._parts().values() for w in part.parameters() if w.requires_grad]

    def _finite(self) -> bool:
        return all(bool(torch.isfinite(w).all()) for w in self._learned())

    def _fail(self, what: str, where: str) -> None:
        self.failed = f"The {what} was no longer a number in epoch {self.epoch + 1}{where}."


def load(parts: Mapping[str, nn.Module], weights: Mapping[str, np.ndarray]) -> None:
    """Put weights, named by part, into the networks they are of; a part that has none stays as it is."""
    for part, network in parts.items():
        own = named(weights, f"{part}.")
        if own:
            network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in own.items()})


def weights_of(parts: Mapping[str, nn.Module]) -> Arrays:
    """Return copies of all weights, named by part."""
    return {
        f"{part}.{name}": w.detach().cpu().numpy().copy()
        for part, network in parts.items()
        for name, w in network.state_dict().items()
    }
