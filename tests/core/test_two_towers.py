import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix
from sklearn.metrics.pairwise import cosine_similarity

from core.zeroshot import prompt_ensemble, zero_shot

CLASSES = ["dog", "rain", "sea wave", "siren"]


def space(n=60, d=7, seed=0):
    random = np.random.default_rng(seed)
    texts = random.standard_normal((len(CLASSES), d)) * [[1], [10], [0.1], [3]]
    which = random.integers(0, len(CLASSES), n)
    audio = texts[which] / np.linalg.norm(texts[which], axis=1, keepdims=True)
    return audio + 0.5 * random.standard_normal((n, d)), texts, [CLASSES[i] for i in which]


def test_scores_and_counts_are_those_of_sklearn():
    audio, texts, labels = space()
    found = zero_shot(audio, texts, labels, CLASSES)
    scores = cosine_similarity(audio, texts)
    predicted = [CLASSES[i] for i in scores.argmax(axis=1)]
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    np.testing.assert_array_equal(found.predictions, scores.argmax(axis=1))
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    assert 0.3 < found.accuracy < 1
    assert found.macro_accuracy == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-12)
    np.testing.assert_array_equal(found.confusion, confusion_matrix(labels, predicted, labels=CLASSES))
    for c, name in enumerate(CLASSES):
        own = [p == name for p, label in zip(predicted, labels, strict=True) if label == name]
        assert found.by_class[c] == pytest.approx(np.mean(own))
    np.testing.assert_array_equal(
        found.own_scores, [row[CLASSES.index(label)] for row, label in zip(found.scores, labels, strict=True)]
    )
    assert found.chance == 0.25


def test_prompts_count_alike_whatever_their_length():
    audio, texts, labels = space()
    other = np.random.default_rng(5).standard_normal(texts.shape)
    together = np.stack([texts, other])
    mean = [(a / np.linalg.norm(a) + b / np.linalg.norm(b)) / 2 for a, b in zip(texts, other, strict=True)]
    mean = np.array([m / np.linalg.norm(m) for m in mean])
    np.testing.assert_allclose(prompt_ensemble(together), mean, atol=1e-12)
    found = zero_shot(audio, together, labels, CLASSES)
    np.testing.assert_allclose(found.scores, cosine_similarity(audio, mean), atol=1e-6)
    scaled = zero_shot(audio, together * [[[9.0]], [[0.3]]], labels, CLASSES)
    np.testing.assert_array_equal(found.predictions, scaled.predictions)
    np.testing.assert_array_equal(
        zero_shot(audio, texts[None], labels, CLASSES).scores, zero_shot(audio, texts, labels, CLASSES).scores
    )


def test_ties_zeros_and_classes_without_clips():
    texts = np.array([[1.0, 0], [1, 0], [0, 1]])
    found = zero_shot([[2.0, 0], [0, 0]], texts, ["a", "a"], ["a", "b", "c"])
    np.testing.assert_array_equal(found.predictions, [0, 0])  # of equal scores the first
    np.testing.assert_array_equal(found.scores[1], 0)
    np.testing.assert_array_equal(np.isnan(found.by_class), [False, True, True])
    assert found.macro_accuracy == 1
    np.testing.assert_array_equal(prompt_ensemble([[[1.0, 2]], [[-2, -4]]]), [[0, 0]])  # they cancel out


@pytest.mark.parametrize(
    ("audio", "texts", "labels", "classes", "says"),
    [
        ([[1, 0]], np.eye(2), ["a"], ["a", "a"], "2 classes .1 different."),
        ([[1, 0]], np.eye(2), ["a"], ["a"], "1 classes"),
        ([[1, 0]], np.eye(2), ["a"], ["a", "b", "c"], "texts for 2"),
        ([[1, 0, 0]], np.eye(2), ["a"], ["a", "b"], "3 dimensions"),
        ([[1, 0]], np.eye(2), ["a", "b"], ["a", "b"], "2 labels for 1 clips"),
        ([[1, 0]], np.eye(2), ["wind"], ["a", "b"], "'wind'"),
        ([[np.nan, 0]], np.eye(2), ["a"], ["a", "b"], "Row 0 of audio"),
        ([[1, 0]], [[np.inf, 0], [0, 1]], ["a"], ["a", "b"], "Row 0 of texts"),
        ([[1, 0]], np.zeros((0, 2, 2)), ["a"], ["a", "b"], "several prompts"),
    ],
)
def test_what_does_not_fit_is_said(audio, texts, labels, classes, says):
    with pytest.raises(ValueError, match=says):
        zero_shot(audio, texts, labels, classes)
