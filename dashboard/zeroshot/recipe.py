"""How zero-shot models are trained: the settings, wherever models can be asked for."""

from __future__ import annotations

from typing import TypedDict

import streamlit as st

from dashboard.state import View

#: The widest layers that can be asked for here; the command takes wider ones.
_WIDEST = 2_048


class Recipe(TypedDict):
    """Settings of `jobs.specs.ZeroShotGrid`, by their names there."""

    epochs: int
    patience: int
    learning_rate: float
    batch_size: int
    margin: float
    standardise: bool
    sampled: bool
    momentum: float
    hidden: int
    shared: int


def recipe(view: View) -> Recipe:
    """Draw the settings, which are in the link; the defaults are the paper's."""
    with st.popover("Recipe", icon=":material/tune:"):
        left, right = st.columns(2, gap="small")
        view.number("epochs", 1, 1000, 100)
        epochs = left.number_input("Epochs", 1, 1000, key=view.key("epochs"))
        view.number("patience", 0, 1000, 0)
        patience = right.number_input(
            "Patience",
            0,
            1000,
            key=view.key("patience"),
            help="Epochs without a better validation accuracy after which a model stops; 0 never stops.",
        )
        view.number("rate", 1e-6, 10, 0.001, whole=False)
        rate = left.number_input("Learning rate", 1e-6, 10.0, step=0.001, format="%g", key=view.key("rate"))
        view.number("momentum", 0, 0.999, 0.0, whole=False)
        momentum = right.number_input(
            "Momentum",
            0.0,
            0.999,
            step=0.1,
            format="%g",
            key=view.key("momentum"),
            help="Share of a step that the next one goes on with; the paper names none.",
        )
        view.number("batch", 1, 4096, 64)
        batch = left.number_input("Batch size", 1, 4096, key=view.key("batch"))
        view.number("margin", 0, 10, 1.0, whole=False)
        margin = right.number_input(
            "Margin",
            0.0,
            10.0,
            step=0.1,
            format="%g",
            key=view.key("margin"),
            help="By how much a cosine of the right class is to lead in the loss. The paper does not say.",
        )
        view.number("hidden", 1, _WIDEST, 256)
        hidden = left.number_input(
            "Hidden width",
            1,
            _WIDEST,
            key=view.key("hidden"),
            help="Dimensions of the layer between the sounds and the shared space.",
        )
        view.number("shared", 1, _WIDEST, 512)
        shared = right.number_input(
            "Shared width",
            1,
            _WIDEST,
            key=view.key("shared"),
            help="Dimensions of the space in which sounds and texts are compared.",
        )
        view.choice("standardise", ["no", "yes"], "no")
        standardise = st.segmented_control(
            "Standardise the sounds",
            ["no", "yes"],
            key=view.key("standardise"),
            required=True,
            help="Each dimension to mean 0 and deviation 1 over the training clips. The paper does not say; "
            "spaces with small or unequal dimensions learn little without it.",
        )
        view.choice("ranks", ["exact", "sampled"], "exact")
        ranks = st.segmented_control(
            "Ranks of the WARP loss",
            ["exact", "sampled"],
            key=view.key("ranks"),
            required=True,
            help="Counted over all training classes, or estimated by drawing classes as first published.",
        )
    return {
        "epochs": int(epochs),
        "patience": int(patience),
        "learning_rate": float(rate),
        "batch_size": int(batch),
        "margin": float(margin),
        "standardise": standardise == "yes",
        "sampled": ranks == "sampled",
        "momentum": float(momentum),
        "hidden": int(hidden),
        "shared": int(shared),
    }
