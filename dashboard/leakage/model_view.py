"""One of the models from near by: its classes, what it confuses, how it learned, its spaces to keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, confusion, jobs, layout, numbers
from dashboard.kit.confusion_figures import by_class_figure
from dashboard.kit.confusion_numbers import by_class_table, in_cell
from dashboard.kit.layout import plain
from dashboard.kit.learning_figures import curves_table
from dashboard.leakage import data as leakage
from dashboard.leakage import learning_view as learning
from dashboard.leakage import maps as leakage_maps
from dashboard.leakage import model as leakage_model
from dashboard.leakage.data import Result
from dashboard.leakage.model_figures import contrastive_learning_figure
from jobs.workspace.workspace import Dataset, Workspace


def show(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    c: Clips,
    found: Result,
    picked: str,
    label: str,
    file: str,
) -> None:
    """Draw the model, then the clips of a cell of its confusion matrix."""
    st.subheader("One model", anchor=False)
    st.selectbox(
        "Model, pre-training/training: click a dot above, or choose here",
        found.good["name"].astype(str).tolist(),
        key=view.key("model"),
    )
    shown = leakage_model.judged(found, picked)
    row = leakage_model.row(found, picked)
    _facts(row)
    file = f"{file}-{picked.replace('/', '-')}"
    pair = confusion.choose(view, shown)
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        rows = leakage_model.by_class(found, picked)
        chart.show(
            by_class_figure(
                rows, model=picked, chance=float(row["chance"]), chosen=label, theme=layout.theme()
            ),
            key="leakage-classes",
            file=f"class-accuracy-{file}",
            csv=lambda: by_class_table(rows, picked),
            chooses="leakage.class",
            caption="click a class to mark it in the maps",
            alt=f"Accuracy of {len(shown.classes)} test classes by {picked}",
        )
    with right:
        confusion.show_matrix(
            shown,
            pair,
            key="leakage-confusion",
            file=file,
            chooses=("leakage.true", "leakage.taken"),
            remembered=(found.spec.key, picked),
            of=f" by {picked}",
        )
    layout.reading(
        "Left, the share of each class’s clips that are taken for it, grey marks are the other models: look "
        "which classes fall where captions are clean. Right, what clips were taken "
        "for, a row a class; the brighter, the more of the row (yellow is all). **Click a cell** to hear its "
        "clips. Sounds that are alike are confused even where their words are far apart (section 3.3)."
    )
    confusion.choose_cell(view, shown)
    _cell(dataset, c, found, picked, pair)
    _learning(found, row, picked, file)
    learning.pretraining(found, file)
    _keep(workspace, dataset, found, picked)


def _facts(r: pd.Series) -> None:
    pairs = [
        ("accuracy, 95%", f"{r['accuracy']:.3f} ({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})"),
        ("chance", f"{r['chance']:.3f}"),
        ("pairs of sound and caption", f"{int(r['n_pairs']):,}"),
        ("left out as leaks", f"{int(r['n_removed']):,}"),
        ("clips: training / validation", f"{int(r['n_train_clips']):,} / {int(r['n_validation_clips']):,}"),
        ("epochs, kept", f"{int(r['epochs'])}, {int(r['best_epoch'])}"),
        ("temperature", f"{r['temperature']:.3f}" if np.isfinite(r["temperature"]) else "–"),
    ]
    layout.facts(pairs)


def _cell(dataset: Dataset, c: Clips, found: Result, picked: str, pair: tuple[str, str]) -> None:
    true, taken = pair
    cell = in_cell(leakage_model.predictions(found, picked), true, taken)
    if not len(cell):
        confusion.no_clip(true, taken)
        return
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        confusion.list_cell(
            c,
            cell,
            pair,
            key="leakage-cell",
            dataset=dataset.name,
        )
    with right:
        st.markdown(f"Clips of **{plain(taken)}**, to compare")
        listed = set(cell["clip_id"].iloc[: confusion.MOST_CLIPS])
        beside = leakage_maps.of_class(found, picked, taken)["clip_id"].astype(str).tolist()
        clip_list.show(
            c,
            [i for i in reversed(beside) if i not in listed][:4],
            key="leakage-beside",
            dataset=dataset.name,
            label=f"Test clips of {taken}",
        )


def _learning(found: Result, row: pd.Series, picked: str, file: str) -> None:
    st.markdown("**How it learned**")
    curves = leakage_model.curves(found, picked)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        chart.show(
            lambda theme: contrastive_learning_figure(
                curves.values[0],
                best=int(row["best_epoch"]),
                unfrozen=found.spec.frozen_epochs,
                theme=theme,
            ),
            remembered=("leakage-learning", found.spec.key, picked),
            key="leakage-learning",
            file=f"learning-curves-{file}",
            csv=lambda: curves_table(curves),
            alt="Losses, temperature and gradient norm over the epochs",
        )
    with right:
        stopped = str(row.get("stopped") or "")
        if stopped:
            st.caption(f"Stopped early: {plain(stopped)}")
        _pretraining(found, picked)
        by = found.spec.validation_by
        held = (
            "no caption of a validation clip is trained on"
            if by == "clip"
            else "other captions of a validation clip may be trained on, as in the paper"
        )
        layout.reading(
            "The CLIP loss on training and on validation pairs "
            f"({held}), the learned temperature and the length of the gradient. "
            f"Backbones are frozen for the first {numbers.count(found.spec.frozen_epochs, 'epoch')}, then "
            "trained as well; the epoch with the lowest validation loss is kept (recipe (a) to (j), section "
            "2.1 of the paper)."
        )


def _pretraining(found: Result, picked: str) -> None:
    before = picked.partition("/")[0]
    row = found.pretraining[found.pretraining["pretraining"] == before]
    if not len(row):
        return
    r = row.iloc[0]
    score = float(r["validation_accuracy"])
    pairs = [("pre-training", str(r["source"])), ("classes", f"{int(r['n_classes']):,}")]
    if np.isfinite(score):
        pairs.append(("validation accuracy", f"{score:.3f}"))
    pairs.append(("silhouette then", numbers.signed(float(r["silhouette_x0"]))))
    layout.facts(pairs)


def _keep(workspace: Workspace, dataset: Dataset, found: Result, picked: str) -> None:
    """Offer the spaces of the model to the other pages."""
    specs = leakage.spaces_of(dataset, found, picked)
    lacking = [s for s in specs if not workspace.cache.contains(s.key)]
    if not lacking:
        st.caption(
            f"The spaces of {plain(picked)} are spaces like any other: look at them in Explore, "
            "Neighbourhoods and Similarity and accuracy."
        )
        return
    jobs.compute(
        workspace,
        lacking,
        f"Keep the spaces of {picked}",
        "leakage-keep",
        primary=False,
        text=f"x_a, E_a, x_t and E_t of **{plain(picked)}** can stand beside the dataset’s other spaces.",
    )
