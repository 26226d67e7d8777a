"""Figures of silhouettes by class, distances between classes, properties of spaces, and clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import beyond, outline, robust_ends
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import colour_bar, note, row_band, rule, whiskers, within
from dashboard.kit.numbers import figured
from dashboard.kit.text import label, row_height, thinned, whole

#: Most points drawn as SVG; more are drawn by WebGL.
SVG_POINTS = 2000
#: Classes up to which every cell of a heatmap can be clicked.
CLICKABLE = 32
#: Differences below this are rounding and do not stretch an axis.
_ROUNDING = 1e-9
_FRAME = {"light": "#d4380d", "dark": "#ff9c6e"}


@dataclass(frozen=True)
class ByClass:
    """A number of every clip, by class, with means and quartiles.

    Attributes
    ----------
    names : sequence of str, length C
        In the order of the rows, the topmost first.
    codes : ndarray of int, shape (n,)
        Index into `names`.
    values : ndarray, shape (n,)
    ids : ndarray of str, shape (n,)
        Clips; carried in ``customdata``.
    means : ndarray, shape (C, 3)
        Mean and the ends of its 95% interval.
    quartiles : ndarray, shape (C, 3)
        First quartile, median, third quartile.
    """

    names: Sequence[str]
    codes: np.ndarray
    values: np.ndarray
    ids: np.ndarray
    means: np.ndarray
    quartiles: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Clips a class, (C,)."""
        return np.bincount(self.codes, minlength=len(self.names))


def by_class_figure(
    shown: ByClass, *, title: str, styles: Mapping[str, palette.Style], theme: str = "light"
) -> go.Figure:
    """Draw the silhouette of every clip, a row a class, with quartiles and mean.

    Parameters
    ----------
    shown : ByClass
    title : str
        Of the axis, with the range.
    styles : mapping
        Class to colour.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "points" is the clip, of that with "classes" the class.
    """
    classes = len(shown.names)
    if not classes or not len(shown.values):
        raise ValueError("There is nothing to draw: no clip has a class and a number.")
    pixels = row_height(classes)
    # Where rows are high enough, the clips are above their summary, so that neither hides the other.
    below = np.arange(classes) + (0.29 if pixels >= 16 else 0.0)
    low, high = shown.means[:, 1], shown.means[:, 2]
    at, texts = thinned(shown.names, pixels)
    layout: dict[str, Any] = {
        "height": round(pixels * classes + 150),
        "margin": {"t": 66},
        "xaxis": {
            "title": {"text": f"{title}<br>n = {len(shown.values):,} clips"},
            "range": _range_of(np.concatenate([shown.values, low, high])),
            "showgrid": True,
        },
        "yaxis": {
            "tickvals": at,
            "ticktext": texts,
            "range": [classes - 0.4, -0.6],
            "showgrid": False,
        },
        "shapes": [rule("x", 0.0, theme, width=1.2), *_quartiles(shown, below, pixels, theme)],
        "hoverdistance": 12,
    }
    traces = [
        _points(shown, styles, pixels, theme),
        *_legend(pixels, theme),
        _means(shown, below, pixels, theme),
    ]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _points(shown: ByClass, styles: Mapping[str, palette.Style], pixels: float, theme: str) -> dict[str, Any]:
    """Return the trace of the clips, spread within the rows of their classes."""
    colours = [getattr(styles[n], theme) if n in styles else palette.NEUTRAL[theme] for n in shown.names]
    many = len(shown.values) > SVG_POINTS
    above, wide = (0.13, 0.23) if pixels >= 16 else (0.0, 0.3)
    return {
        "type": _kind(shown),
        "mode": "markers",
        "x": np.asarray(shown.values, np.float32),
        "y": (shown.codes - above + wide * within(shown.codes)).astype(np.float32),
        "customdata": shown.ids,
        "hovertext": [whole(str(i)) for i in shown.ids],
        "hovertemplate": "%{hovertext}<br>%{x:.3f}<extra></extra>",
        "marker": {
            "color": shown.codes.astype(np.float32),
            "colorscale": _flat(colours),
            "cmin": -0.5,
            "cmax": len(colours) - 0.5,
            "size": 3 if many and pixels < 12 else 4 if many else 6,
            "opacity": 0.35 if many else 0.5,
            "line": {"width": 0},
        },
        "unselected": {"marker": {"opacity": 0.35 if many else 0.5}},
        "meta": "points",
        "name": "clips",
        "showlegend": False,
    }


def _kind(shown: ByClass) -> str:
    return "scattergl" if len(shown.values) > SVG_POINTS else "scatter"


def _bar_width(pixels: float) -> float:
    return min(8.0, max(2.0, 0.2 * pixels))


