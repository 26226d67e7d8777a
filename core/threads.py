"""Work on blocks of rows, shared among the cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SMALL = 20_000_000  # multiplications below which threads and compiled code cost more than they save

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], *, cost: float = float("inf")
) -> Iterator[Result]:
    """Yield `work` of every item in order, done on all cores unless `cost`, in multiplications, is small."""
    if len(items) < 2 or cost < SMALL or cores() == 1:
        yield from map(work, items)
        return
    from threadpoolctl import threadpool_limits

    # The threads keep every core busy already.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(work, items)
