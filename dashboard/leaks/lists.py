"""The two lists of Leaks: the texts that are searched, and the names of the classes of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.kit import form, numbers
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.leaks import data as leaks
from dashboard.leaks.data import Texts
from jobs.workspace.text_files import TextFileError
from jobs.workspace.workspace import Workspace

_FROM = {"dataset": "a dataset", "file": "a file"}
_REFUSED = "leaks-refused"
_FORMATS = "A .txt with a line each, or a .csv with a column caption, caption_1, caption_2, …, or label."


@dataclass(frozen=True)
class Side:
    """One of the lists: its prefix in the link, its title, and a description."""

    prefix: str
    title: str
    description: str


SEARCHED = Side("", "Texts to search", "Captions to train with, or labels of pre-training.")
CLASSES = Side("test-", "Classes of the test", "Names that the texts should not contain.")


def choose(
    workspace: Workspace, view: state.View, side: Side, names: Sequence[str], first: str
) -> Texts | None:
    """Draw the controls of a list and return it; None where a file is still to come.

    `first` is the initial dataset, one of `names`, or "" where the workspace has none.
    """
    st.subheader(side.title, anchor=False)
    st.caption(side.description)
    ways = list(_FROM) if names else ["file"]
    way = view.choice(f"{side.prefix}from", ways, ways[0])
    texts: Texts | None
    if way == "dataset":
        texts = _dataset(workspace, view, side, names, first)
    else:
        if names:
            pick(view, f"{side.prefix}from", "From", _FROM)
        texts = _file(workspace, view, side)
    if texts is not None:
        of = "" if texts.clips is None else f" of {numbers.count(len(set(texts.clips)), 'clip')}"
        st.caption(f"{numbers.count(len(texts.texts), texts.thing)}{of} · {plain(texts.name)}")
    return texts


def _dataset(
    workspace: Workspace, view: state.View, side: Side, names: Sequence[str], first: str
) -> Texts | None:
    name = f"{side.prefix}dataset"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        pick(view, f"{side.prefix}from", "From", _FROM)
        dataset = workspace.dataset(form.select(view, name, "Dataset", names, first or names[0], width=170))
        kinds = leaks.kinds_of(dataset)
        of = view.choice(f"{side.prefix}of", kinds, kinds[0] if side is SEARCHED else "labels")
        if len(kinds) > 1:
            words = {kind: leaks.OF[kind] for kind in kinds}
            form.listed("Texts", words, view.key(f"{side.prefix}of"), width=170)
    return leaks.of_dataset(dataset, of)


def _file(workspace: Workspace, view: state.View, side: Side) -> Texts | None:
    name = f"{side.prefix}file"
    key = f"leaks-upload-{side.prefix}"
    kept = view.text(name, check=lambda given: leaks.kept(workspace.root, given) is not None)
    st.file_uploader(
        "A list of captions or labels",
        type=["txt", "csv", "tsv"],
        max_upload_size=leaks.MAX_BYTES // 2**20,
        key=key,
        help=_FORMATS,
        on_change=_upload,
        args=(workspace, view, name, key),
    )
    refused = st.session_state.pop(f"{_REFUSED}-{name}", "")
    if refused:
        st.warning(plain(refused), icon=":material/draft:")
    if not kept:
        st.caption(_FORMATS)
    return leaks.kept(workspace.root, kept)


def _upload(workspace: Workspace, view: state.View, name: str, key: str) -> None:
    given = st.session_state.get(key)
    if given is None:
        return
    try:
        view.set(name, leaks.keep(workspace.root, given.name, given.getvalue()))
    except TextFileError as error:
        st.session_state[f"{_REFUSED}-{name}"] = str(error)
        view.set(name, "")
