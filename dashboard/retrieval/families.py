"""Families and classes on Retrieval: which sounds each model retrieves well, and which it does not."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.kit import chart, form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.results import result
from dashboard.retrieval import class_data, figures
from dashboard.retrieval.data import MEASURES
from dashboard.retrieval.parts import Chosen, estimate_cell
from dashboard.retrieval.queries import Picked

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
    m, specs = chosen.measure, chosen.done
    frame = class_data.by_family(specs, m)
    if frame.empty:
        st.info(
            f"{plain(chosen.dataset.name)} has no families of classes, so its classes are shown one "
            "by one. Import a table with a column “family”, or a dataset whose families are known (ESC-50, "
            "FSD50K), to see them.",
            icon=":material/info:",
        )
        return
    by_label = chosen.by == "label"
    group = picked.family if by_label else picked.label
    values = frame.pivot(index="space", columns="family", values=m.name)
    values = values.reindex([s.embedding.encoder for s in specs])
    sizes = frame.drop_duplicates("family")[["classes", "queries"]]
    contents = [
        (f"{numbers.count(classes, 'class')}, " if by_label else "") + f"n = {queries:,}"
        for classes, queries in sizes.itertuples(index=False)
    ]
    # On a phone it is scrolled sideways.
    layout.wide("retrieval-families", values.shape[1], beside=_ROOM, column=_COLUMN)
    chart.show(
        lambda theme: figures.families_figure(
            values, m, contents=contents, picked=(chosen.space, group), theme=theme
        ),
        remembered=("families", tuple(s.key for s in specs), m.name, chosen.space, group),
        key="retrieval-families",
        file=chosen.file("families", m.name),
        csv=lambda: frame,
        chooses=("retrieval.space", f"retrieval.{'family' if by_label else 'class'}"),
        # Where it is scrolled sideways its title may be out of sight.
        caption=m.axis(),
        alt=f"{m.title} of {len(values)} models in {values.shape[1]} families",
    )
    if by_label and (lost := result(chosen.spec).left_out):
        st.caption(
            "In no family, having several parents in the ontology or none, but counted among the models: "
            f"{numbers.count(len(lost), 'class')} ({plain(', '.join(lost))})."
        )
    inside = (
        "the mean over the classes of a family, asked for class by class"
        if by_label
        else "the mean over the queries of a family, any clip of which is relevant"
    )
    layout.reading(
        f"Each number is {inside} (Figure 2 of Araz et al. 2024), n the number of its queries; the yellower, "
        "the better. Read along a row for what a model is good at, down a column for the best model of a "
        "family. Click a cell to see its classes and queries below."
    )


def classes(view: state.View, chosen: Chosen, picked: Picked, reference: str) -> None:
    """Draw the classes of the chosen family as dots and as a table."""
    where = f" · {plain(picked.family)}" if picked.family else ""
    st.subheader(f"{chosen.things().capitalize()} in {plain(chosen.space)}{where}", anchor=False)
    left, right = st.columns([1.15, 1], gap="large")
    with right, st.container(key="retrieval-inside"):
        st.html(_SIDE)
        if picked.families:
            options = {"": "all families"} | {name: name for name in picked.families}
            form.listed("Family", options, view.key("family"))
        form.listed(chosen.thing.capitalize(), picked.classes, view.key("class"))
        with st.container(height=560 if len(picked.classes) > 10 else "content", border=False):
            _table(chosen, picked)
        table.download(
            "retrieval-classes-table-csv",
            chosen.file("classes", chosen.space),
            lambda: class_data.classes(chosen.spec),
        )
    with left:
        _dots(chosen, picked, reference)


def _dots(chosen: Chosen, picked: Picked, reference: str) -> None:
    m = chosen.measure
    specs = [chosen.spec]
    specs += [s for s in chosen.done if s.embedding.encoder == reference != chosen.space]
    shown = class_data.dots(specs, picked.classes, m)
    counts = shown[chosen.space]["n"].tolist()
    chart.show(
        lambda theme: figures.classes_figure(shown, m, chosen=picked.label, theme=theme),
        remembered=(
            "retrieval-classes",
            tuple(s.key for s in specs),
            m.name,
            picked.family,
            picked.label,
        ),
        key="retrieval-classes",
        file=chosen.file("by-class", chosen.space, m.name),
        csv=lambda: class_data.classes_table(specs, picked.classes, m),
        chooses="retrieval.class",
        caption=f"{len(counts):,} {chosen.things()}, the best of {plain(chosen.space)} at the top · "
        f"n = {numbers.span(counts)} queries each",
        alt=f"{m.axis(of_class=True)} of {len(counts)} classes in {' and '.join(shown)}",
    )
    layout.reading(
        f"Each dot is the mean over the queries of a {chosen.thing}, with its 95% interval (Student's t)"
        + "".join(f"; hollow: {plain(s)}, which models are compared to above" for s in list(shown)[1:])
        + f". Click a dot to see the queries of its {chosen.thing}."
    )


def _table(chosen: Chosen, picked: Picked) -> None:
    frames = [class_data.by_class(chosen.spec, m) for m in MEASURES.values()]
    names = list(class_data.by_class(chosen.spec, chosen.measure, picked.classes).index)
    rows = [
        [
            Cell(name),
            Cell(f"{frames[0].loc[name, 'n']:,}"),
            *(
                estimate_cell(numbers.Estimate(**frame.loc[name].to_dict()), m)
                for frame, m in zip(frames, MEASURES.values(), strict=True)
            ),
        ]
        for name in names
    ]
    heads = [chosen.thing, "n clips", *(f"{m.query_title} {m.arrow}" for m in MEASURES.values())]
    table.scores(
        [(head, "") for head in heads],
        rows,
        label=f"{chosen.thing} by {chosen.thing} in {chosen.space}",
        here=names.index(picked.label) if picked.label in names else None,
        kind="hs-wide",
    )
