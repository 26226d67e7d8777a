"""The shape of a space: hubs, local dimension and effective rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, neighborhood_sizes
from core.neighbors import neighbor_indices
from core.processing import fit_reducer

METRICS = ("cosine", "euclidean")


def k_occurrence(indices: ArrayLike, ks: ArrayLike) -> np.ndarray:
    """Count in how many lists of k nearest neighbours each point is.

    Parameters
    ----------
    indices : (n, k') array_like of int
        Neighbours without the point itself, nearest first, as `knn` gives them.
    ks : (K,) array_like of int
        Each from 1 to k'.

    Returns
    -------
    (n, K) int64 array
        N_k, from 0 to n - 1; the mean of a column is its k. A point with far more than k is a hub, one with
        0 an antihub that no search would find.

    Raises
    ------
    ValueError
        For sizes that do not fit the graph, or a graph in which a point is its own neighbour.

    References
    ----------
    M. Radovanović, A. Nanopoulos and M. Ivanović, "Hubs in space: popular nearest neighbors in
    high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> from core.neighbors import knn
    >>> indices, _ = knn([[0.0], [1.0], [3.0], [4.5]], 2, metric="euclidean")
    >>> k_occurrence(indices, [1, 2])
    array([[1, 1],
           [1, 3],
           [1, 3],
           [1, 1]])
    """
    graph = neighbor_indices(indices)
    sizes = _sizes(ks, graph)
    n = len(graph)
    counts = np.empty((n, len(sizes)), dtype=np.int64)
    sofar = np.zeros(n, dtype=np.int64)
    before = 0
    for column in np.argsort(sizes, kind="stable"):
        k = sizes[column]
        sofar += np.bincount(graph[:, before:k].ravel(), minlength=n)
        counts[:, column] = sofar
        before = k
    return counts


def hubness(indices: ArrayLike, ks: ArrayLike) -> np.ndarray:
    """Skewness of the k-occurrences of `k_occurrence`: how far a few points are in everyone's list.

    Parameters
    ----------
    indices : (n, k') array_like of int
        Neighbours without the point itself, nearest first, as `knn` gives them.
    ks : (K,) array_like of int
        Each from 1 to k'.

    Returns
    -------
    (K,) float64 array
        S_k = E[(N_k - k)^3] / E[(N_k - k)^2]^(3/2), over the points. About 0 where all are listed equally
        often (and 0 exactly where every count is k), positive with hubs, which are strong above about 1.

    Raises
    ------
    ValueError
        For sizes that do not fit the graph, or a graph in which a point is its own neighbour.

    References
    ----------
    M. Radovanović, A. Nanopoulos and M. Ivanović, "Hubs in space: popular nearest neighbors in
    high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> hubness([[1, 2], [0, 2], [1, 0], [1, 0]], [1, 2]).round(3)
    array([ 0.816, -0.816])
    """
    sizes = _sizes(ks, neighbor_indices(indices))
    # The mean of N_k is k, so all moments are sums of whole numbers.
    deviation = (k_occurrence(indices, sizes) - sizes).astype(np.float64)  # (n, K)
    variance = (deviation**2).mean(axis=0)
    third = (deviation**3).mean(axis=0)
    return np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)


def local_dimension(distances: ArrayLike, *, metric: str = "cosine") -> np.ndarray:
    """Estimate the intrinsic dimension around every point by maximum likelihood.

    The number of neighbours within a distance r grows as r^m where the data have m dimensions. With T_j the
    distance to the j-th neighbour, 1 / m = 1 / (k - 1) · Σ ln(T_k / T_j) over j < k.

    Parameters
    ----------
    distances : (n, k) array_like
        To the nearest neighbours without the point itself, nearest first, as `knn` gives them; k is at
        least 2. About 20 to 150 is usual.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        What the distances are. The cosine distance is half the square of the chord between unit vectors, and
        grows with its square; it is read as the chord √(2 · distance), without which every dimension would
        come out halved.

    Returns
    -------
    (n,) float64 array
        Above 0. NaN for a point with fewer than 2 neighbours away from it, infinity where all of those are
        equally far.

    Raises
    ------
    ValueError
        For another metric, fewer than 2 columns, and distances that are negative, not finite or not in
        order.

    Notes
    -----
    The normalisation is k - 1, so that the *inverse* is unbiased where the density is even: to sum the points
    up, average the inverses, as `intrinsic_dimension` does (MacKay and Ghahramani); k - 2 would make each
    value by itself unbiased (Levina and Bickel). Neighbours at distance 0 are copies, which say nothing about
    growth; they are left out and k is less by as many. Equal distances are taken as they are. The relative
    standard error of a value is about 1 / √(k - 1); its bias grows with k, as the neighbourhood reaches
    where the data bend or end. With cosine distance it is the dimension of the directions: points that fill
    d dimensions evenly have d - 1.

    References
    ----------
    E. Levina and P. J. Bickel, "Maximum likelihood estimation of intrinsic dimension", NIPS 17, 2004.
    L. Amsaleg et al., "Estimating local intrinsic dimensionality", KDD 2015 (the same sum over k).

    Examples
    --------
    >>> local_dimension([[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]], metric="euclidean").round(3)
    array([0.962,   nan])
    >>> local_dimension([[0.1, 0.2, 0.4]], metric="cosine").round(3)
    array([1.924])
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    D = matrix(distances, "distances").astype(np.float64)
    if D.shape[1] < 2:
        raise ValueError("distances have 1 column; a dimension needs at least 2 neighbours a point.")
    if D.min() < 0 or (np.diff(D, axis=1) < 0).any():
        raise ValueError("distances must not be negative and rise along each row, as knn gives them.")
    away = D > 0
    logs = np.log(D, out=np.zeros_like(D), where=away)
    if metric == "cosine":
        logs /= 2  # ln √(2 d), but for a constant that falls out
    others = away.sum(axis=1) - 1
    total = np.where(away, logs[:, -1:] - logs, 0.0).sum(axis=1)
    dimension = np.full(len(D), np.nan)
    np.divide(others, total, out=dimension, where=(others > 0) & (total > 0))
    dimension[(others > 0) & (total == 0)] = np.inf
    return dimension


def intrinsic_dimension(local: ArrayLike) -> float:
    """Average local dimensions by the inverse of the mean of their inverses.

    Parameters
    ----------
    local : (n,) array_like
        As `local_dimension` gives them; NaN is left out, infinity counts with an inverse of 0.

    Returns
    -------
    float
        The harmonic mean; NaN where no point has a dimension.

    Raises
    ------
    ValueError
        For values that are not above 0.

    References
    ----------
    D. J. C. MacKay and Z. Ghahramani, "Comments on 'Maximum likelihood estimation of intrinsic dimension' by
    E. Levina and P. Bickel", 2005: the arithmetic mean is biased upwards, far so for small k.

    Examples
    --------
    >>> intrinsic_dimension([2.0, 6.0, float("nan")])
    3.0
    """
    values = np.asarray(local, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"local dimensions have shape {values.shape}; they must be (n,).")
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan")
    if values.min() <= 0:
        raise ValueError(f"A local dimension is {values.min():g}; they must be above 0.")
    inverse = float((1 / values).mean())
    return 1 / inverse if inverse > 0 else float("inf")


def effective_rank(X: ArrayLike) -> float:
    """Count the directions that the points spread along, weighted by how far: the effective rank.

    Parameters
    ----------
    X : (n, d) array_like
        Centred here: what all points share is no direction that they spread along.

    Returns
    -------
    float
        exp(-Σ p ln p) with p the singular values of the centred matrix over their sum: from 1 (all points on
        a line) to min(n - 1, d) (as far along every direction), and 0 where all points are equal. It does not
        depend on scale, shift or rotation.

    Raises
    ------
    ValueError
        For a value that is not finite.

    Notes
    -----
    Singular values are those of `core.processing.fit_reducer`, not of the Gram matrix, whose rounding would
    add some 1e-8 of the largest to each of those that are 0.

    References
    ----------
    O. Roy and M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.

    Examples
    --------
    >>> effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    2.0
    >>> effective_rank([[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]])
    1.0
    """
    X = matrix(X, "X")
    if not np.ptp(X, axis=0).any():
        return 0.0
    exponent = -np.frexp(np.abs(X).max())[1]  # a power of two: sums cannot overflow and no digit changes
    variances = fit_reducer(np.ldexp(X, exponent), min(X.shape)).variances
    singular = np.sqrt(variances * (len(X) - 1))
    # Values are at most 1 now; what is below this is the rounding of the centre.
    rounding = 4 * np.finfo(np.float64).eps * np.sqrt(X.size)
    p = singular[singular > rounding]
    if not len(p):
        return 0.0
    p = p / p.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def _sizes(ks: ArrayLike, graph: np.ndarray) -> np.ndarray:
    most = graph.shape[1]
    return neighborhood_sizes(ks, most, f"this graph allows 1 to {most}")
