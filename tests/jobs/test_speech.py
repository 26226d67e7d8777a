"""Speech Commands by its official lists, IEMOCAP by its sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.datasets import DatasetError, OptionError
from jobs.datasets.importer import import_dataset
from tests.jobs.mini import left_out
from tests.jobs.mini_speech import SENTENCES, WORDS, write_iemocap, write_speech_commands


def test_words_are_in_the_parts_of_the_lists(tmp_path):
    got = import_dataset("speech_commands", write_speech_commands(tmp_path / "x"))
    clips = got.clips.set_index("path")
    assert clips["split"].to_dict() == dict(WORDS)
    fold = {"training": 1, "validation": 2, "testing": 3}
    assert clips["fold"].to_dict() == {name: fold[part] for name, part in WORDS}
    assert clips["label"].to_dict() == {name: name.split("/")[0] for name, _ in WORDS}
    assert clips["speaker"]["no/3cfc6b3a_nohash_4.wav"] == "3cfc6b3a"
    assert clips["take"]["no/3cfc6b3a_nohash_4.wav"] == 4
    # No speaker is in two parts.
    assert clips.groupby("speaker")["fold"].nunique().max() == 1
    assert left_out(got) == {"_background_noise_/pink_noise.wav": "background noise, which is no word"}


def test_some_words_alone(tmp_path):
    root = write_speech_commands(tmp_path / "x")
    got = import_dataset("speech_commands", root, options={"words": "yes"})
    assert got.clips["label"].unique().tolist() == ["yes"]
    assert (got.report["reason"] == "another word than those asked for").sum() == 4
    for words in ("yes,maybe", ","):
        with pytest.raises(OptionError, match="there are folders of no, yes"):
            import_dataset("speech_commands", root, options={"words": words})


def test_words_without_their_lists_are_refused(tmp_path):
    root = write_speech_commands(tmp_path / "x")
    (root / "testing_list.txt").unlink()
    with pytest.raises(DatasetError, match="testing_list.txt: there is no such file; Speech Commands has"):
        import_dataset("speech_commands", root)


def test_other_files_among_the_words_are_in_no_part(tmp_path):
    root = write_speech_commands(tmp_path / "x")
    (root / "no" / "0a7c2a8d_nohash_0.wav").rename(root / "no" / "mine.wav")
    assert "so it is in no part" in left_out(import_dataset("speech_commands", root))["no/mine.wav"]


def _felt(root: Path, **options: str) -> dict[str, str]:
    clips = import_dataset("iemocap", root, options=options).clips
    return {Path(path).stem: label for path, label in zip(clips["path"], clips["label"], strict=True)}


def test_sentences_have_the_session_as_fold(tmp_path):
    got = import_dataset("iemocap", write_iemocap(tmp_path / "x"))
    clips = got.clips
    names = [Path(path).stem for path in clips["path"]]
    assert dict(zip(names, clips["label"], strict=True)) == {
        "Ses01F_impro01_F000": "neutral",
        "Ses01F_impro01_M000": "angry",
        "Ses01M_script01_1_F000": "happy",
        "Ses02F_impro05a_F003": "happy",
        "Ses02F_script03_2_M040": "sad",
    }
    assert clips["fold"].tolist() == [int(name[4]) for name in names]
    row = dict(zip(names, clips.to_dict("records"), strict=True))
    found = [row["Ses02F_script03_2_M040"][column] for column in ("speaker", "kind", "dialogue")]
    assert found == ["2M", "scripted", "Ses02F_script03_2"]
    assert row["Ses01M_script01_1_F000"]["felt"] == "excited"
    left = {Path(path).stem: reason for path, reason in left_out(got).items()}
    assert left["Ses01F_impro01_M001"] == "listeners did not agree on an emotion (xxx)"
    assert left["Ses01M_script01_1_M000"] == "frustrated, which is none of the four emotions"
    assert left["Ses02F_impro05a_M003"] == "no evaluation names it"
    assert len(clips) + 3 == len(SENTENCES)


def test_what_is_asked_of_emotions(tmp_path):
    root = write_iemocap(tmp_path / "x")
    assert "Ses01M_script01_1_F000" not in _felt(root, excited="own")
    every = _felt(root, emotions="all", excited="own")
    assert (every["Ses01M_script01_1_F000"], every["Ses01M_script01_1_M000"]) == ("excited", "frustrated")
    assert set(_felt(root, kind="scripted")) == {"Ses01M_script01_1_F000", "Ses02F_script03_2_M040"}
    with pytest.raises(OptionError, match="kind is 'sung'; it must be one of all, improvised, scripted"):
        _felt(root, kind="sung")


def test_what_is_not_iemocap(tmp_path):
    (tmp_path / "Session1").mkdir()
    with pytest.raises(DatasetError, match="is not IEMOCAP: it has none of Session1 to Session5"):
        import_dataset("iemocap", tmp_path)


def test_an_evaluation_that_leads_out_is_not_read(tmp_path):
    root = write_iemocap(tmp_path / "x")
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.rename(tmp_path / "elsewhere.txt")
    path.symlink_to(tmp_path / "elsewhere.txt")
    got = import_dataset("iemocap", root)
    assert not any("Ses01F_impro01" in path for path in got.clips["path"])
    assert got.report["reason"].str.contains("lies outside").sum() == 1
