"""Jobs that judge spaces and maps: baseline classifiers, trustworthiness and continuity."""

from __future__ import annotations

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

from jobs.specs import Baselines, EmbedAudio, MapQuality, Project
from jobs.tasks.map_quality import curve_sizes
from tests.jobs import made_spaces
from tests.jobs.made_spaces import Made


@pytest.fixture
def world(tmp_path: Path) -> Made:
    return Made(tmp_path)


def blobs(n: int = 120) -> tuple[np.ndarray, list[Any], list[Any]]:
    return *made_spaces.blobs(n, 4, spread=1.0), np.random.default_rng(5).integers(1, 4, n).tolist()


def baselines(world: Made, space: EmbedAudio, **options: Any) -> Baselines:
    return Baselines(embedding=space, labels=world.labels, **options)


def expected(X: np.ndarray, labels: np.ndarray, folds: np.ndarray, k: int = 1) -> dict[str, np.ndarray]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    models = {"knn": KNeighborsClassifier(k, metric="cosine"), "probe": probe}
    X = X.astype(np.float64)
    return {m: cross_val_predict(model, X, labels, cv=PredefinedSplit(folds)) for m, model in models.items()}


def test_baselines_on_the_folds_of_the_dataset_leave_out_clips_without_a_class(world: Made) -> None:
    X, labels, folds = blobs()
    labels[7] = folds[7] = None
    world.dataset(labels, folds)
    rows = np.random.default_rng(1).permutation(120)[:100]  # a space has its own order and leaves some out
    spec = baselines(world, world.space(X[rows], rows), k=1)
    result = world.run(spec)
    table = result.predictions.to_pandas()
    assert list(table) == ["clip_id", "label", "fold", "knn", "probe"]
    rows = rows[rows != 7]
    assert table["clip_id"].tolist() == [f"clip {i:03d}" for i in rows]
    truth, used = np.array(labels, object)[rows].astype(str), np.array(folds, object)[rows].astype(int)
    assert table["label"].tolist() == truth.tolist()
    assert table["fold"].tolist() == used.tolist()
    assert (result.n_clips, result.n_classes, result.k) == (len(rows), 4, 1)
    assert (result.folds, result.unseen) == ("dataset", 0)
    for method, predictions in expected(X[rows], truth, used).items():
        assert table[method].tolist() == predictions.tolist()
        accuracy = result.accuracy[method]
        assert accuracy == pytest.approx(accuracy_score(truth, table[method]), abs=1e-12)
        assert 0.35 < accuracy < 1
        by_fold = result.accuracy["by_fold"][method]
        for fold, value in by_fold.items():
            inside = used == int(fold)
            assert value == pytest.approx(accuracy_score(truth[inside], table[method][inside]), abs=1e-12)
        assert set(by_fold) == {"1", "2", "3"}


@pytest.mark.parametrize("folds", ["none", "one", "some"])
def test_folds_are_drawn_where_the_dataset_has_none(world: Made, folds: str) -> None:
    X, labels, own = blobs()
    kinds: dict[str, list[Any] | None] = {"none": None, "one": [3] * 120, "some": [None, *own[1:]]}
    world.dataset(labels, kinds[folds])
    space = world.space(X)
    found = []
    for seed in (0, 1):
        spec = baselines(world, space, seed=seed)
        result = world.run(spec)
        table = result.predictions.to_pandas()
        assert result.folds == "drawn"
        counts = pd.crosstab(table["label"], table["fold"])
        assert list(counts) == [1, 2, 3, 4, 5]
        assert (np.ptp(counts.to_numpy(), axis=1) <= 1).all()
        found.append(table["fold"].tolist())
    assert found[0] != found[1]


def test_classes_of_one_clip_cannot_be_predicted_and_the_result_says_how_many(world: Made) -> None:
    X, labels, _ = blobs(n=30)
    labels[3], labels[4] = "alone", "alone too"
    world.dataset(labels)
    spec = baselines(world, world.space(X), k=900)
    result = world.run(spec)
    table = result.predictions.to_pandas()
    assert len(table) == 30
    assert result.unseen == 2
    assert not (table[["knn", "probe"]].to_numpy()[[3, 4]] == [["alone"], ["alone too"]]).any()
    assert result.k == 24
    assert "2 of 30 clips are of a class that no other fold has" in world.log(spec)
    assert "k 900 is lowered to 24" in world.log(spec)


