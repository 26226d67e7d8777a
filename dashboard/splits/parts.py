"""Small pieces of the pages about splits of classes and what is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import numbers
from dashboard.data import Clips
from dashboard.splits import data as splits
from dashboard.splits.data import Classes
from jobs.specs import EmbedAudio

#: Classes that the smallest split needs.
FEWEST = 5


def select(label: str, words: Mapping[str, str], key: str, **more: Any) -> str:
    """Draw a choice of one, whose words may change while the choice stays.

    Parameters
    ----------
    label : str
    words : mapping
        Value to what is read, in order.
    key : str
        Of the widget; its value must be there already.
    **more
        For `st.selectbox`.
    """
    # The browser keeps the words that were chosen, not the value behind them: it must be told of new ones.
    said, now = f"words:{key}", tuple(words.values())
    if st.session_state.get(said) != now:
        st.session_state[key] = st.session_state[key]
    st.session_state[said] = now
    chosen = st.selectbox(label, list(words), format_func=lambda v: words.get(v, v), key=key, **more)
    return str(chosen)


def enough(embedding: EmbedAudio, c: Clips, what: str) -> Classes | None:
    """Return the classes of a space; None, once the page says so, where they are too few.

    `what` says how many are needed, and what for.
    """
    try:
        found = splits.classes(embedding, c)
    except ValueError:
        found = None
    if found is not None and len(found.names) >= FEWEST:
        return found
    there = "no clip has exactly one class and an embedding"
    if found is not None:
        n = len(found.names)
        there = f"there {'is' if n == 1 else 'are'} {numbers.count(n, 'class')}"
    st.info(
        f"{what}; {there}. Add a dataset with more classes, such as a folder with a folder a class.",
        icon=":material/info:",
    )
    return None
