"""Class splits: which classes a zero-shot model is trained on, and which it is judged by."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import data, figures, numbers, splits, state, ui
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.figures.separability import figured
from dashboard.figures.splits import PARTS, UNUSED
from dashboard.memory import once
from dashboard.splits import Classes
from dashboard.views import _splits_hand as hand
from dashboard.views import _splits_keep as keep
from dashboard.views._dataset import choose, no_space, none_there, wait_for_sounds
from dashboard.views._splits_controls import Pick, pick
from jobs.specs import EmbedAudio
from jobs.workspace import Dataset, Workspace

TITLE = "Class splits"
ICON = ":material/call_split:"
ORDER = 70

#: Classes that the smallest split needs.
_FEWEST = 5
#: Clips of a class that can be heard.
_HEARD = 12
_PAPER = "Dogan et al., *On the role of training class distribution in zero-shot audio classification*"
_CSS = """
<style>
/* On a narrow screen names beside points would lie over each other. */
@media (max-width: 640px) { [class*="st-key-splits-map"] .textpoint { display: none; } }
</style>
"""


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        none_there(TITLE, "split")
        return
    view = state.View("splits", st.session_state, st.query_params)
    dataset = choose(workspace, view, [d.name for d in datasets])
    embedding = _space(workspace, view, dataset)
    if embedding is None:
        view.write()
        return
    c = data.clips(dataset)
    st.title(f"{TITLE} · {dataset.name}")
    place = st.container()
    found = _classes(embedding, c)
    if found is None:
        view.write()
        return
    words = [numbers.count(int(found.clips.sum()), "clip"), numbers.count(len(found.names), "class")]
    st.caption(" · ".join(words + ["synthetic"] * bool(dataset.note)))
    k, picks = _picks(workspace, view, dataset, found)
    label = view.text("class", check=lambda given: given in found.names)
    _maps(view, embedding, c, found, k, picks, label)
    _similarity(embedding, found, k, picks)
    keep.show(workspace, view, dataset, found, picks)
    keep.train(workspace, view, dataset, embedding, picks)
    view.write()
    with place:
        ui.notes(view.notes)


def _space(workspace: Workspace, view: state.View, dataset: Dataset) -> EmbedAudio | None:
    if not dataset.ready:
        st.title(TITLE)
        wait_for_sounds(workspace, view, dataset)
        return None
    spaces = workspace.spaces(dataset)
    done = {s.encoder: s.spec for s in spaces if s.state == "done"}
    if not done:
        st.title(f"{TITLE} · {dataset.name}")
        no_space(workspace, view, dataset, spaces, "split")
        return None
    view.choice("space", list(done), next(iter(done)))
    with st.sidebar:
        return done[str(st.selectbox("Space", list(done), key=view.key("space")))]


def _classes(embedding: EmbedAudio, c: Clips) -> Classes | None:
    """Return the classes, or say why there are too few."""
    try:
        found = splits.classes(embedding, c)
    except ValueError:
        found = None
    if found is not None and len(found.names) >= _FEWEST:
        return found
    there = (
        "no clip has a class" if found is None else f"there are {numbers.count(len(found.names), 'class')}"
    )
    st.info(
        f"A split needs at least {_FEWEST} classes, two to train on, one for validation and two for the "
        f"test; {there}. Add a dataset with more classes, such as a folder with a folder a class.",
        icon=":material/info:",
    )
    return None


def _picks(
    workspace: Workspace, view: state.View, dataset: Dataset, found: Classes
) -> tuple[int, list[Pick]]:
    most = min(20, len(found.names))
    view.number("k", 1, most, min(3, most))
    with st.sidebar:
        k = int(
            st.number_input(
                "K, clusters of classes",
                1,
                most,
                key=view.key("k"),
                help="K-means on the centroids at unit length; the elbow on the page helps to choose.",
            )
        )
        st.divider()
        picks = [pick(workspace, view, dataset, found, k, "")]
        st.divider()
        compared = view.choice("compare", ["no", "yes"], "no") == "yes"
        st.session_state["splits-compared"] = compared
        st.toggle(
            "Compare with a second split",
            key="splits-compared",
            on_change=_compared,
            args=(view.key("compare"),),
        )
        if compared:
            picks.append(pick(workspace, view, dataset, found, k, "b-"))
    return k, picks


def _compared(key: str) -> None:
    st.session_state[key] = "yes" if st.session_state["splits-compared"] else "no"


# -- maps and numbers -------------------------------------------------------------------------------------


def _maps(
    view: state.View,
    embedding: EmbedAudio,
    c: Clips,
    found: Classes,
    k: int,
    picks: list[Pick],
    label: str,
) -> None:
    st.html(_CSS)
    if any(p.how == "hand" for p in picks):
        hand.brush(view)
    several = len(picks) > 1
    columns = st.columns([1, 1] if several else [1.75, 1], gap="medium")
    codes = splits.clusters(found, k)
    for place, p in zip(columns, picks, strict=False):
        with place:
            if several:
                st.subheader(f"Split {p.letter}, {p.words}", anchor=False)
            _problem(p, view)
            _map(view, embedding, found, codes, p, label)
            if p.how == "hand":
                hand.lists(view, p, found)
    ui.reading(
        "Each point is the **mean embedding of a class** (equation 5), scaled to unit length and laid out "
        "by the first two principal components of these centroids; the axes say what share of their "
        "variance is in the picture, the rest is not. The shaded area is the convex region of the "
        "**training classes** in the picture: test classes outside it ask the model to reach further "
        f"(Figures 2 and 3 in {_PAPER}). Click a class to hear it."
    )
    if several:
        _compared_numbers(found, picks)
        _listen(view, embedding, c, found, picks, label)
    else:
        with columns[1]:
            _facts(found, picks[0])
            _listen(view, embedding, c, found, picks, label)


def _problem(p: Pick, view: state.View) -> None:
    if not p.error:
        return
    st.warning(ui.plain(p.error), icon=":material/rule:")
    if p.fits is not None:
        st.button(
            f"Use {p.fits}",
            key=f"splits-fit-{p.letter}",
            on_click=_fit,
            args=(view, p),
            help="Training, validation and test classes that there are enough of.",
        )


def _fit(view: state.View, p: Pick) -> None:
    assert p.fits is not None
    for part in PARTS:
        view.set(f"{p.prefix}{part}", getattr(p.fits, part))


def _map(
    view: state.View, embedding: EmbedAudio, found: Classes, codes: np.ndarray, p: Pick, label: str
) -> None:
    theme = ui.theme()
    key = hand.chart_key(view, p)
    parts = tuple(p.parts)
    with st.container(key=f"splits-map{p.letter}"):
        ui.chart(
            once(
                ("figure", "centroids", found.key, int(codes.max()), parts, label, theme),
                lambda: figures.centroids_figure(
                    found.shown(codes),
                    parts,
                    hull=splits.hull(found, parts),
                    chosen=label,
                    theme=theme,
                ),
            ),
            key=key,
            file=f"split-{embedding.dataset.name}-{embedding.encoder}-{p.letter}",
            csv=lambda: splits.table(found, codes, {"part": parts}),
            on_select=partial(hand.clicked, view, p, found),
            alt=f"Centroids of {len(found.names)} classes, coloured by their part in split {p.letter}",
        )


def _pairs(value: float, n: int) -> str:
    return f"{figured(value)}, n = {n:,} pairs"


def _facts(found: Classes, p: Pick) -> None:
    mean, pairs = splits.everywhere(found)
    if p.shown is None:
        n = {part: sum(q == part for q in p.parts) for part in PARTS}
        ui.facts([(look[0], f"{n[part]:,}") for part, look in PARTS.items()])
        return
    s = splits.numbers_of(p.shown, found)
    ui.table(
        ["cosine similarity of classes", "mean", "pairs"],
        [
            ["training with test classes", figured(s.train_test), f"{s.train_test_pairs:,}"],
            ["among training classes", figured(s.train), f"{s.train_pairs:,}"],
            ["among all classes", figured(mean), f"{pairs:,}"],
        ],
    )
    ui.reading(
        "The first number is high where test classes sound like what was trained on; the second is **low** "
        "where the training classes are diverse. These are what accuracy is set against under Zero-shot."
    )
    for part, (said, *_) in PARTS.items():
        classes = getattr(p.shown, part)
        st.markdown(f"**{said.capitalize()}, {len(classes)}** · {ui.plain(', '.join(classes))}")
    st.caption(f"{sum(q == UNUSED for q in p.parts):,} of {len(found.names):,} classes are unused.")


def _compared_numbers(found: Classes, picks: list[Pick]) -> None:
    a, b = picks
    st.subheader("A and B", anchor=False)
    mean, pairs = splits.everywhere(found)
    each = [None if p.shown is None else splits.numbers_of(p.shown, found) for p in picks]
    rows = []
    for said, name in (("training with test classes", "train_test"), ("among training classes", "train")):
        row = [said]
        for s in each:
            row.append("–" if s is None else _pairs(getattr(s, name), getattr(s, f"{name}_pairs")))
        rows.append(row)
    rows.append(["among all classes", _pairs(mean, pairs), _pairs(mean, pairs)])
    ui.table(["mean cosine similarity of centroids", "A", "B"], rows)
    table = splits.shared(a.parts, b.parts)
    names = {part: look[0] for part, look in PARTS.items()} | {UNUSED: UNUSED}
    ui.table(
        ["shared classes", *(f"{names[q]} in B" for q in table.columns)],
        [
            [f"{names[p]} in A", *(f"{n:,}" for n in row)]
            for p, row in zip(table.index, table.to_numpy().tolist(), strict=True)
        ],
    )
    both = [n for n, p, q in zip(found.names, a.parts, b.parts, strict=True) if p == q == "test"]
    swapped = [
        n for n, p, q in zip(found.names, a.parts, b.parts, strict=True) if {p, q} == {"train", "test"}
    ]
    words = [f"Tested in both: {ui.plain(', '.join(both)) if both else 'no class'}."]
    if swapped:
        words.append(f"Trained on in one and tested in the other: {ui.plain(', '.join(swapped))}.")
    ui.reading(
        " ".join(words)
        + " Accuracies of two splits can be compared class by class only where the same classes "
        "are tested: other test classes are easier or harder by themselves."
    )


# -- listening --------------------------------------------------------------------------------------------


def _listen(
    view: state.View, embedding: EmbedAudio, c: Clips, found: Classes, picks: list[Pick], label: str
) -> None:
    st.selectbox(
        "Class to hear",
        ["", *found.names],
        format_func=lambda name: name or "click a class, or choose one here",
        key=view.key("class"),
    )
    if not label:
        return
    at = found.names.index(label)
    said = {part: look[0] for part, look in PARTS.items()} | {UNUSED: UNUSED}
    where = " · ".join((f"{p.letter}: " if len(picks) > 1 else "") + said[p.parts[at]] for p in picks)
    st.caption(f"{where} · {numbers.count(int(found.clips[at]), 'clip')}")
    ids = [str(i) for i in c.ids[c.labels == label][: _HEARD if len(picks) == 1 else _HEARD // 2]]
    clip_list.show(
        c,
        ids,
        key="splits-heard",
        dataset=embedding.dataset.name,
        label=f"Clips of {label}",
        numbers={"length": data.lengths(c, ids)},
    )


# -- similarity and elbow ---------------------------------------------------------------------------------


def _similarity(embedding: EmbedAudio, found: Classes, k: int, picks: list[Pick]) -> None:
    st.subheader("How similar the classes are, and how many clusters they make", anchor=False)
    codes = splits.clusters(found, k)
    ordered = {}
    for p in picks:
        if p.shown is not None:
            names, sizes = splits.in_order(p.shown, found, codes)
            ordered[p.letter] = names, sizes, splits.among(found, names)
    # A matrix is as wide as it is high: the second column is another one's, or the elbow's.
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    if ordered:
        off = np.concatenate([m[np.triu_indices(len(m), 1)] for *_, m in ordered.values()])
        limits = (float(off.min()), float(off.max()))
    theme = ui.theme()
    for place, (letter, (names, sizes, values)) in zip(places, ordered.items(), strict=False):
        with place:
            if len(picks) > 1:
                st.markdown(f"**Split {letter}**")
            ui.chart(
                once(
                    ("figure", "class-similarity", found.key, tuple(names), tuple(sizes), limits, theme),
                    partial(
                        figures.class_similarity_figure, names, values, sizes, limits=limits, theme=theme
                    ),
                ),
                key=f"splits-matrix-{letter.lower()}",
                file=f"class-similarity-{embedding.dataset.name}-{embedding.encoder}-{letter}",
                csv=partial(splits.matrix_table, found, names, sizes),
                alt=f"Cosine similarity of the {len(names)} classes of split {letter}, in its order",
            )
    if ordered:
        with places[0]:
            ui.reading(
                "Cosine similarity of every two centroids; yellow is alike. Classes stand by part, within "
                "it by cluster and name. The block where **training meets test** is what the similarity "
                "ratio changes, the block of **training with training** what the ranges of the diversity "
                f"setup change (sections 3.1 and 3.2 of {_PAPER})."
            )
    with places[len(ordered)]:
        _elbow(embedding, found)


def _elbow(embedding: EmbedAudio, found: Classes) -> None:
    theme = ui.theme()
    ks, inertia, silhouette, bend = splits.elbow(found)
    ui.chart(
        once(
            ("figure", "class-elbow", found.key, theme),
            lambda: figures.clusters_figure(
                ks, inertia, silhouette, n=len(found.names), things="classes", elbow=bend, theme=theme
            ),
        ),
        key="splits-elbow",
        file=f"class-elbow-{embedding.dataset.name}-{embedding.encoder}",
        csv=lambda: splits.elbow_table(found),
        alt="Inertia and silhouette of K-means on the centroids over the number of clusters",
    )
    ui.reading(
        "K-means on the centroids at unit length, as the clusters are made (section 3.1 of the paper, "
        "where the elbow gave K = 3). Inertia falls with K by itself; the elbow is where it lies farthest "
        "below the straight line between its ends (Satopää et al. 2011). The silhouette of the clusters, "
        "by cosine distance, is highest where they are tightest (Rousseeuw 1987)."
    )
