"""Weights of networks, and what their optimiser remembers, as arrays that can be kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from core.training.shared import Arrays


def named(arrays: Mapping[str, np.ndarray], start: str) -> Arrays:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {n.removeprefix(start): np.asarray(a) for n, a in arrays.items() if n.startswith(start)}


def load(parts: Mapping[str, nn.Module], weights: Mapping[str, np.ndarray]) -> None:
    """Put weights, named by part, into the networks they are of; a part that has none stays as it is."""
    for part, network in parts.items():
        own = named(weights, f"{part}.")
        if own:
            network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in own.items()})


def unchanging_projectors(dim: int) -> Arrays:
    """Return weights of both projectors by which (b, dim) vectors of unit length come out as they went in.

    The hidden layer is twice as wide: it has the positive part of x and that of -x, which the second layer
    subtracts.
    """
    eye = np.eye(dim, dtype=np.float32)
    own = {
        "first.weight": np.concatenate([eye, -eye]),
        "first.bias": np.zeros(2 * dim, dtype=np.float32),
        "second.weight": np.concatenate([eye, -eye], axis=1),
        "second.bias": np.zeros(dim, dtype=np.float32),
    }
    return {f"{part}.{n}": a for part in ("audio_projector", "text_projector") for n, a in own.items()}


def weights_of(parts: Mapping[str, nn.Module]) -> Arrays:
    """Return copies of all weights, named by part."""
    return {
        f"{part}.{name}": w.detach().cpu().numpy().copy()
        for part, network in parts.items()
        for name, w in network.state_dict().items()
    }


def moments_of(optimiser: torch.optim.Adam) -> Arrays:
    """Return copies of what Adam remembers of each weight."""
    return {
        f"adam.{i}.{name}": values.detach().cpu().numpy().copy()
        for i, weight in enumerate(optimiser.param_groups[0]["params"])
        for name, values in optimiser.state.get(weight, {}).items()
    }


def restore(optimiser: torch.optim.Adam, arrays: Mapping[str, np.ndarray]) -> None:
    """Make Adam remember what `moments_of` gave."""
    for i, weight in enumerate(optimiser.param_groups[0]["params"]):
        found = named(arrays, f"adam.{i}.")
        if found:  # a weight that takes no part has none
            optimiser.state[weight] = {
                name: torch.from_numpy(array.copy()).to("cpu" if name == "step" else weight.device)
                for name, array in found.items()
            }
