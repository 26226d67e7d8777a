"""Picking classes by hand: lists of the parts, and what a click on the map does."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import state
from dashboard.kit import chart, form
from dashboard.kit.classes import Classes
from dashboard.splits import links
from dashboard.splits.controls import Pick
from dashboard.splits.figures import PARTS, UNUSED

#: What a click on a class does besides choosing it for the list of clips.
BRUSHES = {"hear": "hear it"} | {part: look[0] for part, look in PARTS.items()} | {UNUSED: UNUSED}


def chart_key(view: state.View, pick: Pick) -> str:
    """Return the key of the map's chart.

    By hand it changes after every move and with every brush: a class that was clicked before stays selected
    in a chart, where a second click would only undo that.
    """
    key = f"splits-map-{pick.letter.lower()}"
    if pick.how != "hand":
        return key
    brush = st.session_state.get(view.key("brush"), "hear")
    return f"{key}-{brush}-{st.session_state.get(_turn(pick.letter), 0)}"


def brush(view: state.View) -> None:
    """Draw the choice of what a click does."""
    form.switch(view, "brush", "A click on a class: hear it, or make it", BRUSHES)


def lists(view: state.View, pick: Pick, classes: Classes) -> None:
    """Draw the three lists of a split that is picked by hand."""
    hand = view.key(f"{pick.prefix}hand")
    for part, (title, *_) in PARTS.items():
        key = f"splits-list-{pick.letter}-{part}"
        st.session_state[key] = [n for n, p in zip(classes.names, pick.parts, strict=True) if p == part]
        st.multiselect(
            f"{title.capitalize()} classes" + (f" of {pick.letter}" if pick.prefix else ""),
            list(classes.names),
            key=key,
            placeholder="choose classes",
            on_change=partial(_listed, key, hand, part, classes.names, tuple(pick.parts)),
        )
    left = sum(p == UNUSED for p in pick.parts)
    st.caption(
        f"A class that is chosen here leaves its former part. {left:,} of {len(classes.names):,} classes "
        "are unused."
    )


def clicked(view: state.View, pick: Pick, classes: Classes) -> None:
    """Choose the class that was clicked on the map, and by hand move it."""
    brush = st.session_state.get(view.key("brush"), "hear")
    for name in chart.clicked(chart_key(view, pick)):
        if name not in classes.names:
            continue
        st.session_state[view.key("class")] = name
        if pick.how != "hand" or brush == "hear":
            continue
        parts = list(pick.parts)
        at = classes.names.index(name)
        parts[at] = UNUSED if parts[at] == brush else brush
        st.session_state[view.key(f"{pick.prefix}hand")] = links.written(parts, classes.names)
        st.session_state[_turn(pick.letter)] = st.session_state.get(_turn(pick.letter), 0) + 1


def _listed(key: str, hand: str, part: str, names: tuple[str, ...], parts: tuple[str, ...]) -> None:
    st.session_state[hand] = links.written(links.moved(parts, names, st.session_state[key], part), names)


def _turn(letter: str) -> str:
    return f"splits-turn-{letter}"
