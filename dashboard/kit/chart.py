"""Charts: one look for all, a PNG from the camera, a CSV below, and a choice by a click."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import streamlit as st

from dashboard.kit import layout, table
from dashboard.memory import once

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure


class Words(TypedDict, total=False):
    """Words about a chart.

    Attributes
    ----------
    caption : str
        Short words below the figure, Markdown.
    alt : str
        What the figure shows, for screen readers.
    """

    caption: str
    alt: str


def show(
    figure: Figure | Callable[..., Figure],
    *,
    key: str,
    file: str,
    remembered: tuple[Any, ...] = (),
    csv: Callable[[], bytes | DataFrame] | None = None,
    chooses: str | Sequence[str] = (),
    on_select: Callable[[], None] | None = None,
    **words: Unpack[Words],
) -> None:
    """Show a figure with the look of all figures; its camera saves a PNG at twice the size.

    Parameters
    ----------
    figure : Figure
        Drawn for `layout.theme()`, or a function that draws it for a ``theme``. The look fills in what it
        leaves open.
    key : str
        Of the chart; it is the page's own as well: ``.st-key-<key>`` holds chart and download.
    file : str
        Name, without ending, of what is saved; it should carry dataset and space.
    remembered : tuple
        What a figure that is drawn by a callable is kept in memory by, besides the theme; without it, it is
        drawn anew each time.
    csv : callable, optional
        Returns the numbers of the figure, a table or its bytes, when asked for.
    chooses : str or sequence of str
        Keys of the session that a click on a point sets to the point's ``customdata``, the first of it for
        one key; a point whose value is "" sets nothing. Without a mouse a click sets nothing, so that the
        page can be scrolled: offer the same choice in words.
    on_select : callable, optional
        Called when a point is clicked instead; `clicked(key)` then says which.
    **words
        See `Words`.
    """
    from dashboard.kit.look import dressed

    name = re.sub(r"[^\w.-]+", "-", file).strip("-") or "figure"
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["autoScale2d"],
    }
    with st.container(key=key, gap="small"):
        shown: dict[str, Any] = {"key": f"{key}-plot", "config": config, "alt": words.get("alt") or None}
        names = [chooses] if isinstance(chooses, str) else list(chooses)
        if names:
            on_select = partial(_choose, key, names)
        if on_select is not None:
            shown |= {"key": f"{key}-pick", "on_select": on_select, "selection_mode": "points"}
        st.plotly_chart(dressed(_drawn(figure, remembered, layout.theme()), layout.theme()), **shown)
        caption = words.get("caption", "")
        if caption or csv is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(caption or " ", width="stretch")
                if csv is not None:
                    table.button(f"{key}-csv", name, csv)


def _drawn(figure: Figure | Callable[..., Figure], remembered: tuple[Any, ...], theme: str) -> Figure:
    if not callable(figure):
        return figure
    make = figure
    if not remembered:
        return make(theme=theme)
    return once(("figure", *remembered, theme), lambda: make(theme=theme))


def _choose(key: str, names: Sequence[str]) -> None:
    for point in clicked(key):
        values = [str(v) for v in (point if isinstance(point, list) else [point])]
        if all(values[: len(names)]):
            st.session_state.update(zip(names, values, strict=False))


def clicked(key: str) -> list[Any]:
    """Return the ``customdata`` of the points that were clicked in a chart, [] where a click undid one."""
    state = st.session_state.get(f"{key}-pick")
    points = state["selection"]["points"] if state else []
    return [p["customdata"] for p in points if "customdata" in p]
