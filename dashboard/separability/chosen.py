"""Controls with a default that depends on the space: it is applied until the reader changes one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import state


def settle(view: state.View, options: Mapping[str, Sequence[str]], defaults: Sequence[str]) -> list[str]:
    """Return the values of controls that are chosen together: the defaults until one of them is changed.

    Parameters
    ----------
    view : View
    options : mapping
        Name of each control to what it offers.
    defaults : sequence of str
        A value a control, in the same order.
    """
    session = st.session_state
    now = [session.get(view.key(name)) for name in options]
    # Outside of the page's own keys, which a followed link clears.
    mark = f"automatic:{view.page}:{'+'.join(options)}"
    offered = all(value in given for value, given in zip(now, options.values(), strict=True))
    if offered and session.get(mark) == now:
        for name, default in zip(options, defaults, strict=True):
            view.set(name, default)
    values = [
        view.choice(name, given, default)
        for (name, given), default in zip(options.items(), defaults, strict=True)
    ]
    if not offered or session.get(mark) == now:
        session[mark] = list(defaults) if values == list(defaults) else None
    return values
