"""Distances between classes on Separability: mean and variation of every pair, and the clips behind one."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import numbers, state, ui
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.memory import once
from dashboard.separability import chosen, figures
from dashboard.separability import data as separability
from dashboard.separability.data import Pair
from dashboard.separability.figures import figured
from jobs.specs import Separability

_CHARTS = {
    "mean": "mean cosine distance<br>0 alike, 1 unrelated",
    "cv": "coefficient of variation<br>standard deviation / mean",
}
#: Pairs of clips in each list.
_MOST = 4


def choose(view: state.View, spec: Separability, c: Clips) -> tuple[str, tuple[str, str]]:
    """Return the order of the classes and the chosen pair: at first the two that lie nearest."""
    order = view.choice("order", list(separability.ORDERS), "near")
    found = separability.distances(spec, c, "name")
    first, second = chosen.settle(view, dict.fromkeys("ab", found.names), separability.nearest_classes(found))
    return order, (first, second)


def show(
    view: state.View,
    spec: Separability,
    c: Clips,
    order: str,
    pair: tuple[str, str],
    metric: str,
    file: str,
) -> None:
    """Draw the two heatmaps in one order, and the lists of the chosen pair."""
    found = separability.distances(spec, c, order, metric)
    st.subheader(f"Distances between classes in {ui.plain(spec.embedding.encoder)}", anchor=False)
    st.segmented_control(
        "Order of the classes",
        list(separability.ORDERS),
        format_func=separability.ORDERS.__getitem__,
        key=view.key("order"),
        required=True,
    )
    clickable = len(found.names) <= figures.CLICKABLE
    theme = ui.theme()
    for place, (what, title) in zip(st.columns(2, gap="medium"), _CHARTS.items(), strict=True):
        with place:
            ui.chart(
                once(
                    ("figure", "distances", spec.key, what, tuple(found.names), pair, theme),
                    partial(
                        figures.distance_figure,
                        found.names,
                        getattr(found, what),
                        found.n_pairs,
                        title=f"{title} · n = {found.n:,} clips",
                        chosen=pair,
                        theme=theme,
                    ),
                ),
                key=f"separability-{what}",
                file=f"distances-{what}-{file}",
                on_select=partial(_clicked, what) if clickable else None,
                alt=f"Heatmap of {len(found.names)} by {len(found.names)} classes: {title.partition('<')[0]}",
            )
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button(
            "CSV",
            data=lambda: separability.csv(separability.distances_table(found)),
            file_name=f"class-distances-{file}.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key="separability-distances-csv",
        )
    ui.reading(
        "Each cell is of all pairs of clips of two classes, on the diagonal of pairs within one. In the "
        "mean, dark cells off the diagonal are classes that lie near each other, and a dark diagonal is "
        "tight classes. In the variation, the darker a cell, the more equal are the distances behind its "
        "mean (Almudévar et al., *Angular distance distribution loss for audio classification*, Figure 5). "
        "Near ones stand together by average-linkage clustering, its leaves in the best order (Bar-Joseph et "
        "al. 2001)."
    )
    _pair(view, spec, c, found.names, pair, clickable)


def _pair(
    view: state.View, spec: Separability, c: Clips, names: list[str], pair: tuple[str, str], clickable: bool
) -> None:
    st.markdown("**Clips behind a cell**" + (" · click a cell, or choose here" if clickable else ""))
    places = st.columns(2, gap="medium")
    with places[0]:
        first = st.selectbox("Class", sorted(names), key=view.key("a"))
    with places[1]:
        second = st.selectbox("and class", sorted(names), key=view.key("b"))
    near, far, n = separability.pairs(spec, c, first, second, _MOST)
    if not near:
        st.caption(f"{ui.plain(first)} has one clip, so there is no pair within it. Choose another class.")
        return
    for place, title, found, which in zip(
        st.columns(2, gap="medium"),
        ("Nearest pairs", "Farthest pairs"),
        (near, far),
        ("near", "far"),
        strict=True,
    ):
        with place:
            st.markdown(f"**{title}**")
            _list(spec, c, found, title, which)
    words = "Cosine distance in all dimensions; each clip stands in a list once at most."
    if n > separability.PAIR_CLIPS:
        most = numbers.count(separability.PAIR_CLIPS, "clip")
        words += f" Of a class with more, {most} were drawn at random and compared."
    st.caption(words)


def _list(spec: Separability, c: Clips, found: list[Pair], title: str, which: str) -> None:
    clip_list.show(
        c,
        [clip for p in found for clip in (p.first, p.second)],
        key=f"separability-{which}",
        dataset=spec.embedding.dataset.name,
        label=title,
        numbers={
            "distance": [figured(p.distance) for p in found for _ in range(2)],
            "pair": [str(i) for i, _ in enumerate(found, start=1) for _ in range(2)],
        },
    )


def _clicked(what: str) -> None:
    for found in ui.clicked(f"separability-{what}"):
        st.session_state["separability.a"], st.session_state["separability.b"] = found
