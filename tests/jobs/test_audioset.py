"""AudioSet: which clips are single-label, which class each falls into, and which file is which segment."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jobs.datasets import Clip, DatasetError, OptionError, audioset
from jobs.datasets._detect import recognise
from jobs.datasets._ontology import read_ontology
from jobs.datasets.importer import Imported, import_dataset
from tests.jobs.mini import left_out
from tests.jobs.mini_audioset import ABOVE, NODES, Row, segments, write_audioset, write_list, write_ontology


def _import(root: Path, **options: str) -> Imported:
    return import_dataset("audioset", root, options=options)


# -- the rule for classes ------------------------------------------------------------------------------


def test_the_node_above_is_where_all_ways_meet(tmp_path):
    known = read_ontology(write_ontology(tmp_path / "ontology.json"))
    assert audioset.nodes_above(known.parents) == ABOVE


def _graph(rng: np.random.Generator, n: int) -> dict[str, tuple[str, ...]]:
    """A random graph without circles, parents first."""
    parents: dict[str, tuple[str, ...]] = {}
    for i in range(n):
        count = min(i, int(rng.choice([0, 1, 1, 1, 2, 3])))
        parents[f"n{i}"] = tuple(f"n{j}" for j in rng.choice(i, count, replace=False)) if count else ()
    return parents


def _ways(node: str, parents: dict[str, tuple[str, ...]]) -> list[list[str]]:
    """Every way from the top down to a node."""
    above = [way for parent in parents[node] for way in _ways(parent, parents)] or [[]]
    return [[*way, node] for way in above]


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_on_random_graphs(seed):
    rng = np.random.default_rng(seed)
    parents = _graph(rng, 18)
    expected: dict[str, str | None] = {}
    for node in parents:
        ways = [way[:-1] for way in _ways(node, parents)]
        common = [n for n in ways[0] if all(n in way for way in ways)]
        expected[node] = common[-1] if common else None
    above = audioset.nodes_above(parents)
    assert above == expected

    counts = {node: int(rng.integers(1, 9)) for node in parents if rng.random() < 0.6}
    threshold = int(rng.integers(0, 15))
    found: dict[str, str | None] = {}

    def gather(node: str | None) -> Counter[str]:
        """What comes up to a node, or to the top; classes are filled in on the way."""
        mine: Counter[str] = Counter({node: counts[node]} if node in counts else {})
        for child, upper in expected.items():
            if upper == node:
                mine += gather(child)
        if node is not None and mine.total() > threshold:
            found.update(dict.fromkeys(mine, node))
            return Counter()
        return mine

    found.update(dict.fromkeys(gather(None), None))
    got = audioset.class_of_labels(counts, above, threshold)
    assert got == found
    for node in {node for node in got.values() if node is not None}:
        assert sum(counts[label] for label, found in got.items() if found == node) > threshold


def test_deepest_node_with_enough_clips_else_what_lies_above(tmp_path):
    rows = [
        *segments("/m/bark", 5),  # enough of its own
        *segments("/m/yip", 2),  # with the dogs of no kind: Dog
        *segments("/m/dog", 2),
        *segments("/m/growling", 1),  # a dog's or a cat's: with the cats, but they are too few, so Animal
        *segments("/m/meow", 2),
        *segments("/m/insect", 1),
        *segments("/m/church_bell", 3),  # no more than three, and above Bell the ways part
    ]
    got = _import(write_audioset(tmp_path, {"eval": rows}), threshold="3")
    labels = got.clips.groupby("audioset_label")["label"].unique().map(list).to_dict()
    assert labels == {
        "Bark": ["Bark"],
        "Yip": ["Dog"],
        "Dog": ["Dog"],
        "Growling": ["Animal"],
        "Meow": ["Animal"],
        "Insect": ["Animal"],
    }
    assert got.clips["label"].value_counts().to_dict() == {"Bark": 5, "Dog": 4, "Animal": 4}
    reasons = left_out(got)
    assert (
        reasons["ontology.json: Bell"]
        == "3 clips in no class: of Church bell; nothing up to Bell has more than 3"
    )
    # One clip more, and the pets are a class of their own, so that the insect stays alone.
    more = write_audioset(tmp_path / "more", {"eval": [*rows, *segments("/m/cat", 1)]})
    got = _import(more, threshold="3")
    assert got.clips["label"].value_counts().to_dict() == {"Bark": 5, "Dog": 4, "Domestic animals, pets": 4}
    assert "1 clip in no class: of Insect" in left_out(got)["ontology.json: Animal"]


def test_more_than_the_threshold_means_more(tmp_path):
    root = write_audioset(tmp_path, {"eval": [*segments("/m/bark", 4), *segments("/m/bell", 3)]})
    assert set(_import(root, threshold="2").clips["label"]) == {"Bark", "Bell"}
    assert set(_import(root, threshold="3").clips["label"]) == {"Bark"}
    with pytest.raises(DatasetError, match="No class of .* has more than 4 of its 7 single-label clips"):
        _import(root, threshold="4")
    with pytest.raises(DatasetError, match="has more than 100 of its 7"):
        _import(root)
    assert set(_import(root, threshold="0").clips["label"]) == {"Bark", "Bell"}


def test_families_and_descriptions_come_from_the_ontology(tmp_path):
    rows = [*segments("/m/bark", 2), *segments("/m/bell", 2), *segments("/m/growling", 2)]
    got = _import(write_audioset(tmp_path, {"eval": rows}), threshold="1")
    families = got.classes.set_index("label")["family"]
    assert families["Bark"] == "Animal"
    # As of FSD50K: where several ways lead down there is no family, even if they begin at one top.
    assert families[["Bell", "Growling"]].isna().all()
    assert got.classes.set_index("label")["description"]["Bark"] == "What Bark is."
    assert set(got.clips.loc[got.clips["label"] == "Bark", "family"]) == {"Animal"}


def test_nodes_of_one_name_are_two_classes(tmp_path):
    root = write_audioset(tmp_path, {"eval": [*segments("/m/bark", 2), *segments("/m/yip", 2)]})
    nodes = json.loads((root / "ontology.json").read_text())
    for node in nodes:
        if node["id"] == "/m/yip":
            node["name"] = "Bark"
    (root / "ontology.json").write_text(json.dumps(nodes))
    assert set(_import(root, threshold="1").clips["label"]) == {"Bark (/m/bark)", "Bark (/m/yip)"}


# -- single labels -------------------------------------------------------------------------------------


SEVERAL: list[Row] = [
    ("a0000000001", 0.0, 10.0, "/m/bark", "a0000000001.wav"),
    ("a0000000002", 0.0, 10.0, "/m/animal,/m/bark,/m/dog", "a0000000002.wav"),
    ("a0000000003", 0.0, 10.0, "/m/bark,/m/meow", "a0000000003.wav"),
    ("a0000000004", 0.0, 10.0, "/m/cat,/m/growling,/m/dog", "a0000000004.wav"),
    ("a0000000005", 0.0, 10.0, "/m/bark,/m/bark", "a0000000005.wav"),
]


def test_single_label(tmp_path):
    root = write_audioset(tmp_path, {"eval": SEVERAL})
    got = _import(root, threshold="0")
    assert got.clips["ytid"].tolist() == ["a0000000001", "a0000000005"]  # given twice is still one
    assert "3 of its segments with a file have more than one label" in left_out(got)["eval_segments.csv"]
    got = _import(root, threshold="0", single="branch")
    assert dict(zip(got.clips["ytid"], got.clips["label"], strict=True)) == {
        "a0000000001": "Bark",
        "a0000000002": "Bark",
        "a0000000004": "Growling",
        "a0000000005": "Bark",
    }
    assert "1 of its segments with a file" in left_out(got)["eval_segments.csv"]


def test_nothing_but_several_labels(tmp_path):
    root = write_audioset(tmp_path, {"eval": SEVERAL[1:4]})
    with pytest.raises(
        DatasetError, match="None of the 3 segments .* has a single label that the ontology knows"
    ):
        _import(root, threshold="0")


def test_labels_that_the_ontology_does_not_have(tmp_path):
    rows = [*segments("/m/bark", 2), *segments("/m/new", 2), *segments("/m/other", 1)]
    got = _import(write_audioset(tmp_path, {"eval": rows}), threshold="0")
    assert set(got.clips["label"]) == {"Bark"}
    assert left_out(got)["ontology.json"] == (
        "does not have 2 of the labels, such as /m/new, so the 3 clips with one of them are left out"
    )


# -- files and lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "-bc_EFGHIJK.wav",
        "Y-bc_EFGHIJK.wav",
        "-bc_EFGHIJK_30.wav",
        "-bc_EFGHIJK_30.500.wav",
        "-bc_EFGHIJK_30500_40500.flac",
        "Y-bc_EFGHIJK_30.500_40.500.wav",
        "-bc_EFGHIJK_30_40.ogg",
        "-bc_EFGHIJK_000030.wav",
        "deeper/still/-bc_EFGHIJK.wav",
    ],
)
def test_names_of_files(name, tmp_path):
    rows: list[Row] = [("-bc_EFGHIJK", 30.5, 40.5, "/m/bark", name)]
    (clip,) = _import(write_audioset(tmp_path, {"eval": rows}), threshold="0").clips.itertuples()
    assert clip.path == f"audio/{name}"
    assert (clip.ytid, clip.start, clip.end, clip.split) == ("-bc_EFGHIJK", 30.5, 40.5, "eval")


def test_an_id_that_begins_with_the_letter_that_may_be_added(tmp_path):
    rows: list[Row] = [
        ("Yabcdefghij", 0.0, 10.0, "/m/bark", "Yabcdefghij.wav"),
        ("YYYYYYYYYYY", 0.0, 10.0, "/m/yip", "YYYYYYYYYYYY.wav"),
    ]
    got = _import(write_audioset(tmp_path, {"eval": rows}), threshold="0").clips
    assert dict(zip(got["ytid"], got["label"], strict=True)) == {"Yabcdefghij": "Bark", "YYYYYYYYYYY": "Yip"}


def test_segments_of_one_video_are_told_apart_by_their_times(tmp_path):
    rows: list[Row] = [
        ("abcdefghijk", 0.0, 10.0, "/m/bark", "abcdefghijk_0_10.wav"),
        ("abcdefghijk", 10.0, 20.0, "/m/yip", "abcdefghijk_10_20.wav"),
        ("abcdefghijk", 20.0, 30.0, "/m/meow", None),
    ]
    got = _import(write_audioset(tmp_path, {"eval": rows}), threshold="0")
    assert dict(zip(got.clips["start"], got.clips["label"], strict=True)) == {0.0: "Bark", 10.0: "Yip"}
    assert left_out(got)["eval_segments.csv"] == (
        "of its 3 segments, 1 have no file here, the first of them abcdefghijk"
    )


def test_a_second_file_and_files_of_no_segment(tmp_path):
    root = write_audioset(tmp_path, {"eval": segments("/m/bark", 2)})
    first, second = sorted((root / "audio").iterdir())
    (root / "audio" / f"Y{first.name}").write_bytes(second.read_bytes())
    (root / "audio" / "zzz.wav").write_bytes(second.read_bytes())
    (root / "notes.txt").write_text("mine")
    got = _import(root, threshold="0")
    assert len(got.clips) == 2
    reasons = left_out(got)
    assert reasons[f"audio/Y{first.name}"] == f"a second file of the segment that audio/{first.name} holds"
    assert "holds 1 sound file of no segment" in reasons["."]
    assert "audio/zzz.wav" in reasons["."]
    assert "not a sound by its name" in reasons["notes.txt"]
    assert not any(path.endswith((".csv", ".json")) for path in reasons)


def test_lists_and_the_order_of_clips(tmp_path):
    lists = {"balanced_train": segments("/m/yip", 3)[::-1], "eval": segments("/m/bark", 2)}
    root = write_audioset(tmp_path, lists)
    got = _import(root, threshold="0").clips
    assert got["split"].tolist() == ["balanced_train"] * 3 + ["eval"] * 2
    assert got["ytid"].tolist() == [row[0] for rows in lists.values() for row in rows]
    assert _import(root, threshold="0", segments="eval_segments.csv").clips["split"].unique() == ["eval"]
    write_list(root / "lists" / "mine.csv", lists["eval"])
    assert set(_import(root, threshold="0", segments="lists/mine.csv").clips["split"]) == {"mine"}


def test_a_segment_that_two_lists_name_is_one_clip(tmp_path):
    rows = segments("/m/bark", 2)
    got = _import(write_audioset(tmp_path, {"balanced_train": rows, "eval": rows}), threshold="0")
    assert got.clips["split"].tolist() == ["balanced_train"] * 2
    assert "2 have no file here" in left_out(got)["eval_segments.csv"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("abc, 0.000", "it has 2 fields, not YTID, start, end and the labels in quotes"),
        ("abc, 0.000, 10.000, /m/bark,/m/dog", "it has 5 fields"),
        ('abc, zero, 10.000, "/m/bark"', "it begins at 'zero' and ends at '10.000', which must be seconds"),
        ('abc, 10.000, 10.000, "/m/bark"', "the end after the start"),
        ('abc, -1.000, 10.000, "/m/bark"', "it begins at '-1.000'"),
        ('abc, 0.000, inf, "/m/bark"', "ends at 'inf'"),
        ('abc, nan, 10.000, "/m/bark"', "it begins at 'nan'"),
        ('abc, 0.000, 10.000, ""', "it has no label"),
        (', 0.000, 10.000, "/m/bark"', "it has no YTID"),
    ],
)
def test_a_damaged_row_is_reported_with_its_line(row, says, tmp_path):
    root = write_audioset(tmp_path, {"eval": segments("/m/bark", 2)})
    with open(root / "eval_segments.csv", "a") as file:
        file.write(f"{row}\n")
    got = _import(root, threshold="0")
    assert len(got.clips) == 2
    reason = left_out(got)["eval_segments.csv:6"]
    assert reason.startswith("a row that cannot be read: ")
    assert says in reason


def test_many_damaged_rows_are_counted(tmp_path):
    root = write_audioset(tmp_path, {"eval": segments("/m/bark", 1)})
    with open(root / "eval_segments.csv", "a") as file:
        file.write("broken\n" * 50)
    reasons = left_out(_import(root, threshold="0"))
    assert sum("cannot be read: " in reason for reason in reasons.values()) == 20
    assert reasons["eval_segments.csv"] == "has 30 more rows that cannot be read"


# -- what goes wrong -----------------------------------------------------------------------------------


def test_errors_are_one_sentence(tmp_path):
    bare = write_audioset(tmp_path / "bare", {"eval": segments("/m/bark", 2)}, ontology=False)
    root = write_audioset(tmp_path / "x", {"eval": segments("/m/bark", 2)})
    silent = write_audioset(
        tmp_path / "silent", {"eval": [(*row[:4], None) for row in segments("/m/bark", 2)]}
    )
    tree = tmp_path / "tree.json"
    tree.write_text(json.dumps({"name": "root", "children": [{"name": "Bark", "children": []}]}))
    cases: list[tuple[Path, dict[str, str], str]] = [
        (bare, {}, "has no ontology.json, without which AudioSet's labels have no names; https"),
        (bare, {"ontology": "nowhere.json"}, "There is no ontology .*nowhere.json"),
        (bare, {"ontology": str(tree)}, "holds names without ids"),
        (root, {"segments": "train.csv"}, "There is no list of segments .*train.csv"),
        (tmp_path, {}, r"has no list of segments named \*_segments.csv"),
        (
            silent,
            {},
            "of 2 segments in eval_segments.csv, not one is among the 0 sound files; they must be named",
        ),
    ]
    for folder, options, says in cases:
        with pytest.raises(DatasetError, match=says) as caught:
            _import(folder, **options)
        assert "\n" not in str(caught.value)
    for option, value in (
        ("threshold", "-1"),
        ("threshold", "many"),
        ("threshold", "1.5"),
        ("single", "one"),
    ):
        with pytest.raises(OptionError, match=f"{option} is '{value}'; it must be"):
            _import(root, **{option: value})
    (root / "eval_segments.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="cannot be read as a table"):
        _import(root)


def test_an_ontology_from_elsewhere(tmp_path):
    root = write_audioset(tmp_path / "x", {"eval": segments("/m/bark", 2)}, ontology=False)
    mine = write_ontology(tmp_path / "mine.json")
    assert set(_import(root, threshold="0", ontology=str(mine)).clips["label"]) == {"Bark"}
    (root / "ontology").mkdir()
    write_ontology(root / "ontology" / "ontology.json")
    assert set(_import(root, threshold="0").clips["label"]) == {"Bark"}


def test_the_folder_is_recognised_and_has_enough_for_one_class_at_the_usual_threshold(tmp_path):
    root = write_audioset(tmp_path)
    assert recognise(root).adapter == "audioset"
    clips = [item for item in audioset.scan(root) if isinstance(item, Clip)]
    assert [clip.labels for clip in clips] == [("Bark",)] * 102


def test_the_ontology_of_the_tests_is_whole(tmp_path):
    known = read_ontology(write_ontology(tmp_path / "ontology.json"))
    assert set(known.parents) == {id for id, *_ in NODES} == set(ABOVE)
    order = list(known.parents)
    assert all(order.index(p) < order.index(id) for id, parents in known.parents.items() for p in parents)


def test_a_folder_that_is_named_like_a_list_is_none(tmp_path):
    (tmp_path / "old_segments.csv").mkdir()
    assert not audioset.looks_like(tmp_path)
    (tmp_path / "eval_segments.csv").write_text("# YTID, start_seconds, end_seconds, positive_labels\n")
    assert audioset.looks_like(tmp_path)
