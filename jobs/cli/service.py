"""Commands that run until they are stopped: demo, serve, worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from jobs.cli.common import FAILED, WorkspaceOption, open_workspace, say
from jobs.cli.options import Group, expanded
from jobs.specs import Synthesize
from jobs.workspace.workspace import Workspace, WorkspaceError

BrowserOption = Annotated[bool, typer.Option(help="Open the page in a browser.")]
WithParent = Annotated[int | None, typer.Option("--with-parent", hidden=True)]
#: Addresses that are shown as "localhost".
_LOCAL = ("127.0.0.1", "0.0.0.0", "::1", "::")


@dataclass(frozen=True)
class Address(Group):
    """Where the pages are served."""

    host: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can connect.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port, or the next free one if it is taken.")] = 8501
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            envvar="HEARSPACE_ALLOW_HOSTS",
            help="Name by which browsers reach the pages, such as a reverse proxy's, as NAME or, if their "
            "address bar shows a port, NAME:PORT; repeat for more.",
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(demo)
    app.command()(serve)
    app.command()(worker)


@expanded
def demo(
    address: Address,
    browser: BrowserOption = True,
    clips_per_class: Annotated[int, typer.Option(help="Clips per class.")] = Synthesize.clips_per_class,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the dashboard on a synthetic dataset: starts the worker and the pages; Ctrl-C stops both.

    The pages open at once; sounds, models and maps appear as their jobs finish. A second start computes
    nothing again.

    Example: `hearspace demo --port 8600`

    Exit status: 0 after Ctrl-C, 1 if the dashboard could not be started.
    """
    from dataclasses import replace

    from jobs.demo import WORLD, prepare

    ws = open_workspace(workspace)
    prepare(ws, replace(WORLD, clips_per_class=clips_per_class))
    _serve(ws, address, browser=browser)


@expanded
def serve(
    address: Address,
    browser: BrowserOption = False,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Also run a worker for the jobs of the pages.")
    ] = True,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the dashboard for a workspace, together with a worker; Ctrl-C stops both.

    Example: `hearspace serve --workspace ~/sounds`

    Exit status: 0 after Ctrl-C, 1 if the dashboard could not be started.
    """
    _serve(open_workspace(workspace), address, browser=browser, with_worker=with_worker)


@dataclass(frozen=True)
class Slurm(Group):
    """Options for workers started through Slurm."""

    slurm: Annotated[
        bool, typer.Option("--slurm", help="Start workers through Slurm (needs dask-jobqueue).")
    ] = False
    jobs: Annotated[int, typer.Option("--slurm-jobs", help="Slurm: number of workers.")] = 1
    cores: Annotated[int, typer.Option(help="Slurm: cores per worker.")] = 4
    memory: Annotated[str, typer.Option(help="Slurm: memory per worker.")] = "16GB"
    partition: Annotated[str | None, typer.Option(help="Slurm: partition.")] = None
    account: Annotated[str | None, typer.Option(help="Slurm: account.")] = None
    walltime: Annotated[str, typer.Option(help="Slurm: time limit.")] = "08:00:00"
    gpus: Annotated[int, typer.Option("--slurm-gpus", help="Slurm: GPUs per worker.")] = 0


@expanded
def worker(
    *,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Jobs at a time, plus one reserved for uploads and typed queries. [default: 2, more on "
            "large machines]",
        ),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler to use.")] = None,
    by_slurm: Slurm,
    gpu: Annotated[list[str] | None, typer.Option(help="GPU reserved for a slot; repeat for more.")] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Stop when no job is pending.")] = False,
    with_parent: WithParent = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the jobs of a workspace as they are submitted; Ctrl-C stops it until the next start.

    Example: `hearspace worker --until-idle`

    Example: `hearspace worker --slurm --slurm-jobs 4 --cores 8 --memory 32GB --partition gpu --slurm-gpus 1`

    Exit status: 0, 2 if the scheduler cannot be reached, 3 if another worker serves the workspace.
    """
    from jobs.engine import dispatcher

    ws = open_workspace(workspace)
    wanted = asdict(by_slurm)
    options = dispatcher.SlurmOptions(**wanted) if wanted.pop("slurm") else None
    with _stop_signals() as stop:
        if with_parent is not None:
            _end_with(with_parent, stop.set)
        elif not until_idle:
            say(f"Working on {ws.root}. Ctrl-C stops; running jobs resume at the next start.")
        dispatcher.serve(
            ws,
            slots=slots,
            scheduler=scheduler,
            slurm=options,
            gpus=tuple(gpu or ()),
            stop=stop,
            until_idle=until_idle,
        )


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set; their handlers are restored afterwards."""
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _serve(ws: Workspace, address: Address, *, browser: bool, with_worker: bool = True) -> None:
    """Run the page server and the worker as separate processes until this one is stopped."""
    host, port = address.host, _free_port(address.host, address.port)
    if port != address.port:
        say(f"Port {address.port} is taken; using {port}.")
    ws.root.mkdir(parents=True, exist_ok=True)
    with _stop_signals() as stop:
        where = ("--workspace", ws.root, "--with-parent", os.getpid())
        names = [word for name in address.allow_host or () for word in ("--allow-host", name)]
        pages = _start("-m", "dashboard", "--host", host, "--port", port, *names, *where)
        processes = [pages]

        def ensure_worker() -> None:
            # If the worker died, ours or another one, nobody serves the queue any more.
            alive = any(process.poll() is None for process in processes[1:])
            if with_worker and not alive and not ws.queue.worker_alive():
                processes[1:] = [_start("-m", "jobs.cli", "worker", *where)]

        try:
            url = f"http://{'localhost' if host in _LOCAL else host}:{port}"
            if not _answers(url, pages, stop):
                say("The dashboard did not start; see the lines above for the reason.")
                raise typer.Exit(FAILED)
            ensure_worker()
            say(f"hearspace is at {url} (workspace {ws.root}). Ctrl-C stops it.")
            if browser:
                with suppress(webbrowser.Error):
                    webbrowser.open(url)
            while not stop.wait(0.3):
                if pages.poll() is not None:
                    say(f"The dashboard ended unexpectedly (status {pages.returncode}).")
                    raise typer.Exit(FAILED)
                ensure_worker()
        finally:
            _end(processes)


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    # In a separate session: Ctrl-C reaches only this process, which then ends the others in order.
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], start_new_session=True, stdin=subprocess.DEVNULL
    )


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + 8
    for process in processes:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str, process: subprocess.Popen[Any], stop: threading.Event) -> bool:
    """Wait until the page server responds; return False if it ends instead."""
    # Without a proxy: both processes run on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None and not stop.is_set():
        with suppress(OSError):
            opener.open(f"{url}/_stcore/health", timeout=2).close()
            return True
        time.sleep(0.1)
    return stop.is_set()


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 50, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                s.bind((host, candidate))
                return candidate
    raise WorkspaceError(
        f"Cannot listen on {host} at port {port} or the 49 after it; give another --host or --port."
    )


def _end_with(parent: int, end: Callable[[], None]) -> None:
    """Call `end` when the process that started this one has ended, in whatever way."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        end()

    threading.Thread(target=watch, daemon=True).start()
