"""Figures of trainings on curated pairs: accuracies of every kind of target, and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.look import INK
from dashboard.kit.marks import chance_key, estimates, rows, rule

#: The same for both, which stand side by side.
_HEIGHT = 430


def accuracy_figure(
    names: Sequence[str],
    table: pd.DataFrame,
    each: Sequence[np.ndarray],
    *,
    title: str,
    chance: float,
    theme: str = "light",
) -> go.Figure:
    """Draw the accuracy of each kind of target: a dot a training, their mean with its 95% interval.

    `names` are from top to bottom; the `table` has a row for each of them, with ``mean``, ``low``, ``high``,
    ``n`` and ``over`` (what n counts); `each` holds the accuracies of their single trainings. A dashed line
    is the accuracy of guessing; the title is of the x axis.
    """
    y = np.repeat(np.arange(len(names)), [len(values) for values in each])
    values = np.concatenate([*each, np.empty(0)])
    ends = np.concatenate([values, table[["low", "high"]].to_numpy(float).ravel(), [chance]])
    ends = ends[np.isfinite(ends)]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        # Below the mean, which would hide them.
        "y": y + 0.24,
        "marker": {"color": palette.NEUTRAL[theme], "size": 7, "opacity": 0.75},
        "customdata": [names[i] for i in y.tolist()],
        "hovertemplate": "%{customdata}, one training: %{x:.3f}<extra></extra>",
        "name": "one training",
        "meta": "trainings",
    }
    key = chance_key(chance, theme, digits=3)
    mean = _estimates(names, table, palette.BASE[theme][0], 10) | {"name": "mean, 95%", "meta": "means"}
    counts = [
        f"{name}<br>n = {n:,} {over}" for name, n, over in zip(names, table["n"], table["over"], strict=True)
    ]
    return go.Figure(
        {
            "data": [dots, mean, key],
            "layout": {
                "height": _HEIGHT,
                "shapes": [rule("x", chance, theme, dash="dash")],
                "xaxis": {"title": {"text": title}, "range": _reach(ends), "tickformat": ".2f", "nticks": 6},
                "yaxis": rows(counts) | {"showgrid": False},
            },
        }
    )


def difference_figure(
    names: Sequence[str], table: pd.DataFrame, *, title: str, theme: str = "light"
) -> go.Figure:
    """Draw differences of accuracies with two 95% intervals each: over trainings and over test clips.

    `names` are from top to bottom; the `table` has ``mean``, ``low``, ``high``, ``n`` and ``over`` ("seeds"
    or "clips"), a row of both for each of them; the title is of the x axis.
    """
    data = []
    for over, unit, colour, size, shift in (
        ("seeds", "trainings", palette.BASE[theme][0], 10, -0.11),
        ("clips", "test clips", INK[theme], 6, 0.13),
    ):
        mine = table[table["over"] == over]
        n = int(mine["n"].max())
        trace = _estimates(names, mine, colour, size)
        data.append(trace | {"y": trace["y"] + shift, "name": f"95% over {n:,} {unit}", "meta": over})
    ends = table[["low", "high"]].to_numpy(float)
    ends = np.concatenate([table["mean"].to_numpy(float), ends[np.isfinite(ends)], [0]])
    return go.Figure(
        {
            "data": data,
            "layout": {
                "height": _HEIGHT,
                "shapes": [rule("x", 0, theme)],
                "xaxis": {
                    "title": {"text": title},
                    "range": _reach(ends[np.isfinite(ends)]),
                    "tickformat": "+.2f",
                    "nticks": 6,
                },
                "yaxis": rows(names) | {"showgrid": False},
            },
        }
    )


def _estimates(names: Sequence[str], table: pd.DataFrame, colour: str, size: int) -> dict[str, Any]:
    values, low, high = (table[name].to_numpy(float) for name in ("mean", "low", "high"))
    return estimates(names, values, low, high, table["n"].tolist(), {"color": colour, "size": size})


def _reach(values: np.ndarray) -> list[float]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * max(high - low, 0.02)
    return [low - room, high + room]
