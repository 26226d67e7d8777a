"""Datasets with several captions a clip: every caption is kept with its clip, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from jobs.datasets import DatasetError, OptionError
from jobs.datasets._detect import recognise
from jobs.datasets.importer import Imported, import_dataset
from jobs.workspace.captions import captions_fingerprint, captions_of
from jobs.workspace.texts import texts_of
from jobs.workspace.workspace import Workspace
from tests.jobs.mini import left_out
from tests.jobs.mini_captions import (
    CLOTHO,
    MACS,
    expected_captions,
    write_audiocaps,
    write_clotho,
    write_macs,
)


def _import(root: Path, **options: str) -> Imported:
    return import_dataset("captions", root, options=options)


def _by_path(got: Imported) -> dict[str, list[str]]:
    assert got.captions is not None
    paths = got.clips.set_index("clip_id")["path"]
    found: dict[str, list[str]] = {}
    for clip, caption in zip(got.captions["clip_id"], got.captions["caption"], strict=True):
        found.setdefault(paths[clip], []).append(caption)
    return found


def test_clotho(tmp_path):
    root = write_clotho(tmp_path / "clotho")
    assert recognise(root).adapter == "captions"
    got = _import(root)
    rows = [(f"{subset}/{name.replace(':', '_')}", texts) for subset, name, texts, _ in CLOTHO]
    assert _by_path(got) == expected_captions(rows)
    assert got.clips["path"].tolist() == [path for path, _ in rows]
    assert got.clips["caption"].tolist() == [texts[0] for _, texts in rows]
    assert got.clips["split"].tolist() == ["development", "development", "evaluation"]
    assert got.clips["keywords"].tolist() == [words for *_, words in CLOTHO]
    assert set(got.clips["label"]) == {"unlabelled"}
    tagged = _import(root, labels="tags", subset="development")
    assert [list(labels) for labels in tagged.clips["labels"]] == [["gate", "metal squeak"], ["rain"]]
    assert left_out(tagged)["."].startswith("holds 1 sound without captions")
    # The tables in a folder of their own, the sounds in folders named otherwise.
    (root / "csv").mkdir()
    for path in root.glob("*.csv"):
        path.rename(root / "csv" / path.name)
    (root / "development").rename(root / "clotho_audio_development")
    moved = _import(root)
    assert list(_by_path(moved).values()) == list(_by_path(got).values())


def test_audiocaps(tmp_path):
    root = write_audiocaps(tmp_path / "audiocaps")
    assert recognise(root).adapter == "captions"
    got = _import(root)
    assert _by_path(got) == {
        "audio/r1nicOVtvkQ_130.wav": ["A woman talks nearby as water pours"],
        "audio/Y-5GcZwBvBdI.wav": ["Food is frying"],
        "audio/val/97151.wav": ["Rustling occurs, ducks quack", "Ducks quack loudly"],
        "audio/val/vfY_TJq7n_U_130_140.wav": ["A dog barks"],
    }
    assert got.clips["split"].tolist() == ["train", "train", "val", "val"]
    assert got.clips["start"].tolist() == [130, 30, 30, 130]
    assert left_out(got)["train"] == "1 of its clips have no file here, the first of them gone-video__0"
    assert len(_import(root, subset="val").clips) == 2
    elsewhere = write_audiocaps(tmp_path / "repository", tables="dataset")
    assert _by_path(_import(elsewhere)) == _by_path(got)


def test_macs(tmp_path):
    root = write_macs(tmp_path / "macs")
    assert recognise(root).adapter == "captions"
    got = _import(root)
    folder = "TAU-urban-acoustic-scenes-2019-development/audio"
    rows = [(f"{folder}/{name}", [text for text, _ in said]) for name, said in MACS]
    assert _by_path(got) == expected_captions(rows)
    assert got.clips["label"].tolist() == ["airport", "airport", "public square", "public square"]
    assert got.clips["city"].tolist() == ["barcelona", "stockholm", "helsinki", "lyon"]
    tagged = _import(root, labels="tags")
    assert list(tagged.clips["labels"].iloc[0]) == ["adults talking", "footsteps"]
    assert set(_import(root, labels="none").clips["label"]) == {"unlabelled"}


def test_captions_live_in_the_workspace(tmp_path):
    workspace = Workspace(tmp_path / "ws")
    root = write_macs(tmp_path / "macs")
    got = _import(root)
    workspace.add_dataset("macs", got, adapter="captions", root=root)
    dataset = Workspace(tmp_path / "ws").dataset("macs")
    captions = captions_of(dataset)
    pd.testing.assert_frame_equal(captions, got.captions)
    assert captions["clip_id"].value_counts().max() == 2
    # What embeds one caption a clip takes the first.
    assert texts_of(dataset, "caption")["text"].tolist() == [said[0][0] for _, said in MACS]
    assert captions_fingerprint(captions) == captions_fingerprint(captions.copy())
    assert captions_fingerprint(captions) != captions_fingerprint(captions[::-1])
    # Another second caption is another saying about the same sounds.
    text = (root / "MACS.yaml").read_text().replace("people talk in a hall", "people talk in a room")
    (root / "MACS.yaml").write_text(text)
    changed = _import(root)
    assert changed.fingerprint == got.fingerprint
    assert changed.labels_fingerprint != got.labels_fingerprint


def test_datasets_of_other_kinds(tmp_path):
    root = write_macs(tmp_path / "macs")
    workspace = Workspace(tmp_path / "ws")
    plain = import_dataset("folder", root)
    assert plain.captions is None
    assert captions_of(workspace.add_dataset("plain", plain, adapter="folder", root=root)).empty
    said = plain.clips.assign(caption=[" a  dog ", None, "", "rain"])
    one = Imported(said, plain.classes, plain.report, plain.fingerprint, "other")
    found = captions_of(workspace.add_dataset("one", one, adapter="csv", root=root))
    assert found["caption"].tolist() == ["a dog", "rain"]
    assert found["clip_id"].tolist() == said["clip_id"].iloc[[0, 3]].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "wavcaps"}, "layout is 'wavcaps'; it must be one of auto, clotho, audiocaps, macs"),
        ({"labels": "words"}, "labels is 'words'; it must be one of auto, tags, none"),
        ({"subset": "dev"}, "subset is dev, and MACS has no parts"),
        ({"layout": "clotho"}, "holds no clotho_captions_<subset>.csv"),
        ({"layout": "audiocaps", "labels": "tags"}, "AudioCaps gives none"),
    ],
)
def test_options(options, message, tmp_path):
    with pytest.raises(DatasetError, match=message):
        _import(write_macs(tmp_path / "macs"), **options)


def test_what_cannot_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no captions that are known"):
        _import(tmp_path / "empty")
    root = write_clotho(tmp_path / "clotho")
    with pytest.raises(OptionError, match="subset is 'test'; there are development, evaluation"):
        _import(root, subset="test")
    for path in root.glob("*/*.wav"):
        path.rename(path.with_name(f"{path.parent.name}-{path.stem}-renamed.wav"))
    with pytest.raises(
        DatasetError, match="holds no sound that its captions are of: 3 clips have captions, and 3"
    ):
        _import(root)
    (root / "clotho_captions_development.csv").write_text("file,caption_1\n")
    with pytest.raises(DatasetError, match="has no column file_name; its columns are file, caption_1"):
        _import(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files: [", "cannot be read as YAML"),
        ("- a\n- b\n", "has no list named files"),
        ("files: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
    ],
)
def test_a_list_that_is_none(text, message, tmp_path):
    root = write_macs(tmp_path / "macs")
    (root / "MACS.yaml").write_text(text)
    with pytest.raises(DatasetError, match=message):
        _import(root)


def test_odd_entries_are_reported(tmp_path):
    root = write_macs(tmp_path / "macs")
    odd = "- filename: x.wav\n- annotations: []\n- just words\n- filename: airport-barcelona-0-0-a.wav\n"
    path = root / "MACS.yaml"
    path.write_text(path.read_text() + odd + "  annotations: []\n")
    got = _import(root)
    assert len(got.clips) == len(MACS)
    reasons = got.report["reason"].tolist()
    assert reasons.count("an entry without a file name or its annotations (no name)") == 2
    assert "named again; the captions that came first count" in reasons


@pytest.mark.parametrize("tags", ["7", "loud", "[3, null, '', loud]"])
def test_tags_that_are_no_list_of_texts_are_left_out(tags, tmp_path):
    root = write_macs(tmp_path / "macs")
    name = Path(MACS[0][0]).name
    entry = f"files:\n- filename: {name}\n  annotations:\n  - tags: {tags}\n    sentence: it is loud\n"
    (root / "MACS.yaml").write_text(entry + "  - tags: [quiet]\n    sentence: [no, text]\n")
    got = _import(root, labels="tags")
    (labels,) = got.clips["labels"]
    assert sorted(labels) == (["loud", "quiet"] if tags.startswith("[") else ["quiet"])
    assert got.captions["caption"].tolist() == ["it is loud"]
