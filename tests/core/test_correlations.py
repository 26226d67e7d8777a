"""Rank correlation, permutation within blocks and the regression line, against SciPy and plain loops."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from core.statistics import blocked_permutation, pearson, regression, spearman


@pytest.mark.parametrize("n", [9, 60])
def test_spearman_is_scipys_with_ties_too(n: int) -> None:
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
def test_spearmans_p_of_few_pairs_is_the_share_of_orders_as_strong(n: int) -> None:
    rng = np.random.default_rng(n)
    for x, y in ((rng.normal(size=n), rng.normal(size=n)), (np.arange(n) // 2, rng.integers(0, 3, n))):
        y = np.asarray(y, float)
        y[0], y[-1] = -1, 4
        every = [stats.spearmanr(x, order).statistic for order in permutations(y)]
        found = spearman(x, y)
        assert found.r == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(found.r) - 1e-9))


def test_a_few_pairs_in_perfect_order_are_not_certain() -> None:
    up, down = spearman([1, 2, 3, 4], [1, 5, 6, 70]), spearman([1, 2, 3, 4], [4, 3, 2, 1])
    assert (up.r, up.p, up.high) == (pytest.approx(1), pytest.approx(2 / 24), 1)
    assert up.low == pytest.approx(np.tanh(np.arctanh(0.8) - 1.959963985 * np.sqrt(1.32)))
    assert (down.r, down.p, down.low, down.high) == tuple(
        pytest.approx(v) for v in (-up.r, up.p, -1, -up.low)
    )
    assert spearman(np.arange(60), np.arange(60) ** 3).low > 0.99


def test_spearman_of_few_or_constant_values_is_as_pearsons() -> None:
    assert spearman([1, 2], [5, 9]) == pearson([1, 2], [1, 2])
    assert np.isnan(spearman([1, 1, 1, 1], [1, 2, 3, 4]).r)
    assert spearman([1, 2, 3], [3, 1, 2]).low == -1
    with pytest.raises(ValueError, match="as many of both"):
        spearman([1, 2], [1])


def test_blocked_permutation_comes_to_the_share_of_all_orders_within_blocks() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=7), rng.normal(size=7)
    y[3:] += 10  # what a block shares
    blocks = np.array(["a"] * 3 + ["b"] * 4)

    def within(v: np.ndarray) -> float:
        parts = [v[blocks == b] - v[blocks == b].mean() for b in "ab"]
        return abs(sum(p @ y[blocks == b] for p, b in zip(parts, "ab", strict=True)))

    orders = [np.array([*a, *b]) for a, b in product(permutations(x[:3]), permutations(x[3:]))]
    exact = np.mean([within(o) >= within(x) - 1e-12 for o in orders])
    assert blocked_permutation(x, y, blocks, permutations=40_000) == pytest.approx(exact, abs=0.01)
    shuffled = rng.permutation(7)
    again = blocked_permutation(x[shuffled], y[shuffled], blocks[shuffled], permutations=40_000, seed=5)
    assert again == pytest.approx(exact, abs=0.01)


def test_what_blocks_share_is_no_evidence() -> None:
    rng = np.random.default_rng(0)
    found = []
    for seed in range(60):
        lift = np.repeat(rng.normal(size=6), 5)  # x and y go up together, but only from block to block
        x, y = lift + 0.3 * rng.normal(size=30), lift + 0.3 * rng.normal(size=30)
        assert pearson(x, y).p < 0.05
        found.append(blocked_permutation(x, y, np.repeat(range(6), 5), permutations=199, seed=seed))
    assert np.mean(np.array(found) <= 0.1) < 0.25
    assert 0.3 < np.median(found) < 0.7


def test_blocked_permutation_of_what_cannot_move_is_none() -> None:
    assert np.isnan(blocked_permutation([1, 1, 2, 2], [1, 2, 3, 4], [0, 0, 1, 1]))
    assert np.isnan(blocked_permutation([], [], []))
    assert blocked_permutation([1, 2, 3], [1, 2, 4], ["a"] * 3, permutations=9) >= 0.1
    with pytest.raises(ValueError, match="each pair needs one"):
        blocked_permutation([1, 2], [1, 2], [0])
    with pytest.raises(ValueError, match="at least 1"):
        blocked_permutation([1, 2], [1, 2], [0, 0], permutations=0)


def test_the_line_and_its_band_are_those_of_the_textbook() -> None:
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


def test_a_line_of_two_points_or_a_constant() -> None:
    two = regression([0, 1], [0, 2], at=[0.5])
    assert two.value == pytest.approx([1])
    assert np.isinf(two.high)
    assert np.isnan(regression([1, 1, 1], [1, 2, 3], at=[1]).value).all()
    with pytest.raises(ValueError, match="at least 2"):
        regression([1], [1], at=[1])
