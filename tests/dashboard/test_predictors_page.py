from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.similarity import analogy_accuracy
from dashboard.predictors import board as predictors_board
from dashboard.predictors import data as predictors
from dashboard.predictors.board import Board
from dashboard.predictors.data import Dot
from jobs import contrastive_presets as contrastive
from jobs import presets as measures
from jobs.engine import inprocess
from jobs.specs import Agreement, EmbedAudio, EmbedText, ZeroShotClassification, from_json
from jobs.workspace.workspace import Workspace
from tests.dashboard import helpers, made_leakage, made_predictors
from tests.dashboard.helpers import address, everything, press, showing, words

run = partial(helpers.run, "predictors")
TEXTS = "minilm · labels"


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of five measured spaces; tests must not change it."""
    return made_predictors.predicting(tmp_path_factory.mktemp("five"))


@pytest.fixture
def shown(five: Workspace) -> Iterator[Workspace]:
    with showing(five.root):
        yield five


def board(found: Workspace) -> Board:
    return predictors_board.board(found, found.dataset("small"))


def dots(found: Workspace, k: int = 2) -> list[Dot]:
    b = board(found)
    return predictors.dots(b, predictors_board.references(b)[TEXTS], k)


def by(found: Workspace, name: str) -> pd.DataFrame:
    """The CSV of all numbers, by space."""
    b = board(found)
    text = predictors.dots_csv(dots(found), predictors_board.references(b)[TEXTS], 2)
    return pd.read_csv(io.BytesIO(text)).set_index("space")[name]  # type: ignore[return-value]


# -- what the numbers are -----------------------------------------------------------------------------------


def test_numbers_of_a_space_are_those_of_its_results(shown: Workspace) -> None:
    dataset = shown.dataset("small")
    texts = next(t.spec for t in shown.text_spaces(dataset))
    for dot in dots(shown):
        spec = made_predictors.space_of(shown, dot.space)
        asked = {type(s).__name__: s for s in measures.of_space(dataset, spec)}
        separability = shown.cache.open(asked["Separability"].key)
        silhouettes = np.asarray(separability.array("silhouette_cosine"))
        assert dot.measures["silhouette"] == pytest.approx(silhouettes.mean())
        assert dot.measures["hubness"] == pytest.approx(separability.meta["hubness"]["10"])
        assert dot.measures["effective"] == pytest.approx(separability.meta["effective_rank"])
        for name, value in separability.meta["properties"].items():
            assert dot.measures[name] == pytest.approx(value)
        p = shown.cache.open(asked["Baselines"].key).table("predictions").to_pandas()
        assert dot.accuracies["probe"].value == pytest.approx((p["probe"] == p["label"]).mean())
        agreement = shown.cache.open(measures.of_pairs(dataset, [spec], [texts], of="classes")[0].key)
        assert dot.measures["nngs"] == pytest.approx(agreement.array("jaccard")[1])
        assert dot.measures["cka"] == pytest.approx(agreement.meta["cka"]["linear_debiased"])
        # A fifth of eight classes: only k = 1 is looked at.
        assert dot.measures["overlap"] == pytest.approx(agreement.array("adjusted")[0])
    there = {d.space: d.accuracies["map@15"].n > 0 for d in dots(shown)}
    assert there == {name: name != "freesound" for name in made_predictors.SPACES}


def test_measures_are_ranked_by_their_correlation_and_corrected_for_how_many_there_are(
    shown: Workspace,
) -> None:
    found = predictors.ranked(dots(shown), "knn")
    y = by(shown, "knn")
    expected = {}
    for name in predictors.MEASURES:
        x = by(shown, name)
        if np.ptp(x) > 0:
            expected[name] = (stats.pearsonr(x, y), stats.spearmanr(x, y))
    assert {r.name for r in found} == set(expected)
    assert "dimensions" not in expected  # 32 in all
    strength = [abs(r.pearson.r) for r in found]
    assert strength == sorted(strength, reverse=True)
    raw = np.array([r.pearson.p for r in found])
    for i, r in enumerate(found):
        pearson, spearman = expected[r.name]
        assert (r.pearson.r, r.pearson.p) == pytest.approx((pearson.statistic, pearson.pvalue), abs=1e-9)
        interval = pearson.confidence_interval()
        assert (r.pearson.low, r.pearson.high) == pytest.approx(tuple(interval), abs=1e-6)
        assert r.spearman.r == pytest.approx(spearman.statistic)
        below = np.sort(raw)[: (np.sort(raw) <= raw[i]).sum()]
        holm = max((len(raw) - j) * p for j, p in enumerate(below))
        assert r.adjusted == pytest.approx(min(1.0, holm))


def test_a_logarithm_leaves_out_what_has_none(shown: Workspace) -> None:
    some = dots(shown)
    nothing = replace(some[0].accuracies["knn"], value=0.0)
    none = [replace(some[0], accuracies={**some[0].accuracies, "knn": nothing}), *some[1:]]
    y = predictors.on_y(none, "knn", log=True)
    assert np.isnan(y[0])
    assert y[1:] == pytest.approx(np.log([d.accuracies["knn"].value for d in some[1:]]))
    assert {r.pearson.n for r in predictors.ranked(none, "knn", log=True)} == {4}
    drawn = predictors.drawn(none, "silhouette", "knn", log=True)
    assert drawn is not None
    assert some[0].space not in drawn.ids
    # Of three spaces nothing is ranked.
    assert predictors.ranked(none[:4], "knn", log=True) == []


def test_nngs_over_k_is_a_correlation_at_every_size(shown: Workspace) -> None:
    b = board(shown)
    reference = predictors_board.references(b)[TEXTS]
    found = predictors.over_k(b, dots(shown), reference, "knn")
    assert found is not None
    dataset = shown.dataset("small")
    assert isinstance(reference.spec, EmbedText)
    curves, cka = [], []
    for name in b.spaces:
        spec = made_predictors.space_of(shown, name)
        artifact = shown.cache.open(measures.of_pairs(dataset, [spec], [reference.spec], of="classes")[0].key)
        curves.append(np.asarray(artifact.array("jaccard")))
        cka.append(artifact.meta["cka"]["linear_debiased"])
    y = by(shown, "knn").loc[list(b.spaces)]
    assert found.ks.tolist() == [1, 2, 3, 4, 5, 6, 7]
    for i, k in enumerate(found.ks[:-1]):
        r = stats.pearsonr([c[k - 1] for c in curves], y)
        assert found.values[i, 0] == pytest.approx(r.statistic)
    assert np.isnan(found.values[-1, 0])  # at k = 7 all are neighbours of all
    assert found.cka["CKA, linear"].r == pytest.approx(stats.pearsonr(cka, y).statistic)
    assert found.best == found.ks[np.nanargmax(np.abs(found.values[:, 0]))]
    assert (found.n, found.items) == (5, 8)


def test_a_space_is_not_compared_with_itself_and_texts_only_by_classes(shown: Workspace) -> None:
    b = board(shown)
    offered = predictors_board.references(b)
    assert next(iter(offered)) == TEXTS
    assert offered[TEXTS].of == "classes"
    own = predictors_board.needed(b, b.spaces["aisfx"], "cka", offered["aisfx"])
    assert own.spec is None
    assert "it is the reference" in own.why
    other = predictors_board.needed(b, b.spaces["melstats"], "cka", offered["aisfx"]).spec
    assert isinstance(other, Agreement)
    assert other.of == "clips"
    assert predictors_board.without(b, ["cka"], offered["aisfx"]) == {"it is the reference": ["aisfx"]}
    # Spaces with the same reason are said in one line.
    lacking = predictors_board.without(b, ["silhouette", "held_out"], offered["aisfx"])
    assert lacking == {"it is no model of Leakage lab, which holds classes out": list(b.spaces)}
    app = run(x="silhouette", y="held_out")
    (line,) = [c.value for c in app.caption if "left out" in c.value]
    assert line.startswith("5 spaces are left out, each because it is no model of Leakage lab")
    assert all(name in line.replace("\\", "") for name in b.spaces)


def test_models_with_two_towers_have_texts_and_an_accuracy_of_their_own(tmp_path: Path) -> None:
    found = made_leakage.leaking(tmp_path, sounds=False, per_class=4)
    dataset = found.dataset("small")
    with showing(found.root):
        (spec_of_grid,) = contrastive.grids_of(found, dataset)
        grid = spec_of_grid.read(found.cache)
        made_predictors.made.space(found, dataset, "aisfx", seed=0, spread=1.0)
        press(run(), "Add the models of Leakage lab")
        asked = [getattr(from_json(j.spec), "run", "") for j in found.queue.jobs()]
        assert sorted(asked) == sorted(f"{part}_{i}" for part in ("Ea", "Et") for i in range(6))
        for model in ("dirty/dirty", "clean/clean"):
            for spec in contrastive.all_spaces_of(spec_of_grid, dataset, [model]):
                assert inprocess.run(found, spec).state == "done"
        b = predictors_board.board(found, dataset)
        assert predictors_board.OWN in predictors_board.references(b)
        reference = predictors_board.references(b)[predictors_board.OWN]
        accuracy = dict(grid.by_model["accuracy"])
        for name in ("two_towers", "analogy"):
            wanted = [predictors_board.needed(b, s, name, reference).spec for s in b.spaces.values()]
            made = [spec for spec in wanted if spec is not None]
            assert {type(spec).__name__ for spec in made} <= {"ZeroShotClassification", "ClassAnalogies"}
            assert len(made) == 2  # E_a of the two
            for spec in made:
                assert inprocess.run(found, spec).state == "done"
        b = predictors_board.board(found, dataset)
        held_out, every, analogies = {}, {}, {}
        shown = predictors.dots(b, reference, 2)
        named = predictors.explain_names(shown)
        assert re.search(
            r"ea-(dirty-dirty|clean-clean) is E_a after (dirty|clean) pre-training and \2 ", named
        )
        clips = f"{grid.n_test} clips, the test clips of Leakage lab"
        assert clips in predictors.over(shown, "silhouette", "held_out", reference, "9 clips", "8")
        for dot in shown:
            part, _, model = dot.spec.run.partition("_")
            if not part:
                continue
            text = predictors_board.own_texts(b, dot.spec)
            assert text is not None
            assert (text.run, text.source) == (f"{part[0]}t_{model}", dot.spec.source)
            if part == "Ea":
                name = spec_of_grid.names[int(model)]
                held_out[name] = dot.accuracies["held_out"]
                every[name] = dot.accuracies["two_towers"]
                analogies[name] = dot.accuracies["analogy"].value
            else:
                assert {dot.accuracies[n].n for n in ("held_out", "two_towers", "analogy")} == {0}
        two = ("dirty/dirty", "clean/clean")
        assert {m: e.value for m, e in held_out.items()} == pytest.approx({m: accuracy[m] for m in two})
        assert {e.n for e in held_out.values()} == {grid.n_test}
        # That is another test than all clips among all classes, and stands on an axis of its own.
        labels = dataset.clips["label"].to_numpy(str)
        names = np.array(sorted(set(labels)))
        for model in two:
            at = spec_of_grid.names.index(model)
            X = np.asarray(grid.audio_Ea[at], np.float64)
            Y = np.asarray(grid.text_Et[at], np.float64)
            right = names[(X @ Y.T).argmax(axis=1)] == labels
            assert every[model].value == pytest.approx(right.mean())
            assert every[model].n == len(labels)
            means = np.stack([X[labels == name].mean(axis=0) for name in names])
            assert analogies[model] == pytest.approx(analogy_accuracy(means, Y))
        assert predictors_board.needed(b, b.spaces["aisfx"], "held_out", None).spec is None
        # A grid that was judged by other classes is not set beside them.
        other = made_leakage.grid_of(found, dataset, test_classes=made_leakage.TESTS[:6], training=("dirty",))
        assert inprocess.run(found, contrastive.spaces_of(other, ["none/dirty"])[1]).state == "done"
        b = predictors_board.board(found, dataset)
        mixed = next(s for s in b.spaces.values() if s.source is not None and s.source.key == other.key)
        assert "tested by other clips or classes" in predictors_board.needed(b, mixed, "held_out", None).why


def test_only_texts_of_the_same_model_classify(shown: Workspace) -> None:
    spec = replace(board(shown).spaces["aisfx"], identity="aisfx/other")
    own, other = (
        EmbedText(dataset=spec.dataset, texts="0" * 64, encoder=name, identity="x/1")
        for name in ("aisfx", "minilm")
    )
    assert predictors_board._of_one_model(spec, own)
    assert not predictors_board._of_one_model(spec, other)
    grid = made_leakage.spec_of(shown.dataset("small"))
    (start,), (x_a, E_a) = contrastive.starts_of(grid)[:1], contrastive.spaces_of(grid)[:2]
    texts = contrastive.texts_of_grid(grid, shown.dataset("small"))
    for space, run in ((start, None), (x_a, "xt_0"), (E_a, "Et_0")):
        twins = [text.run for text in texts if predictors_board._of_one_model(space, text)]
        assert twins == ([] if run is None else [run])


def test_other_models_are_classified_by_texts_of_the_same_encoder(shown: Workspace) -> None:
    b = board(shown)
    spec = b.spaces["aisfx"]
    assert predictors_board.needed(b, spec, "two_towers", None).why == "the model has no texts of its own"
    text = EmbedText(dataset=spec.dataset, texts="0" * 64, encoder="aisfx", identity="aisfx/test")
    asked = predictors_board.needed(replace(b, texts={"own": text}), spec, "two_towers", None).spec
    assert isinstance(asked, ZeroShotClassification)
    assert (asked.embedding, asked.texts) == (spec, (text,))


def test_the_page_reads_results_and_imports_no_other_page() -> None:
    folder = Path(predictors.__file__).parent
    pages = {p.parent.name for p in folder.parent.glob("*/page.py")} - {folder.name, "kit"}
    for source in folder.glob("*.py"):
        imported = re.findall(r"from dashboard(?:\.(\w+)[.\w]* import| import (.+))", source.read_text())
        names = {name.split(" ")[0] for a, b in imported for name in (a, *b.split(", ")) if name}
        assert not names & pages, source.name


# -- the page -----------------------------------------------------------------------------------------------


def test_the_page_ranks_draws_and_says_what_is_missing(shown: Workspace) -> None:
    app = run(y="knn")
    said = everything(app)
    best = predictors.ranked(dots(shown, 1), "knn")[0]
    assert f"Strongest: **{predictors.MEASURES[best.name].title}**" in said
    assert "5 spaces · 48 clips · 8 classes" in said
    assert "(1 result)" in str([b.label for b in app.button])
    assert address(app) == {"dataset": "small", "reference": TEXTS}
    app = run(y="map@15", x="silhouette", scale="log", k=3, dot="aisfx")
    assert address(app)["x"] == "silhouette"
    assert "Compute silhouette and MAP@15 where missing" in [b.label for b in app.button]
    assert "Explore" in [b.label for b in app.button]
    there = by(shown, "map@15").notna()
    assert "Silhouette: over 48 clips of 8 classes; MAP@15: over 48 clips." in words(app)
    x, y = by(shown, "silhouette")[there], np.log(by(shown, "map@15")[there])
    r = stats.pearsonr(x, y).statistic
    assert f"{r:+.3f}".replace("-", "−") in everything(app)


def test_what_is_missing_is_computed_by_a_click(tmp_path: Path, made: Any) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    for i, encoder in enumerate(("aisfx", "melstats")):
        made.space(found, dataset, encoder, seed=i, spread=1.0)
    with showing(found.root):
        app = run(x="silhouette", y="knn", reference="aisfx")
        assert "No space has both silhouette and kNN accuracy yet" in words(app)
        assert "Measures are ranked from 4 spaces on" in words(app)
        press(app, "Compute silhouette and kNN accuracy where missing")
        asked = {j.spec["type"] for j in found.queue.jobs()}
        assert {"Separability", "Baselines"} <= asked
        assert "Retrieval" not in asked
        for job in found.queue.jobs():
            assert inprocess.run(found, from_json(job.spec)).state == "done"
        app = run(x="silhouette", y="knn", reference="aisfx")
        assert "Compute silhouette and kNN accuracy where missing" not in [b.label for b in app.button]
        assert "2 spaces with both numbers: an interval needs at least 4." in words(app)
        odd = run(x="cka", y="knn", reference="aisfx")
        assert "aisfx is left out: it is the reference." in words(odd)


def test_nothing_to_compare_is_said(tmp_path: Path, made: Any) -> None:
    with showing(tmp_path / "nothing"):
        assert "There is no dataset to compare spaces of yet" in words(run())
    bare, dataset = made.workspace(tmp_path / "bare", per_class=3, sounds=False)
    with showing(bare.root):
        assert "has no space yet" in words(run())
    one, dataset = made.workspace(tmp_path / "one", per_class=5, sounds=False, classes={"Rain": "Nature"})
    spec: EmbedAudio = made.space(one, dataset, "aisfx", seed=0, spread=1.0)
    assert spec.encoder == "aisfx"
    with showing(one.root):
        assert "need at least two classes" in words(run())
