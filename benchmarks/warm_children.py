"""A second map job in a row, against the layout itself and against a fresh Python process.

    python -m benchmarks.warm_children --json warm.json

What a user would do without hearspace is to run a script: it imports umap-learn and compiles it every time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import arguments, machine, report
from core.neighbors import knn
from core.projection import project, warm_up
from jobs.engine.dispatcher import serve
from jobs.specs import DatasetRef, EmbedAudio, Neighbors, Project
from jobs.workspace.workspace import Workspace

SCRIPT = """
import numpy as np, sys
from umap import UMAP
UMAP(metric="cosine", random_state=1).fit_transform(np.load(sys.argv[1]))
"""


def main() -> None:
    parser = arguments("Warm children, timed.")
    parser.set_defaults(rounds=3)
    parser.add_argument("--points", type=int, default=2_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((options.points, 128)).astype(np.float32)
    warm_up("umap")
    graph = knn(X, 150)

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        space = EmbedAudio(dataset=DatasetRef("points", "0" * 64), encoder="melstats")
        with workspace.cache.writer(space.key, spec=space.to_json()) as w:
            w.array("embeddings", X)
        stop = threading.Event()
        # One slot, so that every job comes to the same child.
        worker = threading.Thread(target=serve, args=(workspace,), kwargs={"slots": 1, "stop": stop})
        worker.start()
        try:
            _timed(workspace, Neighbors(embedding=space))
            first = _timed(workspace, Project(embedding=space, method="umap", seed=0))
            again, layout = [], []
            for seed in range(1, options.rounds + 1):
                again.append(_timed(workspace, Project(embedding=space, method="umap", seed=seed)))
                start = time.perf_counter()
                project(X, "umap", neighbors=graph, seed=seed)
                layout.append(time.perf_counter() - start)
        finally:
            stop.set()
            worker.join()
        np.save(Path(folder) / "x.npy", X)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", SCRIPT, f"{folder}/x.npy"], check=True, capture_output=True)
        script = time.perf_counter() - start

    rows = [
        {"what": "fresh process, umap-learn", "seconds": script},
        {"what": "first map job", "seconds": first},
        {"what": "a map job after it, asked to drawn", "seconds": min(again)},
        {"what": "the layout itself, warm", "seconds": min(layout)},
        {"what": "added by the job", "seconds": min(again) - min(layout)},
    ]
    for row in rows:
        row["share of a fresh process"] = row["seconds"] / script
    report(f"Map jobs of {options.points:,} points", rows, machine("umap-learn", "distributed"), options.json)


def _timed(workspace: Workspace, spec: Neighbors | Project) -> float:
    start = time.perf_counter()
    workspace.queue.submit(spec)
    while not workspace.cache.contains(spec.key):
        job = workspace.queue.get(spec.key)
        if job is not None and job.state == "failed":
            raise SystemExit(job.error)
        time.sleep(0.01)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
