"""Frozen epochs of six contrastive models as a grid, against the plain loop, one model after another.

    python -m benchmarks.contrastive [--clips 120] [--captions 3] [--epochs 5] --json contrastive.json

Three backbones, each of two models: one on all pairs, one without a fifth of the clips. The grid cuts one
crop a clip and epoch and passes it once through each backbone; the plain loop passes that of every pair of
every batch, for each model. Both validate after every epoch, and have to come to the same losses. The plain
loop is timed with one thread and with as many as torch takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from benchmarks.harness import arguments, best_of, machine, report
from core.contrastive import SMALL, ContrastiveModel, ModelPlan, Waveforms, train_grid
from core.networks import SmallCNN
from tests.core.references.contrastive import train_model


def main() -> None:
    parser = arguments("Frozen epochs of contrastive training, timed.")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--captions", type=int, default=3, help="of each clip")
    parser.add_argument("--epochs", type=int, default=5)
    parser.set_defaults(rounds=1)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    n, each = options.clips, options.captions
    recipe = replace(SMALL, frozen_epochs=options.epochs, max_epochs=options.epochs)
    sounds = Waveforms(
        random.standard_normal((n, 3 * recipe.sample_rate)).astype(np.float32), recipe.sample_rate
    )
    captions = random.standard_normal((n * each, 384)).astype(np.float32)
    pairs = np.stack([np.repeat(np.arange(n), each), np.arange(n * each)], axis=1)
    backbones = {name: SmallCNN(seed=i) for i, name in enumerate(("dirty", "clean", "none"))}
    plans = [
        ModelPlan(
            f"{backbone}/{training}", backbone, pairs[pairs[:, 0] % 5 > 0] if training == "clean" else pairs
        )
        for backbone in backbones
        for training in ("dirty", "clean")
    ]
    models: dict[str, list[ContrastiveModel]] = {}
    train_grid(  # what loads on first use
        plans[:1],
        sounds,
        captions,
        backbones=backbones,
        recipe=replace(recipe, max_epochs=1),
        seeds=[0],
        device="cpu",
    )

    def grid() -> None:
        models["grid"] = train_grid(
            plans, sounds, captions, backbones=backbones, recipe=recipe, seeds=[0] * len(plans), device="cpu"
        )

    def plain(threads: int) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        models["plain"] = [
            train_model(plan, sounds, captions, backbones=backbones, recipe=recipe, device="cpu")
            for plan in plans
        ]
        torch.set_num_threads(before)

    threads = torch.get_num_threads()
    candidates = {"grid": grid, "one after another, one thread": lambda: plain(1)}
    if threads > 1:
        candidates[f"one after another, {threads} threads"] = lambda: plain(threads)
    seconds = best_of(options.rounds, candidates)
    for together, alone in zip(models["grid"], models["plain"], strict=True):
        for name in ("loss", "validation_loss"):
            np.testing.assert_allclose(together.curves[name], alone.curves[name], atol=1e-3)
    rows = [
        {
            "what": name,
            "seconds": t,
            "ms a model, epoch and clip": 1000 * t / len(plans) / options.epochs / n,
            "this / grid": t / seconds["grid"],
        }
        for name, t in seconds.items()
    ]
    what = f"{len(plans)} models, {n} crops of {recipe.seconds} s with {each} captions"
    title = f"{what}, {options.epochs} frozen epochs"
    report(title, rows, machine("numpy", "torch"), options.json)


if __name__ == "__main__":
    main()
