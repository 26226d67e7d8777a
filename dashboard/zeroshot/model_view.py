"""One zero-shot model from near by: its test classes, what it confuses, how it learned, clips to hear."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from dashboard import numbers, state, ui
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.memory import once
from dashboard.splits.parts import select
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import model as zeroshot_model
from dashboard.zeroshot import model_figures
from dashboard.zeroshot.data import Result
from dashboard.zeroshot.model import Judged
from jobs.workspace.workspace import Dataset

_CONFUSION = "zeroshot-confusion"
_LIST = "zeroshot-clips"
#: Clips in the list of a cell, and of each class beside the chosen one.
_MOST = 12
_BESIDE = 3


def show(view: state.View, dataset: Dataset, c: Clips, found: Result, picked: str, file: str) -> None:
    """Draw the model, then the clips of a cell of its confusion matrix."""
    st.subheader("One model", anchor=False)
    words = dict(zip(found.models["id"], _names(found), strict=True))
    select("Model: click a dot above, or choose here", words, view.key("model"))
    shown = zeroshot_model.judged(found, picked)
    _facts(found, shown)
    first = zeroshot_model.first_cell(shown)
    pair = (
        view.choice("clips-of", shown.classes, first[0]),
        view.choice("taken-for", shown.classes, first[1]),
    )
    file = f"{file}-model-{picked}"
    left, middle, right = st.columns([1, 1.1, 1.1], gap="medium")
    with left:
        _accuracy(found, shown, picked, file)
    with middle:
        _confusion(found, shown, picked, pair, file)
    with right:
        _learning(found, shown, picked, file)
    ui.reading(
        "First, the accuracy of each class that the model had never met: one below chance is mostly taken "
        "for others. Then what it was taken for, a row a class; yellow is all clips of the row. Last, how "
        "it learned, dotted lines are chance: training accuracy that rises while that of the **validation "
        "classes** does not is a projection that fits the training classes only (section 1 and Figure 2 of "
        "Dogan et al., *On the role of training class distribution in zero-shot audio classification*)."
    )
    _clips(view, dataset, c, shown, pair)


def _names(found: Result) -> list[str]:
    labels, at, _ = zeroshot.groups(found)
    what = zeroshot.VARIES[found.spec.setup]
    several = found.models["test_set"].nunique() > 1
    names = []
    for g, r in zip(at.tolist(), found.models.to_dict("records"), strict=True):
        words = [f"{what} {labels[g]}"]
        words += [f"test cluster {r['cluster']}"] * (found.spec.setup == "similarity")
        words += [f"seed {r['seed']}"] + [f"test set {r['test_set'] + 1}"] * several
        names.append(" · ".join([*words, f"accuracy {r['accuracy']:.3f}"]))
    return names


def _facts(found: Result, shown: Judged) -> None:
    r = shown.row
    ui.facts(
        [
            ("accuracy, 95%", f"{r['accuracy']:.3f} ({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})"),
            # The page opens on the best: that it is no typical one is seen here.
            ("rank by accuracy", f"{zeroshot_model.rank(found, shown):,} of {len(found.models):,}"),
            ("test clips", f"{int(r['n_test']):,}"),
            ("chance", f"{r['chance']:.3f}"),
            ("on validation classes", "–" if shown.unvalidated else f"{r['validation_accuracy']:.3f}"),
            ("train-test similarity", numbers.signed(float(r["train_test_similarity"]))),
            ("among training classes", numbers.signed(float(r["mean_similarity"]))),
        ]
    )
    st.caption(
        f"Trained on {ui.plain(', '.join(shown.train))}. "
        f"Validation: {ui.plain(', '.join(shown.validation))}. {shown.unvalidated}"
    )


def _accuracy(found: Result, shown: Judged, picked: str, file: str) -> None:
    theme = ui.theme()
    ui.chart(
        once(
            ("figure", "zero-shot-classes", found.spec.key, picked, theme),
            lambda: model_figures.class_accuracy_figure(
                shown.classes,
                shown.accuracy,
                shown.counts,
                chance=float(shown.row["chance"]),
                theme=theme,
            ),
        ),
        key="zeroshot-accuracy",
        file=f"class-accuracy-{file}",
        csv=partial(zeroshot_model.judged_table, shown),
        alt=f"Accuracy of {len(shown.classes)} test classes",
    )


def _confusion(found: Result, shown: Judged, picked: str, pair: tuple[str, str], file: str) -> None:
    theme = ui.theme()
    ui.chart(
        once(
            ("figure", "zero-shot-confusion", found.spec.key, picked, pair, theme),
            lambda: model_figures.confusion_figure(shown.classes, shown.confusion, picked=pair, theme=theme),
        ),
        key=_CONFUSION,
        file=f"confusion-{file}",
        csv=partial(zeroshot_model.confusion_table, shown),
        on_select=_clicked,
        caption="click a cell to list its clips",
        alt=f"Confusion matrix of {len(shown.classes)} test classes",
    )


def _learning(found: Result, shown: Judged, picked: str, file: str) -> None:
    theme = ui.theme()
    ui.chart(
        once(
            ("figure", "zero-shot-learning", found.spec.key, picked, theme),
            lambda: model_figures.learning_figure(
                zeroshot_model.curves(found, shown),
                best=int(shown.row["best_epoch"]),
                n_train=len(shown.train),
                n_validation=len(shown.validation),
                chance=shown.chances,
                theme=theme,
            ),
        ),
        key="zeroshot-learning",
        file=f"learning-curves-{file}",
        csv=partial(zeroshot_model.curves_table, found, shown),
        alt="Loss, training and validation accuracy over the epochs",
    )


# -- clips ------------------------------------------------------------------------------------------------


def _clips(view: state.View, dataset: Dataset, c: Clips, shown: Judged, pair: tuple[str, str]) -> None:
    st.markdown("**Test clips of a cell**")
    places = st.columns(2, gap="medium")
    places[0].selectbox("Clips of", shown.classes, key=view.key("clips-of"))
    places[1].selectbox("taken for", shown.classes, key=view.key("taken-for"))
    true, taken = pair
    cell = zeroshot_model.in_cell(shown, true, taken)
    if not len(cell):
        said = "is taken for itself" if true == taken else f"is taken for {ui.plain(taken)}"
        st.caption(f"No clip of {ui.plain(true)} {said}. Click another cell.")
        return
    ids = cell["clip_id"].astype(str).tolist()[:_MOST]
    clip = view.text("clip", check=lambda given: given in ids) or ids[0]
    left, right = st.columns(2, gap="large")
    with left:
        more = f", {_MOST} of them" if len(cell) > _MOST else ""
        order = "surest first" if true == taken else "nearly right first"
        st.markdown(f"**{numbers.count(len(cell), 'clip')}{more}, {order}** · click a name to compare it")
        _list(c, dataset, cell, ids, clip, right=true == taken)
    with right:
        _beside(c, dataset, shown, clip)


def _list(c: Clips, dataset: Dataset, cell: pd.DataFrame, ids: list[str], clip: str, *, right: bool) -> None:
    some = cell.iloc[: len(ids)]
    columns = {"score": [numbers.signed(v) for v in some["score"].tolist()]}
    if not right:
        columns["own class"] = [numbers.signed(v) for v in some["own_score"].tolist()]
    clip_list.show(
        c,
        ids,
        key=_LIST,
        dataset=dataset.name,
        label="Test clips of the chosen cell",
        numbers=columns,
        chosen=clip,
        on_chosen=_chosen,
    )


def _beside(c: Clips, dataset: Dataset, shown: Judged, clip: str) -> None:
    """Let the chosen clip be heard beside clips of the classes that it was scored against."""
    scores = zeroshot_model.scored(shown, clip)
    true = str(c.labels[c.row[clip]])
    taken = scores[0][0]
    rival = next(name for name, _ in scores if name != true) if taken == true else taken
    st.markdown(f"**{ui.plain(str(c.files[c.row[clip]]))}** beside the classes it was scored against")
    said = []
    for name, value in scores:
        marks = [word for word, is_it in (("its class", name == true), ("predicted", name == taken)) if is_it]
        said.append([name, numbers.signed(value), " and ".join(marks)])
    ui.table(["class", "score, −1 to 1", ""], said)
    lists = [("The clip", [clip], "own")]
    for title, name, key in (
        (f"Its class: {true}", true, "true"),
        (f"{'Next' if taken == true else 'Predicted'}: {rival}", rival, "rival"),
    ):
        ids = [str(i) for i in c.ids[c.labels == name] if str(i) != clip][:_BESIDE]
        lists.append((title, ids, key))
    for title, ids, key in lists:
        st.markdown(f"**{ui.plain(title)}**")
        clip_list.show(c, ids, key=f"zeroshot-beside-{key}", dataset=dataset.name, label=title)
    with st.expander("The other classes"):
        for i, (name, _) in enumerate(scores):
            if name not in (true, rival):
                ids = [str(k) for k in c.ids[c.labels == name]][:1]
                clip_list.show(
                    c, ids, key=f"zeroshot-beside-{i}", dataset=dataset.name, label=f"A clip of {name}"
                )


def _clicked() -> None:
    for found in ui.clicked(_CONFUSION):
        st.session_state["zeroshot.clips-of"], st.session_state["zeroshot.taken-for"] = found


def _chosen() -> None:
    value = st.session_state[_LIST].get("chosen")
    if isinstance(value, str):
        st.session_state["zeroshot.clip"] = value
