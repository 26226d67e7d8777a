"""The workspace that is shown, and the clips of its datasets in the form that the pages use.

Results never change, so what is read once under a key is right for good (`dashboard.memory`). A dataset's
clips are the rows of everything: `dashboard.results` and `dashboard.colours` come aligned to them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard import memory, numbers, palette, tables
from jobs.workspace import Dataset, Workspace

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
    return Workspace.open(root)


@dataclass(frozen=True)
class Clips:
    """The clip table of a dataset in the form that pages use.

    Attributes
    ----------
    ids, labels, families, files : ndarray of str, shape (n,)
        "" where there is none.
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
    key = (str(workspace().root), dataset.fingerprint, dataset.labels_fingerprint, dataset.ready)
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


def matching(c: Clips, text: str, labels: list[str], families: list[str]) -> np.ndarray:
    """Return which clips pass the filter: every word of `text` found, and one of the labels and families."""
    shown = np.ones(c.n, bool)
    if labels:
        shown &= np.isin(c.labels.astype(str), labels)
    if families:
        shown &= np.isin(c.families.astype(str), families)
    for word in text.lower().split():
        shown &= np.fromiter((word in t for t in c.haystack), bool, c.n)
    return shown


@dataclass(frozen=True)
class Summary:
    """A dataset in a few numbers."""

    seconds: float
    families: int
    remarks: int


def summary(dataset: Dataset) -> Summary:
    """Return total length, families and remarks from the import."""
    c = clips(dataset)
    seconds = float(np.nansum(c.frame["duration"].to_numpy(float)))
    return Summary(seconds, len({f for f in c.families if f}), len(dataset.report))


def results(shown: Workspace) -> int:
    """How many results there are: a page that shows them is drawn anew when this changes."""
    return len(shown.cache.list())


def in_order(c: Clips, ids: list[str]) -> list[str]:
    """Sort clips by class, then file."""
    rows = sorted((c.row[i] for i in ids), key=lambda r: (c.labels[r], c.files[r]))
    return c.ids[rows].tolist()


def lengths(c: Clips, ids: list[str]) -> list[str]:
    """Durations as texts."""
    values = c.frame["duration"].to_numpy(float)
    return [numbers.duration(values[c.row[i]]) for i in ids]


def composition(c: Clips, ids: list[str], most: int = 6) -> str:
    """Say which classes a selection is of: ``Rain 12 · Dog bark 3``."""
    names, counts = np.unique(c.labels[[c.row[i] for i in ids]].astype(str), return_counts=True)
    order = np.lexsort((names, -counts))
    parts = [f"{names[i] or 'no class'} {counts[i]:,}" for i in order[:most]]
    if len(order) > most:
        parts.append(f"{len(order) - most} more classes")
    return " · ".join(parts)


def selection(c: Clips, ids: list[str], hidden: int) -> str:
    """Say which classes the clips of a selection are of that are shown, and how many a filter hides."""
    words = composition(c, ids) if ids else "none of them passes the filter"
    return words + (f" · {numbers.count(hidden, 'more clip')} hidden by the filter" if hidden else "")


def same_class(c: Clips, clip: str, others: list[str]) -> str:
    """Say how many of the others are of the clip's class."""
    label = c.labels[c.row[clip]]
    hits = sum(c.labels[c.row[o]] == label for o in others)
    return f"{hits} of {len(others)} of the same class" if label else f"{len(others)} nearest"


def csv_of(c: Clips, ids: list[str]) -> bytes:
    """Return rows of the clip table as CSV."""
    frame = c.frame.iloc[[c.row[i] for i in ids]].copy()
    if "labels" in frame:
        frame["labels"] = ["; ".join(map(str, v)) if v is not None else "" for v in frame["labels"]]
    return tables.csv(frame)


def forget() -> None:
    """Empty what is kept in memory."""
    memory.forget()
    _workspace.cache_clear()
