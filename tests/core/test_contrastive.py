import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.special import ndtr

from core.contrastive import (
    CURVES,
    PAPER,
    SMALL,
    ContrastiveRecipe,
    ModelPlan,
    Teacher,
    Waveforms,
    embed_sounds,
    train_grid,
    train_towers,
)
from core.contrastive.data import epoch_pairs, windows
from core.contrastive.model import Heads
from core.networks import SmallCNN
from core.zeroshot import zero_shot
from tests.core.memory import Memory
from tests.core.references.contrastive import train_model

RATE = 8000
RECIPE = ContrastiveRecipe(
    dim=6,
    hidden=9,
    frozen_epochs=2,
    frozen_rate=1e-2,
    rate=1e-3,
    max_epochs=4,
    sample_rate=RATE,
    seconds=0.35,
    batch_size=16,
    pretrain_epochs=3,
    pretrain_rate=1e-2,
    pretrain_batch_size=8,
)
PITCH = np.array([0.05, 0.2, 0.6, 1.4])  # radians a sample, of each class


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def world(n=32, seed=0):
    """Tones in noise, shorter and longer than a crop; two captions a clip that tell the class."""
    random = np.random.default_rng(seed)
    codes = np.arange(n) % 4
    sounds = [
        np.sin(PITCH[c] * np.arange(size)) + 0.3 * random.standard_normal(size)
        for c, size in zip(codes, random.integers(2000, 7000, n), strict=True)
    ]
    captions = random.standard_normal((4, 5))[np.repeat(codes, 2)] + 0.2 * random.standard_normal((2 * n, 5))
    pairs = np.stack([np.repeat(np.arange(n), 2), np.arange(2 * n)], axis=1)
    return Waveforms(sounds, RATE), captions, pairs, codes


def small(seed=0):
    return SmallCNN(16, dim=7, width=2, sample_rate=RATE, seed=seed)


SOUNDS, CAPTIONS, PAIRS, CODES = world()
BACKBONES = {"one": small(1), "two": small(2)}
PLANS = [
    ModelPlan("dirty/dirty", "one", PAIRS),
    ModelPlan("dirty/clean", "one", PAIRS[CODES[PAIRS[:, 0]] != 3]),
    ModelPlan("none/dirty", "two", PAIRS),
]


def train(
    plans=PLANS, recipe=RECIPE, seeds=None, sounds=SOUNDS, captions=CAPTIONS, backbones=BACKBONES, **more
):
    seeds = [4] * len(plans) if seeds is None else seeds
    return train_grid(plans, sounds, captions, backbones=backbones, recipe=recipe, seeds=seeds, **more)


def differences(a, b):
    x, y = a.state(), b.state()
    assert x.keys() == y.keys()
    return max(float(np.abs(x[name].astype(float) - y[name].astype(float)).max()) for name in x)


@pytest.fixture(scope="module")
def grid():
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # two models side by side, whatever the machine has
    models = train()
    torch.set_num_threads(before)
    return models


def test_settings_are_the_papers():
    """Section 2.1, (a) to (j); (a) is what a plan and a text backbone begin with."""
    said = {
        "b": {"frozen_epochs": 5},
        "c": {"frozen_rate": 1e-4},
        "d": {"tune_text": (False, True), "validation": 0.2, "validation_by": ("clip", "pair")},
        "e": {"rate": 1e-5},
        "f": {"gradient_limit": 100},
        "g": {"clamp": 100},
        "h": {"plateau_factor": 0.1, "plateau_patience": 10},
        "i": {"sample_rate": 44_100, "seconds": 5.0, "standardise": True},
        "j": {"batch_size": 128},
        "figure 1": {"dim": 1024},
    }
    default, paper = ContrastiveRecipe(), PAPER
    for item, settings in said.items():
        for name, value in settings.items():
            first, second = value if isinstance(value, tuple) else (value, value)
            assert (getattr(default, name), getattr(paper, name)) == (first, second), (item, name)
    same = [f.name for f in fields(default) if getattr(default, f.name) == getattr(paper, f.name)]
    assert {f.name for f in fields(default)} - set(same) == {"tune_text", "validation_by"}
    assert SMALL.sample_rate < paper.sample_rate
    assert SMALL.seconds < paper.seconds


