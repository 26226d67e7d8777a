"""The paper's zero-shot models, many as one batched computation, against one after another in PyTorch.

python -m benchmarks.zeroshot --json zeroshot.json
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.harness import arguments, best_of, machine, report
from core.losses import warp_loss
from core.splits import ClassSplit, random_split
from core.training.draws import epoch_order
from core.zeroshot import Recipe, train_many
from core.zeroshot.data import initial_weights


def collection(n_classes: int, clips: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Audio (n, 128) and texts (C, 768) that share what tells classes apart, and noise of their own."""
    rng = np.random.default_rng(0)
    families = rng.standard_normal((6, 16))[rng.integers(0, 6, n_classes)]
    meaning = families + 0.9 * rng.standard_normal((n_classes, 16))
    which = np.repeat(np.arange(n_classes), clips)
    audio = (meaning @ rng.standard_normal((16, 128)) / 4)[which] + rng.standard_normal((len(which), 128))
    text = meaning @ rng.standard_normal((16, 768)) / 4 + 0.5 * rng.standard_normal((n_classes, 768))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    names = [f"class {c:03}" for c in range(n_classes)]
    return audio.astype(np.float32), np.array(names)[which], text.astype(np.float32), names


class Model(torch.nn.Module):
    """The model as one writes it from the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = torch.nn.Sequential(
            torch.nn.Linear(128, 256), torch.nn.Tanh(), torch.nn.Linear(256, 512)
        )
        self.text = torch.nn.Linear(768, 512)

    def forward(self, audio: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        a = torch.nn.functional.normalize(self.audio(audio), dim=1)
        return a @ torch.nn.functional.normalize(self.text(text), dim=1).T


def initialise_as_train_many(model: Model, seed: int) -> None:
    """Give a model the weights that `train_many` begins with, so that both come to the same accuracies."""
    weights = initial_weights(seed, 128, 768, 256, 512)
    with torch.no_grad():
        for name, layer in (("audio_1", model.audio[0]), ("audio_2", model.audio[2]), ("text", model.text)):
            layer.weight.copy_(torch.from_numpy(weights[f"{name}_weight"]).T)
            layer.bias.copy_(torch.from_numpy(weights[f"{name}_bias"]))


def plain(split: ClassSplit, seed: int, data: tuple, epochs: int) -> float:
    """Train one model as `train_many` does, judged after every epoch; return its test accuracy."""
    audio, labels, text, names = data
    parts = []
    for classes in (split.train, split.validation, split.test):
        rows = np.flatnonzero(np.isin(labels, classes))
        targets = [classes.index(c) for c in labels[rows]]
        texts = text[[names.index(c) for c in classes]]
        parts.append((torch.from_numpy(audio[rows]), torch.tensor(targets), torch.from_numpy(texts)))
    model = Model()
    initialise_as_train_many(model, seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    x, y, t = parts[0]
    for epoch in range(epochs):
        total, right = 0.0, 0
        for batch in torch.from_numpy(epoch_order(seed, epoch, len(x))).split(64):
            scores = model(x[batch], t)
            loss = warp_loss(scores, y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
            right += int((scores.argmax(dim=1) == y[batch]).sum())
        accuracies = []
        with torch.no_grad():
            for held_x, held_y, held_t in parts[1:]:
                accuracies.append(float((model(held_x, held_t).argmax(dim=1) == held_y).float().mean()))
    return accuracies[1]


def main() -> None:
    parser = arguments("Zero-shot training, timed.")
    parser.add_argument("--models", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=100, help="the paper trains 100; time grows with them")
    parser.add_argument(
        "--paper", action="store_true", help="train the paper's 120 models for 100 epochs, too"
    )
    parser.set_defaults(rounds=1)
    options = parser.parse_args()
    data = collection(60, 100)
    splits = [random_split(data[3], seed=s) for s in range(options.models)]
    seeds = list(range(options.models))
    recipe = Recipe(epochs=options.epochs)
    accuracies_of: dict[str, list[float]] = {}

    def batched() -> None:
        models = train_many(splits, *data, seeds=seeds, recipe=recipe, device="cpu")
        accuracies_of["train_many"] = [m.tests[0].accuracy for m in models]

    def loop() -> None:
        accuracies_of["loop"] = [
            plain(split, seed, data, options.epochs) for split, seed in zip(splits, seeds, strict=True)
        ]

    def loop_in_one_thread() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        loop()
        torch.set_num_threads(before)
        accuracies_of["loop in one thread"] = accuracies_of["loop"]

    candidates = {
        "train_many": batched,
        "PyTorch, one after another": loop,
        "PyTorch, one after another, one thread": loop_in_one_thread,
    }
    seconds = best_of(options.rounds, candidates)
    rows = [
        {
            "what": name,
            "seconds": t,
            "ms a model and epoch": 1000 * t / options.models / options.epochs,
            "this / train_many": t / seconds["train_many"],
            "mean accuracy": float(np.mean(accuracies)),
            "largest difference": float(np.abs(np.subtract(accuracies, accuracies_of["train_many"])).max()),
        }
        for (name, t), accuracies in zip(seconds.items(), accuracies_of.values(), strict=True)
    ]
    if options.paper:
        start = time.perf_counter()
        models = train_many(
            [random_split(data[3], seed=s) for s in range(120)], *data, seeds=range(120), device="cpu"
        )
        took = time.perf_counter() - start
        rows.append(
            {
                "what": "train_many, 120 models, 100 epochs",
                "seconds": took,
                "ms a model and epoch": 1000 * took / 120 / 100,
                "this / train_many": float("nan"),
                "mean accuracy": float(np.mean([m.tests[0].accuracy for m in models])),
                "largest difference": float("nan"),
            }
        )
    title = f"{options.models} models of 20 classes × 100 clips, 128 and 768 → 512, {options.epochs} epochs"
    report(title, rows, machine("numpy", "torch"), options.json)


if __name__ == "__main__":
    main()
