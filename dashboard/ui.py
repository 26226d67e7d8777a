"""Small pieces that every page uses: spacing, notes under figures, jobs in progress."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from dashboard import numbers, palette
from jobs.engine.queue import Job
from jobs.specs import EmbedAudio, Spec, closure
from jobs.workspace.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_Spec = TypeVar("_Spec", bound=Spec)

_CSS = """
[data-testid="stMainBlockContainer"] { padding: 4.2rem 2rem 5rem; max-width: 1500px; }
[data-testid="stSidebarUserContent"] { padding-bottom: 3rem; }
[data-testid="stSidebarHeader"] { height: 2.6rem; min-height: 0; }
h1 { letter-spacing: -0.015em; }
.hs-reading { font-size: 0.87rem; line-height: 1.5; opacity: 0.82; max-width: 78ch; margin: 0.2rem 0 0.6rem; }
.hs-reading a { color: inherit; }
.hs-facts { display: flex; flex-wrap: wrap; gap: 0.4rem 1.8rem; margin: 0.1rem 0 0.5rem; }
.hs-facts div { display: flex; flex-direction: column; line-height: 1.25; }
.hs-facts small { opacity: 0.7; font-size: 0.78rem; }
.hs-facts b { font-size: 1.12rem; font-weight: 620; font-variant-numeric: tabular-nums; }
.hs-table { border-collapse: collapse; min-width: min(100%, 46rem);
  font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.hs-table th { text-align: left; font-weight: 600; opacity: 0.75; font-size: 0.8rem; }
.hs-table th, .hs-table td { padding: 0.38rem 2.4rem 0.38rem 0; border: 0; white-space: nowrap;
  border-bottom: 1px solid rgb(128 128 128 / 22%); }
[class*="st-key-done-"] { flex-wrap: nowrap; }
.hs-scroll { overflow-x: auto; }
.hs-scores { border-collapse: separate; border-spacing: 0; font-size: 0.88rem;
  font-variant-numeric: tabular-nums; width: 100%; }
.hs-scores th, .hs-scores td { padding: 0.42rem 0 0.42rem 0.7rem; border: 0; white-space: nowrap;
  text-align: right; vertical-align: top; }
/* At the top: at the bottom the background of the sticky cell below would cover it. */
.hs-scores td { border-top: 1px solid rgb(128 128 128 / 22%); }
.hs-scores tr:last-child td { border-bottom: 1px solid rgb(128 128 128 / 22%); }
.hs-scores.hs-found th, .hs-scores.hs-found td { padding-left: 0.9rem; }
.hs-scores th { font-weight: 600; font-size: 0.78rem; opacity: 0.78; vertical-align: bottom;
  line-height: 1.25; }
.hs-scores tr.hs-groups th { padding-bottom: 0.1rem; font-weight: 500; opacity: 0.66;
  text-align: center; }
.hs-scores .hs-words { text-align: left; white-space: normal; min-width: 6rem; }
.hs-scores :is(td, th):first-child { text-align: left; position: sticky; left: 0; z-index: 1; opacity: 1;
  background: var(--hs-page); padding-left: 0; padding-right: 0.4rem; }
.hs-scores td small { display: block; opacity: 0.66; font-size: 0.74rem; }
.hs-scores td.hs-best { font-weight: 680; }
.hs-scores td.hs-best small { font-weight: 400; }
.hs-scores td.hs-unknown { opacity: 0.6; }
.hs-scores tr.hs-here td:first-child { font-weight: 680; box-shadow: inset 3px 0 0 currentColor;
  padding-left: 0.6rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-hs-nav) { position: absolute; }
.st-key-hs-nav { display: none; }
/* A figure's text follows the page at once when the system turns dark; its colours do with the next run. */
[data-testid="stPlotlyChart"] :is(.xtick, .ytick, .legend, .annotation, .cbaxis, .infolayer) text {
  fill: currentColor !important; fill-opacity: 0.82; }
/* Where points can be clicked, a finger scrolls the page instead; a choice in words does the same. */
@media (hover: none) {
  [class*="-pick"] .nsewdrag { pointer-events: none !important; }
  [data-testid="stPlotlyChart"] .modebar-container { display: none; }
}
/* All pages fit beside each other without their icons; what does not fit would hide behind "more". */
[data-testid="stTopNavLink"] { padding-left: 0.4rem; padding-right: 0.4rem; }
[data-testid="stTopNavLink"] > span:has([data-testid="stIconMaterial"]) { display: none; }
[data-testid="stTopNavLink"] :is(span, div, p) { font-size: 0.8125rem; }
/* Where the header has no room for the pages, they stand in it all the same. */
@media (max-width: 767px) {
  .st-key-hs-nav { display: flex; position: fixed; top: 0.85rem; left: 3.6rem; z-index: 999991; width: auto;
    flex-wrap: nowrap; gap: 0.1rem;
    max-width: calc(100vw - 3.6rem); overflow-x: auto; scrollbar-width: none; }
  .st-key-hs-nav a { min-height: 2.5rem; }
}
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 4rem 0.9rem 5rem; }
  h1 { font-size: 1.4rem !important; }
  .hs-table th, .hs-table td { white-space: normal; padding-right: 0.8rem; vertical-align: top; }
  .hs-scores { font-size: 0.82rem; }
  .hs-scores th, .hs-scores td:first-child { white-space: normal; }
  .hs-scores td:first-child { overflow-wrap: anywhere; min-width: 6.5rem; }
  .hs-scores th, .hs-scores td { padding-left: 0.5rem; }
}
"""


def style() -> None:
    """Put the page's own style sheet in place."""
    st.html(f"<style>{_CSS}</style>")


