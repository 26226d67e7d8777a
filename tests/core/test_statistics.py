import warnings
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from core.statistics import (
    blocked_permutation,
    bootstrap_interval,
    holm,
    mean_interval,
    paired_difference,
    pearson,
    regression,
    share_interval,
    spearman,
)

numbers = st.floats(-100, 100).map(lambda v: round(v, 3))


@settings(max_examples=150)
@given(
    xy=hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=numbers),
    confidence=st.sampled_from([0.5, 0.9, 0.95, 0.999]),
)
def test_pearson_equals_scipy(xy, confidence):
    x, y = xy
    c = pearson(x, y, confidence=confidence)
    assert c.n == len(x)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan([c.r, c.p, c.low, c.high]).all()
        return
    expected = stats.pearsonr(x, y)
    low, high = expected.confidence_interval(confidence)
    # At r = ±1 the p-value hangs on the last digit of r.
    np.testing.assert_allclose([c.r, c.low, c.high], [expected.statistic, low, high], atol=1e-6)
    assert c.p == pytest.approx(expected.pvalue, abs=1e-6 if abs(c.r) < 1 - 1e-9 else 1e-4)


def test_pearson_of_shifted_and_scaled_values_is_the_same():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(50)
    y = x + rng.standard_normal(50)
    expected = pearson(x, y)
    for other in (pearson(1e200 * x, 1e-200 * y), pearson(x + 1e6, y)):
        np.testing.assert_allclose(
            [other.r, other.p, other.low, other.high],
            [expected.r, expected.p, expected.low, expected.high],
            rtol=1e-6,
        )
    assert pearson(x, -x).r == pytest.approx(-1, abs=1e-12)
    assert pearson(x, -y).low == pytest.approx(-expected.high)


def test_pearson_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(1000):
        x = rng.standard_normal(20)
        c = pearson(x, 0.75 * x + np.sqrt(1 - 0.75**2) * rng.standard_normal(20))
        found.append(c.low <= 0.75 <= c.high)
    assert 0.93 < np.mean(found) < 0.97


