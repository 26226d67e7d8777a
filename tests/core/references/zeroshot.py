"""One zero-shot model trained by a plain loop over batches, easy to follow: what many of them are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from core.losses import warp_loss
from core.splits import ClassSplit, ClassSplitSet
from core.training.draws import epoch_order, standardisation
from core.training.results import TrainingResult
from core.zeroshot import Recipe, ZeroShotModel
from core.zeroshot.data import Collection, Part, Task, epoch_tries, initial_weights, mean_accuracy
from core.zeroshot.training import _judge, _prepared


def train_one(
    split: ClassSplit | ClassSplitSet,
    audio: ArrayLike,
    labels: ArrayLike,
    text: ArrayLike,
    classes: Sequence[str],
    *,
    seed: int,
    recipe: Recipe,
    device: str = "cpu",
) -> ZeroShotModel:
    """Return what `core.zeroshot.train_many` gives for one split."""
    collection, (task,) = _prepared([split], audio, labels, text, classes, [seed], recipe)
    return _judge(task, collection, _train_alone(collection, task, recipe, device))


def _train_alone(collection: Collection, task: Task, recipe: Recipe, device: str) -> TrainingResult:
    audio = torch.from_numpy(collection.audio).to(device)
    text = torch.from_numpy(collection.text).to(device)
    weights = {
        name: torch.from_numpy(values).to(device).requires_grad_()
        for name, values in initial_weights(
            task.seed, audio.shape[1], text.shape[1], recipe.hidden, recipe.shared
        ).items()
    }
    fixed: dict[str, np.ndarray] = {}
    if recipe.standardise:
        mean, scale = standardisation(collection.audio[task.train.rows])
        fixed = {"audio_mean": mean, "audio_scale": scale}
        audio = (audio - torch.from_numpy(mean).to(device)) / torch.from_numpy(scale).to(device)

    def scores(rows: torch.Tensor, part: Part) -> torch.Tensor:
        hidden = torch.tanh(audio[rows] @ weights["audio_1_weight"] + weights["audio_1_bias"])
        a = hidden @ weights["audio_2_weight"] + weights["audio_2_bias"]
        t = text[torch.from_numpy(part.texts).to(device)] @ weights["text_weight"] + weights["text_bias"]
        return torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(t).T

    def kept() -> dict[str, np.ndarray]:
        return {name: w.detach().cpu().numpy().copy() for name, w in weights.items()} | fixed

    optimiser = torch.optim.SGD(weights.values(), lr=recipe.learning_rate, momentum=recipe.momentum)
    rows = torch.from_numpy(task.train.rows).to(device)
    targets = torch.from_numpy(task.train.targets).to(device)
    curves = np.full((3, recipe.epochs), np.nan, dtype=np.float32)
    best, best_epoch, best_weights = -1.0, 0, {}
    for epoch in range(recipe.epochs):
        order = epoch_order(task.seed, epoch, len(rows))
        tries = epoch_tries(task.seed, epoch, task.train.targets, len(task.train.classes))
        total, right = 0.0, 0
        for start in range(0, len(rows), recipe.batch_size):
            batch = torch.from_numpy(order[start : start + recipe.batch_size])
            chosen = batch.to(device)
            of_batch = scores(rows[chosen], task.train)
            loss = warp_loss(
                of_batch,
                targets[chosen],
                margin=recipe.margin,
                sampled=recipe.sampled,
                tries=torch.from_numpy(tries)[batch].to(device),
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
            right += int((of_batch.argmax(dim=1) == targets[chosen]).sum())
        with torch.no_grad():
            accuracies = []
            for v in task.validations:
                predicted = scores(torch.from_numpy(v.rows).to(device), v).argmax(dim=1).cpu().numpy()
                accuracies.append((float((predicted == v.targets).mean()), len(v.classes)))
        accuracy = mean_accuracy(accuracies)
        curves[:, epoch] = total / len(rows), right / len(rows), accuracy
        if recipe.patience is not None:
            if accuracy > best:
                best, best_epoch, best_weights = accuracy, epoch + 1, kept()
            elif epoch + 1 - best_epoch >= recipe.patience:
                break
    if recipe.patience is None:
        best_epoch, best_weights = recipe.epochs, kept()
    return TrainingResult(best_weights, curves, best_epoch, epoch + 1)
