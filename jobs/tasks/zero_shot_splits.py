"""The splits that a grid of zero-shot models trains on, drawn before it is trained.

The task draws them with `draw`, and so do pages and commands before they ask for it, so that a grid that the
classes do not allow is refused before it is queued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

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
    fewest_validation,
    from_test_cluster,
    quantile_ranges,
    similarity_splits,
)
from core.words import count, there_are
from jobs.tasks.zero_shot_grid import ZeroShotGrid


class Drawn(NamedTuple):
    """A model to be trained for every split and seed.

    Attributes
    ----------
    splits : list of ClassSplit or ClassSplitSet
    seeds : list of int
        One for each.
    given : list of int or None
        The number of the given split that each is.
    sizes : Sizes or None
        Those that were drawn; None for given splits.
    ranges : tuple of (low, high) or None
        None but for diversity.
    note : str
        What differs from what was asked for, and what cannot be measured.
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
        Their similarities, as `core.splits.class_similarity` gives them.
    clusters : (C,) array_like of int
        Their clusters, as `core.splits.cluster_classes` gives them.
    seeds : sequence of int, optional
        Some of the grid's seeds, where not all are to be drawn.

    Raises
    ------
    SplitError
        Where the classes do not suffice, with what would fit.
    """
    seeds = range(spec.seeds) if seeds is None else seeds
    if spec.setup == "splits":
        return _draw_given(spec, names, seeds)
    sizes = spec.sizes
    if spec.fit_sizes:
        # Where nothing fits, the error is about the sizes that were asked for.
        sizes = fitting_sizes(spec, names, similarity, clusters) or sizes
    splits: list[ClassSplit | ClassSplitSet]
    ranges: tuple[Range, ...] | None = None
    notes = []
    if sizes != spec.sizes:
        notes.append(f"Sizes were lowered from {spec.sizes} to {sizes}: the classes allow no more.")
    if spec.setup == "similarity":
        splits = [*similarity_splits(names, clusters, ratios=spec.ratios, seeds=seeds, sizes=sizes)]
        notes.append(_merged(spec.ratios, sizes.train))
    else:
        ranges = _ranges(spec, similarity, sizes)
        sets = spec.n_test_sets
        splits = [
            *diversity_splits(names, similarity, ranges=ranges, seeds=seeds, sizes=sizes, n_test_sets=sets)
        ]
    if spec.patience and sizes.validation < 2:
        raise SplitError(
            f"Patience needs at least 2 validation classes, and the classes allow the sizes {sizes}; train "
            "without patience."
        )
    notes.append(_no_validation(splits))
    each = [int(split.info["seed"]) for split in splits]
    return Drawn(splits, each, None, sizes, ranges, " ".join(filter(None, notes)))


def _draw_given(spec: ZeroShotGrid, names: Sequence[str], seeds: Sequence[int]) -> Drawn:
    given = spec.parsed_splits
    for split in given:
        check_known(split, names)
    numbers = [i for i in range(len(given)) for _ in seeds]
    splits = [given[i] for i in numbers]
    return Drawn(splits, [*seeds] * len(given), numbers, None, None, _no_validation(splits))


def try_seeds(
    spec: ZeroShotGrid,
    names: Sequence[str],
    similarity: ArrayLike,
    clusters: ArrayLike,
    *,
    until: Callable[[], bool],
) -> int:
    """Draw the splits of a grid seed by seed, as `draw` does, and stop once `until` returns True.

    Returns
    -------
    int
        The number of seeds that are known to have splits, at least 1. Similarity splits exist for all seeds
        or for none.

    Raises
    ------
    SplitError
        As `draw`.
    """
    draw(spec, names, similarity, clusters, seeds=[0])
    if spec.setup != "diversity":
        return spec.seeds
    if not spec.fit_sizes:  # the ranges are the same for every seed: compute them once
        spec = replace(spec, ranges=_ranges(spec, similarity, spec.sizes), n_ranges=0)
    for seed in range(1, spec.seeds):
        if until():
            return seed
        draw(spec, names, similarity, clusters, seeds=[seed])
    return spec.seeds


def fitting_sizes(
    spec: ZeroShotGrid,
    names: Sequence[str],
    similarity: ArrayLike,
    clusters: ArrayLike,
    *,
    until: Callable[[], bool] | None = None,
) -> Sizes | None:
    """Return the sizes nearest to those asked for that all configurations and seeds of a grid can have.

    None where nothing fits, and for given splits. With `until`, which ends the search once it returns True,
    fewer sizes are tried: larger ones may fit, and None means that none was reached.
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
    """Raise `SplitError` where a dataset has too few classes for a grid in any space."""
    if spec.setup == "splits":
        return
    asked = Sizes(2, 1, 2) if spec.fit_sizes else spec.sizes
    if spec.setup == "diversity":
        check_enough(n_classes, asked, spec.n_test_sets)
        return
    check_n_clusters(spec.clusters, n_classes)
    needed = asked.train + asked.validation + asked.test
    if n_classes < needed:
        # Which sizes would fit depends on the clusters.
        given = there_are(n_classes, "class").capitalize()
        raise SplitError(f"{given}; sizes {asked} need {needed}: ask for fewer.")


def _ranges(spec: ZeroShotGrid, similarity: ArrayLike, sizes: Sizes) -> tuple[Range, ...]:
    return spec.asked_ranges or quantile_ranges(
        similarity, spec.n_ranges, sizes=sizes, n_test_sets=spec.n_test_sets
    )


def _merged(ratios: Sequence[float], n_train: int) -> str:
    """Return a sentence on the ratios that give the same number of training classes; "" if none do."""
    groups: dict[int, list[str]] = {}
    for ratio in ratios:
        groups.setdefault(from_test_cluster(ratio, n_train), []).append(f"{ratio:g}")
    same = [
        f"{', '.join(of[:-1])} and {of[-1]} are {n} of {n_train} training classes"
        for n, of in groups.items()
        if len(of) > 1
    ]
    return f"The ratios {'; '.join(same)}: the same classes, which are trained on once." if same else ""


def _no_validation(splits: Sequence[ClassSplit | ClassSplitSet]) -> str:
    alone = sum(fewest_validation([split]) < 2 for split in splits)
    if not alone:
        return ""
    of = "There is" if alone == len(splits) else f"Of {alone:,} of {count(len(splits), 'model')}, there is"
    return f"{of} no validation accuracy: a single validation class is always right."
