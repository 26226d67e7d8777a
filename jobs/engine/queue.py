"""The durable queue: a folder a job, read by anyone, with no server behind it.

``jobs/<key>/`` in the workspace holds ``spec.json`` (what is asked for), ``state.json`` (where it stands),
``progress.json``, ``log.txt``, ``heartbeat`` (touched while the job runs), ``cancel`` (a wish) and
``checkpoint/`` (what a killed job goes on from). A job's key is its spec's key, so asking twice gives
one job. ``jobs/active/`` holds an empty file for each job that waits or runs: a worker reads only those jobs,
and while the time stamps of ``jobs/`` and ``jobs/active/`` stay, no job has come, ended or gone. Times are
seconds since 1970. `jobs.engine.job_files` says what the files hold.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
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

#: Seconds without a heartbeat after which a running job counts as dead, where its process cannot be asked.
HEART_STOPPED = 30.0
#: Times in a row that the process of a job may die of itself, with nothing gained.
MAX_ATTEMPTS = 3
#: A worker writes a sign of life every second; older than this, there is none.
WORKER_GONE = 5.0

#: A folder changed this recently (in ns) may change again at what its clock calls the same time.
_RECENT = 2_000_000_000
#: Bytes kept back while a job runs, so that on a full disk it can still be written that it failed.
_RESERVE = 8192
#: The time stamps of two folders; the jobs that had ended then, with those of their folders; all other keys.
_Seen = tuple[tuple[int, int] | None, dict[str, tuple[int, Job]], list[str]]
_ENDED = {"failed": "tried and failed", "cancelled": "cancelled"}


#: Other names of a job, by other datasets of the same sounds, that its title takes up.
_MOST_ALSO = 3


class Queue:
    """The jobs of one workspace.

    Parameters
    ----------
    root : Path
        The folder that holds a folder a job; made when first written to.
    cache : ArtifactStore
        Where results are; what is there is never computed again.

    Attributes
    ----------
    priority : int
        Of what is asked for through this object: `jobs.engine.job_files.BATCH`, or `ASKED` for pages. What
        somebody waits for (`Spec.AWAITED`) comes before both.
    """

    def __init__(self, root: Path, cache: ArtifactStore) -> None:
        self.root = root
        self.cache = cache
        self.priority = BATCH
        self._active = root / "active"
        self._seen: _Seen = (None, {}, [])
        self._listed: tuple[object, list[Job | str | None], list[Job]] = (None, [], [])
        self._read: dict[str, tuple[int, dict[str, Any]]] = {}

    # -- asking -------------------------------------------------------------------------------------

    def submit(self, spec: Spec) -> Job:
        """Ask for a result, its missing inputs first.

        Costs nothing where the result exists. A job that failed or was cancelled is queued again, and so are
        those that failed for want of its result.
        """
        priority = AWAITED if spec.AWAITED else self.priority
        for s in missing(spec, self.cache.contains):
            self._enqueue(s, priority)
        job = self.get(spec.key)
        if job is not None and not job.active and job.state != "done":
            # It failed or was cancelled, and the result came into being otherwise.
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
            write_json(folder / "spec.json", job_files.asked(spec), durable=True)
            for name in ("progress.json", "heartbeat", "cancel"):
                (folder / name).unlink(missing_ok=True)
            fresh = {"state": "queued", "created": time.time(), "attempts": 0, "priority": priority}
            self._write_state(spec.key, fresh)
            if job is not None:
                self._requeue_lacking(spec.key)

    def _requeue_lacking(self, key: str) -> None:
        """Queue again the jobs that failed for want of this one's result."""
        for job in self.jobs():
            if job.state == "failed" and job.lacked == key:
                again = {"state": "queued", "error": None, "ended": None, "lacked": None, "attempts": 0}
                self._write_state(job.key, again)
                self._requeue_lacking(job.key)

    def _also(self, job: Job, spec: Spec) -> None:
        """Name an active job by what it is asked for now, too: another dataset has the same sounds."""
        path = self.folder(job.key) / "spec.json"
        asked = read_json(path)
        if asked is None:
            return
        first, *others = asked["title"].split(" (also: ")
        known = [first, *(title.removesuffix(")") for title in others)]
        if spec.title not in known and len(known) <= _MOST_ALSO:
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
        job = self.get(key)
        for needed in self.spec(key).inputs():
            for s in missing(needed, self.cache.contains):
                self._enqueue(s, job.priority if job is not None else self.priority)

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
        """All jobs, newest first; those whose files are damaged are left out, see `listing`."""
        return self.listing()[0]

    def listing(self) -> tuple[list[Job], list[str]]:
        """All jobs, newest first, and a sentence for each that is damaged or may not be read."""
        _, ended, others = self._look()
        read = [self.get(key) or job_files.damage_of(self.folder(key), self.root) for key in others]
        if self._listed[0] is not ended or self._listed[1] != read:
            jobs = [job for _, job in ended.values()] + [job for job in read if isinstance(job, Job)]
            # Jobs on other sounds, labels or weights can have one title; their keys tell them apart.
            times = Counter(job.title for job in jobs)
            jobs = [
                replace(job, title=f"{job.title} · {job.key[:6]}") if times[job.title] > 1 else job
                for job in jobs
            ]
            self._listed = ended, read, sorted(jobs, key=lambda j: (j.created, j.key), reverse=True)
        return list(self._listed[2]), [sentence for sentence in read if isinstance(sentence, str)]

    def _look(self) -> _Seen:
        """Part the jobs into those that have ended, read again only where they changed, and all others."""
        now, stamp = time.time_ns(), (_changed(self.root), _changed(self._active))
        if stamp == self._seen[0]:
            return self._seen
        # Text: making a path of each would take longer than looking at it.
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
        """Jobs that wait or run, oldest first; those that have ended are not looked at."""
        jobs = [self.get(key) for key in _keys(self._active)]
        return sorted((j for j in jobs if j is not None and j.active), key=lambda j: (j.created, j.key))

    def get(self, key: str) -> Job | None:
        """Return one job, or None where it was never asked for."""
        folder = self.folder(key)
        asked, state = self._files(key)
        if asked is None or state is None:
            return None
        progress, eta = None, None
        if state["state"] == "running":
            progress, eta = job_files.checked_progress(read_json(folder / "progress.json"))
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
            priority=state.get("priority", BATCH),
            lacked=state.get("lacked"),
        )

    def _files(self, key: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return what spec.json and state.json hold, or what they must have held where they are damaged."""
        folder = self.folder(key)
        asked = self._cached(folder / "spec.json", job_files.checked_asked)
        state = self._cached(folder / "state.json", job_files.checked_state)
        if asked is None and folder.is_dir():
            asked = job_files.presumed_asked(key, self.cache)
        if state is None and asked is not None:
            state = job_files.presumed_state(key, folder, self.cache)
        return asked, state

    def mend(self) -> None:
        """Write down anew what damaged files of jobs must have held, where that is known."""
        checks = {"spec.json": job_files.checked_asked, "state.json": job_files.checked_state}
        with self._lock():
            for key in _keys(self.root):
                for (name, check), held in zip(checks.items(), self._files(key), strict=True):
                    path = self.folder(key) / name
                    if held is not None and self._cached(path, check) is None:
                        write_json(path, held, durable=True)
        self.mark()

    def mark(self) -> None:
        """See to it that ``active/`` holds all jobs that wait or run, whoever has written their files."""
        for job in self.jobs():
            if job.active:
                self._mark(job.key)

    def spec(self, key: str) -> Spec:
        """Return the spec of a job; raises `SpecError` where there is none."""
        asked, _ = self._files(key)
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
                with suppress(ValueError):
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
            self._write_state(key, {"state": state, "ended": time.time(), "error": error, "process": None})
            if state == "done":
                shutil.rmtree(self.folder(key) / "checkpoint", ignore_errors=True)

    def lost(self, key: str, why: str, *, started: float | None = None, counted: bool = True) -> None:
        """Queue again a job whose process died; the third time in a row that nothing was gained it fails.

        Nothing happens where the job has ended, or, with `started`, where another run has begun since. What
        is `counted` is what a living supervisor saw the job do: its worker's end is not the job's fault.
        """
        with self._lock():
            job = self.get(key)
            if job is None or job.state != "running" or (started is not None and job.started != started):
                return
            attempts = 0 if self._gained(job) else job.attempts if counted else max(0, job.attempts - 1)
            if self.cancel_wanted(key):
                self._put_back(key, attempts)
            elif counted and attempts >= MAX_ATTEMPTS:
                error = f"Its process died {attempts} times; the last time: {why}"
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
                failed = {"state": "failed", "ended": time.time(), "error": error, "lacked": needed.key}
                self._write_state(key, failed)

    def requeue(self, key: str, *, uncounted: bool = False) -> None:
        """Put a running job back, `uncounted` where it was stopped on purpose; one to be cancelled is."""
        with self._lock():
            job = self.get(key)
            if job is not None and job.state == "running":
                self._put_back(key, job.attempts - (1 if uncounted else 0))

    def _put_back(self, key: str, attempts: int) -> None:
        if self.cancel_wanted(key):
            self._write_state(key, {"state": "cancelled", "ended": time.time(), "process": None})
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
            return lives(p["pid"], p.get("born"))
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

    def clear(self) -> int:
        """Remove the folders of jobs that have ended, or are damaged beyond repair; return how many."""
        gone = 0
        with self._lock():
            for key in _keys(self.root):
                job = self.get(key)
                if job is None or not job.active:
                    shutil.rmtree(self.folder(key), ignore_errors=True)
                    (self._active / key).unlink(missing_ok=True)
                    gone += not self.folder(key).exists()
        return gone

    def folder(self, key: str) -> Path:
        """Return the job's folder.

        Raises
        ------
        SpecError
            If `key` is not 64 hexadecimal digits, so that no key can name a path elsewhere.
        """
        if not KEY.fullmatch(key):
            raise SpecError(f"{key[:80]!r} is not a key; a key has 64 hexadecimal digits.")
        return self.root / key

    # -- inside -------------------------------------------------------------------------------------

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
        self._mark(key)  # before the change, so that none is missed if this process dies in between
        write_json(folder / "state.json", after, durable=True)
        if after["state"] not in ACTIVE:
            (self._active / key).unlink(missing_ok=True)
            (folder / "cancel").unlink(missing_ok=True)

    def _mark(self, key: str) -> None:
        self._active.mkdir(parents=True, exist_ok=True)
        (self._active / key).touch()

    def _cached(self, path: Path, check: Callable[[Any], dict[str, Any] | None]) -> dict[str, Any] | None:
        # Jobs are read again and again while they wait and run; a stat is cheaper than a parse.
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
