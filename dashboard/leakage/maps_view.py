"""Figures 2 to 4 of the paper as small maps in one figure, linked: what is chosen in one is marked in all."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, form, layout, numbers
from dashboard.kit.layout import plain
from dashboard.leakage import figures
from dashboard.leakage import maps as leakage_maps
from dashboard.leakage.data import Result
from dashboard.memory import once
from jobs.workspace.workspace import Dataset

_MAPS = "leakage-maps"
_STYLE = f"""
<style>
/* Names that only a wide map has room for, after its points and the names for any. */
@media (max-width: 1150px) {{ .st-key-{_MAPS} .scatterlayer > .trace:nth-child(3) {{ display: none; }} }}
</style>
"""
_METHODS = {"tsne": "t-SNE", "pca": "PCA"}


def show(
    view: state.View, dataset: Dataset, c: Clips, found: Result, picked: str, label: str, file: str
) -> None:
    """Draw the maps, then the clips of the class that is chosen."""
    st.subheader("The spaces on small maps", anchor=False)
    layer = view.choice("layer", list(leakage_maps.LAYERS), "Ea", called="sounds in the first rows")
    tested = set(found.clips["clip_id"].astype(str))
    clip = view.text("clip", check=lambda given: given in tested)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.pick(view, "layer", "Sounds in the first rows", leakage_maps.LAYERS)
        form.listed("Class", {"": "all classes"} | {n: n for n in found.tests}, view.key("class"), width=300)
    theme = layout.theme()
    st.html(_STYLE)

    def draw() -> object:
        return figures.small_maps_figure(
            leakage_maps.maps(found, c, layer, picked),
            found.tests,
            leakage_maps.styles_of(found, c),
            chosen=label,
            clip=clip,
            theme=theme,
        )

    chart.show(
        once(("figure", "leakage-maps", found.spec.key, c.key, layer, picked, label, clip, theme), draw),
        key=_MAPS,
        file=f"leakage-maps-{file}",
        csv=lambda: leakage_maps.maps_csv(found, layer, picked),
        on_select=_clicked,
        caption="click a point: its class is marked in every map, and its clips are listed",
        alt=f"Small maps of {len(found.clips)} test clips by {len(found.models)} models, and of texts",
    )
    how = " and ".join(dict.fromkeys(_METHODS.get(str(v), str(v)) for v in _methods(found)))
    layout.reading(
        f"Each panel is a map of its own ({how}) of the test clips, a colour a class; directions and "
        "distances between panels mean nothing, only which points lie together. In the paper clusters fall "
        "apart from left to right and from dirty to clean, as the leak goes (Figure 2); what is one cluster "
        "in the backbone stays one in E_a (Figure 4, section 3.3): **choose a class** and look whether that "
        "is so here. Texts lie by their meaning, sounds by how they sound (Figures 3 and 4). Maps distort; "
        "Table 2 measures the same in the whole space (van der Maaten & Hinton 2008)."
    )
    _heard(dataset, c, found, picked, label, clip)


def _methods(found: Result) -> list[object]:
    methods = found.meta.get("maps")
    return list(methods.values()) if isinstance(methods, dict) else ["t-SNE"]


def _heard(dataset: Dataset, c: Clips, found: Result, picked: str, label: str, clip: str) -> None:
    shown = leakage_maps.of_class(found, picked, label, clip).head(leakage_maps.MOST if label else 8)
    ids = shown["clip_id"].astype(str).tolist()
    what = f"Test clips of {label}" if label else "Test clips"
    total = int((found.clips["label"] == label).sum()) if label else len(found.clips)
    more = f", {numbers.count(len(ids), 'clip')} of {total:,}" if total > len(ids) else f" · {total:,}"
    st.markdown(f"**{plain(what)} as {plain(picked)} takes them**{more}")
    clip_list.show(
        c,
        ids,
        key="leakage-heard",
        dataset=dataset.name,
        label=f"{what}, those that {picked} mistakes most first",
        numbers={
            "taken for": shown["predicted"].astype(str).tolist(),
            "score": [numbers.signed(v) for v in shown["score"].tolist()],
            "own class": [numbers.signed(v) for v in shown["own_score"].tolist()],
        },
        chosen=clip,
        chooses="leakage.clip",
    )


def _clicked() -> None:
    for kind, name, label in chart.clicked(_MAPS):
        st.session_state["leakage.class"] = str(label)
        st.session_state["leakage.clip"] = str(name) if kind == "clip" else ""
