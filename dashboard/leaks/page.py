"""Leaks: which captions and labels name the classes of a zero-shot test, and the lists without them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.kit import form, layout
from dashboard.kit.layout import plain
from dashboard.leaks import data as leaks
from dashboard.leaks import results
from dashboard.leaks.data import Search, Texts
from dashboard.leaks.lists import CLASSES, SEARCHED, choose
from jobs.workspace.workspace import Workspace

TITLE = "Leaks"
ICON = ":material/leak_add:"
ORDER = 100

_PAPER = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"


def render(workspace: Workspace) -> None:
    """Draw the page."""
    view = state.View("leaks", st.session_state, st.query_params)
    st.title(TITLE)
    st.caption("Which captions and labels name the classes that a zero-shot model is tested with.")
    place = st.container()
    names = [d.name for d in workspace.datasets()]
    left, right = st.columns(2, gap="large")
    with left:
        texts = choose(workspace, view, SEARCHED, names, _with_captions(workspace, names))
    with right:
        classes = choose(workspace, view, CLASSES, names, names[0] if names else "")
        only = _only(view, classes)
    if texts is None or classes is None:
        st.info("Choose both lists; what they have in common is shown here.", icon=":material/info:")
    else:
        _search(workspace, view, texts, leaks.names_of(classes, only))
    view.write()
    with place:
        layout.notes(view.notes)


def _with_captions(workspace: Workspace, names: Sequence[str]) -> str:
    """Return the first dataset that has captions, else the first one."""
    has = (name for name in names if leaks.kinds_of(workspace.dataset(name))[0] == "captions")
    return next(has, names[0] if names else "")


def _only(view: state.View, classes: Texts | None) -> list[str]:
    """Draw the choice of some of the classes; none means all of them."""
    if classes is None:
        return []
    names = leaks.names_of(classes)
    if len(names) > leaks.CLASSES:
        return []
    return form.several(view, "only", "Test classes", names, placeholder="all of them")


def _search(workspace: Workspace, view: state.View, texts: Texts, names: Sequence[str]) -> None:
    search = _how(view, texts)
    try:
        matches = leaks.find(texts, names, search)
    except ValueError as error:
        st.warning(plain(str(error)), icon=":material/rule:")
        return
    label = view.text(
        "class", longest=1000, check=lambda given: given in set(matches.leaks["label"].unique().tolist())
    )
    st.divider()
    results.numbers_of(texts, names, matches)
    _stop_words_alone(names, search)
    columns = st.columns([1.15, 1], gap="large")
    with columns[0]:
        results.by_class(view, texts, matches, label)
        results.downloads(texts, matches)
    with columns[1]:
        results.examples(workspace, view, texts, matches, [label] if label else names, search)
    if texts.labels and len(texts.texts) <= leaks.PAIRS:
        results.pairs(texts, names, search)
    layout.reading(
        "**Any word**: a caption leaks if it contains any word of a class’s name, articles and the like "
        f"aside, or, unless switched off, a form of one. That is not quite what {_PAPER} took out: “all "
        "audio examples whose captions contain words that were present in the ESC50 class set” (section "
        "2.2). The paper does not mention forms such as plurals, and counting them takes out more; nor does "
        "it mention articles and the like, and ignoring them takes out less. **Whole names**: only if it "
        "contains the words of a name side by side, or written as one. That takes out less, and leaves *a "
        "saw in his hand* in where *hand saw* is tested. Case, hyphens, accents and plurals make no "
        "difference. **Not** detected are synonyms, and a name whose words are apart. A clean list does not "
        "prove a clean model: the labels of pre-training leak as well, and can be searched here, too."
    )


def _how(view: state.View, texts: Texts) -> Search:
    # A row of a file goes as a whole, so where a row is a clip both are the same.
    units = len(texts.texts) if texts.file is None else len(set(texts.file.row))
    several = texts.clips is not None and len(set(texts.clips)) < units
    take = view.choice("take", ["captions", "clips"], "captions")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        mode = form.switch(view, "mode", "A leak is", leaks.MODES, "words")
        forms = form.switch(view, "forms", "Plurals and other forms", {"yes": "count", "no": "do not count"})
        if several:
            whole = {"captions": "only the caption", "clips": "all captions of its clip"}
            take = form.pick(view, "take", "Taken out", whole)
    return Search(mode, forms == "yes", several and take == "clips")


def _stop_words_alone(names: Sequence[str], search: Search) -> None:
    """Draw which names have no word that is searched for by itself."""
    words = leaks.words_of(names)
    empty = [name for name in names if not words[name]]
    if empty and search.mode == "words":
        some = ", ".join(empty[:6]) + (f" and {len(empty) - 6} more" if len(empty) > 6 else "")
        st.caption(f"Consist only of stop words, so they are searched for as a whole: {plain(some)}.")
