"""Small linked maps of the spaces of several models, and the learning curves of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import learning_figures, palette
from dashboard.kit.labels import fitting
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import ring
from dashboard.kit.text import label, plain, short

#: Points up to which small maps are drawn without WebGL: they stay sharp in print, and need no context.
SVG_POINTS = 6000
#: Texts of a map up to which those that fit are written beside their points.
WRITTEN = 100
#: Widths in pixels for which names are chosen: of a small map in a narrow window, and in a wide one.
_NARROW, _WIDE = 175.0, 390.0
#: Room at each side of a map of texts, as a part of what the points take.
_MARGIN = 0.09
_ROW, _GAP = 225, 46
_FAINT = 0.2


@dataclass(frozen=True)
class Panel:
    """A small map of n clips or texts of classes."""

    title: str
    group: str  # heading of its row, such as the figure of the paper; "" but for the first panel of a row
    ids: Sequence[str]  # clips or classes; a click gives ``[kind, id, class]``
    kind: str  # "clip" or "class"
    coords: np.ndarray  # (n, 2)
    codes: np.ndarray  # (n,) indices into the classes
    hover: Sequence[str]  # the text of each when it is pointed at


def small_maps_figure(
    lines: Sequence[Sequence[Panel]],
    names: Sequence[str],
    styles: Sequence[palette.Style],
    *,
    chosen: str = "",
    clip: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw small maps in rows, all in one figure; the chosen class and clip are marked in each of them.

    `lines` are the rows from the top, whose panels share the width; `names` and `styles` are of the classes.
    Points of the chosen class ("" for all) stay bright, the `clip` ("" for none) is ringed. ``customdata`` of
    the traces whose ``meta`` is "points" is the kind, the id and the class.
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
            if panel.kind == "class" and len(panel.ids):
                for letter, low, high in zip("xy", *_reach(panel.coords), strict=True):
                    layout[f"{letter}axis{suffix}"]["range"] = [low, high]
            layout["annotations"] += _titles(panel, suffix, theme)
            axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
            points = _points(panel, names, styles, at, many=many, theme=theme)
            marks = [*_names(panel, at, theme), *_ring(panel, clip, theme)]
            traces += [trace | axes for trace in (points, *marks)]
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
    lines = [(plain(panel.title), 2, 12.0)]
    if panel.group:
        lines.append((f"<b>{plain(panel.group)}</b>", 19, 12.5))
    return [
        common | {"text": text, "yshift": shift, "font": {"size": size, "color": INK[theme]}}
        for text, shift, size in lines
    ]


def _points(
    panel: Panel,
    names: Sequence[str],
    styles: Sequence[palette.Style],
    at: int,
    *,
    many: bool,
    theme: str,
) -> dict[str, Any]:
    """Return the trace of the points; those of the chosen class `at`, unless it is -1, stay bright."""
    xy = np.asarray(panel.coords, np.float32).reshape(-1, 2)
    codes = np.asarray(panel.codes, np.int64)
    bright = (codes == at) if at >= 0 else np.ones(len(codes), bool)
    texts = panel.kind == "class"
    opacity = np.where(bright, 0.95 if at >= 0 or texts else 0.8, 0.3 if texts else _FAINT)
    size = 8 if texts else 4 if many else 5.5
    return {
        "type": "scattergl" if many and not texts else "scatter",
        "mode": "markers",
        "x": xy[:, 0],
        "y": xy[:, 1],
        "customdata": [[panel.kind, i, names[c]] for i, c in zip(panel.ids, codes.tolist(), strict=True)],
        "hovertext": list(panel.hover),
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
        "name": plain(panel.title),
        "meta": "points",
    }


def _ring(panel: Panel, clip: str, theme: str) -> list[dict[str, Any]]:
    """Return the ring around the chosen clip, if it is in the panel."""
    at = [i for i, id in enumerate(panel.ids) if clip and id == clip and panel.kind == "clip"]
    if not at:
        return []
    x, y = np.asarray(panel.coords, np.float32)[at].T
    return [ring(x, y, theme, size=14)]


def _reach(coords: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the lower and the upper ends of both axes of a map with names."""
    xy = np.asarray(coords, float).reshape(-1, 2)
    span = np.ptp(xy, axis=0)
    room = _MARGIN * np.where(span > 0, span, 1.0)
    return (xy.min(axis=0) - room).tolist(), (xy.max(axis=0) + room).tolist()


