"""The URL of a view holds its state: every control's value, checked, restored on load and on page switch.

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
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from jobs.files import read_json, write_json

T = TypeVar("T")
_VIEW_ID = re.compile(r"[0-9a-f]{12}")
MAX_CLIPS = 200_000
#: Seconds within which the URL before the last one counts as a late message, not as one that was typed.
LATE = 1.0
#: Key of the session that is set where a page is drawn anew by itself, as when a result has come.
REDRAWN = "redrawn"

#: Written even at their default, which depends on what is in the workspace and on what is computed: a shared
#: link must not change its meaning with it.
ALWAYS = frozenset({"dataset", "space", "system", "reference", "grid"})
#: Controls of pages that mean the same, which is carried from page to page: what the reader looks at.
CARRIED = {"dataset": "dataset", "space": "spaces", "system": "spaces", "clip": "clip", "query": "clip"}
#: Pages on which it has other names: on Leaks, ``dataset`` is where captions come from.
CARRIED_ON = {"leaks": {"test-dataset": "dataset"}}


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """How a control is read from the URL and written to it, and which values it allows."""

    parse: Callable[[list[str]], T]
    write: Callable[[T], list[str]]
    allows: Callable[[T], bool]


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
        What in the URL could not be used, one sentence each.
    """

    def __init__(self, page: str, session: Any, query: Any) -> None:
        self.page = page
        self.notes: list[str] = []
        self._session, self._query = session, query
        self._values: dict[str, list[str]] = {}
        #: Controls that are carried to the next page: several spaces only where the reader has chosen them.
        self._chosen: set[str] = set()
        #: Controls that the page keeps at what it showed of them.
        self._own: set[str] = set()
        self._roles = CARRIED_ON.get(page, CARRIED)
        now = {name: list(query.get_all(name)) for name in query.keys()}  # noqa: SIM118
        #: Whether the page draws itself anew: that brings the URL which the browser had before.
        self._redrawn = bool(session.pop(REDRAWN, False))
        last: dict[str, list[str]] | None = session.get(f"url:{page}")
        self._now = now
        late = now != last and self._late(now)
        moved = now != last and not late
        arrived = session.pop("arrived", None) == page
        if moved and not now:
            # Another page was shown meanwhile: the URL was emptied, the view is as before, but of the
            # dataset, the spaces and the clip of that page.
            self._source: Mapping[str, list[str]] = self._carried(last or {})
        elif moved and arrived:
            self._source = self._carried({}) | now
        else:
            self._source = last if late and last is not None else now
        if moved:
            # Typed, followed or gone back to: the URL decides what to show.
            for key in [k for k in session if isinstance(k, str) and k.startswith(f"{page}.")]:
                del session[key]

    def key(self, name: str) -> str:
        """Return the key of the widget of a control."""
        return f"{self.page}.{name}"

    def choice(self, name: str, options: Sequence[str], default: str, *, called: str = "") -> str:
        """Return one of `options`; notes call the control as the page does, `called`, or by its name."""

        def parse(given: list[str]) -> str:
            fit = [v for v in given if v in options]
            if not fit:
                raise ValueError(_not_one_of(given[0], options))
            return fit[0]

        return self._value(name, default, _Kind(parse, lambda v: [v], lambda v: v in options), called)

    def many(
        self,
        name: str,
        options: Sequence[str],
        default: Sequence[str] = (),
        *,
        most: int | None = None,
        least: int = 0,
    ) -> list[str]:
        """Return any of `options`, at most `most`; those from another page are filled up to `least`."""
        allowed = set(options)

        def parse(given: list[str]) -> list[str]:
            # "" stands for none, where that is not the default.
            kept = [v for v in dict.fromkeys(given) if v in allowed][:most]
            lost = [v for v in given if v not in allowed and v != ""]
            if lost and name in self._now:
                self.notes.append(_sentence(name, _not_one_of(lost[0], options)))
            if kept and len(kept) < least and name not in self._now:
                kept = [*kept, *(v for v in default if v not in kept)][: max(least, len(default))]
            return kept if kept or not lost else list(default)

        kind = _Kind(parse, lambda v: list(v) or [""], lambda v: set(v) <= allowed)
        return self._value(name, list(default), kind)

    def number(self, name: str, low: float, high: float, default: float, *, whole: bool = True) -> Any:
        """Return a number from `low` to `high`."""
        type_: Callable[[Any], Any] = int if whole else float

        def parse(given: list[str]) -> Any:
            try:
                value = type_(given[0])
            except ValueError:
                raise ValueError(f"{given[0]!r} is not a number") from None
            if not low <= value <= high:
                raise ValueError(f"{given[0]} is not between {low:g} and {high:g}")
            return value

        def text(v: Any) -> list[str]:
            return [f"{v:g}" if not whole else str(v)]

        return self._value(name, type_(default), _Kind(parse, text, lambda v: low <= v <= high))

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
                raise ValueError(f"{given[0][:60]!r} is not available")
            return given[0][:longest]

        def allowed(v: Any) -> bool:
            return isinstance(v, str) and (v == "" or check(v))

        return self._value(name, default, _Kind(parse, lambda v: [v], allowed), called)

    def set(self, name: str, value: Any) -> None:
        """Change a control from the page itself; takes effect on the next run, and in the URL."""
        self._session[self.key(name)] = value

    def along(self, name: str) -> str:
        """Return the value that another page carries over, "" for none or if the reader has set one here."""
        if self.key(name) in self._session or name in self._now or self._source is self._now:
            return ""
        return next(iter(self._source.get(name, ())), "")

    def write(self) -> None:
        """Write the values into the URL, if it differs."""
        name = f"url:{self.page}"
        last = self._session.get(name)
        if last != self._values:
            self._session[f"{name}:before"] = (self._now, time.monotonic())
        if last != self._values or self._current() != self._values:
            self._query.from_dict(self._values)
        self._session[name] = self._values
        self._session[f"{name}:own"] = frozenset(self._own)
        self._carry()

    def _carry(self) -> None:
        """Keep the dataset, spaces and clip for the next page."""
        mine = {self._roles[name]: given for name, given in self._values.items() if name in self._chosen}
        kept = self._session.get("carried", {})
        if mine.get("dataset", kept.get("dataset")) != kept.get("dataset"):
            kept = {}
        self._session["carried"] = kept | mine

    def _carried(self, last: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Return the page's last view, with the dataset, spaces and clip that were looked at since."""
        values = dict(last)
        own = self._session.get(f"url:{self.page}:own", frozenset())
        for name, what in self._roles.items():
            given = set(self._session.get("carried", {}).get(what, ()))
            mine = set(values.get(name, ())) if name in own else set()
            # A page of one space stays with it where another one was of several, and the other way round;
            # but several that the page showed at first were not chosen.
            if given and not (what == "spaces" and mine and (given <= mine or mine <= given)):
                values[name] = self._session["carried"][what]
        return values

    def _late(self, now: dict[str, list[str]]) -> bool:
        """Return whether the browser sent this URL just before it received the one written last."""
        if _gone_back():
            return False
        before, at = self._session.get(f"url:{self.page}:before", (None, 0.0))
        return now == before and (self._redrawn or time.monotonic() - at < LATE)

    def _current(self) -> dict[str, list[str]]:
        return {name: list(self._query.get_all(name)) for name in self._query.keys()}  # noqa: SIM118

    def _value(self, name: str, default: T, kind: _Kind[T], called: str = "") -> T:
        key = self.key(name)
        value: T
        if key in self._session and self._session[key] is not None and kind.allows(self._session[key]):
            value = self._session[key]
        else:
            value = default
            given = self._source.get(name)
            if given and key not in self._session:
                try:
                    value = kind.parse(given)
                except ValueError as error:
                    # A value that was carried from another page was in no link.
                    if name in self._now:
                        self.notes.append(_sentence(called or name, str(error)))
            self._session[key] = copy(value)
        if value != default or name in ALWAYS:
            self._values[name] = kind.write(value)
            several = isinstance(value, list) and len(value) > 1
            if name in self._roles and value and (value != default or not several):
                self._chosen.add(name)
            if value != default or not isinstance(value, list):
                self._own.add(name)
        return value


def _gone_back() -> bool:
    """Return whether the page is drawn because the reader went back or forward in the browser's history."""
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def _not_one_of(given: str, options: Sequence[str]) -> str:
    named = [option for option in options if option]
    some = ", ".join(named[:6]) + (", …" if len(named) > 6 else "")
    return f"{given[:60]!r} is not available" + (f" (available: {some})" if named else "")


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


def load_view(root: Path, name: str, kind: str = "") -> dict[str, Any] | None:
    """Return what `save_view` kept, None if nothing of this name, or of this ``"kind"``, is kept."""
    content = read_json(root / "views" / f"{name}.json") if _VIEW_ID.fullmatch(name) else None
    return content if isinstance(content, dict) and kind in ("", content.get("kind")) else None


def save_selection(root: Path, dataset: str, clip_ids: Sequence[str]) -> str:
    """Keep a selection of clips; "" for an empty one."""
    if not clip_ids:
        return ""
    return save_view(
        root, {"kind": "selection", "dataset": dataset, "clips": sorted(set(clip_ids))[:MAX_CLIPS]}
    )


def load_selection(root: Path, dataset: str, name: str) -> list[str]:
    """Return the clips of a saved selection of this dataset, [] if there is none."""
    content = load_view(root, name, "selection")
    if content is None or content.get("dataset") != dataset:
        return []
    clips = content.get("clips")
    return [c for c in clips if isinstance(c, str)] if isinstance(clips, list) else []
