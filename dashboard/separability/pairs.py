"""Distances between classes on Separability: mean and variation of every pair, and the clips behind one."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.separability import chosen, distances, figures
from jobs.specs import Separability

_CHARTS = {
    "mean": "mean cosine distance<br>0 alike, 1 unrelated",
    "cv": "coefficient of variation<br>standard deviation / mean",
}
#: Pairs of clips in each list.
_MOST = 4


def choose(view: state.View, spec: Separability, c: Clips) -> tuple[str, tuple[str, str]]:
    """Return the order of the classes and the chosen pair: at first the two that lie nearest."""
    order = view.choice("order", list(distances.ORDERS), "near")
    found = distances.distances(spec, c, "name")
    first, second = chosen.settle(view, dict.fromkeys("ab", found.names), distances.nearest_classes(found))
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
    found = distances.distances(spec, c, order, metric)
    st.subheader(f"Distances between classes in {plain(spec.embedding.encoder)}", anchor=False)
    form.pick(view, "order", "Order of the classes", distances.ORDERS)
    clickable = len(found.names) <= figures.CLICKABLE
    for place, (what, title) in zip(st.columns(2, gap="medium"), _CHARTS.items(), strict=True):
        with place:
            chart.show(
                partial(
                    figures.distance_figure,
                    found.names,
                    getattr(found, what),
                    found.n_pairs,
                    title=f"{title} · n = {found.n:,} clips",
                    chosen=pair,
                ),
                remembered=("distances", spec.key, what, tuple(found.names), pair),
                key=f"separability-{what}",
                file=f"distances-{what}-{file}",
                chooses=("separability.a", "separability.b") if clickable else (),
                alt=f"Heatmap of {len(found.names)} by {len(found.names)} classes: {title.partition('<')[0]}",
            )
    table.download(
        "separability-distances-csv",
        f"class-distances-{file}",
        lambda: distances.distances_table(found),
    )
    layout.reading(
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
    first = form.listed("Class", sorted(names), view.key("a"), place=places[0])
    second = form.listed("and class", sorted(names), view.key("b"), place=places[1])
    near, far, n = distances.pairs(spec, c, first, second, _MOST)
    if not near:
        st.caption(f"{plain(first)} has one clip, so there is no pair within it. Choose another class.")
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
            clip_list.show_pairs(
                c,
                [(p.first, p.second) for p in found],
                key=f"separability-{which}",
                dataset=spec.embedding.dataset.name,
                label=title,
                numbers={"distance": [p.distance for p in found]},
            )
    words = "Cosine distance in all dimensions; each clip stands in a list once at most."
    if n > distances.PAIR_CLIPS:
        most = numbers.count(distances.PAIR_CLIPS, "clip")
        words += f" Of a class with more, {most} were drawn at random and compared."
    st.caption(words)
