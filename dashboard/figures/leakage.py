"""Figures of the leak that flatters zero-shot accuracy: linked small maps, and one model from near by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._cells import cells, outline
from dashboard.figures._marks import PICKED, ring, rule
from dashboard.figures._rows import estimates, rows
from dashboard.figures.look import INK, RULE
from dashboard.figures.separability import short

#: Points up to which small maps are drawn without WebGL: they stay sharp in print, and need no context.
SVG_POINTS = 6000
#: Texts of a map that are written beside their points at most.
WRITTEN = 24
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
        found.append(ring(xy[ringed, 0], xy[ringed, 1], theme, size=14) | axes)
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
        "shapes": [rule("x", chance, theme, dash="dash")],
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
            outline(i, j, PICKED[theme], width=2) for i, j in places if (names[i], names[j]) == tuple(picked)
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
            shapes.append(rule("x", at, theme, dash="dash" if text == "kept" else "dot"))
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
