"""How well spaces find the sounds of each class and family, and what comes back for a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import result, rows_of
from dashboard.retrieval.data import (
    NO_FAMILY,
    NOTHING,
    OF_QUERY,
    SHOWN,
    badness,
    better,
    queries,
    read_table,
    said,
)
from jobs.specs import Retrieval


@dataclass(frozen=True)
class Heat:
    """A measure of every space and group of classes: (s, g) values and the ends of their intervals."""

    spaces: list[str]
    groups: list[str]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_classes: list[int]
    n_queries: list[int]


@dataclass(frozen=True)
class ByClass:
    """A measure of classes with its 95% interval over queries, the best class first."""

    names: list[str]
    estimates: list[numbers.Estimate]


class Result(NamedTuple):
    """One of the results of a query."""

    clip: str
    score: float
    relevant: bool


# -- classes and families ---------------------------------------------------------------------------------


def classes(spec: Retrieval) -> pd.DataFrame:
    """Return the classes with their scores, as in `Retrieval`; a class of no family has ""."""
    return once(("retrieval-classes", spec.key), lambda: read_table(spec, "classes").fillna({"family": ""}))


def excluded(spec: Retrieval) -> list[str]:
    """Return the classes of which no clip could find another."""
    return once(("retrieval-excluded", spec.key), lambda: read_table(spec, "excluded")["class"].tolist())


def left_out(spec: Retrieval) -> list[str]:
    """Return the classes that no family's number counts."""
    return result(spec).left_out


def groups(spec: Retrieval) -> dict[str, list[str]]:
    """Return the families with their classes, sorted, those of no family last; {} where there are none."""
    if spec.by == "family":
        return {}
    shown = classes(spec)
    found = {str(f): sorted(part["class"]) for f, part in shown.groupby("family")}
    alone = found.pop("", [])
    return found | ({NO_FAMILY: alone} if alone else {}) if found else {}


def heat(specs: Sequence[Retrieval], measure: str) -> Heat | None:
    """Return a measure of every space and family; None where there are no families."""

    def read() -> Heat | None:
        parts = [_families(s, measure) for s in specs]
        names = sorted({name for part in parts for name in part.index})
        if not names:
            return None
        values, low, high = (
            np.array([part[column].reindex(names).to_numpy(float) for part in parts])
            for column in ("value", "low", "high")
        )
        counts = [pd.concat([p[k] for p in parts], axis=1).max(axis=1) for k in ("n_classes", "n_queries")]
        n_classes, n_queries = ([int(v) for v in count.reindex(names)] for count in counts)
        return Heat([s.embedding.encoder for s in specs], names, values, low, high, n_classes, n_queries)

    return once(("retrieval-heat", tuple(s.key for s in specs), measure), read)


def _families(spec: Retrieval, measure: str) -> pd.DataFrame:
    if spec.by == "family":  # which takes the place of the class
        shown = by_class(spec, measure)
        return pd.DataFrame(
            {
                "value": [e.value for e in shown.estimates],
                "low": [e.low for e in shown.estimates],
                "high": [e.high for e in shown.estimates],
                "n_classes": 1,
                "n_queries": [e.n for e in shown.estimates],
            },
            index=pd.Index(shown.names, dtype=object),
        )
    found = read_table(spec, "families").set_index("family")
    ends = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high"}
    return found[[*ends, "n_classes", "n_queries"]].rename(columns=ends)


def heat_table(shown: Heat, measure: str) -> pd.DataFrame:
    """Return the numbers of spaces and families as a table, a row each."""
    return pd.DataFrame(
        [
            {"space": space, "family": group, measure: shown.values[i, j], "low": shown.low[i, j]}
            | {"high": shown.high[i, j], "classes": shown.n_classes[j], "queries": shown.n_queries[j]}
            for i, space in enumerate(shown.spaces)
            for j, group in enumerate(shown.groups)
        ]
    )


def by_class(spec: Retrieval, measure: str) -> ByClass:
    """Return a measure of all classes, the best first."""

    def read() -> ByClass:
        of, high = OF_QUERY[measure], np.inf if measure == "mr1" else 1.0
        found = {
            str(label): numbers.mean(part.to_numpy(), low=0.0, high=high)
            for label, part in queries(spec).groupby("class", observed=True)[of]
        }
        names = sorted(found, key=lambda n: (badness(found[n].value, measure), n))
        return ByClass(names, [found[n] for n in names])

    return once(("retrieval-by-class", spec.key, measure), read)


