"""Previews of sounds for pages, kept on disk: each is made once, a few at a time, within limits.

However long a sound and however many request it, the pages keep responding: a preview is made by one of
`WORKERS` threads, equal requests wait for the same one, and a request that has waited `PATIENCE` gets
`TooMuch`. A preview whose sound is not read after `SECONDS` is given up, and not tried again for `PAUSE`.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from dashboard import data
from jobs.files import replacing

#: Bytes of transcoded sound and of pictures kept on disk.
PREVIEW_BYTES = 512 * 2**20
#: Previews that are made at the same time, which bounds the memory that they take together.
WORKERS = 2
#: Seconds that reading the sound for one may take.
SECONDS = 15.0
#: Seconds that a request waits for one.
PATIENCE = 30.0
#: Seconds for which one that took too long is not tried again.
PAUSE = 600
#: Seconds after which one that waited for others may be requested again.
SOON = 5

_TOO_LONG = "This sound takes too long to be prepared here; open its file in a player."

_lock = threading.Lock()
_making: dict[Path, Future[Path]] = {}
_given_up: dict[Path, float] = {}
_pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="preview")
_written = 0


class TooMuch(RuntimeError):
    """A preview takes longer than it may; the message is the answer.

    Parameters
    ----------
    message : str
    seconds : int
        After how many of them it may be requested again.
    """

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Deadline:
    """The time at which making a preview is given up."""

    def __init__(self) -> None:
        self._end = time.monotonic() + SECONDS

    def check(self) -> None:
        """Raise `TooMuch` after it."""
        if time.monotonic() > self._end:
            raise TooMuch(_TOO_LONG, PAUSE)


Make = Callable[[Path, Path, Deadline], None]


async def made(source: Path, suffix: str, make: Make) -> Path:
    """Return the file made from `source`, making it if the source is new or has changed.

    Parameters
    ----------
    source : Path
    suffix : str
        End of the file's name.
    make : callable
        ``make(source, target, deadline)`` writes the target and calls ``deadline.check()`` on the way.

    Raises
    ------
    TooMuch
        Where it, or others that came before, take too long.
    """
    target, ready = await run_in_threadpool(_target, source, suffix)
    if ready:
        return target
    with _lock:
        if (left := _given_up.get(target, 0.0) - time.monotonic()) > 0:
            raise TooMuch(_TOO_LONG, math.ceil(left))
        future = _making.get(target)
        if future is None:
            future = _making[target] = _pool.submit(_make, source, target, make)
            future.add_done_callback(lambda _: _making.pop(target, None))
    try:
        # Shielded: others may wait for it, and it is of use next time.
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), PATIENCE)
    except TimeoutError:
        raise TooMuch("Other sounds are being prepared; try again in a moment.", SOON) from None


def _target(source: Path, suffix: str) -> tuple[Path, bool]:
    """Return the path of the preview of a file, and whether it exists."""
    info = source.stat()
    name = hashlib.sha256(f"{source}\0{info.st_mtime_ns}\0{info.st_size}\0v2".encode()).hexdigest()[:32]
    target = data.workspace().root / "previews" / name[:2] / f"{name}{suffix}"
    with suppress(OSError):  # missing; or another account's, which this one may only read
        os.utime(target)
    return target, target.exists()


def _make(source: Path, target: Path, make: Make) -> Path:
    try:
        with replacing(target) as fresh:
            make(source, fresh, Deadline())
    except TooMuch:
        with _lock:
            now = time.monotonic()
            for old in [p for p, until in _given_up.items() if until < now]:
                del _given_up[old]
            _given_up[target] = now + PAUSE
        raise
    _count_and_trim(target)
    return target


def _count_and_trim(target: Path) -> None:
    """Keep the previews below their share of the disk; checked every 64 MB, not at every file."""
    global _written
    with _lock:
        _written += target.stat().st_size
        if _written < PREVIEW_BYTES // 8:
            return
        _written = 0
    trim(target.parents[1], PREVIEW_BYTES)


def trim(folder: Path, most: int) -> None:
    """Remove the least recently used files below `folder` until they hold at most `most` bytes."""
    files = []
    for path in folder.glob("*/*"):
        try:
            info = path.stat()
        except OSError:
            continue
        files.append((info.st_mtime, info.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files, key=lambda f: f[0]):
        if total <= most:
            break
        path.unlink(missing_ok=True)
        total -= size
