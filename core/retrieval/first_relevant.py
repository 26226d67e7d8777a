"""How many corpus items are ranked before the first relevant one, without sorting them.

A float32 product with a known bound on its error, as in `core.neighbors.exact_search`, settles nearly all
items; those that are too close to the best relevant one to tell are measured in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.neighbors import exact_search as exact
from core.threads import in_threads

_BLOCK_ELEMENTS = 4_000_000  # scores held at once by a worker: 16 MB


def irrelevant_before(
    X: np.ndarray, metric: str, queries: np.ndarray, classes: np.ndarray, members: list[np.ndarray]
) -> np.ndarray:
    """Count, for pairs of a query and a class, the items that come before the first one of the class.

    Parameters
    ----------
    X : (n, d) array
        Corpus and queries; a query is no part of its corpus.
    metric : str
        One of `core.neighbors.exact_search.METRICS`.
    queries : (m,) int array
        Rows of `X`, ascending.
    classes : (m,) int array
        Which of `members`.
    members : list of int arrays
        Rows of each class, ascending; every class asked for has one that is not the query.

    Returns
    -------
    (m,) int64 array
        In the order of rounded distance, then of index.
    """
    counts = np.empty(len(queries), dtype=np.int64)
    if not len(queries):
        return counts
    rows, first = np.unique(queries, return_index=True)
    ends = np.append(first[1:], len(queries))
    problem = exact.prepare(X, X[rows], metric, itself=False)
    n, d = X.shape
    small = len(rows) * n * d < exact.SMALL
    pair_sums = exact.pair_sums_for(small)
    size = max(1, min(256, _BLOCK_ELEMENTS // n))

    def block(start: int) -> None:
        stop = min(start + size, len(rows))
        scores = problem.left[start:stop] @ problem.right.T + problem.bias  # (b, n) float32
        scores[np.arange(stop - start), rows[start:stop]] = -np.inf
        for r in range(start, stop):
            pairs = slice(first[r], ends[r])
            wanted = [members[c] for c in classes[pairs]]
            counts[pairs] = _before(problem, pair_sums, r, scores[r - start], wanted)

    for _ in in_threads(block, range(0, len(rows), size), cost=0 if small else np.inf):
        pass
    return counts


def _before(
    problem: exact.Problem,
    pair_sums: Callable[..., None],
    point: int,
    scores: np.ndarray,
    wanted: list[np.ndarray],
) -> list[int]:
    """Count for one query; `scores` (n,) are off by at most its slack, and -inf for the query itself."""
    scores = scores.astype(np.float64)
    margin = 2 * problem.slack[point]
    measured = np.full(len(scores), np.nan)

    def distances(columns: np.ndarray) -> np.ndarray:
        # Where many items are equal, each class would measure them all again.
        new = columns[np.isnan(measured[columns])]
        measured[new] = exact.exact_distances(problem, pair_sums, point, np.array([0, len(new)]), new)
        return measured[columns]

    counts = []
    for relevant in wanted:
        near = relevant[scores[relevant] >= scores[relevant].max() - margin]
        best = near[np.argmin(distances(near))]  # the first of those that tie
        low, high = scores[best] - margin, scores[best] + margin
        close = np.flatnonzero((scores >= low) & (scores <= high))
        ours, theirs = measured[best], distances(close)
        before = (theirs < ours) | ((theirs == ours) & (close < best))
        counts.append(int(np.count_nonzero(scores > high) + np.count_nonzero(before)))
    return counts
