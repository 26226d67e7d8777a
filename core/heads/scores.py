"""Accuracies of heads and of networks: over seeds, and of two recipes clip by clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.heads.recipe import HeadRecipe, HeadRun
from core.statistics import Difference, Interval, mean_interval, paired_difference


@dataclass(frozen=True)
class HeadScore:
    """Accuracy of a recipe.

    Attributes
    ----------
    recipe : HeadRecipe
    seeds : tuple of int
    by_seed : (S,) float64 array
        Share of the clips of all folds that were taken for their own class, each by the model that had not
        heard its fold; NaN for a seed of which a model failed.
    accuracy : Interval
        Mean over the seeds that did not fail, with Student's t.
    sd : float
        Their standard deviation (n - 1); NaN for fewer than two.
    n_failed : int
        Models that failed.
    """

    recipe: HeadRecipe
    seeds: tuple[int, ...]
    by_seed: np.ndarray
    accuracy: Interval
    sd: float
    n_failed: int


def score_heads(runs: Iterable[HeadRun]) -> list[HeadScore]:
    """Mean accuracy over seeds of every recipe.

    Parameters
    ----------
    runs : iterable of HeadRun
        Of any recipes, seeds and folds.

    Returns
    -------
    list of HeadScore
        In the order in which the recipes appear.
    """
    of_recipe: dict[HeadRecipe, dict[int, list[HeadRun]]] = {}
    for run in runs:
        of_recipe.setdefault(run.recipe, {}).setdefault(run.seed, []).append(run)
    scores = []
    for recipe, of_seed in of_recipe.items():
        by_seed = np.array([_pooled(of_seed[s]) for s in of_seed])
        fine = by_seed[~np.isnan(by_seed)]
        sd = float(fine.std(ddof=1)) if len(fine) > 1 else float("nan")
        interval = mean_interval(fine, low=0, high=1)
        n_failed = sum(bool(run.failed) for found in of_seed.values() for run in found)
        scores.append(HeadScore(recipe, tuple(of_seed), by_seed, interval, sd, n_failed))
    return scores


def compare_heads(runs: Iterable[HeadRun], first: HeadRecipe, second: HeadRecipe) -> Difference:
    """Accuracy of one recipe less that of another, clip by clip.

    For every clip, the share of the seeds for which its class was found is compared; seeds that failed with
    either recipe count with neither.

    Parameters
    ----------
    runs : iterable of HeadRun
        With both recipes on the same clips.
    first, second : HeadRecipe

    Returns
    -------
    Difference
        Mean over the clips with the interval and p of the paired t test; NaN if no seed is left.

    Raises
    ------
    ValueError
        If the two were not tested on the same clips with the same seeds.
    """
    shares = []
    everything = list(runs)
    failed = {run.seed for run in everything if run.failed and run.recipe in (first, second)}
    for recipe in (first, second):
        right: dict[int, dict[int, bool]] = {}
        for run in everything:
            if run.recipe == recipe and run.seed not in failed:
                found = (run.predictions == run.targets).tolist()
                right.setdefault(run.seed, {}).update(zip(run.rows.tolist(), found, strict=True))
        shares.append(right)
    if {s: set(r) for s, r in shares[0].items()} != {s: set(r) for s, r in shares[1].items()}:
        raise ValueError(
            "The recipes were tested on different clips or with different seeds; compare those of one call."
        )
    clips = sorted({clip for right in shares[0].values() for clip in right})
    x, y = (
        [np.mean([right[clip] for right in found.values() if clip in right]) for clip in clips]
        for found in shares
    )
    return paired_difference(x, y)


def _pooled(runs: Sequence[HeadRun]) -> float:
    if any(run.failed for run in runs):
        return float("nan")
    return sum(int((r.predictions == r.targets).sum()) for r in runs) / sum(len(r.rows) for r in runs)
