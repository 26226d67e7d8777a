"""Blind tests: which list is best, asked of listeners who do not know whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from dashboard.listen.data import NotRanked, Offered
from dashboard.listen.ranking import Ranked
from dashboard.results import has
from jobs.listening.ratings import (
    Query,
    Question,
    Rating,
    Ratings,
    RatingsError,
    SessionPlan,
    System,
    open_ratings,
)
from jobs.specs import EmbedQuery
from jobs.workspace.workspace import Dataset, Workspace

_LISTS = "listen-blind"


class NotEmbedded(NotRanked):
    """A query from outside is not embedded, or no longer; `specs` are what would do it."""

    def __init__(self, specs: Sequence[EmbedQuery]) -> None:
        super().__init__("The query is not embedded.")
        self.specs = specs


@dataclass(frozen=True)
class Test:
    """A test as it is kept in the workspace under `id`, the same for all who listen to it."""

    id: str
    dataset: Dataset
    fingerprint: str
    systems: list[System]
    control: System | None
    columns: int
    length: int
    seed: int
    queries: list[Query]

    def session(self, listener: str) -> str:
        """Name of what one listener does in this test."""
        return f"{self.id}:{listener}"


def render(workspace: Workspace, view: state.View, names: Sequence[str]) -> bool:
    """Draw the question of a test; False where none has been begun, and nothing was drawn."""
    name = view.text("test", check=lambda v: _kept(workspace, v) is not None)
    if not name:
        return False
    content = _kept(workspace, name)
    assert content is not None
    listener = view.text("listener", longest=64, check=is_alias).strip()
    if content["dataset"] not in names:
        st.title("Blind test")
        st.error(f"This test is of the dataset {plain(content['dataset'])}, which is not in the workspace.")
        st.button("Leave the test", on_click=_leave, args=("",))
    elif not listener:
        _ask_alias(name)
    else:
        test = _test(workspace, name, content)
        try:
            _session(workspace, view, test, listener)
        except NotEmbedded as error:
            st.title("Blind test")
            st.write("The query of this question has to be embedded again.")
            compare.embed(workspace, error.specs)
            st.button("Leave the test", on_click=_leave, args=(test.dataset.name,))
        except (RatingsError, NotRanked) as error:
            st.error(plain(str(error)), icon=":material/error:")
            st.button("Leave the test", on_click=_leave, args=(test.dataset.name,))
    view.write()
    return True


def _kept(workspace: Workspace, name: str) -> dict[str, Any] | None:
    content = state.load_view(workspace.root, name)
    return content if content is not None and content.get("kind") == "listening" else None


def _test(workspace: Workspace, name: str, content: dict[str, Any]) -> Test:
    control = content["control"]
    return Test(
        name,
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
        "You hear what several systems find for a sound, and say which list is best. Their names are hidden."
    )
    listener = st.text_input("Your alias", key="listen-alias", max_chars=64, width=320)
    st.caption("Take one that nobody else here uses: with the same alias an earlier test goes on.")
    if st.button("Begin", type="primary", icon=":material/headphones:"):
        if is_alias(listener):
            enter(test, listener.strip())
            st.rerun()
        st.error("Give an alias of 1 to 64 characters; no more about you is kept.")


def _leave(dataset: str) -> None:
    st.session_state.update({"listen.test": "", "listen.listener": ""})
    if dataset:
        st.session_state["listen.dataset"] = dataset


def _to_results(dataset: str) -> None:
    _leave(dataset)
    st.session_state["listen.part"] = "results"


def _session(workspace: Workspace, view: state.View, test: Test, listener: str) -> None:
    ratings = open_ratings(workspace.root)
    if test.dataset.fingerprint != test.fingerprint:
        raise RatingsError(
            f"The sounds of {test.dataset.name} have changed since this test was made; make a new one."
        )
    known = {r.question.number: r for r in ratings.ratings(session=test.session(listener))}
    open_number = next(i for i in range(len(known) + 1) if i not in known or known[i].answered is None)
    number = min(view.number("asked", 1, 10**6, open_number + 1) - 1, open_number)
    rating = known.get(number) or _ask(workspace, ratings, test, listener, number, known)
    _question(workspace, test, listener, rating, known, open_number)


def _ask(
    workspace: Workspace,
    ratings: Ratings,
    test: Test,
    listener: str,
    number: int,
    known: Mapping[int, Rating],
) -> Rating:
    """Note the next question of the plan, with what is shown."""
    planned = SessionPlan(
        seed=test.seed,
        systems=test.systems,
        queries=test.queries,
        listener=listener,
        columns=test.columns,
        control=test.control,
    ).question(number)
    there = listen.offered(workspace, test.dataset)
    before = {}
    if planned.repeat_of is not None:
        earlier = known[planned.repeat_of].question
        before = dict(zip(earlier.systems, earlier.results, strict=True))
    shown: list[tuple[str, ...]] = []
    missing: list[EmbedQuery] = []
    for system in planned.systems:
        if system in before:
            shown.append(before[system])
            continue
        o = listen.find(there, system)
        if o is None:
            raise NotRanked("A space of this test is no longer there; make a new test.")
        try:
            shown.append(tuple(_ranked(workspace, test, o, planned.query).ids[: test.length]))
        except NotEmbedded as error:
            missing += error.specs
    if missing:
        raise NotEmbedded(missing)
    question = Question(
        session=test.session(listener),
        number=number,
        listener=listener,
        seed=test.seed,
        dataset=test.dataset.name,
        fingerprint=test.dataset.fingerprint,
        query=planned.query,
        systems=planned.systems,
        results=tuple(shown),
        repeat_of=planned.repeat_of,
    )
    return Rating(ratings.new_question(question), question, 0.0, None, None)


def _ranked(workspace: Workspace, test: Test, o: Offered, query: Query) -> Ranked:
    if query.kind == "clip":
        return ranking.ranked(o, test.dataset, query.value)
    spec = queries.embedding(workspace, test.dataset, o, query)
    if not has(spec):
        raise NotEmbedded([spec])
    return ranking.ranked_outside(o, test.dataset, spec)


def _question(
    workspace: Workspace,
    test: Test,
    listener: str,
    rating: Rating,
    known: dict[int, Rating],
    open_number: int,
) -> None:
    q = rating.question
    answered = sum(r.answered is not None for r in known.values())
    done = rating.answered is not None
    c = data.clips(test.dataset)
    st.title("Blind test")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        words = f"**Question {q.number + 1}** · {answered:,} answered · {plain(listener)}"
        st.markdown(words, width="stretch")
        if done:
            st.button(
                "Next question",
                type="primary",
                icon=":material/arrow_forward:",
                on_click=_next,
                args=(open_number,),
            )
        name = test.dataset.name
        st.button("Results", on_click=_to_results, args=(name,), type="tertiary")
        st.button("Leave the test", on_click=_leave, args=(name,), type="tertiary")
    if done:
        _reveal(test, rating, known)
    else:
        asked = f" Asked for: **{plain(q.query.wanted)}**." if q.query.wanted else ""
        text = f" “**{plain(q.query.value)}**”" if q.query.kind == "text" else ""
        st.write(f"Which list fits the query{text} best?{asked}")
    columns = _revealed(workspace, test, rating, c) if done else _hidden(rating)
    query = _heard(q.query, c, test.dataset.name, done)
    # The same names before and after the answer, so that what sounds goes on.
    names = {clip: media.blind_name(rating.id, i) for i, clip in enumerate(listen.heard(q))}
    columns = [replace(x, rows=tuple(_under_name(r, names) for r in x.rows)) for x in columns]
    query = query and _under_name(query, names)
    root = workspace.root
    lists.show(
        columns,
        key=_LISTS,
        label="Results of hidden systems, side by side",
        query=query,
        question=rating.id,
        marks=rating.marks,
        chosen=rating.chosen,
        on_marks=None if done else lambda: _marked(root, test, listener),
        on_choice=None if done else lambda: _chose(root, test, listener, rating.id, q.number),
    )
    if problem := st.session_state.pop("listen-blind-problem", ""):
        st.error(plain(problem), icon=":material/error:")
    if not done:
        layout.reading(reading.QUESTION)
    with st.expander("Invite another listener"):
        st.caption("The same questions, under another alias; ratings of all listeners come together:")
        here = (st.context.url or "listen").partition("?")[0]
        st.code(f"{here}?part=blind&test={test.id}", language=None)


def _heard(query: Query, c: data.Clips, dataset: str, done: bool) -> lists.Result | None:
    """Return the query as it is heard, with what is said of it once the answer is given; None for a text."""
    if query.kind == "text":
        return None
    if query.kind == "clip" and done:
        return lists.result(c, query.value, dataset)
    return lists.Result(query.value, "", file="an uploaded sound" if query.kind == "upload" else "")


def _under_name(row: lists.Result, names: Mapping[str, str]) -> lists.Result:
    """Serve a sound under a name that does not tell its class, as the id of a clip may."""
    return replace(row, id=names[row.id], dataset=media.BLIND) if row.id in names else row


def _hidden(rating: Rating) -> list[lists.Column]:
    """Return the lists without anything that says whose they are or what is in them."""
    also = ranking.elsewhere(rating.question.results)
    return [
        lists.Column(tuple(lists.Result(clip, "", also=tuple(a.get(clip, ()))) for clip in ids))
        for ids, a in zip(rating.question.results, also, strict=True)
    ]


def _revealed(workspace: Workspace, test: Test, rating: Rating, c: data.Clips) -> list[lists.Column]:
    q = rating.question
    there = listen.offered(workspace, test.dataset)
    also = ranking.elsewhere(q.results)
    found = []
    for system, ids, a in zip(q.systems, q.results, also, strict=True):
        o = listen.find(there, system)
        try:
            ranked = None if o is None else _ranked(workspace, test, o, q.query)
        except NotRanked:
            ranked = None
        if o is None or ranked is None:
            # What was shown is known, but not its scores any more.
            rows = tuple(lists.result(c, i, test.dataset.name) for i in ids if i in c.row)
            found.append(lists.Column(rows, system.encoder, system.name))
            continue
        judged = ranking.judge(o, c, ranked, q.query.wanted, q.query.value)
        found.append(compare.column(c, test.dataset.name, o, ranked, judged, a, most=len(ids)))
    return found


def _reveal(test: Test, rating: Rating, known: dict[int, Rating]) -> None:
    q = rating.question
    names = [s.encoder for s in q.systems]
    if rating.chosen is None:
        text = "You chose none of them"
    else:
        text = f"You chose **{lists.LETTERS[rating.chosen]}**, which is **{plain(names[rating.chosen])}**"
    if test.control is not None and test.control in q.systems:
        at = q.systems.index(test.control)
        text += f"; {lists.LETTERS[at]} is the untrained control"
    if q.repeat_of is not None and (first := known.get(q.repeat_of)) is not None:
        before = None if first.chosen is None else first.question.systems[first.chosen]
        now = None if rating.chosen is None else q.systems[rating.chosen]
        same = "the same as then" if before == now else "another one than then"
        text += f"; this was question {q.repeat_of + 1} again, and your answer is {same}"
    st.success(f"{text}.", icon=":material/visibility:")


def _next(number: int) -> None:
    st.session_state["listen.asked"] = number + 1


# -- answers ----------------------------------------------------------------------------------------------


def _marked(root: Any, test: Test, listener: str) -> None:
    value = st.session_state[_LISTS].get("marks")
    if isinstance(value, dict):
        _keep_marks(root, test, listener, value)


def _chose(root: Any, test: Test, listener: str, question: int, number: int) -> None:
    value = st.session_state[_LISTS].get("choice")
    # What comes late belongs to a question that is no longer shown.
    if not isinstance(value, dict) or value.get("question") != question:
        return
    _keep_marks(root, test, listener, value)
    try:
        # The answer reveals the systems, also in another window of the same listener: no other one counts.
        open_ratings(root).choose(question, value.get("column"), first=True)
    except RatingsError as error:
        st.session_state["listen-blind-problem"] = str(error)
        return
    st.session_state["listen.asked"] = number + 1


def _keep_marks(root: Any, test: Test, listener: str, value: dict[str, Any]) -> None:
    """Note what differs from what is noted: the browser sends all marks of a question each time.

    A mark that was taken back is None; what is not in a message is left as it is.
    """
    # Messages are numbered; one that was overtaken by a later one holds nothing new.
    number, last = value.get("number"), st.session_state.get("listen-blind-last", (0, 0))
    this = (value.get("question"), number if isinstance(number, int) else 0)
    if this[0] == last[0] and this[1] < last[1]:
        return
    st.session_state["listen-blind-last"] = this
    try:
        ratings = open_ratings(root)
        session = ratings.ratings(session=test.session(listener))
        noted = next((r for r in session if r.id == value.get("question")), None)
        if noted is None or noted.answered is not None:
            return
        wanted = {
            (int(c), int(p)): None if fits is None else bool(fits)
            for key, fits in dict(value.get("marks") or {}).items()
            for c, _, p in [key.partition(",")]
        }
        for place, fits in wanted.items():
            if fits != noted.marks.get(place):
                ratings.mark(noted.id, *place, fits)
    except (RatingsError, ValueError) as error:
        st.session_state["listen-blind-problem"] = str(error)
