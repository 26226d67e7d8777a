"""Between the engine and the child processes: give a job to a warm child, watch it, end it when asked.

`supervise` is the Dask task. It runs in a thread of a Dask worker, on whichever machine that is; what it
needs is the workspace's folder. The outcome goes into the queue here, so that it is kept even if the
dispatcher that asked for the job is gone.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.queue import HEART_STOPPED, process_identity
from jobs.workspace import Workspace

#: How often (seconds) a running job is looked at; cancelling answers within a few of these.
WATCH_EVERY = 0.1


@dataclass
class Child:
    """A child process and what it has said."""

    process: subprocess.Popen[str]
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the child's whole process group and wait until it is gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)


class Pool:
    """Idle children of this process, warm, by workspace and device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[Child]] = {}
        self._children: dict[int, Child] = {}

    def take(self, root: str, device: str) -> Child:
        """Return a living idle child, or start one."""
        with self._lock:
            idle = self._idle.setdefault((root, device), [])
            while idle:
                child = idle.pop()
                if child.alive():
                    return child
        child = _start(root, device)
        with self._lock:
            self._children[child.pid] = child
        return child

    def give_back(self, root: str, device: str, child: Child) -> None:
        """Keep a child that has ended its job for the next one."""
        with self._lock:
            self._idle.setdefault((root, device), []).append(child)

    def spare(self, root: str, device: str) -> None:
        """Start a child ahead of the first job, or in place of one that was ended."""
        with self._lock:
            if self._idle.get((root, device)):
                return
        self.give_back(root, device, self.take(root, device))

    def close(self) -> None:
        """End every child."""
        with self._lock:
            children, self._children, self._idle = list(self._children.values()), {}, {}
        for child in children:
            child.kill()


POOL = Pool()
atexit.register(POOL.close)


def supervise(root: str, key: str, *, device: str = "", threads: int = 0) -> str:
    """Run a claimed job in a child process and record how it ended.

    Parameters
    ----------
    root : str
        The workspace.
    key : str
        The job; its state is "running" already.
    device : str
        ``CUDA_VISIBLE_DEVICES`` of the child; "" leaves it as it is.
    threads : int
        Threads for the numeric libraries; 0 leaves them their own choice.

    Returns
    -------
    str
        "done", "failed", "cancelled" or "lost" (the process died; the job waits again).
    """
    workspace = Workspace(Path(root))
    queue = workspace.queue
    slot = f"{device}/{threads}"
    child = POOL.take(root, slot)
    queue.set_process(key, process_identity(child.pid))
    child.answers.clear()
    try:
        assert child.process.stdin is not None
        child.process.stdin.write(json.dumps({"run": key}) + "\n")
        child.process.stdin.flush()
    except OSError:
        child.kill()
    while True:
        answer = next((a for a in child.answers if a.get("ended") == key), None)
        if answer is not None:
            POOL.give_back(root, slot, child)
            queue.finish(key, answer["state"], answer["error"])
            return str(answer["state"])
        if queue.cancel_wanted(key):
            child.kill()
            queue.append_log(key, "Cancelled.")
            queue.finish(key, "cancelled")
            POOL.spare(root, slot)
            return "cancelled"
        if not child.alive():
            queue.lost(key, f"Its process ended without a word ({_how(child.process.returncode)}).")
            return "lost"
        if queue.heartbeat_age(key) > HEART_STOPPED:
            child.kill()
            queue.lost(key, f"Its process showed no sign of life for {HEART_STOPPED:.0f} s.")
            return "lost"
        time.sleep(WATCH_EVERY)


def _start(root: str, slot: str) -> Child:
    device, _, threads = slot.partition("/")
    environment = os.environ | {
        # Threads that wait must not spin: several children share the cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if device:
        environment["CUDA_VISIBLE_DEVICES"] = device
    if threads and threads != "0":
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            environment[name] = threads
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.child", root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    )
    child = Child(process)
    threading.Thread(target=_read_answers, args=(child,), daemon=True).start()
    return child


def _read_answers(child: Child) -> None:
    assert child.process.stdout is not None
    for line in child.process.stdout:
        with suppress(ValueError):
            child.answers.append(json.loads(line))


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        name = signal.Signals(-returncode).name
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return f"{name}{hint}"
    return f"exit status {returncode}"
