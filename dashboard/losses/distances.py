"""Distances between classes before and after each setting, a matrix each, and the clips behind a pair."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import numbers, state, ui
from dashboard.components import clips as clip_list
from dashboard.components import matrices
from dashboard.data import Clips
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.data import Result
from dashboard.losses.spaces import BEFORE, Pair
from dashboard.memory import once
from dashboard.separability.figures import figured
from jobs.workspace.workspace import Dataset

_KEY = "losses-matrices"
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
        key=_KEY,
        label=f"Distances of {len(classes)} classes in {numbers.count(len(settings), 'setting')}",
        file=f"class-distances-{file}",
        pair=pair,
        setting=setting,
        on_pair=partial(_clicked, tuple(found.names)),
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button(
            "CSV",
            data=partial(loss_spaces.matrices_table, found),
            file_name=f"class-distances-{file}.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key="losses-matrices-csv",
        )
    ui.reading(
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
    usual = list(found.classes[: loss_spaces.USUAL_CLASSES])
    view.many("class", list(found.classes), usual, most=most)
    offered = [BEFORE, *found.names]
    view.many("setting", offered, offered)
    left, right = st.columns(2, gap="medium")
    with left:
        classes = st.multiselect(
            f"Classes, up to {most}",
            list(found.classes),
            key=view.key("class"),
            max_selections=most,
            placeholder="choose classes",
        )
    with right:
        settings = st.multiselect("Settings", offered, key=view.key("setting"), placeholder="choose settings")
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
    first = str(places[0].selectbox("Class", classes, key=view.key("a")))
    second = str(places[1].selectbox("and class", classes, key=view.key("b")))
    name = str(places[2].selectbox("after training with", found.names, key=view.key("of")))
    left, right = st.columns(2, gap="large")
    lists = [(f"Nearest after {name}", False, right, "after")]
    if loss_spaces.has_before(found):
        lists.insert(0, ("Nearest before", True, left, "before"))
    held = True
    for title, nearest_before, place, which in lists:
        some, held = loss_spaces.pairs(found, c, name, first, second, _MOST, nearest_before=nearest_before)
        with place:
            st.markdown(f"**{ui.plain(title)}**")
            if some:
                _list(dataset, c, some, title, which)
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
        ui.table(
            ["setting", "mean distance", "coefficient of variation"],
            [
                [setting, figured(mean), figured(cv)]
                for setting, mean, cv in loss_spaces.pair_rows(found, settings, first, second)
            ],
        )


def _list(dataset: Dataset, c: Clips, some: list[Pair], title: str, which: str) -> None:
    values = {"before": [p.before for p in some], "after": [p.after for p in some]}
    # What the list is sorted by comes first: a phone has room for one.
    columns = {
        name: [figured(v) for v in values[name] for _ in range(2)]
        for name in sorted(values, key=which.__ne__)
    }
    columns["pair"] = [str(i) for i, _ in enumerate(some, start=1) for _ in range(2)]
    clip_list.show(
        c,
        [clip for p in some for clip in (p.first, p.second)],
        key=f"losses-pairs-{which}",
        dataset=dataset.name,
        label=title,
        numbers=columns,
    )


def _clicked(names: tuple[str, ...]) -> None:
    value = st.session_state[_KEY].get("pair")
    if isinstance(value, list) and len(value) == 3:
        setting, st.session_state["losses.a"], st.session_state["losses.b"] = value
        if setting in names:
            st.session_state["losses.of"] = setting
