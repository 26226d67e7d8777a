import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist, squareform
from scipy.stats import hypergeom, ortho_group

from core.neighbors import exact_search as _exact_search
from core.neighbors import knn
from core.neighbors import order as orders
from core.similarity import alignment_sums as _alignment
from core.similarity import (
    chance_jaccard,
    chance_overlap,
    cka,
    cka_both,
    largest_overlap,
    literal_topological_similarity,
    neighborhood_overlap,
    overlap_band,
    overlap_from_neighbors,
    permutation_band,
    topological_similarity,
)
from core.similarity import neighborhoods as similarity
from tests.core.references.neighbors import KINDS as HARD
from tests.core.references.neighbors import neighbours, space


def reference(first, second, k, include_self):
    """Overlap of every point, and NNGS, from complete neighbour lists."""
    overlap, jaccard = [], []
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        p, q = set(a[:k]), set(b[:k])
        jaccard.append(len(p & q) / len(p | q))
        if include_self:
            p, q = {i, *a[: k - 1]}, {i, *b[: k - 1]}
        overlap.append(len(p & q) / k)
    return np.array(overlap), float(np.mean(jaccard))


def check(X, Y, metrics, include_self, curve):
    first, second = (neighbours(A, len(A), m)[0].tolist() for A, m in zip((X, Y), metrics, strict=True))
    assert curve.n == len(X)
    assert curve.histograms.dtype == np.uint8
    samples = curve.samples(curve.ks)
    for at, k in enumerate(curve.ks.tolist()):
        overlap, jaccard = reference(first, second, k, include_self)
        np.testing.assert_allclose(samples[:, at], overlap, atol=1e-12)
        assert curve.overlap[at] == pytest.approx(overlap.mean(), abs=1e-12)
        assert curve.jaccard[at] == pytest.approx(jaccard, abs=1e-12)


