"""Figures of all zero-shot models of a grid: accuracies by setup, and against similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures.look import INK, RULE
from dashboard.figures.text import label, whole

#: How groups of models look beside each other: which of the base colours, and the marker.
_LOOKS = ((0, "circle"), (1, "square"), (2, "diamond"), (4, "triangle-up"), (5, "cross"), (3, "x"))
_AGAIN = ("", "-open", "-dot", "-open-dot")
#: What frames the model or cell that is looked into.
PICKED = {"light": "#22262c", "dark": "#f4f5f6"}
ACCURACY = "zero-shot accuracy, top-1, 0 to 1"


@dataclass(frozen=True)
class Models:
    """Models as dots: each judged on one test set.

    Attributes
    ----------
    ids : sequence of str, length n
        Carried in ``customdata``.
    accuracy : ndarray, shape (n,)
    said : sequence of str
        What is said of each when it is pointed at.
    series : ndarray of int, shape (n,)
        Index into `names`: a colour and a marker each, such as the test cluster.
    names : sequence of str
    """

    ids: Sequence[str]
    accuracy: np.ndarray
    said: Sequence[str]
    series: np.ndarray
    names: Sequence[str]


@dataclass(frozen=True)
class Fitted:
    """A line with the band in which it lies, (m,) each."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def boxes_figure(
    shown: Models,
    groups: Sequence[str],
    at: np.ndarray,
    *,
    title: str,
    chance: float,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw accuracies as box plots, a group along x, a box each series in it, and every model as a dot.

    Parameters
    ----------
    shown : Models
    groups : sequence of str
        From the left.
    at : ndarray of int, shape (n,)
        Group of each model.
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
    several = len(shown.names)
    wide = 0.78 / several
    shift = wide * (np.arange(several) - (several - 1) / 2)
    place = at + shift[shown.series]
    traces: list[dict[str, Any]] = []
    for i, name in enumerate(shown.names):
        mine = np.flatnonzero(shown.series == i)
        if not len(mine):
            continue
        colour = _colour(i, theme)
        traces.append(
            {
                "type": "box",
                "x": place[mine],
                "y": shown.accuracy[mine],
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
        )
    # The mean is what the paper names; medians are the lines within the boxes.
    cells_of = sorted({(int(g), int(s)) for g, s in zip(at, shown.series, strict=True)})
    means = [float(shown.accuracy[(at == g) & (shown.series == s)].mean()) for g, s in cells_of]
    counts = [int(((at == g) & (shown.series == s)).sum()) for g, s in cells_of]
    spread = 0.3 * wide
    for i, name in enumerate(shown.names):
        mine = np.flatnonzero(shown.series == i)
        if len(mine):
            x = place[mine] + spread * _jitter(at[mine])
            traces.append(_dots(shown, mine, x, i, name, several, theme, size=6))
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [g + shift[s] for g, s in cells_of],
            "y": means,
            "text": [
                f"{whole(groups[g])}{f' · {whole(shown.names[s])}' if several > 1 else ''}<br>"
                f"mean {m:.3f}<br>n = {n:,} accuracies"
                for (g, s), m, n in zip(cells_of, means, counts, strict=True)
            ],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {
                "symbol": "diamond",
                "size": 9,
                "color": INK[theme],
                "line": {"width": 1.2, "color": palette.BACKGROUND[theme]},
            },
            "unselected": {"marker": {"opacity": 1}},
            "name": "mean",
            "meta": "means",
        }
    )
    if picked in shown.ids:
        i = list(shown.ids).index(picked)
        series = int(shown.series[i])
        mine = np.flatnonzero(shown.series == series)
        x = (place[mine] + spread * _jitter(at[mine]))[mine == i]
        traces.append(_ring(float(x[0]), float(shown.accuracy[i]), theme))
    size = np.bincount(at, minlength=len(groups))
    layout: dict[str, Any] = {
        "height": 470,
        "margin": {"t": 44},
        "boxmode": "overlay",
        "xaxis": {
            "title": {"text": f"{title}<br>n = {len(shown.ids):,} accuracies of {_models(shown.ids)}"},
            "tickvals": list(range(len(groups))),
            "ticktext": [
                f"{',<br>'.join(label(part, 24) for part in g.split(', '))}<br>n = {n:,}"
                for g, n in zip(groups, size.tolist(), strict=True)
            ],
            "tickangle": 0,
            "range": [-0.55, len(groups) - 0.45],
            "showgrid": False,
        },
        "yaxis": _accuracy_axis(shown.accuracy),
        "hoverdistance": 12,
    }
    _with_chance(layout, chance, theme)
    return go.Figure({"data": [*traces, *_chance_key(chance, theme)], "layout": layout}, _validate=False)


