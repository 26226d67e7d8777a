"""Read lists of captions or labels from a text file or a table, and write them without some of their rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

#: Endings of names of such files.
SUFFIXES = (".txt", ".csv", ".tsv")
#: Columns of captions and of labels, in the order of preference.
CAPTIONS = ("caption", "captions", "text", "sentence", "description")
LABELS = ("display_name", "labels", "label", "category", "class", "name")
#: Columns that name the clip of a row.
CLIPS = ("clip_id", "file_name", "filename", "fname", "path", "youtube_id", "ytid")

_NUMBERED = re.compile(r"caption_?\d+")
_DELIMITERS = (",", ";", "\t", "|")


class TextFileError(ValueError):
    """A file is no list of texts; the message says why and what to do."""


@dataclass(frozen=True)
class TextFile:
    """A list of texts and their rows.

    Attributes
    ----------
    name : str
        Of the file.
    texts : tuple of str
        By row, without empty ones.
    row : tuple of int
        Of each text, from 0, the header not counted.
    clip : tuple of str or None
        The clip of each text, if a column names it.
    labels : bool
        Whether these look like labels rather than captions.
    head : tuple of str
        The header; () for a plain list.
    rows : tuple of tuples of str
    delimiter : str
    """

    name: str
    texts: tuple[str, ...]
    row: tuple[int, ...]
    clip: tuple[str, ...] | None
    labels: bool
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str

    def gone(self, lost: Sequence[int]) -> list[int]:
        """Return the indices in `texts` of all texts in the rows of those in `lost`."""
        rows = {self.row[at] for at in lost}
        return [at for at, row in enumerate(self.row) if row in rows]

    def without(self, lost: Sequence[int]) -> bytes:
        """Return the file without the rows of some texts, given by their indices in `texts`."""
        gone = {self.row[at] for at in lost}
        kept = [row for i, row in enumerate(self.rows) if i not in gone]
        if not self.head:
            return "".join(f"{row[0]}\n" for row in kept).encode()
        written = io.StringIO()
        csv.writer(written, delimiter=self.delimiter, lineterminator="\n").writerows([self.head, *kept])
        return written.getvalue().encode()


def read_texts(name: str, data: bytes, *, column: str = "") -> TextFile:
    """Read a list of captions or labels.

    Parameters
    ----------
    name : str
        Of the file: ``.txt`` holds a text a line; ``.csv`` and ``.tsv`` are tables with a header, of which
        the columns caption_1, caption_2, … are read, else the first of `CAPTIONS` and `LABELS`, else
        the only one. A table of one column without such a header is a plain list.
    data : bytes
        UTF-8.
    column : str
        The column to read.

    Raises
    ------
    TextFileError
        In one sentence: no such ending, no text, no such column, nothing in it.

    Examples
    --------
    >>> read_texts("c.csv", b"file_name,caption_1,caption_2\\na.wav,a dog,\\nb.wav,rain,it rains\\n").texts
    ('a dog', 'rain', 'it rains')
    >>> read_texts("labels.txt", b"dog\\nrain\\n").without([0])
    b'rain\\n'
    """
    short = PurePath(name).name
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise TextFileError(f"{short} ends in {suffix or 'nothing'}; give a list as {', '.join(SUFFIXES)}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TextFileError(f"{short} is not UTF-8 text; save it as UTF-8.") from None
    if "\0" in text:
        raise TextFileError(f"{short} is not text: it holds NUL characters.")
    texts = _lines(short, text) if suffix == ".txt" else _table(short, text, suffix, column)
    if not texts.texts:
        raise TextFileError(f"{short} holds no text; give a list with a caption or label a line.")
    return texts


def _lines(name: str, text: str) -> TextFile:
    rows = [" ".join(line.split()) for line in text.splitlines()]
    rows = [row for row in rows if row]
    # Labels are a word or a few, sentences are more.
    short = sorted(len(row.split()) for row in rows)
    labels = bool(rows) and short[len(short) // 2] <= 3
    pairs = tuple((row,) for row in rows)
    return TextFile(name, tuple(rows), tuple(range(len(rows))), None, labels, (), pairs, "\n")


def _table(name: str, text: str, suffix: str, column: str) -> TextFile:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if suffix == ".tsv" else max(_DELIMITERS, key=first.count)
    try:
        head, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) or [[]]
    except csv.Error as error:
        raise TextFileError(f"{name} cannot be read as a table ({error}).") from None
    names = [cell.strip() for cell in head]
    lower = [cell.lower() for cell in names]
    if column and column not in names:
        raise TextFileError(f"{name} has no column {column!r}; its columns are {', '.join(names)}.")
    numbered = [i for i, cell in enumerate(lower) if _NUMBERED.fullmatch(cell)]
    known = [lower.index(cell) for cell in (*CAPTIONS, *LABELS) if cell in lower]
    if column:
        read = [names.index(column)]
    elif numbered or known:
        read = numbered or known[:1]
    elif len(names) < 2:
        return _lines(name, text)
    else:
        raise TextFileError(
            f"{name} has no column that is known to hold captions or labels; its columns are "
            f"{', '.join(names[:20])}: name the one to read caption or label."
        )
    which = next(
        (lower.index(cell) for cell in CLIPS if cell in lower and lower.index(cell) not in read), None
    )
    cells = [
        (at, " ".join(row[i].split()), row[which] if which is not None and which < len(row) else "")
        for at, row in enumerate(rows)
        for i in read
        if i < len(row) and row[i].strip()
    ]
    return TextFile(
        name,
        tuple(text for _, text, _ in cells),
        tuple(at for at, _, _ in cells),
        tuple(clip for *_, clip in cells) if which is not None else None,
        not numbered and lower[read[0]] in LABELS,
        tuple(names),
        tuple(map(tuple, rows)),
        delimiter,
    )
