"""One zero-shot model: its test classes, what it confuses, how it learned, and clips to listen to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.data import Clips
from dashboard.kit import chart, confusion, confusion_numbers, form, layout, numbers, table
from dashboard.kit.confusion_figures import by_class_figure
from dashboard.kit.confusion_numbers import by_class, by_class_table
from dashboard.kit.layout import plain
from dashboard.memory import once
from dashboard.results import result
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import figures
from jobs.specs import ZeroShotGrid
from jobs.workspace.workspace import Dataset

_CELL = ("clips-of", "taken-for")
#: Clips in the list of a cell, and of each class beside the chosen one.
_MOST = 12
_BESIDE = 3


@dataclass(frozen=True)
class Judged(confusion_numbers.Judged):
    """A model on one test set; the test classes are in the order of `scores`.

    Attributes
    ----------
    row : Series
        Its row in `zeroshot.models`.
    train, validation : list of str
        The classes that it was trained on, and those that it was validated by.
    clips : DataFrame
        ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score`` of its test clips.
    scores : ndarray, shape (n, C)
    """

    row: pd.Series
    train: list[str]
    validation: list[str]
    clips: pd.DataFrame
    scores: np.ndarray

    @property
    def unvalidated(self) -> str:
        """Why there is no accuracy on the validation classes, "" where there is one."""
        if len(self.validation) > 1:
            return ""
        return (
            "With one validation class, every clip is predicted as it, which measures nothing: there is a "
            "validation accuracy from two on."
        )


def judged(spec: ZeroShotGrid, id: str) -> Judged:
    """Return a model of a grid on one test set, by its name in links."""
    return once(("zero-shot-model", spec.key, id), lambda: _judged(spec, id))


def _judged(spec: ZeroShotGrid, id: str) -> Judged:
    import pyarrow.compute as pc

    m = zeroshot.models(spec)
    row = m[m["id"] == id].iloc[0]
    here = (pc.field("model") == int(row["model"])) & (pc.field("test_set") == int(row["test_set"]))
    stored = result(spec)
    part = stored.classes.filter(here).to_pandas().groupby("part")["label"].agg(list)
    clips = stored.predictions.filter(here).to_pandas()
    test = part["test"]
    truth, guess = (pd.Index(test).get_indexer(clips[name]) for name in ("label", "predicted"))
    n = len(test)
    confusion = np.bincount(truth * n + guess, minlength=n * n).reshape(n, n)
    scores = np.array(clips.pop("scores").to_list(), float).reshape(-1, n)
    return Judged(test, confusion, row, part["train"], part["validation"], clips, scores)


def rank(spec: ZeroShotGrid, shown: Judged) -> int:
    """Return the place of a model by accuracy among all of its grid, from 1."""
    return int((zeroshot.models(spec)["accuracy"] > shown.row["accuracy"]).sum()) + 1


def in_cell(shown: Judged, true: str, predicted: str) -> pd.DataFrame:
    """Return the clips of a cell of the confusion matrix, those that were nearly right first.

    On the diagonal, which holds those that were right, those with the largest lead over the next class come
    first.
    """
    cell = confusion_numbers.in_cell(shown.clips.assign(at=np.arange(len(shown.clips))), true, predicted)
    if true == predicted:
        ordered = np.sort(shown.scores[cell["at"]], axis=1)  # (clips, C)
        cell = cell.assign(margin=ordered[:, -2] - ordered[:, -1])
        cell = cell.sort_values(["margin", "clip_id"], kind="stable").reset_index(drop=True)
    return cell


def scored(shown: Judged, clip: str) -> list[tuple[str, float]]:
    """Return the test classes with the clip's score for each, the highest first."""
    scores = shown.scores[shown.clips["clip_id"].tolist().index(clip)]
    return [(shown.classes[i], float(scores[i])) for i in np.argsort(-scores, kind="stable").tolist()]


def curves(spec: ZeroShotGrid, shown: Judged) -> np.ndarray:
    """Return loss, training and validation accuracy over the epochs, (3, E).

    The last is NaN where there is one validation class, the others where the model had stopped.
    """
    values = np.array(result(spec).curves[int(shown.row["model"])], float)
    if shown.unvalidated:
        values[2] = np.nan
    return values


def curves_table(spec: ZeroShotGrid, shown: Judged) -> pd.DataFrame:
    """Return the learning curves of a model as a table, without the validation accuracy where it has none."""
    names = ["loss", "train_accuracy", "validation_accuracy"]
    frame = pd.DataFrame(curves(spec, shown).T, columns=names)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame.drop(columns=names[2:]) if shown.unvalidated else frame


# -- on the page ------------------------------------------------------------------------------------------


