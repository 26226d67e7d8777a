from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from core.listening import (
    Mark,
    Trial,
    consistency,
    krippendorff_alpha,
    luce_choice,
    pair_wins,
    precision,
    rank_agreement,
    win_rate,
)
from core.statistics import share_interval


def simulate(strengths, n, seed, *, size=None, none=0.0, listeners=1):
    """Choices by Luce's rule among random sets of systems."""
    random = np.random.default_rng(seed)
    names = list(strengths)
    trials = []
    for i in range(n):
        count = min(size or int(random.integers(2, 5)), len(names))
        shown = [names[j] for j in random.permutation(len(names))[:count]]
        v = np.exp([strengths[s] for s in shown])
        chosen = None if random.random() < none else shown[random.choice(count, p=v / v.sum())]
        trials.append(Trial(tuple(shown), chosen, f"listener {i % listeners}", str(i)))
    return trials


def optimum(trials, systems, prior):
    """Maximise the log posterior as it is written down, by one of scipy's general optimisers."""

    def cost(theta):
        at = dict(zip(systems, theta, strict=True))
        total = sum(t * t for t in theta) / (2 * prior**2)
        for t in trials:
            if t.chosen is not None:
                total -= at[t.chosen] - math.log(math.fsum(math.exp(at[s]) for s in t.shown))
        return total

    def gradient(theta):
        return derivatives(trials, systems, theta, prior)[0]

    def hessian(theta):
        return derivatives(trials, systems, theta, prior)[1]

    start = np.zeros(len(systems))
    assert optimize.check_grad(cost, gradient, start + 0.1) < 1e-4
    result = optimize.minimize(
        cost, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-10}
    )
    assert np.abs(gradient(result.x)).max() < 1e-8
    return result.x, hessian(result.x)


def derivatives(trials, systems, theta, prior):
    """Gradient and Hessian of the cost above, summed trial by trial."""
    m = len(systems)
    gradient, hessian = theta / prior**2, np.eye(m) / prior**2
    for t in trials:
        if t.chosen is None:
            continue
        v = np.array([math.exp(theta[i]) if s in t.shown else 0.0 for i, s in enumerate(systems)])
        p = v / v.sum()
        gradient = gradient + p - np.array([s == t.chosen for s in systems])
        hessian = hessian + np.diag(p) - np.outer(p, p)
    return gradient, hessian


# -- strengths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "prior"), [(2, 2.0), (None, 2.0), (4, 0.3), (3, 50.0)])
def test_strengths_are_those_of_a_general_optimiser(size, prior):
    true = {"a": 1.2, "b": 0.3, "c": 0.0, "d": -0.4, "e": -1.1}
    trials = simulate(true, 60, 1, size=size, none=0.15)
    result = luce_choice(trials, prior=prior)
    theta, hessian = optimum(trials, sorted(true), prior)
    np.testing.assert_allclose(result.log_strength, theta - theta.mean(), rtol=0, atol=1e-8)
    # What is asked of the Hessian: relative to the mean, and the intervals that follow.
    centre = np.eye(5) - 0.2
    covariance = centre @ np.linalg.inv(hessian) @ centre
    np.testing.assert_allclose(result.covariance, covariance, rtol=0, atol=1e-7)
    half = stats.norm.ppf(0.975) * np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(result.high, result.log_strength + half, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.low, result.log_strength - half, rtol=0, atol=1e-6)
    v = np.exp(result.log_strength)
    np.testing.assert_allclose(result.share, v / v.sum(), rtol=0, atol=1e-12)
    assert result.n_trials == 60
    assert result.n_chosen == sum(t.chosen is not None for t in trials) < 60


