"""Training on curated pairs as a job: what is paired, numbers recomputed, commands, and bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from jobs import contrastive_presets as contrastive
from jobs.engine.inprocess import run
from jobs.specs import CuratedTraining, EmbedAudio, SpecError, Synthesize, from_json
from jobs.tasks.contrastive import networks
from jobs.tasks.contrastive.curation import accuracies, differences
from jobs.workspace.captions import captions_of
from jobs.workspace.workspace import Dataset, Workspace
from tests.jobs import tiny_models
from tests.jobs.test_cli import call
from tests.jobs.test_contrastive import TINY, Words

WORLD = Synthesize(classes=24, clips_per_class=4, seconds=0.5)
FEW: dict[str, Any] = {"n_seeds": 2, "max_epochs": 2, "rate": 1e-3, "batch_size": 16}


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Embed the texts of the grid without a network, in one thread; lay maps out in no time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    load = networks.encoders.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            networks.encoders, "load", lambda name, **k: Words() if name == "minilm" else load(name, **k)
        )
        patch.setattr("jobs.tasks.contrastive.measures.FEWEST", 40)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace.open(tmp_path_factory.mktemp("curated"))
    made.add_synthetic("world", WORLD)
    assert run(made, WORLD).state == "done"
    return made


@pytest.fixture(scope="module")
def dataset(workspace: Workspace) -> Dataset:
    return workspace.dataset("world")


@pytest.fixture(scope="module")
def space(workspace: Workspace, dataset: Dataset) -> EmbedAudio:
    """E_a of a small model that was trained here."""
    grid = contrastive.grid_of(dataset, pretraining=("none",), training=("dirty",), **TINY)
    _, E_a = contrastive.spaces_of(grid)
    job = run(workspace, E_a)
    assert job.state == "done", job.error
    return E_a


def result(workspace: Workspace, spec: CuratedTraining) -> Any:
    job = run(workspace, spec)
    assert job.state == "done", job.error
    return workspace.cache.open(spec.key)


def table(artifact: Any, name: str) -> pd.DataFrame:
    return artifact.table(name).to_pandas()


def test_what_is_paired_is_what_the_cosines_say(
    workspace: Workspace, dataset: Dataset, space: EmbedAudio
) -> None:
    grid = workspace.cache.open(space.source.key)
    clips, texts = table(grid, "clips"), table(grid, "texts")
    audio = grid.array("audio_Ea_0").astype(float)
    captions, E_t = table(grid, "captions")["caption"].tolist(), grid.array("caption_Et_0").astype(float)
    prompts = grid.array("text_Et_0")[texts["test"].to_numpy()].astype(float)
    pool = np.flatnonzero(clips["part"] == "train")
    cosine = pd.DataFrame(audio[pool] @ E_t.T, clips["clip_id"].to_numpy()[pool], captions)
    near = (E_t @ prompts.T).max(axis=1)
    limit, domain = float(np.quantile(cosine, 0.95)), float(np.quantile(near, 0.7))
    inside = [caption for caption, value in zip(captions, near, strict=True) if value >= domain]
    given = captions_of(dataset)
    own = set(zip(given["clip_id"], given["caption"], strict=True))

    def reaching(columns: list[str]) -> set[tuple[str, str]]:
        return {(i, c) for i in cosine.index for c in columns if cosine.loc[i, c] >= limit}

    expected = {
        "unspecific": reaching(captions),
        "augmented": reaching(inside),
        "specific": {(i, c) for i, c in own if i in cosine.index and c in inside},
        "nearest": {(i, str(c)) for i, c in cosine.idxmax(axis=1).items()},
    }
    classes = given.merge(dataset.clips[["clip_id", "label"]], on="clip_id")
    named = set(zip(classes["label"], classes["caption"], strict=True))
    for method, pairs in expected.items():
        settings = FEW | {"threshold": limit, "domain_threshold": domain, "targets": ("hard",)}
        spec = contrastive.curated_training(dataset, space, method=method, **settings | {"n_seeds": 1})
        found = result(workspace, spec)
        rows = table(found, "pairs")
        assert set(zip(rows["clip_id"], rows["caption"], strict=True)) == pairs
        assert len(rows) == len(pairs) == found.meta["n_pairs"]
        values = [cosine.loc[i, c] for i, c in zip(rows["clip_id"], rows["caption"], strict=True)]
        np.testing.assert_allclose(rows["similarity"], values, atol=1e-6)
        same = [(label, c) in named for label, c in zip(rows["label"], rows["caption"], strict=True)]
        assert rows["same_class"].tolist() == same
        assert found.meta["same_class"] == pytest.approx(np.mean(same))
        assert found.meta["n_sounds"] == len({i for i, _ in pairs})
        assert found.meta["n_texts"] == len({c for _, c in pairs})


@pytest.fixture(scope="module")
def compared(workspace: Workspace, dataset: Dataset, space: EmbedAudio) -> Any:
    return result(workspace, contrastive.curated_training(dataset, space, **FEW))


def test_the_uncurated_model_is_judged_as_by_its_own_training(
    workspace: Workspace, space: EmbedAudio, compared: Any
) -> None:
    (model,) = table(workspace.cache.open(space.source.key), "models").to_dict("records")
    first = table(compared, "accuracies").iloc[0]
    assert first["targets"] == "uncurated"
    stored = [first["mean"], first["low"], first["high"], first["n"], compared.meta["chance"]]
    names = ("accuracy", "accuracy_low", "accuracy_high", "n_test", "chance")
    assert stored == pytest.approx([model[name] for name in names])


def test_accuracies_and_differences_are_those_of_the_models(compared: Any) -> None:
    models = table(compared, "models")
    assert models[["targets", "seed"]].to_numpy().tolist() == [
        [targets, seed] for targets in ("hard", "released", "softmax") for seed in (0, 1)
    ]
    assert (models["failed"] == "").all()
    by = models.groupby("targets")["accuracy"].apply(list)
    uncurated = table(compared, "accuracies")["mean"].iloc[0]
    for row in table(compared, "accuracies").iloc[1:].to_dict("records"):
        assert (row["mean"], row["n"], row["over"]) == (
            pytest.approx(np.mean(by[row["targets"]])),
            2,
            "seeds",
        )
    rows = table(compared, "differences")
    assert rows["b"].tolist() == 6 * ["uncurated"] + 4 * ["hard"]
    for row in rows.to_dict("records"):
        y = [uncurated] * 2 if row["b"] == "uncurated" else by[row["b"]]
        assert row["mean"] == pytest.approx(np.mean(by[row["a"]]) - np.mean(y), abs=1e-9)
        assert row["n"] == (2 if row["over"] == "seeds" else compared.meta["n_test"])
    # The three kinds of targets do train differently.
    curves = compared.array("curves")
    assert curves.shape == (6, 5, 2)
    assert len(np.unique(curves[:, 0, 0].round(6))) == 6


def test_intervals_are_those_of_t_tests_and_failed_models_are_left_out() -> None:
    random = np.random.default_rng(0)
    hits = {
        name: (random.random((5, 40)) < p).astype(float) for name, p in (("hard", 0.4), ("released", 0.6))
    }
    hits = {"uncurated": (random.random((1, 40)) < 0.3).astype(float), **hits}
    hits["released"][1] = np.nan
    good = [0, 2, 3, 4]
    rows = accuracies(hits).set_index("targets")
    wilson = stats.binomtest(int(hits["uncurated"].sum()), 40).proportion_ci(method="wilson")
    assert rows.loc["uncurated", ["low", "high"]].tolist() == pytest.approx([wilson.low, wilson.high])
    mine = hits["released"][good].mean(axis=1)
    interval = stats.t.interval(0.95, 3, mine.mean(), stats.sem(mine))
    assert rows.loc["released", ["low", "high"]].tolist() == pytest.approx(list(interval))
    each = differences(hits).set_index(["a", "b", "over"])
    test = stats.ttest_rel(mine, hits["hard"][good].mean(axis=1))
    row = each.loc["released", "hard", "seeds"]
    assert (row["p"], row["n"]) == (pytest.approx(test.pvalue), 4)
    assert row[["low", "high"]].tolist() == pytest.approx(list(test.confidence_interval()))
    test = stats.ttest_rel(hits["hard"].mean(axis=0), hits["uncurated"][0])
    row = each.loc["hard", "uncurated", "clips"]
    assert (row["p"], row["n"]) == (pytest.approx(test.pvalue), 40)
    nothing = differences({name: np.full((2, 4), np.nan) for name in ("uncurated", "hard")})
    assert (nothing["n"] == 0).all()


def test_clean_training_takes_no_clip_whose_caption_names_a_test_class(
    workspace: Workspace, dataset: Dataset, space: EmbedAudio
) -> None:
    leaks = table(workspace.cache.open(space.source.key), "leaks")
    settings = FEW | {"targets": ("hard",), "n_seeds": 1}
    clean = result(workspace, contrastive.curated_training(dataset, space, training="clean", **settings))
    assert len(leaks)
    rows = table(clean, "pairs")
    assert not set(rows["clip_id"]) & set(leaks["clip_id"])
    assert not set(rows["caption"]) & set(leaks["caption"])


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"transformers:{tiny_models.clap(tmp_path_factory.mktemp('clap'))}"


def test_a_checkpoint_of_clap_is_trained_by_the_command(
    workspace: Workspace, dataset: Dataset, clap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("-w", str(workspace.root))
    options = (
        *("--method", "nearest-specific", "-k", "2", "--share", "0.3", "--targets", "hard,released"),
        *("--seeds", "3", "--max-epochs", "2", "--batch-size", "16", "--json"),
    )
    status, said, err = call(capsys, "train", "curated", "world", clap, *options, *where)
    assert status == 0, err
    (told,) = json.loads(said)
    assert [row["targets"] for row in told["accuracies"]] == ["uncurated", "hard", "released"]
    assert len(told["models"]) == 6
    assert 0 < told["n_candidates"] < told["n_pool_texts"]
    spec = from_json(workspace.cache.open(told["key"]).spec)
    assert isinstance(spec, CuratedTraining)
    assert (spec.text_encoder, spec.prompt) == (clap, "this is a sound of {}")
    assert told["test_classes"] == list(contrastive.held_out_classes(dataset))
    tested = dataset.clips["label"].isin(told["test_classes"]).sum()
    assert (told["n_test"], told["n_pool_sounds"]) == (tested // 2, dataset.n_clips - tested // 2)
    status, said, err = call(capsys, "train", "curated", "world", clap, *options[:-1], *where)
    assert status == 0, err
    assert "released - hard" in said
    assert "chance is" in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"method": "best"}, "method is 'best'; it must be one of nearest"),
        ({"targets": ()}, "targets are empty; give one or more of hard"),
        ({"targets": ("hard", "soft")}, "targets are hard, soft; give one or more of hard"),
        ({"training": "none"}, "training is 'none'"),
        ({"n_seeds": 0}, "n_seeds is 0"),
        ({"beta": 2.0}, "beta is 2.0"),
        ({"method": "unspecific", "threshold": 1.5}, "threshold is 1.5"),
        ({"rate": 0.0}, "rate is 0.0; it must be a number above 0"),
        ({"text": "minilm"}, "was trained with texts and test classes of its own"),
        ({"test_classes": ("Rain", "Wind")}, "was trained with texts and test classes of its own"),
    ],
)
def test_what_cannot_be_asked_for(
    dataset: Dataset, space: EmbedAudio, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecError, match=says):
        contrastive.curated_training(dataset, space, **settings)


def test_a_space_without_texts_is_refused(dataset: Dataset, space: EmbedAudio) -> None:
    x_a = replace(space, run="xa_0", identity="")
    with pytest.raises(SpecError, match="has no texts in its space; choose E_a of a contrastive model"):
        contrastive.curated_training(dataset, x_a)
    with pytest.raises(ValueError, match="melstats does not embed text"):
        contrastive.curated_training(dataset, EmbedAudio(dataset=dataset.ref, encoder="melstats"))


def test_what_a_method_does_not_use_makes_no_other_result(dataset: Dataset, space: EmbedAudio) -> None:
    plain = contrastive.curated_training(dataset, space)
    more = contrastive.curated_training(dataset, space, threshold=0.9, domain_threshold=0.1, share=0.5)
    assert more.key == plain.key
    assert contrastive.curated_training(dataset, space, k=2).key != plain.key
    assert from_json(json.loads(json.dumps(plain.to_json()))) == plain


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"method": "unspecific", "threshold": 1.0}, r"0 of \d+ sounds are in a pair; at least 4 "),
        (
            {"method": "specific", "domain_threshold": 1.0},
            "No caption has a cosine of 1 or more to a test class",
        ),
    ],
)
def test_too_high_a_threshold_says_how_near_the_nearest_are(
    workspace: Workspace, dataset: Dataset, space: EmbedAudio, settings: dict[str, Any], says: str
) -> None:
    job = run(workspace, contrastive.curated_training(dataset, space, **FEW | settings))
    assert job.state == "failed"
    assert pd.Series([str(job.error)]).str.contains(says).all(), job.error
    assert "lower" in str(job.error)


def test_towers_of_different_widths(workspace: Workspace, dataset: Dataset, clap: str) -> None:
    sounds = EmbedAudio(dataset=dataset.ref, encoder="melstats")
    job = run(workspace, contrastive.curated_training(dataset, sounds, text=clap, **FEW))
    assert job.state == "failed"
    assert "must be the two towers of one model" in str(job.error)
