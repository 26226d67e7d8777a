"""Rows of estimates: a dot with its interval for each name, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dashboard.kit.text import whole


def whiskers(
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    colour: str,
    *,
    thickness: float = 1.5,
    width: float = 0,
) -> dict[str, Any]:
    """Return ``error_x`` or ``error_y`` from the ends of intervals; none is drawn where an end is missing."""
    value, below, above = (np.asarray(v, float) for v in (values, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(above - value, posinf=0.0),
        "arrayminus": np.nan_to_num(value - below, posinf=0.0),
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def estimates(
    names: Sequence[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    counts: Sequence[int],
    marker: dict[str, Any],
) -> dict[str, Any]:
    """Return the trace of dots with their intervals, a row a name, with n in words when pointed at."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": np.asarray(values, float),
        "y": np.arange(len(names)),
        "error_x": whiskers(values, low, high, marker["color"]),
        "marker": marker,
        "customdata": [
            [whole(name), f"{a:.3f} to {b:.3f}", f"{n:,}"]
            for name, a, b, n in zip(names, low, high, counts, strict=True)
        ],
        "hovertemplate": "%{customdata[0]}: %{x:.3f}<br>%{customdata[1]}, n = %{customdata[2]}"
        "<extra></extra>",
    }


def shares(title: str) -> dict[str, Any]:
    """Return an axis from 0 to 1."""
    return {"title": {"text": title}, "range": [-0.02, 1.02], "tickformat": ".1f"}


def rows(texts: Sequence[str]) -> dict[str, Any]:
    """Return the y axis that says what each row is, the first one at the top."""
    return {
        "tickmode": "array",
        "tickvals": np.arange(len(texts)),
        "ticktext": list(texts),
        "range": [len(texts) - 0.5, -0.5],
    }
