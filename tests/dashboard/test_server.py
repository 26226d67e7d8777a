from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard import pages, server

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
