"""Splits of classes as the page shows them: centroids on a map, parts of a split, its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.splits.figures import PARTS, UNUSED, Centroids

#: How a split can be picked: value in the URL to name on the page.
RULES = {"similarity": "similarity", "diversity": "diversity", "random": "random"}
#: Seconds that a page spends on finding sizes that fit.
_SEARCH = 0.4


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
        Of a diversity split: one of `RANGES`, and the index of the range.
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


@dataclass(frozen=True)
class Numbers:
    """A split in numbers: mean similarities of pairs of classes, and how many pairs each is of."""

    train_test: float
    train_test_pairs: int
    train: float
    train_pairs: int


def on_map(found: Classes, codes: np.ndarray) -> Centroids:
    """Return what the map is drawn from, with the cluster of each class."""
    return Centroids(found.names, found.coords, found.explained, found.clips, codes)


def elbow(found: Classes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int | None]:
    """Return the numbers of clusters, their inertia and silhouette, and the elbow."""
    curve = once(("class-elbow", found.key), lambda: class_elbow(found.centroids, seed=0))
    return curve.ks, curve.inertia, curve.silhouette, curve.elbow


def ranges(found: Classes, kind: str, sizes: Sizes, sets: int) -> tuple[Range, ...]:
    """Return the ranges that a diversity split can be within.

    Raises
    ------
    SplitError
        Where the classes do not give such ranges.
    """
    if kind == "paper":
        return PAPER_RANGES
    return once(
        ("class-ranges", found.key, sizes, sets),
        lambda: quantile_ranges(found.similarity, N_RANGES, sizes=sizes, n_test_sets=sets),
    )


def draw(found: Classes, rule: Rule) -> Split:
    """Draw a split by a rule.

    Raises
    ------
    SplitError
        Where the classes do not suffice, with what would fit.
    """
    key = ("class-split", found.key, rule)
    made = once(key, lambda: _drawn(found, rule))
    if isinstance(made, str):
        raise SplitError(made)
    return made


def _drawn(found: Classes, rule: Rule) -> Split | str:
    """Draw it, or say why it cannot be: that is worth remembering as well."""
    try:
        if rule.how == "random":
            return random_split(found.names, seed=rule.seed, sizes=rule.sizes)
        if rule.how == "similarity":
            return similarity_split(
                found.names,
                clusters(found, rule.clusters),
                cluster=rule.cluster,
                ratio=rule.ratio,
                seed=rule.seed,
                sizes=rule.sizes,
            )
        ends = ranges(found, rule.ranges, rule.sizes, rule.sets)[rule.which]
        return diversity_splits(
            found.names,
            found.similarity,
            ranges=[ends],
            seeds=[rule.seed],
            sizes=rule.sizes,
            n_test_sets=rule.sets,
        )[0]
    except SplitError as error:
        return str(error)


def fitting(found: Classes, rule: Rule) -> Sizes | None:
    """Return the largest sizes, in about the rule's proportions, with which it can be followed; else None.

    For diversity the search is a short one: larger sizes may fit, and None says that none was found.
    """
    if rule.how == "similarity":
        codes = clusters(found, rule.clusters)
        if rule.cluster not in codes:
            return None
        return feasible_sizes(codes, ratios=(rule.ratio,), sizes=rule.sizes, test_clusters=(rule.cluster,))
    if rule.how == "random":
        n = len(found.names)
        return largest_sizes(rule.sizes, lambda s: s.train + s.validation + s.test <= n)
    return once(("class-split-fits", found.key, rule), lambda: _diverse(found, rule))


def _diverse(found: Classes, rule: Rule) -> Sizes | None:
    return feasible_diversity_sizes(
        found.names,
        found.similarity,
        ranges=lambda sizes: [ranges(found, rule.ranges, sizes, rule.sets)[rule.which]],
        seeds=[rule.seed],
        sizes=rule.sizes,
        n_test_sets=rule.sets,
        until=over(_SEARCH),
    )


# -- parts ------------------------------------------------------------------------------------------------


def one(split: Split, test_set: int = 0) -> ClassSplit:
    """Return the split as one test set judges it."""
    return split if isinstance(split, ClassSplit) else split.splits()[min(test_set, len(split.tests) - 1)]


def parts_of(split: ClassSplit, names: Sequence[str]) -> list[str]:
    """Return the part of each class."""
    part = {c: p for p in PARTS for c in getattr(split, p)}
    return [part.get(name, UNUSED) for name in names]


def from_parts(parts: Sequence[str], names: Sequence[str]) -> ClassSplit:
    """Return the split that somebody picked.

    Raises
    ------
    SplitError
        Where a part has too few classes.
    """
    chosen = {p: [n for n, q in zip(names, parts, strict=True) if q == p] for p in PARTS}
    return hand_split(chosen["train"], chosen["validation"], chosen["test"], names=names)


def numbers_of(split: ClassSplit, found: Classes) -> Numbers:
    """Return a split's similarities."""
    n = len(split.train)
    return Numbers(
        train_test_similarity(split, found.names, found.similarity),
        n * len(split.test),
        mean_pairwise_similarity(split.train, found.names, found.similarity),
        n * (n - 1) // 2,
    )


