"""All spaces against all, as squares with numbers that can be pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette

#: Height of a cell in pixels.
_CELL = 46


def letters(n: int) -> list[str]:
    """Return short names for the columns of a matrix: A ... Z, AA, AB, ...

    Examples
    --------
    >>> letters(3), letters(28)[-2:]
    (['A', 'B', 'C'], ['AA', 'AB'])
    """
    return [chr(65 + i) if i < 26 else chr(64 + i // 26) + chr(65 + i % 26) for i in range(n)]


def spaces_figure(
    names: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    ids: Sequence[Sequence[str]] | None = None,
    picked: str = "",
    low: float = 0.0,
    theme: str = "light",
) -> go.Figure:
    """Draw all spaces against all: a coloured square with its number for every two of them.

    Parameters
    ----------
    names : sequence of str
        The spaces, in the order of rows and columns. Rows are named, columns carry the row's letter.
    values : ndarray, shape (s, s)
        NaN where there is no number; the diagonal is left blank whatever it holds.
    title : str
        What the numbers are.
    ids : sequence of sequences of str, optional
        The pair of every cell, "" for none: carried in ``customdata`` of a point on it, which can be clicked.
    picked : str
        The pair that is outlined.
    low : float
        Where the colours begin; figures beside each other are given the same.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        The colours run from `low` (or the lowest number, where it is below) to 1.
    """
    s = len(names)
    shown = np.array(values, dtype=float)
    if shown.shape != (s, s):
        raise ValueError(f"values has shape {shown.shape}; needed is ({s}, {s}), a row and a column a space.")
    np.fill_diagonal(shown, np.nan)
    finite = shown[np.isfinite(shown)]
    low = min([low, *finite])
    scale = reach(theme)
    short = letters(s)
    across, down = np.meshgrid(np.arange(s), np.arange(s))
    cells = ~np.eye(s, dtype=bool)
    filled = np.argwhere(np.isfinite(shown))
    said = [
        f"{names[i]} and {names[j]}<br>"
        + (f"{shown[i, j]:.3f}" if np.isfinite(shown[i, j]) else "not computed")
        for i, j in zip(down[cells], across[cells], strict=True)
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "z": shown,
            "colorscale": scale,
            "zmin": low,
            "zmax": 1,
            "showscale": False,
            "xgap": 2,
            "ygap": 2,
            "hoverinfo": "skip",
            "hoverongaps": False,
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": across[cells],
            "y": down[cells],
            "customdata": None
            if ids is None
            else [ids[i][j] for i, j in zip(down[cells], across[cells], strict=True)],
            "hovertext": said,
            "hoverinfo": "text",
            # Only there to be pointed at: cells themselves cannot be clicked.
            "marker": {"symbol": "square", "size": _CELL - 4, "opacity": 0},
            "selected": {"marker": {"opacity": 0}},
            "unselected": {"marker": {"opacity": 0}},
            "showlegend": False,
            "meta": "cells",
        },
        {
            "type": "scatter",
            "mode": "text",
            "x": filled[:, 1],
            "y": filled[:, 0],
            "text": [f"{shown[i, j]:.2f}".replace("-", "−") for i, j in filled],
            "textfont": {
                "size": 13,
                "color": [ink_on(scale, (shown[i, j] - low) / (1 - low)) for i, j in filled],
            },
            # A click on a cell must not make the numbers fainter; they themselves cannot be clicked.
            "selected": {"textfont": {"color": "#000000"}},
            "hoverinfo": "skip",
            "showlegend": False,
            "meta": "numbers",
        },
    ]
    shapes = [
        {
            "type": "rect",
            "x0": j - 0.5,
            "x1": j + 0.5,
            "y0": i - 0.5,
            "y1": i + 0.5,
            "line": {"color": "#e84db9" if theme == "light" else "#fad7f0", "width": 3},
        }
        for i in range(s)
        for j in range(s)
        if ids is not None and picked and i != j and ids[i][j] == picked
    ]
    more = 18 * title.count("<br>")
    axis = {"tickmode": "array", "tickvals": list(range(s)), "showgrid": False, "zeroline": False}
    layout = {
        "height": 70 + more + _CELL * max(s, 3),
        "title": {"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 1, "yanchor": "top"},
        "margin": {"t": 62 + more, "l": 8, "r": 8, "b": 8},
        "shapes": shapes,
        "xaxis": axis | {"ticktext": short, "side": "top", "range": [-0.5, s - 0.5]},
        "yaxis": axis
        | {
            "ticktext": [f"{wrapped(n)}  <b>{a}</b>" for n, a in zip(names, short, strict=True)],
            "range": [s - 0.5, -0.5],
        },
        "hovermode": "closest",
    }
    return go.Figure({"data": data, "layout": layout})


def wrapped(name: str, width: int = 20) -> str:
    """Break a long name of a space into lines, at its spaces.

    Examples
    --------
    >>> wrapped("minilm · labels in “a sound of {}”")
    'minilm · labels in<br>“a sound of {}”'
    """
    lines = [""]
    for word in name.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def reach(theme: str) -> list[tuple[float, str]]:
    """Return the part of the scale for numbers that can be seen on the page, in eleven steps."""
    import plotly.colors

    low, high = palette.REACH[theme]
    ends = np.linspace(low, high, 11)
    found = plotly.colors.sample_colorscale(palette.SEQUENTIAL, ends.tolist(), colortype="tuple")
    colours = ["#" + "".join(f"{round(255 * v):02x}" for v in c) for c in found]
    return list(zip(np.linspace(0, 1, 11).round(3).tolist(), colours, strict=True))


def ink_on(scale: Sequence[tuple[float, str]], share: float) -> str:
    """Return black or white, whichever stands out more from the scale's colour at a share of its length."""
    colour = scale[round(float(np.clip(share, 0, 1)) * (len(scale) - 1))][1]
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.array(rgb(colour)) / 255
    ]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#ffffff"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of ``#rrggbb``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
