from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import errors, results, state
from dashboard.explore import quality
from dashboard.kit.layout import plain
from jobs.encoders import trained
from jobs.engine import inprocess
from jobs.specs import EmbedAudio, MapQuality, Neighbors, Project
from jobs.workspace.workspace import Workspace
from tests.dashboard.helpers import press, run, store, words


@pytest.mark.parametrize("name", ["home", "explore", "jobs"])
def test_an_empty_workspace_says_what_to_do(fresh: Workspace, name: str) -> None:
    app = run(name)
    assert not app.error
    text = words(app)
    assert any(s in text for s in ("hearspace add", "no dataset to look at", "No jobs here"))


def test_the_synthetic_world_is_named_as_such_before_its_sounds_exist(fresh: Workspace) -> None:
    press(run("home"), "Add the synthetic sound world")
    dataset = fresh.dataset("synthetic")
    assert dataset.note
    assert "recordings" in dataset.note.lower() or "formula" in dataset.note.lower()
    assert {j.spec["type"] for j in fresh.queue.jobs()} == {
        "Synthesize",
        "EmbedAudio",
        "Neighbors",
        "Project",
        "Quality",
    }
    explore = run("explore")
    assert not explore.error
    assert "being generated" in words(explore)
    jobs = run("jobs")
    assert "generate synthetic sounds" in words(jobs)


