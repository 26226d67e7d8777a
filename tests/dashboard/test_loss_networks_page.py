"""The page for a network that was trained by its job, and what the page does without a space."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from dashboard import data
from dashboard.losses import data as losses
from dashboard.losses import spaces as loss_spaces
from dashboard.losses.spaces import BEFORE
from jobs.datasets.importer import import_dataset
from jobs.engine import inprocess, live
from jobs.specs import LossNetworkGrid, from_json
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made, made_losses
from tests.dashboard.helpers import address, html, press, showing, words

run = partial(helpers.run, "losses")
FEW = {"Rain": "Nature", "Crow": "Animals", "Rooster": "Animals"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, LossNetworkGrid]:
    """A network trained from scratch on 30 sounds, of which twelve are kept through the epochs; no space."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("networks")
    made.workspace(root, per_class=10, classes=FEW)
    found = Workspace.open(root / "other")
    sounds = import_dataset("folder", root / "sounds", options={})
    dataset = found.add_dataset("small", sounds, adapter="folder", root=root / "sounds")
    spec = LossNetworkGrid(
        dataset=dataset.ref,
        labels=dataset.labels_fingerprint,
        losses=("ce", "opl"),
        dim=4,
        epochs=2,
        batch_size=8,
        learning_rate=0.01,
        seeds=1,
        folds=2,
        seconds=0.65,
        width=2,
        keep=3,
        keep_clips=12,
    )
    job = inprocess.run(found, spec)
    assert job.state == "done", job.error
    return found, spec


@pytest.fixture
def shown(trained: tuple[Workspace, LossNetworkGrid]) -> Iterator[LossNetworkGrid]:
    with showing(trained[0].root):
        yield trained[1]


def test_a_network_has_a_space_before_its_training(shown: LossNetworkGrid) -> None:
    dataset = data.workspace().dataset("small")
    found, c = losses.result(shown), data.clips(dataset)
    artifact = data.workspace().cache.open(shown.key)
    kept = artifact.table("kept_clips").to_pandas()["clip_id"].tolist()
    first = np.asarray(artifact.array("kept_space_1")[0], float)
    assert len(kept) == 12
    near = loss_spaces.near(found, c, BEFORE, kept[3], 4)
    distances = cdist(first[[3]], first, "cosine")[0]
    distances[3] = np.inf
    assert [d for _, d in near] == pytest.approx(np.sort(distances)[:4], abs=2e-3)  # half precision
    assert {id for id, _ in near} <= set(kept)
    # What was not kept has been embedded after training alone.
    other = next(id for id in c.ids.tolist() if id not in kept)
    assert loss_spaces.near(found, c, BEFORE, other, 4) == []
    assert len(loss_spaces.near(found, c, "OPL", other, 4)) == 4
    pairs, _ = loss_spaces.pairs(found, c, "OPL", "Rain", "Crow", 3, nearest_before=True)
    assert pairs
    assert {id for p in pairs for id in (p.first, p.second)} <= set(kept)
    assert all(0 <= p.before <= 2 and 0 <= p.after <= 2 for p in pairs)
    still, moving = json.loads(loss_spaces.film(found, c, ["OPL"], held=False).content)["frames"]["xy"]
    assert still is None
    assert moving is not None


def test_a_network_is_shown_without_a_space(shown: LossNetworkGrid) -> None:
    kept = data.workspace().cache.open(shown.key).table("kept_clips").column("clip_id").to_pylist()
    app = run(clip=kept[0])
    said = words(app)
    assert "small has no space yet" in said.replace("**", "")
    assert "train small-cnn on small with 2 losses × 1 seed" in said
    assert "masks of up to 24 bands and 96 frames, 0.65 s of each clip" in said
    assert "with the network that training begins with in front" in said
    assert "Nearest before" in said
    assert "as the network has them that training begins with" in said
    assert "There is nothing to compare" not in said
    assert "one seed" in html(app)
    assert "0.0 to 100.0" not in html(app)
    assert [s.value for s in app.subheader][-1] == "Keep a space"
    spec = losses.kept_space(losses.result(shown), data.workspace().dataset("small"), "OPL")
    assert spec.source == shown
    # Beside the heads of a space it stands, whichever space is chosen.
    assert [g.spec for g in losses.grids(data.workspace(), data.workspace().dataset("small"))] == [shown]


