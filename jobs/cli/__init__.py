"""The command line: ``hearspace``. Its help is the manual."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cache import CacheError
from cache.errors import explained
from jobs.cli import (
    add,
    common,
    contrastive,
    curate,
    data,
    leaks,
    losses,
    measure,
    pairs,
    service,
    store,
    train,
    work,
)
from jobs.cli.common import BAD_INPUT, BUSY, INTERRUPTED, warn
from jobs.workspace.workspace import WorkerBusy

app = typer.Typer(
    name="hearspace",
    help="See, hear and test embedding spaces of sound.",
    epilog=(
        "Exit status, the same for every command: 0 done · 1 a job failed or something is damaged · "
        "2 invalid input · 3 another worker serves the workspace · 130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(version("hearspace"))
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


for part in (service, add, data, work, measure, leaks, pairs, train, losses, contrastive, curate, store):
    part.register(app)


def main() -> None:
    """Run the command line; expected errors become one sentence and an exit status."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (ValueError, CacheError) as error:
        # Errors that are raised on purpose derive from these and explain themselves.
        warn(str(error))
        sys.exit(BUSY if isinstance(error, WorkerBusy) else BAD_INPUT)
    except OSError as error:
        warn(explained(error, common.opened or Path.cwd()))
        sys.exit(BAD_INPUT)
