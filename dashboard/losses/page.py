"""Losses: what the loss that a classifier is trained with makes of its space."""

from __future__ import annotations

import streamlit as st

from dashboard import data, numbers, state, ui
from dashboard.data import Clips
from dashboard.kit.dataset import choose, no_space, none_there, wait_for_sounds
from dashboard.losses import data as losses
from dashboard.losses import distances, keep, learning, start
from dashboard.losses import map as moving
from dashboard.losses import results as shown
from dashboard.losses.data import Grid, Result
from dashboard.separability import data as separability
from jobs.specs import EmbedAudio, LossGrid
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Losses"
ICON = ":material/model_training:"
ORDER = 90


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        none_there(TITLE, "train on")
        return
    view = state.View("losses", st.session_state, st.query_params)
    dataset = choose(workspace, view, [d.name for d in datasets])
    if not dataset.ready:
        st.title(TITLE)
        wait_for_sounds(workspace, view, dataset)
        view.write()
        return
    # Without a space there are networks still, which need none.
    embedding = _space(workspace, view, dataset)
    c = data.clips(dataset)
    grids = losses.grids(workspace, dataset, embedding)
    grid = _grid(view, grids)
    st.title(f"{TITLE} · {dataset.name}")
    notes = st.container()
    classes = separability.classes_of(c)
    words = [numbers.count(c.n, "clip"), numbers.count(len(classes), "class")]
    words += [numbers.count(len(grids), "training")] + ["synthetic"] * bool(dataset.note)
    st.caption(" · ".join(words))
    if len(classes) < 2:
        _too_few(classes)
        view.write()
        return
    if embedding is None:
        no_space(workspace, view, dataset, workspace.spaces(dataset), "trained on")
    if not grids:
        on = "" if embedding is None else f" on **{ui.plain(embedding.encoder)}**"
        st.write(
            "A classifier can be trained to be right and nothing more, or so that its space is laid out "
            f"well, too. Nothing has been trained{on} yet: start a training here with several losses, and "
            "compare what each makes of the space."
        )
    start.show(workspace, view, dataset, embedding, c, first=not grids)
    if grid is not None:
        st.caption(f"{ui.plain(grid.spec.title)}. {ui.plain(losses.recipe_words(grid.spec))}.")
        if grid.state == "done":
            _result(workspace, view, dataset, c, losses.result(grid.spec))
        else:
            ui.pending(workspace, [grid.spec], "losses-pending")
            learning.live(workspace, grid.spec)
    view.write()
    with notes:
        ui.notes(view.notes)


def _space(workspace: Workspace, view: state.View, dataset: Dataset) -> EmbedAudio | None:
    spaces = {s.encoder: s.spec for s in workspace.spaces(dataset) if s.state == "done"}
    trained = [g.spec for g in losses.grids(workspace, dataset)]
    for spec in trained:
        if isinstance(spec, LossGrid):
            # What was trained can be looked at when the space itself has been cleared away.
            spaces.setdefault(spec.embedding.encoder, spec.embedding)
    if not spaces:
        return None
    # Begin with one that something was trained on, else with one that was not itself trained here.
    names = [name for name in map(losses.started_from, trained) if name in spaces]
    names += [name for name, spec in spaces.items() if spec.source is None]
    view.choice("space", list(spaces), [*names, *spaces][0])
    with st.sidebar:
        return spaces[str(st.selectbox("Space", list(spaces), key=view.key("space")))]


def _grid(view: state.View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    names = {g.id: losses.named(g.spec) + (f" · {g.state}" if g.state != "done" else "") for g in grids}
    view.choice("grid", list(names), grids[0].id)
    with st.sidebar:
        chosen = st.selectbox(
            "Training", list(names), format_func=lambda i: names.get(i, i), key=view.key("grid")
        )
    return next(g for g in grids if g.id == chosen)


def _too_few(classes: list[str]) -> None:
    what = f"All clips are of one class, {ui.plain(classes[0])}" if classes else "No clip has a class"
    st.info(
        f"{what}; a classifier tells at least two apart. Add the dataset again from a folder with a folder a "
        "class, or with a table that has a column “label”.",
        icon=":material/info:",
    )


def _result(workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, found: Result) -> None:
    if note := str(found.meta.get("note") or ""):
        st.info(ui.plain(note), icon=":material/info:")
    failed = [str(why) for why in found.runs["failed"] if why]
    if failed:
        with st.expander(
            f"{numbers.count(len(failed), 'model')} failed, the others are shown", icon=":material/error:"
        ):
            for why in dict.fromkeys(failed):
                st.markdown(f"- {ui.plain(why)}")
    if len(failed) == len(found.runs):
        st.warning(
            "No model could be trained, so there is nothing to compare. A lower learning rate may help.",
            icon=":material/warning:",
        )
        return
    file = f"{dataset.name}-{losses.started_from(found.spec)}"
    shown.accuracies(workspace, found, file)
    learning.show(found, file)
    shown.properties(found, file)
    distances.show(view, dataset, c, found, file)
    moving.show(workspace, view, dataset, c, found, file)
    keep.show(workspace, view, dataset, found)
