"""The overlap of two neighbour graphs whose points are paired at random: the band around chance.

The neighbourhoods of each space stay as they are, and only the pairing is shuffled, so that hubs and clusters
of either space count as much as they do in the pairing that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from core.checks import neighborhood_sizes, whole
from core.neighbors import paired_graphs
from core.threads import cores, in_threads

Progress = Callable[[int, int], object]

#: The points of a permutation band, as shares of the shuffled pairings.
QUANTILES = (0.025, 0.5, 0.975)


@dataclass(frozen=True, eq=False)
class OverlapBand:
    """Where S_k, without the point itself, lies when the points are paired at random.

    Attributes
    ----------
    ks : (K,) int64 array
    quantiles : (K, 3) float64 array
        The 2.5, 50 and 97.5 % points of S_k over the shuffled pairings.
    p_value : (K,) float64 array
        (1 + shuffled pairings that overlap at least as much) / (1 + shuffled pairings), for each k alone.
    p_simultaneous : (K,) float64 array
        The same for the excess over chance in standard deviations against the largest such excess that a
        shuffled pairing has at any k of `ks`, so that it may be read at the best k (single-step maxT).
    permutations : int
        Shuffled pairings; where there are none, the rest is NaN.
    """

    ks: np.ndarray
    quantiles: np.ndarray
    p_value: np.ndarray
    p_simultaneous: np.ndarray
    permutations: int


def permutation_band(
    first: ArrayLike,
    second: ArrayLike,
    *,
    permutations: int = 200,
    seed: int = 0,
    ks: ArrayLike | None = None,
    progress: Progress | None = None,
) -> OverlapBand:
    """Compute where S_k would lie if the two spaces were unrelated.

    The neighbourhoods of each space stay as they are; which point of one is paired with which of the other is
    drawn at random. S_k is without the point itself; with it, S_k is (1 + (k - 1) S_{k-1}) / k.

    Parameters
    ----------
    first, second : (n, k) array_like of int
        As for `core.similarity.overlap_from_neighbors`.
    permutations : int, default 200
        Shuffled pairings; with 0 all values are NaN.
    seed : int, default 0
        The pairings are ``rng.permutation(n)``, one after another, of ``rng = np.random.default_rng(seed)``;
        row i of the first space goes with that row of the second.
    ks : (K,) array_like of int, optional
        Sizes from 1 to k, all of them by default.
    progress : callable, optional
        Called as ``progress(done, total)``, in permutations.

    Returns
    -------
    OverlapBand
        The same for the same seed, whatever the number of threads.

    Raises
    ------
    ValueError
        As `core.similarity.overlap_from_neighbors`, and for a negative number of permutations.

    Notes
    -----
    O(permutations · n · k) time, compiled and on every core.

    References
    ----------
    B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", Statistical Applications in
    Genetics and Molecular Biology 9, 2010. P. H. Westfall and S. S. Young, "Resampling-based multiple
    testing", Wiley, 1993 (the simultaneous p).

    Examples
    --------
    >>> from core.neighbors import knn
    >>> graph, _ = knn(np.random.default_rng(0).standard_normal((50, 3)), 10)
    >>> permutation_band(graph, graph, permutations=99).p_value[[0, 9]]
    array([0.01, 0.01])
    """
    a, b = paired_graphs(first, second)
    n, k = a.shape
    sizes = np.arange(1, k + 1) if ks is None else neighborhood_sizes(ks, k)
    if not whole(permutations) or permutations < 0:
        raise ValueError(f"permutations is {permutations!r}; it must be a whole number from 0.")
    width = int(sizes.max())
    a, b = np.ascontiguousarray(a[:, :width]), np.ascontiguousarray(b[:, :width])
    counted = _shared_of_pairings(a, b, _pairings(n, int(permutations), seed, a.dtype))
    observed = next(counted)[sizes - 1]
    shared = np.empty((int(permutations), len(sizes)), dtype=np.int32 if n * width < 2**31 else np.int64)
    for done, counts in enumerate(counted):
        shared[done] = counts[sizes - 1]
        if progress is not None:
            progress(done + 1, len(shared))
    return _band(sizes, observed, shared, n)


def _pairings(n: int, permutations: int, seed: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Yield the true pairing and then shuffled ones."""
    yield np.arange(n, dtype=dtype)
    rng = np.random.default_rng(seed)
    for _ in range(permutations):
        yield rng.permutation(n).astype(dtype)


def _shared_of_pairings(
    first: np.ndarray, second: np.ndarray, pairings: Iterator[np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield, for each pairing in turn, the shared neighbours of all points for each k from 1, (k,) int64."""
    from core.neighbors.kernels import count_shuffled

    def count(partner: np.ndarray) -> np.ndarray:
        return np.cumsum(count_shuffled(first, second, partner)[:-1])

    # A few at a time: all pairings at once would be a large matrix.
    while batch := list(islice(pairings, 4 * cores())):
        yield from in_threads(count, batch)


def _band(sizes: np.ndarray, observed: np.ndarray, shared: np.ndarray, n: int) -> OverlapBand:
    permutations, count = shared.shape
    quantiles, (p_value, p_simultaneous) = np.full((count, 3), np.nan), np.full((2, count), np.nan)
    if permutations:
        excess = np.empty(count)
        largest = np.full(permutations, -np.inf)
        for start in range(0, count, 256):  # some columns at a time, for float64 takes twice the memory
            at = slice(start, start + 256)
            values, truth = shared[:, at].astype(np.float64), observed[at]  # (permutations, c), (c,)
            quantiles[at] = np.quantile(values / (n * sizes[at]), QUANTILES, axis=0).T
            p_value[at] = (1 + (values >= truth).sum(axis=0)) / (1 + permutations)
            # The mean over all pairings is known exactly. The observed one is among them, and counts as one.
            expected = n * sizes[at] ** 2 / (n - 1)
            variance = (((values - expected) ** 2).sum(axis=0) + (truth - expected) ** 2) / (1 + permutations)
            varies = variance > 1e-18 * expected**2
            scale = np.sqrt(np.where(varies, variance, 1.0))
            excess[at] = np.where(varies, (truth - expected) / scale, -np.inf)
            largest = np.maximum(largest, np.where(varies, (values - expected) / scale, -np.inf).max(axis=1))
        p_simultaneous = (1 + (largest[:, None] >= excess).sum(axis=0)) / (1 + permutations)
    return OverlapBand(sizes, quantiles, p_value, p_simultaneous, permutations)
