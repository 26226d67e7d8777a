"""How many threads an operation gets, and how many models are trained at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_SMALL = 10**6  # weights
_THREADS = 4  # of an operation of larger networks


def default_device() -> str:
    """Return "cuda" if torch has a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


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

    Each operation runs in `threads` threads, so that weights do not depend on what is trained beside a model.
    """
    import torch

    workers = max(1, min(n, torch.get_num_threads() // threads)) if device == "cpu" else 1
    # The number is each thread's own, and at first the machine's.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,))
    with fixed_threads(threads), pool:
        yield pool
