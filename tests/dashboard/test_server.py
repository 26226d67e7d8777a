from __future__ import annotations

import json
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dashboard import __main__ as program
from dashboard import pages, server
from jobs import cli
from jobs.cli import service
from tests.waiting import PATIENCE

FORBIDDEN = (
    "torch",
    "dask",
    "distributed",
    "umap",
    "openTSNE",
    "librosa",
    "sklearn",
    "numba",
    "transformers",
)


def test_importing_the_dashboard_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, dashboard.server, dashboard.media, dashboard.pages as p; p.modules(); "
        f"print(json.dumps([m for m in {FORBIDDEN!r} if m in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout.splitlines()[-1]) == []


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(server.ServerError, match=f"Port {port} on 127.0.0.1 is in use"):
            server.serve(tmp_path, port=port)


def test_names_of_proxies_reach_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(program, "serve", lambda root, **options: asked.update(options, root=root))
    words = ["--workspace", str(tmp_path), "--host", "0.0.0.0", "--allow-host", "a.example"]
    monkeypatch.setattr(sys, "argv", ["dashboard", *words, "--allow-host", "b.example"])
    assert program.main() == 0
    assert asked["host"] == "0.0.0.0"
    assert asked["allowed_hosts"] == ["a.example", "b.example"]


def test_an_address_in_place_of_a_name_is_one_sentence(tmp_path: Path) -> None:
    words = ["--workspace", tmp_path, "--port", "0", "--allow-host", "https://lab.example"]
    out = subprocess.run(
        [sys.executable, "-m", "dashboard", *words], capture_output=True, text=True, timeout=PATIENCE
    )
    assert out.returncode == 1
    assert out.stderr.startswith("--allow-host 'https://lab.example' is not a name")
    assert out.stderr.count("\n") == 1


@pytest.mark.parametrize("given", [["--allow-host", "a.example", "--allow-host", "b"], []])
def test_the_command_names_them_to_the_server(
    given: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[tuple[object, ...]] = []

    def start(*arguments: object) -> Any:
        started.append(arguments)
        raise typer.Exit(0)

    monkeypatch.setattr(service, "_start", start)
    if not given:
        monkeypatch.setenv("HEARSPACE_ALLOW_HOSTS", "a.example b")
    CliRunner().invoke(cli.app, ["serve", "--port", "8791", "--workspace", str(tmp_path), *given])
    (arguments,) = started
    assert [b for a, b in pairwise(arguments) if a == "--allow-host"] == ["a.example", "b"]


def test_the_whole_application_refuses_other_names(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from starlette.testclient import TestClient
from dashboard import server
app = server.application(Path({str(tmp_path)!r}), allowed_hosts=["lab.example"])
with TestClient(app, base_url="http://localhost:8501") as asked:
    for path in ("/", "/explore", "/_stcore/health", "/_stcore/host-config", "/assets/run", "/static/none"):
        for host in ("localhost:8501", "lab.example", "evil.example"):
            answer = asked.get(path, headers={{"Host": host}})
            print(path, host, answer.status_code == 403, answer.headers["x-content-type-options"])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines() if line.startswith("/")]
    assert len(rows) == 18
    assert all((refused == "True") == (host == "evil.example") for _, host, refused, _ in rows)
    assert {kind for *_, kind in rows} == {"nosniff"}


def test_options_are_known_to_streamlit() -> None:
    from streamlit import config

    known = config.get_config_options()
    assert [name for name in server.options() if name not in known] == []
    assert server.options()["browser.gatherUsageStats"] is False


def test_every_view_is_a_page() -> None:
    modules = pages.modules()
    assert [m.TITLE for m in modules][:2] == ["Home", "Explore"]
    assert len({m.ORDER for m in modules}) == len(modules)
    for m in modules:
        assert m.__doc__
        assert callable(m.render)
        assert m.ICON.startswith(":material/")
