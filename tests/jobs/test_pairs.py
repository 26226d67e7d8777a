"""Paired embeddings from files: rows are brought together by name or number, and the command measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.similarity import (
    RELEASED,
    analogy_accuracy,
    cka,
    match_accuracy,
    neighborhood_overlap,
    paired_by_group,
)
from jobs.importing.pairs import given_of, read_pairs
from jobs.importing.parts import EmbeddingsError
from tests.jobs.test_cli import call


def written(path: Path, X: np.ndarray, ids: list[str] | None = None) -> Path:
    X = X.astype(np.float32)
    if ids is None:
        np.save(path, X)
    else:
        np.savez(path, embeddings=X, ids=np.array(ids))
    return path


def lines(path: Path, texts: list[str]) -> Path:
    path.write_text("\n".join(texts) + "\n")
    return path


@pytest.fixture
def spaces() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 4)).astype(np.float32)
    return X, (X + 1 + 0.4 * rng.standard_normal((12, 4))).astype(np.float32)


def test_all_pairs_together(
    spaces: tuple[np.ndarray, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    X, Y = spaces
    files = [str(written(tmp_path / name, Z)) for name, Z in (("x.npy", X), ("y.npy", Y))]
    status, out, err = call(capsys, "pairs", *files, "-k", "3", "--top", "2", "--json")
    assert status == 0, err
    (told,) = json.loads(out)
    (row,) = told["groups"]
    curve = neighborhood_overlap(X, Y, include_self=False)
    assert (row["overlap"], row["nngs"]) == pytest.approx((curve.overlap[2], curve.jaccard[2]))
    assert row["cka"] == pytest.approx(cka(X, Y, debiased=True))
    assert row["match"] == match_accuracy(X, Y, k=2)
    assert row["analogy_pair"] == analogy_accuracy(X, Y, k=2)
    assert row["analogy_mean"] == analogy_accuracy(X, Y, k=2, offset="mean")
    assert row["analogy_released"] == analogy_accuracy(X, Y, k=2, offset="released")
    assert [point["k"] for point in told["curve"]] == list(range(1, 12))
    status, out, _ = call(capsys, "pairs", *files)
    assert status == 0
    assert "Chance of a match is 0.0833, of analogies 0.0909." in out


def test_rows_are_brought_together_by_name(spaces: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    X, Y = spaces
    names = [f"thing {i}" for i in range(12)]
    order = np.random.default_rng(1).permutation(12)
    x = written(tmp_path / "x.npz", X, names)
    y = written(tmp_path / "y.npz", Y[order][:10], [names[i] for i in order[:10]])
    found = read_pairs(x, y, groups=lines(tmp_path / "g.txt", [str(i % 3) for i in range(12)]))
    kept = sorted(order[:10].tolist())
    assert found.ids == [names[i] for i in kept]
    np.testing.assert_array_equal(found.X, X[kept])
    np.testing.assert_array_equal(found.Y, Y[kept])
    assert found.groups == [str(i % 3) for i in kept]


def test_groups_and_what_goes_with_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["one", "two", "three", "four", "five"], 9)
    X = rng.standard_normal((45, 6)).astype(np.float32)
    spread = np.repeat([0.1, 0.4, 0.8, 1.4, 2.5], 9)[:, None]
    Y = (X + 1 + spread * rng.standard_normal(X.shape)).astype(np.float32)
    files = [str(written(tmp_path / name, Z)) for name, Z in (("x.npy", X), ("y.npy", Y))]
    options = ("--groups", str(lines(tmp_path / "g.txt", groups.tolist())), "-k", "4")
    status, out, err = call(capsys, "pairs", *files, *options, "--json")
    assert status == 0, err
    (told,) = json.loads(out)
    expected = paired_by_group(X, Y, groups, k=4)
    assert [row["group"] for row in told["groups"]] == ["one", "two", "three", "four", "five"]
    for name in ("nngs", "cka", "match", "analogy_pair", "analogy_released"):
        assert [row[name] for row in told["groups"]] == pytest.approx(expected[name].tolist())
    status, out, err = call(capsys, "pairs", *files, *options, "--released", "--json")
    assert status == 0, err
    released = paired_by_group(X, Y, groups, **RELEASED)
    for name in ("k", "nngs", "analogy_released"):
        assert [row[name] for row in json.loads(out)[0]["groups"]] == pytest.approx(released[name].tolist())
    assert json.loads(out)[0]["groups"] != told["groups"]
    status, _, err = call(capsys, "pairs", *files, "--released")
    assert (status, "give them with --groups" in err) == (2, True)
    strongest = told["correlations"][0]
    status, out, _ = call(capsys, "pairs", *files, *options)
    assert f"{strongest['similarity']} and {strongest['accuracy'].replace('_', ' by ')}: r = " in out
    assert "n = 5 groups" in out


def test_clips_are_classified_by_the_rows_of_their_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    names = ["dog", "rain", "sea", "owl", "nobody"]
    texts = rng.standard_normal((5, 6))
    labels = [names[i % 4] for i in range(40)]
    X = texts[np.arange(40) % 4] + 0.9 * rng.standard_normal((40, 6))
    files = [str(written(tmp_path / name, Z)) for name, Z in (("x.npy", X), ("y.npy", texts))]
    options = ("--labels", str(lines(tmp_path / "l.txt", labels)))
    options += ("--classes", str(lines(tmp_path / "c.txt", names)))
    status, out, err = call(capsys, "pairs", *files, *options, "--json")
    assert status == 0, err
    (told,) = json.loads(out)
    unit = [Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, texts)]
    guess = (unit[0] @ unit[1].T).argmax(axis=1)
    assert told["zero_shot"]["accuracy"] == pytest.approx((guess == np.arange(40) % 4).mean())
    assert (told["zero_shot"]["n"], told["zero_shot"]["chance"], told["pairs"]) == (40, 0.2, 4)
    status, out, _ = call(capsys, "pairs", *files, *options)
    assert "of 40 clips; chance is 0.200" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": ["a"] * 3}, "has 3 lines of text for 4 rows"),
        ({"labels": ["a"] * 4}, "does not name its rows"),
        ({"labels": ["a", "b", "c", "x"], "classes": list("abcd")}, "has no row for the class 'x'"),
        ({"labels": ["a"] * 4, "classes": list("abcd")}, "All clips are of the class 'a'"),
        ({"labels": list("abcd"), "groups": list("abcd")}, "labels and groups; give one"),
    ],
)
def test_lists_that_do_not_fit(tmp_path: Path, options: dict[str, list[str]], says: str) -> None:
    x, y = (written(tmp_path / name, np.eye(4)) for name in ("x.npy", "y.npy"))
    given: dict[str, Any] = {what: lines(tmp_path / f"{what}.txt", texts) for what, texts in options.items()}
    with pytest.raises(EmbeddingsError, match=says):
        read_pairs(x, y, **given)


def test_files_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = written(tmp_path / "x.npy", np.eye(4))
    with pytest.raises(EmbeddingsError, match="has 4 rows and .* 3; without names in both"):
        read_pairs(x, written(tmp_path / "y.npy", np.eye(3)))
    a, b = (
        written(tmp_path / "a.npz", np.eye(2), ["p", "q"]),
        written(tmp_path / "b.npz", np.eye(2), ["r", "q"]),
    )
    with pytest.raises(EmbeddingsError, match="have 1 names in common"):
        read_pairs(a, b)
    with pytest.raises(EmbeddingsError, match="names a row twice"):
        read_pairs(a, written(tmp_path / "c.npz", np.eye(2), ["q", "q"]))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object))
    for bad, says in (("objects.npy", "Python objects"), ("nowhere.npy", "no file or folder")):
        status, _, err = call(capsys, "pairs", str(x), str(tmp_path / bad))
        assert (status, says in err) == (2, True), err
    np.save(tmp_path / "nan.npy", np.full((4, 4), np.nan, np.float32))
    status, _, err = call(capsys, "pairs", str(x), str(tmp_path / "nan.npy"))
    assert (status, "holds NaN" in err) == (2, True), err


def test_of_very_many_pairs_some_give_their_offsets() -> None:
    assert given_of(1200) is None
    some = given_of(20_000)
    assert some is not None
    assert (len(some), some[0], some[-1]) == (5, 0, 19_999)
