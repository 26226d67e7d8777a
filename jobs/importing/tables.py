"""Embeddings in tables: Parquet, Arrow and CSV, with a column that names the clip.

Names and contents decide which column names the clips and which are the embedding. A table that could be read
in two ways is refused with the change that settles it; the choice of columns goes into the notes.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.importing.parts import ID_NAMES, VECTOR_NAMES, EmbeddingsError, Part, Source, listed

_ROWS = 4096  # at once
_NO_NUMBER = ["", "nan", "NaN", "NA", "N/A", "null", "None"]
#: Columns of numbers that describe a clip, and are no dimension of an embedding.
_ABOUT = (
    "fold", "split", "label", "labels", "class", "class_id", "target", "category", "speaker", "take",
    "cluster", "duration", "start", "end", "onset", "offset", "sample_rate", "channels", "index", "year",
)  # fmt: skip
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_LIST = re.compile(r"\s*(?:(?:np|numpy|torch)\.)?(?:array\(|tensor\()?\s*\[")
_FILE_NAME = re.compile(r".*(?:[/\\].|\.(?:wav|flac|ogg|opus|mp3|m4a|aac|aiff?|caf|webm)$)", re.IGNORECASE)


@dataclass
class _Table:
    """The columns of a table before its rows are read."""

    source: Source
    names: Sequence[str]
    #: The first rows of columns of text, of which one may name the clips.
    texts: pd.DataFrame
    numbers: Sequence[str]
    #: Columns with a vector a row, as lists or as the text of lists.
    lists: Sequence[str]
    #: The column that pandas wrote its index to, if that had no name.
    index: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    def ids(self) -> str | None:
        """Return the column that names the clips; None if names are given elsewhere."""
        lower = {str(n).strip().lower(): n for n in reversed(self.names) if n not in self.lists}
        known = next((lower[n] for n in ID_NAMES if n in lower), None)
        if known is not None:
            return known
        if self.index in self.texts:
            return self.index
        texts = self.texts.drop(columns=[n for n in self.lists if n in self.texts])
        apart = [str(n) for n in texts if texts[n].is_unique and not texts[n].isna().any()]
        files = [n for n in apart if texts[n].map(lambda text: bool(_FILE_NAME.match(str(text)))).all()]
        fitting = files if len(files) == 1 else apart
        if len(fitting) == 1:
            return fitting[0]
        if self.source.unnamed:
            return None
        columns = f"its columns are {listed([str(n) or '(no name)' for n in self.names])}"
        if fitting:
            raise EmbeddingsError(
                f"{self.path} has several columns that could name the clips, {listed(fitting)}; "
                "call the one that does clip_id."
            )
        raise EmbeddingsError(
            f"{self.path} has no column that names the clips; {columns}: call one clip_id, or give the "
            "names, one a line, by --ids FILE."
        )

    def vector(self) -> str | None:
        """Return the column that holds whole vectors; None if each dimension has its own column."""
        known = next((n for n in VECTOR_NAMES if n in self.lists), None)
        if known is None and len(self.lists) > 1:
            raise EmbeddingsError(
                f"{self.path} has the columns of lists {', '.join(self.lists)}; call the one with the "
                "embeddings embedding."
            )
        return known or (self.lists[0] if self.lists else None)

    def dimensions(self, id: str | None, *, headless: bool = False) -> list[str]:
        """Return the columns that are the embedding, and note them.

        A numbered run such as e0, e1, … wins, the longest of several by far; else it is all with numbers but
        those that describe a clip. Of columns without names it is all but that of the clips.
        """
        if headless:
            columns = [n for n in self.names if n != id]
            self.source.notes.append(
                f"The embedding is all {len(columns):,} columns{' but the first' if id else ''}."
            )
            return columns
        numbers = [n for n in self.numbers if n not in (id, self.index)]
        whole = sorted((r for r in _runs(numbers) if len(r) > 1), key=len, reverse=True)
        if len(whole) > 1 and len(whole[0]) < 2 * len(whole[1]):
            a, b = sorted((run[0] for run in whole[:2]), key=numbers.index)
            raise EmbeddingsError(
                f"{self.path} has several numbered runs of columns, such as {a} … and {b} …; keep the one "
                "that is the embedding."
            )
        if whole:
            columns = whole[0]
            self._no_words_within(columns)
        else:
            columns = [n for n in numbers if n.strip().lower() not in _ABOUT]
        if not columns:
            raise EmbeddingsError(
                f"{self.path} has no columns of numbers beside the one that names the clips."
            )
        passed = [n for n in numbers if n not in columns]
        run = f"{columns[0]} … {columns[-1]}" if whole else listed(columns)
        self.source.notes.append(
            f"The embedding is {len(columns):,} {'column' if len(columns) == 1 else 'columns'}: {run}"
            + (f"; other columns of numbers were passed over: {listed(passed)}." if passed else ".")
        )
        return columns

    def _no_words_within(self, run: Sequence[str]) -> None:
        """Refuse a run in which a column is missing because it holds words."""
        (whole,) = _runs([n for n in self.names if _numbered(n)[0] == _numbered(run[0])[0]])
        words = [n for n in whole if n not in self.numbers]
        if words:
            raise EmbeddingsError(
                f"{self.path} has words in column {words[0]!r} of the run {run[0]} … {run[-1]}; leave the "
                "cell empty where there is no number."
            )


def _numbered(name: str) -> tuple[tuple[str, str], int | None]:
    """Return the text around the last number in a name, and the number."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
    return ((match[1], match[3]), int(match[2])) if match else ((name, ""), None)


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Group names that differ in their last number alone, each group in the order of the numbers."""
    runs: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name in names:
        around, number = _numbered(name)
        if number is not None:
            runs.setdefault(around, []).append((number, name))
    return [[name for _, name in sorted(run)] for run in runs.values()]


# -- Parquet and Arrow --------------------------------------------------------------------------------------


def parquet(source: Source) -> Iterator[Part]:
    """Yield the clips of a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(source.path) as file:
        yield from _columnar(source, file.schema_arrow, lambda n: file.iter_batches(_ROWS, columns=n))


