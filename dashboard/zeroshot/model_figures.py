"""Figures of one zero-shot model: its test classes, what it takes for what, and how it learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._cells import cells, outline
from dashboard.figures._rows import estimates, rows, shares
from dashboard.figures.look import INK, RULE
from dashboard.figures.text import label, whole
from dashboard.zeroshot.figures import PICKED

#: Height of a cell in pixels.
_CELL = 46


def class_accuracy_figure(
    names: Sequence[str],
    values: np.ndarray,
    counts: Sequence[int],
    *,
    chance: float,
    theme: str = "light",
) -> go.Figure:
    """Draw the accuracy of one model on each test class with its interval.

    Parameters
    ----------
    names : sequence of str, length C
        Topmost first.
    values : ndarray, shape (C, 3)
        Accuracy and the ends of its interval.
    counts : sequence of int
        Clips a class.
    chance : float
    theme : {"light", "dark"}
    """
    value, low, high = np.asarray(values, float).reshape(-1, 3).T
    marker = {"size": 10, "color": palette.BASE[theme][0]}
    texts = [f"{label(n, 20)}<br>n = {c:,}" for n, c in zip(names, counts, strict=True)]
    layout: dict[str, Any] = {
        "height": 44 * len(names) + 128,
        "showlegend": False,
        "margin": {"t": 30},
        "xaxis": shares("share of the clips<br>taken for their class<br>95% interval (Wilson)"),
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [_upright(chance, theme)],
        "annotations": [
            {
                "x": chance,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "text": f"chance {chance:.2f}",
                "showarrow": False,
                "font": {"size": 12, "color": INK[theme]},
            }
        ],
    }
    # Dots at the ends of the axis are whole.
    dots = estimates(names, value, low, high, counts, marker) | {"cliponaxis": False}
    return go.Figure({"data": [dots], "layout": layout}, _validate=False)


def confusion_figure(
    names: Sequence[str],
    counts: np.ndarray,
    *,
    picked: tuple[str, str] = ("", ""),
    theme: str = "light",
) -> go.Figure:
    """Draw how many clips of each class (rows) were taken for each class (columns).

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
        ``customdata`` of the trace with ``meta`` "cells" is the pair. Colours are shares of the row, so that
        classes with many clips look as those with few.
    """
    n = len(names)
    grid = np.asarray(counts, np.int64)
    if grid.shape != (n, n):
        raise ValueError(f"counts has shape {grid.shape}; needed is ({n}, {n}), a row and a column a class.")
    total = grid.sum(axis=1, keepdims=True)
    share = np.divide(grid, total, out=np.full(grid.shape, np.nan), where=total > 0)
    places = [(i, j) for i in range(n) for j in range(n)]
    drawn = cells(
        share,
        [[f"{v:,}" for v in row] for row in grid.tolist()],
        places,
        [
            f"<b>{whole(names[i])}</b> taken for <b>{whole(names[j])}</b><br>"
            f"{grid[i, j]:,} of {int(total[i, 0]):,} clips"
            for i, j in places
        ],
        ids=[[names[i], names[j]] for i, j in places],
        ends=(0.0, 1.0),
        size=_CELL,
        theme=theme,
    )
    ticks = {"tickvals": list(range(n)), "ticktext": [label(name, 16) for name in names], "showgrid": False}
    layout: dict[str, Any] = {
        "height": _CELL * n + 190,
        "margin": {"t": 20},
        "xaxis": ticks
        | {
            "title": {"text": f"taken for · n = {int(grid.sum()):,} clips"},
            "range": [-0.5, n - 0.5],
            "tickangle": -40,
        },
        "yaxis": ticks | {"title": {"text": "class of the clip"}, "range": [n - 0.5, -0.5]},
        "shapes": [outline(i, j, PICKED[theme]) for i, j in places if (names[i], names[j]) == tuple(picked)],
        "hoverdistance": 120,
    }
    return go.Figure({"data": drawn, "layout": layout}, _validate=False)


def learning_figure(
    curves: np.ndarray,
    *,
    best: int,
    n_train: int,
    n_validation: int,
    chance: tuple[float, float],
    theme: str = "light",
) -> go.Figure:
    """Draw loss, training and validation accuracy of a model over its epochs.

    Parameters
    ----------
    curves : ndarray, shape (3, E)
        NaN after the model stopped; a row of NaN alone is not drawn, nor the chance beside it.
    best : int
        The epoch, from 1, whose weights were judged; 0 for none.
    n_train, n_validation : int
        Classes among which accuracy is measured.
    chance : (float, float)
        Accuracy of guessing among these.
    theme : {"light", "dark"}
    """
    loss, train, validation = np.asarray(curves, float)
    epochs = np.arange(1, len(loss) + 1)
    there = np.isfinite(curves).any(axis=0)
    last = int(epochs[there].max()) if there.any() else len(loss)
    blue, green = palette.BASE[theme][0], palette.BASE[theme][2]

    def line(y: np.ndarray, name: str, colour: str, axis: str, dash: str = "solid") -> dict[str, Any]:
        return {
            "type": "scatter",
            "mode": "lines" if last > 1 else "markers",
            "x": epochs[:last],
            "y": y[:last],
            "yaxis": axis,
            "line": {"color": colour, "width": 2, "dash": dash},
            "hovertemplate": f"epoch %{{x}}<br>{name} %{{y:.3f}}<extra></extra>",
            "name": name,
        }

    drawn = [
        (train, f"training, {n_train} classes", blue, "solid", chance[0]),
        (validation, f"validation, {n_validation} classes", green, "dash", chance[1]),
    ]
    # Neither accuracy is there where the training failed at once.
    drawn = [d for d in drawn if np.isfinite(d[0]).any()]
    traces = [
        line(loss, "loss", INK[theme], "y2") | {"showlegend": False},
        *(line(y, name, colour, "y", dash) for y, name, colour, dash, _ in drawn),
    ]
    shapes: list[dict[str, Any]] = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": level,
            "y1": level,
            "line": {"color": colour, "width": 1, "dash": "dot"},
            "layer": "below",
        }
        for _, _, colour, _, level in drawn
    ]
    marks: list[dict[str, Any]] = []
    if best:
        shapes.append(_upright(best, theme))
        marks.append(
            {
                "x": best,
                "y": 0.4,
                "yref": "paper",
                "yanchor": "bottom",
                "xanchor": "right" if best > last / 2 else "left",
                "text": f" judged: epoch {best} ",
                "showarrow": False,
                "font": {"size": 12, "color": INK[theme]},
            }
        )
    layout: dict[str, Any] = {
        "height": 420,
        "margin": {"t": 44},
        "xaxis": {"title": {"text": "epoch"}, "anchor": "y2", "tickformat": ",d"},
        "yaxis": {
            "domain": [0.48, 1],
            "title": {"text": "accuracy, 0 to 1"},
            "range": [-0.02, 1.02],
        },
        "yaxis2": {
            "domain": [0, 0.38],
            "title": {"text": "loss (WARP)"},
            "anchor": "x",
            "rangemode": "tozero",
        },
        "shapes": shapes,
        "annotations": marks,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _upright(at: float, theme: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": RULE[theme], "width": 1.4, "dash": "dash"},
        "layer": "below",
    }
