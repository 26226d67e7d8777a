"""Commands that compute: embed, project, run, jobs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from core.words import count
from jobs.cli.common import (
    FAILED,
    DatasetArgument,
    JsonOption,
    Run,
    WorkspaceOption,
    complain,
    compute,
    job_row,
    open_workspace,
    say,
    show,
    space_of,
)
from jobs.cli.options import Group, expanded
from jobs.specs import EmbedText, Project, Spec, SpecError, from_json, parse


class JobState(StrEnum):
    """The states of a job, as an option."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


jobs_app = typer.Typer(invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(embed)
    app.command()(project)
    app.command()(run)
    app.add_typer(jobs_app, name="jobs")


@expanded
def embed(
    dataset: DatasetArgument,
    encoders: Annotated[list[str], typer.Argument(help="Encoders; `hearspace encoders` lists them.")],
    text: Annotated[
        str | None,
        typer.Option(
            help="Embed the texts of the dataset instead of its sounds: label, description or caption."
        ),
    ] = None,
    template: Annotated[
        str, typer.Option(help="Sentence around each text, with {} where the text goes.")
    ] = "{}",
    *,
    output: Run,
) -> None:
    """Embed a dataset with one or more encoders.

    What has been embedded before is not computed again; an interrupted run goes on where it stopped.

    Example: `hearspace embed esc10 melstats aisfx`

    Exit status: 0 when every space is there, 1 if one failed, 2 for an unknown dataset or encoder.
    """
    ws = output.open()
    ds = ws.dataset(dataset)
    specs: list[Spec] = []
    for name in encoders:
        if text is None:
            specs.append(space_of(ws, ds, name))
        else:
            from jobs.workspace.texts import texts_fingerprint, texts_of

            fingerprint = texts_fingerprint(texts_of(ds, text))
            specs.append(
                EmbedText(dataset=ds.ref, texts=fingerprint, encoder=name, of=text, template=template)
            )
    output.compute(ws, specs, list_jobs=True)


@dataclass(frozen=True)
class Layout(Group):
    """How a map is made: fields of `Project`."""

    method: Annotated[str, typer.Option(help="tsne, umap or pca.")] = "tsne"
    metric: Annotated[str, typer.Option(help="Distance in the original space: cosine or euclidean.")] = (
        "cosine"
    )
    perplexity: Annotated[float | None, typer.Option(help="t-SNE: effective neighbours. [default: 30]")] = (
        None
    )
    n_neighbors: Annotated[int | None, typer.Option(help="UMAP: neighbours. [default: 15]")] = None
    min_dist: Annotated[float | None, typer.Option(help="UMAP: least distance. [default: 0.1]")] = None
    seed: Annotated[int, typer.Option(help="The same seed gives the same map.")] = 0


@expanded
def project(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="The space: the encoder that made it.")],
    layout: Layout,
    output: Run,
) -> None:
    """Make a map of a space in two dimensions; embeds the dataset first where that is missing.

    Example: `hearspace project esc10 aisfx --method umap --n-neighbors 30`

    Exit status: 0 when the map is there, 1 if a job failed, 2 for unknown names or parameters.
    """
    ws = output.open()
    spec = Project(embedding=space_of(ws, ws.dataset(dataset), encoder), **asdict(layout))
    if output.compute(ws, [spec], list_jobs=True) and not output.as_json:
        found = spec.read(ws.cache)
        for name, value in found.lowered.items():
            say(f"{name} was lowered to {value:g}: {count(found.n_clips, 'clip')} allow no more.")


def run(
    spec: Annotated[
        Path, typer.Argument(help="A file with a spec as JSON, or one a line; - for standard input.")
    ],
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Compute a spec and all it needs, and wait for it: for scripts.

    Without a worker the work is done in this process, with a progress bar.

    Example: `hearspace project esc10 aisfx --print-spec | hearspace run -`

    Exit status: 0 when the result is there, 1 if a job failed, 2 for a spec that cannot be read.
    """
    text = sys.stdin.read() if str(spec) == "-" else spec.read_text(encoding="utf-8")
    try:
        wanted = _specs(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{spec} is not JSON ({error}); `--print-spec` writes what this reads.") from None
    compute(open_workspace(workspace), wanted, as_json=as_json)


def _specs(text: str) -> list[Spec]:
    """Read one spec, or one a line."""
    try:
        return [from_json(json.loads(text))]
    except json.JSONDecodeError:
        return [from_json(json.loads(line)) for line in text.splitlines() if line.strip()] or [parse(text)]


@jobs_app.callback()
def jobs(
    ctx: typer.Context,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the jobs, newest first; or, with a command, look at or act on one.

    Example: `hearspace jobs --state failed`

    Exit status: 0, also where there is no job; 1 where a job is damaged or may not be read.
    """
    ctx.obj = workspace
    if ctx.invoked_subcommand is not None:
        return
    jobs, damaged = open_workspace(workspace).queue.listing()
    rows: list[dict[str, Any]] = [
        job_row(j)
        | {
            "job": j.key[:12],
            "progress": f"{j.progress[0] / max(j.progress[1], 1):.0%}" if j.progress else "",
        }
        for j in jobs
        if state is None or j.state == state
    ]
    empty = "There are no jobs." if not damaged else "No job can be read."
    show(rows, ("job", "state", "progress", "title", "error"), as_json=as_json, empty=empty)
    complain(damaged)


KeyArgument = Annotated[str, typer.Argument(help="A job's key, or as much of its beginning as is unique.")]


@jobs_app.command()
def log(
    ctx: typer.Context,
    key: KeyArgument,
    tail: Annotated[int, typer.Option(help="Number of lines.")] = 200,
    workspace: WorkspaceOption = None,
) -> None:
    """Print the end of a job's log.

    Example: `hearspace jobs log 3fa9c1`

    Exit status: 0, or 2 if no job's key begins so.
    """
    queue = open_workspace(ctx.obj or workspace).queue
    print(queue.log(queue.find(key).key, tail=tail))


@jobs_app.command()
def cancel(ctx: typer.Context, key: KeyArgument, workspace: WorkspaceOption = None) -> None:
    """Stop a job; a running one ends within two seconds.

    Example: `hearspace jobs cancel 3fa9c1`

    Exit status: 0, 1 if the job had ended already, or 2 if no job's key begins so.
    """
    queue = open_workspace(ctx.obj or workspace).queue
    job = queue.find(key)
    if not job.active:
        say(f"«{job.title}» is {job.state} already.")
        raise typer.Exit(FAILED)
    queue.cancel(job.key)
    say(f"«{job.title}» is asked to stop.")


@jobs_app.command()
def retry(ctx: typer.Context, key: KeyArgument, workspace: WorkspaceOption = None) -> None:
    """Queue again a job that failed or was cancelled.

    Example: `hearspace jobs retry 3fa9c1`

    Exit status: 0, or 2 if no job's key begins so.
    """
    queue = open_workspace(ctx.obj or workspace).queue
    job = queue.retry(queue.find(key).key)
    say(f"«{job.title}» is {job.state}.")


@jobs_app.command()
def clear(ctx: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Forget the jobs that have ended, and what is left of damaged ones; their results stay.

    Example: `hearspace jobs clear`

    Exit status: 0.
    """
    queue = open_workspace(ctx.obj or workspace).queue
    say(f"{count(queue.clear(), 'job')} forgotten.")
