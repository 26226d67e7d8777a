import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from core.separability import silhouette_samples, silhouette_score


def reference(X, labels):
    """Rousseeuw's definition, point by point."""
    X = np.asarray(X, dtype=np.float64).tolist()

    def distance(x, y):
        norms = math.sqrt(math.fsum(a * a for a in x)) * math.sqrt(math.fsum(b * b for b in y))
        cosine = math.fsum(a * b for a, b in zip(x, y, strict=True)) / norms if norms else 0.0
        value = min(max(1 - cosine, 0.0), 2.0)
        return 0.0 if value < 1e-12 else value

    values = []
    for i, x in enumerate(X):
        means = {}
        for label in set(labels):
            others = [distance(x, y) for j, y in enumerate(X) if labels[j] == label and j != i]
            if others:
                means[label] = math.fsum(others) / len(others)
        if labels[i] not in means:
            values.append(0.0)
            continue
        a = means.pop(labels[i])
        b = min(means.values())
        values.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    return np.array(values)


@settings(max_examples=200, deadline=None)
@given(
    X=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 12), st.integers(1, 4)),
        elements=st.integers(-2, 2).map(float),
    ),
    data=st.data(),
)
def test_equals_the_definition(X, data):
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=len(X), max_size=len(X)))
    if len(set(labels)) < 2:
        labels[0], labels[-1] = "a", "b"
    np.testing.assert_allclose(silhouette_samples(X, labels), reference(X, labels), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["plain", "narrow cone", "zeros", "duplicates", "large", "small"])
def test_equals_scikit_learn_in_float64(kind, dtype):
    rng = np.random.default_rng(0)
    n = 400
    labels = rng.integers(0, 9, n)
    X = rng.standard_normal((n, 40)) + 2 * rng.standard_normal((9, 40))[labels]
    if kind == "narrow cone":
        X = X * 1e-2 + rng.standard_normal(40)
    elif kind == "zeros":
        X[::7] = 0
    elif kind == "duplicates":
        X[::2] = X[1::2]
    elif kind == "large":
        X *= 1e15
    elif kind == "small":
        X *= 1e-15
    X = X.astype(dtype)
    labels[labels == 8] = 7
    labels[5] = 8  # alone in its class
    expected = metrics.silhouette_samples(X.astype(np.float64), labels, metric="cosine")
    np.testing.assert_allclose(silhouette_samples(X, labels), expected, atol=1e-6)
    assert silhouette_score(X, labels) == pytest.approx(expected.mean(), abs=1e-6)
    assert silhouette_samples(X, labels)[5] == 0


def test_scale_of_a_row_is_of_no_consequence():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 6))
    labels = rng.integers(0, 3, 30)
    scaled = X * 10.0 ** rng.integers(-200, 200, 30)[:, None]
    np.testing.assert_allclose(silhouette_samples(scaled, labels), silhouette_samples(X, labels), atol=1e-12)


def test_blocks_layout_and_type_of_labels_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((500, 10))
    labels = rng.integers(0, 5, 500)
    expected = silhouette_samples(X, labels)
    monkeypatch.setattr("core._classes._BLOCK_ELEMENTS", 640)
    wide = np.empty((500, 20))
    wide[:, ::2] = X
    for other in (X, np.asfortranarray(X), wide[:, ::2]):
        np.testing.assert_allclose(silhouette_samples(other, labels), expected, atol=1e-13)
    np.testing.assert_allclose(silhouette_samples(X, [f"class {v}" for v in labels]), expected, atol=1e-13)


def test_every_point_alone_has_zero_by_definition():
    np.testing.assert_array_equal(silhouette_samples(np.eye(4), list("abcd")), 0)


@pytest.mark.parametrize(
    ("X", "labels", "options", "message"),
    [
        (np.eye(3), ["dog"] * 3, {}, "All 3 labels are dog; a silhouette needs at least 2 classes"),
        (np.eye(3), [0, 1], {}, r"labels have shape \(2,\)"),
        (np.eye(3), ["a", None, "b"], {}, "Label 1 is missing"),
        (np.eye(3), [0.0, 1.0, np.nan], {}, "Label 2 is missing"),
        (np.eye(3), np.array(["a", 1, "b"], dtype=object), {}, "several types"),
        (np.eye(3), [0, 1, 1], {"metric": "l1"}, "metric is 'l1'; it must be one of cosine, euclidean"),
        (np.full((3, 2), np.inf), [0, 1, 1], {}, "Row 0 of X"),
    ],
)
def test_errors(X, labels, options, message):
    with pytest.raises(ValueError, match=message):
        silhouette_samples(X, labels, **options)
