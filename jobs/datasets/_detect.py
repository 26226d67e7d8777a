"""Which adapter a folder looks made for."""

from __future__ import annotations

import re
from pathlib import Path

from jobs.datasets import DatasetError, audioset, captions, fsd50k, iemocap, speech_commands

# The first layout of ESC-10: "001 - Dog bark/1-17150-A.ogg".
_OLD_ESC10 = re.compile(r"\d+ - [^/]+/\d-\d+-[A-Z]\.\w+")


def detect(root: Path) -> str:
    """Return the name of the adapter for a folder: csv by a lone table, folder where nothing is special,
    the others by their layouts.

    Raises
    ------
    DatasetError
        If `root` is not a folder.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}; give the folder that holds the sounds.")
    if (root / "meta" / "esc50.csv").is_file():
        return "esc50"
    if fsd50k.looks_like(root):
        return "fsd50k"
    if audioset.looks_like(root):
        return "audioset"
    for adapter in (captions, speech_commands, iemocap):
        if adapter.looks_like(root):
            return adapter.NAME
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    if folders and all(any(_OLD_ESC10.fullmatch(f"{d.name}/{p.name}") for p in d.iterdir()) for d in folders):
        return "esc50"
    tables = [p for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv")]
    if len(tables) == 1 and not any(_has_class_folders(root, d) for d in folders):
        return "csv"
    return "folder"


def _has_class_folders(root: Path, folder: Path) -> bool:
    # A table beside one folder of sounds (audio/, clips/) speaks for the table.
    return len([p for p in root.iterdir() if p.is_dir()]) > 1 and folder.name not in ("audio", "clips", "wav")
