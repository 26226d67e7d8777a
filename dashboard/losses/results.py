"""Accuracies in the form of the paper's table 2, and the four properties before and after."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.words import count
from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces
from dashboard.losses.data import AnyGrid
from dashboard.losses.figures import change_figure
from dashboard.losses.numbers import format_interval, format_percent
from dashboard.results import result
from jobs.workspace.workspace import Workspace

_PAPER = "Almudévar et al., *Angular distance distribution loss for audio classification*"
_HEADS = [
    ("loss", "hs-words"),
    ("accuracy, %|mean ± sd of seeds", ""),
    ("difference to|cross-entropy, points", ""),
    ("p|(Holm)", ""),
    ("the paper’s:|AST on ESC-50", ""),
]


def accuracies(workspace: Workspace, spec: AnyGrid, file: str) -> None:
    """Draw the table of this training, and those of other trainings beside it."""
    st.subheader("Accuracy", anchor=False)
    rows = [_row(a) for a in loss_numbers.accuracies(spec)]
    table.scores(_HEADS, rows, label="Accuracy by loss", kind="hs-wide")
    table.download(
        "losses-accuracies-csv", f"loss-accuracies-{file}", partial(loss_numbers.accuracies_table, spec)
    )
    layout.reading(
        f"As Table 2 of {_PAPER}: the mean over {count(spec.seeds, 'seed')}. The accuracy of a seed is over "
        f"{_tested(spec)}, every clip classified by a model that was not trained on its fold; ± is the "
        "standard deviation over seeds, small below it the 95% interval of the mean (Student’s t). "
        "**Differences** are paired clip by clip with their 95% interval: if it contains 0, the difference "
        "may be chance, however the means look; p is corrected for the number of losses (Holm 1979). The "
        "last column is what the paper reports for whole networks that were tuned, in Table 2 and Figure 5; "
        "other models need not show the same."
    )
    _side_by_side(workspace)


def _tested(spec: AnyGrid) -> str:
    """Describe the clips that an accuracy is over: all, or those of the folds that are held out."""
    folds, n = result(spec).folds, result(spec).n_clips
    held = sum(folds["n_clips"])
    if held == n:
        return f"all {count(n, 'clip')}"
    which = ", ".join(plain(str(name)) for name in folds["held_out"])
    of = count(len(folds["held_out"]), "fold")
    return f"the {count(held, 'clip')} of {of} ({which}), while all models are trained on the others"


def _row(a: dict[str, Any]) -> list[Cell]:
    # The spread of one seed is not known.
    interval = "one seed" if a["accuracy"] >= 0 else ""
    if np.isfinite(a["sd"]):
        interval = format_interval(a["low"], a["high"])
    apart = format_interval(a["difference_low"], a["difference_high"], signed=True)
    return [
        Cell(_whole(a["name"]), f"{a['n_failed']} failed" if a["n_failed"] else ""),
        Cell(format_percent(a["accuracy"], a["sd"]), interval, "hs-best" if a["best"] else ""),
        Cell(loss_numbers.format_points(a["difference"]), apart),
        Cell(numbers.p_value(a["p_holm"])),
        Cell("{:.2f} ± {:.2f}".format(*a["paper"]) if a["paper"] else "–", kind="hs-unknown"),
    ]


def _whole(name: str) -> str:
    """Keep the weights of a name in one line."""
    return name.replace(", ", ",\u00a0").replace(" (", "\u00a0(")


def _side_by_side(workspace: Workspace) -> None:
    """Draw the accuracies of all datasets and spaces side by side, if there are several."""
    trainings = loss_numbers.newest(workspace)
    if len(trainings) < 2:
        return
    with st.expander(f"All trainings side by side: {len(trainings)} columns", icon=":material/table:"):
        rows = [
            [Cell(_whole(name)), *map(_accuracy, row)]
            for name, row in loss_numbers.compare([spec for _, spec in trainings]).items()
        ]
        table.scores(
            [("loss", "hs-words"), *((losses.started_from(spec), "") for _, spec in trainings)],
            rows,
            label="Accuracy by loss, dataset and space",
            groups=[("", 1), *Counter(name for name, _ in trainings).items()],
            kind="hs-wide",
        )
        layout.reading(
            f"Table 2 of {_PAPER} with the datasets and spaces of this workspace: the newest training of "
            "each. Accuracy in percent, mean ± standard deviation over seeds; bold is the best of a column."
        )


def _accuracy(a: dict[str, Any] | None) -> Cell:
    if a is None:
        return Cell("–")
    return Cell(format_percent(a["accuracy"], a["sd"]), kind="hs-best" if a["best"] else "")


def properties(spec: AnyGrid, file: str) -> None:
    """Draw the four properties as small multiples over the settings."""
    st.subheader("Four properties, before and after", anchor=False)
    models = count(result(spec).n_models // len(spec.recipes), "model")
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    for place, (name, symbol, title, what) in zip(places, loss_numbers.PROPERTIES, strict=True):
        with place:
            st.markdown(f"**{title.capitalize()}, {symbol}**")
            chart.show(
                partial(
                    change_figure,
                    loss_numbers.changes(spec, name),
                    title=f"{what}<br>lower is better · {models} a row",
                ),
                remembered=("losses-property", spec.key, name),
                key=f"losses-{name}",
                file=f"{name}-{file}",
                csv=partial(loss_numbers.changes_table, spec, name),
                alt=f"{title} before and after training with {count(len(spec.recipes), 'loss')}",
            )
    layout.reading(
        "d is the cosine distance of two clips of the fold that was **held out**. The ring is "
        f"{spaces.describe_start(spec)}, the dot what training made of it (mean over models, with their "
        "standard deviation as a line), the diamond a loss that has a weight for this very property; the "
        "dashed line is cross-entropy. **Does each weight move its own property?** That is the question of "
        f"section 4.4 of {_PAPER}: a diamond should lie left of the dashed line. Look at all four: one that "
        "is lowered at the cost of another has moved the space, not improved it. Deviations are also small "
        "where all clips lie in one direction, with μₙ near 1. Point at a dot to see in how many models it "
        "is lower."
    )
