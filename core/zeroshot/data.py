"""What a zero-shot model is trained on and judged by: rows of clips and of class texts, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix
from core.splits import ClassSplit, ClassSplitSet, all_classes, held_out
from core.training.draws import check_seed, linear_weights

_LARGEST = 1e15  # beyond it, squares come near the end of float32


@dataclass(frozen=True)
class Part:
    """The clips of some classes.

    Attributes
    ----------
    classes : tuple of str
    texts : (C,) int64 array
        Row of each class among the texts.
    rows : (n,) int64 array
        The clips, ascending.
    targets : (n,) int64 array
        Which of the classes each clip is of.
    """

    classes: tuple[str, ...]
    texts: np.ndarray
    rows: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Task:
    """One model to train: its classes, as parts of the collection, and its seed."""

    split: ClassSplit | ClassSplitSet
    seed: int
    train: Part
    validations: tuple[Part, ...]
    tests: tuple[Part, ...]


class Collection:
    """Audio and text embeddings in float32, with the rows of each class.

    Parameters
    ----------
    audio : (n, d_a) array_like
    labels : (n,) array_like of str
    text : (C, d_t) array_like
    classes : (C,) sequence of str

    Raises
    ------
    ValueError
        For shapes that do not fit, values that are not finite or beyond 1e15, or a class that is named twice.
    """

    def __init__(self, audio: ArrayLike, labels: ArrayLike, text: ArrayLike, classes: Sequence[str]) -> None:
        self.audio = _single(audio, "audio")
        self.text = _single(text, "text")
        names = [str(c) for c in classes]
        if len(names) != len(self.text):
            raise ValueError(
                f"There are {len(names)} classes and {len(self.text)} texts; each class has one."
            )
        self._text_of = {name: i for i, name in enumerate(names)}
        if len(self._text_of) < len(names):
            raise ValueError("A class is named twice; there is one text for each class.")
        array = np.asarray(labels)
        if array.shape != (len(self.audio),):
            raise ValueError(
                f"labels have shape {array.shape}; there must be one for each of {len(self.audio)} clips."
            )
        of_clips, codes, sizes = np.unique(array.astype(str), return_inverse=True, return_counts=True)
        rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
        self._rows_of = dict(zip(of_clips.tolist(), rows, strict=True))

    def task(self, split: ClassSplit | ClassSplitSet, seed: int) -> Task:
        """Return the task of a split; raises `ValueError` for a class without clips or text."""
        silent = [c for c in all_classes(split) if c not in self._rows_of]
        if silent:
            raise ValueError(f"{_some(silent)} no clip; leave {'it' if len(silent) == 1 else 'them'} out.")
        dumb = [c for c in all_classes(split) if c not in self._text_of]
        if dumb:
            raise ValueError(f"{_some(dumb)} no text; describe {'it' if len(dumb) == 1 else 'them'}.")
        validations, tests = held_out(split)
        return Task(
            split,
            check_seed(seed),
            self._part(split.train),
            tuple(self._part(c) for c in validations),
            tuple(self._part(c) for c in tests),
        )

    def _part(self, classes: tuple[str, ...]) -> Part:
        rows = np.concatenate([self._rows_of[c] for c in classes])
        targets = np.repeat(np.arange(len(classes)), [len(self._rows_of[c]) for c in classes])
        order = np.argsort(rows)
        texts = np.array([self._text_of[c] for c in classes])
        return Part(classes, texts, rows[order], targets[order])


def epoch_tries(seed: int, epoch: int, targets: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the wrong classes that the sampled loss tries for each clip, (n, C - 1), with replacement."""
    drawn = np.random.default_rng([seed, 2, epoch]).integers(
        n_classes - 1, size=(len(targets), n_classes - 1)
    )
    return drawn + (drawn >= targets[:, None])


def initial_weights(seed: int, d_audio: int, d_text: int, hidden: int, shared: int) -> dict[str, np.ndarray]:
    """Draw the weights that a model begins with; see `linear_weights`."""
    layers = [("audio_1", d_audio, hidden), ("audio_2", hidden, shared), ("text", d_text, shared)]
    return linear_weights(seed, layers)


def mean_accuracy(sets: Sequence[tuple[float, int]]) -> float:
    """Return the mean of accuracies, each given with its number of classes.

    The accuracy of a single class is always 1 and is left out. NaN where none is left.
    """
    of_several = [accuracy for accuracy, n_classes in sets if n_classes > 1]
    return float(np.mean(of_several)) if of_several else float("nan")


def _single(values: ArrayLike, name: str) -> np.ndarray:
    wide = matrix(values, name)
    far = np.abs(wide).max(axis=1) > _LARGEST
    if far.any():
        raise ValueError(
            f"Row {int(far.argmax())} of {name} holds a value beyond {_LARGEST:g}; scale it down."
        )
    return wide.astype(np.float32, copy=False)


def _some(classes: Sequence[str]) -> str:
    shown = ", ".join(map(repr, classes[:3]))
    if len(classes) == 1:
        return f"The class {shown} has"
    more = f" and {len(classes) - 3} more" if len(classes) > 3 else ""
    return f"The classes {shown}{more} have"
