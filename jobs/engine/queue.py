"""The durable queue: one folder per job, readable by every process, without a server.

``jobs/<key>/`` in the workspace holds ``spec.json`` (the request), ``state.json``, ``progress.json``,
``log.txt``, ``heartbeat`` (touched while the job runs), ``cancel`` (a request to stop) and ``checkpoint/``
(from which a killed job resumes). A job's key is its spec's key, so that submitting a spec twice gives one
job. ``jobs/active/`` holds an empty file for each pending job: a worker reads only those jobs, and as long as
the time stamps of ``jobs/`` and ``jobs/active/`` stay the same, no job was submitted, ended or removed. Times
are seconds since 1970. `jobs.engine.job_files` describes the contents of the files.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from cache import ArtifactStore
from cache.errors import enough_space
from jobs.engine import job_files
from jobs.engine.job_files import ACTIVE, AWAITED, BATCH, KEY, Job, State
from jobs.engine.job_files import ASKED as ASKED
from jobs.engine.processes import lives, this_process
from jobs.files import read_json, write_json
from jobs.specs import Spec, SpecError, closure, from_json, missing

#: Seconds without a heartbeat after which a running job counts as dead, if its process cannot be checked.
HEART_STOPPED = 30.0
#: Consecutive times that the process of a job may die through its own fault without progress.
MAX_ATTEMPTS = 3
#: Seconds without a heartbeat after which a worker counts as dead; it writes one every second.
WORKER_GONE = 5.0

#: A folder changed this recently (in ns) may change again within the resolution of its time stamp.
_RECENT = 2_000_000_000
#: Bytes reserved while a job runs, so that its failure can be recorded even on a full disk.
_RESERVE = 8192
#: The time stamps of two folders; the jobs that had ended by then, with those of their folders; other keys.
_Seen = tuple[tuple[int, int] | None, dict[str, tuple[int, Job]], list[str]]
#: Titles of a job for other datasets with the same sounds that its title lists.
_MOST_ALSO = 3


class Queue:
    """The jobs of one workspace.

    Parameters
    ----------
    root : Path
        The folder with one folder per job; created by the first job.
    cache : ArtifactStore
        The results; existing ones are never computed again.

    Attributes
    ----------
    priority : int
        Of jobs submitted through this object: `jobs.engine.job_files.BATCH`, or `ASKED` for pages. Specs for
        which a user waits (`Spec.AWAITED`) come before both.
    """

    def __init__(self, root: Path, cache: ArtifactStore) -> None:
        self.root = root
        self.cache = cache
        self.priority = BATCH
        self._active = root / "active"
        self._seen: _Seen = (None, {}, [])
        self._listed: tuple[object, list[Job | str | None], list[Job]] = (None, [], [])
        self._read: dict[str, tuple[int, dict[str, Any]]] = {}

    # -- submitting ---------------------------------------------------------------------------------

    def submit(self, spec: Spec) -> Job:
        """Submit a spec, after those of its inputs that are missing, and return its job.

        Nothing is queued if the result exists. A job that failed or was cancelled is queued again, and so are
        the jobs that failed because its result was missing.
        """
        priority = AWAITED if spec.AWAITED else self.priority
        for s in missing(spec, self.cache.contains):
            self._enqueue(s, priority)
        job = self.get(spec.key)
        if job is not None and not job.active and job.state != "done":
            # It failed or was cancelled, and the result was stored in another way.
            with self._lock():
                self._write_state(spec.key, {"state": "done", "error": None})
                self._requeue_lacking(spec.key)
            job = self.get(spec.key)
        if job is not None:
            return job
        now = time.time()
        return Job(spec.key, spec.to_json(), spec.title, "done", created=now, ended=now)

    def _enqueue(self, spec: Spec, priority: int) -> None:
        with self._lock():
            job = self.get(spec.key)
            if job is not None and job.active:
                self._also(job, spec)
                if job.priority < priority:
                    self._write_state(spec.key, {"priority": priority})
                return
            folder = self.folder(spec.key)
            write_json(folder / "spec.json", job_files.request_of(spec), durable=True)
            for name in ("progress.json", "heartbeat", "cancel"):
                (folder / name).unlink(missing_ok=True)
            fresh = {"state": "queued", "created": time.time(), "attempts": 0, "priority": priority}
            self._write_state(spec.key, fresh)
            if job is not None:
                self._requeue_lacking(spec.key)

    def _requeue_lacking(self, key: str) -> None:
        """Queue again the jobs that failed because the result of this one was missing."""
        for job in self.jobs():
            if job.state == "failed" and job.lacked == key:
                again = {"state": "queued", "error": None, "ended": None, "lacked": None, "attempts": 0}
                self._write_state(job.key, again)
                self._requeue_lacking(job.key)

    def _also(self, job: Job, spec: Spec) -> None:
        """Add the title of a spec to its pending job, submitted for another dataset with the same sounds."""
        path = self.folder(job.key) / "spec.json"
        request = read_json(path)
        if request is None:
            return
        first, *others = request["title"].split(" (also: ")
        known = [first, *(title.removesuffix(")") for title in others)]
        if spec.title not in known and len(known) <= _MOST_ALSO:
            write_json(path, request | {"title": f"{request['title']} (also: {spec.title})"}, durable=True)

    def retry(self, key: str) -> Job:
        """Queue a job again, after those of its inputs that are missing.

        Raises
        ------
        SpecError
            If the job does not exist, or this version can no longer compute it.
        """
        return self.submit(self.spec(key))

    def retry_inputs(self, key: str) -> None:
        """Submit again the inputs of a queued job that are neither cached nor pending."""
        job = self.get(key)
        for needed in self.spec(key).inputs():
            for s in missing(needed, self.cache.contains):
                self._enqueue(s, job.priority if job is not None else self.priority)

    def cancel(self, key: str) -> None:
        """Cancel a queued job at once, request a running one to stop, and leave one that has ended alone."""
        with self._lock():
            job = self.get(key)
            if job is None or not job.active:
                return
            if job.state == "queued" or not self.is_beating(job):
                self._end(key, "cancelled")
            else:
                (self.folder(key) / "cancel").touch()

    # -- reading ------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All jobs, newest first, except those with damaged files: see `listing`."""
        return self.listing()[0]

    def listing(self) -> tuple[list[Job], list[str]]:
        """All jobs, newest first, and a sentence for each job that is damaged or may not be read."""
        _, ended, others = self._look()
        read = [self.get(key) or job_files.damage_of(self.folder(key), self.root) for key in others]
        if self._listed[0] is not ended or self._listed[1] != read:
            jobs = [job for _, job in ended.values()] + [job for job in read if isinstance(job, Job)]
            # Jobs on other sounds, labels or weights can have the same title; their keys distinguish them.
            times = Counter(job.title for job in jobs)
            jobs = [
                replace(job, title=f"{job.title} · {job.key[:6]}") if times[job.title] > 1 else job
                for job in jobs
            ]
            self._listed = ended, read, sorted(jobs, key=lambda j: (j.created, j.key), reverse=True)
        return list(self._listed[2]), [sentence for sentence in read if isinstance(sentence, str)]

    def _look(self) -> _Seen:
        """Separate the jobs that have ended, which are read again only if they changed, from all others."""
        now, stamp = time.time_ns(), (_changed(self.root), _changed(self._active))
        if stamp == self._seen[0]:
            return self._seen
        # Strings, because creating a Path for each would take longer than the stat.
        root, known = str(self.root), self._seen[1]
        ended: dict[str, tuple[int, Job]] = {}
        others: list[str] = []
        for key in _keys(self.root):
            at = _changed(f"{root}/{key}")
            if key in known and known[key][0] == at < now - _RECENT:
                ended[key] = known[key]
            elif (job := self.get(key)) is not None and not job.active:
                ended[key] = at, job
            else:
                others.append(key)
        self._seen = stamp if max(stamp) < now - _RECENT else None, ended, others
        return self._seen

    def active(self) -> list[Job]:
        """Pending jobs, oldest first; jobs that have ended are not read."""
        jobs = [self.get(key) for key in _keys(self._active)]
        return sorted((j for j in jobs if j is not None and j.active), key=lambda j: (j.created, j.key))

    def get(self, key: str) -> Job | None:
        """Return one job, or None if it was never submitted."""
        request, state = self._files(key)
        if request is None or state is None:
            return None
        progress, eta = None, None
        if state["state"] == "running":
            progress, eta = job_files.checked_progress(read_json(self.folder(key) / "progress.json"))
        return Job(
            key=key,
            spec=request["spec"],
            title=request["title"],
            depends_on=tuple(request["depends_on"]),
            progress=progress,
            eta_s=eta,
            **{name: state[name] for name in job_files.STATE_FIELDS if name in state},
        )

    def _files(self, key: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return the contents of spec.json and state.json, or their reconstruction if they are damaged."""
        folder = self.folder(key)
        request = self._cached(folder / "spec.json", job_files.checked_request)
        state = self._cached(folder / "state.json", job_files.checked_state)
        if request is None and folder.is_dir():
            request = job_files.presumed_request(key, self.cache)
        if state is None and request is not None:
            state = job_files.presumed_state(key, folder, self.cache)
        return request, state

    def repair(self) -> None:
        """Rewrite the damaged files of jobs whose contents can be reconstructed."""
        checks = {"spec.json": job_files.checked_request, "state.json": job_files.checked_state}
        with self._lock():
            for key in _keys(self.root):
                for (name, check), held in zip(checks.items(), self._files(key), strict=True):
                    path = self.folder(key) / name
                    if held is not None and self._cached(path, check) is None:
                        write_json(path, held, durable=True)
        self.mark()

    def mark(self) -> None:
        """Ensure that ``active/`` lists all pending jobs, whoever wrote their files."""
        for job in self.jobs():
            if job.active:
                self._mark(job.key)

    def spec(self, key: str) -> Spec:
        """Return the spec of a job; raises `SpecError` if the job does not exist."""
        request, _ = self._files(key)
        if request is None:
            raise SpecError(f"There is no job {key[:12]} in {self.root}.")
        return from_json(request["spec"])

    def find(self, prefix: str) -> Job:
        """Return the only job whose key begins with `prefix`; raises `SpecError` for none or several."""
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
        """Whether a worker serves this queue."""
        return time.time() - _changed(self.root / "worker.json") / 1e9 < WORKER_GONE

    def needed(self) -> set[str]:
        """Keys of the results that pending jobs read or write, which must not be evicted."""
        keys: set[str] = set()
        for job in self.jobs():
            if job.active:
                with suppress(ValueError):
                    keys.update(s.key for s in closure(from_json(job.spec)))
        return keys

    # -- running ------------------------------------------------------------------------------------

    def claim(self, key: str, *, process: dict[str, Any] | None = None) -> bool:
        """Claim a queued job in order to run it; return False if another process was first."""
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
            run = {"state": "running", "started": time.time(), "attempts": job.attempts + 1}
            self._write_state(key, run | {"process": process or this_process()})
            return True

    def set_process(self, key: str, process: dict[str, Any]) -> None:
        """Record which process runs a job, so that its death can be detected."""
        with self._running(key) as job:
            if job is not None:
                self._write_state(key, {"process": process})

    def finish(
        self, key: str, state: State, error: str | None = None, *, started: float | None = None
    ) -> None:
        """Record how a running job ended; the checkpoint of a job that is done is removed.

        With `started`, only if this is still the run that started then: another process may have taken over.
        """
        with self._running(key, started) as job:
            if job is None and started is not None:
                return
            self._end(key, state, error)
            if state == "done":
                shutil.rmtree(self.folder(key) / "checkpoint", ignore_errors=True)

    def recover(self, job: Job) -> bool:
        """Queue again a running job if its process is gone; return whether it was."""
        if job.state != "running" or self.is_beating(job):
            return False
        self.lost(job.key, "Its process is gone.", started=job.started, counted=False)
        return True

    def lost(self, key: str, why: str, *, started: float | None = None, counted: bool = True) -> None:
        """Queue again a job whose process died; after `MAX_ATTEMPTS` deaths without progress it fails.

        Nothing happens if the job has ended, or, with `started`, if another run has started since. A death is
        `counted` if a living supervisor observed it: the end of a worker is not the job's fault.
        """
        with self._running(key, started) as job:
            if job is None:
                return
            attempts = 0 if self._gained(job) else job.attempts if counted else max(0, job.attempts - 1)
            if counted and attempts >= MAX_ATTEMPTS and not self.cancel_wanted(key):
                self._end(key, "failed", f"Its process died {attempts} times; the last time: {why}")
            elif self._put_back(key, attempts):
                self.append_log(key, f"{why} Queued again; it resumes from its checkpoint.")

    def give_up(self, key: str, needed: Job) -> None:
        """Fail a queued job because one of its inputs failed or was cancelled."""
        why = f": {needed.error}" if needed.error else "."
        ended = "cancelled" if needed.state == "cancelled" else "tried and failed"
        with self._lock():
            job = self.get(key)
            if job is not None and job.state == "queued":
                self._end(
                    key, "failed", f"It needs «{needed.title}», which was {ended}{why}", lacked=needed.key
                )

    def requeue(self, key: str) -> None:
        """Put back a running job that was stopped on purpose, without counting the attempt."""
        with self._running(key) as job:
            if job is not None:
                self._put_back(key, job.attempts - 1)

    @contextmanager
    def _running(self, key: str, started: float | None = None) -> Iterator[Job | None]:
        """Lock the queue and yield a running job; None if it does not run, or not since `started`."""
        with self._lock():
            job = self.get(key)
            is_run = job is not None and job.state == "running" and started in (None, job.started)
            yield job if is_run else None

    def _put_back(self, key: str, attempts: int) -> bool:
        """Queue a job again, or cancel it if that was requested; return whether it is queued."""
        if self.cancel_wanted(key):
            self._end(key, "cancelled")
            return False
        self._write_state(key, {"state": "queued", "process": None, "attempts": attempts})
        return True

    def _end(self, key: str, state: State, error: str | None = None, **more: Any) -> None:
        end = {"state": state, "ended": time.time(), "error": error, "process": None}
        self._write_state(key, end | more)

    def _gained(self, job: Job) -> bool:
        """Whether the lost run saved some work: a time limit is not the job's fault."""
        checkpoint = self.folder(job.key) / "checkpoint"
        files = (p for p in checkpoint.rglob("*") if p.is_file())
        with suppress(OSError):
            return any(p.stat().st_mtime > (job.started or 0) for p in files)
        return False

    def cancel_wanted(self, key: str) -> bool:
        """Whether the running job was requested to stop."""
        return (self.folder(key) / "cancel").exists()

    def is_beating(self, job: Job) -> bool:
        """Whether the process of a running job is alive, as far as this machine can check."""
        p = job.process or {}
        if p.get("host") == socket.gethostname() and p.get("pid"):
            return lives(p["pid"], p.get("born"))
        return time.time() - self.heartbeat(job.key) / 1e9 < HEART_STOPPED

    def heartbeat(self, key: str) -> int:
        """Return the time of a running job's last heartbeat, in ns; 0 without one."""
        return _changed(self.folder(key) / "heartbeat")

    def append_log(self, key: str, message: str) -> None:
        """Add a time-stamped line to a job's log, unless the disk is full."""
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {message.rstrip()}\n"
        with suppress(OSError), (self.folder(key) / "log.txt").open("a", encoding="utf-8") as f:
            f.write(line)

    def clear(self) -> int:
        """Remove the folders of jobs that have ended or are damaged beyond repair; return how many."""
        removed = 0
        with self._lock():
            for key in _keys(self.root):
                job = self.get(key)
                if job is None or not job.active:
                    shutil.rmtree(self.folder(key), ignore_errors=True)
                    (self._active / key).unlink(missing_ok=True)
                    removed += not self.folder(key).exists()
        return removed

    def folder(self, key: str) -> Path:
        """Return the job's folder.

        Raises
        ------
        SpecError
            If `key` is not 64 hexadecimal digits: no key can name a path outside the queue.
        """
        if not KEY.fullmatch(key):
            raise SpecError(f"{key[:80]!r} is not a key; a key has 64 hexadecimal digits.")
        return self.root / key

    # -- files --------------------------------------------------------------------------------------

    def _lock(self) -> FileLock:
        with enough_space(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock", timeout=30)

    def _write_state(self, key: str, changes: dict[str, Any]) -> None:
        before = {} if "created" in changes else self._files(key)[1] or {"created": time.time()}
        after = before | changes
        folder = self.folder(key)
        if after["state"] != "running":
            (folder / "reserve").unlink(missing_ok=True)
        self._mark(key)  # before the change, so that none is missed if this process dies between them
        write_json(folder / "state.json", after, durable=True)
        if after["state"] not in ACTIVE:
            (self._active / key).unlink(missing_ok=True)
            (folder / "cancel").unlink(missing_ok=True)

    def _mark(self, key: str) -> None:
        self._active.mkdir(parents=True, exist_ok=True)
        (self._active / key).touch()

    def _cached(self, path: Path, check: Callable[[Any], dict[str, Any] | None]) -> dict[str, Any] | None:
        # Pending jobs are read repeatedly, and a stat is cheaper than parsing.
        try:
            info = path.stat()
        except OSError:
            return None
        stamp = hash((info.st_mtime_ns, info.st_ino, info.st_size))
        known = self._read.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        data = check(read_json(path))
        if data is not None:
            self._read[str(path)] = (stamp, data)
        return data


def _keys(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if KEY.fullmatch(name))
    except FileNotFoundError:
        return []


def _changed(folder: Path | str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0
