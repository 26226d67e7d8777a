"""Means and variances over the pairs of points of two classes, for the distances between classes."""

from __future__ import annotations

from functools import partial

import numpy as np

from core.separability.class_rows import ClassRows, tiles
from core.threads import in_threads

_TILE = 1024
_STRIP = 64  # rows of a second moment that are computed at once
_COLUMNS = 8192  # values of every second moment that are multiplied at once
_MOMENT_ELEMENTS = 2**25  # second moments held at once: 256 MB

#: Number of values, their mean and their summed squared deviation from it.
Spread = tuple[int, float, float]


def cosine_moments(rows: ClassRows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of 1 - cos over the pairs of every two classes, (C, C) each.

    Within a class over pairs of different points; NaN for a class of one. The variance is that of the set of
    all pairs. With m the mean of a class's unit vectors and Σ their covariance about it, the variance between
    two classes is m_bᵀΣ_a m_b + m_aᵀΣ_b m_a + ⟨Σ_a, Σ_b⟩, where nothing is subtracted.
    """
    sums = np.zeros((rows.n_classes, rows.d))
    zero = np.zeros(rows.n)

    def add_up(span: tuple[int, int]) -> tuple[slice, np.ndarray]:
        start, stop = span
        x = rows.rows(start, stop)
        zero[start:stop] = ~x.any(axis=1)
        classes, at = rows.span(start, stop)
        return classes, np.add.reduceat(x, at, axis=0)

    for classes, part in in_threads(add_up, list(rows.blocks()), cost=8 * rows.n * rows.d):
        sums[classes] += part
    sizes = rows.sizes[:, None]
    means = sums / sizes
    along = np.zeros((rows.n_classes, rows.n_classes))  # m_bᵀ Σ_a m_b
    length = np.empty(rows.n)

    def measure(span: tuple[int, int]) -> tuple[slice, np.ndarray]:
        start, stop = span
        u = rows.rows(start, stop)
        u -= means[rows.codes[start:stop]]
        np.einsum("ij,ij->i", u, u, out=length[start:stop])
        onto = u @ means.T  # (b, C)
        onto *= onto
        classes, at = rows.span(start, stop)
        return classes, np.add.reduceat(onto, at, axis=0)

    blocks = list(rows.blocks(rows.n_classes))
    for classes, part in in_threads(measure, blocks, cost=rows.n * rows.d * rows.n_classes):
        along[classes] += part
    along /= sizes
    spread = np.add.reduceat(length, rows.starts[:-1]) / rows.sizes  # the trace of Σ
    zeros = np.add.reduceat(zero, rows.starts[:-1]) / rows.sizes
    # 1 - x·y = (|x - y|² + 2 - |x|² - |y|²) / 2, where the last terms are for zero vectors.
    middle = means - means.mean(axis=0)
    half = np.einsum("ij,ij->i", middle, middle) / 2
    apart = np.maximum(half[:, None] + half - middle @ middle.T, 0)
    np.fill_diagonal(apart, 0)
    own = (spread + zeros) / 2
    mean = apart + own[:, None] + own
    product = covariance_products(rows, means)
    variance = along + along.T + product
    _exclude_the_same_point(rows, means, spread, zeros, mean, variance)
    return mean, np.maximum(variance, 0)


def _exclude_the_same_point(
    rows: ClassRows,
    means: np.ndarray,
    spread: np.ndarray,
    zeros: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Replace the diagonals, which are over all n² pairs, by those over pairs of different points."""
    n = rows.sizes
    every_mean, every_variance = mean.diagonal().copy(), variance.diagonal().copy()
    # Among all n² pairs a point is at 0 from itself, a zero vector at 1.
    without = spread * n / np.maximum(n - 1, 1) + zeros
    same = (1 - zeros) * without**2 + zeros * (1 - without) ** 2
    summed = np.maximum(n**2 * (every_variance + (every_mean - without) ** 2) - n * same, 0)
    # More points than directions cannot be at equal distances, so little is lost by that subtraction. Of
    # fewer, all pairs are measured; of one pair there is no deviation.
    summed[n == 2] = 0
    few = np.flatnonzero((n > 2) & (n <= 2 * rows.d))
    measure = partial(_summed_deviation, rows, means, without)
    cost = float((n[few] ** 2).sum()) * rows.d
    summed[few] = np.fromiter(in_threads(measure, few.tolist(), cost=cost), np.float64, len(few))
    pairs = np.where(n > 1, n * (n - 1), np.nan)
    np.fill_diagonal(mean, np.where(n > 1, without, np.nan))
    np.fill_diagonal(variance, summed / pairs)


def _summed_deviation(rows: ClassRows, means: np.ndarray, mean: np.ndarray, c: int) -> float:
    """Sum the squared deviations from the mean distance over the pairs i ≠ j of a class."""
    x = rows.rows(rows.starts[c], rows.starts[c + 1])
    zero = ~x.any(axis=1)
    x -= means[c]
    half = (np.einsum("ij,ij->i", x, x) + zero) / 2
    total = 0.0
    for start in range(0, len(x), _TILE):
        stop = min(start + _TILE, len(x))
        deviation = (half[start:stop, None] - mean[c]) + half - x[start:stop] @ x.T
        deviation[np.arange(stop - start), np.arange(start, stop)] = 0
        total += float(np.vdot(deviation, deviation))
    return total


def covariance_products(rows: ClassRows, means: np.ndarray) -> np.ndarray:
    """Return ⟨Σ_a, Σ_b⟩ for all classes, (C, C), Σ being the covariances about the means.

    By the covariances themselves, or by ⟨Σ_a, Σ_b⟩ = Σ (u·v)² / (n_a n_b) over the pairs of centred points,
    whichever takes fewer multiplications.
    """
    if (rows.n + rows.n_classes**2) * rows.d < rows.n**2:
        return _products_by_moments(rows, means)
    return _products_by_pairs(rows, means)


def _products_by_moments(rows: ClassRows, means: np.ndarray) -> np.ndarray:
    """Multiply the upper triangles, as many rows of all of them at once as memory allows."""
    C, d = rows.n_classes, rows.d
    height = max(1, min(_STRIP, _MOMENT_ELEMENTS // (C * d)))
    strips = [(r, min(r + height, d)) for r in range(0, d, height)]
    out = np.zeros((C, C))
    while strips:
        chosen: list[tuple[int, int]] = []
        elements = 0
        while strips and (not chosen or (elements + _size(strips[0], d)) * C <= _MOMENT_ELEMENTS):
            chosen.append(strips.pop(0))
            elements += _size(chosen[-1], d)
        moments = np.empty((C, elements))
        fill = partial(_second_moment, rows, means, chosen, moments)
        for _ in in_threads(fill, range(C), cost=rows.n * elements):
            pass
        products = partial(_product, moments)
        for part in in_threads(products, range(0, elements, _COLUMNS), cost=C * C * elements):
            out += part
    return out


def _product(moments: np.ndarray, start: int) -> np.ndarray:
    part = moments[:, start : start + _COLUMNS]
    return part @ part.T


def _size(strip: tuple[int, int], d: int) -> int:
    return (strip[1] - strip[0]) * (d - strip[0])


def _second_moment(
    rows: ClassRows, means: np.ndarray, strips: list[tuple[int, int]], out: np.ndarray, c: int
) -> None:
    """Write strips of the upper triangle of a covariance as a row of `out`, off-diagonal values times √2."""
    out[c] = 0
    step = max(1, 2**22 // rows.d)
    for start in range(rows.starts[c], rows.starts[c + 1], step):
        u = rows.rows(start, min(start + step, rows.starts[c + 1]))
        u -= means[c]
        at = 0
        for top, bottom in strips:
            part = u[:, top:bottom].T @ u[:, top:]
            out[c, at : at + part.size] += part.ravel()
            at += part.size
    at = 0
    for top, bottom in strips:
        size = _size((top, bottom), rows.d)
        out[c, at : at + size].reshape(bottom - top, -1)[:, bottom - top :] *= np.sqrt(2)
        at += size
    out[c] /= rows.sizes[c]


def _products_by_pairs(rows: ClassRows, means: np.ndarray) -> np.ndarray:
    u = rows.all_rows(means)
    C = rows.n_classes
    diagonal, above = np.zeros((C, C)), np.zeros((C, C))

    def block(start: int) -> list[tuple[slice, slice, np.ndarray]]:
        stop = min(start + _TILE, rows.n)
        classes, at = rows.span(start, stop)
        parts = []
        for left, right in tiles(start, stop, rows.n, _TILE):
            squares = u[start:stop] @ u[left:right].T
            squares *= squares
            others, other_at = rows.span(left, right)
            sums = np.add.reduceat(np.add.reduceat(squares, other_at, axis=1), at, axis=0)
            parts.append((classes, others, sums))
        return parts

    for parts in in_threads(block, range(0, rows.n, _TILE), cost=rows.n**2 * rows.d):
        for i, (classes, others, sums) in enumerate(parts):
            (above if i else diagonal)[classes, others] += sums
    return (diagonal + above + above.T) / np.outer(rows.sizes, rows.sizes)


def angular_spread(rows: ClassRows) -> tuple[Spread, Spread]:
    """Spread of (1 - cos)² over the pairs i < j within classes, and of cos² over those between classes.

    Every pair is computed once, a tile at a time.
    """
    x = rows.all_rows(np.zeros(rows.d))

    def block(start: int) -> tuple[Spread, Spread]:
        stop = min(start + _TILE, rows.n)
        within, between = (0, 0.0, 0.0), (0, 0.0, 0.0)
        for left, right in tiles(start, stop, rows.n, _TILE):
            cosines = x[start:stop] @ x[left:right].T
            if rows.codes[stop - 1] < rows.codes[left]:  # two blocks without a class in common
                between = _merged(between, _spread_of(np.multiply(cosines, cosines, out=cosines)))
                continue
            same = rows.codes[start:stop, None] == rows.codes[left:right]
            later = np.arange(left, right) > np.arange(start, stop)[:, None]
            distances = 1 - cosines[same & later]
            distances[distances < 1e-12] = 0
            within = _merged(within, _spread_of(distances**2))
            between = _merged(between, _spread_of(cosines[~same & later] ** 2))
        return within, between

    within, between = (0, 0.0, 0.0), (0, 0.0, 0.0)
    for near, far in in_threads(block, range(0, rows.n, _TILE), cost=rows.n**2 * rows.d):
        within, between = _merged(within, near), _merged(between, far)
    return within, between


def _spread_of(values: np.ndarray) -> Spread:
    """Measure an array, which is overwritten."""
    if values.size == 0:
        return 0, 0.0, 0.0
    mean = float(values.mean())
    values -= mean
    return values.size, mean, float(np.vdot(values, values))


def _merged(first: Spread, second: Spread) -> Spread:
    (n, mean, deviation), (m, other, further) = first, second
    if n == 0 or m == 0:
        return second if n == 0 else first
    gap = other - mean
    total = n + m
    return total, mean + gap * m / total, deviation + further + gap**2 * n * m / total
