import itertools
import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from sklearn import metrics
from sklearn.cluster import KMeans

from core.separability import (
    angular_properties,
    class_distances,
    class_order,
    class_pairs,
    kmeans_curve,
    silhouette_by_class,
    silhouette_samples,
    silhouette_score,
)

METRICS = ("cosine", "euclidean", "sqeuclidean")


def distance_matrix(X, metric):
    """All distances by the definition, from differences, in extended precision."""
    X = np.asarray(X, dtype=np.longdouble)
    zero = np.zeros(len(X))
    if metric == "cosine":
        size = np.sqrt((X * X).sum(axis=1))[:, None]
        X = np.divide(X, size, out=np.zeros_like(X), where=size > 0)
        zero = (size[:, 0] == 0).astype(float)
    D = np.array([((X - x) ** 2).sum(axis=1) for x in X])
    if metric == "euclidean":
        return np.sqrt(D)
    if metric == "cosine":
        D = (D + zero + zero[:, None]) / 2
        np.fill_diagonal(D, 0)
    return D


def silhouettes(D, labels, metric):
    """Rousseeuw's definition, point by point."""
    labels = np.asarray(labels)
    values = np.zeros(len(D))
    for i, row in enumerate(D):
        own = labels == labels[i]
        if own.sum() == 1:
            continue
        a = row[own].sum() / (own.sum() - 1)
        b = min(row[labels == c].mean() for c in set(labels.tolist()) - {labels[i].item()})
        if metric == "cosine":
            a, b = (0 if v < 1e-12 else v for v in (a, b))
        values[i] = (b - a) / max(a, b) if max(a, b) > 0 else 0
    return values


def points(kind, dtype=np.float64, n=180, d=12, n_classes=9):
    """Random points with classes, of the kinds that are hard to get right; class 8 has one point."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n)
    centres = rng.standard_normal((n_classes, d))
    Z = rng.standard_normal((n, d))
    X = Z + 2 * centres[labels]
    if kind == "narrow cone":
        X = X * 1e-4 + rng.standard_normal(d)
    elif kind == "zeros":
        X[::7] = 0
    elif kind == "duplicates":
        X[::2] = X[1::2]
    elif kind == "equal classes":
        X = centres[labels % 4]
    elif kind == "all equal":
        X[:] = X[0]
    elif kind == "tied":
        X = rng.integers(-1, 2, (n, d)).astype(float)
    elif kind == "tight classes":
        X = centres[labels] + 1e-4 * Z
    elif kind == "tight pairs of classes":
        X = centres[labels // 2] + 1e-4 * Z
    elif kind == "large":
        X = X * 1e15
    elif kind == "small":
        X = X * 1e-15
    labels[labels == 8] = 7
    labels[5] = 8
    return X.astype(dtype), labels


KINDS = (
    "plain",
    "narrow cone",
    "zeros",
    "duplicates",
    "equal classes",
    "all equal",
    "tied",
    "tight classes",
    "tight pairs of classes",
    "large",
    "small",
)


# -- silhouettes ---------------------------------------------------------------------------------------


@st.composite
def tied_spaces(draw):
    """A few points on a small grid, so that distances tie, with their labels."""
    n, d = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    X = draw(hnp.arrays(np.float64, (n, d), elements=st.integers(-2, 2).map(float)))
    return X, draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))


@settings(max_examples=100)
@given(space=tied_spaces(), metric=st.sampled_from(METRICS))
def test_equals_the_definition(space, metric):
    X, labels = space
    if len(set(labels)) < 2:
        labels[0], labels[-1] = "a", "b"
    expected = silhouettes(distance_matrix(X, metric), labels, metric)
    np.testing.assert_allclose(silhouette_samples(X, labels, metric=metric), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_is_right_whatever_the_points(metric, kind, dtype):
    X, labels = points(kind, dtype)
    values = silhouette_samples(X, labels, metric=metric)
    expected = silhouettes(distance_matrix(X, metric), labels, metric)
    np.testing.assert_allclose(values, expected, atol=1e-7)
    assert silhouette_score(X, labels, metric=metric) == pytest.approx(expected.mean(), abs=1e-7)
    assert values.dtype == np.float64
    assert values[5] == 0  # alone in its class


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["plain", "zeros", "duplicates", "large", "small"])
@pytest.mark.parametrize("metric", METRICS)
def test_equals_scikit_learn_in_float64(metric, kind, dtype):
    X, labels = points(kind, dtype)
    expected = metrics.silhouette_samples(X.astype(np.float64), labels, metric=metric)
    np.testing.assert_allclose(silhouette_samples(X, labels, metric=metric), expected, atol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9])
def test_classes_that_nearly_coincide_far_from_the_rest(metric, apart):
    """Squared lengths are far larger than the distances, which a plain product would lose."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 6))
    labels = np.repeat([0, 1, 2], 40)
    X[:80] = rng.standard_normal(6) * 3 + apart * rng.standard_normal((80, 6))
    X[40:80, 0] += apart
    X[119] = 1e7
    expected = silhouettes(distance_matrix(X, metric), labels, metric)
    assert expected[:80].std() > 0.05
    np.testing.assert_allclose(silhouette_samples(X, labels, metric=metric), expected, atol=1e-6)


