"""Catch libmpg123's notes about damaged MP3s, which it writes to the process's error output without a name.

While it decodes, that output goes to a temporary file; anything else in it is passed on. The notes go to
`collected` in that thread. If several threads decode at once, the file of a note is unknown: `alone` makes
the others wait, so that a file can be read again by itself.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_NOTE = re.compile(rb"\s*(\[src/libmpg123/.*?\] *|(Note|Warning): )")

_here = threading.local()


class _Output:
    """The error output while at least one thread decodes."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.inside = 0
        self.owner: int | None = None  # the thread that is alone
        self._file: Any = None  # takes the output meanwhile
        self._before = -1  # descriptor that it went to before
        self._at = 0
        self._notes: list[str] = []

    def enter(self) -> int:
        """Wait for this thread's turn, divert the output, and return the number of notes so far."""
        with self.turn:
            while self.owner not in (None, threading.get_ident()):
                self.turn.wait()
            if self.inside == 0:
                with suppress(OSError):  # a process without an error output has nothing to lose
                    self._file = self._file or tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115
                    self._before = os.dup(2)
                    os.dup2(self._file.fileno(), 2)
            self.inside += 1
            self._sort()
            return len(self._notes)

    def leave(self, start: int) -> list[str]:
        """Restore the output if no other thread decodes, and return the notes since `start`."""
        with self.turn:
            self.inside -= 1
            self._sort()
            notes = self._notes[start:]
            if self.inside == 0:
                if self._before >= 0:
                    os.dup2(self._before, 2)
                    os.close(self._before)
                    self._before, self._at = -1, 0
                    self._file.truncate(0)
                self._notes = []
                self.turn.notify_all()
            return notes

    def _sort(self) -> None:
        """Separate notes from other output, and pass that on."""
        if self._before < 0:
            return
        self._file.seek(self._at)
        written = self._file.read()
        self._at += len(written)
        foreign = b""
        for line in written.splitlines(keepends=True):
            if note := _NOTE.match(line):
                self._notes.append(line[note.end() :].decode(errors="replace").strip())
            elif line.strip():
                foreign += line
        if foreign:
            with suppress(OSError):
                os.write(self._before, foreign)


_output = _Output()


@contextmanager
def gathered() -> Iterator[None]:
    """Keep what libmpg123 writes off the error output."""
    start = _output.enter()
    try:
        yield
    finally:
        notes = _output.leave(start)
        if getattr(_here, "notes", None) is not None:
            _here.notes += notes


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what libmpg123 writes while this thread, and perhaps others, decode."""
    before, _here.notes = getattr(_here, "notes", None), []
    try:
        yield _here.notes
    finally:
        _here.notes = before


@contextmanager
def alone() -> Iterator[None]:
    """Make all other threads wait before they decode MP3s."""
    with _output.turn:
        while _output.inside or _output.owner is not None:
            _output.turn.wait()
        _output.owner = threading.get_ident()
    try:
        yield
    finally:
        with _output.turn:
            _output.owner = None
            _output.turn.notify_all()
