"""Zero-shot classification of a dataset by a model of two towers: prompts, accuracy by class, confusions."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.data import Clips
from dashboard.kit import chart, confusion, jobs, layout, numbers
from dashboard.kit.confusion_figures import by_class_figure
from dashboard.kit.confusion_numbers import by_class, by_class_table, in_cell
from dashboard.kit.layout import plain
from dashboard.predictors import towers
from dashboard.predictors.board import Board
from dashboard.predictors.towers import Classified
from dashboard.results import has
from jobs.contrastive_presets import PROMPTS
from jobs.specs import SpecError
from jobs.workspace.workspace import Workspace


def show(workspace: Workspace, view: state.View, b: Board, c: Clips, file: str) -> None:
    """Draw the choice of model and prompts, then the result."""
    st.subheader("Zero-shot classification by two towers", anchor=False)
    models = towers.candidates(b)
    if not models:
        st.caption(
            "No space here is of a model that embeds texts as well: embed the dataset with one, such as "
            "transformers:laion/clap-htsat-unfused, or train one in Leakage lab."
        )
        return
    classified = [name for name, spec in models.items() if spec.key in b.classified]
    view.choice("tower", list(models), next(iter([*classified, *models])), called="model")
    left, right = st.columns([1, 1.6], gap="medium", vertical_alignment="bottom")
    space = str(left.selectbox("Model", list(models), key=view.key("tower")))
    prompts: tuple[str, ...] = ()
    if models[space].source is None:
        view.text("prompts", default=towers.BETWEEN.join(PROMPTS[:2]))
        text = right.text_input(
            "Prompts, | between several",
            key=view.key("prompts"),
            help="{} stands for the name of the class. Several count by the mean of their embeddings.",
        )
        try:
            prompts = towers.prompts_in(str(text))
        except SpecError as error:
            st.warning(plain(str(error)), icon=":material/rule:")
            return
    try:
        spec = towers.asked(b, space, prompts)
    except ValueError as error:
        st.warning(plain(str(error)), icon=":material/rule:")
        return
    if has(spec):
        _result(view, b, c, towers.result(spec), f"{file}-{space.rpartition('/')[2]}")
    else:
        jobs.compute(
            workspace,
            [spec],
            f"Classify {numbers.count(c.n, 'clip')}",
            "predictors-classify",
            primary=False,
            text=f"Each clip is assigned to the class whose text is nearest to it in **{plain(space)}**.",
        )


def _result(view: state.View, b: Board, c: Clips, classified: Classified, file: str) -> None:
    result = classified.result
    layout.facts(
        [
            ("accuracy, 95%", f"{result.accuracy:.3f} ({result.low:.3f} to {result.high:.3f})"),
            ("mean over classes", f"{result.balanced:.3f}"),
            ("chance", f"{result.chance:.3f}"),
            ("clips", f"{result.n:,}"),
            ("classes", f"{result.n_classes:,}"),
            ("left out", f"{sum(result.left_out.values()):,}"),
        ]
    )
    shown = classified.judged
    pair = confusion.choose(view, shown)
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        rows = by_class(shown)
        chart.show(
            by_class_figure(rows, model="accuracy", chance=result.chance, theme=layout.theme()),
            key="predictors-classes",
            file=f"class-accuracy-{file}",
            csv=lambda: by_class_table(rows, "accuracy"),
            alt=f"Zero-shot accuracy of {len(rows.names)} classes",
        )
    with right:
        confusion.show_matrix(
            shown,
            pair,
            key="predictors-confusion",
            file=file,
            chooses=("predictors.true", "predictors.taken"),
            remembered=(classified.spec.key,),
        )
    trained = classified.spec.embedding.source is not None
    layout.reading(
        "The class of a clip is that of the text with the largest cosine; several prompts count by the mean "
        "of their unit vectors. Intervals are Wilson’s, 95%. **Click a cell** to hear its clips."
        + (" This model was trained on most of these clips: see Leakage lab for others." if trained else "")
    )
    confusion.choose_cell(view, shown)
    cell = in_cell(classified.predictions, *pair)
    if not len(cell):
        confusion.no_clip(*pair)
        return
    confusion.list_cell(
        c,
        cell,
        pair,
        key="predictors-cell",
        dataset=b.dataset.name,
    )
