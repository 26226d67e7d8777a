"""The splits that a grid of zero-shot models trains on, drawn before it is trained.

The job draws them this way, and pages and commands that ask for the job do, so that what the classes do not
allow is said before anything waits in the queue. Light to import: pages use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.splits import (
    ClassSplit,
    ClassSplitSet,
    Range,
    Sizes,
    SplitError,
    check_enough,
    check_known,
    check_n_clusters,
    diversity_splits,
    feasible_diversity_sizes,
    feasible_sizes,
    from_test_cluster,
    held_out,
    quantile_ranges,
    similarity_splits,
)
from core.words import count, there_are
from jobs.specs import ZeroShotGrid


class Drawn(NamedTuple):
    """A model to be trained for every split and seed.

    Attributes
    ----------
    splits : list of ClassSplit or ClassSplitSet
    seeds : list of int
        One for each.
    given : list of int or None
        Which of the given splits each is.
    sizes : Sizes or None
        Those that were drawn; None for given splits.
    ranges : tuple of (low, high) or None
        None but for diversity.
    note : str
        What is not as it was asked for, and what cannot be said of it.
    """

    splits: list[ClassSplit | ClassSplitSet]
    seeds: list[int]
    given: list[int] | None
    sizes: Sizes | None
    ranges: tuple[Range, ...] | None
    note: str


def draw(
    spec: ZeroShotGrid,
    names: Sequence[str],
    similarity: ArrayLike,
    clusters: ArrayLike,
    *,
    seeds: Sequence[int] | None = None,
) -> Drawn:
    """Draw the splits of all configurations and seeds of a grid.

    Parameters
    ----------
    spec : ZeroShotGrid
    names : (C,) sequence of str
        The classes.
    similarity : (C, C) array_like
        Theirs, as `core.splits.class_similarity` gives it.
    clusters : (C,) array_like of int
        Theirs, as `core.splits.cluster_classes` gives them.
    seeds : sequence of int, optional
        Some of the grid's, where not all are to be drawn.

    Raises
    ------
    SplitError
        Where the classes do not suffice, with what would fit.
    """
    drawn_seeds = range(spec.seeds) if seeds is None else seeds
    if spec.setup == "splits":
        given = spec.parsed_splits
        for split in given:
            check_known(split, names)
        numbers = [i for i in range(len(given)) for _ in drawn_seeds]
        drawn = [given[i] for i in numbers]
        each = [seed for _ in given for seed in drawn_seeds]
        return Drawn(drawn, each, numbers, None, None, _no_validation(drawn))
    sizes = spec.sizes
    if spec.fit_sizes:
        # Where nothing fits, the sizes that were asked for say what is missing.
        sizes = fitting(spec, names, similarity, clusters) or sizes
    found: list[ClassSplit | ClassSplitSet]
    ranges: tuple[Range, ...] | None = None
    notes = []
    if sizes != spec.sizes:
        notes.append(f"Sizes were lowered from {spec.sizes} to {sizes}: the classes allow no more.")
    if spec.setup == "similarity":
        found = [*similarity_splits(names, clusters, ratios=spec.ratios, seeds=drawn_seeds, sizes=sizes)]
        notes.append(_merged(spec.ratios, sizes.train))
    else:
        ranges = _ranges(spec, similarity, sizes)
        found = [
            *diversity_splits(
                names,
                similarity,
                ranges=ranges,
                seeds=drawn_seeds,
                sizes=sizes,
                n_test_sets=spec.n_test_sets,
            )
        ]
    if spec.patience and sizes.validation < 2:
        raise SplitError(
            f"Patience needs at least 2 validation classes, and the classes allow the sizes {sizes}; train "
            "without patience."
        )
    notes.append(_no_validation(found))
    each = [int(split.info["seed"]) for split in found]
    return Drawn(found, each, None, sizes, ranges, " ".join(filter(None, notes)))


def try_seeds(
    spec: ZeroShotGrid,
    names: Sequence[str],
    similarity: ArrayLike,
    clusters: ArrayLike,
    *,
    until: Callable[[], bool],
) -> int:
    """Draw the splits of a grid seed after seed, as `draw` does, and stop once `until` returns True.

    Returns
    -------
    int
        For how many of the seeds it is known that there are splits, at least 1. Similarity splits exist for
        all or for none.

    Raises
    ------
    SplitError
        As `draw`.
    """
    draw(spec, names, similarity, clusters, seeds=[0])
    if spec.setup != "diversity":
        return spec.seeds
    if not spec.fit_sizes:  # the ranges are the same for every seed, and found once
        spec = replace(spec, ranges=_ranges(spec, similarity, spec.sizes), n_ranges=0)
    for seed in range(1, spec.seeds):
        if until():
            return seed
        draw(spec, names, similarity, clusters, seeds=[seed])
    return spec.seeds


def fitting(
    spec: ZeroShotGrid,
    names: Sequence[str],
    similarity: ArrayLike,
    clusters: ArrayLike,
    *,
    until: Callable[[], bool] | None = None,
) -> Sizes | None:
    """Return the sizes that all configurations and seeds of a grid can have, the nearest to those asked for.

    None where nothing fits, and for given splits. With `until`, which says when to end, the search is a short
    one: larger sizes may fit, and None says that none was found.
    """
    if spec.setup == "splits":
        return None
    if spec.setup == "similarity":
        return feasible_sizes(clusters, ratios=spec.ratios, sizes=spec.sizes)
    return feasible_diversity_sizes(
        names,
        similarity,
        ranges=lambda sizes: _ranges(spec, similarity, sizes),
        seeds=range(spec.seeds),
        sizes=spec.sizes,
        n_test_sets=spec.n_test_sets,
        until=until,
    )


def check_count(spec: ZeroShotGrid, n_classes: int) -> None:
    """Raise `SplitError` where a dataset has too few classes for a grid, wherever they may lie in a space."""
    if spec.setup == "splits":
        return
    asked = Sizes(2, 1, 2) if spec.fit_sizes else spec.sizes
    if spec.setup == "diversity":
        check_enough(n_classes, asked, spec.n_test_sets)
        return
    check_n_clusters(spec.clusters, n_classes)
    needed = asked.train + asked.validation + asked.test
    if n_classes < needed:
        # What would fit hangs on the clusters.
        there = there_are(n_classes, "class").capitalize()
        raise SplitError(f"{there}; sizes {asked} need {needed}: ask for fewer.")


def _ranges(spec: ZeroShotGrid, similarity: ArrayLike, sizes: Sizes) -> tuple[Range, ...]:
    return spec.asked_ranges or quantile_ranges(
        similarity, spec.n_ranges, sizes=sizes, n_test_sets=spec.n_test_sets
    )


def _merged(ratios: Sequence[float], n_train: int) -> str:
    """Say which ratios come to the same number of training classes."""
    near = np.array([from_test_cluster(ratio, n_train) for ratio in ratios])
    same = []
    for n in dict.fromkeys(near.tolist()):
        of = [f"{ratio:g}" for ratio, other in zip(ratios, near, strict=True) if other == n]
        if len(of) > 1:
            same.append(f"{', '.join(of[:-1])} and {of[-1]} are {n} of {n_train} training classes")
    if not same:
        return ""
    return f"The ratios {'; '.join(same)}: the same classes, which are trained on once."


def _no_validation(splits: Sequence[ClassSplit | ClassSplitSet]) -> str:
    alone = sum(max(map(len, held_out(split)[0])) < 2 for split in splits)
    if not alone:
        return ""
    of = "There is" if alone == len(splits) else f"Of {alone:,} of {count(len(splits), 'model')}, there is"
    return f"{of} no validation accuracy: a single validation class is always right."
