"""Which classes a zero-shot model is trained on, and which it is judged by.

Similarity splits vary how many training classes lie in the cluster that the test classes come from; diversity
splits vary how similar the training classes are to each other. All draws depend on the seed and on the names
of the classes, not on their order. Light to import: pages use it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from core._arrays import class_codes, matrix, unit_rows
from core._class_split import (
    PAPER_SIZES,
    ClassSplit,
    ClassSplitSet,
    Sizes,
    SplitError,
    all_classes,
    check_known,
    held_out,
    split_from_json,
    split_to_json,
    whole,
)
from core._diverse_sets import grow, reachable
from core.separability import KMeansResult, kmeans_curve

#: Shares of the training classes that come from the cluster of the test classes.
PAPER_RATIOS = (1.0, 0.75, 0.5, 0.25, 0.0)

#: Mean similarities of a training class to the others, above the first and up to the second.
PAPER_RANGES = ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0))

Range = tuple[float, float]

__all__ = [
    "PAPER_RANGES",
    "PAPER_RATIOS",
    "PAPER_SIZES",
    "ClassSplit",
    "ClassSplitSet",
    "Sizes",
    "SplitError",
    "all_classes",
    "check_known",
    "class_centroids",
    "class_elbow",
    "class_similarity",
    "cluster_classes",
    "diversity_splits",
    "feasible_sizes",
    "from_test_cluster",
    "hand_split",
    "held_out",
    "mean_pairwise_similarity",
    "quantile_ranges",
    "random_split",
    "similarity_split",
    "similarity_splits",
    "split_from_json",
    "split_to_json",
    "train_test_similarity",
]


def class_centroids(X: ArrayLike, labels: ArrayLike) -> tuple[tuple[str, ...], np.ndarray]:
    """Mean embedding of each class: μ_c = Σ_{i in c} x_i / N_c.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like of str
        The class of each clip; clips of the class "" are left out.

    Returns
    -------
    names : tuple of str
        The classes, sorted.
    centroids : (C, d) float64 array

    Raises
    ------
    ValueError
        For labels that do not fit, a value that is not finite, or no clip with a class.

    References
    ----------
    D. Dogan, H. Xie, T. Heittola, T. Virtanen, "On the role of training class distribution in zero-shot audio
    classification", equation 5.

    Examples
    --------
    >>> names, centroids = class_centroids([[1, 0], [3, 0], [0, 2], [9, 9]], ["dog", "dog", "cat", ""])
    >>> names
    ('cat', 'dog')
    >>> centroids
    array([[0., 2.],
           [2., 0.]])
    """
    X = matrix(X, "X")
    labels = np.asarray(labels)
    if labels.shape != (len(X),):
        raise ValueError(f"labels have shape {labels.shape}; there must be one for each of {len(X)} rows.")
    rows = np.flatnonzero(labels != "")
    if not len(rows):
        raise ValueError("No clip has a class; there is nothing to split.")
    classes, codes = class_codes(labels[rows], len(rows))
    sums = np.zeros((len(classes), X.shape[1]))
    np.add.at(sums, codes, X[rows].astype(np.float64))
    return tuple(str(c) for c in classes), sums / np.bincount(codes)[:, None]


def class_similarity(centroids: ArrayLike) -> np.ndarray:
    """Cosine similarity of every pair of classes, (C, C) float64 in [-1, 1], with ones on the diagonal.

    A centroid of zeros has the similarity 0 to all others. Rounded to 12 decimals.

    Examples
    --------
    >>> class_similarity([[1, 0], [1, 1]]).round(3)
    array([[1.   , 0.707],
           [0.707, 1.   ]])
    """
    unit = unit_rows(matrix(centroids, "centroids"))
    similarity = np.round(np.clip(unit @ unit.T, -1, 1), 12)
    similarity = np.maximum(similarity, similarity.T)  # exactly symmetric, however the product was summed
    np.fill_diagonal(similarity, 1)
    return similarity


def cluster_classes(centroids: ArrayLike, n_clusters: int = 3, *, seed: int = 0) -> np.ndarray:
    """Group similar classes: K-means on the centroids at unit length.

    Parameters
    ----------
    centroids : (C, d) array_like
    n_clusters : int, default 3
        From 1 to C.
    seed : int, default 0

    Returns
    -------
    (C,) int64 array
        The cluster of each class. Cluster 0 is the largest; of two as large, the one with the first class
        comes first. Where fewer directions differ than clusters are asked for, there are as many as differ.

    Raises
    ------
    SplitError
        For a number of clusters out of range.

    Examples
    --------
    >>> cluster_classes([[0, 1], [1, 0], [2, 0.1], [3, 0]], 2)
    array([1, 0, 0, 0])
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    unit = unit_rows(matrix(centroids, "centroids"))
    if not whole(n_clusters) or not 1 <= n_clusters <= len(unit):
        raise SplitError(f"There are {len(unit)} classes; {n_clusters!r} clusters is not from 1 to that.")

    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer directions than clusters: said above.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(int(n_clusters), n_init=10, random_state=seed).fit_predict(unit)
    _, first, codes, sizes = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[codes]


