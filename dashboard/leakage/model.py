"""One contrastive model in detail: its classes, what it confuses, how it learned, its spaces to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from dashboard.components import clips as clip_list
from dashboard.kit import chart, confusion, jobs, layout, numbers
from dashboard.kit import confusion_numbers as confused
from dashboard.kit.confusion_figures import ByClass, by_class_figure
from dashboard.kit.confusion_numbers import Judged
from dashboard.kit.layout import plain
from dashboard.kit.learning_figures import curves_table
from dashboard.leakage import learning, maps
from dashboard.leakage.data import Shown
from dashboard.leakage.figures import contrastive_learning_figure
from jobs import contrastive_presets as contrastive
from jobs.tasks.contrastive_grid import Result


def judged(result: Result, model: str) -> Judged:
    """Return the confusion matrix of a model, by its name."""
    return Judged(result.test_classes, np.asarray(result.confusion[result.number(model)]))


def by_class(result: Result, model: str) -> ByClass:
    """Return the accuracy of each class by one model, and by the others, the best class first."""
    others = [name for name in result.good.index if name != model]
    return confused.by_class(
        judged(result, model), {name: judged(result, name).accuracy[:, 0] for name in others}
    )


def show(shown: Shown) -> None:
    """Draw the model, then the clips of a cell of its confusion matrix."""
    result, model = shown.result, shown.model
    st.subheader("One model", anchor=False)
    st.selectbox(
        "Model, pre-training/training: click a dot above, or choose here",
        result.good.index.tolist(),
        key=shown.view.key("model"),
    )
    row = result.by_model.to_dict("index")[model]
    _facts(row)
    file = f"{shown.file}-{model.replace('/', '-')}"
    matrix = judged(result, model)
    pair = confusion.choose(shown.view, matrix)
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        rows = by_class(result, model)
        chart.show(
            by_class_figure(
                rows, model=model, chance=float(row["chance"]), chosen=shown.label, theme=layout.theme()
            ),
            key="leakage-classes",
            file=f"class-accuracy-{file}",
            csv=lambda: confused.by_class_table(rows, model),
            chooses="leakage.class",
            caption="click a class to mark it in the maps",
            alt=f"Accuracy of {result.n_test_classes} test classes by {model}",
        )
    with right:
        confusion.show_matrix(
            matrix,
            pair,
            key="leakage-confusion",
            file=file,
            chooses=("leakage.true", "leakage.taken"),
            remembered=(shown.spec.key, model),
            of=f" by {model}",
        )
    layout.reading(
        "Left, the share of each class’s clips that are classified correctly, grey marks are the other "
        "models: look which classes fall where captions are clean. Right, the classes that clips were taken "
        "for, a row a class; the brighter, the more of the row (yellow is all). **Click a cell** to hear its "
        "clips. Sounds that are alike are confused even where their words are far apart (section 3.3)."
    )
    confusion.choose_cell(shown.view, matrix)
    _cell(shown, pair)
    _learning(shown, row, file)
    learning.pretraining(shown)
    _keep(shown)


def _facts(row: Mapping[Any, Any]) -> None:
    temperature = row["temperature"]
    layout.facts(
        [
            (
                "accuracy, 95%",
                f"{row['accuracy']:.3f} ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})",
            ),
            ("chance", f"{row['chance']:.3f}"),
            ("pairs of sound and caption", f"{row['n_pairs']:,}"),
            ("left out as leaks", f"{row['n_removed']:,}"),
            ("clips: training / validation", f"{row['n_train_clips']:,} / {row['n_validation_clips']:,}"),
            ("epochs, kept", f"{row['epochs']}, {row['best_epoch']}"),
            ("temperature", f"{temperature:.3f}" if np.isfinite(temperature) else "–"),
        ]
    )


def _cell(shown: Shown, pair: tuple[str, str]) -> None:
    true, taken = pair
    cell = confused.in_cell(shown.result.predictions_of(shown.model), true, taken)
    if not len(cell):
        confusion.no_clip(true, taken)
        return
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        confusion.list_cell(
            shown.clips,
            cell,
            pair,
            key="leakage-cell",
            dataset=shown.dataset.name,
        )
    with right:
        st.markdown(f"Clips of **{plain(taken)}**, to compare")
        listed = set(cell["clip_id"].iloc[: confusion.MOST_CLIPS])
        beside = maps.of_class(shown, taken)["clip_id"].tolist()
        clip_list.show(
            shown.clips,
            [id for id in reversed(beside) if id not in listed][:4],
            key="leakage-beside",
            dataset=shown.dataset.name,
            label=f"Test clips of {taken}",
        )


def _learning(shown: Shown, row: Mapping[Any, Any], file: str) -> None:
    st.markdown("**How it learned**")
    spec = shown.spec
    curves = learning.model_curves(shown.result, shown.model)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            lambda theme: contrastive_learning_figure(
                curves.values[0], best=int(row["best_epoch"]), unfrozen=spec.frozen_epochs, theme=theme
            ),
            remembered=("leakage-learning", spec.key, shown.model),
            key="leakage-learning",
            file=f"learning-curves-{file}",
            csv=lambda: curves_table(curves),
            alt="Losses, temperature and gradient norm over the epochs",
        )
    with right:
        if row["stopped"]:
            st.caption(f"Stopped early: {plain(row['stopped'])}")
        _pretraining_facts(shown)
        separation = (
            "no caption of a validation clip is trained on"
            if spec.validation_by == "clip"
            else "other captions of a validation clip may be trained on, as in the paper"
        )
        layout.reading(
            f"The CLIP loss on training and on validation pairs ({separation}), the learned temperature and "
            "the norm of the gradient. Backbones are frozen for the first "
            f"{numbers.count(spec.frozen_epochs, 'epoch')}, then trained as well; the epoch with the lowest "
            "validation loss is kept (recipe (a) to (j), section 2.1 of the paper)."
        )


def _pretraining_facts(shown: Shown) -> None:
    before = shown.result.by_model["pretraining"][shown.model]
    for row in shown.result.pretraining.to_pylist():
        if row["pretraining"] == before:
            facts = [("pre-training", row["source"]), ("classes", f"{row['n_classes']:,}")]
            if np.isfinite(row["validation_accuracy"]):
                facts.append(("validation accuracy", f"{row['validation_accuracy']:.3f}"))
            layout.facts([*facts, ("silhouette then", numbers.signed(row["silhouette_x0"]))])


def _keep(shown: Shown) -> None:
    """Offer the spaces of the model to the other pages."""
    specs = contrastive.all_spaces_of(shown.spec, shown.dataset, [shown.model])
    missing = [s for s in specs if not shown.workspace.cache.contains(s.key)]
    if not missing:
        st.caption(
            f"The spaces of {plain(shown.model)} are spaces of the dataset: look at them in Explore, "
            "Neighbourhoods and Similarity and accuracy."
        )
        return
    jobs.compute(
        shown.workspace,
        missing,
        f"Keep the spaces of {shown.model}",
        "leakage-keep",
        primary=False,
        text=f"x_a, E_a, x_t and E_t of **{plain(shown.model)}** can be kept beside the dataset’s other "
        "spaces.",
    )
