from __future__ import annotations

import pytest

from jobs.datasets import DatasetError
from jobs.datasets._detect import recognise


@pytest.mark.parametrize(
    ("files", "adapter"),
    [
        (["meta/esc50.csv", "audio/1-100032-A-0.wav"], "esc50"),
        (["001 - Dog bark/1-1-A.ogg", "002 - Rain/2-2-A.ogg", "README.md"], "esc50"),
        (["001 - Dog bark/a.ogg", "002 - Rain/2-2-A.ogg"], "folder"),
        (["FSD50K.ground_truth/eval.csv", "FSD50K.eval_audio/1.wav"], "fsd50k"),
        (["FSD50K.ground_truth/dev.csv", "FSD50K.eval_audio/1.wav"], "folder"),
        (["eval_segments.csv", "a.wav"], "csv"),  # a name alone says nothing
        (["clips.csv", "audio/a.wav"], "csv"),
        (["clips.tsv", "a.wav"], "csv"),
        (["notes.csv", "Robin/a.wav", "Wren/b.wav"], "folder"),
        (["a.csv", "b.csv", "a.wav"], "folder"),
        (["Robin/a.wav"], "folder"),
        (["validation_list.txt", "testing_list.txt", "yes/0a7c2a8d_nohash_0.wav"], "speech_commands"),
        (["testing_list.txt", "yes/0a7c2a8d_nohash_0.wav"], "folder"),
        (["Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "README.txt"], "iemocap"),
        (["Session1/a.wav"], "folder"),
        ([], "folder"),
    ],
)
def test_folder_is_recognised_by_its_layout(tmp_path, files, adapter):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert recognise(tmp_path).adapter == adapter


def test_what_is_no_folder_is_said_to_be_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"):
        recognise(tmp_path / "file")
    with pytest.raises(DatasetError, match="does not exist"):
        recognise(tmp_path / "nothing")


def made(root, files):
    """Write files of some text each: a sound where there is none, and rows of a table otherwise."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_table_that_names_the_sounds_is_used_whatever_the_folders_are(tmp_path):
    rows = "path,label\nrecordings/a.wav,x\nrecordings/b.wav,y\n"
    files = {"recordings/a.wav": "", "recordings/b.wav": "", "tools/readme": "", "info.csv": rows}
    found = recognise(made(tmp_path / "x", files))
    assert (found.adapter, found.options) == ("csv", {})
    assert "Labels are read from info.csv; `--adapter folder`" in found.notes[0]
    # One of two tables, and one in a folder of its own.
    two = made(tmp_path / "y", files | {"other.csv": "a,b\n1,2\n"})
    assert recognise(two).options == {"file": "info.csv"}
    deep = made(tmp_path / "z", {"wav/a.wav": "", "wav/b.wav": "", "meta/t.csv": "file,class\na,x\nb,y\n"})
    assert (recognise(deep).adapter, recognise(deep).options) == ("csv", {"file": "meta/t.csv"})


def test_tables_that_are_not_used_are_named_with_what_would_use_them(tmp_path):
    rows = "path,label\nd/a.wav,x\n"
    root = made(tmp_path / "x", {"d/a.wav": "", "e/b.wav": "", "1.csv": rows, "2.csv": rows})
    found = recognise(root)
    assert found.adapter == "folder"
    assert [n for n in found.notes if "1.csv names sounds, too: `--adapter csv -o file=1.csv` reads it" in n]
    (root / "1.csv").write_text("path,label\nnowhere.wav,x\n")
    (root / "2.csv").write_text("path,colour\nd/a.wav,x\n")
    first, second = recognise(root).notes
    assert "1.csv is not read" in first
    assert "the first path is nowhere.wav (line 2)" in first
    assert "no column that is known to hold labels; its columns are path, colour" in second


@pytest.mark.parametrize("text", ["file_name,label\na.wav,x\n", '{"file_name": "a.wav"}\n'])
def test_an_audiofolder_is_told_by_its_metadata(tmp_path, text):
    name = "metadata.csv" if text.startswith("f") else "metadata.jsonl"
    assert (
        recognise(made(tmp_path, {f"train/{name}": text, "train/a.wav": "", "test/b.wav": ""})).adapter
        == "audiofolder"
    )


def test_folders_called_like_parts_of_a_dataset_are_remarked_on(tmp_path):
    (note,) = recognise(made(tmp_path, {"train/a.wav": "", "test/b.wav": ""})).notes
    assert note.startswith("The folders test and train are called like parts of a dataset")


def test_the_parent_of_a_known_layout_is_read_as_that(tmp_path):
    esc50 = {"ESC-50-master/meta/esc50.csv": "", "ESC-50-master/audio/1-1-A-0.wav": ""}
    found = recognise(made(tmp_path / "x", esc50 | {"notes.txt": ""}))
    assert (found.root, found.adapter) == (tmp_path / "x" / "ESC-50-master", "esc50")
    assert "ESC-50-master in it has the layout of esc50, and is read instead" in found.notes[0]
    # Not where other sounds would be lost.
    found = recognise(made(tmp_path / "x", {"own/a.wav": ""}))
    assert (found.root, found.adapter) == (tmp_path / "x", "folder")
    assert f"`hearspace add NAME {tmp_path / 'x' / 'ESC-50-master'}` reads it alone" in found.notes[0]