def class_elbow(centroids: ArrayLike, ks: Sequence[int] | None = None, *, seed: int = 0) -> KMeansResult:
    """Inertia, cosine silhouette and elbow of the clusters of classes over their number.

    Parameters
    ----------
    centroids : (C, d) array_like
        Clustered at unit length.
    ks : sequence of int, optional
        Ascending, from 1 to C; 1 to 10 if not given.
    seed : int, default 0

    Returns
    -------
    core.separability.KMeansResult
    """
    unit = unit_rows(matrix(centroids, "centroids"))
    return kmeans_curve(unit, ks or range(1, min(10, len(unit)) + 1), seed=seed, metric="cosine")


def from_test_cluster(ratio: float, n_train: int) -> int:
    """Return how many of the training classes a ratio takes from the test cluster; halves are rounded up."""
    return math.floor(ratio * n_train + 0.5)


def similarity_split(
    names: Sequence[str],
    clusters: ArrayLike,
    *,
    cluster: int,
    ratio: float,
    seed: int,
    sizes: Sizes = PAPER_SIZES,
) -> ClassSplit:
    """Draw test and validation classes from one cluster, and a share of the training classes as well.

    Parameters
    ----------
    names : sequence of str
        The classes.
    clusters : (C,) array_like of int
        The cluster of each, as `cluster_classes` gives it.
    cluster : int
        Where test and validation classes come from.
    ratio : float
        Share of the training classes that come from there, from 0 to 1; their number is rounded, halves up.
        The rest is drawn from all other clusters together.
    seed : int
        From 0.
    sizes : Sizes, default 20 training, 5 validation and 5 test classes

    Returns
    -------
    ClassSplit
        The splits of all ratios of one cluster and seed share their test and validation classes, and their
        training classes are nested: those from the test cluster at a lower ratio are among those at a higher
        one. So ratios differ by nothing but what they are about.

    Raises
    ------
    SplitError
        Where the classes do not suffice, with the numbers and the sizes that would fit.

    References
    ----------
    D. Dogan, H. Xie, T. Heittola, T. Virtanen, "On the role of training class distribution in zero-shot audio
    classification", section 3.1.

    Examples
    --------
    >>> names, clusters = list("abcdefgh"), [0, 0, 0, 0, 0, 1, 1, 1]
    >>> split = similarity_split(names, clusters, cluster=0, ratio=0.5, seed=1, sizes=Sizes(2, 1, 2))
    >>> sorted(set(split.test) & set("abcde")) == sorted(split.test)
    True
    >>> [len([c for c in split.train if c in members]) for members in ("abcde", "fgh")]
    [1, 1]
    """
    ordered, codes = _clustered_names(names, clusters)
    ratio = _ratio(ratio)
    inside = [name for name, code in zip(ordered, codes, strict=True) if code == cluster]
    outside = [name for name, code in zip(ordered, codes, strict=True) if code != cluster]
    if not inside:
        raise SplitError(f"There is no cluster {cluster}; the clusters are {sorted(set(codes.tolist()))}.")
    near = from_test_cluster(ratio, sizes.train)
    lack = _lack(len(inside), len(outside), near, sizes)
    if lack:
        raise SplitError(
            f"{lack.format(cluster=cluster, ratio=ratio)}; {_advice(codes, cluster, ratio, sizes)}."
        )
    random = np.random.default_rng([_seed(seed), cluster])
    inside = [inside[i] for i in random.permutation(len(inside))]
    outside = [outside[i] for i in random.permutation(len(outside))]
    held = sizes.test + sizes.validation
    return ClassSplit(
        train=tuple(inside[held : held + near] + outside[: sizes.train - near]),
        validation=tuple(inside[sizes.test : held]),
        test=tuple(inside[: sizes.test]),
        info={"setup": "similarity", "cluster": int(cluster), "ratio": ratio, "seed": int(seed)},
    )


