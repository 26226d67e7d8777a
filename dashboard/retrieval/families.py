"""Families and classes on Retrieval: where each model finds what is asked for, and where it does not."""

from __future__ import annotations

import streamlit as st

from dashboard import numbers, state, ui
from dashboard.memory import once
from dashboard.retrieval import data as retrieval
from dashboard.retrieval import figures
from dashboard.retrieval.parts import Chosen, download, estimate, table
from dashboard.retrieval.queries import Picked
from dashboard.ui import Cell
from jobs.specs import Retrieval

PLURAL = {"label": "Classes", "family": "Families"}
_HEAT = "retrieval-families"
_CLASSES = "retrieval-classes"
#: The table stays in sight beside a tall figure.
_SIDE = """
<style>
@media (min-width: 641px) {
  [data-testid="stColumn"]:has(.st-key-retrieval-inside) {
    position: sticky; top: 4.2rem; align-self: flex-start; }
}
</style>
"""


#: Pixels of a figure with headings of families that do not run into each other: beside them, and of each.
_ROOM, _COLUMN = 190, 118
_WIDE = """
<style>
.st-key-retrieval-families [data-testid="stElementContainer"]:has(.stPlotlyChart) { overflow-x: auto; }
.st-key-retrieval-families :is(.stPlotlyChart, [data-testid="stFullScreenFrame"]) { min-width: %dpx; }
</style>
"""


def show(chosen: Chosen, picked: Picked) -> None:
    """Draw the heatmap of models and families."""
    st.subheader("Families of sounds", anchor=False)
    measure, theme = chosen.measure, ui.theme()
    specs = chosen.done
    found = retrieval.heat(specs, measure)
    if found is None:
        st.info(
            f"{ui.plain(chosen.dataset.name)} says no families of its classes, so its classes are shown one "
            "by one. A table with a column “family”, or a dataset of which families are known (ESC-50, "
            "FSD50K), brings them.",
            icon=":material/info:",
        )
        return
    group = picked.label if chosen.by == "family" else picked.family
    words = [
        (f"{numbers.count(c, 'class')}, " if chosen.by == "label" else "") + f"n = {q:,}"
        for c, q in zip(found.n_classes, found.n_queries, strict=True)
    ]
    # On a phone it is scrolled sideways.
    st.html(_WIDE % (_ROOM + _COLUMN * len(found.groups)))
    ui.chart(
        once(
            ("figure", "families", tuple(s.key for s in specs), measure, chosen.space, group, theme),
            lambda: figures.groups_figure(
                found.spaces,
                found.groups,
                found.values,
                title=chosen.title(apart="<br>"),
                said=[[retrieval.said(v, measure) for v in line] for line in found.values.tolist()],
                words=words,
                higher=retrieval.better(measure) > 0,
                picked=(chosen.space, group),
                theme=theme,
            ),
        ),
        key=_HEAT,
        file=chosen.file("families", measure),
        csv=lambda: retrieval.csv(retrieval.heat_table(found, measure)),
        on_select=lambda: _cell(chosen),
        # Where it is scrolled sideways its title may be out of sight.
        caption=chosen.title(),
        alt=f"{retrieval.MEASURES[measure]} of {len(found.spaces)} models in {len(found.groups)} families",
    )
    lost = retrieval.left_out(chosen.spec)
    if lost:
        st.caption(
            "In no family, having several parents in the ontology or none, but counted among the models: "
            f"{numbers.count(len(lost), 'class')} ({ui.plain(', '.join(lost))})."
        )
    inside = (
        "the mean over the queries of a family, any clip of which is relevant"
        if chosen.by == "family"
        else "the mean over the classes of a family, asked for class by class"
    )
    ui.reading(
        f"Each number is {inside} (Figure 2 of Araz et al. 2024), n the queries behind it; the yellower, the "
        "better. Read along a row for what a model is good at, down a column for who is best at it. "
        "Click a cell to see what is behind it."
    )


