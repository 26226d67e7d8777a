from __future__ import annotations

import csv
import re
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard import state
from tests.browser.helpers import (
    AUDIO,
    LOOKS,
    clips,
    colourful,
    link,
    overflow,
    pixels,
    resting,
    saved,
    sounding,
    until,
)

# How a test reaches a point: where the map has drawn the clip.
POINT = """id => {
  const plot = document.querySelector('.hsm-plot');
  const trace = plot.data.findIndex(t => t.meta === 'points');
  const i = plot.data[trace].customdata.indexOf(id);
  const x = plot._fullLayout.xaxis, y = plot._fullLayout.yaxis, box = plot.getBoundingClientRect();
  const at = [x.l2p(plot.data[trace].x[i]), y.l2p(plot.data[trace].y[i])];
  return [box.left + x._offset + at[0], box.top + y._offset + at[1]];
}"""
SELECTED = """() => document.querySelector('.hsm-plot').data.filter(t => t.meta === 'points')
  .map(t => (t.selectedpoints || []).map(i => t.customdata[i]).sort())"""
RANGE = "() => document.querySelector('.hsm-plot')._fullLayout.xaxis.range.slice()"
SCROLLED = "() => document.querySelector('[data-testid=stMain]').scrollTop"
NO_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return /webgl/.test(kind) ? null : get.call(this, kind, ...rest);
};"""
TWO = ["aisfx", "melstats"]


def open_map(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".hsm[data-drawn]")
    resting(page, ".hsm-plot")


def point(page: Any, clip: str) -> tuple[float, float]:
    x, y = page.evaluate(POINT, clip)
    return x, y


def test_the_map_is_drawn_saved_heard_under_the_pointer_and_zoomed(page: Any, site: SimpleNamespace) -> None:
    open_map(page, link(site, "explore"))
    assert colourful(page, ".hsm-plot", over=60) > 2000
    assert pixels(page, ".hsm-plot").std() > 5
    for kind, magic in (("png", b"\x89PNG"), ("svg", b"<svg")):
        file = saved(page, page.locator(f".hsm-bar [data-do={kind}]").click)
        content = file.path().read_bytes()
        assert content.startswith(magic)
        assert len(content) > 5000

    # A key is held, and what is under the pointer is heard.
    page.keyboard.down("a")
    x, y = point(page, "sea-waves__take-005")
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y, steps=4)
    until(page, AUDIO, lambda a: a["src"].endswith("/audio/small/sea-waves__take-005"))
    page.keyboard.up("a")

    # The wheel scrolls the page, and zooms with Ctrl.
    before = page.evaluate(RANGE)
    page.mouse.wheel(0, 300)
    until(page, SCROLLED, lambda y: y > 100)
    assert page.evaluate(RANGE) == before
    resting(page, ".hsm-plot")
    page.mouse.move(*point(page, "sea-waves__take-003"))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    until(page, RANGE, lambda r: r[1] - r[0] < 0.95 * (before[1] - before[0]))


def test_a_click_plays_and_shows_neighbours_and_only_one_sounds(page: Any, site: SimpleNamespace) -> None:
    open_map(page, link(site, "explore"))
    page.mouse.click(*point(page, "sea-waves__take-003"))
    page.wait_for_selector(".hsm[data-chosen='sea-waves__take-003']")
    sounding(page, "/audio/small/sea-waves__take-003")
    page.get_by_text("Nearest in aisfx").wait_for()
    rows = page.locator(".st-key-explore-near-0 .hsc-rows li")
    rows.first.wait_for()
    got = clips(page, "explore-near-0")

    from jobs.specs import EmbedAudio, Neighbors

    dataset = site.workspace.dataset("small")
    graph = Neighbors(embedding=EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="aisfx/test"))
    ids = dataset.clips["clip_id"].tolist()
    indices = site.workspace.cache.open(graph.key).array("indices")[ids.index("sea-waves__take-003")]
    assert got == [ids[i] for i in indices[:10]]
    assert "clip=sea-waves__take-003" in page.url

    # One sound at a time; space holds it and lets it go on.
    rows.nth(0).locator(".hsc-play").click()
    until(page, AUDIO, lambda a: not a["paused"] and a["src"].endswith(got[0]))
    rows.nth(1).locator(".hsc-play").click()
    until(page, AUDIO, lambda a: not a["paused"] and a["src"].endswith(got[1]))
    assert page.locator("audio").count() == 1
    assert rows.nth(0).locator(".hsc-play").get_attribute("aria-pressed") == "false"
    assert rows.nth(1).locator(".hsc-play").get_attribute("aria-pressed") == "true"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    until(page, AUDIO, lambda a: a["paused"])
    page.evaluate("document.getElementById('hearspace-player').currentTime = 0")
    page.keyboard.press("Space")
    until(page, AUDIO, lambda a: not a["paused"])


def test_a_box_and_the_legend_select_in_all_maps(page: Any, site: SimpleNamespace) -> None:
    open_map(page, link(site, "explore", space=TWO))
    assert (
        page.evaluate("document.querySelector('.hsm-plot').data.filter(t => t.meta === 'points').length") == 2
    )
    page.get_by_role("button", name="Box", exact=True).click()
    x, y = point(page, "sea-waves__take-003")
    page.mouse.move(x - 15, y - 30)
    page.mouse.down()
    for i in range(10):  # slowly, as a hand does: Plotly looks at a drag every 50 ms
        page.mouse.move(x - 15 + 8 * i, y - 30 + 6 * i)
        page.wait_for_timeout(60)
    page.mouse.up()
    # Plotly marks the map that was drawn on first, while the pointer still moves.
    left, right = until(page, SELECTED, lambda s: len(s[0]) > 0 and s[0] == s[1])
    assert left == right
    assert "sea-waves__take-003" in left
    page.get_by_role("heading", name=re.compile("^Selection")).wait_for()
    until(
        page,
        "() => document.querySelectorAll('.st-key-explore-list li').length",
        lambda n: n == min(24, len(left)),
    )
    for button in (
        page.get_by_role("button", name="CSV of these clips"),
        page.locator(".hsm-bar [data-do=csv]"),
    ):
        rows = csv.DictReader(saved(page, button.click).path().read_text().splitlines())
        assert sorted(r["clip_id"] for r in rows) == left

    # The link alone brings the selection back.
    assert "sel=" in page.url
    open_map(page, page.url)
    assert until(page, SELECTED, lambda s: len(s[0]) > 0) == [left, right]
    page.locator(".hsm-clear").click()
    until(page, SELECTED, lambda s: s == [[], []])

    page.locator(".hsm-chip", has_text="Crow").click()
    groups = until(page, SELECTED, lambda s: len(s[0]) > 0)
    assert groups[0] == groups[1] == [f"crow__take-{i:03d}" for i in range(15)]
    page.get_by_role("heading", name="Selection · 15 clips").wait_for()
    page.locator(".hsm-clear").click()
    until(page, SELECTED, lambda s: s == [[], []])
    page.get_by_role("heading", name="Clips · 120").wait_for()


def test_url_restores_the_view_and_survives_a_page_switch(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore?colour=kept&k=5&find=take+00&family=Nature&clip=rain__take-001")
    page.get_by_text("30 of 120 clips").wait_for()  # ten takes each of rain, sea waves and fire
    assert page.locator(".hsm-scale").count() == 1
    page.get_by_text("Nearest in aisfx").wait_for()
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("heading", name="Jobs").wait_for()
    page.get_by_role("link", name="Explore").click()
    page.wait_for_selector(".hsm[data-drawn]")
    page.wait_for_function("location.search.includes('colour=kept')")
    for part in ("k=5", "family=Nature", "clip=rain__take-001"):
        assert part in page.url
    assert page.locator(".hsm-scale").count() == 1

    # On a phone, pages are one tap away.
    page.set_viewport_size({"width": 390, "height": 844})
    pages = page.locator(".st-key-hs-nav")
    pages.get_by_role("link", name="Jobs").click()
    page.get_by_role("heading", name="Jobs").wait_for()
    pages.get_by_role("link", name="Explore").click()
    page.wait_for_selector(".hsm[data-drawn]")
    page.wait_for_function("location.search.includes('colour=kept')")


def test_an_invalid_link_is_a_calm_note_that_shows_it_as_text(page: Any, site: SimpleNamespace) -> None:
    bad = "![x](http://elsewhere.invalid/a.png) www.elsewhere.invalid"
    open_map(page, link(site, "explore", colour=bad, k=7, dataset="gone"))
    note = page.get_by_text("The link's colour was left at its default")
    assert note.count() == 1
    assert page.get_by_text("The link's dataset was left at its default").count() == 1
    assert "![x](http://elsewhere.invalid/a.png) www.elsewhere" in note.inner_text().replace("\u2060", "")
    # That nothing was asked of elsewhere is looked at with every page.
    assert page.locator("[data-testid=stAlert] a, [data-testid=stAlert] img").count() == 0


def test_without_webgl_points_are_drawn_all_the_same(page: Any, site: SimpleNamespace) -> None:
    page.add_init_script(NO_WEBGL)
    open_map(page, link(site, "explore"))
    page.get_by_text("This browser has no WebGL").wait_for()
    assert page.locator(".hsm-plot .scatterlayer .point").count() == 120


def test_missing_map_is_computed_in_place(page: Any, site: SimpleNamespace) -> None:
    from jobs.specs import EmbedAudio, Project

    dataset = site.workspace.dataset("small")
    spec = Project(
        embedding=EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/test"), method="pca"
    )
    page.goto(link(site, "explore", space="melstats", map="pca"))
    page.get_by_text("PCA map of small · melstats").first.wait_for()
    assert site.workspace.queue.get(spec.key).state == "queued"
    _write_map(site.workspace, spec)
    page.wait_for_selector(".hsm[data-drawn]")
    resting(page, ".hsm-plot")
    site.workspace.cache.delete(spec.key)
    site.workspace.queue.cancel(spec.key)


def _write_map(workspace: Any, spec: Any) -> None:
    import numpy as np

    from core.neighbors import knn
    from core.projection import neighborhood_kept, project

    X = np.asarray(workspace.cache.open(spec.embedding.key).array("embeddings"))
    coords = project(X, "pca")
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("coords", coords.astype(np.float32))
        w.array("kept", neighborhood_kept(knn(X, 30)[0], coords, [5, 10]).astype(np.float32))
        w.array("kept_ks", np.array([5, 10]))


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_themes_and_widths(page: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> None:
    look = request.node.callspec.params["page"]
    wide = look["viewport"]["width"]
    other = sum(x["viewport"]["width"] for x in LOOKS) - wide
    for path, query in (("", {}), ("explore", {"space": TWO}), ("jobs", {})):
        page.set_viewport_size({"width": wide, "height": 844})
        page.goto(link(site, path, **query))
        page.get_by_role("heading", level=1).wait_for()
        if path == "explore":
            page.wait_for_selector(".hsm[data-drawn]")
        for width in (wide, other):  # as it was opened, and in a window that has become as wide as that
            page.set_viewport_size({"width": width, "height": 844})
            resting(page)
            assert overflow(page) <= 0
            corner = pixels(page, "[data-testid=stApp]")[-4:, :4].mean()
            assert (corner < 90) == (look["color_scheme"] == "dark")


def test_what_a_filter_hides_of_a_selection_is_not_counted_on_the_map(
    page: Any, site: SimpleNamespace
) -> None:
    chosen = ["crow__take-002", "rain__take-000", "rain__take-001"]
    sel = state.save_selection(site.root, "small", chosen)
    open_map(page, link(site, "explore", space=TWO, sel=sel, class_="Rain"))
    button = page.locator(".hsm-clear")
    button.get_by_text("2 selected, 1 hidden").wait_for()
    assert until(page, SELECTED, lambda found: found[0]) == [chosen[1:]] * 2
    page.get_by_role("heading", name="Selection · 2 clips").wait_for()
    button.click()
    until(page, SELECTED, lambda found: found == [[], []])
