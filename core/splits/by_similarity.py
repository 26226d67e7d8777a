"""Splits that vary how many training classes are in the cluster of the test classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from core.splits.class_space import checked_names
from core.splits.class_split import PAPER_SIZES, ClassSplit, Sizes, SplitError, checked_seed
from core.splits.sizes import largest_sizes
from core.words import count

#: Shares of the training classes that come from the cluster of the test classes.
PAPER_RATIOS = (1.0, 0.75, 0.5, 0.25, 0.0)


def from_test_cluster(ratio: float, n_train: int) -> int:
    """Return how many of the training classes a ratio takes from the test cluster; halves are rounded up."""
    return math.floor(ratio * n_train + 0.5)


def distinct_ratios(ratios: Sequence[float], n_train: int) -> tuple[float, ...]:
    """Return the ratios that differ in how many of `n_train` classes they take, in the order given.

    Of several that take the same number, the one nearest to the resulting share is returned; of two as near,
    the first. With 20 classes the paper's five ratios are all different.

    Examples
    --------
    >>> distinct_ratios(PAPER_RATIOS, 2)
    (1.0, 0.5, 0.0)
    """
    best: dict[int, float] = {}
    for ratio in map(_ratio, ratios):
        near = from_test_cluster(ratio, n_train)
        share = near / n_train
        if near not in best or abs(ratio - share) < abs(best[near] - share):
            best[near] = ratio
    return tuple(r for r in dict.fromkeys(map(_ratio, ratios)) if r in best.values())


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
        Share of the training classes from that cluster, from 0 to 1; their number is rounded, halves up. The
        rest is drawn from all other clusters together.
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
    lack = _first_lack(codes, [cluster], [ratio], sizes)
    if lack:
        fitting = feasible_sizes(codes, sizes=sizes)
        more = f" ({fitting} for the ratios 0 to 1 of all clusters)" if fitting else ""
        raise SplitError(f"{lack}; {_advice(codes, [cluster], [ratio], sizes)}{more}.")
    return _drawn(ordered, codes, cluster, ratio, seed, sizes)


def similarity_splits(
    names: Sequence[str],
    clusters: ArrayLike,
    *,
    ratios: Sequence[float] = PAPER_RATIOS,
    seeds: Sequence[int],
    sizes: Sizes = PAPER_SIZES,
) -> list[ClassSplit]:
    """Return the splits of every cluster, seed and ratio, in this order; see `similarity_split`.

    Ratios that give the same number of training classes would give the same splits: only one of them is kept,
    by `distinct_ratios`. Whether the classes suffice does not depend on the seed; where they do not, the
    sizes that are named fit all clusters and ratios.
    """
    ordered, codes = _clustered_names(names, clusters)
    present = sorted(set(codes.tolist()))
    distinct = distinct_ratios(ratios, sizes.train)
    lack = _first_lack(codes, present, distinct, sizes)
    if lack:
        raise SplitError(f"{lack}; {_advice(codes, present, ratios, sizes)}.")
    return [_drawn(ordered, codes, c, r, s, sizes) for c in present for s in seeds for r in distinct]


def _drawn(
    ordered: Sequence[str], codes: np.ndarray, cluster: int, ratio: float, seed: int, sizes: Sizes
) -> ClassSplit:
    """Draw the split of a cluster that has room for it; `ordered` are the names, sorted."""
    inside = [name for name, code in zip(ordered, codes, strict=True) if code == cluster]
    outside = [name for name, code in zip(ordered, codes, strict=True) if code != cluster]
    near = from_test_cluster(ratio, sizes.train)
    random = np.random.default_rng([checked_seed(seed), cluster])
    inside = [inside[i] for i in random.permutation(len(inside))]
    outside = [outside[i] for i in random.permutation(len(outside))]
    held = sizes.test + sizes.validation
    return ClassSplit(
        train=tuple(inside[held : held + near] + outside[: sizes.train - near]),
        validation=tuple(inside[sizes.test : held]),
        test=tuple(inside[: sizes.test]),
        info={"setup": "similarity", "cluster": int(cluster), "ratio": ratio, "seed": int(seed)},
    )


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
    present = sorted(set(codes.tolist())) if test_clusters is None else test_clusters
    return largest_sizes(sizes, lambda candidate: not _first_lack(codes, present, ratios, candidate))


def _clustered_names(names: Sequence[str], clusters: ArrayLike) -> tuple[list[str], np.ndarray]:
    codes = np.asarray(clusters)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise SplitError(f"clusters are {codes.dtype} of shape {codes.shape}; they must be (C,) integers.")
    array = checked_names(names, len(codes))
    order = np.argsort(array, kind="stable")
    return array[order].tolist(), codes[order]


def _ratio(ratio: float) -> float:
    if not 0 <= ratio <= 1:
        raise SplitError(f"ratio is {ratio}; it must be from 0 to 1.")
    return float(ratio)


def _first_lack(codes: np.ndarray, clusters: Sequence[int], ratios: Sequence[float], sizes: Sizes) -> str:
    """Return what is missing for the first cluster and ratio that do not fit; "" if all do."""
    counts = Counter(codes.tolist())
    for cluster in clusters:
        inside = counts[cluster]
        if not inside:
            raise SplitError(f"There is no cluster {cluster}; the clusters are {sorted(counts)}.")
        for ratio in ratios:
            lack = _lack(inside, len(codes) - inside, from_test_cluster(_ratio(ratio), sizes.train), sizes)
            if lack:
                return lack.format(cluster=cluster, ratio=ratio)
    return ""


def _lack(inside: int, outside: int, near: int, sizes: Sizes) -> str:
    """Return what is missing for a similarity split; "" if nothing is."""
    needed = near + sizes.validation + sizes.test
    parts = f"{near} for training, {sizes.validation} for validation, {sizes.test} for the test"
    if inside < needed:
        return f"Cluster {{cluster}} has {count(inside, 'class')}; ratio {{ratio:g}} needs {needed} ({parts})"
    if outside < sizes.train - near:
        if not outside:
            return "There is one cluster only; ratio {ratio:g} needs training classes of others"
        return (
            f"The clusters other than {{cluster}} have {count(outside, 'class')}; ratio {{ratio:g}} needs "
            f"{sizes.train - near} of them for training"
        )
    return ""


def _advice(codes: np.ndarray, clusters: Sequence[int], ratios: Sequence[float], sizes: Sizes) -> str:
    """Return which sizes would fit; where none would, what else might."""
    fitting = feasible_sizes(codes, ratios=ratios, sizes=sizes, test_clusters=clusters)
    if fitting is not None:
        return f"sizes {fitting} would fit"
    n_clusters = len(set(codes.tolist()))
    if n_clusters == 1 and min(ratios) < 1:
        return "choose more clusters, or the ratio 1 alone"
    if n_clusters > 2 or (n_clusters == 2 and min(ratios) == 1):
        return "not even 2/1/2 would fit: choose fewer clusters"
    return "not even 2/1/2 would fit: choose another number of clusters, or a dataset with more classes"
