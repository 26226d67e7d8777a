"""Figures of maps: pure functions from arrays to Plotly.

A map holds no theme: text and background are transparent or neutral, and the colour scales of both themes are
in ``layout.meta``, so that a page can change its theme without asking for the figure again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import beyond, reach, robust_ends
from dashboard.kit.marks import k_ticks
from dashboard.kit.text import label, plain

#: Axis names by method.
AXES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PC"}
METHOD_NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}


@dataclass(frozen=True)
class Map:
    """One space on a map: coordinates (n, 2) in the order of the clips, NaN where the space lacks a clip."""

    title: str
    method: str
    coords: np.ndarray
    #: Share of the space's variance along each axis, where the axes are directions of the space (PCA).
    explained: tuple[float, float] | None = None

    def axis(self, i: int) -> str:
        """Name of axis i with its unit: coordinates of t-SNE and UMAP have none."""
        name = f"{AXES.get(self.method, self.method)} {i + 1}"
        if self.explained is None:
            return name if self.method == "pca" else f"{name} (no unit)"
        return f"{name} ({self.explained[i]:.1%} of the variance)"


@dataclass(frozen=True)
class Colour:
    """The meaning of the colour of each point."""

    kind: Literal["group", "number"]
    #: Name, with the unit for a number.
    title: str
    #: Codes into `names` for groups, numbers (NaN for a missing one) otherwise, (n,).
    values: np.ndarray
    names: Sequence[str] = ()
    styles: Sequence[palette.Style] = ()
    #: Ends of the scale of a number; those of the values, without what is far from all others, where None.
    limits: tuple[float, float] | None = None

    def ends(self) -> tuple[float, float]:
        """Ends of the colour scale of a number."""
        return robust_ends(self.values) if self.limits is None else self.limits

    def outside(self) -> str:
        """Return how many values lie outside the scale of a number, in words; "" where none does."""
        return beyond(self.values, self.ends(), "clip")


def layout_grid(n: int) -> tuple[int, int]:
    """Return rows and columns for n maps on a wide page."""
    return (1, n) if n <= 2 else (2, (n + 1) // 2)


def map_figure(
    maps: Sequence[Map],
    *,
    clip_ids: np.ndarray,
    colour: Colour | Sequence[Colour],
    shown: np.ndarray | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw one to four maps of the same clips as subplots of one figure.

    `clip_ids` (n,) are the ``customdata`` of every trace of points: an event names the clip, never the number
    of the point. One colour is of all maps, or each has its own; the scale is the first one's. Clips that are
    not `shown`, (n,) bool, stay as faint points. Traces whose ``meta`` is ``"points"`` hold the same clips in
    the same order in every subplot.
    """
    if not maps:
        raise ValueError("There is nothing to draw: at least one map is needed.")
    n = len(clip_ids)
    for m in maps:
        if m.coords.shape != (n, 2):
            raise ValueError(f"Map {m.title!r} has shape {m.coords.shape}; needed is ({n}, 2), a row a clip.")
    shown = np.ones(n, bool) if shown is None else np.asarray(shown, bool)
    rows = np.flatnonzero(shown)
    rest = np.flatnonzero(~shown)
    ids = np.asarray(clip_ids)[rows]
    colours = [colour] * len(maps) if isinstance(colour, Colour) else list(colour)
    first = colours[0]
    markers = [_marker(c, rows) for c in colours]
    size = 9 if n <= 500 else 7 if n <= 3000 else 5 if n <= 20000 else 3

    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 34, "r": 10, "t": 30, "b": 34},
        "hovermode": "closest",
        "dragmode": "pan",
        "hoverdistance": 14,
        "annotations": [_heading(m, i, rows) for i, m in enumerate(maps)],
        "coloraxis": _coloraxis(first, theme),
        "meta": {
            "scales": {t: _scale(first, t) for t in ("light", "dark")},
            "neutral": palette.NEUTRAL,
            "panels": len(maps),
        },
    }
    for i, m in enumerate(maps):
        suffix = _suffix(i)
        layout |= _axes(m, i, len(maps))
        common = {"type": "scattergl", "mode": "markers", "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        xy = np.asarray(m.coords, dtype=np.float32).T
        if len(rest):
            grey = {"color": palette.NEUTRAL[theme], "opacity": 0.22, "size": max(2, size - 3)}
            traces.append(
                common
                | dict(zip("xy", np.ascontiguousarray(xy[:, rest]), strict=True))
                | {"hoverinfo": "skip", "marker": grey, "meta": "rest", "name": "filtered out"}
            )
        traces.append(
            common
            | dict(zip("xy", np.ascontiguousarray(xy[:, rows]), strict=True))
            | {
                "customdata": ids,
                "hoverinfo": "none",
                "marker": markers[i] | {"size": size},
                "selected": {"marker": {"opacity": 1.0}},
                "unselected": {"marker": {"opacity": 0.12}},
                "meta": "points",
                "name": m.title,
            }
        )
    # Plotly would check every marker in turn, 50 ms a map of 10,000; the tests check such figures whole.
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _suffix(i: int) -> str:
    """Return the ending of the names of the axes of map i."""
    return "" if i == 0 else str(i + 1)


def _axes(m: Map, i: int, n: int) -> dict[str, Any]:
    """Return both axes of map i of n, with their places in the figure."""
    suffix, (n_rows, n_cols) = _suffix(i), layout_grid(n)
    row, col = divmod(i, n_cols)
    axis = {"zeroline": False, "showgrid": False, "showticklabels": False, "ticks": "", "showline": False}
    x = {"domain": _domain(col, n_cols), "anchor": f"y{suffix}", "title": {"text": m.axis(0)}}
    y = {"domain": _domain(n_rows - 1 - row, n_rows), "anchor": f"x{suffix}", "title": {"text": m.axis(1)}}
    return {
        f"xaxis{suffix}": axis | x,
        f"yaxis{suffix}": axis | y | {"scaleanchor": f"x{suffix}"},
    }


def _heading(m: Map, i: int, rows: np.ndarray) -> dict[str, Any]:
    """Return the name of map i above it, with the number of its clips."""
    n = int(np.isfinite(m.coords[rows]).all(axis=1).sum())
    return {
        "text": f"{label(m.title, 40)} · n = {n:,}",
        "xref": f"x{_suffix(i)} domain",
        "yref": f"y{_suffix(i)} domain",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
    }


def quality_figure(curves: pd.DataFrame, *, theme: str = "light") -> go.Figure:
    """Draw trustworthiness and continuity over k: a colour a map, a dash and a marker for each of the two.

    `curves` are those of `quality.curves`. Traces have as ``meta`` ``"trustworthiness"``, ``"continuity"`` or
    ``"chance"``.
    """
    if curves.empty:
        raise ValueError("There is nothing to draw: at least one map is needed.")
    traces: list[dict[str, Any]] = []
    common = {"type": "scatter", "hoverlabel": {"namelength": 0}}
    spaces = list(curves.groupby("space", sort=False))
    for i, (space, c) in enumerate(spaces):
        colour = palette.BASE[theme][i % len(palette.BASE[theme])]
        before = f"{label(str(space), 40)} · " if len(spaces) > 1 else ""
        for kind, dash, symbol in (("trustworthiness", "solid", "circle"), ("continuity", "dash", "square")):
            traces.append(
                common
                | {
                    "mode": "lines+markers",
                    "x": c["k"].to_numpy(),
                    "y": c[kind].to_numpy(),
                    "name": before + kind,
                    "meta": kind,
                    "line": {"color": colour, "width": 2, "dash": dash},
                    "marker": {"size": 6, "symbol": symbol},
                    "hovertemplate": f"{before}k = %{{x}}<br>{kind} %{{y:.4f}}<extra></extra>",
                }
            )
    sizes = curves.drop_duplicates(["n", "k"]).groupby("n")
    for n, c in sizes:
        traces.append(
            common
            | {
                "mode": "lines",
                "x": c["k"].to_numpy(),
                "y": c["chance"].to_numpy(),
                "name": "chance",
                "legendgroup": "chance",
                "showlegend": bool(n == curves["n"].min()),
                "meta": "chance",
                "line": {"color": palette.NEUTRAL[theme], "width": 1.5, "dash": "dot"},
                "hovertemplate": f"a map by chance, n = {n:,}<br>k = %{{x}}: %{{y:.4f}}<extra></extra>",
            }
        )
    numbers = " and ".join(f"{n:,}" for n in sizes.groups)
    layout = {
        "height": 380,
        "xaxis": {
            "type": "log",
            "title": {"text": f"k, neighbours looked at · n = {numbers} clips"},
            **k_ticks(int(curves["k"].max())),
        },
        "yaxis": {"title": {"text": "from 0 (worst) to 1 (best)"}},
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _domain(i: int, n: int, gap: float = 0.06) -> list[float]:
    width = (1 - gap * (n - 1)) / n
    start = i * (width + gap)
    return [round(start, 4), round(min(1.0, start + width), 4)]


def _marker(colour: Colour, rows: np.ndarray) -> dict[str, Any]:
    marker: dict[str, Any] = {"coloraxis": "coloraxis", "opacity": 0.85, "line": {"width": 0}}
    if colour.kind == "number":
        return marker | {"color": np.asarray(colour.values, np.float32)[rows]}
    codes = np.asarray(colour.values, np.int16)[rows]
    marker["color"] = codes.astype(np.float32)
    symbols = [s.symbol for s in colour.styles]
    if len(set(symbols)) > 1:
        marker["symbol"] = np.asarray(symbols)[codes]
    return marker


def _coloraxis(colour: Colour, theme: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"colorscale": _scale(colour, theme), "showscale": False}
    if colour.kind == "group":
        return axis | {"cmin": -0.5, "cmax": len(colour.styles) - 0.5}
    low, high = colour.ends()
    title = "<br>".join(filter(None, [plain(colour.title), colour.outside()]))
    return axis | {"cmin": low, "cmax": high, "colorbar": {"title": {"text": title}, "thickness": 12}}


def _scale(colour: Colour, theme: str) -> list[tuple[float, str]]:
    return palette.steps(colour.styles, theme) if colour.kind == "group" else reach(theme)
