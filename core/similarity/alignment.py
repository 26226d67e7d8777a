"""How far the geometries of two spaces of the same things agree as a whole: centred kernel alignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix
from core.similarity.alignment_sums import alignment


def cka(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: str = "linear",
    debiased: bool = False,
    bandwidth: float = 1.0,
) -> float:
    """Compute centred kernel alignment: the correlation of similarities in one space with those in another.

    HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), where K and L hold the kernel of every two rows.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i is the same thing as row i of `X`.
    kernel : {'linear', 'rbf'}, default 'linear'
        ``rbf`` is exp(-d² / 2σ²) with d the Euclidean distance and σ the `bandwidth` times the median of d
        over all pairs of rows of that space; over those that do not coincide, where most do. Of more than
        4,096 rows, the median is that of 4,096 drawn with a fixed seed.
    debiased : bool, default False
        Whether to take the unbiased estimate of HSIC, which is 0 on average for unrelated spaces; the usual
        one grows with the dimensions where points are few.
    bandwidth : float, default 1.0
        Of ``rbf``, in median distances.

    Returns
    -------
    float
        In [0, 1]; debiased at most 1, and below 0 by chance. 0 if all points of one space coincide, or, with
        the unbiased estimate, are equally far from one another: there is nothing to align.

    Raises
    ------
    ValueError
        For spaces of different lengths, fewer than two rows (four if debiased), an unknown kernel, a
        bandwidth that is not positive, or a value that is not finite.

    Notes
    -----
    float64 throughout, of centred rows. ``linear`` needs O(n d²) or O(n² d) time, whichever is less; ``rbf``
    O(n² d), with blocks of the kernels in memory.

    References
    ----------
    S. Kornblith et al., "Similarity of neural network representations revisited", ICML 2019. L. Song et al.,
    "Feature selection via dependence maximization", JMLR 13, 2012 (the unbiased HSIC). T. Nguyen, M. Raghu
    and S. Kornblith, "Do wide and deep networks learn the same things?", ICLR 2021 (its use in CKA).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((30, 4))
    >>> round(cka(X, 3 * X + 7), 6), round(cka(X, -X, kernel="rbf", debiased=True), 6)
    (1.0, 1.0)
    """
    usual, unbiased = cka_both(X, Y, kernel=kernel, bandwidth=bandwidth)
    if not debiased:
        return usual
    if unbiased is None:
        raise ValueError(f"X and Y have {len(np.asarray(X))} rows; debiased CKA needs at least 4.")
    return unbiased


def cka_both(
    X: ArrayLike, Y: ArrayLike, *, kernel: str = "linear", bandwidth: float = 1.0
) -> tuple[float, float | None]:
    """Return `cka` as it is and debiased, for the price of one; None for the second of fewer than four rows.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((30, 4))
    >>> [round(value, 6) for value in cka_both(X, X)]
    [1.0, 1.0]
    """
    X, Y = matrix(X, "X"), matrix(Y, "Y")
    if len(X) != len(Y):
        raise ValueError(f"X has {len(X)} rows and Y has {len(Y)}; row i of both must be the same thing.")
    if len(X) < 2:
        raise ValueError("X and Y have 1 row; CKA needs at least 2.")
    if kernel not in ("linear", "rbf"):
        raise ValueError(f"kernel is {kernel!r}; it must be 'linear' or 'rbf'.")
    if not 0 < bandwidth < np.inf:
        raise ValueError(f"bandwidth is {bandwidth!r}; it must be a positive number of median distances.")
    sums = alignment(X, Y, kernel, float(bandwidth))
    return sums.biased(), sums.unbiased() if len(X) > 3 else None
