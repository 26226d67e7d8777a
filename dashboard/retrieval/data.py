"""The measures of retrieval, and the results of all models as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.retrieval import compare, highest_map, jackknife_values
from core.statistics import Difference, holm, paired_difference
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import has, result
from jobs import encoders
from jobs.encoders import Card, UnknownEncoder
from jobs.specs import CUTOFFS, Retrieval, RetrievalGrid
from jobs.workspace.workspace import Dataset


@dataclass(frozen=True)
class Measure:
    """A measure of retrieval: of a space in the mean over classes, and of single queries."""

    #: In links and results, and on the page.
    name: str
    title: str
    #: The same for one query, or for the mean over the queries of a class.
    of_query: str
    query_title: str
    #: 1 where more is better, -1 where less is.
    better: int = 1

    @property
    def arrow(self) -> str:
        """The direction of better values."""
        return "↑" if self.better > 0 else "↓"

    @property
    def digits(self) -> int:
        """Decimals in figures."""
        return 3 if self.better > 0 else 2

    @property
    def limit(self) -> float:
        """The largest value of a query."""
        return 1.0 if self.better > 0 else np.inf

    def axis(self, *, of_class: bool = False, apart: str = ", ") -> str:
        """Return the title with the range and, after `apart`, the direction, for an axis."""
        title = self.query_title if of_class else self.title
        if self.better < 0:
            return f"{title}, results before the first relevant one{apart}lower is better"
        return f"{title}, 0 to 1{apart}higher is better"

    def text(self, value: float, sign: str = "") -> str:
        """Format a value: three decimals, fewer for ranks; a dash where it is not finite.

        Examples
        --------
        >>> MEASURES["map@15"].text(0.8514), MEASURES["mr1"].text(12.34), MEASURES["mr1"].text(0.325)
        ('0.851', '12.3', '0.33')
        >>> MEASURES["map@15"].text(0.02, "+"), MEASURES["mr1"].text(-3.0, "+"), MEASURES["mr1"].text(np.inf)
        ('+0.020', '−3.00', '–')
        """
        if not np.isfinite(value):
            return "–"
        digits = 3 if self.better > 0 else 2 if abs(value) < 10 else 1
        return f"{value:{sign},.{digits}f}".replace("-", "−")


MEASURES = {
    m.name: m
    for m in (
        Measure("map@15", "MAP@15", "ap@15", "AP@15"),
        Measure("map@150", "MAP@150", "ap@150", "AP@150"),
        Measure("mr1", "MR1", "r1", "R1", better=-1),
    )
}
#: What makes a result relevant: value in the link to name on the page.
BY = {"label": "class", "family": "family"}
#: Orders of the models.
SORTS = {name: m.title for name, m in MEASURES.items()} | {
    "space": "name",
    "modality": "modality, then MAP@15",
    "parameters": "parameters",
    "training": "training data",
    "dimensions": "dimensions",
}
ALGORITHMS = {"mips": "MIPS", "mcss": "MCSS", "nns": "NNS"}
#: Note on a space whose dimensions are scaled by their ranges.
SCALED = "Each dimension is scaled to 0..1 by its range over the clips first (min-max)."
#: Note on vectors that are scaled to unit length ahead of PCA.
UNIT_FIRST = "Vectors are scaled to unit length before PCA."
#: Results of a query that are shown: its first page.
SHOWN = CUTOFFS[0]


def has_families(dataset: Dataset) -> bool:
    """Return whether classes are grouped into families."""
    return bool(dataset.classes["family"].notna().any())


def class_sizes(c: Clips) -> dict[str, int]:
    """Count the clips that carry each class; a clip may carry several."""

    def count() -> dict[str, int]:
        lists = [
            sorted({str(v) for v in many}) if np.ndim(many) else [one]
            for one, many in zip(c.labels, c.frame.get("labels", c.labels), strict=True)
        ]
        labels = pd.Series(lists, dtype=object).explode().dropna()
        return {str(k): int(n) for k, n in labels[labels != ""].value_counts().sort_index().items()}

    return once(("class-sizes", c.key), count)


def table(spec: Retrieval | RetrievalGrid, name: str) -> pd.DataFrame:
    """Return a table of a result; it stays in memory."""
    stored: Any = spec
    return once(("retrieval-table", spec.key, name), lambda: getattr(result(stored), name).to_pandas())


def estimate(spec: Retrieval, measure: str) -> numbers.Estimate:
    """Return a measure of a space, in the mean over classes, with its 95% interval."""
    stored = result(spec)
    values = {k: float("nan") if v is None else v for k, v in stored.macro[measure].items()}
    return numbers.Estimate(**values, n=stored.n_queries)


def models(specs: Sequence[Retrieval]) -> pd.DataFrame:
    """Return a row a space, intervals in columns of their own, NaN where the result is missing."""
    return pd.DataFrame([_model(spec) for spec in specs])


def _model(spec: Retrieval) -> dict[str, Any]:
    name, space = spec.embedding.encoder, result(spec.embedding)
    try:
        card = encoders.card(name, {} if space.artifact is None else space.artifact.meta)
    except UnknownEncoder:  # of a distribution that is not installed any more
        card = Card()
    stored = result(spec) if has(spec) else None
    row: dict[str, Any] = {
        "space": name,
        "modality": card.modality,
        "objective": card.objective,
        "parameters": card.parameters,
        "training_data": card.training_data,
        "dimensions": int(space.embeddings.shape[1]),
        "compared_dimensions": stored and stored.dimensions,
        "clips": stored and stored.n_clips,
        "queries": stored and stored.n_queries,
        "classes": stored and stored.n_classes,
    }
    for m in MEASURES:
        e = estimate(spec, m) if stored else numbers.Estimate(np.nan, np.nan, np.nan, 0)
        row |= {m: e.value, f"{m}_low": e.low, f"{m}_high": e.high}
    return row | {"note": " ".join(filter(None, (preparation(spec), stored.note))) if stored else ""}


def preparation(spec: Retrieval | RetrievalGrid) -> str:
    """Return what is done to vectors before PCA, as sentences."""
    return " ".join([SCALED] * (spec.scale == "minmax") + [UNIT_FIRST] * (spec.normalize == "before"))


def ordered(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sort `models` by one of the `SORTS`: the best or the smallest first, unknown values last."""
    keys = pd.DataFrame({"space": rows["space"]})
    if by in MEASURES:
        keys.insert(0, "value", -MEASURES[by].better * rows[by])
    elif by == "modality":
        known = rows["modality"].fillna("")
        parts: dict[str, Any] = {"unknown": known == "", "n": known.str.count("&"), "known": known}
        keys = pd.DataFrame(parts | {"value": -rows["map@15"], "space": rows["space"]})
    elif by != "space":
        column = "training_data" if by == "training" else by
        keys.insert(0, "value", rows[column].astype(float))
    return rows.loc[keys.sort_values(keys.columns.tolist(), kind="stable").index].reset_index(drop=True)


