"""Settings of recipes: the name, purpose and range of each, defined once beside its default.

A recipe is a frozen dataclass whose fields are defined by `setting`. Validation, the options of commands, the
controls of forms and the sentence that describes a training are all derived from these fields.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from typing import Any, TypeVar

from core.words import count

T = TypeVar("T")
_UNSET: Any = object()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Metadata of a field of a recipe.

    Attributes
    ----------
    label : str
        Name on a page.
    help : str
        Explanation for commands and pages.
    source : str
        Origin of the default, if it has to be stated.
    low, high, above, below : float or None
        Range of the valid values, ends included or (`above`, `below`) excluded.
    asked : two floats, optional
        Range of the values that a page offers; by default `low` and `high`.
    choices : tuple of str
        All valid values, for text.
    names : tuple of str
        Names of the choices on a page, or of no and yes.
    words : str
        A part of the sentence that describes a training, as a format string over the fields of the recipe.
    silent : object
        The value that the sentence omits.
    usual : str
        Description of the default for commands, if it is not the value of the field.
    option, link : str
        Name of a command's option, and of the parameter in a page's address, if it is not the field's.
    repeated : bool
        Whether a command's option is repeated for each value, instead of values separated by commas.
    step : float or None
        Step of the control on a page.
    """

    label: str = ""
    help: str = ""
    source: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    asked: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    words: str = ""
    silent: Any = _UNSET
    usual: str = ""
    option: str = ""
    link: str = ""
    repeated: bool = False
    step: float | None = None
    name: str = ""
    kind: str = ""
    default: Any = None

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest value that a page offers."""
        return self.asked or (_first(self.low, self.above), _first(self.high, self.below))

    @property
    def called(self) -> str:
        """Name in messages: the label if it is the name in words, as in "The learning rate"."""
        words = self.name.replace("_", " ")
        if self.choices or self.label.lower() != words:
            return self.name
        return f"The number of {words}" if self.kind == "int" and words.endswith("s") else f"The {words}"

    def problem(self, value: Any, *, asked: bool = False) -> str:
        """Return what a value must be; "" if it is valid.

        With `asked` it must be among the values that a page offers.
        """
        kind = self.kind.removesuffix(" | None")
        if value is None and kind != self.kind:
            return ""
        if self.choices:
            return "" if value in self.choices else f"one of {', '.join(self.choices)}"
        if kind == "bool":
            return "" if type(value).__name__.rstrip("_") == "bool" else "True or False"
        if kind not in ("int", "float"):
            return ""
        noun, numbers = (
            ("a whole number", int if asked else Integral) if kind == "int" else ("a number", Real)
        )
        if isinstance(value, bool) or not isinstance(value, numbers) or not self._within(value, asked):
            return noun + self._range(asked)
        return ""

    def _within(self, value: Any, asked: bool) -> bool:
        if asked:
            return bool(self.limits[0] <= value <= self.limits[1])
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
        )

    def _range(self, asked: bool) -> str:
        if asked:
            return " between {} and {}".format(*self.limits)
        start = f" from {self.low}" if self.low is not None else ""
        start = f" above {self.above}" if self.above is not None else start
        end = f" to {self.high}" if self.high is not None else ""
        return start + (f" to below {self.below}" if self.below is not None else end)


def _first(*limits: float | None) -> float:
    return next((limit for limit in limits if limit is not None), math.inf)


def setting(default: Any, label: str = "", help: str = "", **more: Any) -> Any:
    """Return a field of a recipe with its default, label, help and other attributes of `Setting`.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Recipe:
    ...     epochs: int = setting(100, "Epochs", "Passes over the clips.", low=1, words="{epochs:epoch}")
    >>> settings(Recipe)["epochs"].label, describe(Recipe(epochs=2)), Recipe().epochs
    ('Epochs', '2 epochs', 100)
    >>> check(Recipe(epochs=0))
    Traceback (most recent call last):
    ...
    ValueError: epochs is 0; it must be a whole number from 1.
    """
    return field(default=default, metadata={"setting": Setting(label=label, help=help, **more)})


def like(recipe: type, name: str, default: Any = _UNSET, **changes: Any) -> Any:
    """Return a copy of a field of another recipe, with another default or other attributes."""
    original = settings(recipe)[name]
    default = original.default if default is _UNSET else default
    return field(default=default, metadata={"setting": replace(original, **changes)})


def with_defaults(of: Any) -> Callable[[type[T]], type[T]]:
    """Return a decorator, for use below ``@dataclass``, that copies the defaults of the recipe `of`."""

    def decorate(cls: type[T]) -> type[T]:
        for name in settings(type(of)):
            cls.__annotations__[name] = settings(type(of))[name].kind
            setattr(cls, name, like(type(of), name, getattr(of, name)))
        return cls

    return decorate


def settings(recipe: Any) -> dict[str, Setting]:
    """Return the settings of a recipe or of its class, by field name."""
    return {
        f.name: replace(f.metadata["setting"], name=f.name, kind=str(f.type), default=f.default)
        for f in fields(recipe)
        if "setting" in f.metadata
    }


def check(
    recipe: Any, names: Iterable[str] = (), *, asked: bool = False, error: type[ValueError] = ValueError
) -> None:
    """Raise `error` for the first invalid value of a recipe.

    Parameters
    ----------
    recipe : dataclass
    names : iterable of str
        Settings to check; by default all.
    asked : bool
        Check against the ranges that a page offers instead of the valid ones.
    error : type
        A subclass of `ValueError`.
    """
    chosen = set(names)
    for name, of in settings(recipe).items():
        value = getattr(recipe, name)
        if (not chosen or name in chosen) and (wanted := of.problem(value, asked=asked)):
            raise error(f"{of.called if asked else name} is {value!r}; it must be {wanted}.")


def derive(kind: type[T], source: Any, **changes: Any) -> T:
    """Return a recipe of a kind with the values of the equally named fields of another dataclass."""
    own = {f.name: getattr(source, f.name) for f in fields(kind) if hasattr(source, f.name)}  # type: ignore[arg-type]
    return kind(**(own | changes))


def describe(recipe: Any, without: Iterable[str] = ()) -> str:
    """Describe in words how a recipe trains, setting by setting."""
    values = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    return ", ".join(
        _FORMATTER.format(of.words, **values)
        for name, of in settings(recipe).items()
        if of.words and name not in without and (of.silent is _UNSET or values[name] != of.silent)
    )


class _Formatter(string.Formatter):
    """Also formats a number with a noun: ``{epochs:epoch}`` is "1 epoch" or "25 epochs"."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, int) and format_spec.isalpha() and len(format_spec) > 1:
            return count(value, format_spec)
        return str(super().format_field(value, format_spec))


_FORMATTER = _Formatter()


@dataclass(frozen=True)
class Descent:
    """Settings of every training by gradient descent."""

    learning_rate: float = setting(
        1e-3,
        "Learning rate",
        "Step of gradient descent.",
        above=0,
        asked=(1e-9, 1000.0),
        words="learning rate {learning_rate:g}",
        link="rate",
    )
    batch_size: int = setting(
        64,
        "Batch size",
        "Clips per step; the last batch of an epoch has the remaining ones.",
        low=1,
        asked=(1, 100_000),
        words="batches of {batch_size}",
        link="batch",
    )
    epochs: int = setting(
        100, "Epochs", "Passes over the training clips.", low=1, asked=(1, 10_000), words="{epochs:epoch}"
    )
    momentum: float = setting(
        0.0,
        "Momentum",
        "Share of each step that is added to the next one.",
        low=0,
        below=1,
        asked=(0.0, 0.999),
        words="momentum {momentum:g}",
        silent=0.0,
        step=0.1,
    )
