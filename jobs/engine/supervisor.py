"""Between the engine and the child processes: give a job to a warm child, watch it, end it when asked.

`supervise` is the Dask task. It runs in a thread of a Dask worker, on whichever machine that is; what it
needs is the workspace's folder. The outcome goes into the queue here, so that it is kept even if the
dispatcher that asked for the job is gone.
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

#: How often (seconds) a running job is looked at; cancelling answers within a few of these.
WATCH_EVERY = 0.1


@dataclass
class Child:
    """A child process and what it has said."""

    process: subprocess.Popen[str]
    answers: list[dict[str, Any]] = field(default_factory=list)
    _swept: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def run(self, key: str | None) -> None:
        """Have the child run a job, or, with None, see whether jobs wait that it can prepare for."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"run": key}) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.kill()

    def alive(self) -> bool:
        """True while the process runs; once it does not, nothing that it had started does either."""
        if self.process.poll() is None:
            return True
        if not self._swept:
            self._swept = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        return False

    def kill(self) -> None:
        """End the child's whole process group and wait until it is gone."""
        if not self.alive():
            return
        self._swept = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)


class Pool:
    """The children of this process; idle ones are kept warm, by workspace and device."""

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
        """Keep a child that has ended its job for the next one."""
        with self._lock:
            self._idle.setdefault((root, device), []).append(child)

    def spare(self, root: str, device: str) -> None:
        """Start a child ahead of the first job, or in place of one that was ended."""
        with self._lock:
            if self._idle.get((root, device)):
                return
        self.give_back(root, device, self.take(root, device))

    def prepare(self) -> None:
        """Have the idle children see whether jobs wait; they do not look by themselves."""
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
        ``CUDA_VISIBLE_DEVICES`` of the child; "" leaves it as it is.

    Returns
    -------
    str
        "done", "failed", "cancelled", "lost" (the process died; the job waits again), "taken" (the job is
        no longer this one's to run) or "unseen" (this machine does not see the workspace).
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
        child.kill()  # nobody would see how its job ends
        raise
    if state == "cancelled":
        POOL.spare(root, device)
    elif state != "lost":
        POOL.give_back(root, device, child)
    return state


def _watch(child: Child, queue: Queue, job: Job) -> str:
    """Have the child run the job, and record how that ends."""
    key, started = job.key, job.started
    _patiently(queue.set_process, key, process_identity(child.pid))
    child.answers.clear()
    child.run(key)
    kills = memory_kills()
    # Silence is measured by this machine's own clock, which stands still while the machine sleeps.
    beat, heard = queue.heartbeat(key), time.monotonic()
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
            why = f"Its process ended without a word ({_how(code, enough)})."
            _patiently(queue.lost, key, why, started=started, counted=not _ended_by_others(code, enough))
            return "lost"
        latest = queue.heartbeat(key)
        if latest != beat:
            beat, heard = latest, time.monotonic()
        elif time.monotonic() - heard > HEART_STOPPED:
            child.kill()
            why = f"Its process showed no sign of life for {HEART_STOPPED:.0f} s."
            _patiently(queue.lost, key, why, started=started)
            return "lost"
        time.sleep(WATCH_EVERY)


def _patiently(write: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Write to the queue, again and again while the disk is full: a job whose end is not kept is stuck."""
    while True:
        try:
            return write(*arguments, **options)
        except OSError:
            time.sleep(1.0)


def _start(root: str, device: str) -> Child:
    environment = os.environ | {
        # Threads that wait must not spin: several children share the cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        # From the start, whatever is loaded later and whoever restores it: see `execution.one_blas_thread`.
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
    """True if somebody, or a system that shuts down, ended the process: no fault of its job."""
    if returncode is None or returncode >= 0:
        return False
    if -returncode == signal.SIGKILL:
        return enough_memory
    return -returncode in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def _how(returncode: int | None, enough_memory: bool) -> str:
    if returncode is not None and returncode < 0:
        name = signal.Signals(-returncode).name
        short = name == "SIGKILL" and not enough_memory
        hint = "; the system may have run out of memory" if short else ""
        return f"{name}{hint}"
    return f"exit status {returncode}"
