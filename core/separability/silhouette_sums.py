"""Mean distances of every point to its own class and to the nearest other one, for three metrics.

Each function returns a and b, (n,) each in the class order of its `ClassRows`: the mean distance to the other
points of the own class, and the smallest mean distance to the points of another class.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from core.separability.class_rows import ClassRows, tiles
from core.threads import in_threads

#: Below this share of a squared length, a difference of two products keeps too few digits.
_CANCELLED = 1e-5
#: Squared distances below this share of a squared length are the rounding of a mean of equal rows.
_EQUAL = 1e-22
_TILE = 1024
_WHOLE_SUMS = 2**25  # sums over classes that may be held for all points at once: 256 MB


def cosine(rows: ClassRows) -> tuple[np.ndarray, np.ndarray]:
    """Compute a and b for 1 - cos, with values below 1e-12 set to 0."""
    # For unit vectors 1 - x·y = |x - y|²/2, which keeps its digits where all vectors point the same way.
    a, b, _ = _squared(rows, unit=True)
    return tuple(np.where(v < 2e-12, 0, v / 2) for v in (a, b))  # type: ignore[return-value]


def squared_euclidean(rows: ClassRows) -> tuple[np.ndarray, np.ndarray]:
    """Compute a and b for the squared L2 norm of the difference."""
    a, b, length = _squared(rows, unit=False)
    return tuple(np.where(v < _EQUAL * length, 0, v) for v in (a, b))  # type: ignore[return-value]


def _squared(rows: ClassRows, *, unit: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean squared distances, and the squared length of every point from the middle of all.

    The mean over a class of |x - y|² is |x|² - 2 x·m + q, with m the mean of its points and q that of |y|²:
    one product of the points with the means. Among unit vectors, a zero vector counts as if it had a
    direction of its own: its squared distance, twice 1 - cos, is 2 from everything.
    """
    shift = rows.centre()
    sums = np.zeros((rows.n_classes, rows.d))
    length, zero = np.empty(rows.n), np.zeros(rows.n)

    def add_up(span: tuple[int, int]) -> tuple[slice, np.ndarray]:
        start, stop = span
        x = rows.rows(start, stop)
        if unit:
            zero[start:stop] = ~x.any(axis=1)
        x -= shift
        np.einsum("ij,ij->i", x, x, out=length[start:stop])
        classes, at = rows.span(start, stop)
        return classes, np.add.reduceat(x, at, axis=0)

    blocks = list(rows.blocks())
    for classes, part in in_threads(add_up, blocks, cost=8 * rows.n * rows.d):
        sums[classes] += part
    means = sums / rows.sizes[:, None]  # (C, d), from the middle
    zeros = np.add.reduceat(zero, rows.starts[:-1]) / rows.sizes
    constant = np.add.reduceat(length, rows.starts[:-1]) / rows.sizes + zeros
    a, b = np.empty(rows.n), np.empty(rows.n)

    def measure(span: tuple[int, int]) -> None:
        start, stop = span
        x = rows.rows(start, stop)
        x -= shift
        values = x @ (-2 * means.T)  # (b, C)
        values += constant
        values += (length[start:stop] + zero[start:stop])[:, None]
        at = slice(start, stop)
        a[at], b[at] = _own_and_nearest(rows, values, rows.codes[at], zero[at])

    blocks = list(rows.blocks(rows.n_classes))
    for _ in in_threads(measure, blocks, cost=rows.n * rows.d * rows.n_classes):
        pass
    lost = np.flatnonzero(np.maximum(a, b) < _CANCELLED * length)
    if len(lost):
        a[lost], b[lost] = _measure_again(rows, lost, shift, means, zero, zeros)
    return a, b, length


