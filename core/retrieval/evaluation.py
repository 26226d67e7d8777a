"""Query by example: search a corpus by similarity, and judge the lists by the classes of what they hold.

Every clip is a query once for each of its classes; clips that carry the class are relevant, and the query is
taken out of the corpus. Lists are exact: in the order of the score, in float64 rounded to 12 decimals, then
of the index, so that equal clips tie whatever the machine and the size of the blocks.

References
----------
R. O. Araz, D. Bogdanov, P. Alonso-Jiménez and F. Font, "Evaluation of deep audio representations for semantic
sound similarity", CBMI 2024, and the code that its authors released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core.checks import matrix, whole
from core.neighbors import knn
from core.processing import AGGREGATIONS, Processing
from core.retrieval.first_relevant import irrelevant_before

#: Similarity by inner product, by cosine, and by Euclidean distance, and the metric of each.
METRICS = {"mips": "inner_product", "mcss": "cosine", "nns": "euclidean"}
ALGORITHMS = tuple(METRICS)
#: First page and first ten pages of Freesound's results.
CUTOFFS = (15, 150)
#: Principal components that are tried; None keeps all dimensions.
COMPONENTS = (100, 200, None)

_BLOCK_VALUES = 6_000_000  # of lists judged at once: 48 MB in float64


def search(
    queries: ArrayLike, corpus: ArrayLike, k: int, *, algorithm: str = "mcss"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k corpus items that score highest for every query, exactly, ties by lower index.

    Parameters
    ----------
    queries : (m, d) array_like
    corpus : (n, d) array_like
    k : int
        From 1 to n.
    algorithm : {'mcss', 'mips', 'nns'}, default 'mcss'
        Maximum cosine similarity, maximum inner product, or nearest neighbours by Euclidean distance.

    Returns
    -------
    indices : (m, k) int64 array
        Rows of `corpus`, highest score first.
    scores : (m, k) float64 array
        The cosine in [-1, 1] (0 with a zero vector), the inner product, or the **negative** Euclidean
        distance; rounded to 12 decimals.

    Raises
    ------
    ValueError
        For an unknown algorithm, a k out of range, or a matrix as `core.neighbors.knn` refuses it.

    Notes
    -----
    Among vectors of equal length all three give the same order.

    Examples
    --------
    >>> indices, scores = search([[1.0, 0.0]], [[0.0, 1.0], [3.0, 3.0], [2.0, 0.0]], 2)
    >>> indices, scores.round(3)
    (array([[2, 1]]), array([[1.   , 0.707]]))
    >>> search([[1.0, 0.0]], [[0.0, 1.0], [3.0, 3.0], [2.0, 0.0]], 2, algorithm="mips")[0]
    array([[1, 2]])
    """
    metric = _metric(algorithm)
    indices, distances = knn(corpus, k, metric=metric, queries=queries)
    return indices, _scores(distances, metric)


@dataclass(frozen=True)
class FamilyReport:
    """Averages over families of classes.

    Attributes
    ----------
    table : DataFrame
        One row a family in sorted order: ``family``, ``n_classes``, ``n_queries``, and the means over its
        classes under the names of `RetrievalReport.macro`.
    left_out : tuple
        Classes of the report that have no family.
    absent : tuple
        Classes that the mapping gives a family and the report does not hold.
    """

    table: pd.DataFrame
    left_out: tuple
    absent: tuple


