"""A table of clips: one row a sound, columns for its path, labels, fold, caption and family."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jobs.datasets import Clip, DatasetError, Item, OptionError, Remark, Skipped
from jobs.datasets._paths import Files, Located, advice, key, locate, remarks
from jobs.datasets._splits import group
from jobs.datasets._tables import Row, Table, read
from jobs.datasets._walk import inside, sounds, unused
from jobs.sound.files import SUFFIXES

NAME = "csv"
DESCRIPTION = "A CSV table in the folder names the sounds; columns give labels, fold, caption and family."
OPTIONS = {
    "file": "the table, relative to the folder; by default the only .csv or .tsv file in it",
    "path": "column with the path of the sound (default: path, filename, file, file_name, fname, filepath or "
    "audio, else the only column that names sounds in the folder)",
    "labels": "column with the label or labels (default: labels, label, category or class)",
    "separator": "text between several labels in one cell, such as ';' (default: one label a cell)",
    "fold": "column with the fold: whole numbers, or words such as speakers or train and test, each of which "
    "is a fold of its own (default: fold, where there is one)",
    "caption": "column with a sentence about the clip (default: caption, where there is one)",
    "family": "column with the group of classes (default: family, where there is one)",
    "folder": "folder that the paths start from, relative to the root (default: the folder of the table)",
    "suffix": "ending to add to the paths, such as '.wav', where the table leaves it out",
    "delimiter": "text between columns: ',' ';' 'tab' or '|' (default: detected in the first line)",
}

#: Names of the column with each part of a clip; the first that a table has is read.
GUESSES = {
    "path": ("path", "filename", "file", "file_name", "fname", "filepath", "audio"),
    "labels": ("labels", "label", "category", "class"),
    "fold": ("fold",),
    "caption": ("caption",),
    "family": ("family",),
}
#: Rows by which a table is judged before it is read.
_SAMPLE = 200


def scan(
    root: Path,
    *,
    file: str | None = None,
    separator: str | None = None,
    folder: str | None = None,
    suffix: str = "",
    delimiter: str | None = None,
    **columns: str,
) -> Iterator[Item]:
    """Yield the rows of the table, in its order."""
    path = _table(root, file)
    base = path.parent if folder is None else inside(root, folder, "folder")
    if suffix and not suffix.startswith("."):
        suffix = f".{suffix}"
    table = read(path, _delimiter(delimiter))
    prefix = os.path.relpath(base, root)
    files = Files(root)
    may_fit = folder is None and not suffix
    used = column_uses(table, columns, GUESSES, files, prefix)
    rows = TableRows(table, used, files, prefix, suffix, may_fit)
    return _scan(rows, base, check_separator(separator))


def _scan(rows: TableRows, base: Path, separator: str | None) -> Iterator[Item]:
    seen: dict[str, int] = {}
    yield from clips_of(rows, separator, seen)
    named = {key(path) for path in seen}
    under = "" if rows.prefix == "." else f"{Path(rows.prefix).as_posix()}/"
    unnamed = [p for p in sounds(base) if key(under + p) not in named]
    yield from unused(Path(rows.prefix).as_posix(), "sound", "that no row names", unnamed)


class TableRows(NamedTuple):
    """A table and how it is to be read.

    Attributes
    ----------
    table : Table
    used : dict
        The column with each part of a clip: path, labels, fold, caption, family.
    files : Files
        Of the dataset's root.
    prefix, suffix : str
        Folder that paths start from, relative to the root, and ending to add to them.
    may_fit : bool
        Whether all paths may be changed together where none leads to a file.
    """

    table: Table
    used: dict[str, str]
    files: Files
    prefix: str
    suffix: str = ""
    may_fit: bool = True

    @property
    def name(self) -> str:
        """The table's path, relative to the root."""
        return Path(os.path.relpath(self.table.path, self.files.root)).as_posix()

    def located(self, rows: Sequence[Row]) -> tuple[list[str], Located]:
        """Return the paths of rows that name one, as they are written, and where they lead."""
        given = [row.cells[self.used["path"]] or "" for row in rows]
        return given, locate(self.files, given, prefix=self.prefix, suffix=self.suffix, fit=self.may_fit)


