"""Where classes lie in a space: their centroids, similarities and clusters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix, unit_rows, whole
from core.separability import KMeansResult, kmeans_curve
from core.splits.class_split import ClassSplit, SplitError
from core.words import there_are

#: What `class_centroids` averages.
CLASS_VECTORS = ("raw", "unit")


def class_centroids(
    X: ArrayLike, labels: ArrayLike, *, vectors: str = "raw"
) -> tuple[tuple[str, ...], np.ndarray]:
    """Compute the mean embedding of each class: μ_c = Σ_{i in c} x_i / N_c.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like of str
        The class of each clip; clips of the class "" are left out.
    vectors : {'raw', 'unit'}, default 'raw'
        What is averaged: embeddings as they are, as the papers have it, or scaled to unit length first, so
        that every clip counts the same however long its vector is. Means are not scaled themselves.

    Returns
    -------
    names : tuple of str
        The classes, sorted.
    centroids : (C, d) float64 array

    Raises
    ------
    ValueError
        For labels that do not fit, a value that is not finite, no clip with a class, or unknown `vectors`.

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
    if vectors not in CLASS_VECTORS:
        raise ValueError(f"vectors is {vectors!r}; it must be one of {', '.join(CLASS_VECTORS)}.")
    X = matrix(X, "X")
    labels = np.asarray(labels)
    if labels.shape != (len(X),):
        raise ValueError(f"labels have shape {labels.shape}; there must be one for each of {len(X)} rows.")
    rows = np.flatnonzero(labels != "")
    if not len(rows):
        raise ValueError("No clip has a class; there is nothing to split.")
    classes, codes = class_codes(labels[rows], len(rows))
    sums = np.zeros((len(classes), X.shape[1]))
    averaged = X[rows].astype(np.float64)
    np.add.at(sums, codes, unit_rows(averaged) if vectors == "unit" else averaged)
    return tuple(str(c) for c in classes), sums / np.bincount(codes)[:, None]


def class_similarity(centroids: ArrayLike) -> np.ndarray:
    """Compute the cosine similarity of every pair of classes, (C, C) float64 in [-1, 1], 1 on the diagonal.

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
    """Assign classes to clusters by K-means on the centroids at unit length.

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
        comes first. Where fewer directions differ than clusters are asked for, each direction is a cluster.

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
    check_n_clusters(n_clusters, len(unit))
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer directions than clusters is documented above.
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes = KMeans(int(n_clusters), n_init=10, random_state=seed).fit_predict(unit)
    _, first, codes, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[codes]


def check_n_clusters(n_clusters: int, n_classes: int) -> None:
    """Raise `SplitError` unless the number of clusters is from 1 to the number of classes."""
    if not whole(n_clusters) or not 1 <= n_clusters <= n_classes:
        raise SplitError(
            f"{n_clusters!r} clusters are asked for, and {there_are(n_classes, 'class')}: the number of "
            f"clusters must be a whole number from 1 to {n_classes}."
        )


def class_elbow(centroids: ArrayLike, ks: Sequence[int] | None = None, *, seed: int = 0) -> KMeansResult:
    """Compute inertia, cosine silhouette and elbow of the clusters of classes over their number.

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


def train_test_similarity(split: ClassSplit, names: Sequence[str], similarity: ArrayLike) -> float:
    """Compute the mean cosine similarity of all pairs of a training and a test class.

    Examples
    --------
    >>> split = ClassSplit(("a", "b"), ("c",), ("d", "e"))
    >>> train_test_similarity(split, "abcde", np.eye(5) + 0.25)
    0.25
    """
    S = square_matrix(similarity)
    at = _positions(names, len(S))
    return float(S[np.ix_([at(c) for c in split.train], [at(c) for c in split.test])].mean())


def mean_pairwise_similarity(classes: Iterable[str], names: Sequence[str], similarity: ArrayLike) -> float:
    """Compute the mean cosine similarity of all pairs of different classes; NaN for fewer than two classes.

    Examples
    --------
    >>> mean_pairwise_similarity("abc", "abc", [[1, 0.5, 0.3], [0.5, 1, 0.1], [0.3, 0.1, 1]])
    0.3
    """
    S = square_matrix(similarity)
    at = _positions(names, len(S))
    rows = [at(c) for c in classes]
    if len(rows) < 2:
        return float("nan")
    return float(np.round(S[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)].mean(), 12))


def checked_names(names: Sequence[str], n: int) -> np.ndarray:
    array = np.array([str(c) for c in names])
    if len(array) != n:
        raise SplitError(f"There are {len(array)} names for {n} classes.")
    if len(set(array.tolist())) != n:
        raise SplitError("A class is named twice.")
    return array


def square_matrix(similarity: ArrayLike) -> np.ndarray:
    S = matrix(similarity, "similarity").astype(np.float64, copy=False)
    if S.shape[0] != S.shape[1]:
        raise SplitError(f"similarity has shape {S.shape}; it must be (C, C).")
    return S


def _positions(names: Sequence[str], n: int) -> Callable[[str], int]:
    index = {name: i for i, name in enumerate(checked_names(names, n).tolist())}

    def at(name: str) -> int:
        if name not in index:
            raise SplitError(f"{name!r} is not among the {n} classes.")
        return index[name]

    return at
