"""The controls of Neighbourhoods: the spaces and things that are compared, and what of that is shown."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import data, results, state
from dashboard.kit import form, jobs, layout, numbers
from dashboard.kit.layout import plain
from dashboard.kit.page import offer, wait_for_sounds
from dashboard.neighbourhoods import data as agreement
from dashboard.neighbourhoods import figures, nearby
from dashboard.neighbourhoods.data import Compared, Pair
from jobs import encoders
from jobs.specs import EmbedAudio, EmbedText, Spec
from jobs.workspace.workspace import Dataset, Workspace

TITLE = "Neighbourhoods"
#: Spaces compared at most, and pairs drawn to begin with.
MOST_SPACES = 8
FIRST_PAIRS = 6
#: Clips or classes that are needed to compare who is near whom.
FEWEST = 3
#: Encoders that are offered where there are too few spaces, the first ones first.
_USUAL = ("melstats", "aisfx", "handcrafted")
OF = {"clips": "clips", "classes": "classes"}
CLASS_VECTORS = {"raw": "as given", "unit": "unit length"}
SELF = {"others": "others only", "self": "with the point itself"}
AXES = {"log": "log", "linear": "linear"}
DEFINITIONS = {"range": "in the range", "literal": "also the paper’s literal definition"}
ORDERS = {"least": "most disagreed", "most": "most agreed"}


@dataclass(frozen=True)
class Choices:
    """The values of the controls at the left."""

    dataset: Dataset
    clips: data.Clips
    of: str
    spaces: list[Compared]
    #: Every two of the spaces, and those of them whose curves are drawn.
    pairs: list[Pair]
    drawn: list[Pair]
    lines: dict[str, figures.Line]

    @property
    def ready(self) -> list[Pair]:
        """Pairs whose result exists."""
        return [p for p in self.pairs if results.has(p.spec)]

    def missing(self) -> list[Spec]:
        """Return what has to be computed before all pairs can be shown."""
        specs: list[Spec] = [p.spec for p in self.pairs]
        specs += [g for p in self.pairs for g in nearby.graphs(p)]
        return [s for s in dict.fromkeys(specs) if not results.has(s)]


@dataclass(frozen=True)
class Options:
    """The values of the controls on the page."""

    measure: str
    with_self: bool
    log: bool
    k: int
    stops: list[int]
    #: Range of k in which the topological similarity is looked for, and the largest k there is.
    low: int
    high: int
    last: int
    literal: bool
    cka: str
    between: Pair
    most: bool
    #: The chosen clip or class, "" for none.
    thing: str


def controls(workspace: Workspace, view: state.View, dataset: Dataset) -> Choices | None:
    """Draw the controls; None where there is nothing to compare, for which the page then gives the reason."""
    of, vectors = _things(view)
    if not dataset.ready:
        _stop(view)
        wait_for_sounds(workspace, view, dataset)
        return None
    available, coming = agreement.compared(workspace, dataset, of)
    if len(available) < 2:
        _stop(view)
        _too_few(workspace, dataset, of, available, coming)
        return None
    c = data.clips(dataset)
    if lacking := _lacking(c, of):
        _stop(view)
        st.info(f"{plain(dataset.name)} has {lacking}", icon=":material/info:")
        return None
    names = [s.name for s in available]
    view.many("space", names, names[:MOST_SPACES], most=MOST_SPACES, least=2)
    with st.sidebar:
        picked = st.multiselect(
            "Spaces",
            names,
            key=view.key("space"),
            max_selections=MOST_SPACES,
            help=f"Every two of them are compared; up to {MOST_SPACES}.",
        )
    spaces = [s for s in available if s.name in picked]
    if len(spaces) < 2:
        _stop(view)
        st.info("Choose at least two spaces at the left to compare them.", icon=":material/info:")
        return None
    pairs = agreement.pairs(dataset, spaces, of, vectors)
    titles = {p.id: p.title for p in pairs}
    with st.sidebar:
        chosen = form.several(
            view,
            "pair",
            "Curves",
            titles,
            agreement.first_pairs(pairs, FIRST_PAIRS),
            placeholder="choose pairs",
            help="The pairs of spaces whose curves are drawn.",
        )
    lines = figures.pair_lines(list(titles))
    return Choices(dataset, c, of, spaces, pairs, [p for p in pairs if p.id in chosen], lines)


def _things(view: state.View) -> tuple[str, str]:
    """Draw the choice of clips or classes, and of the means of classes; return both."""
    with st.sidebar:
        of = form.switch(
            view,
            "of",
            "Compare by",
            OF,
            help="Clips: whether the same clips are near each other. Classes: whether the same classes are, "
            "by the mean of their clips; spaces of texts can then be compared too.",
        )
        vectors = view.choice("vectors", list(CLASS_VECTORS), "raw")
        if of == "classes":
            form.pick(
                view,
                "vectors",
                "Class means of embeddings",
                CLASS_VECTORS,
                help="As given: the mean vector of a class, as the paper and Leakage lab have it. Unit "
                "length: every clip counts the same, however long its vector is.",
            )
    return of, vectors


def _stop(view: state.View) -> None:
    """Begin a page that ends early, with the notes on its link."""
    layout.notes(view.notes)
    st.title(TITLE)


def _lacking(c: data.Clips, of: str) -> str:
    """Return which things are too few to be compared; "" where they are enough."""
    needed = f"; a comparison of neighbours needs at least {FEWEST}."
    if of == "clips":
        return f"{numbers.count(c.n, 'clip')}{needed}" if c.n < FEWEST else ""
    names = agreement.class_names(c)
    if len(names) >= FEWEST:
        return ""
    bare = int((agreement.class_of_clips(c) == "").sum())
    unnamed = f", and {numbers.count(bare, 'clip')} without a class" if bare else ""
    return (
        f"{numbers.count(len(names), 'named class')}{unnamed}{needed} "
        "Compare by clips instead, or import the dataset again with labels."
    )


def _too_few(
    workspace: Workspace,
    dataset: Dataset,
    of: str,
    available: list[Compared],
    coming: list[EmbedAudio | EmbedText],
) -> None:
    name = plain(dataset.name)
    if coming:
        st.write(f"Agreement needs two spaces of **{name}**; its embeddings are being computed.")
        enough = lambda: len(agreement.compared(workspace, dataset, of)[0]) > 1  # noqa: E731
        jobs.pending(workspace, coming, "neighbourhoods-embed", until=enough)
        return
    has = [s.name for s in available if isinstance(s.spec, EmbedAudio)]
    free = [e for e in _USUAL if e not in has and encoders.get(e)[0].available() is None]
    if has:
        st.write(
            f"**{name}** has one space, {plain(has[0])}. Embed it with a second model to see where "
            "the two agree on which clips sound alike."
        )
    else:
        st.write(f"**{name}** has no space of its sounds yet: embed it with at least two models.")
    wanted = free[: 2 - min(len(has), 1)]
    if not wanted:
        return
    offer(workspace, dataset, wanted)
    if of == "classes" and has:
        st.caption("Or compare how the classes sound with what they are called:")
        st.code(
            layout.command(workspace, "embed", dataset.name, "minilm", "--text", "label"), language="bash"
        )


def options(view: state.View, chosen: Choices) -> Options:
    """Return the values of the controls on the page, which are drawn beside what they change."""
    measured = [agreement.measured(p) for p in chosen.ready]
    names = agreement.class_names(chosen.clips)
    n = chosen.clips.n if chosen.of == "clips" else len(names)
    # Before the first result, values in the link are kept as far as they can be right.
    usual, last = agreement.limits_of(measured) if measured else (max(1, n // 5), max(1, n - 1))
    stops = results.stops(last)
    first = min(10, usual)
    measure = view.choice("show", list(agreement.MEASURES), "overlap")
    if measure == "jaccard":
        view.set("self", "others")
    with_self = view.choice("self", list(SELF), "others") == "self"
    low, high = view.number("from", 1, last, 1), view.number("to", 1, last, usual)
    ids = [p.id for p in chosen.pairs]
    between = view.choice("between", ids, next((p.id for p in chosen.drawn), ids[0]))
    known = chosen.clips.row if chosen.of == "clips" else names
    return Options(
        measure=measure,
        with_self=with_self,
        log=view.choice("axis", list(AXES), "log") == "log",
        k=_size(view, stops, max(k for k in stops if k <= first)),
        stops=stops,
        low=min(low, high),
        high=max(low, high),
        last=last,
        literal=view.choice("definition", list(DEFINITIONS), "range") == "literal",
        cka=view.choice("cka", list(agreement.CKA), "linear_debiased"),
        between=next(p for p in chosen.pairs if p.id == between),
        most=view.choice("order", list(ORDERS), "least") == "most",
        thing=view.text("clip" if chosen.of == "clips" else "class", check=lambda v: v in known),
    )


def _size(view: state.View, stops: list[int], usual: int) -> int:
    """Return the chosen k: for any that the curves have, the nearest stop of the slider, the lower of two."""
    k = int(view.number("k", 1, stops[-1], usual))
    nearest = min(stops, key=lambda stop: (abs(stop - k), stop))
    if nearest != k:
        view.notes.append(f"The link's k is {k}, which the slider passes over: the nearest is {nearest}.")
        view.set("k", nearest)
        view.number("k", 1, stops[-1], usual)
    return nearest
