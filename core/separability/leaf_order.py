"""The best order of the leaves of a tree, which SciPy's `optimal_leaf_ordering` misses at times."""

from __future__ import annotations

import numpy as np

_CHUNK = 2**22  # sums held at once: 32 MB


def optimal_order(tree: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Order the leaves of a tree so that the distances of neighbours sum up to the least.

    The best order of a subtree is computed for every two leaves that can be its ends, from those of its two
    branches (Bar-Joseph et al., 2001). Two leaves can only be the ends of the smallest subtree that holds
    both, so one matrix keeps the sums for all subtrees.

    Parameters
    ----------
    tree : (C - 1, 2) int array
        The branches joined at each step, as in the first columns of a SciPy linkage.
    D : (C, C) float64 array
        Symmetric distances.

    Returns
    -------
    (C,) int64 array
    """
    C = len(D)
    leaves = [np.array([i]) for i in range(C)]
    children: list[tuple[int, int] | None] = [None] * C
    best, through = np.zeros((C, C)), np.empty((C, C))

    def ends(node: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Leaves that can be one end of a subtree, and those that can then be the other."""
        branches = children[node]
        if branches is None:
            return [(leaves[node], leaves[node])]
        a, b = (leaves[branch] for branch in branches)
        return [(a, b), (b, a)]

    for a, b in tree.tolist():
        left, right = leaves[a], leaves[b]
        for outer, inner in ends(a):
            through[np.ix_(outer, right)] = _shortest(best[np.ix_(outer, inner)], D[np.ix_(inner, right)])
        for outer, inner in ends(b):
            shortest = _shortest(through[np.ix_(left, inner)], best[np.ix_(inner, outer)])
            best[np.ix_(left, outer)] = shortest
            best[np.ix_(outer, left)] = shortest.T
        leaves.append(np.sort(np.concatenate([left, right])))
        children.append((a, b))

    root = len(leaves) - 1
    firsts, lasts = ends(root)[0]
    first, last = _smallest(best[np.ix_(firsts, lasts)])
    order: list[int] = []
    todo = [(root, firsts[first], lasts[last])]
    while todo:
        node, start, end = todo.pop()
        branches = children[node]
        if branches is None:
            order.append(int(start))
            continue
        a, b = branches if start in leaves[branches[0]] else branches[::-1]
        before = next(inner for outer, inner in ends(a) if start in outer)
        after = next(inner for outer, inner in ends(b) if end in outer)
        lengths = best[start, before][:, None] + D[np.ix_(before, after)] + best[after, end]
        i, j = _smallest(lengths)
        todo += [(b, after[j], end), (a, start, before[i])]
    return np.array(order, dtype=np.int64)


def _smallest(values: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(int(values.argmin()), values.shape)
    return int(row), int(column)


def _shortest(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the smallest A[i, m] + B[m, j] over m."""
    out = np.empty((len(A), B.shape[1]))
    step = max(1, _CHUNK // B.size)
    for start in range(0, len(A), step):
        out[start : start + step] = (A[start : start + step, :, None] + B).min(axis=1)
    return out
