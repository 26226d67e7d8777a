"""Numbers with their uncertainty: correlations, shares, means, differences, and many tests at once.

Light to import: pages use it, and SciPy's distributions are loaded where they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core._intervals import normal_quantile

_BLOCK_ELEMENTS = 4_000_000  # draws held at once


@dataclass(frozen=True)
class Interval:
    """An estimate from n values with its confidence interval; NaN throughout where n is 0."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference(Interval):
    """A mean difference of n pairs with its interval and the two-sided p-value of no difference."""

    p: float


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
    """The least-squares line of n pairs at some places, and the band in which it lies there.

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
        the interval by Fisher's z, artanh(r) ± z / √(n - 3). Two pairs give r = ±1, which says nothing: p is
        1; up to three give the interval [-1, 1]. Where x or y is constant there is no correlation: r, p
        and the interval are NaN.

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
    from scipy.special import betainc

    z = normal_quantile(confidence)
    x, y = _values(x, "x"), _values(y, "y")
    n = len(x)
    if len(y) != n or n < 2:
        raise ValueError(f"x has {n} and y {len(y)} values; a correlation needs as many of both, at least 2.")
    a, b = _direction(x), _direction(y)
    if not (a.any() and b.any()):
        return Correlation(np.nan, np.nan, np.nan, np.nan, n)
    r = float(np.clip(a @ b, -1, 1))
    if n == 2:
        return Correlation(float(np.sign(r)), 1.0, -1.0, 1.0, n)
    p = float(betainc((n - 2) / 2, 0.5, (1 - r) * (1 + r)))
    if n == 3:
        return Correlation(r, p, -1.0, 1.0, n)
    if abs(r) == 1:
        return Correlation(r, p, r, r, n)
    centre, half = np.arctanh(r), z / np.sqrt(n - 3)
    return Correlation(r, p, float(np.tanh(centre - half)), float(np.tanh(centre + half)), n)


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
        Pearson's r of the ranks, equal values having the mean of theirs; p by the t distribution as for
        `pearson`; the interval by Fisher's z with the variance (1 + r² / 2) / (n - 3) of ranks. Few and
        constant values as for `pearson`.

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
    (0.8, 0.104, -0.457, 0.991)
    """
    from scipy.stats import rankdata

    found = pearson(rankdata(_values(x, "x")), rankdata(_values(y, "y")), confidence=confidence)
    if found.n < 4 or not abs(found.r) < 1:
        return found
    half = normal_quantile(confidence) * np.sqrt((1 + found.r**2 / 2) / (found.n - 3))
    low, high = np.tanh(np.arctanh(found.r) + np.array([-half, half]))
    return Correlation(found.r, found.p, float(low), float(high), found.n)


