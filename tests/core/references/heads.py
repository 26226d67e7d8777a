"""One head trained by a plain loop over batches, easy to follow: what batches of heads are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from core.heads.batch import classification_loss, result_of
from core.heads.data import Clips, Fold, initial_weights, mixtures
from core.heads.grid import Task
from core.heads.recipe import CURVES, HeadRecipe, HeadRun
from core.heads.training import _judged
from core.training.draws import epoch_order, standardisation
from core.training.results import TrainingResult


def train_head(
    X: ArrayLike,
    labels: ArrayLike,
    folds: ArrayLike,
    *,
    recipe: HeadRecipe,
    seed: int = 0,
    fold: object = None,
    keep_epochs: Sequence[int] = (),
    keep_rows: Sequence[int] | None = None,
) -> HeadRun:
    """Return what `core.heads.train_heads` gives for a recipe, a seed and a fold, by default the first."""
    clips = Clips(X, labels, folds)
    held = next(f for f in clips.folds if fold is None or f.name == fold)
    rows = np.arange(len(clips.X)) if keep_rows is None else np.array(keep_rows)
    found = train_alone(clips, recipe, seed, held, np.array(keep_epochs), rows)
    return _judged(clips, Task(recipe, seed, held, True), found)


def train_alone(
    clips: Clips, recipe: HeadRecipe, seed: int, fold: Fold, epochs: np.ndarray, rows: np.ndarray
) -> TrainingResult:
    """Train a head for the fold that is held out; keep embeddings of `rows` after `epochs`."""
    device = "cpu"
    n_classes = len(clips.classes)
    weights = {
        name: torch.from_numpy(values).to(device).requires_grad_()
        for name, values in initial_weights(seed, clips.X.shape[1], recipe, n_classes).items()
    }
    X, codes = torch.from_numpy(clips.X).to(device), torch.from_numpy(clips.codes).to(device)
    fixed: dict[str, np.ndarray] = {}
    if recipe.standardise:
        mean, scale = standardisation(clips.X[fold.train])
        fixed = {"mean": mean, "scale": scale}
        X = (X - torch.from_numpy(mean).to(device)) / torch.from_numpy(scale).to(device)
    one_hot = torch.nn.functional.one_hot(codes, n_classes).to(X.dtype)
    train, test = (torch.from_numpy(r).to(device) for r in (fold.train, fold.test))

    def embedded(x: torch.Tensor) -> torch.Tensor:
        if recipe.hidden:
            x = torch.relu(x @ weights["hidden_weight"] + weights["hidden_bias"])
        return x @ weights["embedding_weight"] + weights["embedding_bias"]

    def classified(z: torch.Tensor) -> torch.Tensor:
        return z @ weights["class_weight"] + weights["class_bias"]

    def keep(epoch: int) -> None:
        with torch.no_grad():
            kept[epochs == epoch] = embedded(X[torch.from_numpy(rows).to(device)]).cpu().numpy()

    optimiser: torch.optim.Optimizer
    if recipe.optimizer == "adamw":
        optimiser = torch.optim.AdamW(
            weights.values(), recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
        )
    else:
        optimiser = torch.optim.SGD(
            weights.values(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
        )
    curves = np.full((len(CURVES), recipe.epochs), np.nan, dtype=np.float32)
    kept = np.full((len(epochs), len(rows), recipe.dim), np.nan, dtype=np.float32)
    keep(0)
    for epoch in range(recipe.epochs):
        order = torch.from_numpy(epoch_order(seed, epoch, len(train))).to(device)
        if recipe.mixup:
            partners, shares = (
                torch.from_numpy(drawn).to(device) for drawn in mixtures(seed, epoch, len(train), recipe)
            )
        total, right = 0.0, 0
        for batch in order.split(recipe.batch_size):
            chosen = train[batch]
            x, y, soft = X[chosen], codes[chosen], one_hot[chosen]
            if recipe.mixup:
                other, share = train[partners[batch]], shares[batch, None]
                x, soft = share * x + (1 - share) * X[other], share * soft + (1 - share) * one_hot[other]
            z = embedded(x)
            found = classified(z)
            loss = classification_loss(recipe, z, found, soft if recipe.mixup else y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
            right += int((found.argmax(dim=1) == soft.argmax(dim=1)).sum())
        if not np.isfinite(total):
            break
        with torch.no_grad():
            tested = classified(embedded(X[test])).argmax(dim=1) == codes[test]
        curves[:, epoch] = total / len(train), right / len(train), float(tested.float().mean())
        keep(epoch + 1)
    learned = {n: w.detach().cpu().numpy() for n, w in weights.items()} | fixed
    return result_of(recipe, seed, learned, curves, kept)
