"""Model folders: which arguments are one, and what is in it."""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

_CHUNK = 1 << 20


def is_folder(argument: str) -> bool:
    r"""Whether an argument names a folder: it begins with ``/``, ``./``, ``../``, ``~`` or ``C:\``.

    By its spelling alone, so that the same words mean the same wherever they are read: a hub id does not
    turn into a folder because one of that name happens to lie in the working directory.
    """
    return argument in (".", "..") or re.match(r"(\.{0,2}[/\\]|~|[A-Za-z]:[/\\])", argument) is not None


def resolve(argument: str) -> Path:
    """Return the absolute path of a folder argument."""
    return Path(argument).expanduser().resolve()


def fingerprint(folder: Path) -> str:
    """Return 16 hexadecimal digits over the names and contents of the files in `folder`.

    Hidden files and folders, such as a checkout's history, are no part of it. A file is read again only
    when its size or modification time has changed.
    """
    digest = hashlib.sha256()
    for file in _files(folder):
        stat = file.stat()
        content = _content(str(file), stat.st_size, stat.st_mtime_ns)
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


@lru_cache(maxsize=4096)
def _content(path: str, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
