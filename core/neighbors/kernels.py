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
    except RuntimeError:  # no folder that the compiled code could be written to
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


@_compile
def _spline(t: float, weights: np.ndarray, slopes: np.ndarray) -> None:
    """Quintic B-spline at t in [0, 1) past a grid point: weights of the points -2 to 3, and their slopes."""
    for i in range(6):
        # Distance from the point, in the truncated powers of the spline.
        x = t + 5 - i
        value, slope, binomial = 0.0, 0.0, 1.0
        for j in range(6):
            y = x - j
            if y <= 0:
                break
            value += binomial * y**5
            slope += binomial * 5 * y**4
            binomial *= -(6.0 - j) / (j + 1)
        weights[i] = value / 120
        slopes[i] = slope / 120


@_compile
def spread_points(at: np.ndarray, grid: np.ndarray) -> None:
    """Add every point (n, 2), in cells, to the 6 × 6 grid points about it."""
    wx, wy, slopes = np.empty(6), np.empty(6), np.empty(6)
    for p in range(at.shape[0]):
        x, y = int(at[p, 0]), int(at[p, 1])
        _spline(at[p, 0] - x, wx, slopes)
        _spline(at[p, 1] - y, wy, slopes)
        for i in range(6):
            for j in range(6):
                grid[x - 2 + i, y - 2 + j] += wx[i] * wy[j]


@_compile
def gather_potential(at: np.ndarray, potential: np.ndarray, out: np.ndarray) -> None:
    """Read the potential and its gradient along both axes, (n, 3), at every point (n, 2), in cells."""
    wx, wy, sx, sy = np.empty(6), np.empty(6), np.empty(6), np.empty(6)
    for p in range(at.shape[0]):
        x, y = int(at[p, 0]), int(at[p, 1])
        _spline(at[p, 0] - x, wx, sx)
        _spline(at[p, 1] - y, wy, sy)
        value, along_x, along_y = 0.0, 0.0, 0.0
        for i in range(6):
            line, slope = 0.0, 0.0
            for j in range(6):
                v = potential[x - 2 + i, y - 2 + j]
                line += wy[j] * v
                slope += sy[j] * v
            value += wx[i] * line
            along_x += sx[i] * line
            along_y += wx[i] * slope
        out[p, 0], out[p, 1], out[p, 2] = value, along_x, along_y


@_compile
def attract(
    offsets: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray,
    coords: np.ndarray,
    start: int,
    stop: int,
    out: np.ndarray,
) -> None:
    """Sum p_ij (y_i - y_j) / (1 + d_ij²) over the pairs of a sparse matrix, for rows start to stop."""
    for i in range(start, stop):
        along_x, along_y = 0.0, 0.0
        for p in range(offsets[i], offsets[i + 1]):
            j = columns[p]
            x, y = coords[i, 0] - coords[j, 0], coords[i, 1] - coords[j, 1]
            w = weights[p] / (1.0 + x * x + y * y)
            along_x += w * x
            along_y += w * y
        out[i, 0], out[i, 1] = along_x, along_y


@_compile
def repel(coords: np.ndarray, out: np.ndarray) -> float:
    """Sum (y_i - y_j) / (1 + d_ij²)² over all j for every i; return the sum of 1 / (1 + d_ij²), i ≠ j."""
    n = coords.shape[0]
    total = 0.0
    for i in range(n):
        along_x, along_y = 0.0, 0.0
        for j in range(n):
            if j != i:
                x, y = coords[i, 0] - coords[j, 0], coords[i, 1] - coords[j, 1]
                w = 1.0 / (1.0 + x * x + y * y)
                total += w
                along_x += w * w * x
                along_y += w * w * y
        out[i, 0], out[i, 1] = along_x, along_y
    return total


# With a and b the ranks, from 0, of a neighbour in two lists, it is in the first k of both exactly when
# max(a, b) < k. A rank of k means "not in the list", so that the inner loops need no branches.


@_compile
def count_shared(
    first: np.ndarray, second: np.ndarray, start: int, stop: int, histograms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count the larger ranks of the neighbours that both lists of the points `start` to `stop` hold.

    Parameters
    ----------
    first, second : (n, k) unsigned int arrays
    histograms : (n, k) uint8 array of zeros
        Written: how many neighbours of a point have each larger rank.

    Returns
    -------
    shared : (k,) int64 array
        Neighbours that the first 1 to k of both lists share, over all these points.
    jaccard : (k,) float64 array
        The same over the size of the union.
    """
    n, k = first.shape
    rank = np.full(n, k, first.dtype)
    shared, jaccard = np.zeros(k, np.int64), np.zeros(k)
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
    return shared, jaccard


@_compile
def count_shuffled(first: np.ndarray, second: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Count the larger ranks over all points, where point i is paired with point ``partner[i]``.

    Parameters
    ----------
    first, second : (n, k) unsigned int arrays
    partner : (n,) unsigned int array

    Returns
    -------
    (k + 1,) int64 array
        The last counts neighbours that are in one of the lists only.
    """
    n, k = first.shape
    rank, larger = np.full(n, k, first.dtype), np.empty(k, first.dtype)
    counts = np.zeros(k + 1, np.int64)
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
    return counts
