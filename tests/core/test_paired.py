"""Analogies against loops that anybody would write; the report against the functions it gathers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from core.cka import cka
from core.paired import analogy_accuracy, paired_report
from core.similarity import neighborhood_overlap


def _loops(X: np.ndarray, Y: np.ndarray, k: int, metric: str, offset: str) -> float:
    n, right, asked = len(X), 0, 0
    for j in range(n):
        for i in [i for i in range(n) if i != j] if offset == "pair" else [-1]:
            others = [o for o in range(n) if o != j]
            moved = Y[i] - X[i] if offset == "pair" else np.mean([Y[o] - X[o] for o in others], axis=0)
            candidates = [c for c in range(n) if c != i]
            far = cdist([X[j] + moved], Y[candidates], metric=metric)[0]
            nearest = [candidates[c] for c in np.argsort(far)[:k]]
            right += j in nearest
            asked += 1
    return right / asked


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("offset", ["pair", "mean"])
@pytest.mark.parametrize("k", [1, 3])
def test_analogies_by_loops(metric: str, offset: str, k: int) -> None:
    rng = np.random.default_rng(k)
    X = rng.standard_normal((15, 4))
    Y = X @ rng.standard_normal((4, 4)) * 0.4 + X + 1 + 0.3 * rng.standard_normal((15, 4))
    found = analogy_accuracy(X, Y, k=k, metric=metric, offset=offset)
    assert found == pytest.approx(_loops(X, Y, k, metric, offset), abs=1e-12)
    assert 0 < found < 1


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3)).astype(np.float32)
    Y = (X + 0.5 * rng.standard_normal((30, 3))).astype(np.float32)
    whole = analogy_accuracy(X, Y, k=2)
    monkeypatch.setattr("core.paired._BLOCK", 1)
    assert analogy_accuracy(X, Y, k=2) == whole


def test_what_can_be_known_beforehand() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 6))
    for offset in ("pair", "mean"):
        assert analogy_accuracy(X, X + 3.0, metric="euclidean", offset=offset) == 1
        # All points coincide: nothing can be told, whatever is guessed.
        assert analogy_accuracy(np.ones((5, 2)), np.ones((5, 2)), offset=offset) == 0
        assert analogy_accuracy(np.zeros((5, 2)), np.zeros((5, 2)), offset=offset) == 0
    assert analogy_accuracy(X, X + 3.0, k=19) == 1
    # Unrelated pairs: about as good as guessing among n - 1.
    Y = rng.standard_normal((20, 6))
    assert analogy_accuracy(X, Y[rng.permutation(20)]) < 0.2


def test_report() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((25, 4)), rng.standard_normal((25, 4))
    report = paired_report(X, Y, ks=[1, 5, 24], analogy_k=2)
    curve = neighborhood_overlap(X, Y, ks=[1, 5, 24], include_self=False)
    np.testing.assert_allclose(report.curve["overlap"], curve.overlap, atol=1e-12)
    np.testing.assert_allclose(report.curve["nngs"], curve.jaccard, atol=1e-12)
    assert report.curve["overlap"].iloc[-1] == 1
    assert report.cka == pytest.approx(cka(X, Y), abs=1e-12)
    assert report.analogy == {o: analogy_accuracy(X, Y, k=2, offset=o) for o in ("pair", "mean")}
    assert report.analogy_chance == pytest.approx(2 / 24)
    # Of different widths there is no offset, and all else.
    other = paired_report(X, Y[:, :2])
    assert other.analogy == {}
    assert np.isnan(other.analogy_chance)
    assert len(other.curve) == 24
    assert paired_report(X[:2], Y[:2]).analogy == {}


def test_errors_say_what_to_do() -> None:
    X = np.eye(4)
    with pytest.raises(
        ValueError, match=r"X has shape \(4, 4\) and Y \(4, 3\); offsets need pairs in one space"
    ):
        analogy_accuracy(X, X[:, :3])
    with pytest.raises(ValueError, match="There are 2 pairs; an analogy needs at least 3"):
        analogy_accuracy(X[:2], X[:2])
    with pytest.raises(ValueError, match="k is 4; with 4 pairs it must be from 1 to 3"):
        analogy_accuracy(X, X, k=4)
    with pytest.raises(ValueError, match="metric is 'dot'; it must be one of cosine, euclidean"):
        analogy_accuracy(X, X, metric="dot")
    with pytest.raises(ValueError, match="metric is 'dot'"):
        paired_report(X, X, metric="dot")
    with pytest.raises(ValueError, match="offset is 'median'; it must be one of pair, mean"):
        analogy_accuracy(X, X, offset="median")
    with pytest.raises(ValueError, match="Row 0 of Y holds NaN"):
        analogy_accuracy(X, np.full((4, 4), np.nan))
