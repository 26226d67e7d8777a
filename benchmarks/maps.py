"""t-SNE and UMAP from one exact graph, against openTSNE and umap-learn on the raw matrix one after the other.

    python -m benchmarks.maps --json maps.json

All are seeded and compiled before the clock starts. openTSNE runs on one core, its default, and on all; the
faster one counts.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.harness import arguments, machine, report
from core.neighbors import knn
from core.projection import neighborhood_kept, project, warm_up


def main() -> None:
    parser = arguments("Maps, timed.")
    parser.set_defaults(rounds=1)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=256)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="n_jobs value")
    from openTSNE import TSNE
    from umap import UMAP

    rng = np.random.default_rng(0)
    n, d = options.points, options.dimensions
    classes = rng.integers(0, 50, n)
    X = (rng.standard_normal((50, d))[classes] + rng.standard_normal((n, d))).astype(np.float32)
    graph: tuple[np.ndarray, np.ndarray] = knn(X, 150)
    warm_up()
    # umap-learn compiles its approximate search from 4,096 points on.
    UMAP(metric="cosine", random_state=0, n_epochs=11).fit_transform(X[:4500])

    def find_graph() -> None:
        nonlocal graph
        graph = knn(X, 150)

    steps: dict[str, Callable[[], np.ndarray | None]] = {
        "openTSNE, one core": lambda: np.asarray(TSNE(metric="cosine", random_state=0).fit(X)),
        "openTSNE, all cores": lambda: np.asarray(TSNE(metric="cosine", random_state=0, n_jobs=-1).fit(X)),
        "umap-learn": lambda: UMAP(metric="cosine", random_state=0).fit_transform(X),
        "one graph": find_graph,
        "t-SNE from it": lambda: project(X, "tsne", neighbors=graph),
        "UMAP from it": lambda: project(X, "umap", neighbors=graph),
    }
    seconds = dict.fromkeys(steps, float("inf"))
    maps: dict[str, np.ndarray | None] = {}
    for _ in range(options.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            maps[name] = step()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    theirs = min(seconds["openTSNE, one core"], seconds["openTSNE, all cores"]) + seconds["umap-learn"]
    ours = seconds["one graph"] + seconds["t-SNE from it"] + seconds["UMAP from it"]
    seconds |= {"both raw": theirs, "both from one graph": ours}
    rows = []
    for name, t in seconds.items():
        coords = maps.get(name)
        kept = "" if coords is None else float(neighborhood_kept(graph[0], coords, [15]).mean())
        rows.append({"what": name, "seconds": t, "share of both raw": t / theirs, "15 neighbours kept": kept})
    report(f"Maps of {n:,} × {d}", rows, machine("numpy", "openTSNE", "umap-learn", "numba"), options.json)


if __name__ == "__main__":
    main()
