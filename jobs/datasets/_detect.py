"""Recognise the layout of a folder: the adapter that fits it, and what else in it could be used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobs.datasets import (
    DatasetError,
    audiofolder,
    audioset,
    captions,
    csv,
    esc50,
    fsd50k,
    iemocap,
    speech_commands,
)
from jobs.datasets._paths import Files
from jobs.datasets._splits import PARTS
from jobs.datasets._walk import walk

#: Layouts in the order in which they are looked for.
_LAYOUTS = (esc50, fsd50k, audioset, captions, speech_commands, iemocap, audiofolder)
#: Tables beside the sounds that are examined.
_MOST_TABLES = 20
#: Folders that hold all sounds of a table, by their names.
_OF_SOUNDS = ("audio", "clips", "wav")


@dataclass(frozen=True)
class Recognised:
    """The adapter, options and notes for a folder.

    Attributes
    ----------
    root : Path
        The folder to read: the given one, or the one in it that holds everything.
    adapter : str
    options : mapping
        Options of the adapter that the layout implies.
    notes : list of str
        What else is in the folder, and how to use it; a sentence each.
    """

    root: Path
    adapter: str
    options: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def recognise(root: Path) -> Recognised:
    """Choose how to read a folder: by a known layout, by a table that names its sounds, or by folders.

    Raises
    ------
    DatasetError
        If `root` is not a folder.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}; give the folder that holds the sounds.")
    root = root.resolve()
    layout = _layout(root)
    if layout is not None:
        return Recognised(root, layout)
    folders = _subfolders(root)
    return _within(root, folders) or _by_table(root, folders)


def _layout(root: Path) -> str | None:
    with suppress(OSError):
        return next((adapter.NAME for adapter in _LAYOUTS if adapter.looks_like(root)), None)
    return None


def _subfolders(root: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return []


def _within(root: Path, folders: list[Path]) -> Recognised | None:
    """Recognise the parent of a known layout, to be read as that, or with a note on each of several."""
    known = {folder: name for folder in folders if (name := _layout(folder)) is not None}
    inside = [f for f in known if f.resolve().is_relative_to(root)]
    if not inside:
        return None
    first = inside[0]
    elsewhere = (p for p in walk(root) if isinstance(p, str) and not p.startswith(f"{first.name}/"))
    if len(inside) == 1 and next(elsewhere, None) is None:
        note = f"The folder {first.name} in it has the layout of {known[first]}, and is read instead."
        return Recognised(first, known[first], notes=[note])
    notes = [
        f"The folder {f.name} in it has the layout of {known[f]}: `hearspace add NAME {f}` reads it alone."
        for f in inside
    ]
    return Recognised(root, "folder", notes=notes)


def _by_table(root: Path, folders: list[Path]) -> Recognised:
    """Choose the one table that names the sounds; else folders, with a note on each table."""
    own = csv.tables(root)
    tables = [*own, *(f"{d.name}/{name}" for d in folders for name in _tables(d))][:_MOST_TABLES]
    alone = len(own) == 1 and (len(folders) < 2 or all(d.name in _OF_SOUNDS for d in folders))
    if alone:
        # The adapter csv gives the best message about a lone table beside the sounds.
        return Recognised(root, "csv")
    files = Files(root)
    looked = {table: csv.examine(files, table) for table in tables}
    fitting = [t for t, seen in looked.items() if seen.named and 2 * seen.named >= seen.rows]
    if len(fitting) == 1:
        options = {} if own == fitting else {"file": fitting[0]}
        note = f"Labels are read from {fitting[0]}; `--adapter folder` names classes by folders instead."
        return Recognised(root, "csv", options, [note])
    notes = [f"{t} names sounds, too: `--adapter csv -o file={t}` reads it." for t in fitting]
    for table, seen in looked.items():
        if table not in fitting:
            why = seen.why_not or f"only {seen.named} of its first {seen.rows} rows lead to a file here."
            notes.append(f"{table} is not read, which `--adapter csv -o file={table}` asks for: {why}")
    parts = [d.name for d in folders if d.name.lower() in PARTS]
    if parts and len(parts) == len(folders) and any(os.path.isfile(p) for p in folders[0].iterdir()):
        notes.append(
            f"The folders {' and '.join(parts)} are called like parts of a dataset, and are taken for "
            "classes; a table beside the sounds would name their classes."
        )
    return Recognised(root, "folder", notes=notes)


def _tables(folder: Path) -> list[str]:
    with suppress(OSError):
        return csv.tables(folder)
    return []
