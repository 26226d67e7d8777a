"""How well the classes of a space stand apart.

Distances are cosine distances, 1 - cos, in [0, 2]; the cosine of a zero vector with anything is 0. Sums are
float64. Silhouettes are in [-1, 1]: near 1 a point is far nearer to its own class than to any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core._arrays import class_codes, matrix, unit_rows

_BLOCK_ROWS = 8192


def silhouette_samples(X: ArrayLike, labels: ArrayLike, *, metric: str = "cosine") -> np.ndarray:
    """Silhouette of every point: (b - a) / max(a, b).

    a is the mean distance to the other points of its class, b the smallest mean distance to the points of
    another class. Without any n × n distances: the mean cosine distance to a class is 1 - x̂·S / n_c with S
    the sum of its unit vectors, and within the own class the point is taken out of S. O(n · C · d).

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like
        One class a point, at least two classes.
    metric : 'cosine'
        The only one so far.

    Returns
    -------
    (n,) float64 array
        In [-1, 1]; 0 for a point alone in its class, and where a and b are both 0. A mean distance below
        1e-12 is 0.

    Raises
    ------
    ValueError
        For one class, labels that do not fit, another metric, or a value that is not finite.

    References
    ----------
    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis",
    Journal of Computational and Applied Mathematics 20, 1987.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]
    >>> silhouette_samples(X, ["dog", "dog", "rain", "rain"]).round(3)
    array([0.995, 0.994, 0.995, 0.994])
    """
    if metric != "cosine":
        raise ValueError(f"metric is {metric!r}; silhouettes are computed with 'cosine'.")
    X = matrix(X, "X")
    classes, codes = class_codes(labels, len(X))
    if len(classes) < 2:
        raise ValueError(f"All {len(X)} labels are {classes[0]!s}; a silhouette needs at least 2 classes.")
    unit = unit_rows(X)
    sizes = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(unit[order], starts, axis=0)  # (C, d)
    silhouette = np.empty(len(X))
    for start in range(0, len(X), _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, len(X))
        rows, own = np.arange(stop - start), codes[start:stop]
        x = unit[start:stop]
        cosines = x @ sums.T  # (b, C), sums over each class
        with_itself = np.einsum("ij,ij->i", x, x)
        a = 1 - (cosines[rows, own] - with_itself) / np.maximum(sizes[own] - 1, 1)
        means = 1 - cosines / sizes
        means[rows, own] = np.inf
        b = means.min(axis=1)
        a, b = np.where(a < 1e-12, 0, a), np.where(b < 1e-12, 0, b)
        larger = np.maximum(a, b)
        values = np.divide(b - a, larger, out=np.zeros_like(a), where=larger > 0)
        silhouette[start:stop] = np.where(sizes[own] > 1, values, 0)
    return silhouette


def silhouette_score(X: ArrayLike, labels: ArrayLike, *, metric: str = "cosine") -> float:
    """Return the mean of `silhouette_samples` over all points.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]
    >>> round(silhouette_score(X, ["dog", "dog", "rain", "rain"]), 3)
    0.994
    """
    return float(silhouette_samples(X, labels, metric=metric).mean())
