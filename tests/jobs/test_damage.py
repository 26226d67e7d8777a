"""Damaged files of jobs and datasets: ignored, reported with their path, and repaired where possible."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.cli.data import dataset_row
from jobs.datasets.importer import import_dataset
from jobs.encoders import imported
from jobs.engine.dispatcher import _Dispatcher, serve
from jobs.engine.inprocess import run
from jobs.importing.embeddings import import_embeddings
from jobs.specs import EmbedAudio, Neighbors
from jobs.workspace.attached import orphans
from jobs.workspace.workspace import Workspace, WorkspaceError
from tests.jobs.command_line import call
from tests.jobs.tones import write_tones

#: Contents that are damage in every file.
JUNK = [b"", b"{", b"{}", b"[]", b"3", b"null", b'"x"', b"NaN", b"\x00\xff\xfe", b"[" * 100_000]
#: Values that are wrong for most fields.
VALUES = [None, [], {}, [[]], -1, 1e300, "\0"]


def damages(content: bytes) -> Iterator[bytes]:
    """Yield contents of a file after a crash or a careless edit: junk, a part, a field lost or changed."""
    yield from JUNK
    yield content[: len(content) // 2]
    yield content[:-1]
    try:
        whole = json.loads(content)
    except ValueError:
        return
    places = [whole, *(v for v in whole.values() if isinstance(v, dict))]
    for place in places:
        for name in list(place):
            kept = place.pop(name)
            yield json.dumps(whole).encode()
            for value in VALUES:
                place[name] = value
                yield json.dumps(whole).encode()
            place[name] = kept


def space(workspace: Workspace, encoder: str = "melstats") -> EmbedAudio:
    return EmbedAudio(dataset=workspace.dataset("tones").ref, encoder=encoder)


@pytest.fixture
def jobs(workspace: Workspace) -> dict[str, str]:
    """Keys of jobs in every state; the first has a result."""
    queue = workspace.queue
    specs = [space(workspace, name) for name in ("melstats", "random-cnn", "aisfx", "handcrafted")]
    specs += [Neighbors(embedding=specs[0]), Neighbors(embedding=specs[1])]
    run(workspace, specs[0])
    for spec in specs[1:]:
        queue.submit(spec)
    running, failed, cancelled, waiting, dependent = (spec.key for spec in specs[1:])
    queue.claim(running)
    (queue.folder(running) / "progress.json").write_text(
        '{"done": 1, "total": 2, "note": "", "at": 9, "first_at": 8, "first_done": 0}'
    )
    queue.claim(failed)
    queue.finish(failed, "failed", "no")
    queue.cancel(cancelled)
    names = ("done", "running", "failed", "cancelled", "waiting", "dependent")
    return dict(zip(names, (specs[0].key, running, failed, cancelled, waiting, dependent), strict=True))


@pytest.fixture
def dispatcher(workspace: Workspace) -> _Dispatcher:
    """A dispatcher with slots for every job that starts none."""
    idle = _Dispatcher(workspace, SimpleNamespace(nthreads=lambda: {"here": 99}), (), owned=True)
    idle._give = lambda job: 1
    return idle


@pytest.mark.slow
@pytest.mark.parametrize("state", ["done", "running", "failed", "cancelled", "waiting", "dependent"])
def test_no_damage_of_a_job_breaks_a_listing_or_the_worker(
    workspace: Workspace, jobs: dict[str, str], dispatcher: _Dispatcher, state: str
) -> None:
    queue, key = workspace.queue, jobs[state]
    others, dataset = set(jobs.values()) - {key}, workspace.dataset("tones")
    files = [f for f in sorted(queue.folder(key).iterdir()) if f.is_file() and 0 < f.stat().st_size < 8000]
    before = {f: f.read_bytes() for f in files}
    assert {"spec.json", "state.json"} <= {f.name for f in files}
    for file in files:
        for content in damages(before[file]):
            file.write_bytes(content)
            keys = {j.key for j in queue.jobs()}
            assert keys >= others
            assert key in keys or str(queue.folder(key)) in "".join(queue.listing()[1]), content
            queue.needed()
            workspace.spaces(dataset)
            queue.log(key)
            assert dispatcher.step()
            for name, whole in before.items():
                name.write_bytes(whole)


@pytest.mark.slow
def test_a_worker_does_its_work_among_damaged_jobs(workspace: Workspace, jobs: dict[str, str]) -> None:
    queue = workspace.queue
    for i, content in enumerate(JUNK):
        for j, name in enumerate(("spec.json", "state.json", "progress.json")):
            key = f"{16 * i + j:064x}"
            shutil.copytree(queue.folder(jobs["waiting"]), queue.folder(key))
            (queue.folder(key) / name).write_bytes(content)
    queue.finish(jobs["running"], "cancelled")
    serve(workspace, until_idle=True)
    assert queue.get(jobs["waiting"]).state == "done"
    _, damaged = queue.listing()
    assert len(damaged) == len(JUNK)
    for sentence in damaged:
        assert str(queue.root) in sentence
        assert "hearspace jobs clear" in sentence
    # A folder whose spec does not match its name is not computed under that name.
    wrong = [job for job in queue.jobs() if job.key.startswith("0" * 60)]
    assert {job.state for job in wrong} == {"failed"}
    assert all("damaged" in job.error for job in wrong)


@pytest.mark.parametrize("content", JUNK[:9])
def test_a_lost_state_is_reconstructed(workspace: Workspace, jobs: dict[str, str], content: bytes) -> None:
    queue = workspace.queue
    for key in jobs.values():
        (queue.folder(key) / "state.json").write_bytes(content)
    presumed = {name: queue.get(key) for name, key in jobs.items()}
    states = {name: presumed[name].state for name in jobs if name != "cancelled"}
    # The running job stays so until its heartbeat stops.
    expected = {name: name for name in ("done", "running", "failed")}
    assert states == expected | {"waiting": "queued", "dependent": "queued"}
    assert str(queue.folder(jobs["failed"]) / "state.json") in presumed["failed"].error
    assert "retry" in presumed["failed"].error
    assert queue.retry(jobs["failed"]).state == "queued"
    queue.repair()
    again = Workspace(workspace.root).queue
    for name, key in jobs.items():
        held = json.loads((queue.folder(key) / "state.json").read_text())["state"]
        assert held == again.get(key).state == ("queued" if name == "failed" else presumed[name].state)


def test_a_lost_spec_is_reconstructed_from_the_result(workspace: Workspace, jobs: dict[str, str]) -> None:
    folder = workspace.queue.folder(jobs["done"])
    before = json.loads((folder / "spec.json").read_text())
    for name in ("spec.json", "state.json"):
        (folder / name).write_text("[]")
    job = workspace.queue.get(jobs["done"])
    assert (job.state, job.title) == ("done", before["title"])
    workspace.queue.repair()
    assert json.loads((folder / "spec.json").read_text()) == before


def test_a_folder_where_a_file_belongs_is_replaced(workspace: Workspace) -> None:
    spec = space(workspace)
    workspace.queue.submit(spec)
    folder = workspace.queue.folder(spec.key)
    for name in ("state.json", "spec.json"):
        (folder / name).unlink()
        (folder / name / "x").mkdir(parents=True)
    (folder / "checkpoint").write_text("x")
    assert workspace.queue.get(spec.key) is None
    assert run(workspace, spec).state == "done"


def test_damaged_jobs_are_reported_and_can_be_cleared(
    workspace: Workspace, jobs: dict[str, str], capsys: Any
) -> None:
    path = workspace.queue.folder(jobs["failed"]) / "spec.json"
    path.write_text('{"spec": {}}')
    status, out, err = call(capsys, "jobs", "-w", workspace.root)
    assert (status, str(path) in err, "jobs clear" in err) == (1, True, True)
    assert "embed tones with random-cnn" in out
    assert call(capsys, "jobs", "clear", "-w", workspace.root)[0] == 0
    assert not path.parent.exists()
    pending = {jobs[name] for name in ("running", "waiting", "dependent")}
    assert {j.key for j in workspace.queue.jobs()} == pending
    assert call(capsys, "jobs", "-w", workspace.root)[0] == 0


# -- datasets ----------------------------------------------------------------------------------------------


@pytest.fixture
def two(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a second dataset, `other`."""
    root = write_tones(tmp_path / "more", n_clips=4)
    workspace.add_dataset("other", import_dataset("folder", root, options={}), adapter="folder", root=root)
    return workspace


