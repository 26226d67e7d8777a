import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.separability import baselines, knn_classifier, linear_probe, stratified_folds


def blobs(n=200, d=8, classes=5, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    X = rng.standard_normal((classes, d))[labels] + spread * rng.standard_normal((n, d))
    return X * rng.gamma(2.0, size=d), np.array([f"class {c}" for c in labels]), rng.integers(1, 6, n)


@settings(max_examples=100)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=40),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_folds_are_even_in_size_and_in_every_class(labels, seed, data):
    n_folds = data.draw(st.integers(2, len(labels)))
    folds = stratified_folds(labels, n_folds, seed=seed)
    assert folds.dtype == np.int64
    assert set(folds) == set(range(1, n_folds + 1))
    assert np.ptp(np.bincount(folds, minlength=n_folds + 1)[1:]) <= 1
    for c in set(labels):
        inside = folds[np.array(labels) == c]
        assert np.ptp(np.bincount(inside, minlength=n_folds + 1)[1:]) <= 1
    np.testing.assert_array_equal(stratified_folds(labels, n_folds, seed=seed), folds)


def test_folds_are_drawn_by_the_seed():
    labels = np.arange(100) % 4
    assert not np.array_equal(stratified_folds(labels, seed=0), stratified_folds(labels, seed=1))
    # Not in the order of the clips, which often follows the recordings.
    assert np.ptp(np.bincount(stratified_folds(np.zeros(100), seed=0)[:50], minlength=6)[1:]) > 0


def reference_knn(X, labels, folds, k, metric):
    predicted = []
    for i, x in enumerate(X):
        others = []
        for j, y in enumerate(X):
            if folds[j] != folds[i]:
                cosine = x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
                distance = 1 - cosine if metric == "cosine" else np.linalg.norm(x - y)
                others.append((round(float(distance), 12), j))
        near = [labels[j] for _, j in sorted(others)[:k]]
        votes = Counter(near)
        predicted.append(next(c for c in near if votes[c] == max(votes.values())))
    return predicted


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_knn_equals_counting_votes(metric, k):
    X, labels, folds = blobs()
    X = np.round(X)  # so that distances tie
    X[(X == 0).all(axis=1)] = 1
    found = knn_classifier(X, labels, folds, k=k, metric=metric)
    assert found.tolist() == reference_knn(X, labels, folds, k, metric)
    assert found.dtype == labels.dtype


def test_knn_of_one_neighbour_equals_scikit_learn():
    X, labels, folds = blobs()
    expected = cross_val_predict(
        KNeighborsClassifier(1, metric="cosine"), X, labels, cv=PredefinedSplit(folds)
    )
    np.testing.assert_array_equal(knn_classifier(X, labels, folds, k=1), expected)


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("kind", ["plain", "going together", "more dimensions than points"])
@pytest.mark.parametrize("C", [0.01, 1.0, 30.0])
def test_probe_predicts_by_the_optimum_of_the_regression(classes, kind, C):
    d = 90 if kind == "more dimensions than points" else 12
    X, labels, _ = blobs(n=60, d=d, classes=classes, spread=2.0)
    if kind == "going together":
        X = X @ (np.random.default_rng(0).standard_normal((d, d)) / np.arange(1, d + 1)[:, None] ** 2)
    labels[:classes] = [f"class {c}" for c in range(classes)]
    folds = np.arange(60) % 2
    found = linear_probe(X, labels, folds, C=C)
    for fold in (0, 1):
        train, codes = X[folds != fold], np.unique(labels[folds != fold], return_inverse=True)
        Z, centre, scale = train - train.mean(0), train.mean(0), train.std(0)
        scores = optimum(Z / scale, codes[1], C)((X[folds == fold] - centre) / scale)
        best = np.sort(scores, axis=1)
        sure = best[:, -1] - best[:, -2] > 1e-3
        assert sure.mean() > 0.8
        np.testing.assert_array_equal(found[folds == fold][sure], codes[0][scores.argmax(1)][sure])


def optimum(Z, codes, C):
    """Scores by the penalised regression as it is written, minimised over all weights and intercepts."""
    d, K = Z.shape[1], codes.max() + 1
    own = np.eye(K)[codes]

    def loss(flat):
        W, b = flat[: K * d].reshape(K, d), flat[K * d :]
        scores = Z @ W.T + b
        residual = softmax(scores, axis=1) - own
        gradient = np.concatenate([(residual.T @ Z + penalty * W).ravel(), residual.sum(axis=0)])
        value = (logsumexp(scores, axis=1) - (scores * own).sum(axis=1)).sum()
        return value + penalty * (W**2).sum() / 2, gradient

    # Of two classes the difference of the weights is what is held small.
    penalty = (2 if K == 2 else 1) / C
    options = {"maxiter": 20_000, "maxfun": 50_000, "gtol": 1e-7, "ftol": 1e-15}
    best = minimize(loss, np.zeros(K * (d + 1)), jac=True, method="L-BFGS-B", options=options).x
    return lambda points: points @ best[: K * d].reshape(K, d).T + best[K * d :]


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_probe_equals_scikit_learn(C):
    X, labels, folds = blobs(spread=1.5)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    expected = cross_val_predict(model, X, labels, cv=PredefinedSplit(folds))
    found = linear_probe(X, labels, folds, C=C)
    np.testing.assert_array_equal(found, expected)
    assert 0.4 < (found == labels).mean() < 0.99  # neither chance nor trivial
    np.testing.assert_array_equal(linear_probe(X.astype(np.float32), labels, folds, C=C), expected)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_probe_does_not_depend_on_scale_or_shift(scale):
    X, labels, folds = blobs(spread=1.5)
    expected = linear_probe(X, labels, folds)
    np.testing.assert_array_equal(linear_probe(scale * X, labels, folds), expected)
    constant = np.full((len(X), 1), 0.1)
    np.testing.assert_array_equal(linear_probe(np.hstack([X + 100, constant]), labels, folds), expected)


