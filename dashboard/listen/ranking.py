"""The lists that systems return for a query, and how good a list is.

Lists of clips come from the results of `jobs.specs.Retrieval` where they exist. Others are ranked here, if
that is quick: the corpus is processed once and kept in memory, a query is then one product of it with a
vector. What would take longer is left to a job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.processing import AGGREGATIONS, Reducer, Scaler, aggregate, fit_reducer, fit_scaler, normalize
from dashboard import data
from dashboard.data import Clips
from dashboard.kit.table import csv
from dashboard.listen import data as listen
from dashboard.listen.data import MOST, PAGE, NotComputed, NotRanked, Offered
from dashboard.memory import once
from dashboard.results import has, result, rows_of
from jobs.listening.ratings import Query, System
from jobs.specs import EmbedAudio, EmbedQuery
from jobs.tasks.embed_audio import Result as Embedded
from jobs.tasks.embed_query import Result as EmbeddedQuery
from jobs.workspace.workspace import Dataset, Workspace

#: Multiplications up to which a page looks for principal components itself, which takes about 0.2 s.
QUICK_PRODUCTS = 150_000_000


@dataclass(frozen=True)
class Ranked:
    """The list of one system: clip ids, best first, and their scores."""

    ids: list[str]
    scores: np.ndarray


@dataclass(frozen=True)
class Corpus:
    """The clips of a space, ready to be searched: (n, p) float64, of unit length for the cosine."""

    X: np.ndarray
    ids: list[str]
    scaler: Scaler | None
    reducer: Reducer | None


def rank(workspace: Workspace, dataset: Dataset, o: Offered, query: Query) -> Ranked:
    """Return the clips that a system returns for a query of any kind.

    Raises
    ------
    NotRanked
        Where there is no list; `NotComputed` where a job brings what it needs.
    """
    if query.kind == "clip":
        return ranked(o, dataset, query.value)
    return ranked_outside(o, dataset, listen.query_spec(workspace, dataset, o, query))


def ranked(o: Offered, dataset: Dataset, clip: str, k: int = MOST) -> Ranked:
    """Return the k clips that a system returns for a clip, which is left out itself.

    Raises
    ------
    NotRanked
        Where the space left the clip out, or holds nothing else.
    NotComputed
        Where the list takes longer to make than a page may.
    """
    ids, rows_by_id = _clips(o.embedding)
    if clip not in rows_by_id:
        raise NotRanked(f"{o.encoder} has left this clip out; choose another one.")
    if len(ids) < 2:
        raise NotRanked("There is no other clip to be found; add more sounds to the dataset.")
    row = rows_by_id[clip]
    spec = listen.judged(o, dataset)
    if spec is not None:
        lists = result(spec)
        rows, scores = lists.results[row][:k], np.asarray(lists.scores[row][:k])
    else:
        X = corpus(o, dataset).X
        rows, scores = best(X, X[row], k, o.system.algorithm, without=row)
    return Ranked([ids[i] for i in rows.tolist()], scores)


def ranked_outside(o: Offered, dataset: Dataset, spec: EmbedQuery, k: int = MOST) -> Ranked:
    """Return the k clips that a system returns for an upload or a text.

    Raises
    ------
    NotComputed
        Where the query is not embedded, or the list takes longer to make than a page may.
    """
    if not has(spec):
        raise NotComputed("The query is not embedded yet.", [spec])
    c = corpus(o, dataset)
    x = aggregated(result(spec), o.system.aggregation)
    for step in (c.scaler, c.reducer):
        if step is not None:
            x = step.transform(x)
    x = _unit(np.asarray(x, np.float64), o.system)
    rows, scores = best(c.X, x[0], k, o.system.algorithm)
    return Ranked([c.ids[i] for i in rows.tolist()], scores)


def aggregated(space: Embedded | EmbeddedQuery, aggregation: str) -> np.ndarray:
    """Return the embeddings of a space or a query, with its frames aggregated in this way."""
    if aggregation in ("", AGGREGATIONS[0]) or space.frames is None or space.offsets is None:
        return np.asarray(space.embeddings)
    return aggregate(space.frames, space.offsets, aggregation)


def clip_ids(o: Offered) -> list[str]:
    """Return the clips of a system's space, in the order of its rows."""
    return _clips(o.embedding)[0]


def corpus(o: Offered, dataset: Dataset) -> Corpus:
    """Return the processed clips of a system's space; made once.

    Raises
    ------
    NotComputed
        Where its principal components take longer to find than a page may.
    """

    def make() -> Corpus:
        s = o.system
        known = listen.judged(o, dataset)
        if known is None and is_slow(o, dataset):
            n, d = listen.shape(o.embedding)
            raise NotComputed(
                f"{o.encoder} has {n:,} clips of {d:,} dimensions: its lists are made by a job.",
                listen.judgements(o, dataset)[:1],
            )
        X = aggregated(result(o.embedding), s.aggregation)
        scaler, reducer = None, None
        if s.scale == "minmax":
            scaler = fit_scaler(X) if known is None else result(known).scaler
            assert scaler is not None
            X = scaler.transform(X)
        if s.components:
            reducer = fit_reducer(X, s.components) if known is None else result(known).reducer
            assert reducer is not None
            X = reducer.transform(X)
        return Corpus(_unit(np.asarray(X, np.float64), s), clip_ids(o), scaler, reducer)

    return once(("corpus", o.system), make)


