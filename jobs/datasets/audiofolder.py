"""A Hugging Face audiofolder: ``metadata.csv`` or ``metadata.jsonl`` beside the sounds that it names.

The files may lie in the root, or in folders such as ``train`` and ``test`` and ``data/train``, one each;
paths in the column ``file_name`` start from the folder of the file. The part of a clip is the folder on its
path that is called like one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from jobs.datasets import Clip, DatasetError, Item, Skipped
from jobs.datasets._paths import Files, key
from jobs.datasets._splits import part_of
from jobs.datasets._tables import Table, read
from jobs.datasets._walk import unused
from jobs.datasets.csv import GUESSES, TableRows, check_separator, clips_of, column_uses

NAME = "audiofolder"
DESCRIPTION = "A Hugging Face audiofolder: metadata.csv or metadata.jsonl with file_name beside the sounds."
OPTIONS = {
    "labels": "column with the label or labels (default: labels, label, category or class)",
    "separator": "text between several labels in one cell, such as ';' (default: one label a cell)",
    "fold": "column with the fold: whole numbers or words; 'split' takes the parts (default: fold, "
    "where there is one)",
    "caption": "column with a sentence (default: caption, transcription, text or sentence)",
    "family": "column with the group of classes (default: family, where there is one)",
}

_FILES = ("metadata.csv", "metadata.jsonl")
_COLUMN = "file_name"
_SPLIT = "split"
_GUESSES = GUESSES | {"path": (_COLUMN,), "caption": ("caption", "transcription", "text", "sentence")}


def looks_like(root: Path) -> bool:
    """Return whether a folder is laid out as an audiofolder with metadata is."""
    return bool(_metadata(root))


def scan(root: Path, *, separator: str | None = None, **columns: str) -> Iterator[Item]:
    """Yield the clips of each metadata file, in its order."""
    paths = _metadata(root)
    if not paths:
        raise DatasetError(
            f"{root} holds no metadata.csv or metadata.jsonl with a column file_name, at most two folders "
            "down; give the folder that has it, or use the adapter csv or folder."
        )
    by_split = columns.get("fold") == _SPLIT
    files = Files(root)
    rows = [_rows(read(path), dict(columns), files) for path in paths]
    return _scan(files, rows, check_separator(separator), by_split)


def _rows(table: Table, columns: dict[str, str], files: Files) -> TableRows:
    if columns.get("fold") == _SPLIT and _SPLIT not in table.names:
        del columns["fold"]
    prefix = os.path.relpath(table.path.parent, files.root)
    # A table of a part need not have every column, and a space may do without labels.
    used = column_uses(table, columns, _GUESSES, files, prefix, needed=("path",))
    return TableRows(table, used, files, prefix, may_fit=False)


def _scan(files: Files, tables: Sequence[TableRows], separator: str | None, by_split: bool) -> Iterator[Item]:
    seen: dict[str, int] = {}
    failed: list[DatasetError] = []
    for rows in tables:
        try:
            items = list(clips_of(rows, separator, seen))
        except DatasetError as error:
            # The sounds of one part may be elsewhere.
            failed.append(error)
            items = [Skipped(rows.name, str(error), summary=True)]
        for item in items:
            if not isinstance(item, Clip):
                yield item
                continue
            part = item.extra.get(_SPLIT) or part_of(item.path)
            extra = {**item.extra, _SPLIT: part} if part else item.extra
            fold = part if by_split and item.fold is None else item.fold
            yield replace(item, extra=extra, fold=fold)
    if failed and not seen:
        raise failed[0]
    named = {key(path) for path in seen}
    unnamed = [path for path in files.paths if key(path) not in named]
    yield from unused(".", "sound", "that no row names", unnamed)


def _metadata(root: Path) -> list[Path]:
    """Return the metadata files at most two folders down, those of the training first."""
    top = root.resolve()
    paths = [path for depth in ("", "*/", "*/*/") for name in _FILES for path in root.glob(f"{depth}{name}")]
    inside = [p for p in paths if p.resolve().is_relative_to(top) and _names_files(p)]
    return sorted(inside, key=lambda p: (part_of(p.relative_to(root).as_posix()) != "train", str(p)))


def _names_files(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return _COLUMN in file.readline(100_000)
    except OSError:
        return False
