"""Figures of splits of classes: where the centroids lie, and how similar the classes of a split are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import beyond, robust_ends
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import colour_bar, note, ring
from dashboard.kit.text import label, short, thinned, whole

#: Parts of a split: name on the page, marker, and which of the base colours.
PARTS = {
    "train": ("training", "circle", 0),
    "validation": ("validation", "diamond", 2),
    "test": ("test", "square", 1),
}
UNUSED = "unused"
#: Width and height that names beside points are laid out for.
_ROOM = (560.0, 430.0)
#: Width of a matrix on a phone, in pixels.
_NARROW = 270


@dataclass(frozen=True)
class Centroids:
    """Classes on the map of their centroids.

    Attributes
    ----------
    names : sequence of str, length C
    coords : ndarray, shape (C, 2)
    explained : (float, float)
        Share of the variance of the centroids along each axis.
    clips : ndarray of int, shape (C,)
        How many clips each centroid is of.
    clusters : ndarray of int, shape (C,)
    """

    names: Sequence[str]
    coords: np.ndarray
    explained: tuple[float, float]
    clips: np.ndarray
    clusters: np.ndarray


def colour(part: str, theme: str) -> str:
    """Return the colour of a part of a split; grey for classes in none."""
    return palette.BASE[theme][PARTS[part][2]] if part in PARTS else palette.NEUTRAL[theme]


def proportion(coords: np.ndarray) -> float:
    """Return the height of the map over its width, whose axes have one scale."""
    (left, right), (low, high) = (_room(coords[:, axis]) for axis in (0, 1))
    return (high - low) / (right - left)


def centroids_figure(
    shown: Centroids,
    parts: Sequence[str],
    *,
    hull: np.ndarray,
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw the centroids of all classes in the colours of a split, with the convex region of its training.

    Parameters
    ----------
    shown : Centroids
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
    if coords.shape != (len(shown.names), 2) or len(parts) != len(shown.names):
        raise ValueError(
            f"There are {len(shown.names)} classes, coordinates of shape {coords.shape} and {len(parts)} "
            "parts; each class needs one of both."
        )
    # Traces and ranges are the same for every split: a figure that moved under the hand that picks classes
    # would take another class for the one that is clicked.
    edge = np.vstack([hull, hull[:1]]) if len(hull) > 1 else np.full((1, 2), np.nan)
    traces: list[dict[str, Any]] = [
        {
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
    ]
    at = {part: [i for i, p in enumerate(parts) if p == part] for part in (UNUSED, *PARTS)}
    for part, rows in at.items():
        used = part in PARTS
        said = PARTS[part][0] if used else UNUSED
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                # A trace without a point would not stand in the legend.
                "x": coords[rows, 0] if rows else [None],
                "y": coords[rows, 1] if rows else [None],
                "customdata": [shown.names[i] for i in rows],
                "text": [
                    f"<b>{whole(shown.names[i])}</b><br>{said} · cluster {shown.clusters[i]}<br>"
                    f"n = {shown.clips[i]:,} clips"
                    for i in rows
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {
                    "symbol": PARTS[part][1] if used else "circle",
                    "size": (11 if part == "train" else 12) if used else 7,
                    "color": colour(part, theme),
                    "opacity": 0.92 if used else 0.55,
                    "line": {"width": 1 if used else 0, "color": palette.BACKGROUND[theme]},
                },
                "selected": {"marker": {"opacity": 0.92}},
                "unselected": {"marker": {"opacity": 0.92 if used else 0.55}},
                "name": f"{said}, {len(rows)}",
                "legendrank": 1000 + [*PARTS, UNUSED].index(part),
                "meta": part,
            }
        )
    traces.append(_labels(shown.names, coords, parts, theme))
    if chosen in shown.names:
        row = list(shown.names).index(chosen)
        traces.append(ring(coords[[row], 0], coords[[row], 1], theme, size=20))
    first, second = shown.explained
    n = len(shown.names)
    layout: dict[str, Any] = {
        "height": 560,
        "margin": {"t": 58},
        "xaxis": {
            "title": {"text": f"first principal component, {first:.0%} of the variance<br>n = {n:,} classes"},
            "showgrid": True,
            "nticks": 6,
            "range": _room(coords[:, 0]),
            # The axis becomes shorter, not its range wider: maps beside each other keep the same ends.
            "constrain": "domain",
        },
        "yaxis": {
            "title": {"text": f"second component, {second:.0%}"},
            "showgrid": True,
            "nticks": 6,
            "range": _room(coords[:, 1]),
            # One scale for both axes, or a region would look wider than it is.
            "scaleanchor": "x",
            "scaleratio": 1,
            "constrain": "domain",
            "constraintoward": "top",
        },
        "hoverdistance": 14,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def class_similarity_figure(
    names: Sequence[str],
    values: np.ndarray,
    parts: Sequence[tuple[str, int]],
    *,
    title: str = "cosine similarity of centroids",
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
    title : str
        Of the colour scale.
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
    np.fill_diagonal(grid, np.nan)
    low, high = limits or robust_ends(grid)
    outside = beyond(grid[np.triu_indices(n, 1)], (low, high), "pair")
    if high - low < 1e-9:
        high = low + 1e-9
    of = [PARTS[part][0] for part, size in parts for _ in range(size)]
    # A text a class and none a pair, of which there would be too many to send.
    said = [f"<b>{whole(name)}</b>, {part}" for name, part in zip(names, of, strict=True)]
    heat: dict[str, Any] = {
        "type": "heatmap",
        "x": said,
        "y": said,
        "z": grid.astype(np.float32),
        "zmin": low,
        "zmax": high,
        "xgap": 1 if n <= 40 else 0,
        "ygap": 1 if n <= 40 else 0,
        "colorscale": palette.SEQUENTIAL,
        "hovertemplate": "%{y}<br>%{x}<br>%{z:.3f}<extra></extra>",
        "hoverongaps": False,
        "colorbar": colour_bar(
            f"{title}<br>n = {n * (n - 1) // 2:,} pairs of {n:,} classes"
            + (f"; {outside}" if outside else ""),
            theme,
            y=1.04,
        ),
    }
    strip = max(0.5, n / 36)
    at, texts = thinned(names, 430 / max(n, 1), most=18)
    ticks = {
        "type": "category",
        "tickvals": at,
        "ticktext": texts,
        "showgrid": False,
    }
    edges = list(accumulate((size for _, size in parts), initial=0))
    shapes: list[dict[str, Any]] = []
    for (part, size), start in zip(parts, edges, strict=False):
        if size:
            shapes += _strips(part, start, size, strip, theme)
    shapes += [s for edge in edges[1:-1] for s in _parting(edge - 0.5, n, theme)]
    layout: dict[str, Any] = {
        "height": 560,
        "margin": {"t": 104},
        # Columns stand in the order of the rows, whose names are there: below, they would take a fifth of the
        # figure, and have no room on a phone.
        "xaxis": ticks | {"range": [-0.6 - strip, n - 0.5], "showticklabels": False},
        "yaxis": ticks | {"range": [n - 0.5, -0.6 - strip]},
        "shapes": shapes,
        "annotations": [
            note(
                start + size / 2 - 0.5,
                -0.6 - strip,
                _fitting(PARTS[part][0], _NARROW * size / n),
                theme,
                11,
                yanchor="bottom",
            )
            for (part, size), start in zip(parts, edges, strict=False)
        ],
    }
    return go.Figure({"data": [heat], "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _fitting(word: str, pixels: float) -> str:
    """Shorten a word, or leave it out, where there are so many pixels for it."""
    for said in (word, f"{word[:3]}."):
        if 6.2 * len(said) < pixels:
            return said
    return ""


def _room(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    beside = 0.09 * (high - low) or 0.1
    return [low - beside, high + beside]


def _labels(names: Sequence[str], coords: np.ndarray, parts: Sequence[str], theme: str) -> dict[str, Any]:
    """Write the names that have room: test classes first, none over another name or another point."""
    span = np.ptp(coords, axis=0)
    scale = min(_ROOM[0] / (span[0] or 1.0), _ROOM[1] / (span[1] or 1.0))
    pixels = (coords - coords.min(axis=0)) * scale
    used = [i for part in ("test", "validation", "train") for i in range(len(names)) if parts[i] == part]
    grey = np.array([p == UNUSED for p in parts])
    taken: list[tuple[float, float, float, float]] = []
    written: list[tuple[int, str]] = []
    for i in used:
        name = short(names[i], 20)
        for side, word in ((1, "middle right"), (-1, "middle left")):
            x = pixels[i, 0] + (8 if side > 0 else -8 - 6.4 * len(name))
            box = (x, pixels[i, 1] - 7, x + 6.4 * len(name), pixels[i, 1] + 7)
            # What is judged by is named even over the grey of classes that are not used.
            others = pixels[~grey] if parts[i] != "train" else pixels
            own = pixels[i]
            if not _hits(box, others, own) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                written.append((i, word))
                break
    rows = [i for i, _ in written]
    return {
        "type": "scatter",
        "mode": "text",
        "x": coords[rows, 0],
        "y": coords[rows, 1],
        "text": [
            f"\u2002{label(names[i], 20)}" if word.endswith("right") else f"{label(names[i], 20)}\u2002"
            for i, word in written
        ],
        "textposition": [word for _, word in written],
        "textfont": {"size": 11, "color": INK[theme]},
        "hoverinfo": "skip",
        "showlegend": False,
        "unselected": {"textfont": {"color": INK[theme]}},
        "meta": "labels",
    }


def _hits(box: tuple[float, float, float, float], pixels: np.ndarray, own: np.ndarray) -> bool:
    x0, y0, x1, y1 = box
    inside = (pixels[:, 0] > x0 - 6) & (pixels[:, 0] < x1 + 6)
    inside &= (pixels[:, 1] > y0 - 4) & (pixels[:, 1] < y1 + 4)
    inside &= (pixels != own).any(axis=1)
    return bool(inside.any())


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _strips(part: str, start: int, size: int, strip: float, theme: str) -> list[dict[str, Any]]:
    look = {
        "type": "rect",
        "fillcolor": colour(part, theme),
        "line": {"width": 0},
        "layer": "above",
    }
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
