"""Marks that figures share: dots with intervals, rows, rings, rules, bands, notes and legend entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dashboard.kit import palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.text import whole

#: Looks of groups side by side: index of the base colour, and marker.
_LOOKS = ((0, "circle"), (1, "square"), (2, "diamond"), (4, "triangle-up"), (5, "cross"), (3, "x"))
_AGAIN = ("", "-open", "-dot", "-open-dot")
#: Colour of marks of what is chosen.
PICKED = {"light": "#22262c", "dark": "#f4f5f6"}


def scatter(x: Any, y: Any, mode: str = "markers", **more: Any) -> dict[str, Any]:
    """Return a trace of points or lines; ``pointed=False`` leaves out its hover labels and legend entry."""
    silent = {} if more.pop("pointed", True) else {"hoverinfo": "skip", "showlegend": False}
    return {"type": "scatter", "mode": mode, "x": x, "y": y} | silent | more


def ring(x: np.ndarray, y: np.ndarray, theme: str, *, size: float) -> dict[str, Any]:
    """Return the trace that rings points."""
    line = {"width": 2.2, "color": PICKED[theme]}
    return scatter(
        x,
        y,
        marker={"symbol": "circle-open", "size": size, "color": PICKED[theme], "line": line},
        unselected={"marker": {"opacity": 1}},
        pointed=False,
        meta="chosen",
    )


def rule(
    axis: str, at: float, theme: str, *, dash: str = "solid", width: float = 1.4, colour: str = ""
) -> dict[str, Any]:
    """Return the shape of a line across the plot, where `axis` is `at`."""
    other = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": at,
        f"{axis}1": at,
        f"{other}ref": "paper",
        f"{other}0": 0,
        f"{other}1": 1,
        "line": {"color": colour or RULE[theme], "width": width, "dash": dash},
        "layer": "below",
    }


def whiskers(
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: str,
    *,
    thickness: float = 1.5,
    width: float = 0,
) -> dict[str, Any]:
    """Return ``error_x`` or ``error_y`` from the ends of intervals; none is drawn where an end is missing."""
    value, below, above = (np.asarray(v, float) for v in (values, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(above - value, posinf=0.0),
        "arrayminus": np.nan_to_num(value - below, posinf=0.0),
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def estimates(
    names: Sequence[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    counts: Sequence[int],
    marker: dict[str, Any],
) -> dict[str, Any]:
    """Return the trace of dots with their intervals, a row a name, with n in words when pointed at."""
    return scatter(
        np.asarray(values, float),
        np.arange(len(names)),
        error_x=whiskers(values, low, high, marker["color"]),
        marker=marker,
        customdata=[
            [whole(name), f"{a:.3f} to {b:.3f}", f"{n:,}"]
            for name, a, b, n in zip(names, low, high, counts, strict=True)
        ],
        hovertemplate="%{customdata[0]}: %{x:.3f}<br>%{customdata[1]}, n = %{customdata[2]}<extra></extra>",
    )


def shares(title: str) -> dict[str, Any]:
    """Return an axis from 0 to 1."""
    return {"title": {"text": title}, "range": [-0.02, 1.02], "tickformat": ".1f"}


def rows(texts: Sequence[str]) -> dict[str, Any]:
    """Return the y axis that names each row, the first one at the top."""
    return {
        "tickmode": "array",
        "tickvals": np.arange(len(texts)),
        "ticktext": list(texts),
        "range": [len(texts) - 0.5, -0.5],
    }


def k_ticks(last: int) -> dict[str, Any]:
    """Return the ticks of a logarithmic axis of whole numbers, 1, 2, 5, 10, 20, ... up to `last`.

    Plotly would write the 2s and 5s between as bare digits.
    """
    values = [m * 10**e for e in range(len(str(last))) for m in (1, 2, 5) if m * 10**e <= last]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{v:,}" for v in values]}


def series_colour(i: int, theme: str) -> str:
    """Return the colour of the i-th of several groups."""
    return palette.BASE[theme][_LOOKS[i % len(_LOOKS)][0]]


def series_symbol(i: int) -> str:
    """Return its marker: groups with a colour that was used before have other ones, up to 24."""
    return _LOOKS[i % len(_LOOKS)][1] + _AGAIN[i // len(_LOOKS) % len(_AGAIN)]


def steady(opacity: float = 1.0) -> dict[str, Any]:
    """Return the settings that keep a trace as it is when one of its points is clicked."""
    marker = {"marker": {"opacity": opacity}}
    return {"selected": marker, "unselected": marker}


def chance_key(chance: float, theme: str, digits: int = 2) -> dict[str, Any]:
    """Return the trace that names the dashed line of chance in the legend."""
    line = {"color": RULE[theme], "width": 1.4, "dash": "dash"}
    name = f"chance {chance:.{digits}f}"
    return scatter([None], [None], "lines", line=line, hoverinfo="skip", name=name, meta="chance")


def row_band(row: int) -> dict[str, Any]:
    """Return the shape that marks one of the rows."""
    return {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": row - 0.5,
        "y1": row + 0.5,
        "fillcolor": "rgba(128, 128, 128, 0.16)",
        "line": {"width": 0},
        "layer": "below",
    }


def note(x: float, y: float, text: str, theme: str, size: float = 12, **more: Any) -> dict[str, Any]:
    """Return a few words in a figure, without an arrow."""
    return {
        "x": x,
        "y": y,
        "text": text,
        "showarrow": False,
        "font": {"size": size, "color": INK[theme]},
    } | more


def colour_bar(
    title: str, theme: str, y: float = 1.0, ticks: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the scale of a heatmap, above it."""
    return {
        "orientation": "h",
        "title": {"text": title, "side": "top", "font": {"size": 13, "color": INK[theme]}},
        "tickfont": {"size": 12, "color": INK[theme]},
        "thickness": 9,
        "len": 1.0,
        "x": 0.5,
        "xanchor": "center",
        "y": y,
        "yanchor": "bottom",
        "outlinewidth": 0,
        "ypad": 6,
        "xpad": 0,
    } | dict(ticks or {"nticks": 5})


def within(groups: np.ndarray, start: float = 0.0) -> np.ndarray:
    """Spread the points of each group evenly over -1 to 1, always in the same way, (n,)."""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    place = np.empty(len(groups))
    place[order] = np.arange(len(groups)) - starts[groups[order]]
    return 2 * (((place + start) * 0.6180339887498949) % 1.0) - 1
