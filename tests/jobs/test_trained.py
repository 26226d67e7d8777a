"""Spaces that a training made: parts of its result that become spaces like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from jobs.encoders import UnknownEncoder, trained
from jobs.engine.inprocess import run
from jobs.presets import class_texts
from jobs.specs import EmbedAudio, EmbedText, Neighbors, Separability, Spec, SpecError, from_json
from jobs.workspace.workspace import Workspace


def training(workspace: Workspace, *, rows: int = 24, **files: np.ndarray) -> Spec:
    """Store what a training would; any spec can stand for one."""
    dataset = workspace.dataset("tones")
    heard = EmbedAudio(dataset=dataset.ref, encoder="melstats")
    spec = Separability(embedding=heard, labels=dataset.labels_fingerprint)
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.table("clips", {"clip_id": [str(id) for id in dataset.clips["clip_id"]][:rows][::-1]})
        labels = [str(label) for label in dataset.classes["label"]][::-1]
        w.table("texts", {"id": labels, "text": [f"the sound of {label}" for label in labels]})
        for name, values in files.items():
            w.array(name, values)
        w.meta["cards"] = {"ea": {"modality": "audio & language", "parameters": 12}}
    return spec


def audio(workspace: Workspace, source: Spec, part: str = "ea") -> EmbedAudio:
    name = trained.encoder_name("CLAP, clean", source.key)
    return EmbedAudio(dataset=workspace.dataset("tones").ref, encoder=name, source=source, run=part)


def text(workspace: Workspace, source: Spec, part: str = "et") -> EmbedText:
    asked = class_texts(workspace.dataset("tones"), "minilm", of="label")
    name = trained.encoder_name("CLAP, clean", source.key)
    return replace(asked, encoder=name, identity="", source=source, run=part)


def test_a_part_becomes_a_space(workspace: Workspace) -> None:
    X = np.random.default_rng(0).standard_normal((24, 5)).astype(np.float32)
    spec = audio(workspace, training(workspace, audio_ea=X))
    job = run(workspace, spec)
    assert job.state == "done", job.error
    made = workspace.cache.open(spec.key)
    ids = made.table("clips").to_pandas()["clip_id"].tolist()
    assert ids == [str(id) for id in workspace.dataset("tones").clips["clip_id"]][::-1]
    np.testing.assert_array_equal(made.array("embeddings"), X)
    assert made.meta["card"]["parameters"] == 12
    assert made.meta["dimensions"] == 5
    assert made.table("excluded").num_rows == 0
    (space,) = workspace.spaces(workspace.dataset("tones"))
    assert (space.encoder, space.spec, space.state) == (spec.encoder, spec, "done")
    # What is made of spaces can be made of it.
    assert run(workspace, Neighbors(embedding=spec, k=3)).state == "done"


def test_clips_that_the_training_has_not(workspace: Workspace) -> None:
    X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    X[4, 1] = np.nan
    spec = audio(workspace, training(workspace, rows=20, audio_ea=X))
    assert run(workspace, spec).state == "done"
    made = workspace.cache.open(spec.key)
    np.testing.assert_array_equal(made.array("embeddings"), np.delete(X, 4, axis=0))
    excluded = made.table("excluded").to_pandas()
    assert excluded["reason"].tolist() == ["the training gave no embedding of it"] * 5


def test_texts_come_in_the_order_of_the_dataset(workspace: Workspace) -> None:
    E = np.arange(8, dtype=np.float32).reshape(4, 2)
    spec = text(workspace, training(workspace, text_et=E))
    job = run(workspace, spec)
    assert job.state == "done", job.error
    made = workspace.cache.open(spec.key)
    np.testing.assert_array_equal(made.array("embeddings"), E[::-1])
    told = made.table("texts").to_pandas()
    assert told["text"].tolist() == [f"the sound of {id}" for id in told["id"]]
    assert [s.spec for s in workspace.text_spaces(workspace.dataset("tones"))] == [spec]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"audio_other": np.zeros((24, 2), np.float32)}, "no part 'ea'"),
        ({"audio_ea": np.full((24, 2), np.nan, np.float32)}, "its model failed"),
        ({"audio_ea": np.zeros((3, 2), np.float32)}, "3 embeddings for 24 clips"),
    ],
)
def test_a_part_that_is_none(workspace: Workspace, files: dict[str, np.ndarray], message: str) -> None:
    job = run(workspace, audio(workspace, training(workspace, **files)))
    assert job.state == "failed"
    assert message in str(job.error)


def test_the_key_tells_trainings_and_parts_apart(workspace: Workspace) -> None:
    source = training(workspace)
    one, other = audio(workspace, source), audio(workspace, source, "xa")
    assert one.key != other.key
    assert one.inputs() == (source,)
    # The name of the training is for people; its key is in the identity.
    assert source.key in one.identity
    assert from_json(one.to_json()) == one
    assert from_json(text(workspace, source).to_json()) == text(workspace, source)


def test_other_spaces_keep_the_keys_from_before_there_were_trainings(workspace: Workspace) -> None:
    spec = EmbedAudio(dataset=workspace.dataset("tones").ref, encoder="melstats")
    fields = {"dataset": spec.dataset.fingerprint, "encoder": "melstats", "identity": spec.identity}
    asked = {"type": "EmbedAudio", "version": 1, "fields": fields}
    assert spec.key == sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_half_of_what_it_needs_is_refused(workspace: Workspace) -> None:
    source, ref = training(workspace), workspace.dataset("tones").ref
    for given in (
        {"encoder": "melstats", "source": source, "run": "ea"},
        {"encoder": "trained:x"},
        {"encoder": "trained:x", "source": source},
        {"encoder": "trained:x", "run": "ea"},
    ):
        with pytest.raises(SpecError, match="A trained space needs"):
            EmbedAudio(dataset=ref, **given)  # type: ignore[arg-type]
    with pytest.raises(UnknownEncoder, match="nothing embeds others"):
        trained.load("x", modality="audio", device="cpu")


def test_names() -> None:
    assert trained.encoder_name("  ADD (1, 0, 1, 0) ", "f" * 64) == "trained:add-1-0-1-0@ffffff"
    assert trained.encoder_name("…", "f" * 64) == "trained:space@ffffff"
