"""Keeping a space that was trained, so that every page has it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.words import count
from dashboard import state, ui
from dashboard.listen import data as listen
from dashboard.losses import data as losses
from dashboard.losses.data import Result
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Workspace

_PAGES = {"explore": "Explore", "separability": "Separability", "retrieval": "Retrieval", "listen": "Listen"}


def show(workspace: Workspace, view: state.View, dataset: Dataset, found: Result) -> None:
    """Draw the button for a setting, or the way to where its space is shown."""
    st.subheader("Keep a space", anchor=False)
    view.choice("keep", found.names, losses.usual_settings(found)[0])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = str(st.selectbox("Setting", found.names, key=view.key("keep"), width=280))
        spec = losses.kept_space(found, dataset, name)
        there = workspace.cache.contains(spec.key)
        job = workspace.queue.get(spec.key)
        if not there and not (job is not None and job.active):
            st.button(
                "Keep this space",
                key="losses-keep",
                type="primary",
                icon=":material/bookmark_add:",
                on_click=partial(_keep, workspace, spec),
            )
        if there:
            for page, title in _PAGES.items():
                if st.button(title, key=f"losses-to-{page}", icon=":material/arrow_forward:"):
                    others = [s.encoder for s in workspace.spaces(dataset) if s.state == "done"]
                    listed = {"system": listen.beside(spec.encoder, others)}
                    ui.go(
                        page,
                        {
                            "dataset": dataset.name,
                            **(listed if page == "listen" else {"space": spec.encoder}),
                        },
                    )
    if there:
        st.caption(f"It is kept as **{ui.plain(spec.encoder)}**, a space like any other on all pages.")
    elif job is not None and job.state != "done":
        ui.pending(workspace, [spec], "losses-keep-pending")
    ui.reading(
        f"All clips as the model of the first seed and fold embeds them become the space "
        f"**{ui.plain(spec.encoder)}**: it can be drawn, compared, searched and listened to like any other. "
        f"{_share(found)} were held out from this model; of the others it has learned the classes, so "
        "numbers over all clips flatter it. It is a copy, which stays when this training is cleared away."
    )


def _share(found: Result) -> str:
    folds = found.meta["folds"]
    n = count(int(folds["n_clips"][0]), "clip")
    return f"The {n} of fold {ui.plain(str(folds['held_out'][0]))}"


def _keep(workspace: Workspace, spec: EmbedAudio) -> None:
    workspace.queue.submit(spec)
