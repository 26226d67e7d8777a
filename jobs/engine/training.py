"""The checkpoint and the progress of a training within a job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.training.engine import share_done
from jobs.engine import shards

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

Pieces = dict[str, dict[str, np.ndarray]]


class TrainingFolder:
    """A `core.training.results.Checkpoint`: one file for each piece, complete or absent."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Pieces:
        """Return all pieces except damaged ones, which are trained again."""
        return self._read()

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Store a piece."""
        shards.save(self.path / f"{name}.npz", **arrays)

    def share(self) -> float:
        """Return the share of the training that is saved, in [0, 1]."""
        return share_done(self._read("models", "done", "whole"))

    def _read(self, *names: str) -> Pieces:
        pieces = {path.stem: shards.load(path, names) for path in sorted(self.path.glob("[!.]*.npz"))}
        return {name: piece for name, piece in pieces.items() if piece is not None}


def reporter(
    context: JobContext, folder: TrainingFolder, what: str, start: float, end: float
) -> Callable[[float, float], None]:
    """Return the `progress` of a training that takes a job from `start` to `end`; log where it resumes."""
    if share := folder.share():
        context.log(f"Resuming after {share:.0%} of the training, from the checkpoint.")

    def report(done: float, total: float) -> None:
        context.progress(start + (end - start) * done / total, 1, f"{what}: {done / total:.0%}")

    return report
