"""Losses: what the loss that a classifier is trained with makes of its space."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, state
from dashboard.data import Clips
from dashboard.kit import form, jobs, numbers, page
from dashboard.kit.layout import plain
from dashboard.losses import data as losses
from dashboard.losses import distances, keep, learning, start
from dashboard.losses import map as moving
from dashboard.losses import results as shown
from dashboard.losses.data import Grid, Result
from jobs.specs import EmbedAudio, LossGrid
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Losses"
ICON = ":material/model_training:"
ORDER = 90


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "losses", TITLE, _page, "train on")


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    # Without a space there are networks still, which need none.
    embedding = _space(workspace, view, dataset)
    c = data.clips(dataset)
    grids = losses.grids(workspace, dataset, embedding)
    grid = _grid(view, grids)
    notes = page.head(TITLE, dataset)
    classes = data.class_names(c)
    counts = [(c.n, "clip"), (len(classes), "class"), (len(grids), "training")]
    page.words(dataset, *(numbers.count(n, thing) for n, thing in counts))
    if len(classes) < 2:
        _too_few(classes)
        return None
    if embedding is None:
        page.no_space(workspace, view, dataset, workspace.spaces(dataset), "trained on")
    if not grids:
        on = "" if embedding is None else f" on **{plain(embedding.encoder)}**"
        st.write(
            "A classifier can be trained to be right and nothing more, or so that its space is laid out "
            f"well, too. Nothing has been trained{on} yet: start a training here with several losses, and "
            "compare what each makes of the space."
        )
    start.show(workspace, view, dataset, embedding, c, first=not grids)
    if grid is not None:
        st.caption(f"{plain(grid.spec.title)}. {plain(losses.recipe_words(grid.spec))}.")
        if grid.state == "done":
            _result(workspace, view, dataset, c, losses.result(grid.spec))
        else:
            jobs.pending(workspace, [grid.spec], "losses-pending", cancel=True)
            learning.live(workspace, grid.spec)
    return notes


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
    return spaces[page.choose_space(view, list(spaces), [*names, *spaces][0])]


def _grid(view: state.View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    names = {g.id: losses.named(g.spec) + (f" · {g.state}" if g.state != "done" else "") for g in grids}
    with st.sidebar:
        chosen = form.select(view, "grid", "Training", names)
    return next(g for g in grids if g.id == chosen)


def _too_few(classes: list[str]) -> None:
    what = f"All clips are of one class, {plain(classes[0])}" if classes else "No clip has a class"
    st.info(
        f"{what}; a classifier tells at least two apart. Add the dataset again from a folder with a folder a "
        "class, or with a table that has a column “label”.",
        icon=":material/info:",
    )


def _result(workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, found: Result) -> None:
    page.note(found.meta)
    failed = [str(why) for why in found.runs["failed"] if why]
    page.failures(failed, len(failed))
    if len(failed) == len(found.runs):
        page.nothing_trained()
        return
    file = f"{dataset.name}-{losses.started_from(found.spec)}"
    shown.accuracies(workspace, found, file)
    learning.show(found, file)
    shown.properties(found, file)
    distances.show(view, dataset, c, found, file)
    moving.show(workspace, view, dataset, c, found, file)
    keep.show(workspace, view, dataset, found)