def test_a_grid_is_each_model_alone(grid):
    for plan, model in zip(PLANS, grid, strict=True):
        alone = train_model(plan, SOUNDS, CAPTIONS, backbones=BACKBONES, recipe=RECIPE, seed=4)
        assert differences(alone, model) < 1e-4
        assert (alone.best_epoch, alone.epochs, alone.failed) == (model.best_epoch, model.epochs, "")
        for name in CURVES:
            assert np.isfinite(model.curves[name]).all()
            np.testing.assert_allclose(alone.curves[name], model.curves[name], atol=1e-4)
        np.testing.assert_array_equal(alone.pairs.train, model.pairs.train)
    only = train([PLANS[1]])[0]
    assert differences(only, grid[1]) < 1e-5  # whatever is trained beside


@pytest.mark.parametrize("width", [8, 64])
def test_weights_are_the_same_to_the_bit_with_any_number_of_threads(width):
    """The wider network has over a million weights, whose operations get more threads than one."""
    recipe = replace(RECIPE, dim=32, hidden=64, max_epochs=3)
    backbones = {"one": SmallCNN(16, dim=256, width=width, sample_rate=RATE, seed=1)}
    plans = [replace(PLANS[0], pairs=PAIRS[:40])]
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(train(plans, recipe, backbones=backbones)[0])
        assert torch.get_num_threads() == threads
    for other in found[1:]:
        for name, weights in found[0].state().items():
            np.testing.assert_array_equal(weights, other.state()[name])
        np.testing.assert_array_equal(found[0].curves["loss"], other.curves["loss"])


def test_the_projector_of_clap_is_that_of_its_code():
    """Linear, GELU, linear, without biases; dropout, a residual connection, layer normalisation."""
    heads = Heads(7, 5, replace(RECIPE, projector="clap", hidden=None, dim=6), seed=3)
    one, two = heads.audio_projector.state_dict(), heads.text_projector.state_dict()
    assert {name: tuple(w.shape) for name, w in one.items()} == {
        "first.weight": (6, 7),
        "second.weight": (6, 6),
        "norm.weight": (6,),
        "norm.bias": (6,),
    }
    assert not np.array_equal(one["second.weight"], two["second.weight"])
    x = np.random.default_rng(0).standard_normal((9, 7))
    a, b = (one[f"{name}.weight"].numpy().astype(float).T for name in ("first", "second"))
    hidden = x @ a

    def after(kept):
        more = kept * ((hidden * ndtr(hidden)) @ b)
        y = hidden + more
        y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
        return y / np.linalg.norm(y, axis=1, keepdims=True)

    projector, given = heads.audio_projector, torch.from_numpy(x).float()
    np.testing.assert_allclose(projector.eval()(given).detach(), after(1), atol=1e-5)
    torch.manual_seed(5)
    found = projector.train()(given).detach()
    torch.manual_seed(5)
    np.testing.assert_allclose(found, after(torch.nn.Dropout(0.5)(torch.ones(9, 6)).numpy()), atol=1e-5)


def test_networks_that_were_given_stay_as_they_are():
    (model,) = train([PLANS[0]], replace(RECIPE, validation=0.0))
    for name, seed in (("one", 1), ("two", 2)):
        for key, weight in small(seed).state_dict().items():
            assert torch.equal(weight, BACKBONES[name].state_dict()[key])
    moved = (model.audio.out.weight - BACKBONES["one"].out.weight).abs().max()
    assert moved.item() > 1e-4
    assert model.best_epoch == 4


