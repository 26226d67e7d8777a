"""The results of retrieval by class, by family and by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import result, rows_of
from dashboard.retrieval.data import MEASURES, SHOWN, Measure, table
from jobs.specs import Retrieval

#: Classes that belong to no family, as a group of their own.
NO_FAMILY = "no family"


def classes(spec: Retrieval) -> pd.DataFrame:
    """Return the classes with their scores, as in `Retrieval`; a class of no family has ""."""
    return table(spec, "classes").fillna({"family": ""})


def families(spec: Retrieval) -> dict[str, list[str]]:
    """Return the families with their classes, sorted, those of no family last; {} where classes have none."""
    if spec.by == "family":
        return {}
    groups = {str(f): sorted(part["class"]) for f, part in classes(spec).groupby("family")}
    alone = groups.pop("", [])
    return groups | ({NO_FAMILY: alone} if alone else {}) if groups else {}


def by_family(specs: Sequence[Retrieval], measure: Measure) -> pd.DataFrame:
    """Return a measure of every space and family, a row each, NaN where a space lacks a family.

    Columns are ``space``, ``family``, the measure's name, ``low``, ``high``, ``classes`` and ``queries``, the
    last two those of the space that has most. No rows where classes have no families.
    """

    def compute() -> pd.DataFrame:
        parts = {s.embedding.encoder: _families(s, measure) for s in specs}
        long = pd.concat(parts, names=["space", "family"])
        names = sorted(set(long.index.get_level_values("family")))
        full = long.reindex(pd.MultiIndex.from_product([list(parts), names], names=long.index.names))
        counts = full.groupby(level="family")[["classes", "queries"]].transform("max")
        return full.assign(**counts.astype(int)).reset_index()

    return once(("retrieval-families", tuple(s.key for s in specs), measure.name), compute)


def _families(spec: Retrieval, measure: Measure) -> pd.DataFrame:
    m = measure.name
    if spec.by == "family":  # which takes the place of the class
        frame = by_class(spec, measure).rename(columns={"value": m, "n": "queries"})
        return frame.assign(classes=1)[[m, "low", "high", "classes", "queries"]]
    frame = table(spec, "families").set_index("family")
    frame = frame[[m, f"{m}_low", f"{m}_high", "n_classes", "n_queries"]]
    return frame.set_axis([m, "low", "high", "classes", "queries"], axis=1)


def by_class(spec: Retrieval, measure: Measure, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a measure of all classes, or of some, by class, the best first.

    Columns are ``value``, ``low`` and ``high``, the 95% interval over queries, and ``n``, the queries.
    """

    def compute() -> pd.DataFrame:
        groups = table(spec, "queries").groupby("class", observed=True)[measure.of_query]
        means = {str(k): numbers.mean(v.to_numpy(), low=0.0, high=measure.limit) for k, v in groups}
        rows = [(name, e.value, e.low, e.high, e.n) for name, e in means.items()]
        frame = pd.DataFrame(rows, columns=["class", "value", "low", "high", "n"]).set_index("class")
        order = np.lexsort((frame.index.to_numpy(str), -measure.better * frame["value"]))
        return frame.iloc[order]

    frame: pd.DataFrame = once(("retrieval-by-class", spec.key, measure.name), compute)
    return frame if names is None else frame[frame.index.isin(names)]


def dots(specs: Sequence[Retrieval], names: Sequence[str], measure: Measure) -> dict[str, pd.DataFrame]:
    """Return `by_class` of each space, all in the order of the first one's, NaN where a class is missing."""
    order = by_class(specs[0], measure, names).index
    return {s.embedding.encoder: by_class(s, measure).reindex(order) for s in specs}


def classes_table(specs: Sequence[Retrieval], names: Sequence[str], measure: Measure) -> pd.DataFrame:
    """Return a measure of classes in some spaces as a table."""
    parts = {s.embedding.encoder: by_class(s, measure, names) for s in specs}
    columns = {"value": measure.of_query, "n": "queries"}
    return pd.concat(parts, names=["space", "class"]).rename(columns=columns).reset_index()


def queries_of(spec: Retrieval, label: str, measure: Measure, *, best_first: bool) -> pd.DataFrame:
    """Return the queries of a class in the order of their scores, then of their clips."""

    def compute() -> pd.DataFrame:
        every = table(spec, "queries")
        mine = every[every["class"] == label]
        # R1 does not tell lists apart that begin alike; AP@15 does.
        keys = {measure.of_query: measure.better * mine[measure.of_query]}
        frame = pd.DataFrame(keys | {"ap@15": mine["ap@15"], "clip_id": mine["clip_id"]})
        ascending = [not best_first] * (frame.shape[1] - 1) + [True]
        order = frame.sort_values(frame.columns.tolist(), ascending=ascending).index
        return mine.loc[order].reset_index(drop=True)

    return once(("retrieval-queries-of", spec.key, label, measure.name, best_first), compute)


def results_of(spec: Retrieval, c: Clips, clip: str, label: str, most: int = SHOWN) -> pd.DataFrame:
    """Return the first results of a query, a row each: rank, clip, score, and whether it is relevant."""
    rows = rows_of(spec.embedding, c)
    lookup: Mapping[str, int] = once(
        ("embedding-row", spec.embedding.key, c.key),
        lambda: {str(c.ids[r]): i for i, r in enumerate(rows) if r >= 0},
    )
    lists = result(spec)
    row, scores = rows[lists.results[lookup[clip], :most]], lists.scores[lookup[clip], :most]
    row, scores = row[row >= 0], scores[row >= 0]
    # Every clip that carries the class is one of its queries.
    every = table(spec, "queries")
    members = every.loc[every["class"] == label, "clip_id"]
    ids = c.ids[row].astype(str)
    return pd.DataFrame(
        {
            "query": clip,
            "asked_for": label,
            "rank": np.arange(1, len(row) + 1),
            "clip_id": ids,
            "score": scores,
            "relevant": np.isin(ids, members.to_numpy(str)),
            "label": c.labels[row],
            "path": c.files[row],
        }
    )


def query_texts(queries: pd.DataFrame, column: str) -> list[str]:
    """Format a measure of queries: R1 of one query is a whole number."""
    measure = next(m for m in MEASURES.values() if m.of_query == column)
    return [f"{v:,.0f}" if column == "r1" else measure.text(v) for v in queries[column].tolist()]
