"""All models of a grid: box plots, accuracy against similarity, and the correlations of Table 1."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.kit import chart, correlation, form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.memory import once
from dashboard.neighbourhoods.figures import p_text
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import figures
from dashboard.zeroshot import related as zeroshot_related
from dashboard.zeroshot.data import Grid, Result
from dashboard.zeroshot.related import AGAINST, AXES, LINKS, PAPER, PERMUTATIONS, VARIED, Related

_PAPER = "Dogan et al., *On the role of training class distribution in zero-shot audio classification*"
_FIGURE = {
    "similarity": "As Figure 4 of {paper}: accuracy over the share of training classes that are of the "
    "test cluster, a colour a test cluster. The same test classes are judged at all ratios.",
    "diversity": "As Figure 5 of {paper}: accuracy over the mean similarity among the training classes, low "
    "is **diverse**, a colour a test set. Each model is judged on all test sets, which stay for all ranges.",
    "splits": "Accuracy of each split (the box plots of {paper}, for splits of one’s own); dots are models "
    "that began with other weights, a colour a test set.",
}


def show(view: state.View, found: Result, grids: list[Grid], picked: str, file: str) -> None:
    """Draw the figures of all models, then the table."""
    st.subheader("Accuracy on unseen classes", anchor=False)
    _facts(found)
    left, right = st.columns(2, gap="medium")
    with left:
        _boxes(found, picked, file)
    with right:
        by = _scatter(view, found, picked, file)
    _related(found, by)
    _table(found, grids, file)


def _facts(found: Result) -> None:
    s = zeroshot_related.summary(found)
    sizes = found.meta.get("sizes")
    mean = f"{s.mean.value:.3f}"
    if np.isfinite(s.mean.low):
        mean += f" ({s.mean.low:.3f} to {s.mean.high:.3f})"
    pairs = [
        ("models", f"{s.n_models:,}"),
        ("accuracies", f"{s.n:,}"),
        (f"mean, 95% over {_blocks(found, s.mean.n)}", mean),
        ("lowest to highest", f"{s.lowest:.3f} to {s.highest:.3f}"),
        ("chance", "differs" if np.isnan(found.chance) else f"{found.chance:.3f}"),
        ("above chance", f"{s.above:,} of {s.n:,}"),
    ]
    if sizes:
        pairs.append(("training / validation / test classes", " / ".join(map(str, sizes))))
    layout.facts(pairs)


def _blocks(found: Result, n: int) -> str:
    if found.spec.setup == "splits":
        return f"{numbers.count(n, 'set')} of test classes"
    return numbers.count(n, "block")


def _boxes(found: Result, picked: str, file: str) -> None:
    names, _, title = zeroshot.groups(found)
    chart.show(
        lambda theme: figures.boxes_figure(
            zeroshot.models(found),
            names,
            title=title,
            chance=found.chance,
            picked=picked,
            theme=theme,
        ),
        remembered=("zero-shot-boxes", found.spec.key, picked),
        key="zeroshot-boxes",
        file=f"zero-shot-{file}",
        csv=partial(zeroshot.boxes_table, found),
        chooses="zeroshot.model",
        alt=f"Box plots of zero-shot accuracy over {len(names)} groups",
    )
    layout.reading(
        _FIGURE[found.spec.setup].format(paper=_PAPER)
        + " Boxes hold the middle half, the line is the median, the diamond the mean; each dot is one "
        "model on one test set. **Click a dot** to look into that model." + _rounded(found)
    )


def _rounded(found: Result) -> str:
    pairs = zeroshot.rounded(found)
    if not pairs:
        return ""
    said = ", ".join(f"{asked} came to {came}" for asked, came in pairs)
    return f" Ratios are shares of whole classes: {said}."


def _scatter(view: state.View, found: Result, picked: str, file: str) -> str:
    options = {LINKS[name]: name for name in zeroshot_related.against(found)}
    by = options[view.choice("along-x", list(options), next(iter(options)))]
    theme = layout.theme()

    def draw() -> object:
        return figures.against_similarity_figure(
            zeroshot.models(found, by),
            title=AXES[by],
            line=zeroshot_related.related(found, by).line,
            chance=found.chance,
            picked=picked,
            theme=theme,
        )

    chart.show(
        once(("figure", "zero-shot-scatter", found.spec.key, by, picked, theme), draw),
        key="zeroshot-scatter",
        file=f"zero-shot-{file}-against-{LINKS[by]}",
        csv=partial(zeroshot_related.scatter_table, found, by),
        chooses="zeroshot.model",
        alt=f"Zero-shot accuracy against {AGAINST[by]}, with the regression line",
    )
    words = {link: AGAINST[name] for link, name in options.items()}
    form.relisted("Along x", words, view.key("along-x"), width=420)
    layout.reading(
        "The same models over what was **realised**; the CSV has all that x can be. The line is least "
        "squares; its band is where the line, not a model, lies with 95% confidence if the accuracies were "
        "independent, which they are not: see below."
    )
    return by


def _related(found: Result, by: str) -> None:
    r = zeroshot_related.related(found, by)
    shares = {
        "similarity": "all ratios of one test cluster and seed are judged on the same test classes",
        "diversity": "all models of a seed are judged on the same test classes, each on several test sets",
        "splits": "the models of a split share all their classes and differ by their seeds alone",
    }[found.spec.setup]
    own = found.spec.setup == "splits"
    moved = "splits, each the mean of its models," if own else "models"
    counted = [f"{r.pearson.n:,} accuracies", numbers.count(r.n_models, "model")]
    counted += [numbers.count(r.n_permuted, "split")] * own
    permuted = f"p, permuted within {numbers.count(r.n_blocks, 'block')}", _permuted(r)
    layout.facts(correlation.facts(r.pearson, r.spearman, permuted, ("n", ", ".join(counted))))
    layout.reading(
        f"**Why a permutation test.** Pearson’s p takes all accuracies for independent, but {shares}, so "
        "that an easy draw lifts several dots at once. The permutation shuffles what is along x only among "
        f"{moved} of one block, {PERMUTATIONS:,} times, and asks how often the correlation is as "
        "strong: what those of a block share cannot count as evidence there. A model counts once, by the "
        "mean of its test sets, so that this p is not of the same r. Where the two p differ "
        "much, trust the permuted one"
        + ("; fewer than five splits cannot reach a small one." if own else ".")
    )


def _table(found: Result, grids: list[Grid], file: str) -> None:
    st.subheader("Beside the paper’s Table 1", anchor=False)
    rows: list[tuple[str, Result | None]] = []
    beside = zeroshot.beside(grids, found.spec)
    for setup in zeroshot.SETUPS:
        mine = zeroshot.result(beside[setup].spec) if setup in beside else None
        if mine is None or not len(mine.models):
            if setup in PAPER:
                rows.append((setup, None))
            continue
        rows.append((setup, mine))
    columns = ("strategy", "r|95%", "p", "p|permuted", "ρ", "n", "paper:|r", "paper:|p")
    heads = [(head, "") for head in columns]
    body: list[list[Cell]] = []
    for setup, mine in rows:
        paper = PAPER.get(setup)
        theirs = [Cell(numbers.signed(paper[0])), Cell(paper[1])] if paper else [Cell("–")] * 2
        by = VARIED[setup]
        first = Cell(f"{setup}-based" if paper else "own splits")
        if mine is None:
            body.append([first, Cell("–", "not run yet"), *[Cell("–")] * 4, *theirs])
            continue
        r = zeroshot_related.related(mine, by)
        numbers_of = [
            numbers.p_value(r.pearson.p),
            _permuted(r),
            numbers.signed(r.spearman.r),
            f"{r.pearson.n:,}",
        ]
        body.append(
            [
                first,
                Cell(numbers.signed(r.pearson.r), numbers.ends(r.pearson), "hs-best"),
                *map(Cell, numbers_of),
                *theirs,
            ]
        )
    shown = [setup for setup, _ in rows].index(found.spec.setup)
    table.scores(heads, body, label="Correlations of accuracy, and those of the paper", here=shown)
    there = [mine for _, mine in rows if mine is not None]
    with st.container(horizontal=True, horizontal_alignment="right"):
        table.button(
            "zeroshot-csv-All models",
            f"zero-shot-models-{file}",
            partial(zeroshot.models_table, found),
            label="All models",
        )
        table.button(
            "zeroshot-csv-CSV",
            f"zero-shot-correlations-{file}",
            partial(zeroshot_related.related_table, there),
        )
    _say_which(found, grids, [beside[setup] for setup, mine in rows if mine is not None])
    against = "; ".join(f"{setup}: {AGAINST[VARIED[setup]]}" for setup, _ in rows)
    layout.reading(
        f"What accuracy is set against is what each setup varies ({against}). "
        f"{_PAPER} found these over 90 accuracies a setup with VGGish on a subset of AudioSet (143 classes, "
        "768 dimensions of Sentence-BERT). Other sounds, spaces and texts need not show the same; the sign "
        "says in which direction accuracy goes, the interval how well it is known."
    )


def _say_which(found: Result, grids: list[Grid], rows: list[Grid]) -> None:
    """Name the experiments of the other rows, which can be trained by other recipes."""
    names = zeroshot.named(grids)
    said = []
    for g in rows:
        if g.spec.key != found.spec.key:
            other = "" if zeroshot.alike(g.spec, found.spec) else ", which was trained otherwise"
            said.append(f"“{plain(names[g.id])}”{other}")
    if said:
        st.caption(f"Beside the experiment that is shown: {'; '.join(said)}.")


def _permuted(r: Related) -> str:
    return "–" if not np.isfinite(r.permuted) else p_text(r.permuted, PERMUTATIONS)
