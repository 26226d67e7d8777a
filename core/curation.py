"""Pairs of sounds and texts, chosen by their nearness in a space that embeds both.

A two-tower model embeds sounds and texts into one space. Texts near a sound can serve as its captions in
further training. The paper (Z. Wang, C. Subakan, K. Subramani, J. Wu, T. Tavares, F. Ayres and P. Smaragdis,
"Unsupervised improvement of audio-text cross-modal representations", WASPAA 2023) names domain-unspecific
and domain-specific curation and a soft-labelled contrastive loss; its authors released their code as
``zhepeiw/clap_curation`` (read at commit 70f5d30 of 2023-07-11; curation and loss are as of bba7d51 of
2023-05-05). Both their methods and ours are offered, written from the formulas:

=================  ====================================================  ==================================
what               released                                              ours
=================  ====================================================  ==================================
domain-unspecific  `curate_by_threshold`: every pair of cosine >= 0.75;  `curate_unspecific`: the k nearest
                   or `curate_unspecific` with k = 5                     texts of every sound, weighted
domain-specific    given pairs whose caption has cosine >= 0.7 to        `curate_specific`: the k nearest
                   "this is a sound of <label>": `domain_texts` with     texts of the domain, by words and by
                   ``threshold=0.7``                                     the nearest share of all texts
augmented          `curate_by_threshold` with these captions as          (the same as domain-specific)
                   ``candidates``, cosine >= 0.7
soft targets       `released_targets`, for `core.losses.kl_clip_loss`    `soft_targets`, for
                                                                         `core.losses.soft_clip_loss`
=================  ====================================================  ==================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from core.checks import matrix, unit_rows
from core.leakage import filter_captions
from core.retrieval import search

__all__ = [
    "CuratedPairs",
    "curate_by_threshold",
    "curate_specific",
    "curate_unspecific",
    "domain_texts",
    "released_targets",
    "soft_targets",
]

_BLOCK_VALUES = 8_000_000  # cosines held at once: 64 MB
_MOST_PAIRS = 5_000_000  # that a threshold may give


@dataclass(frozen=True, eq=False)
class CuratedPairs:
    """Sounds and the texts that were chosen for them, by sound, the nearest text first.

    Attributes
    ----------
    audio, text : (p,) int64 arrays
        Rows of the two embeddings.
    similarity : (p,) float64 array
        Cosine of the two, in [-1, 1].
    weight : (p,) float64 array
        How much of a sound each of its texts gets: the softmax of similarity / temperature over them; of each
        sound they sum to 1.
    candidates : (c,) int64 array
        The texts that could be chosen, sorted.
    """

    audio: np.ndarray
    text: np.ndarray
    similarity: np.ndarray
    weight: np.ndarray
    candidates: np.ndarray

    def __len__(self) -> int:
        return len(self.audio)


def curate_unspecific(
    audio: ArrayLike, text: ArrayLike, k: int = 1, *, temperature: float = 0.07
) -> CuratedPairs:
    """Pair every sound with the k texts nearest to it, regardless of their subject.

    Parameters
    ----------
    audio : (n, d) array_like
        Sounds in the common space.
    text : (m, d) array_like
        Texts in it.
    k : int, default 1
        From 1 to m.
    temperature : float > 0, default 0.07
        Of the weights.

    Returns
    -------
    CuratedPairs
        n · k pairs; equally near texts by lower index.

    Raises
    ------
    ValueError
        For spaces of different widths, a k out of range, a temperature that is not positive, or a value that
        is not finite.

    Examples
    --------
    >>> pairs = curate_unspecific([[1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [1.0, 0.1]])
    >>> pairs.audio, pairs.text, pairs.weight
    (array([0, 1]), array([1, 0]), array([1., 1.]))
    """
    return _paired(*_both(audio, text), None, k, temperature)


def curate_by_threshold(
    audio: ArrayLike,
    text: ArrayLike,
    threshold: float = 0.75,
    *,
    candidates: ArrayLike | None = None,
    temperature: float = 0.07,
) -> CuratedPairs:
    """Pair every sound with all texts whose cosine to it reaches a threshold, as the released code does.

    Parameters
    ----------
    audio : (n, d) array_like
        Sounds in the common space.
    text : (m, d) array_like
        Texts in it.
    threshold : float from -1 to 1, default 0.75
        Least cosine of a pair. The released code takes 0.75 for any text, and 0.7 or 0.65 for the texts of a
        domain, in the space of Microsoft's CLAP; other spaces have cosines of another scale.
    candidates : (c,) array_like of int, optional
        Rows of `text` that may be chosen, by default all. With those of a domain (`domain_texts`) this is the
        released augmented curation.
    temperature : float > 0, default 0.07
        Of the weights, which the released code does not have.

    Returns
    -------
    CuratedPairs
        A sound without a text that is near enough is in no pair; the result may be empty.

    Raises
    ------
    ValueError
        For spaces of different widths, a threshold or candidates out of range, a temperature that is not
        positive, a value that is not finite, or more than five million pairs.

    Notes
    -----
    Cosines are computed in float64 and rounded to 12 decimals. The released code keeps vectors and cosines in
    half precision, so that pairs within about 0.001 of the threshold may differ.

    Examples
    --------
    >>> pairs = curate_by_threshold([[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.8, 0.6]])
    >>> pairs.audio, pairs.text, pairs.similarity
    (array([0, 0, 1]), array([0, 1, 1]), array([1.  , 0.8 , 0.96]))
    """
    a, t = _both(audio, text)
    rows = np.arange(len(t)) if candidates is None else np.unique(np.asarray(candidates, dtype=np.int64))
    if len(rows) and (rows[0] < 0 or rows[-1] >= len(t)):
        raise ValueError(f"candidates run from {rows[0]} to {rows[-1]}; there are {len(t)} texts.")
    _check_cosine(threshold)
    sounds, texts = unit_rows(a), unit_rows(t[rows])
    step = max(1, _BLOCK_VALUES // max(1, len(rows)))
    parts = []
    for start in range(0, len(a), step):
        cosine = np.clip(np.round(sounds[start : start + step] @ texts.T, 12), -1, 1)
        i, j = np.nonzero(cosine >= threshold)
        parts.append((i + start, rows[j], cosine[i, j]))
        if sum(len(values) for values, *_ in parts) > _MOST_PAIRS:
            raise ValueError(
                f"More than {_MOST_PAIRS:,} pairs have a cosine of {threshold} or more; raise threshold."
            )
    i, j, similarity = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.lexsort((j, -similarity, i))
    return _weighted(i[order], j[order], similarity[order], rows, temperature)


class Domain(TypedDict, total=False):
    """What says which texts are of a domain: the keyword arguments of `domain_texts`."""

    captions: Iterable[str] | None
    domain_terms: Iterable[str]
    domain: ArrayLike | None
    share: float
    threshold: float | None


def curate_specific(
    audio: ArrayLike,
    text: ArrayLike,
    k: int = 1,
    *,
    temperature: float = 0.07,
    **of_domain: Unpack[Domain],
) -> CuratedPairs:
    """Pair every sound with the k texts nearest to it among those of a domain.

    Parameters
    ----------
    audio, text, k, temperature
        See `curate_unspecific`; k is at most the number of texts of the domain.
    **of_domain
        ``captions``, ``domain_terms``, ``domain``, ``share`` and ``threshold`` of `domain_texts`.

    Raises
    ------
    ValueError
        As the two, and where fewer than k texts are of the domain.

    Examples
    --------
    >>> audio, text = [[1.0, 0.0]], [[1.0, 0.0], [0.8, 0.6]]
    >>> captions = ["a speech about cars", "a dog barks"]
    >>> pairs = curate_specific(audio, text, captions=captions, domain_terms=["dog", "cat"])
    >>> pairs.text, pairs.candidates
    (array([1]), array([1]))
    """
    a, t = _both(audio, text)
    return _paired(a, t, np.flatnonzero(domain_texts(t, **of_domain)), k, temperature)


def domain_texts(
    text: ArrayLike,
    *,
    captions: Iterable[str] | None = None,
    domain_terms: Iterable[str] = (),
    domain: ArrayLike | None = None,
    share: float = 0.2,
    threshold: float | None = None,
) -> np.ndarray:
    """Return which texts are of a domain: those that contain a word of its terms, and those near to them.

    Parameters
    ----------
    text : (m, d) array_like
    captions : m texts, optional
        With `domain_terms`, a text that contains a word of one of them is of the domain, by
        `core.leakage.find_leaks`.
    domain_terms : texts
        Such as the names of the classes that the model shall tell apart.
    domain : (t, d) array_like, optional
        Terms in the common space. The texts nearest to any of them are of the domain.
    share : float in (0, 1], default 0.2
        Of all texts, which part that is, rounded up.
    threshold : float from -1 to 1, optional
        In the place of `share`: every text is of the domain whose cosine to any term reaches this. The
        released code does so, with "this is a sound of <label>" as terms and 0.7, 0.675 or 0.6 by dataset.

    Returns
    -------
    (m,) bool array
        True for a text that either makes one of the domain.

    Raises
    ------
    ValueError
        If neither is given, or they do not fit the texts.

    Examples
    --------
    >>> domain_texts([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], domain=[[1.0, 0.0]], share=0.5).tolist()
    [True, True, False]
    """
    t = matrix(text, "text")
    terms = list(domain_terms)
    by_words = captions is not None and bool(terms)
    if not by_words and domain is None:
        raise ValueError("The domain is not defined; give captions with domain_terms, or domain.")
    inside = np.zeros(len(t), dtype=bool)
    if by_words and captions is not None:
        texts = list(captions)
        if len(texts) != len(t):
            raise ValueError(f"There are {len(texts)} captions for {len(t)} rows of text; give one for each.")
        inside |= ~filter_captions(texts, terms, mode="words")
    if domain is not None and threshold is not None:
        _check_cosine(threshold)
        _, near = search(*_both(t, domain, "text", "domain"), 1)
        inside |= near[:, 0] >= threshold
    elif domain is not None:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; it must be above 0 and at most 1.")
        _, near = search(*_both(t, domain, "text", "domain"), 1)
        # The nearest term of each text, then the texts by how near it is, ties by lower index.
        order = np.argsort(-near[:, 0], kind="stable")
        inside[order[: int(np.ceil(share * len(t)))]] = True
    return inside


def soft_targets(audio: ArrayLike, text: ArrayLike, *, temperature: float = 0.07) -> np.ndarray:
    """Return how well every sound of a batch fits every text of it, for `core.losses.soft_clip_loss`.

    exp((cos - 1) / temperature), of a space that is held fixed: normalised to sum 1, its rows are the softmax
    of cos / temperature over the texts and its columns that over the sounds.

    Parameters
    ----------
    audio, text : (b, d) array_like
        Row i of both is a pair of the batch.
    temperature : float > 0, default 0.07
        Towards 0 only the best fit counts; a pair that is given twice counts fully both times.

    Returns
    -------
    (b, b) float64 array
        In (0, 1].

    Raises
    ------
    ValueError
        For batches of different sizes or widths, or a temperature that is not positive.

    Examples
    --------
    >>> soft_targets([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], temperature=0.5).round(4).tolist()
    [[1.0, 1.0], [0.1353, 0.1353]]
    """
    a, t = _batch(audio, text)
    cosine = np.clip(unit_rows(a) @ unit_rows(t).T, -1, 1)
    return np.exp((cosine - 1) / _positive(temperature))


def released_targets(
    audio: ArrayLike, text: ArrayLike, *, beta: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Return the soft targets of the released code for `core.losses.kl_clip_loss`, from a space held fixed.

    (1 - β) · I + β · cos(a_i, a_j) for each sound over the texts of the batch, and (1 - β) · I + β ·
    cos(t_i, t_j) for each text over its sounds: what is similar in one modality counts as a fit in the other.
    Rows are not normalised to sum 1, and no temperature is applied.

    Parameters
    ----------
    audio, text : (b, d) array_like
        Row i of both is a pair of the batch, in the space of the teacher.
    beta : float from 0 to 1, default 0.3
        Share of the teacher; 0 gives the identity.

    Returns
    -------
    by_audio, by_text : (b, b) float64 arrays
        In [-β, 1], with 1 on the diagonal.

    Raises
    ------
    ValueError
        For batches of different sizes or widths, or a beta out of range.

    Examples
    --------
    >>> by_audio, by_text = released_targets([[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]], beta=0.5)
    >>> by_audio.tolist(), by_text.tolist()
    ([[1.0, 0.3], [0.3, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    a, t = _batch(audio, text)
    if not 0 <= beta <= 1:
        raise ValueError(f"beta is {beta}; it must be from 0 to 1.")

    def mixed(X: np.ndarray) -> np.ndarray:
        unit = unit_rows(X)
        return (1 - beta) * np.eye(len(X)) + beta * np.clip(unit @ unit.T, -1, 1)

    return mixed(a), mixed(t)


def _batch(audio: ArrayLike, text: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, t = _both(audio, text)
    if len(a) != len(t):
        raise ValueError(f"audio has {len(a)} rows and text {len(t)}; row i of both must be a pair.")
    return a, t


def _both(
    audio: ArrayLike, text: ArrayLike, one: str = "audio", other: str = "text"
) -> tuple[np.ndarray, np.ndarray]:
    a, t = matrix(audio, one), matrix(text, other)
    if a.shape[1] != t.shape[1]:
        raise ValueError(
            f"{one} has {a.shape[1]} dimensions and {other} {t.shape[1]}; both must be of one common space."
        )
    return a, t


def _positive(temperature: float) -> float:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0.")
    return temperature


def _paired(
    audio: np.ndarray, text: np.ndarray, candidates: np.ndarray | None, k: int, temperature: float
) -> CuratedPairs:
    rows = np.arange(len(text)) if candidates is None else candidates
    if not 1 <= k <= len(rows):
        of = "texts" if candidates is None else "texts of the domain"
        raise ValueError(f"k is {k}; there are {len(rows)} {of}, so it must be from 1 to that many.")
    nearest, cosine = search(audio, text[rows], k)
    sounds = np.repeat(np.arange(len(audio)), k)
    return _weighted(sounds, rows[nearest].ravel(), cosine.ravel(), rows, temperature)


def _weighted(
    audio: np.ndarray, text: np.ndarray, similarity: np.ndarray, candidates: np.ndarray, temperature: float
) -> CuratedPairs:
    """Compute the weights of pairs that are sorted by sound, the nearest text first."""
    best = similarity[np.searchsorted(audio, audio)]
    weight = np.exp((similarity - best) / _positive(temperature))
    if len(weight):
        weight /= np.bincount(audio, weight)[audio]
    return CuratedPairs(audio, text, similarity, weight, candidates)


def _check_cosine(threshold: float) -> None:
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; it is a cosine, from -1 to 1.")
