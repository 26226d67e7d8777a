"""A small workspace made from the real code: sounds on disk, spaces stored as jobs store them.

The sounds are tones in noise, a pitch a class; the spaces are random features around a centre a class; what
is measured of them is computed by the tasks themselves.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import soundfile as sf

from core.projection import neighborhood_kept, project
from core.splits import ClassSplit
from jobs import encoders
from jobs import presets as measures
from jobs.datasets.importer import Imported
from jobs.engine.execution import RunningJob
from jobs.specs import (
    Agreement,
    EmbedAudio,
    EmbedText,
    Neighbors,
    Project,
    Retrieval,
    RetrievalGrid,
    Spec,
    ZeroShotGrid,
    missing,
)
from jobs.tasks import run_of
from jobs.tasks.embed_audio import Result as Embedded
from jobs.tasks.embed_text import Result as EmbeddedTexts
from jobs.tasks.project import KEPT_KS
from jobs.tasks.project import Result as Mapped
from jobs.tasks.schema import Schema
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset, Workspace

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


def computed(found: Workspace, *specs: Spec) -> None:
    """Compute results and what they need as jobs do, in this process and without the queue."""
    for spec in specs:
        for step in missing(spec, found.cache.contains):
            step.store(found.cache, result_of(found, step))


def result_of(found: Workspace, spec: Spec) -> Schema:
    """Compute a result whose inputs exist; no job is left in the queue."""
    folder = found.queue.folder(spec.key)
    was_asked = folder.exists()
    result = run_of(spec)(spec, RunningJob(found, spec))
    assert result is not None
    if not was_asked:
        shutil.rmtree(folder)
    return result


def store_space(
    found: Workspace, spec: EmbedAudio, X: np.ndarray, clip_ids: list[str], frames: np.ndarray | None = None
) -> None:
    """Store a space under its key, as embedding does; `frames` are (n, m, d), as many of every clip."""
    m = 0 if frames is None else frames.shape[1]
    result = Embedded(
        embeddings=X.astype(np.float32),
        clips={"clip_id": clip_ids},
        excluded={"clip_id": [], "reason": []},
        frames=None if frames is None else frames.reshape(-1, frames.shape[2]),
        offsets=None if frames is None else m * np.arange(len(X) + 1),
        dataset=spec.dataset.name,
        encoder=spec.encoder,
        identity=spec.identity,
        n_clips=len(X),
        n_excluded=0,
        n_frames=None if frames is None else m * len(X),
        dimensions=X.shape[1],
        frame_level=frames is not None,
        card=_card(spec.encoder),
    )
    spec.store(found.cache, result)


def _card(encoder: str) -> dict[str, Any]:
    """Return an encoder's card, as embedding stores it; an empty one for a name that no encoder has."""
    try:
        return asdict(encoders.card(encoder))
    except encoders.UnknownEncoder:
        return {}


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
    store_space(found, spec, X, clips["clip_id"].tolist())
    computed(found, Neighbors(embedding=spec))
    return spec


def map_of(found: Workspace, embedding: EmbedAudio, method: str = "tsne", *, judged: bool = True) -> Project:
    """Write a map under the key of `method`; its coordinates are PCA's, which is quick."""
    spec = Project(embedding=embedding, method=method)
    assert spec.neighbors is not None
    X, indices = embedding.read(found.cache).embeddings, spec.neighbors.read(found.cache).indices
    coords = project(X, "pca").astype(np.float32)
    ks = np.asarray([k for k in KEPT_KS if k <= indices.shape[1]], np.int64)
    if judged:
        kept = neighborhood_kept(indices, coords, ks)
    else:
        kept = np.random.default_rng(0).random((len(X), len(ks)))
    result = Mapped(
        coords=coords, kept=kept.astype(np.float32), kept_ks=ks, n_clips=len(X), method=method, lowered={}
    )
    spec.store(found.cache, result)
    return spec


def small(root: Path) -> Workspace:
    """Make the workspace that most tests look at: two spaces with maps, two without."""
    found, dataset = workspace(root)
    for i, encoder in enumerate(("aisfx", "melstats")):
        map_of(found, space(found, dataset, encoder, seed=i, spread=0.7 + 0.5 * i))
    return found


