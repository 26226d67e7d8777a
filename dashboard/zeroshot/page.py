"""Zero-shot: how training classes decide which unseen classes a model can name."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.recipes import describe
from dashboard import data, state
from dashboard.data import Clips
from dashboard.kit import form, jobs, numbers, page
from dashboard.kit.classes import FEWEST, enough
from dashboard.kit.layout import plain
from dashboard.results import result
from dashboard.zeroshot import classes, model, results, start
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot.data import Grid
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Zero-shot"
ICON = ":material/psychology:"
ORDER = 80


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "zeroshot", TITLE, _page, "train on", wait=False)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    done = page.done_spaces(workspace, view, dataset, TITLE, "trained on")
    if done is None:
        return None
    embedding = done[page.choose_space(view, list(done), _first(workspace, dataset, done))]
    c = data.clips(dataset)
    grids = zeroshot.grids(workspace, dataset, embedding)
    grid = _grid(view, grids)
    notes = page.head(TITLE, dataset)
    available = enough(
        embedding,
        c,
        f"Zero-shot models need at least {FEWEST} classes, two to train on, one for validation and two that "
        "they have never met",
    )
    if available is None:
        return None
    words = [numbers.count(int(available.clips.sum()), "clip"), numbers.count(len(available.names), "class")]
    words.append(numbers.count(len(grids), "experiment"))
    n_failed = sum(g.state == "failed" for g in grids)
    page.words(dataset, *words, *[f"{n_failed} failed"] * bool(n_failed))
    if not grids:
        st.write(
            "Which classes should a zero-shot model be trained on? Nothing has been trained on "
            f"**{plain(embedding.encoder)}** yet. Start one of the paper’s two experiments here, or send "
            "a split of your own from **Class splits**."
        )
    start.show(workspace, view, dataset, embedding, available, first=not grids)
    if grid is not None:
        trained = zeroshot.n_models(grid)
        fewer = f" {trained:,} of them were trained." if trained != grid.spec.n_models else ""
        st.caption(f"{plain(grid.spec.title)}.{fewer} Trained with {describe(grid.spec)}.")
        if grid.state == "done":
            _result(view, dataset, c, grid, grids)
        else:
            jobs.pending(workspace, [grid.spec], "zeroshot-pending", cancel=True)
    return notes


def _first(workspace: Workspace, dataset: Dataset, done: dict[str, EmbedAudio]) -> str:
    """Return the first space that models were trained on, or the first of all."""
    trained = (name for name, spec in done.items() if zeroshot.grids(workspace, dataset, spec))
    return next(trained, next(iter(done)))


def _grid(view: state.View, grids: list[Grid]) -> Grid | None:
    if not grids:
        return None
    names = zeroshot.named(grids)
    view.choice("grid", list(names), grids[0].id, called="experiment")
    with st.sidebar:
        chosen = form.relisted("Experiment", names, view.key("grid"))
    return next(g for g in grids if g.id == chosen)


def _result(view: state.View, dataset: Dataset, c: Clips, grid: Grid, grids: list[Grid]) -> None:
    spec = grid.spec
    page.note({"note": result(spec).note})
    failed, models = zeroshot.failed(spec), zeroshot.models(spec)
    page.failures(failed["failed"].tolist(), failed["model"].nunique())
    if not len(models):
        page.nothing_trained()
        return
    file = f"{dataset.name}-{spec.embedding.encoder}-{spec.setup}"
    picked = view.choice("model", models["id"].tolist(), str(models["id"][models["accuracy"].argmax()]))
    results.show(view, spec, grids, picked, file)
    model.show(view, dataset, c, spec, picked, file)
    classes.show(view, c, spec, file)
