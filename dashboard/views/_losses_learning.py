"""How the models of a training learn: while it goes on, and when it is done."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import losses, numbers, ui
from dashboard.figures.losses import curves_figure
from dashboard.losses import AnyGrid, Curves, Result
from dashboard.memory import once
from jobs.workspace import Workspace

_TEST = "accuracy on the held-out fold, 0 to 1"


def live(workspace: Workspace, spec: AnyGrid) -> None:
    """Draw the curves so far of a training that goes on, anew every two seconds."""

    @st.fragment(run_every=2.0, key="losses-live")
    def watch() -> None:
        shown = losses.live_curves(workspace, spec)
        if shown is None:
            st.caption(
                "Curves appear here once the models learn, and grow with every epoch. The page may be left "
                "meanwhile; the training goes on."
            )
            return
        st.subheader("Learning now", anchor=False)
        st.caption(
            f"{numbers.count(int(shown.counts.sum()), 'model')} begun · {shown.done:,} of "
            f"{numbers.count(shown.epochs, 'epoch')} behind the slowest"
        )
        _draw(shown, f"live-{losses.started_from(spec)}", "live", None)

    watch()


def show(found: Result, file: str) -> None:
    """Draw the curves of a training that is done."""
    st.subheader("How they learned", anchor=False)
    _draw(losses.curves(found), file, "done", found.spec.key)
    ui.reading(
        "Means over the models of each loss: all seeds and folds. Dotted is the accuracy on the clips that "
        "a model learns from; a wide gap to its solid line is what it has learned by heart. **Losses are in "
        "units of their own**: how fast one falls can be compared, how low it is cannot. A loss that adds "
        "terms for the layout (Almudévar et al., *Angular distance distribution loss for audio "
        "classification*, equations 5 and 6) begins higher by what they are worth."
    )


def _draw(shown: Curves, file: str, key: str, cached: str | None) -> None:
    theme = ui.theme()
    loss, train, test = shown.values.transpose(1, 0, 2)
    figures = {
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
    for place, (what, draw) in zip(st.columns(2, gap="medium"), figures.items(), strict=True):
        with place:
            ui.chart(
                once(("figure", "losses-curves", cached, what, theme), draw) if cached else draw(),
                key=f"losses-{what}-{key}",
                file=f"learning-{what}-{file}",
                csv=partial(losses.curves_table, shown),
                alt=f"{what.capitalize()} over the epochs for {numbers.count(len(shown.names), 'loss')}",
            )
