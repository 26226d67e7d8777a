"""Retrieval against the formulas in plain Python, one query at a time."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from core.neighbors import exact_search as _exact_search
from core.processing import Processing, normalize
from core.retrieval import ALGORITHMS, evaluate, search, select, systems

FOUR = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
TWO_CLASSES = np.eye(2, dtype=bool)[[0, 0, 1, 1]]


def score(a, b, algorithm):
    if algorithm == "nns":
        return -math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    if algorithm == "mips":
        return dot
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return dot / lengths if lengths else 0.0


def plain(X, relevance, algorithm, cutoffs, count_query):
    """One row a query and class: what a reader of the paper would write."""
    X, n = np.asarray(X, dtype=float).tolist(), len(X)
    rows = []
    for q in range(n):
        scores = [round(score(X[q], X[j], algorithm), 12) for j in range(n)]
        ranking = sorted((j for j in range(n) if j != q), key=lambda j: (-scores[j], j))
        for c in range(len(relevance[0])):
            size = sum(bool(row[c]) for row in relevance)
            if not relevance[q][c] or size < 2:
                continue
            relevant = [bool(relevance[j][c]) for j in ranking]
            row = {"query": q, "class": c}
            for N in cutoffs:
                shown = relevant[:N]
                precisions = [sum(shown[: i + 1]) / (i + 1) for i in range(len(shown)) if shown[i]]
                row[f"ap@{N}"] = sum(precisions) / min(N, size if count_query else size - 1)
                row[f"precision@{N}"] = sum(shown) / N
                gain = sum(1 / math.log2(i + 2) for i in range(len(shown)) if shown[i])
                row[f"ndcg@{N}"] = gain / sum(1 / math.log2(i + 2) for i in range(min(N, size - 1)))
            row["r1"] = relevant.index(True)
            rows.append(row)
    return pd.DataFrame(rows)


def check(X, relevance, algorithm, cutoffs=(2, 5), count_query=True):
    report = evaluate(X, relevance, algorithm=algorithm, cutoffs=cutoffs, count_query=count_query)
    expected = plain(X, relevance, algorithm, cutoffs, count_query)
    pd.testing.assert_frame_equal(report.queries, expected, rtol=0, atol=1e-9, check_dtype=False)
    classes = expected.drop(columns="query").groupby("class").mean()
    found = report.classes.set_index("class")
    pd.testing.assert_frame_equal(found[list(classes)], classes, rtol=0, atol=1e-9, check_names=False)
    assert found["n_relevant"].tolist() == [sum(row[c] for row in relevance) for c in classes.index]
    for name in classes:
        short = f"m{name}" if name == "r1" or name.startswith("ap") else name
        assert report.macro[short] == pytest.approx(classes[name].mean(), abs=1e-9)
        assert report.micro[short] == pytest.approx(expected[name].mean(), abs=1e-9)


@st.composite
def collections(draw):
    """Few different points, so that many tie, and classes that overlap."""
    n, d, n_classes = draw(st.integers(2, 12)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    small = st.integers(-2, 2)
    X = draw(st.lists(st.lists(small, min_size=d, max_size=d), min_size=n, max_size=n))
    carried = st.lists(st.booleans(), min_size=n_classes, max_size=n_classes)
    relevance = np.array(draw(st.lists(carried, min_size=n, max_size=n)))
    relevance[:2, 0] = True
    return np.array(X, dtype=draw(st.sampled_from([np.float32, np.float64]))), relevance


@settings(max_examples=50)
@given(data=collections(), count_query=st.booleans())
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ties_duplicates_zeros_and_several_labels(algorithm, data, count_query):
    check(*data, algorithm, cutoffs=(1, 3, 20), count_query=count_query)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_small_random_sets(algorithm, compiled, monkeypatch):
    if compiled:
        monkeypatch.setattr(_exact_search, "SMALL", 0)
    rng = np.random.default_rng(5)
    X = rng.standard_normal((70, 6)).astype(np.float32) * rng.uniform(0.5, 2, (70, 1)).astype(np.float32)
    X[40:50] = X[:10]
    relevance = rng.random((70, 8)) < np.linspace(0.02, 0.6, 8)
    relevance[:2] = True
    check(X, relevance, algorithm, cutoffs=(1, 15, 150))
    check(X, relevance, algorithm, cutoffs=(1,), count_query=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_r1_past_the_list_equals_a_whole_sort(algorithm):
    """Blocks of many queries, items too close for float32, and equal ones on both sides of the best."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((600, 40)).astype(np.float32)
    X[300:] = X[:300] * np.float32(1 + 1e-7)
    X[100:400:3] = X[5]
    relevance = rng.random((600, 60)) < 0.01
    relevance[:2] = True
    short = evaluate(X, relevance, algorithm=algorithm, cutoffs=(1,)).queries["r1"]
    long = evaluate(X, relevance, algorithm=algorithm, cutoffs=(599,)).queries["r1"]
    assert short.max() > 200
    np.testing.assert_array_equal(short, long)


