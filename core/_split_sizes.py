"""How many classes each part of a split can have: what fits, the best of it first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core._class_split import Sizes, SplitError, whole


def largest_sizes(sizes: Sizes, fits: Callable[[Sizes], bool]) -> Sizes | None:
    """Return the first sizes that fit, of those that are wanted and smaller ones in their proportions.

    Parameters
    ----------
    sizes : Sizes
        What is wanted; returned as it is if it fits.
    fits : callable
        Says of sizes whether they do.

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
    return next((candidate for candidate in _smaller(sizes) if fits(candidate)), None)


def _smaller(sizes: Sizes) -> Iterator[Sizes]:
    for several in (True, False):
        least = min(2, sizes.validation) if several else 1
        for train in range(sizes.train, 1, -1):
            share = train / sizes.train
            validation = max(least, round(share * sizes.validation))
            if several or validation < min(2, sizes.validation):
                yield Sizes(train, validation, max(2, round(share * sizes.test)))
    yield Sizes(2, 1, 2)


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
    raise SplitError(
        f"There are {n} classes; sizes {sizes}{several} need {needed(sizes, n_test_sets)}; {advice}."
    )
