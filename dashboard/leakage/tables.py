"""Tables 1 to 3 of the paper with our numbers beside its own, and its two correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from dashboard.kit import chart, form, layout, numbers, table
from dashboard.kit.correlation import correlation_figure, facts
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.leakage import data as leakage
from dashboard.leakage.data import DEFINITIONS, PAPER, Related, Shown, cell
from jobs.specs import PRETRAININGS, TRAININGS, ContrastiveGrid
from jobs.tasks.contrastive_grid import FEWEST_CLASSES, Result

_PAPER = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"
_SPACES = {"silhouette_xa": "x_a", "silhouette_Ea": "E_a"}
_THREE = [(p, "") for p in PRETRAININGS]
_GROUPS = [("here, by pre-training", 3), ("in the paper, by pre-training", 3)]


def over_seeds(specs: Sequence[ContrastiveGrid]) -> None:
    """Draw accuracy and the silhouette of E_a over all trained seeds; with one, say how to get more."""
    if len(specs) < 2:
        st.caption(
            f"One seed, {specs[0].seed}: others draw other test clips, weights and orders of training, and "
            "give other numbers. Start the same experiment with several seeds to see by how much."
        )
        return
    means = leakage.over_seeds(specs).set_index("name")
    rows = []
    for column, title in (("accuracy", "accuracy"), ("silhouette_Ea", "silhouette of E_a")):
        for then in TRAININGS:
            cells = []
            for before in PRETRAININGS:
                mean, low, high = (
                    float(means[f"{column}{end}"].get(f"{before}/{then}", np.nan))
                    for end in ("", "_low", "_high")
                )
                cells.append(Cell(_number(mean), _range(low, high)))
            rows.append([Cell(title), Cell(f"trained {then}"), *cells])
    st.markdown(f"**Over {len(specs)} seeds**")
    table.scores(
        [("", ""), ("", "hs-words"), *_THREE],
        rows,
        label="Accuracy and silhouette over seeds, by pre-training and training",
        groups=[("", 2), ("mean, and least to greatest, by pre-training", 3)],
    )
    layout.reading(
        f"Means over the seeds {', '.join(str(spec.seed) for spec in specs)}, with the least and the "
        "greatest value. Each seed draws its own test clips, first weights and order of training, so this is "
        "how far a number varies by chance; everything below is of the chosen seed alone. An order of "
        "models that does not hold for all seeds is not reliable."
    )


def show(shown: Shown) -> str:
    """Draw the three tables; return the definition of the topological similarity that is chosen."""
    n_classes = shown.result.n_test_classes
    st.subheader("The models in the paper’s tables", anchor=False)
    st.markdown("**Zero-shot accuracy** · Table 1")
    _accuracy(shown.result)
    st.markdown(f"**Silhouette of the sounds** · Table 2 · n = {shown.n_tested}")
    _silhouettes(shown)
    st.markdown(f"**Topological similarity of class means** · Table 3 · n = {n_classes:,} class means")
    definition = form.switch(
        shown.view,
        "s",
        "Definition",
        {name: words for name, (words, _) in DEFINITIONS.items()},
        "adjusted",
        called="definition",
        label_visibility="collapsed",
    )
    _similarity(shown.result, definition)
    table.download(
        "leakage-tables-csv", f"leakage-models-{shown.file}", lambda: shown.result.models.to_pandas()
    )
    return definition


def _ours(
    result: Result, column: str, then: str, small: Callable[[Result, str, str, str], str]
) -> list[Cell]:
    """Return our numbers of a training, a cell a pre-training, with `small` print below each."""
    return [
        Cell(_number(cell(result, column, before, then)), small(result, column, before, then))
        for before in PRETRAININGS
    ]


def _theirs(column: str, then: str) -> list[Cell]:
    """Return the paper's numbers of a training."""
    return [Cell(_number(PAPER[column][before, then]), kind="hs-unknown") for before in PRETRAININGS]


def _interval(result: Result, column: str, before: str, then: str) -> str:
    """Return the interval of a number; a dash where only the number is defined."""
    low, high = (cell(result, f"{column}_{end}", before, then) for end in ("low", "high"))
    return _range(low, high) or ("–" if np.isfinite(cell(result, column, before, then)) else "")


def _at_k(result: Result, column: str, before: str, then: str) -> str:
    """Return the k of a similarity above chance; "" for the other definitions."""
    k = cell(result, f"{column}_k", before, then)
    return f"k = {k:.0f}" if np.isfinite(k) else ""


