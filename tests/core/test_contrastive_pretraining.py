"""Pre-training of backbones, the crops that all training sees, and input that does not fit."""

from dataclasses import replace

import numpy as np
import pytest

from core.contrastive import (
    PRETRAINING_CURVES,
    ContrastiveRecipe,
    ModelPlan,
    Waveforms,
    embed_sounds,
    pretrain,
)
from core.contrastive.data import batches, crop_places, random_crops
from core.networks import SmallCNN
from tests.core.memory import Memory
from tests.core.test_contrastive import (
    CAPTIONS,
    CODES,
    PAIRS,
    RATE,
    RECIPE,
    SOUNDS,
    Poisoned,
    _one_thread,  # noqa: F401  (it is run for every test of a module that has it)
    small,
    train,
)

LABELS = np.array(["hum", "tone", "whistle", "hiss"])[CODES]


def test_crops():
    recipe = replace(RECIPE, standardise=False)
    size = round(0.35 * RATE)
    ramp = Waveforms([np.arange(9000), np.arange(1, 1001), np.zeros(9000)], RATE)
    rows = np.array([0, 1, 2])
    starts = []
    for epoch in range(300):
        crops = random_crops(ramp, rows, recipe, crop_places(3, 0, epoch))
        start = crops[0, 0]
        starts.append(start)
        np.testing.assert_array_equal(crops[0], start + np.arange(size))
        np.testing.assert_array_equal(crops[1], np.r_[np.arange(1, 1001), np.zeros(size - 1000)])
    assert min(starts) < 100
    assert max(starts) > 9000 - size - 100
    alone = random_crops(ramp, np.array([0]), recipe, crop_places(3, 0, 299))
    np.testing.assert_array_equal(alone[0], crops[0])
    level = random_crops(ramp, rows, RECIPE, crop_places(3, 0, 0))
    np.testing.assert_allclose(level[:2].mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(level[:2].std(axis=1), 1, atol=1e-4)
    np.testing.assert_array_equal(level[2], 0)
    assert [b.stop - b.start for b in batches(9, 4)] == [4, 5]  # one alone has nothing to be told from
    assert [b.stop - b.start for b in batches(10, 4)] == [4, 4, 2]


def test_pretraining_learns_and_goes_on_from_a_checkpoint(monkeypatch):
    monkeypatch.setattr("core.training.engine._SECONDS", 0.0)
    monkeypatch.setattr("core.training.engine._SAVING", 1.0)
    monkeypatch.setattr("core.training.engine._TELL", 0.0)
    kept, told, seen = Memory(), [], []
    recipe = replace(RECIPE, pretrain_epochs=8)
    straight = pretrain(small(3), SOUNDS, LABELS, recipe=recipe, seed=1, watch=seen.append)
    assert straight.classes == ("hiss", "hum", "tone", "whistle")
    assert straight.curves["accuracy"][-1] > 0.8
    assert straight.curves["validation_accuracy"][straight.best_epoch - 1] > 0.7
    assert straight.best_epoch == 1 + np.argmin(straight.curves["validation_loss"])
    np.testing.assert_array_equal(seen[-1], [straight.curves[name] for name in PRETRAINING_CURVES])

    def interrupt(done, to_do):
        if done > 0.6 * to_do:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(small(3), SOUNDS, LABELS, recipe=recipe, seed=1, checkpoint=kept, progress=interrupt)
    again = pretrain(
        small(3),
        SOUNDS,
        LABELS,
        recipe=recipe,
        seed=1,
        checkpoint=kept,
        progress=lambda *now: told.append(now),
    )
    assert 0.3 * told[0][1] < told[0][0] < 0.7 * told[0][1]
    assert told[-1][0] == told[-1][1]
    for name, weight in straight.network.state_dict().items():
        np.testing.assert_allclose(again.network.state_dict()[name], weight, atol=1e-6)


def test_pretraining_on_part_of_the_clips():
    rows = np.flatnonzero(CODES != 3)
    changed = np.where(CODES == 3, "something else", LABELS)
    recipe = replace(RECIPE, validation=0.0)
    one = pretrain(small(3), SOUNDS, LABELS, rows=rows, recipe=recipe)
    two = pretrain(small(3), SOUNDS, changed, rows=rows, recipe=recipe)
    assert one.classes == ("hum", "tone", "whistle")
    np.testing.assert_array_equal(one.curves["loss"], two.curves["loss"])
    assert one.best_epoch == 3
    bad = pretrain(Poisoned(2), SOUNDS, LABELS, recipe=RECIPE)
    assert bad.failed == "The loss was no longer a number in epoch 1 of the pre-training (seed 0)."
    assert bad.best_epoch == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plans": []}, "0 plans and 0 seeds"),
        ({"seeds": [1]}, "3 plans and 1 seeds"),
        ({"seeds": [1, -1, 0]}, "seed is -1"),
        ({"backbones": {"two": small()}}, "dirty/dirty begins with 'one'; the backbones are two"),
        ({"captions": CAPTIONS[:9]}, "32 sounds and 9 captions"),
        ({"captions": ["text"] * 64}, "which needs a text backbone"),
        ({"captions": np.full((64, 2), np.nan)}, "Row 0 of captions"),
        ({"recipe": replace(RECIPE, tune_text=True)}, "tune_text is on"),
        ({"recipe": replace(RECIPE, sample_rate=9000)}, "8,000 Hz, the recipe 9,000"),
        ({"recipe": replace(RECIPE, seconds=0.1)}, "800 samples; the backbone needs 2,560"),
        ({"backbones": {"one": SmallCNN(16), "two": small()}}, "takes 16,000 Hz"),
        ({"plans": [ModelPlan("few", "one", PAIRS[:3])]}, "few has 2 pairs to train on and 1 to validate"),
        ({"plans": [ModelPlan("flat", "one", PAIRS[0])]}, r"flat have shape \(2,\)"),
        ({"plans": [ModelPlan("none", "one", PAIRS[:0])]}, "none has 0 pairs"),
        ({"plans": [ModelPlan("short", "one", PAIRS, np.ones(3))]}, r"short have shape \(3,\)"),
        ({"plans": [ModelPlan("zero", "one", PAIRS, np.zeros(64))]}, "needs a number above 0"),
    ],
)
def test_what_does_not_fit_is_said(change, says):
    with pytest.raises(ValueError, match=says):
        train(**change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dim": 0}, "dim is 0"),
        ({"max_epochs": 2.5}, "max_epochs is 2.5"),
        ({"batch_size": 1}, "batch_size is 1; it must be a whole number from 2"),
        ({"rate": 0}, "rate is 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"plateau_factor": 2}, "plateau_factor is 2"),
        ({"validation": 1.0}, "validation is 1.0"),
        ({"validation_by": "class"}, "one of clip, pair"),
        ({"mixed_precision": "float8"}, "one of auto, off, bfloat16"),
        ({"rate": "fast"}, "rate is 'fast'; it must be a number"),
        ({"clamp": True}, "clamp is True; it must be a number"),
        ({"standardise": "no"}, "standardise is 'no'; it must be True or False"),
    ],
)
def test_recipes_that_are_none(change, says):
    with pytest.raises(ValueError, match=says):
        ContrastiveRecipe(**change)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pretrain(small(), SOUNDS, ["a"] * 32, recipe=RECIPE), "one class alone"),
        (lambda: pretrain(small(), SOUNDS, ["a"], recipe=RECIPE), "1 labels for 32 sounds"),
        (lambda: pretrain(small(), SOUNDS, LABELS, rows=[40], recipe=RECIPE), "there are 32 sounds"),
        (lambda: embed_sounds(small(), SOUNDS, [], recipe=RECIPE), "one or more whole numbers"),
        (lambda: Waveforms([], RATE), "no waveforms"),
        (lambda: Waveforms([[1.0], [np.nan]], RATE), "Waveform 1"),
        (lambda: Waveforms([np.zeros((2, 9))], RATE), r"shape \(2, 9\)"),
    ],
)
def test_sounds_that_do_not_fit(call, says):
    with pytest.raises(ValueError, match=says):
        call()
