"""Where a workspace lies and who may read it: shared and locked-down machines, full disks."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cache.errors import NoSpace
from jobs.cli import app, main
from jobs.datasets.importer import import_dataset
from jobs.engine import compiled
from jobs.engine.inprocess import run
from jobs.files import output, replacing, write_json
from jobs.listening.questions import Query, System
from jobs.listening.ratings import Question, RatingsError, open_ratings
from jobs.specs import EmbedAudio
from jobs.workspace import uploads
from jobs.workspace.workspace import Workspace, WorkspaceError
from tests.jobs.tones import write_tones
from tests.waiting import PATIENCE

NOBODY = 65534


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def sound(folder: Path) -> bytes:
    return min(folder.rglob("*.wav")).read_bytes()


def fill(place: Path) -> Workspace:
    """Write something of every kind into a workspace."""
    workspace, root = Workspace.open(place / "workspace"), write_tones(place / "sounds", n_clips=4)
    for _ in range(2):  # the second replaces the first
        found = import_dataset("folder", root, options={})
        dataset = workspace.add_dataset("tones", found, adapter="folder", root=root)
    assert run(workspace, EmbedAudio(dataset=dataset.ref, encoder="melstats")).state == "done"
    uploads.save(workspace.root, "x.wav", sound(root))
    workspace.cache.list()
    note(workspace)
    return workspace


def note(workspace: Workspace) -> None:
    question = Question(
        session="s",
        number=0,
        listener="me",
        seed=1,
        dataset="tones",
        fingerprint="f",
        query=Query("clip", "c"),
        systems=(System("a"), System("b")),
        results=(("x",), ("y",)),
        repeat_of=None,
    )
    open_ratings(workspace.root).new_question(question)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_who_may_read_a_workspace_is_what_the_umask_says(tmp_path, umask, mask):
    umask(mask)
    workspace = fill(tmp_path)
    for path in (workspace.root, *workspace.root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        immutable = path.is_file() and not mode & 0o222
        expected = (0o777 if path.is_dir() else 0o444 if immutable else 0o666) & ~mask
        assert mode == expected, f"{path} has {mode:o}, not {expected:o}"
    assert {p.suffix for p in workspace.root.rglob("*")} >= {".parquet", ".json", ".npy", ".sqlite", ".wav"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_a_second_account_reads_what_it_may_and_is_told_the_rest(umask, monkeypatch, capfd):
    with tempfile.TemporaryDirectory() as place:  # pytest keeps its folders to itself
        Path(place).chmod(0o755)
        _look_as_another(fill(Path(place)), monkeypatch, capfd)


def _look_as_another(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting = workspace.queue.submit(EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="aisfx")).key

    def see(command: str, user: int = NOBODY) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hearspace", command, "-w", str(workspace.root)])
        os.seteuid(user)
        try:
            main()
        except SystemExit as ended:
            found = capfd.readouterr()
            return int(ended.code or 0), found.out, found.err.replace("\n", "")
        finally:
            os.seteuid(0)
        raise AssertionError

    for command, wanted in (("jobs", "embed tones with melstats"), ("datasets", "melstats")):
        assert see(command, user=0)[0] == 0  # whatever is imported is there
        status, out, err = see(command)
        assert (status, err) == (0, "")
        assert wanted in out
    for folder, command in (
        ("datasets/tones", "datasets"),
        ("datasets/tones/clips.parquet", "datasets"),
        ("datasets", "datasets"),
        ("jobs", "jobs"),
        (f"jobs/{waiting}", "jobs"),
        (f"jobs/{waiting}/spec.json", "jobs"),
        (f"jobs/{waiting}/state.json", "jobs"),
    ):
        (workspace.root / folder).chmod(0o700)
        status, _, err = see(command)
        assert status in (1, 2), folder
        assert str(workspace.root / folder) in err
        assert "may not be read" in err
        (workspace.root / folder).chmod(0o755)


def test_a_workspace_that_is_a_file_is_a_sentence(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for path in (file, file / "below" / "it"):
        with pytest.raises(WorkspaceError, match=f"{file} is a file; a workspace is a folder"):
            Workspace.open(path)
        pages = [sys.executable, "-m", "dashboard", "--port", "0", "--workspace", str(path)]
        ended = subprocess.run(pages, capture_output=True, text=True, timeout=PATIENCE)
        assert ended.returncode == 1
        assert f"{file} is a file" in ended.stderr
        assert "Traceback" not in ended.stderr


# -- numba -------------------------------------------------------------------------------------------------


@pytest.fixture
def homeless(monkeypatch):
    """Numba may keep nothing in its usual places."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is put back
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(compiled, "_has_place", lambda: False)


def test_numba_has_its_place_in_the_workspace_where_it_has_no_other(tmp_path, homeless):
    Workspace(tmp_path / "workspace")
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_relative_to(tmp_path / "workspace")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    Workspace(tmp_path / "other")  # a process has one place
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)


def test_compiled_code_that_came_with_a_workspace_is_not_used(tmp_path, homeless, monkeypatch):
    Workspace(tmp_path / "workspace")
    first = Path(os.environ["NUMBA_CACHE_DIR"]).name
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    subprocess.run(["cp", "-r", str(tmp_path / "workspace"), str(tmp_path / "copy")], check=True)
    Workspace(tmp_path / "copy")
    assert Path(os.environ["NUMBA_CACHE_DIR"]).name != first


