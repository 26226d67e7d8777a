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
        view.number("epochs", 1, 1000, 100)
        epochs = int(st.number_input("Epochs", 1, 1000, key=view.key("epochs")))
        view.number("patience", 0, 1000, 0)
        patience = int(
            st.number_input(
                "Patience",
                0,
                1000,
                key=view.key("patience"),
                help="Epochs without a better validation accuracy after which a model stops; 0 never stops.",
            )
        )
        view.number("rate", 1e-6, 10, 0.001, whole=False)
        rate = float(
            st.number_input("Learning rate", 1e-6, 10.0, step=0.001, format="%g", key=view.key("rate"))
        )
        view.number("batch", 1, 4096, 64)
        batch = int(st.number_input("Batch size", 1, 4096, key=view.key("batch")))
        view.number("margin", 0, 10, 1.0, whole=False)
        margin = float(
            st.number_input(
                "Margin of the loss",
                0.0,
                10.0,
                step=0.1,
                key=view.key("margin"),
                help="By how much a cosine of the right class is to lead. The paper does not say.",
            )
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
        view.number("momentum", 0, 0.999, 0.0, whole=False)
        momentum = float(
            st.number_input(
                "Momentum",
                0.0,
                0.999,
                step=0.1,
                format="%g",
                key=view.key("momentum"),
                help="Share of a step that the next one goes on with; the paper names none.",
            )
        )
        widths = {}
        for name, said, usual in (("hidden", "hidden layer", 256), ("shared", "shared space", 512)):
            view.number(name, 1, _WIDEST, usual)
            widths[name] = int(st.number_input(f"Width of the {said}", 1, _WIDEST, key=view.key(name)))
    return {
        "epochs": epochs,
        "patience": patience,
        "learning_rate": rate,
        "batch_size": batch,
        "margin": margin,
        "standardise": standardise == "yes",
        "sampled": ranks == "sampled",
        "momentum": momentum,
        "hidden": widths["hidden"],
        "shared": widths["shared"],
    }
