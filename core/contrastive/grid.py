"""Several contrastive models: what they share while backbones are frozen, and each alone after it."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.contrastive.data import VALIDATION_CROPS, Sounds, crop_places
from core.contrastive.model import Learner, Material, Task, Trained
from core.contrastive.weights import Arrays
from core.training.shared import Checkpoint, Progress, operation_threads, saved_models, side_by_side

_TELL = 0.2  # seconds between two calls of progress
_SAVING = 0.1  # share of the time that states may take to be saved
_PROBE = 1024  # samples of each recording that tell it from another

Watch = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class _News:
    """What has become of models: work done, for each; curves after an epoch; states, if due."""

    models: tuple[int, ...]
    work: float = 0.0
    curves: tuple[np.ndarray, ...] = ()
    states: tuple[Arrays, ...] = ()
    finished: bool = False  # this part of their training: they have ended, or are to be tuned


class _Stopped(Exception):
    """The grid has been interrupted."""


class _Grid:
    def __init__(
        self,
        tasks: Sequence[Task],
        material: Material,
        fingerprint: np.ndarray,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.learners = [Learner(task, material) for task in tasks]
        self._material, self._fingerprint, self._checkpoint = material, fingerprint, checkpoint
        self.states = saved_models(checkpoint, fingerprint)
        for i, state in self.states.items():
            self.learners[i].resume(state)
        self.reports = queue.SimpleQueue[_News | Exception]()
        self.stop, self._due = threading.Event(), 0.0

    def groups(self) -> list[list[int]]:
        """List the models that still have frozen epochs, together where backbone and seed are the same."""
        found: dict[tuple[str, int, int], list[int]] = {}
        for i, learner in enumerate(self.learners):
            if learner.frozen and not learner.ended:
                key = (learner.task.plan.backbone, learner.task.seed, learner.epoch)
                found.setdefault(key, []).append(i)
        return list(found.values())

    def together(self, models: Sequence[int]) -> None:
        """Train models through their frozen epochs, passing each clip through the backbone once an epoch."""
        learners = [self.learners[i] for i in models]
        seed, backbone = learners[0].task.seed, self._material.backbones[learners[0].task.plan.backbone]
        n = len(self._material.sounds.lengths)

        def passed(rows: np.ndarray, epoch: int) -> Callable[[np.ndarray], torch.Tensor]:
            def tick(clips: int) -> None:
                self._tell(_News(tuple(models), clips / len(models)))

            if not len(rows):
                return lambda wanted: torch.empty(0)
            table = self._material.passed(backbone, rows, crop_places(n, seed, epoch), tick)
            return lambda wanted: table[torch.from_numpy(np.searchsorted(rows, wanted)).to(table.device)]

        held = passed(_union(lr.task.validation_clips for lr in learners), VALIDATION_CROPS)
        while going := tuple(i for i in models if self.learners[i].frozen and not self.learners[i].ended):
            each = [self.learners[i] for i in going]
            crops = passed(_union(lr.task.train_clips for lr in each), each[0].epoch)
            for learner in each:
                learner.frozen_epoch(crops, held)
            self._ended_epoch(going)
        self._tell(_News(tuple(models), finished=True))

    def alone(self, model: int) -> None:
        """Train one model to its end."""
        learner = self.learners[model]
        while not learner.ended:
            learner.tuned_epoch(lambda work: self._tell(_News((model,), work)))
            self._ended_epoch((model,))
        learner.release()
        self._tell(_News((model,), finished=True))

    def save(self, news: _News) -> None:
        """Keep states beside the last ones of the other models."""
        if not news.states or self._checkpoint is None:
            return
        self.states |= dict(zip(news.models, news.states, strict=True))
        begun = time.monotonic()
        arrays = {"fingerprint": self._fingerprint}
        for i, state in self.states.items():
            arrays |= {f"{i}/{name}": array for name, array in state.items()}
        self._checkpoint.save(arrays)
        self._due = time.monotonic() + (time.monotonic() - begun) * (1 / _SAVING - 1)

    def _ended_epoch(self, models: tuple[int, ...]) -> None:
        each = [self.learners[i] for i in models]
        due = time.monotonic() >= self._due or any(learner.ended for learner in each)
        states = tuple(lr.state() for lr in each) if due and self._checkpoint is not None else ()
        self._tell(_News(models, curves=tuple(lr.curves.copy() for lr in each), states=states))

    def _tell(self, news: _News) -> None:
        if self.stop.is_set():
            raise _Stopped
        self.reports.put(news)


def train_all(
    tasks: Sequence[Task],
    material: Material,
    fingerprint: np.ndarray,
    progress: Progress | None,
    watch: Watch | None,
    checkpoint: Checkpoint | None,
) -> list[Trained]:
    """Train all tasks; see `core.contrastive.train_grid`."""
    grid = _Grid(tasks, material, fingerprint, checkpoint)
    work = _Work(grid.learners, material, progress)
    curves = np.stack([learner.curves for learner in grid.learners])
    waiting = {i for i, learner in enumerate(grid.learners) if not learner.ended}

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except _Stopped:
            pass
        except Exception as error:
            grid.reports.put(error)

    work.tell(force=True)
    with _workers(len(tasks), material) as pool:
        try:
            groups = grid.groups()
            for group in groups:
                pool.submit(run, lambda models=group: grid.together(models))  # type: ignore[misc]
            for i in waiting - {i for group in groups for i in group}:
                pool.submit(run, lambda model=i: grid.alone(model))  # type: ignore[misc]
            while waiting:
                news = grid.reports.get()
                if isinstance(news, Exception):
                    raise news
                work.done[list(news.models)] += news.work
                grid.save(news)
                for i in news.models if news.finished else ():
                    if grid.learners[i].ended:
                        waiting.discard(i)
                        work.done[i] = work.whole[i]
                    else:
                        pool.submit(run, lambda model=i: grid.alone(model))  # type: ignore[misc]
                work.tell(force=bool(news.curves) or not waiting)
                if news.curves:
                    curves[list(news.models)] = news.curves
                    if watch is not None:
                        watch(curves.copy())
        finally:
            grid.stop.set()
            pool.shutdown(cancel_futures=True)
    return [learner.trained() for learner in grid.learners]


class _Work:
    """How much is done, in clips passed through a backbone; one that learns from it counts as three."""

    def __init__(self, learners: Sequence[Learner], material: Material, progress: Progress | None) -> None:
        self._progress, self._told = progress, 0.0
        shares: dict[tuple[str, int], int] = {}
        for learner in learners:
            key = (learner.task.plan.backbone, learner.task.seed)
            shares[key] = shares.get(key, 0) + 1
        self.whole, self.done = np.zeros(len(learners)), np.zeros(len(learners))
        recipe = material.recipe
        for i, learner in enumerate(learners):
            task = learner.task
            share = shares[task.plan.backbone, task.seed]
            clips, held = len(task.train_clips), len(task.validation_clips)
            pairs = min(len(task.pairs.train), clips * (recipe.captions_a_clip or len(task.pairs.train)))
            frozen = clips / share
            tuned = 3 * pairs + held
            ended = recipe.max_epochs if learner.ended else learner.epoch
            for total, epochs in ((self.whole, recipe.max_epochs), (self.done, ended)):
                before = min(epochs, recipe.frozen_epochs)
                total[i] = (before > 0) * held / share + before * frozen + (epochs - before) * tuned

    def tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._progress is not None and (force or now - self._told >= _TELL):
            self._told = now
            done = np.minimum(self.done, self.whole).sum()
            self._progress(round(done), round(self.whole.sum()))


@contextmanager
def _workers(n: int, material: Material) -> Iterator[ThreadPoolExecutor]:
    """Train models side by side where that changes nothing: on a CPU, if no network draws while it learns."""
    networks = list(material.backbones.values())
    recipe = material.recipe
    draws = recipe.tune_text or recipe.projector == "clap" or any(map(_drops, networks))
    if material.text_backbone is not None and recipe.tune_text:
        networks.append(material.text_backbone)
    cuda = [torch.device(material.device)] if material.device.startswith("cuda") else []
    threads = operation_threads(networks, material.device)
    with (
        torch.random.fork_rng(devices=cuda),
        side_by_side(1 if draws else n, material.device, threads) as pool,
    ):
        yield pool


def _drops(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in network.modules())


def _union(rows: Iterator[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(list(rows)))


def fingerprint_of(
    recipe: object, sounds: Sounds, networks: Sequence[nn.Module], *others: str | bytes | np.ndarray
) -> np.ndarray:
    """Return what tells a training from all others, (32,) uint8."""
    found = hashlib.sha256(f"{recipe!r} {sounds.sample_rate} {sounds.lengths.tolist()}".encode())
    for start in range(0, len(sounds.lengths), _PROBE):
        rows = np.arange(start, min(start + _PROBE, len(sounds.lengths)))
        found.update(sounds.crop(rows, np.maximum(sounds.lengths[rows] - _PROBE, 0) // 2, _PROBE).tobytes())
    for network in networks:
        for name, weight in network.state_dict().items():
            found.update(f"{name} {tuple(weight.shape)}".encode())
            found.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for other in others:
        found.update(other.tobytes() if isinstance(other, np.ndarray) else str(other).encode())
        found.update(b";")
    return np.frombuffer(found.digest(), dtype=np.uint8).copy()
