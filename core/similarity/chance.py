"""What two neighbour graphs of the same points share by chance: the mean over all pairings of the points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def chance_overlap(ks: ArrayLike, n: int, *, include_self: bool = False) -> np.ndarray:
    """Return the mean S_k over all pairings of n points, (K,) float64: k / (n - 1) without the point itself.

    With it, the point is shared for certain and the k - 1 others are as without it:
    (1 + (k - 1)² / (n - 1)) / k.

    Examples
    --------
    >>> chance_overlap([1, 5, 10], 11)
    array([0.1, 0.5, 1. ])
    >>> chance_overlap([1, 11], 11, include_self=True)
    array([1., 1.])
    """
    sizes = np.asarray(ks, dtype=np.float64)
    return (1 + (sizes - 1) ** 2 / (n - 1)) / sizes if include_self else sizes / (n - 1)


def chance_jaccard(ks: ArrayLike, n: int) -> np.ndarray:
    """Return the mean NNGS over all pairings of n points, (K,) float64, without the point itself.

    E[m / (2k - m)], where the number m of shared neighbours is hypergeometric: k drawn of n - 1, of which k
    count. 1 from k = n - 1 on.

    Examples
    --------
    >>> chance_jaccard([1, 2, 3], 4).round(4)
    array([0.3333, 0.5556, 1.    ])
    """
    sizes = np.atleast_1d(np.asarray(ks, dtype=np.int64))
    expected = np.ones(len(sizes))
    below = np.flatnonzero(sizes < n - 1)
    for at in np.array_split(below, max(1, len(below) // 256)):
        if len(at):
            expected[at] = _expected_jaccard(sizes[at].astype(np.float64), float(n - 1))
    return expected


def _expected_jaccard(k: np.ndarray, others: float) -> np.ndarray:
    """E[m / (2k - m)] with m hypergeometric (k drawn of `others`, k of which count), for k < others.

    Probabilities relative to that of the mode follow from their ratios, p(m + 1) / p(m) =
    (k - m)² / ((m + 1)(others - 2k + m + 1)), outwards on both sides. Nothing cancels and nothing overflows,
    and beyond 10 standard deviations and 30 nothing is left (Bernstein: below 1e-15).
    """
    mode = np.floor((k + 1) ** 2 / (others + 2))
    deviation = k * (others - k) / (others * np.sqrt(max(others - 1, 1.0)))
    steps = np.arange(int(10 * deviation.max()) + 30)
    k, m = k[:, None], mode[:, None]

    def tail(values: np.ndarray, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Beyond the support a ratio is 0, or its denominator is; nothing comes after it.
        p = np.cumprod(np.maximum(ratios, 0), axis=1)
        return p.sum(axis=1), (p * values / (2 * k - values)).sum(axis=1)

    up = m + steps  # from here to the next
    top = (k - up) ** 2 * (up < k)
    p_above, above = tail(np.minimum(up + 1, k), top / np.maximum((up + 1) * (others - 2 * k + up + 1), 1))
    down = m - steps
    bottom = np.maximum(down * (others - 2 * k + down), 0)
    p_below, below = tail(np.maximum(down - 1, 0), bottom / (k - down + 1) ** 2)
    here = mode / (2 * k[:, 0] - mode)
    return (here + above + below) / (1 + p_above + p_below)
