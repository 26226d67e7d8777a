"""Figures of which measure predicts an accuracy best, and of NNGS over the size of the neighbourhood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.marks import estimates, row_band, rows, rule, steady
from dashboard.kit.numbers import span
from dashboard.kit.text import label, plain
from dashboard.predictors.data import MEASURES, Ranked


def ranked_figure(
    ranked: Sequence[Ranked], *, things: str, picked: str = "", theme: str = "light"
) -> go.Figure:
    """Draw the correlation of each measure with its interval, the strongest at the top.

    Parameters
    ----------
    ranked : sequence of Ranked
    things : str
        What the correlations are over.
    picked : str
        The measure that is marked.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces with ``meta`` "pearson" and "spearman" begins with the measure.
    """
    if not ranked:
        raise ValueError("There is nothing to draw: no measure has a correlation.")
    names = [MEASURES[r.name].title for r in ranked]
    counts = [r.pearson.n for r in ranked]
    blue, orange = palette.BASE[theme][0], palette.BASE[theme][1]
    traces = []
    for kind, title, sign, shift, marker in (
        ("pearson", "Pearson r", "r", -0.13, {"symbol": "circle", "size": 10, "color": blue}),
        ("spearman", "Spearman ρ", "ρ", 0.15, {"symbol": "diamond-open", "size": 9, "color": orange}),
    ):
        correlations = [getattr(r, kind) for r in ranked]
        value, low, high = np.array([(c.r, c.low, c.high) for c in correlations], float).T
        trace = estimates(names, value, low, high, counts, marker)
        trace |= {
            "y": np.arange(len(names)) + shift,
            "customdata": [[r.name, *words] for r, words in zip(ranked, trace["customdata"], strict=True)],
            "hovertemplate": f"%{{customdata[1]}}<br>{sign} = %{{x:.3f}}<br>"
            "%{customdata[2]}, n = %{customdata[3]}<extra></extra>",
            **steady(),
            "name": title,
            "meta": kind,
        }
        traces.append(trace)
    at = next((i for i, r in enumerate(ranked) if r.name == picked), -1)
    texts = [f"<b>{label(n, 30)}</b>" if i == at else label(n, 30) for i, n in enumerate(names)]
    layout: dict[str, Any] = {
        "height": 36 * len(names) + 130,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"correlation, 95% interval<br>n = {span(counts)} {things}"},
            "range": [-1.06, 1.06],
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["−1", "−0.5", "0", "0.5", "1"],
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [rule("x", 0.0, theme), *([row_band(at)] if at >= 0 else [])],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def over_k_figure(
    ks: np.ndarray,
    values: np.ndarray,
    levels: Sequence[tuple[str, float]],
    *,
    k: int,
    n: int,
    items: str,
    theme: str = "light",
) -> go.Figure:
    """Draw the correlation of NNGS with accuracy over the size of the neighbourhood, beside that of CKA.

    Parameters
    ----------
    ks : ndarray of int, shape (K,)
    values : ndarray, shape (K, 3)
        Pearson's r at each size and the ends of its interval; NaN where NNGS is the same for all.
    levels : sequence of (str, float)
        Name and r of each form of CKA.
    k : int
        The size that the rest of the page uses.
    n : int
        Spaces.
    items : str
        What the neighbourhoods are of, such as "400 clips".
    theme : {"light", "dark"}
    """
    r, low, high = np.asarray(values, float).reshape(-1, 3).T
    ok = np.isfinite(r)
    if not ok.any():
        raise ValueError("There is nothing to draw: NNGS has no correlation at any k.")
    blue = palette.BASE[theme][0]
    x = np.asarray(ks)[ok]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": np.concatenate([x, x[::-1]]),
            "y": np.concatenate([high[ok], low[ok][::-1]]),
            "fill": "toself",
            "fillcolor": f"{blue}22",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "name": "95% interval",
            "meta": "band",
        },
        {
            "type": "scatter",
            "mode": "lines+markers" if len(x) < 80 else "lines",
            "x": x,
            "y": r[ok],
            "line": {"color": blue, "width": 2.2},
            "marker": {"size": 5},
            "hovertemplate": "k = %{x}<br>r = %{y:.3f}<extra></extra>",
            "name": "NNGS at k",
            "meta": "nngs",
        },
    ]
    for i, (name, level) in enumerate(levels):
        if np.isfinite(level):
            hue = (1, 4, 2, 5)[i % 4]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [int(x[0]), int(x[-1])],
                    "y": [level, level],
                    "line": {"color": palette.BASE[theme][hue], "width": 2, "dash": ("dash", "dot")[i % 2]},
                    "hovertemplate": f"{plain(name)}<br>r = %{{y:.3f}}<extra></extra>",
                    "name": plain(name),
                    "meta": "cka",
                }
            )
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if x[0] <= t <= x[-1]]
    layout: dict[str, Any] = {
        "height": 420,
        "margin": {"t": 64},
        "xaxis": {
            "type": "log",
            "title": {"text": f"k, neighbours of each of {items}<br>n = {n:,} spaces"},
            "tickvals": ticks,
            "ticktext": [f"{t:,}" for t in ticks],
        },
        "yaxis": {"title": {"text": "Pearson r with accuracy"}, "range": [-1.06, 1.06], "nticks": 6},
        "shapes": [rule("y", 0.0, theme), rule("x", k, theme, dash="dot")],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)
