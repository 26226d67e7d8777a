"""Small files that several processes read while one writes: JSON replaced as a whole, or not at all.

What is made here has the permissions that the umask leaves: Python's own temporary files and folders are for
one account only, whatever the umask says.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cache.errors import enough_space


@contextmanager
def replacing(path: Path, needed: float | None = None, *, prefix: str = ".new-") -> Iterator[Path]:
    """Yield a file beside `path` to be written, which takes its place when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its folder is made.
    needed : float, optional
        Bytes that will be written, where that is known: to be said where they do not fit.
    prefix : str
        What the name of the file begins with until then.

    Raises
    ------
    NoSpace
        If the disk is full; it is an `OSError`, as every other failure is.
    """
    with enough_space(path.parent, needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{prefix}{os.urandom(8).hex()}{path.suffix}")
        try:
            # Looked at while the unfinished file still takes its space.
            with enough_space(path.parent, needed):
                yield fresh
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


@contextmanager
def output(path: Path, needed: float | None = None) -> Iterator[Path]:
    """Yield a file to be written for an output that a user names, as `replacing` does.

    A link stays, and the file that it leads to is replaced; a pipe or a device is written to itself.

    Raises
    ------
    NoSpace
        As `replacing`.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    with replacing(path.resolve(), needed) as fresh:
        yield fresh


def write_json(path: Path, data: Any, *, durable: bool = False) -> None:
    """Write `data` beside `path`, then rename it into place; `durable` outlives a power cut, too.

    Raises
    ------
    NoSpace
        As `replacing`.
    """
    text = json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    with replacing(path, len(text)) as fresh:
        with fresh.open("xb") as f:
            f.write(text)
            if durable:
                f.flush()
                os.fsync(f.fileno())
        if path.is_dir():  # damage: what is written so is never a folder
            shutil.rmtree(path)


def read_json(path: Path) -> Any | None:
    """Read JSON; None if the file is missing or is not whole JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def damage(path: Path, remedy: str, root: Path) -> str | None:
    """Say why JSON cannot be read from a file of the workspace `root` and what to do; None where it can."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return unreadable(path, error, remedy, root)
    except (ValueError, RecursionError):
        return f"{path} is not whole JSON; {remedy}."
    return None


def unreadable(path: Path, error: OSError, remedy: str, root: Path) -> str:
    """Say why the system does not let a file of the workspace `root` be read, and what to do."""
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this account; ask the owner of {root} for the permission."
    reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return f"{path} {reason}; {remedy}."


def new_folder(folder: Path, *, prefix: str) -> Path:
    """Make a folder of a name that nobody has."""
    path = folder / f"{prefix}{os.urandom(8).hex()}"
    path.mkdir()
    return path
