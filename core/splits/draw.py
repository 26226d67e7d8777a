"""Which classes a zero-shot model is trained on, and which it is judged by.

Similarity splits vary how many training classes lie in the cluster that the test classes come from; diversity
splits vary how similar the training classes are to each other. All draws depend on the seed and on the names
of the classes, not on their order. Light to import: pages use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.splits.by_diversity import (
    PAPER_RANGES,
    Range,
    diversity_splits,
    feasible_diversity_sizes,
    quantile_ranges,
)
from core.splits.by_similarity import (
    PAPER_RATIOS,
    distinct_ratios,
    feasible_sizes,
    from_test_cluster,
    similarity_split,
    similarity_splits,
)
from core.splits.class_space import (
    check_n_clusters,
    checked_names,
    class_centroids,
    class_elbow,
    class_similarity,
    cluster_classes,
    mean_pairwise_similarity,
    train_test_similarity,
)
from core.splits.class_split import (
    PAPER_SIZES,
    ClassSplit,
    ClassSplitSet,
    Sizes,
    SplitError,
    all_classes,
    check_known,
    checked_seed,
    contents,
    held_out,
    split_from_json,
    split_to_json,
)
from core.splits.sizes import check_enough, largest_sizes

__all__ = [
    "PAPER_RANGES",
    "PAPER_RATIOS",
    "PAPER_SIZES",
    "ClassSplit",
    "ClassSplitSet",
    "Range",
    "Sizes",
    "SplitError",
    "all_classes",
    "check_enough",
    "check_known",
    "check_n_clusters",
    "class_centroids",
    "class_elbow",
    "class_similarity",
    "cluster_classes",
    "contents",
    "distinct_ratios",
    "diversity_splits",
    "feasible_diversity_sizes",
    "feasible_sizes",
    "from_test_cluster",
    "hand_split",
    "held_out",
    "largest_sizes",
    "mean_pairwise_similarity",
    "quantile_ranges",
    "random_split",
    "similarity_split",
    "similarity_splits",
    "split_from_json",
    "split_to_json",
    "train_test_similarity",
]


def random_split(names: Sequence[str], *, seed: int, sizes: Sizes = PAPER_SIZES) -> ClassSplit:
    """Draw training, validation and test classes from all classes alike.

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
    """Return a split of classes that somebody picked, all of them among `names`.

    Examples
    --------
    >>> hand_split(["a", "b"], ["c"], ["d", "e"], names="abcdef").test
    ('d', 'e')
    """
    split = ClassSplit(tuple(train), tuple(validation), tuple(test), {"setup": "hand"})
    check_known(split, names)
    return split
