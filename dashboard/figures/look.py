"""One look for all figures: margins, axes, legend and hover labels, where a figure does not say otherwise.

Text, gridlines and background are not here: the page's theme gives them, in light and in dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

_AXIS: dict[str, Any] = {
    "automargin": True,
    "zeroline": False,
    "ticks": "",
    "title": {"standoff": 10, "font": {"size": 13}},
    "tickfont": {"size": 12},
}
_LAYOUT: dict[str, Any] = {
    "margin": {"l": 8, "r": 8, "t": 34, "b": 8, "pad": 4},
    "hovermode": "closest",
    # A drag would zoom, and on a phone keep the page from scrolling; the bar of buttons has both.
    "dragmode": False,
    "hoverlabel": {"align": "left", "font": {"size": 13}, "namelength": -1},
    "legend": {
        "orientation": "h",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "title": {"text": ""},
    },
    "modebar": {"bgcolor": "rgba(0,0,0,0)"},
    "uirevision": "same",
}


def dressed(figure: go.Figure) -> go.Figure:
    """Return the figure with the common look under what it says itself; the given one stays as it is.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    Figure

    Examples
    --------
    >>> plain = go.Figure({"data": [], "layout": {"margin": {"t": 5}, "xaxis": {"ticks": "outside"}}})
    >>> there = dressed(plain).layout
    >>> there.margin.t, there.margin.b, there.xaxis.ticks, there.yaxis.zeroline
    (5, 8, 'outside', False)
    """
    plain = figure.to_dict()
    layout = plain.get("layout", {})
    # A default template of Plotly's would be most of a small figure's bytes.
    layout["template"] = {"layout": {}}
    axes = {"xaxis", "yaxis"} | {name for name in layout if name.startswith(("xaxis", "yaxis"))}
    layout = _under(layout, _LAYOUT | dict.fromkeys(axes, _AXIS))
    # Checking what was checked before would take 50 ms for 10,000 points.
    return go.Figure({"data": plain["data"], "layout": layout}, _validate=False)


def _under(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    found = {**usual, **given}
    for name in usual.keys() & given.keys():
        if isinstance(usual[name], Mapping) and isinstance(given[name], Mapping):
            found[name] = _under(given[name], usual[name])
    return found
