"""Zero-shot classification by any model of two towers: a clip is of the class whose text is nearest.

Embeddings of sounds and of texts in one space are all it takes, wherever they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, unit_rows

__all__ = ["ZeroShotResult", "prompt_ensemble", "zero_shot"]


@dataclass(frozen=True)
class ZeroShotResult:
    """Predictions among classes.

    Attributes
    ----------
    classes : tuple of str
    targets, predictions : (n,) int64 arrays
        The class of each clip and the predicted one: that with the highest score, of equal ones the first.
    scores : (n, C) array, float32
        Cosine of the clip with each class's text, in [-1, 1].
    """

    classes: tuple[str, ...]
    targets: np.ndarray
    predictions: np.ndarray
    scores: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of right predictions, in [0, 1]; large classes count more."""
        return float((self.predictions == self.targets).mean())

    @property
    def by_class(self) -> np.ndarray:
        """The same of each class alone, (C,) float64; NaN for a class without clips."""
        sizes = self.confusion.sum(axis=1)
        right = np.diag(self.confusion).astype(np.float64)
        return np.divide(right, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)

    @property
    def macro_accuracy(self) -> float:
        """Mean over the classes that have clips, which all count alike."""
        return float(np.nanmean(self.by_class))

    @property
    def confusion(self) -> np.ndarray:
        """Clips by class (row) and predicted class (column), (C, C) int64."""
        n = len(self.classes)
        return np.bincount(self.targets * n + self.predictions, minlength=n * n).reshape(n, n)

    @property
    def chance(self) -> float:
        """Accuracy of guessing: 1 / C."""
        return 1 / len(self.classes)

    @property
    def own_scores(self) -> np.ndarray:
        """Score of each clip with its own class, (n,)."""
        return self.scores[np.arange(len(self.targets)), self.targets]


def prompt_ensemble(texts: ArrayLike) -> np.ndarray:
    """Return one vector a class from several prompts: the mean of their unit vectors.

    Parameters
    ----------
    texts : (P, C, d) array_like
        Of P prompts ("the sound of a dog", "a recording of a dog") for C classes.

    Returns
    -------
    (C, d) float64 array
        Of unit length, or 0 where the prompts of a class cancel out.

    Raises
    ------
    ValueError
        For another shape, or values that are not finite.

    Examples
    --------
    >>> prompt_ensemble([[[2.0, 0.0]], [[0.0, 1.0]]]).round(3)
    array([[0.707, 0.707]])
    """
    array = np.asarray(texts)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(
            f"texts have shape {array.shape}; those of several prompts must be (P, C, d), none of them 0."
        )
    mean = np.mean([unit_rows(matrix(prompt, "texts")) for prompt in array], axis=0)
    mean[np.abs(mean).max(axis=1) < 1e-12] = 0  # what rounding leaves of vectors that cancel out
    return unit_rows(mean)


def zero_shot(
    audio: ArrayLike, texts: ArrayLike, labels: Sequence[str] | np.ndarray, classes: Sequence[str]
) -> ZeroShotResult:
    """Predict for each clip the class whose text is nearest by cosine.

    Parameters
    ----------
    audio : (n, d) array_like
        Embeddings of clips; their length does not count.
    texts : (C, d) or (P, C, d) array_like
        Of the classes' texts, or of P prompts for each, joined by `prompt_ensemble`.
    labels : (n,) sequence of str
        The class of each clip.
    classes : (C,) sequence of str
        Whose texts they are. A class without clips can be predicted all the same.

    Returns
    -------
    ZeroShotResult
        Scores are computed in float64 and compared when rounded to 12 decimals, so that texts that are equal
        tie whatever the order of sums; an embedding of length 0 has the cosine 0.

    Raises
    ------
    ValueError
        For shapes that do not fit, fewer than two classes, a class twice, or a label without a text.

    Examples
    --------
    >>> result = zero_shot([[1, 0.1], [0.2, 3], [1, 0]], np.eye(2), ["dog", "rain", "rain"], ["dog", "rain"])
    >>> result.predictions, round(result.accuracy, 3), result.chance
    (array([0, 1, 0]), 0.667, 0.5)
    """
    array = np.asarray(texts)
    prompts = prompt_ensemble(array) if array.ndim == 3 else matrix(array, "texts")
    x, names = matrix(audio, "audio"), tuple(str(c) for c in classes)
    if len(names) != len(prompts) or len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"There are {len(names)} classes ({len(set(names))} different) and texts for {len(prompts)}; "
            "there must be two or more, each once and with a text."
        )
    if x.shape[1] != prompts.shape[1]:
        raise ValueError(
            f"audio has {x.shape[1]} dimensions and texts have {prompts.shape[1]}; they must be in one space."
        )
    if len(labels) != len(x):
        raise ValueError(f"There are {len(labels)} labels for {len(x)} clips; each needs one.")
    code = {name: i for i, name in enumerate(names)}
    unknown = sorted({str(label) for label in labels} - code.keys())
    if unknown:
        raise ValueError(
            f"{len(unknown)} labels have no text, {unknown[0]!r} among them; give one, or leave clips out."
        )
    targets = np.array([code[str(label)] for label in labels], dtype=np.int64)
    scores = np.round(unit_rows(x) @ unit_rows(prompts).T, 12)
    return ZeroShotResult(names, targets, scores.argmax(axis=1), scores.astype(np.float32))
