"""All models of a grid: box plots, accuracy against similarity, and the correlations of Table 1."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.kit import chart, correlation, form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.neighbourhoods.figures import p_text
from dashboard.results import result
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import figures
from dashboard.zeroshot import related as correlations
from dashboard.zeroshot.data import Grid
from dashboard.zeroshot.related import AGAINST, PAPER, PERMUTATIONS, VARIED, Related
from jobs.specs import ZeroShotGrid

_PAPER = "Dogan et al., *On the role of training class distribution in zero-shot audio classification*"
_FIGURE = {
    "similarity": "As Figure 4 of {paper}: accuracy over the share of training classes that are of the "
    "test cluster, a colour a test cluster. The same test classes are judged at all ratios.",
    "diversity": "As Figure 5 of {paper}: accuracy over the mean similarity among the training classes, low "
    "is **diverse**, a colour a test set. Each model is judged on all test sets, which stay for all ranges.",
    "splits": "Accuracy of each split (the box plots of {paper}, for splits of one’s own); dots are models "
    "with other initial weights, a colour a test set.",
}
#: What models have in common that are not independent.
_SHARES = {
    "similarity": "all ratios of one test cluster and seed are judged on the same test classes",
    "diversity": "all models of a seed are judged on the same test classes, each on several test sets",
    "splits": "the models of a split share all their classes and differ by their seeds alone",
}


def show(view: state.View, spec: ZeroShotGrid, grids: list[Grid], picked: str, file: str) -> None:
    """Draw the figures of all models, then the table."""
    st.subheader("Accuracy on unseen classes", anchor=False)
    _facts(spec)
    left, right = st.columns(2, gap="medium")
    with left:
        _boxes(spec, picked, file)
    with right:
        by = _scatter(view, spec, picked, file)
    _related(spec, by)
    _table(spec, grids, file)


def _facts(spec: ZeroShotGrid) -> None:
    s, sizes, chance = correlations.summary(spec), result(spec).sizes, zeroshot.chance(spec)
    mean = f"{s.mean.value:.3f}"
    if np.isfinite(s.mean.low):
        mean += f" ({s.mean.low:.3f} to {s.mean.high:.3f})"
    given = spec.setup == "splits"
    blocks = (
        f"{numbers.count(s.mean.n, 'set')} of test classes" if given else numbers.count(s.mean.n, "block")
    )
    pairs = [
        ("models", f"{s.n_models:,}"),
        ("accuracies", f"{s.n:,}"),
        (f"mean, 95% over {blocks}", mean),
        ("lowest to highest", f"{s.lowest:.3f} to {s.highest:.3f}"),
        ("chance", "differs" if np.isnan(chance) else f"{chance:.3f}"),
        ("above chance", f"{s.above:,} of {s.n:,}"),
    ]
    if sizes:
        pairs.append(("training / validation / test classes", " / ".join(map(str, sizes))))
    layout.facts(pairs)


def _boxes(spec: ZeroShotGrid, picked: str, file: str) -> None:
    names, _, title = zeroshot.groups(spec)
    chart.show(
        lambda theme: figures.boxes_figure(
            zeroshot.dots(spec),
            names,
            title=title,
            chance=zeroshot.chance(spec),
            picked=picked,
            theme=theme,
        ),
        remembered=("zero-shot-boxes", spec.key, picked),
        key="zeroshot-boxes",
        file=f"zero-shot-{file}",
        csv=lambda: zeroshot.boxes_table(spec),
        chooses="zeroshot.model",
        alt=f"Box plots of zero-shot accuracy over {len(names)} groups",
    )
    off = ", ".join(f"{asked} is {actual} here" for asked, actual in zeroshot.rounded(spec))
    layout.reading(
        _FIGURE[spec.setup].format(paper=_PAPER)
        + " Boxes hold the middle half, the line is the median, the diamond the mean; each dot is one "
        "model on one test set. **Click a dot** to look into that model."
        + (f" Ratios are shares of whole classes: {off}." if off else "")
    )


def _scatter(view: state.View, spec: ZeroShotGrid, picked: str, file: str) -> str:
    options = {AGAINST[name].link: name for name in correlations.against(spec)}
    by = options[view.choice("along-x", list(options), next(iter(options)))]
    chart.show(
        lambda theme: figures.scatter_figure(
            zeroshot.dots(spec, by),
            x_title=AGAINST[by].axis,
            line=correlations.related(spec, by).line,
            chance=zeroshot.chance(spec),
            picked=picked,
            theme=theme,
        ),
        remembered=("zero-shot-scatter", spec.key, by, picked),
        key="zeroshot-scatter",
        file=f"zero-shot-{file}-against-{AGAINST[by].link}",
        csv=lambda: correlations.scatter_table(spec, by),
        chooses="zeroshot.model",
        alt=f"Zero-shot accuracy against {AGAINST[by].title}, with the regression line",
    )
    words = {link: AGAINST[name].title for link, name in options.items()}
    form.relisted("Along x", words, view.key("along-x"), width=420)
    layout.reading(
        "The same models over what was **realised**; the CSV has all that x can be. The line is least "
        "squares; its band is where the line, not a model, lies with 95% confidence if the accuracies were "
        "independent, which they are not: see below."
    )
    return by


def _related(spec: ZeroShotGrid, by: str) -> None:
    r = correlations.related(spec, by)
    given = spec.setup == "splits"
    moved = "splits, each the mean of its models," if given else "models"
    counted = [f"{r.pearson.n:,} accuracies", numbers.count(r.n_models, "model")]
    counted += [numbers.count(r.n_permuted, "split")] * given
    permuted = f"p, permuted within {numbers.count(r.n_blocks, 'block')}", _permuted(r)
    layout.facts(correlation.facts(r.pearson, r.spearman, permuted, ("n", ", ".join(counted))))
    layout.reading(
        f"**Why a permutation test.** Pearson’s p assumes that all accuracies are independent, but "
        f"{_SHARES[spec.setup]}, so that an easy draw lifts several dots at once. The permutation shuffles "
        f"the numbers along x only among {moved} of one block, {PERMUTATIONS:,} times, and counts how often "
        "the correlation is as strong: what those of a block share cannot count as evidence. A model counts "
        "once, by the mean of its test sets, so that this p is not of the same r. Where the two p differ "
        "much, trust the permuted one"
        + ("; fewer than five splits cannot reach a small one." if given else ".")
    )


def _table(spec: ZeroShotGrid, grids: list[Grid], file: str) -> None:
    st.subheader("Beside the paper’s Table 1", anchor=False)
    beside = {
        setup: grid for setup, grid in zeroshot.beside(grids, spec).items() if len(zeroshot.models(grid.spec))
    }
    setups = [setup for setup in zeroshot.SETUPS if setup in beside or setup in PAPER]
    columns = ("strategy", "r|95%", "p", "p|permuted", "ρ", "n", "paper:|r", "paper:|p")
    table.scores(
        [(head, "") for head in columns],
        [_row(setup, beside[setup].spec if setup in beside else None) for setup in setups],
        label="Correlations of accuracy, and those of the paper",
        here=setups.index(spec.setup),
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        table.button(
            "zeroshot-csv-All models",
            f"zero-shot-models-{file}",
            lambda: zeroshot.models_table(spec),
            label="All models",
        )
        table.button(
            "zeroshot-csv-CSV",
            f"zero-shot-correlations-{file}",
            lambda: correlations.related_table([grid.spec for grid in beside.values()]),
        )
    _name_others(spec, grids, list(beside.values()))
    varied = "; ".join(f"{setup}: {AGAINST[VARIED[setup]].title}" for setup in setups)
    layout.reading(
        f"Accuracy is set against what each setup varies ({varied}). "
        f"{_PAPER} reports these over 90 accuracies a setup with VGGish on a subset of AudioSet (143 "
        "classes, 768 dimensions of Sentence-BERT). Other sounds, spaces and texts need not show the same; "
        "the sign is the direction in which accuracy goes, the interval shows how precisely it is known."
    )


def _row(setup: str, spec: ZeroShotGrid | None) -> list[Cell]:
    """Return the row of a setup in the table; its grid is None where none is done."""
    paper = PAPER.get(setup)
    first = Cell(f"{setup}-based" if paper else "own splits")
    theirs = [Cell(numbers.signed(paper[0])), Cell(paper[1])] if paper else [Cell("–")] * 2
    if spec is None:
        return [first, Cell("–", "not run yet"), *[Cell("–")] * 4, *theirs]
    r = correlations.related(spec, VARIED[setup])
    return [
        first,
        Cell(numbers.signed(r.pearson.r), numbers.ends(r.pearson), "hs-best"),
        Cell(numbers.p_value(r.pearson.p)),
        Cell(_permuted(r)),
        Cell(numbers.signed(r.spearman.r)),
        Cell(f"{r.pearson.n:,}"),
        *theirs,
    ]


def _name_others(spec: ZeroShotGrid, grids: list[Grid], beside: list[Grid]) -> None:
    """Name the experiments of the other rows, which can be trained by other recipes."""
    names = zeroshot.named(grids)
    others = [
        f"“{plain(names[g.id])}”" + ("" if zeroshot.alike(g.spec, spec) else ", which was trained otherwise")
        for g in beside
        if g.spec.key != spec.key
    ]
    if others:
        st.caption(f"Beside the experiment that is shown: {'; '.join(others)}.")


def _permuted(r: Related) -> str:
    return "–" if not np.isfinite(r.permuted) else p_text(r.permuted, PERMUTATIONS)
