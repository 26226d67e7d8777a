"""Class splits: which classes a zero-shot model is trained on, and which it is judged by."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, form, layout, numbers, page, table
from dashboard.kit import classes as class_sets
from dashboard.kit.classes import FEWEST, Classes, enough
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.splits import data as splits
from dashboard.splits import figures, hand, keep, similarity, train
from dashboard.splits.controls import HOWS, PAPER, Pick, pick
from dashboard.splits.figures import PARTS, UNUSED, proportion
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Class splits"
ICON = ":material/call_split:"
ORDER = 70

#: Clips of a class that are listed.
_MOST_CLIPS = 12
_TITLES = {part: look[0] for part, look in PARTS.items()} | {UNUSED: UNUSED}
#: On a narrow screen names beside points would lie over each other, and a map that is less wide is less high.
_CSS = """
<style>
@media (max-width: 640px) {
  [class*="st-key-splits-map"] .textpoint { display: none; }
  [class*="st-key-splits-map"] :is([data-testid="stElementContainer"], [data-testid="stFullScreenFrame"]):has(
    [data-testid="stPlotlyChart"]) { max-height: calc((100vw - 6rem) * %.3f + 12rem); overflow: hidden; }
}
</style>
"""


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "splits", TITLE, _page, "split", wait=False)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    done = page.done_spaces(workspace, view, dataset, TITLE, "split")
    if done is None:
        return None
    embedding = done[page.choose_space(view, list(done))]
    c = data.clips(dataset)
    notes = page.head(TITLE, dataset)
    classes = enough(
        embedding,
        c,
        f"A split needs at least {FEWEST} classes, two to train on, one for validation and two for the test",
    )
    if classes is None:
        return None
    n_clips = numbers.count(int(classes.clips.sum()), "clip")
    page.words(dataset, n_clips, numbers.count(len(classes.names), "class"))
    k, picks = _picks(workspace, view, dataset, classes)
    label = view.text("class", check=lambda given: given in classes.names)
    _maps(view, embedding, c, classes, k, picks, label)
    similarity.show(embedding, classes, k, picks)
    keep.show(workspace, view, dataset, classes, picks)
    train.show(workspace, view, dataset, embedding, picks)
    return notes


def _picks(
    workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes
) -> tuple[int, list[Pick]]:
    most = min(20, len(classes.names))
    with st.sidebar:
        k = form.whole(
            view,
            "k",
            "K, clusters of classes",
            1,
            most,
            min(3, most),
            help="K-means on the centroids at unit length; the elbow on the page helps to choose.",
        )
        st.divider()
        picks = [pick(workspace, view, dataset, classes, k, "")]
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
            picks.append(pick(workspace, view, dataset, classes, k, "b-"))
    return k, picks


def _compared(key: str) -> None:
    st.session_state[key] = "yes" if st.session_state["splits-compared"] else "no"


# -- maps and numbers -------------------------------------------------------------------------------------


def _maps(
    view: state.View,
    embedding: EmbedAudio,
    c: Clips,
    classes: Classes,
    k: int,
    picks: list[Pick],
    label: str,
) -> None:
    st.html(_CSS % proportion(classes.coords))
    if any(p.how == "hand" for p in picks):
        hand.brush(view)
    several = len(picks) > 1
    columns = st.columns([1, 1] if several else [1.75, 1], gap="medium")
    codes = class_sets.clusters(classes, k)
    for place, p in zip(columns, picks, strict=False):
        with place:
            if several:
                st.subheader(f"Split {p.letter}, {HOWS[p.how]}", anchor=False)
            _problem(p, view)
            _map(view, embedding, classes, codes, p, label)
            if p.how == "hand":
                hand.lists(view, p, classes)
    layout.reading(
        "Each point is the **mean embedding of a class** (equation 5), scaled to unit length and laid out "
        "by the first two principal components of these centroids; the axes say what share of their "
        "variance is in the picture, the rest is not. The shaded area is the convex region of the "
        "**training classes** in the picture: test classes outside it ask the model to reach further "
        f"(Figures 2 and 3 in {PAPER}). Click a class to hear it."
    )
    if several:
        _compared_numbers(classes, picks)
        _listen(view, embedding, c, classes, picks, label)
    else:
        with columns[1]:
            _facts(classes, picks[0])
            _listen(view, embedding, c, classes, picks, label)


def _problem(p: Pick, view: state.View) -> None:
    if not p.error:
        return
    st.warning(plain(p.error), icon=":material/rule:")
    if p.fits is not None:
        st.button(
            f"Use {p.fits}",
            key=f"splits-fit-{p.letter}",
            on_click=_fit,
            args=(view, p),
            help="Training, validation and test classes that this dataset has enough of."
            + " This was a short search: larger ones may fit, too." * (p.how == "diversity"),
        )


def _fit(view: state.View, p: Pick) -> None:
    assert p.fits is not None
    for part in PARTS:
        view.set(f"{p.prefix}{part}", getattr(p.fits, part))


def _map(
    view: state.View, embedding: EmbedAudio, classes: Classes, codes: np.ndarray, p: Pick, label: str
) -> None:
    key = hand.chart_key(view, p)
    parts = tuple(p.parts)
    with st.container(key=f"splits-map{p.letter}"):
        chart.show(
            lambda theme: figures.centroids_figure(
                classes,
                codes,
                parts,
                hull=splits.hull(classes, parts),
                chosen=label,
                theme=theme,
            ),
            remembered=("centroids", classes.key, int(codes.max()), parts, label),
            key=key,
            file=f"split-{embedding.dataset.name}-{embedding.encoder}-{p.letter}",
            csv=lambda: splits.map_table(classes, codes, parts),
            on_select=partial(hand.clicked, view, p, classes),
            alt=f"Centroids of {len(classes.names)} classes, coloured by their part in split {p.letter}",
        )


#: What the mean similarities are of.
_ACROSS, _WITHIN, _ALL = "training with test classes", "among training classes", "among all classes"


def _similarities(classes: Classes, p: Pick) -> dict[str, splits.Pairs]:
    """Return the mean similarities of a split, and that of all classes, which is the only one without it."""
    every = {_ALL: splits.among(classes.names, classes)}
    if p.shown is None:
        return every
    within = splits.among(p.shown.train, classes)
    return {_ACROSS: splits.train_test(p.shown, classes), _WITHIN: within} | every


def _facts(classes: Classes, p: Pick) -> None:
    n = splits.counts(p.parts)
    if p.shown is None:
        layout.facts([(look[0], f"{n[part]:,}") for part, look in PARTS.items()])
        return
    rows = _similarities(classes, p).items()
    table.show(
        ["cosine similarity of classes", "mean", "pairs"],
        [[name, figured(mean), f"{pairs:,}"] for name, (mean, pairs) in rows],
    )
    layout.reading(
        "The first number is high where test classes sound like those of the training; the second is **low** "
        "where the training classes are diverse. Zero-shot sets accuracy against these numbers."
    )
    for part, (title, *_) in PARTS.items():
        names = getattr(p.shown, part)
        st.markdown(f"**{title.capitalize()}, {len(names)}** · {plain(', '.join(names))}")
    st.caption(f"{n[UNUSED]:,} of {len(classes.names):,} classes are unused.")


def _compared_numbers(classes: Classes, picks: list[Pick]) -> None:
    a, b = picks
    st.subheader("A and B", anchor=False)
    each = [_similarities(classes, p) for p in picks]
    rows = [
        [name, *(f"{figured(of[name][0])}, n = {of[name][1]:,} pairs" if name in of else "–" for of in each)]
        for name in (_ACROSS, _WITHIN, _ALL)
    ]
    table.show(["mean cosine similarity of centroids", "A", "B"], rows)
    shared = splits.shared(a.parts, b.parts)
    table.show(
        ["shared classes", *(f"{_TITLES[q]} in B" for q in shared.columns)],
        [
            [f"{_TITLES[p]} in A", *(f"{n:,}" for n in row)]
            for p, row in zip(shared.index, shared.to_numpy().tolist(), strict=True)
        ],
    )
    both = splits.in_both(classes.names, a.parts, b.parts, "test", "test")
    swapped = splits.in_both(classes.names, a.parts, b.parts, "train", "test")
    words = [f"Tested in both: {plain(', '.join(both)) if both else 'no class'}."]
    if swapped:
        words.append(f"Trained on in one and tested in the other: {plain(', '.join(swapped))}.")
    layout.reading(
        " ".join(words)
        + " Accuracies of two splits can be compared class by class only where the same classes "
        "are tested: other test classes are easier or harder by themselves."
    )


# -- listening --------------------------------------------------------------------------------------------


def _listen(
    view: state.View, embedding: EmbedAudio, c: Clips, classes: Classes, picks: list[Pick], label: str
) -> None:
    names = {"": "click a class, or choose one here"} | {name: name for name in classes.names}
    form.listed("Class to hear", names, view.key("class"))
    if not label:
        return
    at = classes.names.index(label)
    several = len(picks) > 1
    where = " · ".join((f"{p.letter}: " if several else "") + _TITLES[p.parts[at]] for p in picks)
    st.caption(f"{where} · {numbers.count(int(classes.clips[at]), 'clip')}")
    ids = [str(i) for i in c.ids[c.labels == label][: _MOST_CLIPS // len(picks)]]
    clip_list.show(
        c,
        ids,
        key="splits-clips",
        dataset=embedding.dataset.name,
        label=f"Clips of {label}",
        numbers={"length": data.lengths(c, ids)},
    )