def test_opposite_classes_have_cosine_silhouettes_of_one():
    X = np.repeat([[1.0, 2.0], [-1.0, -2.0]], 5, axis=0) * np.arange(1, 11)[:, None]
    np.testing.assert_array_equal(silhouette_samples(X, [0] * 5 + [1] * 5), 1)


@pytest.mark.parametrize("metric", METRICS)
def test_rotation_scale_and_order_change_nothing(metric):
    rng = np.random.default_rng(1)
    X, labels = points("plain")
    expected = silhouette_samples(X, labels, metric=metric)
    rotation = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    np.testing.assert_allclose(silhouette_samples(X @ rotation, labels, metric=metric), expected, atol=1e-9)
    np.testing.assert_allclose(silhouette_samples(X * 3e40, labels, metric=metric), expected, atol=1e-12)
    np.testing.assert_allclose(silhouette_samples(X * 3e-200, labels, metric=metric), expected, atol=1e-12)
    mixed = rng.permutation(len(X))
    np.testing.assert_allclose(
        silhouette_samples(X[mixed], labels[mixed], metric=metric), expected[mixed], atol=1e-12
    )
    if metric != "cosine":
        moved = silhouette_samples(X + 1e4, labels, metric=metric)
        np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_scale_of_a_row_is_of_no_consequence():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 6))
    labels = rng.integers(0, 3, 30)
    scaled = X * 10.0 ** rng.integers(-200, 200, 30)[:, None]
    np.testing.assert_allclose(silhouette_samples(scaled, labels), silhouette_samples(X, labels), atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["plain", "duplicates", "tight pairs of classes"])
