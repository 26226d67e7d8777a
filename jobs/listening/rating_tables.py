"""Ratings as a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from jobs.listening.questions import Rating, plain_json

#: Columns of the table.
# fmt: off
HEADER = (
    "id", "session", "question", "repeat_of", "listener", "asked", "answered", "seed", "dataset",
    "fingerprint", "query_kind", "query", "class", "column", "system", "encoder", "aggregation", "components",
    "normalize", "algorithm", "space", "scale", "chosen", "fits", "fits_not", "results",
)
# fmt: on
#: Characters with which a formula in a spreadsheet begins, including full-width ones.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def csv_rows(rating: Rating) -> Iterator[list[Any]]:
    """Yield the rows of a rating, one per column shown, with the columns of `HEADER`."""
    q = rating.question
    repeat_of = "" if q.repeat_of is None else q.repeat_of + 1
    about = [rating.id, q.session, q.number + 1, repeat_of, q.listener]
    about += [_moment(rating.created), _moment(rating.answered), q.seed]
    about += [q.dataset, q.fingerprint, q.query.kind, q.query.value, q.query.wanted]
    for column, (system, results) in enumerate(zip(q.systems, q.results, strict=True)):
        marks = sorted(rating.marks.items())
        marked = [
            " ".join(str(p + 1) for (c, p), f in marks if c == column and f == fits) for fits in (True, False)
        ]
        how = asdict(system) | {"normalize": int(system.normalize)}
        chosen = "" if rating.answered is None else int(rating.chosen == column)
        yield [*about, column + 1, system.name, *how.values(), chosen, *marked, plain_json(results)]


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def harmless(value: Any) -> Any:
    """Prefix text that a spreadsheet would read as a formula with an apostrophe; keep other values."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
