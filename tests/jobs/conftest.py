"""Small real workspaces: sound files written by NumPy, imported by the real importer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from jobs.datasets.importer import import_dataset
from jobs.workspace import Workspace

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


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[..., Workspace]:
    """Return a function that makes a workspace with the dataset ``tones``."""

    def make(**sizes: int) -> Workspace:
        root = write_tones(tmp_path / "sounds", **sizes)
        workspace = Workspace.open(tmp_path / "workspace")
        imported = import_dataset("folder", root, options={})
        workspace.add_dataset("tones", imported, adapter="folder", root=root)
        return workspace

    return make


@pytest.fixture
def workspace(make_workspace: Callable[..., Workspace]) -> Workspace:
    """A workspace with 24 clips in 4 classes."""
    return make_workspace()
