"""Figures of retrieval: every system of a space, models by family of sounds, classes beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import cells, outline
from dashboard.kit.look import INK
from dashboard.kit.marks import note, row_band, rule, steady, whiskers
from dashboard.kit.text import label, plain, row_height, short, thinned, whole, wrapped

#: How the search algorithms look, in the order in which they stand beside each other.
ALGORITHMS = {"mips": ("MIPS", "square", 1), "mcss": ("MCSS", "circle", 0), "nns": ("NNS", "diamond", 2)}
_CELL = 44
_PICKED = {"light": "#d4380d", "dark": "#f0357f"}


@dataclass(frozen=True)
class System:
    """One way from embeddings to lists, with its number; NaN where it could not be built."""

    aggregation: str
    components: int
    algorithm: str
    value: float
    low: float
    high: float


def systems_figure(
    systems: Sequence[System],
    *,
    title: str,
    n: str,
    best: int | None = None,
    fixed: int | None = None,
    digits: int = 3,
    theme: str = "light",
) -> go.Figure:
    """Draw every system: processing along x, the number along y, a colour and a marker an algorithm.

    Parameters
    ----------
    systems : sequence of System
        ``aggregation`` is "" where there are no frames; ``components`` 0 where all dimensions are kept.
    title : str
        Of the number, with its range and direction.
    n : str
        How many queries and classes it is of.
    best : int, optional
        Index of the best one, which is ringed and named.
    fixed : int, optional
        Index of the one that models are compared by, which is named.
    digits : int
        Decimals of the number in words.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        A trace an algorithm, with its name as ``meta``.
    """
    if not systems:
        raise ValueError("There is nothing to draw: no system was tried.")
    ways = list(dict.fromkeys((s.aggregation, s.components) for s in systems))
    place = {way: i for i, way in enumerate(ways)}
    there = [a for a in ALGORITHMS if any(s.algorithm == a for s in systems)]
    step = 0.24
    shift = {a: step * (i - (len(there) - 1) / 2) for i, a in enumerate(there)}
    traces = []
    for algorithm in there:
        name, symbol, hue = ALGORITHMS[algorithm]
        colour = palette.BASE[theme][hue]
        mine = [s for s in systems if s.algorithm == algorithm and np.isfinite(s.value)]
        value, low, high = (np.array([getattr(s, k) for s in mine], float) for k in ("value", "low", "high"))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [place[s.aggregation, s.components] + shift[algorithm] for s in mine],
                "y": value,
                "error_y": whiskers(value, low, high, colour, thickness=1.4, width=3),
                "marker": {"symbol": symbol, "size": 9, "color": colour},
                "text": [_system(s, digits) for s in mine],
                "hovertemplate": "%{text}<extra></extra>",
                "name": name,
                "meta": algorithm,
            }
        )
    marks = []
    for at, words in _marked(best, fixed).items():
        s = systems[at]
        if np.isfinite(s.value):
            marks.append((place[s.aggregation, s.components] + shift[s.algorithm], s, words, at == best))
    ends = np.array([[s.low, s.high, s.value] for s in systems], float)
    ends = ends[np.isfinite(ends)]
    span = float(np.ptp(ends)) if len(ends) else 0.0
    traces += [_ring(x, s.value, theme) for x, s, _, ring in marks if ring]
    built = {(s.aggregation, s.components) for s in systems if np.isfinite(s.value)}
    layout: dict[str, Any] = {
        "height": 440,
        "margin": {"t": 40},
        "xaxis": {
            "title": {"text": _processing(ways)},
            "tickvals": list(range(len(ways))),
            "ticktext": _ticks(ways),
            "tickangle": 0,
            "range": [-0.55, len(ways) - 0.45],
            "showgrid": False,
        },
        "yaxis": {
            "title": {"text": f"{title} · {n}"},
            "showgrid": True,
            "range": [float(ends.min()) - 0.06 * span, float(ends.max()) + 0.16 * span] if span else None,
        },
        "shapes": [
            rule("x", i - 0.5, theme, dash="dot", width=1)
            for i in range(1, len(ways))
            if ways[i][0] != ways[i - 1][0]
        ],
        "annotations": [
            note(
                x,
                s.high if np.isfinite(s.high) else s.value,
                words,
                theme,
                yanchor="bottom",
                yshift=4,
            )
            for x, s, words, _ in marks
        ]
        + [
            note(i, 0.04, "left out", theme, 11, yref="paper", textangle=-90, yanchor="bottom")
            for way, i in place.items()
            if way not in built
        ],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def groups_figure(
    spaces: Sequence[str],
    groups: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    said: Sequence[Sequence[str]],
    words: Sequence[str],
    higher: bool = True,
    picked: tuple[str, str] = ("", ""),
    theme: str = "light",
) -> go.Figure:
    """Draw a number of every space (rows) and group of classes (columns), printed in its cell.

    Parameters
    ----------
    spaces, groups : sequence of str
    values : ndarray, shape (s, g)
        NaN where there is none.
    title : str
        What the numbers are.
    said : sequence of sequences of str
        The number of each cell as it is printed.
    words : sequence of str
        What each group holds, written below its name.
    higher : bool
        Whether more is better: the better end of the scale is yellow either way.
    picked : pair of str
        Space and group of the outlined cell.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of the trace with ``meta`` "cells" is the space and the group.
    """
    grid = np.asarray(values, float)
    if grid.shape != (len(spaces), len(groups)):
        raise ValueError(
            f"values has shape {grid.shape}; needed is ({len(spaces)}, {len(groups)}), a row a space and a "
            "column a group."
        )
    finite = grid[np.isfinite(grid)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    share = np.where(np.isfinite(grid), 0.5, np.nan) if high == low else (grid - low) / (high - low)
    share = share if higher else 1 - share
    places = [(i, j) for i in range(len(spaces)) for j in range(len(groups))]
    written = [
        [said[i][j] if np.isfinite(grid[i, j]) else "not computed" for j in range(len(groups))]
        for i in range(len(spaces))
    ]
    data = cells(
        share,
        said,
        places,
        [
            f"<b>{whole(spaces[i])}</b> · {whole(groups[j])}<br>{title.partition('<')[0]} {written[i][j]}<br>"
            f"{plain(words[j])}"
            for i, j in places
        ],
        ids=[[spaces[i], groups[j]] for i, j in places],
        ends=(0.0, 1.0),
        size=_CELL,
        theme=theme,
    )
    layout: dict[str, Any] = {
        "height": round(_CELL * max(len(spaces), 2) + 170),
        "margin": {"t": 12},
        "xaxis": {
            "title": {"text": title, "standoff": 14},
            "tickvals": list(range(len(groups))),
            "ticktext": [
                f"{wrapped(short(g, 44), 15)}<br><i>{plain(w)}</i>"
                for g, w in zip(groups, words, strict=True)
            ],
            "side": "top",
            "tickangle": 0,
            "range": [-0.5, len(groups) - 0.5],
            "showgrid": False,
        },
        "yaxis": {
            "tickvals": list(range(len(spaces))),
            "ticktext": [wrapped(short(s, 26)) for s in spaces],
            "range": [len(spaces) - 0.5, -0.5],
            "showgrid": False,
        },
        "shapes": [
            outline(i, j, _PICKED[theme]) for i, j in places if (spaces[i], groups[j]) == tuple(picked)
        ],
        # A wide cell belongs to its middle up to its edges.
        "hoverdistance": 120,
    }
    return go.Figure({"data": data, "layout": layout}, _validate=False)


def classes_figure(
    names: Sequence[str],
    shown: Mapping[str, np.ndarray],
    *,
    title: str,
    n: Sequence[int],
    digits: int = 3,
    chosen: str = "",
    limit: float | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw a number of every class as a dot with its interval, a row a class, one marker a space.

    Parameters
    ----------
    names : sequence of str, length C
        Topmost first.
    shown : mapping
        Space to its numbers, (C, 3): value and the ends of its interval; the first space is filled, at most
        one more is hollow.
    title : str
        Of the number, with its range and direction.
    n : sequence of int
        Queries a class.
    digits : int
        Decimals of the number in words.
    chosen : str
        Class whose row is marked.
    limit : float, optional
        The highest number that there can be; the axis ends there at the latest.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        ``customdata`` of every dot is its class.
    """
    if not names or not shown:
        raise ValueError("There is nothing to draw: no class has a number.")
    pixels = min(34.0, row_height(len(names)))
    rows = np.arange(len(names), dtype=float)
    traces = []
    for i, (space, values) in enumerate(shown.items()):
        value, low, high = np.asarray(values, float).reshape(-1, 3).T
        colour = palette.BASE[theme][i]
        apart = 0.0 if len(shown) == 1 or pixels < 16 else 0.14 * (1 if i else -1)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": value,
                "y": rows + apart,
                "customdata": list(names),
                "text": [
                    f"<b>{whole(name)}</b><br>{whole(space)}: {v:.{digits}f} "
                    f"({a:.{digits}f} to {b:.{digits}f})<br>n = {k:,} queries"
                    for name, v, a, b, k in zip(names, value, low, high, n, strict=True)
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "error_x": whiskers(value, low, high, colour, thickness=1.3),
                "marker": {
                    "size": max(5.0, min(9.0, 0.4 * pixels)),
                    "symbol": "diamond-open" if i else "circle",
                    "color": colour,
                    "line": {"width": 1.6 if i else 0, "color": colour},
                },
                **steady(),
                "name": label(space, 30),
                "meta": space,
            }
        )
    at, texts = thinned(names, pixels)
    ends = np.concatenate([np.asarray(v, float).ravel() for v in shown.values()])
    top = min(math.inf if limit is None else limit, float(ends[np.isfinite(ends)].max(initial=0.0))) or 1.0
    room = 0.03 * top
    layout: dict[str, Any] = {
        "height": round(pixels * len(names) + 128),
        "margin": {"t": 40},
        "showlegend": True,
        "xaxis": {
            "title": {"text": title},
            "range": [-room, top + room],
            "showgrid": True,
            "nticks": 6,
        },
        "yaxis": {
            "tickvals": at,
            "ticktext": texts,
            "range": [len(names) - 0.4, -0.6],
            "showgrid": False,
        },
        "hoverdistance": 14,
    }
    if chosen in names:
        layout["shapes"] = [row_band(list(names).index(chosen))]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


