"""Figures of how far two spaces agree: curves over k, and the agreement of each class.

Every pair of spaces has one `Line`: a colour, a dash and a marker, so that colour is never the only cue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import rgb
from dashboard.kit.marks import estimates, rows, rule, shares
from dashboard.kit.text import plain, wrapped

#: Dashes: lengths of line and gap in pixels. A key of the legend, 40 pixels, holds each of them twice.
DASHES: tuple[tuple[int, ...], ...] = ((), (9, 4), (3, 3), (9, 3, 3, 3), (16, 4), (3, 3, 3, 3, 9, 3))
_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
#: Points of a curve that are drawn at most; a screen shows no more.
MOST_POINTS = 400
#: How much of the neutral colour is in the band, opaque, so that bands upon each other stay as they are.
_FILL = {"light": 0.6, "dark": 0.65}
#: Line of chance, which must be seen on the band.
_CHANCE = {"light": "#54575b", "dark": "#c3c6cb"}
#: Letters of a name in a line of the legend: what a phone has room for.
_NAME = 38


@dataclass(frozen=True)
class Line:
    """How the curve of one pair looks."""

    light: str
    dark: str
    dash: tuple[int, ...] = ()
    marker: str = "circle"

    def colour(self, theme: str) -> str:
        """Colour in a theme."""
        return self.dark if theme == "dark" else self.light

    def css(self, theme: str) -> str:
        """Draw the dash as the background of an element that is as high as the line is wide."""
        colour, edges, end = self.colour(theme), [], 0
        for i, length in enumerate(self.dash):
            start, end = end, end + length
            edges.append(f"{'transparent' if i % 2 else colour} {start}px {end}px")
        steps = ",".join(edges)
        return f"background:repeating-linear-gradient(90deg,{steps})" if edges else f"background:{colour}"

    @property
    def plotly(self) -> str:
        """The dash as Plotly writes it."""
        return ",".join(f"{length}px" for length in self.dash) or "solid"


@dataclass(frozen=True)
class Curve:
    """Agreement of one pair of spaces over the size of the neighbourhood.

    Parameters
    ----------
    name : str
    line : Line
    ks : ndarray, shape (K,)
    values, chance : ndarray, shape (K,)
    band : ndarray, shape (K, 2), optional
        Lower and upper end of what shuffled pairings give.
    p_value : ndarray, shape (K,), optional
        Share of shuffled pairings that agree at least as much.
    peak : (k, value), optional
        The point that the summary of the curve is read from.
    permutations : int
        Shuffled pairings that `p_value` is from.
    """

    name: str
    line: Line
    ks: np.ndarray
    values: np.ndarray
    chance: np.ndarray
    band: np.ndarray | None = None
    p_value: np.ndarray | None = None
    peak: tuple[int, float] | None = None
    permutations: int = 0


def p_text(p: float, permutations: int) -> str:
    """Say a p with the digits that a number of shuffled pairings supports.

    Its standard error is √(p (1 − p) / permutations); the first digit that this changes is the last one said.

    Examples
    --------
    >>> [p_text(p, 200) for p in (1 / 201, 0.0249, 0.4328, 1)]
    ['0.005', '0.02', '0.43', '1']
    >>> [p_text(p, 2_000) for p in (1 / 2001, 0.0249, 0.4328)]
    ['0.0005', '0.025', '0.43']
    """
    if not 0 < p < 1 or permutations < 1:
        return f"{p:.0f}" if math.isfinite(p) else "–"
    error = max(math.sqrt(p * (1 - p) / permutations), 1 / (permutations + 1))
    return f"{p:.{max(1, math.ceil(-math.log10(error)))}f}"


def pair_lines(names: Sequence[str]) -> dict[str, Line]:
    """Give every pair a colour, a dash and a marker, by its place in `names`.

    Examples
    --------
    >>> lines = pair_lines([f"pair {i}" for i in range(60)])
    >>> len({(x.light, x.dash) for x in lines.values()})
    60
    """
    hues = len(palette.BASE["light"])
    found = {}
    for i, name in enumerate(names):
        hue, look = i % hues, (i + i // hues) % len(DASHES)
        light, dark = palette.BASE["light"][hue], palette.BASE["dark"][hue]
        found[name] = Line(light, dark, DASHES[look], _MARKERS[look])
    return found


def thinned(ks: np.ndarray, *, keep: Sequence[int] = (), most: int = MOST_POINTS) -> np.ndarray:
    """Return which points of a curve are drawn: close where k is small, and evenly everywhere.

    Parameters
    ----------
    ks : ndarray, shape (K,)
        Ascending.
    keep : sequence of int
        Sizes that must be among them, where they are in `ks`.
    most : int
        At most so many, besides those to keep.

    Returns
    -------
    ndarray of int
        Indices into `ks`, ascending; all of them where there are no more than `most`.

    Examples
    --------
    >>> thinned(np.arange(1, 10_000)).size <= MOST_POINTS
    True
    >>> thinned(np.arange(1, 5))
    array([0, 1, 2, 3])
    """
    count = len(ks)
    if count <= most:
        return np.arange(count)
    even = np.linspace(0, count - 1, most // 2)
    close = np.geomspace(1, count, most - len(even)) - 1
    kept = np.searchsorted(ks, [k for k in keep if ks[0] <= k <= ks[-1]])
    return np.unique(np.concatenate([even.round(), close.round(), kept])).astype(int)


def agreement_figure(
    curves: Sequence[Curve],
    *,
    title: str,
    things: str,
    k: int,
    log: bool = True,
    limits: tuple[int, int] | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw agreement over k, with chance and what shuffled pairings give.

    Parameters
    ----------
    curves : sequence of Curve
        At least one.
    title : str
        What is measured; it names the y axis.
    things : str
        What is compared, with their number; it stands at the x axis.
    k : int
        The chosen size: marked by a line, and by a marker on every curve.
    log : bool
        Whether k is on a logarithmic axis.
    limits : (low, high), optional
        The range of k that the peaks are looked for in; it is drawn when peaks are.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Traces whose ``meta`` is ``"curve"``, ``"chance"``, ``"band"``, ``"chosen"`` or ``"peak"``.
    """
    if not curves:
        raise ValueError("There is nothing to draw: at least one pair of spaces is needed.")
    neutral = palette.NEUTRAL[theme]
    bands: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    chances: list[dict[str, Any]] = []
    drawn: set[bytes] = set()
    banded = [c for c in curves if c.band is not None]
    shade = _mixed(palette.NEUTRAL[theme], palette.BACKGROUND[theme], _FILL[theme])
    for c in curves:
        colour = c.line.colour(theme)
        at = thinned(c.ks, keep=[k] if c.peak is None else [k, c.peak[0]])
        x = c.ks[at]
        if c.band is not None:
            bands.append(_band(x, c.band[at], shade, first=c is banded[0]))
        if (same := c.chance.tobytes()) not in drawn:
            drawn.add(same)
            chances.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": x,
                    "y": c.chance[at],
                    "name": "chance",
                    "legendgroup": "chance",
                    "showlegend": len(drawn) == 1,
                    "legendrank": 1100,
                    "meta": "chance",
                    "line": {"color": _CHANCE[theme], "width": 1.5, "dash": "dot"},
                    "hovertemplate": "%{y:.3f}",
                }
            )
        p = "" if c.p_value is None else " · p = %{customdata}"
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x,
                "y": c.values[at],
                "customdata": None
                if c.p_value is None
                else [p_text(float(v), c.permutations) for v in c.p_value[at]],
                "name": wrapped(c.name, _NAME),
                "legendgroup": c.name,
                "meta": "curve",
                "line": {"color": colour, "width": 2.2, "dash": c.line.plotly},
                "hovertemplate": "%{y:.3f}" + p,
            }
        )
        marks += _marks(c, k, colour)
    shapes = [rule("x", k, theme, width=1, colour=neutral)]
    if limits is not None and any(c.peak is not None for c in curves):
        shapes.append(
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": limits[0],
                "x1": limits[1],
                "y0": 0,
                "y1": 0,
                "line": {"color": neutral, "width": 3},
            }
        )
    last = max(int(c.ks[-1]) for c in curves)
    low = min([0.0, *(float(np.nanmin(c.values)) for c in curves if np.isfinite(c.values).any())])
    layout = {
        # The legend takes a line a pair where the page is narrow.
        "height": 430 + 14 * min(len(curves), 8),
        "hovermode": "x unified",
        "hoverdistance": 40,
        "shapes": shapes,
        "legend": {"itemwidth": 40},
        "xaxis": {
            "title": {"text": f"k, size of the neighbourhood ({things})"},
            "type": "log" if log else "linear",
            "range": _ends(1, last, log),
            "unifiedhovertitle": {"text": "k = %{x:,d}"},
            "showspikes": False,
        }
        | (_log_ticks(last) if log else {"tickformat": ",d"}),
        "yaxis": {
            "title": {"text": title},
            "range": [low - 0.03, 1.02],
            "tickformat": ".1f",
        },
    }
    return go.Figure({"data": [*bands, *chances, *lines, *marks], "layout": layout})