def reading(text: str) -> None:
    """Say under a figure how to read it, with its paper. `text` is Markdown."""
    st.markdown(f'<div class="hs-reading">\n\n{text}\n\n</div>', unsafe_allow_html=True)


def flattered(spaces: Iterable[EmbedAudio]) -> None:
    """Say where spaces have learned from the clips that they are measured on."""
    if any(space.source is not None for space in spaces):
        st.caption(
            "Spaces called trained:… have learned from most of these clips, "
            "so numbers over all clips flatter them. Losses and Leakage lab judge their models by clips "
            "that these had not heard."
        )


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Show a row of small facts: name and value."""
    cells = "".join(f"<div><small>{html.escape(n)}</small><b>{html.escape(v)}</b></div>" for n, v in pairs)
    st.html(f'<div class="hs-facts">{cells}</div>')


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a quiet table of texts."""
    top = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    st.html(f'<div class="hs-scroll"><table class="hs-table"><tr>{top}</tr>{body}</table></div>')


@dataclass(frozen=True)
class Cell:
    """A cell of a table of scores: a text, a smaller one below it, and how it looks."""

    text: str
    small: str = ""
    kind: str = ""


def scores(
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Cell]],
    *,
    label: str,
    here: int | None = None,
    groups: Sequence[tuple[str, int]] = (),
    kind: str = "",
) -> None:
    """Draw a table of numbers whose first column stays in sight.

    Parameters
    ----------
    heads : sequence of (str, str)
        Title, broken at "|", and kind: "" for numbers, "hs-words" for words.
    rows : sequence of sequences of Cell
    label : str
        What it is, for screen readers.
    here : int, optional
        Row that is marked.
    groups : sequence of (str, int)
        Titles above those of the columns, and how many columns each is of; "" for none.
    kind : str
        "hs-found" gives the columns more room.
    """
    above = "".join(
        f'<th colspan="{n}" scope="colgroup">{html.escape(g)}</th>' if g else f'<th colspan="{n}"></th>'
        for g, n in groups
    )
    top = "".join(
        f'<th scope="col"{_class(how)}>{"<br>".join(map(html.escape, head.split("|")))}</th>'
        for head, how in heads
    )
    body = []
    for i, row in enumerate(rows):
        cells = []
        for cell, (_, how) in zip(row, heads, strict=True):
            small = f"<small>{html.escape(cell.small)}</small>" if cell.small else ""
            cells.append(f"<td{_class(how, cell.kind)}>{html.escape(cell.text)}{small}</td>")
        body.append(f"<tr{_class('hs-here' if i == here else '')}>{''.join(cells)}</tr>")
    page = palette.BACKGROUND[theme()]
    st.html(
        f'<div class="hs-scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f'<table{_class("hs-scores", kind)} style="--hs-page: {page}">'
        + (f'<tr class="hs-groups">{above}</tr>' if groups else "")
        + f"<tr>{top}</tr>{''.join(body)}</table></div>"
    )


