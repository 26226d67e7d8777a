import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler

from core.processing import AGGREGATIONS, Processing, aggregate, fit_reducer, fit_scaler, normalize


@settings(max_examples=80)
@given(data=st.data(), counts=st.lists(st.integers(1, 5), min_size=1, max_size=8))
@pytest.mark.parametrize("how", AGGREGATIONS)
def test_aggregate_equals_a_loop_over_clips(how, data, counts):
    frames = data.draw(
        hnp.arrays(
            data.draw(st.sampled_from([np.float32, np.float64])),
            (sum(counts), 3),
            elements=st.floats(-1000, 1000, width=32),
        )
    )
    offsets = np.concatenate([[0], np.cumsum(counts)])
    pieces = np.split(frames.astype(np.float64), offsets[1:-1])
    expected = np.stack([getattr(np, how)(piece, axis=0) for piece in pieces])
    result = aggregate(frames, offsets, how)
    assert result.dtype == frames.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-30)


def test_mean_of_many_float32_frames_is_summed_in_float64():
    frames = np.full((200_000, 1), 0.1, dtype=np.float32)
    assert aggregate(frames, [0, len(frames)])[0, 0] == np.float32(0.1)


@pytest.mark.parametrize(
    ("offsets", "how", "message"),
    [
        ([0, 2, 2, 4], "mean", "Clip 1 has no frames; leave it out"),
        ([0, 2, 3], "mean", "must rise from 0 to 4"),
        ([1, 4], "mean", "offsets run from 1"),
        ([0, 3, 2, 4], "mean", "must rise"),
        ([0], "mean", r"shape \(1,\)"),
        ([0.0, 4.0], "mean", "whole numbers"),
        ([0, 4], "sum", "how is 'sum'; it must be one of mean, median, max"),
    ],
)
def test_aggregate_errors(offsets, how, message):
    with pytest.raises(ValueError, match=message):
        aggregate(np.ones((4, 2)), offsets, how)


@pytest.mark.parametrize("shape", [(60, 7), (7, 60), (9000, 5), (3, 3)])
def test_reducer_equals_scikit_learn_but_for_signs(shape):
    X = np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1) + 5
    p = min(4, *shape)
    ours, theirs = fit_reducer(X, p), PCA(p, svd_solver="full").fit(X)
    # The last of as many components as points has no variance, and so no direction of its own.
    q = min(p, min(shape) - 1)
    np.testing.assert_allclose(np.abs(ours.components[:q]), np.abs(theirs.components_[:q]), atol=1e-8)
    np.testing.assert_allclose(ours.variances, theirs.explained_variance_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        np.abs(ours.transform(X))[:, :q], np.abs(theirs.transform(X))[:, :q], atol=1e-7
    )
    np.testing.assert_allclose(ours.components @ ours.components.T, np.eye(p), atol=1e-12)


def test_reducer_projects_queries_by_the_corpus_and_keeps_distances_in_full():
    rng = np.random.default_rng(1)
    X, queries = rng.standard_normal((50, 6)), rng.standard_normal((4, 6))
    reducer = fit_reducer(X, 6)
    a, b = reducer.transform(X), reducer.transform(queries)
    np.testing.assert_allclose(
        np.linalg.norm(a[:, None] - b, axis=2), np.linalg.norm(X[:, None] - queries, axis=2), atol=1e-10
    )
    np.testing.assert_allclose(a.mean(axis=0), 0, atol=1e-12)
    assert reducer.explained.sum() == pytest.approx(1)