def test_a_model_is_what_layers_of_torch_give():
    """Written anew from the recipe; only draws are shared."""
    n, size = 12, round(0.35 * RATE)
    sounds = Waveforms(np.random.default_rng(0).standard_normal((n, size)) + 3, RATE)  # a crop is the clip
    pairs = np.stack([np.arange(n), np.arange(n)[::-1]], axis=1)
    recipe = replace(
        RECIPE, frozen_epochs=3, max_epochs=3, validation=0.0, batch_size=5, clamp=9.0, gradient_limit=0.2
    )
    plan = ModelPlan("alone", "one", pairs)
    (model,) = train([plan], recipe, sounds=sounds)
    start = train([plan], replace(recipe, max_epochs=1, frozen_rate=1e-30), sounds=sounds)[0].state()
    audio, text = (
        torch.nn.Sequential(torch.nn.Linear(d, 9), torch.nn.ReLU(), torch.nn.Linear(9, 6)).double()
        for d in (7, 5)
    )
    with torch.no_grad():
        for which, layers in (("audio", audio), ("text", text)):
            for layer, name in ((layers[0], "first"), (layers[2], "second")):
                layer.weight.copy_(torch.from_numpy(start[f"{which}_projector.{name}.weight"]))
                layer.bias.copy_(torch.from_numpy(start[f"{which}_projector.{name}.bias"]))
    scale = torch.tensor(np.log(1 / 0.07), requires_grad=True)
    learned = [*audio.parameters(), *text.parameters(), scale]
    optimiser = torch.optim.Adam(learned, lr=1e-2)
    x = np.stack([w - w.mean() for w in sounds.crop(np.arange(n), np.zeros(n, int), size).astype(float)])
    x = torch.from_numpy(x / x.std(axis=1, keepdims=True)).float()
    with torch.no_grad():
        x_a = copy.deepcopy(BACKBONES["one"]).eval()(x).double()
    losses = []
    for epoch in range(3):
        order = np.random.default_rng([4, 1, epoch]).permutation(n)
        total = 0.0
        for batch in (order[:5], order[5:10], order[10:]):
            E_a = torch.nn.functional.normalize(audio(x_a[pairs[batch, 0]]))
            E_t = torch.nn.functional.normalize(text(torch.from_numpy(CAPTIONS[pairs[batch, 1]])))
            C = (E_a @ E_t.T * scale.exp()).clamp(-9, 9)
            loss = -(C.log_softmax(0).diag().mean() + C.log_softmax(1).diag().mean()) / 2
            optimiser.zero_grad()
            loss.backward()
            norm = torch.stack([w.grad.square().sum() for w in learned]).sum().sqrt()
            for w in learned:
                w.grad *= min(1, 0.2 / float(norm + 1e-6))
            optimiser.step()
            total += loss.item() * len(batch)
        losses.append(total / n)
    np.testing.assert_allclose(model.curves["loss"], losses, atol=1e-4)
    assert model.curves["temperature"][-1] == pytest.approx((-scale).exp().item(), abs=1e-5)
    np.testing.assert_allclose(
        model.state()["text_projector.first.weight"], text[0].weight.detach(), atol=1e-4
    )
    assert model.best_epoch == 3
    assert np.isnan(model.curves["validation_loss"]).all()


class Counting(torch.nn.Module):
    """A backbone that says how many clips went through it, and how."""

    dim = 4

    def __init__(self, passes):
        super().__init__()
        self.layer, self.passes = torch.nn.Linear(round(0.35 * RATE), 4), passes

    def __deepcopy__(self, memo):
        new = Counting(self.passes)
        new.load_state_dict(self.state_dict())
        return new

    def forward(self, x):
        self.passes.append((len(x), torch.is_grad_enabled()))
        return self.layer(x)


