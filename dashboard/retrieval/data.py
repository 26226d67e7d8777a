"""How well spaces find sounds of a kind, model by model, as the page shows it: read from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.retrieval import compare, highest_map, jackknife_values
from core.statistics import Difference, holm, paired_difference
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import has, result
from jobs import encoders
from jobs import presets as measures
from jobs.encoders import Card, UnknownEncoder
from jobs.specs import CUTOFFS, EmbedAudio, Retrieval, RetrievalGrid
from jobs.workspace.workspace import Dataset

#: Measures of a space: value in the URL to name on the page.
MEASURES = {"map@15": "MAP@15", "map@150": "MAP@150", "mr1": "MR1"}
#: The same of one query, or of a class in the mean over its queries.
OF_QUERY = {"map@15": "ap@15", "map@150": "ap@150", "mr1": "r1"}
NAMES = {"ap@15": "AP@15", "ap@150": "AP@150", "r1": "R1"}
#: What makes a result relevant: value in the URL to name on the page.
BY = {"label": "class", "family": "family"}
#: Ways to sort the models.
SORTS = {
    "map@15": "MAP@15",
    "map@150": "MAP@150",
    "mr1": "MR1",
    "space": "name",
    "modality": "modality, then MAP@15",
    "parameters": "parameters",
    "training": "training data",
    "dimensions": "dimensions",
}
ALGORITHMS = {"mips": "MIPS", "mcss": "MCSS", "nns": "NNS"}
#: Classes that no family holds, as a group of their own.
NO_FAMILY = "no family"
#: What is said where every dimension is scaled by its range.
SCALED = "Each dimension is scaled to 0..1 by its range over the clips first (min-max)."
#: What is said where vectors are scaled to unit length ahead of PCA.
UNIT_FIRST = "Vectors are scaled to unit length before PCA."
#: Results of a query that are shown: its first page.
SHOWN = CUTOFFS[0]

#: What is not computed.
NOTHING = numbers.Estimate(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class Row:
    """A space in one row: NaN, or an estimate of no clips, for what is not computed."""

    space: str
    card: Card
    #: Of the space itself, and what was compared of it.
    dimensions: int
    compared: int = 0
    n_clips: int = 0
    n_queries: int = 0
    n_classes: int = 0
    macro: dict[str, numbers.Estimate] = field(default_factory=lambda: dict.fromkeys(MEASURES, NOTHING))
    #: What is done otherwise than in the system that all are compared by.
    note: str = ""

    @property
    def there(self) -> bool:
        """True if it is computed."""
        return self.n_queries > 0


class Compared(NamedTuple):
    """A space against the one of reference, on the queries that both answered."""

    space: str
    difference: Difference
    #: Corrected for all spaces that are compared.
    p_holm: float


# -- what is asked for ------------------------------------------------------------------------------------


def has_families(dataset: Dataset) -> bool:
    """True if classes are grouped into families."""
    return bool(dataset.classes["family"].notna().any())


def sizes(c: Clips) -> dict[str, int]:
    """Return how many clips carry each class; a clip may carry several."""

    def count() -> dict[str, int]:
        found: dict[str, int] = {}
        several = c.frame.get("labels", c.labels)
        for one, many in zip(c.labels, several, strict=True):
            for label in {str(v) for v in many} if np.ndim(many) else {one} - {""}:
                found[label] = found.get(label, 0) + 1
        return dict(sorted(found.items()))

    return once(("class-sizes", c.key), count)


def asked(
    dataset: Dataset, embedding: EmbedAudio, by: str, count_query: bool, normalize: bool | str = False
) -> Retrieval:
    """Return the spec of the system that models are compared by."""
    found = measures.of_retrieval(dataset, embedding, count_query=count_query, normalize=normalize)
    return next(s for s in found if s.by == by)


def grid(
    dataset: Dataset, embedding: EmbedAudio, by: str, count_query: bool, normalize: bool | str = False
) -> RetrievalGrid:
    """Return the spec of all systems of a space."""
    return measures.grid_of_retrieval(dataset, embedding, by=by, count_query=count_query, normalize=normalize)


# -- models -----------------------------------------------------------------------------------------------


def row(spec: Retrieval) -> Row:
    """Return the row of a space, with what is there."""
    return once(("retrieval-row", spec.key, has(spec)), lambda: _row(spec))


def _row(spec: Retrieval) -> Row:
    name, space = spec.embedding.encoder, result(spec.embedding)
    try:
        card = encoders.card(name, {} if space.artifact is None else space.artifact.meta)
    except UnknownEncoder:  # of a distribution that is no longer here
        card = Card()
    dimensions = int(space.embeddings.shape[1])
    if not has(spec):
        return Row(name, card, dimensions)
    found = result(spec)
    macro = {m: _estimate(found.macro[m], found.n_queries) for m in MEASURES}
    return Row(
        name,
        card,
        dimensions,
        compared=found.dimensions,
        n_clips=found.n_clips,
        n_queries=found.n_queries,
        n_classes=found.n_classes,
        macro=macro,
        note=" ".join(filter(None, (said_of(spec), found.note))),
    )


def said_of(spec: Retrieval | RetrievalGrid) -> str:
    """Say what is done to vectors before PCA."""
    return " ".join([SCALED] * (spec.scale == "minmax") + [UNIT_FIRST] * (spec.normalize == "before"))


def ordered(rows: Sequence[Row], by: str) -> list[Row]:
    """Sort rows by one of the `SORTS`: the best or the smallest first, what is not known last."""

    def last_if_unknown(value: float | None) -> tuple[bool, float]:
        unknown = value is None or not np.isfinite(value)
        return unknown, 0.0 if unknown or value is None else float(value)

    def key(r: Row) -> tuple[Any, ...]:
        if by in MEASURES:
            return (*last_if_unknown(badness(r.macro[by].value, by)), r.space)
        if by == "modality":
            known = r.card.modality or ""
            return (not known, len(known.split("&")), known, *last_if_unknown(-r.macro["map@15"].value))
        of = {"parameters": r.card.parameters, "training": r.card.training_data, "dimensions": r.dimensions}
        return (*last_if_unknown(of[by]), r.space) if by in of else (r.space,)

    return sorted(rows, key=key)


def better(measure: str) -> int:
    """1 where more is better, -1 where less is."""
    return -1 if measure in ("mr1", "r1") else 1


def table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return models as a table of numbers, intervals in columns of their own."""
    out: list[dict[str, Any]] = []
    for r in rows:
        known: dict[str, Any] = {"space": r.space, "modality": r.card.modality, "objective": r.card.objective}
        known |= {"parameters": r.card.parameters, "training_data": r.card.training_data}
        known |= {"dimensions": r.dimensions, "compared_dimensions": r.compared or None}
        known |= {"clips": r.n_clips or None, "queries": r.n_queries or None, "classes": r.n_classes or None}
        for m, e in r.macro.items():
            known |= {m: e.value, f"{m}_low": e.low, f"{m}_high": e.high}
        out.append(known | {"note": r.note})
    return pd.DataFrame(out)


