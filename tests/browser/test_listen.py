from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from jobs.engine import inprocess
from jobs.listening.ratings import open_ratings
from jobs.specs import EmbedAudio, from_json
from tests.browser.helpers import AUDIO, LOOKS, link, overflow, sounding, until
from tests.dashboard import made
from tests.waiting import PATIENCE

#: What is at the focus: column from 0 (-1 for the query), and clip.
FOCUS = """() => {
  const row = document.activeElement?.closest('.hsr-row');
  const column = row?.closest('.hsr-column');
  const columns = [...document.querySelectorAll('.hsr-column')];
  const rank = row?.querySelector('.hsr-rank').textContent;
  return row && { column: columns.indexOf(column), rank, clip: row.dataset.clip };
}"""
ENCODERS = ("aisfx", "handcrafted", "melstats", "random-cnn")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """A workspace with four spaces."""
    return made.listening(tmp_path_factory.mktemp("listening"), per_class=4)


def column(page: Any, i: int) -> Any:
    return page.locator(".hsr-column").nth(i)


def go(page: Any, url: str, columns: int) -> None:
    page.goto(url)
    column(page, columns - 1).locator(".hsr-row").first.wait_for()


def ranked(page: Any, i: int) -> list[str]:
    """The clips of a column, from the top."""
    return [x.get_attribute("data-clip") for x in column(page, i).locator(".hsr-row").all()]


def test_one_sounds_at_a_time_keys_move_and_the_same_clip_stands_out(
    page: Any, site: SimpleNamespace
) -> None:
    go(page, link(site, "listen", query="rain__take-001", system=["aisfx", "handcrafted"]), 2)
    first = column(page, 0).locator(".hsr-row")
    assert first.count() == column(page, 1).locator(".hsr-row").count() == 15
    clips = ranked(page, 0)
    assert "rain__take-001" not in clips
    fits = [x.get_attribute("data-fits") == "true" for x in first.all()]
    assert fits == [c.startswith("rain__") for c in clips]
    precision = [sum(fits[: i + 1]) / (i + 1) for i in range(15)]
    ap = sum(p for p, f in zip(precision, fits, strict=True) if f) / 4
    assert f"AP@15 {ap:.3f}" in column(page, 0).locator("header").inner_text()
    assert "recordist" in first.first.inner_text()

    theirs = ranked(page, 1)
    clip = next(c for c in clips if c in theirs)
    row = column(page, 0).locator(f"[data-clip='{clip}']")
    assert f"also B {theirs.index(clip) + 1}" in row.inner_text()
    row.hover()
    assert column(page, 1).locator(".hsr-same").get_attribute("data-clip") == clip
    assert page.locator(".hsr-same").count() == 2

    # The clips are short: on a slow machine one would have ended before the next key.
    page.evaluate("document.getElementById('hearspace-player').loop = true")
    first.nth(0).locator(".hsr-play").click()
    one = sounding(page, f"/{clips[0]}")
    assert one["src"].endswith("?level=equal")
    first.nth(1).locator(".hsr-play").click()
    sounding(page, f"/{clips[1]}")
    assert page.locator("audio").count() == 1
    assert page.locator(".hsr-column .hsr-play", has_text="❚❚").count() in (1, 2)  # twice if in both lists
    # Moving on while something sounds is listening on; space holds it and lets it go on.
    page.keyboard.press("ArrowDown")
    sounding(page, f"/{clips[2]}")
    assert page.evaluate(FOCUS) == {"column": 0, "rank": "3", "clip": clips[2]}
    page.keyboard.press("ArrowRight")
    there = page.evaluate(FOCUS)
    assert (there["column"], there["rank"]) == (1, "3")
    sounding(page, f"/{there['clip']}")
    page.keyboard.press(" ")
    until(page, AUDIO, lambda a: a["paused"])
    page.locator(".hsr-column .hsr-now .hsr-play", has_text="▶").first.wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(FOCUS)["column"] == 0
    assert page.evaluate(AUDIO)["paused"]
    page.keyboard.press(" ")
    sounding(page, f"/{clips[2]}")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUS)["clip"] == "rain__take-001"
    sounding(page, "/rain__take-001")


def test_the_link_brings_it_back(page: Any, site: SimpleNamespace) -> None:
    go(page, link(site, "listen", class_="Rain", system=["melstats", "aisfx~clips~all~nns"]), 2)
    page.get_by_role("button", name="Another clip").click()
    page.wait_for_function("location.search.includes('draw=1')")
    page.wait_for_function("location.search.includes('query=rain__')")
    query = page.locator(".hsr-query .hsr-row")
    page.wait_for_function(
        "location.search.includes(document.querySelector('.hsr-query .hsr-row').dataset.clip)"
    )
    clip = query.get_attribute("data-clip")
    shown = page.locator(".hsr-columns").inner_text()
    address = page.url
    page.goto("about:blank")
    go(page, address, 2)
    assert query.get_attribute("data-clip") == clip
    assert page.locator(".hsr-columns").inner_text() == shown
    assert page.url == address