# -- parts ------------------------------------------------------------------------------------------------


def _system(s: System, digits: int) -> str:
    ways = [s.aggregation, f"PCA to {s.components}" if s.components else "no PCA", ALGORITHMS[s.algorithm][0]]
    number = f"{s.value:.{digits}f}"
    if np.isfinite([s.low, s.high]).all():
        number += f" ({s.low:.{digits}f} to {s.high:.{digits}f})"
    return f"<b>{', '.join(w for w in ways if w)}</b><br>{number}"


def _marked(best: int | None, fixed: int | None) -> dict[int, str]:
    if best is not None and best == fixed:
        return {best: "best, and fixed"}
    return {i: words for i, words in ((best, "best"), (fixed, "fixed")) if i is not None}


def _processing(ways: Sequence[tuple[str, int]]) -> str:
    frames = any(aggregation for aggregation, _ in ways)
    return "components kept by PCA" + (";<br>aggregation of the frames" if frames else "")


def _ticks(ways: Sequence[tuple[str, int]]) -> list[str]:
    """Write the components of each, and below the middle one of an aggregation its name."""
    texts = []
    for i, (aggregation, components) in enumerate(ways):
        group = [j for j, w in enumerate(ways) if w[0] == aggregation]
        text = str(components) if components else "all"
        texts.append(
            f"{text}<br><b>{aggregation}</b>" if aggregation and i == group[len(group) // 2] else text
        )
    return texts


def _ring(x: float, y: float, theme: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [y],
        "marker": {"symbol": "circle-open", "size": 19, "color": INK[theme], "line": {"width": 1.6}},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": "best",
    }
