"""Leakage lab: what training on the test classes does to a zero-shot test, in six contrastive models."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, state
from dashboard.data import Clips
from dashboard.kit import form, jobs, layout, numbers, page
from dashboard.kit.layout import plain
from dashboard.leakage import curation_view as curation
from dashboard.leakage import data as leakage
from dashboard.leakage import leaks_view as leaks
from dashboard.leakage import learning_view as learning
from dashboard.leakage import maps_view as maps
from dashboard.leakage import model_view as model
from dashboard.leakage import start, tables
from dashboard.leakage.data import Grid, Result
from jobs.specs.contrastive import ContrastiveGrid
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Leakage lab"
ICON = ":material/water_drop:"
ORDER = 110


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "leakage", TITLE, _page, "train on")


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator:
    c = data.clips(dataset)
    grids = leakage.grids(workspace, dataset)
    grid = _grid(view, grids)
    notes = page.head(TITLE, dataset)
    page.words(dataset, numbers.count(c.n, "clip"), numbers.count(len(grids), "experiment"))
    if not grids:
        st.write(
            "Models of sound and text are tested on classes that they are said never to have met. Here six "
            "of them are trained alike but for one thing: whether the test classes leak into pre-training, "
            "into the captions, into both or into neither. What that does to accuracy is what an honest test "
            "must keep out."
        )
    start.show(workspace, view, dataset, c, first=not grids)
    if grid is not None:
        st.caption(f"{plain(grid.spec.title)}. Trained with {plain(leakage.recipe(grid.spec))}.")
        if grid.state == "done":
            _result(workspace, view, dataset, c, grid, leakage.of_other_seeds(grids, grid.spec))
        else:
            jobs.pending(workspace, [grid.spec], "leakage-pending", cancel=True)
            learning.live(workspace, grid.spec)
    curation.show(workspace, view, dataset, grids)
    return notes


def _grid(view: state.View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    names = {g.id: _named(g) for g in grids}
    with st.sidebar:
        chosen = form.select(view, "grid", "Experiment", names, called="experiment")
    return next(g for g in grids if g.id == chosen)


def _named(g: Grid) -> str:
    spec = g.spec
    words = [numbers.count(len(spec.names), "model"), spec.text_encoder, f"leaks by {spec.leaks}"]
    words += [numbers.count(spec.max_epochs, "epoch"), f"seed {spec.seed}"]
    return " · ".join(words + [g.state] * (g.state != "done"))


def _result(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    c: Clips,
    grid: Grid,
    seeds: list[ContrastiveGrid],
) -> None:
    found = leakage.result(grid.spec)
    page.note(found.meta)
    for name, why in found.failed.items():
        st.warning(f"{plain(name)} stopped: {plain(why)}", icon=":material/error:")
    good = found.good["name"].astype(str).tolist()
    if not good:
        page.nothing_trained()
        return
    _facts(found)
    tables.over_seeds(seeds)
    honest = "clean/clean" if "clean/clean" in good else good[-1]
    picked = view.choice("model", good, honest)
    label = view.choice("class", ["", *found.tests], "")
    file = f"{dataset.name}-{grid.id}"
    definition = tables.show(view, found, picked, file)
    tables.correlations(found, definition, picked, file)
    maps.show(view, dataset, c, found, picked, label, file)
    model.show(workspace, view, dataset, c, found, picked, label, file)
    leaks.show(view, dataset, c, found, label, file)


def _facts(found: Result) -> None:
    took = leakage.duration(found)
    layout.facts(
        [
            ("models", f"{len(found.models):,}"),
            ("test classes", f"{len(found.tests):,}"),
            ("test clips, never trained on", f"{len(found.clips):,}"),
            ("captions", f"{leakage.count_of(found, 'n_captions'):,}"),
            ("of these leak", f"{leakage.count_of(found, 'n_leaks'):,}"),
            ("clips taken out when clean", f"{leakage.count_of(found, 'n_leaking_clips'):,}"),
            *([("computed in", took)] if took else []),
        ]
    )
