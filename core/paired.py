"""Two spaces of the same things in pairs: how far vector offsets carry, and how alike the two are.

Row i of both matrices is a pair: a word and its plural, a sound and its caption. Where the two lie in one
space, an analogy asks for the partner of a thing by the offset of another pair: *a is to b as c is to which?*
Beside it stand the measures of how alike the two are as spaces, `core.similarity` and `core.cka`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core._arrays import inverse_norms, matrix, norms, rescaled
from core.cka import cka
from core.similarity import neighborhood_overlap

__all__ = ["OFFSETS", "PairedReport", "analogy_accuracy", "paired_report"]

OFFSETS = ("pair", "mean")
_METRICS = ("cosine", "euclidean")
_BLOCK = 4_000_000  # scores at once, 32 MB


@dataclass(frozen=True)
class PairedReport:
    """What there is to say of two spaces of pairs.

    Attributes
    ----------
    n : int
        Pairs.
    curve : DataFrame
        A row a k: ``k``, ``overlap`` (S_k without the thing itself), ``nngs``, ``chance``, ``chance_nngs``,
        ``adjusted``; see `core.similarity.OverlapCurve`.
    cka : float
        Linear, in [0, 1].
    analogy : dict of str to float
        `analogy_accuracy` by offset, ``pair`` and ``mean``; empty where the two have different widths or
        there are fewer than three pairs.
    analogy_chance : float
        What guessing gives: k of the n - 1 candidates, or NaN.
    """

    n: int
    curve: pd.DataFrame
    cka: float
    analogy: dict[str, float]
    analogy_chance: float


def analogy_accuracy(
    X: ArrayLike, Y: ArrayLike, *, k: int = 1, metric: str = "cosine", offset: str = "pair"
) -> float:
    """Return how often the partner of a thing is found by a vector offset.

    With the offset of one pair i, the partner of j is looked for near x_j + (y_i - x_i), for all n (n - 1)
    pairs i ≠ j; y_i, which was given, is no candidate, so there are n - 1. With the mean offset it is looked
    for near x_j + m, where m is the mean of y_i - x_i over all other pairs i ≠ j (one is left out), and all n
    rows of `Y` are candidates.

    Parameters
    ----------
    X, Y : (n, d) array_like
        Row i of both is a pair; both in one space. At least 3 rows.
    k : int, default 1
        An answer is right if y_j is among the k nearest; from 1 to n - 1. Candidates that are equally near
        count against it, so that a space where all points coincide scores 0.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        What near means.
    offset : {'pair', 'mean'}, default 'pair'

    Returns
    -------
    float
        Share of right answers, in [0, 1].

    Raises
    ------
    ValueError
        For matrices of different shapes, fewer than 3 rows, a k out of range, an unknown metric or offset, or
        a value that is not finite.

    Notes
    -----
    O(n² d + n³) time for ``pair``: with ŷ_l a candidate at unit length, the score of l for (i, j) is
    x_j · ŷ_l + (y_i - x_i) · ŷ_l, a sum of two entries of matrices that are had once.

    References
    ----------
    T. Mikolov, W. Yih and G. Zweig, "Linguistic regularities in continuous space word representations",
    NAACL-HLT 2013 (the vector offset). As a task of paired embeddings: T. F. Tavares, F. Ayres and
    P. Smaragdis, "Measuring similarity between embedding spaces using induced neighborhood graphs",
    arXiv:2411.08687, 2024, whose abstract names the task and gives no definition.

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
    if metric not in _METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(_METRICS)}.")
    if offset not in OFFSETS:
        raise ValueError(f"offset is {offset!r}; it must be one of {', '.join(OFFSETS)}.")
    candidates, handicap = _candidates(Y, metric)
    own = X @ candidates.T - handicap  # (n, n): what x_j gives candidate l
    moved = (Y - X) @ candidates.T  # what the offset of pair i adds
    if offset == "mean":
        scores = own + (moved.sum(axis=0) - moved) / (n - 1)
        return float(np.mean(_better(scores, np.arange(n)) < k))
    right = 0
    step = max(1, _BLOCK // (n * n))
    for start in range(0, n, step):
        given = np.arange(start, min(start + step, n))
        scores = own[None] + moved[given, None, :]  # (i, j, l)
        scores[np.arange(len(given)), :, given] = -np.inf
        better = _better(scores.reshape(-1, n), np.tile(np.arange(n), len(given))).reshape(len(given), n)
        better[np.arange(len(given)), given] = n
        right += int((better < k).sum())
    return right / (n * (n - 1))


def paired_report(
    X: ArrayLike,
    Y: ArrayLike,
    ks: ArrayLike | None = None,
    *,
    metric: str = "cosine",
    analogy_k: int = 1,
) -> PairedReport:
    """Return neighbourhood overlap, CKA and, where it is defined, the accuracy of analogies.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i of both is a pair; at least 2.
    ks : (K,) array_like of int, optional
        Sizes of neighbourhood from 1 to n - 1; all of them by default.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        Of neighbourhoods and analogies. CKA is linear whatever it is.
    analogy_k : int, default 1
        See `analogy_accuracy`.

    Raises
    ------
    ValueError
        As `core.similarity.neighborhood_overlap` and `analogy_accuracy`.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((20, 4))
    >>> report = paired_report(X, X + 1.0, ks=[1, 5], metric="euclidean")
    >>> report.curve["overlap"].tolist(), round(report.cka, 6), report.analogy
    ([1.0, 1.0], 1.0, {'pair': 1.0, 'mean': 1.0})
    """
    X, Y = matrix(X, "X"), matrix(Y, "Y")
    if metric not in _METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(_METRICS)}.")
    curve = neighborhood_overlap(X, Y, metric=metric, ks=ks, include_self=False)
    n = len(X)
    possible = X.shape[1] == Y.shape[1] and n >= 3
    analogy = (
        {how: analogy_accuracy(X, Y, k=analogy_k, metric=metric, offset=how) for how in OFFSETS}
        if possible
        else {}
    )
    table = {
        "k": curve.ks,
        "overlap": curve.overlap,
        "nngs": curve.jaccard,
        "chance": curve.chance,
        "chance_nngs": curve.chance_jaccard,
        "adjusted": curve.adjusted,
    }
    chance = analogy_k / (n - 1) if possible else float("nan")
    return PairedReport(n, pd.DataFrame(table), cka(X, Y), analogy, chance)


def _pairs(X: ArrayLike, Y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = matrix(X, "X").astype(np.float64), matrix(Y, "Y").astype(np.float64)
    if x.shape != y.shape:
        raise ValueError(
            f"X has shape {x.shape} and Y {y.shape}; offsets need pairs in one space, row i of both a pair."
        )
    return x, y


def _candidates(Y: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """What a query is multiplied by, and what is taken off, so that the nearest candidate scores highest."""
    if metric == "cosine":
        # The length of the query is the same for all candidates and does not change their order.
        scaled = rescaled(Y)
        return scaled * inverse_norms(scaled)[:, None], np.zeros(len(Y))
    return Y, norms(Y) ** 2 / 2


def _better(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How many other candidates score at least as high as the right one, (q,) int64."""
    rounded = np.round(scores, 12)
    own = rounded[np.arange(len(scores)), right]
    return (rounded >= own[:, None]).sum(axis=1) - 1
