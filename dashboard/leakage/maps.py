"""The small maps of Leakage lab, and the clips of a class as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.data import Clips
from dashboard.kit import palette
from dashboard.kit.table import csv
from dashboard.kit.text import whole
from dashboard.leakage.data import Result
from dashboard.leakage.figures import Panel
from dashboard.memory import once

#: Which space of the sounds the first maps show.
LAYERS = {"Ea": "E_a, as Figure 2", "xa": "x_a after training"}
#: Clips of a class in a list at most.
MOST = 40


def maps(found: Result, c: Clips, layer: str, model: str) -> list[list[Panel]]:
    """Return the rows of small maps: Figure 2 by training, Figure 4, then Figure 3 beside its backbone.

    Parameters
    ----------
    found : Result
    c : Clips
    layer : {"Ea", "xa"}
        What the first rows show.
    model : str
        Whose texts are shown.
    """
    code = {name: i for i, name in enumerate(found.tests)}
    labels = found.clips["label"].astype(str).tolist()
    codes = np.array([code[n] for n in labels], np.int64)
    ids = found.clips["clip_id"].astype(str).tolist()
    plain = [f"<b>{whole(n)}</b><br>{whole(_file(c, i))}" for n, i in zip(labels, ids, strict=True)]
    letters = iter("abcdef")
    heads = {"Ea": "E_a, Figure 2", "xa": "x_a"}
    lines = []
    for then in found.spec.training:
        line = []
        for i, before in enumerate(found.spec.pretraining):
            name = f"{before}/{then}"
            at = found.number(name)
            taken = taken_for(found, at)
            said = [
                f"{text}<br>{whole(name)}: taken for {whole(taken[clip])}" if clip in taken else text
                for clip, text in zip(ids, plain, strict=True)
            ]
            title = f"({next(letters)}) {name}"
            heading = f"{heads[layer]}, trained {then} · n = {len(ids):,} clips" if i == 0 else ""
            coords = found.array(f"map_{layer}_{at}")
            line.append(_panel(title, heading, ids, coords, codes, said))
        lines.append(line)
    line = []
    for i, before in enumerate(found.pretraining["pretraining"].astype(str)):
        heading = "x_a before contrastive training, Figure 4" if i == 0 else ""
        line.append(_panel(before, heading, ids, found.array(f"map_x0_{i}"), codes, plain))
    at = found.number(model)
    said = [f"<b>{whole(n)}</b>, its text" for n in found.tests]
    texts = np.arange(len(found.tests))
    bottom = [
        Panel(model, "E_t, Figure 3", found.tests, "class", found.array(f"map_Et_{at}"), texts, said),
        Panel(
            found.spec.text_encoder,
            "x_t before, Figure 4",
            found.tests,
            "class",
            found.array("map_xt0"),
            texts,
            said,
        ),
    ]
    return [*lines, line, [p for p in bottom if np.isfinite(p.coords).all()]]


def _panel(
    title: str, heading: str, ids: list[str], coords: np.ndarray, codes: np.ndarray, said: list[str]
) -> Panel:
    ok = np.isfinite(coords).all(axis=1)
    if not ok.any():
        return Panel(f"{title}: no map", heading, [], "clip", np.empty((0, 2)), codes[:0], [])
    at = np.flatnonzero(ok).tolist()
    return Panel(title, heading, [ids[i] for i in at], "clip", coords[ok], codes[ok], [said[i] for i in at])


def _file(c: Clips, clip: str) -> str:
    return str(c.files[c.row[clip]]) if clip in c.row else clip


def styles_of(found: Result, c: Clips) -> list[palette.Style]:
    """Return how each test class looks, which is the same on every page."""
    neutral = palette.Style(palette.NEUTRAL["light"], palette.NEUTRAL["dark"])
    return [c.styles.get(name, neutral) for name in found.tests]


def taken_for(found: Result, model: int) -> dict[str, str]:
    """Return what a model took each test clip for."""

    def read() -> dict[str, str]:
        p = found.predictions[found.predictions["model"] == model]
        return dict(zip(p["clip_id"].astype(str), p["predicted"].astype(str), strict=True))

    return once(("contrastive-taken", found.spec.key, model), read)


def maps_csv(found: Result, layer: str, model: str) -> bytes:
    """Return the coordinates of all maps, a row a point."""
    frames = []
    clips, labels = (found.clips[n].astype(str).tolist() for n in ("clip_id", "label"))

    def add(space: str, of: str, ids: Sequence[str], named: Sequence[str], name: str) -> None:
        x, y = found.array(name).T
        frames.append(pd.DataFrame({"space": space, "model": of, "id": ids, "class": named, "x": x, "y": y}))

    for name, at in zip(found.models["name"], found.models["model"], strict=True):
        add(layer, name, clips, labels, f"map_{layer}_{at}")
    for i, before in enumerate(found.pretraining["pretraining"]):
        add("x0", before, clips, labels, f"map_x0_{i}")
    add("Et", model, found.tests, found.tests, f"map_Et_{found.number(model)}")
    add("xt0", found.spec.text_encoder, found.tests, found.tests, "map_xt0")
    return csv(pd.concat(frames))


def of_class(found: Result, model: str, label: str, clip: str = "") -> pd.DataFrame:
    """Return the test clips of a class, or all for "", as a model took them; a chosen clip comes first.

    ``clip_id``, ``label``, ``predicted``, ``score``, ``own_score``, at most `MOST`: those that were mistaken
    come first, the most mistaken at the top.
    """
    p = found.predictions[found.predictions["model"] == found.number(model)]
    p = p[p["label"] == label] if label else p
    behind = p["score"] - p["own_score"]
    order = np.lexsort((p["clip_id"].to_numpy(str), -behind.to_numpy(), (p["clip_id"] != clip).to_numpy()))
    return p.iloc[order].head(MOST).reset_index(drop=True)