def texts_space(found: Workspace, dataset: Dataset, *, seed: int = 0, d: int = 16) -> EmbedText:
    """Store a space of the names of the classes, at random."""
    n = len(texts_of(dataset, "label"))
    return store_texts(found, dataset, np.random.default_rng(seed).normal(size=(n, d)))


def store_texts(found: Workspace, dataset: Dataset, X: np.ndarray) -> EmbedText:
    """Store a space of the names of the classes."""
    texts = texts_of(dataset, "label")
    spec = EmbedText(
        dataset=dataset.ref, texts=texts_fingerprint(texts), encoder="minilm", identity="minilm/test"
    )
    result = EmbeddedTexts(
        embeddings=X.astype(np.float32),
        texts=texts,
        dataset=dataset.name,
        encoder=spec.encoder,
        identity=spec.identity,
        of=spec.of,
        n_texts=len(texts),
        dimensions=X.shape[1],
    )
    spec.store(found.cache, result)
    return spec


def agreement_of(
    found: Workspace,
    dataset: Dataset,
    a: EmbedAudio | EmbedText,
    b: EmbedAudio | EmbedText,
    of: str = "clips",
    *,
    permutations: int = 20,
) -> Agreement:
    """Compute the agreement of two spaces with few shuffled pairings, under the key of the usual number."""
    labels = dataset.labels_fingerprint if of == "classes" else ""
    spec = Agreement(a=a, b=b, of=of, labels=labels, permutations=measures.PAIRINGS[of])
    spec.store(found.cache, result_of(found, replace(spec, permutations=permutations)))
    return spec


def agreeing(root: Path, *, sounds: bool = True, per_class: int = 15) -> Workspace:
    """Make a workspace of three spaces of sounds and one of texts, all compared: by clips and by classes."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    audio = [
        space(found, dataset, encoder, seed=i, spread=0.7 + 0.5 * i)
        for i, encoder in enumerate(("aisfx", "handcrafted", "melstats"))
    ]
    texts = texts_space(found, dataset)
    for a, b in combinations(audio, 2):
        agreement_of(found, dataset, a, b)
    for x, y in combinations([*audio, texts], 2):
        agreement_of(found, dataset, x, y, "classes")
    return found


def measures_of(found: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Spec]:
    """Compute what is measured of a space."""
    specs = measures.of_space(dataset, embedding)
    computed(found, *specs)
    return specs


def retrieved(
    found: Workspace, dataset: Dataset, embedding: EmbedAudio, *, by: str = "label", count_query: bool = True
) -> Retrieval:
    """Judge the retrieval of a space as a job does, in this process."""
    asked = measures.of_retrieval(dataset, embedding, count_query=count_query)
    spec = next(s for s in asked if s.by == by)
    computed(found, spec)
    return spec


def systems_of(found: Workspace, dataset: Dataset, embedding: EmbedAudio) -> RetrievalGrid:
    """Judge every system of a space as a job does, in this process."""
    spec = RetrievalGrid(embedding=embedding, labels=dataset.labels_fingerprint)
    computed(found, spec)
    return spec


def framed(found: Workspace, dataset: Dataset, encoder: str, *, seed: int, d: int = 8) -> EmbedAudio:
    """Write a space whose clips have three frames each, spread around a centre a class."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
    rng = np.random.default_rng(seed)
    codes = dataset.clips["label"].astype("category").cat.codes.to_numpy()
    centres = rng.normal(size=(codes.max() + 1, d))
    frames = (centres[codes][:, None] + rng.normal(size=(len(codes), 3, d))).astype(np.float32)
    store_space(found, spec, frames.mean(axis=1), dataset.clips["clip_id"].tolist(), frames)
    return spec