def test_while_frozen_a_clip_passes_once_for_all_captions_and_models():
    passes = []
    plans = [replace(PLANS[0], name=str(i)) for i in range(3)]
    train(plans, replace(RECIPE, max_epochs=2), backbones={"one": Counting(passes)})
    n_held = round(0.2 * 32)
    assert sum(n for n, _ in passes) == 2 * (32 - n_held) + n_held
    assert not any(gradient for _, gradient in passes)
    passes.clear()
    for plan in plans:
        train_model(
            plan,
            SOUNDS,
            CAPTIONS,
            backbones={"one": Counting(passes)},
            recipe=replace(RECIPE, max_epochs=2),
            seed=4,
        )
    assert sum(n for n, _ in passes) == 3 * 2 * 64


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
def test_an_end_in_the_middle_is_no_loss(grid, share, monkeypatch):
    monkeypatch.setattr("core.training.engine._SECONDS", 0.0)
    monkeypatch.setattr("core.training.engine._SAVING", 1.0)
    monkeypatch.setattr("core.training.engine._TELL", 0.0)
    kept = Memory()

    def interrupt(done, to_do):
        if done > share * to_do:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(progress=interrupt, checkpoint=kept)
    told = []
    again = train(progress=lambda *now: told.append(now), checkpoint=kept)
    assert 0 < told[0][0] <= share * told[0][1] + 100
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    for model, expected in zip(again, grid, strict=True):
        assert differences(model, expected) == 0
        for name in CURVES:
            np.testing.assert_array_equal(model.curves[name], expected.curves[name])
    told.clear()
    train(progress=lambda *now: told.append(now), checkpoint=kept)
    assert told == [(told[0][1], told[0][1])]  # all was there
    other = []
    train(
        seeds=[4, 4, 5],
        progress=lambda *now: other.append(now),
        checkpoint=kept,
        recipe=replace(RECIPE, max_epochs=1),
    )
    assert other[0][0] == 0  # what is of other trainings is not used


def test_progress_and_curves_from_the_first_batch_on(monkeypatch):
    monkeypatch.setattr("core.training.engine._TELL", 0.0)
    told, seen = [], []
    models = train(progress=lambda *now: told.append(now), watch=seen.append)
    assert told[0][0] == 0
    assert len(told) > 2 * 3 * 4
    assert np.diff([done for done, _ in told]).max() < 0.1 * told[0][1]
    assert seen[0].shape == (3, 5, 4)
    assert np.isfinite(seen[0][:, 0, 0]).sum() in (1, 2)  # models of one backbone end an epoch together
    for i, model in enumerate(models):
        np.testing.assert_array_equal(seen[-1][i], [model.curves[name] for name in CURVES])


class Poisoned(torch.nn.Module):
    """A backbone whose output is no number any more after some passes that learn."""

    dim = 7

    def __init__(self, good):
        super().__init__()
        self.inner, self.left = small(1), good

    def forward(self, x):
        self.left -= self.training
        return self.inner(x) * (float("nan") if self.left < 0 else 1.0)


def test_a_model_that_fails_leaves_the_others_alone(grid):
    plans = [*PLANS, replace(PLANS[0], name="bad", backbone="bad")]
    models = train(plans, backbones=BACKBONES | {"bad": Poisoned(5)})
    *fine, bad = models
    for model, expected in zip(fine, grid, strict=True):
        assert differences(model, expected) < 1e-5
    assert bad.failed == "The loss was no longer a number in epoch 4 (bad, seed 4)."
    assert (bad.best_epoch, bad.epochs) == (0, 3)
    assert np.isnan(bad.temperature)
    assert np.isfinite(bad.curves["loss"][:3]).all()
    assert np.isnan(bad.curves["loss"][3])
    with pytest.raises(ValueError, match="no longer a number in epoch 4"):
        bad.embed_text(CAPTIONS)
    alone = train_model(plans[3], SOUNDS, CAPTIONS, backbones={"bad": Poisoned(5)}, recipe=RECIPE, seed=4)
    assert alone.failed == bad.failed
    wild = replace(RECIPE, frozen_rate=1e30, max_epochs=1, validation=0.0, batch_size=64)
    (model,) = train([PLANS[0]], wild)
    assert model.failed or np.isfinite(model.state()["text_projector.first.weight"]).all()


class Broken(torch.nn.Module):
    dim = 7

    def forward(self, x):
        raise RuntimeError("out of order")


def test_errors_of_a_network_are_not_swallowed():
    plans = [*PLANS, replace(PLANS[0], backbone="broken")]
    with pytest.raises(RuntimeError, match="out of order"):
        train(plans, backbones=BACKBONES | {"broken": Broken()})