def test_a_network_can_be_started_without_a_space(fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False, classes=FEW)
    app = run(loss="ce", seeds="1", bands="8", seconds="1.5")
    assert [o.content for o in app.get("button_group")[0].proto.options] == [
        "a small network from scratch",
        "a large network, tuned",
    ]
    app = press(app, "Train")
    (job,) = found.queue.jobs()
    assert from_json(job.spec) == LossNetworkGrid(
        dataset=dataset.ref,
        labels=dataset.labels_fingerprint,
        losses=("ce",),
        seeds=1,
        frequency_mask=8,
        seconds=1.5,
    )


def test_the_frozen_space_may_be_gone(fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.grid(found, dataset, space, losses=("ce", "opl"), epochs=2, keep=2)
    assert "Nearest before" in words(run(clip="rain__take-003"))
    found.cache.delete(space.key)
    for other in (False, True):
        if other:
            made.space(found, dataset, "melstats", seed=1, spread=1.0)
        app = run(clip="rain__take-003")
        said = words(app)
        assert address(app)["grid"] == spec.key[:12]
        assert "Nearest after cross-entropy" in said
        assert "Nearest before" not in said
        assert "Nearest to" in said
    assert "There is no artifact" not in said


def test_a_training_that_stopped_says_so(fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False, classes=FEW)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.waiting(found, dataset, space, losses=("ce",), seeds=1, epochs=4)
    checkpoint = found.queue.folder(spec.key) / "checkpoint"
    checkpoint.mkdir(parents=True)
    curves = np.full((5, 3, 4), np.nan, np.float32)
    curves[0, :, :2] = 0.5
    live.LiveCurves(checkpoint, [(0, 0, fold) for fold in range(5)])(curves)
    assert "Learning now" in words(run())
    found.queue.finish(spec.key, "failed", "The disk is full.")
    said = words(run())
    assert "The disk is full" in said
    assert "Learning now" not in said
    assert "Learned before it stopped" in said
    assert "1 of 5 models had begun" in said


def test_folds_are_said_before_anything_is_trained(fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=5, sounds=False, classes=FEW)
    made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    assert "on the dataset’s own folds, each held out once" in words(run())
    assert "on 3 drawn folds, each held out once" in words(run(folds="3"))
    assert "16 folds cannot be drawn of 15 clips" in words(run(folds="16"))
    app = run(out=["2"])
    assert "judged by fold 2 of the dataset alone" in words(app)
    press(app, "Train")
    (job,) = found.queue.jobs()
    assert job.spec["fields"]["held_out"] == [2]
    c = data.clips(dataset)
    assert losses.own_folds(c) == [1, 2, 3, 4, 5]
    frame: Any = c.frame.assign(fold=c.frame["fold"].mask(c.frame.index == 3))
    one = c.frame.assign(fold=c.frame["fold"].mask(c.frame.index >= 0, 7))
    for changed, own in ((frame, []), (one, [7]), (c.frame.drop(columns="fold"), [])):
        other = data.Clips(**{**c.__dict__, "frame": changed})
        assert losses.own_folds(other) == own
        problem = losses.folds_problem(other, 0)
        assert ("All clips are in the dataset’s fold 7" in problem) == (own == [7])


def test_only_what_is_held_out_is_counted(fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0, d=1)
    spec = made_losses.grid(found, dataset, space, losses=("ce",), epochs=1, keep=2, keep_clips=2)
    read = losses.result(spec)
    assert "being over all 30 clips" in words(run())
    read.meta["folds"] = {"source": "dataset", "held_out": [3], "n_clips": [6]}
    assert "being over the 6 clips of 1 fold (3), while all models learn" in words(run())
    # A space of one dimension has a map, too; where nothing kept is held out, there is none.
    kept = found.cache.open(spec.key).table("kept_clips").to_pandas()
    assert not kept["held"].any()
    c = data.clips(dataset)
    content = json.loads(loss_spaces.film(read, c, ["cross-entropy"], held=False).content)
    assert len(content["figure"]["data"]) == 2
    assert loss_spaces.film(read, c, ["cross-entropy"], held=True).ids == frozenset()
    assert "None of the clips that are kept is held out" in words(run(clips="held"))
