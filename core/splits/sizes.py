"""Sizes of splits that fit the classes, the largest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from core.checks import whole
from core.splits.class_split import Sizes, SplitError
from core.words import there_are


def largest_sizes(sizes: Sizes, fits: Callable[[Sizes], bool]) -> Sizes | None:
    """Return the first sizes that fit, of those that are wanted and smaller ones in their proportions.

    Parameters
    ----------
    sizes : Sizes
        What is wanted; returned as it is if it fits.
    fits : callable
        Returns whether sizes fit.

    Returns
    -------
    Sizes or None
        The most training classes win, with as many validation and test classes as their share asks for. Where
        at least 2 validation classes are wanted, sizes with one come after all others: it is always right,
        and tells no model from another. None where not even 2 training, 1 validation and 2 test classes fit.

    Examples
    --------
    >>> str(largest_sizes(Sizes(300, 5, 5), lambda s: s.train + s.validation + s.test <= 40))
    '36/2/2'
    """
    return next((candidate for run in _smaller(sizes) for candidate in run if fits(candidate)), None)


def halved_sizes(sizes: Sizes, fits: Callable[[Sizes], bool]) -> Sizes | None:
    """Return sizes that fit, as `largest_sizes` does, with few trials by halving.

    They are the largest if fitting sizes imply that all smaller ones fit as well; otherwise larger ones may
    fit, too, and None means that none was reached.

    Examples
    --------
    >>> str(halved_sizes(Sizes(300, 5, 5), lambda s: s.train + s.validation + s.test <= 40))
    '36/2/2'
    """
    for run in map(list, _smaller(sizes)):
        best, low, high = None, 0, len(run)
        while low < high:
            middle = (low + high) // 2
            if fits(run[middle]):
                best, high = run[middle], middle
            else:
                low = middle + 1
        if best is not None:
            return best
    return None


def _smaller(sizes: Sizes) -> Iterator[Iterator[Sizes]]:
    """Yield two runs of sizes, the largest of each first: with several validation classes, then with one."""
    several = min(2, sizes.validation)
    yield (_sized(sizes, train, several) for train in range(sizes.train, 1, -1))
    one = (_sized(sizes, train, 1) for train in range(sizes.train, 1, -1))
    yield chain((s for s in one if s.validation < several), [Sizes(2, 1, 2)])


def _sized(sizes: Sizes, train: int, least: int) -> Sizes:
    share = train / sizes.train
    return Sizes(train, max(least, round(share * sizes.validation)), max(2, round(share * sizes.test)))


def needed(sizes: Sizes, n_test_sets: int) -> int:
    """Return how many classes a training set and its test and validation sets take, none shared."""
    return sizes.train + n_test_sets * (sizes.validation + sizes.test)


def check_enough(n: int, sizes: Sizes, n_test_sets: int) -> None:
    """Raise `SplitError` where n classes do not suffice, with the sizes that would fit."""
    if not whole(n_test_sets) or n_test_sets < 1:
        raise SplitError(f"{n_test_sets!r} test sets are asked for; it must be a whole number from 1.")
    if n >= needed(sizes, n_test_sets):
        return
    several = f" with {n_test_sets} test and validation sets" if n_test_sets > 1 else ""
    fitting = largest_sizes(sizes, lambda candidate: needed(candidate, n_test_sets) <= n)
    advice = f"sizes {fitting} would fit" if fitting else "not even sizes 2/1/2 would fit"
    if fitting is None and n >= 5 and n_test_sets > 1:
        advice += "; fewer test sets would"
    given = there_are(n, "class").capitalize()
    raise SplitError(f"{given}; sizes {sizes}{several} need {needed(sizes, n_test_sets)}; {advice}.")
