import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.neighbors import class_agreement, class_agreement_samples, knn, shared_ranks
from core.neighbors import exact_search as _exact_search
from core.neighbors.exact_search import METRICS
from tests.core.references.neighbors import KINDS, neighbours, space


def check(X, k, **options):
    indices, distances = knn(X, k, **options)
    expected_indices, expected_distances = neighbours(X, k, **options)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-9, atol=2e-12)
    assert indices.dtype == np.int64
    assert distances.dtype == np.float64


# Whole numbers, so that many points are equal and many distances tie exactly.
small_matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.integers(-2, 2).map(float)
)


@settings(max_examples=150)
@given(X=small_matrices, data=st.data())
@pytest.mark.parametrize("metric", METRICS)
def test_equals_brute_force_with_many_ties(metric, X, data):
    include_self = data.draw(st.booleans())
    k = data.draw(st.integers(1, len(X) - (not include_self)))
    check(X, k, metric=metric, include_self=include_self)


@settings(max_examples=80)
@given(
    X=small_matrices,
    scale=st.sampled_from([1e-120, 1e-30, 1e-6, 1.0, 1e6, 1e30, 1e140]),
    offset=st.sampled_from([0.0, 1e3]),
    data=st.data(),
)
@pytest.mark.parametrize("metric", METRICS)
def test_any_scale_keeps_the_neighbours_it_can_tell_apart(metric, X, scale, offset, data):
    X = (X + offset) * scale
    k = data.draw(st.integers(1, len(X) - 1))
    indices, distances = knn(X, k, metric=metric)
    _, expected = neighbours(X, k, metric=metric)
    np.testing.assert_allclose(distances, expected, rtol=1e-9, atol=2e-12)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert all(len(set(row)) == k for row in indices.tolist())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_brute_force_on_random_points(metric, dtype):
    X = np.random.default_rng(0).standard_normal((120, 33)).astype(dtype)
    check(X, 119, metric=metric)
    check(X, 7, metric=metric, include_self=True)
    check(X, 120, metric=metric, include_self=True)


@pytest.mark.parametrize("metric", METRICS)
def test_queries_of_their_own(metric):
    rng = np.random.default_rng(1)
    X, queries = rng.standard_normal((60, 8)), rng.standard_normal((25, 8))
    queries[3] = X[5]
    queries[4] = 0
    check(X, 60, metric=metric, queries=queries)
    check(X.astype(np.float32), 5, metric=metric, queries=queries)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_threads_and_compiled_sums_change_nothing(kind, metric):
    """Large enough for the compiled path; the reference is a float64 matrix of all pairs, without blocks."""
    X = space(kind, 3000)
    n = len(X)
    k = 40
    indices, distances = knn(X, k, metric=metric)
    rows = np.r_[0:60, n - 60 : n]
    if metric == "euclidean":
        full = np.stack([np.sqrt(((X - X[i]) ** 2).sum(axis=1)) for i in rows])
    else:
        norms = np.linalg.norm(X, axis=1)
        scale = norms if metric == "inner_product" else np.where(norms > 0, norms, 1.0)
        unit = X / np.where(norms > 0, scale, 1.0)[:, None] if metric == "cosine" else X
        full = np.einsum("ij,kj->ik", unit[rows], unit)
        full = 1 - full if metric == "cosine" else -full
    full[np.arange(len(rows)), rows] = np.inf
    expected = np.sort(full, axis=1)[:, :k]
    np.testing.assert_allclose(distances[rows], expected, rtol=1e-10, atol=2e-12)
    # Every point that was chosen is at the distance that is returned, in that order.
    chosen = np.take_along_axis(full, indices[rows], axis=1)
    np.testing.assert_allclose(chosen, distances[rows], rtol=1e-10, atol=2e-12)
    tied = np.diff(distances, axis=1) == 0
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.diff(indices, axis=1)[tied] > 0).all()
    assert (indices != np.arange(n)[:, None]).all()
    # Nothing nearer was left out, and where nothing else decides the lowest indices were taken.
    for r, i in enumerate(rows):
        assert set(np.flatnonzero(full[r] < distances[i, -1] - 4e-12)) <= set(indices[i])
    if kind == "all equal":
        np.testing.assert_array_equal(indices[0], np.arange(1, k + 1))
        np.testing.assert_array_equal(indices[n - 1], np.arange(k))


@pytest.mark.parametrize("metric", METRICS)
def test_equal_points_tie_by_index_across_blocks(metric):
    X = np.random.default_rng(3).standard_normal((1500, 40)).astype(np.float32)
    X[1000:] = X[:500]
    indices, distances = knn(X, 1499, metric=metric)
    where = np.argsort(indices[700], kind="stable")
    position = np.insert(where, 700, -1)
    # Row j and its copy 1000 + j are next to each other, the lower index first.
    np.testing.assert_array_equal(position[1000:] - position[:500], 1)
    np.testing.assert_array_equal(distances[700][position[:500]], distances[700][position[1000:]])


def test_block_size_and_path_do_not_matter(monkeypatch):
    X = np.random.default_rng(4).standard_normal((700, 64)).astype(np.float32)
    plain = knn(X, 50)
    monkeypatch.setattr(_exact_search, "_BLOCK_ELEMENTS", 7000)
    for limit, whole in ((0, 0), (10**12, 0), (0, 10**9), (10**12, 10**9)):
        monkeypatch.setattr(_exact_search, "SMALL", limit)
        monkeypatch.setattr(_exact_search, "_WHOLE_ELEMENTS", whole)
        indices, distances = knn(X, 50)
        np.testing.assert_array_equal(indices, plain[0])
        np.testing.assert_allclose(distances, plain[1], rtol=0, atol=2e-12)


