"""Retrieval: how well spaces find sounds of a kind, by model, by system, by family, down to every query."""

from __future__ import annotations

import streamlit as st

from dashboard import data, results, state
from dashboard.kit import form, layout, numbers, page
from dashboard.kit.layout import plain
from dashboard.retrieval import class_data, families, models, queries, systems
from dashboard.retrieval import data as retrieval
from dashboard.retrieval.data import BY, MEASURES
from dashboard.retrieval.parts import Chosen, ceiling_note
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
    sizes = retrieval.class_sizes(chosen.clips)
    counts = [(chosen.clips.n, "clip"), (len(sizes), "class"), (len(chosen.spaces), "space")]
    page.words(chosen.dataset, *(numbers.count(n, thing) for n, thing in counts))
    if not any(n >= 2 for n in sizes.values()):
        layout.notes(view.notes)
        _nothing_to_find(sizes)
        return
    options = models.choose(view, chosen)
    picked = queries.choose(view, chosen) if results.has(chosen.spec) else None
    view.write()
    layout.notes(view.notes)
    if picked is not None:
        _remarks(chosen)
    models.show(workspace, view, chosen, options)
    systems.show(workspace, chosen)
    if picked is None:
        st.info(
            f"Families, classes and queries of {plain(chosen.space)} are shown here once they are "
            "computed: press the button above.",
            icon=":material/info:",
        )
        return
    families.show(chosen, picked)
    families.classes(view, chosen, picked, options.reference)
    queries.show(view, chosen, picked, options.reference)


def _controls(workspace: Workspace, view: state.View, dataset: Dataset) -> Chosen | None:
    done = page.done_spaces(workspace, view, dataset, TITLE, "searched")
    if done is None:
        return None
    space = page.choose_space(view, list(done))
    options = list(BY) if retrieval.has_families(dataset) else ["label"]
    by = view.choice("by", options, "label")
    measure = view.choice("measure", list(MEASURES), "map@15")
    counted = view.choice("count", ["yes", "no"], "yes") == "yes"
    unit_first = view.choice("unit", ["no", "before"], "no") == "before"
    with st.sidebar:
        form.listed(
            "Measure",
            {name: m.title for name, m in MEASURES.items()},
            view.key("measure"),
            help="MAP@15 judges the first page of results, MAP@150 the first ten, MR1 the rank of the first "
            "relevant result.",
        )
        if len(options) > 1:
            form.pick(
                view,
                "by",
                "Relevant results share the query’s",
                BY,
                help="Class, as in the paper: a dog is not relevant to a rooster. Family is an easier "
                "question: any animal is.",
            )
        st.session_state["retrieval.counted"] = counted
        st.toggle(
            "Count the query",
            key="retrieval.counted",
            on_change=_switched,
            help="AP@N divides by the clips of the class, N at most. Counted: the query is one of them "
            "though no list can contain it, as in the code that the paper's authors released. Not counted: "
            "a perfect list has 1.",
        )
        st.session_state["retrieval.unit_first"] = unit_first
        st.toggle(
            "Unit length before PCA",
            key="retrieval.unit_first",
            on_change=_switched,
            help="Clips are scaled to unit length before their principal components are taken, as the code "
            "of the paper's authors does since July 2024. Figure 1 of the paper fits the order without it.",
        )
    return Chosen(dataset, data.clips(dataset), done, space, by, MEASURES[measure], counted, unit_first)


def _switched() -> None:
    st.session_state["retrieval.count"] = "yes" if st.session_state["retrieval.counted"] else "no"
    st.session_state["retrieval.unit"] = "before" if st.session_state["retrieval.unit_first"] else "no"


def _nothing_to_find(sizes: dict[str, int]) -> None:
    what = (
        f"No class has two clips, so no clip has another of its class to retrieve ({_some(list(sizes))})"
        if sizes
        else "No clip has a class, so relevance is not defined"
    )
    st.info(
        f"{what}. Add the dataset again from a folder with one subfolder a class, or with a table that has a "
        "column “label”.",
        icon=":material/info:",
    )


def _remarks(chosen: Chosen) -> None:
    """Note what limits the numbers before any of them is shown."""
    classes = class_data.classes(chosen.spec)
    alone = retrieval.table(chosen.spec, "excluded")["class"].tolist()
    if len(classes) == 1:
        st.info(
            f"Only one {chosen.thing}, {plain(classes['class'].iloc[0])}, has clips to retrieve: among clips "
            "that all carry it every list is perfect, whatever the model. Add another to compare models.",
            icon=":material/info:",
        )
    if alone:
        st.caption(
            f"Left out everywhere, having a single clip and so nothing to find: {plain(chosen.thing)} "
            f"{_some(alone)}."
        )
    if note := ceiling_note(chosen, dict(zip(classes["class"], classes["n_relevant"], strict=True))):
        st.caption(note)


def _some(names: list[str], most: int = 12) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return plain(", ".join(names[:most])) + rest
