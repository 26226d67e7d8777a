"""Grids of zero-shot models as the page shows them: which there are, what came of them, and their dots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.recipes import describe, settings
from core.zeroshot.recipe import Recipe
from dashboard import grids as listed
from dashboard.data import USUAL_TEXT
from dashboard.data import workspace as shown_workspace
from dashboard.kit import numbers
from dashboard.kit.correlation import Dots
from dashboard.kit.table import csv
from dashboard.memory import once
from jobs import encoders
from jobs.specs import EmbedAudio, EmbedText, ZeroShotGrid
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset, Workspace

SETUPS = {"similarity": "similarity", "diversity": "diversity", "splits": "own splits"}
#: What groups of models differ in, in a word.
VARIES = {"similarity": "ratio", "diversity": "range", "splits": "split"}
#: Axis of the similarity ratio.
RATIO = "similarity ratio: share of training classes<br>that are of the test cluster"


Grid = listed.Grid[ZeroShotGrid]


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

    Those of the usual encoder are offered where it is installed. Descriptions come before names where every
    class has one, and after them where some have none.
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
    told = dataset.classes.get("description")
    first = "description" if told is not None and (told.notna() & (told != "")).all() else "label"
    return dict(sorted(found.items(), key=lambda pair: pair[1].of != first))


def untold(dataset: Dataset, text: EmbedText, names: Sequence[str]) -> str:
    """Say which of these classes have no text of a kind, so that nothing can be trained; "" where all do."""
    told = set(texts_of(dataset, text.of)["id"])
    silent = [name for name in names if name not in told]
    if not silent:
        return ""
    more = f" and {len(silent) - 3:,} more" if len(silent) > 3 else ""
    has, it = ("has", "it") if len(silent) == 1 else ("have", "them")
    advice = f"add {it}" + (", or train with names" if text.of == "description" else "")
    return (
        f"{', '.join(map(repr, silent[:3]))}{more} {has} no {text.of}, and a model needs one of every class "
        f"that takes part; {advice}."
    )


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Grid]:
    """Return the grids of a space: those that are there, the newest first, then those that are asked for."""

    def mine(spec: ZeroShotGrid) -> bool:
        # What is said of the clips now is what the page shows beside it.
        return spec.embedding.key == embedding.key and spec.labels == dataset.labels_fingerprint

    return listed.find(workspace, (ZeroShotGrid,), mine)


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


def n_models(grid: Grid) -> int:
    """Return how many models a grid has: of one that is done, those that were trained.

    These are fewer than were asked for where sizes were lowered, and ratios came to the same classes.
    """
    if grid.state != "done":
        return grid.spec.n_models
    return int(shown_workspace().cache.open(grid.spec.key).meta.get("n_models", grid.spec.n_models))


def named(found: Sequence[Grid]) -> dict[str, str]:
    """Return what each grid is called, by its id.

    No two are called the same, since a list knows its entries by their words: those that would be say what
    they differ in.
    """
    short = {g.id: _name(g) for g in found}
    said = {g.id: _details(g.spec) for g in found}
    names = {}
    for id, name in short.items():
        same = [said[other] for other, its in short.items() if its == name]
        differ = [words for what, words in said[id].items() if any(o[what] != words for o in same)]
        names[id] = " · ".join([name, *differ])
    times = Counter(names.values())
    return {id: name if times[name] == 1 else f"{name} · {id[:6]}" for id, name in names.items()}


def _name(g: Grid) -> str:
    words = [SETUPS[g.spec.setup], numbers.count(n_models(g), "model"), sizes(g)]
    words += [f"rate {g.spec.learning_rate:g}", numbers.count(g.spec.epochs, "epoch")]
    words += [g.state] * (g.state != "done")
    return " · ".join(filter(None, words))


def _details(spec: ZeroShotGrid) -> dict[str, str]:
    """Say everything that two grids can differ in besides what they are called by."""
    ends = [f"({low:g}, {high:g}]" for low, high in spec.asked_ranges]
    return {
        "text": f"{spec.text.encoder} {spec.text.of}s",
        "fit_sizes": f"asked for {spec.sizes}" if spec.fit_sizes else "exact sizes",
        "min_clips": f"classes of {numbers.count(spec.min_clips, 'clip')} or more",
        "clusters": f"K = {spec.clusters}",
        "ratios": f"ratios {', '.join(f'{ratio:g}' for ratio in spec.ratios)}",
        "ranges": f"ranges {', '.join(ends)}" if ends else numbers.count(spec.n_ranges, "own range"),
        "sets": numbers.count(spec.n_test_sets, "test set"),
        "seeds": numbers.count(spec.seeds, "seed"),
        "batch": f"batches of {spec.batch_size}",
        "margin": f"margin {spec.margin:g}",
        "ranks": "sampled ranks" if spec.sampled else "exact ranks",
        "scale": "standardised" if spec.standardise else "not standardised",
        "patience": f"patience {spec.patience}",
        "momentum": f"momentum {spec.momentum:g}",
        "widths": f"widths {spec.hidden} and {spec.shared}",
    }


def alike(a: ZeroShotGrid, b: ZeroShotGrid) -> bool:
    """Say whether the models of two grids are trained alike, on the same texts."""
    return all(getattr(a, name) == getattr(b, name) for name in (*settings(Recipe), "text"))


def beside(found: Sequence[Grid], shown: ZeroShotGrid) -> dict[str, Grid]:
    """Return the grid of every setup to set beside the shown one, which is that of its own setup.

    Of another setup it is the newest that is done and trained alike; where none is, the newest that is done.
    """
    chosen: dict[str, Grid] = {}
    for setup in SETUPS:
        done = [g for g in found if g.spec.setup == setup and g.state == "done"]
        mine = [g for g in done if g.spec.key == shown.key]
        like = [g for g in done if alike(g.spec, shown)]
        if done:
            chosen[setup] = (mine or like or done)[0]
    return chosen


def recipe(spec: ZeroShotGrid) -> str:
    """Describe how the models of a grid are trained."""
    return describe(spec)


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


def models(found: Result, by: str = "") -> Dots:
    """Return the models as dots, with the test cluster or the test set as their kind.

    Along x is `by`, one of the numbers in `Result.models`; by default the group in the box plots.
    """
    m = found.models
    if found.spec.setup == "similarity":
        values = sorted(m["cluster"].astype(int).unique())
        series = m["cluster"].astype(int).map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test cluster {v}" for v in values]
    else:
        values = sorted(m["test_set"].unique())
        series = m["test_set"].map({v: i for i, v in enumerate(values)}).to_numpy(np.int64)
        names = [f"test set {v + 1}" for v in values]
    x = m[by].to_numpy(float) if by else groups(found)[1].astype(float)
    return Dots(m["id"].tolist(), (), _said(found), x, m["accuracy"].to_numpy(float), series, names)


def _said(found: Result) -> list[str]:
    labels, at, _ = groups(found)
    what = VARIES[found.spec.setup]
    return [
        f"{what} {labels[g]}, seed {r['seed']}<br>accuracy {r['accuracy']:.3f} "
        f"({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})<br>n = {numbers.count(r['n_test'], 'clip')}"
        for g, r in zip(at.tolist(), found.models.to_dict("records"), strict=True)
    ]


# -- tables -----------------------------------------------------------------------------------------------


def models_table(found: Result) -> bytes:
    """Return all that is known of the models as CSV, a row a model and test set."""
    columns = [c for c in found.models if c not in ("id", "failed") and found.models[c].notna().any()]
    return csv(found.models[columns].assign(test_set=found.models["test_set"] + 1))


def boxes_table(found: Result) -> bytes:
    """Return the dots of the box plots as CSV, with the box that each is in."""
    labels, at, _ = groups(found)
    shown = models(found)
    frame = pd.DataFrame(
        {
            VARIES[found.spec.setup]: [labels[g] for g in at.tolist()],
            "series": [shown.kinds[s] for s in shown.series.tolist()],
        }
    )
    rest = ["model", "test_set", "seed", "accuracy", "accuracy_low", "accuracy_high", "n_test", "chance"]
    m = found.models[rest].assign(test_set=found.models["test_set"] + 1)
    return csv(pd.concat([frame, m], axis=1))
