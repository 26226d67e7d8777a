"""Gradient of t-SNE on a map in two dimensions, for openTSNE's optimiser.

Every point repels every other. The repulsion is the gradient of one potential, the sum over all points y of
1 / (1 + |x - y|²), which is a convolution: points are spread onto a regular grid by quintic B-splines, the
grid is convolved by FFT, and the potential and its slope are read off at the points. That is particle-mesh
summation (U. Essmann et al., "A smooth particle mesh Ewald method", Journal of Chemical Physics 103, 1995) of
the forces that G. C. Linderman et al. ("Fast interpolation-based t-SNE", Nature Methods 16, 2019) interpolate
piece by piece: it takes two transforms of a coarser grid instead of seven, and on maps of usual size its
error is the smaller one. A few hundred points are summed pair by pair.

The sums of a point are its own, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from scipy.sparse import csr_matrix

SPACING = 0.45  # grid cells, where 1 is the width of the kernel
_CELLS = (24, 1024)  # across the map, at least and at most
_MARGIN = 4
EXACT = 400  # points up to which the sum over all pairs is as fast


def repulsion(coords: np.ndarray, workers: int = 1) -> tuple[np.ndarray, float]:
    """Sum the repulsive forces on every point, and the weights of all pairs.

    Parameters
    ----------
    coords : (n, 2) float64 array

    Returns
    -------
    forces : (n, 2) float64 array
        sum_j (y_i - y_j) / (1 + d_ij²)²
    total : float
        sum over i ≠ j of 1 / (1 + d_ij²)
    """
    from core.neighbors.kernels import gather_potential, repel, spread_points

    if not np.isfinite(coords).all():
        raise FloatingPointError("The map has grown without bound; t-SNE cannot go on.")
    if len(coords) <= EXACT:
        forces = np.empty_like(coords)
        return forces, float(repel(coords, forces))
    low = coords.min(axis=0)
    span = float((coords.max(axis=0) - low).max())
    spacing = min(SPACING, span / _CELLS[0]) if span > 0 else SPACING
    spacing = max(spacing, span / _CELLS[1])
    # The grid is padded to twice its size, so that what is convolved does not come round.
    size = scipy.fft.next_fast_len(2 * (int(span / spacing) + 2 * _MARGIN), real=True)
    origin = low - _MARGIN * spacing
    grid = np.zeros((size, size))
    at = (coords - origin) / spacing  # (n, 2) in cells
    spread_points(at, grid)
    transform = scipy.fft.rfft2(grid, workers=workers, overwrite_x=True)
    transform *= _kernel(size, spacing)
    potential = scipy.fft.irfft2(transform, s=(size, size), workers=workers, overwrite_x=True)
    values = np.empty((len(coords), 3))  # potential and its gradient
    gather_potential(at, potential, values)
    # A point's potential on itself is 1.
    return values[:, 1:] * (-0.5 / spacing), float(values[:, 0].sum() - len(coords))


@lru_cache(maxsize=2)
def _kernel(size: int, spacing: float) -> np.ndarray:
    """Transform of the kernel, divided by what spreading and reading by B-splines multiply it with."""
    steps = np.minimum(np.arange(size), size - np.arange(size)) * spacing
    kernel = 1 / (1 + steps[:, None] ** 2 + steps[None, :] ** 2)
    frequency = 2 * np.pi * np.arange(size) / size
    spline = ((66 + 52 * np.cos(frequency) + 2 * np.cos(2 * frequency)) / 120) ** 2
    transform = scipy.fft.rfft2(kernel).real
    return transform / (spline[:, None] * spline[None, : size // 2 + 1])


def objective(pool: ThreadPoolExecutor, workers: int) -> Callable[..., tuple[float, np.ndarray]]:
    """Return what openTSNE takes as ``negative_gradient_method``: a function of map and affinities.

    It returns the Kullback-Leibler divergence, which nothing here reads and so is not a number, and the
    gradient.
    """
    from core.neighbors.kernels import attract

    def gradient(embedding: np.ndarray, P: csr_matrix, **_: Any) -> tuple[float, np.ndarray]:
        coords = np.ascontiguousarray(embedding, dtype=np.float64)
        forces = np.empty_like(coords)
        # As many pairs in each part; small maps are not worth the switch.
        parts = workers if P.nnz > 50_000 else 1
        bounds = np.searchsorted(P.indptr, np.linspace(0, P.nnz, parts + 1))
        bounds[0], bounds[-1] = 0, len(coords)

        def part(i: int) -> None:
            attract(P.indptr, P.indices, P.data, coords, bounds[i], bounds[i + 1], forces)

        attraction = [pool.submit(part, i) for i in range(parts)]
        repelling, total = repulsion(coords, workers if len(coords) > 2000 else 1)
        for done in attraction:
            done.result()
        return float("nan"), forces - repelling / (total + np.finfo(np.float64).eps)

    return gradient