def test_average_precision_and_ndcg_equal_scikit_learn():
    rng = np.random.default_rng(2)
    X, relevance = rng.standard_normal((40, 5)), rng.random((40, 2)) < 0.3
    queries = evaluate(X, relevance, cutoffs=(10, 39), count_query=False).queries
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for row in queries.to_dict("records"):
        others = np.delete(np.arange(40), row["query"])
        truth, cosines = relevance[others, row["class"]], unit[others] @ unit[row["query"]]
        assert row["ap@39"] == pytest.approx(average_precision_score(truth, cosines), abs=1e-9)
        # Its gain may not be negative, and a score only orders.
        assert row["ndcg@10"] == pytest.approx(ndcg_score([truth], [cosines], k=10), abs=1e-9)


def test_the_best_list_of_a_class_of_40_has_39_of_40():
    X = np.repeat(np.eye(2), 40, axis=0)
    relevance = np.repeat(np.eye(2, dtype=bool), 40, axis=0)
    assert evaluate(X, relevance).macro == pytest.approx(
        {"map@15": 1.0, "precision@15": 1.0, "ndcg@15": 1.0}
        | {"map@150": 39 / 40, "precision@150": 39 / 150, "ndcg@150": 1.0, "mr1": 0.0}
    )
    assert evaluate(X, relevance, count_query=False).macro["map@150"] == pytest.approx(1.0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_lists_are_those_of_search(algorithm):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((30, 4))
    report = evaluate(X, rng.random((30, 2)) < 0.5, algorithm=algorithm, cutoffs=(3, 7))
    for q in range(30):
        corpus = np.delete(X, q, axis=0)
        indices, scores = search(X[q : q + 1], corpus, 7, algorithm=algorithm)
        np.testing.assert_array_equal(report.indices[q], indices[0] + (indices[0] >= q))
        np.testing.assert_allclose(report.scores[q], scores[0], atol=2e-12)
        expected = [score(X[q], corpus[j], algorithm) for j in indices[0]]
        np.testing.assert_allclose(scores[0], expected, atol=2e-12)
        assert (np.diff(scores[0]) <= 0).all()


def test_ties_go_to_the_lower_index_and_zeros_have_no_direction():
    indices, scores = search([[1.0, 1.0]], [[2.0, 2.0], [0.0, 0.0], [1.0, 1.0], [1.0, -1.0]], 4)
    assert indices.tolist() == [[0, 2, 1, 3]]
    np.testing.assert_array_equal(scores, [[1, 1, 0, 0]])
    _, scores = search([[1.0, 1.0]], [[1.0, 1.0]], 1, algorithm="nns")
    assert math.copysign(1, scores[0, 0]) == 1  # not -0


def test_all_algorithms_agree_on_unit_vectors():
    rng = np.random.default_rng(4)
    X, relevance = normalize(rng.standard_normal((50, 5))), rng.random((50, 3)) < 0.4
    first, *others = (evaluate(X, relevance, algorithm=a, cutoffs=(5,)).queries for a in ALGORITHMS)
    for other in others:
        pd.testing.assert_frame_equal(first, other)


def test_blocks_of_pairs_make_no_difference(monkeypatch):
    rng = np.random.default_rng(6)
    X, relevance = rng.standard_normal((40, 4)), rng.random((40, 5)) < 0.3
    whole = evaluate(X, relevance)
    monkeypatch.setattr("core.retrieval.evaluation._BLOCK_VALUES", 1)
    pd.testing.assert_frame_equal(whole.queries, evaluate(X, relevance).queries)


def test_classes_with_nothing_to_be_found_are_excluded_and_listed():
    relevance = np.zeros((4, 4), bool)
    relevance[:2, 0] = relevance[3, 1] = relevance[1:, 3] = True
    names = ["dog", "rooster", "cow", "rain"]
    report = evaluate(FOUR, pd.DataFrame(relevance, columns=names), cutoffs=(2,))
    assert report.excluded.to_dict("list") == {"class": ["rooster", "cow"], "n_relevant": [1, 0]}
    assert report.classes["class"].tolist() == ["dog", "rain"]
    assert set(report.queries["class"]) == {"dog", "rain"}
    both = evaluate(FOUR, relevance[:, [0, 3]], cutoffs=(2,), classes=["dog", "rain"])
    assert report.macro == both.macro
    # A clip without a class is searched but never asks.
    silent = np.vstack([relevance[:, [0, 3]], [[False, False]]])
    more = evaluate(np.vstack([FOUR, [[1.0, 0.05]]]), silent, cutoffs=(2,))
    assert 4 not in set(more.queries["query"])
    assert more.macro["map@2"] < both.macro["map@2"]


def test_one_class_and_identical_clips():
    report = evaluate(np.ones((5, 3)), np.ones((5, 1)), cutoffs=(2, 9))
    assert report.macro == pytest.approx(
        {"map@2": 1.0, "precision@2": 1.0, "ndcg@2": 1.0}
        | {"map@9": 4 / 5, "precision@9": 4 / 9, "ndcg@9": 1.0, "mr1": 0.0}
    )


def test_families_leave_out_what_has_none_and_list_what_is_not_there():
    rng = np.random.default_rng(7)
    relevance = np.eye(4, dtype=bool)[np.arange(40) % 4]
    names = ["dog", "cat", "hiss", "rain"]
    report = evaluate(rng.standard_normal((40, 4)), relevance, classes=names)
    mapping = {"rain": "Nature", "dog": "Animal", "cat": "Animal", "hiss": None, "sea": "Nature", "pop": None}
    families = report.families(mapping)
    classes = report.classes.set_index("class")
    assert families.left_out == ("hiss",)
    assert families.absent == ("sea",)
    table = families.table.set_index("family")
    assert table.index.tolist() == ["Animal", "Nature"]
    assert table["n_classes"].tolist() == [2, 1]
    assert table["n_queries"].tolist() == [20, 10]
    for measure, mean in (("ap@15", "map@15"), ("ap@150", "map@150"), ("r1", "mr1")):
        assert table.loc["Animal", mean] == pytest.approx(classes.loc[["dog", "cat"], measure].mean())
        assert table.loc["Nature", mean] == pytest.approx(classes.loc["rain", measure])
    assert set(table.columns) == {"n_classes", "n_queries", *report.macro}
    nothing = report.families({"dog": None, "cat": float("nan")})
    assert nothing.table.empty
    assert nothing.left_out == tuple(names)
    assert list(nothing.table.columns) == list(families.table.columns)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "cosine"}, "algorithm is 'cosine'; it must be one of mips, mcss, nns"),
        ({"cutoffs": ()}, "at least one"),
        ({"cutoffs": (0, 5)}, "whole numbers from 1 up"),
        ({"cutoffs": (1.5,)}, "whole numbers from 1 up"),
        ({"relevance": TWO_CLASSES[:3]}, r"relevance has shape \(3, 2\).*row for each of 4"),
        ({"relevance": TWO_CLASSES[:, 0]}, r"relevance has shape \(4,\)"),
        ({"relevance": TWO_CLASSES * 2}, "True or False"),
        ({"relevance": np.eye(4)}, "None of 4 classes has two clips"),
        ({"classes": ["dog"]}, "There are 1 names, 1 of them different, for 2 classes"),
        ({"classes": ["dog", "dog"]}, "There are 2 names, 1 of them different"),
        ({"X": np.where(FOUR == 0.1, np.nan, FOUR)}, "Row 1 of X holds NaN"),
        ({"X": FOUR[:1], "relevance": TWO_CLASSES[:1]}, "X has 1 row, and nothing to search in"),
        ({"X": FOUR[:, :0]}, "at least one row and one column"),
    ],
)
def test_evaluate_errors(options, message):
    given = {"X": FOUR, "relevance": TWO_CLASSES} | options
    with pytest.raises(ValueError, match=message):
        evaluate(given.pop("X"), given.pop("relevance"), **given)


