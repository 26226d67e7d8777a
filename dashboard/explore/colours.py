"""The colours of the points of a map, and the map itself as it is sent to the browser."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dashboard import data
from dashboard.data import Clips
from dashboard.explore.figures import Colour, Map, map_figure
from dashboard.kit import palette
from dashboard.memory import once
from dashboard.results import Layout, judged
from jobs.specs import Project

#: Columns that are identity or text, not something to colour by as a number.
_NOT_NUMBERS = {"clip_id", "path", "label", "labels", "family", "fold", "caption", "sha256"}
_UNITS = {"duration": "duration, s", "sample_rate": "sample rate, Hz"}
KEPT = "kept"


def colour_options(c: Clips) -> dict[str, str]:
    """Return the choices of what points are coloured by: value in the link to name on the page."""
    options = {"class": "class"}
    if any(c.families):
        options["family"] = "family"
    groups = data.groups(c)
    if "fold" in groups:
        options["fold"] = "fold"
    for name in c.frame.columns:
        number = name not in _NOT_NUMBERS and pd.api.types.is_numeric_dtype(c.frame[name])
        if name in groups or number:
            options[f"column:{name}"] = column_name(name)
    return options | {KEPT: "neighbourhood kept"}


def column_name(name: str) -> str:
    """Return the name of a column on the page."""
    return _UNITS.get(name, name.replace("_", " "))


def colour(c: Clips, by: str) -> Colour:
    """Return the colour of every clip by one of `colour_options` (all but neighbourhood kept)."""
    return once(("colour", by, c.key), lambda: _colour(c, by))


def _colour(c: Clips, by: str) -> Colour:
    if by == "family":
        # In the order in which classes are given the hues of their families.
        return _groups("family", c.families, palette.family_styles, order=str)
    name = by.removeprefix("column:")
    if name in data.groups(c) and by != "class":
        return _groups(column_name(name), data.groups(c)[name], palette.plain_styles)
    if by.startswith("column:"):
        values = pd.to_numeric(c.frame[name], errors="coerce").to_numpy(np.float32, na_value=np.nan)
        return Colour("number", column_name(name), values)
    family = dict(zip(c.labels, c.families, strict=True))
    few = len(c.styles) <= len(palette.BASE["light"])
    # Many classes are listed by family, as they are coloured.
    order = None if few else lambda name: (family.get(name) or "", name)
    return _groups("class", c.labels, lambda names: {n: c.styles[n] for n in names}, order)


def kept_colour(shown: Layout, k: int) -> Colour:
    """Return the share of each clip's k true neighbours that are among the k neighbours on the map."""
    title = f"share of the {k} true neighbours kept"
    return Colour("number", title, shown.kept[:, shown.ks.index(k)], limits=(0.0, 1.0))


def _groups(
    title: str,
    values: np.ndarray,
    styles: Callable[[list[str]], dict[str, palette.Style]],
    order: Callable[[str], Any] | None = None,
) -> Colour:
    used = {v for v in values if v}
    names = sorted(used, key=order) if order else data.in_natural_order(used)
    looks = list(map(styles(names).__getitem__, names))
    if any(v == "" for v in values):
        names.append(f"no {title}")
        looks.append(palette.Style(palette.NEUTRAL["light"], palette.NEUTRAL["dark"]))
    code = {n: i for i, n in enumerate(names)}
    codes = np.asarray([code.get(v, len(names) - 1) for v in values], np.int16)
    return Colour("group", title, codes, names, looks)


def map_content(
    c: Clips, maps: list[Project], layouts: list[Layout], by: str, k: int, shown: np.ndarray
) -> bytes:
    """Return the JSON of a map figure for the browser."""
    from dashboard.components import map as map_component

    def draw() -> bytes:
        drawn = [
            Map(m.embedding.encoder, m.method, x.coords, x.explained)
            for m, x in zip(maps, layouts, strict=True)
        ]
        rows = np.flatnonzero(shown)
        colours = [kept_colour(x, judged(x, k)) for x in layouts] if by == KEPT else [colour(c, by)]
        each = colours if len(colours) > 1 else colours[0]
        return map_component.payload(
            map_figure(drawn, clip_ids=c.ids, colour=each, shown=shown),
            clip_ids=c.ids[rows],
            labels=c.labels[rows],
            families=c.families[rows],
            files=c.files[rows],
            colours=[replace(x, values=x.values[rows], limits=x.limits or _ends(x)) for x in colours],
        )

    which = hashlib.sha256(np.packbits(shown).tobytes()).hexdigest()
    keys = tuple(m.key for m in maps)
    return once(("content", keys, by, k if by == KEPT else 0, which, c.key), draw)


def _ends(colour: Colour) -> tuple[float, float] | None:
    """Return the ends over all clips: a filter must not change what a colour means."""
    return colour.ends() if colour.kind == "number" else None
