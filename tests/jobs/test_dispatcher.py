"""The worker as people run it: a process of its own, with children that are killed while they work."""

from __future__ import annotations

import errno
import io
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import psutil
import pytest

from jobs import encoders
from jobs.engine.dispatcher import Given, SlurmOptions, _Dispatcher, serve, slurm_cluster
from jobs.engine.inprocess import run
from jobs.engine.queue import MAX_ATTEMPTS, Job, Queue
from jobs.engine.supervisor import WATCH_EVERY, Child, supervise
from jobs.specs import EmbedAudio, EmbedQuery, Neighbors, Project
from jobs.workspace import uploads
from jobs.workspace.workspace import WorkerBusy, Workspace, WorkspaceError
from tests.jobs import gated
from tests.waiting import PATIENCE, wait_for

#: Three shards: two are embedded at once, the third waits at the gate.
N_CLIPS = 96


def job(workspace: Workspace, key: str) -> Job:
    known = workspace.queue.get(key)
    assert known is not None
    return known


def melstats(workspace: Workspace) -> EmbedAudio:
    return EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="melstats")


@pytest.fixture
def spec(workspace: Workspace) -> EmbedAudio:
    """A spec that was submitted."""
    submitted = melstats(workspace)
    workspace.queue.submit(submitted)
    return submitted


@pytest.fixture
def claimed(workspace: Workspace, spec: EmbedAudio) -> EmbedAudio:
    """A spec whose job was claimed."""
    workspace.queue.claim(spec.key)
    return spec


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    """A process that takes the place of every child."""
    process = subprocess.Popen(
        ["sleep", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    monkeypatch.setattr("jobs.engine.supervisor.POOL.take", lambda root, device: Child(process))
    monkeypatch.setattr("jobs.engine.supervisor.POOL.spare", lambda root, device: None)
    return process


@pytest.fixture
def served(workspace: Workspace) -> Iterator[threading.Thread]:
    """The thread of a worker that serves the workspace."""
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(workspace,), kwargs={"stop": stop})
    thread.start()
    try:
        wait_for(workspace.queue.worker_alive, "the worker")
        yield thread
    finally:
        stop.set()
        thread.join()


def dispatcher(workspace: Workspace, gpus: tuple[str, ...] = ()) -> _Dispatcher:
    return _Dispatcher(workspace, SimpleNamespace(nthreads=dict), gpus, owned=False)


class Workers:
    """Worker processes of one test, all ended with it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "jobs.cli", "worker", "-w", str(self.workspace.root), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=PATIENCE)
            process.communicate()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The encoder ``gated``, here and in child processes; it continues once this file exists."""
    gated.install(tmp_path / "packages")
    file = tmp_path / "gate"
    monkeypatch.setenv("HEARSPACE_TEST_GATE", str(file))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    encoders.REGISTRY.forget_external()
    yield file
    file.touch()
    monkeypatch.undo()
    encoders.REGISTRY.forget_external()


@pytest.fixture
def big(make_workspace: Callable[..., Workspace], gate: Path) -> Workspace:
    """A workspace whose embedding does not end before the gate is open."""
    return make_workspace(n_clips=N_CLIPS, seconds=0.1)


@pytest.fixture
def workers(big: Workspace) -> Iterator[Workers]:
    processes = Workers(big)
    yield processes
    processes.end()


def slow_space(workspace: Workspace) -> EmbedAudio:
    return EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="gated")


def undisturbed(big: Workspace, tmp_path: Path) -> np.ndarray:
    other = Workspace.open(tmp_path / "undisturbed")
    dataset = big.dataset("tones")
    from jobs.datasets.importer import import_dataset

    imported = import_dataset("folder", dataset.root, options={})
    other.add_dataset("tones", imported, adapter="folder", root=dataset.root)
    spec = slow_space(other)
    assert spec.key == slow_space(big).key
    assert run(other, spec).state == "done"
    return other.cache.open(spec.key).array("embeddings")


