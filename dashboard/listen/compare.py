"""Results of up to four systems side by side, to be heard and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from dashboard import data, state
from dashboard.components import results as lists
from dashboard.kit import jobs, layout, numbers, table
from dashboard.kit.form import pick
from dashboard.kit.layout import plain
from dashboard.listen import data as listen
from dashboard.listen import query as queries
from dashboard.listen import ranking, reading
from dashboard.listen.data import NotRanked, Offered, TooLarge
from dashboard.listen.query import Query
from dashboard.listen.ranking import Judged, Ranked
from dashboard.results import has
from jobs.listening.ratings import MOST_COLUMNS
from jobs.specs import Spec
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

_LISTS, _PAGES = "listen-lists", "listen-pages"
_NOT_YET = "The query is not embedded yet."
LOUDNESS = {"equal": "equal", "own": "as recorded"}


def render(workspace: Workspace, view: state.View, dataset: Dataset, systems: dict[str, Offered]) -> None:
    """Draw this part of the page."""
    picked = choose(view, systems)
    query = queries.controls(workspace, view, dataset, [systems[i] for i in picked])
    page = view.number("page", 1, listen.MOST // listen.PAGE, 1)
    equal = view.choice("loudness", list(LOUDNESS), "equal") == "equal"
    layout.notes(view.notes)
    if not picked:
        st.info("Choose at least one system at the left.", icon=":material/info:")
        return
    if query is None:
        return
    found = _ranked(workspace, dataset, [systems[i] for i in picked], query)
    if not any(r for _, r, _ in found):
        for why in dict.fromkeys(why for _, _, why in found if why != _NOT_YET):
            st.info(plain(why), icon=":material/info:")
        _query_alone(query, dataset, equal)
        return
    _lists(view, dataset, query, found, page, equal)
    if len({o.encoder for o in systems.values()}) == 1:
        st.caption(
            f"{plain(dataset.name)} has one space. Embed it with a second model to hear what another one "
            "finds; other ways to search this one are among the systems at the left."
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
            on_change=_first_page,
            placeholder="choose systems",
            help="Up to four, side by side. A name alone is the usual way: the mean over frames, 100 "
            "principal components (all where there are fewer), cosine. Type to find others, "
            "such as “max 200 nns”.",
        )
    return [i for i in picked if i in systems]


def _first_page() -> None:
    st.session_state["listen.page"] = 1


# -- lists ------------------------------------------------------------------------------------------------

Found = tuple[Offered, Ranked | None, str]


def _ranked(workspace: Workspace, dataset: Dataset, systems: Sequence[Offered], query: Query) -> list[Found]:
    """Return each system's list, or why there is none; ask for what is missing and show how far it is."""
    found: list[Found] = []
    wanted: list[Spec] = []
    large: list[Offered] = []
    for o in systems:
        listed, why = None, ""
        try:
            if query.outside:
                upload = uploads.find(workspace.root, query.upload) or ("", "")
                spec = listen.embed_query(o, dataset, upload=upload, text=query.text)
                if has(spec):
                    listed = ranking.ranked_outside(o, dataset, spec)
                else:
                    wanted.append(spec)
                    why = _NOT_YET
            else:
                listed = ranking.ranked(o, dataset, query.clip)
        except TooLarge as error:
            large.append(o)
            why = str(error)
        except NotRanked as error:
            why = str(error)
        found.append((o, listed, why))
    embed(workspace, wanted)
    if large:
        _judge(workspace, dataset, large)
    return found


def embed(workspace: Workspace, wanted: Sequence[Spec]) -> None:
    """Have a query embedded; that it cannot be is said once, whatever the systems."""
    wanted = list(dict.fromkeys(wanted))
    asked = {s: workspace.queue.get(s.key) for s in wanted}
    for spec, job in asked.items():
        if job is None or job.state == "done":
            # Done, but the result is gone: it has been cleared away and is asked for again.
            workspace.queue.submit(spec)
    failed = [j for j in asked.values() if j is not None and j.state in ("failed", "cancelled")]
    if failed:
        for why in dict.fromkeys(j.error or "It was cancelled." for j in failed):
            st.error(plain(why), icon=":material/error:")
        if st.button("Try again", key="listen-retry"):
            for job in failed:
                workspace.queue.retry(job.key)
            st.rerun()
    gone = {j.key for j in failed}
    waiting = [s for s in wanted if s.key not in gone]
    if waiting:
        ends = lambda: any(_ended(workspace, s) for s in waiting)  # noqa: E731
        jobs.pending(workspace, waiting, "listen-query", until=ends)


def _ended(workspace: Workspace, spec: Spec) -> bool:
    job = workspace.queue.get(spec.key)
    return has(spec) or (job is not None and job.state in ("failed", "cancelled"))


