"""Rows of a matrix in the order of their classes, read block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from core.checks import unit_rows

_BLOCK_ELEMENTS = 2**22  # values of a block of rows: 32 MB in float64


class ClassRows:
    """The rows of a matrix in float64, class after class, converted as they are read.

    Rows are at unit length for the cosine. Otherwise they are as given, times one power of two where their
    squares would overflow or vanish: that changes no digit.

    Attributes
    ----------
    n, d, n_classes : int
    order : (n,) int array
        Row of the matrix at each position.
    codes : (n,) int array
        Class of every row, ascending.
    sizes, starts : (C,), (C + 1,) int arrays
        Rows of each class, and the position of the first.
    """

    def __init__(self, X: np.ndarray, codes: np.ndarray, *, unit: bool) -> None:
        self._X = X
        self.n, self.d = X.shape
        self.order = np.argsort(codes, kind="stable")
        self.codes = codes[self.order]
        self.sizes = np.bincount(codes)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self.n_classes = len(self.sizes)
        self._prepare = unit_rows if unit else partial(_scaled, exponent=_exponent(X))

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Return the rows at some positions of the class order, (m, d), a copy."""
        return self._prepare(self._X[self.order[positions]])

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the rows from `start` to `stop` of the class order, (stop - start, d), a copy."""
        return self._prepare(self._X[self.order[start:stop]])

    def all_rows(self, subtract: np.ndarray) -> np.ndarray:
        """Return all rows less one vector (d,), or less the vector of their class (C, d)."""
        out = np.empty((self.n, self.d))
        for start, stop in self.blocks():
            shift = subtract if subtract.ndim == 1 else subtract[self.codes[start:stop]]
            np.subtract(self.rows(start, stop), shift, out=out[start:stop])
        return out

    def blocks(self, width: int = 1) -> Iterator[tuple[int, int]]:
        """Cut the rows into blocks for work that needs `width` values a row, or d if that is more."""
        size = max(1, _BLOCK_ELEMENTS // max(self.d, width))
        for start in range(0, self.n, size):
            yield start, min(start + size, self.n)

    def span(self, start: int, stop: int) -> tuple[slice, np.ndarray]:
        """Return the classes between two positions, and where each begins, counted from `start`."""
        first, last = self.codes[start], self.codes[stop - 1] + 1
        return slice(first, last), np.maximum(self.starts[first:last] - start, 0)

    def centre(self) -> np.ndarray:
        """Return a point in the middle (d,): the medians of a few hundred rows, which no outlier moves.

        Taken from all rows, it keeps the digits that would be lost to what the rows have in common.
        """
        some = np.linspace(0, self.n - 1, min(self.n, 256)).astype(np.int64)
        return np.median(self.take(some), axis=0)


def tiles(start: int, stop: int, n: int, width: int) -> Iterable[tuple[int, int]]:
    """Cut the rows start:stop of a symmetric (n, n) matrix into tiles, from the diagonal block rightwards."""
    return pairwise([start, *range(stop, n, width), n]) if stop < n else [(start, n)]


def _exponent(X: np.ndarray) -> int:
    size = max(float(X.max()), -float(X.min()))
    return 0 if size == 0 or 1e-15 < size < 1e15 else int(np.frexp(size)[1])


def _scaled(rows: np.ndarray, exponent: int) -> np.ndarray:
    rows = rows.astype(np.float64, copy=False)
    return np.ldexp(rows, -exponent) if exponent else rows