def test_blocks_threads_layout_and_type_of_labels_change_nothing(monkeypatch, metric, kind):
    X, labels = points(kind)
    expected = silhouette_samples(X, labels, metric=metric)
    monkeypatch.setattr("core.separability.class_rows._BLOCK_ELEMENTS", 400)
    monkeypatch.setattr("core.threads.SMALL", 0)
    monkeypatch.setattr("core.separability.silhouette_sums._TILE", 37)
    wide = np.empty((len(X), 24))
    wide[:, ::2] = X
    for other in (X, np.asfortranarray(X), wide[:, ::2]):
        np.testing.assert_allclose(silhouette_samples(other, labels, metric=metric), expected, atol=1e-9)
    monkeypatch.setattr("core.separability.silhouette_sums._WHOLE_SUMS", 1000)  # not by halves
    named = [f"class {v}" for v in labels]
    np.testing.assert_allclose(silhouette_samples(X, named, metric=metric), expected, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_every_point_alone_has_zero_by_definition(metric):
    np.testing.assert_array_equal(silhouette_samples(np.eye(4), list("abcd"), metric=metric), 0)


def test_by_class():
    rng = np.random.default_rng(0)
    samples = rng.uniform(-1, 1, 50)
    labels = rng.choice(["rain", "dog", "crow"], 50).astype(object)
    labels[7] = "bell"
    found = silhouette_by_class(samples, labels)
    assert found["class"].tolist() == ["bell", "crow", "dog", "rain"]
    for row in found.itertuples():
        values = samples[labels == row[1]]
        assert row.n == len(values)
        assert row.mean == pytest.approx(values.mean())
        assert (row.q1, row.median, row.q3) == pytest.approx(tuple(np.percentile(values, [25, 50, 75])))
        if len(values) > 1:
            assert row.sd == pytest.approx(values.std(ddof=1))
    assert np.isnan(found["sd"][0])
    assert isinstance(found, pd.DataFrame)


# -- distances between classes -------------------------------------------------------------------------


def pair_statistics(X, labels):
    """Mean, standard deviation and number of pairs, from all pairs one by one."""
    D = distance_matrix(X, "cosine").astype(np.float64)
    labels = np.asarray(labels)
    classes = sorted(set(labels.tolist()))
    mean, sd = np.full((2, len(classes), len(classes)), np.nan)
    n = np.zeros((len(classes), len(classes)), int)
    for (i, a), (j, b) in itertools.product(enumerate(classes), repeat=2):
        rows, columns = np.flatnonzero(labels == a), np.flatnonzero(labels == b)
        values = [D[p, q] for p in rows for q in columns if p < q or i != j]
        n[i, j] = len(values)
        if values:
            mean[i, j], sd[i, j] = np.mean(values), np.std(values)
            if mean[i, j] < 1e-12:
                mean[i, j] = sd[i, j] = 0
    return mean, sd, n


def check_distances(found, X, labels):
    mean, sd, n = pair_statistics(X, labels)
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.sd, sd, atol=2e-8)
    cv = np.divide(sd, mean, out=np.where(np.isnan(mean), np.nan, 0.0), where=mean > 0)
    np.testing.assert_allclose(found.cv, cv, atol=1e-6)
    np.testing.assert_array_equal(found.n_pairs, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [k for k in KINDS if not k.startswith("tight")])
@pytest.mark.parametrize("ways", ["moments", "pairs"])
def test_distances_equal_those_of_all_pairs(monkeypatch, ways, kind, dtype):
    monkeypatch.setattr(class_pairs, "covariance_products", getattr(class_pairs, f"_products_by_{ways}"))
    # Classes of up to 2 d points, and one of more.
    X, labels = points(kind, dtype)
    labels[labels < 3] = 0
    check_distances(class_distances(X, labels), X, labels)


@settings(max_examples=100)
@given(space=tied_spaces())
def test_distances_and_properties_of_tied_points(space):
    check_distances(class_distances(*space), *space)
    check_properties(angular_properties(*space), *space, atol=1e-7)


@pytest.mark.parametrize("ways", ["moments", "pairs"])
def test_distances_do_not_depend_on_blocks_and_threads(monkeypatch, ways):
    X, labels = points("plain", d=23)
    monkeypatch.setattr(class_pairs, "covariance_products", getattr(class_pairs, f"_products_by_{ways}"))
    expected = class_distances(X, labels)
    monkeypatch.setattr("core.separability.class_rows._BLOCK_ELEMENTS", 400)
    monkeypatch.setattr("core.threads.SMALL", 0)
    for name, value in (("_TILE", 37), ("_STRIP", 5), ("_COLUMNS", 13), ("_MOMENT_ELEMENTS", 1500)):
        monkeypatch.setattr(class_pairs, name, value)
    found = class_distances(X, labels)
    for name in ("mean", "sd", "cv"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)


def test_the_cheaper_way_is_taken(monkeypatch):
    taken = []
    for ways in ("moments", "pairs"):
        monkeypatch.setattr(
            f"core.separability.class_pairs._products_by_{ways}",
            lambda rows, means, ways=ways: taken.append(ways) or np.zeros((rows.n_classes, rows.n_classes)),
        )
    class_distances(np.ones((100, 2)), np.arange(100) % 4)
    class_distances(np.ones((10, 50)), np.arange(10) % 4)
    assert taken == ["moments", "pairs"]


