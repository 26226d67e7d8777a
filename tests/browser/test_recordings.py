"""The pages on real recordings: 50 of ESC-10, one a class and fold, embedded and measured by the jobs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from jobs import presets as measures
from jobs.datasets.importer import import_dataset
from jobs.engine import inprocess
from jobs.specs import EmbedAudio
from jobs.workspace.workspace import Workspace
from tests.browser.helpers import click, clips, colourful
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.recordings, pytest.mark.slow]

ENCODERS = ("melstats", "aisfx")
#: There are eight recordings of a class in every fold, and their names begin with it.
EVERY = 8
CLASSES = ".st-key-separability-classes"
CURVES = ".st-key-neighbourhoods-curves"
#: Every sound that plays, by its address; there must never be two.
PLAYING = """() => [...document.querySelectorAll('audio, video')].filter(a => !a.paused && !a.ended)
  .map(a => ({ src: decodeURIComponent(a.src), at: a.currentTime, duration: a.duration, muted: a.muted }))"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Path:
    home = os.environ.get("HEARSPACE_TEST_DATA")
    if not home or not Path(home, "esc10").is_dir():
        pytest.skip("HEARSPACE_TEST_DATA names no folder with esc10/ in it")
    few = tmp_path_factory.mktemp("recordings") / "esc10"
    for folder in sorted(p for p in Path(home, "esc10").iterdir() if p.is_dir()):
        (few / folder.name).mkdir(parents=True)
        for file in sorted(folder.glob("*.ogg"))[::EVERY]:
            shutil.copy(file, few / folder.name)
    return few


@pytest.fixture(scope="module")
def site(recordings: Path, show: Callable[[Path], SimpleNamespace]) -> SimpleNamespace:
    """A workspace in which every number comes from a recording, served; the fixture `page` looks at it."""
    workspace = Workspace.open(recordings.parent / "workspace")
    imported = import_dataset("esc50", recordings)
    dataset = workspace.add_dataset("esc10", imported, adapter="esc50", root=recordings)
    spaces = [EmbedAudio(dataset=dataset.ref, encoder=e) for e in ENCODERS]
    wanted = [m for s in spaces for m in (*measures.of_space(dataset, s), *measures.of_retrieval(dataset, s))]
    for spec in (*wanted, *measures.of_pairs(dataset, spaces)):
        job = inprocess.run(workspace, spec)
        assert job.state == "done", job.error
    table = dataset.clips
    return SimpleNamespace(
        url=show(workspace.root).url,
        ids=table["clip_id"].to_numpy(str),
        labels=table["label"].to_numpy(str),
        seconds=dict(zip(table["clip_id"], table["duration"], strict=True)),
        embeddings={
            s.encoder: np.asarray(workspace.cache.open(s.key).array("embeddings"), float) for s in spaces
        },
    )


def heard(page: Any, site: SimpleNamespace, clip: str) -> None:
    """Wait until this clip, and nothing else, is sounding: its time goes on, up to its own length."""
    at: list[float] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        playing = page.evaluate(PLAYING)
        assert len(playing) <= 1, f"several sound at once: {playing}"
        if playing and f"/audio/esc10/{clip}" in playing[0]["src"] and playing[0]["at"] > 0:
            assert not playing[0]["muted"]
            assert playing[0]["duration"] == pytest.approx(site.seconds[clip], abs=0.1)
            at.append(playing[0]["at"])
        if len(at) > 3 and at[-1] > at[0] + 0.15:
            assert all(a <= b for a, b in pairwise(at))
            return
        page.wait_for_timeout(60)
    raise AssertionError(f"{clip} was not heard: {at}, {page.evaluate(PLAYING)}")


def play(page: Any, site: SimpleNamespace, row: Any) -> str:
    clip = str(row.get_attribute("data-clip"))
    row.locator(".hsc-play").click()
    heard(page, site, clip)
    return clip


