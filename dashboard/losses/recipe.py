"""How the models of a training are trained: numbers that are seldom changed, behind buttons."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import state
from dashboard.kit.recipe import controls
from jobs.specs import LossGrid, LossNetworkGrid

_RECIPE = ("epochs", "learning_rate", "batch_size", "weight_decay", "dim")


def show(view: state.View, model: str) -> dict[str, Any]:
    """Draw the controls for a head ("head") or a network; return what they ask for.

    What they begin with is that of the specs: the paper's for AST on ESC-50.
    """
    head = model == "head"
    kind = LossGrid if head else LossNetworkGrid
    with st.popover("Recipe", icon=":material/tune:"):
        own = ("hidden", "mixup", "folds") if head else ("mixup", "folds", "warm_up", "schedule")
        wanted = controls(view, kind, (*_RECIPE, *own))
    with st.popover("Options of losses", icon=":material/functions:"):
        wanted |= controls(view, kind, ("focal_gamma", "opl_gamma", "opl_weight", "variant"))
    if not head:
        with st.popover("Spectrograms", icon=":material/graphic_eq:"):
            taper = ("taper",) if model == "cnn" else ()
            wanted |= controls(view, kind, ("seconds", "frequency_mask", "time_mask", *taper))
    return wanted
