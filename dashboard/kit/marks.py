"""Marks that figures share: a ring about what is chosen, a rule across the plot."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.kit.look import RULE

#: What is chosen is marked in this.
PICKED = {"light": "#22262c", "dark": "#f4f5f6"}


def ring(x: np.ndarray, y: np.ndarray, theme: str, *, size: float) -> dict[str, Any]:
    """Return the trace that rings points."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "marker": {
            "symbol": "circle-open",
            "size": size,
            "color": PICKED[theme],
            "line": {"width": 2.2, "color": PICKED[theme]},
        },
        "unselected": {"marker": {"opacity": 1}},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": "chosen",
    }


def rule(axis: str, at: float, theme: str, *, dash: str = "solid") -> dict[str, Any]:
    """Return the shape of a line across the plot, where `axis` is `at`."""
    other = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": at,
        f"{axis}1": at,
        f"{other}ref": "paper",
        f"{other}0": 0,
        f"{other}1": 1,
        "line": {"color": RULE[theme], "width": 1.3, "dash": dash},
        "layer": "below",
    }
