"""Colours: one a class, the same on every page, distinct without red-green vision, in both themes.

Ten base hues were searched for under two conditions: a contrast of at least 3 to the page, and the largest
least distance between any two as seen with normal vision, deuteranopia, protanopia and tritanopia. Up to ten
classes get one each. More classes share the hue of their family, in three shades that all stand out from the
page, and differ in the marker's shape; families of similar hue have other shapes, so that colour never
carries the difference alone. Numbers are drawn in cividis, which reads the same with every kind of colour
vision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Page backgrounds that the base colours are made for.
BACKGROUND = {"light": "#fbfaf8", "dark": "#15181d"}

_LIGHT = "#437bfe #da6c28 #3d9f75 #a4163f #601e8f #e84db9 #0d4057 #744400 #53807e #948c50"
_DARK = "#3a70f2 #d9481c #62e5ac #aa4b3e #9673ba #fad7f0 #4d7384 #fb9838 #7ab7aa #b9b86e"
#: The base colours.
BASE = {"light": tuple(_LIGHT.split()), "dark": tuple(_DARK.split())}
#: For clips of no class, and for what a filter leaves out.
NEUTRAL = {"light": "#8b8d90", "dark": "#777b82"}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon")
#: Plotly's name of the scale for numbers.
SEQUENTIAL = "Cividis"
#: The part of the scale that can be seen on the page.
REACH = {"light": (0.0, 0.8), "dark": (0.36, 1.0)}
NONE = "no class"
#: Hues of families in degrees of OKLCH. Those three apart share shapes, so they are far apart in hue.
_HUES = (264, 48, 162, 20, 306, 342, 96, 220, 130, 190)
#: Lightness (OKLCH) of the three shades of a hue; all have a contrast of 3 to the page.
_SHADES = {"light": (0.53, 0.36, 0.64), "dark": (0.70, 0.84, 0.56)}
_CHROMA = {"light": (0.19, 0.14, 0.17), "dark": (0.16, 0.12, 0.18)}


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
    for number, family in enumerate(names):
        members = [c for c in classes if families[c] == family]
        for i, c in enumerate(members):
            styles[c] = _family_style(number, i)
    rest = [c for c in classes if not families[c]]
    for i, c in enumerate(rest):
        styles[c] = Style(NEUTRAL["light"], NEUTRAL["dark"], SYMBOLS[i % len(SYMBOLS)])
    return {c: styles[c] for c in classes}


def plain_styles(names: Sequence[str]) -> dict[str, Style]:
    """Give families, folds or other few groups the base colours, by their order in `names`."""
    return {n: _style(i % 10, symbol=i // 10) for i, n in enumerate(names)}


def family_styles(names: Sequence[str]) -> dict[str, Style]:
    """Give families the hues that `class_styles` gives their classes, if they are not too many."""
    if len(names) > len(_HUES):
        return plain_styles(names)
    return {n: _family_style(i, 0) for i, n in enumerate(names)}


def steps(styles: Sequence[Style], theme: str) -> list[tuple[float, str]]:
    """Return a Plotly colour scale of one flat step a style, for codes 0 ... len(styles) - 1."""
    n = len(styles)
    return [((i + end) / n, getattr(s, theme)) for i, s in enumerate(styles) for end in (0, 1)]


def _style(hue: int, *, symbol: int = 0) -> Style:
    return Style(BASE["light"][hue], BASE["dark"][hue], SYMBOLS[symbol % len(SYMBOLS)])


def _family_style(family: int, member: int) -> Style:
    # The shade changes first: shapes are harder to see in a crowd.
    shade, shape = member % 3, member // 3
    light, dark = (
        oklch(_SHADES[theme][shade], _CHROMA[theme][shade], _HUES[family % len(_HUES)])
        for theme in ("light", "dark")
    )
    return Style(light, dark, SYMBOLS[(3 * family + shape) % len(SYMBOLS)])


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """Return the colour as ``#rrggbb``, less colourful where the screen cannot show it.

    Parameters
    ----------
    lightness : float
        0 to 1.
    chroma : float
        From 0, which is grey, to about 0.3.
    hue : float
        In degrees.

    References
    ----------
    Ottosson, B. (2020). A perceptual color space for image processing.
    """
    angle = math.radians(hue)
    for step in range(21):
        rgb = _linear(lightness, chroma * (1 - step / 20), angle)
        if all(-1e-3 <= v <= 1 + 1e-3 for v in rgb):
            break
    return "#" + "".join(f"{round(255 * _encoded(min(1.0, max(0.0, v)))):02x}" for v in rgb)


def _linear(lightness: float, chroma: float, angle: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(angle), chroma * math.sin(angle)
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3  # noqa: E741
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )


def _encoded(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055
