from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import silhouette_samples
from streamlit.testing.v1 import AppTest

from dashboard import data, results
from dashboard.kit.table import csv
from dashboard.memory import once
from dashboard.separability import data as separability
from dashboard.separability import distances
from jobs import presets as measures
from jobs.datasets.importer import Imported
from jobs.engine import inprocess
from jobs.specs import Baselines, EmbedAudio, Separability, Synthesize
from jobs.tasks.measures import MEASURES
from jobs.workspace.workspace import Dataset, Workspace
from tests.dashboard import helpers, made
from tests.dashboard.helpers import address, html, press, showing, words

run = partial(helpers.run, "separability")
Make = Callable[..., tuple[Workspace, Dataset]]


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two spaces of 96 clips, measured, and one that is not; tests must not change it."""
    found, dataset = made.workspace(tmp_path_factory.mktemp("measured"), per_class=12, sounds=False)
    for i, encoder in enumerate(("aisfx", "melstats")):
        made.measures_of(
            found, dataset, made.space(found, dataset, encoder, seed=i, spread=0.7 + 0.9 * i, d=16)
        )
    made.space(found, dataset, "handcrafted", seed=7, spread=1.0)
    return found


@pytest.fixture
def shown(measured: Any) -> Iterator[Any]:
    with showing(measured.root):
        yield measured


@pytest.fixture
def make(fresh: Workspace, tmp_path: Path) -> Make:
    """Make the workspace that is shown, of so many clips a class."""
    return partial(made.workspace, tmp_path, sounds=False)


def relabelled(
    found: Workspace,
    dataset: Dataset,
    labels: list[str | None],
    *,
    blank: str | None = None,
    folds: list[int] | None = None,
) -> Dataset:
    """The same sounds, other classes; `blank` stands where there is none, as an import writes it."""
    clips = dataset.clips.assign(
        label=[v or blank for v in labels], labels=[[v] if v else [] for v in labels]
    )
    if folds:
        clips["fold"] = pd.array(folds, "Int64")
    names = sorted(set(clips["label"].dropna()))
    classes = pd.DataFrame({"label": names, "family": None, "description": None})
    print_of = hashlib.sha256(repr(labels).encode()).hexdigest()
    imported = Imported(clips, classes, dataset.report, dataset.fingerprint, print_of)
    return found.add_dataset("small", imported, adapter="folder", root=dataset.root)


def computed(found: Workspace, dataset: Dataset, encoder: str = "melstats", *, seed: int = 0) -> EmbedAudio:
    """A small space of random features, measured as jobs measure it; what fails is left out."""
    spec = EmbedAudio(dataset=dataset.ref, encoder=encoder, identity=f"{encoder}/test")
    X = np.random.default_rng(seed).normal(size=(dataset.n_clips, 8)).astype(np.float32)
    made.store_space(found, spec, X, dataset.clips["clip_id"].tolist())
    for wanted in measures.of_space(dataset, spec):
        inprocess.run(found, wanted)
    return spec


def cells(app: AppTest, encoder: str) -> list[str]:
    """The cells of a space in the score table, as HTML."""
    row = next(r for r in html(app).split("<tr")[3:] if f"<td>{encoder}</td>" in r)
    return row.partition("</table>")[0].split("<td")[2:]


def space_of(found: Workspace, encoder: str) -> tuple[Dataset, EmbedAudio, np.ndarray, np.ndarray]:
    dataset = found.dataset("small")
    spec = next(s.spec for s in found.spaces(dataset) if s.encoder == encoder)
    X = np.asarray(found.cache.open(spec.key).array("embeddings"), float)
    return dataset, spec, X, dataset.clips["label"].to_numpy(str)


# -- what is not there ------------------------------------------------------------------------------------


def test_without_sounds_the_page_says_what_to_do(fresh: Workspace) -> None:
    app = run()
    assert not app.error
    assert "no dataset to look at" in words(app)
    fresh.add_synthetic("synthetic", Synthesize())
    fresh.queue.submit(Synthesize())
    app = run()
    assert not app.error
    assert "being generated" in words(app)


def test_a_dataset_without_a_space_can_be_embedded(make: Make) -> None:
    found, dataset = make(per_class=2)
    app = run()
    assert "has no space yet" in words(app)
    press(app, "Embed with melstats")
    assert [j.key for j in found.queue.jobs()] == [EmbedAudio(dataset=dataset.ref, encoder="melstats").key]
    assert "is being embedded" in words(app)


def test_what_is_missing_is_asked_for_once_for_all_spaces(make: Make) -> None:
    found, dataset = make(per_class=3)
    spaces = [made.space(found, dataset, e, seed=i, spread=1.0) for i, e in enumerate(("aisfx", "melstats"))]
    app = run()
    assert not found.queue.jobs()
    assert "once they are computed" in words(app)
    assert "–" in html(app)
    press(app, "Compute what is missing")
    wanted = {s.key for e in spaces for s in measures.of_space(dataset, e)}
    assert wanted <= {j.key for j in found.queue.jobs()}
    assert not [b for b in run().button if b.label == "Compute what is missing"]
    assert "No worker is running" in words(app)
    # One bar, and the number of the others: bars that do not move tell nothing.
    assert f"{len(found.queue.jobs()) - 1} more jobs wait" in words(app)


def test_a_failed_measure_says_why_and_can_be_tried_again(make: Make) -> None:
    found, dataset = make(per_class=3)
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    spec = separability.specs_of(dataset, space).baselines
    found.queue.submit(spec)
    found.queue.claim(spec.key)
    found.queue.finish(spec.key, "failed", "There was no room on the disk.")
    app = run()
    assert "There was no room on the disk" in app.error[0].value.replace("\\", "")
    # In a browser only the fragment runs again; here the whole page does.
    next(b for b in app.button if b.label == "Try again").click()
    app.run()
    assert found.queue.get(spec.key).state == "queued"


@pytest.mark.parametrize("classes", [0, 1])
def test_fewer_than_two_classes_are_said_calmly(make: Make, classes: int) -> None:
    found, dataset = make(per_class=4)
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    relabelled(found, dataset, [("Rain" if classes else None)] * dataset.n_clips)
    app = run()
    assert not app.error
    said = words(app).replace("\\", "")
    assert ("All clips are of one class, Rain" if classes else "No clip has a class") in said
    # The shape of the space can be measured all the same; classifiers cannot.
    press(app, "Compute what is missing")
    kinds = {j.spec["type"] for j in found.queue.jobs()}
    assert "Separability" in kinds
    assert "Baselines" not in kinds


# -- what is there ----------------------------------------------------------------------------------------


def test_the_table_says_what_is_measured(shown: Any) -> None:
    app = run()
    assert not app.error
    said = html(app)
    _, _, X, y = space_of(shown, "melstats")
    samples = silhouette_samples(X, y, metric="cosine")
    assert f"{samples.mean():+.3f}".replace("-", "−") in said
    assert "96 × 16" in said
    assert "96 × 32" in said  # handcrafted, which is not measured, with dashes
    assert "–" in said
    euclidean = silhouette_samples(X, y, metric="euclidean")
    assert f"{euclidean.mean():+.3f}".replace("-", "−") in html(run(metric="euclidean"))


def test_scores_are_those_of_scikit_learn(shown: Any) -> None:
    dataset, spec, X, y = space_of(shown, "aisfx")
    row = separability.scores(dataset, spec)
    for metric in separability.METRICS:
        samples = silhouette_samples(X, y, metric=metric)
        silhouette = row.values["silhouette" if metric == "cosine" else f"silhouette_{metric}"]
        assert silhouette.value == pytest.approx(samples.mean(), abs=1e-6)
        assert silhouette.low < samples.mean() < silhouette.high
    D = cdist(X, X, "cosine")
    upper = np.triu_indices(len(y), 1)
    same = (y[:, None] == y)[upper]
    values = {name: e.value for name, e in row.values.items()}
    assert values["intra_class_clustering"] == pytest.approx((D[upper][same] ** 2).mean())
    assert values["inter_class_separation"] == pytest.approx(((1 - D[upper][~same]) ** 2).mean())
    predictions = separability.specs_of(dataset, spec).baselines.read(shown.cache).predictions.to_pandas()
    assert values["probe"] == (predictions["probe"] == predictions["label"]).mean()
    assert row.values["probe"].low < values["probe"]
    table = pd.read_csv(io.BytesIO(csv(separability.table([row]))))
    for m in separability.SCORED:
        assert table.loc[0, m.column or m.name] == pytest.approx(values[m.name])
    assert table.loc[0, "dimensions"] == 16
    later = separability.scores(dataset, space_of(shown, "handcrafted")[1])
    assert not later.has_properties
    assert np.isnan(separability.table([later]).loc[0, "knn_accuracy"])


def test_classes_are_sorted_by_their_mean_and_the_lowest_is_heard(shown: Any) -> None:
    dataset, spec, X, y = space_of(shown, "melstats")
    samples = silhouette_samples(X, y, metric="cosine")
    means = pd.Series(samples).groupby(y).mean().sort_values(ascending=False)
    c = data.clips(dataset)
    found = separability.by_class(separability.specs_of(dataset, spec).separability, c)
    assert list(found.names) == means.index.tolist()
    np.testing.assert_allclose(found.means[:, 0], means, atol=1e-9)
    lowest = means.index[-1]
    mine = np.sort(samples[y == lowest])
    np.testing.assert_allclose(found.quartiles[-1], np.quantile(mine, [0.25, 0.5, 0.75]), atol=1e-9)
    low, high = separability.ends(found, lowest, 5)
    value = dict(zip(dataset.clips["clip_id"], samples, strict=True))
    np.testing.assert_allclose([value[i] for i in low], mine[:5])
    np.testing.assert_allclose([value[i] for i in high], mine[::-1][:5])
    assert not set(low) & set(high)
    app = run(space="melstats")
    assert app.selectbox(key="separability.class").value == lowest
    assert ".ytick:nth-child(8) text" in html(app)  # its name, the last of eight, is bold in the figure
    assert separability.silhouettes_of(found, low[:1]) == [f"{mine[0]:+.3f}".replace("-", "−")]


def test_few_clips_are_in_one_list_only(shown: Any) -> None:
    dataset, spec, *_ = space_of(shown, "aisfx")
    found = separability.by_class(separability.specs_of(dataset, spec).separability, data.clips(dataset))
    low, high = separability.ends(found, "Rain", 100)
    assert len(low) == len(high) == 6
    assert not set(low) & set(high)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_the_next_class_is_the_one_that_the_silhouette_means(shown: Any, metric: str) -> None:
    dataset, spec, X, y = space_of(shown, "melstats")
    ids = dataset.clips["clip_id"].tolist()
    picked = ids[::7]
    found = separability.rivals(
        separability.specs_of(dataset, spec).separability, data.clips(dataset), picked, metric
    )
    D = cdist(X, X, metric)
    for clip, rival in zip(picked, found, strict=True):
        i = ids.index(clip)
        means = {c: D[i, y == c].mean() for c in sorted(set(y)) if c != y[i]}
        assert rival == min(means, key=means.__getitem__)


def test_near_and_far_pairs_are_those_of_all_pairs(shown: Any) -> None:
    dataset, spec, X, y = space_of(shown, "melstats")
    ids = dataset.clips["clip_id"].to_numpy(str)
    c, result = data.clips(dataset), separability.specs_of(dataset, spec).separability
    near, far, n = distances.pairs(result, c, "Rain", "Crow", 4)
    D = cdist(X[y == "Rain"], X[y == "Crow"], "cosine")
    assert n == 12
    assert near[0].distance == pytest.approx(D.min(), abs=1e-6)
    assert far[0].distance == pytest.approx(D.max(), abs=1e-6)
    i, j = np.unravel_index(D.argmin(), D.shape)
    assert near[0][:2] == (ids[y == "Rain"][i], ids[y == "Crow"][j])
    for found, sign in ((near, 1), (far, -1)):
        ordered = [sign * p.distance for p in found]
        assert ordered == sorted(ordered)
        assert len({p.first for p in found}) == len({p.second for p in found}) == 4
    within, _, _ = distances.pairs(result, c, "Rain", "Rain", 4)
    inside = cdist(X[y == "Rain"], X[y == "Rain"], "cosine")[np.triu_indices(12, 1)]
    assert within[0].distance == pytest.approx(inside.min(), abs=1e-6)
    clips = [clip for p in within for clip in p[:2]]
    assert len(set(clips)) == len(clips) == 8


def test_pairs_of_a_narrow_cone_are_told_apart(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, spec, X, y = space_of(shown, "melstats")
    ids = dataset.clips["clip_id"].to_numpy(str)
    c, asked = data.clips(dataset), separability.specs_of(dataset, spec).separability
    separability.members_of(asked, c)  # read from the real space, and kept
    narrow = (1 + 1e-3 * np.random.default_rng(0).standard_normal((len(X), 256))).astype(np.float32)
    monkeypatch.setattr(distances, "result", lambda spec: SimpleNamespace(embeddings=narrow))
    monkeypatch.setattr(distances, "once", lambda key, make: make() if key[0] == "pairs" else once(key, make))
    near, far, _ = distances.pairs(asked, c, "Crow", "Rain", 3)
    D = cdist(narrow[y == "Crow"].astype(float), narrow[y == "Rain"].astype(float), "cosine")
    for found, best in ((near[0], D.argmin()), (far[0], D.argmax())):
        i, j = np.unravel_index(best, D.shape)
        assert found[:2] == (ids[y == "Crow"][i], ids[y == "Rain"][j])
        assert found.distance == pytest.approx(D[i, j], rel=1e-6)


def test_of_large_classes_so_many_clips_are_compared(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "PAIR_CLIPS", 5)
    dataset, spec, *_ = space_of(shown, "aisfx")
    result = separability.specs_of(dataset, spec).separability
    near, _, n = distances.pairs(result, data.clips(dataset), "Rain", "Crow", 9)
    assert n == 12
    assert len(near) == 5
    assert "5 clips were drawn at random" in words(run(a="Rain", b="Crow"))
    monkeypatch.setattr(distances, "PAIR_CLIPS", 12)
    assert "clips were drawn at random" not in words(run(a="Rain", b="Crow"))  # all of them are compared


def test_heatmaps_have_one_order(shown: Any) -> None:
    dataset, spec, X, y = space_of(shown, "aisfx")
    result, c = separability.specs_of(dataset, spec).separability, data.clips(dataset)
    D = cdist(X, X, "cosine")
    for order in distances.ORDERS:
        found = distances.distances(result, c, order)
        assert sorted(found.names) == sorted(set(y))
        first, second = found.names[0], found.names[3]
        block = D[np.ix_(y == first, y == second)]
        assert found.mean[0, 3] == pytest.approx(block.mean())
        assert found.cv[0, 3] == pytest.approx(block.std() / block.mean())
        assert found.n_pairs[0, 3] == 144
        assert found.n_pairs[0, 0] == 66
    assert distances.distances(result, c, "name").names == sorted(set(y))
    for metric in separability.METRICS:
        by = separability.by_class(result, c, metric)
        assert distances.distances(result, c, "silhouette", metric).names == list(by.names)
    shown_pair = distances.nearest_classes(distances.distances(result, c, "near"))
    means = {(a, b): D[np.ix_(y == a, y == b)].mean() for a in set(y) for b in set(y) if a != b}
    assert means[shown_pair] == pytest.approx(min(means.values()))
    table = distances.distances_table(distances.distances(result, c, "name"))
    assert list(table) == ["class", "other_class", "mean", "sd", "cv", "n_pairs"]
    assert len(table) == 36
    for row in table.itertuples():
        block = D[np.ix_(y == row[1], y == row.other_class)]
        among = block if row[1] != row.other_class else block[np.triu_indices(len(block), 1)]
        wanted = (among.mean(), among.std(), among.std() / among.mean(), among.size)
        assert (row.mean, row.sd, row.cv, row.n_pairs) == pytest.approx(wanted, abs=1e-6)
    app = run(order="name")
    charts = [e.proto.spec for e in app.get("plotly_chart")]
    assert len(charts) == 8  # classes, two heatmaps, four properties, K-means
    assert all("n = 96 clips" in spec for spec in charts)


def test_a_view_is_its_link(shown: Any) -> None:
    query = {
        "dataset": "small",
        "space": "melstats",
        "metric": "sqeuclidean",
        "class": "Rooster",
        "order": "name",
        "a": "Rain",
        "b": "Crow",
    }
    app = run(**query)
    assert app.selectbox(key="separability.class").value == "Rooster"
    assert app.selectbox(key="separability.metric").value == "sqeuclidean"
    assert app.selectbox(key="separability.a").value == "Rain"
    assert address(app) == query
    app.selectbox(key="separability.class").set_value("Rain").run()
    assert address(app) == query | {"class": "Rain"}


@pytest.mark.parametrize("name", ["dataset", "space", "metric", "class", "order", "a", "b"])
def test_any_nonsense_in_the_url_is_no_error(shown: Any, name: str) -> None:
    app = run(**{name: "'; drop/../<b>"})
    assert not app.error
    assert "was left at its default" in words(app)


def test_a_class_of_one_clip_has_no_pair_within(make: Make) -> None:
    found, dataset = make(per_class=3)
    spec = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    labels = ["Alone", *["Rain"] * 10, None, *["Crow"] * (dataset.n_clips - 12)]
    dataset = relabelled(found, dataset, labels)
    made.measures_of(found, dataset, spec)
    app = run(a="Alone", b="Alone", class_="Alone")
    assert not app.error
    assert "has one clip" in words(app)
    shown = separability.by_class(separability.specs_of(dataset, spec).separability, data.clips(dataset))
    assert len(shown.values) == dataset.n_clips - 1  # the clip of no class is left out
    assert separability.ends(shown, "Alone", 5) == ([str(dataset.clips["clip_id"][0])], [])


def test_results_that_are_there_are_shown_while_others_are_missing(make: Make) -> None:
    found, dataset = make(per_class=3)
    spec = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    specs = made.measures_of(found, dataset, spec)
    for missing in specs[1:]:
        found.cache.delete(missing.key)
    app = run()
    assert not app.error
    assert "Classes in melstats" in words(app)
    assert "K-means" not in words(app)
    assert separability.missing(dataset, [spec], 8) == specs[1:]
    assert isinstance(specs[0], Separability)
    assert isinstance(specs[1], Baselines)
    assert results.has(specs[0])


def test_a_clip_and_a_mean_stand_for_their_class(shown: Any) -> None:
    dataset, spec, *_ = space_of(shown, "aisfx")
    result, c = separability.specs_of(dataset, spec).separability, data.clips(dataset)
    assert separability.class_of(result, c, "rain__take-003") == "Rain"
    assert separability.class_of(result, c, "Crow") == "Crow"


def test_where_each_class_is_in_one_fold_there_is_no_accuracy(make: Make) -> None:
    found, dataset = make(per_class=4)
    labels = dataset.clips["label"].tolist()
    codes = [sorted(set(labels)).index(v) % 4 for v in labels]
    dataset = relabelled(found, dataset, labels, folds=codes)
    specs = [computed(found, dataset, e, seed=i) for i, e in enumerate(("aisfx", "melstats"))]
    app = run()
    for encoder in ("aisfx", "melstats"):
        accuracies = [c for c in cells(app, encoder) if "no class in two folds" in c]
        assert len(accuracies) == 2
        assert all("–<small>" in c and "hs-best" not in c for c in accuracies)
    assert "every class is in one fold alone" in words(app)
    table = pd.read_csv(io.BytesIO(csv(separability.table([separability.scores(dataset, s) for s in specs]))))
    assert table["unseen"].tolist() == [32, 32]
    assert table["knn_accuracy"].isna().all()


def test_clips_that_nobody_could_predict_are_counted(make: Make) -> None:
    found, dataset = make(per_class=4)
    labels = dataset.clips["label"].tolist()
    folds = [1 if v == "Rain" else i % 2 for i, v in enumerate(labels)]
    dataset = relabelled(found, dataset, labels, folds=folds)
    found_scores = separability.scores(dataset, computed(found, dataset))
    assert (found_scores.baselines.unseen, found_scores.values["knn"].n) == (4, 32)
    assert "4 clips are of a class that no other fold has; they count as mistakes." in words(run())
    assert separability.table([found_scores]).loc[0, "unseen"] == 4


def test_an_accuracy_of_zero_is_not_the_best() -> None:
    knn, silhouette, hubness = (MEASURES[name] for name in ("knn", "silhouette", "hubness"))
    assert separability.best(knn, [0.0, 0.0]) == set()
    assert separability.best(knn, [0.0, 0.2]) == {1}
    assert separability.best(silhouette, [-0.4, -0.2, float("nan")]) == {1}
    assert separability.best(hubness, [0.1, 0.2]) == set()  # never bold


def test_clips_without_a_class_are_of_none(make: Make) -> None:
    found, dataset = make(per_class=2)
    labels: list[str | None] = [*["Rain"] * 4, *["Crow"] * 5, *[None] * 7]
    dataset = relabelled(found, dataset, labels, blank="unlabelled")
    spec = computed(found, dataset)
    c = data.clips(dataset)
    assert data.class_names(c) == ["Crow", "Rain"]
    app = run()
    assert not app.error
    assert "16 clips, 9 with a class · 2 classes" in words(app)
    assert "16 × 8<small>9 with a class</small>" in cells(app, "melstats")[0]
    figure = next(e.proto.spec for e in app.get("plotly_chart") if "number of clusters" in e.proto.spec)
    assert "2 classes" in figure
    assert "3 classes" not in figure
    score = separability.scores(dataset, spec)
    counts = score.n, score.labelled, score.values["silhouette"].n, score.values["knn"].n
    assert counts == (16, 9, 9, 9)
    assert separability.table([score]).loc[0, "labelled"] == 9
    # The word stands for no class, so it asks for no more clusters.
    many = relabelled(found, dataset, [*(f"class {i}" for i in range(7)), *[None] * 9], blank="unlabelled")
    assert separability.specs_of(many, spec).curve.ks[-1] == 14


@pytest.mark.parametrize("named", [0, 3])
def test_a_word_for_no_class_is_not_the_only_class(make: Make, named: int) -> None:
    found, dataset = make(per_class=1)
    labels: list[str | None] = [*["Rain"] * named, *[None] * (8 - named)]
    dataset = relabelled(found, dataset, labels, blank="unlabelled")
    made.space(found, dataset, "melstats", seed=0, spread=1.0)
    said = words(run())
    assert ("All clips with a class are of one class, Rain" if named else "No clip has a class") in said
    assert "of one class, unlabelled" not in said


def test_what_was_not_chosen_is_chosen_anew_for_another_space(shown: Any) -> None:
    def of(encoder: str) -> tuple[str, tuple[str, str]]:
        dataset, spec, *_ = space_of(shown, encoder)
        result, c = separability.specs_of(dataset, spec).separability, data.clips(dataset)
        lowest = separability.by_class(result, c).names[-1]
        return lowest, distances.nearest_classes(distances.distances(result, c, "name"))

    def now(app: AppTest) -> tuple[str, tuple[str, str]]:
        a, b = (app.selectbox(key=f"separability.{x}").value for x in "ab")
        return app.selectbox(key="separability.class").value, (a, b)

    here, there = of("aisfx"), of("melstats")
    assert here[0] != there[0]
    assert here[1] != there[1]
    app = run(space="aisfx")
    assert now(app) == here
    app.selectbox(key="separability.space").set_value("melstats").run()
    assert now(app) == there
    assert address(app) == {"dataset": "small", "space": "melstats"}
    # What the reader chose stays, and one class of a pair holds the other.
    classes = data.class_names(data.clips(shown.dataset("small")))
    other = next(name for name in classes if name not in {*there[1], *here[1]})
    app.selectbox(key="separability.a").set_value(other).run()
    app.selectbox(key="separability.space").set_value("aisfx").run()
    assert now(app) == (here[0], (other, there[1][1]))


def test_a_class_of_a_link_stays_for_another_space(shown: Any) -> None:
    app = run(space="aisfx", class_="Rooster")
    app.selectbox(key="separability.space").set_value("melstats").run()
    assert app.selectbox(key="separability.class").value == "Rooster"


def test_the_intrinsic_dimension_names_its_k(shown: Any) -> None:
    dataset, spec, *_ = space_of(shown, "aisfx")
    assert separability.table([separability.scores(dataset, spec)]).loc[0, "intrinsic_dimension_k"] == 20
    assert "dimension, k = 20" in html(run()).replace("<br>", " ")


def test_of_few_clips_the_intrinsic_dimension_has_fewer_neighbours(make: Make) -> None:
    found, dataset = make(per_class=1)
    score = separability.scores(dataset, computed(found, dataset))
    assert score.intrinsic_k == 7
    assert "dimension, k = 7" in html(run()).replace("<br>", " ")


def test_properties_that_are_not_defined_say_why(make: Make) -> None:
    found, dataset = make(per_class=1)
    computed(found, relabelled(found, dataset, ["Rain"] * 8))
    charts = "".join(e.proto.spec for e in run().get("plotly_chart"))
    assert charts.count("not defined: there is one class only") == 2
    assert "no class has two clips" not in charts


def test_no_property_is_bold_and_they_are_to_be_read_together(shown: Any) -> None:
    app = run()
    bold = [["hs-best" in c for c in cells(app, e)] for e in ("aisfx", "melstats")]
    columns = [None, *(m for m in separability.SCORED if not m.variant)]
    properties = [columns.index(m) for m in separability.PROPERTIES]
    assert not any(row[i] for row in bold for i in properties)
    assert any(row[i] for row in bold for i, m in enumerate(columns) if m and m.bold)
    assert "are read together" in words(app)
