"""Judge how well a space finds clips of a class: one system, or all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from core.processing import Processing, Reducer, Scaler, aggregate, fit_reducer, fit_scaler
from core.retrieval import (
    COMPONENTS,
    RetrievalReport,
    evaluate,
    macro_interval,
    macro_name,
    micro_interval,
    systems,
)
from jobs.files import read_json, write_json
from jobs.runners.labels import dataset_with
from jobs.specs import CUTOFFS, Retrieval, RetrievalGrid

if TYPE_CHECKING:
    from core.statistics import Interval
    from jobs.engine.context import JobContext

#: What the paper reports, by the names of `RetrievalReport.queries`.
MEASURES = ("ap@15", "ap@150", "r1")
_NUMBERS = [f"{macro_name(m)}{end}" for m in MEASURES for end in ("", "_low", "_high")]


class _Asked(NamedTuple):
    """A space, and which of its clips carries which class."""

    clip_ids: list[str]
    relevance: pd.DataFrame  # (n, C) bool
    families: dict[str, str | None]  # of every label
    embeddings: np.ndarray  # (n, d)
    frames: np.ndarray | None  # (m, d)
    offsets: np.ndarray | None  # (n + 1,)

    @property
    def frame_level(self) -> bool:
        return self.frames is not None

    def clips(self, aggregation: str) -> np.ndarray:
        """Embeddings of the clips, (n, d), whose frames are aggregated so."""
        if self.frames is None or aggregation == "mean":  # which is what the embeddings are
            return self.embeddings
        assert self.offsets is not None
        return aggregate(self.frames, self.offsets, aggregation)


def retrieval(spec: Retrieval, context: JobContext) -> None:
    """Compute `Retrieval`: one system, judged.

    Raises
    ------
    ValueError
        With one sentence: the labels have changed, no class has two clips, or classes have no families.
    """
    context.progress(0, 4, "reading")
    asked = _read(spec, context)
    processing = Processing(spec.aggregation, spec.components or None, spec.normalize, spec.scale)
    obstacle = processing.obstacle(*asked.embeddings.shape)
    note = f"{obstacle}: all dimensions are kept." if obstacle else ""
    if obstacle:
        context.log(note)
        processing = replace(processing, n_components=None)
    context.progress(1, 4, "processing")
    X = asked.clips(spec.aggregation)
    scaler = fit_scaler(X) if spec.scale == "minmax" else None
    X = processing.prepare(X, scaler)
    reducer = None if processing.n_components is None else fit_reducer(X, processing.n_components)
    X = processing.finish(X, reducer)
    context.progress(2, 4, "searching")
    report = evaluate(
        X, asked.relevance, algorithm=spec.algorithm, cutoffs=CUTOFFS, count_query=spec.count_query
    )
    context.progress(3, 4, "intervals")
    _store(spec, context, asked, processing, scaler, reducer, report, note)
    context.progress(4, 4)


def _store(
    spec: Retrieval,
    context: JobContext,
    asked: _Asked,
    processing: Processing,
    scaler: Scaler | None,
    reducer: Reducer | None,
    report: RetrievalReport,
    note: str,
) -> None:
    families = asked.families if spec.by == "label" else {}
    grouped = report.families(families)
    table = grouped.table.astype({"family": "str"})
    rows_of = report.queries.groupby(report.queries["class"].map(families.get), sort=False)
    for measure in MEASURES:
        found = [macro_interval(rows_of.get_group(family), measure) for family in table["family"]]
        table[f"{macro_name(measure)}_low"] = np.array([i.low for i in found], dtype=np.float64)
        table[f"{macro_name(measure)}_high"] = np.array([i.high for i in found], dtype=np.float64)
    classes = report.classes.copy()
    classes.insert(1, "family", pd.Series([families.get(c) for c in classes["class"]], dtype="str"))
    ids = np.array(asked.clip_ids, dtype=object)
    queries = report.queries.drop(columns="query")
    queries.insert(0, "clip_id", ids[report.queries["query"]])
    measures = report.queries.columns[2:]
    steps = processing.steps if asked.frame_level else processing.steps[1:]
    with context.writer() as w:
        w.table("queries", queries)
        w.table("classes", classes)
        w.table("excluded", report.excluded.astype({"class": "str"}))
        w.table("families", table)
        w.array("results", report.indices.astype(np.int32))
        w.array("scores", report.scores)
        if scaler is not None:
            w.array("low", scaler.low)
            w.array("high", scaler.high)
        if reducer is not None:
            w.array("mean", reducer.mean)
            w.array("components", reducer.components)
            w.array("variances", reducer.variances)
        w.meta.update(
            n_clips=len(ids),
            n_queries=len(queries),
            n_classes=len(classes),
            dimensions=len(asked.embeddings.T) if reducer is None else len(reducer.components),
            steps=list(steps),
            components=processing.n_components or 0,
            note=note,
            left_out=list(grouped.left_out) if spec.by == "label" else [],
            macro={
                (name := macro_name(m)): _plain(report.macro[name], macro_interval(report.queries, m))
                for m in measures
            },
            micro={
                (name := macro_name(m)): _plain(report.micro[name], micro_interval(report.queries, m))
                for m in measures
            },
        )


def retrieval_grid(spec: RetrievalGrid, context: JobContext) -> None:
    """Compute `RetrievalGrid`: every system, judged; each is kept as a checkpoint.

    Raises
    ------
    ValueError
        As `retrieval`.
    """
    asked = _read(spec, context)
    found = [
        (replace(p, scale=spec.scale, normalize=spec.normalize), a)
        for p, a in systems(frame_level=asked.frame_level)
    ]
    rows: list[dict[str, Any]] = []
    processed = _Processed(asked)
    for i, (processing, algorithm) in enumerate(found):
        context.progress(i, len(found), ", ".join((*processing.steps, algorithm.upper())))
        path = context.checkpoint / f"system-{i:02d}.json"
        row = read_json(path)
        if row is None:
            row = _system(asked, processed, processing, algorithm, spec.count_query)
            write_json(path, row)
        rows.append(row)
    table = pd.DataFrame(rows).astype(dict.fromkeys(_NUMBERS, np.float64))  # None where one was skipped
    fixed, note = _fixed(table)
    sizes = asked.relevance.to_numpy().sum(axis=0)
    with context.writer() as w:
        w.table("systems", table)
        w.meta.update(
            n_clips=len(asked.clip_ids),
            n_queries=int(sizes[sizes >= 2].sum()),
            n_classes=int((sizes >= 2).sum()),
            dimensions=int(asked.embeddings.shape[1]),
            frame_level=asked.frame_level,
            n_systems=len(table),
            n_skipped=int((table["skipped"] != "").sum()),
            best=int(np.nanargmax(table["map@15"])),
            fixed=fixed,
            note=note,
        )
    context.progress(len(found), len(found))


class _Processed:
    """The clips of a space, processed; what several systems share is computed once."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked
        self._aggregation = ""
        self._clips: np.ndarray = asked.embeddings
        self._reducer: Reducer | None = None

    def __call__(self, processing: Processing) -> np.ndarray:
        if processing.aggregation != self._aggregation:
            clips = self._asked.clips(processing.aggregation)
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
    asked: _Asked, processed: _Processed, processing: Processing, algorithm: str, count_query: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "aggregation": processing.aggregation if asked.frame_level else "",
        "components": processing.n_components or 0,
        "algorithm": algorithm,
    }
    row |= dict.fromkeys(_NUMBERS)
    obstacle = processing.obstacle(*asked.embeddings.shape)
    if obstacle is not None:
        return row | {"skipped": obstacle}
    X = processed(processing)
    report = evaluate(X, asked.relevance, algorithm=algorithm, cutoffs=CUTOFFS, count_query=count_query)
    for measure in MEASURES:
        name = macro_name(measure)
        found = _plain(report.macro[name], macro_interval(report.queries, measure))
        row |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    return row | {"skipped": ""}


