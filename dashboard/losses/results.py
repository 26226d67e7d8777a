"""Accuracies in the form of the paper's table 2, and the four properties before and after."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import streamlit as st

from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.data import Result
from dashboard.losses.figures import change_figure
from dashboard.losses.numbers import Accuracy
from jobs.workspace.workspace import Workspace

_PAPER = "Almudévar et al., *Angular distance distribution loss for audio classification*"


def accuracies(workspace: Workspace, found: Result, file: str) -> None:
    """Draw the table of this training, and those of others beside it where there are some."""
    st.subheader("Accuracy", anchor=False)
    rows = loss_numbers.accuracies(found)
    heads = [
        ("loss", "hs-words"),
        ("accuracy, %|mean ± sd of seeds", ""),
        ("difference to|cross-entropy, points", ""),
        ("p|(Holm)", ""),
        ("the paper’s:|AST on ESC-50", ""),
    ]
    table.scores(heads, [_row(a) for a in rows], label="Accuracy by loss", kind="hs-wide")
    table.download(
        "losses-accuracies-csv",
        f"loss-accuracies-{file}",
        partial(loss_numbers.accuracies_table, found),
    )
    layout.reading(
        f"As Table 2 of {_PAPER}: the mean over {numbers.count(found.spec.seeds, 'seed')}, each seed’s "
        f"accuracy being over {_judged(found)}, every clip judged by a model that had not heard its fold; ± "
        "is the standard deviation over seeds, small below it the 95% interval of the mean (Student’s t). "
        "**Differences** are paired clip by clip with their 95% interval: one that holds 0 may be chance, "
        "however the means look; p is corrected for the number of losses (Holm 1979). The last column is "
        "what the paper reports for whole networks that were tuned, in Table 2 and Figure 5; other models "
        "need not show the same."
    )
    _elsewhere(workspace)


def _judged(found: Result) -> str:
    """Say which clips an accuracy is over: all, or those of the folds that are held out."""
    folds, n = found.meta["folds"], int(found.meta["n_clips"])
    held = sum(int(k) for k in folds["n_clips"])
    if held == n:
        return f"all {numbers.count(n, 'clip')}"
    which = ", ".join(plain(str(name)) for name in folds["held_out"])
    said = numbers.count(len(folds["held_out"]), "fold")
    return f"the {numbers.count(held, 'clip')} of {said} ({which}), while all models learn from the others"


def _beside(a: Accuracy | None) -> Cell:
    if a is None:
        return Cell("–")
    return Cell(loss_numbers.percent(a.value, a.sd), kind="hs-best" if a.best else "")


def _row(a: Accuracy) -> list[Cell]:
    accuracy = loss_numbers.percent(a.value, a.sd)
    # One seed says nothing of how seeds spread.
    interval = loss_numbers.span(a.low, a.high) if np.isfinite(a.sd) else "one seed" if a.value >= 0 else ""
    failed = f"{a.n_failed} failed" if a.n_failed else ""
    difference = loss_numbers.points(a.difference)
    apart = loss_numbers.span(a.difference_low, a.difference_high, signed=True)
    paper = f"{a.paper[0]:.2f} ± {a.paper[1]:.2f}" if a.paper else "–"
    return [
        Cell(_whole(a.name), failed),
        Cell(accuracy, interval, "hs-best" if a.best else ""),
        Cell(difference, apart),
        Cell(numbers.p_value(a.p)),
        Cell(paper, kind="hs-unknown"),
    ]


def _whole(name: str) -> str:
    """Keep the weights of a name in one line."""
    return name.replace(", ", ",\u00a0").replace(" (", "\u00a0(")


def _elsewhere(workspace: Workspace) -> None:
    """Draw the accuracies of all datasets and spaces side by side, where there is more than one."""
    done = loss_numbers.everywhere(workspace)
    if len(done) < 2:
        return
    with st.expander(f"All trainings side by side: {len(done)} columns", icon=":material/table:"):
        names, cells = loss_numbers.beside([g for _, g in done])
        heads = [("loss", "hs-words"), *((losses.started_from(g.spec), "") for _, g in done)]
        groups = [("", 1), *Counter(name for name, _ in done).items()]
        rows = [
            [
                Cell(_whole(name)),
                *map(_beside, row),
            ]
            for name, row in zip(names, cells, strict=True)
        ]
        table.scores(heads, rows, label="Accuracy by loss, dataset and space", groups=groups, kind="hs-wide")
        layout.reading(
            f"Table 2 of {_PAPER} with the datasets and spaces of this workspace: the newest training of "
            "each. Accuracy in percent, mean ± standard deviation over seeds; bold is the best of a column."
        )


def properties(found: Result, file: str) -> None:
    """Draw the four properties as small multiples over the settings."""
    st.subheader("Four properties, before and after", anchor=False)
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    models = numbers.count(found.models_each, "model")
    for place, (name, symbol, title, what) in zip(places, loss_numbers.PROPERTIES, strict=True):
        shown = loss_numbers.change(found, name)
        with place:
            st.markdown(f"**{title.capitalize()}, {symbol}**")
            chart.show(
                partial(
                    change_figure,
                    shown.names,
                    shown.before,
                    shown.after,
                    shown.sd,
                    title=f"{what}<br>lower is better · {models} a row",
                    own=shown.own,
                    said=shown.said,
                    level=shown.level,
                ),
                remembered=("losses-property", found.spec.key, name),
                key=f"losses-{name}",
                file=f"{name}-{file}",
                csv=partial(loss_numbers.changes_table, found, name),
                alt=f"{title} before and after training with {numbers.count(len(shown.names), 'loss')}",
            )
    layout.reading(
        "d is the cosine distance of two clips of the fold that was **held out**. The ring is "
        f"{loss_spaces.before_is(found)}, the dot what training made of it (mean over models, with their "
        "standard deviation as a line), the diamond a loss that has a weight for this very property; the "
        "dashed line is cross-entropy. **Does each weight move its own property?** That is the question of "
        f"section 4.4 of {_PAPER}: a diamond should lie left of the dashed line. Look at all four: one that "
        "is lowered at the cost of another has moved the space, not mended it. Deviations are small, too, "
        "where all clips lie in one direction, with μₙ near 1. Point at a dot to see in how many models it "
        "is lower."
    )
