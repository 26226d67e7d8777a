"""Numbers with their uncertainty, as the pages show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_Z = 1.959963984540054  # 97.5% point of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% interval over n clips."""

    value: float
    low: float
    high: float
    n: int

    def percent(self) -> str:
        """Say it as a percentage: ``91.2% (88.0 to 93.6%, n = 400)``."""
        if self.n == 0:
            return "no clips"
        return f"{self.value:.1%} ({100 * self.low:.1f} to {self.high:.1%}, n = {self.n:,})"

    def signed(self) -> str:
        """Say it with its sign: ``+0.336 (+0.318 to +0.354)``; a dash where there is none."""
        if self.n == 0:
            return "–"
        return f"{signed(self.value)} ({signed(self.low)} to {signed(self.high)})"


def share(hits: np.ndarray) -> Estimate:
    """Share of True with its Wilson interval.

    Parameters
    ----------
    hits : ndarray of bool, shape (n,)

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    n = len(hits)
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    p = float(np.mean(hits))
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return Estimate(p, float(max(0.0, centre - half)), float(min(1.0, centre + half)), n)


def mean(values: np.ndarray, *, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """Mean of the finite values with a normal 95% interval over clips, kept within [low, high]."""
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    n = len(x)
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    m = float(x.mean())
    half = _Z * float(x.std(ddof=1)) / np.sqrt(n) if n > 1 else 0.0
    return Estimate(m, float(max(low, m - half)), float(min(high, m + half)), n)


def duration(seconds: float) -> str:
    """Say a time as people do: ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if not np.isfinite(seconds):
        return "unknown"
    s = round(seconds)
    if s < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s" if s < 600 else f"{round(s / 60)} min"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


def count(n: int, noun: str) -> str:
    """Say a number of things: ``1 clip``, ``2,000 clips``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "es" if noun.endswith("s") else "s")


def signed(value: float) -> str:
    """Say a number between -1 and 1 with its sign; a dash where there is none."""
    return f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "–"
