"""Registries: the modules of a folder, and those that other distributions name in an entry-point group."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class Registry:
    """Modules that keep one contract, by their ``NAME``.

    Parameters
    ----------
    package, group : str
        The package of our modules, and the entry-point group of other distributions'.
    kind : str
        Name of such a module at the beginning of a sentence.
    parts : sequence of str
        Attributes that a module must have.
    skip : callable, optional
        Tells by name whether a module of the package is a helper, as those with an underscore are.
    """

    def __init__(
        self,
        package: str,
        group: str,
        kind: str,
        parts: Sequence[str],
        skip: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._package, self._group, self._kind, self._parts, self._skip = package, group, kind, parts, skip

    def module_names(self) -> list[str]:
        """Return the modules of this distribution, sorted, without importing any."""
        path = importlib.import_module(self._package).__path__
        names = [info.name for info in pkgutil.iter_modules(path)]
        return sorted(name for name in names if not name.startswith("_") and not self._skip(name))

    @cached_property
    def builtin(self) -> dict[str, Any]:
        """The modules of this distribution, in order of their names."""
        modules = [importlib.import_module(f"{self._package}.{name}") for name in self.module_names()]
        return dict(sorted((m.NAME, m) for m in modules))

    @property
    def external(self) -> dict[str, Any]:
        """The usable modules of other distributions, in order of their names."""
        return self._loaded[0]

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with the modules of other distributions that cannot be used, by entry point."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[dict[str, Any], dict[str, str]]:
        modules: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for point in entry_points(group=self._group):
            try:
                module = point.load()
            except Exception as error:  # one broken module must not take the others down
                problems[point.name] = f"{self._origin(point)} cannot be imported: {error}"
                continue
            missing = [part for part in self._parts if not hasattr(module, part)]
            if missing:
                problems[point.name] = f"{self._origin(point)} lacks {', '.join(missing)}."
            elif module.NAME in self.builtin or module.NAME in modules:
                taken = f"calls itself {module.NAME!r}, a name that is taken."
                problems[point.name] = f"{self._origin(point)} {taken}"
            else:
                modules[module.NAME] = module
        return dict(sorted(modules.items())), problems

    def _origin(self, point: EntryPoint) -> str:
        return f"{self._kind} {point.name!r} ({point.value})"

    def forget_external(self) -> None:
        """Load the modules of other distributions again when they are next needed."""
        self.__dict__.pop("_loaded", None)

    @property
    def modules(self) -> dict[str, Any]:
        """All modules, those of this distribution first."""
        return self.builtin | self.external

    def find(self, name: str) -> Any:
        """Return a module, or None; other distributions' are imported only if the name is not one of ours."""
        return self.builtin.get(name) or self.external.get(name)

    def problem(self, name: str) -> str:
        """Return what is wrong with an entry point, to follow a sentence; "" for any other name."""
        return f" {self.problems[name]}" if name in self.problems else ""
