"""One zero-shot model as the page shows it: what its test clips were taken for, and how it learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dashboard.data import workspace as shown_workspace
from dashboard.kit import confusion_numbers as confusion
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.zeroshot.data import Result
from jobs.specs import ZeroShotGrid


@dataclass(frozen=True)
class Judged(confusion.Judged):
    """A model on one test set; the test classes are in the order of `scores`.

    Attributes
    ----------
    row : Series
        Its row in `Result.models`.
    clips : DataFrame
        ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score`` of its test clips.
    scores : ndarray, shape (n, C)
    """

    row: pd.Series
    train: list[str]
    validation: list[str]
    clips: pd.DataFrame
    scores: np.ndarray

    @property
    def chances(self) -> tuple[float, float]:
        """Accuracy of guessing among the training classes, and among the validation classes."""
        return 1 / len(self.train), 1 / len(self.validation)

    @property
    def unvalidated(self) -> str:
        """Why there is no accuracy on the validation classes, "" where there is one."""
        if len(self.validation) > 1:
            return ""
        return (
            "With one validation class every clip is taken for it, which says nothing: there is a validation "
            "accuracy from two on."
        )


def judged(found: Result, id: str) -> Judged:
    """Return a model on one test set, by its name in links."""

    def read() -> Judged:
        row = found.models[found.models["id"] == id].iloc[0]
        mine = (found.classes["model"] == row["model"]) & (found.classes["test_set"] == row["test_set"])
        parts = found.classes[mine]
        part = {p: parts["label"][parts["part"] == p].tolist() for p in ("train", "validation", "test")}
        table = _predictions(found.spec)
        at = np.flatnonzero((table["model"] == row["model"]) & (table["test_set"] == row["test_set"]))
        clips = table["clips"].take(at).to_pandas()
        test = part["test"]
        code = {name: i for i, name in enumerate(test)}
        truth, guess = (clips[name].map(code).to_numpy(np.int64) for name in ("label", "predicted"))
        n = len(test)
        return Judged(
            test,
            np.bincount(truth * n + guess, minlength=n * n).reshape(n, n),
            row,
            part["train"],
            part["validation"],
            clips.drop(columns=["scores"]),
            np.stack(clips["scores"].to_list()).astype(float) if len(clips) else np.empty((0, n)),
        )

    return once(("zero-shot-model", found.spec.key, id), read)


def _predictions(spec: ZeroShotGrid) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        table = shown_workspace().cache.open(spec.key).table("predictions")
        which = {name: table.column(name).to_numpy() for name in ("model", "test_set")}
        return which | {"clips": table.drop_columns(["model", "test_set"])}

    return once(("zero-shot-clips", spec.key), read)


def rank(found: Result, shown: Judged) -> int:
    """Return the place of a model among all of the experiment by accuracy, from 1."""
    return int((found.models["accuracy"] > shown.row["accuracy"]).sum()) + 1


def in_cell(shown: Judged, true: str, predicted: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, those that were nearly right first.

    On the diagonal, which holds those that were right, the first are those whose class led the next by most.
    """
    cell = confusion.in_cell(shown.clips.assign(at=np.arange(len(shown.clips))), true, predicted)
    if true == predicted:
        ordered = np.sort(shown.scores[cell["at"]], axis=1)  # (clips, C)
        cell = cell.assign(margin=ordered[:, -2] - ordered[:, -1])
        cell = cell.sort_values(["margin", "clip_id"], kind="stable").reset_index(drop=True)
    return cell


def scored(shown: Judged, clip: str) -> list[tuple[str, float]]:
    """Return the test classes with the clip's score for each, the highest first."""
    at = shown.clips["clip_id"].tolist().index(clip)
    order = np.argsort(-shown.scores[at], kind="stable")
    return [(shown.classes[i], float(shown.scores[at, i])) for i in order.tolist()]


def curves(found: Result, shown: Judged) -> np.ndarray:
    """Return loss, training and validation accuracy over the epochs, (3, E).

    The last is NaN where there is one validation class, the others where the model had stopped.
    """
    values = np.array(found.curves[int(shown.row["model"])], float)
    if shown.unvalidated:
        values[2] = np.nan
    return values


def curves_table(found: Result, shown: Judged) -> bytes:
    """Return the learning curves of a model as CSV."""
    loss, train, validation = curves(found, shown)
    frame = pd.DataFrame({"epoch": np.arange(1, len(loss) + 1), "loss": loss, "train_accuracy": train})
    if not shown.unvalidated:
        frame["validation_accuracy"] = validation
    return csv(frame)
