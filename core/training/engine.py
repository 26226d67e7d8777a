"""Groups of models, trained several at once an epoch at a time, saved as they go, and resumed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from core.training.results import Arrays, Checkpoint, TrainingResult, named, pack, unpack
from core.training.threads import side_by_side

Progress = Callable[[int, int], object]
Watch = Callable[[np.ndarray], object]
Tick = Callable[[float], object]

_SECONDS = 20.0  # between two times that a group is saved
_SAVING = 0.1  # of the time, at most, goes into saving
_TELL = 0.2  # seconds between two reports of progress within epochs


class Group(Protocol):
    """Models that are trained together, an epoch at a time."""

    @property
    def models(self) -> Sequence[int]:
        """Numbers of the models whose curves these are: those that are in training still."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def curves(self) -> np.ndarray:
        """Curves of the models, (m, n_curves, epochs) float32, NaN from this epoch on."""

    @property
    def successors(self) -> Sequence[Plan]:
        """How the models go on separately from here on; empty while they are trained together."""

    def train_epoch(self, tick: Tick) -> Mapping[int, TrainingResult]:
        """Train for an epoch; return the models that have ended with it.

        `tick` may be called within the epoch with the work done for each of the models.
        """

    def state(self) -> Arrays:
        """Return all that it takes to go on from here, valid until the next epoch."""

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from the state of the same group."""


@dataclass(frozen=True)
class Plan:
    """A group before it starts.

    Attributes
    ----------
    name : str
        Of the piece that it is saved as.
    models : tuple of int
        Numbers of its models in the result.
    begin : callable
        Makes the group; called in the thread that trains it.
    """

    name: str
    models: tuple[int, ...]
    begin: Callable[[], Group]


@dataclass(frozen=True)
class Session:
    """Where a training runs, and what it reports to.

    Attributes
    ----------
    device : str
        On "cpu", as many groups are trained at once as there are cores; else one.
    progress : callable, optional
        Called with the work done and to do, of all models together: after epochs, and at times within.
    watch : callable, optional
        Called after every epoch of a group with the curves so far, (models, n_curves, longest), NaN for
        epochs to come.
    checkpoint : Checkpoint, optional
        Where to go on from, and to save to: each group every 20 seconds or, if saving takes longer than 2, so
        rarely that it takes a tenth of the time; and when its models have ended.
    threads : int
        That share an operation.
    in_turn : bool
        Whether groups are trained one after the other in any case, as those must be that draw from torch's
        own generator.
    """

    device: str
    progress: Progress | None = None
    watch: Watch | None = None
    checkpoint: Checkpoint | None = None
    threads: int = 1
    in_turn: bool = False


class _Stopped(Exception):
    """The training is to end."""


def train(
    plans: Sequence[Plan], work: Sequence[np.ndarray], fingerprint: np.ndarray, session: Session
) -> list[TrainingResult]:
    """Train groups of models, and return the result of each model.

    Parameters
    ----------
    plans : sequence of Plan
        Each model is in one of them.
    work : sequence of (epochs + 1,) arrays
        For each model, the work that is done after so many epochs, from 0 on, in any unit. A model that ends
        early has done all of it.
    fingerprint : (32,) uint8 array
        Identifies the training; pieces of others are not used. See `results.fingerprint`.
    session : Session

    Returns
    -------
    list of TrainingResult
        In the order of `work`. Whatever a model or a callback raises ends the training, and is raised here.
    """
    return _Training(work, fingerprint, session).run(plans)


class _Training:
    """A training as the thread that started it sees it: others report by putting calls into a queue."""

    def __init__(self, work: Sequence[np.ndarray], fingerprint: np.ndarray, session: Session) -> None:
        self._work, self._fingerprint, self._session = work, fingerprint, session
        self._whole = np.array([own[-1] for own in work], dtype=np.float64)
        self._done = np.zeros(len(work))
        self._results: dict[int, TrainingResult] = {}
        self._states: dict[str, tuple[tuple[int, ...], Arrays]] = {}
        self._curves: np.ndarray | None = None
        self._reported = 0.0
        self._waiting: set[str] = set()
        self._stop, self._reports = threading.Event(), queue.SimpleQueue[Callable[[], None]]()
        pieces: Mapping[str, Mapping[str, np.ndarray]] = {}
        if session.checkpoint is not None:
            pieces = session.checkpoint.load()
        for name, piece in pieces.items():
            if np.array_equal(piece.get("fingerprint", ()), fingerprint):
                models = tuple(piece["models"].tolist())
                self._states[name] = models, named(piece, "state/")
                self._done[list(models)] = np.maximum(self._done[list(models)], piece["done"])
                self._show(piece["going"].tolist(), piece["curves"])
                self._take(unpack(piece))

    def run(self, plans: Sequence[Plan]) -> list[TrainingResult]:
        """See `train`."""
        import torch

        session = self._session
        self._report_progress()
        devices = [torch.device(session.device)] if session.device.startswith("cuda") else []
        at_once = 1 if session.in_turn else len(self._work)
        with (
            torch.random.fork_rng(devices=devices),
            side_by_side(at_once, session.device, session.threads) as pool,
        ):
            try:
                self._submit(pool, plans)
                while self._waiting:
                    self._reports.get()()
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
        return [self._results[i] for i in range(len(self._work))]

    def _submit(self, pool: Executor, plans: Sequence[Plan]) -> None:
        for plan in plans:
            if not self._results.keys() >= set(plan.models):
                self._waiting.add(plan.name)
                pool.submit(self._train, pool, plan)

    def _train(self, pool: Executor, plan: Plan) -> None:
        """Train one group to its end, in a thread of its own."""
        try:
            self._train_group(pool, plan)
        except _Stopped:
            pass
        except BaseException as error:
            self._reports.put(partial(_raise, error))

    def _train_group(self, pool: Executor, plan: Plan) -> None:
        checkpoint, due = self._session.checkpoint, time.monotonic() + _SECONDS
        group, ended = plan.begin(), dict[int, TrainingResult]()
        models, state = self._states.pop(plan.name, ((), {}))
        if models == plan.models and state:
            group.resume(state)
            ended = {i: self._results[i] for i in models if i in self._results}
        while len(ended) < len(plan.models) and not group.successors:
            results = group.train_epoch(lambda work: self._report(self._add_work, plan, work))
            ended |= results
            last = len(ended) == len(plan.models) or bool(group.successors)
            if checkpoint is not None and (last or time.monotonic() >= due):
                began = time.monotonic()
                checkpoint.save(plan.name, self._piece(plan, group, ended))
                due = time.monotonic() + max(_SECONDS, (time.monotonic() - began) * (1 / _SAVING - 1))
            going = tuple(group.models)
            self._report(self._add_epoch, going, group.epoch, group.curves.copy(), results)
        self._report(self._end, pool, plan, group.successors if len(ended) < len(plan.models) else ())

    def _piece(self, plan: Plan, group: Group, ended: Mapping[int, TrainingResult]) -> Arrays:
        """Return what is saved of a group: results of models that have ended, a state of the others."""
        state = {} if len(ended) == len(plan.models) else group.state()
        done = [self._whole[i] if i in ended else self._work[i][group.epoch] for i in plan.models]
        piece = {
            "fingerprint": self._fingerprint,
            "models": np.array(plan.models, dtype=np.int64),
            "done": np.array(done, dtype=np.float64),
            "whole": np.array(self._whole.sum()),
            "going": np.array(group.models, dtype=np.int64),
            "curves": group.curves,
        }
        return piece | {f"state/{name}": array for name, array in state.items()} | pack(ended)

    def _report(self, what: Callable[..., None], *about: object) -> None:
        """Have the thread that started the training do something."""
        if self._stop.is_set():
            raise _Stopped
        self._reports.put(partial(what, *about))

    def _add_work(self, plan: Plan, work: float) -> None:
        self._done[list(plan.models)] += work
        self._report_progress(now=False)

    def _add_epoch(
        self, models: Sequence[int], epoch: int, curves: np.ndarray, results: Mapping[int, TrainingResult]
    ) -> None:
        for i in models:
            self._done[i] = max(self._done[i], self._work[i][epoch])
        self._show(models, curves)
        self._take(results)
        self._report_progress()
        if self._session.watch is not None and self._curves is not None:
            self._session.watch(self._curves.copy())

    def _end(self, pool: Executor, plan: Plan, successors: Sequence[Plan]) -> None:
        self._waiting.remove(plan.name)
        self._submit(pool, successors)

    def _take(self, results: Mapping[int, TrainingResult]) -> None:
        for i, result in results.items():
            self._results[i] = result
            self._done[i] = self._whole[i]
            self._show([i], result.curves[None])

    def _show(self, models: Sequence[int], curves: np.ndarray) -> None:
        if self._curves is None:
            longest = max(len(own) for own in self._work) - 1
            shape = (len(self._work), curves.shape[1], longest)
            self._curves = np.full(shape, np.nan, dtype=np.float32)
        self._curves[list(models), :, : curves.shape[2]] = curves

    def _report_progress(self, *, now: bool = True) -> None:
        if self._session.progress is None or not (now or time.monotonic() - self._reported >= _TELL):
            return
        self._reported = time.monotonic()
        done = np.minimum(self._done, self._whole).sum()
        self._session.progress(round(float(done)), round(float(self._whole.sum())))


def _raise(error: BaseException) -> None:
    raise error


def share_done(pieces: Mapping[str, Mapping[str, np.ndarray]]) -> float:
    """Return which share of a training its pieces hold, in [0, 1], by ``models``, ``done`` and ``whole``."""
    done: dict[int, float] = {}
    whole = 0.0
    for piece in pieces.values():
        whole = float(piece["whole"])
        for model, own in zip(piece["models"].tolist(), piece["done"].tolist(), strict=True):
            done[model] = max(own, done.get(model, 0.0))
    return sum(done.values()) / whole if whole else 0.0
