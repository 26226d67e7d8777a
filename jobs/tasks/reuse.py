"""Reuse embeddings of the same sounds by the same encoder, of another dataset or of this one before a change.

A sound is known by the SHA-256 of its file. Its embedding is taken from another result only where computing
it again would give the same bytes: by the same encoder, on the same kind of device, with the same libraries,
and if a clip's embedding does not depend on the clips beside it (`jobs.encoders.independent`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cache import CacheError
from cache.manifest import library_versions

if TYPE_CHECKING:
    import pandas as pd

    from cache import Artifact
    from jobs.engine.context import JobContext
    from jobs.tasks.embed_audio import EmbedAudio

#: Libraries whose version makes no difference to an embedding.
_NO_PART = ("hearspace", "openTSNE", "umap-learn")


@dataclass(frozen=True)
class Earlier:
    """The embedding of one sound in another result: a row of its arrays."""

    artifact: Artifact
    row: int

    @property
    def frame_level(self) -> bool:
        """Whether the encoder has frames."""
        return "frames.npy" in self.artifact

    def frames(self) -> np.ndarray:
        """Return the frames of the sound, (m, d); its vector, (1, d), where the encoder has none.

        Raises
        ------
        CacheError
            If the other result has been removed meanwhile.
        """
        if not self.frame_level:
            return np.asarray(self.artifact.array("embeddings")[self.row : self.row + 1])
        start, stop = self.artifact.array("offsets")[self.row : self.row + 2]
        return np.asarray(self.artifact.array("frames")[start:stop])


def contents(clips: pd.DataFrame) -> list[str | None]:
    """Return what each clip of a table is known by: the SHA-256 of its file, None where it is not known."""
    if "sha256" not in clips.columns:
        return [None] * len(clips)
    return [value if isinstance(value, str) else None for value in clips["sha256"]]


def clip_table(ids: list[str], sounds: list[str | None]) -> Any:
    """Return the table of the clips of a space: ``clip_id`` and ``sha256``, null where it is not known."""
    import pyarrow as pa

    return pa.table({"clip_id": pa.array(ids, pa.string()), "sha256": pa.array(sounds, pa.string())})


def earlier(
    spec: EmbedAudio, context: JobContext, sounds: list[str | None], device: str
) -> dict[int, Earlier]:
    """Return the embeddings of sounds in other results of the same encoder, by the row of the clip.

    Parameters
    ----------
    spec : EmbedAudio
    context : JobContext
    sounds : list of str or None
        Of each clip of the dataset, by `contents`.
    device : str
        Where the encoder would run.
    """
    cache = context.workspace.cache
    left: dict[str, list[int]] = {}
    for row, sound in enumerate(sounds):
        if sound is not None:
            left.setdefault(sound, []).append(row)
    reused: dict[int, Earlier] = {}
    for info in cache.list(type="EmbedAudio"):
        if not left:
            break
        if info.key == spec.key or not _is_alike(info.spec, info.meta, spec, device):
            continue
        with suppress(CacheError):  # an artifact may be removed at any time
            artifact = cache.open(info.key)
            if _versions(artifact.manifest.get("versions")) != _versions(library_versions()):
                continue
            others = artifact.table("clips", ["sha256"])["sha256"].to_pylist()
            # What is damaged is not spread. To see that, all of it is read: only where it is of use.
            if left.keys().isdisjoint(others) or cache.verify([info.key]):
                continue
            for at, sound in enumerate(others):
                reused |= dict.fromkeys(left.pop(sound, ()), Earlier(artifact, at))
    return reused


def _is_alike(other: dict[str, Any], meta: dict[str, Any], spec: EmbedAudio, device: str) -> bool:
    fields = other.get("fields", {})
    return bool(
        other.get("version") == spec.VERSION
        and fields.get("identity") == spec.identity
        and fields.get("source") is None
        and meta.get("device") == device  # of a result that has the hashes of its sounds
    )


def _versions(stored: Any) -> dict[str, str]:
    """Return the versions of the libraries that can make a difference."""
    return {k: v for k, v in stored.items() if k not in _NO_PART} if isinstance(stored, dict) else {}
