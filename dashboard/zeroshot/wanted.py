"""What the models of a grid are to differ in: the controls of each setup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import streamlit as st

from core.recipes import settings
from core.splits import Sizes, all_classes, check_known, split_to_json
from dashboard import state
from dashboard.kit import classes as class_sets
from dashboard.kit import form, numbers
from dashboard.kit.classes import FEWEST, Classes
from dashboard.kit.recipe import control, controls, value
from dashboard.zeroshot import asked as zeroshot_asked
from dashboard.zeroshot import data as zeroshot
from jobs.specs import ZeroShotGrid
from jobs.workspace import splits as saved
from jobs.workspace.workspace import Dataset, Workspace

_MOST = 2_000


@dataclass(frozen=True)
class Wanted:
    """What is asked for, besides spaces and recipe.

    Attributes
    ----------
    fields : dict
        Of `jobs.specs.ZeroShotGrid`.
    classes : sequence of str
        Those that can take part, so that they need a text.
    validation : int
        Validation classes of every model, at least.
    error : str
        What is wrong with it; "" if nothing is.
    """

    fields: dict[str, object]
    classes: Sequence[str]
    validation: int
    error: str = ""


def wanted(workspace: Workspace, view: state.View, dataset: Dataset, found: Classes) -> Wanted:
    """Draw the choice of the setup, and its controls."""
    setup = form.switch(
        view,
        "setup",
        "Setup",
        zeroshot.SETUPS,
        help="Similarity: how many training classes sound like the test classes. Diversity: how similar the "
        "training classes are to each other. Splits of your own: those that were saved in Class splits.",
    )
    value(view, ZeroShotGrid, "seeds")
    if setup == "splits":
        return _own(workspace, view, dataset, found)
    least = value(view, ZeroShotGrid, "min_clips")
    every, found = found, class_sets.at_least(found, least)
    small = len(every.names) - len(found.names)
    if small:
        st.caption(
            f"Of {numbers.count(len(every.names), 'class')}, {small:,} {'has' if small == 1 else 'have'} "
            f"fewer than {numbers.count(least, 'clip')} and {'is' if small == 1 else 'are'} not drawn."
        )
    most = min(20, len(found.names))
    if most < FEWEST:
        controls(view, ZeroShotGrid, ["min_clips"])
        why = f"{numbers.count(len(found.names), 'class')} of {least:,} clips or more cannot be split: "
        return Wanted({}, (), 1, f"{why}ask for fewer clips of a class.")
    k = int(view.number("k", 1, most, min(3, most)))
    usual = class_sets.usual_sizes(found, k)
    asked = {}
    columns = st.columns(6, gap="small")
    for column, part, said, least in zip(
        columns,
        ("train", "validation", "test"),
        ("Training classes", "Validation", "Test"),
        (2, 1, 2),
        strict=False,
    ):
        view.number(part, least, _MOST, getattr(usual, part))
        asked[part] = int(column.number_input(said, least, _MOST, key=view.key(part)))
    fields: dict[str, object] = {"setup": setup}
    fields |= controls(view, ZeroShotGrid, ("seeds", "min_clips"), places=(columns[3], columns[5]))
    sizes = Sizes(**asked)
    fields |= {"n_train": sizes.train, "n_validation": sizes.validation, "n_test": sizes.test}
    error = ""
    try:
        if setup == "similarity":
            columns[4].number_input("K, clusters", 1, most, key=view.key("k"))
            fields |= {"clusters": k, "ratios": _ratios(view, sizes.train)}
        else:
            fields |= controls(view, ZeroShotGrid, ["n_test_sets"], places=[columns[4]]) | _ranges(view)
    except ValueError as why:
        error = str(why)
    return Wanted(fields, found.names, sizes.validation, error)


def _own(workspace: Workspace, view: state.View, dataset: Dataset, found: Classes) -> Wanted:
    names = saved.names(workspace, dataset.name)
    if not names:
        why = f"No split of {dataset.name} is saved yet: save one in Class splits, or train on it there."
        return Wanted({}, (), 1, why)
    left, right = st.columns([4, 1], gap="small")
    view.many("own", names)
    chosen = left.multiselect("Saved splits", names, key=view.key("own"), placeholder="choose splits")
    of = settings(ZeroShotGrid)["seeds"]
    help = "Each begins with other weights and another order of the clips."
    of = replace(of, label="Models a split", help=help, link="seeds")
    seeds = control(view, of, of.default, place=right)
    if not chosen:
        return Wanted({}, (), 1, "No split is chosen: choose at least one of those that are saved.")
    try:
        loaded = [saved.load(workspace, dataset.name, name) for name in chosen]
        for split in loaded:
            check_known(split, found.names)
    except ValueError as why:
        return Wanted({}, (), 1, str(why))
    texts = tuple(split_to_json(split, compact=True) for split in loaded)
    classes = list(dict.fromkeys(chain(*map(all_classes, loaded))))
    fields: dict[str, object] = {"setup": "splits", "splits": texts, "seeds": seeds}
    return Wanted(fields, classes, zeroshot_asked.validated(loaded))


def _ratios(view: state.View, n_train: int) -> tuple[float, ...]:
    view.text("ratios", zeroshot_asked.RATIOS)
    given = st.text_input(
        "Similarity ratios",
        key=view.key("ratios"),
        help="Shares of the training classes that are of the test cluster: numbers from 0 to 1, parted by "
        "commas.",
    )
    kept, said = zeroshot_asked.distinct(zeroshot_asked.ratios(str(given)), n_train)
    if said:
        st.caption(said)
    return kept


def _ranges(view: state.View) -> dict[str, object]:
    kinds = zeroshot_asked.KINDS
    view.choice("ranges", list(kinds), "own")
    kind = st.segmented_control(
        "Ranges of similarity among the training classes",
        list(kinds),
        format_func=kinds.__getitem__,
        key=view.key("ranges"),
        required=True,
        help="The paper’s, (0.5, 0.6] to (0.9, 1.0], suit VGGish. Those of this space are quantiles of what "
        "its classes can reach. Others are those that you write.",
    )
    if kind == "own":
        view.number("range-count", 1, 20, class_sets.N_RANGES)
        return {"n_ranges": int(st.number_input("How many ranges", 1, 20, key=view.key("range-count")))}
    if kind == "paper":
        return {}
    view.text("range-ends", zeroshot_asked.RANGES)
    given = st.text_input(
        "Ranges, lower:higher",
        key=view.key("range-ends"),
        help="Numbers from -1 to 1, parted by commas; the lower end is left out, the higher one is within.",
    )
    return {"ranges": zeroshot_asked.ranges(str(given))}
