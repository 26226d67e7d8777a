"""Compiled loops over the ranks of neighbours. Imports numba: import it inside the function that needs it.

With a and b the ranks, from 0, of the same neighbour in two lists, it is in the first k of both exactly when
max(a, b) < k. A rank of k stands for "not in the list", so that nothing has to be asked in the inner loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # nowhere to write the compiled code to
        return numba.njit(nogil=True)(function)


@_compile
def count_shared(
    first: np.ndarray,
    second: np.ndarray,
    start: int,
    stop: int,
    rank: np.ndarray,
    histograms: np.ndarray,
    shared: np.ndarray,
    jaccard: np.ndarray,
) -> None:
    """Count the larger ranks of what the lists of points `start` to `stop` share.

    Parameters
    ----------
    first, second : (n, k) unsigned int arrays
    rank : (n,) unsigned int array
        All k; it is so again afterwards.
    histograms : (n, k) uint8 array of zeros
        Written: how many neighbours of a point have this larger rank.
    shared : (k,) int64 array
        Added to: neighbours that the first 1 to k of both lists share.
    jaccard : (k,) float64 array
        Added to: the same over the size of the union.
    """
    k = first.shape[1]
    for i in range(start, stop):
        for a in range(k):
            rank[first[i, a]] = a
        for b in range(k):
            larger = max(rank[second[i, b]], b)
            if larger < k:
                histograms[i, larger] += 1
        for a in range(k):
            rank[first[i, a]] = k
        both = 0
        for b in range(k):
            both += histograms[i, b]
            shared[b] += both
            jaccard[b] += both / (2 * (b + 1) - both)


@_compile
def count_shuffled(
    first: np.ndarray,
    second: np.ndarray,
    partner: np.ndarray,
    rank: np.ndarray,
    larger: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Count the larger ranks over all points, where point i is paired with point ``partner[i]``.

    Parameters
    ----------
    first, second : (n, k) unsigned int arrays
    partner : (n,) unsigned int array
    rank : (n,) unsigned int array
        All k; it is so again afterwards.
    larger : (k,) array of the type of `rank`
        For what is in between.
    counts : (k + 1,) int64 array
        Added to; the last counts neighbours that are in one of the lists only.
    """
    n, k = first.shape
    for i in range(n):
        for a in range(k):
            rank[partner[first[i, a]]] = a
        neighbors = second[partner[i]]
        # A loop of its own, so that it is vectorised.
        for b in range(k):
            larger[b] = max(rank[neighbors[b]], b)
        for b in range(k):
            counts[larger[b]] += 1
        for a in range(k):
            rank[partner[first[i, a]]] = k
