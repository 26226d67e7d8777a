from __future__ import annotations

import pytest

from jobs.datasets import DatasetError
from jobs.datasets._detect import detect


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
    assert detect(tmp_path) == adapter


def test_what_is_no_folder_is_said_to_be_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"):
        detect(tmp_path / "file")
    with pytest.raises(DatasetError, match="does not exist"):
        detect(tmp_path / "nothing")
