"""The durable queue: a folder a job, read by anyone, with no server behind it.

``jobs/<key>/`` in the workspace holds ``spec.json`` (what is asked for), ``state.json`` (where it stands),
``progress.json``, ``log.txt``, ``heartbeat`` (touched while the job runs), ``cancel`` (a wish) and
``checkpoint/`` (what a killed job goes on from). A job's key is its spec's key, so asking twice gives
one job. States: queued, running, done, failed, cancelled. Times are seconds since 1970.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from cache import ArtifactStore
from jobs.files import read_json, write_json
from jobs.specs import Spec, SpecError, closure, from_json, missing

State = Literal["queued", "running", "done", "failed", "cancelled"]

#: Seconds without a heartbeat after which a running job counts as dead, where its process cannot be asked.
HEART_STOPPED = 30.0
#: Times in a row that a job may lose its process (killed, out of memory) with nothing gained.
MAX_ATTEMPTS = 3
#: A worker writes a sign of life every second; older than this, there is none.
WORKER_GONE = 5.0


_KEY = re.compile("[0-9a-f]{64}")
#: Bytes kept back while a job runs, so that on a full disk it can still be written that it failed.
_RESERVE = 8192
_ENDED = {"failed": "tried and failed", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Job:
    """One job as it stood when it was read."""

    key: str
    spec: dict[str, Any]
    title: str
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    progress: tuple[float, float, str] | None = None
    eta_s: float | None = None
    error: str | None = None
    depends_on: tuple[str, ...] = ()
    attempts: int = 0
    process: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def active(self) -> bool:
        """True while the job waits or runs."""
        return self.state in ("queued", "running")


class Queue:
    """The jobs of one workspace.

    Parameters
    ----------
    root : Path
        The folder that holds a folder a job; made when first written to.
    cache : ArtifactStore
        Where results are; what is there is never computed again.
    """

    def __init__(self, root: Path, cache: ArtifactStore) -> None:
        self.root = root
        self.cache = cache
        self._read: dict[str, tuple[int, dict[str, Any]]] = {}

    # -- asking -------------------------------------------------------------------------------------

    def submit(self, spec: Spec) -> Job:
        """Ask for a result, its missing inputs first.

        Costs nothing where the result exists. A job that failed or was cancelled is queued again.
        """
        for s in missing(spec, self.cache.contains):
            self._enqueue(s)
        job = self.get(spec.key)
        if job is not None and not job.active and job.state != "done":
            # It failed or was cancelled, and the result came into being otherwise.
            with self._lock():
                self._write_state(spec.key, {"state": "done", "error": None})
            job = self.get(spec.key)
        if job is not None:
            return job
        now = time.time()
        return Job(spec.key, spec.to_json(), spec.title, "done", created=now, ended=now)

    def _enqueue(self, spec: Spec) -> None:
        with self._lock():
            job = self.get(spec.key)
            if job is not None and job.active:
                self._also(job, spec)
                return
            folder = self.folder(spec.key)
            write_json(
                folder / "spec.json",
                {
                    "spec": spec.to_json(),
                    "title": spec.title,
                    "depends_on": [s.key for s in spec.inputs()],
                },
                durable=True,
            )
            for name in ("progress.json", "heartbeat", "cancel"):
                (folder / name).unlink(missing_ok=True)
            self._write_state(spec.key, {"state": "queued", "created": time.time(), "attempts": 0})

    def _also(self, job: Job, spec: Spec) -> None:
        """Name an active job by what it is asked for now, too: another dataset has the same sounds."""
        path = self.folder(job.key) / "spec.json"
        asked = read_json(path)
        if asked is not None and spec.title not in asked["title"]:
            write_json(path, asked | {"title": f"{asked['title']} (also: {spec.title})"}, durable=True)

    def retry(self, key: str) -> Job:
        """Queue a job again, with those of its inputs that are missing.

        Raises
        ------
        SpecError
            If there is no such job, or this program can no longer compute it.
        """
        return self.submit(self.spec(key))

    def retry_inputs(self, key: str) -> None:
        """Ask again for the inputs of a waiting job that are neither there nor under way."""
        for needed in self.spec(key).inputs():
            for s in missing(needed, self.cache.contains):
                self._enqueue(s)

    def cancel(self, key: str) -> None:
        """Ask that a job stop; one that only waits is cancelled at once, one that has ended is left alone."""
        with self._lock():
            job = self.get(key)
            if job is None or not job.active:
                return
            if job.state == "queued" or not self.is_beating(job):
                self._write_state(key, {"state": "cancelled", "ended": time.time()})
            else:
                (self.folder(key) / "cancel").touch()

    # -- looking ------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        try:
            names = [e.name for e in os.scandir(self.root) if _KEY.fullmatch(e.name)]
        except FileNotFoundError:
            return []
        found = [job for job in map(self.get, names) if job is not None]
        # Jobs on other sounds, labels or weights can have one title; their keys tell them apart.
        times = Counter(job.title for job in found)
        found = [
            replace(job, title=f"{job.title} · {job.key[:6]}") if times[job.title] > 1 else job
            for job in found
        ]
        return sorted(found, key=lambda j: (j.created, j.key), reverse=True)

    def get(self, key: str) -> Job | None:
        """Return one job, or None where it was never asked for."""
        folder = self.folder(key)
        state = self._cached_json(folder / "state.json")
        asked = self._cached_json(folder / "spec.json")
        if state is None or asked is None:
            return None
        progress, eta = None, None
        if state["state"] == "running":
            progress, eta = _progress(read_json(folder / "progress.json"))
        return Job(
            key=key,
            spec=asked["spec"],
            title=asked["title"],
            state=state["state"],
            created=state["created"],
            started=state.get("started"),
            ended=state.get("ended"),
            progress=progress,
            eta_s=eta,
            error=state.get("error"),
            depends_on=tuple(asked["depends_on"]),
            attempts=state.get("attempts", 0),
            process=state.get("process"),
        )

    def spec(self, key: str) -> Spec:
        """Return the spec of a job; raises `SpecError` where there is none."""
        asked = read_json(self.folder(key) / "spec.json")
        if asked is None:
            raise SpecError(f"There is no job {key[:12]} in {self.root}.")
        return from_json(asked["spec"])

    def find(self, prefix: str) -> Job:
        """Return the one job whose key begins with `prefix`; raises `SpecError` with what to do instead."""
        matches = [j for j in self.jobs() if prefix and j.key.startswith(prefix)]
        if len(matches) == 1:
            return matches[0]
        count = "No job's key begins" if not matches else f"{len(matches)} jobs' keys begin"
        raise SpecError(f"{count} with {prefix!r}; `hearspace jobs` lists them.")

    def log(self, key: str, tail: int = 200) -> str:
        """Return the last `tail` lines of a job's log."""
        try:
            with (self.folder(key) / "log.txt").open("rb") as f:
                f.seek(max(0, f.seek(0, os.SEEK_END) - 400 * tail))
                lines = f.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-tail:])

    def worker_alive(self) -> bool:
        """True while a worker watches this queue."""
        try:
            return time.time() - (self.root / "worker.json").stat().st_mtime < WORKER_GONE
        except OSError:
            return False

    def needed(self) -> set[str]:
        """Keys of the results that waiting and running jobs read or write; never to be evicted."""
        keys: set[str] = set()
        for job in self.jobs():
            if job.active:
                with suppress(SpecError):
                    keys.update(s.key for s in closure(from_json(job.spec)))
        return keys

    # -- for those who run jobs ---------------------------------------------------------------------

    def claim(self, key: str, *, process: dict[str, Any] | None = None) -> bool:
        """Take a waiting job to run it; False if somebody else was first."""
        with self._lock():
            job = self.get(key)
            if job is None or job.state != "queued":
                return False
            folder = self.folder(key)
            (folder / "progress.json").unlink(missing_ok=True)
            (folder / "cancel").unlink(missing_ok=True)
            (folder / "heartbeat").touch()
            with suppress(OSError):
                (folder / "reserve").write_bytes(b"\0" * _RESERVE)
            self._write_state(
                key,
                {
                    "state": "running",
                    "started": time.time(),
                    "attempts": job.attempts + 1,
                    "process": process or this_process(),
                },
            )
            return True

    def set_process(self, key: str, process: dict[str, Any]) -> None:
        """Note which process runs a job, so that its death can be seen."""
        with self._lock():
            job = self.get(key)
            if job is not None and job.state == "running":
                self._write_state(key, {"process": process})

    def finish(
        self, key: str, state: State, error: str | None = None, *, started: float | None = None
    ) -> None:
        """Record how a running job ended; the checkpoint of a job that is done goes.

        With `started`, only if it is still the run that began then: another may have taken the job over.
        """
        with self._lock():
            job = self.get(key)
            if started is not None and (job is None or job.state != "running" or job.started != started):
                return
            (self.folder(key) / "reserve").unlink(missing_ok=True)
            self._write_state(key, {"state": state, "ended": time.time(), "error": error, "process": None})
            (self.folder(key) / "cancel").unlink(missing_ok=True)
            if state == "done":
                shutil.rmtree(self.folder(key) / "checkpoint", ignore_errors=True)

    def lost(self, key: str, why: str, *, started: float | None = None) -> None:
        """Queue again a job whose process died; the third time in a row that nothing was gained it fails.

        Nothing happens where the job has ended, or, with `started`, where another run has begun since.
        """
        with self._lock():
            job = self.get(key)
            if job is None or job.state != "running" or (started is not None and job.started != started):
                return
            attempts = job.attempts - (1 if self._gained(job) else 0)
            if self.cancel_wanted(key):
                self._put_back(key, attempts)
            elif attempts >= MAX_ATTEMPTS:
                error = f"Its process died {attempts} times; the last time: {why}"
                (self.folder(key) / "reserve").unlink(missing_ok=True)
                self._write_state(
                    key, {"state": "failed", "ended": time.time(), "error": error, "process": None}
                )
            else:
                self._put_back(key, attempts)
                self.append_log(key, f"{why} Queued again; it goes on from its checkpoint.")

    def give_up(self, key: str, needed: Job) -> None:
        """Fail a waiting job because one of its inputs failed or was cancelled."""
        why = f": {needed.error}" if needed.error else "."
        error = f"It needs «{needed.title}», which was {_ENDED[needed.state]}{why}"
        with self._lock():
            job = self.get(key)
            if job is not None and job.state == "queued":
                self._write_state(key, {"state": "failed", "ended": time.time(), "error": error})

    def requeue(self, key: str, *, uncounted: bool = False) -> None:
        """Put a running job back, `uncounted` where it was stopped on purpose; one to be cancelled is."""
        with self._lock():
            job = self.get(key)
            if job is not None and job.state == "running":
                self._put_back(key, job.attempts - (1 if uncounted else 0))

    def _put_back(self, key: str, attempts: int) -> None:
        (self.folder(key) / "reserve").unlink(missing_ok=True)
        if self.cancel_wanted(key):
            self._write_state(key, {"state": "cancelled", "ended": time.time(), "process": None})
            (self.folder(key) / "cancel").unlink(missing_ok=True)
        else:
            self._write_state(key, {"state": "queued", "process": None, "attempts": attempts})

    def _gained(self, job: Job) -> bool:
        """True if the lost run had kept some work: a time limit is no fault of the job."""
        checkpoint = self.folder(job.key) / "checkpoint"
        files = (p for p in checkpoint.rglob("*") if p.is_file())
        with suppress(OSError):
            return any(p.stat().st_mtime > (job.started or 0) for p in files)
        return False

    def cancel_wanted(self, key: str) -> bool:
        """True if somebody asked that the running job stop."""
        return (self.folder(key) / "cancel").exists()

    def is_beating(self, job: Job) -> bool:
        """True while a running job's process lives, as far as can be told from here."""
        p = job.process or {}
        if p.get("host") == socket.gethostname() and p.get("pid"):
            return _lives(p["pid"], p.get("born"))
        return self.heartbeat_age(job.key) < HEART_STOPPED

    def heartbeat(self, key: str) -> int:
        """Return a number that changes with every sign of life of a running job."""
        try:
            return (self.folder(key) / "heartbeat").stat().st_mtime_ns
        except OSError:
            return 0

    def heartbeat_age(self, key: str) -> float:
        """Seconds since the job last showed a sign of life."""
        try:
            return time.time() - (self.folder(key) / "heartbeat").stat().st_mtime
        except OSError:
            return float("inf")

    def append_log(self, key: str, message: str) -> None:
        """Add a time-stamped line to a job's log; a full disk must not stop the job for that."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {message.rstrip()}\n"
        with suppress(OSError), (self.folder(key) / "log.txt").open("a", encoding="utf-8") as f:
            f.write(line)

    def forget(self, key: str) -> None:
        """Remove the folder of a job that is not active."""
        with self._lock():
            job = self.get(key)
            if job is not None and not job.active:
                shutil.rmtree(self.folder(key), ignore_errors=True)

    def folder(self, key: str) -> Path:
        """Return the job's folder.

        Raises
        ------
        SpecError
            If `key` is not 64 hexadecimal digits, so that no key can name a path elsewhere.
        """
        if not _KEY.fullmatch(key):
            raise SpecError(f"{key[:80]!r} is not a key; a key has 64 hexadecimal digits.")
        return self.root / key

    # -- inside -------------------------------------------------------------------------------------

    def _lock(self) -> FileLock:
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock", timeout=30)

    def _write_state(self, key: str, changes: dict[str, Any]) -> None:
        path = self.folder(key) / "state.json"
        new = changes if "created" in changes else (read_json(path) or {}) | changes
        write_json(path, new, durable=True)

    def _cached_json(self, path: Path) -> dict[str, Any] | None:
        # Ended jobs are read again and again by pages that refresh; a stat is cheaper than a parse.
        try:
            info = path.stat()
        except OSError:
            return None
        stamp = hash((info.st_mtime_ns, info.st_ino, info.st_size))
        known = self._read.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        data: dict[str, Any] | None = read_json(path)
        if data is not None:
            self._read[str(path)] = (stamp, data)
        return data


def this_process() -> dict[str, Any]:
    """Return what identifies this process: host, number and time of birth (numbers are used again)."""
    return process_identity(os.getpid())


def process_identity(pid: int) -> dict[str, Any]:
    """Return what identifies a process on this host."""
    import psutil

    try:
        born = psutil.Process(pid).create_time()
    except psutil.Error:
        born = None
    return {"host": socket.gethostname(), "pid": pid, "born": born}


def _lives(pid: int, born: float | None) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return born is None or abs(process.create_time() - born) < 1.0
    except psutil.Error:
        return False


def _progress(data: dict[str, Any] | None) -> tuple[tuple[float, float, str] | None, float | None]:
    """Return (done, total, note) and the seconds still to go, from the pace since the job's first report."""
    if data is None:
        return None, None
    progress = (data["done"], data["total"], data["note"])
    gained, spent = data["done"] - data["first_done"], data["at"] - data["first_at"]
    if gained <= 0 or spent < 1.0:
        return progress, None
    left = spent / gained * (data["total"] - data["done"])
    return progress, max(0.0, left - (time.time() - data["at"]))
