"""The experiments of Leakage lab, the numbers that the paper prints, and its two correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from core.recipes import describe
from core.statistics import Correlation, pearson
from dashboard import grids as listed
from dashboard.data import USUAL_TEXT, Clips
from dashboard.kit import numbers
from dashboard.kit.correlation import Dots, Fitted, fit_line, logarithm
from dashboard.kit.text import whole
from dashboard.memory import once
from dashboard.results import result
from dashboard.state import View
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import PRETRAININGS, TRAININGS, ContrastiveGrid, CuratedTraining
from jobs.tasks.contrastive_grid import Result
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.workspace import Dataset, Workspace

#: Definitions of the topological similarity: name in the URL, on the page, and the column's ending.
DEFINITIONS = {
    "adjusted": ("above chance", ""),
    "plain": ("plain", "_plain"),
    "literal": ("the paper’s words, literally", "_literal"),
}
#: The pairs of Table 3.
PAIRS = {"xa_Ea": "x_a and E_a", "xt_Et": "x_t and E_t", "Ea_Et": "E_a and E_t"}

_CELLS = [(before, then) for then in TRAININGS for before in PRETRAININGS]
_PRINTED = {
    "accuracy": [0.73, 0.61, 0.31, 0.48, 0.40, 0.14],
    "silhouette_xa": [0.35, 0.20, 0.11, 0.27, 0.16, 0.01],
    "silhouette_Ea": [0.34, 0.20, 0.08, 0.14, 0.15, -0.05],
    "overlap_xa_Ea": [0.74, 0.75, 0.77, 0.82, 0.78, 0.75],
    "overlap_xt_Et": [0.75, 0.72, 0.69, 0.62, 0.75, 0.56],
    "overlap_Ea_Et": [0.46, 0.47, 0.44, 0.50, 0.45, 0.38],
}
#: What Tavares et al. print: by column of our table, pre-training and training.
PAPER = {column: dict(zip(_CELLS, values, strict=True)) for column, values in _PRINTED.items()}
PAPER_CHANCE = 0.02
#: The two correlations of the paper: the two columns, r and p as printed.
CORRELATIONS = {
    "silhouette": ("silhouette_Ea", "accuracy", "0.97", "< 0.01"),
    "similarity": ("overlap_Ea_Et", "log_accuracy", "0.85", "0.032"),
}

Grid = listed.Grid[ContrastiveGrid]
S = TypeVar("S", ContrastiveGrid, CuratedTraining)


@dataclass(frozen=True)
class Shown:
    """The experiment that is shown, and the model and the class ("" for none) that are chosen."""

    workspace: Workspace
    view: View
    dataset: Dataset
    clips: Clips
    spec: ContrastiveGrid
    result: Result
    model: str = ""
    label: str = ""

    @property
    def file(self) -> str:
        """End of the names of files that are saved."""
        return f"{self.dataset.name}-{self.spec.key[:12]}"

    @property
    def n_tested(self) -> str:
        """The numbers of test clips and classes, over which silhouettes and similarities are measured."""
        n_classes = numbers.count(self.result.n_test_classes, "test class")
        return f"{numbers.count(self.result.n_test, 'test clip')} of {n_classes}"


@dataclass(frozen=True)
class Related:
    """One of the paper's two correlations with ours: over the models that have both numbers."""

    x: str
    y: str
    dots: Dots
    r: Correlation | None
    line: Fitted | None
    paper_r: str
    paper_p: str

    @property
    def table(self) -> pd.DataFrame:
        """The dots."""
        return pd.DataFrame({"model": self.dots.ids, self.x: self.dots.x, self.y: self.dots.y})


def trainings(workspace: Workspace, dataset: Dataset, kind: type[S]) -> list[listed.Grid[S]]:
    """Return the trainings of a kind on a dataset: the finished ones, the newest first, then the others."""

    def is_current(spec: S) -> bool:
        # The page shows the present labels beside the result.
        same_sounds = spec.dataset.fingerprint == dataset.fingerprint
        return same_sounds and spec.labels == dataset.labels_fingerprint

    return listed.find(workspace, (kind,), is_current)


