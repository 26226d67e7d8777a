"""Jobs that judge spaces and maps: baseline classifiers, trustworthiness and continuity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness
from sklearn.metrics import accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.engine.queue import Job
from jobs.specs import Baselines, EmbedAudio, MapQuality, Project
from jobs.tasks.map_quality import curve_sizes
from jobs.workspace.workspace import Workspace


class World:
    """A workspace with a dataset whose classes, folds and space are as given; no sounds."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace.open(root / "workspace")
        self.root = root

    def dataset(self, labels: Sequence[str | None], folds: Sequence[int | None] | None = None) -> None:
        n = len(labels)
        clips = pd.DataFrame(
            {
                "clip_id": [f"clip {i:03d}" for i in range(n)],
                "path": [f"{i}.wav" for i in range(n)],
                "label": pd.Series(labels, dtype=object),
                "fold": pd.array([None] * n if folds is None else list(folds), dtype="Int64"),
            }
        )
        classes = sorted({v for v in labels if v is not None})
        said = hashlib.sha256(repr((list(labels), folds)).encode()).hexdigest()
        imported = Imported(
            clips,
            pd.DataFrame({"label": classes, "family": None, "description": None}),
            pd.DataFrame({"path": [], "status": [], "reason": []}),
            f"{n:064d}",
            said,
        )
        self.now = self.workspace.add_dataset("made", imported, adapter="folder", root=self.root)

    def space(self, X: np.ndarray, rows: np.ndarray | None = None) -> EmbedAudio:
        """Store a space; `rows` of the dataset are in it, all in order unless said otherwise."""
        spec = EmbedAudio(dataset=self.now.ref, encoder="melstats", identity="melstats/made")
        ids = self.now.clips["clip_id"].to_numpy()[np.arange(len(X)) if rows is None else rows]
        with self.workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", X.astype(np.float32))
            w.table("clips", {"clip_id": ids.tolist()})
        return spec

    def baselines(self, space: EmbedAudio, **options: Any) -> Baselines:
        return Baselines(embedding=space, labels=self.now.labels_fingerprint, **options)

    def run(self, spec: Any) -> Job:
        return inprocess.run(self.workspace, spec)

    def log(self, spec: Any) -> str:
        return self.workspace.queue.log(spec.key)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def blobs(n: int = 120, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, list[str], list[int]]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, classes, n)
    X = rng.standard_normal((classes, 6))[codes] + rng.standard_normal((n, 6))
    return X.astype(np.float32), [f"class {c}" for c in codes], rng.integers(1, 4, n).tolist()


def expected(X: np.ndarray, labels: np.ndarray, folds: np.ndarray, k: int = 1) -> dict[str, np.ndarray]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    models = {"knn": KNeighborsClassifier(k, metric="cosine"), "probe": probe}
    X = X.astype(np.float64)
    return {m: cross_val_predict(model, X, labels, cv=PredefinedSplit(folds)) for m, model in models.items()}


def test_baselines_on_the_folds_of_the_dataset_leave_out_clips_without_a_class(world: World) -> None:
    X, labels, folds = blobs()
    labels[7] = None  # type: ignore[call-overload]
    folds[7] = None  # type: ignore[call-overload]
    world.dataset(labels, folds)
    rows = np.random.default_rng(1).permutation(120)[:100]  # a space has its own order and leaves some out
    spec = world.baselines(world.space(X[rows], rows), k=1)
    assert world.run(spec).state == "done"
    artifact = world.workspace.cache.open(spec.key)
    table = artifact.table("predictions").to_pandas()
    assert list(table) == ["clip_id", "label", "fold", "knn", "probe"]
    rows = rows[rows != 7]
    assert table["clip_id"].tolist() == [f"clip {i:03d}" for i in rows]
    truth, used = np.array(labels, object)[rows].astype(str), np.array(folds, object)[rows].astype(int)
    assert table["label"].tolist() == truth.tolist()
    assert table["fold"].tolist() == used.tolist()
    meta = artifact.meta
    assert (meta["n_clips"], meta["n_classes"], meta["k"]) == (len(rows), 4, 1)
    assert (meta["folds"], meta["unseen"]) == ("dataset", 0)
    for method, predictions in expected(X[rows], truth, used).items():
        assert table[method].tolist() == predictions.tolist()
        accuracy = meta["accuracy"][method]
        assert accuracy == pytest.approx(accuracy_score(truth, table[method]), abs=1e-12)
        assert 0.35 < accuracy < 1
        by_fold = meta["accuracy"]["by_fold"][method]
        for fold, value in by_fold.items():
            inside = used == int(fold)
            assert value == pytest.approx(accuracy_score(truth[inside], table[method][inside]), abs=1e-12)
        assert set(by_fold) == {"1", "2", "3"}


@pytest.mark.parametrize("folds", ["none", "one", "some"])
def test_folds_are_drawn_where_the_dataset_has_none(world: World, folds: str) -> None:
    X, labels, own = blobs()
    kinds: dict[str, list[Any] | None] = {"none": None, "one": [3] * 120, "some": [None, *own[1:]]}
    world.dataset(labels, kinds[folds])
    space = world.space(X)
    found = []
    for seed in (0, 1):
        spec = world.baselines(space, seed=seed)
        assert world.run(spec).state == "done"
        artifact = world.workspace.cache.open(spec.key)
        table = artifact.table("predictions").to_pandas()
        assert artifact.meta["folds"] == "drawn"
        counts = pd.crosstab(table["label"], table["fold"])
        assert list(counts) == [1, 2, 3, 4, 5]
        assert (np.ptp(counts.to_numpy(), axis=1) <= 1).all()
        found.append(table["fold"].tolist())
    assert found[0] != found[1]


