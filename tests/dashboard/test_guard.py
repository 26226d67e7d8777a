"""Who may ask the server, and what its answers tell browsers."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard import guard, shell


def client(host: str = "127.0.0.1", further: tuple[str, ...] = ()) -> TestClient:
    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse(request.headers["host"])

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.headers["host"])
        await socket.close()

    app = Starlette(
        routes=[Route("/", page), Route("/upload", page, methods=["PUT"]), WebSocketRoute("/stream", stream)],
        middleware=[Middleware(guard.Guard, hosts=guard.hosts_of(host, further), scripts=["let a = 1"])],
    )
    return TestClient(app, base_url="http://localhost:8501")


OURS = ["localhost:8501", "127.0.0.1:8501", "127.8.8.8", "[::1]:8501", "LOCALHOST", "a.localhost:1"]
THEIRS = ["evil.example", "evil.example:8501", "localhost.evil.example", "10.0.0.7:8501", "", "a b", "[::1"]


@pytest.mark.parametrize("host", OURS)
def test_the_loopback_is_asked_for_by_any_of_its_names(host: str) -> None:
    assert client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", THEIRS)
def test_a_name_that_is_not_the_servers_is_refused_everywhere(host: str) -> None:
    asked = client()
    answer = asked.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.text.startswith("This server does not answer to that name. ")
    assert "--allow-host" in answer.text
    with pytest.raises(WebSocketDisconnect), asked.websocket_connect("/stream", headers={"Host": host}) as s:
        s.receive_text()


@pytest.mark.parametrize(
    ("host", "further", "name", "allowed"),
    [
        ("0.0.0.0", (), "192.168.1.20:8501", True),
        ("0.0.0.0", (), "evil.example", False),
        ("0.0.0.0", ("lab.example",), "lab.example", True),
        ("lab.example", (), "lab.example:8501", True),
        ("lab.example", (), "other.example", False),
        ("127.0.0.1", ("Lab.Example.",), "lab.example:443", True),
    ],
)
def test_names_that_may_be_asked_for(host: str, further: tuple[str, ...], name: str, allowed: bool) -> None:
    status = client(host, further).get("/", headers={"Host": name}).status_code
    assert status == (200 if allowed else 403)


def test_a_server_for_all_addresses_goes_by_the_machines_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.socket, "gethostname", lambda: "Desk.lab")
    monkeypatch.setattr(guard.socket, "getfqdn", lambda: "desk.lab.example")
    hosts = guard.hosts_of("::")
    assert [n for n in ("desk.lab", "desk.local", "desk.lab.example", "desk") if hosts.allows(n)] == [
        "desk.lab",
        "desk.local",
        "desk.lab.example",
    ]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8501", True),
        ("http://localhost:9999", False),
        ("http://127.0.0.1:8501", False),
        ("http://evil.example", False),
        ("null", False),
        ("http://[::1", False),
        ("http://localhost:port", False),
    ],
)
def test_only_a_page_of_the_server_may_ask(origin: str, allowed: bool) -> None:
    asked, headers = client(), {"Host": "localhost:8501", "Origin": origin}
    for answer in (asked.get("/", headers=headers), asked.put("/upload", headers=headers)):
        assert answer.status_code == (200 if allowed else 403)
    if allowed:
        with asked.websocket_connect("/stream", headers=headers) as s:
            assert s.receive_text() == "localhost:8501"
    else:
        with pytest.raises(WebSocketDisconnect), asked.websocket_connect("/stream", headers=headers) as s:
            s.receive_text()


@pytest.mark.parametrize("host", ["lab.example", "127.0.0.1:8501"])
def test_a_page_behind_a_proxy_may_ask_by_the_proxys_name(host: str) -> None:
    asked = client(further=("lab.example",))
    headers = {"Host": host, "Origin": "https://lab.example"}
    assert asked.put("/upload", headers=headers).text == "lab.example"
    with asked.websocket_connect("/stream", headers=headers) as s:
        # So that what is behind takes page and server for the same place.
        assert s.receive_text() == "lab.example"


@pytest.mark.parametrize(
    ("given", "origin", "allowed"),
    [
        ("lab.example", "http://lab.example", True),
        ("lab.example:443", "https://lab.example", True),
        ("lab.example", "https://lab.example:8443", False),
        ("lab.example", "http://lab.example:3000", False),
        ("Lab.Example:8443", "https://lab.example:8443", True),
        ("lab.example:8443", "https://lab.example", False),
        ("lab.example:8443", "https://other.example:8443", False),
    ],
)
@pytest.mark.parametrize("host", ["lab.example:9000", "127.0.0.1:8501"])
def test_only_pages_on_the_port_of_the_proxy_may_ask(
    given: str, origin: str, allowed: bool, host: str
) -> None:
    answer = client(further=(given,)).put("/upload", headers={"Host": host, "Origin": origin})
    assert answer.status_code == (200 if allowed else 403)


@pytest.mark.parametrize(
    "given",
    [
        "https://lab.example",
        "lab.example/sounds",
        "",
        " ",
        "*.lab",
        "a b",
        ":80",
        "lab:x",
        "lab:99999",
        "me@lab",
    ],
)
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not a name, with or without a port") as error:
        guard.hosts_of("127.0.0.1", [given])
    assert repr(given) in str(error.value)


@pytest.mark.parametrize(
    ("site", "mode", "allowed"),
    [
        ("same-origin", "cors", True),
        ("none", "navigate", True),
        ("cross-site", "navigate", True),
        ("cross-site", "no-cors", False),
        ("same-site", "no-cors", False),
        ("cross-site", "websocket", False),
    ],
)
def test_a_page_elsewhere_may_link_but_not_embed(site: str, mode: str, allowed: bool) -> None:
    answer = client().get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
    assert answer.status_code == (200 if allowed else 403)


def test_every_answer_says_what_browsers_may_do_with_it() -> None:
    headers = client().get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(part.partition(" ")[::2] for part in headers["content-security-policy"].split("; "))
    assert policy["frame-ancestors"] == "'self'"
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == "'none'"
    assert "ws://localhost:8501" in policy["connect-src"]
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'sha256-" in policy["script-src"]
    for sources in policy.values():
        assert "*" not in sources
        assert "https:" not in sources


def test_the_page_runs_our_script_first_and_only_scripts_that_are_allowed() -> None:
    text = shell.index("/lab")
    first = text.index("<script")
    assert text[first:].startswith('<script src="/lab/assets/shell.js" data-base="/lab/"')
    assert "<title>hearspace</title>" in text
    assert len(guard.inline_scripts(text)) == text.count("<script>") == 1
