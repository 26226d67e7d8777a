"""Confusions in numbers: the accuracy of each class, the confusion matrix, and the clips of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.statistics import share_interval
from dashboard.kit import numbers
from dashboard.kit.confusion_figures import ByClass, Confused

#: Classes up to which a matrix of all is drawn; of more, the rows that it has.
MOST_CONFUSED = 24


@dataclass(frozen=True)
class Judged:
    """The classes that test clips were taken for.

    Attributes
    ----------
    classes : sequence of str, length T
        The test classes.
    confusion : ndarray of int, shape (T, T)
        Clips by their class (rows) and the class that they were taken for.
    """

    classes: Sequence[str]
    confusion: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Test clips of each class, (T,)."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right clips of each class with the ends of its 95% interval (Wilson), (T, 3)."""
        hits = np.diag(self.confusion)
        shares = [share_interval(int(h), int(n)) for h, n in zip(hits, self.counts, strict=True)]
        return np.array([(s.value, s.low, s.high) for s in shares], float).reshape(-1, 3)


def by_class(shown: Judged, rest: dict[str, np.ndarray] | None = None) -> ByClass:
    """Order the classes that have clips by their accuracy, the best first.

    Parameters
    ----------
    shown : Judged
    rest : dict, optional
        Other models by name to their accuracy of each class, (T,).
    """
    tested = np.flatnonzero(shown.counts > 0)
    accuracy = shown.accuracy
    order = tested[np.lexsort((np.array(shown.classes)[tested], -accuracy[tested, 0]))]
    others = rest or {}
    return ByClass(
        [shown.classes[i] for i in order.tolist()],
        accuracy[order],
        shown.counts[order],
        list(others),
        np.array([values[order] for values in others.values()]).reshape(len(others), len(order)),
    )


def by_class_table(shown: ByClass, model: str) -> pd.DataFrame:
    """Return the accuracy of each class by every model."""
    frame = pd.DataFrame(shown.accuracy, columns=[model, f"{model}_low", f"{model}_high"])
    frame.insert(0, "class", list(shown.names))
    return frame.assign(clips=shown.counts, **dict(zip(shown.others, shown.rest, strict=True)))


def matrix_table(shown: Judged) -> pd.DataFrame:
    """Return the confusion matrix, a row a pair."""
    names = np.array(shown.classes, dtype=object)
    return pd.DataFrame(
        {
            "class": np.repeat(names, len(names)),
            "taken_for": np.tile(names, len(names)),
            "clips": np.ravel(shown.confusion),
        }
    )


def confused(shown: Judged) -> Confused:
    """Return the matrix that is drawn: of all classes, or a row for each of those with most mistakes.

    With more than `MOST_CONFUSED` classes the rows are those of which most clips are wrong, of equal ones the
    first by name. Their columns are the class itself, the classes that they are taken for most, and all
    others in one, so that every clip of a row is in it.
    """
    names, n = shown.classes, len(shown.classes)
    if n <= MOST_CONFUSED:
        return Confused(names, names, shown.confusion, [[[name] for name in names]] * n, n, 0)
    wrong = _off(shown.confusion)
    mistakes = wrong.sum(axis=1)
    order = np.lexsort((np.array(names), -mistakes))
    rows = np.sort(order[:MOST_CONFUSED])
    taken = wrong[rows].sum(axis=0)
    most_taken = np.lexsort((np.array(names), -taken))[: MOST_CONFUSED - 2]
    columns = np.sort(most_taken[taken[most_taken] > 0])
    rest = np.setdiff1d(np.flatnonzero(taken), columns)
    parts = [np.diag(shown.confusion)[rows][:, None], wrong[np.ix_(rows, columns)]]
    titles = ["itself", *[names[j] for j in columns.tolist()]]
    held = [[[names[i]], *[[names[j]] for j in columns.tolist()]] for i in rows.tolist()]
    if len(rest):
        parts.append(wrong[np.ix_(rows, rest)].sum(axis=1, keepdims=True))
        titles.append(numbers.count(len(rest), "other"))
        for i, cells in zip(rows.tolist(), held, strict=True):
            # What most clips of the row are taken for comes first: a click opens it.
            at = rest[np.argsort(-wrong[i, rest], kind="stable")]
            cells.append([names[j] for j in at[wrong[i, at] > 0].tolist()] or [names[int(rest[0])]])
    last = mistakes[order[MOST_CONFUSED - 1]]
    alike = int((mistakes[order[MOST_CONFUSED:]] == last).sum()) if last else 0
    return Confused([names[i] for i in rows.tolist()], titles, np.hstack(parts), held, n, alike)


def _off(confusion: np.ndarray) -> np.ndarray:
    return np.asarray(confusion - np.diag(np.diag(confusion)))


def describe_rows(shown: Confused) -> str:
    """Say which classes have a row, "" where all have one."""
    n = len(shown.names)
    if n == shown.n_classes:
        return ""
    alike = f"; {shown.alike:,} more have as many as the last of them" if shown.alike else ""
    return f"rows: the {n:,} of {shown.n_classes:,} classes with most mistakes{alike}"


def first_cell(shown: Judged) -> tuple[str, str]:
    """Return the pair of classes that is confused most, or a class that is not if none is."""
    off = _off(shown.confusion)
    at = off if off.any() else shown.confusion
    i, j = (int(v) for v in np.unravel_index(int(at.argmax()), at.shape))
    return shown.classes[i], shown.classes[j]


def in_cell(predictions: pd.DataFrame, true: str, taken: str) -> pd.DataFrame:
    """Return the clips of a class that were taken for one, those that were nearly right first.

    Of those that were right the surest come first. `predictions` has ``clip_id``, ``label``, ``predicted``,
    ``score`` and ``own_score``.
    """
    p = predictions[(predictions["label"] == true) & (predictions["predicted"] == taken)]
    margin = -p["score"] if true == taken else p["score"] - p["own_score"]
    return p.assign(margin=margin).sort_values(["margin", "clip_id"], kind="stable").reset_index(drop=True)
