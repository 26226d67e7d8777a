"""What the parts of Retrieval share: what is chosen, and a table with heads in two lines."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import numbers, palette, results, retrieval, ui
from dashboard.data import Clips
from jobs.specs import EmbedAudio, Retrieval, RetrievalGrid, Spec
from jobs.workspace import Dataset, Workspace

_CSS = """
<style>
.hs-found { border-collapse: separate; border-spacing: 0; font-size: 0.88rem;
  font-variant-numeric: tabular-nums; width: 100%; }
.hs-found th, .hs-found td { padding: 0.42rem 0 0.42rem 0.9rem; border: 0; white-space: nowrap;
  text-align: right; vertical-align: top; border-bottom: 1px solid rgb(128 128 128 / 22%); }
.hs-found th { font-weight: 600; font-size: 0.78rem; opacity: 0.78; vertical-align: bottom;
  line-height: 1.25; }
.hs-found .hs-words { text-align: left; white-space: normal; min-width: 6rem; }
.hs-found td.hs-note { font-size: 0.78rem; opacity: 0.8; min-width: 15rem; line-height: 1.3; }
.hs-found :is(td, th):first-child { text-align: left; position: sticky; left: 0; z-index: 1; opacity: 1;
  background: var(--hs-page); padding-left: 0; padding-right: 0.4rem; }
.hs-found td small { display: block; opacity: 0.66; font-size: 0.74rem; }
.hs-found td.hs-best { font-weight: 680; }
.hs-found td.hs-best small { font-weight: 400; }
.hs-found td.hs-unknown { opacity: 0.6; }
.hs-found tr.hs-here td:first-child { font-weight: 680; box-shadow: inset 3px 0 0 currentColor;
  padding-left: 0.6rem; }
</style>
"""


@dataclass(frozen=True)
class Chosen:
    """What the controls at the left say."""

    dataset: Dataset
    clips: Clips
    #: Encoder to space, of those that are done.
    spaces: dict[str, EmbedAudio]
    space: str
    by: str
    measure: str
    count_query: bool

    @property
    def spec(self) -> Retrieval:
        """The result of the chosen space."""
        return self.asked(self.space)

    @property
    def grid(self) -> RetrievalGrid:
        """All systems of the chosen space."""
        return self.grid_of(self.space)

    def asked(self, space: str) -> Retrieval:
        """Return the result of a space."""
        return retrieval.asked(self.dataset, self.spaces[space], self.by, self.count_query)

    def grid_of(self, space: str) -> RetrievalGrid:
        """Return all systems of a space."""
        return retrieval.grid(self.dataset, self.spaces[space], self.by, self.count_query)

    @property
    def done(self) -> list[Retrieval]:
        """The results that are there, a space each."""
        return [s for s in map(self.asked, self.spaces) if results.has(s)]

    @property
    def thing(self) -> str:
        """What relevant results share: "class" or "family"."""
        return retrieval.BY[self.by]

    def title(self, *, of_class: bool = False, apart: str = ", ") -> str:
        """Name the measure with its range and, after `apart`, its direction, for an axis."""
        name = retrieval.MEASURES[self.measure]
        if of_class:
            name = retrieval.NAMES[retrieval.OF_QUERY[self.measure]]
        if self.measure == "mr1":
            return f"{name}, results before the first relevant one{apart}lower is better"
        return f"{name}, 0 to 1{apart}higher is better"

    def file(self, what: str, *parts: str) -> str:
        """Name what is saved."""
        said = [what, self.dataset.name, *parts, "by-family" if self.by == "family" else ""]
        return "-".join(p for p in [*said, "" if self.count_query else "query-not-counted"] if p)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a text, a smaller one below it, and how it looks."""

    text: str
    small: str = ""
    kind: str = ""


