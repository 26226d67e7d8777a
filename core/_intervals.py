"""Ends of intervals, for those who have a standard error or draws."""

from __future__ import annotations

import numpy as np


def normal_quantile(confidence: float) -> float:
    """Return the half width of a normal interval in standard errors; refuse a confidence beyond (0, 1)."""
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, such as 0.95.")
    return float(ndtri(0.5 + confidence / 2))


def percentiles(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends between which that share of the draws (b, ...) lies, the same at both sides."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high