def blocked_permutation(
    x: ArrayLike, y: ArrayLike, blocks: ArrayLike, *, permutations: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of a correlation by shuffling x within blocks only.

    What the pairs of a block share, such as the test classes that models are judged by, moves all of them at
    once and is no evidence for a correlation. Shuffling within blocks keeps it as it is, so that only what
    differs within blocks counts.

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
    x, y = _values(x, "x"), _values(y, "y")
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
        Where the line is asked for.
    confidence : float, default 0.95

    Returns
    -------
    Regression
        The band holds the mean of y at each place by itself with the confidence given, if the deviations from
        the line are independent, normal and equally wide everywhere: ± t s √(1 / n + (x - x̄)² / Σ (xᵢ - x̄)²),
        with s² = Σ eᵢ² / (n - 2). Two pairs say nothing of the deviations: their band is of all numbers.
        Where x is constant there is no line: all is NaN.

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

    _check_confidence(confidence)
    x, y, places = _values(x, "x"), _values(y, "y"), _values(at, "at")
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


def share_interval(hits: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Share of hits among n with Wilson's interval, which stays within [0, 1] and is right for few of them.

    Parameters
    ----------
    hits : int
        From 0 to n.
    n : int
        From 0.
    confidence : float, default 0.95

    Returns
    -------
    Interval
        The share hits / n; NaN where n is 0.

    Raises
    ------
    ValueError
        For hits or n out of range.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17,
    1998 (method 3).

    Examples
    --------
    >>> s = share_interval(81, 263)
    >>> round(s.value, 4), round(s.low, 4), round(s.high, 4)
    (0.308, 0.2553, 0.3662)
    """
    z = normal_quantile(confidence)
    if not 0 <= hits <= n:
        raise ValueError(f"There are {hits} hits among {n}; hits must be from 0 to n.")
    if n == 0:
        return _nothing()
    p = hits / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # None and all are ends of the interval, which rounding would miss.
    low = 0.0 if hits == 0 else float(centre - half)
    return Interval(p, low, 1.0 if hits == n else float(centre + half), int(n))


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95, low: float = -np.inf, high: float = np.inf
) -> Interval:
    """Mean with the interval of Student's t: mean ± t · s / √n, with n - 1 degrees of freedom.

    Parameters
    ----------
    values : (n,) array_like
        Independent of each other; for clips that come in groups see `bootstrap_interval`.
    confidence : float, default 0.95
    low, high : float, optional
        Least and greatest value that there can be; the interval is cut there.

    Returns
    -------
    Interval
        One value says nothing of how values spread: its interval is from `low` to `high`. No value gives
        NaN.

    Raises
    ------
    ValueError
        For a value that is not finite.

    References
    ----------
    Student, "The probable error of a mean", Biometrika 6, 1908.

    Examples
    --------
    >>> m = mean_interval([1.0, 2.0, 3.0])
    >>> round(m.value, 3), round(m.low, 3), round(m.high, 3), m.n
    (2.0, -0.484, 4.484, 3)
    """
    _check_confidence(confidence)
    x = _values(values, "values")
    n = len(x)
    if n == 0:
        return _nothing()
    centre, half = _mean_and_half(x, confidence)
    return Interval(centre, float(max(low, centre - half)), float(min(high, centre + half)), n)


def paired_difference(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> Difference:
    """Mean of x - y with the interval and the p-value of the paired t test.

    Parameters
    ----------
    x, y : (n,) array_like
        Two measures of the same things, such as the silhouettes of the same clips in two spaces.
    confidence : float, default 0.95

    Returns
    -------
    Difference
        What both share, such as easy clips, falls out. One pair gives the interval of all numbers and p = 1;
        differences that are all equal give an interval of no width, and p = 0, or 1 where they are 0; no
        pairs give NaN.

    Raises
    ------
    ValueError
        For x and y of different lengths, or a value that is not finite.

    References
    ----------
    Student, "The probable error of a mean", Biometrika 6, 1908.

    Examples
    --------
    >>> d = paired_difference([3.0, 5.0, 4.0], [1.0, 4.0, 1.0])
    >>> round(d.value, 3), round(d.low, 3), round(d.high, 3), round(d.p, 4)
    (2.0, -0.484, 4.484, 0.0742)
    """
    from scipy.special import stdtr

    _check_confidence(confidence)
    x, y = _values(x, "x"), _values(y, "y")
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} and y {len(y)} values; pairs need as many of both.")
    difference, n = x - y, len(x)
    if n == 0:
        return Difference(np.nan, np.nan, np.nan, 0, np.nan)
    centre, half = _mean_and_half(difference, confidence)
    error = _standard_error(difference)
    if n == 1 or error == 0:
        p = 1.0 if n == 1 or centre == 0 else 0.0
    else:
        p = float(2 * stdtr(n - 1, -abs(centre) / error))
    return Difference(centre, centre - half, centre + half, n, p)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., np.ndarray | float] = np.mean,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Interval:
    """Interval of any statistic by the bias-corrected and accelerated bootstrap (BCa).

    Parameters
    ----------
    values : (n,) array_like
    statistic : callable, default numpy.mean
        Called as ``statistic(array, axis=-1)``, as numpy's are; the mean is computed without calling it.
    resamples : int, default 2000
        At least 1.
    confidence : float, default 0.95
    seed : int, default 0
        The same values, seed and groups give the same interval.
    groups : (n,) array_like, optional
        What values belong together, such as clips cut from one recording. Whole groups are drawn, since
        values of a group are not independent: without it the interval is too narrow.

    Returns
    -------
    Interval
        ``n`` counts values. Where all resamples agree the interval is that one number; where the
        correction is not defined (every resample on one side of the estimate, or every leave-one-out value
        equal), it is that of the percentiles. One value or one group gives all numbers; no value gives NaN.

    Raises
    ------
    ValueError
        For a value that is not finite, groups that do not fit, or resamples or a confidence out of range.

    References
    ----------
    B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987. For groups: A. C. Davison and
    D. V. Hinkley, "Bootstrap methods and their application", 1997, section 3.8.

    Examples
    --------
    >>> lengths, recordings = [1.0, 1.2, 3.0, 2.8, 5.0, 5.5], ["a", "a", "b", "b", "c", "c"]
    >>> alone = bootstrap_interval(lengths)
    >>> round(alone.value, 2), round(alone.low, 2), round(alone.high, 2)
    (3.08, 1.77, 4.47)
    >>> together = bootstrap_interval(lengths, groups=recordings)
    >>> round(together.low, 2), round(together.high, 2)
    (1.7, 5.25)
    """
    from scipy.special import ndtr, ndtri

    _check_confidence(confidence)
    x = _values(values, "values")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; there must be at least 1.")
    if groups is not None and np.shape(groups) != x.shape:
        raise ValueError(
            f"groups have shape {np.shape(groups)}; there must be one for each of {len(x)} values."
        )
    if len(x) == 0:
        return _nothing()
    codes = np.arange(len(x)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(codes.max()) + 1
    measure = _measure(x, codes, count, statistic)
    value = float(np.mean(x) if statistic is np.mean else statistic(x, axis=-1))
    if count == 1:
        return Interval(value, -np.inf, np.inf, len(x))
    random = np.random.default_rng(seed)
    rows = max(1, _BLOCK_ELEMENTS // count)
    drawn = np.concatenate(
        [
            measure(random.integers(0, count, (min(rows, resamples - start), count)))
            for start in range(0, resamples, rows)
        ]
    )
    tail = (1 - confidence) / 2
    points = np.array([tail, 1 - tail])
    share_below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    if 0 < share_below < 1:
        bias = ndtri(share_below)
        influence = _leave_one_out(x, codes, count, statistic)
        influence = influence.mean() - influence
        spread = (influence**2).sum() ** 1.5
        if spread > 0:
            acceleration = (influence**3).sum() / (6 * spread)
            shifted = bias + ndtri(points)
            points = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = np.percentile(drawn, 100 * points)
    return Interval(value, float(low), float(high), len(x))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Correct p-values for how many there are, so that the chance of any false alarm stays at the level.

    Parameters
    ----------
    p_values : (m,) array_like
        In [0, 1]. NaN, a test that could not be made, is not counted and stays NaN.

    Returns
    -------
    (m,) float64 array
        Adjusted p-values: compare them to the level. With the p-values ascending, the i-th from 0 is
        multiplied by m - i, is at least the one before it, and at most 1. Tests may depend on each other.

    Raises
    ------
    ValueError
        For a value out of [0, 1].

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3)
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    there = ~np.isnan(p)
    if p.ndim != 1 or (p[there] < 0).any() or (p[there] > 1).any():
        raise ValueError("p_values must be (m,) numbers from 0 to 1, or NaN where a test could not be made.")
    found = p[there]
    order = np.argsort(found, kind="stable")
    raised = np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1))
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(raised, 1.0)
    result = np.full_like(p, np.nan)
    result[there] = adjusted
    return result


def _values(values: ArrayLike, name: str) -> np.ndarray:
    x = np.asarray(values)
    if x.ndim != 1 or (x.size and x.dtype.kind not in "biuf"):
        raise ValueError(f"{name} is {x.dtype} of shape {x.shape}; it must be (n,) real numbers.")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        at = int(np.argmin(np.isfinite(x)))
        raise ValueError(f"Value {at} of {name} is {x[at]}; leave it out or replace it.")
    return x


def _nothing() -> Interval:
    return Interval(np.nan, np.nan, np.nan, 0)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, such as 0.95.")


def _direction(x: np.ndarray) -> np.ndarray:
    """Centre and scale to unit length; zeros for a constant."""
    if not np.ptp(x):
        return np.zeros_like(x)
    centred = x - x.mean()
    centred /= np.abs(centred).max()  # squares neither overflow nor vanish
    return centred / np.sqrt(centred @ centred)


def _mean_and_half(x: np.ndarray, confidence: float) -> tuple[float, float]:
    """Mean, and half the width of its t interval: infinite for one value."""
    from scipy.special import stdtrit

    if len(x) == 1:
        return float(x[0]), float("inf")
    return float(x.mean()), float(stdtrit(len(x) - 1, 0.5 + confidence / 2)) * _standard_error(x)


def _standard_error(x: np.ndarray) -> float:
    """Of the mean; exactly 0 where all values are equal, whatever the rounding of their mean."""
    return float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 and np.ptp(x) else 0.0


def _measure(
    x: np.ndarray, codes: np.ndarray, count: int, statistic: Callable[..., np.ndarray | float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from draws of groups, (b, count), to the statistic of each draw, (b,)."""
    if statistic is np.mean:
        sums, sizes = np.bincount(codes, x, count), np.bincount(codes, minlength=count)
        return lambda draws: sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    if count == len(x):
        single = x[np.argsort(codes, kind="stable")]
        return lambda draws: np.asarray(statistic(single[draws], axis=-1))
    members = [x[codes == g] for g in range(count)]
    return lambda draws: np.array(
        [float(statistic(np.concatenate([members[g] for g in row]), axis=-1)) for row in draws]
    )


def _leave_one_out(
    x: np.ndarray, codes: np.ndarray, count: int, statistic: Callable[..., np.ndarray | float]
) -> np.ndarray:
    """Return the statistic without each of the groups, (count,)."""
    if statistic is np.mean:
        sums, sizes = np.bincount(codes, x, count), np.bincount(codes, minlength=count)
        return (sums.sum() - sums) / (len(x) - sizes)
    return np.array([float(statistic(x[codes != g], axis=-1)) for g in range(count)])
