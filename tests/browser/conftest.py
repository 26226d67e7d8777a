"""A real server on a real workspace, and a real Chromium to look at it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

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


def made() -> Any:
    path = ROOT / "tests" / "dashboard" / "made.py"
    spec = importlib.util.spec_from_file_location("hearspace_made", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(str(item.path)).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    executable = next((p for p in map(shutil.which, NAMES) if p), None)
    if executable is None:
        message = f"No Chromium was found ({', '.join(NAMES)}); install one to run the browser tests."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield found
        found.close()


def start(root: Path, tmp: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """Serve a workspace from a process of its own."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    code = (
        "import sys, pathlib; from dashboard.server import serve; "
        "serve(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))"
    )
    log = (tmp / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root), str(port)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            return url, process
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"The server did not start: {(tmp / 'server.log').read_text()}")


@pytest.fixture
def empty_site(tmp_path: Path, browser: Any) -> Iterator[str]:
    url, process = start(tmp_path / "empty", tmp_path)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[SimpleNamespace]:
    tmp = tmp_path_factory.mktemp("site")
    workspace = made().small(tmp)
    url, process = start(workspace.root, tmp)
    yield SimpleNamespace(url=url, workspace=workspace, log=tmp / "server.log")
    process.terminate()
    process.wait(10)


@pytest.fixture
def page(browser: Any, site: SimpleNamespace, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page in a fresh profile; afterwards there must be no error in it and no request to elsewhere."""
    options = getattr(request, "param", {})
    context = browser.new_context(**({"viewport": {"width": 1440, "height": 1000}} | options))
    found = context.new_page()
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
    found.set_default_timeout(20_000)
    yield found
    context.close()
    assert problems == []