def arrow(source: Source) -> Iterator[Part]:
    """Yield the clips of an Arrow file, which Feather is, too."""
    with pa.memory_map(str(source.path)) as mapped, pa.ipc.open_file(mapped) as file:

        def batches(names: list[str]) -> Iterator[pa.RecordBatch]:
            for i in range(file.num_record_batches):
                batch = file.get_batch(i).select(names)
                for a in range(0, batch.num_rows, _ROWS):
                    yield batch.slice(a, _ROWS)

        yield from _columnar(source, file.schema, batches)


def _columnar(
    source: Source, schema: pa.Schema, batches: Callable[[list[str]], Iterator[pa.RecordBatch]]
) -> Iterator[Part]:
    lists = [f.name for f in schema if _is_list(f.type)]
    texts = [f.name for f in schema if _is_text(f.type)]
    head = pd.DataFrame(columns=texts, dtype=object)
    if texts:
        first = next(batches(texts), None)
        head = head if first is None else pa.Table.from_batches([first]).to_pandas(ignore_metadata=True)
    written = [n for n in texts if _holds_lists(head[n])]
    numbers = [f.name for f in schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]
    table = _Table(source, schema.names, head, numbers, [*lists, *written], _unnamed_index(schema))
    id, vector = table.ids(), table.vector()
    columns = [vector] if vector else table.dimensions(id)
    for batch in batches([id, *columns] if id else columns):
        ids = None if id is None else [str(v) for v in batch.column(id).to_pylist()]
        if vector is not None and vector in written:
            yield Part(ids, _from_text(source.path, vector, batch.column(vector).to_pylist()))
        elif vector:
            yield Part(ids, _from_lists(source.path, batch.column(vector)))
        else:
            values = [batch.column(n).to_numpy(zero_copy_only=False) for n in columns]
            yield Part(ids, np.stack(values, axis=1).astype(np.float64))


def _unnamed_index(schema: pa.Schema) -> str | None:
    """Return the column in which pandas keeps an index that has no name."""
    known = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    columns = [n for n in known.get("index_columns", ()) if isinstance(n, str)]
    index = columns[0] if len(columns) == 1 else "__index_level_0__"
    return index if index in schema.names else None


def _is_text(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        type = type.value_type
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


def _is_list(type: Any) -> bool:
    type = getattr(type, "storage_type", type)  # of a tensor
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))