def _accuracy(result: Result) -> None:
    rows = [
        [
            Cell(f"trained {then}"),
            *_ours(result, "accuracy", then, _interval),
            *_theirs("accuracy", then),
        ]
        for then in TRAININGS
    ]
    chance = float(result.good["chance"].iloc[0])
    paper = Cell(f"{leakage.PAPER_CHANCE:.2f}", kind="hs-unknown")
    rows.append([Cell("chance"), *[Cell(_number(chance))] * 3, *[paper] * 3])
    table.scores(
        [("", ""), *_THREE, *_THREE],
        rows,
        label="Zero-shot accuracy by pre-training and training, here and in the paper",
        groups=[("", 1), *_GROUPS],
        kind="hs-wide",
    )
    layout.reading(
        f"As Table 1 of {_PAPER} (ICASSP 2025): the share of test clips whose class has the nearest text, of "
        f"{numbers.count(result.n_test_classes, 'class')} here and 50 in the paper, with 95% intervals "
        "(Wilson). **Dirty** pre-training has the test classes among its labels, dirty training has captions "
        "that name them; accuracy that exists only with them is not zero-shot learning. Clean data is also "
        f"**less**: {_less(result)}, so that some of the fall from **dirty/dirty** to **clean/clean** may be "
        "due to that. The paper’s numbers are of ESC-50 with CNN14 and BERT: look at the order of the cells, "
        "not at their size."
    )


def _less(result: Result) -> str:
    """Describe how much less data clean training and pre-training have."""
    parts = []
    models = result.by_model
    for row in models[models["training"] == "clean"].head(1).to_dict("records"):
        pairs = numbers.count(row["n_pairs"] + row["n_removed"], "pair")
        parts.append(f"clean training has {row['n_removed']:,} of {pairs} fewer")
    for row in result.pretraining.to_pylist():
        if row["pretraining"] == "clean" and row["n_classes"]:
            removed = numbers.count(row["n_removed_classes"], "class")
            parts.append(f"clean pre-training {removed} fewer")
    return " and ".join(parts) or "clean training has fewer pairs"


def _silhouettes(shown: Shown) -> None:
    result = shown.result
    rows = []
    for then in TRAININGS:
        for column, space in _SPACES.items():
            ours = _ours(result, column, then, _interval)
            rows.append([Cell(f"trained {then}"), Cell(space), *ours, *_theirs(column, then)])
    starts = {row["pretraining"]: row for row in result.pretraining.to_pylist()}
    before_training = []
    for before in PRETRAININGS:
        value, low, high = (
            starts.get(before, {}).get(f"silhouette_x0{end}", np.nan) for end in ("", "_low", "_high")
        )
        below = _range(low, high) or ("–" if np.isfinite(value) else "")
        before_training.append(Cell(_number(value), below))
    rows.append([Cell("before it"), Cell("x_a"), *before_training, *[Cell("–", kind="hs-unknown")] * 3])
    table.scores(
        [("", ""), ("", "hs-words"), *_THREE, *_THREE],
        rows,
        label="Silhouettes by pre-training, training and space",
        groups=[("", 2), *_GROUPS],
        kind="hs-wide",
    )
    if "silhouette_Ea_low" not in result.models.column_names:
        st.caption("No intervals: they were not kept when this result was computed. Train it again for them.")
    elif result.n_test_classes < FEWEST_CLASSES:
        st.caption(
            f"No intervals: resampling {numbers.count(result.n_test_classes, 'class')} would only span the "
            f"values of these; there are some from {FEWEST_CLASSES} classes on."
        )
    layout.reading(
        "How well the clips of a class are separated from the others, from −1 to 1, by cosine in the whole "
        "space (Rousseeuw 1987), with 95% intervals over resampled classes (bootstrap, Efron 1987), over the "
        f"{shown.n_tested} alone. Separability, and Similarity and accuracy, use all clips of all classes: "
        "their silhouettes of these spaces, and their correlations with accuracy, are other numbers. "
        "**x_a** is the output of the audio backbone, **E_a** that of the projector after it. "
        "Where E_a is no higher than x_a, contrastive training separated no classes that pre-training had "
        "not; the last row is the backbone before any contrastive training (section 3.3)."
    )


