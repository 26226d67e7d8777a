"""Small sounds in many formats, and what a bad disk or script makes of them: the same for the same seed."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.jobs.bad_audio import tone, write_m4a

RATE = 8_000
#: Container, encoding and channels of what is mutated.
KINDS = (
    ("WAV", "PCM_16", 1), ("WAV", "FLOAT", 2), ("WAV", "IMA_ADPCM", 1), ("WAVEX", "PCM_24", 2),
    ("FLAC", "PCM_16", 1), ("FLAC", "PCM_24", 2), ("OGG", "VORBIS", 1), ("OGG", "OPUS", 1),
    ("MP3", "MPEG_LAYER_III", 1), ("CAF", "PCM_16", 1), ("CAF", "ALAC_16", 2), ("AIFF", "PCM_16", 1),
    ("AU", "PCM_16", 2), ("W64", "PCM_16", 1), ("RF64", "PCM_16", 1),
)  # fmt: skip
_SUFFIXES = {"WAVEX": "wav", "RF64": "wav"}


def sound(container: str, subtype: str, channels: int, seconds: float = 0.12) -> bytes:
    """Return a tone as a file."""
    target = io.BytesIO()
    x = np.stack([tone(seconds, RATE, 440 + 10 * c) for c in range(channels)], axis=1)
    sf.write(target, x, RATE, format=container, subtype=subtype)
    return target.getvalue()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the content of a file with one to three things wrong, more often near its beginning."""
    for _ in range(rng.integers(1, 4)):
        n = len(data)
        at = int(rng.integers(0, min(n, 120) if rng.random() < 0.7 else n)) if n else 0
        length = int(rng.integers(1, 9))
        kind = rng.integers(0, 7)
        if kind == 0 and n:  # a bit
            data = data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
        elif kind == 1:  # the end is missing
            data = data[: int(rng.integers(0, n + 1))]
        elif kind == 2:
            data = data[:at] + rng.bytes(length) + data[at + length :]
        elif kind == 3:
            data = data[:at] + b"\xff" * length + data[at + length :]
        elif kind == 4:
            data = data[:at] + bytes(length) + data[at + length :]
        elif kind == 5:
            data = data[:at] + data[at + length :]
        else:
            data = data[:at] + data[at : at + 40] + rng.bytes(length) + data[at:]
    return data


def write_mutated(folder: Path, n: int, seed: int = 0) -> list[str]:
    """Write n mutated sounds into a folder and return their names."""
    sounds = {f"{_SUFFIXES.get(k[0], k[0].lower())}-{i}": sound(*k) for i, k in enumerate(KINDS)}
    if importlib.util.find_spec("av"):
        write_m4a(folder / "a.m4a", tone(0.12, RATE), RATE)
        sounds["m4a-0"] = (folder / "a.m4a").read_bytes()
        (folder / "a.m4a").unlink()
    rng = np.random.default_rng(seed)
    names = []
    for i in range(n):
        kind = list(sounds)[i % len(sounds)]
        name = f"{i:04d}.{kind.split('-')[0]}"
        (folder / name).write_bytes(mutated(sounds[kind], rng))
        names.append(name)
    return names
