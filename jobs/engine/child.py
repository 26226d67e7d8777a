"""The process that computes: ``python -m jobs.engine.child WORKSPACE``.

It reads one JSON line per job from standard input (``{"run": key}``) and answers with one line when the job
has ended (``{"ended": key, "state": …, "error": …}``). Between jobs it stays warm, with its imports and
compiled code, and while it is idle and jobs are queued it prepares for them. The line ``{"run": null}`` has
it check for queued jobs; until then it only waits for standard input, at no cost. When standard input ends,
the process that started it is gone, and it ends at once, even in the middle of a job, which another process
resumes from its checkpoint.
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

#: Seconds between two checks of the queued jobs, while there are some.
PREPARE_EVERY = 0.5


def main(argv: list[str] | None = None) -> int:
    """Serve jobs until standard input ends."""
    (root,) = argv if argv is not None else sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the worker, which ends its children
    workspace = Workspace(Path(root))
    answers = _take_stdout()
    requests: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    _say(answers, {"ready": os.getpid()})
    warm = Warmth(workspace)
    pause: float | None = PREPARE_EVERY
    while True:
        try:
            key = requests.get(timeout=pause)
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
    """Performs in advance what is slow only the first time: imports, compilation, loading of weights."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._done: set[str] = set()
        self._thread: threading.Thread | None = None

    def prepare_next(self) -> bool:
        """Start preparing for a queued job, in a thread, so that jobs that arrive meanwhile can start.

        Returns
        -------
        bool
            Whether any job is pending.
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
        """Record that a job that ran here has warmed what it uses."""
        with suppress(ValueError):
            want = _wanted(workspace.queue.spec(key).to_json())
            if want is not None:
                self._done.add(want)


def _wanted(spec: dict[str, Any]) -> str | None:
    """Return what to prepare for a job: ``map:<method>`` or ``encoder:<name>``."""
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
    # Errors are ignored here: they recur in the job itself, which reports them.
    with suppress(Exception):
        if kind == "map":
            from core.projection import warm_up

            warm_up(name)
        else:
            from jobs import encoders

            encoders.warm_up(name)


def _take_stdout() -> IO[str]:
    """Reserve standard output for answers to the worker: libraries print to it, too."""
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


def _listen(requests: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        with suppress(ValueError, KeyError):
            requests.put(json.loads(line)["run"])
    # The worker is gone. End the whole group, with all processes that a job started.
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
