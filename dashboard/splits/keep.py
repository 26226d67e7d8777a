"""Saving and loading the splits of the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.splits import check_known, split_from_json, split_to_json
from dashboard import state
from dashboard.kit import layout
from dashboard.kit.classes import Classes, Split
from dashboard.kit.layout import plain
from dashboard.splits.controls import PREFIXES, Pick, load
from jobs.workspace import splits as saved
from jobs.workspace.workspace import Dataset, Workspace

#: Characters that a file with a split may have.
_LONGEST = 2_000_000
_MESSAGE = "split-keep-message"
_AS = "splits-load-as"


def show(
    workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes, picks: list[Pick]
) -> None:
    """Draw the ways to save, load and share a split."""
    st.subheader("Save, load, share", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        whole = [p for p in picks if p.split is not None]
        for p in whole:
            _save(workspace, dataset, p, len(picks) > 1)
        if not whole:
            st.caption("There is no whole split to save yet.")
    with right:
        _load(workspace, view, dataset, classes)
    good, message = st.session_state.pop(_MESSAGE, (True, ""))
    if message and good:
        st.success(plain(message), icon=":material/check:")
    elif message:
        st.error(plain(message), icon=":material/error:")
    layout.reading(
        "The address of this page holds everything it shows: send it to somebody who uses this workspace. "
        "The JSON can be read and written by hand: lists of classes under “train”, “validation” and “test”."
    )


def _save(workspace: Workspace, dataset: Dataset, p: Pick, several: bool) -> None:
    split = p.split
    assert split is not None
    which = f"split {p.letter}" if several else "this split"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = f"splits-save-name-{p.letter}"
        st.text_input(f"Save {which} as", key=key, placeholder="near-cluster-0", max_chars=64)
        st.button(
            "Save",
            key=f"splits-save-{p.letter}",
            on_click=_saved,
            args=(workspace, dataset, key, split),
        )
        st.download_button(
            "JSON",
            data=split_to_json(split),
            file_name=f"split-{dataset.name}-{p.how}-{p.letter}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            key=f"splits-json-{p.letter}",
        )


def _try(act: Callable[[], object], done: str) -> None:
    """Save or delete, and keep a message on how it went for the next run."""
    try:
        act()
    except ValueError as error:
        st.session_state[_MESSAGE] = (False, str(error))
    else:
        st.session_state[_MESSAGE] = (True, done)


def _saved(workspace: Workspace, dataset: Dataset, key: str, split: Split) -> None:
    name = str(st.session_state[key]).strip()
    _try(lambda: saved.save(workspace, dataset.name, name, split), f"Saved as {name}.")


def _deleted(workspace: Workspace, dataset: Dataset, name: str) -> None:
    _try(lambda: saved.delete(workspace, dataset.name, name), f"Deleted {name}.")


def _load(workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes) -> None:
    letter = str(
        st.segmented_control(
            "Load as", ["A", "B"], default="A", format_func="split {}".format, key=_AS, required=True
        )
    )
    prefix = PREFIXES[letter]
    names = saved.names(workspace, dataset.name)
    if names:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            name = str(st.selectbox("Saved splits", names, key="splits-saved-name"))
            st.button(
                "Load",
                key="splits-load",
                on_click=_loaded,
                args=(workspace, view, dataset, name, prefix),
            )
            st.button(
                "Delete",
                key="splits-delete",
                on_click=_deleted,
                args=(workspace, dataset, name),
                type="tertiary",
            )
    st.file_uploader(
        "Load a split from JSON",
        type=["json"],
        max_upload_size=2,
        key="splits-upload",
        on_change=_uploaded,
        args=(workspace, view, dataset, classes, prefix),
    )


def _loaded(workspace: Workspace, view: state.View, dataset: Dataset, name: str, prefix: str) -> None:
    why = load(workspace, view, dataset, name, partial(saved.load, workspace, dataset.name, name), prefix)
    if why:
        st.session_state[_MESSAGE] = (False, why)


def _uploaded(
    workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes, prefix: str
) -> None:
    given = st.session_state.get("splits-upload")
    if given is None:
        return

    def read() -> Split:
        if given.size > _LONGEST:
            raise ValueError(f"{given.name} has {given.size:,} bytes; a split has at most {_LONGEST:,}.")
        try:
            text = given.getvalue().decode()
        except UnicodeDecodeError:
            raise ValueError(f"{given.name} is no text in UTF-8, so it is no split.") from None
        split = split_from_json(text)
        check_known(split, classes.names)
        return split

    why = load(workspace, view, dataset, given.name, read, prefix)
    if why:
        st.session_state[_MESSAGE] = (False, f"{given.name}: {why}")
