import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.manifold import trustworthiness

from core.neighbors import knn
from core.processing import normalize
from core.projection import (
    FEWEST,
    PARAMETERS,
    chance_trustworthiness,
    effective_parameters,
    neighborhood_kept,
    project,
    trustworthiness_continuity,
    warm_up,
)
from core.projection.quality import _map_neighbors

METHODS = tuple(PARAMETERS)


def blobs(n=240, d=12, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = 6 * rng.standard_normal((classes, d))
    return (centres[labels] + rng.standard_normal((n, d))).astype(np.float32), labels


def reference_kept(graph, coords, ks):
    rows = []
    for i, true in enumerate(np.asarray(graph).tolist()):
        others = sorted(
            (round(float(np.sqrt(((coords[i] - coords[j]) ** 2).sum())), 12), j)
            for j in range(len(coords))
            if j != i
        )
        rows.append([len(set(true[:k]) & {j for _, j in others[:k]}) / k for k in ks])
    return np.array(rows)


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_map_and_the_graph_is_the_one_that_would_be_computed(method):
    X, _ = blobs()
    first = project(X, method, seed=3)
    np.testing.assert_array_equal(project(X, method, seed=3), first)
    # A wider graph is read as far as it is needed, in whatever type it was stored.
    indices, distances = knn(X, 150)
    np.testing.assert_array_equal(
        project(X, method, seed=3, neighbors=(indices.astype(np.int32), distances)), first
    )
    other = project(X, method, seed=4)
    assert np.array_equal(other, first) == (method == "pca")


def test_the_number_of_cores_does_not_matter():
    code = (
        "import hashlib, numpy as np\n"
        "from core.projection import project\n"
        "X = np.random.default_rng(0).standard_normal((1200, 150)).astype('f4')\n"
        "coords = project(X, 'tsne', early_iterations=15, iterations=15)\n"
        "print(hashlib.sha256(coords.tobytes()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    results = set()
    for threads in ("1", "2"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        results.add(run.stdout)
    assert len(results) == 1


@pytest.mark.parametrize("method", METHODS)
def test_classes_that_stand_apart_stand_apart_on_the_map(method):
    X, labels = blobs()
    coords = project(X, method)
    assert coords.shape == (240, 2)
    assert coords.dtype == np.float64
    indices, _ = knn(coords, 5, metric="euclidean")
    assert (labels[indices] == labels[:, None]).mean() > 0.95


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_map_keeps_far_more_than_chance(method):
    X, _ = blobs(n=600, classes=10)
    graph = knn(X, 90)
    coords = project(X, method, neighbors=graph)
    kept = neighborhood_kept(graph[0], coords, [15]).mean()
    shuffled = neighborhood_kept(graph[0], np.random.default_rng(0).permutation(coords), [15]).mean()
    assert kept > 0.3
    assert shuffled == pytest.approx(15 / 599, abs=0.01)


def test_pca_is_the_two_directions_of_most_variance():
    X = np.random.default_rng(0).standard_normal((50, 6)) * [1, 5, 1, 3, 1, 1]
    centred = X - X.mean(axis=0)
    vectors = np.linalg.eigh(centred.T @ centred).eigenvectors
    expected = centred @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(project(X, "pca")), np.abs(expected), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["random", "all equal", "zero", "duplicates", "one dimension", "a line"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9, 40])
def test_few_points_and_degenerate_points_have_finite_maps(method, kind, n):
    X = np.random.default_rng(1).standard_normal((n, 5)) + 100
    if kind == "all equal":
        X[:] = X[0]
    elif kind == "zero":
        X[:] = 0
    elif kind == "duplicates":
        X[n // 2 :] = X[: n - n // 2]
    elif kind == "one dimension":
        X = X[:, :1]
    elif kind == "a line":
        X = np.arange(n)[:, None] * np.ones(5)
    coords = project(X, method, seed=1)
    assert coords.shape == (n, 2)
    assert np.isfinite(coords).all()
    if n < FEWEST:
        np.testing.assert_array_equal(coords, project(X, "pca"))


@pytest.mark.parametrize("power", [40, 80, 100, 120])
@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_does_not_depend_on_the_unit_of_the_space(method, power):
    X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    indices, distances = knn(X, 59, metric="euclidean")
    # By a power of two, so that nothing is rounded otherwise.
    scale = np.float32(2.0**power)
    there = project(X * scale, method, neighbors=(indices, distances * float(scale)))
    middle = 2.0 ** np.floor(np.log2(np.median(distances)))
    here = project(X, method, neighbors=(indices, distances / middle))
    np.testing.assert_array_equal(there, here)


def test_few_points_lower_perplexity_and_neighbours():
    assert effective_parameters("tsne", 10_000)["perplexity"] == 30
    assert effective_parameters("tsne", 10_000)["k"] == 90
    assert effective_parameters("tsne", 10_000, perplexity=12.5)["k"] == 37
    for n in range(5, 120):
        used = effective_parameters("tsne", n, perplexity=30)
        assert used["perplexity"] == max(1, min(30, (n - 1) / 3))
        assert 1 <= used["perplexity"] <= used["k"] <= n - 1
        assert effective_parameters("umap", n, n_neighbors=50)["k"] == min(50, n) - 1
    X, _ = blobs(n=31)
    np.testing.assert_array_equal(project(X, "tsne", perplexity=30), project(X, "tsne", perplexity=10))


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_progress_counts_up_to_the_end(method):
    calls = []
    X, _ = blobs(n=100)
    project(X, method, progress=lambda done, total: calls.append((done, total)))
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1] == {"tsne": 750, "umap": 500}[method]


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("isomap", {}, "method is 'isomap'; it must be one of pca, tsne, umap"),
        ("pca", {"perplexity": 3}, "pca has no parameter 'perplexity'; it has none"),
        ("umap", {"perplexity": 3}, "umap has no parameter 'perplexity'; it has n_neighbors"),
        ("tsne", {"perplexity": 0.5}, "perplexity is 0.5"),
        ("tsne", {"perplexity": float("nan")}, "perplexity is nan"),
        ("umap", {"n_neighbors": 1}, "n_neighbors is 1"),
        ("umap", {"min_dist": 1.5}, "min_dist is 1.5; it must be from 0 to 1"),
        ("tsne", {"iterations": 0}, "iterations is 0"),
        ("tsne", {"seed": -1}, "seed is -1"),
        ("tsne", {"metric": "taxicab"}, "metric is 'taxicab'"),
        ("tsne", {"neighbors": knn(blobs()[0], 20)}, "has 20 columns and this map reads 90"),
        (
            "tsne",
            {"neighbors": knn(blobs()[0], 90, include_self=True)},
            "Point 0 is among its own neighbours",
        ),
        ("tsne", {"neighbors": knn(blobs(n=200)[0], 90)}, "n = 240"),
        (
            "umap",
            {"neighbors": knn(blobs()[0], 90, metric="inner_product")},
            "must be finite and not negative",
        ),
    ],
)
def test_errors_say_what_and_what_is_allowed(method, options, message):
    X, _ = blobs()
    with pytest.raises(ValueError, match=message):
        project(X, method, **options)


