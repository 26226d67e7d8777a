"""Figures of what listeners prefer: an estimate a system with its interval, and strength against a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import estimates, rows, rule, shares, whiskers
from dashboard.kit.text import whole, wrapped


def preferred_figure(
    names: Sequence[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    counts: Sequence[int],
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
    values, low, high : ndarray, shape (s,)
        Shares from 0 to 1 and their 95% intervals.
    counts : sequence of int
        Questions that each is from.
    title : str
        What the share is; it names the x axis.
    chance : ndarray, shape (s,), optional
        What blind guessing gives, drawn as a short line across each row.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
    """
    colour = palette.BASE[theme][0]
    data: list[dict[str, Any]] = []
    if chance is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": np.asarray(chance, float),
                "y": np.arange(len(names)),
                "name": "chance",
                "marker": {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": RULE[theme]}},
                "hovertemplate": "blind guessing: %{x:.3f}<extra></extra>",
                "meta": "chance",
            }
        )
    data.append(
        estimates(names, values, low, high, counts, {"color": colour, "size": 10})
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
    scores: np.ndarray,
    score_ends: np.ndarray,
    strengths: np.ndarray,
    strength_ends: np.ndarray,
    *,
    title: str,
    theme: str = "light",
) -> go.Figure:
    """Draw the strength of each system by listeners against an objective score.

    Parameters
    ----------
    names : sequence of str
    scores, strengths : ndarray, shape (s,)
    score_ends, strength_ends : ndarray, shape (s, 2)
        Ends of the 95% intervals.
    title : str
        Of the x axis: what the score is.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
    """
    colour = palette.BASE[theme][0]
    data = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": np.asarray(scores, float),
            "y": np.asarray(strengths, float),
            "text": [wrapped(n, 24) for n in names],
            "hovertext": [whole(n) for n in names],
            "textposition": "top right",
            "textfont": {"size": 12, "color": INK[theme]},
            "error_x": whiskers(scores, score_ends[:, 0], score_ends[:, 1], RULE[theme]),
            "error_y": whiskers(strengths, strength_ends[:, 0], strength_ends[:, 1], RULE[theme]),
            "marker": {"color": colour, "size": 10},
            "cliponaxis": False,
            "hovertemplate": "%{hovertext}<br>%{x:.3f}, log strength %{y:.2f}<extra></extra>",
            "showlegend": False,
            "meta": "systems",
        }
    ]
    layout = {
        "height": 360,
        "xaxis": shares(title),
        "yaxis": {"title": {"text": "log strength by listeners"}},
        "shapes": [rule("y", 0, theme, dash="dot", width=1)],
    }
    return go.Figure({"data": data, "layout": layout})