def _from_lists(path: Path, column: pa.Array) -> np.ndarray:
    """Return a column of lists as (b, d); a row without one is nan."""
    import pyarrow.compute as pc

    column = getattr(column, "storage", column)
    filled = column.is_valid().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(column.drop_null()).unique().to_pylist()
    _one_length(path, lengths)
    values = column.drop_null().flatten()
    out = np.full((len(column), lengths[0] if lengths else 1), np.nan)
    try:
        out[filled] = values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, out.shape[1])
    except (TypeError, ValueError):
        raise EmbeddingsError(
            f"{path} holds lists of {values.type}; embeddings are lists of numbers."
        ) from None
    return out


def _one_length(path: Path, lengths: Sequence[int]) -> None:
    if len(lengths) > 1:
        raise EmbeddingsError(
            f"{path} holds vectors of {min(lengths)} and of {max(lengths)} numbers; all must have the same "
            "length."
        )


# -- lists that were written as text ------------------------------------------------------------------------


def _holds_lists(cells: pd.Series) -> bool:
    """Return whether cells read like lists: ``[0.1, 0.2]``, ``[0.1 0.2]``, ``tensor([0.1, 0.2])``."""
    known = cells.dropna()
    if known.empty or not all(isinstance(c, str) and _LIST.match(c) for c in known):
        return False
    try:
        return len(_numbers(known.iloc[0])) > 0
    except ValueError:
        return "..." in known.iloc[0]  # of numbers, shortened, which is refused later


def _numbers(text: str) -> list[float]:
    """Return the numbers in the text of a list; raises ValueError for anything else."""
    text = re.sub(r"np\.float\d+\(([^()]*)\)", r"\1", text)
    inner = text[text.index("[") + 1 : text.rindex("]")].strip()
    if inner.startswith("[") and inner.endswith("]") and inner.count("[") == 1:  # one row of an array
        inner = inner[1:-1]
    return [float(part) for part in re.split(r"[\s,;]+", inner.strip().strip(","))]


def _from_text(path: Path, name: str, cells: Sequence[str | None]) -> np.ndarray:
    """Return cells with the text of lists as (b, d); an empty one is nan."""
    rows: list[list[float] | None] = []
    for cell in cells:
        if cell is None or cell in _NO_NUMBER:
            rows.append(None)
            continue
        if "..." in cell:
            raise EmbeddingsError(
                f"{path} has lists in column {name!r} that were shortened when they were written as text, so "
                f"numbers are lost; save them as such: `df.to_parquet({path.stem + '.parquet'!r})`."
            )
        try:
            rows.append(_numbers(cell))
        except ValueError:
            raise EmbeddingsError(
                f"{path} has {cell[:40]!r} in column {name!r}, which is no list of numbers."
            ) from None
    lengths = sorted({len(row) for row in rows if row is not None})
    _one_length(path, lengths)
    nothing = [np.nan] * (lengths[0] if lengths else 1)
    return np.array([nothing if row is None else row for row in rows], np.float64)


# -- CSV and TSV --------------------------------------------------------------------------------------------


def delimited(source: Source) -> Iterator[Part]:
    """Yield the clips of a CSV or TSV file."""
    path = source.path
    delimiter, first, decimal = _layout(path)
    headless = len(first) > 1 and all(map(_is_number, first[1:])) and not _counts_up(first[1:])
    names = [str(i) for i in range(len(first))] if headless else first
    if len(set(names)) < len(names):
        raise EmbeddingsError(f"{path} has two columns of one name; give each its own.")
    options: dict[str, Any] = {"sep": delimiter, "encoding": "utf-8-sig", "header": None if headless else 0}
    options |= {"names": names, "skipinitialspace": True, "decimal": decimal}
    try:
        head = pd.read_csv(path, nrows=1000, **options)
        numbers = [n for n in names if pd.api.types.is_numeric_dtype(head[n])]
        texts = head[[n for n in names if n not in numbers]]
        lists = [n for n in texts if _holds_lists(texts[n])]
        table = _Table(source, names, texts, numbers, lists, _csv_index(names))
        id = _headless_ids(table, head[names[0]]) if headless else table.ids()
        for name in names:
            if name not in lists:
                _whole_numbers(path, name, head[name], id)
        vector = table.vector()
        columns = [vector] if vector else table.dimensions(id, headless=headless)
        options["dtype"] = ({} if id is None else {id: str}) | dict.fromkeys(
            columns, str if vector else np.float64
        )
        # A clip may be called "null"; a number may not.
        options |= {"keep_default_na": False}
        options |= {} if vector else {"na_values": dict.fromkeys(columns, _NO_NUMBER)}
        used = columns if id is None else [id, *columns]
        for chunk in pd.read_csv(path, usecols=used, chunksize=_ROWS, **options):
            ids = None if id is None else chunk[id].tolist()
            if vector:
                yield Part(ids, _from_text(path, vector, chunk[vector].tolist()))
            else:
                yield Part(ids, chunk[columns].to_numpy(np.float64))
    except UnicodeDecodeError:
        raise EmbeddingsError(f"{path} is not UTF-8 text; save it as CSV UTF-8.") from None
    except EmbeddingsError:
        raise
    except ValueError as error:  # pandas' own errors are of this kind, too
        raise EmbeddingsError(f"{path} cannot be read as a table ({' '.join(str(error).split())}).") from None


