"""Grids of zero-shot models as the page shows them: read from results, summed up through core."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.data import workspace as shown_workspace
from jobs import encoders
from jobs.queue import State
from jobs.specs import EmbedAudio, EmbedText, SpecError, ZeroShotGrid, from_json
from jobs.texts import texts_fingerprint, texts_of
from jobs.workspace import Dataset, Workspace

#: The text encoder that is offered where there is no space of texts yet.
USUAL_TEXT = "minilm"


@dataclass(frozen=True)
class Grid:
    """A grid that is there, or asked for."""

    spec: ZeroShotGrid
    state: State

    @property
    def id(self) -> str:
        """Short name for links."""
        return self.spec.key[:12]


def texts(workspace: Workspace, dataset: Dataset) -> dict[str, EmbedText]:
    """Return the spaces of class texts that can be trained with, those that are there first.

    Those of the usual encoder are offered where it is installed, descriptions before names.
    """
    found = {s.name: s.spec for s in workspace.text_spaces(dataset) if s.state == "done"}
    if encoders.get(USUAL_TEXT)[0].available() is None:
        for of in ("description", "label"):
            try:
                given = texts_of(dataset, of)
            except ValueError:
                continue
            spec = EmbedText(dataset=dataset.ref, texts=texts_fingerprint(given), encoder=USUAL_TEXT, of=of)
            found.setdefault(f"{USUAL_TEXT} · {of}s", spec)
    described = [name for name, spec in found.items() if spec.of == "description"]
    return {name: found[name] for name in [*described, *(n for n in found if n not in described)]}


def grids(workspace: Workspace, dataset: Dataset, embedding: EmbedAudio) -> list[Grid]:
    """Return the grids of a space, those that are there first, the newest of them at the top."""
    found: dict[str, Grid] = {}
    for info in workspace.cache.list(type=ZeroShotGrid.__name__):
        spec = _mine(info.spec, dataset, embedding)
        if spec is not None:
            found.setdefault(spec.key, Grid(spec, "done"))
    for job in workspace.queue.jobs():
        if job.spec.get("type") == ZeroShotGrid.__name__ and job.state != "done":
            spec = _mine(job.spec, dataset, embedding)
            if spec is not None:
                found.setdefault(spec.key, Grid(spec, job.state))
    return list(found.values())


def _mine(spec: dict[str, object], dataset: Dataset, embedding: EmbedAudio) -> ZeroShotGrid | None:
    try:
        parsed = from_json(spec)
    except SpecError:
        return None
    if not isinstance(parsed, ZeroShotGrid) or parsed.embedding.key != embedding.key:
        return None
    # What was said of the clips then is what it is about.
    return parsed if parsed.labels == dataset.labels_fingerprint else None


__all__ = ["Grid", "grids", "shown_workspace", "texts"]
