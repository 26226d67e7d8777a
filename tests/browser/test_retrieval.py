from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import numpy as np
import pytest

from tests.browser.helpers import (
    PHONE,
    click,
    clips,
    colourful,
    cut_off,
    link,
    overflow,
    pixels,
    sounding,
)
from tests.dashboard import made

HEAT = ".st-key-retrieval-families"
BOXES = "all => [...document.querySelectorAll(all)].map(e => e.getBoundingClientRect().toJSON())"
DOTS = ".st-key-retrieval-classes"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """A workspace of judged spaces."""
    found = made.retrieving(tmp_path_factory.mktemp("retrieving"), per_class=8)
    made.retrieved(found, found.dataset("small"), _space(found, "handcrafted"))
    return found


def _space(workspace: Any, encoder: str) -> Any:
    return next(s.spec for s in workspace.spaces(workspace.dataset("small")) if s.encoder == encoder)


def result(site: SimpleNamespace, encoder: str, table: str) -> Any:
    from jobs import presets as measures

    spec = measures.of_retrieval(site.workspace.dataset("small"), _space(site.workspace, encoder))[0]
    return site.workspace.cache.open(spec.key).table(table).to_pandas()


def queries(site: SimpleNamespace, encoder: str, label: str) -> list[str]:
    """The queries of a class, the worst first, from the stored result."""
    found = result(site, encoder, "queries")
    mine = found[found["class"] == label].sort_values(["ap@15", "clip_id"])
    return [str(v) for v in mine["clip_id"]]


def opened(page: Any, site: SimpleNamespace, **query: Any) -> None:
    page.goto(link(site, "retrieval", **query))
    page.wait_for_selector(f"{HEAT} .js-plotly-plot .xaxislayer-above text")
    page.wait_for_selector(f"{DOTS} .js-plotly-plot .scatterlayer path.point")
    page.wait_for_selector(".st-key-retrieval-results li")


def test_figures_are_drawn_and_the_way_leads_down_to_a_sound(page: Any, site: SimpleNamespace) -> None:
    opened(page, site, space="handcrafted")
    for key in ("systems", "families", "classes"):
        assert colourful(page, f".st-key-retrieval-{key} .js-plotly-plot") > 200, f"{key} is blank"
    assert "audio" in page.locator(".hs-wide").first.inner_text()
    # A family, by its cell; the click is beside the number, where the cell is wide.
    click(page, HEAT, "cells", ["aisfx", "Nature"], beside=60)
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
    sounding(page, f"/audio/small/{found[0]}")


def test_a_query_is_opened_in_listen(page: Any, site: SimpleNamespace) -> None:
    clip = queries(site, "aisfx", "Crow")[2]
    opened(page, site, space="aisfx", reference="melstats", class_="Crow", query=clip)
    page.get_by_role("button", name="Open in Listen").click()
    page.wait_for_url("**/listen?**")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["query"] == [clip]
    assert asked["dataset"] == ["small"]


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_link_shows_the_same_view_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    clip = queries(site, "melstats", "Chainsaw")[1]
    asked = {"dataset": "small", "space": "melstats", "measure": "map@150", "family": "Things"}
    opened(page, site, **asked, class_="Chainsaw", order="best", query=clip)
    page.get_by_text("Classes in melstats · Things", exact=True).wait_for()
    assert clips(page, "retrieval-query") == [clip]
    page.wait_for_selector(".st-key-retrieval-queries li[data-clip^=chainsaw]")
    assert overflow(page) <= 0
    assert np.median(pixels(page, f"{DOTS} .js-plotly-plot")) < 60
    assert cut_off(page) == []
    boxes = page.evaluate(BOXES, f"{HEAT} .xtick text")
    assert len(boxes) == 3  # families
    for a, b in combinations(boxes, 2):
        assert a["right"] <= b["left"] or b["right"] <= a["left"], "names of families run into each other"
