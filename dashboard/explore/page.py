"""Explore: maps of spaces to look at and to listen to, side by side, and how far to trust them."""

from __future__ import annotations

import streamlit as st

from dashboard import data, results, state
from dashboard.components import clips as clip_list
from dashboard.components import map as map_component
from dashboard.explore import colours, quality
from dashboard.explore.controls import Choices, another_is_ready, controls
from dashboard.kit import jobs, layout, numbers, page, table
from dashboard.kit.layout import plain
from jobs.specs import Project
from jobs.workspace import Dataset
from jobs.workspace.workspace import Workspace

TITLE = "Explore"
ICON = ":material/scatter_plot:"
ORDER = 20

_PAPERS = {
    "tsne": (
        "t-SNE draws near points near and says little about how far apart groups are or how big they look "
        "(van der Maaten & Hinton 2008, [JMLR 9](https://jmlr.org/papers/v9/vandermaaten08a.html); "
        "computed by openTSNE, Poličar et al. 2024)."
    ),
    "umap": (
        "UMAP keeps small neighbourhoods and some of their order; gaps and densities are not to scale "
        "(McInnes, Healy & Melville 2018, [arXiv:1802.03426](https://arxiv.org/abs/1802.03426))."
    ),
    "pca": (
        "PCA shows the two directions along which the clips vary most; what differs in others falls together "
        "(Pearson 1901; Hotelling 1933)."
    ),
}


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "explore", TITLE, _page)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    chosen = controls(workspace, view, dataset)
    if chosen is None:
        return
    c = chosen.clips
    clip = view.text("clip", check=lambda v: v in c.row)
    selection = view.text(
        "sel", check=lambda v: bool(clip_list.selected(workspace.root, c, chosen.dataset.name, v))
    )
    near = view.number("near", 5, 50, 10)
    view.write()
    layout.notes(view.notes)
    _head(chosen)

    ready = [m for m in chosen.maps if results.has(m)]
    missing = [m for m in chosen.maps if not results.has(m)]
    # One map leaves room for the chosen clip beside it. The places stay the same with and without a chosen
    # clip, so that the map is not taken down and put up again.
    if len(chosen.maps) == 1:
        left, right = st.columns([2.1, 1], gap="medium")
    else:
        left, right = st.container(), st.container()
    with left:
        if ready:
            _map(chosen, ready, clip, selection, near)
        if missing:
            _compute(workspace, chosen, missing)
    if ready:
        with right:
            _neighbours(view, chosen, clip, near)
        _trust(workspace, chosen)
    _list(workspace, chosen, selection, clip)


def _head(chosen: Choices) -> None:
    c, n = chosen.clips, int(chosen.shown.sum())
    st.title(f"{TITLE} · {chosen.dataset.name}")
    of = f"{n:,} of " if n < c.n else ""
    page.words(chosen.dataset, f"{of}{data.size(c)}", numbers.count(data.n_classes(c), "class"))


def _map(chosen: Choices, ready: list[Project], clip: str, selection: str, near: int) -> None:
    c = chosen.clips
    if not chosen.shown.any():
        st.info(
            "No clip passes the filter at the left; widen it to see points.", icon=":material/filter_alt_off:"
        )
        return
    layouts = [results.layout(m, c) for m in ready]
    content = colours.map_content(c, ready, layouts, chosen.by, chosen.k, chosen.shown)
    graph = ready[0].neighbors
    assert graph is not None
    neighbours = [i for i, _ in results.neighbours_of(graph, c, clip, near)] if clip else []
    map_component.show(
        content,
        key="explore-map",
        dataset=chosen.dataset.name,
        file="-".join(["map", chosen.dataset.name, *[m.embedding.encoder for m in ready]])
        .replace(":", "_")
        .replace("/", "_"),
        revision=" ".join(m.key for m in ready),
        chosen=clip,
        neighbours=neighbours,
        selection=selection,
        page="explore",
    )
    ring = (
        f" Thin rings: its {near} nearest in the space of {plain(ready[0].embedding.encoder)}."
        if clip
        else ""
    )
    layout.reading(
        f"Each point is a clip: click it to hear it, **Ctrl** or **⌘** with the wheel zooms, "
        f"hold **A** or **Shift** and move to hear "
        f"what is under the pointer, draw with Lasso or Box or click a class to list clips.{ring} "
        f"{_PAPERS[ready[0].method]}"
    )


def _compute(workspace: Workspace, chosen: Choices, missing: list[Project]) -> None:
    fresh, asked = jobs.unasked(workspace, missing)
    if fresh and not chosen.default_map:
        names = ", ".join(m.embedding.encoder for m in fresh)
        st.write(f"This map of **{plain(names)}** has not been drawn with these parameters yet.")
        if st.button("Draw it", type="primary", icon=":material/draw:"):
            jobs.submit(workspace, results.maps_with_quality(fresh, chosen.dataset))
            st.rerun()
    elif fresh:
        jobs.submit(workspace, results.maps_with_quality(fresh, chosen.dataset))
        asked = missing
    if asked:
        jobs.pending(workspace, asked, "explore-maps", until=lambda: another_is_ready(chosen))


