import dataclasses
import threading

import numpy as np
import pytest
import torch

import core.zeroshot.training as grid
from core.splits import ClassSplit, ClassSplitSet, Sizes, random_split
from core.training import engine
from core.zeroshot import CURVES, Recipe, predict, train_many
from core.zeroshot.batch import Batch
from core.zeroshot.data import initial_weights
from tests.core.memory import Memory
from tests.core.references.zeroshot import train_one

SIZES = Sizes(6, 3, 3)
RECIPE = Recipe(hidden=10, shared=24, learning_rate=0.05, batch_size=16, epochs=2)


def world(n_classes=14, clips=12, d_audio=7, d_text=11, seed=0):
    """Clips and texts that share what tells classes apart; classes of different sizes."""
    random = np.random.default_rng(seed)
    meaning = random.standard_normal((n_classes, 6))
    which = np.repeat(np.arange(n_classes), random.integers(clips // 2, clips + 1, n_classes))
    random.shuffle(which)
    audio = (meaning @ random.standard_normal((6, d_audio)))[which]
    audio += 0.3 * random.standard_normal(audio.shape)
    text = meaning @ random.standard_normal((6, d_text)) + 0.1 * random.standard_normal((n_classes, d_text))
    names = [f"class {c:02}" for c in range(n_classes)]
    return audio, np.array(names)[which], text, names


DATA = world()
NAMES = DATA[3]
SEVERAL = ClassSplitSet(
    tuple(NAMES[:5]), (tuple(NAMES[5:7]), tuple(NAMES[7:10])), (tuple(NAMES[10:12]), tuple(NAMES[11:14]))
)
#: Different numbers of classes, clips, validation sets and test sets.
SPLITS = [
    random_split(NAMES, seed=0, sizes=SIZES),
    random_split(NAMES, seed=1, sizes=Sizes(4, 2, 4)),
    SEVERAL,
    random_split(NAMES, seed=2, sizes=SIZES),
    random_split(NAMES, seed=0, sizes=SIZES),
]
SEEDS = [0, 1, 2, 3, 4]


@pytest.fixture(autouse=True)
def _two_threads():
    """Whatever the machine has, batches are trained side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def largest_difference(found, expected):
    return max(np.abs(found.weights[name] - w).max() for name, w in expected.weights.items())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampled": True, "margin": 0.3},
        {"momentum": 0.9},
        {"standardise": True},
        {"hidden": 40},  # wider than the shared space, which is then no smaller in a basis
        {"batch_size": 1000},
        {"epochs": 12, "patience": 2, "momentum": 0.5},
        {"margin": 0.0},
    ],
)
def test_many_equal_one_after_another(changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    many = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu")
    torch.set_num_threads(1)  # small products wait longer for a second thread than they take
    for split, seed, found in zip(SPLITS, SEEDS, many, strict=True):
        expected = train_one(split, *DATA, seed=seed, recipe=recipe, device="cpu")
        assert found.weights.keys() == expected.weights.keys()
        assert largest_difference(found, expected) < 1e-5
        begun = initial_weights(seed, 7, 11, recipe.hidden, 24)
        assert all(np.abs(found.weights[name] - w).max() > 1e-4 for name, w in begun.items())
        assert found.best_epoch == expected.best_epoch
        for name in CURVES:
            np.testing.assert_allclose(found.curves[name], expected.curves[name], atol=1e-5)
        for ours, theirs in zip(
            found.tests + found.validation, expected.tests + expected.validation, strict=True
        ):
            assert ours.classes == theirs.classes
            np.testing.assert_array_equal(ours.rows, theirs.rows)
            np.testing.assert_array_equal(ours.predictions, theirs.predictions)
            np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_one_equals_a_loop_over_modules():
    """The reference of the tests above, against the model as one writes it with torch.nn."""
    split, recipe = SPLITS[0], dataclasses.replace(RECIPE, epochs=1, batch_size=10_000)
    weights = {k: torch.from_numpy(v) for k, v in initial_weights(5, 7, 11, 10, 24).items()}
    layers = {
        "audio_1": torch.nn.Linear(7, 10),
        "audio_2": torch.nn.Linear(10, 24),
        "text": torch.nn.Linear(11, 24),
    }
    for name, layer in layers.items():
        layer.weight.data, layer.bias.data = (
            weights[f"{name}_weight"].T.clone(),
            weights[f"{name}_bias"].clone(),
        )
    rows = np.flatnonzero(np.isin(DATA[1], split.train))
    x = torch.from_numpy(DATA[0][rows]).float()
    t = torch.from_numpy(DATA[2][[NAMES.index(c) for c in split.train]]).float()
    a, b = layers["audio_2"](torch.tanh(layers["audio_1"](x))), layers["text"](t)
    scores = torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=2)
    total = 0.0
    for row, label in zip(scores, DATA[1][rows], strict=True):
        y = split.train.index(label)
        hinges = torch.stack([1 + row[c] - row[y] for c in range(6) if c != y]).clamp_min(0)
        r = int((hinges > 0).sum())
        total = total + sum(1 / i for i in range(1, r + 1)) / r * hinges.sum()
    (total / len(rows)).backward()
    model = train_one(split, *DATA, seed=5, recipe=recipe, device="cpu")
    for name, layer in layers.items():
        moved = layer.weight - 0.05 * layer.weight.grad
        np.testing.assert_allclose(model.weights[f"{name}_weight"], moved.detach().T, atol=1e-6)
        moved = layer.bias - 0.05 * layer.bias.grad
        np.testing.assert_allclose(model.weights[f"{name}_bias"], moved.detach(), atol=1e-6)
    assert model.curves["loss"][0] == pytest.approx(total.item() / len(rows), rel=1e-5)


def test_models_learn_and_reach_unseen_classes():
    data = world(n_classes=30, clips=20, seed=3)
    splits = [random_split(data[3], seed=s, sizes=Sizes(20, 3, 5)) for s in range(4)]
    recipe = dataclasses.replace(RECIPE, hidden=32, shared=64, epochs=60, learning_rate=0.1)
    models = train_many(splits, *data, seeds=range(4), recipe=recipe, device="cpu")
    for model in models:
        assert model.curves["loss"][-1] < 0.6 * model.curves["loss"][0]
        assert model.curves["train_accuracy"][-1] > 0.8
        assert model.tests[0].chance == 0.2
    assert np.mean([m.tests[0].accuracy for m in models]) > 0.6
    # Texts that say nothing of the sounds carry nothing over.
    mixed = (*data[:2], np.random.default_rng(0).standard_normal(data[2].shape), data[3])
    lost = train_many(splits, *mixed, seeds=range(4), recipe=recipe, device="cpu")
    assert np.mean([m.tests[0].accuracy for m in lost]) < 0.45


def test_what_is_trained_beside_and_how_does_not_matter(monkeypatch):
    whole = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    alone = train_many(SPLITS[2:3], *DATA, seeds=[2], recipe=RECIPE, device="cpu")
    assert largest_difference(alone[0], whole[2]) < 1e-6
    torch.set_num_threads(1)
    single = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    monkeypatch.setattr(grid, "_MODELS", 2)
    monkeypatch.setattr("core.zeroshot.batch._BLOCK_ELEMENTS", 100)  # validation clips in blocks
    pairs = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    assert torch.get_num_threads() == 2
    for a, b, c in zip(whole, single, pairs, strict=True):
        assert largest_difference(a, b) < 1e-6
        assert largest_difference(a, c) < 1e-6
        np.testing.assert_array_equal(a.curves["validation_accuracy"], c.curves["validation_accuracy"])
    again = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    assert all(largest_difference(a, b) == 0 for a, b in zip(again, pairs, strict=True))
    other = train_many(SPLITS[:1], *DATA, seeds=[7], recipe=RECIPE, device="cpu")
    assert largest_difference(other[0], whole[0]) > 1e-3


def test_one_validation_class_is_no_accuracy():
    """It is always right: a set of several classes counts alone, and where there is none nothing is said."""
    train, tests = tuple(NAMES[:5]), (tuple(NAMES[10:12]), tuple(NAMES[12:14]))
    one = ClassSplit(train, (NAMES[5],), tests[0])
    mixed = ClassSplitSet(train, ((NAMES[5],), tuple(NAMES[6:9])), tests)
    alone = ClassSplit(train, tuple(NAMES[6:9]), tests[1])
    given = {"seeds": [0] * 3, "recipe": RECIPE, "device": "cpu"}
    for models in (
        train_many([one, mixed, alone], *DATA, **given),
        [train_one(s, *DATA, seed=0, recipe=RECIPE, device="cpu") for s in (one, mixed, alone)],
    ):
        never, several, same = (m.curves["validation_accuracy"] for m in models)
        assert np.isnan(never).all()
        assert np.isfinite(models[0].curves["loss"]).all()
        np.testing.assert_array_equal(several, same)
        assert (same < 1).all()
        assert np.isnan(models[0].validation_accuracy)
        assert models[1].validation_accuracy == models[2].validation_accuracy == pytest.approx(same[-1])
        assert all(m.tests[0].accuracy >= 0 for m in models)


def test_scores_tell_apart_what_predictions_do():
    """Rounded to float32, scores that differ in the ninth decimal would be equal."""
    model = train_one(SPLITS[0], *DATA, seed=0, recipe=RECIPE, device="cpu")
    text = np.repeat(DATA[2][:1], 2, axis=0)
    text[1] *= 1 + 1e-6
    _, near = predict(model, DATA[0][:9], text)
    assert near.dtype == np.float64
    assert (near[:, 0] != near[:, 1]).any()
    found, scores = predict(model, DATA[0], DATA[2])
    np.testing.assert_array_equal(scores.argmax(axis=1), found)
    assert model.tests[0].scores.dtype == np.float64
    # Equal ones go to the first class.
    predictions, scores = predict(model, DATA[0], np.repeat(DATA[2][:1], 3, axis=0))
    assert not predictions.any()
    np.testing.assert_array_equal(scores, scores[:, :1].repeat(3, axis=1))


def test_early_stopping_keeps_the_best_epoch():
    recipe = dataclasses.replace(RECIPE, epochs=25, patience=3)
    models = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu")
    lengths = set()
    for split, seed, model in zip(SPLITS, SEEDS, models, strict=True):
        curve = model.curves["validation_accuracy"]
        ran = int(np.isfinite(curve).sum())
        assert np.isnan(curve[ran:]).all()
        assert model.best_epoch == int(np.nanargmax(curve)) + 1
        assert ran == min(25, model.best_epoch + 3)
        assert model.validation_accuracy == pytest.approx(curve[model.best_epoch - 1], abs=1e-6)
        upto = dataclasses.replace(RECIPE, epochs=model.best_epoch)
        short = train_one(split, *DATA, seed=seed, recipe=upto, device="cpu")
        assert largest_difference(model, short) < 1e-4
        lengths.add(ran)
    assert len(lengths) > 1


def test_a_model_that_fails_does_not_take_others_with_it(monkeypatch):
    train_epoch = Batch._train_epoch

    def spoiled(batch):
        seeds = [task.seed for task in batch.tasks]
        if batch.epoch == 1 and 1 in seeds:
            batch._learned["audio_1_bias"][seeds.index(1)] = np.nan
        return train_epoch(batch)

    expected = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    monkeypatch.setattr(Batch, "_train_epoch", spoiled)
    found = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    failed = found.pop(1)
    assert failed.failed == "The loss was no longer a number in epoch 2 (seed 1)."
    assert (failed.tests, failed.validation, failed.weights, failed.best_epoch) == ((), (), {}, 0)
    assert np.isnan(failed.validation_accuracy)
    for name in CURVES:
        assert failed.curves[name][0] == expected[1].curves[name][0]
        assert np.isnan(failed.curves[name][1])
    del expected[1]
    for a, b in zip(found, expected, strict=True):
        assert a.failed == ""
        assert largest_difference(a, b) < 1e-6


@pytest.mark.parametrize("changes", [{}, {"momentum": 0.9, "patience": 2, "epochs": 12}])
@pytest.mark.parametrize("end_at", [1, 4, 7])
def test_an_interrupted_training_goes_on(changes, end_at, monkeypatch):
    recipe = dataclasses.replace(RECIPE, **{"epochs": 6} | changes)
    expected = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu")
    monkeypatch.setattr(engine, "_SECONDS", 0.0)
    monkeypatch.setattr(engine, "_SAVING", 1.0)
    memory = Memory(end_at)
    with pytest.raises(KeyboardInterrupt):
        train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu", checkpoint=memory)
    assert threading.active_count() < 20
    found = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu", checkpoint=memory)
    for a, b in zip(found, expected, strict=True):
        assert largest_difference(a, b) == 0
        assert a.best_epoch == b.best_epoch
        for name in CURVES:
            np.testing.assert_array_equal(a.curves[name], b.curves[name])
    # Nothing is trained again, but with another recipe.
    monkeypatch.setattr(Batch, "train_epoch", None)
    done = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=recipe, device="cpu", checkpoint=memory)
    assert all(largest_difference(a, b) == 0 for a, b in zip(done, expected, strict=True))
    other = dataclasses.replace(recipe, learning_rate=0.01)
    with pytest.raises(TypeError, match="not callable"):
        train_many(SPLITS, *DATA, seeds=SEEDS, recipe=other, device="cpu", checkpoint=memory)


@pytest.mark.parametrize(("before", "after"), [(3, 2), (1, 3)])
def test_other_batches_than_before_begin_anew_and_end(before, after, monkeypatch):
    expected = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu")
    monkeypatch.setattr(engine, "_SECONDS", 0.0)
    monkeypatch.setattr(engine, "_SAVING", 1.0)
    monkeypatch.setattr(grid, "_batch_size", lambda *given: before)
    memory = Memory(4)
    with pytest.raises(KeyboardInterrupt):
        train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu", checkpoint=memory)
    monkeypatch.setattr(grid, "_batch_size", lambda *given: after)
    found = train_many(SPLITS, *DATA, seeds=SEEDS, recipe=RECIPE, device="cpu", checkpoint=memory)
    for a, b in zip(found, expected, strict=True):
        assert largest_difference(a, b) < 1e-6


def test_predictions_equal_plain_python():
    model = train_one(
        SPLITS[1], *DATA, seed=0, recipe=dataclasses.replace(RECIPE, standardise=True), device="cpu"
    )
    w = {name: values.astype(np.float64) for name, values in model.weights.items()}
    tested = model.tests[0]
    wrong = np.zeros((4, 4), dtype=int)
    for row, target, prediction, scores in zip(
        tested.rows, tested.targets, tested.predictions, tested.scores, strict=True
    ):
        assert DATA[1][row] == tested.classes[target]
        x = (DATA[0][row].astype(np.float32) - w["audio_mean"]) / w["audio_scale"]
        a = np.tanh(x @ w["audio_1_weight"] + w["audio_1_bias"]) @ w["audio_2_weight"] + w["audio_2_bias"]
        cosines = []
        for name in tested.classes:
            t = DATA[2][NAMES.index(name)].astype(np.float32) @ w["text_weight"] + w["text_bias"]
            cosines.append(a @ t / np.linalg.norm(a) / np.linalg.norm(t))
        np.testing.assert_allclose(scores, cosines, atol=1e-6)
        assert prediction == int(np.argmax(cosines))
        wrong[target, prediction] += 1
    np.testing.assert_array_equal(tested.confusion, wrong)
    assert tested.accuracy == pytest.approx(np.trace(wrong) / wrong.sum())
    np.testing.assert_allclose(tested.by_class, np.diag(wrong) / wrong.sum(axis=1))
    assert tested.macro_accuracy == pytest.approx(np.mean(np.diag(wrong) / wrong.sum(axis=1)))
    assert set(DATA[1][tested.rows]) == set(SPLITS[1].test)
    assert len(tested.rows) == sum(label in SPLITS[1].test for label in DATA[1])
    again, _ = predict(model, DATA[0][tested.rows], DATA[2][[NAMES.index(c) for c in tested.classes]])
    np.testing.assert_array_equal(again, tested.predictions)


def test_no_splits_give_no_models():
    assert train_many([], *DATA, seeds=[], device="cpu") == []


AUDIO, LABELS, TEXT, _ = DATA
ONE = SPLITS[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train_many([ONE], *DATA, seeds=[]), "There are 1 splits and 0 seeds"),
        (lambda: train_many([ONE], *DATA, seeds=[-1]), "seed is -1"),
        (lambda: train_many([ONE], AUDIO[:-1], LABELS, TEXT, NAMES, seeds=[0]), "labels have shape"),
        (lambda: train_many([ONE], AUDIO, LABELS, TEXT[:-1], NAMES, seeds=[0]), "14 classes and 13 texts"),
        (lambda: train_many([ONE], AUDIO, LABELS, TEXT[:2], ["a", "a"], seeds=[0]), "named twice"),
        (lambda: train_many([ONE], AUDIO * 1e16, LABELS, TEXT, NAMES, seeds=[0]), "beyond 1e\\+15"),
        (
            lambda: train_many([ONE], AUDIO * np.nan, LABELS, TEXT, NAMES, seeds=[0]),
            "Row 0 of audio holds NaN",
        ),
        (
            lambda: train_many([ClassSplit(("a", "b"), ("c",), tuple(NAMES[:2]))], *DATA, seeds=[0]),
            "The classes 'a', 'b', 'c' have no clip",
        ),
        (
            lambda: train_many([ONE], AUDIO, LABELS, TEXT[:13], NAMES[:13], seeds=[0]),
            "The class 'class 13' has no text",
        ),
        (
            lambda: train_many(
                [ClassSplit(ONE.train, ONE.validation[:1], ONE.test)],
                *DATA,
                seeds=[0],
                recipe=Recipe(patience=3),
            ),
            "A validation set of one class is always right",
        ),
        (lambda: Recipe(epochs=0), "epochs is 0; it must be a whole number from 1"),
        (lambda: Recipe(batch_size=2.5), "batch_size is 2.5"),
        (lambda: Recipe(patience=0), "patience is 0"),
        (lambda: Recipe(learning_rate=float("nan")), "learning_rate is nan"),
        (lambda: Recipe(margin=-1), "margin is -1"),
        (lambda: Recipe(momentum=1), "momentum is 1"),
        (
            lambda: predict(initial_weights(0, 7, 11, 10, 24), AUDIO[:, :3], TEXT),
            "audio has 3 dimensions; the model was trained on 7",
        ),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
