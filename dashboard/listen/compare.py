"""Results of up to four systems side by side, to be played and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import data, state
from dashboard.components import results as lists
from dashboard.kit import form, jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.listen import query as queries
from dashboard.listen import ranking, reading
from dashboard.listen.data import NotComputed, NotRanked, Offered
from dashboard.listen.ranking import Judged, Ranked
from dashboard.results import has
from jobs.listening.ratings import MOST_COLUMNS, Query
from jobs.specs import Retrieval, Spec
from jobs.workspace.workspace import Dataset, Workspace

_LISTS, _PAGES = "listen-lists", "listen-pages"
LOUDNESS = {"equal": "equal", "own": "as recorded"}


def render(workspace: Workspace, view: state.View, dataset: Dataset, systems: dict[str, Offered]) -> None:
    """Draw this part of the page."""
    picked = choose(view, systems)
    query = queries.controls(workspace, view, dataset, [systems[i] for i in picked])
    view.number("page", 1, listen.MOST // listen.PAGE, 1)
    equal = view.choice("loudness", list(LOUDNESS), "equal") == "equal"
    layout.notes(view.notes)
    if not picked:
        st.info("Choose at least one system at the left.", icon=":material/info:")
        return
    if query is None:
        return
    columns = _rank(workspace, dataset, [systems[i] for i in picked], query)
    if not any(x.ranked for x in columns):
        for why in dict.fromkeys(x.why for x in columns if not x.is_coming):
            st.info(plain(why), icon=":material/info:")
        row = queries.row(query, dataset)
        if row is not None:
            lists.show([], key="listen-query-alone", label="The query", query=row, equal=equal)
        return
    _lists(view, dataset, query, columns)
    if len({o.encoder for o in systems.values()}) == 1:
        st.caption(
            f"{plain(dataset.name)} has one space. Embed it with a second model to hear what another one "
            "returns; other ways to search this one are among the systems at the left."
        )


def choose(view: state.View, systems: dict[str, Offered]) -> list[str]:
    """Draw the choice of systems; return their ids."""
    usual = [i for i in systems if "~" not in i]
    first = ([i for i in usual if i != listen.CONTROL] + [listen.CONTROL])[:MOST_COLUMNS]
    view.many("system", list(systems), [i for i in first if i in systems], most=MOST_COLUMNS, least=2)
    with st.sidebar:
        picked = st.multiselect(
            "Systems",
            list(systems),
            format_func=lambda i: systems[i].name if i in systems else i,
            key=view.key("system"),
            max_selections=MOST_COLUMNS,
            on_change=queries.first_page,
            placeholder="choose systems",
            help="Up to four, side by side. A name alone is the usual way: the mean over frames, 100 "
            "principal components (all where there are fewer), cosine. Type to find others, "
            "such as “max 200 nns”.",
        )
    return [i for i in picked if i in systems]


# -- lists ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A system with its list, or why it has none; `is_coming` where a job brings it."""

    system: Offered
    ranked: Ranked | None = None
    why: str = ""
    is_coming: bool = False


def _rank(workspace: Workspace, dataset: Dataset, systems: Sequence[Offered], query: Query) -> list[Shown]:
    """Return each system's list, or why it has none; start and watch the jobs that bring what is missing."""
    columns: list[Shown] = []
    missing: list[Spec] = []
    for o in systems:
        try:
            columns.append(Shown(o, ranking.rank(workspace, dataset, o, query)))
        except NotComputed as error:
            missing += error.specs
            columns.append(Shown(o, why=str(error), is_coming=True))
        except NotRanked as error:
            columns.append(Shown(o, why=str(error)))
    compute(workspace, missing)
    return columns


def compute(workspace: Workspace, missing: Sequence[Spec]) -> None:
    """Start the jobs of missing results and show how far they are; an error is shown once for all systems."""
    specs = list(dict.fromkeys(missing))
    if any(isinstance(spec, Retrieval) for spec in specs):
        st.write("This dataset is large: the lists of these systems are made once, by a job.")
    jobs.submit(workspace, jobs.unasked(workspace, specs)[0])
    by_spec = {spec: job for spec in specs if (job := workspace.queue.get(spec.key)) is not None}
    failed = [job for job in by_spec.values() if job.state in ("failed", "cancelled")]
    if failed:
        for why in dict.fromkeys(job.error or "It was cancelled." for job in failed):
            st.error(plain(why), icon=":material/error:")
        if st.button("Try again", key="listen-retry"):
            for job in failed:
                workspace.queue.retry(job.key)
            st.rerun()
    waiting = [spec for spec, job in by_spec.items() if job not in failed]

    def has_ended(spec: Spec) -> bool:
        job = workspace.queue.get(spec.key)
        return has(spec) or (job is not None and job.state in ("failed", "cancelled"))

    if waiting:
        jobs.pending(workspace, waiting, "listen-query", until=lambda: any(map(has_ended, waiting)))


