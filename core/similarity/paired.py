"""Two spaces of the same things in pairs: how far vector offsets carry, and how alike the two are.

Row i of both matrices is a pair: a word and its plural, a sound and its caption. Where the two lie in one
space, the partner of a thing can be looked for near the thing itself, which is zero-shot classification with
a class a pair, and near it moved by the offset of another pair, which is an analogy: *a is to b as c is to
which?* Beside them stand the measures of how alike the two are as spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core.checks import matrix
from core.similarity.alignment import cka
from core.similarity.analogies import METRICS, OFFSETS, analogy_accuracy, match_accuracy
from core.similarity.neighborhoods import neighborhood_overlap
from core.statistics import pearson, spearman

#: What the notebooks of the NNGS paper ask `paired_by_group` for: neighbourhoods by the Euclidean distance of
#: a fifth of the pairs, rounded down, and partners by the cosine.
RELEASED: dict[str, Any] = {"k": 0.2, "neighbors": "euclidean", "metric": "cosine"}
#: Columns of `paired_by_group`: how alike the two spaces are, and how often a partner is retrieved.
SIMILARITIES = ("overlap", "nngs", "cka")
ACCURACIES = ("match", *(f"analogy_{offset}" for offset in OFFSETS))
_FEWEST_GROUPS = 4  # from which a correlation has an interval


@dataclass(frozen=True)
class PairedReport:
    """Similarity and accuracy of two spaces of pairs.

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
        `analogy_accuracy` by offset, each of `OFFSETS`; empty where the two have different widths or
        there are fewer than three pairs.
    analogy_chance : float
        The accuracy of guessing with the offset of one pair: k of the n - 1 candidates, or NaN. With the
        other two offsets it is `match_chance`, for all n are candidates.
    match : float
        `match_accuracy`; NaN where the two have different widths.
    match_chance : float
        The accuracy of guessing: k / n, or NaN.
    """

    n: int
    curve: pd.DataFrame
    cka: float
    analogy: dict[str, float]
    analogy_chance: float
    match: float
    match_chance: float


def paired_report(
    X: ArrayLike,
    Y: ArrayLike,
    ks: ArrayLike | None = None,
    *,
    metric: str = "cosine",
    neighbors: str | None = None,
    analogy_k: int = 1,
    given: ArrayLike | None = None,
) -> PairedReport:
    """Compute neighbourhood overlap, CKA and, where they are defined, accuracies of matches and analogies.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i of both is a pair; at least 2.
    ks : (K,) array_like of int, optional
        Sizes of neighbourhood from 1 to n - 1; all of them by default.
    metric : {'cosine', 'euclidean'}, default 'cosine'
        Of analogies, matches and, unless `neighbors` says otherwise, neighbourhoods. CKA is linear.
    neighbors : {'cosine', 'euclidean'}, optional
        Of neighbourhoods.
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
    ([1.0, 1.0], 1.0, {'pair': 1.0, 'mean': 1.0, 'released': 0.015789473684210527})
    """
    X, Y = matrix(X, "X"), matrix(Y, "Y")
    neighbors = metric if neighbors is None else neighbors
    for name, value in (("metric", metric), ("neighbors", neighbors)):
        if value not in METRICS:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(METRICS)}.")
    curve = neighborhood_overlap(X, Y, metric=neighbors, ks=ks, include_self=False)
    n = len(X)
    same = X.shape[1] == Y.shape[1]
    possible = same and n >= 3
    analogy = (
        {how: analogy_accuracy(X, Y, k=analogy_k, metric=metric, offset=how, given=given) for how in OFFSETS}
        if possible
        else {}
    )
    columns = {"k": "ks", "nngs": "jaccard", "chance_nngs": "chance_jaccard"}
    names = ("k", "overlap", "nngs", "chance", "chance_nngs", "adjusted")
    table = {name: getattr(curve, columns.get(name, name)) for name in names}
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
    k: float = 10,
    metric: str = "cosine",
    neighbors: str | None = None,
    analogy_k: int = 1,
) -> pd.DataFrame:
    """Return similarity and accuracy of each group of pairs by itself, such as each relation of analogies.

    Parameters
    ----------
    X : (n, d1) array_like
    Y : (n, d2) array_like
        Row i of both is a pair.
    groups : (n,) sequence of str
        The group of each pair. Pairs are compared within their group only.
    k : int or float, default 10
        Size of neighbourhood; of a group of m pairs at most m - 2, where it would say something yet. A number
        below 1 is a share of the group, rounded down: ⌊k m⌋. `RELEASED` has what the NNGS paper's notebooks
        ask for: ``paired_by_group(X, Y, groups, **RELEASED)``.
    metric, neighbors, analogy_k
        As in `paired_report`.

    Returns
    -------
    DataFrame
        A row a group, in the order in which they come: ``group``, ``n``, ``k``; ``overlap`` (S_k without the
        thing itself), ``nngs`` and ``cka`` (linear, debiased); ``match``, ``analogy_pair``, ``analogy_mean``,
        ``analogy_released``, ``match_chance`` and ``analogy_chance``. NaN where it is not defined: of fewer
        than 4 pairs the debiased CKA, of fewer than 3 analogies and neighbourhoods, of one pair everything;
        neighbourhoods also where the share of a group is less than one pair.

    Raises
    ------
    ValueError
        As `paired_report`, for a k that is neither a share nor a whole number, an analogy_k below 1, or if
        there is not one group for each pair.

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
    if not k > 0 or (k >= 1 and k != int(k)):
        raise ValueError(f"k is {k}; it must be a whole number from 1 on, or a share between 0 and 1.")
    if analogy_k < 1:
        raise ValueError(f"analogy_k is {analogy_k}; it must be at least 1.")
    rows = []
    of = np.array(names, dtype=object)
    for group in dict.fromkeys(names):
        mine = of == group
        size = int(k * int(mine.sum())) if k < 1 else int(k)
        rows.append(_of_group(group, X[mine], Y[mine], size, metric, neighbors, analogy_k))
    columns = ["group", "n", "k", *SIMILARITIES, *ACCURACIES, "match_chance", "analogy_chance"]
    return pd.DataFrame(rows, columns=columns)


def _of_group(
    group: str,
    X: np.ndarray,
    Y: np.ndarray,
    k: int,
    metric: str,
    neighbors: str | None,
    analogy_k: int,
) -> dict[str, object]:
    m = len(X)
    size = min(k, m - 2)
    row: dict[str, object] = {"group": group, "n": m, "k": max(size, 0)}
    if m < 2:
        return row
    answers = min(analogy_k, m - 1)
    report = paired_report(X, Y, ks=[max(size, 1)], metric=metric, neighbors=neighbors, analogy_k=answers)
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
    """Correlate each accuracy of `paired_by_group` with each similarity, over the groups.

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
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values("r", key=lambda r: -r.abs(), kind="stable", ignore_index=True)
