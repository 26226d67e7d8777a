"""Verification of artifacts: every byte against its checksum."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, NamedTuple

from cache import manifest as manifests
from cache.artifact import misfit
from cache.errors import CacheError, CorruptArtifact
from cache.names import MANIFEST


class Problem(NamedTuple):
    """A problem with a file of an artifact; `file` is empty for the artifact itself."""

    key: str
    file: str
    reason: str
    #: False for a file that could not be read now and may be intact, for example without permission.
    damaged: bool = True


def problems(folder: Path, key: str) -> list[Problem]:
    """Read a whole artifact and list its problems; none for an artifact that was just removed.

    An artifact that was replaced while it was read is read again: what was read may be half of either.
    """
    while True:
        before = _identity(folder)
        problems = _problems(folder, key)
        if not problems or before is None:
            return []
        if before == _identity(folder):
            return problems


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _problems(folder: Path, key: str) -> list[Problem]:
    try:
        manifest = manifests.read(folder, key)
    except FileNotFoundError:
        return [Problem(key, MANIFEST, "it is missing")]
    except CacheError as error:
        return [Problem(key, MANIFEST, str(error), damaged=isinstance(error, CorruptArtifact))]
    good = manifest.get("checksum") == manifests.checksum(manifest)
    problems = [] if good else [Problem(key, MANIFEST, _CHANGED)]
    listed = manifest["files"]
    problems += [p for name, entry in listed.items() if (p := _file_problem(folder, key, name, entry))]
    extra = sorted(set(manifests.file_names(folder)) - set(listed))
    return problems + [Problem(key, name, "it is not in the manifest") for name in extra]


def _file_problem(folder: Path, key: str, name: str, entry: dict[str, Any]) -> Problem | None:
    try:
        reason = misfit(folder, name, entry["size"])
        if reason is None and manifests.sha256(folder / name) != entry.get("sha256"):
            reason = _CHANGED
    except OSError as error:
        # Only EIO means that the disk lost data.
        return Problem(key, name, f"it cannot be read: {error.strerror}", damaged=error.errno == errno.EIO)
    return Problem(key, name, reason) if reason else None


_CHANGED = "its contents are not what was written: the checksum differs"
