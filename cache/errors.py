"""Errors of the cache, each explained in one sentence."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REMEDY = "free some space, for example by evicting old artifacts, and try again"
_SPACE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
}
#: Messages of libraries that lose the error number, such as SQLite.
_WORDS = ("no space left on device", "disk is full")


class CacheError(Exception):
    """Something cannot be stored, read or named as requested; the message says what to do."""


class MissingArtifact(CacheError):
    """No artifact has this key, or it was removed meanwhile."""


class CorruptArtifact(CacheError):
    """An artifact exists but is not what was written."""

    @classmethod
    def of(cls, what: str, why: str) -> CorruptArtifact:
        """Return the error for a damaged part of an artifact, with the remedy."""
        return cls(
            f"{what} {why}; remove what is damaged with verify(remove=True) and it will be computed again."
        )


class NoSpace(CacheError, OSError):
    """A file does not fit on the disk; the message names the folder, the bytes missing, and the remedy."""

    def __str__(self) -> str:
        return str(self.args[0])


def lack_of_space(error: BaseException, folder: Path, needed: float | None = None) -> str | None:
    """Explain a lack of disk space, if that is the cause of an error.

    Libraries written in C or Rust lose the error number, so the message and the disk are checked as well.

    Parameters
    ----------
    error : BaseException
        An error that was raised while writing below `folder`.
    folder : Path
        A folder on the disk; it need not exist.
    needed : float, optional
        Bytes to be written, if known.

    Returns
    -------
    str or None
        What is lacking, how much is needed and free, and what to do; None for other errors.

    Examples
    --------
    >>> lack_of_space(OSError(errno.EFBIG, "File too large"), Path("."), 2e9)
    'the file is larger than the system allows at . (2.0 GB needed)'
    >>> lack_of_space(ValueError("no"), Path(".")) is None
    True
    """
    cause: BaseException | None = error
    for _ in range(10):  # a chain of causes can be circular
        if cause is None:
            break
        if isinstance(cause, NoSpace):
            return str(cause).removesuffix(".")
        if isinstance(cause, OSError) and cause.errno in _SPACE:
            return _described(cause.errno, _origin(cause, folder), needed)
        if any(words in str(cause).lower() for words in _WORDS):
            return _described(errno.ENOSPC, folder, needed)
        cause = cause.__cause__ or cause.__context__
    # The disk is completely full: whatever the library reports, this is the cause.
    if isinstance(error, OSError | RuntimeError) and _free(folder) < 4096:
        return _described(errno.ENOSPC, folder, needed)
    return None


def _origin(error: OSError, folder: Path) -> Path:
    """Return the folder of the file that an error names, if it lies outside `folder`; else `folder`."""
    if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(folder):
        return Path(error.filename).absolute().parent
    return folder


def _described(code: int, folder: Path, needed: float | None) -> str:
    amounts = [] if needed is None else [f"{size(needed)} needed"]
    # The free space of a quota is unknown.
    amounts += [f"{size(_free(folder))} free"] if code == errno.ENOSPC else []
    numbers = f" ({', '.join(amounts)})" if amounts else ""
    remedy = "" if code == errno.EFBIG else f"; {_REMEDY}"
    return f"{_SPACE[code]} at {folder}{numbers}{remedy}"


def size(n_bytes: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> size(12), size(1_234_567)
    ('12 B', '1.2 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def _free(folder: Path) -> float:
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return float("inf")


@contextmanager
def writing(what: str, folder: Path, needed: float | None = None) -> Iterator[None]:
    """Turn the system's error for a failed write into one sentence, a `CacheError`."""
    try:
        yield
    except NoSpace:
        raise
    except OSError as error:
        reason = lack_of_space(error, folder, needed)
        if reason is not None:
            raise no_space(f"{what} cannot be written: {reason}.", error) from error
        raise CacheError(f"{what} cannot be written to {folder}: {error.strerror or error}.") from error


@contextmanager
def enough_space(folder: Path, needed: float | None = None) -> Iterator[None]:
    """Turn a lack of space below `folder` into one sentence, `NoSpace`; other errors pass.

    Raises
    ------
    NoSpace
        It is also an `OSError`, so that code for which the file is optional can treat it as any failed write.
    """
    try:
        yield
    except NoSpace:
        raise
    except Exception as error:
        reason = lack_of_space(error, folder, needed)
        if reason is None:
            raise
        raise no_space(f"{reason[0].upper()}{reason[1:]}.", error) from error


def no_space(text: str, error: BaseException) -> NoSpace:
    """Return an error with this text and the number of the error that it explains."""
    explained_error = NoSpace(text)
    explained_error.errno = getattr(error, "errno", None) or errno.ENOSPC
    return explained_error


def explained(error: OSError, folder: Path) -> str:
    """Explain an error of the system in one sentence; `folder` is named if the error names no file."""
    space = lack_of_space(error, folder)
    if space is not None:
        return f"{space[0].upper()}{space[1:]}."
    if error.filename is None or error.strerror is None:
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} does not exist."
    if isinstance(error, PermissionError):
        return (
            f"{error.filename} may not be read or written by this account; ask its owner for permission, or "
            "use another folder."
        )
    return f"{error.filename}: {error.strerror}."
