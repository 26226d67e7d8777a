"""Maps of a space in two dimensions, and how much of the space they keep.

t-SNE and UMAP start from one exact neighbour graph, that of `core.neighbors.knn`, and from the same PCA, so
that two maps of a space differ by the method alone. Coordinates have no unit; only nearness means something.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core._arrays import matrix, neighborhood_sizes, unit_rows
from core._exact_search import DECIMALS, cores
from core._exact_search import warm_up as warm_up_search
from core.neighbors import knn, neighbor_indices, shared_ranks
from core.processing import fit_reducer

#: The parameters of each method and what they are unless said otherwise.
PARAMETERS: dict[str, dict[str, Any]] = {
    "pca": {},
    "tsne": {"perplexity": 30.0, "early_iterations": 250, "iterations": 500},
    "umap": {"n_neighbors": 15, "min_dist": 0.1, "epochs": None},
}

#: Fewer points than this are laid out by PCA whatever the method: there is no neighbourhood to speak of.
FEWEST = 5

_BLOCK_ELEMENTS = 1_000_000  # distances of one space ranked at once by a worker, some 60 bytes each

Graph = tuple[ArrayLike, ArrayLike]
Progress = Callable[[int, int], object]


def project(
    X: ArrayLike,
    method: str,
    *,
    neighbors: Graph | None = None,
    metric: str = "cosine",
    seed: int = 0,
    progress: Progress | None = None,
    **params: Any,
) -> np.ndarray:
    """Lay a space out in two dimensions.

    Parameters
    ----------
    X : (n, d) array_like
    method : {'pca', 'tsne', 'umap'}
        ``pca``: the first two principal components of `X` as it is. ``tsne``: openTSNE, with forces
        summed on a grid (`core._tsne`). ``umap``: umap-learn.
    neighbors : (indices, distances), optional
        The graph that t-SNE and UMAP start from, (n, k) each, as `knn` gives it without `include_self`. t-SNE
        reads ``int(3 * perplexity)`` columns, UMAP ``n_neighbors - 1``, or n - 1 where that is less; more are
        not read. Computed if it is not given.
    metric : str, default 'cosine'
        Of the graph computed where none is given; otherwise it plays no part.
    seed : int, default 0
        PCA does not depend on it; t-SNE and UMAP do in detail.
    progress : callable, optional
        Called as ``progress(done, total)``, in iterations.
    **params
        tsne: ``perplexity`` (30), ``early_iterations`` (250, exaggerated), ``iterations`` (500). umap:
        ``n_neighbors`` (15, the point itself counted), ``min_dist`` (0.1), ``epochs`` (None: 500 up to 10,000
        points, 200 above). Few points lower perplexity and n_neighbors to what `effective_parameters` says.

    Returns
    -------
    (n, 2) float64 array
        Finite, and the same for the same input, seed and library versions, whatever the number of cores (PCA
        but for rounding).

    Raises
    ------
    ValueError
        For an unknown method or parameter, a value out of range, a graph that does not fit or is too narrow,
        or a point that is not finite.

    Notes
    -----
    Fewer than 5 points are laid out by PCA. PCA of fewer than two dimensions or points has zeros for
    what it lacks. Equal points are told apart by noise of a millionth of the size of the start; seeded UMAP
    runs on one core.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008. P. Poličar, M. Stražar and
    B. Zupan, "openTSNE", Journal of Statistical Software 109, 2024. L. McInnes, J. Healy and J. Melville,
    "UMAP", arXiv:1802.03426, 2018.

    Examples
    --------
    >>> project([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]], "pca").shape
    (3, 2)
    """
    X = matrix(X, "X")
    used = effective_parameters(method, len(X), **params)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}.")
    start = _principal_plane(X)
    if method == "pca" or len(X) < FEWEST:
        return start
    needed = used["k"]
    if neighbors is None:
        indices, distances = knn(X, needed, metric=metric)
    else:
        indices, distances = _graph(neighbors, len(X), needed)
    start = _spread(start, seed)
    if method == "tsne":
        return _tsne(start, indices, distances, used, progress)
    return _umap(start, indices, distances, used, seed, progress)


def effective_parameters(method: str, n: int, **params: Any) -> dict[str, Any]:
    """Say which parameters a map of n points is made with, defaults and limits applied.

    A perplexity needs three times as many neighbours, so n points allow at most (n - 1) / 3; UMAP's
    ``n_neighbors`` counts the point itself, so n points allow n.

    Returns
    -------
    dict
        The parameters of the method, and ``k``, the columns of the neighbour graph it reads; 0 for PCA.

    Raises
    ------
    ValueError
        For an unknown method or parameter, or a value out of range.

    Examples
    --------
    >>> effective_parameters("tsne", 40)["perplexity"]
    13.0
    >>> effective_parameters("umap", 10_000)["k"]
    14
    """
    if method not in PARAMETERS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(PARAMETERS)}.")
    unknown = sorted(set(params) - set(PARAMETERS[method]))
    if unknown:
        known = ", ".join(PARAMETERS[method]) or "none"
        raise ValueError(f"{method} has no parameter {unknown[0]!r}; it has {known}.")
    used = PARAMETERS[method] | params
    if method == "tsne":
        if not used["perplexity"] >= 1:
            raise ValueError(f"perplexity is {used['perplexity']}; it must be at least 1.")
        _whole_number(used, "early_iterations", 0)
        _whole_number(used, "iterations", 1)
        used["perplexity"] = max(1.0, min(float(used["perplexity"]), (n - 1) / 3))
        return used | {"k": min(n - 1, int(3 * used["perplexity"] + 1e-9))}
    if method == "umap":
        _whole_number(used, "n_neighbors", 2)
        if used["epochs"] is not None:
            _whole_number(used, "epochs", 11)
        if not 0 <= used["min_dist"] <= 1:
            raise ValueError(f"min_dist is {used['min_dist']}; it must be from 0 to 1.")
        used["n_neighbors"] = min(used["n_neighbors"], n)
        return used | {"k": used["n_neighbors"] - 1}
    return used | {"k": 0}


def _whole_number(values: dict[str, Any], name: str, least: int) -> None:
    value = values[name]
    if isinstance(value, bool) or value != int(value) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {least}.")
    values[name] = int(value)


def _graph(neighbors: Graph, n: int, needed: int) -> tuple[np.ndarray, np.ndarray]:
    indices, distances = neighbor_indices(neighbors[0]), np.asarray(neighbors[1])
    if len(indices) != n or distances.shape != indices.shape:
        raise ValueError(
            f"neighbours have indices of shape {indices.shape} and distances of shape {distances.shape}; "
            f"both must be (n, k) with n = {n}."
        )
    if indices.shape[1] < needed:
        raise ValueError(
            f"The neighbour graph has {indices.shape[1]} columns and this map reads {needed}; "
            "give a wider graph, or lower perplexity or n_neighbors."
        )
    # Inner products are negative distances; only their differences can be used.
    if not np.isfinite(distances).all() or distances.min() < 0:
        raise ValueError("Neighbour distances must be finite and not negative; use cosine or euclidean.")
    return indices[:, :needed], distances[:, :needed]


def _principal_plane(X: np.ndarray) -> np.ndarray:
    plane = np.zeros((len(X), 2))
    p = min(2, *X.shape)
    plane[:, :p] = fit_reducer(X, p).transform(X)
    return plane


def _spread(plane: np.ndarray, seed: int) -> np.ndarray:
    """Scale to unit deviation along the first axis and part what coincides."""
    deviation = plane[:, 0].std()
    # What is left of equal points is rounding, which must not be blown up to a picture.
    flat = deviation <= 1e-12 * np.abs(plane).max(initial=0) or deviation < 1e-150
    # The last digits of PCA depend on the number of cores, and t-SNE would make them a different map.
    spread = np.zeros_like(plane) if flat else np.round(plane / deviation, 6)
    return spread + np.random.default_rng(seed).normal(scale=1.0 if flat else 1e-6, size=plane.shape)


def _tsne(
    start: np.ndarray,
    indices: np.ndarray,
    distances: np.ndarray,
    used: dict[str, Any],
    progress: Progress | None,
) -> np.ndarray:
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    from core._tsne import objective

    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(indices, distances.astype(np.float64)),
        perplexity=used["perplexity"],
        n_jobs=-1,
    )
    early, total = used["early_iterations"], used["early_iterations"] + used["iterations"]
    previous = before = 0

    def report(iteration: int, _error: float, _embedding: object) -> None:
        nonlocal previous, before
        if iteration <= previous:  # the count starts anew after the exaggerated phase
            before = early
        previous = iteration
        if progress is not None:
            progress(before + iteration, total)

    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        tsne = TSNE(
            early_exaggeration_iter=used["early_iterations"],
            n_iter=used["iterations"],
            random_state=0,
            negative_gradient_method=objective(pool, workers),
            callbacks=None if progress is None else report,
            callbacks_every_iters=25,
        )
        coords = tsne.fit(affinities=affinities, initialization=start * 1e-4)
    return np.array(coords, dtype=np.float64)


def _umap(
    start: np.ndarray,
    indices: np.ndarray,
    distances: np.ndarray,
    used: dict[str, Any],
    seed: int,
    progress: Progress | None,
) -> np.ndarray:
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

    # The steps of umap.UMAP, without the search for neighbours and the spectral start.
    n = len(start)
    own = np.arange(n)[:, None]
    random = np.random.RandomState(seed)
    graph, _, _ = fuzzy_simplicial_set(
        start,
        used["n_neighbors"],
        random,
        "euclidean",
        knn_indices=np.concatenate([own, indices], axis=1).astype(np.int32),  # (n, n_neighbors), itself first
        knn_dists=np.concatenate([0.0 * own, distances], axis=1).astype(np.float32),
    )
    a, b = find_ab_params(1.0, used["min_dist"])
    coords, _ = simplicial_set_embedding(
        None,
        graph,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=used["epochs"],
        init=start,
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,  # threads would race, and each run give another map
        tqdm_kwds={"disable": True} if progress is None else _tqdm_options(progress),
    )
    return coords.astype(np.float64)


class _Counter:
    """A file for tqdm to draw its bar to, which reads the count off it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def write(self, text: str) -> None:
        done, slash, total = text.strip().partition("/")
        if slash and done.isdigit() and total.isdigit():
            self.progress(int(done), int(total))

    def flush(self) -> None:
        pass


