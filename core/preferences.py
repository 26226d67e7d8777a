"""What listeners prefer: from choices among systems to strengths, win rates, consistency and agreement.

A `Trial` shows a listener some systems, whose names are not seen, and the listener chooses the best of them
or none. Strengths follow Luce's choice axiom: how often one system is chosen rather than another does not
depend on what else is shown. A trial without a choice therefore says nothing about strengths; it counts in
win rates, in consistency and in agreement.

Light to import: pages use it, and SciPy is loaded where it is needed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from core.statistics import Interval, share_interval

#: Pairs up to which the p-values of a rank correlation are counted over all orders (8! = 40,320).
_ALL_ORDERS = 8


@dataclass(frozen=True)
class Trial:
    """One answer: the systems that were shown and the one that was chosen.

    Parameters
    ----------
    shown : tuple of str
        Names, each once, at least one; their order plays no part here.
    chosen : str or None
        One of them, or None where the listener chose none.
    listener : str, default ""
        Who answered.
    question : str, default ""
        What was asked; two listeners with the same question were shown the same.

    Raises
    ------
    ValueError
        For no system, a system shown twice, or a choice of what was not shown.
    """

    shown: tuple[str, ...]
    chosen: str | None
    listener: str = ""
    question: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", tuple(self.shown))
        if not self.shown or len(set(self.shown)) < len(self.shown):
            raise ValueError(f"A trial shows {self.shown}; it must show at least one system, and each once.")
        if self.chosen is not None and self.chosen not in self.shown:
            raise ValueError(
                f"{self.chosen!r} was chosen where {', '.join(self.shown)} were shown; choose one of them or "
                "None."
            )


@dataclass(frozen=True)
class Mark:
    """One result of one system, marked by a listener as fitting the query or not."""

    system: str
    fits: bool


@dataclass(frozen=True)
class Rate(Interval):
    """A share of n with its interval, and what blind guessing gives on average; NaN where n is 0."""

    chance: float


@dataclass(frozen=True)
class Agreement(Interval):
    """Krippendorff's alpha with its interval: n answers to `questions` questions by `listeners` listeners.

    Only questions with at least two answers count.
    """

    questions: int
    listeners: int


@dataclass(frozen=True)
class PairWins:
    """Who was chosen where two systems were shown side by side.

    Attributes
    ----------
    systems : tuple of str
        m names, sorted.
    wins : (m, m) int64 array
        ``wins[a, b]``: trials that showed both and in which a was chosen; 0 on the diagonal.
    together : (m, m) int64 array
        Trials that showed both, whatever was chosen; on the diagonal, trials that showed the system.
    """

    systems: tuple[str, ...]
    wins: np.ndarray
    together: np.ndarray


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's tau-b and Spearman's rho of n pairs, each with its two-sided p-value."""

    tau: float
    tau_p: float
    rho: float
    rho_p: float
    n: int


@dataclass(frozen=True)
class Strengths:
    """Strengths of systems by Luce's choice axiom, with their uncertainty.

    Attributes
    ----------
    systems : tuple of str
        m names, sorted.
    log_strength, low, high : (m,) float64 arrays
        log v, relative to the mean of all systems, which is 0; and its interval.
    share, share_low, share_high : (m,) float64 arrays
        v / Σ v, how often the system would be chosen if all m were shown and one had to be chosen; in
        [0, 1], the sum of `share` is 1.
    covariance : (m, m) float64 array
        Of the log strengths.
    n_trials, n_chosen : int
        Trials, and those in which a system was chosen.
    decided : (m, m) int64 array
        Trials that showed both systems and in which one of the two was chosen.
    groups : tuple of tuple of str
        Systems that trials with a choice link to each other, directly or over others. With more than one
        group, strengths of different groups are compared by the prior alone.
    settled : bool
        Whether strengths would be finite without the prior, which is so when no systems were chosen over
        the others every time. Where not, how far apart the systems are depends on the prior.
    listeners : int
    confidence : float
    """

    systems: tuple[str, ...]
    log_strength: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: np.ndarray
    share_low: np.ndarray
    share_high: np.ndarray
    covariance: np.ndarray
    n_trials: int
    n_chosen: int
    decided: np.ndarray
    groups: tuple[tuple[str, ...], ...]
    settled: bool
    listeners: int
    confidence: float
    draws: np.ndarray | None = field(default=None, repr=False)

    def beats(self, a: str, b: str) -> Interval:
        """How often a is chosen rather than b: v_a / (v_a + v_b), with n the trials that decided so.

        Raises
        ------
        ValueError
            For a name that is not among the systems.
        """
        for name in (a, b):
            if name not in self.systems:
                raise ValueError(f"{name!r} is not among the systems, which are {', '.join(self.systems)}.")
        i, j = self.systems.index(a), self.systems.index(b)
        n = int(self.decided[i, j])
        if i == j:
            return Interval(0.5, 0.5, 0.5, n)
        gap = self.log_strength[i] - self.log_strength[j]
        if self.draws is not None:
            low, high = _percentiles(self.draws[:, i] - self.draws[:, j], self.confidence)
        else:
            c = self.covariance
            half = _quantile(self.confidence) * np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0))
            low, high = gap - half, gap + half
        value, below, above = _logistic(np.array([gap, low, high]))
        return Interval(float(value), float(below), float(above), n)


