"""How the models of a training learn: while it goes on, and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import numbers, ui
from dashboard.components import growing
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses.data import AnyGrid, Result
from dashboard.losses.figures import curves_figure
from dashboard.losses.numbers import Curves
from dashboard.memory import once
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_TEST = "held-out accuracy, 0 to 1"


def live(workspace: Workspace, spec: AnyGrid) -> None:
    """Draw the curves so far of a training that goes on, anew every two seconds, or that has stopped."""

    @st.fragment(run_every=2.0, key="losses-live")
    def watch() -> None:
        now = loss_numbers.now(workspace, spec)
        job = workspace.queue.get(spec.key)
        stopped = job is None or not job.active
        if now is None:
            if not stopped:
                st.caption(
                    "Curves appear here once the models learn, and grow with every epoch. The page may be "
                    "left meanwhile; the training goes on."
                )
            return
        st.subheader("Learned before it stopped" if stopped else "Learning now", anchor=False)
        st.caption(
            f"{now.begun:,} of {numbers.count(now.total, 'model')} {'had' if stopped else 'have'} begun, "
            f"{now.finished:,} {'had' if stopped else 'have'} learned all "
            f"{numbers.count(spec.epochs, 'epoch')}. Lines are means over the models of a loss that have "
            "come as far." + " Tried again, the training goes on from its checkpoint." * stopped
        )
        theme = ui.theme()
        for place, (what, figure) in zip(
            st.columns(2, gap="medium"), _figures(now.curves, theme).items(), strict=True
        ):
            with place:
                growing.show(
                    figure(),
                    key=f"losses-live-{what}",
                    file=f"learning-{what}-{losses.started_from(spec)}",
                    alt=f"{what.capitalize()} over the epochs so far",
                    theme=theme,
                )
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.download_button(
                "CSV",
                data=partial(loss_numbers.curves_table, now.curves),
                file_name=f"learning-{losses.started_from(spec)}.csv",
                mime="text/csv",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                key="losses-live-csv",
            )

    watch()


def show(found: Result, file: str) -> None:
    """Draw the curves of a training that is done."""
    st.subheader("How they learned", anchor=False)
    theme = ui.theme()
    shown = loss_numbers.curves(found)
    for place, (what, draw) in zip(st.columns(2, gap="medium"), _figures(shown, theme).items(), strict=True):
        with place:
            ui.chart(
                once(("figure", "losses-curves", found.spec.key, what, theme), draw),
                key=f"losses-{what}",
                file=f"learning-{what}-{file}",
                csv=partial(loss_numbers.curves_table, shown),
                alt=f"{what.capitalize()} over the epochs for {numbers.count(len(shown.names), 'loss')}",
            )
    ui.reading(
        "Means over the models of each loss: all seeds and folds. Dotted is the accuracy on the clips that "
        "a model learns from; a wide gap to its solid line is what it has learned by heart. **Losses are in "
        "units of their own**: how fast one falls can be compared, how low it is cannot. A loss that adds "
        "terms for the layout (Almudévar et al., *Angular distance distribution loss for audio "
        "classification*, equations 5 and 6) begins higher by what they are worth."
    )


def _figures(shown: Curves, theme: str) -> dict[str, Callable[[], Figure]]:
    loss, train, test = shown.values.transpose(1, 0, 2)
    return {
        "accuracy": partial(
            curves_figure,
            shown.names,
            test,
            title=_TEST,
            beside=train,
            beside_name="training",
            share=True,
            theme=theme,
        ),
        "loss": partial(curves_figure, shown.names, loss, title="loss, each in its own unit", theme=theme),
    }