def clips_of(rows: TableRows, separator: str | None, seen: dict[str, int]) -> Iterator[Item]:
    """Yield the clips of a table, and every odd row by its line.

    Parameters
    ----------
    rows : TableRows
    separator : str or None
        Text between several labels in a cell.
    seen : dict
        The line that names each file; a file that is named again is left out.

    Raises
    ------
    DatasetError
        If no row leads to a file, with what would help.
    """
    table, used, name = rows.table, rows.used, rows.name
    yield from (Remark(name, text) for text in table.remarks)
    yield from (Skipped(f"{name}, line {line}", reason) for line, reason in table.refused)
    naming = [row for row in table.rows if row.cells.get(used["path"])]
    for row in table.rows:
        if not row.cells.get(used["path"]):
            yield Skipped(f"{name}, line {row.line}", f"names no file in column {used['path']!r}")
    given, located = rows.located(naming)
    _check_any(rows, naming, given, located)
    at = [row.line for row in naming]
    yield from (Remark(name, text) for text in remarks(located, given, at))
    others = [n for n in table.names if n not in used.values() or n == used.get("fold", "fold") != "fold"]
    folds = _folds([row.cells.get(used["fold"]) if "fold" in used else None for row in naming])
    for row, place, fold in zip(naming, located.places, folds, strict=True):
        if place.several:
            listed = ", ".join(place.several[:3]) + (", …" if len(place.several) > 3 else "")
            reason = f"could be any of {listed} (line {row.line}); write one of them exactly"
            yield Skipped(place.path, reason)
        elif not place.exists:
            yield Skipped(place.path, f"there is no such file (line {row.line})")
        elif place.path in seen:
            yield Skipped(place.path, f"named again in line {row.line}; line {seen[place.path]} counts")
        else:
            seen[place.path] = row.line
            cells = {option: row.cells.get(column) for option, column in used.items()}
            yield Clip(
                place.path,
                _labels(cells.get("labels"), separator),
                fold,
                cells.get("family"),
                cells.get("caption"),
                {n: row.cells.get(n) for n in others},
            )


def _check_any(rows: TableRows, naming: Sequence[Row], given: Sequence[str], located: Located) -> None:
    """Raise `DatasetError` where no row leads to a file."""
    if any(place.exists or place.several for place in located.places):
        return
    path, table = rows.table.path, rows.table
    if not naming:
        if table.refused:
            line, reason = table.refused[0]
            raise DatasetError(f"{path} names no sound that can be read: line {line} {reason}.")
        raise DatasetError(f"{path} names no sound: it has no row below its first line.")
    n = "The only row" if len(naming) == 1 else f"None of the {len(naming):,} rows"
    leads = "leads to no file" if len(naming) == 1 else "leads to a file"
    raise DatasetError(
        f"{n} of {path} {leads}: the first path is {given[0]} (line {naming[0].line}), read as "
        f"{located.places[0].path} in {rows.files.root}; {advice(rows.files, given[0], rows.prefix)}."
    )


class Examined(NamedTuple):
    """Whether a table beside the sounds is about them.

    Attributes
    ----------
    named : int
        Sounds that its first rows lead to.
    rows : int
        Of so many.
    why_not : str
        Why it cannot be read as a table of clips; "" if it can.
    """

    named: int
    rows: int
    why_not: str


def examine(files: Files, file: str) -> Examined:
    """Look whether a table names the sounds of a folder, without reading any."""
    try:
        table = read(inside(files.root, file, "file"))
        prefix = os.path.dirname(file) or "."
        used = column_uses(table, {}, GUESSES, files, prefix)
        naming = [row for row in table.rows[:_SAMPLE] if row.cells.get(used["path"])]
        rows = TableRows(table, used, files, prefix)
        given, located = rows.located(naming)
        _check_any(rows, naming, given, located)
    except DatasetError as error:
        return Examined(0, 0, str(error))
    return Examined(len({place.path for place in located.places if place.exists}), len(naming), "")