def luce_choice(
    trials: Iterable[Trial],
    *,
    systems: Sequence[str] | None = None,
    prior: float = 2.0,
    confidence: float = 0.95,
    resamples: int = 0,
    seed: int = 0,
) -> Strengths:
    """Strengths of systems from choices: Bradley-Terry for pairs, the same model for more.

    The system i among those shown, S, is chosen with probability v_i / Σ_{j ∈ S} v_j. Log strengths have
    independent normal priors of mean 0, and are those of the highest posterior probability.

    Parameters
    ----------
    trials : iterable of Trial
        Those without a choice are counted and not used, nor are those that show one system.
    systems : sequence of str, optional
        All systems to be ranked, also those that were never shown; by default those of the trials.
    prior : float, default 2
        Standard deviation of a log strength before any trial. With 2, odds between two systems are within
        250 to 1 with 95% probability: weak, and enough to keep a system that was always chosen finite.
    confidence : float, default 0.95
    resamples : int, default 0
        With more than 0, intervals are percentiles over that many draws of whole listeners instead of
        Laplace's approximation, which takes every trial for independent of the others. Needs at least two
        listeners, and says something from about ten on.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Strengths
        Without a choice in any trial, all are 0 with the interval of the prior. One system has 0, in an
        interval of no width, and the share 1. No system gives empty arrays.

    Raises
    ------
    ValueError
        For a trial with a system that is not among `systems`, a system named twice, a prior, confidence or
        number of resamples out of range, or resamples of fewer than two listeners.

    Notes
    -----
    The log posterior is strictly concave; its maximum is found by Newton's method to rounding error. The
    covariance is the inverse of its negative second derivative there, without the part that moves all
    strengths alike, of which trials know nothing. The interval of a share is that of its log odds.

    References
    ----------
    R. D. Luce, "Individual choice behavior", 1959. R. A. Bradley and M. E. Terry, "Rank analysis of
    incomplete block designs", Biometrika 39, 1952. R. L. Plackett, "The analysis of permutations", Applied
    Statistics 24, 1975 (the first choice). D. R. Hunter, "MM algorithms for generalized Bradley-Terry
    models", Annals of Statistics 32, 2004 (when strengths are finite without a prior).

    Examples
    --------
    >>> trials = [Trial(("a", "b"), "a")] * 8 + [Trial(("a", "b"), "b")] * 2
    >>> found = luce_choice(trials)
    >>> found.log_strength.round(3)
    array([ 0.644, -0.644])
    >>> wins = found.beats("a", "b")
    >>> round(wins.value, 3), round(wins.low, 3), round(wins.high, 3), wins.n
    (0.784, 0.459, 0.939, 10)
    """
    trials = list(trials)
    if not (prior > 0 and np.isfinite(prior)):
        raise ValueError(f"prior is {prior}; it must be a positive number, such as 2.")
    if resamples < 0:
        raise ValueError(f"resamples is {resamples}; it must be 0 or more.")
    z = _quantile(confidence)
    names = _names(trials, systems)
    m = len(names)
    table = _Choices(trials, names)
    theta = _maximum(table, table.counts.sum(axis=0), prior, np.zeros(m))
    inverse = np.linalg.inv(_curvature(table, table.counts.sum(axis=0), theta, prior)[1])
    centring = np.eye(m) - 1 / max(m, 1)
    covariance = centring @ inverse @ centring
    draws = None
    if resamples:
        draws = _listener_draws(table, prior, theta, resamples, seed)
        covariance = np.cov(draws, rowvar=False).reshape(m, m)
        low, high = _percentiles(draws, confidence)
        shares = np.array([_logistic(_log_odds(drawn)[0]) for drawn in draws])
        share_low, share_high = _percentiles(shares, confidence)
    else:
        half = z * np.sqrt(np.maximum(np.diag(covariance), 0))
        low, high = theta - half, theta + half
        odds, slopes = _log_odds(theta)
        spread = z * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slopes, covariance, slopes), 0))
        share_low, share_high = _logistic(odds - spread), _logistic(odds + spread)
    wins = pair_wins(trials, systems=names).wins
    groups, settled = _linked(names, wins)
    return Strengths(
        systems=names,
        log_strength=theta,
        low=low,
        high=high,
        share=_logistic(_log_odds(theta)[0]),
        share_low=share_low,
        share_high=share_high,
        covariance=covariance,
        n_trials=len(trials),
        n_chosen=sum(t.chosen is not None for t in trials),
        decided=wins + wins.T,
        groups=groups,
        settled=settled,
        listeners=len(table.counts),
        confidence=confidence,
        draws=draws,
    )


