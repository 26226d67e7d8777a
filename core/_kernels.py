"""Compiled inner loops. This module imports numba: import it inside the function that needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    # fastmath lets the sum be vectorised; the order of its terms is still the same for every pair.
    try:
        return numba.njit(nogil=True, fastmath=True, cache=True)(function)
    except RuntimeError:  # nowhere to write the compiled code to
        return numba.njit(nogil=True, fastmath=True)(function)


@_compile
def pair_sums(
    queries: np.ndarray,
    corpus: np.ndarray,
    first: int,
    offsets: np.ndarray,
    columns: np.ndarray,
    squared_difference: bool,
    out: np.ndarray,
) -> None:
    """Inner product, or squared difference, of listed pairs of rows, summed in float64.

    Query ``first + r`` (d,) is paired with the corpus rows ``columns[offsets[r]:offsets[r + 1]]``.
    """
    d = corpus.shape[1]
    for r in range(offsets.shape[0] - 1):
        q = queries[first + r]
        for p in range(offsets[r], offsets[r + 1]):
            x = corpus[columns[p]]
            total = 0.0
            if squared_difference:
                for j in range(d):
                    difference = numba.float64(q[j]) - numba.float64(x[j])
                    total += difference * difference
            else:
                for j in range(d):
                    total += numba.float64(q[j]) * numba.float64(x[j])
            out[p] = total
