"""A workspace with a model of sounds and texts and a training on the pairs that it curates, by real jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from jobs import contrastive_presets as contrastive
from jobs.engine import inprocess
from jobs.specs import CuratedTraining, Synthesize
from jobs.tasks.contrastive import networks
from jobs.workspace.workspace import Workspace
from tests.jobs.test_contrastive import TINY, Words

WORLD = Synthesize(classes=24, clips_per_class=4, seconds=0.5)


def curated(root: Path) -> tuple[Workspace, CuratedTraining]:
    """Make the dataset ``world``, a grid of one small model, and its comparison of two trainings each."""
    made = Workspace.open(root / "workspace")
    made.add_synthetic("world", WORLD)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks.encoders, "load", lambda *a, **k: Words())
        patch.setattr("jobs.tasks.contrastive.measures.FEWEST", 40)
        assert inprocess.run(made, WORLD).state == "done"
        dataset = made.dataset("world")
        grid = contrastive.grid_of(dataset, pretraining=("none",), training=("dirty",), **TINY)
        _, space = contrastive.spaces_of(grid)
        spec = contrastive.curated_training(dataset, space, n_seeds=2, max_epochs=2, rate=1e-2)
        job = inprocess.run(made, spec)
        assert job.state == "done", job.error
    torch.set_num_threads(threads)
    return made, spec
