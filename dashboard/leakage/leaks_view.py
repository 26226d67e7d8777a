"""Which captions name test classes, with examples to read and to hear."""

from __future__ import annotations

import html

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.leakage import captions as leakage_captions
from dashboard.leakage import data as leakage
from dashboard.leakage.data import Result
from dashboard.leaks.figures import leaks_figure
from jobs.workspace.workspace import Dataset

_MOST = 6
_MODES = {"words": "any word of a class’s name, stop words aside", "names": "the whole name of a class"}


def show(view: state.View, dataset: Dataset, c: Clips, found: Result, label: str, file: str) -> None:
    """Draw the leaks by class, and examples of one class."""
    st.subheader("Which captions leaked", anchor=False)
    if not len(found.leaks):
        st.caption(
            "No caption of a training clip names a test class, so that dirty and clean training are the same."
        )
        return
    shown = leakage_captions.leaks(found)
    name = label or shown.names[0]
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        chart.show(
            leaks_figure(
                shown.names,
                shown.captions.tolist(),
                total=leakage.count_of(found, "n_captions"),
                things="training captions",
                said=leakage_captions.said(shown),
                chosen=name,
                theme=layout.theme(),
            ),
            key="leakage-leaks",
            file=f"leaks-{file}",
            csv=lambda: found.leaks,
            chooses="leakage.class",
            caption="click a class for examples",
            alt=f"Captions that name each of {len(shown.names)} test classes",
        )
    with right:
        _examples(dataset, c, found, shown, name)
    unnamed = leakage.count_of(found, "n_unnamed")
    kept = (
        f" {numbers.count(unnamed, 'training clip')} of test classes stay in the clean training, because no "
        "caption of theirs names the class."
        if unnamed
        else ""
    )
    layout.reading(
        f"A caption leaks that has {_MODES[found.spec.leaks]}, in any of its forms (section 2.2 of the "
        "paper; the page Leaks looks at any captions). In the clean training every clip with such a caption "
        "is left out with all its captions; the training is the same but for that, and for being on "
        f"less.{kept}"
    )
    _labels(found)


def _examples(dataset: Dataset, c: Clips, found: Result, shown: leakage_captions.Leaks, name: str) -> None:
    at = shown.names.index(name)
    n, clips = int(shown.captions[at]), int(shown.clips[at])
    st.markdown(f"**{plain(name)}** · {numbers.count(n, 'caption')} of {numbers.count(clips, 'clip')}")
    if not n:
        st.caption("No caption of a training clip names it.")
        return
    words = ", ".join(shown.words[at][:6])
    st.caption(f"named by: {plain(words)}")
    rows = leakage_captions.examples(found, name, _MOST)
    items = "".join(
        "<li>“"
        + "".join(
            f"<mark>{html.escape(piece)}</mark>" if names else html.escape(piece)
            for piece, names in leakage_captions.marked(caption, matched)
        )
        + "”</li>"
        for caption, matched in zip(rows["caption"], rows["matched"], strict=True)
    )
    st.html(
        "<style>.hs-captions { margin: 0 0 0.4rem; padding-left: 1.1rem; line-height: 1.6; }"
        ".hs-captions mark { background: rgb(255 196 60 / 38%); color: inherit; border-radius: 3px; "
        'padding: 0 2px; }</style><ol class="hs-captions">' + items + "</ol>"
    )
    clip_list.show(
        c,
        rows["clip_id"].astype(str).tolist(),
        key="leakage-leaking",
        dataset=dataset.name,
        label=f"Training clips whose captions name {name}, in the order of the captions above",
    )


def _labels(found: Result) -> None:
    rows = found.label_leaks
    if not len(rows):
        return
    names = list(dict.fromkeys(rows["label"].astype(str)))
    with st.expander(f"{numbers.count(len(names), 'class')} left out of clean pre-training"):
        table.show(
            ["class", "names the test class", "by"],
            rows[["label", "test_class", "matched"]].astype(str).to_numpy().tolist(),
        )
