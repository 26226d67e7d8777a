"""Neighbours by measuring every pair in float64, and spaces that are hard to search."""

import math

import numpy as np

KINDS = ["plain", "narrow cone", "one outlier", "duplicates", "mostly silence", "all equal", "nearly equal"]


def neighbours(X, k, metric="cosine", include_self=False, queries=None):
    """Sort by (distance rounded to 12 decimals, index); return indices and distances."""
    corpus = [[float(v) for v in row] for row in np.asarray(X)]
    points = corpus if queries is None else [[float(v) for v in row] for row in np.asarray(queries)]

    def distance(x, y):
        inner = math.fsum(a * b for a, b in zip(x, y, strict=True))
        if metric == "inner_product":
            return -inner
        if metric == "euclidean":
            return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True)))
        norms = math.sqrt(math.fsum(a * a for a in x)) * math.sqrt(math.fsum(b * b for b in y))
        return min(max(1 - (inner / norms if norms else 0.0), 0.0), 2.0)

    indices, distances = [], []
    for i, x in enumerate(points):
        pairs = sorted(
            (round(distance(x, y), 12), j) for j, y in enumerate(corpus) if queries is not None or j != i
        )
        if include_self:
            pairs.insert(0, (round(distance(x, x), 12) if metric == "inner_product" else 0.0, i))
        indices.append([j for _, j in pairs[:k]])
        distances.append([value for value, _ in pairs[:k]])
    return np.array(indices), np.array(distances)


def space(kind, n, d=24):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, d))
    if kind == "narrow cone":  # an untrained network: all cosines close to 1
        X = 1e-4 * X + rng.standard_normal(d)
    elif kind == "one outlier":
        X[17] *= 1e5
    elif kind == "duplicates":
        X = X[rng.integers(0, n // 20, n)]
    elif kind == "mostly silence":
        X[rng.random(n) < 0.4] = 0
    elif kind == "all equal":
        X[:] = X[0]
    elif kind == "nearly equal":
        X = X[0] + 1e-9 * X
    elif kind == "whole numbers":
        X = np.round(X)
    return X
