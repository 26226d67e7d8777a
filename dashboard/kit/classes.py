"""The classes of a space, which splits divide: their centroids, their clusters, the sizes they allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from core.splits import (
    PAPER_SIZES,
    ClassSplit,
    ClassSplitSet,
    Sizes,
    class_centroids,
    class_similarity,
    cluster_classes,
    feasible_sizes,
    largest_sizes,
)
from dashboard import data
from dashboard.data import Clips
from dashboard.kit import numbers
from dashboard.memory import once
from dashboard.results import result, rows_of
from jobs.presets import of_several_classes
from jobs.specs import EmbedAudio

Split = ClassSplit | ClassSplitSet

#: Ranges that a diversity split offers, and which ranges these are.
N_RANGES = 5
RANGES = {"paper": "the paper’s", "own": "of this space"}
#: Classes that the smallest split needs.
FEWEST = 5


@dataclass(frozen=True)
class Classes:
    """The classes of a space: their centroids, and what follows from them.

    Attributes
    ----------
    key : tuple
        Identifies them in memory.
    names : tuple of str, length C
        Sorted.
    clips : ndarray of int, shape (C,)
    centroids : ndarray, shape (C, d)
    similarity : ndarray, shape (C, C)
    coords : ndarray, shape (C, 2)
        Principal components of the centroids at unit length.
    explained : (float, float)
        Share of their variance along each.
    """

    key: tuple[str, ...]
    names: tuple[str, ...]
    clips: np.ndarray
    centroids: np.ndarray
    similarity: np.ndarray
    coords: np.ndarray
    explained: tuple[float, float]


def classes(embedding: EmbedAudio, c: Clips) -> Classes:
    """Return the classes of a space.

    Raises
    ------
    ValueError
        Where no clip of the space has a class.
    """

    def make() -> Classes:
        from core.projection import project

        rows = rows_of(embedding, c)
        X = np.asarray(result(embedding).embeddings)
        labels = np.where(rows >= 0, data.class_of_each(c)[rows], "")
        # As in training: a clip of several classes represents none of them, and that of a silent clip may not
        # be finite.
        labels[of_several_classes(c.frame)[rows] | ~np.isfinite(X).all(axis=1)] = ""
        labelled = labels != ""
        names, centroids = class_centroids(X[labelled], labels[labelled])
        lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
        unit = np.divide(centroids, lengths, out=np.zeros_like(centroids), where=lengths > 0)
        coords, explained = np.zeros((len(names), 2)), (0.0, 0.0)
        whole = float(unit.var(axis=0).sum())
        if len(names) > 2 and whole > 0:
            coords = np.asarray(project(unit, "pca"), float)
            first, second = coords.var(axis=0) / whole
            explained = (float(first), float(second))
        counts = np.array([int((labels == name).sum()) for name in names])
        key = (embedding.key, *map(str, c.key))
        return Classes(key, names, counts, centroids, class_similarity(centroids), coords, explained)

    return once(("class-centroids", embedding.key, c.key), make)


def at_least(c: Classes, n_clips: int) -> Classes:
    """Return the classes that have so many clips in the space; the same object where all have."""
    kept = np.flatnonzero(c.clips >= n_clips)
    if len(kept) == len(c.names):
        return c
    return replace(
        c,
        key=(*c.key, f"at least {n_clips}"),
        names=tuple(c.names[i] for i in kept),
        clips=c.clips[kept],
        centroids=c.centroids[kept],
        similarity=c.similarity[np.ix_(kept, kept)],
        coords=c.coords[kept],
    )


def clusters(c: Classes, k: int) -> np.ndarray:
    """Return the cluster of each class, (C,); the seed is always 0, so that links keep their meaning."""
    k = min(k, len(c.names))
    return once(("class-clusters", c.key, k), lambda: cluster_classes(c.centroids, k, seed=0))


def unfound(c: Classes, sets: int) -> str:
    """Say that a search returned no sizes of diversity splits; "" where there cannot be any."""
    if len(c.names) < 2 + sets * (1 + 2):
        return ""
    return " A short search returned no sizes that fit; some may exist all the same."


def over(seconds: float) -> Callable[[], bool]:
    """Return a function that says whether so many seconds have passed since now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def usual_sizes(c: Classes, k: int) -> Sizes:
    """Return the paper's sizes, or the largest below them that every ratio and cluster allows."""

    def search() -> Sizes:
        n, fits = len(c.names), feasible_sizes(clusters(c, k), sizes=PAPER_SIZES)
        some = fits or largest_sizes(PAPER_SIZES, lambda s: s.train + s.validation + s.test <= n)
        return some or Sizes(2, 1, 2)

    return once(("class-sizes", c.key, k), search)


def enough(embedding: EmbedAudio, c: Clips, what: str) -> Classes | None:
    """Return the classes of a space; None, with a note on the page, where they are too few.

    `what` is the beginning of the note: how many are needed, and what for.
    """
    n = 0
    try:
        space = classes(embedding, c)
        n = len(space.names)
    except ValueError:
        pass
    if n >= FEWEST:
        return space
    known = "no clip has exactly one class and an embedding"
    if n:
        known = f"the space has {numbers.count(n, 'class')}"
    st.info(
        f"{what}; {known}. Add a dataset with more classes, such as a folder with one folder per class.",
        icon=":material/info:",
    )
    return None