@pytest.fixture
def embeds(site: SimpleNamespace) -> Iterator[Any]:
    """The workspace, in which melstats can embed new sounds."""
    found = site.workspace
    spec = EmbedAudio(dataset=found.dataset("small").ref, encoder="melstats")
    assert inprocess.run(found, spec).state == "done"
    yield found
    found.cache.delete(spec.key)


def test_an_upload_finds_its_own_and_what_is_none_is_said(
    page: Any, site: SimpleNamespace, embeds: Any
) -> None:
    found = embeds
    dataset = found.dataset("small")
    page.goto(link(site, "listen", from_="upload", system="melstats"))
    file = page.locator("input[type=file]")
    file.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    page.get_by_text("notes.txt is not named like a sound").wait_for()
    sound = dataset.audio_path("crow__take-002").read_bytes()
    file.set_input_files({"name": "mine.wav", "mimeType": "audio/wav", "buffer": sound})
    page.get_by_text("No worker is running").wait_for()
    jobs = [j for j in found.queue.jobs() if j.spec["type"] == "EmbedQuery" and j.active]
    assert len(jobs) == 1
    assert inprocess.run(found, from_json(jobs[0].spec)).state == "done"
    rows = column(page, 0).locator(".hsr-row")
    rows.nth(14).wait_for()
    assert rows.first.get_attribute("data-clip") == "crow__take-002"  # the same sound is in the dataset
    assert "1.000" in rows.first.inner_text()
    page.locator(".hsr-query .hsr-play").nth(1).wait_for(state="detached")  # one that goes may still be there
    page.locator(".hsr-query .hsr-play").click()
    sounding(page, "/~upload/")
    assert page.locator("audio").count() == 1
    silent = io.BytesIO()
    sf.write(silent, np.zeros(8000), 8000, format="WAV")
    file.set_input_files({"name": "none.wav", "mimeType": "audio/wav", "buffer": silent.getvalue()})
    page.get_by_text("none.wav is silent").wait_for()
    assert not [j for j in found.queue.jobs() if j.spec["type"] == "EmbedQuery" and j.active]


def test_sounds_of_ones_own_are_asked_with_blindly(page: Any, site: SimpleNamespace, embeds: Any) -> None:
    among = ["melstats", "melstats~clips~all~nns"]
    asked = {"part": "blind", "with": "upload", "control": "no", "length": 5}
    page.goto(link(site, "listen", among=among, **asked))
    files = [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}]
    for clip in ("crow__take-000", "rain__take-003"):
        sound = embeds.dataset("small").audio_path(clip).read_bytes()
        files.append({"name": f"{clip}.wav", "mimeType": "audio/wav", "buffer": sound})
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_text("notes.txt is not named like a sound").wait_for()
    page.get_by_text("2 sounds to search with").wait_for()
    until(page, "() => location.search", lambda x: "brought=" in x)
    waiting = [j for j in embeds.queue.jobs() if j.spec["type"] == "EmbedQuery" and j.active]
    assert len(waiting) == 2
    for job in waiting:
        assert inprocess.run(embeds, from_json(job.spec)).state == "done"
    page.get_by_label("Your alias").fill("eva")
    page.get_by_label("Your alias").press("Tab")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="B is best").wait_for()
    assert "take-" not in page.content()
    page.locator(".hsr-query .hsr-play").click()
    sounding(page, "/~blind/")
    page.get_by_role("button", name="A is best").click()
    page.get_by_text("You chose A").wait_for()
    (rating,) = answered(site, "eva")
    assert rating.question.query.kind == "upload"
    # The sound is in the dataset, too: it is the first that it finds.
    first = column(page, 0).locator(".hsr-row").first
    first.filter(has_text="take 00").wait_for()  # the names come a moment after the choice
    shown = first.inner_text()
    assert ("take 000" in shown and "Crow" in shown) or ("take 003" in shown and "Rain" in shown)


def begin(page: Any, site: SimpleNamespace, alias: str, seed: int = 0) -> None:
    among = ["aisfx", "handcrafted"]
    page.goto(link(site, "listen", part="blind", among=among, length=5, seed=seed))
    page.get_by_label("Your alias").fill(alias)
    page.get_by_label("Your alias").press("Tab")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="B is best").wait_for()


def answered(site: SimpleNamespace, alias: str) -> Any:
    return [r for r in open_ratings(site.workspace.root).ratings(listener=alias) if r.answered is not None]


def test_blind_until_the_choice(page: Any, site: SimpleNamespace) -> None:
    sent: list[bytes] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda x: sent.append(_bytes(x))))
    asked: list[str] = []
    page.on("request", lambda x: asked.append(x.url))
    begin(page, site, "anna")
    question = next(i for i, x in enumerate(sent) if b'"question"' in x and b'"columns"' in x)
    payload = sent[question].decode("utf-8", "replace")
    assert '"rows"' in payload  # this is what the lists are drawn from
    html = page.content()
    for name in ENCODERS:
        assert name not in payload
        assert name not in html
        assert name not in page.url
    rows = column(page, 0).locator(".hsr-row")
    assert rows.count() == 5
    # A clip's id says its class, so neither the page nor what it asks for may hold one.
    address = page.url
    rows.first.locator(".hsr-play").click()
    sounding(page, f"/audio/~blind/{rows.first.get_attribute('data-clip')}?level=equal")
    for text in (payload, html, page.content(), page.url, *asked[-40:]):
        assert "take-" not in text
    page.reload()
    column(page, 1).locator(".hsr-row").nth(4).wait_for()
    assert page.url == address
    assert rows.count() == 5
    text = page.locator(".hsr").inner_text()
    assert not any(word in text for word in ("AP@15", "take-", "recordist", "0."))
    rows.first.locator(".hsr-play").focus()
    page.keyboard.press("f")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("n")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    page.get_by_role("button", name="B is best").click()
    page.get_by_text("You chose B").wait_for()
    (rating,) = answered(site, "anna")
    assert (rating.chosen, rating.marks) == (1, {(0, 0): True, (0, 1): False, (1, 1): True})
    names = [s.encoder for s in rating.question.systems]
    for i, name in enumerate(names):
        column(page, i).locator("header b", has_text=name).wait_for()
        assert "AP@15" in column(page, i).locator("header").inner_text()
    page.get_by_role("button", name="Next question").click()
    page.get_by_text("Question 2").wait_for()
    page.get_by_role("button", name="None of them is good").click()
    page.get_by_text("You chose none of them").wait_for()
    assert [r.chosen for r in answered(site, "anna")] == [1, None]
    page.reload()
    page.get_by_text("2 answered").wait_for()
    page.get_by_role("button", name="Results").click()
    page.locator(".st-key-listen-wins .js-plotly-plot .scatterlayer .point").first.wait_for(state="attached")
    page.get_by_role("button", name="CSV of all answers").wait_for()


def _bytes(frame: Any) -> bytes:
    return frame if isinstance(frame, bytes) else str(frame).encode()


def test_two_rate_at_once_and_nothing_is_lost(browser: Any, site: SimpleNamespace) -> None:
    pages = [browser.new_page() for _ in range(2)]
    aliases = ("carla", "dimitri")
    for p, alias in zip(pages, aliases, strict=True):
        p.set_viewport_size({"width": 1200, "height": 900})
        p.set_default_timeout(1000 * PATIENCE)
        begin(p, site, alias, seed=3)
    for number in range(1, 3):
        for p in pages:
            p.get_by_text(f"Question {number}", exact=True).wait_for()
            p.get_by_role("button", name="A is best").wait_for()
        for p in pages:
            for row in range(3):
                p.locator(".hsr-column .hsr-row").nth(row).locator(".hsr-mark").first.click()
            p.get_by_role("button", name="A is best").click()
        for p in pages:
            p.get_by_role("button", name="Next question").click()
    for alias in aliases:
        found = answered(site, alias)
        assert [r.question.number for r in found] == [0, 1]
        assert all(r.chosen == 0 and r.marks == {(0, i): True for i in range(3)} for r in found)
    mine, theirs = (answered(site, a) for a in aliases)
    # The same test, so the same questions, whatever the order of the columns.
    assert [r.question.key for r in mine] == [r.question.key for r in theirs]
    for p in pages:
        p.close()


@pytest.mark.parametrize("page", LOOKS, indirect=True)
def test_themes_and_widths(page: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> None:
    narrow = request.node.callspec.params["page"]["viewport"]["width"] < 500
    go(page, link(site, "listen", query="rain__take-001"), 4)
    assert overflow(page) <= 0
    tabs = page.locator(".hsr-tabs button")
    assert tabs.first.is_visible() == narrow
    if narrow:
        tabs.nth(2).click()
        until(page, "() => document.querySelector('.hsr-columns').scrollLeft", lambda x: x > 600)
        page.locator(".hsr-tabs button[aria-pressed=true]", has_text="C ").wait_for()
        column(page, 2).locator(".hsr-play").first.click()
        sounding(page, f"/{ranked(page, 2)[0]}")
    shades = page.evaluate("getComputedStyle(document.querySelector('.hsr')).getPropertyValue('--hsr-good')")
    assert shades.strip() == ("#2b8a5e" if narrow else "#5fd6a1")
