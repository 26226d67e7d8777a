"""Neighbourhoods: whether two spaces agree on who is near whom, over every size of neighbourhood."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import results, state
from dashboard.kit import chart, jobs, layout, numbers, page, table
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.neighbourhoods import data as agreement
from dashboard.neighbourhoods import figures, reading
from dashboard.neighbourhoods.controls import AXES, DEFINITIONS, SELF, Choices, Options, controls, options
from dashboard.neighbourhoods.data import MEASURES, Pair
from dashboard.neighbourhoods.figures import p_text
from dashboard.neighbourhoods.lists import disagreement
from jobs.workspace import Dataset
from jobs.workspace.workspace import Workspace

TITLE = "Neighbourhoods"
ICON = ":material/hub:"
ORDER = 40

_CURVES = "neighbourhoods-curves"
_MATRIX = "neighbourhoods-matrix"
#: Rows that debiased CKA needs.
_DEBIASED = 4
#: Lets a cell of a table break into lines, but not too narrow ones.
_BROAD = "white-space:normal;min-width:8.5rem;max-width:20rem"
#: A piece of a pair's line in the table.
_SWATCH = "display:inline-block;width:30px;height:3px;margin:0 10px 4px 0"


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "neighbourhoods", TITLE, _page, wait=False)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    chosen = controls(workspace, view, dataset)
    if chosen is None:
        return
    o = options(view, chosen)
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
    drawn = [p for p in chosen.drawn if results.has(p.spec)]
    _curves(view, chosen, o, drawn)
    _summary(view, chosen, o, drawn)
    _matrix(view, chosen, o)
    disagreement(view, chosen, o)


def _compute(workspace: Workspace, chosen: Choices) -> None:
    n = sum(not results.has(p.spec) for p in chosen.pairs)
    what = f"the agreement of {numbers.count(n, 'pair')}" if n else "the lists of neighbours"
    by = " by class" if chosen.of == "classes" else ""
    jobs.compute(
        workspace,
        chosen.missing(),
        f"Compute {what}",
        "neighbourhoods",
        text="" if chosen.ready else f"The agreement of these spaces{by} has not been computed yet.",
        each=False,
    )


def _curves(view: state.View, chosen: Choices, o: Options, drawn: Sequence[Pair]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        pick(view, "show", "Measure", {name: m.title for name, m in MEASURES.items()})
        pick(view, "self", "Neighbours", SELF, disabled=o.measure == "jaccard")
        pick(view, "axis", "Axis of k", AXES)
    if not drawn:
        st.info("Choose at least one pair under Curves at the left.", icon=":material/info:")
    else:
        title = MEASURES[o.measure].axis + _itself(o)
        curves = [
            replace(
                agreement.curve(m, o.measure, with_self=o.with_self),
                peak=None if o.with_self else agreement.peak(m, o.measure, o.low, o.high),
                name=p.title,
                line=chosen.lines[p.id],
            )
            for p in drawn
            for m in [agreement.measured(p)]
        ]
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
            csv=lambda: agreement.curves_table(drawn),
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
    return f"{chosen.of}; n = {agreement.count_things(pairs)}"


def _summary(view: state.View, chosen: Choices, o: Options, drawn: Sequence[Pair]) -> None:
    st.subheader("Topological similarity", anchor=False)
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
        f"{MEASURES[o.measure].title} at k = {o.k:,}{_itself(o)}",
        "chance",
        "p",
    ]
    if drawn:
        table.show_html(head, [_row(chosen, o, p) for p in drawn])
    layout.reading(reading.summary(o.literal, agreement.permutations(chosen.ready)))


def _row(chosen: Choices, o: Options, p: Pair) -> list[str]:
    m = agreement.measured(p)
    c = agreement.curve(m, o.measure, with_self=o.with_self)
    s = agreement.summary(m, o.low, o.high)
    swatch = f'<span style="{_SWATCH};{chosen.lines[p.id].css(layout.theme())}"></span>'
    return [
        f'<div style="{_BROAD}">{swatch}{html.escape(p.title)}</div>',
        f"{m.n:,}",
        f"<b>{_number(s.value)}</b> {_at(s.k)}",
        f"{_number(s.adjusted)} {_at(s.adjusted_k)}",
        # The paper's maximum over all k, with the point itself.
        *([_number(float(m.overlap_self.max()))] if o.literal else []),
        _number(agreement.at(m, c.values, o.k)),
        _number(agreement.at(m, c.chance, o.k)),
        "–" if c.p_value is None else p_text(agreement.at(m, c.p_value, o.k), m.permutations),
    ]


def _number(value: float) -> str:
    """Format a number from -1 to 1; a dash where it is not finite."""
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "–"


def _at(k: int) -> str:
    return f"at k = {k:,}".replace(" ", "\u00a0")


def _matrix(view: state.View, chosen: Choices, o: Options) -> None:
    st.subheader("All spaces against all", anchor=False)
    names = [s.name for s in chosen.spaces]
    at_k = agreement.at_size(chosen.ready, o.measure, o.k, with_self=o.with_self)
    cka = agreement.cka(chosen.ready, o.cka)
    pick(view, "cka", "CKA", agreement.CKA)
    low = agreement.lowest(at_k, cka)
    n = f"<br>{_things(chosen, chosen.ready)}"
    left, right = st.columns(2, gap="medium")
    for place, key, what, title, values in (
        (left, _MATRIX, "agreement", f"{MEASURES[o.measure].title} at k = {o.k:,}{_itself(o)}", at_k),
        (right, f"{_MATRIX}-cka", "cka", f"CKA, {agreement.CKA[o.cka]}", cka),
    ):
        grid, ids = agreement.matrix(chosen.spaces, chosen.ready, values)
        with place:
            chart.show(
                figures.spaces_figure(
                    names, grid, title=title + n, ids=ids, picked=o.between.id, low=low, theme=layout.theme()
                ),
                key=key,
                file=f"{what}-{chosen.dataset.name}-{chosen.of}",
                csv=lambda: agreement.matrix_table(chosen.ready, o.k),
                chooses="neighbourhoods.between",
                alt=f"{title} of {', '.join(names)}",
            )
    few = [p.title for p in chosen.ready if agreement.measured(p).n < _DEBIASED]
    if few and o.cka.endswith("debiased"):
        st.caption(
            f"Debiased CKA needs at least {_DEBIASED} {chosen.of}: it is missing for {plain(', '.join(few))}."
        )
    layout.reading(reading.matrix(chosen.of, low))