def ceiling(chosen: Chosen, sizes: Mapping[str, int]) -> str:
    """Say where a perfect list cannot have 1; "" where it can."""
    if not chosen.count_query or chosen.measure == "mr1":
        return ""
    highest, n = retrieval.ceiling(chosen.spec, sizes, chosen.measure)
    if not n:
        return ""
    cutoff = chosen.measure.partition("@")[2]
    few = sorted(v for v in sizes.values() if 2 <= v <= int(cutoff))
    example = f"{few[0] - 1}/{few[0]}" + ("" if few[0] == few[-1] else f" to {few[-1] - 1}/{few[-1]}")
    return (
        f"The query counts among the clips of its class though it cannot be found, so AP@{cutoff} cannot "
        f"reach 1 in {n:,} {plural(chosen.by, n)} of at most {cutoff} clips (at best {example}): the "
        f"highest MAP@{cutoff} there can be here is {highest:.3f}. The switch at the left leaves the query "
        "out."
    )


def table(
    heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Cell]], *, label: str, here: int | None = None
) -> None:
    """Draw a table whose first column stays in sight.

    Parameters
    ----------
    heads : sequence of (str, str)
        Title, broken at "|", and kind: "" for numbers, "hs-words" for words.
    rows : sequence of sequences of Cell
    label : str
        What it is, for screen readers.
    here : int, optional
        Row that is marked.
    """
    top = "".join(f'<th scope="col" class="{kind}">{_broken(head)}</th>' for head, kind in heads)
    body = []
    for i, row in enumerate(rows):
        cells = []
        for cell, (_, kind) in zip(row, heads, strict=True):
            small = f"<small>{html.escape(cell.small)}</small>" if cell.small else ""
            cells.append(f'<td class="{kind} {cell.kind}">{html.escape(cell.text)}{small}</td>')
        mark = ' class="hs-here"' if i == here else ""
        body.append(f"<tr{mark}>{''.join(cells)}</tr>")
    page = palette.BACKGROUND[ui.theme()]
    st.html(
        f'{_CSS}<div class="hs-scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f'<table class="hs-found" style="--hs-page: {page}"><tr>{top}</tr>{"".join(body)}</table></div>'
    )


def estimate(e: numbers.Estimate, measure: str, *, best: bool = False) -> Cell:
    """Make a cell of a number with its interval."""
    if not e.n:
        return Cell("–")
    text = [retrieval.said(v, measure) for v in (e.value, e.low, e.high)]
    return Cell(text[0], f"{text[1]} to {text[2]}", "hs-best" if best else "")


def download(key: str, file: str, make: Callable[[], bytes], caption: str = " ") -> None:
    """Offer the numbers above as CSV, with a few words beside it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(caption, width="stretch")
        st.download_button(
            "CSV",
            data=make,
            file_name=f"{file}.csv".replace("/", "-").replace(":", "-"),
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key=key,
        )


def compute(workspace: Workspace, missing: Sequence[Spec], label: str, key: str, *, primary: bool) -> None:
    """Offer to compute what is missing, and show what is on its way."""
    jobs = {s: workspace.queue.get(s.key) for s in missing}
    # A job that is done, but whose result is gone, has been cleared away: it is asked for again.
    going = [s for s, job in jobs.items() if job is not None and job.state != "done"]
    fresh = [s for s in missing if s not in going]
    kind = "primary" if primary else "secondary"
    if fresh and st.button(label, type=kind, icon=":material/calculate:", key=f"{key}-compute"):  # type: ignore[arg-type]
        for spec in fresh:
            workspace.queue.submit(spec)
        st.rerun()
    if going:
        waiting = len(going)
        ui.pending(
            workspace,
            going,
            f"{key}-pending",
            # What is there already is shown while the rest is computed.
            until=lambda: sum(not workspace.cache.contains(s.key) for s in going) < waiting,
        )


def plural(by: str, n: int) -> str:
    """Say "class" or "family", or several of them."""
    one, many = ("class", "classes") if by == "label" else ("family", "families")
    return one if n == 1 else many


def _broken(head: str) -> str:
    return "<br>".join(map(html.escape, head.split("|")))
