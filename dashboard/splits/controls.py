"""The controls of Class splits: what a split is drawn by, or what was picked or loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.splits import (
    PAPER_RANGES,
    ClassSplit,
    Sizes,
    SplitError,
    check_known,
    each_split,
    split_from_json,
    split_to_json,
)
from dashboard import state
from dashboard.kit import classes as class_sets
from dashboard.kit import form, numbers
from dashboard.kit.classes import Classes, Split
from dashboard.kit.form import relisted
from dashboard.kit.layout import plain
from dashboard.splits import data as splits
from dashboard.splits import links
from dashboard.splits.data import Rule
from dashboard.splits.figures import UNUSED
from jobs.workspace.workspace import Dataset, Workspace

HOWS = splits.RULES | {"hand": "by hand", "loaded": "loaded"}
#: The start of the names of the controls of either split, in the link as well.
PREFIXES = {"A": "", "B": "b-"}
PAPER = "Dogan et al., *On the role of training class distribution in zero-shot audio classification*"
#: Seeds and numbers of classes that the controls allow.
_MOST_SEED = 9_999
_MOST = 2_000
#: The parts of a split: label of the control, and fewest classes.
_SIZES = {"train": ("training", 2), "validation": ("valid.", 1), "test": ("test", 2)}


@dataclass(frozen=True)
class Pick:
    """One split of the page, or why there is none.

    Attributes
    ----------
    prefix : str
        Of its controls: "" for the first split, "b-" for the one that it is compared with.
    letter : str
        Its name on the page: "A" or "B".
    how : str
        What it was drawn by, one of `HOWS`.
    split : ClassSplit, ClassSplitSet or None
    shown : ClassSplit or None
        The split with the test set that is shown.
    parts : list of str
        Of each class; of a split that is not whole, those picked so far.
    error : str
        Why there is no split.
    fits : Sizes or None
        Sizes with which one could be drawn.
    """

    prefix: str
    letter: str
    how: str
    split: Split | None
    shown: ClassSplit | None
    parts: list[str]
    error: str = ""
    fits: Sizes | None = None


def pick(
    workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes, k: int, prefix: str
) -> Pick:
    """Draw the controls of a split in the sidebar, and the split."""
    letter = "B" if prefix else "A"
    # The split to compare with starts at the other end of the ratios.
    how = view.choice(f"{prefix}how", list(HOWS), "similarity")
    st.selectbox(
        f"Split {letter}: pick classes by",
        list(HOWS),
        format_func=HOWS.__getitem__,
        key=view.key(f"{prefix}how"),
        on_change=_start_by_hand,
        args=(view.key(f"{prefix}how"), view.key(f"{prefix}hand"), _last(letter)),
    )
    error, fits = "", None
    split: Split | None = None
    parts = [UNUSED] * len(classes.names)
    rule: Rule | None = None
    try:
        if how == "hand":
            parts = _hand(view, classes, prefix)
            split = splits.from_parts(parts, classes.names)
        elif how == "loaded":
            split = _loaded(workspace, view, dataset, prefix)
            check_known(split, classes.names)
        else:
            rule = _rule(view, classes, how, k, prefix)
            split = splits.draw(classes, rule)
    except SplitError as why:
        error, split = str(why), None
        if rule is not None:
            fits = splits.fitting(classes, rule)
            if fits is None and how == "diversity":
                error += class_sets.unfound(classes, rule.sets)
    shown = None
    if split is not None:
        shown = splits.one(split, _test_set(view, split, prefix))
        if how == "similarity":
            near = splits.near(shown, classes, class_sets.clusters(classes, k), int(shown.info["cluster"]))
            whole = numbers.count(len(shown.train), "training class")
            st.caption(f"{near:,} of {whole} are of the test cluster.")
        parts = splits.parts_of(shown, classes.names)
        st.session_state[_last(letter)] = links.written(parts, classes.names)
    return Pick(prefix, letter, how, split, shown, parts, error, fits)


def _test_set(view: state.View, split: Split, prefix: str) -> int:
    """Return the number of the test set that is shown, from 0; draw its control where a split has several."""
    last = len(each_split(split))
    if last < 2:
        return 0
    help = "One training set is judged on several test sets; this one is shown."
    return form.whole(view, f"{prefix}set", f"Test set, of {last}", 1, last, 1, help=help) - 1


def _rule(view: state.View, classes: Classes, how: str, k: int, prefix: str) -> Rule:
    usual = class_sets.usual_sizes(classes, k)
    columns = st.columns(3, gap="small")
    sizes = Sizes(
        *(
            form.whole(view, f"{prefix}{part}", label, least, _MOST, getattr(usual, part), place=column)
            for (part, (label, least)), column in zip(_SIZES.items(), columns, strict=True)
        )
    )
    more: dict[str, Any] = {}
    if how == "similarity":
        more = _cluster(view, classes, k, prefix)
    elif how == "diversity":
        more = _range(view, classes, sizes, prefix)
    seed = form.whole(view, f"{prefix}seed", "Seed", 0, _MOST_SEED, 0)
    return Rule(how, sizes, seed=seed, clusters=k, **more)


def _cluster(view: state.View, classes: Classes, k: int, prefix: str) -> dict[str, Any]:
    sizes = splits.cluster_sizes(class_sets.clusters(classes, k))
    words = {str(c): f"cluster {c}, {numbers.count(n, 'class')}" for c, n in sizes.items()}
    view.choice(f"{prefix}cluster", list(words), "0")
    cluster = relisted(
        "Test cluster",
        words,
        view.key(f"{prefix}cluster"),
        help="Test and validation classes are all of this cluster of similar classes.",
    )
    view.number(f"{prefix}ratio", 0, 1, 0.0 if prefix else 1.0, whole=False)
    ratio = st.slider(
        "Similarity ratio",
        0.0,
        1.0,
        step=0.05,
        key=view.key(f"{prefix}ratio"),
        help="The share of the training classes that are of the test cluster as well.",
    )
    return {"cluster": int(cluster), "ratio": ratio}


def _range(view: state.View, classes: Classes, sizes: Sizes, prefix: str) -> dict[str, Any]:
    kind = form.switch(
        view,
        f"{prefix}ranges",
        "Ranges of similarity",
        class_sets.RANGES,
        "own",
        help="The mean cosine similarity of a training class to the others. The paper’s five ranges "
        "suit VGGish; those of this space are quantiles of what its classes can reach.",
    )
    sets = form.whole(view, f"{prefix}sets", "Test sets", 1, 20, 3)
    offered = splits.ranges(classes, kind, sizes, sets)
    assert len(offered) == class_sets.N_RANGES == len(PAPER_RANGES)
    words = {
        str(i): f"({low:g}, {high:g}]".replace("-", "−") for i, (low, high) in enumerate(offered, start=1)
    }
    view.choice(f"{prefix}range", list(words), "1")
    which = relisted("Range", words, view.key(f"{prefix}range"))
    return {"ranges": kind, "sets": sets, "which": int(which) - 1}


# -- by hand ----------------------------------------------------------------------------------------------


def _hand(view: state.View, classes: Classes, prefix: str) -> list[str]:
    text = view.text(
        f"{prefix}hand", longest=20_000, check=lambda given: links.readable(given, classes.names)
    )
    st.caption("Click classes on the map, or choose them in the lists below it.")
    return links.read(text, classes.names)


def _start_by_hand(how: str, hand: str, last: str) -> None:
    """Start picking by hand with the split that was shown."""
    if st.session_state[how] == "hand" and not st.session_state.get(hand):
        st.session_state[hand] = st.session_state.get(last, "")


def _last(letter: str) -> str:
    # Not a key of the page, which a link would clear.
    return f"split-shown:{letter}"


# -- loaded -----------------------------------------------------------------------------------------------


def _loaded(workspace: Workspace, view: state.View, dataset: Dataset, prefix: str) -> Split:
    def is_split(given: str) -> bool:
        return (state.load_view(workspace.root, given) or {}).get("kind") == "class split"

    text = view.text(f"{prefix}split", check=is_split)
    if not text:
        raise SplitError("No split is loaded yet: choose a saved one, or a file, under “Save, load, share”.")
    content = state.load_view(workspace.root, text) or {}
    st.caption(f"Loaded: {plain(str(content.get('name', '')))}")
    if content.get("dataset") != dataset.name:
        raise SplitError(
            f"This split was loaded for the dataset {content.get('dataset')}; load it here to use it with "
            f"{dataset.name}."
        )
    return split_from_json(json.dumps(content.get("split")))


def load(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    name: str,
    read: Callable[[], Split],
    prefix: str = "",
) -> str:
    """Show a split that is saved or uploaded, kept under a short name for links; return an error, or "".

    It becomes the first split, or with the prefix of the second one the split to compare with. For callbacks.
    """
    try:
        split = json.loads(split_to_json(read()))
    except ValueError as error:
        return str(error)
    content = {"kind": "class split", "dataset": dataset.name, "name": name, "split": split}
    view.set(f"{prefix}split", state.save_view(workspace.root, content))
    view.set(f"{prefix}how", "loaded")
    if prefix:
        view.set("compare", "yes")
    return ""
