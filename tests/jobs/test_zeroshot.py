"""Grids of zero-shot models as jobs: splits as drawn, numbers as trained, and what becomes of bad input."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from core.splits import (
    PAPER_RANGES,
    PAPER_RATIOS,
    ClassSplitSet,
    SplitError,
    class_centroids,
    class_similarity,
    cluster_classes,
    diversity_splits,
    feasible_sizes,
    quantile_ranges,
    similarity_splits,
    split_from_json,
)
from core.training import engine
from core.zeroshot import Recipe, ZeroShotModel, predict, train_many
from jobs import presets as measures
from jobs.datasets.importer import Imported, labels_fingerprint
from jobs.engine.inprocess import run
from jobs.engine.training import TrainingFolder
from jobs.specs import DatasetRef, EmbedAudio, EmbedText, SpecError, ZeroShotGrid, from_json
from jobs.tasks.zero_shot_grid import Result, rehearse
from jobs.tasks.zero_shot_splits import draw, try_seeds
from jobs.workspace import splits
from jobs.workspace.texts import texts_fingerprint, texts_of
from jobs.workspace.workspace import Dataset, Workspace
from tests.core.references.zeroshot import train_one
from tests.jobs.test_cli import call

C, PER_CLASS, D, D_TEXT = 21, 4, 10, 6
LABELS = [f"class {c:02d}" for c in range(C)]
#: Fits three clusters of seven classes.
SIZES: dict[str, Any] = {"n_train": 3, "n_validation": 2, "n_test": 2}
QUICK: dict[str, Any] = {
    "epochs": 3,
    "seeds": 2,
    "learning_rate": 0.05,
    "batch_size": 4,
    "hidden": 8,
    "shared": 16,
}
SPLIT = {"train": LABELS[:4], "validation": LABELS[4:6], "test": LABELS[6:8]}


def clip_table() -> pd.DataFrame:
    """Clips of one class each; the last three of none, of two, and of one whose embedding is broken."""
    lists = [[label] for label in LABELS for _ in range(PER_CLASS)] + [[], LABELS[:2], LABELS[:1]]
    n = len(lists)
    return pd.DataFrame(
        {
            "clip_id": [f"clip-{i:03d}" for i in range(n)],
            "path": [f"{i}.wav" for i in range(n)],
            "label": [labels[0] if labels else "unlabelled" for labels in lists],
            "labels": lists,
            "family": pd.Series([None] * n, dtype="str"),
            "fold": pd.Series([None] * n, dtype="Int64"),
            "caption": pd.Series([None] * n, dtype="str"),
        }
    )


def class_table(labels: list[str] = LABELS) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": labels,
            "family": pd.Series([f"family {i % 3}" if i else None for i in range(len(labels))], dtype="str"),
            "description": [f"The sound of {label}." for label in labels],
        }
    )


def add(workspace: Workspace, clips: pd.DataFrame, classes: pd.DataFrame, name: str = "sounds") -> Dataset:
    report = pd.DataFrame({"path": [], "status": [], "reason": []}, dtype="str")
    sounds = hashlib.sha256("".join(clips["clip_id"]).encode()).hexdigest()
    imported = Imported(clips, classes, report, sounds, labels_fingerprint(clips))
    return workspace.add_dataset(name, imported, adapter="folder", root=workspace.root)


def embed(workspace: Workspace, dataset: Dataset) -> EmbedAudio:
    """Write a space of three groups of classes; the clips come in another order."""
    spec = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/test")
    random = np.random.default_rng(1)
    groups = 3 * random.standard_normal((3, D))
    centres = {c: groups[i % 3] + random.standard_normal(D) for i, c in enumerate([*LABELS, "unlabelled"])}
    rows = random.permutation(len(dataset.clips))
    X = np.array([centres[dataset.clips["label"].iloc[i]] + 0.3 * random.standard_normal(D) for i in rows])
    X[np.argmax(rows)] = np.nan
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", X.astype(np.float32))
        w.table("clips", {"clip_id": dataset.clips["clip_id"].iloc[rows].tolist()})
    return spec


def embed_text(workspace: Workspace, dataset: Dataset, of: str = "description") -> EmbedText:
    texts = texts_of(dataset, of)
    fingerprint = texts_fingerprint(texts)
    spec = EmbedText(dataset=dataset.ref, texts=fingerprint, encoder="minilm", of=of, identity="minilm/test")
    random = np.random.default_rng(2)
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", random.standard_normal((len(texts), D_TEXT)).astype(np.float32))
        w.table("texts", texts)
    return spec


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return add(workspace, clip_table(), class_table())


@pytest.fixture
def asked(workspace: Workspace, dataset: Dataset) -> dict[str, Any]:
    return {
        "embedding": embed(workspace, dataset),
        "text": embed_text(workspace, dataset),
        "labels": dataset.labels_fingerprint,
        **SIZES,
        **QUICK,
    }


def result(workspace: Workspace, spec: ZeroShotGrid) -> Result:
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return spec.read(workspace.cache)


def failure(workspace: Workspace, spec: ZeroShotGrid) -> str:
    job = run(workspace, spec)
    assert job.state == "failed"
    assert job.error is not None
    return job.error


class Space:
    """What the runner is to read, read plainly."""

    def __init__(self, workspace: Workspace, dataset: Dataset, spec: ZeroShotGrid) -> None:
        artifact = workspace.cache.open(spec.embedding.key)
        ids = artifact.table("clips").column("clip_id").to_pylist()
        lists = dict(zip(dataset.clips["clip_id"], dataset.clips["labels"], strict=True))
        X = np.asarray(artifact.array("embeddings"))
        kept = [i for i, clip in enumerate(ids) if len(lists[clip]) == 1 and np.isfinite(X[i]).all()]
        self.ids = [ids[i] for i in kept]
        self.X = X[kept]
        self.labels = np.array([lists[clip][0] for clip in self.ids])
        self.names, self.centroids = class_centroids(self.X, self.labels)
        texts = workspace.cache.open(spec.text.key)
        self.text = np.array(texts.array("embeddings"))
        self.text_classes = texts.table("texts").column("id").to_pylist()


def test_similarity_grid_is_what_core_draws_and_trains(
    workspace: Workspace, dataset: Dataset, asked: dict[str, Any]
) -> None:
    spec = ZeroShotGrid(**asked, ratios=(1.0, 0.5, 0.0))
    found = result(workspace, spec)
    space = Space(workspace, dataset, spec)
    assert len(space.ids) == C * PER_CLASS
    clusters = cluster_classes(space.centroids, 3)
    assert np.bincount(clusters).tolist() == [7, 7, 7]
    drawn = similarity_splits(space.names, clusters, ratios=spec.ratios, seeds=range(2), sizes=spec.sizes)

    names = found.names.to_pandas()
    assert names["label"].tolist() == LABELS == list(space.names)
    assert set(names["n_clips"]) == {PER_CLASS}
    assert names["text"].tolist() == [f"The sound of {label}." for label in LABELS]
    assert names["family"].isna().tolist() == [True] + [False] * (C - 1)
    np.testing.assert_allclose(found.centroids, space.centroids, atol=1e-6)
    similarity = class_similarity(space.centroids)
    np.testing.assert_allclose(found.similarity, similarity, atol=1e-9)
    np.testing.assert_array_equal(found.clusters, clusters)
    assert found.elbow_ks.tolist() == list(range(1, 11))
    assert found.elbow_inertia.shape == found.elbow_silhouette.shape == (10,)

    models = found.models.to_pandas()
    assert models["model"].tolist() == list(range(18)) == list(range(len(drawn)))
    texts = found.column("splits", "text")
    assert [split_from_json(text) for text in texts] == drawn
    configured = list(zip(models["cluster"], models["ratio"], models["seed"], strict=True))
    # Half of three classes is two of them.
    assert configured == [(c, r, s) for c in range(3) for s in range(2) for r in (1.0, 2 / 3, 0.0)]
    assert models["block"].tolist() == [f"cluster {c}, seed {s}" for c, _, s in configured]
    assert models[["low", "high", "split"]].isna().all(axis=None)
    assert set(models["failed"]) == {""}
    assert set(models["chance"]) == {0.5}
    assert set(models["best_epoch"]) == {3}

    predictions = found.predictions.to_pandas()
    classes = found.classes.to_pandas()
    curves = found.curves
    assert curves.shape == (18, 3, 3)
    assert curves.dtype == np.float32
    recipe = Recipe(hidden=8, shared=16, learning_rate=0.05, batch_size=4, epochs=3)
    at = {label: i for i, label in enumerate(LABELS)}
    for i, split in enumerate(drawn):
        row = models.iloc[i]
        of = predictions[predictions["model"] == i]
        tested = [clip for clip, label in zip(space.ids, space.labels, strict=True) if label in split.test]
        assert of["clip_id"].tolist() == tested
        right = (of["label"] == of["predicted"]).to_numpy()
        assert row["accuracy"] == pytest.approx(right.mean(), abs=1e-12)
        assert row["n_test"] == len(tested) == 2 * PER_CLASS
        assert 0 <= row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] <= 1
        parts = classes[classes["model"] == i].set_index("label")
        assert parts["part"].to_dict() == {
            **dict.fromkeys(split.train, "train"),
            **dict.fromkeys(split.validation, "validation"),
            **dict.fromkeys(split.test, "test"),
        }
        for label in split.test:
            share = right[(of["label"] == label).to_numpy()].mean()
            assert parts["accuracy"][label] == pytest.approx(share, abs=1e-12)
        assert parts["accuracy"].isna().sum() == 5
        # Scores have the order of the classes; the highest wins.
        scores = np.stack(of["scores"])
        predicted, own = ([split.test.index(label) for label in of[n]] for n in ("predicted", "label"))
        np.testing.assert_array_equal(scores.argmax(axis=1), predicted)
        np.testing.assert_array_equal(of["score"], scores.max(axis=1))
        np.testing.assert_array_equal(of["own_score"], scores[np.arange(len(of)), own])
        pairs = [similarity[at[a], at[b]] for a in split.train for b in split.test]
        assert row["train_test_similarity"] == pytest.approx(np.mean(pairs), abs=1e-9)
        within = [similarity[at[a], at[b]] for a in split.train for b in split.train if a < b]
        assert row["mean_similarity"] == pytest.approx(np.mean(within), abs=1e-9)
        if i % 7 == 0:
            alone = train_one(
                split, space.X, space.labels, space.text, space.text_classes,
                seed=split.info["seed"], recipe=recipe,
            )  # fmt: skip
            assert row["accuracy"] == pytest.approx(alone.tests[0].accuracy)
            assert row["validation_accuracy"] == pytest.approx(alone.validation[0].accuracy)
            np.testing.assert_allclose(scores, alone.tests[0].scores, atol=1e-3)
            columns = [list(space.text_classes).index(c) for c in split.test]
            clips = space.X[np.isin(space.labels, split.test)]
            again = predict(found.weights[i], clips, space.text[columns])[1]
            np.testing.assert_allclose(scores, again, atol=1e-9)
            np.testing.assert_allclose(curves[i, 0], alone.curves["loss"], rtol=1e-3)

    assert (found.n_models, found.n_failed, found.n_clips, found.n_classes) == (18, 0, 84, 21)
    left_out = {"without_class": 1, "several_classes": 1, "not_finite": 1, "small_classes": 0}
    assert found.left_out == left_out
    assert (found.sizes, found.asked_sizes, found.ranges) == ([3, 2, 2], [3, 2, 2], None)
    assert (found.n_clusters, found.note) == (3, "")


def test_diversity_grid_judges_each_model_on_every_test_set(
    workspace: Workspace, dataset: Dataset, asked: dict[str, Any]
) -> None:
    spec = ZeroShotGrid(**asked, setup="diversity", n_ranges=2, n_test_sets=2)
    found = result(workspace, spec)
    space = Space(workspace, dataset, spec)
    similarity = class_similarity(space.centroids)
    ranges = quantile_ranges(similarity, 2, sizes=spec.sizes, n_test_sets=2)
    drawn = diversity_splits(
        space.names, similarity, ranges=ranges, seeds=range(2), sizes=spec.sizes, n_test_sets=2
    )
    assert [tuple(ends) for ends in found.ranges] == list(ranges)
    texts = found.column("splits", "text")
    assert [split_from_json(text) for text in texts] == drawn
    models = found.models.to_pandas()
    assert models["model"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert models["test_set"].tolist() == [0, 1] * 4
    assert models["block"].tolist() == ["seed 0"] * 4 + ["seed 1"] * 4
    assert (
        list(zip(models["low"], models["high"], strict=True))
        == [ranges[0]] * 2 + [ranges[1]] * 2 + [ranges[0]] * 2 + [ranges[1]] * 2
    )
    assert models["cluster"].isna().all()
    predictions = found.predictions.to_pandas()
    classes = found.classes.to_pandas()
    for (model, test_set), of in predictions.groupby(["model", "test_set"]):
        split = drawn[model]
        assert isinstance(split, ClassSplitSet)
        assert set(of["label"]) == set(split.tests[test_set])
        assert set(of["predicted"]) <= set(split.tests[test_set])
        row = models[(models["model"] == model) & (models["test_set"] == test_set)].iloc[0]
        assert row["accuracy"] == pytest.approx((of["label"] == of["predicted"]).mean(), abs=1e-12)
        assert row["low"] < row["mean_similarity"] <= row["high"]
        parts = classes[(classes["model"] == model) & (classes["test_set"] == test_set)]
        assert parts.loc[parts["part"] == "validation", "label"].tolist() == list(split.validations[test_set])
    assert found.curves.shape == (4, 3, 3)


def test_given_splits_are_trained_for_every_seed(workspace: Workspace, asked: dict[str, Any]) -> None:
    other = SPLIT | {"train": LABELS[10:14], "info": {"setup": "similarity", "cluster": 5, "ratio": 0.5}}
    spec = ZeroShotGrid(**asked, setup="splits", splits=(json.dumps(SPLIT), json.dumps(other)))
    assert spec.n_models == 4
    found = result(workspace, spec)
    models = found.models.to_pandas()
    assert models["split"].tolist() == [0, 0, 1, 1]
    assert models["seed"].tolist() == [0, 1, 0, 1]
    assert models["block"].tolist() == ["seed 0", "seed 1"] * 2
    # What a split says about itself is not taken for what was done here.
    assert models[["cluster", "ratio"]].isna().all(axis=None)
    assert found.sizes is found.asked_sizes is None


def test_sizes_are_lowered_only_where_that_is_asked_for(
    workspace: Workspace, dataset: Dataset, asked: dict[str, Any]
) -> None:
    large = asked | {"n_train": 20, "n_validation": 5, "n_test": 5, "seeds": 1}
    error = failure(workspace, ZeroShotGrid(**large))
    assert "Cluster 0 has 7 classes; ratio 1 needs 30" in error
    assert f"sizes {feasible_sizes([0] * 7 + [1] * 7 + [2] * 7)} would fit" in error
    spec = ZeroShotGrid(**large, fit_sizes=True, ratios=(1.0, 0.0))
    found = result(workspace, spec)
    assert found.asked_sizes == [20, 5, 5]
    assert found.sizes == [3, 2, 2]  # of seven
    assert found.note == "Sizes were lowered from 20/5/5 to 3/2/2: the classes allow no more."
    assert found.note in workspace.queue.log(spec.key)

    diverse = ZeroShotGrid(**large, setup="diversity", fit_sizes=True, n_ranges=2)
    found = result(workspace, diverse)
    train, validation, test = found.sizes
    assert train + 3 * (validation + test) <= C
    models = found.models.to_pandas()
    assert (models["mean_similarity"] > models["low"]).all()
    assert (models["mean_similarity"] <= models["high"]).all()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"setup": "diversity", "ranges": ((0.9999, 1.0),)}, r"No 3 of .* within \(0.9999, 1\]"),
        ({"setup": "diversity", "n_test_sets": 9}, "There are 21 classes; sizes 3/2/2 with 9 test"),
        ({"clusters": 22}, "22 clusters are asked for, and there are 21 classes"),
        ({"clusters": 1}, "one cluster only; ratio 0.75 .* choose more clusters, or the ratio 1 alone"),
        (
            {"setup": "splits", "splits": (json.dumps(SPLIT | {"test": ["cat", "dog"]}),)},
            "names 'cat', 'dog'",
        ),
    ],
)
def test_what_the_classes_do_not_allow_is_one_sentence(
    workspace: Workspace, asked: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    error = failure(workspace, ZeroShotGrid(**asked | options))
    assert re.search(why, error), error
    assert error.endswith(".")


def test_classes_without_a_text_are_named(workspace: Workspace, asked: dict[str, Any]) -> None:
    classes = class_table()
    classes.loc[[3, 9], "description"] = None
    dataset = add(workspace, clip_table(), classes)
    text = embed_text(workspace, dataset)
    assert failure(workspace, ZeroShotGrid(**asked | {"text": text})) == (
        "'class 03', 'class 09' of sounds have no description, and a model needs one of every class that "
        "takes part; add them, or train with names."
    )
    # A split that does not name them can be trained.
    specs = [
        ZeroShotGrid(**asked | {"text": text}, setup="splits", splits=(json.dumps(split),))
        for split in (SPLIT | {"train": LABELS[10:14]}, SPLIT)
    ]
    assert result(workspace, specs[0]).names.to_pandas()["text"].isna().sum() == 2
    assert failure(workspace, specs[1]).startswith("'class 03' of sounds has no description")


def test_ratios_that_come_to_the_same_classes_are_trained_once(
    workspace: Workspace, asked: dict[str, Any]
) -> None:
    spec = ZeroShotGrid(**asked | {"n_train": 2, "n_validation": 1})
    assert (spec.n_models, "3 clusters × 3 ratios × 2 seeds" in spec.title) == (18, True)
    found = result(workspace, spec)
    models = found.models.to_pandas()
    assert sorted(models["ratio"].unique()) == [0, 0.5, 1]
    assert len(models) == spec.n_models == found.n_models
    texts = found.column("splits", "text")
    assert len({split_from_json(text) for text in texts}) == 18
    assert found.note == (
        "The ratios 1 and 0.75 are 2 of 2 training classes; 0.5 and 0.25 are 1 of 2 training classes: the "
        "same classes, which are trained on once. There is no validation accuracy: a single validation class "
        "is always right."
    )
    assert models["validation_accuracy"].isna().all()
    assert np.isnan(found.curves[:, 2]).all()
    # Lower sizes than were asked for merge as well.
    fitted = ZeroShotGrid(**asked | {"n_train": 20, "n_validation": 9, "n_test": 9, "fit_sizes": True})
    assert fitted.n_models == 30
    assert result(workspace, fitted).n_models == 24  # 3/2/2


def test_labels_that_changed_and_clips_without_class(workspace: Workspace, asked: dict[str, Any]) -> None:
    assert "labels of sounds have changed" in failure(workspace, ZeroShotGrid(**asked | {"labels": "0" * 64}))
    clips = clip_table()
    clips["labels"] = [["a", "b"]] * len(clips)
    dataset = add(workspace, clips, class_table())
    spec = ZeroShotGrid(**asked | {"labels": dataset.labels_fingerprint})
    assert "No clip of sounds has exactly one class" in failure(workspace, spec)


def test_classes_of_few_clips_are_not_drawn(workspace: Workspace, tmp_path: Path, capsys: Any) -> None:
    # One clip is left of class 0, two of class 1 and all four of the others.
    clips = clip_table().drop(index=[1, 2, 3, 6, 7]).reset_index(drop=True)
    dataset = add(workspace, clips, class_table())
    spaces = {"embedding": embed(workspace, dataset), "text": embed_text(workspace, dataset)}
    asked = {**spaces, "labels": dataset.labels_fingerprint, **SIZES, **QUICK}
    drawn = {}
    for least in (1, 2, 4):
        spec = ZeroShotGrid(**asked, ratios=(1.0,), clusters=2, min_clips=least)
        found = result(workspace, spec)
        drawn[least] = set(found.column("names", "label"))
        assert set(found.column("classes", "label")) <= drawn[least]
        small = {1: 0, 2: 1, 4: 3}[least]
        assert found.left_out["small_classes"] == small
        notes = {1: "", 2: "1 of 21 classes has fewer than 2 clips and was not drawn."}
        notes[4] = "2 of 21 classes have fewer than 4 clips and were not drawn."
        assert found.note.startswith(notes[least])
    assert ZeroShotGrid.min_clips == 2
    assert drawn == {1: set(LABELS), 2: set(LABELS[1:]), 4: set(LABELS[2:])}
    error = failure(workspace, ZeroShotGrid(**asked, min_clips=5))
    assert "No class of sounds has 5 clips to train on or to judge by; the largest has 4" in error
    # Splits of one's own are trained as they are.
    given = json.dumps({"train": LABELS[2:6], "validation": LABELS[6:8], "test": LABELS[:2]})
    own = result(workspace, ZeroShotGrid(**asked, setup="splits", splits=(given,), min_clips=4))
    assert own.names.num_rows == C
    command = ("train", "zero-shot", "sounds", "melstats", "--clusters", "20", "--min-clips", "4")
    status, _, err = call(capsys, *command, "-w", str(workspace.root))
    assert (status, "20 clusters are asked for, and there are 19 classes" in err) == (2, True)


def test_models_that_fail_are_marked_and_others_go_on(
    workspace: Workspace, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*given: Any, **options: Any) -> list[ZeroShotModel]:
        return [m if m.split.train[0] == LABELS[10] else broken(m) for m in train_many(*given, **options)]

    def broken(m: ZeroShotModel) -> ZeroShotModel:
        curves = {name: np.full(3, np.nan, np.float32) for name in m.curves}
        why = f"The loss was no longer a number in epoch 1 (seed {m.seed})."
        return ZeroShotModel(m.split, m.seed, (), (), curves, {}, 0, why)

    monkeypatch.setattr("core.zeroshot.train_many", train)
    whole = SPLIT | {"train": LABELS[10:14]}
    grid_spec = ZeroShotGrid(**asked, setup="splits", splits=(json.dumps(whole), json.dumps(SPLIT)))
    found = result(workspace, grid_spec)
    models = found.models.to_pandas()
    good, bad = models.iloc[:2], models.iloc[2:]
    assert bad["failed"].tolist() == [
        f"The loss was no longer a number in epoch 1 (seed {s})." for s in (0, 1)
    ]
    numbers = ["accuracy", "accuracy_low", "accuracy_high", "validation_accuracy"]
    assert bad[numbers].isna().all(axis=None)
    assert set(bad["n_test"]) == set(bad["best_epoch"]) == {0}
    assert set(good["failed"]) == {""}
    assert good[numbers].notna().all(axis=None)
    assert set(found.column("predictions", "model")) == {0, 1}
    classes = found.classes.to_pandas()
    assert classes.loc[classes["model"] >= 2, "accuracy"].isna().all()
    assert np.isfinite(found.curves[:2]).all()
    assert np.isnan(found.curves[2:, 0]).all()
    assert found.n_failed == 2
    why = "The loss was no longer a number in epoch 1 (seed 0)."
    assert found.note == f"2 of 4 models failed. {why}"
    assert why in workspace.queue.log(grid_spec.key)


def test_training_that_was_killed_goes_on(
    workspace: Workspace, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SECONDS", 0.0)  # save after every epoch
    monkeypatch.setattr(engine, "_SAVING", 1.0)
    spec = ZeroShotGrid(**asked | {"epochs": 20}, ratios=(1.0, 0.0))
    save = TrainingFolder.save
    saves = itertools.count(1)

    def killed(self: TrainingFolder, name: str, arrays: dict[str, np.ndarray]) -> None:
        save(self, name, arrays)
        if next(saves) == 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingFolder, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(workspace, spec)
    assert not workspace.cache.contains(spec.key)
    (left,) = (workspace.queue.folder(spec.key) / "checkpoint").iterdir()
    share = TrainingFolder(left).share()
    assert 0.2 < share < 0.8

    monkeypatch.setattr(TrainingFolder, "save", save)
    seen: list[float] = []
    job = run(workspace, spec, lambda job, done, total, note: seen.append(done / total))
    assert job.state == "done"
    # It begins where it was, which is also what the time to go is reckoned from.
    assert seen[0] == pytest.approx(0.98 * share)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert f"Resuming after {share:.0%} of the training" in workspace.queue.log(spec.key)
    found = spec.read(workspace.cache)
    assert not left.exists()

    undisturbed = Workspace.open(workspace.root.parent / "other")
    dataset = add(undisturbed, clip_table(), class_table())
    embed(undisturbed, dataset)
    embed_text(undisturbed, dataset)
    expected = result(undisturbed, spec)
    np.testing.assert_allclose(found.curves, expected.curves, atol=1e-6)
    pd.testing.assert_frame_equal(found.models.to_pandas(), expected.models.to_pandas(), atol=1e-9)


def test_a_piece_that_is_damaged_is_left_out(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "training")
    assert (folder.load(), folder.share()) == ({}, 0)
    about = {"models": np.arange(2), "whole": np.array(8.0)}
    folder.save("one", about | {"a/b": np.arange(3), "done": np.array([1.0, 0.0])})
    folder.save("two", about | {"done": np.array([0.5, 2.0])})
    found = folder.load()
    assert list(found) == ["one", "two"]
    assert found["one"]["a/b"].tolist() == [0, 1, 2]
    assert folder.share() == 3 / 8
    (path := tmp_path / "training" / "two.npz").write_bytes(path.read_bytes()[:100])
    assert (list(folder.load()), folder.share()) == (["one"], 1 / 8)
    np.savez(path, allow_pickle=True, evil=np.array([{}], dtype=object))
    assert list(folder.load()) == ["one"]


# -- specs --


def spec_of(**options: Any) -> ZeroShotGrid:
    ref = DatasetRef("sounds", "a" * 64)
    text = EmbedText(dataset=ref, texts="b" * 64, encoder="minilm", of="description")
    space = EmbedAudio(dataset=ref, encoder="melstats")
    return ZeroShotGrid(**{"embedding": space, "text": text, "labels": "c" * 64} | options)


def test_defaults_are_the_papers() -> None:
    spec = spec_of()
    assert (str(spec.sizes), spec.clusters, spec.ratios, spec.seeds) == ("20/5/5", 3, PAPER_RATIOS, 6)
    assert spec.recipe == Recipe()
    assert spec.n_models == 90
    assert spec_of(setup="diversity").asked_ranges == PAPER_RANGES
    assert spec_of(setup="diversity").n_models == 30
    recipe = {"patience": 7, "sampled": True, "margin": 0.5, "standardise": True}
    assert spec_of(**recipe).recipe == Recipe(**recipe)


def test_title_says_setup_and_counts() -> None:
    assert spec_of().title == (
        "90 zero-shot models by similarity on sounds · melstats and minilm descriptions "
        "(3 clusters × 5 ratios × 6 seeds)"
    )
    assert "30 zero-shot models by diversity" in spec_of(setup="diversity").title
    assert "(5 ranges × 6 seeds, 3 test sets each)" in spec_of(setup="diversity").title
    one = spec_of(setup="splits", splits=(json.dumps(SPLIT),), seeds=1)
    assert one.title.startswith("1 zero-shot model by given splits")
    assert one.title.endswith("(1 split × 1 seed)")


def test_what_a_setup_has_no_use_for_does_not_split_the_key() -> None:
    assert spec_of(n_ranges=4, n_test_sets=2).key == spec_of().key
    assert spec_of(setup="diversity", ratios=(0.5,), clusters=7).key == spec_of(setup="diversity").key
    assert spec_of(setup="diversity", ranges=PAPER_RANGES).key == spec_of(setup="diversity").key
    assert spec_of(setup="diversity", n_ranges=5, ranges=((0.1, 0.2),)).key != spec_of(setup="diversity").key
    compact, wide = json.dumps(SPLIT), json.dumps(SPLIT, indent=4)
    given = spec_of(setup="splits", splits=(compact,))
    assert spec_of(setup="splits", splits=(wide,), n_train=7).key == given.key
    assert from_json(json.loads(json.dumps(given.to_json()))) == given
    assert spec_of(splits=(compact,)).key == spec_of().key
    assert {spec_of().key} & {spec_of(standardise=True).key, spec_of(fit_sizes=True).key} == set()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"setup": "random"}, "one of similarity, diversity, splits"),
        ({"setup": "splits"}, "No split is given; give at least one"),
        (
            {"setup": "splits", "splits": (json.dumps(SPLIT), json.dumps(SPLIT | {"info": {"seed": 1}}))},
            "A split is given twice",
        ),
        ({"setup": "splits", "splits": ("{",)}, "no JSON"),
        (
            {"setup": "splits", "splits": (json.dumps(SPLIT | {"test": ["class 00", "x"]}),)},
            "'class 00' is both",
        ),
        ({"setup": "splits", "splits": (json.dumps(SPLIT | {"test": []}),)}, "at least 2"),
        ({"n_train": 1}, "number of training classes is 1"),
        ({"n_validation": 0}, "number of validation classes is 0"),
        ({"n_test": 2.5}, "number of test classes is 2.5"),
        ({"clusters": 0}, "clusters is 0"),
        ({"seeds": 1.5}, "seeds is 1.5; it must be a whole number"),
        ({"seeds": 1000}, "15,000 models .3 clusters × 5 ratios × 1,000 seeds.; one grid may have 5,000"),
        ({"ratios": ()}, "at least one"),
        ({"ratios": (0.5, 0.5)}, "each once"),
        ({"ratios": (1.5,)}, "ratio is 1.5"),
        ({"setup": "diversity", "ranges": ((0.5, 0.5),)}, "no range of similarities"),
        ({"setup": "diversity", "ranges": ((0.5,),)}, "no range of similarities"),
        ({"setup": "diversity", "ranges": ((0.1, 0.5), (0.1, 0.5))}, "give each once"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": float("nan")}, "The learning rate is nan"),
        ({"learning_rate": 0.0}, "The learning rate is 0.0"),
        ({"batch_size": True}, "whole number"),
        ({"margin": -1.0}, "margin is -1.0"),
        ({"patience": -1}, "patience is -1"),
    ],
)
def test_specs_say_what_is_allowed(options: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        spec_of(**options)


def test_spaces_have_to_fit() -> None:
    ref = DatasetRef("sounds", "a" * 64)
    caption = EmbedText(dataset=ref, texts="b" * 64, encoder="minilm", of="caption")
    with pytest.raises(SpecError, match="texts of clips"):
        spec_of(text=caption)
    other = EmbedText(dataset=DatasetRef("others", "e" * 64), texts="b" * 64, encoder="minilm")
    with pytest.raises(SpecError, match="of the same dataset"):
        spec_of(text=other)


def test_asking_for_a_grid_asks_for_its_spaces(workspace: Workspace, dataset: Dataset) -> None:
    text = measures.class_texts(dataset, "minilm")
    assert text.of == "description"
    space = EmbedAudio(dataset=dataset.ref, encoder="melstats")
    specs = measures.zero_shot_presets(dataset, space, text)
    assert [(s.setup, s.fit_sizes, s.n_models) for s in specs] == [
        ("similarity", True, 90),
        ("diversity", True, 30),
    ]
    assert specs[1].n_ranges == 5
    faster = measures.zero_shot_presets(dataset, space, text, learning_rate=0.01)
    assert [s.learning_rate for s in faster] == [0.01, 0.01]
    workspace.queue.submit(specs[0])
    assert {job.spec["type"] for job in workspace.queue.jobs()} == {"ZeroShotGrid", "EmbedAudio", "EmbedText"}
    half = class_table().assign(description=lambda t: t["description"].where(t.index > 0))
    assert measures.class_texts(add(workspace, clip_table(), half), "minilm").of == "label"


# -- drawing --


def test_seeds_are_drawn_one_after_the_other_until_it_is_over(asked: dict[str, Any]) -> None:
    names, clusters = LABELS, np.arange(C) % 3
    similarity = 0.5 + 0.5 * np.eye(C)
    times = iter(range(100))
    spec = ZeroShotGrid(**asked | {"seeds": 9}, setup="diversity", ranges=((0.4, 0.5),), n_test_sets=2)
    assert try_seeds(spec, names, similarity, clusters, until=lambda: next(times) == 3) == 4
    assert try_seeds(spec, names, similarity, clusters, until=lambda: False) == 9
    similar = ZeroShotGrid(**asked | {"seeds": 9})
    assert try_seeds(similar, names, similarity, clusters, until=lambda: True) == 9
    with pytest.raises(SplitError, match="No 3 of"):
        try_seeds(replace(spec, ranges=((0.9, 1.0),)), names, similarity, clusters, until=lambda: True)
    # Some seeds are drawn as all of them are.
    whole = draw(spec, names, similarity, clusters)
    some = draw(spec, names, similarity, clusters, seeds=[4, 7])
    assert some.splits == [whole.splits[4], whole.splits[7]]
    assert some.seeds == [4, 7]


def test_patience_is_refused_where_sizes_come_down_to_one_validation_class() -> None:
    spec = spec_of(clusters=2, fit_sizes=True, patience=3)
    names = [f"c{i}" for i in range(12)]
    assert str(draw(spec, names, np.eye(12), [0] * 6 + [1] * 6).sizes) == "2/2/2"
    with pytest.raises(SplitError, match="Patience needs .* the classes allow the sizes 2/1/2"):
        draw(spec, names[:10], np.eye(10), [0] * 5 + [1] * 5)
    with pytest.raises(SpecError, match="Patience needs at least 2 validation classes"):
        spec_of(setup="splits", splits=(json.dumps(SPLIT | {"validation": LABELS[4:5]}),), patience=1)


def test_every_seed_is_drawn_before_anything_waits(
    workspace: Workspace, dataset: Dataset, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that the first seeds fill and a later one does not."""
    monkeypatch.setattr("core.splits.diverse_sets.RANDOM_ATTEMPTS", 40)
    monkeypatch.setattr("core.splits.diverse_sets.ATTEMPTS", 60)
    space = Space(workspace, dataset, ZeroShotGrid(**asked))
    similarity = class_similarity(space.centroids)
    sizes = ZeroShotGrid(**asked).sizes

    def fails(ends: tuple[float, float], seed: int) -> bool:
        try:
            diversity_splits(space.names, similarity, ranges=[ends], seeds=[seed], sizes=sizes)
        except SplitError:
            return True
        return False

    steps = np.linspace(0.5, 0.99, 15).round(3).tolist()
    ends, late = next(
        ((low, low + 0.02), seed)
        for low in steps
        for seed in range(1, 6)
        if not any(fails((low, low + 0.02), s) for s in range(seed)) and fails((low, low + 0.02), seed)
    )
    options = asked | {"setup": "diversity", "ranges": (ends,)}
    rehearse(ZeroShotGrid(**options | {"seeds": late}), workspace)
    with pytest.raises(SplitError, match=f"seed {late} came to"):
        rehearse(ZeroShotGrid(**options | {"seeds": late + 1}), workspace)


