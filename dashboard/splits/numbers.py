"""What the page of splits counts and compares: parts, clusters, two splits beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from core.splits import ClassSplit
from dashboard.kit.classes import Classes
from dashboard.splits.figures import PARTS, UNUSED


def counts(parts: Sequence[str]) -> dict[str, int]:
    """Return how many classes are in each part, and in none.

    Examples
    --------
    >>> counts(["test", "train", "unused", "train"])
    {'train': 2, 'validation': 0, 'test': 1, 'unused': 1}
    """
    return {part: sum(p == part for p in parts) for part in (*PARTS, UNUSED)}


def cluster_sizes(codes: np.ndarray) -> dict[int, int]:
    """Return how many classes each cluster has.

    Examples
    --------
    >>> cluster_sizes(np.array([1, 0, 0]))
    {0: 2, 1: 1}
    """
    return {int(c): int(n) for c, n in zip(*np.unique(codes, return_counts=True), strict=True)}


def near(split: ClassSplit, found: Classes, codes: np.ndarray, cluster: int) -> int:
    """Return how many training classes of a split are of a cluster."""
    members = {name for name, code in zip(found.names, codes.tolist(), strict=True) if code == cluster}
    return sum(c in members for c in split.train)


def limits(matrices: Iterable[np.ndarray]) -> tuple[float, float] | None:
    """Return the lowest and highest similarity of two classes in any of the matrices; None without a pair.

    Examples
    --------
    >>> limits([np.array([[1, 0.25], [0.25, 1]]), np.array([[1, 0.75], [0.75, 1]])])
    (0.25, 0.75)
    """
    pairs = [m[np.triu_indices(len(m), 1)] for m in matrices]
    values = np.concatenate(pairs) if pairs else np.empty(0)
    return (float(values.min()), float(values.max())) if len(values) else None


def shared_tests(names: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the classes that are tested in both splits, which are given by the part of each class."""
    return [n for n, p, q in zip(names, first, second, strict=True) if p == q == "test"]


def swapped(names: Sequence[str], first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the classes that are trained on in one split and tested in the other.

    Examples
    --------
    >>> swapped("abc", ["train", "test", "test"], ["test", "test", "unused"])
    ['a']
    """
    return [n for n, p, q in zip(names, first, second, strict=True) if {p, q} == {"train", "test"}]
