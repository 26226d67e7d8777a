"""Exact nearest neighbours against the bare matrix product and scikit-learn's brute force.

python -m benchmarks.knn --json knn.json
"""

from __future__ import annotations

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from core.neighbors import knn


def main() -> None:
    parser = arguments("Exact nearest neighbours, timed.")
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--k", type=int, default=150)
    options = parser.parse_args()
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    n, d, k = options.points, options.dimensions, options.k
    X = rng.standard_normal((n, d), dtype=np.float32) @ rng.standard_normal((d, d), dtype=np.float32)
    other = X.copy()  # NumPy halves the work of X @ X.T by its symmetry; of two matrices it cannot

    def scikit_learn(metric: str, n_jobs: int | None) -> None:
        NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute", n_jobs=n_jobs).fit(X).kneighbors()

    def sorted_product() -> None:
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        scores = unit @ unit.T
        np.argpartition(-scores, k, axis=1)

    seconds = best_of(
        options.rounds,
        {
            "matrix product, float32": lambda: X @ other.T,
            "matrix product of X by itself, float32": lambda: X @ X.T,
            "product and argpartition, unsorted": sorted_product,
            "scikit-learn brute force, cosine": lambda: scikit_learn("cosine", None),
            "scikit-learn brute force, cosine, n_jobs=-1": lambda: scikit_learn("cosine", -1),
            "scikit-learn brute force, euclidean": lambda: scikit_learn("euclidean", None),
            "scikit-learn brute force, euclidean, n_jobs=-1": lambda: scikit_learn("euclidean", -1),
            "knn, cosine": lambda: knn(X, k),
            "knn, euclidean": lambda: knn(X, k, metric="euclidean"),
            "knn, inner_product": lambda: knn(X, k, metric="inner_product"),
        },
    )
    ours = seconds["knn, cosine"]
    rows = [{"what": name, "seconds": t, "knn, cosine / this": ours / t} for name, t in seconds.items()]
    info = machine("numpy", "scikit-learn", "numba")
    report(f"{k} nearest neighbours of {n:,} × {d}", rows, info, options.json)


if __name__ == "__main__":
    main()
