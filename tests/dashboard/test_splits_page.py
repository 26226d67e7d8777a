from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from streamlit.testing.v1 import AppTest

from core.splits import ClassSplit, ClassSplitSet, random_split, split_from_json, split_to_json
from dashboard import data
from dashboard.kit import classes as class_sets
from dashboard.splits import data as splits
from dashboard.splits import figures, links
from dashboard.splits.data import Rule, Sizes
from jobs.workspace import splits as saved
from jobs.workspace.workspace import Workspace
from tests.dashboard.helpers import address, everything, html, press, ran, run, showing, words


@pytest.fixture(scope="session")
def grids(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace of 24 classes; tests must not change its results."""
    return made.zero_shot_spaces(tmp_path_factory.mktemp("grids"), sounds=False)


@pytest.fixture
def shown(grids: Any) -> Iterator[Workspace]:
    with showing(grids.root):
        yield grids


def classes_of(found: Workspace) -> class_sets.Classes:
    dataset = found.dataset("small")
    spec = next(s.spec for s in found.spaces(dataset) if s.encoder == "aisfx")
    return class_sets.classes(spec, data.clips(dataset))


def charts(app: AppTest) -> dict[str, Any]:
    """The figures by the meta of their first traces."""
    found = [json.loads(c.proto.spec) for c in app.get("plotly_chart")]
    return {t.get("meta") or t.get("type"): f for f in reversed(found) for t in f["data"][:2]}


def charts_of(app: AppTest) -> list[dict[str, Any]]:
    """The figures from the top of the page."""
    return [json.loads(c.proto.spec) for c in app.get("plotly_chart")]


# -- what the numbers are -----------------------------------------------------------------------------------


def test_centroids_similarities_and_the_map_are_those_of_scikit_learn(shown: Workspace) -> None:
    found = classes_of(shown)
    dataset = shown.dataset("small")
    X = np.asarray(shown.cache.open(found.key[0]).array("embeddings"), float)
    label = dataset.clips["label"].to_numpy(str)
    names = sorted(set(label))
    centroids = np.array([X[label == name].mean(axis=0) for name in names])
    assert list(found.names) == names
    assert found.similarity == pytest.approx(1 - cdist(centroids, centroids, "cosine"), abs=1e-9)
    unit = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    pca = PCA(2).fit(unit)
    assert found.explained == pytest.approx(tuple(pca.explained_variance_ratio_), abs=1e-6)
    assert np.abs(found.coords) == pytest.approx(np.abs(pca.transform(unit)), abs=1e-5)
    split = splits.draw(found, Rule("similarity", Sizes(4, 1, 3), ratio=0.5))
    assert isinstance(split, ClassSplit)
    at = {name: i for i, name in enumerate(names)}
    across = [found.similarity[at[a], at[b]] for a in split.train for b in split.test]
    within = [found.similarity[at[a], at[b]] for a in split.train for b in split.train if a < b]
    assert splits.train_test(split, found) == (pytest.approx(np.mean(across)), 12)
    assert splits.among(split.train, found) == (pytest.approx(np.mean(within)), 6)


def test_clips_of_several_classes_take_no_part(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    clips = dataset.clips.copy()
    clips.at[0, "labels"] = ["Dog bark", "Rain"]
    imported = made.Imported(clips, dataset.classes, dataset.report, dataset.fingerprint, "other")
    changed = found.add_dataset("small", imported, adapter="folder", root=dataset.root)
    seen = class_sets.classes(space, data.clips(changed))
    assert dict(zip(seen.names, seen.clips.tolist(), strict=True))["Dog bark"] == 2


def test_a_link_by_hand_is_read_as_it_was_written_and_never_for_other_classes() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 3, 4, 5, 143):
        names = [f"class {i:03d}" for i in range(n)]
        parts = rng.choice(["unused", "train", "validation", "test"], n).tolist()
        assert links.read(links.written(parts, names), names) == parts
        text = links.written(["train"] * n, names)
        for wrong in (text[:-1], f"{text}A", text.upper(), "x-AAAA", "-", f"{text[:7]}<b>"):
            assert not links.readable(wrong, names) or wrong == text
        assert not links.readable(text, [*names, "new"])


def test_the_region_holds_every_training_class(shown: Workspace) -> None:
    found = classes_of(shown)
    parts = ["train" if i % 3 else "test" for i in range(len(found.names))]
    ring = splits.hull(found, parts)
    inside = found.coords[[p == "train" for p in parts]]
    ends = np.roll(ring, -1, axis=0) - ring
    for a, along in zip(ring, ends, strict=True):  # anticlockwise: all to the left of each side
        assert (along[0] * (inside - a)[:, 1] - along[1] * (inside - a)[:, 0] > -1e-9).all()
    codes = class_sets.clusters(found, 3)
    figure = figures.centroids_figure(found, codes, parts, hull=ring, chosen=found.names[1], theme="dark")
    traces = {t.meta: t for t in figure.data}
    assert len(traces["hull"].x) == len(ring) + 1
    assert sorted([*traces["train"].customdata, *traces["test"].customdata]) == list(found.names)
    assert traces["chosen"].x[0] == pytest.approx(found.coords[1, 0])
    symbols = {traces[p].marker.symbol for p in ("train", "test")}
    assert len(symbols) == 2  # never colour alone
    assert not len(splits.corners(np.empty((0, 2))))
    with pytest.raises(ValueError, match="each class needs one"):
        figures.centroids_figure(found, codes, parts[:-1], hull=ring)


def test_the_matrix_stands_in_the_order_of_the_split(shown: Workspace) -> None:
    found = classes_of(shown)
    split = random_split(found.names, seed=0, sizes=Sizes(5, 2, 3))
    codes = class_sets.clusters(found, 3)
    names, sizes = splits.in_order(split, found, codes)
    assert sizes == [("train", 5), ("validation", 2), ("test", 3)]
    assert [set(names[:5]), set(names[5:7]), set(names[7:])] == [
        set(split.train),
        set(split.validation),
        set(split.test),
    ]
    figure = figures.class_similarity_figure(names, splits.similarities(names, found), sizes)
    z = np.array(figure.data[0].z)
    at = {name: i for i, name in enumerate(found.names)}
    assert z[0, 7] == pytest.approx(found.similarity[at[names[0]], at[names[7]]], abs=1e-6)
    assert np.isnan(np.diag(z)).all()
    # What is pointed at is said from the names along the axes, as many as there are classes.
    assert figure.data[0].text is None
    assert figure.data[0].x[7] == f"<b>{names[7]}</b>, test"
    assert figure.data[0].x == figure.data[0].y
    table = splits.matrix_table(found, names, sizes)
    assert len(table) == 45
    assert table["similarity"][0] == pytest.approx(found.similarity[at[names[0]], at[names[1]]])
    with pytest.raises(ValueError, match="they must fit"):
        figures.class_similarity_figure(names[1:], splits.similarities(names, found), sizes)


# -- the page -----------------------------------------------------------------------------------------------


def test_empty_and_small_workspaces_say_what_to_do(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    assert "no dataset to split" in words(run("splits"))
    found, dataset = made.workspace(tmp_path, per_class=2, classes={"A": "x", "B": "x"}, sounds=False)
    assert "has no space yet" in words(run("splits"))
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    text = words(run("splits"))
    assert "at least 5 classes" in text
    assert "the space has 2 classes" in text


def test_a_split_by_rule_is_drawn_and_shared_by_its_link(shown: Workspace) -> None:
    link = {"train": "4", "validation": "1", "test": "3", "ratio": "0.5", "seed": "3"}
    app = run("splits", **link)
    found = classes_of(shown)
    split = splits.draw(found, Rule("similarity", Sizes(4, 1, 3), ratio=0.5, seed=3))
    assert isinstance(split, ClassSplit)
    text = everything(app)
    for name in (*split.train, *split.validation, *split.test):
        assert name in text
    for mean, _ in (splits.train_test(split, found), splits.among(split.train, found)):
        assert f"{mean:.3f}" in text
    chart = charts(app)["hull"]
    assert sorted(next(t for t in chart["data"] if t["meta"] == "test")["customdata"]) == sorted(split.test)
    assert "% of the variance" in chart["layout"]["xaxis"]["title"]["text"]
    assert "n = 24 classes" in chart["layout"]["xaxis"]["title"]["text"]
    asked = address(app)
    assert asked["ratio"] == "0.5"
    assert asked["seed"] == "3"
    again = run("splits", **asked)
    assert address(again) == asked
    assert html(again) == html(app)


def test_what_does_not_fit_says_so_in_numbers_and_offers_what_does(shown: Workspace) -> None:
    app = run("splits", train="30")
    assert "ratio 1 needs" in app.warning[0].value
    button = next(b for b in app.button if b.label.startswith("Use "))
    fits = button.label.removeprefix("Use ")
    button.click()
    ran(app)
    assert not app.warning
    assert fits.split("/") == [
        str(app.number_input(key=f"splits.{p}").value) for p in ("train", "validation", "test")
    ]
    app = run("splits", how="diversity", ranges="paper", range="5", train="9")
    assert "No 9 of" in app.warning[0].value
    assert "mean similarity within (0.9, 1]" in words(app)


def test_picking_by_hand_begins_with_what_was_shown_and_moves_classes(shown: Workspace) -> None:
    app = run("splits", how="random", train="4", validation="1", test="3")
    split = random_split(classes_of(shown).names, seed=0, sizes=Sizes(4, 1, 3))
    app.selectbox(key="splits.how").set_value("hand")
    ran(app)
    assert not app.warning
    assert app.multiselect(key="splits-list-A-train").value == sorted(split.train)
    # A class that is chosen for the test leaves the training classes.
    moved = sorted(split.train)[0]
    app.multiselect(key="splits-list-A-test").set_value([*sorted(split.test), moved])
    ran(app)
    assert moved not in app.multiselect(key="splits-list-A-train").value
    text = address(app)["hand"]
    parts = dict(zip(classes_of(shown).names, links.read(text, classes_of(shown).names), strict=True))
    assert parts[moved] == "test"
    again = run("splits", how="hand", hand=text)
    assert moved in again.multiselect(key="splits-list-A-test").value
    # A part that is empty is said, and nothing can be trained on it.
    again.multiselect(key="splits-list-A-validation").set_value([])
    ran(again)
    assert "validation has 0 classes" in again.warning[0].value
    assert not any(b.label.startswith("Train on") for b in again.button)


def test_a_class_is_heard_and_a_class_that_is_moved_leaves_its_part(shown: Workspace) -> None:
    app = run("splits", class_="Animal A")
    assert app.selectbox(key="splits.class").value == "Animal A"
    assert "6 clips" in words(app)
    assert links.moved(["train", "test"], ["a", "b"], ["b"], "train") == ["unused", "train"]


def test_two_splits_stand_side_by_side_with_what_they_share(shown: Workspace) -> None:
    sizes = {"train": "4", "validation": "1", "test": "3"}
    app = run("splits", compare="yes", **sizes, **{f"b-{k}": v for k, v in sizes.items()})
    found = classes_of(shown)
    near, far = (splits.draw(found, Rule("similarity", Sizes(4, 1, 3), ratio=r)) for r in (1.0, 0.0))
    a, b = (splits.parts_of(splits.one(s), found.names) for s in (near, far))
    table = splits.shared(a, b)
    assert int(table.to_numpy().sum()) == 24
    assert table.loc["test", "test"] == 3  # all ratios share their test classes
    assert table.loc["train", "train"] == len(set(near.train) & set(far.train))
    text = everything(app)
    assert f"Tested in both: {', '.join(sorted(splits.one(near).test))}" in text
    for split in (near, far):
        assert f"{splits.train_test(splits.one(split), found)[0]:.3f}" in text
    assert len(app.get("plotly_chart")) == 5


def test_maps_beside_each_other_have_the_same_ends(shown: Workspace) -> None:
    found = classes_of(shown)
    ends = []
    for parts in (["train"] * 24, ["unused", "test"] * 12):
        codes = class_sets.clusters(found, 3)
        figure = figures.centroids_figure(found, codes, parts, hull=splits.hull(found, parts))
        x, y = figure.layout.xaxis, figure.layout.yaxis
        assert (x.constrain, y.constrain, y.scaleanchor) == ("domain", "domain", "x")
        ends.append((x.range, y.range))
    assert ends[0] == ends[1]
    assert ends[0][0][0] < found.coords[:, 0].min()
    assert ends[0][0][1] > found.coords[:, 0].max()


def test_parts_clusters_and_what_two_splits_share_are_counted(shown: Workspace) -> None:
    found = classes_of(shown)
    codes = class_sets.clusters(found, 3)
    near, far = (
        splits.one(splits.draw(found, Rule("similarity", Sizes(5, 1, 2), ratio=r))) for r in (0.5, 0)
    )
    a, b = (splits.parts_of(s, found.names) for s in (near, far))
    assert splits.counts(a) == {"train": 5, "validation": 1, "test": 2, "unused": 16}
    assert splits.cluster_sizes(codes) == dict(enumerate(np.bincount(codes).tolist()))
    members = {n for n, c in zip(found.names, codes, strict=True) if c == 0}
    assert splits.near(near, found, codes, 0) == len(members & set(near.train)) == 3
    assert splits.in_both(found.names, a, b, "test", "test") == sorted(set(near.test) & set(far.test))
    wanted = (set(near.train) & set(far.test)) | (set(near.test) & set(far.train))
    assert set(splits.in_both(found.names, a, b, "train", "test")) == wanted
    low, high = splits.limits([found.similarity[:5, :5], found.similarity[5:12, 5:12]])
    pairs = [found.similarity[i, j] for r in (range(5), range(5, 12)) for i in r for j in r if i < j]
    assert (low, high) == (min(pairs), max(pairs))
    assert splits.limits([]) is None
    # On the page: of five classes a half is three.
    app = run("splits", train="5", validation="1", test="2", ratio="0.5")
    assert "3 of 5 training classes are of the test cluster." in words(app)


def test_the_words_of_a_choice_follow_the_clusters(shown: Workspace) -> None:
    app = run("splits", cluster="1", train="2", validation="1", test="2")
    for k in (3, 2):
        app.number_input(key="splits.k").set_value(k)
        ran(app)
        box = app.selectbox(key="splits.cluster")
        sizes = splits.cluster_sizes(class_sets.clusters(classes_of(shown), k))
        assert box.options == [f"cluster {c}, {n} classes" for c, n in sizes.items()]
        assert box.value == "1"
        assert address(app)["cluster"] == "1"
    # The browser keeps what it was told: it is told again, once.
    assert (box.proto.set_value, box.proto.raw_value) == (True, box.options[1])
    ran(app)
    assert not app.selectbox(key="splits.cluster").proto.set_value


def test_a_split_is_saved_loaded_and_deleted(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.zero_shot_spaces(tmp_path, sounds=False, per_class=2)
    app = run("splits", how="diversity", train="4", validation="1", test="2", sets="2", seed="1", set="2")
    app.text_input(key="splits-save-name-A").set_value("Wrong name!")
    app.button(key="splits-save-A").click()
    ran(app)
    assert "cannot name a split" in app.error[0].value.replace("\\", "")
    app.text_input(key="splits-save-name-A").set_value("diverse")
    app.button(key="splits-save-A").click()
    ran(app)
    kept = saved.load(found, "small", "diverse")
    assert isinstance(kept, ClassSplitSet)
    assert kept.info["seed"] == 1
    app.button(key="splits-load").click()
    ran(app)
    assert address(app)["how"] == "loaded"
    assert ", ".join(kept.tests[1]) in words(app)
    shared = run("splits", **address(app))
    assert ", ".join(kept.tests[1]) in words(shared)
    # The same as B: both are in the link.
    app.segmented_control(key="splits-load-as").set_value("B")
    ran(app)
    app.button(key="splits-load").click()
    ran(app)
    link = address(app)
    assert (link["compare"], link["how"], link["b-how"]) == ("yes", "loaded", "loaded")
    assert link["b-split"] == link["split"]
    both = run("splits", **(link | {"how": "random", "seed": "4", "train": "3"}))
    assert "Split B, loaded" in words(both)
    assert "Split A, random" in words(both)
    assert sorted(kept.tests[0]) == sorted(
        next(t for t in charts_of(both)[1]["data"] if t["meta"] == "test")["customdata"]
    )
    app.button(key="splits-delete").click()
    ran(app)
    assert saved.names(found, "small") == []
    assert "Loaded: diverse" in words(run("splits", **address(app)))  # what a link says stays
    mine = ClassSplit(("Animal A", "Thing B"), ("Animal B",), ("Animal C", "Animal D"))
    app.file_uploader(key="splits-upload").upload(
        "mine.json", split_to_json(mine).encode(), "application/json"
    )
    ran(app)
    assert "Loaded: mine.json" in words(app)  # B, as was chosen
    assert address(app)["b-split"] != address(app)["split"]


def test_a_file_is_loaded_and_one_that_is_no_split_says_why(shown: Workspace) -> None:
    alien = ClassSplit(("Wolf", "Animal A"), ("Animal B",), ("Animal C", "Animal D"))
    app = run("splits")
    for content, why in (
        (b"{", "no JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"train": ["Animal A"], "validation": [], "test": []}', "at least 2"),
        (split_to_json(alien).encode(), "Wolf"),
        (b'{"train": ["a", "b"], "validation": ["c"], "test": ["a", "d"]}', "both a train and a test class"),
    ):
        app.file_uploader(key="splits-upload").upload("mine.json", content, "application/json")
        ran(app)
        assert why in app.error[0].value.replace("\\", "")
        assert "how" not in address(app)
    mine = ClassSplit(("Animal A", "Thing B"), ("Animal B",), ("Animal C", "Animal D"))
    app.file_uploader(key="splits-upload").upload(
        "mine.json", split_to_json(mine).encode(), "application/json"
    )
    ran(app)
    assert not app.error
    assert "Training, 2** · Animal A, Thing B" in words(app)


def test_a_split_is_sent_to_training(made: Any, fresh: Workspace, tmp_path: Path) -> None:
    found = made.zero_shot_spaces(tmp_path, sounds=False, per_class=2)
    recipe = {"epochs": "7", "rate": "0.01", "batch": "32", "margin": "0.5", "ranks": "sampled"}
    recipe |= {"standardise": "yes", "models": "2", "momentum": "0.5", "hidden": "32", "shared": "48"}
    link = {"train": "4", "validation": "1", "test": "3"} | recipe
    app = run("splits", patience="3", **link)
    assert "Patience needs at least 2 validation classes" in app.warning[0].value
    assert not any(b.label.startswith("Train on") for b in app.button)
    app = run("splits", **link)
    assert {k: address(app)[k] for k in recipe} == recipe
    assert "learning rate 0.01, batches of 32, 7 epochs, margin 0.5, sampled ranks, standardised" in words(
        app
    )
    press(app, "Train on this split")
    job = next(j for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid")
    fields = job.spec["fields"]
    assert fields["setup"] == "splits"
    assert fields["seeds"] == 2
    wanted = {"epochs": 7, "learning_rate": 0.01, "batch_size": 32, "margin": 0.5, "patience": 0}
    wanted |= {"sampled": True, "standardise": True, "momentum": 0.5, "hidden": 32, "shared": 48}
    assert {name: fields[name] for name in wanted} == wanted
    split = splits.draw(classes_of(found), Rule("similarity", Sizes(4, 1, 3)))
    assert [split_from_json(text) for text in fields["splits"]] == [split]
    assert any(b.label == "See them in Zero-shot" for b in app.button)
    # Of five classes the ratios 0.55 and 0.6 are three: one split under two names is trained on once.
    both = {"train": "5", "validation": "1", "test": "2", "compare": "yes", "models": "2", "epochs": "7"}
    both |= {f"b-{name}": both[name] for name in ("train", "validation", "test")}
    app = run("splits", **both, ratio="0.55", **{"b-ratio": "0.6"})
    assert "the same classes in every part, so they are trained on once" in words(app)
    press(app, "Train on this split")
    fields = [j.spec["fields"] for j in found.queue.jobs() if j.spec["type"] == "ZeroShotGrid"]
    assert sorted(len(f["splits"]) for f in fields) == [1, 1]


def test_any_nonsense_in_the_link_is_no_error(shown: Workspace) -> None:
    names = ("k", "how", "ratio", "hand", "split", "class", "range", "set", "b-how", "text", "brush", "seed")
    app = run("splits", compare="yes", **dict.fromkeys(names, "'; drop/../<b>"))
    assert not app.error
    assert len(app.info) >= 6  # what could not be used is said
    for how, name in (("hand", "hand"), ("loaded", "split"), ("diversity", "range")):
        assert not run("splits", how=how, **{name: "'; drop/../<b>"}).error
