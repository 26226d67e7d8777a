"""What every command shares: the workspace option, tables or JSON, progress, and how errors end a command."""

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
    bool, typer.Option("--background", "-b", help="Only put the jobs into the queue, for a worker to run.")
]
PrintSpecOption = Annotated[
    bool, typer.Option("--print-spec", help="Print the spec as JSON, for `hearspace run`, and do nothing.")
]
DatasetArgument = Annotated[str, typer.Argument(help="Name of a dataset; `hearspace datasets` lists them.")]

# No emoji: "imported:clap:" would become a picture of hands.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


#: The workspace that a command works on, to be named where the system refuses something and names no file.
opened: Path | None = None


def open_workspace(path: Path | None) -> Workspace:
    """Open the workspace that the options name."""
    global opened
    workspace = Workspace.open(path)
    opened = workspace.root
    return workspace


def space_of(workspace: Workspace, dataset: Dataset, encoder: str) -> EmbedAudio:
    """Return a space of a dataset by its encoder, or by the name of one that was trained here.

    The model of a space that is there may be called by its folder's last name.

    Raises
    ------
    SpecError
        For a trained space that is not there; and what `EmbedAudio` says of an encoder.
    """
    if not encoder.startswith(f"{trained.NAME}:"):
        called = [s.spec for s in workspace.spaces(dataset) if encoder == s.spec.model != s.encoder]
        return called[0] if len(called) == 1 else EmbedAudio(dataset=dataset.ref, encoder=encoder)
    there = {s.encoder: s.spec for s in workspace.spaces(dataset) if s.spec.source is not None}
    if encoder not in there:
        known = f"; there are {', '.join(there)}" if there else ""
        raise SpecError(f"No space {encoder!r} of {dataset.name} was kept{known}.")
    return there[encoder]


def say(message: str) -> None:
    """Print one line for people."""
    out.print(escape(message), soft_wrap=True)


def show(rows: Sequence[dict[str, Any]], columns: Iterable[str], *, as_json: bool, empty: str) -> None:
    """Print rows as a table of `columns`, or all they hold as JSON; `empty` is said where there is none."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=1))
        return
    if not rows:
        say(empty)
        return
    columns = list(columns)
    if not out.is_terminal:
        # A pipe or file gets a line a row with tabs between the columns, however long.
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
    """Return the path of a file to write if there is nothing in its way.

    Raises
    ------
    SpecError
        If it exists, or the folder that it shall lie in does not.
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
    """Write a value for programs: no separators within numbers, no tab or line break within text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def without_nan(row: dict[Any, Any]) -> dict[Any, Any]:
    """Return a row for JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in row.items()}


def complain(damaged: Sequence[str]) -> None:
    """Say what is damaged or may not be read, on standard error, and exit with status 1; else do nothing."""
    for sentence in damaged:
        err.print(escape(sentence), soft_wrap=True)
    if damaged:
        raise typer.Exit(FAILED)


def compute(
    workspace: Workspace, specs: Sequence[Spec], *, as_json: bool = False, quiet: bool = False
) -> list[Job]:
    """Run specs to their end with a progress bar each; exit with status 1 if one fails.

    Where a worker serves the workspace it does the work, and this only watches. With `quiet` only failures
    are said, on standard error.
    """
    from jobs.engine.inprocess import run

    # All at once, so that a worker that is there can run several at a time.
    for spec in specs:
        workspace.queue.submit(spec)
    jobs = []
    with bars(quiet=as_json or quiet) as report:
        for spec in specs:
            job = run(workspace, spec, report)
            if job.key == spec.key:  # as it was asked for here, not by whoever asked first
                job = replace(job, title=spec.title)
            jobs.append(job)
            if quiet and job.state != "done":
                err.print(escape(f"✗ {job.title}: {job.error or job.state}"), soft_wrap=True)
            elif not (as_json or quiet):
                say(f"{'✓' if job.state == 'done' else '✗'} {job.title}: {job.error or job.state}")
    if as_json:
        print(json.dumps([job_row(job) for job in jobs], ensure_ascii=False, indent=1))
    if any(job.state != "done" for job in jobs):
        raise typer.Exit(FAILED)
    return jobs


def put_off(workspace: Workspace, specs: Sequence[Spec], *, as_json: bool) -> None:
    """Put specs into the queue and print the state of each."""
    jobs = [workspace.queue.submit(spec) for spec in specs]
    rows = [
        job_row(j) | {"job": j.key[:12], "title": spec.title} for j, spec in zip(jobs, specs, strict=True)
    ]
    show(rows, ("job", "state", "title"), as_json=as_json, empty="Nothing to do.")


@dataclass(frozen=True)
class Output(Group):
    """Where a command works, and how its result is printed."""

    as_json: JsonOption = False
    workspace: WorkspaceOption = None

    def open(self) -> Workspace:
        """Open the workspace."""
        return open_workspace(self.workspace)


@dataclass(frozen=True)
class Run(Group):
    """How a command has its specs computed, where, and how the result is printed."""

    background: BackgroundOption = False
    print_spec: PrintSpecOption = False
    as_json: JsonOption = False
    workspace: WorkspaceOption = None

    def open(self) -> Workspace:
        """Open the workspace."""
        return open_workspace(self.workspace)

    def compute(self, workspace: Workspace, specs: Sequence[Spec], *, list_jobs: bool = False) -> bool:
        """Compute specs, unless they are only to be printed or put into the queue; return whether they are.

        With `list_jobs` the jobs themselves are what is printed as JSON.
        """
        if self.print_spec:
            for spec in specs:
                print(json.dumps(spec.to_json(), ensure_ascii=False))
        elif self.background:
            put_off(workspace, specs, as_json=self.as_json)
        elif list_jobs:
            compute(workspace, specs, as_json=self.as_json)
        else:
            compute(workspace, specs, quiet=self.as_json)
        return not (self.print_spec or self.background)


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Any]:
    """Yield a function (job, done, total, note) that draws a bar a job on standard error."""
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
    done, total, note = job.progress or (None, None, None)
    return {
        "key": job.key,
        "title": job.title,
        "state": job.state,
        "done": done,
        "total": total,
        "note": note,
        "eta_s": job.eta_s,
        "error": job.error,
        "attempts": job.attempts,
        "priority": job.priority,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "depends_on": list(job.depends_on),
        "spec": job.spec,
    }
