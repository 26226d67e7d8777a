"""How well the classes of a space stand apart.

Cosine distances are 1 - cos, in [0, 2]; the cosine of a zero vector with anything is 0. Sums are float64.
Silhouettes are in [-1, 1]: near 1 a point is far nearer to its own class than to any other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core import _silhouettes
from core._arrays import class_codes, matrix
from core._class_pairs import Spread, angular_spread, cosine_moments
from core._classes import ClassRows, in_threads
from core._leaf_order import optimal_order

METRICS = ("cosine", "euclidean", "sqeuclidean")
#: Rows up to which K-means starts ten times, to keep the best; beyond, it starts twice.
_MANY_STARTS = 10_000


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
    measure = {
        "cosine": _silhouettes.cosine,
        "euclidean": _silhouettes.euclidean,
        "sqeuclidean": _silhouettes.squared_euclidean,
    }[metric]
    a, b = measure(rows)
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
    return pd.DataFrame(
        {
            "class": classes,
            "n": np.bincount(codes),
            "mean": groups.mean().to_numpy(),
            "sd": groups.std().to_numpy(),
            "q1": groups.quantile(0.25).to_numpy(),
            "median": groups.median().to_numpy(),
            "q3": groups.quantile(0.75).to_numpy(),
        }
    )


@dataclass(frozen=True)
class ClassDistances:
    """Cosine distances between and within classes, over all pairs of points.

    Attributes
    ----------
    classes : (C,) array
        Sorted; rows and columns of the others.
    mean : (C, C) float64 array
        Of 1 - cos, in [0, 2]. On the diagonal over pairs of different points of the class.
    sd : (C, C) float64 array
        Standard deviation of the set of pairs (divided by their number, not by one less); 0 for one pair.
    cv : (C, C) float64 array
        Coefficient of variation, sd / mean; 0 where both are 0.
    n_pairs : (C, C) int64 array
        Pairs that went in, each once.
    """

    classes: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    cv: np.ndarray
    n_pairs: np.ndarray


def class_distances(X: ArrayLike, labels: ArrayLike) -> ClassDistances:
    """Mean, standard deviation and coefficient of variation of the cosine distance for every two classes.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like
        One class a point.

    Returns
    -------
    ClassDistances
        With NaN on the diagonal for a class of one point. Where the mean is below 1e-12, all are 0.

    Raises
    ------
    ValueError
        For labels that do not fit, or a value that is not finite.

    Notes
    -----
    Between classes a and b, with m the mean and Σ the covariance of a class's unit vectors, the mean is
    1 - m_a·m_b and the variance m_bᵀΣ_a m_b + m_aᵀΣ_b m_a + ⟨Σ_a, Σ_b⟩: no n × n distances, unless there are
    so many dimensions or classes that going over all pairs, block by block, is less work. Within a class of
    at most 2d points all pairs are measured.

    References
    ----------
    A. Almudévar, R. Serizel, A. Ortega, "Angular distance distribution loss for audio classification",
    2024: the matrices of figure 5, for any number of classes.

    Examples
    --------
    >>> distances = class_distances([[1, 0], [1, 1], [0, 1]], ["dog", "dog", "rain"])
    >>> distances.mean.round(3)
    array([[0.293, 0.646],
           [0.646,   nan]])
    >>> distances.cv.round(3)
    array([[0.   , 0.547],
           [0.547,   nan]])
    """
    X = matrix(X, "X")
    classes, codes = class_codes(labels, len(X))
    rows = ClassRows(X, codes, unit=True)
    mean, variance = cosine_moments(rows)
    sd = np.sqrt(variance)
    nothing = mean < 1e-12
    mean[nothing] = 0
    sd[sd < 1e-12 * mean] = 0
    sd[nothing] = 0
    cv = np.divide(sd, mean, out=np.zeros_like(sd), where=mean != 0)  # NaN stays: it is not 0
    n_pairs = np.outer(rows.sizes, rows.sizes)
    np.fill_diagonal(n_pairs, rows.sizes * (rows.sizes - 1) // 2)
    return ClassDistances(classes, mean, sd, cv, n_pairs)


def class_order(distances: ArrayLike) -> np.ndarray:
    """Order classes so that near ones stand side by side.

    Average linkage, its leaves in the order with the smallest sum of distances between neighbours. Of that
    order and its reverse, the one that begins with the class of lower index.

    Parameters
    ----------
    distances : (C, C) array_like
        Symmetric, at least 0; the diagonal does not matter and may be NaN.

    Returns
    -------
    (C,) int64 array
        A permutation of 0 to C - 1. Distances that differ by less than 1e-12 tie.

    Raises
    ------
    ValueError
        For a matrix that is not square or not symmetric, or a distance that is negative or not finite.

    References
    ----------
    Z. Bar-Joseph, D. K. Gifford, T. S. Jaakkola, "Fast optimal leaf ordering for hierarchical clustering",
    Bioinformatics 17, 2001.

    Examples
    --------
    >>> class_order([[0, 9, 1, 9], [9, 0, 9, 2], [1, 9, 0, 8], [9, 2, 8, 0]])
    array([0, 2, 3, 1])
    """
    D = np.array(distances, dtype=np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise ValueError(f"distances have shape {D.shape}; they must be (C, C).")
    np.fill_diagonal(D, 0)
    if not (np.isfinite(D) & (D >= 0)).all():
        i, j = np.argwhere(~(np.isfinite(D) & (D >= 0)))[0]
        raise ValueError(f"The distance of {i} and {j} is {D[i, j]}; it must be a finite number from 0 up.")
    if not np.allclose(D, D.T, rtol=1e-9, atol=1e-12):
        raise ValueError("distances are not symmetric; that of i and j must be that of j and i.")
    if len(D) < 3:
        return np.arange(len(D), dtype=np.int64)
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    # Rounding must not decide which of two equal distances is the smaller one.
    D = np.round((D + D.T) / 2, 12)
    tree = linkage(squareform(D, checks=False), "average")
    order = optimal_order(tree[:, :2].astype(np.int64), D)
    return order if order[0] < order[-1] else order[::-1].copy()


@dataclass(frozen=True)
class AngularProperties:
    """Four properties of the distances d = 1 - cos within and between classes: in each, lower is better.

    Attributes
    ----------
    intra_class_clustering : float
        μ_p, the mean of d² over pairs of one class, in [0, 4]; 0 if each class is one direction.
    intra_class_equidistance : float
        σ_p, the standard deviation of d² over these pairs; 0 if all are equally far apart.
    inter_class_separation : float
        μ_n, the mean of (1 - d)² over pairs of different classes, in [0, 1]; 0 if these are orthogonal.
    inter_class_equidistance : float
        σ_n, the standard deviation of (1 - d)² over these pairs; 0 if all are equally far apart.
    n_within, n_between : int
        Pairs of different points, (i, j) and (j, i) both counted.
    """

    intra_class_clustering: float
    intra_class_equidistance: float
    inter_class_separation: float
    inter_class_equidistance: float
    n_within: int
    n_between: int

    @property
    def mu_p(self) -> float:
        """Mean within classes."""
        return self.intra_class_clustering

    @property
    def sigma_p(self) -> float:
        """Standard deviation within classes."""
        return self.intra_class_equidistance

    @property
    def mu_n(self) -> float:
        """Mean between classes."""
        return self.inter_class_separation

    @property
    def sigma_n(self) -> float:
        """Standard deviation between classes."""
        return self.inter_class_equidistance


def angular_properties(X: ArrayLike, labels: ArrayLike) -> AngularProperties:
    """Clustering, separation and equidistance of the classes, as the ADD loss rewards them.

    With D_p = {d(x_i, x_j)² : same class, i ≠ j} and D_n = {(1 - d(x_i, x_j))² : different classes}, d being
    1 - cos: μ = Σk / |D| and σ = √(Σ(k - μ)² / (|D| - 1)).

    Parameters
    ----------
    X : (n, d) array_like
        Need not be at unit length.
    labels : (n,) array_like
        One class a point.

    Returns
    -------
    AngularProperties
        Lower is better in each of the four. NaN where there is no pair: within classes that have one point
        each, between classes where there is one.

    Raises
    ------
    ValueError
        For labels that do not fit, or a value that is not finite.

    Notes
    -----
    The pairs are ordered, as the paper writes them: (i, j) and (j, i) are both in D. Over unordered pairs the
    means are the same, and σ differs only in |D| - 1. All pairs are measured, in blocks: O(n² · d).

    References
    ----------
    A. Almudévar, R. Serizel, A. Ortega, "Angular distance distribution loss for audio classification",
    2024, equations 1 to 4.

    Examples
    --------
    >>> found = angular_properties([[1, 0], [1, 1], [0, 1]], ["dog", "dog", "rain"])
    >>> round(found.intra_class_clustering, 4), found.intra_class_equidistance
    (0.0858, 0.0)
    >>> round(found.inter_class_separation, 4), round(found.inter_class_equidistance, 4)
    (0.25, 0.2887)
    """
    X = matrix(X, "X")
    _, codes = class_codes(labels, len(X))
    within, between = angular_spread(ClassRows(X, codes, unit=True))
    return AngularProperties(
        *_mean_and_deviation(within), *_mean_and_deviation(between), 2 * within[0], 2 * between[0]
    )


def _mean_and_deviation(spread: Spread) -> tuple[float, float]:
    """From the spread over unordered pairs to mean and standard deviation over ordered ones."""
    pairs, mean, deviation = spread
    if pairs == 0:
        return float("nan"), float("nan")
    return mean, float(np.sqrt(2 * deviation / (2 * pairs - 1)))


@dataclass(frozen=True)
class KMeansResult:
    """K-means over the number of clusters.

    Attributes
    ----------
    ks : (K,) int64 array
    inertia : (K,) float64 array
        Summed squared distance of the points to the nearest centre.
    silhouette : (K,) float64 array
        Mean silhouette of the clusters; NaN where there is one.
    elbow : int or None
        The k from which on more clusters bring little, if the curve of the inertia has a bend.
    """

    ks: np.ndarray
    inertia: np.ndarray
    silhouette: np.ndarray
    elbow: int | None


def kmeans_curve(
    X: ArrayLike,
    ks: Sequence[int],
    *,
    seed: int,
    metric: str = "euclidean",
    progress: Callable[[int, int], None] | None = None,
) -> KMeansResult:
    """Cluster by K-means for several K.

    Parameters
    ----------
    X : (n, d) array_like
        Clustered as it is: by squared Euclidean distance.
    ks : sequence of int
        Numbers of clusters, ascending, each from 1 to n.
    seed : int
        The same seed gives the same clusters.
    metric : {'euclidean', 'cosine', 'sqeuclidean'}, default 'euclidean'
        Distance of the silhouettes.
    progress : callable, optional
        Called with the number of K done and of all.

    Returns
    -------
    KMeansResult

    Raises
    ------
    ValueError
        For another metric, a K out of range, or a value that is not finite.

    Notes
    -----
    scikit-learn's K-means with k-means++, the best of ten starts (of two beyond 10,000 rows). Where fewer
    points differ than clusters are asked for, there are as many clusters as points that differ.

    The elbow is the K at which the curve, with both axes scaled to [0, 1], is furthest below the straight
    line from its first point to its last; None with fewer than three K, or where it is nowhere below.

    References
    ----------
    V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'kneedle' in a haystack: detecting knee points
    in system behavior", ICDCS Workshops, 2011.

    Examples
    --------
    >>> X = [[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.0, 0.1], [2.5, 4.3], [2.5, 4.4]]
    >>> found = kmeans_curve(X, [1, 2, 3, 4], seed=0)
    >>> found.elbow
    3
    >>> found.silhouette.round(2)
    array([ nan, 0.55, 0.98, 0.65])
    """
    X = matrix(X, "X").astype(np.float64, copy=False)
    n = len(X)
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    whole = all(isinstance(k, int | np.integer) and not isinstance(k, bool) and 1 <= k <= n for k in ks)
    if len(ks) == 0 or not whole or sorted(set(ks)) != list(ks):
        raise ValueError(
            f"ks is {list(ks)}; it must hold whole numbers from 1 to {n} (the rows), ascending, each once."
        )
    from sklearn.exceptions import ConvergenceWarning

    inertia, silhouette = np.empty(len(ks)), np.full(len(ks), np.nan)
    cluster = partial(_clustered, X, seed)
    with warnings.catch_warnings():
        # Fewer points that differ than clusters: said above.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for i, (clusters, sum_of_squares) in enumerate(
            in_threads(cluster, ks, cost=n * X.shape[1] * sum(ks))
        ):
            inertia[i] = sum_of_squares
            if np.ptp(clusters) > 0:
                silhouette[i] = silhouette_score(X, clusters, metric=metric)
            if progress is not None:
                progress(i + 1, len(ks))
    numbers = np.array(ks, dtype=np.int64)
    return KMeansResult(numbers, inertia, silhouette, _elbow(numbers, inertia))


def _clustered(X: np.ndarray, seed: int, k: int) -> tuple[np.ndarray, float]:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    starts = 10 if len(X) <= _MANY_STARTS else 2
    model = KMeans(n_clusters=int(k), init="k-means++", n_init=starts, random_state=seed)
    # One thread each: several K run at a time, and the sums do not depend on the number of cores.
    with threadpool_limits(1):
        return model.fit_predict(X), float(model.inertia_)


def _elbow(ks: np.ndarray, inertia: np.ndarray) -> int | None:
    if len(ks) < 3 or not inertia[0] > inertia[-1]:
        return None
    along = (ks - ks[0]) / (ks[-1] - ks[0])
    height = (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    below = 1 - along - height
    best = int(np.argmax(below))
    return int(ks[best]) if below[best] > 1e-9 else None
