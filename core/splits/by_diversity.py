"""Splits that vary how similar the training classes are to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from core.checks import whole
from core.splits.class_space import checked_names, square_matrix
from core.splits.class_split import PAPER_SIZES, ClassSplitSet, Sizes, SplitError, checked_seed
from core.splits.diverse_sets import grow, reachable
from core.splits.sizes import check_enough, halved_sizes, largest_sizes, needed

Range = tuple[float, float]
_SUGGESTING = 100  # attempts at a range that is only to be named as one that fits

#: Mean similarities of a training class to the others, above the first and up to the second.
PAPER_RANGES: tuple[Range, ...] = ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))


def quantile_ranges(
    similarity: ArrayLike, n: int = 5, *, sizes: Sizes | None = None, n_test_sets: int = 3
) -> tuple[Range, ...]:
    """Return ranges of similarity that suit a space: quantiles over its pairs of classes.

    Parameters
    ----------
    similarity : (C, C) array_like
        As `class_similarity` gives it.
    n : int, default 5
        Ranges, from 1.
    sizes : Sizes, optional
        If given, only similarities that the mean of so many training classes can reach are counted, beside
        `n_test_sets` test and validation sets; without it, the lowest and highest ranges may be such that no
        training set fits.
    n_test_sets : int, default 3

    Returns
    -------
    tuple of (float, float)
        Ascending, each beginning where the one before ends; each excludes its lower and includes its upper
        end. Rounded to 3 decimals.

    Raises
    ------
    SplitError
        Where there are too few classes, or too few different similarities.

    Examples
    --------
    >>> from core.splits import class_similarity
    >>> quantile_ranges(class_similarity([[1, 0], [3, 1], [1, 1], [0, 1]]), 2)
    ((-0.001, 0.707), (0.707, 0.949))
    """
    S = square_matrix(similarity)
    if not whole(n) or n < 1:
        raise SplitError(f"{n!r} ranges are asked for; it must be a whole number from 1.")
    pairs = S[np.triu_indices(len(S), 1)]
    if sizes is None:
        low, high = (pairs.min(), pairs.max()) if len(pairs) else (0.0, 0.0)
    else:
        check_enough(len(S), sizes, n_test_sets)
        pool = len(S) - n_test_sets * (sizes.validation + sizes.test)
        random = np.random.default_rng(0)
        # What any draw of the held-out classes leaves within reach.
        ends = []
        for _ in range(10):
            some = random.permutation(len(S))[:pool]
            ends.append(reachable(S[np.ix_(some, some)], sizes.train))
        low, high = max(e[0] for e in ends), min(e[1] for e in ends)
    edges = _edges(pairs, low, high, n)
    if (np.diff(edges) <= 0).any():
        raise SplitError(
            f"{len(S)} classes with {len(np.unique(np.round(pairs, 3)))} different similarities do not give "
            f"{n} ranges; ask for fewer."
        )
    return tuple(pairwise(edges.tolist()))


def diversity_splits(
    names: Sequence[str],
    similarity: ArrayLike,
    *,
    ranges: Sequence[Range] = PAPER_RANGES,
    seeds: Sequence[int],
    sizes: Sizes = PAPER_SIZES,
    n_test_sets: int = 3,
) -> list[ClassSplitSet]:
    """Draw test and validation sets, and grow a training set of every range of similarity beside them.

    For each seed, `n_test_sets` test and validation sets are drawn, with no class in two of them, and stay
    the same for all ranges. For each range, the training set begins with a random one of the other classes.
    Then a random one of those whose mean similarity to the training set is within the range is added, until
    it is complete. Where none is left it starts again, up to 1,000 times; from the 500th on,
    the next class is one of those that leave the most others within the range.

    Parameters
    ----------
    names : sequence of str
        The classes.
    similarity : (C, C) array_like
        Their cosine similarities, as `class_similarity` gives them.
    ranges : sequence of (low, high)
        Means above `low` and up to `high`; see also `quantile_ranges`.
    seeds : sequence of int
    sizes : Sizes
    n_test_sets : int, default 3

    Returns
    -------
    list of ClassSplitSet
        For every seed and range, in this order. `info` has the range, the seed, ``mean_similarity`` of the
        training classes (itself within the range) and the attempts it took.

    Raises
    ------
    SplitError
        Where the classes do not suffice, or no training set fits a range; the message says how many classes
        the best attempt reached and which ranges fit.

    References
    ----------
    D. Dogan, H. Xie, T. Heittola, T. Virtanen, "On the role of training class distribution in zero-shot audio
    classification", section 3.2.

    Examples
    --------
    >>> similarity = 0.5 + 0.5 * np.eye(9)
    >>> splits = diversity_splits(
    ...     "abcdefghi", similarity, ranges=[(0.4, 0.5)], seeds=[0], sizes=Sizes(3, 1, 2), n_test_sets=2
    ... )
    >>> len(splits), len(splits[0].tests), splits[0].info["mean_similarity"]
    (1, 2, 0.5)
    """
    ordered, S = _by_name(names, similarity)
    check_enough(len(S), sizes, n_test_sets)
    ranges = [_range(r) for r in ranges]
    splits = []
    for seed in seeds:
        tests, validations, rest = _held_out(len(S), sizes, n_test_sets, seed)
        among = S[np.ix_(rest, rest)]
        for low, high in ranges:
            chosen, attempts = _grown(among, sizes.train, (low, high), seed)
            if len(chosen) < sizes.train:
                raise SplitError(_no_set(among, sizes, (low, high), len(chosen), attempts, len(ranges), seed))
            pairs = among[np.ix_(chosen, chosen)][np.triu_indices(len(chosen), 1)]
            splits.append(
                ClassSplitSet(
                    train=tuple(ordered[i] for i in rest[chosen]),
                    validations=_sets(validations, sizes.validation, ordered),
                    tests=_sets(tests, sizes.test, ordered),
                    info={
                        "setup": "diversity",
                        "low": low,
                        "high": high,
                        "seed": int(seed),
                        "mean_similarity": float(np.round(pairs.mean(), 12)),
                        "attempts": attempts,
                    },
                )
            )
    return splits


def feasible_diversity_sizes(
    names: Sequence[str],
    similarity: ArrayLike,
    *,
    ranges: Sequence[Range] | Callable[[Sizes], Sequence[Range]] = PAPER_RANGES,
    seeds: Sequence[int],
    sizes: Sizes = PAPER_SIZES,
    n_test_sets: int = 3,
    until: Callable[[], bool] | None = None,
) -> Sizes | None:
    """Return the largest sizes, in about the same proportions, with which every seed fills every range.

    Parameters
    ----------
    names, similarity, seeds, n_test_sets
        As `diversity_splits` takes them.
    ranges : sequence of (low, high), or callable
        Ranges that depend on the sizes are given by a function of these, such as `quantile_ranges`; where it
        raises `SplitError` the sizes do not fit.
    sizes : Sizes
        What is wanted; returned as it is if it fits.
    until : callable, optional
        For a search that must not take long: only some sizes are tried, by halving, and none any more once
        this returns True.

    Returns
    -------
    Sizes or None
        In the order of `largest_sizes`. None where nothing fits. With `until`, sizes that fit, though larger
        ones may, too; None where none was reached.

    Examples
    --------
    >>> similarity = 0.5 + 0.5 * np.eye(14)
    >>> str(feasible_diversity_sizes("abcdefghijklmn", similarity, ranges=[(0.4, 0.5)], seeds=[0]))
    '2/2/2'
    """
    _, S = _by_name(names, similarity)
    #: The largest set for each range, by the number of held-out classes and the seed.
    most: dict[tuple[int, int, Range], int] = {}

    def fits(candidate: Sizes) -> bool:
        if until is not None and until():
            return False
        if needed(candidate, n_test_sets) > len(S):
            return False
        try:
            wanted = [_range(r) for r in (ranges(candidate) if callable(ranges) else ranges)]
        except SplitError:
            return False
        held = needed(candidate, n_test_sets) - candidate.train
        keys = [(held, seed, ends) for seed in seeds for ends in wanted]
        if any(most.get(key, candidate.train) < candidate.train for key in keys):
            return False
        for key in keys:
            if until is not None and until():
                return False
            _, seed, ends = key
            rest = _held_out(len(S), candidate, n_test_sets, seed)[-1]
            chosen, _ = _grown(S[np.ix_(rest, rest)], candidate.train, ends, seed)
            if len(chosen) < candidate.train:
                # An attempt depends on the wanted size only in where it stops, so no larger set can be grown.
                most[key] = len(chosen)
                return False
        return True

    return (largest_sizes if until is None else halved_sizes)(sizes, fits)


def _by_name(names: Sequence[str], similarity: ArrayLike) -> tuple[list[str], np.ndarray]:
    """Return the names, sorted, and the similarities in this order."""
    S = square_matrix(similarity)
    array = checked_names(names, len(S))
    order = np.argsort(array, kind="stable")
    return array[order].tolist(), S[np.ix_(order, order)]


def _held_out(n: int, sizes: Sizes, n_test_sets: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the test and the validation classes, and return what is left of n classes, ascending."""
    drawn = np.random.default_rng(checked_seed(seed)).permutation(n)
    held, rest = np.split(drawn, [n_test_sets * (sizes.test + sizes.validation)])
    tests, validations = np.split(held, [n_test_sets * sizes.test])
    return tests, validations, np.sort(rest)


