"""The score table of Separability: every space of the dataset in a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.kit import jobs, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.kit.table import Cell
from dashboard.separability import data as separability
from dashboard.separability.data import Scores
from jobs import datasets
from jobs import presets as measures
from jobs.tasks.separability import DIMENSION_K
from jobs.workspace.workspace import Dataset, Space, Workspace

_COLUMNS = (
    "**Accuracy**: what a vote of the nearest clips and a linear classifier say of clips that they have not "
    "seen, by cross-validation over the dataset's folds, or five drawn ones. Intervals are Wilson's "
    "(1927).\n\n"
    "**Four properties** of the cosine distances between clips: lower is better in all four (Almudévar et "
    "al., *Angular distance distribution loss for audio classification*, section 3.2).\n\n"
    "**Hubness**: skewness of how often a clip is among the ten nearest of others; above 0 a few clips are "
    "in everyone's neighbourhood (Radovanović et al. 2010, *JMLR* 11).\n\n"
    "**Intrinsic dimension**: the number of directions there are around a clip, from the distances to its "
    f"{DIMENSION_K} nearest, fewer where there are not as many (Levina & Bickel 2004). "
    "**Effective rank**: how many directions the space as a whole uses (Roy & Vetterli 2007); at most d."
)


#: Names of folds that are listed.
_NAMES = 12


class _Column(NamedTuple):
    group: str
    head: str
    value: Callable[[Scores], float]
    text: Callable[[Scores], tuple[str, str]]
    #: The best of the column is bold if it is above this; None where nothing is.
    bold_above: float | None = None


def _columns(metric: str, rows: Sequence[Scores]) -> list[_Column]:
    k = max((s.k for s in rows), default=0)
    nearest = f"{k} nearest clips" if k else "nearest clips"
    around = max((s.intrinsic_k for s in rows), default=0) or DIMENSION_K
    apart, unseen = "classes stand apart", "accuracy on unseen clips"
    columns = [
        _Column("", "n clips × d dimensions", lambda s: s.n, _size),
        _Column(
            apart,
            "silhouette, −1 to 1",
            lambda s: s.silhouette[metric].value,
            lambda s: _signed(s.silhouette[metric]),
            -np.inf,
        ),
        _Column(unseen, nearest, lambda s: s.knn.value, lambda s: _percent(s.knn, s), 0.0),
        _Column(unseen, "linear probe", lambda s: s.probe.value, lambda s: _percent(s.probe, s), 0.0),
    ]
    columns += [_property(name, title) for name, title, _ in separability.PROPERTIES]
    shape = "shape of the space"
    return [
        *columns,
        _Column(
            shape,
            f"hubness, k = {separability.HUB_K}",
            lambda s: s.hubness,
            lambda s: (_plain(s.hubness, 2), ""),
        ),
        _Column(
            shape,
            f"intrinsic dimension, k = {around}",
            lambda s: s.intrinsic,
            lambda s: (_plain(s.intrinsic, 1), ""),
        ),
        _Column(shape, "effective rank", lambda s: s.effective, lambda s: (_plain(s.effective, 1), "")),
    ]


def _property(name: str, title: str) -> _Column:
    return _Column(
        "four properties, lower is better",
        title,
        lambda s: s.properties[name],
        lambda s: (figured(s.properties[name]), ""),
    )


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
        "distances are small, within classes and between them, and a space that tells nothing apart can "
        "come out lowest in three of the four."
    )
    with st.expander("What the other columns say"):
        layout.reading(_COLUMNS)
    return rows


def _folds(workspace: Workspace, dataset: Dataset, rows: Sequence[Scores]) -> None:
    """Say whose folds the accuracies are of: where they were drawn, what is alike may be on both sides."""
    whose = {s.folds for s in rows}
    if "drawn" in whose:
        columns = measures.group_columns(dataset.clips)
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
        names = list(measures.fold_names(dataset.clips).values())
        listed = ", ".join(map(plain, names[:_NAMES]))
        more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
        st.caption(
            "Accuracies on unseen clips are over the dataset’s own folds, each held out in turn"
            + (f": {listed}{more}." if names else ".")
        )


def _options(dataset: Dataset) -> Mapping[str, str]:
    return datasets.get(dataset.adapter).OPTIONS if dataset.adapter in datasets.names() else {}


def _table(rows: Sequence[Scores], metric: str, chosen: str) -> None:
    columns = _columns(metric, rows)
    best = [separability.best([c.value(s) for s in rows], c.bold_above) for c in columns]
    body = [
        [
            Cell(s.space),
            *(Cell(*c.text(s), "hs-best" if i in at else "") for c, at in zip(columns, best, strict=True)),
        ]
        for i, s in enumerate(rows)
    ]
    table.scores(
        [("space", ""), *((_broken(c.head), "") for c in columns)],
        body,
        label="Scores of all spaces",
        here=next((i for i, s in enumerate(rows) if s.space == chosen), None),
        groups=[("", 1), *Counter(c.group for c in columns).items()],
    )


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
    """Say of how many clips no classifier could know the class, the spaces together that are alike in it."""
    alike: dict[tuple[int, bool], list[str]] = {}
    for s in rows:
        if s.unseen:
            alike.setdefault((s.unseen, not s.knn.n), []).append(s.space)
    measured = sum(bool(s.k) for s in rows)
    sentences = []
    for (n, everyone), spaces in alike.items():
        where = "" if len(spaces) == measured else f" ({', '.join(map(plain, spaces))})"
        if everyone:
            sentences.append(
                f"No accuracy on unseen clips{where}: every class is in one fold alone, so that no "
                "classifier has met the class of the clips that it is asked about."
            )
        else:
            are = "clip is" if n == 1 else "clips are"
            they = "it counts as a mistake" if n == 1 else "they count as mistakes"
            sentences.append(f"{n:,} {are} of a class that no other fold has; {they}{where}.")
    return sentences


def _size(s: Scores) -> tuple[str, str]:
    return f"{s.n:,} × {s.dimensions:,}", f"{s.labelled:,} with a class" if s.labelled < s.n else ""


def _signed(e: numbers.Estimate) -> tuple[str, str]:
    if not e.n:
        return "–", ""
    return numbers.signed(e.value), f"{numbers.signed(e.low)} to {numbers.signed(e.high)}"


def _percent(e: numbers.Estimate, s: Scores) -> tuple[str, str]:
    if not e.n:
        return "–", "no class in two folds" if s.unseen else ""
    return f"{e.value:.1%}", f"{100 * e.low:.1f} to {e.high:.1%}"


def _plain(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"