def _judge(workspace: Workspace, dataset: Dataset, systems: Sequence[Offered]) -> None:
    specs = [listen.judgements(o, dataset)[0] for o in systems]
    asked = [s for s in specs if (job := workspace.queue.get(s.key)) is not None and job.state != "done"]
    fresh = [s for s in specs if s not in asked]
    if fresh:
        st.write("This dataset is large: lists of these systems are made once, by a job.")
        if st.button("Make the lists", type="primary", icon=":material/play_arrow:"):
            for spec in fresh:
                workspace.queue.submit(spec)
            st.rerun()
    if asked:
        jobs.pending(workspace, asked, "listen-judge")


def _query_alone(query: Query, dataset: Dataset, equal: bool) -> None:
    row = queries.row(query, dataset)
    if row is not None:
        lists.show([], key="listen-query-alone", label="The query", query=row, equal=equal)


def _lists(
    view: state.View, dataset: Dataset, query: Query, found: Sequence[Found], page: int, equal: bool
) -> None:
    c = data.clips(dataset)
    ranked = [r or Ranked([], np.empty(0), 0) for _, r, _ in found]
    judged = [ranking.judge(o, c, r, query.label, query.clip) if r else None for o, r, _ in found]
    longest = max(len(r.ids) for r in ranked)
    pages = max(1, math.ceil(longest / listen.PAGE))
    page = min(page, pages)
    first = (page - 1) * listen.PAGE
    also = ranking.elsewhere([r.ids for r in ranked])
    said = {"class asked for": query.label, "query": query.clip or query.upload or query.text}
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        last = min(first + listen.PAGE, longest)
        st.caption(_facts(c, judged, query, first, last, longest), width="stretch")
        pick(view, "loudness", "Loudness", LOUDNESS)
        table.button(
            "listen-csv",
            f"results-{dataset.name}",
            lambda: ranking.lists_csv(
                c,
                [o for o, r, _ in found if r],
                [r for _, r, _ in found if r],
                [j for (_, r, _), j in zip(found, judged, strict=True) if r],
                said,
            ),
        )
    lists.show(
        [
            column(c, dataset.name, o, r, j, a, first, why=why)
            for (o, _, why), r, j, a in zip(found, ranked, judged, also, strict=True)
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
                pages, default=page, key=f"{_PAGES}-{page}-{pages}", on_change=_paged, args=(page, pages)
            )
    layout.reading(reading.lists(bool(query.label), bool(query.outside)))


def _paged(page: int, pages: int) -> None:
    st.session_state["listen.page"] = st.session_state[f"{_PAGES}-{page}-{pages}"]


def _facts(
    c: data.Clips, judged: Sequence[Judged | None], query: Query, first: int, last: int, longest: int
) -> str:
    parts = [f"{first + 1} to {last} of {numbers.count(longest, 'result')}"]
    if longest < listen.PAGE:
        parts = [f"only {numbers.count(longest, 'other clip' if query.clip else 'clip')} to be found"]
    known = [j for j in judged if j is not None]
    if known and not known[0].findable:
        parts.append(
            f"{plain(query.label)} has no other clip, so nothing that is asked for can be found and there "
            "is no AP"
        )
    elif known:
        others = "other clips" if query.clip else "clips"
        parts.append(f"{known[0].findable:,} {others} of {plain(query.label)} to be found")
    return " · ".join(parts)


def column(
    c: data.Clips,
    dataset: str,
    o: Offered,
    ranked: Ranked,
    judged: Judged | None,
    also: Mapping[str, Sequence[tuple[int, int]]],
    first: int = 0,
    *,
    why: str = "",
    most: int = listen.PAGE,
) -> lists.Column:
    """Return a list with all that there is to say about it."""
    rows = []
    for i in range(first, min(first + most, len(ranked.ids))):
        clip = ranked.ids[i]
        if clip not in c.row:
            continue
        credit, link = listen.credit(c, c.row[clip])
        rows.append(
            lists.result(
                c,
                clip,
                dataset,
                score=score(o, float(ranked.scores[i])),
                fits=None if judged is None else judged.hits[i],
                also=tuple(also.get(clip, ())),
                credit=credit,
                link=link,
            )
        )
    measure = "AP@15 –" if rows else ""
    if judged is not None and math.isfinite(judged.ap):
        hits = sum(judged.hits[: listen.PAGE])
        measure = f"AP@15 {judged.ap:.3f} · {hits} of {min(listen.PAGE, len(ranked.ids))} fit"
    return lists.Column(tuple(rows), o.encoder, o.about, measure, why)


def score(o: Offered, value: float) -> str:
    """Say a score: the distance where the list is by distance."""
    value = -value if o.system.algorithm == "nns" else value
    return (f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}").replace("-", "−")
