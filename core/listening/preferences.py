"""Preferences of listeners: strengths, win rates and precision from choices among systems.

In a `Trial` a listener chooses the best of several anonymous systems, or none. Strengths follow Luce's choice
axiom: how often one system is chosen rather than another does not depend on the other systems shown. A trial
without a choice is therefore uninformative about strengths; it counts in win rates and in agreement.

Light to import: pages use it, and SciPy is loaded when it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.listening import luce as _luce
from core.statistics import Interval, share_interval
from core.statistics.checks import normal_quantile, percentiles


@dataclass(frozen=True)
class Trial:
    """One answer: the systems shown and the one chosen.

    Parameters
    ----------
    shown : tuple of str
        At least one name, each once; their order is irrelevant.
    chosen : str or None
        One of them, or None if the listener chose none.
    listener : str, default ""
        Name of the listener.
    question : str, default ""
        Name of the question; listeners with the same question were shown the same systems.

    Raises
    ------
    ValueError
        For no system, a system shown twice, or a choice of a system that was not shown.
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
    """A listener's mark on one result of a system: whether it fits the query."""

    system: str
    fits: bool


@dataclass(frozen=True)
class Rate(Interval):
    """A share of n with its interval, and its mean under random guessing; NaN if n is 0."""

    chance: float

    @classmethod
    def of(cls, hits: int, n: int, blind: float, confidence: float) -> Rate:
        """Return the share of `hits` among n, with Wilson's interval; `blind` hits are expected by chance."""
        share = share_interval(hits, n, confidence=confidence)
        return cls(share.value, share.low, share.high, share.n, blind / n if n else np.nan)


