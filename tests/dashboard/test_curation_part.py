"""Pairs by curation on the page Leakage lab: numbers, downloads, and what can be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dashboard.leakage import curation
from dashboard.leakage import data as leakage
from dashboard.leakage.curation_figures import accuracy_figure, difference_figure
from dashboard.results import result
from jobs.specs import ContrastiveGrid, CuratedTraining, from_json
from jobs.tasks.curated_training import Result
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
    r = result(shown)
    assert "Pairs by curation" in text
    assert f"{r.n_pairs:,}" in text
    assert shown.embedding.encoder in text.replace("\\", "")
    drawn = [spec.replace("\\u003c", "<").replace("\\u003e", ">") for spec in plots(app)]
    (drawn_accuracy,) = [spec for spec in drawn if "zero-shot accuracy<br>n = " in spec]
    assert f"n = {r.n_test} test clips of {r.n_test_classes} classes" in drawn_accuracy
    assert f"chance {r.chance:.3f}" in drawn_accuracy
    assert any("difference in accuracy, paired" in spec for spec in drawn)


def test_the_download_is_the_table(shown: CuratedTraining) -> None:
    r = result(shown)
    table = curation.accuracies_table(r)
    assert table["targets"].tolist() == [*r.column("accuracies", "targets"), *r.column("models", "targets")]
    np.testing.assert_allclose(table["mean"][table["seed"].notna()], r.column("models", "accuracy"))
    assert (table["chance"] == r.chance).all()


def test_figures_hold_what_the_tables_hold(shown: CuratedTraining) -> None:
    r = result(shown)
    accuracies, differences = r.accuracies.to_pandas(), r.differences.to_pandas()
    names = accuracies["targets"].tolist()
    figure = accuracy_figure(names, accuracies, curation.single_accuracies(r), title="x", chance=0.25)
    by = {trace.meta: trace for trace in figure.data}
    np.testing.assert_allclose(by["means"].x, accuracies["mean"])
    ends = by["means"].x + by["means"].error_x.array
    np.testing.assert_allclose(ends, accuracies["high"])
    np.testing.assert_allclose(by["trainings"].x, r.column("models", "accuracy"))
    assert figure.layout.shapes[0].x0 == 0.25
    assert figure.layout.xaxis.range[0] < 0.25 < figure.layout.xaxis.range[1]
    figure = difference_figure(curation.pairings(r), differences, title="x")
    for trace in figure.data:
        mine = differences[differences["over"] == trace.meta]
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
    failed = Result.read(result(shown).artifact)  # type: ignore[arg-type]
    models, table = failed.models.to_pandas(), failed.accuracies.to_pandas()
    models.loc[models["targets"] == "hard", "accuracy"] = np.nan
    table.loc[table["targets"] == "hard", ["mean", "low", "high"]] = np.nan
    failed.models = pa.Table.from_pandas(models)
    each = curation.single_accuracies(failed)
    figure = accuracy_figure(table["targets"].tolist(), table, each, title="x", chance=0.25)
    assert [len(values) for values in each] == [0, 0, 2, 2]
    assert np.isfinite(figure.layout.xaxis.range).all()


def test_models_that_did_not_fail_are_offered_and_the_one_without_leaks_first(tmp_path: Path) -> None:
    workspace = made_leakage.leaking(tmp_path, sounds=False, per_class=4, fails="none/clean")
    with showing(workspace.root):
        dataset = workspace.dataset("small")
        grids = leakage.trainings(workspace, dataset, ContrastiveGrid)
        names = list(curation.models(workspace, dataset, grids))
    assert len(names) == 5
    assert [name.partition("@")[0].removeprefix("trained:ea-") for name in names[:2]] == [
        "clean-clean",
        "dirty-dirty",
    ]
