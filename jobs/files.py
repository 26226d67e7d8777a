"""Files that several processes read while one writes: each is replaced as a whole, or not at all.

New files and folders have the permissions of the umask, whereas Python's own temporary files and folders are
private to one account.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from cache.errors import enough_space


@contextmanager
def replacing(path: Path, needed: float | None = None, *, prefix: str = ".new-") -> Iterator[Path]:
    """Yield a new file beside `path`, which replaces it when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its folder is created.
    needed : float, optional
        Bytes to be written, if known, for the message about a full disk.
    prefix : str
        The beginning of the new file's name.

    Raises
    ------
    NoSpace
        If the disk is full; it is an `OSError`, like all other failures.
    """
    with enough_space(path.parent, needed):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{prefix}{os.urandom(8).hex()}{path.suffix}")
        try:
            # Checked while the unfinished file still takes its space.
            with enough_space(path.parent, needed):
                yield fresh
            os.replace(fresh, path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


@contextmanager
def output(path: Path, needed: float | None = None) -> Iterator[Path]:
    """Yield a file to write for an output that a user names, as `replacing` does.

    A link stays and its target is replaced; a pipe or a device is written directly.

    Raises
    ------
    NoSpace
        As for `replacing`.
    """
    is_special = path.exists() and not path.is_file()
    with nullcontext(path) if is_special else replacing(path.resolve(), needed) as fresh:
        yield fresh


def write_json(path: Path, data: Any, *, durable: bool = False) -> None:
    """Replace a JSON file; `durable` also survives a power cut.

    Raises
    ------
    NoSpace
        As for `replacing`.
    """
    text = json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    with replacing(path, len(text)) as fresh:
        with fresh.open("xb") as f:
            f.write(text)
            if durable:
                f.flush()
                os.fsync(f.fileno())
        if path.is_dir():  # damage
            shutil.rmtree(path)


def read_json(path: Path) -> Any | None:
    """Read JSON; None if the file is missing or incomplete."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def damage(path: Path, remedy: str, root: Path) -> str | None:
    """Explain why JSON cannot be read from a file of the workspace `root`, and what to do; None if it can."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return unreadable(path, error, remedy, root)
    except (ValueError, RecursionError):
        return f"{path} is not whole JSON; {remedy}."
    return None


def unreadable(path: Path, error: OSError, remedy: str, root: Path) -> str:
    """Explain why the system does not let a file of the workspace `root` be read, and what to do."""
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this account; ask the owner of {root} for the permission."
    reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return f"{path} {reason}; {remedy}."


def new_folder(folder: Path, *, prefix: str) -> Path:
    """Create a folder with a unique name."""
    path = folder / f"{prefix}{os.urandom(8).hex()}"
    path.mkdir()
    return path
