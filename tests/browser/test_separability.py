from __future__ import annotations

import csv
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.helpers import (
    PHONE,
    click,
    clips,
    colourful,
    cut_off,
    link,
    overflow,
    pixels,
    saved,
    sounding,
    until,
)
from tests.dashboard import made

CLASSES = ".st-key-separability-classes"
NAMES = """chart => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  return plot && plot._fullLayout ? [...plot._fullLayout.yaxis.ticktext] : [];
}"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """A workspace of two measured spaces."""
    found, dataset = made.workspace(tmp_path_factory.mktemp("separable"), per_class=6)
    for i, encoder in enumerate(("aisfx", "melstats")):
        made.measures_of(found, dataset, made.space(found, dataset, encoder, seed=i, spread=0.9 + 0.6 * i))
    return found


def silhouettes(site: SimpleNamespace, encoder: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from jobs import presets as measures

    dataset = site.workspace.dataset("small")
    space = next(s.spec for s in site.workspace.spaces(dataset) if s.encoder == encoder)
    values = site.workspace.cache.open(measures.of_space(dataset, space)[0].key).array("silhouette_cosine")
    clips = dataset.clips
    return clips["clip_id"].to_numpy(str), clips["label"].to_numpy(str), np.asarray(values)


def opened(page: Any, site: SimpleNamespace, **query: Any) -> None:
    page.goto(link(site, "separability", **query))
    page.wait_for_selector(f"{CLASSES} .js-plotly-plot .xaxislayer-above text")
    page.wait_for_selector(".st-key-separability-clusters .js-plotly-plot .scatterlayer path")


def test_figures_are_drawn_and_saved_and_the_scores_are_those_measured(
    page: Any, site: SimpleNamespace
) -> None:
    opened(page, site)
    for key in ("classes", "mean", "cv", "intra_class_clustering", "inter_class_equidistance", "clusters"):
        seen = pixels(page, f".st-key-separability-{key} .js-plotly-plot")
        assert seen.std() > 5, f"{key} is blank"
    assert colourful(page, f"{CLASSES} .js-plotly-plot") > 500
    table = page.locator(".hs-scores").inner_text()
    for encoder in ("aisfx", "melstats"):
        mean = silhouettes(site, encoder)[2].mean()
        assert f"{mean:+.3f}".replace("-", "−") in table
    assert "95% interval" in page.locator(f"{CLASSES} .js-plotly-plot .legend").text_content().replace(
        "\xa0", " "
    )

    # What is saved says by its name what it is.
    file = saved(page, page.locator(f"{CLASSES} .stDownloadButton button").click)
    assert file.suggested_filename == "silhouettes-small-aisfx-cosine.csv"
    rows = list(csv.DictReader(file.path().open()))
    ids, _, values = silhouettes(site, "aisfx")
    got = {row["clip_id"]: float(row["silhouette"]) for row in rows}
    assert got == pytest.approx(dict(zip(ids.tolist(), values.tolist(), strict=True)))
    plot = page.locator(f"{CLASSES} .js-plotly-plot")
    plot.hover()
    file = saved(page, plot.locator('[data-title="Download plot as a PNG"]').click)
    assert file.suggested_filename == "silhouettes-small-aisfx-cosine.png"
    box = plot.bounding_box()
    with Image.open(file.path()) as image:
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
    assert clips(page, "separability-low") == wanted[:3]
    rows.first.locator(".hsc-play").click()
    sounding(page, f"/audio/small/{wanted[0]}")
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
    kinds = [clip.rpartition("__")[0] for clip in clips(page, "separability-near")]
    assert kinds == ["crow", "rain"] * 4


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_link_shows_the_same_view_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    asked = {"dataset": "small", "space": "melstats", "class": "Rooster", "order": "silhouette"}
    opened(page, site, **asked, a="Rain", b="Chainsaw")
    page.wait_for_selector(".st-key-separability-low li[data-clip^=rooster]")
    page.wait_for_selector(".st-key-separability-near li[data-clip^=rain]")
    page.get_by_text("Classes in melstats", exact=True).wait_for()
    names = page.evaluate(NAMES, ".st-key-separability-mean")
    assert names == page.evaluate(NAMES, CLASSES)  # both by silhouette
    assert overflow(page) <= 0
    dark = pixels(page, f"{CLASSES} .js-plotly-plot")
    assert np.median(dark) < 60
    assert cut_off(page) == []
