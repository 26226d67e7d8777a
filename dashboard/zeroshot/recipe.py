"""How zero-shot models are trained: the settings, wherever models can be asked for."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.kit.recipe import controls
from dashboard.state import View
from jobs.specs import ZeroShotGrid

_NUMBERS = ("epochs", "patience", "learning_rate", "momentum", "batch_size", "margin", "hidden", "shared")


def recipe(view: View) -> dict[str, Any]:
    """Draw the settings, which are in the link; the defaults are the paper's."""
    with st.popover("Recipe", icon=":material/tune:"):
        numbers = controls(view, ZeroShotGrid, _NUMBERS, places=st.columns(2, gap="small"))
        return numbers | controls(view, ZeroShotGrid, ("standardise", "sampled"))
