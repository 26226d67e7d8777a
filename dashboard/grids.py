"""Trainings of many models, as pages list them: those that are there, and those that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jobs.engine.queue import State
from jobs.specs import Spec, SpecError, from_json
from jobs.workspace.workspace import Workspace

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Grid(Generic[S]):
    """A training that is there, or asked for."""

    spec: S
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


def find(workspace: Workspace, kinds: tuple[type[S], ...], mine: Callable[[S], bool]) -> list[Grid[S]]:
    """Return the trainings of these kinds that a page shows: the newest that are there, then those asked for.

    Parameters
    ----------
    workspace : Workspace
    kinds : tuple of type
    mine : callable
        Says whether the page shows a training.
    """
    names = {kind.__name__ for kind in kinds}
    infos = [info for name in sorted(names) for info in workspace.cache.list(type=name)]
    infos.sort(key=lambda info: info.created, reverse=True)
    asked: list[tuple[dict[str, Any], State]] = [(info.spec, "done") for info in infos]
    # A job that is done, but whose result is not there, was cleared away.
    asked += [
        (job.spec, job.state)
        for job in workspace.queue.jobs()
        if job.spec.get("type") in names and job.state != "done"
    ]
    found: dict[str, Grid[S]] = {}
    for given, state in asked:
        try:
            spec = from_json(given)
        except SpecError:  # of another version
            continue
        if isinstance(spec, kinds) and mine(spec):
            found.setdefault(spec.key, Grid(spec, state))
    return list(found.values())
