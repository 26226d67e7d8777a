"""`hearspace leaks`: what it prints and writes is what `core.leakage` finds."""

from __future__ import annotations

import json

import pytest

from core.leakage import find_leaks
from jobs.datasets.importer import import_dataset
from jobs.workspace.captions import captions_of
from jobs.workspace.workspace import Workspace
from tests.jobs.mini_captions import write_macs
from tests.jobs.test_cli import call

CAPTIONS = """file_name,caption_1,caption_2
a.wav,two dogs bark,a loud place
b.wav,rain on a roof,
c.wav,a hand on a saw,wood
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HEARSPACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(CAPTIONS)
    (tmp_path / "classes.txt").write_text("dog\nhand_saw\ncat\n")
    return tmp_path


def test_files(folder, capsys):
    status, out, err = call(capsys, "leaks", "train.csv", "classes.txt", "--clean", "clean.csv", "--json")
    assert status == 0, err
    (result,) = json.loads(out)
    assert (result["searched"], result["name_a_class"], result["left"]) == (5, 2, 1)
    assert {row["class"]: row["texts"] for row in result["by_class"]} == {"dog": 1, "hand_saw": 1, "cat": 0}
    assert [(row["row"], row["clip_id"], row["matched"]) for row in result["leaks"]] == [
        (0, "a.wav", "dogs"),
        (3, "c.wav", "hand, saw"),
    ]
    assert (folder / "clean.csv").read_text() == "file_name,caption_1,caption_2\nb.wav,rain on a roof,\n"
    clean = (folder / "clean.csv").read_text()
    (folder / "link.csv").symlink_to("linked.csv")
    assert call(capsys, "leaks", "train.csv", "classes.txt", "--clean", "link.csv")[0] == 0
    assert (folder / "link.csv").is_symlink()
    assert (folder / "linked.csv").read_text() == clean
    status, out, _ = call(capsys, "leaks", "train.csv", "classes.txt", "--mode", "names")
    assert status == 0
    assert "dogs 1" in out
    assert "hand_saw" not in out
    assert "1 of 5 name one of 3 classes; 2 taken out, 3 left." in out
    status, out, _ = call(capsys, "leaks", "train.csv", "classes.txt", "--mode", "names", "--no-forms")
    assert "Nothing leaks." in out
    status, out, _ = call(capsys, "leaks", "train.csv", "classes.txt", "--whole-clips")
    assert "2 of 5 name one of 3 classes; 4 taken out, 1 left." in out


def test_datasets(folder, capsys):
    root = write_macs(folder / "macs")
    workspace = Workspace.open(None)
    workspace.add_dataset("macs", import_dataset("captions", root), adapter="captions", root=root)
    workspace.add_dataset("plain", import_dataset("folder", root), adapter="folder", root=root)
    (folder / "tests.txt").write_text("people\nmusic\nairport\n")
    status, out, err = call(capsys, "leaks", "macs", "tests.txt", "--clean", "clean.csv", "--json")
    assert status == 0, err
    (result,) = json.loads(out)
    captions = captions_of(workspace.dataset("macs"))
    expected = find_leaks(captions["caption"], ["people", "music", "airport"])
    assert [row["row"] for row in result["leaks"]] == expected["row"].tolist()
    kept = captions.drop(expected["row"].unique())
    assert (folder / "clean.csv").read_text() == kept.to_csv(index=False)
    # Without captions it is the names of the classes; as a test they are that in any case.
    (result,) = json.loads(call(capsys, "leaks", "plain", "macs", "--json")[1])
    assert (result["searched"], result["classes"]) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv", "classes.txt"], "There is no file missing.csv"),
        (["train.csv", "nothing"], "No dataset 'nothing'"),
        (["train.csv", "classes.txt", "--column", "words"], "train.csv has no column 'words'"),
        (["classes.txt", "classes.txt", "--whole-clips"], "does not say which clip a caption is of"),
    ],
)
def test_what_is_not_there(arguments, message, folder, capsys):
    status, out, err = call(capsys, "leaks", *arguments)
    assert (status, out) == (2, "")
    assert message in err
