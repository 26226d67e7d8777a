"""Blind tests: which list is best, asked of listeners who do not know whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import data, media, state
from dashboard.components import results as lists
from dashboard.kit import layout
from dashboard.kit.layout import plain
from dashboard.listen import blind_queries as queries
from dashboard.listen import compare, ranking, reading
from dashboard.listen import data as listen
from dashboard.listen.blind_start import enter, is_alias
from dashboard.listen.data import NotComputed, NotRanked
from jobs.listening.ratings import (
    Query,
    Question,
    Rating,
    RatingsError,
    SessionPlan,
    System,
    open_ratings,
)
from jobs.specs import EmbedQuery, Spec
from jobs.workspace.workspace import Dataset, Workspace

_LISTS = "listen-blind"
_PROBLEM = "listen-blind-problem"


@dataclass(frozen=True)
class Test:
    """A test as it is kept in the workspace under `id`, the same for all listeners, and one of them."""

    id: str
    listener: str
    dataset: Dataset
    fingerprint: str
    systems: list[System]
    control: System | None
    columns: int
    length: int
    seed: int
    queries: list[Query]

    @property
    def session(self) -> str:
        """Name of what this listener does in this test."""
        return f"{self.id}:{self.listener}"


def render(workspace: Workspace, view: state.View, names: Sequence[str]) -> bool:
    """Draw the question of a test; return False, with nothing drawn, where no test has started."""
    name = view.text("test", check=lambda v: _saved(workspace, v) is not None)
    if not name:
        return False
    content = _saved(workspace, name)
    assert content is not None
    listener = view.text("listener", longest=64, check=is_alias).strip()
    if content["dataset"] not in names:
        st.title("Blind test")
        st.error(f"This test is of the dataset {plain(content['dataset'])}, which is not in the workspace.")
        st.button("Leave the test", on_click=_leave, args=("",))
    elif not listener:
        _ask_alias(name)
    else:
        test = _test(workspace, name, content, listener)
        try:
            _session(workspace, view, test)
        except NotComputed as error:
            st.title("Blind test")
            is_query = all(isinstance(spec, EmbedQuery) for spec in error.specs)
            st.write("The query of this question has to be embedded again." if is_query else str(error))
            compare.compute(workspace, error.specs)
            st.button("Leave the test", on_click=_leave, args=(test.dataset.name,))
        except (RatingsError, NotRanked) as error:
            st.error(plain(str(error)), icon=":material/error:")
            st.button("Leave the test", on_click=_leave, args=(test.dataset.name,))
    view.write()
    return True


def _saved(workspace: Workspace, name: str) -> dict[str, Any] | None:
    return state.load_view(workspace.root, name, "listening")


def _test(workspace: Workspace, name: str, content: Mapping[str, Any], listener: str) -> Test:
    control = content["control"]
    return Test(
        name,
        listener,
        workspace.dataset(content["dataset"]),
        content["fingerprint"],
        [System(**s) for s in content["systems"]],
        System(**control) if control else None,
        content["columns"],
        content["length"],
        content["seed"],
        [queries.kept(q) for q in content["queries"]],
    )


def _ask_alias(test: str) -> None:
    st.title("Blind test")
    st.write(
        "You hear what several systems return for a sound, and choose the best list. Their names are hidden."
    )
    listener = st.text_input("Your alias", key="listen-alias", max_chars=64, width=320)
    st.caption("Choose one that nobody else here uses: with the same alias an earlier test goes on.")
    if st.button("Begin", type="primary", icon=":material/headphones:"):
        if is_alias(listener):
            enter(test, listener.strip())
            st.rerun()
        st.error("Give an alias of 1 to 64 characters; no more about you is kept.")


def _leave(dataset: str, part: str = "") -> None:
    st.session_state.update({"listen.test": "", "listen.listener": ""})
    if dataset:
        st.session_state["listen.dataset"] = dataset
    if part:
        st.session_state["listen.part"] = part


def _session(workspace: Workspace, view: state.View, test: Test) -> None:
    if test.dataset.fingerprint != test.fingerprint:
        raise RatingsError(
            f"The sounds of {test.dataset.name} have changed since this test was made; make a new one."
        )
    known = {r.question.number: r for r in open_ratings(workspace.root).ratings(session=test.session)}
    open_number = next(i for i in range(len(known) + 1) if i not in known or known[i].answered is None)
    number = min(view.number("asked", 1, 10**6, open_number + 1) - 1, open_number)
    rating = known.get(number) or _ask(workspace, test, number, known)
    _head(test, rating, known, open_number)
    _question(workspace, test, rating)


def _ask(workspace: Workspace, test: Test, number: int, known: Mapping[int, Rating]) -> Rating:
    """Store the next question of the plan, with the results that it shows."""
    planned = SessionPlan(
        seed=test.seed,
        systems=test.systems,
        queries=test.queries,
        listener=test.listener,
        columns=test.columns,
        control=test.control,
    ).question(number)
    results = {}
    if planned.repeat_of is not None:
        earlier = known[planned.repeat_of].question
        results = dict(zip(earlier.systems, earlier.results, strict=True))
    offered = listen.offered(workspace, test.dataset)
    missing: list[Spec] = []
    why = ""
    for system in planned.systems:
        if system in results:
            continue
        o = listen.find(offered, system)
        if o is None:
            raise NotRanked("A space of this test is no longer in the workspace; make a new test.")
        try:
            ranked = ranking.rank(workspace, test.dataset, o, planned.query)
            results[system] = tuple(ranked.ids[: test.length])
        except NotComputed as error:
            missing, why = missing + error.specs, str(error)
    if missing:
        raise NotComputed(why, missing)
    question = Question(
        session=test.session,
        number=number,
        listener=test.listener,
        seed=test.seed,
        dataset=test.dataset.name,
        fingerprint=test.dataset.fingerprint,
        query=planned.query,
        systems=planned.systems,
        results=tuple(results[system] for system in planned.systems),
        repeat_of=planned.repeat_of,
    )
    return Rating(open_ratings(workspace.root).new_question(question), question, 0.0, None, None)


def _head(test: Test, rating: Rating, known: Mapping[int, Rating], open_number: int) -> None:
    """Draw the title, the buttons and the question, or whose lists they are once it is answered."""
    q = rating.question
    answered = sum(r.answered is not None for r in known.values())
    st.title("Blind test")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        words = f"**Question {q.number + 1}** · {answered:,} answered · {plain(test.listener)}"
        st.markdown(words, width="stretch")
        if rating.answered is not None:
            st.button(
                "Next question",
                type="primary",
                icon=":material/arrow_forward:",
                on_click=st.session_state.__setitem__,
                args=("listen.asked", open_number + 1),
            )
        name = test.dataset.name
        st.button("Results", on_click=_leave, args=(name, "results"), type="tertiary")
        st.button("Leave the test", on_click=_leave, args=(name,), type="tertiary")
    if rating.answered is not None:
        _reveal(test, rating, known)
    else:
        asked = f" Asked for: **{plain(q.query.wanted)}**." if q.query.wanted else ""
        text = f" “**{plain(q.query.value)}**”" if q.query.kind == "text" else ""
        st.write(f"Which list fits the query{text} best?{asked}")


def _question(workspace: Workspace, test: Test, rating: Rating) -> None:
    """Draw the lists, to be rated or, once the question is answered, with their names."""
    q = rating.question
    done = rating.answered is not None
    columns = _revealed(workspace, test, q) if done else _hidden(q)
    query = _query_row(q.query, test.dataset, done)
    # The same names before and after the answer, so that what plays goes on.
    names = {clip: media.blind_name(rating.id, i) for i, clip in enumerate(listen.sounds_of(q))}
    columns = [replace(x, rows=tuple(_renamed(r, names) for r in x.rows)) for x in columns]
    root = workspace.root
    lists.show(
        columns,
        key=_LISTS,
        label="Results of hidden systems, side by side",
        query=query and _renamed(query, names),
        rated=lists.Rated(
            question=rating.id,
            marks=rating.marks,
            chosen=rating.chosen,
            on_marks=None if done else lambda: _marked(root, test),
            on_choice=None if done else lambda: _chose(root, test, rating.id, q.number),
        ),
    )
    if problem := st.session_state.pop(_PROBLEM, ""):
        st.error(plain(problem), icon=":material/error:")
    if not done:
        layout.reading(reading.QUESTION)
    with st.expander("Invite another listener"):
        st.caption("The same questions, under another alias; ratings of all listeners come together:")
        here = (st.context.url or "listen").partition("?")[0]
        st.code(f"{here}?part=blind&test={test.id}", language=None)


def _query_row(query: Query, dataset: Dataset, done: bool) -> lists.Result | None:
    """Return the query as a row that can be played, named once the question is answered; None for a text."""
    if query.kind == "text":
        return None
    if query.kind == "clip" and done:
        return lists.result(data.clips(dataset), query.value, dataset.name)
    return lists.Result(query.value, "", file="an uploaded sound" if query.kind == "upload" else "")


def _renamed(row: lists.Result, names: Mapping[str, str]) -> lists.Result:
    """Serve a sound under a name that does not say its class, as the id of a clip may."""
    return replace(row, id=names[row.id], dataset=media.BLIND) if row.id in names else row


def _hidden(q: Question) -> list[lists.Column]:
    """Return the lists without anything that says whose they are or what is in them."""
    also = ranking.elsewhere(q.results)
    return [
        lists.Column(tuple(lists.Result(clip, "", also=tuple(a.get(clip, ()))) for clip in ids))
        for ids, a in zip(q.results, also, strict=True)
    ]


def _revealed(workspace: Workspace, test: Test, q: Question) -> list[lists.Column]:
    """Return the lists with the names of their systems, and with their scores where these still exist."""
    c = data.clips(test.dataset)
    offered = listen.offered(workspace, test.dataset)
    columns = []
    for system, ids, also in zip(q.systems, q.results, ranking.elsewhere(q.results), strict=True):
        o = listen.find(offered, system)
        try:
            ranked = None if o is None else ranking.rank(workspace, test.dataset, o, q.query)
        except NotRanked:
            ranked = None
        if o is None or ranked is None:
            rows = tuple(lists.result(c, i, test.dataset.name) for i in ids if i in c.row)
            columns.append(lists.Column(rows, system.encoder, system.name))
            continue
        judged = ranking.judge(o, c, ranked, q.query.wanted, q.query.value)
        columns.append(compare.column(test.dataset, o, ranked, judged, also, range(len(ids))))
    return columns


def _reveal(test: Test, rating: Rating, known: Mapping[int, Rating]) -> None:
    """Say whose list was chosen, and how that agrees with an earlier answer."""
    q = rating.question
    if rating.chosen is None:
        text = "You chose none of them"
    else:
        name = plain(q.systems[rating.chosen].encoder)
        text = f"You chose **{lists.LETTERS[rating.chosen]}**, which is **{name}**"
    if test.control is not None and test.control in q.systems:
        at = q.systems.index(test.control)
        text += f"; {lists.LETTERS[at]} is the untrained control"
    if q.repeat_of is not None and (first := known.get(q.repeat_of)) is not None:
        same = "the same as then" if _choice(first) == _choice(rating) else "another one than then"
        text += f"; this was question {q.repeat_of + 1} again, and your answer is {same}"
    st.success(f"{text}.", icon=":material/visibility:")


def _choice(rating: Rating) -> System | None:
    return None if rating.chosen is None else rating.question.systems[rating.chosen]


# -- answers ----------------------------------------------------------------------------------------------


def _marked(root: Path, test: Test) -> None:
    value = st.session_state[_LISTS].get("marks")
    if isinstance(value, dict):
        _keep_marks(root, test, value)


def _chose(root: Path, test: Test, question: int, number: int) -> None:
    value = st.session_state[_LISTS].get("choice")
    # What comes late belongs to a question that is no longer shown.
    if not isinstance(value, dict) or value.get("question") != question:
        return
    _keep_marks(root, test, value)
    try:
        # The answer reveals the systems, also in another window of the same listener: no other one counts.
        open_ratings(root).choose(question, value.get("column"), first=True)
    except RatingsError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    st.session_state["listen.asked"] = number + 1


def _keep_marks(root: Path, test: Test, value: Mapping[str, Any]) -> None:
    """Store the marks that have changed: the browser sends all marks of a question each time.

    A mark that was taken back is None; one that is not in a message is left as it is.
    """
    # Messages are numbered; one that was overtaken by a later one holds nothing new.
    number, last = value.get("number"), st.session_state.get("listen-blind-last", (0, 0))
    this = (value.get("question"), number if isinstance(number, int) else 0)
    if this[0] == last[0] and this[1] < last[1]:
        return
    st.session_state["listen-blind-last"] = this
    try:
        ratings = open_ratings(root)
        session = ratings.ratings(session=test.session)
        stored = next((r for r in session if r.id == value.get("question")), None)
        if stored is None or stored.answered is not None:
            return
        for key, fits in dict(value.get("marks") or {}).items():
            column, position = map(int, key.split(","))
            mark = None if fits is None else bool(fits)
            if mark != stored.marks.get((column, position)):
                ratings.mark(stored.id, column, position, mark)
    except (RatingsError, ValueError) as error:
        st.session_state[_PROBLEM] = str(error)