def pair_wins(trials: Iterable[Trial], *, systems: Sequence[str] | None = None) -> PairWins:
    """Count who was chosen where two systems were shown side by side.

    Parameters
    ----------
    trials : iterable of Trial
    systems : sequence of str, optional
        As in `luce_choice`.

    Returns
    -------
    PairWins

    Examples
    --------
    >>> found = pair_wins([Trial(("b", "a", "c"), "a"), Trial(("a", "b"), None)])
    >>> found.wins.tolist()
    [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    >>> found.together.tolist()
    [[2, 2, 1], [2, 2, 1], [1, 1, 1]]
    """
    trials = list(trials)
    names = _names(trials, systems)
    at = {name: i for i, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)), np.int64)
    together = np.zeros_like(wins)
    for trial in trials:
        shown = [at[s] for s in trial.shown]
        together[np.ix_(shown, shown)] += 1
        if trial.chosen is not None:
            wins[at[trial.chosen], shown] += 1
    np.fill_diagonal(wins, 0)
    return PairWins(names, wins, together)


def win_rate(
    trials: Iterable[Trial], *, systems: Sequence[str] | None = None, confidence: float = 0.95
) -> dict[str, Rate]:
    """Share of the trials showing a system in which it was chosen, with Wilson's interval.

    Parameters
    ----------
    trials : iterable of Trial
        Those without a choice count as shown and not chosen.
    systems : sequence of str, optional
        As in `luce_choice`.
    confidence : float, default 0.95

    Returns
    -------
    dict of str to Rate
        By system, sorted. `chance` is that of a blind choice of one of the systems shown, averaged over the
        trials. A system that was never shown has NaN and n = 0.

    Examples
    --------
    >>> rates = win_rate([Trial(("a", "b"), "a"), Trial(("a", "c"), None)])
    >>> rates["a"].value, rates["a"].n, rates["a"].chance
    (0.5, 2, 0.5)
    """
    trials = list(trials)
    chosen = Counter(t.chosen for t in trials)
    among: dict[str, list[int]] = {name: [] for name in _names(trials, systems)}
    for trial in trials:
        for name in trial.shown:
            among[name].append(len(trial.shown))
    return {
        name: _rate(chosen[name], len(sizes), sum(1 / size for size in sizes), confidence)
        for name, sizes in among.items()
    }


