"""Figures of splits of classes: where the centroids lie, and how similar the classes of a split are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import beyond, robust_ends
from dashboard.kit.labels import fitting
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import colour_bar, note, ring
from dashboard.kit.text import label, short, thinned, whole

if TYPE_CHECKING:
    from dashboard.kit.classes import Classes

#: Parts of a split: name on the page, marker, and which of the base colours.
PARTS = {
    "train": ("training", "circle", 0),
    "validation": ("validation", "diamond", 2),
    "test": ("test", "square", 1),
}
UNUSED = "unused"
#: Width and height that names beside points are laid out for, and the room beside the outermost points.
_ROOM = (560.0, 430.0)
_MARGIN = (50.0, 20.0)
#: Width of a matrix on a phone, in pixels.
_NARROW = 270


def colour(part: str, theme: str) -> str:
    """Return the colour of a part of a split; grey for classes in none."""
    return palette.BASE[theme][PARTS[part][2]] if part in PARTS else palette.NEUTRAL[theme]


def proportion(coords: np.ndarray) -> float:
    """Return the height of the map over its width, whose axes have one scale."""
    (left, right), (low, high) = (_room(coords[:, axis]) for axis in (0, 1))
    return (high - low) / (right - left)


def centroids_figure(
    shown: Classes,
    clusters: np.ndarray,
    parts: Sequence[str],
    *,
    hull: np.ndarray,
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw the centroids of all classes in the colours of a split, with the convex region of its training.

    Parameters
    ----------
    shown : Classes
    clusters : ndarray of int, shape (C,)
    parts : sequence of str, length C
        Of each class: "train", "validation", "test" or "unused".
    hull : ndarray, shape (h, 2)
        Corners of the convex region in order; fewer than two are not drawn.
    chosen : str
        The class that is ringed, "" for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of every point is its class; a trace a part, with its name as ``meta``.
    """
    coords = np.asarray(shown.coords, float)
    if len(parts) != len(shown.names):
        raise ValueError(
            f"There are {len(shown.names)} classes and {len(parts)} parts; each class needs one."
        )
    # Traces and ranges are the same for every split: if the figure moved while classes are picked, the next
    # click would be on another class.
    traces = [_region(hull, theme)]
    traces += [_points(shown, clusters, parts, part, theme) for part in (UNUSED, *PARTS)]
    traces.append(_names(shown.names, coords, parts, theme))
    if chosen in shown.names:
        row = shown.names.index(chosen)
        traces.append(ring(coords[[row], 0], coords[[row], 1], theme, size=20))
    first, second = shown.explained
    n = len(shown.names)
    x_title = f"first principal component, {first:.0%} of the variance<br>n = {n:,} classes"
    # With "domain" the axis becomes shorter, not its range wider: maps beside each other keep the same ends.
    axis = {"showgrid": True, "nticks": 6, "constrain": "domain"}
    x_axis = axis | {"title": {"text": x_title}, "range": _room(coords[:, 0])}
    y_axis = axis | {
        "title": {"text": f"second component, {second:.0%}"},
        "range": _room(coords[:, 1]),
        # One scale for both axes, or a region would look wider than it is.
        "scaleanchor": "x",
        "scaleratio": 1,
        "constraintoward": "top",
    }
    layout = {"height": 560, "margin": {"t": 58}, "xaxis": x_axis, "yaxis": y_axis, "hoverdistance": 14}
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _region(hull: np.ndarray, theme: str) -> dict[str, Any]:
    """Return the trace of the convex region of the training classes."""
    edge = np.vstack([hull, hull[:1]]) if len(hull) > 1 else np.full((1, 2), np.nan)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": edge[:, 0],
        "y": edge[:, 1],
        "fill": "toself",
        "fillcolor": f"{colour('train', theme)}1c",
        "line": {"color": f"{colour('train', theme)}88", "width": 1.2},
        "hoverinfo": "skip",
        "name": "convex region of training",
        "meta": "hull",
        "legendrank": 2000,
    }


