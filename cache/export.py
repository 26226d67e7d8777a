"""Export of artifacts from the cache, with verification."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

from cache.artifact import Artifact
from cache.errors import CacheError, CorruptArtifact, writing
from cache.names import MANIFEST

#: Files that are compressed already.
_COMPRESSED = {".flac", ".ogg", ".opus", ".mp3", ".m4a", ".parquet", ".png", ".jpg", ".jpeg", ".webp", ".pdf"}


def export(artifact: Artifact, target: str | os.PathLike[str]) -> Path:
    """Copy all files and the manifest of an artifact to a new folder, or to a ``.zip`` file.

    Parameters
    ----------
    artifact : Artifact
    target : path
        Ends in ``.zip`` for an archive. It must not exist, except as an empty folder.

    Returns
    -------
    Path
        The target, complete.

    Raises
    ------
    CacheError
        If the target exists or cannot be written. `CorruptArtifact` if a file is not what was written; then
        nothing is left at the target.
    """
    goal = Path(target).expanduser().absolute()
    if goal.exists() and not (goal.is_dir() and goal.suffix.lower() != ".zip" and not any(goal.iterdir())):
        raise CacheError(f"{goal} exists; give a new name, or an empty folder.")
    if goal.is_relative_to(artifact.path):
        raise CacheError(f"{goal} lies inside the artifact; export to another place.")
    part = goal.with_name(f".{goal.name}.{os.urandom(4).hex()}")
    with writing(goal.name, goal.parent):
        goal.parent.mkdir(parents=True, exist_ok=True)
        try:
            if goal.suffix.lower() == ".zip":
                _to_zip(artifact, part)
            else:
                _to_folder(artifact, part)
            os.replace(part, goal)
        finally:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
    return goal


def _to_folder(artifact: Artifact, folder: Path) -> None:
    for name in (*artifact.names(), MANIFEST):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as out:
            _copy(artifact, name, out)


def _to_zip(artifact: Artifact, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in (*artifact.names(), MANIFEST):
            info = zipfile.ZipInfo.from_file(artifact.path / name, name)
            info.external_attr = 0o644 << 16
            packed = Path(name).suffix.lower() in _COMPRESSED
            info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as out:
                _copy(artifact, name, out)


def _copy(artifact: Artifact, name: str, out: IO[bytes]) -> None:
    path = artifact.path / MANIFEST if name == MANIFEST else artifact.file(name)
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
            out.write(block)
    expected: Any = artifact.manifest["files"].get(name, {}).get("sha256")
    if expected is not None and digest.hexdigest() != expected:
        what = f"{name} in artifact {artifact.key[:12]}…"
        raise CorruptArtifact.of(what, "is damaged (the checksum differs)")