@pytest.mark.parametrize("n", [1, 5, 20, 263, 10_000])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_share_interval_equals_scipy(n, confidence):
    for hits in {0, 1, n // 3, n - 1, n}:
        expected = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
        found = share_interval(hits, n, confidence=confidence)
        np.testing.assert_allclose(
            [found.value, found.low, found.high], [hits / n, expected.low, expected.high], atol=1e-12
        )
        assert found.low <= found.value <= found.high
        assert found.n == n


def test_share_interval_of_nothing():
    found = share_interval(0, 0)
    assert found.n == 0
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("n", [2, 3, 10, 200])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_mean_interval_equals_scipy(n, confidence):
    x = np.random.default_rng(n).gamma(2.0, size=n)
    low, high = stats.ttest_1samp(x, 0).confidence_interval(confidence)
    found = mean_interval(x, confidence=confidence)
    np.testing.assert_allclose([found.value, found.low, found.high], [x.mean(), low, high], rtol=1e-9)
    cut = mean_interval(x, confidence=confidence, low=x.mean() - 1e-3, high=x.mean() + 1e-3)
    np.testing.assert_allclose([cut.low, cut.high], [x.mean() - 1e-3, x.mean() + 1e-3])


def test_mean_interval_of_little():
    one = mean_interval([0.25], low=-1, high=1)
    assert (one.value, one.low, one.high, one.n) == (0.25, -1, 1, 1)
    equal = mean_interval([0.1] * 7)
    assert equal.low == equal.value == equal.high == pytest.approx(0.1)
    assert mean_interval([]).n == 0
    assert np.isnan(mean_interval([]).low)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_paired_difference_equals_scipy(n):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((2, n))
    expected = stats.ttest_rel(x, y)
    low, high = expected.confidence_interval(0.9)
    found = paired_difference(x, y, confidence=0.9)
    np.testing.assert_allclose(
        [found.value, found.low, found.high, found.p], [(x - y).mean(), low, high, expected.pvalue], rtol=1e-9
    )
    assert found.n == n
    back = paired_difference(y, x)
    assert (back.value, back.p) == pytest.approx((-found.value, found.p))


def test_paired_difference_of_little():
    one = paired_difference([1.0], [0.0])
    assert (one.value, one.low, one.high, one.p) == (1, -np.inf, np.inf, 1)
    same = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (same.low, same.high, same.p) == (0, 0, 1)
    shift = paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert (shift.low, shift.high, shift.p) == (1, 1, 0)
    assert np.isnan(paired_difference([], []).p)


@pytest.mark.parametrize("statistic", [np.mean, np.median, np.std])
@pytest.mark.parametrize("n", [5, 60])
def test_bootstrap_equals_scipy(statistic, n):
    x = np.random.default_rng(n).gamma(1.5, size=n)
    expected = stats.bootstrap(
        (x,), statistic, n_resamples=700, confidence_level=0.9, rng=np.random.default_rng(4), method="BCa"
    ).confidence_interval
    found = bootstrap_interval(x, statistic, resamples=700, confidence=0.9, seed=4)
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-9)
    assert found.value == pytest.approx(statistic(x))
    # Groups of one are no groups, in whatever order.
    order = np.random.default_rng(0).permutation(n)
    alone = bootstrap_interval(x[order], statistic, resamples=700, confidence=0.9, seed=4, groups=order)
    np.testing.assert_allclose([alone.low, alone.high], [found.low, found.high], rtol=1e-9)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_bootstrap_of_groups_equals_scipy_on_the_groups(statistic):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 9, 60)
    x = rng.standard_normal(60) + groups
    members = [x[groups == g] for g in np.unique(groups)]

    def of(rows, axis=-1):
        def one(row):
            return statistic(np.concatenate([members[int(g)] for g in row]))

        return np.apply_along_axis(one, axis, np.asarray(rows))

    expected = stats.bootstrap(
        (np.arange(len(members)),), of, n_resamples=300, rng=np.random.default_rng(2), method="BCa"
    ).confidence_interval
    names = np.array([f"recording {g}" for g in groups])
    found = bootstrap_interval(x, statistic, resamples=300, seed=2, groups=names)
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-9)
    assert found.n == 60
    # Within a group values are alike: the true interval is wider.
    alone = bootstrap_interval(x, statistic, resamples=300, seed=2)
    assert found.high - found.low > 1.5 * (alone.high - alone.low)


def test_blocks_of_draws_do_not_change_the_interval(monkeypatch):
    x = np.random.default_rng(0).standard_normal(33)
    whole = [bootstrap_interval(x, f) for f in (np.mean, np.median)]
    monkeypatch.setattr("core.statistics.intervals._BLOCK_ELEMENTS", 100)
    assert [bootstrap_interval(x, f) for f in (np.mean, np.median)] == whole


def test_bootstrap_of_little():
    one = bootstrap_interval([3.0])
    assert (one.value, one.low, one.high, one.n) == (3, -np.inf, np.inf, 1)
    assert bootstrap_interval([1.0, 2.0], groups=["a", "a"]).high == np.inf
    assert np.isnan(bootstrap_interval([]).value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal = bootstrap_interval([0.1] * 9)
        np.testing.assert_allclose([equal.low, equal.value, equal.high], 0.1)
        # Every leave-one-out median is 1: no acceleration can be told.
        flat = bootstrap_interval([1.0] * 20 + [9.0], np.median)
        assert (flat.low, flat.value, flat.high) == (1, 1, 1)
        # The maximum has no resample above it, yet some below.
        most = bootstrap_interval([1.0, 2.0, 3.0], np.max, resamples=200)
        assert most.value == most.high == 3


def reference_holm(p):
    m = len(p)
    ordered = sorted(p)
    adjusted = [max(min(1.0, (m - i) * ordered[i]) for i in range(j + 1)) for j in range(m)]
    return [adjusted[ordered.index(v)] for v in p]


@settings(max_examples=100)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12, unique=True))
def test_holm_equals_its_definition(p):
    np.testing.assert_allclose(holm(p), reference_holm(p), atol=1e-12)
    padded = holm([np.nan, *p, np.nan])
    assert np.isnan(padded[[0, -1]]).all()
    np.testing.assert_array_equal(padded[1:-1], holm(p))


