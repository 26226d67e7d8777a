"""What is measured of trainings with several losses: accuracies, curves, and properties of spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.words import count
from dashboard.data import workspace as shown_workspace
from dashboard.kit.learning_figures import Curves
from dashboard.kit.table import csv
from dashboard.losses.data import AnyGrid, Grid, Result, grids, result, started_from
from dashboard.memory import once
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

# -- accuracy ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracy:
    """A setting's row in the table of accuracies; all shares from 0 to 1, NaN where there is none."""

    name: str
    value: float
    sd: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    p: float
    n_failed: int
    paper: tuple[float, float] | None
    best: bool


def accuracies(found: Result) -> list[Accuracy]:
    """Return the table of accuracies, a row a setting."""
    best = found.recipes["accuracy"].max()
    return [
        Accuracy(
            name=str(r["name"]),
            value=float(r["accuracy"]),
            sd=float(r["sd"]),
            low=float(r["low"]),
            high=float(r["high"]),
            difference=float(r["difference"]),
            difference_low=float(r["difference_low"]),
            difference_high=float(r["difference_high"]),
            p=float(r["p_holm"]),
            n_failed=int(r["n_failed"]),
            paper=PAPER.get((str(r["loss"]), tuple(float(w) for w in r["weights"]))),
            best=bool(r["accuracy"] == best) and len(found.recipes) > 1,
        )
        for r in found.recipes.to_dict("records")
    ]


def percent(value: float, sd: float) -> str:
    """Say a share and its deviation in percent; a dash where there is none.

    Examples
    --------
    >>> percent(0.93417, 0.0038), percent(0.5, float("nan")), percent(float("nan"), float("nan"))
    ('93.42 ± 0.38', '50.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    return f"{100 * value:.2f}" + (f" ± {100 * sd:.2f}" if np.isfinite(sd) else "")


def points(value: float) -> str:
    """Say a difference of shares in percentage points, with its sign; a dash where there is none.

    Examples
    --------
    >>> points(0.0042), points(-0.0013), points(-1e-9), points(float("nan"))
    ('+0.42', '−0.13', '0.00', '–')
    """
    if not np.isfinite(value):
        return "–"
    # Zero has no sign, whichever rounding came to it.
    return f"{round(100 * value, 2) + 0.0:+.2f}".replace("-", "−").replace("+0.00", "0.00")


def span(low: float, high: float, *, signed: bool = False) -> str:
    """Say an interval of shares in percent; "" where there is none.

    Examples
    --------
    >>> span(0.925, 0.9436), span(-0.004, 0.019, signed=True), span(float("nan"), 1.0)
    ('92.5 to 94.4', '−0.4 to +1.9', '')
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    sign = "+" if signed else ""
    return f"{100 * low:{sign}.1f} to {100 * high:{sign}.1f}".replace("-", "−")


def accuracies_table(found: Result) -> bytes:
    """Return the accuracies as CSV."""
    frame = found.recipes.copy()
    frame["weights"] = [", ".join(f"{w:g}" for w in weights) for weights in frame["weights"]]
    return csv(frame)


def everywhere(workspace: Workspace) -> list[tuple[str, Grid]]:
    """Return the newest training of every space and network of every dataset, with the dataset's name."""
    found: dict[tuple[str, str], Grid] = {}
    for dataset in workspace.datasets():
        if not dataset.ready:
            continue
        for g in grids(workspace, dataset):
            if g.state == "done":
                found.setdefault((dataset.name, started_from(g.spec)), g)
    return [(name, g) for (name, _), g in found.items()]


def beside(done: Sequence[Grid]) -> tuple[list[str], list[list[Accuracy | None]]]:
    """Return the settings of several trainings and their accuracies.

    A row a setting, a column a training; None where one has not trained it.
    """
    columns = [{a.name: a for a in accuracies(result(g.spec))} for g in done]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return names, [[column.get(name) for column in columns] for name in names]


# -- how the models learned -------------------------------------------------------------------------------


