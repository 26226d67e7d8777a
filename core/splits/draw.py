"""Splits of classes drawn at random, or picked by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.splits.class_space import checked_names
from core.splits.class_split import PAPER_SIZES, ClassSplit, Sizes, check_known, checked_seed
from core.splits.sizes import check_enough


def random_split(names: Sequence[str], *, seed: int, sizes: Sizes = PAPER_SIZES) -> ClassSplit:
    """Draw training, validation and test classes from all classes alike.

    The split depends on the seed and on the names, not on their order.

    Examples
    --------
    >>> split = random_split("abcdefg", seed=0, sizes=Sizes(3, 1, 2))
    >>> len(split.train), len(split.validation), len(split.test)
    (3, 1, 2)
    """
    ordered = sorted(checked_names(names, len(names)).tolist())
    check_enough(len(ordered), sizes, 1)
    drawn = [ordered[i] for i in np.random.default_rng(checked_seed(seed)).permutation(len(ordered))]
    held = sizes.test + sizes.validation
    return ClassSplit(
        train=tuple(drawn[held : held + sizes.train]),
        validation=tuple(drawn[sizes.test : held]),
        test=tuple(drawn[: sizes.test]),
        info={"setup": "random", "seed": int(seed)},
    )


def hand_split(
    train: Iterable[str], validation: Iterable[str], test: Iterable[str], *, names: Sequence[str]
) -> ClassSplit:
    """Return a split of classes that were picked by hand, all of them among `names`.

    Examples
    --------
    >>> hand_split(["a", "b"], ["c"], ["d", "e"], names="abcdef").test
    ('d', 'e')
    """
    split = ClassSplit(tuple(train), tuple(validation), tuple(test), {"setup": "hand"})
    check_known(split, names)
    return split
