"""Several contrastive models: what they share while backbones are frozen, and each alone after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn

from core.contrastive.data import VALIDATION_CROPS, Sounds, crop_places
from core.contrastive.model import Learner, Material, Task
from core.training.engine import Plan, Tick
from core.training.results import Arrays, TrainingResult, named

_PROBE = 1024  # samples of each recording that tell it from another


class Together:
    """Models with one frozen backbone and one seed: each clip passes once an epoch, for all of them.

    See `core.training.engine.Group`.
    """

    def __init__(self, models: Sequence[int], tasks: Sequence[Task], material: Material) -> None:
        self._learners = {i: Learner(i, task, material) for i, task in zip(models, tasks, strict=True)}
        self._material, self._seed, self._share = material, tasks[0].seed, len(tasks)
        self._backbone = material.backbones[tasks[0].plan.backbone]
        self._held: Callable[[np.ndarray], torch.Tensor] | None = None
        self.epoch = 0

    @property
    def models(self) -> list[int]:
        """Those that have not ended."""
        return list(self._learners)

    @property
    def curves(self) -> np.ndarray:
        """Of these, (m, 5, max_epochs)."""
        nothing = np.empty((0, 5, self._material.recipe.max_epochs), dtype=np.float32)
        return np.concatenate([nothing, *(learner.curves for learner in self._learners.values())])

    @property
    def successors(self) -> list[Plan]:
        """Each model alone, once the frozen epochs are over."""
        if self.epoch < self._material.recipe.frozen_epochs:
            return []
        return [_continued(learner) for learner in self._learners.values()]

    def train_epoch(self, tick: Tick) -> dict[int, TrainingResult]:
        """Train the projectors of all models for an epoch."""
        learners = self._learners.values()
        if self._held is None:
            rows = _union(lr.task.validation_clips for lr in learners)
            self._held = self._passed(rows, VALIDATION_CROPS, tick)
        crops = self._passed(_union(lr.task.train_clips for lr in learners), self.epoch, tick)
        for learner in learners:
            learner.frozen_epoch(crops, self._held)
        self.epoch += 1
        ended = {i: learner.result() for i, learner in self._learners.items() if learner.ended}
        self._learners = {i: learner for i, learner in self._learners.items() if i not in ended}
        return ended

    def state(self) -> Arrays:
        """Return the states of all models, by their numbers."""
        states = {i: learner.state() for i, learner in self._learners.items()}
        each = {f"{i}.{name}": array for i, state in states.items() for name, array in state.items()}
        return each | {"epoch": np.array(self.epoch), "models": np.array(self.models)}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same models, of which some may have ended."""
        self.epoch = int(state["epoch"])
        self._learners = {i: self._learners[i] for i in state["models"].tolist()}
        for i, learner in self._learners.items():
            learner.resume(named(state, f"{i}."))

    def _passed(self, rows: np.ndarray, epoch: int, tick: Tick) -> Callable[[np.ndarray], torch.Tensor]:
        """Pass crops of clips through the backbone; return what looks x_a of some of them up."""
        if not len(rows):
            return lambda wanted: torch.empty(0)
        places = crop_places(len(self._material.sounds.lengths), self._seed, epoch)
        table = self._material.passed(self._backbone, rows, places, lambda n: tick(n / self._share))
        return lambda wanted: table[torch.from_numpy(np.searchsorted(rows, wanted)).to(table.device)]


def _alone(model: int, begin: Callable[[], Learner]) -> Plan:
    return Plan(f"model-{model:05d}", (model,), begin)


def _continued(learner: Learner) -> Plan:
    return _alone(learner.models[0], lambda: learner)


def planned(tasks: Sequence[Task], material: Material) -> tuple[list[Plan], list[np.ndarray]]:
    """Return which models are trained together at first, and the work of each by epochs.

    It is counted in clips passed through a backbone; one that learns from a clip counts as three.
    """
    recipe = material.recipe
    groups: dict[tuple[str, int], list[int]] = {}
    for i, task in enumerate(tasks):
        groups.setdefault((task.plan.backbone, task.seed), []).append(i)
    work = [np.empty(0)] * len(tasks)
    epochs = np.arange(recipe.max_epochs + 1)
    frozen = np.minimum(epochs, recipe.frozen_epochs)
    for models in groups.values():
        shared = len(_union(tasks[i].train_clips for i in models)) * frozen
        shared = shared + len(_union(tasks[i].validation_clips for i in models)) * (frozen > 0)
        for i in models:
            task = tasks[i]
            clips, pairs = len(task.train_clips), len(task.pairs.train)
            passes = 3 * min(pairs, clips * (recipe.captions_a_clip or pairs)) + len(task.validation_clips)
            work[i] = shared / len(models) + (epochs - frozen) * passes
    if recipe.frozen_epochs:
        plans = [
            Plan(
                f"frozen-{models[0]:05d}",
                tuple(models),
                partial(Together, models, [tasks[i] for i in models], material),
            )
            for models in groups.values()
        ]
    else:
        plans = [_alone(i, partial(Learner, i, task, material)) for i, task in enumerate(tasks)]
    return plans, work


def draws(material: Material) -> bool:
    """Whether a network draws from torch's own generator while it learns."""
    recipe = material.recipe
    return recipe.tune_text or recipe.projector == "clap" or any(map(_drops, material.backbones.values()))


def _drops(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in network.modules())


def _union(rows: Iterable[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(list(rows)))


def traits(sounds: Sounds, networks: Sequence[nn.Module]) -> Iterator[object]:
    """Yield what tells sounds and networks from others."""
    yield from (sounds.sample_rate, sounds.lengths)
    for start in range(0, len(sounds.lengths), _PROBE):
        rows = np.arange(start, min(start + _PROBE, len(sounds.lengths)))
        yield sounds.crop(rows, np.maximum(sounds.lengths[rows] - _PROBE, 0) // 2, _PROBE)
    for network in networks:
        for name, weight in network.state_dict().items():
            yield name
            yield weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
