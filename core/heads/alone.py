"""One head trained by a plain loop over batches, easy to follow: what batches of heads are held to."""

from __future__ import annotations

import numpy as np
import torch

from core.heads.batch import Trained
from core.heads.data import Clips, Fold, initial_weights, mixtures
from core.heads.recipe import CURVES, HeadRecipe
from core.losses import (
    add_loss,
    add_loss_soft,
    binary_cross_entropy,
    cross_entropy,
    focal_loss,
    orthogonal_projection_loss,
)
from core.training.shared import epoch_order, standardisation


def train_alone(
    clips: Clips, recipe: HeadRecipe, seed: int, fold: Fold, epochs: np.ndarray, rows: np.ndarray, device: str
) -> Trained:
    """Train a head for the fold that is held out; keep embeddings of `rows` after `epochs`."""
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
            loss = batch_loss(recipe, z, found, y, soft)
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
    return Trained({n: w.detach().cpu().numpy() for n, w in weights.items()} | fixed, curves, kept)


def batch_loss(
    recipe: HeadRecipe, z: torch.Tensor, logits: torch.Tensor, y: torch.Tensor, soft: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a recipe for a batch: embeddings (n, dim), logits (n, C), hard and soft labels."""
    if recipe.loss == "focal":
        return focal_loss(logits, y, gamma=recipe.gamma)
    of = binary_cross_entropy if recipe.entropy == "sigmoid" else cross_entropy
    entropy = of(logits, soft if recipe.mixup else y)
    if recipe.loss == "opl":
        more = orthogonal_projection_loss(z, y, gamma=recipe.gamma, variant=recipe.variant)
    elif recipe.loss == "add":
        more = add_loss(z, y, weights=recipe.weights, variant=recipe.variant)
    elif recipe.loss == "add-soft":
        more = add_loss_soft(z, soft, weights=recipe.weights, variant=recipe.variant)
    else:
        return entropy
    return entropy + recipe.loss_weight * more
