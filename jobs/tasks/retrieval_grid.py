"""How well every system finds clips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from core.processing import NORMALIZATIONS, SCALES, Processing, Reducer, fit_reducer, fit_scaler
from core.retrieval import COMPONENTS, CUTOFFS, evaluate, macro_interval, macro_name, systems
from jobs.files import read_json, write_json
from jobs.tasks.embed_audio import EmbedAudio
from jobs.tasks.retrieval import (
    MEASURES,
    Collection,
    json_estimate,
    one_of,
    place,
    read_space,
    unit_length,
)
from jobs.tasks.schema import Schema, table, value
from jobs.tasks.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.engine.context import JobContext

_NUMBERS = [f"{macro_name(m)}{end}" for m in MEASURES for end in ("", "_low", "_high")]


class Result(Schema):
    """All systems in the order of `core.retrieval.systems`; intervals are of 95%."""

    systems: pa.Table = table(
        "s",
        "a system",
        {
            "aggregation": ("string", "of frames; empty where there are none"),
            "components": ("int64", "principal components that are kept, 0 for all dimensions"),
            "algorithm": ("string", "the algorithm"),
            **{
                f"{macro_name(name)}{end}": ("double", f"{macro_name(name)}{what}; NaN where it is skipped")
                for name in MEASURES
                for end, what in (("", ""), ("_low", ", lower end"), ("_high", ", upper end"))
            },
            "skipped": ("string", "why it cannot be built, else empty"),
        },
    )
    n_clips: int = value("clips")
    n_queries: int = value("queries")
    n_classes: int = value("classes with queries")
    dimensions: int = value("dimensions of the space")
    frame_level: bool = value("whether there are frames")
    n_systems: int = value("systems")
    n_skipped: int = value("systems that cannot be built")
    best: int = value("row with the highest MAP@15")
    fixed: int = value("row of mean, 100 components and MCSS, or all dimensions where 100 are not possible")
    note: str = value("why not 100")


@dataclass(frozen=True, kw_only=True)
class RetrievalGrid(Spec[Result]):
    """How well every system finds clips: 3 aggregations (where there are frames) × 3 PCAs × 3 algorithms."""

    LATER: ClassVar[frozenset[str]] = frozenset({"scale", "normalize"})

    embedding: EmbedAudio
    labels: str
    by: str = "label"
    count_query: bool = True
    #: Of all systems alike, as in `Retrieval`.
    scale: str = "none"
    normalize: bool | str = False

    def __post_init__(self) -> None:
        one_of("by", self.by, ("label", "family"))
        one_of("scale", self.scale, SCALES)
        one_of("normalize", self.normalize, NORMALIZATIONS)

    @property
    def title(self) -> str:
        options = ["min-max scaling"] * (self.scale == "minmax") + unit_length(self.normalize)
        options += [] if self.count_query else ["query not counted"]
        return f"all ways of retrieval {place(self)}" + (f" ({', '.join(options)})" if options else "")


def run(spec: RetrievalGrid, context: JobContext) -> Result:
    """Compute `RetrievalGrid`: every system, judged; each is kept as a checkpoint.

    Raises
    ------
    ValueError
        As `jobs.tasks.retrieval.run`.
    """
    collection = read_space(spec, context)
    frame_level = collection.frames is not None
    ways = [
        (replace(p, scale=spec.scale, normalize=spec.normalize), a)
        for p, a in systems(frame_level=frame_level)
    ]
    rows: list[dict[str, Any]] = []
    processed = _Processed(collection)
    for i, (processing, algorithm) in enumerate(ways):
        context.progress(i, len(ways), ", ".join((*processing.steps, algorithm.upper())))
        path = context.checkpoint / f"system-{i:02d}.json"
        row = read_json(path)
        if row is None:
            row = _system(processed, processing, algorithm, spec.count_query)
            write_json(path, row)
        rows.append(row)
    frame = pd.DataFrame(rows).astype(dict.fromkeys(_NUMBERS, np.float64))  # None where one was skipped
    fixed, note = _fixed(frame)
    sizes = collection.relevance.to_numpy().sum(axis=0)
    return Result(
        systems=frame,
        n_clips=len(collection.clip_ids),
        n_queries=int(sizes[sizes >= 2].sum()),
        n_classes=int((sizes >= 2).sum()),
        dimensions=int(collection.embeddings.shape[1]),
        frame_level=frame_level,
        n_systems=len(frame),
        n_skipped=int((frame["skipped"] != "").sum()),
        best=int(np.nanargmax(frame["map@15"])),
        fixed=fixed,
        note=note,
    )


class _Processed:
    """The clips of a collection, processed; steps that several systems share are computed once."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._aggregation = ""
        self._clips: np.ndarray = collection.embeddings
        self._reducer: Reducer | None = None

    def __call__(self, processing: Processing) -> np.ndarray:
        if processing.aggregation != self._aggregation:
            clips = self.collection.clips(processing.aggregation)
            scaler = fit_scaler(clips) if processing.scale == "minmax" else None
            self._clips = processing.prepare(clips, scaler)
            self._aggregation, self._reducer = processing.aggregation, None
        if processing.n_components is None:
            return processing.finish(self._clips, None)
        if self._reducer is None:
            most = min(self._clips.shape)
            self._reducer = fit_reducer(self._clips, max(p for p in COMPONENTS if p and p <= most))
        return processing.finish(self._clips, self._reducer.keep(processing.n_components))


def _system(
    processed: _Processed, processing: Processing, algorithm: str, count_query: bool
) -> dict[str, Any]:
    collection = processed.collection
    row: dict[str, Any] = {
        "aggregation": "" if collection.frames is None else processing.aggregation,
        "components": processing.n_components or 0,
        "algorithm": algorithm,
    }
    row |= dict.fromkeys(_NUMBERS)
    obstacle = processing.obstacle(*collection.embeddings.shape)
    if obstacle is not None:
        return row | {"skipped": obstacle}
    X = processed(processing)
    report = evaluate(X, collection.relevance, algorithm=algorithm, cutoffs=CUTOFFS, count_query=count_query)
    for measure in MEASURES:
        name = macro_name(measure)
        e = json_estimate(report.macro[name], macro_interval(report.queries, measure))
        row |= {name: e["value"], f"{name}_low": e["low"], f"{name}_high": e["high"]}
    return row | {"skipped": ""}


def _fixed(table: pd.DataFrame) -> tuple[int, str]:
    """Return the row of the paper's one system for all models, or of the nearest to it, and why."""
    usual = table["aggregation"].isin(("mean", "")) & (table["algorithm"] == "mcss")
    wanted, whole = (int(np.argmax(usual & (table["components"] == p))) for p in (100, 0))
    skipped = str(table["skipped"].iloc[wanted])
    return (whole, f"{skipped}: all dimensions are kept.") if skipped else (wanted, "")