def _names(panel: Panel, at: int, theme: str) -> list[dict[str, Any]]:
    """Return the names of texts that fit a narrow window, then those that fit a wide one as well.

    The page hides what is third in a panel, after its points, where the window is narrow.
    """
    ids, xy = panel.ids, np.asarray(panel.coords, np.float32).reshape(-1, 2)
    if panel.kind != "class" or not 0 < len(ids) <= WRITTEN:
        return []
    chosen = int(next(iter(np.flatnonzero(np.asarray(panel.codes) == at)), -1)) if at >= 0 else -1
    texts = [short(n, 18) for n in ids]
    drawn = [label(n, 18) for n in ids]
    low, high = (np.array(ends) for ends in _reach(xy))
    share = (xy - low) / (high - low)
    share[:, 1] = 1 - share[:, 1]
    narrow = fitting(share * (_NARROW, _ROW), texts, (_NARROW, _ROW), first=chosen)
    wide = fitting(share * (_WIDE, _ROW), texts, (_WIDE, _ROW), first=chosen, kept=narrow)
    # Markers that are not seen hold the names as far from the points as they are wide.
    look = {"textfont": {"color": INK[theme]}, "marker": {"opacity": 0}}
    return [
        {
            "type": "scatter",
            "mode": "markers+text",
            "marker": {"size": 8, "opacity": 0},
            "x": xy[list(sides), 0],
            "y": xy[list(sides), 1],
            "text": [f"<b>{drawn[i]}</b>" if i == chosen else drawn[i] for i in sides],
            "textposition": list(sides.values()),
            "textfont": {"size": 10.5, "color": INK[theme]},
            "selected": look,
            "unselected": look,
            "hoverinfo": "skip",
            "cliponaxis": False,
            "meta": meta,
        }
        for meta, sides in (("names", narrow), ("wide names", wide))
        if sides
    ]


def contrastive_learning_figure(
    curves: np.ndarray, *, best: int, unfrozen: int = 0, theme: str = "light"
) -> go.Figure:
    """Draw how a contrastive model learned: losses, temperature and gradient over the epochs.

    `curves` are loss, validation loss, temperature, learning rate and gradient norm, (5, E), NaN after the
    model stopped; `best` is the epoch, from 1, whose weights were kept, 0 for none; `unfrozen` the number of
    epochs with frozen backbones.
    """
    loss, validation, temperature, rate, gradient = np.asarray(curves, float)
    known = np.flatnonzero(np.isfinite(curves).any(axis=0))
    if not len(known):
        raise ValueError("There is nothing to draw: the model has no epoch.")
    last = int(known[-1]) + 1
    hues = palette.BASE[theme]
    losses = [("training loss", loss, hues[0], "solid"), ("validation loss", validation, hues[1], "dash")]
    zero = {"rangemode": "tozero"}
    panels = [
        learning_figures.Panel("CLIP loss", 0.5, losses, zero),
        learning_figures.Panel(
            "temperature", 0.16, [("temperature", temperature, hues[2], "solid")], {"nticks": 3}
        ),
        learning_figures.Panel(
            "gradient", 0.2, [("gradient norm", gradient, hues[4], "solid")], zero | {"nticks": 3}
        ),
    ]
    marks = [(float(best), f"kept: epoch {best}", "dash", 1.0)] * bool(best)
    marks += [(unfrozen + 0.5, "unfrozen", "dot", 0.9)] * (0 < unfrozen < last)
    figure = learning_figures.model_figure(panels, marks=marks, height=440, theme=theme)
    first = figure.data[0]
    first.customdata = rate[:last]
    first.hovertemplate = (
        "epoch %{x}<br>training loss %{y:.4g}<br>learning rate %{customdata:.1g}<extra></extra>"
    )
    return figure
