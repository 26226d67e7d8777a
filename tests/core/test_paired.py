"""Analogies against loops that anybody would write; the report against the functions it gathers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from core.similarity import (
    OFFSETS,
    RELEASED,
    analogy_accuracy,
    cka,
    match_accuracy,
    neighborhood_overlap,
    paired_by_group,
    paired_correlations,
    paired_report,
)


def _loops(
    X: np.ndarray, Y: np.ndarray, k: int, metric: str, offset: str, given: list[int] | None = None
) -> float:
    n, right, asked = len(X), 0, 0
    for j in range(n):
        for i in [i for i in given or range(n) if i != j] if offset == "pair" else [-1]:
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


def _notebook(X: np.ndarray, Y: np.ndarray, k: int = 1, metric: str = "cosine") -> float:
    """The NNGS notebooks' analogies: i < j, the query x_i - y_i + x_j, and all rows of Y as candidates."""
    n, right, tries = len(X), 0, 0
    for i in range(n):
        for j in range(i + 1, n):
            tries += 1
            far = cdist([X[i] - Y[i] + X[j]], Y, metric=metric)[0]
            right += j in np.argsort(far)[:k]
    return right / tries


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3])
def test_analogies_as_released_by_loops(metric: str, k: int) -> None:
    rng = np.random.default_rng(k)
    X = rng.standard_normal((15, 4))
    Y = X + 0.4 + 0.4 * rng.standard_normal((15, 4))
    found = analogy_accuracy(X, Y, k=k, metric=metric, offset="released")
    assert found == pytest.approx(_notebook(X, Y, k, metric), abs=1e-12)
    assert 0 < found < 1
    # Each two pairs are used in one direction, so the order of the rows plays a part.
    turned = analogy_accuracy(X[::-1], Y[::-1], k=k, metric=metric, offset="released")
    assert turned == pytest.approx(_notebook(X[::-1], Y[::-1], k, metric), abs=1e-12)
    assert turned != found
    first = analogy_accuracy(X, Y, k=k, metric=metric, offset="released", given=[0])
    alone = [j in np.argsort(cdist([X[0] - Y[0] + X[j]], Y, metric)[0])[:k] for j in range(1, 15)]
    assert first == pytest.approx(np.mean(alone))


def test_the_released_offset_points_away_from_the_partner() -> None:
    X = np.arange(10.0)[:, None] * [1, 0]
    Y = X + np.array([4, 0])
    assert analogy_accuracy(X, Y, metric="euclidean") == 1
    # x_j - 4 is looked for where y_j is x_j + 4.
    assert analogy_accuracy(X, Y, metric="euclidean", offset="released") == 0
    assert analogy_accuracy(X, X, metric="euclidean", offset="released") == 1


def test_the_settings_of_the_notebooks() -> None:
    rng = np.random.default_rng(5)
    sizes = {"a": 35, "b": 23, "c": 4}
    groups = np.repeat(list(sizes), list(sizes.values()))
    X = rng.standard_normal((62, 5)) * rng.uniform(0.3, 3, (62, 1))
    Y = X + 0.5 + 0.5 * rng.standard_normal(X.shape)
    table = paired_by_group(X, Y, groups, **RELEASED).set_index("group")
    assert table["k"].to_dict() == {"a": 7, "b": 4, "c": 0}
    for name in "ab":
        mine = groups == name
        k = int(0.2 * mine.sum())
        near = [
            np.argsort(cdist(Z[mine], Z[mine]) + np.diag([np.inf] * mine.sum()), axis=1)[:, :k]
            for Z in (X, Y)
        ]
        shares = [
            len(set(a) & set(b)) / len(set(a) | set(b))
            for a, b in zip(*map(np.ndarray.tolist, near), strict=True)
        ]
        assert table.loc[name, "nngs"] == pytest.approx(np.mean(shares))
        assert table.loc[name, "analogy_released"] == pytest.approx(_notebook(X[mine], Y[mine]))
    assert np.isnan(table.loc["c", "nngs"])
    # By the cosine neighbours are other ones.
    assert table.loc["a", "nngs"] != paired_by_group(X, Y, groups, k=0.2).set_index("group").loc["a", "nngs"]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 4])
def test_partners_by_sorting(metric: str, k: int) -> None:
    rng = np.random.default_rng(k)
    X = rng.standard_normal((20, 3))
    Y = X + 1.5 * rng.standard_normal((20, 3))
    order = np.argsort(cdist(X, Y, metric=metric), axis=1)[:, :k]
    expected = np.mean([i in row for i, row in enumerate(order)])
    assert match_accuracy(X, Y, k=k, metric=metric) == pytest.approx(expected, abs=1e-12)
    assert 0 < expected < 1


def test_some_offsets_can_do() -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 4))
    Y = X + 1 + 0.5 * rng.standard_normal((12, 4))
    found = analogy_accuracy(X, Y, given=[2, 9])
    assert found == pytest.approx(_loops(X, Y, 1, "cosine", "pair", [2, 9]), abs=1e-12)
    assert analogy_accuracy(X, Y, given=np.arange(12)) == analogy_accuracy(X, Y)