def _grown(
    among: np.ndarray, size: int, ends: Range, seed: int, attempts: int | None = None
) -> tuple[list[int], int]:
    """Grow a set; each range draws by itself, so that it does not depend on which others are asked for."""
    return grow(among, size, *ends, np.random.default_rng([seed, 1]), attempts=attempts)


def _range(ends: Range) -> Range:
    low, high = float(ends[0]), float(ends[1])
    if not -1.01 <= low < high <= 1.01:
        raise SplitError(f"({low:g}, {high:g}] is no range of similarities: it must ascend, within -1 and 1.")
    return low, high


def _sets(drawn: np.ndarray, size: int, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(names[i] for i in part) for part in drawn.reshape(-1, size))


def _edges(pairs: np.ndarray, low: float, high: float, n: int) -> np.ndarray:
    """Quantiles of the similarities between two, (n + 1,), rounded; the first is just below the lowest."""
    within = np.concatenate([pairs[(pairs >= low) & (pairs <= high)], [low, high]])
    edges = np.round(np.quantile(within, np.linspace(0, 1, n + 1)), 3)
    edges[0] -= 0.001  # the lower end of a range is left out
    return np.round(edges, 3)


def _no_set(
    among: np.ndarray, sizes: Sizes, ends: Range, best: int, attempts: int, n_ranges: int, seed: int
) -> str:
    """Return how close a range came to a training set, and which ranges have one among these classes."""
    pairs = among[np.triu_indices(len(among), 1)]
    low, high = reachable(among, sizes.train)
    fitting = [
        f"({a:g}, {b:g}]"
        for a, b in pairwise(_edges(pairs, low, high, n_ranges).tolist())
        if a < b and len(_grown(among, sizes.train, (a, b), seed, _SUGGESTING)[0]) == sizes.train
    ]
    if fitting:
        advice = f"ranges that fit are {', '.join(fitting)}"
    elif best > 1:
        advice = f"{best} training classes would fit"
    else:
        advice = "no two of these classes are as similar as that"
    tenth, median, most = np.quantile(pairs, [0.1, 0.5, 0.9])
    return (
        f"No {sizes.train} of {len(among)} classes have a mean similarity within ({ends[0]:g}, {ends[1]:g}]: "
        f"seed {seed} came to {best} in {attempts:,} attempts; 8 in 10 pairs are between {tenth:.2f} and "
        f"{most:.2f}, half above {median:.2f}, and the means of {sizes.train} classes go from about "
        f"{low:.2f} to {high:.2f}; {advice}."
    )