def test_signs_do_not_hang_on_rounding():
    # Both loadings are of one size, so the larger of them is a matter of rounding.
    X = np.random.default_rng(2).standard_normal((100, 1)) * [1.0, -1.0]
    for noise in range(20):
        shaken = X + 1e-12 * np.random.default_rng(noise).standard_normal(X.shape)
        np.testing.assert_allclose(fit_reducer(shaken, 1).components, [[0.5**0.5, -(0.5**0.5)]], atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(X)
    np.testing.assert_allclose(fit_reducer(shuffled, 1).components, fit_reducer(X, 1).components, atol=1e-12)


def test_reducer_of_equal_points():
    reducer = fit_reducer(np.full((5, 3), 2.0), 2)
    np.testing.assert_array_equal(reducer.transform(np.full((2, 3), 2.0)), 0)
    np.testing.assert_array_equal(reducer.explained, 0)
    assert fit_reducer([[1.0, 2.0]], 1).transform([[1.0, 2.0]]).tolist() == [[0.0]]


@pytest.mark.parametrize("p", [0, 4, 1.5, True])
def test_reducer_errors(p):
    with pytest.raises(ValueError, match=r"n_components is"):
        fit_reducer(np.eye(3), p)


def test_reducer_refuses_points_of_another_width():
    with pytest.raises(ValueError, match="X has 2 columns; the components are of 3"):
        fit_reducer(np.eye(3), 2).transform(np.eye(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(dtype):
    X = np.random.default_rng(0).standard_normal((20, 5)).astype(dtype)
    X[3] = 0
    X[4] *= dtype(1e-30)
    X[5] *= dtype(1e30)
    before = X.copy()
    unit = normalize(X)
    assert unit.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(np.delete(unit, 3, 0).astype(float), axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(unit[3], 0)
    np.testing.assert_array_equal(X, before)


def test_processing_states_and_takes_its_steps_in_order():
    rng = np.random.default_rng(3)
    frames, offsets = rng.standard_normal((60, 8)), np.arange(0, 61, 3)
    processing = Processing(aggregation="max", n_components=4, normalize=True)
    assert processing.steps == ("max over frames", "PCA to 4 dimensions", "unit length")
    corpus, process = processing.fit(frames, offsets)
    clips = aggregate(frames, offsets, "max")
    expected = normalize(fit_reducer(clips, 4).transform(clips))
    np.testing.assert_allclose(corpus, expected, atol=1e-12)
    # Queries get the corpus's components, not their own.
    np.testing.assert_allclose(process(frames[:9], [0, 3, 9])[0], expected[0], atol=1e-12)
    plain, _ = Processing().fit(frames, offsets)
    np.testing.assert_array_equal(plain, aggregate(frames, offsets))


def test_processing_is_frozen_and_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Processing().aggregation = "max"  # type: ignore[misc]
    assert hash(Processing(n_components=3)) == hash(Processing(n_components=3))
    with pytest.raises(ValueError, match="aggregation is 'sum'"):
        Processing(aggregation="sum")
    with pytest.raises(ValueError, match="n_components is 0"):
        Processing(n_components=0)
    with pytest.raises(ValueError, match="scale is 'zscore'; it must be one of none, minmax"):
        Processing(scale="zscore")
    with pytest.raises(ValueError, match="normalize is 'after'; it must be False, True or 'before'"):
        Processing(normalize="after")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaler_equals_scikit_learn(dtype):
    rng = np.random.default_rng(8)
    # As different as the units of hand-made features are.
    X = (rng.standard_normal((40, 6)) * 10.0 ** np.arange(-12, 18, 5)).astype(dtype)
    queries = 3 * X[:5]
    scaler, theirs = fit_scaler(X), MinMaxScaler().fit(X.astype(float))
    np.testing.assert_allclose(scaler.transform(X), theirs.transform(X.astype(float)), atol=1e-12)
    np.testing.assert_allclose(scaler.transform(queries), theirs.transform(queries.astype(float)), atol=1e-12)
    assert scaler.transform(X).dtype == np.float64
    assert (scaler.transform(X).min(axis=0) == 0).all()
    assert (scaler.transform(X).max(axis=0) == 1).all()


def test_what_is_the_same_everywhere_becomes_0_also_in_queries():
    X = np.array([[1e14, 2.0], [1e14, 4.0]])
    scaler = fit_scaler(X)
    np.testing.assert_array_equal(scaler.transform(X), [[0, 0], [0, 1]])
    np.testing.assert_array_equal(scaler.transform([[2e14, 3.0]]), [[0, 0.5]])
    np.testing.assert_array_equal(fit_scaler([[3.0, 7.0]]).transform([[5.0, 5.0]]), [[0, 0]])


def test_scaler_takes_the_whole_range_of_numbers():
    most = np.finfo(np.float64).max
    X = [[-most, 1.0], [0.0, 1.0 + 2**-52], [most, 1.0]]
    np.testing.assert_array_equal(fit_scaler(X).transform(X), [[0, 0], [0.5, 1], [1, 0]])


def test_scaler_errors():
    with pytest.raises(ValueError, match="Row 1 of X holds NaN"):
        fit_scaler([[1.0], [np.nan]])
    with pytest.raises(ValueError, match="X has 2 columns; the ranges are of 3"):
        fit_scaler(np.eye(3)).transform(np.eye(2))


def test_scaling_comes_between_aggregation_and_pca_and_is_the_corpus_s():
    rng = np.random.default_rng(9)
    frames, offsets = rng.standard_normal((60, 8)) * 10.0 ** np.arange(8), np.arange(0, 61, 3)
    processing = Processing("median", 3, normalize=True, scale="minmax")
    assert processing.steps == (
        "median over frames",
        "min-max scaling",
        "PCA to 3 dimensions",
        "unit length",
    )
    corpus, process = processing.fit(frames, offsets)
    clips = aggregate(frames, offsets, "median")
    theirs = MinMaxScaler().fit(clips)
    reducer = fit_reducer(theirs.transform(clips), 3)
    np.testing.assert_allclose(corpus, normalize(reducer.transform(theirs.transform(clips))), atol=1e-9)
    query = 2 * frames[:4]
    expected = normalize(reducer.transform(theirs.transform(aggregate(query, [0, 4], "median"))))
    np.testing.assert_allclose(process(query, [0, 4]), expected, atol=1e-9)


def test_unit_length_before_pca_is_what_the_released_code_does():
    rng = np.random.default_rng(9)
    clips = rng.standard_normal((60, 8)) * rng.uniform(0.1, 10, (60, 1)) + 1
    processing = Processing(n_components=3, normalize="before")
    assert processing.steps == ("mean over frames", "unit length", "PCA to 3 dimensions")
    corpus, process = processing.fit(clips)
    unit = clips / np.linalg.norm(clips, axis=1, keepdims=True)
    theirs = PCA(3, svd_solver="full").fit(unit)
    # Principal components are known but for their sign.
    np.testing.assert_allclose(np.abs(corpus), np.abs(theirs.transform(unit)), atol=1e-9)
    np.testing.assert_allclose(process(5 * clips[:4]), corpus[:4], atol=1e-9)
    assert not np.allclose(np.abs(corpus), np.abs(Processing(n_components=3).fit(clips)[0]), atol=0.1)
    # Without PCA there is no before and after.
    first = Processing(normalize="before").fit(clips)[0]
    np.testing.assert_array_equal(first, Processing(normalize=True).fit(clips)[0])
    both = Processing(normalize="before", scale="minmax")
    assert both.steps == ("mean over frames", "min-max scaling", "unit length")
    ranged = MinMaxScaler().fit_transform(clips)
    np.testing.assert_allclose(both.fit(clips)[0], normalize(ranged), atol=1e-12)


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_frames_in_blocks_are_aggregated_the_same(how, monkeypatch):
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 9, 30)
    frames, offsets = rng.standard_normal((counts.sum(), 5)), np.concatenate([[0], np.cumsum(counts)])
    whole = aggregate(frames, offsets, how)
    for values in (1, 40, 200):
        monkeypatch.setattr("core.processing._BLOCK_VALUES", values)
        np.testing.assert_array_equal(aggregate(frames, offsets, how), whole)
    frames[70] = np.inf
    with pytest.raises(ValueError, match="Row 70 of frames holds NaN or infinity"):
        aggregate(frames, offsets, how)
    with pytest.raises(ValueError, match="real numbers"):
        aggregate([["a", "b"]], [0, 1], how)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_clips_are_projected_to_equal_points(dtype):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((8400, 60)).astype(dtype)
    X[:, 3] = 0
    twins = np.r_[0, 77:90, 8190:8195, 8399]
    X[twins] = X[0]
    X[77, 3] = -0.0
    coords = fit_reducer(X, 20).transform(X)
    np.testing.assert_array_equal(coords[twins], np.broadcast_to(coords[0], (len(twins), 20)))
    assert len(np.unique(coords, axis=0)) == len(X) - len(twins) + 1


def test_fewer_components_are_the_first_of_more():
    X = np.random.default_rng(6).standard_normal((40, 8))
    more, fewer = fit_reducer(X, 6), fit_reducer(X, 2)
    kept = more.keep(2)
    np.testing.assert_array_equal(kept.components, fewer.components)
    np.testing.assert_array_equal(kept.variances, fewer.variances)
    np.testing.assert_allclose(kept.transform(X), more.transform(X)[:, :2], atol=1e-12)
    np.testing.assert_allclose(kept.explained, fewer.explained)
    for p in (0, 7):
        with pytest.raises(ValueError, match=f"n_components is {p}; there are 6"):
            more.keep(p)


def test_processing_of_clips_has_nothing_to_aggregate():
    X = np.random.default_rng(7).standard_normal((30, 6))
    corpus, process = Processing(n_components=3).fit(X)
    np.testing.assert_array_equal(corpus, fit_reducer(X, 3).transform(X))
    np.testing.assert_allclose(process(X[:2]), corpus[:2], atol=1e-12)


@pytest.mark.parametrize(
    ("p", "n", "d", "reason"),
    [
        (200, 1000, 128, "PCA to 200 dimensions needs as many dimensions and clips, and the model has 128"),
        (100, 40, 128, "PCA to 100 dimensions needs as many dimensions and clips, and there are 40 clips"),
        (128, 128, 128, None),
        (None, 1, 1, None),
    ],
)
def test_processing_says_what_is_in_the_way(p, n, d, reason):
    assert Processing(n_components=p).obstacle(n, d) == reason


def test_processing_refuses_more_components_than_there_can_be():
    with pytest.raises(ValueError, match="the model has 3; keep fewer components, or all of them"):
        Processing(n_components=4).fit(np.eye(5, 3))
