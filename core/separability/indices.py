"""Indices of how well classes are separated, over the unit vectors of a space."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix, unit_rows

#: Differences of unit vectors below this are rounding.
_EQUAL = 1e-12


def davies_bouldin(X: ArrayLike, labels: ArrayLike) -> float:
    """Compute the Davies–Bouldin index: the width of classes over the distance to the most similar class.

    Rows are scaled to unit length first. With s the mean distance of the points of a class to its centroid,
    and D the distance of two centroids, it is the mean over classes i of max over j of (s_i + s_j) / D_ij.

    Parameters
    ----------
    X : (n, d) array_like
        Need not be at unit length; a zero vector stays zero.
    labels : (n,) array_like
        One class a point, at least two classes.

    Returns
    -------
    float
        From 0; lower is better. Infinity where two classes have the same centroid, NaN where no class has two
        points or all points are equal.

    Raises
    ------
    ValueError
        For one class, labels that do not fit, or a value that is not finite.

    Notes
    -----
    scikit-learn's `davies_bouldin_score`, in float64. Distances are Euclidean, between unit vectors
    √(2 (1 - cos)); the centroid of a class is the mean of its unit vectors, which is shorter than 1.

    References
    ----------
    D. L. Davies and D. W. Bouldin, "A cluster separation measure", IEEE Transactions on Pattern Analysis and
    Machine Intelligence 1, 1979.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]
    >>> round(davies_bouldin(X, ["dog", "dog", "rain", "rain"]), 4)
    0.0743
    """
    from scipy.spatial.distance import pdist
    from sklearn.metrics import davies_bouldin_score

    X, codes = _checked(X, labels)
    n_classes = int(codes.max()) + 1
    if n_classes == len(X) or _extent(X) < _EQUAL:
        return float("nan")
    centroids = np.stack([X[codes == c].mean(axis=0) for c in range(n_classes)])
    if pdist(centroids).min() < _EQUAL:
        return float("inf")
    return float(davies_bouldin_score(X, codes))


def _extent(X: np.ndarray) -> float:
    return float(np.ptp(X, axis=0).max())


def _checked(X: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows at unit length, and the class of each as a number."""
    X = matrix(X, "X")
    classes, codes = class_codes(labels, len(X))
    if len(classes) < 2:
        raise ValueError(f"All {len(X)} labels are {classes[0]!s}; an index needs at least 2 classes.")
    return unit_rows(X), codes


def calinski_harabasz(X: ArrayLike, labels: ArrayLike) -> float:
    """Compute the Calinski–Harabasz index: the variance between classes over the variance within them.

    Rows are scaled to unit length first. With m the mean of all points, m_c and n_c the mean and the size of
    class c, it is (Σ n_c |m_c - m|² / (C - 1)) / (Σ |x - m_c|² / (n - C)).

    Parameters
    ----------
    X : (n, d) array_like
        Need not be at unit length; a zero vector stays zero.
    labels : (n,) array_like
        One class a point, at least two classes.

    Returns
    -------
    float
        From 0; higher is better. Infinity where the points of each class are equal, NaN where no class has
        two points or all points are equal.

    Raises
    ------
    ValueError
        For one class, labels that do not fit, or a value that is not finite.

    Notes
    -----
    scikit-learn's `calinski_harabasz_score`, in float64. Distances are squared Euclidean, between unit
    vectors 2 (1 - cos). It grows with n, so compare spaces of the same clips.

    References
    ----------
    T. Caliński and J. Harabasz, "A dendrite method for cluster analysis", Communications in Statistics 3,
    1974.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]
    >>> round(calinski_harabasz(X, ["dog", "dog", "rain", "rain"]), 1)
    362.0
    """
    from sklearn.metrics import calinski_harabasz_score

    X, codes = _checked(X, labels)
    n_classes = int(codes.max()) + 1
    if n_classes == len(X) or _extent(X) < _EQUAL:
        return float("nan")
    if max(_extent(X[codes == c]) for c in range(n_classes)) < _EQUAL:
        return float("inf")
    return float(calinski_harabasz_score(X, codes))
