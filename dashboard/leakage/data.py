"""Grids of contrastive models as the page shows them: what a leak of test classes does to zero-shot tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core import statistics
from core.recipes import describe
from core.statistics import Correlation
from dashboard import grids as listed
from dashboard.data import workspace as shown_workspace
from dashboard.kit import numbers
from dashboard.kit.correlation import Dots, Fitted, fit_line
from dashboard.kit.text import whole
from dashboard.memory import once
from dashboard.zeroshot.data import USUAL_TEXT
from jobs import contrastive_presets as contrastive
from jobs import encoders
from jobs.specs import EmbedAudio, EmbedText
from jobs.specs.contrastive import PRETRAININGS, TRAININGS, ContrastiveGrid
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.workspace import Dataset, Workspace

#: What of the topological similarity is shown: name in the URL, on the page, and the column's ending.
DEFINITIONS = {
    "adjusted": ("above chance", ""),
    "plain": ("plain", "_plain"),
    "literal": ("the paper’s words, literally", "_literal"),
}
#: The pairs of Table 3.
PAIRS = {"xa_Ea": "x_a and E_a", "xt_Et": "x_t and E_t", "Ea_Et": "E_a and E_t"}

_CELLS = [(before, then) for then in TRAININGS for before in PRETRAININGS]


def _as_printed(values: Sequence[float]) -> dict[tuple[str, str], float]:
    return dict(zip(_CELLS, values, strict=True))


#: What Tavares et al. print: by column of our table, pre-training and training.
PAPER = {
    "accuracy": _as_printed([0.73, 0.61, 0.31, 0.48, 0.40, 0.14]),
    "silhouette_xa": _as_printed([0.35, 0.20, 0.11, 0.27, 0.16, 0.01]),
    "silhouette_Ea": _as_printed([0.34, 0.20, 0.08, 0.14, 0.15, -0.05]),
    "overlap_xa_Ea": _as_printed([0.74, 0.75, 0.77, 0.82, 0.78, 0.75]),
    "overlap_xt_Et": _as_printed([0.75, 0.72, 0.69, 0.62, 0.75, 0.56]),
    "overlap_Ea_Et": _as_printed([0.46, 0.47, 0.44, 0.50, 0.45, 0.38]),
}
PAPER_CHANCE = 0.02
#: Test classes from which an interval over classes is more than the span of their values: of fewer, more than
#: 2.5% of all draws are of one class alone.
FEWEST_CLASSES = 4
#: The two correlations of the paper: what goes with what, r and p as printed.
CORRELATIONS = {
    "silhouette": ("silhouette_Ea", "accuracy", "0.97", "< 0.01"),
    "similarity": ("overlap_Ea_Et", "log_accuracy", "0.85", "0.032"),
}


Grid = listed.Grid[ContrastiveGrid]


@dataclass(frozen=True)
class Result:
    """What a grid came to; tables and arrays are as `ContrastiveGrid` says.

    `tests` are the test classes, sorted; `clips` the test clips, in the order of the maps; `failed` the
    models that failed, with why.
    """

    spec: ContrastiveGrid
    models: pd.DataFrame
    failed: dict[str, str]
    pretraining: pd.DataFrame
    tests: list[str]
    clips: pd.DataFrame
    predictions: pd.DataFrame
    leaks: pd.DataFrame
    label_leaks: pd.DataFrame
    meta: dict[str, Any]

    @property
    def good(self) -> pd.DataFrame:
        """The models that did not fail."""
        return self.models[self.models["failed"] == ""].reset_index(drop=True)

    def number(self, name: str) -> int:
        """Return the place of a model in arrays, by its name."""
        return int(self.models.set_index("name")["model"][name])

    def array(self, name: str) -> np.ndarray:
        """Return one of the arrays."""
        return np.asarray(shown_workspace().cache.open(self.spec.key).array(name))


@dataclass(frozen=True)
class Related:
    """One of the paper's two correlations with ours: over the models that have both numbers."""

    x: str
    y: str
    dots: Dots
    found: Correlation | None
    line: Fitted | None
    paper_r: str
    paper_p: str


# -- what is there ----------------------------------------------------------------------------------------


def grids(shown: Workspace, dataset: Dataset) -> list[Grid]:
    """Return the grids of a dataset: those that are there, the newest first, then those asked for."""

    def mine(spec: ContrastiveGrid) -> bool:
        # What is said of the clips now is what the page shows beside it.
        same = spec.dataset.fingerprint == dataset.fingerprint
        return same and spec.labels == dataset.labels_fingerprint

    return listed.find(shown, (ContrastiveGrid,), mine)


