"""How models learn: curves over the epochs, while a training goes on and when it is done."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from dashboard.components import growing
from dashboard.kit import chart, layout, table
from dashboard.kit.learning_figures import Curves, curves_table

#: Text before the first epoch; {} is what learns.
NOT_YET = (
    "Curves appear here once the {} learn, and grow with every epoch. You may leave the page meanwhile; "
    "the training goes on."
)


def grow(
    figures: Mapping[str, go.Figure], curves: Curves, *, key: str, file: str, of: str = "", what: str = "name"
) -> None:
    """Draw figures side by side that grow while a job runs, with their numbers.

    Parameters
    ----------
    figures : mapping
        A word for what is drawn to the figure.
    curves : Curves
        Of all of them.
    key : str
        Beginning of the keys of the charts.
    file : str
        Name of the files, with {} where the word of a figure goes.
    of : str
        Whose curves they are, such as " of the models".
    what : str
        See `curves_table`.
    """
    for place, (name, figure) in zip(st.columns(2, gap="medium"), figures.items(), strict=True):
        with place:
            growing.show(
                figure,
                key=f"{key}-{name}",
                file=file.format(f"{name}-"),
                alt=f"{name.capitalize()}{of} over the epochs so far",
                theme=layout.theme(),
            )
    table.download(f"{key}-csv", file.format(""), lambda: curves_table(curves, what))


def draw(
    figures: Mapping[str, go.Figure], curves: Curves, *, key: str, file: str, alt: str, what: str = "name"
) -> None:
    """Draw figures of a finished training side by side; see `grow`. `alt` ends the description of each."""
    for place, (name, figure) in zip(st.columns(2, gap="medium"), figures.items(), strict=True):
        with place:
            chart.show(
                figure,
                key=f"{key}-{name}",
                file=file.format(f"{name}-"),
                csv=lambda: curves_table(curves, what),
                alt=f"{name.capitalize()} {alt}",
            )
