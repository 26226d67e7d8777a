"""Confidence intervals of the averages of retrieval, and tests of differences between models.

The units that are resampled and paired are the query clips: the rows of a clip with several classes are not
independent of each other. Averages over classes are not means over clips, so jackknife pseudo-values are used
instead: one number a clip, whose mean is the average and whose spread is that of the choice of clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from core.statistics import Interval, bootstrap_interval, holm, paired_difference


def highest_map(sizes: Iterable[int], cutoff: int, *, count_query: bool = True) -> tuple[float, int]:
    """Compute the MAP@N of perfect lists, and of how many classes the AP@N of a perfect list is below 1.

    Where the query counts among the clips of its class, though no list contains it, AP@N of a class of n
    clips is at most (n - 1) / min(N, n).

    Parameters
    ----------
    sizes : iterable of int
        Clips of each class; a class of fewer than two has no query and is left out.
    cutoff : int
        N.
    count_query : bool, default True
        As of `core.retrieval.evaluate`.

    Returns
    -------
    highest : float
        NaN where no class has two clips.
    n_below : int

    Examples
    --------
    >>> highest_map([10, 40], 15)
    (0.95, 1)
    """
    best = [min(1.0, (n - 1) / min(cutoff, n if count_query else n - 1)) for n in sizes if n >= 2]
    return (float(np.mean(best)), sum(b < 1 for b in best)) if best else (float("nan"), 0)


def jackknife_values(queries: pd.DataFrame, measure: str, *, query: str = "query") -> pd.Series:
    """Compute every query clip's share of an average over classes.

    Parameters
    ----------
    queries : DataFrame
        One row a query and class, as `core.retrieval.RetrievalReport.queries`; of each class at least two.
    measure : str
        Its column, such as ``ap@15`` or ``r1``.
    query : str, default 'query'
        Column that says which clip it is.

    Returns
    -------
    Series
        One value a clip, by clip: n θ - (n - 1) θ without the clip, with n the clips and θ the mean over
        classes of the mean over their queries. Its mean is θ. Values may lie outside the measure's range.

    Raises
    ------
    ValueError
        For a class with one query, whose share is not defined.

    References
    ----------
    J. W. Tukey, "Bias and confidence in not-quite large samples", Annals of Mathematical Statistics 29, 1958.

    Examples
    --------
    >>> table = pd.DataFrame({"query": [0, 1, 2, 3], "class": list("aabb"), "r1": [0, 2, 4, 4]})
    >>> jackknife_values(table, "r1").tolist()
    [1.0, 4.0, 2.5, 2.5]
    """
    values = queries[measure].to_numpy(np.float64)
    classes, names = pd.factorize(queries["class"])
    sizes = np.bincount(classes)
    if len(sizes) and sizes.min() < 2:
        raise ValueError(f"Class {names[int(sizes.argmin())]} has one query; leave it out.")
    means = np.bincount(classes, values) / sizes
    # Without one of m values their mean moves by (mean - value) / (m - 1).
    moves = (values - means[classes]) / (sizes[classes] - 1)
    clips, ids = pd.factorize(queries[query], sort=True)
    moved = np.bincount(clips, moves, len(ids)) / max(len(sizes), 1)
    return pd.Series(means.mean() + (len(ids) - 1) * moved, index=pd.Index(ids, name=query), name=measure)


def macro_interval(
    queries: pd.DataFrame,
    measure: str,
    *,
    query: str = "query",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Compute the interval of a mean over classes: the bootstrap of `jackknife_values` over clips.

    Parameters
    ----------
    queries, measure, query
        As in `jackknife_values`; rows of some classes only give the interval of their mean, such as a
        family's.
    confidence, resamples, seed
        As in `core.statistics.bootstrap_interval`.

    Returns
    -------
    Interval
        ``n`` counts clips. It holds for these classes, not for others.

    Examples
    --------
    >>> table = pd.DataFrame({"query": [0, 1, 2, 3], "class": list("aabb"), "r1": [0, 2, 4, 6]})
    >>> interval = macro_interval(table, "r1")
    >>> interval.value, interval.low < 3.0 < interval.high
    (3.0, True)
    """
    values = jackknife_values(queries, measure, query=query)
    return bootstrap_interval(values, confidence=confidence, resamples=resamples, seed=seed)


