"""The result of the training of a model, and how that and unfinished trainings are saved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TrainingResult:
    """A model that has been trained, of any family.

    Attributes
    ----------
    weights : dict of arrays
        By name, those of the best epoch; empty if the training failed.
    curves : (n_curves, epochs) float32 array
        NaN from where the model stopped or failed.
    best_epoch : int
        The epoch, from 1, that the weights are of; 0 if the training failed.
    epochs : int
        Epochs that it was trained for.
    stopped : str
        Why it ended early; "" if it did not.
    failed : str
        Why there is no model, with epoch and seed; "" if there is.
    extra : dict of arrays
        What else its family keeps of it, such as embeddings after some epochs.
    """

    weights: Arrays
    curves: np.ndarray
    best_epoch: int
    epochs: int
    stopped: str = ""
    failed: str = ""
    extra: Arrays = field(default_factory=dict)


class Checkpoint(Protocol):
    """Where a training that may be interrupted is saved, one piece for each group of models.

    A piece is small against the whole, and is not written again once its models have ended.
    """

    def load(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Return all pieces by name."""

    def save(self, name: str, arrays: Arrays) -> None:
        """Store a piece in the place of the one of this name; may be called in any thread."""


def fingerprint(*parts: object) -> np.ndarray:
    """Return what identifies a training, (32,) uint8: a hash of arrays and of texts."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.shape} {part.dtype.str} ".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(str(part).encode())
        digest.update(b";")
    return np.frombuffer(digest.digest(), dtype=np.uint8).copy()


def pack(results: Mapping[int, TrainingResult]) -> Arrays:
    """Return results of models, by their numbers, as arrays by name."""
    arrays: Arrays = {}
    for i, result in results.items():
        arrays |= {f"{i}/weights/{name}": array for name, array in result.weights.items()}
        arrays |= {f"{i}/extra/{name}": array for name, array in result.extra.items()}
        arrays[f"{i}/curves"] = result.curves
        arrays[f"{i}/epochs"] = np.array([result.best_epoch, result.epochs])
        arrays[f"{i}/why"] = np.array([result.stopped, result.failed])
    return arrays


def unpack(arrays: Mapping[str, np.ndarray]) -> dict[int, TrainingResult]:
    """Return the results that `pack` was given."""
    results = {}
    for i in sorted({int(name.partition("/")[0]) for name in arrays if name[0].isdigit()}):
        best_epoch, epochs = arrays[f"{i}/epochs"].tolist()
        stopped, failed = arrays[f"{i}/why"].tolist()
        weights, extra = named(arrays, f"{i}/weights/"), named(arrays, f"{i}/extra/")
        curves = np.asarray(arrays[f"{i}/curves"])
        results[i] = TrainingResult(weights, curves, best_epoch, epochs, stopped, failed, extra)
    return results


def named(arrays: Mapping[str, np.ndarray], start: str) -> Arrays:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {n.removeprefix(start): np.asarray(a) for n, a in arrays.items() if n.startswith(start)}
