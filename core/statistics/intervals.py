"""Intervals of shares, means, differences and any statistic, and Holm's correction.

Pages import this, so SciPy's distributions are loaded inside functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.checks import check_confidence, finite, normal_quantile, percentiles

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
        Least and greatest possible value, at which the interval is cut.

    Returns
    -------
    Interval
        One value tells nothing of the spread: its interval is from `low` to `high`. No value gives NaN.

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
    check_confidence(confidence)
    x = finite(values, "values")
    if len(x) == 0:
        return _nothing()
    mean = _t_interval(x, confidence)
    return Interval(mean.value, max(float(low), mean.low), min(float(high), mean.high), mean.n)


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
        What both share, such as easy clips, cancels. One pair gives the interval of all numbers and p = 1;
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
    check_confidence(confidence)
    x, y = finite(x, "x"), finite(y, "y")
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} and y {len(y)} values; pairs need as many of both.")
    if len(x) == 0:
        return Difference(np.nan, np.nan, np.nan, 0, np.nan)
    return _t_interval(x - y, confidence)


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
        The group of each value, such as the recording that clips were cut from. Whole groups are drawn, since
        values of a group are not independent: without groups the interval is too narrow.

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
    from scipy.stats import bootstrap

    check_confidence(confidence)
    x = finite(values, "values")
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
    value = float(statistic(x, axis=-1))
    if count == 1:
        return Interval(value, -np.inf, np.inf, len(x))
    of_groups = _of_groups(x, codes, statistic)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the correction is not defined
        drawn = bootstrap(
            (np.arange(count),),
            lambda draws, axis: of_groups(draws) if draws.ndim > 1 else value,
            n_resamples=resamples,
            batch=max(1, _BLOCK_ELEMENTS // count),
            confidence_level=confidence,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = drawn.confidence_interval
    if np.isnan(low) or np.isnan(high):
        low, high = percentiles(drawn.bootstrap_distribution, confidence)
    return Interval(value, float(low), float(high), len(x))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Correct p-values for their number, so that the chance of any false alarm stays at the level.

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
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise ValueError("p_values must be (m,) numbers from 0 to 1, or NaN where a test could not be made.")
    order = np.argsort(p, kind="stable")  # NaN comes last
    order = order[: np.count_nonzero(~np.isnan(p))]
    adjusted = np.full_like(p, np.nan)
    raised = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def _nothing() -> Interval:
    return Interval(np.nan, np.nan, np.nan, 0)


def _t_interval(x: np.ndarray, confidence: float) -> Difference:
    """Mean of at least one value with its t interval and the p-value of a mean of 0."""
    from scipy.special import stdtr, stdtrit

    mean, n = float(x.mean()), len(x)
    if n == 1:
        return Difference(mean, -np.inf, np.inf, n, 1.0)
    if not np.ptp(x):  # the rounding of a mean is no deviation
        return Difference(mean, mean, mean, n, float(mean == 0))
    error = float(x.std(ddof=1) / np.sqrt(n))
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * error
    return Difference(mean, mean - half, mean + half, n, float(2 * stdtr(n - 1, -abs(mean) / error)))


def _of_groups(
    x: np.ndarray, codes: np.ndarray, statistic: Callable[..., np.ndarray | float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from draws of groups, (b, m), to the statistic of the values of each draw, (b,)."""
    if statistic is np.mean:
        sums, sizes = np.bincount(codes, x), np.bincount(codes)
        return lambda draws: sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    members = [x[codes == g] for g in range(int(codes.max()) + 1)]
    if len(members) == len(x):
        single = np.concatenate(members)
        return lambda draws: np.asarray(statistic(single[draws], axis=-1))
    return lambda draws: np.array(
        [float(statistic(np.concatenate([members[g] for g in row]), axis=-1)) for row in draws]
    )
