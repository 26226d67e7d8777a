"""Spaces without sounds: datasets with labels and folds as given, and embeddings of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.engine.queue import Job
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Workspace


class Made:
    """A workspace with datasets of the same sounds, with labels as given, and one space of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace.open(root / "workspace")
        self.labels = ""

    def dataset(
        self,
        labels: Sequence[str | None],
        folds: Sequence[int | None] | None = None,
        *,
        lists: list[list[str]] | None = None,
        name: str = "made",
    ) -> None:
        """Add a dataset; `labels` becomes the fingerprint of its labels."""
        n = len(labels)
        clips = pd.DataFrame(
            {
                "clip_id": [f"clip {i:03d}" for i in range(n)],
                "path": [f"{i}.wav" for i in range(n)],
                "label": pd.Series(labels, dtype=object),
            }
        )
        if folds is not None:
            clips["fold"] = pd.array(list(folds), dtype="Int64")
        if lists is not None:
            clips["labels"] = pd.Series(lists, dtype=object)
        classes = sorted({v for v in labels if v is not None})
        about = pd.DataFrame({"label": classes, "family": None, "description": None})
        report = pd.DataFrame({"path": [], "status": [], "reason": []})
        self.labels = hashlib.sha256(repr((list(labels), folds, lists)).encode()).hexdigest()
        imported = Imported(clips, about, report, f"{n:064d}", self.labels)
        self.workspace.add_dataset(name, imported, adapter="folder", root=self.root)

    def space(self, X: np.ndarray, rows: Sequence[int] | None = None) -> EmbedAudio:
        """Store a space; `rows` of the dataset are in it, in that order, by default the first ones."""
        dataset = self.workspace.dataset("made")
        spec = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/made")
        ids = dataset.clips["clip_id"].to_numpy()[np.arange(len(X)) if rows is None else list(rows)]
        with self.workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", np.asarray(X, np.float32))
            w.table("clips", {"clip_id": ids.tolist()})
        return spec

    def job(self, spec: Any) -> Job:
        """Run a spec as a job."""
        return inprocess.run(self.workspace, spec)

    def run(self, spec: Any) -> Any:
        """Run a spec as a job that must not fail; return its result."""
        job = self.job(spec)
        assert job.state == "done", job.error
        return spec.read(self.workspace.cache)

    def measure(self, task: Any, labels: Sequence[str | None], X: np.ndarray, **options: Any) -> Any:
        """Return the result of a task for one space of a dataset with these labels."""
        self.dataset(labels)
        return self.run(task(embedding=self.space(X), labels=self.labels, **options))

    def log(self, spec: Any) -> str:
        """Return the log of a job."""
        return self.workspace.queue.log(spec.key)


def blobs(n: int, classes: int, d: int = 6, spread: float = 0.7) -> tuple[np.ndarray, list[Any]]:
    """Return points around a centre for each class, and their labels."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, classes, n)
    X = rng.standard_normal((classes, d))[codes] + spread * rng.standard_normal((n, d))
    return X.astype(np.float32), [f"class {c}" for c in codes]
