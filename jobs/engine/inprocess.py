"""Run jobs without a worker, in this process: for scripts and for a machine where nothing serves the queue.

The jobs go through the same queue, so that pages show them, and through the same `execute`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobs.engine.execution import execute
from jobs.engine.queue import Job
from jobs.specs import Spec, missing
from jobs.workspace.workspace import Workspace

OnProgress = Callable[[Job, float, float, str], None]

#: Seconds between two checks of a job that another process runs.
LOOK_EVERY = 0.2


def run(workspace: Workspace, spec: Spec, on_progress: OnProgress | None = None) -> Job:
    """Compute a result with all its inputs; return its job in its final state.

    This waits for a job that another process already runs, instead of running it twice. If a worker serves
    the queue, it runs the jobs and this only waits.

    Parameters
    ----------
    workspace : Workspace
    spec : Spec
    on_progress : callable, optional
        Called with the job, done, total and a note.
    """
    queue = workspace.queue
    job = queue.submit(spec)
    failed: dict[str, Job] = {}
    # The spec itself even if its result exists: the process that stored it may not have finished the job yet.
    for s in {s.key: s for s in (*missing(spec, workspace.cache.contains), spec)}.values():
        cause = next((failed[i.key] for i in s.inputs() if i.key in failed), None)
        if cause is not None:
            queue.give_up(s.key, cause)
        step = queue.get(s.key)
        while step is not None and step.active:
            if not queue.worker_alive() and queue.claim(s.key):
                _run_here(workspace, step, on_progress)
            elif not queue.recover(step):
                if on_progress is not None and step.progress is not None:
                    on_progress(step, *step.progress)
                time.sleep(LOOK_EVERY)
            step = queue.get(s.key)
        if step is not None and step.state in ("failed", "cancelled"):
            failed[s.key] = step
    # The first failure is the cause of those after it.
    return next(iter(failed.values()), None) or queue.get(spec.key) or job


def _run_here(workspace: Workspace, job: Job, on_progress: OnProgress | None) -> None:
    queue = workspace.queue

    def report(done: float, total: float, note: str) -> None:
        if on_progress is not None:
            on_progress(job, done, total, note)

    main = threading.current_thread() is threading.main_thread()
    try:
        outcome = execute(workspace, job.key, report, watch_cancel=main)
    except BaseException:
        # Cancelled by another process, or Ctrl-C: the checkpoint stays, to resume from.
        cancelled = queue.cancel_wanted(job.key)
        queue.requeue(job.key)
        if cancelled:
            return
        raise
    queue.finish(job.key, outcome.state, outcome.error)
