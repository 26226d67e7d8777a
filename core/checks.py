"""Validation of input, shared by all measures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def matrix(values: ArrayLike, name: str) -> np.ndarray:
    """Return values as a contiguous, finite (n, d) matrix: float32 if they were, else float64."""
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}; it must be (n, d) with at least one row and one column."
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {array.dtype}; it must hold real numbers.")
    array = np.ascontiguousarray(array, dtype=np.float32 if array.dtype == np.float32 else np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=1)))
        raise ValueError(f"Row {row} of {name} holds NaN or infinity; leave it out or replace the value.")
    return array


def class_codes(labels: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted classes (C,) and the index of each label's class (n,)."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"labels have shape {array.shape}; there must be one for each of {n} rows.")
    missing = np.array([v is None or v != v for v in array.tolist()])
    if missing.any():
        raise ValueError(f"Label {int(missing.argmax())} is missing; leave its row out.")
    try:
        classes, codes = np.unique(array, return_inverse=True)
    except TypeError:
        raise ValueError("labels are of several types; use text for all or numbers for all.") from None
    return classes, codes


def whole(value: Any) -> bool:
    """Return whether a value is a whole number; booleans are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def neighborhood_sizes(ks: ArrayLike, most: int, allowed: str | None = None) -> np.ndarray:
    """Return neighbourhood sizes (K,) int64, each from 1 to `most`; errors show `allowed`."""
    sizes = np.atleast_1d(np.asarray(ks))
    if sizes.ndim != 1 or sizes.size == 0 or sizes.dtype.kind not in "iu":
        raise ValueError(f"ks is {ks!r}; it must hold whole numbers.")
    if sizes.min() < 1 or sizes.max() > most:
        allowed = allowed or f"here they must be from 1 to {most}"
        raise ValueError(f"ks run from {sizes.min()} to {sizes.max()}; {allowed}.")
    return sizes.astype(np.int64)


def norms(array: np.ndarray) -> np.ndarray:
    """L2 norms of the rows, summed in float64."""
    return np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64))


def inverse_norms(array: np.ndarray) -> np.ndarray:
    """One over the L2 norms of the rows; 0 for a zero row."""
    size = norms(array)
    return np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)


def rescaled(array: np.ndarray) -> np.ndarray:
    """Scale rows whose squares would overflow or underflow to a size of about 1.

    The factor is a power of two, so no digit changes; other rows are unchanged.
    """
    size = np.abs(array).max(axis=1)
    usual = (size == 0) | ((size > 1e-15) & (size < 1e15))
    if usual.all():
        return array
    exponent = np.where(usual, 0, np.frexp(size)[1])
    return np.ldexp(array.astype(np.float64), -exponent[:, None])


def unit_rows(array: np.ndarray) -> np.ndarray:
    """Return the rows at unit L2 norm in float64; a zero row stays zero."""
    array = rescaled(array)
    return array * inverse_norms(array)[:, None]
