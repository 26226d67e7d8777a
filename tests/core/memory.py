"""A checkpoint of a training that is kept in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Memory:
    """Keeps copies of the pieces of a training, counts, and can end the training at the n-th.

    Attributes
    ----------
    pieces : dict
        Arrays of each piece, by name.
    saves : list of str
        Names of the pieces in the order in which they were saved.
    """

    def __init__(self, end_at: int | None = None) -> None:
        self.pieces: dict[str, dict[str, np.ndarray]] = {}
        self.saves: list[str] = []
        self._end_at = end_at

    def load(self) -> dict[str, dict[str, np.ndarray]]:
        """See `core.training.results.Checkpoint`."""
        return self.pieces

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """See `core.training.results.Checkpoint`."""
        assert all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays.values())
        self.pieces[name] = {n: a.copy() for n, a in arrays.items()}
        self.saves.append(name)
        if len(self.saves) == self._end_at:
            raise KeyboardInterrupt
