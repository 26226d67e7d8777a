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
    Output,
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
from jobs.engine.queue import Job, Queue
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
        str, typer.Option(help="Sentence around each text, with {} in place of the text.")
    ] = "{}",
    *,
    output: Run,
) -> None:
    """Embed a dataset with one or more encoders.

    Existing embeddings are not computed again; an interrupted run resumes where it stopped.

    Example: `hearspace embed esc10 melstats aisfx`

    Exit status: 0 when every space exists, 1 if one failed, 2 for an unknown dataset or encoder.
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
    """How a map is computed: fields of `Project`."""

    method: Annotated[str, typer.Option(help="tsne, umap or pca.")] = "tsne"
    metric: Annotated[str, typer.Option(help="Distance in the original space: cosine or euclidean.")] = (
        "cosine"
    )
    perplexity: Annotated[float | None, typer.Option(help="t-SNE: effective neighbours. [default: 30]")] = (
        None
    )
    n_neighbors: Annotated[int | None, typer.Option(help="UMAP: neighbours. [default: 15]")] = None
    min_dist: Annotated[float | None, typer.Option(help="UMAP: minimum distance. [default: 0.1]")] = None
    seed: Annotated[int, typer.Option(help="The same seed gives the same map.")] = 0


@expanded
def project(
    dataset: DatasetArgument,
    encoder: Annotated[str, typer.Argument(help="The space: the encoder that made it.")],
    layout: Layout,
    output: Run,
) -> None:
    """Compute a map of a space in two dimensions; embeds the dataset first if necessary.

    Example: `hearspace project esc10 aisfx --method umap --n-neighbors 30`

    Exit status: 0 when the map exists, 1 if a job failed, 2 for unknown names or parameters.
    """
    ws = output.open()
    spec = Project(embedding=space_of(ws, ws.dataset(dataset), encoder), **asdict(layout))
    if output.compute(ws, [spec], list_jobs=True) and not output.as_json:
        result = spec.read(ws.cache)
        for name, value in result.lowered.items():
            say(f"{name} was lowered to {value:g}, the maximum for {count(result.n_clips, 'clip')}.")


@expanded
def run(
    spec: Annotated[
        Path, typer.Argument(help="File with a spec as JSON, or with one per line; - for standard input.")
    ],
    output: Output,
) -> None:
    """Compute a spec with all its inputs and wait for the result: for scripts.

    Without a worker the jobs run in this process, with a progress bar.

    Example: `hearspace project esc10 aisfx --print-spec | hearspace run -`

    Exit status: 0 when the result exists, 1 if a job failed, 2 for a spec that cannot be read.
    """
    text = sys.stdin.read() if str(spec) == "-" else spec.read_text(encoding="utf-8")
    try:
        specs = _specs(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"{spec} is not JSON ({error}); `--print-spec` writes what this reads.") from None
    compute(output.open(), specs, as_json=output.as_json)


def _specs(text: str) -> list[Spec]:
    """Parse one spec, or one per line."""
    try:
        return [from_json(json.loads(text))]
    except json.JSONDecodeError:
        return [from_json(json.loads(line)) for line in text.splitlines() if line.strip()] or [parse(text)]


@jobs_app.callback()
@expanded
def jobs(
    ctx: typer.Context,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    *,
    output: Output,
) -> None:
    """List the jobs, newest first; or, with a command, inspect or change one.

    Example: `hearspace jobs --state failed`

    Exit status: 0, also if there are no jobs; 1 if a job is damaged or may not be read.
    """
    ctx.obj = output.workspace
    if ctx.invoked_subcommand is not None:
        return
    jobs, damaged = output.open().queue.listing()
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
    show(rows, ("job", "state", "progress", "title", "error"), as_json=output.as_json, empty=empty)
    complain(damaged)


@dataclass(frozen=True)
class OneJob(Group):
    """The key of a job, in the workspace of this command or of `hearspace jobs`."""

    key: Annotated[str, typer.Argument(help="The job's key, or any unique beginning of it.")]
    workspace: WorkspaceOption = None

    def open(self, ctx: typer.Context) -> tuple[Queue, Job]:
        """Return the queue and the job."""
        queue = open_workspace(ctx.obj or self.workspace).queue
        return queue, queue.find(self.key)


@jobs_app.command()
@expanded
def log(
    ctx: typer.Context, one: OneJob, tail: Annotated[int, typer.Option(help="Number of lines.")] = 200
) -> None:
    """Print the end of a job's log.

    Example: `hearspace jobs log 3fa9c1`

    Exit status: 0, or 2 if no key, or more than one, begins like this.
    """
    queue, job = one.open(ctx)
    print(queue.log(job.key, tail=tail))


@jobs_app.command()
@expanded
def cancel(ctx: typer.Context, one: OneJob) -> None:
    """Stop a job; a running job ends within two seconds.

    Example: `hearspace jobs cancel 3fa9c1`

    Exit status: 0, 1 if the job has ended already, or 2 if no key, or more than one, begins like this.
    """
    queue, job = one.open(ctx)
    if not job.active:
        say(f"«{job.title}» is already {job.state}.")
        raise typer.Exit(FAILED)
    queue.cancel(job.key)
    say(f"Cancelling «{job.title}».")


@jobs_app.command()
@expanded
def retry(ctx: typer.Context, one: OneJob) -> None:
    """Put a failed or cancelled job back into the queue.

    Example: `hearspace jobs retry 3fa9c1`

    Exit status: 0, or 2 if no key, or more than one, begins like this.
    """
    queue, job = one.open(ctx)
    job = queue.retry(job.key)
    say(f"«{job.title}» is {job.state}.")


@jobs_app.command()
def clear(ctx: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Remove jobs that have ended, and damaged ones, from the list; their results are kept.

    Example: `hearspace jobs clear`

    Exit status: 0.
    """
    queue = open_workspace(ctx.obj or workspace).queue
    say(f"Removed {count(queue.clear(), 'job')}.")
