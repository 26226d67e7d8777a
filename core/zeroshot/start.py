"""The initial weights of a zero-shot model, and the small space that its training takes place in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.zeroshot.data import Collection, Task, initial_weights

_ALIGNED = 8  # the basis is padded with zeros to a multiple of this, which matrix products like


class Projected(NamedTuple):
    """Projections of c texts as the learned A grows.

    Attributes
    ----------
    initial : (c, k) float64 array
        t₀ in the basis.
    pull : (c, n_classes) float64 array
        T' Tᵀ + 1; 0 for rows of A that are no class.
    beyond : (c,) float64 array
        Squared length outside of the basis, which never changes; 0 for training classes.
    """

    initial: np.ndarray
    pull: np.ndarray
    beyond: np.ndarray


class Start:
    """The initial weights of a model, and its training in fewer numbers, exactly.

    The gradient of the text projection is Tᵀ times that of the projected training texts, T being their few
    rows. So its weight stays W₀ + Tᵀ A, its bias b₀ + Aᵀ1, and projected texts t₀ + (T' Tᵀ + 1) A: only
    A is learned, of one row a class. And as scores depend on angles in the shared space alone, every gradient
    lies in the span of the initial rows of the second layer, of its bias and of the projected training
    texts: in a basis of it the shared space of the paper has 277 dimensions, not 512.

    Parameters
    ----------
    collection : Collection
    task : Task
    hidden, shared : int
        Widths of the audio projection.
    n_classes : int
        Rows of A, at least as many as the task has training classes.

    Attributes
    ----------
    weights : dict of float32 arrays
        As `initial_weights` draws them.
    basis : (shared, k) float64 array
        Orthonormal columns, and columns of zeros to pad; the identity where a basis would save nothing.
    """

    def __init__(self, collection: Collection, task: Task, hidden: int, shared: int, n_classes: int) -> None:
        d_audio, d_text = collection.audio.shape[1], collection.text.shape[1]
        self.weights = initial_weights(task.seed, d_audio, d_text, hidden, shared)
        self._texts = collection.text[task.train.texts].astype(np.float64)
        self.n_classes = n_classes
        k = hidden + 1 + n_classes
        if k >= shared:
            self.basis = np.eye(shared)
            return
        w = self.weights
        rows = np.zeros((k, shared))
        rows[:hidden], rows[hidden] = w["audio_2_weight"], w["audio_2_bias"]
        rows[hidden + 1 : hidden + 1 + len(self._texts)] = self._projected(self._texts)
        self.basis = np.zeros((shared, -(-k // _ALIGNED) * _ALIGNED))
        self.basis[:, :k] = np.linalg.qr(rows.T)[0]

    def texts(self, rows: np.ndarray) -> Projected:
        """Return where texts (c, d_t) are projected to, before training and as A grows."""
        rows = rows.astype(np.float64)
        projected = self._projected(rows)
        initial = projected @ self.basis
        pull = np.zeros((len(rows), self.n_classes))
        pull[:, : len(self._texts)] = rows @ self._texts.T + 1
        return Projected(initial, pull, np.square(projected - initial @ self.basis.T).sum(axis=1))

    def learned(self) -> dict[str, np.ndarray]:
        """Return the initial values of what is trained: both layers of the audio projection and A, float32.

        The second layer and A are in the basis: (hidden, k), (1, k) and (n_classes, k).
        """
        w = self.weights
        second = {
            name: w[name].astype(np.float64) @ self.basis for name in ("audio_2_weight", "audio_2_bias")
        }
        return {
            "audio_1_weight": w["audio_1_weight"],
            "audio_1_bias": w["audio_1_bias"][None],
            "audio_2_weight": second["audio_2_weight"].astype(np.float32),
            "audio_2_bias": second["audio_2_bias"].astype(np.float32)[None],
            "text_steps": np.zeros((self.n_classes, self.basis.shape[1]), dtype=np.float32),
        }

    def finish(self, learned: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the weights that what was learned stands for, outside of the basis, float32."""
        initial, weights = self.learned(), dict(self.weights)
        moved = {n: learned[n].astype(np.float64) - initial[n] for n in ("audio_2_weight", "audio_2_bias")}
        steps = learned["text_steps"][: len(self._texts)].astype(np.float64) @ self.basis.T
        changes = {
            "audio_2_weight": moved["audio_2_weight"] @ self.basis.T,
            "audio_2_bias": moved["audio_2_bias"][0] @ self.basis.T,
            "text_weight": self._texts.T @ steps,
            "text_bias": steps.sum(axis=0),
        }
        for name, change in changes.items():
            weights[name] = (weights[name] + change).astype(np.float32)
        first = {"audio_1_weight": learned["audio_1_weight"], "audio_1_bias": learned["audio_1_bias"][0]}
        return weights | first

    def _projected(self, texts: np.ndarray) -> np.ndarray:
        return texts @ self.weights["text_weight"].astype(np.float64) + self.weights["text_bias"]
