"""Figures of the agreement of spaces: curves over k, matrices of all spaces, and classes.

Every pair of spaces has one `Line`: a colour, a dash and a marker, so that colour is never the only cue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import cells, outline, rgb
from dashboard.kit.marks import estimates, k_ticks, rows, rule, shares
from dashboard.kit.text import label, plain, whole, wrapped

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
#: Letters of a class beside its row, and of a line of a matrix's title, likewise.
_CLASS, _TITLE = 20, 40
#: Height of a cell of a matrix in pixels.
_CELL = 46
_PICKED = {"light": "#e84db9", "dark": "#fad7f0"}


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
    """Agreement of one pair of spaces over the size of the neighbourhood."""

    ks: np.ndarray  # (K,)
    values: np.ndarray
    chance: np.ndarray
    #: Lower and upper end of the values of shuffled pairings, (K, 2); share of them that agree at least as
    #: much, (K,); and their number.
    band: np.ndarray | None = None
    p_value: np.ndarray | None = None
    permutations: int = 0
    #: The k and the value that the summary of the curve is read from.
    peak: tuple[int, float] | None = None
    name: str = ""
    line: Line = Line("", "")


def p_text(p: float, permutations: int) -> str:
    """Format a p with the digits that a number of shuffled pairings supports.

    Its standard error is √(p (1 − p) / permutations); the first digit that this changes is the last one.

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
    lines = {}
    for i, name in enumerate(names):
        hue, look = i % hues, (i + i // hues) % len(DASHES)
        light, dark = palette.BASE["light"][hue], palette.BASE["dark"][hue]
        lines[name] = Line(light, dark, DASHES[look], _MARKERS[look])
    return lines


def thinned(ks: np.ndarray, *, keep: Sequence[int] = (), most: int = MOST_POINTS) -> np.ndarray:
    """Choose which points of a curve are drawn: close where k is small, and evenly everywhere.

    Returns indices into the ascending `ks`, at most `most` besides those of the sizes to `keep`.

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
    """Draw agreement over k, with chance and the band of shuffled pairings.

    `title` names the y axis; `things`, the things compared with their number, the x axis. The chosen `k` is
    marked by a line and on every curve; `limits` is the range of k of the peaks. Traces have as ``meta``
    ``"curve"``, ``"chance"``, ``"band"``, ``"chosen"`` or ``"peak"``.
    """
    if not curves:
        raise ValueError("There is nothing to draw: at least one pair of spaces is needed.")
    neutral = palette.NEUTRAL[theme]
    shapes = [rule("x", k, theme, width=1, colour=neutral)]
    if limits is not None and any(c.peak is not None for c in curves):
        span = {"xref": "x", "yref": "paper", "x0": limits[0], "x1": limits[1], "y0": 0, "y1": 0}
        shapes.append({"type": "line", "line": {"color": neutral, "width": 3}} | span)
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
        | (k_ticks(last) if log else {"tickformat": ",d"}),
        "yaxis": {
            "title": {"text": title},
            "range": [low - 0.03, 1.02],
            "tickformat": ".1f",
        },
    }
    return go.Figure({"data": _traces(curves, k, theme), "layout": layout})


def _traces(curves: Sequence[Curve], k: int, theme: str) -> list[dict[str, Any]]:
    """Return bands, chance, curves and marks, what is drawn first at the bottom."""
    bands: list[dict[str, Any]] = []
    chances: dict[bytes, dict[str, Any]] = {}
    lines: list[dict[str, Any]] = []
    shade = _mixed(palette.NEUTRAL[theme], palette.BACKGROUND[theme], _FILL[theme])
    for c in curves:
        at = thinned(c.ks, keep=[k] if c.peak is None else [k, c.peak[0]])
        common = {"type": "scatter", "mode": "lines", "x": c.ks[at], "hovertemplate": "%{y:.3f}"}
        if c.band is not None:
            bands.append(_band(c.ks[at], c.band[at], shade, first=not bands))
        chance = {
            "y": c.chance[at],
            "name": "chance",
            "legendgroup": "chance",
            "showlegend": not chances,
            "legendrank": 1100,
            "meta": "chance",
            "line": {"color": _CHANCE[theme], "width": 1.5, "dash": "dot"},
        }
        chances.setdefault(c.chance.tobytes(), common | chance)
        line = {
            "y": c.values[at],
            "name": wrapped(c.name, _NAME),
            "legendgroup": c.name,
            "meta": "curve",
            "line": {"color": c.line.colour(theme), "width": 2.2, "dash": c.line.plotly},
        }
        if c.p_value is not None:
            line["customdata"] = [p_text(float(v), c.permutations) for v in c.p_value[at]]
            line["hovertemplate"] = "%{y:.3f} · p = %{customdata}"
        lines.append(common | line)
    return [*bands, *chances.values(), *lines, *(mark for c in curves for mark in _marks(c, k, theme))]


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


def _marks(c: Curve, k: int, theme: str) -> list[dict[str, Any]]:
    """Return a marker at the chosen k, and a ring at the peak."""
    colour, name = c.line.colour(theme), plain(c.name)
    marks: list[dict[str, Any]] = []
    if k in c.ks:
        marker = {"color": colour, "size": 10, "symbol": c.line.marker}
        y = float(c.values[int(np.searchsorted(c.ks, k))])
        marks.append({"x": [k], "y": [y], "name": name, "meta": "chosen", "marker": marker})
    if c.peak is not None:
        ring = {"color": colour, "size": 14, "symbol": "circle-open", "line": {"width": 2}}
        x, y = c.peak
        marks.append({"x": [x], "y": [y], "name": f"peak of {name}", "meta": "peak", "marker": ring})
    common = {"type": "scatter", "mode": "markers", "legendgroup": c.name}
    return [common | mark | {"showlegend": False, "hoverinfo": "skip"} for mark in marks]


def _ends(first: int, last: int, log: bool) -> list[float]:
    low, high = (math.log10(first), math.log10(max(last, first + 1))) if log else (first, last)
    room = 0.02 * (high - low if log else max(high - low, 1))
    return [low - room, high + room]


def _mixed(colour: str, ground: str, share: float) -> str:
    """Mix a colour with the ground it stands on."""
    parts = zip(rgb(colour), rgb(ground), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def overlap_by_class_figure(
    classes: pd.DataFrame,
    *,
    title: str,
    everyone: float,
    line: Line,
    theme: str = "light",
) -> go.Figure:
    """Draw the mean overlap of the clips of each class, with its interval.

    `classes` are those of `data.by_class`, from top to bottom; `everyone`, the mean over all clips, is drawn
    as a line.
    """
    marker = {"color": line.colour(theme), "size": 9, "symbol": line.marker}
    names, counts = classes["label"].tolist(), classes["n"].tolist()
    value, low, high = (classes[k].to_numpy(float) for k in ("overlap", "low", "high"))
    data = [estimates(names, value, low, high, counts, marker) | {"showlegend": False, "meta": "classes"}]
    layout = {
        "height": 90 + 24 * max(len(names), 4),
        "margin": {"t": 8},
        "shapes": [rule("x", everyone, theme, dash="dot", width=1, colour=palette.NEUTRAL[theme])],
        "xaxis": shares(title),
        # One line a class: rows have room for no more.
        "yaxis": rows([f"{label(n, _CLASS)} · {c:,}" for n, c in zip(names, counts, strict=True)]),
    }
    return go.Figure({"data": data, "layout": layout})


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

    Rows are named, columns carry the row's letter. `values` are (s, s), NaN where a number is missing; the
    diagonal is left blank. `ids` are the pairs of the cells, "" for none, as ``customdata``; that of `picked`
    is outlined. The colours run from `low` (or the lowest number, where it is below) to 1.
    """
    s = len(names)
    shown = np.array(values, dtype=float)
    if shown.shape != (s, s):
        raise ValueError(f"values has shape {shown.shape}; needed is ({s}, {s}), a row and a column a space.")
    np.fill_diagonal(shown, np.nan)
    low = min([low, *shown[np.isfinite(shown)]])
    short = letters(s)
    places = [(i, j) for i in range(s) for j in range(s) if i != j]
    written = [[f"{v:.3f}" if np.isfinite(v) else "not computed" for v in row] for row in shown]
    data = cells(
        shown,
        [[f"{v:.2f}".replace("-", "−") for v in row] for row in shown],
        places,
        [f"{whole(names[i])} and {whole(names[j])}<br>{written[i][j]}" for i, j in places],
        ids=None if ids is None else [ids[i][j] for i, j in places],
        ends=(low, 1.0),
        size=_CELL,
        theme=theme,
    )
    shapes = [
        outline(i, j, _PICKED[theme]) for i, j in places if ids is not None and picked and ids[i][j] == picked
    ]
    title = "<br>".join(whole(part, _TITLE) for part in title.split("<br>"))
    more = 18 * title.count("<br>")
    axis = {"tickmode": "array", "tickvals": list(range(s)), "showgrid": False, "zeroline": False}
    layout = {
        "height": 82 + more + _CELL * max(s, 3),
        "title": {
            "text": title,
            "font": {"size": 14},
            "pad": {"t": 16, "l": 4},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
        },
        "margin": {"t": 74 + more, "l": 8, "r": 8, "b": 8},
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
