from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.neighbors import knn
from dashboard import data, results
from dashboard.explore import colours
from dashboard.kit import numbers
from jobs.specs import EmbedAudio, Neighbors, Project
from tests.dashboard.helpers import showing, store


@pytest.fixture
def small_map(shown: Any) -> tuple[Any, data.Clips, EmbedAudio]:
    dataset = shown.dataset("small")
    return (
        dataset,
        data.clips(dataset),
        EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="aisfx/test"),
    )


def test_neighbours_are_those_of_the_original_space(shown: Any, small_map: Any) -> None:
    _, c, space = small_map
    X = np.asarray(shown.cache.open(space.key).array("embeddings"), float)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    distance = 1 - X @ X[7]
    distance[7] = np.inf
    expected = np.argsort(distance)[:5]
    found = results.neighbours_of(Neighbors(embedding=space), c, str(c.ids[7]), 5)
    assert [i for i, _ in found] == [str(c.ids[i]) for i in expected]
    np.testing.assert_allclose([d for _, d in found], distance[expected], atol=1e-5)


def test_results_of_a_space_that_left_clips_out_are_aligned(made: Any, tmp_path: Any) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    spec = EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/holes")
    ids = dataset.clips["clip_id"].tolist()
    kept = [i for i in range(len(ids)) if i not in (0, 5)]
    X = np.random.default_rng(0).normal(size=(len(kept), 4)).astype(np.float32)
    store(found, spec, embeddings=X, clips=[ids[i] for i in kept])
    graph = Neighbors(embedding=spec)
    indices, distances = knn(X, 3)
    store(found, graph, indices=indices.astype(np.int32), distances=distances.astype(np.float32))
    map_ = made.map_of(found, spec, "pca", judged=False)
    with showing(found.root):
        c = data.clips(dataset)
        layout = results.layout(map_, c)
        assert np.isnan(layout.coords[[0, 5]]).all()
        np.testing.assert_array_equal(layout.coords[kept], found.cache.open(map_.key).array("coords"))
        assert results.neighbours_of(graph, c, ids[0], 3) == []
        row = kept.index(7)
        assert [i for i, _ in results.neighbours_of(graph, c, ids[7], 3)] == [
            ids[kept[j]] for j in indices[row]
        ]
        made.computed(found, results.quality_spec(spec, dataset))
        quality = results.quality(spec, dataset)
        assert quality is not None
        labels = dataset.clips["label"].to_numpy()[kept]
        assert quality.agreement.value == pytest.approx(np.mean(labels == labels[indices[:, 0]]))
        assert quality.n == len(kept)


def test_variance_along_the_axes_of_a_pca_map(made: Any, tmp_path: Any) -> None:
    found, dataset = made.workspace(tmp_path, per_class=3, sounds=False)
    space = made.space(found, dataset, "melstats", seed=0, spread=1.0)
    spec = made.map_of(found, space, "pca")
    X = np.asarray(found.cache.open(space.key).array("embeddings"), float)
    values = np.linalg.eigvalsh(np.cov(X.T))
    with showing(found.root):
        got = results.layout(spec, data.clips(dataset)).explained
    np.testing.assert_allclose(got, values[[-1, -2]] / values.sum(), rtol=1e-5)


def test_quality_is_none_before_it_is_computed(shown: Any) -> None:
    dataset = shown.dataset("small")
    assert (
        results.quality(EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="other"), dataset) is None
    )


def test_filter_needs_every_word_and_one_of_the_classes(small_map: Any) -> None:
    _, c, _ = small_map
    assert data.matching(c, "", [], []).all()
    found = data.matching(c, "TAKE 003", ["Rain", "Crow"], [])
    assert sorted(c.ids[found]) == ["crow__take-003", "rain__take-003"]
    assert data.matching(c, "", [], ["Animals"]).sum() == 45
    assert not data.matching(c, "no such word", [], []).any()


def test_every_colour_option_gives_a_colour(small_map: Any) -> None:
    dataset, c, _ = small_map
    options = colours.colour_options(c)
    assert list(options)[:3] == ["class", "family", "fold"]
    assert {"column:duration", "column:loudness"} <= set(options)
    for by in options:
        if by != colours.KEPT:
            colour = colours.colour(c, by)
            assert len(colour.values) == c.n
    assert colours.colour(c, "fold").names == [f"fold {i}" for i in range(1, 6)]
    np.testing.assert_allclose(
        colours.colour(c, "column:loudness").values, dataset.clips["loudness"], rtol=1e-6
    )


def test_kept_mean_uses_a_k_that_was_judged(small_map: Any) -> None:
    _, c, space = small_map
    spec = Project(embedding=space, method="tsne")
    layout = results.layout(spec, c)
    k, estimate = results.kept_mean(spec, c, 20)
    assert k == 15
    assert estimate.value == pytest.approx(layout.kept[:, layout.ks.index(15)].mean(), abs=1e-6)
    assert estimate.low < estimate.value < estimate.high


def test_csv_holds_the_asked_rows_in_order(small_map: Any) -> None:
    _, c, _ = small_map
    frame = pd.read_csv(io.BytesIO(data.csv_of(c, ["rain__take-002", "crow__take-001"])))
    assert frame["clip_id"].tolist() == ["rain__take-002", "crow__take-001"]
    assert frame["labels"].tolist() == ["Rain", "Crow"]


def test_wilson_interval_against_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263 and 0/20.
    e = numbers.share(np.arange(263) < 81)
    assert (round(e.low, 4), round(e.high, 4)) == (0.2553, 0.3662)
    e = numbers.share(np.zeros(20, bool))
    assert (round(e.low, 4), round(e.high, 4)) == (0.0, 0.1611)
    assert numbers.share(np.zeros(0, bool)).percent() == "no clips"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (42, "42 s"),
        (200, "3 min 20 s"),
        (2000, "33 min"),
        (7500, "2 h 05 min"),
        (float("nan"), "unknown"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text
