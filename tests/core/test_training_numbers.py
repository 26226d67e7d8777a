"""Each family of small models comes to the numbers that it came to before, for the same seeds.

``python -m tests.core.test_training_numbers FILE.npz`` stores all arrays, so that two versions of the code
can be compared to the last bit on one machine; here sums are compared as far as processors round alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.contrastive import SMALL, ModelPlan, Waveforms, pretrain, train_grid
from core.heads import HeadRecipe, train_heads
from core.networks import PooledCNN, SmallCNN, Tuning, train_networks
from core.splits import Sizes, random_split
from core.zeroshot import Recipe, train_many

Arrays = dict[str, np.ndarray]


def heads() -> Arrays:
    """Heads of three shapes on three folds, one with mixtures."""
    random = np.random.default_rng(3)
    codes = np.arange(61) % 4
    X = random.standard_normal((4, 8))[codes] + random.standard_normal((61, 8))
    small = {"dim": 5, "epochs": 4, "batch_size": 16}
    recipes = [
        HeadRecipe(loss="add", **small),
        HeadRecipe(loss="ce", hidden=6, **small),
        HeadRecipe(loss="add-soft", mixup=0.5, optimizer="sgd", learning_rate=0.01, **small),
    ]
    runs = train_heads(
        X, codes, np.arange(61) % 3, recipes=recipes, seeds=[0, 5], keep_epochs=[0, 2], device="cpu"
    )
    found: Arrays = {}
    for i, run in enumerate(runs):
        found |= {f"{i}.{name}": w for name, w in (run.weights | run.curves).items()}
        found |= {f"{i}.embeddings": run.embeddings, f"{i}.kept": run.kept}
    return found


def zero_shot() -> Arrays:
    """Zero-shot models on seven splits, some of which stop early."""
    random = np.random.default_rng(4)
    names = [f"class {c:02}" for c in range(12)]
    meaning = random.standard_normal((12, 6))
    which = np.repeat(np.arange(12), random.integers(8, 15, 12))
    audio = (meaning @ random.standard_normal((6, 9)))[which] + 0.3 * random.standard_normal((len(which), 9))
    text = meaning @ random.standard_normal((6, 10))
    splits = [random_split(names, seed=s, sizes=Sizes(5 + s % 2, 3, 3)) for s in range(7)]
    recipe = Recipe(hidden=8, shared=30, learning_rate=0.1, batch_size=16, epochs=9, patience=3, momentum=0.3)
    labels = np.array(names)[which]
    models = train_many(splits, audio, labels, text, names, seeds=range(7), recipe=recipe, device="cpu")
    found: Arrays = {}
    for i, model in enumerate(models):
        found |= {f"{i}.{name}": w for name, w in (model.weights | model.curves).items()}
        found |= {f"{i}.scores": model.tests[0].scores, f"{i}.best": np.array(model.best_epoch)}
    return found


def networks() -> Arrays:
    """Small networks on two folds, with masks and a warm-up."""
    random = np.random.default_rng(5)
    codes = np.arange(24) % 3
    bands = np.arange(64)[None, :, None] // 22 == codes[:, None, None]
    mel = (random.standard_normal((24, 64, 96)) + 3 * bands).astype(np.float32)
    runs = train_networks(
        mel,
        codes,
        np.arange(24) // 3 % 2,
        backbone=lambda seed: PooledCNN(64, dim=6, width=2, seed=seed),
        recipes=[HeadRecipe(loss=name, dim=4, epochs=3, batch_size=8) for name in ("ce", "add")],
        tuning=Tuning(time_mask=8, frequency_mask=4, warm_up=1, schedule="cosine"),
        seeds=[0, 2],
        keep_epochs=[0, 3],
        keep_models=lambda seed, fold: seed == 2,
        device="cpu",
    )
    found: Arrays = {}
    for i, run in enumerate(runs):
        found |= {f"{i}.{name}": curve for name, curve in run.curves.items()}
        found |= {f"{i}.before": run.before, f"{i}.tested": run.tested, f"{i}.kept": run.kept}
    return found


def contrastive() -> Arrays:
    """Two models on one backbone and one on another, which was trained to classify first."""
    random = np.random.default_rng(6)
    codes = np.arange(28) % 4
    pitch = np.array([0.05, 0.2, 0.6, 1.4])[codes]
    waves = np.sin(pitch[:, None] * np.arange(4000)) + 0.3 * random.standard_normal((28, 4000))
    sounds = Waveforms(waves, 8000)
    recipe = replace(
        SMALL,
        dim=6,
        frozen_epochs=2,
        max_epochs=5,
        patience=2,
        frozen_rate=1e-2,
        rate=3e-3,
        sample_rate=8000,
        seconds=0.35,
        batch_size=8,
        pretrain_epochs=3,
        pretrain_rate=1e-2,
        pretrain_batch_size=8,
    )
    one, two = (SmallCNN(16, dim=7, width=2, sample_rate=8000, seed=s) for s in (1, 2))
    before = pretrain(two, sounds, codes.astype(str), recipe=recipe, seed=3, device="cpu")
    pairs = np.stack([np.repeat(np.arange(28), 2), np.arange(56)], axis=1)
    captions = random.standard_normal((4, 5))[np.repeat(codes, 2)] + 0.2 * random.standard_normal((56, 5))
    plans = [
        ModelPlan("a", "one", pairs),
        ModelPlan("b", "one", pairs[codes[pairs[:, 0]] != 3]),
        ModelPlan("c", "two", pairs),
    ]
    models = train_grid(
        plans,
        sounds,
        captions,
        backbones={"one": one, "two": before.network},
        recipe=recipe,
        seeds=[4, 4, 7],
        device="cpu",
    )
    found = {f"pre.{name}": curve for name, curve in before.curves.items()}
    for i, model in enumerate(models):
        found |= {f"{i}.{name}": w for name, w in (model.state() | model.curves).items()}
        found |= {f"{i}.best": np.array(model.best_epoch), f"{i}.epochs": np.array(model.epochs)}
    return found


FAMILIES: dict[str, Callable[[], Arrays]] = {
    "heads": heads,
    "zero-shot": zero_shot,
    "networks": networks,
    "contrastive": contrastive,
}


def summary(arrays: Arrays) -> tuple[int, float, float]:
    """Return how many values there are that are numbers, their sum and that of their squares."""
    flat = np.concatenate([np.ravel(a).astype(np.float64) for a in arrays.values()])
    fine = flat[np.isfinite(flat)]
    return len(fine), float(fine.sum()), float((fine**2).sum())


#: As first computed, on an x86-64 processor.
RECORDED = {
    "heads": (18480, 604.5566224444774, 6590.780144955257),
    "zero-shot": (5541, 175.64634909684378, 428.8684150222497),
    "networks": (1608, -39.941557332873344, 926.9676839935184),
    "contrastive": (6252, 394.04020741494605, 2241.695594482924),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_those_recorded(family: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = summary(FAMILIES[family]())
    finally:
        torch.set_num_threads(before)
    assert found == pytest.approx(RECORDED[family], rel=1e-3)


if __name__ == "__main__":
    torch.set_num_threads(2)
    made = {name: family() for name, family in FAMILIES.items()}
    for name, arrays in made.items():
        print(f'    "{name}": {summary(arrays)},')
    np.savez(sys.argv[1], **{f"{n}/{k}": a for n, arrays in made.items() for k, a in arrays.items()})