# -- the command line --

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(workspace: Workspace, dataset: Dataset, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Call ``hearspace train zero-shot`` on a space and texts that exist."""
    monkeypatch.setenv("HEARSPACE_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    space, text = embed(workspace, dataset), embed_text(workspace, dataset)
    monkeypatch.setattr("jobs.cli.train.space_of", lambda *_: space)
    monkeypatch.setattr(measures, "class_texts", lambda *_, **__: text)
    return partial(call, capsys, "train", "zero-shot", "sounds", "melstats")


def test_train_from_the_command_line(workspace: Workspace, train: Command) -> None:
    quick = ["--epochs", "20", "--seeds", "2", "--learning-rate", "1", "--sizes", "3/2/2"]
    quick += ["--hidden", "8", "--shared", "16"]
    status, out, err = train(*quick, "--ratios", "1,0", "--json")
    assert status == 0, err
    (about,) = json.loads(out)
    models = workspace.cache.open(about["key"]).table("models").to_pandas()
    rows = about["configurations"]
    assert [(r["cluster"], r["ratio"]) for r in rows] == [(c, r) for c in range(3) for r in (1, 0)]
    for row in rows:
        assert isinstance(row["cluster"], int)
        of = models[(models["cluster"] == row["cluster"]) & (models["ratio"] == row["ratio"])]
        assert row["accuracy"] == pytest.approx(of["accuracy"].mean())
        assert row["sd"] == pytest.approx(of["accuracy"].std())
        assert (row["models"], row["failed"]) == (2, 0)
    expected = pearsonr(models["ratio"].astype(float), models["accuracy"])
    assert about["correlation"]["r"] == pytest.approx(expected.statistic)
    assert about["correlation"]["p"] == pytest.approx(expected.pvalue)
    diverse = (*quick, "--setup", "diversity")
    status, out, _ = train(*diverse, "--ranges", "2", "--test-sets", "2")
    assert (status, "mean similarity and accuracy: r = " in out) == (0, True)
    printed = from_json(json.loads(train(*diverse, "--ranges", "0.1:0.3,-0.2:0.1", "--print-spec")[1]))
    assert isinstance(printed, ZeroShotGrid)
    assert printed.ranges == ((0.1, 0.3), (-0.2, 0.1))
    splits.save(workspace, "sounds", "mine", split_from_json(json.dumps(SPLIT)))
    (row,) = json.loads(train(*quick, "--split", "mine", "--json")[1])[0]["configurations"]
    assert (row["split"], row["models"]) == ("mine", 2)
    assert [row["state"] for row in json.loads(train(*quick, "--background", "--json")[1])] == ["queued"]
    for option, value, why in (
        ("--sizes", "3/2", "such as 20/5/5"),
        ("--ratios", "a", "such as 1,0.5,0"),
        ("--ranges", "0.1-0.3", "such as 0.1:0.3"),
        ("--split", "none", "No split 'none'"),
    ):
        status, _, err = train(*quick, option, value)
        assert (status, why in err) == (2, True), err


def test_what_the_classes_do_not_allow_is_refused_before_anything_is_queued(
    workspace: Workspace, dataset: Dataset, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("--sizes", "3/2/2")
    for options, why in (
        ((), "Cluster 0 has 7 classes; ratio 1 needs 30 .* sizes 3/2/2 would fit"),
        (("--sizes", "5/2/2"), "Cluster 0 has 7 classes; ratio 1 needs 9 .* sizes 3/2/2 would fit"),
        (("--clusters", "1", *small), "one cluster only; .* choose more clusters, or the ratio 1 alone"),
        (("--clusters", "500", *small), "500 clusters are asked for, and there are 21 classes: .* 1 to 21"),
        (("--clusters", "9", *small), "not even 2/1/2 would fit: choose fewer clusters"),
        (("--setup", "diversity", "--ranges", "0.999:1", *small), r"within \(0.999, 1\]: seed 0 came to 1 "),
        (("--setup", "diversity", "--test-sets", "9", *small), "sizes 3/2/2 with 9 test .* need 39;"),
    ):
        status, _, err = train(*options)
        assert (status, re.search(why, err) is not None) == (2, True), (options, err)
        assert not workspace.queue.jobs()
    # Where classes lie is not known without a space; how many there are is.
    other = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/other")
    monkeypatch.setattr("jobs.cli.train.space_of", lambda *_: other)
    status, _, err = train("--background")
    assert (status, "There are 21 classes; sizes 20/5/5 need 30: ask for fewer." in err) == (2, True)
    assert not workspace.queue.jobs()
    assert train("--background", "--clusters", "1", *small)[0] == 0
    assert len(workspace.queue.jobs()) == 2


def test_every_option_of_the_recipe_is_taken_with_given_splits(train: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(SPLIT))
    wanted = {
        "epochs": 7, "learning_rate": 0.5, "batch_size": 3, "margin": 0.2, "patience": 4, "momentum": 0.9,
        "hidden": 5, "shared": 6,
    }  # fmt: skip
    options = [v for name, value in wanted.items() for v in (f"--{name.replace('_', '-')}", str(value))]
    status, out, err = train("--split", str(file), *options, "--standardise", "--sampled", "--print-spec")
    assert status == 0, err
    spec = from_json(json.loads(out))
    assert isinstance(spec, ZeroShotGrid)
    assert spec.recipe == Recipe(**wanted, standardise=True, sampled=True)
    assert {f.name for f in fields(Recipe)} == {*wanted, "standardise", "sampled"}


def test_splits_from_the_command_line(
    workspace: Workspace, dataset: Dataset, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARSPACE_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "mine.json"

    def ask(command: str, *arguments: str, dataset: str = "sounds") -> tuple[int, str, str]:
        return call(capsys, "splits", command, dataset, *arguments)

    def save(name: str, split: dict[str, Any], *options: str) -> tuple[int, str]:
        file.write_text(json.dumps(split))
        status, _, err = ask("save", name, str(file), *options)
        return status, err

    assert "No split of sounds is saved yet" in ask("list")[1]
    assert save("mine", SPLIT)[0] == 0
    status, err = save("mine", SPLIT)
    assert (status, "already" in err) == (2, True)
    assert save("mine", SPLIT, "--replace")[0] == 0
    (row,) = json.loads(ask("list", "--json")[1])
    known = {"name": "mine", "train": 4, "validation": 2, "test": 2, "problem": ""}
    assert row | known == row
    out = ask("show", "mine")[1]
    assert split_from_json(out) == splits.load(workspace, "sounds", "mine")
    monkeypatch.setattr("sys.stdin", io.StringIO(out))
    assert ask("save", "again", "-")[0] == 0
    for test, why in (
        (["cat", "dog"], "names 'cat', 'dog', which the dataset does not have"),
        (LABELS[:2], "'class 00' is both"),
    ):
        status, err = save("other", SPLIT | {"test": test})
        assert (status, why in err) == (2, True)
    assert ask("save", "other", str(tmp_path / "none.json"))[0] == 2
    assert ask("list", dataset="nowhere")[0] == 2
    # One that does not fit the classes any more is listed with what is wrong.
    add(workspace, clip_table().iloc[: 3 * PER_CLASS], class_table(LABELS[:3]))
    assert [("does not have" in row["problem"]) for row in json.loads(ask("list", "--json")[1])] == [
        True,
        True,
    ]
    assert ask("delete", "again")[0] == 0
    assert splits.names(workspace, "sounds") == ["mine"]
    assert ask("delete", "again")[0] == 2