@dataclass(frozen=True)
class RetrievalReport:
    """The numbers and lists that `evaluate` returns.

    Attributes
    ----------
    queries : DataFrame
        One row a query and class, by query, then by class: ``query`` (row of X), ``class``; for every cut-off
        N ``ap@N``, ``precision@N``, ``ndcg@N``; ``r1``.
    classes : DataFrame
        One row a class, in the order of the columns of `relevance`: ``class``, ``n_relevant`` (clips of the
        class, each of them a query) and the means of the same measures over its queries.
    macro : dict
        Means over classes: ``map@N``, ``precision@N``, ``ndcg@N``, ``mr1``.
    micro : dict
        The same names, as means over all rows of `queries`: large classes weigh more.
    excluded : DataFrame
        ``class``, ``n_relevant``: classes with no second clip to retrieve.
    indices : (n, K) int64 array
        The list of every clip, whether it is a query or not; K is the largest cut-off, or n - 1 if less.
    scores : (n, K) float64 array
        As `search` gives them.
    """

    queries: pd.DataFrame
    classes: pd.DataFrame
    macro: dict[str, float]
    micro: dict[str, float]
    excluded: pd.DataFrame
    indices: np.ndarray
    scores: np.ndarray

    def families(self, mapping: Mapping) -> FamilyReport:
        """Average over the classes of each family.

        Parameters
        ----------
        mapping : mapping
            Class to family; None for a class that belongs to none or to several, as those with several
            parents in an ontology do. A class that is not in it has no family either.

        Returns
        -------
        FamilyReport

        Examples
        --------
        >>> X = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]
        >>> report = evaluate(X, np.eye(2)[[0, 0, 1, 1]], classes=["dog", "hiss"])
        >>> f = report.families({"dog": "Animal", "hiss": None, "cat": "Animal"})
        >>> f.table[["family", "n_classes", "mr1"]].to_dict("list"), f.left_out, f.absent
        ({'family': ['Animal'], 'n_classes': [1], 'mr1': [0.0]}, ('hiss',), ('cat',))
        """
        names = self.classes["class"].tolist()
        family = pd.Series([_family(mapping.get(name)) for name in names], dtype=object)
        groups = self.classes.groupby(family.to_numpy(), sort=True)
        measures = {c: macro_name(c) for c in self.classes.columns[2:]}
        table = groups[list(measures)].mean().rename(columns=measures)
        table.insert(0, "n_classes", groups.size())
        table.insert(1, "n_queries", groups["n_relevant"].sum())
        held = set(names)
        return FamilyReport(
            table=table.rename_axis("family").reset_index(),
            left_out=tuple(name for name, f in zip(names, family, strict=True) if f is None),
            absent=tuple(name for name, f in mapping.items() if name not in held and _family(f) is not None),
        )


def evaluate(
    X: ArrayLike,
    relevance: ArrayLike | pd.DataFrame,
    *,
    algorithm: str = "mcss",
    cutoffs: Sequence[int] = CUTOFFS,
    count_query: bool = True,
    classes: Sequence | None = None,
) -> RetrievalReport:
    """Search with every clip once for each of its classes, and judge the lists.

    Parameters
    ----------
    X : (n, d) array_like
        One clip a row: corpus and queries. Each query is taken out of the corpus.
    relevance : (n, C) array_like of bool
        Which clip carries which class; a clip may carry several, or none. A clip is relevant if it carries
        the class that is asked for.
    algorithm : {'mcss', 'mips', 'nns'}, default 'mcss'
        As in `search`.
    cutoffs : sequence of int, default (15, 150)
        Lengths N of the lists that are judged.
    count_query : bool, default True
        Whether AP@N is divided by min(N, clips of the class), as the released code does, or by
        min(N, clips of the class without the query), one fewer. With True no list can reach 1 where the class
        has at most N clips: the most is (size - 1) / size.
    classes : sequence, optional
        Names of the columns; by default those of a DataFrame, else 0 to C - 1.

    Returns
    -------
    RetrievalReport

    Raises
    ------
    ValueError
        For values that are not finite, relevance or cut-offs that do not fit, fewer than two clips, or no
        class with two clips.

    Notes
    -----
    With rel(i) 1 where the i-th of the list carries the class, else 0, and P(i) the mean of rel up to i:

    - AP@N = Σ_{i ≤ N} rel(i) P(i) / min(N, size), with the size as `count_query` says; in [0, 1].
    - R1: how many items come before the first relevant one, from 0, over the whole corpus. The released code
      numbers it the same.
    - precision@N = P(N); where the corpus holds fewer than N others, what is missing counts as irrelevant.
    - nDCG@N = Σ_{i ≤ N} rel(i) / log2(i + 1), divided by its value for a list that begins with all relevant
      clips but the query; in [0, 1].

    A class's measure is the mean over its queries, a macro measure the mean over classes. A class with fewer
    than two clips has no other clip to retrieve; it is in `excluded` and counts nowhere.

    Only the largest N of each list are sorted. R1 needs no order: it counts the items that beat the best
    relevant one and those that equal it at a lower index. Memory: n · N lists, and about 600 MB for the
    search among 11,000 clips.

    References
    ----------
    R. O. Araz, D. Bogdanov, P. Alonso-Jiménez and F. Font, "Evaluation of deep audio representations for
    semantic sound similarity", CBMI 2024.
    K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20, 2002.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.4], [0.0, 1.0], [0.2, 1.0]]
    >>> report = evaluate(X, np.eye(2)[[0, 0, 1, 1, 1]], cutoffs=(2,), classes=["dog", "rain"])
    >>> report.classes.round(3).to_dict("list")["ap@2"]
    [0.5, 0.667]
    >>> report.macro["mr1"].__round__(3), evaluate(X, np.eye(2)[[0, 0, 1, 1, 1]]).macro["mr1"].__round__(3)
    (0.333, 0.333)
    """
    metric = _metric(algorithm)
    limits = _limits(cutoffs)
    X = matrix(X, "X")
    carries, names = _relevance(relevance, classes, len(X))
    if len(X) < 2:
        raise ValueError("X has 1 row, and nothing to search in; give at least 2 clips.")
    sizes = carries.sum(axis=0)
    kept = np.flatnonzero(sizes >= 2)
    if not len(kept):
        raise ValueError(
            f"None of {len(names)} classes has two clips, so that one could find the other; give one."
        )
    indices, distances = knn(X, min(limits[-1], len(X) - 1), metric=metric)
    carried = np.ascontiguousarray(carries[:, kept])
    query, column = np.nonzero(carried)  # by query, then by class
    findable = sizes[kept[column]] - 1
    measures = _judge(indices, carried, query, column, findable, limits, count_query)
    r1 = measures["r1"]
    later = np.flatnonzero(r1 < 0)
    if len(later):
        members = [np.flatnonzero(carried[:, c]) for c in range(len(kept))]
        r1[later] = irrelevant_before(X, metric, query[later], column[later], members)

    every = pd.Series(names)
    labels = every.iloc[kept].reset_index(drop=True)
    queries = pd.DataFrame({"query": query, "class": labels.iloc[column].to_numpy(), **measures})
    means = {name: np.bincount(column, values, len(kept)) / sizes[kept] for name, values in measures.items()}
    table = pd.DataFrame({"class": labels, "n_relevant": sizes[kept], **means})
    alone = np.flatnonzero(sizes < 2)
    return RetrievalReport(
        queries=queries,
        classes=table,
        macro={macro_name(name): float(values.mean()) for name, values in means.items()},
        micro={macro_name(name): float(values.mean()) for name, values in measures.items()},
        excluded=pd.DataFrame({"class": every.iloc[alone].to_numpy(), "n_relevant": sizes[alone]}),
        indices=indices,
        scores=_scores(distances, metric),
    )


