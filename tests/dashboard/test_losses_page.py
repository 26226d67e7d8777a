from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from dashboard import data, state
from dashboard.kit.learning_figures import curves_table
from dashboard.losses import data as losses
from dashboard.losses import numbers as loss_numbers
from dashboard.losses import spaces
from dashboard.losses.spaces import BEFORE
from dashboard.results import result
from jobs.engine import inprocess, live
from jobs.specs import EmbedAudio, LossGrid, LossNetworkGrid, from_json
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


@pytest.fixture
def spec(shown: Workspace) -> LossGrid:
    (grid,) = losses.grids(shown, shown.dataset("small"))
    assert isinstance(grid.spec, LossGrid)
    return grid.spec


@pytest.fixture
def c(shown: Workspace) -> data.Clips:
    return data.clips(shown.dataset("small"))


def frame_of(space: EmbedAudio) -> pd.DataFrame:
    """The embeddings of a frozen space, by clip."""
    return pd.DataFrame(result(space).embeddings, index=result(space).clip_ids)


def space_after(spec: LossGrid, name: str) -> pd.DataFrame:
    """The embeddings by the first model of a setting, by clip."""
    X = result(spec).audio[losses.names(spec).index(name)]
    return pd.DataFrame(X, index=result(spec).column("clips", "clip_id"))


# -- what the numbers are -----------------------------------------------------------------------------------


def test_accuracies_have_the_paper_beside_them(spec: LossGrid) -> None:
    rows = loss_numbers.accuracies(spec)
    assert [row["name"] for row in rows] == losses.names(spec)
    (best,) = (row for row in rows if row["best"])
    assert best["accuracy"] == max(row["accuracy"] for row in rows)
    assert (rows[0]["paper"], rows[3]["paper"]) == ((93.97, 0.21), (94.68, 0.09))
    assert loss_numbers.accuracies_table(spec)["weights"][3] == "1, 1, 1, 1"


def test_properties_are_means_over_held_out_folds(spec: LossGrid) -> None:
    table = loss_numbers.changes(spec, "mu_p")
    runs = result(spec).runs.to_pandas()
    plain = runs[runs["loss"] == "ce"].set_index(["seed", "fold"])["mu_p"]
    for row, (_, mine) in zip(table.to_dict("records"), runs.groupby("recipe"), strict=True):
        assert row["after"] == pytest.approx(mine["mu_p"].mean())
        assert row["sd"] == pytest.approx(mine["mu_p"].std())
        assert row["before"] == pytest.approx(mine["before_mu_p"].mean())
        lower = sum(r.mu_p < plain[r.seed, r.fold] for r in mine.itertuples())
        expected = (0, 0) if row["loss"] == "ce" else (lower, len(mine))
        assert (row["lower_than_cross_entropy"], row["models_compared"]) == expected
    assert table["asked_for"].tolist() == [False, False, False, True, True, False]
    asked = loss_numbers.changes(spec, "mu_n")["asked_for"]
    assert asked.tolist() == [False, False, False, True, False, True]
    # The weight of μ_p lowers it: a mistake in the order of the settings would show.
    after = table.set_index("setting")["after"]
    assert after["ADD (1, 0, 0, 0)"] < after["cross-entropy"]
    saved = loss_numbers.changes_table(spec, "mu_p")
    assert list(saved)[:3] == ["property", "setting", "asked_for"]
    assert set(saved["property"]) == {"mu_p"}


def test_curves_are_means_over_models(spec: LossGrid) -> None:
    recipes = np.array(result(spec).column("runs", "recipe"))
    shown = loss_numbers.curves(spec)
    for i, values in enumerate(shown.values):
        np.testing.assert_allclose(values, result(spec).curves[recipes == i].mean(axis=0), atol=1e-6)
    table = curves_table(shown, "setting")
    assert table.groupby("setting").size().to_dict() == dict.fromkeys(losses.names(spec), spec.epochs)


def test_distances_are_of_the_classes_and_settings_asked_for(spec: LossGrid) -> None:
    of, every = result(spec), result(spec).class_names
    settings = [1 + losses.names(spec).index(ALL), 0]
    rows = [every.index(name) for name in ("Rain", "Crow")]
    both = spaces.class_distances(spec, ["Rain", "Crow"], [ALL, BEFORE])
    for values, whole in zip(both, (of.class_mean, of.class_cv), strict=True):
        np.testing.assert_array_equal(values, whole[np.ix_(settings, rows, rows)])
    first, second = spaces.nearest_classes(spec, every)
    before = of.class_mean[0]
    apart = before[np.triu_indices(len(before), 1)]
    assert before[every.index(first), every.index(second)] == apart.min()
    assert len(spaces.distances_table(spec)) == (1 + len(losses.names(spec))) * (len(apart) + len(every))


