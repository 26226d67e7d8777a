from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from cache import ArtifactStore


def key_of(i: object) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def fill(store: ArtifactStore, i: object, n: int = 10, type: str = "Thing") -> str:
    """Store a small artifact with one file of every kind; return its key."""
    key = key_of(i)
    with store.writer(key, spec={"type": type, "fields": {"i": str(i)}}) as w:
        w.array("x", np.arange(n, dtype=np.float32))
        w.table("t", {"a": [1, 2], "b": ["x", None]})
        w.tensors("w", {"weight": np.eye(2, dtype=np.float32)})
        w.file("audio/note.txt").write_text("hello")
        w.meta["n"] = n
    return key


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache", durable=False)


def leftovers(store: ArtifactStore) -> list[str]:
    tmp = store.root / "tmp"
    return sorted(p.name for p in tmp.iterdir()) if tmp.is_dir() else []
