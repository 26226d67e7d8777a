from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tests.browser.helpers import LOOKS, colourful, cut_off, link, overflow, resting, saved, until
from tests.dashboard import made_curation

ACCURACY = ".st-key-curation-accuracy"
#: Whether every mark of the means is drawn within its plot.
WITHIN = """chart => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  const area = plot.querySelector('.nsewdrag').getBoundingClientRect();
  const paths = [...plot.querySelectorAll('.scatterlayer .trace .points path')];
  const marks = paths.map(p => p.getBoundingClientRect());
  return [marks.length, marks.every(m => m.left >= area.left - 8 && m.right <= area.right + 8)];
}"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """A small model, and two trainings of each kind on the pairs that it curates."""
    made, _ = made_curation.curated(tmp_path_factory.mktemp("curated"))
    return made


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_accuracies_before_and_after_curation_are_drawn(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "leakage"))
    page.wait_for_selector(f"{ACCURACY} .js-plotly-plot")
    page.locator(ACCURACY).scroll_into_view_if_needed()
    resting(page)
    # A dot a training, and the mean of each of four rows.
    until(page, WITHIN, lambda now: now == [10, True], ACCURACY)
    for key in ("accuracy", "differences"):
        assert colourful(page, f".st-key-curation-{key} .js-plotly-plot") > 50
    table = pd.read_csv(saved(page, page.locator(f"{ACCURACY} .stDownloadButton button").click).path())
    assert table["targets"].tolist()[:4] == ["uncurated", "hard", "released", "softmax"]
    assert len(table) == 10
    assert overflow(page) <= 0
    mine = page.locator("[class*=st-key-curation-] :is(.xtitle, .xtick text, .ytick text)")
    texts = set(mine.all_text_contents())
    assert len(texts) > 10
    assert not texts & set(cut_off(page))
