"""The classes of a space, which splits are made of: their centroids, their clusters, the sizes they allow."""

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
        What these are the same for.
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
        # As training does: clips of several classes say nothing of one, and a clip of silence may have been
        # embedded as something that is no number.
        labels[of_several_classes(c.frame)[rows] | ~np.isfinite(X).all(axis=1)] = ""
        there = labels != ""
        names, centroids = class_centroids(X[there], labels[there])
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


def at_least(found: Classes, n_clips: int) -> Classes:
    """Return the classes that have so many clips in the space; the same where all have."""
    kept = np.flatnonzero(found.clips >= n_clips)
    if len(kept) == len(found.names):
        return found
    return replace(
        found,
        key=(*found.key, f"at least {n_clips}"),
        names=tuple(found.names[i] for i in kept),
        clips=found.clips[kept],
        centroids=found.centroids[kept],
        similarity=found.similarity[np.ix_(kept, kept)],
        coords=found.coords[kept],
    )


def clusters(found: Classes, k: int) -> np.ndarray:
    """Return the cluster of each class, (C,); the seed is always 0, so that links keep their meaning."""
    k = min(k, len(found.names))
    return once(("class-clusters", found.key, k), lambda: cluster_classes(found.centroids, k, seed=0))


def unfound(found: Classes, sets: int) -> str:
    """Say that a search for sizes of diversity splits found none; "" where there cannot be any."""
    if len(found.names) < 2 + sets * (1 + 2):
        return ""
    return " A short search found no sizes that fit; there may be some all the same."


def over(seconds: float) -> Callable[[], bool]:
    """Return what says whether so many seconds have gone by since now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def usual_sizes(found: Classes, k: int) -> Sizes:
    """Return the paper's sizes, or the largest below them that every ratio and cluster allows."""

    def find() -> Sizes:
        n, fits = len(found.names), feasible_sizes(clusters(found, k), sizes=PAPER_SIZES)
        some = fits or largest_sizes(PAPER_SIZES, lambda s: s.train + s.validation + s.test <= n)
        return some or Sizes(2, 1, 2)

    return once(("class-sizes", found.key, k), find)


def enough(embedding: EmbedAudio, c: Clips, what: str) -> Classes | None:
    """Return the classes of a space; None, once the page says so, where they are too few.

    `what` says how many are needed, and what for.
    """
    try:
        found = classes(embedding, c)
    except ValueError:
        found = None
    if found is not None and len(found.names) >= FEWEST:
        return found
    there = "no clip has exactly one class and an embedding"
    if found is not None:
        n = len(found.names)
        there = f"there {'is' if n == 1 else 'are'} {numbers.count(n, 'class')}"
    st.info(
        f"{what}; {there}. Add a dataset with more classes, such as a folder with a folder a class.",
        icon=":material/info:",
    )
    return None
