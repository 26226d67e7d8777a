"""The dispatcher: watches the queue and hands each job to Dask once its inputs exist.

One dispatcher at a time serves a workspace, which a lock file ensures; the lock ends with its process. By
default Dask runs in this process, as threads that only watch children; with an address the jobs go to an
existing cluster, and with Slurm options to one started through dask-jobqueue. Every worker must see the
workspace's folder.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from jobs.engine.job_files import AWAITED
from jobs.engine.processes import this_process
from jobs.engine.queue import Job
from jobs.engine.supervisor import POOL, supervise
from jobs.files import read_json, write_json
from jobs.listening.ratings import RatingsError
from jobs.workspace import uploads
from jobs.workspace.workspace import WorkerBusy, Workspace, WorkspaceError

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client, Future

#: Seconds between two checks of the pending jobs.
LOOK_EVERY = 0.15
#: Seconds between two checks of all jobs, for pending ones that are not marked as such.
LOOK_AT_ALL_EVERY = 60.0
#: Seconds to wait for the given Dask scheduler.
CONNECT_LIMIT = 10

log = logging.getLogger("hearspace.worker")


@dataclass(frozen=True)
class SlurmOptions:
    """Options of a Slurm cluster; see dask-jobqueue's ``SLURMCluster``."""

    jobs: int = 1
    cores: int = 4
    memory: str = "16GB"
    partition: str | None = None
    account: str | None = None
    walltime: str = "08:00:00"
    gpus: int = 0