def test_holm_rejects_as_the_stepwise_procedure():
    p = np.array([0.001, 0.012, 0.02, 0.04, 0.3])
    level, rejected = 0.05, []
    for i, value in enumerate(np.sort(p)):
        if value > level / (len(p) - i):
            break
        rejected.append(value)
    assert p[holm(p) <= level].tolist() == rejected
    assert holm([0.2, 0.2]).tolist() == [0.4, 0.4]
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("n", [9, 60])
def test_spearman_is_scipys_with_ties_too(n):
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, 5, n).astype(float), rng.normal(size=n)
    x[0], x[1] = 0, 4
    found, wanted = spearman(x, y), stats.spearmanr(x, y)
    assert found.r == pytest.approx(wanted.statistic, abs=1e-12)
    assert found.p == pytest.approx(wanted.pvalue, abs=1e-9)
    half = 1.959963985 * np.sqrt((1 + found.r**2 / 2) / (n - 3))
    assert np.arctanh([found.low, found.high]) == pytest.approx(np.arctanh(found.r) + np.array([-half, half]))
    assert spearman(np.exp(y), y).r == pytest.approx(1)


@pytest.mark.parametrize("n", [3, 4, 6])
def test_spearmans_p_of_few_pairs_is_the_share_of_orders_as_strong(n):
    rng = np.random.default_rng(n)
    for x, y in ((rng.normal(size=n), rng.normal(size=n)), (np.arange(n) // 2, rng.integers(0, 3, n))):
        y = np.asarray(y, float)
        y[0], y[-1] = -1, 4
        every = [stats.spearmanr(x, order).statistic for order in permutations(y)]
        found = spearman(x, y)
        assert found.r == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(found.r) - 1e-9))


def test_a_few_pairs_in_perfect_order_are_not_certain():
    up, down = spearman([1, 2, 3, 4], [1, 5, 6, 70]), spearman([1, 2, 3, 4], [4, 3, 2, 1])
    assert (up.r, up.p, up.high) == (pytest.approx(1), pytest.approx(2 / 24), 1)
    assert up.low == pytest.approx(np.tanh(np.arctanh(0.8) - 1.959963985 * np.sqrt(1.32)))
    assert (down.r, down.p, down.low, down.high) == tuple(
        pytest.approx(v) for v in (-up.r, up.p, -1, -up.low)
    )
    assert spearman(np.arange(60), np.arange(60) ** 3).low > 0.99


def test_spearman_of_few_or_constant_values_is_as_pearsons():
    assert spearman([1, 2], [5, 9]) == pearson([1, 2], [1, 2])
    assert np.isnan(spearman([1, 1, 1, 1], [1, 2, 3, 4]).r)
    assert spearman([1, 2, 3], [3, 1, 2]).low == -1


def test_blocked_permutation_comes_to_the_share_of_all_orders_within_blocks():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=7), rng.normal(size=7)
    y[3:] += 10  # what a block shares
    blocks = np.array(["a"] * 3 + ["b"] * 4)

    def within(v):
        parts = [v[blocks == b] - v[blocks == b].mean() for b in "ab"]
        return abs(sum(p @ y[blocks == b] for p, b in zip(parts, "ab", strict=True)))

    orders = [np.array([*a, *b]) for a, b in product(permutations(x[:3]), permutations(x[3:]))]
    exact = np.mean([within(o) >= within(x) - 1e-12 for o in orders])
    assert blocked_permutation(x, y, blocks, permutations=40_000) == pytest.approx(exact, abs=0.01)
    shuffled = rng.permutation(7)
    again = blocked_permutation(x[shuffled], y[shuffled], blocks[shuffled], permutations=40_000, seed=5)
    assert again == pytest.approx(exact, abs=0.01)


