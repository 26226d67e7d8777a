"""Grids of contrastive models as jobs: who is trained on what, numbers recomputed, and bad input."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import silhouette_score

from core.contrastive import CLAP, PAPER, SMALL, ContrastiveRecipe, embed_sounds
from core.leakage import find_leaks
from core.training import engine
from jobs import contrastive_presets as contrastive
from jobs import demo
from jobs.cli import contrastive as cli
from jobs.contrastive_presets import grid_of, held_out_classes, spaces_of, starts_of, texts_of_grid
from jobs.datasets.importer import import_dataset
from jobs.engine import live, shards
from jobs.engine.inprocess import run
from jobs.engine.training import TrainingFolder
from jobs.sound import files as audio
from jobs.specs import (
    ContrastiveGrid,
    EmbedAudio,
    SpecError,
    Synthesize,
    ZeroShotClassification,
    from_json,
)
from jobs.tasks.contrastive import networks
from jobs.tasks.contrastive.sounds import stored_sounds
from jobs.workspace.captions import captions_of
from jobs.workspace.workspace import Dataset, Workspace
from tests.jobs import tiny_models
from tests.jobs.test_cli import call
from tests.jobs.tones import write_tones

WORLD = Synthesize(classes=24, clips_per_class=4, seconds=0.5)
TINY: dict[str, Any] = {
    "sample_rate": 8_000,
    "seconds": 0.4,
    "n_mels": 16,
    "width": 2,
    "backbone_dim": 8,
    "dim": 6,
    "max_epochs": 3,
    "frozen_epochs": 1,
    "pretrain_epochs": 2,
    "batch_size": 16,
    "frozen_rate": 0.01,
    "rate": 0.01,
}
LOAD = networks.encoders.load
MODELS = ["dirty/dirty", "dirty/clean", "clean/dirty", "clean/clean", "none/dirty", "none/clean"]


class Words:
    """A text encoder that needs no weights: each word has a direction of its own."""

    dimensions = 12

    def embed(self, texts: list[str]) -> np.ndarray:
        return np.stack([sum(map(self._word, text.lower().split()), np.zeros(12)) for text in texts])

    @staticmethod
    def _word(word: str) -> np.ndarray:
        return np.random.default_rng(list(word.strip(".").encode())).standard_normal(12)


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Embed texts without a network, in one thread; lay maps out in no time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks.encoders, "load", lambda *a, **k: Words())
        patch.setattr("jobs.tasks.contrastive.measures.FEWEST", 40)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace.open(tmp_path_factory.mktemp("contrastive"))
    found.add_synthetic("world", WORLD)
    assert run(found, WORLD).state == "done"
    return found


@pytest.fixture(scope="module")
def dataset(workspace: Workspace) -> Dataset:
    return workspace.dataset("world")


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> ContrastiveGrid:
    return grid_of(dataset, **TINY)


@pytest.fixture(scope="module")
def found(workspace: Workspace, spec: ContrastiveGrid) -> Any:
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return workspace.cache.open(spec.key)


def table(found: Any, name: str) -> pd.DataFrame:
    return found.table(name).to_pandas()


def test_two_runs_agree_to_the_bit(
    found: Any, spec: ContrastiveGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other numbers of threads free and the machine at work, also where texts are embedded."""
    noted: set[int] = set()

    class Noting(Words):
        def embed(self, texts: list[str]) -> np.ndarray:
            noted.add(torch.get_num_threads())
            return super().embed(texts)

    monkeypatch.setattr(networks.encoders, "load", lambda *a, **k: Noting())
    other = Workspace.open(tmp_path)
    other.add_synthetic("world", WORLD)
    assert run(other, WORLD).state == "done"
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            torch.ones(300, 300).mm(torch.ones(300, 300))

    busy = threading.Thread(target=work)
    torch.set_num_threads(3)
    busy.start()
    try:
        assert run(other, spec).state == "done"
    finally:
        stop.set()
        busy.join()
        torch.set_num_threads(1)
    again = other.cache.open(spec.key)
    names = ["curves", "pretrain_curves", "text_x0", *(f"audio_x0_{row}" for row in range(3))]
    names += [f"{what}_{i}" for i in range(6) for what in ("audio_xa", "audio_Ea", "text_xt", "text_Et")]
    for name in names:
        np.testing.assert_array_equal(again.array(name), found.array(name), err_msg=name)
    pd.testing.assert_frame_equal(table(again, "models"), table(found, "models"), check_exact=True)
    assert noted == {1}