def similarity_splits(
    names: Sequence[str],
    clusters: ArrayLike,
    *,
    ratios: Sequence[float] = PAPER_RATIOS,
    seeds: Sequence[int],
    sizes: Sizes = PAPER_SIZES,
) -> list[ClassSplit]:
    """Return the splits of every cluster, seed and ratio, in this order; see `similarity_split`."""
    present = sorted(set(np.asarray(clusters).tolist()))
    return [
        similarity_split(names, clusters, cluster=c, ratio=r, seed=s, sizes=sizes)
        for c in present
        for s in seeds
        for r in ratios
    ]


def feasible_sizes(
    clusters: ArrayLike,
    *,
    ratios: Sequence[float] = PAPER_RATIOS,
    sizes: Sizes = PAPER_SIZES,
    test_clusters: Sequence[int] | None = None,
) -> Sizes | None:
    """Return the largest sizes, in about the same proportions, with which every ratio fits every cluster.

    Parameters
    ----------
    clusters : (C,) array_like of int
    ratios : sequence of float
    sizes : Sizes
        What is wanted; returned as it is if it fits.
    test_clusters : sequence of int, optional
        The clusters that test classes are to come from; all, if not given.

    Returns
    -------
    Sizes or None
        None where not even 2 training, 1 validation and 2 test classes fit.

    Examples
    --------
    >>> str(feasible_sizes([0] * 40 + [1] * 18))
    '12/3/3'
    """
    codes = np.asarray(clusters)
    counts = [
        int((codes == c).sum()) for c in (set(codes.tolist()) if test_clusters is None else test_clusters)
    ]

    def fits(candidate: Sizes) -> bool:
        return not any(
            _lack(n, len(codes) - n, from_test_cluster(_ratio(r), candidate.train), candidate)
            for n in counts
            for r in ratios
        )

    return _largest(sizes, fits)


