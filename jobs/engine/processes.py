"""Identities of processes, across hosts and over time."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return the identity of this process: host, number and start time (numbers are reused)."""
    return process_identity(os.getpid())


def process_identity(pid: int) -> dict[str, Any]:
    """Return the identity of a process on this host."""
    import psutil

    try:
        born = psutil.Process(pid).create_time()
    except psutil.Error:
        born = None
    return {"host": socket.gethostname(), "pid": pid, "born": born}


def lives(pid: int, born: float | None) -> bool:
    """Whether the process with this number and start time runs on this host."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return born is None or abs(process.create_time() - born) < 1.0
    except (psutil.Error, ValueError, OverflowError):
        return False


def memory_kills() -> int | None:
    """Return how many processes the system has killed for lack of memory; None if it does not count them."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None
