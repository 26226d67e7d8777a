"""Which requests the server answers: those of its own pages, under its own names.

A page elsewhere could otherwise read sounds and talk to the dashboard through the reader's browser: by a name
of its own that it lets point to 127.0.0.1 (DNS rebinding), by a websocket, which browsers open to anybody,
or by showing the dashboard in a frame. So the requested name (``Host``) and the requesting page (``Origin``,
``Sec-Fetch-Site``) are checked before any route, Streamlit's as well, and every response carries headers that
keep browsers from framing it, guessing its type or running other scripts.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANY_ADDRESS = ("", "0.0.0.0", "::")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Hosts:
    """Names under which the server may be requested.

    Attributes
    ----------
    names : frozenset of str
        In lower case, besides the loopback's.
    addresses : bool
        Whether any IP address may be requested: an address cannot be made to point elsewhere.
    further : frozenset of (str, int or None)
        Names and ports of proxies in front of the server, whose pages may request though the server has
        another name; None is the usual port of http and of https.
    """

    names: frozenset[str] = frozenset()
    addresses: bool = False
    further: frozenset[tuple[str, int | None]] = frozenset()

    def allows(self, name: str) -> bool:
        """Return whether the server may be requested under this name."""
        given = name in self.names or any(name == further for further, _ in self.further)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name == "localhost" or name.endswith(".localhost") or given
        return address.is_loopback or self.addresses or given


def hosts_of(host: str, further: Iterable[str] = ()) -> Hosts:
    """Return the names of a server that listens on `host`.

    Parameters
    ----------
    host : str
        Name or address; ``0.0.0.0`` and ``::`` are all addresses of the machine, which then may be requested
        by any of them and by its own name.
    further : iterable of str
        More names, such as those of a reverse proxy, each with the port of its pages unless that is the usual
        one of http or https.

    Raises
    ------
    ValueError
        For a text that is no name, with or without a port.

    Examples
    --------
    >>> hosts_of("127.0.0.1").allows("localhost"), hosts_of("127.0.0.1").allows("evil.example")
    (True, False)
    """
    more = frozenset(map(_further, further))
    if host in _ANY_ADDRESS:
        own = socket.gethostname().lower()
        return Hosts(frozenset({own, f"{own.partition('.')[0]}.local", socket.getfqdn().lower()}), True, more)
    return Hosts(frozenset({host.lower().rstrip(".")}), False, more)


class Guard:
    """ASGI middleware that refuses requests other than those of the server's own pages.

    Parameters
    ----------
    app : ASGI application
    hosts : Hosts
    scripts : sequence of str
        Scripts written into the page itself, which may run.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, scripts: Iterable[str] = ()) -> None:
        self._app, self._hosts = app, hosts
        self._scripts = tuple(map(_hash, scripts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        refused = self._refused(headers, host, scope)
        if refused:
            return await _refuse(refused, scope, receive, send)
        if origin := headers.get("origin"):
            # Behind a proxy that gives the server its own name, the page's is the one that counts.
            host = urlsplit(origin).netloc
            kept = [(k, v) for k, v in scope["headers"] if k.lower() != b"host"]
            scope["headers"] = [*kept, (b"host", host.encode("latin-1"))]
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)

        policy = _policy(host, self._scripts)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered["Content-Security-Policy"] = policy
                answered["X-Content-Type-Options"] = "nosniff"
                # For browsers that do not know frame-ancestors.
                answered["X-Frame-Options"] = "SAMEORIGIN"
                answered["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, answer)

    def _refused(self, headers: Headers, host: str, scope: Scope) -> str:
        """Return why a request is refused, "" if it is not."""
        if not self._hosts.allows(_name(host)):
            return (
                "This server does not answer to that name. Ask for it as localhost, or allow the name with "
                "--allow-host when starting hearspace."
            )
        origin = headers.get("origin")
        if origin is not None:
            ours = _place(origin) == _place(f"{scope['scheme']}://{host}")
            if not ours and _place(origin) not in self._hosts.further:
                return "Only pages of this server may ask it."
        elif (
            headers.get("sec-fetch-site") in ("cross-site", "same-site")
            and headers.get("sec-fetch-mode") != "navigate"
        ):
            return "Only pages of this server may ask it."
        return ""


def inline_scripts(page: str) -> list[str]:
    """Return the scripts in the text of a page."""
    return re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)


async def _refuse(why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    await PlainTextResponse(why, 403, {"X-Content-Type-Options": "nosniff"})(scope, receive, send)


def _name(netloc: str) -> str:
    """Return the name of ``name:port`` in lower case, "" for any other text."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _further(given: str) -> tuple[str, int | None]:
    """Return name and port of ``name`` or ``name:port`` as `_place` does; ValueError for anything else."""
    with suppress(ValueError):
        port = urlsplit(f"//{given}").port
        if (name := _name(given)) and re.fullmatch(r"[\w.\-\[\]:]+", given, re.ASCII):
            return name, None if port in _PORTS.values() else port
    raise ValueError(
        f"--allow-host {given!r} is not a name, with or without a port, such as sounds.lab or "
        "sounds.lab:8443; give it without https:// and path."
    )


def _place(url: str) -> tuple[str, int | None]:
    """Return host and port of an address; a page of http may not differ from the one of https by that alone.

    A proxy that speaks https to the browser speaks http to the server: the scheme says nothing.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", -1
    return (parts.hostname or "").rstrip("."), None if port in (None, _PORTS.get(parts.scheme)) else port


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _policy(host: str, scripts: Iterable[str]) -> str:
    """Return what a page may load and run.

    Components come as blobs, Plotly makes the functions that draw by WebGL as it needs them, and Streamlit
    writes its styles into the page. Some browsers do not count websockets to the page's own server as 'self'.
    """
    place = host if re.fullmatch(r"[\w.\-\[\]:]+", host) else ""
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' blob: 'unsafe-eval' {' '.join(scripts)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' data: blob:{f' ws://{place} wss://{place}' if place else ''}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )
