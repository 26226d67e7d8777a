"""What the browser tests have in common: waiting for a state, reaching a point of a figure, reading lists.

Nothing here sleeps for a fixed time and hopes: everything waits until the page is as it should be.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from tests.waiting import PATIENCE

#: The one sound of the page: whether it is held, where it is (seconds) and what it plays.
AUDIO = """() => {
  const a = document.getElementById('hearspace-player');
  return a && { paused: a.paused, at: a.currentTime, src: a.src };
}"""
#: Where a point of a Plotly figure stands on the screen, by the trace's `meta` and the point's customdata.
POINT = """([chart, meta, wanted]) => {
  const plot = document.querySelector(chart + ' .js-plotly-plot');
  const trace = plot._fullData.find(t => t.meta === meta);
  const i = trace.customdata.findIndex(c => String(c) === String(wanted));
  const box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[i]), box.top + yaxis._offset + yaxis.d2p(trace.y[i])];
}"""
#: Texts of figures that stick out of their figure on the left, on the right, above or below.
CUT_OFF = """() => [...document.querySelectorAll('.stPlotlyChart')].flatMap(chart => {
  const box = chart.getBoundingClientRect();
  const texts = '.xtitle, .ytitle, .x2title, .xtick text, .ytick text, .cbtitle text';
  return [...chart.querySelectorAll(texts)].filter(t => {
    const b = t.getBoundingClientRect();
    const wide = b.left < box.left - 1 || b.right > box.right + 1;
    return wide || b.top < box.top - 1 || b.bottom > box.bottom + 1;
  }).map(t => t.textContent);
})"""
#: A box on the page, and whether the server has anything left to say.
RESTING = """selector => {
  const app = document.querySelector('[data-testid=stApp]');
  if (app?.dataset.testScriptState !== 'notRunning') return null;
  const found = [...document.querySelectorAll(selector)];
  if (!found.length) return null;
  return JSON.stringify(found.map(e => { const b = e.getBoundingClientRect();
    return [b.x, b.y, b.width, b.height, scrollY].map(Math.round); }));
}"""
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
#: Both schemes and both widths, in two looks.
LOOKS = [
    {"color_scheme": s, "viewport": {"width": w, "height": 844}} for s, w in (("light", 390), ("dark", 1440))
]


def link(site: SimpleNamespace, page: str = "", **query: Any) -> str:
    """Return the address of a page of the site: ``link(site, "explore", space=["aisfx", "melstats"])``."""
    asked = urlencode({k.rstrip("_"): v for k, v in query.items()}, doseq=True)
    return f"{site.url}/{page}" + (f"?{asked}" if asked else "")


def until(
    page: Any,
    script: str,
    check: Callable[[Any], Any] = bool,
    argument: Any = None,
) -> Any:
    """Ask the page until it says something that passes the check; return that."""
    end = time.monotonic() + PATIENCE
    while True:
        value = page.evaluate(script, argument)
        if value is not None and check(value):
            return value
        assert time.monotonic() < end, f"still {value!r}"
        page.wait_for_timeout(50)


def resting(page: Any, selector: str = "[data-testid=stApp]") -> None:
    """Wait until the server has nothing left to say and what is named stands still on the screen."""
    before: list[Any] = []

    def still(now: Any) -> bool:
        before.append(now)
        return before[-3:] == [now] * 3

    until(page, RESTING, still, selector)


def sounding(page: Any, clip: str) -> Any:
    """Wait until a clip is heard; return the state of the player."""
    return until(page, AUDIO, lambda a: clip in a["src"] and not a["paused"] and a["at"] > 0.05)


def point(page: Any, chart: str, meta: str, wanted: Any) -> tuple[float, float]:
    """Where a point of a figure stands on the screen."""
    x, y = page.evaluate(POINT, [chart, meta, wanted])
    return x, y


def click(page: Any, chart: str, meta: str, wanted: Any, *, beside: float = 0) -> None:
    """Click a point of a figure, or so many pixels to the right of it."""
    # A figure that changes stands there twice for a moment, the old one hidden.
    page.wait_for_function("c => document.querySelectorAll(c + ' .js-plotly-plot').length === 1", arg=chart)
    page.locator(f"{chart} .js-plotly-plot").scroll_into_view_if_needed()
    resting(page, f"{chart} .js-plotly-plot")
    x, y = point(page, chart, meta, wanted)
    page.mouse.click(x + beside, y)


def clips(page: Any, key: str) -> list[str]:
    """The clips of the list in the container `key`, from the top, once it is drawn anew."""
    resting(page, f".st-key-{key}")
    rows = f".st-key-{key} .hsc-rows li"
    return list(page.eval_on_selector_all(rows, "rows => rows.map(r => r.dataset.clip)"))


def pixels(page: Any, selector: str) -> Any:
    """What the first such thing looks like, (height, width, 3) in 0 to 255."""
    import numpy as np
    from PIL import Image

    found = page.locator(selector).first
    found.scroll_into_view_if_needed()
    return np.asarray(Image.open(io.BytesIO(found.screenshot())).convert("RGB"), float)


def colourful(page: Any, selector: str, over: float = 40) -> int:
    """How many pixels of the first such thing are of a colour, not grey."""
    seen = pixels(page, selector)
    return int((seen.max(2) - seen.min(2) > over).sum())


def overflow(page: Any) -> float:
    """By how many pixels the page is wider than its window."""
    return float(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def cut_off(page: Any) -> list[str]:
    """Texts of figures that are cut off."""
    return list(page.evaluate(CUT_OFF))


def saved(page: Any, press: Callable[[], Any]) -> Any:
    """Do what starts a download; return it, with `suggested_filename` and `path()`."""
    with page.expect_download() as found:
        press()
    return found.value