def of_other_seeds(grids: Sequence[Grid], spec: ContrastiveGrid) -> list[ContrastiveGrid]:
    """Return the trained grids that differ from one in the seed alone, that one included, by seed."""
    same = [g.spec for g in grids if g.state == "done" and replace(g.spec, seed=spec.seed) == spec]
    return sorted(same, key=lambda s: s.seed)


def over_seeds(specs: Sequence[ContrastiveGrid]) -> pd.DataFrame:
    """Return means and ranges over grids of several seeds; see `jobs.contrastive_presets.over_seeds`."""
    return contrastive.over_seeds([result(spec).models.to_pandas() for spec in specs])


def recipe(spec: ContrastiveGrid) -> str:
    """Describe how the models of a grid are trained."""
    backbone = {"small": "a small network", "cnn14": "CNN14"}[spec.backbone]
    return f"{backbone} and {spec.text_encoder}, {describe(spec)}"


def cell(result: Result, column: str, before: str, then: str) -> float:
    """Return a number of the model of a pre-training and training; NaN where the result has none."""
    models = result.by_model
    return float(models[column].get(f"{before}/{then}", np.nan)) if column in models else float("nan")


def largest_k(result: Result) -> int:
    """Return the largest k of the topological similarity: a fifth of the classes."""
    return max(1, result.n_test_classes // 5)


def related(result: Result, which: str, definition: str = "adjusted") -> Related:
    """Return one of the `CORRELATIONS` over the models that did not fail, by a definition of similarity."""
    x_name, y_name, paper_r, paper_p = CORRELATIONS[which]
    column = x_name + (DEFINITIONS[definition][1] if x_name.startswith("overlap") else "")
    m = result.good
    x, accuracy = m[column].to_numpy(float), m["accuracy"].to_numpy(float)
    y, ends = accuracy, m[["accuracy_low", "accuracy_high"]].to_numpy(float)
    if y_name == "log_accuracy":
        y, ends = logarithm(y), logarithm(ends)
    ok = np.isfinite(x) & np.isfinite(y)
    names = m.index[ok].tolist()
    hover = [
        f"<b>{whole(name)}</b><br>{x_name.partition('_')[0]} {v:.3f}<br>accuracy {a:.3f}"
        for name, v, a in zip(names, x[ok], accuracy[ok], strict=True)
    ]
    dots = Dots(
        names,
        names,
        hover,
        x[ok],
        y[ok],
        np.array([PRETRAININGS.index(p) for p in m["pretraining"][ok]], np.int64),
        [f"pre-training {p}" for p in PRETRAININGS],
        ends[ok],
        (m["training"][ok] == "clean").to_numpy(),
    )
    enough = len(names) >= 3
    r = pearson(x[ok], y[ok]) if enough else None
    return Related(column, y_name, dots, r, fit_line(x[ok], y[ok]) if enough else None, paper_r, paper_p)


@dataclass(frozen=True)
class Captions:
    """The number of captions of a dataset, the number of their clips, and their fingerprint."""

    n: int
    clips: int
    fingerprint: str


def captions(dataset: Dataset) -> Captions:
    """Count the captions of a dataset."""

    def count() -> Captions:
        table = captions_of(dataset)
        return Captions(len(table), int(table["clip_id"].nunique()), captions_fingerprint(table))

    # They can change while sounds and labels stay.
    return once(("captions", dataset.name, dataset.fingerprint, dataset.created), count)


def text_encoders(workspace: Workspace, dataset: Dataset) -> list[str]:
    """Return the text encoders to train with: the usual one where it is installed, then those in use."""
    usual = [USUAL_TEXT] if encoders.get(USUAL_TEXT)[0].available() is None else []
    used = [t.spec.encoder for t in workspace.text_spaces(dataset) if t.spec.source is None]
    return list(dict.fromkeys([*usual, *used]))
