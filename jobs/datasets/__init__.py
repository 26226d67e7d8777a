"""Dataset adapters: what finds the clips in a folder and says what they are called.

An adapter is a module in this folder that defines ``NAME`` and ``scan``, or one that another distribution
names in the entry-point group ``hearspace.datasets``. It holds plain facts and one function:

==================  ================================================================================
``NAME``            what users write, such as ``"folder"``
``DESCRIPTION``     one sentence for people
``OPTIONS``         mapping of each option's name to one line of help; option values are text
``scan(root, ...)`` ``scan(root, **options)`` yields a `Found` for each clip, a `LeftOut` for each file
                    that is no clip and a `Remark` on what is not as it seems; it opens no sound file
``classes(root)``   optional: ``classes(root, **options)`` yields label, family and description (or None)
                    of each class; then every label of a clip is a class, not only the first
==================  ================================================================================

Everything else (reading, hashing, ids, duplicates, the report) is `jobs.datasets.importer`, the same for
all. This registry is light: it imports no numerics.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

ENTRY_POINTS = "hearspace.datasets"


class DatasetError(ValueError):
    """A dataset cannot be imported; the message says why and what to do."""


class UnknownAdapter(DatasetError):
    """No adapter has this name."""


class OptionError(DatasetError):
    """An option that the adapter does not have, or a value that it cannot use."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to be a clip.

    Parameters
    ----------
    path : str
        Relative to the dataset's root, with forward slashes.
    labels : tuple of str
        What is heard in it, the most telling first; empty where nothing is said.
    fold : int or str, optional
        Part of the dataset's own cross-validation. Where any clip's is a word (a speaker, "train"), all are
        names of groups, and the import numbers these.
    family : str, optional
        Group of classes.
    caption : str, optional
        A sentence about this clip.
    extra : mapping
        Further columns: plain values or None.
    captions : tuple of str
        All sentences about this clip where there may be several, `caption` the first of them.
    """

    path: str
    labels: tuple[str, ...] = ()
    fold: int | str | None = None
    family: str | None = None
    caption: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, folder or row that is not to be a clip, and why.

    Parameters
    ----------
    path, reason : str
    summary : bool
        Whether it stands for several files together, or for none, so that it is no file's own reason.
    """

    path: str
    reason: str
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a file, folder or row that is used, and is not what it seems."""

    path: str
    reason: str


class Adapter(Protocol):
    """What an adapter module holds."""

    NAME: str
    DESCRIPTION: str
    OPTIONS: Mapping[str, str]

    def scan(self, root: Path, **options: str) -> Iterator[Found | LeftOut | Remark]:
        """Yield what is in the folder `root`, in an order that is the same every time."""


_PARTS = ("NAME", "DESCRIPTION", "OPTIONS", "scan")


def builtin_modules() -> list[str]:
    """Return the modules of this distribution that can be adapters, sorted, without importing any.

    Each adapter here is named like its module; helpers and the synthetic world are none.
    """
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    none = ("importer", "synthetic", "synthesis")
    return sorted(name for name in names if not name.startswith("_") and name not in none)


@cache
def _builtin() -> dict[str, Adapter]:
    found: dict[str, Adapter] = {}
    for name in builtin_modules():
        module: Any = importlib.import_module(f"{__name__}.{name}")
        if all(hasattr(module, part) for part in _PARTS):
            found[module.NAME] = module
    return dict(sorted(found.items()))


@cache
def _external() -> tuple[dict[str, Adapter], dict[str, str]]:
    """Adapters of other distributions, and what is wrong with those that cannot be used."""
    found: dict[str, Adapter] = {}
    problems: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            module = point.load()
        except Exception as error:  # whatever a stranger's module raises must not take the others down
            problems[point.name] = f"{_origin(point)} cannot be imported: {error}"
            continue
        missing = [part for part in _PARTS if not hasattr(module, part)]
        if missing:
            problems[point.name] = f"{_origin(point)} lacks {', '.join(missing)}."
        elif module.NAME in _builtin() or module.NAME in found:
            problems[point.name] = f"{_origin(point)} calls itself {module.NAME!r}, a name that is taken."
        else:
            found[module.NAME] = module
    return dict(sorted(found.items())), problems


def _origin(point: EntryPoint) -> str:
    return f"Adapter {point.name!r} ({point.value})"


def names() -> list[str]:
    """Return the names of all adapters, those of this distribution first."""
    return [*_builtin(), *_external()[0]]


def problems() -> dict[str, str]:
    """Return what is wrong with adapters of other distributions that were left out, by entry point."""
    return dict(_external()[1])


def get(name: str) -> Adapter:
    """Find an adapter.

    Parameters
    ----------
    name : str

    Returns
    -------
    Adapter

    Raises
    ------
    UnknownAdapter
        With the names that there are.
    """
    adapter = _builtin().get(name) or _external()[0].get(name)
    if adapter is None:
        broken = f" {problems()[name]}" if name in problems() else ""
        raise UnknownAdapter(f"There is no dataset adapter {name!r}; there are {', '.join(names())}.{broken}")
    return adapter


def checked_options(adapter: Adapter, options: Mapping[str, Any] | None) -> dict[str, str]:
    """Return `options` as text, after a look at their names.

    Raises
    ------
    OptionError
        For an option that `adapter` does not have; the message lists those that it has.
    """
    options = options or {}
    known = ", ".join(adapter.OPTIONS) or "none"
    for name in options:
        if name not in adapter.OPTIONS:
            raise OptionError(f"The adapter {adapter.NAME} has no option {name!r}; its options are: {known}.")
    return {name: str(value) for name, value in options.items() if value is not None}


def choice(option: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of those `allowed`, else raise `OptionError` saying which are."""
    if value not in allowed:
        raise OptionError(f"{option} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value


_NUMBERING = re.compile(r"^(?:\d+\s+[-–—]\s+|\d+[_.)]\s*|0\d*[-–—]\s*)(?=[^\W\d])")


def clean_label(name: str) -> str:
    """Make a class name of a folder's or a column's spelling of it.

    Numbering goes, underscores become spaces, and spaces are single.

    Examples
    --------
    >>> clean_label("001 - Dog bark"), clean_label("02_sea_waves"), clean_label("808-kick")
    ('Dog bark', 'sea waves', '808-kick')
    """
    name = name.strip()
    return " ".join(_NUMBERING.sub("", name).replace("_", " ").split()) or name