def drawn(page: Any, chart: str, colours: int = 300) -> None:
    assert colourful(page, f"{chart} .js-plotly-plot") > colours, f"{chart} is blank"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def test_separability_says_and_plays_what_scikit_learn_finds(page: Any, site: SimpleNamespace) -> None:
    page.goto(f"{site.url}/separability?dataset=esc10&space=aisfx")
    page.wait_for_selector(f"{CLASSES} .js-plotly-plot .xaxislayer-above text")
    page.wait_for_selector(".st-key-separability-clusters .js-plotly-plot .scatterlayer path")
    for key in ("classes", "mean", "cv", "clusters"):
        drawn(page, f".st-key-separability-{key}")
    values = {e: silhouette_samples(X, site.labels, metric="cosine") for e, X in site.embeddings.items()}
    table = page.locator(".hs-scores").inner_text()
    for found in values.values():
        assert signed(found.mean()) in table
    # A network trained on sounds tells them apart, statistics of a spectrum hardly.
    assert values["aisfx"].mean() > 0.1 > values["melstats"].mean()
    mine = values["aisfx"]
    means = {c: mine[site.labels == c].mean() for c in sorted(set(site.labels))}
    label = max(means, key=means.__getitem__)  # at first it is the worst that is shown
    click(page, CLASSES, "classes", label)
    page.wait_for_url(f"**class={label.replace(' ', '+')}*")
    order = np.argsort(np.where(site.labels == label, mine, np.inf), kind="stable")
    rows = page.locator(".st-key-separability-low .hsc-rows li")
    page.wait_for_selector(f".st-key-separability-low li[data-clip='{site.ids[order[0]]}']")
    assert play(page, site, rows.first) == site.ids[order[0]]
    assert signed(mine[order[0]]) in rows.first.inner_text()
    assert play(page, site, rows.nth(1)) == site.ids[order[1]]


def test_neighbourhoods_of_a_clip_are_heard_on_either_side(page: Any, site: SimpleNamespace) -> None:
    page.goto(f"{site.url}/neighbourhoods?dataset=esc10&between=aisfx~melstats&k=5")
    page.wait_for_selector(f"{CURVES} .js-plotly-plot .scatterlayer .trace")
    drawn(page, CURVES)
    near = {}
    for encoder, X in site.embeddings.items():
        lists = NearestNeighbors(n_neighbors=6, metric="cosine").fit(X).kneighbors(X, return_distance=False)
        near[encoder] = [[j for j in row if j != i][:5] for i, row in enumerate(lists.tolist())]
    shared = [len(set(a) & set(b)) for a, b in zip(near["aisfx"], near["melstats"], strict=True)]
    marks = page.evaluate(
        f"document.querySelector('{CURVES} .js-plotly-plot').data.filter(t => t.meta === 'chosen')"
        ".map(t => [t.name, t.x[0], t.y[0]])"
    )
    (said,) = [value for name, k, value in marks if name == "aisfx × melstats" and k == 5]
    assert said == pytest.approx(np.mean(shared) / 5, abs=1e-6)

    rows = page.locator(".st-key-neighbourhoods-list li")
    rows.first.wait_for()
    worst = site.ids.tolist().index(rows.first.get_attribute("data-clip"))
    assert shared[worst] == min(shared)
    rows.first.locator(".hsc-text").click()
    clip = site.ids[worst]
    page.locator(f".st-key-neighbourhoods-chosen li[data-clip='{clip}']").wait_for()
    heard(page, site, clip)
    for side, encoder in (("a", "aisfx"), ("b", "melstats")):
        found = page.locator(f".st-key-neighbourhoods-near-{side} li")
        found.nth(4).wait_for()
        assert clips(page, f"neighbourhoods-near-{side}") == site.ids[near[encoder][worst]].tolist()
        play(page, site, found.first)


def test_retrieval_plays_two_results_one_after_the_other(page: Any, site: SimpleNamespace) -> None:
    label, lists = "Rooster", {}
    for encoder, X in site.embeddings.items():  # 50 clips have no 100 components: all dimensions are kept
        cosine = np.round(cosine_similarity(X), 12)
        lists[encoder] = [[j for j in np.argsort(-r, kind="stable") if j != i] for i, r in enumerate(cosine)]
    query = int(np.flatnonzero(site.labels == label)[3])
    clip = site.ids[query]
    page.goto(f"{site.url}/retrieval?dataset=esc10&space=aisfx&class={label}&query={clip}")
    page.wait_for_selector(f".st-key-retrieval-query li[data-clip='{clip}']")
    drawn(page, ".st-key-retrieval-families")
    table = page.locator(".hs-wide").first.inner_text()
    for found in lists.values():
        assert f"{map_at_15(found, site.labels):.3f}" in table
    rows = page.locator(".st-key-retrieval-results .hsc-rows li")
    rows.nth(14).wait_for()
    wanted = site.ids[lists["aisfx"][query][:15]].tolist()
    assert clips(page, "retrieval-results") == wanted
    assert [play(page, site, rows.nth(i)) for i in range(2)] == wanted[:2]


def map_at_15(lists: list[list[int]], labels: np.ndarray) -> float:
    """MAP@15 by the formula; classes are of one size, so the mean over clips is the mean over classes."""
    scores = []
    for i, row in enumerate(lists):
        hits = [labels[j] == labels[i] for j in row[:15]]
        precision = [sum(hits[: n + 1]) / (n + 1) for n, hit in enumerate(hits) if hit]
        scores.append(sum(precision) / min(15, sum(labels == labels[i])))
    return float(np.mean(scores))
