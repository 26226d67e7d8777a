"""Silhouettes: whether each point is nearer to its own class than to any other, from -1 to 1.

Cosine distances are 1 - cos, in [0, 2]; the cosine of a zero vector with anything is 0. Sums are float64.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix
from core.separability import silhouette_sums
from core.separability.class_rows import ClassRows

_MEASURES = {
    "cosine": silhouette_sums.cosine,
    "euclidean": silhouette_sums.euclidean,
    "sqeuclidean": silhouette_sums.squared_euclidean,
}
METRICS = tuple(_MEASURES)


def silhouette_samples(X: ArrayLike, labels: ArrayLike, *, metric: str = "cosine") -> np.ndarray:
    """Silhouette of every point: (b - a) / max(a, b).

    a is the mean distance to the other points of its class, b the smallest mean distance to the points of
    another class.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like
        One class a point, at least two classes.
    metric : {'cosine', 'euclidean', 'sqeuclidean'}, default 'cosine'
        1 - cos, the L2 norm of the difference, or its square.

    Returns
    -------
    (n,) float64 array
        In [-1, 1]; 0 for a point alone in its class, and where a and b are both 0. A mean cosine distance
        below 1e-12 is 0.

    Raises
    ------
    ValueError
        For one class, labels that do not fit, another metric, or a value that is not finite.

    Notes
    -----
    Without any n × n distances for cosine and sqeuclidean: the mean of |x - y|² over a class is
    |x|² - 2 x·m + q, with m the mean of the class and q the mean of |y|², and 1 - cos is |x - y|²/2 between
    unit vectors. O(n · C · d). Euclidean distances need all pairs, O(n² · d), in bounded memory. Distances
    that such products would lose to rounding are measured again from nearby.

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
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    X = matrix(X, "X")
    classes, codes = class_codes(labels, len(X))
    if len(classes) < 2:
        raise ValueError(f"All {len(X)} labels are {classes[0]!s}; a silhouette needs at least 2 classes.")
    rows = ClassRows(X, codes, unit=metric == "cosine")
    a, b = _MEASURES[metric](rows)
    larger = np.maximum(a, b)
    values = np.divide(b - a, larger, out=np.zeros_like(a), where=larger > 0)
    values[rows.sizes[rows.codes] == 1] = 0
    silhouette = np.empty(len(X))
    silhouette[rows.order] = values
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


def silhouette_by_class(samples: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """Summarise the silhouettes of each class.

    Parameters
    ----------
    samples : (n,) array_like
        As `silhouette_samples` gives them.
    labels : (n,) array_like
        The class of each.

    Returns
    -------
    DataFrame
        One row a class, sorted by class: ``class``, ``n``, ``mean``, ``sd`` (over n - 1; NaN for a single
        point) and the quartiles ``q1``, ``median``, ``q3``.

    Raises
    ------
    ValueError
        For labels that do not fit, or a value that is not finite.

    Examples
    --------
    >>> silhouette_by_class([0.5, 0.1, 0.3], ["rain", "dog", "dog"])
      class  n  mean        sd    q1  median    q3
    0   dog  2   0.2  0.141421  0.15     0.2  0.25
    1  rain  1   0.5       NaN  0.50     0.5  0.50
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"samples have shape {values.shape}; they must be (n,) with at least one value.")
    if not np.isfinite(values).all():
        raise ValueError(
            f"Silhouette {int(np.argmin(np.isfinite(values)))} is not a number; leave out points without one."
        )
    classes, codes = class_codes(labels, len(values))
    groups = pd.Series(values).groupby(codes)
    table = groups.agg(["size", "mean", "std"]).set_axis(["n", "mean", "sd"], axis=1)
    quartiles = (
        groups.quantile(np.array([0.25, 0.5, 0.75])).unstack().set_axis(["q1", "median", "q3"], axis=1)
    )
    table = pd.concat([table, quartiles], axis=1)
    table.insert(0, "class", classes)
    return table