def _class(*names: str) -> str:
    there = " ".join(filter(None, names))
    return f' class="{there}"' if there else ""


def theme() -> str:
    """Return "light" or "dark", as the page is shown."""
    return "dark" if st.context.theme.type == "dark" else "light"


def chart(
    figure: Figure,
    *,
    key: str,
    file: str,
    csv: Callable[[], bytes] | None = None,
    on_select: Callable[[], None] | None = None,
    caption: str = "",
    alt: str = "",
) -> None:
    """Show a figure with the look of all figures; its camera saves a PNG at twice the size.

    Parameters
    ----------
    figure : Figure
        From `dashboard.figures`, drawn for `theme()`. The look fills in what it leaves open.
    key : str
        Of the chart; it is the page's own as well: ``.st-key-<key>`` holds chart and download.
    file : str
        Name, without ending, of what is saved; it should carry dataset and space.
    csv : callable, optional
        Returns the numbers of the figure as bytes, when asked for.
    on_select : callable, optional
        Called when a point is clicked; `clicked(key)` then says which. Where there is no mouse nothing is
        called, so that the page can be scrolled: offer the same choice in words.
    caption : str
        Short words below the figure, Markdown.
    alt : str
        What the figure shows, for screen readers.
    """
    from dashboard.figures.look import dressed

    name = re.sub(r"[^\w.-]+", "-", file).strip("-") or "figure"
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "png", "filename": name, "scale": 2},
        "modeBarButtonsToRemove": ["autoScale2d"],
    }
    with st.container(key=key, gap="small"):
        shown: dict[str, Any] = {"key": f"{key}-plot", "config": config, "alt": alt or None}
        if on_select is not None:
            shown |= {"key": f"{key}-pick", "on_select": on_select, "selection_mode": "points"}
        st.plotly_chart(dressed(figure, theme()), **shown)
        if caption or csv is not None:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(caption or " ", width="stretch")
                if csv is not None:
                    st.download_button(
                        "CSV",
                        data=csv,
                        file_name=f"{name}.csv",
                        mime="text/csv",
                        icon=":material/download:",
                        type="tertiary",
                        on_click="ignore",
                        key=f"{key}-csv",
                    )


def clicked(key: str) -> list[Any]:
    """Return the ``customdata`` of the points that were clicked in a chart, [] where a click undid one."""
    state = st.session_state.get(f"{key}-pick")
    points = state["selection"]["points"] if state else []
    return [p["customdata"] for p in points if "customdata" in p]


def notes(texts: Sequence[str]) -> None:
    """Show calm notes, such as what in a link could not be used: as text, whatever the link holds."""
    for text in texts:
        st.info(_unlinked(plain(text)), icon=":material/link:")


def _unlinked(text: str) -> str:
    """Keep addresses from becoming links, which escapes cannot: a word joiner is not seen and parts them."""
    for part in ("/", "www", "@"):
        text = text.replace(part, f"{part}\u2060")
    return text


def progress_text(job: Job) -> tuple[float, str]:
    """Return how far a job is, from 0 to 1, and the words beside its bar."""
    if job.state == "queued":
        return 0.0, "waiting"
    if job.progress is None:
        return 0.0, "starting"
    done, total, note = job.progress
    share = min(1.0, max(0.0, done / total)) if total else 0.0
    parts = [note or "running", f"{share:.0%}"]
    if job.eta_s is not None:
        left = numbers.duration(job.eta_s)
        parts.append("nearly done" if job.eta_s < 1 else f"about {left} left")
    return share, " · ".join(parts)


def job_bar(job: Job) -> None:
    """Show a job as a bar with words."""
    share, text = progress_text(job)
    st.progress(share, text=f"{plain(job.title)} · {text}")


def no_worker(workspace: Workspace) -> None:
    """Say how to start the worker, if there is none."""
    if not workspace.queue.worker_alive():
        st.warning(
            "No worker is running, so jobs wait. Start one in a terminal:", icon=":material/engineering:"
        )
        st.code(command(workspace, "worker"), language="bash")


