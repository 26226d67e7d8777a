"""Simple classifiers in a space: each fold is predicted from the clips of all others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix, whole
from core.neighbors import knn
from core.threads import cores

#: Most steps of the optimiser of the linear probe.
MOST_STEPS = 300

_TOLERANCE = 1e-6  # of the gradient; at 1e-4 some predictions are not those of the optimum
_HELD_ELEMENTS = 2**29  # of the points of the folds that are worked on at once, three copies each: 4 GB

Progress = Callable[[int, int], object]


def stratified_folds(labels: ArrayLike, n_folds: int = 5, *, seed: int = 0) -> np.ndarray:
    """Assign points to folds at random, each class evenly.

    Parameters
    ----------
    labels : (n,) array_like
        One class a point.
    n_folds : int, default 5
        From 2 to n.
    seed : int, default 0

    Returns
    -------
    (n,) int64 array
        From 1 to `n_folds`. Two folds differ by at most one point in size, and by at most one of any class.
        A class of fewer points than folds is in as many folds as it has points.

    Raises
    ------
    ValueError
        For labels that are missing, or folds out of range.

    Examples
    --------
    >>> stratified_folds(["dog", "rain", "dog", "rain", "dog", "dog"], 2, seed=0).tolist()
    [2, 2, 1, 1, 1, 2]
    """
    array = np.asarray(labels)
    _, codes = class_codes(array, len(array) if array.ndim else 0)
    n = len(codes)
    if n < 2:
        raise ValueError(f"There are {n} points; folds need at least 2.")
    if not whole(n_folds) or not 2 <= n_folds <= n:
        raise ValueError(f"n_folds is {n_folds!r}; {n} points allow a whole number from 2 to {n}.")
    random = np.random.default_rng(seed)
    # Shuffled, then by class: dealt one after another, like cards.
    shuffled = random.permutation(n)
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    folds = np.empty(n, dtype=np.int64)
    folds[order] = np.arange(n) % n_folds + 1
    return folds


def knn_classifier(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    k: int = 5,
    metric: str = "cosine",
    progress: Progress | None = None,
) -> np.ndarray:
    """Predict the class of every point by the majority of its k nearest neighbours in the other folds.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like
        One class a point, at least two classes.
    folds : (n,) array_like
        The fold of each point, at least two.
    k : int, default 5
        From 1 to the points outside the largest fold.
    metric : {'cosine', 'euclidean', 'inner_product'}, default 'cosine'
    progress : callable, optional
        Called as ``progress(done, total)``, in folds.

    Returns
    -------
    (n,) array
        Of the type of the labels. Of classes with equally many votes, that of the nearest neighbour is
        taken. A class that is in one fold alone is never predicted in it.

    Raises
    ------
    ValueError
        For one class, one fold, a k out of range, or a value that is not finite.

    References
    ----------
    T. M. Cover and P. E. Hart, "Nearest neighbor pattern classification", IEEE Transactions on Information
    Theory 13, 1967.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0], [0.1, 1.0], [0.2, 1.0]]
    >>> labels = ["dog", "dog", "rain", "rain", "rain", "dog"]
    >>> knn_classifier(X, labels, [1, 2, 3, 1, 2, 3], k=1).tolist()
    ['dog', 'rain', 'dog', 'rain', 'dog', 'rain']
    """
    points, classes, codes, folds = _checked(X, labels, folds)
    smallest = len(points) - int(np.bincount(folds).max())
    if not whole(k) or not 1 <= k <= smallest:
        raise ValueError(
            f"k is {k!r}; outside the largest fold there are {smallest} points, so it must be a whole number "
            f"from 1 to {smallest}."
        )
    predicted = np.empty(len(points), dtype=np.int64)
    for train, test in _rounds(folds, progress):
        nearest, _ = knn(points[train], k, metric=metric, queries=points[test])
        predicted[test] = _majority(codes[train][nearest], len(classes))
    return classes[predicted]


def linear_probe(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    C: float = 1.0,
    progress: Progress | None = None,
) -> np.ndarray:
    """Predict the class of every point by a logistic regression trained on the other folds.

    Multinomial, with every dimension standardised by the training folds, so that the penalty ‖W‖² / (2C),
    added to the sum of the losses, weighs all alike; the intercepts are free. In float64.

    Parameters
    ----------
    X : (n, d) array_like
    labels : (n,) array_like
        One class a point, at least two classes.
    folds : (n,) array_like
        The fold of each point, at least two.
    C : float, default 1.0
        Above 0; less holds the weights smaller.
    progress : callable, optional
        Called as ``progress(done, total)``, in folds.

    Returns
    -------
    (n,) array
        Of the type of the labels. A class that is in one fold alone is never predicted in it; where
        the other folds hold one class, that class is predicted for all.

    Raises
    ------
    ValueError
        For one class, one fold, a C out of range, or a value that is not finite.

    Warns
    -----
    RuntimeWarning
        For each fold whose regression has not converged after 300 steps; it is used as it is.

    Notes
    -----
    scikit-learn's `StandardScaler` and `LogisticRegression`, by Newton's method: the dimensions of a space
    are correlated, so that L-BFGS needs hundreds of steps and stops where some predictions would still
    change. For two classes it is the usual binary regression.

    References
    ----------
    G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier probes",
    arXiv:1610.01644, 2016.

    Examples
    --------
    >>> X = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0], [0.1, 1.0], [0.2, 1.0]]
    >>> labels = ["dog", "dog", "dog", "rain", "rain", "rain"]
    >>> linear_probe(X, labels, [1, 2, 3, 1, 2, 3]).tolist()
    ['dog', 'dog', 'dog', 'rain', 'rain', 'rain']
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    points, classes, codes, folds = _checked(X, labels, folds)
    if not 0 < C < np.inf:
        raise ValueError(f"C is {C}; it must be above 0 and finite.")
    # A power of two, which standardising takes out again: squares can neither overflow nor vanish.
    points = np.ldexp(points.astype(np.float64), -np.frexp(np.abs(points).max())[1])

    def one(fold: int) -> tuple[np.ndarray, bool]:
        test = folds == fold
        return _probed(points[~test], codes[~test], points[test], C)

    predicted = np.empty(len(points), dtype=np.int64)
    total = int(folds.max()) + 1
    workers = max(1, min(cores(), total, _HELD_ELEMENTS // (3 * points.size)))
    # The products of one step are too small to share among cores: threads would mostly wait for each other.
    with (
        warnings.catch_warnings(),
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(workers) as pool,
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fold, (classes_of_fold, converged) in enumerate(pool.map(one, range(total))):
            predicted[folds == fold] = classes_of_fold
            if not converged:
                warnings.warn(
                    f"A linear probe had not converged after {MOST_STEPS} steps and is used as it is.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            if progress is not None:
                progress(fold + 1, total)
    return classes[predicted]


def _probed(train: np.ndarray, codes: np.ndarray, test: np.ndarray, C: float) -> tuple[np.ndarray, bool]:
    """Return the classes that a probe predicts for the test points, and whether it converged."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not np.ptp(codes):
        return np.full(len(test), codes[0]), True
    regression = LogisticRegression(C=C, solver="newton-cg", tol=_TOLERANCE, max_iter=MOST_STEPS)
    predicted = make_pipeline(StandardScaler(), regression).fit(train, codes).predict(test)
    return predicted, int(regression.n_iter_.max()) < MOST_STEPS


def _checked(
    X: ArrayLike, labels: ArrayLike, folds: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the points, the classes, and for every point its class and its fold, both numbered from 0."""
    X = matrix(X, "X")
    classes, codes = class_codes(labels, len(X))
    if len(classes) < 2:
        raise ValueError(f"All {len(X)} labels are {classes[0]!s}; a classifier needs at least 2 classes.")
    array = np.asarray(folds)
    if array.shape != (len(X),):
        raise ValueError(f"folds have shape {array.shape}; there must be one for each of {len(X)} rows.")
    missing = np.array([v is None or v != v for v in array.tolist()])
    if missing.any():
        raise ValueError(f"Fold {int(missing.argmax())} is missing; leave its row out.")
    names, numbers = np.unique(array, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"All {len(X)} points are in fold {names[0]!s}; there must be at least 2 folds.")
    return X, classes, codes, numbers


def _rounds(folds: np.ndarray, progress: Progress | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows to train on and the rows to predict, fold by fold."""
    total = int(folds.max()) + 1
    for fold in range(total):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if progress is not None:
            progress(fold + 1, total)


def _majority(votes: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the class with most votes in each row of (m, k), nearest first; ties go to the nearest."""
    rows = np.arange(len(votes))[:, None]
    counts = np.bincount((rows * n_classes + votes).ravel(), minlength=len(votes) * n_classes)
    counts = counts.reshape(len(votes), n_classes)
    own = counts[rows, votes]  # (m, k): how many votes the class of each neighbour has
    return votes[rows[:, 0], own.argmax(axis=1)]
