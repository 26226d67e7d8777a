"""How far two spaces of the same things agree on who is near whom.

Row i of both spaces is the same clip, class or text; the spaces may differ in width and in metric. N_k(i) are
the k nearest neighbours of i, **without** i itself where nothing else is stated, ties by lower index as in
`core.neighbors.knn`. A neighbour is in both k-neighbourhoods exactly when the larger of its two ranks is at
most k, so one histogram of that rank a point gives every measure at every k.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, neighborhood_sizes
from core.neighbors import neighbor_order, paired_graphs, shared_ranks
from core.neighbors.exact_search import METRICS
from core.similarity.chance import chance_jaccard, chance_overlap
from core.threads import in_threads

_BLOCK_ROWS = 128  # summed on their own, so that sums do not depend on the number of threads
_SMALL = 500_000  # entries of lists below which numba takes longer to import than NumPy to count


@dataclass(frozen=True, eq=False)
class OverlapCurve:
    """The neighbours that two spaces share, for every size k asked for.

    Attributes
    ----------
    ks : (K,) int64 array
    overlap : (K,) float64 array
        S_k, the mean over points of \\|N_k ∩ N'_k\\| / k, in [0, 1]; with the point itself in both
        neighbourhoods where `include_self` is true.
    jaccard : (K,) float64 array
        NNGS, the mean over points of \\|N_k ∩ N'_k\\| / \\|N_k ∪ N'_k\\|, in [0, 1]; always without the point
        itself. At k = n, which only `include_self` allows, N_k is all n - 1 others and the value is 1.
    chance, chance_jaccard : (K,) float64 array
        The means of the two when the points of one space are paired with those of the other at random.
    adjusted : (K,) float64 array
        (S_k - chance) / (1 - chance): 0 at chance, 1 for equal neighbourhoods; 0 where chance is 1.
    n : int
        Points.
    include_self : bool
        Of `overlap`, `chance` and `adjusted`.
    histograms : (n, m) uint8 array
        Entry r - 1: how many neighbours of a point have r, 1 to m, as the larger of their two ranks.
    """

    ks: np.ndarray
    overlap: np.ndarray
    jaccard: np.ndarray
    chance: np.ndarray
    chance_jaccard: np.ndarray
    adjusted: np.ndarray
    n: int
    include_self: bool
    histograms: np.ndarray = field(repr=False)

    def samples(self, ks: ArrayLike) -> np.ndarray:
        """Overlap of every point at some sizes, (n, len(ks)) float64; its mean over points is `overlap`.

        Parameters
        ----------
        ks : (K,) array_like of int
            Each up to the widest list that was compared.

        Raises
        ------
        ValueError
            For a k beyond that.
        """
        sizes = neighborhood_sizes(ks, _most(self.histograms.shape[1], self.n, self.include_self))
        counted = sizes - self.include_self
        order = np.argsort(counted, kind="stable")
        shared = np.empty((self.n, len(sizes)))
        total, reached = np.zeros(self.n, dtype=np.int64), 0
        for at in order:
            total += self.histograms[:, reached : counted[at]].sum(axis=1, dtype=np.int64)
            reached = int(counted[at])
            shared[:, at] = total
        return (shared + self.include_self) / sizes


@dataclass(frozen=True)
class TopologicalSimilarity:
    """The largest overlap over a range of sizes.

    Attributes
    ----------
    value, k
        The largest S_k and the smallest k that reaches it.
    adjusted, adjusted_k
        The largest chance-corrected S_k and the smallest k that reaches it.
    k_min, k_max : int
        The smallest and the largest k looked at.
    """

    value: float
    k: int
    adjusted: float
    adjusted_k: int
    k_min: int
    k_max: int


def neighborhood_overlap(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: str | tuple[str, str] = "cosine",
    ks: ArrayLike | None = None,
    include_self: bool = True,
    k_max: int | None = None,
) -> OverlapCurve:
    """Measure how much two spaces share in their k-neighbourhoods, for every k in one pass.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i is the same thing as row i of `X`.
    metric : {'cosine', 'euclidean', 'inner_product'} or pair of them, default 'cosine'
        For both spaces, or one each.
    ks : (K,) array_like of int, optional
        Sizes of neighbourhood, from 1 to n - 1, or to n with `include_self`. All of them by default.
    include_self : bool, default True
        Whether a point belongs to its own neighbourhood, as its nearest: the paper's definition. S_1 and S_n
        are then 1 whatever the spaces.
    k_max : int, optional
        Instead of `ks`: all sizes up to this one.

    Returns
    -------
    OverlapCurve

    Raises
    ------
    ValueError
        For spaces of different lengths or of fewer than two rows, an unknown metric, a k out of range, or a
        value that is not finite.

    Notes
    -----
    Where more than a quarter of all neighbours is wanted, O(n² (d + log n)) time and O(n k_max) memory, about
    5 bytes an entry; else as `knn`.

    References
    ----------
    S_k: T. F. Tavares, F. Ayres, Z. Wang and P. Smaragdis, "On class separability pitfalls in audio-text
    contrastive zero-shot learning", ICASSP 2025, section 3.2. NNGS: T. F. Tavares, F. Ayres and P. Smaragdis,
    "Measuring similarity between embedding spaces using induced neighborhood graphs", arXiv:2411.08687, 2024.

    Examples
    --------
    >>> X = [[0.0], [1.0], [3.0], [6.0]]
    >>> Y = [[0.0], [1.0], [6.0], [3.0]]
    >>> curve = neighborhood_overlap(X, Y, metric="euclidean", include_self=False)
    >>> curve.ks, curve.overlap.round(3), curve.chance.round(3)
    (array([1, 2, 3]), array([0.5, 0.5, 1. ]), array([0.333, 0.667, 1.   ]))
    """
    X, Y = matrix(X, "X"), matrix(Y, "Y")
    n = len(X)
    if len(Y) != n:
        raise ValueError(f"X has {n} rows and Y has {len(Y)}; row i of both must be the same thing.")
    if n < 2:
        raise ValueError("X and Y have 1 row, which has no neighbour but itself; give at least 2 rows.")
    metrics = tuple(metric) if isinstance(metric, tuple | list) else (metric, metric)
    if len(metrics) != 2 or not set(metrics) <= set(METRICS):
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}, or a pair of them.")
    if ks is not None and k_max is not None:
        raise ValueError("Both ks and k_max are given; give one of them.")
    most = n if include_self else n - 1
    if ks is not None:
        sizes = neighborhood_sizes(ks, most)
    else:
        sizes = np.arange(1, (most if k_max is None else int(neighborhood_sizes(k_max, most)[0])) + 1)
    width = min(int(sizes.max()), n - 1)
    first, second = (neighbor_order(A, width, metric=m) for A, m in zip((X, Y), metrics, strict=True))
    return _curve(first, second, sizes, include_self)


def overlap_from_neighbors(
    first: ArrayLike, second: ArrayLike, *, ks: ArrayLike | None = None, include_self: bool = False
) -> OverlapCurve:
    """Measure how much two neighbour graphs share, for every k in one pass, as `neighborhood_overlap`.

    Parameters
    ----------
    first, second : (n, k) array_like of int
        Neighbours of the same points without the point itself, nearest first, as `knn` gives them. Where one
        graph is wider, the rest of it is not read.
    ks : (K,) array_like of int, optional
        Sizes from 1 to k, or to n where k is n - 1 and `include_self` is true. All of them by default.
    include_self : bool, default False
        Whether a point belongs to its own neighbourhood, as its nearest.

    Returns
    -------
    OverlapCurve

    Raises
    ------
    ValueError
        For graphs of different lengths, a list that holds a point twice or the point itself, or a k out of
        range.

    Examples
    --------
    >>> curve = overlap_from_neighbors([[1, 2], [0, 2], [1, 0]], [[2, 1], [0, 2], [1, 0]])
    >>> curve.overlap.round(3), curve.jaccard.round(3)
    (array([0.667, 1.   ]), array([0.667, 1.   ]))
    """
    a, b = paired_graphs(first, second)
    n, k = a.shape
    most = _most(k, n, include_self)
    sizes = np.arange(1, most + 1) if ks is None else neighborhood_sizes(ks, most)
    width = min(int(sizes.max()), k)
    return _curve(a[:, :width], b[:, :width], sizes, include_self)


def topological_similarity(
    curve: OverlapCurve, *, k_min: int = 1, k_max: int | None = None
) -> TopologicalSimilarity:
    """Return the largest S_k, without the point itself, over the sizes of a curve in a range.

    Parameters
    ----------
    curve : OverlapCurve
        One with the point itself is converted exactly.
    k_min : int, default 1
    k_max : int, optional
        A fifth of the points by default, at least 1: S_k goes to 1 at n - 1 whatever the spaces.

    Raises
    ------
    ValueError
        If the curve holds no size in the range.

    References
    ----------
    Tavares et al., "On class separability pitfalls in audio-text contrastive zero-shot learning", ICASSP
    2025, section 3.2; its words taken literally are `literal_topological_similarity`.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((40, 3))
    >>> topological_similarity(neighborhood_overlap(X, 2 * X)).value
    1.0
    """
    inside = curve.ks < curve.n
    sizes = curve.ks[inside]
    overlap = _overlap_at(_shared(curve.histograms), sizes, curve.n, include_self=False)
    return largest_overlap(sizes, overlap, curve.n, k_min=k_min, k_max=k_max)


def largest_overlap(
    ks: ArrayLike, overlap: ArrayLike, n: int, *, k_min: int = 1, k_max: int | None = None
) -> TopologicalSimilarity:
    """Return the largest S_k in a range, as `topological_similarity`, from S_k without the point itself.

    Examples
    --------
    >>> largest_overlap([1, 2, 3, 4], [0.5, 0.75, 0.75, 1.0], 16, k_max=3)
    TopologicalSimilarity(value=0.75, k=2, adjusted=0.7115384615384616, adjusted_k=2, k_min=1, k_max=3)
    """
    last = max(1, n // 5) if k_max is None else k_max
    sizes, values = np.asarray(ks), np.asarray(overlap, dtype=np.float64)
    inside = (sizes >= k_min) & (sizes <= last)
    if not inside.any():
        held = f"from {sizes.min()} to {sizes.max()}" if sizes.size else "no k"
        raise ValueError(
            f"k_min is {k_min} and k_max {last}, and the curve has none between; it holds {held}."
        )
    order = np.argsort(sizes[inside], kind="stable")
    sizes, values = sizes[inside][order], values[inside][order]
    adjusted = _adjusted(values, chance_overlap(sizes, n))
    return _largest(sizes, values, adjusted)


def literal_topological_similarity(curve: OverlapCurve) -> TopologicalSimilarity:
    """Return max_k S_k over all sizes of a curve, with the point itself: the paper's words, taken literally.

    It is 1 for any two spaces as soon as the curve holds k = 1, where each neighbourhood is the point itself,
    or k = n, where each is everything. Use `topological_similarity` instead.

    References
    ----------
    Tavares et al., "On class separability pitfalls in audio-text contrastive zero-shot learning", ICASSP
    2025, section 3.2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((40, 3)), rng.standard_normal((40, 5))
    >>> literal_topological_similarity(neighborhood_overlap(X, Y)).value
    1.0
    """
    sizes = np.sort(curve.ks)
    values = _overlap_at(_shared(curve.histograms), sizes, curve.n, include_self=True)
    adjusted = _adjusted(values, chance_overlap(sizes, curve.n, include_self=True))
    return _largest(sizes, values, adjusted)


def _most(width: int, n: int, include_self: bool) -> int:
    """Return the largest k that lists of this width give; with the point itself, all of them give n."""
    return n if include_self and width == n - 1 else width


def _curve(first: np.ndarray, second: np.ndarray, sizes: np.ndarray, include_self: bool) -> OverlapCurve:
    n, width = first.shape
    counted = _count_numpy if n * width <= _SMALL else _count_compiled
    histograms, shared, jaccard = counted(np.ascontiguousarray(first), np.ascontiguousarray(second))
    overlap = _overlap_at(shared, sizes, n, include_self)
    chance = chance_overlap(sizes, n, include_self=include_self)
    return OverlapCurve(
        ks=sizes,
        overlap=overlap,
        jaccard=(jaccard / n)[np.minimum(sizes, width) - 1],
        chance=chance,
        chance_jaccard=chance_jaccard(sizes, n),
        adjusted=_adjusted(overlap, chance),
        n=n,
        include_self=include_self,
        histograms=histograms,
    )


def _count_numpy(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, k = first.shape
    points, ranks = shared_ranks(first, second)
    flat = np.bincount(points * k + ranks - 1, minlength=n * k)
    histograms = flat.astype(np.uint8).reshape(n, k)
    shared = np.cumsum(histograms, axis=1, dtype=np.int64)  # (n, k)
    jaccard = (shared / (2 * np.arange(1, k + 1) - shared)).sum(axis=0)
    return histograms, shared.sum(axis=0), jaccard


def _count_compiled(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from core.neighbors.kernels import count_shared

    n, k = first.shape
    histograms = np.zeros((n, k), dtype=np.uint8)

    def block(start: int) -> tuple[np.ndarray, np.ndarray]:
        return count_shared(first, second, start, min(start + _BLOCK_ROWS, n), histograms)

    shared, jaccard = np.zeros(k, dtype=np.int64), np.zeros(k)
    for more_shared, more_jaccard in in_threads(block, range(0, n, _BLOCK_ROWS)):
        shared += more_shared
        jaccard += more_jaccard
    return histograms, shared, jaccard


def _shared(histograms: np.ndarray) -> np.ndarray:
    """Sum over points, for each k from 1, what the k-neighbourhoods share."""
    return np.cumsum(histograms.sum(axis=0, dtype=np.int64))


def _overlap_at(shared: np.ndarray, sizes: np.ndarray, n: int, include_self: bool) -> np.ndarray:
    """Return S_k from what all points together share, without themselves, for each k from 1."""
    counted = np.concatenate([[0], shared])[sizes - include_self]
    return (counted / n + include_self) / sizes


def _adjusted(overlap: np.ndarray, chance: np.ndarray) -> np.ndarray:
    room = 1 - chance
    # (1 + (k - 1)² / (n - 1)) / k is 1 only at both ends, and may miss it by a rounding.
    possible = room > 1e-12
    return np.divide(overlap - chance, room, out=np.zeros_like(overlap), where=possible)


def _largest(sizes: np.ndarray, values: np.ndarray, adjusted: np.ndarray) -> TopologicalSimilarity:
    best, best_adjusted = int(values.argmax()), int(adjusted.argmax())
    return TopologicalSimilarity(
        value=float(values[best]),
        k=int(sizes[best]),
        adjusted=float(adjusted[best_adjusted]),
        adjusted_k=int(sizes[best_adjusted]),
        k_min=int(sizes[0]),
        k_max=int(sizes[-1]),
    )