def _tqdm_options(progress: Progress) -> dict[str, Any]:
    return {
        "disable": False,
        "file": _Counter(progress),
        "bar_format": "{n}/{total}",
        "mininterval": 0.5,
        "leave": True,
    }


def neighborhood_kept(neighbor_graph: ArrayLike, coords: ArrayLike, ks: ArrayLike) -> np.ndarray:
    """Share of each point's k nearest neighbours that are among its k nearest on the map.

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
    found = np.take_along_axis(indices, order, axis=1)[:, :k]
    # Where the list ends within a tie, there may be lower indices beyond it.
    last = np.where(np.isinf(ordered[:, -1]), ordered[:, -2], ordered[:, -1])
    unsure = np.flatnonzero((ordered[:, k - 1] >= last) & (most < n))
    if len(unsure):
        nearest, _ = knn(coords, k + 1, metric="euclidean", queries=coords[unsure])
        # Drop the point itself; where more than k others coincide with it, it may not be listed.
        itself = nearest == unsure[:, None]
        itself[~itself.any(axis=1), -1] = True
        found[unsure] = nearest[~itself].reshape(len(unsure), k)
    return found


def trustworthiness_continuity(
    X: ArrayLike,
    coords: ArrayLike,
    ks: ArrayLike,
    *,
    metric: str = "cosine",
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Say how far a map can be trusted, and how much of the space it tears apart, for every k in one pass.

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

    from threadpoolctl import threadpool_limits

    trust, continuity = np.zeros(longest), np.zeros(longest)
    # Blocks already keep every core busy.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        for start, (intruders, missed) in zip(starts, pool.map(block, starts), strict=True):
            trust += intruders
            continuity += missed
            if progress is not None:
                progress(min(start + rows, n), n)
    worst = n * sizes * (2.0 * n - 3 * sizes - 1) / 2
    return 1 - trust[sizes - 1] / worst, 1 - continuity[sizes - 1] / worst


def chance_trustworthiness(n: int, ks: ArrayLike) -> np.ndarray:
    """Trustworthiness, and continuity, that a map without any relation to the space has on average.

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


def warm_up(method: str | None = None) -> None:
    """Import and compile what a map needs, on a few points, so that the next one starts at once.

    Parameters
    ----------
    method : {'pca', 'tsne', 'umap'}, optional
        All of them by default.
    """
    X = np.random.default_rng(0).standard_normal((64, 8))
    for dtype in (np.float32, np.float64):
        warm_up_search(dtype)
    graph = knn(X, 30)
    if method in (None, "tsne"):
        project(X, "tsne", neighbors=graph, perplexity=5, early_iterations=1, iterations=1)
    if method in (None, "umap"):
        project(X, "umap", neighbors=graph, epochs=11)
