"""All spaces against all, as squares with numbers that can be pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.kit.cells import cells, outline
from dashboard.kit.text import whole, wrapped

#: Height of a cell in pixels.
_CELL = 46
_PICKED = {"light": "#e84db9", "dark": "#fad7f0"}


def letters(n: int) -> list[str]:
    """Return short names for the columns of a matrix: A ... Z, AA, AB, ...

    Examples
    --------
    >>> letters(3), letters(28)[-2:]
    (['A', 'B', 'C'], ['AA', 'AB'])
    """
    return [chr(65 + i) if i < 26 else chr(64 + i // 26) + chr(65 + i % 26) for i in range(n)]


def spaces_figure(
    names: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    ids: Sequence[Sequence[str]] | None = None,
    picked: str = "",
    low: float = 0.0,
    theme: str = "light",
) -> go.Figure:
    """Draw all spaces against all: a coloured square with its number for every two of them.

    Parameters
    ----------
    names : sequence of str
        The spaces, in the order of rows and columns. Rows are named, columns carry the row's letter.
    values : ndarray, shape (s, s)
        NaN where there is no number; the diagonal is left blank whatever it holds.
    title : str
        What the numbers are.
    ids : sequence of sequences of str, optional
        The pair of every cell, "" for none: carried in ``customdata`` of a point on it, which can be clicked.
    picked : str
        The pair that is outlined.
    low : float
        Where the colours begin; figures beside each other are given the same.
    theme : {"light", "dark"}

    Returns
    -------
    Figure
        The colours run from `low` (or the lowest number, where it is below) to 1.
    """
    s = len(names)
    shown = np.array(values, dtype=float)
    if shown.shape != (s, s):
        raise ValueError(f"values has shape {shown.shape}; needed is ({s}, {s}), a row and a column a space.")
    np.fill_diagonal(shown, np.nan)
    low = min([low, *shown[np.isfinite(shown)]])
    short = letters(s)
    places = [(i, j) for i in range(s) for j in range(s) if i != j]
    written = [[f"{v:.3f}" if np.isfinite(v) else "not computed" for v in row] for row in shown]
    data = cells(
        shown,
        [[f"{v:.2f}".replace("-", "−") for v in row] for row in shown],
        places,
        [f"{whole(names[i])} and {whole(names[j])}<br>{written[i][j]}" for i, j in places],
        ids=None if ids is None else [ids[i][j] for i, j in places],
        ends=(low, 1.0),
        size=_CELL,
        theme=theme,
    )
    shapes = [
        outline(i, j, _PICKED[theme]) for i, j in places if ids is not None and picked and ids[i][j] == picked
    ]
    more = 18 * title.count("<br>")
    axis = {"tickmode": "array", "tickvals": list(range(s)), "showgrid": False, "zeroline": False}
    layout = {
        "height": 70 + more + _CELL * max(s, 3),
        "title": {"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 1, "yanchor": "top"},
        "margin": {"t": 62 + more, "l": 8, "r": 8, "b": 8},
        "shapes": shapes,
        "xaxis": axis | {"ticktext": short, "side": "top", "range": [-0.5, s - 0.5]},
        "yaxis": axis
        | {
            "ticktext": [f"{wrapped(n)}  <b>{a}</b>" for n, a in zip(names, short, strict=True)],
            "range": [s - 0.5, -0.5],
        },
        "hovermode": "closest",
    }
    return go.Figure({"data": data, "layout": layout})
