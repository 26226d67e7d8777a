"""Splits that people keep: what is saved is what is loaded, and nothing else than splits is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.splits import ClassSplit, ClassSplitSet
from jobs.workspace import splits
from jobs.workspace.workspace import Workspace

ONE = ClassSplit(("Rain", "Sea"), ("Wind",), ("Dog", "Grüße"), {"setup": "hand"})
SET = ClassSplitSet(("a", "b"), (("c",), ("d",)), (("e", "f"), ("g", "h")), {"low": 0.5, "seed": 3})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path)


@pytest.mark.parametrize("split", [ONE, SET], ids=["one", "set"])
def test_what_is_saved_is_loaded(workspace: Workspace, split: ClassSplit | ClassSplitSet) -> None:
    assert splits.names(workspace, "birds") == []
    path = splits.save(workspace, "birds", "near-0", split)
    assert path == workspace.root / "splits" / "birds" / "near-0.json"
    assert splits.names(workspace, "birds") == ["near-0"]
    assert splits.names(workspace, "other") == []
    found = splits.load(workspace, "birds", "near-0")
    assert (found, found.info) == (split, split.info)
    # In lines, and with letters as they are, for people.
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) > 8
    assert json.loads(text)["train"] == list(split.train)
    assert "\\u" not in text


def test_a_name_that_is_taken_is_kept_unless_replaced(workspace: Workspace) -> None:
    splits.save(workspace, "birds", "mine", ONE)
    with pytest.raises(splits.SavedSplitError, match="already; delete it first"):
        splits.save(workspace, "birds", "mine", SET)
    assert splits.load(workspace, "birds", "mine") == ONE
    splits.save(workspace, "birds", "mine", SET, replace=True)
    assert splits.load(workspace, "birds", "mine") == SET
    assert [p.name for p in (workspace.root / "splits" / "birds").iterdir()] == ["mine.json"]


def test_what_is_deleted_is_gone(workspace: Workspace) -> None:
    splits.save(workspace, "birds", "b", ONE)
    splits.save(workspace, "birds", "a", ONE)
    assert splits.names(workspace, "birds") == ["a", "b"]
    splits.delete(workspace, "birds", "a")
    assert splits.names(workspace, "birds") == ["b"]
    for call in (splits.load, splits.delete):
        with pytest.raises(splits.SavedSplitError, match=r"No split 'a' of birds is saved; there are: b\."):
            call(workspace, "birds", "a")
        with pytest.raises(splits.SavedSplitError, match="there is none yet"):
            call(workspace, "other", "a")


@pytest.mark.parametrize("name", ["", "../x", "A", ".hidden", "a/b", "x" * 65, "a b", "a\n"])
def test_names_stay_inside_their_folder(workspace: Workspace, name: str) -> None:
    for call in (splits.load, splits.delete):
        with pytest.raises(splits.SavedSplitError, match="cannot name a split"):
            call(workspace, "birds", name)
    with pytest.raises(splits.SavedSplitError, match="cannot name a split"):
        splits.save(workspace, "birds", name, ONE)
    with pytest.raises(ValueError, match="cannot name a dataset"):
        splits.save(workspace, name, "fine", ONE)
    assert not (workspace.root / "splits").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no JSON"),
        (b'{"train": ["a", "b"], "validation": ["c"]}', 'no "test"'),
        (b'{"train": ["a", "b"], "validation": ["c"], "test": ["a", "d"]}', "'a' is both"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b" " * (splits.LARGEST + 1), "more than 2 MB"),
    ],
)
def test_files_that_hold_no_split_say_why(workspace: Workspace, content: bytes, said: str) -> None:
    path = splits.save(workspace, "birds", "mine", ONE)
    path.write_bytes(content)
    with pytest.raises(splits.SavedSplitError, match=said) as raised:
        splits.load(workspace, "birds", "mine")
    assert str(path) in str(raised.value)


def test_what_cannot_be_written_read_or_deleted_is_one_sentence(workspace: Workspace) -> None:
    folder = splits.save(workspace, "birds", "mine", ONE).parent
    (folder / "folder.json").mkdir()
    for call, said in ((splits.load, "cannot be read"), (splits.delete, "cannot be deleted")):
        with pytest.raises(splits.SavedSplitError, match=said):
            call(workspace, "birds", "folder")
    (workspace.root / "splits" / "bees").write_text("a file where the folder should be")
    with pytest.raises(splits.SavedSplitError, match="cannot be written"):
        splits.save(workspace, "bees", "mine", ONE)


def test_other_files_in_the_folder_are_no_splits(workspace: Workspace) -> None:
    path = splits.save(workspace, "birds", "mine", ONE)
    (path.parent / "Notes.json").write_text("{}")
    (path.parent / "readme.txt").write_text("")
    assert splits.names(workspace, "birds") == ["mine"]


def test_a_file_written_by_hand_with_a_mark_at_its_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}', encoding="utf-8-sig")
    assert splits.read(path).train == ("a", "b")