@dataclass(frozen=True)
class PairWins:
    """Counts of choices between every two systems.

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
        Covariance of the log strengths.
    n_trials, n_chosen : int
        Number of trials, and of those with a choice.
    decided : (m, m) int64 array
        Trials that showed both systems and in which one of the two was chosen.
    groups : tuple of tuple of str
        Systems linked by trials with a choice, directly or through others. Strengths of different groups are
        compared by the prior alone.
    settled : bool
        Whether strengths would be finite without the prior, that is, unless some systems were always chosen
        over the others. If False, the distance between the systems depends on the prior.
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
        """Probability that a is chosen rather than b, v_a / (v_a + v_b); n trials chose one of them.

        Raises
        ------
        ValueError
            For an unknown name.
        """
        from scipy.special import expit

        for name in (a, b):
            if name not in self.systems:
                raise ValueError(f"{name!r} is not among the systems, which are {', '.join(self.systems)}.")
        i, j = self.systems.index(a), self.systems.index(b)
        n = int(self.decided[i, j])
        if i == j:
            return Interval(0.5, 0.5, 0.5, n)
        gap = self.log_strength[i] - self.log_strength[j]
        if self.draws is not None:
            low, high = percentiles(self.draws[:, i] - self.draws[:, j], self.confidence)
        else:
            c = self.covariance
            half = normal_quantile(self.confidence) * np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0))
            low, high = gap - half, gap + half
        value, below, above = expit(np.array([gap, low, high]))
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
    """Strengths of systems from choices, by the model of Bradley and Terry, extended to more systems.

    The system i among those shown, S, is chosen with probability v_i / Σ_{j ∈ S} v_j. Log strengths have
    independent normal priors with mean 0; the estimates maximise the posterior probability.

    Parameters
    ----------
    trials : iterable of Trial
        Trials without a choice, or with one system, are counted but not used.
    systems : sequence of str, optional
        All systems to be ranked, including those never shown; by default those of the trials.
    prior : float, default 2
        Prior standard deviation of a log strength. With 2, odds between two systems are within 250 to 1 with
        95% probability: weak, but enough to keep a system that was always chosen finite.
    confidence : float, default 0.95
    resamples : int, default 0
        If positive, intervals are percentiles over this many resamples of whole listeners instead of
        Laplace's approximation, which treats all trials as independent. Needs at least two listeners, and is
        useful from about ten.
    seed : int, default 0
        Seed of the resamples.

    Returns
    -------
    Strengths
        Without any choice, all strengths are 0 with the interval of the prior. A single system has strength
        0, an interval of width 0, and share 1. No system gives empty arrays.

    Raises
    ------
    ValueError
        For a trial with a system that is not among `systems`, a system named twice, a prior, confidence or
        number of resamples out of range, or resamples of fewer than two listeners.

    Notes
    -----
    The log posterior is strictly concave; Newton's method reaches its maximum to rounding error. The
    covariance is the inverse of the negative second derivative there, without the direction that moves all
    strengths alike, about which trials are uninformative. The interval of a share is that of its log odds.

    References
    ----------
    R. D. Luce, "Individual choice behavior", 1959. R. A. Bradley and M. E. Terry, "Rank analysis of
    incomplete block designs", Biometrika 39, 1952. R. L. Plackett, "The analysis of permutations", Applied
    Statistics 24, 1975 (the first choice). D. R. Hunter, "MM algorithms for generalized Bradley-Terry
    models", Annals of Statistics 32, 2004 (when strengths are finite without a prior).

    Examples
    --------
    >>> trials = [Trial(("a", "b"), "a")] * 8 + [Trial(("a", "b"), "b")] * 2
    >>> strengths = luce_choice(trials)
    >>> strengths.log_strength.round(3)
    array([ 0.644, -0.644])
    >>> wins = strengths.beats("a", "b")
    >>> round(wins.value, 3), round(wins.low, 3), round(wins.high, 3), wins.n
    (0.784, 0.459, 0.939, 10)
    """
    from scipy.special import expit

    trials = list(trials)
    if not (prior > 0 and np.isfinite(prior)):
        raise ValueError(f"prior is {prior}; it must be a positive number, such as 2.")
    if resamples < 0:
        raise ValueError(f"resamples is {resamples}; it must be 0 or more.")
    z = normal_quantile(confidence)
    names = _names(trials, systems)
    m = len(names)
    table = _luce.Choices([(t.listener, t.shown, t.chosen) for t in trials], names)
    theta = _luce.maximum(table, table.counts.sum(axis=0), prior, np.zeros(m))
    inverse = np.linalg.inv(_luce.curvature(table, table.counts.sum(axis=0), theta, prior)[1])
    centring = np.eye(m) - 1 / max(m, 1)
    covariance = centring @ inverse @ centring
    draws = None
    if resamples:
        draws = _luce.listener_draws(table, prior, theta, resamples, seed)
        covariance = np.cov(draws, rowvar=False).reshape(m, m)
        low, high = percentiles(draws, confidence)
        shares = np.array([expit(_luce.log_odds(drawn)[0]) for drawn in draws])
        share_low, share_high = percentiles(shares, confidence)
    else:
        half = z * np.sqrt(np.maximum(np.diag(covariance), 0))
        low, high = theta - half, theta + half
        odds, slopes = _luce.log_odds(theta)
        spread = z * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slopes, covariance, slopes), 0))
        share_low, share_high = expit(odds - spread), expit(odds + spread)
    wins = pair_wins(trials, systems=names).wins
    groups, settled = _luce.linked(names, wins)
    return Strengths(
        systems=names,
        log_strength=theta,
        low=low,
        high=high,
        share=expit(_luce.log_odds(theta)[0]),
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
    """Count the choices between every two systems.

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
    >>> pairs = pair_wins([Trial(("b", "a", "c"), "a"), Trial(("a", "b"), None)])
    >>> pairs.wins.tolist()
    [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    >>> pairs.together.tolist()
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
    """Share of the trials with a system in which it was chosen, with Wilson's interval.

    Parameters
    ----------
    trials : iterable of Trial
        In those without a choice, no system was chosen.
    systems : sequence of str, optional
        As in `luce_choice`.
    confidence : float, default 0.95

    Returns
    -------
    dict of str to Rate
        By system, sorted. `chance` is that of a random choice among the systems shown, averaged over the
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
        name: Rate.of(chosen[name], len(sizes), sum(1 / size for size in sizes), confidence)
        for name, sizes in among.items()
    }


def precision(
    marks: Iterable[Mark], *, systems: Sequence[str] | None = None, confidence: float = 0.95
) -> dict[str, Interval]:
    """Share of the marked results of each system that fit, with Wilson's interval.

    Parameters
    ----------
    marks : iterable of Mark
        Results without a mark do not count: have listeners mark whole lists, or their first few results.
    systems : sequence of str, optional
        As in `luce_choice`; by default the systems of the marks.
    confidence : float, default 0.95

    Returns
    -------
    dict of str to Interval
        By system, sorted; NaN and n = 0 without marks. Results of the same query are similar, so that the
        interval is somewhat too narrow for few queries.

    Examples
    --------
    >>> fitting = precision([Mark("a", True), Mark("a", False), Mark("b", True)])
    >>> fitting["a"].value, fitting["a"].n, fitting["b"].value
    (0.5, 2, 1.0)
    """
    marks = list(marks)
    marked, fit = Counter(m.system for m in marks), Counter(m.system for m in marks if m.fits)
    names = _distinct(sorted(marked) if systems is None else systems, marked)
    return {name: share_interval(fit[name], marked[name], confidence=confidence) for name in names}


def _names(trials: Sequence[Trial], systems: Sequence[str] | None) -> tuple[str, ...]:
    seen = {name for trial in trials for name in trial.shown}
    return _distinct(sorted(seen) if systems is None else systems, seen)


def _distinct(names: Sequence[str], seen: Iterable[str]) -> tuple[str, ...]:
    """Sort the names; raise an error if a name is repeated, or a name in `seen` is missing."""
    if len(set(names)) < len(names):
        raise ValueError(f"systems are {', '.join(names)}; name each once.")
    if left_out := sorted(set(seen) - set(names)):
        raise ValueError(
            f"{left_out[0]!r} was shown and is not among systems; add it, or leave its trials out."
        )
    return tuple(sorted(names))