def half_way(workspace: Workspace, key: str) -> None:
    """Wait until the job has kept some of its work, and works on what is left."""
    wait_for(lambda: job(workspace, key).state == "running", "the job to run")
    folder = workspace.queue.folder(key) / "checkpoint"
    wait_for(lambda: sum(1 for p in folder.rglob("*") if p.is_file()) >= 2, "a checkpoint")
    assert job(workspace, key).state == "running"


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["child", "worker"])
def test_killed_processes_lose_no_work(big, gate, workers, tmp_path, victim):
    spec = slow_space(big)
    big.queue.submit(spec)
    worker = workers.start()
    half_way(big, spec.key)
    child = job(big, spec.key).process["pid"]
    os.kill(child if victim == "child" else worker.pid, signal.SIGKILL)
    if victim == "worker":
        worker.wait()
        wait_for(lambda: not psutil.pid_exists(child), "the child to notice")
        workers.start()
    gate.touch()
    wait_for(lambda: job(big, spec.key).state == "done", "the job to be done")
    assert job(big, spec.key).attempts == 1  # the run that was lost had kept work: not held against it
    log = big.queue.log(spec.key)
    assert log.count("Started:") == 2
    assert log.count("of 96 clips from the checkpoint") == 1
    made = big.cache.open(spec.key).array("embeddings")
    np.testing.assert_array_equal(made, undisturbed(big, tmp_path))
    assert big.cache.verify() == []


@pytest.mark.slow
def test_cancel_ends_the_whole_process_group_and_retry_goes_on(big, gate, workers):
    spec = slow_space(big)
    big.queue.submit(spec)
    workers.start()
    half_way(big, spec.key)
    child = job(big, spec.key).process["pid"]
    big.queue.cancel(spec.key)
    wait_for(lambda: job(big, spec.key).state == "cancelled", "the cancel")
    assert not psutil.pid_exists(child)
    assert not big.cache.contains(spec.key)
    gate.touch()
    big.queue.retry(spec.key)
    wait_for(lambda: job(big, spec.key).state == "done", "the retried job")


def test_a_cancel_is_seen_at_the_next_look(workspace, claimed, sleeper, monkeypatch):
    """Within a tenth of a second on an idle machine: counted in looks, because tests do not measure time."""
    looks = []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            workspace.queue.cancel(claimed.key)

    monkeypatch.setattr("jobs.engine.supervisor.time", SimpleNamespace(sleep=look, monotonic=time.monotonic))
    assert supervise(str(workspace.root), claimed.key) == "cancelled"
    assert looks == [WATCH_EVERY] * 3
    assert WATCH_EVERY <= 0.1
    assert sleeper.poll() == -signal.SIGKILL
    assert job(workspace, claimed.key).state == "cancelled"


@pytest.mark.slow
def test_stopping_the_worker_puts_the_job_back_and_ends_the_children(big, workers):
    spec = slow_space(big)
    big.queue.submit(spec)
    worker = workers.start()
    half_way(big, spec.key)
    child = job(big, spec.key).process["pid"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE) == 0
    assert not psutil.pid_exists(child)
    assert (job(big, spec.key).state, job(big, spec.key).attempts) == ("queued", 0)
    assert not big.queue.worker_alive()


def test_a_second_worker_is_refused(workspace, served):
    with pytest.raises(WorkerBusy, match=f"process {os.getpid()} .* already serves"):
        serve(workspace)
    command = [sys.executable, "-m", "jobs.cli", "worker", "-w", str(workspace.root)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 3
    assert "already serves" in second.stderr
    assert "Traceback" not in second.stderr


def test_worker_listens_on_this_machine_only(served):
    wait_for(lambda: _listening() or not served.is_alive(), "its ports")
    addresses = {address.ip for address in _listening()}
    assert addresses
    assert addresses <= {"127.0.0.1", "::1"}


def _listening():
    connections = psutil.Process().net_connections(kind="inet")
    return [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]


def test_dependencies_run_in_order_and_failures_are_passed_on(workspace):
    good = Project(embedding=melstats(workspace), method="pca")
    workspace.queue.submit(good)
    doomed_space = EmbedAudio(
        dataset=workspace.dataset("tones").ref, encoder="transformers:/nowhere/at/all", identity="x"
    )
    doomed = Neighbors(embedding=doomed_space)
    workspace.queue.submit(doomed)
    serve(workspace, until_idle=True)
    assert job(workspace, good.key).state == "done"
    ended = [job(workspace, s.key) for s in (good.embedding, good.neighbors, good)]
    assert ended[0].ended <= ended[1].started
    assert ended[1].ended <= ended[2].started
    assert job(workspace, doomed_space.key).state == "failed"
    assert "/nowhere/at/all" in job(workspace, doomed_space.key).error
    assert "/nowhere/at/all" in job(workspace, doomed.key).error


def test_a_damaged_result_is_detected_and_computed_again_on_demand(workspace, spec):
    run(workspace, spec)
    file = workspace.cache.open(spec.key).file("embeddings.npy")
    before = file.read_bytes()
    flipped = bytearray(before)
    flipped[-5] ^= 1
    file.chmod(0o644)
    file.write_bytes(flipped)
    (problem,) = workspace.cache.verify(remove=True)
    assert (problem.key, problem.file) == (spec.key, "embeddings.npy")
    assert run(workspace, spec).state == "done"
    assert workspace.cache.open(spec.key).file("embeddings.npy").read_bytes() == before


def test_an_evicted_input_is_submitted_again_by_the_dispatcher(workspace, spec):
    run(workspace, spec)
    graph = Neighbors(embedding=spec)
    workspace.queue.submit(graph)
    workspace.cache.delete(spec.key)
    serve(workspace, until_idle=True)
    assert job(workspace, graph.key).state == "done"


def test_eviction_spares_the_inputs_of_pending_jobs(workspace, spec):
    other = EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="random-cnn")
    run(workspace, spec)
    run(workspace, other)
    workspace.queue.submit(Neighbors(embedding=spec))
    assert workspace.evict(0) == [other.key]
    assert workspace.cache.contains(spec.key)


