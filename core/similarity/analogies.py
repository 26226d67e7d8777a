"""How often the partner of a thing is nearest to it in another space, as it is or moved by an offset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from core.checks import inverse_norms, matrix, norms, rescaled

OFFSETS = ("pair", "mean", "released")
METRICS = ("cosine", "euclidean")
_BLOCK = 4_000_000  # scores at once, 32 MB


def match_accuracy(X: ArrayLike, Y: ArrayLike, *, k: int = 1, metric: str = "cosine") -> float:
    """Compute how often the partner of a thing is among those nearest to it: zero-shot, with a class a pair.

    Parameters
    ----------
    X, Y : (n, d) array_like
        Row i of both is a pair; both in one space. At least 2 rows.
    k : int, default 1
        An answer is right if y_i is among the k of all n rows of `Y` that are nearest to x_i. Rows that are
        equally near count against it.
    metric : {'cosine', 'euclidean'}, default 'cosine'

    Returns
    -------
    float
        Share of right answers, in [0, 1]; k / n by chance.

    Raises
    ------
    ValueError
        For matrices of different shapes, fewer than 2 rows, a k out of range, an unknown metric, or a value
        that is not finite.

    Examples
    --------
    >>> match_accuracy(np.eye(3), [[1.0, 0.2, 0.0], [0.0, 1.0, 0.0], [0.9, 0.0, 0.1]])
    0.6666666666666666
    """
    X, Y = _pairs(X, Y)
    n = len(X)
    if n < 2:
        raise ValueError(f"There are {n} pairs; at least 2 are needed, so that there is a choice.")
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}; with {n} pairs it must be from 1 to {n}.")
    return _share_right(X, *_candidates(Y, metric), k)


def analogy_accuracy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    k: int = 1,
    metric: str = "cosine",
    offset: str = "pair",
    given: ArrayLike | None = None,
) -> float:
    """Compute the accuracy of analogies: how often a vector offset leads from a thing to its partner.

    With the offset of one pair i, the partner of j is sought near x_j + (y_i - x_i), for all n (n - 1)
    pairs i ≠ j; y_i, which was given, is no candidate, so that n - 1 are left. With the mean offset it is
    sought near x_j + m, where m is the mean of y_i - x_i over all other pairs i ≠ j (one is left out), and
    all n rows of `Y` are candidates.

    ``"released"`` is what the notebooks of the NNGS paper compute: for the n (n - 1) / 2 pairs i < j, y_j is
    sought near x_i - y_i + x_j among all n rows of `Y`. That is x_j *minus* the offset, so where all
    offsets are equal and large it fails although ``"pair"`` is always right; and as each two pairs are used
    in one direction only, it depends on the order of the rows.

    Parameters
    ----------
    X, Y : (n, d) array_like
        Row i of both is a pair; both in one space. At least 3 rows.
    k : int, default 1
        An answer is right if y_j is among the k nearest; from 1 to n - 1. Candidates that are equally near
        count against it, so that a space where all points coincide scores 0.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        What near means.
    offset : {'pair', 'mean', 'released'}, default 'pair'
        The default is the vector offset as its authors define it, which an exact translation from `X` to `Y`
        makes perfect.
    given : (g,) array_like of int, optional
        With ``"pair"`` and ``"released"``, the rows i whose offsets are used, by default all: some will do of
        very many.

    Returns
    -------
    float
        Share of right answers, in [0, 1].

    Raises
    ------
    ValueError
        For matrices of different shapes, fewer than 3 rows, a k out of range, an unknown metric or offset,
        rows given that are out of range or twice, or a value that is not finite.

    Notes
    -----
    O(n² d + g n²) time for ``pair`` and ``released``: with ŷ_l a candidate at unit length, the score of l for
    (i, j) is x_j · ŷ_l ± (y_i - x_i) · ŷ_l, a sum of two entries of matrices that are computed once.

    References
    ----------
    T. Mikolov, W. Yih and G. Zweig, "Linguistic regularities in continuous space word representations",
    NAACL-HLT 2013 (the vector offset). As a task of paired embeddings: T. F. Tavares, F. Ayres and
    P. Smaragdis, "Measuring similarity between embedding spaces using induced neighborhood graphs",
    arXiv:2411.08687, 2024, whose abstract names the task and gives no definition; its notebooks (repository
    tiagoft/graph_structure, commit b4751b9, experiments/nngs_paper/notebooks/glove300_nngs.ipynb) compute
    ``"released"``, with the cosine and k = 1.

    Examples
    --------
    >>> X = np.eye(4)
    >>> analogy_accuracy(X, X + 5.0, metric="euclidean")
    1.0
    """
    X, Y = _pairs(X, Y)
    n = len(X)
    if n < 3:
        raise ValueError(
            f"There are {n} pairs; an analogy needs at least 3, one to learn from and two to choose from."
        )
    if not 1 <= k <= n - 1:
        raise ValueError(f"k is {k}; with {n} pairs it must be from 1 to {n - 1}.")
    if offset not in OFFSETS:
        raise ValueError(f"offset is {offset!r}; it must be one of {', '.join(OFFSETS)}.")
    candidates, handicap = _candidates(Y, metric)
    if offset == "mean":
        offsets = Y - X
        return _share_right(X + (offsets.sum(axis=0) - offsets) / (n - 1), candidates, handicap, k)
    chosen = np.arange(n) if given is None else np.asarray(given)
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise ValueError(f"given has shape {chosen.shape}; it must be one or more whole numbers, (g,).")
    if chosen.min() < 0 or chosen.max() >= n or len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"given must hold rows from 0 to {n - 1}, each once.")
    if offset == "released" and chosen.min() == n - 1:
        raise ValueError(f"given holds the last row, {n - 1}, alone; no pair i < j begins with it.")
    return _by_pair_offset(X, Y, candidates, handicap, k, chosen, released=offset == "released")


def _share_right(moved: np.ndarray, candidates: np.ndarray, handicap: np.ndarray, k: int) -> float:
    """Share of the points whose own candidate is among the k nearest to where they were moved."""
    n, right = len(moved), 0
    for rows in _blocks(n, n):
        better = _better(moved[rows] @ candidates.T - handicap, np.arange(n)[rows])
        right += int((better < k).sum())
    return right / n


def _by_pair_offset(
    X: np.ndarray,
    Y: np.ndarray,
    candidates: np.ndarray,
    handicap: np.ndarray,
    k: int,
    given: np.ndarray,
    *,
    released: bool,
) -> float:
    """Count right answers for (i, j), i ≠ j without y_i; released, i < j with it and against the offset."""
    n, right = len(X), 0
    for some in _blocks(len(given), n):
        i = given[some]
        offsets = X[i] - Y[i] if released else Y[i] - X[i]
        moved = offsets @ candidates.T  # (g, l): what the offset of pair i adds to candidate l
        for rows in _blocks(n, n * len(i)):
            j = np.arange(n)[rows]
            own = X[rows] @ candidates.T - handicap  # (j, l): what x_j gives it
            scores = own + moved[:, None, :]  # (i, j, l)
            if not released:
                scores[np.arange(len(i)), :, i] = -np.inf
            better = _better(scores.reshape(-1, n), np.tile(j, len(i))).reshape(len(i), len(j))
            better[(i[:, None] >= j) if released else (i[:, None] == j)] = n
            right += int((better < k).sum())
    return right / (int((n - 1 - given).sum()) if released else len(given) * (n - 1))


def _pairs(X: ArrayLike, Y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = matrix(X, "X").astype(np.float64), matrix(Y, "Y").astype(np.float64)
    if x.shape != y.shape:
        raise ValueError(
            f"X has shape {x.shape} and Y {y.shape}; offsets need pairs in one space, row i of both a pair."
        )
    return x, y


def _blocks(n: int, each: int) -> Iterator[slice]:
    """Cut n rows into blocks of about `_BLOCK` scores, of which a row has so many."""
    step = max(1, _BLOCK // max(1, each))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _candidates(Y: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return factors and offsets that give the nearest candidate of a query the highest score."""
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
    if metric == "cosine":
        # The length of the query is the same for all candidates and does not change their order.
        scaled = rescaled(Y)
        return scaled * inverse_norms(scaled)[:, None], np.zeros(len(Y))
    return Y, norms(Y) ** 2 / 2


def _better(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Count the other candidates that score at least as high as the right one, (q,) int64."""
    rounded = np.round(scores, 12)
    own = rounded[np.arange(len(scores)), right]
    return (rounded >= own[:, None]).sum(axis=1) - 1
