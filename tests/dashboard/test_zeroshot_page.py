from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
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
from dashboard.kit import confusion_numbers
from dashboard.splits import links as split_links
from dashboard.splits.data import Sizes
from dashboard.zeroshot import asked as zeroshot_asked
from dashboard.zeroshot import classes as zeroshot_classes
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import model as zeroshot_model
from dashboard.zeroshot import related as zeroshot_related
from dashboard.zeroshot.data import Result
from jobs.engine import inprocess
from jobs.specs import EmbedText, ZeroShotGrid
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


def of(found: Workspace, setup: str) -> Result:
    dataset = found.dataset("small")
    space = next(s.spec for s in found.spaces(dataset) if s.encoder == "aisfx")
    grid = next(g for g in zeroshot.grids(found, dataset, space) if g.spec.setup == setup)
    return zeroshot.result(grid.spec)


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
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values, float)


# -- what the numbers are -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("setup", "by"), [("similarity", "ratio"), ("diversity", "mean_similarity")])
def test_correlations_are_scipys_and_models_are_what_is_permuted(
    shown: Workspace, setup: str, by: str
) -> None:
    found = of(shown, setup)
    m = found.models
    r = zeroshot_related.related(found, by)
    assert (r.pearson.r, r.pearson.p) == pytest.approx(tuple(stats.pearsonr(m[by], m["accuracy"])))
    assert r.spearman.r == pytest.approx(stats.spearmanr(m[by], m["accuracy"]).statistic)
    # By hand: shuffle whole models within their blocks, and count. The tables are as the job wrote them.
    raw = shown.cache.open(found.spec.key).table("models").to_pandas()
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


@pytest.mark.parametrize("setup", ["similarity", "diversity"])
def test_accuracies_are_summed_up_over_blocks(shown: Workspace, setup: str) -> None:
    m = of(shown, setup).models
    s = zeroshot_related.summary(of(shown, setup))
    means = [m["accuracy"][m["block"] == b].mean() for b in sorted(set(m["block"]))]
    low, high = stats.t.interval(0.95, len(means) - 1, np.mean(means), stats.sem(means))
    assert (s.n_models, s.n, s.mean.n) == (len(set(m["model"])), len(m), len(means))
    assert s.mean.value == pytest.approx(m["accuracy"].mean())
    assert (s.mean.low, s.mean.high) == pytest.approx((max(low, 0), min(high, 1)))
    assert (s.lowest, s.highest) == (min(m["accuracy"]), max(m["accuracy"]))
    assert s.above == sum(a > c for a, c in zip(m["accuracy"], m["chance"], strict=True))


def own_splits(shown: Workspace, tests: list[str], seeds: int) -> Result:
    """A grid of splits of one's own, a training class and the first test class more similar each time."""
    like = of(shown, "similarity")
    splits = tuple(
        split_to_json(ClassSplit(("a", f"train {i}"), ("v",), ("b", test)), compact=True)
        for i, test in enumerate(tests)
    )
    spec = replace(like.spec, setup="splits", splits=splits, seeds=seeds)
    n = len(tests) * seeds
    split = np.repeat(np.arange(len(tests)), seeds)
    models = like.models.iloc[np.zeros(n, int)].assign(
        model=np.arange(n),
        split=split,
        seed=np.tile(np.arange(seeds), len(tests)),
        block=[f"seed {s}" for s in np.tile(np.arange(seeds), len(tests))],
        train_test_similarity=0.1 * split,
        accuracy=0.5 + 0.1 * split + 0.001 * np.arange(n) % 0.003,
    )
    return replace(like, spec=spec, models=models.reset_index(drop=True))


def test_of_splits_of_ones_own_whole_splits_are_permuted(shown: Workspace) -> None:
    r = zeroshot_related.related(own_splits(shown, list("cdefg"), 6), "train_test_similarity")
    assert (r.n_permuted, r.n_models, r.n_blocks, r.pearson.n) == (5, 30, 1, 30)
    assert r.permuted == pytest.approx(2 / 120, abs=0.01)  # the order of five, and its reverse
    r = zeroshot_related.related(own_splits(shown, list("ccdd"), 6), "train_test_similarity")
    assert (r.n_permuted, r.n_models, r.n_blocks) == (4, 24, 2)
    assert r.permuted == pytest.approx(1 / 2, abs=0.03)  # both pairs as they are, or both exchanged
    r = zeroshot_related.related(own_splits(shown, list("cd"), 6), "train_test_similarity")
    assert not np.isfinite(r.permuted)


