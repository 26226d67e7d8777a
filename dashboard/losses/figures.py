"""Figures of what losses do to a space: how models learn, and the four properties before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import rows, rule
from dashboard.kit.numbers import figured
from dashboard.kit.text import label, plain, whole

_OWN = {"light": "#b3400a", "dark": "#ff9c6e"}
_ROW = 30


def change_figure(
    names: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    spread: np.ndarray,
    *,
    title: str,
    own: Sequence[bool],
    said: Sequence[str],
    level: float = float("nan"),
    theme: str = "light",
) -> go.Figure:
    """Draw a number of the space before and after each setting, a row a setting.

    Parameters
    ----------
    names : sequence of str, length R
        Topmost first.
    before, after : ndarray, shape (R,)
        NaN where there is none.
    spread : ndarray, shape (R,)
        Half the length of the whisker of `after`.
    title : str
        Of the number and its direction.
    own : sequence of bool
        Settings whose loss asks for this very number; they are of another colour and shape.
    said : sequence of str
        More about each setting, when it is pointed at.
    level : float
        What all are held against, a dashed line; NaN for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Traces have ``meta`` "before", "after" and "own"; ``customdata`` is the setting.
    """
    lengths = {len(names), len(before), len(after), len(spread), len(own), len(said)}
    if len(lengths) > 1:
        raise ValueError(f"There are {len(names)} settings; each needs one number of every kind.")
    first, last, wide = (np.asarray(v, float) for v in (before, after, spread))
    at = np.arange(len(names), dtype=float)
    mine = np.asarray(own, bool)
    arrows = []
    for i in np.flatnonzero(np.isfinite(first) & np.isfinite(last)).tolist():
        arrows += [(first[i], at[i]), (last[i], at[i]), (None, None)]
    ink = INK[theme]
    stems = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in arrows],
        "y": [y for _, y in arrows],
        "line": {"color": RULE[theme], "width": 1.5},
        "hoverinfo": "skip",
        "showlegend": False,
    }

    def dots(
        x: np.ndarray, which: np.ndarray, name: str, meta: str, marker: dict[str, Any]
    ) -> dict[str, Any]:
        chosen = np.flatnonzero(which & np.isfinite(x)).tolist()
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "markers",
            "x": x[chosen],
            "y": at[chosen],
            "customdata": [names[i] for i in chosen],
            "text": [_told(names[i], first[i], last[i], said[i]) for i in chosen],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": marker,
            "name": name,
            "meta": meta,
            "showlegend": bool(chosen),
        }
        if meta != "before":
            trace["error_x"] = {
                "type": "data",
                "array": np.nan_to_num(wide[chosen]),
                "color": marker["color"],
                "thickness": 1.5,
                "width": 0,
            }
        return trace

    everywhere = np.ones(len(names), bool)
    hollow = {"symbol": "circle-open", "size": 10, "color": ink, "line": {"width": 2, "color": ink}}
    traces = [
        stems,
        dots(first, everywhere, "before", "before", hollow),
        dots(last, ~mine, "after", "after", {"size": 10, "color": palette.BASE[theme][0]}),
        dots(last, mine, "after, asked for", "own", {"symbol": "diamond", "size": 12, "color": _OWN[theme]}),
    ]
    seen = np.concatenate([first, last - np.nan_to_num(wide), last + np.nan_to_num(wide)])
    seen = seen[np.isfinite(seen)]
    top = float(seen.max()) if len(seen) and seen.max() > 0 else 1.0
    layout: dict[str, Any] = {
        "height": _ROW * len(names) + 118,
        "margin": {"t": 30},
        "xaxis": {
            "title": {"text": title},
            "range": [min(0.0, float(seen.min()) if len(seen) else 0.0) - 0.02 * top, 1.06 * top],
            "showgrid": True,
            "nticks": 6,
            "exponentformat": "none",
        },
        "yaxis": rows([label(name, 20) for name in names]) | {"showgrid": False, "ticklabelstandoff": 6},
    }
    if np.isfinite(level):
        layout["shapes"] = [rule("x", level, theme, dash="dash")]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _told(name: str, before: float, after: float, more: str) -> str:
    lines = [f"<b>{whole(name)}</b>", f"before {figured(before)}, after {figured(after)}", plain(more)]
    return "<br>".join(filter(None, lines))
