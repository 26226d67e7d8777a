"""What is measured of trainings with several losses: accuracies, curves, and properties of spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboard.kit.learning_figures import Curves
from dashboard.losses import data as losses
from dashboard.losses.data import AnyGrid
from dashboard.memory import once
from dashboard.results import result
from jobs.engine import live
from jobs.workspace.workspace import Workspace

#: The four properties: name in results, symbol, name, what it is.
PROPERTIES = (
    ("mu_p", "μₚ", "intra-class clustering", "mean of d² within classes"),
    ("sigma_p", "σₚ", "intra-class equidistance", "deviation of d² within classes"),
    ("mu_n", "μₙ", "inter-class separation", "mean of (1 − d)² between classes"),
    ("sigma_n", "σₙ", "inter-class equidistance", "deviation of (1 − d)² between classes"),
)
#: What the paper has for AST on ESC-50, accuracy and standard deviation in percent: its table 2 for the first
#: four, and figure 5 for weights of ADD that the table does not have.
PAPER = {
    ("ce", ()): (93.97, 0.21),
    ("focal", ()): (94.40, 0.36),
    ("opl", ()): (94.11, 0.37),
    ("add", (1.0, 1.0, 1.0, 1.0)): (94.68, 0.09),
    ("add", (1.0, 0.0, 0.0, 0.0)): (94.35, 0.23),
    ("add", (0.0, 1.0, 0.0, 0.0)): (94.58, 0.38),
    ("add", (0.0, 0.0, 1.0, 0.0)): (94.32, 0.13),
    ("add", (0.0, 0.0, 0.0, 1.0)): (94.42, 0.18),
    ("add", (1.0, 0.0, 1.0, 0.0)): (94.17, 0.26),
}
#: Numbers of the curves of a setting.
CURVES = ("loss", "training_accuracy", "test_accuracy")


def accuracies(spec: AnyGrid) -> list[dict[str, Any]]:
    """Return the accuracy of every setting, with what the `paper` has for it and whether it is the `best`."""
    frame = result(spec).recipes.to_pandas()
    top = frame["accuracy"].max()
    return [
        row
        | {
            "paper": PAPER.get((row["loss"], tuple(row["weights"]))),
            "best": row["accuracy"] == top and len(frame) > 1,
        }
        for row in frame.to_dict("records")
    ]


def format_percent(value: float, sd: float) -> str:
    """Return a share and its deviation in percent; a dash for NaN.

    Examples
    --------
    >>> format_percent(0.93417, 0.0038), format_percent(0.5, np.nan), format_percent(np.nan, np.nan)
    ('93.42 ± 0.38', '50.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{100 * value:.2f}" + (f" ± {100 * sd:.2f}" if np.isfinite(sd) else "")


def format_points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign; a dash for NaN.

    Examples
    --------
    >>> format_points(0.0042), format_points(-0.0013), format_points(-1e-9), format_points(np.nan)
    ('+0.42', '−0.13', '0.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    # Zero has no sign, however it was rounded.
    return f"{round(100 * value, 2) + 0.0:+.2f}".replace("-", "−").replace("+0.00", "0.00")


def format_interval(low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval of shares in percent; "" for NaN.

    Examples
    --------
    >>> format_interval(0.925, 0.9436), format_interval(-0.004, 0.019, signed=True)
    ('92.5 to 94.4', '−0.4 to +1.9')
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    sign = "+" if signed else ""
    return f"{100 * low:{sign}.1f} to {100 * high:{sign}.1f}".replace("-", "−")


def accuracies_table(spec: AnyGrid) -> pd.DataFrame:
    """Return the accuracies as a table to save."""
    frame = result(spec).recipes.to_pandas()
    return frame.assign(weights=[", ".join(f"{w:g}" for w in weights) for weights in frame["weights"]])


def newest(workspace: Workspace) -> list[tuple[str, AnyGrid]]:
    """Return the newest training of every space and network of every dataset, with the dataset's name."""
    trainings: dict[tuple[str, str], AnyGrid] = {}
    for dataset in filter(lambda d: d.ready, workspace.datasets()):
        for g in losses.grids(workspace, dataset):
            if g.state == "done":
                trainings.setdefault((dataset.name, losses.started_from(g.spec)), g.spec)
    return [(name, spec) for (name, _), spec in trainings.items()]


def compare(specs: Sequence[AnyGrid]) -> dict[str, list[dict[str, Any] | None]]:
    """Return the accuracies of several trainings by setting; None for a training without the setting."""
    columns = [{row["name"]: row for row in accuracies(spec)} for spec in specs]
    settings = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in settings}


class Progress(NamedTuple):
    """The curves of a training so far, and how many of its models have started and have all epochs."""

    curves: Curves
    started: int
    finished: int
    total: int


def curves(spec: AnyGrid) -> Curves:
    """Return the mean curves of the settings of a training that is done."""
    recipe = result(spec).column("runs", "recipe")
    return once(("losses-curves", spec.key), lambda: _means(spec, result(spec).curves, np.array(recipe)))


def progress(workspace: Workspace, spec: AnyGrid) -> Progress | None:
    """Return how far a running training is; None before its first epoch."""
    now = live.read(workspace, spec.key)
    if now is None or not now.epochs_done.any():
        return None
    done = now.epochs_done
    finished = int((done == now.curves.shape[2]).sum())
    return Progress(_means(spec, now.curves, now.recipe), int((done > 0).sum()), finished, len(done))


def _means(spec: AnyGrid, stacked: np.ndarray, recipe: np.ndarray) -> Curves:
    known = np.ma.masked_invalid(np.asarray(stacked, float))
    values = [known[recipe == i].mean(axis=0).filled(np.nan) for i in range(len(spec.recipes))]
    return Curves(losses.names(spec), np.array(values), CURVES)


def changes(spec: AnyGrid, name: str) -> pd.DataFrame:
    """Return one of the `PROPERTIES` before and after each setting: means over models, of held-out clips.

    ``sd`` is over the models. ``lower_than_cross_entropy`` counts the models of which the property is lower
    than with cross-entropy, of the same seed and fold, among ``models_compared``: none for cross-entropy
    itself, and where it was not trained. ``asked_for`` is True if the loss has a term for this very property.
    """

    def compute() -> pd.DataFrame:
        runs = result(spec).runs.to_pandas()
        table = runs.groupby("recipe").agg(
            before=(f"before_{name}", "mean"), after=(name, "mean"), sd=(name, "std")
        )
        others, plain = runs[runs["loss"] != "ce"], runs[runs["loss"] == "ce"]
        pairs = others.merge(plain[["seed", "fold", name]], on=["seed", "fold"], suffixes=("", "_ce"))
        pairs = pairs.dropna(subset=[name, f"{name}_ce"])
        lower = (pairs[name] < pairs[f"{name}_ce"]).groupby(pairs["recipe"]).agg(["sum", "count"])
        counts = lower.reindex(table.index, fill_value=0).astype(int)
        # Weights of ADD are those of (μ_p, σ_p, μ_n, σ_n), of soft ADD those of (μ, σ_p); μ is of both means.
        at = [p[0] for p in PROPERTIES].index(name)
        place = {"add": at, "add-soft": (0, 1, 0, None)[at]}
        terms = [(r.weights, place.get(r.loss)) for r in spec.recipes]
        return table.assign(
            lower_than_cross_entropy=counts["sum"],
            models_compared=counts["count"],
            property=name,
            setting=losses.names(spec),
            asked_for=[i is not None and weights[i] > 0 for weights, i in terms],
            loss=[r.loss for r in spec.recipes],
        )

    return once(("losses-change", spec.key, name), compute)


def changes_table(spec: AnyGrid, name: str) -> pd.DataFrame:
    """Return one of the four properties of every setting as a table to save."""
    first = ["property", "setting", "asked_for"]
    table = changes(spec, name).drop(columns="loss")
    return table[[*first, *table.columns.difference(first, sort=False)]]
