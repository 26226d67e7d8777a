"""Figures of confusions: the accuracy of each class, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import cells, outline
from dashboard.kit.look import RULE
from dashboard.kit.marks import PICKED, estimates, rows, rule, scatter, steady
from dashboard.kit.text import label, plain, whole


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
    """The classes that clips of some classes were taken for.

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
        Number of classes.
    alike : int
        Classes without a row that have as many mistakes as the last with one.
    """

    names: Sequence[str]
    taken: Sequence[str]
    counts: np.ndarray
    held: Sequence[Sequence[Sequence[str]]]
    n_classes: int
    alike: int


def by_class_figure(
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
        line = {"width": 1.6, "color": f"{RULE[theme]}cc"}
        traces.append(
            scatter(
                rest.ravel(),
                np.tile(at, len(shown.others)),
                text=[
                    f"{whole(c)}<br>{whole(m)}: {v:.3f}"
                    for m, row in zip(shown.others, rest.tolist(), strict=True)
                    for c, v in zip(shown.names, row, strict=True)
                ],
                hovertemplate="%{text}<extra></extra>",
                marker={"symbol": "line-ns", "size": 10, "line": line},
                **steady(),
                name="the other models",
                meta="others",
            )
        )
    dots = estimates(
        shown.names, value, low, high, shown.counts.tolist(), {"size": 10, "color": palette.BASE[theme][0]}
    )
    traces.append(dots | steady() | {"name": plain(model), "meta": "classes"})
    pixels = max(21.0, min(34.0, 420 / n))
    texts = [
        (f"<b>{label(name, 24)}</b>" if name == chosen else label(name, 24))
        # A second line where it has room.
        + f"<br>n = {clips:,}" * (pixels >= 30)
        for name, clips in zip(shown.names, shown.counts.tolist(), strict=True)
    ]
    total = int(shown.counts.sum())
    layout: dict[str, Any] = {
        "height": round(pixels * n) + 155,
        "margin": {"t": 44},
        "xaxis": {
            "title": {
                "text": f"accuracy, 0 to 1<br>95% interval (Wilson)<br>n = {total:,} clips<br>dashed: chance"
            },
            "range": [-0.03, 1.03],
            "tickformat": ".1f",
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [rule("x", chance, theme, dash="dash")],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def matrix_figure(shown: Confused, *, picked: tuple[str, str] = ("", ""), theme: str = "light") -> go.Figure:
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
    # A class that has a column beside that of its right clips is blank in it.
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
    ticks = {"tickvals": list(range(len(names))), "ticktext": texts}
    return ticks | {"showgrid": False, "tickfont": {"size": 11}}


def _some(names: Sequence[str], most: int = 4) -> str:
    """Name a few classes, and count the others."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(whole, names[:most])) + more
