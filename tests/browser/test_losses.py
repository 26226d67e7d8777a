from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.losses import data as losses
from jobs.engine import live
from jobs.tasks.loss_results import Result
from tests.browser.helpers import (
    PHONE,
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
from tests.dashboard import made_losses
from tests.dashboard.helpers import showing

ALL = "ADD (1, 1, 1, 1)"
#: Where a cell of a matrix stands on the screen; the numbers of the classes take 17 pixels before it.
CELL = """([setting, number, row, column, classes]) => {
  const found = [...document.querySelectorAll('.hsx canvas')];
  const canvas = found.find(c => c.dataset.setting === setting && c.dataset.number === number);
  canvas.scrollIntoView({ block: 'center' });
  const b = canvas.getBoundingClientRect(), cell = (b.width - 17) / classes;
  return [b.left + 17 + (column + 0.5) * cell, b.top + 17 + (row + 0.5) * cell];
}"""
#: How many pixels of the frame's colour each matrix has.
FRAMED = """() => [...document.querySelectorAll('.hsx canvas')].map(c => {
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) n += d[i] > 190 && d[i + 1] < 90 && d[i + 2] < 60;
  return n;
})"""
#: Where the points of each map are, and which are selected.
POINTS = """() => document.querySelector('.hsm-plot').data.filter(t => t.meta === 'points')
  .map(t => ({ x: Array.from(t.x), ids: t.customdata, selected: [...(t.selectedpoints || [])] }))"""
#: Counts how often the browser draws between the next key and the move of the last map's points.
COUNT = """() => addEventListener('keydown', () => {
  const first = () => document.querySelector('.hsm-plot').data.findLast(t => t.meta === 'points').x[0];
  const before = first();
  window.drawn = 0;
  const look = () => { if (first() === before) { window.drawn += 1; requestAnimationFrame(look); } };
  requestAnimationFrame(look);
}, { once: true, capture: true })"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """80 clips with a training of six losses on one of two spaces."""
    return made_losses.workspace(tmp_path_factory.mktemp("losses"))


def trained(site: SimpleNamespace) -> Result:
    with showing(site.workspace.root):
        (grid,) = losses.grids(site.workspace, site.workspace.dataset("small"))
        return grid.spec.read(site.workspace.cache)


def test_a_pair_is_marked_in_all_matrices_and_its_clips_are_heard(page: Any, site: SimpleNamespace) -> None:
    found = trained(site)
    names = found.class_names
    row, column = names.index("Crow"), names.index("Rain")
    page.goto(link(site, "losses"))
    page.wait_for_selector(".hsx canvas")
    resting(page, ".hsx")
    assert page.locator(".hsx canvas").count() == 2 * 7
    until(page, FRAMED, lambda n: all(v > 20 for v in n))
    cell = [ALL, "mean", row, column, len(names)]
    x, y = page.evaluate(CELL, cell)
    page.mouse.move(x, y)
    page.wait_for_selector(f".hsx[data-over='{row},{column}']")
    said = page.locator(".hsx-tip").inner_text()
    assert "Crow · Rain" in said
    assert f"mean {found.class_mean[1 + found.column('recipes', 'name').index(ALL), row, column]:.3f}" in said
    assert f"before: mean {found.class_mean[0, row, column]:.3f}" in said
    page.mouse.click(x, y)
    page.wait_for_selector(f".hsx[data-pair='{row},{column}']")
    page.wait_for_url("**a=Crow*")
    assert "b=Rain" in page.url
    page.get_by_text(f"Nearest after {ALL}").wait_for()
    listed = clips(page, "losses-pairs-after")
    assert {i.split("__")[0] for i in listed} == {"crow", "rain"}
    page.locator(".st-key-losses-pairs-after .hsc-play").first.click()
    sounding(page, listed[0])
    # The chosen cell moves with the keys; the server hears of it.
    page.locator(".hsx-all").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f".hsx[data-pair='{row},{column + 1}']")
    page.wait_for_url(f"**b={names[column + 1]}*")
    image = saved(page, page.locator(".hsx-top button").click)
    assert image.path().read_bytes().startswith(b"\x89PNG")
    assert image.path().stat().st_size > 20_000
    table = pd.read_csv(saved(page, page.locator(".st-key-losses-matrices-csv button").click).path())
    assert sorted(table["setting"].unique()) == sorted(["before", *found.column("recipes", "name")])
    assert colourful(page, ".st-key-losses-mu_p .js-plotly-plot") > 200
    assert overflow(page) <= 0
    assert cut_off(page) == []


def test_the_space_organises_itself_through_the_epochs(page: Any, site: SimpleNamespace) -> None:
    found = trained(site)
    page.goto(link(site, "losses", map=["cross-entropy", ALL]))
    page.wait_for_selector(".hsm[data-drawn]")
    resting(page, ".hsm-plot")
    stored = [
        found.kept_map[found.column("recipes", "name").index(name)][:, :, 0]
        for name in ("cross-entropy", ALL)
    ]
    before, *now = page.evaluate(POINTS)
    np.testing.assert_allclose([m["x"] for m in now], [s[-1] for s in stored], atol=1e-6)
    slider = page.locator(".hsm-frames input")
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.evaluate(COUNT)
    page.keyboard.press("Home")
    still, *first = until(page, POINTS, lambda maps: maps[1]["x"] != now[0]["x"])
    assert page.evaluate("window.drawn") < 60  # a second on a machine that keeps up
    np.testing.assert_allclose([m["x"] for m in first], [s[0] for s in stored], atol=1e-6)
    assert still["x"] == before["x"]
    page.get_by_text("epoch 0 of 6 · not trained yet").wait_for()
    page.wait_for_url("**frame=0*")
    # What is selected and heard stays through the epochs.
    page.locator(".hsm-chip", has_text="Crow").click()
    crows = sorted(i for i in before["ids"] if i.startswith("crow"))
    page.wait_for_url("**sel=*")
    for m in page.evaluate(POINTS):
        assert sorted(m["ids"][i] for i in m["selected"]) == crows
    page.locator(".st-key-losses-list .hsc-rows li").first.wait_for()
    assert clips(page, "losses-list") == crows
    page.locator(".st-key-losses-list .hsc-play").first.click()
    sounding(page, crows[0])
    resting(page)
    page.get_by_role("button", name="Play", exact=True).first.click()
    page.wait_for_selector(".hsm[data-frame='4']")
    last = until(page, POINTS, lambda maps: np.allclose(maps[2]["x"], stored[1][-1], atol=1e-6))
    assert sorted(last[1]["ids"][i] for i in last[1]["selected"]) == crows
    resting(page)
    # The link alone brings it back.
    page.goto(link(site, "losses", map=["OPL"], frame=1, clips="held"))
    page.wait_for_selector(".hsm[data-frame='1']")
    _, opl = until(page, POINTS, lambda maps: len(maps) == 2)
    held = found.kept_clips.to_pandas()["held"].to_numpy()
    stored = found.kept_map[found.column("recipes", "name").index("OPL")][1, held, 0]
    np.testing.assert_allclose(opl["x"], stored, atol=1e-6)


def test_curves_grow_while_a_training_goes_on(page: Any, site: SimpleNamespace) -> None:
    dataset = site.workspace.dataset("small")
    space = next(s.spec for s in site.workspace.spaces(dataset) if s.encoder == "melstats")
    asked = {"losses": ("ce", "opl"), "epochs": 8}
    spec = made_losses.waiting(site.workspace, dataset, space, **asked)
    folder = site.workspace.queue.folder(spec.key) / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    models = [(r, s, fold) for r in range(2) for s in range(2) for fold in range(5)]
    curves = np.full((20, 3, 8), np.nan, np.float32)
    try:
        page.goto(link(site, "losses", space="melstats"))
        page.get_by_text("Curves appear here once the models learn").wait_for()
        for epochs in (2, 5):
            curves[:, :, :epochs] = np.linspace(0.2, 0.8, 8)[:epochs]
            live.LiveCurves(folder, models)(curves)
            page.wait_for_selector(f".st-key-losses-live-accuracy .hsg[data-longest='{epochs}']")
            if epochs == 2:
                page.evaluate("document.querySelector('.hsg .js-plotly-plot').marked = true")
        # It is the same figure that has grown.
        assert page.evaluate("document.querySelector('.hsg .js-plotly-plot').marked") is True
        assert colourful(page, ".st-key-losses-live-loss .hsg") > 50
        made_losses.grid(site.workspace, dataset, space, **asked)
        page.get_by_text("How they learned").wait_for()
        page.get_by_text("All trainings side by side").wait_for()
    finally:
        site.workspace.queue.cancel(spec.key)
        site.workspace.cache.delete(spec.key)


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_on_a_phone_in_the_dark(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "losses", clip="rain__take-003"))
    page.wait_for_selector(".hsm[data-drawn]")
    resting(page)
    assert overflow(page) <= 0
    assert cut_off(page) == []
    first = page.evaluate(
        "[...document.querySelectorAll('.hsx-one')].map(e => e.getBoundingClientRect().top)"
    )
    assert first[0] == first[1] < first[2]  # two beside each other
    assert page.locator(".st-key-losses-near-0 .hsc-rows li").count() == 5
