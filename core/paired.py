"""Two spaces of the same things in pairs: how far vector offsets carry, and how alike the two are.

Row i of both matrices is a pair: a word and its plural, a sound and its caption. Where the two lie in one
space, the partner of a thing can be looked for near the thing itself, which is zero-shot classification with
a class a pair, and near it moved by the offset of another pair, which is an analogy: *a is to b as c is to
which?* Beside them stand the measures of how alike the two are as spaces, `core.similarity` and `core.cka`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core._arrays import inverse_norms, matrix, norms, rescaled
from core.cka import cka
from core.similarity import neighborhood_overlap
from core.statistics import pearson, spearman

__all__ = [
    "ACCURACIES",
    "OFFSETS",
    "SIMILARITIES",
    "PairedReport",
    "analogy_accuracy",
    "match_accuracy",
    "paired_by_group",
    "paired_correlations",
    "paired_report",
]

OFFSETS = ("pair", "mean")
#: Columns of `paired_by_group`: what says how alike the two spaces are, and what is found in the other.
SIMILARITIES = ("overlap", "nngs", "cka")
ACCURACIES = ("match", "analogy_pair", "analogy_mean")
_METRICS = ("cosine", "euclidean")
_BLOCK = 4_000_000  # scores at once, 32 MB
_FEWEST_GROUPS = 4  # from which a correlation has an interval


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
        What guessing gives with the offset of one pair: k of the n - 1 candidates, or NaN.
    match : float
        `match_accuracy`; NaN where the two have different widths.
    match_chance : float
        What guessing gives: k / n, or NaN.
    """

    n: int
    curve: pd.DataFrame
    cka: float
    analogy: dict[str, float]
    analogy_chance: float
    match: float
    match_chance: float