def _band(x: np.ndarray, band: np.ndarray, colour: str, *, first: bool) -> dict[str, Any]:
    # One closed outline a pair: two traces with a fill between them would be two entries of the legend.
    return {
        "type": "scatter",
        "mode": "lines",
        "x": np.concatenate([x, x[::-1]]),
        "y": np.concatenate([band[:, 0], band[::-1, 1]]),
        "name": "95% of shuffled pairings",
        "legendgroup": "band",
        "showlegend": first,
        "legendrank": 1200,
        "meta": "band",
        "fill": "toself",
        "fillcolor": colour,
        # A line of its own: of many things the band is thinner than a pixel.
        "line": {"width": 2, "color": colour},
        "hoverinfo": "skip",
    }


def _marks(c: Curve, k: int, colour: str) -> list[dict[str, Any]]:
    common = {
        "type": "scatter",
        "mode": "markers",
        "legendgroup": c.name,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    found = []
    if k in c.ks:
        marker = {"color": colour, "size": 10, "symbol": c.line.marker}
        at = int(np.searchsorted(c.ks, k))
        found.append(
            common
            | {
                "x": [k],
                "y": [float(c.values[at])],
                "name": plain(c.name),
                "meta": "chosen",
                "marker": marker,
            }
        )
    if c.peak is not None:
        marker = {"color": colour, "size": 14, "symbol": "circle-open", "line": {"width": 2}}
        found.append(
            common
            | {
                "x": [c.peak[0]],
                "y": [c.peak[1]],
                "name": f"peak of {plain(c.name)}",
                "meta": "peak",
                "marker": marker,
            }
        )
    return found


def _ends(first: int, last: int, log: bool) -> list[float]:
    if not log:
        span = max(last - first, 1)
        return [first - 0.02 * span, last + 0.02 * span]
    low, high = np.log10(first), np.log10(max(last, first + 1))
    return [float(low - 0.02 * (high - low)), float(high + 0.02 * (high - low))]


def _log_ticks(last: int) -> dict[str, Any]:
    """1, 2, 5, 10, 20, ...: Plotly would write the 2s and 5s between as bare digits."""
    values = [m * 10**e for e in range(len(str(last))) for m in (1, 2, 5) if m * 10**e <= last]
    return {"tickmode": "array", "tickvals": values, "ticktext": [f"{v:,}" for v in values]}


def _mixed(colour: str, ground: str, share: float) -> str:
    """Mix a colour with the ground it stands on."""
    parts = zip(rgb(colour), rgb(ground), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def overlap_by_class_figure(
    names: Sequence[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    counts: Sequence[int],
    *,
    title: str,
    everyone: float,
    line: Line,
    theme: str = "light",
) -> go.Figure:
    """Draw the mean agreement of the clips of each class, with its interval.

    Parameters
    ----------
    names : sequence of str
        From top to bottom.
    values, low, high : ndarray, shape (C,)
        The mean of each class and its 95% interval.
    counts : sequence of int
        Clips of each class.
    title : str
        What is measured; it names the x axis.
    everyone : float
        The mean over all clips, drawn as a line.
    line : Line
        Of the pair.
    theme : {"light", "dark"}
    """
    colour = line.colour(theme)
    marker = {"color": colour, "size": 9, "symbol": line.marker}
    data = [
        estimates(names, values, low, high, counts, marker) | {"showlegend": False, "meta": "classes"},
    ]
    layout = {
        "height": 90 + 24 * max(len(names), 4),
        "margin": {"t": 8},
        "shapes": [rule("x", everyone, theme, dash="dot", width=1, colour=palette.NEUTRAL[theme])],
        "xaxis": shares(title),
        "yaxis": rows([f"{wrapped(n, 24)} · {c:,}" for n, c in zip(names, counts, strict=True)]),
    }
    return go.Figure({"data": data, "layout": layout})
