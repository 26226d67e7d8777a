"""Figures of what losses do to a space: how models learn, and the four properties before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._rows import rows
from dashboard.figures.look import INK, RULE
from dashboard.figures.text import label, plain, whole
from dashboard.separability.figures import figured

_DASHES = ("solid", "dash", "dot")
_OWN = {"light": "#b3400a", "dark": "#ff9c6e"}
_ROW = 30


def curves_figure(
    names: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    beside: np.ndarray | None = None,
    beside_name: str = "",
    share: bool = False,
    theme: str = "light",
) -> go.Figure:
    """Draw a number over the epochs, a line a setting; a training that goes on leaves the rest empty.

    Parameters
    ----------
    names : sequence of str, length R
    values : ndarray, shape (R, E)
        NaN from where there is nothing yet.
    title : str
        Of the number, with its unit or range.
    beside : ndarray, shape (R, E), optional
        A second number of the same settings, drawn thin and dotted; `beside_name` says what it is.
    share : bool
        Whether the axis is kept within 0 and 1.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``meta`` of the lines is ``"curves"``, of those beside them ``"beside"``.
    """
    lines = np.asarray(values, float)
    if lines.ndim != 2 or len(lines) != len(names) or (beside is not None and beside.shape != lines.shape):
        raise ValueError(
            f"The curves have shape {lines.shape} and there are {len(names)} names; needed is a row a name, "
            "and as many numbers beside them."
        )
    n_epochs = lines.shape[1]
    epochs = np.arange(1, n_epochs + 1)
    traces: list[dict[str, Any]] = []
    drawn = [(lines, "curves", 2.0, 1.0)]
    if beside is not None:
        drawn.insert(0, (np.asarray(beside, float), "beside", 1.2, 0.55))
    for found, meta, width, opacity in drawn:
        for i, name in enumerate(names):
            there = np.flatnonzero(np.isfinite(found[i]))
            last = int(there[-1]) + 1 if len(there) else 0
            said = whole(name) if meta == "curves" else f"{whole(name)}, {beside_name}"
            traces.append(
                {
                    "type": "scatter",
                    # A line of one point is none.
                    "mode": "lines" if last > 1 else "markers",
                    "x": epochs[:last],
                    "y": found[i, :last],
                    "line": {
                        "color": _colour(i, theme),
                        "width": width,
                        "dash": "dot" if meta == "beside" else _dash(i),
                    },
                    "marker": {"color": _colour(i, theme), "size": 5},
                    "opacity": opacity,
                    "hovertemplate": f"<b>{said}</b><br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
                    "name": label(name, 40),
                    "legendgroup": name,
                    "showlegend": meta == "curves",
                    "meta": meta,
                }
            )
    if beside is not None:
        key = {"color": INK[theme], "width": 1.2, "dash": "dot"}
        traces.append(
            {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "line": key, "name": beside_name}
        )
    y: dict[str, Any] = {"title": {"text": title}}
    y |= {"range": _within(lines, beside)} if share else {"rangemode": "tozero"}
    layout: dict[str, Any] = {
        "height": 400,
        "margin": {"t": 14},
        "xaxis": {
            "title": {"text": "epoch"},
            # As long as the training will be, so that curves grow into it.
            "range": [0.5, n_epochs + 0.5] if n_epochs < 40 else [0, n_epochs * 1.01],
            "tickformat": ",d",
            "showgrid": False,
        },
        "yaxis": y,
        "legend": {"y": -0.2, "yanchor": "top"},
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


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
        layout["shapes"] = [
            {
                "type": "line",
                "x0": level,
                "x1": level,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": RULE[theme], "width": 1.4, "dash": "dash"},
                "layer": "below",
            }
        ]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _told(name: str, before: float, after: float, more: str) -> str:
    lines = [f"<b>{whole(name)}</b>", f"before {figured(before)}, after {figured(after)}", plain(more)]
    return "<br>".join(filter(None, lines))


def _colour(i: int, theme: str) -> str:
    return palette.BASE[theme][i % len(palette.BASE[theme])]


def _dash(i: int) -> str:
    return _DASHES[(i // len(palette.BASE["light"])) % len(_DASHES)]


def _within(lines: np.ndarray, beside: np.ndarray | None) -> list[float]:
    """Ends of an axis of shares: up to 1, and down to where there is something."""
    found = np.concatenate([lines.ravel(), np.empty(0) if beside is None else np.ravel(beside)])
    found = found[np.isfinite(found)]
    low = float(found.min()) if len(found) else 0.0
    return [max(-0.02, np.floor(10 * low) / 10 - 0.02), 1.02]
