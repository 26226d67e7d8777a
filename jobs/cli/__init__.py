"""The command line: ``hearspace``. Its help is the manual."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

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
from jobs.cli.common import BAD_INPUT, BUSY, INTERRUPTED, err
from jobs.workspace.workspace import WorkerBusy

app = typer.Typer(
    name="hearspace",
    help="See, hear and test embedding spaces of sound.",
    epilog=(
        "Exit status, the same for every command: 0 done · 1 a job failed or something is damaged · "
        "2 what was asked cannot be done as asked · 3 another worker serves the workspace · 130 interrupted."
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


service.register(app)
add.register(app)
data.register(app)
work.register(app)
measure.register(app)
leaks.register(app)
pairs.register(app)
train.register(app)
losses.register(app)
contrastive.register(app)
curate.register(app)
store.register(app)


def main() -> None:
    """Run the command line; expected errors become one sentence and an exit status."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except WorkerBusy as error:
        err.print(escape(str(error)), soft_wrap=True)
        sys.exit(BUSY)
    except (ValueError, CacheError) as error:
        # Errors that are raised on purpose derive from these and hold their own sentence.
        err.print(escape(str(error)), soft_wrap=True)
        sys.exit(BAD_INPUT)
    except OSError as error:
        err.print(escape(explained(error, common.opened or Path.cwd())), soft_wrap=True)
        sys.exit(BAD_INPUT)
