"""Learning curves of models in training, stored beside the job until it is done.

Pages import this module, so it does not import torch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.engine import shards

if TYPE_CHECKING:
    from jobs.workspace.workspace import Workspace

#: Minimum seconds between two writes.
WRITE_EVERY = 2.0


@dataclass(frozen=True)
class Live:
    """The curves of models in training, in the order of the future result.

    Attributes
    ----------
    recipe, seed : (M,) int64 arrays
        The recipe, or the model of a grid, and its seed.
    fold : (M,) array of str
        The held-out fold, or "".
    curves : (M, C, E) float32 array
        The loss first; then training and test accuracy for classifiers, or the curves of the grid for others.
        NaN for epochs to come.
    at : float
        Time of writing, seconds since 1970.
    """

    recipe: np.ndarray
    seed: np.ndarray
    fold: np.ndarray
    curves: np.ndarray
    at: float

    @property
    def epochs_done(self) -> np.ndarray:
        """Number of epochs completed by each model, (M,) int64; up to the failure for a failed one."""
        return np.isfinite(self.curves[:, 0]).sum(axis=1)


class LiveCurves:
    """Writes the curves of a grid of models, at most every `WRITE_EVERY` seconds.

    Parameters
    ----------
    folder : Path
        The job's checkpoint folder.
    models : sequence of (recipe, seed, fold)
        In the order of the curves.
    stage : str, default "live"
        The stage of a job that trains in several; also to be passed to `read`.
    """

    def __init__(
        self, folder: Path, models: Sequence[tuple[int, int, object]], *, stage: str = "live"
    ) -> None:
        self._path = _file(folder, stage)
        self._about = {
            "recipe": np.array([recipe for recipe, _, _ in models], dtype=np.int64),
            "seed": np.array([seed for _, seed, _ in models], dtype=np.int64),
            "fold": np.array([str(fold) for _, _, fold in models], dtype=np.str_),
        }
        self._written = -np.inf

    def __call__(self, curves: np.ndarray, *, last: bool = False) -> None:
        """Write curves, (models, C, epochs), if the previous ones are not recent or these are the last."""
        now = time.monotonic()
        if not last and now - self._written < WRITE_EVERY:
            return
        self._written = now
        # Curves are optional; the job reports a full disk when it stores its result.
        with suppress(OSError):
            shards.save(self._path, curves=np.asarray(curves, np.float32), at=time.time(), **self._about)


def _file(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.npz"


def read(workspace: Workspace, key: str, *, stage: str = "live") -> Live | None:
    """Return the curves of a job that trains; None before the first and after the end.

    Parameters
    ----------
    workspace : Workspace
    key : str
        Key of the job.
    stage : str, default "live"
        As in `LiveCurves`.
    """
    path = _file(workspace.queue.folder(key) / "checkpoint", stage)
    stored = shards.load(path, ("recipe", "seed", "fold", "curves", "at"))
    return None if stored is None else Live(at=float(stored.pop("at")), **stored)
