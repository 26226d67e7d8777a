"""The controls of Class splits: what a split is drawn by, or what was picked and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.splits import (
    PAPER_RANGES,
    ClassSplit,
    ClassSplitSet,
    Sizes,
    SplitError,
    check_known,
    split_from_json,
)
from dashboard import state
from dashboard.kit import classes as class_sets
from dashboard.kit import form, numbers
from dashboard.kit.classes import Classes, Split
from dashboard.kit.form import relisted
from dashboard.kit.layout import plain
from dashboard.splits import data as splits
from dashboard.splits import links as split_links
from dashboard.splits import numbers as split_numbers
from dashboard.splits.data import Rule
from dashboard.splits.figures import UNUSED
from jobs.workspace.workspace import Dataset, Workspace

HOWS = splits.RULES | {"hand": "by hand", "loaded": "loaded"}
#: What the controls of either split begin with, in the link as well.
PREFIXES = {"A": "", "B": "b-"}
PAPER = "Dogan et al., *On the role of training class distribution in zero-shot audio classification*"
#: Seeds and numbers of classes that the controls allow.
_MOST_SEED = 9_999
_MOST = 2_000


@dataclass(frozen=True)
class Pick:
    """One split of the page, or why there is none.

    Attributes
    ----------
    prefix : str
        Of its controls: "" for the first split, "b-" for the one that it is compared with.
    letter : str
        Its name on the page: "A" or "B".
    parts : list of str
        Of each class; of a split that is not whole, those picked so far.
    """

    prefix: str
    letter: str
    how: str
    split: Split | None
    shown: ClassSplit | None
    parts: list[str]
    error: str = ""
    fits: Sizes | None = None

    @property
    def words(self) -> str:
        """Say what it was drawn by."""
        return HOWS[self.how]


def pick(
    workspace: Workspace, view: state.View, dataset: Dataset, found: Classes, k: int, prefix: str
) -> Pick:
    """Draw the controls of a split in the sidebar, and the split."""
    letter = "B" if prefix else "A"
    # The split to compare with begins at the other end of the ratios.
    how = view.choice(f"{prefix}how", list(HOWS), "similarity")
    st.selectbox(
        f"Split {letter}: pick classes by",
        list(HOWS),
        format_func=HOWS.__getitem__,
        key=view.key(f"{prefix}how"),
        on_change=_by_hand_from_what_was_shown,
        args=(view.key(f"{prefix}how"), view.key(f"{prefix}hand"), _last(letter)),
    )
    test_set = 0
    error, fits = "", None
    split: Split | None = None
    parts = [UNUSED] * len(found.names)
    try:
        if how == "hand":
            parts = _hand(view, found, prefix)
            split = splits.from_parts(parts, found.names)
        elif how == "loaded":
            loaded = _loaded(workspace, view, dataset, prefix)
            check_known(loaded, found.names)
            split = loaded
        else:
            rule = _rule(view, found, how, k, prefix)
            try:
                split = splits.draw(found, rule)
            except SplitError as why:
                fits = splits.fitting(found, rule)
                if fits is None and how == "diversity":
                    raise SplitError(f"{why}{class_sets.unfound(found, rule.sets)}") from None
                raise
        if isinstance(split, ClassSplitSet) and len(split.tests) > 1:
            last = len(split.tests)
            test_set = (
                form.whole(
                    view,
                    f"{prefix}set",
                    f"Test set, of {last}",
                    1,
                    last,
                    1,
                    help="One training set is judged on several test sets; this one is shown.",
                )
                - 1
            )
    except SplitError as why:
        error = str(why)
    shown = None if split is None or error else splits.one(split, test_set)
    if shown is not None:
        if how == "similarity":
            _realised(shown, found, k)
        parts = splits.parts_of(shown, found.names)
        st.session_state[_last(letter)] = split_links.written(parts, found.names)
    return Pick(prefix, letter, how, None if error else split, shown, parts, error, fits)


def _rule(view: state.View, found: Classes, how: str, k: int, prefix: str) -> Rule:
    usual = class_sets.usual_sizes(found, k)
    sizes = []
    for part, least, column in zip(
        ("train", "validation", "test"),
        (2, 1, 2),
        st.columns(3, gap="small"),
        strict=True,
    ):
        said = {"train": "training", "validation": "valid.", "test": "test"}[part]
        usually = getattr(usual, part)
        sizes.append(form.whole(view, f"{prefix}{part}", said, least, _MOST, usually, place=column))
    extra: dict[str, float | int | str] = {}
    if how == "similarity":
        sizes_of = split_numbers.cluster_sizes(class_sets.clusters(found, k))
        words = {str(c): f"cluster {c}, {numbers.count(n, 'class')}" for c, n in sizes_of.items()}
        view.choice(f"{prefix}cluster", list(words), "0")
        cluster = relisted(
            "Test cluster",
            words,
            view.key(f"{prefix}cluster"),
            help="Test and validation classes are all of this cluster of similar classes.",
        )
        view.number(f"{prefix}ratio", 0, 1, 0.0 if prefix else 1.0, whole=False)
        extra = {
            "cluster": int(cluster),
            "ratio": st.slider(
                "Similarity ratio",
                0.0,
                1.0,
                step=0.05,
                key=view.key(f"{prefix}ratio"),
                help="The share of the training classes that are of the test cluster as well.",
            ),
        }
    elif how == "diversity":
        extra = _range(view, found, Sizes(*sizes), prefix)
    seed = form.whole(view, f"{prefix}seed", "Seed", 0, _MOST_SEED, 0)
    return Rule(how, Sizes(*sizes), seed=seed, clusters=k, **extra)  # type: ignore[arg-type]


def _realised(split: ClassSplit, found: Classes, k: int) -> None:
    """Say what the ratio came to: of 18 classes a quarter is no whole number."""
    near = split_numbers.near(split, found, class_sets.clusters(found, k), int(split.info["cluster"]))
    st.caption(f"{near:,} of {numbers.count(len(split.train), 'training class')} are of the test cluster.")


def _range(view: state.View, found: Classes, sizes: Sizes, prefix: str) -> dict[str, float | int | str]:
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
    offered = splits.ranges(found, kind, sizes, sets)
    assert len(offered) == class_sets.N_RANGES == len(PAPER_RANGES)
    words = {
        str(i): f"({low:g}, {high:g}]".replace("-", "−") for i, (low, high) in enumerate(offered, start=1)
    }
    view.choice(f"{prefix}range", list(words), "1")
    which = relisted("Range", words, view.key(f"{prefix}range"))
    return {"ranges": kind, "sets": sets, "which": int(which) - 1}


# -- by hand ----------------------------------------------------------------------------------------------


def _hand(view: state.View, found: Classes, prefix: str) -> list[str]:
    text = view.text(
        f"{prefix}hand", longest=20_000, check=lambda given: split_links.readable(given, found.names)
    )
    st.caption("Click classes on the map, or choose them in the lists below it.")
    return split_links.read(text, found.names)


def _by_hand_from_what_was_shown(how: str, hand: str, last: str) -> None:
    """Begin picking by hand with the split that was there."""
    if st.session_state[how] == "hand" and not st.session_state.get(hand):
        st.session_state[hand] = st.session_state.get(last, "")


def _last(letter: str) -> str:
    # Outside of the page's own keys, which a followed link clears.
    return f"split-shown:{letter}"


# -- loaded -----------------------------------------------------------------------------------------------


def keep(workspace: Workspace, dataset: Dataset, name: str, split: Split) -> str:
    """Keep a split in the workspace under a short name for links."""
    from core.splits import split_to_json

    content = {
        "kind": "class split",
        "dataset": dataset.name,
        "name": name,
        "split": json.loads(split_to_json(split)),
    }
    return state.save_view(workspace.root, content)


def _loaded(workspace: Workspace, view: state.View, dataset: Dataset, prefix: str) -> Split:
    def there(given: str) -> bool:
        return (state.load_view(workspace.root, given) or {}).get("kind") == "class split"

    text = view.text(f"{prefix}split", check=there)
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
    """Show a split that is saved, or given as a file; return why not, or "". For callbacks.

    It becomes the first split, or with the prefix of the second one that which the first is compared with.
    """
    try:
        kept = keep(workspace, dataset, name, read())
    except ValueError as error:
        return str(error)
    view.set(f"{prefix}split", kept)
    view.set(f"{prefix}how", "loaded")
    if prefix:
        view.set("compare", "yes")
    return ""
