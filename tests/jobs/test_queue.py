from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from jobs.engine.dispatcher import _Dispatcher
from jobs.engine.execution import RunningJob, execute
from jobs.engine.inprocess import run
from jobs.engine.job_files import ASKED, AWAITED, BATCH
from jobs.engine.queue import MAX_ATTEMPTS
from jobs.files import read_json, write_json
from jobs.specs import EmbedAudio, EmbedQuery, Neighbors, Project, SpecError
from jobs.workspace.workspace import Workspace
from tests.waiting import PATIENCE


def space(workspace, encoder="melstats"):
    return EmbedAudio(dataset=workspace.dataset("tones").ref, encoder=encoder)


def store_fake_embedding(workspace, spec):
    rng = np.random.default_rng(0)
    ids = workspace.dataset("tones").clips["clip_id"].tolist()
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", rng.standard_normal((len(ids), 8)).astype(np.float32))
        w.table("clips", {"clip_id": ids})


@pytest.fixture
def queue(workspace):
    return workspace.queue


@pytest.fixture
def key(workspace, queue):
    """Key of a queued job."""
    return queue.submit(space(workspace)).key


@pytest.fixture
def running(queue, key):
    """Key of a running job."""
    assert queue.claim(key)
    return key


def keep_work(queue, key):
    """Save a part of a running job's work."""
    part = queue.folder(key) / "checkpoint" / "part"
    part.parent.mkdir(exist_ok=True)
    part.write_text("x")
    os.utime(part, (queue.get(key).started + 1,) * 2)


def test_submitting_puts_missing_inputs_first_and_submitting_twice_is_one_job(workspace):
    spec = Project(embedding=space(workspace), method="pca")
    job = workspace.queue.submit(spec)
    again = workspace.queue.submit(spec)
    assert (job.key, job.state) == (again.key, "queued")
    by_age = list(reversed(workspace.queue.jobs()))
    assert [j.spec["type"] for j in by_age] == ["EmbedAudio", "Neighbors", "Project"]
    assert by_age[2].depends_on == (by_age[0].key, by_age[1].key)
    assert by_age[0].created == workspace.queue.get(by_age[0].key).created


def test_one_job_is_named_by_every_dataset_that_submits_it(workspace):
    tones = workspace.dataset("tones").ref
    first = workspace.queue.submit(EmbedAudio(dataset=tones, encoder="melstats"))
    for name in ("same", "same", "third"):
        spec = EmbedAudio(dataset=replace(tones, name=name), encoder="melstats")
        assert workspace.queue.submit(spec).key == first.key
    (job,) = workspace.queue.jobs()
    title = "embed tones with melstats (also: embed same with melstats) (also: embed third with melstats)"
    assert job.title == title
    assert workspace.queue.spec(job.key).dataset.name == "tones"


def test_jobs_of_one_title_differ_by_their_keys(workspace):
    tones = workspace.dataset("tones").ref
    for fingerprint in ("a" * 64, "b" * 64):  # the sounds of one dataset, before and after a change
        workspace.queue.submit(
            EmbedAudio(dataset=replace(tones, fingerprint=fingerprint), encoder="melstats")
        )
    jobs = workspace.queue.jobs()
    assert [j.title for j in jobs] == [f"embed tones with melstats · {j.key[:6]}" for j in jobs]
    assert len({j.title for j in jobs}) == 2


def test_an_existing_result_is_not_computed_again(workspace):
    spec = space(workspace)
    store_fake_embedding(workspace, spec)
    assert workspace.queue.submit(spec).state == "done"
    assert workspace.queue.jobs() == []


def test_evicted_result_is_computed_when_submitted_again(workspace):
    spec = space(workspace)
    assert run(workspace, spec).state == "done"
    workspace.cache.delete(spec.key)
    assert workspace.queue.submit(spec).state == "queued"


def test_claiming_is_exclusive(queue, running):
    assert not queue.claim(running)
    assert queue.get(running).attempts == 1


def test_cancelling_a_queued_job_and_submitting_it_again(queue, key):
    queue.cancel(key)
    assert queue.get(key).state == "cancelled"
    assert queue.retry(key).state == "queued"


def test_cancelling_a_running_job_is_a_request_to_its_supervisor(queue, running):
    queue.cancel(running)
    assert queue.get(running).state == "running"
    assert queue.cancel_wanted(running)
    queue.requeue(running)  # as by the end of the worker
    assert queue.get(running).state == "cancelled"


def test_job_that_keeps_losing_its_process_fails_in_the_end(queue, key):
    for attempt in range(MAX_ATTEMPTS):
        assert queue.claim(key), attempt
        queue.lost(key, "killed.")
    assert queue.get(key).state == "failed"
    assert f"{MAX_ATTEMPTS} times" in queue.get(key).error


