"""Figures: pure functions from arrays to Plotly.

A figure holds no theme: text and background are transparent or neutral, and the colour scales for both
themes ride in ``layout.meta``, so that a page can change its theme without asking for the figure again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import beyond, robust_ends
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
    """What the colour of each point says.

    Parameters
    ----------
    kind : {"group", "number"}
    title : str
        Name, with the unit for a number.
    values : ndarray, shape (n,)
        Codes into `names` for groups, numbers (NaN where there is none) otherwise.
    names, styles
        The groups and how they look.
    limits
        Ends of the scale of a number, where they are known.
    """

    kind: Literal["group", "number"]
    title: str
    values: np.ndarray
    names: Sequence[str] = ()
    styles: Sequence[palette.Style] = ()
    #: Ends of the scale of a number; those of the values, without what is far from all others, where None.
    limits: tuple[float, float] | None = None

    def ends(self) -> tuple[float, float]:
        """Ends of the colour scale of a number."""
        return robust_ends(self.values) if self.limits is None else self.limits

    def outside(self) -> str:
        """Say what lies outside the scale of a number, "" where nothing does."""
        return beyond(self.values, self.ends(), "clip")


@dataclass(frozen=True)
class QualityCurves:
    """How far a map of n clips can be trusted over the size of the neighbourhood; arrays of shape (K,).

    `chance` is what a map without any relation to the space has.
    """

    name: str
    ks: np.ndarray
    trustworthiness: np.ndarray
    continuity: np.ndarray
    chance: np.ndarray
    n: int


def layout_grid(n: int) -> tuple[int, int]:
    """Rows and columns for n maps on a wide page."""
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

    Parameters
    ----------
    maps : sequence of Map
    clip_ids : ndarray of str, shape (n,)
        Carried in ``customdata`` of every trace of points: who reads an event reads the clip, never the
        point's number.
    colour : Colour or sequence of Colour
        One for all maps, or one a map where each map has numbers of its own; the scale is the first one's.
    shown : ndarray of bool, shape (n,), optional
        Clips that pass the filter; the others stay as faint points for orientation.
    theme : {"light", "dark"}
        Which colour scale the figure itself starts with.

    Returns
    -------
    Figure
        Traces whose ``meta`` is ``"points"`` hold the same clips in the same order in every subplot.
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
        "annotations": [],
        "coloraxis": _coloraxis(first, theme),
        "meta": {
            "scales": {t: _scale(first, t) for t in ("light", "dark")},
            "neutral": palette.NEUTRAL,
            "panels": len(maps),
        },
    }
    n_rows, n_cols = layout_grid(len(maps))
    for i, m in enumerate(maps):
        suffix = "" if i == 0 else str(i + 1)
        row, col = divmod(i, n_cols)
        x, y = _domain(col, n_cols), _domain(n_rows - 1 - row, n_rows)
        axis = {"zeroline": False, "showgrid": False, "showticklabels": False, "ticks": "", "showline": False}
        layout[f"xaxis{suffix}"] = axis | {
            "domain": x,
            "anchor": f"y{suffix}",
            "title": {"text": m.axis(0)},
        }
        layout[f"yaxis{suffix}"] = axis | {
            "domain": y,
            "anchor": f"x{suffix}",
            "title": {"text": m.axis(1)},
            "scaleanchor": f"x{suffix}",
        }
        there = int(np.isfinite(m.coords[rows]).all(axis=1).sum())
        layout["annotations"].append(
            {
                "text": f"{label(m.title, 40)} · n = {there:,}",
                "xref": f"x{suffix} domain",
                "yref": f"y{suffix} domain",
                "x": 0,
                "y": 1,
                "xanchor": "left",
                "yanchor": "bottom",
                "yshift": 4,
                "showarrow": False,
            }
        )
        common = {"type": "scattergl", "mode": "markers", "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        xy = np.asarray(m.coords, dtype=np.float32)
        if len(rest):
            traces.append(
                common
                | {
                    "x": np.ascontiguousarray(xy[rest, 0]),
                    "y": np.ascontiguousarray(xy[rest, 1]),
                    "hoverinfo": "skip",
                    "marker": {"color": palette.NEUTRAL[theme], "opacity": 0.22, "size": max(2, size - 3)},
                    "meta": "rest",
                    "name": "filtered out",
                }
            )
        traces.append(
            common
            | {
                "x": np.ascontiguousarray(xy[rows, 0]),
                "y": np.ascontiguousarray(xy[rows, 1]),
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


def quality_figure(curves: Sequence[QualityCurves], *, theme: str = "light") -> go.Figure:
    """Draw trustworthiness and continuity over k: a colour a map, a dash and a marker for each of the two.

    Parameters
    ----------
    curves : sequence of QualityCurves
        At least one.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        Traces whose ``meta`` is ``"trustworthiness"``, ``"continuity"`` or ``"chance"``.
    """
    if not curves:
        raise ValueError("There is nothing to draw: at least one map is needed.")
    traces: list[dict[str, Any]] = []
    common = {"type": "scatter", "hoverlabel": {"namelength": 0}}
    for i, c in enumerate(curves):
        colour = palette.BASE[theme][i % len(palette.BASE[theme])]
        before = f"{label(c.name, 40)} · " if len(curves) > 1 else ""
        for kind, dash, symbol in (("trustworthiness", "solid", "circle"), ("continuity", "dash", "square")):
            traces.append(
                common
                | {
                    "mode": "lines+markers",
                    "x": c.ks,
                    "y": getattr(c, kind),
                    "name": before + kind,
                    "meta": kind,
                    "line": {"color": colour, "width": 2, "dash": dash},
                    "marker": {"size": 6, "symbol": symbol},
                    "hovertemplate": f"{before}k = %{{x}}<br>{kind} %{{y:.4f}}<extra></extra>",
                }
            )
    for n in sorted({c.n for c in curves}):
        c = next(c for c in curves if c.n == n)
        traces.append(
            common
            | {
                "mode": "lines",
                "x": c.ks,
                "y": c.chance,
                "name": "chance",
                "legendgroup": "chance",
                "showlegend": n == min(c.n for c in curves),
                "meta": "chance",
                "line": {"color": palette.NEUTRAL[theme], "width": 1.5, "dash": "dot"},
                "hovertemplate": f"a map by chance, n = {n:,}<br>k = %{{x}}: %{{y:.4f}}<extra></extra>",
            }
        )
    numbers = " and ".join(f"{n:,}" for n in sorted({c.n for c in curves}))
    layout = {
        "height": 380,
        "xaxis": {
            "type": "log",
            "title": {"text": f"k, neighbours looked at · n = {numbers} clips"},
            **_k_ticks(max(int(c.ks.max()) for c in curves)),
        },
        "yaxis": {"title": {"text": "from 0 (worst) to 1 (best)"}},
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _k_ticks(longest: int) -> dict[str, Any]:
    """Ticks of a logarithmic axis of k, in words that are whole numbers."""
    at = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500) if k <= longest]
    return {"tickvals": at, "ticktext": [f"{k:,}" for k in at]}


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
    if colour.kind == "group":
        return palette.steps(colour.styles, theme)
    import plotly.colors

    low, high = palette.REACH[theme]
    ends = np.linspace(low, high, 11)
    colours = plotly.colors.sample_colorscale(palette.SEQUENTIAL, ends.tolist(), colortype="rgb")
    return list(zip(np.linspace(0, 1, 11).round(3).tolist(), colours, strict=True))
