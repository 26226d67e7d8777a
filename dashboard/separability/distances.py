"""Distances between the classes of a space, and the pairs of clips behind them, as the page shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dashboard.data import Clips
from dashboard.memory import once
from dashboard.results import result, rows_of
from dashboard.separability.data import by_class, distances_between, members_of
from jobs.specs import Separability

#: Most clips of a class among which near and far pairs are searched; of a larger class, this many are drawn.
PAIR_CLIPS = 3000
#: How the classes of the heatmaps can be ordered.
ORDERS = {"near": "near classes together", "name": "by name", "silhouette": "by silhouette"}


@dataclass(frozen=True)
class Distances:
    """Cosine distances between the classes of n clips.

    Mean, standard deviation and coefficient of variation over pairs of clips, (C, C) each.
    """

    names: list[str]
    mean: np.ndarray
    sd: np.ndarray
    cv: np.ndarray
    n_pairs: np.ndarray
    n: int


class Pair(NamedTuple):
    """Two clips and their cosine distance."""

    first: str
    second: str
    distance: float


def distances(spec: Separability, c: Clips, order: str, metric: str = "cosine") -> Distances:
    """Return the cosine distances between classes in one of the `ORDERS`; `metric` is the silhouettes'."""

    def read() -> Distances:
        stored = result(spec)
        classes = stored.classes.to_pandas()
        by: dict[str, Callable[[], Any]] = {
            "near": lambda: stored.class_order,
            "name": lambda: np.arange(len(classes)),
            "silhouette": lambda: [names.index(n) for n in by_class(spec, c, metric).names],
        }
        names = classes["label"].tolist()
        at = np.asarray(by[order](), np.int64)
        sizes = classes["n_clips"].to_numpy(np.int64)
        pairs = np.outer(sizes, sizes)
        np.fill_diagonal(pairs, sizes * (sizes - 1) // 2)
        cells = np.ix_(at, at)
        mean, sd, cv = (x[cells] for x in (stored.class_mean, stored.class_sd, stored.class_cv))
        return Distances([names[i] for i in at], mean, sd, cv, pairs[cells], int(sizes.sum()))

    return once(("class-distances", spec.key, c.key, order, metric), read)


def distances_table(shown: Distances) -> pd.DataFrame:
    """Return the distances as a table, a row a pair of classes."""
    rows, columns = np.triu_indices(len(shown.names))
    names = np.asarray(shown.names, dtype=object)
    return pd.DataFrame(
        {
            "class": names[rows],
            "other_class": names[columns],
            "mean": shown.mean[rows, columns],
            "sd": shown.sd[rows, columns],
            "cv": shown.cv[rows, columns],
            "n_pairs": shown.n_pairs[rows, columns],
        }
    )


def nearest_classes(shown: Distances) -> tuple[str, str]:
    """Return the two classes with the smallest mean distance."""
    grid = np.where(np.eye(len(shown.names), dtype=bool) | ~np.isfinite(shown.mean), np.inf, shown.mean)
    row, column = np.unravel_index(int(grid.argmin()), grid.shape)
    return shown.names[int(row)], shown.names[int(column)]


def pairs(
    spec: Separability, c: Clips, first: str, second: str, most: int
) -> tuple[list[Pair], list[Pair], int]:
    """Return the nearest and the farthest pairs of clips of two classes, and the size of the larger.

    Each clip is in a list at most once, so that one odd clip does not fill it.

    Parameters
    ----------
    spec : Separability
    c : Clips
    first, second : str
        Classes; the same twice for pairs within it.
    most : int
        Pairs a list.

    Returns
    -------
    nearest, farthest : list of Pair
    n : int
        Clips of the larger class; of more than `PAIR_CLIPS`, that many are drawn and compared.
    """

    def find() -> tuple[list[Pair], list[Pair], int]:
        members = members_of(spec, c)
        a, b = (_drawn(members[name]) for name in (first, second))
        X = result(spec.embedding).embeddings
        # In float64: where all clips point nearly the same way, float32 would mistake the nearest.
        D = distances_between(np.asarray(X[a], np.float64), np.asarray(X[b], np.float64), "cosine")
        rows = rows_of(spec.embedding, c)
        same = first == second
        if same:
            D[np.tril_indices(len(a))] = np.inf
        near = _greedy(D.copy(), most, same)
        far = _greedy(np.where(np.isinf(D), np.inf, -D), most, same)
        first_ids, second_ids = c.ids[rows[a]], c.ids[rows[b]]
        lists = [
            [Pair(str(first_ids[i]), str(second_ids[j]), abs(d)) for i, j, d in cells]
            for cells in (near, far)
        ]
        return lists[0], lists[1], max(len(members[name]) for name in (first, second))

    return once(("pairs", spec.key, c.key, first, second, most), find)


def _drawn(members: np.ndarray) -> np.ndarray:
    if len(members) <= PAIR_CLIPS:
        return members
    return np.sort(np.random.default_rng(0).choice(members, PAIR_CLIPS, replace=False))


def _greedy(D: np.ndarray, most: int, same: bool) -> list[tuple[int, int, float]]:
    """Take the smallest cell, leave out its row and column, and so on: they become inf in `D`."""
    cells: list[tuple[int, int, float]] = []
    while D.size and len(cells) < most:
        i, j = (int(v) for v in np.unravel_index(int(D.argmin()), D.shape))
        if np.isinf(D[i, j]):
            break
        cells.append((i, j, float(D[i, j])))
        D[i, :], D[:, j] = np.inf, np.inf
        if same:
            D[j, :], D[:, i] = np.inf, np.inf
    return cells
