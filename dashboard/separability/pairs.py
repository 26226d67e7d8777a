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
    """Return the order of the classes and the chosen pair, by default the two nearest classes."""
    order = view.choice("order", list(distances.ORDERS), "near")
    shown = distances.distances(spec, c, "name")
    first, second = chosen.settle(view, dict.fromkeys("ab", shown.names), distances.nearest_classes(shown))
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
    shown = distances.distances(spec, c, order, metric)
    st.subheader(f"Distances between classes in {plain(spec.embedding.encoder)}", anchor=False)
    form.pick(view, "order", "Order of the classes", distances.ORDERS)
    clickable = len(shown.names) <= figures.CLICKABLE
    for place, (what, title) in zip(st.columns(2, gap="medium"), _CHARTS.items(), strict=True):
        with place:
            chart.show(
                partial(
                    figures.distance_figure,
                    shown.names,
                    getattr(shown, what),
                    shown.n_pairs,
                    title=f"{title} · n = {shown.n:,} clips",
                    chosen=pair,
                ),
                remembered=("distances", spec.key, what, tuple(shown.names), pair),
                key=f"separability-{what}",
                file=f"distances-{what}-{file}",
                chooses=("separability.a", "separability.b") if clickable else (),
                alt=f"Heatmap of {len(shown.names)} by {len(shown.names)} classes: {title.partition('<')[0]}",
            )
    table.download(
        "separability-distances-csv",
        f"class-distances-{file}",
        lambda: distances.distances_table(shown),
    )
    layout.reading(
        "Each cell is over all pairs of clips of two classes; on the diagonal, over pairs within one. In the "
        "mean, dark cells off the diagonal are classes that lie near each other, and a dark diagonal means "
        "tight classes. In the variation, the darker a cell, the more equal are the distances behind its "
        "mean (Almudévar et al., *Angular distance distribution loss for audio classification*, Figure 5). "
        "Near classes are placed side by side by average-linkage clustering with optimal leaf order "
        "(Bar-Joseph et al. 2001)."
    )
    _pair(view, spec, c, shown.names, pair, clickable)


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
    lists = {"near": ("Nearest pairs", near), "far": ("Farthest pairs", far)}
    for place, (which, (title, pairs)) in zip(st.columns(2, gap="medium"), lists.items(), strict=True):
        with place:
            st.markdown(f"**{title}**")
            clip_list.show_pairs(
                c,
                [(p.first, p.second) for p in pairs],
                key=f"separability-{which}",
                dataset=spec.embedding.dataset.name,
                label=title,
                numbers={"distance": [p.distance for p in pairs]},
            )
    words = "Cosine distance in all dimensions; each clip is in a list at most once."
    if n > distances.PAIR_CLIPS:
        most = numbers.count(distances.PAIR_CLIPS, "clip")
        words += f" Of a class with more, {most} were drawn at random and compared."
    st.caption(words)
