from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, silhouette_samples
from streamlit.testing.v1 import AppTest

from core.splits import PAPER_RANGES, PAPER_RATIOS, ClassSplit, random_split, split_from_json, split_to_json
from dashboard import data
from dashboard.kit import classes as class_sets
from dashboard.kit import confusion_numbers, zero_shot
from dashboard.kit.table import csv
from dashboard.splits import links
from dashboard.splits.data import Sizes
from dashboard.zeroshot import classes, model, related, start
from dashboard.zeroshot import data as zeroshot
from jobs.engine import inprocess
from jobs.specs import ZeroShotGrid
from jobs.workspace import splits as saved
from jobs.workspace.workspace import Workspace
from tests.dashboard.helpers import address, everything, html, press, ran, run, showing, words


@pytest.fixture(scope="session")
def grids(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace of 24 classes with a grid of both setups; tests must not change it."""
    return made.zero_shot(tmp_path_factory.mktemp("grids"), sounds=False)


@pytest.fixture
def shown(grids: Any) -> Iterator[Workspace]:
    with showing(grids.root):
        yield grids


#: Grids that differ from the usual one of their setup; sizes that are lowered, a half that is three of five.
VARIANTS: dict[str, dict[str, Any]] = {
    "wide": {"margin": 0.5},
    "narrow": {"hidden": 4, "momentum": 0.5},
    "newer": {"setup": "diversity", "epochs": 4},
    "lowered": {"n_train": 20, "n_validation": 20, "n_test": 20, "ratios": PAPER_RATIOS, "fit_sizes": True},
    "rounded": {"n_train": 5, "n_test": 2, "seeds": 2},
    "validated": {"n_validation": 2, "n_test": 2, "seeds": 1},
}


@pytest.fixture(scope="session")
def many(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The usual grid of either setup and those of `VARIANTS`, by name."""
    found = made.zero_shot_spaces(tmp_path_factory.mktemp("many"), sounds=False, per_class=2)
    specs = {}
    for name, options in {"similarity": {}, "diversity": {"setup": "diversity"}, **VARIANTS}.items():
        specs[name] = made.zero_shot_grid(found, **{"setup": "similarity"} | options)
        made.zero_shot_of(found, specs[name])
    return found, specs


@pytest.fixture
def variants(many: Any) -> Iterator[dict[str, ZeroShotGrid]]:
    found, specs = many
    with showing(found.root):
        yield specs


@pytest.fixture
def spaces(made: Any, fresh: Workspace, tmp_path: Path) -> Any:
    """The workspace without a grid."""
    return made.zero_shot_spaces(tmp_path, sounds=False, per_class=2)


def of(found: Workspace, setup: str) -> ZeroShotGrid:
    dataset = found.dataset("small")
    space = next(s.spec for s in found.spaces(dataset) if s.encoder == "aisfx")
    return next(g.spec for g in zeroshot.grids(found, dataset, space) if g.spec.setup == setup)


def figures(app: AppTest) -> dict[str, Any]:
    """The figures by the meta of their traces, the first on the page first."""
    found: dict[str, Any] = {}
    for chart in app.get("plotly_chart"):
        figure = json.loads(chart.proto.spec)
        for trace in figure["data"]:
            found.setdefault(trace.get("meta") or trace.get("name"), figure)
    return found


def numbers_in(values: Any) -> np.ndarray:
    """Numbers as a chart sends them: a list, or packed."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values, float)


def jobs_of(found: Workspace) -> list[Any]:
    return [j for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid"]


def warned(app: AppTest) -> str:
    """The first warning, where nothing can be trained."""
    assert not any(b.label.startswith("Train ") for b in app.button)
    return str(app.warning[0].value).replace("\\", "")


# -- what the numbers are -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("setup", "by"), [("similarity", "ratio"), ("diversity", "mean_similarity")])
def test_correlations_are_scipys_and_models_are_what_is_permuted(
    shown: Workspace, setup: str, by: str
) -> None:
    spec = of(shown, setup)
    m = zeroshot.models(spec)
    r = related.related(spec, by)
    assert (r.pearson.r, r.pearson.p) == pytest.approx(tuple(stats.pearsonr(m[by], m["accuracy"])))
    assert r.spearman.r == pytest.approx(stats.spearmanr(m[by], m["accuracy"]).statistic)
    # By hand: shuffle whole models within their blocks, and count. The tables are as the job wrote them.
    raw = shown.cache.open(spec.key).table("models").to_pandas()
    whole = raw[raw["failed"] == ""].groupby("model").agg({by: "first", "accuracy": "mean", "block": "first"})
    x, y, block = (whole[c].to_numpy() for c in (by, "accuracy", "block"))
    x = x.astype(float)
    rng = np.random.default_rng(8)
    inner = y - pd.Series(y).groupby(block).transform("mean").to_numpy()
    count = 0
    for _ in range(2000):
        z = x.copy()
        for b in set(block):
            z[block == b] = rng.permutation(x[block == b])
        count += abs(z @ inner) >= abs(x @ inner) - 1e-9
    assert r.permuted == pytest.approx((1 + count) / 2001, abs=0.03)
    assert r.n_models == r.n_permuted == len(whole)
    assert r.n_blocks == len(set(block))
    assert r.line is not None
    slope = np.polyfit(m[by], m["accuracy"], 1)[0]
    assert (r.line.y[-1] - r.line.y[0]) / (r.line.x[-1] - r.line.x[0]) == pytest.approx(slope)
    # Accuracies are summed up over blocks.
    s = related.summary(spec)
    means = [m["accuracy"][m["block"] == b].mean() for b in sorted(set(m["block"]))]
    low, high = stats.t.interval(0.95, len(means) - 1, np.mean(means), stats.sem(means))
    assert (s.n_models, s.n, s.mean.n) == (len(set(m["model"])), len(m), len(means))
    assert s.mean.value == pytest.approx(m["accuracy"].mean())
    assert (s.mean.low, s.mean.high) == pytest.approx((max(low, 0), min(high, 1)))
    assert (s.lowest, s.highest) == (min(m["accuracy"]), max(m["accuracy"]))
    assert s.above == sum(a > c for a, c in zip(m["accuracy"], m["chance"], strict=True))


@pytest.mark.parametrize(
    ("tests", "seeds", "counts", "p", "blocks"),
    [
        ("cdefg", 6, (5, 30, 1), 2 / 120, 5),  # the order of five, and its reverse
        ("ccdd", 6, (4, 24, 2), 1 / 2, 2),  # both pairs as they are, or both exchanged
        ("cdd", 6, (3, 18, 2), None, 2),
        ("cd", 6, (2, 12, 1), np.nan, 2),
        ("c", 1, (1, 1, 1), np.nan, 1),
    ],
)
def test_of_given_splits_whole_splits_are_permuted(
    shown: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    tests: str,
    seeds: int,
    counts: Any,
    p: Any,
    blocks: int,
) -> None:
    """Their training and first test classes are more similar each; seeds alone are no evidence."""
    splits = tuple(
        split_to_json(ClassSplit(("a", f"train {i}"), ("v",), ("b", test)), compact=True)
        for i, test in enumerate(tests)
    )
    spec = replace(of(shown, "similarity"), setup="splits", splits=splits, seeds=seeds)
    n = len(tests) * seeds
    split, seed = np.repeat(np.arange(len(tests)), seeds), np.tile(np.arange(seeds), len(tests))
    y = 0.5 + 0.1 * split + 0.001 * np.arange(n) % 0.003
    frame = {"model": np.arange(n), "split": split, "seed": seed, "block": [f"seed {s}" for s in seed]}
    m = pd.DataFrame(frame | {"train_test_similarity": 0.1 * split, "accuracy": y, "chance": 0.5})
    monkeypatch.setattr(related, "models", lambda _: m)
    r = related.related(spec, "train_test_similarity")
    assert ((r.n_permuted, r.n_models, r.n_blocks), r.pearson.n) == (counts, n)
    assert p is None or r.permuted == pytest.approx(p, abs=0.03, nan_ok=True)
    s = related.summary(spec)
    assert (s.n_models, s.mean.n, s.mean.value) == (n, blocks, pytest.approx(y.mean()))
    if n == 1:
        assert r.line is None
        assert not np.isfinite([r.pearson.r, r.pearson.low, r.spearman.r]).any()
    else:
        means = [y[np.array([tests[i] for i in split]) == test].mean() for test in dict.fromkeys(tests)]
        low, high = stats.t.interval(0.95, blocks - 1, np.mean(means), stats.sem(means))
        assert (s.mean.low, s.mean.high) == pytest.approx((max(low, 0), min(high, 1)))


def test_a_model_is_summed_up_as_scikit_learn_does(shown: Workspace) -> None:
    spec = of(shown, "diversity")
    m = zeroshot.models(spec)
    id = m["id"][3]
    number, test_set = (int(v) for v in id.split("-"))
    judged = model.judged(spec, id)
    assert model.rank(spec, judged) == sorted(m["accuracy"], reverse=True).index(m["accuracy"][3]) + 1
    raw = shown.cache.open(spec.key).table("predictions").to_pandas()
    mine = raw[(raw["model"] == number) & (raw["test_set"] == test_set - 1)]
    wanted = confusion_matrix(mine["label"], mine["predicted"], labels=judged.classes)
    assert judged.confusion.tolist() == wanted.tolist()
    assert judged.accuracy[:, 0] == pytest.approx(np.diag(wanted) / wanted.sum(axis=1))
    a, b = confusion_numbers.first_cell(judged)
    cell = model.in_cell(judged, a, b)
    assert set(cell["clip_id"]) == set(mine["clip_id"][(mine["label"] == a) & (mine["predicted"] == b)])
    clip = cell["clip_id"].iloc[0]
    order = model.scored(judged, clip)
    assert order[0][0] == b
    assert [s for _, s in order] == sorted((s for _, s in order), reverse=True)
    row = mine[mine["clip_id"] == clip].iloc[0]
    assert dict(order)[a] == pytest.approx(row["own_score"])
    assert confusion_numbers.matrix_table(judged)["clips"].sum() == len(mine)
    assert model.curves_table(spec, judged)["epoch"].tolist() == [1, 2, 3, 4, 5]
    # Those that were right come by their lead.
    label = judged.classes[int(np.diag(judged.confusion).argmax())]
    right = [model.scored(judged, clip) for clip in model.in_cell(judged, label, label)["clip_id"]]
    lead = [scores[0][1] - scores[1][1] for scores in right]
    assert len(lead) > 1
    assert lead == sorted(lead, reverse=True)
    assert min(lead) >= 0


def test_properties_of_classes_are_means_over_the_models_that_were_judged_by_them(shown: Workspace) -> None:
    spec = of(shown, "similarity")
    seen = classes.by_class(spec, data.clips(shown.dataset("small")))
    artifact = shown.cache.open(spec.key)
    raw = artifact.table("classes").to_pandas()
    S = np.asarray(artifact.array("similarity"))
    text = shown.cache.open(spec.text.key)
    T = np.asarray(text.array("embeddings"), float)
    T /= np.linalg.norm(T, axis=1, keepdims=True)
    ids = text.table("texts").column("id").to_pylist()
    at = {name: i for i, name in enumerate(artifact.table("names").column("label").to_pylist())}
    name = seen.classes.index[2]
    tests = raw[(raw["label"] == name) & (raw["part"] == "test") & raw["accuracy"].notna()]
    mean, nearest, words_of = [], [], []
    for number in tests["model"]:
        train = raw["label"][(raw["model"] == number) & (raw["part"] == "train")]
        values = [S[at[name], at[t]] for t in train]
        mean.append(np.mean(values))
        nearest.append(max(values))
        words_of.append(np.mean([T[ids.index(name)] @ T[ids.index(t)] for t in train]))
    row = seen.classes.loc[name]
    assert row["accuracy"] == pytest.approx(tests["accuracy"].mean())
    assert row["accuracies"] == len(tests)
    assert row["similarity"] == pytest.approx(np.mean(mean))
    assert row["nearest"] == pytest.approx(np.mean(nearest))
    assert row["text"] == pytest.approx(np.mean(words_of))
    X = np.asarray(shown.cache.open(spec.embedding.key).array("embeddings"))
    label = shown.dataset("small").clips["label"].to_numpy(str)
    wanted = silhouette_samples(X, label, metric="cosine")[label == name].mean()
    assert row["silhouette"] == pytest.approx(wanted, abs=1e-5)
    r = {n: stats.pearsonr(seen.classes[n], seen.classes["accuracy"]).statistic for n in classes.PROPERTIES}
    for n, p in seen.properties.items():
        assert p.pearson is not None
        assert p.pearson.r == pytest.approx(r[n])
        assert p.adjusted >= p.pearson.p
    assert seen.best == max(r, key=lambda n: abs(r[n]))
    assert seen.table()["class"].tolist() == list(seen.classes.index)


# -- the page -----------------------------------------------------------------------------------------------


def test_empty_and_small_workspaces_say_what_to_do(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "no dataset to train on" in words(run("zeroshot"))
    found, dataset = made.workspace(tmp_path, per_class=2, classes={"A": "x", "B": "x"}, sounds=False)
    assert "has no space yet" in words(run("zeroshot"))
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    assert "at least 5 classes" in words(run("zeroshot"))


@pytest.mark.parametrize("setup", ["similarity", "diversity"])
def test_figures_4_and_5_and_table_1(shown: Workspace, setup: str) -> None:
    spec = of(shown, setup)
    m = zeroshot.models(spec)
    app = run("zeroshot", grid=spec.key[:12])
    boxes = figures(app)["boxes"]
    dots = [t for t in boxes["data"] if t.get("meta") == "models"]
    assert sorted(i for t in dots for i in t["customdata"]) == sorted(m["id"])
    values = np.concatenate([numbers_in(t["y"]) for t in dots])
    assert np.sort(values) == pytest.approx(np.sort(m["accuracy"]))
    by = ["ratio", "cluster"] if setup == "similarity" else ["low", "test_set"]
    means = next(t for t in boxes["data"] if t.get("meta") == "means")
    assert np.sort(numbers_in(means["y"])) == pytest.approx(np.sort(m.groupby(by)["accuracy"].mean()))
    assert next(t for t in boxes["data"] if t.get("meta") == "chance")["name"] == "chance 0.33"
    assert f"n = {len(m)} accuracies of {m['model'].nunique()} models" in json.dumps(boxes)
    assert "line" in figures(app)
    assert ("Figure 4" in words(app), "Figure 5" in words(app)) == (setup[0] == "s", setup[0] == "d")
    text = everything(app)
    for each in (of(shown, "similarity"), of(shown, "diversity")):
        r = related.related(each, related.VARIED[each.setup])
        assert f"{r.pearson.r:+.3f}".replace("-", "−") in text
    assert "+0.374" in text  # the paper's, beside
    assert "−0.434" in text
    assert "Why a permutation test" in text


def test_experiments_that_differ_have_different_names(variants: dict[str, ZeroShotGrid]) -> None:
    """A list knows its entries by their words: of two with the same, only the first could be chosen."""
    grids = [zeroshot.Grid(variants[n], "done") for n in ("similarity", "wide", "narrow", "diversity")]
    names = dict(zip(("", "wide", "narrow"), zeroshot.named(grids).values(), strict=False))
    assert names["wide"].endswith("margin: 0.5 · momentum: 0 · hidden width: 8")
    assert names["narrow"].endswith("margin: 1 · momentum: 0.5 · hidden width: 4")
    app = run("zeroshot", grid=variants["wide"].key[:12])
    assert app.selectbox(key="zeroshot.grid").value == variants["wide"].key[:12]
    assert len(set(app.selectbox(key="zeroshot.grid").options)) == len(variants)
    assert "margin 0.5, widths 8 and 16" in words(app)


def test_the_row_of_the_other_setup_is_trained_alike_or_says_so(variants: dict[str, ZeroShotGrid]) -> None:
    grids = [zeroshot.Grid(variants[n], "done") for n in ("newer", "similarity", "diversity")]
    beside = zeroshot.beside(grids, variants["similarity"])
    assert [g.spec for g in beside.values()] == [variants["similarity"], variants["diversity"]]
    assert zeroshot.beside(grids, variants["newer"])["diversity"].spec == variants["newer"]
    text = words(run("zeroshot", grid=variants["similarity"].key[:12]))
    assert "Beside the experiment that is shown: “diversity · 12 models" in text
    assert "was trained otherwise" not in text
    text = words(run("zeroshot", grid=variants["newer"].key[:12]))
    assert "“similarity · " in text
    assert "which was trained otherwise" in text


def test_models_that_were_trained_are_counted_not_those_asked_for(variants: dict[str, ZeroShotGrid]) -> None:
    """Where sizes are lowered, ratios can give the same classes."""
    grid = zeroshot.Grid(variants["lowered"], "done")
    n = len(zeroshot.models(grid.spec))
    assert zeroshot.n_models(grid) == n < grid.spec.n_models == 60
    app = run("zeroshot", grid=grid.id)
    assert f"{n} of them were trained." in words(app)
    assert any(
        name.startswith(f"similarity · {n} models") for name in app.selectbox(key="zeroshot.grid").options
    )


def test_the_ratio_along_x_is_the_realised_one(variants: dict[str, ZeroShotGrid]) -> None:
    spec = variants["rounded"]
    stored, m = spec.read(data.workspace().cache), zeroshot.models(spec)
    # By hand: of five classes a half is three, which is 0.6.
    cluster = dict(zip(stored.column("names", "label"), stored.clusters.tolist(), strict=True))
    parts = stored.classes.to_pandas()
    for number, labels in parts[parts["part"] == "train"].groupby("model")["label"]:
        row = m[m["model"] == number].iloc[0]
        assert row["ratio"] == sum(cluster[name] == row["cluster"] for name in labels) / 5
    assert sorted(set(m["ratio"])) == [0.0, 0.6, 1.0]
    assert zeroshot.rounded(spec) == [("0.5", "0.6")]
    app = run("zeroshot", grid=spec.key[:12])
    ticks = figures(app)["boxes"]["layout"]["xaxis"]["ticktext"]
    assert [t.partition("<br>")[0] for t in ticks] == ["0", "0.6", "1"]
    assert "0.5 is 0.6 here" in words(app)
    r = related.related(spec, "ratio").pearson
    assert r.r == pytest.approx(stats.pearsonr(m["ratio"], m["accuracy"]).statistic)


@pytest.mark.parametrize(("name", "n"), [("similarity", 1), ("validated", 2)])
def test_one_validation_class_has_no_accuracy_and_two_have_one(
    variants: dict[str, ZeroShotGrid], name: str, n: int
) -> None:
    spec = variants[name]
    id = zeroshot.models(spec)["id"][0]
    judged = model.judged(spec, id)
    assert len(judged.validation) == n
    app = run("zeroshot", grid=spec.key[:12], model=id)
    assert ("With one validation class, every clip is predicted as it" in words(app)) == (n == 1)
    accuracy = "–" if n == 1 else f"{judged.row['validation_accuracy']:.3f}"
    assert f"<small>on validation classes</small><b>{accuracy}</b>" in html(app)
    drawn = figures(app)
    assert ("training, 4 classes" in drawn, f"validation, {n} classes" in drawn) == (True, n == 2)
    assert ("validation_accuracy" in model.curves_table(spec, judged)) == (n == 2)


def test_texts_that_were_cleared_away_take_nothing_else_with_them(made: Any, spaces: Workspace) -> None:
    spec = made.zero_shot_of(spaces, made.zero_shot_grid(spaces, "similarity"))
    c = data.clips(spaces.dataset("small"))
    before = classes.by_class(spec, c)
    assert spaces.cache.delete(spec.text.key)
    after = classes.by_class(spec, c)
    assert (before.has_texts, after.has_texts) == (True, False)
    assert after.classes[["text", "nearest-text"]].isna().all(axis=None)
    pd.testing.assert_series_equal(after.classes["nearest"], before.classes["nearest"])
    app = run("zeroshot", grid=spec.key[:12], property="text")
    assert not app.error
    assert "The embedded texts have been cleared away" in words(app)
    assert "No class has this number" in words(app)


def test_classes_without_a_text_are_named_before_anything_is_trained(made: Any, spaces: Workspace) -> None:
    dataset = spaces.dataset("small")
    about = dataset.classes.copy()
    about["description"] = ["", *(f"The sound of {name}." for name in about["label"][1:])]
    imported = made.Imported(
        dataset.clips, about, dataset.report, dataset.fingerprint, dataset.labels_fingerprint
    )
    spaces.add_dataset("small", imported, adapter="folder", root=dataset.root)
    silent = about["label"].iloc[0]
    offered = zero_shot.class_texts(spaces, spaces.dataset("small"))
    # Names come first, since every class has one.
    assert [spec.of for spec in offered.values()] == sorted((s.of for s in offered.values()), reverse=True)
    text = next(name for name, spec in offered.items() if spec.of == "description")
    why = f"'{silent}' of small has no description, and a model needs one of every class that takes part;"
    app = run("zeroshot", space="melstats", train="4", validation="1", test="2", text=text)
    assert why in warned(app)
    names = sorted(about["label"])

    def by_hand(part: str) -> AppTest:
        """Five classes that take part, and the one without a text."""
        others = iter(["train", "train", "validation", "test", "test"])
        parts = [part if name == silent else next(others, "unused") for name in names]
        return run("splits", how="hand", hand=links.written(parts, names), text=text)

    assert why in warned(by_hand("train"))
    assert any(b.label == "Train on this split" for b in by_hand("unused").button)


def test_what_a_page_tries_takes_a_moment(shown: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all seeds are drawn in time, and where no sizes are reached, the page says so."""
    for module in ("dashboard.splits.data", "dashboard.kit.classes"):
        monkeypatch.setattr(f"{module}.over", lambda seconds: lambda: True)
    link = {"space": "melstats", "setup": "diversity", "train": "4", "validation": "1", "test": "2"}
    app = run("zeroshot", **link, seeds="7")
    assert "The splits of the first 1 of 7 seeds were drawn" in words(app)
    assert any(b.label.startswith("Train ") for b in app.button)
    data.forget()
    short = class_sets.unfound(
        class_sets.classes(of(shown, "similarity").embedding, data.clips(shown.dataset("small"))), 3
    )
    assert short
    assert warned(run("zeroshot", **link, ranges="paper")).endswith(short)
    assert warned(run("splits", how="diversity", ranges="paper", range="5", train="9")).endswith(short)
    # Where there are too few classes for any sizes, there is nothing to search for.
    why = warned(run("splits", how="diversity", sets="9"))
    assert "need" in why
    assert short not in why


def test_a_failed_model_is_named_and_the_others_are_shown(shown: Workspace) -> None:
    spec = of(shown, "similarity")
    (failed,) = zeroshot.failed(spec)["id"]
    app = run("zeroshot", grid=spec.key[:12])
    assert "1 model failed" in [e.label for e in app.expander][1]
    assert "The loss was no longer a number in epoch 1 (seed 3)." in words(app)
    assert "is not available" in words(run("zeroshot", grid=spec.key[:12], model=failed))


def test_the_view_is_in_the_link(shown: Workspace) -> None:
    spec = of(shown, "diversity")
    row = zeroshot.models(spec).loc[5]
    judged = model.judged(spec, row["id"])
    true, taken = confusion_numbers.first_cell(judged)
    link = {
        "grid": spec.key[:12],
        "model": row["id"],
        "along-x": "train-test-similarity",
        "clips-of": true,
        "taken-for": taken,
        "clip": str(model.in_cell(judged, true, taken)["clip_id"].iloc[-1]),
        "property": "silhouette",
        "setup": "diversity",
        "epochs": "7",
    }
    app = run("zeroshot", **link)
    assert [info.value.startswith("There is no validation accuracy") for info in app.info] == [True]
    assert f"{row['accuracy']:.3f} (" in html(app)
    assert "mean cosine similarity of training" in json.dumps(figures(app)["line"])
    asked = address(app)
    assert {k: asked[k] for k in link if k in asked} | {"grid": link["grid"]} == {
        k: v for k, v in link.items() if k in asked or k == "grid"
    }
    assert html(run("zeroshot", **asked)) == html(app)


def test_any_nonsense_in_the_link_is_no_error(shown: Workspace) -> None:
    names = (
        *("grid", "model", "along-x", "clips-of", "taken-for", "clip", "property", "setup", "train", "k"),
        *("ratios", "ranges", "sets", "seeds", "text", "epochs", "patience", "rate", "batch", "ranks"),
    )
    app = run("zeroshot", **dict.fromkeys(names, "'; drop/../<b>"))
    assert not app.error
    assert len(app.info) > 10
    # What the link could have held is read as words, not as names of columns.
    assert "(available: similarity-ratio, train-test-similarity, training-similarity)" in words(app).replace(
        "\u2060", ""
    )
    assert not run("zeroshot", setup="diversity", ranges="x", sets="-1").error


# -- the form -----------------------------------------------------------------------------------------------


def test_a_grid_is_queued_and_what_does_not_fit_is_refused_first(spaces: Workspace) -> None:
    app = run("zeroshot", space="melstats", train="20")
    assert "Start one of the paper’s two experiments" in words(app)
    assert "ratio 1 needs" in warned(app)
    next(b for b in app.button if b.label.startswith("Use ")).click()
    ran(app)
    assert not app.warning
    app.number_input(key="zeroshot.seeds").set_value(2)
    app.text_input(key="zeroshot.ratios").set_value("1,0")
    app.number_input(key="zeroshot.epochs").set_value(3)
    app.segmented_control(key="zeroshot.standardise").set_value("yes")
    ran(app)
    press(app, "Train 12 models")
    (job,) = jobs_of(spaces)
    assert job.state == "queued"
    fields = job.spec["fields"]
    assert (fields["seeds"], fields["epochs"], fields["ratios"]) == (2, 3, [1.0, 0.0])
    assert fields["standardise"] is True
    assert address(app)["grid"] == job.key[:12]
    assert "No worker is running" in words(app)
    # What no class suffices for: the paper's ranges in this space.
    app = run("zeroshot", space="melstats", setup="diversity", ranges="paper", train="9")
    assert "have a mean similarity within" in words(app)


SIZES = {"space": "melstats", "train": "4", "validation": "1", "test": "2", "seeds": "2"}


def test_ratios_and_ranges_of_ones_own_are_asked_for_and_shared_by_the_link(spaces: Workspace) -> None:
    app = run("zeroshot", ratios="0.9, 0.5, 0.45,0", **SIZES)
    # Of four classes 0.45 and 0.5 are two, which is trained once.
    assert "Of 4 training classes the ratio 0.45 gives the same number as another" in words(app)
    assert address(app)["ratios"] == "0.9, 0.5, 0.45,0"
    press(app, "Train 18 models")
    (first,) = jobs_of(spaces)
    assert first.spec["fields"]["ratios"] == [0.9, 0.5, 0.0]
    for given, why in (("", "No similarity ratio is given"), ("1,a", "'a' is no similarity ratio")):
        app = run("zeroshot", **SIZES)
        app.text_input(key="zeroshot.ratios").set_value(given)
        assert why in warned(ran(app))
    link = {"setup": "diversity", "sets": "2", "ranges": "given", "range-ends": "-0.3:0.2, 0.2:0.9"}
    app = run("zeroshot", **SIZES, **link)
    shared = address(app)
    assert {k: shared[k] for k in link} == link
    press(app, "Train 4 models")
    (second,) = [j for j in jobs_of(spaces) if j.key != first.key]
    assert second.spec["fields"]["ranges"] == [[-0.3, 0.2], [0.2, 0.9]]
    app.text_input(key="zeroshot.range-ends").set_value("0.5:0.2")
    assert "'0.5:0.2' is no range of similarities" in warned(ran(app))
    app = run("zeroshot", **SIZES, setup="diversity", sets="2", **{"range-count": "3"})
    assert any(b.label == "Train 6 models" for b in app.button)
    # Patience is refused in one sentence without names of fields.
    assert warned(run("zeroshot", patience="5", **SIZES)).startswith("Patience needs at least 2 validation")


def test_saved_splits_are_trained_on_from_here(spaces: Workspace) -> None:
    link = {"space": "melstats", "setup": "splits"}
    assert "No split of small is saved yet" in warned(run("zeroshot", **link))
    names = sorted(set(spaces.dataset("small").clips["label"]))
    kept = [random_split(names, seed=s, sizes=Sizes(4, v, 3)) for s, v in ((0, 2), (1, 1))]
    for name, split in zip(("far", "near"), kept, strict=True):
        saved.save(spaces, "small", name, split)
    saved.save(spaces, "small", "alien", ClassSplit(("Wolf", "Owl"), ("Bee",), tuple(names[:2])))
    app = run("zeroshot", **link)
    assert "No split is chosen" in warned(app)
    app.multiselect(key="zeroshot.own").set_value(["far", "near"])
    app.number_input(key="zeroshot.seeds").set_value(2)
    ran(app)
    assert not app.warning
    press(app, "Train 4 models")
    (job,) = jobs_of(spaces)
    fields = job.spec["fields"]
    assert (fields["setup"], fields["seeds"]) == ("splits", 2)
    assert [split_from_json(text) for text in fields["splits"]] == kept
    assert app.query_params["own"] == ["far", "near"]
    # What is not possible is one sentence, and nothing can be started.
    for more, why in (
        ({"own": ["alien"]}, "'Wolf'"),
        ({"own": ["far", "near"], "patience": "3"}, "Patience needs at least 2 validation classes"),
    ):
        assert why in warned(run("zeroshot", **link, **more))
    app = run("zeroshot", **link, own=["far"], patience="3")
    assert any(b.label == "Train 6 models" for b in app.button)
    (spaces.root / "splits" / "small" / "far.json").write_text("{")
    assert "is no JSON" in warned(run("zeroshot", **link, own=["far"]))


def test_ratios_and_ranges_are_read_as_they_are_written() -> None:
    assert start.parse_ratios(start.RATIOS) == PAPER_RATIOS
    assert start.parse_ranges(start.RANGES) == PAPER_RANGES
    for text in ("1.2", "-0.1", "nan", "0.5;0.2"):
        with pytest.raises(ValueError, match="is no similarity ratio: write numbers from 0 to 1"):
            start.parse_ratios(text)
    for text in ("0.5", "0.5:0.5", "0.5:0.6:0.7", "-2:0", "a:b", "nan:0.5"):
        with pytest.raises(ValueError, match="is no range of similarities: write a lower"):
            start.parse_ranges(text)
    with pytest.raises(ValueError, match=r"ratio 0\.5 is given twice"):
        start.parse_ratios("0.5, 1, .5")
    with pytest.raises(ValueError, match=r"range 0:0\.5 is given twice"):
        start.parse_ranges("0:0.5, 0:.5")


@pytest.mark.parametrize("setup", ["similarity", "diversity"])
def test_each_csv_holds_what_its_figure_shows(shown: Workspace, setup: str) -> None:
    spec = of(shown, setup)
    m = zeroshot.models(spec)
    boxes = zeroshot.boxes_table(spec)
    names, at, _ = zeroshot.groups(spec)
    assert boxes[zeroshot.VARIES[setup]].tolist() == [names[i] for i in at]
    assert boxes["accuracy"].tolist() == pytest.approx(m["accuracy"].tolist())
    assert set(boxes["series"]) == set(zeroshot.dots(spec).kinds)
    for by in related.against(spec):
        dots = related.scatter_table(spec, by)
        fit = stats.linregress(m[by], m["accuracy"])
        assert dots[f"line_over_{by}"].tolist() == pytest.approx((fit.intercept + fit.slope * m[by]).tolist())
        for x in related.against(spec):
            assert dots[x].tolist() == pytest.approx(m[x].tolist())
    assert ("ratio" in zeroshot.models_table(spec)) == (setup == "similarity")
    table = pd.read_csv(io.BytesIO(csv(related.related_table([spec]))))
    assert table["against"].tolist() == related.against(spec)
    for _, row in table.iterrows():
        assert row["pearson_r"] == pytest.approx(stats.pearsonr(m[row["against"]], m["accuracy"]).statistic)
    assert table["paper_r"].dropna().tolist() == [related.PAPER[setup][0]]


def test_given_splits_are_trained_and_shown(spaces: Workspace) -> None:
    dataset = spaces.dataset("small")
    names = sorted(set(dataset.clips["label"]))
    splits = tuple(
        split_to_json(random_split(names, seed=s, sizes=Sizes(6, 2, n)), compact=True)
        for s, n in ((0, 3), (1, 4))
    )
    spec = ZeroShotGrid(
        embedding=next(s.spec for s in spaces.spaces(dataset) if s.encoder == "melstats"),
        text=spaces.text_spaces(dataset)[0].spec,
        labels=dataset.labels_fingerprint,
        setup="splits",
        splits=splits,
        seeds=2,
        epochs=2,
    )
    assert inprocess.run(spaces, spec).state == "done"
    app = run("zeroshot", space="melstats")
    assert not app.error
    text = everything(app)
    assert "own splits" in text
    assert "differs" in text  # 3 and 4 test classes: no one chance level
    boxes = figures(app)["boxes"]
    assert [t.partition("<br>")[0] for t in boxes["layout"]["xaxis"]["ticktext"]] == ["1", "2"]
    assert "not run yet" in text  # the paper's setups on this space


def test_classes_of_few_clips_are_not_drawn_and_the_page_says_so(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    spaces = made.zero_shot_spaces(tmp_path, sounds=False, per_class=3)
    dataset = spaces.dataset("small")
    n = len(set(dataset.clips["label"]))
    embedding = next(s.spec for s in spaces.spaces(dataset) if s.encoder == "aisfx")
    every = class_sets.classes(embedding, data.clips(dataset))
    assert class_sets.at_least(every, 3) is every
    fewer = class_sets.at_least(replace(every, clips=np.arange(n)), 4)
    assert (fewer.names, fewer.clips.tolist()) == (every.names[4:], list(range(4, n)))
    np.testing.assert_array_equal(fewer.similarity, every.similarity[4:, 4:])
    np.testing.assert_array_equal(fewer.centroids, every.centroids[4:])
    app = run("zeroshot", least="4")
    assert f"Of {n} classes, {n} have fewer than 4 clips and are not drawn" in words(app)
    assert "0 classes of 4 clips or more cannot be split: ask for fewer clips" in words(app)
    app.number_input(key="zeroshot.least").set_value(3)
    assert "are not drawn" not in words(ran(app))
    assert address(app)["least"] == "3"