def test_the_mean_of_splits_of_ones_own_is_known_as_well_as_there_are_test_classes(shown: Workspace) -> None:
    """Trainings that differ by their seeds alone are judged by the same classes, however many there are."""
    found = own_splits(shown, list("cdd"), 6)
    s = zeroshot_related.summary(found)
    y = found.models["accuracy"].to_numpy(float)
    means = [y[:6].mean(), y[6:].mean()]  # the second and third split share their test classes
    low, high = stats.t.interval(0.95, 1, np.mean(means), stats.sem(means))
    assert (s.n_models, s.n, s.mean.n) == (18, 18, 2)
    assert s.mean.value == pytest.approx(y.mean())
    assert (s.mean.low, s.mean.high) == pytest.approx((max(low, 0), min(high, 1)))


def test_one_accuracy_has_no_correlation(shown: Workspace) -> None:
    r = zeroshot_related.related(own_splits(shown, ["c"], 1), "train_test_similarity")
    assert (r.pearson.n, r.n_models, r.line) == (1, 1, None)
    assert not np.isfinite([r.pearson.r, r.pearson.low, r.spearman.r, r.permuted]).any()


def test_those_that_were_right_come_by_their_lead(shown: Workspace) -> None:
    found = of(shown, "diversity")
    judged = zeroshot_model.judged(found, found.models["id"][3])
    ordered = sorted(found.models["accuracy"], reverse=True)
    assert zeroshot_model.rank(found, judged) == ordered.index(found.models["accuracy"][3]) + 1
    label = judged.classes[int(np.diag(judged.confusion).argmax())]
    cell = zeroshot_model.in_cell(judged, label, label)
    assert len(cell) > 1
    scored = map(partial(zeroshot_model.scored, judged), cell["clip_id"])
    lead = [scores[0][1] - scores[1][1] for scores in scored]
    assert lead == sorted(lead, reverse=True)
    assert min(lead) >= 0


def test_a_model_is_summed_up_as_scikit_learn_does(shown: Workspace) -> None:
    found = of(shown, "diversity")
    id = found.models["id"][3]
    model, test_set = (int(v) for v in id.split("-"))
    judged = zeroshot_model.judged(found, id)
    raw = shown.cache.open(found.spec.key).table("predictions").to_pandas()
    mine = raw[(raw["model"] == model) & (raw["test_set"] == test_set - 1)]
    wanted = confusion_matrix(mine["label"], mine["predicted"], labels=judged.classes)
    assert judged.confusion.tolist() == wanted.tolist()
    assert judged.accuracy[:, 0] == pytest.approx(np.diag(wanted) / wanted.sum(axis=1))
    a, b = confusion_numbers.first_cell(judged)
    cell = zeroshot_model.in_cell(judged, a, b)
    assert set(cell["clip_id"]) == set(mine["clip_id"][(mine["label"] == a) & (mine["predicted"] == b)])
    clip = cell["clip_id"].iloc[0]
    order = zeroshot_model.scored(judged, clip)
    assert order[0][0] == b
    assert [s for _, s in order] == sorted((s for _, s in order), reverse=True)
    row = mine[mine["clip_id"] == clip].iloc[0]
    assert dict(order)[a] == pytest.approx(row["own_score"])
    table = confusion_numbers.matrix_table(judged)
    assert table["clips"].sum() == len(mine)
    curves = pd.read_csv(io.BytesIO(zeroshot_model.curves_table(found, judged)))
    assert curves["epoch"].tolist() == [1, 2, 3, 4, 5]


