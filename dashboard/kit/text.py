"""Names in figures: Plotly reads texts as markup, and names are what people have written into their files."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence
from itertools import accumulate

#: Letters of a name on an axis and of a line of hover text, and lines of a name on several lines.
_LABEL, _LINE = 26, 60
_LINES = 3
_WIDE = frozenset("MWmw@%—")


def plain(text: str) -> str:
    """Return a text that Plotly draws as it is, whatever it holds.

    Examples
    --------
    >>> plain("<b>R&B</b>"), plain("50%{x}")
    ('&lt;b&gt;R&amp;B&lt;/b&gt;', '50&#37;{x}')
    """
    return html.escape(str(text), quote=False).replace("%{", "&#37;{")


def short(name: str, most: int = _LABEL) -> str:
    """Shorten a name that would take too much of the page.

    Examples
    --------
    >>> short("Dog bark"), short("a very long name of a class of sounds", 12)
    ('Dog bark', 'a very long…')
    >>> len(short("W" * 200)), len(short("x" * 200))
    (19, 26)
    """
    # A line of W is nearly twice as wide as others of as many letters.
    widths = accumulate(1.7 if letter in _WIDE else 1.0 for letter in name)
    fits = sum(width <= 1.25 * most for width in widths)
    if fits >= len(name) <= most:
        return name
    return name[: min(fits, most) - 1].rstrip() + "…"


def label(name: str, most: int = _LABEL) -> str:
    """Return a name for an axis, a legend or a point: shortened, and drawn as it is.

    Examples
    --------
    >>> label("<i>Corvus</i> corax, the common raven")
    '&lt;i&gt;Corvus&lt;/i&gt; corax, the…'
    """
    return plain(short(name, most))


def whole(name: str, width: int = _LINE) -> str:
    """Return all of a name, on as many lines as it needs, for hover text.

    Examples
    --------
    >>> whole("Dog bark"), whole("a long name of a class", 12)
    ('Dog bark', 'a long name<br>of a class')
    """
    lines = textwrap.wrap(name, width, break_on_hyphens=False) or [name]
    return "<br>".join(map(plain, lines))


def wrapped(name: str, width: int = 20) -> str:
    """Break a long name into lines at its spaces; what needs more than three is shortened.

    Examples
    --------
    >>> wrapped("minilm · labels in “a sound of {}”")
    'minilm · labels in<br>“a sound of {}”'
    """
    lines = [""]
    for word in (short(w, 2 * width) for w in name.split(" ")):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1]}…"]
    return "<br>".join(map(plain, lines))


def row_height(n: int) -> float:
    """Return the pixels of each of n rows: roomy for few, about a screen in all for more, never too thin."""
    return min(90.0, max(34.0, 460 / n)) if n <= 13 else max(6.0, min(26.0, 840 / n))


def thinned(
    names: Sequence[str], pixels: float, *, least: float = 13.0, most: int = 26
) -> tuple[list[int], list[str]]:
    """Choose which of the names, `pixels` apart, are written: every one that has room, up to `most` letters.

    Examples
    --------
    >>> thinned(["a", "b", "c", "d", "e"], 7.0)
    ([0, 2, 4], ['a', 'c', 'e'])
    """
    step = max(1, math.ceil(least / pixels))
    return list(range(0, len(names), step)), [label(n, most) for n in names[::step]]
