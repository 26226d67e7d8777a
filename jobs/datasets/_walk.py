"""Paths inside a dataset's folder: walk it for sound files, and never leave it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.words import count
from jobs.datasets import DatasetError, OptionError, Skipped
from jobs.sound.files import SUFFIXES


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key that puts ``clip 2`` before ``clip 10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(p)) if p.isdecimal() else (1, p) for p in parts if p]


def outside(path: Path, root: Path) -> str | None:
    """Return why `path` may not be read, or None if it really lies inside `root` (which is resolved)."""
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError:
        return "links to nothing" if path.is_symlink() else "there is no such file"
    except (OSError, RuntimeError, ValueError):  # a loop of links, a forbidden folder, a NUL in a name
        return "cannot be followed to a file"
    return None if real.is_relative_to(root) else f"lies outside the dataset's folder (it leads to {real})"


def inside(root: Path, name: str, option: str = "") -> Path:
    """Return the resolved path of a file under `root`.

    A file that links out of it raises `DatasetError`; a path outside from an option raises `OptionError`.
    """
    path = (root / name).resolve()
    if path.is_relative_to(root.resolve()):
        return path
    if option:
        raise OptionError(f"{option} is {name!r}, which lies outside {root}; it must be inside.")
    raise DatasetError(f"{root / name} links out of {root}; copy the file there.")


def sounds(root: Path) -> list[str]:
    """Return the relative paths of all sound files, in natural order."""
    return [path for path in walk(root) if isinstance(path, str)]


def unused(folder: str, what: str, why: str, paths: Sequence[str]) -> Iterator[Skipped]:
    """Yield one summary of the files in a folder that the dataset does not use, unless there are none."""
    if paths:
        counted = f"holds {count(len(paths), what)} {why}, the first of them {paths[0]}"
        yield Skipped(folder, counted, summary=True)


def walk(root: Path) -> Iterator[str | Skipped]:
    """Yield the relative path of each sound file in a resolved folder, in natural order, and what is none."""
    stack = [""]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(root / folder) as scan:
                entries = sorted(scan, key=lambda e: (natural(e.name), e.name))
        except OSError as error:
            yield Skipped(printable(folder) or ".", f"folder cannot be read ({error.strerror})")
            continue
        deeper = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            reason = _unwanted(entry, root)
            if reason is not None:
                yield Skipped(printable(path), reason)
            elif entry.is_dir():
                deeper.append(path)
            else:
                yield path
        stack.extend(reversed(deeper))


def _unwanted(entry: os.DirEntry[str], root: Path) -> str | None:
    if entry.name.startswith("."):
        return "hidden"
    if not entry.name.isprintable() and printable(entry.name) != entry.name:
        return "its name is not valid text"
    if entry.is_symlink():
        reason = outside(Path(entry.path), root)
        if reason is not None:
            return reason
        if entry.is_dir():
            return "link to a folder that is read where it is"
    if entry.is_dir():
        return None
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix not in SUFFIXES:
        return f"not a sound by its name ({suffix})" if suffix else "not a sound by its name"
    return None if entry.is_file() else "not a regular file"


def printable(path: str) -> str:
    """Return `path` so that it can be stored: bytes that are no UTF-8 become backslash escapes."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