def spaces(kind, n, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 6)), rng.standard_normal((n, 4))
    if kind == "related":
        Y = X[:, :4] + 0.5 * Y
    elif kind == "clustered":
        classes = rng.integers(0, 4, n)
        X += 8 * rng.standard_normal((4, 6))[classes]
        Y += 8 * rng.standard_normal((4, 4))[classes]
    elif kind == "duplicated":
        X, Y = X[rng.integers(0, n // 4, n)], Y[rng.integers(0, n // 4, n)]
    elif kind == "tied":
        X, Y = np.round(X), np.sign(Y)
    elif kind == "all equal":
        X, Y = np.ones((n, 2)), np.full((n, 3), -0.3)
    elif kind == "zeros":
        X[rng.random(n) < 0.4] = 0
        Y[rng.random(n) < 0.4] = 0
    return X, Y


KINDS = ["unrelated", "related", "clustered", "duplicated", "tied", "all equal", "zeros"]
METRICS = ("cosine", "euclidean")

whole = st.integers(-2, 2).map(float)


@settings(max_examples=100)
@given(data=st.data(), n=st.integers(2, 9))
def test_equals_set_intersection_with_many_ties(data, n):
    X, Y = (
        data.draw(hnp.arrays(np.float64, (n, data.draw(st.integers(1, 3))), elements=whole)) for _ in "XY"
    )
    metrics = tuple(data.draw(st.sampled_from(METRICS)) for _ in "XY")
    include_self = data.draw(st.booleans())
    curve = neighborhood_overlap(X, Y, metric=metrics, include_self=include_self)
    np.testing.assert_array_equal(curve.ks, np.arange(1, n + include_self))
    check(X, Y, metrics, include_self, curve)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compiled", [False, True])
def test_equals_set_intersection_on_every_kind_of_space(monkeypatch, kind, compiled):
    if compiled:
        monkeypatch.setattr(similarity, "_SMALL", 0)
        monkeypatch.setattr(similarity, "_BLOCK_ROWS", 7)
    X, Y = spaces(kind, 40)
    for include_self in (False, True):
        curve = neighborhood_overlap(X, Y, include_self=include_self)
        check(X, Y, ("cosine", "cosine"), include_self, curve)
    ks = [3, 40, 1, 17]
    curve = neighborhood_overlap(X, Y, metric=("euclidean", "cosine"), ks=ks)
    assert curve.ks.tolist() == ks
    assert curve.histograms.shape == (40, 39)
    check(X, Y, ("euclidean", "cosine"), True, curve)
    few = neighborhood_overlap(X, Y, k_max=5, include_self=False)
    assert few.ks.tolist() == [1, 2, 3, 4, 5]
    check(X, Y, ("cosine", "cosine"), False, few)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", [*HARD, "whole numbers"])
def test_full_order_is_that_of_the_neighbour_search(monkeypatch, kind, metric):
    monkeypatch.setattr(orders, "_BLOCK_ELEMENTS", 10_000)
    monkeypatch.setattr(_exact_search, "SMALL", 0)  # compiled, in threads
    for dtype in (np.float64, np.float32):
        X = space(kind, 240).astype(dtype)
        n = len(X)
        expected = knn(X, n - 1, metric=metric)[0]
        for many in (0.0, 0.1, 1.0):  # measure all, what pays, and only those that may tie
            monkeypatch.setattr(orders, "_MANY_UNSURE", many)
            np.testing.assert_array_equal(orders.neighbor_order(X, n - 1, metric=metric), expected)
        half = orders.neighbor_order(X, n // 2, metric=metric)
        np.testing.assert_array_equal(half, expected[:, : n // 2])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-160, 1e-30, 1e-7, 1e20, 1e145])
def test_full_order_at_any_scale(monkeypatch, metric, scale):
    monkeypatch.setattr(_exact_search, "SMALL", 0)
    X = scale * space("plain", 240)
    expected = knn(X, len(X) - 1, metric=metric)[0]
    np.testing.assert_array_equal(orders.neighbor_order(X, len(X) - 1, metric=metric), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_the_full_order_does_not_ask_the_search(monkeypatch, metric):
    X = space("plain", 60)
    expected = knn(X, 59, metric=metric)[0]
    monkeypatch.setattr(orders, "knn", None)
    np.testing.assert_array_equal(orders.neighbor_order(X, 59, metric=metric), expected)


def test_inner_product_and_few_neighbours_of_many():
    X, Y = spaces("related", 60)
    curve = neighborhood_overlap(X, Y, metric="inner_product", include_self=False)
    graphs = [knn(A, 59, metric="inner_product")[0].tolist() for A in (X, Y)]
    for at in (0, 9, 40):
        expected, jaccard = reference(*graphs, int(curve.ks[at]), False)
        assert curve.overlap[at] == pytest.approx(expected.mean())
        assert curve.jaccard[at] == pytest.approx(jaccard)
    np.testing.assert_allclose(
        neighborhood_overlap(X, Y, k_max=4).overlap, neighborhood_overlap(X, Y).overlap[:4]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_space_agrees_with_itself_turned_scaled_and_shuffled(dtype):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((120, 8))
    Y = X + rng.standard_normal((120, 8))
    same = neighborhood_overlap(X.astype(dtype), X.astype(dtype))
    np.testing.assert_array_equal(same.overlap, 1)
    np.testing.assert_array_equal(same.jaccard, 1)
    np.testing.assert_allclose(same.adjusted[1:-1], 1)
    turned = (X @ ortho_group.rvs(8, random_state=0)).astype(dtype)
    np.testing.assert_allclose(
        neighborhood_overlap(X, turned).overlap, 1, atol=1e-3 if dtype == np.float32 else 0
    )
    curve = neighborhood_overlap(X.astype(dtype), Y.astype(dtype), metric="euclidean")
    moved = neighborhood_overlap((4 * X).astype(dtype), Y.astype(dtype)[:, ::-1], metric="euclidean")
    np.testing.assert_array_equal(moved.overlap, curve.overlap)
    order = rng.permutation(120)
    shuffled = neighborhood_overlap(X[order].astype(dtype), Y[order].astype(dtype), metric="euclidean")
    np.testing.assert_allclose(shuffled.overlap, curve.overlap, rtol=1e-14)
    np.testing.assert_allclose(shuffled.jaccard, curve.jaccard, rtol=1e-14)
    np.testing.assert_array_equal(shuffled.histograms, curve.histograms[order])
    swapped = neighborhood_overlap(Y.astype(dtype), X.astype(dtype), metric="euclidean")
    np.testing.assert_array_equal(swapped.overlap, curve.overlap)


def test_the_point_itself_shifts_the_curve_and_nothing_else():
    X, Y = spaces("related", 50)
    without, with_self = (neighborhood_overlap(X, Y, include_self=s) for s in (False, True))
    k = np.arange(2, 51)
    np.testing.assert_allclose(with_self.overlap[1:], (1 + (k - 1) * without.overlap) / k)
    np.testing.assert_allclose(with_self.adjusted[1:], without.adjusted, atol=1e-12)
    np.testing.assert_array_equal(with_self.jaccard[:-1], without.jaccard)
    assert with_self.overlap[[0, -1]].tolist() == [1, 1]
    assert with_self.adjusted[[0, -1]].tolist() == [0, 0]
    assert with_self.jaccard[-1] == with_self.chance_jaccard[-1] == 1


def test_closed_forms():
    # A circle walked by steps of 1, and the same circle walked by steps of 2: no neighbours are shared but by
    # size alone.
    n = 11
    angle = 2 * np.pi * np.arange(n) / n
    X, Y = (np.stack([np.cos(s * angle), np.sin(s * angle)], axis=1) for s in (1, 2))
    curve = neighborhood_overlap(X, Y, include_self=False)
    # In X the nearest two are i ± 1, then i ± 2, ...; in Y i ± 5, then i ± 1, i ± 4, i ± 2, i ± 3.
    even = curve.overlap[1::2]
    np.testing.assert_allclose(even, [0, 2 / 4, 2 / 6, 6 / 8, 1])
    np.testing.assert_allclose(curve.jaccard[1::2], [0, 2 / 6, 2 / 10, 6 / 10, 1])
    # Lists that meet only where they end.
    opposite = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]], [[3, 2, 1], [3, 2, 0], [3, 1, 0], [2, 1, 0]]
    assert overlap_from_neighbors(*opposite).overlap.tolist() == [0, 0.5, 1]


def test_graphs_that_are_there_give_the_same():
    X, Y = spaces("related", 70)
    a, b = knn(X, 20)[0], knn(Y, 30)[0]
    for include_self in (False, True):
        curve = overlap_from_neighbors(a, b, include_self=include_self)
        expected = neighborhood_overlap(X, Y, k_max=20, include_self=include_self)
        np.testing.assert_array_equal(curve.ks, expected.ks)
        np.testing.assert_allclose(curve.overlap, expected.overlap)
        np.testing.assert_allclose(curve.jaccard, expected.jaccard)
    assert overlap_from_neighbors(a.astype(np.int32), b.tolist(), ks=[4]).overlap == pytest.approx(
        overlap_from_neighbors(a, b).overlap[3]
    )
    everything = overlap_from_neighbors(knn(X, 69)[0], knn(Y, 69)[0], include_self=True)
    assert everything.ks[-1] == 70
    np.testing.assert_allclose(everything.overlap, neighborhood_overlap(X, Y).overlap)


def test_smallest_spaces():
    curve = neighborhood_overlap([[1.0], [2.0]], [[5.0, 1.0], [0.0, 1.0]])
    assert curve.ks.tolist() == [1, 2]
    assert curve.overlap.tolist() == curve.jaccard.tolist() == curve.chance.tolist() == [1, 1]
    assert curve.adjusted.tolist() == [0, 0]
    one = neighborhood_overlap([[1.0], [2.0]], [[5.0], [0.0]], ks=1, include_self=True)
    assert one.overlap.tolist() == [1]
    assert topological_similarity(one).k == 1
    # Nearest to each in X: 1, 0, 1; in Y: 2, 2, 0.
    three = neighborhood_overlap([[0.0], [1.0], [3.0]], [[0.0], [3.0], [1.0]], metric="euclidean")
    assert three.overlap.tolist() == [1, 0.5, 1]


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_chance_is_the_mean_over_all_pairings(n):
    X, Y = spaces("unrelated", n)
    for include_self in (False, True):
        curves = [
            neighborhood_overlap(X, Y[list(order)], include_self=include_self)
            for order in itertools.permutations(range(n))
        ]
        np.testing.assert_allclose(np.mean([c.overlap for c in curves], axis=0), curves[0].chance)
        np.testing.assert_allclose(np.mean([c.jaccard for c in curves], axis=0), curves[0].chance_jaccard)
        np.testing.assert_allclose(np.mean([c.adjusted for c in curves], axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 17, 400, 20_000])
def test_chance_jaccard_is_the_hypergeometric_mean(n):
    ks = (
        np.arange(1, n)
        if n <= 400
        else np.array([1, 2, 50, 200, 4000, 10_000, 15_000, 19_990, 19_998, 19_999])
    )
    expected = []
    for k in ks:
        m = np.arange(k + 1)
        expected.append((hypergeom.pmf(m, n - 1, k, k) * m / (2 * k - m)).sum())
    np.testing.assert_allclose(chance_jaccard(ks, n), expected, rtol=1e-10)
    assert chance_jaccard(n, n).tolist() == [1]


def test_chance_jaccard_of_every_k_of_many_points_rises_from_nothing_to_one():
    values = chance_jaccard(np.arange(1, 20_000), 20_000)
    assert (np.diff(values) > 0).all()
    assert values[0] == pytest.approx(1 / 19_999)
    assert values[-1] == 1


def test_unrelated_spaces_sit_on_chance_within_the_band():
    rng = np.random.default_rng(5)
    a, b = (knn(rng.standard_normal((300, 10)), 299)[0] for _ in "ab")
    curve, band = overlap_from_neighbors(a, b), permutation_band(a, b, seed=1)
    np.testing.assert_allclose(curve.overlap, curve.chance, atol=0.02)
    np.testing.assert_allclose(curve.jaccard, curve.chance_jaccard, atol=0.02)
    inside = (curve.overlap >= band.quantiles[:, 0]) & (curve.overlap <= band.quantiles[:, 2])
    # The values at neighbouring k go up and down together, so that the share is not close to 0.95.
    assert inside.mean() > 0.8
    np.testing.assert_allclose(band.quantiles[:, 1], curve.chance, atol=0.005)
    assert band.p_simultaneous.min() > 0.05


def slow_band(a, b, permutations, seed):
    """Relabel the second space for every pairing, intersect sets, compare."""
    n, k = a.shape
    rng = np.random.default_rng(seed)
    curves = []
    for partner in [np.arange(n), *(rng.permutation(n) for _ in range(permutations))]:
        back = np.argsort(partner)
        other = [[int(back[j]) for j in b[partner[i]]] for i in range(n)]
        curves.append(
            [
                np.mean([len(set(p[:m]) & set(q[:m])) / m for p, q in zip(a.tolist(), other, strict=True)])
                for m in range(1, k + 1)
            ]
        )
    return np.array(curves[0]), np.array(curves[1:])


@pytest.mark.parametrize("k", [6, 29])
def test_band_equals_direct_computation_with_the_same_pairings(k):
    X, Y = spaces("related", 30)
    a, b = knn(X, k)[0], knn(Y + 3 * np.random.default_rng(1).standard_normal(Y.shape), k)[0]
    observed, shuffled = slow_band(a, b, 25, seed=7)
    seen = []
    band = permutation_band(a, b, permutations=25, seed=7, progress=lambda *at: seen.append(at))
    np.testing.assert_array_equal(band.ks, np.arange(1, k + 1))
    np.testing.assert_allclose(
        band.quantiles, np.quantile(shuffled, [0.025, 0.5, 0.975], axis=0).T, rtol=1e-12
    )
    # Equal counts may differ by a rounding once they are means.
    p = (1 + (shuffled >= observed - 1e-12).sum(axis=0)) / 26
    np.testing.assert_allclose(band.p_value, p)
    chance = chance_overlap(band.ks, 30)
    deviation = np.sqrt(((np.vstack([shuffled, observed]) - chance) ** 2).mean(axis=0))
    deviation[deviation < 1e-12] = np.nan
    largest = np.nanmax((shuffled - chance) / deviation, axis=1)
    p = (1 + (largest[:, None] >= (observed - chance) / deviation - 1e-9).sum(axis=0)) / 26
    p[np.isnan(deviation)] = 1
    np.testing.assert_allclose(band.p_simultaneous, p)
    assert len(set(band.p_value.tolist())) > 2
    assert seen == [(i, 25) for i in range(1, 26)]
    some = permutation_band(a, b, permutations=25, seed=7, ks=[4, 2])
    np.testing.assert_allclose(some.quantiles, band.quantiles[[3, 1]])
    np.testing.assert_allclose(some.p_value, band.p_value[[3, 1]])


def test_band_is_the_same_for_a_seed_whatever_the_threads(monkeypatch):
    X, Y = spaces("related", 400)
    a, b = knn(X, 399)[0], knn(Y, 399)[0]
    bands = []
    for workers in (1, 2, 5):
        monkeypatch.setattr(overlap_band, "cores", lambda workers=workers: workers)
        bands.append(permutation_band(a, b, permutations=11, seed=3))
    for band in bands[1:]:
        np.testing.assert_array_equal(band.quantiles, bands[0].quantiles)
        np.testing.assert_array_equal(band.p_value, bands[0].p_value)
    other = permutation_band(a, b, permutations=11, seed=4)
    assert (other.quantiles != bands[0].quantiles).any()


def test_a_space_beside_itself_is_beyond_every_pairing():
    a, _ = knn(np.random.default_rng(0).standard_normal((80, 3)), 79)
    band = permutation_band(a, a, permutations=99)
    assert (band.p_value[:-1] == 0.01).all()
    assert (band.p_simultaneous[:-1] == 0.01).all()
    # At n - 1 every neighbourhood holds every other point.
    assert band.p_value[-1] == band.p_simultaneous[-1] == 1
    np.testing.assert_array_equal(band.quantiles[-1], 1)


def test_no_permutations():
    a, _ = knn(np.eye(5), 3)
    band = permutation_band(a, a, permutations=0)
    assert np.isnan(band.quantiles).all()
    assert band.quantiles.shape == (3, 3)
    assert np.isnan([band.p_value, band.p_simultaneous]).all()


def test_topological_similarity_is_the_maximum_over_the_range():
    X, Y = spaces("related", 50)
    curve = neighborhood_overlap(X, Y, include_self=False)
    adjusted = (curve.overlap - curve.ks / 49) / (1 - np.minimum(curve.ks, 48) / 49)
    found = topological_similarity(curve)
    assert (found.k_min, found.k_max) == (1, 10)
    assert found.value == curve.overlap[:10].max()
    assert found.k == 1 + curve.overlap[:10].argmax()
    assert found.adjusted == pytest.approx(adjusted[:10].max())
    assert found.adjusted_k == 1 + adjusted[:10].argmax()
    assert topological_similarity(neighborhood_overlap(X, Y)) == found
    assert largest_overlap(curve.ks, curve.overlap, 50) == found
    assert largest_overlap(curve.ks[::-1], curve.overlap[::-1], 50) == found
    wide = topological_similarity(neighborhood_overlap(X, Y), k_min=5, k_max=49)
    assert (wide.value, wide.k, wide.k_min, wide.k_max) == (1, 49, 5, 49)
    assert wide.adjusted == pytest.approx(adjusted[4:48].max())
    some = topological_similarity(neighborhood_overlap(X, Y, ks=[2, 4, 8, 16, 50]))
    assert some.value == curve.overlap[[1, 3, 7]].max()
    assert (some.k_min, some.k_max) == (2, 8)
    with pytest.raises(ValueError, match="k_min is 20 and k_max 30.*holds from 2 to 16"):
        topological_similarity(neighborhood_overlap(X, Y, ks=[2, 16, 50]), k_min=20, k_max=30)


def test_first_of_equal_maxima():
    found = largest_overlap([5, 3, 4], [0.5, 0.5, 0.25], 40)
    assert (found.value, found.k, found.adjusted_k) == (0.5, 3, 3)


def test_table_3_of_the_paper_cannot_count_the_point_itself():
    printed = [0.46, 0.47, 0.44, 0.50, 0.45, 0.38]  # of E_a and E_t, over the means of 50 classes
    n = 50
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, Y = rng.standard_normal((n, 6)), rng.standard_normal((n, 6))
        curve = neighborhood_overlap(X, Y)
        assert (curve.overlap >= 1 / curve.ks).all()
        # Any range of k that holds 2 has a larger maximum than five of the six models.
        assert curve.overlap[1] >= 0.5 > sorted(printed)[-2]
        assert topological_similarity(curve).value < min(printed)
    # Two rings in which nothing is near the same: nothing but the point itself is shared, and 0.5 is reached.
    angle = 2 * np.pi * np.arange(n) / n
    ring, star = (np.column_stack([np.cos(m * angle), np.sin(m * angle)]) for m in (1, 21))
    assert neighborhood_overlap(ring, star, ks=[2]).overlap == [0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_the_literal_definition_is_one_whatever_the_spaces(kind):
    X, Y = spaces(kind, 40)
    for include_self in (False, True):
        found = literal_topological_similarity(neighborhood_overlap(X, Y, include_self=include_self))
        assert (found.value, found.k) == (1, 1)
    curve = neighborhood_overlap(X, Y, ks=[40, 7])
    assert literal_topological_similarity(curve).value == 1
    middle = neighborhood_overlap(X, Y, ks=[7, 20])
    assert literal_topological_similarity(middle).value == middle.overlap.max()


def textbook(X, Y, kernel="linear", bandwidth=1.0, debiased=False):
    X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    n = len(X)

    def gram(Z):
        if kernel == "linear":
            return Z @ Z.T
        distances = pdist(Z)
        return np.exp(-(squareform(distances) ** 2) / (2 * (bandwidth * np.median(distances)) ** 2))

    def hsic(K, L):
        if not debiased:
            H = np.eye(n) - 1 / n
            return np.trace(K @ H @ L @ H) / (n - 1) ** 2
        total = 0.0
        for i, j, q, r in itertools.permutations(range(n), 4):
            total += K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q])
        return total

    K, L = gram(X), gram(Y)
    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


def related(n, d1, d2, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, d1)), rng.standard_normal((n, d2))
    shared = min(d1, d2, 3)
    Y[:, :shared] += 2 * X[:, :shared]
    return X, Y


@pytest.mark.parametrize("block", [2_000_000, 900])
@pytest.mark.parametrize(("n", "d1", "d2"), [(60, 4, 7), (60, 90, 5), (61, 90, 80), (2, 3, 3), (3, 1, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cka_equals_the_textbook_matrices(monkeypatch, n, d1, d2, dtype, block):
    monkeypatch.setattr(_alignment, "_BLOCK_ELEMENTS", block)
    X, Y = (A.astype(dtype) for A in related(n, d1, d2))
    assert cka(X, Y) == pytest.approx(textbook(X, Y), abs=1e-9)
    for bandwidth in (1.0, 0.3, 5.0):
        expected = textbook(X, Y, "rbf", bandwidth)
        assert cka(X, Y, kernel="rbf", bandwidth=bandwidth) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n", "d1", "d2"), [(4, 2, 3), (7, 3, 2), (8, 12, 20)])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_debiased_cka_equals_the_sum_over_all_quadruples(n, d1, d2, kernel):
    X, Y = related(n, d1, d2, seed=1)
    expected = textbook(X, Y, kernel, debiased=True)
    assert cka(X, Y, kernel=kernel, debiased=True) == pytest.approx(expected, abs=1e-9)
    both = cka_both(X, Y, kernel=kernel)
    assert both == (cka(X, Y, kernel=kernel), cka(X, Y, kernel=kernel, debiased=True))


@pytest.mark.parametrize("shape", [(50, 6), (50, 80)])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("debiased", [False, True])
def test_cka_does_not_see_rotation_scale_offset_or_order(shape, kernel, debiased):
    X, Y = related(*shape, 5)
    options = {"kernel": kernel, "debiased": debiased}
    value = cka(X, Y, **options)
    assert cka(Y, X, **options) == pytest.approx(value, abs=1e-12)
    assert cka(X, X, **options) == pytest.approx(1, abs=1e-12)
    turned = X @ ortho_group.rvs(shape[1], random_state=0)
    assert cka(turned, 1e-170 * Y, **options) == pytest.approx(value, abs=1e-9)
    assert cka(1e300 * X, Y, **options) == pytest.approx(value, abs=1e-9)
    assert cka(X + 1e6, Y - 1e6, **options) == pytest.approx(value, abs=1e-7)
    order = np.random.default_rng(0).permutation(50)
    assert cka(X[order], Y[order], **options) == pytest.approx(value, abs=1e-12)


def test_only_the_debiased_estimate_is_near_zero_for_unrelated_spaces_of_many_dimensions():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 2000)), rng.standard_normal((60, 2000))
    for kernel in ("linear", "rbf"):
        usual, unbiased = cka_both(X, Y, kernel=kernel)
        assert usual > 0.8
        assert abs(unbiased) < 0.05


def test_a_far_point_does_not_take_the_digits_of_the_others():
    X, Y = related(40, 3, 4)
    X[5] = 1e9
    # All but one point: the kernel of the far one with any other is 0.
    expected = textbook(X, Y, "rbf")
    assert cka(X, Y, kernel="rbf") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("block", [512, 3])
def test_median_distance_is_that_of_all_pairs(monkeypatch, block):
    monkeypatch.setattr(_alignment, "_MEDIAN_BLOCK", block)
    rng = np.random.default_rng(0)
    median = _alignment._median_distance
    for n in (2, 3, 4, 5, 40, 41, 42, 43):  # an odd and an even number of pairs
        Z = rng.standard_normal((n, 3))
        assert median(Z) == pytest.approx(np.median(pdist(Z)), rel=1e-12)
        tied = np.round(Z)
        distances = pdist(tied)
        assert median(tied) == pytest.approx(np.median(distances) or np.median(distances[distances > 0]))
    two_sizes = np.array([[0.0], [1.0], [3.0], [4.0]])  # 1, 3, 4, 2, 3, 1: between two that differ
    assert median(two_sizes) == pytest.approx(2.5)
    mostly_equal = np.array([[0.0]] * 9 + [[1.0]] + [[3.0]])
    assert median(mostly_equal) == pytest.approx(np.median([1.0] * 9 + [3.0] * 9 + [2.0]))
    assert median(np.ones((6, 2))) == 0


def test_median_distance_of_many_rows_is_that_of_a_sample(monkeypatch):
    Z = np.random.default_rng(0).standard_normal((600, 8))
    exact = _alignment._median_distance(Z)
    monkeypatch.setattr(_alignment, "_MEDIAN_ROWS", 300)
    assert _alignment._median_distance(Z) == pytest.approx(exact, rel=0.02)
    assert _alignment._median_distance(Z) == _alignment._median_distance(Z) != exact
    X, Y = related(600, 8, 5)
    assert cka(X, Y, kernel="rbf") == pytest.approx(textbook(X, Y, "rbf"), abs=2e-3)


def test_many_equal_points_leave_a_kernel():
    rng = np.random.default_rng(0)
    X = np.vstack([np.zeros((40, 2)), rng.standard_normal((10, 2))])
    Y = np.vstack([np.full((40, 2), 0.1), X[40:] + 0.1])
    assert cka(X, Y, kernel="rbf") == pytest.approx(1)
    distances = pdist(X)
    sigma = np.median(distances[distances > 0])
    K = np.exp(-(squareform(distances) ** 2) / (2 * sigma**2))
    L = (other := rng.standard_normal((50, 3))) @ other.T
    H = np.eye(50) - 1 / 50
    K, L = H @ K @ H, H @ np.exp(-(squareform(pdist(other)) ** 2) / (2 * np.median(pdist(other)) ** 2)) @ H
    expected = (K * L).sum() / np.sqrt((K * K).sum() * (L * L).sum())
    assert cka(X, other, kernel="rbf") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-200])
def test_a_space_of_equal_points_has_nothing_to_align(kernel, value):
    X, Y = np.full((9, 4), value), related(9, 3, 3)[0]
    for debiased in (False, True):
        assert cka(X, Y, kernel=kernel, debiased=debiased) == 0
        assert cka(Y, X.astype(np.float32) if abs(value) < 1 else X, kernel=kernel, debiased=debiased) == 0
        assert cka(X, X, kernel=kernel, debiased=debiased) == 0


def test_points_equally_far_from_each_other_have_nothing_to_align_without_bias():
    X, Y = np.eye(6), related(6, 3, 3)[0]
    for kernel in ("linear", "rbf"):
        assert cka(X, Y, kernel=kernel, debiased=True) == 0
        assert cka(X, X, kernel=kernel) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"Y": np.ones((4, 2))}, "X has 5 rows and Y has 4"),
        ({"X": np.ones((1, 2)), "Y": np.ones((1, 2))}, "1 row"),
        ({"Y": np.full((5, 1), np.nan)}, "Row 0 of Y"),
        ({"metric": "manhattan"}, "metric is 'manhattan'; it must be one of cosine"),
        ({"metric": ("cosine", "cosine", "cosine")}, "metric is"),
        ({"metric": ("cosine", "x")}, "or a pair of them"),
        ({"metric": None}, "metric is None"),
        ({"ks": [0, 3]}, "ks run from 0 to 3; here they must be from 1 to 5"),
        ({"ks": [5], "include_self": False}, "from 1 to 4"),
        ({"ks": [2.5]}, "whole numbers"),
        ({"ks": []}, "whole numbers"),
        ({"k_max": 6}, "from 1 to 5"),
        ({"k_max": 2, "ks": [1]}, "give one of them"),
    ],
)
def test_overlap_errors(options, message):
    given = {"X": np.eye(5), "Y": np.eye(5)} | options
    with pytest.raises(ValueError, match=message):
        neighborhood_overlap(given.pop("X"), given.pop("Y"), **given)


