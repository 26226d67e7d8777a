"""One zero-shot model as the page shows it: what its test clips were taken for, and how it learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dashboard import numbers, tables
from dashboard.data import workspace as shown_workspace
from dashboard.memory import once
from dashboard.zeroshot.data import Result
from jobs.specs import ZeroShotGrid


@dataclass(frozen=True)
class Judged:
    """A model on one test set.

    Attributes
    ----------
    row : Series
        Its row in `Result.models`.
    classes : list of str
        The test classes, in the order of `scores`.
    clips : DataFrame
        ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score`` of its test clips.
    scores : ndarray, shape (n, C)
    confusion : ndarray, shape (C, C)
    accuracy : ndarray, shape (C, 3)
        Of each class, with the ends of its interval.
    """

    row: pd.Series
    train: list[str]
    validation: list[str]
    classes: list[str]
    clips: pd.DataFrame
    scores: np.ndarray
    confusion: np.ndarray
    accuracy: np.ndarray

    @property
    def counts(self) -> list[int]:
        """Clips of each test class."""
        return [int(n) for n in self.confusion.sum(axis=1)]

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
        confusion = np.bincount(truth * n + guess, minlength=n * n).reshape(n, n)
        shares = [numbers.share(guess[truth == i] == i) for i in range(n)]
        return Judged(
            row,
            part["train"],
            part["validation"],
            test,
            clips.drop(columns=["scores"]),
            np.stack(clips["scores"].to_list()).astype(float) if len(clips) else np.empty((0, n)),
            confusion,
            np.array([(s.value, s.low, s.high) for s in shares]),
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
    clips = shown.clips[(shown.clips["label"] == true) & (shown.clips["predicted"] == predicted)]
    if true == predicted:
        ordered = np.sort(shown.scores[clips.index], axis=1)  # (clips, C)
        margin = ordered[:, -2] - ordered[:, -1]
    else:
        margin = (clips["score"] - clips["own_score"]).to_numpy()
    return clips.assign(margin=margin).sort_values(["margin", "clip_id"], kind="stable")


def first_cell(shown: Judged) -> tuple[str, str]:
    """Return the pair of classes that is confused most, or a class that is not if none is."""
    off = shown.confusion - np.diag(np.diag(shown.confusion))
    at = off if off.any() else shown.confusion
    i, j = (int(v) for v in np.unravel_index(int(at.argmax()), at.shape))
    return shown.classes[i], shown.classes[j]


def scored(shown: Judged, clip: str) -> list[tuple[str, float]]:
    """Return the test classes with the clip's score for each, the highest first."""
    at = shown.clips["clip_id"].tolist().index(clip)
    order = np.argsort(-shown.scores[at], kind="stable")
    return [(shown.classes[i], float(shown.scores[at, i])) for i in order.tolist()]


def judged_table(shown: Judged) -> bytes:
    """Return the accuracy of each class as CSV."""
    frame = pd.DataFrame(shown.accuracy, columns=["accuracy", "low", "high"])
    frame.insert(0, "class", shown.classes)
    frame["clips"] = shown.counts
    return tables.csv(frame)


def confusion_table(shown: Judged) -> bytes:
    """Return the confusion matrix as CSV, a row a pair."""
    rows = [
        {"class": a, "taken_for": b, "clips": int(shown.confusion[i, j])}
        for i, a in enumerate(shown.classes)
        for j, b in enumerate(shown.classes)
    ]
    return tables.csv(pd.DataFrame(rows))


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
    return tables.csv(frame)
