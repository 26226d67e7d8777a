"""Adapters and the import: one contract for all of them, then each one's layout, then what goes wrong."""

from __future__ import annotations

import importlib
import os
import re
import stat
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from jobs import datasets
from jobs.datasets import Clip, DatasetError, OptionError, Remark, Skipped, UnknownAdapter, clean_label
from jobs.datasets.importer import (
    COLUMNS,
    LEFT_OUT,
    REMARK,
    clip_ids,
    import_dataset,
)
from jobs.sound import files as audio
from tests.jobs.bad_audio import as_nobody, write_zoo
from tests.jobs.mini import lines_about, write_sound, write_table
from tests.jobs.mini_audioset import write_audioset
from tests.jobs.mini_captions import write_macs
from tests.jobs.mini_fsd50k import write_fsd50k
from tests.jobs.mini_speech import write_iemocap, write_speech_commands

ROOT = Path(__file__).resolve().parents[2]


def _folder(root: Path) -> Path:
    for i, name in enumerate(("01 - Dog bark/a", "01 - Dog bark/b", "02 - Rain/a", "02 - Rain/b")):
        write_sound(root / f"{name}.wav", 300 + i)
    return root


def _csv(root: Path) -> Path:
    for i in range(4):
        write_sound(root / "audio" / f"{i}.wav", 300 + i)
    rows = [(f"audio/{i}.wav", "dog" if i < 2 else "rain", i % 2, "a sound", "Animal") for i in range(4)]
    write_table(root / "clips.csv", ("path", "label", "fold", "caption", "family"), *rows)
    return root


def _esc50(root: Path) -> Path:
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows = []
    for i, (target, name, esc10) in enumerate([(0, "dog", True), (10, "rain", True), (45, "train", False)]):
        for fold in (1, 2):
            file = f"{fold}-{1000 + i}-A-{target}.wav"
            write_sound(root / "audio" / file, 300 + 10 * i + fold)
            rows.append((file, fold, target, name, esc10, 1000 + i, "A"))
    write_table(root / "meta" / "esc50.csv", header, *rows)
    return root


def _old_esc10(root: Path) -> Path:
    for i, name in enumerate(("001 - Dog bark", "002 - Rain")):
        for fold in (1, 2):
            write_sound(root / name / f"{fold}-{1000 + i}-A.ogg", 300 + 10 * i + fold)
    (root / "README.md").write_text("about")
    return root


def _audiofolder(root: Path) -> Path:
    for i, part in enumerate(("train", "test")):
        rows = [(f"{part}{j}.wav", "dog" if j % 2 else "cat") for j in range(3)]
        for j, (file, _) in enumerate(rows):
            write_sound(root / part / file, 300 + 20 * i + j)
        write_table(root / part / "metadata.csv", ("file_name", "label"), *rows)
    return root


#: A folder that each adapter can read.
EXAMPLES: dict[str, Callable[[Path], Path]] = {
    "folder": _folder,
    "csv": _csv,
    "audiofolder": _audiofolder,
    "esc50": _esc50,
    "fsd50k": write_fsd50k,
    "audioset": write_audioset,
    "captions": write_macs,
    "speech_commands": write_speech_commands,
    "iemocap": write_iemocap,
}


# -- the contract --------------------------------------------------------------------------------------


def test_every_adapter_has_an_example():
    assert set(EXAMPLES) == set(datasets.builtin_modules())


