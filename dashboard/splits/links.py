"""Splits that were picked by hand, as text in links: the part of each class in few letters."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import numpy as np

from dashboard.splits.figures import PARTS, UNUSED

_CODES = (UNUSED, *PARTS)


def written(parts: Sequence[str], names: Sequence[str]) -> str:
    """Return the part of each class as text for a URL: a signature of the names, and two bits a class.

    Examples
    --------
    >>> text = written(["train", "test", "unused", "train", "validation"], "abcde")
    >>> len(text), read(text, "abcde")
    (10, ['train', 'test', 'unused', 'train', 'validation'])
    """
    if all(p == UNUSED for p in parts):
        return ""
    codes = np.array([_CODES.index(p) for p in parts], np.uint8)
    bits = np.stack([codes >> 1, codes & 1], axis=1).ravel()
    packed = np.packbits(bits).tobytes()
    return f"{_sign(names)}-{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def read(text: str, names: Sequence[str]) -> list[str]:
    """Return the part of each class from what `written` wrote.

    Raises
    ------
    ValueError
        For other text, or that of other classes.
    """
    if not text:
        return [UNUSED] * len(names)
    sign, _, packed = text.partition("-")
    if sign != _sign(names):
        raise ValueError("these are parts of other classes than the dataset has now")
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("it is no list of parts") from None
    bits = np.unpackbits(np.frombuffer(raw, np.uint8))
    if len(raw) != -(-2 * len(names) // 8) or bits[2 * len(names) :].any():
        raise ValueError("it is of another number of classes")
    codes = 2 * bits[0 : 2 * len(names) : 2] + bits[1 : 2 * len(names) : 2]
    return [_CODES[i] for i in codes.tolist()]


def readable(text: str, names: Sequence[str]) -> bool:
    """Return whether `read` can read a text."""
    try:
        read(text, names)
    except ValueError:
        return False
    return True


def moved(parts: Sequence[str], names: Sequence[str], chosen: Sequence[str], part: str) -> list[str]:
    """Return the parts after `part` was set to the chosen classes, which leave their former parts."""
    wanted = set(chosen)
    return [
        part if name in wanted else (UNUSED if now == part else now)
        for name, now in zip(names, parts, strict=True)
    ]


def _sign(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:6]
