"""Separability: how well spaces tell classes apart, by space, by class, by pairs of classes, by clusters."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import data, results, state
from dashboard.kit import chart, form, layout, numbers, page
from dashboard.kit.layout import plain
from dashboard.separability import classes, figures, pairs, table
from dashboard.separability import data as separability
from dashboard.separability.data import Scores
from jobs.specs import EmbedAudio, KMeansCurve
from jobs.workspace.workspace import Dataset, Space, Workspace

TITLE = "Separability"
ICON = ":material/workspaces:"
ORDER = 30


@dataclass(frozen=True)
class _Chosen:
    dataset: Dataset
    spaces: list[Space]
    space: Space
    metric: str


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "separability", TITLE, _page)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    chosen = _controls(workspace, view, dataset)
    if chosen is None:
        return
    c = data.clips(chosen.dataset)
    names = data.class_names(c)
    st.title(f"{TITLE} · {chosen.dataset.name}")
    labelled = int((data.class_of_each(c) != "").sum())
    clips = numbers.count(c.n, "clip") + (f", {labelled:,} with a class" if labelled < c.n else "")
    page.words(chosen.dataset, clips, numbers.count(len(names), "class"))
    embedding = chosen.space.spec
    specs = separability.specs_of(chosen.dataset, embedding)
    file = f"{chosen.dataset.name}-{embedding.encoder}"
    has_classes = len(names) > 1 and results.has(specs.separability)
    if has_classes:
        shown = separability.by_class(specs.separability, c, chosen.metric)
        label = classes.choose(view, shown)
        order, pair = pairs.choose(view, specs.separability, c)
    view.write()
    layout.notes(view.notes)
    st.subheader("All spaces", anchor=False)
    rows = table.show(
        workspace, chosen.dataset, chosen.spaces, chosen.space.encoder, chosen.metric, len(names)
    )
    if has_classes:
        classes.show(view, specs.separability, c, shown, label, chosen.metric, file)
        pairs.show(view, specs.separability, c, order, pair, chosen.metric, file)
    elif len(names) < 2:
        _too_few(names, labelled < c.n)
    else:
        st.info(
            f"Classes and their distances in {plain(embedding.encoder)} are shown here once they are "
            "computed.",
            icon=":material/info:",
        )
    _properties(rows, embedding, chosen.dataset.name)
    if specs.curve is not None and results.has(specs.curve):
        _clusters(specs.curve, len(names), file)


def _controls(workspace: Workspace, view: state.View, dataset: Dataset) -> _Chosen | None:
    spaces = workspace.spaces(dataset)
    done = {s.encoder: s for s in spaces if s.state == "done"}
    if not done:
        st.title(f"{TITLE} · {dataset.name}")
        page.no_space(workspace, view, dataset, spaces, "compared")
        return None
    space = page.choose_space(view, list(done))
    with st.sidebar:
        metric = form.select(
            view,
            "metric",
            "Distance of the silhouettes",
            separability.METRICS,
            help="Cosine compares directions only, as the paper does; the others compare lengths too.",
        )
    return _Chosen(dataset, spaces, done[space], metric)


def _too_few(names: list[str], some: bool) -> None:
    clips = "All clips with a class" if some else "All clips"
    what = f"{clips} are of one class, {plain(names[0])}" if names else "No clip has a class"
    st.info(
        f"{what}; separability compares at least two. Add the dataset again from a folder with a folder a "
        "class, or with a table that has a column “label”.",
        icon=":material/info:",
    )


def _properties(rows: list[Scores], embedding: EmbedAudio, dataset: str) -> None:
    spaces = [s.space for s in rows]
    if not any(s.has_properties for s in rows):
        return
    st.subheader("Four properties of the angles, across spaces", anchor=False)
    n = numbers.span(s.labelled for s in rows if s.has_properties)
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    for place, m in zip(places, separability.PROPERTIES, strict=True):
        why = "no class has two clips" if m.name.startswith("intra") else "there is one class only"
        with place:
            st.markdown(f"**{m.title.capitalize()}**")
            chart.show(
                figures.property_figure(
                    spaces,
                    [s.values[m.name].value for s in rows],
                    title=f"{m.axis}<br>{m.better} is better · n = {n} clips",
                    nothing=f"not defined: {why}",
                    chosen=embedding.encoder,
                    theme=layout.theme(),
                ),
                key=f"separability-{m.name}",
                file=f"{m.name}-{dataset}",
                alt=f"{m.title} of {len(spaces)} spaces",
            )
    layout.reading(
        "d is the cosine distance of two clips, deviation the standard deviation over pairs. **Lower is "
        "better in all four**: clips of a class near each other and all equally so, classes near a right "
        "angle and all equally so. Read them together: where all clips point the same way, distances are "
        "small within classes and between them (Almudévar et al., *Angular distance distribution loss for "
        "audio classification*, sections 3.2 and 3.3). Each number is of all pairs of clips; the grey row is "
        "the space chosen at the left. The CSV of the first table has them."
    )


def _clusters(spec: KMeansCurve, n_classes: int, file: str) -> None:
    shown = results.result(spec)
    st.subheader("Without the classes: K-means over K", anchor=False)
    chart.show(
        lambda theme: figures.clusters_figure(
            shown.ks,
            shown.inertia,
            shown.silhouette,
            of=f"{shown.n_clips:,} clips",
            elbow=shown.elbow,
            n_classes=n_classes,
            theme=theme,
        ),
        remembered=("clusters", spec.key, n_classes),
        key="separability-clusters",
        file=f"kmeans-{file}",
        csv=lambda: separability.curve_table(spec),
        alt="Inertia and silhouette of K-means over the number of clusters",
    )
    layout.reading(
        "K-means on unit-length embeddings (Lloyd 1982; seeded by k-means++, Arthur & Vassilvitskii 2007). "
        "Inertia falls with K by itself; the elbow is where it lies farthest below the straight line between "
        "its ends, and clusters beyond it add little (Satopää et al. 2011). The silhouette of clusters, by "
        "cosine distance, is highest where they are tightest (Rousseeuw 1987). A space whose elbow or "
        "highest silhouette is near the number of classes falls into about as many groups; whether those "
        "**are** the classes is what the figures above show."
    )