def test_intervals_of_shares_and_of_pairs_by_the_delta_method():
    trials = simulate({"a": 1.0, "b": 0.0, "c": -0.5}, 40, 2, size=3)
    result = luce_choice(trials, confidence=0.9)
    z = stats.norm.ppf(0.95)

    def log_odds(theta, i):
        v = np.exp(theta)
        return math.log(v[i] / (v.sum() - v[i]))

    for i in range(3):
        slope = optimize.approx_fprime(result.log_strength, log_odds, 1e-7, i)
        centre, half = (
            log_odds(result.log_strength, i),
            z * math.sqrt(float(slope @ result.covariance @ slope)),
        )
        assert result.share_low[i] == pytest.approx(1 / (1 + math.exp(half - centre)), abs=1e-6)
        assert result.share_high[i] == pytest.approx(1 / (1 + math.exp(-half - centre)), abs=1e-6)
    wins = result.beats("a", "c")
    gap = result.log_strength[0] - result.log_strength[2]
    half = z * math.sqrt(np.array([1, 0, -1]) @ result.covariance @ np.array([1, 0, -1]))
    assert wins.value == pytest.approx(1 / (1 + math.exp(-gap)))
    assert (wins.low, wins.high) == pytest.approx(
        (1 / (1 + math.exp(half - gap)), 1 / (1 + math.exp(-half - gap)))
    )
    assert wins.n == sum(t.chosen in ("a", "c") for t in trials)
    other = result.beats("c", "a")
    assert (other.value, other.low, other.high) == pytest.approx(
        (1 - wins.value, 1 - wins.high, 1 - wins.low)
    )
    assert result.beats("b", "b").value == 0.5


@pytest.mark.parametrize("size", [2, 4])
def test_simulated_choices_give_back_their_strengths(size):
    true = {"aisfx": 0.9, "melstats": 0.2, "handcrafted": -0.3, "random-cnn": -0.8}
    result = luce_choice(simulate(true, 6000, 3, size=size))
    expected = np.array([true[s] for s in result.systems])
    np.testing.assert_allclose(result.log_strength, expected, atol=0.12)
    assert result.settled
    assert result.groups == (tuple(sorted(true)),)


def test_the_intervals_hold_what_they_promise():
    true = {"a": 0.8, "b": 0.1, "c": -0.2, "d": -0.7}
    expected = np.array(list(true.values()))
    held = np.array(
        [
            (result.low <= expected) & (expected <= result.high)
            for result in (luce_choice(simulate(true, 60, seed)) for seed in range(250))
        ]
    )
    assert 0.92 < held.mean() < 0.99


def test_bradley_terry_of_two_is_the_log_odds():
    trials = [Trial(("a", "b"), "a")] * 90 + [Trial(("b", "a"), "b")] * 10
    assert luce_choice(trials, prior=1e4).beats("a", "b").value == pytest.approx(0.9, abs=1e-6)


@settings(max_examples=60)
@given(data=st.data())
def test_names_and_order_do_not_matter(data):
    names = ["a", "b", "c", "d"]
    trials = []
    for _ in range(data.draw(st.integers(0, 12))):
        shown = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        trials.append(Trial(tuple(shown), data.draw(st.sampled_from([*shown, None]))))
    result = luce_choice(trials, systems=names)
    assert abs(result.log_strength.sum()) < 1e-9
    assert result.share.sum() == pytest.approx(1)
    renamed = dict(zip(names, data.draw(st.permutations(["z", "y", "x", "w"])), strict=True))
    again = luce_choice(
        [
            Trial(
                tuple(renamed[s] for s in data.draw(st.permutations(t.shown))),
                None if t.chosen is None else renamed[t.chosen],
            )
            for t in data.draw(st.permutations(trials))
        ],
        systems=list(renamed.values()),
    )
    at = [again.systems.index(renamed[s]) for s in names]
    for field in ("log_strength", "low", "high", "share", "share_low", "share_high"):
        np.testing.assert_allclose(getattr(again, field)[at], getattr(result, field), atol=1e-9)
    assert again.settled == result.settled
    assert sorted(map(len, again.groups)) == sorted(map(len, result.groups))


