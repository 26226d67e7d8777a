"""Agreement of answers: of a listener with themselves, between listeners, and with an objective score.

Light to import: pages use it, and SciPy is loaded when it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.listening.preferences import Rate, Trial
from core.statistics import Interval
from core.statistics.checks import normal_quantile, percentiles
from core.statistics.correlations import ALL_ORDERS, all_orders, spearman


@dataclass(frozen=True)
class Agreement(Interval):
    """Krippendorff's alpha with its interval: n answers to `questions` questions by `listeners` listeners.

    Only questions with at least two answers count.
    """

    questions: int
    listeners: int


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b and Spearman's rho of n pairs, each with its two-sided p-value."""

    tau: float
    tau_p: float
    rho: float
    rho_p: float
    n: int


def consistency(repeats: Iterable[tuple[Trial, Trial]], *, confidence: float = 0.95) -> Rate:
    """Share of repeated questions with the same answer both times, with Wilson's interval.

    Parameters
    ----------
    repeats : iterable of (Trial, Trial)
        The first and the second answer of the same listener to the same systems. Choosing none twice counts
        as the same answer.
    confidence : float, default 0.95

    Returns
    -------
    Rate
        `chance` is that of random choices, one over the number of systems shown. Because columns are shuffled
        again, always choosing the same column gives no more. Always choosing none gives 1.

    Raises
    ------
    ValueError
        If the two trials of a pair differ in their systems or their listener.

    Examples
    --------
    >>> first = Trial(("a", "b", "c"), "a")
    >>> rate = consistency([(first, Trial(("c", "a", "b"), "a")), (first, Trial(("b", "a", "c"), None))])
    >>> rate.value, rate.n, round(rate.chance, 3)
    (0.5, 2, 0.333)
    """
    hits, n, blind = 0, 0, 0.0
    for first, second in repeats:
        if set(first.shown) != set(second.shown) or first.listener != second.listener:
            raise ValueError(
                f"A repeat shows {', '.join(second.shown)} to {second.listener!r} after "
                f"{', '.join(first.shown)} to {first.listener!r}; both must be the same."
            )
        n += 1
        hits += first.chosen == second.chosen
        blind += 1 / len(first.shown)
    return Rate.of(hits, n, blind, confidence)


