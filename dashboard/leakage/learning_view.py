"""How the backbones and models of a grid learn: curves that grow while they do, and of pre-training after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.kit import layout, learning, numbers
from dashboard.kit.learning_figures import Curves, curves_figure
from dashboard.leakage import curves as leakage_curves
from dashboard.leakage.data import Result
from dashboard.memory import once
from jobs.specs.contrastive import ContrastiveGrid
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def live(workspace: Workspace, spec: ContrastiveGrid) -> None:
    """Draw the curves so far of a grid that is being trained, anew every two seconds."""

    @st.fragment(run_every=2.0, key="leakage-live")
    def watch() -> None:
        now = leakage_curves.now(workspace, spec)
        if now.pretraining is None and now.models is None:
            st.caption(learning.NOT_YET.format("networks"))
            return
        st.subheader("Learning now", anchor=False)
        if now.models is not None:
            done = now.models.n_epochs
            st.caption(
                f"{len(done):,} of {numbers.count(len(spec.names), 'model')} have begun; the furthest is in "
                f"epoch {int(done.max()):,} of at most {spec.max_epochs:,}, the last at {int(done.min()):,}."
            )
            _grow(now.models, spec, "models")
        if now.pretraining is not None:
            st.markdown("**Pre-training of the backbones**")
            _grow(now.pretraining, spec, "pretraining")

    watch()


def _grow(curves: Curves, spec: ContrastiveGrid, of: str) -> None:
    learning.grow(
        _figures(curves, layout.theme()),
        curves,
        key=f"leakage-live-{of}",
        file=f"learning-{of}-{{}}{spec.key[:12]}",
        of=f" of the {of}",
    )


def pretraining(found: Result, file: str) -> None:
    """Draw how the backbones were pre-trained, where they were trained here."""
    curves = leakage_curves.pretraining(found)
    if curves is None:
        return
    st.markdown("**How the backbones were pre-trained**")
    theme = layout.theme()
    drawn = once(("figure", "leakage-pretraining", found.spec.key, theme), lambda: _figures(curves, theme))
    learning.draw(
        drawn,
        curves,
        key="leakage-pretraining",
        file=f"pretraining-{{}}{file}",
        alt="of pre-training over the epochs",
    )
    share = found.spec.validation
    aside = f"solid on clips set aside ({share:.0%} of each class), dotted on" if share else "on"
    layout.reading(
        "Classification by the audio backbone, **dirty** with the test classes among the labels and "
        f"**clean** without: {aside} those that are learned from. Contrastive training begins with the "
        f"weights of the {'epoch with the lowest validation loss' if share else 'last epoch'}. The two tell "
        "different numbers of classes apart: compare how they learn, not how high they are."
    )


def _figures(curves: Curves, theme: str) -> dict[str, Figure]:
    """Draw the two numbers that say most of either stage."""
    if "temperature" in curves.columns:
        temperature = curves_figure(curves.names, curves["temperature"], title="temperature τ", theme=theme)
        return {"loss": _figure(curves, "loss", "CLIP loss", theme), "temperature": temperature}
    return {
        "loss": _figure(curves, "loss", "cross-entropy", theme),
        "accuracy": _figure(curves, "accuracy", "accuracy, 0 to 1", theme, share=True),
    }


def _figure(curves: Curves, column: str, title: str, theme: str, *, share: bool = False) -> Figure:
    """Draw a number in validation with that in training beside it; the latter alone where none validates."""
    validated = curves[f"validation_{column}"]
    if not np.isfinite(validated).any():
        return curves_figure(curves.names, curves[column], title=title, share=share, theme=theme)
    return curves_figure(
        curves.names,
        validated,
        title=f"{title}, validation",
        beside=curves[column],
        beside_name="training",
        share=share,
        theme=theme,
    )
