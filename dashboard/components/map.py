"""The map: draws `dashboard.explore.figures.map_figure`, plays what is clicked, links selections."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import data, media, state
from dashboard.components import base_url, component
from dashboard.explore.figures import Colour


@dataclass(frozen=True)
class Frames:
    """Maps at several times, between which a slider goes.

    Attributes
    ----------
    title : str
        What the slider goes through.
    words : sequence of str, length E
        Text beside the slider at each time.
    coords : sequence of ndarray or None
        Of each map (E, 2, n) in the order of the figure's points; None for one that does not move.
    """

    title: str
    words: Sequence[str]
    coords: Sequence[np.ndarray | None]


def payload(
    figure: Any,
    *,
    clip_ids: np.ndarray,
    labels: np.ndarray,
    families: np.ndarray,
    files: np.ndarray,
    colours: Sequence[Colour],
    frames: Frames | None = None,
) -> bytes:
    """Pack a figure and its hover labels as JSON for the browser.

    Clip ids are sent once and not in every trace, names as codes into a list.

    Parameters
    ----------
    figure : plotly Figure
        From `map_figure`.
    clip_ids, labels, families, files : ndarray of str, shape (n,)
        Of the clips that are shown, in the order of the figure's points.
    colours : sequence of Colour
        Of the same n clips; one, or one a map.
    frames : Frames, optional
        Where the points are at other times.
    """
    import plotly.io

    drawn: str = plotly.io.to_json(_without_ids(figure), validate=False)
    colour = colours[0]
    legend: dict[str, Any] = {"kind": colour.kind, "title": colour.title}
    if colour.kind == "group":
        codes = np.asarray(colour.values, np.int16)
        legend |= {
            "names": list(colour.names),
            "light": [s.light for s in colour.styles],
            "dark": [s.dark for s in colour.styles],
            "symbols": [s.symbol for s in colour.styles],
            "counts": np.bincount(codes, minlength=len(colour.names)).tolist(),
            "codes": _packed(codes),
        }
    else:
        low, high = colour.ends()
        legend |= {"low": low, "high": high, "beyond": colour.outside()}
        legend["values"] = [_packed(np.asarray(c.values, np.float32)) for c in colours]
        legend["codes"] = _packed(np.zeros(len(clip_ids), np.int16))
    content = {
        "ids": [str(i) for i in clip_ids],
        "labels": _coded(labels),
        "families": _coded(families),
        "files": [str(f) for f in files],
        "legend": legend,
    }
    if frames is not None:
        packed = [None if xy is None else _packed(np.asarray(xy, np.float32)) for xy in frames.coords]
        content["frames"] = {"title": frames.title, "words": list(frames.words), "xy": packed}
    rest = json.dumps(content, separators=(",", ":"))
    return f'{{"figure":{drawn},{rest[1:]}'.encode()


def _without_ids(figure: Any) -> dict[str, Any]:
    plain = figure.to_dict()
    for trace in plain["data"]:
        trace.pop("customdata", None)
    return {"data": plain["data"], "layout": plain["layout"]}


def _packed(values: np.ndarray) -> dict[str, str]:
    import base64

    kind = {"int16": "i2", "float32": "f4"}[values.dtype.name]
    return {"dtype": kind, "bdata": base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()}


def _coded(names: np.ndarray) -> dict[str, Any]:
    values = pd.Series(np.asarray(names).astype(str))
    codes, unique = pd.factorize(values.where(values != ""), sort=True)  # -1 for no name
    return {"names": unique.tolist(), "codes": _packed(codes.astype(np.int16))}


class State(TypedDict):
    """What is shown of a map.

    Attributes
    ----------
    revision : str
        The zoom stays while this stays.
    chosen : str
        Clip with the thick ring, "" for none; `neighbours` get thin ones.
    selection : str
        Name of a saved selection, "" for none.
    frame : int
        Which of the frames is shown, for a map that has some.
    """

    revision: str
    chosen: str
    neighbours: Sequence[str]
    selection: str
    frame: NotRequired[int | None]


def show(content: bytes, *, key: str, dataset: str, file: str, page: str, **state: Unpack[State]) -> None:
    """Mount the map.

    Parameters
    ----------
    content : bytes
        From `payload`.
    key : str
        Of the component.
    dataset : str
    file : str
        Name, without ending, of what is saved from the map.
    page : str
        Name of the page: a click sets its control ``clip``, a drawn selection ``sel``, the slider ``frame``.
    **state
        See `State`.
    """
    moves = state.get("frame") is not None
    callbacks = {"on_frame_change": partial(_moved, key, page)} if moves else {}
    component("map")(
        key=key,
        data={
            "figure": media.keep_figure(content),
            "base": base_url(),
            "plotly": f"assets/plotly.min.js?v={media.plotly_version()}",
            "dataset": dataset,
            "file": file,
            **state,
            "neighbours": list(state["neighbours"]),
        },
        on_chosen_change=partial(_chosen, key, page),
        on_selected_change=partial(_selected, key, page, dataset),
        **callbacks,
    )


def _chosen(key: str, page: str) -> None:
    value = st.session_state[key].get("chosen")
    if isinstance(value, str):
        st.session_state[f"{page}.clip"] = value


def _selected(key: str, page: str, dataset: str) -> None:
    value = st.session_state[key].get("selected")
    if isinstance(value, list):
        st.session_state[f"{page}.sel"] = state.save_selection(data.workspace().root, dataset, value)


def _moved(key: str, page: str) -> None:
    value = st.session_state[key].get("frame")
    if isinstance(value, int | float):
        st.session_state[f"{page}.frame"] = int(value)
