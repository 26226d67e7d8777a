"""Figures of what goes with what over few models or spaces, and of which measure predicts best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard import palette
from dashboard.figures._marks import ring, rule
from dashboard.figures._rows import estimates, rows, whiskers
from dashboard.figures.look import INK, RULE
from dashboard.figures.text import label, plain
from dashboard.zeroshot.figures import Fitted

#: How kinds of models look beside each other: which of the base colours, and the marker.
_LOOKS = ((0, "circle"), (1, "square"), (2, "diamond"), (4, "triangle-up"), (5, "cross"), (3, "x"))


@dataclass(frozen=True)
class Dots:
    """Models or spaces as dots that carry their names.

    Attributes
    ----------
    ids : sequence of str, length n
        Carried in ``customdata``.
    names : sequence of str
        Written beside the dots.
    said : sequence of str
        What is said of each when it is pointed at.
    x, y : ndarray, shape (n,)
    ends : ndarray, shape (n, 2), optional
        Of the interval of y; NaN where there is none.
    series : ndarray of int, shape (n,)
        Index into `kinds`: a colour and a marker each.
    kinds : sequence of str
    hollow : ndarray of bool, shape (n,), optional
        Drawn as a ring.
    """

    ids: Sequence[str]
    names: Sequence[str]
    said: Sequence[str]
    x: np.ndarray
    y: np.ndarray
    series: np.ndarray
    kinds: Sequence[str]
    ends: np.ndarray | None = None
    hollow: np.ndarray | None = None


def correlation_figure(
    shown: Dots,
    *,
    x_title: str,
    y_title: str,
    things: str,
    line: Fitted | None = None,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw one number of each model or space against another, with the regression line and its band.

    Parameters
    ----------
    shown : Dots
        Those with both numbers.
    x_title, y_title : str
    things : str
        What n counts.
    line : Fitted, optional
    picked : str
        The dot that is ringed, "" for none.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces whose ``meta`` is "models" is the id.
    """
    x, y = np.asarray(shown.x, float), np.asarray(shown.y, float)
    if not len(x):
        raise ValueError("There is nothing to draw: nothing has both numbers.")
    if x.shape != y.shape or len(x) != len(shown.ids):
        raise ValueError(f"There are {len(shown.ids)} dots, {len(x)} x and {len(y)} y; each needs both.")
    traces = _line(line, theme)
    if shown.ends is not None:
        low, high = np.asarray(shown.ends, float).T
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": x,
                "y": y,
                "error_y": whiskers(y, low, high, f"{RULE[theme]}aa", thickness=1.2),
                "marker": {"size": 1, "opacity": 0},
                "hoverinfo": "skip",
                "showlegend": False,
                "meta": "intervals",
            }
        )
    sides = _sides(x, y)
    hollow = np.zeros(len(x), bool) if shown.hollow is None else np.asarray(shown.hollow, bool)
    for i, kind in enumerate(shown.kinds):
        mine = np.flatnonzero(np.asarray(shown.series) == i)
        if not len(mine):
            continue
        hue, symbol = _LOOKS[i % len(_LOOKS)]
        colour = palette.BASE[theme][hue]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": x[mine],
                "y": y[mine],
                "customdata": [shown.ids[j] for j in mine.tolist()],
                "hovertext": [shown.said[j] for j in mine.tolist()],
                "hovertemplate": "%{hovertext}<extra></extra>",
                "text": [label(shown.names[j], 22) for j in mine.tolist()],
                "textposition": [sides[j] for j in mine.tolist()],
                "textfont": {"size": 11.5, "color": INK[theme]},
                "cliponaxis": False,
                "marker": {
                    "symbol": [f"{symbol}-open" if hollow[j] else symbol for j in mine.tolist()],
                    "size": 11,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                "selected": {"marker": {"opacity": 1}},
                "unselected": {"marker": {"opacity": 1}},
                "name": plain(kind),
                "showlegend": len(shown.kinds) > 1,
                "meta": "models",
            }
        )
    if picked in shown.ids:
        j = list(shown.ids).index(picked)
        traces.append(ring(x[[j]], y[[j]], theme, size=21))
    layout: dict[str, Any] = {
        "height": 430,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"{x_title}<br>n = {len(x):,} {things}"},
            "range": _reach(x),
            "nticks": 7,
            "showgrid": True,
        },
        "yaxis": {"title": {"text": y_title}, "range": _reach(y, shown.ends), "nticks": 7, "showgrid": True},
        "hoverdistance": 14,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def ranked_figure(
    names: Sequence[str],
    ids: Sequence[str],
    pearson: np.ndarray,
    spearman: np.ndarray,
    counts: Sequence[int],
    *,
    things: str,
    picked: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw the correlation of each measure with its interval, the strongest at the top.

    Parameters
    ----------
    names, ids : sequence of str, length m
        The measures as they are read, and what a click gives.
    pearson, spearman : ndarray, shape (m, 3)
        The correlation and the ends of its interval.
    counts : sequence of int
        Of how many things each is.
    things : str
        What these are.
    picked : str
        The measure that is marked.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the traces with ``meta`` "pearson" and "spearman" begins with the measure.
    """
    if not len(names):
        raise ValueError("There is nothing to draw: no measure has a correlation.")
    blue, orange = palette.BASE[theme][0], palette.BASE[theme][1]
    traces = []
    for kind, values, shift, marker in (
        ("pearson", pearson, -0.13, {"symbol": "circle", "size": 10, "color": blue}),
        ("spearman", spearman, 0.15, {"symbol": "diamond-open", "size": 9, "color": orange}),
    ):
        value, low, high = np.asarray(values, float).reshape(-1, 3).T
        trace = estimates(names, value, low, high, counts, marker)
        words = trace["customdata"]
        trace |= {
            "y": np.arange(len(names)) + shift,
            "customdata": [[i, *said] for i, said in zip(ids, words, strict=True)],
            "hovertemplate": f"%{{customdata[1]}}<br>{'r' if kind == 'pearson' else 'ρ'} = %{{x:.3f}}<br>"
            "%{customdata[2]}, n = %{customdata[3]}<extra></extra>",
            "selected": {"marker": {"opacity": 1}},
            "unselected": {"marker": {"opacity": 1}},
            "name": "Pearson r" if kind == "pearson" else "Spearman ρ",
            "meta": kind,
        }
        traces.append(trace)
    here = list(ids).index(picked) if picked in ids else -1
    texts = [f"<b>{label(n, 30)}</b>" if i == here else label(n, 30) for i, n in enumerate(names)]
    n = sorted(set(counts))
    said = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    layout: dict[str, Any] = {
        "height": 36 * len(names) + 130,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"correlation, 95% interval<br>n = {said} {things}"},
            "range": [-1.06, 1.06],
            "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["−1", "−0.5", "0", "0.5", "1"],
            "showgrid": True,
        },
        "yaxis": rows(texts) | {"showgrid": False},
        "shapes": [rule("x", 0.0, theme)],
    }
    if here >= 0:
        layout["shapes"].append(
            {
                "type": "rect",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": here - 0.5,
                "y1": here + 0.5,
                "fillcolor": "rgba(128,128,128,0.12)",
                "line": {"width": 0},
                "layer": "below",
            }
        )
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
    """Draw how well NNGS predicts accuracy over the size of the neighbourhood, beside CKA, which has none.

    Parameters
    ----------
    ks : ndarray of int, shape (K,)
    values : ndarray, shape (K, 3)
        Pearson's r at each size and the ends of its interval; NaN where NNGS is the same for all.
    levels : sequence of (str, float)
        Name and r of what has no size.
    k : int
        The size that the rest of the page looks at.
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


def _line(line: Fitted | None, theme: str) -> list[dict[str, Any]]:
    if line is None:
        return []
    common = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    return [
        common
        | {
            "x": np.concatenate([line.x, line.x[::-1]]),
            "y": np.concatenate([line.high, line.low[::-1]]),
            "fill": "toself",
            "fillcolor": f"{RULE[theme]}30",
            "line": {"width": 0},
            "name": "95% band",
            "meta": "band",
        },
        common
        | {
            "x": line.x,
            "y": line.y,
            "line": {"color": INK[theme], "width": 1.8},
            "name": "regression line",
            "meta": "line",
        },
    ]


def _reach(values: np.ndarray, ends: np.ndarray | None = None) -> list[float]:
    """Return the ends of an axis with room for names; of long intervals only what is near the dots."""
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 0.1 * max(abs(high), 1.0)
    if ends is not None and np.isfinite(ends).any():
        low = max(low - span, min(low, float(np.nanmin(ends))))
        high = min(high + span, max(high, float(np.nanmax(ends))))
    return [low - 0.14 * span, high + 0.14 * span]


def _sides(x: np.ndarray, y: np.ndarray) -> list[str]:
    """Choose on which side of its dot each name is written, so that few lie over each other.

    Taken in order of x, each goes where the least of a dot or of a name that is there already is near.
    """
    span = [float(np.ptp(v)) or 1.0 for v in (x, y)]
    at = np.column_stack([(x - x.min()) / span[0], (y - y.min()) / span[1]])
    offsets = {
        "top center": (0.0, 0.06),
        "bottom center": (0.0, -0.06),
        "middle right": (0.12, 0.0),
        "middle left": (-0.12, 0.0),
    }
    taken: list[np.ndarray] = []
    found = [""] * len(x)
    for i in np.argsort(at[:, 0], kind="stable").tolist():
        costs = {}
        others = np.delete(at, i, axis=0)
        for side, offset in offsets.items():
            place = at[i] + offset
            if (side == "middle left" and place[0] < 0.1) or (side == "middle right" and place[0] > 0.9):
                continue
            near = [*others, *taken]
            # A name is wider than high.
            gaps = [abs(p[0] - place[0]) / 0.2 + abs(p[1] - place[1]) / 0.07 for p in near]
            costs[side] = sum(max(0.0, 1 - g) for g in gaps)
        found[i] = min(costs, key=lambda s: costs[s])
        taken.append(at[i] + offsets[found[i]])
    return found