def only(shown: ByClass, names: Sequence[str]) -> ByClass:
    """Return some of the classes, in the same order; what is not there is left out."""
    wanted = set(names)
    pairs = [(n, e) for n, e in zip(shown.names, shown.estimates, strict=True) if n in wanted]
    return ByClass([n for n, _ in pairs], [e for _, e in pairs])


def classes_table(specs: Sequence[Retrieval], names: Sequence[str], measure: str) -> pd.DataFrame:
    """Return a measure of classes in some spaces as a table."""
    return pd.DataFrame(
        [
            {"space": s.embedding.encoder, "class": n, OF_QUERY[measure]: e.value, "low": e.low}
            | {"high": e.high, "queries": e.n}
            for s in specs
            for shown in [only(by_class(s, measure), names)]
            for n, e in zip(shown.names, shown.estimates, strict=True)
        ]
    )


def dots(
    specs: Mapping[str, Retrieval], names: Sequence[str], measure: str
) -> tuple[list[str], dict[str, np.ndarray], list[int]]:
    """Return classes, the best of the first space first, with each space's numbers and the queries of each.

    Returns
    -------
    names : list of str, length C
    values : dict
        Space to (C, 3): value and the ends of its interval, NaN for a class that it does not have.
    n : list of int
        Queries a class in the first space.
    """
    shown = {space: only(by_class(s, measure), names) for space, s in specs.items()}
    first = next(iter(shown.values()))
    values = {}
    for space, found in shown.items():
        of = dict(zip(found.names, found.estimates, strict=True))
        lines = [(e.value, e.low, e.high) for e in (of.get(n, NOTHING) for n in first.names)]
        values[space] = np.array(lines, float).reshape(-1, 3)
    return first.names, values, [e.n for e in first.estimates]


# -- queries ----------------------------------------------------------------------------------------------


def queries_of(spec: Retrieval, label: str, measure: str, *, best_first: bool) -> pd.DataFrame:
    """Return the queries of a class by their score, then by clip."""

    def find() -> pd.DataFrame:
        found = queries(spec)
        mine = found[found["class"] == label]
        column = OF_QUERY[measure]
        # R1 says little of two lists that begin alike; AP@15 says more.
        badness = {column: better(measure) * mine[column], "ap@15": mine["ap@15"]}
        keys: pd.DataFrame = pd.DataFrame(badness | {"clip_id": mine["clip_id"]})
        ascending = [not best_first, not best_first, True][-keys.shape[1] :]
        return mine.loc[keys.sort_values(keys.columns.tolist(), ascending=ascending).index].reset_index(
            drop=True
        )

    return once(("retrieval-queries-of", spec.key, label, measure, best_first), find)


def results_of(spec: Retrieval, c: Clips, clip: str, label: str, most: int = SHOWN) -> list[Result]:
    """Return the first results of a query, and which of them carry the class that is asked for."""
    lookup: dict[str, int] = once(
        ("embedding-row", spec.embedding.key, c.key),
        lambda: {str(c.ids[r]): i for i, r in enumerate(rows_of(spec.embedding, c)) if r >= 0},
    )
    lists, rows = result(spec), rows_of(spec.embedding, c)
    found, scores = lists.results[lookup[clip], :most], lists.scores[lookup[clip], :most]
    # Whoever carries the class is asked for it as well.
    carries = _members(spec, label)
    ids = [str(c.ids[rows[i]]) if rows[i] >= 0 else "" for i in found]
    return [Result(i, float(s), i in carries) for i, s in zip(ids, scores, strict=True) if i]


def _members(spec: Retrieval, label: str) -> set[str]:
    def find() -> set[str]:
        found = queries(spec)
        return set(found.loc[found["class"] == label, "clip_id"])

    return once(("retrieval-members", spec.key, label), find)


def results_table(found: Sequence[Result], c: Clips, clip: str, label: str) -> pd.DataFrame:
    """Return the results of a query as a table."""
    return pd.DataFrame(
        [
            {"query": clip, "asked_for": label, "rank": i, "clip_id": r.clip, "score": r.score}
            | {"relevant": r.relevant, "label": c.labels[c.row[r.clip]], "path": c.files[c.row[r.clip]]}
            for i, r in enumerate(found, start=1)
        ]
    )


def query_said(found: pd.DataFrame, measure: str) -> list[str]:
    """Say a measure of queries: R1 of one query is a whole number."""
    return [f"{v:,.0f}" if measure == "r1" else said(v, measure) for v in found[measure].tolist()]
