"""Read tables of clips as people and other programs write them: CSV, TSV and JSON lines.

Nothing is guessed about a row that does not fit its header: it is left out, or kept with a remark, by its
line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jobs.datasets import DatasetError
from jobs.datasets._walk import inside

#: Ranges of lines that are listed before the rest is counted.
_MOST_RANGES = 12
#: Text that may separate columns, and its name.
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a |"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: the line on which it begins, and its cells by column."""

    line: int
    cells: Mapping[str, str | None]


@dataclass
class Table:
    """The rows of a table and what is odd about it.

    Attributes
    ----------
    path : Path
    names : list of str
        Its columns; the second of one name is called ``name (2)``.
    rows : list of Row
    refused : list of (int, str)
        Lines that cannot be read as a row, and why.
    remarks : list of str
        What is odd about rows and columns that are used.
    """

    path: Path
    names: list[str]
    rows: list[Row] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_rows(
    root: Path, name: str, needed: Sequence[str], encoding: str = "utf-8-sig"
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a published CSV table, by column.

    It raises `DatasetError` if the table links out of the folder `root`, lacks one of the `needed` columns,
    or is no such text.
    """
    table = inside(root, name)
    try:
        with open(table, newline="", encoding=encoding) as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            missing = [c for c in needed if c not in columns]
            if missing:
                raise DatasetError(
                    f"{table} has no column {', '.join(missing)}; its columns are {', '.join(columns)}."
                )
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise not_a_table(table, error) from None


def not_a_table(path: Path, error: Exception) -> DatasetError:
    """Return the error for a file that its reader refuses as a table."""
    return DatasetError(f"{path} cannot be read as a table ({error}).")


def read(path: Path, delimiter: str | None = None) -> Table:
    """Read a table in the format that its ending names.

    Parameters
    ----------
    path : Path
        ``.jsonl`` holds an object a line; anything else is text with a line of column names.
    delimiter : str, optional
        Text between columns; by default the most frequent of , ; | and tab in the first line.

    Raises
    ------
    DatasetError
        If the file is not such text.
    """
    try:
        with open(path, newline="", encoding=_encoding(path)) as opened:
            if path.suffix.lower() == ".jsonl":
                return _json_lines(path, opened)
            return _separated(path, opened, delimiter)
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text; save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise not_a_table(path, error) from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror or error}).") from None


def lines(numbers: Iterable[int]) -> str:
    """Write line numbers for people.

    Examples
    --------
    >>> lines([2]), lines([2, 3, 4, 9])
    ('line 2', 'lines 2 to 4 and 9')
    """
    ranges: list[list[int]] = []
    for n in sorted(numbers):
        if ranges and n == ranges[-1][1] + 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    parts = [str(a) if a == b else f"{a} to {b}" for a, b in ranges[:_MOST_RANGES]]
    rest = sum(b - a + 1 for a, b in ranges[_MOST_RANGES:])
    if rest:
        parts.append(f"{rest:,} more")
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"line {text}" if parts == [str(ranges[0][0])] else f"lines {text}"


def _encoding(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    # What spreadsheets save as "Unicode text".
    return "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _separated(path: Path, opened: IO[str], delimiter: str | None) -> Table:
    first = opened.readline(100_000)
    skipped = 0
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        # Spreadsheets write a line about their delimiter.
        delimiter, skipped = delimiter or first[4], 1
        first = opened.readline(100_000)
    opened.seek(0)
    for _ in range(skipped):
        opened.readline()
    if delimiter is None:
        delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(opened, delimiter=delimiter)
    header = next(reader, [])
    table = Table(path, [])
    columns = _named(header, table)
    table.names = [name for name in columns if name]
    short: list[int] = []
    long_lines: list[int] = []
    for first_line, cells in _counted(reader):
        line = first_line + skipped
        if not any(cell.strip() for cell in cells):
            continue
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) > len(columns):
            reason = f"has {len(cells)} cells for {len(columns)} columns, so which is which is not known; "
            between = _DELIMITERS.get(delimiter, f"a {delimiter}")
            table.refused.append((line, f"{reason}a cell that holds {between} must be in double quotes"))
            continue
        if len(cells) < len(columns):
            short.append(line)
        if reader.line_num + skipped > line:
            long_lines.append(line)
        values = [_text(cell) for cell in cells] + [None] * (len(columns) - len(cells))
        table.rows.append(Row(line, {n: v for n, v in zip(columns, values, strict=True) if n}))
    if short:
        table.remarks.append(f"{lines(short)}: fewer cells than columns; the missing ones are empty")
    if long_lines:
        table.remarks.append(f"rows from {lines(long_lines)} on have a cell in quotes that spans lines")
    return table


def _counted(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and the row."""
    line = reader.line_num + 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _named(header: Sequence[str], table: Table) -> list[str]:
    """Column names, each once; "" for columns without one, such as a program's index."""
    names: list[str] = []
    for given in header:
        name = given.strip()
        places = [i for i, n in enumerate(header, 1) if n.strip() == name]
        if name and len(places) > 1:
            nth = sum(n.strip() == name for n in header[: len(names)]) + 1
            if nth == 1:
                at = f"{', '.join(map(str, places[:-1]))} and {places[-1]}"
                others = " and ".join(
                    f"column {p} as {f'{name} ({n})'!r}" for n, p in enumerate(places[1:], 2)
                )
                table.remarks.append(
                    f"columns {at} are called {name!r}: column {places[0]} is read under that name, {others}"
                )
            else:
                name = f"{name} ({nth})"
        names.append(name)
    return names


def _json_lines(path: Path, opened: IO[str]) -> Table:
    table = Table(path, [])
    names: dict[str, None] = {}
    for line, text in enumerate(opened, 1):
        if not text.strip():
            continue
        try:
            given = json.loads(text)
        except ValueError as error:
            table.refused.append((line, f"is not JSON ({error})"))
            continue
        if not isinstance(given, dict):
            table.refused.append((line, 'is not a JSON object, such as {"file_name": "a.wav"}'))
            continue
        cells = {str(name): _plain(value) for name, value in given.items()}
        names |= dict.fromkeys(cells)
        table.rows.append(Row(line, cells))
    table.names = list(names)
    return table


def _plain(value: Any) -> str | None:
    """A JSON value as a cell of text."""
    if value is None or isinstance(value, str):
        return _text(value or "")
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value):
        return "; ".join(map(str, value)) or None
    return json.dumps(value, ensure_ascii=False)


def _text(cell: str) -> str | None:
    return cell.strip() or None
