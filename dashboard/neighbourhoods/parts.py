"""Small pieces of Neighbourhoods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from dashboard.state import View


def pick(
    view: View,
    name: str,
    label: str,
    of: Mapping[str, str],
    *,
    disabled: bool = False,
    on_change: Callable[[], None] | None = None,
) -> None:
    """Draw a control that is one of a few words: value to what is read."""
    st.segmented_control(
        label,
        list(of),
        format_func=of.__getitem__,
        key=view.key(name),
        required=True,
        disabled=disabled,
        on_change=on_change,
    )


def rich_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, wrap: bool = False) -> None:
    """Show a table as `ui.table` does, closer, of cells that are HTML already and may break into lines."""
    style = "padding-right:1.3rem" + ";white-space:normal;vertical-align:top" * wrap
    top = "".join(f'<th scope="col" style="{style}">{h}</th>' for h in head)
    body = "".join("<tr>" + "".join(f'<td style="{style}">{c}</td>' for c in row) + "</tr>" for row in rows)
    st.html(f'<div class="hs-scroll"><table class="hs-table"><tr>{top}</tr>{body}</table></div>')


def broad(cell: str) -> str:
    """Let a cell of a table break into lines, but not too narrow ones."""
    return f'<div style="white-space:normal;min-width:8.5rem;max-width:20rem">{cell}</div>'


def swatch(style: str) -> str:
    """Draw a piece of a pair's line, `figures.Line.css`, for the table."""
    return f'<span style="display:inline-block;width:30px;height:3px;margin:0 10px 4px 0;{style}"></span>'


def number(value: float) -> str:
    """Say a number from -1 to 1 as it is; a dash where there is none."""
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "–"
