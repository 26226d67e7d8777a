"""The queries of a class on Retrieval and the results of a query, all to listen to."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.words import count
from dashboard import pages, state
from dashboard.components import clips as clip_list
from dashboard.kit import form, layout, table
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.retrieval import class_data
from dashboard.retrieval.data import MEASURES
from dashboard.retrieval.parts import Chosen

ORDERS = {"worst": "worst first", "best": "best first"}


@dataclass(frozen=True)
class Picked:
    """The chosen family, one of its classes, and one of the queries of that."""

    #: All families; none where classes have none, or where they take the place of classes.
    families: list[str]
    #: "" for all.
    family: str
    #: Classes of the family.
    classes: list[str]
    label: str
    order: str
    query: str


def choose(view: state.View, chosen: Chosen) -> Picked:
    """Read what is picked: at first all families, the class with the lowest score, and its worst query."""
    families = class_data.families(chosen.spec)
    family = view.choice("family", ["", *families], "")
    best_first = class_data.by_class(chosen.spec, chosen.measure).index
    inside = [n for n in best_first if not family or n in families[family]]
    carried = chosen.clips.row.get(view.along("query"))
    if carried is not None and chosen.clips.labels[carried] in inside:
        view.set("class", str(chosen.clips.labels[carried]))
    label = view.choice("class", inside, inside[-1])
    order = view.choice("order", list(ORDERS), "worst")
    ids = _queries(chosen, label, order)["clip_id"].tolist()
    query = view.text("query", check=lambda v: v in ids) or ids[0]
    return Picked(list(families), family, sorted(inside), label, order, query)


def show(view: state.View, chosen: Chosen, picked: Picked, reference: str) -> None:
    """Draw the queries of the chosen class and the results of the chosen query, side by side."""
    st.subheader(f"Queries of {plain(picked.label)}", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        _list(view, chosen, picked)
    with right:
        _results(chosen, picked, reference)


def _queries(chosen: Chosen, label: str, order: str) -> pd.DataFrame:
    return class_data.queries_of(chosen.spec, label, chosen.measure, best_first=order == "best")


def _list(view: state.View, chosen: Chosen, picked: Picked) -> None:
    queries = _queries(chosen, picked.label, picked.order)
    ids = queries["clip_id"].tolist()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.pick(view, "order", "Order", ORDERS)
        table.download(
            "retrieval-queries-csv",
            chosen.file("queries", chosen.space, picked.label),
            lambda: queries,
        )
    titles = {m.of_query: m.query_title for m in (chosen.measure, MEASURES["map@15"], MEASURES["mr1"])}
    with st.container(height=980 if len(ids) > 17 else "content", border=False, key="retrieval-queries-box"):
        clip_list.show(
            chosen.clips,
            ids,
            key="retrieval-queries",
            dataset=chosen.dataset.name,
            label=f"Queries of {picked.label}",
            numbers={title: class_data.query_texts(queries, name) for name, title in titles.items()},
            chosen=picked.query,
            chooses="retrieval.query",
        )
    st.caption(
        f"n = {count(len(ids), 'clip')} of {plain(picked.label)}, each searched with. Click a name for "
        "its results."
    )


def _results(chosen: Chosen, picked: Picked, reference: str) -> None:
    c = chosen.clips
    st.markdown("**The query**")
    clip_list.show(
        c,
        [picked.query],
        key="retrieval-query",
        dataset=chosen.dataset.name,
        label="The query",
        chosen=picked.query,
    )
    frame = class_data.results_of(chosen.spec, c, picked.query, picked.label)
    hits = int(frame["relevant"].sum())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.markdown(f"**First {len(frame)} results in {plain(chosen.space)}** · {hits} relevant")
        table.download(
            "retrieval-results-csv",
            chosen.file("results", chosen.space, picked.query),
            lambda: frame,
        )
    clip_list.show(
        c,
        frame["clip_id"].tolist(),
        key="retrieval-results",
        dataset=chosen.dataset.name,
        label="Results",
        numbers={
            "rank": [
                f"{rank} {'✓' if hit else '✗'}"
                for rank, hit in zip(frame["rank"], frame["relevant"], strict=True)
            ],
            "cosine": [MEASURES["map@15"].text(score) for score in frame["score"]],
        },
    )
    layout.reading(
        f"✓ carries {plain(picked.label)} and is relevant, ✗ does not. The cosine is that of the "
        "processed vectors, 1 for the same direction; equal scores keep the order of the clips. A result "
        "that sounds right but counts as wrong points to the labels: the paper leaves out those with several "
        "parents for that reason (Araz et al. 2024, section III.A)."
    )
    if any(pages.address(m) == "listen" for m in pages.modules()) and st.button(
        "Open in Listen", icon=":material/headphones:"
    ):
        asked: dict[str, str | list[str]] = {
            "dataset": chosen.dataset.name,
            "query": picked.query,
            "system": listen.beside(chosen.space, [reference, *chosen.spaces]),
        }
        layout.go("listen", asked | ({"class": picked.label} if chosen.by == "label" else {}))
