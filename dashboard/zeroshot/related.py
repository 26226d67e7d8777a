"""Correlations of the accuracies of a grid with what its models differ in, as in the paper's Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.splits import held_out
from core.statistics import (
    Correlation,
    Interval,
    blocked_permutation,
    mean_interval,
    pearson,
    regression,
    spearman,
)
from dashboard.kit.correlation import Fitted, fit_line
from dashboard.memory import once
from dashboard.zeroshot.data import RATIO, models
from jobs.specs import ZeroShotGrid


class Number(NamedTuple):
    """A number that accuracy is set against: its title, its axis, and its name in links and of files."""

    title: str
    axis: str
    link: str


#: By their names in the table of models.
AGAINST = {
    "ratio": Number("similarity ratio", RATIO, "similarity-ratio"),
    "train_test_similarity": Number(
        "mean train-test similarity",
        "mean cosine similarity of training<br>and test classes, −1 to 1",
        "train-test-similarity",
    ),
    "mean_similarity": Number(
        "mean similarity among training classes",
        "mean pairwise cosine similarity<br>of training classes, −1 to 1",
        "training-similarity",
    ),
}
#: The number that each setup varies, and its r and p in the paper's Table 1.
VARIED = {"similarity": "ratio", "diversity": "mean_similarity", "splits": "train_test_similarity"}
PAPER = {"similarity": (0.374, "< 0.001"), "diversity": (-0.434, "< 0.001")}
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Related:
    """The correlation of accuracy with a number: over all accuracies, and as a test that keeps to blocks.

    Of `n_models` models, `n_permuted` items in `n_blocks` blocks were permuted: the models themselves, or
    the splits that they were trained on where these were given. `permuted` is the p of that, NaN where
    nothing could be permuted.
    """

    pearson: Correlation
    spearman: Correlation
    permuted: float
    n_models: int
    n_permuted: int
    n_blocks: int
    line: Fitted | None


@dataclass(frozen=True)
class Summary:
    """All accuracies of a grid in a few numbers.

    Attributes
    ----------
    n_models, n : int
        Models, and accuracies: several a model where it has several test sets.
    mean : Interval
        Of all accuracies. The interval is over the means of blocks, whose models share test classes: given
        splits with the same test classes are one block, whatever their seeds.
    lowest, highest : float
    above : int
        Accuracies above chance.
    """

    n_models: int
    n: int
    mean: Interval
    lowest: float
    highest: float
    above: int


def summary(spec: ZeroShotGrid) -> Summary:
    """Summarise the accuracies of a grid."""
    m = models(spec)
    y, block = m["accuracy"], m["block"]
    if spec.setup == "splits":
        block = m["split"].astype(int).map(_by_tests(spec))
    over_blocks = mean_interval(y.groupby(block).mean().to_numpy(), low=0, high=1)
    return Summary(
        m["model"].nunique(),
        len(m),
        replace(over_blocks, value=float(y.mean())),
        float(y.min()),
        float(y.max()),
        int((y > m["chance"]).sum()),
    )


def against(spec: ZeroShotGrid) -> list[str]:
    """Return the numbers that accuracy can be set against, what the setup varies first."""
    first = VARIED[spec.setup]
    return [first, *(name for name in AGAINST if name not in (first, "ratio"))]


def related(spec: ZeroShotGrid, by: str) -> Related:
    """Compute the correlation of accuracy with a number of the models.

    Pearson and Spearman are over all accuracies, as in the paper's Table 1. The permutation keeps to the
    blocks of models that share test classes, and moves whole models: the accuracies of one model on several
    test sets count as one value, their mean. Of given splits it moves whole splits, whose models differ by
    their seeds alone, among those with the same test classes if any share them.
    """
    return once(("zero-shot-related", spec.key, by), lambda: _related(spec, by))


def _related(spec: ZeroShotGrid, by: str) -> Related:
    m = models(spec)
    x, y = m[by].to_numpy(float), m["accuracy"].to_numpy(float)
    given = spec.setup == "splits"
    whole = m.groupby("split" if given else "model", sort=True).agg(
        x=(by, "mean"), y=("accuracy", "mean"), block=("block", "first")
    )
    if given:
        tests = _by_tests(spec)
        blocks = [tests[int(i)] for i in whole.index]
        # If no two splits share their test classes, all are exchanged freely.
        whole["block"] = blocks if len(set(blocks)) < len(blocks) else "all splits"
    counts = m["model"].nunique(), len(whole), whole["block"].nunique()
    if len(m) < 2:
        none = Correlation(np.nan, np.nan, np.nan, np.nan, len(m))
        return Related(none, none, float("nan"), *counts, None)
    permuted = float("nan")
    if len(whole) > 2 and np.ptp(whole["x"]) > 0 and np.ptp(whole["y"]) > 0:
        a, b = whole["x"].to_numpy(float), whole["y"].to_numpy(float)
        block = whole["block"].to_numpy(str)
        permuted = float(blocked_permutation(a, b, block, permutations=PERMUTATIONS, seed=0))
    return Related(pearson(x, y), spearman(x, y), permuted, *counts, fit_line(x, y))


def _by_tests(spec: ZeroShotGrid) -> dict[int, str]:
    """Return a name for the test classes of each given split, the same for the same classes."""
    tests = [frozenset(c for t in held_out(split)[1] for c in t) for split in spec.parsed_splits]
    return {i: f"test classes {tests.index(t)}" for i, t in enumerate(tests)}


# -- tables -----------------------------------------------------------------------------------------------


def scatter_table(spec: ZeroShotGrid, by: str) -> pd.DataFrame:
    """Return accuracy and all numbers that it can be set against, with the line over `by` at each dot."""
    m = models(spec)
    x, y = m[by].to_numpy(float), m["accuracy"].to_numpy(float)
    frame = m[["model", "test_set", "seed", "block", *against(spec), "accuracy"]].copy()
    frame["test_set"] += 1
    if fit_line(x, y) is not None:
        line = regression(x, y, at=x)
        frame[f"line_over_{by}"] = line.value
        frame["line_low"], frame["line_high"] = line.low, line.high
    return frame


def related_table(specs: Sequence[ZeroShotGrid]) -> pd.DataFrame:
    """Return the correlations of grids, a row for each number that accuracy can be set against."""
    rows = []
    for spec in specs:
        for by in against(spec):
            r = related(spec, by)
            in_paper = spec.setup in PAPER and by == VARIED[spec.setup]
            paper_r, paper_p = PAPER[spec.setup] if in_paper else (None, "")
            rows.append(
                {
                    "setup": spec.setup,
                    "against": by,
                    "pearson_r": r.pearson.r,
                    "pearson_low": r.pearson.low,
                    "pearson_high": r.pearson.high,
                    "pearson_p": r.pearson.p,
                    "spearman_r": r.spearman.r,
                    "spearman_p": r.spearman.p,
                    "blocked_permutation_p": r.permuted,
                    "accuracies": r.pearson.n,
                    "models": r.n_models,
                    "permuted": r.n_permuted,
                    "blocks": r.n_blocks,
                    "paper_r": paper_r,
                    "paper_p": paper_p,
                }
            )
    return pd.DataFrame(rows)
