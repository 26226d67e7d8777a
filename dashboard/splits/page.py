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
from dashboard.splits import numbers as split_numbers
from dashboard.splits.controls import PAPER, Pick, pick
from dashboard.splits.figures import PARTS, UNUSED, proportion
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Class splits"
ICON = ":material/call_split:"
ORDER = 70

#: Clips of a class that can be heard.
_HEARD = 12
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
    found = enough(
        embedding,
        c,
        f"A split needs at least {FEWEST} classes, two to train on, one for validation and two for the test",
    )
    if found is None:
        return None
    clips, classes = int(found.clips.sum()), len(found.names)
    page.words(dataset, numbers.count(clips, "clip"), numbers.count(classes, "class"))
    k, picks = _picks(workspace, view, dataset, found)
    label = view.text("class", check=lambda given: given in found.names)
    _maps(view, embedding, c, found, k, picks, label)
    similarity.show(embedding, found, k, picks)
    keep.show(workspace, view, dataset, found, picks)
    train.show(workspace, view, dataset, embedding, picks)
    return notes


def _picks(
    workspace: Workspace, view: state.View, dataset: Dataset, found: Classes
) -> tuple[int, list[Pick]]:
    most = min(20, len(found.names))
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
    st.html(_CSS % proportion(found.coords))
    if any(p.how == "hand" for p in picks):
        hand.brush(view)
    several = len(picks) > 1
    columns = st.columns([1, 1] if several else [1.75, 1], gap="medium")
    codes = class_sets.clusters(found, k)
    for place, p in zip(columns, picks, strict=False):
        with place:
            if several:
                st.subheader(f"Split {p.letter}, {p.words}", anchor=False)
            _problem(p, view)
            _map(view, embedding, found, codes, p, label)
            if p.how == "hand":
                hand.lists(view, p, found)
    layout.reading(
        "Each point is the **mean embedding of a class** (equation 5), scaled to unit length and laid out "
        "by the first two principal components of these centroids; the axes say what share of their "
        "variance is in the picture, the rest is not. The shaded area is the convex region of the "
        "**training classes** in the picture: test classes outside it ask the model to reach further "
        f"(Figures 2 and 3 in {PAPER}). Click a class to hear it."
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
    st.warning(plain(p.error), icon=":material/rule:")
    if p.fits is not None:
        st.button(
            f"Use {p.fits}",
            key=f"splits-fit-{p.letter}",
            on_click=_fit,
            args=(view, p),
            help="Training, validation and test classes that there are enough of."
            + " They were found by a short search: larger ones may fit, too." * (p.how == "diversity"),
        )


def _fit(view: state.View, p: Pick) -> None:
    assert p.fits is not None
    for part in PARTS:
        view.set(f"{p.prefix}{part}", getattr(p.fits, part))


def _map(
    view: state.View, embedding: EmbedAudio, found: Classes, codes: np.ndarray, p: Pick, label: str
) -> None:
    key = hand.chart_key(view, p)
    parts = tuple(p.parts)
    with st.container(key=f"splits-map{p.letter}"):
        chart.show(
            lambda theme: figures.centroids_figure(
                splits.on_map(found, codes),
                parts,
                hull=splits.hull(found, parts),
                chosen=label,
                theme=theme,
            ),
            remembered=("centroids", found.key, int(codes.max()), parts, label),
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
        n = split_numbers.counts(p.parts)
        layout.facts([(look[0], f"{n[part]:,}") for part, look in PARTS.items()])
        return
    s = splits.numbers_of(p.shown, found)
    table.show(
        ["cosine similarity of classes", "mean", "pairs"],
        [
            ["training with test classes", figured(s.train_test), f"{s.train_test_pairs:,}"],
            ["among training classes", figured(s.train), f"{s.train_pairs:,}"],
            ["among all classes", figured(mean), f"{pairs:,}"],
        ],
    )
    layout.reading(
        "The first number is high where test classes sound like what was trained on; the second is **low** "
        "where the training classes are diverse. These are what accuracy is set against under Zero-shot."
    )
    for part, (said, *_) in PARTS.items():
        classes = getattr(p.shown, part)
        st.markdown(f"**{said.capitalize()}, {len(classes)}** · {plain(', '.join(classes))}")
    unused = split_numbers.counts(p.parts)[UNUSED]
    st.caption(f"{unused:,} of {len(found.names):,} classes are unused.")


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
    table.show(["mean cosine similarity of centroids", "A", "B"], rows)
    shared = splits.shared(a.parts, b.parts)
    names = {part: look[0] for part, look in PARTS.items()} | {UNUSED: UNUSED}
    table.show(
        ["shared classes", *(f"{names[q]} in B" for q in shared.columns)],
        [
            [f"{names[p]} in A", *(f"{n:,}" for n in row)]
            for p, row in zip(shared.index, shared.to_numpy().tolist(), strict=True)
        ],
    )
    both = split_numbers.shared_tests(found.names, a.parts, b.parts)
    swapped = split_numbers.swapped(found.names, a.parts, b.parts)
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
    view: state.View, embedding: EmbedAudio, c: Clips, found: Classes, picks: list[Pick], label: str
) -> None:
    names = {"": "click a class, or choose one here"} | {name: name for name in found.names}
    form.listed("Class to hear", names, view.key("class"))
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
