"""A memory of what was made or read, by key: bounded by kind, shared by all sessions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_lock = threading.Lock()
_kept: dict[str, OrderedDict[tuple[Any, ...], Any]] = {}
#: How many of each kind stay in memory; figures and graphs are megabytes each.
_MOST = {"clips": 8, "content": 32, "corpus": 8, "graph": 16, "layout": 32, "leaks": 8}


def once(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """Return the value of a key, or make it; of each kind the least recently used go first."""
    with _lock:
        kind = _kept.setdefault(key[0], OrderedDict())
        if key in kind:
            kind.move_to_end(key)
            return kind[key]
    value = make()
    with _lock:
        kind[key] = value
        kind.move_to_end(key)
        while len(kind) > _MOST.get(key[0], 64):
            kind.popitem(last=False)
    return value


def forget() -> None:
    """Empty it."""
    with _lock:
        _kept.clear()
