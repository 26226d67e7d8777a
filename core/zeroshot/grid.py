"""Many zero-shot models: cut into batches, trained side by side, and kept so that an end is no loss."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.splits import split_to_json
from core.training.shared import Checkpoint, Progress, side_by_side
from core.zeroshot.batch import Batch, Settings, Trained
from core.zeroshot.data import Collection, Task

_MODELS = 6  # trained as one on a CPU: more do not fit its cache, fewer cost more in calls
_GPU_SHARE = 0.5  # of the free memory
_SECONDS = 20.0  # between two states of a batch that are kept

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class _News:
    """What a batch has come to: its epoch, who ended, whose state is given where it is time for one."""

    batch: int
    epoch: int
    done: dict[int, Trained]
    state: Arrays | None


class _Ledger:
    """Models that have ended and the last states of batches that go on, saved and loaded as flat arrays."""

    def __init__(self, fingerprint: bytes, checkpoint: Checkpoint | None) -> None:
        self.done: dict[int, Trained] = {}
        self.states: dict[int, Arrays] = {}
        self._fingerprint, self._checkpoint = np.frombuffer(fingerprint, dtype=np.uint8), checkpoint
        saved = None if checkpoint is None else checkpoint.load()
        if saved is None or not np.array_equal(saved.get("fingerprint", np.empty(0)), self._fingerprint):
            return  # nothing, or of other models
        groups: dict[str, Arrays] = {}
        for name, array in saved.items():
            group, _, rest = name.partition("/")
            groups.setdefault(group, {})[rest] = np.asarray(array)
        for group, arrays in groups.items():
            if group.startswith("batch"):
                self.states[int(group.removeprefix("batch"))] = arrays
            elif group.startswith("model"):
                curves, ends = arrays.pop("curves"), arrays.pop("ends")
                self.done[int(group.removeprefix("model"))] = Trained(arrays, curves, *map(int, ends))

    def take(self, news: _News, ended: bool) -> None:
        """Note what a batch has come to, and save all where there is more to save than before."""
        self.done |= news.done
        if news.state is not None:
            self.states[news.batch] = news.state
        if ended:
            self.states.pop(news.batch, None)
        if self._checkpoint is None or not (ended or news.state is not None):
            return
        arrays = {"fingerprint": self._fingerprint.copy()}
        for i, model in self.done.items():
            ends = np.array([model.best_epoch, model.failed_epoch])
            arrays |= {f"model{i}/{name}": array for name, array in model.learned.items()}
            arrays |= {f"model{i}/curves": model.curves, f"model{i}/ends": ends}
        for number, state in self.states.items():
            arrays |= {f"batch{number}/{name}": array for name, array in state.items()}
        self._checkpoint.save(arrays)


def train_grid(
    collection: Collection,
    tasks: Sequence[Task],
    recipe: Settings,
    device: str,
    progress: Progress | None,
    checkpoint: Checkpoint | None,
) -> list[Trained]:
    """Train all tasks; see `core.zeroshot.train_many`."""
    ledger = _Ledger(_fingerprint(collection, tasks, recipe), checkpoint)
    order = sorted(range(len(tasks)), key=lambda i: -len(tasks[i].train.rows))
    size = _batch_size(collection, tasks, recipe, device)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    waiting = [n for n, models in enumerate(batches) if not ledger.done.keys() >= set(models)]
    # Another device or more memory makes other batches; a state that is not of the same models begins anew.
    states = {
        n: ledger.states[n]
        for n in waiting
        if n in ledger.states and _is_of(ledger.states[n]["models"].tolist(), batches[n], ledger.done)
    }
    epochs = np.full(len(tasks), recipe.epochs)
    for n in waiting:
        epochs[batches[n]] = states[n]["epoch"] if n in states else 0

    def tell() -> None:
        epochs[list(ledger.done)] = recipe.epochs
        if progress is not None:
            progress(int(epochs.sum()), len(tasks) * recipe.epochs)

    stop, reports = threading.Event(), queue.SimpleQueue[_News | Exception]()

    def work(n: int) -> None:
        try:
            for news in _train_batch(n, batches[n], collection, tasks, recipe, device, states.get(n)):
                reports.put(news)
                if stop.is_set():
                    return
        except Exception as error:
            reports.put(error)

    tell()
    with side_by_side(len(waiting), device) as pool:
        try:
            for n in waiting:
                pool.submit(work, n)
            while waiting:
                news = reports.get()
                if isinstance(news, Exception):
                    raise news
                epochs[batches[news.batch]] = news.epoch
                ended = (ledger.done | news.done).keys() >= set(batches[news.batch])
                ledger.take(news, ended)
                if ended:
                    waiting.remove(news.batch)
                tell()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return [ledger.done[i] for i in range(len(tasks))]


def _is_of(alive: Sequence[int], models: Sequence[int], done: Container[int]) -> bool:
    """Whether a state whose models `alive` still train is of the batch of these models."""
    return set(alive) == {i for i in models if i not in done}


def _train_batch(
    number: int,
    models: Sequence[int],
    collection: Collection,
    tasks: Sequence[Task],
    recipe: Settings,
    device: str,
    state: Arrays | None,
) -> Iterator[_News]:
    index = {id(tasks[i]): i for i in models}
    batch = Batch(collection, [tasks[i] for i in models], recipe, device)
    if state is not None:
        alive = state["models"].tolist()
        batch.keep(np.array([p for p, i in enumerate(models) if i in alive], dtype=np.int64))
        batch.resume(state)
    kept = time.monotonic()
    for ended in batch.run():
        done = {index[id(task)]: trained for task, trained in ended}
        news = _News(number, batch.epoch, done, None)
        if time.monotonic() - kept >= _SECONDS and batch.tasks:
            alive = np.array([index[id(task)] for task in batch.tasks])
            news = _News(number, batch.epoch, done, {"models": alive, **batch.state()})
            kept = time.monotonic()
        yield news


def _batch_size(collection: Collection, tasks: Sequence[Task], recipe: Settings, device: str) -> int:
    """Return how many models are trained as one, whatever the number of threads: results hang on it."""
    if device == "cpu":
        return max(1, min(_MODELS, -(-len(tasks) // 2)))
    train = max(len(t.train.rows) for t in tasks)
    held = max(sum(len(v.rows) for v in t.validations) for t in tasks)
    classes = max(len(t.train.classes) + sum(len(v.classes) for v in t.validations) for t in tasks)
    inputs = collection.audio.shape[1]
    weights = (inputs + recipe.shared) * recipe.hidden + classes * recipe.shared
    values = recipe.batch_size * (inputs + 2 * recipe.hidden + 3 * recipe.shared + 8 * classes)
    of_tries = len(tasks[0].train.classes) if recipe.sampled else 0
    each = 4 * (4 * weights + 2 * values + held * (classes + 2)) + 8 * train * (3 + of_tries)
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(len(tasks), int(_GPU_SHARE * free / each)))


def _fingerprint(collection: Collection, tasks: Sequence[Task], recipe: Settings) -> bytes:
    """Return what tells these trainings from all others."""
    found = hashlib.sha256(repr(recipe).encode())
    for array in (collection.audio, collection.text):
        found.update(repr(array.shape).encode() + array.tobytes())
    for task in tasks:
        found.update(f"{split_to_json(task.split, compact=True)}{task.seed}".encode())
        for part in (task.train, *task.validations):
            found.update(part.rows.tobytes() + part.targets.tobytes() + part.texts.tobytes())
    return found.digest()
