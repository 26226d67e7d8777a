"""One contrastive model by a plain loop: what the grid has to come to."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from core.contrastive.data import (
    VALIDATION_CROPS,
    Sounds,
    Targets,
    batches,
    crop_places,
    epoch_pairs,
    torch_seed,
)
from core.contrastive.input import prepared_models
from core.contrastive.model import Heads, Material, Task, embed_texts, precision
from core.contrastive.recipe import ContrastiveRecipe, ModelPlan
from core.contrastive.result import ContrastiveModel, finished
from core.training.results import Arrays, TrainingResult
from core.training.weights import weights_of


def train_model(
    plan: ModelPlan,
    sounds: Sounds,
    captions: ArrayLike | Sequence[str],
    *,
    backbones: Mapping[str, torch.nn.Module],
    recipe: ContrastiveRecipe,
    text_backbone: torch.nn.Module | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> ContrastiveModel:
    """Return what `core.contrastive.train_grid` gives for one plan, each pair through the backbone."""
    given = [plan], sounds, captions, (backbones, text_backbone), recipe, [seed], device
    (task,), material = prepared_models(*given)
    with torch.random.fork_rng():
        return finished(task, material, _train(task, material), backbones, text_backbone)


def _train(task: Task, material: Material) -> TrainingResult:
    recipe, device, seed = material.recipe, material.device, task.seed
    audio = copy.deepcopy(material.backbones[task.plan.backbone])
    text = copy.deepcopy(material.text_backbone) if recipe.tune_text else None
    heads = Heads(audio.dim, material.x_t.shape[1], recipe, seed)  # type: ignore[arg-type]
    heads.begin(task.plan).to(device)
    networks: dict[str, torch.nn.Module] = {"heads": heads}
    learned = [w for w in heads.parameters() if w.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=recipe.frozen_rate)
    curves = np.full((5, recipe.max_epochs), np.nan, dtype=np.float32)
    best: Arrays = {}
    best_epoch, best_loss = 0, np.inf
    lowest, bad, since = np.inf, 0, 0

    def x_a(rows: np.ndarray, epoch: int) -> torch.Tensor:
        crops = material.crops(rows, crop_places(len(material.sounds.lengths), seed, epoch))
        with precision(recipe, device):
            return audio(crops).float()

    def x_t(rows: np.ndarray) -> torch.Tensor:
        if "text" not in networks or text is None or material.texts is None:
            return material.x_t[torch.from_numpy(rows).to(device)]
        texts = [material.texts[i] for i in rows]
        if not text.training:
            return embed_texts(text, texts, recipe, device)
        with precision(recipe, device):
            return text(texts).float()

    for epoch in range(recipe.max_epochs):
        frozen = epoch < recipe.frozen_epochs
        if epoch == recipe.frozen_epochs:
            networks |= {"audio": audio} | ({} if text is None else {"text": text})
            for network in networks.values():
                network.requires_grad_(True)
            heads.log_scale.requires_grad_(recipe.learn_temperature)
            learned = [w for network in networks.values() for w in network.parameters() if w.requires_grad]
            optimiser = torch.optim.Adam(learned, lr=recipe.rate)
        torch.manual_seed(torch_seed(seed, epoch))
        for network in networks.values():
            network.train()
        pairs = epoch_pairs(task.pairs.train, seed, epoch, None if frozen else recipe.captions_a_clip)
        total, norms = 0.0, []
        for batch in batches(len(pairs), recipe.batch_size):
            rows, texts = pairs[batch].T
            with torch.set_grad_enabled(not frozen):
                sounds = x_a(rows, epoch)
            loss = heads.loss(sounds, x_t(texts), recipe.clamp, _targets(task, pairs[batch]))
            optimiser.zero_grad()
            loss.backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(learned, recipe.gradient_limit)))
            total += float(loss.detach()) * len(rows)
            if not np.isfinite(total) or not np.isfinite(norms[-1]):
                what = "gradient" if np.isfinite(total) else "loss"
                return _failed(task, curves, what, epoch)
            optimiser.step()
        for network in networks.values():
            network.eval()
        held, value = task.pairs.validation, float("nan")
        if len(held):
            with torch.no_grad():
                sounds = torch.cat(
                    [x_a(held[b, 0], VALIDATION_CROPS) for b in batches(len(held), recipe.batch_size)]
                )
                texts_of = x_t(held[:, 1])
                losses = [
                    float(heads.loss(sounds[b], texts_of[b], recipe.clamp, _targets(task, held[b])))
                    * len(held[b])
                    for b in batches(len(held), recipe.batch_size)
                ]
            value = sum(losses) / len(held)
            if not np.isfinite(value):
                return _failed(task, curves, "loss in validation", epoch)
        elif not all(bool(torch.isfinite(w).all()) for w in learned):
            return _failed(task, curves, "loss", epoch)
        rate = optimiser.param_groups[0]["lr"]
        temperature = float((-heads.log_scale.detach()).exp())
        curves[:, epoch] = total / len(pairs), value, temperature, rate, np.mean(norms)
        if not len(held) or value < best_loss:
            best_loss, best_epoch = value, epoch + 1
            best = weights_of(networks)
        if frozen or not len(held):
            continue
        bad, since = (0, 0) if value < lowest else (bad + 1, since + 1)
        lowest = min(lowest, value)
        if since >= recipe.patience and epoch + 1 < recipe.max_epochs:
            stopped = f"No lower loss in validation for {since} epochs, up to epoch {epoch + 1}."
            return TrainingResult(best, curves, best_epoch, epoch + 1, stopped)
        if bad > recipe.plateau_patience:
            optimiser.param_groups[0]["lr"] *= recipe.plateau_factor
            bad = 0
    return TrainingResult(best, curves, best_epoch, recipe.max_epochs)


def _targets(task: Task, pairs: np.ndarray) -> Targets | None:
    if task.plan.teacher is not None:
        return task.plan.teacher(pairs)
    if task.plan.weights is None:
        return None
    weight: dict[tuple[int, int], float] = {}
    for (row, caption), value in zip(task.plan.pairs.tolist(), task.plan.weights.tolist(), strict=True):
        weight[row, caption] = weight.get((row, caption), 0.0) + value
    found = [[weight.get((row, caption), 0.0) for caption in pairs[:, 1]] for row in pairs[:, 0]]
    return np.array(found, dtype=np.float32)


def _failed(task: Task, curves: np.ndarray, what: str, epoch: int) -> TrainingResult:
    why = f"The {what} was no longer a number in epoch {epoch + 1} ({task.plan.name}, seed {task.seed})."
    return TrainingResult({}, curves, 0, epoch, failed=why)
