"""The results of Leaks: by class, in examples, pair by pair, and the clean list."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard import data, state
from dashboard.components import clips as clip_list
from dashboard.kit import chart, form, layout, numbers, table
from dashboard.leaks import data as leaks
from dashboard.leaks.data import Leaks, Search, Texts
from dashboard.leaks.figures import leaks_figure
from jobs.workspace.workspace import Workspace

#: Bars that are drawn; examples and clips that are shown at once; words that matched a class.
_BARS = 40
_EXAMPLES = 10
_WORDS = 12
#: Pairs of labels that are shown.
_PAIRS = 200
_CHART = "leaks-classes"
_CSS = """
<style>
ul.hs-captions { list-style: none; margin: 0 !important; padding: 0 !important; font-size: 0.95rem; }
ul.hs-captions li { padding: 0.45rem 0 !important; margin: 0 !important; overflow-wrap: anywhere;
  border-bottom: 1px solid rgb(128 128 128 / 22%); }
.hs-captions small { display: block; opacity: 0.66; font-size: 0.76rem; }
.hs-captions mark, .hs-matched mark { background: rgb(232 150 40 / 32%); color: inherit; border-radius: 4px;
  padding: 0.05em 0.22em; }
.hs-matched { display: flex; flex-wrap: wrap; gap: 0.35rem 0.9rem; font-size: 0.88rem; margin: 0; }
.hs-matched span { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 640px) { .hs-captions { font-size: 0.9rem; } }
</style>
"""


def numbers_of(texts: Texts, names: Sequence[str], matches: Leaks) -> None:
    """Draw the counts of the search as a row of numbers."""
    n = len(texts.texts)
    many = f"{texts.thing}s"
    facts = [
        (f"{many} searched", f"{n:,}"),
        (f"{many} that name a class", _part(int(matches.named.sum()), n)),
    ]
    if texts.clips is not None:
        of = {clip for clip, named in zip(texts.clips, matches.named, strict=True) if named}
        facts.append(("clips with such a caption", _part(len(of), len(set(texts.clips)))))
    hit = int((matches.report["captions"] > 0).sum())
    facts.append(("classes named", f"{hit:,} of {len(names):,}"))
    facts.append((f"{many} left", _part(int((~matches.lost).sum()), n)))
    layout.facts(facts)


def by_class(view: state.View, texts: Texts, matches: Leaks, label: str) -> None:
    """Draw how many texts name each class; a click chooses one."""
    report = matches.report[matches.report["captions"] > 0]
    if report.empty:
        st.success(
            f"No {texts.thing} names a class: the list is clean as it is.", icon=":material/check_circle:"
        )
        return
    shown = report.head(_BARS)
    unnamed = len(matches.report) - len(report)
    captions = [f"the {_BARS} named most, of {len(report):,}"] * (len(report) > len(shown))
    captions += [f"{numbers.count(unnamed, 'class')} not named by any"] * bool(unnamed)
    chart.show(
        leaks_figure(
            shown["label"].tolist(),
            shown["captions"].tolist(),
            total=len(texts.texts),
            things=f"{texts.thing}s",
            chosen=label,
            theme=layout.theme(),
        ),
        key=_CHART,
        file=f"leaks-{texts.name}",
        csv=partial(leaks.by_class, matches),
        on_select=partial(_choose_clicked, view),
        caption=" · ".join(captions),
        alt=f"How many {texts.thing}s name each class, the most at the top",
    )


def _choose_clicked(view: state.View) -> None:
    chosen = chart.clicked(_CHART)
    name = chosen[0] if chosen else ""
    view.set("class", str(name[0] if isinstance(name, list) else name))
    view.set("page", 1)


def examples(
    workspace: Workspace, view: state.View, texts: Texts, matches: Leaks, names: Sequence[str], search: Search
) -> None:
    """Draw texts that name one of the classes, the matched words marked, and their clips to hear.

    `names` holds the chosen class alone, or all of them.
    """
    named = matches.report.loc[matches.report["captions"] > 0, "label"].tolist()
    if not named:
        return
    st.html(_CSS)
    label = form.listed(
        "Class",
        {"": "every class"} | {name: name for name in named},
        view.key("class"),
        on_change=lambda: view.set("page", 1),
        help="A click on a bar does the same.",
    )
    _matched_words(matches, label)
    rows = leaks.examples(matches, label)
    pages = -(-len(rows) // _EXAMPLES)
    page = int(view.number("page", 1, pages, 1))
    some = rows[(page - 1) * _EXAMPLES : page * _EXAMPLES]
    items = "".join(
        f"<li>{leaks.marked(texts.texts[i], names, search)}{_clip(texts, i)}</li>" for i in some.tolist()
    )
    st.html(f'<ul class="hs-captions">{items}</ul>')
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        first, last = (page - 1) * _EXAMPLES + 1, min(page * _EXAMPLES, len(rows))
        st.caption(f"{first:,} to {last:,} of {numbers.count(len(rows), texts.thing)}", width="stretch")
        for text, to, off in (("Previous", page - 1, page == 1), ("Next", page + 1, page == pages)):
            st.button(
                text,
                key=f"leaks-{text.lower()}",
                disabled=off,
                type="tertiary",
                on_click=view.set,
                args=("page", to),
            )
    if texts.dataset:
        _hear(workspace, texts, some.tolist())


def _matched_words(matches: Leaks, label: str) -> None:
    """Draw which words the class was matched by."""
    if not label:
        return
    matched = matches.report.set_index("label")["matched"][label]
    words = [f"<span><mark>{html.escape(word)}</mark> {n:,}</span>" for word, n in matched[:_WORDS]]
    more = len(matched) - _WORDS
    words += [f"<span>and {more:,} more</span>"] if more > 0 else []
    st.html(f'<p class="hs-matched">{"".join(words)}</p>')


def _clip(texts: Texts, row: int) -> str:
    return "" if texts.clips is None else f"<small>{html.escape(texts.clips[row])}</small>"


def _hear(workspace: Workspace, texts: Texts, rows: Sequence[int]) -> None:
    """Draw the list of the clips of the captions above."""
    assert texts.clips is not None
    dataset = workspace.dataset(texts.dataset)
    if not dataset.ready:
        return
    ids = list(dict.fromkeys(texts.clips[row] for row in rows))
    with st.expander(f"Hear {numbers.count(len(ids), 'clip')}", icon=":material/hearing:"):
        clip_list.show(
            data.clips(dataset),
            ids,
            key="leaks-clips",
            dataset=dataset.name,
            label="Clips of the captions above",
        )


def pairs(texts: Texts, names: Sequence[str], search: Search) -> None:
    """Draw which labels overlap with which classes, and how."""
    overlap = leaks.overlap(texts, names, search)
    st.subheader("Label by label", anchor=False)
    if overlap.empty:
        st.write("No label overlaps with a class.")
        return
    shown = overlap.head(_PAIRS)
    table.show(
        ["label that is searched", "", "class of the test", "by"],
        [
            [row["a"], leaks.RELATIONS[row["relation"]], row["b"], row["matched"]]
            for row in shown.to_dict("records")
        ],
    )
    total = numbers.count(len(overlap), "pair")
    table.download(
        "leaks-pairs-csv",
        f"label-overlap-{texts.name}",
        lambda: overlap,
        total if len(shown) == len(overlap) else f"the first {_PAIRS} of {total}",
    )


def downloads(texts: Texts, matches: Leaks) -> None:
    """Offer the list without the leaks, and the leaks."""
    st.subheader("Take away", anchor=False)
    left, lost = int((~matches.lost).sum()), int(matches.lost.sum())
    st.write(
        f"The clean list has **{numbers.count(left, texts.thing)}**; "
        f"{numbers.count(lost, texts.thing)} {'is' if lost == 1 else 'are'} taken out." + _whole_rows(texts)
    )
    name = leaks.clean_name(texts)
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Clean list",
            data=partial(leaks.clean, texts, matches),
            file_name=name,
            icon=":material/download:",
            type="primary",
            on_click="ignore",
            key="leaks-clean",
            disabled=not left,
        )
        st.download_button(
            "Leaks, with the words",
            data=partial(leaks.removed, texts, matches),
            file_name=f"{name.rpartition('.')[0].removesuffix('-clean')}-leaks.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="leaks-removed",
            disabled=matches.leaks.empty,
        )


def _whole_rows(texts: Texts) -> str:
    if texts.file is None or len(set(texts.file.row)) == len(texts.file.row):
        return ""
    return " A row of the file goes if one of its captions does."


def _part(n: int, of: int) -> str:
    return f"{n:,} · {n / of:.1%}" if of else f"{n:,}"
