"""Columns of words: colouring and filtering by them, folds that have names, and clips without a class."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard import data, results
from dashboard.explore import colours
from dashboard.separability import data as separability
from jobs.datasets.importer import Imported
from jobs.specs import Baselines
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import helpers
from tests.dashboard.helpers import html, showing, words

explore = partial(helpers.run, "explore")


def with_columns(found: Workspace, dataset: Dataset, columns: dict[str, Any]) -> Dataset:
    """Add the dataset again with other columns beside its sounds."""
    clips = dataset.clips.assign(**columns)
    about = Imported(clips, dataset.classes, dataset.report, dataset.fingerprint, dataset.labels_fingerprint)
    return found.add_dataset("small", about, adapter="csv", root=dataset.root)


@pytest.fixture
def spoken(made: Any, tmp_path: Path) -> Iterator[tuple[Workspace, Dataset]]:
    """Clips of three speakers, one of them a fold each, in two parts; six have no speaker."""
    found, dataset = made.workspace(tmp_path, per_class=6, sounds=False)
    n = dataset.n_clips
    who = [("anna", "bo", "cy")[i % 3] for i in range(n)]
    dataset = with_columns(
        found,
        dataset,
        {
            "speaker": [None if i < 6 else w for i, w in enumerate(who)],
            "split": ["train" if i % 4 else "test" for i in range(n)],
            "noisy": [i % 2 == 0 for i in range(n)],
            "take": [f"take {i}" for i in range(n - 1)] + ["take 0"],
            "one": "x",
            "fold": pd.array([1 + i % 3 for i in range(n)], "Int64"),
            "fold_name": who,
        },
    )
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    made.map_of(found, space, "tsne")
    with showing(found.root):
        yield found, dataset


def test_columns_of_words_colour_and_filter(spoken: Any) -> None:
    _, dataset = spoken
    c = data.clips(dataset)
    assert list(data.groups(c)) == ["fold", "speaker", "split", "noisy"]
    assert {"column:speaker", "column:split", "column:noisy"} <= set(colours.colour_options(c))
    assert not {"column:take", "column:one", "column:fold_name"} & set(colours.colour_options(c))
    speaker = colours.colour(c, "column:speaker")
    assert (speaker.kind, speaker.names) == ("group", ["anna", "bo", "cy", "no speaker"])
    assert [speaker.names[code] for code in speaker.values[5:8]] == ["no speaker", "anna", "bo"]
    assert colours.colour(c, "fold").names == ["anna", "bo", "cy"]
    assert colours.colour(c, "column:noisy").names == ["no", "yes"]
    assert len({(s.light, s.symbol) for s in speaker.styles}) == 4
    shown = data.matching(c, "", [], [], {"speaker": ["anna", "bo"], "split": ["test"]})
    assert dataset.clips["speaker"][shown].isin(["anna", "bo"]).all()
    assert dataset.clips["split"][shown].eq("test").all()
    assert shown.sum() == sum(
        w in ("anna", "bo") and s == "test"
        for w, s in zip(dataset.clips["speaker"], dataset.clips["split"], strict=True)
    )
    assert data.matching(c, "", [], [], {"speaker": []}).all()


def test_the_page_filters_by_a_column_and_keeps_it_in_the_link(spoken: Any) -> None:
    _, dataset = spoken
    app = explore(by="speaker", **{"is-speaker": "bo", "colour": "column:speaker"})
    n = int((dataset.clips["speaker"] == "bo").sum())
    assert f"{n} of {dataset.n_clips} clips" in words(app)
    app.multiselect(key="explore.is-speaker").set_value(["bo", "cy"]).run()
    n += int((dataset.clips["speaker"] == "cy").sum())
    assert f"{n} of {dataset.n_clips} clips" in words(app)
    assert app.query_params["is-speaker"] == ["bo", "cy"]
    app.multiselect(key="explore.by").set_value([]).run()
    assert f"{dataset.n_clips} clips" in words(app)
    assert not app.exception
    assert "is not available" in words(explore(by="nothing"))


def test_columns_that_change_are_shown_anew(spoken: Any) -> None:
    found, dataset = spoken
    assert "anna" in data.groups(data.clips(dataset))["speaker"]
    changed = with_columns(found, dataset, {"speaker": ["dee", "eli"] * (dataset.n_clips // 2)})
    assert set(data.groups(data.clips(changed))["speaker"]) == {"dee", "eli"}


def test_clips_without_a_class_are_no_class(made: Any, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=4, sounds=False, classes={"A": "x", "B": "x"})
    labels = ["A", "A", "A", "A", "B", *["unlabelled"] * 3]
    lists = [[] if label == "unlabelled" else [label] for label in labels]
    about = pd.DataFrame({"label": ["A", "B", "unlabelled"], "family": None, "description": None})
    clips = dataset.clips.assign(label=labels, labels=lists)
    dataset = found.add_dataset(
        "small", Imported(clips, about, dataset.report, "f" * 64, "1" * 64), adapter="csv", root=dataset.root
    )
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    made.map_of(found, space, "tsne")
    with showing(found.root):
        c = data.clips(dataset)
        assert (data.n_classes(c), data.size(c)) == (2, "8 clips, 3 without a class")
        assert results.quality(space, dataset) is None
        made.computed(found, results.quality_spec(space, dataset))
        quality = results.quality(space, dataset)
        assert quality is not None
        assert (quality.n, quality.agreement.n) == (5, 5)
        ids = [str(i) for i in c.ids]
        assert data.same_class(c, ids[5], ids[6:8]) == "2 nearest"
        assert data.same_class(c, ids[0], ids[1:6]) == "3 of 5 of the same class"
        assert "8 clips, 3 without a class · 2 classes" in words(explore())
        assert ">2<" in html(helpers.run("home")).replace("\n", "")


def baselines(found: Workspace, dataset: Dataset, space: Any, folds: str) -> None:
    spec = Baselines(embedding=space, labels=dataset.labels_fingerprint)
    labels = dataset.clips["label"].tolist()
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        columns = {
            "clip_id": dataset.clips["clip_id"].tolist(),
            "label": labels,
            "fold": np.zeros(len(labels)),
        }
        w.table("predictions", columns | {"knn": labels, "probe": labels})
        w.meta.update(
            n_clips=len(labels), n_classes=8, k=5, folds=folds, unseen=0, accuracy={"knn": 1.0, "probe": 1.0}
        )


@pytest.mark.parametrize("folds", ["drawn", "dataset"])
def test_it_is_said_whose_folds_accuracies_are_of(spoken: Any, made: Any, folds: str) -> None:
    found, dataset = spoken
    n = dataset.n_clips
    dataset = with_columns(found, dataset, {"speaker": [("anna", "bo", "cy")[i % 3] for i in range(n)]})
    space = made.space(found, dataset, "aisfx", seed=1, spread=1.0)
    baselines(found, dataset, space, folds)
    said = words(helpers.run("separability"))
    drawn = "over folds **drawn at random**: clips of one speaker may be in both training and test"
    assert (drawn in said) == (folds == "drawn")
    assert ("hearspace add small --replace -o fold=speaker" in said) == (folds == "drawn")
    assert ("own folds, each held out in turn: anna, bo, cy." in said) == (folds == "dataset")
    row = separability.table([separability.scores(dataset, space)]).iloc[0]
    assert row["folds"] == folds