@pytest.mark.parametrize("classes", [("Rain", "Crow"), ("Rain", "Rain")])
@pytest.mark.parametrize("by_before", [False, True])
def test_nearest_pairs_by_looking_at_all(
    spec: LossGrid, c: data.Clips, classes: tuple[str, str], by_before: bool
) -> None:
    pairs, held = spaces.nearest_pairs(spec, c, ALL, classes, 3, by_before=by_before)
    before, after = frame_of(spec.embedding), space_after(spec, ALL)
    table = result(spec).clips.to_pandas().set_index("clip_id")
    fresh = table[table["held"]]
    X = before if by_before else after
    ranked = [
        (cdist(X.loc[[a]], X.loc[[b]], "cosine").item(), {a, b})
        for a in fresh.index[fresh["label"] == classes[0]]
        for b in fresh.index[fresh["label"] == classes[1]]
        if a < b or classes[0] != classes[1]
    ]
    assert held
    assert {pairs[0].first, pairs[0].second} == min(ranked, key=lambda p: p[0])[1]
    used = [id for p in pairs for id in (p.first, p.second)]
    assert len(set(used)) == len(used)
    for p in pairs:
        for X, value in ((before, p.before), (after, p.after)):
            exact = cdist(X.loc[[p.first]], X.loc[[p.second]], "cosine").item()
            assert value == pytest.approx(exact, abs=1e-6)


def test_clips_near_a_clip_before_and_after(spec: LossGrid, c: data.Clips) -> None:
    ids = result(spec).column("clips", "clip_id")
    clip = "rain__take-003"
    for name, X in ((BEFORE, frame_of(spec.embedding).loc[ids]), (ALL, space_after(spec, ALL))):
        distances = pd.Series(cdist(X.loc[[clip]], X, "cosine")[0], index=ids).drop(clip).sort_values()
        near = spaces.nearest_clips(spec, c, name, clip, 5)
        assert [id for id, _ in near] == distances.index[:5].tolist()
        assert [d for _, d in near] == pytest.approx(distances.tolist()[:5], abs=1e-6)
    assert spaces.nearest_clips(spec, c, ALL, "not a clip", 5) == []


def test_clips_of_a_selection_that_are_not_on_the_map_are_not_counted(
    shown: Workspace, spec: LossGrid, c: data.Clips
) -> None:
    sel = state.save_selection(shown.root, "small", c.ids.tolist())
    held = spaces.film(spec, c, ["cross-entropy"], held=True).ids
    assert 0 < len(held) < c.n
    text = words(run(sel=sel, clips="held"))
    assert f"Selection · {len(held)} clips" in text
    assert f"{c.n - len(held)} more clips hidden by the filter" in text


def test_the_map_moves_through_the_kept_epochs(spec: LossGrid, c: data.Clips) -> None:
    film = spaces.film(spec, c, ["OPL", ALL], held=False)
    content = json.loads(film.content)
    of = result(spec)
    kept = of.kept_clips.to_pandas()
    assert content["ids"] == kept["clip_id"].tolist()
    assert len(film.ids) == 60
    assert film.held == int(kept["held"].sum())
    xy = content["frames"]["xy"]
    assert xy[0] is None  # the frozen space does not move
    recipes = [losses.names(spec).index(name) for name in ("OPL", ALL)]
    for k, recipe in enumerate(recipes, start=1):
        stored = of.kept_map[recipe]
        drawn = unpacked(xy[k]).reshape(len(of.kept_epochs), 2, 60)
        np.testing.assert_array_equal(drawn, stored.transpose(0, 2, 1))
        np.testing.assert_array_equal(unpacked(content["figure"]["data"][k]["x"]), stored[-1, :, 0])
        low, high = content["figure"]["layout"][f"xaxis{k + 1}"]["range"]
        assert low < stored[..., 0].min() <= stored[..., 0].max() < high
    # Before: the directions of the frozen space on their two main axes, but for the sign.
    X = frame_of(spec.embedding).loc[kept["clip_id"]].to_numpy(float)
    expected = PCA(2).fit_transform(X / np.linalg.norm(X, axis=1, keepdims=True))
    got = np.column_stack([unpacked(content["figure"]["data"][0][a]) for a in "xy"])
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-5)
    # The captions are of the models on the map: seed 0, first fold.
    first = [of.column("runs", "recipe").index(recipe) for recipe in recipes]
    shares = ", ".join(f"{n} {of.curves[i, 2, -1]:.1%}" for i, n in zip(first, ("OPL", ALL), strict=True))
    tested = of.column("runs", "n_test")[0]
    assert content["frames"]["words"][-1] == f"epoch 6 of 6 · right of {tested} held-out clips: {shares}"
    assert "not trained" in content["frames"]["words"][0]
    some = json.loads(spaces.film(spec, c, [ALL], held=True).content)
    assert some["ids"] == kept["clip_id"][kept["held"]].tolist()


