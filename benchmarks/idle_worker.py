"""What a worker costs that has nothing to do, among 10,000 finished jobs, and how soon it starts a new one.

    python -m benchmarks.idle_worker [--jobs 10000] [--seconds 30] [--rounds 10] [--json PATH]

`hearspace serve` runs as a user starts it, with no browser at its pages. Its processor time and that of all
processes below it is counted as shares of one core. Then jobs are submitted from this process, at random
moments, as a page or the command line would.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks.harness import arguments, machine, report
from jobs.engine.queue import Queue
from jobs.specs import DatasetRef, EmbedAudio, Neighbors, Project
from jobs.workspace.workspace import Workspace

#: Parts of the program, by a word of their command lines.
PARTS = {
    "jobs.engine.child": "warm children",
    "worker": "worker",
    "dashboard": "pages",
    "serve": "serve itself",
}


def main() -> None:
    """Fill a queue, let it stand idle, then give it work."""
    parser = arguments("An idle worker, measured.")
    parser.set_defaults(rounds=10)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(folder)
        space = EmbedAudio(dataset=DatasetRef("points", "0" * 64), encoder="melstats")
        with workspace.cache.writer(space.key, spec=space.to_json()) as w:
            w.array("embeddings", np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32))
        fill(workspace.queue, space, options.jobs)
        command = ["-m", "jobs.cli", "serve", "-w", folder, "--port", "8790"]
        server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
        try:
            wait_for(workspace.queue.worker_alive)
            for k in (1, 2):  # two warm children, as after any use
                workspace.queue.submit(Neighbors(embedding=space, k=k))
            wait_for(lambda: all(not workspace.queue.get(key).active for key in asked(space, (1, 2))))
            time.sleep(10)  # what follows a start is over
            rows = [
                {"what": f"idle, {part}", "value": share, "unit": "% of a core"}
                for part, share in shares(server.pid, options.seconds).items()
            ]
            rows += latencies(workspace, space, options.rounds)
        finally:
            server.terminate()
            server.wait()
        rows += listings(workspace.root)
    report(f"A worker among {options.jobs:,} finished jobs", rows, machine("distributed"), options.json)


def asked(space: EmbedAudio, ks: tuple[int, ...]) -> list[str]:
    """Keys of the neighbours of the space, by their number."""
    return [Neighbors(embedding=space, k=k).key for k in ks]


def fill(queue: Queue, space: EmbedAudio, n: int) -> None:
    """Write the folders of finished jobs as they stay behind: spec, state, log, sign of life."""
    now = time.time()
    for i in range(n):
        spec = Project(embedding=space, method="umap", seed=i)
        folder = queue.folder(spec.key)
        folder.mkdir(parents=True)
        kept = {"spec": spec.to_json(), "title": spec.title, "depends_on": [space.key]}
        times = {"created": now - 9 - i, "started": now - 8 - i, "ended": now - 7 - i}
        (folder / "spec.json").write_text(json.dumps(kept, indent=1))
        (folder / "state.json").write_text(
            json.dumps({"state": "done", "attempts": 1, "priority": 1} | times)
        )
        (folder / "log.txt").write_text("Done in 1.0 s.\n")
        (folder / "heartbeat").touch()


def wait_for(true: Callable[[], bool]) -> None:
    """Wait for two minutes at most."""
    deadline = time.monotonic() + 120
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("The worker does not work.")
        time.sleep(0.05)


def shares(pid: int, seconds: float) -> dict[str, float]:
    """Percent of a core that each part of the program takes, and all together."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    before, start = [sum(p.cpu_times()[:2]) for p in tree], time.perf_counter()
    time.sleep(seconds)
    after, passed = [sum(p.cpu_times()[:2]) for p in tree], time.perf_counter() - start
    spent = [100 * (a - b) / passed for a, b in zip(after, before, strict=True)]
    by_part = dict.fromkeys(PARTS.values(), 0.0)
    for process, share in zip(tree, spent, strict=True):
        by_part[next(part for word, part in PARTS.items() if word in process.cmdline())] += share
    return by_part | {"all": sum(spent)}


def latencies(workspace: Workspace, space: EmbedAudio, rounds: int) -> list[dict[str, object]]:
    """Milliseconds from a job's spec being written to its start, and to its end."""
    starts, ends = [], []
    for key, k in zip(asked(space, tuple(range(3, 3 + rounds))), range(3, 3 + rounds), strict=True):
        time.sleep(random.uniform(1.0, 1.5))
        written = time.time()
        workspace.queue.submit(Neighbors(embedding=space, k=k))
        wait_for(lambda key=key: not workspace.queue.get(key).active)
        job = workspace.queue.get(key)
        starts.append(1e3 * (job.started - job.created))
        ends.append(1e3 * (job.ended - written))
    names = {"a new job starts after, median": np.median(starts), "at the latest": max(starts)}
    names["a new job (50 clips) is done after, median"] = np.median(ends)
    return [{"what": name, "value": float(ms), "unit": "ms"} for name, ms in names.items()]


def listings(root: Path) -> list[dict[str, object]]:
    """Milliseconds that a page needs to list the jobs, the first time and again."""
    queue, rows = Workspace(root).queue, []
    for name in ("first", "second", "a later"):
        if name == "a later":
            time.sleep(2.1)
            queue.listing()
        start = time.process_time()
        queue.listing()
        took = 1e3 * (time.process_time() - start)
        rows.append({"what": f"{name} listing of all jobs", "value": took, "unit": "ms of a core"})
    return rows


if __name__ == "__main__":
    main()
