"""Controls whose value is in the link: each is one call that reads the link and draws the widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.state import View

Options = Mapping[str, str] | Sequence[str]


def _words(options: Options) -> dict[str, str]:
    return dict(options) if isinstance(options, Mapping) else {name: name for name in options}


def select(
    view: View,
    name: str,
    label: str,
    options: Options,
    default: str | None = None,
    *,
    called: str = "",
    place: Any = st,
    **more: Any,
) -> str:
    """Draw a choice of one in a list, and return it.

    Parameters
    ----------
    view : View
    name : str
        Of the control in the link.
    label : str
    options : mapping or sequence of str
        Value in the link to what is read, or values that are read as they are.
    default : str, optional
        The first one unless given.
    called : str
        What notes call the control; see `View.choice`.
    place : streamlit or a place of it
    **more
        For ``selectbox``.
    """
    words = _words(options)
    view.choice(name, list(words), next(iter(words)) if default is None else default, called=called)
    return listed(label, words, view.key(name), place=place, **more)


def listed(label: str, options: Options, key: str, *, place: Any = st, **more: Any) -> str:
    """Draw a choice of one whose value is in the session already, and return it."""
    words = _words(options)
    return str(place.selectbox(label, list(words), format_func=lambda v: words.get(v, v), key=key, **more))


def relisted(label: str, words: Mapping[str, str], key: str, **more: Any) -> str:
    """Draw a choice of one whose words may change while the choice stays; its value must be in the session.

    The browser keeps the words that were chosen, not the value behind them: new ones must be sent to it.
    """
    drawn, now = f"words:{key}", tuple(words.values())
    if st.session_state.get(drawn) != now:
        st.session_state[key] = st.session_state[key]
    st.session_state[drawn] = now
    return listed(label, words, key, **more)


def switch(
    view: View,
    name: str,
    label: str,
    options: Options,
    default: str | None = None,
    *,
    called: str = "",
    place: Any = st,
    **more: Any,
) -> str:
    """Draw a choice of one among a few words side by side, and return it; see `select`."""
    words = _words(options)
    view.choice(name, list(words), next(iter(words)) if default is None else default, called=called)
    return pick(view, name, label, words, place=place, **more)


def pick(
    view: View,
    name: str,
    label: str,
    options: Options,
    *,
    place: Any = st,
    on_change: Callable[[], None] | None = None,
    **more: Any,
) -> str:
    """Draw the words of `switch` for a value that the view has read already."""
    words = _words(options)
    return str(
        place.segmented_control(
            label,
            list(words),
            format_func=words.__getitem__,
            key=view.key(name),
            required=True,
            on_change=on_change,
            **more,
        )
    )


def several(
    view: View,
    name: str,
    label: str,
    options: Options,
    default: Sequence[str] = (),
    *,
    most: int | None = None,
    place: Any = st,
    **more: Any,
) -> list[str]:
    """Draw a choice of any number, `most` at the most, and return it; parameters are those of `select`."""
    words = _words(options)
    view.many(name, list(words), default, most=most)
    chosen: list[str] = place.multiselect(
        label,
        list(words),
        format_func=lambda v: words.get(v, v),
        key=view.key(name),
        max_selections=most,
        **more,
    )
    return chosen


def whole(
    view: View, name: str, label: str, low: int, high: int, default: int, *, place: Any = st, **more: Any
) -> int:
    """Draw a field for a whole number from `low` to `high`, and return it."""
    view.number(name, low, high, default)
    return int(place.number_input(label, low, high, key=view.key(name), **more))


def real(
    view: View,
    name: str,
    label: str,
    low: float,
    high: float,
    default: float,
    *,
    place: Any = st,
    **more: Any,
) -> float:
    """Draw a field for a number from `low` to `high`, and return it."""
    view.number(name, low, high, default, whole=False)
    return float(place.number_input(label, float(low), float(high), key=view.key(name), **more))
