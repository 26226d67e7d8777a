"""Kill what works on a queue, at random; tests judge the outcome.

``python -m tests.jobs.kills FOLDER KILLS SEED [PAUSE]`` runs a longer campaign than the tests do;
PAUSE is the longest time between two kills, in seconds.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from jobs.datasets.importer import import_dataset
from jobs.engine.inprocess import run
from jobs.presets import of_space
from jobs.specs import EmbedAudio, Project, Spec, closure
from jobs.workspace.workspace import Workspace
from tests.jobs.tones import write_tones

ENCODERS = ("random-cnn", "handcrafted", "melstats")


def workspace_of(root: Path, sounds: Path) -> Workspace:
    """Make a workspace of the sounds in a folder."""
    workspace = Workspace.open(root)
    workspace.add_dataset(
        "tones", import_dataset("folder", sounds, options={}), adapter="folder", root=sounds
    )
    return workspace


def asked(workspace: Workspace, encoders: Sequence[str] = ENCODERS) -> list[Spec]:
    """Return spaces, their neighbours and maps, and what is measured of them."""
    dataset = workspace.dataset("tones")
    spaces = [EmbedAudio(dataset=dataset.ref, encoder=name) for name in encoders]
    maps = [Project(embedding=s, method=m) for s in spaces for m in ("tsne", "pca")]
    return [*maps, *(spec for s in spaces for spec in of_space(dataset, s))]


def contents(workspace: Workspace, specs: Sequence[Spec]) -> dict[tuple[str, str, str], str]:
    """Return the checksum of every file of the results, by type, key and name."""
    checksums = {}
    for spec in {s.key: s for wanted in specs for s in closure(wanted)}.values():
        for name, entry in workspace.cache.open(spec.key).manifest["files"].items():
            checksums[type(spec).__name__, spec.key, name] = entry["sha256"]
    return checksums


def campaign(
    workspace: Workspace, specs: Sequence[Spec], kills: int, seed: int, pause: float = 1.5
) -> Counter[str]:
    """Have the specs computed while child, worker or both are killed; return how often each was.

    Whenever all is done too early, results are removed and asked for again.
    """
    rng, queue, killed = random.Random(seed), workspace.queue, Counter[str]()
    kinds: list[str] = []  # what is still to be killed before anything is killed again
    worker = _worker(workspace)
    try:
        _submit(workspace, specs)
        while killed.total() < kills:
            time.sleep(rng.uniform(0.1, pause))
            if not any(job.active for job in queue.jobs()):
                for spec in rng.sample(list(specs), len(specs) // 2):
                    workspace.cache.delete(spec.key)
                    for needed in spec.inputs():
                        workspace.cache.delete(needed.key)
                _submit(workspace, specs)
                continue
            kinds = kinds or rng.sample(("child", "worker", "both"), 3)
            victims = kinds[-1]
            children = psutil.Process(worker.pid).children()
            if victims != "worker" and not children:
                continue
            chosen = [rng.choice(children).pid] if victims != "worker" else []
            chosen = [worker.pid, *chosen] if victims != "child" else chosen
            rng.shuffle(chosen)
            for pid in chosen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed[kinds.pop()] += 1
            if victims != "child":
                worker.wait()
                worker = _worker(workspace)
        while any(job.active for job in queue.jobs()):
            assert worker.poll() is None
            time.sleep(0.2)
        _submit(workspace, specs)  # an input that was removed after it had been used
        while any(job.active for job in queue.jobs()):
            time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait()
    return killed


def _submit(workspace: Workspace, specs: Sequence[Spec]) -> None:
    for wanted in specs:
        for spec in closure(wanted):
            workspace.queue.submit(spec)


def _worker(workspace: Workspace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.cli", "worker", "-w", str(workspace.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    pid = None
    while pid != process.pid:  # its sign of life, not that of the one before
        assert process.poll() is None
        time.sleep(0.05)
        with suppress(OSError, ValueError):
            pid = int((workspace.queue.root / "worker.json").read_text().split('"pid":')[1].split(",")[0])
    return process


def main() -> None:
    """Run a campaign from the command line and print the outcome."""
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sounds = write_tones(folder / "sounds", n_clips=160, seconds=1.0)
    calm = workspace_of(folder / "calm", sounds)
    encoders = (*ENCODERS, "aisfx")
    for spec in asked(calm, encoders):
        assert run(calm, spec).state == "done"
    hunted, began = workspace_of(folder / "hunted", sounds), time.monotonic()
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 3.0
    killed = campaign(hunted, asked(hunted, encoders), kills, seed, pause)
    print(f"killed {dict(killed)} in {time.monotonic() - began:.0f} s")
    print("states", dict(Counter(job.state for job in hunted.queue.jobs())))
    for job in hunted.queue.jobs():
        if job.state != "done":
            print(job.title, job.error)
    one, other = (contents(w, asked(w, encoders)) for w in (calm, hunted))
    differing = sorted(name for name in one if one[name] != other.get(name))
    print(f"{len(one)} files, {len(differing)} differ", differing)
    print("damaged", hunted.cache.verify())


if __name__ == "__main__":
    main()