def test_properties_of_classes_are_means_over_the_models_that_were_asked(shown: Workspace) -> None:
    found = of(shown, "similarity")
    c = data.clips(shown.dataset("small"))
    seen = zeroshot_classes.by_class(found, c)
    artifact = shown.cache.open(found.spec.key)
    raw = artifact.table("classes").to_pandas()
    S = np.asarray(artifact.array("similarity"))
    text = shown.cache.open(found.spec.text.key)
    T = np.asarray(text.array("embeddings"), float)
    T /= np.linalg.norm(T, axis=1, keepdims=True)
    said = text.table("texts").column("id").to_pylist()
    at = {name: i for i, name in enumerate(found.names)}
    name = seen.names[2]
    tests = raw[(raw["label"] == name) & (raw["part"] == "test") & raw["accuracy"].notna()]
    mean, nearest, words_of = [], [], []
    for model in tests["model"]:
        train = raw["label"][(raw["model"] == model) & (raw["part"] == "train")]
        values = [S[at[name], at[t]] for t in train]
        mean.append(np.mean(values))
        nearest.append(max(values))
        words_of.append(np.mean([T[said.index(name)] @ T[said.index(t)] for t in train]))
    values_of = {p.name: p.values[2] for p in seen.properties}
    assert seen.accuracy[2] == pytest.approx(tests["accuracy"].mean())
    assert values_of["similarity"] == pytest.approx(np.mean(mean))
    assert values_of["nearest"] == pytest.approx(np.mean(nearest))
    assert values_of["text"] == pytest.approx(np.mean(words_of))
    X = np.asarray(shown.cache.open(found.spec.embedding.key).array("embeddings"))
    label = shown.dataset("small").clips["label"].to_numpy(str)
    wanted = silhouette_samples(X, label, metric="cosine")[label == name].mean()
    assert values_of["silhouette"] == pytest.approx(wanted, abs=1e-5)
    for p in seen.properties:
        assert p.pearson is not None
        assert p.pearson.r == pytest.approx(stats.pearsonr(p.values, seen.accuracy).statistic)
        assert p.adjusted >= p.pearson.p
    assert seen.best is not None
    assert (
        seen.best.name
        == max(seen.properties, key=lambda p: abs(stats.pearsonr(p.values, seen.accuracy)[0])).name
    )
    assert len(pd.read_csv(io.BytesIO(zeroshot_classes.by_class_table(seen)))) == len(seen.names)


# -- the page -----------------------------------------------------------------------------------------------


