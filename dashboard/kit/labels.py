"""Which names of points are written, and where, so that none lies over another or over a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

#: Pixels of a letter of 10.5 points, of a line, from the middle of a point to its name, and of half a point.
_LETTER, _LINE, _AWAY, _POINT = 6.2, 13.0, 5.0, 4.0
#: Where a name may stand: the side as Plotly calls it, and where the box begins, in widths and in pixels.
_SIDES = {
    "top center": (-0.5, 0.0, -_AWAY - _LINE),
    "bottom center": (-0.5, 0.0, _AWAY),
    "middle right": (0.0, _AWAY + 1, -_LINE / 2),
    "middle left": (-1.0, -_AWAY - 1, -_LINE / 2),
    "top right": (0.0, _AWAY - 1, -_AWAY - _LINE),
    "top left": (-1.0, 1 - _AWAY, -_AWAY - _LINE),
}


def fitting(
    at: np.ndarray,
    texts: Sequence[str],
    area: tuple[float, float],
    *,
    first: int = -1,
    kept: Mapping[int, str] | None = None,
) -> dict[int, str]:
    """Choose the names that fit and the side of its point on which each is written.

    Parameters
    ----------
    at : ndarray, shape (n, 2)
        The points in pixels from the top left.
    texts : sequence of str, length n
    area : (float, float)
        Width and height; a name stays within.
    first : int
        The point whose name is written in any case, before all others; -1 for none.
    kept : mapping of int to str, optional
        Names that are written already, with their sides.

    Returns
    -------
    dict of int to str
        The side of each point whose name fits, beside those in `kept`.

    Examples
    --------
    >>> import numpy as np
    >>> fitting(np.array([[50.0, 50.0], [53.0, 50.0], [50.0, 90.0]]), ["Rain", "Hail", "Owl"], (100, 100))
    {0: 'top center', 1: 'bottom center', 2: 'top center'}
    """
    xy = np.asarray(at, float).reshape(-1, 2)
    marks = np.hstack([xy - _POINT, xy + _POINT])
    written = [_box(xy[i], texts[i], side) for i, side in (kept or {}).items()]
    sides: dict[int, str] = {}
    for i in sorted(range(len(xy)), key=lambda i: i != first):
        if i in (kept or {}):
            continue
        taken = np.vstack([np.delete(marks, i, axis=0), *written])
        boxes = {side: _box(xy[i], texts[i], side) for side in _SIDES}
        over = {side: _hidden(box, taken, area) for side, box in boxes.items()}
        best = min(over, key=lambda side: over[side])
        if over[best] == 0 or i == first:
            sides[i] = best
            written.append(boxes[best])
    return sides


def _hidden(box: np.ndarray, taken: np.ndarray, area: tuple[float, float]) -> float:
    """Count the boxes that a name lies over; one that is cut off is worse than any of them."""
    cut = max(-box[0], -box[1], box[2] - area[0], box[3] - area[1], 0.0)
    over = (box[:2] < taken[:, 2:]).all(axis=1) & (box[2:] > taken[:, :2]).all(axis=1)
    return float(over.sum() + len(taken) * cut)


def _box(point: np.ndarray, text: str, side: str) -> np.ndarray:
    """Return left, top, right and bottom of a name."""
    wide = _LETTER * len(text)
    share, right, down = _SIDES[side]
    left, top = float(point[0]) + share * wide + right, float(point[1]) + down
    return np.array([left, top, left + wide, top + _LINE])
