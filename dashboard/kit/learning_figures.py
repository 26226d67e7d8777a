"""Figures of how models learn: a line a model over the epochs, or one model's numbers above each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.look import INK
from dashboard.kit.marks import note, rule, scatter
from dashboard.kit.text import label, whole

_DASHES = ("solid", "dash", "dot")


@dataclass(frozen=True)
class Curves:
    """Curves of several models, settings or stages.

    Attributes
    ----------
    names : list of str, length R
    values : ndarray, shape (R, K, E)
        NaN for epochs without a number.
    columns : sequence of str, length K
        What the numbers are.
    """

    names: list[str]
    values: np.ndarray
    columns: Sequence[str]

    def __getitem__(self, column: str) -> np.ndarray:
        """One of the numbers, (R, E)."""
        return np.asarray(self.values[:, self.columns.index(column)])

    @property
    def n_epochs(self) -> np.ndarray:
        """Number of epochs that each has finished, (R,) int64."""
        return np.isfinite(self["loss"]).sum(axis=1)


def curves_table(shown: Curves, what: str = "name") -> pd.DataFrame:
    """Return curves as a table, a row for each name and epoch; `what` titles the names."""
    n = shown.values.shape[2]
    frame = pd.DataFrame(
        {
            what: np.repeat(np.array(shown.names, dtype=object), n),
            "epoch": np.tile(np.arange(1, n + 1), len(shown.names)),
        }
    )
    return frame.assign(**{name: shown[name].ravel() for name in shown.columns})


def curves_figure(
    names: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    beside: np.ndarray | None = None,
    beside_name: str = "",
    share: bool = False,
    theme: str = "light",
) -> go.Figure:
    """Draw a number over the epochs, a line a setting; epochs to come are left empty.

    Parameters
    ----------
    names : sequence of str, length R
    values : ndarray, shape (R, E)
        NaN for epochs to come.
    title : str
        Of the number, with its unit or range.
    beside : ndarray, shape (R, E), optional
        A second number of the same settings, drawn thin and dotted; `beside_name` says what it is.
    share : bool
        Whether the axis is kept within 0 and 1.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``meta`` of the lines is ``"curves"``, of those beside them ``"beside"``.
    """
    lines = np.asarray(values, float)
    if lines.ndim != 2 or len(lines) != len(names) or (beside is not None and beside.shape != lines.shape):
        raise ValueError(
            f"The curves have shape {lines.shape} for {len(names)} names; needed is a row a name, and as many"
            " numbers beside them."
        )
    n_epochs = lines.shape[1]
    epochs = np.arange(1, n_epochs + 1)
    traces: list[dict[str, Any]] = []
    drawn = [(lines, "curves", 2.0, 1.0)]
    if beside is not None:
        drawn.insert(0, (np.asarray(beside, float), "beside", 1.2, 0.55))
    for numbers, meta, width, opacity in drawn:
        for i, name in enumerate(names):
            known = np.flatnonzero(np.isfinite(numbers[i]))
            last = int(known[-1]) + 1 if len(known) else 0
            hover = whole(name) if meta == "curves" else f"{whole(name)}, {beside_name}"
            colour, dash = _look(i, theme)
            traces.append(
                scatter(
                    epochs[:last],
                    numbers[i, :last],
                    # A line of one point would not be visible.
                    "lines" if last > 1 else "markers",
                    line={"color": colour, "width": width, "dash": "dot" if meta == "beside" else dash},
                    marker={"color": colour, "size": 5},
                    opacity=opacity,
                    hovertemplate=f"<b>{hover}</b><br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
                    name=label(name, 40),
                    legendgroup=name,
                    showlegend=meta == "curves",
                    meta=meta,
                )
            )
    if beside is not None:
        key = {"color": INK[theme], "width": 1.2, "dash": "dot"}
        traces.append(scatter([None], [None], "lines", line=key, name=beside_name))
    y: dict[str, Any] = {"title": {"text": title}}
    y |= {"range": _within(lines, beside)} if share else {"rangemode": "tozero"}
    layout: dict[str, Any] = {
        "height": 400,
        "margin": {"t": 14},
        "xaxis": {
            "title": {"text": "epoch"},
            # As long as the training will be, so that curves grow into it.
            "range": [0.5, n_epochs + 0.5] if n_epochs < 40 else [0, n_epochs * 1.01],
            "tickformat": ",d",
            "showgrid": False,
        },
        "yaxis": y,
        "legend": {"y": -0.2, "yanchor": "top"},
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


@dataclass(frozen=True)
class Panel:
    """One of the plots above each other of `model_figure`.

    Attributes
    ----------
    title : str
    share : float
        Of the height.
    lines : sequence of (str, ndarray, str, str)
        Name, a number an epoch, colour and dash; a legend tells several apart.
    axis : mapping
        What is to be different about the y axis.
    levels : sequence of (float, str)
        Where dotted lines are drawn across, and their colours.
    """

    title: str
    share: float
    lines: Sequence[tuple[str, np.ndarray, str, str]]
    axis: Mapping[str, Any]
    levels: Sequence[tuple[float, str]] = ()


def model_figure(
    panels: Sequence[Panel],
    *,
    marks: Sequence[tuple[float, str, str, float]] = (),
    height: int = 430,
    theme: str = "light",
) -> go.Figure:
    """Draw how one model learned: several plots over the same epochs, from top to bottom.

    Parameters
    ----------
    panels : sequence of Panel
    marks : sequence of (float, str, str, float)
        Epochs that are marked: where, in which words, with which dash, and at which height of the figure.
    height : int
    theme : {"light", "dark"}
    """
    every = np.array([y for p in panels for _, y, _, _ in p.lines], float)
    known = np.isfinite(every).any(axis=0)
    last = int(np.flatnonzero(known)[-1]) + 1 if known.any() else every.shape[1]
    epochs = np.arange(1, last + 1)
    gap = 0.08 if len(panels) > 2 else 0.1
    traces: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"height": height, "margin": {"t": 44}}
    top = 1.0
    for number, panel in enumerate(panels, start=1):
        suffix = "" if number == 1 else str(number)
        bottom = 0.0 if number == len(panels) else top - panel.share
        axis = {"domain": [bottom, top], "title": {"text": panel.title}, "anchor": "x"}
        layout[f"yaxis{suffix}"] = axis | dict(panel.axis)
        top = bottom - gap
        for name, y, colour, dash in panel.lines:
            traces.append(
                scatter(
                    epochs,
                    y[:last],
                    # A line of one point would not be visible.
                    "lines+markers" if last < 12 else "lines",
                    yaxis=f"y{suffix}",
                    line={"color": colour, "width": 2, "dash": dash},
                    marker={"size": 5},
                    hovertemplate=f"epoch %{{x}}<br>{name} %{{y:.4g}}<extra></extra>",
                    name=name,
                    showlegend=len(panel.lines) > 1 or number == 1,
                )
            )
        shapes += [
            rule("y", level, theme, dash="dot", width=1, colour=colour) | {"yref": f"y{suffix}"}
            for level, colour in panel.levels
        ]
    layout["xaxis"] = {
        "title": {"text": "epoch"},
        "anchor": f"y{suffix}",
        "tickformat": ",d",
        "range": [0.5, last + 0.5],
    }
    layout["shapes"] = shapes + [rule("x", at, theme, dash=dash) for at, _, dash, _ in marks]
    layout["annotations"] = [
        note(
            at,
            y,
            f" {text} ",
            theme,
            yref="paper",
            yanchor="top",
            xanchor="right" if at > last / 2 else "left",
        )
        for at, text, _, y in marks
    ]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _look(i: int, theme: str) -> tuple[str, str]:
    """Return the colour and the dash of the i-th line."""
    colours = palette.BASE[theme]
    return colours[i % len(colours)], _DASHES[i // len(colours) % len(_DASHES)]


def _within(lines: np.ndarray, beside: np.ndarray | None) -> list[float]:
    """Return the ends of an axis of shares: up to 1, and down to the lowest number."""
    values = np.concatenate([lines.ravel(), np.empty(0) if beside is None else np.ravel(beside)])
    low = float(np.nanmin(values)) if np.isfinite(values).any() else 0.0
    return [max(-0.02, np.floor(10 * low) / 10 - 0.02), 1.02]