def failure(workspace: Workspace, spec: ContrastiveGrid) -> str:
    job = run(workspace, spec)
    assert job.state == "failed"
    return str(job.error)


def test_recipes_are_those_of_core(dataset: Dataset) -> None:
    assert grid_of(dataset).recipe == SMALL
    assert grid_of(dataset, recipe="paper").recipe == PAPER
    assert grid_of(dataset, recipe="paper").backbone == "cnn14"
    clap = grid_of(dataset, recipe="clap")
    assert clap.recipe == CLAP == replace(PAPER, projector="clap")
    assert (clap.backbone, clap.prompts) == ("cnn14", ("this is a sound of {}",))
    assert clap.text_encoder == "class-token:google-bert/bert-base-uncased"
    fields = set(ContrastiveRecipe.__dataclass_fields__)
    assert fields < set(ContrastiveGrid.__dataclass_fields__)


def test_captions_are_kept_in_the_shared_space_of_every_model(found: Any, dataset: Dataset) -> None:
    clips = table(found, "clips")
    train = set(clips["clip_id"][clips["part"] == "train"])
    given = captions_of(dataset)
    expected = sorted(set(given["caption"][given["clip_id"].isin(train)]))
    assert table(found, "captions")["caption"].tolist() == expected
    for model in range(len(MODELS)):
        E = found.array(f"caption_Et_{model}")
        assert E.shape == (len(expected), TINY["dim"])
        np.testing.assert_allclose(np.linalg.norm(E, axis=1), 1, atol=1e-5)


def test_every_setting_can_be_given_on_the_command_line() -> None:
    options = set(inspect.signature(cli.train).parameters) | set(cli._OTHERS)
    assert set(ContrastiveRecipe.__dataclass_fields__) <= options
    assert {"backbone", "n_mels", "backbone_dim", "width"} <= options


def test_every_fourth_class_of_a_family_is_tested(dataset: Dataset) -> None:
    tested = held_out_classes(dataset)
    families = dataset.classes.groupby("family", sort=False)["label"].apply(list)
    assert tested == tuple(sorted(labels[3] for labels in families))
    assert held_out_classes(dataset, ["Meow", "Bark"]) == ("Bark", "Meow")


def test_parts_are_as_promised(found: Any, spec: ContrastiveGrid, dataset: Dataset) -> None:
    clips, models = table(found, "clips"), table(found, "models")
    tested = found.meta["test_classes"]
    assert clips["clip_id"].tolist() == dataset.clips["clip_id"].tolist()
    test = clips[clips["part"] == "test"]
    assert test["label"].value_counts().to_dict() == dict.fromkeys(tested, 2)
    # The test clips of every class are those of the same folds.
    folds = dataset.clips.set_index("clip_id")["fold"][test["clip_id"]]
    assert folds.nunique() == 2
    captions = captions_of(dataset)
    said = captions[~captions["clip_id"].isin(test["clip_id"])]
    leaks = find_leaks(said["caption"], tested, mode="words")
    leaking = set(said["clip_id"].iloc[leaks["row"]])
    clean = said[~said["clip_id"].isin(leaking)]
    assert models["name"].tolist() == MODELS
    assert models["n_pairs"].tolist() == [len(said), len(clean)] * 3
    assert models["n_removed"].tolist() == [0, len(said) - len(clean)] * 3
    used = models["n_train_clips"] + models["n_validation_clips"]
    assert used.tolist() == [said["clip_id"].nunique(), clean["clip_id"].nunique()] * 3
    # Every clip of a test class has a caption that names it.
    assert not set(dataset.clips.set_index("clip_id")["label"][clean["clip_id"]]) & set(tested)
    assert found.meta["n_unnamed"] == 0
    stored = table(found, "leaks")
    assert set(stored["clip_id"]) == leaking
    assert len(stored) == len(leaks)
    before = table(found, "pretraining").set_index("pretraining")
    left_out = set(table(found, "label_leaks")["label"])
    assert left_out >= set(tested)
    assert before["n_classes"].to_dict() == {"dirty": 24, "clean": 24 - len(left_out), "none": 0}
    assert before["source"].tolist() == ["trained here", "trained here", "random weights"]
    kept = clips[(clips["part"] == "train") & ~clips["label"].isin(left_out)]
    assert before["n_clips"].tolist() == [96 - len(test), len(kept), 0]


