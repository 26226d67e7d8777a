"""Figures of retrieval: all systems of a space, models by family of sounds, and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.cells import cells, outline
from dashboard.kit.look import INK
from dashboard.kit.marks import note, row_band, rule, steady, whiskers
from dashboard.kit.text import label, plain, row_height, short, thinned, whole, wrapped
from dashboard.retrieval.data import ALGORITHMS, Measure
from dashboard.retrieval.system_data import reduction

#: Marker and colour of the search algorithms, in the order in which they are drawn.
_LOOKS = {"mips": ("square", 1), "mcss": ("circle", 0), "nns": ("diamond", 2)}
#: Distance between the markers of two algorithms, where processings are 1 apart.
_STEP = 0.24
_CELL = 44
_PICKED = {"light": "#d4380d", "dark": "#f0357f"}
#: Letters of a class beside its row: a phone keeps half of the width for the dots.
_CLASS = 20


def systems_figure(
    systems: pd.DataFrame,
    measure: Measure,
    *,
    n: str,
    best: int | None = None,
    fixed: int | None = None,
    theme: str = "light",
) -> go.Figure:
    """Draw every system: processing along x, the measure along y, a colour and a marker an algorithm.

    `systems` are as in `RetrievalGrid`, `n` is the number of queries and classes in words. The row `best` is
    ringed and named, the row `fixed`, which models are compared by, is named. The name of an algorithm is the
    ``meta`` of its trace.
    """
    if systems.empty:
        raise ValueError("There is nothing to draw: no system was tried.")
    s = systems.assign(value=systems[measure.name])
    s["low"], s["high"] = s[f"{measure.name}_low"], s[f"{measure.name}_high"]
    s["way"] = list(zip(s["aggregation"], s["components"].astype(int), strict=True))
    ways = list(dict.fromkeys(s["way"]))
    tried = [a for a in _LOOKS if (s["algorithm"] == a).any()]
    shift = {a: _STEP * (i - (len(tried) - 1) / 2) for i, a in enumerate(tried)}
    s["x"] = s["way"].map({way: i for i, way in enumerate(ways)}) + s["algorithm"].map(shift)
    built, top = s[np.isfinite(s["value"])], s["high"].where(np.isfinite(s["high"]), s["value"])
    named = {i: words for i, words in _names(best, fixed).items() if i in built.index}
    numbers = built[["low", "high", "value"]].to_numpy(float)
    numbers = numbers[np.isfinite(numbers)]
    span = float(np.ptp(numbers)) if len(numbers) else 0.0
    traces = [_algorithm(built[built["algorithm"] == a], a, measure.digits, theme) for a in tried]
    traces += [_ring(s["x"][i], s["value"][i], theme) for i in named if i == best]
    frames = any(aggregation for aggregation, _ in ways)
    layout: dict[str, Any] = {
        "height": 440,
        "margin": {"t": 40},
        "xaxis": {
            "title": {"text": "components kept by PCA" + ";<br>aggregation of the frames" * frames},
            "tickvals": list(range(len(ways))),
            "ticktext": _ticks(ways),
            "tickangle": 0,
            "range": [-0.55, len(ways) - 0.45],
            "showgrid": False,
        },
        "yaxis": {
            "title": {"text": f"{measure.axis(apart='<br>')} · {n}"},
            "showgrid": True,
            "range": [numbers.min() - 0.06 * span, numbers.max() + 0.16 * span] if span else None,
        },
        "shapes": [
            rule("x", i - 0.5, theme, dash="dot", width=1)
            for i in range(1, len(ways))
            if ways[i][0] != ways[i - 1][0]
        ],
        "annotations": [
            note(s["x"][i], top[i], words, theme, yanchor="bottom", yshift=4) for i, words in named.items()
        ]
        + [
            note(i, 0.04, "left out", theme, 11, yref="paper", textangle=-90, yanchor="bottom")
            for i, way in enumerate(ways)
            if way not in set(built["way"])
        ],
    }
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _algorithm(systems: pd.DataFrame, algorithm: str, digits: int, theme: str) -> dict[str, Any]:
    symbol, hue = _LOOKS[algorithm]
    colour = palette.BASE[theme][hue]
    value, low, high = (systems[k].to_numpy(float) for k in ("value", "low", "high"))
    texts = []
    for (aggregation, components), v, a, b in zip(systems["way"], value, low, high, strict=True):
        steps = filter(None, (aggregation, reduction(components), ALGORITHMS[algorithm]))
        interval = f" ({a:.{digits}f} to {b:.{digits}f})" * bool(np.isfinite([a, b]).all())
        texts.append(f"<b>{', '.join(steps)}</b><br>{v:.{digits}f}{interval}")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": systems["x"].to_numpy(float),
        "y": value,
        "error_y": whiskers(value, low, high, colour, thickness=1.4, width=3),
        "marker": {"symbol": symbol, "size": 9, "color": colour},
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "name": ALGORITHMS[algorithm],
        "meta": algorithm,
    }


def _names(best: int | None, fixed: int | None) -> dict[int, str]:
    if best is not None and best == fixed:
        return {best: "best, and fixed"}
    return {i: words for i, words in ((best, "best"), (fixed, "fixed")) if i is not None}


def _ticks(ways: Sequence[tuple[str, int]]) -> list[str]:
    """Return the components of each, with the aggregation below the middle one of those that share it."""
    texts = []
    for i, (aggregation, components) in enumerate(ways):
        group = [j for j, w in enumerate(ways) if w[0] == aggregation]
        below = f"<br><b>{aggregation}</b>" if aggregation and i == group[len(group) // 2] else ""
        texts.append((str(components) if components else "all") + below)
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


def families_figure(
    values: pd.DataFrame,
    measure: Measure,
    *,
    contents: Sequence[str],
    picked: tuple[str, str] = ("", ""),
    theme: str = "light",
) -> go.Figure:
    """Draw a measure of every space (rows) and family (columns), printed in its cell.

    The better end of the scale is yellow whichever way the measure runs. `contents` is written below the name
    of each family; the cell of the space and family `picked` is outlined. ``customdata`` of the trace with
    ``meta`` "cells" is the space and the family.
    """
    grid, spaces, families = values.to_numpy(float), list(values.index), list(values.columns)
    finite = grid[np.isfinite(grid)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    share = np.where(np.isfinite(grid), 0.5, np.nan) if high == low else (grid - low) / (high - low)
    texts = [[measure.text(v) for v in row] for row in grid]
    places = [(i, j) for i in range(len(spaces)) for j in range(len(families))]
    title = measure.axis().partition("<")[0]
    data = cells(
        share if measure.better > 0 else 1 - share,
        texts,
        places,
        [
            f"<b>{whole(spaces[i])}</b> · {whole(families[j])}<br>{title} "
            f"{texts[i][j] if np.isfinite(grid[i, j]) else 'not computed'}<br>{plain(contents[j])}"
            for i, j in places
        ],
        ids=[[spaces[i], families[j]] for i, j in places],
        ends=(0.0, 1.0),
        size=_CELL,
        theme=theme,
    )
    layout: dict[str, Any] = {
        "height": round(_CELL * max(len(spaces), 2) + 170),
        "margin": {"t": 12},
        "xaxis": {
            "title": {"text": measure.axis(apart="<br>"), "standoff": 14},
            "tickvals": list(range(len(families))),
            "ticktext": [
                f"{wrapped(short(f, 44), 15)}<br><i>{plain(words)}</i>"
                for f, words in zip(families, contents, strict=True)
            ],
            "side": "top",
            "tickangle": 0,
            "range": [-0.5, len(families) - 0.5],
            "showgrid": False,
        },
        "yaxis": {
            "tickvals": list(range(len(spaces))),
            "ticktext": [wrapped(short(s, 26)) for s in spaces],
            "range": [len(spaces) - 0.5, -0.5],
            "showgrid": False,
        },
        "shapes": [outline(i, j, _PICKED[theme]) for i, j in places if (spaces[i], families[j]) == picked],
        # A wide cell can be pointed at up to its edges.
        "hoverdistance": 120,
    }
    return go.Figure({"data": data, "layout": layout}, _validate=False)


def classes_figure(
    shown: Mapping[str, pd.DataFrame],
    measure: Measure,
    *,
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw a measure of every class as a dot with its interval, a row a class, one marker a space.

    `shown` is that of `class_data.dots`, the topmost class first; the first space is filled, at most one more
    is hollow. The row of the class `chosen` is marked. ``customdata`` of every dot is its class.
    """
    first = next(iter(shown.values()), None)
    if first is None or first.empty:
        raise ValueError("There is nothing to draw: no class has a number.")
    names = [str(name) for name in first.index]
    pixels = min(34.0, row_height(len(names)))
    apart = 0.0 if len(shown) == 1 or pixels < 16 else 0.14
    traces = [
        _dots(space, frame.assign(queries=first["n"]), measure.digits, i, pixels, theme)
        | {"y": np.arange(len(names)) + apart * (1 if i else -1)}
        for i, (space, frame) in enumerate(shown.items())
    ]
    at, texts = thinned(names, pixels, most=_CLASS)
    ends = np.concatenate([f[["value", "low", "high"]].to_numpy(float).ravel() for f in shown.values()])
    top = min(measure.limit, float(ends[np.isfinite(ends)].max(initial=0.0))) or 1.0
    layout: dict[str, Any] = {
        "height": round(pixels * len(names) + 128),
        "margin": {"t": 40},
        "showlegend": True,
        "xaxis": {
            "title": {"text": measure.axis(of_class=True, apart="<br>")},
            "range": [-0.03 * top, 1.03 * top],
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
        layout["shapes"] = [row_band(names.index(chosen))]
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def _dots(
    space: str, frame: pd.DataFrame, digits: int, which: int, pixels: float, theme: str
) -> dict[str, Any]:
    colour = palette.BASE[theme][which]
    value, low, high = (frame[k].to_numpy(float) for k in ("value", "low", "high"))
    names = [str(name) for name in frame.index]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": value,
        "customdata": names,
        "text": [
            f"<b>{whole(name)}</b><br>{whole(space)}: {v:.{digits}f} "
            f"({a:.{digits}f} to {b:.{digits}f})<br>n = {n:,} queries"
            for name, v, a, b, n in zip(names, value, low, high, frame["queries"], strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "error_x": whiskers(value, low, high, colour, thickness=1.3),
        "marker": {
            "size": max(5.0, min(9.0, 0.4 * pixels)),
            "symbol": "diamond-open" if which else "circle",
            "color": colour,
            "line": {"width": 1.6 if which else 0, "color": colour},
        },
        **steady(),
        "name": label(space, 30),
        "meta": space,
    }
