"""The figure of what losses do to a space: a property before and after each setting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.words import count
from dashboard.kit import palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import rows, rule
from dashboard.kit.numbers import figured
from dashboard.kit.text import label, plain, whole

_OWN = {"light": "#b3400a", "dark": "#ff9c6e"}
_ROW = 30


def change_figure(table: pd.DataFrame, *, title: str, theme: str = "light") -> go.Figure:
    """Draw a property of the space before and after each setting, a row a setting.

    Parameters
    ----------
    table : DataFrame
        From `dashboard.losses.numbers.changes`, topmost first. Settings that are ``asked_for`` are of another
        colour and shape; a dashed line is where cross-entropy is.
    title : str
        Of the number and its direction.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Traces have ``meta`` "before", "after" and "own"; ``customdata`` is the setting.
    """
    table = table.assign(at=np.arange(len(table), dtype=float), sd=table["sd"].fillna(0.0))
    both = table.dropna(subset=["before", "after"]).assign(gap=None)
    ink = INK[theme]
    stems = {
        "type": "scatter",
        "mode": "lines",
        "x": both[["before", "after", "gap"]].to_numpy().ravel().tolist(),
        "y": both[["at", "at", "gap"]].to_numpy().ravel().tolist(),
        "line": {"color": RULE[theme], "width": 1.5},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    hollow = {"symbol": "circle-open", "size": 10, "color": ink, "line": {"width": 2, "color": ink}}
    diamond = {"symbol": "diamond", "size": 12, "color": _OWN[theme]}
    own = table["asked_for"].astype(bool)
    traces = [
        stems,
        _dots(table, "before", hollow, name="before", meta="before"),
        _dots(
            table[~own], "after", {"size": 10, "color": palette.BASE[theme][0]}, name="after", meta="after"
        ),
        _dots(table[own], "after", diamond, name="after, asked for", meta="own"),
    ]
    ends = pd.concat([table["before"], table["after"] - table["sd"], table["after"] + table["sd"]])
    low, high = (float(v) if np.isfinite(v) else 0.0 for v in (ends.min(), ends.max()))
    top = high if high > 0 else 1.0
    layout: dict[str, Any] = {
        "height": _ROW * len(table) + 118,
        "margin": {"t": 30},
        "xaxis": {
            "title": {"text": title},
            "range": [min(0.0, low) - 0.02 * top, 1.06 * top],
            "showgrid": True,
            "nticks": 6,
            "exponentformat": "none",
        },
        "yaxis": rows([label(name, 20) for name in table["setting"]])
        | {"showgrid": False, "ticklabelstandoff": 6},
        "shapes": [
            rule("x", level, theme, dash="dash")
            for level in table.loc[table["loss"] == "ce", "after"].dropna()
        ],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _dots(
    table: pd.DataFrame, column: str, marker: dict[str, Any], *, name: str, meta: str
) -> dict[str, Any]:
    drawn = table.dropna(subset=[column])
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": drawn[column].to_numpy(),
        "y": drawn["at"].to_numpy(),
        "customdata": drawn["setting"].tolist(),
        "text": [_hover(row) for row in drawn.to_dict("records")],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": marker,
        "name": name,
        "meta": meta,
        "showlegend": len(drawn) > 0,
    }
    if column == "after":
        whiskers = {"type": "data", "array": drawn["sd"].to_numpy(), "color": marker["color"]}
        trace["error_x"] = whiskers | {"thickness": 1.5, "width": 0}
    return trace


def _hover(row: dict[Any, Any]) -> str:
    lines = [f"<b>{whole(row['setting'])}</b>"]
    lines.append(f"before {figured(row['before'])}, after {figured(row['after'])}")
    if n := row["models_compared"]:
        lower = row["lower_than_cross_entropy"]
        lines.append(plain(f"lower than with cross-entropy in {lower:,} of {count(n, 'model')}"))
    return "<br>".join(lines)