def _quartiles(shown: ByClass, below: np.ndarray, pixels: float, theme: str) -> list[dict[str, Any]]:
    """Return shapes for quartiles and medians, which are above WebGL as no trace is."""
    ink, half = INK[theme], min(0.16, 5.5 / pixels)
    rows = list(zip(np.asarray(shown.quartiles, float), below, strict=True))
    bars = [_stroke(q1, q3, y, y, f"{ink}55", _bar_width(pixels)) for (q1, _, q3), y in rows]
    return bars + [_stroke(median, median, y - half, y + half, ink, 2) for (_, median, _), y in rows]


def _legend(pixels: float, theme: str) -> list[dict[str, Any]]:
    """Return empty traces that explain the shapes of `_quartiles` in the legend."""
    line = {"color": INK[theme], "width": _bar_width(pixels)}
    marker = {"symbol": "line-ns", "size": 11, "line": {"width": 2, "color": INK[theme]}}
    empty = {"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip"}
    bars = {"mode": "lines", "line": line, "opacity": 0.33, "name": "middle half of the clips"}
    return [empty | bars, empty | {"mode": "markers", "marker": marker, "name": "median"}]


def _means(shown: ByClass, below: np.ndarray, pixels: float, theme: str) -> dict[str, Any]:
    """Return the trace of the means with their intervals."""
    mean, low, high = np.asarray(shown.means, float).T
    ink = INK[theme]
    rows = zip(shown.names, shown.means.tolist(), shown.counts.tolist(), strict=True)
    return {
        "type": _kind(shown),
        "mode": "markers",
        "x": mean,
        "y": below,
        "customdata": list(shown.names),
        "text": [f"<b>{whole(name)}</b><br>{_mean_text(m, n)}" for name, m, n in rows],
        "hovertemplate": "%{text}<extra></extra>",
        "error_x": whiskers(mean, low, high, ink, thickness=1.4, width=max(0.0, min(4.0, 0.14 * pixels))),
        "marker": {
            "symbol": "diamond",
            "size": max(5.0, min(9.0, 0.28 * pixels)),
            "color": ink,
            "line": {"width": 1, "color": palette.BACKGROUND[theme]},
        },
        "unselected": {"marker": {"opacity": 1}},
        "meta": "classes",
        "name": "mean, 95% interval",
    }


