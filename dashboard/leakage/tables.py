"""Tables 1 to 3 of the paper with our numbers beside its own, and its two correlations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.kit import chart, form, layout, numbers, table
from dashboard.kit.correlation import correlation_figure
from dashboard.kit.layout import plain
from dashboard.kit.table import Cell
from dashboard.leakage import data as leakage
from dashboard.leakage.data import PAPER, Related, Result
from jobs.specs.contrastive import PRETRAININGS, TRAININGS, ContrastiveGrid

_PAPER = "Tavares et al., *On class separability pitfalls in audio-text contrastive zero-shot learning*"
_SPACES = {"silhouette_xa": "x_a", "silhouette_Ea": "E_a"}
_HEADS = [("", ""), ("", "hs-words"), *[(p, "") for p in PRETRAININGS], *[(p, "") for p in PRETRAININGS]]
_GROUPS = [("", 2), ("here, by pre-training", 3), ("in the paper, by pre-training", 3)]


def over_seeds(specs: Sequence[ContrastiveGrid]) -> None:
    """Draw accuracy and the silhouette of E_a over all seeds that are trained; say so where it is one."""
    if len(specs) < 2:
        st.caption(
            f"One seed, {specs[0].seed}: others draw other test clips, weights and orders of training, and "
            "come to other numbers. Start the same experiment with several seeds to see by how much."
        )
        return
    means = leakage.over_seeds(specs).set_index(["pretraining", "training"])
    rows = []
    for column, name in (("accuracy", "accuracy"), ("silhouette_Ea", "silhouette of E_a")):
        for then in TRAININGS:
            cells = []
            for before in PRETRAININGS:
                there = (before, then) in means.index
                mean, *ends = (
                    float(means[f"{column}{end}"][before, then]) if there else np.nan
                    for end in ("", "_low", "_high")
                )
                below = f"{_said(ends[0])} to {_said(ends[1])}" if np.isfinite(mean) else ""
                cells.append(Cell(_said(mean), below))
            rows.append([Cell(name), Cell(f"trained {then}"), *cells])
    seeds = ", ".join(str(spec.seed) for spec in specs)
    st.markdown(f"**Over {len(specs)} seeds**")
    table.scores(
        [("", ""), ("", "hs-words"), *[(p, "") for p in PRETRAININGS]],
        rows,
        label="Accuracy and silhouette over seeds, by pre-training and training",
        groups=[("", 2), ("mean, and least to greatest, by pre-training", 3)],
    )
    layout.reading(
        f"Means over the seeds {seeds}, with the least and the greatest. Each seed draws its own test clips, "
        "first weights and order of training, so this is how far a number moves by chance; what follows "
        "below is the chosen seed alone. An order of models that does not hold for all seeds is none."
    )


def show(view: state.View, found: Result, picked: str, file: str) -> str:
    """Draw the three tables; return how the topological similarity is defined."""
    st.subheader("The models in the paper’s tables", anchor=False)
    st.markdown("**Zero-shot accuracy** · Table 1")
    _accuracy(found)
    over = leakage.of_tests(found)
    st.markdown(f"**Silhouette of the sounds** · Table 2 · n = {over}")
    _silhouettes(found)
    st.markdown(f"**Topological similarity of class means** · Table 3 · n = {len(found.tests):,} class means")
    definition = form.switch(
        view,
        "s",
        "Definition",
        {name: words for name, (words, _) in leakage.DEFINITIONS.items()},
        "adjusted",
        called="definition",
        label_visibility="collapsed",
    )
    _similarity(found, definition)
    table.download("leakage-tables-csv", f"leakage-models-{file}", lambda: found.models)
    return definition


def _rows(found: Result, column: str, ending: str = "", *, small: str = "") -> list[list[Cell]]:
    """Make the cells of a training's row, ours then the paper's, for each training."""
    out = []
    for then in TRAININGS:
        mine = []
        for before in PRETRAININGS:
            value = leakage.cell(found, column + ending, before, then)
            below = ""
            if small == "interval":
                ends = [leakage.cell(found, f"{column}_{end}", before, then) for end in ("low", "high")]
                below = f"{ends[0]:.2f} to {ends[1]:.2f}" if np.isfinite(ends).all() else ""
            elif small == "classes":
                below = _ends(leakage.silhouette_of(found, column.rpartition("_")[2], before, then))
            elif small == "k":
                k = leakage.cell(found, f"{column}_k", before, then)
                below = f"k = {k:.0f}" if np.isfinite(k) else ""
            mine.append(Cell(_said(value), below))
        out.append(
            [*mine, *[Cell(_said(PAPER[column][before, then]), kind="hs-unknown") for before in PRETRAININGS]]
        )
    return out


def _ends(e: numbers.Estimate | None) -> str:
    if e is None:
        return ""
    return f"{_said(e.low)} to {_said(e.high)}" if np.isfinite(e.low) else "–"


def _accuracy(found: Result) -> None:
    rows = [
        [Cell(f"trained {then}"), Cell(""), *cells]
        for then, cells in zip(TRAININGS, _rows(found, "accuracy", small="interval"), strict=True)
    ]
    chance = float(found.good["chance"].iloc[0])
    rows.append(
        [
            Cell("chance"),
            Cell(""),
            *[Cell(_said(chance)) for _ in PRETRAININGS],
            *[Cell(f"{leakage.PAPER_CHANCE:.2f}", kind="hs-unknown") for _ in PRETRAININGS],
        ]
    )
    drawn = [[r[0], *r[2:]] for r in rows]
    table.scores(
        [_HEADS[0], *_HEADS[2:]],
        drawn,
        label="Zero-shot accuracy by pre-training and training, here and in the paper",
        groups=[("", 1), *_GROUPS[1:]],
        kind="hs-wide",
    )
    layout.reading(
        f"As Table 1 of {_PAPER} (ICASSP 2025): the share of test clips whose class has the nearest text, of "
        f"{numbers.count(len(found.tests), 'class')} here and 50 there, with 95% intervals (Wilson). "
        "**Dirty** pre-training has the test classes among its labels, dirty training has captions that name "
        "them; accuracy that is there only with them is no zero-shot learning. What is clean is also "
        f"**less**: {_less(found)}, so that some of the fall from **dirty/dirty** to **clean/clean** may be "
        "that. The paper’s numbers are of ESC-50 with CNN14 and BERT: look at the order of the cells, not at "
        "their size."
    )


def _less(found: Result) -> str:
    """Say how much less clean training and pre-training have."""
    said = []
    m = found.models
    clean = m[m["training"] == "clean"]
    if len(clean):
        gone, all_of = int(clean["n_removed"].iloc[0]), int((clean["n_pairs"] + clean["n_removed"]).iloc[0])
        said.append(f"clean training has {gone:,} of {numbers.count(all_of, 'pair')} fewer")
    p = found.pretraining
    clean = p[(p["pretraining"] == "clean") & (p["n_classes"] > 0)]
    if len(clean):
        gone = int(clean["n_removed_classes"].iloc[0])
        said.append(f"clean pre-training {numbers.count(gone, 'class')} fewer")
    return " and ".join(said) or "clean training has fewer pairs"


def _silhouettes(found: Result) -> None:
    rows = []
    values = {column: _rows(found, column, small="classes") for column in _SPACES}
    for i, then in enumerate(TRAININGS):
        for column, name in _SPACES.items():
            rows.append([Cell(f"trained {then}"), Cell(name), *values[column][i]])
    before = [
        Cell(_said(leakage.before_training(found, b)), _ends(leakage.silhouette_of(found, "x0", b)))
        for b in PRETRAININGS
    ]
    rows.append([Cell("before it"), Cell("x_a"), *before, *[Cell("–", kind="hs-unknown")] * 3])
    table.scores(
        _HEADS,
        rows,
        label="Silhouettes by pre-training, training and space",
        groups=_GROUPS,
        kind="hs-wide",
    )
    if len(found.tests) < leakage.FEWEST_CLASSES:
        st.caption(
            f"No intervals: over {numbers.count(len(found.tests), 'class')} drawn anew they would only span "
            f"the values of these; from {leakage.FEWEST_CLASSES} on there are some."
        )
    layout.reading(
        "How well clips of a class stand together, from −1 to 1, by cosine in the whole space "
        "(Rousseeuw 1987), with 95% intervals of classes drawn anew (bootstrap, Efron 1987), over the "
        f"{leakage.of_tests(found)} alone. Separability, and Similarity and accuracy, take all clips of all "
        "classes: their silhouettes of these spaces, and how these go with accuracy, are other numbers. "
        "**x_a** is what the audio backbone gives, **E_a** what the projector makes of it. "
        "Where E_a is no higher than x_a, contrastive training separated no classes that pre-training had "
        "not; the last row is the backbone before any contrastive training (section 3.3)."
    )


def _similarity(found: Result, definition: str) -> None:
    ending = leakage.DEFINITIONS[definition][1]
    rows = []
    unknown = definition != "literal" and not leakage.has_neighbourhoods(found)
    for column, name in leakage.PAIRS.items():
        small = "k" if definition == "adjusted" else ""
        for then, cells in zip(
            TRAININGS, _rows(found, f"overlap_{column}", ending, small=small), strict=True
        ):
            ours = [Cell("–")] * len(PRETRAININGS) if unknown else cells[: len(PRETRAININGS)]
            rows.append([Cell(name), Cell(then), *ours, *cells[len(PRETRAININGS) :]])
    table.scores(
        [("", ""), ("trained", "hs-words"), *_HEADS[2:]],
        rows,
        label="Topological similarity by pair of spaces, pre-training and training",
        groups=_GROUPS,
        kind="hs-wide",
    )
    if unknown:
        st.caption(
            f"Of {numbers.count(len(found.tests), 'class')} nothing can be said: each is the other’s nearest "
            "in any space. Test with three classes or more."
        )
    n, most = len(found.tests), leakage.largest_k(found)
    how = {
        "adjusted": f"The largest S_k for k from 1 to {most}, without the class itself, as the part above "
        "what unrelated spaces share by chance: 0 is chance, 1 the same neighbours. Small: the k where it is "
        "largest.",
        "plain": f"The largest S_k for k from 1 to {most}, a fifth of the classes, without the class itself "
        "and not corrected for chance.",
        "literal": f"The paper’s words: the largest S_k over all k up to {n}, the class itself counted. That "
        f"is 1 for any two spaces: at k = 1 each class is its own neighbour in both, at k = {n} all are.",
    }[definition]
    layout.reading(
        f"S_k is the mean share of the k nearest classes that two spaces have in common, of the means of {n} "
        f"classes and of their texts (section 3.2 of the paper, its Table 3). {how} Where E_a and E_t share "
        "less than the other two pairs, as in the paper, training made no one space of sounds and words: "
        "each side keeps the neighbours it came with. No interval is given: a class that is drawn twice "
        "would be its own neighbour."
    )


def _said(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if np.isfinite(value) else "–"


def correlations(found: Result, definition: str, picked: str, file: str) -> None:
    """Draw the two correlations over the models."""
    st.subheader("What goes with accuracy", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        _correlation(
            found,
            "silhouette",
            definition,
            picked,
            file,
            (f"silhouette of E_a, −1 to 1,<br>{leakage.of_tests(found)}", "zero-shot accuracy, 0 to 1"),
        )
    with right:
        _correlation(
            found,
            "similarity",
            definition,
            picked,
            file,
            (
                f"topological similarity of E_a and E_t,<br>{leakage.DEFINITIONS[definition][0]}, "
                f"{len(found.tests):,} test classes",
                "ln of zero-shot accuracy",
            ),
        )
    layout.reading(
        "**Each dot is a model**, pre-training/training; open ones had clean captions. Click one to look "
        "into it below. Sections 3.1 and 3.2 of the paper found that accuracy follows how well classes "
        "stand apart among the sounds, and its logarithm how alike sounds and texts are laid out. The "
        "paper does not correct similarity for chance, so its r is to be compared with the **plain** one. "
        "With six models the intervals are wide, and models that share a pre-training are not independent."
    )


def _correlation(
    found: Result, which: str, definition: str, picked: str, file: str, titles: tuple[str, str]
) -> None:
    shown = leakage.related(found, which, definition)
    if not len(shown.dots.ids):
        st.info("No model has both numbers: with accuracy 0 there is no logarithm.", icon=":material/info:")
        return
    none_right = found.good["name"][found.good["accuracy"] == 0].astype(str)
    lost = [name for name in none_right if name not in shown.dots.ids]
    key = f"leakage-{which}"
    chart.show(
        correlation_figure(
            shown.dots,
            x_title=titles[0],
            y_title=titles[1],
            things="models",
            line=shown.line,
            picked=picked,
            theme=layout.theme(),
        ),
        key=key,
        file=f"{which}-and-accuracy-{file}",
        csv=partial(leakage.related_table, shown),
        chooses="leakage.model",
        alt=f"{titles[1]} against {titles[0].replace('<br>', ' ')}",
    )
    if lost:
        st.caption(f"Left out, for accuracy 0 has no logarithm: {plain(', '.join(lost))}.")
    if which != "similarity":
        _said_correlation(shown, "")
        return
    # Both are said, whichever is drawn; the paper's similarity is not corrected for chance.
    for name in dict.fromkeys((definition, "adjusted", "plain")):
        of = leakage.DEFINITIONS[name][0]
        _said_correlation(leakage.related(found, which, name), of, beside=name == "plain")


def _said_correlation(shown: Related, of: str, *, beside: bool = True) -> None:
    """Say a correlation, of the similarity that is defined so, `beside` the paper's or by itself."""
    c = shown.found
    paper = f" Paper: r = {shown.paper_r}, p {_equals(shown.paper_p)}." if beside else ""
    if c is None or not np.isfinite(c.r):
        why = "all models have the same number" if c is not None else "there are fewer than three models"
        st.caption(f"There is no correlation{f' ({of})' if of else ''}: {why}.{paper}")
        return
    layout.facts(
        [
            (f"Pearson r{f', {of}' if of else ''}", numbers.signed(c.r)),
            ("95% interval", numbers.ends(c)),
            ("p", numbers.p_value(c.p)),
            *([("paper: r", f"+{shown.paper_r}"), ("paper: p", shown.paper_p)] if beside else []),
        ]
    )


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