def test_empty_and_small_workspaces_say_what_to_do(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "no dataset to train on" in words(run("zeroshot"))
    found, dataset = made.workspace(tmp_path, per_class=2, classes={"A": "x", "B": "x"}, sounds=False)
    assert "has no space yet" in words(run("zeroshot"))
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    assert "at least 5 classes" in words(run("zeroshot"))


def test_figures_4_and_5_and_table_1(shown: Workspace) -> None:
    grids = {s: of(shown, s) for s in ("similarity", "diversity")}
    for setup, found in grids.items():
        app = run("zeroshot", grid=found.spec.key[:12])
        drawn = figures(app)
        boxes = drawn["boxes"]
        dots = [t for t in boxes["data"] if t.get("meta") == "models"]
        assert sorted(i for t in dots for i in t["customdata"]) == sorted(found.models["id"])
        values = np.concatenate([numbers_in(t["y"]) for t in dots])
        assert np.sort(values) == pytest.approx(np.sort(found.models["accuracy"]))
        m = found.models
        by = ["ratio", "cluster"] if setup == "similarity" else ["low", "test_set"]
        means = next(t for t in boxes["data"] if t.get("meta") == "means")
        assert np.sort(numbers_in(means["y"])) == pytest.approx(np.sort(m.groupby(by)["accuracy"].mean()))
        assert next(t for t in boxes["data"] if t.get("meta") == "chance")["name"] == "chance 0.33"
        assert f"n = {len(m)} accuracies of {m['model'].nunique()} models" in json.dumps(boxes)
        assert "line" in drawn
        assert {"Figure 4", "Figure 5"} & {w for w in ("Figure 4", "Figure 5") if w in words(app)} == {
            "Figure 4" if setup == "similarity" else "Figure 5"
        }
        said = everything(app)
        for each in grids.values():
            r = zeroshot_related.related(each, zeroshot_related.VARIED[each.spec.setup])
            assert f"{r.pearson.r:+.3f}".replace("-", "−") in said
        assert "+0.374" in said  # the paper's, beside
        assert "−0.434" in said
        assert "Why a permutation test" in said


def test_experiments_that_differ_are_called_differently(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    """A list knows its entries by their words: of two with the same, only the first could be chosen."""
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    like = of(found, "similarity").spec
    wide = made.zero_shot_of(found, replace(like, margin=0.5))
    narrow = made.zero_shot_of(found, replace(like, hidden=8, momentum=0.5))
    dataset = found.dataset("small")
    grids = zeroshot.grids(found, dataset, like.embedding)
    names = zeroshot.named(grids)
    assert len(set(names.values())) == len(grids) == 4
    said = {g.spec: names[g.id] for g in grids}
    assert said[wide].endswith("margin 0.5 · momentum 0 · widths 256 and 512")
    assert said[narrow].endswith("margin 1 · momentum 0.5 · widths 8 and 512")
    app = run("zeroshot", grid=wide.key[:12])
    assert app.selectbox(key="zeroshot.grid").value == wide.key[:12]
    assert "margin 0.5, widths 256 and 512" in words(app)
    assert len(set(app.selectbox(key="zeroshot.grid").options)) == 4
    assert "momentum 0.5, widths 8 and 512" in words(run("zeroshot", grid=narrow.key[:12]))


def test_the_row_of_the_other_setup_is_trained_alike_or_says_so(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    similar, diverse = (of(found, s).spec for s in ("similarity", "diversity"))
    newer = made.zero_shot_of(found, replace(diverse, epochs=4))
    grids = zeroshot.grids(found, found.dataset("small"), similar.embedding)
    beside = zeroshot.beside(grids, similar)
    assert (beside["similarity"].spec, beside["diversity"].spec) == (similar, diverse)
    app = run("zeroshot", grid=similar.key[:12])
    assert "Beside the experiment that is shown: “diversity · 12 models" in words(app)
    assert "was trained otherwise" not in words(app)
    app = run("zeroshot", grid=newer.key[:12])
    assert zeroshot.beside(grids, newer)["diversity"].spec == newer
    assert "“similarity · 36 models" in words(app)
    assert "which was trained otherwise" in words(app)


def test_models_that_were_trained_are_counted_not_those_asked_for(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    """Where sizes are lowered, ratios can come to the same classes."""
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    like = of(found, "similarity").spec
    asked = {"n_train": 20, "n_validation": 20, "n_test": 20, "ratios": PAPER_RATIOS, "fit_sizes": True}
    spec = replace(like, **asked, seeds=1, epochs=1, hidden=4, shared=4)
    assert spec.n_models == 15
    assert inprocess.run(found, spec).state == "done"
    (grid,) = [g for g in zeroshot.grids(found, found.dataset("small"), like.embedding) if g.spec == spec]
    models = found.cache.open(spec.key).table("models").to_pandas()["model"].nunique()
    assert zeroshot.n_models(grid) == models < 15
    app = run("zeroshot", grid=grid.id)
    assert f"{models} of them were trained." in words(app)
    chosen = app.selectbox(key="zeroshot.grid")
    assert f"similarity · {models} models" in chosen.options[[*found_ids(found, like)].index(grid.id)]


def found_ids(found: Workspace, like: ZeroShotGrid) -> list[str]:
    return [g.id for g in zeroshot.grids(found, found.dataset("small"), like.embedding)]


def test_texts_that_were_cleared_away_take_nothing_else_with_them(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    spec = of(found, "similarity").spec
    before = zeroshot_classes.by_class(of(found, "similarity"), data.clips(found.dataset("small")))
    assert found.cache.delete(spec.text.key)
    after = zeroshot_classes.by_class(of(found, "similarity"), data.clips(found.dataset("small")))
    assert (before.told, after.told) == (True, False)
    values = {p.name: p.values for p in after.properties}
    assert np.isnan(values["text"]).all()
    assert np.isnan(values["nearest-text"]).all()
    kept = next(p for p in before.properties if p.name == "nearest").values
    np.testing.assert_array_equal(values["nearest"], kept)
    app = run("zeroshot", grid=spec.key[:12], property="text")
    assert not app.error
    assert "The embedded texts have been cleared away" in words(app)
    assert "There is no such number here" in words(app)


def test_classes_without_a_text_are_named_before_anything_is_trained(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    dataset = found.dataset("small")
    about = dataset.classes.copy()
    about["description"] = ["", *(f"The sound of {name}." for name in about["label"][1:])]
    imported = made.Imported(
        dataset.clips, about, dataset.report, dataset.fingerprint, dataset.labels_fingerprint
    )
    found.add_dataset("small", imported, adapter="folder", root=dataset.root)
    silent = about["label"].iloc[0]
    offered = zeroshot.texts(found, found.dataset("small"))
    # Names come first, since every class has one.
    assert [spec.of for spec in offered.values()] == sorted((s.of for s in offered.values()), reverse=True)
    told = next(name for name, spec in offered.items() if spec.of == "description")
    link = {"train": "4", "validation": "1", "test": "2", "text": told}
    said = f"'{silent}' has no description, and a model needs one of every class that takes part; add it, or"
    app = run("zeroshot", space="melstats", **link)
    assert said in app.warning[0].value.replace("\\", "")
    assert not any(b.label.startswith("Train ") for b in app.button)
    names = sorted(about["label"])
    without = split_links.written(_parts(names, silent, "unused"), names)
    within = split_links.written(_parts(names, silent, "train"), names)
    app = run("splits", how="hand", hand=within, text=told)
    assert said in words(app)
    assert not any(b.label.startswith("Train ") for b in app.button)
    app = run("splits", how="hand", hand=without, text=told)
    assert any(b.label == "Train on this split" for b in app.button)


def _parts(names: list[str], silent: str, part: str) -> list[str]:
    """Five classes that take part, and the one without a text."""
    others = iter(["train", "train", "validation", "test", "test"])
    return [part if name == silent else next(others, "unused") for name in names]


def test_what_a_page_tries_takes_a_moment(shown: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all seeds are drawn in time, and where no sizes are found, the page says so."""
    for module in ("dashboard.splits.data", "dashboard.kit.classes"):
        monkeypatch.setattr(f"{module}.over", lambda seconds: lambda: True)
    link = {"space": "melstats", "setup": "diversity", "train": "4", "validation": "1", "test": "2"}
    app = run("zeroshot", **link, seeds="7")
    assert "The splits of the first 1 of 7 seeds were drawn" in words(app)
    assert any(b.label.startswith("Train ") for b in app.button)
    data.forget()
    app = run("zeroshot", **link, ranges="paper")
    assert app.warning[0].value.endswith(
        "A short search returned no sizes that fit; some may exist all the same."
    )
    app = run("splits", how="diversity", ranges="paper", range="5", train="9")
    assert app.warning[0].value.endswith(
        "A short search returned no sizes that fit; some may exist all the same."
    )
    # Where there are too few classes for any sizes, there is nothing to be found.
    app = run("splits", how="diversity", sets="9")
    assert "need" in app.warning[0].value
    assert "A short search" not in words(app)


def test_a_failed_model_is_said_and_the_others_are_shown(shown: Workspace) -> None:
    found = of(shown, "similarity")
    assert found.meta["n_failed"] == 1
    app = run("zeroshot", grid=found.spec.key[:12])
    assert "1 model failed" in [e.label for e in app.expander][1]
    assert "loss is NaN in epoch 2 of seed 0." in words(app)
    failed = found.failed["id"][0]
    assert "is not available" in words(run("zeroshot", grid=found.spec.key[:12], model=failed))


def test_the_view_is_in_the_link(shown: Workspace) -> None:
    found = of(shown, "diversity")
    id = found.models["id"][5]
    judged = zeroshot_model.judged(found, id)
    true, taken = confusion_numbers.first_cell(judged)
    clip = str(zeroshot_model.in_cell(judged, true, taken)["clip_id"].iloc[-1])
    link = {
        "grid": found.spec.key[:12],
        "model": id,
        "along-x": "train-test-similarity",
        "clips-of": true,
        "taken-for": taken,
        "clip": clip,
        "property": "silhouette",
        "setup": "diversity",
        "epochs": "7",
    }
    app = run("zeroshot", **link)
    assert not app.info
    row = found.models.set_index("id").loc[id]
    assert f"{row['accuracy']:.3f} (" in html(app)
    assert clip in str(data.clips(shown.dataset("small")).ids.tolist())
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
    # What the link could have said is read as words, not as names of columns.
    assert "(available: similarity-ratio, train-test-similarity, training-similarity)" in words(app).replace(
        "\u2060", ""
    )
    assert not run("zeroshot", setup="diversity", ranges="x", sets="-1").error


def test_a_grid_is_asked_for_and_what_does_not_fit_is_said_first(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    app = run("zeroshot", space="melstats", train="20")
    assert "Start one of the paper’s two experiments" in words(app)
    assert "ratio 1 needs" in app.warning[0].value
    next(b for b in app.button if b.label.startswith("Use ")).click()
    ran(app)
    assert not app.warning
    app.number_input(key="zeroshot.seeds").set_value(2)
    app.text_input(key="zeroshot.ratios").set_value("1,0")
    app.number_input(key="zeroshot.epochs").set_value(3)
    app.segmented_control(key="zeroshot.standardise").set_value("yes")
    ran(app)
    press(app, "Train 12 models")
    jobs = [j for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid"]
    assert [j.state for j in jobs] == ["queued"]
    fields = jobs[0].spec["fields"]
    assert (fields["seeds"], fields["epochs"], fields["ratios"]) == (2, 3, [1.0, 0.0])
    assert fields["standardise"] is True
    assert address(app)["grid"] == jobs[0].key[:12]
    assert "No worker is running" in words(app)
    # What no class suffices for: the paper's ranges in this space.
    app = run("zeroshot", space="melstats", setup="diversity", ranges="paper", train="9")
    assert "have a mean similarity within" in words(app)


def test_ratios_and_ranges_of_ones_own_are_asked_for_and_shared_by_the_link(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    sizes = {"space": "melstats", "train": "4", "validation": "1", "test": "2", "seeds": "2"}
    app = run("zeroshot", ratios="0.9, 0.5, 0.45,0", **sizes)
    # Of four classes 0.45 and 0.5 are two, which is trained once.
    assert "Of 4 training classes the ratio 0.45 comes to the same number as another" in words(app)
    assert address(app)["ratios"] == "0.9, 0.5, 0.45,0"
    press(app, "Train 18 models")
    asked = {j.key: j.spec["fields"] for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid"}
    assert [f["ratios"] for f in asked.values()] == [[0.9, 0.5, 0.0]]
    for given, why in (("", "No similarity ratio is given"), ("1,a", "'a' is no similarity ratio")):
        app = run("zeroshot", **sizes)
        app.text_input(key="zeroshot.ratios").set_value(given)
        ran(app)
        assert why in app.warning[0].value.replace("\\", "")
        assert not any(b.label.startswith("Train ") for b in app.button)
    link = {"setup": "diversity", "sets": "2", "ranges": "given", "range-ends": "-0.3:0.2, 0.2:0.9"}
    app = run("zeroshot", **sizes, **link)
    shared = address(app)
    assert {k: shared[k] for k in link} == link
    press(app, "Train 4 models")
    fields = next(
        j.spec["fields"]
        for j in found.queue.jobs()
        if j.spec["type"] == "ZeroShotGrid" and j.key not in asked
    )
    assert fields["ranges"] == [[-0.3, 0.2], [0.2, 0.9]]
    app.text_input(key="zeroshot.range-ends").set_value("0.5:0.2")
    ran(app)
    assert "'0.5:0.2' is no range of similarities" in app.warning[0].value.replace("\\", "")
    app = run("zeroshot", **sizes, setup="diversity", sets="2", **{"range-count": "3"})
    assert any(b.label == "Train 6 models" for b in app.button)
    # Patience is refused in one sentence without names of fields.
    app = run("zeroshot", patience="5", **sizes)
    assert app.warning[0].value.replace("\\", "") == zeroshot_asked.impatient(5, 1)


def test_saved_splits_are_trained_on_from_here(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    link = {"space": "melstats", "setup": "splits"}
    app = run("zeroshot", **link)
    assert "No split of small is saved yet" in app.warning[0].value.replace("\\", "")
    names = sorted(set(found.dataset("small").clips["label"]))
    kept = [random_split(names, seed=s, sizes=Sizes(4, v, 3)) for s, v in ((0, 2), (1, 1))]
    for name, split in zip(("far", "near"), kept, strict=True):
        saved.save(found, "small", name, split)
    saved.save(found, "small", "alien", ClassSplit(("Wolf", "Owl"), ("Bee",), tuple(names[:2])))
    app = run("zeroshot", **link)
    assert "No split is chosen" in app.warning[0].value
    app.multiselect(key="zeroshot.own").set_value(["far", "near"])
    app.number_input(key="zeroshot.seeds").set_value(2)
    ran(app)
    assert not app.warning
    press(app, "Train 4 models")
    (job,) = [j for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid"]
    fields = job.spec["fields"]
    assert (fields["setup"], fields["seeds"]) == ("splits", 2)
    assert [split_from_json(text) for text in fields["splits"]] == kept
    assert app.query_params["own"] == ["far", "near"]
    # What cannot be is one sentence, and nothing can be started.
    for more, why in (
        ({"own": ["alien"]}, "'Wolf'"),
        ({"own": ["far", "near"], "patience": "3"}, "Patience needs at least 2 validation classes"),
    ):
        app = run("zeroshot", **link, **more)
        assert why in app.warning[0].value.replace("\\", "")
        assert not any(b.label.startswith("Train ") for b in app.button)
    app = run("zeroshot", **link, own=["far"], patience="3")
    assert any(b.label == "Train 6 models" for b in app.button)
    (found.root / "splits" / "small" / "far.json").write_text("{")
    assert "is no JSON" in run("zeroshot", **link, own=["far"]).warning[0].value


def test_ratios_and_ranges_are_read_as_they_are_written() -> None:
    assert zeroshot_asked.ratios(zeroshot_asked.RATIOS) == PAPER_RATIOS
    assert zeroshot_asked.ranges(zeroshot_asked.RANGES) == PAPER_RANGES
    for text in ("1.2", "-0.1", "nan", "0.5;0.2"):
        with pytest.raises(ValueError, match="is no similarity ratio: write numbers from 0 to 1"):
            zeroshot_asked.ratios(text)
    with pytest.raises(ValueError, match=r"ratio 0\.5 is given twice"):
        zeroshot_asked.ratios("0.5, 1, .5")
    for text in ("0.5", "0.5:0.5", "0.5:0.6:0.7", "-2:0", "a:b", "nan:0.5"):
        with pytest.raises(ValueError, match="is no range of similarities: write a lower"):
            zeroshot_asked.ranges(text)
    with pytest.raises(ValueError, match=r"range 0:0\.5 is given twice"):
        zeroshot_asked.ranges("0:0.5, 0:.5")
    one = ClassSplit(("a", "b"), ("c",), ("d", "e"))
    two = ClassSplit(("a", "b"), ("c", "f"), ("d", "e"))
    assert zeroshot_asked.validated([two]) == 2
    assert zeroshot_asked.validated([two, one]) == 1


def test_the_ratio_along_x_is_the_one_that_came_of_it(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    like = of(found, "similarity").spec
    spec = made.zero_shot_of(found, replace(like, n_train=5, n_test=2, seeds=2))
    app = run("zeroshot", grid=spec.key[:12])
    result = zeroshot.result(spec)
    m = result.models
    # By hand: of five classes a half is three, which is 0.6.
    cluster = dict(zip(result.names, found.cache.open(spec.key).array("clusters").tolist(), strict=True))
    for model, label_of in result.classes[result.classes["part"] == "train"].groupby("model")["label"]:
        row = m[m["model"] == model].iloc[0]
        assert row["ratio"] == sum(cluster[name] == row["cluster"] for name in label_of) / 5
    assert sorted(set(m["ratio"])) == [0.0, 0.6, 1.0]
    assert zeroshot.rounded(result) == [("0.5", "0.6")]
    ticks = figures(app)["boxes"]["layout"]["xaxis"]["ticktext"]
    assert [t.partition("<br>")[0] for t in ticks] == ["0", "0.6", "1"]
    assert "0.5 came to 0.6" in words(app)
    r = zeroshot_related.related(result, "ratio").pearson
    assert r.r == pytest.approx(stats.pearsonr(m["ratio"], m["accuracy"]).statistic)


def test_each_csv_holds_what_its_figure_shows(shown: Workspace) -> None:
    read = {s: of(shown, s) for s in ("similarity", "diversity")}
    for setup, found in read.items():
        m = found.models
        boxes = pd.read_csv(io.BytesIO(zeroshot.boxes_table(found)))
        names, at, _ = zeroshot.groups(found)
        what = "ratio" if setup == "similarity" else "range"
        assert boxes[what].astype(str).tolist() == [
            str(float(n) if setup[0] == "s" else n) for n in np.array(names)[at]
        ]
        assert boxes["accuracy"].tolist() == pytest.approx(m["accuracy"].tolist())
        assert set(boxes["series"]) == set(zeroshot.models(found).kinds)
        for by in zeroshot_related.against(found):
            dots = pd.read_csv(io.BytesIO(zeroshot_related.scatter_table(found, by)))
            fit = stats.linregress(m[by], m["accuracy"])
            assert dots[f"line_over_{by}"].tolist() == pytest.approx(
                (fit.intercept + fit.slope * m[by]).tolist()
            )
            for x in zeroshot_related.against(found):
                assert dots[x].tolist() == pytest.approx(m[x].tolist())
        assert (
            "ratio" in pd.read_csv(io.BytesIO(zeroshot.models_table(found))).columns or setup == "diversity"
        )
    table = pd.read_csv(io.BytesIO(zeroshot_related.related_table(list(read.values()))))
    assert list(zip(table["setup"], table["against"], strict=True)) == [
        ("similarity", "ratio"),
        ("similarity", "train_test_similarity"),
        ("similarity", "mean_similarity"),
        ("diversity", "mean_similarity"),
        ("diversity", "train_test_similarity"),
    ]
    for _, row in table.iterrows():
        m = read[row["setup"]].models
        assert row["pearson_r"] == pytest.approx(stats.pearsonr(m[row["against"]], m["accuracy"]).statistic)
    assert table["paper_r"].dropna().tolist() == [0.374, -0.434]


def test_one_validation_class_has_no_accuracy_and_the_page_says_why(shown: Workspace) -> None:
    one = of(shown, "similarity")
    judged = zeroshot_model.judged(one, one.models["id"][0])
    assert len(judged.validation) == 1
    app = run("zeroshot", grid=one.spec.key[:12])
    assert "With one validation class every clip is taken for it" in words(app)
    assert "<small>on validation classes</small><b>–</b>" in html(app)
    drawn = figures(app)
    assert "training, 4 classes" in drawn
    assert "validation, 1 classes" not in drawn
    csv = pd.read_csv(io.BytesIO(zeroshot_model.curves_table(one, judged)))
    assert list(csv) == ["epoch", "loss", "train_accuracy"]


def test_two_validation_classes_have_one(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=2)
    like = of(found, "similarity").spec
    spec = made.zero_shot_of(found, replace(like, n_validation=2, n_test=2, seeds=1))
    app = run("zeroshot", grid=spec.key[:12])
    assert "With one validation class" not in words(app)
    assert "<small>on validation classes</small><b>0.500</b>" in html(app)
    assert "validation, 2 classes" in figures(app)


def test_splits_of_ones_own_are_trained_and_shown_by_the_real_job(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=3)
    dataset = found.dataset("small")
    names = sorted(set(dataset.clips["label"]))
    splits = tuple(
        split_to_json(random_split(names, seed=s, sizes=Sizes(6, 2, n)), compact=True)
        for s, n in ((0, 3), (1, 4))
    )
    spec = ZeroShotGrid(
        embedding=next(s.spec for s in found.spaces(dataset) if s.encoder == "melstats"),
        text=_text(found),
        labels=dataset.labels_fingerprint,
        setup="splits",
        splits=splits,
        seeds=2,
        epochs=2,
    )
    assert inprocess.run(found, spec).state == "done"
    app = run("zeroshot", space="melstats")
    assert not app.error
    said = everything(app)
    assert "own splits" in said
    assert "differs" in said  # 3 and 4 test classes: no one chance level
    boxes = figures(app)["boxes"]
    assert [t.partition("<br>")[0] for t in boxes["layout"]["xaxis"]["ticktext"]] == ["1", "2"]
    assert "not run yet" in said  # the paper's setups on this space


def test_classes_of_few_clips_are_not_drawn_and_it_is_said(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found = made.zero_shot(tmp_path, sounds=False, per_class=3)
    spec = of(found, "similarity").spec
    dataset = found.dataset("small")
    n = len(set(dataset.clips["label"]))
    embedding = spec.embedding
    classes = class_sets.classes(embedding, data.clips(dataset))
    assert class_sets.at_least(classes, 3) is classes
    few = replace(classes, clips=np.arange(n))
    fewer = class_sets.at_least(few, 4)
    assert (fewer.names, fewer.clips.tolist()) == (classes.names[4:], list(range(4, n)))
    np.testing.assert_array_equal(fewer.similarity, classes.similarity[4:, 4:])
    np.testing.assert_array_equal(fewer.centroids, classes.centroids[4:])
    app = run("zeroshot", least="4")
    assert f"Of {n} classes, {n} have fewer than 4 clips and are not drawn" in words(app)
    assert "0 classes of 4 clips or more cannot be split: ask for fewer clips" in words(app)
    app.number_input(key="zeroshot.least").set_value(3).run()
    assert not app.exception
    assert "are not drawn" not in words(app)
    assert address(app)["least"] == "3"


def _text(found: Workspace) -> EmbedText:
    return found.text_spaces(found.dataset("small"))[0].spec
