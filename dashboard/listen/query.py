"""What is searched with: a clip that is drawn or chosen, a sound that is brought along, or a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import streamlit as st

from dashboard import data, media, state
from dashboard.components import results as lists
from dashboard.kit import form, layout
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.listen.data import Offered
from jobs.specs import QUERY_CHARACTERS, QUERY_SECONDS
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

KINDS = {"clip": "a clip", "upload": "an upload", "text": "a text"}
#: Shown in place of a class where none is asked for.
ANY = "any class"
_UPLOADER, _NAMES, _REFUSED = "listen-uploader", "listen-upload-names", "listen-upload-refused"


@dataclass(frozen=True)
class Query:
    """What is searched with; of clip, upload and text one is not "".

    `label` is the class asked for, "" where none is.
    """

    label: str
    clip: str = ""
    upload: str = ""
    text: str = ""

    @property
    def outside(self) -> bool:
        """True if it has to be embedded first."""
        return not self.clip


def controls(
    workspace: Workspace, view: state.View, dataset: Dataset, systems: Sequence[Offered]
) -> Query | None:
    """Draw the controls; None until there is something to search with."""
    c = data.clips(dataset)
    kind = view.choice("from", list(KINDS), "clip")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        pick(view, "from", "Search with", KINDS, on_change=_other_kind)
        if kind == "clip":
            return _clip(view, c)
    outside = {"upload": _upload, "text": _text}[kind]
    return outside(workspace, view, c, systems)


def _other_kind() -> None:
    """A sound or a text from outside has no class, and none that was asked for with what came before."""
    # A clip says which by itself.
    st.session_state["listen.class"] = None if st.session_state["listen.from"] == "clip" else ""
    _anew()


def _clip(view: state.View, c: data.Clips) -> Query:
    classes = listen.classes(c)
    known = lambda v: v in c.row  # noqa: E731
    query = view.text("query", longest=1000, check=known)
    carried = listen.labels(c)[c.row[query]] if query else ()
    first = next(iter(carried or classes), "")
    label = view.choice("class", ["", *classes], first)
    seed = view.number("draw", 0, 10**9, 0)
    if not query:
        view.set("query", listen.draw(c, label, seed))
        query = view.text("query", longest=1000, check=known)
    ids = [str(i) for i in (c.ids[classes[label]] if label else c.ids)]
    if query not in ids:
        ids = [query, *ids]
    key = view.key("query")
    st.selectbox(
        "Class asked for",
        ["", *classes],
        format_func=lambda v: v or ANY,
        key=view.key("class"),
        width=210,
        on_change=lambda: _draw(c, st.session_state[view.key("class")], seed),
    )
    st.selectbox("Clip", ids, format_func=lambda i: _named(c, i), key=key, width=290, on_change=_anew)
    st.button(
        "Another clip",
        icon=":material/shuffle:",
        on_click=lambda: _draw(c, label, seed + 1, query),
        help="Draws one of this class. The number of the draw is in the link, so that it can be repeated.",
    )
    return Query(label, clip=query)


def _named(c: data.Clips, clip: str) -> str:
    return PurePath(c.files[c.row[clip]]).name if clip in c.row else clip


def _draw(c: data.Clips, label: str, seed: int, now: str = "") -> None:
    st.session_state["listen.draw"] = seed
    st.session_state["listen.query"] = listen.draw(c, label, seed, now=now)
    _anew()


def _anew() -> None:
    st.session_state["listen.page"] = 1


def _label(view: state.View, c: data.Clips) -> str:
    """Draw the control of the class that is asked for with a query from outside."""
    return form.select(
        view,
        "class",
        "Class asked for",
        {"": "none"} | {name: name for name in listen.classes(c)},
        width=210,
        help="Results that carry it are marked, and each list gets its AP@15.",
    )


def _upload(workspace: Workspace, view: state.View, c: data.Clips, _: Sequence[Offered]) -> Query | None:
    name = view.text("upload", longest=80, check=lambda v: uploads.find(workspace.root, v) is not None)
    st.file_uploader(
        f"A sound of up to {QUERY_SECONDS:g} s and {uploads.MAX_TEXT}",
        key=_UPLOADER,
        max_upload_size=uploads.MAX_BYTES // 2**20,
        on_change=lambda: _taken(workspace),
        width=560,
    )
    if refused := st.session_state.get(_REFUSED):
        st.error(plain(refused), icon=":material/error:")
    label = _label(view, c)
    return Query(label, upload=name) if name else None


def _taken(workspace: Workspace) -> None:
    st.session_state[_REFUSED] = ""
    file: Any = st.session_state[_UPLOADER]
    if file is None:
        return
    try:
        upload, suffix = uploads.save(workspace.root, file.name, file.getvalue())
    except uploads.UploadError as error:
        st.session_state[_REFUSED] = str(error)
        return
    st.session_state["listen.upload"] = upload + suffix
    st.session_state.setdefault(_NAMES, {})[upload + suffix] = file.name
    _anew()


def _text(workspace: Workspace, view: state.View, c: data.Clips, systems: Sequence[Offered]) -> Query | None:
    if not any(map(listen.reads_text, systems)):
        st.info(
            "None of the systems at the left embeds text into the space of its sounds. Choose one that does, "
            "such as CLAP, or embed the dataset with it:",
            icon=":material/info:",
        )
        words = ("embed", st.session_state[view.key("dataset")], "transformers:laion/clap-htsat-unfused")
        st.code(layout.command(workspace, *words), language="bash")
        return None
    view.text("text", longest=QUERY_CHARACTERS)
    text = st.text_input(
        "What shall it sound like?",
        key=view.key("text"),
        max_chars=QUERY_CHARACTERS,
        placeholder="a dog barks twice, far away",
        on_change=_anew,
        width=560,
    )
    label = _label(view, c)
    text = " ".join(text.split())
    return Query(label, text=text) if text else None


def row(query: Query, dataset: Dataset) -> lists.Result | None:
    """Return the query as something to be heard; None for a text."""
    if query.clip:
        c = data.clips(dataset)
        credit, link = listen.credit(c, c.row[query.clip])
        return lists.result(c, query.clip, dataset.name, credit=credit, link=link)
    if query.upload:
        name = st.session_state.get(_NAMES, {}).get(query.upload, "the uploaded sound")
        return lists.Result(query.upload, media.UPLOADS, file=name)
    return None
