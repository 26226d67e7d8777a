"""Maps of a space in two dimensions.

t-SNE and UMAP start from one exact neighbour graph, that of `core.neighbors.knn`, and from the same PCA, so
that two maps of a space differ by the method alone. Coordinates have no unit; only nearness means something.
How much of the space they keep is measured in `core.projection.quality`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, whole
from core.neighbors import knn, neighbor_indices
from core.neighbors.exact_search import warm_up as warm_up_search
from core.processing import fit_reducer
from core.threads import cores

#: The parameters of each method and their defaults.
PARAMETERS: dict[str, dict[str, Any]] = {
    "pca": {},
    "tsne": {"perplexity": 30.0, "early_iterations": 250, "iterations": 500},
    "umap": {"n_neighbors": 15, "min_dist": 0.1, "epochs": None},
}

#: Fewer points than this are laid out by PCA whatever the method: their neighbourhoods mean nothing.
FEWEST = 5
#: Median distance above which a graph is scaled.
_LARGE = 1e6

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
        summed on a grid (`core.projection.tsne`). ``umap``: umap-learn.
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
    what it lacks. Equal points are separated by noise of a millionth of the size of the start; seeded UMAP
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
    if not whole(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0 to {2**32 - 1}.")
    start = _principal_plane(X)
    if method == "pca" or len(X) < FEWEST:
        return start
    needed = used["k"]
    if neighbors is None:
        indices, distances = knn(X, needed, metric=metric)
    else:
        indices, distances = _graph(neighbors, len(X), needed)
    distances = _scaled(distances)
    start = _spread(start, seed)
    if method == "tsne":
        return _tsne(start, indices, distances, used, progress)
    return _umap(start, indices, distances, used, seed, progress)


def effective_parameters(method: str, n: int, **params: Any) -> dict[str, Any]:
    """Return the parameters that a map of n points is made with, defaults and limits applied.

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


def _scaled(distances: np.ndarray) -> np.ndarray:
    """Divide very large distances by a power of two that leaves their median near 1.

    A map depends on ratios of distances alone, but the search for the width of a point's neighbourhood starts
    at 1 and takes a limited number of steps. Smaller distances, and so cosine distances, stay as they are.
    """
    middle = float(np.median(distances)) if distances.size else 0.0
    return (
        distances
        if middle <= _LARGE
        else np.asarray(distances, np.float64) * 2.0 ** -np.floor(np.log2(middle))
    )


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

    from core.projection.tsne import objective

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
        tqdm_kwds={
            "disable": progress is None,
            "file": progress and _Counter(progress),
            "bar_format": "{n}/{total}",
            "mininterval": 0.5,
        },
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