def test_what_blocks_share_is_no_evidence():
    rng = np.random.default_rng(0)
    found = []
    for seed in range(60):
        lift = np.repeat(rng.normal(size=6), 5)  # x and y go up together, but only from block to block
        x, y = lift + 0.3 * rng.normal(size=30), lift + 0.3 * rng.normal(size=30)
        assert pearson(x, y).p < 0.05
        found.append(blocked_permutation(x, y, np.repeat(range(6), 5), permutations=199, seed=seed))
    assert np.mean(np.array(found) <= 0.1) < 0.25
    assert 0.3 < np.median(found) < 0.7


def test_blocked_permutation_of_what_cannot_move_is_none():
    assert np.isnan(blocked_permutation([1, 1, 2, 2], [1, 2, 3, 4], [0, 0, 1, 1]))
    assert np.isnan(blocked_permutation([], [], []))
    assert blocked_permutation([1, 2, 3], [1, 2, 4], ["a"] * 3, permutations=9) >= 0.1


def test_the_line_and_its_band_are_those_of_the_textbook():
    rng = np.random.default_rng(1)
    x = rng.normal(size=20)
    y = 2 * x + rng.normal(size=20)
    at = np.linspace(-3, 3, 7)
    found, wanted = regression(x, y, at=at), stats.linregress(x, y)
    assert (found.slope, found.intercept) == pytest.approx((wanted.slope, wanted.intercept))
    # The band from the design matrix: t √(x'(X'X)⁻¹x s²).
    X, A = np.column_stack([np.ones(20), x]), np.column_stack([np.ones(7), at])
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    s2 = ((y - X @ beta) ** 2).sum() / 18
    half = stats.t.ppf(0.975, 18) * np.sqrt(np.einsum("ij,jk,ik->i", A, np.linalg.inv(X.T @ X), A) * s2)
    assert found.value == pytest.approx(A @ beta)
    assert found.high - found.value == pytest.approx(half)
    assert found.value - found.low == pytest.approx(half)


def test_a_line_of_two_points_or_a_constant():
    two = regression([0, 1], [0, 2], at=[0.5])
    assert two.value == pytest.approx([1])
    assert np.isinf(two.high)
    assert np.isnan(regression([1, 1, 1], [1, 2, 3], at=[1]).value).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pearson([1.0], [2.0]), "x has 1 and y 1 values; a correlation needs as many of both"),
        (lambda: pearson([1.0, 2.0], [2.0]), "x has 2 and y 1"),
        (lambda: pearson([1.0, np.nan], [2.0, 1.0]), "Value 1 of x is nan; leave it out"),
        (lambda: pearson([1.0, 2.0], [2.0, np.inf]), "Value 1 of y is inf"),
        (lambda: pearson(["a", "b"], [1, 2]), "must be \\(n,\\) real numbers"),
        (lambda: pearson([1, 2], [1, 2], confidence=95), "confidence is 95; it must be between 0 and 1"),
        (lambda: spearman([1, 2], [1]), "as many of both"),
        (lambda: blocked_permutation([1, 2], [1, 2], [0]), "each pair needs one"),
        (lambda: blocked_permutation([1, 2], [1, 2], [0, 0], permutations=0), "at least 1"),
        (lambda: regression([1], [1], at=[1]), "at least 2"),
        (lambda: share_interval(3, 2), "There are 3 hits among 2"),
        (lambda: share_interval(-1, 2), "There are -1 hits"),
        (lambda: mean_interval([[1.0]]), "values is float64 of shape \\(1, 1\\)"),
        (lambda: mean_interval([1.0, np.nan]), "Value 1 of values is nan"),
        (lambda: paired_difference([1.0], [1.0, 2.0]), "pairs need as many of both"),
        (lambda: bootstrap_interval([1.0, 2.0], resamples=0), "resamples is 0"),
        (lambda: bootstrap_interval([1.0, 2.0], groups=["a"]), "one for each of 2 values"),
        (lambda: bootstrap_interval([1.0, 2.0], confidence=0), "confidence is 0"),
        (lambda: holm([0.5, 1.5]), "numbers from 0 to 1"),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
