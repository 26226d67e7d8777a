"""One contrastive model from near by: its classes, what it confuses, how it learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._cells import cells, outline
from dashboard.figures._marks import PICKED, rule
from dashboard.figures._rows import estimates, rows
from dashboard.figures.look import INK, RULE
from dashboard.figures.text import label, plain, whole


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


@dataclass(frozen=True)
class Confused:
    """What clips of some classes were taken for.

    Attributes
    ----------
    names : sequence of str, length R
        The classes of the rows.
    taken : sequence of str, length S
        Titles of the columns.
    counts : ndarray of int, shape (R, S)
        Clips; a row holds all of its class.
    held : sequence of sequences of sequences of str
        The classes that each cell counts; a click gives the first.
    n_classes : int
        Classes there are.
    alike : int
        Classes without a row that have as many mistakes as the last with one.
    """

    names: Sequence[str]
    taken: Sequence[str]
    counts: np.ndarray
    held: Sequence[Sequence[Sequence[str]]]
    n_classes: int
    alike: int


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
                    f"{whole(c)}<br>{whole(m)}: {v:.3f}"
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
    traces.append(dots | {"unselected": {"marker": {"opacity": 1}}, "name": plain(model), "meta": "classes"})
    texts = [f"<b>{label(name, 24)}</b>" if name == chosen else label(name, 24) for name in shown.names]
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
    shown: Confused, *, picked: tuple[str, str] = ("", ""), theme: str = "light"
) -> go.Figure:
    """Draw how many clips of each class (rows) were taken for each (columns), small enough for many classes.

    Parameters
    ----------
    shown : Confused
    picked : pair of str
        True and predicted class of the outlined cell.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "cells" is the pair. Colours are shares of the row; a cell
        without a clip is blank.
    """
    names, taken, held = shown.names, shown.taken, shown.held
    n, across = len(names), len(taken)
    grid = np.asarray(shown.counts, np.int64)
    if grid.shape != (n, across) or not n:
        raise ValueError(f"counts has shape {grid.shape}; needed is ({n}, {across}), a row a class.")
    total = grid.sum(axis=1, keepdims=True)
    share = np.divide(grid, total, out=np.full(grid.shape, np.nan), where=(total > 0) & (grid > 0))
    size = max(17, min(40, 480 // n))
    # A class that has a column beside that of its right clips says nothing there.
    places = [(i, j) for i in range(n) for j in range(across) if held[i][j] not in held[i][:j]]
    drawn = cells(
        share,
        [[f"{v:,}" if size >= 20 else "" for v in row] for row in grid.tolist()],
        places,
        [
            f"<b>{whole(names[i])}</b> taken for <b>{_some(held[i][j])}</b>"
            f"<br>{grid[i, j]:,} of {int(total[i, 0]):,} clips"
            for i, j in places
        ],
        ids=[[names[i], held[i][j][0]] for i, j in places],
        ends=(0.0, 1.0),
        size=size,
        theme=theme,
    )
    drawn[-1]["textfont"]["size"] = 12 if size >= 28 else 10
    most = 18 if size >= 28 else 14
    classes = f" of {n:,} {'class' if n == 1 else 'classes'}" if n < shown.n_classes else ""
    layout: dict[str, Any] = {
        "height": size * n + 170,
        "margin": {"t": 20},
        "xaxis": _named(taken, most)
        | {
            "title": {"text": f"taken for · n = {int(grid.sum()):,} clips{classes}"},
            "range": [-0.5, across - 0.5],
            "tickangle": -50,
        },
        "yaxis": _named(names, most) | {"title": {"text": "class of the clip"}, "range": [n - 0.5, -0.5]},
        "shapes": [
            outline(i, j, PICKED[theme], width=2)
            for i, j in places
            if names[i] == picked[0] and picked[1] in held[i][j]
        ],
        "hoverdistance": 60,
    }
    return go.Figure({"data": drawn, "layout": layout}, _validate=False)


def _named(names: Sequence[str], most: int) -> dict[str, Any]:
    texts = [label(name, most) for name in names]
    return {
        "tickvals": list(range(len(names))),
        "ticktext": texts,
        "showgrid": False,
        "tickfont": {"size": 11},
    }


def _some(names: Sequence[str], most: int = 4) -> str:
    """Name a few classes, and say how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(whole, names[:most])) + more


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
