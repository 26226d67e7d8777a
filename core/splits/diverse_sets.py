"""Sets of classes grown to a wanted mean similarity: the inner loop of the diversity splits."""

from __future__ import annotations

import numpy as np

RANDOM_ATTEMPTS = 500  # before choices look ahead
ATTEMPTS = 1000  # before a range is given up
_CLOSE = 5e-13  # a mean as near to an end counts as the end, so that rounding decides nothing


def grow(
    similarity: np.ndarray,
    size: int,
    low: float,
    high: float,
    random: np.random.Generator,
    *,
    attempts: int | None = None,
) -> tuple[list[int], int]:
    """Grow a set class by class, each with a mean similarity to those before it within (low, high].

    Parameters
    ----------
    similarity : (m, m) float64 array
        Of the classes that may be chosen.
    size : int
        Classes wanted.
    low, high : float
    random : numpy.random.Generator
        Chooses the first class, and each next one among all that fit. Where 500 attempts have failed, 500
        more choose among those that leave the most classes fitting.
    attempts : int, optional
        Give up after so many of these.

    Returns
    -------
    list of int, int
        The set, of `size` classes or, if no attempt reached that, the largest one; and the attempts.
    """
    m = len(similarity)
    low, high = low + _CLOSE, high + _CLOSE
    most = ATTEMPTS if attempts is None else min(attempts, ATTEMPTS)
    best: list[int] = []
    for attempt in range(1, most + 1):
        chosen = [int(random.integers(m))]
        total = similarity[chosen[0]].copy()
        total[chosen[0]] = np.nan  # which is within no range
        while len(chosen) < size:
            n = len(chosen)
            fitting = np.flatnonzero((total > n * low) & (total <= n * high))
            if not len(fitting):
                break
            if attempt > RANDOM_ATTEMPTS:
                totals = total + similarity[fitting]
                left = ((totals > (n + 1) * low) & (totals <= (n + 1) * high)).sum(axis=1)
                fitting = fitting[left == left.max()]
            c = int(fitting[random.integers(len(fitting))])
            chosen.append(c)
            total += similarity[c]
            total[c] = np.nan
        if len(chosen) > len(best):
            best = chosen
        if len(best) == size:
            return best, attempt
    return best, most


def reachable(similarity: np.ndarray, size: int) -> tuple[float, float]:
    """Return about the lowest and the highest mean pairwise similarity of any `size` of the classes.

    Greedy: from every class, the one is added that is the least (or the most) similar to those chosen. The
    true extremes are at least as far out.
    """
    m = len(similarity)
    extremes = []
    for sign in (1.0, -1.0):
        signed = sign * similarity
        totals, pairs, rows = signed.copy(), np.zeros(m), np.arange(m)  # one set a row, from each class
        np.fill_diagonal(totals, np.inf)  # taken
        for _ in range(size - 1):
            following = totals.argmin(axis=1)
            pairs += totals[rows, following]
            totals += signed[following]
            totals[rows, following] = np.inf
        extremes.append(sign * float(pairs.min()) / (size * (size - 1) / 2))
    return extremes[0], extremes[1]