def against_similarity_figure(
    shown: Models,
    x: np.ndarray,
    *,
    title: str,
    line: Fitted | None = None,
    chance: float = float("nan"),
    picked: str = "",
    y_title: str = ACCURACY,
    things: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw accuracy against a number of each model, with the regression line and its band.

    Parameters
    ----------
    shown : Models
    x : ndarray, shape (n,)
    title : str
        Of the number along x.
    line : Fitted, optional
    chance : float
        Accuracy of guessing; NaN draws none.
    picked : str
        The dot that is ringed, "" for none.
    y_title : str
    things : str
        What n counts; accuracies of models if "".
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces whose ``meta`` is "models" is the model.
    """
    x = np.asarray(x, float)
    if x.shape != shown.accuracy.shape:
        raise ValueError(f"x has shape {x.shape}; there are {len(shown.ids)} dots, each needs a number.")
    if not len(x):
        raise ValueError("There is nothing to draw: no model was judged.")
    traces: list[dict[str, Any]] = []
    if line is not None:
        ink = INK[theme]
        traces += [
            {
                "type": "scatter",
                "mode": "lines",
                "x": np.concatenate([line.x, line.x[::-1]]),
                "y": np.concatenate([line.high, line.low[::-1]]),
                "fill": "toself",
                "fillcolor": f"{RULE[theme]}38",
                "line": {"width": 0},
                "hoverinfo": "skip",
                "name": "95% band of the line",
                "meta": "band",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "x": line.x,
                "y": line.y,
                "line": {"color": ink, "width": 2},
                "hoverinfo": "skip",
                "name": "regression line",
                "meta": "line",
            },
        ]
    for i, name in enumerate(shown.names):
        mine = np.flatnonzero(shown.series == i)
        if len(mine):
            traces.append(_dots(shown, mine, x[mine], i, name, len(shown.names), theme, size=8))
    if picked in shown.ids:
        i = list(shown.ids).index(picked)
        traces.append(_ring(float(x[i]), float(shown.accuracy[i]), theme))
    span = float(np.ptp(x)) or 0.1
    n = things or f"accuracies of {_models(shown.ids)}"
    layout: dict[str, Any] = {
        "height": 470,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"{title}<br>n = {len(x):,} {n}"},
            "range": [float(x.min()) - 0.06 * span, float(x.max()) + 0.06 * span],
            "nticks": 7,
            "showgrid": True,
        },
        "yaxis": _accuracy_axis(shown.accuracy) | {"title": {"text": y_title}},
        "hoverdistance": 14,
    }
    _with_chance(layout, chance, theme)
    return go.Figure({"data": [*traces, *_chance_key(chance, theme)], "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _colour(i: int, theme: str) -> str:
    return palette.BASE[theme][_LOOKS[i % len(_LOOKS)][0]]


def _symbol(i: int) -> str:
    """The marker of a series: those with a colour that was used before have other ones, up to 24."""
    return _LOOKS[i % len(_LOOKS)][1] + _AGAIN[i // len(_LOOKS) % len(_AGAIN)]


def _dots(
    shown: Models, mine: np.ndarray, x: np.ndarray, i: int, name: str, several: int, theme: str, *, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": shown.accuracy[mine],
        "customdata": [shown.ids[j] for j in mine.tolist()],
        "text": [shown.said[j] for j in mine.tolist()],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": _symbol(i),
            "size": size,
            "color": _colour(i, theme),
            "opacity": 0.8,
            "line": {"width": 0.6, "color": palette.BACKGROUND[theme]},
        },
        "selected": {"marker": {"opacity": 0.8}},
        "unselected": {"marker": {"opacity": 0.8}},
        "name": label(name, 40),
        "legendgroup": name,
        "showlegend": several > 1,
        "meta": "models",
    }


def _jitter(groups: np.ndarray) -> np.ndarray:
    """Where in its box each dot lies, -1 to 1: evenly over those of a group, and always the same."""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))])
    within = np.empty(len(groups))
    within[order] = np.arange(len(groups)) - starts[groups[order]]
    return 2 * (((within + 0.5) * 0.6180339887498949) % 1.0) - 1


def _models(ids: Sequence[str]) -> str:
    n = len({i.partition("-")[0] for i in ids})
    return f"{n:,} model{'' if n == 1 else 's'}"


def _accuracy_axis(values: np.ndarray) -> dict[str, Any]:
    top = float(np.max(values))
    return {
        "title": {"text": ACCURACY},
        "range": [-0.02, min(1.02, max(0.3, 1.08 * top + 0.02))],
        "tickformat": ".1f",
        "dtick": 0.1 if top < 0.62 else 0.2,
        "showgrid": True,
    }


def _with_chance(layout: dict[str, Any], chance: float, theme: str) -> None:
    if not np.isfinite(chance):
        return
    layout["shapes"] = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": chance,
            "y1": chance,
            "line": {"color": RULE[theme], "width": 1.4, "dash": "dash"},
            "layer": "below",
        }
    ]


def _chance_key(chance: float, theme: str) -> list[dict[str, Any]]:
    """Say in the legend what the dashed line is: beside the line, dots would lie over the words."""
    if not np.isfinite(chance):
        return []
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [None],
            "y": [None],
            "line": {"color": RULE[theme], "width": 1.4, "dash": "dash"},
            "hoverinfo": "skip",
            "name": f"chance {chance:.2f}",
            "meta": "chance",
        }
    ]


def _ring(x: float, y: float, theme: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [y],
        "marker": {
            "symbol": "circle-open",
            "size": 17,
            "color": PICKED[theme],
            "line": {"width": 2.2, "color": PICKED[theme]},
        },
        "unselected": {"marker": {"opacity": 1}},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": "chosen",
    }
