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
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from dashboard import data, memory, state
from dashboard.kit.learning_figures import curves_table
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.data import Result
from dashboard.losses.spaces import BEFORE
from jobs.engine import inprocess, live
from jobs.specs import EmbedAudio, LossNetworkGrid, from_json
from jobs.specs.losses import LossGrid
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made_losses
from tests.dashboard.helpers import address, everything, html, press, ran, showing, words

run = partial(helpers.run, "losses")
FEW = {"Rain": "Nature", "Crow": "Animals", "Rooster": "Animals"}
ALL = "ADD (1, 1, 1, 1)"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A grid of heads on ``aisfx``; tests must not change it."""
    return made_losses.workspace(tmp_path_factory.mktemp("losses"), sounds=False)


@pytest.fixture
def shown(trained: Workspace) -> Iterator[Workspace]:
    with showing(trained.root):
        yield trained


def frozen(found: Workspace, encoder: str = "aisfx") -> EmbedAudio:
    return next(s.spec for s in found.spaces(found.dataset("small")) if s.encoder == encoder)


def of(found: Workspace) -> Result:
    (grid,) = losses.grids(found, found.dataset("small"), frozen(found))
    return losses.result(grid.spec)


def csv(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content))


# -- what the numbers are -----------------------------------------------------------------------------------


def test_accuracies_are_of_the_predictions(shown: Workspace) -> None:
    found = of(shown)
    p = shown.cache.open(found.spec.key).table("predictions").to_pandas()
    p["right"] = p["label"] == p["predicted"]
    rows = {a.name: a for a in loss_numbers.accuracies(found)}
    plain = p[p["recipe"] == 0].groupby("clip_id")["right"].mean()
    for recipe, name in enumerate(found.names):
        mine = p[p["recipe"] == recipe]
        by_seed = mine.groupby("seed")["right"].mean()
        assert rows[name].value == pytest.approx(by_seed.mean())
        assert rows[name].sd == pytest.approx(by_seed.std())
        if recipe:
            other = mine.groupby("clip_id")["right"].mean()
            apart = (other - plain).to_numpy()
            assert rows[name].difference == pytest.approx(apart.mean())
            ends = stats.ttest_1samp(apart, 0).confidence_interval()
            assert (rows[name].difference_low, rows[name].difference_high) == pytest.approx(tuple(ends))
    assert [a.name for a in rows.values() if a.best] == [max(rows.values(), key=lambda a: a.value).name]
    assert rows["cross-entropy"].paper == (93.97, 0.21)
    table = csv(loss_numbers.accuracies_table(found))
    assert table["name"].tolist() == found.names
    assert table["weights"][3] == "1, 1, 1, 1"


def test_properties_are_means_over_held_out_folds(shown: Workspace) -> None:
    found = of(shown)
    c = loss_numbers.change(found, "mu_p")
    runs = found.runs
    for i, name in enumerate(found.names):
        mine = runs[runs["name"] == name]
        assert c.after[i] == pytest.approx(mine["mu_p"].mean())
        assert c.sd[i] == pytest.approx(mine["mu_p"].std())
        assert c.before[i] == pytest.approx(mine["before_mu_p"].mean())
        plain = runs[runs["loss"] == "ce"]
        lower = sum(
            r["mu_p"] < plain[(plain["seed"] == r["seed"]) & (plain["fold"] == r["fold"])]["mu_p"].item()
            for r in mine.to_dict("records")
        )
        assert (c.lower[i], c.models[i]) == ((lower, len(mine)) if i else (0, 0))
    assert c.level == c.after[0]
    assert c.own == [False, False, False, True, True, False]
    assert loss_numbers.change(found, "mu_n").own == [False, False, False, True, False, True]
    # The weight of μ_p lowers it: a mistake in the order of the settings would show.
    assert c.after[found.recipe("ADD (1, 0, 0, 0)")] < c.level
    table = csv(loss_numbers.changes_table(found, "mu_p"))
    assert (list(table["setting"]), set(table["property"])) == (found.names, {"mu_p"})
    assert table["after"].to_numpy() == pytest.approx(c.after)


def test_curves_are_means_over_models(shown: Workspace) -> None:
    found = of(shown)
    stacked = shown.cache.open(found.spec.key).array("curves")
    for i in range(len(found.names)):
        mine = stacked[found.runs["recipe"].to_numpy() == i].astype(float)
        np.testing.assert_allclose(loss_numbers.curves(found).values[i], mine.mean(axis=0), atol=1e-12)
    table = curves_table(loss_numbers.curves(found), "setting")
    assert table.groupby("setting").size().to_dict() == dict.fromkeys(found.names, found.spec.epochs)


def test_matrices_are_of_the_classes_and_settings_asked_for(shown: Workspace) -> None:
    found = of(shown)
    artifact = shown.cache.open(found.spec.key)
    mean, cv = loss_spaces.matrices(found, ["Rain", "Crow"], [ALL, BEFORE])
    rows = [found.classes.index(name) for name in ("Rain", "Crow")]
    for number, name in ((mean, "class_mean"), (cv, "class_cv")):
        whole = artifact.array(name)
        np.testing.assert_array_equal(
            number.values, [whole[i][np.ix_(rows, rows)] for i in (1 + found.recipe(ALL), 0)]
        )
    low, high = mean.ends
    assert (low, high) == (mean.values.min(), mean.values.max())
    first, second = loss_spaces.first_pair(found, found.classes)
    before = artifact.array("class_mean")[0]
    apart = before[np.triu_indices(len(before), 1)]
    assert before[found.classes.index(first), found.classes.index(second)] == apart.min()
    (row,) = loss_spaces.pair_rows(found, [ALL], "Rain", "Crow")
    assert row == (ALL, mean.values[0, 0, 1], cv.values[0, 0, 1])
    (same,) = loss_spaces.pair_rows(found, [ALL], "Rain", "Rain")
    assert same[1] == mean.values[0, 0, 0]
    table = csv(loss_spaces.matrices_table(found))
    assert len(table) == (1 + len(found.names)) * 36


@pytest.mark.parametrize(("first", "second"), [("Rain", "Crow"), ("Rain", "Rain")])
@pytest.mark.parametrize("nearest_before", [False, True])
def test_nearest_pairs_by_looking_at_all(
    shown: Workspace, first: str, second: str, nearest_before: bool
) -> None:
    found = of(shown)
    c = data.clips(shown.dataset("small"))
    pairs, held = loss_spaces.pairs(found, c, ALL, first, second, 3, nearest_before=nearest_before)
    artifact = shown.cache.open(found.spec.key)
    table = artifact.table("clips").to_pandas().set_index("clip_id")
    after = pd.DataFrame(artifact.array(f"audio_{found.recipe(ALL)}"), index=table.index)
    space = shown.cache.open(frozen(shown).key)
    before = pd.DataFrame(space.array("embeddings"), index=space.table("clips").column("clip_id").to_pylist())
    assert held
    fresh = table[table["held"]]
    ranked = []
    X = before if nearest_before else after
    for a in fresh.index[fresh["label"] == first]:
        for b in fresh.index[fresh["label"] == second]:
            if a < b or first != second:
                ranked.append((cdist(X.loc[[a]], X.loc[[b]], "cosine").item(), {a, b}))
    nearest = min(ranked, key=lambda p: p[0])
    assert {pairs[0].first, pairs[0].second} == nearest[1]
    used = [id for p in pairs for id in (p.first, p.second)]
    assert len(set(used)) == len(used)
    for p in pairs:
        for X, value in ((before, p.before), (after, p.after)):
            assert value == pytest.approx(
                cdist(X.loc[[p.first]], X.loc[[p.second]], "cosine").item(), abs=1e-6
            )


def test_what_is_near_a_clip_before_and_after(shown: Workspace) -> None:
    found = of(shown)
    c = data.clips(shown.dataset("small"))
    artifact = shown.cache.open(found.spec.key)
    ids = artifact.table("clips").column("clip_id").to_pylist()
    at = ids.index("rain__take-003")
    for name, X in (
        (BEFORE, shown.cache.open(frozen(shown).key).array("embeddings")),
        (ALL, artifact.array(f"audio_{found.recipe(ALL)}")),
    ):
        distances = cdist(X[[at]], X, "cosine")[0]
        distances[at] = np.inf
        near = loss_spaces.near(found, c, name, ids[at], 5)
        assert [id for id, _ in near] == [ids[i] for i in np.argsort(distances)[:5]]
        assert [d for _, d in near] == pytest.approx(np.sort(distances)[:5], abs=1e-6)
    assert loss_spaces.near(found, c, ALL, "not there", 5) == []


def test_clips_of_a_selection_that_are_not_on_the_map_are_not_counted(shown: Workspace) -> None:
    c = data.clips(shown.dataset("small"))
    sel = state.save_selection(shown.root, "small", c.ids.tolist())
    held = loss_spaces.film(of(shown), c, ["cross-entropy"], held=True).ids
    assert 0 < len(held) < c.n
    said = words(run(sel=sel, clips="held"))
    assert f"Selection · {len(held)} clips" in said
    assert f"{c.n - len(held)} more clips hidden by the filter" in said


def test_the_map_moves_through_the_kept_epochs(shown: Workspace) -> None:
    found = of(shown)
    c = data.clips(shown.dataset("small"))
    film = loss_spaces.film(found, c, ["OPL", ALL], held=False)
    content = json.loads(film.content)
    artifact = shown.cache.open(found.spec.key)
    kept = artifact.table("kept_clips").to_pandas()
    assert content["ids"] == kept["clip_id"].tolist()
    assert len(film.ids) == 60
    assert film.held == int(kept["held"].sum())
    xy = content["frames"]["xy"]
    assert xy[0] is None  # the frozen space stands still
    for k, name in ((1, "OPL"), (2, ALL)):
        drawn = unpacked(xy[k]).reshape(len(film.epochs), 2, 60)
        stored = artifact.array(f"kept_map_{found.recipe(name)}")
        np.testing.assert_array_equal(drawn, stored.transpose(0, 2, 1))
        trace = content["figure"]["data"][k]
        np.testing.assert_array_equal(unpacked(trace["x"]), stored[-1, :, 0])
        low, high = content["figure"]["layout"][f"xaxis{k + 1}"]["range"]
        assert low < stored[..., 0].min()
        assert stored[..., 0].max() < high
    # Before: the directions of the frozen space on their two main axes, but for the sign.
    space = shown.cache.open(frozen(shown).key)
    at = [space.table("clips").column("clip_id").to_pylist().index(id) for id in kept["clip_id"]]
    X = np.asarray(space.array("embeddings"), float)[at]
    expected = PCA(2).fit_transform(X / np.linalg.norm(X, axis=1, keepdims=True))
    got = np.column_stack([unpacked(content["figure"]["data"][0][a]) for a in "xy"])
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-5)
    # What is said is of the model on the map: seed 0, first fold.
    curves = artifact.array("curves")
    first = [int(np.flatnonzero(found.runs["recipe"] == found.recipe(n))[0]) for n in ("OPL", ALL)]
    shares = ", ".join(f"{n} {curves[i, 2, -1]:.1%}" for i, n in zip(first, ("OPL", ALL), strict=True))
    tested = found.runs["n_test"][first[0]]
    assert content["frames"]["words"][-1] == f"epoch 6 of 6 · right of {tested} held-out clips: {shares}"
    assert "not trained" in content["frames"]["words"][0]
    some = json.loads(loss_spaces.film(found, c, [ALL], held=True).content)
    assert some["ids"] == kept["clip_id"][kept["held"]].tolist()


def unpacked(packed: dict[str, str]) -> np.ndarray:
    import base64

    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_shows_what_came_of_it(shown: Workspace) -> None:
    app = run()
    said = everything(app)
    found = of(shown)
    for a in loss_numbers.accuracies(found):
        assert loss_numbers.percent(a.value, a.sd) in said
        assert loss_numbers.points(a.difference) in said
    assert "train heads on small · aisfx with 6 losses × 2 seeds" in said
    assert said.count("Almudévar") >= 5
    assert app.subheader[0].value == "Accuracy"
    assert address(app)["grid"] == found.spec.key[:12]
    # One training alone has nothing beside it.
    assert "side by side" not in said


def test_the_state_is_in_the_link(shown: Workspace) -> None:
    app = run(a="Crow", b="Rain", of="OPL", map=["focal"], clips="held", frame="1", clip="rain__take-003")
    assert app.selectbox(key="losses.a").value == "Crow"
    assert app.selectbox(key="losses.of").value == "OPL"
    assert app.multiselect(key="losses.map").value == ["focal"]
    assert "Nearest after OPL" in words(app)
    assert "Nearest to" in words(app)
    app.multiselect(key="losses.class").set_value(["Crow", "Rain", "Rooster"])
    app = ran(app)
    assert set(app.query_params["class"]) == {"Crow", "Rain", "Rooster"}
    there = address(app)
    assert (there["frame"], there["clips"], there["clip"]) == ("1", "held", "rain__take-003")
    assert app.selectbox(key="losses.a").options == ["Crow", "Rain", "Rooster"]
    app.multiselect(key="losses.setting").set_value([])
    assert "at least two classes and one setting" in words(ran(app))
    app = run(a="nowhere", frame="99", of="x", map="y", grid="z", loss="w", weights="v", more="q", clip="p")
    assert not app.error
    assert "was left at its default" in words(app)


def test_a_space_is_kept_once_and_is_then_like_any_other(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.grid(found, dataset, space, losses=("ce", "opl"), epochs=2, keep=2)
    app = press(run(keep="OPL"), "Keep this space")
    kept = losses.kept_space(losses.result(spec), dataset, "OPL")
    assert [job.key for job in found.queue.jobs()] == [kept.key]
    assert not [b for b in app.button if b.label == "Keep this space"]
    assert inprocess.run(found, kept).state == "done"
    np.testing.assert_array_equal(
        found.cache.open(kept.key).array("embeddings"), found.cache.open(spec.key).array("audio_1")
    )
    app = run(keep="OPL")
    assert f"It is kept as **{kept.encoder}**" in words(app)
    assert {"Explore", "Listen"} <= {b.label for b in app.button}
    # It is a space of the dataset, but the page begins with the one that was trained on.
    assert address(app)["space"] == "aisfx"
    assert kept.encoder in [s.encoder for s in found.spaces(dataset)]
    said = words(run(space=kept.encoder))
    assert "Nothing has been trained on" in said
    assert "This space was itself trained here" in said
    assert "This space was itself trained here" not in words(run(space="aisfx"))


def test_starting_one_asks_for_exactly_that(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    app = run(loss=["ce", "add"], weights="1 1 1 1", more="1 0.5 0 0", seeds="2", epochs="7", rate="0.01")
    assert "Nothing has been trained on aisfx yet" in words(app).replace("**", "")
    app = press(app, "Train")
    (job,) = found.queue.jobs()
    assert from_json(job.spec) == LossGrid(
        embedding=space,
        labels=dataset.labels_fingerprint,
        losses=("ce", "add"),
        add_weights=((1, 1, 1, 1), (1, 0.5, 0, 0)),
        seeds=2,
        epochs=7,
        learning_rate=0.01,
    )
    said = words(app)
    assert "No worker is running" in said
    assert "Curves appear here once the models learn" in said
    assert address(app)["grid"] == job.key[:12]
    # The paper's own network, by name.
    app = press(run(model="cnn", as_="paper-ast-ks2", seeds="1"), "Train")
    asked = [from_json(j.spec) for j in found.queue.jobs()]
    (network,) = [s for s in asked if isinstance(s, LossNetworkGrid)]
    assert (network.losses, network.mixup, network.learning_rate) == (("ce", "add-soft"), 0.5, 6e-5)
    for query, why in (
        ({"mixup": "0.5"}, "With mixup labels are soft"),
        ({"loss": ""}, "give at least one"),
        ({"model": "tuned"}, "Name the weights to begin with"),
    ):
        assert why in words(run(**query)), query
    assert "train heads" in words(run(more="1 2"))  # what is no weight is left out


def test_curves_of_a_running_training_grow(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.waiting(found, dataset, space, losses=("ce", "opl"), seeds=1, epochs=4)
    assert loss_numbers.now(found, spec) is None
    models = [(r, 0, fold) for r in range(2) for fold in range(5)]
    curves = np.full((10, 3, 4), np.nan, np.float32)
    curves[:5, :, :2] = 0.25
    curves[0, :, 1] = 0.75
    curves[9, :, :] = 1.0
    checkpoint = found.queue.folder(spec.key) / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    live.LiveCurves(checkpoint, models)(curves)
    now = loss_numbers.now(found, spec)
    assert now is not None
    assert (now.begun, now.finished, now.total) == (6, 1, 10)
    np.testing.assert_allclose(now.curves.values[0, 2], [0.25, 0.35, np.nan, np.nan])
    np.testing.assert_allclose(now.curves.values[1, 2], 1.0)
    app = run()
    assert "6 of 10 models have begun, 1 have learned all 4 epochs" in words(app)
    assert "Accuracy" not in [s.value for s in app.subheader]


def test_failed_models_are_said_and_the_rest_is_shown(shown: Workspace) -> None:
    read = of(shown)
    which = read.recipe("OPL")
    runs = read.runs.astype({"failed": object})
    mine = runs["recipe"] == which
    runs.loc[mine, ["accuracy", "mu_p", "sigma_p", "mu_n", "sigma_n"]] = np.nan
    runs.loc[mine, "failed"] = "The loss was no longer a number in epoch 1 (seed 0)."
    recipes = read.recipes.copy()
    recipes.loc[which, ["accuracy", "low", "high", "sd", "difference"]] = np.nan
    recipes.loc[which, "n_failed"] = int(mine.sum())
    data.forget()
    memory.once(("losses", read.spec.key), lambda: replace(read, runs=runs, recipes=recipes))
    broken = of(shown)
    c = loss_numbers.change(broken, "mu_p")
    assert np.isnan(c.after[which])
    assert np.isfinite(np.delete(c.after, which)).all()
    assert (c.lower[which], c.models[which]) == (0, 0)
    row = loss_numbers.accuracies(broken)[which]
    assert (row.n_failed, loss_numbers.percent(row.value, row.sd), row.best) == (10, "–", False)
    said = everything(run())
    assert "The loss was no longer a number" in said
    assert "10 failed" in said


def test_trainings_of_several_spaces_stand_side_by_side(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    specs = [
        made_losses.grid(
            found,
            dataset,
            made.space(found, dataset, name, seed=i, spread=1.0),
            losses=which,
            epochs=2,
            keep=2,
        )
        for i, (name, which) in enumerate((("aisfx", ("ce", "opl")), ("melstats", ("ce", "focal"))))
    ]
    everywhere = loss_numbers.everywhere(found)
    assert [(name, losses.started_from(g.spec)) for name, g in everywhere] == [
        ("small", "melstats"),
        ("small", "aisfx"),
    ]
    names, cells = loss_numbers.beside([g for _, g in everywhere])
    assert names == ["cross-entropy", "focal", "OPL"]
    assert cells[1][1] is None
    assert cells[2][0] is None
    accuracy = losses.result(specs[0]).recipes["accuracy"][1]
    assert cells[2][1] is not None
    assert cells[2][1].value == accuracy
    app = run(space="aisfx")
    assert [e.label for e in app.expander if "side by side" in e.label]
    assert 'aria-label="Accuracy by loss, dataset and space"' in html(app)


def test_a_setting_that_failed_leaves_the_others(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    heads = made_losses.grid(found, dataset, space, losses=("ce", "opl"), epochs=2, keep=2)
    spec = made_losses.network_like(found, dataset, heads, failed=1)
    app = run(grid=spec.key[:12], clip="rain__take-003", of="OPL", map=["OPL", "cross-entropy"])
    said = words(app)
    assert "The loss was no longer a number" in said
    assert "There is no such pair of clips" in said
    assert "There is nothing to compare: this space has not got the clip" in said
    assert "OPL –" in said
    c = data.clips(dataset)
    assert loss_spaces.near(losses.result(spec), c, "OPL", "rain__take-003", 5) == []
    assert len(loss_spaces.near(losses.result(spec), c, "cross-entropy", "rain__take-003", 5)) == 5


def test_empty_states_say_what_to_do(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "There is no dataset to train on yet" in words(run())
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False, classes={"Rain": "Nature"})
    # Without a space, too, there is nothing to tell apart.
    assert "All clips are of one class, Rain" in words(run())
    made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    assert "All clips are of one class, Rain" in words(run())
