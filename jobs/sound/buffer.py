"""Join blocks of samples in bounded memory."""

from __future__ import annotations

import numpy as np

_LARGE = 1 << 28  # bytes; free memory is checked for more than this


class NoRoom(MemoryError):
    """More memory is needed than is free; the message follows the name of a file."""


class Collected:
    """Blocks joined in the memory that they take if their number is known, else in up to 2.5 times that.

    Parameters
    ----------
    expected : int
        Expected number of samples; 0 if unknown.
    """

    def __init__(self, expected: int) -> None:
        self._expected, self._n = expected, 0
        self._x: np.ndarray | None = None

    def add(self, block: np.ndarray) -> None:
        """Add a block, (n,) or (n, channels)."""
        n = self._n + len(block)
        if self._x is None:
            self._x = block
            if self._expected > n and (size := self._expected * block[:1].nbytes) <= _free(size):
                # If the estimate is too high: pages that are never written take no memory.
                self._x = np.empty((self._expected, *block.shape[1:]), np.float32)
        elif n > len(self._x):
            self._resize(max(n, self._n + self._n // 2))
        if self._x is not block:
            self._x[self._n : n] = block
        self._n = n

    def empty(self) -> np.ndarray:
        """Return a block of no samples."""
        assert self._x is not None
        return self._x[:0]

    def samples(self, n: int) -> np.ndarray:
        """Return `n` samples; rounding may have made one less, which is 0, or one more."""
        assert self._x is not None
        if n > len(self._x) or n < 0.9 * len(self._x):
            self._resize(n)
        self._x[self._n : n] = 0
        return self._x[:n]

    def _resize(self, n: int) -> None:
        assert self._x is not None
        if n < len(self._x) and self._x.flags.owndata:
            self._x.resize((n, *self._x.shape[1:]), refcheck=False)
            return
        size = n * self._x[:1].nbytes
        if size > (free := _free(size)):
            raise NoRoom(
                f"is too long for the memory of this machine: it takes more than {size / 2**30:.1f} GB, "
                f"{free / 2**30:.1f} GB are free"
            )
        fresh = np.empty((n, *self._x.shape[1:]), np.float32)
        kept = min(self._n, n)
        fresh[:kept] = self._x[:kept]
        self._x = fresh


def _free(size: int) -> int:
    """Return how many bytes are free; for a small size, that size without a look."""
    if size <= _LARGE:
        return size
    import psutil

    return int(psutil.virtual_memory().available)
