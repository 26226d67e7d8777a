"""Keeping a space that was trained, so that every page has it."""

from __future__ import annotations

import streamlit as st

from core.words import count
from dashboard import state
from dashboard.kit import form, jobs, layout
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.losses import data as losses
from dashboard.losses.data import AnyGrid
from dashboard.results import result
from jobs.workspace.workspace import Dataset, Workspace

_PAGES = {"explore": "Explore", "separability": "Separability", "retrieval": "Retrieval", "listen": "Listen"}


def show(workspace: Workspace, view: state.View, dataset: Dataset, trained: AnyGrid) -> None:
    """Draw the button for a setting, or the ways to the pages that show its space."""
    st.subheader("Keep a space", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        usual = losses.usual_settings(trained)[0]
        name = form.select(view, "keep", "Setting", losses.names(trained), usual, width=280)
        spec = losses.kept_space(trained, dataset, name)
        kept = workspace.cache.contains(spec.key)
        job = workspace.queue.get(spec.key)
        if not kept and not (job is not None and job.active):
            st.button(
                "Keep this space",
                key="losses-keep",
                type="primary",
                icon=":material/bookmark_add:",
                on_click=jobs.submit,
                args=(workspace, [spec]),
            )
        for page, title in _PAGES.items() if kept else ():
            if st.button(title, key=f"losses-to-{page}", icon=":material/arrow_forward:"):
                others = [s.encoder for s in workspace.spaces(dataset) if s.state == "done"]
                layout.go(
                    page,
                    {"dataset": dataset.name, "system": listen.beside(spec.encoder, others)}
                    if page == "listen"
                    else {"dataset": dataset.name, "space": spec.encoder},
                )
    if kept:
        st.caption(f"It is kept as **{plain(spec.encoder)}**, a space like any other on all pages.")
    elif job is not None and job.state != "done":
        jobs.pending(workspace, [spec], "losses-keep-pending")
    folds = result(trained).folds
    held = f"{count(folds['n_clips'][0], 'clip')} of fold {plain(str(folds['held_out'][0]))}"
    layout.reading(
        "All clips, as the model of the first seed and fold embeds them, become the space "
        f"**{plain(spec.encoder)}**: it can be drawn, compared, searched and listened to like any other. The "
        f"{held} were held out from this model; it was trained on the classes of the others, so numbers over "
        "all clips are too optimistic. It is a copy, which stays when this training is cleared away."
    )
