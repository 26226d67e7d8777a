"""The order of the neighbours alone, as `core.neighbors.knn` gives it, faster where most of all are wanted.

`knn` measures every neighbour that it returns pair by pair. For an order that is needed only where two
distances could round to the same 12 decimals: a float64 product decides the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, norms
from core.neighbors import exact_search as exact
from core.neighbors.nearest import knn, neighbor_indices
from core.threads import in_threads

_BLOCK_ELEMENTS = 500_000
_MANY_UNSURE = 0.1  # share of neighbours that may tie, from which it pays to measure all
_ROUNDOFF = 2.0**-53
#: Two distances that are further apart than this, their errors aside, differ in the 12th decimal.
_TIE = 1.001 * 10.0**-exact.DECIMALS


def index_type(n: int) -> type[np.unsignedinteger]:
    """Return an unsigned type that holds 0 to n, the narrower the faster the loops over it."""
    return np.uint16 if n <= 2**16 - 1 else np.uint32


def neighbor_order(X: ArrayLike, k: int, *, metric: str = "cosine") -> np.ndarray:
    """Return the indices that ``knn(X, k, metric=metric)`` returns, without the distances.

    Parameters
    ----------
    X : (n, d) array_like
    k : int
        From 1 to n - 1.
    metric : {'cosine', 'euclidean', 'inner_product'}, default 'cosine'

    Returns
    -------
    (n, k) array
        Nearest first, ties by lower index; unsigned, of 16 bits for up to 65,535 points and of 32 beyond.

    Raises
    ------
    ValueError
        As `knn`.

    Examples
    --------
    >>> neighbor_order([[0.0], [1.0], [3.0]], 2, metric="euclidean").tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    X = matrix(X, "X")
    n = len(X)
    if metric in ("cosine", "euclidean") and n // 4 < k < n:
        return _by_full_sort(X, k, metric)
    return knn(X, k, metric=metric)[0].astype(index_type(n))


def paired_graphs(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Check two neighbour graphs of the same points; return both as wide as the narrower one, (n, k) each."""
    a, b = neighbor_indices(first), neighbor_indices(second)
    if len(a) != len(b):
        raise ValueError(f"The neighbour graphs have {len(a)} and {len(b)} points; both need the same.")
    n, k = len(a), min(a.shape[1], b.shape[1])
    graphs = a[:, :k].astype(index_type(n)), b[:, :k].astype(index_type(n))
    for graph in graphs:
        for start in range(0, n, 4096):
            listed = np.sort(graph[start : start + 4096], axis=1)
            twice = (listed[:, 1:] == listed[:, :-1]).any(axis=1)
            if twice.any():
                raise ValueError(f"Point {start + int(twice.argmax())} has a neighbour twice in its list.")
    return graphs


def _by_full_sort(X: np.ndarray, k: int, metric: str) -> np.ndarray:
    n, d = X.shape
    problem = exact.prepare(X, X, metric, True)
    small = n * n * d < exact.SMALL
    pair_sums = exact.pair_sums_for(small)
    if metric == "cosine":
        points = problem.corpus * problem.corpus_scale[:, None]
        bias = np.zeros(n)
    else:
        points = problem.corpus.astype(np.float64)
        points -= points.mean(axis=0)
        bias = 0.5 * np.einsum("ij,ij->i", points, points)
    length = norms(points)
    longest = length.max(initial=0.0)
    # Worst case of two sums of d terms, in any order, and of what goes into them.
    unit = 8 * (d + 8) * _ROUNDOFF
    # A score and the index below it in one integer sort several times as fast as scores with their indices.
    bits = (n - 1).bit_length()
    scale = 2.0 ** (60 - bits) / max(longest**2, 1e-280)
    order = np.empty((n, k), dtype=index_type(n))
    rows = max(1, _BLOCK_ELEMENTS // n)

    def measure(start: int, offsets: np.ndarray, column: np.ndarray) -> np.ndarray:
        return exact.exact_distances(problem, pair_sums, start, offsets, column)

    def block(start: int) -> None:
        stop = min(start + rows, n)
        # Half the squared distance but for what is the same all along a row, or minus the cosine.
        scores = points[start:stop] @ points.T
        np.subtract(bias, scores, out=scores)
        scores *= scale
        keys = scores.astype(np.int64)
        keys <<= bits
        keys |= np.arange(n)
        keys[np.arange(stop - start), np.arange(start, stop)] = np.iinfo(np.int64).min
        keys.sort(axis=1)
        keys = keys[:, 1:]  # (b, n - 1), without the point itself
        columns = (keys & ((1 << bits) - 1)).astype(order.dtype)
        keys >>= bits
        tolerance = np.full(stop - start, _TIE + unit)
        if metric == "euclidean":
            # The difference of two squares is that of the distances, times their sum.
            distance = length[start:stop] + longest
            tolerance = unit * distance**2 + (_TIE + unit * distance) * distance
        tolerance = np.minimum(np.ceil(tolerance * scale) + 1, 2.0**62).astype(np.int64)
        near = np.diff(keys, axis=1) <= tolerance[:, None]
        unsure = np.count_nonzero(near)
        if unsure > _MANY_UNSURE * near.size:
            columns = _measured(start, stop, n, measure)
        elif unsure:
            _settle(start, columns, near, measure)
        order[start:stop] = columns[:, :k]

    for _ in in_threads(block, range(0, n, rows), cost=0 if small else np.inf):
        pass
    return order


#: Takes the first of some rows, where the columns of each begin, and the columns; gives exact distances.
Measure = Callable[[int, np.ndarray, np.ndarray], np.ndarray]


def _measured(start: int, stop: int, n: int, measure: Measure) -> np.ndarray:
    """Return all other points of rows start to stop in the order of their exact distances, then indices."""
    every = np.tile(np.arange(n), (stop - start, 1))
    others = every[every != np.arange(start, stop)[:, None]].reshape(stop - start, n - 1)
    offsets = np.arange(stop - start + 1) * (n - 1)
    distances = measure(start, offsets, others.ravel()).reshape(others.shape)
    return np.take_along_axis(others, np.argsort(distances, axis=1, kind="stable"), axis=1)


def _settle(start: int, columns: np.ndarray, near: np.ndarray, measure: Measure) -> None:
    """Sort every run of neighbours that may tie by exact distance, then by index, in place.

    ``near[:, p]`` says that the neighbours at p and p + 1 may tie.
    """
    member = np.zeros(columns.shape, dtype=bool)
    member[:, :-1] |= near
    member[:, 1:] |= near
    begins = member.copy()
    begins[:, 1:] &= ~near
    row, position = np.nonzero(member)
    run = np.cumsum(begins[row, position])
    column = columns[row, position].astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(columns)))])
    columns[row, position] = column[np.lexsort((column, measure(start, offsets, column), run))]
