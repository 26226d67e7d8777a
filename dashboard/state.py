"""The state of a view lives in its URL: every control's value, checked, restored on load and on page switch.

A page makes a `View`, asks it for each control's value before it draws the control (`choice`, `number`,
`text`, `many`), and calls `write` at the end. The widget's key is ``view.key(name)``. Values equal to
the default are left out of the URL. Whatever is too long for a URL is kept in the workspace
(`save_view`) under a short name made from its content.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jobs.files import read_json, write_json

T = TypeVar("T")
_VIEW_ID = re.compile(r"[0-9a-f]{12}")
MAX_CLIPS = 200_000
#: Seconds within which the URL before the last one is taken for a late message, not for the back button.
LATE = 1.0

#: Written even where they are at their default: that depends on what is in the workspace and on what is done,
#: and a shared link must not change its meaning with it.
ALWAYS = frozenset({"dataset", "space", "system", "reference", "grid"})


class View:
    """The controls of one page, between URL and widgets.

    Parameters
    ----------
    page : str
    session : mutable mapping
        ``st.session_state``.
    query : st.query_params
        Anything with ``get_all``, ``keys`` and ``from_dict``.

    Attributes
    ----------
    notes : list of str
        What in the URL could not be used, one calm sentence each.
    """

    def __init__(self, page: str, session: Any, query: Any) -> None:
        self.page = page
        self.notes: list[str] = []
        self._session, self._query = session, query
        self._values: dict[str, list[str]] = {}
        now = {name: list(query.get_all(name)) for name in query.keys()}  # noqa: SIM118
        last: dict[str, list[str]] | None = session.get(f"url:{page}")
        self._now = now
        moved = now != last and not self._late(now)
        if moved and not now and last is not None:
            # Another page was shown meanwhile: the URL was emptied, the view is what it was.
            self._source: Mapping[str, list[str]] = last
        else:
            self._source = now
        if moved:
            # Typed, followed or gone back to: the URL says what to show.
            for key in [k for k in session if isinstance(k, str) and k.startswith(f"{page}.")]:
                del session[key]

    def key(self, name: str) -> str:
        """Key of the widget of a control."""
        return f"{self.page}.{name}"

    def choice(self, name: str, options: Sequence[str], default: str, *, called: str = "") -> str:
        """Return one of `options`; notes call the control as the page does, `called`, or by its name."""

        def parse(given: list[str]) -> str:
            if given[0] not in options:
                raise ValueError(_not_one_of(given[0], options))
            return given[0]

        return self._value(name, default, parse, lambda v: [v], lambda v: v in options, called=called)

    def many(
        self, name: str, options: Sequence[str], default: Sequence[str] = (), *, most: int | None = None
    ) -> list[str]:
        """Return any of `options`, at most `most` of them."""
        allowed = set(options)

        def parse(given: list[str]) -> list[str]:
            # "none" said outright, where the default is not.
            kept = [v for v in dict.fromkeys(given) if v in allowed][:most]
            lost = [v for v in given if v not in allowed and v != ""]
            if lost:
                self.notes.append(_sentence(name, _not_one_of(lost[0], options)))
            return kept if kept or not lost else list(default)

        return self._value(
            name, list(default), parse, lambda v: list(v) or [""], lambda v: set(v) <= allowed, copy=list
        )

    def number(self, name: str, low: float, high: float, default: float, *, whole: bool = True) -> Any:
        """Return a number from `low` to `high`."""
        kind: Callable[[Any], Any] = int if whole else float

        def parse(given: list[str]) -> Any:
            try:
                value = kind(given[0])
            except ValueError:
                raise ValueError(f"{given[0]!r} is not a number") from None
            if not low <= value <= high:
                raise ValueError(f"{given[0]} is not between {low:g} and {high:g}")
            return value

        def text(v: Any) -> list[str]:
            return [f"{v:g}" if not whole else str(v)]

        return self._value(name, kind(default), parse, text, lambda v: low <= v <= high)

    def text(
        self,
        name: str,
        default: str = "",
        *,
        longest: int = 200,
        check: Callable[[str], bool] = lambda _: True,
        called: str = "",
    ) -> str:
        """Return free text, or only such text as `check` allows; `called` as in `choice`."""

        def parse(given: list[str]) -> str:
            if given[0] and not check(given[0]):
                raise ValueError(f"{given[0][:60]!r} is not there")
            return given[0][:longest]

        def allowed(v: Any) -> bool:
            return isinstance(v, str) and (v == "" or check(v))

        return self._value(name, default, parse, lambda v: [v], allowed, called=called)

    def set(self, name: str, value: Any) -> None:
        """Change a control from the page itself; takes effect on the next run, and in the URL."""
        self._session[self.key(name)] = value

    def write(self) -> None:
        """Put the values into the URL, if it says something else."""
        name = f"url:{self.page}"
        last = self._session.get(name)
        if last != self._values:
            self._session[f"{name}:before"] = (self._now, time.monotonic())
        if last != self._values or self._current() != self._values:
            self._query.from_dict(self._values)
        self._session[name] = self._values

    def _late(self, now: dict[str, list[str]]) -> bool:
        """True if the browser sent this URL just before it heard of the one written last."""
        before, at = self._session.get(f"url:{self.page}:before", (None, 0.0))
        return now == before and time.monotonic() - at < LATE

    def _current(self) -> dict[str, list[str]]:
        return {name: list(self._query.get_all(name)) for name in self._query.keys()}  # noqa: SIM118

    def _value(
        self,
        name: str,
        default: T,
        parse: Callable[[list[str]], T],
        text: Callable[[T], list[str]],
        allowed: Callable[[T], bool],
        copy: Callable[[T], T] = lambda v: v,
        called: str = "",
    ) -> T:
        key = self.key(name)
        value: T
        if key in self._session and self._session[key] is not None and allowed(self._session[key]):
            value = self._session[key]
        else:
            value = default
            given = self._source.get(name)
            if given and key not in self._session:
                try:
                    value = parse(given)
                except ValueError as error:
                    self.notes.append(_sentence(called or name, str(error)))
            self._session[key] = copy(value)
        if value != default or name in ALWAYS:
            self._values[name] = text(value)
        return value


def _not_one_of(given: str, options: Sequence[str]) -> str:
    named = [option for option in options if option]
    some = ", ".join(named[:6]) + (", …" if len(named) > 6 else "")
    return f"{given[:60]!r} is not there" + (f" (there are: {some})" if named else "")


def _sentence(name: str, why: str) -> str:
    return f"The link's {name} was left at its default: {why}."


def save_view(root: Path, content: dict[str, Any]) -> str:
    """Keep `content` in the workspace; return its short name, the same for the same content."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = root / "views" / f"{name}.json"
    if not path.exists():
        write_json(path, content)
    return name


def load_view(root: Path, name: str) -> dict[str, Any] | None:
    """Return what `save_view` kept, or None where there is no such view."""
    if not _VIEW_ID.fullmatch(name):
        return None
    content = read_json(root / "views" / f"{name}.json")
    return content if isinstance(content, dict) else None


def save_selection(root: Path, dataset: str, clip_ids: Sequence[str]) -> str:
    """Keep a selection of clips; "" for an empty one."""
    if not clip_ids:
        return ""
    return save_view(
        root, {"kind": "selection", "dataset": dataset, "clips": sorted(set(clip_ids))[:MAX_CLIPS]}
    )


def load_selection(root: Path, dataset: str, name: str) -> list[str]:
    """Return the clips of a saved selection of this dataset, [] where there is none."""
    content = load_view(root, name) if name else None
    if content is None or content.get("kind") != "selection" or content.get("dataset") != dataset:
        return []
    clips = content.get("clips")
    return [c for c in clips if isinstance(c, str)] if isinstance(clips, list) else []
