"""The confusion explorer: a matrix of what clips were taken for, and the clips of a cell to play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, form, layout, numbers
from dashboard.kit.confusion_figures import matrix_figure
from dashboard.kit.confusion_numbers import Judged, confused, describe_rows, first_cell, matrix_table
from dashboard.kit.layout import plain
from dashboard.state import View

#: Clips of a cell that are listed.
MOST_CLIPS = 24


def choose(view: View, shown: Judged, names: tuple[str, str] = ("true", "taken")) -> tuple[str, str]:
    """Return the chosen cell: at first the one that is confused most."""
    called = ("class of the clips", "class that they are taken for")
    first = first_cell(shown)
    true, taken = (
        view.choice(name, list(shown.classes), usual, called=words)
        for name, usual, words in zip(names, first, called, strict=True)
    )
    return true, taken


def show_matrix(
    shown: Judged,
    pair: tuple[str, str],
    *,
    key: str,
    file: str,
    chooses: Sequence[str],
    remembered: tuple[Any, ...],
    of: str = "",
) -> None:
    """Draw the confusion matrix; a click on a cell chooses it.

    Parameters
    ----------
    shown : Judged
    pair : (str, str)
        The chosen cell.
    key, file : str
        Of the chart.
    chooses : sequence of str
        Keys of the session for the class and what it is taken for.
    remembered : tuple
        What the figure is kept in memory by.
    of : str
        Whose matrix it is, for screen readers.
    """
    drawn = confused(shown)
    layout.wide(key, len(drawn.taken))
    chart.show(
        lambda theme: matrix_figure(drawn, picked=pair, theme=theme),
        remembered=("confusion", *remembered, pair),
        key=key,
        file=f"confusion-{file}",
        csv=lambda: matrix_table(shown),
        chooses=chooses,
        caption="; ".join(filter(None, ["click a cell to list its clips", describe_rows(drawn)])),
        alt=f"Confusion matrix of {len(drawn.names)} test classes{of}",
    )


def choose_cell(view: View, shown: Judged, names: tuple[str, str] = ("true", "taken")) -> None:
    """Draw the two lists that choose a cell in words."""
    places = st.columns(2, gap="medium")
    for place, name, words in zip(places, names, ("Clips of", "taken for"), strict=True):
        form.listed(words, shown.classes, view.key(name), place=place)


def no_clip(true: str, taken: str) -> None:
    """Say that a cell is empty."""
    words = "is taken for itself" if true == taken else f"is taken for {plain(taken)}"
    st.caption(f"No clip of {plain(true)} {words}. Click another cell.")


def list_cell(
    c: Clips,
    cell: pd.DataFrame,
    pair: tuple[str, str],
    *,
    key: str,
    dataset: str,
    most: int = MOST_CLIPS,
    more: str = "",
    **options: Unpack[clip_list.Options],
) -> None:
    """List the clips of a cell with their scores, as a heading and a list.

    Parameters
    ----------
    c : Clips
    cell : DataFrame
        From `confusion_numbers.in_cell`.
    pair : (str, str)
        The class of the clips, and the class that they are taken for.
    key, dataset : str
    most : int
        Clips that are listed.
    more : str
        Words behind the heading.
    **options
        See `dashboard.components.clips.Options`.
    """
    true, taken = pair
    some = cell.iloc[:most]
    order = "surest first" if true == taken else "nearly right first"
    part = f", {most} of them" if more and len(cell) > most else ""
    st.markdown(f"**{numbers.count(len(cell), 'clip')}{part}, {order}**{more}")
    columns = {"score": [numbers.signed(v) for v in np.asarray(some["score"], float).tolist()]}
    if true != taken:
        columns["own class"] = [numbers.signed(v) for v in np.asarray(some["own_score"], float).tolist()]
    clip_list.show(
        c,
        some["clip_id"].astype(str).tolist(),
        key=key,
        dataset=dataset,
        label=f"Clips of {true} taken for {taken}",
        **(options | {"numbers": columns}),
    )
