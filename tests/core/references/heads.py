"""One head trained by a plain loop with torch's own layers and optimisers, which batches must equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from core.heads.data import initial_weights, mixtures
from core.heads.recipe import CURVES, HeadRecipe, HeadRun
from core.losses import add_loss, add_loss_soft, focal_loss, orthogonal_projection_loss
from core.training.draws import epoch_order


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
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    names = np.asarray(folds)
    fold = np.unique(names)[0] if fold is None else fold
    train, test = np.flatnonzero(names != fold), np.flatnonzero(names == fold)
    wide = np.asarray(X, dtype=np.float64)
    fixed: dict[str, np.ndarray] = {}
    if recipe.standardise:
        mean, spread = wide[train].mean(axis=0), wide[train].std(axis=0)
        fixed = {"mean": mean, "scale": np.where(spread > 1e-12 * np.abs(wide[train]).max(axis=0), spread, 1)}
        wide = (wide - fixed["mean"]) / fixed["scale"]
    x, one_hot = torch.from_numpy(wide).float(), F.one_hot(torch.from_numpy(codes)).float()
    layers = nn.ModuleDict()
    start = initial_weights(seed, x.shape[1], recipe, len(classes))
    for name in [name.removesuffix("_weight") for name in start if name.endswith("_weight")]:
        layers[name] = nn.Linear(*start[f"{name}_weight"].shape)
        layers[name].weight.data = torch.from_numpy(start[f"{name}_weight"].T.copy())
        layers[name].bias.data = torch.from_numpy(start[f"{name}_bias"])

    def embed(x: torch.Tensor) -> torch.Tensor:
        return layers["embedding"](layers["hidden"](x).relu() if recipe.hidden else x)

    def keep(epoch: int) -> None:
        with torch.no_grad():
            kept[np.asarray(keep_epochs) == epoch] = embed(x[rows]).numpy()

    optimiser: torch.optim.Optimizer = torch.optim.SGD(
        layers.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
    )
    if recipe.optimizer == "adamw":
        optimiser = torch.optim.AdamW(
            layers.parameters(), recipe.learning_rate, recipe.betas, weight_decay=recipe.weight_decay
        )
    rows = np.arange(len(x)) if keep_rows is None else np.array(keep_rows)
    curves = np.full((len(CURVES), recipe.epochs), np.nan, dtype=np.float32)
    kept = np.full((len(keep_epochs), len(rows), recipe.dim), np.nan, dtype=np.float32)
    keep(0)
    failed = ""
    for epoch in range(recipe.epochs):
        order = epoch_order(seed, epoch, len(train))
        partners, shares = mixtures(seed, epoch, len(train), recipe)
        total, right = 0.0, 0
        for batch in np.split(order, range(recipe.batch_size, len(order), recipe.batch_size)):
            own, other = train[batch], train[partners[batch]]
            share = torch.from_numpy(shares[batch])[:, None]
            y = share * one_hot[own] + (1 - share) * one_hot[other]
            z = embed(share * x[own] + (1 - share) * x[other])
            logits = layers["class"](z)
            loss = _loss(recipe, z, logits, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
            right += int((logits.argmax(dim=1) == y.argmax(dim=1)).sum())
        if not np.isfinite(total):
            failed = f"The loss was no longer a number in epoch {epoch + 1} (seed {seed})."
            break
        with torch.no_grad():
            predicted = layers["class"](embed(x[test])).argmax(dim=1).numpy()
        curves[:, epoch] = total / len(train), right / len(train), (predicted == codes[test]).mean()
        keep(epoch + 1)
    weights = {
        f"{name}_{kind}": getattr(layer, kind).detach().numpy().T
        for name, layer in layers.items()
        for kind in ("weight", "bias")
    }
    with torch.no_grad():
        embeddings = embed(x).numpy()
    about = (recipe, seed, fold, classes, test, codes[test], predicted if not failed else codes[:0])
    by_name = dict(zip(CURVES, curves, strict=True))
    return HeadRun(*about, by_name, {} if failed else weights | fixed, embeddings, kept, failed)


def _loss(recipe: HeadRecipe, z: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    hard = y.argmax(dim=1)
    if recipe.loss == "focal":
        return focal_loss(logits, hard, gamma=recipe.gamma)
    loss = F.cross_entropy(logits, y)
    if recipe.entropy == "sigmoid":
        loss = F.binary_cross_entropy_with_logits(logits, y)
    if recipe.loss == "opl":
        more = orthogonal_projection_loss(z, hard, gamma=recipe.gamma, variant=recipe.variant)
    elif recipe.loss == "add":
        more = add_loss(z, hard, weights=recipe.weights, variant=recipe.variant)
    elif recipe.loss == "add-soft":
        more = add_loss_soft(z, y, weights=recipe.weights, variant=recipe.variant)
    else:
        return loss
    return loss + recipe.loss_weight * more
