"""Figures of the leak that flatters zero-shot accuracy: linked small maps, correlations over few models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._cells import cells, outline
from dashboard.figures._rows import estimates, rows, whiskers
from dashboard.figures.look import INK, RULE
from dashboard.figures.separability import short
from dashboard.figures.zeroshot import Fitted

#: Points up to which small maps are drawn without WebGL: they stay sharp in print, and need no context.
SVG_POINTS = 6000
#: Texts of a map that are written beside their points at most.
WRITTEN = 24
_LOOKS = ((0, "circle"), (1, "square"), (2, "diamond"), (4, "triangle-up"), (5, "cross"), (3, "x"))
_PICKED = {"light": "#22262c", "dark": "#f4f5f6"}
_ROW, _GAP = 225, 46
_FAINT = 0.2


@dataclass(frozen=True)
class Panel:
    """A small map: of clips or of the texts of classes.

    Attributes
    ----------
    title : str
    group : str
        What stands above its row, such as the figure of the paper; said of the first panel of a row only.
    ids : sequence of str, length n
        Clips or classes; a click gives ``[kind, id, class]``.
    kind : {"clip", "class"}
    coords : ndarray, shape (n, 2)
    codes : ndarray of int, shape (n,)
        Index into the classes.
    said : sequence of str
        What is said of each when it is pointed at.
    """

    title: str
    group: str
    ids: Sequence[str]
    kind: str
    coords: np.ndarray
    codes: np.ndarray
    said: Sequence[str]


@dataclass(frozen=True)
class Dots:
    """Models or spaces as dots that carry their names.

    Attributes
    ----------
    ids : sequence of str, length n
        Carried in ``customdata``.
    names : sequence of str
        Written beside the dots.
    said : sequence of str
        What is said of each when it is pointed at.
    x, y : ndarray, shape (n,)
    ends : ndarray, shape (n, 2), optional
        Of the interval of y; NaN where there is none.
    series : ndarray of int, shape (n,)
        Index into `kinds`: a colour and a marker each.
    kinds : sequence of str
    hollow : ndarray of bool, shape (n,), optional
        Drawn as a ring.
    """

    ids: Sequence[str]
    names: Sequence[str]
    said: Sequence[str]
    x: np.ndarray
    y: np.ndarray
    series: np.ndarray
    kinds: Sequence[str]
    ends: np.ndarray | None = None
    hollow: np.ndarray | None = None


@dataclass(frozen=True)
class ByClass:
    """The accuracy of each class by one model, and by others.

    Attributes
    ----------
    names : sequence of str, length C
        The topmost first.
    accuracy : ndarray, shape (C, 3)
        With the ends of its interval.
    counts : ndarray of int, shape (C,)
        Clips.
    others : sequence of str, length m
    rest : ndarray, shape (m, C)
    """

    names: Sequence[str]
    accuracy: np.ndarray
    counts: np.ndarray
    others: Sequence[str]
    rest: np.ndarray


def small_maps_figure(
    lines: Sequence[Sequence[Panel]],
    names: Sequence[str],
    styles: Sequence[palette.Style],
    *,
    chosen: str = "",
    clip: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw small maps in rows, all in one figure; what is chosen is marked in every one of them.

    Parameters
    ----------
    lines : sequence of sequences of Panel
        The rows from the top; those of a row share its width.
    names : sequence of str, length C
        The classes.
    styles : sequence of Style, length C
    chosen : str
        Class whose points stay bright where others turn faint; "" for all.
    clip : str
        Clip that is ringed, "" for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces whose ``meta`` is "points" is the kind, the id and the class.
    """
    panels = [p for line in lines for p in line]
    if not panels:
        raise ValueError("There is nothing to draw: no model has a map.")
    many = sum(len(p.ids) for p in panels) > SVG_POINTS
    at = list(names).index(chosen) if chosen in names else -1
    height = len(lines) * (_ROW + _GAP)
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "height": height + 10,
        "margin": {"t": 10, "l": 6, "r": 6, "b": 6},
        "showlegend": False,
        "annotations": [],
        "hoverdistance": 12,
        "clickmode": "event+select",
    }
    number = 0
    for r, line in enumerate(lines):
        top = 1 - (r * (_ROW + _GAP) + _GAP) / height
        gap = 0.018
        wide = (1 - gap * (len(line) - 1)) / len(line) if len(line) > 1 else 0.5
        for i, panel in enumerate(line):
            number += 1
            suffix = "" if number == 1 else str(number)
            left = i * (wide + gap)
            _place(layout, suffix, (left, min(1.0, left + wide)), (max(0.0, top - _ROW / height), top), theme)
            layout["annotations"] += _titles(panel, suffix, theme)
            traces += _panel(panel, suffix, names, styles, at, clip, many, theme)
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _place(
    layout: dict[str, Any], suffix: str, x: tuple[float, float], y: tuple[float, float], theme: str
) -> None:
    frame = {
        "showticklabels": False,
        "showgrid": False,
        "showline": True,
        "mirror": True,
        "linecolor": f"{RULE[theme]}66",
        "automargin": False,
        "ticks": "",
    }
    layout[f"xaxis{suffix}"] = frame | {"domain": list(x), "anchor": f"y{suffix}"}
    layout[f"yaxis{suffix}"] = frame | {"domain": list(y), "anchor": f"x{suffix}"}


