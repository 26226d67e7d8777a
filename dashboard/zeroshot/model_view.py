"""One zero-shot model from near by: its test classes, what it confuses, how it learned, clips to hear."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, confusion, form, layout, numbers, table
from dashboard.kit.confusion_figures import by_class_figure
from dashboard.kit.confusion_numbers import by_class, by_class_table
from dashboard.kit.layout import plain
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import figures
from dashboard.zeroshot import model as zeroshot_model
from dashboard.zeroshot.data import Result
from dashboard.zeroshot.model import Judged
from jobs.workspace.workspace import Dataset

_CELL = ("clips-of", "taken-for")
#: Clips in the list of a cell, and of each class beside the chosen one.
_MOST = 12
_BESIDE = 3


def show(view: state.View, dataset: Dataset, c: Clips, found: Result, picked: str, file: str) -> None:
    """Draw the model, then the clips of a cell of its confusion matrix."""
    st.subheader("One model", anchor=False)
    words = dict(zip(found.models["id"], _names(found), strict=True))
    form.relisted("Model: click a dot above, or choose here", words, view.key("model"))
    shown = zeroshot_model.judged(found, picked)
    _facts(found, shown)
    pair = confusion.choose(view, shown, _CELL)
    file = f"{file}-model-{picked}"
    left, middle, right = st.columns([1, 1.1, 1.1], gap="medium")
    with left:
        _accuracy(found, shown, picked, file)
    with middle:
        confusion.show_matrix(
            shown,
            pair,
            key="zeroshot-confusion",
            file=file,
            chooses=[view.key(name) for name in _CELL],
            remembered=(found.spec.key, picked),
        )
    with right:
        _learning(found, shown, picked, file)
    layout.reading(
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
    layout.facts(
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
        f"Trained on {plain(', '.join(shown.train))}. "
        f"Validation: {plain(', '.join(shown.validation))}. {shown.unvalidated}"
    )


def _accuracy(found: Result, shown: Judged, picked: str, file: str) -> None:
    rows = by_class(shown)
    chance = float(shown.row["chance"])
    chart.show(
        lambda theme: by_class_figure(rows, model="accuracy", chance=chance, theme=theme),
        remembered=("zero-shot-classes", found.spec.key, picked),
        key="zeroshot-accuracy",
        file=f"class-accuracy-{file}",
        csv=lambda: by_class_table(rows, "accuracy"),
        alt=f"Accuracy of {len(shown.classes)} test classes",
    )


def _learning(found: Result, shown: Judged, picked: str, file: str) -> None:
    chart.show(
        lambda theme: figures.learning_figure(
            zeroshot_model.curves(found, shown),
            best=int(shown.row["best_epoch"]),
            n_train=len(shown.train),
            n_validation=len(shown.validation),
            chance=shown.chances,
            theme=theme,
        ),
        remembered=("zero-shot-learning", found.spec.key, picked),
        key="zeroshot-learning",
        file=f"learning-curves-{file}",
        csv=partial(zeroshot_model.curves_table, found, shown),
        alt="Loss, training and validation accuracy over the epochs",
    )


# -- clips ------------------------------------------------------------------------------------------------


def _clips(view: state.View, dataset: Dataset, c: Clips, shown: Judged, pair: tuple[str, str]) -> None:
    st.markdown("**Test clips of a cell**")
    confusion.choose_cell(view, shown, _CELL)
    cell = zeroshot_model.in_cell(shown, *pair)
    if not len(cell):
        confusion.no_clip(*pair)
        return
    ids = cell["clip_id"].astype(str).tolist()[:_MOST]
    clip = view.text("clip", check=lambda given: given in ids) or ids[0]
    left, right = st.columns(2, gap="large")
    with left:
        confusion.list_cell(
            c,
            cell,
            pair,
            key="zeroshot-clips",
            dataset=dataset.name,
            most=_MOST,
            more=" · click a name to compare it",
            chosen=clip,
            chooses=view.key("clip"),
        )
    with right:
        _beside(c, dataset, shown, clip)


def _beside(c: Clips, dataset: Dataset, shown: Judged, clip: str) -> None:
    """Let the chosen clip be heard beside clips of the classes that it was scored against."""
    scores = zeroshot_model.scored(shown, clip)
    true = str(c.labels[c.row[clip]])
    taken = scores[0][0]
    rival = next(name for name, _ in scores if name != true) if taken == true else taken
    st.markdown(f"**{plain(str(c.files[c.row[clip]]))}** beside the classes it was scored against")
    said = []
    for name, value in scores:
        marks = [word for word, is_it in (("its class", name == true), ("predicted", name == taken)) if is_it]
        said.append([name, numbers.signed(value), " and ".join(marks)])
    table.show(["class", "score, −1 to 1", ""], said)
    lists = [("The clip", [clip], "own")]
    for title, name, key in (
        (f"Its class: {true}", true, "true"),
        (f"{'Next' if taken == true else 'Predicted'}: {rival}", rival, "rival"),
    ):
        ids = [str(i) for i in c.ids[c.labels == name] if str(i) != clip][:_BESIDE]
        lists.append((title, ids, key))
    for title, ids, key in lists:
        st.markdown(f"**{plain(title)}**")
        clip_list.show(c, ids, key=f"zeroshot-beside-{key}", dataset=dataset.name, label=title)
    with st.expander("The other classes"):
        for i, (name, _) in enumerate(scores):
            if name not in (true, rival):
                ids = [str(k) for k in c.ids[c.labels == name]][:1]
                clip_list.show(
                    c, ids, key=f"zeroshot-beside-{i}", dataset=dataset.name, label=f"A clip of {name}"
                )
