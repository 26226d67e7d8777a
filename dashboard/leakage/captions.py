"""The captions of a grid that name its test classes, by class, with examples."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard.kit.text import whole
from dashboard.leakage.data import Result


@dataclass(frozen=True)
class Leaks:
    """The captions that name test classes.

    `captions` and `clips` count them by class, (T,) each; `words` are what names each class, most frequent
    first.
    """

    names: list[str]
    captions: np.ndarray
    clips: np.ndarray
    words: list[list[str]]


def leaks(found: Result) -> Leaks:
    """Return the leaks by test class, the class with most first."""
    rows = found.leaks
    captions = rows.groupby("label").size().reindex(found.tests, fill_value=0)
    clips = rows.groupby("label")["clip_id"].nunique().reindex(found.tests, fill_value=0)
    order = np.lexsort((np.array(found.tests), -captions.to_numpy()))
    names = [found.tests[i] for i in order.tolist()]
    pieces = rows.assign(word=rows["matched"].str.lower().str.split(", ")).explode("word")
    counted = pieces.groupby(["label", "word"]).size().reset_index(name="n")
    counted = counted.sort_values(["n", "word"], ascending=[False, True])
    words = [counted["word"][counted["label"] == name].tolist() for name in names]
    return Leaks(names, captions.to_numpy()[order], clips.to_numpy()[order], words)


def said(shown: Leaks) -> list[str]:
    """Return what is said of each class when it is pointed at."""
    return [
        f"<b>{whole(name)}</b><br>{captions:,} captions of {clips:,} clips"
        for name, captions, clips in zip(
            shown.names, shown.captions.tolist(), shown.clips.tolist(), strict=True
        )
    ]


def examples(found: Result, label: str, most: int) -> pd.DataFrame:
    """Return captions that name a class, at most one a clip, taken evenly from all there are.

    ``caption``, ``clip_id``, ``label``, ``matched``.
    """
    rows = found.leaks[found.leaks["label"] == label].drop_duplicates("clip_id").reset_index(drop=True)
    at = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))
    return rows.iloc[at].reset_index(drop=True)


def marked(caption: str, matched: str) -> list[tuple[str, bool]]:
    """Part a caption into pieces, and say of each whether it names the class.

    >>> marked("A dog barks at dogs", "dog, barks")
    [('A ', False), ('dog', True), (' ', False), ('barks', True), (' at dogs', False)]
    """
    words = sorted((w for w in matched.split(", ") if w), key=len, reverse=True)
    if not words:
        return [(caption, False)]
    pattern = r"(?<!\w)(" + "|".join(map(re.escape, words)) + r")(?!\w)"
    pieces = re.split(pattern, caption)
    return [(piece, i % 2 == 1) for i, piece in enumerate(pieces) if piece]
