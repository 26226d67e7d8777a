"""What is searched with: a clip that is drawn or chosen, an uploaded sound, or a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import streamlit as st

from dashboard import data, media, state
from dashboard.components import results as lists
from dashboard.kit import form, layout
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.listen.data import Offered
from jobs.listening.ratings import Query
from jobs.specs import QUERY_CHARACTERS, QUERY_SECONDS
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

KINDS = {"clip": "a clip", "upload": "an upload", "text": "a text"}
#: Shown in place of a class where none is asked for.
ANY = "any class"
_UPLOADER, _NAMES, _REFUSED = "listen-uploader", "listen-upload-names", "listen-upload-refused"


def controls(
    workspace: Workspace, view: state.View, dataset: Dataset, systems: Sequence[Offered]
) -> Query | None:
    """Draw the controls; return the query, None until there is one."""
    c = data.clips(dataset)
    kind = view.choice("from", list(KINDS), "clip")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        form.pick(view, "from", "Search with", KINDS, on_change=_change_kind)
        if kind == "clip":
            return _clip(view, c)
    return _upload(workspace, view, c) if kind == "upload" else _text(workspace, view, c, systems)


def choose_class(view: state.View, name: str, c: data.Clips, help: str) -> str:
    """Draw the control of the class that is asked for with an upload or a text, "" for none."""
    options = {"": "none"} | {label: label for label in listen.classes(c)}
    return form.select(view, name, "Class asked for", options, width=210, help=help)


def keep_uploads(workspace: Workspace, files: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Keep files in the workspace; return the names under which they are kept, and why others are not."""
    names, problems = [], []
    for file in files:
        try:
            names.append("".join(uploads.save(workspace.root, file.name, file.getvalue())))
        except uploads.UploadError as error:
            problems.append(str(error))
    return names, problems


def _change_kind() -> None:
    """Forget the class asked for: uploads and texts have none, and a clip has its own."""
    st.session_state["listen.class"] = None if st.session_state["listen.from"] == "clip" else ""
    first_page()


def first_page() -> None:
    """Go back to the first page of results."""
    st.session_state["listen.page"] = 1


def _clip(view: state.View, c: data.Clips) -> Query:
    classes = listen.classes(c)

    def is_clip(name: str) -> bool:
        return name in c.row

    query = view.text("query", longest=1000, check=is_clip)
    carried = listen.labels(c)[c.row[query]] if query else ()
    label = view.choice("class", ["", *classes], next(iter(carried or classes), ""))
    seed = view.number("draw", 0, 10**9, 0)
    if not query:
        view.set("query", listen.draw(c, label, seed))
        query = view.text("query", longest=1000, check=is_clip)
    ids = [str(i) for i in (c.ids[classes[label]] if label else c.ids)]
    if query not in ids:
        ids = [query, *ids]
    form.listed(
        "Class asked for",
        {"": ANY} | {name: name for name in classes},
        view.key("class"),
        width=210,
        on_change=lambda: _draw(c, st.session_state[view.key("class")], seed),
    )
    names = {i: PurePath(c.files[c.row[i]]).name for i in ids}
    form.listed("Clip", names, view.key("query"), width=290, on_change=first_page)
    st.button(
        "Another clip",
        icon=":material/shuffle:",
        on_click=lambda: _draw(c, label, seed + 1, query),
        help="Draws one of this class. The number of the draw is in the link, so that it can be repeated.",
    )
    return Query("clip", query, label)


def _draw(c: data.Clips, label: str, seed: int, now: str = "") -> None:
    st.session_state["listen.draw"] = seed
    st.session_state["listen.query"] = listen.draw(c, label, seed, now=now)
    first_page()


def _upload(workspace: Workspace, view: state.View, c: data.Clips) -> Query | None:
    name = view.text("upload", longest=80, check=lambda v: uploads.find(workspace.root, v) is not None)
    st.file_uploader(
        f"A sound of up to {QUERY_SECONDS:g} s and {uploads.MAX_TEXT}",
        key=_UPLOADER,
        max_upload_size=uploads.MAX_BYTES // 2**20,
        on_change=lambda: _keep_upload(workspace),
        width=560,
    )
    for problem in st.session_state.get(_REFUSED, []):
        st.error(plain(problem), icon=":material/error:")
    label = _class(view, c)
    return Query("upload", name, label) if name else None


def _class(view: state.View, c: data.Clips) -> str:
    return choose_class(view, "class", c, "Results that carry it are marked, and each list gets its AP@15.")


def _keep_upload(workspace: Workspace) -> None:
    file = st.session_state[_UPLOADER]
    names, st.session_state[_REFUSED] = keep_uploads(workspace, [file] if file is not None else [])
    for name in names:
        st.session_state["listen.upload"] = name
        st.session_state.setdefault(_NAMES, {})[name] = file.name
        first_page()


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
        "What should it sound like?",
        key=view.key("text"),
        max_chars=QUERY_CHARACTERS,
        placeholder="a dog barks twice, far away",
        on_change=first_page,
        width=560,
    )
    label = _class(view, c)
    text = " ".join(text.split())
    return Query("text", text, label) if text else None


def row(query: Query, dataset: Dataset) -> lists.Result | None:
    """Return the query as a row that can be played; None for a text."""
    if query.kind == "clip":
        c = data.clips(dataset)
        credit, link = listen.credit(c, c.row[query.value])
        return lists.result(c, query.value, dataset.name, credit=credit, link=link)
    if query.kind == "upload":
        name = st.session_state.get(_NAMES, {}).get(query.value, "the uploaded sound")
        return lists.Result(query.value, media.UPLOADS, file=name)
    return None
