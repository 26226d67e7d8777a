"""Jobs that measure how classes stand apart, how a space is shaped and how it falls into clusters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import cosine_distances

from cache import Artifact
from core.neighbors import knn
from core.processing import normalize
from core.separability import class_distances, class_order, geometry
from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.engine.execution import RunningJob
from jobs.specs import EmbedAudio, KMeansCurve, Separability
from jobs.tasks.labels import labelled
from jobs.tasks.neighbors import CLIP_KS
from jobs.workspace.workspace import Workspace

PROPERTIES = (
    "intra_class_clustering",
    "intra_class_equidistance",
    "inter_class_separation",
    "inter_class_equidistance",
)
SOUNDS = "a" * 64


class Made:
    """A workspace with datasets of the same sounds, with labels as given, and one space of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace.open(root / "workspace")

    def dataset(
        self,
        labels: list[str | None],
        *,
        folds: list[int | None] | None = None,
        lists: list[list[str]] | None = None,
        name: str = "made",
    ) -> str:
        """Add a dataset and return the fingerprint of its labels."""
        clips = pd.DataFrame(
            {
                "clip_id": [f"clip {i:03d}" for i in range(len(labels))],
                "path": [f"{i}.wav" for i in range(len(labels))],
                "label": pd.Series(labels, dtype=object),
            }
        )
        if folds is not None:
            clips["fold"] = pd.array(folds, dtype="Int64")
        if lists is not None:
            clips["labels"] = pd.Series(lists, dtype=object)
        classes = sorted({v for v in labels if v is not None})
        about = pd.DataFrame({"label": classes, "family": None, "description": None})
        report = pd.DataFrame({"path": [], "status": [], "reason": []})
        said = hashlib.sha256(repr((labels, folds, lists)).encode()).hexdigest()
        imported = Imported(clips, about, report, SOUNDS, said)
        self.workspace.add_dataset(name, imported, adapter="folder", root=self.root)
        return said

    def space(self, X: np.ndarray, rows: list[int] | None = None, *, name: str = "made") -> EmbedAudio:
        """Store a space; `rows` of the dataset are in it, in that order."""
        dataset = self.workspace.dataset(name)
        spec = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/made")
        ids = dataset.clips["clip_id"].to_numpy()[: len(X)] if rows is None else None
        ids = dataset.clips["clip_id"].to_numpy()[rows] if rows is not None else ids
        with self.workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
            w.array("embeddings", X.astype(np.float32))
            w.table("clips", {"clip_id": ids.tolist()})
        return spec

    def run(self, spec: Any) -> Artifact:
        job = inprocess.run(self.workspace, spec)
        assert job.state == "done", job.error
        return self.workspace.cache.open(spec.key)

    def measure(self, labels: list[str | None], X: np.ndarray) -> Artifact:
        said = self.dataset(labels)
        return self.run(Separability(embedding=self.space(X), labels=said))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def blobs(n: int, classes: int, d: int = 6) -> tuple[np.ndarray, list[str | None]]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, classes, n)
    X = rng.standard_normal((classes, d))[codes] + 0.7 * rng.standard_normal((n, d))
    return X.astype(np.float32), [f"class {c}" for c in codes]