def default_slots() -> int:
    """Return the number of concurrent jobs: at least two, so that a long job does not delay a short one."""
    return max(2, (os.cpu_count() or 1) // 4)


def serve(
    workspace: Workspace,
    *,
    slots: int | None = None,
    scheduler: str | None = None,
    slurm: SlurmOptions | None = None,
    gpus: tuple[str, ...] = (),
    stop: threading.Event | None = None,
    until_idle: bool = False,
) -> None:
    """Serve the queue until `stop` is set, or, with `until_idle`, until no job is pending.

    Parameters
    ----------
    workspace : Workspace
    slots : int, optional
        Concurrent jobs, by default `default_slots` or the threads of the cluster. Dask in this process has
        one more slot, which is reserved for requests for which a user waits.
    scheduler : str, optional
        Address of a Dask scheduler to use instead of this process.
    slurm : SlurmOptions, optional
        Start workers through Slurm instead.
    gpus : tuple of str
        Values of ``CUDA_VISIBLE_DEVICES``, one per job in turn; () leaves the choice to the libraries.
    stop : threading.Event, optional
    until_idle : bool

    Raises
    ------
    WorkerBusy
        If another worker serves the workspace.
    WorkspaceError
        If the scheduler cannot be reached.
    """
    stop = stop or threading.Event()
    home = workspace.queue.root
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "worker.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        record = read_json(home / "worker.json")
        other = record if isinstance(record, dict) else {}
        raise WorkerBusy(
            f"A worker (process {other.get('pid', '?')} on {other.get('host', 'another machine')}) already "
            f"serves {workspace.root}; it takes new jobs by itself."
        ) from None
    try:
        write_json(home / "worker.json", this_process())
        workspace.cache.clean()
        workspace.queue.repair()
        _clear_uploads(workspace)
        with _client(workspace, slots, scheduler, slurm) as client:
            local = scheduler is None and slurm is None
            dispatcher = _Dispatcher(workspace, client, gpus, owned=scheduler is None, reserved=int(local))
            dispatcher.loop(stop, until_idle)
    finally:
        (home / "worker.json").unlink(missing_ok=True)
        lock.release()


def _clear_uploads(workspace: Workspace) -> None:
    try:
        removed = uploads.tidy(workspace)
    except RatingsError as error:
        # Without the ratings it is unknown which uploads a question refers to.
        log.warning("No old uploads are removed: %s", error)
        return
    if removed:
        log.info("Removed %d uploads that were not used for %d days", len(removed), uploads.KEPT_DAYS)


@dataclass(frozen=True)
class Given:
    """A job's task in Dask, the device it owns, and the start of its run."""

    future: Future
    device: str
    started: float | None


class _Dispatcher:
    """The state of the loop: the jobs that this dispatcher has given to Dask."""

    def __init__(
        self, workspace: Workspace, client: Client, gpus: tuple[str, ...], owned: bool, reserved: int = 0
    ) -> None:
        self.workspace = workspace
        self.queue = workspace.queue
        self.client = client
        self.gpus = gpus
        self.owned = owned
        self.reserved = reserved
        self.given: dict[str, Given] = {}
        self.warned = ""

    def loop(self, stop: threading.Event, until_idle: bool) -> None:
        heartbeat = self.queue.root / "worker.json"
        marked = time.monotonic()
        try:
            if self.owned and self.client.scheduler.address.startswith("inproc"):
                POOL.spare(str(self.workspace.root), self._device())
            while not stop.is_set():
                if self.client.status == "closed":
                    raise WorkspaceError("The Dask scheduler is gone; start it and the worker again.")
                # A full disk, or a folder that is temporarily missing, must not end the worker.
                try:
                    os.utime(heartbeat)
                    if time.monotonic() - marked > LOOK_AT_ALL_EVERY:
                        self.queue.mark()
                        marked = time.monotonic()
                    busy = self.step()
                    self.warned = ""
                except OSError as error:
                    if str(error) != self.warned:
                        self.warned = str(error)
                        log.warning("the queue could not be read or written: %s", error)
                    busy = True
                if until_idle and not busy:
                    return
                stop.wait(LOOK_EVERY)
        finally:
            self.end()

    def step(self) -> bool:
        """Check the queue once and give jobs to Dask; return whether any job is pending."""
        for key, given in list(self.given.items()):
            if given.future.done():
                self._settle(key, given)
                # Only now: if the outcome could not be written, it has to be settled again.
                del self.given[key]
        active = self.queue.active()
        if not active:
            return False
        for job in active:
            if job.key not in self.given:
                self.queue.recover(job)  # it probably ended with its worker
        under_way = {job.key for job in active}
        # Jobs that an earlier dispatcher gave to a cluster still occupy their slots.
        free = sum(self.client.nthreads().values()) - sum(job.state == "running" for job in active)
        for job in sorted(active, key=lambda j: -j.priority):
            kept = 0 if job.priority >= AWAITED else self.reserved
            if job.state == "queued" and free > kept and self._inputs_ready(job, under_way):
                free -= self._give(job)
        return True

    def _settle(self, key: str, given: Given) -> None:
        """Ensure that a job whose task has ended does not stay "running"."""
        if given.future.status == "error":
            error = given.future.exception()
            is_loss = _is_loss(error)
            why = f"Its Dask task failed ({type(error).__name__}: {error})."
            why = f"Its Dask worker was lost ({error})." if is_loss else why
            self.queue.lost(key, why, started=given.started, counted=not is_loss)
        elif given.future.status == "finished" and given.future.result() == "unseen":
            why = f"The Dask worker does not see {self.workspace.root}; mount the folder there and retry."
            self.queue.finish(key, "failed", why, started=given.started)
        elif given.future.cancelled():
            self.queue.lost(key, "Its Dask task was cancelled.", started=given.started, counted=False)

    def end(self) -> None:
        """Put the jobs on our own workers back into the queue, to resume from their checkpoints.

        Jobs on an existing cluster continue; their supervisors record how they end.
        """
        if self.owned:
            for key in self.given:
                with suppress(OSError):
                    self.queue.requeue(key)
        POOL.close()

    def _inputs_ready(self, job: Job, under_way: set[str]) -> bool:
        for needed in job.depends_on:
            if needed in under_way:
                return False
            if self.workspace.cache.contains(needed):
                continue
            other = self.queue.get(needed)
            if other is not None and other.state in ("failed", "cancelled"):
                self.queue.give_up(job.key, other)
            else:
                # Evicted since it was submitted, or never submitted.
                try:
                    self.queue.retry_inputs(job.key)
                except ValueError as error:
                    self.queue.finish(job.key, "failed", str(error))
            return False
        return True

    def _give(self, job: Job) -> int:
        device = self._device()
        if not self.queue.claim(job.key):
            return 0
        claimed = self.queue.get(job.key)
        future = self.client.submit(
            supervise,
            str(self.workspace.root),
            job.key,
            device=device,
            key=f"hearspace-{job.key}-{time.time_ns()}",
            pure=False,
            retries=0,
        )
        self.given[job.key] = Given(future, device, claimed.started if claimed is not None else None)
        return 1

    def _device(self) -> str:
        used = [given.device for given in self.given.values()]
        return min(self.gpus, key=used.count) if self.gpus else ""


def _is_loss(error: BaseException | None) -> bool:
    """Whether a task ended with its worker, through no fault of its own."""
    from concurrent.futures import CancelledError

    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    return isinstance(error, KilledWorker | CommClosedError | CancelledError)


@contextmanager
def _client(
    workspace: Workspace, slots: int | None, scheduler: str | None, slurm: SlurmOptions | None
) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_LIMIT, set_as_default=False)
        except OSError as error:
            raise WorkspaceError(
                f"No Dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`."
            ) from None
        with client:
            yield client
        return
    if slurm is not None:
        cluster: Any = slurm_cluster(slurm, workspace.root)
        cluster.scale(jobs=slurm.jobs)
    else:
        # These threads only watch children: they need no profiler and no memory limit.
        dask.config.set({"distributed.worker.profile.enabled": False})
        cluster = LocalCluster(
            n_workers=1,
            threads_per_worker=(slots or default_slots()) + 1,
            processes=False,
            memory_limit=0,
            # Dask always opens its status pages; this way other machines cannot see them.
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        )
        # Nor does a single process need Dask's periodic checks of itself.
        for server in (cluster.scheduler, *cluster.workers.values()):
            for periodic in server.periodic_callbacks.values():
                cluster.loop.add_callback(periodic.stop)
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


def slurm_cluster(options: SlurmOptions, shared: Path) -> SLURMCluster:
    """Return a cluster whose workers are Slurm jobs; ``cluster.job_script()`` shows the script.

    Scheduler and workers communicate over the cluster's network, encrypted and only with each other, by
    certificates created for this run in the folder `shared`, which every node must see.

    Raises
    ------
    WorkspaceError
        If dask-jobqueue is not installed.
    """
    try:
        import cryptography  # noqa: F401 - Dask creates certificates with it
        from dask_jobqueue import SLURMCluster
        from distributed.security import Security
    except ImportError:
        raise WorkspaceError(
            "Slurm needs two more packages: pip install dask-jobqueue cryptography."
        ) from None
    extra = [f"--gres=gpu:{options.gpus}"] if options.gpus else []
    return SLURMCluster(
        queue=options.partition,
        account=options.account,
        cores=options.cores,
        # One job at a time per node: a child uses all of its cores.
        processes=1,
        worker_extra_args=["--nthreads", "1"],
        memory=options.memory,
        walltime=options.walltime,
        protocol="tls://",
        security=Security.temporary(),
        shared_temp_directory=str(shared),
        job_extra_directives=extra,
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
    )
