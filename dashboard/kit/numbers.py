"""Numbers with their uncertainty, formatted for pages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.statistics import Correlation, Interval, mean_interval, share_interval
from core.words import count

__all__ = [
    "Estimate",
    "count",
    "duration",
    "ends",
    "figured",
    "mean",
    "p_value",
    "share",
    "signed",
    "span",
]


@dataclass(frozen=True)
class Estimate(Interval):
    """A mean and its 95% interval over n clips."""

    def percent(self) -> str:
        """Format it as a percentage: ``91.2% (88.0 to 93.6%, n = 400)``."""
        if self.n == 0:
            return "no clips"
        return f"{self.value:.1%} ({100 * self.low:.1f} to {self.high:.1%}, n = {self.n:,})"

    def signed(self) -> str:
        """Format it with its sign: ``+0.336 (+0.318 to +0.354)``; a dash without clips."""
        if self.n == 0:
            return "–"
        return f"{signed(self.value)} ({signed(self.low)} to {signed(self.high)})"


def share(hits: np.ndarray) -> Estimate:
    """Compute the share of True with its interval by Wilson (`core.statistics.share_interval`).

    Parameters
    ----------
    hits : ndarray of bool, shape (n,)
    """
    return Estimate(**vars(share_interval(int(np.count_nonzero(hits)), len(hits))))


def mean(values: np.ndarray, *, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """Compute the mean of the finite values with its t interval over clips (`core.statistics.mean_interval`).

    The interval is kept between `low` and `high`, which bound the values; that of one value is all of it.
    """
    x = np.asarray(values, float)
    return Estimate(**vars(mean_interval(x[np.isfinite(x)], low=low, high=high)))


def duration(seconds: float) -> str:
    """Format a duration: ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if not np.isfinite(seconds):
        return "unknown"
    s = round(seconds)
    if s < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s" if s < 600 else f"{round(s / 60)} min"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


def span(counts: Iterable[int]) -> str:
    """Format counts that may differ, at least one: ``400``, ``400 to 1,390``."""
    ordered = sorted(set(counts))
    return " to ".join(f"{n:,}" for n in dict.fromkeys((ordered[0], ordered[-1])))


def signed(value: float) -> str:
    """Format a number between -1 and 1 with its sign; a dash for NaN."""
    return f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "–"


def figured(value: float, digits: int = 3) -> str:
    """Format a number that may be small with so many figures; a dash for NaN.

    Examples
    --------
    >>> figured(0.39312), figured(0.00034561), figured(0.0), figured(float("nan"))
    ('0.393', '0.000346', '0', '–')
    """
    if not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(0, places)}f}".replace("-", "−")


def p_value(p: float) -> str:
    """Format a p-value; a dash for NaN.

    Examples
    --------
    >>> p_value(0.0312), p_value(0.00001), p_value(float("nan"))
    ('0.031', '< 0.001', '–')
    """
    return "–" if not np.isfinite(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001"


def ends(interval: Interval | Correlation) -> str:
    """Format the ends of an interval of a number between -1 and 1; a dash for NaN."""
    low, high = interval.low, interval.high
    return f"{signed(low)} to {signed(high)}" if np.isfinite(low) else "–"