def _trust(workspace: Workspace, chosen: Choices) -> None:
    st.subheader("How far to trust the picture", anchor=False)
    rows = []
    for m in chosen.maps:
        q = results.quality(m.embedding, chosen.dataset)
        kept = results.kept_mean(m, chosen.clips, chosen.k) if results.has(m) else None
        rows.append(
            [
                m.embedding.encoder,
                f"{q.n:,} × {q.dimensions:,}" if q else "–",
                q.agreement.percent() if q else "–",
                q.silhouette.signed() if q else "–",
                f"k = {kept[0]}: {kept[1].percent()}" if kept else "–",
            ]
        )
    table.show(
        [
            "space",
            "n × d",
            "nearest clip has the same class",
            "cosine silhouette",
            "true neighbours kept by the map",
        ],
        rows,
    )
    unmeasured = [results.quality_spec(m.embedding, chosen.dataset) for m in chosen.maps]
    unmeasured = [spec for spec in unmeasured if results.has(spec.embedding) and not results.has(spec)]
    jobs.compute(workspace, unmeasured, "Measure", "explore-trust", primary=False)
    layout.reading(
        "The first two numbers are about the **space** in all its dimensions: how often a clip's nearest "
        "clip is of its class, and how far classes stand apart, from −1 to 1 (Rousseeuw 1987). The last is "
        "about the **picture**: the share of each clip's k nearest in the space that are also among its k "
        "nearest on the map (of a map that keeps few, trust only the outlines; cf. Venna & Kaski 2001). "
        "In brackets: 95% intervals over clips. A dash: not computed yet."
    )
    quality.show(workspace, chosen)


def _neighbours(view: state.View, chosen: Choices, clip: str, near: int) -> None:
    st.subheader("Chosen clip", anchor=False)
    if not clip:
        st.caption("Click a point to hear it. Its nearest clips in the original space appear here.")
        return
    alone = len(chosen.maps) == 1
    with st.container(height=690 if alone else "content", border=False):
        _play_list(chosen, [clip], "explore-chosen", "The chosen clip", clip)
        st.number_input("Neighbours to list", 5, 50, step=5, key=view.key("near"), width=150)
        for first in range(0, len(chosen.maps), 2):
            pair = chosen.maps[first : first + 2]
            places = [st.container()] if alone else st.columns(2, gap="large")
            for i, m in enumerate(pair, start=first):
                with places[i - first]:
                    _nearest(chosen, m, clip, near, f"explore-near-{i}")


def _nearest(chosen: Choices, m: Project, clip: str, near: int, key: str) -> None:
    graph = m.neighbors
    assert graph is not None
    if not results.has(graph):
        return
    neighbours = results.neighbours_of(graph, chosen.clips, clip, near)
    st.markdown(f"**Nearest in {plain(m.embedding.encoder)}**")
    if not neighbours:
        st.caption("This space has left the clip out.")
        return
    ids = [i for i, _ in neighbours]
    st.caption(
        f"{data.same_class(chosen.clips, clip, ids)} · {graph.metric} distance in the original space, "
        f"{results.dimensions(m.embedding):,} dimensions"
    )
    distances = {"distance": [f"{d:.3f}" for _, d in neighbours]}
    _play_list(chosen, ids, key, f"Nearest clips in {m.embedding.encoder}", clip, distances)


def _list(workspace: Workspace, chosen: Choices, selection: str, clip: str) -> None:
    c = chosen.clips
    selected = clip_list.selected(workspace.root, c, chosen.dataset.name, selection)
    ids = [i for i in selected if chosen.shown[c.row[i]]]
    if selected:
        st.subheader(f"Selection · {numbers.count(len(ids), 'clip')}", anchor=False)
        st.caption(plain(data.selection(c, ids, len(selected) - len(ids))))
    else:
        ids = [str(i) for i in c.ids[chosen.shown]]
        st.subheader(f"Clips · {len(ids):,}", anchor=False)
        st.caption("Draw with Lasso or Box on the map, or click a class, to list only those.")
    ordered = data.in_order(c, ids)
    clip_list.selection(
        c,
        ordered,
        page="explore",
        dataset=chosen.dataset.name,
        file=chosen.dataset.name,
        chosen=clip,
        clear=bool(selection),
    )
    if len(ordered) > clip_list.MOST:
        st.caption(f"The list shows the first {clip_list.MOST:,}; the CSV holds all {len(ordered):,}.")


def _play_list(
    chosen: Choices,
    ids: list[str],
    key: str,
    label: str,
    clip: str,
    columns: dict[str, list[str]] | None = None,
) -> None:
    clip_list.show(
        chosen.clips,
        ids,
        key=key,
        dataset=chosen.dataset.name,
        label=label,
        numbers=columns,
        chosen=clip,
        chooses="explore.clip",
    )