def show(view: state.View, dataset: Dataset, c: Clips, spec: ZeroShotGrid, picked: str, file: str) -> None:
    """Draw the model, then the clips of a cell of its confusion matrix."""
    st.subheader("One model", anchor=False)
    words = dict(zip(zeroshot.models(spec)["id"], _names(spec), strict=True))
    form.relisted("Model: click a dot above, or choose here", words, view.key("model"))
    shown = judged(spec, picked)
    _facts(spec, shown)
    pair = confusion.choose(view, shown, _CELL)
    _charts(view, spec, shown, picked, pair, f"{file}-model-{picked}")
    layout.reading(
        "First, the accuracy of each class that the model had never met: one below chance is mostly "
        "predicted as others. Then the confusion matrix, a row a class; yellow is all clips of the row. "
        "Last, how it learned; dotted lines are chance: training accuracy that rises while that of the "
        "**validation classes** does not is a projection that fits the training classes only (section 1 and "
        "Figure 2 of Dogan et al., *On the role of training class distribution in zero-shot audio "
        "classification*)."
    )
    _clips(view, dataset, c, shown, pair)


def _charts(
    view: state.View, spec: ZeroShotGrid, shown: Judged, picked: str, pair: tuple[str, str], file: str
) -> None:
    rows, row = by_class(shown), shown.row
    left, middle, right = st.columns([1, 1.1, 1.1], gap="medium")
    with left:
        chart.show(
            lambda theme: by_class_figure(rows, model="accuracy", chance=float(row["chance"]), theme=theme),
            remembered=("zero-shot-classes", spec.key, picked),
            key="zeroshot-accuracy",
            file=f"class-accuracy-{file}",
            csv=lambda: by_class_table(rows, "accuracy"),
            alt=f"Accuracy of {len(shown.classes)} test classes",
        )
    with middle:
        confusion.show_matrix(
            shown,
            pair,
            key="zeroshot-confusion",
            file=file,
            chooses=[view.key(name) for name in _CELL],
            remembered=(spec.key, picked),
        )
    with right:
        n_train, n_validation = len(shown.train), len(shown.validation)
        best = int(row["best_epoch"])
        chart.show(
            lambda theme: figures.learning_figure(
                curves(spec, shown), best=best, n_train=n_train, n_validation=n_validation, theme=theme
            ),
            remembered=("zero-shot-learning", spec.key, picked),
            key="zeroshot-learning",
            file=f"learning-curves-{file}",
            csv=lambda: curves_table(spec, shown),
            alt="Loss, training and validation accuracy over the epochs",
        )


def _names(spec: ZeroShotGrid) -> list[str]:
    m = zeroshot.models(spec)
    groups, at, _ = zeroshot.groups(spec)
    several = m["test_set"].nunique() > 1
    names = []
    for g, r in zip(at.tolist(), m.to_dict("records"), strict=True):
        words = [f"{zeroshot.VARIES[spec.setup]} {groups[g]}"]
        words += [f"test cluster {r['cluster']}"] * (spec.setup == "similarity")
        words += [f"seed {r['seed']}"] + [f"test set {r['test_set'] + 1}"] * several
        names.append(" · ".join([*words, f"accuracy {r['accuracy']:.3f}"]))
    return names


def _facts(spec: ZeroShotGrid, shown: Judged) -> None:
    r = shown.row
    layout.facts(
        [
            ("accuracy, 95%", f"{r['accuracy']:.3f} ({r['accuracy_low']:.3f} to {r['accuracy_high']:.3f})"),
            # The page opens on the best model; its rank shows that it is not typical.
            ("rank by accuracy", f"{rank(spec, shown):,} of {len(zeroshot.models(spec)):,}"),
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


def _clips(view: state.View, dataset: Dataset, c: Clips, shown: Judged, pair: tuple[str, str]) -> None:
    st.markdown("**Test clips of a cell**")
    confusion.choose_cell(view, shown, _CELL)
    cell = in_cell(shown, *pair)
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
    """List the chosen clip beside clips of the classes that it was scored against."""
    scores = scored(shown, clip)
    true, predicted = str(c.labels[c.row[clip]]), scores[0][0]
    is_right = predicted == true
    rival = next(name for name, _ in scores if name != true) if is_right else predicted
    st.markdown(f"**{plain(str(c.files[c.row[clip]]))}** beside the classes it was scored against")
    marks = {predicted: "predicted", true: "its class and predicted" if is_right else "its class"}
    table.show(
        ["class", "score, −1 to 1", ""],
        [[name, numbers.signed(value), marks.get(name, "")] for name, value in scores],
    )

    def clips_of(name: str, most: int) -> list[str]:
        return [i for i in c.ids[c.labels == name].tolist() if i != clip][:most]

    for title, ids, key in (
        ("The clip", [clip], "own"),
        (f"Its class: {true}", clips_of(true, _BESIDE), "true"),
        (f"{'Next' if is_right else 'Predicted'}: {rival}", clips_of(rival, _BESIDE), "rival"),
    ):
        st.markdown(f"**{plain(title)}**")
        clip_list.show(c, ids, key=f"zeroshot-beside-{key}", dataset=dataset.name, label=title)
    with st.expander("The other classes"):
        for i, (name, _) in enumerate(scores):
            if name not in (true, rival):
                key, title = f"zeroshot-beside-{i}", f"A clip of {name}"
                clip_list.show(c, clips_of(name, 1), key=key, dataset=dataset.name, label=title)