def test_a_map_that_is_missing_is_asked_for_once(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    run("explore")
    run("explore")
    wanted = [Project(embedding=space, method="tsne"), results.quality_spec(space, dataset)]
    assert {j.key for j in found.queue.jobs()} == {spec.key for spec in wanted}
    # Other parameters cost time: they wait for a click.
    app = run("explore", perplexity="7")
    assert len(found.queue.jobs()) == 2
    press(app, "Draw it")
    assert len(found.queue.jobs()) == 3


def test_explore_begins_with_a_space_that_has_a_map(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    made.space(found, dataset, "aisfx", seed=0, spread=1.0)
    second = made.space(found, dataset, "melstats", seed=1, spread=1.0)
    app = run("explore")
    assert app.multiselect(key="explore.space").value == ["aisfx"]
    made.map_of(found, second)
    app.run()  # the first map that is there is shown, as long as nobody chose
    assert app.multiselect(key="explore.space").value == ["melstats"]
    assert run("explore").multiselect(key="explore.space").value == ["melstats"]
    chosen = run("explore", space="aisfx")
    assert chosen.multiselect(key="explore.space").value == ["aisfx"]
    chosen.run()
    assert chosen.multiselect(key="explore.space").value == ["aisfx"]


def test_a_filter_hides_clips_of_a_selection_and_says_so(shown: Workspace) -> None:
    chosen = ["rain__take-000", "rain__take-001", "crow__take-002"]
    sel = state.save_selection(shown.root, "small", chosen)
    assert "Selection · 3 clips" in words(run("explore", sel=sel))
    said = words(run("explore", sel=sel, **{"class": "Rain"}))
    assert "Selection · 2 clips" in said
    assert "Rain 2 · 1 more clip hidden by the filter" in said
    assert "Crow" not in said
    none = words(run("explore", sel=sel, **{"class": "Chainsaw"}))
    assert "Selection · 0 clips" in none
    assert "none of them passes the filter · 3 more clips hidden by the filter" in none


def test_home_measures_a_space_that_lacks_its_neighbours(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    graph = Neighbors(embedding=made.space(found, dataset, "melstats", seed=0, spread=1.0))
    found.cache.delete(graph.key)
    app = run("home")
    assert "not measured yet" in words(app)
    press(app, "Measure")
    assert found.queue.get(graph.key).state == "queued"
    assert not any(b.label == "Measure" for b in app.button)


def test_home_offers_encoders_that_can_run(made: Any, fresh: Workspace, tmp_path: Path, monkeypatch) -> None:
    made.workspace(tmp_path, per_class=2, sounds=False)
    # The first by name cannot.
    monkeypatch.setattr("jobs.encoders.aisfx.available", lambda: "aisfx needs its weights.")
    app = run("home")
    offered = app.selectbox[0].options
    assert "aisfx" not in offered
    assert "melstats" in offered
    assert not any(" aisfx" in block.value.splitlines()[-1] for block in app.code if "embed" in block.value)


def test_home_names_spaces_from_before_the_sounds_changed(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    assert "have changed" not in words(run("home"))
    about = found.root / "datasets" / dataset.name / "dataset.json"
    was = json.loads(about.read_text())
    about.write_text(json.dumps(was | {"fingerprint": "f" * 64, "earlier": [space.dataset.fingerprint]}))
    app = run("home")
    assert "have changed since it was embedded with melstats" in words(app)
    press(app, "Embed what is new")
    assert {j.spec["type"] for j in found.queue.jobs()} == {
        "EmbedAudio",
        "Neighbors",
        "Project",
        "Quality",
    }
    assert "have changed" not in words(app)


def test_spaces_that_have_heard_the_clips_are_said_to(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    frozen = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    note = "numbers over all clips flatter them"
    views = ("home", "separability", "retrieval")
    assert not any(note in words(run(view)) for view in views)
    # Any spec can stand for a training.
    name = trained.encoder_name("ADD, all four", frozen.key)
    spec = EmbedAudio(dataset=dataset.ref, encoder=name, source=frozen, run="0")
    store(found, spec, embeddings=results.result(frozen).embeddings, clips=dataset.clips["clip_id"])
    assert all(note in words(run(view)) for view in views)


def test_number_of_neighbours_is_a_control(shown: Any) -> None:
    app = run("explore", clip="rain__take-001", near="15")
    assert app.number_input(key="explore.near").value == 15
    app.number_input(key="explore.near").set_value(20).run()
    assert "of 20 of the same class" in words(app)
    assert app.query_params["near"] == "20"


def test_a_failed_map_says_why_and_can_be_tried_again(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    spec = Project(embedding=made.space(found, dataset, "melstats", seed=0, spread=1.0), method="tsne")
    found.queue.submit(spec)
    found.queue.claim(spec.key)
    found.queue.finish(spec.key, "failed", "There was no room on the disk.")
    app = run("explore")
    assert "There was no room on the disk" in app.error[0].value.replace("\\", "")
    press(app, "Try again")
    assert found.queue.get(spec.key).state == "queued"


def test_what_needs_a_clip_of_no_class_or_one_class_still_shows(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=6, classes={"Only": "Things"}, sounds=False)
    made.map_of(found, made.space(found, dataset, "melstats", seed=0, spread=1.0))
    for name in ("home", "explore"):
        app = run(name)
        assert not app.error, app.error[0].value


def test_filter_that_nothing_passes_is_calm(shown: Any) -> None:
    app = run("explore", find="nothing like this")
    assert "No clip passes the filter" in words(app)
    assert not app.error


def test_chosen_clip_lists_neighbours_of_every_space(shown: Any) -> None:
    app = run("explore", clip="rain__take-001", space=["aisfx", "melstats"])
    said = words(app)
    assert "Nearest in aisfx" in said
    assert "Nearest in melstats" in said
    assert "32 dimensions" in said


@pytest.mark.parametrize(
    "name",
    ["perplexity", "neighbours", "mindist", "seed", "k", "near", "sel", "clip", "colour", "space", "map"],
)
def test_any_nonsense_in_the_url_is_no_error(shown: Any, name: str) -> None:
    app = run("explore", **{name: "'; drop/../<b>"})
    assert not app.error


def test_known_errors_are_their_own_sentence_and_unknown_ones_name_the_log(tmp_path: Path) -> None:
    errors.log_to(tmp_path / "dashboard.log")

    def page(kind: str) -> None:
        from dashboard import errors
        from jobs.workspace.workspace import WorkspaceError

        def draw() -> None:
            raise (
                WorkspaceError("No dataset 'x' here.")
                if kind == "known"
                else ZeroDivisionError("secret detail")
            )

        errors.guarded(draw)()

    known = AppTest.from_function(page, kwargs={"kind": "known"}).run()
    assert known.error[0].value == "No dataset 'x' here."
    unknown = AppTest.from_function(page, kwargs={"kind": "unknown"}).run()
    assert not unknown.exception
    assert "secret detail" not in unknown.error[0].value
    assert "dashboard.log" in unknown.error[0].value
    assert "secret detail" in (tmp_path / "dashboard.log").read_text()
    for handler in list(errors.log.handlers):
        errors.log.removeHandler(handler)


def test_embedding_is_asked_for_from_home(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    app = run("home")
    app.selectbox(key="home-encoder-small").set_value("melstats").run()
    app.button(key="home-embed-small").click().run()
    assert EmbedAudio(dataset=dataset.ref, encoder="melstats").key in {j.key for j in found.queue.jobs()}


def test_names_are_not_read_as_markdown() -> None:

    assert plain("a_b*c <i> [x](y) :red[z]") == "a\\_b\\*c \\<i\\> \\[x\\]\\(y\\) \\:red\\[z\\]"


def test_trustworthiness_over_k_is_computed_when_asked_for(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spaces = [made.space(found, dataset, e, seed=i, spread=1.0) for i, e in enumerate(("aisfx", "melstats"))]
    specs = [MapQuality(map=made.map_of(found, s)) for s in spaces]
    app = run("explore")
    app.button(key="explore-quality-compute").click().run()
    assert not app.exception
    assert [j.key for j in found.queue.jobs()] == [specs[0].key]
    assert not [b for b in app.button if b.key == "explore-quality-compute"]  # a bar instead
    assert inprocess.run(found, specs[0]).state == "done"
    app = run("explore")
    figure = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert "n = 24 clips" in figure["layout"]["xaxis"]["title"]["text"]
    assert {t["meta"] for t in figure["data"]} == {"trustworthiness", "continuity", "chance"}
    assert "Venna & Kaski 2001, [ICANN]" in words(app)
    saved = quality.curves(specs[:1])
    assert list(saved) == ["space", "k", "trustworthiness", "continuity", "chance", "n"]
    artifact = found.cache.open(specs[0].key)
    assert saved["k"].tolist() == artifact.array("ks").tolist()
    assert saved["continuity"].tolist() == pytest.approx(artifact.array("continuity").tolist())
    assert set(saved["n"]) == {24}
    # Of two maps, the curves of one are shown and those of the other are offered.
    app = run("explore", space=["aisfx", "melstats"])
    assert app.get("plotly_chart")
    app.button(key="explore-quality-compute").click().run()
    assert specs[1].key in {j.key for j in found.queue.jobs()}


def test_damaged_jobs_and_datasets_are_said_on_home_and_jobs(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    found.queue.submit(EmbedAudio(dataset=dataset.ref, encoder="melstats"))
    job = found.queue.folder("ab" * 32)
    job.mkdir()
    (job / "spec.json").write_text("{}")
    other = found.root / "datasets" / "broken"
    other.mkdir()
    (other / "dataset.json").write_text("[]")
    home = run("home")
    for name in ("home", "jobs"):
        app = run(name)
        assert not app.error
        assert f"{job / 'spec.json'} holds no spec" in words(app)
        assert "hearspace jobs clear" in words(app)
    assert f"{other / 'dataset.json'} does not describe the dataset" in words(home)
    assert "hearspace add broken FOLDER --replace" in words(home)
    assert dataset.name in words(home)
    assert "embed" in words(run("jobs"))


def test_a_dataset_whose_table_is_damaged_leaves_the_others_on_home(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    folder = found.root / "datasets" / dataset.name
    clips = folder / "clips.parquet"
    whole = clips.read_bytes()
    content = bytearray(whole)
    content[len(content) // 8 : len(content) // 4] = bytes(len(content) // 4 - len(content) // 8)
    clips.write_bytes(content)
    app = run("home")
    assert not app.exception
    assert f"{clips} is not a whole table" in words(app)
    assert "Add another dataset" in [e.label for e in app.expander]


def test_what_is_asked_for_on_a_page_comes_before_batches(
    made: Any, fresh: Workspace, tmp_path: Path
) -> None:
    found, dataset = made.workspace(tmp_path, per_class=2, sounds=False)
    batch = found.queue.submit(EmbedAudio(dataset=dataset.ref, encoder="random-cnn"))
    fresh.queue.submit(EmbedAudio(dataset=dataset.ref, encoder="melstats"))
    said = words(run("jobs"))
    assert said.count("comes before batches") == 1
    assert said.index("with melstats") < said.index("with random-cnn")
    assert found.queue.get(batch.key).priority == 0


def test_a_full_disk_is_one_sentence_on_a_page(fresh: Workspace) -> None:
    def page() -> None:
        import errno

        from dashboard import errors

        def fails() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        errors.guarded(fails)()

    app = AppTest.from_function(page)
    app.run()
    (error,) = app.error
    assert f"The disk is full at {fresh.root}" in error.value
    assert " free)" in error.value
