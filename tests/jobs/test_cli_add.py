"""Adding a dataset and reading it again, from the command line; and what is exported of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from typer.testing import CliRunner

from core.words import count
from jobs import datasets as registry
from jobs.cli import app
from jobs.workspace.workspace import Workspace
from tests.jobs.bad_audio import RATE, tone
from tests.jobs.test_cli import call


@pytest.fixture
def home(tmp_path, monkeypatch):
    root = tmp_path / "home"
    monkeypatch.setenv("HEARSPACE_HOME", str(root))
    monkeypatch.setenv("COLUMNS", "300")
    return root


def digits(root: Path) -> Path:
    """Write 18 sounds named digit, speaker and take, and a table beside them."""
    rows = []
    for d in range(3):
        for who in ("george", "theo"):
            for take in range(3):
                path = root / "recordings" / f"{d}_{who}_{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                sf.write(path, tone(0.2, pitch=300.0 + 40 * d + take + 7 * (who == "theo")), RATE)
                rows.append((f"recordings/{path.name}", f"digit {d}", who, "train" if take else "test", take))
    with open(root / "info.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "speaker", "split", "take"), *rows])
    (root / "tools").mkdir(exist_ok=True)
    return root


def test_help_names_every_adapter():
    text = CliRunner().invoke(app, ["add", "--help"], env={"COLUMNS": "300"}).output
    assert [name for name in registry.builtin_modules() if name not in text] == []


def test_numbers_of_things_agree_with_their_nouns(home, tmp_path, capsys):
    assert [count(n, "class") for n in (0, 1, 2)] == ["0 classes", "1 class", "2 classes"]
    assert [count(n, "query") for n in (1, 2_000)] == ["1 query", "2,000 queries"]
    assert [count(2, noun) for noun in ("epoch", "batch", "loss")] == ["2 epochs", "2 batches", "2 losses"]
    root = digits(tmp_path / "x")
    (root / "info.csv").unlink()
    out = call(capsys, "add", "d", str(root))[1]
    assert "Added d: 18 clips, 1 class, 0 folds (folder)." in out
    assert "their names are alike, such as 0_george_0: 3, 2 and 3 values" in out
    assert "--replace -o 'name={label}_{part2}_{take}'" in out


def test_a_refresh_keeps_what_is_known_and_says_what_changes(home, tmp_path, capsys):
    root = digits(tmp_path / "x")
    out = call(capsys, "add", "d", str(root), "-o", "fold=speaker")[1]
    assert "18 clips, 3 classes, 2 folds (csv)" in out
    assert "Folds: 1 george, 2 theo." in out
    before = Workspace.open(home).dataset("d")
    out = call(capsys, "add", "d", "--replace")[1]
    assert f"Read again from {root}: adapter csv, fold=speaker." in out
    assert "No clip has changed." in out
    again = Workspace.open(home).dataset("d")
    assert (again.root, again.adapter, again.options) == (before.root, before.adapter, before.options)
    assert again.labels_fingerprint == before.labels_fingerprint

    # Other sounds, other labels: each is counted.
    sf.write(root / "recordings" / "0_george_0.wav", tone(0.2, pitch=999.0), RATE)
    (root / "recordings" / "1_theo_1.wav").unlink()
    text = (root / "info.csv").read_text().replace("digit 2,theo", "digit 0,theo")
    (root / "info.csv").write_text(text)
    out = call(capsys, "add", "d", "--replace")[1]
    assert "Clips: 1 gone, 1 with another content, 3 with other labels." in out

    # An option is added, changed or dropped by itself.
    out = call(capsys, "add", "d", "--replace", "-o", "labels=split")[1]
    assert "adapter csv, fold=speaker labels=split." in out
    assert "The options were fold=speaker." in out
    call(capsys, "add", "d", "--replace", "-o", "labels=", "-o", "fold=split")
    assert Workspace.open(home).dataset("d").options == {"fold": "split"}


def test_another_folder_or_adapter_is_never_taken_silently(home, tmp_path, capsys):
    root, other = digits(tmp_path / "x"), digits(tmp_path / "y")
    call(capsys, "add", "d", str(root), "-o", "fold=speaker")
    out = call(capsys, "add", "d", str(other), "--replace")[1]
    assert f"Read again from {other}: adapter csv, fold=speaker." in out
    assert f"The folder was {root}." in out
    out = call(capsys, "add", "d", "--replace", "--adapter", "folder")[1]
    assert "The adapter was csv." in out
    assert "Options of the adapter csv were dropped: fold=speaker." in out
    assert Workspace.open(home).dataset("d").options == {}
    status, out, _ = call(capsys, "add", "d", "--replace", "--adapter", "auto", "--json")
    (row,) = json.loads(out)
    assert (status, row["adapter"], row["changes"][1]) == (0, "csv", "The adapter was folder.")


def test_a_synthetic_world_that_is_made_again_keeps_its_options(home, capsys):
    given = [w for o in ("classes=12", "clips_per_class=1", "seconds=0.25") for w in ("-o", o)]
    call(capsys, "add", "world", "--adapter", "synthetic", *given)
    out = call(capsys, "add", "world", "--replace", "-o", "clips_per_class=2")[1]
    source = Workspace.open(home).dataset("world").source
    assert source is not None
    assert (source.classes, source.clips_per_class, source.seconds) == (12, 2, 0.25)
    assert "Made again" in out


def test_clips_without_a_label_are_no_class(home, tmp_path, capsys):
    root = digits(tmp_path / "x")
    text = (root / "info.csv").read_text().replace("digit 2", "")
    (root / "info.csv").write_text(text)
    assert "18 clips (6 without a label), 2 classes" in call(capsys, "add", "d", str(root))[1]
    (row,) = json.loads(call(capsys, "datasets", "--json")[1])
    assert (row["clips"], row["classes"], row["unlabelled"]) == (18, 2, 6)
    assert "unlabelled" in call(capsys, "datasets")[1]
    out = call(capsys, "measure", "d", "melstats")[1]
    assert "over the 12 of 18 clips with a class" in out
    assert "clips of one speaker may be in both training and test" in out
    (row,) = json.loads(call(capsys, "measure", "d", "melstats", "--json")[1])
    assert (row["n"], row["labelled"], row["classes"], row["folds"]) == (18, 12, 2, "drawn")


def test_groups_are_held_out_by_their_names(home, tmp_path, capsys):
    root = digits(tmp_path / "x")
    out = call(capsys, "add", "d", str(root))[1]
    assert "Clips of one speaker could be held out together: `--replace -o fold=speaker`" in out
    call(capsys, "add", "d", "--replace", "-o", "fold=speaker")
    words = ("train", "losses", "d", "melstats", "--print-spec", "--hold-out")
    assert json.loads(call(capsys, *words, "theo")[1])["fields"]["held_out"] == [2]
    assert json.loads(call(capsys, *words, "1")[1])["fields"]["held_out"] == [1]
    status, _, err = call(capsys, *words, "jackson")
    assert (status, "d has no fold 'jackson' to hold out; its folds are george, theo." in err) == (2, True)


def test_exports_hold_all_that_is_known_of_the_clips(home, tmp_path, capsys):
    root = digits(tmp_path / "x")
    (root / "info.csv").write_text((root / "info.csv").read_text().replace("digit 0,", "digit 0;zero,"))
    call(capsys, "add", "d", str(root), "-o", "fold=speaker", "-o", "separator=;")
    call(capsys, "embed", "d", "melstats")
    for kind in ("csv", "parquet", "npz"):
        assert call(capsys, "export", "d", "melstats", str(tmp_path / f"e.{kind}"))[0] == 0
    clips = Workspace.open(home).dataset("d").clips
    table = pd.read_csv(tmp_path / "e.csv")
    assert table["path"].tolist() == clips["path"].tolist()
    assert table["speaker"].tolist() == clips["speaker"].tolist()
    assert table["fold"].tolist() == clips["fold"].tolist()
    assert table["labels"].tolist()[0] == "digit 0; zero"
    parquet = pd.read_parquet(tmp_path / "e.parquet")
    assert parquet["labels"].iloc[0] == "digit 0; zero"
    with np.load(tmp_path / "e.npz", allow_pickle=False) as arrays:
        assert arrays["all_labels"][0] == "digit 0; zero"
        assert arrays["labels"][0] == "digit 0"
        assert arrays["speaker"].tolist() == clips["speaker"].tolist()
        assert arrays["fold"].tolist() == clips["fold"].tolist()
        assert arrays["take"].dtype == np.int64
        np.testing.assert_array_equal(arrays["embeddings"], parquet.filter(regex=r"^e\d+$").to_numpy())
    # What is written here can be read again as it was.
    for kind in ("csv", "parquet", "npz"):
        out = call(capsys, "import-embeddings", "d", kind, str(tmp_path / f"e.{kind}"))[1]
        assert "18 of 18 clips × 128 dimensions" in out
