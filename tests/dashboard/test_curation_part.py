"""Pairs by curation on the page Leakage lab: numbers, downloads, and what can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.leakage import curation
from dashboard.leakage import data as leakage
from dashboard.leakage.curation_figures import accuracy_figure, difference_figure
from jobs.specs import CuratedTraining, from_json
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made_curation, made_leakage
from tests.dashboard.helpers import address, everything, press, showing, words

run = partial(helpers.run, "leakage", dataset="world")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, CuratedTraining]:
    return made_curation.curated(tmp_path_factory.mktemp("curated"))


@pytest.fixture
def shown(made: tuple[Workspace, CuratedTraining]) -> Iterator[CuratedTraining]:
    with showing(made[0].root):
        yield made[1]


def plots(app: Any) -> list[str]:
    return [str(e.proto.spec) for e in app.get("plotly_chart")]


def test_the_page_has_the_numbers_of_the_job(shown: CuratedTraining) -> None:
    app = run()
    text = everything(app)
    found = curation.result(shown)
    assert "Pairs by curation" in text
    assert f"{found.stored.n_pairs:,}" in text
    assert shown.embedding.encoder in text.replace("\\", "")
    drawn = [
        spec
        for spec in plots(app)
        if "zero-shot accuracy<br>n = " in spec.replace("\\u003c", "<").replace("\\u003e", ">")
    ]
    assert len(drawn) == 1
    assert f"n = {found.stored.n_test} test clips of {found.stored.n_test_classes} classes" in drawn[0]
    assert f"chance {found.stored.chance:.3f}" in drawn[0]
    assert any("difference in accuracy, paired" in spec for spec in plots(app))


def test_the_downloads_are_the_tables(shown: CuratedTraining) -> None:
    found = curation.result(shown)
    table = curation.accuracies_table(found)
    assert table["targets"].tolist() == [*found.accuracies["targets"], *found.models["targets"]]
    single = table[table["seed"].notna()]
    np.testing.assert_allclose(single["mean"], found.models["accuracy"])
    assert (table["chance"] == found.stored.chance).all()
    differences = found.differences
    np.testing.assert_allclose(differences["mean"], found.differences["mean"])
    assert len(found.pairs) == found.stored.n_pairs


def test_figures_hold_what_the_tables_hold(shown: CuratedTraining) -> None:
    found = curation.result(shown)
    figure = accuracy_figure(found.names, found.accuracies, found.each, title="x", chance=0.25)
    by = {trace.meta: trace for trace in figure.data}
    np.testing.assert_allclose(by["means"].x, found.accuracies["mean"])
    ends = by["means"].x + by["means"].error_x.array
    np.testing.assert_allclose(ends, found.accuracies["high"])
    np.testing.assert_allclose(by["trainings"].x, found.models["accuracy"])
    assert figure.layout.shapes[0].x0 == 0.25
    assert figure.layout.xaxis.range[0] < 0.25 < figure.layout.xaxis.range[1]
    figure = difference_figure(found.pairings, found.differences, title="x")
    for trace in figure.data:
        mine = found.differences[found.differences["over"] == trace.meta]
        np.testing.assert_allclose(trace.x, mine["mean"])
        np.testing.assert_allclose(trace.x - trace.error_x.arrayminus, mine["low"])


def test_another_training_is_asked_for(shown: CuratedTraining, made: tuple[Workspace, Any]) -> None:
    app = run(method="augmented", pool="clean")
    limits = {n.label: n.value for n in app.number_input if n.label.startswith("Least cosine")}
    assert limits == {"Least cosine of clip and caption": 0.7, "Least cosine of caption and class": 0.7}
    press(app, "Curate, and train 15 models")
    (job,) = [j for j in made[0].queue.jobs() if j.active]
    spec = from_json(job.spec)
    assert isinstance(spec, CuratedTraining)
    assert (spec.method, spec.training, spec.threshold, spec.n_seeds) == ("augmented", "clean", 0.7, 5)
    assert spec.embedding == shown.embedding
    assert address(app)["curated"] == spec.key[:12]
    assert "augmented" in words(app)
    made[0].queue.cancel(job.key)


def test_a_failed_training_leaves_its_row_empty(shown: CuratedTraining) -> None:
    found = curation.result(shown)
    models, table = found.models.copy(), found.accuracies.copy()
    models.loc[models["targets"] == "hard", "accuracy"] = np.nan
    table.loc[table["targets"] == "hard", ["mean", "low", "high"]] = np.nan
    none = curation.Result(**{**vars(found), "models": models, "accuracies": table})
    figure = accuracy_figure(none.names, none.accuracies, none.each, title="x", chance=0.25)
    assert [len(values) for values in none.each] == [0, 0, 2, 2]
    assert np.isfinite(figure.layout.xaxis.range).all()


def test_models_that_did_not_fail_are_offered_and_the_one_without_leaks_first(tmp_path: Path) -> None:
    workspace = made_leakage.leaking(tmp_path, sounds=False, per_class=4, fails="none/clean")
    with showing(workspace.root):
        dataset = workspace.dataset("small")
        names = list(curation.models(workspace, dataset, leakage.grids(workspace, dataset)))
    assert len(names) == 5
    assert [name.partition("@")[0].removeprefix("trained:ea-") for name in names[:2]] == [
        "clean-clean",
        "dirty-dirty",
    ]
