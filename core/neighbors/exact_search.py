"""The search behind `core.neighbors.knn`: a float32 product finds a superset, float64 decides."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.checks import inverse_norms, norms, rescaled
from core.threads import SMALL, in_threads

METRICS = ("cosine", "euclidean", "inner_product")

DECIMALS = 12
_FLOAT32 = 2.0**-24  # unit roundoff
_FLOAT64 = 2.0**-53
_BLOCK_ELEMENTS = 5_000_000  # scores held at once by a worker: 20 MB at most
_WHOLE_ELEMENTS = 128_000_000  # scores of all pairs that may be held at once: 512 MB, half of it used


@dataclass(frozen=True)
class Problem:
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


def prepare(corpus: np.ndarray, points: np.ndarray, metric: str, itself: bool) -> Problem:
    # Sums of squares must neither overflow nor vanish; a power of two changes no digit. The cosine is blind
    # to the scale of a row.
    largest = max(float(np.abs(corpus).max()), float(np.abs(points).max()))
    if metric == "cosine":
        corpus = rescaled(corpus)
        points = corpus if itself else rescaled(points)
    elif largest > 1e150:
        raise ValueError(f"The largest value is {largest:.3g}; {metric} distances need values below 1e150.")
    d = corpus.shape[1]
    corpus_scale = inverse_norms(corpus)
    point_scale = corpus_scale if itself else inverse_norms(points)
    # Spaces of untrained networks lie in a narrow cone: the error of a product is that of what is multiplied,
    # so take out the common part first. With c the centre, x·y = (x - c)·(y - c) + c·(y - c) + (only x), and
    # -|x - y|²/2 = (x - c)·(y - c) - |y - c|²/2 + (only x).
    right = corpus * corpus_scale[:, None] if metric == "cosine" else corpus.astype(np.float64)
    centre = right.mean(axis=0)
    right -= centre
    right_norm = norms(right)
    bias = -0.5 * right_norm**2 if metric == "euclidean" else right @ centre
    left, left_norm = right, right_norm
    if not itself:
        left = points * point_scale[:, None] if metric == "cosine" else points.astype(np.float64)
        left -= centre
        left_norm = norms(left)
    # float32 must not overflow; scores are only compared with each other.
    unit = max(right_norm.max(), left_norm.max()) or 1.0
    left_norm, right_norm, bias = left_norm / unit, right_norm / unit, bias / unit**2
    right32 = np.divide(right, unit, dtype=np.float64).astype(np.float32)
    # One array for both where they are one, for then half of the product follows by symmetry.
    left32 = right32 if itself else (left / unit).astype(np.float32)
    # Worst case of a d-term sum in any order (Higham, Accuracy and Stability, 3.1), of rounding the factors
    # to float32, of adding the bias, and the same in float64 for what was done before centring.
    product = left_norm * right_norm.max()
    longest = 1.0 if metric == "cosine" else max(float(norms(corpus).max()), float(norms(points).max()))
    size = 2 * longest / unit
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
    return Problem(
        metric=metric,
        itself=itself,
        points=points,
        corpus=corpus,
        point_scale=point_scale,
        corpus_scale=corpus_scale,
        left=left32,
        right=right32,
        bias=bias.astype(np.float32),
        slack=slack,
    )


def search(problem: Problem, k: int, include_self: bool) -> tuple[np.ndarray, np.ndarray]:
    m, (n, d) = len(problem.points), problem.corpus.shape
    indices = np.empty((m, k), dtype=np.int64)
    distances = np.empty((m, k), dtype=np.float64)
    rows = max(1, min(256, _BLOCK_ELEMENTS // n))
    small = m * n * d < SMALL
    pair_sums = pair_sums_for(small)
    # The product of a matrix with itself is symmetric: half of it is enough, where it can be held.
    half = np.empty((n, n), dtype=np.float32) if problem.itself and n * n <= _WHOLE_ELEMENTS else None
    local = threading.local()  # fresh pages for every block would cost as much as the product

    def multiply(start: int) -> None:
        assert half is not None
        stop = min(start + rows, m)
        np.matmul(problem.left[start:stop], problem.right[start:].T, out=half[start:stop, start:])

    def block(start: int) -> None:
        if not hasattr(local, "scores"):
            local.scores = np.empty((rows, n), dtype=np.float32)
            local.chosen = np.empty((rows, n), dtype=bool)
        stop = min(start + rows, m)
        scores = local.scores[: stop - start]
        if half is None:
            np.matmul(problem.left[start:stop], problem.right.T, out=scores)
        else:
            scores[:, :start] = half[:start, start:stop].T
            scores[:, start:] = half[start:stop, start:]
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
        exact = exact_distances(problem, pair_sums, start, offsets, column)
        own = int(include_self)
        if include_self:
            indices[start:stop, 0] = np.arange(start, stop)
            distances[start:stop, 0] = _own_distance(problem, start, stop)
        best = _smallest(exact, offsets, k - own)
        indices[start:stop, own:] = column[best]
        distances[start:stop, own:] = exact[best]

    steps = [block] if half is None else [multiply, block]
    for step in steps:
        for _ in in_threads(step, range(0, m, rows), cost=0 if small else np.inf):
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


def _smallest(values: np.ndarray, offsets: np.ndarray, k: int) -> np.ndarray:
    """Return where the k smallest of each ragged row are, (b, k), in order; ties keep theirs.

    Columns ascend within a row, so ties go to the lower index.
    """
    counts = np.diff(offsets)
    widest = int(counts.max())
    if widest * len(counts) > 4 * len(values):  # a few rows with many ties: padding would not pay
        rows = [
            begin + np.argsort(values[begin:end], kind="stable")[:k]
            for begin, end in itertools.pairwise(offsets.tolist())
        ]
        return np.stack(rows)
    padded = np.full((len(counts), widest), np.inf)
    padded[np.arange(widest) < counts[:, None]] = values
    return offsets[:-1, None] + np.argsort(padded, axis=1, kind="stable")[:, :k]


def exact_distances(
    problem: Problem,
    pair_sums: Callable[..., None],
    start: int,
    offsets: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    """Measure pairs in float64, rounded: the points from `start` on, each with its part of `column`.

    ``column[offsets[r] : offsets[r + 1]]`` are rows of the corpus, for the point ``start + r``; `pair_sums`
    is what `pair_sums_for` gives. As long as `column`.
    """
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


def _own_distance(problem: Problem, start: int, stop: int) -> np.ndarray | float:
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
    """Do what `core.neighbors.kernels.pair_sums` does, with nothing to compile."""
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


def pair_sums_for(small: bool) -> Callable[..., None]:
    """Return what sums pairs up: NumPy for what is `small`, as there is nothing to compile; else numba."""
    if small:
        return _pair_sums_numpy
    from core.neighbors.kernels import pair_sums

    return pair_sums


def warm_up(dtype: type) -> None:
    """Compile what a large search of this type needs."""
    X: np.ndarray = np.ones((2, 2), dtype=dtype)
    pair_sums_for(small=False)(X, X, 0, np.array([0, 1, 2]), np.array([1, 0]), False, np.empty(2))