def _similarity(result: Result, definition: str) -> None:
    ending, n = DEFINITIONS[definition][1], result.n_test_classes
    # Of two classes each is the other's nearest in any space.
    undefined = definition != "literal" and n < 3
    rows = []
    for pair, name in leakage.PAIRS.items():
        column = f"overlap_{pair}"
        for then in TRAININGS:
            ours = [Cell("–")] * 3 if undefined else _ours(result, column + ending, then, _at_k)
            rows.append([Cell(name), Cell(then), *ours, *_theirs(column, then)])
    table.scores(
        [("", ""), ("trained", "hs-words"), *_THREE, *_THREE],
        rows,
        label="Topological similarity by pair of spaces, pre-training and training",
        groups=[("", 2), *_GROUPS],
        kind="hs-wide",
    )
    if undefined:
        st.caption(
            f"With {numbers.count(n, 'class')} the similarity is not informative: each is the other’s "
            "nearest in any space. Test with three classes or more."
        )
    how = {
        "adjusted": f"The largest S_k for k from 1 to {leakage.largest_k(result)}, without the class itself, "
        "relative to what unrelated spaces share by chance: 0 is chance, 1 the same neighbours. Small: the k "
        "where it is largest.",
        "plain": f"The largest S_k for k from 1 to {leakage.largest_k(result)}, a fifth of the classes, "
        "without the class itself and not corrected for chance.",
        "literal": f"The paper’s words: the largest S_k over all k up to {n}, the class itself counted. That "
        f"is 1 for any two spaces: at k = 1 each class is its own neighbour in both, at k = {n} all are.",
    }[definition]
    layout.reading(
        f"S_k is the mean share of the k nearest classes that two spaces have in common, of the means of {n} "
        f"classes and of their texts (section 3.2 of the paper, its Table 3). {how} Where E_a and E_t share "
        "less than the other two pairs, as in the paper, training did not make one space of sounds and "
        "words: each side keeps its former neighbours. No interval is given: a class that is drawn twice "
        "would be its own neighbour."
    )


def correlations(shown: Shown, definition: str) -> None:
    """Draw the two correlations over the models."""
    st.subheader("What correlates with accuracy", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        x = f"silhouette of E_a, −1 to 1,<br>{shown.n_tested}"
        _correlation(shown, "silhouette", definition, x, "zero-shot accuracy, 0 to 1")
    with right:
        x = (
            f"topological similarity of E_a and E_t,<br>{DEFINITIONS[definition][0]}, "
            f"{shown.result.n_test_classes:,} test classes"
        )
        _correlation(shown, "similarity", definition, x, "ln of zero-shot accuracy")
    layout.reading(
        "**Each dot is a model**, pre-training/training; open ones had clean captions. Click one to look "
        "into it below. Sections 3.1 and 3.2 of the paper report that accuracy follows how well classes are "
        "separated among the sounds, and its logarithm how similar the layouts of sounds and texts are. The "
        "paper does not correct similarity for chance, so its r is to be compared with the **plain** one. "
        "With six models the intervals are wide, and models that share a pre-training are not independent."
    )


def _correlation(shown: Shown, which: str, definition: str, x_title: str, y_title: str) -> None:
    result = shown.result
    related = leakage.related(result, which, definition)
    if not len(related.dots.ids):
        st.info("No model has both numbers: with accuracy 0 there is no logarithm.", icon=":material/info:")
        return
    chart.show(
        correlation_figure(
            related.dots,
            x_title=x_title,
            y_title=y_title,
            things="models",
            line=related.line,
            picked=shown.model,
            theme=layout.theme(),
        ),
        key=f"leakage-{which}",
        file=f"{which}-and-accuracy-{shown.file}",
        csv=lambda: related.table,
        chooses="leakage.model",
        alt=f"{y_title} against {x_title.replace('<br>', ' ')}",
    )
    zero = result.good.index[result.good["accuracy"] == 0]
    lost = [name for name in zero if name not in related.dots.ids]
    if lost:
        st.caption(f"Left out, for accuracy 0 has no logarithm: {plain(', '.join(lost))}.")
    if which != "similarity":
        _coefficient(related, "")
        return
    # Two are reported whichever is drawn; the paper's similarity is not corrected for chance.
    for name in dict.fromkeys((definition, "adjusted", "plain")):
        of = DEFINITIONS[name][0]
        _coefficient(leakage.related(result, which, name), of, beside_paper=name == "plain")


def _coefficient(related: Related, of: str, *, beside_paper: bool = True) -> None:
    """Draw the numbers of a correlation `of` a definition of similarity, with or without the paper's."""
    r, p = related.r, related.paper_p
    if r is None or not np.isfinite(r.r):
        reason = "all models have the same number" if r is not None else "there are fewer than three models"
        equals = p if p.startswith("<") else f"= {p}"
        paper = f" Paper: r = {related.paper_r}, p {equals}." if beside_paper else ""
        st.caption(f"No correlation{f' ({of})' if of else ''} can be computed: {reason}.{paper}")
        return
    more = [("paper: r", f"+{related.paper_r}"), ("paper: p", p)] if beside_paper else []
    (name, value), *rest = facts(r, None, *more)
    layout.facts([(f"{name}, {of}" if of else name, value), *rest])


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if np.isfinite(value) else "–"


def _range(low: float, high: float) -> str:
    return f"{_number(low)} to {_number(high)}" if np.isfinite([low, high]).all() else ""
