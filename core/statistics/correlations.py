"""Correlations, a permutation test within blocks, and the regression line."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.checks import check_confidence, finite, normal_quantile

_BLOCK_ELEMENTS = 4_000_000  # draws held at once
ALL_ORDERS = 8  # most pairs for which all orders are enumerated, 40,320 of them


@dataclass(frozen=True)
class Correlation:
    """A correlation r of n pairs, its two-sided p-value, and the interval of r from `low` to `high`."""

    r: float
    p: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Regression:
    """The least-squares line of n pairs at some places, with its confidence band.

    `value`, `low` and `high` are (m,) float64 arrays.
    """

    slope: float
    intercept: float
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int


def pearson(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> Correlation:
    """Pearson's correlation with its p-value and interval.

    Parameters
    ----------
    x, y : (n,) array_like
        Pairs, at least 2.
    confidence : float, default 0.95
        Of the interval, between 0 and 1.

    Returns
    -------
    Correlation
        r in [-1, 1]; p by the t distribution with n - 2 degrees of freedom, exact where x and y are normal;
        the interval by Fisher's z, artanh(r) ± z / √(n - 3). Two pairs give r = ±1, which is no evidence: p
        is 1; up to three give the interval [-1, 1]. Where x or y is constant, r, p and the interval are NaN.

    Raises
    ------
    ValueError
        For fewer than 2 pairs, x and y of different lengths, or a value that is not finite.

    References
    ----------
    R. A. Fisher, "On the 'probable error' of a coefficient of correlation deduced from a small sample",
    Metron 1, 1921.

    Examples
    --------
    >>> c = pearson([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    >>> round(c.r, 3), round(c.p, 3), round(c.low, 3), round(c.high, 3)
    (0.8, 0.104, -0.28, 0.986)
    """
    from scipy.stats import pearsonr

    check_confidence(confidence)
    x, y = finite(x, "x"), finite(y, "y")
    n = len(x)
    if len(y) != n or n < 2:
        raise ValueError(f"x has {n} and y {len(y)} values; a correlation needs as many of both, at least 2.")
    if not (np.ptp(x) and np.ptp(y)):
        return Correlation(np.nan, np.nan, np.nan, np.nan, n)
    result = pearsonr(x, y)
    low, high = result.confidence_interval(confidence)
    return Correlation(float(result.statistic), float(result.pvalue), float(low), float(high), n)


def spearman(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> Correlation:
    """Spearman's rank correlation with its p-value and interval.

    Parameters
    ----------
    x, y : (n,) array_like
        Pairs, at least 2.
    confidence : float, default 0.95

    Returns
    -------
    Correlation
        Pearson's r of the ranks, equal values having the mean of theirs. p is exact up to 8 pairs, the share
        of all orders of y whose r is at least as strong; beyond, it is by the t distribution as for
        `pearson`. The interval is by Fisher's z with the variance (1 + r² / 2) / (n - 3) of ranks; where
        r is ±1, its inner end is that of the next weaker order, in which two neighbours change places, for
        a few pairs in perfect order do not make certain. Few and constant values as for `pearson`.

    Raises
    ------
    ValueError
        As `pearson`.

    References
    ----------
    D. G. Bonett, T. A. Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", Psychometrika 65, 2000.

    Examples
    --------
    >>> c = spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 50])
    >>> round(c.r, 3), round(c.p, 3), round(c.low, 3), round(c.high, 3)
    (0.8, 0.133, -0.457, 0.991)
    """
    from scipy.stats import rankdata

    a, b = rankdata(finite(x, "x")), rankdata(finite(y, "y"))
    of_ranks = pearson(a, b, confidence=confidence)
    n, r = of_ranks.n, of_ranks.r
    if n < 3 or np.isnan(r):
        return of_ranks
    p = _exact_p(a, b) if n <= ALL_ORDERS else of_ranks.p
    if n == 3:
        return Correlation(r, p, -1.0, 1.0, n)
    certain = abs(r) > 1 - 1e-12  # by rounding, ranks in perfect order may miss 1
    inner = np.sign(r) * (1 - 12 / (n * (n**2 - 1))) if certain else r
    half = normal_quantile(confidence) * np.sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(inner) + np.array([-half, half]))
    if certain:
        low, high = (low, 1.0) if r > 0 else (-1.0, high)
    return Correlation(r, p, float(low), float(high), n)


def _exact_p(a: np.ndarray, b: np.ndarray) -> float:
    """Share of all orders of b whose covariance with a is at least as strong as that of the given one."""
    a, b = a - a.mean(), b - b.mean()
    return float(np.mean(np.abs(b[all_orders(len(b))] @ a) >= abs(a @ b) - 1e-9))


@lru_cache(maxsize=ALL_ORDERS)
def all_orders(n: int) -> np.ndarray:
    """Return every order of n things, (n!, n); the first leaves all in place."""
    return np.array(list(itertools.permutations(range(n))))  # (n!, n)


def blocked_permutation(
    x: ArrayLike, y: ArrayLike, blocks: ArrayLike, *, permutations: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of a correlation by shuffling x within blocks only.

    What the pairs of a block share, such as the test classes of models, moves all of them at once and is no
    evidence for a correlation. Shuffling within blocks keeps it: only differences within blocks count.

    Parameters
    ----------
    x, y : (n,) array_like
    blocks : (n,) array_like
        The block of each pair.
    permutations : int, default 10,000
        At least 1.
    seed : int, default 0

    Returns
    -------
    float
        (1 + number of shuffles at least as strong) / (1 + permutations), by the absolute value of the
        covariance about the means of the blocks; that of all pairs differs from it by what no shuffle
        changes. NaN where x or y is constant within every block.

    Raises
    ------
    ValueError
        For x, y and blocks of different lengths, a value that is not finite, or permutations out of range.

    References
    ----------
    A. M. Winkler et al., "Multi-level block permutation", NeuroImage 123, 2015. For the added one:
    B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", 2010.

    Examples
    --------
    >>> x, y, blocks = [1, 2, 3, 4] * 3, [1, 2, 3, 5, 11, 12, 13, 15, 6, 7, 8, 9], [0] * 4 + [1] * 4 + [2] * 4
    >>> blocked_permutation(x, y, blocks, permutations=999)
    0.001
    """
    x, y = finite(x, "x"), finite(y, "y")
    given = np.asarray(blocks)
    if not len(x) == len(y) == len(given) or given.ndim != 1:
        raise ValueError(
            f"x has {len(x)} and y {len(y)} values and there are {given.shape} blocks; each pair needs one."
        )
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}; there must be at least 1.")
    random = np.random.default_rng(seed)
    observed, shuffled, moved, size = 0.0, np.zeros(permutations), False, 0.0
    codes = np.unique(given, return_inverse=True)[1]
    for code in range(int(codes.max(initial=-1)) + 1):
        a, b = x[codes == code], y[codes == code]
        if not (np.ptp(a) and np.ptp(b)):
            continue
        moved = True
        a, b = a - a.mean(), b - b.mean()
        observed += float(a @ b)
        size += float(np.sqrt((a @ a) * (b @ b)))
        rows = max(1, _BLOCK_ELEMENTS // len(a))
        for start in range(0, permutations, rows):
            part = shuffled[start : start + rows]
            part += random.permuted(np.tile(a, (len(part), 1)), axis=1) @ b
    if not moved:
        return float("nan")
    # Sums in another order differ by rounding, and must not count as weaker.
    as_strong = np.abs(shuffled) >= abs(observed) - 1e-12 * size
    return float((1 + as_strong.sum()) / (1 + permutations))


def regression(x: ArrayLike, y: ArrayLike, *, at: ArrayLike, confidence: float = 0.95) -> Regression:
    """Least-squares line of y over x, and its confidence band.

    Parameters
    ----------
    x, y : (n,) array_like
        Pairs, at least 2.
    at : (m,) array_like
        Places at which the line is evaluated.
    confidence : float, default 0.95

    Returns
    -------
    Regression
        The band holds the mean of y at each single place with the given confidence, if the deviations from
        the line are independent, normal and of equal variance: ± t s √(1 / n + (x - x̄)² / Σ (xᵢ - x̄)²),
        with s² = Σ eᵢ² / (n - 2). For two pairs, which leave no deviations, it is infinitely wide. Where x is
        constant, everything is NaN.

    Raises
    ------
    ValueError
        As `pearson`.

    Examples
    --------
    >>> line = regression([1, 2, 3, 4], [1, 3, 2, 4], at=[2.5, 5])
    >>> round(line.slope, 3), line.value.round(3).tolist(), line.low.round(3).tolist()
    (0.8, [2.5, 4.5], [0.459, -0.499])
    """
    from scipy.special import stdtrit

    check_confidence(confidence)
    x, y, places = finite(x, "x"), finite(y, "y"), finite(at, "at")
    n = len(x)
    if len(y) != n or n < 2:
        raise ValueError(f"x has {n} and y {len(y)} values; a line needs as many of both, at least 2.")
    if not np.ptp(x):
        nothing = np.full(len(places), np.nan)
        return Regression(np.nan, np.nan, nothing, nothing, nothing, n)
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread
    value = y.mean() + slope * (places - x.mean())
    half = np.full(len(places), np.inf)
    if n > 2:
        left = y - y.mean() - slope * centred
        error = np.sqrt(float(left @ left) / (n - 2))
        wide = np.sqrt(1 / n + (places - x.mean()) ** 2 / spread)
        half = float(stdtrit(n - 2, 0.5 + confidence / 2)) * error * wide
    intercept = float(y.mean() - slope * x.mean())
    return Regression(slope, intercept, value, value - half, value + half, n)
