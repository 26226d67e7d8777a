"""Curation against plain sorting; soft targets against the softmax that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from core.curation import (
    curate_by_threshold,
    curate_specific,
    curate_unspecific,
    domain_texts,
    released_targets,
    soft_targets,
)


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


@pytest.mark.parametrize("block", [8_000_000, 7])
def test_every_pair_that_is_near_enough(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.curation._BLOCK_VALUES", block)
    rng = np.random.default_rng(5)
    audio, text = rng.standard_normal((11, 3)), rng.standard_normal((9, 3))
    text[0] = 4 * audio[0]  # of cosine 1
    for threshold, allowed in ((0.75, range(9)), (0.7, (0, 2, 5, 8)), (1.0, range(9)), (-1.0, range(9))):
        pairs = curate_by_threshold(audio, text, threshold, candidates=list(allowed), temperature=0.2)
        expected = set()
        for i, a in enumerate(audio):
            for j in allowed:
                cosine = float(a @ text[j]) / float(np.linalg.norm(a) * np.linalg.norm(text[j]))
                if cosine >= threshold - 1e-9:
                    expected.add((i, j))
        chosen = list(zip(pairs.audio.tolist(), pairs.text.tolist(), strict=True))
        assert set(chosen) == expected
        assert len(chosen) == len(expected) > 0
        assert pairs.candidates.tolist() == list(allowed)
        cosines = _cosine(audio, text)
        np.testing.assert_allclose(pairs.similarity, cosines[pairs.audio, pairs.text], atol=1e-9)
        for i in set(pairs.audio.tolist()):
            mine = pairs.audio == i
            assert (np.diff(pairs.similarity[mine]) <= 0).all()
            weights = _softmax(pairs.similarity[mine] / 0.2, 0)
            np.testing.assert_allclose(pairs.weight[mine], weights, atol=1e-9)
    assert not len(curate_by_threshold([[1.0, 0.0]], [[0.0, 1.0]]))


def test_a_domain_by_threshold_as_released() -> None:
    rng = np.random.default_rng(2)
    text, prompts = rng.standard_normal((40, 3)), rng.standard_normal((2, 3))
    expected = [max(_cosine(text[i : i + 1], prompts)[0]) >= 0.7 for i in range(40)]
    assert 0 < sum(expected) < 40
    assert domain_texts(text, domain=prompts, threshold=0.7).tolist() == expected
    pairs = curate_specific(text, text, domain=prompts, threshold=0.7)
    assert pairs.candidates.tolist() == np.flatnonzero(expected).tolist()


def test_released_targets_are_the_cosines_within_each_modality() -> None:
    rng = np.random.default_rng(0)
    audio, text = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    for X, targets in zip((audio, text), released_targets(audio, text, beta=0.3), strict=True):
        for i in range(5):
            for j in range(5):
                cosine = float(X[i] @ X[j]) / float(np.linalg.norm(X[i]) * np.linalg.norm(X[j]))
                assert targets[i, j] == pytest.approx(0.7 * (i == j) + 0.3 * cosine, abs=1e-9)
        assert not np.allclose(targets.sum(axis=1), 1)  # rows are not brought to sum 1


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
    with pytest.raises(ValueError, match="The domain is not defined"):
        domain_texts(text, captions=["a", "b", "c"])
    with pytest.raises(ValueError, match="There are 1 captions for 3 rows of text"):
        domain_texts(text, captions=["a"], domain_terms=["dog"])
    with pytest.raises(ValueError, match="share is 0; it must be above 0 and at most 1"):
        domain_texts(text, domain=text, share=0)
    with pytest.raises(ValueError, match="threshold is 1.5; it is a cosine"):
        curate_by_threshold(audio, text, 1.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.curation._MOST_PAIRS", 8)
        with pytest.raises(
            ValueError, match="More than 8 pairs have a cosine of -1 or more; raise threshold"
        ):
            curate_by_threshold(audio, text, -1)
    with pytest.raises(ValueError, match="candidates run from 1 to 3; there are 3 texts"):
        curate_by_threshold(audio, text, candidates=[1, 3])
    with pytest.raises(ValueError, match="beta is 2; it must be from 0 to 1"):
        released_targets(audio, text, beta=2)
    with pytest.raises(ValueError, match="audio has 2 rows and text 3; row i of both must be a pair"):
        soft_targets(np.eye(3)[:2], text)
