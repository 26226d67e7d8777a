"""Curves of models that are being trained, for whoever watches: kept beside the job until it is done.

Light: pages read with it, so it imports no torch.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jobs.workspace.workspace import Workspace

#: Seconds between two looks that a writer allows.
WRITE_EVERY = 2.0


@dataclass(frozen=True)
class Live:
    """Models in the order of the result to be, and how far each is.

    Attributes
    ----------
    recipe, seed : (M,) int64 arrays
        Which setting, or which model of a grid, it is.
    fold : (M,) array of str
        The fold that is held out, or "".
    curves : (M, C, E) float32 array
        The loss first; of classifiers training and test accuracy after it, of others what their grid says.
        NaN where there is nothing yet.
    at : float
        When this was written, seconds since 1970.
    """

    recipe: np.ndarray
    seed: np.ndarray
    fold: np.ndarray
    curves: np.ndarray
    at: float

    @property
    def epochs_done(self) -> np.ndarray:
        """How many epochs each model has behind it, (M,) int64; a failed one counts to where it failed."""
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
        What they are of, where a job trains in several stages; `read` finds them by it.
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
        """Show these curves, (models, C, epochs), if they are the last or those before have stood a while."""
        now = time.monotonic()
        if not last and now - self._written < WRITE_EVERY:
            return
        self._written = now
        from jobs.engine import shards

        # Whoever watches can do without; a full disk is for the result to report.
        with suppress(OSError):
            shards.save(self._path, curves=np.asarray(curves, np.float32), at=time.time(), **self._about)


def _file(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.npz"


def read(workspace: Workspace, key: str, *, stage: str = "live") -> Live | None:
    """Return the curves of a job that trains; None where there are none (yet, or any more).

    Parameters
    ----------
    workspace : Workspace
    key : str
        The job's.
    stage : str, default "live"
        As of `LiveCurves`.
    """
    path = _file(workspace.queue.folder(key) / "checkpoint", stage)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Live(
                recipe=stored["recipe"],
                seed=stored["seed"],
                fold=stored["fold"],
                curves=stored["curves"],
                at=float(stored["at"]),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
