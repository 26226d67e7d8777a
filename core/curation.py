"""Pairs of sounds and texts that nobody has paired, found by a space in which both lie already.

A two-tower model puts sounds and texts into one space. The texts nearest to a sound there can serve as its
captions in further training: of all texts at hand (`curate_unspecific`), or of those of the domain that the
model shall be used in (`curate_specific`). Such pairs fit more or less, which `soft_targets` says to
`core.losses.soft_clip_loss`.

The paper is known here by its abstract alone (Z. Wang, C. Subakan, K. Subramani, J. Wu, T. Tavares, F. Ayres
and P. Smaragdis, "Unsupervised improvement of audio-text cross-modal representations", WASPAA 2023), which
names domain-unspecific and domain-specific curation and a soft-labelled contrastive loss and gives no
formula. What follows is the plainest reading of these words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core._arrays import matrix, unit_rows
from core.leakage import filter_captions
from core.retrieval import search

__all__ = ["CuratedPairs", "curate_specific", "curate_unspecific", "domain_texts", "soft_targets"]


@dataclass(frozen=True, eq=False)
class CuratedPairs:
    """Sounds and the texts that were found for them, by sound, the nearest text first.

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
    """Pair every sound with the k texts nearest to it, whatever they are about.

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


def curate_specific(
    audio: ArrayLike,
    text: ArrayLike,
    k: int = 1,
    *,
    captions: Iterable[str] | None = None,
    domain_terms: Iterable[str] = (),
    domain: ArrayLike | None = None,
    share: float = 0.2,
    temperature: float = 0.07,
) -> CuratedPairs:
    """Pair every sound with the k texts nearest to it among those of a domain; see `domain_texts`.

    Parameters
    ----------
    audio, text, k, temperature
        See `curate_unspecific`; k is at most the number of texts of the domain.
    captions, domain_terms, domain, share
        See `domain_texts`.

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
    there = domain_texts(t, captions=captions, domain_terms=domain_terms, domain=domain, share=share)
    return _paired(a, t, np.flatnonzero(there), k, temperature)


def domain_texts(
    text: ArrayLike,
    *,
    captions: Iterable[str] | None = None,
    domain_terms: Iterable[str] = (),
    domain: ArrayLike | None = None,
    share: float = 0.2,
) -> np.ndarray:
    """Say which texts are of a domain: those that hold a word of its terms, and those nearest to its terms.

    Parameters
    ----------
    text : (m, d) array_like
    captions : m texts, optional
        With `domain_terms`, a text that holds a word of one of them is of the domain, as
        `core.leakage.find_leaks` finds it.
    domain_terms : texts
        Such as the names of the classes that the model shall tell apart.
    domain : (t, d) array_like, optional
        Terms in the common space. The texts nearest to any of them are of the domain.
    share : float in (0, 1], default 0.2
        Of all texts, which part that is, rounded up.

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
        raise ValueError("Nothing says what the domain is; give captions with domain_terms, or domain.")
    found = np.zeros(len(t), dtype=bool)
    if by_words and captions is not None:
        texts = list(captions)
        if len(texts) != len(t):
            raise ValueError(f"There are {len(texts)} captions for {len(t)} rows of text; give one for each.")
        found |= ~filter_captions(texts, terms, mode="words")
    if domain is not None:
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}; it must be above 0 and at most 1.")
        _, near = search(*_both(t, domain, "text", "domain"), 1)
        # The nearest term of each text, then the texts by how near it is, ties by lower index.
        order = np.argsort(-near[:, 0], kind="stable")
        found[order[: int(np.ceil(share * len(t)))]] = True
    return found


def soft_targets(audio: ArrayLike, text: ArrayLike, *, temperature: float = 0.07) -> np.ndarray:
    """Return how well every sound of a batch fits every text of it, for `core.losses.soft_clip_loss`.

    exp((cos - 1) / temperature), of a space that is held fixed: brought to sum 1, its rows are the softmax of
    cos / temperature over the texts and its columns that over the sounds.

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
    a, t = _both(audio, text)
    if len(a) != len(t):
        raise ValueError(f"audio has {len(a)} rows and text {len(t)}; row i of both must be a pair.")
    cosine = np.clip(unit_rows(a) @ unit_rows(t).T, -1, 1)
    return np.exp((cosine - 1) / _positive(temperature))


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
    found, cosine = search(audio, text[rows], k)
    scores = (cosine - cosine[:, :1]) / _positive(temperature)
    weight = np.exp(scores)
    weight /= weight.sum(axis=1, keepdims=True)
    return CuratedPairs(
        audio=np.repeat(np.arange(len(audio)), k),
        text=rows[found].ravel(),
        similarity=cosine.ravel(),
        weight=weight.ravel(),
        candidates=rows,
    )