def test_directions_at_right_angles():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    turned = class_distances(np.repeat(rotation, 3, axis=0), np.repeat(list("dcba"), 3))
    np.testing.assert_array_equal(turned.mean.diagonal(), 0)
    np.testing.assert_array_equal(turned.sd, 0)
    found = class_distances(np.repeat(np.eye(4), 3, axis=0), np.repeat(list("dcba"), 3))
    assert found.classes.tolist() == list("abcd")
    np.testing.assert_array_equal(found.mean, 1 - np.eye(4))
    np.testing.assert_array_equal(found.sd, 0)
    np.testing.assert_array_equal(found.cv, 0)
    one = class_distances(np.eye(4), ["a"] * 4)  # one class, all of it equally far apart
    assert (one.mean.tolist(), one.cv.tolist(), one.n_pairs.tolist()) == ([[1]], [[0]], [[6]])


def test_one_pair_has_no_deviation_and_one_point_no_distance():
    found = class_distances([[1, 0], [1, 1], [0, 1]], ["a", "a", "b"])
    assert found.sd[0, 0] == 0
    assert found.cv[0, 0] == 0
    assert found.mean[0, 0] == pytest.approx(1 - math.sqrt(0.5))
    assert np.isnan([found.mean[1, 1], found.sd[1, 1], found.cv[1, 1]]).all()
    assert found.n_pairs.tolist() == [[1, 2], [2, 0]]
    alone = class_distances([[3.0, 4.0]], ["a"])
    assert np.isnan(alone.mean).all()


def test_distances_are_those_of_directions():
    rng = np.random.default_rng(1)
    X, labels = points("plain")
    expected = class_distances(X, labels)
    rotation = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    mixed = rng.permutation(len(X))
    other = class_distances((X * rng.uniform(0.1, 9, (len(X), 1)) @ rotation)[mixed], labels[mixed])
    for name in ("mean", "sd", "cv"):
        values = getattr(expected, name)
        np.testing.assert_allclose(getattr(other, name), values, atol=1e-9)
        np.testing.assert_allclose(values, values.T, atol=1e-15)


# -- order of classes ----------------------------------------------------------------------------------


def leaf_orders(tree, C):
    """All orders of the leaves that a tree allows."""
    orders = {i: [[i]] for i in range(C)}
    for step, (left, right, *_) in enumerate(tree):
        pairs = itertools.product(orders[int(left)], orders[int(right)])
        orders[C + step] = [order for a, b in pairs for order in (a + b, b + a)]
    return orders[C + len(tree) - 1]


