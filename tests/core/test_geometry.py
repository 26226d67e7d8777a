import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from core.neighbors import knn
from core.separability import effective_rank, hubness, intrinsic_dimension, k_occurrence, local_dimension

small_matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(3, 14), st.integers(1, 4)), elements=st.integers(-2, 2).map(float)
)


@settings(max_examples=60)
@given(X=small_matrices, data=st.data())
def test_k_occurrence_and_hubness_equal_counting(X, data):
    n = len(X)
    indices, _ = knn(X, n - 1)
    ks = data.draw(st.lists(st.integers(1, n - 1), min_size=1, max_size=6))
    counts = k_occurrence(indices, ks)
    expected = [[sum(i in row[:k] for row in indices.tolist()) for k in ks] for i in range(n)]
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(counts.sum(axis=0), n * np.array(ks))
    skewness = hubness(indices, ks)
    for column, value in zip(counts.T, skewness, strict=True):
        assert value == pytest.approx(stats.skew(column) if np.ptp(column) else 0, abs=1e-9)


def test_hubs_come_with_dimensions_and_not_with_a_ring():
    rng = np.random.default_rng(0)
    flat, deep = (knn(rng.standard_normal((1000, d)), 10, metric="euclidean")[0] for d in (3, 100))
    assert hubness(flat, [10])[0] < 1 < hubness(deep, [10])[0]
    # On a ring every clip is listed as often as any other.
    angle = np.arange(12) * 2 * np.pi / 12
    ring, _ = knn(np.stack([np.cos(angle), np.sin(angle)], axis=1), 10)
    np.testing.assert_array_equal(hubness(ring, [2, 4, 10]), 0)


def reference_dimension(row, metric):
    lengths = [math.sqrt(2 * v) if metric == "cosine" else v for v in row if v > 0]
    if len(lengths) < 2:
        return math.nan
    total = math.fsum(math.log(lengths[-1] / v) for v in lengths[:-1])
    return (len(lengths) - 1) / total if total else math.inf


@settings(max_examples=100)
@given(
    D=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(2, 7)),
        elements=st.sampled_from([0.0, 1e-9, 0.1, 0.2, 0.25, 1.0, 1.9]),
    ),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_local_dimension_equals_the_formula_with_copies_and_ties(D, metric):
    D = np.sort(D, axis=1)
    expected = [reference_dimension(row, metric) for row in D.tolist()]
    found = local_dimension(D, metric=metric)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    sums = [1 / v for v in expected if not math.isnan(v)]
    mean = sum(sums) / len(sums) if sums else math.nan
    assert intrinsic_dimension(found) == pytest.approx(1 / mean if mean else math.inf, nan_ok=True)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_dimension_of_an_evenly_filled_cube_in_a_larger_space(d):
    rng = np.random.default_rng(d)
    rotation = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    X = rng.random((4000, d)) @ rotation[:d]
    _, distances = knn(X, 20, metric="euclidean")
    assert intrinsic_dimension(local_dimension(distances, metric="euclidean")) == pytest.approx(d, rel=0.12)


def test_cosine_and_euclidean_agree_on_the_sphere():
    X = np.random.default_rng(0).standard_normal((3000, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    by_angle = local_dimension(knn(X, 30)[1], metric="cosine")
    by_length = local_dimension(knn(X, 30, metric="euclidean")[1], metric="euclidean")
    np.testing.assert_allclose(by_angle, by_length, rtol=1e-6)
    # Directions of four dimensions fill a surface of three.
    assert intrinsic_dimension(by_angle) == pytest.approx(3, rel=0.1)
    # Distances are stored in single precision, which must stay in order.
    np.testing.assert_allclose(local_dimension(knn(X, 30)[1].astype(np.float32)), by_angle, rtol=1e-5)


def test_dimension_of_copies_only_is_not_a_number():
    _, distances = knn(np.ones((6, 3)), 5)
    found = local_dimension(distances)
    assert np.isnan(found).all()
    assert math.isnan(intrinsic_dimension(found))
    # The corners of a simplex are equally far from each other, which no finite dimension explains.
    _, distances = knn(np.eye(6), 5)
    assert intrinsic_dimension(local_dimension(distances)) == np.inf


def reference_rank(X):
    X = np.asarray(X, np.float64)
    s = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    p = [v for v in s / s.sum() if v > 1e-13]
    return math.exp(-math.fsum(v * math.log(v) for v in p))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (40, 7), (7, 40), (60, 60), (9000, 5), (5, 9000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_effective_rank_equals_its_definition(shape, dtype):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal(shape) * rng.gamma(0.5, size=shape[1]) + 3).astype(dtype)
    found = effective_rank(X)
    assert found == pytest.approx(reference_rank(X), rel=1e-9)
    assert 1 <= found <= min(shape[0] - 1, shape[1]) + 1e-9


def test_effective_rank_of_known_spectra():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((n, 8)))[0] for n in (300, 200))
    left -= left.mean(axis=0)
    left = np.linalg.qr(left)[0]
    assert effective_rank(left @ right.T) == pytest.approx(8, rel=1e-9)
    assert effective_rank(np.outer(left[:, 0], right[:, 0])) == pytest.approx(1, rel=1e-9)
    halves = np.array([0.5, 0.25, 0.25])
    expected = 2**1.5  # an entropy of one and a half bits
    assert effective_rank((left[:, :3] * halves) @ right[:, :3].T) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e20, 1e300])
def test_effective_rank_does_not_depend_on_scale_or_shift(scale):
    X = np.random.default_rng(0).standard_normal((30, 6)) * [1, 2, 3, 4, 5, 6]
    expected = effective_rank(X)
    assert effective_rank(scale * X) == pytest.approx(expected, rel=1e-9)
    assert effective_rank(X + 1e5) == pytest.approx(expected, rel=1e-9)


def test_effective_rank_of_equal_points_is_zero():
    assert effective_rank([[0.0, 0.0]]) == 0
    assert effective_rank(np.full((7, 5), 0.1)) == 0
    assert effective_rank(np.full((7, 5), 1e6, np.float32)) == 0
    assert effective_rank([[0.1], [0.3], [0.7]]) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k_occurrence([[1], [0]], [2]), "ks run from 2 to 2; this graph allows 1 to 1"),
        (lambda: hubness([[1], [0]], [0]), "ks run from 0 to 0"),
        (lambda: hubness([[1], [0]], [0.5]), "whole numbers"),
        (lambda: k_occurrence([[0], [1]], [1]), "Point 0 is among its own neighbours"),
        (lambda: local_dimension([[1.0]]), "distances have 1 column"),
        (lambda: local_dimension([[2.0, 1.0]]), "rise along each row"),
        (lambda: local_dimension([[-1.0, 1.0]]), "must not be negative"),
        (lambda: local_dimension([[1.0, np.nan]]), "Row 0 of distances"),
        (lambda: local_dimension([[1.0, 2.0]], metric="inner_product"), "metric is 'inner_product'"),
        (lambda: intrinsic_dimension([2.0, 0.0]), "A local dimension is 0"),
        (lambda: intrinsic_dimension([[2.0]]), "must be \\(n,\\)"),
        (lambda: effective_rank([[1.0], [np.inf]]), "Row 1 of X"),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
