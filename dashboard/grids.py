"""Trainings of many models, as pages list them: those that are computed, and those that are submitted."""

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
    """A training that is computed or submitted."""

    spec: S
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


def find(workspace: Workspace, kinds: tuple[type[S], ...], mine: Callable[[S], bool]) -> list[Grid[S]]:
    """Return the trainings of these kinds on a page: those that are computed, newest first, then the others.

    Parameters
    ----------
    workspace : Workspace
    kinds : tuple of type
    mine : callable
        Returns whether the page shows a training.
    """
    names = {kind.__name__ for kind in kinds}
    infos = [info for name in sorted(names) for info in workspace.cache.list(type=name)]
    infos.sort(key=lambda info: info.created, reverse=True)
    known: list[tuple[dict[str, Any], State]] = [(info.spec, "done") for info in infos]
    # A job that is done, but whose result is missing, was cleared away.
    known += [
        (job.spec, job.state)
        for job in workspace.queue.jobs()
        if job.spec.get("type") in names and job.state != "done"
    ]
    grids: dict[str, Grid[S]] = {}
    for given, state in known:
        try:
            spec = from_json(given)
        except SpecError:  # of another version
            continue
        if isinstance(spec, kinds) and mine(spec):
            grids.setdefault(spec.key, Grid(spec, state))
    return list(grids.values())