def _own_and_nearest(
    rows: ClassRows, values: np.ndarray, own: np.ndarray, zero: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """From mean squared distances to all classes (b, C), the point itself counted, which are overwritten."""
    at = np.arange(len(values)), own
    size = rows.sizes[own]
    # The point itself is at no distance, but a zero vector was counted at 2 from itself.
    a = (size * values[at] - 2 * zero) / np.maximum(size - 1, 1)
    values[at] = np.inf
    return np.maximum(a, 0), np.maximum(values.min(axis=1), 0)


def _measure_again(
    rows: ClassRows,
    lost: np.ndarray,
    shift: np.ndarray,
    means: np.ndarray,
    zero: np.ndarray,
    zeros: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute a and b of points whose class and nearest other class are very near, far from the middle.

    From the mean of their own class no digits are lost: all terms are as small as the result.
    """
    a, b = [], []
    spread = np.zeros(rows.n)
    for start, stop in rows.blocks():
        x = rows.rows(start, stop) - shift
        x -= means[rows.codes[start:stop]]
        np.einsum("ij,ij->i", x, x, out=spread[start:stop])
    variance = np.add.reduceat(spread, rows.starts[:-1]) / rows.sizes
    bounds = np.flatnonzero(np.diff(rows.codes[lost])) + 1
    for group in np.split(lost, bounds):
        c = rows.codes[group[0]]
        other = means - means[c]
        constant = np.einsum("ij,ij->i", other, other) + variance + zeros
        step = max(1, 2**22 // max(rows.d, rows.n_classes))
        for at in (group[i : i + step] for i in range(0, len(group), step)):
            x = rows.take(at) - shift
            x -= means[c]
            values = x @ (-2 * other.T)
            values += constant
            values += (np.einsum("ij,ij->i", x, x) + zero[at])[:, None]
            own, other_class = _own_and_nearest(rows, values, rows.codes[at], zero[at])
            a.append(own)
            b.append(other_class)
    return np.concatenate(a), np.concatenate(b)


def euclidean(rows: ClassRows) -> tuple[np.ndarray, np.ndarray]:
    """Compute a and b for the L2 norm, over all pairs, a tile at a time.

    Every pair is computed once where the sums over classes fit into memory.

    A tile of squared distances is a matrix product. Where two points are so near that the product loses
    digits, their difference is taken instead.
    """
    x = rows.all_rows(rows.centre())
    half = np.einsum("ij,ij->i", x, x) / 2
    a, b = np.empty(rows.n), np.empty(rows.n)
    cost = rows.n**2 * rows.d
    if rows.n * rows.n_classes <= _WHOLE_SUMS:
        sums = np.zeros((rows.n, rows.n_classes))
        work = partial(_sums_from_here_on, rows, x, half)
        starts = range(0, rows.n, _TILE)
        for start, (right, below) in zip(starts, in_threads(work, starts, cost=cost), strict=True):
            stop = min(start + _TILE, rows.n)
            sums[start:stop] += right
            sums[stop:, rows.span(start, stop)[0]] += below
        for start, stop in rows.blocks(rows.n_classes):
            a[start:stop], b[start:stop] = _own_and_nearest_mean(rows, sums[start:stop], start, stop)
        return a, b
    height = max(1, min(_TILE, _WHOLE_SUMS // (8 * rows.n_classes)))

    def block(start: int) -> None:
        stop = min(start + height, rows.n)
        sums = np.zeros((stop - start, rows.n_classes))
        for left, right in tiles(0, min(_TILE, rows.n), rows.n, _TILE):
            classes, at = rows.span(left, right)
            distances = _distances(rows, x, half, (start, stop), (left, right))
            sums[:, classes] += np.add.reduceat(distances, at, axis=1)
        a[start:stop], b[start:stop] = _own_and_nearest_mean(rows, sums, start, stop)

    for _ in in_threads(block, range(0, rows.n, height), cost=cost):
        pass
    return a, b


def _sums_from_here_on(
    rows: ClassRows, x: np.ndarray, half: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the distances between a block of points and itself and all after it.

    Over all classes for the points of the block (b, C), over its classes for those after it (n - stop, c).
    """
    stop = min(start + _TILE, rows.n)
    sums = np.zeros((stop - start, rows.n_classes))
    own, own_at = rows.span(start, stop)
    below = np.empty((rows.n - stop, own.stop - own.start))
    for left, right in tiles(start, stop, rows.n, _TILE):
        distances = _distances(rows, x, half, (start, stop), (left, right))
        classes, at = rows.span(left, right)
        sums[:, classes] += np.add.reduceat(distances, at, axis=1)
        if left >= stop:
            below[left - stop : right - stop] = np.add.reduceat(distances, own_at, axis=0).T
    return sums, below


def _distances(
    rows: ClassRows, x: np.ndarray, half: np.ndarray, block: tuple[int, int], columns: tuple[int, int]
) -> np.ndarray:
    (start, stop), (left, right) = block, columns
    values = x[start:stop] @ x[left:right].T
    np.negative(values, out=values)
    values += half[start:stop, None]
    values += half[left:right]  # half of the squared distance
    if values.min() < _CANCELLED * (half[start:stop].max() + half[left:right].max()):
        near = values < _CANCELLED * (half[start:stop, None] + half[left:right])
        i, j = np.nonzero(near)
        step = max(1, 2**20 // rows.d)
        for k in range(0, len(i), step):
            p, q = i[k : k + step], j[k : k + step]
            # From the original rows: equal rows are at 0, however far from the middle.
            difference = rows.take(start + p) - rows.take(left + q)
            values[p, q] = np.einsum("ij,ij->i", difference, difference) / 2
    values *= 2
    return np.sqrt(values, out=values)


def _own_and_nearest_mean(
    rows: ClassRows, sums: np.ndarray, start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(stop - start), rows.codes[start:stop]
    a = sums[at] / np.maximum(rows.sizes[at[1]] - 1, 1)
    sums /= rows.sizes
    sums[at] = np.inf
    return a, sums.min(axis=1)
