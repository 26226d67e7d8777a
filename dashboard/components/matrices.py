"""Small matrices of pairs of classes, side by side: a pair pointed at in one is marked in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, Unpack

import numpy as np
import streamlit as st

from dashboard.components import component
from dashboard.kit.cells import beyond, reach, robust_ends

#: Classes that still leave cells to point at.
MOST = 24


@dataclass(frozen=True)
class Number:
    """A number of pairs of classes, drawn with one scale in all settings.

    Attributes
    ----------
    name : str
        What it is, with its range.
    short : str
        The same in a word.
    values : ndarray, shape (S, C, C)
        Of each setting; NaN where there is none.
    """

    name: str
    short: str
    values: np.ndarray

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the scale, of all settings: lowest and highest number not far from all others."""
        return robust_ends(self.values)


def content(
    classes: Sequence[str], settings: Sequence[str], about: Sequence[str], numbers: Sequence[Number]
) -> dict[str, Any]:
    """Return what the browser draws.

    Parameters
    ----------
    classes : sequence of str, length C
        In the order of rows and columns.
    settings : sequence of str, length S
    about : sequence of str, length S
        A few words more about each.
    numbers : sequence of Number
        From top to bottom.

    Raises
    ------
    ValueError
        For numbers of another shape, or more classes than can be pointed at.
    """
    shape = (len(settings), len(classes), len(classes))
    for number in numbers:
        if np.shape(number.values) != shape:
            raise ValueError(
                f"{number.short} has shape {np.shape(number.values)}; needed is {shape}: a matrix of "
                "pairs of classes for each setting."
            )
    if len(classes) > MOST:
        raise ValueError(f"There are {len(classes)} classes; choose at most {MOST} of them.")
    return {
        "classes": list(classes),
        "settings": [{"name": s, "about": t} for s, t in zip(settings, about, strict=True)],
        "numbers": [
            {
                "name": n.name,
                "short": n.short,
                "ends": list(n.ends),
                "beyond": beyond(n.values, n.ends, "cell"),
                "values": _plain(n.values),
            }
            for n in numbers
        ],
        "scales": {theme: [colour for _, colour in reach(theme)] for theme in ("light", "dark")},
    }


class State(TypedDict):
    """What is shown of the matrices.

    Attributes
    ----------
    label : str
        What they are, for screen readers.
    file : str
        Name, without ending, of the image that is saved.
    pair : (str, str)
        The chosen classes, marked in all matrices.
    setting : str
        The chosen setting.
    """

    label: str
    file: str
    pair: tuple[str, str]
    setting: str


def show(
    content: dict[str, Any],
    *,
    key: str,
    chooses: Sequence[str],
    choosable: Sequence[str],
    **state: Unpack[State],
) -> None:
    """Mount the matrices.

    Parameters
    ----------
    content : dict
        From the function `content`.
    key : str
        Of the component.
    chooses : sequence of str
        Keys of the session that a click on a cell sets: to its setting, if that is `choosable`, its row and
        its column.
    choosable : sequence of str
    **state
        See `State`.
    """
    data = content | {**state, "pair": list(state["pair"])}
    on_pair = partial(_choose, key, tuple(chooses), tuple(choosable))
    component("matrices")(key=key, data=data, on_pair_change=on_pair)


def _choose(key: str, names: tuple[str, ...], choosable: tuple[str, ...]) -> None:
    value = st.session_state[key].get("pair")
    if isinstance(value, list) and len(value) == 3:
        setting, *pair = value
        st.session_state.update(zip(names[1:], pair, strict=True))
        if setting in choosable:
            st.session_state[names[0]] = setting


def _plain(values: np.ndarray) -> list[Any]:
    # JSON has no NaN.
    rounded = np.round(np.asarray(values, float), 6).astype(object)
    rounded[~np.isfinite(np.asarray(values, float))] = None
    plain: list[Any] = rounded.tolist()
    return plain
