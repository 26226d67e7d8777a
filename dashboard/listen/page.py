"""Listen: what systems return for a sound, side by side, to be played, compared and rated blind."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.kit import form, jobs
from dashboard.kit.layout import plain
from dashboard.kit.page import choose, offer, wait_for_sounds, without_datasets
from dashboard.listen import blind, blind_start, compare, ratings
from dashboard.listen import data as listen
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Listen"
ICON = ":material/hearing:"
ORDER = 60

PARTS = {"compare": "Compare", "blind": "Blind test", "results": "Results"}


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        without_datasets(TITLE, "listen to")
        return
    # Controls that one part of the page does not draw must keep their values for when it is drawn again.
    for key in [k for k in st.session_state if str(k).startswith("listen.")]:
        st.session_state[key] = st.session_state[key]
    view = state.View("listen", st.session_state, st.query_params)
    names = [d.name for d in datasets]
    part = view.choice("part", list(PARTS), "compare")
    if part == "blind" and blind.render(workspace, view, names):
        return
    dataset = choose(workspace, view, names)
    st.title(f"{TITLE} · {dataset.name}")
    form.pick(view, "part", "Part", PARTS, label_visibility="collapsed")
    if not dataset.ready:
        wait_for_sounds(workspace, view, dataset)
    elif part == "results":
        ratings.render(workspace, view, dataset)
    elif systems := listen.offered(workspace, dataset):
        draw = compare.render if part == "compare" else blind_start.prepare
        draw(workspace, view, dataset, systems)
    else:
        _no_space(workspace, dataset)
    view.write()


def _no_space(workspace: Workspace, dataset: Dataset) -> None:
    coming = [s.spec for s in workspace.spaces(dataset)]
    name = plain(dataset.name)
    if coming:
        st.write(f"Listening needs a space of **{name}** to search in; these are on their way.")
        jobs.pending(
            workspace, coming, "listen-embed", until=lambda: bool(listen.offered(workspace, dataset))
        )
        return
    st.write(f"**{name}** has no space to search in yet: embed it with two models to compare what they find.")
    offer(workspace, dataset, ["melstats", "handcrafted"])
