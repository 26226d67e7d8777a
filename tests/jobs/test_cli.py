"""The command line as people use it; its help is the manual, so the help is tested, too."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import typer.main
from typer.testing import CliRunner

from jobs.cli import app, main
from jobs.cli.common import show
from jobs.datasets.importer import import_dataset
from jobs.files import read_json
from jobs.workspace.workspace import Workspace
from tests.jobs import tiny_models
from tests.jobs.tones import write_tones
from tests.waiting import PATIENCE, wait_for

README = Path(__file__).parents[2] / "README.md"


def commands(group: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    if not hasattr(group, "commands"):
        return {" ".join(path): group}
    found: dict[str, Any] = {" ".join(path): group} if path and group.invoke_without_command else {}
    for name, command in group.commands.items():
        found |= commands(command, (*path, name))
    return found


WANTED = {"demo", "serve", "worker", "add", "datasets", "encoders", "embed", "project", "run"} | {
    "classify",
    "measure",
    "compare",
    "retrieve",
    "leaks",
    "pairs",
    "curate",
    "train",
    "splits",
    "jobs",
    "cache",
    "export",
    "import-embeddings",
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


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """A workspace with the dataset ``tones``, for commands that change nothing."""
    root = tmp_path_factory.mktemp("added")
    tones = write_tones(root / "sounds", n_clips=12, n_classes=3)
    imported = import_dataset("folder", tones, options={})
    Workspace.open(root / "home").add_dataset("tones", imported, adapter="folder", root=tones)
    return root / "home"


def call(capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the program in this process; return exit status, standard output and standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hearspace", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


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
    status, out, _ = call(capsys, "add", "tones", str(tones))
    assert (status, "12 clips, 3 classes" in out) == (0, True)
    assert call(capsys, "embed", "tones", "melstats")[0] == 0
    assert call(capsys, "project", "tones", "melstats", "--method", "pca")[0] == 0
    status, out, _ = call(capsys, "datasets", "--json")
    (row,) = json.loads(out)
    assert (row["clips"], row["classes"], row["spaces"]) == (12, 3, "melstats")
    status, out, _ = call(capsys, "jobs", "--json")
    assert {j["state"] for j in json.loads(out)} == {"done"}
    status, out, _ = call(capsys, "cache", "list", "--json")
    assert {r["type"] for r in json.loads(out)} == {"EmbedAudio", "Neighbors", "Project"}
    assert call(capsys, "cache", "verify")[0] == 0

    assert call(capsys, "export", "tones", "melstats", str(tmp_path / "x.npz"))[0] == 0
    with np.load(tmp_path / "x.npz", allow_pickle=False) as data:
        assert data["embeddings"].shape[0] == len(data["clip_ids"]) == 12
        assert set(data["labels"]) == {"tone 0", "tone 1", "tone 2"}
    assert call(capsys, "export", "tones", "melstats", str(tmp_path / "x.csv"))[0] == 0
    assert (tmp_path / "x.csv").read_text().startswith("clip_id,path,label,labels,family,fold,")
    assert call(capsys, "export", "tones", "melstats", str(tmp_path / "x.zip"))[0] == 0
    status, _, err = call(capsys, "export", "tones", "melstats", str(tmp_path / "x.npz"))
    assert (status, "exists" in err) == (2, True)


def test_what_is_asked_for_is_said_as_it_was_asked_for(home, tones, capsys):
    call(capsys, "add", "tones", str(tones))
    call(capsys, "add", "same", str(tones))
    assert "embed tones with melstats" in call(capsys, "embed", "tones", "melstats")[1]
    assert "✓ embed same with melstats: done" in call(capsys, "embed", "same", "melstats")[1]
    out = call(capsys, "embed", "same", "melstats", "--background")[1]
    assert "embed same with melstats" in out
    assert "embed tones" not in out


def test_tables_in_a_pipe_are_whole_lines_with_tabs(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    rows = [{"a_name": "a long name, " * 20, "n": 1234567, "x": 0.123456789, "none": None, "odd": "1\t2\n3"}]
    show(rows, list(rows[0]), as_json=False, empty="")
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "a_name\tn\tx\tnone\todd",
        f"{('a long name, ' * 20).strip()}\t1234567\t0.123457\t\t1 2 3",
    ]


def test_a_folder_to_write_to_that_is_missing_is_named(home, tones, tmp_path, capsys):
    call(capsys, "add", "tones", str(tones))
    call(capsys, "embed", "tones", "melstats")
    for kind in (".npz", ".csv", ".parquet", ".zip", ""):
        target = tmp_path / "missing" / f"x{kind}"
        status, _, err = call(capsys, "export", "tones", "melstats", str(target))
        assert status == 2
        assert f"There is no folder {target.parent} to write x{kind} to; make it first." in err
        assert not target.parent.exists()
    (tmp_path / "texts.txt").write_text("a tone\n")
    status, _, err = call(capsys, "leaks", str(tmp_path / "texts.txt"), "tones", "--clean", str(target))
    assert (status, "There is no folder" in err) == (2, True)


def test_a_model_in_a_folder_is_called_by_the_folders_name(home, tones, tmp_path, capsys):
    call(capsys, "add", "tones", str(tones))
    folder = tiny_models.wav2vec2(tmp_path / "models" / "my-net")
    assert call(capsys, "embed", "tones", f"transformers:{folder}")[0] == 0
    for command in (("datasets",), ("measure", "tones"), ("jobs",), ("cache", "list")):
        status, out, err = call(capsys, *command)
        assert (status, err) == (0, "")
        assert "transformers:my-net" in out
        assert str(folder) not in out
    status, out, _ = call(capsys, "measure", "tones", "transformers:my-net", "--json")
    assert (status, json.loads(out)[0]["encoder"]) == (0, f"transformers:{folder}")


def test_second_time_computes_nothing(home, tones, capsys):
    call(capsys, "add", "tones", str(tones))
    call(capsys, "embed", "tones", "melstats")
    before = json.loads(call(capsys, "cache", "list", "--json")[1])
    call(capsys, "embed", "tones", "melstats")
    after = json.loads(call(capsys, "cache", "list", "--json")[1])
    assert [r["created"] for r in before] == [r["created"] for r in after]


def test_spec_printed_is_spec_run(home, tones, tmp_path, capsys):
    call(capsys, "add", "tones", str(tones))
    _, out, _ = call(capsys, "project", "tones", "melstats", "--method", "pca", "--print-spec")
    (tmp_path / "spec.json").write_text(out)
    status, out, _ = call(capsys, "run", str(tmp_path / "spec.json"), "--json")
    assert (status, json.loads(out)[0]["state"]) == (0, "done")


def test_several_specs_are_read_a_line_each(home, tones, tmp_path, capsys):
    call(capsys, "add", "tones", str(tones))
    _, out, _ = call(capsys, "embed", "tones", "melstats", "random-cnn", "--print-spec")
    (tmp_path / "specs.json").write_text(out)
    status, out, _ = call(capsys, "run", str(tmp_path / "specs.json"), "--json")
    assert (status, [j["state"] for j in json.loads(out)]) == (0, ["done", "done"])


def test_export_of_a_damaged_result_says_what_to_do(home, tones, tmp_path, capsys):
    call(capsys, "add", "tones", str(tones))
    call(capsys, "embed", "tones", "melstats")
    (file,) = home.glob("cache/objects/*/*/embeddings.npy")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:100])
    status, _, err = call(capsys, "export", "tones", "melstats", str(tmp_path / "x.npz"))
    assert status == 2
    assert "Traceback" not in err
    assert "embeddings.npy" in err


def test_background_only_queues(home, tones, capsys):
    call(capsys, "add", "tones", str(tones))
    status, out, _ = call(capsys, "embed", "tones", "melstats", "--background")
    assert (status, "queued" in out) == (0, True)
    key = next(word for word in out.split() if re.fullmatch("[0-9a-f]{12}", word))
    assert call(capsys, "jobs", "cancel", key, "-w", str(home))[0] == 0
    assert call(capsys, "jobs", "cancel", key)[0] == 1
    assert call(capsys, "jobs", "retry", key)[0] == 0
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert call(capsys, "worker", "--until-idle")[0] == 0
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert "Done in" in call(capsys, "jobs", "log", key)[1]
    assert call(capsys, "jobs", "clear")[0] == 0
    assert json.loads(call(capsys, "jobs", "--json")[1]) == []


def test_synthetic_world_is_named_for_what_it_is(home, capsys):
    options = ("classes=12", "clips_per_class=1", "seconds=0.25")
    given = [word for option in options for word in ("-o", option)]
    status, out, _ = call(capsys, "add", "world", "--adapter", "synthetic", *given)
    assert status == 0
    assert "synth" in out.lower()
    assert call(capsys, "embed", "world", "melstats")[0] == 0
    (row,) = json.loads(call(capsys, "datasets", "--json")[1])
    assert row["ready"]
    assert row["clips"] == 12


@pytest.mark.parametrize(
    ("arguments", "says"),
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
def test_bad_input_is_one_sentence_and_status_2(added, monkeypatch, tmp_path, capsys, arguments, says):
    monkeypatch.setenv("HEARSPACE_HOME", str(added))
    (tmp_path / "empty").mkdir()
    (tmp_path / "spec.json").write_text("not json")
    places = {"{empty}": str(tmp_path / "empty"), "{spec}": str(tmp_path / "spec.json")}
    status, _, err = call(capsys, *(places.get(a, a) for a in arguments))
    assert status == 2
    assert says in re.sub(r"[\s│]+", " ", err)
    assert "Traceback" not in err


def test_failed_job_is_status_1_with_its_reason(home, tones, capsys):
    call(capsys, "add", "tones", str(tones))
    for path in tones.rglob("*.wav"):
        path.unlink()
    status, out, _ = call(capsys, "embed", "tones", "melstats")
    assert status == 1
    assert "✗ embed tones with melstats" in out


def test_damaged_cache_is_status_1(home, tones, capsys):
    call(capsys, "add", "tones", str(tones))
    call(capsys, "embed", "tones", "melstats")
    (file,) = home.glob("cache/objects/*/*/embeddings.npy")
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)
    status, out, _ = call(capsys, "cache", "verify")
    assert (status, "embeddings.npy" in out) == (1, True)
    assert call(capsys, "cache", "verify", "--remove")[0] == 1
    assert call(capsys, "cache", "verify")[0] == 0


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _listening(family):
    found = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            found += process.net_connections(kind="inet")
    return [c.laddr for c in found if c.status == psutil.CONN_LISTEN]


def _runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_serve_answers_on_this_machine_only_replaces_its_worker_and_ends_with_ctrl_c(home):
    port = _free_port()
    command = [sys.executable, "-m", "jobs.cli", "serve", "--port", str(port), "-w", str(home)]
    environment = os.environ | {"COLUMNS": "200"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"http://localhost:{port}" in line
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE).status == 200
        worker = Workspace.open(home).queue.root / "worker.json"
        wait_for(worker.exists, "the worker")
        first = read_json(worker)["pid"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: (read_json(worker) or {}).get("pid", first) != first, "another worker")

        def children():
            return psutil.Process(process.pid).children(recursive=True)

        # The pages, and what the worker's engine opens.
        wait_for(lambda: len(_listening(children())) > 1, "the ports")
        family = children()
        assert {address.ip for address in _listening(family)} <= {"127.0.0.1", "::1"}
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
        wait_for(lambda: not any(map(_runs, family)), "everything that it started to end")
    finally:
        process.kill()


@pytest.mark.slow
def test_demo_shows_a_first_map_and_a_second_start_computes_nothing(home):
    command = [sys.executable, "-m", "jobs.cli", "demo", "--no-browser", "--clips-per-class", "1"]
    workspace = Workspace.open(home)
    made: list[list[float]] = []
    for _ in range(2):
        port = _free_port()
        process = subprocess.Popen(
            [*command, "--port", str(port), "-w", str(home)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert f"http://localhost:{port}" in process.stdout.readline()
            wait_for(lambda: made or any(j.state == "done" for j in _maps(workspace)), "a map")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE) == 0
        made.append(sorted(a.created for a in workspace.cache.list(type="Synthesize")))
    assert made[0] == made[1]
    assert len(made[0]) == 1


def _maps(workspace):
    return [j for j in workspace.queue.jobs() if j.spec["type"] == "Project"]


@pytest.mark.slow
def test_children_end_when_the_program_is_killed(home):
    port = _free_port()
    command = [sys.executable, "-m", "jobs.cli", "serve", "--port", str(port), "-w", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert alive == []
