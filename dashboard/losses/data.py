"""Trainings with several losses as the page shows them: which there are, and what is asked of a new one.

A setting is a loss with its weights: a recipe of a training, by its name there. What is measured of settings
is in `dashboard.losses.numbers`, the spaces that they made in `dashboard.losses.spaces`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.recipes import describe
from dashboard import grids as listed
from dashboard.data import Clips
from dashboard.data import workspace as shown_workspace
from dashboard.kit import numbers
from dashboard.memory import once
from jobs import presets as measures
from jobs.specs import EmbedAudio, LossGrid, LossNetworkGrid
from jobs.workspace.workspace import Dataset, Workspace

AnyGrid = LossGrid | LossNetworkGrid
Grid = listed.Grid[AnyGrid]


@dataclass(frozen=True)
class Result:
    """What a training came to; columns are those of `jobs.specs.losses.LossTraining`.

    Attributes
    ----------
    recipes : DataFrame
        A row a setting.
    runs : DataFrame
        A row a model.
    classes : tuple of str, length C
        In the order of the matrices.
    meta : dict
    """

    spec: AnyGrid
    recipes: pd.DataFrame
    runs: pd.DataFrame
    classes: tuple[str, ...]
    meta: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """What the settings are called."""
        return [str(name) for name in self.recipes["name"]]

    @property
    def models_each(self) -> int:
        """Models of each setting: one a seed and fold."""
        return len(self.runs) // len(self.recipes)

    def recipe(self, name: str) -> int:
        """Which setting is called so."""
        return self.names.index(name)


def started_from(spec: AnyGrid) -> str:
    """Return what was trained: the space, or the network."""
    return spec.embedding.encoder if isinstance(spec, LossGrid) else spec.network


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio | None = None) -> list[Grid]:
    """Return the trainings of a dataset: those that are there, the newest first, then those asked for.

    With `embedding`, only heads on that space, and networks.
    """

    def mine(spec: AnyGrid) -> bool:
        if embedding is not None and isinstance(spec, LossGrid) and spec.embedding.key != embedding.key:
            return False
        # What is said of the clips now is what the page shows beside it.
        same = spec.dataset.fingerprint == dataset.fingerprint
        return same and spec.labels == dataset.labels_fingerprint

    return listed.find(workspace, (LossGrid, LossNetworkGrid), mine)


def result(spec: AnyGrid) -> Result:
    """Return what a training came to."""

    def read() -> Result:
        artifact = shown_workspace().cache.open(spec.key)
        return Result(
            spec,
            artifact.table("recipes").to_pandas(),
            artifact.table("runs").to_pandas(),
            tuple(artifact.table("classes").column("label").to_pylist()),
            dict(artifact.meta),
        )

    return once(("losses", spec.key), read)


def named(spec: AnyGrid) -> str:
    """Say which training it is, in a few words."""
    said = (
        [spec.network]
        if isinstance(spec, LossNetworkGrid)
        else [f"hidden {spec.hidden}" if spec.hidden else "linear"]
    )
    said.append(numbers.count(len(spec.recipes), "loss"))
    return " · ".join([*said, numbers.count(spec.seeds, "seed"), numbers.count(spec.epochs, "epoch")])


def recipe_words(spec: AnyGrid) -> str:
    """Describe how the models of a training are trained."""
    unused = {"focal": ("focal_gamma",), "opl": ("opl_gamma", "opl_weight")}
    return describe(
        spec, [name for loss, names in unused.items() if loss not in spec.losses for name in names]
    )


def own_folds(c: Clips) -> list[int]:
    """Return the dataset's own folds, ascending; [] where a clip with a class has none."""
    if "fold" not in c.frame:
        return []
    folds = c.frame["fold"][measures.clip_classes(c.frame) != ""]
    return [] if folds.isna().any() else sorted(int(fold) for fold in folds.unique())


def fold_name(c: Clips, fold: int) -> str:
    """Say which fold it is: its name where it has one, else its number."""
    return measures.fold_names(c.frame).get(fold, str(fold))


def folds_problem(c: Clips, drawn: int) -> str:
    """Say why there can be no training on the dataset's folds (0) or on so many drawn ones; "" if it can."""
    n = int((measures.clip_classes(c.frame) != "").sum())
    if drawn > n:
        return f"{drawn} folds cannot be drawn of {numbers.count(n, 'clip')} with a class; ask for fewer."
    if not drawn and len(own := own_folds(c)) == 1:
        fold = fold_name(c, own[0])
        return f"All clips are in the dataset’s fold {fold}; have folds drawn, five for example: see Recipe."
    return ""


def folds_words(c: Clips, spec: AnyGrid) -> str:
    """Say on which folds models are judged."""
    own = own_folds(c)
    if spec.held_out:
        out = ", ".join(fold_name(c, fold) for fold in spec.held_out)
        return f"judged by {'fold' if len(spec.held_out) == 1 else 'folds'} {out} of the dataset alone"
    if spec.folds or not own:
        return f"on {spec.folds or 'five'} drawn folds, each held out once"
    return "on the dataset’s own folds, each held out once"


def parsed_weights(text: str) -> list[tuple[float, ...]] | None:
    """Read settings of four weights, with a semicolon between two; None where it is something else.

    Examples
    --------
    >>> parsed_weights("1 0.5 1 0.5; 2,0,1,0"), parsed_weights(" "), parsed_weights("1 2 3")
    ([(1.0, 0.5, 1.0, 0.5), (2.0, 0.0, 1.0, 0.0)], [], None)
    """
    found: list[tuple[float, ...]] = []
    for part in filter(str.strip, text.split(";")):
        try:
            weights = tuple(float(w) for w in part.replace(",", " ").split())
        except ValueError:
            return None
        if len(weights) != 4 or not all(0 <= w <= 1000 for w in weights):
            return None
        found.append(weights)
    return found


def usual_settings(found: Result) -> list[str]:
    """Return what is compared at first: ADD with most weights, cross-entropy and the next ADD, or others."""
    r = found.recipes
    plain = r.loc[r["loss"] == "ce", "name"].astype(str).tolist()
    add = sorted(
        r[r["loss"].isin(["add", "add-soft"])].to_dict("records"),
        key=lambda row: -sum(w > 0 for w in row["weights"]),
    )
    order = [str(row["name"]) for row in add[:1]] + plain + [str(row["name"]) for row in add[1:]]
    return list(dict.fromkeys([*order, *found.names]))[:3]


def kept_space(found: Result, dataset: Dataset, name: str) -> EmbedAudio:
    """Return the spec of the space that a setting made, which every page can show."""
    return measures.trained_by_losses(dataset, found.spec)[found.recipe(name)]
