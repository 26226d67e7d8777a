"""Splits of classes as the page shows them: how they are drawn, their parts, their numbers and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from core.splits import (
    PAPER_RANGES,
    ClassSplit,
    Range,
    Sizes,
    SplitError,
    class_elbow,
    diversity_splits,
    each_split,
    feasible_diversity_sizes,
    feasible_sizes,
    hand_split,
    largest_sizes,
    mean_pairwise_similarity,
    quantile_ranges,
    random_split,
    similarity_split,
    train_test_similarity,
)
from dashboard.kit.classes import N_RANGES, Classes, Split, clusters, over
from dashboard.memory import once
from dashboard.splits.figures import PARTS, UNUSED

#: How a split can be drawn: value in the URL to name on the page.
RULES = {"similarity": "similarity", "diversity": "diversity", "random": "random"}
#: Seconds that a page spends on finding sizes that fit.
_SEARCH = 0.2


@dataclass(frozen=True)
class Rule:
    """What a split is drawn by.

    Attributes
    ----------
    how : str
        One of `RULES`.
    clusters, cluster, ratio
        Of a similarity split.
    ranges, which : str, int
        Of a diversity split: "paper" or "own", and the index of the range.
    sets : int
        Test sets of a diversity split.
    """

    how: str
    sizes: Sizes
    seed: int = 0
    clusters: int = 3
    cluster: int = 0
    ratio: float = 1.0
    ranges: str = "paper"
    which: int = 0
    sets: int = 3


# -- drawing ----------------------------------------------------------------------------------------------


def ranges(classes: Classes, kind: str, sizes: Sizes, sets: int) -> tuple[Range, ...]:
    """Return the ranges that a diversity split can be within; raises `SplitError` where none exist."""
    if kind == "paper":
        return PAPER_RANGES
    return once(
        ("class-ranges", classes.key, sizes, sets),
        lambda: quantile_ranges(classes.similarity, N_RANGES, sizes=sizes, n_test_sets=sets),
    )


def draw(classes: Classes, rule: Rule) -> Split:
    """Draw a split by a rule; raises `SplitError` where the classes do not suffice, with what would fit."""

    def attempt() -> Split | SplitError:
        try:
            return _draw(classes, rule)
        except SplitError as error:  # remembered as well
            return error

    drawn = once(("class-split", classes.key, rule), attempt)
    if isinstance(drawn, SplitError):
        raise SplitError(str(drawn))
    return drawn


def _draw(classes: Classes, rule: Rule) -> Split:
    if rule.how == "random":
        return random_split(classes.names, seed=rule.seed, sizes=rule.sizes)
    if rule.how == "similarity":
        return similarity_split(
            classes.names,
            clusters(classes, rule.clusters),
            cluster=rule.cluster,
            ratio=rule.ratio,
            seed=rule.seed,
            sizes=rule.sizes,
        )
    ends = ranges(classes, rule.ranges, rule.sizes, rule.sets)[rule.which]
    return diversity_splits(
        classes.names,
        classes.similarity,
        ranges=[ends],
        seeds=[rule.seed],
        sizes=rule.sizes,
        n_test_sets=rule.sets,
    )[0]


def fitting(classes: Classes, rule: Rule) -> Sizes | None:
    """Return the largest sizes, in about the rule's proportions, with which a split can be drawn; else None.

    For diversity the search is a short one: larger sizes may fit, and None means that none was reached.
    """
    if rule.how == "similarity":
        codes = clusters(classes, rule.clusters)
        if rule.cluster not in codes:
            return None
        return feasible_sizes(codes, ratios=(rule.ratio,), sizes=rule.sizes, test_clusters=(rule.cluster,))
    if rule.how == "random":
        n = len(classes.names)
        return largest_sizes(rule.sizes, lambda s: s.train + s.validation + s.test <= n)
    return once(("class-split-fits", classes.key, rule), lambda: _diverse(classes, rule))


def _diverse(classes: Classes, rule: Rule) -> Sizes | None:
    return feasible_diversity_sizes(
        classes.names,
        classes.similarity,
        ranges=lambda sizes: [ranges(classes, rule.ranges, sizes, rule.sets)[rule.which]],
        seeds=[rule.seed],
        sizes=rule.sizes,
        n_test_sets=rule.sets,
        until=over(_SEARCH),
    )


# -- parts ------------------------------------------------------------------------------------------------


def one(split: Split, test_set: int = 0) -> ClassSplit:
    """Return the split as one test set judges it."""
    splits = each_split(split)
    return splits[min(test_set, len(splits) - 1)]


def parts_of(split: ClassSplit, names: Sequence[str]) -> list[str]:
    """Return the part of each class."""
    part = {c: p for p in PARTS for c in getattr(split, p)}
    return [part.get(name, UNUSED) for name in names]


def from_parts(parts: Sequence[str], names: Sequence[str]) -> ClassSplit:
    """Return the split with these parts; raises `SplitError` where a part has too few classes."""
    chosen = ([n for n, q in zip(names, parts, strict=True) if q == p] for p in PARTS)
    return hand_split(*chosen, names=names)


def counts(parts: Sequence[str]) -> dict[str, int]:
    """Return how many classes are in each part, and in none.

    Examples
    --------
    >>> counts(["test", "train", "unused", "train"])
    {'train': 2, 'validation': 0, 'test': 1, 'unused': 1}
    """
    number = Counter(parts)
    return {part: number[part] for part in (*PARTS, UNUSED)}


def shared(first: Sequence[str], second: Sequence[str]) -> pd.DataFrame:
    """Return how many classes are in each part of one split (rows) and of another (columns)."""
    order = [*PARTS, UNUSED]
    both = pd.crosstab(np.array(first), np.array(second))
    return both.reindex(index=order, columns=order, fill_value=0)


def in_both(names: Sequence[str], first: Sequence[str], second: Sequence[str], *parts: str) -> list[str]:
    """Return the classes whose parts in two splits are these, in either order.

    Examples
    --------
    >>> in_both("abc", ["train", "test", "test"], ["test", "test", "unused"], "train", "test")
    ['a']
    """
    wanted = sorted(parts)
    return [n for n, *pair in zip(names, first, second, strict=True) if sorted(pair) == wanted]


def near(split: ClassSplit, classes: Classes, codes: np.ndarray, cluster: int) -> int:
    """Return how many training classes of a split are of a cluster."""
    return len(set(split.train) & {n for n, c in zip(classes.names, codes, strict=True) if c == cluster})


def cluster_sizes(codes: np.ndarray) -> dict[int, int]:
    """Return how many classes each cluster has.

    Examples
    --------
    >>> cluster_sizes(np.array([1, 0, 0]))
    {0: 2, 1: 1}
    """
    return dict(enumerate(np.bincount(codes).tolist()))


# -- numbers ----------------------------------------------------------------------------------------------

#: Mean similarity of pairs of classes, and how many pairs these are.
Pairs = tuple[float, int]


def train_test(split: ClassSplit, classes: Classes) -> Pairs:
    """Return the mean similarity of the pairs of a training and a test class, and their number."""
    mean = train_test_similarity(split, classes.names, classes.similarity)
    return mean, len(split.train) * len(split.test)


def among(names: Sequence[str], classes: Classes) -> Pairs:
    """Return the mean similarity of the pairs of some classes, and their number."""
    n = len(names)
    return mean_pairwise_similarity(names, classes.names, classes.similarity), n * (n - 1) // 2


def similarities(names: Sequence[str], classes: Classes) -> np.ndarray:
    """Return the similarities of some classes, in their order."""
    at = pd.Index(classes.names).get_indexer(pd.Index(list(names)))
    return classes.similarity[np.ix_(at, at)]


def limits(matrices: Iterable[np.ndarray]) -> tuple[float, float] | None:
    """Return the lowest and highest similarity of two classes in any of the matrices; None without a pair.

    Examples
    --------
    >>> limits([np.array([[1, 0.25], [0.25, 1]]), np.array([[1, 0.75], [0.75, 1]])])
    (0.25, 0.75)
    """
    values = np.concatenate([np.empty(0), *(m[np.triu_indices(len(m), 1)] for m in matrices)])
    return (float(values.min()), float(values.max())) if len(values) else None


def in_order(
    split: ClassSplit, classes: Classes, codes: np.ndarray
) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the classes of a split as the matrix shows them: by part, then by cluster, then by name."""
    cluster = dict(zip(classes.names, codes.tolist(), strict=True))
    ordered = {part: sorted(getattr(split, part), key=lambda c: (cluster[c], c)) for part in PARTS}
    return [*chain(*ordered.values())], [(part, len(names)) for part, names in ordered.items()]


