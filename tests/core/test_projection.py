import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.neighbors import knn
from core.projection import (
    FEWEST,
    PARAMETERS,
    _map_neighbors,
    effective_parameters,
    neighborhood_kept,
    project,
    warm_up,
)

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
        "coords = project(X, 'tsne', early_iterations=60, iterations=60)\n"
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


@settings(max_examples=60, deadline=None)
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


def test_warm_up_leaves_nothing_to_compile():
    warm_up()
    warm_up("pca")