def everywhere(found: Classes) -> tuple[float, int]:
    """Return the mean similarity of all pairs of classes, and how many these are."""
    n = len(found.names)
    return mean_pairwise_similarity(found.names, found.names, found.similarity), n * (n - 1) // 2


def hull(found: Classes, parts: Sequence[str]) -> np.ndarray:
    """Return the corners of the convex region of the training classes on the map, (h, 2), in order.

    One class is a corner; classes on one line have two.
    """
    points = found.coords[[p == "train" for p in parts]]
    return corners(points)


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


def in_order(split: ClassSplit, found: Classes, codes: np.ndarray) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the classes of a split as the matrix shows them: by part, then by cluster, then by name."""
    cluster = dict(zip(found.names, codes.tolist(), strict=True))
    names, sizes = [], []
    for part in PARTS:
        members = sorted(getattr(split, part), key=lambda c: (cluster[c], c))
        names += members
        sizes.append((part, len(members)))
    return names, sizes


def among(found: Classes, names: Sequence[str]) -> np.ndarray:
    """Return the similarities of some classes, in their order."""
    index = {name: i for i, name in enumerate(found.names)}
    at = [index[n] for n in names]
    return found.similarity[np.ix_(at, at)]


def shared(first: Sequence[str], second: Sequence[str]) -> pd.DataFrame:
    """Return how many classes are in each part of one split (rows) and of another (columns)."""
    order = [*PARTS, UNUSED]
    counts = [
        [sum(x == a and y == b for x, y in zip(first, second, strict=True)) for b in order] for a in order
    ]
    return pd.DataFrame(counts, index=order, columns=order)


# -- tables -----------------------------------------------------------------------------------------------


def table(found: Classes, codes: np.ndarray, splits: Mapping[str, Sequence[str]]) -> bytes:
    """Return the classes as CSV: where they are on the map, and their part in each split."""
    columns = {
        "class": found.names,
        "clips": found.clips,
        "cluster": codes,
        "pc1": found.coords[:, 0],
        "pc2": found.coords[:, 1],
    }
    return csv(pd.DataFrame(columns | {name: list(parts) for name, parts in splits.items()}))


def matrix_table(found: Classes, names: Sequence[str], sizes: Sequence[tuple[str, int]]) -> bytes:
    """Return the similarities of the classes of a split as CSV, a row a pair."""
    values = among(found, names)
    of = [part for part, size in sizes for _ in range(size)]
    rows, columns = (at.tolist() for at in np.triu_indices(len(names), 1))
    frame = pd.DataFrame(
        {
            "class": [names[i] for i in rows],
            "part": [of[i] for i in rows],
            "other_class": [names[j] for j in columns],
            "other_part": [of[j] for j in columns],
            "similarity": values[rows, columns],
        }
    )
    return csv(frame)


def elbow_table(found: Classes) -> bytes:
    """Return the curve of K-means as CSV."""
    ks, inertia, silhouette, _ = elbow(found)
    return csv(pd.DataFrame({"k": ks, "inertia": inertia, "silhouette": silhouette}))
