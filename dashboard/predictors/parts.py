"""The parts of Similarity and accuracy: one measure against one accuracy, then all measures and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.kit import chart, form, jobs, layout, numbers, table
from dashboard.kit.correlation import correlation_figure, fit_line
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.kit.table import Cell
from dashboard.kit.text import label
from dashboard.predictors import board as predictors_board
from dashboard.predictors import data as predictors
from dashboard.predictors import figures
from dashboard.predictors.board import Board, Reference
from dashboard.predictors.data import Dot, Ranked
from jobs.workspace.workspace import Workspace

_DISTANCE = "d is the cosine distance of two clips, 1 less their cosine. "
SCALES = {"linear": "accuracy", "log": "its logarithm"}
_TAVARES = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"


@dataclass(frozen=True)
class Asked:
    """What is set against what, and the measures by how strongly they go with the accuracy."""

    measure: str
    accuracy: str
    log: bool
    ranked: list[Ranked]

    @property
    def y_title(self) -> str:
        """What is written along y."""
        name = predictors.ACCURACIES[self.accuracy]
        return f"ln of {name}" if self.log else f"{name}, 0 to 1"


def scatter(
    view: state.View,
    b: Board,
    reference: Reference | None,
    k: int,
    shown: Sequence[Dot],
    asked: Asked,
    space: str,
    file: str,
    clips: str,
    labelled: str,
) -> None:
    """Draw one measure against one accuracy, a dot a space of `clips`, of which some are `labelled`."""
    x_there, y_there = predictors.coverage(shown)
    columns = st.columns([1.2, 1.2, 0.9], gap="medium", vertical_alignment="bottom")
    measures, accuracies = predictors.MEASURES, predictors.ACCURACIES
    form.listed(
        "Measure, along x",
        {n: f"{title} · {x_there[n]:,} of {len(shown):,}" for n, (title, _) in measures.items()},
        view.key("x"),
        place=columns[0],
    )
    form.listed(
        "Accuracy, along y",
        {n: f"{title} · {y_there[n]:,} of {len(shown):,}" for n, title in accuracies.items()},
        view.key("y"),
        place=columns[1],
    )
    form.pick(view, "scale", "Scale of y", SCALES, place=columns[2])
    dots = predictors.drawn(shown, asked.measure, asked.accuracy, log=asked.log)
    if dots is None:
        st.info(
            f"No space has both {predictors.MEASURES[asked.measure][0]} and "
            f"{predictors.ACCURACIES[asked.accuracy]} yet; below it says what can be computed.",
            icon=":material/info:",
        )
        return
    against = "" if reference is None else reference.name
    title = predictors.MEASURES[asked.measure][1].format(label(against, 40), k=k)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            correlation_figure(
                dots,
                x_title=title,
                y_title=asked.y_title,
                things=f"of {numbers.count(len(shown), 'space')}",
                line=fit_line(dots.x, dots.y),
                picked=space,
                theme=layout.theme(),
            ),
            key="predictors-scatter",
            file=f"{asked.measure}-against-{file}",
            csv=partial(predictors.dots_csv, shown, reference, k),
            chooses="predictors.dot",
            caption="click a dot for links to the space",
            alt=f"{predictors.MEASURES[asked.measure][0]} against {predictors.ACCURACIES[asked.accuracy]}",
        )
    with right:
        both = predictors.related(dots.x, dots.y)
        if both is not None:
            layout.facts(
                [
                    ("Pearson r", numbers.signed(both[0].r)),
                    ("95% interval", numbers.ends(both[0])),
                    ("p", numbers.p_value(both[0].p)),
                    ("Spearman ρ", numbers.signed(both[1].r)),
                    ("95% interval", numbers.ends(both[1])),
                    ("p of ρ", numbers.p_value(both[1].p)),
                ]
            )
        st.caption(predictors.over(shown, asked.measure, asked.accuracy, reference, clips, labelled))
        if len(dots.ids) < predictors.FEWEST:
            st.caption(
                f"{numbers.count(len(dots.ids), 'space')} with both numbers: from {predictors.FEWEST} on "
                "there is an interval, and something to say."
            )
        layout.reading(
            "**Each dot is a space** of the same clips, with the 95% interval of its accuracy; the line is "
            "least squares with its 95% band. A measure that needs no test and goes with accuracy says "
            f"beforehand which space will do well, as the silhouette does in section 3.1 of {_TAVARES}. Few "
            "spaces give wide intervals; spaces of one kind of model are not independent, which no interval "
            f"knows. {_DISTANCE if 'd)²' in title or 'd²' in title else ''}"
            f"{predictors.names_said([d for d in shown if d.space in dots.ids])}"
        )
        _opened(b, space)


def _opened(b: Board, space: str) -> None:
    if not space:
        return
    st.markdown(f"**{plain(space)}**")
    with st.container(horizontal=True, gap="small"):
        for page, name in (("explore", "Explore"), ("separability", "Separability")):
            st.button(
                name,
                key=f"predictors-open-{page}",
                icon=":material/open_in_new:",
                type="tertiary",
                on_click=partial(_open, page),
            )
    target = st.session_state.pop("predictors-go", "")
    if target:
        layout.go(target, {"dataset": b.dataset.name, "space": space})


def _open(page: str) -> None:
    st.session_state["predictors-go"] = page


def ranking(shown: Sequence[Dot], asked: Asked, reference: Reference | None, file: str) -> None:
    """Draw how each measure goes with the accuracy, the strongest first."""
    st.subheader("Best predictors", anchor=False)
    if not asked.ranked:
        there = int(np.isfinite(predictors.on_y(shown, asked.accuracy)).sum())
        st.info(
            f"Measures are ranked from {predictors.FEWEST} spaces on that have both numbers and differ in "
            f"them; {predictors.ACCURACIES[asked.accuracy]} is there for {there:,}.",
            icon=":material/info:",
        )
        return
    left, right = st.columns([1.3, 1], gap="large")
    best = asked.ranked[0]
    with left:
        chart.show(
            figures.ranked_figure(
                [predictors.MEASURES[r.name][0] for r in asked.ranked],
                [r.name for r in asked.ranked],
                np.array([(r.pearson.r, r.pearson.low, r.pearson.high) for r in asked.ranked]),
                np.array([(r.spearman.r, r.spearman.low, r.spearman.high) for r in asked.ranked]),
                [r.pearson.n for r in asked.ranked],
                things="spaces",
                picked=asked.measure,
                theme=layout.theme(),
            ),
            key="predictors-ranking",
            file=f"best-predictors-{file}",
            csv=partial(predictors.ranked_csv, asked.ranked, asked.accuracy),
            chooses="predictors.x",
            caption="click a measure to see its dots",
            alt=f"Correlations of {len(asked.ranked)} measures with {predictors.ACCURACIES[asked.accuracy]}",
        )
    with right:
        name = predictors.MEASURES[best.name][0]
        said = f"Strongest: **{name}**, r = {numbers.signed(best.pearson.r)} ({numbers.ends(best.pearson)})"
        sure = best.adjusted < 0.05
        st.markdown(
            f"{said}, p corrected {numbers.p_value(best.adjusted)}"
            + ("." if sure else ": not beyond what chance gives over so many measures.")
        )
        # The figure says how many spaces there are where that is one number.
        differ = len({r.pearson.n for r in asked.ranked}) > 1
        rows = [
            [
                Cell(predictors.MEASURES[r.name][0]),
                Cell(numbers.signed(r.pearson.r)),
                Cell(numbers.p_value(r.pearson.p)),
                Cell(numbers.p_value(r.adjusted)),
                *([Cell(f"{r.pearson.n:,}")] if differ else []),
            ]
            for r in asked.ranked
        ]
        names = [r.name for r in asked.ranked]
        table.scores(
            [
                ("measure", "hs-words"),
                ("r", ""),
                ("p", ""),
                ("p,|corrected", ""),
                *([("spaces", "")] if differ else []),
            ],
            rows,
            label="Measures by the strength of their correlation",
            here=names.index(asked.measure) if asked.measure in names else None,
        )
        layout.reading(
            "Filled: Pearson’s r with its 95% interval; open: Spearman’s ρ, which asks for order only. p is "
            f"corrected for all {len(asked.ranked)} measures (Holm 1979): the best of many would look good "
            "by chance. An interval that crosses zero leaves open whether the measure says anything."
        )


def sizes(
    view: state.View,
    b: Board,
    reference: Reference | None,
    k: int,
    largest: int,
    shown: Sequence[Dot],
    asked: Asked,
    file: str,
) -> None:
    """Draw how NNGS predicts accuracy over k, beside CKA."""
    st.subheader("NNGS over k against CKA", anchor=False)
    found = predictors.over_k(b, shown, reference, asked.accuracy, log=asked.log)
    if found is None or not np.isfinite(found.values[:, 0]).any():
        st.info(
            f"NNGS and CKA compare spaces with {plain(reference.name if reference else 'a reference')}; "
            f"from {predictors.FEWEST} compared spaces on that have an accuracy and differ, it shows here at "
            "which size of neighbourhood they predict it.",
            icon=":material/info:",
        )
        return
    assert reference is not None
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            figures.over_k_figure(
                found.ks,
                found.values,
                [(f"{name}: r = {numbers.signed(c.r)}", c.r) for name, c in found.cka.items()],
                k=k,
                n=found.n,
                items=numbers.count(found.items, "clip" if reference.of == "clips" else "class"),
                theme=layout.theme(),
            ),
            key="predictors-over-k",
            file=f"nngs-over-k-{file}",
            csv=partial(predictors.over_k_csv, found),
            alt="Correlation of NNGS with accuracy over the size of the neighbourhood, beside CKA",
        )
    with right:
        st.number_input("k, of NNGS on this page", 1, max(1, largest), key=view.key("k"))
        i = int(np.searchsorted(found.ks, found.best))
        layout.facts(
            [
                ("strongest at k", f"{found.best:,}"),
                ("r there", numbers.signed(float(found.values[i, 0]))),
                *[(name, f"{numbers.signed(c.r)} ({numbers.ends(c)})") for name, c in found.cka.items()],
            ]
        )
        layout.reading(
            f"Similarity of each space with **{plain(reference.name)}**, as a predictor. NNGS, the mean "
            "Jaccard index of the k nearest neighbours, can look at small or wide neighbourhoods; CKA looks "
            "at all distances at once and has one value (first abstract of Tavares et al.: accuracy of "
            "analogies and of zero-shot classification goes with the similarity of paired embeddings, and "
            "NNGS sees structure at scales that CKA does not). The strongest k is the best of many: trust it "
            "where the curve is broad."
        )


def everything(
    workspace: Workspace,
    b: Board,
    reference: Reference | None,
    k: int,
    shown: Sequence[Dot],
    asked: Asked,
    file: str,
) -> None:
    """Say what is there and what is not, and offer to compute the rest."""
    st.subheader("What is there", anchor=False)
    mine = [asked.measure, asked.accuracy]
    lacking = predictors_board.missing(b, mine, reference)
    names = f"{predictors.MEASURES[asked.measure][0]} and {predictors.ACCURACIES[asked.accuracy]}"
    rest = [
        n
        for n in (*predictors.MEASURES, "knn", "map@15", "two_towers", "analogy")
        if n != "dimensions" and n not in mine
    ]
    for why, spaces in predictors_board.without(b, mine, reference).items():
        said = plain(", ".join(spaces))
        many = f"{numbers.count(len(spaces), 'space')} are left out, each because {plain(why)}: {said}."
        st.caption(many if len(spaces) > 1 else f"{said} is left out: {plain(why)}.")
    if lacking:
        jobs.compute(
            workspace,
            lacking,
            f"Compute {names} where missing",
            "predictors-chosen",
            text=f"Missing for {names}: {numbers.count(len(lacking), 'result')}.",
        )
    others = [s for s in predictors_board.missing(b, rest, reference) if s not in lacking]
    if others:
        jobs.compute(
            workspace,
            others,
            f"Compute the other measures too ({numbers.count(len(others), 'result')})",
            "predictors-rest",
            primary=False,
        )
    unkept = predictors_board.unkept(workspace, b.dataset)
    if unkept:
        jobs.compute(
            workspace,
            unkept,
            "Add the models of Leakage lab",
            "predictors-unkept",
            primary=False,
            text="The contrastive models that were trained here are not among these spaces yet.",
            each=False,
        )
    if not lacking and not others:
        st.caption("All that can be computed for these spaces is there.")
    _numbers(shown, asked)
    table.download(
        "predictors-csv",
        f"similarity-and-accuracy-{file}",
        partial(predictors.dots_csv, shown, reference, k),
    )
    layout.reading(
        "All numbers of all spaces; a dash is not computed, or not defined for the space. Zero-shot accuracy "
        "of **held-out classes** is that of the models of Leakage lab, over the clips that none of them was "
        "trained on, among their test classes, as far as these are the same. That of **all classes** is of "
        "models with two towers, such as CLAP, over all clips by texts of the same model; models of Leakage "
        "lab have been trained on most of these. By **trained projections** it is the mean over the models "
        "of Zero-shot, trained on every space in the same way. **Analogies** ask for the text of a class by "
        "the offset of another class from sounds to text (Mikolov et al. 2013); **as released** is what the "
        "NNGS paper’s notebooks count: the offset is taken away rather than added, each two classes are "
        "asked once, and all texts are candidates. Analogies share their classes, so no interval is given."
    )


def _numbers(shown: Sequence[Dot], asked: Asked) -> None:
    accuracies = list(predictors.ACCURACIES)
    kept = [n for n in predictors.MEASURES if np.isfinite(predictors.on_x(shown, n)).any()]
    heads = [("space", "")]
    heads += [
        (predictors.ACCURACIES[n].replace(", ", ",|").replace(" accuracy", "|accuracy"), "")
        for n in accuracies
    ]
    heads += [(predictors.MEASURES[n][0].replace(" ", "|", 1), "") for n in kept]
    rows = []
    for d in shown:
        row = [Cell(predictors.plain_name(d.space), d.kind if d.kind != "encoder" else "")]
        for n in accuracies:
            e = d.accuracies[n]
            row.append(_cell(e))
        row += [Cell(figured(d.measures[n])) for n in kept]
        rows.append(row)
    table.scores(heads, rows, label="All numbers of all spaces", kind="hs-wide")


def _cell(e: numbers.Estimate) -> Cell:
    if not e.n:
        return Cell("–")
    return Cell(f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}" if np.isfinite(e.low) else "")
