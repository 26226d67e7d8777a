"""What tests of trainings with several losses have in common: clips, a space, and running a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jobs.engine.inprocess import run
from jobs.specs import EmbedAudio, LossGrid, LossNetworkGrid
from jobs.tasks.loss_results import Result
from jobs.workspace.workspace import Dataset, Workspace

C, PER_CLASS, D, FOLDS = 3, 8, 6, 2
QUICK: dict[str, Any] = {
    "losses": ("ce", "opl", "add"),
    "add_weights": ((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.0)),
    "dim": 4,
    "epochs": 5,
    "batch_size": 6,
    "learning_rate": 0.02,
    "seeds": 2,
    "keep": 3,
}


def clip_table(folds: bool = True) -> pd.DataFrame:
    """Clips of three classes in two folds; the last has no class, the one before it no finite embedding."""
    labels = [f"class {i % C}" for i in range(C * PER_CLASS)] + ["class 0", "unlabelled"]
    n = len(labels)
    fold = [1 + i // C % FOLDS for i in range(n - 1)] + [None] if folds else [None] * n
    return pd.DataFrame(
        {
            "clip_id": [f"clip-{i:02d}" for i in range(n)],
            "path": [f"{i}.wav" for i in range(n)],
            "label": labels,
            "labels": [[label] for label in labels[:-1]] + [[]],
            "family": pd.Series([None] * n, dtype="str"),
            "fold": pd.Series(fold, dtype="Int64"),
            "caption": pd.Series([None] * n, dtype="str"),
        }
    )


def class_table() -> pd.DataFrame:
    names = [f"class {c}" for c in range(C)]
    nothing = pd.Series([None] * C, dtype="str")
    return pd.DataFrame({"label": names, "family": nothing, "description": nothing})


def space_of(workspace: Workspace, dataset: Dataset) -> EmbedAudio:
    """Write a space whose classes overlap; rows come in another order than clips."""
    spec = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/test")
    random = np.random.default_rng(1)
    n = len(dataset.clips)
    centres = 1.2 * random.standard_normal((C, D))
    order = random.permutation(n)
    X = np.array([centres[i % C] + random.standard_normal(D) for i in order]).astype(np.float32)
    X[order == n - 2] = np.nan
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", X)
        w.table("clips", {"clip_id": dataset.clips["clip_id"].iloc[order].tolist()})
    return spec


def result(workspace: Workspace, spec: LossGrid | LossNetworkGrid) -> Result:
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return spec.read(workspace.cache)


def failure(workspace: Workspace, spec: LossGrid | LossNetworkGrid) -> str:
    job = run(workspace, spec)
    assert job.state == "failed"
    return str(job.error)