@pytest.mark.parametrize("seed", range(5))
def test_order_is_the_best_that_the_tree_allows(seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((7, 2))
    D = np.linalg.norm(points[:, None] - points, axis=2)
    order = class_order(D + np.diag([np.nan] * 7))
    assert order.dtype == np.int64
    assert order[0] < order[-1]

    def length(order):
        return sum(D[i, j] for i, j in itertools.pairwise(order))

    allowed = leaf_orders(linkage(squareform(D), "average"), 7)
    assert order.tolist() in allowed
    assert length(order.tolist()) == pytest.approx(min(map(length, allowed)))


def test_order_of_points_on_a_line():
    x = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert class_order(abs(x[:, None] - x)).tolist() == [0, 2, 4, 3, 1]


def test_rounding_does_not_decide_between_ties():
    rng = np.random.default_rng(0)
    D = 1.0 - np.eye(12)
    expected = class_order(D)
    assert sorted(expected.tolist()) == list(range(12))
    for _ in range(5):
        noise = np.triu(rng.uniform(-1e-15, 1e-15, D.shape), 1)
        np.testing.assert_array_equal(class_order(D + noise + noise.T), expected)


@pytest.mark.parametrize("C", [0, 1, 2])
def test_order_of_few_classes(C):
    assert class_order(np.full((C, C), 0.5)).tolist() == list(range(C))


# -- angular properties --------------------------------------------------------------------------------


def properties_of_all_pairs(X, labels):
    """Equations 1 to 4 of the paper, over all i ≠ j."""
    D = distance_matrix(X, "cosine").astype(np.float64)
    same = np.equal.outer(np.asarray(labels), np.asarray(labels))
    within = D[same & ~np.eye(len(D), dtype=bool)] ** 2
    between = (1 - D[~same]) ** 2
    found = []
    for values in (within, between):
        mean = values.sum() / len(values) if len(values) else np.nan
        spread = math.sqrt(((values - mean) ** 2).sum() / (len(values) - 1)) if len(values) else np.nan
        found += [mean, spread]
    return found, len(within), len(between)


def check_properties(found, X, labels, atol=1e-9):
    expected, n_within, n_between = properties_of_all_pairs(X, labels)
    values = [found.mu_p, found.sigma_p, found.mu_n, found.sigma_n]
    np.testing.assert_allclose(values, expected, atol=atol)
    np.testing.assert_array_equal(list(vars(found).values())[:4], values)
    assert (found.n_within, found.n_between) == (n_within, n_between)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_properties_equal_those_of_all_pairs(kind, dtype):
    X, labels = points(kind, dtype)
    check_properties(angular_properties(X, labels), X, labels)


def test_properties_do_not_depend_on_blocks_and_threads(monkeypatch):
    X, labels = points("plain")
    monkeypatch.setattr("core.threads.SMALL", 0)
    for tile in (7, 64):  # smaller and larger than a class
        monkeypatch.setattr("core.separability.class_pairs._TILE", tile)
        check_properties(angular_properties(X, labels), X, labels)


def test_the_perfect_space_has_only_zeros():
    found = angular_properties(np.repeat(np.eye(5), 4, axis=0), np.repeat(range(5), 4))
    assert (found.mu_p, found.sigma_p, found.mu_n, found.sigma_n) == (0, 0, 0, 0)
    direction = np.full((4, 7), 0.3)
    assert angular_properties(direction * [[1], [2], [3], [4]], ["a"] * 4).mu_p == 0


def test_properties_without_pairs_are_nan():
    one = angular_properties(np.eye(3), ["a"] * 3)
    assert (one.mu_p, one.sigma_p, one.n_between) == (1, 0, 0)
    assert np.isnan([one.mu_n, one.sigma_n]).all()
    alone = angular_properties(np.eye(3), ["a", "b", "c"])
    assert np.isnan([alone.mu_p, alone.sigma_p]).all()
    assert (alone.mu_n, alone.sigma_n, alone.n_within) == (0, 0, 0)


# -- K-means -------------------------------------------------------------------------------------------


def test_kmeans_is_that_of_scikit_learn():
    X, _ = points("plain")
    seen = []
    found = kmeans_curve(X, [1, 2, 5, 9], seed=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.ks.tolist() == [1, 2, 5, 9]
    assert found.inertia[0] == pytest.approx(((X - X.mean(axis=0)) ** 2).sum())
    assert np.isnan(found.silhouette[0])
    for i, k in enumerate([2, 5, 9], start=1):
        model = KMeans(k, n_init=10, random_state=3).fit(X)
        inertia = sum(
            ((X[model.labels_ == c] - X[model.labels_ == c].mean(axis=0)) ** 2).sum() for c in range(k)
        )
        assert found.inertia[i] == pytest.approx(inertia, rel=1e-6)
        silhouette = metrics.silhouette_score(X, model.labels_)
        assert found.silhouette[i] == pytest.approx(silhouette, abs=1e-6)
    again = kmeans_curve(X, [1, 2, 5, 9], seed=3)
    np.testing.assert_array_equal(found.inertia, again.inertia)


@pytest.mark.parametrize("n_clusters", [3, 6])
def test_the_elbow_is_at_the_number_of_equidistant_clusters(n_clusters):
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(10)[:n_clusters], 30, axis=0) + 0.02 * rng.standard_normal((30 * n_clusters, 10))
    found = kmeans_curve(X, range(1, 13), seed=0, metric="cosine")
    assert found.elbow == n_clusters
    assert found.ks[np.nanargmax(found.silhouette)] == n_clusters
    # The definition: the largest distance to the chord between the ends of the curve.
    ends = np.array([[1, found.inertia[0]], [12, found.inertia[-1]]]) / [11, np.ptp(found.inertia)]
    curve = np.stack([found.ks, found.inertia], axis=1) / [11, np.ptp(found.inertia)]
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    away = [np.linalg.norm((p - ends[0]) - ((p - ends[0]) @ along) * along) for p in curve]
    assert found.ks[np.argmax(away)] == found.elbow


def test_no_elbow():
    X, _ = points("plain")
    assert kmeans_curve(X, [2, 3], seed=0).elbow is None
    assert kmeans_curve(np.ones((9, 2)), [1, 2, 3], seed=0).elbow is None
    # Equally many points at equal distances: every further cluster brings as much as the one before.
    assert kmeans_curve(np.eye(6), range(1, 7), seed=0).elbow is None


def test_fewer_points_that_differ_than_clusters():
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], 4, axis=0)
    found = kmeans_curve(X, [1, 2, 3, 5, 12], seed=0)
    np.testing.assert_allclose(found.inertia[2:], 0, atol=1e-12)
    np.testing.assert_array_equal(found.silhouette[2:], 1)
    assert found.elbow == 3
    assert kmeans_curve(np.ones((4, 2)), [2], seed=0).silhouette.tolist() == pytest.approx(
        [np.nan], nan_ok=True
    )


