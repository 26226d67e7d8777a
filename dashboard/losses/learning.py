"""How the models of a training learn: while it runs, and when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.words import count
from dashboard.kit import layout, learning
from dashboard.kit.learning_figures import Curves, curves_figure
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses.data import AnyGrid
from dashboard.memory import once
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def live(workspace: Workspace, spec: AnyGrid) -> None:
    """Draw the curves so far of a training that runs or has stopped, anew every two seconds."""

    @st.fragment(run_every=2.0, key="losses-live")
    def watch() -> None:
        now = loss_numbers.progress(workspace, spec)
        job = workspace.queue.get(spec.key)
        stopped = job is None or not job.active
        if now is None:
            if not stopped:
                st.caption(learning.NOT_YET.format("models"))
            return
        st.subheader("Learned before it stopped" if stopped else "Learning now", anchor=False)
        had = "had" if stopped else "have"
        st.caption(
            f"{now.started:,} of {count(now.total, 'model')} {had} started, {now.finished:,} {had} finished "
            f"all {count(spec.epochs, 'epoch')}. Lines are means over the models of a loss that have got "
            "that far." + " If you try again, the training goes on from its checkpoint." * stopped
        )
        learning.grow(
            _figures(now.curves, layout.theme()),
            now.curves,
            key="losses-live",
            file=f"learning-{{}}{losses.started_from(spec)}",
            what="setting",
        )

    watch()


def show(spec: AnyGrid, file: str) -> None:
    """Draw the curves of a training that is done."""
    st.subheader("How they learned", anchor=False)
    theme = layout.theme()
    shown = loss_numbers.curves(spec)
    learning.draw(
        once(("figure", "losses-curves", spec.key, theme), lambda: _figures(shown, theme)),
        shown,
        key="losses",
        file=f"learning-{{}}{file}",
        alt=f"over the epochs for {count(len(shown.names), 'loss')}",
        what="setting",
    )
    layout.reading(
        "Means over the models of each loss: all seeds and folds. Dotted is the accuracy on the clips that "
        "a model trains on; a wide gap to the solid line means that it overfits. **Losses are in units of "
        "their own**: how fast one falls can be compared, how low it is cannot. A loss with extra terms for "
        "the layout of the space (Almudévar et al., *Angular distance distribution loss for audio "
        "classification*, equations 5 and 6) starts higher by the value of these terms."
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
