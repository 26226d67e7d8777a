"""What a running job may use: its inputs, its checkpoint folder, its progress and its result."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cache import Artifact, ArtifactWriter
    from jobs.tasks.spec import R, Spec
    from jobs.workspace.workspace import Workspace


class JobContext(Protocol):
    """Handed to every task; the child process and the in-process runner each have their own."""

    workspace: Workspace
    spec: Spec
    #: A folder that outlives a killed process; it is removed when the job is done.
    checkpoint: Path

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Say how far the job is. Cheap: call it as often as is natural."""

    def log(self, message: str) -> None:
        """Add a line to the job's log."""

    def open(self, spec: Spec) -> Artifact:
        """Open the result of an input."""

    def read(self, spec: Spec[R]) -> R:
        """Return the result of an input, typed."""

    def writer(self) -> AbstractContextManager[ArtifactWriter]:
        """Begin this job's own artifact; it appears whole when the block ends without an error."""
