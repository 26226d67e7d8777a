import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from core.retrieval import compare, jackknife_values, macro_interval, micro_interval
from core.statistics import holm


def answers(seed, n=60, n_classes=5, effect=0.0):
    """Queries of clips that carry one to three classes, the first more often than the last."""
    rng = np.random.default_rng(seed)
    rows = []
    for clip in range(n):
        ease = rng.uniform(0, 0.6)
        classes = rng.choice(n_classes, rng.integers(1, 4), replace=False, p=np.arange(n_classes, 0, -1) / 15)
        gain = effect * np.random.default_rng(clip).uniform(0.5, 1.5)
        for c in sorted(classes):
            rows.append((clip, f"class {c}", float(np.clip(ease + gain + rng.normal(0, 0.1), 0, 1))))
    return pd.DataFrame(rows, columns=["query", "class", "ap@15"])


def macro(table):
    return table.groupby("class")["ap@15"].mean().mean()


def test_jackknife_values_equal_leaving_each_clip_out():
    table = answers(0)
    values = jackknife_values(table, "ap@15")
    n = table["query"].nunique()
    assert len(values) == n
    for clip, value in values.items():
        assert value == pytest.approx(n * macro(table) - (n - 1) * macro(table[table["query"] != clip]))
    assert values.mean() == pytest.approx(macro(table))


def test_macro_interval_equals_a_bootstrap_of_whole_clips():
    table = answers(1, n=150)
    found = macro_interval(table, "ap@15", resamples=4000)
    assert found.value == pytest.approx(macro(table))
    assert found.n == 150
    groups = [part for _, part in table.groupby("query")]
    rng = np.random.default_rng(0)
    drawn = [macro(pd.concat([groups[i] for i in rng.integers(0, 150, 150)])) for _ in range(250)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    width = high - low
    assert found.low == pytest.approx(low, abs=0.25 * width)
    assert found.high == pytest.approx(high, abs=0.25 * width)


def test_micro_interval_draws_clips_not_rows():
    table = pd.concat([answers(2, n=30)] * 4)  # the same answers again tell nothing new
    found = micro_interval(table, "ap@15")
    assert found.value == pytest.approx(table["ap@15"].mean())
    assert (found.low, found.high) == pytest.approx(
        (lambda i: (i.low, i.high))(micro_interval(answers(2, n=30), "ap@15")), abs=1e-9
    )


def test_compare_pairs_the_clips_and_corrects_for_all_pairs():
    tables = {"a": answers(3), "b": answers(3, effect=0.05), "c": answers(3, effect=0.06)}
    result = compare(tables)
    assert result[["a", "b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    np.testing.assert_allclose(result["p_holm"], holm(result["p"]))
    for row in result.to_dict("records"):
        x, y = (jackknife_values(tables[row[name]], "ap@15") for name in ("a", "b"))
        test = ttest_rel(x, y)
        assert row["difference"] == pytest.approx(macro(tables[row["a"]]) - macro(tables[row["b"]]))
        assert row["mean_a"] - row["mean_b"] == pytest.approx(row["difference"])
        assert row["p"] == pytest.approx(test.pvalue)
        assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval()))
        assert row["n"] == 60
    # The clips are easy or hard for all models alike: each by itself is far less sure than their difference.
    alone = macro_interval(tables["a"], "ap@15")
    assert result["high"][0] - result["low"][0] < 0.6 * (alone.high - alone.low)


def test_compare_by_class():
    tables = {"a": answers(4), "b": answers(4, effect=0.05)}
    result = compare(tables, by_class=True)
    assert sorted(result["class"]) == [f"class {c}" for c in range(5)]
    np.testing.assert_allclose(result["p_holm"], holm(result["p"]))
    for row in result.to_dict("records"):
        x, y = (t.loc[t["class"] == row["class"], "ap@15"] for t in tables.values())
        assert row["p"] == pytest.approx(ttest_rel(x, y).pvalue)
        assert row["n"] == len(x)


def test_compare_uses_what_all_models_answered():
    a, b = answers(5), answers(5, effect=0.1)
    b = b[b["query"] > 3].sample(frac=1, random_state=0)  # in any order
    result = compare({"a": a, "b": b})
    assert result["n"][0] == 56
    assert result["difference"][0] == pytest.approx(macro(a[a["query"] > 3]) - macro(b))
    rare = pd.DataFrame({"query": [0, 1], "class": "rare", "ap@15": [0.5, 0.5]})
    more, fewer = pd.concat([a, rare]), pd.concat([b, rare[:1]])
    pd.testing.assert_frame_equal(compare({"a": more, "b": fewer}), result)


def test_equal_models_do_not_differ():
    result = compare({"a": answers(6), "b": answers(6)})
    assert result.loc[0, ["difference", "low", "high", "p"]].tolist() == [0, 0, 0, 1]


def test_errors():
    table = answers(7)
    with pytest.raises(ValueError, match="There is 1 model"):
        compare({"a": table})
    with pytest.raises(ValueError, match="queries of b hold a clip twice"):
        compare({"a": table, "b": pd.concat([table, table[:1]])})
    with pytest.raises(ValueError, match="No class has two queries that all models answered"):
        compare({"a": table[table["query"] < 30], "b": table[table["query"] >= 30]})
    with pytest.raises(ValueError, match="Class rare has one query"):
        jackknife_values(pd.concat([table, pd.DataFrame([(1, "rare", 0.1)], columns=table.columns)]), "ap@15")
