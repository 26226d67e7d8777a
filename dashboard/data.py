"""The workspace that is shown, and the clips of its datasets in the form that the pages use.

Results never change, so what is read once under a key stays valid (`dashboard.memory`). A dataset's
clips are the rows of everything: `dashboard.results` and `dashboard.explore.colours` come aligned to them.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard import memory
from dashboard.kit import numbers, palette
from dashboard.kit.table import csv
from jobs import presets as measures
from jobs.engine.queue import ASKED
from jobs.workspace.workspace import Dataset, Workspace

#: Values of a column that clips can be coloured and filtered by: as many as colours and markers tell apart.
MOST_VALUES = len(palette.BASE["light"]) * len(palette.SYMBOLS)
#: Columns that are no groups: the identity of a clip, or what has a control of its own.
_NO_GROUPS = frozenset(
    ("clip_id", "path", "label", "labels", "family", "fold", "fold_name", "caption", "sha256")
)

#: The text encoder that is offered before any space of texts exists.
USUAL_TEXT = "minilm"

_root: Path | None = None


def use(root: Path | None) -> None:
    """Show the workspace at `root`; None for the one that the environment names."""
    global _root
    _root = root


def workspace() -> Workspace:
    """Return the workspace that is shown."""
    return _workspace(_root)


@functools.lru_cache(maxsize=8)
def _workspace(root: Path | None) -> Workspace:
    opened = Workspace.open(root)
    opened.queue.priority = ASKED
    return opened


@dataclass(frozen=True)
class Clips:
    """The clip table of a dataset in the form that pages use.

    Attributes
    ----------
    ids, labels, families, files : ndarray of str, shape (n,)
        "" for none.
    row : dict
        Clip id to row.
    styles : dict
        Class to `palette.Style`: the same on every page.
    """

    key: tuple[Any, ...]
    frame: pd.DataFrame
    ids: np.ndarray
    labels: np.ndarray
    families: np.ndarray
    files: np.ndarray
    row: dict[str, int]
    styles: dict[str, palette.Style]
    #: Lower-case text that the search looks through.
    haystack: np.ndarray

    @property
    def n(self) -> int:
        """Number of clips."""
        return len(self.ids)


def clips(dataset: Dataset) -> Clips:
    """Return the clips of a dataset."""
    # Columns beside the labels are in no fingerprint, and change when the dataset is added again.
    what = (dataset.fingerprint, dataset.labels_fingerprint, dataset.created, dataset.ready)
    key = (str(workspace().root), *what)
    return memory.once(("clips", *key), lambda: _clips(dataset, key))


def _clips(dataset: Dataset, key: tuple[Any, ...]) -> Clips:
    frame = dataset.clips.reset_index(drop=True)
    ids = frame["clip_id"].to_numpy(dtype=str)
    labels = _strings(frame, "label")
    families = _strings(frame, "family")
    files = _strings(frame, "path")
    of: dict[str, str | None] = {}
    for label, family in zip(labels, families, strict=True):
        if label:
            of[label] = of.get(label) or (family or None)
    classes = dataset.classes
    for label, family in zip(classes["label"], classes["family"], strict=True):
        of[str(label)] = of.get(str(label)) or (family if isinstance(family, str) and family else None)
    styles = palette.class_styles(of)
    captions = _strings(frame, "caption")
    texts = ["\n".join(parts).lower() for parts in zip(labels, files, captions, families, strict=True)]
    row = {c: i for i, c in enumerate(ids.tolist())}
    return Clips(key, frame, ids, labels, families, files, row, styles, np.asarray(texts, dtype=object))


def _strings(frame: pd.DataFrame, column: str) -> np.ndarray:
    if column not in frame:
        return np.full(len(frame), "", dtype=object)
    values = frame[column].astype(object)
    return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)


def class_of_each(c: Clips) -> np.ndarray:
    """Return the class of every clip, "" where it has none; (n,) str."""
    return memory.once(("clip-classes", c.key), lambda: measures.clip_classes(c.frame).astype(str))


def class_names(c: Clips) -> list[str]:
    """Return the classes that clips are of, sorted."""
    return sorted(set(class_of_each(c).tolist()) - {""})


def n_classes(c: Clips) -> int:
    """Return the number of classes of a dataset; the name of clips without a label does not count."""
    classes = class_of_each(c)
    return len(set(c.styles) - (set(c.labels[classes == ""]) - set(classes)))


def size(c: Clips) -> str:
    """Count the clips, and those without a class."""
    without = int((class_of_each(c) == "").sum())
    return numbers.count(c.n, "clip") + (f", {without:,} without a class" if without else "")


def groups(c: Clips) -> dict[str, np.ndarray]:
    """Return the columns that divide clips into few groups, folds first: column to the group of every clip.

    Returns
    -------
    dict of str to (n,) ndarray of str
        "" for a clip without a value. Columns of texts or booleans, of 2 to `MOST_VALUES` different values,
        at most half as many as clips.
    """
    return memory.once(("groups", c.key), lambda: dict(_groups(c)))


def _groups(c: Clips) -> Iterator[tuple[str, np.ndarray]]:
    if "fold" in c.frame and c.frame["fold"].notna().any():
        names = measures.fold_names(c.frame)
        folds = ["" if pd.isna(f) else names.get(int(f), f"fold {int(f)}") for f in c.frame["fold"]]
        if len(set(folds)) <= MOST_VALUES:
            yield "fold", np.asarray(folds, dtype=object)
    for name in c.frame.columns:
        column = c.frame[name]
        if name in _NO_GROUPS:
            continue
        if pd.api.types.is_bool_dtype(column):
            values = np.where(column.to_numpy(bool), "yes", "no").astype(object)
        elif pd.api.types.is_numeric_dtype(column):
            continue
        else:
            values = _strings(c.frame, name)
        n = len(set(values.tolist()) - {""})
        # A column that differs from clip to clip makes no groups.
        if 2 <= n <= min(MOST_VALUES, c.n // 2):
            yield str(name), values


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sort names so that ``fold 2`` comes before ``fold 10``."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = filter(None, re.split(r"(\d+)", name.casefold()))
        return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]

    return sorted(names, key=key)


def matching(
    c: Clips,
    text: str,
    labels: list[str],
    families: list[str],
    within: Mapping[str, Sequence[str]] | None = None,
) -> np.ndarray:
    """Return which clips pass the filter.

    Parameters
    ----------
    c : Clips
    text : str
        Every word of it must be in class, file, caption or family.
    labels, families : list of str
        The clip's must be among them; [] lets all pass.
    within : mapping, optional
        The same by column of `groups`.
    """
    shown = np.ones(c.n, bool)
    if labels:
        shown &= np.isin(c.labels.astype(str), labels)
    if families:
        shown &= np.isin(c.families.astype(str), families)
    for column, values in (within or {}).items():
        if values:
            shown &= np.isin(groups(c)[column].astype(str), list(values))
    for word in text.lower().split():
        shown &= np.fromiter((word in t for t in c.haystack), bool, c.n)
    return shown


def in_order(c: Clips, ids: list[str]) -> list[str]:
    """Sort clips by class, then file."""
    rows = sorted((c.row[i] for i in ids), key=lambda r: (c.labels[r], c.files[r]))
    return c.ids[rows].tolist()


def lengths(c: Clips, ids: list[str]) -> list[str]:
    """Return the durations of clips as texts."""
    values = c.frame["duration"].to_numpy(float)
    return [numbers.duration(values[c.row[i]]) for i in ids]


def composition(c: Clips, ids: list[str], most: int = 6) -> str:
    """Count the classes of a selection: ``Rain 12 · Dog bark 3``."""
    counts = Counter(str(c.labels[c.row[i]]) for i in ids)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{name or 'no class'} {n:,}" for name, n in ordered[:most]]
    if len(ordered) > most:
        parts.append(f"{len(ordered) - most} more classes")
    return " · ".join(parts)


def selection(c: Clips, ids: list[str], hidden: int) -> str:
    """Count the classes of the clips of a selection that are shown, and the clips that a filter hides."""
    words = composition(c, ids) if ids else "none of them passes the filter"
    return words + (f" · {numbers.count(hidden, 'more clip')} hidden by the filter" if hidden else "")


def same_class(c: Clips, clip: str, others: list[str]) -> str:
    """Count how many of the others are of the clip's class."""
    classes = class_of_each(c)
    label = classes[c.row[clip]]
    hits = sum(classes[c.row[o]] == label for o in others)
    return f"{hits} of {len(others)} of the same class" if label else f"{len(others)} nearest"


def csv_of(c: Clips, ids: list[str]) -> bytes:
    """Return rows of the clip table as CSV."""
    frame = c.frame.iloc[[c.row[i] for i in ids]].copy()
    if "labels" in frame:
        frame["labels"] = ["; ".join(map(str, v)) if v is not None else "" for v in frame["labels"]]
    return csv(frame)


def forget() -> None:
    """Empty the memory of the dashboard."""
    memory.forget()
    _workspace.cache_clear()
