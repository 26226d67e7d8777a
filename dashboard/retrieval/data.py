"""How well spaces find sounds of a kind, as the page shows it: read from results, aligned to the clips."""

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
from dashboard.results import has, result, rows_of
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

_NOTHING = numbers.Estimate(float("nan"), float("nan"), float("nan"), 0)


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
    macro: dict[str, numbers.Estimate] = field(default_factory=lambda: dict.fromkeys(MEASURES, _NOTHING))
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


@dataclass(frozen=True)
class Systems:
    """Every way of retrieval in one space.

    Attributes
    ----------
    table : DataFrame
        As in `RetrievalGrid`, with ``scale`` and ``normalize`` (as text), which are those of its spec in all
        rows.
    fixed : int
        The row that models are compared by.
    note : str
        Why that is not the one of 100 components.
    """

    table: pd.DataFrame
    fixed: int
    note: str
    n_queries: int
    n_classes: int
    dimensions: int
    frame_level: bool


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
            return (*last_if_unknown(_badness(r.macro[by].value, by)), r.space)
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


# -- systems ----------------------------------------------------------------------------------------------


def systems(spec: RetrievalGrid) -> Systems:
    """Return every way of retrieval in a space."""

    def read() -> Systems:
        found = result(spec)
        return Systems(
            found.systems.to_pandas().assign(scale=spec.scale, normalize=str(spec.normalize)),
            **{name: getattr(found, name) for name in Systems.__dataclass_fields__ if name != "table"},
        )

    return once(("retrieval-systems", spec.key), read)


def system_values(found: Systems, measure: str) -> list[tuple[str, int, str, float, float, float]]:
    """Return every system with a measure: aggregation, components, algorithm, value, low, high."""
    columns = ["aggregation", "components", "algorithm", measure, f"{measure}_low", f"{measure}_high"]
    return list(found.table[columns].itertuples(index=False, name=None))


def best_system(found: Systems, measure: str) -> int | None:
    """Return the row of the best system, the first of equals; None where no system could be built."""
    values = found.table[measure].to_numpy(float) * better(measure)
    return int(np.nanargmax(values)) if np.isfinite(values).any() else None


def system_name(system: Mapping[Any, Any]) -> str:
    """Say what a system is: ``mean, PCA to 100, MCSS``."""
    parts = [system["aggregation"], "min-max" * (system["scale"] == "minmax")]
    parts += ["unit length" * (system["normalize"] == "before")]
    parts += [kept(int(system["components"])), ALGORITHMS[system["algorithm"]]]
    return ", ".join(p for p in parts if p)


def kept(components: int) -> str:
    """Say how many components are kept."""
    return f"PCA to {components}" if components else "no PCA"


def skipped(found: Systems) -> list[str]:
    """Say which systems could not be built and why, a line for all that have one reason."""
    rows = found.table[found.table["skipped"] != ""]
    lines = []
    for reason, part in rows.groupby("skipped", sort=False):
        ways = part.drop_duplicates(["aggregation", "components"]).to_dict("records")
        what = [", ".join(p for p in (w["aggregation"], kept(int(w["components"]))) if p) for w in ways]
        lines.append(f"{' · '.join(what)} ({numbers.count(len(part), 'system')}): {reason}.")
    return lines


def variation(encoder: str) -> tuple[str, str]:
    """Return the model that an encoder is a variation of, and which one; "" where there are no others.

    An encoder that takes a model is told by its name up to the first dash or underscore.

    Examples
    --------
    >>> variation("aisfx"), variation("transformers:laion/clap-htsat-unfused")
    (('aisfx', ''), ('laion/clap', 'htsat-unfused'))
    >>> variation("imported:openl3-env-mel256"), variation("onnx:/models/yamnet")
    (('openl3', 'env-mel256'), ('yamnet', ''))
    """
    _, colon, argument = encoder.partition(":")
    if not colon:
        return encoder, ""
    # Of a folder only the last name says something.
    name = argument.rstrip("/").rpartition("/")[2] if argument.startswith(("/", ".", "~")) else argument
    owner, slash, last = name.rpartition("/")
    cut = min((i for i, x in enumerate(last) if x in "-_"), default=len(last)) or len(last)
    return f"{owner}{slash}{last[:cut]}", last[cut + 1 :]


def selection(found: Mapping[str, Systems], measure: str) -> pd.DataFrame:
    """Choose as the paper does: the best system of every variation, then the best variation of every model.

    Parameters
    ----------
    found : mapping
        Encoder to its systems.
    measure : str
        One of the `MEASURES`.

    Returns
    -------
    DataFrame
        One row a variation: ``encoder``, ``model``, ``variation``, the columns of the systems, ``system`` in
        words, and ``chosen``, whether it stands for its model.
    """
    from core.retrieval import select

    parts = [
        s.table.assign(**dict(zip(("model", "variation"), variation(e), strict=True)), encoder=e)
        for e, s in found.items()
    ]
    # An encoder is its own variation, so that two whose names say the same do not hide each other.
    variations, models = select(pd.concat(parts, ignore_index=True), variation="encoder", measure=measure)
    chosen = variations["encoder"].isin(set(models["encoder"]))
    names = [system_name(r) for r in variations.to_dict("records")]
    # Variations of a model stand together, where the first of them stands.
    place = {m: i for i, m in enumerate(dict.fromkeys(variations["model"]))}
    variations = variations.assign(system=names, chosen=chosen)
    return variations.sort_values("model", key=lambda m: m.map(place), kind="stable", ignore_index=True)


# -- classes and families ---------------------------------------------------------------------------------


def classes(spec: Retrieval) -> pd.DataFrame:
    """Return the classes with their scores, as in `Retrieval`; a class of no family has ""."""
    return once(("retrieval-classes", spec.key), lambda: _table(spec, "classes").fillna({"family": ""}))


def excluded(spec: Retrieval) -> list[str]:
    """Return the classes of which no clip could find another."""
    return once(("retrieval-excluded", spec.key), lambda: _table(spec, "excluded")["class"].tolist())


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
    found = _table(spec, "families").set_index("family")
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
        names = sorted(found, key=lambda n: (_badness(found[n].value, measure), n))
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
        lines = [(e.value, e.low, e.high) for e in (of.get(n, _NOTHING) for n in first.names)]
        values[space] = np.array(lines, float).reshape(-1, 3)
    return first.names, values, [e.n for e in first.estimates]


# -- queries ----------------------------------------------------------------------------------------------


def queries(spec: Retrieval) -> pd.DataFrame:
    """Return the queries with their scores, as in `Retrieval`."""
    return once(("retrieval-queries", spec.key), lambda: _table(spec, "queries"))


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


def query_said(found: pd.DataFrame, measure: str) -> list[str]:
    """Say a measure of queries: R1 of one query is a whole number."""
    return [f"{v:,.0f}" if measure == "r1" else said(v, measure) for v in found[measure].tolist()]


def _table(spec: Retrieval, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = getattr(result(spec), name).to_pandas()
    return frame


def _badness(value: float, measure: str) -> float:
    return -better(measure) * value


def _estimate(found: Mapping[str, float | None], n: int) -> numbers.Estimate:
    value, low, high = (float("nan") if (v := found[k]) is None else v for k in ("value", "low", "high"))
    return numbers.Estimate(value, low, high, n)