@pytest.mark.parametrize("made", ["by another", "open to others", "a link"])
def test_code_that_another_account_may_have_compiled_is_not_used(tmp_path, homeless, monkeypatch, made):
    root = tmp_path / "workspace"
    Workspace(root)
    folder = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    if made == "by another":
        if os.geteuid() != 0:
            pytest.skip("only root can be somebody else")
        os.chown(folder, NOBODY, NOBODY)
    elif made == "open to others":
        folder.chmod(0o770)
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    Workspace(root)
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_numba_keeps_its_usual_place_if_it_has_one(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(compiled, "_has_place", lambda: True)
    Workspace(tmp_path / "workspace")
    assert "NUMBA_CACHE_DIR" not in os.environ
    assert not (tmp_path / "workspace").exists()


def test_a_place_is_one_that_can_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    assert compiled._writable(tmp_path / "new" / "numba")
    assert not compiled._writable(tmp_path / "file" / "numba")


# -- full disks --------------------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch):
    """Nothing more can be written, and the system says so as it does when a write fails: without a name."""

    def write(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", write)


def says_all(text: str, folder: Path) -> bool:
    """Whether a sentence says which disk is full, how much is needed and free, and what to do."""
    parts = ("disk is full", str(folder), " needed", " free)", "free some space")
    return all(part in text for part in parts) and "Errno" not in text


def test_a_file_that_does_not_fit_says_where_how_much_and_what_to_do(tmp_path, full):
    with pytest.raises(NoSpace) as caught:
        write_json(tmp_path / "x.json", {"a": 1})
    assert says_all(str(caught.value), tmp_path)
    assert isinstance(caught.value, OSError)  # whoever can do without the file goes on
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_lack_of_space_is_left_as_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "x"):
        raise ZeroDivisionError
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError):
        write_json(tmp_path / "file" / "x.json", {})


def test_an_output_goes_through_a_link_and_into_a_pipe(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    for name, target in (("link", "real.csv"), ("dangling", "new.csv")):
        (tmp_path / name).symlink_to(target)
        with output(tmp_path / name) as fresh:
            fresh.write_text("new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with output(tmp_path / "pipe") as fresh:
            fresh.write_text("new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert {p.name for p in tmp_path.iterdir()} == {"real.csv", "new.csv", "link", "dangling", "pipe"}


def test_a_full_disk_is_said_by_import_upload_export_and_ratings(make_workspace, tmp_path, monkeypatch):
    workspace = make_workspace(n_clips=4)
    dataset = workspace.dataset("tones")
    run(workspace, EmbedAudio(dataset=dataset.ref, encoder="melstats"))

    def write(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refused(command: list[object]) -> str:
        result = CliRunner().invoke(app, [str(word) for word in (*command, "-w", workspace.root)])
        assert isinstance(result.exception, NoSpace)
        return str(result.exception)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", write)
        root = workspace.root
        assert says_all(refused(["add", "more", dataset.root]), root / "datasets")
        assert says_all(refused(["export", "tones", "melstats", tmp_path / "out.csv"]), tmp_path)
        assert says_all(refused(["embed", "tones", "random-cnn", "-b"]), root / "jobs")
        with pytest.raises(NoSpace) as caught:
            uploads.save(root, "x.wav", sound(dataset.root))
        assert says_all(str(caught.value), root / "uploads")
    assert not (tmp_path / "out.csv").exists()
    assert [d.name for d in workspace.datasets()] == ["tones"]

    def fail(*args: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("jobs.listening.ratings._create", fail)
    with pytest.raises(RatingsError, match=r"cannot be written: the disk is full at .* free\)"):
        note(workspace)


def test_what_the_system_refuses_is_one_sentence_of_the_command_line(tmp_path, monkeypatch, capsys):
    def refuse(error: OSError) -> str:
        def opened(path: object) -> Workspace:
            from jobs.cli import common

            common.opened = tmp_path
            raise error

        monkeypatch.setattr("jobs.cli.common.open_workspace", opened)
        monkeypatch.setattr(sys, "argv", ["hearspace", "datasets"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    assert f"disk is full at {tmp_path}" in refuse(OSError(errno.ENOSPC, "No space left on device"))
    elsewhere = OSError(errno.ENOSPC, "No space left on device", "/far/away.npy")
    assert "disk is full at /far (" in refuse(elsewhere)
    assert "/x may not be read" in refuse(PermissionError(errno.EACCES, "Permission denied", "/x"))
    assert refuse(FileNotFoundError(errno.ENOENT, "No such file", "/x")) == "/x does not exist."
    assert refuse(OSError(errno.EIO, "Input/output error", "/x")) == "/x: Input/output error."


def test_a_job_on_a_full_disk_says_how_much_it_needs(make_workspace, monkeypatch):
    workspace = make_workspace(n_clips=4)

    def write(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("cache.writer._reserve", write)
    job = run(workspace, EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="melstats"))
    assert job.state == "failed"
    assert says_all(job.error.lower(), workspace.root / "cache")
    assert "2.0 kb needed" in job.error.lower()
    assert "hearspace cache evict" in job.error
    assert json.loads((workspace.queue.folder(job.key) / "state.json").read_text())["state"] == "failed"
