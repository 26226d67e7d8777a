"""Small pieces that every page uses: the style sheet, notes under figures, names without Markdown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Workspace

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
/* Shadows at the edges behind which a table goes on; what scrolls along covers them where it ends. */
.hs-scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--hs-page), transparent) 0 0 / 2rem 100% no-repeat local,
  linear-gradient(to left, var(--hs-page), transparent) 100% 0 / 2rem 100% no-repeat local,
  linear-gradient(to right, rgb(128 128 128 / 45%), transparent) 0 0 / 0.7rem 100% no-repeat scroll,
  linear-gradient(to left, rgb(128 128 128 / 45%), transparent) 100% 0 / 0.7rem 100% no-repeat scroll; }
.hs-scores { border-collapse: separate; border-spacing: 0; font-size: 0.88rem;
  font-variant-numeric: tabular-nums; width: 100%; }
.hs-scores th, .hs-scores td { padding: 0.42rem 0 0.42rem 0.7rem; border: 0; white-space: nowrap;
  text-align: right; vertical-align: top; }
/* At the top: at the bottom the background of the sticky cell below would cover it. */
.hs-scores td { border-top: 1px solid rgb(128 128 128 / 22%); }
.hs-scores tr:last-child td { border-bottom: 1px solid rgb(128 128 128 / 22%); }
.hs-scores.hs-wide th, .hs-scores.hs-wide td { padding-left: 0.9rem; }
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
/* Where points can be clicked, a finger scrolls the page instead: a list offers the same choice. */
@media (hover: none) {
  [class*="-pick"] .nsewdrag { pointer-events: none !important; }
  [data-testid="stPlotlyChart"] .modebar-container { display: none; }
}
/* All pages fit beside each other without their icons; what does not fit would hide behind "more". */
[data-testid="stTopNavLink"] { padding-left: 0.4rem; padding-right: 0.4rem; }
[data-testid="stTopNavLink"] > span:has([data-testid="stIconMaterial"]) { display: none; }
[data-testid="stTopNavLink"] :is(span, div, p) { font-size: 0.8125rem; }
/* On a phone the header has no room for the pages: they are a row in it that scrolls. */
@media (max-width: 767px) {
  .st-key-hs-nav { display: flex; position: fixed; top: 0.85rem; left: 3.6rem; z-index: 999991; width: auto;
    flex-wrap: nowrap; gap: 0.1rem;
    max-width: calc(100vw - 3.6rem); overflow-x: auto; scrollbar-width: none; }
  .st-key-hs-nav a { min-height: 2.5rem; }
}
@media (max-width: 640px) {
  /* Names beside a figure leave it room. */
  [data-testid="stPlotlyChart"] :is(.xtick, .ytick) text { font-size: 11px !important; }
  [data-testid="stPlotlyChart"] :is(.xtitle, .ytitle, .legendtext) { font-size: 11.5px !important; }
  .hs-facts small { font-size: 0.74rem; }
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
    """Explain under a figure how to read it, with its paper. `text` is Markdown."""
    st.markdown(f'<div class="hs-reading">\n\n{text}\n\n</div>', unsafe_allow_html=True)


def note_trained(spaces: Iterable[EmbedAudio]) -> None:
    """Warn of spaces that were trained on the clips that they are measured on."""
    if any(space.source is not None for space in spaces):
        st.caption(
            "Spaces called trained:… have learned from most of these clips, so numbers over all clips "
            "flatter them. Losses and Leakage lab evaluate their models on held-out clips."
        )


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Show a row of small facts: name and value."""
    cells = "".join(f"<div><small>{html.escape(n)}</small><b>{html.escape(v)}</b></div>" for n, v in pairs)
    st.html(f'<div class="hs-facts">{cells}</div>')


def theme() -> str:
    """Return "light" or "dark", as the page is shown."""
    return "dark" if st.context.theme.type == "dark" else "light"


def notes(texts: Sequence[str]) -> None:
    """Show calm notes, such as what in a link could not be used: as text, whatever the link holds."""
    for text in texts:
        st.info(_unlinked(plain(text)), icon=":material/link:")


def _unlinked(text: str) -> str:
    """Keep addresses from becoming links, which escapes cannot: a word joiner is not seen and parts them."""
    for part in ("/", "www", "@"):
        text = text.replace(part, f"{part}\u2060")
    return text


def damaged(sentences: Sequence[str]) -> None:
    """Warn of what in the workspace is damaged or cannot be read."""
    for sentence in sentences:
        st.warning(plain(sentence), icon=":material/broken_image:")


def command(workspace: Workspace, *words: str) -> str:
    """Return a command of the shell for this workspace, which is named where it is not the usual one."""
    import shlex

    where = [] if Workspace.open(None).root == workspace.root else ["--workspace", str(workspace.root)]
    return shlex.join(["hearspace", *words, *where])


def plain(text: str) -> str:
    """Keep names of files and classes from being read as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-!|<>$~:" else c for c in text)


def go(page: str, query: Mapping[str, str | Sequence[str]]) -> None:
    """Show another page with these values in its URL; others are carried over from this one.

    Several values of one name are repeated in the URL.
    """
    from dashboard import pages

    target = next(p for p in pages.pages() if p.url_path == page)
    st.session_state["arrived"] = page
    st.switch_page(target, query_params=query)


def wide(key: str, columns: int, *, beside: int = 110, column: int = 20) -> None:
    """Keep the columns of a chart as wide as their numbers; a narrow window scrolls it sideways.

    Parameters
    ----------
    key : str
        Of the chart.
    columns : int
    beside, column : int
        Pixels of the names beside the columns, and of a column.
    """
    style = f""".st-key-{key} [data-testid="stElementContainer"]:has(.stPlotlyChart) {{ overflow-x: auto; }}
.st-key-{key} :is(.stPlotlyChart, [data-testid="stFullScreenFrame"]) {{
  min-width: {beside + column * columns}px; }}"""
    st.html(f"<style>{style}</style>")
