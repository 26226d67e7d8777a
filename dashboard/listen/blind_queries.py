"""What a blind test searches with: clips that are drawn, or sounds and texts that somebody brings along."""

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
from dashboard.listen.data import NotRanked, Offered
from dashboard.results import has
from jobs.listening.ratings import Query
from jobs.specs import QUERY_CHARACTERS, QUERY_SECONDS, EmbedQuery
from jobs.workspace import uploads
from jobs.workspace.workspace import Dataset, Workspace

KINDS = {"clip": "clips of the dataset", "upload": "sounds of your own", "text": "texts"}
#: Clips that a test holds at most; after that many questions they come again.
MOST_CLIPS = 200
#: Sounds or texts that somebody may bring along.
MOST_BROUGHT = 20
ANYTHING = "all classes"
_FILES, _TEXTS, _REFUSED = "listen-blind-files", "listen-blind-texts", "listen-blind-refused"


@dataclass(frozen=True)
class Asked:
    """What is asked with; `problem` is why there is nothing yet."""

    queries: list[Query]
    #: Class from which clips are drawn, "" for all; drawn once the other choices are made.
    of: str = ""
    problem: str = ""


def kind(view: state.View) -> str:
    """Draw the choice of what kind of thing is searched with."""
    return form.switch(view, "with", "Search with", KINDS)


def choose(
    workspace: Workspace, view: state.View, dataset: Dataset, kind: str, systems: Sequence[Offered]
) -> Asked:
    """Draw the choice of what is searched with by these systems."""
    c = data.clips(dataset)
    if kind == "clip":
        return _clips(view, c)
    classes = listen.classes(c)
    label = form.select(
        view,
        "wanted",
        "Class asked for",
        {"": "none"} | {name: name for name in classes},
        width=210,
        help="Listeners are told it, and results that carry it are marked once they have answered.",
    )
    brought = view.text("brought", check=lambda v: _kept(workspace, v) is not None)
    values = _values(workspace, brought, kind)
    (_sounds if kind == "upload" else _texts)(workspace, values)
    if not values:
        what = "a sound" if kind == "upload" else "a text"
        return Asked([], problem=f"Bring {what} to search with.")
    return _ready(workspace, dataset, systems, [Query(kind, v, label) for v in values])  # type: ignore[arg-type]


def draw(c: data.Clips, systems: Sequence[Offered], of: str, seed: int) -> list[Query]:
    """Draw clips that all systems have, each class as often as the others."""
    there = set.intersection(*({str(i) for i in ranking.clip_ids(o)} for o in systems))
    random = Random(f"queries\n{seed}")
    turns: list[tuple[int, str, str]] = []
    for name, rows in listen.classes(c).items():
        ids = [str(i) for i in c.ids[rows] if str(i) in there]
        if len(ids) > 1 and of in ("", name):
            random.shuffle(ids)
            turns += [(turn, name, clip) for turn, clip in enumerate(ids)]
    # A clip of several classes is asked for once; every one of its classes has turns of its own.
    found: dict[str, str] = {}
    for _, name, clip in sorted(turns):
        found.setdefault(clip, name)
    return [Query("clip", clip, name) for clip, name in list(found.items())[:MOST_CLIPS]]


def embedding(workspace: Workspace, dataset: Dataset, o: Offered, query: Query) -> EmbedQuery:
    """Return the spec that embeds a query from outside for a system.

    Raises
    ------
    NotRanked
        Where the encoder cannot do it, or the sound is gone.
    """
    if query.kind == "text":
        if not listen.reads_text(o):
            raise NotRanked(f"{o.encoder} embeds no text into the space of its sounds; leave it out.")
        return listen.embed_query(o, dataset, text=query.value)
    found = uploads.find(workspace.root, query.value)
    if found is None:
        raise NotRanked("An uploaded sound of this test is no longer in the workspace; make a new test.")
    return listen.embed_query(o, dataset, upload=found)


def plain(query: Query) -> list[str]:
    """Return a query as it is kept with a test."""
    return list(asdict(query).values())


def kept(values: Sequence[str]) -> Query:
    """Return the query that `plain` gave; tests of earlier versions hold clips only: [clip, class]."""
    return Query("clip", *values) if len(values) == 2 else Query(*values)  # type: ignore[arg-type]


