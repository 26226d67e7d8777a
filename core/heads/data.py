"""What classifier heads learn from: clips, classes and folds, checked once, and all that is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.checks import class_codes, matrix, whole
from core.heads.recipe import HeadRecipe
from core.separability import stratified_folds
from core.training.draws import linear_weights


@dataclass(frozen=True)
class Fold:
    """A fold that is held out: its name, and the clips to train on and to test, ascending."""

    name: object
    train: np.ndarray
    test: np.ndarray


class Clips:
    """Embeddings in float32, the class of each clip, and the folds.

    Parameters
    ----------
    X : (n, d) array_like
    labels, folds : (n,) array_like

    Raises
    ------
    ValueError
        For shapes that do not fit, values that are not finite in float32, fewer than two classes or folds.
    """

    def __init__(self, X: ArrayLike, labels: ArrayLike, folds: ArrayLike) -> None:
        wide = matrix(X, "X")
        with np.errstate(over="ignore"):
            self.X = wide.astype(np.float32, copy=not wide.flags.writeable)  # as torch wants it
        finite = np.isfinite(self.X).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"Row {int(np.argmin(finite))} of X holds a value beyond float32; scale it down."
            )
        self.classes, self.codes = check_classes(labels, len(self.X))
        self.folds = named_folds(folds, len(self.X))


def named_folds(folds: ArrayLike, n: int) -> tuple[Fold, ...]:
    """Return the folds of n clips; raises as `Clips`."""
    array = np.asarray(folds)
    if array.shape != (n,):
        raise ValueError(f"folds have shape {array.shape}; there must be one for each of {n} clips.")
    missing = sum(v is None or v != v for v in array.tolist())
    if missing:
        raise ValueError(f"{missing} of {n} clips have no fold; leave them out, or draw folds for all.")
    names = np.unique(array).tolist()
    if len(names) < 2:
        raise ValueError(
            f"All clips are in fold {names[0]!r}, which leaves none to train on; give two or more folds, "
            "or draw them with draw_folds."
        )
    return tuple(Fold(name, np.flatnonzero(array != name), np.flatnonzero(array == name)) for name in names)


def check_classes(labels: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted classes (C,), and of each of n clips which one it is of; raises as `Clips`."""
    classes, codes = class_codes(labels, n)
    if len(classes) < 2:
        raise ValueError(
            f"All clips are of the class {classes.tolist()[0]!r}; a classifier needs two or more."
        )
    return classes, codes


def draw_folds(labels: ArrayLike, k: int = 5, *, seed: int = 0) -> np.ndarray:
    """Draw folds for clips that have none: each class is spread over all of them.

    Parameters
    ----------
    labels : (n,) array_like
    k : int, default 5
        Folds, from 2 to n.
    seed : int, default 0

    Returns
    -------
    (n,) int64 array
        From 0 to k - 1. Of each class, and of all clips, any two folds hold numbers that differ by at most 1.

    Raises
    ------
    ValueError
        For labels that do not fit, or a k that is not allowed.

    Notes
    -----
    Clips that were cut from one recording fall into different folds; where that is known, give folds that
    keep them together.

    Examples
    --------
    >>> labels = ["dog"] * 4 + ["rain"] * 2
    >>> folds = draw_folds(labels, 2)
    >>> sorted(folds[:4].tolist()), sorted(folds[4:].tolist())
    ([0, 0, 1, 1], [0, 1])
    """
    n = len(np.asarray(labels))
    class_codes(labels, n)
    if not whole(k) or not 2 <= k <= n:
        raise ValueError(f"k is {k!r}; for {n} clips it must be a whole number from 2 to {n}.")
    return stratified_folds(labels, k, seed=seed) - 1


def initial_weights(seed: int, d: int, recipe: HeadRecipe, n_classes: int) -> dict[str, np.ndarray]:
    """Draw the weights that a head begins with; see `linear_weights`."""
    hidden = [("hidden", d, recipe.hidden)] if recipe.hidden else []
    layers = [("embedding", recipe.hidden or d, recipe.dim), ("class", recipe.dim, n_classes)]
    return linear_weights(seed, hidden + layers)


def mixtures(seed: int, epoch: int, n: int, recipe: HeadRecipe) -> tuple[np.ndarray, np.ndarray]:
    """Draw with which other one each of n training clips is mixed, and its own share, for an epoch from 0.

    Returns
    -------
    partners : (n,) int64 array
    shares : (n,) float32 array
        From Beta(b, b); 1 for clips that stay as they are.
    """
    random = np.random.default_rng([seed, 3, epoch])
    mixed = random.random(n) < recipe.mixup
    partners = random.integers(n, size=n)
    shares = np.where(mixed, random.beta(recipe.mixup_beta, recipe.mixup_beta, n), 1)
    return partners, shares.astype(np.float32)