def test_death_of_the_worker_never_counts_against_its_jobs(queue, key):
    for _ in range(3 * MAX_ATTEMPTS):
        assert queue.claim(key)
        queue.lost(key, "Its process is gone.", counted=False)
    assert (queue.get(key).state, queue.get(key).attempts) == ("queued", 0)
    for _ in range(MAX_ATTEMPTS - 1):
        queue.claim(key)
        queue.lost(key, "killed.")
        queue.claim(key)
        queue.lost(key, "Its process is gone.", counted=False)
    assert queue.get(key).state == "queued"
    queue.claim(key)
    queue.lost(key, "killed.")
    assert queue.get(key).state == "failed"


@pytest.mark.parametrize("deaths", [0, MAX_ATTEMPTS - 1])
def test_saved_work_cancels_earlier_deaths(queue, key, deaths):
    for _ in range(deaths):
        queue.claim(key)
        queue.lost(key, "killed.")
    for _ in range(MAX_ATTEMPTS + 2):
        assert queue.claim(key)
        keep_work(queue, key)
        queue.lost(key, "the time limit.")
        assert (queue.get(key).state, queue.get(key).attempts) == ("queued", 0)


def test_retrying_an_input_queues_again_the_jobs_that_lacked_it(workspace, queue):
    spec = Project(embedding=space(workspace), method="pca")
    queue.submit(spec)
    steps = [queue.get(s.key) for s in (spec.embedding, spec.neighbors, spec)]
    queue.claim(steps[0].key)
    queue.finish(steps[0].key, "failed", "no")
    for needed, lacking in pairwise(steps):
        queue.give_up(lacking.key, queue.get(needed.key))
    assert {j.state for j in queue.jobs()} == {"failed"}
    own = queue.submit(space(workspace, "random-cnn")).key
    queue.claim(own)
    queue.finish(own, "failed", "of its own")
    queue.retry(steps[0].key)
    states = {j.key: (j.state, j.error) for j in queue.jobs()}
    assert {states[step.key] for step in steps} == {("queued", None)}
    assert states[own] == ("failed", "of its own")


def test_a_request_for_which_a_user_waits_comes_first(workspace, queue):
    batch = [space(workspace), Neighbors(embedding=space(workspace))]
    for spec in batch:
        queue.submit(spec)
    assert {j.priority for j in queue.jobs()} == {BATCH}
    page = Workspace(workspace.root).queue
    page.priority = ASKED
    page.submit(batch[1])  # its inputs are as urgent
    query = page.submit(EmbedQuery(encoder="melstats", upload="ab" * 32, suffix=".wav"))
    assert query.priority == AWAITED
    assert {j.priority for j in queue.jobs() if j.key != query.key} == {ASKED}
    queue.submit(batch[1])  # submitted again by a batch: it stays urgent
    assert queue.get(batch[1].key).priority == ASKED
    given = []
    dispatcher = _Dispatcher(workspace, SimpleNamespace(nthreads=lambda: {"here": 2}), (), True, reserved=1)
    dispatcher._give = lambda job: given.append(job.key) or 1
    dispatcher.step()
    assert given == [query.key]


def test_a_slot_is_reserved_for_a_user_who_waits(workspace, queue):
    for name in ("melstats", "random-cnn", "handcrafted"):
        queue.submit(space(workspace, name))
    given = []
    dispatcher = _Dispatcher(workspace, SimpleNamespace(nthreads=lambda: {"here": 3}), (), True, reserved=1)
    dispatcher._give = lambda job: given.append(job.key) or queue.claim(job.key)
    dispatcher.step()
    dispatcher.step()
    assert len(given) == 2
    query = queue.submit(EmbedQuery(encoder="melstats", upload="ab" * 32, suffix=".wav"))
    dispatcher.step()
    assert given[2:] == [query.key]


def test_waiting_for_a_job_whose_result_exists(workspace, queue, running, monkeypatch):
    """Another process has stored the result and is about to record that the job is done."""
    spec = space(workspace)
    store_fake_embedding(workspace, spec)
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        queue.finish(running, "done")

    monkeypatch.setattr("jobs.engine.inprocess.time.sleep", sleep)
    assert run(workspace, spec).state == "done"
    assert len(looks) == 1


def test_a_job_with_another_spec_is_not_computed_under_its_key(workspace, queue, key):
    other = queue.submit(space(workspace, "random-cnn")).key
    (queue.folder(key) / "spec.json").write_bytes((queue.folder(other) / "spec.json").read_bytes())
    queue.claim(key)
    outcome = execute(workspace, key)
    assert outcome.state == "failed"
    assert "spec.json is damaged" in outcome.error


