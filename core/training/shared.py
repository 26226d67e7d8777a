"""What trainings of small models share: the order of clips, their scale, threads, and kept states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[int, int], object]
Arrays = dict[str, np.ndarray]

_SMALL = 10**6  # weights
_THREADS = 4  # of an operation of larger networks


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


def operation_threads(networks: Iterable[nn.Module], device: str) -> int:
    """Return how many threads an operation of networks gets: few and always as many, whatever is free.

    Sums are rounded by how many threads share them, and training makes much of a last digit. Threads of one
    operation also wait for each other at its end: operations of small networks are so short that two threads
    are hardly faster than one on a quiet machine, and several times slower on a busy one.
    """
    small = all(sum(w.numel() for w in network.parameters()) < _SMALL for network in networks)
    return 1 if small or device != "cpu" else _THREADS


@contextmanager
def fixed_threads(threads: int = 1) -> Iterator[None]:
    """Run each operation of torch in so many threads, and each of NumPy in one, however many are free."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def side_by_side(n: int, device: str, threads: int = 1) -> Iterator[ThreadPoolExecutor]:
    """Yield threads that train up to n models at once, as many as there are cores; on a GPU, one at a time.

    Each operation runs in `threads` threads, so that a model comes to the same whatever is trained beside it.
    """
    import torch

    workers = max(1, min(n, torch.get_num_threads() // threads)) if device == "cpu" else 1
    # The number is each thread's own, and at first the machine's.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,))
    with fixed_threads(threads), pool:
        yield pool
