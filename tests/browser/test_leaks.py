from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from core.leakage import find_leaks
from jobs.workspace.captions import captions_of
from tests.browser.helpers import (
    PHONE,
    click,
    clips,
    cut_off,
    link,
    overflow,
    pixels,
    resting,
    saved,
    sounding,
    until,
)
from tests.dashboard import made_leaks

MARKS = "() => [...document.querySelectorAll('.hs-captions mark')].map(m => m.textContent)"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """Datasets with captions and without, with sounds."""
    return made_leaks.workspace(tmp_path_factory.mktemp("captioned"), sounds=True)


def test_leaks_are_counted_read_heard_and_taken_out(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "leaks"))
    page.wait_for_selector(".st-key-leaks-classes .js-plotly-plot .barlayer path")
    assert pixels(page, ".st-key-leaks-classes .js-plotly-plot").std() > 5
    assert "roosters" in until(page, MARKS)
    page.get_by_text("whole names", exact=True).click()
    until(page, MARKS, lambda found: "Dog barks" in found)
    click(page, ".st-key-leaks-classes", "leaks", "Chainsaw")
    assert until(page, MARKS, lambda found: len(found) == 2) == ["chain saw", "chainsaw’s"]
    until(
        page,
        "() => location.search",
        lambda found: {"class=Chainsaw", "mode=names"} <= set(found[1:].split("&")),
    )
    page.get_by_text("Hear 2 clips").click()
    listed = clips(page, "leaks-clips")
    assert len(listed) == 2
    page.locator(".st-key-leaks-clips button").first.click()
    sounding(page, listed[0])
    # The list without what leaks, as a program would make it.
    data = io.BytesIO(saved(page, page.get_by_role("button", name="Clean list").click).path().read_bytes())
    captions = captions_of(site.workspace.dataset("captioned"))
    names = site.workspace.dataset("captioned").classes["label"]
    lost = find_leaks(captions["caption"], names, mode="names")["row"].unique()
    assert pd.read_csv(data).to_numpy().tolist() == captions.drop(lost).to_numpy().tolist()


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_files_are_brought_along_on_a_phone(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "leaks", from_="file", **{"test-from": "file"}))
    inputs = page.locator("input[type=file]")
    until(page, "() => document.querySelectorAll('input[type=file]').length", lambda n: n == 2)
    words = b"caption\na church bell rings\nnothing of the kind\nBELLS of a church\n"
    inputs.nth(0).set_input_files({"name": "train.csv", "mimeType": "text/csv", "buffer": words})
    page.get_by_text("3 captions · train.csv").wait_for()
    inputs.nth(1).set_input_files(
        {"name": "classes.txt", "mimeType": "text/plain", "buffer": b"church_bells\ndog\n"}
    )
    assert until(page, MARKS) == ["church", "bell", "BELLS", "church"]
    page.wait_for_selector(".st-key-leaks-classes .js-plotly-plot .barlayer path")
    resting(page, ".st-key-leaks-classes")
    assert overflow(page) <= 0
    assert cut_off(page) == []
    # The link finds the files again.
    until(
        page,
        "() => location.search",
        lambda found: "test-file=" in found and "?file=" in found.replace("&", "?"),
    )
    page.goto(page.url)
    assert until(page, MARKS) == ["church", "bell", "BELLS", "church"]
    inputs.nth(0).set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": b"x,y\n1,2\n"})
    page.get_by_text("no column that is known to hold captions").wait_for()
