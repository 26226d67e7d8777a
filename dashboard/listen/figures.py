"""Figures of what listeners prefer: an estimate a system with its interval, and strength against a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.statistics import Interval
from dashboard.kit import palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import estimates, rows, rule, scatter, shares, whiskers
from dashboard.kit.text import whole, wrapped


def _arrays(values: Sequence[Interval]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value, low, high = np.array([(x.value, x.low, x.high) for x in values], float).T
    return value, low, high


def preferred_figure(
    names: Sequence[str],
    values: Sequence[Interval],
    *,
    title: str,
    chance: np.ndarray | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw a share of each system, with its interval.

    Parameters
    ----------
    names : sequence of str
        From top to bottom.
    values : sequence of Interval, length s
        Shares from 0 to 1 with their 95% intervals and the questions that each is from.
    title : str
        What the share is; it names the x axis.
    chance : ndarray, shape (s,), optional
        What blind guessing gives, drawn as a short line across each row.
    theme : {"light", "dark"}
    """
    counts = [x.n for x in values]
    data: list[dict[str, Any]] = []
    if chance is not None:
        data.append(
            scatter(
                np.asarray(chance, float),
                np.arange(len(names)),
                name="chance",
                marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": RULE[theme]}},
                hovertemplate="blind guessing: %{x:.3f}<extra></extra>",
                meta="chance",
            )
        )
    marker = {"color": palette.BASE[theme][0], "size": 10}
    data.append(
        estimates(names, *_arrays(values), counts, marker)
        | {"name": "share with 95% interval", "meta": "systems"}
    )
    layout = {
        "height": 96 + 48 * max(len(names), 2),
        "showlegend": chance is not None,
        "xaxis": shares(title),
        "yaxis": rows([f"{wrapped(n, 24)}<br>n = {c:,}" for n, c in zip(names, counts, strict=True)]),
    }
    return go.Figure({"data": data, "layout": layout})


def against_figure(
    names: Sequence[str],
    scores: Sequence[Interval],
    strengths: Sequence[Interval],
    *,
    title: str,
    theme: str = "light",
) -> go.Figure:
    """Draw the strength of each system by listeners against an objective score.

    Parameters
    ----------
    names : sequence of str
    scores, strengths : sequence of Interval, length s
    title : str
        Of the x axis: what the score is.
    theme : {"light", "dark"}
    """
    (x, x_low, x_high), (y, y_low, y_high) = _arrays(scores), _arrays(strengths)
    dots = scatter(
        x,
        y,
        "markers+text",
        text=[wrapped(n, 24) for n in names],
        hovertext=[whole(n) for n in names],
        textposition="top right",
        textfont={"size": 12, "color": INK[theme]},
        error_x=whiskers(x, x_low, x_high, RULE[theme]),
        error_y=whiskers(y, y_low, y_high, RULE[theme]),
        marker={"color": palette.BASE[theme][0], "size": 10},
        cliponaxis=False,
        hovertemplate="%{hovertext}<br>%{x:.3f}, log strength %{y:.2f}<extra></extra>",
        showlegend=False,
        meta="systems",
    )
    layout = {
        "height": 360,
        "xaxis": shares(title),
        "yaxis": {"title": {"text": "log strength by listeners"}},
        "shapes": [rule("y", 0, theme, dash="dot", width=1)],
    }
    return go.Figure({"data": [dots], "layout": layout})
