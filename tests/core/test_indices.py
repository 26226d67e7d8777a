"""Indices of how well classes are separated, against their definitions by loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from core.separability.indices import calinski_harabasz, davies_bouldin

Index = Callable[..., float]


def unit(X: np.ndarray) -> np.ndarray:
    X = np.asarray(X, np.float64)
    size = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, size, out=np.zeros_like(X), where=size > 0)


def davies_bouldin_by_loops(X: np.ndarray, labels: list[str]) -> float:
    points = {c: [x for x, label in zip(unit(X), labels, strict=True) if label == c] for c in set(labels)}
    centroid = {c: sum(xs) / len(xs) for c, xs in points.items()}
    width = {c: np.mean([math.dist(x, centroid[c]) for x in xs]) for c, xs in points.items()}
    worst = [
        max((width[a] + width[b]) / math.dist(centroid[a], centroid[b]) for b in points if b != a)
        for a in points
    ]
    return float(np.mean(worst))


def calinski_harabasz_by_loops(X: np.ndarray, labels: list[str]) -> float:
    points = {c: [x for x, label in zip(unit(X), labels, strict=True) if label == c] for c in set(labels)}
    middle = unit(X).mean(axis=0)
    between = sum(len(xs) * math.dist(sum(xs) / len(xs), middle) ** 2 for xs in points.values())
    within = sum(math.dist(x, sum(xs) / len(xs)) ** 2 for xs in points.values() for x in xs)
    n, C = len(labels), len(points)
    return (between / (C - 1)) / (within / (n - C))


BY_LOOPS: dict[Index, Index] = {
    davies_bouldin: davies_bouldin_by_loops,
    calinski_harabasz: calinski_harabasz_by_loops,
}
INDICES = pytest.mark.parametrize("index", BY_LOOPS, ids=lambda f: f.__name__)


def made(seed: int, dtype: type = np.float64) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, 50)
    codes[:4] = range(4)
    X = rng.standard_normal((4, 7))[codes] + 0.5 * rng.standard_normal((50, 7))
    X[9] = 0
    return (X * rng.uniform(0.1, 9, (50, 1))).astype(dtype), [f"class {c}" for c in codes]


@INDICES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition_of_unit_vectors(index: Index, seed: int, dtype: type) -> None:
    X, labels = made(seed, dtype)
    assert index(X, labels) == pytest.approx(BY_LOOPS[index](X, labels), rel=1e-9)


@INDICES
def test_lengths_rotation_and_order_change_nothing(index: Index) -> None:
    X, labels = made(0)
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.standard_normal((7, 7)))[0]
    order = rng.permutation(len(X))
    other = index((X @ rotation * 1e200)[order], np.array(labels)[order])
    assert other == pytest.approx(index(X, labels), rel=1e-9)


@INDICES
def test_what_is_not_defined_is_not_a_number(index: Index) -> None:
    assert math.isnan(index(np.eye(4), list("abcd")))  # no class has two points
    assert math.isnan(index(np.ones((4, 2)), list("aabb")))  # all points are equal
    assert math.isnan(index(np.zeros((4, 2)), list("aabb")))


def test_classes_with_one_centroid_are_infinitely_bad() -> None:
    X = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    assert davies_bouldin(X, list("aabbc")) == math.inf
    assert davies_bouldin([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2, list("aabb")) == 0  # tight classes
    assert calinski_harabasz([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2, list("aabb")) == math.inf


@INDICES
@pytest.mark.parametrize(
    ("X", "labels", "message"),
    [
        (np.eye(3), ["dog"] * 3, "All 3 labels are dog; an index needs at least 2 classes"),
        (np.eye(3), [0, 1], r"labels have shape \(2,\)"),
        (np.full((3, 2), np.nan), [0, 1, 1], "Row 0 of X"),
    ],
)
def test_errors_say_what_and_what_is_allowed(index: Index, X: np.ndarray, labels: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        index(X, labels)