def systems(*, frame_level: bool = True) -> list[tuple[Processing, str]]:
    """List the ways from the embeddings of a model to ranked lists that are compared.

    Parameters
    ----------
    frame_level : bool, default True
        Whether the model gives frames; if not, there is nothing to aggregate.

    Returns
    -------
    list of (Processing, str)
        What is done to the embeddings, and the algorithm: 3 aggregations × 3 numbers of components × 3
        algorithms, 27 in all, or 9 without frames.

    Examples
    --------
    >>> len(systems()), len(systems(frame_level=False))
    (27, 9)
    """
    return [
        (Processing(aggregation, components), algorithm)
        for aggregation in (AGGREGATIONS if frame_level else AGGREGATIONS[:1])
        for components in COMPONENTS
        for algorithm in ALGORITHMS
    ]


def select(
    table: pd.DataFrame, *, model: str = "model", variation: str = "variation", measure: str = "map@15"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the best system of every variation of a model, then the best variation of every model.

    Parameters
    ----------
    table : DataFrame
        One row a system: the columns `model`, `variation` and `measure`, and whatever says what it is.
        Systems whose measure is NaN could not be built and are never chosen.
    model, variation : str
        Columns that name them, such as an architecture and its checkpoints.
    measure : str, default 'map@15'
        Column to choose by: the highest value, but the lowest of one whose name ends in ``r1``.

    Returns
    -------
    variations : DataFrame
        The rows chosen for each model and variation, in the order in which they first appear.
    models : DataFrame
        Of those, one row for each model: Table I of the paper. Of equal rows the first is chosen.

    Raises
    ------
    ValueError
        For a column that is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"model": "m", "variation": ["a", "a", "b"], "system": [1, 2, 3],
    ...                       "map@15": [0.2, 0.4, 0.3]})
    >>> variations, models = select(table)
    >>> variations["system"].tolist(), models["variation"].tolist()
    ([2, 3], ['a'])
    """
    missing = [c for c in (model, variation, measure) if c not in table.columns]
    if missing:
        raise ValueError(f"The table has no column {missing[0]!r}; it has {', '.join(map(str, table))}.")
    rows = table[table[measure].notna()].reset_index(drop=True)

    def best(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
        groups = rows.groupby(by, sort=False, dropna=False)[measure]
        chosen = groups.idxmin() if measure.endswith("r1") else groups.idxmax()
        return rows.loc[chosen.to_numpy()].reset_index(drop=True)

    variations = best(rows, [model, variation])
    return variations, best(variations, [model])


def macro_name(measure: str) -> str:
    """Name the mean of a measure over classes: ``ap@15`` gives ``map@15`` and ``r1`` gives ``mr1``.

    Examples
    --------
    >>> macro_name("ap@15"), macro_name("r1"), macro_name("ndcg@15")
    ('map@15', 'mr1', 'ndcg@15')
    """
    return f"m{measure}" if measure == "r1" or measure.startswith("ap@") else measure


def _judge(
    indices: np.ndarray,
    carried: np.ndarray,
    query: np.ndarray,
    column: np.ndarray,
    findable: np.ndarray,
    limits: list[int],
    count_query: bool,
) -> dict[str, np.ndarray]:
    """Measure the lists of all pairs; R1 is -1 where nothing relevant is in the list."""
    length = indices.shape[1]
    ranks = np.arange(1, length + 1)
    discounts = 1 / np.log2(np.arange(2, limits[-1] + 2))
    ideal = np.cumsum(discounts)
    measures = {f"{m}@{n}": np.empty(len(query)) for n in limits for m in ("ap", "precision", "ndcg")}
    r1 = np.empty(len(query), dtype=np.int64)
    by_class = np.ascontiguousarray(carried.T)
    step = max(1, _BLOCK_VALUES // length)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        relevant = by_class[column[part, None], indices[query[part]]]  # (b, K)
        hits = np.cumsum(relevant, axis=1)
        gains = np.cumsum(np.where(relevant, hits / ranks, 0.0), axis=1)
        r1[part] = np.where(hits[:, -1] > 0, relevant.argmax(axis=1), -1)
        for n in limits:
            last = min(n, length) - 1
            possible = np.minimum(n, findable[part])
            divisor = np.minimum(n, findable[part] + 1) if count_query else possible
            measures[f"ap@{n}"][part] = gains[:, last] / divisor
            measures[f"precision@{n}"][part] = hits[:, last] / n
            gained = relevant[:, : last + 1] @ discounts[: last + 1]
            measures[f"ndcg@{n}"][part] = gained / ideal[possible - 1]
    return {**measures, "r1": r1}


def _metric(algorithm: str) -> str:
    if algorithm not in METRICS:
        raise ValueError(f"algorithm is {algorithm!r}; it must be one of {', '.join(METRICS)}.")
    return METRICS[algorithm]


def _scores(distances: np.ndarray, metric: str) -> np.ndarray:
    return np.round((1.0 if metric == "cosine" else 0.0) - distances, 12)


def _family(value: object) -> object:
    return None if value is None or value != value or value == "" else value


def _limits(cutoffs: Sequence[int]) -> list[int]:
    limits = list(cutoffs)
    if not limits or not all(map(whole, limits)) or min(limits) < 1:
        raise ValueError(f"cutoffs are {cutoffs!r}; they must be whole numbers from 1 up, at least one.")
    return sorted({int(n) for n in limits})


def _relevance(
    relevance: ArrayLike | pd.DataFrame, classes: Sequence | None, n: int
) -> tuple[np.ndarray, list]:
    """Return what clip carries what class, (n, C) bool, and the names of the classes."""
    values = np.asarray(relevance)
    if values.ndim != 2 or values.shape[0] != n or values.shape[1] == 0:
        raise ValueError(
            f"relevance has shape {values.shape}; it must be (n, C), with a row for each of {n}."
        )
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError("relevance must say True or False for each clip and class; give booleans.")
    given = relevance.columns if isinstance(relevance, pd.DataFrame) else range(values.shape[1])
    names = list(given if classes is None else classes)
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        raise ValueError(
            f"There are {len(names)} names, {len(set(names))} of them different, for {values.shape[1]} "
            "classes; there must be one name for each."
        )
    return values.astype(bool), names
