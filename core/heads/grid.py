"""Many classifier heads: cut into batches, trained side by side, and kept so that an end is no loss."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.heads.batch import Batch, Task, Trained
from core.heads.data import Clips
from core.training.shared import Arrays, Checkpoint, Progress, saved_models, side_by_side

_MODELS = 10  # trained as one on a CPU: more do not fit its cache, fewer cost more in calls
_GPU_ELEMENTS = 2**28  # values of weights trained as one on a GPU
_SECONDS = 20.0  # between two states of a batch that are kept

Watch = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class _News:
    """What a batch has come to after an epoch; what it has learned, once it has ended."""

    number: int
    epoch: int
    curves: np.ndarray
    state: Arrays | None
    ended: list[Trained] | None


def train_grid(
    clips: Clips,
    tasks: Sequence[Task],
    shapes: Sequence[Hashable],
    *,
    keep_epochs: np.ndarray,
    keep_rows: np.ndarray,
    device: str,
    progress: Progress | None,
    watch: Watch | None,
    checkpoint: Checkpoint | None,
) -> list[Trained]:
    """Train all tasks, those of equal `shapes` in the same batches; see `core.heads.train_heads`."""
    fingerprint = _fingerprint(clips, tasks, keep_epochs, keep_rows)
    states = saved_models(checkpoint, fingerprint)
    batches = _batches(clips, tasks, shapes, device)
    longest = max(t.recipe.epochs for t in tasks)
    curves = np.full((len(tasks), 3, longest), np.nan, dtype=np.float32)
    epochs, to_do = np.zeros(len(tasks), dtype=np.int64), sum(t.recipe.epochs for t in tasks)
    for number, state in states.items():
        epochs[batches[number]] = state["epoch"]
    if progress is not None:
        progress(int(epochs.sum()), to_do)
    found: dict[int, Trained] = {}
    waiting = set(range(len(batches)))
    stop, reports = threading.Event(), queue.SimpleQueue[_News | Exception]()

    def work(number: int) -> None:
        try:
            batch = Batch(clips, [tasks[i] for i in batches[number]], keep_epochs, keep_rows, device)
            if number in states:
                batch.resume(states[number])
            for news in _run(number, batch):
                reports.put(news)
                if stop.is_set():
                    return
        except Exception as error:
            reports.put(error)

    with side_by_side(len(batches), device) as pool:
        try:
            for number in waiting:
                pool.submit(work, number)
            while waiting:
                news = reports.get()
                if isinstance(news, Exception):
                    raise news
                models = batches[news.number]
                epochs[models] = news.epoch
                curves[models, :, : news.curves.shape[2]] = news.curves
                if news.ended is not None:
                    waiting.remove(news.number)
                    found |= dict(zip(models, news.ended, strict=True))
                if news.state is not None and checkpoint is not None:
                    states[news.number] = news.state
                    checkpoint.save(
                        {"fingerprint": fingerprint}
                        | {f"{n}/{name}": a for n, state in states.items() for name, a in state.items()}
                    )
                if progress is not None:
                    progress(int(epochs.sum()), to_do)
                if watch is not None:
                    watch(curves.copy())
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return [found[i] for i in range(len(tasks))]


def _run(number: int, batch: Batch) -> Iterator[_News]:
    kept = time.monotonic()
    for _ in batch.run():
        state = None
        if time.monotonic() - kept >= _SECONDS:
            state, kept = batch.state(), time.monotonic()
        yield _News(number, batch.epoch, batch.curves.copy(), state, None)
    yield _News(number, batch.epoch, batch.curves.copy(), batch.state(), batch.trained())


def _batches(clips: Clips, tasks: Sequence[Task], shapes: Sequence[Hashable], device: str) -> list[list[int]]:
    """Cut the tasks into batches, whatever the number of threads: results hang on it by rounding."""
    of_shape: dict[Hashable, list[int]] = {}
    for i, shape in enumerate(shapes):
        of_shape.setdefault(shape, []).append(i)
    found = []
    for models in of_shape.values():
        # Those with as many clips side by side, so that no place is empty; then those with one loss.
        models.sort(key=lambda i: (-len(tasks[i].fold.train), tasks[i].recipe.loss, i))
        size = _MODELS
        if device != "cpu":
            recipe = tasks[models[0]].recipe
            each = clips.X.shape[1] * (recipe.hidden or recipe.dim) + recipe.hidden * recipe.dim
            size = max(1, _GPU_ELEMENTS // each)
        found += [models[start : start + size] for start in range(0, len(models), size)]
    return found


def _fingerprint(
    clips: Clips, tasks: Sequence[Task], keep_epochs: np.ndarray, keep_rows: np.ndarray
) -> np.ndarray:
    """Return what tells these trainings from all others."""
    found = hashlib.sha256()
    for array in (clips.X, clips.codes, keep_epochs, keep_rows):
        found.update(repr(array.shape).encode() + array.tobytes())
    for fold in clips.folds:
        found.update(fold.test.tobytes() + b";")
    for task in tasks:
        found.update(f"{task.recipe!r} {task.seed} {task.fold.name!r} {task.kept}".encode())
    return np.frombuffer(found.digest(), dtype=np.uint8).copy()
