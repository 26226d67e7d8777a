"""Tables on the page, and tables to save as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard.kit import layout, palette
from jobs.listening.rating_tables import harmless


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a text, a smaller one below it, how it looks, and why it holds no number."""

    text: str
    small: str = ""
    kind: str = ""
    why: str = ""


def show(head: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
    """Show a quiet table of texts."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    top = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in head)
    body = "".join("<tr>" + "".join(map(_td, row)) + "</tr>" for row in cells)
    _draw(f'<table class="hs-table"><tr>{top}</tr>{body}</table>')
    _reasons(cells)


def show_html(head: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: bool = False) -> None:
    """Show a table as `show` does, closer, of cells that are HTML already and may break into lines."""
    style = "padding-right:1.3rem" + ";white-space:normal;vertical-align:top" * wrap
    top = "".join(f'<th scope="col" style="{style}">{h}</th>' for h in head)
    body = "".join("<tr>" + "".join(f'<td style="{style}">{c}</td>' for c in row) + "</tr>" for row in rows)
    _draw(f'<table class="hs-table"><tr>{top}</tr>{body}</table>')


def scores(
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Cell]],
    *,
    label: str,
    here: int | None = None,
    groups: Sequence[tuple[str, int]] = (),
    kind: str = "",
) -> None:
    """Draw a table of numbers whose first column stays in sight.

    Parameters
    ----------
    heads : sequence of (str, str)
        Title, broken at "|", and kind: "" for numbers, "hs-words" for words.
    rows : sequence of sequences of Cell
    label : str
        What it is, for screen readers.
    here : int, optional
        Row that is marked.
    groups : sequence of (str, int)
        Titles above those of the columns, and how many columns each is of; "" for none.
    kind : str
        "hs-wide" gives the columns more room.
    """
    above = "".join(
        f'<th colspan="{n}" scope="colgroup">{html.escape(g)}</th>' if g else f'<th colspan="{n}"></th>'
        for g, n in groups
    )
    top = "".join(
        f'<th scope="col"{_class(how)}>{"<br>".join(map(html.escape, head.split("|")))}</th>'
        for head, how in heads
    )
    body = []
    for i, row in enumerate(rows):
        cells = "".join(_td(cell, how) for cell, (_, how) in zip(row, heads, strict=True))
        body.append(f"<tr{_class('hs-here' if i == here else '')}>{cells}</tr>")
    _draw(
        f"<table{_class('hs-scores', kind)}>"
        + (f'<tr class="hs-groups">{above}</tr>' if groups else "")
        + f"<tr>{top}</tr>{''.join(body)}</table>",
        label,
    )
    _reasons(rows)


def _draw(table: str, label: str = "") -> None:
    """Draw a table, given as HTML, which is scrolled sideways where it is wide."""
    region = f' tabindex="0" role="region" aria-label="{html.escape(label)}"' if label else ""
    page = palette.BACKGROUND[layout.theme()]
    st.html(f'<div class="hs-scroll"{region} style="--hs-page: {page}">{table}</div>')


def _td(cell: Cell, kind: str = "") -> str:
    title = cell.why or ("not defined" if cell.text == "–" else "")
    title = title and f' title="{html.escape(title)}"'
    small = f"<small>{html.escape(cell.small)}</small>" if cell.small else ""
    return f"<td{_class(kind, cell.kind)}{title}>{html.escape(cell.text)}{small}</td>"


def _reasons(rows: Sequence[Sequence[Cell]]) -> None:
    """Explain below a table why cells hold no number."""
    for why in dict.fromkeys(cell.why for row in rows for cell in row if cell.why):
        st.caption(f"–: {why}")


def _class(*names: str) -> str:
    every = " ".join(filter(None, names))
    return f' class="{every}"' if every else ""


def csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV; text that a spreadsheet would read as a formula begins with an apostrophe.

    Parameters
    ----------
    frame : DataFrame

    Examples
    --------
    >>> csv(pd.DataFrame({"class": ["rain", "=1+1"], "ap@15": [0.5, -0.25]}))
    b"class,ap@15\\nrain,0.5\\n'=1+1,-0.25\\n"
    """
    # Column by position: names may come twice. A column of classes can be of pandas' categories.
    columns = [
        column if column.dtype.kind in "biufMm" else column.astype(object).map(harmless, na_action="ignore")
        for _, column in frame.reset_index(drop=True).items()
    ]
    shown = pd.concat(columns, axis=1) if columns else frame
    return shown.rename(columns=harmless).to_csv(index=False).encode()


def download(
    key: str,
    file: str,
    make: Callable[[], bytes | str | pd.DataFrame],
    caption: str | None = None,
    *,
    label: str = "CSV",
    quiet: bool = True,
) -> None:
    """Draw a button that saves numbers as CSV, at the right, or after a caption if there is one.

    Parameters
    ----------
    key : str
        Of the button.
    file : str
        Name, without ending, of what is saved.
    make : callable
        Returns the numbers when the button is pressed.
    caption : str, optional
        Words beside the button.
    label : str
    quiet : bool
        Whether the button is drawn without a frame.
    """
    where = {"horizontal_alignment": "right"} if caption is None else {"vertical_alignment": "center"}
    with st.container(horizontal=True, gap="small", **where):  # type: ignore[arg-type]
        if caption is not None:
            st.caption(caption, width="stretch")
        button(key, file, make, label=label, quiet=quiet)


def button(
    key: str,
    file: str,
    make: Callable[[], bytes | str | pd.DataFrame],
    *,
    label: str = "CSV",
    quiet: bool = True,
) -> None:
    """Draw the button of `download` without its row."""

    def content() -> bytes | str:
        made = make()
        return csv(made) if isinstance(made, pd.DataFrame) else made

    st.download_button(
        label,
        data=content,
        file_name=f"{file}.csv".replace("/", "-").replace(":", "-"),
        mime="text/csv",
        icon=":material/download:",
        type="tertiary" if quiet else "secondary",
        on_click="ignore",
        key=key,
    )
