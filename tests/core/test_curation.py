"""Curation against plain sorting; soft targets against the softmax that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from core.curation import curate_specific, curate_unspecific, domain_texts, soft_targets


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def _softmax(values: np.ndarray, axis: int) -> np.ndarray:
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_nearest_texts_by_plain_sorting(k: int) -> None:
    rng = np.random.default_rng(k)
    audio, text = rng.standard_normal((12, 5)), rng.standard_normal((7, 5))
    pairs = curate_unspecific(audio, text, k, temperature=0.2)
    cosine = _cosine(audio, text)
    order = np.argsort(-cosine, axis=1)[:, :k]
    assert pairs.audio.tolist() == np.repeat(np.arange(12), k).tolist()
    assert pairs.text.reshape(12, k).tolist() == order.tolist()
    chosen = np.take_along_axis(cosine, order, axis=1)
    np.testing.assert_allclose(pairs.similarity.reshape(12, k), chosen, atol=1e-9)
    np.testing.assert_allclose(pairs.weight.reshape(12, k), _softmax(chosen / 0.2, 1), atol=1e-9)
    assert len(pairs) == 12 * k


def test_only_texts_of_the_domain() -> None:
    rng = np.random.default_rng(0)
    audio, text = rng.standard_normal((5, 4)), rng.standard_normal((6, 4))
    captions = ["a dog", "talk", "dogs bark", "a car", "cats and rain", "silence"]
    pairs = curate_specific(audio, text, 2, captions=captions, domain_terms=["dog", "cat"])
    assert pairs.candidates.tolist() == [0, 2, 4]
    inside = np.array([0, 2, 4])
    expected = inside[np.argsort(-_cosine(audio, text[inside]), axis=1)[:, :2]]
    assert pairs.text.reshape(5, 2).tolist() == expected.tolist()
    # By closeness to terms in the space, by words, or both.
    domain = rng.standard_normal((3, 4))
    nearest = np.argsort(-_cosine(text, domain).max(axis=1))
    for share, n in ((0.5, 3), (1 / 6, 1), (0.4, 3), (1.0, 6)):
        assert np.flatnonzero(domain_texts(text, domain=domain, share=share)).tolist() == sorted(nearest[:n])
    both = domain_texts(text, captions=captions, domain_terms=["rain"], domain=domain, share=0.2)
    assert set(np.flatnonzero(both)) == {4, *nearest[:2].tolist()}


def test_soft_targets_are_the_softmax_of_both_sides() -> None:
    rng = np.random.default_rng(0)
    audio, text = rng.standard_normal((6, 3)), rng.standard_normal((6, 3))
    targets = soft_targets(audio, text, temperature=0.3)
    cosine = _cosine(audio, text)
    for axis in (0, 1):
        np.testing.assert_allclose(
            targets / targets.sum(axis=axis, keepdims=True), _softmax(cosine / 0.3, axis), atol=1e-9
        )
    assert (targets > 0).all()
    assert (targets <= 1).all()
    # Silence has no direction: it fits all texts alike.
    flat = soft_targets(np.zeros((2, 3)), text[:2])
    assert np.ptp(flat) == 0


def test_errors_say_what_to_do() -> None:
    audio, text = np.eye(3), np.eye(3)
    with pytest.raises(
        ValueError, match="audio has 3 dimensions and text 2; both must be of one common space"
    ):
        curate_unspecific(audio, np.eye(2))
    with pytest.raises(ValueError, match="k is 4; there are 3 texts, so it must be from 1 to that many"):
        curate_unspecific(audio, text, 4)
    with pytest.raises(ValueError, match="k is 1; there are 0 texts of the domain"):
        curate_specific(audio, text, captions=["a", "b", "c"], domain_terms=["dog"])
    with pytest.raises(ValueError, match="temperature is 0; it must be above 0"):
        curate_unspecific(audio, text, temperature=0)
    with pytest.raises(ValueError, match="Nothing says what the domain is"):
        domain_texts(text, captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="There are 1 captions for 3 rows of text"):
        domain_texts(text, captions=["a"], domain_terms=["dog"])
    with pytest.raises(ValueError, match="share is 0; it must be above 0 and at most 1"):
        domain_texts(text, domain=text, share=0)
    with pytest.raises(ValueError, match="audio has 2 rows and text 3; row i of both must be a pair"):
        soft_targets(np.eye(3)[:2], text)
