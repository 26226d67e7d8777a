"""Exact nearest neighbours, and what they say about the classes.

Distances: ``cosine`` is 1 - cos, in [0, 2], and the cosine of a zero vector with anything is 0, so its
distance is 1; ``euclidean`` is the L2 norm of the difference; ``inner_product`` is the **negative** inner
product, so that nearest is always smallest.

Distances are float64 rounded to 12 decimals, and the order is that of the rounded distance, then of the
index: two equal rows tie whatever the machine and the size of the blocks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

METRICS = ("cosine", "euclidean", "inner_product")

DECIMALS = 12
_FLOAT32 = 2.0**-24  # unit roundoff
_FLOAT64 = 2.0**-53
_BLOCK_ELEMENTS = 5_000_000  # scores held at once by a worker: 20 MB
_SMALL = 20_000_000  # multiplications below which threads and compiled code cost more than they save


def knn(
    X: ArrayLike,
    k: int,
    *,
    metric: str = "cosine",
    include_self: bool = False,
    queries: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the exact k nearest neighbours, nearest first, ties by lower index.

    Parameters
    ----------
    X : (n, d) array_like
        One point a row. Read in float32 or float64 as given; anything else is read as float64.
    k : int
        Neighbours a point: from 1 to n - 1, or to n with `include_self` or `queries`.
    metric : {'cosine', 'euclidean', 'inner_product'}, default 'cosine'
    include_self : bool, default False
        Whether a point is a neighbour of itself. It is then always the first, at its own distance: 0 for
        cosine and euclidean, minus its squared norm for inner_product.
    queries : (m, d) array_like, optional
        Points whose neighbours in `X` are wanted, instead of those of the rows of `X` themselves.

    Returns
    -------
    indices : (n, k) or (m, k) int64 array
        Rows of `X`.
    distances : (n, k) or (m, k) float64 array
        Rounded to 12 decimals.

    Raises
    ------
    ValueError
        For an unknown metric, a k out of range, an empty or ragged matrix, a value that is not finite, or
        queries of another width.

    Notes
    -----
    A float32 matrix product on centred rows finds a superset of the neighbours: every point whose score
    reaches the k-th best within the worst-case rounding error of that product. Only those are measured in
    float64 and sorted. Memory is bounded by blocks of rows.

    Examples
    --------
    >>> indices, distances = knn([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 1.0]], 2)
    >>> indices
    array([[2, 3],
           [3, 0],
           [0, 3],
           [0, 1]])
    >>> distances[0].round(3)
    array([0.   , 0.293])
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    corpus = _matrix(X, "X")
    points = corpus if queries is None else _matrix(queries, "queries")
    if points.shape[1] != corpus.shape[1]:
        raise ValueError(
            f"queries have {points.shape[1]} columns and X has {corpus.shape[1]}; both need the same."
        )
    itself = queries is None
    if include_self and not itself:
        raise ValueError("include_self says what to do with the rows of X; it cannot go with queries.")
    most = len(corpus) - (itself and not include_self)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        if most == 0:
            raise ValueError("X has 1 row, which has no neighbour but itself; give at least 2 rows.")
        raise ValueError(f"k is {k!r}; for {len(corpus)} rows it must be a whole number from 1 to {most}.")
    if corpus.dtype != points.dtype:
        corpus, points = corpus.astype(np.float64), points.astype(np.float64)
    return _search(_prepare(corpus, points, metric, itself), int(k), include_self)


def _matrix(values: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; it must be (n, d) with at least one row and column.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {array.dtype}; it must hold real numbers.")
    array = np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float32 else np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=1)))
        raise ValueError(f"Row {row} of {name} holds NaN or infinity; leave it out or replace the value.")
    return array


@dataclass(frozen=True)
class _Problem:
    """What the float32 product needs (`left`, `right`) and what the exact measure needs (the rest)."""

    metric: str
    itself: bool
    points: np.ndarray  # (m, d)
    corpus: np.ndarray  # (n, d)
    point_scale: np.ndarray  # (m,) 1 / norm, 0 for a zero vector; cosine only
    corpus_scale: np.ndarray  # (n,)
    left: np.ndarray  # (m, d) float32: centred points
    right: np.ndarray  # (n, d) float32: centred corpus
    bias: np.ndarray  # (n,) float32: left @ right.T + bias grows as the distance falls
    slack: np.ndarray  # (m,) how far a score may be from the truth, rounding of the distance included


def _prepare(corpus: np.ndarray, points: np.ndarray, metric: str, itself: bool) -> _Problem:
    # Sums of squares must neither overflow nor vanish; a power of two changes no digit. The cosine is blind
    # to the scale of a row.
    largest = max(float(np.abs(corpus).max()), float(np.abs(points).max()))
    if metric == "cosine":
        corpus = _rescaled(corpus)
        points = corpus if itself else _rescaled(points)
    elif largest > 1e150:
        raise ValueError(f"The largest value is {largest:.3g}; {metric} distances need values below 1e150.")
    n, d = corpus.shape
    corpus_scale, point_scale = _inverse_norms(corpus), _inverse_norms(points)
    scaled = corpus * corpus_scale[:, None] if metric == "cosine" else corpus.astype(np.float64)
    # Spaces of untrained networks lie in a narrow cone: the error of a product is that of what is multiplied, so
    # take out the common part first. With c the centre, x·y = (x - c)·(y - c) + c·(y - c) + (only x), and
    # -|x - y|²/2 = (x - c)·(y - c) - |y - c|²/2 + (only x).
    centre = scaled.mean(axis=0)
    right = scaled - centre
    if itself:
        left = right
    else:
        left = (points * point_scale[:, None] if metric == "cosine" else points.astype(np.float64)) - centre
    right_norm, left_norm = _norms(right), _norms(left)
    bias = -0.5 * right_norm**2 if metric == "euclidean" else right @ centre
    # float32 must not overflow; scores are only compared with each other.
    unit = max(right_norm.max(), left_norm.max()) or 1.0
    left, right = left / unit, right / unit
    left_norm, right_norm, bias = left_norm / unit, right_norm / unit, bias / unit**2
    # Worst case of a d-term sum in any order (Higham, Accuracy and Stability, 3.1), of rounding the factors to
    # float32, of adding the bias, and the same in float64 for what was done before centring.
    product = left_norm * right_norm.max()
    size = 1.0 / unit if metric == "cosine" else (_norms(corpus).max() + _norms(points).max()) / unit
    slack = (
        1.01 * (d + 6) * _FLOAT32 * (product + np.abs(bias).max())
        + 4 * (d + 6) * _FLOAT64 * size**2
        + (d + 6) * 1e-37  # below the normal range of float32
    )
    # Distances that round to the same 12 decimals tie, so a neighbour may be that much further away.
    tie = 2 * 10.0**-DECIMALS
    slack += (tie * (left_norm + right_norm.max()) / unit if metric == "euclidean" else tie / unit**2) + (
        (tie / unit) ** 2
    )
    return _Problem(
        metric=metric,
        itself=itself,
        points=points,
        corpus=corpus,
        point_scale=point_scale,
        corpus_scale=corpus_scale,
        left=left.astype(np.float32),
        right=right.astype(np.float32),
        bias=bias.astype(np.float32),
        slack=slack,
    )


def _rescaled(array: np.ndarray) -> np.ndarray:
    size = np.abs(array).max(axis=1)
    usual = (size == 0) | ((size > 1e-15) & (size < 1e15))
    if usual.all():
        return array
    exponent = np.where(usual, 0, np.frexp(size)[1])
    return np.ldexp(array.astype(np.float64), -exponent[:, None])


def _norms(array: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64))


def _inverse_norms(array: np.ndarray) -> np.ndarray:
    norms = _norms(array)
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)


def _search(problem: _Problem, k: int, include_self: bool) -> tuple[np.ndarray, np.ndarray]:
    m, (n, d) = len(problem.points), problem.corpus.shape
    indices = np.empty((m, k), dtype=np.int64)
    distances = np.empty((m, k), dtype=np.float64)
    rows = max(1, min(512, _BLOCK_ELEMENTS // n))
    small = m * n * d < _SMALL
    workers = 1 if small else _cores()
    pair_sums = _pair_sums_numpy if small else _pair_sums_compiled()
    local = threading.local()  # fresh pages for every block would cost as much as the product

    def block(start: int) -> None:
        if not hasattr(local, "scores"):
            local.scores = np.empty((rows, n), dtype=np.float32)
            local.chosen = np.empty((rows, n), dtype=bool)
        stop = min(start + rows, m)
        scores = local.scores[: stop - start]
        np.matmul(problem.left[start:stop], problem.right.T, out=scores)
        scores += problem.bias
        # One more than k, for the point itself may be among them.
        low = _kth_best(scores, min(k + problem.itself, n)) - 2 * problem.slack[start:stop]
        low = np.nextafter(np.maximum(low, -3e38).astype(np.float32), np.float32(-np.inf))
        chosen = np.greater_equal(scores, low[:, None], out=local.chosen[: stop - start])
        row, column = np.divmod(np.flatnonzero(chosen), n)
        if problem.itself:
            # Another point may be nearer than the point itself: with inner products, or past a zero vector.
            other = row + start != column
            row, column = row[other], column[other]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=stop - start))])
        exact = _exact(problem, pair_sums, start, offsets, column)
        own = int(include_self)
        if include_self:
            indices[start:stop, 0] = np.arange(start, stop)
            distances[start:stop, 0] = _own_distance(problem, start, stop)
        for r in range(stop - start):
            begin, end = offsets[r], offsets[r + 1]
            # Columns ascend within a row, so a stable sort leaves ties by lower index.
            best = begin + np.argsort(exact[begin:end], kind="stable")[: k - own]
            indices[start + r, own:] = column[best]
            distances[start + r, own:] = exact[best]

    starts = range(0, m, rows)
    if workers == 1:
        for start in starts:
            block(start)
        return indices, distances
    with _one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(block, starts):
            pass
    return indices, distances


def _kth_best(scores: np.ndarray, k: int) -> np.ndarray:
    """Return a lower bound, close to it, of the k-th largest score of each row.

    The k-th largest of the maxima of disjoint groups has k scores at or above it. Groups are strided, since
    clips of a class often stand next to each other and near each other.
    """
    b, n = scores.shape
    size = min(max(n // (8 * k), 1), 16)
    if size > 1:
        scores = scores[:, : n // size * size].reshape(b, size, -1).max(axis=1)
    position = scores.shape[1] - k
    return np.partition(scores, position, axis=1)[:, position].astype(np.float64)


def _exact(
    problem: _Problem,
    pair_sums: Callable[..., None],
    start: int,
    offsets: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    sums = np.empty(len(column))
    euclidean = problem.metric == "euclidean"
    pair_sums(problem.points, problem.corpus, start, offsets, column, euclidean, sums)
    if problem.metric == "cosine":
        row = np.repeat(np.arange(start, start + len(offsets) - 1), np.diff(offsets))
        sums *= problem.point_scale[row] * problem.corpus_scale[column]
        sums = np.clip(1.0 - sums, 0.0, 2.0)
    elif euclidean:
        sums = np.sqrt(sums)
    else:
        sums = 0.0 - sums
    return np.round(sums, DECIMALS, out=sums)


def _own_distance(problem: _Problem, start: int, stop: int) -> np.ndarray | float:
    if problem.metric != "inner_product":
        return 0.0
    points = problem.points[start:stop]
    return np.round(-np.einsum("ij,ij->i", points, points, dtype=np.float64), DECIMALS)


def _pair_sums_numpy(
    queries: np.ndarray,
    corpus: np.ndarray,
    first: int,
    offsets: np.ndarray,
    columns: np.ndarray,
    squared_difference: bool,
    out: np.ndarray,
) -> None:
    """Do what `core._kernels.pair_sums` does, with nothing to compile."""
    for r in range(len(offsets) - 1):
        pairs = slice(offsets[r], offsets[r + 1])
        query = queries[first + r].astype(np.float64)
        rows = corpus[columns[pairs]].astype(np.float64)
        if squared_difference:
            rows -= query
            np.einsum("ij,ij->i", rows, rows, out=out[pairs])
        else:
            # Not a matrix product, whose sum may depend on where in the block a row stands.
            np.einsum("ij,j->i", rows, query, out=out[pairs])


def _pair_sums_compiled() -> Callable[..., None]:
    from core._kernels import pair_sums

    return pair_sums


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_blas_thread() -> object:
    # Blocks already keep every core busy.
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")
