"""What networks that are trained with losses learn from, and what a trained one is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.heads.data import Fold, check_classes, named_folds
from core.heads.recipe import HeadRun
from core.training.results import fingerprint

#: Deviation of spectrograms over the training clips; their mean is 0.
DEVIATION = 0.5


@dataclass(frozen=True, kw_only=True)
class NetworkRun(HeadRun):
    """A trained network and its predictions; `weights` are empty where its embeddings are not kept.

    They are named as in a state of torch: ``backbone.``, ``embedding.`` and ``classes.``, with ``mel.mean``
    and ``mel.scale``, which spectrograms are reduced by and divided by.

    Attributes
    ----------
    before, tested : (n_test, dim) float32 arrays
        Embeddings of the clips of the fold, before and after training; `tested` is empty if it failed.
    """

    before: np.ndarray
    tested: np.ndarray


class Data:
    """Spectrograms, classes and folds, checked once; scales are measured once a fold."""

    def __init__(self, mel: ArrayLike, labels: ArrayLike, folds: ArrayLike) -> None:
        self.mel = mel if isinstance(mel, np.ndarray) else np.asarray(mel)
        if self.mel.ndim != 3 or self.mel.dtype.kind not in "fiu" or not self.mel.size:
            raise ValueError(
                f"mel has shape {self.mel.shape} and type {self.mel.dtype}; it must be numbers, "
                "(n, n_mels, frames)."
            )
        n = len(self.mel)
        self.classes, self.codes = check_classes(labels, n)
        self.folds = named_folds(folds, n)
        # Sums of each clip, so that the scale of every fold's training clips costs nothing.
        self._sums = np.array([(x.sum(), (x * x).sum()) for x in (m.astype(np.float64) for m in self.mel)])
        bad = np.flatnonzero(~np.isfinite(self._sums).all(axis=1))
        if len(bad):
            raise ValueError(f"Row {bad[0]} of mel holds a value that is not finite.")
        self.fingerprint = fingerprint(self.mel.shape, self.classes.tolist(), self._sums, self.codes)

    def scale(self, fold: Fold) -> tuple[float, float]:
        """Return what spectrograms are reduced by and divided by."""
        total, squares = self._sums[fold.train].sum(axis=0) / (len(fold.train) * self.mel[0].size)
        spread = math.sqrt(max(squares - total**2, 0.0))
        return float(total), spread / DEVIATION if spread > 1e-12 * abs(total) else 1.0
