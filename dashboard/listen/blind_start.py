"""The start of a blind test: which systems, how many columns and questions, and under which alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st

from dashboard import data, state
from dashboard.kit import form, layout
from dashboard.kit.layout import plain
from dashboard.listen import blind_queries as queries
from dashboard.listen import data as listen
from dashboard.listen import reading
from dashboard.listen.data import Offered
from jobs.listening.ratings import MOST_COLUMNS, MOST_SYSTEMS
from jobs.workspace.workspace import Dataset, Workspace

LENGTHS = ("5", "10", "15")


def prepare(workspace: Workspace, view: state.View, dataset: Dataset, systems: dict[str, Offered]) -> None:
    """Draw what it takes to begin a test."""
    st.write(
        "Listeners hear what up to four systems return, without names, labels or scores, and choose the best "
        "list or none. Everybody with the same link gets the same questions, in an order of columns of their "
        "own."
    )
    chosen = _choose(view, dataset, systems)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        most = min(MOST_COLUMNS, len(chosen))
        columns = form.whole(view, "columns", "Columns", 2, MOST_COLUMNS, max(2, most), width=110)
        length = form.switch(view, "length", "Results in each", LENGTHS, "10")
        seed = form.whole(view, "seed", "Seed", 0, 10**6, 0, width=130, help="Another seed is another test.")
    kind: Any = form.switch(view, "with", "Search with", queries.KINDS)
    control = _control(view, systems, chosen, kind)
    asked = queries.choose(workspace, view, dataset, kind, [*chosen, *control])
    listener = st.text_input(
        "Your alias", key="listen-alias", max_chars=64, placeholder="how you want to be listed", width=320
    )
    layout.notes(view.notes)
    layout.reading(reading.BLIND)
    problem = _problem(len(chosen), columns) or asked.problem
    if problem:
        st.info(plain(problem), icon=":material/info:")
    if st.button("Begin", type="primary", icon=":material/headphones:", disabled=bool(problem)):
        test = {
            "kind": "listening",
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "systems": [asdict(o.system) for o in chosen],
            "control": asdict(control[0].system) if control else None,
            "columns": min(columns, len(chosen)),
            "length": int(length),
            "seed": seed,
        }
        drawn = asked.queries
        if kind == "clip":
            drawn = queries.draw(data.clips(dataset), [*chosen, *control], asked.of, seed)
        _begin(workspace, test | {"queries": [queries.plain(q) for q in drawn]}, listener)


def _choose(view: state.View, dataset: Dataset, systems: dict[str, Offered]) -> list[Offered]:
    """Draw the choice of the systems of a test."""
    alone = [i for i in systems if "~" not in i]
    if len(alone) == 1:
        st.info(
            f"{plain(dataset.name)} has one space; embed it with a second model, or compare ways "
            "to search the one it has.",
            icon=":material/info:",
        )
    picked = form.several(
        view,
        "among",
        "Systems",
        {i: o.name for i, o in systems.items()},
        [i for i in alone if i != listen.CONTROL][:MOST_COLUMNS],
        most=MOST_SYSTEMS,
        help="With more systems than columns, every set of them has its turn.",
    )
    return [systems[i] for i in picked if i in systems]


def _begin(workspace: Workspace, test: dict[str, Any], listener: str) -> None:
    if not is_alias(listener):
        st.error("Give an alias of 1 to 64 characters first; no more about you is kept.")
    elif not test["queries"]:
        st.error("No clip of these classes is in all of these spaces; choose other systems or classes.")
    else:
        enter(state.save_view(workspace.root, test), listener.strip())
        st.rerun()


def _control(
    view: state.View, systems: Mapping[str, Offered], chosen: Sequence[Offered], kind: str
) -> list[Offered]:
    """Draw the choice of a control; return the system that is mixed in, if one is."""
    control = systems.get(listen.CONTROL)
    if control is None:
        st.caption(
            "A control shows who is guessing: embed the dataset with random-cnn, a network that was never "
            "trained, and it is mixed in."
        )
        return []
    if kind == "text":
        st.caption("There is no control for texts: the untrained network reads none.")
        return []
    options = {"yes": "in one of five questions", "no": "left out"}
    wanted = form.switch(view, "control", "Untrained control", options)
    return [control] if wanted != "no" and control not in chosen else []


def _problem(n_systems: int, columns: int) -> str:
    if n_systems < 2:
        return "Choose at least two systems: a question compares them."
    if columns > n_systems:
        return f"{n_systems} systems cannot fill {columns} columns; choose more systems or fewer columns."
    return ""


def is_alias(text: str) -> bool:
    """Return whether a text can name a listener."""
    return 1 <= len(text.strip()) <= 64 and text.strip().isprintable()


def enter(test: str, listener: str) -> None:
    """Take a listener to the questions of a test."""
    st.session_state.update({"listen.test": test, "listen.listener": listener})
    st.session_state.pop("listen.asked", None)