def test_bytes_do_not_depend_on_the_threads_that_are_free(make_workspace):
    pytest.importorskip("threadpoolctl")
    from threadpoolctl import threadpool_limits

    results = []
    for threads in (1, 2):
        workspace = make_workspace(n_clips=8)
        spec = space(workspace, "random-cnn")
        workspace.cache.delete(spec.key)
        with threadpool_limits(threads, user_api="blas"):
            assert run(workspace, spec).state == "done"
        results.append(workspace.cache.open(spec.key).file("embeddings.npy").read_bytes())
    assert results[0] == results[1]


def test_stopping_on_purpose_is_not_an_attempt(queue, running):
    queue.requeue(running)
    assert (queue.get(running).state, queue.get(running).attempts) == ("queued", 0)


def test_death_of_a_process_is_detected(queue, running):
    assert queue.is_beating(queue.get(running))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    queue.set_process(running, {"host": os.uname().nodename, "pid": pid, "born": time.time()})
    assert not queue.is_beating(queue.get(running))


def test_heartbeat_of_a_job_on_another_machine(queue, key):
    queue.claim(key, process={"host": "far-away", "pid": 1, "born": None})
    assert queue.is_beating(queue.get(key))
    beat = queue.folder(key) / "heartbeat"
    os.utime(beat, (time.time() - 3600,) * 2)
    assert not queue.is_beating(queue.get(key))
    beat.unlink()
    assert not queue.is_beating(queue.get(key))


def test_eta_follows_the_pace(queue, running):
    now = time.time()
    write_json(
        queue.folder(running) / "progress.json",
        {"done": 30, "total": 100, "note": "x", "at": now, "first_at": now - 10, "first_done": 10},
    )
    job = queue.get(running)
    assert job.progress == (30, 100, "x")
    assert job.eta_s == pytest.approx(35, abs=1)  # 2 a second, 70 to go


def test_the_pace_of_a_resumed_job_excludes_earlier_work(workspace, queue, key):
    RunningJob(workspace, space(workspace)).progress(80, 100)
    assert read_json(queue.folder(key) / "progress.json")["first_done"] == 80


def test_keys_cannot_name_other_folders(queue):
    with pytest.raises(SpecError, match="64 hexadecimal"):
        queue.folder("../../etc")
    with pytest.raises(SpecError, match="not a key"):
        queue.get("x" * 64)


def test_find_by_beginning(queue, key):
    assert queue.find(key[:10]).key == key
    with pytest.raises(SpecError, match="No job"):
        queue.find("zz")


def test_other_folders_among_the_jobs_are_ignored(queue, key):
    folder = queue.root / ("d" * 64)
    folder.mkdir(parents=True)
    (folder / "state.json").write_text("{")
    (queue.root / ("z" * 64)).mkdir()
    assert [job.key for job in queue.jobs()] == [key]


def test_running_in_process_reports_and_finishes(workspace):
    seen = []
    spec = Project(embedding=space(workspace), method="pca")
    job = run(workspace, spec, lambda job, done, total, note: seen.append((job.title, done, total)))
    assert job.state == "done"
    assert workspace.cache.open(spec.key).array("coords").shape == (24, 2)
    assert any("embed" in title for title, _, _ in seen)
    assert all(j.state == "done" for j in workspace.queue.jobs())
    assert not (workspace.queue.folder(spec.embedding.key) / "checkpoint").exists()
    assert "Done in" in workspace.queue.log(spec.key)


def test_failed_input_fails_dependent_jobs_with_the_reason(workspace, monkeypatch):
    def broken(spec, context):
        raise ValueError("the model is not here")

    monkeypatch.setattr("jobs.engine.execution.run_of", lambda spec: broken)
    spec = Project(embedding=space(workspace), method="pca")
    failed = run(workspace, spec)
    assert failed.state == "failed"
    assert failed.error == "the model is not here"
    assert "the model is not here" in workspace.queue.get(spec.key).error
    assert "Traceback" in workspace.queue.log(failed.key)
    assert [j.state for j in workspace.queue.jobs()] == ["failed"] * 3


def test_a_full_disk_is_a_reason_and_leaves_nothing_behind(workspace, monkeypatch):
    spec = space(workspace)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.lib.format.write_array", full)
    monkeypatch.setattr("numpy.save", full)
    job = run(workspace, spec)
    monkeypatch.undo()
    assert job.state == "failed"
    assert "disk is full" in job.error.lower() or "no space" in job.error.lower()
    assert not workspace.cache.contains(spec.key)
    assert workspace.cache.verify() == []
    assert run(workspace, spec).state == "done"


def test_log_shows_the_end(queue, key):
    for i in range(500):
        queue.append_log(key, f"line {i}")
    lines = queue.log(key, tail=3).splitlines()
    assert [line.split("  ")[1] for line in lines] == ["line 497", "line 498", "line 499"]


