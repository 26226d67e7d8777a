"""Sounds that were uploaded as queries: ``<workspace>/uploads/<SHA-256><ending>``, one file a content.

They are kept for `KEPT_DAYS` after they were last used, and for as long as a question to listeners or a
waiting job names them. `tidy`, which a worker calls when it starts, removes the others; their results stay.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from jobs.files import replacing

if TYPE_CHECKING:
    import numpy as np

    from jobs.workspace.workspace import Workspace

#: Largest file that is accepted, in bytes, and in words.
MAX_BYTES = 50 * 2**20
MAX_TEXT = f"{MAX_BYTES // 2**20} MB"
#: Days after which an unused upload is removed.
KEPT_DAYS = 30

_FILE = re.compile(r"([0-9a-f]{64})(\.[a-z0-9]{1,5})")
_UNFINISHED = ".upload-"
_DAY = 24 * 3600


class UploadError(ValueError):
    """A file is not accepted as a query; the message says why and what to do."""


def save(root: Path, name: str, data: bytes) -> tuple[str, str]:
    """Keep an uploaded file in the workspace.

    Parameters
    ----------
    root : Path
        The workspace's folder.
    name : str
        The file's name; only its ending is looked at.
    data : bytes

    Returns
    -------
    upload, suffix : str
        The fields of `jobs.specs.EmbedQuery`.

    Raises
    ------
    UploadError
        For an empty or too large file, an ending that is no sound's, and as `sound`.
    NoSpace
        If the disk is full.
    """
    from jobs.sound.files import SUFFIXES
    from jobs.specs import QUERY_SECONDS

    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise UploadError(f"{PurePath(name).name} is not named like a sound; give a file such as WAV or MP3.")
    if not data:
        raise UploadError(f"{PurePath(name).name} is empty (0 bytes); give a file with sound in it.")
    if len(data) > MAX_BYTES:
        raise UploadError(
            f"{PurePath(name).name} has {len(data) / 2**20:.1f} MB; a query may have up to {MAX_TEXT}: "
            "cut it or compress it."
        )
    upload = hashlib.sha256(data).hexdigest()
    target = path(root, upload, suffix)
    if not target.exists():
        with replacing(target, len(data), prefix=_UNFINISHED) as fresh:
            fresh.write_bytes(data)
            try:
                sound(fresh, QUERY_SECONDS)
            except UploadError as error:
                raise UploadError(f"{PurePath(name).name} {error}") from None
    use(target)
    return upload, suffix


def sound(file: Path, longest: float) -> tuple[np.ndarray, int]:
    """Read a file as a query: mono samples (n,) and their rate.

    Parameters
    ----------
    file : Path
    longest : float
        Seconds that it may last.

    Raises
    ------
    UploadError
        If it is no sound, silent or too long. The message follows a name of the file.
    """
    from jobs.sound.files import AudioError, decode, inspect

    try:
        waveform, rate = decode(file, duration=longest + 1)
        if len(waveform) > longest * rate:
            raise UploadError(f"is longer than {longest:g} s, the most a query may have; cut it.")
        if waveform.any():
            return waveform, rate
        seen = inspect(file)
    except AudioError as error:
        raise UploadError(f"{error.reason}; upload a sound.") from error
    if seen.n_bad:
        raise UploadError(
            f"has {seen.n_bad:,} samples that are not finite numbers (NaN or infinity), and nothing to hear "
            "without them; export it again."
        )
    raise UploadError("is silent: every sample is 0; upload one with something to hear.")


def path(root: Path, upload: str, suffix: str) -> Path:
    """Return the path of an upload in the workspace `root`."""
    return root / "uploads" / f"{upload}{suffix}"


def find(root: Path, name: str) -> tuple[str, str] | None:
    """Return hash and ending of the upload with this file name, or None."""
    match = _FILE.fullmatch(name)
    if match is None or not (file := path(root, match[1], match[2])).is_file():
        return None
    use(file)
    return match[1], match[2]


def use(file: Path) -> None:
    """Record that an upload is used now. Its modification time stays, since cached pictures depend on it."""
    with suppress(OSError):
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))


def tidy(workspace: Workspace) -> list[str]:
    """Remove the uploads of a workspace that nothing needs any more; return their names.

    Raises
    ------
    RatingsError
        If the ratings cannot be read; then nothing is removed.
    """
    from jobs.listening.ratings import open_ratings

    asked = {
        r.question.query.value
        for r in open_ratings(workspace.root).ratings()
        if r.question.query.kind == "upload"
    }
    waiting = {str(job.spec.get("fields", {}).get("upload")) for job in workspace.queue.jobs() if job.active}
    return clear(workspace.root, keep=asked | waiting)


def clear(root: Path, *, keep: Collection[str] = (), days: float = KEPT_DAYS) -> list[str]:
    """Remove the uploads that have not been used for some days; return their names.

    Parameters
    ----------
    root : Path
        The workspace's folder.
    keep : collection of str
        Uploads that stay whatever their age, by their hash or the name of their file.
    days : float
    """
    gone = []
    try:
        entries = list(os.scandir(root / "uploads"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        match = _FILE.fullmatch(entry.name)
        if match is None and not entry.name.startswith(_UNFINISHED):
            continue
        # Another process may be tidying, too.
        with suppress(OSError):
            about = entry.stat()
            idle = time.time() - max(about.st_atime, about.st_mtime)
            # Unfinished files are of no use.
            most = days * _DAY if match else _DAY
            if idle > most and not (match and {match[1], entry.name} & set(keep)):
                os.unlink(entry.path)
                gone.append(entry.name)
    return gone
