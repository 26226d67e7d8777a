"""Distances between classes before and after each setting, a matrix each, and the clips behind a pair."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.words import count
from dashboard import state
from dashboard.components import clips as clip_list
from dashboard.components import matrices
from dashboard.components.matrices import Number
from dashboard.data import Clips
from dashboard.kit import form, layout, table
from dashboard.kit.layout import plain
from dashboard.kit.numbers import figured
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces
from dashboard.losses.data import AnyGrid
from dashboard.losses.spaces import BEFORE
from dashboard.memory import once
from dashboard.results import result
from jobs.workspace.workspace import Dataset

#: Pairs of clips in each list.
_MOST = 4


def show(view: state.View, dataset: Dataset, c: Clips, spec: AnyGrid, file: str) -> None:
    """Draw the matrices, and the lists of the chosen pair."""
    st.subheader("Distances between classes", anchor=False)
    classes, settings = _controls(view, spec)
    if len(classes) < 2 or not settings:
        st.info("Choose at least two classes and one setting to see their distances.", icon=":material/info:")
        return
    first, second = spaces.nearest_classes(spec, classes)
    pair = view.choice("a", classes, first), view.choice("b", classes, second)
    setting = view.choice("of", losses.names(spec), losses.usual_settings(spec)[0])
    matrices.show(
        once(
            ("losses-matrices", spec.key, tuple(classes), tuple(settings)),
            lambda: _matrices(spec, classes, settings),
        ),
        key="losses-matrices",
        label=f"Distances of {len(classes)} classes in {count(len(settings), 'setting')}",
        file=f"class-distances-{file}",
        pair=pair,
        setting=setting,
        chooses=("losses.of", "losses.a", "losses.b"),
        choosable=losses.names(spec),
    )
    table.download("losses-matrices-csv", f"class-distances-{file}", partial(spaces.distances_table, spec))
    layout.reading(
        "As Figure 5 of Almudévar et al., *Angular distance distribution loss for audio classification*, "
        f"with {spaces.describe_start(spec)} in front: above, the mean cosine distance of the clips of two "
        "classes (0 alike, 1 at right angles); below, its coefficient of variation, standard deviation / "
        "mean. **One scale for all settings**, so that colours can be compared. A dark diagonal above means "
        "tight classes; an even colour off it means classes that are equally far apart, as σₙ asks for; a "
        "dark diagonal below means that clips of a class are equally far from each other. Held-out "
        "clips only, each fold by the model that was not trained on it, averaged over the folds of the first "
        "seed. Point at a cell to see its pair in all settings, click it to hear the clips."
    )
    pair = _pair(view, dataset, c, spec, classes)
    with st.expander("This pair in all settings", icon=":material/table:"):
        mean, cv = spaces.class_distances(spec, pair, settings)
        table.show(
            ["setting", "mean distance", "coefficient of variation"],
            [
                [name, figured(m[0, -1]), figured(v[0, -1])]
                for name, m, v in zip(settings, mean, cv, strict=True)
            ],
        )


def _controls(view: state.View, spec: AnyGrid) -> tuple[list[str], list[str]]:
    every, offered = result(spec).class_names, [BEFORE, *losses.names(spec)]
    left, right = st.columns(2, gap="medium")
    classes = form.several(
        view,
        "class",
        f"Classes, up to {matrices.MOST}",
        every,
        every[: spaces.USUAL_CLASSES],
        most=matrices.MOST,
        place=left,
        placeholder="choose classes",
    )
    settings = form.several(
        view, "setting", "Settings", offered, offered, place=right, placeholder="choose settings"
    )
    return [n for n in every if n in classes], [n for n in offered if n in settings]


def _matrices(spec: AnyGrid, classes: list[str], settings: list[str]) -> dict[str, object]:
    accuracy = {
        row["name"]: f"accuracy {loss_numbers.format_percent(row['accuracy'], row['sd'])}"
        for row in loss_numbers.accuracies(spec)
    } | {BEFORE: losses.started_from(spec)}
    mean, cv = spaces.class_distances(spec, classes, settings)
    numbers = [
        Number("mean cosine distance", "mean", mean),
        Number("coefficient of variation, sd / mean", "variation", cv),
    ]
    return matrices.content(classes, settings, [accuracy[name] for name in settings], numbers)


def _pair(view: state.View, dataset: Dataset, c: Clips, spec: AnyGrid, classes: list[str]) -> tuple[str, str]:
    """Draw the controls of a pair of classes and its nearest clips; return the pair."""
    st.markdown("**Clips behind a cell** · click a cell, or choose here")
    places = st.columns(3, gap="medium")
    first = form.listed("Class", classes, view.key("a"), place=places[0])
    second = form.listed("and class", classes, view.key("b"), place=places[1])
    name = form.listed("after training with", losses.names(spec), view.key("of"), place=places[2])
    lists = {"after": f"Nearest after {name}"}
    if spaces.has_before(spec):
        lists = {"before": "Nearest before", **lists}
    held = True
    for place, (which, title) in zip(st.columns(2, gap="large")[-len(lists) :], lists.items(), strict=True):
        pairs, held = spaces.nearest_pairs(spec, c, name, (first, second), _MOST, by_before=which == "before")
        with place:
            st.markdown(f"**{plain(title)}**")
            if not pairs:
                st.caption("There is no such pair of clips; choose other classes.")
                continue
            distances = {"before": [p.before for p in pairs], "after": [p.after for p in pairs]}
            clip_list.show_pairs(
                c,
                [(p.first, p.second) for p in pairs],
                key=f"losses-pairs-{which}",
                dataset=dataset.name,
                label=title,
                # What the list is sorted by comes first: a phone has room for one.
                numbers={name: distances[name] for name in sorted(distances, key=which.__ne__)},
            )
    words = (
        "Cosine distances in all dimensions, by the model of the first seed and fold; no clip appears twice."
    )
    if spaces.has_before(spec) and result(spec).before == "network":
        words += " Before are the clips of the map below, as the network embeds them before training."
    if not held:
        words += " This model was trained on all clips of one of the classes."
    st.caption(words)
    return first, second