def _titles(panel: Panel, suffix: str, theme: str) -> list[dict[str, Any]]:
    common = {
        "xref": f"x{suffix} domain",
        "yref": f"y{suffix} domain",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "align": "left",
        "showarrow": False,
    }
    found = [common | {"text": panel.title, "yshift": 2, "font": {"size": 12, "color": INK[theme]}}]
    if panel.group:
        text = {"text": f"<b>{panel.group}</b>", "yshift": 19, "font": {"size": 12.5, "color": INK[theme]}}
        found.append(common | text)
    return found


def _panel(
    panel: Panel,
    suffix: str,
    names: Sequence[str],
    styles: Sequence[palette.Style],
    at: int,
    clip: str,
    many: bool,
    theme: str,
) -> list[dict[str, Any]]:
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    xy = np.asarray(panel.coords, np.float32).reshape(-1, 2)
    codes = np.asarray(panel.codes, np.int64)
    bright = (codes == at) if at >= 0 else np.ones(len(codes), bool)
    texts = panel.kind == "class"
    opacity = np.where(bright, 0.95 if at >= 0 or texts else 0.8, 0.3 if texts else _FAINT)
    size = 8 if texts else 4 if many else 5.5
    trace: dict[str, Any] = axes | {
        "type": "scattergl" if many and not texts else "scatter",
        "mode": "markers",
        "x": xy[:, 0],
        "y": xy[:, 1],
        "customdata": [[panel.kind, i, names[c]] for i, c in zip(panel.ids, codes.tolist(), strict=True)],
        "hovertext": list(panel.said),
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "color": [getattr(styles[c], theme) for c in codes.tolist()],
            "symbol": [styles[c].symbol for c in codes.tolist()],
            "opacity": opacity.round(2).tolist(),
            "size": np.where(bright & (at >= 0), size + 2.5, size).tolist(),
            "line": {"width": 0},
        },
        # A click chooses a class for all panels: Plotly's own fading of the others would undo that.
        "selected": {"marker": {}},
        "unselected": {"marker": {}},
        "name": panel.title,
        "meta": "points",
    }
    if texts and len(panel.ids) <= WRITTEN:
        trace |= {
            "mode": "markers+text",
            "text": [
                f"<b>{short(n, 18)}</b>" if b and at >= 0 else short(n, 18)
                for n, b in zip(panel.ids, bright.tolist(), strict=True)
            ],
            "textposition": [_side(i, xy) for i in range(len(xy))],
            "textfont": {"size": 10.5, "color": INK[theme]},
        }
    found = [trace]
    ringed = [i for i, k in enumerate(panel.ids) if clip and k == clip and panel.kind == "clip"]
    if ringed:
        found.append(_ring(xy[ringed, 0], xy[ringed, 1], theme, size=14) | axes)
    return found


def _side(i: int, xy: np.ndarray) -> str:
    """Write a text towards the middle of its panel, so that none is cut off, and away from what is near."""
    span = np.ptp(xy, axis=0) + 1e-12
    x, y = (xy[i] - xy.min(axis=0)) / span
    apart = np.abs((xy - xy[i]) / span)
    apart[i] = np.inf
    near = int(np.argmin((apart**2).sum(axis=1))) if len(xy) > 1 else i
    up = y < 0.93 and (xy[near, 1] <= xy[i, 1] or y < 0.07)
    across = "left" if x > 0.72 else "right" if x < 0.28 else "center"
    return f"{'top' if up else 'bottom'} {across}"