def test_not_finite_points_are_refused():
    X, _ = blobs()
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match="Row 7"):
        project(X, "pca")


@settings(max_examples=60)
@given(
    coords=hnp.arrays(
        np.float64, st.tuples(st.integers(2, 14), st.just(2)), elements=st.integers(-3, 3).map(float)
    ),
    seed=st.integers(0, 99),
)
def test_neighborhood_kept_equals_counting(coords, seed):
    n = len(coords)
    graph, _ = knn(np.random.default_rng(seed).standard_normal((n, 3)), n - 1)
    ks = list(range(1, n))
    np.testing.assert_allclose(neighborhood_kept(graph, coords, ks), reference_kept(graph, coords, ks))


def test_neighborhood_kept_of_the_space_itself_is_everything():
    coords = np.random.default_rng(0).standard_normal((1500, 2))
    graph, _ = knn(coords, 30, metric="euclidean")
    np.testing.assert_array_equal(neighborhood_kept(graph, coords, [1, 7, 30]), 1)
    np.testing.assert_array_equal(neighborhood_kept(graph, coords[:, ::-1], 30), 1)


@pytest.mark.parametrize("kind", ["plain", "on a grid", "all equal", "half equal"])
def test_map_neighbours_by_tree_are_those_of_knn(kind):
    coords = np.random.default_rng(0).standard_normal((2000, 2))
    if kind == "on a grid":
        coords = np.round(coords, 1)
    elif kind == "all equal":
        coords[:] = 1.5
    elif kind == "half equal":
        coords[::2] = 0.25
    np.testing.assert_array_equal(_map_neighbors(coords, 40), knn(coords, 40, metric="euclidean")[0])