def quantile_ranges(
    similarity: ArrayLike, n: int = 5, *, sizes: Sizes | None = None, n_test_sets: int = 3
) -> tuple[Range, ...]:
    """Return ranges of similarity that suit a space: quantiles of the similarities of its pairs of classes.

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
    >>> quantile_ranges(class_similarity([[1, 0], [3, 1], [1, 1], [0, 1]]), 2)
    ((-0.001, 0.707), (0.707, 0.949))
    """
    S = _square(similarity)
    if not whole(n) or n < 1:
        raise SplitError(f"{n!r} ranges are asked for; it must be a whole number from 1.")
    pairs = S[np.triu_indices(len(S), 1)]
    if sizes is None:
        low, high = (pairs.min(), pairs.max()) if len(pairs) else (0.0, 0.0)
    else:
        _check_enough(len(S), sizes, n_test_sets)
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
    Then, again and again, a random one is added of those whose mean similarity to the training set is within
    the range, until it is complete. Where none is left it begins anew, up to 1,000 times; from the 500th on,
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
        Where the classes do not suffice, or no training set was found in a range: it says how far it came and
        which ranges fit.

    References
    ----------
    D. Dogan, H. Xie, T. Heittola, T. Virtanen, "On the role of training class distribution in zero-shot audio
    classification", section 3.2.

    Examples
    --------
    >>> similarity = 0.5 + 0.5 * np.eye(9)
    >>> found = diversity_splits(
    ...     "abcdefghi", similarity, ranges=[(0.4, 0.5)], seeds=[0], sizes=Sizes(3, 1, 2), n_test_sets=2
    ... )
    >>> len(found), len(found[0].tests), found[0].info["mean_similarity"]
    (1, 2, 0.5)
    """
    S = _square(similarity)
    order = np.argsort(_checked_names(names, len(S)), kind="stable")
    ordered = [str(names[i]) for i in order]
    S = S[np.ix_(order, order)]
    _check_enough(len(S), sizes, n_test_sets)
    ranges = [_range(r) for r in ranges]
    found = []
    for seed in seeds:
        drawn = np.random.default_rng(_seed(seed)).permutation(len(S))
        held, rest = np.split(drawn, [n_test_sets * (sizes.test + sizes.validation)])
        tests, validations = np.split(held, [n_test_sets * sizes.test])
        rest = np.sort(rest)
        among = S[np.ix_(rest, rest)]
        for low, high in ranges:
            # Each range by itself, so that it does not depend on which others are asked for.
            chosen, attempts = grow(among, sizes.train, low, high, np.random.default_rng([seed, 1]))
            if len(chosen) < sizes.train:
                raise SplitError(_no_set(among, sizes, (low, high), len(chosen), attempts, len(ranges), seed))
            pairs = among[np.ix_(chosen, chosen)][np.triu_indices(len(chosen), 1)]
            found.append(
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
    return found


def random_split(names: Sequence[str], *, seed: int, sizes: Sizes = PAPER_SIZES) -> ClassSplit:
    """Draw training, validation and test classes from all classes alike.

    Examples
    --------
    >>> split = random_split("abcdefg", seed=0, sizes=Sizes(3, 1, 2))
    >>> len(split.train), len(split.validation), len(split.test)
    (3, 1, 2)
    """
    ordered = sorted(_checked_names(names, len(names)).tolist())
    _check_enough(len(ordered), sizes, 1)
    drawn = [ordered[i] for i in np.random.default_rng(_seed(seed)).permutation(len(ordered))]
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


def train_test_similarity(split: ClassSplit, names: Sequence[str], similarity: ArrayLike) -> float:
    """Mean cosine similarity of all pairs of a training and a test class.

    Examples
    --------
    >>> split = ClassSplit(("a", "b"), ("c",), ("d", "e"))
    >>> train_test_similarity(split, "abcde", np.eye(5) + 0.25)
    0.25
    """
    S = _square(similarity)
    at = _positions(names, len(S))
    return float(S[np.ix_([at(c) for c in split.train], [at(c) for c in split.test])].mean())


def mean_pairwise_similarity(classes: Iterable[str], names: Sequence[str], similarity: ArrayLike) -> float:
    """Mean cosine similarity of all pairs of different classes; NaN for fewer than two classes.

    Examples
    --------
    >>> mean_pairwise_similarity("abc", "abc", [[1, 0.5, 0.3], [0.5, 1, 0.1], [0.3, 0.1, 1]])
    0.3
    """
    S = _square(similarity)
    at = _positions(names, len(S))
    rows = [at(c) for c in classes]
    if len(rows) < 2:
        return float("nan")
    return float(np.round(S[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)].mean(), 12))


def _checked_names(names: Sequence[str], n: int) -> np.ndarray:
    array = np.array([str(c) for c in names])
    if len(array) != n:
        raise SplitError(f"There are {len(array)} names for {n} classes.")
    if len(set(array.tolist())) != n:
        raise SplitError("A class is named twice.")
    return array


def _clustered_names(names: Sequence[str], clusters: ArrayLike) -> tuple[list[str], np.ndarray]:
    codes = np.asarray(clusters)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise SplitError(f"clusters are {codes.dtype} of shape {codes.shape}; they must be (C,) integers.")
    array = _checked_names(names, len(codes))
    order = np.argsort(array, kind="stable")
    return array[order].tolist(), codes[order]


def _square(similarity: ArrayLike) -> np.ndarray:
    S = matrix(similarity, "similarity").astype(np.float64, copy=False)
    if S.shape[0] != S.shape[1]:
        raise SplitError(f"similarity has shape {S.shape}; it must be (C, C).")
    return S


def _positions(names: Sequence[str], n: int) -> Callable[[str], int]:
    index = {name: i for i, name in enumerate(_checked_names(names, n).tolist())}

    def at(name: str) -> int:
        if name not in index:
            raise SplitError(f"{name!r} is not among the {n} classes.")
        return index[name]

    return at


def _seed(seed: int) -> int:
    if not whole(seed) or seed < 0:
        raise SplitError(f"seed is {seed!r}; it must be a whole number from 0.")
    return int(seed)


def _ratio(ratio: float) -> float:
    if not 0 <= ratio <= 1:
        raise SplitError(f"ratio is {ratio}; it must be from 0 to 1.")
    return float(ratio)


def _range(ends: Range) -> Range:
    low, high = float(ends[0]), float(ends[1])
    if not -1.01 <= low < high <= 1.01:
        raise SplitError(f"({low:g}, {high:g}] is no range of similarities: it must ascend, within -1 and 1.")
    return low, high


def _lack(inside: int, outside: int, near: int, sizes: Sizes) -> str:
    """Say what is missing for a similarity split; "" if nothing is."""
    needed = near + sizes.validation + sizes.test
    parts = f"{near} for training, {sizes.validation} for validation, {sizes.test} for the test"
    if inside < needed:
        return f"Cluster {{cluster}} has {inside} classes; ratio {{ratio:g}} needs {needed} ({parts})"
    if outside < sizes.train - near:
        return (
            f"The clusters other than {{cluster}} have {outside} classes; ratio {{ratio:g}} needs "
            f"{sizes.train - near} of them for training"
        )
    return ""


def _advice(codes: np.ndarray, cluster: int, ratio: float, sizes: Sizes) -> str:
    fitting = feasible_sizes(codes, ratios=(ratio,), sizes=sizes, test_clusters=(cluster,))
    if fitting is None:
        return "not even 2/1/2 would fit: choose fewer clusters"
    everywhere = feasible_sizes(codes, sizes=sizes)
    more = f" ({everywhere} for the ratios 0 to 1 of all clusters)" if everywhere else ""
    return f"sizes {fitting} would fit{more}"


def _largest(sizes: Sizes, fits: Callable[[Sizes], bool]) -> Sizes | None:
    """Return the largest sizes in about these proportions that fit."""
    for train in range(sizes.train, 1, -1):
        share = train / sizes.train
        candidate = Sizes(train, max(1, round(share * sizes.validation)), max(2, round(share * sizes.test)))
        if fits(candidate):
            return candidate
    least = Sizes(2, 1, 2)
    return least if fits(least) else None


def _check_enough(n: int, sizes: Sizes, n_test_sets: int) -> None:
    if not whole(n_test_sets) or n_test_sets < 1:
        raise SplitError(f"{n_test_sets!r} test sets are asked for; it must be a whole number from 1.")

    def needed(candidate: Sizes) -> int:
        return candidate.train + n_test_sets * (candidate.validation + candidate.test)

    if n >= needed(sizes):
        return
    several = f" with {n_test_sets} test and validation sets" if n_test_sets > 1 else ""
    fitting = _largest(sizes, lambda candidate: needed(candidate) <= n)
    advice = f"sizes {fitting} would fit" if fitting else "not even sizes 2/1/2 would fit"
    if fitting is None and n >= 5 and n_test_sets > 1:
        advice += "; fewer test sets would"
    raise SplitError(f"There are {n} classes; sizes {sizes}{several} need {needed(sizes)}; {advice}.")


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
    """Say how far a range came, and which ranges do give training sets of these classes."""
    pairs = among[np.triu_indices(len(among), 1)]
    low, high = reachable(among, sizes.train)
    fitting = [
        f"({a:g}, {b:g}]"
        for a, b in pairwise(_edges(pairs, low, high, n_ranges).tolist())
        if a < b and len(grow(among, sizes.train, a, b, np.random.default_rng([seed, 1]))[0]) == sizes.train
    ]
    advice = f"ranges that fit are {', '.join(fitting)}" if fitting else f"{best} training classes would fit"
    tenth, median, most = np.quantile(pairs, [0.1, 0.5, 0.9])
    return (
        f"No {sizes.train} of {len(among)} classes have a mean similarity within ({ends[0]:g}, {ends[1]:g}]: "
        f"seed {seed} came to {best} in {attempts:,} attempts; 8 in 10 pairs are between {tenth:.2f} and "
        f"{most:.2f}, half above {median:.2f}, and the means of {sizes.train} classes go from about "
        f"{low:.2f} to {high:.2f}; {advice}."
    )
