"""Whether artifacts are what was written: every byte against its checksum."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cache import manifest as manifests
from cache.artifact import misfit
from cache.errors import CorruptArtifact
from cache.names import MANIFEST


class Problem(NamedTuple):
    """One thing wrong with one file of an artifact; `file` is empty for the artifact as such."""

    key: str
    file: str
    reason: str


def problems(folder: Path, key: str) -> list[Problem]:
    """Read a whole artifact and list what is wrong with it; nothing is wrong with one just removed."""
    try:
        manifest = manifests.read(folder, key)
        found = [] if manifest.get("checksum") == manifests.checksum(manifest) else [_CHANGED]
        listed = manifest["files"]
    except FileNotFoundError:
        found, listed = [(MANIFEST, "it is missing")], {}
    except CorruptArtifact as error:
        found, listed = [(MANIFEST, str(error))], {}
    else:
        for name, entry in listed.items():
            reason = misfit(folder, name, entry["size"])
            if reason is None:
                try:
                    if manifests.sha256(folder / name) != entry["sha256"]:
                        reason = "its contents are not what was written: the checksum differs"
                except OSError as error:
                    reason = f"it cannot be read: {error.strerror}"
            if reason:
                found.append((name, reason))
        extra = sorted(set(manifests.file_names(folder)) - set(listed))
        found += [(name, "it is not in the manifest") for name in extra]
    return [Problem(key, name, reason) for name, reason in found] if folder.is_dir() else []


_CHANGED = (MANIFEST, "its contents are not what was written: the checksum differs")