@pytest.mark.parametrize(
    ("coords", "ks", "message"),
    [
        (np.ones((4, 2)), [1], "The map has 4 points and the neighbour graph 5"),
        (np.ones((5, 2)), [0, 2], "ks run from 0 to 2; this graph allows 1 to 3"),
        (np.ones((5, 2)), [4], "this graph allows 1 to 3"),
        (np.ones((5, 2)), [1.5], "whole numbers"),
        (np.full((5, 2), np.nan), [1], "Row 0 of coords"),
    ],
)
def test_neighborhood_kept_errors(coords, ks, message):
    graph, _ = knn(np.eye(5), 3)
    with pytest.raises(ValueError, match=message):
        neighborhood_kept(graph, coords, ks)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_trustworthiness_and_continuity_equal_scikit_learn(metric, dtype):
    X, _ = blobs(n=101, d=7)
    X = X.astype(dtype)
    coords = project(X, "pca").astype(dtype)
    coords += np.random.default_rng(0).standard_normal(coords.shape).astype(dtype)
    ks = [1, 2, 3, 7, 20, 49, 50]
    trust, continuity = trustworthiness_continuity(X, coords, ks, metric=metric)
    X, coords = X.astype(np.float64), coords.astype(np.float64)
    expected = [trustworthiness(X, coords, n_neighbors=k, metric=metric) for k in ks]
    # Among vectors of unit length, Euclidean and cosine distance have the same order.
    space = normalize(X) if metric == "cosine" else X
    swapped = [trustworthiness(coords, space, n_neighbors=k, metric="euclidean") for k in ks]
    np.testing.assert_allclose(trust, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(continuity, swapped, rtol=0, atol=1e-12)
    assert 0.5 < trust.min() < trust.max() < 1


def reference_trust(near, ranks, k):
    n = len(near)
    cost = sum(max(ranks[i].index(j) + 1 - k, 0) for i in range(n) for j in near[i][:k])
    return 1 - 2 * cost / (n * k * (2 * n - 3 * k - 1))


@settings(max_examples=80)
@given(
    X=hnp.arrays(
        np.float64, st.tuples(st.integers(3, 13), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)
    ),
    metric=st.sampled_from(["cosine", "euclidean"]),
    data=st.data(),
)
def test_trustworthiness_and_continuity_equal_counting_with_many_ties(X, metric, data):
    n = len(X)
    coords = data.draw(hnp.arrays(np.float64, (n, 2), elements=st.integers(-2, 2).map(float)))
    ks = data.draw(st.lists(st.integers(1, (n - 1) // 2), min_size=1, max_size=4))
    space = knn(X, n - 1, metric=metric)[0].tolist()
    drawn = knn(coords, n - 1, metric="euclidean")[0].tolist()
    trust, continuity = trustworthiness_continuity(X, coords, ks, metric=metric)
    np.testing.assert_allclose(trust, [reference_trust(drawn, space, k) for k in ks], atol=1e-12)
    np.testing.assert_allclose(continuity, [reference_trust(space, drawn, k) for k in ks], atol=1e-12)


def test_the_space_itself_is_trusted_and_what_has_nothing_to_do_with_it_is_at_chance():
    X = np.random.default_rng(0).standard_normal((60, 2))
    for coords in (X, 3 * X[:, ::-1] + 7):
        found = trustworthiness_continuity(X, coords, np.arange(1, 30), metric="euclidean")
        np.testing.assert_allclose(found, 1, atol=1e-12)
    shuffled = [
        trustworthiness_continuity(X, np.random.default_rng(s).permutation(X), [5, 20], metric="euclidean")
        for s in range(20)
    ]
    np.testing.assert_allclose(np.mean(shuffled, axis=(0, 1)), chance_trustworthiness(60, [5, 20]), atol=0.01)


def test_blocks_do_not_change_how_far_a_map_is_trusted(monkeypatch):
    X, _ = blobs(n=90)
    coords = project(X, "pca")
    calls = []
    whole = trustworthiness_continuity(X, coords, [1, 5, 30], progress=lambda *a: calls.append(a))
    assert calls == [(90, 90)]
    monkeypatch.setattr("core.projection.quality._BLOCK_ELEMENTS", 7 * 90)
    calls.clear()
    parts = trustworthiness_continuity(X, coords, [1, 5, 30], progress=lambda *a: calls.append(a))
    np.testing.assert_array_equal(whole, parts)
    assert calls == [(min(7 * i, 90), 90) for i in range(1, 14)]


def test_equal_points_are_ranked_by_index_in_space_and_map():
    same = np.ones((9, 2))
    np.testing.assert_array_equal(trustworthiness_continuity(same, same, [1, 4]), 1)
    np.testing.assert_array_equal(trustworthiness_continuity(0 * same, same, [1, 4]), 1)


@pytest.mark.parametrize(
    ("X", "coords", "ks", "options", "message"),
    [
        (np.ones((4, 2)), np.ones((5, 2)), [1], {}, "The map has 5 points and the space 4"),
        (np.ones((2, 2)), np.ones((2, 2)), [1], {}, "The space has 2 points"),
        (np.ones((6, 2)), np.ones((6, 2)), [1, 3], {}, "ks run from 1 to 3; 6 points allow 1 to 2"),
        (np.ones((6, 2)), np.ones((6, 2)), [0], {}, "ks run from 0 to 0"),
        (np.ones((6, 2)), np.ones((6, 2)), [], {}, "whole numbers"),
        (np.ones((6, 2)), np.ones((6, 2)), [1.0], {}, "whole numbers"),
        (np.ones((6, 2)), np.full((6, 2), np.nan), [1], {}, "Row 0 of coords"),
        (np.full((6, 2), np.inf), np.ones((6, 2)), [1], {}, "Row 0 of X"),
        (np.ones((6, 2)), np.full((6, 2), 1e200), [1], {}, "The largest value is 1e\\+200"),
        (np.ones((6, 2)), np.ones((6, 2)), [1], {"metric": "taxicab"}, "metric is 'taxicab'"),
    ],
)
def test_trustworthiness_errors(X, coords, ks, options, message):
    with pytest.raises(ValueError, match=message):
        trustworthiness_continuity(X, coords, ks, **options)


def test_warm_up_leaves_nothing_to_compile():
    warm_up()
    warm_up("pca")
