"""How the backbones and models of a grid learn: curves during training, and of pre-training afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from dashboard.kit import layout, learning, numbers
from dashboard.kit.learning_figures import Curves, curves_figure
from dashboard.leakage.data import Shown
from dashboard.memory import once
from jobs import contrastive_presets as contrastive
from jobs.engine import live as live_curves
from jobs.specs import ContrastiveGrid
from jobs.tasks.contrastive_grid import Result
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

#: The curves of a pre-training and of a model, in the order in which they are stored.
OF_PRETRAINING = ("loss", "accuracy", "validation_loss", "validation_accuracy")
OF_MODEL = ("loss", "validation_loss", "temperature", "learning_rate", "gradient_norm")


def curves_so_far(workspace: Workspace, spec: ContrastiveGrid) -> tuple[Curves | None, Curves | None]:
    """Return the curves of the pre-trainings and of the models so far; None for a stage without any."""
    stages = (
        (contrastive.LIVE_PRETRAINING, spec.pretraining, OF_PRETRAINING),
        (contrastive.LIVE_TRAINING, spec.names, OF_MODEL),
    )
    curves = []
    for stage, names, columns in stages:
        now = live_curves.read(workspace, spec.key, stage=stage)
        curves.append(None if now is None else _started(list(names), now.curves, columns))
    return curves[0], curves[1]


def pretraining_curves(result: Result) -> Curves | None:
    """Return how the backbones were pre-trained; None where none was trained here."""
    return _started(result.column("pretraining", "pretraining"), result.pretrain_curves, OF_PRETRAINING)


def model_curves(result: Result, model: str) -> Curves:
    """Return how a model learned, one that failed up to where it did."""
    return Curves([model], np.asarray(result.curves[[result.number(model)]], float), OF_MODEL)


def _started(names: list[str], stacked: np.ndarray, columns: Sequence[str]) -> Curves | None:
    """Return the curves of those that have any."""
    curves = Curves(names, np.asarray(stacked, float), columns)
    at = np.flatnonzero(curves.n_epochs)
    return Curves([names[i] for i in at.tolist()], curves.values[at], columns) if len(at) else None


def live(workspace: Workspace, spec: ContrastiveGrid) -> None:
    """Draw the curves so far of a grid that is being trained, updated every two seconds."""

    @st.fragment(run_every=2.0, key="leakage-live")
    def watch() -> None:
        pretraining, models = curves_so_far(workspace, spec)
        if pretraining is None and models is None:
            st.caption(learning.NOT_YET.format("networks"))
            return
        st.subheader("Learning now", anchor=False)
        if models is not None:
            epochs = models.n_epochs
            st.caption(
                f"{len(epochs):,} of {numbers.count(len(spec.names), 'model')} have started; the furthest is "
                f"in epoch {int(epochs.max()):,} of at most {spec.max_epochs:,}, the last in epoch "
                f"{int(epochs.min()):,}."
            )
            _grow(models, spec, "models")
        if pretraining is not None:
            st.markdown("**Pre-training of the backbones**")
            _grow(pretraining, spec, "pretraining")

    watch()


def _grow(curves: Curves, spec: ContrastiveGrid, of: str) -> None:
    learning.grow(
        _figures(curves, layout.theme()),
        curves,
        key=f"leakage-live-{of}",
        file=f"learning-{of}-{{}}{spec.key[:12]}",
        of=f" of the {of}",
    )


def pretraining(shown: Shown) -> None:
    """Draw how the backbones were pre-trained, where they were trained here."""
    curves = pretraining_curves(shown.result)
    if curves is None:
        return
    st.markdown("**How the backbones were pre-trained**")
    theme = layout.theme()
    figures = once(("figure", "leakage-pretraining", shown.spec.key, theme), lambda: _figures(curves, theme))
    learning.draw(
        figures,
        curves,
        key="leakage-pretraining",
        file=f"pretraining-{{}}{shown.file}",
        alt="of pre-training over the epochs",
    )
    share = shown.spec.validation
    lines = (
        f"solid lines are of clips set aside for validation ({share:.0%} of each class), dotted lines of the "
        "training clips"
        if share
        else "lines are of the training clips"
    )
    layout.reading(
        "Classification by the audio backbone, **dirty** with the test classes among the labels and "
        f"**clean** without: {lines}. Contrastive training begins with the weights of the "
        f"{'epoch with the lowest validation loss' if share else 'last epoch'}. The two distinguish "
        "different numbers of classes: compare how they learn, not how high they are."
    )


def _figures(curves: Curves, theme: str) -> dict[str, Figure]:
    """Draw the two most informative numbers of a stage."""
    if "temperature" in curves.columns:
        temperature = curves_figure(curves.names, curves["temperature"], title="temperature τ", theme=theme)
        return {"loss": _figure(curves, "loss", "CLIP loss", theme), "temperature": temperature}
    return {
        "loss": _figure(curves, "loss", "cross-entropy", theme),
        "accuracy": _figure(curves, "accuracy", "accuracy, 0 to 1", theme, share=True),
    }


def _figure(curves: Curves, column: str, title: str, theme: str, *, share: bool = False) -> Figure:
    """Draw a number in validation with that in training beside it; the latter alone without validation."""
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