def consistency(repeats: Iterable[tuple[Trial, Trial]], *, confidence: float = 0.95) -> Rate:
    """Share of repeated questions that got the same answer both times, with Wilson's interval.

    Parameters
    ----------
    repeats : iterable of (Trial, Trial)
        The first answer and the second one, of the same listener to the same systems. None twice is the same
        answer.
    confidence : float, default 0.95

    Returns
    -------
    Rate
        `chance` is that of choosing blindly, one in the number of systems shown. As columns are shuffled
        again, always choosing the same column gives no more. Always choosing none gives 1: see how often.

    Raises
    ------
    ValueError
        For a pair that did not show the same systems, or is of two listeners.

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
    return _rate(hits, n, blind, confidence)


def precision(
    marks: Iterable[Mark], *, systems: Sequence[str] | None = None, confidence: float = 0.95
) -> dict[str, Interval]:
    """Share of the marked results of each system that were marked as fitting, with Wilson's interval.

    Parameters
    ----------
    marks : iterable of Mark
        Results that nobody marked do not count: ask for marks on all of a list, or on the first of it.
    systems : sequence of str, optional
        As in `luce_choice`; by default those that were marked.
    confidence : float, default 0.95

    Returns
    -------
    dict of str to Interval
        By system, sorted; NaN and n = 0 where nothing was marked. Results of one query are alike, so that
        the interval is rather too narrow where few queries were marked.

    Examples
    --------
    >>> found = precision([Mark("a", True), Mark("a", False), Mark("b", True)])
    >>> found["a"].value, found["a"].n, found["b"].value
    (0.5, 2, 1.0)
    """
    marks = list(marks)
    marked, fit = Counter(m.system for m in marks), Counter(m.system for m in marks if m.fits)
    names = _distinct(sorted(marked) if systems is None else systems, marked)
    return {name: share_interval(fit[name], marked[name], confidence=confidence) for name in names}


def krippendorff_alpha(
    trials: Iterable[Trial], *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Agreement:
    """Agreement between listeners on the questions they share: 1 - observed / expected disagreement.

    Krippendorff's alpha and not Fleiss' kappa, since it allows any number of answers a question, and
    listeners seldom finish the same questions.

    Parameters
    ----------
    trials : iterable of Trial
        With their listener and question. A listener's first answer to a question counts; choosing none is an
        answer.
    confidence : float, default 0.95
    resamples : int, default 2000
        Draws of whole questions whose percentiles are the interval.
    seed : int, default 0

    Returns
    -------
    Agreement
        At most 1; 0 is what chance gives, below is systematic disagreement. NaN where no question has two
        answers, or all answers are the same, of which alpha says nothing.

    Raises
    ------
    ValueError
        For a question that showed different systems to different listeners.

    Notes
    -----
    With m_u answers to question u, n_uc of them c, and n their number,
    D_o = Σ_u Σ_c n_uc (m_u - n_uc) / (m_u - 1) / n and D_e = Σ_c n_c (n - n_c) / (n - 1) / n. Where questions
    show different systems, n_c and n of D_e are those of questions with the same systems, and both
    disagreements are summed over such groups: a system that was not shown could not be chosen, and pooling
    would take that for agreement. With one group this is the usual alpha.

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
    _quantile(confidence)
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
    # A category is an answer among certain systems, so that answers are compared within their group only.
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
    low, high = _percentiles(alphas, confidence) if np.isfinite(value) and len(alphas) else (np.nan, np.nan)
    listeners = len({listener for given in answers.values() for listener in given})
    return Agreement(value, float(low), float(high), int(table.sum()), len(answers), listeners)