def test_memory_layout_does_not_matter():
    X = np.random.default_rng(5).standard_normal((90, 12))
    expected = knn(X, 9)
    wide = np.empty((90, 24))
    wide[:, ::2] = X
    for other in (np.asfortranarray(X), wide[:, ::2], X[::-1][::-1], X.tolist()):
        for got, want in zip(knn(other, 9), expected, strict=True):
            np.testing.assert_array_equal(got, want)
    before = X.copy()
    knn(X, 9)
    np.testing.assert_array_equal(X, before)


def test_the_point_itself_is_first_even_where_others_tie_or_beat_it():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [5.0, 0.0], [0.0, 0.0]])
    for metric in METRICS:
        indices, _ = knn(X, 4, metric=metric, include_self=True)
        np.testing.assert_array_equal(indices[:, 0], np.arange(4))
        np.testing.assert_array_equal(np.sort(indices, axis=1), np.tile(np.arange(4), (4, 1)))
    assert knn(X, 1, metric="inner_product", include_self=True)[1].ravel().tolist() == [-1, -1, -25, 0]


def test_zero_vector_is_at_distance_one_from_everything():
    indices, distances = knn([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [-1.0, -1.0]], 3)
    np.testing.assert_array_equal(distances[0], 1)
    np.testing.assert_array_equal(indices[0], [1, 2, 3])
    np.testing.assert_array_equal(distances[1], [1, 1, 2])


def test_other_number_types():
    X = np.array([[0, 1], [1, 0], [1, 1], [2, 1]])
    expected = knn(X.astype(float), 2)
    for dtype in (np.int8, np.uint16, np.int64, np.float16, bool):
        values = X.astype(dtype)
        got = knn(values, 2)
        want = expected if dtype is not bool else knn(values.astype(float), 2)
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize(
    ("X", "k", "options", "message"),
    [
        (np.eye(5), 5, {}, "k is 5; for 5 rows it must be a whole number from 1 to 4"),
        (np.eye(5), 6, {"include_self": True}, "from 1 to 5"),
        (np.eye(5), 0, {}, "k is 0"),
        (np.eye(5), 2.0, {}, "k is 2.0"),
        (np.eye(5), True, {}, "k is True"),
        (np.eye(1), 1, {}, "1 row"),
        (np.empty((0, 3)), 1, {}, r"X has shape \(0, 3\)"),
        (np.empty((3, 0)), 1, {}, r"X has shape \(3, 0\)"),
        (np.ones(3), 1, {}, r"X has shape \(3,\)"),
        (np.array([["a", "b"], ["c", "d"]]), 1, {}, "real numbers"),
        (np.eye(3) * 1j, 1, {}, "real numbers"),
        (np.eye(5), 1, {"metric": "manhattan"}, "metric is 'manhattan'; it must be one of cosine"),
        (np.eye(5), 1, {"queries": np.ones((2, 4))}, "queries have 4 columns and X has 5"),
        (np.eye(5), 1, {"queries": np.eye(5), "include_self": True}, "include_self"),
        (np.eye(5) * 1e160, 1, {"metric": "euclidean"}, "below 1e150"),
    ],
)
def test_errors_say_what_and_what_is_allowed(X, k, options, message):
    with pytest.raises(ValueError, match=message):
        knn(X, k, **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_names_the_first_row(bad):
    X = np.ones((9, 3))
    X[4, 1] = X[7, 0] = bad
    with pytest.raises(ValueError, match="Row 4 of X"):
        knn(X, 2)
    with pytest.raises(ValueError, match="Row 4 of queries"):
        knn(np.ones((9, 3)), 2, queries=X)


@settings(max_examples=60)
@given(data=st.data(), n=st.integers(3, 12))
def test_class_agreement_equals_counting(data, n):
    labels = data.draw(st.lists(st.sampled_from(["dog", "rain", "sea"]), min_size=n, max_size=n))
    k = data.draw(st.integers(1, n - 1))
    indices, _ = knn(np.random.default_rng(n).standard_normal((n, 3)), n - 1)
    expected = [sum(labels[j] == labels[i] for j in indices[i, :k]) / k for i in range(n)]
    np.testing.assert_allclose(class_agreement_samples(indices, labels, k=k), expected)
    assert class_agreement(indices, labels, k=k) == pytest.approx(np.mean(expected))


def test_class_agreement_errors():
    indices, _ = knn(np.eye(4), 2)
    with pytest.raises(ValueError, match="k is 3; these neighbours allow 1 to 2"):
        class_agreement(indices, list("abcd"), k=3)
    with pytest.raises(ValueError, match="labels have shape"):
        class_agreement(indices, list("abc"))
    with pytest.raises(ValueError, match="Point 0 is among its own neighbours"):
        class_agreement(knn(np.eye(4), 2, include_self=True)[0], list("abcd"))
    with pytest.raises(ValueError, match="4 rows allow 0 to 3"):
        class_agreement(indices + 4, list("abcd"))


@given(n=st.integers(2, 9), seed=st.integers(0, 50))
def test_shared_ranks_give_the_overlap_of_every_length(n, seed):
    rng = np.random.default_rng(seed)
    first, _ = knn(rng.standard_normal((n, 2)), n - 1)
    second, _ = knn(rng.standard_normal((n, 2)), n - 1)
    points, ranks = shared_ranks(first, second)
    for k in range(1, n):
        counted = np.bincount(points[ranks <= k], minlength=n)
        expected = [
            len(set(a[:k]) & set(b[:k])) for a, b in zip(first.tolist(), second.tolist(), strict=True)
        ]
        np.testing.assert_array_equal(counted, expected)
