"""A workspace with a training with several losses, of heads on a small space, computed by its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.specs import EmbedAudio, LossGrid
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import made

WEIGHTS = ((1.0, 1.0, 1.0, 1.0), (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def workspace(root: Path, *, sounds: bool = True, per_class: int = 10) -> Workspace:
    """Make a workspace with a trained grid on ``aisfx``, and a space ``melstats`` without one."""
    shown, dataset = made.workspace(root, per_class=per_class, sounds=sounds)
    frozen = made.space(shown, dataset, "aisfx", seed=0, spread=1.6)
    made.space(shown, dataset, "melstats", seed=1, spread=2.0)
    grid(shown, dataset, frozen)
    return shown


def spec_of(dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> LossGrid:
    """Return what is asked for: quick to train, with a rate at which something is learned."""
    asked: dict[str, Any] = {"add_weights": WEIGHTS, "dim": 8, "epochs": 6, "learning_rate": 0.01}
    asked |= {"seeds": 2, "keep": 5, "keep_clips": 60, "labels": dataset.labels_fingerprint}
    return LossGrid(embedding=frozen, **(asked | changes))


def grid(shown: Workspace, dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> LossGrid:
    """Train a grid of heads."""
    spec = spec_of(dataset, frozen, **changes)
    made.computed(shown, spec)
    return spec


def waiting(shown: Workspace, dataset: Dataset, frozen: EmbedAudio, **changes: Any) -> LossGrid:
    """Ask for a grid, and let a worker have started it."""
    spec = spec_of(dataset, frozen, **changes)
    shown.queue.submit(spec)
    shown.queue.claim(spec.key)
    return spec
