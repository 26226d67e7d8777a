"""Sounds that a page was given as a query: ``<workspace>/uploads/<SHA-256><ending>``, one file a content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path, PurePath

#: Largest file that is taken, in bytes, and in words.
MAX_BYTES = 50 * 2**20
MAX_TEXT = f"{MAX_BYTES // 2**20} MB"


class UploadError(ValueError):
    """A file is not taken as a query; the message says why and what to do."""


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
        What `jobs.specs.EmbedQuery` asks for.

    Raises
    ------
    UploadError
        For an empty or too large file, or an ending that is no sound's.
    """
    from jobs.audio import SUFFIXES

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
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".upload-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return upload, suffix


def path(root: Path, upload: str, suffix: str) -> Path:
    """Return where an upload is kept in the workspace `root`."""
    return root / "uploads" / f"{upload}{suffix}"