def result(spec: ContrastiveGrid) -> Result:
    """Return what a grid came to."""

    def read() -> Result:
        artifact = shown_workspace().cache.open(spec.key)
        frames = {
            name: artifact.table(name).to_pandas()
            for name in ("models", "pretraining", "clips", "texts", "predictions", "leaks", "label_leaks")
        }
        models, clips, texts = frames["models"], frames["clips"], frames["texts"]
        failed = models[models["failed"] != ""]
        return Result(
            spec,
            models,
            dict(zip(failed["name"], failed["failed"], strict=True)),
            frames["pretraining"],
            [str(i) for i in texts["id"][texts["test"].astype(bool)]],
            clips[clips["part"] == "test"].reset_index(drop=True),
            frames["predictions"],
            frames["leaks"],
            frames["label_leaks"],
            dict(artifact.meta),
        )

    return once(("contrastive", spec.key), read)


def of_other_seeds(grids: Sequence[Grid], spec: ContrastiveGrid) -> list[ContrastiveGrid]:
    """Return the trained grids that differ from one in the seed alone, that one included, by seed."""
    same = [g.spec for g in grids if g.state == "done" and replace(g.spec, seed=spec.seed) == spec]
    return sorted(same, key=lambda s: s.seed)


def over_seeds(specs: Sequence[ContrastiveGrid]) -> pd.DataFrame:
    """Return means and ranges over grids of several seeds; see `jobs.contrastive_presets.over_seeds`."""
    return contrastive.over_seeds([result(spec).models for spec in specs])


def recipe(spec: ContrastiveGrid) -> str:
    """Say how the models of a grid are trained."""
    backbone = {"small": "a small network", "cnn14": "CNN14"}[spec.backbone]
    return f"{backbone} and {spec.text_encoder}, {describe(spec)}"


# -- tables -----------------------------------------------------------------------------------------------


def cell(found: Result, column: str, before: str, then: str) -> float:
    """Return a number of the model of a pre-training and training; NaN where there is none."""
    m = found.models
    rows = m[(m["pretraining"] == before) & (m["training"] == then)]
    return float(rows[column].iloc[0]) if len(rows) else float("nan")


def before_training(found: Result, before: str) -> float:
    """Return the silhouette of the test clips by a backbone before contrastive training."""
    rows = found.pretraining[found.pretraining["pretraining"] == before]
    return float(rows["silhouette_x0"].iloc[0]) if len(rows) else float("nan")


def silhouette_of(found: Result, space: str, before: str, then: str = "") -> numbers.Estimate | None:
    """Return the mean silhouette of the test clips with an interval over their classes; None where unknown.

    Clips of a class are not independent, so whole classes are drawn (`core.statistics.bootstrap_interval`).
    Of fewer than `FEWEST_CLASSES` the ends are NaN.

    Parameters
    ----------
    found : Result
    space : {"xa", "Ea", "x0"}
        x0 is the backbone before contrastive training.
    before, then : str
        Pre-training, and training but for x0.
    """
    table = found.pretraining if space == "x0" else found.models
    rows = np.flatnonzero(
        (table["pretraining"] == before) & (True if space == "x0" else table["training"] == then)
    )
    if not len(rows):
        return None
    name = f"audio_{space}_{rows[0] if space == 'x0' else int(table['model'].iloc[rows[0]])}"

    def compute() -> numbers.Estimate | None:
        from core.separability import silhouette_samples

        every = shown_workspace().cache.open(found.spec.key).table("clips").to_pandas()
        X = found.array(name)[(every["part"] == "test").to_numpy()]
        labels = found.clips["label"].to_numpy(str)
        if not np.isfinite(X).all() or not 1 < len(np.unique(labels)) < len(X):
            return None
        each = silhouette_samples(X, labels)
        if len(np.unique(labels)) < FEWEST_CLASSES:
            return numbers.Estimate(float(each.mean()), float("nan"), float("nan"), len(each))
        i = statistics.bootstrap_interval(each, groups=labels)
        return numbers.Estimate(i.value, i.low, i.high, i.n)

    return once(("contrastive-silhouette", found.spec.key, name), compute)


def of_tests(found: Result) -> str:
    """Say over what silhouettes and similarities of a grid are measured."""
    return (
        f"{numbers.count(len(found.clips), 'test clip')} of {numbers.count(len(found.tests), 'test class')}"
    )


