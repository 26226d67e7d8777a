"""How one contrastive model learned."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.learning_figures import Panel, model_figure


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
    there = np.isfinite(curves).any(axis=0)
    if not there.any():
        raise ValueError("There is nothing to draw: the model has no epoch.")
    last = int(np.flatnonzero(there)[-1]) + 1
    hues = palette.BASE[theme]
    losses = [
        ("training loss", loss, hues[0], "solid"),
        ("validation loss", validation, hues[1], "dash"),
    ]
    zero = {"rangemode": "tozero"}
    panels = [
        Panel("CLIP loss", 0.5, losses, zero),
        Panel("temperature", 0.16, [("temperature", temperature, hues[2], "solid")], {"nticks": 3}),
        Panel("gradient", 0.2, [("gradient norm", gradient, hues[4], "solid")], zero | {"nticks": 3}),
    ]
    marks = [(float(best), f"kept: epoch {best}", "dash", 1.0)] * bool(best)
    marks += [(unfrozen + 0.5, "unfrozen", "dot", 0.9)] * (0 < unfrozen < last)
    figure = model_figure(panels, marks=marks, height=440, theme=theme)
    figure.data[0].customdata = rate[:last]
    figure.data[
        0
    ].hovertemplate = "epoch %{x}<br>training loss %{y:.4g}<br>learning rate %{customdata:.1g}<extra></extra>"
    return figure