def distance_figure(
    names: Sequence[str],
    values: np.ndarray,
    n_pairs: np.ndarray,
    *,
    title: str,
    chosen: tuple[str, str] = ("", ""),
    theme: str = "light",
) -> go.Figure:
    """Draw a number of every pair of classes as a heatmap.

    Parameters
    ----------
    names : sequence of str, length C
        In the order of rows and columns.
    values : ndarray, shape (C, C)
        In that order; NaN for a class of one clip.
    n_pairs : ndarray of int, shape (C, C)
        Pairs of clips that each number is over.
    title : str
        Of the colour scale, whose ends are those of the values without outliers.
    chosen : pair of str
        The pair whose cells are framed.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Up to `CLICKABLE` classes, ``customdata`` of a point in each cell begins with the pair.
    """
    classes = len(names)
    grid = np.asarray(values, float)
    if grid.shape != (classes, classes) or np.shape(n_pairs) != grid.shape:
        raise ValueError(
            f"The numbers have shape {grid.shape} and the pairs {np.shape(n_pairs)}; both must be "
            f"({classes}, {classes}), a row and a column a class."
        )
    finite = grid[np.isfinite(grid)]
    one = len(finite) > 0 and np.ptp(finite) < _ROUNDING
    low, high = (float(finite[0]),) * 2 if one else robust_ends(grid)
    # Each pair is on both sides of the diagonal and counts once.
    outside = beyond(grid[np.triu_indices(classes)], (low, high), "pair")
    scale: dict[str, Any] = {"nticks": 5, "exponentformat": "none"}
    if high - low < _ROUNDING:
        # A scale without extent has one tick, the number that all cells have.
        scale = {"tickvals": [low], "ticktext": [figured(round(low, 9))]}
        high = low + max(abs(low), _ROUNDING)
    counts = np.asarray(n_pairs, np.int64)
    # Names of rows and columns are shown where the pointer is on a cell.
    drawn = [whole(name) for name in names]
    heat: dict[str, Any] = {
        "type": "heatmap",
        "x": drawn,
        "y": drawn,
        "z": grid.astype(np.float32),
        "zmin": low,
        "zmax": high,
        "xgap": 1 if classes <= 40 else 0,
        "ygap": 1 if classes <= 40 else 0,
        "colorscale": palette.SEQUENTIAL,
        "colorbar": colour_bar("<br>".join(filter(None, [title, outside])), theme, ticks=scale),
    }
    traces = [heat]
    if classes <= CLICKABLE:
        heat["hoverinfo"] = "skip"
        traces.append(_cells(names, drawn, grid, counts))
    else:
        heat["customdata"] = counts.astype(np.int32)
        heat["hovertemplate"] = (
            "<b>%{y}</b> · <b>%{x}</b><br>%{z:.3r}<br>n = %{customdata:,} pairs<extra></extra>"
        )
    # About the width of half a page, less the names at the left.
    at, texts = thinned(names, 400 / classes, most=18)
    ticks = {"type": "category", "tickvals": at, "ticktext": texts, "showgrid": False}
    layout: dict[str, Any] = {
        "height": 570 if classes <= 16 else 640,
        "margin": {"t": 78 + 18 * bool(outside)},
        "xaxis": ticks | {"range": [-0.5, classes - 0.5], "tickangle": -90 if classes > 8 else -45},
        "yaxis": ticks | {"range": [classes - 0.5, -0.5]},
        "shapes": [outline(r, c, _FRAME[theme], width=2) for r, c in _cells_of(chosen, names)],
        "hoverdistance": 40,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def property_figure(
    spaces: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    nothing: str = "not defined",
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw one number of each space as a dot on a line of its own, which stays empty for a missing number.

    Parameters
    ----------
    spaces : sequence of str
        Topmost first.
    values : sequence of float
    title : str
        Of the number and its direction.
    nothing : str
        Shown where no space has a number.
    chosen : str
        Space whose line is marked.
    theme : {"light", "dark"}
    """
    if len(spaces) != len(values):
        raise ValueError(f"There are {len(spaces)} spaces and {len(values)} numbers; one each is needed.")
    x = np.asarray(values, float)
    rows = np.arange(len(spaces), dtype=float)
    known = np.isfinite(x)
    stems = {
        "type": "scatter",
        "mode": "lines",
        "x": _broken(np.zeros(int(known.sum())), x[known]),
        "y": _broken(rows[known], rows[known]),
        "line": {"color": RULE[theme], "width": 1.5},
        "hoverinfo": "skip",
    }
    dots = {
        "type": "scatter",
        "mode": "markers+text",
        "x": x[known],
        "y": rows[known],
        "text": [f"  {figured(v)}" for v in x[known].tolist()],
        "textposition": "middle right",
        "textfont": {"size": 12, "color": INK[theme]},
        "cliponaxis": False,
        "customdata": [s for s, t in zip(spaces, known, strict=True) if t],
        "hovertext": [whole(s) for s, t in zip(spaces, known, strict=True) if t],
        "hovertemplate": "%{hovertext}<br>%{x:.6f}<extra></extra>",
        "marker": {"size": 10, "color": palette.BASE[theme][0]},
        "meta": "spaces",
    }
    top = float(x[known].max()) if known.any() else 1.0
    layout: dict[str, Any] = {
        "height": round(28 * len(spaces) + 104),
        "showlegend": False,
        "margin": {"t": 10},
        "xaxis": {
            "title": {"text": title},
            "range": [0, 1.22 * top if top > _ROUNDING else 1.0],
            "showgrid": True,
            "nticks": 6,
            "exponentformat": "none",
            "showticklabels": bool(known.any()),
        },
        "yaxis": {
            "tickvals": rows,
            "ticktext": [label(s, 22) for s in spaces],
            "ticklabelstandoff": 6,
            "range": [len(spaces) - 0.4, -0.6],
            "showgrid": False,
        },
    }
    if chosen in spaces:
        layout["shapes"] = [row_band(list(spaces).index(chosen))]
    if not known.any():
        layout["annotations"] = [note(0.5, 0.5, nothing, theme, 13, xref="paper", yref="paper")]
    return go.Figure({"data": [stems, dots], "layout": layout}, _validate=False)


def clusters_figure(
    ks: np.ndarray,
    inertia: np.ndarray,
    silhouette: np.ndarray,
    *,
    of: str,
    elbow: int | None = None,
    n_classes: int = 0,
    theme: str = "light",
) -> go.Figure:
    """Draw inertia and silhouette of K-means over K, one above the other.

    Parameters
    ----------
    ks, inertia, silhouette : ndarray, shape (K,)
        Silhouettes are NaN for one cluster.
    of : str
        What is clustered, such as "400 clips".
    elbow : int, optional
        The K at the bend of the inertia.
    n_classes : int
        Marked if it is within the K shown; 0 for none.
    theme : {"light", "dark"}
    """
    ks = np.asarray(ks)
    line = {"color": palette.BASE[theme][0], "width": 2}
    common = {"type": "scatter", "mode": "lines+markers", "x": ks, "line": line, "marker": {"size": 6}}
    traces = [
        common
        | {
            "y": np.asarray(inertia, float),
            "yaxis": "y",
            "hovertemplate": "K = %{x}<br>inertia %{y:,.4g}<extra></extra>",
            "name": "inertia",
        },
        common
        | {
            "y": np.asarray(silhouette, float),
            "yaxis": "y2",
            "hovertemplate": "K = %{x}<br>silhouette %{y:.3f}<extra></extra>",
            "name": "silhouette",
        },
    ]
    marks = {}
    if elbow is not None:
        marks[int(elbow)] = f"elbow, K = {elbow}"
    if n_classes and ks.min() <= n_classes <= ks.max():
        both = n_classes in marks
        marks[n_classes] = f"elbow and classes, K = {n_classes}" if both else f"{n_classes} classes"
    room = 0.04 * float(ks.max() - ks.min()) or 0.5
    layout: dict[str, Any] = {
        "height": 460,
        "showlegend": False,
        "margin": {"t": 30},
        "xaxis": {
            "title": {"text": f"K, number of clusters · n = {of}"},
            "anchor": "y2",
            "range": [float(ks.min()) - room, float(ks.max()) + room],
            "tickformat": ",d",
        }
        # Left to itself an axis this short has ticks between the whole numbers.
        | ({"tick0": 0, "dtick": 1} if ks.max() - ks.min() <= 12 else {}),
        "yaxis": {
            "domain": [0.55, 1],
            "title": {"text": "inertia (sum of squares)"},
            "rangemode": "tozero",
            "exponentformat": "none",
            "separatethousands": True,
        },
        "yaxis2": {
            "domain": [0, 0.45],
            "title": {"text": "silhouette (cosine), −1 to 1"},
            "anchor": "x",
            "exponentformat": "none",
        },
        "shapes": [rule("x", k, theme, dash="dot", width=1.2) for k in marks],
        "annotations": [
            _mark(k, text, len(marks) == 1 or k == max(marks), theme) for k, text in marks.items()
        ],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _broken(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Join many lines into one trace, with a gap after each."""
    return np.column_stack([start, end, np.full(len(start), np.nan)]).ravel()


def _range_of(values: np.ndarray) -> list[float]:
    """Return the range of an axis that holds silhouettes and zero."""
    finite = values[np.isfinite(values)]
    low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    room = 0.04 * (high - low) or 0.1
    return [max(-1.02, low - room), min(1.02, high + room)]


def _flat(colours: Sequence[str]) -> list[tuple[float, str]]:
    n = len(colours)
    return [(i / n, c) for j, c in enumerate(colours) for i in (j, j + 1)]


def _mean_text(mean: Sequence[float], n: int) -> str:
    def sign(v: float) -> str:
        return f"{v:+.3f}".replace("-", "−")

    value, low, high = map(sign, mean)
    return f"mean {value} ({low} to {high})<br>n = {n:,} clips"


def _cells(
    names: Sequence[str], drawn: Sequence[str], grid: np.ndarray, counts: np.ndarray
) -> dict[str, Any]:
    """Return invisible points in the cells of a heatmap, which itself sends no clicks."""
    pairs = [(r, c) for r in range(len(names)) for c in range(len(names))]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [drawn[c] for _, c in pairs],
        "y": [drawn[r] for r, _ in pairs],
        "customdata": [[names[r], names[c]] for r, c in pairs],
        "text": [_cell(drawn[r], drawn[c], float(grid[r, c]), int(counts[r, c])) for r, c in pairs],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"opacity": 0, "size": 8, "symbol": "square"},
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "meta": "cells",
        "showlegend": False,
    }


def _cell(row: str, column: str, value: float, n: int) -> str:
    pair = f"<b>{row}</b> · within the class" if row == column else f"<b>{row}</b> · <b>{column}</b>"
    number = figured(value) if np.isfinite(value) else "no pair of clips"
    return f"{pair}<br>{number}<br>n = {n:,} pairs"


def _stroke(x0: float, x1: float, y0: float, y1: float, colour: str, width: float) -> dict[str, Any]:
    ends = {"x0": x0, "x1": x1, "y0": y0, "y1": y1}
    return {"type": "line", "line": {"color": colour, "width": width}, "layer": "above"} | ends


def _cells_of(chosen: tuple[str, str], names: Sequence[str]) -> list[tuple[int, int]]:
    if not all(c in names for c in chosen):
        return []
    first, second = (list(names).index(c) for c in chosen)
    return sorted({(first, second), (second, first)})


def _mark(k: int, text: str, right: bool, theme: str) -> dict[str, Any]:
    """Return the text beside a marked K, to its right, or to the left for the smaller one of two."""
    return note(k, 1, text, theme, yref="paper", yanchor="bottom", xanchor="left" if right else "right")
