"""AudioSet's ontology, fetched once from a server of our own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pooch
import pytest

from jobs.datasets import DatasetError, _ontology

NODES = [
    {"id": "/m/a", "name": "Animal", "description": "Of animals.", "child_ids": ["/m/d"]},
    {"id": "/m/d", "name": "Dog", "description": "Of dogs.", "child_ids": []},
]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve `said`, a status and a body, and count who asks; the cache folder is an empty one."""

    class Handler(BaseHTTPRequestHandler):
        said, asked = (200, json.dumps(NODES)), 0

        def do_GET(self):
            Handler.asked += 1
            status, body = Handler.said
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *given):
            pass

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        monkeypatch.setattr(_ontology, "_URL", f"http://127.0.0.1:{found.server_port}/ontology.json")
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield Handler
        found.shutdown()
        thread.join()


def test_it_is_fetched_once(server, tmp_path):
    first, second = (_ontology.find_ontology(tmp_path, "fetch", ()) for _ in range(2))
    assert first is not None
    assert first.family("Dog", "/m/d") == "Animal"
    assert first.description("Dog", "/m/d") == "Of dogs."
    assert second == first
    assert server.asked == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((404, ""), "could not be fetched from .*404 .* give its path with the option ontology"),
        ((200, "<html>"), "JSON"),
    ],
)
def test_what_is_none_is_not_kept(server, tmp_path, said, message):
    server.said = said
    with pytest.raises(DatasetError, match=message):
        _ontology.find_ontology(tmp_path, "fetch", ())
    assert [p for p in (tmp_path / "hearspace").rglob("*") if p.is_file()] == []
    server.said = (200, json.dumps(NODES))
    assert _ontology.find_ontology(tmp_path, "fetch", ()) is not None


def test_without_a_network_a_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(_ontology, "_URL", "http://127.0.0.1:9/ontology.json")
    with pytest.raises(DatasetError, match="could not be fetched") as error:
        _ontology.find_ontology(tmp_path, "fetch", ())
    assert "\n" not in str(error.value)
