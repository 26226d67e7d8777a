"""Grids of zero-shot models as the page shows them: their names, their models and their dots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.recipes import settings
from core.zeroshot.recipe import Recipe
from dashboard import grids as listed
from dashboard.kit import numbers
from dashboard.kit.correlation import Dots
from dashboard.memory import once
from dashboard.results import result
from jobs.specs import EmbedAudio, ZeroShotGrid
from jobs.workspace.workspace import Dataset, Workspace

SETUPS = {"similarity": "similarity", "diversity": "diversity", "splits": "own splits"}
#: What groups of models differ in, in a word.
VARIES = {"similarity": "ratio", "diversity": "range", "splits": "split"}
#: Axis of the similarity ratio.
RATIO = "similarity ratio: share of training classes<br>that are of the test cluster"

Grid = listed.Grid[ZeroShotGrid]


# -- grids ------------------------------------------------------------------------------------------------


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Grid]:
    """Return the grids of a space: the computed ones, the newest first, then those that are queued."""

    def is_shown(spec: ZeroShotGrid) -> bool:
        # The page shows the present labels beside the results.
        return spec.embedding.key == embedding.key and spec.labels == dataset.labels_fingerprint

    return listed.find(workspace, (ZeroShotGrid,), is_shown)


def n_models(grid: Grid) -> int:
    """Return how many models a grid has: the trained ones if it is done.

    These are fewer than were asked for where lowered sizes made several ratios equal.
    """
    return result(grid.spec).n_models if grid.state == "done" else grid.spec.n_models


def named(grids: Sequence[Grid]) -> dict[str, str]:
    """Return the name of each grid by its id, no two the same.

    A list knows its entries by their words: grids that would have the same name also say how they differ.
    """
    short = {g.id: _name(g) for g in grids}
    details = {g.id: _details(g.spec) for g in grids}
    names = {}
    for id, name in short.items():
        same = [details[other] for other, its in short.items() if its == name]
        differ = [
            f"{label}: {text}" for label, text in details[id].items() if any(o[label] != text for o in same)
        ]
        names[id] = " · ".join([name, *differ])
    times = Counter(names.values())
    return {id: name if times[name] == 1 else f"{name} · {id[:6]}" for id, name in names.items()}


def _name(g: Grid) -> str:
    sizes = (result(g.spec).sizes if g.state == "done" else None) or str(g.spec.sizes).split("/")
    words = [SETUPS[g.spec.setup], numbers.count(n_models(g), "model")]
    words += ["/".join(map(str, sizes))] * (g.spec.setup != "splits")
    words += [f"rate {g.spec.learning_rate:g}", numbers.count(g.spec.epochs, "epoch")]
    return " · ".join(words + [g.state] * (g.state != "done"))


def _details(spec: ZeroShotGrid) -> dict[str, str]:
    """Return everything that grids with the same short name can differ in, by its label."""
    details: dict[str, Any] = {"texts": f"{spec.text.encoder} {spec.text.of}s", "sizes asked for": spec.sizes}
    details |= {of.label.lower(): getattr(spec, name) for name, of in settings(spec).items()}
    ends = [f"({low:g}, {high:g}]" for low, high in spec.asked_ranges]
    details["ranges"] = ", ".join(ends) or f"{spec.n_ranges} of this space"
    return {label: _words(given) for label, given in details.items()}


def _words(given: Any) -> str:
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, tuple):
        return ", ".join(map(_words, given))
    return f"{given:g}" if isinstance(given, float) else str(given)


def alike(a: ZeroShotGrid, b: ZeroShotGrid) -> bool:
    """Return whether the models of two grids are trained alike, on the same texts."""
    return all(getattr(a, name) == getattr(b, name) for name in (*settings(Recipe), "text"))


def beside(grids: Sequence[Grid], shown: ZeroShotGrid) -> dict[str, Grid]:
    """Return the grid of every setup to set beside the shown one, which is that of its own setup.

    Of another setup it is the newest that is done and trained alike; where none is, the newest that is done.
    """
    chosen: dict[str, Grid] = {}
    for setup in SETUPS:
        done = [g for g in grids if g.spec.setup == setup and g.state == "done"]
        mine = [g for g in done if g.spec.key == shown.key]
        like = [g for g in done if alike(g.spec, shown)]
        if done:
            chosen[setup] = (mine or like or done)[0]
    return chosen


# -- models -----------------------------------------------------------------------------------------------


def models(spec: ZeroShotGrid) -> pd.DataFrame:
    """Return the models that were judged, a row a model and test set, with ``id``, their name in links."""
    return _models(spec)[0]


def failed(spec: ZeroShotGrid) -> pd.DataFrame:
    """Return the models whose training failed, as `models` does."""
    return _models(spec)[1]


def _models(spec: ZeroShotGrid) -> tuple[pd.DataFrame, pd.DataFrame]:
    def read() -> tuple[pd.DataFrame, pd.DataFrame]:
        frame = result(spec).models.to_pandas()
        frame["id"] = frame["model"].astype(str) + "-" + (frame["test_set"] + 1).astype(str)
        shares = ("ratio", "asked_ratio", "low", "high")
        frame = frame.astype(dict.fromkeys(shares, float))
        good = (frame["failed"] == "") & frame["accuracy"].notna()
        return frame[good].reset_index(drop=True), frame[~good].reset_index(drop=True)

    return once(("zero-shot", spec.key), read)


def chance(spec: ZeroShotGrid) -> float:
    """Return the accuracy of guessing; NaN where it differs between test sets."""
    levels = models(spec)["chance"].unique()
    return float(levels[0]) if len(levels) == 1 else float("nan")


def groups(spec: ZeroShotGrid) -> tuple[list[str], np.ndarray, str]:
    """Return the groups of the box plots, the group of each accuracy, and what the groups are."""
    m = models(spec)
    if spec.setup == "similarity":
        codes, ratios = pd.factorize(m["ratio"], sort=True)
        return _ratio_names(ratios.tolist()), codes, RATIO
    if spec.setup == "diversity":
        codes, ranges = pd.factorize(pd.MultiIndex.from_frame(m[["low", "high"]]), sort=True)
        names = [f"({low:g}, {high:g}]".replace("-", "−") for low, high in ranges]
        return names, codes, "range of the mean cosine similarity<br>among training classes"
    codes, split_numbers = pd.factorize(m["split"].astype(int), sort=True)
    return [_split_name(spec, i) for i in split_numbers], codes, "split"


def _ratio_names(values: Sequence[float]) -> list[str]:
    """Name ratios by as few decimals as tell them apart, from two on."""
    digits = next((d for d in (2, 3, 4) if len({round(v, d) for v in values}) == len(values)), 6)
    return [f"{round(v, digits):g}" for v in values]


def rounded(spec: ZeroShotGrid) -> list[tuple[str, str]]:
    """Return the ratios that whole classes do not give exactly, with those that they give, ascending."""
    if spec.setup != "similarity":
        return []
    pairs = models(spec)[["asked_ratio", "ratio"]].drop_duplicates().sort_values("asked_ratio")
    off = pairs[(pairs["ratio"] - pairs["asked_ratio"]).abs() > 1e-9]
    asked, actual = (_ratio_names(off[name].tolist()) for name in ("asked_ratio", "ratio"))
    return list(zip(asked, actual, strict=True))


def _split_name(spec: ZeroShotGrid, i: int) -> str:
    how = spec.parsed_splits[i].info.get("setup")
    return f"{i + 1} by {how}" if how in ("hand", "similarity", "diversity") else str(i + 1)


def dots(spec: ZeroShotGrid, by: str = "") -> Dots:
    """Return the models as dots, with the test cluster or the test set as their kind.

    Along x is `by`, one of the numbers in `models`; by default the group in the box plots.
    """
    m = models(spec)
    names, at, _ = groups(spec)
    kind = "cluster" if spec.setup == "similarity" else "test_set"
    series, kinds = pd.factorize(m[kind].astype(int), sort=True)
    titles = [f"test cluster {k}" if kind == "cluster" else f"test set {k + 1}" for k in kinds]
    hover = [
        f"{VARIES[spec.setup]} {names[g]}, seed {r['seed']}<br>accuracy {r['accuracy']:.3f} "
        f"({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})<br>n = {numbers.count(r['n_test'], 'clip')}"
        for g, r in zip(at.tolist(), m.to_dict("records"), strict=True)
    ]
    x = m[by].to_numpy(float) if by else at.astype(float)
    return Dots(m["id"].tolist(), (), hover, x, m["accuracy"].to_numpy(float), series, titles)


# -- tables -----------------------------------------------------------------------------------------------


def models_table(spec: ZeroShotGrid) -> pd.DataFrame:
    """Return all numbers of the models, a row a model and test set."""
    m = models(spec)
    columns = [c for c in m if c not in ("id", "failed") and m[c].notna().any()]
    return m[columns].assign(test_set=m["test_set"] + 1)


def boxes_table(spec: ZeroShotGrid) -> pd.DataFrame:
    """Return the dots of the box plots, with the box that each is in."""
    names, at, _ = groups(spec)
    shown = dots(spec)
    frame = pd.DataFrame(
        {VARIES[spec.setup]: np.array(names)[at], "series": np.array(shown.kinds)[shown.series]}
    )
    rest = ["model", "test_set", "seed", "accuracy", "accuracy_low", "accuracy_high", "n_test", "chance"]
    return pd.concat([frame, models_table(spec)[rest]], axis=1)