@pytest.mark.parametrize(
    ("k", "options", "message"),
    [
        (5, {}, "k is 5; for 4 rows it must be a whole number from 1 to 4"),
        (0, {}, "k is 0"),
        (1, {"algorithm": "knn"}, "must be one of mips, mcss, nns"),
    ],
)
def test_search_errors(k, options, message):
    with pytest.raises(ValueError, match=message):
        search(FOUR, FOUR, k, **options)
    with pytest.raises(ValueError, match="queries have 1 columns and X has 2"):
        search([[1.0]], FOUR, 1)


def test_systems_are_every_combination_once():
    found = systems()
    assert len(found) == len(set(found)) == 27
    assert {s.normalize for s, _ in found} == {False}
    assert set(systems(frame_level=False)) == {s for s in found if s[0].aggregation == "mean"}
    assert (Processing(n_components=100), "mcss") in found


def test_select_takes_the_best_system_of_a_variation_then_the_best_variation():
    table = pd.DataFrame(
        [
            ("sinet", "tlpf", 100, 0.31, 20.0),
            ("sinet", "tlpf", 200, 0.33, 22.0),
            ("sinet", "aps", 100, 0.32, 12.0),
            ("clap", "630k", 100, np.nan, np.nan),
            ("clap", "630k", 200, 0.5, 8.0),
            ("clap", "music", 100, 0.5, 9.0),
            ("vggish", "only", 200, np.nan, np.nan),
        ],
        columns=["model", "variation", "components", "map@15", "mr1"],
    )
    variations, models = select(table)
    assert variations[["variation", "components"]].to_numpy().tolist() == [
        ["tlpf", 200],
        ["aps", 100],
        ["630k", 200],
        ["music", 100],
    ]
    assert models[["model", "variation"]].to_numpy().tolist() == [["sinet", "tlpf"], ["clap", "630k"]]
    _, lowest = select(table, measure="mr1")
    assert lowest["variation"].tolist() == ["aps", "630k"]
    with pytest.raises(ValueError, match="no column 'map@10'; it has model, variation"):
        select(table, measure="map@10")
