"""What two spaces disagree on: the clips or classes at either end, to be heard with what is near them."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard import data, results, state
from dashboard.components import clips as clip_list
from dashboard.kit import chart, form, layout, table
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.neighbourhoods import data as agreement
from dashboard.neighbourhoods import figures, nearby, reading
from dashboard.neighbourhoods.controls import ORDERS, Choices, Options
from dashboard.neighbourhoods.data import Compared, Measured
from dashboard.neighbourhoods.nearby import Neighbour
from jobs.specs import GRAPH_K

#: Classes in the figure at most, those with the least overlap; rows of the table, and classes named in each.
MOST_CLASSES = 30
MOST_ROWS = 12
_NAMED = 3


def disagreement(view: state.View, chosen: Choices, o: Options) -> None:
    """Draw the last part of the page."""
    st.subheader("Where two spaces disagree", anchor=False)
    titles = {p.id: p.title for p in chosen.pairs}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.listed("Pair", titles, view.key("between"), width=360)
        pick(view, "order", "Order", ORDERS)
    if not results.has(o.between.spec):
        st.caption(f"The agreement of {plain(o.between.title)} has not been computed yet.")
        return
    m = agreement.measured(o.between)
    k = agreement.kept_k(m, o.k)
    order = agreement.ranked(m, k, most=o.most)
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        _list(chosen, o, m, k, order)
    with right:
        if chosen.of == "clips":
            _by_class(chosen, o, m, k)
        else:
            _table(chosen, o, m, order)
    thing = o.thing if o.thing in m.ids else m.ids[int(order[0])]
    _near(chosen, o, k, thing)


def _list(chosen: Choices, o: Options, m: Measured, k: int, order: np.ndarray) -> None:
    first = order[: clip_list.MOST]
    ids = [m.ids[i] for i in first]
    kept = "" if k == o.k else f" (of {o.k:,}, the nearest size that is kept of each)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{m.n:,} {chosen.of}, {ORDERS['most' if o.most else 'least']} first · k = {k}{kept}")
        table.button(
            "neighbourhoods-items-csv",
            _file("overlap", chosen, o),
            lambda: agreement.items_csv(o.between, chosen.clips),
        )
    columns = {"in both": [f"{s} of {k}" for s in agreement.shared(m, k)[first].tolist()]}
    with st.container(height=440, border=False, key="neighbourhoods-list-box"):
        _play(chosen, o, ids, "neighbourhoods-list", f"{chosen.of} by disagreement", columns)
    layout.reading(reading.lists(chosen.of, k))


def _file(what: str, chosen: Choices, o: Options) -> str:
    name = f"{what}-{chosen.dataset.name}-{chosen.of}-{o.between.a.name}-{o.between.b.name}"
    return "".join(x if x.isalnum() or x in "-_." else "-" for x in name)


# -- what is near -----------------------------------------------------------------------------------------


def _near(chosen: Choices, o: Options, k: int, thing: str) -> None:
    c, pair = chosen.clips, o.between
    name = thing if chosen.of == "classes" else agreement.named(c)[c.row[thing]] or "no class"
    st.markdown(f"#### What is near this {'clip' if chosen.of == 'clips' else 'class'}: {plain(name)}")
    _play(chosen, o, [thing], "neighbourhoods-chosen", "The chosen one", thing=thing)
    if any(not results.has(g) for g in nearby.graphs(pair)):
        st.caption("The lists of neighbours have not been computed yet; the button above asks for them.")
        return
    first, second = nearby.near(pair, c, thing, k)
    columns = st.columns(2, gap="large")
    sides = ((pair.a, pair.b, first, "a"), (pair.b, pair.a, second, "b"))
    for place, (space, other, found, side) in zip(columns, sides, strict=True):
        with place:
            _side(chosen, o, thing, k, space, other, found, f"neighbourhoods-near-{side}")
    layout.reading(reading.near(chosen.of, k, GRAPH_K))


def _side(
    chosen: Choices,
    o: Options,
    thing: str,
    k: int,
    space: Compared,
    other: Compared,
    found: Sequence[Neighbour],
    key: str,
) -> None:
    ids = [x.id for x in found]
    words = f"{sum(x.shared for x in found)} of {k} are as near in {plain(other.name)}"
    if chosen.of == "clips" and agreement.named(chosen.clips)[chosen.clips.row[thing]]:
        words += f" · {data.same_class(chosen.clips, thing, ids)}"
    st.markdown(f"**{k} nearest in {plain(space.name)}**")
    st.caption(words)
    columns = {
        f"rank in {other.name}" if len(other.name) < 15 else "rank there": [_rank(x) for x in found],
        "distance": [figured(x.distance) for x in found],
    }
    _play(chosen, o, ids, key, f"Nearest in {space.name}", columns, thing=thing)


def _rank(x: Neighbour) -> str:
    if x.elsewhere is None:
        return "beyond"
    return f"✓ {x.elsewhere}" if x.shared else f"{x.elsewhere}"


# -- classes ----------------------------------------------------------------------------------------------


def _by_class(chosen: Choices, o: Options, m: Measured, k: int) -> None:
    c, pair = chosen.clips, o.between
    found = agreement.by_class(m, c, k)
    if len(found.names) < 2:
        st.caption("Classes are compared here where clips of at least two have names for them.")
        return
    few = found.means[:MOST_CLASSES]
    rest = f"The {len(few)} of {len(found.names)} classes with the least overlap; the CSV has all."
    chart.show(
        figures.overlap_by_class_figure(
            found.names[:MOST_CLASSES],
            np.array([e.value for e in few]),
            np.array([e.low for e in few]),
            np.array([e.high for e in few]),
            [e.n for e in few],
            title=f"mean overlap of the clips, k = {k}",
            everyone=found.everyone,
            line=chosen.lines[pair.id],
            theme=layout.theme(),
        ),
        key="neighbourhoods-classes",
        file=_file("overlap-by-class", chosen, o),
        csv=lambda: agreement.classes_csv(pair, c, k),
        caption=rest if len(few) < len(found.names) else "",
        alt=f"Mean overlap of the clips of each class, {pair.title}",
    )
    layout.reading(reading.by_class(k))


def _table(chosen: Choices, o: Options, m: Measured, order: np.ndarray) -> None:
    """Name the nearest classes in both spaces beside each other."""
    rows = []
    for i in order[:MOST_ROWS]:
        sides = nearby.near(o.between, chosen.clips, m.ids[i], _NAMED)
        rows.append([html.escape(m.ids[i]), *(_names(side) for side in sides)])
    head = ["class", *(f"nearest in {html.escape(s.name)}" for s in (o.between.a, o.between.b))]
    table.show_html(head, rows, wrap=True)
    layout.reading(reading.TABLE)


def _names(side: Sequence[Neighbour]) -> str:
    return ", ".join(f"<b>{html.escape(x.id)}</b>" if x.shared else html.escape(x.id) for x in side)


# -- hearing ----------------------------------------------------------------------------------------------


def _play(
    chosen: Choices,
    o: Options,
    things: Sequence[str],
    key: str,
    label: str,
    columns: dict[str, list[str]] | None = None,
    *,
    thing: str = "",
) -> None:
    """List clips, or a typical clip of each class, to be heard and chosen."""
    clip_of = nearby.heard(o.between, chosen.clips) if chosen.of == "classes" else {}
    there = [i for i, x in enumerate(things) if chosen.of == "clips" or x in clip_of]
    clip_list.show(
        chosen.clips,
        [clip_of.get(things[i], things[i]) for i in there],
        key=key,
        dataset=chosen.dataset.name,
        label=label,
        numbers={name: [texts[i] for i in there] for name, texts in (columns or {}).items()},
        chosen=clip_of.get(thing, thing),
        on_chosen=lambda: _chosen(chosen, key),
    )


def _chosen(chosen: Choices, key: str) -> None:
    value = clip_list.clicked(key)
    if value not in chosen.clips.row:
        return
    if chosen.of == "clips":
        st.session_state["neighbourhoods.clip"] = value
    else:
        st.session_state["neighbourhoods.class"] = str(agreement.named(chosen.clips)[chosen.clips.row[value]])
