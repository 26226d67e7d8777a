"""Shared parts of the commands: common options, output as tables or JSON, and progress bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.cli.options import Group
from jobs.encoders import trained
from jobs.engine.queue import Job
from jobs.specs import EmbedAudio, Spec, SpecError
from jobs.workspace.workspace import Dataset, Workspace

#: Exit statuses, the same for every command.
OK, FAILED, BAD_INPUT, BUSY, INTERRUPTED = 0, 1, 2, 3, 130

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="HEARSPACE_HOME",
        show_default="the user's data folder",
        help="Folder that holds datasets, jobs and results.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]

BackgroundOption = Annotated[
    bool, typer.Option("--background", "-b", help="Only submit the jobs, for a worker to run.")
]
PrintSpecOption = Annotated[
    bool, typer.Option("--print-spec", help="Only print the spec as JSON, for `hearspace run`.")
]
DatasetArgument = Annotated[str, typer.Argument(help="Name of a dataset; `hearspace datasets` lists them.")]

# No emoji: "imported:clap:" would become a picture of hands.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


#: The workspace that a command works on; named in errors of the system that name no file.
opened: Path | None = None


def open_workspace(path: Path | None) -> Workspace:
    """Open the workspace that the options name."""
    global opened
    workspace = Workspace.open(path)
    opened = workspace.root
    return workspace


def space_of(workspace: Workspace, dataset: Dataset, encoder: str) -> EmbedAudio:
    """Return a space of a dataset by its encoder, or by the name of one that was trained here.

    The model of an existing space may be given by the last name of its folder.

    Raises
    ------
    SpecError
        If no trained space has this name, or `EmbedAudio` refuses the encoder.
    """
    spaces = workspace.spaces(dataset)
    if not encoder.startswith(f"{trained.NAME}:"):
        matches = [s.spec for s in spaces if encoder == s.spec.model != s.encoder]
        return matches[0] if len(matches) == 1 else EmbedAudio(dataset=dataset.ref, encoder=encoder)
    kept = {s.encoder: s.spec for s in spaces if s.spec.source is not None}
    if encoder not in kept:
        known = f"; there are {', '.join(kept)}" if kept else ""
        raise SpecError(f"No space {encoder!r} of {dataset.name} was kept{known}.")
    return kept[encoder]


def say(message: str) -> None:
    """Print one line for people."""
    out.print(escape(message), soft_wrap=True)


def warn(message: str) -> None:
    """Print one line for people on standard error."""
    err.print(escape(message), soft_wrap=True)


def show(rows: Sequence[dict[str, Any]], columns: Iterable[str], *, as_json: bool, empty: str) -> None:
    """Print rows as a table of `columns`, or all values as JSON; print `empty` if there are no rows."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=1))
        return
    if not rows:
        say(empty)
        return
    columns = list(columns)
    if not out.is_terminal:
        # A pipe or file gets one line per row with tabs between the columns, however long.
        print("\t".join(columns))
        for row in rows:
            print("\t".join(_plain(row.get(column)) for column in columns))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=numbers)
    for row in rows:
        table.add_row(*(escape(_text(row.get(column))) for column in columns))
    out.print(table)


def writable(target: Path) -> Path:
    """Return the path of a new file to write.

    Raises
    ------
    SpecError
        If the file exists, or its folder does not.
    """
    if target.exists():
        raise SpecError(f"{target} exists; give another name or remove it first.")
    return in_folder(target)


def in_folder(target: Path) -> Path:
    """Return the path of a file to write, which may exist; raises `SpecError` if its folder does not."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise SpecError(f"There is no folder {folder} to write {target.name} to; make it first.")
    return target


def _plain(value: Any) -> str:
    """Format a value for programs: no separators within numbers, no tab or line break within text."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def _text(value: Any) -> str:
    """Format a value for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def without_nan(row: dict[Any, Any]) -> dict[Any, Any]:
    """Return a row for JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in row.items()}


def complain(damaged: Sequence[str]) -> None:
    """Print messages about damage on standard error and exit with status 1, unless there are none."""
    for sentence in damaged:
        warn(sentence)
    if damaged:
        raise typer.Exit(FAILED)


def compute(
    workspace: Workspace, specs: Sequence[Spec], *, as_json: bool = False, quiet: bool = False
) -> list[Job]:
    """Compute specs with a progress bar each; exit with status 1 if one fails.

    If a worker serves the workspace, it runs the jobs and this only watches. With `quiet` only failures are
    printed, on standard error.
    """
    from jobs.engine.inprocess import run

    # All at once, so that a worker can run several at a time.
    for spec in specs:
        workspace.queue.submit(spec)
    jobs = []
    with bars(quiet=as_json or quiet) as report:
        for spec in specs:
            job = run(workspace, spec, report)
            if job.key == spec.key:  # by the title requested here, which may not be the first one
                job = replace(job, title=spec.title)
            jobs.append(job)
            line = f"{'✓' if job.state == 'done' else '✗'} {job.title}: {job.error or job.state}"
            if quiet and job.state != "done":
                warn(line)
            elif not (as_json or quiet):
                say(line)
    if as_json:
        print(json.dumps([job_row(job) for job in jobs], ensure_ascii=False, indent=1))
    if any(job.state != "done" for job in jobs):
        raise typer.Exit(FAILED)
    return jobs


class _InWorkspace(Group):
    workspace: Path | None

    def open(self) -> Workspace:
        """Open the workspace."""
        return open_workspace(self.workspace)


@dataclass(frozen=True)
class Output(_InWorkspace):
    """Options for the workspace and for printing the result."""

    as_json: JsonOption = False
    workspace: WorkspaceOption = None


@dataclass(frozen=True)
class Run(_InWorkspace):
    """Options for computing specs, for the workspace and for printing the result."""

    background: BackgroundOption = False
    print_spec: PrintSpecOption = False
    as_json: JsonOption = False
    workspace: WorkspaceOption = None

    def compute(self, workspace: Workspace, specs: Sequence[Spec], *, list_jobs: bool = False) -> bool:
        """Compute specs, or only print or submit them as requested; return whether they were computed.

        With `list_jobs` the JSON output lists the jobs.
        """
        if self.print_spec:
            for spec in specs:
                print(json.dumps(spec.to_json(), ensure_ascii=False))
        elif self.background:
            jobs = [(workspace.queue.submit(spec), spec.title) for spec in specs]
            rows = [job_row(job) | {"job": job.key[:12], "title": title} for job, title in jobs]
            show(rows, ("job", "state", "title"), as_json=self.as_json, empty="Nothing to do.")
        else:
            compute(workspace, specs, as_json=list_jobs and self.as_json, quiet=self.as_json)
        return not (self.print_spec or self.background)


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Any]:
    """Yield a function (job, done, total, note) that draws one progress bar per job on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=err,
        disable=quiet or not sys.stderr.isatty(),
        transient=True,
    )
    tasks: dict[str, Any] = {}
    with progress:

        def report(job: Job, done: float, total: float, note: str) -> None:
            if job.key not in tasks:
                tasks[job.key] = progress.add_task(escape(job.title), total=total, note="")
            progress.update(tasks[job.key], completed=done, total=total, note=escape(note))

        yield report


def job_row(job: Job) -> dict[str, Any]:
    """Return a job as plain values."""
    progress = dict(zip(("done", "total", "note"), job.progress or (None, None, None), strict=True))
    names = ("attempts", "priority", "created", "started", "ended", "depends_on", "spec")
    row = {"key": job.key, "title": job.title, "state": job.state, **progress}
    row |= {"eta_s": job.eta_s, "error": job.error}
    return row | {name: getattr(job, name) for name in names}
