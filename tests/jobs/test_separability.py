"""Tasks that measure how classes are separated, how a space is shaped and how it clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import cosine_distances

from core.neighbors import knn
from core.processing import normalize
from core.separability import class_distances, class_order, geometry
from jobs.engine.execution import RunningJob
from jobs.specs import KMeansCurve, Separability
from jobs.tasks.labels import labelled
from jobs.tasks.measures import MEASURES
from jobs.tasks.neighbors import CLIP_KS
from jobs.tasks.quality import Quality
from jobs.tasks.separability import METRICS
from tests.jobs.made_spaces import Made, blobs

PROPERTIES = [name for name, m in MEASURES.items() if m.short in ("mu_p", "sigma_p", "mu_n", "sigma_n")]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_separability(made: Made) -> None:
    X, labels = blobs(90, 4)
    labels[7] = labels[50] = None
    made.dataset(labels)
    rows = np.random.default_rng(1).permutation(90)[:80]  # a space has its own order and leaves some out
    spec = Separability(embedding=made.space(X[rows], rows), labels=made.labels)
    found = made.run(spec)

    X, of = X[rows], np.array([labels[i] or "" for i in rows])
    named = of != ""
    assert not named.all()
    for metric in METRICS:
        samples = found.silhouette(metric)
        assert np.isnan(samples[~named]).all()
        expected = metrics.silhouette_samples(X[named].astype(np.float64), of[named], metric=metric)
        np.testing.assert_allclose(samples[named], expected, atol=1e-6)

    classes = found.classes.to_pandas()
    samples = pd.Series(found.silhouette_cosine[named]).groupby(of[named])
    assert list(classes) == ["label", "n_clips", "silhouette_cosine"]
    assert classes["label"].tolist() == sorted(set(of[named]))
    assert classes["n_clips"].tolist() == samples.size().tolist()
    np.testing.assert_allclose(classes["silhouette_cosine"], samples.mean())

    D = cosine_distances(X.astype(np.float64))
    different = ~np.eye(len(D), dtype=bool)
    for i, a in enumerate(classes["label"]):
        for j, b in enumerate(classes["label"]):
            values = D[np.outer(of == a, of == b) & different]
            assert found.class_mean[i, j] == pytest.approx(values.mean(), abs=1e-6)
            assert found.class_sd[i, j] == pytest.approx(values.std(), abs=1e-6)
            assert found.class_cv[i, j] == pytest.approx(values.std() / values.mean(), abs=1e-6)
    order = found.class_order
    np.testing.assert_array_equal(order, class_order(found.class_mean))
    assert (order.dtype, sorted(order.tolist())) == (np.int64, [0, 1, 2, 3])

    same = np.equal.outer(of, of)[np.ix_(named, named)]
    inside = D[np.ix_(named, named)]
    within, between = inside[same & ~np.eye(len(same), dtype=bool)] ** 2, (1 - inside[~same]) ** 2
    expected = [within.mean(), within.std(ddof=1), between.mean(), between.std(ddof=1)]
    assert found.properties == pytest.approx(dict(zip(PROPERTIES, expected, strict=True)))

    indices, distances = knn(X, 79)
    ks = found.ks
    assert ks.tolist() == [k for k in CLIP_KS if k <= 79]
    occurrence = found.occurrence
    assert occurrence.dtype == np.int64
    for column, k in zip(occurrence.T, ks.tolist(), strict=True):
        np.testing.assert_array_equal(column, np.bincount(indices[:, :k].ravel(), minlength=80))
        assert found.hubness[str(k)] == pytest.approx(skew(column))
    near = np.sqrt(2 * distances[:, :20].astype(np.float32))  # of unit vectors, as stored
    inverse = np.log(near[:, -1:] / near[:, :-1]).sum(axis=1) / 19
    np.testing.assert_allclose(found.dimension, 1 / inverse, rtol=1e-4)
    assert found.intrinsic_dimension == pytest.approx(1 / inverse.mean(), rel=1e-4)
    assert found.effective_rank == pytest.approx(geometry.effective_rank(X))
    assert (found.n_clips, found.n_classes) == (80, 4)


def test_one_class_has_distances_but_no_silhouettes(made: Made) -> None:
    X, _ = blobs(12, 2)
    found = made.measure(Separability, ["rain"] * 12, X)
    for metric in METRICS:
        assert np.isnan(found.silhouette(metric)).all()
    classes = found.classes.to_pandas()
    assert classes["label"].tolist() == ["rain"]
    assert classes["silhouette_cosine"].isna().all()
    expected = class_distances(X, ["rain"] * 12)
    np.testing.assert_allclose(found.class_mean, expected.mean)
    assert found.class_order.tolist() == [0]
    properties = found.properties
    assert properties["intra_class_clustering"] > 0
    assert properties["inter_class_separation"] is None
    assert properties["inter_class_equidistance"] is None


def test_without_classes_the_shape_is_measured(made: Made) -> None:
    X, _ = blobs(12, 2)
    found = made.measure(Separability, [None] * 12, X)
    assert np.isnan(found.silhouette_cosine).all()
    assert found.classes.num_rows == 0
    assert found.classes.to_pandas()["label"].tolist() == []
    for name in ("mean", "sd", "cv"):
        assert getattr(found, f"class_{name}").shape == (0, 0)
    assert found.class_order.shape == (0,)
    assert found.properties == dict.fromkeys(PROPERTIES)
    assert found.n_classes == 0
    assert np.isfinite(found.dimension).all()
    assert found.effective_rank > 1


def test_classes_of_one_clip(made: Made) -> None:
    X, _ = blobs(6, 2)
    found = made.measure(Separability, list("abcdef"), X)
    np.testing.assert_array_equal(found.silhouette_euclidean, 0)
    mean, different = found.class_mean, ~np.eye(6, dtype=bool)
    assert np.isnan(mean.diagonal()).all()
    expected = cosine_distances(X)[different]
    np.testing.assert_allclose(mean[different], expected, atol=1e-6)
    assert found.properties["intra_class_clustering"] is None
    separation = found.properties["inter_class_separation"]
    assert separation == pytest.approx(((1 - expected) ** 2).mean(), abs=1e-6)


@pytest.mark.parametrize("X", [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
def test_two_clips(made: Made, X: list[list[float]]) -> None:
    found = made.measure(Separability, ["a", "a"], np.array(X))
    assert found.ks.tolist() == [1]
    assert np.isnan(found.dimension).all()
    assert found.intrinsic_dimension is None
    assert found.hubness == {"1": 0}


def test_equal_clips(made: Made) -> None:
    found = made.measure(Separability, ["a", "b"] * 5, np.ones((10, 3)))
    np.testing.assert_array_equal(found.silhouette_cosine, 0)
    np.testing.assert_array_equal(found.class_cv, 0)
    assert found.effective_rank == 0
    assert found.intrinsic_dimension is None


def test_labels_that_have_changed(made: Made) -> None:
    X, labels = blobs(10, 2)
    made.dataset(labels)
    spec = Separability(embedding=made.space(X), labels=made.labels)
    made.dataset([*labels[:-1], "another"])
    job = made.job(spec)
    assert job.state == "failed"
    assert job.error == "The labels of made have changed since this was asked for; ask again."
    # Under another name the same sounds have these labels still.
    made.dataset(labels, name="copy")
    made.workspace.queue.submit(spec)
    assert made.job(spec).state == "done"


def read(made: Made, labels: list[str | None], rows: list[int] | None = None, **options: Any) -> Any:
    made.dataset(labels, **options)
    embedding = made.space(np.eye(len(labels))[rows or slice(None)], rows)
    spec = Separability(embedding=embedding, labels=made.labels)
    return labelled(embedding, made.labels, RunningJob(made.workspace, spec))


def test_labels_and_folds_come_in_the_order_of_the_space(made: Made) -> None:
    X, clip_ids, labels, folds = read(made, ["a", None, "b", "c"], rows=[3, 1, 0], folds=[1, 2, None, 4])
    assert X.tolist() == np.eye(4)[[3, 1, 0]].tolist()
    assert clip_ids == ["clip 003", "clip 001", "clip 000"]
    assert labels.tolist() == ["c", "", "a"]
    assert folds.tolist() == [4, 2, 1]


def test_a_word_for_no_class_is_no_class(made: Made) -> None:
    space = read(made, ["a", "unlabelled", "unlabelled"], lists=[["a", "b"], [], ["unlabelled"]])
    assert space.labels.tolist() == ["a", "", "unlabelled"]


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
    made: Made, labels: list[str | None], folds: list[int | None] | None, expected: Any
) -> None:
    found = read(made, labels, folds=folds).folds
    assert (None if found is None else found.tolist()) == expected


def test_kmeans(made: Made) -> None:
    X, labels = blobs(60, 3)
    X[4] = 0
    made.dataset(labels)
    spec = KMeansCurve(embedding=made.space(X), ks=(1, 2, 3, 5, 70, 90), seed=2)
    curve = made.run(spec)
    assert curve.ks.tolist() == [1, 2, 3, 5]
    assert "Left out K from 70 on: the space has 60 clips." in made.log(spec)
    unit = normalize(X.astype(np.float64))  # another rounding can lead to other clusters
    for k, inertia, silhouette in zip(curve.ks.tolist(), curve.inertia, curve.silhouette, strict=True):
        model = KMeans(k, n_init=10, random_state=2).fit(unit)
        assert inertia == pytest.approx(model.inertia_, rel=1e-5)
        expected = metrics.silhouette_score(unit, model.labels_, metric="cosine") if k > 1 else np.nan
        assert silhouette == pytest.approx(expected, abs=1e-5, nan_ok=True)
    assert curve.elbow in (2, 3)
    assert curve.n_clips == 60
    few = made.measure(lambda labels, **more: KMeansCurve(ks=(3, 4), **more), ["a", "b"], np.eye(2))
    assert few.ks.shape == few.inertia.shape == few.silhouette.shape == (0,)
    assert few.elbow is None


def test_quality_is_of_the_clips_with_a_class_among_all_clips(made: Made) -> None:
    X, labels = blobs(40, 3)
    labels[3] = labels[8] = None
    found = made.measure(Quality, labels, X)
    of = np.array([label or "" for label in labels])
    nearest = (cosine_distances(X) + np.diag([9.0] * 40)).argmin(axis=1)
    named = of != ""
    assert found.agreement["value"] == pytest.approx((of[nearest] == of)[named].mean())
    assert found.agreement["n"] == found.silhouette["n"] == found.n_clips == 38
    silhouette = metrics.silhouette_score(X[named], of[named], metric="cosine")
    assert found.silhouette["value"] == pytest.approx(silhouette, abs=1e-6)
    assert found.dimensions == 6
    one = made.measure(Quality, ["a"] * 5, X[:5])
    assert (one.agreement["value"], one.silhouette["value"]) == (1, None)
