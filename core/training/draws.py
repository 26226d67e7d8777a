"""What every family draws and measures alike: first weights, the order of clips in an epoch, their scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.checks import whole


def check_seed(seed: Any) -> int:
    """Return a seed as a number; raises `ValueError` for what is none."""
    if not whole(seed) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0.")
    return int(seed)


def linear_weights(seed: int, layers: Sequence[tuple[str, int, int]]) -> dict[str, np.ndarray]:
    """Draw weights and biases of layers, each given with inputs and outputs, as PyTorch does for linear ones.

    They are uniform within ±1/√(inputs), (inputs, outputs) and (outputs,) float32, named ``LAYER_weight`` and
    ``LAYER_bias``.
    """
    random = np.random.default_rng([seed, 0])
    weights = {}
    for name, inputs, outputs in layers:
        bound = 1 / np.sqrt(inputs)
        for kind, shape in (("weight", (inputs, outputs)), ("bias", (outputs,))):
            weights[f"{name}_{kind}"] = random.uniform(-bound, bound, shape).astype(np.float32)
    return weights


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order (n,) in which a model sees its clips in an epoch, counted from 0."""
    return np.random.default_rng([seed, 1, epoch]).permutation(n)


def standardisation(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each dimension, (d,) float32; 1 for one that does not vary."""
    wide = audio.astype(np.float64)
    spread = wide.std(axis=0)
    spread[spread <= 1e-12 * np.abs(wide).max(axis=0)] = 1
    return wide.mean(axis=0).astype(np.float32), spread.astype(np.float32)
