"""What a grid of zero-shot models can be asked for with, and whether the classes suffice for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.splits import PAPER_RANGES, PAPER_RATIOS, Range, Sizes, SplitError, distinct_ratios, held_out
from dashboard.kit import classes as class_sets
from dashboard.kit.classes import Classes, Split
from dashboard.memory import once
from jobs.grid_splits import fitting, try_seeds
from jobs.specs import ZeroShotGrid

#: Ratios and ranges of the paper, as they are written in the form.
RATIOS = ", ".join(f"{r:g}" for r in PAPER_RATIOS)
RANGES = ", ".join(f"{low:g}:{high:g}" for low, high in PAPER_RANGES)
#: Sets of ranges that can be asked for: value in the link to name on the page.
KINDS = class_sets.RANGES | {"given": "others"}
#: Seconds that a page spends on drawing the splits of a grid, and on finding sizes that fit.
_DRAW, _SEARCH = 0.4, 0.4


@dataclass(frozen=True)
class Tried:
    """Whether the classes allow a grid.

    Attributes
    ----------
    error : str
        Why they do not; "" where nothing was found that they do not allow.
    fits : Sizes or None
        Sizes with which they would.
    seeds : int
        For how many of the seeds there are splits; the job draws those of the others.
    short : bool
        Whether the sizes were found by a short search, so that larger ones may fit, too.
    """

    error: str = ""
    fits: Sizes | None = None
    seeds: int = 0
    short: bool = False


def ratios(text: str) -> tuple[float, ...]:
    """Read similarity ratios as people write them.

    Parameters
    ----------
    text : str
        Numbers from 0 to 1, parted by commas.

    Returns
    -------
    tuple of float
        In the order given.

    Raises
    ------
    ValueError
        With one sentence, where it is none of that or a number is given twice.

    Examples
    --------
    >>> ratios("1, 0.5,0")
    (1.0, 0.5, 0.0)
    """
    found = []
    for part in _parts(text, "similarity ratio", RATIOS):
        value = _number(part)
        if value is None or not 0 <= value <= 1:
            raise ValueError(f"{part!r} is no similarity ratio: write numbers from 0 to 1, such as {RATIOS}.")
        found.append(value)
    _once(found, "The similarity ratio", [f"{value:g}" for value in found])
    return tuple(found)


def ranges(text: str) -> tuple[Range, ...]:
    """Read ranges of similarity as people write them.

    Parameters
    ----------
    text : str
        Pairs of a lower and a higher end from -1 to 1 with a colon between, parted by commas.

    Returns
    -------
    tuple of (float, float)
        In the order given.

    Raises
    ------
    ValueError
        With one sentence, where it is none of that or a range is given twice.

    Examples
    --------
    >>> ranges("-0.1:0.25, 0.25:0.5")
    ((-0.1, 0.25), (0.25, 0.5))
    """
    found = []
    for part in _parts(text, "range", RANGES):
        ends = [_number(end) for end in part.split(":")]
        if len(ends) != 2 or ends[0] is None or ends[1] is None or not -1 <= ends[0] < ends[1] <= 1:
            raise ValueError(
                f"{part!r} is no range of similarities: write a lower and a higher number from -1 to 1 with "
                f"a colon between, such as {RANGES}."
            )
        found.append((ends[0], ends[1]))
    _once(found, "The range", [f"{low:g}:{high:g}" for low, high in found])
    return tuple(found)


def _parts(text: str, what: str, example: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ValueError(f"No {what} is given: write at least one, such as {example}.")
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _once(values: Sequence[object], what: str, said: Sequence[str]) -> None:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{what} {said[i]} is given twice: write each once.")


def distinct(values: Sequence[float], n_train: int) -> tuple[tuple[float, ...], str]:
    """Return the ratios that so many training classes can tell apart, and a word on the others.

    Examples
    --------
    >>> distinct((1.0, 0.5, 0.25, 0.0), 2)[0]
    (1.0, 0.5, 0.0)
    >>> distinct((1.0, 0.0), 2)[1]
    ''
    """
    kept = distinct_ratios(values, n_train)
    lost = [f"{v:g}" for v in values if v not in kept]
    if not lost:
        return kept, ""
    come = "comes" if len(lost) == 1 else "come"
    return kept, (
        f"Of {n_train} training classes the ratio{'s' * (len(lost) > 1)} {' and '.join(lost)} {come} to the "
        "same number as another one, which is trained once."
    )


def impatient(patience: int, validation: int) -> str:
    """Say why so many validation classes do not allow to stop early, "" where they do or nothing stops.

    Examples
    --------
    >>> impatient(5, 2), impatient(0, 1)
    ('', '')
    """
    if not patience or validation > 1:
        return ""
    return (
        "Patience needs at least 2 validation classes: with one every clip is taken for it, which tells no "
        "epoch from another; choose more of them, or a patience of 0."
    )


def validated(wanted: Sequence[Split]) -> int:
    """Return how many validation classes each of the splits has in its largest validation set, at least."""
    return min(max(len(v) for v in held_out(split)[0]) for split in wanted)


def tried(spec: ZeroShotGrid, found: Classes) -> Tried:
    """Draw the classes that a grid will draw, as far as that is a matter of a moment."""
    if spec.setup != "splits":
        found = class_sets.at_least(found, spec.min_clips)
    asked = (spec.setup, spec.sizes, spec.clusters, spec.ratios, spec.asked_ranges, spec.n_ranges)
    key = ("zero-shot-tried", found.key, *asked, spec.n_test_sets, spec.seeds, spec.splits)
    return once(key, lambda: _tried(spec, found))


def _tried(spec: ZeroShotGrid, found: Classes) -> Tried:
    classes = found.names, found.similarity, class_sets.clusters(found, spec.clusters)
    try:
        return Tried(seeds=try_seeds(spec, *classes, until=class_sets.over(_DRAW)))
    except SplitError as error:
        fits = fitting(spec, *classes, until=class_sets.over(_SEARCH))
        short = spec.setup == "diversity"
        if fits is None and short:
            return Tried(f"{error}{class_sets.unfound(found, spec.n_test_sets)}")
        return Tried(str(error), None if fits == spec.sizes else fits, short=short)
