"""Run one claimed job in this process: heartbeat, progress, log, checkpoint, and how it ended.

The child process and the in-process runner of the command line both go through `execute`.
"""

from __future__ import annotations

import _thread
import itertools
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from cache import Artifact, ArtifactWriter
from cache.errors import explained, lack_of_space
from jobs.engine.queue import Queue, State
from jobs.files import write_json
from jobs.tasks import run_of
from jobs.tasks.spec import R, Spec, SpecError
from jobs.workspace.workspace import Workspace

#: Progress is written at most this often (seconds); readers refresh once a second.
WRITE_EVERY = 0.25

#: What a wish to cancel is delivered by: not Ctrl-C, which a process in the background may ignore.
_CANCEL = getattr(signal, "SIGUSR1", signal.SIGINT)

OnProgress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    state: State
    error: str | None = None


class RunningJob:
    """The `jobs.engine.context.JobContext` of a job that runs in this process."""

    def __init__(self, workspace: Workspace, spec: Spec, on_progress: OnProgress | None = None) -> None:
        self.workspace = workspace
        self.spec = spec
        self._folder = workspace.queue.folder(spec.key)
        self.checkpoint = self._folder / "checkpoint"
        if self.checkpoint.is_file():  # damage; nothing can be had from it
            self.checkpoint.unlink()
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        self._on_progress = on_progress
        self._first: tuple[float, float] | None = None
        self._written = 0.0
        self._began = time.perf_counter()

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Say how far the job is."""
        if self._on_progress is not None:
            self._on_progress(done, total, note)
        now = time.time()
        if self._first is None:
            self._first = (now, done)
        if now - self._written < WRITE_EVERY and done < total:
            return
        self._written = now
        first_at, first_done = self._first
        report = {"done": done, "total": total, "note": note, "at": now}
        # A full disk is the job's to report when it stores its result, not the progress bar's.
        with suppress(OSError):
            write_json(
                self._folder / "progress.json", report | {"first_at": first_at, "first_done": first_done}
            )

    def log(self, message: str) -> None:
        """Add a line to the job's log."""
        self.workspace.queue.append_log(self.spec.key, message)

    def open(self, spec: Spec) -> Artifact:
        """Open the result of an input."""
        return self.workspace.cache.open(spec.key)

    def read(self, spec: Spec[R]) -> R:
        """Return the result of an input, typed."""
        return spec.read(self.workspace.cache)

    @contextmanager
    def writer(self) -> Iterator[ArtifactWriter]:
        """Begin the job's artifact; the time it took counts from the start of the job."""
        with self.workspace.cache.writer(self.spec.key, spec=self.spec.to_json()) as w:
            yield w
            if self.spec.Result.FIELDS:
                self.spec.Result.check(w.path, w.meta)
            if w.seconds is None:
                w.seconds = time.perf_counter() - self._began


def execute(
    workspace: Workspace, key: str, on_progress: OnProgress | None = None, *, watch_cancel: bool = False
) -> Outcome:
    """Run the job `key`, which the caller has claimed, and return how it ended.

    With `watch_cancel`, a wish to cancel the job raises `KeyboardInterrupt` here; children of the worker
    are ended from outside instead.

    Nothing is computed where the result exists. A lock a key holds off a second process that was given
    the same job, whatever the reason. Products of matrices are computed in one thread, see `one_blas_thread`.
    """
    queue = workspace.queue
    started = time.perf_counter()
    try:
        spec = queue.spec(key)
        if spec.key != key:
            raise SpecError(
                f"{queue.folder(key) / 'spec.json'} is damaged: it asks for something else; ask again."
            )
        with FileLock(queue.folder(key) / ".run"), _heartbeat(queue, key, watch_cancel), one_blas_thread():
            if not workspace.cache.contains(key):
                queue.append_log(key, f"Started: {spec.title}.")
                job = RunningJob(workspace, spec, on_progress)
                result = run_of(spec)(spec, job)
                if result is not None:
                    with job.writer() as writer:
                        result.write(writer)
                    job.progress(1, 1)
            if not workspace.cache.contains(key):
                raise RuntimeError(f"the task {type(spec).__name__} stored no result")
    except Exception as error:
        queue.append_log(key, traceback.format_exc())
        return Outcome("failed", explain(error, workspace.root))
    queue.append_log(key, f"Done in {time.perf_counter() - started:.1f} s.")
    return Outcome("done")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS compute each product in one thread.

    How many threads share a product decides how its sums are rounded, in the last digit. A process lowers and
    restores that number here and there, also for a while in a thread beside a job, so the same job would
    end in other bytes after an interruption, or on a machine with more cores. What is large is cut into parts
    for all cores by `core` itself.
    """
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which must be there to be told
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def explain(error: BaseException, folder: Path) -> str:
    """Return one sentence that says what went wrong.

    Errors that this project raises on purpose (`ValueError` and its own types) are their own explanation;
    others get the name of their type, since their text alone seldom says enough. A lack of space below
    `folder` is told from other failed writes.
    """
    text = " ".join(str(error).split())
    space = lack_of_space(error, folder)
    if space is not None:
        return f"{space[0].upper()}{space[1:]} (`hearspace cache evict SIZE` removes old results)."
    if isinstance(error, MemoryError):
        return "There was not enough memory for this job; close other programs or use a smaller dataset."
    if isinstance(error, PermissionError):
        return explained(error, folder)
    known = type(error).__module__.split(".")[0] in ("cache", "core", "jobs") or type(error) is ValueError
    return text if known and text else f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def _heartbeat(queue: Queue, key: str, watch_cancel: bool) -> Iterator[None]:
    stop = threading.Event()
    path = queue.folder(key) / "heartbeat"

    def beat() -> None:
        for turn in itertools.count():
            if stop.wait(0.2):
                return
            if turn % 5 == 0:
                with suppress(OSError):
                    os.utime(path)
            if watch_cancel and queue.cancel_wanted(key):
                _thread.interrupt_main(_CANCEL)
                return

    before = signal.signal(_CANCEL, signal.default_int_handler) if watch_cancel else None
    with suppress(OSError):
        path.touch()
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if watch_cancel:
            signal.signal(_CANCEL, before or signal.SIG_DFL)