@pytest.mark.parametrize("ks", [[], [0], [7], [2, 2], [3, 2], [2.5], [True]])
def test_errors_of_kmeans(ks):
    with pytest.raises(ValueError, match="it must hold whole numbers from 1 to 6"):
        kmeans_curve(np.eye(6), ks, seed=0)


SEVERAL_TYPES = np.array(["a", 1, "b"], dtype=object)


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (silhouette_samples, (np.eye(3), ["dog"] * 3), "All 3 labels are dog; a silhouette needs at least 2"),
        (silhouette_samples, (np.eye(3), [0, 1]), r"labels have shape \(2,\)"),
        (silhouette_samples, (np.eye(3), ["a", None, "b"]), "Label 1 is missing"),
        (silhouette_samples, (np.eye(3), [0.0, 1.0, np.nan]), "Label 2 is missing"),
        (silhouette_samples, (np.eye(3), SEVERAL_TYPES), "several types"),
        (silhouette_samples, (np.full((3, 2), np.inf), [0, 1, 1]), "Row 0 of X"),
        (partial(silhouette_samples, metric="l1"), (np.eye(3), [0, 1, 1]), "metric is 'l1'"),
        (silhouette_by_class, ([0.1, np.nan], ["a", "b"]), "Silhouette 1 is not a number"),
        (silhouette_by_class, ([], []), r"samples have shape \(0,\)"),
        (silhouette_by_class, ([0.1, 0.2], ["a"]), r"labels have shape \(1,\)"),
        (class_distances, ([[1.0], [np.nan]], ["a", "b"]), "Row 1 of X"),
        (class_order, (np.zeros((2, 3)),), r"distances have shape \(2, 3\)"),
        (class_order, ([[0, 1], [2, 0]],), "not symmetric"),
        (class_order, ([[0, np.nan], [np.nan, 0]],), "The distance of 0 and 1 is nan"),
        (class_order, ([[0, -1], [-1, 0]],), "The distance of 0 and 1 is -1"),
        (partial(kmeans_curve, seed=0, metric="l1"), (np.eye(6), [2]), "metric is 'l1'"),
    ],
)
def test_errors_say_what_and_what_is_allowed(function, given, message):
    with pytest.raises(ValueError, match=message):
        function(*given)