def test_nothing_of_a_validation_clip_is_trained_on():
    (model,) = train([PLANS[0]])
    held = np.unique(model.pairs.validation[:, 0])
    assert len(held) == round(0.2 * 32)
    assert not np.isin(model.pairs.train[:, 0], held).any()
    assert sorted(map(tuple, np.concatenate([model.pairs.train, model.pairs.validation]))) == sorted(
        map(tuple, PAIRS)
    )
    changed = CAPTIONS.copy()
    changed[model.pairs.validation[:, 1]] += 1
    (other,) = train([PLANS[0]], captions=changed)
    np.testing.assert_array_equal(other.curves["loss"], model.curves["loss"])
    assert np.abs(other.curves["validation_loss"] - model.curves["validation_loss"]).min() > 1e-4
    clean = train([PLANS[1]])[0]  # on part of the clips: validated on the same ones as far as it has them
    shared = set(clean.pairs.validation[:, 0]) & set(held)
    assert len(shared) >= min(len(held), len(np.unique(clean.pairs.validation[:, 0]))) - 2
    (by_pair,) = train([PLANS[0]], replace(RECIPE, validation_by="pair", max_epochs=1))
    assert len(by_pair.pairs.validation) == round(0.2 * len(PAIRS))
    assert set(by_pair.pairs.train[:, 0]) & set(by_pair.pairs.validation[:, 0])


def test_a_model_stops_when_it_gets_no_better():
    useless = replace(
        RECIPE, rate=1e-30, learn_temperature=False, max_epochs=9, patience=2, plateau_patience=0
    )
    (model,) = train([PLANS[0]], useless)
    loss = model.curves["validation_loss"]
    # Epoch 3 is the first of the tuned ones; batch norms alone still move after it.
    low = 3 + int(np.nanargmin(loss[2:]))
    assert model.epochs == low + 2 < 9
    assert model.stopped == f"No lower loss in validation for 2 epochs, up to epoch {model.epochs}."
    assert model.best_epoch == 1 + int(np.nanargmin(loss))
    assert np.isnan(loss[model.epochs :]).all()
    rates = model.curves["rate"]
    np.testing.assert_allclose(rates[:2], 1e-2)
    assert rates[low] == pytest.approx(1e-30)
    assert rates[low + 1] == pytest.approx(1e-31)  # after one epoch that was no better
    alone = train_model(PLANS[0], SOUNDS, CAPTIONS, backbones=BACKBONES, recipe=useless, seed=4)
    assert (alone.stopped, alone.best_epoch) == (model.stopped, model.best_epoch)
    np.testing.assert_allclose(alone.curves["rate"], rates)


def test_clamp_and_gradient_limit_are_felt():
    base = replace(RECIPE, max_epochs=2)
    cold = replace(base, temperature=0.001)  # C is in the hundreds
    (free,), (cut,) = train([PLANS[0]], cold), train([PLANS[0]], replace(cold, clamp=0.5))
    most = np.log(17) + 2 * 0.5  # cross-entropy of 17 classes with C within ±0.5
    assert cut.curves["loss"].max() < most < free.curves["loss"][0]
    (free,) = train([PLANS[0]], base)
    (limited,) = train([PLANS[0]], replace(base, gradient_limit=1e-12))
    assert limited.curves["gradient_norm"][0] > 0.1  # as it was before
    assert limited.curves["loss"][1] > free.curves["loss"][1] + 0.1  # hardly a step
    assert np.abs(np.diff(limited.curves["temperature"])).max() < 1e-3
    (fixed,) = train([PLANS[0]], replace(base, learn_temperature=False, temperature=0.2))
    np.testing.assert_allclose(fixed.curves["temperature"], 0.2, rtol=1e-6)
    assert free.temperature != pytest.approx(0.07, abs=1e-6)
    (other,) = train([PLANS[0]], base, seeds=[5])
    assert np.abs(other.curves["loss"] - free.curves["loss"]).min() > 1e-4


