"""Temporary folders that other processes can distinguish from abandoned ones.

Each folder has a lock file beside it that its owner keeps locked. The kernel releases the lock when the owner
dies, in whatever way, so a free lock marks an abandoned folder. Unlike a process number, a lock cannot be
mistaken for that of another process or another machine, and unlike an age limit it spares a job that writes
for days.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

#: Seconds after which a folder is removed whose state no lock shows.
MAX_AGE = 3600.0
MAX_AGE_WITHOUT_LOCKS = 7 * 86400.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it; does nothing on systems without locks."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(fd, wait=True)
        yield
    finally:
        os.close(fd)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Create a folder below `parent`, locked until the block ends, when what is left of it is removed."""
    fd, lock, folder = _claim(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(fd)


def _claim(parent: Path) -> tuple[int, Path, Path]:
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = parent / f"{os.getpid()}-{os.urandom(8).hex()}"
        lock = folder.with_suffix(".lock")
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(fd, wait=True)
        # A process that cleans up may have removed the file before it was locked.
        if os.fstat(fd).st_nlink:
            try:
                folder.mkdir()
            except OSError:
                lock.unlink(missing_ok=True)
                os.close(fd)
                raise
            return fd, lock, folder
        os.close(fd)


def clean(parent: Path) -> int:
    """Remove folders below `parent` whose owners are dead.

    Returns
    -------
    int
        Number of folders removed. A folder in use is never touched.
    """
    removed = 0
    entries = sorted(parent.iterdir()) if parent.is_dir() else []
    for lock in (e for e in entries if e.suffix == ".lock"):
        folder = lock.with_suffix("")
        try:
            fd = os.open(lock, os.O_RDWR)
        except OSError:
            continue
        try:
            free = _lock(fd, wait=False)
            if free or (free is None and _age(lock) > MAX_AGE_WITHOUT_LOCKS):
                removed += folder.is_dir()
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)
        finally:
            os.close(fd)
    for folder in (e for e in entries if e.suffix != ".lock" and not e.with_suffix(".lock").exists()):
        if folder.is_dir() and _age(folder) > MAX_AGE:
            removed += 1
            shutil.rmtree(folder, ignore_errors=True)
    return removed


def _lock(fd: int, *, wait: bool) -> bool | None:
    """Whether the lock was acquired; None if the system or its file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _age(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