def unpacked(packed: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_shows_the_result(spec: LossGrid) -> None:
    app = run()
    text = everything(app)
    for row in loss_numbers.accuracies(spec):
        assert loss_numbers.format_percent(row["accuracy"], row["sd"]) in text
        assert loss_numbers.format_points(row["difference"]) in text
    assert "train heads on small · aisfx with 6 losses × 2 seeds" in text
    assert text.count("Almudévar") >= 5
    assert app.subheader[0].value == "Accuracy"
    assert address(app)["grid"] == spec.key[:12]
    # One training alone has nothing beside it.
    assert "side by side" not in text


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
    link = address(app)
    assert (link["frame"], link["clips"], link["clip"]) == ("1", "held", "rain__take-003")
    assert app.selectbox(key="losses.a").options == ["Crow", "Rain", "Rooster"]
    app.multiselect(key="losses.setting").set_value([])
    assert "at least two classes and one setting" in words(ran(app))
    app = run(a="nowhere", frame="99", of="x", map="y", grid="z", loss="w", weights="v", more="q", clip="p")
    assert not app.error
    assert "was left at its default" in words(app)


def test_a_space_is_kept_once_and_is_then_like_any_other(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.grid(shown, dataset, space, losses=("ce", "opl"), epochs=2, keep=2)
    app = press(run(keep="OPL"), "Keep this space")
    kept = losses.kept_space(spec, dataset, "OPL")
    assert [job.key for job in shown.queue.jobs()] == [kept.key]
    assert not [b for b in app.button if b.label == "Keep this space"]
    assert inprocess.run(shown, kept).state == "done"
    app = run(keep="OPL")
    assert f"It is kept as **{kept.encoder}**" in words(app)
    assert {"Explore", "Listen"} <= {b.label for b in app.button}
    # It is a space of the dataset, but the page begins with the one that was trained on.
    assert address(app)["space"] == "aisfx"
    assert kept.encoder in [s.encoder for s in shown.spaces(dataset)]
    text = words(run(space=kept.encoder))
    assert "Nothing has been trained on" in text
    assert "This space was itself trained here" in text
    assert "This space was itself trained here" not in words(run(space="aisfx"))


def test_starting_one_asks_for_exactly_that(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    app = run(loss=["ce", "add"], weights="1 1 1 1", more="1 0.5 0 0", seeds="2", epochs="7", rate="0.01")
    assert "Nothing has been trained on aisfx yet" in words(app).replace("**", "")
    app = press(app, "Train")
    (job,) = shown.queue.jobs()
    assert from_json(job.spec) == LossGrid(
        embedding=space,
        labels=dataset.labels_fingerprint,
        losses=("ce", "add"),
        add_weights=((1, 1, 1, 1), (1, 0.5, 0, 0)),
        seeds=2,
        epochs=7,
        learning_rate=0.01,
    )
    text = words(app)
    assert "No worker is running" in text
    assert "Curves appear here once the models learn" in text
    assert address(app)["grid"] == job.key[:12]
    # The paper's own network, by name.
    app = press(run(model="cnn", as_="paper-ast-ks2", seeds="1"), "Train")
    asked = [from_json(j.spec) for j in shown.queue.jobs()]
    (network,) = [s for s in asked if isinstance(s, LossNetworkGrid)]
    assert (network.losses, network.mixup, network.learning_rate) == (("ce", "add-soft"), 0.5, 6e-5)
    for query, why in (
        ({"mixup": "0.5"}, "With mixup labels are soft"),
        ({"loss": ""}, "give at least one"),
        ({"model": "tuned"}, "Name the weights to start from"),
    ):
        assert why in words(run(**query)), query
    assert "train heads" in words(run(more="1 2"))  # what is no weight is left out


def test_curves_of_a_running_training_grow(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.waiting(shown, dataset, space, losses=("ce", "opl"), seeds=1, epochs=4)
    assert loss_numbers.progress(shown, spec) is None
    models = [(r, 0, fold) for r in range(2) for fold in range(5)]
    curves = np.full((10, 3, 4), np.nan, np.float32)
    curves[:5, :, :2] = 0.25
    curves[0, :, 1] = 0.75
    curves[9, :, :] = 1.0
    checkpoint = shown.queue.folder(spec.key) / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    live.LiveCurves(checkpoint, models)(curves)
    now = loss_numbers.progress(shown, spec)
    assert now is not None
    assert (now.started, now.finished, now.total) == (6, 1, 10)
    np.testing.assert_allclose(now.curves.values[0, 2], [0.25, 0.35, np.nan, np.nan])
    np.testing.assert_allclose(now.curves.values[1, 2], 1.0)
    app = run()
    assert "6 of 10 models have started, 1 have finished all 4 epochs" in words(app)
    assert "Accuracy" not in [s.value for s in app.subheader]
    shown.queue.finish(spec.key, "failed", "The disk is full.")
    text = words(run())
    assert "The disk is full" in text
    assert "Learning now" not in text
    assert "Learned before it stopped" in text
    assert "6 of 10 models had started" in text


def test_a_setting_that_failed_leaves_the_others(
    made: Any, fresh: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "core.heads.batch.orthogonal_projection_loss", lambda z, *_, **__: z.sum((-2, -1)) * np.nan
    )
    shown, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.grid(shown, dataset, space, losses=("ce", "opl"), seeds=1, epochs=2, keep=2)
    table = loss_numbers.changes(spec, "mu_p")
    assert np.isnan(table["after"]).tolist() == [False, True]
    assert table["models_compared"].tolist() == [0, 0]
    row = loss_numbers.accuracies(spec)[1]
    percent = loss_numbers.format_percent(row["accuracy"], row["sd"])
    assert (row["n_failed"], percent, row["best"]) == (5, "–", False)
    app = run(clip="rain__take-003", of="OPL", map=["OPL", "cross-entropy"])
    text = everything(app)
    assert "The loss was no longer a number" in text
    assert "5 failed" in text
    assert "There is no such pair of clips" in text
    assert "This space does not have the clip" in text
    assert "OPL –" in text
    c = data.clips(dataset)
    assert spaces.nearest_clips(spec, c, "OPL", "rain__take-003", 5) == []
    assert len(spaces.nearest_clips(spec, c, "cross-entropy", "rain__take-003", 5)) == 5


def test_trainings_of_several_spaces_stand_side_by_side(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    aisfx, melstats = (
        made_losses.grid(
            shown,
            dataset,
            made.space(shown, dataset, name, seed=i, spread=1.0),
            losses=which,
            epochs=2,
            keep=2,
        )
        for i, (name, which) in enumerate((("aisfx", ("ce", "opl")), ("melstats", ("ce", "focal"))))
    )
    assert loss_numbers.newest(shown) == [("small", melstats), ("small", aisfx)]
    compared = loss_numbers.compare([melstats, aisfx])
    assert list(compared) == ["cross-entropy", "focal", "OPL"]
    assert compared["focal"][1] is None
    without, with_opl = compared["OPL"]
    assert without is None
    assert with_opl is not None
    assert with_opl["accuracy"] == loss_numbers.accuracies(aisfx)[1]["accuracy"]
    app = run(space="aisfx")
    assert [e.label for e in app.expander if "side by side" in e.label]
    assert 'aria-label="Accuracy by loss, dataset and space"' in html(app)


def test_empty_states_say_what_to_do(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "There is no dataset to train on yet" in words(run())
    shown, dataset = made.workspace(tmp_path, per_class=3, sounds=False, classes={"Rain": "Nature"})
    # A single class cannot be classified, with or without a space.
    assert "All clips are of one class, Rain" in words(run())
    made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    assert "All clips are of one class, Rain" in words(run())
