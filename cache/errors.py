"""What can go wrong in the cache, each said in one sentence."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REMEDY = "free some space, for example by evicting old artifacts, and try again"
_SPACE = {
    errno.ENOSPC: f"the disk is full; {_REMEDY}",
    errno.EDQUOT: f"the disk quota is used up; {_REMEDY}",
    errno.EFBIG: "the file is larger than the system allows",
}


class CacheError(Exception):
    """Something cannot be stored, read or named as asked; the message says what to do."""


class MissingArtifact(CacheError):
    """No artifact has this key, or it was removed meanwhile."""


class CorruptArtifact(CacheError):
    """An artifact is there but is not what was written."""


def lack_of_space(error: BaseException, folder: Path) -> str | None:
    """Say whether an error comes from a lack of disk space.

    Libraries written in C or Rust lose the error number, so the message and the disk are looked at too.

    Parameters
    ----------
    error : BaseException
        What was raised while something was being written below `folder`.
    folder : Path
        A folder on the disk in question; it need not exist.

    Returns
    -------
    str or None
        What lacks and what to do; None for any other kind of error.

    Examples
    --------
    >>> lack_of_space(OSError(errno.EFBIG, "File too large"), Path("."))
    'the file is larger than the system allows'
    >>> lack_of_space(ValueError("no"), Path(".")) is None
    True
    """
    cause: BaseException | None = error
    for _ in range(10):  # a chain of causes can be circular
        if cause is None:
            break
        if isinstance(cause, OSError) and cause.errno in _SPACE:
            return _SPACE[cause.errno]
        if "no space left on device" in str(cause).lower():
            return _SPACE[errno.ENOSPC]
        cause = cause.__cause__ or cause.__context__
    # Full to the last block: whatever a library called it, this is why.
    if isinstance(error, OSError | RuntimeError) and _free(folder) < 4096:
        return _SPACE[errno.ENOSPC]
    return None


def _free(folder: Path) -> float:
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return float("inf")


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Turn what the system says about a failed write into one sentence: `CacheError`."""
    try:
        yield
    except OSError as error:
        reason = lack_of_space(error, folder) or error.strerror or str(error)
        raise CacheError(f"{what} cannot be written to {folder}: {reason}.") from error