def test_separability(made: Made) -> None:
    X, labels = blobs(90, 4)
    labels[7] = labels[50] = None
    said = made.dataset(labels)
    rows = np.random.default_rng(1).permutation(90)[:80]  # a space has its own order and leaves some out
    spec = Separability(embedding=made.space(X[rows], rows.tolist()), labels=said)
    artifact = made.run(spec)

    X, of = X[rows], np.array([labels[i] or "" for i in rows])
    named = of != ""
    assert not named.all()
    for metric in ("cosine", "euclidean", "sqeuclidean"):
        found = artifact.array(f"silhouette_{metric}")
        assert np.isnan(found[~named]).all()
        expected = metrics.silhouette_samples(X[named].astype(np.float64), of[named], metric=metric)
        np.testing.assert_allclose(found[named], expected, atol=1e-6)

    classes = artifact.table("classes").to_pandas()
    samples = pd.Series(artifact.array("silhouette_cosine")[named]).groupby(of[named])
    assert list(classes) == ["label", "n_clips", "silhouette_cosine"]
    assert classes["label"].tolist() == sorted(set(of[named]))
    assert classes["n_clips"].tolist() == samples.size().tolist()
    np.testing.assert_allclose(classes["silhouette_cosine"], samples.mean())

    D = cosine_distances(X.astype(np.float64))
    different = ~np.eye(len(D), dtype=bool)
    for i, a in enumerate(classes["label"]):
        for j, b in enumerate(classes["label"]):
            values = D[np.outer(of == a, of == b) & different]
            assert artifact.array("class_mean")[i, j] == pytest.approx(values.mean(), abs=1e-6)
            assert artifact.array("class_sd")[i, j] == pytest.approx(values.std(), abs=1e-6)
            assert artifact.array("class_cv")[i, j] == pytest.approx(values.std() / values.mean(), abs=1e-6)
    order = artifact.array("class_order")
    np.testing.assert_array_equal(order, class_order(artifact.array("class_mean")))
    assert (order.dtype, sorted(order.tolist())) == (np.int64, [0, 1, 2, 3])

    same = np.equal.outer(of, of)[np.ix_(named, named)]
    inside = D[np.ix_(named, named)]
    within, between = inside[same & ~np.eye(len(same), dtype=bool)] ** 2, (1 - inside[~same]) ** 2
    expected = [within.mean(), within.std(ddof=1), between.mean(), between.std(ddof=1)]
    assert artifact.meta["properties"] == pytest.approx(dict(zip(PROPERTIES, expected, strict=True)))

    indices, distances = knn(X, 79)
    ks = artifact.array("ks")
    assert ks.tolist() == [k for k in CLIP_KS if k <= 79]
    occurrence = artifact.array("occurrence")
    assert occurrence.dtype == np.int64
    for column, k in zip(occurrence.T, ks.tolist(), strict=True):
        np.testing.assert_array_equal(column, np.bincount(indices[:, :k].ravel(), minlength=80))
        assert artifact.meta["hubness"][str(k)] == pytest.approx(skew(column))
    near = np.sqrt(2 * distances[:, :20].astype(np.float32))  # of unit vectors, as stored
    inverse = np.log(near[:, -1:] / near[:, :-1]).sum(axis=1) / 19
    np.testing.assert_allclose(artifact.array("dimension"), 1 / inverse, rtol=1e-4)
    assert artifact.meta["intrinsic_dimension"] == pytest.approx(1 / inverse.mean(), rel=1e-4)
    assert artifact.meta["effective_rank"] == pytest.approx(geometry.effective_rank(X))
    assert (artifact.meta["n_clips"], artifact.meta["n_classes"]) == (80, 4)
    assert set(artifact.names()) == {
        *(f"silhouette_{metric}.npy" for metric in ("cosine", "euclidean", "sqeuclidean")),
        *(f"class_{name}.npy" for name in ("mean", "sd", "cv", "order")),
        "classes.parquet",
        *("occurrence.npy", "ks.npy", "dimension.npy"),
    }


def test_one_class_has_distances_but_no_silhouettes(made: Made) -> None:
    X, _ = blobs(12, 2)
    artifact = made.measure(["rain"] * 12, X)
    for metric in ("cosine", "euclidean", "sqeuclidean"):
        assert np.isnan(artifact.array(f"silhouette_{metric}")).all()
    classes = artifact.table("classes").to_pandas()
    assert classes["label"].tolist() == ["rain"]
    assert classes["silhouette_cosine"].isna().all()
    expected = class_distances(X, ["rain"] * 12)
    np.testing.assert_allclose(artifact.array("class_mean"), expected.mean)
    assert artifact.array("class_order").tolist() == [0]
    properties = artifact.meta["properties"]
    assert properties["intra_class_clustering"] > 0
    assert properties["inter_class_separation"] is None
    assert properties["inter_class_equidistance"] is None


def test_without_classes_the_shape_is_measured(made: Made) -> None:
    X, _ = blobs(12, 2)
    artifact = made.measure([None] * 12, X)
    assert np.isnan(artifact.array("silhouette_cosine")).all()
    assert artifact.table("classes").num_rows == 0
    assert artifact.table("classes").to_pandas()["label"].tolist() == []
    for name in ("mean", "sd", "cv"):
        assert artifact.array(f"class_{name}").shape == (0, 0)
    assert artifact.array("class_order").shape == (0,)
    assert artifact.meta["properties"] == dict.fromkeys(PROPERTIES)
    assert artifact.meta["n_classes"] == 0
    assert np.isfinite(artifact.array("dimension")).all()
    assert artifact.meta["effective_rank"] > 1


def test_classes_of_one_clip(made: Made) -> None:
    X, _ = blobs(6, 2)
    artifact = made.measure(list("abcdef"), X)
    np.testing.assert_array_equal(artifact.array("silhouette_euclidean"), 0)
    mean, different = artifact.array("class_mean"), ~np.eye(6, dtype=bool)
    assert np.isnan(mean.diagonal()).all()
    expected = cosine_distances(X)[different]
    np.testing.assert_allclose(mean[different], expected, atol=1e-6)
    assert artifact.meta["properties"]["intra_class_clustering"] is None
    separation = artifact.meta["properties"]["inter_class_separation"]
    assert separation == pytest.approx(((1 - expected) ** 2).mean(), abs=1e-6)


