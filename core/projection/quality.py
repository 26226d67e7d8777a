"""How much of a space a map of it keeps: neighbourhoods, trustworthiness and continuity.

A map is any other set of coordinates of the same points; nearness on it is Euclidean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, neighborhood_sizes, unit_rows
from core.neighbors import knn, neighbor_indices, shared_ranks
from core.neighbors.exact_search import DECIMALS
from core.threads import in_threads

Progress = Callable[[int, int], object]

_BLOCK_ELEMENTS = 1_000_000  # distances of one space ranked at once by a worker, some 60 bytes each


def neighborhood_kept(neighbor_graph: ArrayLike, coords: ArrayLike, ks: ArrayLike) -> np.ndarray:
    """Compute the share of each point's k nearest neighbours that are among its k nearest on the map.

    Parameters
    ----------
    neighbor_graph : (n, k') array_like of int
        True neighbours without the point itself, nearest first, as `knn` gives them.
    coords : (n, 2) array_like
        Of the map, where nearness is Euclidean; any number of dimensions will do.
    ks : (m,) array_like of int
        Each from 1 to k'.

    Returns
    -------
    (n, m) float64 array
        In [0, 1]. A map that has nothing to do with the space keeps k / (n - 1) on average.

    Raises
    ------
    ValueError
        For a graph, coordinates or sizes that do not fit.

    References
    ----------
    J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental
    study", ICANN 2001. J. A. Lee and M. Verleysen, "Quality assessment of dimensionality reduction",
    Neurocomputing 72, 2009 (Q_NX is the mean over the points).

    Examples
    --------
    >>> indices, _ = knn([[0.0], [1.0], [3.0], [4.5]], 2, metric="euclidean")
    >>> neighborhood_kept(indices, [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.5]], [1, 2])
    array([[1. , 0.5],
           [1. , 0.5],
           [0. , 0.5],
           [0. , 0.5]])
    """
    graph = neighbor_indices(neighbor_graph)
    coords = matrix(coords, "coords")
    if len(coords) != len(graph):
        raise ValueError(f"The map has {len(coords)} points and the neighbour graph {len(graph)}.")
    sizes = neighborhood_sizes(ks, graph.shape[1], f"this graph allows 1 to {graph.shape[1]}")
    longest = int(sizes.max())
    points, ranks = shared_ranks(graph[:, :longest], _map_neighbors(coords, longest))
    kept = [np.bincount(points[ranks <= k], minlength=len(graph)) / k for k in sizes]
    return np.stack(kept, axis=1)


def _map_neighbors(coords: np.ndarray, k: int) -> np.ndarray:
    """Return what `knn` returns as indices, by a tree: far faster in two dimensions."""
    from scipy.spatial import cKDTree

    n = len(coords)
    coords = coords.astype(np.float64)
    if n <= 1000 or coords.shape[1] > 8:
        return knn(coords, k, metric="euclidean")[0]
    # One more for the point itself and some for ties at the end of the list.
    most = min(k + 9, n)
    distances, indices = cKDTree(coords).query(coords, most, workers=-1)  # (n, most)
    distances = np.round(distances, 12)
    distances[indices == np.arange(n)[:, None]] = np.inf
    order = np.lexsort((indices, distances), axis=1)
    ordered = np.take_along_axis(distances, order, axis=1)
    # Where the list ends within a tie, there may be lower indices beyond it.
    last = np.where(np.isinf(ordered[:, -1]), ordered[:, -2], ordered[:, -1])
    if most < n and (ordered[:, k - 1] >= last).any():
        return knn(coords, k, metric="euclidean")[0]
    return np.take_along_axis(indices, order, axis=1)[:, :k]


def trustworthiness_continuity(
    X: ArrayLike,
    coords: ArrayLike,
    ks: ArrayLike,
    *,
    metric: str = "cosine",
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute how far a map can be trusted, and how much it tears apart, for every k in one pass.

    Parameters
    ----------
    X : (n, d) array_like
        The space.
    coords : (n, 2) array_like
        The map, where nearness is Euclidean; any number of dimensions will do.
    ks : (K,) array_like of int
        Sizes of neighbourhood, each at least 1 and less than n / 2.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        Of the space.
    progress : callable, optional
        Called as ``progress(done, total)``, in points.

    Returns
    -------
    trustworthiness : (K,) float64 array
        In [0, 1]; 1 where the k nearest on the map are the k nearest in the space. What is near on the map
        but not in the space costs by how far its rank in the space is beyond k:
        1 - 2 / (n k (2n - 3k - 1)) · Σ_i Σ_j (r(i, j) - k), over j among the k nearest on the map with rank
        r(i, j) > k in the space.
    continuity : (K,) float64 array
        In [0, 1]; the same with map and space swapped: what is near in the space but not on the map costs.

    Raises
    ------
    ValueError
        For sizes out of range, another metric, shapes that do not fit, or a value that is not finite.

    Notes
    -----
    Ranks are those of `knn`: by distance rounded to 12 decimals, then by index, so that equal points have an
    order. All n (n - 1) ranks are made, a block of rows at a time, in O(n² (d + log n)). From k = n / 2 on
    another factor would bring the worst map to 0, so such k are not allowed here.

    References
    ----------
    J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental
    study", ICANN 2001; S. Kaski et al., "Trustworthiness and metrics in visualizing similarity of gene
    expression", BMC Bioinformatics 4, 2003.

    Examples
    --------
    >>> X, coords = [[0.0], [1.0], [3.0], [4.5], [7.0]], [[0.0], [1.0], [3.0], [4.5], [0.4]]
    >>> trust, continuity = trustworthiness_continuity(X, coords, [1, 2], metric="euclidean")
    >>> trust.round(3), continuity.round(3)
    (array([0.4  , 0.467]), array([0.667, 0.6  ]))
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric is {metric!r}; it must be 'cosine' or 'euclidean'.")
    X, coords = matrix(X, "X"), matrix(coords, "coords").astype(np.float64)
    n = len(X)
    if len(coords) != n:
        raise ValueError(f"The map has {len(coords)} points and the space {n}.")
    if n < 3:
        raise ValueError(f"The space has {n} points; neighbourhoods below n / 2 need at least 3.")
    most = (n - 1) // 2
    sizes = neighborhood_sizes(ks, most, f"{n} points allow 1 to {most}, below n / 2")
    points = unit_rows(X) if metric == "cosine" else X.astype(np.float64)
    largest = max(np.abs(points).max(), np.abs(coords).max())
    if largest > 1e150:
        raise ValueError(f"The largest value is {largest:.3g}; distances need values below 1e150.")
    longest = int(sizes.max())
    rows = max(1, _BLOCK_ELEMENTS // n)
    starts = range(0, n, rows)

    def block(start: int) -> tuple[np.ndarray, np.ndarray]:
        of = slice(start, min(start + rows, n))
        near, ranks = _ranked(points, of, metric, longest)
        map_near, map_ranks = _ranked(coords, of, "euclidean", longest)
        return (
            _beyond(np.take_along_axis(ranks, map_near, axis=1)),
            _beyond(np.take_along_axis(map_ranks, near, axis=1)),
        )

    trust, continuity = np.zeros(longest), np.zeros(longest)
    for start, (intruders, missed) in zip(starts, in_threads(block, starts), strict=True):
        trust += intruders
        continuity += missed
        if progress is not None:
            progress(min(start + rows, n), n)
    worst = n * sizes * (2.0 * n - 3 * sizes - 1) / 2
    return 1 - trust[sizes - 1] / worst, 1 - continuity[sizes - 1] / worst


def chance_trustworthiness(n: int, ks: ArrayLike) -> np.ndarray:
    """Compute the mean trustworthiness, and continuity, of a map without any relation to the space.

    Parameters
    ----------
    n : int
        Points.
    ks : (K,) array_like of int
        Sizes of neighbourhood, from 1 and less than n / 2.

    Returns
    -------
    (K,) float64 array
        1 - (n - k) (n - k - 1) / ((n - 1) (2n - 3k - 1)), for the rank of each of the k is then any from 1 to
        n - 1: about one half for small k.

    Examples
    --------
    >>> chance_trustworthiness(400, [1, 15, 150]).round(3)
    array([0.5  , 0.509, 0.553])
    """
    k = np.asarray(ks, dtype=np.float64)
    return 1 - (n - k) * (n - k - 1) / ((n - 1) * (2 * n - 3 * k - 1))


def _ranked(points: np.ndarray, of: slice, metric: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of some points, (b, k), and the rank from 1 of every point for them, (b, n)."""
    from scipy.spatial.distance import cdist

    n = len(points)
    if metric == "cosine":
        distances = np.clip(1 - points[of] @ points.T, 0, 2)
    else:
        distances = cdist(points[of], points)
    distances = np.round(distances, DECIMALS, out=distances)
    own = np.arange(of.start, of.stop)
    distances[np.arange(len(own)), own] = np.inf
    order = np.argsort(distances, axis=1)
    ordered = np.take_along_axis(distances, order, axis=1)
    # The fast sort leaves ties in any order.
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if tied.any():
        order[tied] = np.argsort(distances[tied], axis=1, kind="stable")
    ranks = np.empty(order.shape, dtype=np.int32)
    np.put_along_axis(ranks, order, np.arange(1, n + 1, dtype=np.int32)[None], axis=1)
    return order[:, :k], ranks


def _beyond(ranks: np.ndarray) -> np.ndarray:
    """Sum up how far what is among the k nearest here is beyond rank k there, for every k at once.

    Parameters
    ----------
    ranks : (b, K) int array
        The rank there, from 1, of the nearest, second nearest, ... here.

    Returns
    -------
    (K,) float64 array
        For k from 1 to K: Σ (r - k) over what has a rank up to k here and r > k there. Whole numbers.
    """
    most = ranks.shape[1]
    here = np.broadcast_to(np.arange(1, most + 1), ranks.shape)
    counted = ranks > here
    # Each counts from k = its rank here until k reaches its rank there.
    begin, r = here[counted], ranks[counted].astype(np.int64)
    end = np.minimum(r, most + 1)
    sums = np.bincount(begin, r, most + 2) - np.bincount(end, r, most + 2)
    counts = np.bincount(begin, minlength=most + 2) - np.bincount(end, minlength=most + 2)
    k = np.arange(1, most + 1)
    return np.cumsum(sums)[k] - k * np.cumsum(counts)[k]