class Words(torch.nn.Module):
    """A text backbone: the mean of vectors of letters, and dropout."""

    dim = 5

    def __init__(self):
        super().__init__()
        self.letters, self.dropout = torch.nn.Embedding(128, 5), torch.nn.Dropout(0.2)
        with torch.no_grad():
            self.letters.weight.copy_(torch.from_numpy(np.random.default_rng(0).standard_normal((128, 5))))

    def forward(self, texts):
        return torch.stack([self.dropout(self.letters(torch.tensor([*t.encode()]))).mean(0) for t in texts])


def test_a_text_backbone_is_trained_only_if_it_is_to_be():
    names = np.array(["low hum", "a tone", "whistle", "hiss, high"])
    texts = [f"{names[c]} {i}" for i, c in enumerate(np.repeat(CODES, 2))]
    more = {"captions": texts, "text_backbone": Words()}
    (frozen,) = train([PLANS[0]], **more)
    (tuned,) = train([PLANS[0]], replace(RECIPE, tune_text=True, frozen_epochs=1), **more)
    assert "text.letters.weight" not in frozen.state()
    assert torch.equal(frozen.text.letters.weight, Words().letters.weight)
    assert tuned.best_epoch > 1
    assert not torch.equal(tuned.text.letters.weight, Words().letters.weight)
    words = Words()
    before = torch.get_rng_state()
    alone = train_model(
        PLANS[0],
        SOUNDS,
        texts,
        backbones=BACKBONES,
        text_backbone=words,
        recipe=replace(RECIPE, tune_text=True, frozen_epochs=1),
        seed=4,
    )
    assert torch.equal(before, torch.get_rng_state())  # dropout draws from a state of its own
    assert differences(alone, tuned) < 1e-4
    x_t, E_t = tuned.embed_text(["low hum", "hiss"])
    with torch.no_grad():
        np.testing.assert_allclose(x_t, tuned.text(["low hum", "hiss"]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(E_t, axis=1), 1, atol=1e-6)
    vectors = frozen.embed_text(x_t)[0]
    np.testing.assert_array_equal(vectors, x_t)


class Dropping(torch.nn.Module):
    """A backbone that draws while it learns."""

    dim = 7

    def __init__(self):
        super().__init__()
        self.inner, self.dropout = small(1), torch.nn.Dropout(0.3)

    def forward(self, x):
        return self.dropout(self.inner(x))


RANDOM = np.random.default_rng(8)
SOFT_PAIRS = np.concatenate([PAIRS, np.stack([PAIRS[:20, 0], PAIRS[::-1][:20, 1]], axis=1), PAIRS[:3]])
SOFT = ModelPlan("soft", "one", SOFT_PAIRS, RANDOM.random(len(SOFT_PAIRS)) + 0.1)
TEACHER = Teacher(RANDOM.standard_normal((32, 3)), RANDOM.standard_normal((len(CAPTIONS), 3)))
CLAP_RECIPE = replace(RECIPE, projector="clap", hidden=None, frozen_epochs=1, max_epochs=2)


@pytest.mark.parametrize(
    ("plans", "seeds", "recipe", "backbones"),
    [
        (PLANS, [4, 4, 4], CLAP_RECIPE, BACKBONES),
        ([SOFT], [4], RECIPE, BACKBONES),
        ([replace(PLANS[0], teacher=TEACHER)], [4], RECIPE, BACKBONES),
        ([replace(PLANS[0], name=name) for name in "ab"], [4, 5], RECIPE, {"one": Dropping()}),
    ],
    ids=["projector of CLAP", "weights of pairs", "a teacher", "dropout of its own"],
)
def test_other_grids_are_each_model_alone(plans, seeds, recipe, backbones):
    torch.set_num_threads(2)
    for plan, model in zip(plans, train(plans, recipe, seeds=seeds, backbones=backbones), strict=True):
        alone = train_model(plan, SOUNDS, CAPTIONS, backbones=backbones, recipe=recipe, seed=model.seed)
        assert differences(alone, model) < 1e-4
        for name in CURVES:
            np.testing.assert_allclose(alone.curves[name], model.curves[name], atol=1e-4)
        assert np.isfinite(model.curves["loss"]).all()
        _, E_t = model.embed_text(CAPTIONS[:5])
        np.testing.assert_allclose(np.linalg.norm(E_t, axis=1), 1, atol=1e-6)
        first, again = (model.embed_audio(SOUNDS, [0])[0] for _ in range(2))
        np.testing.assert_array_equal(first, again)


def test_weights_and_teachers_make_a_difference():
    plans = [SOFT, replace(SOFT, weights=None), replace(PLANS[0], teacher=TEACHER), PLANS[0]]
    # Equal weights of one caption a clip are hard pairs.
    single = ModelPlan("single", "one", PAIRS[::2])
    plans += [single, replace(single, weights=np.full(32, 7.0))]
    soft, hard, taught, untaught, one, two = train(plans)
    assert np.abs(hard.curves["loss"] - soft.curves["loss"]).max() > 1e-2
    assert differences(taught, untaught) > 1e-4
    np.testing.assert_allclose(one.curves["loss"], two.curves["loss"], atol=1e-4)


def test_a_caption_of_each_clip_can_do():
    pairs = np.stack([np.repeat(np.arange(6), [1, 2, 3, 1, 4, 2]), np.arange(13)], axis=1)
    seen = set()
    for epoch in range(40):
        found = epoch_pairs(pairs, 3, epoch, 1)
        assert sorted(found[:, 0]) == list(range(6))
        seen |= set(found[:, 1].tolist())
        two = epoch_pairs(pairs, 3, epoch, 2)
        np.testing.assert_array_equal(np.bincount(two[:, 0]), [1, 2, 2, 1, 2, 2])
        assert len(np.unique(two[:, 1])) == 10
    assert seen == set(range(13))
    passes = []
    recipe = replace(RECIPE, captions_a_clip=1, max_epochs=3)
    train([PLANS[0]], recipe, backbones={"one": Counting(passes)})
    assert sum(n for n, gradient in passes if gradient) == 32 - round(0.2 * 32)


def test_whole_recordings_are_means_over_windows(grid):
    size = round(0.35 * RATE)
    x_a, E_a = grid[0].embed_audio(SOUNDS, [5, 2, 2])
    assert x_a.dtype == E_a.dtype == np.float32
    for row, found in zip((5, 2), x_a, strict=False):
        length = int(SOUNDS.lengths[row])
        starts = windows(length, RECIPE)
        assert len(starts) == max(1, -(-length // size))
        assert starts[0] == 0
        assert starts[-1] + size == max(length, size)
        crops = SOUNDS.crop(np.full(len(starts), row), starts, size).astype(float)
        crops = (crops - crops.mean(1, keepdims=True)) / crops.std(1, keepdims=True)
        with torch.no_grad():
            expected = grid[0].audio(torch.from_numpy(crops).float()).mean(0)
            projected = grid[0].audio_projector(expected[None])[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(E_a[[5, 2].index(row)], projected, atol=1e-5)
    np.testing.assert_array_equal(x_a[1], x_a[2])
    np.testing.assert_allclose(np.linalg.norm(E_a, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embed_sounds(grid[0].audio, SOUNDS, [5, 2, 2], recipe=RECIPE), x_a)


def test_what_is_learned_classifies():
    recipe = replace(RECIPE, dim=16, max_epochs=12, frozen_epochs=4, rate=1e-2, temperature=0.2)
    network = SmallCNN(16, dim=16, width=4, sample_rate=RATE)
    (model,) = train([PLANS[0]], recipe, backbones={"one": network})
    sounds, _, _, codes = world(seed=9)
    texts = np.stack([CAPTIONS[np.repeat(CODES, 2) == c].mean(axis=0) for c in range(4)])
    _, E_a = model.embed_audio(sounds)
    _, E_t = model.embed_text(texts)
    result = zero_shot(E_a, E_t, codes.astype(str), list("0123"))
    assert result.accuracy > 0.9


def test_mixed_precision_is_felt(grid):
    (model,) = train([PLANS[0]], replace(RECIPE, mixed_precision="bfloat16"))
    assert not model.failed
    gap = np.abs(model.curves["loss"] - grid[0].curves["loss"])
    assert 1e-7 < gap.max() < 0.3


# -- projectors behind two towers ---------------------------------------------------------------------------


def towers(n=40, d=4, seed=0):
    """Sounds and captions in one space that nearly fit, and their pairs."""
    random = np.random.default_rng(seed)
    text = random.standard_normal((8, d))
    audio = text[np.arange(n) % 8] + 0.4 * random.standard_normal((n, d))
    return audio, text, np.stack([np.arange(n), np.arange(n) % 8], axis=1)


TOWERS = ContrastiveRecipe(rate=1e-3, max_epochs=3, batch_size=8, validation=0.0, captions_a_clip=1)


def test_a_tower_that_has_not_learned_is_its_teacher():
    audio, text, pairs = towers()
    still = replace(TOWERS, rate=1e-12)
    (model,) = train_towers([ModelPlan("hard", "", pairs)], audio, text, recipe=still, seeds=[0])
    for X, found in (
        (audio, model.embed_audio(Waveforms(audio, 4))[1]),
        (text, model.embed_text(text)[1]),
    ):
        np.testing.assert_allclose(found, X / np.linalg.norm(X, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("targets", ["hard", "released", "softmax"])
def test_towers_learn_as_a_plain_loop_of_torch_does(targets):
    audio, text, pairs = towers()
    a, t = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (audio, text))
    teacher = None if targets == "hard" else Teacher(audio, text, targets, beta=0.3, temperature=0.1)
    plan = ModelPlan(targets, "", pairs, teacher=teacher)
    (model,) = train_towers([plan], audio, text, recipe=TOWERS, seeds=[3])

    def projector():
        layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
        weights = [[*np.eye(4), *-np.eye(4)], np.zeros(8), np.hstack([np.eye(4), -np.eye(4)]), np.zeros(4)]
        with torch.no_grad():
            for p, value in zip(layers.parameters(), weights, strict=True):
                p.copy_(torch.from_numpy(np.array(value)))
        return layers

    sounds, captions = projector(), projector()
    scale = torch.nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))
    optimiser = torch.optim.Adam([*sounds.parameters(), *captions.parameters(), scale], lr=1e-3)
    for epoch in range(3):
        order = epoch_pairs(pairs, 3, epoch, 1)
        for start in range(0, 40, 8):
            i, j = order[start : start + 8].T
            E = [
                torch.nn.functional.normalize(net(torch.from_numpy(X.astype(np.float32))), dim=1)
                for net, X in ((sounds, a[i]), (captions, t[j]))
            ]
            C = scale.exp() * E[0] @ E[1].T
            if targets == "softmax":
                teach = torch.from_numpy(a[i] @ t[j].T / 0.1).float()
                by = [teach.softmax(1), teach.T.softmax(1)]
            else:
                beta = 0.3 if targets == "released" else 0.0
                by = [(1 - beta) * np.eye(8) + beta * X @ X.T for X in (a[i], t[j])]
                by = [torch.from_numpy(X).float().clamp_min(0) for X in by]
            logs = C.log_softmax(1), C.T.log_softmax(1)
            loss = -sum((target * log).sum() for target, log in zip(by, logs, strict=True)) / 16
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        expected = torch.nn.functional.normalize(sounds(torch.from_numpy(a.astype(np.float32))), dim=1)
    found = model.embed_audio(Waveforms(a, 4))[1]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    assert np.abs(found - a).max() > 1e-3
    assert model.temperature == pytest.approx(float((-scale.detach()).exp()), abs=1e-6)


def test_towers_and_teachers_that_do_not_fit():
    audio, text, pairs = towers()
    with pytest.raises(ValueError, match="audio has 4 dimensions and text 3"):
        train_towers([ModelPlan("hard", "", pairs)], audio, text[:, :3], seeds=[0])
    plan = ModelPlan("soft", "", pairs, teacher=Teacher(audio, text[:5]))
    with pytest.raises(ValueError, match="The teacher of soft has 40 sounds and 5 captions for 40 and 8"):
        train_towers([plan], audio, text, seeds=[0])
