"""Run jobs without a worker, in this process: for scripts and for a machine where nothing serves the queue.

The jobs go through the same queue, so that pages show them, and through the same `execute`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jobs.execution import execute
from jobs.queue import Job
from jobs.specs import Spec, closure
from jobs.workspace import Workspace

OnProgress = Callable[[Job, float, float, str], None]

#: Seconds between two looks at a job that another process runs.
LOOK_EVERY = 0.2


def run(workspace: Workspace, spec: Spec, on_progress: OnProgress | None = None) -> Job:
    """Compute a result and everything it needs; return its job, in whatever state it ended.

    A job that another process is running already is waited for, not run twice. Where a worker serves the
    queue, the jobs are its to run and this only waits.

    Parameters
    ----------
    workspace : Workspace
    spec : Spec
    on_progress : callable, optional
        Called with the job, done, total and a note.
    """
    queue = workspace.queue
    job = queue.submit(spec)
    for s in closure(spec):
        if workspace.cache.contains(s.key):
            continue
        step = queue.get(s.key)
        while step is not None and step.active:
            if not queue.worker_alive() and queue.claim(s.key):
                _run_here(workspace, step, on_progress)
            elif step.state == "running" and not queue.is_beating(step):
                queue.lost(s.key, "Its process is gone.")
            else:
                if on_progress is not None and step.progress is not None:
                    on_progress(step, *step.progress)
                time.sleep(LOOK_EVERY)
            step = queue.get(s.key)
        if step is not None and step.state in ("failed", "cancelled"):
            if step.key != job.key:
                queue.give_up(job.key, step)
            return step
    return queue.get(spec.key) or job


def _run_here(workspace: Workspace, job: Job, on_progress: OnProgress | None) -> None:
    queue = workspace.queue

    def report(done: float, total: float, note: str) -> None:
        if on_progress is not None:
            on_progress(job, done, total, note)

    try:
        outcome = execute(workspace, job.key, report)
    except BaseException:
        # Ctrl-C: what was computed so far stays in the checkpoint, and the job waits to go on.
        queue.requeue(job.key, uncounted=True)
        raise
    queue.finish(job.key, outcome.state, outcome.error)
