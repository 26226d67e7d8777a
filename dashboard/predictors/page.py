"""Similarity and accuracy: which measure of a space predicts best how well it will do."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import data, state
from dashboard.kit import form, layout, numbers, page
from dashboard.predictors import board as boards
from dashboard.predictors import data as predictors
from dashboard.predictors import parts, towers_view
from dashboard.predictors.board import Board, Reference
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Similarity and accuracy"
ICON = ":material/query_stats:"
ORDER = 120


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "predictors", TITLE, _page, "compare spaces of")


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> DeltaGenerator | None:
    spaces = workspace.spaces(dataset)
    if not any(s.state == "done" for s in spaces):
        st.title(f"{TITLE} · {dataset.name}")
        page.no_space(workspace, view, dataset, spaces, "compared")
        return None
    b = boards.board(workspace, dataset)
    reference = _choose_reference(view, b)
    c = data.clips(dataset)
    classes = data.class_names(c)
    st.title(f"{TITLE} · {dataset.name}")
    n_labelled = int((data.class_of_each(c) != "").sum())
    labelled = f"{numbers.count(n_labelled, 'clip')} of {numbers.count(len(classes), 'class')}"
    counts = [(len(b.spaces), "space"), (c.n, "clip"), (len(classes), "class")]
    page.words(dataset, *(numbers.count(n, thing) for n, thing in counts))
    if len(classes) < 2:
        layout.notes(view.notes)
        st.info(
            "Accuracies and the separability of classes need at least two classes. Add a dataset with more, "
            "such as a folder with a folder a class.",
            icon=":material/info:",
        )
        return None
    asked = _choose(view, b, reference)
    space = view.text("dot", check=lambda given: given in b.spaces, called="space")
    notes = st.container()
    parts.scatter(view, asked, space, numbers.count(c.n, "clip"), labelled)
    parts.ranking(asked)
    parts.sizes(view, asked)
    parts.everything(workspace, asked)
    towers_view.show(workspace, view, b, c, dataset.name)
    return notes


def _choose_reference(view: state.View, b: Board) -> Reference | None:
    offered = boards.references(b)
    with st.sidebar:
        name = form.select(
            view,
            "reference",
            "Compare spaces with",
            list(offered),
            help="For topological similarity, NNGS and CKA. Texts of classes are compared by class means; "
            "another space by clips; own texts are those that the same model makes of the class names.",
        )
    return offered.get(name)


def _choose(view: state.View, b: Board, reference: Reference | None) -> parts.Asked:
    """Read the controls: by default the accuracy of most spaces, and the measure that predicts it best."""
    largest = predictors.largest_k(b, reference)
    k = int(view.number("k", 1, 100_000, predictors.usual_k(largest)))
    k = min(k, largest) if largest else k
    dots = predictors.dots(b, reference, k)
    x_counts, y_counts = predictors.coverage(dots)
    first = max(predictors.ACCURACIES, key=y_counts.__getitem__)
    accuracy = view.choice("y", list(predictors.ACCURACIES), first, called="accuracy")
    log = view.choice("scale", list(parts.SCALES), "linear", called="scale of y") == "log"
    ranked = predictors.ranked(dots, accuracy, log=log)
    best = ranked[0].name if ranked else max(predictors.MEASURES, key=x_counts.__getitem__)
    measure = view.choice("x", list(predictors.MEASURES), best, called="measure")
    return parts.Asked(b, reference, k, largest, dots, measure, accuracy, log, ranked)
