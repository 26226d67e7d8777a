"""A bar a class: how many captions name it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.kit import palette
from dashboard.kit.marks import rows
from dashboard.kit.text import whole, wrapped


def leaks_figure(
    names: Sequence[str],
    counts: Sequence[int],
    *,
    total: int,
    things: str,
    hover: Sequence[str] = (),
    chosen: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw how many texts name each class.

    Parameters
    ----------
    names, counts : sequences of length C
        Classes from top to bottom, and how many texts name each; a bar's ``customdata`` is its class.
    total : int
        Texts that were searched.
    things : str
        The noun for them, such as "captions"; it names the x axis.
    hover : sequence of str, length C, optional
        The text of each class when it is pointed at; by default how many texts name it.
    chosen : str
        The class that is highlighted, "" for none.
    """
    values = np.asarray(counts, dtype=float)
    faded = [1.0 if chosen in ("", name) else 0.4 for name in names]
    bars = {
        "type": "bar",
        "orientation": "h",
        "meta": "leaks",
        "x": values,
        "y": np.arange(len(names)),
        "customdata": list(names),
        "hovertext": list(hover)
        or [f"{whole(n)}: {c:,} {things}" for n, c in zip(names, counts, strict=True)],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "text": [f"{n:,} · {n / total:.1%}" if total else f"{n:,}" for n in counts],
        "textposition": "outside",
        "cliponaxis": False,
        "constraintext": "none",
        "marker": {"color": palette.BASE[theme][0], "opacity": faded, "line": {"width": 0}},
        # What is clicked is shown by its own opacity.
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 0.4}},
    }
    most = float(values.max(initial=0.0))
    layout = {
        "height": 70 + 26 * max(len(names), 3),
        "bargap": 0.3,
        "showlegend": False,
        # Room for the number behind the longest bar.
        "xaxis": {
            "title": {"text": f"{things} that name the class"},
            "range": [0, 1.6 * max(most, 1.0)],
            "tickformat": ",d",
            # Whole numbers, each once.
            **({"dtick": 1} if most < 4 else {"nticks": 5}),
        },
        "yaxis": rows([wrapped(name, 26) for name in names]),
        "margin": {"t": 8},
    }
    return go.Figure({"data": [bars], "layout": layout})
