"""Networks trained with several losses as jobs: from scratch, from a transformer's weights, on real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.networks import PooledCNN, SmallCNN, Tuning, paper_log_mel, train_networks
from core.training import weights as stored
from jobs.encoders import EncoderUnavailable
from jobs.encoders.transformers import load, spectrogram_transformer
from jobs.engine.inprocess import run
from jobs.presets import trained_by_losses
from jobs.sound.files import decode
from jobs.specs import LossNetworkGrid, SpecError
from jobs.tasks.loss_training import head_recipes
from jobs.workspace.workspace import Workspace
from tests.jobs import tiny_models
from tests.jobs.loss_grids import failure, result

QUICK: dict[str, Any] = {
    "losses": ("ce", "add"),
    "add_weights": ((1.0, 1.0, 1.0, 1.0),),
    "dim": 3,
    "epochs": 2,
    "batch_size": 6,
    "learning_rate": 0.005,
    "seeds": 1,
    "folds": 2,
    "held_out": (0,),
    "seconds": 0.7,
    "width": 2,
    "keep": 2,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def grid(workspace: Workspace, **options: Any) -> LossNetworkGrid:
    dataset = workspace.dataset("tones")
    return LossNetworkGrid(dataset=dataset.ref, labels=dataset.labels_fingerprint, **QUICK | options)


def test_a_network_from_scratch_is_what_core_trains(workspace: Workspace) -> None:
    dataset = workspace.dataset("tones")
    broken = dataset.audio_path(str(dataset.clips["clip_id"].iloc[3]))
    broken.unlink()
    spec = grid(workspace)
    found = result(workspace, spec)
    clips = found.clips.to_pandas()
    assert len(clips) == 23
    assert found.left_out == {"without_class": 0, "not_finite": 0, "unreadable": 1}
    assert (found.before, found.folds["source"]) == ("network", "drawn")
    waves = [decode(dataset.audio_path(id), 16_000)[0] for id in clips["clip_id"]]
    whole = np.zeros((23, 11_200), np.float32)
    for row, x in zip(whole, waves, strict=True):
        row[: len(x)] = x
    mel = paper_log_mel(torch.from_numpy(whole)).numpy()
    runs = train_networks(
        mel.astype(np.float16),
        clips["label"],
        clips["fold"],
        backbone=lambda seed: PooledCNN(dim=3, width=2, seed=seed),
        recipes=head_recipes(spec),
        tuning=Tuning(),
        seeds=[0],
        held_out=[0],
        keep_epochs=[0, 2],
    )
    for r, trained in enumerate(runs):
        np.testing.assert_allclose(found.audio[r], trained.embeddings, atol=1e-4)
        network = PooledCNN(dim=3, width=2).eval()
        weights = found.weights[r]
        stored.load({"backbone": network}, weights)
        x = torch.from_numpy((mel - weights["mel.mean"]) / weights["mel.scale"]).float()
        with torch.no_grad():
            embedded = network(x).numpy() @ weights["embedding.weight"].T + weights["embedding.bias"]
        np.testing.assert_allclose(found.audio[r], embedded, atol=1e-3)
        unit = trained.kept / np.linalg.norm(trained.kept, axis=2, keepdims=True)
        np.testing.assert_allclose(found.kept_space[r], unit, atol=2e-3)
        np.testing.assert_allclose(found.curves[r], np.stack(list(trained.curves.values())), atol=1e-4)
    table = found.runs.to_pandas()
    assert table["accuracy"].tolist() == [pytest.approx(t.accuracy) for t in runs]
    # Both recipes begin as the same network.
    assert table["before_mu_p"].nunique() == 1
    parameters = sum(w.numel() for w in SmallCNN(64, dim=3, width=2).parameters())
    assert found.cards["1"]["parameters"] == parameters
    space = trained_by_losses(dataset, spec)[1]
    assert space.encoder.startswith("trained:add-1-1-1-1-on-small-cnn@")
    assert run(workspace, space).state == "done"


def test_a_network_that_was_killed_goes_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.engine._SECONDS", -1.0)
    spec = grid(workspace, epochs=3)

    def stop(job: Any, done: float, total: float, note: str) -> None:
        if done > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(workspace, spec, stop)
    folder = workspace.queue.folder(spec.key) / "checkpoint"
    assert (folder / "training" / "network-00000.npz").is_file()
    calls: list[int] = []
    monkeypatch.setattr("core.networks.paper_log_mel", lambda x: calls.append(1))
    found = result(workspace, spec)
    assert not calls  # spectrograms are there still
    table = found.runs.to_pandas()
    assert table["accuracy"].notna().all()
    assert np.isfinite(found.curves).all()


def test_a_transformer_is_tuned(workspace: Workspace, tmp_path: Path) -> None:
    folder = tiny_models.ast(tmp_path / "ast")
    spec = grid(workspace, network=f"transformers:{folder}", warm_up=1, schedule="cosine", optimizer="adam")
    assert str(folder) in spec.network
    found = result(workspace, spec)
    assert found.n_failed == 0
    assert found.audio[1].shape == (24, 3)
    # It moves: the space after training is not that of before.
    kept = found.kept_space[1].astype(float)
    assert np.abs(kept[1] - kept[0]).max() > 1e-2
    # Its own weights are where it begins.
    network, spectrogram = spectrogram_transformer(str(folder))
    wave = decode(workspace.dataset("tones").audio_path(found.clips.to_pandas()["clip_id"][0]), 16_000)[0]
    encoder = load(str(folder), modality="audio", device="cpu")
    mel = torch.from_numpy(spectrogram(wave))[None]
    extractor = encoder._extractor
    with torch.no_grad():
        ours = network((mel - extractor.mean) / (2 * extractor.std)).numpy()
    np.testing.assert_allclose(ours, encoder.embed([wave])[0], atol=1e-4)
    # Other weights under that name are another training.
    torch.manual_seed(1)
    changed = next(folder.glob("*.safetensors"))
    changed.write_bytes(changed.read_bytes()[:-4] + b"\0\0\0\1")
    stale = replace(spec, epochs=1)
    assert "has changed since this was asked for" in failure(workspace, stale)


def test_only_spectrogram_transformers_are_tuned(tmp_path: Path) -> None:
    folder = tiny_models.wav2vec2(tmp_path / "wav2vec2")
    with pytest.raises(EncoderUnavailable, match="is no audio spectrogram transformer"):
        spectrogram_transformer(str(folder))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "aisfx"}, "network is 'aisfx'; it must be small-cnn, or transformers:NAME"),
        ({"optimizer": "sgd"}, "it must be one of adamw, adam"),
        ({"schedule": "steps"}, "it must be one of constant, decay, cosine"),
        ({"seconds": 0.1}, "seconds is 0.1"),
        ({"width": 0}, "width is 0"),
        ({"frequency_mask": 200}, "frequency_mask is 200"),
    ],
)
def test_a_spec_says_what_is_wrong(workspace: Workspace, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        grid(workspace, **given)


def test_clips_without_classes_cannot_train(workspace: Workspace) -> None:
    dataset = workspace.dataset("tones")
    for id in dataset.clips["clip_id"]:
        dataset.audio_path(str(id)).unlink()
    assert "None of the 24 clips of tones could be read" in failure(workspace, grid(workspace))