def _table(root: Path, file: str | None) -> Path:
    if file is not None:
        table = inside(root, file, "file")
        if not table.is_file():
            raise DatasetError(f"There is no table {table}; there are: {_listed(tables(root))}.")
        return table
    names = tables(root)
    if len(names) != 1:
        raise DatasetError(
            f"{root} holds {len(names)} tables ({_listed(names)}); choose one with the option file."
            if names
            else f"{root} holds no .csv or .tsv table; name it with the option file."
        )
    return inside(root, names[0], "file")


def tables(root: Path) -> list[str]:
    """Return the names of the tables that lie in a folder, sorted."""
    return sorted(p.name for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv") and p.name[0] != ".")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") or "none"


def _delimiter(given: str | None) -> str | None:
    known = {"tab": "\t", "\\t": "\t", "\t": "\t", ",": ",", ";": ";", "|": "|"}
    if given is not None and given not in known:
        raise OptionError(f"delimiter is {given!r}; it must be one of , ; | tab.")
    return None if given is None else known[given]


def check_separator(separator: str | None) -> str | None:
    """Return the option separator, or raise `OptionError` if it is empty."""
    if separator == "":
        raise OptionError("separator is empty; it must be the text between two labels, such as ';'.")
    return separator


def column_uses(
    table: Table,
    asked: Mapping[str, str],
    guesses: Mapping[str, Sequence[str]],
    files: Files,
    prefix: str,
    *,
    needed: Sequence[str] = ("path", "labels"),
) -> dict[str, str]:
    """Return the column with each part of a clip: columns asked for must exist, others are guessed by name.

    Where no name is that of a column of paths, it is the only column that names sounds in the folder. A
    caption does for labels.

    Raises
    ------
    DatasetError
        For a column that does not exist, and where it is not known which column has paths, or labels.
    """
    names, path = table.names, table.path
    for option, name in asked.items():
        if name not in names:
            raise DatasetError(f"{path} has no column {name!r} ({option}); its columns are {_listed(names)}.")
    lower = {n.strip().lower(): n for n in reversed(names)}
    taken = set(asked.values())
    used = dict(asked)
    for option, known in guesses.items():
        fitting = [lower[g] for g in known if g in lower and lower[g] not in taken]
        if option not in used and fitting:
            used[option] = fitting[0]
    if "path" not in used and (by_content := _path_column(table, files, prefix, set(used.values()))):
        used["path"] = by_content
    clip = any(os.path.splitext(name)[1].lower() in SUFFIXES for name in names)
    columns = _listed(names) + (
        "; its first line looks like a clip, and must name the columns" if clip else ""
    )
    lacking = [option for option in needed if option not in used]
    if "caption" in used and "labels" in lacking:
        lacking.remove("labels")
    if lacking:
        what = "paths" if lacking[0] == "path" else lacking[0]
        raise DatasetError(
            f"{path} has no column that is known to hold {what}; its columns are {columns}: name it "
            f"with the option {lacking[0]}."
        )
    return used


def _path_column(table: Table, files: Files, prefix: str, taken: set[str]) -> str | None:
    """Return the only column of which half of the first cells lead to files."""
    fitting = []
    for name in table.names:
        cells = [cell for row in table.rows[:_SAMPLE] if (cell := row.cells.get(name))]
        if name in taken or not cells:
            continue
        places = locate(files, cells, prefix=prefix, suffix="").places
        # Each cell is another file: a column of classes may be called like a folder of one file each.
        if 2 * len({place.path for place in places if place.exists}) >= len(cells):
            fitting.append(name)
    return fitting[0] if len(fitting) == 1 else None


def _labels(cell: str | None, separator: str | None) -> tuple[str, ...]:
    parts = (cell or "").split(separator) if separator else [cell or ""]
    cleaned = (" ".join(p.replace("_", " ").split()) for p in parts)
    return tuple(dict.fromkeys(p for p in cleaned if p))


def _folds(cells: Sequence[str | None]) -> list[int | str | None]:
    """Return whole numbers, or names of groups: 1.0 is the number 1 where the whole column is written so."""
    if all(cell is None or re.fullmatch(r"-?[0-9]+\.0", cell) for cell in cells):
        # As programs write whole numbers among which a cell is empty.
        cells = [None if cell is None else cell.removesuffix(".0") for cell in cells]
    return [group(cell) for cell in cells]
