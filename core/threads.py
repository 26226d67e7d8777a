"""Parallel work on blocks of rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SMALL = 20_000_000  # multiplications below which threads and compiled code cost more time than they save

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], *, cost: float = float("inf")
) -> Iterator[Result]:
    """Yield `work(item)` in order, computed on all cores unless `cost`, in multiplications, is small."""
    if len(items) < 2 or cost < SMALL or cores() == 1:
        yield from map(work, items)
        return
    from threadpoolctl import threadpool_limits

    # The threads already use every core.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(work, items)
