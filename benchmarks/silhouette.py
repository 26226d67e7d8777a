"""Silhouettes against scikit-learn's, and the memory that a million rows take.

    python -m benchmarks.silhouette --json silhouette.json

Both get the same float64 matrix, and their values are compared before they are timed. The million rows are
float32, in a process of their own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.harness import arguments, best_of, machine, report
from core.separability import silhouette_samples

METRICS = ("cosine", "sqeuclidean", "euclidean")


def main() -> None:
    parser = arguments("Silhouettes, timed.")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--many", type=int, default=1_000_000, help="rows of the process that is weighed")
    parser.add_argument("--weigh", choices=METRICS, help="only weigh this metric, in this process")
    options = parser.parse_args()
    if options.weigh:
        print(json.dumps(weigh(options.many, options.weigh)))
        return
    # First, while this process is small: a child's peak begins at its parent's.
    weighed = []
    for metric in ("cosine", "sqeuclidean"):
        command = [
            sys.executable,
            "-m",
            "benchmarks.silhouette",
            "--weigh",
            metric,
            "--many",
            str(options.many),
        ]
        figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        weighed.append({"what": f"{metric}, {options.many:,} × 128 float32", "times as fast": "", **figures})
    from sklearn import metrics

    rng = np.random.default_rng(0)
    n, d = options.points, options.dimensions
    labels = rng.integers(0, options.classes, n)
    X = rng.standard_normal((n, d)) + rng.standard_normal((options.classes, d))[labels]

    rows = []
    for metric in ("cosine", "euclidean"):
        values: dict[str, np.ndarray] = {}

        def theirs(metric: str = metric, values: dict[str, np.ndarray] = values) -> None:
            values["theirs"] = metrics.silhouette_samples(X, labels, metric=metric)

        def ours(metric: str = metric, values: dict[str, np.ndarray] = values) -> None:
            values["ours"] = silhouette_samples(X, labels, metric=metric)

        seconds = best_of(options.rounds, {"scikit-learn": theirs, "hearspace": ours})
        difference = float(np.abs(values["theirs"] - values["ours"]).max())
        assert difference < 1e-6, difference
        for name, t in seconds.items():
            times = seconds["scikit-learn"] / t
            rows.append({"what": f"{metric}, {name}", "seconds": t, "times as fast": times, "peak GiB": ""})
    title = f"Silhouettes of {n:,} × {d} in {options.classes} classes"
    report(title, rows + weighed, machine("numpy", "scikit-learn"), options.json)


def weigh(n: int, metric: str) -> dict[str, Any]:
    """Time one call in this process, and say how much memory the process had at most, its input included."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 128), dtype=np.float32)
    labels = rng.integers(0, 200, n)
    start = time.perf_counter()
    silhouette_samples(X, labels, metric=metric)
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"seconds": seconds, "peak GiB": peak / 2**30}


if __name__ == "__main__":
    main()
