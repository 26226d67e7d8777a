"""Zero-shot classification by two towers: a CLAP checkpoint of random weights, and spaces made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.contrastive_presets import PROMPTS, classification
from jobs.engine.inprocess import run
from jobs.presets import class_texts
from jobs.specs import EmbedAudio, SpecError, ZeroShotClassification, from_json
from jobs.workspace.workspace import Workspace
from tests.jobs import tiny_models
from tests.jobs.test_cli import call


def unit(X: Any) -> np.ndarray:
    X = np.asarray(X, np.float64)
    return X / np.linalg.norm(X, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"transformers:{tiny_models.clap(tmp_path_factory.mktemp('clap'))}"


def test_a_random_clap_classifies(
    make_workspace: Callable[..., Workspace], clap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(n_clips=8)
    dataset = workspace.dataset("tones")
    spec = classification(dataset, clap, prompts=PROMPTS[:2])
    job = run(workspace, spec)
    assert job.state == "done", job.error
    found = workspace.cache.open(spec.key)
    X = unit(workspace.cache.open(spec.embedding.key).array("embeddings"))
    texts = [unit(workspace.cache.open(text.key).array("embeddings")) for text in spec.texts]
    ids = workspace.cache.open(spec.texts[0].key).table("texts").column("id").to_pylist()
    names = sorted(ids)
    E = unit(np.mean(texts, axis=0)[[ids.index(name) for name in names]])
    scores = X @ E.T
    labels = dataset.clips["label"].tolist()
    guess = [names[i] for i in scores.argmax(axis=1)]
    predictions = found.table("predictions").to_pandas()
    assert predictions["clip_id"].tolist() == dataset.clips["clip_id"].tolist()
    assert predictions["predicted"].tolist() == guess
    np.testing.assert_allclose(predictions["score"], scores.max(axis=1), atol=1e-6)
    own = [scores[i, names.index(label)] for i, label in enumerate(labels)]
    np.testing.assert_allclose(predictions["own_score"], own, atol=1e-6)
    right = np.array(guess) == np.array(labels)
    assert found.meta["accuracy"] == pytest.approx(right.mean())
    assert found.meta["chance"] == 0.25
    assert found.meta["prompts"] == ["{}", "the sound of {}"]
    classes = found.table("classes").to_pandas()
    assert classes["label"].tolist() == names
    assert classes["accuracy"].tolist() == [right[np.array(labels) == name].mean() for name in names]
    assert classes["n_predicted"].tolist() == [guess.count(name) for name in names]
    assert found.array("confusion").sum() == 8
    assert from_json(spec.to_json()) == spec

    where = ("-w", str(workspace.root))
    arguments = ("classify", "tones", clap, "--prompt", "{}", "--prompt", "the sound of {}", *where)
    status, out, err = call(capsys, *arguments, "--json")
    assert status == 0, err
    (told,) = json.loads(out)
    assert told["key"] == spec.key
    pairs = list(zip(labels, guess, strict=True))
    expected = [[pairs.count((a, b)) for b in names] for a in names]
    assert told["confusion"] == expected
    status, out, _ = call(capsys, *arguments)
    i = next(i for i, name in enumerate(names) if any(n for j, n in enumerate(expected[i]) if j != i))
    wrong = [0 if j == i else n for j, n in enumerate(expected[i])]
    assert f"{names[wrong.index(max(wrong))]} {max(wrong)}" in out
    assert "of 8 clips among 4 classes; chance is 0.250" in out


def made(workspace: Workspace, X: np.ndarray, E: np.ndarray) -> ZeroShotClassification:
    """Store a space of sounds and one of texts as if a model of two towers had made them."""
    dataset = workspace.dataset("tones")
    heard = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="test/1")
    told = replace(class_texts(dataset, "minilm", of="label"), identity="test/1")
    with workspace.cache.writer(heard.key, spec=heard.to_json()) as w:
        w.array("embeddings", X.astype(np.float32))
        w.table("clips", {"clip_id": dataset.clips["clip_id"].tolist()})
    labels = dataset.classes["label"].astype(str).tolist()
    with workspace.cache.writer(told.key, spec=told.to_json()) as w:
        w.array("embeddings", E.astype(np.float32))
        w.table("texts", {"id": labels[: len(E)], "text": labels[: len(E)]})
    return ZeroShotClassification(embedding=heard, texts=(told,), labels=dataset.labels_fingerprint)


def test_clips_and_classes_that_take_part(workspace: Workspace) -> None:
    dataset = workspace.dataset("tones")
    labels, names = dataset.clips["label"].to_numpy(), dataset.classes["label"].to_numpy()
    X = (labels[:, None] == names).astype(float) + 0.1
    X[0] = np.nan
    spec = made(workspace, X, np.eye(4))
    assert run(workspace, spec).state == "done"
    found = workspace.cache.open(spec.key)
    assert (found.meta["accuracy"], found.meta["n"], found.meta["left_out"]["not_finite"]) == (1, 23, 1)
    some = replace(spec, classes=("tone 3", "tone 1"))
    assert run(workspace, some).state == "done"
    meta = workspace.cache.open(some.key).meta
    assert (meta["n"], meta["n_classes"], meta["chance"]) == (12, 2, 0.5)
    assert meta["left_out"]["of_other_classes"] == 12


@pytest.mark.parametrize(
    ("X", "E", "message"),
    [
        (np.ones((24, 3)), np.eye(4), "two towers of one model"),
        (np.full((24, 4), np.nan), np.eye(4), "nothing to classify"),
        (np.ones((24, 2)), np.ones((3, 2)), "has no label among the texts"),
    ],
)
def test_what_cannot_be_classified(workspace: Workspace, X: np.ndarray, E: np.ndarray, message: str) -> None:
    job = run(workspace, made(workspace, X, E))
    assert job.state == "failed"
    assert message in str(job.error)


def test_what_cannot_be_asked_for(workspace: Workspace, tmp_path: Path) -> None:
    dataset = workspace.dataset("tones")
    spec = made(workspace, np.ones((24, 2)), np.ones((4, 2)))
    for changes, message in (
        ({"texts": ()}, "at least one"),
        ({"texts": spec.texts * 2}, "prompt is given twice"),
        ({"texts": (replace(spec.texts[0], of="caption"),)}, "Captions are texts of clips"),
        ({"classes": ("tone 1",)}, "at least 2"),
    ):
        with pytest.raises(SpecError, match=message):
            replace(spec, **changes)
    with pytest.raises(SpecError, match="no class 'unicorn'"):
        classification(dataset, "melstats", classes=["unicorn", "tone 1"])
    with pytest.raises(SpecError, match="No space 'trained:x@000000'"):
        classification(dataset, "trained:x@000000", workspace=workspace)
    with pytest.raises(ValueError, match="does not embed text"):
        classification(dataset, "melstats")
