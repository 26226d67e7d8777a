"""Options that are defined once for several commands: groups of options, and settings of recipes.

A command takes such options as one parameter and is decorated with `expanded`. For a parameter annotated with
a `Group`, each field becomes an option; for one annotated with `Asked`, each setting that it names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import wraps
from typing import Annotated, Any, get_args, get_type_hints

import typer

from core.recipes import Setting, settings
from jobs.specs import SpecError

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}


class Group:
    """Base of dataclasses whose fields are options (or arguments) of a command, with ``Annotated`` types."""


class Asked:
    """Annotation of a parameter that receives settings of recipes, as a dict of the settings that are given.

    Parameters
    ----------
    kinds : type or tuple of types
        Recipes or specs with the settings.
    *names : str
        The settings that become options, in this order.
    unstated : iterable of str, optional
        Settings whose defaults are not shown, because another option determines them.
    least : mapping of str to int, optional
        Minimum values that the command line checks itself.
    """

    def __init__(
        self,
        kinds: type | tuple[type, ...],
        *names: str,
        unstated: Iterable[str] = (),
        least: dict[str, int] | None = None,
    ) -> None:
        every: dict[str, Setting] = {}
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            every |= settings(kind)
        self.settings = {name: every[name] for name in names}
        self.unstated = frozenset(unstated)
        self.least = least or {}

    def parameters(self) -> list[inspect.Parameter]:
        """Return the options."""
        return [self._parameter(name, of) for name, of in self.settings.items()]

    def take(self, given: dict[str, Any]) -> dict[str, Any]:
        """Remove these settings from the values of a command and return those that are given."""
        values = {name: given.pop(name) for name in self.settings}
        return {
            name: _parsed(self.settings[name], value) for name, value in values.items() if value is not None
        }

    def _parameter(self, name: str, of: Setting) -> inspect.Parameter:
        usual = "" if name in self.unstated else of.usual or _text(of.default)
        text = " ".join(filter(None, (of.help or f"{of.label}.", f"[default: {usual}]" if usual else "")))
        flag = of.option or name.replace("_", "-")
        option = typer.Option(flag if flag[0] == "-" else f"--{flag}", help=text, min=self.least.get(name))
        kind: Any = list[str] if of.repeated else _KINDS.get(of.kind.removesuffix(" | None"), str)
        return _keyword(name, Annotated[kind | None, option], None)


def expanded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with one parameter for each option of its groups and settings."""
    hints = get_type_hints(command, include_extras=True)
    parts: dict[str, Any] = {}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if isinstance(hint, type) and issubclass(hint, Group):
            parts[parameter.name] = hint
            parameters += _fields(hint)
        elif asked := [each for each in get_args(hint)[1:] if isinstance(each, Asked)]:
            parts[parameter.name] = asked[0]
            parameters += asked[0].parameters()
        else:
            parameters.append(_keyword(parameter.name, hint, parameter.default))

    @wraps(command)
    def run(**given: Any) -> Any:
        for name, part in parts.items():
            if isinstance(part, Asked):
                given[name] = part.take(given)
            else:
                given[name] = part(**{p.name: given.pop(p.name) for p in _fields(part)})
        return command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_keyword(f.name, hints[f.name], f.default) for f in fields(group)]


def _keyword(name: str, hint: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=default)


def _text(value: Any) -> str:
    """Return a default as a user would write it; "" for defaults that are not shown."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parsed(of: Setting, value: Any) -> Any:
    if not of.kind.startswith("tuple"):
        return value
    if of.repeated:
        return tuple(value)
    parts = tuple(part.strip() for part in value.split(","))
    if "float" not in of.kind:
        return parts
    try:
        return tuple(map(float, parts))
    except ValueError:
        example = _text(of.default[::2])
        raise SpecError(f"{of.name} is {value!r}; write them such as {example}.") from None
