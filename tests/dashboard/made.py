"""A small workspace made from the real code: sounds on disk, spaces and maps written through the cache.

The sounds are tones in noise, a pitch a class; the spaces are random features around a centre a class; their
neighbours and maps are computed by `core` and stored under the true keys, as jobs would.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from core.neighbors import knn
from core.projection import neighborhood_kept, project
from jobs.datasets.importer import Imported
from jobs.specs import EmbedAudio, Neighbors, Project
from jobs.workspace import Dataset, Workspace

CLASSES = {
    "Dog bark": "Animals",
    "Rooster": "Animals",
    "Crow": "Animals",
    "Rain": "Nature",
    "Sea waves": "Nature",
    "Crackling fire": "Nature",
    "Helicopter": "Things",
    "Chainsaw": "Things",
}
RATE = 16_000
KEPT_KS = (5, 10, 15, 30, 50, 100)


def workspace(
    root: Path, *, per_class: int = 15, classes: dict[str, str] | None = None, sounds: bool = True
) -> tuple[Workspace, Dataset]:
    """Make a workspace with the dataset ``small``."""
    found = Workspace.open(root / "workspace")
    home = root / "sounds"
    rng = np.random.default_rng(0)
    rows = []
    for c, (label, family) in enumerate((classes or CLASSES).items()):
        for i in range(per_class):
            path = f"{label}/take {i:03d}.wav"
            rows.append(
                {
                    "clip_id": f"{label.lower().replace(' ', '-')}__take-{i:03d}",
                    "path": path,
                    "label": label,
                    "labels": [label],
                    "family": family,
                    "fold": i % 5 + 1,
                    "caption": None,
                    "duration": 1.5,
                    "sample_rate": RATE,
                    "channels": 1,
                    "sha256": hashlib.sha256(path.encode()).hexdigest(),
                    "loudness": float(rng.normal()),
                }
            )
            if sounds:
                (home / label).mkdir(parents=True, exist_ok=True)
                t = np.arange(int(1.5 * RATE)) / RATE
                tone = np.sin(2 * np.pi * 150 * 2 ** (c / 3) * t * (1 + 0.02 * i)) * np.exp(-2 * (t % 0.5))
                sf.write(home / path, (0.3 * tone + 0.02 * rng.normal(size=len(t))).astype(np.float32), RATE)
    home.mkdir(parents=True, exist_ok=True)
    clips = pd.DataFrame(rows)
    clips["fold"] = clips["fold"].astype("Int64")
    about = pd.DataFrame(
        {
            "label": list(classes or CLASSES),
            "family": list((classes or CLASSES).values()),
            "description": None,
        }
    )
    report = pd.DataFrame(
        {"path": ["Rain/empty.wav"], "status": ["left out"], "reason": ["the file holds no samples"]}
    )
    fingerprint = hashlib.sha256("".join(clips["clip_id"]).encode()).hexdigest()
    imported = Imported(clips, about, report, fingerprint, fingerprint)
    return found, found.add_dataset("small", imported, adapter="folder", root=home)


def space(
    found: Workspace, dataset: Dataset, encoder: str, *, seed: int, spread: float, d: int = 32
) -> EmbedAudio:
    """Write a space of the dataset and its neighbours."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
    rng = np.random.default_rng(seed)
    clips = dataset.clips
    codes = clips["label"].astype("category").cat.codes.to_numpy()
    centres = rng.normal(size=(codes.max() + 1, d))
    X = (centres[codes] + spread * rng.normal(size=(len(clips), d))).astype(np.float32)
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", X)
        w.table("clips", {"clip_id": clips["clip_id"].tolist()})
        w.table("excluded", {"clip_id": pd.Series([], dtype=str), "reason": pd.Series([], dtype=str)})
    graph = Neighbors(embedding=spec)
    indices, distances = knn(X, min(graph.k, len(X) - 1))
    with found.cache.writer(graph.key, spec=graph.to_json()) as w:
        w.array("indices", indices.astype(np.int32))
        w.array("distances", distances.astype(np.float32))
    return spec


def map_of(found: Workspace, embedding: EmbedAudio, method: str = "tsne", *, judged: bool = True) -> Project:
    """Write a map under the key of `method`; its coordinates are PCA's, which is quick."""
    spec = Project(embedding=embedding, method=method)
    assert spec.neighbors is not None
    X = np.asarray(found.cache.open(embedding.key).array("embeddings"))
    indices = np.asarray(found.cache.open(spec.neighbors.key).array("indices"))
    coords = project(X, "pca").astype(np.float32)
    ks = np.asarray([k for k in KEPT_KS if k <= indices.shape[1]], np.int64)
    if judged:
        kept = neighborhood_kept(indices, coords, ks)
    else:
        kept = np.random.default_rng(0).random((len(X), len(ks)))
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("coords", coords)
        w.array("kept", kept.astype(np.float32))
        w.array("kept_ks", ks)
    return spec


def small(root: Path) -> Workspace:
    """Make the workspace that most tests look at: two spaces with maps, two without."""
    found, dataset = workspace(root)
    for i, encoder in enumerate(("aisfx", "melstats")):
        map_of(found, space(found, dataset, encoder, seed=i, spread=0.7 + 0.5 * i))
    return found
