"""The models of Retrieval: one system of each in a table, and their differences to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.words import count
from dashboard import results, state
from dashboard.kit import form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.retrieval import data as retrieval
from dashboard.retrieval.data import Row
from dashboard.retrieval.parts import Chosen, estimate, plural
from jobs.specs import Spec
from jobs.workspace.workspace import Workspace

_HEADS = (
    ("model", ""),
    # The scores first: on a phone the rest is reached by scrolling.
    ("MAP@15 ↑|0 to 1", ""),
    ("MAP@150 ↑|0 to 1", ""),
    ("MR1 ↓|results before", ""),
    ("modality", "hs-words"),
    ("trained for", "hs-words"),
    ("parameters", ""),
    ("training data,|clips or pairs", ""),
    ("dimensions,|→ compared", ""),
)


@dataclass(frozen=True)
class Table:
    """How the models are shown."""

    sort: str
    #: Space that the others are compared to.
    reference: str


def choose(view: state.View, chosen: Chosen) -> Table:
    """Return how the models are shown: at first by MAP@15, and compared to the second space."""
    names = list(chosen.spaces)
    return Table(
        view.choice("sort", list(retrieval.SORTS), "map@15"),
        # Not to the one that is looked at first, which would be compared to itself below.
        view.choice("reference", names, names[min(1, len(names) - 1)]),
    )


def show(workspace: Workspace, view: state.View, chosen: Chosen, shown: Table) -> None:
    """Draw the table, what it waits for, and the differences."""
    st.subheader("All models", anchor=False)
    rows = retrieval.ordered([retrieval.row(chosen.asked(s)) for s in chosen.spaces], shown.sort)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.listed("Sort by", retrieval.SORTS, view.key("sort"), width=240)
    _table(rows, chosen.space)
    table.download(
        "retrieval-models-csv",
        chosen.file("retrieval"),
        lambda: retrieval.table(rows),
        _counts(chosen, rows),
    )
    layout.note_trained(chosen.spaces.values())
    missing: list[Spec] = [s for s in map(chosen.asked, chosen.spaces) if not results.has(s)]
    jobs.compute(workspace, missing, "Compute what is missing", "retrieval-models")
    layout.reading(
        f"Each clip is searched with in turn, once for each {chosen.thing} it carries; what comes back is "
        "right if it carries that too. **MAP@15** and **MAP@150** judge the first and the first ten pages of "
        "results, **MR1** counts what stands before the first right one; all are means over the queries of a "
        f"{chosen.thing}, then over {'classes' if chosen.by == 'label' else 'families'} (Table II of Araz et "
        "al., *Evaluation of deep audio representations for semantic sound similarity*, CBMI 2024). One "
        "system for all: mean over frames, 100 principal components, cosine (MCSS); a note says what is done "
        "otherwise. Small: 95% intervals over query clips. Bold: the best. A dash: not computed. Of each "
        "model is said what its own card says; “not known” is what it does not."
    )
    _differences(view, chosen, shown)


def _table(rows: Sequence[Row], chosen: str) -> None:
    best = {}
    for m in retrieval.MEASURES:
        values = [r.macro[m].value for r in rows if r.there]
        best[m] = (max if retrieval.better(m) > 0 else min)(values) if len(values) > 1 else None
    body = []
    for r in rows:
        cells = [
            Cell(r.space),
            *(estimate(e, m, best=r.there and e.value == best[m]) for m, e in r.macro.items()),
            _known(r.card.modality),
            _known(r.card.objective),
            _known(retrieval.rounded(r.card.parameters)),
            _known(retrieval.rounded(r.card.training_data)),
            Cell(f"{r.dimensions:,} → {r.compared:,}" if r.there else f"{r.dimensions:,}"),
        ]
        body.append(cells)
    here = next((i for i, r in enumerate(rows) if r.space == chosen), None)
    table.scores(_HEADS, body, label="Retrieval of all models", here=here, kind="hs-wide")
    # In the table they would need more room than there is.
    for r in rows:
        if r.note:
            st.caption(f"{plain(r.space)}: {plain(r.note)}")


def _counts(chosen: Chosen, rows: Sequence[Row]) -> str:
    first = next((r for r in rows if r.there), None)
    if first is None:
        return " "
    return (
        f"n = {count(first.n_queries, 'query')} by {count(first.n_clips, 'clip')}, "
        f"{first.n_classes:,} {plural(chosen.by, first.n_classes)}"
    )


def _known(text: str | None) -> Cell:
    return Cell("not known", kind="hs-unknown") if text is None else Cell(text)


def _differences(view: state.View, chosen: Chosen, shown: Table) -> None:
    done = chosen.done
    reference = next((s for s in done if s.embedding.encoder == shown.reference), None)
    if len(done) < 2:
        return
    name = retrieval.MEASURES[chosen.measure]
    st.subheader(f"Differences in {name}", anchor=False)
    form.listed("To the model", list(chosen.spaces), view.key("reference"), width=360)
    if reference is None:
        st.caption(f"{plain(shown.reference)} has not been computed yet: choose another, or compute it.")
        return
    order = [r.space for r in retrieval.ordered([retrieval.row(s) for s in done], chosen.measure)]
    found = retrieval.differences(done, reference, chosen.measure)
    found = sorted(found, key=lambda f: order.index(f.space))
    rows = [
        [
            Cell(f.space),
            Cell(retrieval.difference_said(f.difference.value, chosen.measure)),
            Cell(
                f"{retrieval.difference_said(f.difference.low, chosen.measure)} to "
                f"{retrieval.difference_said(f.difference.high, chosen.measure)}"
            ),
            Cell(numbers.p_value(f.difference.p)),
            Cell(numbers.p_value(f.p_holm), kind="hs-best" if f.p_holm < 0.05 else ""),
            Cell(f"{f.difference.n:,}"),
        ]
        for f in found
    ]
    arrow = "↑" if retrieval.better(chosen.measure) > 0 else "↓"
    heads = (
        ("model", ""),
        (f"{name} {arrow}|minus {shown.reference}", ""),
        ("95% interval", ""),
        ("p", ""),
        ("p, corrected|(Holm)", ""),
        ("n clips", ""),
    )
    table.scores(heads, rows, label=f"Differences in {name} to {shown.reference}", kind="hs-wide")
    table.download(
        "retrieval-differences-csv",
        chosen.file("differences", shown.reference, chosen.measure),
        lambda: retrieval.differences_table(found, shown.reference, chosen.measure),
    )
    layout.reading(
        "Both models answer the same queries, so what makes a clip easy or hard for both falls out, and a "
        "difference is surer than either number: paired t tests over clips, each clip by its share in the "
        "mean (jackknife, Tukey 1958). Bold: below 0.05 after Holm's correction (1979) for all rows of this "
        f"table. {'Above' if arrow == '↑' else 'Below'} 0 a model is better than {plain(shown.reference)}."
    )