#: Numbers of the curves of a setting.
CURVES = ("loss", "training_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Now:
    """How far a training is: its curves, and how many of its models have begun and have all epochs."""

    curves: Curves
    begun: int
    finished: int
    total: int


def curves(found: Result) -> Curves:
    """Return how the models of a training learned."""

    def read() -> Curves:
        stacked = np.asarray(shown_workspace().cache.open(found.spec.key).array("curves"), float)
        return _means(found.names, stacked, found.runs["recipe"].to_numpy(int))

    return once(("losses-curves", found.spec.key), read)


def now(workspace: Workspace, spec: AnyGrid) -> Now | None:
    """Return how far the models are of a training that goes on; None where nothing is known yet."""
    found = live.read(workspace, spec.key)
    if found is None or not found.epochs_done.any():
        return None
    done = found.epochs_done
    return Now(
        _means([r.name for r in spec.recipes], np.asarray(found.curves, float), found.recipe),
        begun=int((done > 0).sum()),
        finished=int((done == found.curves.shape[2]).sum()),
        total=len(done),
    )


def _means(names: list[str], stacked: np.ndarray, recipe: np.ndarray) -> Curves:
    values = np.full((len(names), *stacked.shape[1:]), np.nan)
    for i in range(len(names)):
        mine = stacked[recipe == i]
        there = np.isfinite(mine)
        n = there.sum(axis=0)
        sums = np.where(there, mine, 0).sum(axis=0)
        values[i] = np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0)
    return Curves(names, values, CURVES)


# -- the four properties ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A property of held-out clips before and after each setting, (R,) each: means over models.

    Attributes
    ----------
    sd : ndarray
        Over the models.
    lower : ndarray of int
        Models of which it is lower than with cross-entropy, of the same seed and fold; `models` were
        compared, 0 for cross-entropy itself and where it did not take part.
    own : list of bool
        Whether the loss asks for this very property.
    level : float
        With cross-entropy; NaN if it did not take part.
    """

    names: list[str]
    before: np.ndarray
    after: np.ndarray
    sd: np.ndarray
    lower: np.ndarray
    models: np.ndarray
    own: list[bool]
    level: float

    @property
    def said(self) -> list[str]:
        """Words on each setting."""
        return [
            f"lower than with cross-entropy in {a:,} of {count(n, 'model')}" if n else ""
            for a, n in zip(self.lower.tolist(), self.models.tolist(), strict=True)
        ]


def change(found: Result, name: str) -> Change:
    """Return one of the `PROPERTIES` before and after each setting."""

    def compute() -> Change:
        runs, n = found.runs, len(found.names)
        before, after, sd = np.full((3, n), np.nan)
        lower, models = np.zeros((2, n), np.int64)
        plain = runs[runs["loss"] == "ce"].set_index(["seed", "fold"])[name]
        for i in range(n):
            mine = runs[runs["recipe"] == i]
            values = mine[name].to_numpy(float)
            fine = values[np.isfinite(values)]
            if len(fine):
                after[i] = fine.mean()
                sd[i] = fine.std(ddof=1) if len(fine) > 1 else np.nan
            first = mine[f"before_{name}"].to_numpy(float)
            if np.isfinite(first).any():
                before[i] = first[np.isfinite(first)].mean()
            if len(plain) and found.recipes["loss"].iloc[i] != "ce":
                other = plain.reindex(pd.MultiIndex.from_frame(mine[["seed", "fold"]])).to_numpy(float)
                both = np.isfinite(values) & np.isfinite(other)
                lower[i], models[i] = int((values < other)[both].sum()), int(both.sum())
        at = [p[0] for p in PROPERTIES].index(name)
        ce = np.flatnonzero((found.recipes["loss"] == "ce").to_numpy())
        level = float(after[ce[0]]) if len(ce) else float("nan")
        return Change(found.names, before, after, sd, lower, models, _own(found.recipes, at), level)

    return once(("losses-change", found.spec.key, name), compute)


def _own(recipes: pd.DataFrame, at: int) -> list[bool]:
    """Whether each loss has a term of its own for a property: (μ_p, σ_p, μ_n, σ_n), or (μ, σ_p)."""
    soft = (0, 1, 0, None)[at]
    place = {"add": at, "add-soft": soft}
    found = []
    for loss, weights in zip(recipes["loss"], recipes["weights"], strict=True):
        which = place.get(str(loss))
        found.append(which is not None and float(weights[which]) > 0)
    return found


def changes_table(found: Result, name: str) -> bytes:
    """Return one of the four properties of every setting as CSV."""
    c = change(found, name)
    columns = {"before": c.before, "after": c.after, "sd": c.sd}
    columns |= {"lower_than_cross_entropy": c.lower, "models_compared": c.models}
    return csv(pd.DataFrame({"property": name, "setting": c.names, "asked_for": c.own} | columns))
