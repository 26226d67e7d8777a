"""Checks of the input of contrastive training, and its pairs and texts as the models take them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from core.checks import matrix
from core.contrastive.data import SoftTargets, Sounds, Targets, split_pairs
from core.contrastive.model import Material, Task, embed_texts
from core.contrastive.recipe import ContrastiveRecipe, ModelPlan
from core.training.draws import check_seed
from core.training.threads import fixed_threads, operation_threads


def chosen_rows(rows: ArrayLike | None, n: int) -> np.ndarray:
    """Return rows as (m,) int64, by default all of n."""
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    if chosen.ndim != 1 or not len(chosen) or chosen.dtype.kind not in "iu":
        raise ValueError(f"rows have shape {chosen.shape}; they must be one or more whole numbers, (m,).")
    if chosen.min() < 0 or chosen.max() >= n:
        raise ValueError(f"rows run from {chosen.min()} to {chosen.max()}; there are {n} sounds.")
    return chosen.astype(np.int64)


def check_sounds(sounds: Sounds, networks: Mapping[str, nn.Module], recipe: ContrastiveRecipe) -> None:
    """Raise `ValueError` for sounds and crops that do not fit the recipe or a network."""
    if sounds.sample_rate != recipe.sample_rate:
        raise ValueError(
            f"The sounds have {sounds.sample_rate:,} Hz, the recipe {recipe.sample_rate:,}; resample one."
        )
    size = round(recipe.seconds * recipe.sample_rate)
    for network in networks.values():
        rate, least = getattr(network, "sample_rate", recipe.sample_rate), getattr(network, "min_samples", 1)
        if rate != recipe.sample_rate:
            raise ValueError(
                f"The backbone takes {rate:,} Hz, the recipe has {recipe.sample_rate:,}; change one."
            )
        if size < least:
            raise ValueError(
                f"Crops of {recipe.seconds} s have {size:,} samples; the backbone needs {least:,} or more."
            )


def text_vectors(
    captions: ArrayLike | Sequence[str],
    text_backbone: nn.Module | None,
    recipe: ContrastiveRecipe,
    device: str,
) -> tuple[np.ndarray, list[str] | None]:
    """Return x_t of captions, and the captions where they are text."""
    array = np.asarray(captions)
    if array.dtype.kind not in "OUT":
        return matrix(array, "captions").astype(np.float32), None
    if text_backbone is None:
        raise ValueError("captions are text, which needs a text backbone; give one, or vectors.")
    texts = [str(text) for text in array.tolist()]
    if array.ndim != 1 or not texts:
        raise ValueError(f"captions have shape {array.shape}; they must be one or more texts, (c,).")
    moved = copy.deepcopy(text_backbone).to(device).eval()
    with fixed_threads(operation_threads([moved], device)):
        return embed_texts(moved, texts, recipe, device).cpu().numpy(), texts


def prepared_models(
    plans: Sequence[ModelPlan],
    sounds: Sounds,
    captions: ArrayLike | Sequence[str],
    networks: tuple[Mapping[str, nn.Module], nn.Module | None],
    recipe: ContrastiveRecipe,
    seeds: Sequence[int],
    device: str,
) -> tuple[list[Task], Material]:
    """Check the input of models, and split their pairs into training and validation."""
    backbones, text_backbone = networks
    check_sounds(sounds, backbones, recipe)
    x_t, texts = text_vectors(captions, text_backbone, recipe, device)
    if recipe.tune_text and texts is None:
        raise ValueError("tune_text is on; that needs a text backbone, and captions as text.")
    tasks = []
    for plan, seed in zip(plans, seeds, strict=True):
        check_seed(seed)
        if plan.backbone not in backbones:
            raise ValueError(
                f"{plan.name} begins with {plan.backbone!r}; the backbones are {', '.join(backbones)}."
            )
        tasks.append(_task(plan, int(seed), recipe, (len(sounds.lengths), len(x_t))))
    used = {task.plan.backbone: backbones[task.plan.backbone] for task in tasks}
    material = Material(
        sounds=sounds,
        x_t=torch.from_numpy(x_t).to(device),
        texts=texts,
        backbones={name: _frozen(network, device) for name, network in used.items()},
        text_backbone=None if text_backbone is None else _frozen(text_backbone, device),
        recipe=recipe,
        device=device,
    )
    return tasks, material


def _task(plan: ModelPlan, seed: int, recipe: ContrastiveRecipe, most: tuple[int, int]) -> Task:
    """Check the pairs of a plan against the numbers of sounds and captions, and split them."""
    pairs = np.asarray(plan.pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"Pairs of {plan.name} have shape {pairs.shape}; they must be (p, 2) of rows.")
    if len(pairs) and (pairs.min() < 0 or (pairs.max(axis=0) >= most).any()):
        raise ValueError(
            f"Pairs of {plan.name} name rows that do not exist; there are {most[0]} sounds and "
            f"{most[1]} captions."
        )
    split = split_pairs(pairs.astype(np.int64), recipe, seed, most[0])
    if len(split.train) < 2 or (recipe.validation and len(split.validation) < 2):
        raise ValueError(
            f"{plan.name} has {len(split.train)} pairs to train on and {len(split.validation)} to "
            "validate; both need two or more, since one alone has no negatives."
        )
    return Task(plan, seed, split, _soft_targets(plan, most))


def _soft_targets(plan: ModelPlan, shape: tuple[int, int]) -> Callable[[np.ndarray], Targets] | None:
    if plan.teacher is not None:
        rows = (len(plan.teacher.audio), len(plan.teacher.text))
        if plan.weights is not None or rows != shape:
            raise ValueError(
                f"The teacher of {plan.name} has {rows[0]} sounds and {rows[1]} captions for {shape[0]} and "
                f"{shape[1]}; it needs as many, and a plan with a teacher has no weights."
            )
        return plan.teacher
    if plan.weights is None:
        return None
    weights = np.asarray(plan.weights, dtype=np.float64)
    if weights.shape != (len(plan.pairs),) or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(
            f"Weights of {plan.name} have shape {weights.shape}; each of {len(plan.pairs)} pairs needs a "
            "number above 0."
        )
    return SoftTargets(np.asarray(plan.pairs), weights, *shape)


def _frozen(network: nn.Module, device: str) -> nn.Module:
    return copy.deepcopy(network).to(device).eval().requires_grad_(False)
