"""The parts of Similarity and accuracy: one measure against one accuracy, then all measures and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from core.statistics import Interval
from dashboard import state
from dashboard.kit import chart, form, jobs, layout, numbers, table
from dashboard.kit.correlation import Dots, correlation_figure, facts, fit_line
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.kit.table import Cell
from dashboard.kit.text import label
from dashboard.predictors import board as boards
from dashboard.predictors import data as predictors
from dashboard.predictors import figures
from dashboard.predictors.board import Board, Reference
from dashboard.predictors.data import Dot, Ranked
from jobs.tasks.measures import Measure
from jobs.workspace.workspace import Workspace

SCALES = {"linear": "accuracy", "log": "its logarithm"}
_TAVARES = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"
#: Accuracies that are computed along with the measures.
_ALONG = ("knn", "map@15", "two_towers", "analogy")


@dataclass(frozen=True)
class Asked:
    """The choices of the page and the numbers that they are about.

    Attributes
    ----------
    board : Board
    reference : Reference or None
        What spaces are compared with.
    k, largest : int
        Size of the neighbourhood for NNGS, and the largest that all agreements reach.
    dots : list of Dot
        All spaces.
    measure, accuracy : str
        By name; `log` is true for the logarithm of the accuracy.
    ranked : list of Ranked
        The measures by the strength of their correlation with the accuracy.
    """

    board: Board
    reference: Reference | None
    k: int
    largest: int
    dots: list[Dot]
    measure: str
    accuracy: str
    log: bool
    ranked: list[Ranked]

    @property
    def x(self) -> Measure:
        """The measure along x."""
        return predictors.MEASURES[self.measure]

    @property
    def y(self) -> Measure:
        """The accuracy along y."""
        return predictors.ACCURACIES[self.accuracy]

    @property
    def file(self) -> str:
        """End of the names of files."""
        return f"{self.board.dataset.name}-{self.accuracy}"

    @property
    def compared_with(self) -> str:
        """Name of the reference, "" for none."""
        return self.reference.name if self.reference else ""


def scatter(view: state.View, asked: Asked, space: str, clips: str, labelled: str) -> None:
    """Draw one measure against one accuracy, a dot a space of `clips`, some of which are `labelled`."""
    x_counts, y_counts = predictors.coverage(asked.dots)
    n = len(asked.dots)
    columns = st.columns([1.2, 1.2, 0.9], gap="medium", vertical_alignment="bottom")
    for text, rows, counts, key, place in (
        ("Measure, along x", predictors.MEASURES, x_counts, "x", columns[0]),
        ("Accuracy, along y", predictors.ACCURACIES, y_counts, "y", columns[1]),
    ):
        options = {name: f"{m.title} · {counts[name]:,} of {n:,}" for name, m in rows.items()}
        form.listed(text, options, view.key(key), place=place)
    form.pick(view, "scale", "Scale of y", SCALES, place=columns[2])
    dots = predictors.drawn(asked.dots, asked.measure, asked.accuracy, log=asked.log)
    if dots is None:
        st.info(
            f"No space has both {asked.x.title} and {asked.y.title} yet; see below what can be computed.",
            icon=":material/info:",
        )
        return
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            correlation_figure(
                dots,
                x_title=asked.x.axis_title.format(label(asked.compared_with, 40), k=asked.k),
                y_title=f"ln of {asked.y.title}" if asked.log else asked.y.axis_title,
                things=f"of {numbers.count(n, 'space')}",
                line=fit_line(dots.x, dots.y),
                picked=space,
                theme=layout.theme(),
            ),
            key="predictors-scatter",
            file=f"{asked.measure}-against-{asked.file}",
            csv=partial(predictors.dots_csv, asked.dots, asked.reference, asked.k),
            chooses="predictors.dot",
            caption="click a dot for links to the space",
            alt=f"{asked.x.title} against {asked.y.title}",
        )
    with right:
        _explain_scatter(asked, dots, clips, labelled)
        _links(asked.board, space)


def _explain_scatter(asked: Asked, dots: Dots, clips: str, labelled: str) -> None:
    both = predictors.related(dots.x, dots.y)
    if both is not None:
        pearson, spearman = both
        p = ("p of ρ", numbers.p_value(spearman.p))
        rho = ("Spearman ρ", numbers.signed(spearman.r))
        layout.facts(facts(pearson, None, rho, ("95% interval", numbers.ends(spearman)), p))
    st.caption(predictors.over(asked.dots, asked.measure, asked.accuracy, asked.reference, clips, labelled))
    if len(dots.ids) < predictors.FEWEST:
        st.caption(
            f"{numbers.count(len(dots.ids), 'space')} with both numbers: an interval needs at least "
            f"{predictors.FEWEST}."
        )
    squared = "d²" in asked.x.axis or "d)²" in asked.x.axis
    distance = "d is the cosine distance of two clips, 1 less their cosine. " if squared else ""
    drawn = [d for d in asked.dots if d.space in dots.ids]
    layout.reading(
        "**Each dot is a space** of the same clips, with the 95% interval of its accuracy; the line is "
        "least squares with its 95% band. A measure that needs no test and correlates with accuracy predicts "
        f"which space will do well, as the silhouette does in section 3.1 of {_TAVARES}. Few "
        "spaces give wide intervals; spaces of one kind of model are not independent, which no interval "
        f"accounts for. {distance}{predictors.explain_names(drawn)}"
    )


def _links(b: Board, space: str) -> None:
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


def ranking(asked: Asked) -> None:
    """Draw the correlation of each measure with the accuracy, the strongest first."""
    st.subheader("Best predictors", anchor=False)
    ranked = asked.ranked
    if not ranked:
        known = int(np.isfinite(predictors.on_y(asked.dots, asked.accuracy)).sum())
        st.info(
            f"Measures are ranked from {predictors.FEWEST} spaces on that have both numbers and differ in "
            f"them; {asked.y.title} is known for {known:,}.",
            icon=":material/info:",
        )
        return
    left, right = st.columns([1.3, 1], gap="large")
    with left:
        chart.show(
            figures.ranked_figure(ranked, things="spaces", picked=asked.measure, theme=layout.theme()),
            key="predictors-ranking",
            file=f"best-predictors-{asked.file}",
            csv=partial(predictors.ranked_csv, ranked, asked.accuracy),
            chooses="predictors.x",
            caption="click a measure to see its dots",
            alt=f"Correlations of {len(ranked)} measures with {asked.y.title}",
        )
    with right:
        best = ranked[0]
        name, r = predictors.MEASURES[best.name].title, best.pearson
        text = f"Strongest: **{name}**, r = {numbers.signed(r.r)} ({numbers.ends(r)})"
        sure = best.adjusted < 0.05
        st.markdown(
            f"{text}, p corrected {numbers.p_value(best.adjusted)}"
            + ("." if sure else ": not beyond what chance gives over so many measures.")
        )
        _ranking_table(ranked, asked.measure)
        layout.reading(
            "Filled: Pearson’s r with its 95% interval; open: Spearman’s ρ, which uses order only. p is "
            f"corrected for all {len(ranked)} measures (Holm 1979): the best of many would look good "
            "by chance. An interval that crosses zero leaves open whether the measure predicts anything."
        )


def _ranking_table(ranked: Sequence[Ranked], measure: str) -> None:
    # The figure has the number of spaces where it is the same for all measures.
    differ = len({r.pearson.n for r in ranked}) > 1
    rows = [
        [
            Cell(predictors.MEASURES[r.name].title),
            Cell(numbers.signed(r.pearson.r)),
            Cell(numbers.p_value(r.pearson.p)),
            Cell(numbers.p_value(r.adjusted)),
            *([Cell(f"{r.pearson.n:,}")] if differ else []),
        ]
        for r in ranked
    ]
    heads = [("measure", "hs-words"), ("r", ""), ("p", ""), ("p,|corrected", "")]
    names = [r.name for r in ranked]
    table.scores(
        heads + [("spaces", "")] * differ,
        rows,
        label="Measures by the strength of their correlation",
        here=names.index(measure) if measure in names else None,
    )


def sizes(view: state.View, asked: Asked) -> None:
    """Draw the correlation of NNGS with accuracy over k, beside that of CKA."""
    st.subheader("NNGS over k against CKA", anchor=False)
    shown = predictors.over_k(asked.board, asked.dots, asked.reference, asked.accuracy, log=asked.log)
    reference = asked.reference
    if reference is None or shown is None or not np.isfinite(shown.values[:, 0]).any():
        st.info(
            f"NNGS and CKA compare spaces with {plain(asked.compared_with or 'a reference')}. From "
            f"{predictors.FEWEST} compared spaces on that have an accuracy and differ, this figure shows at "
            "which size of neighbourhood they predict it.",
            icon=":material/info:",
        )
        return
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            figures.over_k_figure(
                shown.ks,
                shown.values,
                [(f"{name}: r = {numbers.signed(c.r)}", c.r) for name, c in shown.cka.items()],
                k=asked.k,
                n=shown.n,
                items=numbers.count(shown.items, "clip" if reference.of == "clips" else "class"),
                theme=layout.theme(),
            ),
            key="predictors-over-k",
            file=f"nngs-over-k-{asked.file}",
            csv=partial(predictors.over_k_csv, shown),
            alt="Correlation of NNGS with accuracy over the size of the neighbourhood, beside CKA",
        )
    with right:
        st.number_input("k, of NNGS on this page", 1, max(1, asked.largest), key=view.key("k"))
        i = int(np.searchsorted(shown.ks, shown.best))
        layout.facts(
            [
                ("strongest at k", f"{shown.best:,}"),
                ("r at that k", numbers.signed(float(shown.values[i, 0]))),
                *[(name, f"{numbers.signed(c.r)} ({numbers.ends(c)})") for name, c in shown.cka.items()],
            ]
        )
        layout.reading(
            f"Similarity of each space with **{plain(reference.name)}**, as a predictor. NNGS, the mean "
            "Jaccard index of the k nearest neighbours, can look at small or wide neighbourhoods; CKA looks "
            "at all distances at once and has one value (first abstract of Tavares et al.: the accuracy of "
            "analogies and of zero-shot classification correlates with the similarity of paired embeddings, "
            "and NNGS sees structure at scales that CKA does not). The strongest k is the best of many: "
            "trust it where the curve is broad."
        )


def everything(workspace: Workspace, asked: Asked) -> None:
    """Draw all numbers of all spaces, and offer to compute the missing ones."""
    st.subheader("All numbers", anchor=False)
    _missing(workspace, asked)
    _numbers(asked.dots)
    table.download(
        "predictors-csv",
        f"similarity-and-accuracy-{asked.file}",
        partial(predictors.dots_csv, asked.dots, asked.reference, asked.k),
    )
    layout.reading(
        "A dash: not computed, or not defined for the space. Zero-shot accuracy "
        "of **held-out classes** is that of the models of Leakage lab, over the clips that none of them was "
        "trained on, among their test classes, as far as these are the same. That of **all classes** is of "
        "models with two towers, such as CLAP, over all clips by texts of the same model; models of Leakage "
        "lab have been trained on most of these. By **trained projections** it is the mean over the models "
        "of Zero-shot, trained on every space in the same way. **Analogies** ask for the text of a class by "
        "the offset of another class from sounds to text (Mikolov et al. 2013); **as released** is what the "
        "NNGS paper’s notebooks count: the offset is taken away rather than added, each two classes are "
        "asked once, and all texts are candidates. Analogies share their classes, so no interval is given."
    )


def _missing(workspace: Workspace, asked: Asked) -> None:
    """Offer to compute missing numbers, those of the two axes first, and name spaces without them."""
    mine = [asked.measure, asked.accuracy]
    lacking = boards.missing(asked.board, mine, asked.reference)
    names = f"{asked.x.title} and {asked.y.title}"
    for why, spaces in boards.without(asked.board, mine, asked.reference).items():
        listed = plain(", ".join(spaces))
        many = f"{numbers.count(len(spaces), 'space')} are left out, each because {plain(why)}: {listed}."
        st.caption(many if len(spaces) > 1 else f"{listed} is left out: {plain(why)}.")
    jobs.compute(
        workspace,
        lacking,
        f"Compute {names} where missing",
        "predictors-chosen",
        text=f"Missing for {names}: {numbers.count(len(lacking), 'result')}.",
    )
    rest = [name for name in (*predictors.MEASURES, *_ALONG) if name not in mine]
    others = [s for s in boards.missing(asked.board, rest, asked.reference) if s not in lacking]
    jobs.compute(
        workspace,
        others,
        f"Compute the other measures too ({numbers.count(len(others), 'result')})",
        "predictors-rest",
        primary=False,
    )
    jobs.compute(
        workspace,
        boards.unstored(workspace, asked.board.dataset),
        "Add the models of Leakage lab",
        "predictors-unkept",
        primary=False,
        text="The contrastive models that were trained here are not among these spaces yet.",
        each=False,
    )
    if not lacking and not others:
        st.caption("Everything that can be computed for these spaces is computed.")


def _numbers(shown: Sequence[Dot]) -> None:
    accuracies = list(predictors.ACCURACIES.values())
    measures = [m for n, m in predictors.MEASURES.items() if np.isfinite(predictors.on_x(shown, n)).any()]
    heads = [("space", "")]
    heads += [(m.title.replace(", ", ",|").replace(" accuracy", "|accuracy"), "") for m in accuracies]
    heads += [(m.title.replace(" ", "|", 1), "") for m in measures]
    rows = [
        [
            Cell(predictors.plain_name(d.space), d.kind if d.kind != "encoder" else ""),
            *(_cell(d.accuracies[m.name]) for m in accuracies),
            *(Cell(figured(d.measures[m.name])) for m in measures),
        ]
        for d in shown
    ]
    table.scores(heads, rows, label="All numbers of all spaces", kind="hs-wide")


def _cell(e: Interval) -> Cell:
    if not e.n:
        return Cell("–")
    return Cell(f"{e.value:.3f}", f"{e.low:.3f} to {e.high:.3f}" if np.isfinite(e.low) else "")