def listed(workspace: Workspace) -> tuple[set[str], str]:
    """Names of the readable datasets, and the messages about the others."""
    rows, messages = set(), workspace.damaged()
    for dataset in workspace.datasets():
        try:
            rows.add(dataset_row(workspace, dataset.name)["name"])
        except WorkspaceError as error:
            messages.append(str(error))
    return rows, "".join(messages)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dataset.json", "clips.parquet", "classes.parquet", "report.parquet"])
def test_no_damage_of_a_dataset_breaks_a_listing(two: Workspace, name: str) -> None:
    file = two.root / "datasets" / "tones" / name
    before = file.read_bytes()
    cases = (
        list(damages(before)) if name == "dataset.json" else [*JUNK, before[:-1], before[: len(before) // 2]]
    )
    rng = np.random.default_rng(0)
    for _ in range(40):
        flipped = bytearray(before)
        flipped[rng.integers(len(flipped))] ^= 1 << rng.integers(8)
        cases.append(bytes(flipped))
    for content in cases:
        file.write_bytes(content)
        rows, messages = listed(two)
        assert "other" in rows
        assert "tones" in rows or str(file) in messages, content[:200]
        two.evict(10**12)
        two.queue.needed()
    file.write_bytes(before)
    assert listed(two) == ({"tones", "other"}, "")


def test_a_damaged_table_or_a_missing_column_is_reported(two: Workspace, capsys: Any) -> None:
    folder = two.root / "datasets" / "tones"
    (folder / "clips.parquet").write_bytes(b"PAR1 and nothing more")
    assert [d.name for d in two.datasets()] == ["other"]
    (sentence,) = two.damaged()
    assert str(folder / "clips.parquet") in sentence
    assert "hearspace add tones FOLDER --replace" in sentence
    pd.DataFrame({"a": [1]}).to_parquet(folder / "clips.parquet")
    (sentence,) = two.damaged()
    assert "has no column clip_id" in sentence
    status, out, err = call(capsys, "datasets", "-w", two.root)
    assert (status, "other" in out, "has no column" in err) == (1, True, True)


def test_a_damaged_dataset_is_replaced_only_on_request(
    workspace: Workspace, tmp_path: Path, capsys: Any
) -> None:
    (workspace.root / "datasets" / "tones" / "dataset.json").write_text("[]")
    add = ("add", "tones", tmp_path / "sounds", "-w", workspace.root)
    status, _, err = call(capsys, *add)
    assert (status, "--replace" in err) == (2, True)
    assert call(capsys, *add, "--replace")[0] == 0
    assert workspace.dataset("tones").n_clips == 24


def test_imports_for_a_damaged_dataset_are_not_orphaned(
    workspace: Workspace, tmp_path: Path, capsys: Any
) -> None:
    dataset = workspace.dataset("tones")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((24, 3)))
    spec = import_embeddings(workspace, dataset, "mine", tmp_path / "x.npy").spec
    file = workspace.root / "datasets" / "tones" / "dataset.json"
    before = file.read_bytes()
    file.write_bytes(b"[]")
    assert orphans(workspace) == []
    assert "orphaned" not in "".join(call(capsys, "datasets", "-w", workspace.root)[1:])
    for words in (["--remove"], ["--remove", "--orphaned"]):
        status, _, err = call(capsys, "import-embeddings", "tones", "mine", *words, "-w", workspace.root)
        assert (status, str(file) in err) == (2, True)
        assert workspace.cache.contains(spec.key)
    file.write_bytes(before)
    assert [s.spec for s in workspace.spaces(workspace.dataset("tones"))] == [spec]


def test_names_of_imported_spaces_that_are_damaged_mean_nothing(workspace: Workspace) -> None:
    dataset = workspace.dataset("tones")
    meaning = imported.Meaning("imported/1:x#1", "ab" * 32, "/x.npy", 1.0)
    imported.remember(workspace.root, dataset.fingerprint, "x", meaning)
    assert list(imported.meanings(workspace.root, dataset.fingerprint)) == ["imported:x"]
    (file,) = (workspace.root / "imported").rglob("*.json")
    for content in damages(file.read_bytes()):
        file.write_bytes(content)
        workspace.spaces(dataset)
        workspace.evict(10**12)