def _lists(view: state.View, dataset: Dataset, query: Query, columns: Sequence[Shown]) -> None:
    c = data.clips(dataset)
    known = [(x.system, x.ranked) for x in columns if x.ranked]
    clip = query.value if query.kind == "clip" else ""
    judged = {o.id: ranking.judge(o, c, r, query.wanted, clip) for o, r in known}
    longest = max(len(r.ids) for _, r in known)
    pages = max(1, math.ceil(longest / listen.PAGE))
    page = min(int(st.session_state[view.key("page")]), pages)
    first = (page - 1) * listen.PAGE
    last = min(first + listen.PAGE, longest)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.caption(_summary(list(judged.values()), query, (first, last, longest)), width="stretch")
        equal = form.pick(view, "loudness", "Loudness", LOUDNESS) == "equal"
        table.button(
            "listen-csv",
            f"results-{dataset.name}",
            lambda: ranking.lists_csv(
                c,
                [o for o, _ in known],
                [r for _, r in known],
                [judged[o.id] for o, _ in known],
                {"class asked for": query.wanted, "query": query.value},
            ),
        )
    empty, places = Ranked([], np.empty(0)), range(first, last)
    also = ranking.elsewhere([(x.ranked or empty).ids for x in columns])
    lists.show(
        [
            column(dataset, x.system, x.ranked or empty, judged.get(x.system.id), a, places, x.why)
            for x, a in zip(columns, also, strict=True)
        ],
        key=_LISTS,
        label="Results of the systems, side by side",
        query=queries.row(query, dataset),
        first=first + 1,
        equal=equal,
    )
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            # The widget must have a default, so it cannot be the control that the URL fills in.
            st.pagination(
                pages, default=page, key=f"{_PAGES}-{page}-{pages}", on_change=_turn, args=(page, pages)
            )
    layout.reading(reading.lists(bool(query.wanted), query.kind != "clip"))


def _turn(page: int, pages: int) -> None:
    st.session_state["listen.page"] = st.session_state[f"{_PAGES}-{page}-{pages}"]


def _summary(judged: Sequence[Judged | None], query: Query, shown: tuple[int, int, int]) -> str:
    """Say which results are shown, and how many clips carry the class asked for."""
    first, last, longest = shown
    is_clip = query.kind == "clip"
    parts = [f"{first + 1} to {last} of {numbers.count(longest, 'result')}"]
    if longest < listen.PAGE:
        parts = [f"only {numbers.count(longest, 'other clip' if is_clip else 'clip')} to be found"]
    known = [j for j in judged if j is not None]
    if known and not known[0].findable:
        parts.append(
            f"{plain(query.wanted)} has no other clip, so nothing that is asked for can be found and there "
            "is no AP"
        )
    elif known:
        others = "other clips" if is_clip else "clips"
        parts.append(f"{known[0].findable:,} {others} of {plain(query.wanted)} to be found")
    return " · ".join(parts)


def column(
    dataset: Dataset,
    o: Offered,
    ranked: Ranked,
    judged: Judged | None,
    also: Mapping[str, Sequence[tuple[int, int]]],
    places: range,
    why: str = "",
) -> lists.Column:
    """Return the part of a list at these places with all that is known of it; `why` says why it is empty."""
    c = data.clips(dataset)
    rows = []
    for i, clip in enumerate(ranked.ids):
        if i not in places or clip not in c.row:
            continue
        credit, link = listen.credit(c, c.row[clip])
        rows.append(
            lists.result(
                c,
                clip,
                dataset.name,
                score=score(o, float(ranked.scores[i])),
                fits=None if judged is None else judged.hits[i],
                also=tuple(also.get(clip, ())),
                credit=credit,
                link=link,
            )
        )
    measure = _measure(judged, len(ranked.ids)) if rows else ""
    return lists.Column(tuple(rows), o.encoder, o.about, measure, why)


def _measure(judged: Judged | None, n: int) -> str:
    if judged is None:
        return "no class asked for, so no AP@15"
    if not math.isfinite(judged.ap):
        return "no clip of the class to be found, so no AP@15"
    return f"AP@15 {judged.ap:.3f} · {sum(judged.hits[: listen.PAGE])} of {min(listen.PAGE, n)} fit"


def score(o: Offered, value: float) -> str:
    """Write a score: the distance where the list is by distance."""
    value = -value if o.system.algorithm == "nns" else value
    return (f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}").replace("-", "−")