@pytest.mark.parametrize("name", sorted(EXAMPLES))
class TestContract:
    def test_facts(self, name):
        adapter = datasets.get(name)
        assert name == adapter.NAME
        assert adapter.DESCRIPTION.endswith(".")
        assert adapter.OPTIONS
        assert all(isinstance(text, str) and text for text in adapter.OPTIONS.values())

    def test_scan_yields_the_same_every_time_and_opens_no_sound(self, name, tmp_path):
        root = EXAMPLES[name](tmp_path / "x").resolve()
        first = list(datasets.get(name).scan(root))
        for path in root.rglob("*.wav"):
            path.write_bytes(b"")
        assert list(datasets.get(name).scan(root)) == first
        assert any(isinstance(item, Clip) for item in first)
        for item in first:
            assert isinstance(item, Clip | Skipped | Remark)
            assert not os.path.isabs(item.path)
            assert "\\" not in item.path

    def test_import(self, name, tmp_path):
        root = EXAMPLES[name](tmp_path / "x")
        seen: list[tuple[int, int, str]] = []
        got = import_dataset(name, root, progress=lambda *args: seen.append(args))
        clips = got.clips
        assert tuple(clips.columns[: len(COLUMNS)]) == COLUMNS
        assert clips["clip_id"].is_unique
        assert clips["clip_id"].map(lambda c: re.fullmatch(r"[a-z0-9_-]+", c) is not None).all()
        assert clips["path"].map(lambda p: (root / p).is_file()).all()
        assert clips["sha256"].str.len().eq(64).all()
        np.testing.assert_allclose(clips["duration"], 0.2, atol=1e-3)
        assert (clips["label"] == clips["labels"].map(lambda ls: ls[0])).all()
        everything = {label for labels in clips["labels"] for label in labels}
        every = hasattr(datasets.get(name), "classes")
        assert set(got.classes["label"]) == (everything if every else set(clips["label"]))
        assert list(got.classes.columns) == ["label", "family", "description"]
        assert [s[0] for s in seen] == list(range(1, len(clips) + 1))
        assert {s[1] for s in seen} == {len(clips)}

    def test_the_table_survives_parquet(self, name, tmp_path):
        got = import_dataset(name, EXAMPLES[name](tmp_path / "x"))
        for table in (got.clips, got.classes, got.report):
            table.to_parquet(tmp_path / "t.parquet", index=False)
            again = pd.read_parquet(tmp_path / "t.parquet")
            again = again.assign(**{c: again[c].map(list) for c in again.columns if c == "labels"})
            pd.testing.assert_frame_equal(again, table)

    def test_fingerprints(self, name, tmp_path):
        root = EXAMPLES[name](tmp_path / "x")
        first = import_dataset(name, root, threads=1)
        moved = root.rename(tmp_path / "moved")
        second = import_dataset(name, moved, threads=7)
        assert (first.fingerprint, first.labels_fingerprint) == (
            second.fingerprint,
            second.labels_fingerprint,
        )
        write_sound(moved / first.clips["path"].iloc[0], 999)
        third = import_dataset(name, moved)
        assert third.fingerprint != first.fingerprint
        assert third.labels_fingerprint == first.labels_fingerprint

    def test_unknown_option(self, name, tmp_path):
        root = EXAMPLES[name](tmp_path / "x")
        with pytest.raises(OptionError, match=f"{name} has no option 'nosuch'; its options are: "):
            import_dataset(name, root, options={"nosuch": "1"})

    def test_no_folder(self, name, tmp_path):
        with pytest.raises(DatasetError, match="There is no folder"):
            import_dataset(name, tmp_path / "nowhere")
        (tmp_path / "file").touch()
        with pytest.raises(DatasetError, match="is a file; give the folder"):
            import_dataset(name, tmp_path / "file")


def test_unknown_adapter():
    with pytest.raises(UnknownAdapter, match="no dataset adapter 'esc51'; there are audiofolder, audioset"):
        datasets.get("esc51")


def test_earlier_names_of_the_contract_are_importable():
    from jobs.datasets import Found, LeftOut

    assert (Found, LeftOut) == (Clip, Skipped)
    with pytest.raises(AttributeError, match="has no attribute 'Lost'"):
        _ = datasets.Lost


def test_adapters_of_other_distributions(monkeypatch):
    good = SimpleNamespace(NAME="good", DESCRIPTION="Good.", OPTIONS={}, scan=lambda root: iter(()))
    found = {
        "good": good,
        "lacking": SimpleNamespace(NAME="lacking"),
        "taken": SimpleNamespace(NAME="csv", DESCRIPTION="", OPTIONS={}, scan=None),
    }

    def load(self: EntryPoint) -> object:
        if self.name == "broken":
            raise ImportError("no module named x")
        return found[self.name]

    points = [EntryPoint(n, f"pkg.{n}", "hearspace.datasets") for n in (*found, "broken")]
    monkeypatch.setattr(EntryPoint, "load", load)
    monkeypatch.setattr("jobs.registry.entry_points", lambda group: points)
    datasets.REGISTRY.forget_external()
    try:
        assert datasets.get("good") is good
        assert datasets.names()[-1] == "good"
        assert "lacks DESCRIPTION, OPTIONS, scan" in datasets.problems()["lacking"]
        assert "a name that is taken" in datasets.problems()["taken"]
        with pytest.raises(UnknownAdapter, match="cannot be imported: no module named x"):
            datasets.get("broken")
        assert datasets.get("csv") is importlib.import_module("jobs.datasets.csv")
    finally:
        datasets.REGISTRY.forget_external()


