"""Exact nearest neighbours, and what they say about the classes.

Distances: ``cosine`` is 1 - cos, in [0, 2], and the cosine of a zero vector with anything is 0, so its
distance is 1; ``euclidean`` is the L2 norm of the difference; ``inner_product`` is the **negative** inner
product, so that nearest is always smallest.

Distances are float64 rounded to 12 decimals, and the order is that of the rounded distance, then of the
index: two equal rows tie whatever the machine and the size of the blocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix, whole
from core.neighbors.exact_search import METRICS, prepare, search


def knn(
    X: ArrayLike,
    k: int,
    *,
    metric: str = "cosine",
    include_self: bool = False,
    queries: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the exact k nearest neighbours, nearest first, ties by lower index.

    Parameters
    ----------
    X : (n, d) array_like
        One point a row. Read in float32 or float64 as given; anything else is read as float64.
    k : int
        Neighbours a point: from 1 to n - 1, or to n with `include_self` or `queries`.
    metric : {'cosine', 'euclidean', 'inner_product'}, default 'cosine'
    include_self : bool, default False
        Whether a point is a neighbour of itself. It is then always the first, at its own distance: 0 for
        cosine and euclidean, minus its squared norm for inner_product.
    queries : (m, d) array_like, optional
        Points whose neighbours in `X` are wanted, instead of those of the rows of `X` themselves.

    Returns
    -------
    indices : (n, k) or (m, k) int64 array
        Rows of `X`.
    distances : (n, k) or (m, k) float64 array
        Rounded to 12 decimals.

    Raises
    ------
    ValueError
        For an unknown metric, a k out of range, an empty or ragged matrix, a value that is not finite, or
        queries of another width.

    Notes
    -----
    A float32 matrix product on centred rows finds a superset of the neighbours: every point whose score
    reaches the k-th best within the worst-case rounding error of that product. Only those are measured in
    float64 and sorted. Up to 11,300 points one half of the product is held (256 MB) and the other follows by
    symmetry; beyond, memory is bounded by blocks of rows. A large search is compiled by numba once a machine.

    Examples
    --------
    >>> indices, distances = knn([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 1.0]], 2)
    >>> indices
    array([[2, 3],
           [3, 0],
           [0, 3],
           [0, 1]])
    >>> distances[0].round(3)
    array([0.   , 0.293])
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    corpus = matrix(X, "X")
    points = corpus if queries is None else matrix(queries, "queries")
    if points.shape[1] != corpus.shape[1]:
        raise ValueError(
            f"queries have {points.shape[1]} columns and X has {corpus.shape[1]}; both need the same."
        )
    itself = queries is None
    if include_self and not itself:
        raise ValueError("include_self says what to do with the rows of X; it cannot go with queries.")
    most = len(corpus) - (itself and not include_self)
    if not whole(k) or not 1 <= k <= most:
        if most == 0:
            raise ValueError("X has 1 row, which has no neighbour but itself; give at least 2 rows.")
        raise ValueError(f"k is {k!r}; for {len(corpus)} rows it must be a whole number from 1 to {most}.")
    if corpus.dtype != points.dtype:
        corpus, points = corpus.astype(np.float64), points.astype(np.float64)
    return search(prepare(corpus, points, metric, itself), int(k), include_self)


def class_agreement_samples(indices: ArrayLike, labels: ArrayLike, *, k: int = 1) -> np.ndarray:
    """Compute the share of each point's k nearest neighbours that are of its class.

    Parameters
    ----------
    indices : (n, k') array_like of int
        Neighbours without the point itself, nearest first, as `knn` gives them.
    labels : (n,) array_like
        One class a point.
    k : int, default 1
        Neighbours looked at, at most k'.

    Returns
    -------
    (n,) float64 array
        In [0, 1]. A point that is alone in its class has 0.

    Raises
    ------
    ValueError
        For a k out of range, labels that do not fit, or a graph in which a point is its own neighbour.

    Examples
    --------
    >>> indices, _ = knn([[0.0], [1.0], [3.0], [4.0]], 2, metric="euclidean")
    >>> class_agreement_samples(indices, ["dog", "dog", "rain", "dog"])
    array([1., 1., 0., 0.])
    """
    graph = neighbor_indices(indices)
    if not 1 <= k <= graph.shape[1]:
        raise ValueError(f"k is {k}; these neighbours allow 1 to {graph.shape[1]}.")
    _, codes = class_codes(labels, len(graph))
    return (codes[graph[:, :k]] == codes[:, None]).mean(axis=1)


def class_agreement(indices: ArrayLike, labels: ArrayLike, *, k: int = 1) -> float:
    """Return the mean of `class_agreement_samples`; with k = 1, the accuracy of the nearest neighbour.

    Examples
    --------
    >>> indices, _ = knn([[0.0], [1.0], [3.0], [4.0]], 2, metric="euclidean")
    >>> class_agreement(indices, ["dog", "dog", "rain", "dog"])
    0.5
    """
    return float(class_agreement_samples(indices, labels, k=k).mean())


def neighbor_indices(indices: ArrayLike) -> np.ndarray:
    """Check a graph as `knn` gives it without `include_self`, and return its indices (n, k)."""
    graph = np.asarray(indices)
    if graph.ndim != 2 or graph.size == 0 or graph.dtype.kind not in "iu":
        raise ValueError(
            f"neighbours are {graph.dtype} of shape {graph.shape}; they must be whole numbers, (n, k)."
        )
    n = len(graph)
    if graph.min() < 0 or graph.max() >= n:
        raise ValueError(
            f"neighbours range from {graph.min()} to {graph.max()}; {n} rows allow 0 to {n - 1}."
        )
    itself = (graph == np.arange(n)[:, None]).any(axis=1)
    if itself.any():
        raise ValueError(
            f"Point {int(itself.argmax())} is among its own neighbours; use knn without include_self."
        )
    return graph


def shared_ranks(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the neighbours that two lists of the same points share, for every length of list at once.

    With r the rank (from 1) of a neighbour, it is in both k-neighbourhoods exactly when the larger of its two
    ranks is at most k.

    Parameters
    ----------
    first, second : (n, k) int arrays
        Lists of the same length, nearest first, each neighbour once.

    Returns
    -------
    points : (s,) int array
        The point, for every neighbour that both of its lists hold.
    ranks : (s,) int array
        The larger rank, 1 to k.
    """
    k = first.shape[1]
    both = np.concatenate([first, second], axis=1)  # (n, 2k)
    order = np.argsort(both, axis=1, kind="stable")
    ordered = np.take_along_axis(both, order, axis=1)
    points, at = np.nonzero(ordered[:, 1:] == ordered[:, :-1])
    # Stable: the entry of the first list comes first, so the second one is k further on.
    return points, np.maximum(order[points, at], order[points, at + 1] - k) + 1
