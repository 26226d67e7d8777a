"""Blocks of samples put together in bounded memory."""

from __future__ import annotations

import numpy as np

_LARGE = 1 << 28  # bytes from which on it is asked whether the memory has room for them


class NoRoom(MemoryError):
    """More memory would be needed than is free; the message says so, to follow the name of a file."""


class Collected:
    """Blocks put together, with no more memory at any time than half as much again."""

    def __init__(self) -> None:
        self._n = 0
        self._x: np.ndarray | None = None

    def add(self, block: np.ndarray) -> None:
        """Add a block, (n,) or (n, channels)."""
        if self._x is None:
            self._x = block
        elif self._n + len(block) > len(self._x):
            size = max(self._n + len(block), self._n + self._n // 2)
            self._resize(size)
        if self._x is not block:
            self._x[self._n : self._n + len(block)] = block
        self._n += len(block)

    def empty(self) -> np.ndarray:
        """Return a block of no samples."""
        assert self._x is not None
        return self._x[:0]

    def samples(self, n: int) -> np.ndarray:
        """Return `n` samples: resampling rounds, so it may be one less, which is 0, or one more."""
        assert self._x is not None
        if n > len(self._x):
            self._resize(n)
        self._x[self._n : n] = 0
        return self._x[:n] if len(self._x) < n + (n >> 3) else self._x[:n].copy()

    def _resize(self, n: int) -> None:
        assert self._x is not None
        size = n * self._x[:1].nbytes
        if size > _LARGE:
            import psutil

            free = psutil.virtual_memory().available
            if size > free:
                raise NoRoom(
                    f"is too long for the memory of this machine: it takes more than {size / 2**30:.1f} GB, "
                    f"{free / 2**30:.1f} GB are free",
                )
        if not self._x.flags.owndata:
            self._x = self._x.copy()
        self._x.resize((n, *self._x.shape[1:]), refcheck=False)
