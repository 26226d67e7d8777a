"""Correlations: dots with their regression line, and the coefficients in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import numpy as np
import plotly.graph_objects as go

from core import statistics
from core.statistics import Correlation
from dashboard.kit import numbers, palette
from dashboard.kit.look import INK, RULE
from dashboard.kit.marks import (
    chance_key,
    ring,
    rule,
    scatter,
    series_colour,
    series_symbol,
    steady,
    whiskers,
)
from dashboard.kit.text import label


@dataclass(frozen=True)
class Fitted:
    """A line with the band in which it lies, (m,) each."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Dots:
    """Models, spaces or classes as dots.

    Attributes
    ----------
    ids : sequence of str, length n
        Carried in ``customdata``.
    names : sequence of str
        Written beside the dots; none for many.
    hover : sequence of str
        Hover text of each.
    x, y : ndarray, shape (n,)
    ends : ndarray, shape (n, 2), optional
        Ends of the interval of y; NaN for none.
    series : ndarray of int, shape (n,)
        Index into `kinds`: a colour and a marker each.
    kinds : sequence of str
    hollow : ndarray of bool, shape (n,), optional
        Drawn as a ring.
    """

    ids: Sequence[str]
    names: Sequence[str]
    hover: Sequence[str]
    x: np.ndarray
    y: np.ndarray
    series: np.ndarray
    kinds: Sequence[str]
    ends: np.ndarray | None = None
    hollow: np.ndarray | None = None


def logarithm(values: np.ndarray) -> np.ndarray:
    """Return natural logarithms, NaN of what is not above 0."""
    logs = np.full(np.shape(values), np.nan)
    np.log(values, out=logs, where=np.asarray(values) > 0)
    return logs


def fit_line(x: np.ndarray, y: np.ndarray) -> Fitted | None:
    """Compute the regression line with its band, at 60 places; None for fewer than three different x."""
    ok = np.isfinite(x) & np.isfinite(y)
    x, y = x[ok], y[ok]
    if len(x) < 3 or not np.ptp(x) > 0:
        return None
    at = np.linspace(x.min(), x.max(), 60)
    fitted = statistics.regression(x, y, at=at)
    return Fitted(at, fitted.value, fitted.low, fitted.high)


def facts(
    pearson: Correlation, spearman: Correlation | None = None, *more: tuple[str, str]
) -> list[tuple[str, str]]:
    """Return Pearson's correlation as names and numbers, then Spearman's, then `more`."""
    pairs = [
        ("Pearson r", numbers.signed(pearson.r)),
        ("95% interval", numbers.ends(pearson)),
        ("p", numbers.p_value(pearson.p)),
    ]
    if spearman is not None:
        pairs += [("Spearman ρ", numbers.signed(spearman.r)), ("p of ρ", numbers.p_value(spearman.p))]
    return [*pairs, *more]


class Options(TypedDict, total=False):
    """What a figure of dots may hold besides them.

    Attributes
    ----------
    line : Fitted or None
        The regression line.
    picked : str
        The dot that is ringed, "" for none.
    chance : float
        Where a dashed line is drawn along x; NaN for none.
    y_axis : dict or None
        What is to be different about the axis.
    """

    line: Fitted | None
    picked: str
    chance: float
    y_axis: dict[str, Any] | None


