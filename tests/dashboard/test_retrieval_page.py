from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from dashboard import data
from dashboard.retrieval import class_data, system_data
from dashboard.retrieval import data as retrieval
from dashboard.retrieval import figures as retrieval_figures
from dashboard.retrieval.data import MEASURES
from jobs.datasets.importer import Imported
from jobs.demo import GRIDS
from jobs.demo import presets as demo
from jobs.engine import inprocess
from jobs.presets import grid_of_retrieval, retrieval_of
from jobs.specs import Baselines, EmbedAudio, KMeansCurve, Retrieval, RetrievalGrid, Separability, Synthesize
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import helpers
from tests.dashboard.helpers import address, html, press, showing, words

run = partial(helpers.run, "retrieval")


@pytest.fixture(scope="session")
def judged(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three spaces of 96 clips, two judged by one system, one by all; tests must not change it."""
    found = made.retrieving(tmp_path_factory.mktemp("judged"), sounds=False)
    dataset = found.dataset("small")
    for s in found.spaces(dataset):
        if s.encoder != "handcrafted":
            made.retrieved(found, dataset, s.spec, by="family")
            made.retrieved(found, dataset, s.spec, count_query=False)
    return found


@pytest.fixture
def shown(judged: Any) -> Iterator[Any]:
    with showing(judged.root):
        yield judged


def relabelled(found: Workspace, dataset: Dataset, labels: list[list[str]], families: Any = None) -> Dataset:
    """The same sounds, other classes; a clip may have several."""
    clips = dataset.clips.assign(label=[v[0] if v else None for v in labels], labels=labels)
    names = sorted({v for some in labels for v in some})
    of = families or dict.fromkeys(names)
    classes = pd.DataFrame(
        {"label": names, "family": [of.get(n) for n in names], "description": None}, dtype=object
    )
    print_of = hashlib.sha256(repr((labels, families)).encode()).hexdigest()
    imported = Imported(clips, classes, dataset.report, dataset.fingerprint, print_of)
    return found.add_dataset("small", imported, adapter="folder", root=dataset.root)


def space_of(found: Workspace, encoder: str) -> EmbedAudio:
    dataset = found.dataset("small")
    return next(s.spec for s in found.spaces(dataset) if s.encoder == encoder)


def plain(X: np.ndarray, y: np.ndarray, *, count_query: bool = True) -> pd.DataFrame:
    """AP@N and R1 of every clip, by the book."""
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    scores = unit @ unit.T
    rows = []
    for i in range(len(X)):
        order = sorted((j for j in range(len(X)) if j != i), key=lambda j: (-round(scores[i, j], 12), j))
        hits = [y[j] == y[i] for j in order]
        size = int((y == y[i]).sum()) - (not count_query)
        row: dict[str, Any] = {"label": y[i], "first": order[:15], "r1": hits.index(True)}
        for n in (15, 150):
            gains = [sum(hits[: k + 1]) / (k + 1) for k, hit in enumerate(hits[:n]) if hit]
            row[f"ap@{n}"] = sum(gains) / min(n, size)
        rows.append(row)
    return pd.DataFrame(rows)


def embedded(found: Workspace, encoder: str) -> np.ndarray:
    return space_of(found, encoder).read(found.cache).embeddings.astype(float)


def asked(found: Workspace, encoder: str, by: str = "label", count_query: bool = True) -> Retrieval:
    return retrieval_of(found.dataset("small"), space_of(found, encoder), by=by, count_query=count_query)


def grid(found: Workspace, encoder: str) -> RetrievalGrid:
    return grid_of_retrieval(found.dataset("small"), space_of(found, encoder))


def test_an_empty_workspace_says_what_to_do(fresh: Workspace) -> None:
    app = run()
    assert not app.error
    assert "no dataset to look at" in words(app)


def test_sounds_that_are_generated_are_waited_for(fresh: Workspace) -> None:
    fresh.add_synthetic("synthetic", Synthesize())
    fresh.queue.submit(Synthesize())
    app = run()
    assert not app.error
    assert "being generated" in words(app)


def test_a_dataset_without_a_space_can_be_embedded(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    app = run()
    assert "has no space yet" in words(app)
    press(app, "Embed with melstats")
    assert [j.key for j in found.queue.jobs()] == [EmbedAudio(dataset=dataset.ref, encoder="melstats").key]
    assert "is being embedded" in words(app)


def test_what_is_missing_is_asked_for(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spaces = [made.space(found, dataset, e, seed=i, spread=1.0) for i, e in enumerate(("aisfx", "melstats"))]
    app = run()
    assert not found.queue.jobs()
    assert "once they are computed" in words(app)
    assert "–" in html(app)
    press(app, "Compute what is missing")
    keys = {Retrieval(embedding=e, labels=dataset.labels_fingerprint).key for e in spaces}
    assert keys == {j.key for j in found.queue.jobs()}
    assert "No worker is running" in words(app)
    press(app, "Try all systems")
    (grid,) = {j.key for j in found.queue.jobs()} - keys
    assert grid == RetrievalGrid(embedding=spaces[0], labels=dataset.labels_fingerprint).key
    again = run()
    assert not [b for b in again.button if b.label in ("Compute what is missing", "Try all systems")]


def test_unit_length_before_pca_is_asked_for_by_a_switch_and_a_link(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    app = run(unit="before")
    assert next(t for t in app.toggle if t.label == "Unit length before PCA").value
    press(app, "Compute what is missing")
    press(app, "Try all systems")
    labels = dataset.labels_fingerprint
    assert {j.key for j in found.queue.jobs()} == {
        kind(embedding=space, labels=labels, normalize="before").key for kind in (Retrieval, RetrievalGrid)
    }
    app = run()
    next(t for t in app.toggle if t.label == "Unit length before PCA").set_value(True).run()
    assert not app.exception
    assert app.query_params["unit"] in ("before", ["before"])
    assert not [b for b in app.button if b.label in ("Compute what is missing", "Try all systems")]


def test_a_failed_job_says_why_and_can_be_tried_again(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spec = retrieval_of(dataset, made.space(found, dataset, "melstats", seed=0, spread=1.0))
    found.queue.submit(spec)
    found.queue.claim(spec.key)
    found.queue.finish(spec.key, "failed", "There was no room on the disk.")
    app = run()
    assert "There was no room on the disk" in app.error[0].value.replace("\\", "")
    next(b for b in app.button if b.label == "Try again").click()
    app.run()
    assert found.queue.get(spec.key).state == "queued"


@pytest.mark.parametrize("kind", ["none", "alone"])
def test_nothing_to_find_is_said_calmly(made: Any, fresh: Workspace, tmp_path: Path, kind: str) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    labels = [[f"class {i}"] if kind == "alone" else [] for i in range(dataset.n_clips)]
    relabelled(found, dataset, labels)
    app = run()
    assert not app.error
    said = words(app)
    assert ("No class has two clips" if kind == "alone" else "No clip has a class") in said
    assert "Add the dataset again" in said
    assert not app.button


def test_one_class_is_warned_of(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    spec = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    dataset = relabelled(found, dataset, [["Rain"]] * dataset.n_clips)
    made.retrieved(found, dataset, spec)
    app = run(count="no")
    assert not app.error
    app = run()
    assert not app.error
    assert "Only one class, Rain" in words(app)
    assert "has no families of classes" in words(app)
    assert not [s for s in app.selectbox if s.label == "Family"]


def test_classes_of_one_clip_and_without_a_family_are_listed(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    spec = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    labels = [["Lonely"], [], *[["Rain", "Hiss"]] * 6, *[["Crow"]] * (dataset.n_clips - 8)]
    dataset = relabelled(found, dataset, labels, {"Rain": "Nature", "Crow": "Animals", "Lonely": "Animals"})
    result = made.retrieved(found, dataset, spec)
    c = data.clips(dataset)
    assert retrieval.class_sizes(c) == {"Crow": 8, "Hiss": 6, "Lonely": 1, "Rain": 6}
    assert retrieval.table(result, "excluded")["class"].tolist() == ["Lonely"]
    families = {"Animals": ["Crow"], "Nature": ["Rain"], class_data.NO_FAMILY: ["Hiss"]}
    assert class_data.families(result) == families
    app = run(family=class_data.NO_FAMILY)
    assert not app.error
    said = words(app)
    assert "nothing to find: class Lonely" in said
    assert "In no family" in said
    assert "1 class (Hiss)" in said
    assert app.selectbox(key="retrieval.class").options == ["Hiss"]
    # A clip of two classes is searched with for each, and what carries either is relevant to it alone.
    for label in ("Rain", "Hiss"):
        results = class_data.results_of(result, c, str(c.ids[2]), label, 13)
        assert set(results["clip_id"][results["relevant"]]) == {str(c.ids[i]) for i in range(3, 8)}


@pytest.mark.parametrize("count_query", [True, False])
def test_numbers_are_those_of_plain_lists(shown: Any, count_query: bool) -> None:
    y = shown.dataset("small").clips["label"].to_numpy(str)
    result = asked(shown, "aisfx", count_query=count_query)
    truth = plain(embedded(shown, "aisfx"), y, count_query=count_query)
    means = truth.groupby("label")[["ap@15", "ap@150", "r1"]].mean()
    row = retrieval.models([result]).iloc[0]
    assert row["queries"] == 96
    for name, m in MEASURES.items():
        assert row[name] == pytest.approx(means[m.of_query].mean(), abs=1e-6)
        by = class_data.by_class(result, m)
        assert by["value"].to_dict() == pytest.approx(means[m.of_query].to_dict(), abs=1e-6)
        assert by["value"].tolist() == sorted(by["value"], reverse=name != "mr1")
    mine = truth.loc[truth["label"] == "Rain", "ap@15"].to_numpy()
    rain = class_data.by_class(result, MEASURES["map@15"]).loc["Rain"]
    half = student.ppf(0.975, 11) * mine.std(ddof=1) / math.sqrt(12)
    assert rain["low"] == pytest.approx(mine.mean() - half, abs=1e-6)
    assert rain["n"] == 12
    app = run(count="yes" if count_query else "no")
    assert f"{means['ap@15'].mean():.3f}" in html(app)


def test_the_ceiling_is_given_where_lists_cannot_reach_one(shown: Any) -> None:
    sizes = retrieval.class_sizes(data.clips(shown.dataset("small")))
    counted, not_counted = asked(shown, "aisfx"), asked(shown, "aisfx", count_query=False)
    assert retrieval.ceiling(counted, sizes, "map@15") == (pytest.approx(11 / 12), 8)
    assert retrieval.ceiling(not_counted, sizes, "map@150") == (1.0, 0)
    # A class of 40 can fill the first page, not the first ten.
    assert retrieval.ceiling(counted, {"a": 40, "b": 1}, "map@15") == (1.0, 0)
    assert retrieval.ceiling(counted, {"a": 40, "b": 1}, "map@150") == (39 / 40, 1)
    assert "at best 11/12" in words(run(measure="map@150"))
    assert "at best" not in words(run(measure="mr1"))
    app = run()
    app.toggle(key="retrieval.counted").set_value(False).run()
    assert not app.exception
    assert address(app)["count"] == "no"
    assert "at best" not in words(app)


def test_differences_are_paired_and_corrected(made: Any, shown: Any) -> None:
    y = shown.dataset("small").clips["label"].to_numpy(str)
    specs = [asked(shown, e) for e in ("aisfx", "melstats")]
    (found,) = retrieval.differences(specs, specs[1], "map@15").to_dict("records")
    a, b = (plain(embedded(shown, e), y)["ap@15"].to_numpy() for e in ("aisfx", "melstats"))
    assert (found["space"], found["reference"], found["clips"]) == ("aisfx", "melstats", 96)
    assert found["difference"] == pytest.approx((a - b).mean(), abs=1e-6)
    assert found["low"] < (a - b).mean() < found["high"]
    assert found["p_holm"] == pytest.approx(found["p"])
    app = run(reference="melstats")
    assert f"{(a - b).mean():+.3f}".replace("-", "−") in html(app)


def test_of_spaces_with_other_clips_the_common_queries_are_compared(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=5, sounds=False)
    whole, part = (
        made.space(found, dataset, e, seed=i, spread=1.5) for i, e in enumerate(("aisfx", "melstats"))
    )
    X = np.asarray(found.cache.open(part.key).array("embeddings"))
    found.cache.delete(part.key)
    with found.cache.writer(part.key, spec=part.to_json()) as w:
        w.array("embeddings", X[1:])
        w.table("clips", {"clip_id": dataset.clips["clip_id"].tolist()[1:]})
        w.table("excluded", {"clip_id": pd.Series([], dtype=str), "reason": pd.Series([], dtype=str)})
    specs = [made.retrieved(found, dataset, s) for s in (whole, part)]
    (compared,) = retrieval.differences(specs, specs[0], "map@15").to_dict("records")
    assert compared["clips"] == 39
    tables = [retrieval.table(s, "queries").set_index("clip_id")["ap@15"] for s in specs]
    classes = dataset.clips.set_index("clip_id")["label"]
    paired = (tables[1] - tables[0]).dropna().groupby(classes).mean()
    assert compared["difference"] == pytest.approx(paired.mean(), abs=1e-6)
    app = run(space="melstats")
    assert not app.error


def test_the_table_can_be_sorted_and_saved(shown: Any) -> None:
    rows = retrieval.models([asked(shown, e) for e in ("aisfx", "handcrafted", "melstats")])

    def order(by: str) -> list[str]:
        return retrieval.ordered(rows, by)["space"].tolist()

    assert order("map@15") == ["melstats", "aisfx", "handcrafted"]  # handcrafted is not computed
    assert order("mr1")[0] == "melstats"
    assert order("parameters")[-1] == "aisfx"
    assert order("dimensions") == ["handcrafted", "aisfx", "melstats"]
    assert order("training")[-1] == "aisfx"  # not known
    assert order("space") == ["aisfx", "handcrafted", "melstats"]
    modality = pd.DataFrame({"space": list("bac"), "modality": ["audio & language", None, "audio"]})
    modality = modality.assign(**{"map@15": np.nan})
    assert retrieval.ordered(modality, "modality")["space"].tolist() == ["c", "b", "a"]
    assert rows["map@15_low"][0] < rows["map@15"][0] < rows["map@15_high"][0]
    assert np.isnan(rows["mr1"][1])
    app = run(sort="space")
    table = html(app)
    assert table.index(">aisfx<") < table.index(">handcrafted<") < table.index(">melstats<")
    assert "not known" in table
    assert "4.69M" in table
    assert "all dimensions are kept" in words(app)


def test_all_systems_are_shown_with_those_left_out(shown: Any) -> None:
    spec = grid(shown, "handcrafted")
    table = system_data.systems(spec)
    assert len(table) == 27
    best = system_data.best_system(table, MEASURES["map@15"])
    assert table["map@15"][best] == table["map@15"].max()
    assert table["mr1"][system_data.best_system(table, MEASURES["mr1"])] == table["mr1"].min()
    y = shown.dataset("small").clips["label"].to_numpy(str)
    usual = plain(embedded(shown, "handcrafted"), y)["ap@15"].mean()
    assert table["map@15"][spec.read(shown.cache).fixed] == pytest.approx(usual, abs=1e-6)
    lines = system_data.skipped(table)
    assert len(lines) == 2
    assert "(9 systems): PCA to 100 dimensions needs" in lines[0]
    app = run(space="handcrafted")
    assert not app.error
    assert "Left out: mean, PCA to 100" in words(app)
    assert f"{usual:.3f}" in words(app)
    assert len(app.get("plotly_chart")) == 1
    assert system_data.best_system(table.assign(**{"map@15": np.nan}), MEASURES["map@15"]) is None


def test_the_best_variation_stands_for_its_model(shown: Any) -> None:
    table = system_data.systems(grid(shown, "handcrafted"))
    worse = table.assign(**{"map@15": table["map@15"] / 2})
    m = MEASURES["map@15"]
    tables = {"imported:clap-a": worse, "melstats": worse, "imported:clap-b": table}
    picked = system_data.selection(tables, m)
    assert picked["encoder"].tolist() == ["imported:clap-a", "imported:clap-b", "melstats"]
    assert picked["model"].tolist() == ["clap", "clap", "melstats"]
    assert picked["variation"].tolist() == ["a", "b", ""]
    assert picked["chosen"].tolist() == [False, True, True]
    top = table["map@15"].max()
    np.testing.assert_allclose(picked["map@15"], [top / 2, top, top / 2])
    best = table.to_dict("records")[system_data.best_system(table, m)]
    assert picked["system"][0] == system_data.system_name(best)


def test_a_space_that_is_scaled_first_says_so(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spec = made.space(found, dataset, "freesound", seed=0, spread=1.5)
    made.retrieved(found, dataset, made.space(found, dataset, "melstats", seed=1, spread=1.5))
    made.retrieved(found, dataset, spec)
    assert inprocess.run(found, grid(found, "freesound")).state == "done"
    specs = [asked(found, e) for e in ("freesound", "melstats")]
    rows = retrieval.models(specs).set_index("space")
    X = embedded(found, "freesound")
    plain_scores = plain((X - X.min(0)) / (X.max(0) - X.min(0)), dataset.clips["label"].to_numpy())
    assert rows["map@15"]["freesound"] == pytest.approx(plain_scores["ap@15"].mean(), abs=1e-9)
    assert retrieval.SCALED in rows["note"]["freesound"]
    assert "all dimensions are kept" in rows["note"]["freesound"]
    assert retrieval.SCALED not in rows["note"]["melstats"]
    app = run(space="freesound")
    assert f"freesound: {retrieval.SCALED}" in words(app)
    assert words(app).count(retrieval.SCALED) == 2  # of the table, and of all systems
    assert "Best here: min-max, no PCA" in words(app)
    assert words(run(space="melstats")).count(retrieval.SCALED) == 1


@pytest.mark.parametrize("by", ["label", "family"])
def test_families_are_means_over_their_classes_or_classes_themselves(shown: Any, by: str) -> None:
    clips = shown.dataset("small").clips
    y = clips["label" if by == "label" else "family"].to_numpy(str)
    specs = [asked(shown, e, by) for e in ("aisfx", "melstats")]
    found = class_data.by_family(specs, MEASURES["map@150"])
    assert len(found) == 6
    for encoder, rows in found.groupby("space"):
        truth = plain(embedded(shown, str(encoder)), y).assign(family=clips["family"])
        means = truth.groupby(["family", "label"])["ap@150"].mean().groupby(level=0).mean()
        assert rows["family"].tolist() == ["Animals", "Nature", "Things"] == list(means.index)
        np.testing.assert_allclose(rows["map@150"], means, atol=1e-6)
        assert rows["queries"].tolist() == [36, 36, 24]
        assert rows["classes"].tolist() == ([3, 3, 2] if by == "label" else [1, 1, 1])
    assert (found["low"] < found["map@150"]).all()
    assert (found["map@150"] < found["high"]).all()
    app = run(by=by)
    assert not app.error
    assert len(app.get("plotly_chart")) == 2


def test_a_class_leads_to_its_queries_and_a_query_to_its_results(shown: Any) -> None:
    dataset = shown.dataset("small")
    c, y = data.clips(dataset), dataset.clips["label"].to_numpy(str)
    result, m = asked(shown, "aisfx"), MEASURES["map@15"]
    truth = plain(embedded(shown, "aisfx"), y).assign(clip=c.ids)
    mine = truth[truth["label"] == "Crow"].sort_values(["ap@15", "clip"])
    worst = class_data.queries_of(result, "Crow", m, best_first=False)
    np.testing.assert_allclose(worst["ap@15"], mine["ap@15"], atol=1e-6)
    best = class_data.queries_of(result, "Crow", m, best_first=True)
    np.testing.assert_allclose(best["ap@15"], mine["ap@15"][::-1], atol=1e-6)
    ranks = class_data.queries_of(result, "Crow", MEASURES["mr1"], best_first=False)["r1"].tolist()
    assert ranks == sorted(ranks, reverse=True)
    clip = worst["clip_id"][0]
    found = class_data.results_of(result, c, clip, "Crow")
    order = truth.loc[truth["clip"] == clip, "first"].iloc[0]
    assert found["clip_id"].tolist() == [str(c.ids[j]) for j in order]
    assert found["relevant"].tolist() == [y[j] == "Crow" for j in order]
    assert found["rank"].tolist() == list(range(1, 16))
    X = embedded(shown, "aisfx")
    i = int(np.flatnonzero(c.ids == clip)[0])
    cosine = X[i] @ X[order[0]] / np.linalg.norm(X[i]) / np.linalg.norm(X[order[0]])
    assert found["score"][0] == pytest.approx(cosine, abs=1e-6)
    app = run(space="aisfx", family="Animals", class_="Crow")
    assert f"{found['relevant'].sum()} relevant" in words(app)


def test_by_family_any_clip_of_it_is_relevant(shown: Any) -> None:
    c = data.clips(shown.dataset("small"))
    result = asked(shown, "aisfx", "family")
    found = class_data.results_of(result, c, str(c.ids[0]), "Animals")
    assert found["relevant"].tolist() == [c.families[c.row[i]] == "Animals" for i in found["clip_id"]]
    assert class_data.families(result) == {}
    app = run(by="family", space="aisfx", class_="Nature")
    assert not [s for s in app.selectbox if s.key == "retrieval.family"]
    assert app.selectbox(key="retrieval.class").options == ["Animals", "Nature", "Things"]
    assert "Queries of Nature" in words(app)


def test_a_view_is_its_link(shown: Any) -> None:
    query = {
        "dataset": "small",
        "space": "melstats",
        "by": "label",
        "measure": "mr1",
        "sort": "dimensions",
        "reference": "aisfx",
        "family": "Nature",
        "class": "Rain",
        "order": "best",
        "query": "rain__take-003",
    }
    app = run(**query)
    assert app.selectbox(key="retrieval.family").value == "Nature"
    assert app.selectbox(key="retrieval.class").value == "Rain"
    del query["by"]  # which is the default
    assert address(app) == query
    app.selectbox(key="retrieval.family").set_value("Animals").run()
    there = address(app)
    assert there["family"] == "Animals"
    assert "query" not in there  # a clip that is no query of the class
    assert app.selectbox(key="retrieval.class").value in ("Dog bark", "Rooster", "Crow")


def test_any_nonsense_in_the_url_is_no_error(shown: Any) -> None:
    names = ("dataset", "space", "by", "measure", "count", "sort", "reference", "family", "class", "order")
    app = run(**dict.fromkeys((*names, "query"), "'; drop/../<b>"))
    assert not app.error
    for name in (*names, "query"):
        assert f"link's {name} was left at its default" in words(app)


def test_figures_of_the_page_hold_what_is_read(shown: Any) -> None:
    specs, m = [asked(shown, e) for e in ("aisfx", "melstats")], MEASURES["map@15"]
    dots = class_data.dots(specs, ["Rain", "Crow", "Rooster"], m)
    assert sorted(dots["aisfx"].index) == ["Crow", "Rain", "Rooster"]
    crow = class_data.by_class(specs[1], m).loc["Crow"]
    assert dots["melstats"].loc["Crow"].tolist() == crow.tolist()
    assert dots["aisfx"]["value"].tolist() == sorted(dots["aisfx"]["value"], reverse=True)
    assert dots["aisfx"]["n"].tolist() == [12] * 3
    retrieval_figures.classes_figure(dots, m)
    assert len(class_data.classes_table(specs, ["Rain", "Crow", "Rooster"], m)) == 6


def test_the_demo_asks_for_retrieval_after_separability_and_for_grids_last(tmp_path: Path) -> None:
    found = Workspace.open(tmp_path)
    found.add_synthetic("demo", Synthesize())
    wanted = demo(found)
    kinds = [type(s).__name__ for s in wanted]
    judged = [i for i, k in enumerate(kinds) if k == "Retrieval"]
    assert len(judged) == 8  # four spaces by class and by family
    measured = [
        i
        for i, spec in enumerate(wanted)
        if isinstance(spec, (Separability, Baselines, KMeansCurve)) and spec.embedding.source is None
    ]
    assert max(measured) + 1 == min(judged)
    assert kinds[-len(GRIDS) :] == ["RetrievalGrid"] * len(GRIDS)
