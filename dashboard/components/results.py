"""Lists of results side by side, to be heard one at a time and compared; blind, they are rated as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dashboard.components import base_url, component
from dashboard.data import Clips
from dashboard.kit.palette import NEUTRAL, Style

#: Names of columns, from the left.
LETTERS = "ABCD"


@dataclass(frozen=True)
class Result:
    """A row: what is not said is not sent to the browser.

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
    said = {"label": str(c.labels[row]) or "no class", "file": str(c.files[row])}
    return Result(clip, dataset, **({"light": style.light, "dark": style.dark} | said | more))


def show(
    columns: Sequence[Column],
    *,
    key: str,
    label: str,
    query: Result | None = None,
    first: int = 1,
    equal: bool = True,
    question: int = 0,
    marks: Mapping[tuple[int, int], bool] | None = None,
    chosen: int | None = None,
    on_marks: Callable[[], None] | None = None,
    on_choice: Callable[[], None] | None = None,
) -> None:
    """Mount the lists.

    Parameters
    ----------
    columns : sequence of Column
        Up to four.
    label : str
        What they are, for screen readers.
    query : Result, optional
        What was searched with, to be heard above the lists.
    first : int
        Rank of the first row.
    equal : bool
        Whether clips are played at equal loudness.
    question : int
        With more than 0, the lists are rated: ``st.session_state[key]`` holds in the callbacks ``marks``
        (``{"question": ..., "marks": {"<column>,<position>": bool or None}, "number": int}``, all of them
        each time, None for one taken back, and the number of the message) and ``choice`` (the same with
        ``"column"``, None where none is good).
    marks : mapping, optional
        What is marked already, by column and position from 0.
    chosen : int, optional
        Column that was chosen, once the answer is given.
    on_marks, on_choice : callable, optional
        Marks can be made with the first, a column can be chosen with the second.
    """
    data = {
        "columns": [_plain(asdict(c)) for c in columns],
        "letters": LETTERS,
        "query": None if query is None else _plain(asdict(query)),
        "base": base_url(),
        "label": label,
        "first": first,
        "equal": equal,
        "question": question,
        "marks": {f"{c},{p}": fits for (c, p), fits in (marks or {}).items()},
        "chosen": chosen,
        "markable": on_marks is not None,
        "choosable": on_choice is not None,
    }
    callbacks: dict[str, Any] = {}
    if on_marks is not None:
        callbacks["on_marks_change"] = on_marks
    if on_choice is not None:
        callbacks["on_choice_change"] = on_choice
    component("results")(key=key, data=data, **callbacks)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    found = {name: value for name, value in row.items() if value not in ("", None, ())}
    if "rows" in row:
        found["rows"] = [_plain(r) for r in row["rows"]]
    return found