def is_slow(o: Offered, dataset: Dataset) -> bool:
    """Return whether the lists of a system are left to a job, which needs a class with two clips."""
    n, d = listen.shape(o.embedding)
    if not o.system.components or n * d * min(n, d) <= QUICK_PRODUCTS:
        return False
    return any(len(rows) > 1 for rows in listen.classes(data.clips(dataset)).values())


def _unit(X: np.ndarray, s: System) -> np.ndarray:
    # The cosine is the inner product of vectors of unit length.
    return normalize(X) if s.normalize or s.algorithm == "mcss" else X


def _clips(embedding: EmbedAudio) -> tuple[list[str], dict[str, int]]:
    def read() -> tuple[list[str], dict[str, int]]:
        ids = result(embedding).clip_ids
        return ids, {name: i for i, name in enumerate(ids)}

    return once(("embedded", embedding.key), read)


def best(
    X: np.ndarray, x: np.ndarray, k: int, algorithm: str, *, without: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k rows that score highest, ties by lower index, as `core.retrieval.search` does for many.

    Parameters
    ----------
    X : (n, p) float64 array
        For ``mcss`` of unit rows, as `x` (p,) is.
    x : (p,) float64 array
    k : int
        At most; there may be fewer rows.
    algorithm : {'mips', 'mcss', 'nns'}
    without : int, optional
        Row that is left out.

    Returns
    -------
    rows : (k,) int64 array
    scores : (k,) float64 array
        Rounded to 12 decimals: inner product, cosine, or negative Euclidean distance.

    Examples
    --------
    >>> best(np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), np.array([0.0, 1.0]), 2, "mcss", without=1)
    (array([2, 0]), array([0.8, 0. ]))
    """
    scores = -np.sqrt(((X - x) ** 2).sum(axis=1)) if algorithm == "nns" else X @ x
    scores = np.round(scores, 12) + 0.0
    rows = np.arange(len(X)) if without is None else np.delete(np.arange(len(X)), without)
    if k < len(rows):
        least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
        rows = rows[scores[rows] >= least]
    rows = rows[np.argsort(-scores[rows], kind="stable")][:k]
    return rows, scores[rows]


# -- judging ----------------------------------------------------------------------------------------------


def average_precision(hits: Sequence[bool] | np.ndarray, size: int, n: int = PAGE) -> float:
    """Compute AP@n of one list as `core.retrieval.evaluate` does.

    Parameters
    ----------
    hits : sequence of bool
        Whether each result carries the class asked for, best first.
    size : int
        Clips that carry the class, at least one, with the query if it does; the divisor is min(n, size).
    n : int, default 15

    Examples
    --------
    >>> average_precision([True, False, True], size=2)
    0.8333333333333333
    """
    relevant = np.asarray(hits, dtype=bool)[:n]
    precision = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
    return float((precision * relevant).sum() / min(n, size))


@dataclass(frozen=True)
class Judged:
    """A list judged by the class asked for.

    Attributes
    ----------
    hits : list of bool
        Whether each result carries the class.
    ap : float
        AP@15; NaN where no clip but the query carries it.
    findable : int
        Clips besides the query that carry it.
    """

    hits: list[bool]
    ap: float
    findable: int


def judge(o: Offered, c: Clips, shown: Ranked, label: str, query: str = "") -> Judged | None:
    """Judge a list by a class, None where none is asked for; `query` is the clip searched with, if any."""
    members = listen.classes(c).get(label)
    if members is None:
        return None
    carried = set(c.ids[np.intersect1d(members, rows_of(o.embedding, c))].tolist())
    hits = [i in carried for i in shown.ids]
    findable = len(carried) - (query in carried)
    ap = average_precision(hits, len(carried)) if findable else float("nan")
    return Judged(hits, ap, findable)


def elsewhere(lists: Sequence[Sequence[str]]) -> list[dict[str, list[tuple[int, int]]]]:
    """Return for every list in which others its clips are: (list, rank from 1).

    Examples
    --------
    >>> elsewhere([["a", "b"], ["b"]])
    [{'b': [(1, 1)]}, {'b': [(0, 2)]}]
    """
    ranks = [{clip: i + 1 for i, clip in enumerate(ids)} for ids in lists]
    also = [
        {clip: [(j, r[clip]) for j, r in enumerate(ranks) if j != i and clip in r] for clip in mine}
        for i, mine in enumerate(ranks)
    ]
    return [{clip: places for clip, places in each.items() if places} for each in also]


def lists_csv(
    c: Clips,
    systems: Sequence[Offered],
    lists: Sequence[Ranked],
    judged_lists: Sequence[Judged | None],
    about: Mapping[str, str],
) -> bytes:
    """Return lists as CSV: a row a system and rank, with the columns `about` the query in each."""
    parts = []
    for o, shown, j in zip(systems, lists, judged_lists, strict=True):
        rows = [c.row[i] for i in shown.ids]
        parts.append(
            pd.DataFrame(
                {
                    **about,
                    "system": o.system.name,
                    "rank": np.arange(1, len(rows) + 1),
                    "clip_id": shown.ids,
                    "label": c.labels[rows],
                    "file": c.files[rows],
                    "score": shown.scores,
                    "fits": [""] * len(rows) if j is None else np.asarray(j.hits, int),
                }
            )
        )
    return csv(pd.concat(parts))