def match_accuracy(X: ArrayLike, Y: ArrayLike, *, k: int = 1, metric: str = "cosine") -> float:
    """Return how often the partner of a thing is among those nearest to it: zero-shot, with a class a pair.

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
        raise ValueError(f"There are {n} pairs; at least 2 are needed, for one has nothing to be told from.")
    if not 1 <= k <= n:
        raise ValueError(f"k is {k}; with {n} pairs it must be from 1 to {n}.")
    candidates, handicap = _candidates(Y, metric)
    right = 0
    for rows in _blocks(n, n):
        better = _better(X[rows] @ candidates.T - handicap, np.arange(n)[rows])
        right += int((better < k).sum())
    return right / n


def analogy_accuracy(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    k: int = 1,
    metric: str = "cosine",
    offset: str = "pair",
    given: ArrayLike | None = None,
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
    given : (g,) array_like of int, optional
        With ``"pair"``, the rows i whose offsets are used, by default all: some will do of very many.

    Returns
    -------
    float
        Share of right answers, in [0, 1].

    Raises
    ------
    ValueError
        For matrices of different shapes, fewer than 3 rows, a k out of range, an unknown metric or offset,
        rows given that are not there or twice, or a value that is not finite.

    Notes
    -----
    O(n² d + g n²) time for ``pair``: with ŷ_l a candidate at unit length, the score of l for (i, j) is
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
    if offset not in OFFSETS:
        raise ValueError(f"offset is {offset!r}; it must be one of {', '.join(OFFSETS)}.")
    candidates, handicap = _candidates(Y, metric)
    if offset == "mean":
        return _by_mean_offset(X, Y, candidates, handicap, k)
    chosen = np.arange(n) if given is None else np.asarray(given)
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise ValueError(f"given has shape {chosen.shape}; it must be one or more whole numbers, (g,).")
    if chosen.min() < 0 or chosen.max() >= n or len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"given must hold rows from 0 to {n - 1}, each once.")
    return _by_pair_offset(X, Y, candidates, handicap, k, chosen)


def _by_mean_offset(
    X: np.ndarray, Y: np.ndarray, candidates: np.ndarray, handicap: np.ndarray, k: int
) -> float:
    n, right = len(X), 0
    offsets = Y - X
    whole = offsets.sum(axis=0)
    for rows in _blocks(n, n):
        moved = X[rows] + (whole - offsets[rows]) / (n - 1)
        better = _better(moved @ candidates.T - handicap, np.arange(n)[rows])
        right += int((better < k).sum())
    return right / n


def _by_pair_offset(
    X: np.ndarray, Y: np.ndarray, candidates: np.ndarray, handicap: np.ndarray, k: int, given: np.ndarray
) -> float:
    n, right = len(X), 0
    for some in _blocks(len(given), n):
        i = given[some]
        moved = (Y[i] - X[i]) @ candidates.T  # (g, l): what the offset of pair i adds to candidate l
        for rows in _blocks(n, n * len(i)):
            j = np.arange(n)[rows]
            own = X[rows] @ candidates.T - handicap  # (j, l): what x_j gives it
            scores = own + moved[:, None, :]  # (i, j, l)
            scores[np.arange(len(i)), :, i] = -np.inf
            better = _better(scores.reshape(-1, n), np.tile(j, len(i))).reshape(len(i), len(j))
            better[i[:, None] == j] = n
            right += int((better < k).sum())
    return right / (len(given) * (n - 1))


def paired_report(
    X: ArrayLike,
    Y: ArrayLike,
    ks: ArrayLike | None = None,
    *,
    metric: str = "cosine",
    analogy_k: int = 1,
    given: ArrayLike | None = None,
) -> PairedReport:
    """Return neighbourhood overlap, CKA and, where they are defined, how often partners are found.

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
        The k of `analogy_accuracy` and of `match_accuracy`.
    given : (g,) array_like of int, optional
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
    same = X.shape[1] == Y.shape[1]
    possible = same and n >= 3
    analogy = (
        {how: analogy_accuracy(X, Y, k=analogy_k, metric=metric, offset=how, given=given) for how in OFFSETS}
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
    return PairedReport(
        n,
        pd.DataFrame(table),
        cka(X, Y),
        analogy,
        analogy_k / (n - 1) if possible else float("nan"),
        match_accuracy(X, Y, k=analogy_k, metric=metric) if same else float("nan"),
        analogy_k / n if same else float("nan"),
    )


def paired_by_group(
    X: ArrayLike,
    Y: ArrayLike,
    groups: Sequence[str] | np.ndarray,
    *,
    k: int = 10,
    metric: str = "cosine",
    analogy_k: int = 1,
) -> pd.DataFrame:
    """Return similarity and accuracy of each group of pairs by itself, such as each relation of analogies.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i of both is a pair.
    groups : (n,) sequence of str
        The group of each pair. Only what is of one group is compared and looked for.
    k : int, default 10
        Size of neighbourhood; of a group of m pairs at most m - 2, where it would say something yet.
    metric, analogy_k
        As in `paired_report`.

    Returns
    -------
    DataFrame
        A row a group, in the order in which they come: ``group``, ``n``, ``k``; ``overlap`` (S_k without the
        thing itself), ``nngs`` and ``cka`` (linear, debiased); ``match``, ``analogy_pair``, ``analogy_mean``,
        ``match_chance`` and ``analogy_chance``. NaN where it is not defined: of fewer than 4 pairs the
        debiased CKA, of fewer than 3 analogies and neighbourhoods, of one pair everything.

    Raises
    ------
    ValueError
        As `paired_report`, for a k or analogy_k below 1, or if there is not one group for each pair.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((10, 4))
    >>> table = paired_by_group(X, X + 1.0, ["a"] * 6 + ["b"] * 4, k=2, metric="euclidean")
    >>> table[["group", "n", "nngs", "analogy_pair"]].values.tolist()
    [['a', 6, 1.0, 1.0], ['b', 4, 1.0, 1.0]]
    """
    X, Y = matrix(X, "X"), matrix(Y, "Y")
    names = [str(group) for group in groups]
    if not len(X) == len(Y) == len(names):
        raise ValueError(
            f"X has {len(X)} rows, Y {len(Y)}, and there are {len(names)} groups; each pair needs one."
        )
    for name, value in (("k", k), ("analogy_k", analogy_k)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")
    rows = []
    of = np.array(names, dtype=object)
    for group in dict.fromkeys(names):
        mine = of == group
        rows.append(_of_group(group, X[mine], Y[mine], k, metric, analogy_k))
    columns = ["group", "n", "k", *SIMILARITIES, *ACCURACIES, "match_chance", "analogy_chance"]
    return pd.DataFrame(rows, columns=columns)


def _of_group(
    group: str, X: np.ndarray, Y: np.ndarray, k: int, metric: str, analogy_k: int
) -> dict[str, object]:
    m = len(X)
    size = min(k, m - 2)
    row: dict[str, object] = {"group": group, "n": m, "k": max(size, 0)}
    if m < 2:
        return row
    answers = min(analogy_k, m - 1)
    report = paired_report(X, Y, ks=[max(size, 1)], metric=metric, analogy_k=answers)
    if size >= 1:
        row |= {name: float(report.curve[name].iloc[0]) for name in ("overlap", "nngs")}
    if m >= 4:
        row["cka"] = cka(X, Y, debiased=True)
    row |= {f"analogy_{how}": value for how, value in report.analogy.items()}
    return row | {
        "match": report.match,
        "match_chance": report.match_chance,
        "analogy_chance": report.analogy_chance,
    }


def paired_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Set each accuracy of `paired_by_group` against each similarity, over the groups.

    Parameters
    ----------
    table : DataFrame
        From `paired_by_group`.

    Returns
    -------
    DataFrame
        ``similarity``, ``accuracy``, ``r``, ``p``, ``low``, ``high`` (Pearson, 95%), ``rho``, ``rho_p``,
        ``rho_low``, ``rho_high`` (Spearman) and ``n``, the groups that have both numbers; a row for each two
        of which there are at least 4 groups, the strongest r first, NaN where one is the same throughout.

    Examples
    --------
    >>> table = pd.DataFrame({"nngs": [0.1, 0.2, 0.3, 0.4], "match": [0.2, 0.1, 0.4, 0.5]})
    >>> paired_correlations(table)[["similarity", "accuracy", "n"]].values.tolist()
    [['nngs', 'match', 4]]
    """
    rows = []
    for similarity in [name for name in SIMILARITIES if name in table]:
        for accuracy in [name for name in ACCURACIES if name in table]:
            both = table[[similarity, accuracy]].astype(float).dropna()
            if len(both) < _FEWEST_GROUPS:
                continue
            r, rho = (f(both[similarity], both[accuracy]) for f in (pearson, spearman))
            row: dict[str, object] = {"similarity": similarity, "accuracy": accuracy}
            row |= {"r": r.r, "p": r.p, "low": r.low, "high": r.high}
            row |= {"rho": rho.r, "rho_p": rho.p, "rho_low": rho.low, "rho_high": rho.high, "n": r.n}
            rows.append(row)
    columns = ["similarity", "accuracy", "r", "p", "low", "high"]
    columns += ["rho", "rho_p", "rho_low", "rho_high", "n"]
    found = pd.DataFrame(rows, columns=columns)
    return found.sort_values("r", key=lambda r: -r.abs(), kind="stable", ignore_index=True)


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
    """What a query is multiplied by, and what is taken off, so that the nearest candidate scores highest."""
    if metric not in _METRICS:
        raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(_METRICS)}.")
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
