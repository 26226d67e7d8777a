"""Figures 2 to 4 of the paper as small maps in one figure, and the clips of the class that is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, form, layout, numbers, palette
from dashboard.kit.layout import plain
from dashboard.kit.text import whole
from dashboard.leakage import figures
from dashboard.leakage.data import Shown
from dashboard.leakage.figures import Panel

#: Which space of the sounds the first maps show.
LAYERS = {"Ea": "E_a, as Figure 2", "xa": "x_a after training"}
#: Clips in the list: of a class at most, and of all classes.
MOST, FEW = 40, 8
_MAPS = "leakage-maps"
_STYLE = f"""
<style>
/* Names that only a wide map has room for, after its points and the names for any. */
@media (max-width: 1150px) {{ .st-key-{_MAPS} .scatterlayer > .trace:nth-child(3) {{ display: none; }} }}
</style>
"""
_METHODS = {"tsne": "t-SNE", "pca": "PCA"}


def show(shown: Shown) -> None:
    """Draw the maps, then the clips of the class that is chosen."""
    result, view = shown.result, shown.view
    st.subheader("The spaces on small maps", anchor=False)
    layer = view.choice("layer", list(LAYERS), "Ea", called="sounds in the first rows")
    tested = set(result.test_clips["clip_id"])
    clip = view.text("clip", check=lambda given: given in tested)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        form.pick(view, "layer", "Sounds in the first rows", LAYERS)
        classes = {"": "all classes"} | {name: name for name in result.test_classes}
        form.listed("Class", classes, view.key("class"), width=300)
    st.html(_STYLE)
    chart.show(
        lambda theme: figures.small_maps_figure(
            panels(shown, layer),
            result.test_classes,
            styles(shown),
            chosen=shown.label,
            clip=clip,
            theme=theme,
        ),
        remembered=("leakage-maps", shown.spec.key, shown.clips.key, layer, shown.model, shown.label, clip),
        key=_MAPS,
        file=f"leakage-maps-{shown.file}",
        csv=lambda: coordinates(shown, layer),
        on_select=_choose_clicked,
        caption="click a point: its class is marked in every map, and its clips are listed",
        alt=f"Small maps of {result.n_test} test clips by {result.n_models} models, and of texts",
    )
    methods = " and ".join(dict.fromkeys(_METHODS.get(method, method) for method in result.maps.values()))
    layout.reading(
        f"Each panel is a map of its own ({methods}) of the test clips, a colour a class; directions and "
        "distances between panels mean nothing, only which points lie together. In the paper clusters fall "
        "apart from left to right and from dirty to clean, as the leak disappears (Figure 2); what is one "
        "cluster in the backbone stays one in E_a (Figure 4, section 3.3): **choose a class** and look "
        "whether that is so here. Texts lie by their meaning, sounds by their acoustic similarity (Figures 3 "
        "and 4). Maps distort; Table 2 measures the same in the whole space (van der Maaten & Hinton 2008)."
    )
    _list_clips(shown, clip)


def panels(shown: Shown, layer: str) -> list[list[Panel]]:
    """Return the rows of small maps: Figure 2 by training, Figure 4, then Figure 3 beside its backbone.

    The first rows show the `layer` "Ea" or "xa" of the sounds, the last the texts of the chosen model.
    """
    result, spec = shown.result, shown.spec
    ids, labels = (result.test_clips[name].astype(str).tolist() for name in ("clip_id", "label"))
    codes = np.array([result.test_classes.index(label) for label in labels], np.int64)
    names = [
        f"<b>{whole(label)}</b><br>{whole(_file_of(shown.clips, id))}"
        for label, id in zip(labels, ids, strict=True)
    ]
    letters = iter("abcdef")

    def of_clips(title: str, group: str, coords: np.ndarray, hover: list[str]) -> Panel:
        ok = np.flatnonzero(np.isfinite(coords).all(axis=1))
        if not len(ok):
            return Panel(f"{title}: no map", group, [], "clip", np.empty((0, 2)), codes[:0], [])
        at = ok.tolist()
        return Panel(
            title, group, [ids[i] for i in at], "clip", coords[ok], codes[ok], [hover[i] for i in at]
        )

    rows = []
    for then in spec.training:
        group = f"{'E_a, Figure 2' if layer == 'Ea' else 'x_a'}, trained {then} · n = {len(ids):,} clips"
        row = []
        for before in spec.pretraining:
            name = f"{before}/{then}"
            predicted = dict(result.predictions_of(name)[["clip_id", "predicted"]].to_numpy().tolist())
            hover = [
                f"{text}<br>{whole(name)}: taken for {whole(predicted[id])}" if id in predicted else text
                for id, text in zip(ids, names, strict=True)
            ]
            coords = getattr(result, f"map_{layer}")[result.number(name)]
            row.append(of_clips(f"({next(letters)}) {name}", group, coords, hover))
            group = ""
        rows.append(row)
    group = "x_a before contrastive training, Figure 4"
    groups = [group, *[""] * len(spec.pretraining)]
    rows.append([of_clips(p, groups[i], result.map_x0[i], names) for i, p in enumerate(spec.pretraining)])
    tests = result.test_classes
    hover = [f"<b>{whole(name)}</b>, its text" for name in tests]
    texts = [
        Panel(title, group, tests, "class", coords, np.arange(len(tests)), hover)
        for title, group, coords in (
            (shown.model, "E_t, Figure 3", result.map_Et[result.number(shown.model)]),
            (spec.text_encoder, "x_t before, Figure 4", result.map_xt0),
        )
    ]
    return [*rows, [panel for panel in texts if np.isfinite(panel.coords).all()]]


def _file_of(c: Clips, clip: str) -> str:
    return str(c.files[c.row[clip]]) if clip in c.row else clip


def styles(shown: Shown) -> list[palette.Style]:
    """Return the colour and marker of each test class, which are the same on every page."""
    neutral = palette.Style(palette.NEUTRAL["light"], palette.NEUTRAL["dark"])
    return [shown.clips.styles.get(name, neutral) for name in shown.result.test_classes]


def coordinates(shown: Shown, layer: str) -> pd.DataFrame:
    """Return the coordinates of all maps, a row a point."""
    result, spec = shown.result, shown.spec
    clips = result.test_clips[["clip_id", "label"]].set_axis(["id", "class"], axis=1)
    texts = pd.DataFrame({"id": result.test_classes, "class": result.test_classes})
    of_layer = getattr(result, f"map_{layer}")
    maps = [(layer, name, clips, of_layer[i]) for i, name in enumerate(spec.names)]
    maps += [("x0", name, clips, result.map_x0[i]) for i, name in enumerate(spec.pretraining)]
    maps += [("Et", shown.model, texts, result.map_Et[result.number(shown.model)])]
    maps += [("xt0", spec.text_encoder, texts, result.map_xt0)]
    frames = [
        points.assign(space=space, model=model, x=coords[:, 0], y=coords[:, 1])
        for space, model, points, coords in maps
    ]
    return pd.concat(frames)[["space", "model", "id", "class", "x", "y"]]


def of_class(shown: Shown, label: str, clip: str = "", most: int = MOST) -> pd.DataFrame:
    """Return the predictions for the test clips of a class, or all for "": the chosen `clip` comes first.

    The others are ordered by how wrong the model is about them, the worst first, at most `most` in all.
    """
    p = shown.result.predictions_of(shown.model)
    p = p[p["label"] == label] if label else p
    p = p.assign(other=p["clip_id"] != clip, margin=p["own_score"] - p["score"])
    return p.sort_values(["other", "margin", "clip_id"], kind="stable").head(most).reset_index(drop=True)


def _list_clips(shown: Shown, clip: str) -> None:
    label, every = shown.label, shown.result.test_clips["label"]
    p = of_class(shown, label, clip, MOST if label else FEW)
    title = f"Test clips of {label}" if label else "Test clips"
    total = int((every == label).sum()) if label else len(every)
    more = f", {numbers.count(len(p), 'clip')} of {total:,}" if total > len(p) else f" · {total:,}"
    st.markdown(f"**{plain(title)} as classified by {plain(shown.model)}**{more}")
    clip_list.show(
        shown.clips,
        p["clip_id"].tolist(),
        key="leakage-clips",
        dataset=shown.dataset.name,
        label=f"{title}, the most mistaken by {shown.model} first",
        numbers={
            "taken for": p["predicted"].tolist(),
            "score": [numbers.signed(v) for v in p["score"].tolist()],
            "own class": [numbers.signed(v) for v in p["own_score"].tolist()],
        },
        chosen=clip,
        chooses="leakage.clip",
    )


def _choose_clicked() -> None:
    for kind, name, label in chart.clicked(_MAPS):
        st.session_state["leakage.class"] = str(label)
        st.session_state["leakage.clip"] = str(name) if kind == "clip" else ""