def ceiling(spec: Retrieval | RetrievalGrid, sizes: Mapping[str, int], measure: str) -> tuple[float, int]:
    """Return the highest value of a measure that there can be, and for how many classes it is below 1.

    Parameters
    ----------
    spec : Retrieval or RetrievalGrid
        Whose ``count_query`` says what AP@N divides by.
    sizes : mapping
        Class to its clips; those with fewer than two are left out, as in the result.
    measure : str
        ``map@15`` or ``map@150``.
    """
    cutoff = int(measure.partition("@")[2])
    return highest_map(sizes.values(), cutoff, count_query=spec.count_query)


def differences(specs: Sequence[Retrieval], reference: Retrieval, measure: str) -> list[Compared]:
    """Compare spaces to one of them on the same queries, in their order.

    Paired t tests over clips, of their shares in the mean over classes; `Compared.p_holm` is corrected for
    all of them (Holm).
    """
    others = [s for s in specs if s.key != reference.key]
    found = [_difference(s, reference, OF_QUERY[measure]) for s in others]
    corrected = holm([d.p for d in found])
    return [
        Compared(s.embedding.encoder, d, float(p)) for s, d, p in zip(others, found, corrected, strict=True)
    ]


def _difference(spec: Retrieval, reference: Retrieval, measure: str) -> Difference:
    def find() -> Difference:
        a, b = queries(spec), queries(reference)
        if len(a) == len(b) and all(a[k].equals(b[k]) for k in ("clip_id", "class")):
            return paired_difference(_shares(spec, measure), _shares(reference, measure))
        # A space that left clips out has answered fewer queries.
        pair = compare({"a": a, "b": b}, measure, query="clip_id").iloc[0]
        value, low, high, p = (float(pair[k]) for k in ("difference", "low", "high", "p"))
        return Difference(value, low, high, int(pair["n"]), p)

    return once(("retrieval-difference", spec.key, reference.key, measure), find)


