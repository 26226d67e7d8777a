"""One look for all figures: margins, axes, legend and hover labels, unless a figure defines its own.

Gridlines and background are not here: the page's theme gives them, in light and in dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

#: Text of axes, legends and annotations: a contrast of at least 7 to the page.
INK = {"light": "#4b5058", "dark": "#c3c7ce"}
#: Lines that carry information, such as intervals and zero: visible, but behind the data.
RULE = {"light": "#9b9a97", "dark": "#6d727b"}
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
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#8b8d90", "activecolor": "#5b7fd6"},
    "uirevision": "same",
}


def dressed(figure: go.Figure, theme: str = "light") -> go.Figure:
    """Return a copy of the figure with the common look, where the figure itself does not define another.

    Parameters
    ----------
    figure : Figure
    theme : {"light", "dark"}

    Returns
    -------
    Figure

    Examples
    --------
    >>> plain = go.Figure({"data": [], "layout": {"margin": {"t": 5}, "xaxis": {"ticks": "outside"}}})
    >>> layout = dressed(plain).layout
    >>> layout.margin.t, layout.margin.b, layout.xaxis.ticks, layout.yaxis.zeroline
    (5, 8, 'outside', False)
    """
    plain = figure.to_dict()
    layout = plain.get("layout", {})
    # A default template of Plotly's would be most of a small figure's bytes.
    layout["template"] = {"layout": {}}
    ink = {"color": INK[theme]}
    axis = _under(_AXIS, {"title": {"font": ink}, "tickfont": ink})
    axes = {"xaxis", "yaxis"} | {name for name in layout if name.startswith(("xaxis", "yaxis"))}
    usual = _under(_LAYOUT, {"font": ink, "legend": {"font": ink}})
    layout = _under(layout, usual | dict.fromkeys(axes, axis))
    # Checking what was checked before would take 50 ms for 10,000 points.
    return go.Figure({"data": plain["data"], "layout": layout}, _validate=False)


def _under(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    both = {**usual, **given}
    for name in usual.keys() & given.keys():
        if isinstance(usual[name], Mapping) and isinstance(given[name], Mapping):
            both[name] = _under(given[name], usual[name])
    return both
