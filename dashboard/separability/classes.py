"""Silhouettes by class on Separability: every clip in the row of its class, and the extremes to play."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, layout
from dashboard.kit.layout import plain
from dashboard.kit.text import row_height, short, thinned
from dashboard.separability import chosen, figures
from dashboard.separability import data as separability
from dashboard.separability.figures import ByClass
from jobs.specs import Separability

CHART = "separability-classes"
#: Clips in each of the two lists.
_MOST = 5
_SIDE = """
<style>
/* Beside a tall figure the lists stay in view. */
@media (min-width: 641px) {
  [data-testid="stColumn"]:has(.st-key-separability-listen) {
    position: sticky; top: 4.2rem; align-self: flex-start; }
}
</style>
"""


def choose(view: state.View, shown: ByClass) -> str:
    """Return the class whose clips are listed, by default the one with the lowest mean."""
    return chosen.settle(view, {"class": sorted(shown.names)}, shown.names[-1:])[0]


def show(
    view: state.View, spec: Separability, c: Clips, shown: ByClass, label: str, metric: str, file: str
) -> None:
    """Draw the classes, and the lists of the chosen one beside them."""
    space = plain(spec.embedding.encoder)
    st.subheader(f"Classes in {space}", anchor=False)
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        _mark(shown, label)
        name = separability.METRICS[metric]
        chart.show(
            lambda theme: figures.by_class_figure(
                shown,
                title=f"silhouette, {name} distance, −1 to 1",
                styles=c.styles,
                theme=theme,
            ),
            remembered=("by-class", spec.key, c.key, metric),
            key=CHART,
            file=f"silhouettes-{file}-{metric}",
            csv=lambda: separability.by_class_table(shown),
            on_select=lambda: _clicked(spec, c),
            caption=f"{len(shown.names):,} classes, the highest mean at the top",
            alt=f"Silhouettes of {len(shown.values):,} clips by class in {spec.embedding.encoder}",
        )
        layout.reading(
            "Each dot is a clip: at 1 it is far nearer to its own class than to any other, at 0 between two, "
            "below 0 nearer to another class than to its own (Rousseeuw 1987, "
            "[doi:10.1016/0377-0427(87)90125-7](https://doi.org/10.1016/0377-0427(87)90125-7)). Grey bars "
            "hold the middle half of a class's clips, the tick is the median, the diamond the mean with its "
            "95% interval over clips. Click a dot or a diamond to hear its class."
        )
    with right, st.container(key="separability-listen"):
        st.html(_SIDE)
        st.selectbox("Class to hear", sorted(shown.names), key=view.key("class"))
        low, high = separability.ends(shown, label, _MOST)
        near = separability.rivals(spec, c, [*low, *high], metric)
        for title, ids, rivals, which in (
            ("Lowest silhouettes", low, near[: len(low)], "low"),
            ("Highest silhouettes", high, near[len(low) :], "high"),
        ):
            if ids:
                st.markdown(f"**{title}**")
                clip_list.show(
                    c,
                    ids,
                    key=f"separability-{which}",
                    dataset=spec.embedding.dataset.name,
                    label=title,
                    numbers={
                        "silhouette": separability.silhouettes_of(shown, ids),
                        "next class": [short(r, 15) for r in rivals],
                    },
                )


def _mark(shown: ByClass, label: str) -> None:
    """Make the name of the chosen class bold by CSS, so that the figure need not be drawn again."""
    written, _ = thinned(shown.names, row_height(len(shown.names)))
    row = list(shown.names).index(label)
    if row in written:
        tick = f".st-key-{CHART} .yaxislayer-above .ytick:nth-child({written.index(row) + 1}) text"
        st.html(f"<style>{tick} {{ font-weight: 750 !important; fill-opacity: 1 !important; }}</style>")


def _clicked(spec: Separability, c: Clips) -> None:
    for point in chart.clicked(CHART):
        st.session_state["separability.class"] = separability.class_of(spec, c, point)
