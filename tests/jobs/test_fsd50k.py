"""FSD50K in its official layout, and families from the AudioSet ontology."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jobs.datasets import DatasetError, OptionError
from jobs.datasets._detect import recognise
from jobs.datasets._ontology import read_ontology
from jobs.datasets.importer import Imported, import_dataset
from tests.jobs.mini import left_out
from tests.jobs.mini_fsd50k import DEV, EVAL, NODES, write_fsd50k, write_ontology


@pytest.fixture
def root(tmp_path):
    return write_fsd50k(tmp_path / "FSD50K")


def _import(root: Path, **options: str) -> Imported:
    return import_dataset("fsd50k", root, options=options)


def test_clips_labels_and_splits(root):
    clips = _import(root).clips.set_index("freesound_id")
    assert list(clips.index) == [int(name) for name, *_ in [*DEV, *EVAL]]
    assert clips["split"].tolist() == ["train", "train", "val", "train", *["eval"] * 4]
    assert clips.loc[37199, "path"] == "FSD50K.eval_audio/37199.wav"
    assert clips.loc[37199, "label"] == "Electric guitar"
    assert clips.loc[37199, "labels"] == ["Electric guitar", "Guitar", "Musical instrument", "Music"]
    assert clips.loc[37199, "license"] == "CC0"
    assert clips.loc[37199, "title"] == "sound 37199"
    assert clips["fold"].isna().all()


def test_families_are_the_top_of_the_only_path(root):
    got = _import(root)
    families = got.classes.set_index("label")["family"]
    assert {k: v for k, v in families.items() if isinstance(v, str)} == {
        "Animal": "Animal",
        "Bark": "Animal",
        "Dog": "Animal",
        "Electric guitar": "Music",
        "Guitar": "Music",
        "Music": "Music",
        "Musical instrument": "Music",
        "Rain and drizzle": "Natural sounds",
    }
    # A bell is a thing and an instrument; what growls may be a dog or a cat, though an animal either way.
    assert families[["Bell", "Growling"]].isna().all()
    clips = got.clips.set_index("freesound_id")["family"]
    assert clips[64760] == "Music"
    assert clips[[16401, 253463]].isna().all()
    described = got.classes.set_index("label")["description"]
    assert described["Rain and drizzle"] == "What Rain, drizzle is."


def test_every_label_is_a_class_not_only_the_first(root):
    got = _import(root)
    assert {"Music", "Guitar"} <= set(got.classes["label"]) - set(got.clips["label"])
    assert "Chime" not in set(got.classes["label"])  # in the ontology, in no clip


def _paths(id: str) -> int:
    above = [i for i, _, below in NODES if id in below]
    return sum(_paths(i) for i in above) or 1


def test_paths_are_counted_all_the_way_up(tmp_path):
    known = read_ontology(write_ontology(tmp_path / "ontology.json"))
    for id, name, _ in NODES:
        assert len(known.tops[id]) == _paths(id), name
        assert (known.family(name, id) is None) == (_paths(id) > 1), name
    # Chime has one parent, and that one has two.
    assert known.family("Chime", "/m/chime") is None


def _tree(id: str) -> dict[str, object]:
    name, below = next((name, below) for i, name, below in NODES if i == id)
    spelled = name.replace(", ", "_and_").replace(" ", "_")
    return {"name": spelled, "children": [_tree(b) for b in below]}


def test_a_tree_of_names_says_the_same(root, tmp_path):
    tops = {i for i, *_ in NODES} - {b for *_, below in NODES for b in below}
    tree = {"name": "root", "children": [_tree(i) for i, *_ in NODES if i in tops]}
    (tmp_path / "tree.json").write_text(json.dumps(tree))
    by_id, by_name = _import(root), _import(root, ontology=str(tmp_path / "tree.json"))
    assert by_id.classes["family"].equals(by_name.classes["family"])
    assert by_id.labels_fingerprint == by_name.labels_fingerprint


def test_without_an_ontology_no_class_has_a_family_and_the_report_says_why(tmp_path):
    got = _import(write_fsd50k(tmp_path / "x", ontology=False, metadata=False))
    assert got.classes["family"].isna().all()
    assert "Music" in set(got.classes["label"])
    reason = got.report.set_index("path").loc["ontology.json", "reason"]
    assert "no class has a family" in reason
    assert "github.com/audioset/ontology" in reason
    assert "title" not in got.clips.columns


def test_labels_that_the_ontology_does_not_have(root):
    nodes = json.loads((root / "ontology.json").read_text())
    (root / "ontology.json").write_text(
        json.dumps([n for n in nodes if n["id"] != "/m/bark" and n["id"] != "/m/dog"])
    )
    nodes = json.loads((root / "ontology.json").read_text())
    for node in nodes:
        node["child_ids"] = [c for c in node["child_ids"] if c not in ("/m/bark", "/m/dog")]
    (root / "ontology.json").write_text(json.dumps(nodes))
    got = _import(root)
    assert got.classes.set_index("label")["family"][["Bark", "Dog"]].isna().all()
    assert "does not have 2 of the labels" in got.report.set_index("path").loc["ontology.json", "reason"]


@pytest.mark.parametrize("subset", ["dev", "eval"])
def test_one_half_alone(subset, root):
    assert len(_import(root, subset=subset).clips) == 4
    other = "eval" if subset == "dev" else "dev"
    shutil.rmtree(root / f"FSD50K.{other}_audio")
    assert recognise(root).adapter == "fsd50k"
    got = _import(root)
    assert len(got.clips) == 4
    assert "none of its clips is added" in got.report.set_index("path").loc[f"FSD50K.{other}_audio", "reason"]
    with pytest.raises(
        DatasetError, match=f"it lacks FSD50K.{other}_audio/ with FSD50K.ground_truth/{other}.csv"
    ):
        _import(root, subset=other)


def test_rows_and_files_that_do_not_fit(root):
    (root / "FSD50K.eval_audio" / "37199.wav").unlink()
    shutil.copy(root / "FSD50K.eval_audio" / "175151.wav", root / "FSD50K.eval_audio" / "7.wav")
    with open(root / "FSD50K.ground_truth" / "eval.csv", "a") as file:
        file.write('329838,Bell,/m/bell\n,Bell,/m/bell\n"../../x",Bell,/m/bell\n')
    got = _import(root, subset="eval")
    reasons = left_out(got)
    assert len(got.clips) == 3
    assert "no such file" in reasons["FSD50K.eval_audio/37199.wav"]
    assert "named before" in reasons["FSD50K.eval_audio/329838.wav"]
    assert "names no file" in reasons["FSD50K.eval_audio/.wav"]
    assert "FSD50K.eval_audio/../../x.wav" in reasons
    assert "holds 1 file that no row names, the first of them 7.wav" in reasons["FSD50K.eval_audio"]


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("ontology.json", "{", "cannot be read as JSON"),
        ("ontology.json", "[1]", "is not AudioSet's ontology.json"),
        ("ontology.json", '{"a": 1}', "is not AudioSet's ontology.json"),
        (
            "ontology.json",
            '[{"id": "a", "name": "A", "child_ids": ["b"]}]',
            "is not AudioSet's ontology.json",
        ),
        (
            "FSD50K.ground_truth/eval.csv",
            "file,class\n1,2\n",
            "has no column fname, labels; its columns are file, class",
        ),
        ("FSD50K.metadata/eval_clips_info_FSD50K.json", "{", "cannot be read as JSON"),
    ],
)
def test_damaged_files_are_one_sentence(file, text, says, root):
    (root / file).write_text(text)
    with pytest.raises(DatasetError, match=says) as caught:
        _import(root)
    assert "\n" not in str(caught.value)


def test_circles_in_an_ontology_end(tmp_path):
    nodes = [
        {"id": "top", "name": "Top", "child_ids": ["a"]},
        {"id": "a", "name": "A", "child_ids": ["b"]},
        {"id": "b", "name": "B", "child_ids": ["a"]},
    ]
    (tmp_path / "o.json").write_text(json.dumps(nodes))
    with pytest.raises(DatasetError, match="is not AudioSet's"):
        read_ontology(tmp_path / "o.json")


def test_options(root, tmp_path):
    with pytest.raises(OptionError, match="subset is 'test'; it must be one of all, dev, eval"):
        _import(root, subset="test")
    with pytest.raises(DatasetError, match="There is no ontology .*nowhere.json; https"):
        _import(root, ontology="nowhere.json")
    with pytest.raises(DatasetError, match="does not hold FSD50K: it lacks FSD50K.dev_audio"):
        _import(tmp_path)
