"""The sums behind `core.similarity.cka`, without ever holding a kernel matrix of all points.

With K and L two kernel matrices, HSIC needs the sum of K ∘ L, the row sums and the diagonals, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.threads import in_threads

_BLOCK_ELEMENTS = 2_000_000
_MEDIAN_ROWS = 4096  # rows whose distances have the median that stands for all
_MEDIAN_BLOCK = 512
_ROUNDOFF = 2.0**-53
#: A kernel whose variation is this much smaller than itself does not vary: what is left is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Sums:
    """Sums over pairs of different points, and the diagonals, of two symmetric kernels K and L."""

    kk: float
    kl: float
    ll: float
    k_rows: np.ndarray  # (n,) row sums without the diagonal
    l_rows: np.ndarray
    k_diagonal: np.ndarray  # (n,)
    l_diagonal: np.ndarray

    def biased(self) -> float:
        """CKA from HSIC with both kernels centred in rows and columns."""
        k, a = self.k_rows + self.k_diagonal, self.k_diagonal
        m, b = self.l_rows + self.l_diagonal, self.l_diagonal
        n = len(k)
        return _ratio(
            (self.kk + a @ a, self.kl + a @ b, self.ll + b @ b),
            (k @ k, k @ m, m @ m),
            k.sum(),
            m.sum(),
            n,
            n * n,
        )

    def unbiased(self) -> float:
        """CKA from the unbiased HSIC, which leaves the diagonals out (Song et al., 2012); n is at least 4."""
        k, m, n = self.k_rows, self.l_rows, len(self.k_rows)
        products = (self.kk, self.kl, self.ll)
        return _ratio(products, (k @ k, k @ m, m @ m), k.sum(), m.sum(), n - 2, (n - 1) * (n - 2))


def _ratio(
    products: tuple[float, float, float],
    rows: tuple[float, float, float],
    k_total: float,
    l_total: float,
    per_row: int,
    per_total: int,
) -> float:
    totals = (k_total * k_total, k_total * l_total, l_total * l_total)
    kk, kl, ll = (p - 2 * r / per_row + t / per_total for p, r, t in zip(products, rows, totals, strict=True))
    if kk <= _NOTHING * products[0] or ll <= _NOTHING * products[2]:
        return 0.0
    return float(np.clip(kl / np.sqrt(kk) / np.sqrt(ll), -1.0, 1.0))


def alignment(X: np.ndarray, Y: np.ndarray, kernel: str, bandwidth: float) -> Sums:
    """Compute the sums that CKA needs of two spaces (n, d1) and (n, d2)."""
    X, Y = _levelled(X), _levelled(Y)
    if kernel == "rbf":
        return _by_blocks(_gaussian(X, bandwidth), _gaussian(Y, bandwidth), len(X))
    X, Y = _centred(X), _centred(Y)
    n, d1 = X.shape
    d2 = Y.shape[1]
    if n * (d1 + d2) <= d1 * d1 + d1 * d2 + d2 * d2:
        return _by_blocks(partial(_products, X), partial(_products, Y), n)
    a, b = (np.einsum("ij,ij->i", Z, Z) for Z in (X, Y))
    # The sum of (X Xᵀ) ∘ (Y Yᵀ) is the squared norm of Xᵀ Y, and the rows of centred kernels sum to nothing.
    kk, kl, ll = (_squared_norm(U, V) for U, V in ((X, X), (X, Y), (Y, Y)))
    return Sums(kk - a @ a, kl - a @ b, ll - b @ b, -a, -b, a, b)


def _levelled(Z: np.ndarray) -> np.ndarray:
    """Return the rows in float64 less their median in every dimension, the largest value before that below 1.

    What all rows share is gone exactly, so that equal rows are zero, and a few rows far away do not take the
    digits of the others, as they would with the mean. The scale is a power of two: no digit changes.
    """
    Z = Z.astype(np.float64)
    Z = np.ldexp(Z, -int(np.frexp(np.abs(Z).max())[1]))
    columns, half = Z.T.copy(), len(Z) // 2  # contiguous: several times as fast
    columns.partition(half, axis=1)
    return Z - columns[:, half]


def _centred(Z: np.ndarray) -> np.ndarray:
    return Z - Z.mean(axis=0)


def _squared_norm(U: np.ndarray, V: np.ndarray) -> float:
    """Squared Frobenius norm of Uᵀ V, some columns of U at a time."""
    columns = max(1, _BLOCK_ELEMENTS // V.shape[1])
    total = 0.0
    for start in range(0, U.shape[1], columns):
        part = U[:, start : start + columns].T @ V
        total += float(np.einsum("ij,ij->", part, part))
    return total


#: Gives rows start to stop of a kernel, and its columns from start on.
Block = Callable[[int, int], np.ndarray]


def _products(Z: np.ndarray, start: int, stop: int) -> np.ndarray:
    return Z[start:stop] @ Z[start:].T


def _gaussian(Z: np.ndarray, bandwidth: float) -> Block:
    """Return exp(-d² / 2σ²) - 1: centring takes the 1 out again, and a wide kernel keeps its digits."""
    distances = _squared_distances(Z)
    sigma = bandwidth * _median_distance(Z)

    def block(start: int, stop: int) -> np.ndarray:
        values = distances(start, stop)
        if sigma > 0:
            values /= -2 * sigma**2
        return np.expm1(values, out=values)

    return block


def _squared_distances(Z: np.ndarray) -> Block:
    """Squared distances of rows start to stop from those from start on; 0 where rounding hides them."""
    squares = np.einsum("ij,ij->i", Z, Z)

    def block(start: int, stop: int) -> np.ndarray:
        values = Z[start:stop] @ Z[start:].T
        sizes = squares[start:stop, None] + squares[start:]
        values *= -2
        values += sizes
        sizes *= 4 * (Z.shape[1] + 8) * _ROUNDOFF
        values[values <= sizes] = 0
        return values

    return block


def _median_distance(Z: np.ndarray) -> float:
    """Compute the median distance of rows, 4,096 drawn ones at most; of those above 0 where it is 0."""
    if len(Z) > _MEDIAN_ROWS:
        Z = Z[np.random.default_rng(0).choice(len(Z), _MEDIAN_ROWS, replace=False)]
    squared = _squared_distances(Z)
    blocks = (squared(a, min(a + _MEDIAN_BLOCK, len(Z))) for a in range(0, len(Z), _MEDIAN_BLOCK))
    distances = np.sqrt(np.concatenate([d[np.triu_indices(len(d), 1, d.shape[1])] for d in blocks]))
    apart = distances[distances > 0]
    return float(np.median(distances)) or (float(np.median(apart)) if len(apart) else 0.0)


def _starts(n: int) -> tuple[range, int]:
    rows = max(1, min(512, _BLOCK_ELEMENTS // n))
    return range(0, n, rows), rows


def _by_blocks(k_block: Block, l_block: Block, n: int) -> Sums:
    """Sum over the upper triangle, a block of rows at a time; the lower follows by symmetry."""
    starts, rows = _starts(n)

    def block(start: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        stop = min(start + rows, n)
        kernels = [k_block(start, stop), l_block(start, stop)]
        width = stop - start
        diagonals = [kernel.diagonal().copy() for kernel in kernels]
        sums = []
        for kernel in kernels:
            np.fill_diagonal(kernel, 0)
            row = kernel.sum(axis=0)
            row[:width] += kernel[:, width:].sum(axis=1)
            sums.append(row)
        k, m = kernels
        products = np.array(
            [
                2 * np.einsum("ij,ij->", u, v) - np.einsum("ij,ij->", u[:, :width], v[:, :width])
                for u, v in ((k, k), (k, m), (m, m))
            ]
        )
        return products, sums, diagonals

    totals = np.zeros(3)
    row_sums, diagonals = np.zeros((2, n)), np.zeros((2, n))
    for start, (products, sums, diagonal) in zip(starts, in_threads(block, starts), strict=True):
        totals += products
        for which in range(2):
            row_sums[which, start:] += sums[which]
            diagonals[which, start : start + len(diagonal[which])] = diagonal[which]
    kk, kl, ll = totals.tolist()
    return Sums(kk, kl, ll, row_sums[0], row_sums[1], diagonals[0], diagonals[1])
