"""Run one claimed job in this process: heartbeat, progress, log, checkpoint, and how it ended.

The child process and `jobs.engine.inprocess`, for the command line, both go through `execute`.
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

#: Minimum seconds between two writes of the progress; readers refresh once a second.
WRITE_EVERY = 0.25

#: The signal that cancels a job: not that of Ctrl-C, which a process in the background may ignore.
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
        if self.checkpoint.is_file():  # damage
            self.checkpoint.unlink()
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        self._on_progress = on_progress
        self._first: tuple[float, float] | None = None
        self._written = 0.0
        self._began = time.perf_counter()

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Report the progress of the job."""
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
        report |= {"first_at": first_at, "first_done": first_done}
        # The job reports a full disk when it stores its result.
        with suppress(OSError):
            write_json(self._folder / "progress.json", report)

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
        """Write the job's artifact; its time counts from the start of the job."""
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

    With `watch_cancel`, a request to cancel the job raises `KeyboardInterrupt` here; children of the worker
    are killed by their supervisor instead.

    Nothing is computed if the result exists. A lock for each key keeps a second process from running the same
    job. Products of matrices are computed in one thread, see `one_blas_thread`.
    """
    queue = workspace.queue
    started = time.perf_counter()
    try:
        spec = queue.spec(key)
        if spec.key != key:
            raise SpecError(
                f"{queue.folder(key) / 'spec.json'} is damaged: it holds another spec; submit it again."
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

    The number of threads that share a product determines the rounding of its sums, in the last digit. That
    number changes within a process, also temporarily in a thread beside a job, so the same job would produce
    other bytes after an interruption, or on a machine with more cores. `core` itself divides large
    computations among all cores.
    """
    import scipy.linalg  # noqa: F401 - has its own BLAS, which must be loaded to be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def explain(error: BaseException, folder: Path) -> str:
    """Describe in one sentence what went wrong.

    Errors that this project raises on purpose (`ValueError` and its own types) explain themselves; others are
    prefixed with their type, since their text alone is rarely enough. A lack of space below `folder` is
    distinguished from other failed writes.
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