def test_classes_of_one_clip_cannot_be_predicted_and_the_result_says_how_many(world: World) -> None:
    X, labels, _ = blobs(n=30)
    labels[3], labels[4] = "alone", "alone too"
    world.dataset(labels)
    spec = world.baselines(world.space(X), k=900)
    assert world.run(spec).state == "done"
    artifact = world.workspace.cache.open(spec.key)
    table = artifact.table("predictions").to_pandas()
    assert len(table) == 30
    assert artifact.meta["unseen"] == 2
    assert not (table[["knn", "probe"]].to_numpy()[[3, 4]] == [["alone"], ["alone too"]]).any()
    assert artifact.meta["k"] == 24
    assert "2 of 30 clips are of a class that no other fold has" in world.log(spec)
    assert "k 900 is lowered to 24" in world.log(spec)


def test_one_clip_a_class_is_always_mistaken(world: World) -> None:
    world.dataset(["a", "b"])
    spec = world.baselines(world.space(np.eye(2)))
    assert world.run(spec).state == "done"
    table = world.workspace.cache.open(spec.key).table("predictions").to_pandas()
    assert table["probe"].tolist() == table["knn"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["dog"] * 6, "all its clips with a class are dog"),
        ([None, "dog", None], "all its clips with a class are dog"),
        ([None] * 3, "it has no clip with a class"),
    ],
)
def test_too_few_classes_are_one_sentence(world: World, labels: list[str | None], message: str) -> None:
    world.dataset(labels)
    job = world.run(world.baselines(world.space(np.eye(len(labels)))))
    assert job.state == "failed"
    assert job.error == f"made · melstats cannot be classified: {message}; at least 2 classes are needed."


def test_changed_labels_are_refused(world: World) -> None:
    X, labels, _ = blobs(n=20)
    world.dataset(labels)
    spec = world.baselines(world.space(X))
    world.dataset(labels[::-1])
    job = world.run(spec)
    assert job.state == "failed"
    assert job.error == "The labels of made have changed since this was asked for; ask again."


def test_a_probe_that_has_not_converged_is_in_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels, folds = blobs()
    world.dataset(labels, folds)
    spec = world.baselines(world.space(X))
    monkeypatch.setattr("core.separability.baselines.MOST_STEPS", 2)
    assert world.run(spec).state == "done"
    assert world.log(spec).count("had not converged after 2 steps") == 1


# -- maps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_map_quality_is_that_of_the_map_and_its_space(world: World, metric: str) -> None:
    X, labels, _ = blobs()
    world.dataset(labels)
    map_ = Project(embedding=world.space(X), method="pca", metric=metric)
    spec = MapQuality(map=map_)
    assert world.run(spec).state == "done"  # the graph and the map are made on the way
    artifact = world.workspace.cache.open(spec.key)
    ks, trust, continuity = (artifact.array(n) for n in ("ks", "trustworthiness", "continuity"))
    assert (ks.dtype, trust.dtype, continuity.dtype) == (np.int64, np.float64, np.float64)
    assert ks.tolist() == curve_sizes(120).tolist()
    assert (ks[0], ks[-1]) == (1, 59)
    coords = world.workspace.cache.open(map_.key).array("coords").astype(np.float64)
    X = X.astype(np.float64)
    space = X / np.linalg.norm(X, axis=1, keepdims=True) if metric == "cosine" else X
    for k, t, c in zip(ks.tolist(), trust, continuity, strict=True):
        assert t == pytest.approx(trustworthiness(space, coords, n_neighbors=k), abs=1e-9)
        assert c == pytest.approx(trustworthiness(coords, space, n_neighbors=k), abs=1e-9)
    assert artifact.meta["n_clips"] == 120


def test_the_space_is_made_again_where_only_its_map_is_left(world: World) -> None:
    X, labels, _ = blobs(n=20)
    world.dataset(labels)
    space = world.space(X)
    map_ = Project(embedding=space, method="pca")
    world.run(map_)
    world.workspace.cache.delete(space.key)
    job = world.run(MapQuality(map=map_))
    # There are no sounds here to make it from, which is what its job says.
    assert job.key == space.key
    assert job.state == "failed"


def test_too_few_clips_to_judge_a_map(world: World) -> None:
    world.dataset(["a", "b"])
    map_ = Project(embedding=world.space(np.eye(2)), method="pca")
    job = world.run(MapQuality(map=map_))
    assert job.error == "The PCA map of made · melstats has 2 clips; to be judged it needs at least 3."
    world.dataset(["a", "b", "b"])
    spec = MapQuality(map=Project(embedding=world.space(np.eye(3)), method="pca"))
    assert world.run(spec).state == "done"
    assert world.workspace.cache.open(spec.key).array("ks").tolist() == [1]


@pytest.mark.parametrize("n", [3, 4, 10, 50, 1001, 100_000])
def test_curve_sizes_are_allowed_and_few(n: int) -> None:
    ks = curve_sizes(n)
    assert ks[0] == 1
    assert ks[-1] == min((n - 1) // 2, 500) < n / 2
    assert (np.diff(ks) > 0).all()
    assert len(ks) <= 24
