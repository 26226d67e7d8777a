"""Classifiers trained with several losses as jobs: numbers as plain code has them, spaces, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel
from sklearn.decomposition import PCA

from core.heads import HeadRecipe, embed, train_heads
from jobs import presets as measures
from jobs.engine import live
from jobs.engine.inprocess import run
from jobs.specs import EmbedAudio, LossGrid, Neighbors, Separability, missing
from jobs.tasks.loss_results import common_map
from jobs.tasks.loss_training import choose_rows
from jobs.workspace.workspace import Workspace
from tests.jobs.loss_grids import (
    FOLDS,
    PER_CLASS,
    QUICK,
    C,
    class_table,
    clip_table,
    failure,
    result,
    space_of,
)
from tests.jobs.test_cli import call
from tests.jobs.test_zeroshot import add


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def asked(workspace: Workspace) -> dict[str, Any]:
    dataset = add(workspace, clip_table(), class_table())
    space = space_of(workspace, dataset)
    return {"embedding": space, "labels": dataset.labels_fingerprint, **QUICK}


def cosine_distances(z: np.ndarray) -> np.ndarray:
    unit = z.astype(np.float64) / np.linalg.norm(z, axis=1, keepdims=True)
    return 1 - unit @ unit.T


def properties(z: np.ndarray, labels: np.ndarray) -> list[float]:
    """Loop over ordered pairs, as the paper writes them."""
    d = cosine_distances(z)
    pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
    within = [d[i, j] ** 2 for i, j in pairs if labels[i] == labels[j]]
    between = [(1 - d[i, j]) ** 2 for i, j in pairs if labels[i] != labels[j]]
    return [float(f(values)) for values in (within, between) for f in (np.mean, lambda v: np.std(v, ddof=1))]


class Space:
    """What the runner is to read, read plainly, and heads on it trained by core."""

    def __init__(self, workspace: Workspace, spec: LossGrid) -> None:
        artifact = workspace.cache.open(spec.embedding.key)
        ids = artifact.table("clips").column("clip_id").to_pylist()
        table = clip_table().set_index("clip_id")
        X = np.asarray(artifact.array("embeddings"))
        kept = [i for i, id in enumerate(ids) if id != "clip-25" and np.isfinite(X[i]).all()]
        self.ids = [ids[i] for i in kept]
        self.X = X[kept]
        self.labels = np.array([table["label"][id] for id in self.ids])
        self.folds = np.array([int(table["fold"][id]) for id in self.ids])
        self.recipes = [
            HeadRecipe(
                loss=recipe.loss,
                weights=recipe.weights,
                dim=4,
                epochs=5,
                batch_size=6,
                learning_rate=0.02,
            )
            for recipe in spec.recipes
        ]
        self.runs = train_heads(
            self.X, self.labels, self.folds, recipes=self.recipes, seeds=[0, 1], keep_epochs=spec.kept_epochs
        )


def test_a_grid_is_what_core_trains_and_plain_code_measures(
    workspace: Workspace, asked: dict[str, Any]
) -> None:
    spec = LossGrid(**asked)
    found = result(workspace, spec)
    space = Space(workspace, spec)
    runs = found.runs.to_pandas()
    assert runs["run"].tolist() == list(range(4 * 2 * 2))
    assert runs["name"].unique().tolist() == ["cross-entropy", "OPL", "ADD (1, 1, 1, 1)", "ADD (0, 0, 1, 0)"]
    assert [list(w) for w in runs["weights"]][-1] == [0, 0, 1, 0]
    for i, trained in enumerate(space.runs):
        row = runs.iloc[i]
        assert (row["seed"], row["fold"], row["recipe"]) == (trained.seed, trained.fold, i // 4)
        assert row["accuracy"] == pytest.approx(trained.accuracy)
        assert row["n_test"] == len(trained.rows) == C * PER_CLASS // FOLDS
        labels = space.labels[trained.rows]
        z = embed(trained, space.X[trained.rows])
        for names, of in (
            (("mu_p", "sigma_p", "mu_n", "sigma_n"), z),
            (("before_mu_p", "before_sigma_p", "before_mu_n", "before_sigma_n"), space.X[trained.rows]),
        ):
            np.testing.assert_allclose(row[list(names)].to_numpy(float), properties(of, labels), atol=1e-6)
    curves = found.curves
    np.testing.assert_allclose(curves[5], np.stack(list(space.runs[5].curves.values())), atol=1e-6)

    recipes = found.recipes.to_pandas()
    right = {}
    for r in range(4):
        of_seed = [
            {row: ok for t in space.runs[4 * r + 2 * s : 4 * r + 2 * s + 2] for row, ok in _right(t)}
            for s in (0, 1)
        ]
        right[r] = np.array([[own[row] for row in range(len(space.ids))] for own in of_seed])
        accuracies = right[r].mean(axis=1)
        assert recipes["accuracy"][r] == pytest.approx(accuracies.mean())
        assert recipes["sd"][r] == pytest.approx(accuracies.std(ddof=1))
    p = []
    for r in (1, 2, 3):
        a, b = right[r].mean(axis=0), right[0].mean(axis=0)
        assert recipes["difference"][r] == pytest.approx((a - b).mean())
        assert recipes["difference_low"][r] <= (a - b).mean() <= recipes["difference_high"][r]
        p.append(float(ttest_rel(a, b).pvalue))
    assert recipes.loc[0, ["difference", "difference_low", "p_holm"]].isna().all()
    order = np.argsort(p)
    corrected = np.minimum(1, np.maximum.accumulate(np.array(p)[order] * [3, 2, 1]))
    np.testing.assert_allclose(recipes["p_holm"][1 + order], corrected, atol=1e-9)
    meta = found.values()
    assert (meta["n_models"], meta["n_failed"], meta["n_clips"], meta["n_classes"]) == (16, 0, 24, 3)
    assert meta["folds"] == {"source": "dataset", "held_out": [1, 2], "n_clips": [12, 12]}
    assert meta["left_out"] == {"without_class": 1, "not_finite": 1, "unreadable": 0}
    assert (meta["before"], meta["note"], meta["seeds"]) == ("space", "", 2)


def _right(trained: Any) -> list[tuple[int, bool]]:
    hits = (trained.predictions == trained.targets).tolist()
    return list(zip(trained.rows.tolist(), hits, strict=True))


def test_spaces_predictions_and_pairs_of_classes(workspace: Workspace, asked: dict[str, Any]) -> None:
    spec = LossGrid(**asked)
    found = result(workspace, spec)
    space = Space(workspace, spec)
    clips = found.clips.to_pandas()
    assert clips["clip_id"].tolist() == space.ids
    assert clips["label"].tolist() == space.labels.tolist()
    assert clips["held"].tolist() == (space.folds == 1).tolist()
    first = {r: space.runs[4 * r] for r in range(4)}  # seed 0, fold 1
    for r, trained in first.items():
        np.testing.assert_allclose(found.audio[r], embed(trained, space.X), atol=1e-6)
        again = embed(found.weights[r], space.X)
        np.testing.assert_allclose(found.audio[r], again, atol=1e-6)

    predictions = found.predictions.to_pandas()
    assert len(predictions) == 4 * 2 * 24
    own = predictions[(predictions["recipe"] == 2) & (predictions["seed"] == 1)].set_index("clip_id")
    for trained in space.runs[10:12]:
        for row, code in zip(trained.rows, trained.predictions, strict=True):
            assert own["predicted"][space.ids[row]] == trained.classes[code]
            assert own["label"][space.ids[row]] == space.labels[row]

    mean, cv = found.class_mean, found.class_cv
    assert mean.shape == cv.shape == (5, C, C)
    assert found.classes.to_pandas()["n_clips"].tolist() == [PER_CLASS] * C
    for stage, embedded in ((0, lambda t: space.X[t.rows]), (3, lambda t: embed(t, space.X[t.rows]))):
        ratios, means = [], []
        for trained in space.runs[8:10]:
            d = cosine_distances(embedded(trained))
            labels = space.labels[trained.rows]
            pairs = d[np.ix_(labels == "class 0", labels == "class 2")]
            same = d[np.ix_(labels == "class 1", labels == "class 1")][np.triu_indices(4, 1)]
            means.append((pairs.mean(), same.mean()))
            ratios.append((pairs.std() / pairs.mean(), same.std() / same.mean()))
        np.testing.assert_allclose(np.mean(means, axis=0), [mean[stage, 0, 2], mean[stage, 1, 1]], atol=1e-6)
        np.testing.assert_allclose(np.mean(ratios, axis=0), [cv[stage, 0, 2], cv[stage, 1, 1]], atol=1e-6)


def test_the_slider_moves_points_and_not_axes(workspace: Workspace, asked: dict[str, Any]) -> None:
    spec = LossGrid(**asked | {"keep_clips": 10})
    found = result(workspace, spec)
    space = Space(workspace, spec)
    epochs = found.kept_epochs.tolist()
    assert epochs == list(spec.kept_epochs)
    kept = found.kept_clips.to_pandas()
    rows = [space.ids.index(id) for id in kept["clip_id"]]
    assert rows == sorted(rows)
    assert kept["label"].value_counts().between(3, 4).all()
    stored = found.kept_space[2].astype(np.float64)
    z = space.runs[8].kept[:, rows].astype(np.float64)
    z /= np.linalg.norm(z, axis=2, keepdims=True)
    np.testing.assert_allclose(stored, z, atol=1e-3)  # half precision
    maps = found.kept_map[2]
    pca = PCA(n_components=2).fit(z[-1])
    for epoch in range(3):
        expected = pca.transform(z[epoch])
        np.testing.assert_allclose(np.abs(maps[epoch]), np.abs(expected), atol=1e-5)
    assert found.explained[2] == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-6)


def test_every_loss_makes_a_space_like_any_other(workspace: Workspace, asked: dict[str, Any]) -> None:
    spec = LossGrid(**asked)
    dataset = workspace.dataset("sounds")
    spaces = measures.trained_by_losses(dataset, spec)
    assert [s.run for s in spaces] == ["0", "1", "2", "3"]
    assert spaces[2].encoder == f"trained:add-1-1-1-1-on-melstats@{spec.key[:6]}"
    separability = Separability(embedding=spaces[2], labels=dataset.labels_fingerprint)
    job = run(workspace, separability)
    assert job.state == "done", job.error
    made = workspace.cache.open(spaces[2].key)
    np.testing.assert_array_equal(made.array("embeddings"), workspace.cache.open(spec.key).array("audio_2"))
    assert made.meta["card"] == {
        **{"modality": "audio", "objective": "classification", "parameters": None},
        **{"training_data": 12, "dimensions": 4},
    }
    assert [s.encoder for s in workspace.spaces(dataset) if s.state == "done"] == [
        "melstats",
        spaces[2].encoder,
    ]
    # It outlives the training; where both are gone, what asks for it has the training done anew.
    before = np.array(made.array("embeddings"))
    graph = Neighbors(embedding=spaces[2], k=3)
    workspace.cache.delete(spec.key)
    assert missing(graph, workspace.cache.contains) == [graph]
    assert run(workspace, graph).state == "done"
    workspace.cache.delete(spaces[2].key)
    graph = replace(graph, k=4)
    assert missing(graph, workspace.cache.contains) == [spec, spaces[2], graph]
    assert run(workspace, graph).state == "done"
    again = workspace.cache.open(spaces[2].key).array("embeddings")
    np.testing.assert_allclose(again, before, atol=1e-6)


def test_models_that_fail_are_reported(workspace: Workspace, asked: dict[str, Any]) -> None:
    spec = LossGrid(
        **asked | {"optimizer": "sgd", "learning_rate": 1000.0, "epochs": 40, "losses": ("ce", "add")}
    )
    found = result(workspace, spec)
    runs = found.runs.to_pandas()
    lost = runs["failed"] != ""
    assert lost.any()
    assert runs.loc[lost, ["accuracy", "mu_p", "sigma_n"]].isna().all(axis=None)
    assert runs.loc[lost, "before_mu_p"].notna().all()
    assert found.n_failed == lost.sum() == found.recipes.to_pandas()["n_failed"].sum()
    assert f"{lost.sum()} of 12 models failed" in found.note
    predictions = found.predictions.to_pandas()
    assert predictions["predicted"].isna().sum() == lost.sum() * 12
    r = int(runs.loc[lost & (runs["seed"] == 0) & (runs["fold"] == 1), "recipe"].iloc[0])
    assert np.isnan(found.audio[r]).all()
    assert r not in found.weights
    assert np.isnan(found.kept_map[r]).all()
    assert found.explained[r] is None
    job = run(workspace, measures.trained_by_losses(workspace.dataset("sounds"), spec)[r])
    assert "its model failed" in str(job.error)


def test_a_job_that_was_killed_goes_on(
    workspace: Workspace, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.engine._SECONDS", -1.0)
    monkeypatch.setattr("jobs.engine.live.WRITE_EVERY", 0.0)
    spec = LossGrid(**asked)
    seen: list[live.Live] = []

    def stop(job: Any, done: float, total: float, note: str) -> None:
        found = live.read(workspace, spec.key)
        if found is not None:
            seen.append(found)
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(workspace, spec, stop)
    last = seen[-1]
    assert last.curves.shape == (16, 3, 5)
    assert last.recipe.tolist() == [i // 4 for i in range(16)]
    assert last.fold.tolist() == ["1", "2"] * 8
    assert 0 < last.epochs_done.sum() < 80
    began: list[float] = []
    run(workspace, spec, lambda job, done, total, note: began.append(done))
    assert began[0] > 0.3
    space = Space(workspace, spec)
    found = spec.read(workspace.cache)
    np.testing.assert_allclose(found.audio[3], embed(space.runs[12], space.X), atol=1e-6)
    assert live.read(workspace, spec.key) is None


def test_damaged_curves_are_none(workspace: Workspace, asked: dict[str, Any]) -> None:
    spec = LossGrid(**asked)
    folder = workspace.queue.folder(spec.key) / "checkpoint"
    folder.mkdir(parents=True)
    live.LiveCurves(folder, [(0, 0, 1)])(np.ones((1, 3, 2)))
    found = live.read(workspace, spec.key)
    assert found is not None
    assert found.epochs_done.tolist() == [2]
    (folder / "live.npz").write_bytes((folder / "live.npz").read_bytes()[:40])
    assert live.read(workspace, spec.key) is None


def test_kept_rows_and_maps_of_odd_spaces() -> None:
    labels = np.array(["a"] * 90 + ["b"] * 10)
    rows = choose_rows(labels, 20)
    assert len(set(rows.tolist())) == 20
    assert (labels[rows] == "b").sum() == 2
    flat, explained = common_map(np.ones((2, 5, 1)))
    assert explained is None
    assert flat.shape == (2, 5, 2)
    assert (flat == 0).all()
    line, explained = common_map(np.arange(3.0).reshape(1, 3, 1))
    assert explained == pytest.approx(1)
    np.testing.assert_allclose(line[0], [[-1, 0], [0, 0], [1, 0]])


def test_the_command(
    workspace: Workspace, asked: dict[str, Any], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(workspace.root)
    monkeypatch.setenv("COLUMNS", "160")
    options = ["--dim", "4", "--epochs", "2", "--seeds", "1", "--loss", "ce", "--loss", "add"]
    at = ["-w", home, "--weights", "0,0,1,0", *options]
    # The space that is there was written under another identity than the encoder's.
    monkeypatch.setattr("jobs.encoders.identity", lambda name, *, modality: "melstats/test")
    status, out, _ = call(capsys, "train", "losses", "sounds", "melstats", "--json", *at)
    assert status == 0
    (about,) = json.loads(out)
    assert [r["name"] for r in about["recipes"]] == ["cross-entropy", "ADD (0, 0, 1, 0)"]
    runs = workspace.cache.open(about["key"]).table("runs").to_pandas()
    assert about["recipes"][1]["mu_n"] == pytest.approx(runs.loc[runs["recipe"] == 1, "mu_n"].mean())
    status, out, _ = call(capsys, "train", "losses", "sounds", "melstats", "--keep", *at)
    assert status == 0
    assert "ADD (0, 0, 1, 0)" in out
    assert "Space: trained:cross-entropy-on-melstats@" in out
    status, out, _ = call(capsys, "train", "losses", "sounds", "melstats", "--print-spec", "--keep", *at)
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["LossGrid", "EmbedAudio", "EmbedAudio"]
    status, out, _ = call(
        capsys,
        *("train", "losses", "sounds", "--network", "small-cnn", "--print-spec", "-w", home),
        *("--settings", "paper-ast-ks2", "--epochs", "3", "--seconds", "2", "--schedule", "cosine"),
    )
    fields = json.loads(out)["fields"]
    assert (fields["mixup"], fields["epochs"], fields["losses"]) == (0.5, 3, ["ce", "add-soft"])
    assert (fields["seconds"], fields["schedule"], fields["time_mask"]) == (2, "cosine", 48)
    released = ["--variant", "released", "--focal-gamma", "0", "--opl-gamma", "2", "--opl-weight", "0.1"]
    status, out, _ = call(capsys, "train", "losses", "sounds", "melstats", "--print-spec", *at, *released)
    fields = json.loads(out)["fields"]
    assert [fields[n] for n in ("focal_gamma", "opl_gamma", "opl_weight")] == [0, 2, 0.1]
    for arguments, message in (
        (["sounds"], "Give either an encoder"),
        (["sounds", "melstats", "--network", "small-cnn"], "Give either an encoder"),
        (["sounds", "melstats", "--settings", "paper-ast-esc50"], "--settings are those of a network"),
        (["sounds", "--network", "small-cnn", "--settings", "x"], "'x' is not a known setting"),
        (["sounds", "--network", "small-cnn", "--hidden", "8"], "A network has no hidden"),
        (
            ["sounds", "melstats", "--time-mask", "8"],
            "A head has no time mask; the option is one of networks",
        ),
        (["sounds", "melstats", "--weights", "1,2,3"], "weights are '1,2,3'; write four"),
        (["sounds", "melstats", "--loss", "hinge"], "'hinge' is not a known loss"),
    ):
        status, _, err = call(capsys, "train", "losses", *arguments, "-w", home)
        assert status == 2
        assert message in err


def test_the_demo_trains_with_every_loss(tmp_path: Path) -> None:
    from jobs.demo import presets
    from jobs.specs import Synthesize

    workspace = Workspace.open(tmp_path / "demo")
    workspace.add_synthetic("demo", Synthesize(clips_per_class=1))
    wanted = presets(workspace)
    grids = [s for s in wanted if isinstance(s, LossGrid)]
    assert len(grids) == 1
    kept = [s.run for s in wanted if isinstance(s, EmbedAudio) and s.source == grids[0]]
    assert [grids[0].recipes[int(r)].name for r in kept] == ["cross-entropy", "ADD (1, 1, 1, 1)"]


# -- folds --------------------------------------------------------------------------------------------------


def test_folds_are_drawn_where_there_are_none(workspace: Workspace) -> None:
    dataset = add(workspace, clip_table(folds=False), class_table())
    spec = LossGrid(
        embedding=space_of(workspace, dataset),
        labels=dataset.labels_fingerprint,
        **QUICK | {"losses": ("opl",), "seeds": 1, "epochs": 1},
    )
    found = result(workspace, spec)
    assert found.folds["source"] == "drawn"
    assert found.note.startswith("The dataset does not put every clip into a fold: 5 folds were drawn")
    clips = found.clips.to_pandas()
    assert sorted(clips["fold"].value_counts()) == [4, 5, 5, 5, 5]
    assert found.recipes.to_pandas()["difference"].isna().all()  # without cross-entropy
    # Where so many are asked for, there is nothing to be said.
    two = result(workspace, replace(spec, folds=2))
    assert (two.note, two.folds["held_out"]) == ("", [0, 1])


def test_folds_that_there_cannot_be(workspace: Workspace) -> None:
    clips = clip_table()
    clips["fold"] = clips["fold"].mask(clips["fold"].notna(), 4)
    dataset = add(workspace, clips, class_table())
    asked = {"embedding": space_of(workspace, dataset), "labels": dataset.labels_fingerprint, **QUICK}
    assert "All clips are in the dataset's fold 4, which leaves none" in failure(workspace, LossGrid(**asked))
    few = "25 folds are asked for, and 24 clips have a class; ask for at most 24"
    assert few in failure(workspace, LossGrid(**asked | {"folds": 25}))
    # Where each clip is a fold of its own, all are trained and judged.
    whole = LossGrid(**asked | {"folds": 24, "losses": ("ce",), "seeds": 1, "epochs": 1})
    runs = result(workspace, whole).runs.to_pandas()
    assert runs["n_test"].tolist() == [1] * 24
    assert runs["mu_p"].isna().all()
    lone = clips.copy()
    lone["labels"] = [["class 0"], *[[]] * (len(lone) - 1)]
    lone["label"] = ["class 0", *["unlabelled"] * (len(lone) - 1)]
    labels = add(workspace, lone, class_table()).labels_fingerprint
    assert "Only one clip has a class" in failure(workspace, LossGrid(**asked | {"labels": labels}))


def test_clips_of_several_classes_and_trained_spaces_are_noted(workspace: Workspace) -> None:
    clips = clip_table()
    clips["labels"] = [["class 0", "class 1"], ["class 1", "class 2"], *clips["labels"][2:]]
    dataset = add(workspace, clips, class_table())
    quick = QUICK | {"losses": ("ce",), "seeds": 1, "epochs": 1, "labels": dataset.labels_fingerprint}
    spec = LossGrid(embedding=space_of(workspace, dataset), **quick)
    several = "2 clips have several classes, of which only the first is learned and tested."
    assert result(workspace, spec).note == several
    kept = measures.trained_by_losses(dataset, spec)[0]
    again = result(workspace, LossGrid(embedding=kept, **quick))
    assert "The space was itself trained here on clips of this dataset" in again.note


def test_only_some_folds_are_held_out(workspace: Workspace, asked: dict[str, Any]) -> None:
    found = result(workspace, LossGrid(**asked | {"held_out": (2,), "losses": ("ce",), "seeds": 1}))
    assert found.runs.to_pandas()["fold"].tolist() == [2]
    clips = found.clips.to_pandas()
    assert (clips["held"] == (clips["fold"] == 2)).all()
    assert len(found.predictions) == 12
    assert "Fold 9 cannot be held out; the folds are 1, 2" in failure(
        workspace, LossGrid(**asked | {"held_out": (9,)})
    )


def test_what_cannot_be_trained(workspace: Workspace, asked: dict[str, Any]) -> None:
    assert "labels of sounds have changed" in failure(workspace, LossGrid(**asked | {"labels": "b" * 64}))
    clips = clip_table().assign(label="one")
    clips["labels"] = [["one"]] * len(clips)
    dataset = add(workspace, clips, class_table().assign(label="one").iloc[:1])
    one = LossGrid(**asked | {"labels": dataset.labels_fingerprint})
    assert "All clips are of the class 'one'" in failure(workspace, one)
