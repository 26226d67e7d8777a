"""Listen: what systems find for a sound, side by side, to be heard, compared and rated blind."""

from __future__ import annotations

import streamlit as st

from dashboard import listen, state, ui
from dashboard.views import _listen_blind as blind
from dashboard.views import _listen_compare as compare
from dashboard.views import _listen_ratings as ratings
from jobs.specs import EmbedAudio
from jobs.workspace import Dataset, Workspace

TITLE = "Listen"
ICON = ":material/hearing:"
ORDER = 60

PARTS = {"compare": "Compare", "blind": "Blind test", "results": "Results"}


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        st.title(TITLE)
        st.info(
            "There is no dataset to listen to yet. The home page says how to add one.", icon=":material/info:"
        )
        return
    # What one part of the page does not draw must still be there when it is drawn again.
    for key in [k for k in st.session_state if str(k).startswith("listen.")]:
        st.session_state[key] = st.session_state[key]
    view = state.View("listen", st.session_state, st.query_params)
    names = [d.name for d in datasets]
    part = view.choice("part", list(PARTS), "compare")
    if part == "blind" and blind.render(workspace, view, names):
        return
    view.choice("dataset", names, names[0])
    with st.sidebar:
        name = str(st.selectbox("Dataset", names, key=view.key("dataset")))
    dataset = workspace.dataset(name)
    if dataset.note:
        st.sidebar.caption(ui.plain(dataset.note))
    st.title(f"{TITLE} · {name}")
    st.segmented_control(
        "Part",
        list(PARTS),
        format_func=PARTS.__getitem__,
        key=view.key("part"),
        required=True,
        label_visibility="collapsed",
    )
    if not dataset.ready:
        st.write(f"The sounds of **{ui.plain(name)}** are being generated.")
        assert dataset.source is not None
        ui.pending(workspace, [dataset.source], "listen-generate")
    elif part == "results":
        ratings.render(workspace, view, dataset)
    elif systems := listen.offered(workspace, dataset):
        if part == "compare":
            compare.render(workspace, view, dataset, systems)
        else:
            blind.prepare(workspace, view, dataset, systems)
    else:
        _no_space(workspace, dataset)
    view.write()


def _no_space(workspace: Workspace, dataset: Dataset) -> None:
    coming: list[EmbedAudio] = [s.spec for s in workspace.spaces(dataset)]
    name = ui.plain(dataset.name)
    if coming:
        st.write(f"Listening needs a space of **{name}** to search in; these are on their way.")
        ui.pending(workspace, coming, "listen-embed", until=lambda: bool(listen.offered(workspace, dataset)))
        return
    st.write(f"**{name}** has no space to search in yet: embed it with two models to compare what they find.")
    wanted = ["melstats", "handcrafted"]
    st.code(ui.command(workspace, "embed", dataset.name, *wanted), language="bash")
    if st.button(f"Embed with {' and '.join(wanted)}", type="primary"):
        for encoder in wanted:
            workspace.queue.submit(EmbedAudio(dataset=dataset.ref, encoder=encoder))
        st.rerun()