def rank_agreement(strengths: ArrayLike, scores: ArrayLike) -> RankAgreement:
    """How far the order of systems by listeners and by an objective score, such as MAP@15, agree.

    Parameters
    ----------
    strengths, scores : (n,) array_like
        One of each a system.

    Returns
    -------
    RankAgreement
        tau and rho in [-1, 1]. Up to 8 systems, p is exact: the share of all n! orders that agree or disagree
        at least as much; with 4 systems it cannot be below 1/12. Beyond, it is SciPy's. Fewer than two
        systems, or values that are all equal, give NaN.

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
    >>> found = rank_agreement([0.9, 0.3, -0.2, -1.0], [0.53, 0.33, 0.37, 0.09])
    >>> round(found.tau, 3), round(found.tau_p, 3), round(found.rho, 3), found.n
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
    from scipy.stats import kendalltau, rankdata, spearmanr

    if n > _ALL_ORDERS:
        tau, rho = kendalltau(x, y), spearmanr(x, y)
        return RankAgreement(
            float(tau.statistic), float(tau.pvalue), float(rho.statistic), float(rho.pvalue), n
        )
    orders = np.array(list(itertools.permutations(range(n))))  # (n!, n); the first leaves all in place
    i, j = np.triu_indices(n, 1)
    tau, tau_p = _among_orders(np.sign(x[i] - x[j]), np.sign(y[orders[:, i]] - y[orders[:, j]]))
    rho, rho_p = _among_orders(rankdata(x) - (n + 1) / 2, rankdata(y)[orders] - (n + 1) / 2)
    return RankAgreement(tau, tau_p, rho, rho_p, n)


# -- the model -----------------------------------------------------------------------------------------------


class _Choices:
    """Trials with a choice, each kind of them once, and how often each listener gave it: `counts` (l, u).

    `shown` (u, s) holds the systems of a kind, and where `there` (u, s) is False nothing; `chosen` is (u,).
    """

    def __init__(self, trials: Sequence[Trial], names: Sequence[str]) -> None:
        at = {name: i for i, name in enumerate(names)}
        listeners = {name: i for i, name in enumerate(dict.fromkeys(t.listener for t in trials))}
        kinds: dict[tuple[tuple[int, ...], int], int] = {}
        entries = []
        for trial in trials:
            if trial.chosen is not None and len(trial.shown) > 1:
                kind = (tuple(sorted(at[s] for s in trial.shown)), at[trial.chosen])
                entries.append((listeners[trial.listener], kinds.setdefault(kind, len(kinds))))
        widest = max((len(shown) for shown, _ in kinds), default=0)
        self.m = len(names)
        self.shown = np.zeros((len(kinds), widest), np.int64)
        self.there = np.zeros((len(kinds), widest), bool)
        for (shown, _), row in kinds.items():
            self.shown[row, : len(shown)] = shown
            self.there[row, : len(shown)] = True
        self.chosen = np.array([chosen for _, chosen in kinds], dtype=np.int64)
        self.counts = np.zeros((len(listeners), len(kinds)))
        for entry in entries:
            self.counts[entry] += 1

    def log_likelihood(self, weights: np.ndarray, theta: np.ndarray) -> float:
        """Σ of log P(chosen | shown), each kind of trial `weights` times."""
        return float(weights @ (theta[self.chosen] - self._log_sums(theta)))

    def curvature(self, weights: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (m,) and negative second derivative (m, m) of the log likelihood."""
        p = np.where(self.there, np.exp(theta[self.shown] - self._log_sums(theta)[:, None]), 0.0)
        weighted = weights[:, None] * p
        expected = np.bincount(self.shown.ravel(), weighted.ravel(), self.m)
        gradient = np.bincount(self.chosen, weights, self.m) - expected
        pairs = self.shown[:, :, None] * self.m + self.shown[:, None, :]  # (u, s, s)
        joint = np.bincount(pairs.ravel(), (weighted[:, :, None] * p[:, None, :]).ravel(), self.m**2)
        return gradient, np.diag(expected) - joint.reshape(self.m, self.m)

    def _log_sums(self, theta: np.ndarray) -> np.ndarray:
        values = np.where(self.there, theta[self.shown], -np.inf)
        top = values.max(axis=1, initial=-np.inf)
        return top + np.log(np.exp(values - top[:, None]).sum(axis=1))


