"""A table of clips: one row a sound, columns for its path, labels, fold, caption and family."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.audio import SUFFIXES
from jobs.datasets import DatasetError, Found, LeftOut, OptionError
from jobs.datasets._walk import walk

NAME = "csv"
DESCRIPTION = "A CSV table in the folder names the sounds; columns give labels, fold, caption and family."
OPTIONS = {
    "file": "the table, relative to the folder; by default the only .csv or .tsv file in it",
    "path": "column with the path of the sound (default: path, filename, file, file_name, fname or audio)",
    "labels": "column with the label or labels (default: labels, label, category or class)",
    "separator": "what stands between several labels in one cell, such as ';' (default: one label a cell)",
    "fold": "column with the fold, a whole number (default: fold, where there is one)",
    "caption": "column with a sentence about the clip (default: caption, where there is one)",
    "family": "column with the group of classes (default: family, where there is one)",
    "folder": "folder that the paths start from, relative to the root (default: the folder of the table)",
    "suffix": "ending to add to the paths, such as '.wav', where the table leaves it out",
    "delimiter": "what stands between columns: ',' ';' 'tab' or '|' (default: found from the first line)",
}

_GUESSES = {
    "path": ("path", "filename", "file", "file_name", "fname", "filepath", "audio"),
    "labels": ("labels", "label", "category", "class"),
    "fold": ("fold",),
    "caption": ("caption",),
    "family": ("family",),
}


def scan(
    root: Path,
    *,
    file: str | None = None,
    separator: str | None = None,
    folder: str | None = None,
    suffix: str = "",
    delimiter: str | None = None,
    **columns: str,
) -> Iterator[Found | LeftOut]:
    """Yield the rows of the table, in its order."""
    table = _table(root, file)
    base = table.parent if folder is None else _inside(root, folder, "folder")
    if separator == "":
        raise OptionError("separator is empty; it must be what stands between two labels, such as ';'.")
    if suffix and not suffix.startswith("."):
        suffix = f".{suffix}"
    return _rows(root, table, base, separator, suffix, _delimiter(table, delimiter), columns)


def _rows(
    root: Path,
    table: Path,
    base: Path,
    separator: str | None,
    suffix: str,
    delimiter: str,
    columns: dict[str, str],
) -> Iterator[Found | LeftOut]:
    prefix = os.path.relpath(base, root)
    try:
        with open(table, newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, delimiter=delimiter)
            names = [n for n in reader.fieldnames or () if n]
            used = _columns(table, names, columns)
            others = [n for n in names if n not in used.values()]
            seen: dict[str, int] = {}
            for row in reader:
                line = reader.line_num
                given = (row[used["path"]] or "").strip()
                if not given:
                    yield LeftOut(f"{table.name}, line {line}", f"names no file in column {used['path']!r}")
                    continue
                path = _relative(root, prefix, given, suffix)
                if path in seen:
                    yield LeftOut(path, f"named again in line {line}; line {seen[path]} counts")
                    continue
                seen[path] = line
                cells = {option: _text(row.get(name)) for option, name in used.items()}
                extra = {n: _text(row.get(n)) for n in others}
                fold = _fold(cells.get("fold"), table, line, asked="fold" in columns)
                if fold is None and cells.get("fold"):
                    extra["split"] = cells["fold"]  # "train", "test": worth keeping, but no number
                yield Found(
                    path,
                    _labels(cells.get("labels"), separator),
                    fold,
                    cells.get("family"),
                    cells.get("caption"),
                    extra,
                )
            unnamed = [
                p for p in walk(base) if isinstance(p, str) and _relative(root, prefix, p, "") not in seen
            ]
            if unnamed:
                yield LeftOut(
                    Path(prefix).as_posix(),
                    f"holds {len(unnamed)} sounds that no row names, the first of them {unnamed[0]}",
                )
    except UnicodeDecodeError:
        raise DatasetError(f"{table} is not UTF-8 text; save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{table} cannot be read as a table ({error}).") from None


def _table(root: Path, file: str | None) -> Path:
    if file is not None:
        table = _inside(root, file, "file")
        if not table.is_file():
            raise DatasetError(f"There is no table {table}; there are: {_listed(_tables(root))}.")
        return table
    tables = _tables(root)
    if len(tables) != 1:
        raise DatasetError(
            f"{root} holds {len(tables)} tables ({_listed(tables)}); say which by the option file."
            if tables
            else f"{root} holds no .csv or .tsv table; say where it is by the option file."
        )
    return _inside(root, tables[0], "file")


def _tables(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv") and p.name[0] != ".")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") or "none"


def _inside(root: Path, given: str, option: str) -> Path:
    path = (root / given).resolve()
    if not path.is_relative_to(root):
        raise OptionError(f"{option} is {given!r}, which lies outside {root}; it must be inside.")
    return path


def _delimiter(table: Path, given: str | None) -> str:
    known = {"tab": "\t", "\\t": "\t", "\t": "\t", ",": ",", ";": ";", "|": "|"}
    if given is not None:
        if given not in known:
            raise OptionError(f"delimiter is {given!r}; it must be one of , ; | tab.")
        return known[given]
    with open(table, encoding="utf-8-sig", errors="replace") as opened:
        first = opened.readline(100_000)
    return max((",", ";", "\t", "|"), key=first.count)


def _columns(table: Path, names: list[str], given: dict[str, str]) -> dict[str, str]:
    """Which column says what: those asked for must be there, the others are guessed by name."""
    for option, name in given.items():
        if name not in names:
            raise DatasetError(
                f"{table} has no column {name!r} ({option}); its columns are {_listed(names)}."
            )
    lower = {n.strip().lower(): n for n in reversed(names)}
    taken = set(given.values())
    used = dict(given)
    for option, guesses in _GUESSES.items():
        found = [lower[g] for g in guesses if g in lower and lower[g] not in taken]
        if option not in used and found:
            used[option] = found[0]
    if "path" not in used:
        raise DatasetError(
            f"{table} has no column that is known to hold paths; its columns are {_listed(names)}: say "
            "which it is by the option path."
        )
    if "labels" not in used and "caption" not in used:
        raise DatasetError(
            f"{table} has no column that is known to hold labels; its columns are {_listed(names)}: say "
            "which it is by the option labels."
        )
    return used


def _relative(root: Path, prefix: str, given: str, suffix: str) -> str:
    path = given.replace("\\", "/") if os.sep == "\\" else given
    if suffix and os.path.splitext(path)[1].lower() not in SUFFIXES:
        path += suffix
    if os.path.isabs(path):
        # The folder may be reached through a link: what counts is where it really is.
        real = os.path.normpath(path)
        folder, name = os.path.split(real)
        path = os.path.relpath(os.path.join(os.path.realpath(folder), name), root)
    else:
        path = os.path.normpath(os.path.join(prefix, path))
    return Path(path).as_posix()


def _labels(cell: str | None, separator: str | None) -> tuple[str, ...]:
    parts = (cell or "").split(separator) if separator else [cell or ""]
    cleaned = (" ".join(p.replace("_", " ").split()) for p in parts)
    return tuple(dict.fromkeys(p for p in cleaned if p))


def _fold(text: str | None, table: Path, line: int, *, asked: bool) -> int | None:
    if text is None:
        return None
    try:
        value = float(text)
        if value.is_integer():
            return int(value)
    except ValueError:
        pass
    if not asked:
        return None
    raise DatasetError(
        f"{table}, line {line}: the fold is {text!r}; folds are whole numbers. Leave the option fold out "
        "where the column holds something else."
    )


def _text(cell: Any) -> str | None:
    return (cell.strip() or None) if isinstance(cell, str) else None
