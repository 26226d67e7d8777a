"""Zero-shot classification of a dataset by a model of two towers: prompts, accuracy by class, confusions."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import numbers, state, ui
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import wide
from dashboard.leakage import model as leakage_model
from dashboard.leakage import model_figures as figures
from dashboard.memory import once
from dashboard.predictors import towers
from dashboard.predictors.board import Board
from dashboard.predictors.towers import Classified
from dashboard.results import has
from jobs.contrastive_presets import PROMPTS
from jobs.specs import SpecError
from jobs.workspace.workspace import Workspace

_CLASSES, _CONFUSION = "predictors-classes", "predictors-confusion"
_MOST = 24


def show(workspace: Workspace, view: state.View, b: Board, c: Clips, file: str) -> None:
    """Draw what can be asked for, then what it came to."""
    st.subheader("Zero-shot classification by two towers", anchor=False)
    there = towers.candidates(b)
    if not there:
        st.caption(
            "No space here is of a model that embeds texts as well: embed the dataset with one, such as "
            "transformers:laion/clap-htsat-unfused, or train one in Leakage lab."
        )
        return
    classified = [name for name, spec in there.items() if spec.key in b.classified]
    view.choice("tower", list(there), next(iter([*classified, *there])), called="model")
    left, right = st.columns([1, 1.6], gap="medium", vertical_alignment="bottom")
    space = str(left.selectbox("Model", list(there), key=view.key("tower")))
    prompts: tuple[str, ...] = ()
    if there[space].source is None:
        view.text("prompts", default=towers.BETWEEN.join(PROMPTS[:2]))
        text = right.text_input(
            "Prompts, | between several",
            key=view.key("prompts"),
            help="{} stands for the name of the class. Several count by the mean of their embeddings.",
        )
        try:
            prompts = towers.prompts_in(str(text))
        except SpecError as error:
            st.warning(ui.plain(str(error)), icon=":material/rule:")
            return
    try:
        spec = towers.asked(b, space, prompts)
    except ValueError as error:
        st.warning(ui.plain(str(error)), icon=":material/rule:")
        return
    if has(spec):
        _result(view, b, c, towers.result(spec), f"{file}-{space.rpartition('/')[2]}")
    else:
        ui.compute(
            workspace,
            [spec],
            f"Classify {numbers.count(c.n, 'clip')}",
            "predictors-classify",
            primary=False,
            said=f"Each clip is taken for the class whose text **{ui.plain(space)}** puts nearest to it.",
        )


def _result(view: state.View, b: Board, c: Clips, found: Classified, file: str) -> None:
    result = found.result
    ui.facts(
        [
            ("accuracy, 95%", f"{result.accuracy:.3f} ({result.low:.3f} to {result.high:.3f})"),
            ("mean over classes", f"{result.balanced:.3f}"),
            ("chance", f"{result.chance:.3f}"),
            ("clips", f"{result.n:,}"),
            ("classes", f"{result.n_classes:,}"),
            ("left out", f"{sum(result.left_out.values()):,}"),
        ]
    )
    names = found.judged.classes
    first = leakage_model.first_cell(found.judged)
    pair = (
        view.choice("true", names, first[0], called="class of the clips"),
        view.choice("taken", names, first[1], called="class that they are taken for"),
    )
    theme = ui.theme()
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        rows = towers.by_class(found)
        ui.chart(
            figures.class_by_model_figure(rows, model="accuracy", chance=result.chance, theme=theme),
            key=_CLASSES,
            file=f"class-accuracy-{file}",
            csv=partial(leakage_model.by_class_csv, rows, "accuracy"),
            alt=f"Zero-shot accuracy of {len(rows.names)} classes",
        )
    with right:
        _confusion(found, pair, file, theme)
    trained = found.spec.embedding.source is not None
    ui.reading(
        "The class of a clip is that of the text with the largest cosine; several prompts count by the mean "
        "of their unit vectors. Intervals are Wilson’s, 95%. **Click a cell** to hear its clips."
        + (" This model was trained on most of these clips: see Leakage lab for others." if trained else "")
    )
    _cell(view, b, c, found, names, pair)


def _confusion(found: Classified, pair: tuple[str, str], file: str, theme: str) -> None:
    confused = leakage_model.confused(found.judged)
    wide.matrix(_CONFUSION, len(confused.taken))
    ui.chart(
        once(
            ("figure", "towers-confusion", found.spec.key, pair, theme),
            lambda: figures.confused_figure(confused, picked=pair, theme=theme),
        ),
        key=_CONFUSION,
        file=f"confusion-{file}",
        csv=partial(leakage_model.confusion_csv, found.judged),
        on_select=_clicked,
        caption="; ".join(
            filter(None, ["click a cell to list its clips", leakage_model.confused_said(confused)])
        ),
        alt=f"Confusion matrix of {len(confused.names)} classes",
    )


def _cell(
    view: state.View, b: Board, c: Clips, found: Classified, names: list[str], pair: tuple[str, str]
) -> None:
    places = st.columns(2, gap="medium")
    places[0].selectbox("Clips of", names, key=view.key("true"))
    places[1].selectbox("taken for", names, key=view.key("taken"))
    true, taken = pair
    cell = towers.in_cell(found, true, taken)
    if not len(cell):
        said = "is taken for itself" if true == taken else f"is taken for {ui.plain(taken)}"
        st.caption(f"No clip of {ui.plain(true)} {said}. Click another cell.")
        return
    some = cell.iloc[:_MOST]
    order = "surest first" if true == taken else "nearly right first"
    st.markdown(f"**{numbers.count(len(cell), 'clip')}, {order}**")
    columns = {"score": [numbers.signed(v) for v in np.asarray(some["score"], float).tolist()]}
    if true != taken:
        columns["own class"] = [numbers.signed(v) for v in np.asarray(some["own_score"], float).tolist()]
    clip_list.show(
        c,
        some["clip_id"].astype(str).tolist(),
        key="predictors-cell",
        dataset=b.dataset.name,
        label=f"Clips of {true} taken for {taken}",
        numbers=columns,
    )


def _clicked() -> None:
    for found in ui.clicked(_CONFUSION):
        st.session_state["predictors.true"], st.session_state["predictors.taken"] = found
