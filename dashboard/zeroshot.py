"""Grids of zero-shot models as the page shows them: which there are, what came of them, and their dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dashboard import numbers, tables
from dashboard.data import workspace as shown_workspace
from dashboard.figures.zeroshot import Models
from dashboard.memory import once
from jobs import encoders
from jobs.queue import State
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid, from_json
from jobs.texts import texts_fingerprint, texts_of
from jobs.workspace import Dataset, Workspace

#: The text encoder that is offered where there is no space of texts yet.
USUAL_TEXT = "minilm"
SETUPS = {"similarity": "similarity", "diversity": "diversity", "splits": "splits of one’s own"}
#: What groups of models differ in, in a word.
VARIES = {"similarity": "ratio", "diversity": "range", "splits": "split"}
#: Axis of the similarity ratio.
RATIO = "similarity ratio: share of training classes<br>that are of the test cluster"


@dataclass(frozen=True)
class Grid:
    """A grid that is there, or asked for."""

    spec: ZeroShotGrid
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


@dataclass(frozen=True)
class Result:
    """What a grid came to.

    Attributes
    ----------
    models : DataFrame
        A row a model and test set that was judged, with ``id``, how links name it. ``ratio`` is the share of
        the training classes that are of the test cluster, ``asked_ratio`` what that was to be.
    failed : DataFrame
        Those whose training failed, with ``failed``, why.
    classes : DataFrame
        Of every model and test set: ``label``, ``part``, ``accuracy``, ``n_clips``.
    curves : ndarray, shape (M, 3, E)
    names : tuple of str, length C
    similarity : ndarray, shape (C, C)
    meta : dict
    """

    spec: ZeroShotGrid
    models: pd.DataFrame
    failed: pd.DataFrame
    classes: pd.DataFrame
    curves: np.ndarray
    names: tuple[str, ...]
    similarity: np.ndarray
    meta: dict[str, Any]

    @property
    def chance(self) -> float:
        """Accuracy of guessing; NaN where it differs between test sets."""
        found = self.models["chance"].unique()
        return float(found[0]) if len(found) == 1 else float("nan")


def texts(workspace: Workspace, dataset: Dataset) -> dict[str, EmbedText]:
    """Return the spaces of class texts that can be trained with, those that are there first.

    Those of the usual encoder are offered where it is installed; descriptions come before names.
    """
    found = {s.name: s.spec for s in workspace.text_spaces(dataset) if s.state == "done"}
    if encoders.get(USUAL_TEXT)[0].available() is None:
        for of in ("description", "label"):
            try:
                given = texts_of(dataset, of)
            except ValueError:
                continue
            spec = EmbedText(dataset=dataset.ref, texts=texts_fingerprint(given), encoder=USUAL_TEXT, of=of)
            found.setdefault(f"{USUAL_TEXT} · {of}s", spec)
    described = [name for name, spec in found.items() if spec.of == "description"]
    return {name: found[name] for name in [*described, *(n for n in found if n not in described)]}


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Grid]:
    """Return the grids of a space: those that are there, the newest first, then those that are asked for."""
    found: dict[str, Grid] = {}
    for info in workspace.cache.list(type=ZeroShotGrid.__name__):
        spec = _mine(info.spec, dataset, embedding)
        if spec is not None:
            found.setdefault(spec.key, Grid(spec, "done"))
    for job in workspace.queue.jobs():
        if job.spec.get("type") == ZeroShotGrid.__name__ and job.state != "done":
            spec = _mine(job.spec, dataset, embedding)
            if spec is not None:
                found.setdefault(spec.key, Grid(spec, job.state))
    return list(found.values())


def _mine(spec: dict[str, Any], dataset: Dataset, embedding: EmbedAudio) -> ZeroShotGrid | None:
    try:
        parsed = from_json(spec)
    except SpecError:
        return None
    if not isinstance(parsed, ZeroShotGrid) or parsed.embedding.key != embedding.key:
        return None
    # What is said of the clips now is what the page shows beside it.
    return parsed if parsed.labels == dataset.labels_fingerprint else None


def result(spec: ZeroShotGrid) -> Result:
    """Return what a grid came to."""

    def read() -> Result:
        artifact = shown_workspace().cache.open(spec.key)
        models = artifact.table("models").to_pandas()
        models["id"] = models["model"].astype(str) + "-" + (models["test_set"] + 1).astype(str)
        for name in ("ratio", "asked_ratio", "low", "high"):
            models[name] = models[name].astype(float)
        good = (models["failed"] == "") & models["accuracy"].notna()
        return Result(
            spec,
            models[good].reset_index(drop=True),
            models[~good].reset_index(drop=True),
            artifact.table("classes").to_pandas(),
            np.asarray(artifact.array("curves")),
            tuple(artifact.table("names").column("label").to_pylist()),
            np.asarray(artifact.array("similarity")),
            dict(artifact.meta),
        )

    return once(("zero-shot", spec.key), read)


def sizes(grid: Grid) -> str:
    """Say how many classes the models of a grid have in each part, "" for splits of one's own.

    Of a grid that is done these are the sizes it came to, which can be below those asked for.
    """
    if grid.spec.setup == "splits":
        return ""
    if grid.state != "done":
        return str(grid.spec.sizes)
    found = shown_workspace().cache.open(grid.spec.key).meta.get("sizes")
    return "/".join(map(str, found or ())) or str(grid.spec.sizes)


def recipe(spec: ZeroShotGrid) -> str:
    """Say how the models of a grid are trained."""
    said = [
        f"learning rate {spec.learning_rate:g}",
        f"batches of {spec.batch_size}",
        numbers.count(spec.epochs, "epoch"),
        f"margin {spec.margin:g}",
    ]
    said += ["sampled ranks"] * spec.sampled + ["standardised sounds"] * spec.standardise
    said += [f"patience {spec.patience}"] * bool(spec.patience)
    return ", ".join(said)


def groups(found: Result) -> tuple[list[str], np.ndarray, str]:
    """Return the groups of the box plots, the group of each accuracy, and what the groups are."""
    m = found.models
    if found.spec.setup == "similarity":
        values = sorted(m["ratio"].unique())
        at = m["ratio"].map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        return _ratio_names(values), at, RATIO
    if found.spec.setup == "diversity":
        pairs = list(zip(m["low"], m["high"], strict=True))
        ends = sorted(set(pairs))
        at = np.array([ends.index(p) for p in pairs], np.int64)
        named = [f"({low:g}, {high:g}]".replace("-", "−") for low, high in ends]
        return named, at, "range of the mean cosine similarity<br>among training classes"
    numbered = m["split"].astype(int)
    order = sorted(numbered.unique())
    at = numbered.map({v: i for i, v in enumerate(order)}).to_numpy(np.int64)
    return [_split_name(found.spec, i) for i in order], at, "split"


def _ratio_names(values: Sequence[float]) -> list[str]:
    """Name ratios by as few decimals as tell them apart, from two on."""
    digits = next((d for d in (2, 3, 4) if len({round(v, d) for v in values}) == len(values)), 6)
    return [f"{round(v, digits):g}" for v in values]


def rounded(found: Result) -> list[tuple[str, str]]:
    """Return the ratios that did not come out as they were asked, each with what it came to, ascending."""
    if found.spec.setup != "similarity":
        return []
    pairs = found.models[["asked_ratio", "ratio"]].drop_duplicates().sort_values("asked_ratio")
    off = pairs[(pairs["ratio"] - pairs["asked_ratio"]).abs() > 1e-9]
    asked, came = (_ratio_names(off[name].tolist()) for name in ("asked_ratio", "ratio"))
    return list(zip(asked, came, strict=True))


def _split_name(spec: ZeroShotGrid, i: int) -> str:
    info = spec.parsed_splits[i].info
    how = info.get("setup")
    said = f" by {how}" if how in ("hand", "similarity", "diversity") else ""
    return f"{i + 1}{said}"


def models(found: Result) -> Models:
    """Return the models as dots, with the test cluster or the test set as their series."""
    m = found.models
    if found.spec.setup == "similarity":
        values = sorted(m["cluster"].astype(int).unique())
        series = m["cluster"].astype(int).map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test cluster {v}" for v in values]
    else:
        values = sorted(m["test_set"].unique())
        series = m["test_set"].map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test set {v + 1}" for v in values]
    return Models(m["id"].tolist(), m["accuracy"].to_numpy(float), _said(found), series, names)


def _said(found: Result) -> list[str]:
    labels, at, _ = groups(found)
    what = VARIES[found.spec.setup]
    return [
        f"{what} {labels[g]}, seed {r['seed']}<br>accuracy {r['accuracy']:.3f} "
        f"({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})<br>n = {r['n_test']:,} clips"
        for g, r in zip(at.tolist(), found.models.to_dict("records"), strict=True)
    ]


# -- tables -----------------------------------------------------------------------------------------------


def models_table(found: Result) -> bytes:
    """Return all that is known of the models as CSV, a row a model and test set."""
    columns = [c for c in found.models if c not in ("id", "failed") and found.models[c].notna().any()]
    return tables.csv(found.models[columns].assign(test_set=found.models["test_set"] + 1))


def boxes_table(found: Result) -> bytes:
    """Return the dots of the box plots as CSV, with the box that each is in."""
    labels, at, _ = groups(found)
    shown = models(found)
    frame = pd.DataFrame(
        {
            VARIES[found.spec.setup]: [labels[g] for g in at.tolist()],
            "series": [shown.names[s] for s in shown.series.tolist()],
        }
    )
    rest = ["model", "test_set", "seed", "accuracy", "accuracy_low", "accuracy_high", "n_test", "chance"]
    m = found.models[rest].assign(test_set=found.models["test_set"] + 1)
    return tables.csv(pd.concat([frame, m], axis=1))
