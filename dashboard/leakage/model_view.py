"""One of the models from near by: its classes, what it confuses, how it learned, its spaces to keep."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import numbers, state, ui
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import wide
from dashboard.leakage import data as leakage
from dashboard.leakage import learning_view as learning
from dashboard.leakage import maps as leakage_maps
from dashboard.leakage import model as leakage_model
from dashboard.leakage import model_figures as figures
from dashboard.leakage.data import Result
from dashboard.leakage.model import Judged
from dashboard.memory import once
from jobs.workspace.workspace import Dataset, Workspace

_CLASSES, _CONFUSION, _LIST = "leakage-classes", "leakage-confusion", "leakage-cell"
_MOST = 24


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
    _facts(shown)
    file = f"{file}-{picked.replace('/', '-')}"
    names = shown.classes
    first = leakage_model.first_cell(shown)
    pair = (
        view.choice("true", names, first[0], called="class of the clips"),
        view.choice("taken", names, first[1], called="class that they are taken for"),
    )
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        _classes(found, shown, picked, label, file)
    with right:
        _confusion(found, shown, picked, pair, file)
    ui.reading(
        "Left, the share of each class’s clips that are taken for it, grey marks are the other models: look "
        "which classes fall where captions are clean. Right, what clips were taken "
        "for, a row a class; the brighter, the more of the row (yellow is all). **Click a cell** to hear its "
        "clips. Sounds that are alike are confused even where their words are far apart (section 3.3)."
    )
    _cell(dataset, c, found, view, names, picked, pair)
    _learning(found, shown, picked, file)
    learning.pretraining(found, file)
    _keep(workspace, dataset, found, picked)


def _facts(shown: Judged) -> None:
    r = shown.row
    pairs = [
        ("accuracy, 95%", leakage_model.share_said(r)),
        ("chance", f"{r['chance']:.3f}"),
        ("pairs of sound and caption", f"{int(r['n_pairs']):,}"),
        ("left out as leaks", f"{int(r['n_removed']):,}"),
        ("clips: training / validation", f"{int(r['n_train_clips']):,} / {int(r['n_validation_clips']):,}"),
        ("epochs, kept", f"{int(r['epochs'])}, {int(r['best_epoch'])}"),
        ("temperature", f"{r['temperature']:.3f}" if np.isfinite(r["temperature"]) else "–"),
    ]
    ui.facts(pairs)


def _classes(found: Result, shown: Judged, picked: str, label: str, file: str) -> None:
    theme = ui.theme()
    rows = leakage_model.by_class(found, picked)
    ui.chart(
        figures.class_by_model_figure(
            rows, model=picked, chance=float(shown.row["chance"]), chosen=label, theme=theme
        ),
        key=_CLASSES,
        file=f"class-accuracy-{file}",
        csv=partial(leakage_model.by_class_csv, rows, picked),
        on_select=_class_clicked,
        caption="click a class to mark it in the maps",
        alt=f"Accuracy of {len(shown.classes)} test classes by {picked}",
    )


def _confusion(found: Result, shown: Judged, picked: str, pair: tuple[str, str], file: str) -> None:
    theme = ui.theme()
    confused = leakage_model.confused(shown)
    wide.matrix(_CONFUSION, len(confused.taken))
    ui.chart(
        once(
            ("figure", "leakage-confusion", found.spec.key, picked, pair, theme),
            lambda: figures.confused_figure(confused, picked=pair, theme=theme),
        ),
        key=_CONFUSION,
        file=f"confusion-{file}",
        csv=partial(leakage_model.confusion_csv, shown),
        on_select=_cell_clicked,
        caption="; ".join(
            filter(None, ["click a cell to list its clips", leakage_model.confused_said(confused)])
        ),
        alt=f"Confusion matrix of {len(confused.names)} test classes by {picked}",
    )


def _cell(
    dataset: Dataset,
    c: Clips,
    found: Result,
    view: state.View,
    names: list[str],
    picked: str,
    pair: tuple[str, str],
) -> None:
    places = st.columns(2, gap="medium")
    places[0].selectbox("Clips of", names, key=view.key("true"))
    places[1].selectbox("taken for", names, key=view.key("taken"))
    true, taken = pair
    cell = leakage_model.in_cell(found, picked, true, taken)
    if not len(cell):
        said = "is taken for itself" if true == taken else f"is taken for {ui.plain(taken)}"
        st.caption(f"No clip of {ui.plain(true)} {said}. Click another cell.")
        return
    some = cell.iloc[:_MOST]
    order = "surest first" if true == taken else "nearly right first"
    st.markdown(f"**{numbers.count(len(cell), 'clip')}, {order}**")
    columns = {"score": [numbers.signed(v) for v in some["score"].tolist()]}
    if true != taken:
        columns["own class"] = [numbers.signed(v) for v in some["own_score"].tolist()]
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        clip_list.show(
            c,
            some["clip_id"].astype(str).tolist(),
            key=_LIST,
            dataset=dataset.name,
            label=f"Test clips of {true} taken for {taken}",
            numbers=columns,
        )
    with right:
        st.markdown(f"Clips of **{ui.plain(taken)}**, to compare")
        beside = leakage_maps.of_class(found, picked, taken)["clip_id"].astype(str).tolist()
        clip_list.show(
            c,
            [i for i in reversed(beside) if i not in set(some["clip_id"])][:4],
            key="leakage-beside",
            dataset=dataset.name,
            label=f"Test clips of {taken}",
        )


def _learning(found: Result, shown: Judged, picked: str, file: str) -> None:
    st.markdown("**How it learned**")
    theme = ui.theme()
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        ui.chart(
            once(
                ("figure", "leakage-learning", found.spec.key, picked, theme),
                lambda: figures.contrastive_learning_figure(
                    leakage_model.curves(found, picked),
                    best=int(shown.row["best_epoch"]),
                    unfrozen=found.spec.frozen_epochs,
                    theme=theme,
                ),
            ),
            key="leakage-learning",
            file=f"learning-curves-{file}",
            csv=partial(leakage_model.curves_csv, found, picked),
            alt="Losses, temperature and gradient norm over the epochs",
        )
    with right:
        stopped = str(shown.row.get("stopped") or "")
        if stopped:
            st.caption(f"Stopped early: {ui.plain(stopped)}")
        _pretraining(found, picked)
        by = found.spec.validation_by
        held = (
            "no caption of a validation clip is trained on"
            if by == "clip"
            else "other captions of a validation clip may be trained on, as in the paper"
        )
        ui.reading(
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
    ui.facts(pairs)


def _keep(workspace: Workspace, dataset: Dataset, found: Result, picked: str) -> None:
    """Offer the spaces of the model to the other pages."""
    specs = leakage.spaces_of(dataset, found, picked)
    lacking = [s for s in specs if not workspace.cache.contains(s.key)]
    if not lacking:
        st.caption(
            f"The spaces of {ui.plain(picked)} are spaces like any other: look at them in Explore, "
            "Neighbourhoods and Similarity and accuracy."
        )
        return
    ui.compute(
        workspace,
        lacking,
        f"Keep the spaces of {picked}",
        "leakage-keep",
        primary=False,
        said=f"x_a, E_a, x_t and E_t of **{ui.plain(picked)}** can stand beside the dataset’s other spaces.",
    )


def _class_clicked() -> None:
    for found in ui.clicked(_CLASSES):
        name = found[0] if isinstance(found, list) else found
        st.session_state["leakage.class"] = str(name)


def _cell_clicked() -> None:
    for found in ui.clicked(_CONFUSION):
        st.session_state["leakage.true"], st.session_state["leakage.taken"] = found
