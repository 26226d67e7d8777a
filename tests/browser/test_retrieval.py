from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import numpy as np
import pytest

HEAT = ".st-key-retrieval-families"
DOTS = ".st-key-retrieval-classes"
#: Where a point of a figure stands on the screen, by its customdata.
POINT = """([chart, meta, wanted]) => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  const trace = plot._fullData.find(t => t.meta === meta);
  const i = trace.customdata.findIndex(c => String(c) === String(wanted));
  const box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + yaxis._offset + yaxis.d2p(trace.y[i])];
}"""
AUDIO = """() => {
  const a = document.getElementById('hearspace-player');
  return a && { paused: a.paused, at: a.currentTime, src: a.src };
}"""


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[SimpleNamespace]:
    """A workspace of judged spaces, served; the fixture `page` looks at it."""
    here = Path(__file__).parent
    tmp = tmp_path_factory.mktemp("retrieving")
    made = _load("made", here.parent / "dashboard" / "made.py")
    workspace = made.retrieving(tmp, per_class=8)
    made.retrieved(workspace, workspace.dataset("small"), _space(workspace, "handcrafted"))
    url, process = _load("serving", here / "conftest.py").start(workspace.root, tmp)
    yield SimpleNamespace(url=url, workspace=workspace)
    process.terminate()
    process.wait(10)


def _space(workspace: Any, encoder: str) -> Any:
    return next(s.spec for s in workspace.spaces(workspace.dataset("small")) if s.encoder == encoder)


def result(site: SimpleNamespace, encoder: str, table: str) -> Any:
    from jobs import measures

    spec = measures.of_retrieval(site.workspace.dataset("small"), _space(site.workspace, encoder))[0]
    return site.workspace.cache.open(spec.key).table(table).to_pandas()


def queries(site: SimpleNamespace, encoder: str, label: str) -> list[str]:
    """The queries of a class, the worst first, from the stored result."""
    found = result(site, encoder, "queries")
    mine = found[found["class"] == label].sort_values(["ap@15", "clip_id"])
    return [str(v) for v in mine["clip_id"]]


def opened(page: Any, site: SimpleNamespace, query: str = "") -> None:
    page.goto(f"{site.url}/retrieval{query}")
    page.wait_for_selector(f"{HEAT} .js-plotly-plot .xaxislayer-above text")
    page.wait_for_selector(f"{DOTS} .js-plotly-plot .scatterlayer path.point")
    page.wait_for_selector(".st-key-retrieval-results li")


def until(page: Any, script: str, check: Any, seconds: float = 12) -> Any:
    for _ in range(int(seconds * 10)):
        value = page.evaluate(script)
        if value and check(value):
            return value
        page.wait_for_timeout(100)
    raise AssertionError(f"still {value!r}")


def click(page: Any, chart: str, meta: str, wanted: Any) -> None:
    page.locator(f"{chart} .js-plotly-plot").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.mouse.click(*page.evaluate(POINT, [chart, meta, wanted]))


def clips(page: Any, key: str) -> list[str]:
    rows = page.locator(f".st-key-{key} .hsc-rows li")
    return [rows.nth(i).get_attribute("data-clip") for i in range(rows.count())]


def pixels(page: Any, selector: str) -> np.ndarray:
    from PIL import Image

    found = page.locator(selector).first
    found.scroll_into_view_if_needed()
    return np.asarray(Image.open(io.BytesIO(found.screenshot())).convert("RGB"), float)


def test_figures_are_drawn_and_the_way_leads_down_to_a_sound(page: Any, site: SimpleNamespace) -> None:
    opened(page, site, "?space=handcrafted")
    for key in ("systems", "families", "classes"):
        seen = pixels(page, f".st-key-retrieval-{key} .js-plotly-plot")
        assert (seen.max(2) - seen.min(2) > 40).sum() > 200, f"{key} is blank"
    assert "audio" in page.locator(".hs-found").first.inner_text()
    # A family, by its cell; the click is beside the number, where the cell is wide.
    x, y = page.evaluate(POINT, [HEAT, "cells", ["aisfx", "Nature"]])
    page.mouse.click(x + 60, y)
    page.wait_for_url("**family=Nature*")
    assert "space=aisfx" in page.url
    page.get_by_text("Classes in aisfx · Nature", exact=True).wait_for()
    # A class, by its dot: the best, as the worst is there at first.
    classes = result(site, "aisfx", "classes").query("family == 'Nature'").sort_values("ap@15")
    label = str(classes["class"].iloc[-1])
    click(page, DOTS, "aisfx", label)
    page.wait_for_url(f"**class={quote_plus(label)}*")
    wanted = queries(site, "aisfx", label)
    page.wait_for_selector(f".st-key-retrieval-queries li[data-clip='{wanted[0]}']")
    assert clips(page, "retrieval-queries") == wanted
    # A query, by its name.
    page.locator(f".st-key-retrieval-queries li[data-clip='{wanted[3]}'] .hsc-text").click()
    page.wait_for_url(f"**query={wanted[3]}*")
    page.wait_for_selector(f".st-key-retrieval-query li[data-clip='{wanted[3]}']")
    found = clips(page, "retrieval-results")
    assert len(found) == 15
    assert wanted[3] not in found
    marks = page.locator(".st-key-retrieval-results .hsc-numbers > span:first-child > span").all_inner_texts()
    assert [("✓" in m) for m in marks] == [c in wanted for c in found]
    page.locator(".st-key-retrieval-results .hsc-play").first.click()
    heard = until(page, AUDIO, lambda a: not a["paused"] and a["at"] > 0.1)
    assert heard["src"].endswith(f"/audio/small/{found[0]}")


def test_a_query_is_opened_in_listen(page: Any, site: SimpleNamespace) -> None:
    clip = queries(site, "aisfx", "Crow")[2]
    opened(page, site, f"?space=aisfx&reference=melstats&class=Crow&query={clip}")
    page.get_by_role("button", name="Open in Listen").click()
    page.wait_for_url("**/listen?**")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["query"] == [clip]
    assert asked["dataset"] == ["small"]


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True
)
def test_a_link_shows_the_same_view_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    clip = queries(site, "melstats", "Chainsaw")[1]
    query = "?dataset=small&space=melstats&measure=map@150&family=Things&class=Chainsaw&order=best&query="
    opened(page, site, query + clip)
    page.get_by_text("Classes in melstats · Things", exact=True).wait_for()
    assert clips(page, "retrieval-query") == [clip]
    page.wait_for_selector(".st-key-retrieval-queries li[data-clip^=chainsaw]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert np.median(pixels(page, f"{DOTS} .js-plotly-plot")) < 60
    inside = """() => [...document.querySelectorAll('.stPlotlyChart')].every(chart => {
      const box = chart.getBoundingClientRect();
      const texts = '.xtitle, .ytitle, .x2title, .xtick text, .ytick text';
      return [...chart.querySelectorAll(texts)].every(t => {
        const b = t.getBoundingClientRect();
        const wide = b.left >= box.left - 1 && b.right <= box.right + 1;
        return wide && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
      });
    })"""
    assert page.evaluate(inside), "text of a figure is cut off"
