"""Accuracies of heads and of networks: over seeds, and of two recipes clip by clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

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
        Share of the clips of all folds whose class was predicted, each by the model that was
        not trained on its fold; NaN for a seed of which a model failed.
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
        n_failed = sum(bool(run.failed) for own in of_seed.values() for run in own)
        scores.append(HeadScore(recipe, tuple(of_seed), by_seed, interval, sd, n_failed))
    return scores


def compare_heads(runs: Iterable[HeadRun], first: HeadRecipe, second: HeadRecipe) -> Difference:
    """Accuracy of one recipe less that of another, clip by clip.

    For every clip, the share of the seeds that predicted its class is compared; seeds that failed with
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
    every = list(runs)
    failed = {run.seed for run in every if run.failed and run.recipe in (first, second)}
    x, y = (
        _hits(run for run in every if run.recipe == recipe and run.seed not in failed)
        for recipe in (first, second)
    )
    if not x.index.equals(y.index):
        raise ValueError(
            "The recipes were tested on different clips or with different seeds; compare those of one call."
        )
    return paired_difference(x.groupby("clip").mean(), y.groupby("clip").mean())


def _hits(runs: Iterable[HeadRun]) -> pd.Series:
    """Return 1 for every seed and clip whose class was predicted, and 0 for the others."""
    rows = [
        (run.seed, clip, float(hit))
        for run in runs
        for clip, hit in zip(run.rows.tolist(), run.predictions == run.targets, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["seed", "clip", "hit"])
    return frame.set_index(["seed", "clip"])["hit"].sort_index()


def _pooled(runs: Sequence[HeadRun]) -> float:
    if any(run.failed for run in runs):
        return float("nan")
    return sum(int((r.predictions == r.targets).sum()) for r in runs) / sum(len(r.rows) for r in runs)
