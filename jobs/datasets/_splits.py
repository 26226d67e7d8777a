"""What the parts of a dataset are called, and numbers for groups that have names."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.datasets._walk import natural

#: Names of the parts that a dataset is published in, in the order in which they are used.
PARTS = (
    *("train", "training", "dev", "development"),
    *("validation", "valid", "val"),
    *("test", "testing", "eval", "evaluation"),
)


def part_of(path: str) -> str | None:
    """Return the first folder on a path that is called like a part of a dataset, in lower case.

    Examples
    --------
    >>> part_of("data/Train/dog/a.wav"), part_of("train.wav")
    ('train', None)
    """
    return next((name.lower() for name in path.split("/")[:-1] if name.lower() in PARTS), None)


def numbered(groups: Sequence[int | str | None]) -> tuple[list[int | None], dict[int, str]]:
    """Return a fold for the group of each clip, and the name of each fold where groups have names.

    Whole numbers stay as they are. Where any group is a word, all are names: parts of a dataset in the order
    in which they are used, others in natural order, numbered from 1.

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
    if not any(isinstance(group, str) for group in groups):
        return [None if group is None else int(group) for group in groups], {}
    names = sorted({str(group) for group in groups if group is not None}, key=_order)
    number = {name: i for i, name in enumerate(names, 1)}
    return [None if g is None else number[str(g)] for g in groups], {i: n for n, i in number.items()}


def _order(name: str) -> tuple[int, list[tuple[int, int | str]], str]:
    word = name.lower()
    return (PARTS.index(word) if word in PARTS else len(PARTS), natural(name), name)
