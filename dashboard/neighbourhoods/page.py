"""Neighbourhoods: whether two spaces agree on who is near whom, over every size of neighbourhood."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from dashboard import results, state
from dashboard.kit import chart, jobs, layout, numbers, page, table
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.neighbourhoods import data as agreement
from dashboard.neighbourhoods import figures, reading, spaces_figure
from dashboard.neighbourhoods.controls import AXES, DEFINITIONS, SELF, Choices, Options, controls, options
from dashboard.neighbourhoods.data import Pair
from dashboard.neighbourhoods.figures import p_text
from dashboard.neighbourhoods.lists import disagreement
from dashboard.neighbourhoods.parts import broad, number, swatch
from jobs.workspace import Dataset
from jobs.workspace.workspace import Workspace

TITLE = "Neighbourhoods"
ICON = ":material/hub:"
ORDER = 40

_CURVES = "neighbourhoods-curves"
_MATRIX = "neighbourhoods-matrix"
#: Rows that debiased CKA needs.
_DEBIASED = 4
_AXIS = {
    "overlap": "S<sub>k</sub>, share of neighbours in both",
    "jaccard": "NNGS, mean Jaccard index",
    "adjusted": "S<sub>k</sub> above chance",
}


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "neighbourhoods", TITLE, _page, wait=False)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    chosen = controls(workspace, view, dataset)
    if chosen is None:
        return
    found = options(view, chosen)
    view.write()
    layout.notes(view.notes)
    st.title(f"{TITLE} · {chosen.dataset.name}")
    page.words(
        chosen.dataset,
        numbers.count(chosen.clips.n, "clip"),
        numbers.count(len(agreement.class_names(chosen.clips)), "class"),
        f"{numbers.count(len(chosen.spaces), 'space')}, {numbers.count(len(chosen.pairs), 'pair')}",
    )
    _compute(workspace, chosen)
    if not chosen.ready:
        return
    _curves(view, chosen, found)
    _summary(view, chosen, found)
    _matrix(view, chosen, found)
    disagreement(view, chosen, found)


def _compute(workspace: Workspace, chosen: Choices) -> None:
    n = sum(not results.has(p.spec) for p in chosen.pairs)
    what = f"the agreement of {numbers.count(n, 'pair')}" if n else "the lists of neighbours"
    by = " by class" if chosen.of == "classes" else ""
    jobs.compute(
        workspace,
        chosen.wanted(),
        f"Compute {what}",
        "neighbourhoods",
        text="" if chosen.ready else f"How far these spaces agree{by} has not been computed yet.",
        each=False,
    )


# -- curves -----------------------------------------------------------------------------------------------


def _curves(view: state.View, chosen: Choices, o: Options) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        pick(view, "show", "Measure", agreement.MEASURES)
        pick(view, "self", "Neighbours", SELF, disabled=o.measure == "jaccard")
        pick(view, "axis", "Axis of k", AXES)
    drawn = [p for p in chosen.drawn if results.has(p.spec)]
    if not drawn:
        st.info("Choose at least one pair under Curves at the left.", icon=":material/info:")
    else:
        title = _AXIS[o.measure] + _itself(o)
        curves = []
        for p in drawn:
            m = agreement.measured(p)
            s = agreement.series(m, o.measure, with_self=o.with_self)
            peak = None if o.with_self else agreement.peak(m, o.measure, o.low, o.high)
            curves.append(
                figures.Curve(
                    p.title,
                    chosen.lines[p.id],
                    m.ks,
                    s.values,
                    s.chance,
                    s.band,
                    s.p_value,
                    peak,
                    m.permutations,
                )
            )
        chart.show(
            figures.agreement_figure(
                curves,
                title=title,
                things=_things(chosen, drawn),
                k=o.k,
                log=o.log,
                limits=(o.low, o.high),
                theme=layout.theme(),
            ),
            key=_CURVES,
            file=f"agreement-{chosen.dataset.name}-{chosen.of}-{o.measure}",
            csv=lambda: agreement.curves_csv(drawn),
            alt=f"{title} over k for {', '.join(p.title for p in drawn)}",
        )
    st.select_slider(
        "k, size of the neighbourhood",
        o.stops,
        key=view.key("k"),
        help="Marked in the curves; the numbers and lists below are for this k.",
    )
    layout.reading(
        reading.curves(o.measure, chosen.of, agreement.permutations(chosen.ready), with_self=o.with_self)
    )


def _itself(o: Options) -> str:
    return ", with the point itself" if o.with_self else ""


def _things(chosen: Choices, pairs: Sequence[Pair]) -> str:
    return f"{chosen.of}; n = {agreement.things(pairs)}"


# -- numbers ----------------------------------------------------------------------------------------------


def _summary(view: state.View, chosen: Choices, o: Options) -> None:
    st.subheader("Topological similarity", anchor=False)
    drawn = [p for p in chosen.drawn if results.has(p.spec)]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.number_input("k from", 1, o.last, key=view.key("from"), width=130)
        st.number_input("to", 1, o.last, key=view.key("to"), width=130)
        pick(view, "definition", "Definition", DEFINITIONS)
    without = ", without the point itself" if o.with_self else ""
    head = [
        "pair",
        "n",
        f"S, largest S<sub>k</sub> for k = {o.low:,} to {o.high:,}{without}",
        f"largest above chance{without}",
        *(["literal S, all k"] if o.literal else []),
        f"{agreement.MEASURES[o.measure]} at k = {o.k:,}{_itself(o)}",
        "chance",
        "p",
    ]
    rows = []
    for p in drawn:
        m = agreement.measured(p)
        s = agreement.series(m, o.measure, with_self=o.with_self)
        t = agreement.summary(m, o.low, o.high)
        at_k = None if s.p_value is None else agreement.at(m, s.p_value, o.k)
        p_value = "–" if at_k is None else p_text(at_k, m.permutations)
        rows.append(
            [
                broad(swatch(chosen.lines[p.id].css(layout.theme())) + html.escape(p.title)),
                f"{m.n:,}",
                f"<b>{number(t.value)}</b> {_at(t.k)}",
                f"{number(t.adjusted)} {_at(t.adjusted_k)}",
                *([number(t.literal)] if o.literal else []),
                number(agreement.at(m, s.values, o.k)),
                number(agreement.at(m, s.chance, o.k)),
                p_value,
            ]
        )
    if rows:
        table.show_html(head, rows)
    layout.reading(reading.summary(o.literal, agreement.permutations(chosen.ready)))


def _at(k: int) -> str:
    return f"at k = {k:,}".replace(" ", "\u00a0")


# -- all spaces -------------------------------------------------------------------------------------------


def _matrix(view: state.View, chosen: Choices, o: Options) -> None:
    st.subheader("All spaces against all", anchor=False)
    names = [s.name for s in chosen.spaces]
    at_k = agreement.at_size(chosen.ready, o.measure, o.k, with_self=o.with_self)
    cka = agreement.cka(chosen.ready, o.cka)
    pick(view, "cka", "CKA", agreement.CKA)
    low = agreement.lowest(at_k, cka)
    n = f"<br>{_things(chosen, chosen.ready)}"
    left, right = st.columns(2, gap="medium")
    for place, key, title, values in (
        (left, _MATRIX, f"{agreement.MEASURES[o.measure]} at k = {o.k:,}{_itself(o)}", at_k),
        (right, f"{_MATRIX}-cka", f"CKA, {agreement.CKA[o.cka]}", cka),
    ):
        grid, ids = agreement.matrix(chosen.spaces, chosen.ready, values)
        with place:
            chart.show(
                spaces_figure.spaces_figure(
                    names, grid, title=title + n, ids=ids, picked=o.between.id, low=low, theme=layout.theme()
                ),
                key=key,
                file=f"{'cka' if key != _MATRIX else 'agreement'}-{chosen.dataset.name}-{chosen.of}",
                csv=lambda: agreement.matrix_csv(chosen.ready, o.k),
                chooses="neighbourhoods.between",
                alt=f"{title} of {', '.join(names)}",
            )
    few = [p.title for p in chosen.ready if agreement.measured(p).n < _DEBIASED]
    if few and o.cka.endswith("debiased"):
        st.caption(
            f"Debiased CKA needs at least {_DEBIASED} {chosen.of}: there is none for {plain(', '.join(few))}."
        )
    layout.reading(reading.matrix(chosen.of, low))
