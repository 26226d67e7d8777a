"""Commands that stay: demo, serve, worker."""

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

HostOption = Annotated[
    str, typer.Option(help="Address to listen on; other machines see it only if you say so.")
]
PortOption = Annotated[int, typer.Option(help="Port; where it is taken, the next free one.")]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        envvar="HEARSPACE_ALLOW_HOSTS",
        help="Name under which the pages are asked for, such as a reverse proxy's, as NAME or, where "
        "browsers show a port, NAME:PORT; repeat for more.",
    ),
]
WithParent = Annotated[int | None, typer.Option("--with-parent", hidden=True)]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(demo)
    app.command()(serve)
    app.command()(worker)


def demo(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8501,
    allow_host: AllowHostOption = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    clips_per_class: Annotated[int, typer.Option(help="Clips of each class.")] = Synthesize.clips_per_class,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the dashboard on a synthetic sound world: worker and pages in one go; Ctrl-C stops both.

    The pages are there at once; sounds, models and maps appear as their jobs end. A second start
    computes nothing again.

    Example: `hearspace demo --port 8600`

    Exit status: 0 after Ctrl-C, 1 if the dashboard could not be started.
    """
    from dataclasses import replace

    from jobs.demo import WORLD, prepare

    ws = open_workspace(workspace)
    prepare(ws, replace(WORLD, clips_per_class=clips_per_class))
    _serve(ws, host=host, port=port, allowed=allow_host or [], browser=browser)


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8501,
    allow_host: AllowHostOption = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = False,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Also run a worker, so that pages can ask for jobs.")
    ] = True,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the dashboard for a workspace, with a worker beside it; Ctrl-C stops both.

    Example: `hearspace serve --workspace ~/sounds`

    Exit status: 0 after Ctrl-C, 1 if the dashboard could not be started.
    """
    _serve(
        open_workspace(workspace),
        host=host,
        port=port,
        allowed=allow_host or [],
        browser=browser,
        with_worker=with_worker,
    )


@dataclass(frozen=True)
class Slurm(Group):
    """Whether Slurm starts workers, and which."""

    slurm: Annotated[
        bool, typer.Option("--slurm", help="Start workers through Slurm (needs dask-jobqueue).")
    ] = False
    jobs: Annotated[int, typer.Option("--slurm-jobs", help="Slurm: number of workers.")] = 1
    cores: Annotated[int, typer.Option(help="Slurm: cores a worker.")] = 4
    memory: Annotated[str, typer.Option(help="Slurm: memory a worker.")] = "16GB"
    partition: Annotated[str | None, typer.Option(help="Slurm: partition.")] = None
    account: Annotated[str | None, typer.Option(help="Slurm: account.")] = None
    walltime: Annotated[str, typer.Option(help="Slurm: time limit.")] = "08:00:00"
    gpus: Annotated[int, typer.Option("--slurm-gpus", help="Slurm: GPUs a worker.")] = 0


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
    gpu: Annotated[list[str] | None, typer.Option(help="GPU that a slot owns; repeat for more.")] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is left to do.")] = False,
    with_parent: WithParent = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run the jobs of a workspace as they are asked for; Ctrl-C stops it, and the jobs wait to go on.

    Example: `hearspace worker --until-idle`

    Example: `hearspace worker --slurm --slurm-jobs 4 --cores 8 --memory 32GB --partition gpu --slurm-gpus 1`

    Exit status: 0, 2 if the scheduler cannot be reached, 3 if another worker serves the workspace.
    """
    from jobs.engine import dispatcher

    ws = open_workspace(workspace)
    wanted = asdict(by_slurm)
    options = dispatcher.SlurmOptions(**wanted) if wanted.pop("slurm") else None
    with _told_to_end() as stop:
        if with_parent is not None:
            _end_with(with_parent, stop.set)
        elif not until_idle:
            say(f"Working on {ws.root}. Ctrl-C stops; jobs that run go on at the next start.")
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
def _told_to_end() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set; afterwards they mean again what they did before."""
    stop = threading.Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _serve(
    ws: Workspace, *, host: str, port: int, allowed: list[str], browser: bool, with_worker: bool = True
) -> None:
    """Run page server and worker as processes of their own until one is told to end."""
    wanted, port = port, _free_port(host, port)
    if port != wanted:
        say(f"Port {wanted} is taken; using {port}.")
    ws.root.mkdir(parents=True, exist_ok=True)
    with _told_to_end() as stop:
        where = ("--workspace", ws.root, "--with-parent", os.getpid())
        names = [word for name in allowed for word in ("--allow-host", name)]
        pages = _start("-m", "dashboard", "--host", host, "--port", port, *names, *where)
        own_worker: subprocess.Popen[bytes] | None = None
        try:
            shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::1", "::") else host
            url = f"http://{shown}:{port}"
            if not _answers(url, pages, stop):
                say("The dashboard did not start; the lines above say why.")
                raise typer.Exit(FAILED)
            if with_worker and not ws.queue.worker_alive():
                own_worker = _start("-m", "jobs.cli", "worker", *where)
            say(f"hearspace is at {url} (workspace {ws.root}). Ctrl-C stops it.")
            if browser:
                with suppress(webbrowser.Error):
                    webbrowser.open(url)
            while not stop.wait(0.3):
                if pages.poll() is not None:
                    say(f"The dashboard ended by itself (status {pages.returncode}).")
                    raise typer.Exit(FAILED)
                # A worker that died, ours or one from elsewhere, leaves a queue that nobody serves.
                ours_lives = own_worker is not None and own_worker.poll() is None
                if with_worker and not ours_lives and not ws.queue.worker_alive():
                    own_worker = _start("-m", "jobs.cli", "worker", *where)
        finally:
            _end([p for p in (pages, own_worker) if p is not None])


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches only this process, which then ends the others in order.
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
    """Wait until the page server answers; False if it ends instead."""
    # The machine's proxy has no business between this process and a page on the same machine.
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
    """Call `end` when the process that started this one is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        end()

    threading.Thread(target=watch, daemon=True).start()