def _points(
    shown: Classes, clusters: np.ndarray, parts: Sequence[str], part: str, theme: str
) -> dict[str, Any]:
    """Return the trace of the classes of a part."""
    rows = [i for i, p in enumerate(parts) if p == part]
    used = part in PARTS
    name, symbol = PARTS[part][:2] if used else (UNUSED, "circle")
    return {
        "type": "scatter",
        "mode": "markers",
        # A trace without a point would be missing from the legend.
        "x": shown.coords[rows, 0] if rows else [None],
        "y": shown.coords[rows, 1] if rows else [None],
        "customdata": [shown.names[i] for i in rows],
        "text": [
            f"<b>{whole(shown.names[i])}</b><br>{name} · cluster {clusters[i]}<br>"
            f"n = {shown.clips[i]:,} clips"
            for i in rows
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": symbol,
            "size": (11 if part == "train" else 12) if used else 7,
            "color": colour(part, theme),
            "opacity": 0.92 if used else 0.55,
            "line": {"width": 1 if used else 0, "color": palette.BACKGROUND[theme]},
        },
        "selected": {"marker": {"opacity": 0.92}},
        "unselected": {"marker": {"opacity": 0.92 if used else 0.55}},
        "name": f"{name}, {len(rows)}",
        "legendrank": 1000 + [*PARTS, UNUSED].index(part),
        "meta": part,
    }


def _names(names: Sequence[str], coords: np.ndarray, parts: Sequence[str], theme: str) -> dict[str, Any]:
    """Return the trace of the names that have room: of test classes first, also over unused ones."""
    span = np.ptp(coords, axis=0)
    scale = min(_ROOM[0] / (span[0] or 1.0), _ROOM[1] / (span[1] or 1.0))
    pixels = (coords - coords.min(axis=0)) * (scale, -scale) + (_MARGIN[0], _ROOM[1] + _MARGIN[1])
    area = (_ROOM[0] + 2 * _MARGIN[0], _ROOM[1] + 2 * _MARGIN[1])
    used = [i for part in ("test", "validation", "train") for i in range(len(names)) if parts[i] == part]
    rows = used + [i for i in range(len(names)) if parts[i] == UNUSED]
    texts = [short(names[i], 20) for i in rows]
    judged = fitting(pixels[used], texts, area)
    kept = {j: side for j, side in judged.items() if parts[used[j]] != "train"}
    sides = fitting(pixels[rows], texts, area, kept=kept) | kept
    written = {rows[j]: side for j, side in sides.items() if j < len(used)}
    at = list(written)
    return {
        "type": "scatter",
        # Markers that cannot be seen keep the names away from the points.
        "mode": "markers+text",
        "marker": {"size": 12, "opacity": 0},
        "x": coords[at, 0],
        "y": coords[at, 1],
        "text": [label(names[i], 20) for i in at],
        "textposition": list(written.values()),
        "textfont": {"size": 11, "color": INK[theme]},
        "hoverinfo": "skip",
        "showlegend": False,
        "unselected": {"textfont": {"color": INK[theme]}, "marker": {"opacity": 0}},
        "meta": "labels",
    }


