"""On which folds classifiers are trained and judged, and what is said of the clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs import presets as measures
from jobs.specs import LossGrid
from jobs.workspace.workspace import Workspace
from tests.jobs.loss_grids import QUICK, class_table, clip_table, failure, result, space_of
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


def test_folds_are_drawn_where_there_are_none(workspace: Workspace) -> None:
    dataset = add(workspace, clip_table(folds=False), class_table())
    spec = LossGrid(
        embedding=space_of(workspace, dataset),
        labels=dataset.labels_fingerprint,
        **QUICK | {"losses": ("opl",), "seeds": 1, "epochs": 1},
    )
    found = result(workspace, spec)
    assert found.meta["folds"]["source"] == "drawn"
    assert found.meta["note"].startswith(
        "The dataset does not put every clip into a fold: 5 folds were drawn"
    )
    clips = found.table("clips").to_pandas()
    assert sorted(clips["fold"].value_counts()) == [4, 5, 5, 5, 5]
    assert found.table("recipes").to_pandas()["difference"].isna().all()  # without cross-entropy
    # Where so many are asked for, there is nothing to be said.
    two = result(workspace, replace(spec, folds=2))
    assert (two.meta["note"], two.meta["folds"]["held_out"]) == ("", [0, 1])


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
    runs = result(workspace, whole).table("runs").to_pandas()
    assert runs["n_test"].tolist() == [1] * 24
    assert runs["mu_p"].isna().all()
    lone = clips.copy()
    lone["labels"] = [["class 0"], *[[]] * (len(lone) - 1)]
    lone["label"] = ["class 0", *["unlabelled"] * (len(lone) - 1)]
    labels = add(workspace, lone, class_table()).labels_fingerprint
    assert "Only one clip has a class" in failure(workspace, LossGrid(**asked | {"labels": labels}))


def test_what_flatters_or_is_left_aside_is_said(workspace: Workspace) -> None:
    clips = clip_table()
    clips["labels"] = [["class 0", "class 1"], ["class 1", "class 2"], *clips["labels"][2:]]
    dataset = add(workspace, clips, class_table())
    quick = QUICK | {"losses": ("ce",), "seeds": 1, "epochs": 1, "labels": dataset.labels_fingerprint}
    spec = LossGrid(embedding=space_of(workspace, dataset), **quick)
    several = "2 clips have several classes, of which only the first is learned and asked for."
    assert result(workspace, spec).meta["note"] == several
    kept = measures.trained_by_losses(dataset, spec)[0]
    again = result(workspace, LossGrid(embedding=kept, **quick))
    assert "The space was itself trained here on clips of this dataset" in again.meta["note"]


def test_only_some_folds_are_held_out(workspace: Workspace, asked: dict[str, Any]) -> None:
    found = result(workspace, LossGrid(**asked | {"held_out": (2,), "losses": ("ce",), "seeds": 1}))
    assert found.table("runs").to_pandas()["fold"].tolist() == [2]
    clips = found.table("clips").to_pandas()
    assert (clips["held"] == (clips["fold"] == 2)).all()
    assert len(found.table("predictions")) == 12
    assert "There is no fold 9 to hold out; there are 1, 2" in failure(
        workspace, LossGrid(**asked | {"held_out": (9,)})
    )


def test_what_cannot_be_trained(workspace: Workspace, asked: dict[str, Any]) -> None:
    assert "labels of sounds have changed" in failure(workspace, LossGrid(**asked | {"labels": "b" * 64}))
    clips = clip_table().assign(label="one")
    clips["labels"] = [["one"]] * len(clips)
    dataset = add(workspace, clips, class_table().assign(label="one").iloc[:1])
    one = LossGrid(**asked | {"labels": dataset.labels_fingerprint})
    assert "All clips are of the class 'one'" in failure(workspace, one)