# -- the zoo -------------------------------------------------------------------------------------------


def test_the_zoo(tmp_path):
    zoo = write_zoo(tmp_path / "zoo")
    got = import_dataset("folder", zoo.root)
    assert set(got.clips["path"]) == set(zoo.kept.values())
    expected = {
        "zero bytes": (LEFT_OUT, "is empty (0 bytes)"),
        "text": (LEFT_OUT, "is not sound"),
        "header only": (LEFT_OUT, "holds no samples"),
        "playlist": (LEFT_OUT, "is not sound"),
        "link out of the root": (LEFT_OUT, "lies outside the dataset's folder"),
        "broken link": (LEFT_OUT, "links to nothing"),
        "notes": (LEFT_OUT, "not a sound by its name (.txt)"),
        "hidden": (LEFT_OUT, "hidden"),
        "pipe": (LEFT_OUT, "not a regular file"),
        "not a number": (REMARK, "4 samples are not finite numbers"),
        "7 channels": (REMARK, "7 channels, mixed down to one"),
        "10 ms": (REMARK, "very short: 10 ms"),
        "silence": (REMARK, "silent: every sample is 0"),
        "truncated wav": (REMARK, "truncated"),
        "truncated flac": (REMARK, "truncated"),
        "same content": (REMARK, "same content as good/plain.wav"),
    }
    both = zoo.kept | zoo.left_out
    assert set(zoo.left_out) <= set(expected)
    for kind, (status, reason) in expected.items():
        found = lines_about(got, both[kind])
        assert len(found) == 1, (kind, found)
        assert found[0][0] == status, kind
        assert reason in found[0][1], kind
    assert len(got.report) == len(expected)
    row = got.clips.set_index("path").loc[zoo.kept["7 channels"]]
    assert row["channels"] == 7
    ids = got.clips.set_index("path")["clip_id"]
    assert re.fullmatch(r"names__chien-d-ete-[0-9a-f]{8}", ids[zoo.kept["emoji"]])
    assert re.fullmatch(r"names-[0-9a-f]{8}", ids[zoo.kept["other script"]])
    assert ids[zoo.kept["quotes"]] == "names__it-s-quoted-100-b"


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("error", [AttributeError("rate"), MemoryError(), RecursionError("too deep")])
def test_whatever_one_file_raises_leaves_out_that_file(tmp_path, monkeypatch, error, thorough):
    root = _folder(tmp_path / "x")
    for name in ("inspect", "probe"):
        real = getattr(audio, name)

        def odd(path: Path, real: Callable[[Path], object] = real) -> object:
            if path.name == "b.wav" and "Rain" in str(path):
                raise error
            return real(path)

        monkeypatch.setattr(audio, name, odd)
    got = import_dataset("folder", root, thorough=thorough)
    assert len(got.clips) == 3
    ((status, reason),) = [r for r in lines_about(got, "02 - Rain/b.wav") if r[0] == LEFT_OUT]
    assert status == LEFT_OUT
    assert reason.startswith(f"cannot be read ({type(error).__name__}")


