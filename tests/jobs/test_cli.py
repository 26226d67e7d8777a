"""The command line as people use it; its help is the manual, so the help is tested, too."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import typer.main
from typer.testing import CliRunner

from jobs.cli import app
from jobs.cli.common import show
from jobs.datasets.importer import import_dataset
from jobs.files import read_json
from jobs.workspace.workspace import Workspace
from tests.jobs import tiny_models
from tests.jobs.command_line import call, listed
from tests.jobs.tones import write_tones
from tests.waiting import PATIENCE, wait_for

README = Path(__file__).parents[2] / "README.md"


def commands(group: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    if not hasattr(group, "commands"):
        return {" ".join(path): group}
    named: dict[str, Any] = {" ".join(path): group} if path and group.invoke_without_command else {}
    for name, command in group.commands.items():
        named |= commands(command, (*path, name))
    return named


WANTED = {
    *("demo", "serve", "worker", "add", "datasets", "encoders", "embed", "project", "run", "classify"),
    *("measure", "compare", "retrieve", "leaks", "pairs", "curate", "train", "splits", "jobs", "cache"),
    *("export", "import-embeddings"),
}
ALL = commands(typer.main.get_command(app))


@pytest.fixture
def home(tmp_path, monkeypatch):
    root = tmp_path / "home"
    monkeypatch.setenv("HEARSPACE_HOME", str(root))
    monkeypatch.setenv("COLUMNS", "200")
    return root


@pytest.fixture
def tones(tmp_path):
    return write_tones(tmp_path / "sounds", n_clips=12, n_classes=3)


@pytest.fixture
def added(home, tones, capsys):
    """The dataset ``tones`` in the workspace at `home`, added by the command."""
    assert call(capsys, "add", "tones", tones)[0] == 0


@pytest.fixture
def embedded(added, capsys):
    """The dataset ``tones``, embedded with melstats."""
    assert call(capsys, "embed", "tones", "melstats")[0] == 0


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    """A workspace with the dataset ``tones``, for commands that change nothing."""
    root = tmp_path_factory.mktemp("unchanged")
    tones = write_tones(root / "sounds", n_clips=12, n_classes=3)
    imported = import_dataset("folder", tones, options={})
    Workspace.open(root / "home").add_dataset("tones", imported, adapter="folder", root=tones)
    return root / "home"


def test_the_commands_are_the_documented_ones():
    top = {name.split()[0] for name in ALL}
    assert top == WANTED
    readme = README.read_text(encoding="utf-8")
    assert [name for name in sorted(top) if f"hearspace {name}" not in readme] == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_help_an_example_and_exit_statuses(name):
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    text = re.sub(r"[\s│]+", " ", result.output)
    assert result.exit_code == 0
    assert f"hearspace {name}" in text.partition("Example:")[2]
    assert "Exit status: 0" in text
    for parameter in ALL[name].params:
        hidden = getattr(parameter, "hidden", False) or parameter.name in ("help", "ctx")
        assert hidden or getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"


def test_from_folder_to_map_and_export(home, tones, tmp_path, capsys):
    status, out, _ = call(capsys, "add", "tones", tones)
    assert (status, "12 clips, 3 classes" in out) == (0, True)
    assert call(capsys, "embed", "tones", "melstats")[0] == 0
    assert call(capsys, "project", "tones", "melstats", "--method", "pca")[0] == 0
    (row,) = listed(capsys, "datasets")
    assert (row["clips"], row["classes"], row["spaces"]) == (12, 3, "melstats")
    assert {job["state"] for job in listed(capsys, "jobs")} == {"done"}
    assert {row["type"] for row in listed(capsys, "cache", "list")} == {"EmbedAudio", "Neighbors", "Project"}
    assert call(capsys, "cache", "verify")[0] == 0

    for kind in (".npz", ".csv", ".zip"):
        assert call(capsys, "export", "tones", "melstats", tmp_path / f"x{kind}")[0] == 0
    with np.load(tmp_path / "x.npz", allow_pickle=False) as data:
        assert data["embeddings"].shape[0] == len(data["clip_ids"]) == 12
        assert set(data["labels"]) == {"tone 0", "tone 1", "tone 2"}
    assert (tmp_path / "x.csv").read_text().startswith("clip_id,path,label,labels,family,fold,")
    status, _, err = call(capsys, "export", "tones", "melstats", tmp_path / "x.npz")
    assert (status, "exists" in err) == (2, True)


def test_jobs_are_named_by_the_dataset_of_the_command(embedded, tones, capsys):
    call(capsys, "add", "same", tones)
    assert "embed tones with melstats" in call(capsys, "embed", "tones", "melstats")[1]
    assert "✓ embed same with melstats: done" in call(capsys, "embed", "same", "melstats")[1]
    out = call(capsys, "embed", "same", "melstats", "--background")[1]
    assert "embed same with melstats" in out
    assert "embed tones" not in out


def test_tables_in_a_pipe_are_whole_lines_with_tabs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    rows = [{"a_name": "a long name, " * 20, "n": 1234567, "x": 0.123456789, "none": None, "odd": "1\t2\n3"}]
    show(rows, list(rows[0]), as_json=False, empty="")
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "a_name\tn\tx\tnone\todd",
        f"{('a long name, ' * 20).strip()}\t1234567\t0.123457\t\t1 2 3",
    ]


def test_a_missing_output_folder_is_named(embedded, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("a tone\n")
    target = tmp_path / "missing" / "x"
    export = ("export", "tones", "melstats")
    commands = [(*export, f"{target}{kind}") for kind in (".npz", ".csv", ".parquet", ".zip", "")]
    for command in (*commands, ("leaks", tmp_path / "texts.txt", "tones", "--clean", target)):
        status, _, err = call(capsys, *command)
        assert (status, f"There is no folder {target.parent} to write x" in err) == (2, True)
        assert not target.parent.exists()


def test_a_model_in_a_folder_is_called_by_the_folders_name(added, tmp_path, capsys):
    folder = tiny_models.wav2vec2(tmp_path / "models" / "my-net")
    assert call(capsys, "embed", "tones", f"transformers:{folder}")[0] == 0
    for command in (("datasets",), ("measure", "tones"), ("jobs",), ("cache", "list")):
        status, out, err = call(capsys, *command)
        assert (status, err) == (0, "")
        assert "transformers:my-net" in out
        assert str(folder) not in out
    (row,) = listed(capsys, "measure", "tones", "transformers:my-net")
    assert row["encoder"] == f"transformers:{folder}"


def test_second_time_computes_nothing(embedded, capsys):
    before = listed(capsys, "cache", "list")
    call(capsys, "embed", "tones", "melstats")
    assert [r["created"] for r in before] == [r["created"] for r in listed(capsys, "cache", "list")]


@pytest.mark.parametrize(
    "command",
    [("project", "tones", "melstats", "--method", "pca"), ("embed", "tones", "melstats", "random-cnn")],
    ids=["one spec", "one per line"],
)
def test_printed_specs_can_be_run(added, tmp_path, capsys, command):
    _, out, _ = call(capsys, *command, "--print-spec")
    (tmp_path / "specs.json").write_text(out)
    assert [job["state"] for job in listed(capsys, "run", tmp_path / "specs.json")] == ["done"] * out.count(
        "\n"
    )


def test_background_only_queues(home, added, capsys):
    status, out, _ = call(capsys, "embed", "tones", "melstats", "--background")
    assert (status, "queued" in out) == (0, True)
    key = next(word for word in out.split() if re.fullmatch("[0-9a-f]{12}", word))
    assert call(capsys, "jobs", "cancel", key, "-w", home)[0] == 0
    assert call(capsys, "jobs", "cancel", key)[0] == 1
    assert call(capsys, "jobs", "retry", key)[0] == 0
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert call(capsys, "worker", "--until-idle")[0] == 0
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert "Done in" in call(capsys, "jobs", "log", key)[1]
    assert call(capsys, "jobs", "clear")[0] == 0
    assert listed(capsys, "jobs") == []


def test_a_synthetic_dataset_is_described_as_such(home, capsys):
    options = ("classes=12", "clips_per_class=1", "seconds=0.25")
    words = [word for option in options for word in ("-o", option)]
    status, out, _ = call(capsys, "add", "world", "--adapter", "synthetic", *words)
    assert (status, "synth" in out.lower()) == (0, True)
    assert call(capsys, "embed", "world", "melstats")[0] == 0
    (row,) = listed(capsys, "datasets")
    assert (row["ready"], row["clips"]) == (True, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("embed", "nothing", "melstats"), "No dataset 'nothing'"),
        (("embed", "tones", "nothing"), "There is no encoder 'nothing'"),
        (("embed", "tones", "minilm"), "does not embed audio"),
        (("project", "tones", "melstats", "--method", "mds"), "tsne, umap, pca"),
        (("add", "tones", "."), "--replace"),
        (("add", "Bad Name", "."), "cannot name a dataset"),
        (("add", "empty", "{empty}"), "no sound"),
        (("add", "gone", "/no/such/folder"), "does not exist"),
        (("add", "x", ".", "--adapter", "nope"), "synthetic"),
        (("export", "tones", "aisfx", "x.txt"), "embed tones aisfx"),
        (("jobs", "--state", "bogus"), "cancelled"),
        (("worker", "--slots", "0"), "1"),
        (("add", "x", "--adapter", "synthetic", "-o", "size=3"), "no option 'size'"),
        (("add", "x", "--adapter", "synthetic", "-o", "seconds=long"), "must be a number"),
        (("add", "x", ".", "-o", "nothing"), "NAME=VALUE"),
        (("jobs", "log", "feed"), "No job"),
        (("cache", "evict", "much"), "is not a size"),
        (("export", "tones", "aisfx", "x.npz"), "hearspace embed tones aisfx"),
        (("run", "{spec}"), "not JSON"),
        (("run", "no-such-file.json"), "no-such-file.json"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(unchanged, monkeypatch, tmp_path, capsys, arguments, message):
    monkeypatch.setenv("HEARSPACE_HOME", str(unchanged))
    (tmp_path / "empty").mkdir()
    (tmp_path / "spec.json").write_text("not json")
    places = {"{empty}": tmp_path / "empty", "{spec}": tmp_path / "spec.json"}
    status, _, err = call(capsys, *(places.get(a, a) for a in arguments))
    assert status == 2
    assert message in re.sub(r"[\s│]+", " ", err)


def test_failed_job_is_status_1_with_its_reason(added, tones, capsys):
    for path in tones.rglob("*.wav"):
        path.unlink()
    status, out, _ = call(capsys, "embed", "tones", "melstats")
    assert (status, "✗ embed tones with melstats" in out) == (1, True)


def test_a_damaged_result_is_named(home, embedded, tmp_path, capsys):
    (file,) = home.glob("cache/objects/*/*/embeddings.npy")
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)
    status, out, _ = call(capsys, "cache", "verify")
    assert (status, "embeddings.npy" in out) == (1, True)
    file.write_bytes(data[:100])
    status, _, err = call(capsys, "export", "tones", "melstats", tmp_path / "x.npz")
    assert (status, "embeddings.npy" in err) == (2, True)
    assert call(capsys, "cache", "verify", "--remove")[0] == 1
    assert call(capsys, "cache", "verify")[0] == 0


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _listening(family):
    connections = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            connections += process.net_connections(kind="inet")
    return [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]


def _runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@contextmanager
def running(home, *command):
    """Run a command that serves the dashboard, once it answers; it is killed at the end."""
    port = _free_port()
    words = [sys.executable, "-m", "jobs.cli", *command, "--port", str(port), "-w", str(home)]
    environment = os.environ | {"COLUMNS": "200"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert f"http://localhost:{port}" in process.stdout.readline()
        yield process, port
    finally:
        process.kill()
        process.wait()


def _stop(process):
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 0


@pytest.mark.slow
def test_serve_answers_on_this_machine_only_replaces_its_worker_and_ends_with_ctrl_c(home):
    with running(home, "serve") as (process, port):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE).status == 200
        worker = Workspace.open(home).queue.root / "worker.json"
        wait_for(worker.exists, "the worker")
        first = read_json(worker)["pid"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: (read_json(worker) or {}).get("pid", first) != first, "another worker")

        def children():
            return psutil.Process(process.pid).children(recursive=True)

        # The pages, and the ports of the worker's engine.
        wait_for(lambda: len(_listening(children())) > 1, "the ports")
        family = children()
        assert {address.ip for address in _listening(family)} <= {"127.0.0.1", "::1"}
        _stop(process)
        wait_for(lambda: not any(map(_runs, family)), "its child processes to end")


@pytest.mark.slow
def test_demo_shows_a_first_map_and_a_second_start_computes_nothing(home):
    workspace = Workspace.open(home)
    made: list[list[float]] = []
    for _ in range(2):
        with running(home, "demo", "--no-browser", "--clips-per-class", "1") as (process, _port):
            wait_for(lambda: made or any(j.state == "done" for j in _maps(workspace)), "a map")
            _stop(process)
        made.append(sorted(a.created for a in workspace.cache.list(type="Synthesize")))
    assert made[0] == made[1]
    assert len(made[0]) == 1


def _maps(workspace):
    return [j for j in workspace.queue.jobs() if j.spec["type"] == "Project"]


@pytest.mark.slow
def test_children_end_when_the_program_is_killed(home):
    with running(home, "serve") as (process, _port):
        family = psutil.Process(process.pid).children(recursive=True)
    assert family
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []
