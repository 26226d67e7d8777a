"""How the accuracies of a grid go with what its models differ in: Table 1 of the paper, and beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core import statistics
from core.splits import held_out
from core.statistics import Correlation, Interval
from dashboard.kit.correlation import Fitted, fit_line
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.zeroshot.data import RATIO, Result
from jobs.specs import ZeroShotGrid

#: What accuracy is set against: name in the table of models to name on the page.
AGAINST = {
    "ratio": "similarity ratio",
    "train_test_similarity": "mean train-test similarity",
    "mean_similarity": "mean similarity among training classes",
}
#: The same on the axis of a figure, with unit and meaning.
AXES = {
    "ratio": RATIO,
    "train_test_similarity": "mean cosine similarity of training<br>and test classes, −1 to 1",
    "mean_similarity": "mean pairwise cosine similarity<br>of training classes, −1 to 1",
}
#: The same in links and names of files.
LINKS = {
    "ratio": "similarity-ratio",
    "train_test_similarity": "train-test-similarity",
    "mean_similarity": "training-similarity",
}
#: The number that each setup varies, and what the paper's Table 1 says of it.
VARIED = {"similarity": "ratio", "diversity": "mean_similarity", "splits": "train_test_similarity"}
PAPER = {"similarity": (0.374, "< 0.001"), "diversity": (-0.434, "< 0.001")}
PERMUTATIONS = 10_000


@dataclass(frozen=True)
class Related:
    """How accuracy goes with a number: over all accuracies, and as a test that keeps to blocks.

    Of `n_models` models, `n_permuted` things in `n_blocks` blocks were permuted: the models themselves, or
    the splits that they were trained on where these are one's own. `permuted` is the p of that, NaN where
    nothing could be.
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
        Models, and accuracies: several a model where there are several test sets.
    mean : Interval
        Of all accuracies. The interval is over the means of blocks, whose models share test classes: those of
        one's own splits are of one block where they have the same test classes, whatever their seeds.
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


def summary(found: Result) -> Summary:
    """Sum up the accuracies of a grid."""
    m = found.models
    y = m["accuracy"]
    block = m["block"]
    if found.spec.setup == "splits":
        block = m["split"].astype(int).map(_by_tests(found.spec))
    over_blocks = statistics.mean_interval(y.groupby(block).mean().to_numpy(), low=0, high=1)
    return Summary(
        m["model"].nunique(),
        len(m),
        replace(over_blocks, value=float(y.mean())),
        float(y.min()),
        float(y.max()),
        int((y > m["chance"]).sum()),
    )


def against(found: Result) -> list[str]:
    """Return what accuracy can be set against: what the setup varies comes first."""
    first = VARIED[found.spec.setup]
    rest = [name for name in AGAINST if name not in (first, "ratio")]
    return [first, *rest]


def related(found: Result, by: str) -> Related:
    """Return how accuracy goes with a number of the models.

    Pearson and Spearman are over all accuracies, as in the paper's Table 1. The permutation keeps to the
    blocks of models that share test classes, and moves whole models: the accuracies of one model on several
    test sets are one value there, their mean. Of splits of one's own it moves whole splits, whose models
    differ by their seeds alone, among those with the same test classes where there are such.
    """

    def compute() -> Related:
        m = found.models
        x, y = m[by].to_numpy(float), m["accuracy"].to_numpy(float)
        own = found.spec.setup == "splits"
        whole = m.groupby("split" if own else "model", sort=True).agg(
            x=(by, "mean"), y=("accuracy", "mean"), block=("block", "first")
        )
        if own:
            tests = _by_tests(found.spec)
            blocks = [tests[int(i)] for i in whole.index]
            # Where no two splits share their test classes, there is nothing to keep apart.
            whole["block"] = blocks if len(set(blocks)) < len(blocks) else "all splits"
        numbers = m["model"].nunique(), len(whole), whole["block"].nunique()
        if len(m) < 2:
            none = statistics.Correlation(np.nan, np.nan, np.nan, np.nan, len(m))
            return Related(none, none, float("nan"), *numbers, None)
        permuted = float("nan")
        if len(whole) > 2 and np.ptp(whole["x"]) > 0 and np.ptp(whole["y"]) > 0:
            permuted = float(
                statistics.blocked_permutation(
                    whole["x"].to_numpy(float),
                    whole["y"].to_numpy(float),
                    whole["block"].to_numpy(str),
                    permutations=PERMUTATIONS,
                    seed=0,
                )
            )
        return Related(
            statistics.pearson(x, y),
            statistics.spearman(x, y),
            permuted,
            *numbers,
            fit_line(x, y),
        )

    return once(("zero-shot-related", found.spec.key, by), compute)


def _by_tests(spec: ZeroShotGrid) -> dict[int, str]:
    """Return a name for the test classes of each given split, the same where these are the same."""
    tests = [frozenset(c for t in held_out(split)[1] for c in t) for split in spec.parsed_splits]
    return {i: f"test classes {tests.index(t)}" for i, t in enumerate(tests)}


# -- tables -----------------------------------------------------------------------------------------------


def scatter_table(found: Result, by: str) -> bytes:
    """Return accuracy and all it can be set against as CSV, with the line over `by` at each dot."""
    m = found.models
    x, y = m[by].to_numpy(float), m["accuracy"].to_numpy(float)
    frame = m[["model", "test_set", "seed", "block", *against(found), "accuracy"]].copy()
    frame["test_set"] += 1
    if fit_line(x, y) is not None:
        fitted = statistics.regression(x, y, at=x)
        frame[f"line_over_{by}"] = fitted.value
        frame["line_low"], frame["line_high"] = fitted.low, fitted.high
    return csv(frame)


def related_table(shown: Sequence[Result]) -> bytes:
    """Return the correlations of grids as CSV, a row for each number that accuracy can be set against."""
    rows = []
    for found in shown:
        for by in against(found):
            r = related(found, by)
            paper = PAPER.get(found.spec.setup) if by == VARIED[found.spec.setup] else None
            rows.append(
                {
                    "setup": found.spec.setup,
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
                    "paper_r": paper[0] if paper else None,
                    "paper_p": paper[1] if paper else "",
                }
            )
    return csv(pd.DataFrame(rows))
