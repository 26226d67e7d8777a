"""Similarity and accuracy: which measure of a space says best how well it will do."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, state
from dashboard.kit import form, layout, numbers, page
from dashboard.predictors import board as predictors_board
from dashboard.predictors import data as predictors
from dashboard.predictors import parts
from dashboard.predictors import towers_view as tower_parts
from dashboard.predictors.board import Board, Reference
from dashboard.predictors.data import Dot
from jobs.workspace import Dataset
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
    page.run(workspace, "predictors", TITLE, _page, "compare spaces of")


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    chosen = _controls(workspace, view, dataset)
    if chosen is None:
        return None
    b = chosen.board
    c = data.clips(b.dataset)
    classes = data.class_names(c)
    st.title(f"{TITLE} · {b.dataset.name}")
    n_labelled = int((data.class_of_each(c) != "").sum())
    labelled = f"{numbers.count(n_labelled, 'clip')} of {numbers.count(len(classes), 'class')}"
    counts = [(len(b.spaces), "space"), (c.n, "clip"), (len(classes), "class")]
    page.words(b.dataset, *(numbers.count(n, thing) for n, thing in counts))
    if len(classes) < 2:
        layout.notes(view.notes)
        st.info(
            "Accuracies and the separability of classes need at least two classes. Add a dataset with more, "
            "such as a folder with a folder a class.",
            icon=":material/info:",
        )
        return None
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
    return notes


def _controls(workspace: Workspace, view: state.View, dataset: Dataset) -> _Chosen | None:
    spaces = workspace.spaces(dataset)
    if not any(s.state == "done" for s in spaces):
        st.title(f"{TITLE} · {dataset.name}")
        page.no_space(workspace, view, dataset, spaces, "compared")
        return None
    b = predictors_board.board(workspace, dataset)
    offered = predictors_board.references(b)
    with st.sidebar:
        name = form.select(
            view,
            "reference",
            "Compare spaces with",
            list(offered),
            help="For topological similarity, NNGS and CKA. Texts of classes are compared by class means; "
            "another space by clips; own texts are those that the same model makes of the class names.",
        )
    reference = offered.get(name)
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
