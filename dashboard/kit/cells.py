"""Cells of matrices and heatmaps, with their numbers in them, which can be pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from dashboard.kit import palette
from dashboard.kit.marks import scatter, steady
from dashboard.kit.numbers import count


class Look(TypedDict):
    """How cells look.

    Attributes
    ----------
    ends : (float, float)
        Values at the ends of the colours.
    size : int
        Height of a cell in pixels.
    theme : {"light", "dark"}
    """

    ends: tuple[float, float]
    size: int
    theme: str


def cells(
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    places: Sequence[tuple[int, int]],
    hover: Sequence[str],
    *,
    ids: Sequence[Any] | None,
    **look: Unpack[Look],
) -> list[dict[str, Any]]:
    """Return the traces: coloured cells, what can be pointed at, and the numbers.

    Parameters
    ----------
    values : ndarray, shape (r, c)
        What gives the colour; NaN where a cell is blank.
    texts : sequence of sequences of str
        The number of each cell as it is printed; not read where a cell is blank.
    places : sequence of (row, column)
        Cells that can be pointed at.
    hover : sequence of str
        Hover text of each place.
    ids : sequence, optional
        ``customdata`` of each place, which can be clicked.
    **look
        See `Look`.

    Returns
    -------
    list of dict
        Those with ``meta`` are ``"cells"``, what is pointed at, and ``"numbers"``.
    """
    scale = reach(look["theme"])
    low, high = look["ends"]
    filled = [(i, j) for i, j in places if np.isfinite(values[i, j])]
    return [
        {
            "type": "heatmap",
            "z": values,
            "colorscale": scale,
            "zmin": low,
            "zmax": high,
            "showscale": False,
            "xgap": 2,
            "ygap": 2,
            "hoverinfo": "skip",
            "hoverongaps": False,
        },
        # Only to be pointed at: cells themselves cannot be clicked.
        scatter(
            [j for _, j in places],
            [i for i, _ in places],
            customdata=ids,
            hovertext=list(hover),
            hoverinfo="text",
            marker={"symbol": "square", "size": look["size"] - 4, "opacity": 0},
            **steady(0),
            showlegend=False,
            meta="cells",
        ),
        scatter(
            [j for _, j in filled],
            [i for i, _ in filled],
            "text",
            text=[texts[i][j] for i, j in filled],
            textfont={
                "size": 13,
                "color": [ink_on(scale, float((values[i, j] - low) / (high - low))) for i, j in filled],
            },
            # A click on a cell must not make the numbers fainter; they themselves cannot be clicked.
            selected={"textfont": {"color": "#000000"}},
            pointed=False,
            meta="numbers",
        ),
    ]


def outline(row: int, column: int, colour: str, *, width: int = 3) -> dict[str, Any]:
    """Return the shape that frames a cell."""
    return {
        "type": "rect",
        "x0": column - 0.5,
        "x1": column + 0.5,
        "y0": row - 0.5,
        "y1": row + 0.5,
        "line": {"color": colour, "width": width},
    }


def robust_ends(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of a colour scale: lowest and highest number, without those far from all others.

    A number is far away if it lies more than three interquartile ranges beyond the quartiles (Tukey's "far
    out"): alone it would leave one colour to the rest. Where the middle half is of one number, or no number
    is finite, nothing is left out.

    Parameters
    ----------
    values : ndarray
        Of any shape; those that are not finite do not count.

    Returns
    -------
    (float, float)
        The first is below the second; (0, 1) without any number.

    Examples
    --------
    >>> robust_ends(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1e6])), robust_ends(np.array([2.0, 2.0]))
    ((1.0, 5.0), (1.5, 2.5))
    """
    x = _finite(values)
    if not len(x):
        return 0.0, 1.0
    first, third = np.quantile(x, [0.25, 0.75])
    if third > first:
        x = x[np.abs(x - np.clip(x, first, third)) <= 3 * (third - first)]
    low, high = float(x.min()), float(x.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def beyond(values: np.ndarray, ends: tuple[float, float], thing: str) -> str:
    """Count the numbers outside the ends of their colour scale, and say how far they go; "" for none.

    Examples
    --------
    >>> beyond(np.array([1.0, 2.0, 1e6, -30.0, -7.5]), (1.0, 2.0), "clip")
    '2 clips below the scale, down to −30; 1 clip above the scale, up to 1,000,000'
    """
    x = _finite(values)
    below, above = x[x < ends[0]], x[x > ends[1]]
    parts = []
    if len(below):
        parts.append(f"{count(len(below), thing)} below the scale, down to {_number(below.min())}")
    if len(above):
        parts.append(f"{count(len(above), thing)} above the scale, up to {_number(above.max())}")
    return "; ".join(parts)


def _finite(values: np.ndarray) -> np.ndarray:
    x = np.asarray(values, float)
    return x[np.isfinite(x)]


def _number(value: float) -> str:
    text = f"{float(f'{value:.4g}'):,.10g}" if 1e-4 <= abs(value) < 1e10 else f"{value:.4g}"
    return text.replace("-", "−")


def reach(theme: str) -> list[tuple[float, str]]:
    """Return the part of the scale for numbers that can be seen on the page, in eleven steps."""
    import plotly.colors

    places = np.linspace(*palette.REACH[theme], 11).tolist()
    sampled = plotly.colors.sample_colorscale(palette.SEQUENTIAL, places, colortype="tuple")
    colours = ["#" + "".join(f"{round(255 * v):02x}" for v in c) for c in sampled]
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