@pytest.mark.parametrize("prior", [2.0, 100.0])
def test_a_clean_sweep_is_finite_and_reported_to_rest_on_the_prior(prior):
    trials = [Trial(("a", "b", "c"), "a")] * 30 + [Trial(("b", "c"), "b")] * 30
    result = luce_choice(trials, prior=prior)
    assert np.isfinite(np.concatenate([result.log_strength, result.low, result.high])).all()
    assert result.log_strength[0] > result.log_strength[1] > result.log_strength[2]
    assert not result.settled
    assert result.groups == (("a", "b", "c"),)
    assert 0.9 < result.beats("a", "c").value < 1
    assert luce_choice([*trials, Trial(("a", "c"), "c")]).settled
    # More of the same moves the winner further up, and a wider prior does too.
    assert luce_choice(trials * 2, prior=prior).log_strength[0] > result.log_strength[0]
    assert luce_choice(trials, prior=2 * prior).log_strength[0] > result.log_strength[0]


def test_systems_that_were_never_compared_are_compared_by_the_prior():
    trials = [Trial(("a", "b"), "a"), Trial(("a", "b"), "b"), Trial(("c", "d"), "c"), Trial(("b", "c"), None)]
    result = luce_choice(trials, systems=["d", "c", "b", "a", "e"])
    assert result.groups == (("a", "b"), ("c", "d"), ("e",))
    assert not result.settled
    assert np.isfinite(result.log_strength).all()
    assert result.log_strength[4] == pytest.approx(0, abs=1e-12)
    assert result.high[4] > result.high[0]  # nothing is known of it
    assert result.beats("a", "e").n == 0


def test_nothing_chosen_is_the_prior():
    result = luce_choice([Trial(("a", "b"), None)] * 5, prior=1.5)
    np.testing.assert_allclose(result.log_strength, 0)
    # Two independent normals less their mean: the variance is halved.
    np.testing.assert_allclose(result.high, stats.norm.ppf(0.975) * 1.5 / math.sqrt(2))
    np.testing.assert_allclose(result.share, 0.5)
    assert (result.n_trials, result.n_chosen) == (5, 0)
    assert result.groups == (("a",), ("b",))


def test_none_and_one_system():
    nothing = luce_choice([])
    assert nothing.systems == ()
    assert nothing.log_strength.shape == nothing.share.shape == (0,)
    assert nothing.covariance.shape == (0, 0)
    one = luce_choice([Trial(("a",), "a"), Trial(("a",), None)])
    assert (one.log_strength[0], one.low[0], one.high[0]) == (0, 0, 0)
    assert (one.share[0], one.share_low[0], one.share_high[0]) == (1, 1, 1)
    assert (one.n_trials, one.n_chosen, one.settled) == (2, 1, True)


def test_one_kind_of_trial_counts_as_often_as_it_happened():
    trials = simulate({"a": 0.5, "b": 0.0, "c": -0.5}, 50, 4, listeners=7)
    one = luce_choice(trials)
    alone = luce_choice([Trial(t.shown, t.chosen) for t in trials])
    np.testing.assert_allclose(one.log_strength, alone.log_strength, atol=1e-9)
    assert (one.listeners, alone.listeners) == (7, 1)


