"""Figures of all zero-shot models of a grid: accuracies by setup, against similarity, and how one learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.correlation import Dots, correlation_figure, dots
from dashboard.kit.learning_figures import Panel, model_figure
from dashboard.kit.look import INK
from dashboard.kit.marks import chance_key, ring, rule, series_colour, steady, within
from dashboard.kit.text import label, whole

ACCURACY = "zero-shot accuracy, top-1, 0 to 1"
#: Pixels of the figures beside each other.
_HEIGHT = 470


def boxes_figure(
    shown: Dots,
    groups: Sequence[str],
    *,
    title: str,
    chance: float,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw accuracies as box plots, a group along x, a box for each series in it, and every model as a dot.

    Parameters
    ----------
    shown : Dots
        Models, each judged on one test set; ``x`` is the group of each.
    groups : sequence of str
        Names of the groups, from the left.
    title : str
        What the groups are.
    chance : float
        Accuracy of guessing; NaN where it differs between the models, and is not drawn.
    picked : str
        The model that is ringed, "" for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces whose ``meta`` is "models" is the model.
    """
    if not len(shown.ids):
        raise ValueError("There is nothing to draw: no model was judged.")
    at, y = shown.x.astype(int), shown.y
    several = len(shown.kinds)
    wide = 0.78 / several
    shift = wide * (np.arange(several) - (several - 1) / 2)
    place = at + shift[shown.series]
    spread = np.array(place)
    boxes: list[dict[str, Any]] = []
    clouds: list[dict[str, Any]] = []
    for i in np.unique(shown.series).tolist():
        mine = np.flatnonzero(shown.series == i)
        boxes.append(_box(place[mine], y[mine], shown.kinds[i], series_colour(i, theme), wide))
        spread[mine] += 0.3 * wide * within(at[mine], start=0.5)
        cloud = dots(shown, mine.tolist(), spread, y, i, theme)
        clouds.append(cloud | {"marker": cloud["marker"] | {"size": 6}})
    traces = [*boxes, *clouds, _means(shown, groups, shift, theme)]
    if picked in shown.ids:
        i = list(shown.ids).index(picked)
        traces.append(ring(spread[[i]], y[[i]], theme, size=17))
    layout: dict[str, Any] = {
        "height": _HEIGHT,
        "margin": {"t": 44},
        "boxmode": "overlay",
        "xaxis": {
            "title": {"text": f"{title}<br>n = {len(shown.ids):,} {_accuracies(shown.ids)}"},
            "tickvals": list(range(len(groups))),
            "ticktext": [
                f"{',<br>'.join(label(part, 24) for part in g.split(', '))}<br>n = {n:,}"
                for g, n in zip(groups, np.bincount(at, minlength=len(groups)).tolist(), strict=True)
            ],
            "tickangle": 0,
            "range": [-0.55, len(groups) - 0.45],
            "showgrid": False,
        },
        "yaxis": {"title": {"text": ACCURACY}} | _accuracy_axis(y),
        "hoverdistance": 12,
    }
    if np.isfinite(chance):
        # In the legend: beside the line, dots would lie over the words.
        traces.append(chance_key(chance, theme))
        layout["shapes"] = [rule("y", chance, theme, dash="dash")]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _box(x: np.ndarray, y: np.ndarray, name: str, colour: str, wide: float) -> dict[str, Any]:
    """Return the trace of the boxes of a series."""
    return {
        "type": "box",
        "x": x,
        "y": y,
        "boxpoints": False,
        "quartilemethod": "linear",
        "width": 0.84 * wide,
        "fillcolor": f"{colour}26",
        "line": {"color": colour, "width": 1.4},
        "whiskerwidth": 0.4,
        "hoverinfo": "skip",
        "name": label(name, 40),
        "legendgroup": name,
        "showlegend": False,
        "meta": "boxes",
    }


def _means(shown: Dots, groups: Sequence[str], shift: np.ndarray, theme: str) -> dict[str, Any]:
    """Return the trace of the means, which are what the paper names; medians are the lines within boxes."""
    at = shown.x.astype(int)
    cells = sorted({(int(g), int(s)) for g, s in zip(at, shown.series, strict=True)})
    mine = [shown.y[(at == g) & (shown.series == s)] for g, s in cells]
    several = len(shown.kinds) > 1
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [g + shift[s] for g, s in cells],
        "y": [float(values.mean()) for values in mine],
        "text": [
            f"{whole(groups[g])}{f' · {whole(shown.kinds[s])}' if several else ''}<br>"
            f"mean {values.mean():.3f}<br>n = {len(values):,} accuracies"
            for (g, s), values in zip(cells, mine, strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": "diamond",
            "size": 9,
            "color": INK[theme],
            "line": {"width": 1.2, "color": palette.BACKGROUND[theme]},
        },
        **steady(),
        "name": "mean",
        "meta": "means",
    }


def scatter_figure(
    shown: Dots, *, y_title: str = ACCURACY, things: str = "", theme: str = "light", **look: Any
) -> go.Figure:
    """Draw accuracy against a number of each model, with the regression line and its band.

    Parameters
    ----------
    shown : Dots
    y_title : str
    things : str
        What n counts; accuracies of models if "".
    theme : {"light", "dark"}
    **look
        ``x_title``, ``line``, ``picked`` and ``chance`` of `correlation_figure`.
    """
    axis = {"nticks": None} | _accuracy_axis(shown.y) if len(shown.y) else None
    things = things or _accuracies(shown.ids)
    figure = correlation_figure(shown, y_title=y_title, things=things, y_axis=axis, theme=theme, **look)
    figure.layout.height = _HEIGHT
    return figure


def _accuracies(ids: Sequence[str]) -> str:
    n = len({i.partition("-")[0] for i in ids})
    return f"accuracies of {n:,} model{'' if n == 1 else 's'}"


def _accuracy_axis(values: np.ndarray) -> dict[str, Any]:
    top = float(np.max(values))
    return {
        "range": [-0.02, min(1.02, max(0.3, 1.08 * top + 0.02))],
        "tickformat": ".1f",
        "dtick": 0.1 if top < 0.62 else 0.2,
        "showgrid": True,
    }


def learning_figure(
    curves: np.ndarray, *, best: int, n_train: int, n_validation: int, theme: str = "light"
) -> go.Figure:
    """Draw loss, training and validation accuracy of a model over its epochs, with the accuracy of guessing.

    Parameters
    ----------
    curves : ndarray, shape (3, E)
        NaN after the model stopped; a row of NaN alone is not drawn, nor the chance beside it.
    best : int
        The epoch, from 1, whose weights were judged; 0 for none.
    n_train, n_validation : int
        Classes among which accuracy is measured.
    theme : {"light", "dark"}
    """
    loss, *accuracies = np.asarray(curves, float)
    looks = (("training", n_train, 0, "solid"), ("validation", n_validation, 2, "dash"))
    lines, levels = [], []
    for values, (part, n, colour, dash) in zip(accuracies, looks, strict=True):
        # A training that failed at once has neither accuracy.
        if np.isfinite(values).any():
            lines.append((f"{part}, {n} classes", values, palette.BASE[theme][colour], dash))
            levels.append((1 / n, palette.BASE[theme][colour]))
    panels = [
        Panel("accuracy, 0 to 1", 0.52, lines, {"range": [-0.02, 1.02]}, levels),
        Panel("loss (WARP)", 0.38, [("loss", loss, INK[theme], "solid")], {"rangemode": "tozero"}),
    ]
    marks = [(float(best), f"judged: epoch {best}", "dash", 0.46)] * bool(best)
    return model_figure(panels, marks=marks, height=420, theme=theme)
