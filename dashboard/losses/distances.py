"""Distances between classes before and after each setting, a matrix each, and the clips behind a pair."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.components import matrices
from dashboard.data import Clips
from dashboard.kit import form, layout, numbers, table
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.data import Result
from dashboard.losses.spaces import BEFORE
from dashboard.memory import once
from jobs.workspace.workspace import Dataset

#: Pairs of clips in each list.
_MOST = 4


def show(view: state.View, dataset: Dataset, c: Clips, found: Result, file: str) -> None:
    """Draw the matrices, and the lists of the chosen pair."""
    st.subheader("Distances between classes", anchor=False)
    classes, settings = _controls(view, found)
    if len(classes) < 2 or not settings:
        st.info("Choose at least two classes and one setting to see their distances.", icon=":material/info:")
        return
    first, second = loss_spaces.first_pair(found, classes)
    pair = view.choice("a", classes, first), view.choice("b", classes, second)
    setting = view.choice("of", found.names, losses.usual_settings(found)[0])
    content = once(
        ("losses-matrices", found.spec.key, tuple(classes), tuple(settings)),
        lambda: matrices.content(
            classes,
            settings,
            [_said(found, name) for name in settings],
            loss_spaces.matrices(found, classes, settings),
        ),
    )
    matrices.show(
        content,
        key="losses-matrices",
        label=f"Distances of {len(classes)} classes in {numbers.count(len(settings), 'setting')}",
        file=f"class-distances-{file}",
        pair=pair,
        setting=setting,
        chooses=("losses.of", "losses.a", "losses.b"),
        choosable=found.names,
    )
    table.download(
        "losses-matrices-csv",
        f"class-distances-{file}",
        partial(loss_spaces.matrices_table, found),
    )
    layout.reading(
        "As Figure 5 of Almudévar et al., *Angular distance distribution loss for audio classification*, "
        f"with {loss_spaces.before_is(found)} in front: above, the mean cosine distance of the clips of two "
        "classes (0 alike, 1 at right angles); below, its coefficient of variation, standard deviation / "
        "mean. **One scale for all settings**, so that colours can be compared. A dark diagonal above is "
        "tight classes; an even colour off it is classes that are equally far apart, which is what σₙ asks "
        "for; a dark diagonal below is clips of a class that are equally far from each other. Held-out clips "
        "only, each fold by the model that had not heard it, averaged over the folds of the first seed. "
        "Point at a cell to see its pair in all settings, click it to hear the clips."
    )
    _pair(view, dataset, c, found, classes, settings)


def _controls(view: state.View, found: Result) -> tuple[list[str], list[str]]:
    most = matrices.MOST
    usual = found.classes[: loss_spaces.USUAL_CLASSES]
    offered = [BEFORE, *found.names]
    left, right = st.columns(2, gap="medium")
    classes = form.several(
        view,
        "class",
        f"Classes, up to {most}",
        found.classes,
        usual,
        most=most,
        place=left,
        placeholder="choose classes",
    )
    settings = form.several(
        view, "setting", "Settings", offered, offered, place=right, placeholder="choose settings"
    )
    return [n for n in found.classes if n in classes], [n for n in offered if n in settings]


def _said(found: Result, name: str) -> str:
    if name == BEFORE:
        return losses.started_from(found.spec)
    a = loss_numbers.accuracies(found)[found.recipe(name)]
    return f"accuracy {loss_numbers.percent(a.value, a.sd)}"


def _pair(
    view: state.View, dataset: Dataset, c: Clips, found: Result, classes: list[str], settings: list[str]
) -> None:
    st.markdown("**Clips behind a cell** · click a cell, or choose here")
    places = st.columns(3, gap="medium")
    first = form.listed("Class", classes, view.key("a"), place=places[0])
    second = form.listed("and class", classes, view.key("b"), place=places[1])
    name = form.listed("after training with", found.names, view.key("of"), place=places[2])
    left, right = st.columns(2, gap="large")
    lists = [(f"Nearest after {name}", False, right, "after")]
    if loss_spaces.has_before(found):
        lists.insert(0, ("Nearest before", True, left, "before"))
    held = True
    for title, nearest_before, place, which in lists:
        some, held = loss_spaces.pairs(found, c, name, first, second, _MOST, nearest_before=nearest_before)
        with place:
            st.markdown(f"**{plain(title)}**")
            if some:
                distances = {"before": [p.before for p in some], "after": [p.after for p in some]}
                clip_list.show_pairs(
                    c,
                    [(p.first, p.second) for p in some],
                    key=f"losses-pairs-{which}",
                    dataset=dataset.name,
                    label=title,
                    # What the list is sorted by comes first: a phone has room for one.
                    numbers={name: distances[name] for name in sorted(distances, key=which.__ne__)},
                )
            else:
                st.caption("There is no such pair of clips; choose other classes.")
    words = (
        "Cosine distances in all dimensions, by the model of the first seed and fold; each clip stands once."
    )
    if loss_spaces.has_before(found) and found.meta["before"] == "network":
        words += " Before are the clips of the map below, as the network has them that training begins with."
    if not held:
        words += " Of one of the classes this model has learned from all clips."
    st.caption(words)
    with st.expander("This pair in all settings", icon=":material/table:"):
        table.show(
            ["setting", "mean distance", "coefficient of variation"],
            [
                [setting, figured(mean), figured(cv)]
                for setting, mean, cv in loss_spaces.pair_rows(found, settings, first, second)
            ],
        )