def test_draws_of_listeners_know_that_listeners_differ():
    """Half of the listeners always want a, half always b: many trials, few opinions."""
    trials = [
        Trial(("a", "b"), "a" if listener % 2 else "b", str(listener))
        for listener in range(8)
        for _ in range(40)
    ]
    every = luce_choice(trials)
    whole = luce_choice(trials, resamples=400, seed=1)
    np.testing.assert_allclose(whole.log_strength, every.log_strength)
    assert whole.high[0] - whole.low[0] > 3 * (every.high[0] - every.low[0])
    wins = whole.beats("a", "b")
    assert wins.low < 0.35
    assert wins.high > 0.65
    again = luce_choice(trials, resamples=400, seed=1)
    np.testing.assert_array_equal(again.low, whole.low)
    # Independent choices: both ways to an interval agree.
    trials = simulate({"a": 0.6, "b": 0.0, "c": -0.6}, 900, 5, listeners=60)
    every, whole = luce_choice(trials), luce_choice(trials, resamples=400)
    np.testing.assert_allclose(whole.high - whole.low, every.high - every.low, rtol=0.3)
    np.testing.assert_allclose(
        whole.share_high - whole.share_low, every.share_high - every.share_low, rtol=0.3
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Trial((), None), "at least one system"),
        (lambda: Trial(("a", "a"), "a"), "each once"),
        (lambda: Trial(("a", "b"), "c"), "'c' was chosen where a, b were shown"),
        (
            lambda: luce_choice([Trial(("a", "b"), "a")], systems=["a"]),
            "'b' was shown and is not among systems",
        ),
        (lambda: luce_choice([], systems=["a", "a"]), "name each once"),
        (lambda: luce_choice([], prior=0), "prior is 0"),
        (lambda: luce_choice([], prior=float("inf")), "prior is inf"),
        (lambda: luce_choice([], confidence=1), "confidence is 1"),
        (lambda: luce_choice([], resamples=-1), "resamples is -1"),
        (lambda: luce_choice([Trial(("a", "b"), "a")], resamples=9), "trials of 1 listeners"),
        (lambda: luce_choice([Trial(("a", "b"), "a")]).beats("a", "c"), "'c' is not among the systems"),
        (lambda: krippendorff_alpha([], resamples=0), "resamples is 0"),
        (lambda: rank_agreement([1.0, 2.0], [1.0]), "shape"),
        (lambda: rank_agreement([1.0, 2.0], [1.0, np.nan]), "finite"),
        (lambda: precision([Mark("a", True)], systems=["b"]), "'a' was shown"),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- counting ------------------------------------------------------------------------------------------------


def test_wins_are_those_counted_by_hand():
    trials = simulate({"a": 0.5, "b": 0.0, "c": -0.5, "d": 0.0}, 80, 6, none=0.2)
    result = pair_wins(trials)
    rates = win_rate(trials)
    for i, a in enumerate(result.systems):
        for j, b in enumerate(result.systems):
            both = [t for t in trials if a in t.shown and b in t.shown]
            assert result.together[i, j] == len(both)
            assert result.wins[i, j] == (sum(t.chosen == a for t in both) if a != b else 0)
        mine = [t for t in trials if a in t.shown]
        expected = share_interval(sum(t.chosen == a for t in mine), len(mine))
        assert (rates[a].value, rates[a].low, rates[a].high, rates[a].n) == (
            expected.value,
            expected.low,
            expected.high,
            len(mine),
        )
        assert rates[a].chance == pytest.approx(np.mean([1 / len(t.shown) for t in mine]))


def test_systems_that_were_not_shown_have_no_rate():
    rates = win_rate([Trial(("a", "b"), None)], systems=["c", "b", "a"])
    assert list(rates) == ["a", "b", "c"]
    assert (rates["a"].value, rates["a"].n) == (0, 1)
    assert rates["c"].n == 0
    assert math.isnan(rates["c"].value)
    assert math.isnan(rates["c"].chance)
    assert win_rate([]) == {}
    assert pair_wins([]).wins.shape == (0, 0)