def _shares(spec: Retrieval, measure: str) -> np.ndarray:
    return once(
        ("retrieval-shares", spec.key, measure),
        lambda: jackknife_values(queries(spec), measure, query="clip_id").to_numpy(),
    )


def differences_table(found: Sequence[Compared], reference: str, measure: str) -> pd.DataFrame:
    """Return differences to a space as a table."""
    return pd.DataFrame(
        [
            {"space": f.space, "reference": reference, "measure": measure, "difference": f.difference.value}
            | {"low": f.difference.low, "high": f.difference.high, "clips": f.difference.n}
            | {"p": f.difference.p, "p_holm": f.p_holm}
            for f in found
        ]
    )


def said(value: float, measure: str) -> str:
    """Say a measure: three decimals, fewer for ranks; a dash where there is none.

    Examples
    --------
    >>> said(0.8514, "map@15"), said(12.34, "mr1"), said(0.325, "mr1"), said(float("nan"), "mr1")
    ('0.851', '12.3', '0.33', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{value:,.{decimals(value, measure)}f}".replace("-", "−")


def decimals(value: float, measure: str) -> int:
    """Return how many decimals of a measure say something."""
    return 3 if better(measure) > 0 else 2 if abs(value) < 10 else 1


def difference_said(value: float, measure: str) -> str:
    """Say a difference with its sign.

    Examples
    --------
    >>> difference_said(0.02, "map@15"), difference_said(-3.0, "mr1"), difference_said(float("inf"), "mr1")
    ('+0.020', '−3.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{value:+,.{decimals(value, measure)}f}".replace("-", "−")


def rounded(count: int | None) -> str | None:
    """Say a large number as tables of models do.

    Examples
    --------
    >>> rounded(62_000_000), rounded(96_912), rounded(1_800_000), rounded(0), rounded(None)
    ('62M', '96.9K', '1.8M', '0', None)
    """
    if count is None:
        return None
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def queries(spec: Retrieval) -> pd.DataFrame:
    """Return the queries with their scores, as in `Retrieval`."""
    return once(("retrieval-queries", spec.key), lambda: read_table(spec, "queries"))


def read_table(spec: Retrieval, name: str) -> pd.DataFrame:
    """Return a table of a result."""
    frame: pd.DataFrame = getattr(result(spec), name).to_pandas()
    return frame


def badness(value: float, measure: str) -> float:
    """Return a measure so that less is better."""
    return -better(measure) * value


def _estimate(found: Mapping[str, float | None], n: int) -> numbers.Estimate:
    value, low, high = (float("nan") if (v := found[k]) is None else v for k in ("value", "low", "high"))
    return numbers.Estimate(value, low, high, n)
