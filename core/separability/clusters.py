"""K-means over the number of clusters, without the classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, whole
from core.separability.silhouettes import METRICS, silhouette_score
from core.threads import in_threads

#: Rows up to which K-means starts ten times, to keep the best; beyond, it starts twice.
_MANY_STARTS = 10_000


@dataclass(frozen=True)
class KMeansResult:
    """K-means over the number of clusters.

    Attributes
    ----------
    ks : (K,) int64 array
    inertia : (K,) float64 array
        Summed squared distance of the points to the nearest centre.
    silhouette : (K,) float64 array
        Mean silhouette of the clusters; NaN for one cluster.
    elbow : int or None
        The k at the bend of the inertia, beyond which more clusters add little; None without a bend.
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
    scikit-learn's K-means with k-means++, the best of ten starts (of two beyond 10,000 rows). With fewer
    distinct points than clusters, the number of clusters is that of the distinct points.

    The elbow is the K at which the curve, with both axes scaled to [0, 1], is furthest below the straight
    line from its first point to its last; None with fewer than three K, or where it is nowhere below.

    References
    ----------
    V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan, "Finding a 'kneedle' in a haystack: detecting knee points
    in system behavior", ICDCS Workshops, 2011.

    Examples
    --------
    >>> X = [[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.0, 0.1], [2.5, 4.3], [2.5, 4.4]]
    >>> curve = kmeans_curve(X, [1, 2, 3, 4], seed=0)
    >>> curve.elbow
    3
    >>> curve.silhouette.round(2)
    array([ nan, 0.55, 0.98, 0.65])
    """
    X = matrix(X, "X").astype(np.float64, copy=False)
    n = len(X)
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    fitting = all(whole(k) and 1 <= k <= n for k in ks)
    if len(ks) == 0 or not fitting or sorted(set(ks)) != list(ks):
        raise ValueError(
            f"ks is {list(ks)}; it must hold whole numbers from 1 to {n} (the rows), ascending, each once."
        )
    from sklearn.exceptions import ConvergenceWarning

    inertia, silhouette = np.empty(len(ks)), np.full(len(ks), np.nan)
    cluster = partial(_clustered, X, seed)
    with warnings.catch_warnings():
        # Raised for fewer distinct points than clusters, which the docstring defines.
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