def hull(classes: Classes, parts: Sequence[str]) -> np.ndarray:
    """Return the corners of the convex region of the training classes on the map, (h, 2), in order.

    One class is a corner; classes on one line have two.
    """
    return corners(classes.coords[[p == "train" for p in parts]])


def corners(points: np.ndarray) -> np.ndarray:
    """Return the corners of the convex hull of points in the plane, (h, 2), anticlockwise.

    Examples
    --------
    >>> corners(np.array([[0, 0], [2, 0], [1, 0.5], [2, 2], [0, 2], [1, 0]], float)).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    >>> corners(np.array([[0, 0], [1, 1], [2, 2]], float)).tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """
    from scipy.spatial import ConvexHull, QhullError

    distinct = np.unique(np.asarray(points, float), axis=0)
    if len(distinct) < 3:
        return distinct
    try:
        return distinct[ConvexHull(distinct).vertices]
    except QhullError:
        # All on one line: sorted, so that its ends are the first and the last.
        return distinct[[0, -1]]


def elbow(classes: Classes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int | None]:
    """Return the numbers of clusters, their inertia and silhouette, and the elbow."""
    curve = once(("class-elbow", classes.key), lambda: class_elbow(classes.centroids, seed=0))
    return curve.ks, curve.inertia, curve.silhouette, curve.elbow


# -- tables -----------------------------------------------------------------------------------------------


def map_table(classes: Classes, codes: np.ndarray, parts: Sequence[str]) -> pd.DataFrame:
    """Return the classes with their place on the map and their part in the split."""
    return pd.DataFrame(
        {
            "class": classes.names,
            "clips": classes.clips,
            "cluster": codes,
            "pc1": classes.coords[:, 0],
            "pc2": classes.coords[:, 1],
            "part": list(parts),
        }
    )


def matrix_table(classes: Classes, names: Sequence[str], sizes: Sequence[tuple[str, int]]) -> pd.DataFrame:
    """Return the similarities of the classes of a split, a row a pair."""
    rows, columns = np.triu_indices(len(names), 1)
    of = np.repeat([part for part, _ in sizes], [size for _, size in sizes])
    name = np.array(names, dtype=object)
    return pd.DataFrame(
        {
            "class": name[rows],
            "part": of[rows],
            "other_class": name[columns],
            "other_part": of[columns],
            "similarity": similarities(names, classes)[rows, columns],
        }
    )


def elbow_table(classes: Classes) -> pd.DataFrame:
    """Return the curve of K-means."""
    ks, inertia, silhouette, _ = elbow(classes)
    return pd.DataFrame({"k": ks, "inertia": inertia, "silhouette": silhouette})
