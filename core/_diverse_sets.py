"""Sets of classes grown to a wanted mean similarity: the inner loop of the diversity splits."""

from __future__ import annotations

import numpy as np

RANDOM_ATTEMPTS = 500  # beginnings before choices look ahead
ATTEMPTS = 1000  # and before a range is given up
_DECIMALS = 12  # so that rounding of a mean decides nothing at the ends of a range


def grow(
    similarity: np.ndarray, size: int, low: float, high: float, random: np.random.Generator
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

    Returns
    -------
    list of int, int
        The set, of `size` classes or, if no attempt came that far, the largest one found; and the attempts.
    """
    m = len(similarity)
    best: list[int] = []
    for attempt in range(1, ATTEMPTS + 1):
        chosen = [int(random.integers(m))]
        total = similarity[chosen[0]].copy()
        free = np.ones(m, dtype=bool)
        free[chosen[0]] = False
        while len(chosen) < size:
            fitting = np.flatnonzero(free & _within(total / len(chosen), low, high))
            if not len(fitting):
                break
            if attempt > RANDOM_ATTEMPTS:
                means = (total[free] + similarity[fitting][:, free]) / (len(chosen) + 1)
                left = _within(means, low, high).sum(axis=1)
                fitting = fitting[left == left.max()]
            c = int(fitting[random.integers(len(fitting))])
            chosen.append(c)
            total += similarity[c]
            free[c] = False
        if len(chosen) > len(best):
            best = chosen
        if len(best) == size:
            return best, attempt
    return best, ATTEMPTS


def _within(mean: np.ndarray, low: float, high: float) -> np.ndarray:
    mean = np.round(mean, _DECIMALS)
    return (mean > low) & (mean <= high)


def reachable(similarity: np.ndarray, size: int) -> tuple[float, float]:
    """Return about the lowest and the highest mean pairwise similarity of any `size` of the classes.

    Greedy: from every class, the one is added that is the least (or the most) similar to those chosen. The
    true extremes are at least as far out.
    """
    m = len(similarity)
    extremes = []
    for sign in (1.0, -1.0):
        signed = sign * similarity
        taken = np.eye(m, dtype=bool)  # one set a row, begun with each class
        totals, pairs = signed.copy(), np.zeros(m)
        for _ in range(size - 1):
            following = np.where(taken, np.inf, totals).argmin(axis=1)
            pairs += totals[np.arange(m), following]
            totals += signed[following]
            taken[np.arange(m), following] = True
        extremes.append(sign * float(pairs.min()) / (size * (size - 1) / 2))
    return extremes[0], extremes[1]
