"""What the parts of a dataset are called, and numbers for groups that have names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobs.datasets._walk import natural

#: Names of the parts that a dataset is published in, in the order in which they are used.
PARTS = (
    *("train", "training", "dev", "development"),
    *("validation", "valid", "val"),
    *("test", "testing", "eval", "evaluation"),
)
#: Whole numbers of at most this many digits are numbers, and all else is the name of a group.
_MOST_DIGITS = 9


def part_of(path: str) -> str | None:
    """Return the first folder on a path that is called like a part of a dataset, in lower case.

    Examples
    --------
    >>> part_of("data/Train/dog/a.wav"), part_of("train.wav")
    ('train', None)
    """
    return next((name.lower() for name in path.split("/")[:-1] if name.lower() in PARTS), None)


def group(text: str | None) -> int | str | None:
    """Return the whole number that a text is, where it is written as the number is, else the text.

    Examples
    --------
    >>> group("7"), group("007"), group("1e3")
    (7, '007', '1e3')
    """
    if text is None or not re.fullmatch(rf"-?[0-9]{{1,{_MOST_DIGITS}}}", text):
        return text
    number = int(text)
    return number if str(number) == text else text


def numbered(groups: Sequence[int | str | None]) -> tuple[list[int | None], dict[int, str]]:
    """Return a fold for the group of each clip, and the name of each fold where groups have names.

    Whole numbers stay as they are. Where any group is a word, or a number of more than nine digits, all are
    names: parts of a dataset in the order in which they are used, others in natural order, numbered from 1.

    Parameters
    ----------
    groups : sequence of int, str or None

    Examples
    --------
    >>> numbered(["test", "train", None])
    ([2, 1, None], {1: 'train', 2: 'test'})
    >>> numbered([3, 1])
    ([3, 1], {})
    """
    given = {g for g in groups if g is not None}
    if not any(isinstance(g, str) or abs(g) >= 10**_MOST_DIGITS for g in given):
        return [None if g is None else int(g) for g in groups], {}
    names = sorted({str(g) for g in given}, key=_order)
    number = {name: i for i, name in enumerate(names, 1)}
    return [None if g is None else number[str(g)] for g in groups], {i: n for n, i in number.items()}


def _order(name: str) -> tuple[int, list[tuple[int, int | str]], str]:
    word = name.lower()
    return (PARTS.index(word) if word in PARTS else len(PARTS), natural(name), name)
