"""Colours: one a class, the same on every page, told apart without red-green vision, in both themes.

Ten base hues were searched for under two conditions: a contrast of at least 3 to the page, and the largest
least distance between any two as seen with normal vision, deuteranopia, protanopia and tritanopia. Up to ten
classes get one each. More classes share the hue of their family and differ in lightness and in the
marker's shape, so that colour never carries the difference alone. Numbers are drawn in cividis, which
reads the same with every kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Page backgrounds that the base colours are made for.
BACKGROUND = {"light": "#fbfaf8", "dark": "#15181d"}

BASE = {
    "light": (
        "#437bfe",
        "#da6c28",
        "#3d9f75",
        "#a4163f",
        "#601e8f",
        "#e84db9",
        "#0d4057",
        "#744400",
        "#53807e",
        "#948c50",
    ),
    "dark": (
        "#3a70f2",
        "#d9481c",
        "#62e5ac",
        "#aa4b3e",
        "#9673ba",
        "#fad7f0",
        "#4d7384",
        "#fb9838",
        "#7ab7aa",
        "#b9b86e",
    ),
}
#: For clips of no class, and for what a filter leaves out.
NEUTRAL = {"light": "#8b8d90", "dark": "#777b82"}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon")
#: Plotly's name of the scale for numbers.
SEQUENTIAL = "Cividis"
NONE = "no class"


@dataclass(frozen=True)
class Style:
    """How the points of one class look."""

    light: str
    dark: str
    symbol: str = "circle"


def class_styles(families: Mapping[str, str | None]) -> dict[str, Style]:
    """Give every class a colour and a marker.

    Parameters
    ----------
    families : mapping
        Every class of the dataset (not only those on show) to its family, or None.

    Returns
    -------
    dict
        Class to `Style`. Depends on the set of classes alone, not on their order.
    """
    classes = sorted(families)
    if len(classes) <= len(BASE["light"]):
        return {c: _style(i) for i, c in enumerate(classes)}
    names = sorted({f for f in families.values() if f})
    if not 2 <= len(names) <= len(BASE["light"]):
        return {c: _style(i % 10, symbol=i // 10) for i, c in enumerate(classes)}
    styles: dict[str, Style] = {}
    for hue, family in enumerate(names):
        members = [c for c in classes if families[c] == family]
        for i, c in enumerate(members):
            # The shade changes first: shapes are harder to see in a crowd.
            styles[c] = _style(hue, shade=i % 3, symbol=i // 3)
    rest = [c for c in classes if not families[c]]
    for i, c in enumerate(rest):
        styles[c] = Style(NEUTRAL["light"], NEUTRAL["dark"], SYMBOLS[i % len(SYMBOLS)])
    return {c: styles[c] for c in classes}


def plain_styles(names: Sequence[str]) -> dict[str, Style]:
    """Give families, folds or other few groups the base colours, by their order in `names`."""
    return {n: _style(i % 10, symbol=i // 10) for i, n in enumerate(names)}


def steps(styles: Sequence[Style], theme: str) -> list[tuple[float, str]]:
    """Return a Plotly colour scale of one flat step a style, for codes 0 ... len(styles) - 1."""
    colours = [getattr(s, theme) for s in styles]
    n = len(colours)
    scale: list[tuple[float, str]] = []
    for i, c in enumerate(colours):
        scale += [(i / n, c), ((i + 1) / n, c)]
    return scale


def _style(hue: int, *, shade: int = 0, symbol: int = 0) -> Style:
    light, dark = BASE["light"][hue], BASE["dark"][hue]
    if shade == 1:
        light, dark = mix(light, "#000000", 0.35), mix(dark, "#ffffff", 0.45)
    elif shade == 2:
        light, dark = mix(light, "#ffffff", 0.35), mix(dark, "#000000", 0.25)
    return Style(light, dark, SYMBOLS[symbol % len(SYMBOLS)])


def mix(a: str, b: str, share: float) -> str:
    """Return the colour that is `share` of `b` in `a`, both ``#rrggbb``."""
    pairs = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)
