"""The commands that measure: their tables hold what `core` gives for the same arrays."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from core.processing import normalize
from core.retrieval import evaluate
from core.separability import silhouette_score
from core.similarity import cka, neighborhood_overlap
from core.splits import class_centroids
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Workspace
from tests.jobs.test_cli import call
from tests.jobs.tones import write_tones


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEARSPACE_HOME", str(root / "home"))
        patch.setenv("COLUMNS", "300")
        yield root


@pytest.fixture
def tones(home, capsys):
    if not (home / "sounds").exists():
        write_tones(home / "sounds", n_clips=20, n_classes=4)
        assert call(capsys, "add", "tones", str(home / "sounds"))[0] == 0
        assert call(capsys, "embed", "tones", "melstats", "handcrafted")[0] == 0
    return Workspace.open(home / "home")


def embeddings(workspace: Workspace, encoder: str) -> np.ndarray:
    spec = EmbedAudio(dataset=workspace.dataset("tones").ref, encoder=encoder)
    return np.asarray(workspace.cache.open(spec.key).array("embeddings"))


def test_measure_prints_what_core_gives(tones, capsys):
    status, out, err = call(capsys, "measure", "tones", "--json")
    assert status == 0, err
    rows = {row["space"]: row for row in json.loads(out)}
    assert set(rows) == {"melstats", "handcrafted"}
    labels = tones.dataset("tones").clips["label"].to_numpy()
    for name, row in rows.items():
        X = embeddings(tones, name)
        assert row["silhouette"] == pytest.approx(silhouette_score(X, labels), abs=1e-9)
        assert (row["n"], row["classes"], row["dimensions"]) == (20, 4, X.shape[1])
        assert isinstance(row["dimensions"], int)
        assert 0 <= row["knn"] <= 1
        assert 0 <= row["probe"] <= 1
    status, out, _ = call(capsys, "measure", "tones", "melstats")
    assert status == 0
    assert "melstats" in out
    assert "handcrafted" not in out


def test_compare_prints_what_core_gives(tones, capsys):
    status, out, err = call(capsys, "compare", "tones", "-k", "3", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    curve = neighborhood_overlap(
        embeddings(tones, "melstats"), embeddings(tones, "handcrafted"), include_self=False
    )
    assert {row["a"], row["b"]} == {"melstats", "handcrafted"}
    assert row["overlap"] == pytest.approx(curve.overlap[2], abs=1e-9)
    assert row["chance"] == pytest.approx(3 / 19, abs=1e-12)
    assert row["nngs"] == pytest.approx(curve.jaccard[2], abs=1e-9)
    assert row["largest"] == pytest.approx(curve.overlap[: 20 // 5].max(), abs=1e-9)
    assert 0 < row["p"] <= 1


def test_compare_of_few_classes_takes_all_the_neighbours_there_are(home, tones, capsys):
    write_tones(home / "few", n_clips=6, n_classes=3, seconds=0.6)
    assert call(capsys, "add", "few", str(home / "few"))[0] == 0
    status, out, err = call(capsys, "compare", "few", "melstats", "handcrafted", "--of", "classes", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["n"], row["k"]) == (3, 2)
    assert row["overlap"] == row["chance"] == 1
    status, out, _ = call(capsys, "compare", "tones", "--json")
    assert json.loads(out)[0]["k"] == 10


@pytest.mark.parametrize("vectors", ["raw", "unit"])
def test_compare_takes_the_means_of_classes_as_asked(tones, capsys, vectors):
    asked = ("compare", "tones", "--of", "classes", "-k", "1", "--json")
    status, out, err = call(capsys, *asked, *(["--class-vectors", vectors] if vectors == "unit" else []))
    assert status == 0, err
    labels = tones.dataset("tones").clips["label"].to_numpy(str)
    X, Y = (
        class_centroids(embeddings(tones, name), labels, vectors=vectors)[1]
        for name in ("melstats", "handcrafted")
    )
    # A mean of vectors that differ in length is another one.
    curve = neighborhood_overlap(X, Y, include_self=False)
    (row,) = json.loads(out)
    assert row["overlap"] == pytest.approx(curve.overlap[0], abs=1e-9)
    assert row["cka"] == pytest.approx(cka(X, Y), abs=1e-6)


def test_compare_says_what_it_cannot(tones, capsys):
    status, _, err = call(capsys, "compare", "tones", "--of", "classes", "--class-vectors", "whole")
    assert (status, "one of raw, unit" in err) == (2, True)
    status, _, err = call(capsys, "compare", "tones", "melstats")
    assert (status, "at least two" in err) == (2, True)
    status, _, err = call(capsys, "compare", "tones", "-k", "20")
    assert (status, "from 1 to 19" in err) == (2, True)
    status, _, err = call(capsys, "compare", "tones", "--of", "families")
    assert (status, "'clips' or 'classes'" in err) == (2, True)


def test_retrieve_prints_what_core_gives(tones, capsys):
    status, out, err = call(capsys, "retrieve", "tones", "--json")
    assert status == 0, err
    rows = {row["space"]: row for row in json.loads(out)}
    labels = tones.dataset("tones").clips["label"].to_numpy()
    relevance = pd.get_dummies(labels)
    assert set(rows) == {"melstats", "handcrafted"}
    for name, row in rows.items():
        macro = evaluate(embeddings(tones, name), relevance, cutoffs=(15, 150)).macro
        assert row["map@15"] == pytest.approx(macro["map@15"], abs=1e-6)
        assert row["mr1"] == pytest.approx(macro["mr1"], abs=1e-6)
        assert row["map@15_low"] - 1e-9 <= row["map@15"] <= row["map@15_high"] + 1e-9
        assert "100" in row["note"]  # of 20 clips there are no 100 components, and all dimensions are kept
    status, out, err = call(capsys, "retrieve", "tones", "melstats", "--grid", "--json")
    assert status == 0, err
    systems = json.loads(out)
    assert len(systems) == 9
    assert {row["map@15"] is None for row in systems if row["skipped"]} == {True}
    whole = next(r for r in systems if r["algorithm"] == "mcss" and r["components"] == 0)
    assert whole["map@15"] == rows["melstats"]["map@15"]
    options = ("--grid", "--normalize", "before", "--json")
    status, out, err = call(capsys, "retrieve", "tones", "melstats", *options)
    assert status == 0, err
    mine = normalize(embeddings(tones, "melstats"))
    for row in (row for row in json.loads(out) if not row["skipped"]):
        assert row["components"] == 0
        macro = evaluate(mine, relevance, algorithm=row["algorithm"]).macro
        assert row["map@15"] == pytest.approx(macro["map@15"], abs=1e-6)


def test_retrieve_says_the_highest_map_that_there_can_be(tones, capsys):
    status, out, _ = call(capsys, "retrieve", "tones", "melstats")
    assert status == 0
    # Four classes of five clips: a perfect list has 4 of 5.
    for cutoff in (15, 150):
        assert f"for 4 classes AP@{cutoff} stays below 1" in out
        assert f"the highest possible MAP@{cutoff} is 0.800." in out
    (row,) = json.loads(call(capsys, "retrieve", "tones", "melstats", "--json")[1])
    assert (row["map@15_highest"], row["classes_below_1@15"]) == (pytest.approx(0.8), 4)
    assert "stays below 1" not in call(capsys, "retrieve", "tones", "melstats", "--no-count-query")[1]


def test_retrieve_says_what_it_cannot(tones, capsys):
    status, _, err = call(capsys, "retrieve", "tones", "--by", "colour")
    assert (status, "label, family" in err) == (2, True)
    status, _, err = call(capsys, "retrieve", "tones", "--normalize", "first")
    assert (status, "one of none, after, before" in err) == (2, True)
    status, out, _ = call(capsys, "retrieve", "tones", "melstats", "--by", "family")
    assert (status, "no families" in out) == (1, True)


def test_what_is_measured_can_wait_for_a_worker(tones, capsys):
    # Which no other test here asks for, so that it cannot be there.
    status, out, _ = call(capsys, "retrieve", "tones", "--normalize", "after", "--background", "--json")
    assert status == 0
    assert [row["state"] for row in json.loads(out)] == ["queued", "queued"]


def test_a_dataset_without_a_space_says_what_to_do(home, tones, capsys):
    assert call(capsys, "add", "bare", str(home / "sounds"))[0] == 0
    status, _, err = call(capsys, "measure", "bare")
    # The same sounds have the same spaces, whatever the dataset is called.
    assert status == 0, err
    write_tones(home / "others", n_clips=6, n_classes=2, seconds=0.7)
    assert call(capsys, "add", "others", str(home / "others"))[0] == 0
    status, _, err = call(capsys, "measure", "others")
    assert (status, "hearspace embed" in err) == (2, True)


def test_one_class_leaves_out_what_needs_two(home, tones, capsys):
    write_tones(home / "alone", n_clips=6, n_classes=1, seconds=0.6)
    assert call(capsys, "add", "alone", str(home / "alone"))[0] == 0
    status, out, err = call(capsys, "measure", "alone", "melstats", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["n"], row["classes"]) == (6, 1)
    assert (row["silhouette"], row["knn"], row["probe"]) == (None, None, None)
    assert row["effective_rank"] >= 1
