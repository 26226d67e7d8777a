"""The supervisor of child processes: gives a job to a warm child, watches it, and ends it on request.

`supervise` is the Dask task. It runs in a thread of a Dask worker, on any machine that sees the workspace's
folder. It writes the outcome to the queue itself, so that it is recorded even if the dispatcher is gone.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.engine.processes import memory_kills, process_identity
from jobs.engine.queue import HEART_STOPPED, Job, Queue
from jobs.workspace.workspace import Workspace

#: Seconds between two checks of a running job; cancelling takes a few of these.
WATCH_EVERY = 0.1


@dataclass
class Child:
    """A child process and its answers."""

    process: subprocess.Popen[str]
    answers: list[dict[str, Any]] = field(default_factory=list)
    _swept: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def run(self, key: str | None) -> None:
        """Run a job in the child, or, with None, have it prepare for queued jobs."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"run": key}) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.kill()

    def alive(self) -> bool:
        """Whether the process runs; once it has ended, the processes it started are ended as well."""
        if self.process.poll() is None:
            return True
        self._sweep()
        return False

    def kill(self) -> None:
        """End the child's whole process group and wait for it."""
        if self.alive():
            self._sweep()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)

    def _sweep(self) -> None:
        """Kill the process group, once: later its number may belong to others."""
        if not self._swept:
            self._swept = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Pool:
    """The children of this process; idle ones stay warm, by workspace and device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[Child]] = {}
        self._children: list[Child] = []

    def take(self, root: str, device: str) -> Child:
        """Return a living idle child, or start one."""
        with self._lock:
            self._children = [child for child in self._children if child.alive()]
            idle = self._idle.setdefault((root, device), [])
            while idle:
                child = idle.pop()
                if child.alive():
                    return child
        child = _start(root, device)
        with self._lock:
            self._children.append(child)
        return child

    def give_back(self, root: str, device: str, child: Child) -> None:
        """Keep a child that has ended its job for the next job."""
        with self._lock:
            self._idle.setdefault((root, device), []).append(child)

    def spare(self, root: str, device: str) -> None:
        """Start a child in advance of the first job, or to replace one that was killed."""
        with self._lock:
            if self._idle.get((root, device)):
                return
        self.give_back(root, device, self.take(root, device))

    def prepare(self) -> None:
        """Have the idle children prepare for queued jobs, which they do not check by themselves."""
        with self._lock:
            for child in itertools.chain(*self._idle.values()):
                child.run(None)

    def close(self) -> None:
        """End every child."""
        with self._lock:
            children, self._children, self._idle = self._children, [], {}
        for child in children:
            child.kill()


POOL = Pool()
atexit.register(POOL.close)


def supervise(root: str, key: str, *, device: str = "") -> str:
    """Run a claimed job in a child process and record how it ended.

    Parameters
    ----------
    root : str
        The workspace.
    key : str
        The job; its state is "running" already.
    device : str
        ``CUDA_VISIBLE_DEVICES`` of the child; "" leaves it unchanged.

    Returns
    -------
    str
        "done", "failed", "cancelled", "lost" (the process died; the job is queued again), "taken" (the job no
        longer runs here) or "unseen" (this machine does not see the workspace).
    """
    workspace = Workspace(Path(root))
    queue = workspace.queue
    job = queue.get(key)
    if job is None:
        return "unseen"
    if job.state != "running":
        return "taken"
    child = POOL.take(root, device)
    POOL.prepare()
    try:
        state = _watch(child, queue, job)
    except BaseException:
        child.kill()  # nothing would record how its job ends
        raise
    if state == "cancelled":
        POOL.spare(root, device)
    elif state != "lost":
        POOL.give_back(root, device, child)
    return state


def _watch(child: Child, queue: Queue, job: Job) -> str:
    """Run the job in the child and record how it ends."""
    key, started = job.key, job.started
    _patiently(queue.set_process, key, process_identity(child.pid))
    child.answers.clear()
    child.run(key)
    kills = memory_kills()
    # Silence is measured by the monotonic clock, which stops while the machine sleeps.
    beat, last_beat = queue.heartbeat(key), time.monotonic()
    while True:
        answer = next((a for a in child.answers if a.get("ended") == key), None)
        if answer is not None:
            _patiently(queue.finish, key, answer["state"], answer["error"], started=started)
            return str(answer["state"])
        if queue.cancel_wanted(key):
            child.kill()
            queue.append_log(key, "Cancelled.")
            _patiently(queue.finish, key, "cancelled", started=started)
            return "cancelled"
        if not child.alive():
            code = child.process.returncode
            enough = kills is not None and kills == memory_kills()
            why = f"Its process ended unexpectedly ({_how(code, enough)})."
            _patiently(queue.lost, key, why, started=started, counted=not _ended_by_others(code, enough))
            return "lost"
        latest = queue.heartbeat(key)
        if latest != beat:
            beat, last_beat = latest, time.monotonic()
        elif time.monotonic() - last_beat > HEART_STOPPED:
            child.kill()
            why = f"Its process did not respond for {HEART_STOPPED:.0f} s."
            _patiently(queue.lost, key, why, started=started)
            return "lost"
        time.sleep(WATCH_EVERY)


def _patiently(write: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Write to the queue, repeatedly while the disk is full: a job whose end is not recorded is stuck."""
    while True:
        try:
            return write(*arguments, **options)
        except OSError:
            time.sleep(1.0)


def _start(root: str, device: str) -> Child:
    environment = os.environ | {
        # Waiting threads must not spin: several children share the cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        # From the start, whatever is loaded or restored later: see `execution.one_blas_thread`.
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if device:
        environment["CUDA_VISIBLE_DEVICES"] = device
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.engine.child", root],
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


def _ended_by_others(returncode: int | None, enough_memory: bool) -> bool:
    """Whether a user, or a system shutting down, ended the process: not the job's fault."""
    number = -(returncode or 0)
    return (
        enough_memory
        if number == signal.SIGKILL
        else number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    )


def _how(returncode: int | None, enough_memory: bool) -> str:
    if returncode is None or returncode >= 0:
        return f"exit status {returncode}"
    name = signal.Signals(-returncode).name
    is_short = name == "SIGKILL" and not enough_memory
    return f"{name}; the system may have run out of memory" if is_short else name
