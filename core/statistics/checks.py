"""Validation and ends of intervals, shared by the functions of this folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def normal_quantile(confidence: float) -> float:
    """Return the half width of a normal interval in standard errors; raise for a confidence beyond (0, 1)."""
    from scipy.special import ndtri

    check_confidence(confidence)
    return float(ndtri(0.5 + confidence / 2))


def percentiles(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends between which that share of the draws (b, ...) lies, the same at both sides."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def finite(values: ArrayLike, name: str) -> np.ndarray:
    """Return values as (n,) float64; raise for another shape or a value that is not finite."""
    x = np.asarray(values)
    if x.ndim != 1 or (x.size and x.dtype.kind not in "biuf"):
        raise ValueError(f"{name} is {x.dtype} of shape {x.shape}; it must be (n,) real numbers.")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        at = int(np.argmin(np.isfinite(x)))
        raise ValueError(f"Value {at} of {name} is {x[at]}; leave it out or replace it.")
    return x


def check_confidence(confidence: float) -> None:
    """Raise for a confidence beyond (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, such as 0.95.")
