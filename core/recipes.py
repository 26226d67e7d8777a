"""Settings of recipes: the name, purpose and range of each, written once beside its default.

A recipe is a frozen dataclass whose fields are made by `setting`. What checks a value, the options of
commands, the controls of forms and the sentence that describes a training are all derived from these fields.
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
    """What is known of a field of a recipe besides its default.

    Attributes
    ----------
    label : str
        Its name on a page.
    help : str
        What it does, for a command and a page.
    source : str
        Where the default is from, where that has to be stated.
    low, high, above, below : float or None
        Range of the values that can be computed with, ends included or (`above`, `below`) not.
    asked : two floats, optional
        Range of the values that a page offers; by default `low` and `high`.
    choices : tuple of str
        All values there are, for a text.
    names : tuple of str
        What a page calls the choices, or no and yes.
    words : str
        A part of the sentence that describes a training, a format over the fields of the recipe.
    silent : object
        The value at which the sentence says nothing.
    usual : str
        What a command says of the default, where that is not the value of the field.
    option, link : str
        Name of the option of a command, and of the parameter in the address of a page, where it is not the
        field's.
    repeated : bool
        Whether the option of a command is given once for each value, and not with commas between them.
    step : float or None
        Step of the control of a page.
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
        """What messages call it: its label where that is its name in words, as "The learning rate"."""
        words = self.name.replace("_", " ")
        if self.choices or self.label.lower() != words:
            return self.name
        return f"The number of {words}" if self.kind == "int" and words.endswith("s") else f"The {words}"

    def problem(self, value: Any, *, asked: bool = False) -> str:
        """Return what is wrong with a value and what it must be; "" if nothing is.

        With `asked` the value must be of those that a page offers, else of those that can be computed with.
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


def _first(closed: float | None, open_: float | None) -> float:
    found = closed if closed is not None else open_
    return math.inf if found is None else found


def setting(default: Any, label: str = "", help: str = "", **more: Any) -> Any:
    """Return a field of a recipe with its default, label, help and whatever else `Setting` has.

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
    """Return a field that is as one of another recipe, but for its default and what `changes` say."""
    found = settings(recipe)[name]
    default = found.default if default is _UNSET else default
    return field(default=default, metadata={"setting": replace(found, **changes)})


def with_defaults(of: Any) -> Callable[[type[T]], type[T]]:
    """Return a decorator, to stand below ``@dataclass``, that sets the defaults of a recipe to `of`'s."""

    def decorate(cls: type[T]) -> type[T]:
        for name in settings(type(of)):
            cls.__annotations__[name] = settings(type(of))[name].kind
            setattr(cls, name, like(type(of), name, getattr(of, name)))
        return cls

    return decorate


def settings(recipe: Any) -> dict[str, Setting]:
    """Return the settings of a recipe or its class by the names of their fields."""
    return {
        f.name: replace(f.metadata["setting"], name=f.name, kind=str(f.type), default=f.default)
        for f in fields(recipe)
        if "setting" in f.metadata
    }


def check(
    recipe: Any, names: Iterable[str] = (), *, asked: bool = False, error: type[ValueError] = ValueError
) -> None:
    """Raise `error` for the first value of a recipe that cannot be, with what it must be.

    Parameters
    ----------
    recipe : dataclass
    names : iterable of str
        Settings to check; by default all.
    asked : bool
        Check the ranges that a page offers, not those that can be computed with.
    error : type
        A `ValueError`.
    """
    chosen = set(names)
    for name, of in settings(recipe).items():
        value = getattr(recipe, name)
        if (not chosen or name in chosen) and (wanted := of.problem(value, asked=asked)):
            raise error(f"{of.called if asked else name} is {value!r}; it must be {wanted}.")


def derive(kind: type[T], source: Any, **changes: Any) -> T:
    """Return a recipe of a kind with the values of all fields of the same names in another dataclass."""
    own = {f.name: getattr(source, f.name) for f in fields(kind) if hasattr(source, f.name)}  # type: ignore[arg-type]
    return kind(**(own | changes))


def describe(recipe: Any, without: Iterable[str] = ()) -> str:
    """Return how a recipe trains, in words: what its settings have to say, in their order."""
    values = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    return ", ".join(
        _FORMATTER.format(of.words, **values)
        for name, of in settings(recipe).items()
        if of.words and name not in without and (of.silent is _UNSET or values[name] != of.silent)
    )


class _Formatter(string.Formatter):
    """Formats a number by a noun, too: ``{epochs:epoch}`` is "1 epoch" or "25 epochs"."""

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
        "Clips a step; the last batch of an epoch holds what is left.",
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
        "Share of a step that the next one goes on with.",
        low=0,
        below=1,
        asked=(0.0, 0.999),
        words="momentum {momentum:g}",
        silent=0.0,
        step=0.1,
    )
