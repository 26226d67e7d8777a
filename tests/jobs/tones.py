"""Small sound files with known classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16_000


def write_tones(root: Path, n_clips: int = 24, n_classes: int = 4, seconds: float = 0.5) -> Path:
    """Write a class a folder: noisy tones, each class at its own pitch, deterministic."""
    rng = np.random.default_rng(0)
    t = np.arange(int(RATE * seconds)) / RATE
    for i in range(n_clips):
        folder = root / f"tone {i % n_classes}"
        folder.mkdir(parents=True, exist_ok=True)
        pitch = 220 * 1.5 ** (i % n_classes) * (1 + 0.02 * rng.standard_normal())
        x = 0.3 * np.sin(2 * np.pi * pitch * t) + 0.02 * rng.standard_normal(len(t))
        sf.write(root / f"tone {i % n_classes}" / f"{i:04d}.wav", x.astype(np.float32), RATE)
    return root