def correlation_figure(
    shown: Dots,
    *,
    x_title: str,
    y_title: str,
    things: str,
    line: Fitted | None = None,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw one number of each model or space against another, with the regression line and its band.

    Parameters
    ----------
    shown : Dots
        Those with both numbers.
    x_title, y_title : str
    things : str
        What n counts.
    line : Fitted, optional
    picked : str
        The dot that is ringed, "" for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces whose ``meta`` is "models" is the id.
    """
    x, y = np.asarray(shown.x, float), np.asarray(shown.y, float)
    if not len(x):
        raise ValueError("There is nothing to draw: nothing has both numbers.")
    if x.shape != y.shape or len(x) != len(shown.ids):
        raise ValueError(f"There are {len(shown.ids)} dots, {len(x)} x and {len(y)} y; each needs both.")
    traces = _line(line, theme)
    if shown.ends is not None:
        low, high = np.asarray(shown.ends, float).T
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": x,
                "y": y,
                "error_y": whiskers(y, low, high, f"{RULE[theme]}aa", thickness=1.2),
                "marker": {"size": 1, "opacity": 0},
                "hoverinfo": "skip",
                "showlegend": False,
                "meta": "intervals",
            }
        )
    sides = _sides(x, y)
    hollow = np.zeros(len(x), bool) if shown.hollow is None else np.asarray(shown.hollow, bool)
    for i, kind in enumerate(shown.kinds):
        mine = np.flatnonzero(np.asarray(shown.series) == i)
        if not len(mine):
            continue
        hue, symbol = _LOOKS[i % len(_LOOKS)]
        colour = palette.BASE[theme][hue]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": x[mine],
                "y": y[mine],
                "customdata": [shown.ids[j] for j in mine.tolist()],
                "hovertext": [shown.said[j] for j in mine.tolist()],
                "hovertemplate": "%{hovertext}<extra></extra>",
                "text": [short(shown.names[j], 22) for j in mine.tolist()],
                "textposition": [sides[j] for j in mine.tolist()],
                "textfont": {"size": 11.5, "color": INK[theme]},
                "cliponaxis": False,
                "marker": {
                    "symbol": [f"{symbol}-open" if hollow[j] else symbol for j in mine.tolist()],
                    "size": 11,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                "selected": {"marker": {"opacity": 1}},
                "unselected": {"marker": {"opacity": 1}},
                "name": kind,
                "showlegend": len(shown.kinds) > 1,
                "meta": "models",
            }
        )
    if picked in shown.ids:
        j = list(shown.ids).index(picked)
        traces.append(_ring(x[[j]], y[[j]], theme, size=21))
    layout: dict[str, Any] = {
        "height": 430,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"{x_title}<br>n = {len(x):,} {things}"},
            "range": _reach(x),
            "nticks": 7,
            "showgrid": True,
        },
        "yaxis": {"title": {"text": y_title}, "range": _reach(y, shown.ends), "nticks": 7, "showgrid": True},
        "hoverdistance": 14,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def ranked_figure(
    names: Sequence[str],
    ids: Sequence[str],
    pearson: np.ndarray,
    spearman: np.ndarray,
    counts: Sequence[int],
    *,
    things: str,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw the correlation of each measure with its interval, the strongest at the top.

    Parameters
    ----------
    names, ids : sequence of str, length m
        The measures as they are read, and what a click gives.
    pearson, spearman : ndarray, shape (m, 3)
        The correlation and the ends of its interval.
    counts : sequence of int
        Of how many things each is.
    things : str
        What these are.
    picked : str
        The measure that is marked.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces with ``meta`` "pearson" and "spearman" begins with the measure.
    """
    if not len(names):
        raise ValueError("There is nothing to draw: no measure has a correlation.")
    blue, orange = palette.BASE[theme][0], palette.BASE[theme][1]
    traces = []
    for kind, values, shift, marker in (
        ("pearson", pearson, -0.13, {"symbol": "circle", "size": 10, "color": blue}),
        ("spearman", spearman, 0.15, {"symbol": "diamond-open", "size": 9, "color": orange}),
    ):
        value, low, high = np.asarray(values, float).reshape(-1, 3).T
        trace = estimates(names, value, low, high, counts, marker)
        words = trace["customdata"]
        trace |= {
            "y": np.arange(len(names)) + shift,
            "customdata": [[i, *said] for i, said in zip(ids, words, strict=True)],
            "hovertemplate": f"%{{customdata[1]}}<br>{'r' if kind == 'pearson' else 'ρ'} = %{{x:.3f}}<br>"
            "%{customdata[2]}, n = %{customdata[3]}<extra></extra>",
            "selected": {"marker": {"opacity": 1}},
            "unselected": {"marker": {"opacity": 1}},
            "name": "Pearson r" if kind == "pearson" else "Spearman ρ",
            "meta": kind,
        }
        traces.append(trace)
    here = list(ids).index(picked) if picked in ids else -1
    texts = [f"<b>{short(n, 30)}</b>" if i == here else short(n, 30) for i, n in enumerate(names)]
    n = sorted(set(counts))
    said = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    layout: dict[str, Any] = {
        "height": 36 * len(names) + 130,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"correlation with accuracy, 95% interval<br>n = {said} {things}"},
            "range": [-1.06, 1.06],
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["−1", "−0.5", "0", "0.5", "1"],
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [_rule("x", 0.0, theme)],
    }
    if here >= 0:
        layout["shapes"].append(
            {
                "type": "rect",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": here - 0.5,
                "y1": here + 0.5,
                "fillcolor": "rgba(128,128,128,0.12)",
                "line": {"width": 0},
                "layer": "below",
            }
        )
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def over_k_figure(
    ks: np.ndarray,
    values: np.ndarray,
    levels: Sequence[tuple[str, float]],
    *,
    k: int,
    n: int,
    items: str,
    theme: str = "light",
) -> go.Figure:
    """Draw how well NNGS predicts accuracy over the size of the neighbourhood, beside CKA, which has none.

    Parameters
    ----------
    ks : ndarray of int, shape (K,)
    values : ndarray, shape (K, 3)
        Pearson's r at each size and the ends of its interval; NaN where NNGS is the same for all.
    levels : sequence of (str, float)
        Name and r of what has no size.
    k : int
        The size that the rest of the page looks at.
    n : int
        Spaces.
    items : str
        What the neighbourhoods are of, such as "400 clips".
    theme : {"light", "dark"}
    """
    r, low, high = np.asarray(values, float).reshape(-1, 3).T
    ok = np.isfinite(r)
    if not ok.any():
        raise ValueError("There is nothing to draw: NNGS has no correlation at any k.")
    blue = palette.BASE[theme][0]
    x = np.asarray(ks)[ok]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": np.concatenate([x, x[::-1]]),
            "y": np.concatenate([high[ok], low[ok][::-1]]),
            "fill": "toself",
            "fillcolor": f"{blue}22",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "name": "95% interval",
            "meta": "band",
        },
        {
            "type": "scatter",
            "mode": "lines+markers" if len(x) < 80 else "lines",
            "x": x,
            "y": r[ok],
            "line": {"color": blue, "width": 2.2},
            "marker": {"size": 5},
            "hovertemplate": "k = %{x}<br>r = %{y:.3f}<extra></extra>",
            "name": "NNGS at k",
            "meta": "nngs",
        },
    ]
    for i, (name, level) in enumerate(levels):
        if np.isfinite(level):
            hue = (1, 4, 2, 5)[i % 4]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [int(x[0]), int(x[-1])],
                    "y": [level, level],
                    "line": {"color": palette.BASE[theme][hue], "width": 2, "dash": ("dash", "dot")[i % 2]},
                    "hovertemplate": f"{name}<br>r = %{{y:.3f}}<extra></extra>",
                    "name": name,
                    "meta": "cka",
                }
            )
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if x[0] <= t <= x[-1]]
    layout: dict[str, Any] = {
        "height": 420,
        "margin": {"t": 64},
        "xaxis": {
            "type": "log",
            "title": {"text": f"k, neighbours of each of {items}<br>n = {n:,} spaces"},
            "tickvals": ticks,
            "ticktext": [f"{t:,}" for t in ticks],
        },
        "yaxis": {"title": {"text": "Pearson r with accuracy"}, "range": [-1.06, 1.06], "nticks": 6},
        "shapes": [_rule("y", 0.0, theme), _rule("x", k, theme, dash="dot")],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def class_by_model_figure(
    shown: ByClass, *, model: str, chance: float, chosen: str = "", theme: str = "light"
) -> go.Figure:
    """Draw the accuracy of each class by one model with its interval, and by the others as faint marks.

    Parameters
    ----------
    shown : ByClass
    model : str
        The one with intervals.
    chance : float
    chosen : str
        Class whose name is bold.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "classes" begins with the class.
    """
    n = len(shown.names)
    if not n:
        raise ValueError("There is nothing to draw: no class was tested.")
    at = np.arange(n)
    value, low, high = np.asarray(shown.accuracy, float).reshape(-1, 3).T
    traces: list[dict[str, Any]] = []
    if len(shown.others):
        rest = np.asarray(shown.rest, float)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": rest.ravel(),
                "y": np.tile(at, len(shown.others)),
                "text": [
                    f"{c}<br>{m}: {v:.3f}"
                    for m, row in zip(shown.others, rest.tolist(), strict=True)
                    for c, v in zip(shown.names, row, strict=True)
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {
                    "symbol": "line-ns",
                    "size": 10,
                    "line": {"width": 1.6, "color": f"{RULE[theme]}cc"},
                },
                "unselected": {"marker": {"opacity": 1}},
                "name": "the other models",
                "meta": "others",
            }
        )
    dots = estimates(
        shown.names, value, low, high, shown.counts.tolist(), {"size": 10, "color": palette.BASE[theme][0]}
    )
    traces.append(dots | {"unselected": {"marker": {"opacity": 1}}, "name": model, "meta": "classes"})
    texts = [f"<b>{short(name, 24)}</b>" if name == chosen else short(name, 24) for name in shown.names]
    total = int(shown.counts.sum())
    layout: dict[str, Any] = {
        "height": round(max(21.0, min(34.0, 420 / n)) * n) + 120,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"accuracy, 0 to 1 · 95% interval<br>n = {total:,} clips · dashed: chance"},
            "range": [-0.03, 1.03],
            "tickformat": ".1f",
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [_rule("x", chance, theme, dash="dash")],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def confused_figure(
    names: Sequence[str],
    counts: np.ndarray,
    *,
    picked: tuple[str, str] = ("", ""),
    theme: str = "light",
) -> go.Figure:
    """Draw how many clips of each class (rows) were taken for each (columns), small enough for many classes.

    Parameters
    ----------
    names : sequence of str, length C
    counts : ndarray of int, shape (C, C)
    picked : pair of str
        True and predicted class of the outlined cell.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "cells" is the pair. Colours are shares of the row; a cell
        without a clip is blank.
    """
    n = len(names)
    grid = np.asarray(counts, np.int64)
    if grid.shape != (n, n) or not n:
        raise ValueError(f"counts has shape {grid.shape}; needed is ({n}, {n}), a row and a column a class.")
    total = grid.sum(axis=1, keepdims=True)
    share = np.divide(grid, total, out=np.full(grid.shape, np.nan), where=(total > 0) & (grid > 0))
    size = max(17, min(40, 480 // n))
    places = [(i, j) for i in range(n) for j in range(n)]
    drawn = cells(
        share,
        [[f"{v:,}" if size >= 20 else "" for v in row] for row in grid.tolist()],
        places,
        [
            f"<b>{names[i]}</b> taken for <b>{names[j]}</b><br>{grid[i, j]:,} of {int(total[i, 0]):,} clips"
            for i, j in places
        ],
        ids=[[names[i], names[j]] for i, j in places],
        ends=(0.0, 1.0),
        size=size,
        theme=theme,
    )
    drawn[-1]["textfont"]["size"] = 12 if size >= 28 else 10
    most = 18 if size >= 28 else 14
    ticks = {"tickvals": list(range(n)), "ticktext": [short(name, most) for name in names], "showgrid": False}
    layout: dict[str, Any] = {
        "height": size * n + 170,
        "margin": {"t": 20},
        "xaxis": ticks
        | {
            "title": {"text": f"taken for · n = {int(grid.sum()):,} clips"},
            "range": [-0.5, n - 0.5],
            "tickangle": -50,
            "tickfont": {"size": 11},
        },
        "yaxis": ticks
        | {"title": {"text": "class of the clip"}, "range": [n - 0.5, -0.5], "tickfont": {"size": 11}},
        "shapes": [
            outline(i, j, _PICKED[theme], width=2) for i, j in places if (names[i], names[j]) == tuple(picked)
        ],
        "hoverdistance": 60,
    }
    return go.Figure({"data": drawn, "layout": layout}, _validate=False)


def leaks_figure(
    names: Sequence[str],
    captions: np.ndarray,
    clips: np.ndarray,
    *,
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw how many captions of training clips name each test class.

    Parameters
    ----------
    names : sequence of str, length C
        The topmost first.
    captions, clips : ndarray of int, shape (C,)
        Captions, and the clips that they are of.
    chosen : str
        Class that is marked.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "leaks" is the class.
    """
    if not len(names):
        raise ValueError("There is nothing to draw: there is no test class.")
    blue = palette.BASE[theme][0]
    at = list(names).index(chosen) if chosen in names else -1
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": np.asarray(captions),
        "y": np.arange(len(names)),
        "customdata": list(names),
        "text": [f"{v:,}" for v in np.asarray(captions).tolist()],
        "textposition": "outside",
        "textfont": {"size": 11, "color": INK[theme]},
        "cliponaxis": False,
        "hovertext": [
            f"<b>{n}</b><br>{a:,} captions of {b:,} clips"
            for n, a, b in zip(names, np.asarray(captions).tolist(), np.asarray(clips).tolist(), strict=True)
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"color": [blue if at in (-1, i) else f"{blue}77" for i in range(len(names))]},
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 1}},
        "meta": "leaks",
    }
    texts = [f"<b>{short(n, 24)}</b>" if i == at else short(n, 24) for i, n in enumerate(names)]
    most = max(1, int(np.max(captions)))
    layout: dict[str, Any] = {
        "height": round(max(20.0, min(34.0, 420 / len(names))) * len(names)) + 90,
        "margin": {"t": 12, "r": 30},
        "bargap": 0.25,
        "showlegend": False,
        "xaxis": {
            "title": {"text": "captions of training clips that name the class"},
            "range": [0, 1.1 * most],
            "nticks": 6,
            "tickformat": ",d",
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
    }
    return go.Figure({"data": [trace], "layout": layout}, _validate=False)


def contrastive_learning_figure(
    curves: np.ndarray,
    *,
    best: int,
    unfrozen: int = 0,
    theme: str = "light",
) -> go.Figure:
    """Draw how a contrastive model learned: losses, temperature and gradient over the epochs.

    Parameters
    ----------
    curves : ndarray, shape (5, E)
        Loss, validation loss, temperature, learning rate, gradient norm; NaN after the model stopped.
    best : int
        The epoch, from 1, whose weights were kept; 0 for none.
    unfrozen : int
        Epochs with frozen backbones; 0 for none.
    theme : {"light", "dark"}
    """
    loss, validation, temperature, rate, gradient = np.asarray(curves, float)
    epochs = np.arange(1, len(loss) + 1)
    there = np.isfinite(curves).any(axis=0)
    if not there.any():
        raise ValueError("There is nothing to draw: the model has no epoch.")
    last = int(epochs[there].max())
    hues = palette.BASE[theme]

    def line(y: np.ndarray, name: str, colour: str, axis: str, dash: str = "solid") -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines+markers" if last < 12 else "lines",
            "x": epochs[:last],
            "y": y[:last],
            "yaxis": axis,
            "line": {"color": colour, "width": 2, "dash": dash},
            "marker": {"size": 5},
            "hovertemplate": f"epoch %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
            "name": name,
        }

    traces = [
        line(loss, "training loss", hues[0], "y"),
        line(validation, "validation loss", hues[1], "y", "dash"),
        line(temperature, "temperature", hues[2], "y2") | {"showlegend": False},
        line(gradient, "gradient norm", hues[4], "y3") | {"showlegend": False},
    ]
    traces[0]["customdata"] = rate[:last]
    traces[0]["hovertemplate"] = (
        "epoch %{x}<br>training loss %{y:.4g}<br>learning rate %{customdata:.1g}<extra></extra>"
    )
    shapes, marks = [], []
    for at, text, y in ((best, "kept", 1.0), (unfrozen + 0.5 if 0 < unfrozen < last else 0, "unfrozen", 0.9)):
        if at:
            shapes.append(_rule("x", at, theme, dash="dash" if text == "kept" else "dot"))
            marks.append(
                {
                    "x": at,
                    "y": y,
                    "yref": "paper",
                    "yanchor": "top",
                    "xanchor": "right" if at > last / 2 else "left",
                    "text": f" {text}: epoch {best} " if text == "kept" else f" {text} ",
                    "showarrow": False,
                    "font": {"size": 12, "color": INK[theme]},
                }
            )
    layout: dict[str, Any] = {
        "height": 440,
        "margin": {"t": 44},
        "xaxis": {"title": {"text": "epoch"}, "anchor": "y3", "tickformat": ",d", "range": [0.5, last + 0.5]},
        "yaxis": {"domain": [0.5, 1], "title": {"text": "CLIP loss"}, "rangemode": "tozero"},
        "yaxis2": {"domain": [0.27, 0.43], "title": {"text": "temperature"}, "anchor": "x", "nticks": 3},
        "yaxis3": {
            "domain": [0, 0.2],
            "title": {"text": "gradient"},
            "anchor": "x",
            "rangemode": "tozero",
            "nticks": 3,
        },
        "shapes": shapes,
        "annotations": marks,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _line(line: Fitted | None, theme: str) -> list[dict[str, Any]]:
    if line is None:
        return []
    common = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    return [
        common
        | {
            "x": np.concatenate([line.x, line.x[::-1]]),
            "y": np.concatenate([line.high, line.low[::-1]]),
            "fill": "toself",
            "fillcolor": f"{RULE[theme]}30",
            "line": {"width": 0},
            "name": "95% band",
            "meta": "band",
        },
        common
        | {
            "x": line.x,
            "y": line.y,
            "line": {"color": INK[theme], "width": 1.8},
            "name": "regression line",
            "meta": "line",
        },
    ]


def _reach(values: np.ndarray, ends: np.ndarray | None = None) -> list[float]:
    """Return the ends of an axis with room for names; of long intervals only what is near the dots."""
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 0.1 * max(abs(high), 1.0)
    if ends is not None and np.isfinite(ends).any():
        low = max(low - span, min(low, float(np.nanmin(ends))))
        high = min(high + span, max(high, float(np.nanmax(ends))))
    return [low - 0.14 * span, high + 0.14 * span]


def _sides(x: np.ndarray, y: np.ndarray) -> list[str]:
    """Choose on which side of its dot each name is written, so that few lie over each other.

    Taken in order of x, each goes where the least of a dot or of a name that is there already is near.
    """
    span = [float(np.ptp(v)) or 1.0 for v in (x, y)]
    at = np.column_stack([(x - x.min()) / span[0], (y - y.min()) / span[1]])
    offsets = {
        "top center": (0.0, 0.06),
        "bottom center": (0.0, -0.06),
        "middle right": (0.12, 0.0),
        "middle left": (-0.12, 0.0),
    }
    taken: list[np.ndarray] = []
    found = [""] * len(x)
    for i in np.argsort(at[:, 0], kind="stable").tolist():
        costs = {}
        others = np.delete(at, i, axis=0)
        for side, offset in offsets.items():
            place = at[i] + offset
            if (side == "middle left" and place[0] < 0.1) or (side == "middle right" and place[0] > 0.9):
                continue
            near = [*others, *taken]
            # A name is wider than high.
            gaps = [abs(p[0] - place[0]) / 0.2 + abs(p[1] - place[1]) / 0.07 for p in near]
            costs[side] = sum(max(0.0, 1 - g) for g in gaps)
        found[i] = min(costs, key=lambda s: costs[s])
        taken.append(at[i] + offsets[found[i]])
    return found


def _ring(x: np.ndarray, y: np.ndarray, theme: str, *, size: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "marker": {
            "symbol": "circle-open",
            "size": size,
            "color": _PICKED[theme],
            "line": {"width": 2.2, "color": _PICKED[theme]},
        },
        "unselected": {"marker": {"opacity": 1}},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": "chosen",
    }


def _rule(axis: str, at: float, theme: str, *, dash: str = "solid") -> dict[str, Any]:
    other = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": at,
        f"{axis}1": at,
        f"{other}ref": "paper",
        f"{other}0": 0,
        f"{other}1": 1,
        "line": {"color": RULE[theme], "width": 1.3, "dash": dash},
        "layer": "below",
    }
