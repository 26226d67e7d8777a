"""How well one system finds clips of the class that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from core.processing import (
    AGGREGATIONS,
    NORMALIZATIONS,
    SCALES,
    Processing,
    Reducer,
    Scaler,
    aggregate,
    fit_reducer,
    fit_scaler,
)
from core.retrieval import (
    ALGORITHMS,
    CUTOFFS,
    RetrievalReport,
    evaluate,
    macro_interval,
    macro_name,
    micro_interval,
)
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.schema import Schema, array, table, value
from jobs.tasks.spec import Spec, SpecError, between

if TYPE_CHECKING:
    import pyarrow as pa

    from core.statistics import Interval
    from jobs.engine.context import JobContext
    from jobs.tasks.retrieval_grid import RetrievalGrid

#: What the paper reports, by the names of `RetrievalReport.queries`.
MEASURES = ("ap@15", "ap@150", "r1")
_OF_QUERY = {
    f"{name}@{n}": ("double", f"{meaning} of the first {n}{verb}")
    for n in CUTOFFS
    for name, meaning, verb in (
        ("ap", "average precision", ""),
        ("precision", "share", " that is relevant"),
        ("ndcg", "normalised discounted cumulative gain", ""),
    )
} | {"r1": ("double", "rank of the first relevant clip")}
_OF_CLASSES = {macro_name(name): ("double", f"mean over classes of {name}") for name in _OF_QUERY}
_INTERVALS = {
    f"{macro_name(name)}_{end}": ("double", f"{end} end of the interval of {macro_name(name)}")
    for name in MEASURES
    for end in ("low", "high")
}


class Result(Schema):
    """Every query of a system and its list; K = min(150, n - 1); intervals are of 95%."""

    queries: pa.Table = table(
        "q",
        "a query and a class that it carries",
        {
            "clip_id": ("string", "the query"),
            "class": ("string", "the class"),
            **_OF_QUERY,
            "r1": ("int64", "rank of the first relevant clip"),
        },
    )
    classes: pa.Table = table(
        "C",
        "a class: the means of its queries",
        {
            "class": ("string", "its name"),
            "family": ("string", "its family"),
            "n_relevant": ("int64", "its clips"),
            **_OF_QUERY,
        },
    )
    excluded: pa.Table = table(
        "x",
        "a class with fewer than two clips",
        {"class": ("string", "its name"), "n_relevant": ("int64", "its clips")},
    )
    families: pa.Table = table(
        "f",
        "a family; no rows where classes have none or are families",
        {
            "family": ("string", "its name"),
            "n_classes": ("int64", "its classes"),
            "n_queries": ("int64", "their queries"),
            **_OF_CLASSES,
            **_INTERVALS,
        },
    )
    results: np.ndarray = array("int32", "n K", "rows of the clips that every clip finds, best first")
    scores: np.ndarray = array("float64", "n K", "their scores")
    mean: np.ndarray | None = array("float64", "d", "what PCA subtracts", default=None)
    components: np.ndarray | None = array("float64", "p d", "principal components", default=None)
    variances: np.ndarray | None = array("float64", "p", "variance along each", default=None)
    low: np.ndarray | None = array("float64", "d", "smallest value of a dimension, if scaled", default=None)
    high: np.ndarray | None = array("float64", "d", "largest value of a dimension, if scaled", default=None)
    n_clips: int = value("clips")
    n_queries: int = value("queries")
    n_classes: int = value("classes with queries")
    dimensions: int = value("dimensions that are compared")
    steps: list[str] = value("what is done to a clip, in words")
    n_components: int = value("principal components that are kept, 0 for all dimensions", stored="components")
    note: str = value("what the space could not do")
    left_out: list[str] = value("classes without a family")
    macro: dict[str, dict[str, float | None]] = value(
        "measure to ``value``, ``low`` and ``high``, in the mean over classes; null for what does not exist"
    )
    micro: dict[str, dict[str, float | None]] = value("the same in the mean over queries")

    @property
    def scaler(self) -> Scaler | None:
        """The min-max scaling, if there is one."""
        return None if self.low is None or self.high is None else Scaler(self.low, self.high)

    @property
    def reducer(self) -> Reducer | None:
        """The PCA, if there is one; the variance of all components is not known."""
        if self.mean is None or self.components is None or self.variances is None:
            return None
        return Reducer(self.mean, self.components, self.variances, total_variance=float("nan"))


@dataclass(frozen=True, kw_only=True)
class Retrieval(Spec[Result]):
    """How well one system finds clips of the class that is asked for, by `core.retrieval.evaluate`.

    Steps that a space does not allow are left out and named in ``note``: PCA to more components than it has
    dimensions or clips keeps all dimensions, and clips without frames are not aggregated.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"scale"})

    embedding: EmbedAudio
    #: `Dataset.labels_fingerprint`: labels can change while the sounds stay.
    labels: str
    #: What makes a clip relevant: that it carries the same "label", or a label of the same "family".
    by: str = "label"
    aggregation: str = "mean"
    #: Principal components that are kept; 0 keeps all dimensions as they are.
    components: int = 100
    #: Whether vectors are scaled to unit length: True after PCA, "before" ahead of it.
    normalize: bool | str = False
    algorithm: str = "mcss"
    count_query: bool = True
    #: Whether every dimension is scaled by its range in the corpus, before PCA: "none" or "minmax".
    scale: str = "none"

    def __post_init__(self) -> None:
        one_of("by", self.by, ("label", "family"))
        one_of("scale", self.scale, SCALES)
        one_of("normalize", self.normalize, NORMALIZATIONS)
        one_of("aggregation", self.aggregation, AGGREGATIONS)
        one_of("algorithm", self.algorithm, ALGORITHMS)
        between("components", self.components, 0, 100_000)

    @property
    def title(self) -> str:
        options = [] if self.aggregation == "mean" else [self.aggregation]
        options += ["min-max scaling"] * (self.scale == "minmax")
        if self.components != 100:
            options.append(f"PCA to {self.components}" if self.components else "no PCA")
        options += unit_length(self.normalize)
        options += [] if self.algorithm == "mcss" else [self.algorithm.upper()]
        options += [] if self.count_query else ["query not counted"]
        return f"retrieval {place(self)}" + (f" ({', '.join(options)})" if options else "")


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise `SpecError` for a value that is not allowed."""
    if value not in allowed:
        raise SpecError(f"{name} is {value!r}; it must be one of {', '.join(map(str, allowed))}.")


def unit_length(normalize: bool | str) -> list[str]:
    """Return the normalisation for a title, in a list; nothing where there is none."""
    return ["unit length before PCA" if normalize == "before" else "unit length"] if normalize else []


def place(spec: Retrieval | RetrievalGrid) -> str:
    """Return the space and what relevant clips share, for a title."""
    e = spec.embedding
    return f"in {e.dataset.name} · {e.model}" + (" by family" if spec.by == "family" else "")


class Collection(NamedTuple):
    """A space, and which of its clips carries which class."""

    clip_ids: list[str]
    relevance: pd.DataFrame  # (n, C) bool
    families: dict[str, str | None]  # of every label
    embeddings: np.ndarray  # (n, d)
    frames: np.ndarray | None  # (m, d)
    offsets: np.ndarray | None  # (n + 1,)

    def clips(self, aggregation: str) -> np.ndarray:
        """Return embeddings of the clips, (n, d), whose frames are aggregated so."""
        if self.frames is None or aggregation == "mean":  # which is what the embeddings are
            return self.embeddings
        assert self.offsets is not None
        return aggregate(self.frames, self.offsets, aggregation)


def run(spec: Retrieval, context: JobContext) -> Result:
    """Compute `Retrieval`: search with every clip by one system, and judge the lists.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, no class has two clips, or classes have no families.
    """
    context.progress(0, 4, "reading")
    collection = read_space(spec, context)
    processing = Processing(spec.aggregation, spec.components or None, spec.normalize, spec.scale)
    obstacle = processing.obstacle(*collection.embeddings.shape)
    note = f"{obstacle}: all dimensions are kept." if obstacle else ""
    if obstacle:
        context.log(note)
        processing = replace(processing, n_components=None)
    context.progress(1, 4, "processing")
    X = collection.clips(spec.aggregation)
    scaler = fit_scaler(X) if spec.scale == "minmax" else None
    X = processing.prepare(X, scaler)
    reducer = None if processing.n_components is None else fit_reducer(X, processing.n_components)
    X = processing.finish(X, reducer)
    context.progress(2, 4, "searching")
    report = evaluate(
        X, collection.relevance, algorithm=spec.algorithm, cutoffs=CUTOFFS, count_query=spec.count_query
    )
    context.progress(3, 4, "intervals")
    families = collection.families if spec.by == "label" else {}
    grouped = report.families(families)
    classes = report.classes.copy()
    classes.insert(1, "family", pd.Series([families.get(c) for c in classes["class"]], dtype="str"))
    queries = report.queries.drop(columns="query")
    queries.insert(0, "clip_id", np.array(collection.clip_ids, dtype=object)[report.queries["query"]])
    return Result(
        queries=queries,
        classes=classes,
        excluded=report.excluded.astype({"class": "str"}),
        families=_with_intervals(grouped.table, report, families),
        results=report.indices.astype(np.int32),
        scores=report.scores,
        **{name: getattr(reducer, name, None) for name in ("mean", "components", "variances")},
        **{name: getattr(scaler, name, None) for name in ("low", "high")},
        n_clips=len(collection.clip_ids),
        n_queries=len(queries),
        n_classes=len(classes),
        dimensions=X.shape[1],
        steps=list(processing.steps[collection.frames is None :]),
        n_components=processing.n_components or 0,
        note=note,
        left_out=list(grouped.left_out) if spec.by == "label" else [],
        macro=_averages(report.macro, macro_interval, report),
        micro=_averages(report.micro, micro_interval, report),
    )


def _averages(
    averages: Mapping[str, float], interval: Callable[..., Interval], report: RetrievalReport
) -> dict[str, dict[str, float | None]]:
    """Return every average with its interval, for JSON."""
    names = {m: macro_name(m) for m in report.queries.columns[2:]}
    return {name: json_estimate(averages[name], interval(report.queries, m)) for m, name in names.items()}


def _with_intervals(
    table: pd.DataFrame, report: RetrievalReport, families: Mapping[str, str | None]
) -> pd.DataFrame:
    frame = table.astype({"family": "str"})
    queries = report.queries.groupby(report.queries["class"].map(families.get), sort=False)
    for measure in MEASURES:
        intervals = [macro_interval(queries.get_group(family), measure) for family in frame["family"]]
        for end in ("low", "high"):
            values = [getattr(i, end) for i in intervals]
            frame[f"{macro_name(measure)}_{end}"] = np.array(values, dtype=np.float64)
    return frame


def read_space(spec: Retrieval | RetrievalGrid, context: JobContext) -> Collection:
    """Return the space of a spec with the classes, or families, of its clips; raises as `run`."""
    from jobs.tasks.labels import dataset_with

    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    space = context.read(spec.embedding)
    families = _families(dataset.classes)
    carried = clip_labels(dataset.clips)
    if spec.by == "family":
        if not any(families.values()):
            raise ValueError(
                f"Dataset {dataset.name} has no families of classes; ask for retrieval by label."
            )
        carried = {
            clip: {f for label in labels if (f := families.get(label))} for clip, labels in carried.items()
        }
    lists = [carried[clip] for clip in space.clip_ids]  # the sounds are the same, so every clip has its row
    names = sorted(set().union(*lists))
    if not names:
        raise ValueError(f"No clip of {dataset.name} has a class; give it labels and add it again.")
    relevance = np.array([[name in labels for name in names] for labels in lists])
    return Collection(
        clip_ids=space.clip_ids,
        relevance=pd.DataFrame(relevance, columns=names),
        families=families,
        embeddings=space.embeddings,
        frames=space.frames,
        offsets=space.offsets,
    )


def clip_labels(clips: pd.DataFrame) -> dict[str, set[str]]:
    """Return the classes of every clip: its list of them where it has one, else its only one."""
    single = clips["label"].astype(object)
    lists = clips.get("labels", single)
    return {
        str(clip): {str(v) for v in several}
        if np.ndim(several)
        else {str(one)}
        if one == one and one
        else set()
        for clip, several, one in zip(clips["clip_id"], lists, single, strict=True)
    }


def _families(classes: pd.DataFrame) -> dict[str, str | None]:
    if "family" not in classes:
        return {}
    known = classes["family"].astype(object)
    return {
        str(label): str(family) if family == family and family else None
        for label, family in zip(classes["label"], known, strict=True)
    }


def json_estimate(value: float, interval: Interval) -> dict[str, float | None]:
    """Return a value and its interval for JSON, which has no NaN and no infinity."""
    numbers = {"value": value, "low": interval.low, "high": interval.high}
    return {k: float(v) if np.isfinite(v) else None for k, v in numbers.items()}
