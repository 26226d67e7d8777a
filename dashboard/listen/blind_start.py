"""Beginning a blind test: which systems, how many columns and questions, and under which alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import streamlit as st

from dashboard import data, state
from dashboard.kit import form, layout
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.listen import blind_queries as queries
from dashboard.listen import data as listen
from dashboard.listen import reading
from dashboard.listen.data import Offered
from jobs.listening.ratings import MOST_COLUMNS, MOST_SYSTEMS
from jobs.workspace.workspace import Dataset, Workspace

LENGTHS = {"5": "5", "10": "10", "15": "15"}


def prepare(workspace: Workspace, view: state.View, dataset: Dataset, systems: dict[str, Offered]) -> None:
    """Draw what it takes to begin a test."""
    st.write(
        "Listeners hear what up to four systems find, without names, labels or scores, and choose the best "
        "list or none. Everybody with the same link gets the same questions, in an order of columns of their "
        "own."
    )
    usual = [i for i in systems if "~" not in i and i != listen.CONTROL]
    if len([i for i in systems if "~" not in i]) == 1:
        st.info(
            f"{plain(dataset.name)} has one space; embed it with a second model, or compare ways "
            "to search the one there is.",
            icon=":material/info:",
        )
    picked = form.several(
        view,
        "among",
        "Systems",
        {i: o.name for i, o in systems.items()},
        usual[:MOST_COLUMNS],
        most=MOST_SYSTEMS,
        help="Where there are more than columns, every set of them has its turn.",
    )
    pool = [i for i in picked if i in systems]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        most = min(MOST_COLUMNS, len(pool))
        columns = form.whole(view, "columns", "Columns", 2, MOST_COLUMNS, max(2, most), width=110)
        length = form.switch(view, "length", "Results in each", LENGTHS, "10")
        seed = form.whole(view, "seed", "Seed", 0, 10**6, 0, width=130, help="Another seed is another test.")
    chosen = [systems[i] for i in pool]
    kind = queries.kind(view)
    extra = _control(view, systems, chosen, kind)
    asked = queries.choose(workspace, view, dataset, kind, [*chosen, *extra])
    listener = st.text_input(
        "Your alias", key="listen-alias", max_chars=64, placeholder="how you want to be listed", width=320
    )
    layout.notes(view.notes)
    layout.reading(reading.BLIND)
    problem = _problem(pool, columns) or asked.problem
    if problem:
        st.info(plain(problem), icon=":material/info:")
    if st.button("Begin", type="primary", icon=":material/headphones:", disabled=bool(problem)):
        if not is_alias(listener):
            st.error("Give an alias of 1 to 64 characters first; no more about you is kept.")
            return
        found = asked.queries
        if kind == "clip":
            found = queries.draw(data.clips(dataset), [*chosen, *extra], asked.of, seed)
        if not found:
            st.error("No clip of these classes is in all of these spaces; choose other systems or classes.")
            return
        name = state.save_view(
            workspace.root,
            {
                "kind": "listening",
                "dataset": dataset.name,
                "fingerprint": dataset.fingerprint,
                "systems": [asdict(o.system) for o in chosen],
                "control": asdict(extra[0].system) if extra else None,
                "columns": min(columns, len(chosen)),
                "length": int(length),
                "seed": seed,
                "queries": [queries.plain(q) for q in found],
            },
        )
        enter(name, listener.strip())
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
    view.choice("control", ["yes", "no"], "yes")
    pick(view, "control", "Untrained control", {"yes": "in one of five questions", "no": "left out"})
    wanted = st.session_state.get(view.key("control")) != "no"
    return [control] if wanted and control not in chosen else []


def _problem(pool: Sequence[str], columns: int) -> str:
    if len(pool) < 2:
        return "Choose at least two systems: a question compares them."
    if columns > len(pool):
        return f"{len(pool)} systems cannot fill {columns} columns; choose more systems or fewer columns."
    return ""


def is_alias(text: str) -> bool:
    """Return whether a text can stand for a listener."""
    return 1 <= len(text.strip()) <= 64 and text.strip().isprintable()


def enter(test: str, listener: str) -> None:
    """Have a listener go to the questions of a test."""
    st.session_state.update({"listen.test": test, "listen.listener": listener})
    st.session_state.pop("listen.asked", None)
