"""Training zero-shot models on the splits of the page."""

from __future__ import annotations

from itertools import chain
from typing import Any

import streamlit as st

from core.recipes import describe
from core.splits import all_classes, contents, split_to_json
from dashboard import state
from dashboard.kit import form, jobs, layout, zero_shot
from dashboard.kit.classes import Split
from dashboard.kit.layout import plain
from dashboard.splits.controls import PAPER, Pick
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid
from jobs.workspace.workspace import Dataset, Workspace


def show(
    workspace: Workspace, view: state.View, dataset: Dataset, embedding: EmbedAudio, picks: list[Pick]
) -> None:
    """Offer to train zero-shot models on the splits, and show the progress."""
    st.subheader("Train on it", anchor=False)
    offered = zero_shot.class_texts(workspace, dataset)
    splits = [p.split for p in picks if p.split is not None]
    if not offered:
        st.info(
            "Zero-shot models compare sounds with texts of the classes, and no text encoder is installed "
            "here.",
            icon=":material/info:",
        )
        return
    if not splits or len(splits) < len(picks):
        st.caption("A split has to be whole before models can be trained on it.")
        return
    text, settings = _controls(view, offered)
    different = list({contents(split): split for split in splits}.values())
    used = list(dict.fromkeys(chain(*map(all_classes, different))))
    try:
        if why := zero_shot.missing_texts(dataset, text, used):
            raise SpecError(why)
        spec = ZeroShotGrid(
            embedding=embedding,
            text=text,
            labels=dataset.labels_fingerprint,
            setup="splits",
            splits=tuple(split_to_json(s, compact=True) for s in different),
            **settings,
        )
    except SpecError as error:
        st.warning(plain(str(error)), icon=":material/rule:")
        return
    if len(different) < len(splits):
        st.caption("Both splits have the same classes in every part, so they are trained on once.")
    st.caption(f"Recipe: {describe(spec)}.")
    _start(workspace, spec, different)
    layout.reading(
        "A model projects the sounds and the texts of the training classes into one space and is then "
        f"asked which **test** class each of their clips is of, by the text alone ({PAPER}, section 2)."
    )


def _controls(view: state.View, offered: dict[str, EmbedText]) -> tuple[EmbedText, dict[str, Any]]:
    """Draw the choice of the texts, the number of models and the recipe."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = form.select(view, "text", "Texts of the classes", list(offered), width=260)
        help = "Each has other initial weights and another order of the clips."
        seeds = form.whole(view, "models", "Models a split", 1, 100, 6, width=130, help=help)
        return offered[text], {"seeds": seeds, **zero_shot.recipe(view)}


def _start(workspace: Workspace, spec: ZeroShotGrid, splits: list[Split]) -> None:
    """Draw the button that starts the training, or its progress, and the way to its result."""
    computed = workspace.cache.contains(spec.key)
    job = workspace.queue.get(spec.key)
    queued = job is not None and job.state != "done" and not computed
    if computed:
        st.success("These models are trained.", icon=":material/check:")
    elif queued:
        jobs.pending(workspace, [spec], "splits-training")
    else:
        label = "Train on both splits" if len(splits) > 1 else "Train on this split"
        if st.button(label, type="primary", icon=":material/model_training:"):
            workspace.queue.submit(spec)
            st.rerun()
    if (computed or queued) and st.button("See them in Zero-shot", icon=":material/arrow_forward:"):
        space = spec.embedding
        link = {"dataset": space.dataset.name, "space": space.encoder, "grid": spec.key[:12]}
        layout.go("zeroshot", link)
