"""Distances between classes and angular properties against the full matrix, block by block in NumPy.

    python -m benchmarks.class_distances --json class_distances.json

The rival never holds more than a block of distances either; it sums them and their squares by class. Values
are compared before they are timed.
"""

from __future__ import annotations

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from core.separability import angular_properties, class_distances

BLOCK = 1024


def full_matrix(X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the cosine distance of every two classes, from all distances."""
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    unit = X[order] / np.linalg.norm(X[order], axis=1, keepdims=True)
    sizes = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums, squares = np.zeros((2, len(sizes), len(sizes)))
    for start in range(0, len(X), BLOCK):
        distances = 1 - unit[start : start + BLOCK] @ unit.T
        rows = codes[start : start + BLOCK]
        np.add.at(sums, rows, np.add.reduceat(distances, starts, axis=1))
        distances *= distances
        np.add.at(squares, rows, np.add.reduceat(distances, starts, axis=1))
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    mean = sums / pairs
    return mean, np.sqrt(np.maximum(squares / pairs - mean**2, 0))


def main() -> None:
    parser = arguments("Distances between classes, timed.")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--classes", type=int, default=200)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    n, d, C = options.points, options.dimensions, options.classes
    codes = rng.integers(0, C, n)
    X = rng.standard_normal((n, d)) + rng.standard_normal((C, d))[codes]

    mean, sd = full_matrix(X, codes)
    result = class_distances(X, codes)
    difference = max(np.abs(result.mean - mean).max(), np.abs(result.sd - sd).max())
    assert difference < 1e-6, difference

    seconds = best_of(
        options.rounds,
        {
            "full matrix in NumPy": lambda: full_matrix(X, codes),
            "class_distances": lambda: class_distances(X, codes),
            "angular_properties (all pairs)": lambda: angular_properties(X, codes),
        },
    )
    theirs = seconds["full matrix in NumPy"]
    rows = [{"what": name, "seconds": t, "times as fast": theirs / t} for name, t in seconds.items()]
    report(f"Distances between {C} classes of {n:,} × {d}", rows, machine("numpy"), options.json)


if __name__ == "__main__":
    main()
