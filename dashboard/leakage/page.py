"""Leakage lab: what training on the test classes does to a zero-shot test, in six contrastive models."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data
from dashboard.kit import form, jobs, layout, numbers, page
from dashboard.kit.layout import plain
from dashboard.leakage import curation, leaks, learning, maps, model, start, tables
from dashboard.leakage import data as leakage
from dashboard.leakage.data import Grid, Shown
from dashboard.results import result
from dashboard.state import View
from jobs.specs import ContrastiveGrid
from jobs.tasks.contrastive_grid import Result
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Leakage lab"
ICON = ":material/water_drop:"
ORDER = 110


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "leakage", TITLE, _page, "train on")


def _page(workspace: Workspace, view: View, dataset: Dataset) -> DeltaGenerator:
    c = data.clips(dataset)
    grids = leakage.trainings(workspace, dataset, ContrastiveGrid)
    grid = _choose(view, grids)
    notes = page.head(TITLE, dataset)
    page.words(dataset, numbers.count(c.n, "clip"), numbers.count(len(grids), "experiment"))
    if not grids:
        st.write(
            "Models of sound and text are tested on classes that they are supposed never to have seen. Here "
            "six of them are trained alike but for one thing: whether the test classes leak into "
            "pre-training, into the captions, into both or into neither. What that does to accuracy is what "
            "an honest test must exclude."
        )
    start.show(workspace, view, dataset, c, first=not grids)
    if grid is not None:
        st.caption(f"{plain(grid.spec.title)}. Trained with {plain(leakage.recipe(grid.spec))}.")
        if grid.state == "done":
            shown = Shown(workspace, view, dataset, c, grid.spec, result(grid.spec))
            _result(shown, leakage.of_other_seeds(grids, grid.spec))
        else:
            jobs.pending(workspace, [grid.spec], "leakage-pending", cancel=True)
            learning.live(workspace, grid.spec)
    curation.show(workspace, view, dataset, grids)
    return notes


def _choose(view: View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    with st.sidebar:
        names = {g.id: _name(g) for g in grids}
        chosen = form.select(view, "grid", "Experiment", names, called="experiment")
    return next(g for g in grids if g.id == chosen)


def _name(g: Grid) -> str:
    spec = g.spec
    words = [numbers.count(len(spec.names), "model"), spec.text_encoder, f"leaks by {spec.leaks}"]
    words += [numbers.count(spec.max_epochs, "epoch"), f"seed {spec.seed}"]
    return " · ".join(words + [g.state] * (g.state != "done"))


def _result(shown: Shown, seeds: list[ContrastiveGrid]) -> None:
    r = shown.result
    page.note({"note": r.note})
    for name, reason in r.failures.items():
        st.warning(f"{plain(name)} stopped: {plain(reason)}", icon=":material/error:")
    good = r.good.index.tolist()
    if not good:
        page.nothing_trained()
        return
    _facts(r)
    tables.over_seeds(seeds)
    without_leaks = "clean/clean" if "clean/clean" in good else good[-1]
    shown = replace(
        shown,
        model=shown.view.choice("model", good, without_leaks),
        label=shown.view.choice("class", ["", *r.test_classes], ""),
    )
    definition = tables.show(shown)
    tables.correlations(shown, definition)
    maps.show(shown)
    model.show(shown)
    leaks.show(shown)


def _facts(r: Result) -> None:
    facts = [
        ("models", r.n_models),
        ("test classes", r.n_test_classes),
        ("test clips, never trained on", r.n_test),
        ("captions", r.n_captions),
        ("of these leak", r.n_leaks),
        ("clips taken out when clean", r.n_leaking_clips),
    ]
    seconds = sum(r.seconds.values())
    layout.facts([*((name, f"{n:,}") for name, n in facts), ("computed in", numbers.duration(seconds))])
