"""Lists of results side by side, to be played one at a time and compared; in blind tests they are rated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dashboard.components import base_url, component
from dashboard.data import Clips
from dashboard.kit.palette import NEUTRAL, Style

#: Names of columns, from the left.
LETTERS = "ABCD"


@dataclass(frozen=True)
class Result:
    """A row of a list; empty fields are not sent to the browser.

    Attributes
    ----------
    id : str
        Of the clip; `dataset` is where its sound is served from.
    fits : bool or None
        Whether it carries the class asked for; None where none is.
    also : tuple of (int, int)
        Where else it is: column from 0, rank from 1.
    """

    id: str
    dataset: str
    label: str = ""
    file: str = ""
    score: str = ""
    light: str = ""
    dark: str = ""
    fits: bool | None = None
    also: tuple[tuple[int, int], ...] = ()
    credit: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A list of results: the system's name, what is done to its embeddings, how good it is."""

    rows: tuple[Result, ...]
    title: str = ""
    about: str = ""
    measure: str = ""
    note: str = ""


def result(c: Clips, clip: str, dataset: str, **more: Any) -> Result:
    """Return a row with what the clip table says about a clip."""
    row = c.row[clip]
    style = c.styles.get(c.labels[row], Style(NEUTRAL["light"], NEUTRAL["dark"]))
    label, file = str(c.labels[row]) or "no class", str(c.files[row])
    return Result(clip, dataset, label, file, light=style.light, dark=style.dark, **more)


@dataclass(frozen=True)
class Rated:
    """A question of a blind test: its lists are rated.

    Attributes
    ----------
    question : int
        Id of the question: ``st.session_state[key]`` holds in the callbacks ``marks``
        (``{"question": ..., "marks": {"<column>,<position>": bool or None}, "number": int}``, all of them
        each time, None for one taken back, and the number of the message) and ``choice`` (the same with
        ``"column"``, None where none is good).
    marks : mapping
        The marks so far, by column and position from 0.
    chosen : int or None
        Column that was chosen, once the answer is given.
    on_marks, on_choice : callable or None
        Marks can be made with the first, a column can be chosen with the second.
    """

    question: int = 0
    marks: Mapping[tuple[int, int], bool] = field(default_factory=dict)
    chosen: int | None = None
    on_marks: Callable[[], None] | None = None
    on_choice: Callable[[], None] | None = None


def show(
    columns: Sequence[Column],
    *,
    key: str,
    label: str,
    query: Result | None = None,
    first: int = 1,
    equal: bool = True,
    rated: Rated | None = None,
) -> None:
    """Mount the lists.

    Parameters
    ----------
    columns : sequence of Column
        Up to four.
    label : str
        What they are, for screen readers.
    query : Result, optional
        What was searched with, to be played above the lists.
    first : int
        Rank of the first row.
    equal : bool
        Whether clips are played at equal loudness.
    rated : Rated, optional
        The question that the lists are of.
    """
    r = rated or Rated()
    data = {
        "columns": [_plain(asdict(c)) for c in columns],
        "letters": LETTERS,
        "query": None if query is None else _plain(asdict(query)),
        "base": base_url(),
        "label": label,
        "first": first,
        "equal": equal,
        "question": r.question,
        "marks": {f"{c},{p}": fits for (c, p), fits in r.marks.items()},
        "chosen": r.chosen,
        "markable": r.on_marks is not None,
        "choosable": r.on_choice is not None,
    }
    callbacks = {"on_marks_change": r.on_marks, "on_choice_change": r.on_choice}
    component("results")(key=key, data=data, **{k: f for k, f in callbacks.items() if f is not None})


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    plain = {name: value for name, value in row.items() if value not in ("", None, ())}
    if "rows" in row:
        plain["rows"] = [_plain(r) for r in row["rows"]]
    return plain