def _headless_ids(table: _Table, cells: pd.Series) -> str | None:
    """Return the first of columns without names if it can name clips: words or unique whole numbers."""
    name = str(table.names[0])
    if name not in table.numbers:
        return name
    # With names from elsewhere all columns are numbers, as in the Embedding Projector's tensors.tsv.
    if not table.source.unnamed and pd.api.types.is_integer_dtype(cells) and cells.is_unique:
        return name
    if not table.source.unnamed:
        raise EmbeddingsError(
            f"{table.path} holds numbers alone and no names of clips; put the Embedding Projector's "
            "metadata.tsv beside it, or give the names, one a line, by --ids FILE."
        )
    return None


def _csv_index(names: Sequence[str]) -> str | None:
    """Return the column that pandas writes an index without a name to: the first, called nothing."""
    return names[0] if names and names[0] in ("", "Unnamed: 0") else None


def _whole_numbers(path: Path, name: str, cells: pd.Series, id: str | None) -> None:
    """Refuse a column of numbers with a word in it, which would be read as a column of words."""
    numbers = pd.to_numeric(cells, errors="coerce")
    words = cells[numbers.isna() & cells.notna()]
    if name != id and 0 < len(words) <= len(cells) // 2:
        raise EmbeddingsError(
            f"{path} has {words.iloc[0]!r} among the numbers of column {name!r}; leave the cell empty where "
            "there is no number."
        )


def _layout(path: Path) -> tuple[str, list[str], str]:
    """Return the delimiter of a table, the cells of its first line, and its decimal point."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [file.readline(10_000_000) for _ in range(3)]
    delimiter = max((",", ";", "\t", "|"), key=lines[0].count)
    decimal = "."
    for other in (";", "\t", "|"):
        cells = [c.strip().strip('"') for line in lines if other in line for c in line.split(other)]
        if any(map(_DECIMAL_COMMA.fullmatch, cells)) and (delimiter in (",", other)):
            delimiter, decimal = other, ","
    return delimiter, [c.strip() for c in next(csv.reader(lines[:1], delimiter=delimiter), [])], decimal


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _counts_up(cells: list[str]) -> bool:
    """Return whether cells read 0, 1, 2, … or 1, 2, 3, …, the names of columns without names."""
    return cells in ([str(i) for i in range(len(cells))], [str(i + 1) for i in range(len(cells))])


# -- names beside the vectors -------------------------------------------------------------------------------


def names_in(path: Path) -> list[str]:
    """Return the names of clips in a text file, one a line, or in the column of a table that names them.

    Raises
    ------
    EmbeddingsError
        If it is not UTF-8 text, or a table in which no column or several could name the clips.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise EmbeddingsError(f"{path} is not UTF-8 text; it must name a clip a line.") from None
    lines = [line.strip("\r\n ") for line in text.splitlines() if line.strip()]
    delimiter = "\t" if any("\t" in line for line in lines) else ","
    if delimiter == "," and (path.suffix.lower() != ".csv" or not any("," in line for line in lines)):
        return lines[1:] if lines and lines[0].strip().lower() in ID_NAMES else lines
    head, *rows = csv.reader(lines, delimiter=delimiter)
    uneven = next((i for i, row in enumerate(rows, 2) if len(row) != len(head)), None)
    if uneven is not None:
        raise EmbeddingsError(
            f"{path} has {len(rows[uneven - 2])} cells in line {uneven} and {len(head)} in the first; each "
            "line must have as many."
        )
    texts = pd.DataFrame(rows, columns=head, dtype=str)
    id = _Table(Source(path, path.parent, []), head, texts, [], [], _csv_index(head)).ids()
    assert id is not None
    return [name.strip() for name in texts[id]]