def _clips(view: state.View, c: data.Clips) -> Asked:
    classes = [name for name, rows in listen.classes(c).items() if len(rows) > 1]
    of = form.select(view, "of", "Queries from", [ANYTHING, *classes], width=210)
    why = "No class has two clips, so there is nothing to be found; add more sounds to the dataset."
    return Asked([], "" if of == ANYTHING else of, "" if classes else why)


# -- what is brought along --------------------------------------------------------------------------------


def _kept(workspace: Workspace, name: str) -> dict[str, Any] | None:
    content = state.load_view(workspace.root, name)
    return content if content is not None and content.get("kind") == "queries" else None


def _values(workspace: Workspace, brought: str, kind: str) -> list[str]:
    content = _kept(workspace, brought) if brought else None
    if content is None or content["of"] != kind:
        return []
    values = dict.fromkeys(str(v) for v in content["values"][:MOST_BROUGHT] if v)
    return [v for v in values if kind == "text" or uploads.find(workspace.root, v) is not None]


def _bring(workspace: Workspace, kind: str, values: Sequence[str]) -> None:
    unique = list(dict.fromkeys(v for v in values if v))
    if len(unique) > MOST_BROUGHT:
        st.session_state[_REFUSED] = [f"A test takes the first {MOST_BROUGHT} of these {len(unique):,}."]
    content = {"kind": "queries", "of": kind, "values": unique[:MOST_BROUGHT]}
    st.session_state["listen.brought"] = state.save_view(workspace.root, content) if unique else ""


def _sounds(workspace: Workspace, values: Sequence[str]) -> None:
    st.file_uploader(
        f"Sounds of up to {QUERY_SECONDS:g} s and {uploads.MAX_TEXT} each",
        key=_FILES,
        accept_multiple_files=True,
        max_upload_size=uploads.MAX_BYTES // 2**20,
        on_change=lambda: _taken(workspace),
        width=560,
    )
    for why in st.session_state.get(_REFUSED, []):
        st.error(layout.plain(why), icon=":material/error:")
    if values:
        st.caption(f"{numbers.count(len(values), 'sound')} to search with.")


def _taken(workspace: Workspace) -> None:
    st.session_state[_REFUSED] = refused = []
    names = []
    for file in st.session_state[_FILES] or []:
        try:
            names.append("".join(uploads.save(workspace.root, file.name, file.getvalue())))
        except uploads.UploadError as error:
            refused.append(str(error))
    # What is taken away in the list of files is taken out of the test, too.
    _bring(workspace, "upload", names)
    st.session_state[_REFUSED] += [why for why in refused if why not in st.session_state[_REFUSED]]


def _texts(workspace: Workspace, values: Sequence[str]) -> None:
    st.session_state.setdefault(_TEXTS, "\n".join(values))
    st.text_area(
        "What shall it sound like? A text a line.",
        key=_TEXTS,
        max_chars=MOST_BROUGHT * QUERY_CHARACTERS,
        placeholder="a dog barks twice, far away\nrain on a tin roof",
        on_change=lambda: _bring(workspace, "text", _lines(st.session_state[_TEXTS])),
        width=560,
    )


def _lines(text: str) -> list[str]:
    return [" ".join(line.split())[:QUERY_CHARACTERS] for line in text.splitlines()]


def _ready(workspace: Workspace, dataset: Dataset, systems: Sequence[Offered], queries: list[Query]) -> Asked:
    """Have queries embedded for all systems; those that cannot be are said, and left out."""
    try:
        wanted = {q: [embedding(workspace, dataset, o, q) for o in systems] for q in queries}
    except NotRanked as error:
        return Asked([], problem=str(error))
    missing = [spec for specs in wanted.values() for spec in specs if not has(spec)]
    compare.embed(workspace, missing)
    ready = [q for q, specs in wanted.items() if all(map(has, specs))]
    waiting = [s for s in missing if (job := workspace.queue.get(s.key)) is None or job.active]
    if waiting:
        return Asked(ready, problem=f"{len(ready)} of {len(queries)} are embedded; then the test can begin.")
    return Asked(ready, problem="" if ready else "None of these can be searched with; bring others.")
