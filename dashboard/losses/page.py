"""Losses: what the loss that a classifier is trained with makes of its space."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.words import count
from dashboard import data, state
from dashboard.data import Clips
from dashboard.kit import form, jobs, page
from dashboard.kit.layout import plain
from dashboard.losses import data as losses
from dashboard.losses import distances, keep, learning, results, start
from dashboard.losses import map as moving
from dashboard.losses.data import AnyGrid, Grid
from dashboard.results import result
from jobs.specs import EmbedAudio, LossGrid
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Losses"
ICON = ":material/model_training:"
ORDER = 90


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "losses", TITLE, _page, "train on")


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    # Networks need no space.
    embedding = _space(workspace, view, dataset)
    c = data.clips(dataset)
    grids = losses.grids(workspace, dataset, embedding)
    grid = _grid(view, grids)
    notes = page.head(TITLE, dataset)
    classes = data.class_names(c)
    counts = [(c.n, "clip"), (len(classes), "class"), (len(grids), "training")]
    page.words(dataset, *(count(n, thing) for n, thing in counts))
    if len(classes) < 2:
        _too_few(classes)
        return None
    if embedding is None:
        page.no_space(workspace, view, dataset, workspace.spaces(dataset), "trained on")
    if not grids:
        on = "" if embedding is None else f" on **{plain(embedding.encoder)}**"
        st.write(
            "A classifier can be trained for its predictions alone, or also for a well laid-out space. "
            f"Nothing has been trained{on} yet: start a training with several losses here, and compare what "
            "each makes of the space."
        )
    start.show(workspace, view, dataset, embedding, c, first=not grids)
    if grid is not None:
        st.caption(f"{plain(grid.spec.title)}. {plain(losses.recipe_words(grid.spec))}.")
        if grid.state == "done":
            _result(workspace, view, dataset, c, grid.spec)
        else:
            jobs.pending(workspace, [grid.spec], "losses-pending", cancel=True)
            learning.live(workspace, grid.spec)
    return notes


def _space(workspace: Workspace, view: state.View, dataset: Dataset) -> EmbedAudio | None:
    spaces = {s.encoder: s.spec for s in workspace.spaces(dataset) if s.state == "done"}
    trained = [g.spec for g in losses.grids(workspace, dataset)]
    for spec in trained:
        if isinstance(spec, LossGrid):
            # A training can be looked at when its space has been cleared away.
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
    names = {g.id: losses.summarise(g.spec) + f" · {g.state}" * (g.state != "done") for g in grids}
    with st.sidebar:
        chosen = form.select(view, "grid", "Training", names)
    return next(g for g in grids if g.id == chosen)


def _too_few(classes: list[str]) -> None:
    what = f"All clips are of one class, {plain(classes[0])}" if classes else "No clip has a class"
    st.info(
        f"{what}; a classifier needs at least two. Add the dataset again from a folder with one folder per "
        "class, or with a table that has a column “label”.",
        icon=":material/info:",
    )


def _result(workspace: Workspace, view: state.View, dataset: Dataset, c: Clips, spec: AnyGrid) -> None:
    of = result(spec)
    page.note(of.values())
    page.failures([why for why in of.column("runs", "failed") if why], of.n_failed)
    if of.n_failed == of.n_models:
        page.nothing_trained()
        return
    file = f"{dataset.name}-{losses.started_from(spec)}"
    results.accuracies(workspace, spec, file)
    learning.show(spec, file)
    results.properties(spec, file)
    distances.show(view, dataset, c, spec, file)
    moving.show(workspace, view, dataset, c, spec, file)
    keep.show(workspace, view, dataset, spec)
