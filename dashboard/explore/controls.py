"""The controls of Explore: what is shown, how it is laid out, coloured and filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import data, results, state
from dashboard.explore import colours, figures
from dashboard.kit import form
from dashboard.kit.page import no_space
from jobs.specs import METHODS, EmbedAudio, Project
from jobs.workspace.workspace import Dataset, Workspace

#: Key of the session for the space that the page chose itself.
_DEFAULT = "explore-default"
KS = ("5", "10", "15", "30", "50", "100")


@dataclass(frozen=True)
class Choices:
    """The values of the controls."""

    dataset: Dataset
    clips: data.Clips
    spaces: list[EmbedAudio]
    maps: list[Project]
    others: list[Project]
    default_map: bool
    by: str
    k: int
    shown: np.ndarray


def controls(workspace: Workspace, view: state.View, dataset: Dataset) -> Choices | None:
    """Draw the controls; None where there is nothing to show, for which the page then gives the reason."""
    spaces = {s.encoder: s for s in workspace.spaces(dataset)}
    if not spaces:
        st.title("Explore")
        no_space(workspace, view, dataset, (), "drawn")
        return None
    encoders = list(spaces)
    done = [e for e in encoders if spaces[e].state == "done"] or encoders
    method_names = [m for m in ("tsne", "umap", "pca") if m in METHODS]
    method = view.choice("map", method_names, "tsne")
    _begin(view, encoders, done, {e: Project(embedding=s.spec, method=method) for e, s in spaces.items()})
    with st.sidebar:
        picked = st.multiselect(
            "Spaces",
            encoders,
            key=view.key("space"),
            max_selections=4,
            help="Up to four, side by side. What is selected in one is selected in all.",
        )
        form.pick(view, "map", "Map", {name: figures.METHOD_NAMES[name] for name in method_names})
    c = data.clips(dataset)
    parameters, is_default = _parameters(view, method)
    by, k = _colour_controls(view, c)
    shown = _filter_controls(view, c)
    if not picked:
        st.title("Explore")
        st.info("Choose a space at the left to see it.", icon=":material/info:")
        return None
    embeddings = [spaces[e].spec for e in picked]
    maps = [Project(embedding=e, method=method, **parameters) for e in embeddings]
    others = [Project(embedding=s.spec, method=method) for e, s in spaces.items() if e not in picked]
    return Choices(dataset, c, embeddings, maps, others, is_default, by, k, shown)


def _begin(view: state.View, encoders: list[str], done: list[str], usual: dict[str, Project]) -> None:
    """Begin with the first space that has a map; until the reader chooses, go to the first that gets one."""
    ready = [e for e in encoders if results.has(usual[e])]
    first = (ready or done)[0]
    default = st.session_state.get(_DEFAULT)
    if default and ready and default not in ready and st.session_state.get(view.key("space")) == [default]:
        view.set("space", [first])
    fresh = view.key("space") not in st.session_state
    if view.many("space", encoders, [first], most=4) == [first] and fresh:
        st.session_state[_DEFAULT] = first


def another_is_ready(chosen: Choices) -> bool:
    """Return whether another space has a map, while the default one still waits for its own."""
    picked = [e.encoder for e in chosen.spaces]
    others = [e for e in chosen.others if e.embedding.encoder not in picked]
    return picked == [st.session_state.get(_DEFAULT)] and any(map(results.has, others))


def _parameters(view: state.View, method: str) -> tuple[dict[str, Any], bool]:
    if method == "pca":
        return {}, True
    values: dict[str, Any] = {}
    with st.sidebar.expander("Parameters of the map"):
        if method == "tsne":
            view.number("perplexity", 2, 100, 30)
            values["perplexity"] = st.slider(
                "Perplexity",
                2,
                100,
                key=view.key("perplexity"),
                help="About how many neighbours each clip is drawn towards.",
            )
        else:
            view.number("neighbours", 2, 200, 15)
            view.number("mindist", 0, 1, 0.1, whole=False)
            values["n_neighbors"] = st.slider("Neighbours", 2, 200, key=view.key("neighbours"))
            values["min_dist"] = st.slider("Least distance", 0.0, 1.0, step=0.05, key=view.key("mindist"))
        values["seed"] = form.whole(
            view,
            "seed",
            "Seed",
            0,
            2**31 - 1,
            0,
            help="Another seed gives another map of the same space: what differs between them is not in the "
            "data.",
        )
    usual: dict[str, Any] = {"perplexity": 30, "n_neighbors": 15, "min_dist": 0.1, "seed": 0}
    return values, all(usual[name] == value for name, value in values.items())


def _colour_controls(view: state.View, c: data.Clips) -> tuple[str, int]:
    options = colours.colour_options(c)
    k = view.choice("k", KS, "15")
    with st.sidebar:
        by = form.select(view, "colour", "Colour by", options, "class")
        if by == colours.KEPT:
            st.select_slider(
                "k, size of the neighbourhood",
                KS,
                key=view.key("k"),
                help="Of the k clips nearest in the space, how many are among the k nearest on the map?",
            )
    return by, int(k)


def _filter_controls(view: state.View, c: data.Clips) -> np.ndarray:
    labels = sorted(c.styles)
    families = sorted({f for f in c.families if f})
    columns = data.groups(c)
    view.text("find")
    with st.sidebar:
        text = st.text_input(
            "Search",
            key=view.key("find"),
            placeholder="words in class, file or caption",
            icon=":material/search:",
        )
        picked = form.several(view, "class", "Classes", labels, placeholder="all")
        groups: list[str] = []
        if len(families) > 1:
            groups = form.several(view, "family", "Families", families, placeholder="all")
        within = _within(view, columns) if columns else {}
    return data.matching(c, text or "", picked, groups, within)


def _within(view: state.View, columns: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Draw a filter for each chosen column of groups; return the values that pass, by column."""
    chosen = form.several(
        view,
        "by",
        "Filter by",
        {name: colours.column_name(name) for name in columns},
        placeholder="columns of the table",
        help="The dataset's own columns of few different words, such as speakers, and its folds.",
    )
    passing = {}
    for name in chosen:
        values = data.in_natural_order(set(columns[name].tolist()) - {""})
        title = colours.column_name(name).capitalize()
        passing[name] = form.several(view, f"is-{name}", title, values, placeholder="all")
    return passing
