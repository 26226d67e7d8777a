from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from dashboard import data
from dashboard.kit import classes as class_sets
from dashboard.splits import data as splits
from dashboard.splits import links
from dashboard.zeroshot import data as zeroshot
from dashboard.zeroshot import model
from tests.browser.helpers import (
    PHONE,
    click,
    clips,
    colourful,
    cut_off,
    link,
    overflow,
    resting,
    saved,
    sounding,
    until,
)
from tests.dashboard import made
from tests.dashboard.helpers import showing

MAP = ".st-key-splits-mapA"
#: The classes of a part, where the map of classes stands there once.
PART = """([chart, part]) => {
  const plots = document.querySelectorAll(chart + ' .js-plotly-plot');
  if (plots.length !== 1 || !plots[0]._fullData) return null;
  return [...(plots[0]._fullData.find(t => t.meta === part)?.customdata || [])];
}"""

#: Where the axes of each map begin and end.
ENDS = """() => [...document.querySelectorAll('[class*="st-key-splits-map"] .js-plotly-plot')].map(
  p => [p._fullLayout.xaxis.range, p._fullLayout.yaxis.range])"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """24 classes in three groups, with a grid of zero-shot models of either setup."""
    return made.zero_shot(tmp_path_factory.mktemp("zeroshot"), per_class=4)


def test_classes_are_picked_by_hand_on_the_map_heard_and_shared(page: Any, site: SimpleNamespace) -> None:
    names = sorted(set(site.workspace.dataset("small").clips["label"]))
    part = {"Animal B": "validation", "Animal C": "test", "Thing D": "test"}
    begun = links.written([part.get(name, "unused") for name in names], names)
    page.goto(link(site, "splits", space="aisfx", how="hand", hand=begun))
    page.wait_for_selector(f"{MAP} .js-plotly-plot")
    page.get_by_text("train has 0 classes").wait_for()
    click(page, MAP, "unused", "Animal A")
    page.wait_for_url("**class=Animal+A*")
    page.wait_for_selector(".st-key-splits-clips .hsc-rows li")
    assert len(clips(page, "splits-clips")) == 4
    page.locator(".st-key-splits-clips .hsc-play").first.click()
    sounding(page, "animal-a__take-000")
    assert f"hand={begun}" in page.url  # to hear is not to move
    page.get_by_role("radio", name="training", exact=True).or_(
        page.get_by_role("button", name="training", exact=True)
    ).first.click()
    page.wait_for_url("**brush=train*")
    for name, after in (
        ("Animal A", ["Animal A"]),
        ("Thing B", ["Animal A", "Thing B"]),
        ("Thing D", ["Animal A", "Thing B", "Thing D"]),
        ("Thing D", ["Animal A", "Thing B"]),  # once more: taken back
    ):
        now = until(page, PART, lambda found: found is not None, [MAP, "train"])
        click(page, MAP, "train" if name in now else part.get(name, "unused"), name)
        until(page, PART, lambda found, after=after: found == after, [MAP, "train"])
    page.get_by_text("test has 1 class;").wait_for()
    page.get_by_role("radio", name="test", exact=True).or_(
        page.get_by_role("button", name="test", exact=True)
    ).first.click()
    page.wait_for_url("**brush=test*")
    click(page, MAP, "unused", "Thing D")
    page.get_by_text("Animal C, Thing D").wait_for()
    resting(page)
    page.goto(page.url)
    page.get_by_text("Animal A, Thing B").wait_for()
    resting(page, f"{MAP} .js-plotly-plot")
    assert colourful(page, f"{MAP} .js-plotly-plot") > 500
    content = saved(page, page.get_by_role("button", name="JSON").first.click)
    assert '"Animal A"' in Path(content.path()).read_text()
    assert overflow(page) <= 0
    assert cut_off(page) == []


def test_a_dot_is_clicked_its_model_looked_into_and_a_clip_heard(page: Any, site: SimpleNamespace) -> None:
    with showing(site.workspace.root):
        dataset = site.workspace.dataset("small")
        spec = next(s.spec for s in site.workspace.spaces(dataset) if s.encoder == "aisfx")
        grid = next(g for g in zeroshot.grids(site.workspace, dataset, spec) if g.spec.setup == "similarity")
        dots = zeroshot.dots(grid.spec)
        alone = [i for i, y in enumerate(dots.y) if (abs(dots.y - y) < 0.03).sum() == 1]
        id = next(dots.ids[i] for i in [*alone, *range(len(dots.ids))] if dots.series[i] == 0)
        judged = model.judged(grid.spec, id)
        right = judged.classes[int(judged.confusion.diagonal().argmax())]
    page.goto(link(site, "zeroshot", space="aisfx", grid=grid.id))
    page.wait_for_selector(".st-key-zeroshot-confusion .js-plotly-plot")
    resting(page)
    click(page, ".st-key-zeroshot-boxes", "models", id)
    page.wait_for_url(f"**model={id}*")
    resting(page)
    click(page, ".st-key-zeroshot-confusion", "cells", [right, right])
    page.get_by_text("surest first").wait_for()
    resting(page)
    listed = clips(page, "zeroshot-clips")
    assert listed
    assert all(c.startswith(right.lower().replace(" ", "-")) for c in listed)
    # Heard beside clips of its class and of the next one.
    page.locator(".st-key-zeroshot-beside-own .hsc-play").first.click()
    sounding(page, clips(page, "zeroshot-beside-own")[0])
    rival = clips(page, "zeroshot-beside-rival")
    assert rival
    assert not rival[0].startswith(right.lower().replace(" ", "-"))
    page.locator(".st-key-zeroshot-beside-rival .hsc-play").first.click()
    sounding(page, rival[0])
    table = pd.read_csv(
        saved(page, page.locator(".st-key-zeroshot-boxes .stDownloadButton button").click).path()
    )
    assert table["accuracy"].tolist() == pytest.approx(dots.y.tolist())
    for key in ("boxes", "scatter", "confusion", "properties"):
        assert colourful(page, f".st-key-zeroshot-{key} .js-plotly-plot") > 50, key
    assert overflow(page) <= 0
    assert cut_off(page) == []


def test_maps_beside_each_other_match_and_the_words_of_clusters_follow_k(
    page: Any, site: SimpleNamespace
) -> None:
    page.goto(link(site, "splits", space="aisfx", compare="yes", how="random", cluster="1"))
    page.wait_for_selector(".st-key-splits-mapB .js-plotly-plot")
    resting(page)
    a, b = page.evaluate(ENDS)
    assert a == b
    with showing(site.workspace.root):
        dataset = site.workspace.dataset("small")
        spec = next(s.spec for s in site.workspace.spaces(dataset) if s.encoder == "aisfx")
        found = class_sets.classes(spec, data.clips(dataset))
        counts = {k: splits.cluster_sizes(class_sets.clusters(found, k)) for k in (3, 2)}
    assert counts[3][0] != counts[2][0]
    said = "() => document.querySelector('.st-key-splits-b-cluster input')?.value"
    until(page, said, f"cluster 0, {counts[3][0]} classes".__eq__)
    page.locator(".st-key-splits-k input").fill("2")
    page.keyboard.press("Enter")
    until(page, said, f"cluster 0, {counts[2][0]} classes".__eq__)


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_both_pages_fit_a_phone(page: Any, site: SimpleNamespace) -> None:
    for name, key in (("splits", "splits-mapB"), ("zeroshot", "zeroshot-properties")):
        page.goto(link(site, name, space="aisfx", compare="yes"))
        page.wait_for_selector(f".st-key-{key} .js-plotly-plot")
        resting(page)
        if name == "splits":
            a, b = page.evaluate(ENDS)
            assert a == b
        assert overflow(page) <= 0, name
        assert cut_off(page) == [], name
