"""Families and classes on Retrieval: where each model finds what is asked for, and where it does not."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.kit import chart, form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.retrieval import class_data, figures
from dashboard.retrieval import data as retrieval
from dashboard.retrieval.parts import Chosen, estimate
from dashboard.retrieval.queries import Picked
from jobs.specs import Retrieval

PLURAL = {"label": "Classes", "family": "Families"}
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


def show(chosen: Chosen, picked: Picked) -> None:
    """Draw the heatmap of models and families."""
    st.subheader("Families of sounds", anchor=False)
    measure = chosen.measure
    specs = chosen.done
    found = class_data.heat(specs, measure)
    if found is None:
        st.info(
            f"{plain(chosen.dataset.name)} says no families of its classes, so its classes are shown one "
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
    layout.wide("retrieval-families", len(found.groups), beside=_ROOM, column=_COLUMN)
    chart.show(
        lambda theme: figures.groups_figure(
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
        remembered=("families", tuple(s.key for s in specs), measure, chosen.space, group),
        key="retrieval-families",
        file=chosen.file("families", measure),
        csv=lambda: class_data.heat_table(found, measure),
        chooses=("retrieval.space", f"retrieval.{'class' if chosen.by == 'family' else 'family'}"),
        # Where it is scrolled sideways its title may be out of sight.
        caption=chosen.title(),
        alt=f"{retrieval.MEASURES[measure]} of {len(found.spaces)} models in {len(found.groups)} families",
    )
    lost = class_data.left_out(chosen.spec)
    if lost:
        st.caption(
            "In no family, having several parents in the ontology or none, but counted among the models: "
            f"{numbers.count(len(lost), 'class')} ({plain(', '.join(lost))})."
        )
    inside = (
        "the mean over the queries of a family, any clip of which is relevant"
        if chosen.by == "family"
        else "the mean over the classes of a family, asked for class by class"
    )
    layout.reading(
        f"Each number is {inside} (Figure 2 of Araz et al. 2024), n the queries behind it; the yellower, the "
        "better. Read along a row for what a model is good at, down a column for who is best at it. "
        "Click a cell to see what is behind it."
    )


def classes(view: state.View, chosen: Chosen, picked: Picked, reference: str) -> None:
    """Draw the classes of the chosen family as dots and as a table."""
    plural = PLURAL[chosen.by]
    where = f" · {plain(picked.family)}" if picked.family else ""
    st.subheader(f"{plural} in {plain(chosen.space)}{where}", anchor=False)
    specs = {chosen.space: chosen.spec}
    other = next((s for s in chosen.done if s.embedding.encoder == reference), None)
    if other is not None:
        specs.setdefault(reference, other)
    left, right = st.columns([1.15, 1], gap="large")
    with right, st.container(key="retrieval-inside"):
        st.html(_SIDE)
        if picked.families:
            families = {"": "all families"} | {name: name for name in picked.families}
            form.listed("Family", families, view.key("family"))
        form.listed(chosen.thing.capitalize(), picked.classes, view.key("class"))
        with st.container(height=560 if len(picked.classes) > 10 else "content", border=False):
            _table(chosen, picked)
        table.download(
            "retrieval-classes-table-csv",
            chosen.file("classes", chosen.space),
            lambda: class_data.classes(chosen.spec),
        )
    with left:
        _dots(chosen, picked, specs)


def _dots(chosen: Chosen, picked: Picked, specs: dict[str, Retrieval]) -> None:
    measure = chosen.measure
    many = PLURAL[chosen.by]
    names, values, counts = class_data.dots(specs, picked.classes, measure)
    chart.show(
        lambda theme: figures.classes_figure(
            names,
            values,
            title=chosen.title(of_class=True, apart="<br>"),
            n=counts,
            digits=2 if measure == "mr1" else 3,
            chosen=picked.label,
            limit=None if measure == "mr1" else 1.0,
            theme=theme,
        ),
        remembered=(
            "retrieval-classes",
            tuple(s.key for s in specs.values()),
            measure,
            picked.family,
            picked.label,
        ),
        key="retrieval-classes",
        file=chosen.file("by-class", chosen.space, measure),
        csv=lambda: class_data.classes_table(list(specs.values()), names, measure),
        chooses="retrieval.class",
        caption=f"{len(names):,} {many.lower()}, the best of {plain(chosen.space)} at the top · "
        f"n = {numbers.span(counts)} queries each",
        alt=f"{chosen.title(of_class=True)} of {len(names)} classes in {' and '.join(specs)}",
    )
    layout.reading(
        f"Each dot is the mean over the queries of a {chosen.thing}, with its 95% interval (Student's t)"
        + "".join(f"; hollow: {plain(s)}, which models are compared to above" for s in list(specs)[1:])
        + f". Click a dot to see the queries of its {chosen.thing}."
    )


def _table(chosen: Chosen, picked: Picked) -> None:
    found = {m: class_data.by_class(chosen.spec, m) for m in retrieval.MEASURES}
    by = {m: dict(zip(f.names, f.estimates, strict=True)) for m, f in found.items()}
    names = class_data.only(found[chosen.measure], picked.classes).names
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
    table.scores(
        heads, rows, label=f"{chosen.thing} by {chosen.thing} in {chosen.space}", here=here, kind="hs-wide"
    )
