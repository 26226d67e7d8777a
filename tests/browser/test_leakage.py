from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.kit import confusion_numbers
from dashboard.leakage import data as leakage
from dashboard.leakage import model as leakage_model
from dashboard.results import result
from jobs.specs import ContrastiveGrid
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
from tests.dashboard import made_leakage, made_predictors
from tests.dashboard.helpers import showing

MAPS = ".st-key-leakage-maps"
#: Where a point stands, in the last of a figure's traces of a kind, by a part of its customdata.
PLACE = """([chart, meta, wanted]) => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  plot.scrollIntoView({block: 'end'});
  const trace = plot._fullData.filter(t => t.meta === meta).at(-1), box = plot.getBoundingClientRect();
  const i = trace.customdata.findIndex(c => c.includes(wanted));
  const [x, y] = [trace.xaxis, trace.yaxis].map(a => plot._fullLayout[a[0] + 'axis' + a.slice(1)]);
  return [box.left + x._offset + x.d2p(trace.x[i]), box.top + y._offset + y.d2p(trace.y[i])];
}"""
#: Pairs of names in the small maps that are seen and lie over each other, and how many names are seen.
NAMES_OVER = """chart => {
  const seen = [...document.querySelectorAll(chart + ' .scatterlayer .textpoint text')]
    .map(t => t.getBoundingClientRect()).filter(r => r.width > 0);
  const over = seen.flatMap((a, i) => seen.slice(0, i).filter(b =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3));
  return [over.length, seen.length];
}"""
#: The classes of the points that are bright, panel by panel.
BRIGHT = """chart => {
  const plots = document.querySelectorAll(chart + ' .js-plotly-plot');
  if (plots.length !== 1 || !plots[0]._fullData) return null;
  return plots[0].data.filter(t => t.meta === 'points').map(t => {
    const most = Math.max(...t.marker.opacity);
    return [...new Set(t.customdata.filter((_, i) => t.marker.opacity[i] === most).map(c => c[2]))].join();
  });
}"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """24 classes with captions and a grid of six models."""
    return made_leakage.leaking(tmp_path_factory.mktemp("leakage"), per_class=4)


def test_a_class_is_marked_in_every_map_its_clips_are_heard_and_a_model_looked_into(
    page: Any, site: SimpleNamespace
) -> None:
    with showing(site.workspace.root):
        dataset = site.workspace.dataset("small")
        found = result(leakage.trainings(site.workspace, dataset, ContrastiveGrid)[0].spec)
        related = leakage.related(found, "silhouette")
        apart = np.abs(related.dots.x[:, None] - related.dots.x) + 9 * np.eye(6)
        alone = int(apart.min(axis=0).argmax())
        model = related.dots.ids[alone]
        judged = leakage_model.judged(found, model)
    page.goto(link(site, "leakage"))
    page.wait_for_selector(f"{MAPS} .js-plotly-plot")
    resting(page)
    click(page, ".st-key-leakage-silhouette", "models", model)
    page.wait_for_url(f"**model={model.replace('/', '%2F')}*")
    # A text is chosen: its class is marked wherever it is.
    page.wait_for_selector(f"{MAPS} .js-plotly-plot")
    resting(page)
    x, y = page.evaluate(PLACE, [MAPS, "points", "Siren"])
    page.mouse.click(x, y)
    page.wait_for_url("**class=Siren*")
    assert until(page, BRIGHT, lambda found: set(found) == {"Siren"}, MAPS) == ["Siren"] * 11
    page.get_by_text(f"Test clips of Siren as classified by {model}").wait_for()
    listed = clips(page, "leakage-clips")
    assert len(listed) == 2
    assert all(c.startswith("siren") for c in listed)
    page.locator(".st-key-leakage-clips .hsc-play").first.click()
    sounding(page, listed[0])
    # A clip is chosen in the list: it is ringed in all nine maps of clips.
    page.locator(".st-key-leakage-clips .hsc-text").last.click()
    page.wait_for_url(f"**clip={listed[-1]}*")
    until(
        page,
        """chart => document.querySelector(chart + ' .js-plotly-plot')?.data
             ?.filter(t => t.meta === 'chosen').length""",
        lambda n: n == 9,
        MAPS,
    )
    pair = confusion_numbers.first_cell(judged)
    right = judged.classes[int(np.flatnonzero(np.diag(judged.confusion))[-1])]
    assert (right, right) != pair
    click(page, ".st-key-leakage-confusion", "cells", f"{right},{right}")
    page.get_by_text("surest first").wait_for()
    heard = clips(page, "leakage-cell")
    assert heard
    page.locator(".st-key-leakage-cell .hsc-play").first.click()
    sounding(page, heard[0])
    page.locator(".st-key-leakage-leaking .hsc-play").first.click()
    sounding(page, "siren")
    assert page.locator(".hs-captions mark").first.inner_text() == "siren"
    table = pd.read_csv(
        saved(page, page.locator(".st-key-leakage-similarity .stDownloadButton button").click).path()
    )
    expected = dict(found.by_model["overlap_Ea_Et"])
    assert dict(zip(table["model"], table["overlap_Ea_Et"], strict=True)) == pytest.approx(expected)
    drawn = ("silhouette", "similarity", "maps", "classes", "confusion", "learning", "leaks")
    for key in (*drawn, "pretraining-loss", "pretraining-accuracy"):
        assert colourful(page, f".st-key-leakage-{key} .js-plotly-plot") > 50, key
    assert overflow(page) <= 0
    assert cut_off(page) == []


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_leakage_lab_fits_a_phone(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "leakage", class_="Owl"))
    page.wait_for_selector(".st-key-leakage-leaks .js-plotly-plot")
    resting(page)
    assert overflow(page) <= 0
    assert cut_off(page) == []
    over, narrow = page.evaluate(NAMES_OVER, MAPS)
    assert over == 0
    assert 4 < narrow <= 2 * len(made_leakage.TESTS)
    # Of several numbers of a clip none is left out.
    numbers = page.locator(".st-key-leakage-clips li").first.locator(".hsc-numbers > span")
    assert [n.is_visible() for n in numbers.all()] == [True] * 3
    page.get_by_text("Start an experiment").click()
    page.get_by_role("button", name="Train 6 models").wait_for()
    resting(page)
    assert overflow(page) <= 0


def test_a_measure_is_clicked_and_its_dots_are_drawn(
    page: Any, show: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = made_predictors.predicting(tmp_path_factory.mktemp("predicting"))
    site = show(found.root)
    page.goto(link(site, "predictors", y="knn", x="cka"))
    page.wait_for_selector(".st-key-predictors-over-k .js-plotly-plot")
    resting(page)
    x, y = page.evaluate(PLACE, [".st-key-predictors-ranking", "pearson", "silhouette"])
    page.mouse.click(x, y)
    page.wait_for_url("**x=silhouette*")
    page.get_by_text("cosine silhouette").first.wait_for()
    click(page, ".st-key-predictors-scatter", "models", "melstats")
    page.wait_for_url("**dot=melstats*")
    page.get_by_role("button", name="Explore").wait_for()
    for key in ("scatter", "ranking", "over-k"):
        assert colourful(page, f".st-key-predictors-{key} .js-plotly-plot") > 50, key
    page.set_viewport_size({"width": 390, "height": 844})
    resting(page)
    assert overflow(page) <= 0
    assert cut_off(page) == []
    page.set_viewport_size({"width": 1440, "height": 1000})
    resting(page)
    page.get_by_role("button", name="Explore").click()
    page.wait_for_url("**/explore?*space=melstats*")
