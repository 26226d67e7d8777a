"""A real server on a real workspace, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dashboard import made
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Streamlit asks for itself below the page's own address first, to find out under which path it is served.
PROBES = ("/_stcore/health", "/_stcore/host-config")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(str(item.path)).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium with a profile on disk, in which it keeps scripts compiled: pages open in half the time."""
    executable = next((p for p in map(shutil.which, NAMES) if p), None)
    if executable is None:
        message = f"No Chromium was found ({', '.join(NAMES)}); install one to run the browser tests."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    home = tmp_path_factory.mktemp("profile")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch_persistent_context(home, executable_path=executable, args=FLAGS)
        yield found
        found.close()


#: What the test server runs: it serves one workspace, then any other whose folder it is told, until nobody
#: is there to tell.
SERVER = """
import os, sys, threading
from pathlib import Path
from dashboard import data
from dashboard.server import serve

def listen():
    for line in sys.stdin:
        data.forget()
        data.use(Path(line.rstrip("\\n")))
        print("shown", flush=True)
    os._exit(0)

threading.Thread(target=listen, daemon=True).start()
serve(Path(sys.argv[1]), port=int(sys.argv[2]), announce=False)
"""


def start(root: Path, tmp: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Serve a workspace from a process of its own."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with (tmp / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root), str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=10)
            return url, process
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"The server did not start: {(tmp / 'server.log').read_text()}")


@pytest.fixture(scope="session")
def show(
    tmp_path_factory: pytest.TempPathFactory, browser: Any
) -> Iterator[Callable[[Path], SimpleNamespace]]:
    """Return a function that shows the workspace at a root, by the one server of all the tests."""
    tmp = tmp_path_factory.mktemp("server")
    url, process = start(tmp / "first", tmp)
    assert process.stdin is not None
    assert process.stdout is not None
    now: list[Path] = []

    def shown(root: Path) -> SimpleNamespace:
        if now != [root]:
            process.stdin.write(f"{root}\n".encode())
            process.stdin.flush()
            said = process.stdout.readline()
            assert said == b"shown\n", (tmp / "server.log").read_text()
            now[:] = [root]
        return SimpleNamespace(url=url, root=root, log=tmp / "server.log")

    yield shown
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The workspace of `made.small`: 120 clips, two spaces with maps."""
    return made.small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def workspace(small: Any) -> Any:
    """The workspace that a module's tests look at; a module that needs another has its own such fixture."""
    return small


@pytest.fixture
def site(show: Callable[[Path], SimpleNamespace], workspace: Any) -> SimpleNamespace:
    """The module's workspace, served: `url` and `workspace`."""
    found = show(workspace.root)
    found.workspace = workspace
    return found


@pytest.fixture
def empty_site(show: Callable[[Path], SimpleNamespace], tmp_path: Path) -> str:
    return str(show(tmp_path / "empty").url)


@pytest.fixture
def page(browser: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that remembers nothing; afterwards there must be no error in it and no request to elsewhere.

    A test may give it another `viewport` and `color_scheme` by ``parametrize("page", LOOKS, indirect=True)``.
    """
    look = {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light"}
    look |= getattr(request, "param", {})
    assert set(look) == {"viewport", "color_scheme"}
    found = browser.new_page()
    found.set_viewport_size(look["viewport"])
    found.emulate_media(color_scheme=look["color_scheme"])
    problems: list[str] = []
    found.on("pageerror", lambda e: problems.append(f"script: {e}"))

    def console(message: Any) -> None:
        where = (message.location or {}).get("url", "")
        if message.type == "error" and not where.endswith(PROBES):
            problems.append(f"console: {message.text} ({where})")

    def outside(asked: Any) -> None:
        if not asked.url.startswith((site.url, site.url.replace("http", "ws"), "data:", "blob:")):
            problems.append(f"request: {asked.url}")

    found.on("console", console)
    found.on("request", outside)
    found.set_default_timeout(1000 * PATIENCE)
    yield found
    if found.url.startswith(site.url):
        found.evaluate("localStorage.clear()")
    found.close()
    browser.clear_cookies()
    assert problems == []
