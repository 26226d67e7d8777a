"""The process that computes: ``python -m jobs.engine.child WORKSPACE``.

It reads one JSON line a job from standard input (``{"run": key}``) and answers one line when the job has
ended (``{"ended": key, "state": …, "error": …}``). Between jobs it stays warm: imports are done and compiled
code is there, and while it is idle and jobs wait it prepares what they will want. A line ``{"run": null}``
tells it to see whether any do; until then it waits for standard input alone, at no cost. When that
ends, whoever started it is gone, and it ends at once, in the middle of a job too; the job goes on
elsewhere from its checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from jobs.engine.execution import execute
from jobs.specs import SpecError, from_json
from jobs.workspace.workspace import Workspace

#: Seconds between two looks at the waiting jobs, while there are some.
PREPARE_EVERY = 0.5


def main(argv: list[str] | None = None) -> int:
    """Serve jobs until standard input ends."""
    (root,) = argv if argv is not None else sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which ends its children
    workspace = Workspace(Path(root))
    answers = _take_stdout()
    asked: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    _say(answers, {"ready": os.getpid()})
    warm = Warmth(workspace)
    pause: float | None = PREPARE_EVERY
    while True:
        try:
            key = asked.get(timeout=pause)
        except queue.Empty:
            key = None
        if key is None:
            pause = PREPARE_EVERY if warm.prepare_next() else None
            continue
        _send_output_to(workspace.queue.folder(key) / "log.txt")
        outcome = execute(workspace, key)
        _send_output_to(Path(os.devnull))
        warm.note(workspace, key)
        pause = PREPARE_EVERY
        _say(answers, {"ended": key, "state": outcome.state, "error": outcome.error})


class Warmth:
    """Does ahead of time what is slow only the first time: imports, compilation, loading of weights."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._done: set[str] = set()
        self._thread: threading.Thread | None = None

    def prepare_next(self) -> bool:
        """Start preparing for one waiting job, in a thread, so that a job that comes meanwhile can begin.

        False where no job waits or runs, so that nothing is to be expected.
        """
        jobs = self._workspace.queue.active()
        if self._thread is not None and self._thread.is_alive():
            return True
        for job in jobs:
            want = _wanted(job.spec)
            if job.state == "queued" and want is not None and want not in self._done:
                self._done.add(want)
                self._thread = threading.Thread(target=_prepare, args=(want,), daemon=True)
                self._thread.start()
                break
        return bool(jobs)

    def note(self, workspace: Workspace, key: str) -> None:
        """Remember what a job that ran here has warmed already."""
        with suppress(ValueError):
            want = _wanted(workspace.queue.spec(key).to_json())
            if want is not None:
                self._done.add(want)


def _wanted(spec: dict[str, Any]) -> str | None:
    """Return what a job would like to find warm: ``map:<method>`` or ``encoder:<name>``."""
    try:
        parsed = from_json(spec)
    except (SpecError, KeyError, TypeError, ValueError):
        return None
    kind = type(parsed).__name__
    if kind == "Project":
        return f"map:{parsed.method}"  # type: ignore[attr-defined]
    if kind in ("EmbedAudio", "EmbedText"):
        return f"encoder:{parsed.encoder}"  # type: ignore[attr-defined]
    return None


def _prepare(want: str) -> None:
    kind, _, name = want.partition(":")
    # Only a head start: what fails here fails again, with a reason, in the job itself.
    with suppress(Exception):
        if kind == "map":
            from core.projection import warm_up

            warm_up(name)
        else:
            from jobs import encoders

            encoders.warm_up(name)


def _take_stdout() -> IO[str]:
    """Keep the way back to the worker to ourselves: libraries print to standard output."""
    private = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    _send_output_to(Path(os.devnull))
    return private


def _send_output_to(path: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with suppress(OSError):
        target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.close(target)


def _listen(asked: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        with suppress(ValueError, KeyError):
            asked.put(json.loads(line)["run"])
    # The worker is gone. End the whole group, so that nothing that a job started lives on.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(message) + "\n")
    except BrokenPipeError:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
