from __future__ import annotations

import csv
from types import SimpleNamespace
from typing import Any

import pytest

from tests.browser.helpers import (
    AUDIO,
    CUT_OFF,
    LOOKS,
    clips,
    colourful,
    link,
    overflow,
    resting,
    saved,
    until,
)
from tests.dashboard import made

CURVES = ".st-key-neighbourhoods-curves .js-plotly-plot"
TITLES_CUT_OFF = CUT_OFF.replace(".xtitle", ".gtitle, .xtitle")
DRAWN = f"""() => {{
  const plot = document.querySelector('{CURVES}');
  return plot && plot.data && plot.querySelectorAll('.scatterlayer .trace').length && {{
    curves: plot.data.filter(t => t.meta === 'curve').map(t => t.name),
    k: plot.layout.shapes[0].x0,
    marks: plot.data.filter(t => t.meta === 'chosen').map(t => [t.name, t.x[0], t.y[0]]),
  }};
}}"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """A workspace with agreements."""
    return made.agreeing(tmp_path_factory.mktemp("agreeing"), per_class=6)


def go(page: Any, url: str) -> Any:
    page.goto(url)
    return until(page, DRAWN, lambda d: d["curves"])


def artifact(site: SimpleNamespace, a: str, b: str) -> Any:
    from jobs.specs import Agreement, EmbedAudio

    ref = site.workspace.dataset("small").ref
    one, two = (EmbedAudio(dataset=ref, encoder=e, identity=f"{e}/test") for e in (a, b))
    return site.workspace.cache.open(Agreement(a=one, b=two).key)


def test_curves_are_drawn_the_slider_moves_k_and_a_square_chooses_the_pair(
    page: Any, site: SimpleNamespace
) -> None:
    first = go(page, link(site, "neighbourhoods"))
    assert first["curves"] == ["aisfx × handcrafted", "aisfx × melstats", "handcrafted × melstats"]
    assert colourful(page, CURVES, over=60) > 800  # coloured lines, not an empty frame
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    moved = until(page, DRAWN, lambda d: d["k"] > first["k"])
    page.wait_for_function(f"location.search.includes('k={moved['k']}')")
    for name, k, value in moved["marks"]:
        a, b = name.split(" × ")
        assert k == moved["k"]
        assert value == pytest.approx(float(artifact(site, a, b).array("overlap")[k - 1]))
    page.get_by_text(f"Overlap at k = {moved['k']}", exact=True).first.wait_for()
    # Under the pointer: k, and every curve's value there.
    box = page.locator(f"{CURVES} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    readout = until(page, f"() => document.querySelector('{CURVES} .hoverlayer')?.textContent", bool)
    assert "k = " in readout
    assert "p = " in readout
    button = page.locator(".st-key-neighbourhoods-curves").get_by_role("button", name="CSV")
    rows = csv.DictReader(saved(page, button.click).path().read_text().splitlines())
    assert len(list(rows)) == 3 * 47

    plot = page.locator(".st-key-neighbourhoods-matrix .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    resting(page, ".st-key-neighbourhoods-matrix .js-plotly-plot")
    at = plot.evaluate(
        """p => { const x = p._fullLayout.xaxis, y = p._fullLayout.yaxis, b = p.getBoundingClientRect();
        return [b.left + x._offset + x.l2p(2) + 8, b.top + y._offset + y.l2p(1) - 6]; }"""
    )
    page.mouse.click(*at)
    page.wait_for_function("location.search.includes('between=handcrafted~melstats')")
    page.get_by_text("nearest in melstats").first.wait_for()


def test_disagreement_is_heard_and_the_link_brings_it_back(page: Any, site: SimpleNamespace) -> None:
    import numpy as np

    go(page, link(site, "neighbourhoods", between="aisfx~melstats", k=5))
    rows = page.locator(".st-key-neighbourhoods-list li")
    rows.first.wait_for()
    found = artifact(site, "aisfx", "melstats")
    ids = found.table("items").column("id").to_pylist()
    here = np.asarray(found.array("overlap_samples"))[:, found.array("clip_ks").tolist().index(5)]
    assert here[ids.index(rows.first.get_attribute("data-clip"))] == here.min()
    clip = rows.nth(1).get_attribute("data-clip")
    rows.nth(1).locator(".hsc-text").click()
    until(page, AUDIO, lambda a: a["src"].endswith(clip) and not a["paused"] and a["at"] > 0.05)
    page.locator(f".st-key-neighbourhoods-chosen li[data-clip='{clip}']").wait_for()
    sides = {s: page.locator(f".st-key-neighbourhoods-near-{s} li") for s in "ab"}
    for side in sides.values():
        side.nth(4).wait_for()
        assert side.count() == 5
    shown = {s: clips(page, f"neighbourhoods-near-{s}") for s in sides}
    common = set(shown["a"]) & set(shown["b"])
    assert len(common) == round(5 * here[ids.index(clip)])
    marked = page.locator(".st-key-neighbourhoods-near-a li", has_text="✓")
    assert {x.get_attribute("data-clip") for x in marked.all()} == common
    # A neighbour in the second space: it sounds, and nothing else does.
    sides["b"].first.locator(".hsc-play").click()
    until(page, AUDIO, lambda a: a["src"].endswith(shown["b"][0]) and not a["paused"] and a["at"] > 0.05)
    assert page.locator("audio").count() == 1
    page.wait_for_function(f"location.search.includes('clip={clip}')")
    address = page.url
    page.goto("about:blank")
    go(page, address)
    page.locator(f".st-key-neighbourhoods-chosen li[data-clip='{clip}']").wait_for()
    assert page.url == address


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_themes_and_widths(page: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> None:
    dark = request.node.callspec.params["page"]["color_scheme"] == "dark"
    drawn = go(page, link(site, "neighbourhoods", of="classes"))
    assert "aisfx × minilm · labels" in drawn["curves"]
    page.locator(".st-key-neighbourhoods-near-b li").first.wait_for()
    assert overflow(page) <= 0
    assert page.evaluate(TITLES_CUT_OFF) == []
    colour = page.evaluate(
        f"document.querySelector('{CURVES}').data.find(t => t.meta === 'curve').line.color"
    )
    from dashboard.kit.palette import BASE

    assert colour == BASE["dark" if dark else "light"][0]
    # The classes of clips, and titles of two lines.
    go(page, link(site, "neighbourhoods", show="adjusted", self="self", k=10))
    page.locator(".st-key-neighbourhoods-classes .ytick text").first.wait_for()
    resting(page, ".st-key-neighbourhoods-classes .js-plotly-plot")
    assert page.evaluate(TITLES_CUT_OFF) == []