def correlation_figure(
    shown: Dots,
    *,
    x_title: str,
    y_title: str,
    things: str,
    theme: str = "light",
    **options: Unpack[Options],
) -> go.Figure:
    """Draw one number of each model or space against another, with the regression line and its band.

    Parameters
    ----------
    shown : Dots
        Those with both numbers.
    x_title, y_title : str
    things : str
        What n counts.
    theme : {"light", "dark"}
    **options
        See `Options`.

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
    picked, chance = options.get("picked", ""), options.get("chance", float("nan"))
    traces = _line(options.get("line"), theme)
    if shown.ends is not None:
        low, high = np.asarray(shown.ends, float).T
        bars = whiskers(y, low, high, f"{RULE[theme]}aa", thickness=1.2)
        marker = {"size": 1, "opacity": 0}
        traces.append(scatter(x, y, error_y=bars, marker=marker, pointed=False, meta="intervals"))
    hollow = np.zeros(len(x), bool) if shown.hollow is None else np.asarray(shown.hollow, bool)
    for i in range(len(shown.kinds)):
        mine = np.flatnonzero(np.asarray(shown.series) == i).tolist()
        if mine:
            traces.append(dots(shown, mine, x, y, i, theme, hollow))
    if len(shown.names):
        _write_names(traces, shown, x, y, theme)
    if picked in shown.ids:
        j = list(shown.ids).index(picked)
        traces.append(ring(x[[j]], y[[j]], theme, size=21 if len(shown.names) else 17))
    if np.isfinite(chance):
        traces.append(chance_key(chance, theme))
    layout: dict[str, Any] = {
        "height": 430,
        "margin": {"t": 44},
        "xaxis": {
            "title": {"text": f"{x_title}<br>n = {len(x):,} {things}"},
            "range": _reach(x, room=0.14 if len(shown.names) else 0.06),
            "nticks": 7,
            "showgrid": True,
        },
        "yaxis": {"title": {"text": y_title}, "range": _reach(y, shown.ends), "nticks": 7, "showgrid": True}
        | (options.get("y_axis") or {}),
        "shapes": [rule("y", chance, theme, dash="dash")] if np.isfinite(chance) else [],
        "hoverdistance": 14,
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def dots(
    shown: Dots,
    mine: list[int],
    x: np.ndarray,
    y: np.ndarray,
    series: int,
    theme: str,
    hollow: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the trace of some dots, `mine`, all of one kind, at their places among all `x` and `y`."""
    named = len(shown.names) > 0
    colour, symbol = series_colour(series, theme), series_symbol(series)
    edge = {"width": 2, "color": colour} if named else {"width": 0.6, "color": palette.BACKGROUND[theme]}
    symbols = [f"{symbol}-open" if hollow is not None and hollow[i] else symbol for i in mine]
    opacity = 1 if named else 0.8
    return scatter(
        x[mine],
        y[mine],
        customdata=[shown.ids[i] for i in mine],
        hovertext=[shown.hover[i] for i in mine],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=not named,
        marker={
            "symbol": symbols if named else symbol,
            "size": 11 if named else 8,
            "color": colour,
            "opacity": opacity,
            "line": edge,
        },
        **steady(opacity),
        name=label(shown.kinds[series], 40),
        legendgroup=shown.kinds[series],
        showlegend=len(shown.kinds) > 1,
        meta="models",
    )


def _write_names(traces: list[dict[str, Any]], shown: Dots, x: np.ndarray, y: np.ndarray, theme: str) -> None:
    """Write its name beside each dot, into the traces of the dots."""
    sides = dict(zip(shown.ids, _sides(x, y), strict=True))
    names = dict(zip(shown.ids, shown.names, strict=True))
    for trace in traces:
        if trace["meta"] == "models":
            trace |= {
                "mode": "markers+text",
                "text": [label(names[i], 22) for i in trace["customdata"]],
                "textposition": [sides[i] for i in trace["customdata"]],
                "textfont": {"size": 11.5, "color": INK[theme]},
            }


def _line(line: Fitted | None, theme: str) -> list[dict[str, Any]]:
    if line is None:
        return []
    band = scatter(
        np.concatenate([line.x, line.x[::-1]]),
        np.concatenate([line.high, line.low[::-1]]),
        "lines",
        hoverinfo="skip",
        fill="toself",
        fillcolor=f"{RULE[theme]}30",
        line={"width": 0},
        name="95% band",
        meta="band",
    )
    stroke = {"color": INK[theme], "width": 1.8}
    name = "regression line"
    return [band, scatter(line.x, line.y, "lines", hoverinfo="skip", line=stroke, name=name, meta="line")]


def _reach(values: np.ndarray, ends: np.ndarray | None = None, *, room: float = 0.14) -> list[float]:
    """Return the ends of an axis with room for names; of long intervals only what is near the dots."""
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 0.1 * max(abs(high), 1.0)
    if ends is not None and np.isfinite(ends).any():
        low = max(low - span, min(low, float(np.nanmin(ends))))
        high = min(high + span, max(high, float(np.nanmax(ends))))
    return [low - room * span, high + room * span]


def _sides(x: np.ndarray, y: np.ndarray) -> list[str]:
    """Choose on which side of its dot each name is written, so that few lie over each other.

    Taken in order of x, each is placed where the fewest dots and names that are placed already are near.
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
    sides = [""] * len(x)
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
        sides[i] = min(costs, key=lambda s: costs[s])
        taken.append(at[i] + offsets[sides[i]])
    return sides
