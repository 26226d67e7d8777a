"""Charts: one look for all, a PNG from the camera, a CSV below, and what a click chooses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.kit import layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def show(
    figure: Figure,
    *,
    key: str,
    file: str,
    csv: Callable[[], bytes] | None = None,
    on_select: Callable[[], None] | None = None,
    caption: str = "",
    alt: str = "",
) -> None:
    """Show a figure with the look of all figures; its camera saves a PNG at twice the size.

    Parameters
    ----------
    figure : Figure
        From `dashboard.figures`, drawn for `layout.theme()`. The look fills in what it leaves open.
    key : str
        Of the chart; it is the page's own as well: ``.st-key-<key>`` holds chart and download.
    file : str
        Name, without ending, of what is saved; it should carry dataset and space.
    csv : callable, optional
        Returns the numbers of the figure as bytes, when asked for.
    on_select : callable, optional
        Called when a point is clicked; `clicked(key)` then says which. Where there is no mouse nothing is
        called, so that the page can be scrolled: offer the same choice in words.
    caption : str
        Short words below the figure, Markdown.
    alt : str
        What the figure shows, for screen readers.
    """
    from dashboard.kit.look import dressed

    name = re.sub(r"[^\w.-]+", "-", file).strip("-") or "figure"
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["autoScale2d"],
    }
    with st.container(key=key, gap="small"):
        shown: dict[str, Any] = {"key": f"{key}-plot", "config": config, "alt": alt or None}
        if on_select is not None:
            shown |= {"key": f"{key}-pick", "on_select": on_select, "selection_mode": "points"}
        st.plotly_chart(dressed(figure, layout.theme()), **shown)
        if caption or csv is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(caption or " ", width="stretch")
                if csv is not None:
                    st.download_button(
                        "CSV",
                        data=csv,
                        file_name=f"{name}.csv",
                        mime="text/csv",
                        icon=":material/download:",
                        type="tertiary",
                        on_click="ignore",
                        key=f"{key}-csv",
                    )


def clicked(key: str) -> list[Any]:
    """Return the ``customdata`` of the points that were clicked in a chart, [] where a click undid one."""
    state = st.session_state.get(f"{key}-pick")
    points = state["selection"]["points"] if state else []
    return [p["customdata"] for p in points if "customdata" in p]
