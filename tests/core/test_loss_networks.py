"""Networks trained with losses: as a plain loop trains them, whatever interrupts, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.audio import mel_filterbank
from core.heads import HeadRecipe
from core.heads.data import initial_weights
from core.losses import add_loss, cross_entropy
from core.networks import PooledCNN, Tuning, paper_log_mel, spec_augment, train_networks
from core.training.draws import epoch_order
from tests.core.memory import Memory

N, C, BANDS, FRAMES = 18, 3, 4, 6
RECIPES = [HeadRecipe(loss=loss, dim=3, epochs=3, batch_size=5, learning_rate=0.02) for loss in ("ce", "add")]
PLAIN = Tuning(time_mask=2, frequency_mask=1)


class Mean(nn.Module):
    """One layer on the means over time: small enough to follow."""

    dim = 5

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = nn.Linear(BANDS, 5)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(5, BANDS, generator=generator))
            self.layer.bias.zero_()

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(mel.mean(dim=2)))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    codes = np.arange(N) % C
    mel = (
        random.standard_normal((N, BANDS, FRAMES))
        - 30
        + 8 * codes[:, None, None] * (np.arange(BANDS) < 2)[:, None]
    )
    return mel.astype(np.float32), np.array(["a", "b", "c"])[codes], np.arange(N) // C % 3


def loop(
    mel: np.ndarray, labels: np.ndarray, folds: np.ndarray, recipe: HeadRecipe, seed: int, fold: int
) -> tuple[np.ndarray, list[float]]:
    """Train one model in the plainest way; return embeddings of the fold and mean losses."""
    train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    wide = mel[train].astype(np.float64)
    x = torch.from_numpy(((mel - wide.mean()) / (2 * wide.std())).astype(np.float32))
    y = torch.from_numpy(np.unique(labels, return_inverse=True)[1])
    network = Mean(seed)
    start = initial_weights(seed, 5, recipe, C)
    embedding, classes = nn.Linear(5, recipe.dim), nn.Linear(recipe.dim, C)
    for layer, name in ((embedding, "embedding"), (classes, "class")):
        layer.weight.data = torch.from_numpy(start[f"{name}_weight"].T.copy())
        layer.bias.data = torch.from_numpy(start[f"{name}_bias"].copy())
    weights = [*network.parameters(), *embedding.parameters(), *classes.parameters()]
    optimiser = torch.optim.AdamW(
        weights, recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
    )
    losses = []
    for epoch in range(recipe.epochs):
        masks = torch.Generator().manual_seed(int(np.random.default_rng([seed, 4, epoch]).integers(2**62)))
        order, total = epoch_order(seed, epoch, len(train)), 0.0
        for first in range(0, len(order), recipe.batch_size):
            rows = train[order[first : first + recipe.batch_size]]
            z = embedding(network(spec_augment(x[rows], time=2, frequency=1, generator=masks)))
            loss = cross_entropy(classes(z), y[rows])
            if recipe.loss == "add":
                loss = loss + add_loss(z, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
        losses.append(total / len(train))
    with torch.no_grad():
        return embedding(network(x[test])).numpy(), losses


def test_networks_are_those_of_a_plain_loop(data: tuple[np.ndarray, ...]) -> None:
    seen: list[tuple[int, int]] = []
    shown: list[np.ndarray] = []
    runs = train_networks(
        *data,
        backbone=Mean,
        recipes=RECIPES,
        tuning=PLAIN,
        seeds=[0, 1],
        keep_epochs=[0, 1, 3],
        keep_rows=[2, 0],
        keep_models=lambda seed, fold: seed == 0 and fold == 1,
        progress=lambda done, total: seen.append((done, total)),
        watch=shown.append,
    )
    assert [(r.recipe.loss, r.seed, r.fold) for r in runs] == [
        (loss, seed, fold) for loss in ("ce", "add") for seed in (0, 1) for fold in range(3)
    ]
    for run in runs[1::3]:
        z, losses = loop(*data, run.recipe, run.seed, int(str(run.fold)))
        np.testing.assert_allclose(run.tested, z, atol=1e-5)
        np.testing.assert_allclose(run.curves["loss"], losses, atol=1e-5)
    kept = runs[1]
    assert kept.embeddings.shape == (N, 3)
    np.testing.assert_allclose(kept.embeddings[kept.rows], kept.tested, atol=1e-6)
    np.testing.assert_allclose(kept.kept[2], kept.embeddings[[2, 0]], atol=1e-6)
    assert runs[0].embeddings.shape == (0, 3)
    assert runs[0].kept.shape[0] == 0
    assert seen[-1] == (36, 36)
    np.testing.assert_array_equal(shown[-1][4], np.stack(list(runs[4].curves.values())))


def test_a_training_that_was_killed_goes_on(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.engine._SECONDS", -1.0)
    memory = Memory()
    asked = {
        "backbone": Mean,
        "recipes": RECIPES[:1],
        "tuning": PLAIN,
        "seeds": [0],
        "keep_epochs": [0, 1, 3],
    }

    def stop(done: int, total: int) -> None:
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_networks(*data, **asked, progress=stop, checkpoint=memory)
    assert 0 < sum(piece["done"].sum() for piece in memory.pieces.values()) < 9
    began: list[int] = []
    again = train_networks(
        *data,
        **asked,
        progress=lambda done, total: began.append(done),
        checkpoint=memory,
    )
    whole = train_networks(*data, **asked)
    for a, b in zip(again, whole, strict=True):
        np.testing.assert_array_equal(a.kept, b.kept)
        np.testing.assert_array_equal(a.tested, b.tested)
        np.testing.assert_array_equal(a.predictions, b.predictions)
    # What is there of another training is not used.
    other = [replace(RECIPES[0], learning_rate=0.03)]
    fresh = train_networks(*data, **asked | {"recipes": other})
    reused = train_networks(*data, **asked | {"recipes": other}, checkpoint=memory)
    np.testing.assert_array_equal(fresh[0].tested, reused[0].tested)


def test_mixup_takes_soft_labels(data: tuple[np.ndarray, ...]) -> None:
    mixed = [
        replace(r, loss=loss, weights=(), mixup=1.0)
        for r, loss in zip(RECIPES, ("ce", "add-soft"), strict=True)
    ]
    plain = train_networks(*data, backbone=Mean, recipes=RECIPES[:1], tuning=PLAIN, seeds=[0])
    runs = train_networks(*data, backbone=Mean, recipes=mixed, tuning=PLAIN, seeds=[0])
    assert all(np.isfinite(run.curves["loss"]).all() for run in runs)
    # Mixtures are harder to tell than clips.
    assert runs[0].curves["loss"][-1] > plain[0].curves["loss"][-1]


def test_a_model_that_fails_leaves_the_others_alone(data: tuple[np.ndarray, ...]) -> None:
    wild = replace(RECIPES[0], learning_rate=1e30)
    good, bad = train_networks(
        *data, backbone=Mean, recipes=[RECIPES[0], wild], tuning=PLAIN, seeds=[0], held_out=[1]
    )
    assert not good.failed
    assert bad.failed.startswith("The loss was no longer a number in epoch ")
    assert np.isnan(bad.accuracy)
    assert bad.tested.shape == (0, 3)


@pytest.mark.parametrize("taper", ["hann", "povey"])
def test_the_front_end_is_the_papers(taper: str) -> None:
    random = np.random.default_rng(0)
    x = 0.1 * random.standard_normal((2, 8000)).astype(np.float32)
    ours = paper_log_mel(torch.from_numpy(x), taper=taper).numpy()
    filters = mel_filterbank(16_000, 512, n_mels=128, fmin=20.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    if taper == "povey":
        window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    for own, wave in zip(ours, x, strict=True):
        padded = np.pad(wave.astype(np.float64), 256)
        for frame in (0, 7, 50):
            # 25 ms every 10 ms, in the middle of what is transformed.
            part = padded[160 * frame : 160 * frame + 512][56:456] * window
            power = filters @ np.abs(np.fft.rfft(part, 512)) ** 2
            np.testing.assert_allclose(own[:, frame], 10 * np.log10(np.maximum(power, 1e-10)), atol=1e-2)


def test_every_step_has_the_rate_of_the_schedule(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam) -> None:
        taken.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    tuning = Tuning(optimizer="adam", time_mask=0, warm_up=2, warm_up_from=0.1, schedule="decay", decay=0.5)
    recipe = replace(RECIPES[0], learning_rate=0.02, epochs=4)
    train_networks(*data, backbone=Mean, recipes=[recipe], tuning=tuning, seeds=[0], held_out=[0])
    warm = [0.1 + i / 6 * (0.02 - 0.1) for i in range(1, 7)]  # 12 clips in batches of 5: three an epoch
    np.testing.assert_allclose(taken, [*warm, *[0.01] * 3, *[0.005] * 3])


def test_the_pooled_network_reads_means() -> None:
    network = PooledCNN(32, dim=4, width=2).eval()
    x = torch.randn(2, 32, 64)
    means = x.reshape(2, 16, 2, 16, 4).mean(dim=(2, 4))
    with torch.no_grad():
        np.testing.assert_allclose(network(x), network.network.embed(means), atol=1e-6)


def test_what_cannot_be_trained(data: tuple[np.ndarray, ...]) -> None:
    mel, labels, folds = data
    broken = mel.copy()
    broken[3, 0, 0] = np.nan
    for given, others, message in (
        ((mel[:, 0], labels, folds), {}, r"mel has shape \(18, 6\)"),
        ((broken, labels, folds), {}, "Row 3 of mel"),
        ((mel, np.full(N, "a"), folds), {}, "All clips are of the class 'a'"),
        ((mel, labels, np.zeros(N, int)), {}, "All clips are in fold 0"),
        ((mel, labels, folds), {"held_out": [7]}, "There is no fold 7; there are 0, 1, 2"),
        ((mel, labels, folds), {"held_out": []}, "held_out is empty"),
        ((mel, labels, folds), {"recipes": []}, "There are 0 recipes"),
    ):
        with pytest.raises(ValueError, match=message):
            train_networks(*given, **{"backbone": Mean, "recipes": RECIPES} | others)
