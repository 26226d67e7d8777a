"""Retrieval: how well spaces find sounds of a kind, by model, by system, by family, down to every query."""

from __future__ import annotations

import streamlit as st

from dashboard import data, results, state
from dashboard.kit import form, layout, numbers, page
from dashboard.kit.layout import plain
from dashboard.retrieval import class_data, families, models, queries, systems
from dashboard.retrieval import data as retrieval
from dashboard.retrieval.parts import Chosen, ceiling
from jobs.workspace import Dataset
from jobs.workspace.workspace import Workspace

TITLE = "Retrieval"
ICON = ":material/manage_search:"
ORDER = 50


def render(workspace: Workspace) -> None:
    """Draw the page."""
    page.run(workspace, "retrieval", TITLE, _page, wait=False)


def _page(workspace: Workspace, view: state.View, dataset: Dataset) -> None:
    chosen = _controls(workspace, view, dataset)
    if chosen is None:
        return
    st.title(f"{TITLE} · {chosen.dataset.name}")
    sizes = retrieval.sizes(chosen.clips)
    counts = [(chosen.clips.n, "clip"), (len(sizes), "class"), (len(chosen.spaces), "space")]
    page.words(chosen.dataset, *(numbers.count(n, thing) for n, thing in counts))
    if not any(n >= 2 for n in sizes.values()):
        layout.notes(view.notes)
        _nothing_to_find(sizes)
        return
    table = models.choose(view, chosen)
    there = results.has(chosen.spec)
    picked = queries.choose(view, chosen) if there else None
    view.write()
    layout.notes(view.notes)
    if there:
        _remarks(chosen)
    models.show(workspace, view, chosen, table)
    systems.show(workspace, chosen)
    if there and picked is not None:
        families.show(chosen, picked)
        families.classes(view, chosen, picked, table.reference)
        queries.show(view, chosen, picked, table.reference)
    else:
        st.info(
            f"Families, classes and queries of {plain(chosen.space)} are shown here once they are "
            "computed: the button above asks for it.",
            icon=":material/info:",
        )


def _controls(workspace: Workspace, view: state.View, dataset: Dataset) -> Chosen | None:
    done = page.done_spaces(workspace, view, dataset, TITLE, "searched")
    if done is None:
        return None
    space = page.choose_space(view, list(done))
    options = list(retrieval.BY) if retrieval.has_families(dataset) else ["label"]
    by = view.choice("by", options, "label")
    measure = view.choice("measure", list(retrieval.MEASURES), "map@15")
    counted = view.choice("count", ["yes", "no"], "yes") == "yes"
    unit_first = view.choice("unit", ["no", "before"], "no") == "before"
    with st.sidebar:
        form.listed(
            "Measure",
            retrieval.MEASURES,
            view.key("measure"),
            help="MAP@15 judges the first page of results, MAP@150 the first ten, MR1 where the first "
            "relevant result stands.",
        )
        if len(options) > 1:
            form.pick(
                view,
                "by",
                "Relevant is what is of the same",
                {name: retrieval.BY[name] for name in options},
                help="Class, as in the paper: a dog does not do for a rooster. Family asks another, easier "
                "question: any animal does.",
            )
        st.session_state["retrieval.counted"] = counted
        st.toggle(
            "Count the query",
            key="retrieval.counted",
            on_change=_switched,
            help="AP@N divides by the clips of the class, N at most. Counted: the query is one of them "
            "though it cannot be found, as in the code that the paper's authors released. Not counted: a "
            "perfect list has 1.",
        )
        st.session_state["retrieval.unit_first"] = unit_first
        st.toggle(
            "Unit length before PCA",
            key="retrieval.unit_first",
            on_change=_switched,
            help="Clips are scaled to unit length before their principal components are taken, as the code "
            "of the paper's authors does since July 2024. Figure 1 of the paper fits the order without it.",
        )
    return Chosen(dataset, data.clips(dataset), done, space, by, measure, counted, unit_first)


def _switched() -> None:
    st.session_state["retrieval.count"] = "yes" if st.session_state["retrieval.counted"] else "no"
    st.session_state["retrieval.unit"] = "before" if st.session_state["retrieval.unit_first"] else "no"


def _nothing_to_find(sizes: dict[str, int]) -> None:
    what = (
        f"No class has two clips, so no clip could find another of its kind ({_some(list(sizes))})"
        if sizes
        else "No clip has a class, so nothing says what is relevant"
    )
    st.info(
        f"{what}. Add the dataset again from a folder with a folder a class, or with a table that has a "
        "column “label”.",
        icon=":material/info:",
    )


def _remarks(chosen: Chosen) -> None:
    """Say what must be known before any number is read."""
    found = class_data.classes(chosen.spec)
    sizes = dict(zip(found["class"], found["n_relevant"], strict=True))
    alone = class_data.excluded(chosen.spec)
    if len(sizes) == 1:
        st.info(
            f"Only one {chosen.thing}, {plain(next(iter(sizes)))}, has clips to be found: among clips "
            "that all carry it every list is right, whatever the model. Add a second one to compare models.",
            icon=":material/info:",
        )
    if alone:
        st.caption(
            f"Left out everywhere, having a single clip and so nothing to find: {plain(chosen.thing)} "
            f"{_some(alone)}."
        )
    said = ceiling(chosen, sizes)
    if said:
        st.caption(said)


def _some(names: list[str], most: int = 12) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return plain(", ".join(names[:most])) + rest
