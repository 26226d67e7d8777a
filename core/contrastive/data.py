"""What contrastive models are trained on: crops of sounds, pairs, their split and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from core.contrastive.recipe import ContrastiveRecipe
from core.curation import released_targets, soft_targets

# What is drawn, each from a sequence of its own: [seed, this, epoch].
_WEIGHTS, _ORDER, _CROPS, _SPLIT, _DROPOUT = range(5)
VALIDATION_CROPS = 2**31  # the epoch that the crops of validation are drawn for


class Sounds(Protocol):
    """Recordings at one sample rate that crops can be read of: in memory, or in a file mapped to it."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        ...

    @property
    def lengths(self) -> np.ndarray:
        """Samples of each recording, (n,) int64."""
        ...

    def crop(self, rows: np.ndarray, starts: np.ndarray, n_samples: int) -> np.ndarray:
        """Return `n_samples` of each recording in `rows`, from `starts` on: (b, n_samples) float32.

        Zeros follow where a recording ends sooner.
        """
        ...


class Waveforms:
    """`Sounds` that are arrays.

    Parameters
    ----------
    waveforms : sequence of (t,) array_like, or (n, t) array
        Mono; not copied where it is float32.
    sample_rate : int

    Raises
    ------
    ValueError
        For no recording, or one that is not one channel of finite numbers.
    """

    def __init__(self, waveforms: Sequence[ArrayLike] | np.ndarray, sample_rate: int) -> None:
        self._waveforms = [np.asarray(w, dtype=np.float32) for w in waveforms]
        if not self._waveforms:
            raise ValueError("There are no waveforms; give one or more.")
        for i, w in enumerate(self._waveforms):
            if w.ndim != 1 or not w.size or not np.isfinite(w).all():
                raise ValueError(
                    f"Waveform {i} has shape {w.shape}; it must be one channel of finite numbers, (t,)."
                )
        self.sample_rate = int(sample_rate)
        self.lengths = np.array([len(w) for w in self._waveforms], dtype=np.int64)

    def crop(self, rows: np.ndarray, starts: np.ndarray, n_samples: int) -> np.ndarray:
        """See `Sounds.crop`."""
        crops = np.zeros((len(rows), n_samples), dtype=np.float32)
        for crop, row, start in zip(crops, rows, starts, strict=True):
            part = self._waveforms[row][start : start + n_samples]
            crop[: len(part)] = part
        return crops


@dataclass(frozen=True)
class Pairs:
    """Which pairs a model is trained on and which validate it: each (p, 2), row of sound and of caption."""

    train: np.ndarray
    validation: np.ndarray


#: How well the sounds (rows) and captions (columns) of a batch fit; or one matrix by sound, one by caption.
Targets = np.ndarray | tuple[np.ndarray, np.ndarray]


class SoftTargets:
    """How well any sounds and captions fit: the weight of their pair, summed where it is given twice."""

    def __init__(self, pairs: np.ndarray, weights: np.ndarray, n_sounds: int, n_captions: int) -> None:
        self._weights = csr_array((weights, pairs.T), shape=(n_sounds, n_captions))

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        """Return targets of a batch of pairs, (b, b) float32: row a sound, column a caption."""
        return self._weights[pairs[:, 0]][:, pairs[:, 1]].toarray().astype(np.float32)


@dataclass(frozen=True, eq=False)
class Teacher:
    """A space that is held fixed while a model is trained, and says how well the pairs of a batch fit.

    Attributes
    ----------
    audio : (n, d) array
        Every sound in it.
    text : (c, d) array
        Every caption in it.
    targets : {"released", "softmax"}
        "released": `core.curation.released_targets`, for `core.losses.kl_clip_loss`. "softmax":
        `core.curation.soft_targets`, for `core.losses.soft_clip_loss`.
    beta : float
        Of the first.
    temperature : float
        Of the second.
    """

    audio: np.ndarray
    text: np.ndarray
    targets: str = "released"
    beta: float = 0.3
    temperature: float = 0.07

    def __call__(self, pairs: np.ndarray) -> Targets:
        """Return targets of a batch of pairs: two of shape (b, b), by sound and by text, or one for both."""
        audio, text = self.audio[pairs[:, 0]], self.text[pairs[:, 1]]
        if self.targets == "softmax":
            return soft_targets(audio, text, temperature=self.temperature)
        return released_targets(audio, text, beta=self.beta)


def random_crops(
    sounds: Sounds, rows: np.ndarray, recipe: ContrastiveRecipe, places: np.ndarray
) -> np.ndarray:
    """Cut a crop from each of some recordings, at the `places` of an epoch: (b, samples) float32."""
    size = round(recipe.seconds * recipe.sample_rate)
    spare = np.maximum(sounds.lengths[rows] - size, 0)
    starts = np.floor(places[rows] * (spare + 1)).astype(np.int64)
    return prepared(sounds.crop(rows, starts, size), recipe)


