"""Distances between the classes of a space, their order, and four properties of their angles.

Cosine distances are 1 - cos, in [0, 2]; the cosine of a zero vector with anything is 0. Sums are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix
from core.separability.class_pairs import Spread, angular_spread, cosine_moments
from core.separability.class_rows import ClassRows
from core.separability.leaf_order import optimal_order


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
        With NaN on the diagonal for a class of one point. Where a mean is below 1e-12, all three are 0.

    Raises
    ------
    ValueError
        For labels that do not fit, or a value that is not finite.

    Notes
    -----
    Between classes a and b, with m the mean and Σ the covariance of a class's unit vectors, the mean is
    1 - m_a·m_b and the variance m_bᵀΣ_a m_b + m_aᵀΣ_b m_a + ⟨Σ_a, Σ_b⟩: no n × n distances, unless all pairs,
    block by block, are less work, for many dimensions or classes. Within a class of
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
    """Order classes so that near ones are side by side.

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
        Lower is better in each of the four. NaN without a pair: within classes of one point each, and between
        classes for a single class.

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
    >>> p = angular_properties([[1, 0], [1, 1], [0, 1]], ["dog", "dog", "rain"])
    >>> round(p.intra_class_clustering, 4), p.intra_class_equidistance
    (0.0858, 0.0)
    >>> round(p.inter_class_separation, 4), round(p.inter_class_equidistance, 4)
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
