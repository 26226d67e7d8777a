"""Embeddings in tables: Parquet and CSV, with a column that names the clip."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.embedding_files import ID_NAMES, VECTOR_NAMES, EmbeddingsError, Part, listed, unreadable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ROWS = 4096  # at once
_NO_NUMBER = ["", "nan", "NaN", "NA", "N/A", "null", "None"]


def parquet(path: Path, notes: list[str]) -> Iterator[Part]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            lists = [f.name for f in schema if _is_list(f.type)]
            numbers = [f.name for f in schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]
            id = _id_column(path, schema.names, [n for n in schema.names if n not in lists], numbers)
            vector = next((n for n in VECTOR_NAMES if n in lists), lists[0] if len(lists) == 1 else None)
            if vector is None and lists:
                raise EmbeddingsError(
                    f"{path} has the columns of lists {', '.join(lists)}; call the one with the embeddings "
                    "embedding."
                )
            columns = [vector] if vector else _value_columns(path, [n for n in numbers if n != id], notes)
            for batch in file.iter_batches(_ROWS, columns=[id, *columns]):
                ids = [str(v) for v in batch.column(id).to_pylist()]
                if vector:
                    yield Part(ids, _from_lists(path, batch.column(vector)))
                else:
                    values = [batch.column(n).to_numpy(zero_copy_only=False) for n in columns]
                    yield Part(ids, np.stack(values, axis=1).astype(np.float64))
    except pa.ArrowException as error:
        raise EmbeddingsError(unreadable(path, error)) from None


def _is_list(type: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _from_lists(path: Path, column: pa.Array) -> np.ndarray:
    """Return a column of lists as (b, d); a row without one is nan."""
    import pyarrow.compute as pc

    there = column.is_valid().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(column.drop_null()).unique().to_pylist()
    if len(lengths) > 1:
        raise EmbeddingsError(
            f"{path} holds vectors of {min(lengths)} and of {max(lengths)} numbers; all must have the same "
            "length."
        )
    values = column.drop_null().flatten()
    out = np.full((len(column), lengths[0] if lengths else 1), np.nan)
    try:
        out[there] = values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, out.shape[1])
    except (TypeError, ValueError):
        raise EmbeddingsError(
            f"{path} holds lists of {values.type}; embeddings are lists of numbers."
        ) from None
    return out


def delimited(path: Path, notes: list[str]) -> Iterator[Part]:
    import pandas as pd

    delimiter, first = _first_line(path)
    headless = len(first) > 1 and all(_is_number(c) for c in first[1:]) and not _counts_up(first[1:])
    names = [str(i) for i in range(len(first))] if headless else first
    if len(set(names)) < len(names):
        raise EmbeddingsError(f"{path} has two columns of one name; give each its own.")
    options: dict[str, Any] = {"sep": delimiter, "encoding": "utf-8-sig", "header": None if headless else 0}
    options |= {"names": names, "skipinitialspace": True}
    try:
        head = pd.read_csv(path, nrows=1000, **options)
        numbers = [n for n in names if pd.api.types.is_numeric_dtype(head[n])]
        id = names[0] if headless else _id_column(path, names, names, numbers)
        for name in names:
            _whole_numbers(path, name, head[name], id)
        columns = names[1:] if headless else _value_columns(path, [n for n in numbers if n != id], notes)
        options["dtype"] = {id: str} | dict.fromkeys(columns, np.float64)
        # A clip may be called "null"; a number may not.
        options |= {"keep_default_na": False, "na_values": dict.fromkeys(columns, _NO_NUMBER)}
        for chunk in pd.read_csv(path, usecols=[id, *columns], chunksize=_ROWS, **options):
            yield Part(chunk[id].tolist(), chunk[columns].to_numpy(np.float64))
    except UnicodeDecodeError:
        raise EmbeddingsError(f"{path} is not UTF-8 text; save it as CSV UTF-8.") from None
    except EmbeddingsError:
        raise
    except ValueError as error:  # pandas' own errors are of this kind, too
        raise EmbeddingsError(f"{path} cannot be read as a table ({' '.join(str(error).split())}).") from None


def _whole_numbers(path: Path, name: str, cells: pd.Series, id: str) -> None:
    """Refuse a column of numbers with a word in it: it would be taken for a column of words."""
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    words = cells[numbers.isna() & cells.notna()]
    if name != id and 0 < len(words) <= len(cells) // 2:
        raise EmbeddingsError(
            f"{path} has {words.iloc[0]!r} among the numbers of column {name!r}; leave the cell empty where "
            "there is no number."
        )


def _first_line(path: Path) -> tuple[str, list[str]]:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline(10_000_000)
    delimiter = max((",", ";", "\t", "|"), key=line.count)
    return delimiter, [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counts_up(cells: list[str]) -> bool:
    """Whether cells read 0, 1, 2, … or 1, 2, 3, …, as columns without names are called."""
    return cells in ([str(i) for i in range(len(cells))], [str(i + 1) for i in range(len(cells))])


def _id_column(path: Path, names: Sequence[str], allowed: Sequence[str], numbers: Sequence[str]) -> str:
    lower = {n.strip().lower(): n for n in reversed(allowed)}
    known = next((lower[n] for n in ID_NAMES if n in lower), None)
    text = next((n for n in allowed if n not in numbers), None)
    if known is None and text is None:
        raise EmbeddingsError(
            f"{path} has no column that names the clips; its columns are {listed(names)}: call one clip_id."
        )
    return known or str(text)


def _value_columns(path: Path, numbers: Sequence[str], notes: list[str]) -> list[str]:
    """Return the columns that are the embedding: a numbered run such as e0, e1, …, else all with numbers."""
    runs: dict[str, list[tuple[int, str]]] = {}
    for name in numbers:
        match = re.fullmatch(r"(.*?)(\d+)", name)
        if match:
            runs.setdefault(match[1], []).append((int(match[2]), name))
    whole = [
        [name for _, name in sorted(run)]
        for run in runs.values()
        if len(run) > 1 and sorted(i for i, _ in run) in (list(range(len(run))), list(range(1, len(run) + 1)))
    ]
    if len(whole) > 1:
        raise EmbeddingsError(
            f"{path} has several numbered runs of columns, such as {whole[0][0]} … and {whole[1][0]} …; keep "
            "the one that is the embedding."
        )
    columns = whole[0] if whole else list(numbers)
    if not columns:
        raise EmbeddingsError(f"{path} has no columns of numbers beside the one that names the clips.")
    passed = [n for n in numbers if n not in columns]
    if passed:
        notes.append(f"Columns that are no part of the run {columns[0]} … {columns[-1]}: {listed(passed)}.")
    return columns