@pytest.mark.parametrize("classify", [lambda *a: knn_classifier(*a, k=1), linear_probe])
def test_a_class_that_no_other_fold_has_is_not_predicted(classify):
    X, labels, folds = blobs()
    labels[0] = "alone"
    folds[labels == "class 1"] = 2
    found = classify(X, labels, folds)
    assert found[0] != "alone"
    assert not (found[folds == 2] == "class 1").any()
    assert (found[folds != 2] == "class 1").any()
    # Two folds of a class each: the other fold knows only its own.
    labels = np.where(folds <= 2, "low", "high")
    found = classify(X, labels, labels == "low")
    assert not (found == labels).any()


@pytest.mark.parametrize("classify", [knn_classifier, linear_probe])
def test_labels_and_folds_of_any_kind_and_progress_by_fold(classify):
    X, labels, folds = blobs()
    expected = classify(X, labels, folds)
    calls = []
    named = classify(
        X, labels.astype(object), np.array([f"fold {f}" for f in folds]), progress=lambda *a: calls.append(a)
    )
    assert named.tolist() == expected.tolist()
    assert calls == [(i, 5) for i in range(1, 6)]
    numbers = np.array([int(v[-1]) for v in labels])
    np.testing.assert_array_equal(classify(X, numbers, folds), [int(v[-1]) for v in expected])


@pytest.mark.parametrize("classify", [knn_classifier, linear_probe])
def test_degenerate_points_have_predictions(classify):
    _, labels, folds = blobs(40)
    for X in (np.zeros((40, 3)), np.ones((40, 3)), np.arange(40.0)[:, None]):
        assert set(classify(X, labels, folds)) <= set(labels)


def test_a_probe_that_has_not_converged_says_so(monkeypatch):
    X, labels, folds = blobs()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear_probe(X, labels, folds)
    monkeypatch.setattr(baselines, "MOST_STEPS", 2)
    with pytest.warns(RuntimeWarning, match="had not converged after 2 steps"):
        linear_probe(X, labels, folds)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y, f: knn_classifier(X, ["a"] * 200, f), "All 200 labels are a; a classifier needs"),
        (lambda X, y, f: linear_probe(X, ["a"] * 200, f), "All 200 labels are a"),
        (lambda X, y, f: linear_probe(X, y, [3] * 200), "All 200 points are in fold 3"),
        (lambda X, y, f: linear_probe(X, y, np.where(np.arange(200) == 7, np.nan, f)), "Fold 7 is missing"),
        (lambda X, y, f: knn_classifier(X, y, np.array([1, None] * 100)), "Fold 1 is missing"),
        (lambda X, y, f: linear_probe(X, y, [3]), "folds have shape \\(1,\\)"),
        (lambda X, y, f: linear_probe(X, y, f, C=0), "C is 0; it must be above 0"),
        (lambda X, y, f: linear_probe(X, y, f, C=float("nan")), "C is nan"),
        (lambda X, y, f: linear_probe(X * np.nan, y, f), "Row 0 of X"),
        (lambda X, y, f: knn_classifier(X, y[:9], f), "one for each of 200 rows"),
        (lambda X, y, f: knn_classifier(X, y, np.arange(200) < 150, k=60), "there are 50 points"),
        (lambda X, y, f: knn_classifier(X, y, f, k=0), "k is 0"),
        (lambda X, y, f: knn_classifier(X, y, f, metric="taxicab"), "metric is 'taxicab'"),
        (lambda X, y, f: stratified_folds(y, 1), "n_folds is 1; 200 points allow"),
        (lambda X, y, f: stratified_folds(["a"], 5), "There are 1 points; folds need at least 2"),
        (lambda X, y, f: stratified_folds([]), "There are 0 points"),
        (lambda X, y, f: stratified_folds("a"), "labels have shape \\(\\)"),
        (lambda X, y, f: stratified_folds(["a", None]), "Label 1 is missing"),
    ],
)
def test_errors_say_what_and_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call(*blobs())


def test_of_large_spaces_fewer_folds_are_held_at_once(monkeypatch):
    X, y, folds = blobs()
    monkeypatch.setattr(baselines, "cores", lambda: 8)
    opened = []

    class Watched(ThreadPoolExecutor):
        def __init__(self, workers):
            opened.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(baselines, "ThreadPoolExecutor", Watched)
    expected = linear_probe(X, y, folds)
    monkeypatch.setattr(baselines, "_HELD_ELEMENTS", 7 * X.size)
    np.testing.assert_array_equal(linear_probe(X, y, folds), expected)
    monkeypatch.setattr(baselines, "_HELD_ELEMENTS", 1)
    np.testing.assert_array_equal(linear_probe(X, y, folds), expected)
    assert opened == [5, 2, 1]