def largest_k(found: Result) -> int:
    """Return the largest size in which the topological similarity is looked for: a fifth of the classes."""
    return max(1, len(found.tests) // 5)


def has_neighbourhoods(found: Result) -> bool:
    """True if the topological similarity can differ: with two classes each is the other's nearest, always."""
    return len(found.tests) > 2


# -- correlations -----------------------------------------------------------------------------------------


def related(found: Result, which: str, definition: str = "adjusted") -> Related:
    """Return one of the two correlations over the models that did not fail.

    Parameters
    ----------
    found : Result
    which : {"silhouette", "similarity"}
    definition : {"adjusted", "plain", "literal"}
        Of the topological similarity.
    """
    x_name, y_name, paper_r, paper_p = CORRELATIONS[which]
    column = x_name + (DEFINITIONS[definition][1] if x_name.startswith("overlap") else "")
    m = found.good
    x, accuracy = m[column].to_numpy(float), m["accuracy"].to_numpy(float)
    ends = m[["accuracy_low", "accuracy_high"]].to_numpy(float)
    if y_name == "log_accuracy":
        y, ends = logarithm(accuracy), logarithm(ends)
    else:
        y = accuracy
    ok = np.isfinite(x) & np.isfinite(y)
    before = m["pretraining"].to_numpy(str)[ok]
    kinds = [f"pre-training {p}" for p in PRETRAININGS]
    names = m["name"].astype(str).to_numpy()[ok].tolist()
    said = [
        f"<b>{whole(n)}</b><br>{x_name.partition('_')[0]} {v:.3f}<br>accuracy {a:.3f}"
        for n, v, a in zip(names, x[ok], accuracy[ok], strict=True)
    ]
    dots = Dots(
        names,
        names,
        said,
        x[ok],
        y[ok],
        np.array([PRETRAININGS.index(p) for p in before], np.int64),
        kinds,
        ends[ok],
        m["training"].to_numpy(str)[ok] == "clean",
    )
    enough = int(ok.sum()) >= 3
    r = statistics.pearson(x[ok], y[ok]) if enough else None
    return Related(column, y_name, dots, r, fit_line(x[ok], y[ok]) if enough else None, paper_r, paper_p)


def logarithm(values: np.ndarray) -> np.ndarray:
    """Return natural logarithms, NaN of what is not above 0."""
    out = np.full(np.shape(values), np.nan)
    np.log(values, out=out, where=np.asarray(values) > 0)
    return out


def related_table(shown: Related) -> pd.DataFrame:
    """Return the dots of a correlation."""
    return pd.DataFrame({"model": shown.dots.ids, shown.x: shown.dots.x, shown.y: shown.dots.y})


def count_of(found: Result, name: str) -> int:
    """Return one of the counts of a result."""
    return int(found.meta.get(name) or 0)


def duration(found: Result) -> str:
    """Say how long a grid took; "" where that is not known."""
    seconds = found.meta.get("seconds")
    values = seconds.values() if isinstance(seconds, dict) else [seconds]
    known = [float(v) for v in values if v is not None]
    return numbers.duration(sum(known)) if known else ""


# -- what can be asked for --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Captions:
    """How many captions a dataset has, of how many clips, and what tells them from others."""

    n: int
    clips: int
    fingerprint: str


def captions(dataset: Dataset) -> Captions:
    """Return what there is of captions."""

    def count() -> Captions:
        table = captions_of(dataset)
        return Captions(len(table), int(table["clip_id"].nunique()), captions_fingerprint(table))

    # They can change while sounds and labels stay.
    return once(("captions", dataset.name, dataset.fingerprint, dataset.created), count)


def text_encoders(shown: Workspace, dataset: Dataset) -> list[str]:
    """Return the text encoders that can be trained with: the usual one where it is here, then those used."""
    found = [USUAL_TEXT] if encoders.get(USUAL_TEXT)[0].available() is None else []
    used = [t.spec.encoder for t in shown.text_spaces(dataset) if t.spec.source is None]
    return list(dict.fromkeys([*found, *used]))


def spaces_of(dataset: Dataset, found: Result, model: str) -> list[EmbedAudio | EmbedText]:
    """Return the specs of a model's spaces: x_a, E_a, and x_t and E_t of the names of the classes."""
    return [
        *contrastive.spaces_of(found.spec, [model]),
        *contrastive.texts_of_grid(found.spec, dataset, [model]),
    ]