def test_graph_errors():
    a, _ = knn(np.eye(5), 3)
    for function in (overlap_from_neighbors, permutation_band):
        with pytest.raises(ValueError, match="5 and 4 points"):
            function(a, knn(np.eye(4), 3)[0])
        with pytest.raises(ValueError, match="Point 2 has a neighbour twice"):
            function(a, np.where(np.arange(5)[:, None] == 2, [0, 1, 0], a))
        with pytest.raises(ValueError, match="among its own neighbours"):
            function(a, knn(np.eye(5), 3, include_self=True)[0])
        with pytest.raises(ValueError, match="from 1 to 3"):
            function(a, a, ks=[4])
    for wrong in (-1, 1.5, float("nan"), True, None):
        with pytest.raises(ValueError, match=f"permutations is {wrong}; it must be a whole number"):
            permutation_band(a, a, permutations=wrong)
    with pytest.raises(ValueError, match="from 1 to 3"):
        overlap_from_neighbors(a, a).samples([4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"Y": np.ones((4, 2))}, "X has 5 rows and Y has 4"),
        ({"X": np.ones((1, 2)), "Y": np.ones((1, 2))}, "CKA needs at least 2"),
        ({"X": np.eye(3), "Y": np.eye(3), "debiased": True}, "3 rows; debiased CKA needs at least 4"),
        ({"kernel": "cubic"}, "kernel is 'cubic'"),
        ({"kernel": "rbf", "bandwidth": 0}, "bandwidth is 0"),
        ({"X": np.full((5, 1), np.inf)}, "Row 0 of X"),
    ],
)
def test_cka_errors(options, message):
    given = {"X": np.eye(5), "Y": np.eye(5)} | options
    with pytest.raises(ValueError, match=message):
        cka(given.pop("X"), given.pop("Y"), **given)