def _cell(chosen: Chosen) -> None:
    for space, group in ui.clicked(_HEAT):
        st.session_state["retrieval.space"] = space
        st.session_state["retrieval.class" if chosen.by == "family" else "retrieval.family"] = group


def classes(view: state.View, chosen: Chosen, picked: Picked, reference: str) -> None:
    """Draw the classes of the chosen family as dots and as a table."""
    plural = PLURAL[chosen.by]
    where = f" · {ui.plain(picked.family)}" if picked.family else ""
    st.subheader(f"{plural} in {ui.plain(chosen.space)}{where}", anchor=False)
    specs = {chosen.space: chosen.spec}
    other = next((s for s in chosen.done if s.embedding.encoder == reference), None)
    if other is not None:
        specs.setdefault(reference, other)
    left, right = st.columns([1.15, 1], gap="large")
    with right, st.container(key="retrieval-inside"):
        st.html(_SIDE)
        if picked.families:
            st.selectbox(
                "Family",
                ["", *picked.families],
                format_func=lambda f: f or "all families",
                key=view.key("family"),
            )
        st.selectbox(chosen.thing.capitalize(), picked.classes, key=view.key("class"))
        with st.container(height=560 if len(picked.classes) > 10 else "content", border=False):
            _table(chosen, picked)
        download(
            "retrieval-classes-table-csv",
            chosen.file("classes", chosen.space),
            lambda: retrieval.csv(retrieval.classes(chosen.spec)),
        )
    with left:
        _dots(chosen, picked, specs)


def _dots(chosen: Chosen, picked: Picked, specs: dict[str, Retrieval]) -> None:
    measure, theme = chosen.measure, ui.theme()
    many = PLURAL[chosen.by]
    names, values, counts = retrieval.dots(specs, picked.classes, measure)
    ui.chart(
        once(
            (
                "figure",
                "retrieval-classes",
                tuple(s.key for s in specs.values()),
                measure,
                picked.family,
                picked.label,
                theme,
            ),
            lambda: figures.classes_figure(
                names,
                values,
                title=chosen.title(of_class=True, apart="<br>"),
                n=counts,
                digits=2 if measure == "mr1" else 3,
                chosen=picked.label,
                limit=None if measure == "mr1" else 1.0,
                theme=theme,
            ),
        ),
        key=_CLASSES,
        file=chosen.file("by-class", chosen.space, measure),
        csv=lambda: retrieval.csv(retrieval.classes_table(list(specs.values()), names, measure)),
        on_select=_dot,
        caption=f"{len(names):,} {many.lower()}, the best of {ui.plain(chosen.space)} at the top · "
        f"n = {_span(counts)} queries each",
        alt=f"{chosen.title(of_class=True)} of {len(names)} classes in {' and '.join(specs)}",
    )
    ui.reading(
        f"Each dot is the mean over the queries of a {chosen.thing}, with its 95% interval (Student's t)"
        + "".join(f"; hollow: {ui.plain(s)}, which models are compared to above" for s in list(specs)[1:])
        + f". Click a dot to see the queries of its {chosen.thing}."
    )


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _dot() -> None:
    for name in ui.clicked(_CLASSES):
        st.session_state["retrieval.class"] = name


def _table(chosen: Chosen, picked: Picked) -> None:
    found = {m: retrieval.by_class(chosen.spec, m) for m in retrieval.MEASURES}
    by = {m: dict(zip(f.names, f.estimates, strict=True)) for m, f in found.items()}
    names = retrieval.only(found[chosen.measure], picked.classes).names
    rows = [
        [Cell(n), Cell(f"{by['map@15'][n].n:,}"), *(estimate(by[m][n], m) for m in retrieval.MEASURES)]
        for n in names
    ]
    heads = [
        (chosen.thing, ""),
        ("n clips", ""),
        *((f"{retrieval.NAMES[o]} {'↓' if o == 'r1' else '↑'}", "") for o in retrieval.OF_QUERY.values()),
    ]
    here = names.index(picked.label) if picked.label in names else None
    table(heads, rows, label=f"{chosen.thing} by {chosen.thing} in {chosen.space}", here=here)
