"""Which captions name test classes, with examples to read and to hear."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.leakage import leak_report
from dashboard.components import clips as clip_list
from dashboard.kit import chart, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.text import whole
from dashboard.leakage.data import Shown
from dashboard.leaks.data import Search, marked
from dashboard.leaks.figures import leaks_figure
from dashboard.memory import once
from jobs.tasks.contrastive_grid import Result

#: Examples, and words that name a class.
_MOST = 6
_MODES = {"words": "any word of a class’s name, stop words aside", "names": "the whole name of a class"}
_CSS = """<style>
.hs-captions { margin: 0 0 0.4rem; padding-left: 1.1rem; line-height: 1.6; }
.hs-captions mark { background: rgb(255 196 60 / 38%); color: inherit; border-radius: 3px; padding: 0 2px; }
</style>"""


def by_class(result: Result) -> pd.DataFrame:
    """Return the leaks by test class, most first: `core.leakage.leak_report`, and their ``clips``."""
    leaks = result.leaks.to_pandas()
    report = leak_report([], result.test_classes, leaks=leaks, examples=0)
    clips = leaks.groupby("label")["clip_id"].nunique()
    return report.assign(clips=clips.reindex(report["label"], fill_value=0).to_numpy(int))


def examples(result: Result, label: str, most: int) -> pd.DataFrame:
    """Return rows of ``leaks`` that name a class, at most one a clip, taken evenly from all of them."""
    leaks = result.leaks.to_pandas()
    rows = leaks[leaks["label"] == label].drop_duplicates("clip_id").reset_index(drop=True)
    step = (len(rows) - 1) / max(1, min(most, len(rows)) - 1)
    return rows.iloc[[round(i * step) for i in range(min(most, len(rows)))]].reset_index(drop=True)


def show(shown: Shown) -> None:
    """Draw the leaks by class, and examples of one class."""
    result = shown.result
    st.subheader("Which captions leaked", anchor=False)
    if not result.leaks.num_rows:
        st.caption(
            "No caption of a training clip names a test class, so that dirty and clean training are the same."
        )
        return
    report = once(("leakage-leaks", shown.spec.key), lambda: by_class(result))
    name = shown.label or report["label"][0]
    left, right = st.columns([1, 1.15], gap="large")
    with left:
        chart.show(
            leaks_figure(
                report["label"].tolist(),
                report["captions"].tolist(),
                total=result.n_captions,
                things="training captions",
                hover=[
                    f"<b>{whole(row.label)}</b><br>{row.captions:,} captions of {row.clips:,} clips"
                    for row in report.itertuples()
                ],
                chosen=name,
                theme=layout.theme(),
            ),
            key="leakage-leaks",
            file=f"leaks-{shown.file}",
            csv=lambda: result.leaks.to_pandas(),
            chooses="leakage.class",
            caption="click a class for examples",
            alt=f"Captions that name each of {len(report)} test classes",
        )
    with right:
        _examples(shown, report.set_index("label").loc[name])
    kept = (
        f" {numbers.count(result.n_unnamed, 'training clip')} of test classes stay in the clean training, "
        "because no caption of theirs names the class."
        if result.n_unnamed
        else ""
    )
    layout.reading(
        f"A caption leaks that has {_MODES[shown.spec.leaks]}, in any of its forms (section 2.2 of the "
        "paper; the page Leaks searches any captions). In the clean training every clip with such a caption "
        "is left out with all its captions; the training is the same but for that, and for having less "
        f"data.{kept}"
    )
    _labels(result)


def _examples(shown: Shown, report: pd.Series) -> None:
    name = str(report.name)
    captions, clips = numbers.count(report["captions"], "caption"), numbers.count(report["clips"], "clip")
    st.markdown(f"**{plain(name)}** · {captions} of {clips}")
    if not report["captions"]:
        st.caption("No caption of a training clip names it.")
        return
    st.caption(f"named by: {plain(', '.join(word for word, _ in report['matched'][:_MOST]))}")
    rows = examples(shown.result, name, _MOST)
    search = Search(shown.spec.leaks, True, False)
    items = "".join(f"<li>“{marked(caption, [name], search)}”</li>" for caption in rows["caption"])
    st.html(f'{_CSS}<ol class="hs-captions">{items}</ol>')
    clip_list.show(
        shown.clips,
        rows["clip_id"].tolist(),
        key="leakage-leaking",
        dataset=shown.dataset.name,
        label=f"Training clips whose captions name {name}, in the order of the captions above",
    )


def _labels(result: Result) -> None:
    rows = result.label_leaks.to_pylist()
    if not rows:
        return
    n = len({row["label"] for row in rows})
    with st.expander(f"{numbers.count(n, 'class')} left out of clean pre-training"):
        table.show(
            ["class", "names the test class", "by"],
            [[row["label"], row["test_class"], row["matched"]] for row in rows],
        )