def test_each_group_is_looked_at_by_itself_and_accuracy_is_set_against_similarity() -> None:
    rng = np.random.default_rng(0)
    sizes = {"a": 9, "b": 12, "c": 8, "d": 10, "e": 3, "f": 1, "g": 2}
    groups = np.repeat(list(sizes), list(sizes.values()))
    X = rng.standard_normal((len(groups), 5))
    noise = np.array([0.1 + 0.4 * list(sizes).index(g) for g in groups])[:, None]
    Y = X + 1 + noise * rng.standard_normal(X.shape)
    order = rng.permutation(len(groups))
    table = paired_by_group(X[order], Y[order], groups[order], k=4).set_index("group")
    assert table["n"].to_dict() == sizes
    for name in "abcd":
        mine = order[groups[order] == name]
        report = paired_report(X[mine], Y[mine], ks=[4])
        row = table.loc[name]
        assert row["nngs"] == pytest.approx(report.curve["nngs"].iloc[0])
        assert row["overlap"] == pytest.approx(report.curve["overlap"].iloc[0])
        assert row["cka"] == pytest.approx(cka(X[mine], Y[mine], debiased=True))
        assert (row["match"], row["analogy_pair"]) == (report.match, report.analogy["pair"])
        assert row["match_chance"] == pytest.approx(1 / len(mine))
    assert table["k"].to_dict() == {"a": 4, "b": 4, "c": 4, "d": 4, "e": 1, "f": 0, "g": 0}
    assert table["cka"].isna().to_dict() == {n: n in "efg" for n in sizes}
    assert table["match"].isna().to_dict() == {n: n == "f" for n in sizes}
    found = paired_correlations(table)
    assert found["r"].abs().is_monotonic_decreasing
    one = found.set_index(["similarity", "accuracy"]).loc[("cka", "analogy_mean")]
    both = table[["cka", "analogy_mean"]].astype(float).dropna()
    r, rho = stats.pearsonr(both["cka"], both["analogy_mean"]), stats.spearmanr(*both.to_numpy().T)
    assert (one["r"], one["p"], one["n"]) == pytest.approx((r.statistic, r.pvalue, 4))
    assert one["rho"] == pytest.approx(rho.statistic)
    # Of three groups there is no correlation to speak of, of different widths no accuracy.
    assert paired_correlations(table.iloc[:3]).empty
    wide = paired_by_group(X, Y[:, :3], groups)
    assert wide["match"].isna().all()
    assert wide["nngs"].notna().sum() == 5
    assert isinstance(wide, pd.DataFrame)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3)).astype(np.float32)
    Y = (X + 0.5 * rng.standard_normal((30, 3))).astype(np.float32)
    ways = [match_accuracy, *(partial(analogy_accuracy, k=2, offset=offset) for offset in OFFSETS)]
    whole = [way(X, Y) for way in ways]
    monkeypatch.setattr("core.similarity.analogies._BLOCK", 1)
    assert [way(X, Y) for way in ways] == whole


def test_what_can_be_known_beforehand() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 6))
    for offset in ("pair", "mean"):
        assert analogy_accuracy(X, X + 3.0, metric="euclidean", offset=offset) == 1
        # All points coincide: nothing can be told, whatever is guessed.
        assert analogy_accuracy(np.ones((5, 2)), np.ones((5, 2)), offset=offset) == 0
        assert analogy_accuracy(np.zeros((5, 2)), np.zeros((5, 2)), offset=offset) == 0
    assert match_accuracy(X, 2 * X) == 1
    assert match_accuracy(np.ones((5, 2)), np.ones((5, 2))) == 0
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
    assert report.analogy == {o: analogy_accuracy(X, Y, k=2, offset=o) for o in OFFSETS}
    assert report.analogy_chance == pytest.approx(2 / 24)
    assert report.match == match_accuracy(X, Y, k=2)
    assert report.match_chance == pytest.approx(2 / 25)
    # Of different widths there is no offset, and all else.
    other = paired_report(X, Y[:, :2])
    assert other.analogy == {}
    assert np.isnan(other.analogy_chance)
    assert np.isnan(other.match)
    assert len(other.curve) == 24
    assert paired_report(X[:2], Y[:2]).analogy == {}


X4 = np.eye(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analogy_accuracy(X4, X4[:, :3]), r"X has shape \(4, 4\) and Y \(4, 3\); offsets need pairs"),
        (lambda: analogy_accuracy(X4[:2], X4[:2]), "There are 2 pairs; an analogy needs at least 3"),
        (lambda: analogy_accuracy(X4, X4, k=4), "k is 4; with 4 pairs it must be from 1 to 3"),
        (lambda: analogy_accuracy(X4, X4, metric="dot"), "metric is 'dot'; it must be one of cosine"),
        (lambda: analogy_accuracy(X4, X4, offset="median"), "offset is 'median'; it must be one of pair"),
        (lambda: analogy_accuracy(X4, np.full((4, 4), np.nan)), "Row 0 of Y holds NaN"),
        (lambda: analogy_accuracy(X4, X4, given=[4]), "given must hold rows from 0 to 3, each once"),
        (lambda: analogy_accuracy(X4, X4, given=[3], offset="released"), "given holds the last row, 3"),
        (lambda: match_accuracy(X4, X4, k=5), "k is 5; with 4 pairs it must be from 1 to 4"),
        (lambda: match_accuracy(X4, X4, metric="dot"), "metric is 'dot'"),
        (lambda: paired_report(X4, X4, metric="dot"), "metric is 'dot'"),
        (lambda: paired_report(X4, X4, neighbors="dot"), "neighbors is 'dot'"),
        (lambda: paired_by_group(X4, X4, ["a", "b", "c"]), "there are 3 groups; each pair needs one"),
        (lambda: paired_by_group(X4, X4, ["a"] * 4, k=0), "k is 0; it must be a whole number from 1 on"),
        (lambda: paired_by_group(X4, X4, ["a"] * 4, k=-0.5), "k is -0.5; it must be a whole number"),
        (lambda: paired_by_group(X4, X4, ["a"] * 4, k=2.5), "k is 2.5; it must be .* or a share"),
        (lambda: paired_by_group(X4, X4, ["a"] * 4, analogy_k=0), "analogy_k is 0; it must be at least 1"),
    ],
)
def test_errors_say_what_to_do(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
