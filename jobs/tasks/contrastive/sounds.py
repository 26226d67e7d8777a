"""The clips of a dataset in one file at one sample rate, so that crops of any are read without decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engine import shards
from jobs.tasks.embed_audio import decoded_shards

_INDEX = ("starts", "lengths", "scales", "reasons")
_FULL = 32_767


class StoredSounds:
    """Mono recordings in one file of 16-bit samples, each scaled to its own peak: `core.contrastive.Sounds`.

    `starts` and `lengths` are in samples, (n,); a recording that could not be read has length 0. Its samples
    are multiplied by its scale.
    """

    def __init__(
        self, path: Path, sample_rate: int, starts: np.ndarray, lengths: np.ndarray, scales: np.ndarray
    ) -> None:
        self.sample_rate, self.lengths = sample_rate, lengths
        self._starts, self._scales = starts, scales
        self._samples = np.memmap(path, np.int16, mode="r") if lengths.any() else np.empty(0, dtype=np.int16)

    def crop(self, rows: np.ndarray, starts: np.ndarray, n_samples: int) -> np.ndarray:
        """Return `n_samples` of each recording from `starts` on, zeros after its end: (b, n_samples)."""
        crops = np.zeros((len(rows), n_samples), dtype=np.float32)
        for crop, row, start in zip(crops, rows, starts, strict=True):
            begin, end = self._starts[row] + start, self._starts[row] + self.lengths[row]
            part = self._samples[begin : min(begin + n_samples, end)]
            np.multiply(part, self._scales[row], out=crop[: len(part)], casting="unsafe")
        return crops


def stored_sounds(
    dataset: Any, folder: Path, sample_rate: int, progress: Callable[[int, int], object]
) -> tuple[StoredSounds, dict[int, str]]:
    """Decode every clip of a dataset once into a file in a folder; go on after what the file already holds.

    `progress` is called with clips done and to do. Returned are the sounds in the order of the dataset, and
    the reasons why clips, by row, could not be read.
    """
    clips = dataset.clips
    ids = [str(id) for id in clips["clip_id"]]
    n = len(ids)
    path, index = folder / "sounds.s16", folder / "sounds.npz"
    kept = shards.load(index, _INDEX) if path.exists() else None
    parts = shards.plan(list(clips["duration"]) if "duration" in clips else [np.nan] * n)
    starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int64)
    scales, reasons, done = np.zeros(n, np.float32), [""] * n, 0
    if kept is not None and path.stat().st_size >= 2 * int(kept["lengths"].sum()):
        done = len(kept["starts"])
        starts[:done], lengths[:done], scales[:done] = kept["starts"], kept["lengths"], kept["scales"]
        reasons[:done] = [str(reason) for reason in kept["reasons"]]
    todo = [part for part in parts if part.start >= done]
    at = int(lengths.sum())
    with open(path, "r+b" if done else "wb") as file:
        # What was written after the index last was is written again.
        file.truncate(2 * at)
        file.seek(2 * at)
        wanted = [[ids[row] for row in part] for part in todo]
        for part, decoded in zip(todo, decoded_shards(dataset, wanted, sample_rate), strict=True):
            for row, x in zip(part, decoded, strict=True):
                if isinstance(x, str):
                    reasons[row] = x
                    continue
                peak = float(np.abs(x).max(initial=0.0))
                scales[row] = peak / _FULL
                file.write(np.round(x / (scales[row] or 1)).astype("<i2").tobytes())
                starts[row], lengths[row] = at, len(x)
                at += len(x)
            file.flush()
            end = part.stop
            shards.save(
                index,
                starts=starts[:end],
                lengths=lengths[:end],
                scales=scales[:end],
                reasons=np.array(reasons[:end], np.str_),
            )
            progress(end, n)
    sounds = StoredSounds(path, sample_rate, starts, lengths, scales)
    return sounds, {row: reason for row, reason in enumerate(reasons) if reason}