def class_similarity_figure(
    names: Sequence[str],
    values: np.ndarray,
    parts: Sequence[tuple[str, int]],
    *,
    limits: tuple[float, float] | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw how similar the classes of a split are, training classes first, then validation, then test.

    Parameters
    ----------
    names : sequence of str, length C
        In the order of the split.
    values : ndarray, shape (C, C)
        In that order; the diagonal, where a class meets itself, is left blank.
    parts : sequence of (str, int)
        The parts in order and how many classes each has.
    limits : pair of float, optional
        Ends of the scale, so that figures beside each other have the same; those of the values if None.
    theme : {"light", "dark"}
    """
    n = len(names)
    grid = np.array(values, float)
    if grid.shape != (n, n) or sum(size for _, size in parts) != n:
        raise ValueError(
            f"There are {n} classes, numbers of shape {grid.shape} and parts of "
            f"{sum(size for _, size in parts)} classes; they must fit."
        )
    heat = _heat(names, grid, parts, limits, theme)
    strip = max(0.5, n / 36)
    at, texts = thinned(names, 430 / max(n, 1), most=18)
    ticks = {"type": "category", "tickvals": at, "ticktext": texts, "showgrid": False}
    edges = list(accumulate((size for _, size in parts), initial=0))
    shapes = [
        s
        for (part, size), start in zip(parts, edges, strict=False)
        if size
        for s in _strips(part, start, size, strip, theme)
    ]
    shapes += [s for edge in edges[1:-1] for s in _parting(edge - 0.5, n, theme)]
    layout: dict[str, Any] = {
        "height": 560,
        "margin": {"t": 104},
        # Columns have the order of the rows, which have the names: below, they would take a fifth of the
        # figure, and have no room on a phone.
        "xaxis": ticks | {"range": [-0.6 - strip, n - 0.5], "showticklabels": False},
        "yaxis": ticks | {"range": [n - 0.5, -0.6 - strip]},
        "shapes": shapes,
        "annotations": [
            note(
                start + size / 2 - 0.5,
                -0.6 - strip,
                _shorten(PARTS[part][0], _NARROW * size / n),
                theme,
                11,
                yanchor="bottom",
            )
            for (part, size), start in zip(parts, edges, strict=False)
        ],
    }
    return go.Figure({"data": [heat], "layout": layout}, _validate=False)


def _heat(
    names: Sequence[str],
    grid: np.ndarray,
    parts: Sequence[tuple[str, int]],
    limits: tuple[float, float] | None,
    theme: str,
) -> dict[str, Any]:
    """Return the trace of the matrix."""
    n = len(names)
    np.fill_diagonal(grid, np.nan)
    low, high = limits or robust_ends(grid)
    outside = beyond(grid[np.triu_indices(n, 1)], (low, high), "pair")
    if high - low < 1e-9:
        high = low + 1e-9
    of = [PARTS[part][0] for part, size in parts for _ in range(size)]
    # A text a class and none a pair, of which there would be too many to send.
    hover = [f"<b>{whole(name)}</b>, {part}" for name, part in zip(names, of, strict=True)]
    return {
        "type": "heatmap",
        "x": hover,
        "y": hover,
        "z": grid.astype(np.float32),
        "zmin": low,
        "zmax": high,
        "xgap": 1 if n <= 40 else 0,
        "ygap": 1 if n <= 40 else 0,
        "colorscale": palette.SEQUENTIAL,
        "hovertemplate": "%{y}<br>%{x}<br>%{z:.3f}<extra></extra>",
        "hoverongaps": False,
        "colorbar": colour_bar(
            f"cosine similarity of centroids<br>n = {n * (n - 1) // 2:,} pairs of {n:,} classes"
            + (f"; {outside}" if outside else ""),
            theme,
            y=1.04,
        ),
    }


def _shorten(word: str, pixels: float) -> str:
    """Shorten a word, or leave it out, where there are so many pixels for it."""
    return next((text for text in (word, f"{word[:3]}.") if 6.2 * len(text) < pixels), "")


def _room(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    beside = 0.09 * (high - low) or 0.1
    return [low - beside, high + beside]


def _strips(part: str, start: int, size: int, strip: float, theme: str) -> list[dict[str, Any]]:
    look = {"type": "rect", "fillcolor": colour(part, theme), "line": {"width": 0}, "layer": "above"}
    along, across = (start - 0.5, start + size - 0.5), (-0.6 - strip, -0.6)
    return [
        look | {"x0": along[0], "x1": along[1], "y0": across[0], "y1": across[1]},
        look | {"x0": across[0], "x1": across[1], "y0": along[0], "y1": along[1]},
    ]


def _parting(at: float, n: int, theme: str) -> list[dict[str, Any]]:
    look = {"type": "line", "line": {"color": RULE[theme], "width": 2}, "layer": "above"}
    return [
        look | {"x0": at, "x1": at, "y0": -0.5, "y1": n - 0.5},
        look | {"x0": -0.5, "x1": n - 0.5, "y0": at, "y1": at},
    ]
