"""The score table of Separability: every space of the dataset in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from core.statistics import Interval
from dashboard.kit import jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.kit.table import Cell
from dashboard.separability import data as separability
from dashboard.separability.data import Scores
from jobs import datasets, presets
from jobs.tasks.measures import Measure
from jobs.tasks.separability import DIMENSION_K
from jobs.workspace.workspace import Dataset, Space, Workspace

#: Names of folds that are listed.
_NAMES = 12


def _shown(metric: str) -> list[Measure]:
    """Return the measures that have a column where silhouettes are of this metric."""
    mine = f"silhouette_{metric}"
    return [m for m in separability.SCORED if m.column == mine or not m.column.startswith("silhouette_")]


def show(
    workspace: Workspace, dataset: Dataset, spaces: Sequence[Space], chosen: str, metric: str, n_classes: int
) -> list[Scores]:
    """Draw the table, what it waits for, and how to read it; return its rows."""
    done = [s.spec for s in spaces if s.state == "done"]
    rows = [separability.scores(dataset, e) for e in done]
    _table(rows, metric, chosen)
    table.download(
        "separability-scores-csv", f"separability-{dataset.name}", lambda: separability.table(rows)
    )
    _folds(workspace, dataset, rows)
    for sentence in _unseen(rows):
        st.caption(sentence)
    layout.note_trained(done)
    missing = separability.missing(dataset, done, n_classes)
    jobs.compute(workspace, missing, "Compute what is missing", "separability")
    layout.reading(
        "**Silhouette**: how much nearer a clip is to its own class than to the next one, from −1 to 1, in "
        "the mean over clips (Rousseeuw 1987); spaces are compared by it as in Table 2 of Tavares et al., "
        "*On class separability pitfalls in audio-text contrastive zero-shot learning*. Small: 95% intervals "
        "over clips. Bold: the best of its column. A dash: not computed, or not defined. The **four "
        "properties** are read together, so none is bold: where all clips point nearly the same way, all "
        "distances are small, within classes and between them, and a space that separates nothing can "
        "come out lowest in three of the four."
    )
    with st.expander("What the other columns mean"):
        others = [m for m in _shown(metric) if not m.variant and m.name != "silhouette"]
        lines = [f"- **{m.title}**: {m.about}{_direction(m)} ({m.cite})" for m in others]
        layout.reading(
            "\n".join(lines)
            + "\n\nAccuracies are by cross-validation over the dataset's folds, or five drawn "
            "ones, with Wilson's intervals (1927). d is the cosine distance of two clips."
        )
    return rows


def _direction(m: Measure) -> str:
    return f"; {m.better} is better" if m.better else ""


def _folds(workspace: Workspace, dataset: Dataset, rows: Sequence[Scores]) -> None:
    """State whose folds the accuracies are over: of drawn folds, similar clips may be on both sides."""
    whose = {s.baselines.folds for s in rows if s.baselines}
    if "drawn" in whose:
        columns = presets.group_columns(dataset.clips)
        who = plain(columns[0].replace("_", " ")) if columns else "speaker or recording"
        st.info(
            f"Accuracies on unseen clips are over folds **drawn at random**: clips of one {who} may be in "
            "both training and test, and the accuracy of a new one would then be lower.",
            icon=":material/shuffle:",
        )
        if columns and dataset.source is None and "fold" in _options(dataset):
            st.caption(f"To hold out every {who} in turn:")
            words = ("add", dataset.name, "--replace", "-o", f"fold={columns[0]}")
            st.code(layout.command(workspace, *words), language="bash")
    if "dataset" in whose:
        names = list(presets.fold_names(dataset.clips).values())
        listed = ", ".join(map(plain, names[:_NAMES]))
        more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
        st.caption(
            "Accuracies on unseen clips are over the dataset’s own folds, each held out in turn"
            + (f": {listed}{more}." if names else ".")
        )


def _options(dataset: Dataset) -> Mapping[str, str]:
    return datasets.get(dataset.adapter).OPTIONS if dataset.adapter in datasets.names() else {}


def _table(rows: Sequence[Scores], metric: str, chosen: str) -> None:
    columns = _shown(metric)
    k = max((s.baselines.k for s in rows if s.baselines), default=0)
    around = max((s.intrinsic_k for s in rows), default=0) or DIMENSION_K
    heads = [(m.head or m.title).format(k=k or "", around=around).strip() for m in columns]
    best = [separability.best(m, [s.values[m.name].value for s in rows]) for m in columns]
    body = []
    for i, s in enumerate(rows):
        some = f"{s.labelled:,} with a class" if s.labelled < s.n else ""
        cells = [
            Cell(*_text(m, s.values[m.name], s), "hs-best" if i in at else "")
            for m, at in zip(columns, best, strict=True)
        ]
        body.append([Cell(s.space), Cell(f"{s.n:,} × {s.dimensions:,}", some), *cells])
    table.scores(
        [("space", ""), *((_broken(head), "") for head in ("n clips × d dimensions", *heads))],
        body,
        label="Scores of all spaces",
        here=next((i for i, s in enumerate(rows) if s.space == chosen), None),
        groups=[("", 2), *Counter(m.group for m in columns).items()],
    )


def _text(m: Measure, e: Interval, s: Scores) -> tuple[str, str]:
    """Return a number as its measure is written, and the smaller text below it."""
    if not np.isfinite(e.value):
        unseen = m.form == "percent" and s.baselines is not None and s.baselines.unseen
        return "–", "no class in two folds" if unseen else ""
    if m.form == "signed":
        return numbers.signed(e.value), f"{numbers.signed(e.low)} to {numbers.signed(e.high)}"
    if m.form == "percent":
        return f"{e.value:.1%}", f"{100 * e.low:.1f} to {e.high:.1%}"
    places = {"hundredths": 2, "tenths": 1}.get(m.form)
    text = figured(e.value) if places is None else f"{e.value:,.{places}f}"
    return text.replace("-", "−"), ""


def _broken(head: str) -> str:
    """Break a head into two lines at its middle blank."""
    words = head.split(" ")
    cut = min(
        range(1, len(words)),
        key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))),
        default=0,
    )
    return "|".join(filter(None, (" ".join(words[:cut]), " ".join(words[cut:]))))


def _unseen(rows: Sequence[Scores]) -> list[str]:
    """State how many clips no classifier could predict, once for all spaces with the same number."""
    same: dict[tuple[int, bool], list[str]] = {}
    predicted = {s.space: s.baselines for s in rows if s.baselines}
    for space, b in predicted.items():
        if b.unseen:
            same.setdefault((b.unseen, b.unseen == b.n_clips), []).append(space)
    sentences = []
    for (n, all_of_them), spaces in same.items():
        where = "" if len(spaces) == len(predicted) else f" ({', '.join(map(plain, spaces))})"
        if all_of_them:
            sentences.append(
                f"No accuracy on unseen clips{where}: every class is in one fold alone, so that no "
                "classifier has met the class of the clips that it is asked about."
            )
        else:
            are = "clip is" if n == 1 else "clips are"
            they = "it counts as a mistake" if n == 1 else "they count as mistakes"
            sentences.append(f"{n:,} {are} of a class that no other fold has; {they}{where}.")
    return sentences