def test_consistency_against_guessing():
    """Blind choices agree with themselves as often as `chance` says, and so does one column throughout."""
    random = np.random.default_rng(7)
    repeats, first_column = [], []
    for _ in range(4000):
        shown = tuple("abcd"[: random.integers(2, 5)])
        again = tuple(random.permutation(shown).tolist())
        first, second = (shown[random.integers(len(shown))] for _ in range(2))
        repeats.append((Trial(shown, first), Trial(again, second)))
        first_column.append((Trial(shown, shown[0]), Trial(again, again[0])))
    for pairs in (repeats, first_column):
        rate = consistency(pairs, confidence=0.999)
        assert rate.low < rate.chance < rate.high
        assert rate.chance == pytest.approx(np.mean([1 / len(a.shown) for a, _ in pairs]))
    both_none = (Trial(("a", "b"), None), Trial(("b", "a"), None))
    assert consistency([both_none]).value == 1
    assert math.isnan(consistency([]).value)
    assert math.isnan(consistency([]).chance)
    with pytest.raises(ValueError, match="both must be the same"):
        consistency([(Trial(("a", "b"), "a"), Trial(("a", "c"), "a"))])
    with pytest.raises(ValueError, match="both must be the same"):
        consistency([(Trial(("a", "b"), "a", "x"), Trial(("a", "b"), "a", "y"))])


def test_precision_is_the_share_of_marks():
    random = np.random.default_rng(8)
    marks = [Mark(str(random.choice(["a", "b"])), bool(random.random() < 0.7)) for _ in range(90)]
    result = precision(marks, systems=["a", "b", "c"])
    for system in "ab":
        fits = [m.fits for m in marks if m.system == system]
        expected = share_interval(sum(fits), len(fits))
        assert result[system] == expected
    assert result["c"].n == 0
    assert math.isnan(result["c"].value)
    assert precision([]) == {}


# -- agreement -----------------------------------------------------------------------------------------------

KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
SYSTEMS = ("1", "2", "3", "4", "5")


def trials_of(table, shown=SYSTEMS):
    return [
        Trial(shown, None if value == "0" else value, f"listener {row}", f"question {column}")
        for row, line in enumerate(table.strip().splitlines())
        for column, value in enumerate(line.split())
        if value != "."
    ]


def alpha(trials):
    """Krippendorff's alpha as he defines it: from the coincidences of all pairs of answers to a question."""
    answers = {}
    for t in trials:
        answers.setdefault(t.question, []).append(t.chosen)
    coincidences = Counter()
    for given_ in answers.values():
        for x, y in itertools.permutations(given_, 2):
            coincidences[x, y] += 1 / (len(given_) - 1)
    totals = Counter()
    for (x, _), value in coincidences.items():
        totals[x] += value
    n = sum(totals.values())
    observed = sum(v for (x, y), v in coincidences.items() if x != y)
    expected = sum(totals[x] * totals[y] for x in totals for y in totals if x != y) / (n - 1)
    return 1 - observed / expected


def test_alpha_of_the_published_example():
    """Four observers, twelve units, missing values: nominal alpha 0.743 in Hayes and Krippendorff's data."""
    result = krippendorff_alpha(trials_of(KRIPPENDORFF))
    assert round(result.value, 3) == 0.743
    assert result.value == pytest.approx(alpha(trials_of(KRIPPENDORFF)), abs=1e-12)
    assert (result.n, result.questions, result.listeners) == (40, 11, 4)  # the last unit has one value
    assert result.low < result.value < result.high <= 1


def test_alpha_by_hand():
    """Two listeners, four questions: aa, ab, bb, bb.

    Coincidences aa 2, ab 1, ba 1, bb 4; totals a 3, b 5, n 8. Observed 2; expected 2·3·5/7 = 30/7;
    alpha = 1 - 2/(30/7) = 8/15.
    """
    result = krippendorff_alpha(trials_of("1 1 2 2\n1 2 2 2"))
    assert result.value == pytest.approx(8 / 15)
    # Choosing none is an answer like any other.
    assert krippendorff_alpha(trials_of("1 1 0 0\n1 0 0 0")).value == pytest.approx(8 / 15)


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from("012."), min_size=6, max_size=6), min_size=2, max_size=5))
def test_alpha_is_that_of_the_definition(rows):
    trials = trials_of("\n".join(" ".join(row) for row in rows))
    result = krippendorff_alpha(trials, resamples=5)
    per_question = Counter(t.question for t in trials)
    given_ = {t.chosen for t in trials if per_question[t.question] > 1}
    if len(given_) < 2:
        assert math.isnan(result.value)
    else:
        assert result.value == pytest.approx(
            alpha([t for t in trials if per_question[t.question] > 1]), abs=1e-9
        )


