"""Controls of the settings of a recipe, each with its label, help and range from the field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Any

import streamlit as st

from core.recipes import Setting, settings
from dashboard.kit import form
from dashboard.state import View


def controls(
    view: View,
    recipe: Any,
    names: Iterable[str],
    *,
    places: Sequence[Any] = (st,),
    link: Callable[[str], str] = str,
    listed: bool = False,
) -> dict[str, Any]:
    """Draw a control for each of some settings, whose value is in the link, and return their values.

    Parameters
    ----------
    view : View
    recipe : dataclass or its class
        Controls begin with its values or defaults.
    names : iterable of str
        Settings, in the order of the controls.
    places : sequence of streamlit places
        Where they are drawn, in turns.
    link : callable, optional
        Makes the name of a control in the link of that which the setting has.
    listed : bool
        Whether choices are a list to open, and not words side by side.
    """
    known = settings(recipe)
    values: dict[str, Any] = {}
    for name, place in zip(names, cycle(places)):
        of = known[name]
        default = of.default if isinstance(recipe, type) else getattr(recipe, name)
        values[name] = control(view, of, default, place=place, link=link(of.link or name), listed=listed)
    return values


def control(
    view: View, of: Setting, default: Any, *, place: Any = st, link: str = "", listed: bool = False
) -> Any:
    """Draw the control of one setting, which begins with `default`, and return its value; see `controls`."""
    link = link or of.link or of.name
    called = "" if link in of.label.lower() else of.label.lower()
    more: dict[str, Any] = {"place": place, "help": " ".join(filter(None, (of.help, of.source))) or None}
    if of.kind == "bool":
        words = of.names or ("no", "yes")
        usual = words[bool(default)]
        return form.switch(view, link, of.label, words, usual, called=called, **more) == words[1]
    if of.choices:
        options = dict(zip(of.choices, of.names or of.choices, strict=True))
        if of.kind.startswith("tuple"):
            chosen = form.several(view, link, of.label, options, default, **more)
            return tuple(choice for choice in of.choices if choice in chosen)
        draw = form.select if listed or not of.names else form.switch
        return draw(view, link, of.label, options, default, called=called, **more)
    low, high = of.limits
    if of.kind.startswith("int"):
        return form.whole(view, link, of.label, int(low), int(high), default, **more)
    more |= {"format": "%g", "step": of.step or default or 0.1}
    return form.real(view, link, of.label, low, high, default, **more)


def value(view: View, recipe: type, name: str) -> int:
    """Return the value of a whole-number setting whose control is drawn later."""
    of = settings(recipe)[name]
    return int(view.number(of.link or name, *of.limits, of.default))