def test_numbers_are_those_of_the_spaces_that_are_stored(found: Any, spec: ContrastiveGrid) -> None:
    clips, texts, models = table(found, "clips"), table(found, "texts"), table(found, "models")
    test, told = (clips["part"] == "test").to_numpy(), texts["test"].to_numpy()
    labels = clips["label"][test].to_numpy()
    names = texts["id"][told].to_numpy()
    assert texts["id"].tolist() == sorted(texts["id"])
    assert names.tolist() == found.meta["test_classes"]
    predictions, classes = table(found, "predictions"), table(found, "classes")
    for i, model in models.iterrows():
        spaces = {part: np.asarray(found.array(f"audio_{part}_{i}"), np.float64) for part in ("xa", "Ea")}
        words = {part: np.asarray(found.array(f"text_{part}_{i}"), np.float64) for part in ("xt", "Et")}
        np.testing.assert_allclose(np.linalg.norm(spaces["Ea"], axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(words["Et"], axis=1), 1, atol=1e-5)
        scores = spaces["Ea"][test] @ words["Et"][told].T
        guess = names[scores.argmax(axis=1)]
        assert model["accuracy"] == pytest.approx((guess == labels).mean())
        own = predictions[predictions["model"] == i]
        assert own["predicted"].tolist() == guess.tolist()
        assert own["clip_id"].tolist() == clips["clip_id"][test].tolist()
        np.testing.assert_allclose(own["score"], scores.max(axis=1), atol=1e-5)
        expected = [scores[j, list(names).index(label)] for j, label in enumerate(labels)]
        np.testing.assert_allclose(own["own_score"], expected, atol=1e-5)
        by_class = {name: (guess == labels)[labels == name].mean() for name in names}
        rows = classes[classes["model"] == i]
        assert dict(zip(rows["label"], rows["accuracy"], strict=True)) == pytest.approx(by_class)
        confusion = pd.crosstab(labels, guess).reindex(index=names, columns=names, fill_value=0)
        np.testing.assert_array_equal(found.array("confusion")[i], confusion)
        for part in ("xa", "Ea"):
            expected = silhouette_score(spaces[part][test], labels, metric="cosine")
            assert model[f"silhouette_{part}"] == pytest.approx(expected, abs=1e-6)
        means = {p: np.stack([X[test][labels == n].mean(axis=0) for n in names]) for p, X in spaces.items()}
        means |= {part: X[told] for part, X in words.items()}
        for a, b in (("xa", "Ea"), ("xt", "Et"), ("Ea", "Et")):
            k, overlap = model[f"overlap_{a}_{b}_k"], model[f"overlap_{a}_{b}"]
            assert k == 1  # a fifth of six classes
            shared = np.mean([nearest(means[a], j) == nearest(means[b], j) for j in range(len(names))])
            chance = 1 / (len(names) - 1)
            assert overlap == pytest.approx((shared - chance) / (1 - chance))
            assert model[f"overlap_{a}_{b}_plain"] == pytest.approx(shared)
            assert model[f"overlap_{a}_{b}_literal"] == 1
    for _, row in table(found, "correlations").iterrows():
        y = models["accuracy"][models["accuracy"] > 0] if row["y"] == "log_accuracy" else models["accuracy"]
        x = models[row["x"]][y.index]
        if y.nunique() < 2 or x.nunique() < 2:
            assert np.isnan(row["r"])
            continue
        expected = stats.pearsonr(x, np.log(y) if row["y"] == "log_accuracy" else y)
        assert row["r"] == pytest.approx(expected.statistic)
        assert row["p"] == pytest.approx(expected.pvalue)
        assert row["n"] == len(y)


def test_both_correlations_of_similarity_are_printed_and_told_apart() -> None:
    rng = np.random.default_rng(0)
    names = ("accuracy", "silhouette_xa", "silhouette_Ea", "overlap_Ea_Et", "overlap_Ea_Et_plain")
    models = pd.DataFrame({name: rng.uniform(0.1, 0.9, 6) for name in names}).assign(failed="")
    lines = cli._correlation_lines(cli._correlations(models))
    for line, name, start in zip(
        lines[1:],
        ("overlap_Ea_Et", "overlap_Ea_Et_plain"),
        (
            "overlap Ea Et, above chance, and log accuracy",
            "overlap Ea Et, plain as in the paper, and log accuracy",
        ),
        strict=True,
    ):
        r = stats.pearsonr(models[name], np.log(models["accuracy"]))
        assert line.startswith(f"{start}: r = {r.statistic:.3f} ("), line
    assert lines[0].startswith("silhouette Ea and accuracy: r = ")


def nearest(X: np.ndarray, i: int) -> int:
    cosine = X @ X[i] / np.linalg.norm(X, axis=1)
    cosine[i] = -np.inf
    return int(cosine.argmax())


def test_what_else_is_stored(found: Any, spec: ContrastiveGrid, workspace: Workspace, tmp_path: Path) -> None:
    assert found.array("curves").shape == (6, 5, 3)
    assert np.isfinite(found.array("curves")).all()
    curves = found.array("pretrain_curves")
    assert curves.shape == (3, 4, 2)
    assert np.isfinite(curves[:2]).all()
    assert np.isnan(curves[2]).all()
    n, T = found.meta["n_test"], found.meta["n_test_classes"]
    for i in range(6):
        for part, size in (("xa", n), ("Ea", n), ("xt", T), ("Et", T)):
            assert found.array(f"map_{part}_{i}").shape == (size, 2)
            assert np.isfinite(found.array(f"map_{part}_{i}")).all()
        w, x = found.tensors(f"weights_{i}"), found.array(f"audio_xa_{i}")
        layer = {name.removeprefix("audio_projector."): value for name, value in w.items()}
        hidden = np.maximum(x @ layer["first.weight"].T + layer["first.bias"], 0)
        E = hidden @ layer["second.weight"].T + layer["second.bias"]
        E /= np.linalg.norm(E, axis=1, keepdims=True)
        np.testing.assert_allclose(found.array(f"audio_Ea_{i}"), E, atol=1e-5)
        assert any(name.startswith("audio.") for name in w)
    assert [found.array(f"map_x0_{row}").shape for row in range(3)] == [(n, 2)] * 3
    assert found.array("map_xt0").shape == (T, 2)
    assert set(found.meta["maps"].values()) == {"pca"}
    assert found.meta["recipe"] == asdict(spec.recipe)
    # Texts are as they come from the encoder, and a backbone that was not pre-trained is random.
    texts = table(found, "texts")
    np.testing.assert_allclose(found.array("text_x0"), Words().embed(texts["text"].tolist()), atol=1e-5)
    np.testing.assert_array_equal(found.array("text_x0"), found.array("text_xt_3"))
    sounds, _ = stored_sounds(workspace.dataset("world"), tmp_path, 8_000, lambda done, total: None)
    random = embed_sounds(networks.backbone_of(spec), sounds, recipe=spec.recipe)
    np.testing.assert_allclose(found.array("audio_x0_2"), random, atol=1e-5)


def test_parts_become_spaces_that_are_classified(
    found: Any, spec: ContrastiveGrid, workspace: Workspace, dataset: Dataset
) -> None:
    spaces, texts = spaces_of(spec), texts_of_grid(spec, dataset)
    assert len(spaces) == len(texts) == 12
    for space in (spaces[3], starts_of(spec)[1]):
        assert run(workspace, space).state == "done"
        made = workspace.cache.open(space.key).array("embeddings")
        np.testing.assert_array_equal(made, found.array(f"audio_{space.run}"))
    assert spaces[3].run == "Ea_1"
    assert spaces[3].encoder.startswith("trained:ea-dirty-clean@")
    told = spaces_of(spec, ["clean/dirty"])
    assert [space.run for space in told] == ["xa_2", "Ea_2"]
    with pytest.raises(SpecError, match="no model 'dirty'"):
        spaces_of(spec, ["dirty"])
    every = ZeroShotClassification(embedding=spaces[3], texts=(texts[3],), labels=dataset.labels_fingerprint)
    some = replace(every, classes=tuple(found.meta["test_classes"]))
    for asked in (every, some):
        job = run(workspace, asked)
        assert job.state == "done", job.error
    assert workspace.cache.open(every.key).meta["n"] == 96
    predicted = table(workspace.cache.open(some.key), "predictions").set_index("clip_id")["predicted"]
    own = table(found, "predictions").query("model == 1").set_index("clip_id")["predicted"]
    assert predicted[own.index].tolist() == own.tolist()


def test_job_that_was_killed_goes_on(
    found: Any, spec: ContrastiveGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SECONDS", 0.0)  # save after every epoch
    monkeypatch.setattr(engine, "_SAVING", 1.0)
    other = Workspace.open(tmp_path)
    other.add_synthetic("world", WORLD)
    save, saves = TrainingFolder.save, []

    def killed(self: TrainingFolder, name: str, arrays: dict[str, np.ndarray]) -> None:
        save(self, name, arrays)
        saves.append(self.path.name)
        if saves.count("training") == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingFolder, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run(other, spec)
    monkeypatch.setattr(TrainingFolder, "save", save)
    left = {path.name for path in (other.queue.folder(spec.key) / "checkpoint").iterdir()}
    assert {"sounds.s16", "sounds.npz", "texts.npz", "training", "pretraining-dirty"} <= left
    seen: list[float] = []
    job = run(other, spec, lambda job, done, total, note: seen.append(done / total))
    assert job.state == "done"
    assert seen == sorted(seen)
    assert "Resuming after" in other.queue.log(spec.key)
    again = other.cache.open(spec.key)
    np.testing.assert_array_equal(again.array("curves"), found.array("curves"))
    pd.testing.assert_frame_equal(table(again, "models"), table(found, "models"), check_exact=True)


def test_a_loss_that_is_no_number_ends_that_model(workspace: Workspace, spec: ContrastiveGrid) -> None:
    wild = replace(spec, pretraining=("none",), frozen_epochs=0, rate=1e30, max_epochs=2)
    job = run(workspace, wild)
    assert job.state == "done", job.error
    made = workspace.cache.open(wild.key)
    models = table(made, "models")
    assert models["failed"].str.contains("no longer a number in epoch").all()
    assert models["accuracy"].isna().all()
    assert made.meta["note"].startswith("2 of 2 models failed. The ")
    assert len(table(made, "predictions")) == 0
    assert np.isnan(made.array("audio_Ea_0")).all()
    assert str(models["failed"][0]) in workspace.queue.log(wild.key)
    assert "its model failed" in str(run(workspace, spaces_of(wild)[1]).error)


def test_a_pretraining_that_fails_takes_its_models_and_no_others(
    workspace: Workspace, spec: ContrastiveGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.engine.live.WRITE_EVERY", 0.0)
    wild = replace(spec, pretraining=("dirty", "none"), pretrain_rate=1e30, max_epochs=2)
    seen: dict[str, list[live.Live]] = {stage: [] for stage in STAGES}

    def report(*_: Any) -> None:
        for stage, found in seen.items():
            if (now := live.read(workspace, wild.key, stage=stage)) is not None:
                found.append(now)

    job = run(workspace, wild, report)
    assert job.state == "done", job.error
    made = workspace.cache.open(wild.key)
    models, before = table(made, "models"), table(made, "pretraining")
    why = "The dirty pre-training failed. The "
    assert [str(text).startswith(why) for text in models["failed"]] == [True, True, False, False]
    assert models["accuracy"].isna().tolist() == [True, True, False, False]
    assert models["best_epoch"].tolist()[:2] == [0, 0]
    assert np.isnan(before["silhouette_x0"]).tolist() == [True, False]
    assert before["best_epoch"].tolist() == [0, 0]
    assert np.isnan(made.array("audio_x0_0")).all()
    assert np.isfinite(made.array("audio_Ea_2")).all()
    assert workspace.queue.log(wild.key).count(why) == 1
    # Alone, the models that are left come to the same.
    alone = replace(wild, pretraining=("none",))
    assert run(workspace, alone).state == "done"
    rest = table(workspace.cache.open(alone.key), "models")
    assert models["accuracy"].tolist()[2:] == rest["accuracy"].tolist()
    # What was shown meanwhile is what the result holds, and is gone with the job.
    last = seen[contrastive.LIVE_TRAINING][-1]
    assert last.curves.shape == (4, 5, 2)
    there = np.isfinite(last.curves)
    np.testing.assert_array_equal(last.curves[there], made.array("curves")[there])
    assert last.epochs_done.tolist()[:2] == [0, 0]
    assert seen[contrastive.LIVE_PRETRAINING][-1].curves.shape == (2, 4, 2)
    assert live.read(workspace, wild.key, stage=contrastive.LIVE_TRAINING) is None


STAGES = (contrastive.LIVE_PRETRAINING, contrastive.LIVE_TRAINING)


@pytest.mark.parametrize("recipe", ["small", "clap"])
def test_a_text_backbone_is_tuned(
    recipe: str, workspace: Workspace, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks.encoders, "load", LOAD)
    model = tiny_models.sentence_model(tmp_path)
    encoder = f"class-token:{model.parent / 'base'}" if recipe == "clap" else f"sentence-transformers:{model}"
    small = {**TINY, "text_encoder": encoder, "pretraining": ("none",), "training": ("dirty",)}
    more = {"backbone": "small"} if recipe == "clap" else {"prompts": ("{}", "the sound of {}")}
    tuned = grid_of(dataset, recipe=recipe, **small, **more, tune_text=True)
    job = run(workspace, tuned)
    assert job.state == "done", job.error
    made = workspace.cache.open(tuned.key)
    before, after = made.array("text_x0"), made.array("text_xt_0")
    assert before.shape == after.shape == (24, 16)
    assert table(made, "models")["best_epoch"][0] > 1
    assert np.abs(before - after).max() > 1e-3
    assert made.meta["parameters"]["text"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretraining": ()}, "pretraining is empty"),
        ({"training": ("dirty", "dirty")}, "each once"),
        ({"leaks": "letters"}, "leaks is 'letters'"),
        ({"test_classes": ("Bark",)}, "one test class"),
        ({"test_classes": "Bark"}, "test_classes is the text 'Bark'; give a list"),
        ({"prompts": ("a sound",)}, "must hold {} once"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"validation_by": "file"}, "validation_by is 'file'"),
        ({"checkpoint_file": "x.pth"}, "goes with the backbone cnn14"),
        ({"backbone": "cnn14", "checkpoint_file": "/nowhere/x.pth"}, "cannot be read"),
        ({"backbone": "cnn14", "checkpoint_file": "/dev/zero"}, "/dev/zero is no file"),
        ({"backbone": "cnn14", "checkpoint_file": "/"}, "/ is no file"),
        ({"test_classes": ("Bark", "Unicorn")}, "'Unicorn' alone"),
        ({"recipe": "big"}, "recipe is 'big'"),
    ],
)
def test_what_cannot_be_asked_for(dataset: Dataset, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        grid_of(dataset, **changes)


def test_what_turns_out_to_be_impossible(
    workspace: Workspace, dataset: Dataset, spec: ContrastiveGrid
) -> None:
    every = tuple(dataset.classes["label"].astype(str))
    assert "0 clips with captions are left for clean training" in failure(
        workspace, replace(spec, test_classes=every, pretraining=("none",))
    )
    assert "classes are left for clean pre-training" in failure(
        workspace, replace(spec, test_classes=every, training=("dirty",))
    )
    assert "cannot be trained" in failure(
        workspace, replace(spec, text_encoder="transformers:x/y", identity=OTHER, tune_text=True)
    )
    assert "captions of world have changed" in failure(workspace, replace(spec, captions="0" * 64))
    assert "has changed since" in failure(workspace, replace(spec, identity="minilm/0"))


OTHER = "transformers/1:x/y"


def test_a_dataset_without_captions_or_classes(tmp_path: Path) -> None:
    root = write_tones(tmp_path / "sounds", n_clips=6, n_classes=3)
    other = Workspace.open(tmp_path / "workspace")
    tones = other.add_dataset("tones", import_dataset("folder", root), adapter="folder", root=root)
    with pytest.raises(SpecError, match="tones has no captions to train on"):
        grid_of(tones)
    with pytest.raises(SpecError, match="tones has 3 classes of two or more clips"):
        held_out_classes(tones)


def test_captions_without_classes_are_trained_on_and_a_file_stands_for_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks.Cnn14, "channels", (2, 3, 4, 4, 5, 6))
    root = write_tones(tmp_path / "sounds", n_clips=16, n_classes=2, seconds=1.3)
    said = [f"tone {i % 2}," if i < 6 else f",word {i}" for i in range(16)]
    rows = [f"tone {i % 2}/{i:04d}.wav,{text}" for i, text in enumerate(said)]
    (root / "clips.csv").write_text("\n".join(["path,label,caption", *rows]))
    other = Workspace.open(tmp_path / "workspace")
    both = other.add_dataset("both", import_dataset("csv", root), adapter="csv", root=root)
    file = tmp_path / "cnn14.pth"
    weights = networks.Cnn14(sample_rate=8_000, fmax=4_000, seed=7).state_dict()
    torch.save({"model": weights}, file)
    asked = {
        **TINY,
        "seconds": 1.3,
        "backbone": "cnn14",
        "test_classes": ("tone 0", "tone 1"),
        "test_share": 1.0,
    }
    spec = grid_of(both, **asked, pretraining=("dirty",), checkpoint_file=str(file))
    job = run(other, spec)
    assert job.state == "done", job.error
    made = other.cache.open(spec.key)
    assert table(made, "clips")["part"].tolist() == ["test"] * 6 + ["train"] * 10
    assert table(made, "pretraining")["source"].tolist() == ["file"]
    assert len(spec.checkpoints[0]) == 64
    assert "classes are left for dirty pre-training" in failure(other, grid_of(both, **asked))
    later = replace(spec, seed=1)
    file.write_bytes(file.read_bytes() + b"0")
    assert "cnn14.pth has changed since" in failure(other, later)
    assert grid_of(both, **asked, pretraining=("dirty",), checkpoint_file=str(file)).key != spec.key


def test_the_demo_trains_them_where_there_are_clips_to_test(tmp_path: Path) -> None:
    other = Workspace.open(tmp_path)
    for clips, n in ((2, 1), (1, 0)):
        other.add_synthetic(demo.NAME, Synthesize(clips_per_class=clips))
        wanted = demo.presets(other)
        assert len({spec.key for spec in wanted}) == len(wanted)
        grids = [spec for spec in wanted if isinstance(spec, ContrastiveGrid)]
        assert len(grids) == n
        assert sum(space.source in grids for space in wanted if isinstance(space, EmbedAudio)) == 6 * n


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("held", ["text", "nothing", "code", "list", "other"])
def test_a_file_that_is_no_checkpoint_of_cnn14(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks.Cnn14, "channels", (2, 3, 4, 4, 5, 6))
    file = tmp_path / "x.pth"
    if held in ("text", "nothing"):
        file.write_text("hello" if held == "text" else "")
    else:
        torch.save({"code": Code(), "list": [1, 2], "other": {"model": {"a": torch.ones(2)}}}[held], file)
    with pytest.raises(ValueError, match="no checkpoint|not the weights|not of PANNs' CNN14"):
        networks.load_checkpoint(networks.Cnn14(), str(file))
    assert not Path("executed").exists()


def test_sounds_are_decoded_once_and_read_in_crops(dataset: Dataset, tmp_path: Path) -> None:
    seen: list[int] = []
    sounds, unreadable = stored_sounds(dataset, tmp_path, 8_000, lambda done, total: seen.append(done))
    assert (seen, unreadable) == ([32, 64, 96], {})
    ids = dataset.clips["clip_id"]
    whole = [audio.decode(dataset.audio_path(id), 8_000)[0] for id in ids]
    assert sounds.lengths.tolist() == [len(x) for x in whole]
    rows, starts = np.array([5, 90, 41]), np.array([0, 700, 3_990])
    crops = sounds.crop(rows, starts, 1_000)
    for crop, row, start in zip(crops, rows, starts, strict=True):
        part = whole[row][start : start + 1_000]
        np.testing.assert_allclose(crop[: len(part)], part, atol=2 * np.abs(whole[row]).max() / 65_534)
        assert not crop[len(part) :].any()
    # Cut off between samples and index: what the index knows stays, the rest is decoded again.
    kept = shards.load(tmp_path / "sounds.npz", ("starts", "lengths", "scales", "reasons"))
    assert kept is not None
    shards.save(tmp_path / "sounds.npz", **{name: values[:32] for name, values in kept.items()})
    before, seen[:] = (tmp_path / "sounds.s16").read_bytes(), []
    again, _ = stored_sounds(dataset, tmp_path, 8_000, lambda done, total: seen.append(done))
    assert seen == [64, 96]
    assert (tmp_path / "sounds.s16").read_bytes() == before
    np.testing.assert_array_equal(again.crop(rows, starts, 1_000), crops)


def test_the_command_trains_keeps_and_prints(
    found: Any,
    spec: ContrastiveGrid,
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--max-epochs", "3", "--frozen-epochs", "1", "--pretrain-epochs", "2", "--seconds", "0.4"]
    options += ["--sample-rate", "8000", "--dim", "6", "--pretraining", "none", "--test-class", "Bark"]
    options += ["--test-class", "Meow", "--leaks", "names", "--keep"]
    options += ["--set", "width=2", "--set", "n_mels=16", "--set", "backbone_dim=8"]
    options += ["--set", "plateau_factor=0.5", "--set", "standardise=no", "--set", "captions_a_clip=none"]
    where = ("-w", str(workspace.root))
    status, out, err = call(capsys, "train", "contrastive", "world", *options, "--json", *where)
    assert status == 0, err
    (told,) = json.loads(out)
    assert [model["name"] for model in told["models"]] == ["none/dirty", "none/clean"]
    assert told["test_classes"] == ["Bark", "Meow"]
    assert {"overlap_Ea_Et", "overlap_Ea_Et_plain"} < {row["x"] for row in told["correlations"]}
    grids = contrastive.grids_of(workspace, workspace.dataset("world"))
    (made,) = [grid for grid in grids if grid.key == told["key"]]
    assert (made.leaks, made.max_epochs) == ("names", 3)
    assert (made.plateau_factor, made.standardise, made.captions_a_clip) == (0.5, False, None)
    for text, says in (
        ("rate=1", "one of hidden"),
        ("clamp=x", "is a number"),
        ("width=", "is a whole number"),
    ):
        status, _, err = call(capsys, "train", "contrastive", "world", "--set", text, *where)
        assert (status, says in err) == (2, True), err
    assert all(workspace.cache.contains(space.key) for space in spaces_of(made))
    status, out, _ = call(capsys, "train", "contrastive", "world", *options, *where)
    assert status == 0
    assert "none/dirty" in out
    status, out, _ = call(capsys, "train", "contrastive", "world", *options, "--print-spec", *where)
    assert from_json(json.loads(out)) == made
    status, out, err = call(
        capsys, "train", "contrastive", "world", *options, "--seeds", "2", "--json", *where
    )
    assert status == 0, err
    (over,) = json.loads(out)
    frames = [workspace.cache.open(key).table("models").to_pandas() for key in over["keys"]]
    assert over["seeds"] == [0, 1]
    assert over["keys"][0] == made.key
    values = [float(frame["accuracy"][1]) for frame in frames]
    row = over["models"][1]
    assert (row["name"], row["n"], row["accuracy_high"]) == ("none/clean", 2, max(values))
    assert row["accuracy"] == pytest.approx(np.mean(values))
    status, out, _ = call(capsys, "train", "contrastive", "world", *options, "--seeds", "2", *where)
    line = next(line for line in out.splitlines() if line.startswith("none/clean"))
    assert [float(word) for word in line.split()[1:5]] == pytest.approx(
        [2, np.mean(values), min(values), max(values)], abs=1e-3
    )
    name = spaces_of(made)[1].encoder
    status, out, err = call(capsys, "classify", "world", name, "--class", "Bark", "--class", "Meow", *where)
    assert status == 0, err
    assert "of 8 clips among 2 classes; chance is 0.500" in out
    # A space like any other, on the command line as well.
    file = tmp_path / "space.npz"
    status, _, err = call(capsys, "export", "world", name, str(file), *where)
    assert status == 0, err
    np.testing.assert_array_equal(
        np.load(file)["embeddings"], workspace.cache.open(made.key).array("audio_Ea_0")
    )
    status, out, err = call(capsys, "measure", "world", name, "--json", *where)
    assert (status, json.loads(out)[0]["dimensions"]) == (0, 6), err
    status, _, err = call(capsys, "project", "world", "trained:ea-x@000000", *where)
    assert (status, "No space 'trained:ea-x@000000' of world was kept; there are" in err) == (2, True), err
    status, _, err = call(capsys, "classify", "world", "trained:ea-x@000000", *where)
    assert (status, "there are trained:ea-none-dirty@" in err) == (2, True)
