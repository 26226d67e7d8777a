"""What two spaces disagree on: the clips or classes at either end, to listen to beside their neighbours."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import streamlit as st

from dashboard import data, results, state
from dashboard.components import clips as clip_list
from dashboard.kit import chart, form, layout, table
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
        form.pick(view, "order", "Order", ORDERS)
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
    kept = "" if k == o.k else f" (of {o.k:,}, the nearest size that is kept of each)"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{m.n:,} {chosen.of}, {ORDERS['most' if o.most else 'least']} first · k = {k}{kept}")
        table.button(
            "neighbourhoods-items-csv",
            file_name("overlap", chosen, o),
            lambda: agreement.items_table(o.between, chosen.clips),
        )
    columns = {"in both": [f"{s} of {k}" for s in agreement.shared(m, k)[first].tolist()]}
    with st.container(height=440, border=False, key="neighbourhoods-list-box"):
        things = [m.ids[i] for i in first]
        _play(chosen, o, things, "neighbourhoods-list", f"{chosen.of} by disagreement", columns)
    layout.reading(reading.lists(chosen.of, k))


def file_name(what: str, chosen: Choices, o: Options) -> str:
    """Return a name for a file to save about the chosen pair."""
    name = f"{what}-{chosen.dataset.name}-{chosen.of}-{o.between.a.name}-{o.between.b.name}"
    return "".join(x if x.isalnum() or x in "-_." else "-" for x in name)


def _near(chosen: Choices, o: Options, k: int, thing: str) -> None:
    """Draw the neighbours of a thing in both spaces, side by side."""
    c, (a, b) = chosen.clips, (o.between.a, o.between.b)
    name = thing if chosen.of == "classes" else agreement.class_of_clips(c)[c.row[thing]] or "no class"
    st.markdown(f"#### Neighbours of this {'clip' if chosen.of == 'clips' else 'class'}: {plain(name)}")
    _play(chosen, o, [thing], "neighbourhoods-chosen", "The chosen one", thing=thing)
    if any(not results.has(g) for g in nearby.graphs(o.between)):
        st.caption("The lists of neighbours have not been computed yet: press the button above.")
        return
    for place, space, other, neighbours, side in zip(
        st.columns(2, gap="large"), (a, b), (b, a), nearby.near(o.between, c, thing, k), "ab", strict=True
    ):
        ids = [x.id for x in neighbours]
        with place:
            st.markdown(f"**{k} nearest in {plain(space.name)}**")
            st.caption(_shared(chosen, thing, neighbours, other))
            columns = {
                f"rank in {other.name}" if len(other.name) < 15 else "other rank": [
                    _rank(x) for x in neighbours
                ],
                "distance": [figured(x.distance) for x in neighbours],
            }
            key = f"neighbourhoods-near-{side}"
            _play(chosen, o, ids, key, f"Nearest in {space.name}", columns, thing=thing)
    layout.reading(reading.near(chosen.of, k, GRAPH_K))


def _shared(chosen: Choices, thing: str, neighbours: Sequence[Neighbour], other: Compared) -> str:
    c = chosen.clips
    words = f"{sum(x.shared for x in neighbours)} of {len(neighbours)} are as near in {plain(other.name)}"
    if chosen.of == "clips" and agreement.class_of_clips(c)[c.row[thing]]:
        words += f" · {data.same_class(c, thing, [x.id for x in neighbours])}"
    return words


def _rank(x: Neighbour) -> str:
    if x.elsewhere is None:
        return "beyond"
    return f"✓ {x.elsewhere}" if x.shared else f"{x.elsewhere}"


def _by_class(chosen: Choices, o: Options, m: Measured, k: int) -> None:
    classes = agreement.by_class(m, chosen.clips, k)
    if len(classes) < 2:
        st.caption("Classes are compared here where clips have at least two named classes.")
        return
    few = classes[:MOST_CLASSES]
    rest = f"The {len(few)} of {len(classes)} classes with the least overlap; the CSV has all."
    chart.show(
        figures.overlap_by_class_figure(
            few,
            title=f"mean overlap of the clips, k = {k}",
            everyone=float(agreement.overlap_of_things(m, k).mean()),
            line=chosen.lines[o.between.id],
            theme=layout.theme(),
        ),
        key="neighbourhoods-classes",
        file=file_name("overlap-by-class", chosen, o),
        csv=lambda: classes,
        caption=rest if len(few) < len(classes) else "",
        alt=f"Mean overlap of the clips of each class, {o.between.title}",
    )
    layout.reading(reading.by_class(k))


def _table(chosen: Choices, o: Options, m: Measured, order: np.ndarray) -> None:
    """Draw the nearest classes in both spaces beside each other."""
    rows = []
    for i in order[:MOST_ROWS]:
        sides = nearby.near(o.between, chosen.clips, m.ids[i], _NAMED)
        rows.append([html.escape(m.ids[i]), *(_names(side) for side in sides)])
    head = ["class", *(f"nearest in {html.escape(s.name)}" for s in (o.between.a, o.between.b))]
    table.show_html(head, rows, wrap=True)
    layout.reading(reading.TABLE)


def _names(side: Sequence[Neighbour]) -> str:
    return ", ".join(f"<b>{html.escape(x.id)}</b>" if x.shared else html.escape(x.id) for x in side)


def _play(
    chosen: Choices,
    o: Options,
    things: Sequence[str],
    key: str,
    label: str,
    columns: Mapping[str, list[str]] | None = None,
    *,
    thing: str = "",
) -> None:
    """List clips, or a typical clip of each class, to be played and chosen."""
    clip_of = nearby.typical_clips(o.between, chosen.clips) if chosen.of == "classes" else {}
    kept = [i for i, x in enumerate(things) if chosen.of == "clips" or x in clip_of]
    clip_list.show(
        chosen.clips,
        [clip_of.get(things[i], things[i]) for i in kept],
        key=key,
        dataset=chosen.dataset.name,
        label=label,
        numbers={name: [texts[i] for i in kept] for name, texts in (columns or {}).items()},
        chosen=clip_of.get(thing, thing),
        on_chosen=partial(_choose, chosen, key),
    )


def _choose(chosen: Choices, key: str) -> None:
    clip, c = clip_list.clicked(key), chosen.clips
    if clip not in c.row:
        return
    if chosen.of == "clips":
        st.session_state["neighbourhoods.clip"] = clip
    else:
        st.session_state["neighbourhoods.class"] = str(agreement.class_of_clips(c)[c.row[clip]])