def retrieving(root: Path, *, sounds: bool = True, per_class: int = 12) -> Workspace:
    """Make a workspace of three spaces, two of them judged, one of those by every system."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    for i, encoder in enumerate(("aisfx", "melstats")):
        retrieved(
            found, dataset, space(found, dataset, encoder, seed=i, spread=0.9 + 0.6 * i, d=120 if i else 16)
        )
    spec = framed(found, dataset, "handcrafted", seed=2)
    systems_of(found, dataset, spec)
    return found


def credited(found: Workspace, dataset: Dataset) -> Dataset:
    """Say in the clip table whose sounds these are, and what files hold, so that they can be embedded."""
    clips = dataset.clips.copy()
    files = [dataset.root / path for path in clips["path"]]
    if all(f.exists() for f in files):
        clips["sha256"] = [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
    clips["author"] = [f"recordist {i}" for i in range(len(clips))]
    clips["license"] = "CC BY 4.0"
    clips["url"] = [f"https://example.org/{i}" if i % 2 else None for i in range(len(clips))]
    imported = Imported(
        clips, dataset.classes, dataset.report, dataset.fingerprint, dataset.labels_fingerprint
    )
    return found.add_dataset(dataset.name, imported, adapter="folder", root=dataset.root)


def listening(root: Path, *, sounds: bool = True, per_class: int = 15) -> Workspace:
    """Make a workspace of four spaces, one of them the untrained control; two can be reduced to 100."""
    found, dataset = workspace(root, sounds=sounds, per_class=per_class)
    dataset = credited(found, dataset)
    for i, (encoder, d) in enumerate(
        (("aisfx", 128), ("handcrafted", 32), ("melstats", 110), ("random-cnn", 16))
    ):
        space(found, dataset, encoder, seed=i, spread=0.7 + i, d=d)
    return found


def zero_shot_of(found: Workspace, spec: ZeroShotGrid, *, fails: int = 0) -> ZeroShotGrid:
    """Train a grid as a job does, in this process; the last `fails` models fail."""
    from core.zeroshot import train_many

    def train(splits: Sequence[ClassSplit], *given: Any, **options: Any) -> list[Any]:
        models = train_many(splits, *given, **options)
        return [fail(m) if i >= len(models) - fails else m for i, m in enumerate(models)]

    def fail(model: Any) -> Any:
        why = f"The loss was no longer a number in epoch 1 (seed {model.seed})."
        curves = {name: np.full_like(curve, np.nan) for name, curve in model.curves.items()}
        return replace(model, tests=(), validation=(), curves=curves, weights={}, best_epoch=0, failed=why)

    with patch("core.zeroshot.train_many", train):
        spec.store(found.cache, result_of(found, spec))
    return spec


def zero_shot_spaces(root: Path, *, sounds: bool = True, per_class: int = 6) -> Workspace:
    """Make a workspace of 24 classes in three groups with two spaces of sounds and one of texts."""
    groups = ("Animals", "Nature", "Things")
    classes = {f"{group.rstrip('s')} {chr(65 + i)}": group for group in groups for i in range(8)}
    found, dataset = workspace(root, sounds=sounds, per_class=per_class, classes=classes)
    rng = np.random.default_rng(5)
    d = 16
    middle = {group: 2 * rng.normal(size=d) for group in groups}
    labels = dataset.clips["label"]
    named = zip(dict.fromkeys(labels), classes.values(), strict=True)
    centre = {name: middle[group] + rng.normal(size=d) for name, group in named}
    for encoder in ("aisfx", "melstats"):
        spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
        X = np.array([centre[name] for name in labels]) + 0.5 * rng.normal(size=(len(labels), d))
        store_space(found, spec, X, dataset.clips["clip_id"].tolist())
    texts_space(found, dataset)
    return found


def zero_shot_grid(found: Workspace, setup: str, **options: Any) -> ZeroShotGrid:
    """Return the spec of a small grid of either setup on the first space of `zero_shot_spaces`."""
    dataset = found.dataset("small")
    varied = {"diversity": {"n_ranges": 3, "n_test_sets": 2}, "similarity": {"ratios": (1.0, 0.5, 0.0)}}
    usual = {"n_train": 4, "n_validation": 1, "n_test": 3, "seeds": 4, "epochs": 5, "learning_rate": 0.05}
    return ZeroShotGrid(
        embedding=EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="aisfx/test"),
        text=found.text_spaces(dataset)[0].spec,
        labels=dataset.labels_fingerprint,
        setup=setup,
        **usual | {"hidden": 8, "shared": 16} | varied.get(setup, {}) | options,
    )


def zero_shot(root: Path, *, sounds: bool = True, per_class: int = 6) -> Workspace:
    """Make the workspace of `zero_shot_spaces` with a trained grid of either setup; one model has failed."""
    found = zero_shot_spaces(root, sounds=sounds, per_class=per_class)
    zero_shot_of(found, zero_shot_grid(found, "diversity"))
    zero_shot_of(found, zero_shot_grid(found, "similarity"), fails=1)
    return found
