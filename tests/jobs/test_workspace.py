"""The workspace: what is left of an end in the middle of a change, and which spaces there are."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from jobs.engine.inprocess import run
from jobs.specs import EmbedAudio, EmbedText
from jobs.workspace import dataset_files
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Workspace

HOUR = 3600


def aged(path: Path) -> None:
    then = time.time() - HOUR
    os.utime(path, (then, then))


def test_a_dataset_whose_replacement_was_cut_short_comes_back(workspace):
    home = workspace.root / "datasets"
    before = workspace.dataset("tones").clips
    os.replace(home / "tones", home / ".old-x")  # where a replacement that died would have left it
    assert Workspace.open(workspace.root).datasets() == []  # another process may still be at it
    aged(home / ".old-x")
    (dataset,) = Workspace.open(workspace.root).datasets()
    assert dataset.clips.equals(before)
    assert [p.name for p in home.iterdir()] == ["tones"]


def test_what_a_cut_replacement_left_goes(workspace):
    home = workspace.root / "datasets"
    for name in (".new-a", ".old-b", ".new-c"):
        (home / name).mkdir()
        (home / name / "clips.parquet").write_bytes(b"half")
    aged(home / ".new-a")
    aged(home / ".old-b")
    Workspace.open(workspace.root)
    assert sorted(p.name for p in home.iterdir()) == [".new-c", "tones"]


@pytest.mark.parametrize("when", ["between the two renames", "after them"])
def test_a_dataset_is_replaced_while_another_process_mends(workspace, monkeypatch, when):
    home = workspace.root / "datasets"
    aged(home / "tones")
    about = {"name": "tones", "note": "replaced"}
    replace = os.replace

    def disturbed(source, target):
        second = Path(source).name.startswith(".new-") and Path(target) == home / "tones"
        if second and when == "between the two renames":
            dataset_files.mend(home)
        replace(source, target)
        if second and when == "after them":
            for old in home.glob(".old-*"):
                shutil.rmtree(old)

    monkeypatch.setattr("os.replace", disturbed)
    dataset_files.store(home, "tones", about, {})
    assert dataset_files.read_json(home / "tones" / "dataset.json") == about
    assert [p.name for p in home.iterdir()] == ["tones"]


@pytest.mark.parametrize("template", ["{}", "the sound of {}"])
def test_spaces_of_texts_are_listed_with_what_was_embedded(workspace, template):
    dataset = workspace.dataset("tones")
    texts = texts_fingerprint(texts_of(dataset, "label"))
    spec = EmbedText(dataset=dataset.ref, texts=texts, encoder="minilm", template=template)
    assert workspace.text_spaces(dataset) == []
    workspace.queue.submit(spec)
    (space,) = workspace.text_spaces(dataset)
    assert (space.spec, space.state) == (spec, "queued")
    assert space.name == "minilm · labels" + ("" if template == "{}" else " in “the sound of {}”")
    assert workspace.spaces(dataset) == []


def test_spaces_of_sounds_and_of_texts_are_kept_apart(workspace):
    dataset = workspace.dataset("tones")
    assert run(workspace, EmbedAudio(dataset=dataset.ref, encoder="melstats")).state == "done"
    assert [s.encoder for s in workspace.spaces(dataset)] == ["melstats"]
    assert workspace.text_spaces(dataset) == []


def test_spaces_of_texts_that_have_changed_since_are_not_listed(workspace):
    dataset = workspace.dataset("tones")
    workspace.queue.submit(EmbedText(dataset=dataset.ref, texts="0" * 64, encoder="minilm"))
    assert workspace.text_spaces(dataset) == []