def _fixed(table: pd.DataFrame) -> tuple[int, str]:
    """Find the paper's one system for all models, or what comes nearest to it, and why."""
    usual = table["aggregation"].isin(("mean", "")) & (table["algorithm"] == "mcss")
    wanted, whole = (int(np.argmax(usual & (table["components"] == p))) for p in (100, 0))
    skipped = str(table["skipped"].iloc[wanted])
    return (whole, f"{skipped}: all dimensions are kept.") if skipped else (wanted, "")


def _read(spec: Retrieval | RetrievalGrid, context: JobContext) -> _Asked:
    dataset = dataset_with(spec.labels, spec.embedding, context.workspace)
    artifact = context.open(spec.embedding)
    clip_ids: list[str] = artifact.table("clips", ["clip_id"]).column("clip_id").to_pylist()
    families = _families(dataset.classes)
    carried = _labels(dataset.clips)
    if spec.by == "family":
        if not any(families.values()):
            raise ValueError(
                f"Dataset {dataset.name} says no families of its classes; ask for retrieval by label."
            )
        carried = {
            clip: {f for label in labels if (f := families.get(label))} for clip, labels in carried.items()
        }
    lists = [carried[clip] for clip in clip_ids]  # the sounds are the same, so every clip has its row
    names = sorted(set().union(*lists))
    if not names:
        raise ValueError(f"No clip of {dataset.name} has a class; give it labels and add it again.")
    column = {name: c for c, name in enumerate(names)}
    relevance = np.zeros((len(clip_ids), len(names)), dtype=bool)
    for row, labels in enumerate(lists):
        relevance[row, [column[label] for label in labels]] = True
    frame_level = "frames.npy" in artifact
    return _Asked(
        clip_ids=clip_ids,
        relevance=pd.DataFrame(relevance, columns=names),
        families=families,
        embeddings=artifact.array("embeddings"),
        frames=artifact.array("frames") if frame_level else None,
        offsets=artifact.array("offsets") if frame_level else None,
    )


def _labels(clips: pd.DataFrame) -> dict[str, set[str]]:
    """Return the classes of every clip: its list of them where there is one, else the one it has."""
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
        str(label): None if family is None or family != family or family == "" else str(family)
        for label, family in zip(classes["label"], known, strict=True)
    }


def _plain(value: float, interval: Interval) -> dict[str, float | None]:
    """A value and its interval for JSON, which has no NaN and no infinity."""
    found = {"value": value, "low": interval.low, "high": interval.high}
    return {k: float(v) if np.isfinite(v) else None for k, v in found.items()}
