"""From page to page, back and forth, through a restart of the server; and what browsers forbid the pages."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard import pages
from tests.browser.conftest import ROOT
from tests.browser.helpers import click, link, resting, until
from tests.dashboard import made
from tests.waiting import PATIENCE

#: The page's path and its query, as a sorted list of pairs.
ADDRESS = "() => [location.pathname.slice(1), [...new URLSearchParams(location.search)].map(String).sort()]"

#: Remembers what the policy of a page has forbidden it.
REFUSED = """window.refused = [];
addEventListener('securitypolicyviolation', e => refused.push(
  `${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    """Two datasets of the same sounds with three spaces each, measured and drawn; ``small`` is the second."""
    root = tmp_path_factory.mktemp("carried")
    found, dataset = made.workspace(root, per_class=6)
    first = found.add_dataset("first", imported_again(dataset), adapter="folder", root=root / "sounds")
    for which in (first, dataset):
        for i, encoder in enumerate(("aisfx", "handcrafted", "melstats")):
            space = made.space(found, which, encoder, seed=i, spread=0.7 + 0.4 * i)
            made.map_of(found, space)
            made.measures_of(found, which, space)
    return found


def imported_again(dataset: Any) -> Any:
    from jobs.datasets.importer import Imported

    clips = dataset.clips
    return Imported(clips, dataset.classes, dataset.report, "0" * 64, dataset.labels_fingerprint)


def at(page: Any, name: str, **query: str) -> Any:
    """Wait until the address is of this page with these values, and drawn; return both."""
    asked = {f"{k},{v}" for k, v in query.items()}
    found = until(page, ADDRESS, lambda a: a[0] == name and asked <= set(a[1]))
    resting(page)
    return found


def go(page: Any, title: str) -> None:
    """Follow the bar of pages."""
    page.locator('[data-testid="stTopNavLink"]').get_by_text(title, exact=True).click()


def test_dataset_space_and_clip_go_along(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "explore", dataset="small", space="melstats", clip="rain__take-002"))
    at(page, "explore", dataset="small", clip="rain__take-002")
    go(page, "Separability")
    at(page, "separability", dataset="small", space="melstats")
    page.get_by_role("heading", name="Separability · small").wait_for()
    go(page, "Listen")
    found = at(page, "listen", dataset="small", query="rain__take-002")[1]
    # Beside the space that was looked at stands something to compare it with.
    assert sum(pair.startswith("system,") for pair in found) >= 2
    assert "system,melstats" in found
    assert page.get_by_test_id("stAlert").count() == 0
    go(page, "Explore")
    at(page, "explore", dataset="small", space="melstats", clip="rain__take-002")


def test_back_goes_to_the_view_that_one_came_from(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site, "explore", dataset="small"))
    here = at(page, "explore", dataset="small", space="aisfx")
    length = page.evaluate("history.length")
    go(page, "Separability")
    there = at(page, "separability", dataset="small", space="aisfx")
    assert page.evaluate("history.length") == length + 1  # the address was completed, not written twice
    page.get_by_role("combobox", name="Space").click()
    page.get_by_role("option", name="melstats").click()
    changed = at(page, "separability", space="melstats")
    assert page.evaluate("history.length") == length + 2  # what the reader does can be undone
    page.go_back()
    assert at(page, *there[:1], space="aisfx") == there
    page.get_by_role("heading", name="Classes in aisfx", exact=True).wait_for()
    page.go_back()
    assert at(page, "explore", dataset="small", space="aisfx") == here
    page.get_by_role("heading", name="Explore · small").wait_for()
    page.go_forward()
    page.go_forward()
    assert at(page, "separability", space="melstats") == changed


def test_a_short_link_is_completed_in_place(page: Any, site: SimpleNamespace) -> None:
    page.goto(link(site))
    page.get_by_role("heading", name="small").wait_for()
    resting(page)
    length = page.evaluate("history.length")
    page.goto(link(site, "separability"))
    at(page, "separability", dataset="first", space="aisfx")
    assert page.evaluate("history.length") == length + 1
    page.go_back()
    until(page, ADDRESS, lambda a: a[0] == "")


def test_no_page_does_what_its_policy_forbids(page: Any, site: SimpleNamespace) -> None:
    page.add_init_script(REFUSED)
    page.set_viewport_size({"width": 2600, "height": 1000})  # wide enough for the names of all pages
    answer = page.goto(link(site))
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    page.get_by_role("heading").first.wait_for()
    resting(page)
    assert page.evaluate("refused") == []
    for module in pages.modules()[1:]:
        name = pages.address(module)
        with urllib.request.urlopen(link(site, name)) as direct:
            assert direct.headers["content-security-policy"] == answer.headers["content-security-policy"]
        go(page, module.TITLE)
        at(page, name)
        assert page.evaluate("refused") == [], name


def test_maps_sounds_and_images_are_within_the_policy(page: Any, site: SimpleNamespace) -> None:
    page.add_init_script(REFUSED)
    page.goto(link(site, "explore", dataset="small", space="melstats"))
    page.locator(".hsm[data-drawn]").wait_for()
    with page.expect_download() as found:
        page.get_by_role("button", name="PNG").first.click()
    assert found.value.path().stat().st_size > 10_000
    page.locator(".hsc-play").first.click()
    until(page, "document.getElementById('hearspace-player')?.currentTime > 0.05")
    page.goto(link(site, "separability", dataset="small"))
    click(page, ".st-key-separability-classes", "classes", "Rain")
    at(page, "separability", **{"class": "Rain"})
    assert page.evaluate("refused") == []


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A page of another server, which shows ours and embeds a sound of it."""

    url = ""

    def do_GET(self) -> None:
        body = (
            f'<iframe src="{self.url}/explore"></iframe><audio src="{self.url}/audio/small/rain__take-001">'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None: ...


def test_a_page_elsewhere_can_neither_show_nor_ask_ours(browser: Any, site: SimpleNamespace) -> None:
    Elsewhere.url = site.url
    page = browser.new_page()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        failed: list[str] = []
        page.on("requestfailed", lambda asked: failed.append(asked.url.removeprefix(site.url)))
        page.goto(f"http://localhost:{server.server_port}/")
        wanted = ["/audio/small/rain__take-001", "/explore"]
        until(page, "1", lambda _: sorted(failed) == wanted)
        # The very websocket that our own pages have.
        asked = """url => new Promise(done => {
          const socket = new WebSocket(url);
          socket.onopen = () => done("open"); socket.onerror = () => done("refused"); })"""
        assert page.evaluate(asked, site.url.replace("http", "ws") + "/_stcore/stream") == "refused"
        server.shutdown()
    page.close()


# -- a restart --------------------------------------------------------------------------------------------

SERVER = "import sys; from pathlib import Path; from dashboard.server import serve; " + (
    "serve(Path(sys.argv[1]), port=int(sys.argv[2]), announce=False)"
)


class Restarting:
    """A server that can be stopped and started at the same address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [sys.executable, "-c", SERVER, str(self.root), str(self.port)]
        self.process = subprocess.Popen(arguments, cwd=ROOT)
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=10)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("The server did not start.")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)


@pytest.fixture
def server(workspace: Any) -> Iterator[Restarting]:
    found = Restarting(workspace.root)
    found.start()
    yield found
    found.stop()


def test_a_restart_is_told_calmly_and_loses_no_click(browser: Any, server: Restarting) -> None:
    page = browser.new_page()
    try:
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{server.url}/separability?dataset=small&space=aisfx")
        page.get_by_role("heading", name="Classes in aisfx", exact=True).wait_for()
        resting(page)
        server.stop()
        notice = page.get_by_role("status").filter(has_text="hearspace does not answer.")
        notice.wait_for()
        page.wait_for_timeout(100)
        assert page.get_by_role("dialog").count() == 0
        assert page.get_by_text("Streamlit").count() == 0
        server.start()
        notice.wait_for(state="detached")
        page.get_by_role("combobox", name="Space").click()
        page.get_by_role("option", name="melstats").click()
        at(page, "separability", dataset="small", space="melstats")
        page.get_by_role("heading", name="Classes in melstats", exact=True).wait_for()
    finally:
        page.close()
