"""``python -m dashboard``: the page server as a process of its own; ``hearspace serve`` starts it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

from dashboard.server import ServerError, serve
from jobs.workspace.workspace import Workspace, WorkspaceError


def main() -> int:
    """Serve until interrupted; return 1 where the address cannot be used, or the folder is no workspace."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME")
    parser.add_argument("--with-parent", type=int, metavar="PID", help="end when this process ends")
    options = parser.parse_args()
    if options.with_parent is not None:
        threading.Thread(target=_end_with, args=(options.with_parent,), daemon=True).start()
    try:
        Workspace.open(options.workspace)
        serve(
            options.workspace,
            host=options.host,
            port=options.port,
            allowed_hosts=options.allow_host,
            announce=options.with_parent is None,
        )
    except (ServerError, WorkspaceError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