def test_result_whose_inputs_were_evicted_still_costs_nothing(workspace):
    spec = Project(embedding=space(workspace), method="pca")
    assert run(workspace, spec).state == "done"
    for needed in (spec.embedding, spec.neighbors):
        workspace.cache.delete(needed.key)
    assert workspace.queue.submit(spec).state == "done"
    assert [j for j in workspace.queue.jobs() if j.active] == []


def test_cancelled_job_whose_result_was_stored_otherwise_is_done(workspace, queue, key):
    queue.cancel(key)
    store_fake_embedding(workspace, space(workspace))
    assert queue.retry(key).state == "done"
    assert queue.get(key).state == "done"


def test_outcome_of_an_earlier_run_does_not_affect_a_later_one(queue, running):
    first = queue.get(running).started
    queue.lost(running, "killed.", started=first)
    queue.claim(running)
    queue.lost(running, "killed.", started=first)
    queue.finish(running, "failed", "late", started=first)
    assert queue.get(running).state == "running"


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN], ids=["heeded", "ignored"])
def test_job_in_this_process_can_be_cancelled_from_elsewhere(workspace, monkeypatch, request, handler):
    # A shell without job control starts background processes with Ctrl-C ignored.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, handler)
    spec = space(workspace)

    def endless(spec, context):
        workspace.queue.cancel(spec.key)
        for _ in range(50 * PATIENCE):
            time.sleep(0.02)
        raise AssertionError("it was not cancelled")

    monkeypatch.setattr("jobs.engine.execution.run_of", lambda spec: endless)
    assert run(workspace, spec).state == "cancelled"
    assert workspace.queue.get(spec.key).state == "cancelled"


def test_file_that_changed_since_the_import_is_not_embedded_for_what_it_was(workspace):
    dataset = workspace.dataset("tones")
    path = dataset.audio_path(dataset.clips["clip_id"].iloc[3])
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    job = run(workspace, space(workspace))
    assert job.state == "failed"
    assert "has changed since it was added" in job.error
    assert "--replace" in job.error


@pytest.fixture
def finished(workspace, monkeypatch):
    """A queue of jobs that have ended, their specs, and the names of files that are read afterwards."""
    specs = [space(workspace, name) for name in ("melstats", "random-cnn", "handcrafted")]
    for spec, state in zip(specs, ("done", "failed", "cancelled"), strict=True):
        workspace.queue.submit(spec)
        workspace.queue.claim(spec.key)
        workspace.queue.finish(spec.key, state)
    queue, reads = Workspace(workspace.root).queue, []
    for folder in (*queue.root.iterdir(), queue.root):
        os.utime(folder, (1e9, 1e9))  # long ago
    queue.repair()
    stat = type(queue.root).stat  # called for each file of a job before it is read
    monkeypatch.setattr(type(queue.root), "stat", lambda p, **o: reads.append(p.name) or stat(p, **o))
    return queue, specs, reads


def test_an_idle_worker_looks_at_no_job_that_has_ended(finished):
    queue, _, reads = finished
    dispatcher = _Dispatcher(SimpleNamespace(queue=queue), None, (), owned=True)
    assert [dispatcher.step() for _ in range(100)] == [False] * 100
    queue.mark()
    assert not {"spec.json", "state.json"} & set(reads)


def test_listing_jobs_again_reads_only_what_has_changed(finished, workspace):
    queue, specs, reads = finished
    before = queue.listing()
    assert queue.listing() == before
    assert not {"spec.json", "state.json"} & set(reads)
    for step in (lambda q, k: q.retry(k), lambda q, k: q.claim(k), lambda q, k: q.finish(k, "done")):
        step(workspace.queue, specs[1].key)
        reads.clear()
        assert queue.listing() == Workspace(workspace.root).queue.listing()
        assert {j.key: j.state for j in queue.jobs()}[specs[1].key] == queue.get(specs[1].key).state
    assert workspace.queue.clear() == 3
    assert queue.listing() == ([], [])


@pytest.mark.parametrize("how", ["retried", "cleared"])
def test_changes_by_another_process_to_an_ended_job_are_seen(finished, workspace, how):
    queue, specs, _ = finished
    if how == "retried":
        workspace.queue.retry(specs[2].key)
        assert [job.key for job in queue.active()] == [specs[2].key]
        workspace.queue.cancel(specs[2].key)
    else:
        workspace.queue.clear()
    assert queue.active() == []
    assert queue.listing() == Workspace(workspace.root).queue.listing()


def test_pending_jobs_of_an_earlier_version_are_marked(queue, key):
    shutil.rmtree(queue.root / "active")
    assert queue.active() == []
    assert [job.key for job in queue.jobs()] == [key]
    queue.repair()
    assert [job.key for job in queue.active()] == [key]
