"""The context of a running job: its inputs, checkpoint folder, progress and result."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cache import Artifact, ArtifactWriter
    from jobs.tasks.spec import R, Spec
    from jobs.workspace.workspace import Workspace


class JobContext(Protocol):
    """Passed to every task."""

    workspace: Workspace
    spec: Spec
    #: A folder that survives a killed process; it is removed when the job is done.
    checkpoint: Path

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Report the progress of the job. Cheap: call it at every step."""

    def log(self, message: str) -> None:
        """Add a line to the job's log."""

    def open(self, spec: Spec) -> Artifact:
        """Open the result of an input."""

    def read(self, spec: Spec[R]) -> R:
        """Return the result of an input, typed."""

    def writer(self) -> AbstractContextManager[ArtifactWriter]:
        """Write this job's artifact; it appears as a whole when the block ends without an error."""