def test_one_clip_a_class_is_always_mistaken(world: Made) -> None:
    world.dataset(["a", "b"])
    spec = baselines(world, world.space(np.eye(2)))
    table = world.run(spec).predictions.to_pandas()
    assert table["probe"].tolist() == table["knn"].tolist() == ["b", "a"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["dog"] * 6, "all its clips with a class are dog"),
        ([None, "dog", None], "all its clips with a class are dog"),
        ([None] * 3, "it has no clip with a class"),
    ],
)
def test_too_few_classes_are_one_sentence(world: Made, labels: list[str | None], message: str) -> None:
    world.dataset(labels)
    job = world.job(baselines(world, world.space(np.eye(len(labels)))))
    assert job.state == "failed"
    assert job.error == f"made · melstats cannot be classified: {message}; at least 2 classes are needed."


def test_a_probe_that_has_not_converged_is_in_the_log(world: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels, folds = blobs()
    world.dataset(labels, folds)
    spec = baselines(world, world.space(X))
    monkeypatch.setattr("core.separability.baselines.MOST_STEPS", 2)
    world.run(spec)
    assert world.log(spec).count("had not converged after 2 steps") == 1


# -- maps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_map_quality_is_that_of_the_map_and_its_space(world: Made, metric: str) -> None:
    X, labels, _ = blobs()
    world.dataset(labels)
    map_ = Project(embedding=world.space(X), method="pca", metric=metric)
    spec = MapQuality(map=map_)
    curves = world.run(spec)  # the graph and the map are made on the way
    ks, trust, continuity = curves.ks, curves.trustworthiness, curves.continuity
    assert (ks.dtype, trust.dtype, continuity.dtype) == (np.int64, np.float64, np.float64)
    assert ks.tolist() == curve_sizes(120).tolist()
    assert (ks[0], ks[-1]) == (1, 59)
    coords = map_.read(world.workspace.cache).coords.astype(np.float64)
    X = X.astype(np.float64)
    space = X / np.linalg.norm(X, axis=1, keepdims=True) if metric == "cosine" else X
    for k, t, c in zip(ks.tolist(), trust, continuity, strict=True):
        assert t == pytest.approx(trustworthiness(space, coords, n_neighbors=k), abs=1e-9)
        assert c == pytest.approx(trustworthiness(coords, space, n_neighbors=k), abs=1e-9)
    assert curves.n_clips == 120


def test_the_space_is_made_again_where_only_its_map_is_left(world: Made) -> None:
    X, labels, _ = blobs(n=20)
    world.dataset(labels)
    space = world.space(X)
    map_ = Project(embedding=space, method="pca")
    world.run(map_)
    world.workspace.cache.delete(space.key)
    job = world.job(MapQuality(map=map_))
    # There are no sounds here to make it from, which is what its job says.
    assert job.key == space.key
    assert job.state == "failed"


def test_too_few_clips_to_judge_a_map(world: Made) -> None:
    world.dataset(["a", "b"])
    map_ = Project(embedding=world.space(np.eye(2)), method="pca")
    job = world.job(MapQuality(map=map_))
    assert job.error == "The PCA map of made · melstats has 2 clips; to be judged it needs at least 3."
    world.dataset(["a", "b", "b"])
    spec = MapQuality(map=Project(embedding=world.space(np.eye(3)), method="pca"))
    assert world.run(spec).ks.tolist() == [1]


@pytest.mark.parametrize("n", [3, 4, 10, 50, 1001, 100_000])
def test_curve_sizes_are_allowed_and_few(n: int) -> None:
    ks = curve_sizes(n)
    assert ks[0] == 1
    assert ks[-1] == min((n - 1) // 2, 500) < n / 2
    assert (np.diff(ks) > 0).all()
    assert len(ks) <= 24