def micro_interval(
    queries: pd.DataFrame,
    measure: str,
    *,
    query: str = "query",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Compute the interval of the mean over all queries and classes: a bootstrap of whole clips.

    Parameters
    ----------
    queries, measure, query
        As in `jackknife_values`.
    confidence, resamples, seed
        As in `core.statistics.bootstrap_interval`.

    Returns
    -------
    Interval
        ``n`` counts rows.

    Examples
    --------
    >>> table = pd.DataFrame({"query": [0, 1, 2, 3], "class": list("aabb"), "r1": [0, 2, 4, 6]})
    >>> micro_interval(table, "r1").value
    3.0
    """
    return bootstrap_interval(
        queries[measure], groups=queries[query], confidence=confidence, resamples=resamples, seed=seed
    )


def compare(
    tables: Mapping[str, pd.DataFrame],
    measure: str = "ap@15",
    *,
    query: str = "query",
    by_class: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare models pairwise on the queries that all of them answered.

    Parameters
    ----------
    tables : mapping
        Name of a model to its queries, one row a query and class, as `RetrievalReport.queries`.
    measure : str, default 'ap@15'
    query : str, default 'query'
        Column that says which clip it is, in all tables alike.
    by_class : bool, default False
        Compare class by class instead of the mean over classes.
    confidence : float, default 0.95

    Returns
    -------
    DataFrame
        One row a pair of models, or a pair and class: ``a``, ``b`` (and ``class``), ``mean_a``, ``mean_b``,
        ``difference`` (a - b) with its interval ``low`` to ``high``, ``n`` (clips), ``p`` of no difference,
        and ``p_holm``, corrected for all rows of the table.

    Raises
    ------
    ValueError
        For fewer than two models, a query and class that stands twice in a table, or no class of which all
        models answered two queries.

    Notes
    -----
    The paired t test over clips, of the measure for a class and of `jackknife_values` for the mean over
    classes: what makes a clip easy or hard for all models cancels out. A class of which fewer than two
    queries are in all tables is left out.

    Examples
    --------
    >>> easy = pd.DataFrame({"query": range(6), "class": list("aaabbb"), "ap@15": [9, 8, 9, 7, 9, 8]})
    >>> hard = easy.assign(**{"ap@15": [7, 7, 8, 5, 7, 7]})
    >>> compare({"easy": easy, "hard": hard})[["difference", "n"]].round(3).to_dict("records")
    [{'difference': 1.5, 'n': 6}]
    """
    if len(tables) < 2:
        raise ValueError(f"There is {len(tables)} model; a comparison needs at least 2.")
    keys = [query, "class"]
    common: pd.DataFrame | None = None
    for name, table in tables.items():
        if table.duplicated(keys).any():
            raise ValueError(f"The queries of {name} hold a clip twice for one class; give each once.")
        one = table.set_index(keys)[measure].rename(name)
        common = one.to_frame() if common is None else common.join(one, how="inner")
    assert common is not None
    sizes = common.groupby(level="class")[common.columns[0]].transform("size")
    common = common[sizes >= 2].reset_index()
    if common.empty:
        raise ValueError(
            "No class has two queries that all models answered; compare spaces of the same clips."
        )

    rows = []
    for a, b in combinations(tables, 2):
        if by_class:
            groups = common.groupby("class", sort=False)
            parts = [({"class": label}, part[a], part[b]) for label, part in groups]
        else:
            x, y = (jackknife_values(common, name, query=query) for name in (a, b))
            parts = [({}, x, y)]
        for names, x, y in parts:
            d = paired_difference(x, y, confidence=confidence)
            row = {"a": a, "b": b, **names, "mean_a": x.mean(), "mean_b": y.mean(), "difference": d.value}
            rows.append(row | {"low": d.low, "high": d.high, "n": d.n, "p": d.p})
    result = pd.DataFrame(rows)
    return result.assign(p_holm=holm(result["p"]))
