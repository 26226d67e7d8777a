"""A training within a job: where it is saved, and how far it is."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.training.engine import share_done
from jobs.engine import shards

if TYPE_CHECKING:
    from jobs.engine.context import JobContext

Pieces = dict[str, dict[str, np.ndarray]]


class TrainingFolder:
    """A `core.training.results.Checkpoint`: one file for each piece, which is whole or not there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Pieces:
        """Return all pieces but damaged ones, which are trained again."""
        return self._read()

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Store a piece."""
        shards.save(self.path / f"{name}.npz", **arrays)

    def share(self) -> float:
        """Return how much of the training is saved, in [0, 1]."""
        return share_done(self._read("models", "done", "whole"))

    def _read(self, *names: str) -> Pieces:
        pieces = {}
        for path in sorted(self.path.glob("[!.]*.npz")):
            with (
                suppress(OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile),
                np.load(path, allow_pickle=False) as stored,
            ):
                pieces[path.stem] = {name: stored[name] for name in names or stored.files}
        return pieces


def reporter(
    context: JobContext, folder: TrainingFolder, what: str, start: float, end: float
) -> Callable[[float, float], None]:
    """Return the `progress` of a training that takes a job from `start` to `end`; log where it resumes."""
    if share := folder.share():
        context.log(f"Going on after {share:.0%} of the training, from the checkpoint.")

    def report(done: float, total: float) -> None:
        context.progress(start + (end - start) * done / total, 1, f"{what}: {done / total:.0%}")

    return report
