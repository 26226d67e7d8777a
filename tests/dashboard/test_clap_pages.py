"""A CLAP checkpoint of random weights: embedded, classified, measured, and on every page there is."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from dashboard import pages
from dashboard.kit import confusion_numbers
from dashboard.predictors import board as predictors_board
from dashboard.predictors import data as predictors
from dashboard.predictors import towers
from jobs import presets as measures
from jobs.contrastive_presets import PROMPTS, classification
from jobs.datasets.importer import import_dataset
from jobs.engine import inprocess
from jobs.specs import ClassAnalogies, Project, from_json
from tests.dashboard import made
from tests.dashboard.helpers import everything, press, run, showing, words
from tests.jobs import tiny_models

CLASSES = {"Dog bark": "Animals", "Crow": "Animals", "Rain": "Nature", "Sea waves": "Nature"}
NAMES = [pages.address(module) for module in pages.modules()]
#: Pages that show whatever spaces a dataset has, and what of the link chooses one.
WITH_SPACE = {
    "explore": "space",
    "neighbourhoods": "space",
    "separability": "space",
    "retrieval": "space",
    "listen": "system",
    "zeroshot": "space",
    "splits": "space",
    "losses": "space",
    "predictors": "dot",
    "home": "",
}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A dataset that CLAP has embedded, with all that is usually computed of a space."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found, small = made.workspace(tmp_path_factory.mktemp("clap"), per_class=4, classes=CLASSES)
    imported = import_dataset("folder", small.root)
    dataset = found.add_dataset("small", imported, adapter="folder", root=small.root)
    clap = f"transformers:{tiny_models.clap(tmp_path_factory.mktemp('checkpoint'))}"
    asked = classification(dataset, clap, prompts=PROMPTS[:2])
    space, text = asked.embedding, asked.texts[0]
    specs = [
        asked,
        ClassAnalogies(sounds=space, texts=text, labels=dataset.labels_fingerprint),
        Project(embedding=space, method="pca"),
        *measures.of_space(dataset, space),
        *measures.of_retrieval(dataset, space),
        *measures.of_pairs(dataset, [space], [text], of="classes"),
    ]
    for spec in specs:
        job = inprocess.run(found, spec)
        assert job.state == "done", job.error
    torch.set_num_threads(threads)
    with showing(found.root):
        yield SimpleNamespace(workspace=found, dataset=dataset, asked=asked, space=space, text=text)


@pytest.mark.parametrize("page", NAMES)
def test_every_page_takes_it(heard: SimpleNamespace, page: str) -> None:
    name = heard.space.encoder
    chosen = {WITH_SPACE[page]: name} if WITH_SPACE.get(page) else {}
    app = run(page, dataset="small", **chosen)
    assert not app.error
    if page in WITH_SPACE:
        widgets: list[Any] = [*app.selectbox, *app.multiselect]
        offered = {str(option) for widget in widgets for option in widget.options}
        shown = everything(app)
        assert offered & {name, heard.space.model} or name in shown or heard.space.model in shown, offered
        assert "is not available" not in everything(app)


def test_it_is_a_dot_with_the_accuracy_of_its_classification(heard: SimpleNamespace) -> None:
    meta = heard.workspace.cache.open(heard.asked.key).meta
    b = predictors_board.board(heard.workspace, heard.dataset)
    own = predictors_board.references(b)[predictors_board.OWN]
    (dot,) = predictors.dots(b, own, 1)
    assert dot.space == heard.space.encoder
    assert dot.accuracies["two_towers"].value == pytest.approx(meta["accuracy"])
    assert (dot.accuracies["two_towers"].n, meta["prompts"]) == (16, ["{}", "the sound of {}"])
    analogies = heard.workspace.cache.open(
        ClassAnalogies(sounds=heard.space, texts=heard.text, labels=heard.dataset.labels_fingerprint).key
    ).meta
    assert dot.accuracies["analogy"].value == analogies["analogy_pair"]
    assert dot.accuracies["analogy_released"].value == analogies["analogy_released"]
    assert "over 4 classes" in predictors.over([dot], "nngs", "analogy_released", own, "16 clips", "16")
    assert (analogies["n"], analogies["analogy_chance"]) == (4, pytest.approx(1 / 3))
    assert np.isfinite([dot.measures[name] for name in ("silhouette", "overlap", "nngs", "cka")]).all()
    assert dot.accuracies["held_out"].n == 0
    app = run("predictors", dataset="small", x="silhouette", y="two_towers", dot=heard.space.encoder)
    assert f"{meta['accuracy']:.3f}" in everything(app)


def test_its_classification_is_looked_into_and_asked_for(heard: SimpleNamespace) -> None:
    artifact = heard.workspace.cache.open(heard.asked.key)
    name = heard.space.encoder
    found = towers.result(heard.asked)
    p = artifact.table("predictions").to_pandas()
    for i, label in enumerate(found.judged.classes):
        mine = p[p["label"] == label]
        low, high = stats.binomtest(int((mine["predicted"] == label).sum()), len(mine)).proportion_ci(
            method="wilson"
        )
        assert found.judged.accuracy[i, 1:] == pytest.approx([low, high])
    np.testing.assert_array_equal(found.judged.confusion, artifact.array("confusion"))
    true, taken = confusion_numbers.first_cell(found.judged)
    cell = confusion_numbers.in_cell(found.predictions, true, taken)
    wanted = p[(p["label"] == true) & (p["predicted"] == taken)]
    assert sorted(cell["clip_id"]) == sorted(wanted["clip_id"])
    app = run("predictors", dataset="small", tower=name, prompts="{} | the sound of {}")
    said = everything(app)
    meta = artifact.meta
    assert f"{meta['accuracy']:.3f} ({meta['low']:.3f} to {meta['high']:.3f})" in said
    assert f"<small>clips</small><b>{meta['n']}</b>" in said
    # Other prompts are another classification, which is asked for by a click.
    app = run("predictors", dataset="small", tower=name, prompts="a noise like {}")
    press(app, "Classify 16 clips")
    (job,) = [
        j for j in heard.workspace.queue.jobs() if j.active and j.spec["type"] == "ZeroShotClassification"
    ]
    assert [text.template for text in from_json(job.spec).texts] == ["a noise like {}"]  # type: ignore[attr-defined]
    for job in heard.workspace.queue.jobs():
        heard.workspace.queue.cancel(job.key)
    assert "it must hold {} once" in words(run("predictors", dataset="small", tower=name, prompts="noise"))