def test_alpha_of_one_answer_for_all_and_of_none():
    same = krippendorff_alpha(trials_of("1 1 1\n1 1 1"))
    assert math.isnan(same.value)
    assert math.isnan(same.low)
    assert (same.n, same.questions, same.listeners) == (6, 3, 2)
    nothing = krippendorff_alpha(trials_of("1 . .\n. 2 ."))
    assert math.isnan(nothing.value)
    assert (nothing.n, nothing.questions, nothing.listeners) == (0, 0, 0)
    assert krippendorff_alpha(trials_of("1 2 3\n1 2 3")).value == 1


def test_a_second_answer_to_a_question_is_not_another_listener():
    trials = trials_of("1 1 2 2\n1 2 2 2")
    again = [Trial(SYSTEMS, "5", t.listener, t.question) for t in trials]
    assert krippendorff_alpha(trials + again).value == pytest.approx(8 / 15)
    with pytest.raises(ValueError, match="must show everybody the same"):
        krippendorff_alpha([Trial(("1", "2"), "1", "x", "q"), Trial(("1", "3"), "1", "y", "q")])


def test_guessing_has_no_agreement_even_where_questions_show_different_systems():
    """Pooled, a choice between two of six would look like agreement: few of six answers were possible."""
    random = np.random.default_rng(9)
    pairs = list(itertools.combinations("abcdef", 2))
    trials = [
        Trial(shown, shown[random.integers(2)], str(listener), f"{shown} {i}")
        for shown in pairs
        for i in range(20)
        for listener in range(3)
    ]
    result = krippendorff_alpha(trials)
    assert result.low < 0 < result.high
    assert abs(result.value) < 0.08
    assert alpha(trials) > 0.3


def test_rank_agreement_is_scipys_and_exact_for_few():
    random = np.random.default_rng(10)
    for n in (2, 3, 4, 6, 8, 9, 30):
        for ties in (False, True):
            x = random.integers(0, 4, n).astype(float) if ties else random.normal(size=n)
            y = random.integers(0, 4, n).astype(float) if ties else random.normal(size=n)
            result = rank_agreement(x, y)
            assert result.n == n
            if len(set(x)) == 1 or len(set(y)) == 1:
                assert math.isnan(result.tau)
                continue
            if n > 2:
                assert result.rho == pytest.approx(stats.spearmanr(x, y).statistic)
            assert result.tau == pytest.approx(stats.kendalltau(x, y).statistic)
            if 2 < n < 9 and not ties:
                assert result.tau_p == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)
            if n == 6:
                test = stats.permutation_test(
                    (x,),
                    lambda v, y=y: stats.spearmanr(v, y).statistic,
                    permutation_type="pairings",
                    n_resamples=np.inf,
                )
                both = min(1.0, np.mean(np.abs(test.null_distribution) >= abs(test.statistic) - 1e-12))
                assert result.rho_p == pytest.approx(both)


def test_rank_agreement_of_few_promises_little():
    best = rank_agreement([1, 2, 3, 4], [10, 20, 30, 40])
    assert (best.tau, best.rho) == (1, 1)
    assert best.tau_p == best.rho_p == pytest.approx(1 / 12)
    two = rank_agreement([1, 2], [5, 3])
    assert (two.tau, two.tau_p, two.rho, two.rho_p, two.n) == (-1, 1, -1, 1, 2)
    for nothing in (rank_agreement([], []), rank_agreement([1], [2]), rank_agreement([1, 1], [1, 2])):
        assert math.isnan(nothing.tau)
        assert math.isnan(nothing.rho_p)
