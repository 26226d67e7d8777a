"""Training zero-shot models on the splits of the page."""

from __future__ import annotations

from itertools import chain

import streamlit as st

from core.splits import all_classes, contents, split_to_json
from dashboard import state
from dashboard.kit import form, jobs, layout
from dashboard.kit.layout import plain
from dashboard.splits.controls import PAPER, Pick
from dashboard.zeroshot import asked as zeroshot_asked
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot.recipe import recipe
from jobs.specs import EmbedAudio, ZeroShotGrid
from jobs.workspace.workspace import Dataset, Workspace


def show(
    workspace: Workspace, view: state.View, dataset: Dataset, embedding: EmbedAudio, picks: list[Pick]
) -> None:
    """Offer to train zero-shot models on the splits, and show how far that is."""
    st.subheader("Train on it", anchor=False)
    offered = zeroshot.texts(workspace, dataset)
    whole = [p.split for p in picks if p.split is not None]
    if not offered:
        st.info(
            "Zero-shot models compare sounds with texts of the classes, and no text encoder is installed "
            "here.",
            icon=":material/info:",
        )
        return
    if not whole or len(whole) < len(picks):
        st.caption("A split has to be whole before models can be trained on it.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = form.select(view, "text", "Texts of the classes", list(offered), width=260)
        seeds = form.whole(
            view,
            "models",
            "Models a split",
            1,
            100,
            6,
            width=130,
            help="Each begins with other weights and another order of the clips.",
        )
        settings = recipe(view)
    wanted = list({contents(split): split for split in whole}.values())
    why = zeroshot.untold(dataset, offered[text], list(dict.fromkeys(chain(*map(all_classes, wanted)))))
    why = why or zeroshot_asked.impatient(settings["patience"], zeroshot_asked.validated(wanted))
    if why:
        st.warning(plain(why), icon=":material/rule:")
        return
    if len(wanted) < len(whole):
        st.caption("Both splits have the same classes in every part, so they are trained on once.")
    spec = ZeroShotGrid(
        embedding=embedding,
        text=offered[text],
        labels=dataset.labels_fingerprint,
        setup="splits",
        splits=tuple(split_to_json(s, compact=True) for s in wanted),
        seeds=seeds,
        **settings,
    )
    st.caption(f"Recipe: {zeroshot.recipe(spec)}.")
    there = workspace.cache.contains(spec.key)
    job = workspace.queue.get(spec.key)
    asked = job is not None and job.state != "done" and not there
    if there:
        st.success("These models are trained.", icon=":material/check:")
    elif asked:
        jobs.pending(workspace, [spec], "splits-training")
    else:
        many = "Train on both splits" if len(wanted) > 1 else "Train on this split"
        if st.button(many, type="primary", icon=":material/model_training:"):
            workspace.queue.submit(spec)
            st.rerun()
    if (there or asked) and st.button("See them in Zero-shot", icon=":material/arrow_forward:"):
        layout.go(
            "zeroshot",
            {"dataset": dataset.name, "space": embedding.encoder, "grid": spec.key[:12]},
        )
    layout.reading(
        "A model projects the sounds and the texts of the training classes into one space and is then "
        f"asked which **test** class each clip of them is of, by the text alone ({PAPER}, section 2)."
    )