def ceiling(spec: Retrieval | RetrievalGrid, sizes: Mapping[str, int], measure: str) -> tuple[float, int]:
    """Compute the highest possible MAP@N, and for how many classes AP@N is below 1.

    `sizes` are the clips of each class; classes with fewer than two are left out, as in the result.
    """
    return highest_map(sizes.values(), int(measure.partition("@")[2]), count_query=spec.count_query)


def differences(specs: Sequence[Retrieval], reference: Retrieval, measure: str) -> pd.DataFrame:
    """Compare spaces to one of them on the same queries, a row each, in their order.

    Paired t tests over clips, of their shares in the mean over classes; ``p_holm`` is corrected for all rows.
    """
    others = [s for s in specs if s.key != reference.key]
    rows = []
    for s in others:
        d = _difference(s, reference, MEASURES[measure].of_query)
        row = {"space": s.embedding.encoder, "reference": reference.embedding.encoder, "measure": measure}
        rows.append(row | {"difference": d.value, "low": d.low, "high": d.high, "clips": d.n, "p": d.p})
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame["p"]))


def _difference(spec: Retrieval, reference: Retrieval, measure: str) -> Difference:
    def compute() -> Difference:
        a, b = table(spec, "queries"), table(reference, "queries")
        if len(a) == len(b) and all(a[k].equals(b[k]) for k in ("clip_id", "class")):
            return paired_difference(_shares(spec, measure), _shares(reference, measure))
        # A space that left clips out has answered fewer queries.
        pair = compare({"a": a, "b": b}, measure, query="clip_id").iloc[0]
        value, low, high, p = (float(pair[k]) for k in ("difference", "low", "high", "p"))
        return Difference(value, low, high, int(pair["n"]), p)

    return once(("retrieval-difference", spec.key, reference.key, measure), compute)


def _shares(spec: Retrieval, measure: str) -> np.ndarray:
    return once(
        ("retrieval-shares", spec.key, measure),
        lambda: jackknife_values(table(spec, "queries"), measure, query="clip_id").to_numpy(),
    )


def rounded(count: float | None) -> str | None:
    """Format a large number as tables of models do; None where it is not known.

    Examples
    --------
    >>> rounded(62_000_000), rounded(96_912), rounded(1_800_000), rounded(0), rounded(None)
    ('62M', '96.9K', '1.8M', '0', None)
    """
    if count is None or np.isnan(count):
        return None
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}"
