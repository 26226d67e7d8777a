"""Similarity and accuracy: which measure of a space says best how well it will do."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import data, numbers, state, ui
from dashboard.kit.dataset import choose, no_space, none_there, wait_for_sounds
from dashboard.predictors import board as predictors_board
from dashboard.predictors import data as predictors
from dashboard.predictors import parts
from dashboard.predictors import towers_view as tower_parts
from dashboard.predictors.board import Board, Reference
from dashboard.predictors.data import Dot
from dashboard.separability import data as separability
from jobs.workspace.workspace import Workspace

TITLE = "Similarity and accuracy"
ICON = ":material/query_stats:"
ORDER = 120


@dataclass(frozen=True)
class _Chosen:
    board: Board
    reference: Reference | None
    #: Size of the neighbourhood for NNGS, and the largest there is.
    k: int
    largest: int


def render(workspace: Workspace) -> None:
    """Draw the page."""
    datasets = workspace.datasets()
    if not datasets:
        none_there(TITLE, "compare spaces of")
        return
    view = state.View("predictors", st.session_state, st.query_params)
    chosen = _controls(workspace, view, [d.name for d in datasets])
    if chosen is None:
        view.write()
        return
    b = chosen.board
    c = data.clips(b.dataset)
    classes = separability.classes_of(c)
    st.title(f"{TITLE} · {b.dataset.name}")
    synthetic = " · synthetic" if b.dataset.note else ""
    n_labelled = int((separability.labels_of(c) != "").sum())
    labelled = f"{numbers.count(n_labelled, 'clip')} of {numbers.count(len(classes), 'class')}"
    st.caption(
        f"{numbers.count(len(b.spaces), 'space')} · {numbers.count(c.n, 'clip')} · "
        f"{numbers.count(len(classes), 'class')}{synthetic}"
    )
    if len(classes) < 2:
        view.write()
        ui.notes(view.notes)
        st.info(
            "Accuracies and the separability of classes need at least two classes. Add a dataset with more, "
            "such as a folder with a folder a class.",
            icon=":material/info:",
        )
        return
    shown = predictors.dots(b, chosen.reference, chosen.k)
    asked = _asked(view, shown)
    space = view.text("dot", check=lambda given: given in b.spaces, called="space")
    notes = st.container()
    file = f"{b.dataset.name}-{asked.accuracy}"
    clips = numbers.count(c.n, "clip")
    parts.scatter(view, b, chosen.reference, chosen.k, shown, asked, space, file, clips, labelled)
    parts.ranking(shown, asked, chosen.reference, file)
    parts.sizes(view, b, chosen.reference, chosen.k, chosen.largest, shown, asked, file)
    parts.everything(workspace, b, chosen.reference, chosen.k, shown, asked, file)
    tower_parts.show(workspace, view, b, c, b.dataset.name)
    view.write()
    with notes:
        ui.notes(view.notes)


def _controls(workspace: Workspace, view: state.View, names: list[str]) -> _Chosen | None:
    dataset = choose(workspace, view, names)
    if not dataset.ready:
        st.title(TITLE)
        wait_for_sounds(workspace, view, dataset)
        return None
    spaces = workspace.spaces(dataset)
    if not any(s.state == "done" for s in spaces):
        st.title(f"{TITLE} · {dataset.name}")
        no_space(workspace, view, dataset, spaces, "compared")
        return None
    b = predictors_board.board(workspace, dataset)
    offered = predictors_board.references(b)
    view.choice("reference", list(offered), next(iter(offered)))
    with st.sidebar:
        name = st.selectbox(
            "Compare spaces with",
            list(offered),
            key=view.key("reference"),
            help="For topological similarity, NNGS and CKA. Texts of classes are compared by class means; "
            "another space by clips; own texts are those that the same model makes of the class names.",
        )
    reference = offered.get(str(name))
    largest = predictors.largest_k(b, reference)
    k = int(view.number("k", 1, 100_000, predictors.usual_k(largest)))
    return _Chosen(b, reference, min(k, largest) if largest else k, largest)


def _asked(view: state.View, shown: list[Dot]) -> parts.Asked:
    """Begin with an accuracy that is there, and with the measure that goes with it best."""
    x_there, y_there = predictors.coverage(shown)
    first = max(predictors.ACCURACIES, key=lambda name: y_there[name])
    accuracy = view.choice("y", list(predictors.ACCURACIES), first, called="accuracy")
    log = view.choice("scale", list(parts.SCALES), "linear", called="scale of y") == "log"
    found = predictors.ranked(shown, accuracy, log=log)
    best = found[0].name if found else max(predictors.MEASURES, key=lambda name: x_there[name])
    measure = view.choice("x", list(predictors.MEASURES), best, called="measure")
    return parts.Asked(measure, accuracy, log, found)
