"""Checkpoints of a job: one small file for each part, complete or absent.

An embedding is computed in shards, fixed runs of clips or texts, so that a resumed job forms the same batches
as an uninterrupted one and produces the same bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from jobs.files import replacing

#: Clips in a shard, and seconds of sound: at most twice that is in memory at once.
CLIPS = 32
SECONDS = 480.0


def plan(seconds: Sequence[float]) -> list[range]:
    """Cut clips into shards of at most `CLIPS` clips and, unless one clip is longer, `SECONDS` of sound.

    Parameters
    ----------
    seconds : sequence of float
        Duration of every clip; missing values count as 10 s.

    Examples
    --------
    >>> plan([5.0] * 33)
    [range(0, 32), range(32, 33)]
    >>> plan([300.0, 300.0, 3600.0, 1.0])
    [range(0, 1), range(1, 2), range(2, 3), range(3, 4)]
    """
    shards, start, total = [], 0, 0.0
    for i, value in enumerate(seconds):
        length = float(value) if value is not None and np.isfinite(value) else 10.0
        if i > start and (i - start == CLIPS or total + length > SECONDS):
            shards.append(range(start, i))
            start, total = i, 0.0
        total += length
    if start < len(seconds):
        shards.append(range(start, len(seconds)))
    return shards


def save(path: Path, **arrays: Any) -> None:
    """Write arrays to a temporary file, then rename it, so that an existing file is complete."""
    with replacing(path, sum(np.asarray(a).nbytes for a in arrays.values())) as fresh, fresh.open("wb") as f:
        np.savez(f, allow_pickle=False, **arrays)


def load(path: Path, names: Sequence[str] = ()) -> dict[str, np.ndarray] | None:
    """Read arrays, by default all; None if the file is missing or damaged, as by a power cut."""
    with (
        suppress(OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile),
        np.load(path, allow_pickle=False) as stored,
    ):
        return {name: stored[name] for name in names or stored.files}
    return None
