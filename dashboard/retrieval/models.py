"""The models of Retrieval: one system of each in a table, and their differences to one of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.words import count
from dashboard import results, state
from dashboard.kit import form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.retrieval import data as retrieval
from dashboard.retrieval.data import MEASURES
from dashboard.retrieval.parts import Chosen, estimate_cell
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


class Table(NamedTuple):
    """The order of the models, and the space that the others are compared to."""

    sort: str
    reference: str


def choose(view: state.View, chosen: Chosen) -> Table:
    """Read how the models are shown: at first by MAP@15, and compared to the second space."""
    names = list(chosen.spaces)
    return Table(
        view.choice("sort", list(retrieval.SORTS), "map@15"),
        # Not to the space that is looked at first, which would be compared to itself below.
        view.choice("reference", names, names[min(1, len(names) - 1)]),
    )


def show(workspace: Workspace, view: state.View, chosen: Chosen, options: Table) -> None:
    """Draw the table, the button for missing results, and the differences."""
    st.subheader("All models", anchor=False)
    specs = [chosen.of_space(s) for s in chosen.spaces]
    rows = retrieval.ordered(retrieval.models(specs), options.sort)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.listed("Sort by", retrieval.SORTS, view.key("sort"), width=240)
    _table(rows, chosen.space)
    table.download("retrieval-models-csv", chosen.file("retrieval"), lambda: rows, _counts(chosen, rows))
    layout.note_trained(chosen.spaces.values())
    missing: list[Spec] = [s for s in specs if not results.has(s)]
    jobs.compute(workspace, missing, "Compute what is missing", "retrieval-models")
    layout.reading(
        f"Each clip is searched with in turn, once for each {chosen.thing} it carries; a result is relevant "
        "if it carries that too. **MAP@15** and **MAP@150** judge the first and the first ten pages of "
        "results, **MR1** counts the results before the first relevant one; all are means over the queries "
        f"of a {chosen.thing}, then over {chosen.things()} (Table II of Araz et al., *Evaluation of deep "
        "audio representations for semantic sound similarity*, CBMI 2024). One system for all: mean over "
        "frames, 100 principal components, cosine (MCSS); a note names any exception. Small: 95% intervals "
        "over query clips. Bold: the best. A dash: not computed. What is known of a model is from its own "
        "card; “not known” is missing there."
    )
    _differences(view, chosen, rows, options.reference)


def _table(rows: pd.DataFrame, chosen: str) -> None:
    best = {
        m.name: (m.better * rows[m.name]).max() * m.better if rows[m.name].count() > 1 else None
        for m in MEASURES.values()
    }
    body = []
    for r in rows.to_dict("records"):
        computed = "" if pd.isna(r["queries"]) else f" → {r['compared_dimensions']:,.0f}"
        body.append(
            [
                Cell(r["space"]),
                *(_score(r, m, best[m.name]) for m in MEASURES.values()),
                _known(r["modality"]),
                _known(r["objective"]),
                _known(retrieval.rounded(r["parameters"])),
                _known(retrieval.rounded(r["training_data"])),
                Cell(f"{r['dimensions']:,}{computed}"),
            ]
        )
    here = list(rows["space"]).index(chosen) if chosen in set(rows["space"]) else None
    table.scores(_HEADS, body, label="Retrieval of all models", here=here, kind="hs-wide")
    # In the table the notes would need more room than there is.
    for space, note in zip(rows["space"], rows["note"], strict=True):
        if note:
            st.caption(f"{plain(space)}: {plain(note)}")


def _score(row: dict[Any, Any], m: retrieval.Measure, best: float | None) -> Cell:
    if pd.isna(row["queries"]):
        return Cell("–")
    e = numbers.Estimate(row[m.name], row[f"{m.name}_low"], row[f"{m.name}_high"], int(row["queries"]))
    return estimate_cell(e, m, best=e.value == best)


def _known(text: Any) -> Cell:
    return Cell(text) if isinstance(text, str) else Cell("not known", kind="hs-unknown")


def _counts(chosen: Chosen, rows: pd.DataFrame) -> str:
    computed = rows.dropna(subset="queries")
    if computed.empty:
        return " "
    queries, clips, classes = (int(computed[k].iloc[0]) for k in ("queries", "clips", "classes"))
    return f"n = {count(queries, 'query')} by {count(clips, 'clip')}, {classes:,} {chosen.things(classes)}"


def _differences(view: state.View, chosen: Chosen, models: pd.DataFrame, name: str) -> None:
    done = chosen.done
    reference = next((s for s in done if s.embedding.encoder == name), None)
    if len(done) < 2:
        return
    m = chosen.measure
    st.subheader(f"Differences in {m.title}", anchor=False)
    form.listed("To the model", list(chosen.spaces), view.key("reference"), width=360)
    if reference is None:
        st.caption(f"{plain(name)} has not been computed yet: choose another, or compute it.")
        return
    order = list(retrieval.ordered(models, m.name)["space"])
    specs = sorted(done, key=lambda s: order.index(s.embedding.encoder))
    frame = retrieval.differences(specs, reference, m.name)
    rows = [
        [
            Cell(d["space"]),
            Cell(m.text(d["difference"], "+")),
            Cell(f"{m.text(d['low'], '+')} to {m.text(d['high'], '+')}"),
            Cell(numbers.p_value(d["p"])),
            Cell(numbers.p_value(d["p_holm"]), kind="hs-best" if d["p_holm"] < 0.05 else ""),
            Cell(f"{d['clips']:,}"),
        ]
        for d in frame.to_dict("records")
    ]
    titles = [f"{m.title} {m.arrow}|minus {name}", "95% interval", "p", "p, corrected|(Holm)", "n clips"]
    heads = [(title, "") for title in ("model", *titles)]
    table.scores(heads, rows, label=f"Differences in {m.title} to {name}", kind="hs-wide")
    table.download("retrieval-differences-csv", chosen.file("differences", name, m.name), lambda: frame)
    layout.reading(
        "Both models answer the same queries, so what makes a clip easy or hard for both cancels out, and a "
        "difference is known better than either number: paired t tests over clips, each clip by its share in "
        "the mean (jackknife, Tukey 1958). Bold: below 0.05 after Holm's correction (1979) for all rows of "
        f"this table. {'Above' if m.better > 0 else 'Below'} 0 a model is better than {plain(name)}."
    )
