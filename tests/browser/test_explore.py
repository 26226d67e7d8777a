from __future__ import annotations

import csv
import io
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

# How a test reaches a point: where the map has drawn the clip.
POINT = """id => {
  const plot = document.querySelector('.hsm-plot');
  const trace = plot.data.findIndex(t => t.meta === 'points');
  const i = plot.data[trace].customdata.indexOf(id);
  const x = plot._fullLayout.xaxis, y = plot._fullLayout.yaxis, box = plot.getBoundingClientRect();
  const at = [x.l2p(plot.data[trace].x[i]), y.l2p(plot.data[trace].y[i])];
  return [box.left + x._offset + at[0], box.top + y._offset + at[1]];
}"""
AUDIO = """() => {
  const a = document.getElementById('hearspace-player');
  return a && { paused: a.paused, at: a.currentTime, src: a.src };
}"""
SELECTED = """() => document.querySelector('.hsm-plot').data.filter(t => t.meta === 'points')
  .map(t => (t.selectedpoints || []).map(i => t.customdata[i]).sort())"""
NO_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return /webgl/.test(kind) ? null : get.call(this, kind, ...rest);
};"""
LOOKS = [
    {"color_scheme": s, "viewport": {"width": w, "height": 844}}
    for s in ("light", "dark")
    for w in (1440, 390)
]


def open_map(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".hsm[data-drawn]")
    page.wait_for_timeout(300)


def shot(page: Any, selector: str) -> Any:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB"), float)


def point(page: Any, clip: str) -> tuple[float, float]:
    x, y = page.evaluate(POINT, clip)
    return x, y


def until(page: Any, script: str, check: Any, seconds: float = 12) -> Any:
    end = time.time() + seconds
    while True:
        value = page.evaluate(script)
        if check(value):
            return value
        assert time.time() < end, f"still {value!r}"
        page.wait_for_timeout(100)


def test_map_has_points_of_many_colours(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore")
    pixels = shot(page, ".hsm-plot")
    saturation = pixels.max(2) - pixels.min(2)
    assert (saturation > 60).sum() > 2000
    assert pixels.std() > 5


def test_click_plays_and_shows_neighbours(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore")
    page.mouse.click(*point(page, "sea-waves__take-003"))
    page.wait_for_selector(".hsm[data-chosen='sea-waves__take-003']")
    first = until(page, AUDIO, lambda a: a and not a["paused"] and a["at"] > 0.1)
    assert first["src"].endswith("/audio/small/sea-waves__take-003")
    page.get_by_text("Nearest in aisfx").wait_for()
    rows = page.locator(".st-key-explore-near-0 .hsc-rows li")
    rows.first.wait_for()
    got = [rows.nth(i).get_attribute("data-clip") for i in range(rows.count())]

    from jobs.specs import EmbedAudio, Neighbors

    dataset = site.workspace.dataset("small")
    graph = Neighbors(embedding=EmbedAudio(dataset=dataset.ref, encoder="aisfx", identity="aisfx/test"))
    ids = dataset.clips["clip_id"].tolist()
    indices = site.workspace.cache.open(graph.key).array("indices")[ids.index("sea-waves__take-003")]
    assert got == [ids[i] for i in indices[:10]]
    assert "clip=sea-waves__take-003" in page.url


def test_only_one_sound_at_a_time_and_space_pauses(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore?clip=rain__take-001")
    rows = page.locator(".st-key-explore-near-0 .hsc-rows li")
    rows.first.wait_for()
    rows.nth(0).locator(".hsc-play").click()
    until(page, AUDIO, lambda a: not a["paused"])
    rows.nth(1).locator(".hsc-play").click()
    second = rows.nth(1).get_attribute("data-clip")
    until(page, AUDIO, lambda a: not a["paused"] and a["src"].endswith(second))
    assert page.locator("audio").count() == 1
    assert rows.nth(0).locator(".hsc-play").get_attribute("aria-pressed") == "false"
    assert rows.nth(1).locator(".hsc-play").get_attribute("aria-pressed") == "true"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    until(page, AUDIO, lambda a: a["paused"])
    page.evaluate("document.getElementById('hearspace-player').currentTime = 0")
    page.keyboard.press("Space")
    until(page, AUDIO, lambda a: not a["paused"])


def test_key_held_plays_what_is_under_the_pointer(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore")
    page.keyboard.down("a")
    x, y = point(page, "sea-waves__take-005")
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y, steps=4)
    heard = until(page, AUDIO, lambda a: a and "/audio/" in a["src"])
    page.keyboard.up("a")
    assert "/audio/small/" in heard["src"]


def test_box_is_linked_lists_clips_and_saves_them(page: Any, site: SimpleNamespace, tmp_path: Path) -> None:
    open_map(page, f"{site.url}/explore?space=aisfx&space=melstats")
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
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV of these clips").click()
    saved.value.save_as(tmp_path / "clips.csv")
    rows = list(csv.DictReader((tmp_path / "clips.csv").open()))
    assert sorted(r["clip_id"] for r in rows) == left
    with page.expect_download() as saved:
        page.locator(".hsm-bar [data-do=csv]").click()
    saved.value.save_as(tmp_path / "points.csv")
    assert sorted(r["clip_id"] for r in csv.DictReader((tmp_path / "points.csv").open())) == left

    # The link alone brings the selection back.
    assert "sel=" in page.url
    open_map(page, page.url)
    assert until(page, SELECTED, lambda s: len(s[0]) > 0) == [left, right]


RANGE = "() => document.querySelector('.hsm-plot')._fullLayout.xaxis.range.slice()"
SCROLLED = "() => document.querySelector('[data-testid=stMain]').scrollTop"


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore")
    before = page.evaluate(RANGE)
    page.mouse.move(*point(page, "sea-waves__take-003"))
    page.mouse.wheel(0, 300)
    until(page, SCROLLED, lambda y: y > 100)
    assert page.evaluate(RANGE) == before
    page.mouse.move(*point(page, "sea-waves__take-003"))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    until(page, RANGE, lambda r: r[1] - r[0] < 0.95 * (before[1] - before[0]))


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_pages_are_one_tap_away_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore?colour=fold")
    pages = page.locator(".st-key-hs-nav")
    pages.get_by_role("link", name="Jobs").click()
    page.get_by_role("heading", name="Jobs").wait_for()
    pages.get_by_role("link", name="Explore").click()
    page.wait_for_selector(".hsm[data-drawn]")
    page.wait_for_function("location.search.includes('colour=fold')")


def test_legend_selects_a_class(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore?space=aisfx&space=melstats")
    page.locator(".hsm-chip", has_text="Crow").click()
    groups = until(page, SELECTED, lambda s: len(s[0]) > 0)
    assert groups[0] == groups[1] == [f"crow__take-{i:03d}" for i in range(15)]
    page.get_by_role("heading", name="Selection · 15 clips").wait_for()
    page.locator(".hsm-clear").click()
    until(page, SELECTED, lambda s: s == [[], []])
    page.get_by_role("heading", name="Clips · 120").wait_for()


def test_image_can_be_saved(page: Any, site: SimpleNamespace, tmp_path: Path) -> None:
    open_map(page, f"{site.url}/explore")
    for kind, magic in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with page.expect_download() as saved:
            page.locator(f".hsm-bar [data-do={kind}]").click()
        saved.value.save_as(tmp_path / f"map.{kind}")
        content = (tmp_path / f"map.{kind}").read_bytes()
        assert content.startswith(magic)
        assert len(content) > 5000


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


def test_invalid_link_is_a_calm_note(page: Any, site: SimpleNamespace) -> None:
    open_map(page, f"{site.url}/explore?colour=nonsense&k=7&dataset=gone")
    assert page.get_by_text("The link's colour was left at its default").count() == 1
    assert page.get_by_text("The link's dataset was left at its default").count() == 1


def test_what_a_link_holds_is_shown_as_text(page: Any, site: SimpleNamespace) -> None:
    bad = "![x](http://elsewhere.invalid/a.png) www.elsewhere.invalid"
    open_map(page, f"{site.url}/explore?{urlencode({'colour': bad})}")
    note = page.get_by_text("The link's colour was left at its default")
    assert "![x](http://elsewhere.invalid/a.png) www.elsewhere" in note.inner_text().replace("\u2060", "")
    # That nothing was asked of elsewhere is looked at with every page.
    assert page.locator("[data-testid=stAlert] a, [data-testid=stAlert] img").count() == 0


def test_without_webgl_points_are_drawn_all_the_same(page: Any, site: SimpleNamespace) -> None:
    page.add_init_script(NO_WEBGL)
    open_map(page, f"{site.url}/explore")
    page.get_by_text("This browser has no WebGL").wait_for()
    assert page.locator(".hsm-plot .scatterlayer .point").count() == 120


def test_missing_map_is_computed_in_place(page: Any, site: SimpleNamespace) -> None:
    from jobs.specs import EmbedAudio, Project

    dataset = site.workspace.dataset("small")
    spec = Project(
        embedding=EmbedAudio(dataset=dataset.ref, encoder="melstats", identity="melstats/test"), method="pca"
    )
    page.goto(f"{site.url}/explore?space=melstats&map=pca")
    page.get_by_text("PCA map of small · melstats").first.wait_for()
    assert site.workspace.queue.get(spec.key).state == "queued"
    _write_map(site.workspace, spec)
    page.wait_for_selector(".hsm[data-drawn]")
    page.wait_for_timeout(500)
    site.workspace.cache.delete(spec.key)
    site.workspace.queue.cancel(spec.key)


def _write_map(workspace: Any, spec: Any) -> None:
    import numpy as np

    from core.map_quality import neighborhood_kept
    from core.neighbors import knn
    from core.projection import project

    X = np.asarray(workspace.cache.open(spec.embedding.key).array("embeddings"))
    coords = project(X, "pca")
    with workspace.cache.writer(spec.key, spec=spec.to_json()) as w:
        w.array("coords", coords.astype(np.float32))
        w.array("kept", neighborhood_kept(knn(X, 30)[0], coords, [5, 10]).astype(np.float32))
        w.array("kept_ks", np.array([5, 10]))


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_themes_and_widths(page: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> None:
    dark = "dark" in request.node.callspec.params["page"]["color_scheme"]
    for path in ("/", "/explore?space=aisfx&space=melstats", "/jobs"):
        page.goto(site.url + path)
        page.get_by_role("heading", level=1).wait_for()
        if "explore" in path:
            page.wait_for_selector(".hsm[data-drawn]")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        corner = shot(page, "[data-testid=stApp]")[-4:, :4].mean()
        assert (corner < 90) == dark
