"""Tables as other systems and programs write them, Hugging Face's layout, and labels in names of files."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress

import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.datasets import DatasetError, OptionError
from jobs.datasets._names import Pattern, propose
from jobs.datasets._splits import numbered
from jobs.datasets.importer import LEFT_OUT, import_dataset
from tests.jobs.bad_audio import RATE, tone
from tests.jobs.mini import reasons, write_sounds, write_table
from tests.jobs.mini_captions import write_macs

THREE = ("audio/c0.wav", "audio/c1.wav", "audio/c2.wav")


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda p: p.replace("/", "\\"), "lines 2 to 4: paths are written with backslashes"),
        (
            lambda p: p.replace(".wav", ".WAV"),
            "lines 2 to 4: paths differ from the names of the files in case",
        ),
        (lambda p: p.upper().replace("/", "\\"), "paths are written with backslashes"),
        (
            lambda p: "D:\\data\\x\\" + p.replace("/", "\\"),
            "all are read without D:/data/x, which is not here",
        ),
        (lambda p: f"/home/someone/{p}", "all are read without home/someone, which is not here"),
        (lambda p: f"project/{p}", "all are read without project"),
        (lambda p: p.removeprefix("audio/"), "as with `-o folder=audio`"),
        (lambda p: p.removesuffix(".wav"), "as with `-o suffix=.wav`"),
        (lambda p: p[6:8], "from the folder audio on, as with `-o folder=audio` and with .wav added"),
    ],
)
def test_paths_that_another_system_wrote(tmp_path, write, says):
    root = write_sounds(tmp_path / "x", *THREE)
    write_table(root / "t.csv", ("path", "label"), *((write(p), "a") for p in THREE))
    got = import_dataset("csv", root)
    assert got.clips["path"].tolist() == list(THREE)
    assert [r for r in reasons(got, "t.csv") if says in r], reasons(got, "t.csv")
    # Nothing counts as unnamed, and every clip is what it was without any of this.
    write_table(root / "t.csv", ("path", "label"), *((p, "a") for p in THREE))
    plain = import_dataset("csv", root)
    assert (len(plain.report), plain.fingerprint) == (0, got.fingerprint)
    assert not (got.report["status"] == LEFT_OUT).any()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_stored_in_two_ways(tmp_path, form):
    other = "NFD" if form == "NFC" else "NFC"
    files = [unicodedata.normalize(form, f"audio/\u00e9t\u00e9 {i}.wav") for i in range(2)]
    root = write_sounds(tmp_path / "x", *files)
    labels = [unicodedata.normalize(f, "caf\u00e9") for f in ("NFC", "NFD")]
    rows = zip((unicodedata.normalize(other, f) for f in files), labels, strict=True)
    write_table(root / "t.csv", ("path", "label"), *rows)
    got = import_dataset("csv", root)
    assert got.clips["path"].tolist() == files
    assert got.clips["label"].tolist() == [unicodedata.normalize("NFC", "caf\u00e9")] * 2
    assert "lines 2 to 3: paths differ" in reasons(got, "t.csv")[0]
    # Folders are labels, too: those of one name are one class.
    write_sounds(tmp_path / "y", *(f"{label}/{i}.wav" for i, label in enumerate(labels)))
    assert import_dataset("folder", tmp_path / "y").clips["label"].nunique() == 1


def test_what_fits_several_files_is_left_to_the_reader(tmp_path):
    root = write_sounds(tmp_path / "x", "a.wav", "A.wav", "b.wav")
    if len(list(root.iterdir())) < 3:
        pytest.skip("this file system does not tell upper and lower case apart")
    write_table(root / "t.csv", ("path", "label"), ("a.WAV", "x"), ("b.WAV", "x"))
    got = import_dataset("csv", root)
    assert got.clips["path"].tolist() == ["b.wav"]
    (said,) = reasons(got, "a.WAV", LEFT_OUT)
    assert "could be any of A.wav, a.wav (line 2); write one of them exactly" in said


def test_one_folder_in_the_place_of_another_is_not_guessed(tmp_path):
    root = write_sounds(tmp_path / "x", "test/a.wav", "test/b.wav")
    write_table(root / "t.csv", ("path", "label"), ("train/a.wav", "x"), ("train/b.wav", "x"))
    with pytest.raises(DatasetError) as raised:
        import_dataset("csv", root)
    said = str(raised.value)
    assert "None of the 2 rows of" in said
    assert "the first path is train/a.wav (line 2)" in said
    assert "a file of that name is test/a.wav; the folders before the name differ" in said
    # Nor is one copy in the place of the other.
    write_sounds(root, "more/a.wav", "more/b.wav")
    write_table(root / "t.csv", ("path", "label"), ("a.wav", "x"), ("b.wav", "x"))
    with pytest.raises(DatasetError, match=r"files of that name are .*: `-o folder=more` makes paths start"):
        import_dataset("csv", root)
    got = import_dataset("csv", root, options={"folder": "test"})
    assert got.clips["path"].tolist() == ["test/a.wav", "test/b.wav"]


def test_paths_that_lead_nowhere_get_their_own_reason(tmp_path):
    root = write_sounds(tmp_path / "x", *THREE)
    write_table(root / "t.csv", ("path", "label"), ("nothing.wav", "x"))
    with pytest.raises(
        DatasetError, match=r"the first path is nothing.wav \(line 2\).*no file here is called"
    ):
        import_dataset("csv", root)
    # A summary stands in the report before the reasons, and is nobody's.
    sf.write(root / "audio" / "c0.wav", tone(0.0), RATE)
    write_table(root / "t.csv", ("path", "label"), (THREE[0], "x"))
    with pytest.raises(DatasetError, match="the only file, audio/c0.wav, was left out: holds no samples"):
        import_dataset("csv", root)


def test_rows_that_do_not_fit_the_header(tmp_path):
    root = write_sounds(tmp_path / "x", *THREE)
    text = 'path,label,split\naudio/c0.wav,Child speech, kid,train\naudio/c1.wav,"Speech, child",train,,\n'
    (root / "t.csv").write_text(f"{text}audio/c2.wav,Rain\n")
    got = import_dataset("csv", root)
    assert got.clips["label"].tolist() == ["Speech, child", "Rain"]
    (said,) = reasons(got, "t.csv, line 2", LEFT_OUT)
    assert said.startswith("has 4 cells for 3 columns")
    assert "a cell that holds a comma must be in double quotes" in said
    assert reasons(got, "t.csv") == ["line 4: fewer cells than columns; the missing ones are empty"]
    (root / "t.csv").write_text("path,label\naudio/c0.wav,a,b\naudio/c1.wav,a,b\n")
    with pytest.raises(
        DatasetError, match="names no sound that can be read: line 2 has 3 cells for 2 columns"
    ):
        import_dataset("csv", root)


def test_two_columns_of_one_name(tmp_path):
    root = write_sounds(tmp_path / "x", *THREE)
    write_table(root / "t.csv", ("path", "label", "label"), *((p, "first", "second") for p in THREE))
    got = import_dataset("csv", root)
    assert set(got.clips["label"]) == {"first"}
    assert set(got.clips["label (2)"]) == {"second"}
    assert "columns 2 and 3 are called 'label'" in reasons(got, "t.csv")[0]
    second = import_dataset("csv", root, options={"labels": "label (2)"})
    assert set(second.clips["label"]) == {"second"}


def test_what_spreadsheets_save(tmp_path):
    root = write_sounds(tmp_path / "x", *THREE)
    rows = [f"{p};a, b" for p in THREE]
    (root / "t.csv").write_text("\n".join(["sep=;", "path;label", *rows]))
    got = import_dataset("csv", root)
    assert (set(got.clips["label"]), len(got.report)) == ({"a, b"}, 0)
    (root / "t.csv").write_text("\n".join(["path\tlabel", *(f"{p}\tx" for p in THREE)]), encoding="utf-16")
    assert len(import_dataset("csv", root).clips) == 3
    (root / "t.csv").write_text(f'path,label\n{THREE[0]},"two\nlines"\n{THREE[1]},x\ngone.wav,y\n')
    got = import_dataset("csv", root)
    assert reasons(got, "t.csv") == ["rows from line 2 on have a cell in quotes that spans lines"]
    assert reasons(got, "gone.wav", LEFT_OUT) == ["there is no such file (line 5)"]


def test_a_column_of_paths_is_known_by_what_it_holds(tmp_path):
    root = write_sounds(tmp_path / "x", *THREE)
    write_table(root / "t.csv", ("which one", "label"), *((p[6:8], "a") for p in THREE))
    assert import_dataset("csv", root).clips["path"].tolist() == list(THREE)


def test_labels_that_differ_in_case_alone_are_remarked_on(tmp_path):
    root = write_sounds(tmp_path / "x", "Dog/a.wav", "Dog/b.wav", "dog/c.wav", "dog/d.wav")
    if len(list(root.iterdir())) < 2:
        pytest.skip("this file system does not tell upper and lower case apart")
    got = import_dataset("folder", root)
    assert got.clips["label"].nunique() == 2
    assert "'Dog' and 'dog' differ in upper and lower case alone" in " ".join(got.report["reason"])


def test_names_in_captions_and_lists_may_be_spelled_otherwise(tmp_path):
    root = write_macs(tmp_path / "x")
    before = import_dataset("captions", root)
    for path in before.clips["path"]:
        (root / path).rename((root / path).with_suffix(".WAV"))
    after = import_dataset("captions", root)
    assert after.clips["caption"].tolist() == before.clips["caption"].tolist()

    esc50 = write_sounds(tmp_path / "esc", "audio/1-1-A-0.WAV", "audio/2-1-A-0.WAV")
    header = ("filename", "fold", "target", "category")
    write_table(
        esc50 / "meta" / "esc50.csv", header, ("1-1-A-0.wav", 1, 0, "dog"), ("2-1-A-0.wav", 2, 0, "dog")
    )
    assert len(import_dataset("esc50", esc50).clips) == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet='abc,"; \t\\/é\u0301\n', max_size=12), min_size=1, max_size=6))
def test_no_table_ends_in_anything_but_one_sentence(tmp_path_factory, lines):
    root = write_sounds(tmp_path_factory.mktemp("t"), "a.wav")
    (root / "t.csv").write_text("\n".join(["path,label", *lines, "a.wav,x"]), encoding="utf-8")
    with suppress(DatasetError):
        got = import_dataset("csv", root)
        assert got.clips["path"].tolist() == ["a.wav"]


# -- folds that are words ------------------------------------------------------------------------------


def test_words_become_numbered_groups(tmp_path):
    root = write_sounds(tmp_path / "x", *(f"{i}.wav" for i in range(4)))
    write_table(
        root / "t.csv",
        ("path", "label", "speaker", "part"),
        ("0.wav", "a", "theo", "test"),
        ("1.wav", "a", "george", "train"),
        ("2.wav", "b", "theo", "train"),
        ("3.wav", "b", "", "valid"),
    )
    speaker = import_dataset("csv", root, options={"fold": "speaker"}).clips
    assert speaker["fold"].tolist()[:3] == [2, 1, 2]
    assert speaker["fold"].isna().tolist() == [False, False, False, True]
    assert speaker["fold_name"].tolist()[:3] == ["theo", "george", "theo"]
    assert speaker["speaker"].tolist()[:3] == ["theo", "george", "theo"]
    part = import_dataset("csv", root, options={"fold": "part"}).clips
    assert part["fold"].tolist() == [3, 1, 1, 2]  # in the order in which parts are used
    assert "fold_name" not in import_dataset("csv", root).clips


def test_numbering_does_not_depend_on_the_order_of_clips():
    groups = ["s10", "s2", None, "s2"]
    folds, names = numbered(groups)
    assert (folds, names) == ([2, 1, None, 1], {1: "s2", 2: "s10"})
    assert numbered(groups[::-1]) == (folds[::-1], names)
    assert numbered([1, "x", 1]) == ([1, 2, 1], {1: "1", 2: "x"})
    assert numbered([7, None]) == ([7, None], {})


# -- Hugging Face's audiofolder ------------------------------------------------------------------------


def test_audiofolder_of_json_lines(tmp_path):
    root = write_sounds(
        tmp_path / "x", "data/train/a.wav", "data/train/b.wav", "data/test/c.wav", "data/test/d.wav"
    )
    for part, files in (("train", ("a.wav", "b.wav")), ("test", ("c.wav",))):
        lines = [
            json.dumps({"file_name": f, "transcription": f"said {f}", "label": ["x", "y"]}) for f in files
        ]
        (root / "data" / part / "metadata.jsonl").write_text("\n".join([*lines, "", "{broken", "[1]"]))
    got = import_dataset("audiofolder", root, options={"separator": "; ", "fold": "split"})
    assert got.clips["path"].tolist() == ["data/train/a.wav", "data/train/b.wav", "data/test/c.wav"]
    assert got.clips["split"].tolist() == ["train", "train", "test"]
    assert got.clips["fold"].tolist() == [1, 1, 2]
    assert got.clips["caption"].tolist() == ["said a.wav", "said b.wav", "said c.wav"]
    assert got.clips["labels"].tolist() == [["x", "y"]] * 3
    assert "is not JSON" in reasons(got, "data/train/metadata.jsonl, line 4", LEFT_OUT)[0]
    assert "is not a JSON object" in reasons(got, "data/train/metadata.jsonl, line 5", LEFT_OUT)[0]
    assert reasons(got, ".", LEFT_OUT) == [
        "holds 1 sound that no row names, the first of them data/test/d.wav"
    ]
    with pytest.raises(DatasetError, match="holds no metadata.csv or metadata.jsonl"):
        import_dataset("audiofolder", write_sounds(tmp_path / "y", "a.wav"))


def test_audiofolder_of_which_a_part_has_no_sounds_here(tmp_path):
    root = write_sounds(tmp_path / "x", "train/a.wav")
    for part, file in (("train", "a.wav"), ("test", "b.wav")):
        write_table(root / part / "metadata.csv", ("file_name", "label"), (file, "x"))
    got = import_dataset("audiofolder", root)
    assert got.clips["path"].tolist() == ["train/a.wav"]
    assert "the first path is b.wav (line 2)" in reasons(got, "test/metadata.csv", LEFT_OUT)[0]
    (root / "train" / "a.wav").unlink()
    with pytest.raises(DatasetError, match="leads to no file: the first path is a.wav"):
        import_dataset("audiofolder", root)


def test_audiofolder_reads_nothing_outside(tmp_path):
    root = write_sounds(tmp_path / "x", "a.wav")
    write_table(tmp_path / "metadata.csv", ("file_name", "label"), ("a.wav", "x"))
    (root / "metadata.csv").symlink_to(tmp_path / "metadata.csv")
    with pytest.raises(DatasetError, match="holds no metadata"):
        import_dataset("audiofolder", root)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["1", "-2", ""], None),
        (["1.0", "-2.0", ""], None),  # as programs write whole numbers beside an empty cell
        (["01", "1.0", "1"], ["01", "1.0", "1"]),
        (["007", "7", "7"], ["007", "7", "7"]),
        (["1e300", "20260101120000000001", ""], ["1e300", "20260101120000000001"]),
        (["inf", "nan", "1e3"], ["inf", "nan", "1e3"]),
    ],
)
def test_a_fold_is_a_number_only_if_it_is_written_as_one(tmp_path, cells, names):
    root = write_sounds(tmp_path / "x", *(f"{i}.wav" for i in range(len(cells))))
    rows = [(f"{i}.wav", "a", cell) for i, cell in enumerate(cells)]
    write_table(root / "t.csv", ("path", "label", "fold"), *rows)
    clips = import_dataset("csv", root).clips
    if names is None:
        assert clips["fold"].dropna().tolist() == [1, -2]
        assert "fold_name" not in clips
    else:
        assert clips["fold_name"].dropna().tolist() == names
        assert clips["fold"].nunique() == len(set(names))


def test_a_part_of_a_name_that_is_too_long_for_a_number_is_a_group(tmp_path):
    long = "20260101120000000001"
    root = write_sounds(tmp_path / "x", f"a_{long}.wav", "a_007.wav", "a_7.wav")
    clips = import_dataset("folder", root, options={"name": "{label}_{rec}", "fold": "rec"}).clips
    assert sorted(clips["fold_name"]) == ["007", long, "7"]
    assert clips["fold"].nunique() == 3
    old = write_sounds(tmp_path / "y", f"001 - Dog bark/{long}-1-A.wav")
    assert import_dataset("esc50", old).clips["fold_name"].tolist() == [long]


# -- names of files ------------------------------------------------------------------------------------


def test_labels_in_names_of_files(tmp_path):
    root = write_sounds(
        tmp_path / "x", "r/0_george_1.wav", "r/1_theo_2.wav", "r/1_george_3.wav", "r/other.wav"
    )
    got = import_dataset("folder", root, options={"name": "{label}_{speaker}_{take}", "fold": "speaker"})
    clips = got.clips.set_index("path")
    assert clips["label"].tolist() == ["0", "1", "1", "unlabelled"]
    assert clips["speaker"].tolist()[:3] == ["george", "george", "theo"]
    assert clips["take"].tolist()[:3] == [1, 3, 2]
    assert clips["fold_name"].tolist()[:3] == ["george", "george", "theo"]
    assert reasons(got, "r/other.wav") == ["is not named {label}_{speaker}_{take}, so it has no label"]
    # Without a part for the label it is the folder's.
    kept = import_dataset("folder", root, options={"name": "{_}_{speaker}_{take}"}).clips
    assert set(kept["label"]) == {"r"}
    assert "_" not in kept


@pytest.mark.parametrize(
    ("pattern", "path", "parts"),
    [
        ("{label}_{take}", "x/dog_1.wav", {"label": "dog", "take": "1"}),
        ("{label}_{take}", "dog_bark_1.wav", None),
        ("{speaker}/{label}-{take}", "s1/dog-2.wav", {"speaker": "s1", "label": "dog", "take": "2"}),
        ("id{who}.{label}", "id7.rain.wav", {"who": "7", "label": "rain"}),
        ("{label}", "a b.wav", {"label": "a b"}),
    ],
)
def test_patterns(pattern, path, parts):
    assert Pattern(pattern).read(path) == parts


@pytest.mark.parametrize("pattern", ["label", "{label}{take}", "{a}_{a}", "{a b}", "{_}", "{a}_{", ""])
def test_patterns_that_are_none(pattern):
    with pytest.raises(OptionError, match="name is .*label.*speaker"):
        Pattern(pattern)


def test_fold_by_name_needs_that_part(tmp_path):
    root = write_sounds(tmp_path / "x", "a_1.wav")
    with pytest.raises(OptionError, match="fold names a part of the files' names"):
        import_dataset("folder", root, options={"fold": "speaker"})
    with pytest.raises(OptionError, match="must be one of label, take"):
        import_dataset("folder", root, options={"name": "{label}_{take}", "fold": "speaker"})


def test_a_pattern_is_proposed_where_names_are_alike():
    digits = [f"{d}_{who}_{i}.wav" for d in range(3) for who in ("ann", "bo") for i in range(4)]
    assert propose(digits) == "{label}_{part2}_{take} (3, 2 and 4 values)"
    assert propose([*digits, "readme.wav"]) == propose(digits)
    assert propose([f"rec{i}.wav" for i in range(50)]) is None  # one part
    assert propose([f"x_{i}.wav" for i in range(50)]) is None  # a number, and what all share
    assert propose(digits[:4]) is None  # too few