def krippendorff_alpha(
    trials: Iterable[Trial], *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Agreement:
    """Krippendorff's alpha between listeners on shared questions: 1 - observed / expected disagreement.

    Unlike Fleiss' kappa, it allows any number of answers per question: listeners rarely finish the same
    questions.

    Parameters
    ----------
    trials : iterable of Trial
        With listener and question. Only a listener's first answer to a question counts; choosing none is an
        answer.
    confidence : float, default 0.95
    resamples : int, default 2000
        Number of resamples of whole questions whose percentiles give the interval.
    seed : int, default 0

    Returns
    -------
    Agreement
        At most 1; 0 is the chance level, negative values mean systematic disagreement. NaN if no question has
        two answers, or if all answers are the same, for which alpha is undefined.

    Raises
    ------
    ValueError
        For a question that showed different systems to different listeners.

    Notes
    -----
    With m_u answers to question u, n_uc of them c, and n their number,
    D_o = Σ_u Σ_c n_uc (m_u - n_uc) / (m_u - 1) / n and D_e = Σ_c n_c (n - n_c) / (n - 1) / n. If questions
    show different systems, n_c and n of D_e are those of questions with the same systems, and both
    disagreements are summed over such groups: a system that was not shown could not be chosen, which pooling
    would count as agreement. With one group this is the usual alpha.

    References
    ----------
    K. Krippendorff, "Content analysis: an introduction to its methodology", 4th edition, 2018, chapter 12.
    A. F. Hayes and K. Krippendorff, "Answering the call for a standard reliability measure for coding data",
    Communication Methods and Measures 1, 2007.

    Examples
    --------
    >>> def answers(question, *chosen):
    ...     return [Trial(("a", "b"), c, str(i), question) for i, c in enumerate(chosen)]
    >>> trials = answers("1", "a", "a") + answers("2", "b", "b") + answers("3", "a", "b")
    >>> round(krippendorff_alpha(trials).value, 3)
    0.444
    """
    normal_quantile(confidence)
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; there must be at least 1.")
    answers: dict[str, dict[str, str | None]] = {}
    shown: dict[str, frozenset[str]] = {}
    for trial in trials:
        systems = frozenset(trial.shown)
        if shown.setdefault(trial.question, systems) != systems:
            raise ValueError(
                f"Question {trial.question!r} shows {', '.join(sorted(systems))} and, elsewhere, "
                f"{', '.join(sorted(shown[trial.question]))}; a question must show everybody the same."
            )
        answers.setdefault(trial.question, {}).setdefault(trial.listener, trial.chosen)
    answers = {question: given for question, given in answers.items() if len(given) > 1}
    if not answers:
        return Agreement(np.nan, np.nan, np.nan, 0, 0, 0)
    # A category is an answer among certain systems, so that answers are compared only within their group.
    categories: dict[tuple[frozenset[str], str | None], int] = {}
    counts: list[Counter[int]] = [
        Counter(categories.setdefault((shown[question], c), len(categories)) for c in given.values())
        for question, given in answers.items()
    ]
    table = np.array([[c[i] for i in range(len(categories))] for c in counts], dtype=float)  # (u, c)
    sets = list(dict.fromkeys(group for group, _ in categories))
    group = np.array([[sets.index(g) == k for k in range(len(sets))] for g, _ in categories], dtype=float)
    value = float(_alpha(table, group, np.ones((1, len(table))))[0])
    drawn = np.random.default_rng(seed).multinomial(
        len(table), np.full(len(table), 1 / len(table)), size=resamples
    )
    alphas = _alpha(table, group, drawn.astype(float))
    alphas = alphas[np.isfinite(alphas)]
    low, high = percentiles(alphas, confidence) if np.isfinite(value) and len(alphas) else (np.nan, np.nan)
    listeners = len({listener for given in answers.values() for listener in given})
    return Agreement(value, float(low), float(high), int(table.sum()), len(answers), listeners)


def rank_agreement(strengths: ArrayLike, scores: ArrayLike) -> RankAgreement:
    """Rank correlation of systems by listeners and by an objective score, such as MAP@15.

    Parameters
    ----------
    strengths, scores : (n,) array_like
        One of each a system.

    Returns
    -------
    RankAgreement
        tau and rho in [-1, 1]. For up to 8 systems, p is exact: the share of all n! orders that agree or
        disagree at least as much; with 4 systems it cannot be below 1/12. For more, it is SciPy's. Fewer than
        two systems, or constant values, give NaN.

    Raises
    ------
    ValueError
        For different lengths, or a value that is not finite.

    References
    ----------
    M. G. Kendall, "A new measure of rank correlation", Biometrika 30, 1938. C. Spearman, "The proof and
    measurement of association between two things", American Journal of Psychology 15, 1904.

    Examples
    --------
    >>> agreement = rank_agreement([0.9, 0.3, -0.2, -1.0], [0.53, 0.33, 0.37, 0.09])
    >>> round(agreement.tau, 3), round(agreement.tau_p, 3), round(agreement.rho, 3), agreement.n
    (0.667, 0.333, 0.8, 4)
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (strengths, scores))
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(
            f"strengths have shape {x.shape} and scores {y.shape}; there must be a finite one of each "
            "for every system."
        )
    n = len(x)
    if n < 2 or not (np.ptp(x) and np.ptp(y)):
        return RankAgreement(np.nan, np.nan, np.nan, np.nan, n)
    from scipy.stats import kendalltau

    rho, tau = spearman(x, y), kendalltau(x, y)
    p = float(tau.pvalue)
    if n <= ALL_ORDERS:
        i, j = np.triu_indices(n, 1)
        orders = all_orders(n)
        # Concordant minus discordant pairs of systems; the number of ties does not depend on the order.
        excess = np.sign(y[orders[:, i]] - y[orders[:, j]]) @ np.sign(x[i] - x[j])
        p = float(np.mean(np.abs(excess) >= abs(excess[0])))
    return RankAgreement(float(tau.statistic), p, rho.r, rho.p, n)


def _alpha(table: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha (b,) of the answers (u, c), with each question counted `weights` (b, u) times.

    `group` (c, g) assigns each category to the questions with the same systems.
    """
    answers = table.sum(axis=1)
    differing = (table * (answers[:, None] - table)).sum(axis=1) / (answers - 1)
    observed = weights @ differing
    counts = weights @ table  # (b, c)
    sizes = counts @ group  # (b, g)
    differing_pairs = sizes**2 - counts**2 @ group
    expected = np.divide(differing_pairs, sizes - 1, out=np.zeros_like(sizes), where=differing_pairs > 0).sum(
        axis=1
    )
    return 1 - np.divide(observed, expected, out=np.full_like(expected, np.nan), where=expected > 0)
