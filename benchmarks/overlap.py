"""Agreement of two spaces, against what one would write with sets and with n × n matrices.

    python -m benchmarks.overlap --json overlap.json

The overlap at every k is timed against scikit-learn's search, once for each space, and Python sets at 20
values of k; CKA against the textbook matrices with the median of all pairs, the debiased estimate included.
Compiled code is compiled before the clock starts. The memory of a large overlap is the peak of a process of
its own, libraries included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from core.neighbors import neighbor_order
from core.similarity import cka_both, neighborhood_overlap, permutation_band

PERMUTATIONS = 200


def pair(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Make two spaces that agree in part."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    return X, X + rng.standard_normal((n, d), dtype=np.float32)


def by_sets(first: np.ndarray, second: np.ndarray, ks: np.ndarray) -> list[float]:
    return [
        float(np.mean([len(set(p[:k]) & set(q[:k])) / k for p, q in zip(first, second, strict=True)]))
        for k in ks
    ]


def searched(X: np.ndarray, Y: np.ndarray, ks: np.ndarray) -> list[float]:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=int(ks.max()), metric="cosine", algorithm="brute", n_jobs=-1)
    return by_sets(search.fit(X).kneighbors()[1], search.fit(Y).kneighbors()[1], ks)


def matrices(X: np.ndarray, Y: np.ndarray, kernel: str) -> tuple[float, float]:
    """CKA as it stands in the papers, usual and debiased."""
    from scipy.spatial.distance import squareform
    from sklearn.metrics.pairwise import euclidean_distances

    n = len(X)

    def gram(Z: np.ndarray) -> np.ndarray:
        Z = Z.astype(np.float64)
        if kernel == "linear":
            return Z @ Z.T
        d = euclidean_distances(Z)
        return np.exp(-(d**2) / (2 * np.median(squareform(d, checks=False)) ** 2))

    def centred(K: np.ndarray) -> np.ndarray:
        return K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()

    def unbiased(K: np.ndarray, L: np.ndarray) -> float:
        rows = K.sum(axis=1) @ L.sum(axis=1)
        return (K * L).sum() + K.sum() * L.sum() / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)

    K, L = gram(X), gram(Y)
    A, B = centred(K), centred(L)
    usual = (A * B).sum() / np.sqrt((A * A).sum() * (B * B).sum())
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    return float(usual), float(unbiased(K, L) / np.sqrt(unbiased(K, K) * unbiased(L, L)))


def alone(n: int, d: int, k: int) -> None:
    """Run one overlap and print its seconds and the peak memory of this process, in MiB."""
    import resource

    X, Y = pair(n, d)
    started = time.perf_counter()
    neighborhood_overlap(X, Y, k_max=k)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak / (2**20 if sys.platform == "darwin" else 2**10)}))


def main() -> None:
    parser = arguments("Agreement of two spaces, timed.")
    parser.add_argument("--points", type=int, default=2_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--aligned", type=int, default=5_000, help="points that CKA is computed of")
    parser.add_argument(
        "--many", type=int, default=20_000, help="points of the overlap whose memory is measured"
    )
    parser.add_argument("--alone", type=int, nargs=3, metavar=("N", "D", "K"), help="only this one overlap")
    options = parser.parse_args()
    if options.alone:
        alone(*options.alone)
        return
    # First: what this process has held by then would count as held by the other.
    size = (str(options.many), "128", "200")
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.overlap", "--alone", *size],
        check=True,
        capture_output=True,
        text=True,
    )
    child = json.loads(process.stdout)
    n, d = options.points, options.dimensions
    X, Y = pair(n, d)
    few = np.unique(np.linspace(1, n - 1, 20).astype(int))
    every = neighborhood_overlap(X, Y, include_self=False)
    # Their search is in float32, in which a few neighbours change places.
    np.testing.assert_allclose(every.overlap[few - 1], searched(X, Y, few), atol=2e-4)
    orders = [neighbor_order(Z, n - 1) for Z in (X, Y)]
    permutation_band(*orders, permutations=2)
    A, B = pair(options.aligned, d)
    # Of more than 4,096 points the RBF kernel takes the median distance of a sample.
    for kernel, tolerance in (("linear", 1e-6), ("rbf", 2e-3)):
        np.testing.assert_allclose(cka_both(A, B, kernel=kernel), matrices(A, B, kernel), atol=tolerance)

    shuffled = np.random.default_rng(0).permutation(n)
    back = np.argsort(shuffled)
    candidates: dict[str, tuple[Any, Any]] = {
        f"overlap, {n - 1:,} values of k, searches included": (
            lambda: neighborhood_overlap(X, Y, include_self=False),
            lambda: searched(X, Y, few),
        ),
        f"{PERMUTATIONS} shuffled pairings, {n - 1:,} values of k": (
            lambda: permutation_band(*orders, permutations=PERMUTATIONS),
            lambda: by_sets(orders[0], back[orders[1][shuffled]], few),
        ),
        f"CKA of {len(A):,} points, linear, usual and debiased": (
            lambda: cka_both(A, B),
            lambda: matrices(A, B, "linear"),
        ),
        f"CKA of {len(A):,} points, RBF, usual and debiased": (
            lambda: cka_both(A, B, kernel="rbf"),
            lambda: matrices(A, B, "rbf"),
        ),
    }
    instead = (
        f"scikit-learn and sets, {len(few)} values of k",
        f"one shuffled pairing by sets, {len(few)} values of k",
        "n × n matrices",
        "n × n matrices, median of all pairs",
    )
    rows = []
    for (what, (ours, theirs)), other in zip(candidates.items(), instead, strict=True):
        seconds = best_of(options.rounds, {"ours": ours, "theirs": theirs})
        ratio = seconds["theirs"] / seconds["ours"]
        rows.append(
            {
                "what": what,
                "seconds": seconds["ours"],
                "instead of": other,
                "theirs": seconds["theirs"],
                "ratio": ratio,
            }
        )
    rows.append(
        {
            "what": f"overlap of {options.many:,} × 128, k to 200",
            "seconds": child["seconds"],
            "instead of": f"peak memory {child['peak']:,.0f} MiB",
            "theirs": "",
            "ratio": "",
        }
    )
    info = machine("numpy", "scikit-learn", "numba")
    report(f"Agreement of two spaces of {n:,} × {d}", rows, info, options.json)


if __name__ == "__main__":
    main()