def _curvature(
    table: _Choices, weights: np.ndarray, theta: np.ndarray, prior: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (m,) and negative second derivative (m, m) of the log posterior."""
    gradient, information = table.curvature(weights, theta)
    return gradient - theta / prior**2, information + np.eye(table.m) / prior**2


def _maximum(table: _Choices, weights: np.ndarray, prior: float, start: np.ndarray) -> np.ndarray:
    """Find the log strengths of the highest posterior by Newton's method, its steps halved where too long."""

    def posterior(theta: np.ndarray) -> float:
        return table.log_likelihood(weights, theta) - float(theta @ theta) / (2 * prior**2)

    theta, value = start, posterior(start)
    for _ in range(500):
        gradient, information = _curvature(table, weights, theta, prior)
        step = np.linalg.solve(information, gradient)
        # Where rounding hides the rise, the last full step is as good as can be had.
        small = np.abs(step).max(initial=0) <= 1e-7 * (1 + np.abs(theta).max(initial=0))
        if not small:
            while (
                posterior(theta + step) < value + 1e-4 * float(gradient @ step) and np.abs(step).max() > 1e-12
            ):
                step = step / 2
        theta = theta + step
        value = posterior(theta)
        if small:
            break
    # The prior keeps the mean at 0; what rounding has left of it goes.
    return theta - theta.mean() if len(theta) else theta


def _listener_draws(
    table: _Choices, prior: float, start: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Log strengths for draws of whole listeners, (resamples, m)."""
    n = len(table.counts)
    if n < 2:
        raise ValueError(
            f"There are trials of {n} listeners; drawing listeners needs at least 2: leave resamples at 0."
        )
    random = np.random.default_rng(seed)
    drawn = random.multinomial(n, np.full(n, 1 / n), size=resamples)
    return np.array([_maximum(table, times @ table.counts, prior, start) for times in drawn])


def _log_odds(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log odds of each share v_i / Σ v, (m,), and their derivatives by the log strengths, (m, m)."""
    m = len(theta)
    if m < 2:
        return np.full(m, np.inf), np.zeros((m, m))
    others = np.where(np.eye(m, dtype=bool), -np.inf, theta)  # row i: all but i
    top = others.max(axis=1, keepdims=True)
    weights = np.exp(others - top)
    sums = weights.sum(axis=1, keepdims=True)
    return theta - (top + np.log(sums))[:, 0], np.eye(m) - weights / sums


def _linked(names: tuple[str, ...], wins: np.ndarray) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Groups that choices link, and whether every system beat every other, directly or over others."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not names:
        return (), True
    graph = csr_array((wins > 0).astype(np.int8))
    count, weak = connected_components(graph, directed=True, connection="weak")
    settled = count == 1 and connected_components(graph, directed=True, connection="strong")[0] == 1
    groups = [tuple(n for n, w in zip(names, weak, strict=True) if w == k) for k in range(count)]
    return tuple(sorted(groups)), bool(settled)


# -- small parts ---------------------------------------------------------------------------------------------


def _alpha(table: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha (b,) of the answers (u, c), each question counted `weights` (b, u) times.

    `group` (c, g) says which questions a category belongs to, those with the same systems.
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


def _among_orders(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Cosine of `a` (k,) with the first row of `b` (o, k), and the share of rows as far from 0 as that."""
    cosines = b @ a / np.sqrt((a @ a) * (b[0] @ b[0]))
    share = (np.abs(cosines) >= abs(cosines[0]) - 1e-12).mean()
    return float(np.clip(cosines[0], -1, 1)), float(share)


def _names(trials: Sequence[Trial], systems: Sequence[str] | None) -> tuple[str, ...]:
    seen = {name for trial in trials for name in trial.shown}
    return _distinct(sorted(seen) if systems is None else systems, seen)


def _distinct(names: Sequence[str], seen: Iterable[str]) -> tuple[str, ...]:
    """Sort the names; refuse one given twice and leaving out one that was seen."""
    if len(set(names)) < len(names):
        raise ValueError(f"systems are {', '.join(names)}; name each once.")
    if left_out := sorted(set(seen) - set(names)):
        raise ValueError(
            f"{left_out[0]!r} was shown and is not among systems; add it, or leave its trials out."
        )
    return tuple(sorted(names))


def _rate(hits: int, n: int, blind: float, confidence: float) -> Rate:
    share = share_interval(hits, n, confidence=confidence)
    return Rate(share.value, share.low, share.high, share.n, blind / n if n else np.nan)


def _percentiles(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def _logistic(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(x)


def _quantile(confidence: float) -> float:
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, such as 0.95.")
    return float(ndtri(0.5 + confidence / 2))