@pytest.mark.slow
def test_jobs_run_on_an_existing_cluster(workspace, spec, monkeypatch):
    from distributed import LocalCluster

    # Spawned workers run the main module again, and tests of Streamlit pages leave theirs behind.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        serve(workspace, scheduler=cluster.scheduler_address, until_idle=True)
    assert job(workspace, spec.key).state == "done"


def test_missing_scheduler_is_one_sentence(workspace, monkeypatch):
    monkeypatch.setattr("jobs.engine.dispatcher.CONNECT_LIMIT", 1)
    with pytest.raises(WorkspaceError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        serve(workspace, scheduler="tcp://127.0.0.1:9")
    assert not workspace.queue.worker_alive()


def test_slurm_script_requests_the_options(tmp_path):
    pytest.importorskip("dask_jobqueue")
    options = SlurmOptions(
        cores=8, memory="32GB", partition="gpu", account="sound", walltime="02:00:00", gpus=1
    )
    with slurm_cluster(options, tmp_path) as cluster:
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://")
    for line in (
        "#SBATCH -p gpu",
        "#SBATCH -A sound",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --mem=30G",
        "#SBATCH -t 02:00:00",
        "#SBATCH --gres=gpu:1",
    ):
        assert line in script
    # One job at a time: the last of a repeated option counts.
    assert re.findall(r"--nthreads (\d+)", script)[-1] == "1"
    assert "--tls-ca-file" in script


def test_nothing_that_a_child_started_outlives_it():
    for how in ("killed", "died"):
        process = subprocess.Popen(
            ["bash", "-c", "sleep 1000 & echo $!; wait"],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        grandchild = int(process.stdout.readline())
        child = Child(process)
        assert child.alive()
        if how == "killed":
            child.kill()
        else:
            process.kill()
            process.wait()
        assert not child.alive()
        wait_for(lambda pid=grandchild: not _runs(pid), f"the grandchild of one that {how}")


def _runs(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_outcome_is_recorded_once_the_disk_has_room_again(workspace, spec, monkeypatch):
    refused = []
    finish = Queue.finish

    def sometimes(self, *arguments, **options):
        if len(refused) < 2:
            refused.append(1)
            raise OSError(errno.ENOSPC, "No space left on device")
        finish(self, *arguments, **options)

    monkeypatch.setattr(Queue, "finish", sometimes)
    serve(workspace, until_idle=True)
    assert len(refused) == 2
    assert job(workspace, spec.key).state == "done"


def test_a_worker_that_does_not_see_the_folder_is_reported(workspace, claimed, tmp_path):
    assert supervise(str(tmp_path / "elsewhere"), claimed.key) == "unseen"
    ended = SimpleNamespace(status="finished", result=lambda: "unseen", cancelled=lambda: False)
    started = job(workspace, claimed.key).started
    dispatcher(workspace)._settle(claimed.key, Given(ended, "", started))
    assert job(workspace, claimed.key).state == "failed"
    assert "does not see" in job(workspace, claimed.key).error


@pytest.mark.parametrize("whose", ["its own", "its worker's"])
def test_a_task_that_fails_by_itself_is_not_tried_forever(workspace, spec, whose):
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    lost = [
        KilledWorker("task", SimpleNamespace(address="a"), 3),
        CommClosedError("closed"),
        CancelledError("task"),
    ]
    for error in [ValueError("no such thing")] * MAX_ATTEMPTS if whose == "its own" else lost:
        assert workspace.queue.claim(spec.key)
        ended = SimpleNamespace(status="error", exception=lambda error=error: error)
        dispatcher(workspace)._settle(spec.key, Given(ended, "", job(workspace, spec.key).started))
    ended = job(workspace, spec.key)
    if whose == "its own":
        assert ended.state == "failed"
        assert "ValueError: no such thing" in ended.error
    else:
        assert (ended.state, ended.attempts) == ("queued", 0)


def test_gpus_are_assigned_in_turn(workspace):
    own = dispatcher(workspace, ("0", "1"))
    assigned = []
    for i in range(4):
        assigned.append(own._device())
        own.given[str(i)] = Given(None, assigned[-1], None)
    assert assigned == ["0", "1", "0", "1"]


@pytest.mark.slow
def test_a_query_does_not_wait_for_a_batch(big, workers):
    """The only slot is taken by a job that waits at the gate; the query is computed."""
    specs = [slow_space(big), melstats(big)]
    for spec in specs:
        big.queue.submit(spec)
    clip = next(big.dataset("tones").root.rglob("*.wav"))
    upload, suffix = uploads.save(big.root, clip.name, clip.read_bytes())
    workers.start("--slots", "1")
    wait_for(lambda: any(j.state == "running" for j in big.queue.jobs()), "the batch")
    query = EmbedQuery(encoder="melstats", upload=upload, suffix=suffix)
    big.queue.submit(query)
    wait_for(lambda: job(big, query.key).state == "done", "the query")
    assert [job(big, spec.key).state for spec in specs] == ["running", "queued"]


@pytest.mark.parametrize(
    ("number", "out_of_memory", "attempts"),
    [
        (signal.SIGTERM, [3, 3], 0),
        (signal.SIGKILL, [3, 3], 0),
        (signal.SIGKILL, [3, 4], 1),  # the system has killed for want of memory meanwhile
        (signal.SIGKILL, [None, None], 1),  # or does not say
        (signal.SIGSEGV, [3, 3], 1),
    ],
)
def test_only_deaths_that_are_its_own_fault_count_against_a_job(
    workspace, claimed, sleeper, monkeypatch, number, out_of_memory, attempts
):
    monkeypatch.setattr("jobs.engine.supervisor.memory_kills", iter(out_of_memory).__next__)
    sleeper.send_signal(number)
    sleeper.wait()
    assert supervise(str(workspace.root), claimed.key) == "lost"
    lost = job(workspace, claimed.key)
    assert (lost.state, lost.attempts) == ("queued", attempts)


def test_the_end_of_a_worker_never_counts_against_its_jobs(workspace, spec):
    dead = {"host": os.uname().nodename, "pid": 2**22 + 1, "born": 1.0}
    for _ in range(10):
        assert workspace.queue.claim(spec.key, process=dead)
        dispatcher(workspace).step()
    lost = job(workspace, spec.key)
    assert (lost.state, lost.attempts) == ("queued", 0)


def test_a_child_whose_supervisor_fails_is_killed(workspace, claimed, sleeper, monkeypatch):
    def unreadable(self, key):
        raise PermissionError("cancel")

    monkeypatch.setattr(Queue, "cancel_wanted", unreadable)
    with pytest.raises(PermissionError):
        supervise(str(workspace.root), claimed.key)
    assert sleeper.poll() == -signal.SIGKILL


def test_an_idle_child_blocks_until_it_gets_a_job(workspace, spec, monkeypatch):
    """It checks for queued jobs while there are some, and then waits for its input without a timeout."""
    from jobs.engine import child

    waits = []

    class Asked:
        def get(self, timeout):
            waits.append(timeout)
            if len(waits) == 4:
                raise KeyboardInterrupt
            if len(waits) == 2:
                workspace.queue.cancel(spec.key)
            raise queue.Empty

        def put(self, key): ...

    monkeypatch.setattr(child.queue, "Queue", Asked)
    monkeypatch.setattr(child, "_take_stdout", lambda: io.StringIO())
    monkeypatch.setattr(child, "_listen", lambda asked: None)
    monkeypatch.setattr(child, "_prepare", lambda want: None)
    with pytest.raises(KeyboardInterrupt):
        child.main([str(workspace.root)])
    assert waits == [child.PREPARE_EVERY, child.PREPARE_EVERY, None, None]
