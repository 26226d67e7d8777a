from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLASSES = ".st-key-separability-classes"
#: Where a point of a figure stands on the screen, by its customdata.
POINT = """([chart, meta, wanted]) => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  const trace = plot._fullData.find(t => t.meta === meta);
  const i = trace.customdata.findIndex(c => String(c) === String(wanted));
  const box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + yaxis._offset + yaxis.d2p(trace.y[i])];
}"""
NAMES = """chart => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  return plot && plot._fullLayout ? [...plot._fullLayout.yaxis.ticktext] : [];
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
    """A workspace of two measured spaces, served; the fixture `page` looks at it."""
    here = Path(__file__).parent
    tmp = tmp_path_factory.mktemp("separable")
    made = _load("made", here.parent / "dashboard" / "made.py")
    workspace, dataset = made.workspace(tmp, per_class=6)
    for i, encoder in enumerate(("aisfx", "melstats")):
        made.measures_of(
            workspace, dataset, made.space(workspace, dataset, encoder, seed=i, spread=0.9 + 0.6 * i)
        )
    url, process = _load("serving", here / "conftest.py").start(workspace.root, tmp)
    yield SimpleNamespace(url=url, workspace=workspace)
    process.terminate()
    process.wait(10)


def silhouettes(site: SimpleNamespace, encoder: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from jobs import measures

    dataset = site.workspace.dataset("small")
    space = next(s.spec for s in site.workspace.spaces(dataset) if s.encoder == encoder)
    values = site.workspace.cache.open(measures.of_space(dataset, space)[0].key).array("silhouette_cosine")
    clips = dataset.clips
    return clips["clip_id"].to_numpy(str), clips["label"].to_numpy(str), np.asarray(values)


def opened(page: Any, site: SimpleNamespace, query: str = "") -> None:
    page.goto(f"{site.url}/separability{query}")
    page.wait_for_selector(f"{CLASSES} .js-plotly-plot .xaxislayer-above text")
    page.wait_for_selector(".st-key-separability-clusters .js-plotly-plot .scatterlayer path")


def until(page: Any, script: str, check: Any, argument: Any = None, seconds: float = 12) -> Any:
    for _ in range(int(seconds * 10)):
        value = page.evaluate(script, argument)
        if value and check(value):
            return value
        page.wait_for_timeout(100)
    raise AssertionError(f"still {value!r}")


def click(page: Any, chart: str, meta: str, wanted: Any) -> None:
    # A figure that changes stands there twice for a moment, the old one hidden.
    page.wait_for_function("c => document.querySelectorAll(c + ' .js-plotly-plot').length === 1", arg=chart)
    page.locator(f"{chart} .js-plotly-plot").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.mouse.click(*page.evaluate(POINT, [chart, meta, wanted]))


def pixels(page: Any, selector: str) -> np.ndarray:
    found = page.locator(selector).first
    found.scroll_into_view_if_needed()
    return np.asarray(Image.open(io.BytesIO(found.screenshot())).convert("RGB"), float)


def test_figures_are_drawn_and_saved_and_the_scores_are_those_measured(
    page: Any, site: SimpleNamespace
) -> None:
    opened(page, site)
    for key in ("classes", "mean", "cv", "intra_class_clustering", "inter_class_equidistance", "clusters"):
        seen = pixels(page, f".st-key-separability-{key} .js-plotly-plot")
        assert seen.std() > 5, f"{key} is blank"
    colourful = pixels(page, f"{CLASSES} .js-plotly-plot")
    assert (colourful.max(2) - colourful.min(2) > 40).sum() > 500
    table = page.locator(".hs-scores").inner_text()
    for encoder in ("aisfx", "melstats"):
        mean = silhouettes(site, encoder)[2].mean()
        assert f"{mean:+.3f}".replace("-", "−") in table
    assert "95% interval" in page.locator(f"{CLASSES} .js-plotly-plot .legend").text_content().replace(
        "\xa0", " "
    )

    # What is saved says by its name what it is.
    with page.expect_download() as saved:
        page.locator(f"{CLASSES} .stDownloadButton button").click()
    assert saved.value.suggested_filename == "silhouettes-small-aisfx-cosine.csv"
    rows = list(csv.DictReader(saved.value.path().open()))
    ids, _, values = silhouettes(site, "aisfx")
    got = {row["clip_id"]: float(row["silhouette"]) for row in rows}
    assert got == pytest.approx(dict(zip(ids.tolist(), values.tolist(), strict=True)))
    plot = page.locator(f"{CLASSES} .js-plotly-plot")
    plot.hover()
    with page.expect_download() as saved:
        plot.locator('[data-title="Download plot as a PNG"]').click()
    assert saved.value.suggested_filename == "silhouettes-small-aisfx-cosine.png"
    box = plot.bounding_box()
    with Image.open(saved.value.path()) as image:
        assert image.width == pytest.approx(2 * box["width"], abs=4)


def test_classes_and_cells_are_clicked_and_their_clips_heard(page: Any, site: SimpleNamespace) -> None:
    ids, labels, values = silhouettes(site, "aisfx")
    opened(page, site)
    click(page, CLASSES, "classes", "Sea waves")
    page.wait_for_url("**class=Sea+waves*")
    rows = page.locator(".st-key-separability-low .hsc-rows li")
    page.wait_for_selector(".st-key-separability-low li[data-clip^=sea-waves]")
    mine = labels == "Sea waves"
    wanted = ids[mine][np.argsort(values[mine], kind="stable")].tolist()
    assert [rows.nth(i).get_attribute("data-clip") for i in range(rows.count())] == wanted[:3]
    rows.first.locator(".hsc-play").click()
    heard = until(page, AUDIO, lambda a: not a["paused"] and a["at"] > 0.1)
    assert heard["src"].endswith(f"/audio/small/{wanted[0]}")
    clip = ids[labels == "Rooster"][2]
    click(page, CLASSES, "points", clip)
    page.wait_for_url("**class=Rooster*")

    first = page.evaluate(NAMES, ".st-key-separability-mean")
    page.get_by_role("radio", name="by name").or_(page.get_by_role("button", name="by name")).first.click()
    ordered = until(page, NAMES, lambda names: names == sorted(first), ".st-key-separability-mean")
    until(page, NAMES, lambda names: names == ordered, ".st-key-separability-cv")
    click(page, ".st-key-separability-cv", "cells", ["Crow", "Rain"])
    page.wait_for_url("**a=Crow*")
    assert "class=Rooster" in page.url
    assert "order=name" in page.url
    assert "b=Rain" in page.url
    page.wait_for_selector(".st-key-separability-near li[data-clip^=crow]")
    found = page.locator(".st-key-separability-near .hsc-rows li")
    kinds = [found.nth(i).get_attribute("data-clip").rpartition("__")[0] for i in range(found.count())]
    assert kinds == ["crow", "rain"] * 4


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True
)
def test_a_link_shows_the_same_view_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    opened(page, site, "?dataset=small&space=melstats&class=Rooster&order=silhouette&a=Rain&b=Chainsaw")
    page.wait_for_selector(".st-key-separability-low li[data-clip^=rooster]")
    page.wait_for_selector(".st-key-separability-near li[data-clip^=rain]")
    page.get_by_text("Classes in melstats", exact=True).wait_for()
    names = page.evaluate(NAMES, ".st-key-separability-mean")
    assert names == page.evaluate(NAMES, CLASSES)  # both by silhouette
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = pixels(page, f"{CLASSES} .js-plotly-plot")
    assert np.median(dark) < 60
    inside = """() => [...document.querySelectorAll('.stPlotlyChart')].every(chart => {
      const box = chart.getBoundingClientRect();
      const texts = '.xtitle, .ytitle, .xtick text, .ytick text, .cbtitle text';
      return [...chart.querySelectorAll(texts)].every(t => {
        const b = t.getBoundingClientRect();
        return b.left >= box.left - 1 && b.right <= box.right + 1 && b.bottom <= box.bottom + 1;
      });
    })"""
    assert page.evaluate(inside), "text of a figure is cut off"
