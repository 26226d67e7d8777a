"""One contrastive model from near by: its classes, what it confuses, how it learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.statistics import intervals as statistics
from dashboard import numbers, tables
from dashboard.leakage import curves as leakage_curves
from dashboard.leakage.curves import Curves
from dashboard.leakage.data import Result
from dashboard.leakage.model_figures import ByClass, Confused
from dashboard.memory import once

#: Classes up to which a matrix of all is drawn; of more, the rows that it has.
MOST_CONFUSED = 24


@dataclass(frozen=True)
class Judged:
    """One model from near by.

    Attributes
    ----------
    row : Series
        Its row in the table of models.
    classes : list of str
        The test classes.
    counts : ndarray of int, shape (T,)
        Test clips of each.
    accuracy : ndarray, shape (T, 3)
        Of each class, with the ends of its interval.
    confusion : ndarray of int, shape (T, T)
    """

    row: pd.Series
    classes: list[str]
    counts: np.ndarray
    accuracy: np.ndarray
    confusion: np.ndarray


def judged(found: Result, model: str) -> Judged:
    """Return one model, by its name."""

    def read() -> Judged:
        at = found.number(model)
        confusion = found.array("confusion")[at].astype(np.int64)
        counts = confusion.sum(axis=1)
        shares = [
            statistics.share_interval(int(h), int(n)) for h, n in zip(np.diag(confusion), counts, strict=True)
        ]
        accuracy = np.array([(s.value, s.low, s.high) for s in shares], float).reshape(-1, 3)
        row = found.models[found.models["model"] == at].iloc[0]
        return Judged(row, found.tests, counts, accuracy, confusion)

    return once(("contrastive-model", found.spec.key, model), read)


def by_class(found: Result, model: str) -> ByClass:
    """Return the accuracy of each class by one model, and by the others, the best class first."""
    shown = judged(found, model)
    others = [n for n in found.good["name"].astype(str) if n != model]
    rest = np.array([judged(found, n).accuracy[:, 0] for n in others]).reshape(
        len(others), len(shown.classes)
    )
    order = np.lexsort((np.array(shown.classes), -np.nan_to_num(shown.accuracy[:, 0], nan=-1)))
    return ByClass(
        [shown.classes[i] for i in order.tolist()],
        shown.accuracy[order],
        shown.counts[order],
        others,
        rest[:, order],
    )


def by_class_csv(shown: ByClass, model: str) -> bytes:
    """Return the accuracy of each class by every model."""
    frame = pd.DataFrame(shown.accuracy, columns=[model, f"{model}_low", f"{model}_high"])
    frame.insert(0, "class", list(shown.names))
    frame["clips"] = shown.counts
    for name, values in zip(shown.others, shown.rest, strict=True):
        frame[name] = values
    return tables.csv(frame)


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
    found = np.lexsort((np.array(names), -taken))[: MOST_CONFUSED - 2]
    columns = np.sort(found[taken[found] > 0])
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


def confused_said(shown: Confused) -> str:
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


def in_cell(found: Result, model: str, true: str, taken: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, those that were nearly right first."""
    p = found.predictions[found.predictions["model"] == found.number(model)]
    p = p[(p["label"] == true) & (p["predicted"] == taken)]
    margin = p["score"] - p["own_score"]
    # Of those that were right the surest come first.
    margin = -p["score"] if true == taken else margin
    return p.assign(margin=margin).sort_values(["margin", "clip_id"], kind="stable").reset_index(drop=True)


def confusion_csv(shown: Judged) -> bytes:
    """Return the confusion matrix, a row a pair."""
    rows = [
        {"class": a, "taken_for": b, "clips": int(shown.confusion[i, j])}
        for i, a in enumerate(shown.classes)
        for j, b in enumerate(shown.classes)
    ]
    return tables.csv(pd.DataFrame(rows))


def curves(found: Result, model: str) -> np.ndarray:
    """Return the learning curves of a model, (5, E)."""
    return np.asarray(leakage_curves.models(found).values[found.number(model)])


def curves_csv(found: Result, model: str) -> bytes:
    """Return the learning curves of a model."""
    every = leakage_curves.models(found)
    at = found.number(model)
    return leakage_curves.csv(Curves([model], every.values[[at]], every.columns))


def share_said(row: pd.Series) -> str:
    """Say the accuracy of a model with its interval."""
    return f"{row['accuracy']:.3f} ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"