def test_headers_only(tmp_path):
    zoo = write_zoo(tmp_path / "zoo")
    got = import_dataset("folder", zoo.root, thorough=False)
    assert set(got.clips["path"]) == set(zoo.kept.values())
    assert not got.report["reason"].str.contains("silent").any()


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_files_and_folders_that_may_not_be_read(tmp_path):
    root = _folder(tmp_path / "sounds")
    (root / "01 - Dog bark" / "b.wav").chmod(0)
    (root / "locked").mkdir()
    write_sound(root / "locked" / "c.wav")
    (root / "locked").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):  # someone else has to get there at all
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & stat.S_ISVTX:
            break
        folder.chmod(0o755)
    imports = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from jobs.datasets import folder, names\n"
        "from jobs.datasets.importer import import_dataset\n"
        "names(); import_dataset('folder', sys.argv[2])\n"
    )
    code = (
        "r = import_dataset('folder', sys.argv[2])\n"
        "print(len(r.clips)); print(r.report.to_csv(index=False))\n"
    )
    try:
        done = as_nobody(imports, code, str(ROOT), str(root))
    finally:
        (root / "locked").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3\n")
    assert "01 - Dog bark/b.wav,left out,may not be read (its permissions forbid it)" in done.stdout
    assert "locked,left out,folder cannot be read (Permission denied)" in done.stdout


def test_nothing_outside_the_root_is_read(tmp_path):
    root = _folder(tmp_path / "sounds")
    write_sound(tmp_path / "secret" / "s.wav")
    (root / "away").symlink_to(tmp_path / "secret")
    (root / "again").symlink_to(root / "02 - Rain")
    (root / "02 - Rain" / "same.wav").symlink_to(root / "02 - Rain" / "a.wav")
    got = import_dataset("folder", root)
    assert "lies outside" in lines_about(got, "away")[0][1]
    assert "read where it is" in lines_about(got, "again")[0][1]
    assert lines_about(got, "02 - Rain/same.wav") == [(REMARK, "same content as 02 - Rain/a.wav")]
    assert len(got.clips) == 5


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("esc50", "meta/esc50.csv"),
        ("fsd50k", "FSD50K.ground_truth/eval.csv"),
        ("audioset", "eval_segments.csv"),
        ("captions", "MACS.yaml"),
    ],
)
def test_tables_that_link_out_of_the_folder_are_not_read(name, table, tmp_path):
    root = EXAMPLES[name](tmp_path / "x")
    (root / table).rename(tmp_path / "table")
    (root / table).symlink_to(tmp_path / "table")
    with pytest.raises(DatasetError, match="links out of"):
        import_dataset(name, root)


def test_a_root_that_is_a_link(tmp_path):
    root = _folder(tmp_path / "sounds")
    (tmp_path / "link").symlink_to(root)
    assert (
        import_dataset("folder", tmp_path / "link").fingerprint == import_dataset("folder", root).fingerprint
    )


