"""Dataset adapters: modules that list the clips of a folder and their labels.

An adapter is a module in this folder, or one that another distribution names in the entry-point group
``hearspace.datasets``. It holds plain facts and one function:

==================  ================================================================================
``NAME``            what users write, such as ``"folder"``
``DESCRIPTION``     one sentence for people
``OPTIONS``         mapping of each option's name to one line of help; option values are text
``scan(root, ...)`` ``scan(root, **options)`` yields a `Clip` for each clip, a `Skipped` for each file
                    that is no clip and a `Remark` on what is odd; it opens no sound file
``classes(root)``   optional: ``classes(root, **options)`` yields label, family and description (or None)
                    of each class; then every label of a clip is a class, not only the first
==================  ================================================================================

Everything else (reading, hashing, ids, duplicates, the report) is `jobs.datasets.importer`, the same for
all. This registry is light: it imports no numerics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jobs.registry import Registry

ENTRY_POINTS = "hearspace.datasets"


class DatasetError(ValueError):
    """A dataset cannot be imported; the message says why and what to do."""


class UnknownAdapter(DatasetError):
    """No adapter has this name."""


class OptionError(DatasetError):
    """An option that the adapter does not have, or a value that it cannot use."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that is to be a clip.

    Parameters
    ----------
    path : str
        Relative to the dataset's root, with forward slashes.
    labels : tuple of str
        Its labels, the most telling first; empty for an unlabelled clip.
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
        All sentences about this clip where it can have several, `caption` the first of them.
    """

    path: str
    labels: tuple[str, ...] = ()
    fold: int | str | None = None
    family: str | None = None
    caption: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, folder or row that is not to be a clip, and why.

    Parameters
    ----------
    path, reason : str
    summary : bool
        Whether it is about several files together, or none, so that it is no file's own reason.
    """

    path: str
    reason: str
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something odd about a file, folder or row that is used all the same."""

    path: str
    reason: str


#: What adapters yield.
Item = Clip | Skipped | Remark

#: Earlier names, which other distributions' adapters may import.
_EARLIER = {"Found": Clip, "LeftOut": Skipped}


def __getattr__(name: str) -> Any:
    if name in _EARLIER:
        return _EARLIER[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Adapter(Protocol):
    """The contents of an adapter module."""

    NAME: str
    DESCRIPTION: str
    OPTIONS: Mapping[str, str]

    def scan(self, root: Path, **options: str) -> Iterator[Item]:
        """Yield what is in the folder `root`, in an order that is the same every time."""


REGISTRY = Registry(
    __name__,
    ENTRY_POINTS,
    "Adapter",
    ("NAME", "DESCRIPTION", "OPTIONS", "scan"),
    skip=("importer", "synthetic", "synthesis").__contains__,
)
#: The modules that are adapters, sorted, without importing any; each adapter is named like its module.
builtin_modules = REGISTRY.module_names


def names() -> list[str]:
    """Return the names of all adapters, those of this distribution first."""
    return list(REGISTRY.modules)


def problems() -> dict[str, str]:
    """Return what is wrong with adapters of other distributions that cannot be used, by entry point."""
    return dict(REGISTRY.problems)


def get(name: str) -> Adapter:
    """Return an adapter by its name.

    Raises
    ------
    UnknownAdapter
        With the names of all adapters.
    """
    adapter: Adapter | None = REGISTRY.find(name)
    if adapter is None:
        known = ", ".join(names())
        raise UnknownAdapter(
            f"There is no dataset adapter {name!r}; there are {known}.{REGISTRY.problem(name)}"
        )
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
    """Return `value` if it is one of those `allowed`, else raise `OptionError` with the list."""
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
