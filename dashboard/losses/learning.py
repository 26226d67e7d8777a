"""How the models of a training learn: while it goes on, and when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.kit import layout, learning, numbers
from dashboard.kit.learning_figures import Curves, curves_figure
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses.data import AnyGrid, Result
from dashboard.memory import once
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def live(workspace: Workspace, spec: AnyGrid) -> None:
    """Draw the curves so far of a training that goes on, anew every two seconds, or that has stopped."""

    @st.fragment(run_every=2.0, key="losses-live")
    def watch() -> None:
        now = loss_numbers.now(workspace, spec)
        job = workspace.queue.get(spec.key)
        stopped = job is None or not job.active
        if now is None:
            if not stopped:
                st.caption(learning.NOT_YET.format("models"))
            return
        st.subheader("Learned before it stopped" if stopped else "Learning now", anchor=False)
        st.caption(
            f"{now.begun:,} of {numbers.count(now.total, 'model')} {'had' if stopped else 'have'} begun, "
            f"{now.finished:,} {'had' if stopped else 'have'} learned all "
            f"{numbers.count(spec.epochs, 'epoch')}. Lines are means over the models of a loss that have "
            "come as far." + " Tried again, the training goes on from its checkpoint." * stopped
        )
        learning.grow(
            _figures(now.curves, layout.theme()),
            now.curves,
            key="losses-live",
            file=f"learning-{{}}{losses.started_from(spec)}",
            what="setting",
        )

    watch()


def show(found: Result, file: str) -> None:
    """Draw the curves of a training that is done."""
    st.subheader("How they learned", anchor=False)
    theme = layout.theme()
    shown = loss_numbers.curves(found)
    learning.draw(
        once(("figure", "losses-curves", found.spec.key, theme), lambda: _figures(shown, theme)),
        shown,
        key="losses",
        file=f"learning-{{}}{file}",
        alt=f"over the epochs for {numbers.count(len(shown.names), 'loss')}",
        what="setting",
    )
    layout.reading(
        "Means over the models of each loss: all seeds and folds. Dotted is the accuracy on the clips that "
        "a model learns from; a wide gap to its solid line is what it has learned by heart. **Losses are in "
        "units of their own**: how fast one falls can be compared, how low it is cannot. A loss that adds "
        "terms for the layout (Almudévar et al., *Angular distance distribution loss for audio "
        "classification*, equations 5 and 6) begins higher by what they are worth."
    )


def _figures(shown: Curves, theme: str) -> dict[str, Figure]:
    accuracy = curves_figure(
        shown.names,
        shown["test_accuracy"],
        title="held-out accuracy, 0 to 1",
        beside=shown["training_accuracy"],
        beside_name="training",
        share=True,
        theme=theme,
    )
    loss = curves_figure(shown.names, shown["loss"], title="loss, each in its own unit", theme=theme)
    return {"accuracy": accuracy, "loss": loss}