def test_no_sound_at_all(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no sound: it is empty"):
        import_dataset("folder", tmp_path / "empty")
    (tmp_path / "empty" / "a.txt").write_text("x")
    (tmp_path / "empty" / "b.wav").touch()
    with pytest.raises(
        DatasetError, match=r"all 2 files were left out, 1 of them, such as a.txt, because: not a sound"
    ):
        import_dataset("folder", tmp_path / "empty")


def test_a_class_of_one_clip_is_remarked_on(tmp_path):
    root = _folder(tmp_path / "sounds")
    write_sound(root / "lonely" / "x.wav", 777)
    assert lines_about(import_dataset("folder", root), "lonely/x.wav") == [
        (REMARK, "the only clip of its class, 'lonely': nothing to compare it with")
    ]


def test_names_that_are_no_text(tmp_path):
    root = _folder(tmp_path / "sounds")
    try:
        os.rename(os.fsencode(root / "02 - Rain" / "b.wav"), os.fsencode(root / "02 - Rain") + b"/\xff.wav")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    got = import_dataset("folder", root)
    assert lines_about(got, "02 - Rain/\\udcff.wav") == [(LEFT_OUT, "its name is not valid text")]
    got.report.to_parquet(tmp_path / "r.parquet")


# -- clip ids and labels -------------------------------------------------------------------------------


def test_clip_ids():
    assert clip_ids(["a/b.wav", "a/c d.wav", "Ä/É.flac"]) == ["a__b", "a__c-d", "a__e"]
    ids = clip_ids(["a b.wav", "a_b.wav", "a-b.flac", "x" * 300 + ".wav", "🐕.wav", "..wav"])
    assert len(set(ids)) == 6
    assert all(re.fullmatch(r"[a-z0-9_-]{1,100}", i) for i in ids)
    assert clip_ids(["a b.wav"]) == ["a-b"]
    # A file that comes later changes no other's id, unless the two would share one.
    assert clip_ids(["a/b.wav", "z.wav"])[0] == clip_ids(["a/b.wav"])[0]
    tail = clip_ids(["a b.wav", "a_b.wav"])[0]
    assert len(set(clip_ids(["a b.wav", "a_b.wav", f"{tail}.wav"]))) == 3


def test_labels_are_cleaned():
    cases = {
        "001 - Dog bark": "Dog bark",
        "02_sea_waves": "sea waves",
        "3. Cat": "Cat",
        "007-Helicopter": "Helicopter",
        "808-kick": "808-kick",
        "1984": "1984",
        "2 stroke engine": "2 stroke engine",
        "Dog": "Dog",
        "_": "_",
    }
    assert {name: clean_label(name) for name in cases} == cases


# -- folder --------------------------------------------------------------------------------------------


def test_folder_options(tmp_path):
    write_sound(tmp_path / "x" / "1_animals" / "dog_bark" / "a.wav", 300)
    write_sound(tmp_path / "x" / "1_animals" / "cat" / "a.wav", 310)
    write_sound(tmp_path / "x" / "loose.wav", 320)

    def clips(**options: str) -> list[tuple[object, ...]]:
        got = import_dataset("folder", tmp_path / "x", options=options).clips
        family = got["family"].astype(object).where(got["family"].notna(), None)
        return list(zip(got["label"], family, strict=True))

    assert clips() == [("x", None), ("cat", None), ("dog bark", None)]
    assert clips(label="top") == [("x", None), ("animals", None), ("animals", None)]
    assert clips(family="top") == [("x", "x"), ("cat", "animals"), ("dog bark", "animals")]
    assert clips(clean="no", family="top")[2] == ("dog_bark", "1_animals")
    with pytest.raises(OptionError, match="label is 'middle'; it must be one of parent, top"):
        clips(label="middle")


def test_natural_order(tmp_path):
    for n in (10, 9, 1):
        write_sound(tmp_path / "x" / "c" / f"clip {n}.wav", 300 + n)
    got = import_dataset("folder", tmp_path / "x").clips
    assert list(got["path"]) == ["c/clip 1.wav", "c/clip 9.wav", "c/clip 10.wav"]


# -- csv -----------------------------------------------------------------------------------------------


def test_csv_columns_and_options(tmp_path):
    for i in range(3):
        write_sound(tmp_path / "sounds" / f"{i}.wav", 300 + i)
    header = ("", "fname", "tags", "split", "mos", "said")
    rows = [(i, str(i), "Dog_bark; Bark;", i + 1, i / 2, "a dog" if i else "") for i in range(3)]
    write_table(tmp_path / "lists" / "dev.tsv", header, *rows, delimiter="\t")
    got = import_dataset(
        "csv",
        tmp_path,
        options={
            "file": "lists/dev.tsv",
            "folder": "sounds",
            "suffix": "wav",
            "labels": "tags",
            "separator": ";",
            "fold": "split",
            "caption": "said",
        },
    ).clips
    assert list(got["path"]) == ["sounds/0.wav", "sounds/1.wav", "sounds/2.wav"]
    assert list(got["labels"]) == [["Dog bark", "Bark"]] * 3
    assert list(got["label"]) == ["Dog bark"] * 3
    assert list(got["fold"]) == [1, 2, 3]
    assert got["caption"].isna().tolist() == [True, False, False]
    assert got["mos"].dtype == np.float64
    assert list(got["mos"]) == [0, 0.5, 1]


def test_csv_rows_that_cannot_be_used(tmp_path):
    root = _csv(tmp_path / "x")
    write_sound(tmp_path / "secret.wav")
    with open(root / "clips.csv", "a") as file:
        file.write("audio/gone.wav,dog,0,,\n,dog,0,,\naudio/0.wav,dog,1,,\n../secret.wav,dog,1,,\n")
        file.write(f"{tmp_path}/secret.wav,dog,1,,\n{root}/audio/../audio/new.wav,dog,1,,\nshort\n")
    write_sound(root / "audio" / "new.wav", 555)
    got = import_dataset("csv", root)
    assert lines_about(got, "audio/gone.wav") == [(LEFT_OUT, "there is no such file (line 6)")]
    assert lines_about(got, "clips.csv, line 7") == [(LEFT_OUT, "names no file in column 'path'")]
    assert lines_about(got, "audio/0.wav") == [(LEFT_OUT, "named again in line 8; line 2 counts")]
    outside = [reason for _, reason in lines_about(got, "../secret.wav")]
    assert outside[0] == "named again in line 10; line 9 counts"
    assert "lies outside" in outside[1]
    assert lines_about(got, "short") == [(LEFT_OUT, "there is no such file (line 12)")]
    assert lines_about(got, "clips.csv") == [
        (REMARK, "line 12: fewer cells than columns; the missing ones are empty")
    ]
    assert list(got.clips["path"]) == [*(f"audio/{i}.wav" for i in range(4)), "audio/new.wav"]


def test_csv_counts_the_sounds_that_it_does_not_name(tmp_path):
    root = _csv(tmp_path / "x")
    assert len(import_dataset("csv", root).report) == 0
    write_sound(root / "more" / "5.wav", 500)
    write_sound(root / "more" / "6.wav", 510)
    assert lines_about(import_dataset("csv", root), ".") == [
        (LEFT_OUT, "holds 2 sounds that no row names, the first of them more/5.wav")
    ]
    within = import_dataset("csv", root, options={"folder": "."})
    assert len(within.report) == 1


def test_csv_says_what_is_wrong(tmp_path):
    root = _csv(tmp_path / "x")
    columns = "its columns are path, label, fold, caption, family"

    def fails(match: str, **options: str) -> None:
        with pytest.raises(DatasetError, match=match):
            import_dataset("csv", root, options=options)

    fails(rf"has no column 'klass' \(labels\); {columns}", labels="klass")
    fails("There is no table .*none.csv; there are: clips.csv", file="none.csv")
    fails("lies outside", file="../clips.csv")
    fails("delimiter is 'x'; it must be one of", delimiter="x")
    fails("separator is empty", separator="")

    write_table(root / "clips.csv", ("a", "b"), ("audio/0.wav", "dog"))
    fails("known to hold labels; its columns are a, b: name it with the option labels")
    write_table(root / "clips.csv", ("a", "b"), ("x/0.wav", "dog"))
    fails("known to hold paths; its columns are a, b: name it with the option path")
    write_table(root / "clips.csv", ("audio/0.wav", "dog"), ("audio/1.wav", "dog"))
    fails("its first line looks like a clip, and must name the columns")
    write_table(root / "clips.csv", ("a", "b"), ("audio/0.wav", "dog"))
    assert len(import_dataset("csv", root, options={"path": "a", "labels": "b"}).clips) == 1
    write_table(root / "other.csv", ("path", "label"))
    fails(r"holds 2 tables \(clips.csv, other.csv\); choose one with the option file")
    fails("names no sound: it has no row below its first line", file="other.csv")
    (root / "other.csv").write_bytes(b"path,label\n\xff\xfe,dog\n")
    fails("is not UTF-8 text", file="other.csv")


def test_csv_without_labels_but_captions(tmp_path):
    write_sound(tmp_path / "a.wav")
    write_sound(tmp_path / "b.wav", 300)
    write_table(
        tmp_path / "c.csv", ("file_name", "caption", "fold"), ("a.wav", "A tone.", "train"), ("b.wav", "", "")
    )
    got = import_dataset("csv", tmp_path)
    assert list(got.clips["label"]) == ["unlabelled"] * 2
    assert list(got.clips["labels"]) == [[], []]
    assert got.clips["fold"].isna().tolist() == [False, True]
    assert got.clips["fold_name"].tolist()[0] == "train"
    assert len(got.report) == 0


def test_csv_columns_that_clash_are_renamed(tmp_path):
    write_sound(tmp_path / "a.wav")
    write_table(tmp_path / "c.csv", ("path", "label", "duration"), ("a.wav", "x", "9"))
    got = import_dataset("csv", tmp_path).clips
    assert got["duration (given)"].tolist() == [9]
    assert abs(got["duration"].iloc[0] - 0.2) < 1e-3


# -- esc50 ---------------------------------------------------------------------------------------------


def test_esc50_official(tmp_path):
    got = import_dataset("esc50", _esc50(tmp_path / "x")).clips
    assert len(got) == 6
    assert set(got["family"]) == {"Animals", "Natural soundscapes & water sounds", "Exterior/urban noises"}
    assert got["fold"].tolist() == [1, 2, 1, 2, 1, 2]
    assert got["esc10"].dtype == bool
    ten = import_dataset("esc50", tmp_path / "x", options={"subset": "esc10"})
    assert set(ten.clips["label"]) == {"dog", "rain"}
    assert (ten.report["reason"] == "not in the ESC-10 subset").sum() == 2


def test_esc10_first_layout(tmp_path):
    root = _old_esc10(tmp_path / "x")
    write_sound(root / "001 - Dog bark" / "my dog.wav", 600)
    got = import_dataset("esc50", root)
    assert got.clips["label"].tolist() == ["Dog bark"] * 2 + ["Rain"] * 2
    assert got.clips["fold"].tolist() == [1, 2, 1, 2]
    assert got.clips["family"].tolist() == ["Animals"] * 2 + ["Natural soundscapes & water sounds"] * 2
    assert got.clips["freesound_id"].tolist() == [1000, 1000, 1001, 1001]
    assert got.clips["clip_id"].iloc[0] == "001-dog-bark__1-1000-a"
    assert "fold is not known" in lines_about(got, "001 - Dog bark/my dog.wav")[0][1]
    assert lines_about(got, "README.md") == [(LEFT_OUT, "not a sound by its name (.md)")]


def test_esc50_says_what_it_looks_for(tmp_path):
    write_sound(tmp_path / "x" / "dog" / "a.wav")
    with pytest.raises(DatasetError, match="neither ESC-50"):
        import_dataset("esc50", tmp_path / "x")
    write_table(tmp_path / "x" / "meta" / "esc50.csv", ("filename", "fold"), ("a.wav", 1))
    with pytest.raises(DatasetError, match="has no column target, category; its columns are filename, fold"):
        import_dataset("esc50", tmp_path / "x")


# -- real recordings and size --------------------------------------------------------------------------


@pytest.mark.recordings
def test_the_real_esc10():
    home = os.environ.get("HEARSPACE_TEST_DATA")
    if not home:
        pytest.skip("HEARSPACE_TEST_DATA is not set")
    got = import_dataset("esc50", Path(home) / "esc10")
    clips = got.clips
    assert len(clips) == 400
    assert clips["label"].value_counts().eq(40).all()
    assert clips["fold"].value_counts().sort_index().to_dict() == dict.fromkeys(range(1, 6), 80)
    assert clips["label"].nunique() == 10
    assert clips["clip_id"].is_unique
    assert clips["family"].notna().all()
    assert abs(clips["duration"].median() - 5) < 0.01
    assert clips["duration"].between(3.6, 7.3).all()  # some of the files are longer or shorter than 5 s
    assert got.report["path"].tolist() == ["README.md"]
    as_folder = import_dataset("folder", Path(home) / "esc10")
    assert as_folder.fingerprint == got.fingerprint
    assert as_folder.labels_fingerprint != got.labels_fingerprint


def test_what_is_in_flight_is_bounded(tmp_path, monkeypatch):
    from jobs.datasets import importer

    waiting: list[int] = []

    class Pool(importer.ThreadPoolExecutor):
        def map(self, fn, *iterables):  # type: ignore[no-untyped-def]
            items = list(iterables[0])
            waiting.append(len(items))
            return super().map(fn, items)

    monkeypatch.setattr(importer, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(importer, "_read", lambda folder, path, thorough: f"left {path}")
    clips = [Clip(f"{i}.wav") for i in range(1000)]
    reads = list(importer._read_all(clips, tmp_path, None, True, 4))
    assert reads == [f"left {i}.wav" for i in range(1000)]
    assert max(waiting) <= 32