def crop_places(n: int, seed: int, epoch: int) -> np.ndarray:
    """Return where the crops of an epoch begin, (n,) in [0, 1) of what each recording leaves to choose.

    It is drawn for all recordings at once, and so does not depend on which of them are cropped.
    """
    return np.random.default_rng([seed, _CROPS, epoch]).random(n)


def prepared(crops: np.ndarray, recipe: ContrastiveRecipe) -> np.ndarray:
    """Bring each crop to mean 0 and variance 1 where the recipe wants it; silence stays 0."""
    crops = np.asarray(crops, dtype=np.float32)
    if not recipe.standardise:
        return crops
    crops = crops - crops.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(np.square(crops, dtype=np.float64).mean(axis=1, keepdims=True))
    return (crops / np.where(spread > 1e-8, spread, 1)).astype(np.float32)


def windows(length: int, recipe: ContrastiveRecipe) -> np.ndarray:
    """Return where the windows begin that cover a whole recording, evenly spread, (w,) int64."""
    size = round(recipe.seconds * recipe.sample_rate)
    n = max(1, -(-length // size))
    return np.linspace(0, max(length - size, 0), n).round().astype(np.int64)


def split_pairs(pairs: np.ndarray, recipe: ContrastiveRecipe, seed: int, n_sounds: int) -> Pairs:
    """Set pairs aside for validation: all of some clips, or any.

    Clips are taken in an order drawn for all sounds at once, so that models on parts of the same sounds are
    validated on the same clips as far as they have them.
    """
    if recipe.validation == 0:
        return Pairs(pairs, pairs[:0])
    random = np.random.default_rng([seed, _SPLIT])
    if recipe.validation_by == "clip":
        clips = np.unique(pairs[:, 0])
        order = random.permutation(n_sounds)
        chosen = clips[np.argsort(order[clips], kind="stable")][: _held(len(clips), recipe.validation)]
        held = np.isin(pairs[:, 0], chosen)
    else:
        held = np.zeros(len(pairs), dtype=bool)
        held[random.permutation(len(pairs))[: _held(len(pairs), recipe.validation)]] = True
    # Neighbours in a table are captions of one clip, which would be negatives of each other.
    aside = pairs[held]
    return Pairs(pairs[~held], aside[random.permutation(len(aside))])


def split_clips(rows: np.ndarray, codes: np.ndarray, share: float, seed: int, n_sounds: int) -> np.ndarray:
    """Return which clips validate, (m,): a share of each class, in one order; not a class's only one."""
    held = np.zeros(len(rows), dtype=bool)
    if share == 0:
        return held
    order = np.random.default_rng([seed, _SPLIT]).permutation(n_sounds)[rows]
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        held[own[np.argsort(order[own], kind="stable")][: _held(len(own), share)]] = True
    return held


def _held(n: int, share: float) -> int:
    return min(max(1, round(share * n)), n - 1)


def epoch_pairs(pairs: np.ndarray, seed: int, epoch: int, a_clip: int | None = None) -> np.ndarray:
    """Return pairs in the order of an epoch, of each clip all or only the first `a_clip`."""
    ordered = pairs[np.random.default_rng([seed, _ORDER, epoch]).permutation(len(pairs))]
    if a_clip is None:
        return ordered
    by_clip = np.argsort(ordered[:, 0], kind="stable")
    clips = ordered[by_clip, 0]
    rank = np.empty(len(ordered), dtype=np.int64)  # which of its clip's pairs each is
    rank[by_clip] = np.arange(len(ordered)) - np.searchsorted(clips, clips)
    return ordered[rank < a_clip]


def batches(n: int, size: int) -> Iterator[slice]:
    """Yield n items as batches; a single one that is left joins the last, as it would have no negatives."""
    start = 0
    while start < n:
        stop = n if n - start <= size + 1 else start + size
        yield slice(start, stop)
        start = stop


def uniform_weights(seed: int, which: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a linear layer's weight (outputs, inputs) and bias within ±1/√(inputs), float32."""
    random = np.random.default_rng([seed, _WEIGHTS, which])
    bound = 1 / np.sqrt(shape[1])
    weight, bias = random.uniform(-bound, bound, shape), random.uniform(-bound, bound, shape[0])
    return weight.astype(np.float32), bias.astype(np.float32)


def torch_seed(seed: int, epoch: int) -> int:
    """Return what torch's own generator, which dropout draws from, is set to at the start of an epoch."""
    return int(np.random.default_rng([seed, _DROPOUT, epoch]).integers(2**63))
