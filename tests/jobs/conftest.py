"""Small real workspaces: sound files written by NumPy, imported by the real importer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.datasets.importer import import_dataset
from jobs.workspace.workspace import Workspace
from tests.jobs.tones import write_tones


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[..., Workspace]:
    """Return a function that makes a workspace with the dataset ``tones``."""

    def make(**sizes: float) -> Workspace:
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