@pytest.mark.parametrize("X", [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
def test_two_clips(made: Made, X: list[list[float]]) -> None:
    artifact = made.measure(["a", "a"], np.array(X))
    assert artifact.array("ks").tolist() == [1]
    assert np.isnan(artifact.array("dimension")).all()
    assert artifact.meta["intrinsic_dimension"] is None
    assert artifact.meta["hubness"] == {"1": 0}


def test_equal_clips(made: Made) -> None:
    artifact = made.measure(["a", "b"] * 5, np.ones((10, 3)))
    np.testing.assert_array_equal(artifact.array("silhouette_cosine"), 0)
    np.testing.assert_array_equal(artifact.array("class_cv"), 0)
    assert artifact.meta["effective_rank"] == 0
    assert artifact.meta["intrinsic_dimension"] is None


def test_labels_that_have_changed(made: Made) -> None:
    X, labels = blobs(10, 2)
    said = made.dataset(labels)
    spec = Separability(embedding=made.space(X), labels=said)
    made.dataset([*labels[:-1], "another"])
    job = inprocess.run(made.workspace, spec)
    assert job.state == "failed"
    assert job.error == "The labels of made have changed since this was asked for; ask again."
    # Under another name the same sounds have these labels still.
    made.dataset(labels, name="copy")
    made.workspace.queue.submit(spec)
    assert inprocess.run(made.workspace, spec).state == "done"


@pytest.fixture
def read(made: Made) -> Callable[..., Any]:
    def read(labels: list[str | None], rows: list[int] | None = None, **options: Any) -> Any:
        said = made.dataset(labels, **options)
        embedding = made.space(np.eye(len(labels))[rows or slice(None)], rows)
        spec = Separability(embedding=embedding, labels=said)
        return labelled(embedding, said, RunningJob(made.workspace, spec))

    return read


def test_labels_and_folds_come_in_the_order_of_the_space(read: Callable[..., Any]) -> None:
    X, clip_ids, labels, folds = read(["a", None, "b", "c"], rows=[3, 1, 0], folds=[1, 2, None, 4])
    assert X.tolist() == np.eye(4)[[3, 1, 0]].tolist()
    assert clip_ids == ["clip 003", "clip 001", "clip 000"]
    assert labels.tolist() == ["c", "", "a"]
    assert folds.tolist() == [4, 2, 1]


def test_a_word_for_no_class_is_no_class(read: Callable[..., Any]) -> None:
    found = read(["a", "unlabelled", "unlabelled"], lists=[["a", "b"], [], ["unlabelled"]])
    assert found.labels.tolist() == ["a", "", "unlabelled"]


@pytest.mark.parametrize(
    ("labels", "folds", "expected"),
    [
        (["a", "b"], None, None),
        (["a", "b"], [1, None], None),
        (["a", None], [1, None], [1, -1]),
        (["a", None], [1, 2], [1, 2]),
    ],
)
def test_folds_are_for_every_clip_with_a_class(
    read: Callable[..., Any], labels: list[str | None], folds: list[int | None] | None, expected: Any
) -> None:
    found = read(labels, folds=folds).folds
    assert (None if found is None else found.tolist()) == expected


def test_kmeans(made: Made) -> None:
    X, labels = blobs(60, 3)
    X[4] = 0
    made.dataset(labels)
    spec = KMeansCurve(embedding=made.space(X), ks=(1, 2, 3, 5, 70, 90), seed=2)
    artifact = made.run(spec)
    assert artifact.array("ks").tolist() == [1, 2, 3, 5]
    assert "Left out K from 70 on: there are 60 clips." in made.workspace.queue.log(spec.key)
    unit = normalize(X.astype(np.float64))  # another rounding can lead to other clusters
    for i, k in enumerate([1, 2, 3, 5]):
        model = KMeans(k, n_init=10, random_state=2).fit(unit)
        assert artifact.array("inertia")[i] == pytest.approx(model.inertia_, rel=1e-5)
        if k == 1:
            assert np.isnan(artifact.array("silhouette")[i])
        else:
            expected = metrics.silhouette_score(unit, model.labels_, metric="cosine")
            assert artifact.array("silhouette")[i] == pytest.approx(expected, abs=1e-5)
    assert artifact.meta["elbow"] in (2, 3)
    assert artifact.meta["n_clips"] == 60


def test_kmeans_with_too_few_clips(made: Made) -> None:
    made.dataset(["a", "b"])
    artifact = made.run(KMeansCurve(embedding=made.space(np.eye(2)), ks=(3, 4)))
    for name in ("ks", "inertia", "silhouette"):
        assert artifact.array(name).shape == (0,)
    assert artifact.meta["elbow"] is None
