"""How the backbones and the models of a grid learn: while they do, and when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.kit.learning_figures import Curves
from dashboard.leakage.data import Result
from jobs import contrastive_presets as contrastive
from jobs.engine import live
from jobs.specs.contrastive import ContrastiveGrid
from jobs.workspace.workspace import Workspace

#: The curves of a pre-training and of a model, in the order in which they are stored.
OF_PRETRAINING = ("loss", "accuracy", "validation_loss", "validation_accuracy")
OF_MODEL = ("loss", "validation_loss", "temperature", "learning_rate", "gradient_norm")


@dataclass(frozen=True)
class Now:
    """How far a grid is; None where nothing of a stage is known (yet)."""

    pretraining: Curves | None
    models: Curves | None


def now(workspace: Workspace, spec: ContrastiveGrid) -> Now:
    """Return how far a grid is that is being trained."""
    stages = (
        (contrastive.LIVE_PRETRAINING, list(spec.pretraining), OF_PRETRAINING),
        (contrastive.LIVE_TRAINING, list(spec.names), OF_MODEL),
    )
    found = []
    for stage, names, columns in stages:
        read = live.read(workspace, spec.key, stage=stage)
        there = None if read is None else _begun(names, read.curves, columns)
        found.append(there)
    return Now(*found)


def pretraining(found: Result) -> Curves | None:
    """Return how the backbones were pre-trained; None where none was trained here."""
    names = found.pretraining["pretraining"].astype(str).tolist()
    return _begun(names, found.array("pretrain_curves"), OF_PRETRAINING)


def models(found: Result) -> Curves:
    """Return how the models learned, those that failed up to where they did."""
    names = found.models["name"].astype(str).tolist()
    return Curves(names, np.asarray(found.array("curves"), float), OF_MODEL)


def _begun(names: list[str], stacked: np.ndarray, columns: Sequence[str]) -> Curves | None:
    """Return the curves of those that have any."""
    curves = Curves(names, np.asarray(stacked, float), columns)
    at = np.flatnonzero(curves.n_epochs)
    return Curves([names[i] for i in at.tolist()], curves.values[at], columns) if len(at) else None