def damaged(sentences: Sequence[str]) -> None:
    """Say what in the workspace is damaged or may not be read."""
    for sentence in sentences:
        st.warning(plain(sentence), icon=":material/broken_image:")


def command(workspace: Workspace, *words: str) -> str:
    """Write a command of the shell for this workspace, which is named where it is not the usual one."""
    import shlex

    where = [] if Workspace.open(None).root == workspace.root else ["--workspace", str(workspace.root)]
    return shlex.join(["hearspace", *words, *where])


def standing(workspace: Workspace, spec: Spec) -> list[Job]:
    """Return the jobs that a missing result still waits for, inputs first."""
    found = [workspace.queue.get(s.key) for s in closure(spec) if not workspace.cache.contains(s.key)]
    return [job for job in found if job is not None]


def pending(
    workspace: Workspace, specs: Sequence[Spec], key: str, *, until: Callable[[], bool] = lambda: False
) -> None:
    """Show what the missing results wait for, and draw the page anew when they are there, or `until` says."""

    @st.fragment(run_every=1.0, key=key)
    def watch() -> None:
        missing = [s for s in specs if not workspace.cache.contains(s.key)]
        if not missing or until():
            st.rerun(scope="app")
        no_worker(workspace)
        jobs = list({job.key: job for spec in missing for job in standing(workspace, spec)}.values())
        for job in jobs:
            if job.state in ("failed", "cancelled"):
                left, right = st.columns([5, 1], vertical_alignment="center")
                why = job.error or "It was cancelled."
                left.error(f"{plain(job.title)}: {plain(why)}", icon=":material/error:")
                if right.button("Try again", key=f"retry-{key}-{job.key}"):
                    workspace.queue.retry(job.key)
                    st.rerun(scope="fragment")
        active = [job for job in jobs if job.active]
        shown = [job for job in active if job.state == "running"] or active[:1]
        for job in shown:
            job_bar(job)
        if len(active) > len(shown):
            waiting = len(active) - len(shown)
            st.caption(f"{numbers.count(waiting, 'more job')} {'waits' if waiting == 1 else 'wait'}.")

    watch()


def unasked(workspace: Workspace, missing: Sequence[_Spec]) -> tuple[list[_Spec], list[_Spec]]:
    """Part what is missing into what has to be asked for and what is on its way or has failed."""
    jobs = {s: workspace.queue.get(s.key) for s in missing}
    # A job that is done, but whose result is gone, has been cleared away: it is asked for again.
    going = [s for s, job in jobs.items() if job is not None and job.state != "done"]
    return [s for s in missing if s not in going], going


def compute(
    workspace: Workspace,
    missing: Sequence[Spec],
    label: str,
    key: str,
    *,
    primary: bool = True,
    said: str = "",
    each: bool = True,
) -> None:
    """Offer to compute what is missing, and show what is on its way.

    Parameters
    ----------
    workspace : Workspace
    missing : sequence of Spec
    label : str
        Of the button.
    key : str
        Of what is drawn; the button's is ``<key>-compute``.
    primary : bool
        Whether the button stands out.
    said : str
        Words above the button, Markdown.
    each : bool
        Whether the page is drawn anew with each result that comes, and not only with the last.
    """
    fresh, going = unasked(workspace, missing)
    if fresh:
        if said:
            st.write(said)
        kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
        if st.button(label, type=kind, icon=":material/calculate:", key=f"{key}-compute"):
            for spec in fresh:
                workspace.queue.submit(spec)
            st.rerun()
    if going:
        waiting = len(going)
        pending(
            workspace,
            going,
            f"{key}-pending",
            until=lambda: each and sum(not workspace.cache.contains(s.key) for s in going) < waiting,
        )


def plain(text: str) -> str:
    """Keep names of files and classes from being read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-!|<>$~:" else c for c in text)


def go(page: str, query: Mapping[str, str | Sequence[str]]) -> None:
    """Show another page with these values in its URL, and of what this one is of where they do not say.

    Several values of one name are repeated in the URL.
    """
    from dashboard import pages

    target = next(p for p in pages.pages() if p.url_path == page)
    st.session_state["arrived"] = page
    st.switch_page(target, query_params=query)
