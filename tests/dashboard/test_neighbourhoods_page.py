from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard import data, results
from dashboard.neighbourhoods import data as agreement
from dashboard.neighbourhoods import nearby
from dashboard.neighbourhoods import page as neighbourhoods
from dashboard.neighbourhoods.figures import p_text
from jobs.datasets.importer import Imported
from jobs.specs import Agreement, EmbedAudio, Neighbors
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import helpers
from tests.dashboard.helpers import everything, showing

run = partial(helpers.run, "neighbourhoods")


@pytest.fixture(scope="module")
def agreeing(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three spaces of 48 clips in 8 classes and one of the classes' names: tests must not change it."""
    return made.agreeing(tmp_path_factory.mktemp("agreeing"), sounds=False, per_class=6)


@pytest.fixture
def shown(agreeing: Any) -> Iterator[Any]:
    with showing(agreeing.root):
        yield agreeing


def pairs(shown: Any, of: str = "clips") -> list[agreement.Pair]:
    dataset = shown.dataset("small")
    return agreement.pairs(dataset, agreement.compared(shown, dataset, of)[0], of)


def test_class_means_of_unit_vectors_are_another_question(shown: Any) -> None:
    found = shown.dataset("small")
    there = agreement.compared(shown, found, "classes")[0]
    raw, unit = (agreement.pairs(found, there, "classes", vectors) for vectors in ("raw", "unit"))
    assert [p.spec.class_vectors for p in raw] == ["raw"] * len(raw)
    assert {p.spec.key for p in raw}.isdisjoint(p.spec.key for p in unit)
    app = run(of="classes", vectors="unit")
    assert app.query_params["vectors"] in ("unit", ["unit"])
    assert [b.label for b in app.button if b.label.startswith("Compute")] == [
        f"Compute the agreement of {len(unit)} pairs"
    ]
    # Distances of classes on the spot are of the same means.
    c, pair = data.clips(found), next(p for p in unit if isinstance(p.a.spec, EmbedAudio))
    X = np.asarray(shown.cache.open(pair.a.spec.key).array("embeddings"), float)
    Z = X / np.linalg.norm(X, axis=1, keepdims=True)
    names = tuple(sorted(set(c.labels)))
    means = np.array([Z[c.labels == name].mean(axis=0) for name in names])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    got = nearby.classes(pair.a, names, c, "unit").distances
    np.testing.assert_allclose(got, 1 - means @ means.T, atol=1e-9)
    assert not np.allclose(got, nearby.classes(pair.a, names, c).distances, atol=1e-6)


def test_an_empty_workspace_says_so(fresh: Workspace) -> None:
    assert "no dataset to look at" in everything(run())


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_spaces_name_the_command_and_embed_on_a_click(
    made: Any, fresh: Workspace, tmp_path: Path, count: int
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    if count:
        made.space(found, dataset, "melstats", seed=0, spread=1.0)
    app = run()
    said = everything(app)
    assert ("second model" if count else "at least two models") in said
    assert "hearspace embed small" in said
    assert ("melstats" in app.code[0].value) == (count == 0)
    next(b for b in app.button if b.label.startswith("Embed with")).click()
    app.run()
    asked = {j.spec["fields"]["encoder"] for j in found.queue.jobs()}
    assert len(asked) == 2 - count
    assert asked <= {"melstats", "aisfx", "handcrafted"}
    assert "are being computed" in everything(app)


def test_classes_of_one_space_can_be_compared_with_their_names(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    assert any("minilm --text label" in c.value for c in run(of="classes").code)
    made.texts_space(found, dataset)
    app = run(of="classes")
    assert app.multiselect(key="neighbourhoods.space").value == ["melstats", "minilm · labels"]
    assert "has one space" in everything(run())


def test_two_classes_are_too_few(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    classes = {"Dog": "Animals", "Rain": "Nature"}
    found, dataset = made.workspace(tmp_path, per_class=4, classes=classes, sounds=False)
    for i, name in enumerate(("aisfx", "melstats")):
        made.space(found, dataset, name, seed=i, spread=1.0)
    assert "at least 3" in everything(run(of="classes"))


@pytest.mark.parametrize("of", ["clips", "classes"])
def test_missing_agreement_is_asked_for_on_a_click(
    made: Any, fresh: Workspace, tmp_path: Path, of: str
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spaces = [made.space(found, dataset, n, seed=i, spread=1.0) for i, n in enumerate(("a1", "a2", "a3"))]
    found.cache.delete(Neighbors(embedding=spaces[0]).key)
    app = run(of=of)
    assert not found.queue.jobs()
    next(b for b in app.button if b.label == "Compute the agreement of 3 pairs").click()
    app.run()
    asked = {j.key for j in found.queue.jobs()}
    wanted = {p.spec.key for p in pairs(found, of)}
    # Lists of near clips are read from the graphs; classes have none.
    assert asked == wanted | ({Neighbors(embedding=spaces[0]).key} if of == "clips" else set())
    assert not any(b.label.startswith("Compute") for b in app.button)
    assert "No worker is running" in everything(app)


def test_what_is_there_is_shown_while_the_rest_is_missing(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spaces = [made.space(found, dataset, n, seed=i, spread=1.0) for i, n in enumerate(("a1", "a2", "a3"))]
    made.agreement_of(found, dataset, spaces[0], spaces[1])
    app = run(between="a1~a3")
    said = everything(app)
    assert any(b.label == "Compute the agreement of 2 pairs" for b in app.button)
    assert "a1 × a2" in said
    assert "has not been computed yet" in said


def test_summary_has_the_numbers_of_the_artifact(shown: Any) -> None:
    app = run(k="5", to="20")
    said = everything(app)
    for pair in pairs(shown):
        found = shown.cache.open(pair.spec.key)
        overlap, adjusted = np.asarray(found.array("overlap")), np.asarray(found.array("adjusted"))
        best, best_adjusted = int(overlap[:20].argmax()), int(adjusted[:20].argmax())
        row = next(r for r in said.split("<tr>") if pair.title in r).replace("\u00a0", " ")
        assert f"<b>{overlap[best]:.3f}</b> at k = {best + 1}" in row
        assert f"{adjusted[best_adjusted]:.3f} at k = {best_adjusted + 1}" in row
        assert f">{overlap[4]:.3f}<" in row
        assert f">{5 / 47:.3f}<" in row
        assert f">{p_text(float(found.array('p_value')[4]), 20)}<" in row
    assert "for k = 1 to 20" in said
    assert "literal S" not in said


def test_literal_definition_is_an_option_and_always_one(shown: Any) -> None:
    said = everything(run(definition="literal"))
    row = next(r for r in said.split("<tr>") if "aisfx × melstats" in r)
    assert ">1.000<" in row
    assert "degenerate" in said


def test_jaccard_has_its_own_numbers_and_no_p(shown: Any) -> None:
    said = everything(run(show="jaccard", k="5"))
    pair = pairs(shown)[0]
    row = next(r for r in said.split("<tr>") if pair.title in r)
    assert f">{float(shown.cache.open(pair.spec.key).array('jaccard')[4]):.3f}<" in row
    assert row.count(">–</td>") == 1


def test_controls_are_in_the_url_and_come_back(shown: Any) -> None:
    app = run(k="7", show="adjusted", axis="linear", order="most", between="handcrafted~melstats", cka="rbf")
    assert app.select_slider(key="neighbourhoods.k").value == 7
    assert app.selectbox(key="neighbourhoods.between").value == "handcrafted~melstats"
    app.select_slider(key="neighbourhoods.k").set_value(12).run()
    assert app.query_params["k"] == "12"
    assert app.query_params["show"] == "adjusted"
    assert app.query_params["cka"] == "rbf"
    assert not app.error


def test_other_things_have_other_sizes(shown: Any) -> None:
    app = run(k="30")
    assert app.select_slider(key="neighbourhoods.k").value == 30
    app.session_state["neighbourhoods.of"] = "classes"
    app.run()
    assert not app.exception
    assert not app.error
    assert app.select_slider(key="neighbourhoods.k").options[-1] == "7"
    assert "minilm · labels" in app.multiselect(key="neighbourhoods.space").options


def test_only_chosen_pairs_are_in_the_table(shown: Any) -> None:
    said = everything(run(pair="aisfx~melstats"))
    assert sum("×" in r for r in said.split("<tr>")) == 1
    assert "Choose at least one pair" in everything(run(pair=""))
    assert "Choose at least two spaces" in everything(run(space="aisfx"))


def test_chosen_clip_has_its_neighbours_in_both_spaces(shown: Any) -> None:
    app = run(k="5", clip="rain__take-001", between="aisfx~melstats")
    said = everything(app)
    assert "Neighbours of this clip: Rain" in said
    assert "5 nearest in aisfx" in said
    assert "5 nearest in melstats" in said
    assert "as near in melstats" in said
    # k = 7 is not kept of every clip: the nearest that is comes instead, and is named.
    assert "k = 5 (of 7" in everything(run(k="7"))


def test_classes_stand_beside_their_nearest_in_both(shown: Any) -> None:
    app = run(of="classes", between="aisfx~minilm · labels", k="2")
    assert not app.error
    said = everything(app)
    assert "nearest in minilm · labels" in said
    assert "Neighbours of this class" in said
    assert all(f">{name}</td>" in said for name in ("Dog bark", "Sea waves"))


def test_any_nonsense_in_the_url_is_no_error(shown: Any) -> None:
    names = [
        "show",
        "self",
        "axis",
        "k",
        "from",
        "to",
        "definition",
        "cka",
        "between",
        "order",
        "clip",
        "class",
    ]
    for query in (names, ["of", "space", "pair", "dataset"]):
        app = run(**dict.fromkeys(query, "'; drop/../<b>"))
        assert not app.error
        assert any("was left at its default" in i.value for i in app.info)


def test_the_page_has_its_place() -> None:
    assert (neighbourhoods.TITLE, neighbourhoods.ORDER) == ("Neighbourhoods", 40)


def test_the_point_itself_changes_curve_chance_and_band_alike(shown: Any) -> None:
    pair = pairs(shown)[0]
    m = agreement.measured(pair)
    there = agreement.curve(m, "overlap", with_self=True)
    np.testing.assert_array_equal(there.values, m.overlap_self)
    np.testing.assert_array_equal(there.chance, m.chance_self)
    # What is done to the band must turn S_k and its chance without the point into those with it.
    np.testing.assert_allclose(
        agreement.overlap_with_self(m.overlap[:, None])[:, 0], m.overlap_self, atol=1e-12
    )
    np.testing.assert_allclose(
        agreement.overlap_with_self(m.chance[:, None])[:, 0], m.chance_self, atol=1e-12
    )
    np.testing.assert_allclose(there.band, agreement.overlap_with_self(m.band[:, [0, 2]]))
    assert there.p_value[0] == 1
    np.testing.assert_array_equal(there.p_value[1:], m.p_value[:-1])
    above = agreement.curve(m, "adjusted", with_self=True)
    direct = (m.overlap_self - m.chance_self)[1:] / (1 - m.chance_self)[1:]
    np.testing.assert_allclose(above.values[1:], direct, atol=1e-9)


def test_above_chance_moves_the_band_with_the_curve(shown: Any) -> None:
    m = agreement.measured(pairs(shown)[0])
    s = agreement.curve(m, "adjusted")
    for i in (0, 4, 20):
        for column, kept in ((0, 0), (1, 2)):
            expected = (m.band[i, kept] - m.chance[i]) / (1 - m.chance[i])
            assert s.band[i, column] == pytest.approx(expected)
    assert np.isnan(s.band[-1]).all()  # at k = n - 1 chance is 1 and there is nothing above it
    assert not s.chance.any()
    assert agreement.curve(m, "jaccard").band is None


def test_without_shuffled_pairings_there_is_no_band(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    spaces = [made.space(found, dataset, n, seed=i, spread=1.0) for i, n in enumerate(("a", "b"))]
    made.agreement_of(found, dataset, *spaces, permutations=0)
    m = agreement.measured(pairs(found)[0])
    assert agreement.curve(m, "overlap").band is None
    assert agreement.curve(m, "adjusted", with_self=True).p_value is None
    assert not run().error


@pytest.mark.parametrize("k", [2, 5])
def test_shared_neighbours_are_what_the_overlap_counts(shown: Any, k: int) -> None:
    c = data.clips(shown.dataset("small"))
    for pair in pairs(shown):
        m = agreement.measured(pair)
        counted = agreement.shared(m, k)
        for i, clip in enumerate(m.ids):
            first, second = nearby.near(pair, c, clip, k)
            assert len(first) == len(second) == k
            common = {x.id for x in first} & {x.id for x in second}
            assert {x.id for x in first if x.shared} == {x.id for x in second if x.shared} == common
            assert len(common) == counted[i]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_shared_classes_are_what_the_overlap_counts(shown: Any, k: int) -> None:
    c = data.clips(shown.dataset("small"))
    for pair in pairs(shown, "classes"):
        m = agreement.measured(pair)
        counted = agreement.shared(m, k)
        for i, name in enumerate(m.ids):
            first, _ = nearby.near(pair, c, name, k)
            assert sum(x.shared for x in first) == counted[i]


def test_places_in_the_other_list_are_right(shown: Any) -> None:
    c = data.clips(shown.dataset("small"))
    pair = pairs(shown)[0]
    first, _ = nearby.near(pair, c, "rain__take-001", 5)
    _, everything = nearby.near(pair, c, "rain__take-001", 47)
    order = [x.id for x in everything]
    for x in first:
        assert x.elsewhere == order.index(x.id) + 1
        assert x.shared == (x.elsewhere <= 5)
    assert [x.distance for x in first] == sorted(x.distance for x in first)


def test_clips_that_one_space_left_out_take_no_part(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    whole = made.space(found, dataset, "whole", seed=0, spread=1.0)
    part = made.space(found, dataset, "part", seed=1, spread=1.0)
    gone = {"rain__take-000", "crow__take-002"}
    _leave_out(found, part, gone)
    made.agreement_of(found, dataset, whole, part)
    (pair,) = pairs(found)
    c = data.clips(dataset)
    m = agreement.measured(pair)
    assert m.n == 22
    for k in (2, 5):
        for i, clip in enumerate(m.ids):
            first, second = nearby.near(pair, c, clip, k)
            assert not gone & {x.id for x in (*first, *second)}
            assert sum(x.shared for x in first) == agreement.shared(m, k)[i]
    assert not run(clip="rain__take-000").error


def _leave_out(found: Workspace, spec: EmbedAudio, gone: set[str]) -> None:
    from core.neighbors import knn

    artifact = found.cache.open(spec.key)
    ids = artifact.table("clips").column("clip_id").to_pylist()
    kept = [i for i, name in enumerate(ids) if name not in gone]
    X = np.asarray(artifact.array("embeddings"))[kept]
    graph = Neighbors(embedding=spec)
    for key in (spec.key, graph.key):
        found.cache.delete(key)
    with found.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("embeddings", X)
        w.table("clips", {"clip_id": [ids[i] for i in kept]})
        w.table("excluded", {"clip_id": sorted(gone), "reason": ["empty"] * len(gone)})
    indices, distances = knn(X, len(X) - 1)
    with found.cache.writer(graph.key, spec=graph.to_json()) as w:
        w.array("indices", indices.astype(np.int32))
        w.array("distances", distances.astype(np.float32))


def test_ranking_is_from_least_to_most_and_back(shown: Any) -> None:
    m = agreement.measured(pairs(shown)[0])
    order = agreement.ranked(m, 5)
    expected = sorted(range(m.n), key=lambda i: (round(m.samples[i, 2], 6), m.samples[i].mean(), i))
    assert m.samples[order, 2].tolist() == m.samples[expected, 2].tolist()
    assert order.tolist() == expected
    most = agreement.ranked(m, 5, most=True)
    assert (np.diff(m.samples[most, 2]) <= 1e-9).all()
    assert m.samples[most[0], 2] == m.samples[:, 2].max()


def test_mean_overlap_of_the_classes_is_that_of_their_clips(shown: Any) -> None:
    c = data.clips(shown.dataset("small"))
    m = agreement.measured(pairs(shown)[0])
    found = agreement.by_class(m, c, 5)
    at = m.clip_ks.tolist().index(5)
    for row in found.itertuples():
        mine = [m.samples[i, at] for i, clip in enumerate(m.ids) if c.labels[c.row[clip]] == row.label]
        assert row.overlap == pytest.approx(sum(mine) / len(mine), abs=1e-9)
        assert row.low <= row.overlap <= row.high
    assert found["n"].tolist() == [6] * 8
    assert found["overlap"].is_monotonic_increasing
    assert agreement.overlap_of_things(m, 5).mean() == pytest.approx(float(m.overlap[4]), abs=1e-6)


def test_a_class_is_heard_by_the_clip_nearest_to_its_mean(shown: Any) -> None:
    c = data.clips(shown.dataset("small"))
    pair = next(p for p in pairs(shown, "classes") if p.id == "aisfx~minilm · labels")
    X = np.asarray(shown.cache.open(pair.a.spec.key).array("embeddings"), float)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    typical = nearby.typical_clips(pair, c)
    assert set(typical) == set(c.labels)
    for name, clip in typical.items():
        rows = [i for i in range(c.n) if c.labels[i] == name]
        mean = X[rows].mean(axis=0)
        best = max(rows, key=lambda i: float(unit[i] @ mean))
        assert clip == c.ids[best]


def test_sizes_to_choose_hold_the_kept_ones_and_the_last() -> None:
    from jobs.specs import CLIP_KS

    stops = results.stops(9_999)
    assert set(CLIP_KS) <= set(stops)
    assert stops == sorted(set(stops))
    assert (stops[0], stops[-1]) == (1, 9_999)
    assert len(stops) < 130
    assert max(b / a for a, b in pairwise(stops[9:])) < 1.2
    assert results.stops(1) == [1]


def test_kept_sizes_answer_for_those_between(shown: Any) -> None:
    m = agreement.measured(pairs(shown)[0])
    assert [agreement.kept_k(m, k) for k in (1, 4, 7, 8, 12, 47)] == [1, 5, 5, 10, 10, 30]


def test_files_hold_everything(shown: Any) -> None:
    c = data.clips(shown.dataset("small"))
    found = pairs(shown)
    curves = agreement.curves_table(found)
    assert len(curves) == 3 * 47
    m = agreement.measured(found[1])
    mine = curves[(curves["a"] == "aisfx") & (curves["b"] == "melstats")]
    np.testing.assert_allclose(mine["overlap"], m.overlap)
    np.testing.assert_allclose(mine["p_value"], m.p_value)
    np.testing.assert_allclose(mine["shuffled_high"], m.band[:, 2])
    items = agreement.items_table(found[1], c)
    assert items["id"].tolist() == list(m.ids)
    assert items["label"].tolist() == c.labels.tolist()
    np.testing.assert_allclose(items["overlap_5"], m.samples[:, m.clip_ks.tolist().index(5)])
    matrix = agreement.matrix_table(found, 5)
    np.testing.assert_allclose(matrix["overlap"], [agreement.measured(p).overlap[4] for p in found])
    np.testing.assert_allclose(matrix["cka_rbf_debiased"], [*agreement.cka(found, "rbf_debiased").values()])
    assert len(agreement.items_table(pairs(shown, "classes")[0], c)) == 8


def test_specs_are_those_that_everybody_asks_for(shown: Any) -> None:
    found = pairs(shown, "classes")
    assert {p.spec.permutations for p in found} == {2_000}
    assert {p.spec.permutations for p in pairs(shown)} == {200}
    assert all(isinstance(p.spec, Agreement) and shown.cache.contains(p.spec.key) for p in found)
    assert [p.title for p in found][:2] == ["aisfx × handcrafted", "aisfx × melstats"]
    assert found[-1].id == "melstats~minilm · labels"


def without_labels(frame: pd.DataFrame, kept: Sequence[str]) -> pd.DataFrame:
    """Take the classes from clips but those of `kept`, as an import of blank labels does."""
    bare = ~frame["label"].isin(kept)
    labels = [[] if b else [name] for b, name in zip(bare, frame["label"], strict=True)]
    return frame.assign(label=frame["label"].where(~bare, "unlabelled"), labels=labels)


def relabelled(found: Workspace, name: str, kept: Sequence[str]) -> Dataset:
    """Add the dataset ``small`` under a name, with the classes of `kept` only."""
    dataset = found.dataset("small")
    classes = dataset.classes[dataset.classes["label"].isin(kept)].reset_index(drop=True)
    fingerprint = hashlib.sha256(repr(sorted(kept)).encode()).hexdigest()
    imported = Imported(
        without_labels(dataset.clips, kept), classes, dataset.report, dataset.fingerprint, fingerprint
    )
    return found.add_dataset(name, imported, adapter="folder", root=dataset.root)


def test_clips_without_a_class_are_no_class(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spaces = [made.space(found, dataset, n, seed=i, spread=1.0) for i, n in enumerate(("a1", "a2"))]
    made.agreement_of(found, dataset, *spaces)
    bare = relabelled(found, "bare", ["Rain", "Crow"])
    app = run(dataset="bare", of="classes")
    assert "bare has 2 named classes, and 18 clips without a class" in everything(app)
    assert "at least 3" in everything(app)
    assert not any(b.label.startswith("Compute") for b in app.button)
    assert "24 clips · 2 classes" in everything(run(dataset="bare"))
    c = data.clips(bare)
    (pair,) = agreement.pairs(bare, agreement.compared(found, bare, "clips")[0], "clips")
    assert sorted(agreement.by_class(agreement.measured(pair), c, 2)["label"]) == ["Crow", "Rain"]
    items = agreement.items_table(pair, c)
    assert items["label"].value_counts().to_dict() == {"": 18, "Crow": 3, "Rain": 3}
    said = everything(run(dataset="bare", clip="chainsaw__take-000"))
    assert "Neighbours of this clip: no class" in said
    assert "of the same class" not in said


def test_agreement_is_named_after_the_dataset_that_is_shown(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    for i, name in enumerate(("a1", "a2")):
        made.space(found, dataset, name, seed=i, spread=1.0)
    twin = relabelled(found, "twin", ["Rain", "Crow", "Rooster"])
    app = run(dataset="twin", of="classes")
    next(b for b in app.button if b.label.startswith("Compute")).click()
    app.run()
    (job,) = found.queue.jobs()
    names = {job.spec["fields"][side]["spec"]["fields"]["dataset"]["dataset"]["name"] for side in "ab"}
    assert names == {twin.name}


def test_too_few_clips_are_said_before_anything_is_offered(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=1, classes={"Dog": "A", "Rain": "B"}, sounds=False)
    for i, name in enumerate(("a1", "a2")):
        made.space(found, dataset, name, seed=i, spread=1.0)
    app = run()
    assert "small has 2 clips" in everything(app)
    assert not app.button


def test_notes_on_the_link_come_before_a_page_that_ends_early(shown: Any) -> None:
    app = run(space=["aisfx", "nope"])
    assert "Choose at least two spaces" in everything(app)
    assert any("nope" in i.value and "was left at its default" in i.value for i in app.info)


@pytest.mark.parametrize("with_self", [False, True])
@pytest.mark.parametrize("measure", ["overlap", "jaccard", "adjusted"])
def test_words_say_what_is_drawn(shown: Any, measure: str, with_self: bool) -> None:
    app = run(show=measure, self="self" if with_self else "others", k="5")
    said = everything(app)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    counts_itself = with_self and measure != "jaccard"
    rings = [t for t in figure["data"] if t.get("meta") == "peak"]
    assert bool(rings) == ("Rings: the largest value" in said)
    assert bool(rings) == (not counts_itself and measure != "jaccard")
    if measure == "overlap":
        chance = next(t for t in figure["data"] if t.get("meta") == "chance")
        assert ("(1 + (k − 1)² / (n − 1)) / k" in said) == with_self
        assert ("line, k / (n − 1)" in said) == (not with_self)
        expected = (1 + 16 / 47) / 5 if with_self else 5 / 47
        at = decoded(chance["x"]).tolist().index(5)
        assert decoded(chance["y"])[at] == pytest.approx(expected)
    assert ("for k = 1 to 9, without the point itself" in said) == counts_itself
    assert ("with the point itself" in figure["layout"]["yaxis"]["title"]["text"]) == counts_itself
    assert app.get("button_group")
    assert app.session_state["neighbourhoods.self"] == ("self" if counts_itself else "others")
    assert ("self" in app.query_params) == counts_itself
    assert "which is S<sub>k</sub> without the point itself" in said


def decoded(values: Any) -> np.ndarray:
    """Read numbers of a figure as they are sent to the browser."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values)


def test_a_k_between_those_of_the_slider_is_the_nearest(shown: Any) -> None:
    app = run(k="17")
    assert app.select_slider(key="neighbourhoods.k").value == 16
    assert app.query_params["k"] in ("16", ["16"])
    assert any("the nearest is 16" in i.value for i in app.info)
    assert any("was left at its default" in i.value for i in run(k="48").info)


def test_both_matrices_have_one_scale_and_their_n(shown: Any) -> None:
    app = run(show="adjusted", k="5", cka="rbf_debiased")
    first, second = (json.loads(chart.proto.spec) for chart in app.get("plotly_chart")[1:3])
    found = pairs(shown)
    low = agreement.lowest(agreement.at_size(found, "adjusted", 5), agreement.cka(found, "rbf_debiased"))
    assert first["data"][0]["zmin"] == second["data"][0]["zmin"] == low
    begin = f"{low:.2f}".replace("-", "−") if low <= -0.005 else "0"
    assert f"the same colours, from {begin} to 1" in everything(app)
    assert agreement.lowest({"a": 0.5}, {"a": -0.125}) == -0.125
    assert all(f["layout"]["title"]["text"].endswith("<br>clips; n = 48") for f in (first, second))
    assert "the same colours, from 0 to 1" in everything(run(k="5", cka="linear"))


def test_debiased_cka_of_three_classes_is_missed(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    classes = {"Dog": "Animals", "Rain": "Nature", "Saw": "Things"}
    found, dataset = made.workspace(tmp_path, per_class=3, classes=classes, sounds=False)
    spaces = [made.space(found, dataset, n, seed=i, spread=1.0) for i, n in enumerate(("a1", "a2"))]
    made.agreement_of(found, dataset, *spaces, "classes")
    sentence = "Debiased CKA needs at least 4 classes: it is missing for a1 × a2"
    assert sentence in everything(run(of="classes"))
    assert sentence not in everything(run(of="classes", cka="linear"))


def test_files_of_clips_and_of_classes_have_names_of_their_own(shown: Any) -> None:
    from types import SimpleNamespace

    from dashboard.neighbourhoods import lists

    pair = pairs(shown)[0]
    options: Any = SimpleNamespace(between=pair)
    names = set()
    for of in ("clips", "classes"):
        chosen: Any = SimpleNamespace(dataset=shown.dataset("small"), of=of)
        names.add(lists.file_name("overlap", chosen, options))
    assert names == {"overlap-small-clips-aisfx-handcrafted", "overlap-small-classes-aisfx-handcrafted"}
