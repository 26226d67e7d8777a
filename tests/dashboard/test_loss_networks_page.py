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
from dashboard.losses import spaces
from dashboard.losses.spaces import BEFORE
from dashboard.results import result
from jobs.datasets.importer import import_dataset
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
    other = Workspace.open(root / "other")
    sounds = import_dataset("folder", root / "sounds", options={})
    dataset = other.add_dataset("small", sounds, adapter="folder", root=root / "sounds")
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
    made.computed(other, spec)
    return other, spec


@pytest.fixture
def shown(trained: tuple[Workspace, LossNetworkGrid]) -> Iterator[LossNetworkGrid]:
    with showing(trained[0].root):
        yield trained[1]


def test_a_network_has_a_space_before_its_training(shown: LossNetworkGrid) -> None:
    c = data.clips(data.workspace().dataset("small"))
    kept = result(shown).column("kept_clips", "clip_id")
    first = np.asarray(result(shown).kept_space[1][0], float)
    assert len(kept) == 12
    near = spaces.nearest_clips(shown, c, BEFORE, kept[3], 4)
    distances = cdist(first[[3]], first, "cosine")[0]
    distances[3] = np.inf
    assert [d for _, d in near] == pytest.approx(np.sort(distances)[:4], abs=2e-3)  # half precision
    assert {id for id, _ in near} <= set(kept)
    # Other clips were embedded after training alone.
    other = next(id for id in c.ids.tolist() if id not in kept)
    assert spaces.nearest_clips(shown, c, BEFORE, other, 4) == []
    assert len(spaces.nearest_clips(shown, c, "OPL", other, 4)) == 4
    pairs, _ = spaces.nearest_pairs(shown, c, "OPL", ("Rain", "Crow"), 3, by_before=True)
    assert pairs
    assert {id for p in pairs for id in (p.first, p.second)} <= set(kept)
    assert all(0 <= p.before <= 2 and 0 <= p.after <= 2 for p in pairs)
    still, moving = json.loads(spaces.film(shown, c, ["OPL"], held=False).content)["frames"]["xy"]
    assert still is None
    assert moving is not None


def test_a_network_is_shown_without_a_space(shown: LossNetworkGrid) -> None:
    app = run(clip=result(shown).column("kept_clips", "clip_id")[0])
    text = words(app)
    assert "small has no space yet" in text.replace("**", "")
    assert "train small-cnn on small with 2 losses × 1 seed" in text
    assert "masks of up to 24 bands and 96 frames, 0.65 s of each clip" in text
    assert "with the network that training begins with in front" in text
    assert "Nearest before" in text
    assert "as the network embeds them before training" in text
    assert "does not have the clip" not in text
    assert "one seed" in html(app)
    assert "0.0 to 100.0" not in html(app)
    assert [s.value for s in app.subheader][-1] == "Keep a space"
    assert losses.kept_space(shown, data.workspace().dataset("small"), "OPL").source == shown
    # It is listed beside heads, whichever space is chosen.
    assert [g.spec for g in losses.grids(data.workspace(), data.workspace().dataset("small"))] == [shown]


def test_a_network_can_be_started_without_a_space(fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=3, sounds=False, classes=FEW)
    app = run(loss="ce", seeds="1", bands="8", seconds="1.5")
    assert [o.content for o in app.get("button_group")[0].proto.options] == [
        "a small network from scratch",
        "a large network, tuned",
    ]
    app = press(app, "Train")
    (job,) = shown.queue.jobs()
    assert from_json(job.spec) == LossNetworkGrid(
        dataset=dataset.ref,
        labels=dataset.labels_fingerprint,
        losses=("ce",),
        seeds=1,
        frequency_mask=8,
        seconds=1.5,
    )


def test_the_frozen_space_may_be_gone(fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    spec = made_losses.grid(shown, dataset, space, losses=("ce", "opl"), epochs=2, keep=2)
    assert "Nearest before" in words(run(clip="rain__take-003"))
    shown.cache.delete(space.key)
    for other in (False, True):
        if other:
            made.space(shown, dataset, "melstats", seed=1, spread=1.0)
        app = run(clip="rain__take-003")
        text = words(app)
        assert address(app)["grid"] == spec.key[:12]
        assert "Nearest after cross-entropy" in text
        assert "Nearest before" not in text
        assert "Nearest to" in text
    assert "There is no artifact" not in text


def test_folds_are_described_before_anything_is_trained(fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=5, sounds=False, classes=FEW)
    made.space(shown, dataset, "aisfx", seed=0, spread=1.0)
    assert "on the dataset’s own folds, each held out once" in words(run())
    assert "on 3 drawn folds, each held out once" in words(run(folds="3"))
    assert "16 folds cannot be drawn from 15 clips" in words(run(folds="16"))
    app = run(out=["2"])
    assert "tested only on fold 2 of the dataset" in words(app)
    press(app, "Train")
    (job,) = shown.queue.jobs()
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


def test_only_held_out_clips_are_counted(fresh: Workspace, tmp_path: Path) -> None:
    shown, dataset = made.workspace(tmp_path, per_class=10, sounds=False, classes=FEW)
    space = made.space(shown, dataset, "aisfx", seed=0, spread=1.0, d=1)
    asked: dict[str, Any] = {"losses": ("ce",), "epochs": 1, "keep": 2, "keep_clips": 2}
    made_losses.grid(shown, dataset, space, **asked)
    assert "is over all 30 clips" in words(run())
    spec = made_losses.grid(shown, dataset, space, **asked, held_out=(3,))
    assert "the 6 clips of 1 fold (3), while all models are trained on the others" in words(
        run(grid=spec.key[:12])
    )
    # A space of one dimension has a map, too; where no kept clip is held out, it has none.
    assert not any(result(spec).column("kept_clips", "held"))
    c = data.clips(dataset)
    content = json.loads(spaces.film(spec, c, ["cross-entropy"], held=False).content)
    assert len(content["figure"]["data"]) == 2
    assert spaces.film(spec, c, ["cross-entropy"], held=True).ids == frozenset()
    assert "None of the kept clips is held out" in words(run(grid=spec.key[:12], clips="held"))
