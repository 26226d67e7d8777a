"""The queries of a blind test: clips that are drawn, or sounds and texts that somebody adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import streamlit as st

from dashboard import data, state
from dashboard.kit import form, layout, numbers
from dashboard.listen import compare, ranking
from dashboard.listen import data as listen
from dashboard.listen import query as single
from dashboard.listen.data import NotRanked, Offered
from dashboard.results import has
from jobs.listening.ratings import Query, QueryKind
from jobs.specs import QUERY_CHARACTERS, QUERY_SECONDS
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

KINDS = {"clip": "clips of the dataset", "upload": "sounds of your own", "text": "texts"}
#: Clips that a test holds at most; after that many questions they come again.
MOST_CLIPS = 200
#: Sounds or texts that somebody may add.
MOST_ADDED = 20
ANYTHING = "all classes"
_FILES, _TEXTS, _REFUSED = "listen-blind-files", "listen-blind-texts", "listen-blind-refused"


@dataclass(frozen=True)
class Asked:
    """The queries of a test; `problem` is why there are none yet.

    Attributes
    ----------
    queries : list of Query
    of : str
        Class from which clips are drawn, "" for all; drawn once the other choices are made.
    problem : str
    """

    queries: list[Query]
    of: str = ""
    problem: str = ""


def choose(
    workspace: Workspace, view: state.View, dataset: Dataset, kind: QueryKind, systems: Sequence[Offered]
) -> Asked:
    """Draw the choice of what these systems are searched with."""
    c = data.clips(dataset)
    if kind == "clip":
        return _clips(view, c)
    label = single.choose_class(
        view,
        "wanted",
        c,
        "Listeners see it with the question, and results that carry it are marked once they have answered.",
    )
    brought = view.text("brought", check=lambda v: _saved(workspace, v) is not None)
    values = _values(workspace, brought, kind)
    (_sounds if kind == "upload" else _texts)(workspace, values)
    if not values:
        return Asked([], problem=f"Add {'a sound' if kind == 'upload' else 'a text'} to search with.")
    return _ready(workspace, dataset, systems, [Query(kind, v, label) for v in values])


def draw(c: data.Clips, systems: Sequence[Offered], of: str, seed: int) -> list[Query]:
    """Draw clips that all systems have, each class as often as the others."""
    shared = set.intersection(*({str(i) for i in ranking.clip_ids(o)} for o in systems))
    random = Random(f"queries\n{seed}")
    turns: list[tuple[int, str, str]] = []
    for name, rows in listen.classes(c).items():
        ids = [str(i) for i in c.ids[rows] if str(i) in shared]
        if len(ids) > 1 and of in ("", name):
            random.shuffle(ids)
            turns += [(turn, name, clip) for turn, clip in enumerate(ids)]
    # A clip of several classes is asked for once; every one of its classes has turns of its own.
    drawn: dict[str, str] = {}
    for _, name, clip in sorted(turns):
        drawn.setdefault(clip, name)
    return [Query("clip", clip, name) for clip, name in list(drawn.items())[:MOST_CLIPS]]


def plain(query: Query) -> list[str]:
    """Return a query as it is kept with a test."""
    return list(asdict(query).values())


def kept(values: Sequence[str]) -> Query:
    """Return the query that `plain` wrote; tests of earlier versions hold clips only: [clip, class]."""
    return Query("clip", *values) if len(values) == 2 else Query(*values)  # type: ignore[arg-type]


def _clips(view: state.View, c: data.Clips) -> Asked:
    classes = [name for name, rows in listen.classes(c).items() if len(rows) > 1]
    of = form.select(view, "of", "Queries from", [ANYTHING, *classes], width=210)
    why = "No class has two clips, so there is nothing to be found; add more sounds to the dataset."
    return Asked([], "" if of == ANYTHING else of, "" if classes else why)


# -- sounds and texts that are added ----------------------------------------------------------------------


def _saved(workspace: Workspace, name: str) -> dict[str, Any] | None:
    return state.load_view(workspace.root, name, "queries")


def _values(workspace: Workspace, brought: str, kind: str) -> list[str]:
    content = _saved(workspace, brought) if brought else None
    if content is None or content["of"] != kind:
        return []
    values = dict.fromkeys(str(v) for v in content["values"][:MOST_ADDED] if v)
    return [v for v in values if kind == "text" or uploads.find(workspace.root, v) is not None]


def _save(workspace: Workspace, kind: str, values: Sequence[str], problems: Sequence[str] = ()) -> None:
    unique = list(dict.fromkeys(v for v in values if v))
    if len(unique) > MOST_ADDED:
        problems = [f"A test takes the first {MOST_ADDED} of these {len(unique):,}.", *problems]
    st.session_state[_REFUSED] = list(dict.fromkeys(problems))
    content = {"kind": "queries", "of": kind, "values": unique[:MOST_ADDED]}
    st.session_state["listen.brought"] = state.save_view(workspace.root, content) if unique else ""


def _sounds(workspace: Workspace, values: Sequence[str]) -> None:
    def keep() -> None:
        # What is taken away in the list of files is taken out of the test, too.
        _save(workspace, "upload", *single.keep_uploads(workspace, st.session_state[_FILES] or []))

    st.file_uploader(
        f"Sounds of up to {QUERY_SECONDS:g} s and {uploads.MAX_TEXT} each",
        key=_FILES,
        accept_multiple_files=True,
        max_upload_size=uploads.MAX_BYTES // 2**20,
        on_change=keep,
        width=560,
    )
    for why in st.session_state.get(_REFUSED, []):
        st.error(layout.plain(why), icon=":material/error:")
    if values:
        st.caption(f"{numbers.count(len(values), 'sound')} to search with.")


def _texts(workspace: Workspace, values: Sequence[str]) -> None:
    def keep() -> None:
        lines = st.session_state[_TEXTS].splitlines()
        _save(workspace, "text", [" ".join(line.split())[:QUERY_CHARACTERS] for line in lines])

    st.session_state.setdefault(_TEXTS, "\n".join(values))
    st.text_area(
        "What should it sound like? One text per line.",
        key=_TEXTS,
        max_chars=MOST_ADDED * QUERY_CHARACTERS,
        placeholder="a dog barks twice, far away\nrain on a tin roof",
        on_change=keep,
        width=560,
    )


def _ready(workspace: Workspace, dataset: Dataset, systems: Sequence[Offered], queries: list[Query]) -> Asked:
    """Have queries embedded for all systems; those that cannot be are left out, and the page says why."""
    try:
        wanted = {q: [listen.query_spec(workspace, dataset, o, q) for o in systems] for q in queries}
    except NotRanked as error:
        return Asked([], problem=str(error))
    missing = [spec for specs in wanted.values() for spec in specs if not has(spec)]
    compare.compute(workspace, missing)
    ready = [q for q, specs in wanted.items() if all(map(has, specs))]
    if any((job := workspace.queue.get(s.key)) is None or job.active for s in missing):
        return Asked(ready, problem=f"{len(ready)} of {len(queries)} are embedded; then the test can begin.")
    return Asked(ready, problem="" if ready else "None of these can be searched with; add others.")
