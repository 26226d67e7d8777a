"""What trainings of small models share: the order of clips, their scale, threads, and kept states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np

Progress = Callable[[int, int], object]
Arrays = dict[str, np.ndarray]


class Checkpoint(Protocol):
    """Where a training that may be interrupted keeps its state."""

    def load(self) -> Mapping[str, np.ndarray] | None:
        """Return what was saved last, if anything."""

    def save(self, arrays: dict[str, np.ndarray]) -> None:
        """Keep these arrays in the place of what was saved before."""


def saved_models(checkpoint: Checkpoint | None, fingerprint: np.ndarray) -> dict[int, Arrays]:
    """Return what was saved of each model as ``NUMBER/NAME``; nothing if it is of other trainings."""
    saved = None if checkpoint is None else checkpoint.load()
    if saved is None or not np.array_equal(saved.get("fingerprint", np.empty(0)), fingerprint):
        return {}
    states: dict[int, Arrays] = {}
    for name, array in saved.items():
        number, _, rest = name.partition("/")
        if rest:
            states.setdefault(int(number), {})[rest] = np.asarray(array)
    return states


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order (n,) in which a model sees its clips in an epoch, counted from 0."""
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


def standardisation(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each dimension, (d,) float32; 1 for one that does not vary."""
    wide = audio.astype(np.float64)
    spread = wide.std(axis=0)
    spread[spread <= 1e-12 * np.abs(wide).max(axis=0)] = 1
    return wide.mean(axis=0).astype(np.float32), spread.astype(np.float32)


@contextmanager
def one_thread_each(threads: int) -> Iterator[None]:
    """Let the operations of a batch run in one thread where batches have one each.

    Threads of one operation wait for each other at its end, some thirty times a step: batches do not. What
    NumPy does is small, and takes longer in several threads.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
